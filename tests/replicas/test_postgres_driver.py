"""What PostgreSQL's driver says of primaries and replicas, as an ordinary user."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from daemons import poll
from probe import LSN, PRIMARY, READ_ONLY, READ_WRITE, STANDBY, Probe
from replica_set import Node, ReplicaSet

pytestmark = pytest.mark.once
Open = Callable[..., Probe]

USERS = """
DO $$ BEGIN
    CREATE ROLE plain LOGIN PASSWORD 'plain';
    CREATE ROLE observer LOGIN PASSWORD 'observer' IN ROLE pg_read_all_stats;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
CREATE TABLE IF NOT EXISTS probed (n int);
GRANT ALL ON probed TO PUBLIC
"""


@pytest.fixture
def set_of(postgres_replicas: ReplicaSet[Any]) -> ReplicaSet[Any]:
    postgres_replicas.primary.ask(USERS)
    for node in postgres_replicas.replicas:
        postgres_replicas.caught_up(node)
    return postgres_replicas


@pytest.fixture
def probe() -> Iterator[Open]:
    """probe(node): a connection to it, as a user without any privileges."""
    with ExitStack() as stack:

        def open_probe(node: Node, user: str = "plain", **config: Any) -> Probe:
            where = {"host": "127.0.0.1", "port": node.port, "database": node.address["database"]}
            opened = Probe("postgres", **{**where, "user": user, "password": user, **config})
            assert opened.opened["code"] == 0, opened.opened
            return stack.enter_context(opened)

        yield open_probe


def lsn(report: dict[str, Any]) -> tuple[int, int]:
    """Timeline and LSN of a report."""
    kind, text = report["position"]
    assert kind == LSN
    timeline, high, low = text.replace("/", ":").split(":")
    return int(timeline), (int(high, 16) << 32) + int(low, 16)


# ---- Reports -----------------------------------------------------------------------------


def test_a_primary_and_its_replicas_report_alike(set_of: ReplicaSet[Any], probe: Open) -> None:
    primary = probe(set_of.primary)
    identity = set_of.primary.value("SELECT system_identifier FROM pg_control_system()")
    reports = [probe(node).report() for node in set_of.replicas]
    assert {report["identity"] for report in (primary.report(), *reports)} == {identity}
    assert primary.report()["role"] == PRIMARY | READ_WRITE
    assert {report["role"] for report in reports} == {STANDBY | READ_ONLY}
    assert all(report["ready"] and report["streaming"] for report in reports)


@pytest.mark.parametrize("user", ["plain", "observer", "millpond"])
def test_any_user_may_ask(set_of: ReplicaSet[Any], probe: Open, user: str) -> None:
    password = {"password": set_of.password} if user == "millpond" else {}
    for node in set_of.nodes:
        assert lsn(probe(node, user, **password).report())[0] > 0


def test_a_replica_reaches_what_the_primary_has_written(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    primary, replica = probe(set_of.primary), probe(set_of.replicas[0])
    for sql in ("INSERT INTO probed VALUES (1)", "SELECT pg_switch_wal()"):
        set_of.primary.ask(sql)
        written = lsn(primary.report())
        poll(sql, lambda written=written: lsn(replica.report()) >= written)
        assert lsn(replica.report()) <= lsn(primary.report())


def test_what_is_written_never_ends_in_the_header_of_a_page(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    """No replica would come so far before the next record."""
    primary = probe(set_of.primary)
    at_the_start = 0
    for _ in range(5):
        set_of.primary.ask("SELECT pg_switch_wal()")
        _, written = lsn(primary.report())
        at_the_start += written % (1 << 24) == 0
        assert written % (1 << 24) not in (24, 40)
    assert at_the_start, "something was written each time"


def test_a_replica_that_is_paused_is_not_ready(set_of: ReplicaSet[Any], probe: Open) -> None:
    node = set_of.replicas[0]
    replica = probe(node)
    set_of.pause_replay(node)
    before = lsn(replica.report())
    set_of.primary.ask("INSERT INTO probed VALUES (1)")
    set_of.caught_up(set_of.replicas[1])
    assert not replica.report()["ready"]
    assert lsn(replica.report()) == before
    set_of.resume_replay(node)
    poll("a replica that replays", lambda: replica.report()["ready"])


def test_a_replica_whose_primary_is_gone_does_not_stream(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    replica = probe(set_of.replicas[0])
    set_of.kill(set_of.primary)
    poll("a broken stream", lambda: not replica.report()["streaming"])
    assert replica.report()["role"] == STANDBY | READ_ONLY


def test_a_promotion_gives_a_new_timeline(set_of: ReplicaSet[Any], probe: Open) -> None:
    new, other = set_of.replicas
    promoted, follower = probe(new), probe(other, "observer")
    old = lsn(promoted.report())
    set_of.kill(set_of.primary)
    set_of.promote(new)
    poll("a primary", lambda: promoted.report()["role"] == PRIMARY | READ_WRITE)
    assert lsn(promoted.report()) > old
    assert lsn(promoted.report())[0] == old[0] + 1
    new.ask("INSERT INTO probed VALUES (1)")
    written = lsn(promoted.report())
    poll("the follower on the new timeline", lambda: lsn(follower.report()) >= written)
    assert lsn(follower.report())[0] == written[0]
    assert promoted.execute("INSERT INTO probed VALUES (2)")


def test_a_primary_that_is_read_only_says_so(set_of: ReplicaSet[Any], probe: Open) -> None:
    primary = probe(set_of.primary, options="-cdefault_transaction_read_only=on")
    assert primary.report()["role"] == PRIMARY | READ_ONLY
