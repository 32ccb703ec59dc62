"""What PostgreSQL's driver says of primaries and replicas, as an ordinary user."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from daemons import poll
from probe import LSN, PRIMARY, READ_ONLY, READ_WRITE, STANDBY, Position, Probe, noted
from replica_set import Node, ReplicaSet
from round_trips import RoundTrips

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


# ---- Sessions that are read-only -----------------------------------------------------------

WRITE = "INSERT INTO probed VALUES (7)"
READ = "SELECT 1 FROM pg_class LIMIT 1"
REFUSED = "25006"


@pytest.fixture
def relay(set_of: ReplicaSet[Any]) -> Iterator[RoundTrips]:
    with RoundTrips("127.0.0.1", set_of.primary.port) as started:
        yield started


def cost(relay: RoundTrips, ask: Callable[[], Any]) -> int:
    """Round trips."""
    before = relay.count
    ask()
    return relay.count - before


def test_a_read_only_session_refuses_writes_until_it_is_as_before(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    conn = probe(set_of.primary)
    for _ in range(2):
        conn.execute(WRITE)
        assert conn.do("read_only on")["read_only"]
        for line in (f"execute {WRITE}", f"many 2 {WRITE[:-3]} (?::int)", f"execute {READ}"):
            outcome = conn.ask(line)
            assert outcome["sqlstate"] == ("" if READ in line else REFUSED)
            assert not outcome["standby"]  # it is the session, not the server
        assert conn.do(f"stream {READ}")["more"] in (0, 1)
        conn.do("end")
        assert not conn.do("read_only off")["read_only"]


def test_transactions_of_a_read_only_session_are_read_only(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    conn = probe(set_of.primary)
    conn.do("read_only on")
    for first in (READ, "SET LOCAL work_mem TO '1MB'", WRITE):
        conn.do("begin")
        conn.ask(f"execute {first}")
        assert conn.ask(f"execute {WRITE}")["sqlstate"] in (REFUSED, "25P02")
        conn.do("rollback")
    conn.do("begin")
    assert conn.ask("read_only off")["code"], "a transaction is open"
    conn.do("rollback")
    conn.do("read_only off")
    conn.do("begin")
    conn.execute(WRITE)
    conn.do("commit")


def test_the_session_stays_read_only_whatever_resets_its_settings(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    conn = probe(set_of.primary)
    conn.do("read_only on")
    for sql in ("DISCARD ALL", "RESET ALL"):
        conn.execute(sql)
        assert conn.ask(f"execute {WRITE}")["sqlstate"] == REFUSED
    assert not conn.do("reset")["read_only"]
    conn.execute(WRITE)


def test_a_session_may_be_read_only_from_the_start(set_of: ReplicaSet[Any], probe: Open) -> None:
    conn = probe(set_of.primary, session_read_only="yes")
    for line in ("ping", "reset", "read_only off", f"execute {READ}"):
        assert conn.do(line)["read_only"]
        assert conn.ask(f"execute {WRITE}")["sqlstate"] == REFUSED


def test_a_read_only_session_costs_no_round_trip(
    set_of: ReplicaSet[Any], probe: Open, relay: RoundTrips
) -> None:
    conn = probe(set_of.primary, port=relay.port)
    conn.execute(READ)
    assert cost(relay, lambda: conn.do("read_only on")) == 0
    assert cost(relay, lambda: conn.execute(READ)) == 1
    assert cost(relay, lambda: conn.execute(READ)) == 1
    assert cost(relay, lambda: conn.do("read_only off")) == 0
    assert cost(relay, lambda: [conn.do("begin"), conn.execute(READ)]) == 1
    assert cost(relay, lambda: conn.do("commit")) == 1
    conn.do("read_only on")
    assert cost(relay, lambda: [conn.do("begin"), conn.execute(READ)]) == 1
    assert conn.ask(f"execute {WRITE}")["sqlstate"] == REFUSED


# ---- Positions of commits ------------------------------------------------------------------

COMMITS = {
    "a statement": [f"execute {WRITE}"],
    "many": ["many 3 INSERT INTO probed VALUES (?)"],
    "a transaction": ["begin", f"execute {WRITE}", "commit"],
    "words": ["execute BEGIN", f"execute {WRITE}", "execute COMMIT"],
    "a statement that returns": ["execute INSERT INTO probed VALUES (8) RETURNING n"],
    "DDL": ["execute CREATE TABLE IF NOT EXISTS more (n int)"],
    "a block": ["execute DO $$ BEGIN INSERT INTO probed VALUES (1); COMMIT; END $$"],
    "without a name": ["execute TRUNCATE probed"],
    "a function": ["execute SELECT writes()"],
    "SELECT INTO": ["execute SELECT 1 AS n INTO TEMP made"],
    "vacuum": ["execute VACUUM probed"],
}


@pytest.fixture
def tracked(set_of: ReplicaSet[Any], probe: Open, relay: RoundTrips) -> Probe:
    set_of.primary.ask(
        "DROP TABLE IF EXISTS more; GRANT CREATE ON SCHEMA public TO PUBLIC;"
        "ALTER TABLE probed OWNER TO plain;"
        "CREATE OR REPLACE FUNCTION writes() RETURNS int LANGUAGE sql"
        " AS 'INSERT INTO probed VALUES (9) RETURNING n'"
    )
    conn = probe(set_of.primary, port=relay.port)
    conn.track()
    return conn


def end_of_wal(node: Node) -> int:
    high, low = str(node.value("SELECT pg_current_wal_insert_lsn()")).split("/")
    return (int(high, 16) << 32) + int(low, 16)


@pytest.mark.parametrize("lines", COMMITS.values(), ids=COMMITS)
def test_a_commit_tells_where_it_is(
    set_of: ReplicaSet[Any], tracked: Probe, lines: list[str]
) -> None:
    before = end_of_wal(set_of.primary)
    *earlier, last = [tracked.do(line) for line in lines]
    after = end_of_wal(set_of.primary)
    if lines != COMMITS["words"]:  # where BEGIN might be anything
        assert not any(commits for outcome in earlier for commits, _ in outcome["notes"])
    position = noted(last)
    assert position is not None
    timeline, found = lsn({"position": position})
    assert timeline == lsn(tracked.report())[0]
    assert before < found <= after or lines == COMMITS["vacuum"]


@pytest.mark.parametrize("lines", [COMMITS["a statement"], COMMITS["a transaction"]])
def test_a_position_costs_no_round_trip(
    set_of: ReplicaSet[Any], tracked: Probe, relay: RoundTrips, lines: list[str]
) -> None:
    for line in lines:
        tracked.do(line)
    with_position = cost(relay, lambda: [tracked.do(line) for line in lines])
    tracked.ask("track off")
    assert cost(relay, lambda: [tracked.do(line) for line in lines]) == with_position


def test_many_rows_cost_no_round_trip_more(tracked: Probe, relay: RoundTrips) -> None:
    (many,) = COMMITS["many"]
    tracked.do(many)
    with_position = cost(relay, lambda: tracked.do(many))
    tracked.ask("track off")
    assert cost(relay, lambda: tracked.do(many)) == with_position


def test_what_commits_nothing_has_no_position(tracked: Probe) -> None:
    for line in (f"execute {READ}", "begin", f"execute {WRITE}", "rollback", "begin", "commit"):
        assert not any(commits for commits, _ in tracked.do(line)["notes"])


def test_a_statement_that_fails_is_told_as_it_was(tracked: Probe) -> None:
    for line in ("execute INSERT INTO probed VALUES ('x')", "execute SELECT nothing()"):
        outcome = tracked.ask(line)
        assert outcome["code"] and outcome["usable"] and not outcome["in_transaction"]
    tracked.execute(WRITE)


def test_a_replica_has_what_a_position_names(set_of: ReplicaSet[Any], probe: Open) -> None:
    writer, reader = probe(set_of.primary), probe(set_of.replicas[0])
    writer.track()
    for number in range(100, 130):
        position = noted(writer.execute(f"INSERT INTO probed VALUES ({number})"))
        assert position
        assert reader.wait_for(position, 20000)["code"] == 0
        assert reader.rows(f"SELECT count(*) FROM probed WHERE n = {number}") == [[1]]


# ---- Waiting -------------------------------------------------------------------------------

ETIMEDOUT = -14


def far(position: Position) -> Position:
    """What nothing has written yet."""
    kind, text = position
    timeline, _ = text.split(":")
    return kind, f"{timeline}:FFFFFF/0"


def test_waiting_ends_with_its_time_and_the_connection_goes_on(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    reader = probe(set_of.replicas[0])
    here: Position = tuple(reader.report()["position"])
    assert reader.wait_for(here, 20000)["code"] == 0
    outcome = reader.wait_for(far(here), 100)
    assert outcome["code"] == ETIMEDOUT and outcome["usable"]
    assert reader.rows("SELECT 1") == [[1]]


def test_a_statement_waits_for_its_position(set_of: ReplicaSet[Any], probe: Open) -> None:
    node = set_of.replicas[0]
    writer, reader = probe(set_of.primary), probe(node)
    writer.track()
    count = "SELECT count(*) FROM probed WHERE n = 501"
    reader.execute(count)
    set_of.pause_replay(node)
    position = noted(writer.execute("INSERT INTO probed VALUES (501)"))
    assert position
    reader.await_first(position, 100)
    for _ in range(2):
        outcome = reader.ask(f"execute {count}")
        assert outcome["code"] == ETIMEDOUT
        assert outcome["awaits"] and outcome["usable"] and not outcome["in_transaction"]
    set_of.resume_replay(node)
    reader.await_first(position, 20000)
    outcome = reader.execute(count)
    assert outcome["rows"] == [[1]] and not outcome["awaits"]


FIRST = {
    "prepared": ["execute SELECT count(*) FROM probed WHERE n = 502"],
    "unprepared": ["execute SELECT count(*) AS c FROM probed WHERE n = 502"],
    "a transaction": ["begin", "execute SELECT count(*) FROM probed WHERE n = 502"],
    "a stream": ["stream SELECT count(*) FROM probed WHERE n = 502"],
    "words": ["execute SHOW work_mem", "execute SELECT count(*) FROM probed WHERE n = 502"],
}


@pytest.mark.parametrize("lines", FIRST.values(), ids=FIRST)
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_what_runs_after_waiting_sees_what_it_waited_for(
    set_of: ReplicaSet[Any], probe: Open, lines: list[str], isolation: str
) -> None:
    node = set_of.replicas[0]
    writer = probe(set_of.primary)
    reader = probe(node, session_read_only="yes")
    reader.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {isolation}")
    reader.execute("SELECT count(*) FROM probed WHERE n = 502")
    writer.track()
    for _ in range(3):
        before = reader.rows("SELECT count(*) FROM probed WHERE n = 502")[0][0]
        set_of.pause_replay(node)
        position = noted(writer.execute("INSERT INTO probed VALUES (502)"))
        assert position
        reader.await_first(position, 60000)
        set_of.resume_replay(node)
        outcomes = [reader.do(line) for line in lines]
        assert outcomes[-1]["rows"] == [[before + 1]]
        assert not outcomes[-1]["awaits"]
        if outcomes[-1]["in_transaction"]:
            reader.do("rollback")
        reader.do("end")


def test_looking_first_costs_no_round_trip(set_of: ReplicaSet[Any], probe: Open) -> None:
    node = set_of.replicas[0]
    with RoundTrips("127.0.0.1", node.port) as relay:
        reader = probe(node, port=relay.port, session_read_only="yes")
        here: Position = tuple(reader.report()["position"])
        reader.execute(READ)
        reader.await_first(here, 1000)
        assert cost(relay, lambda: reader.execute(READ)) == 1
        reader.await_first(here, 1000)
        assert cost(relay, lambda: [reader.do("begin"), reader.execute(READ)]) == 1


def test_what_is_promoted_has_what_it_had_applied(set_of: ReplicaSet[Any], probe: Open) -> None:
    new = set_of.replicas[0]
    reader = probe(new)
    here: Position = tuple(reader.report()["position"])
    set_of.kill(set_of.primary)
    set_of.promote(new)
    assert reader.wait_for(here, 20000)["code"] == 0
    reader.await_first(here, 20000)
    assert reader.rows("SELECT 1") == [[1]]
