"""Ctrl-C in blocking calls: each ends, wherever it waits, and the connection can go on.

The signal is sent once the program is seen to wait.
"""

import contextlib
import signal
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import KINDS
from programs import Program, Programs


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline, "the program was not seen to wait"
        time.sleep(0.005)


def interrupted(program: Program, seen: Callable[[], bool]) -> list[str]:
    """Interrupt it when it is seen to wait; the lines that it says from then on."""
    until(seen)
    program.send(signal.SIGINT)
    code, said, errors = program.end()
    assert code == 0, errors
    assert said[0] == "interrupted", (said, errors)
    return said[1:]


# ---- Statements --------------------------------------------------------------------------

RUNNING = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE query LIKE ? "
    "AND (state = 'active' OR wait_event_type = 'Lock') AND pid <> pg_backend_pid()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE ? "
    "AND id <> connection_id()",
}


def runs_on_the_server(db: Any, kind: str, text: str) -> Callable[[], bool]:
    def seen() -> bool:
        with db.sync_connection() as conn:
            return int(conn.fetch_value(RUNNING[kind], (f"%{text}%",))) > 0

    return seen


def is_locked(path: str) -> Callable[[], bool]:
    """Somebody writes to this file of SQLite."""

    def seen() -> bool:
        with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                return "locked" in str(error)
            return False

    return seen


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Another program writes to this file of SQLite, and does not end."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def path(databases: Any) -> str:
    return str(databases.settings("sqlite")["database"])


ENDLESS_WRITE = (
    "INSERT INTO kept WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT max(i) FROM n"
)
MANY = f"executemany, {ENDLESS_WRITE!r} ', (SELECT ?)', [(1,)]"


@pytest.mark.parametrize("call", [f"execute, {ENDLESS_WRITE!r}", MANY], ids=["one", "many"])
def test_a_statement_of_sqlite(programs: Programs, path: str, call: str) -> None:
    program = programs(
        f"""
        conn = open_db().get_sync_connection()
        conn.execute("CREATE TABLE kept (n integer)")
        say("ready")
        attempt(conn.{call})
        say(conn.fetch_value("SELECT count(*) FROM kept"))
        conn.execute("INSERT INTO kept VALUES (1)")
        """,
        settings={"database": path},
    )
    assert program.line() == "ready"
    assert interrupted(program, is_locked(path)) == ["0"]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_statement_on_a_server(programs: Programs, databases: Any, db: Any, kind: str) -> None:
    mark = uuid.uuid4().hex
    sleep = "pg_sleep" if kind == "postgres" else "sleep"
    program = programs(
        f"""
        conn = open_db().get_sync_connection()
        attempt(conn.execute, "SELECT /* {mark} */ {sleep}(600)")
        say(conn.fetch_value("SELECT 1"))
        """,
        kind,
        databases.settings(kind),
    )
    seen = runs_on_the_server(db, kind, mark)
    assert interrupted(program, seen) == ["1"]
    assert not seen()


# ---- Other waits -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        'execute, "INSERT INTO kept VALUES (1)"',
        'fetch_arrow, "INSERT INTO kept VALUES (1) RETURNING n"',
        "begin_transaction",
        'save_entity, "things", {"id": "one"}',
    ],
)
def test_a_wait_for_another_program_that_writes(programs: Programs, path: str, call: str) -> None:
    program = programs(
        f"""
        conn = open_db().get_sync_connection()
        conn.execute("CREATE TABLE kept (n integer)")
        say("ready")
        sys.stdin.readline()
        say("goes")
        attempt(conn.{call})
        say(conn.fetch_value("SELECT count(*) FROM kept"))
        """,
        settings={"database": path},
    )
    assert program.line() == "ready"
    with locked(path):
        program.tell("go")
        assert program.line() == "goes"
        assert interrupted(program, program.asleep) == ["0"]


def test_a_wait_for_another_connection_that_writes(programs: Programs, path: str) -> None:
    program = programs(
        """
        db = open_db()
        with db.sync_connection() as conn:
            with db.sync_connection() as writer:
                writer.begin_transaction()
                say("ready")
                attempt(conn.begin_transaction)
                writer.rollback_transaction()
            conn.begin_transaction()
            say("began")
        """,
        settings={"database": path},
    )
    assert program.line() == "ready"
    assert interrupted(program, program.asleep) == ["began"]


