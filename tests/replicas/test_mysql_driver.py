"""What MySQL's driver says of primaries and replicas, as an ordinary user."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from daemons import poll
from probe import (
    GTID,
    GTID_SET,
    PRIMARY,
    READ_ONLY,
    READ_WRITE,
    STANDBY,
    Position,
    Probe,
    noted,
)
from replica_set import Node, ReplicaSet
from round_trips import RoundTrips

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


# ---- Sessions that are read-only -----------------------------------------------------------

WRITE = "INSERT INTO probed VALUES (7)"
READ = "SELECT 1"
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
        for line in (f"execute {WRITE}", f"many 2 {WRITE[:-3]} (?)", f"execute {READ}"):
            outcome = conn.ask(line)
            assert outcome["sqlstate"] == ("" if READ in line else REFUSED)
            assert not outcome["standby"]  # it is the session, not the server
        conn.do("begin")
        assert conn.ask(f"execute {WRITE}")["sqlstate"] == REFUSED
        assert conn.ask("read_only off")["code"], "a transaction is open"
        conn.do("rollback")
        assert not conn.do("read_only off")["read_only"]
    conn.do("read_only on")
    conn.do(f"execute {READ}")
    assert not conn.do("reset")["read_only"]
    conn.execute(WRITE)


def test_a_session_may_be_read_only_from_the_start(set_of: ReplicaSet[Any], probe: Open) -> None:
    conn = probe(set_of.primary, session_read_only="yes")
    for line in ("ping", "reset", "read_only off", f"execute {READ}"):
        assert conn.do(line)["read_only"]
        assert conn.ask(f"execute {WRITE}")["sqlstate"] == REFUSED


def test_a_read_only_session_costs_a_round_trip_where_it_changes(
    set_of: ReplicaSet[Any], probe: Open, relay: RoundTrips
) -> None:
    conn = probe(set_of.primary, port=relay.port)
    conn.execute(READ)
    assert cost(relay, lambda: conn.do("read_only on")) == 0
    assert cost(relay, lambda: conn.do("read_only off")) == 0
    assert cost(relay, lambda: conn.execute(READ)) == 1
    conn.do("read_only on")
    assert cost(relay, lambda: conn.execute(READ)) == 2
    assert cost(relay, lambda: conn.execute(READ)) == 1


# ---- Positions of commits ------------------------------------------------------------------

COMMITS = {
    "a statement": [f"execute {WRITE}"],
    "many": ["many 3 INSERT INTO probed VALUES (?)"],
    "a transaction": ["begin", f"execute {WRITE}", "commit"],
    "words": ["execute START TRANSACTION", f"execute {WRITE}", "execute COMMIT"],
    "DDL": ["execute CREATE TABLE IF NOT EXISTS more (n int)"],
    "DDL in a transaction": [f"execute {WRITE}", "begin", "execute TRUNCATE probed"],
    "a procedure": ["execute CALL writes()"],
}


@pytest.fixture
def tracked(set_of: ReplicaSet[Any], probe: Open, relay: RoundTrips) -> Probe:
    set_of.primary.ask(
        "DROP TABLE IF EXISTS more; DROP PROCEDURE IF EXISTS writes;"
        "CREATE PROCEDURE writes() INSERT INTO probed VALUES (9)"
    )
    conn = probe(set_of.primary, port=relay.port)
    conn.track()
    return conn


def has(node: Node, position: Position) -> bool:
    """The server's own word."""
    kind, text = position
    if kind == GTID:
        return node.value(f"SELECT master_gtid_wait('{text}', 0)") == "0"
    return node.value(f"SELECT gtid_subset('{text}', @@global.gtid_executed)") == "1"


@pytest.mark.parametrize("lines", COMMITS.values(), ids=COMMITS)
def test_a_commit_tells_where_it_is(
    set_of: ReplicaSet[Any], tracked: Probe, lines: list[str]
) -> None:
    node = set_of.replicas[0]
    set_of.caught_up(node)
    set_of.pause_replay(node)
    position = noted([tracked.do(line) for line in lines][-1])
    assert position is not None
    assert not has(node, position)
    set_of.resume_replay(node)
    set_of.caught_up(node)
    assert has(node, position)


