"""What MySQL's driver says of primaries and replicas, as an ordinary user."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from daemons import poll
from probe import GTID, GTID_SET, PRIMARY, READ_ONLY, READ_WRITE, STANDBY, Probe
from replica_set import Node, ReplicaSet

pytestmark = pytest.mark.once
Open = Callable[..., Probe]

ALLOWED = {"mariadb": "SLAVE MONITOR", "mysql8": "REPLICATION CLIENT"}
KIND = {"mariadb": GTID, "mysql8": GTID_SET}
NODE = {"mariadb": "SELECT @@server_uid", "mysql8": "SELECT @@server_uuid"}


@pytest.fixture(params=KIND)
def set_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def set_of(set_name: str, replica_sets: Any) -> ReplicaSet[Any]:
    replicas: ReplicaSet[Any] = replica_sets(set_name)
    replicas.primary.ask("CREATE TABLE IF NOT EXISTS probed (n int)")
    for node in replicas.replicas:
        replicas.caught_up(node)
    return replicas


@pytest.fixture
def observer(set_of: ReplicaSet[Any], set_name: str) -> Iterator[str]:
    """A user who may see how replication does."""
    native = "WITH mysql_native_password BY" if set_name == "mysql8" else "BY"
    ask = set_of.primary.ask_server
    ask(f"CREATE USER observer@'%' IDENTIFIED {native} '{set_of.password}'")
    ask(f"GRANT {ALLOWED[set_name]} ON *.* TO observer@'%'")
    ask("GRANT ALL ON millpond.* TO observer@'%'")
    for node in set_of.replicas:
        set_of.caught_up(node)
    yield "observer"
    set_of.primary.ask_server("DROP USER observer@'%'")


@pytest.fixture
def probe() -> Iterator[Open]:
    """probe(node): a connection to it, as a user who may do anything with one database."""
    with ExitStack() as stack:

        def open_probe(node: Node, user: str = "millpond", **config: Any) -> Probe:
            names = ("host", "port", "password", "database")
            where = {name: node.address[name] for name in names}
            login = {"user": user, "get_server_public_key": "yes"}
            opened = Probe("mysql", **{**where, **login, **config})
            assert opened.opened["code"] == 0, opened.opened
            return stack.enter_context(opened)

        yield open_probe


# ---- Reports -----------------------------------------------------------------------------


def test_a_primary_and_its_replicas_report_alike(
    set_of: ReplicaSet[Any], set_name: str, probe: Open
) -> None:
    primary = probe(set_of.primary).report()
    assert primary["role"] == PRIMARY | READ_WRITE
    assert primary["node"] == set_of.primary.value(NODE[set_name])
    assert primary["position"][0] == KIND[set_name]
    for node in set_of.replicas:
        report = probe(node).report()
        assert report["role"] == STANDBY | READ_ONLY
        assert report["node"] == node.value(NODE[set_name])
        assert report["ready"] and report["streaming"] and not report["multi_writer"]
        assert report["position"] == primary["position"]


def test_a_position_moves_with_what_is_written(set_of: ReplicaSet[Any], probe: Open) -> None:
    primary, replica = probe(set_of.primary), probe(set_of.replicas[0])
    before = primary.report()["position"]
    set_of.primary.ask("INSERT INTO probed VALUES (1)")
    after = primary.report()["position"]
    assert after != before
    poll("the same position", lambda: replica.report()["position"] == after)


def test_a_replica_that_applies_nothing_stays_where_it_is(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    node = set_of.replicas[0]
    replica = probe(node)
    set_of.pause_replay(node)
    before = replica.report()["position"]
    set_of.primary.ask("INSERT INTO probed VALUES (1)")
    set_of.caught_up(set_of.replicas[1])
    assert replica.report()["position"] == before


@pytest.mark.parametrize("thread", ["IO_THREAD", "SQL_THREAD"])
def test_a_replica_whose_thread_has_ended_does_not_stream(
    set_of: ReplicaSet[Any], set_name: str, probe: Open, observer: str, thread: str
) -> None:
    node = set_of.replicas[0]
    replica, hidden = probe(node, observer), probe(node)
    assert replica.report()["streaming"] and hidden.report()["streaming"]
    node.ask_server(f"STOP SLAVE {thread}")
    assert not replica.report()["streaming"]
    assert hidden.report()["streaming"] == (set_name == "mysql8")  # which does not tell anyone
    node.ask_server(f"START SLAVE {thread}")
    poll("the thread", lambda: replica.report()["streaming"])


def test_a_promotion_is_seen(set_of: ReplicaSet[Any], probe: Open) -> None:
    old, (new, other) = set_of.primary, set_of.replicas
    promoted, follower = probe(new), probe(other)
    before = promoted.report()["position"]
    set_of.kill(old)
    set_of.promote(new)
    assert promoted.report()["role"] == PRIMARY | READ_WRITE
    new.ask("INSERT INTO probed VALUES (1)")
    after = promoted.report()["position"]
    assert after != before
    if after[0] == GTID_SET:
        assert before[1] in after[1] or len(after[1]) > len(before[1])
    poll("the follower", lambda: follower.report()["position"] == after)