LOCK = {
    "postgres": ("LOCK TABLE {}", "ROLLBACK"),
    "mysql": ("LOCK TABLES {} WRITE", "UNLOCK TABLES"),
}


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize("call", ['save_entity, "{}", {{"id": "two"}}', 'find_entities, "{}"'])
def test_an_entity_call_on_a_server(
    programs: Programs, databases: Any, db: Any, kind: str, call: str
) -> None:
    name = f"things_{uuid.uuid4().hex}"
    lock, unlock = LOCK[kind]
    program = programs(
        f"""
        conn = open_db().get_sync_connection()
        conn.save_entity("{name}", {{"id": "one"}})
        say("ready")
        sys.stdin.readline()
        attempt(conn.{call.format(name)})
        say(conn.fetch_value("SELECT 1"))
        """,
        kind,
        databases.settings(kind),
    )
    assert program.line() == "ready"
    with databases.open(kind, alias="locks").sync_connection() as other:
        other.begin_transaction()
        other.execute(lock.format(name))
        program.tell("go")
        assert interrupted(program, runs_on_the_server(db, kind, name)) == ["1"]
        other.execute(unlock)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_for_a_free_connection(programs: Programs, databases: Any, kind: str) -> None:
    program = programs(
        """
        db = open_db(sync_max_size=1, connection_acquisition_timeout=600)
        with db.sync_connection():
            say_when("waits", lambda: db.get_pool_status()["waiting"] == 1)
            attempt(db.get_sync_connection)
        with db.sync_connection() as conn:
            say(conn.fetch_value("SELECT 1"))
        say(db.get_pool_status()["waiting"])
        """,
        kind,
        databases.settings(kind),
    )
    assert program.line() == "waits"
    assert interrupted(program, lambda: True) == ["1", "0"]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_wait_for_a_server_that_says_nothing(programs: Programs, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = programs(
            """
            db = open_db(connection_creation_timeout=600, connection_acquisition_timeout=600)
            attempt(db.get_sync_connection)
            """,
            kind,
            {"host": "127.0.0.1", "port": server.getsockname()[1], "user": "me", "database": "my"},
        )
        server.settimeout(60)
        with server.accept()[0]:
            assert interrupted(program, lambda: True) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_for_a_pool_to_close(programs: Programs, databases: Any, kind: str) -> None:
    program = programs(
        """
        db = open_db()
        kept = db.get_sync_connection()
        pool = db._pool()
        say_when("closes", lambda: pool.status()["closed"])
        attempt(pool.close_sync, 600)
        """,
        kind,
        databases.settings(kind),
    )
    assert program.line() == "closes"
    assert interrupted(program, lambda: True) == []


# ---- Other signals -----------------------------------------------------------------------


def test_a_handler_that_does_not_raise_stops_nothing(programs: Programs, path: str) -> None:
    """And may use the database itself, but not the connection that was interrupted."""
    program = programs(
        f"""
        db = open_db()
        conn = db.get_sync_connection()
        conn.execute("CREATE TABLE kept (n integer)")
        def ring(number, frame):
            try:
                conn.execute("SELECT 1")
            except millpond.MisuseError:
                say("refused")
            try:
                conn.find_entities("kept")
            except millpond.MisuseError:
                say("refused")
            with db.sync_connection() as other:
                say(other.fetch_value("SELECT 'handled'"))
        signal.signal(signal.SIGUSR1, ring)
        say("ready")
        attempt(conn.execute, {ENDLESS_WRITE!r})
        say(conn.fetch_value("SELECT count(*) FROM kept"))
        """,
        settings={"database": path},
    )
    assert program.line() == "ready"
    until(is_locked(path))
    program.send(signal.SIGUSR1)
    assert [program.line() for _ in range(3)] == ["refused", "refused", "handled"]
    assert is_locked(path)()
    assert interrupted(program, lambda: True) == ["0"]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_a_signal_whose_handler_raises_ends_a_blocking_statement(
    db: Any, endless: str, error: type[BaseException]
) -> None:
    def ring(number: int, frame: object) -> None:
        raise error("ring")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with db.sync_connection() as conn:
            with pytest.raises(error, match="ring"):
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                conn.execute(endless)
            assert conn.fetch_value("SELECT 1") == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