def test_rows_that_a_write_returns_hide_where_it_is(tracked: Probe, set_name: str) -> None:
    tracked.execute(WRITE)
    if set_name == "mariadb":
        assert noted(tracked.execute("INSERT INTO probed VALUES (8) RETURNING n")) is None
    assert noted(tracked.execute(WRITE))


@pytest.mark.parametrize("lines", [COMMITS["a statement"], COMMITS["a transaction"]])
def test_a_position_costs_one_round_trip_once(
    tracked: Probe, relay: RoundTrips, lines: list[str]
) -> None:
    tracked.ask("track off")
    for line in lines:
        tracked.do(line)
    without = cost(relay, lambda: [tracked.do(line) for line in lines])
    tracked.track()
    assert cost(relay, lambda: [tracked.do(line) for line in lines]) == without + 1
    for _ in range(2):
        assert cost(relay, lambda: [tracked.do(line) for line in lines]) == without
    tracked.do("reset")
    for line in lines:
        outcome = tracked.do(line)
    assert noted(outcome)
    assert cost(relay, lambda: [tracked.do(line) for line in lines]) == without


def test_what_commits_nothing_has_no_position(tracked: Probe) -> None:
    assert noted(tracked.execute(WRITE))
    nothing = f"execute {WRITE[:11]} probed SELECT 1 FROM probed WHERE false"
    open_and_end = ["begin", f"execute {WRITE}", "rollback", "begin", "commit"]
    for line in (*open_and_end, f"execute {READ}", nothing):
        assert not any(commits for commits, _ in tracked.do(line)["notes"]), line


def test_a_statement_that_fails_is_told_as_it_was(tracked: Probe) -> None:
    outcome = tracked.ask("execute INSERT INTO probed VALUES ('x')")
    assert outcome["code"] and outcome["usable"]
    assert noted(tracked.execute(WRITE))


# ---- Waiting -------------------------------------------------------------------------------

ETIMEDOUT = -14


def far(position: Position) -> Position:
    """What nothing has written yet."""
    kind, text = position
    return kind, f"{text}00000" if kind == GTID else f"{text}00000-900000000"


def test_a_replica_has_what_a_position_names(set_of: ReplicaSet[Any], probe: Open) -> None:
    writer, reader = probe(set_of.primary), probe(set_of.replicas[0])
    writer.track()
    for number in range(100, 130):
        position = noted(writer.execute(f"INSERT INTO probed VALUES ({number})"))
        assert position
        assert reader.wait_for(position, 20000)["code"] == 0
        assert reader.rows(f"SELECT count(*) FROM probed WHERE n = {number}") == [[1]]


def test_waiting_ends_with_its_time_and_the_connection_goes_on(
    set_of: ReplicaSet[Any], probe: Open
) -> None:
    writer, reader = probe(set_of.primary), probe(set_of.replicas[0])
    writer.track()
    position = noted(writer.execute(WRITE))
    assert position
    assert reader.wait_for(position, 20000)["code"] == 0
    outcome = reader.wait_for(far(position), 200)
    assert outcome["code"] == ETIMEDOUT and outcome["usable"]
    assert reader.rows("SELECT 1") == [[1]]
    outcome = reader.wait_for((1, "1:0/1"), 200)  # PostgreSQL's
    assert outcome["code"] and outcome["usable"]


def test_a_primary_is_not_waited_for_in_vain(
    set_of: ReplicaSet[Any], set_name: str, probe: Open
) -> None:
    writer = probe(set_of.primary)
    writer.track()
    position = noted(writer.execute(WRITE))
    assert position
    assert writer.wait_for(position, 600000)["code"] == (ETIMEDOUT if position[0] == GTID else 0)
