"""`millpond shell` at a terminal, with prompt_toolkit and without."""

import re
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from addresses import url_of
from conftest import KINDS
from terminal import Terminal

pytestmark = pytest.mark.once

CTRL_C, CTRL_D, UP, TAB = "\x03", "\x04", "\x1b[A", "\t"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All databases with the extra, and the shell without it on SQLite."""
    if "kind" not in metafunc.fixturenames:
        metafunc.parametrize("variables", ["toolkit", "plain"], indirect=True)
        return
    pairs = [*((kind, "toolkit") for kind in KINDS), ("sqlite", "plain")]
    if metafunc.definition.get_closest_marker("servers"):
        pairs = pairs[1:-1]
    metafunc.parametrize(("kind", "variables"), pairs, indirect=["variables"])


@pytest.fixture
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of a shell with or without the extra."""
    settings = {"MILLPOND_PAGER": "", "PYTHONWARNINGS": "ignore"}
    if request.param == "plain":
        folder = tmp_path / "without"
        folder.mkdir()
        (folder / "prompt_toolkit.py").write_text("raise ImportError('not installed')")
        settings["PYTHONPATH"] = str(folder)
    return settings


Start = Callable[..., Terminal]


@pytest.fixture
def start(variables: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    started: list[Terminal] = []

    def start(url: str, *arguments: str, **more: str) -> Terminal:
        home = tmp_path / "home"
        terminal = Terminal("shell", url, *arguments, home=home, **{**variables, **more})
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.end()


@pytest.fixture
def table(db: Any, kind: str) -> Iterator[str]:
    name = f"fish_{uuid.uuid4().hex[:8]}"
    with db.sync_connection() as conn:
        conn.execute(f"CREATE TABLE {name} (id integer, name varchar(20))")
        conn.execute(f"INSERT INTO {name} VALUES (1, 'pike')")
    yield name
    with db.sync_connection() as conn:
        conn.execute(f"DROP TABLE {name}")


def count(db: Any, table: str) -> int:
    with db.sync_connection() as conn:
        return int(conn.fetch_value(f"SELECT count(*) FROM {table}"))


# ---- What must not be lost ---------------------------------------------------------------


def test_unfinished_text_is_dropped_at_the_end(start: Start, url: str, db: Any, table: str) -> None:
    terminal = start(url)
    terminal.until(">")
    terminal.enter(f"DELETE FROM {table}")
    terminal.until(r"\.\.>")
    terminal.type(CTRL_D)
    terminal.until("an unfinished statement was dropped")
    assert terminal.wait() == 0
    assert count(db, table) == 1


SLEEP = {"postgres": "SELECT pg_sleep(600)", "mysql": "SELECT sleep(600)"}
RUNNING = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE ? "
    "AND pid <> pg_backend_pid()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE ? "
    "AND id <> connection_id()",
}
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


def wait_until_it_runs(db: Any, kind: str, mark: str) -> None:
    deadline = time.monotonic() + 120
    with db.sync_connection() as conn:
        while not conn.fetch_value(RUNNING[kind], (f"%{mark}%",)):
            assert time.monotonic() < deadline


def test_an_interrupt_stops_the_query_and_not_the_transaction(
    start: Start, url: str, kind: str, db: Any, table: str
) -> None:
    terminal = start(url)
    terminal.until(">")
    terminal.enter("BEGIN;")
    terminal.until(r"\*>")
    terminal.enter(f"INSERT INTO {table} VALUES (2, 'carp');")
    terminal.until("1 row, ")
    if kind == "sqlite":
        terminal.enter(f"{ENDLESS};")
        terminal.until("5000 *\r\n")  # it shows the rows as they come
    else:
        mark = uuid.uuid4().hex
        terminal.enter(f"{SLEEP[kind]} /* {mark} */;")
        wait_until_it_runs(db, kind, mark)
    terminal.type(CTRL_C)
    terminal.until("stopped")
    terminal.until(r"!>" if kind == "postgres" else r"\*>")
    # PostgreSQL itself takes nothing but ROLLBACK after a statement that was stopped
    terminal.enter("ROLLBACK;" if kind == "postgres" else "COMMIT;")
    terminal.until(r"rows?, ")
    terminal.enter("\\q")
    assert terminal.wait() == 0
    assert count(db, table) == (1 if kind == "postgres" else 2)


def test_an_interrupt_drops_what_is_being_typed(start: Start, file_url: str) -> None:
    terminal = start(file_url)
    terminal.until(">")
    terminal.enter("SELECT 'abandoned',")
    terminal.until(r"\.\.>")
    terminal.type(f"17{CTRL_C}")
    # Python's readline does not see one that comes right before it begins to wait
    terminal.until("cli.db>", insist=CTRL_C)
    terminal.enter("SELECT 40 + 2 AS answer;")
    terminal.until("answer *\r\n-+ *\r\n42 *\r\n")
    terminal.enter("\\q")
    assert terminal.wait() == 0


def test_an_open_transaction_is_rolled_back_at_the_end_and_that_is_told(
    start: Start, url: str, db: Any, table: str
) -> None:
    terminal = start(url)
    terminal.until(">")
    terminal.enter("BEGIN;")
    terminal.until(r"\*>")
    terminal.enter(f"DELETE FROM {table};")
    terminal.until("1 row, ")
    terminal.until(r"\*>")
    terminal.type(CTRL_D)
    terminal.until("the open transaction is rolled back: it was not committed")
    assert terminal.wait() == 0
    assert count(db, table) == 1


@pytest.mark.servers
def test_a_lost_connection_is_replaced(
    start: Start, url: str, kind: str, db: Any, table: str
) -> None:
    terminal = start(url)
    terminal.until(">")
    terminal.enter("BEGIN;")
    terminal.until(r"\*>")
    own = "pg_backend_pid()" if kind == "postgres" else "connection_id()"
    terminal.enter(f"SELECT {own} AS own;")
    terminal.until(r"own *\r\n-+ *\r\n(?=\d+)")
    session = terminal.number()
    with db.sync_connection() as conn:
        conn.execute(
            f"SELECT pg_terminate_backend({session})" if kind == "postgres" else f"KILL {session}"
        )
    terminal.until(r"\*>")
    terminal.enter(f"SELECT count(*) AS many FROM {table};")
    terminal.until("error: ")
    terminal.until("connected again")
    terminal.until(r"\w>")
    terminal.enter(f"SELECT count(*) AS many FROM {table};")
    terminal.until(r"many *\r\n-+ *\r\n1 *\r\n")
    terminal.enter("\\q")
    assert terminal.wait() == 0


# ---- The prompt --------------------------------------------------------------------------


def test_the_prompt_names_the_database_and_marks_a_transaction(
    start: Start, url: str, kind: str, databases: Any
) -> None:
    name = str(databases.settings(kind)["database"]).rpartition("/")[2]
    terminal = start(url)
    terminal.until(f"{re.escape(name)}>")
    terminal.enter("BEGIN;")
    terminal.until(f"{re.escape(name)}\\*>")
    terminal.enter("SELEC 1;")
    terminal.until("error: ")
    terminal.until(f"{re.escape(name)}{'!' if kind == 'postgres' else '[*]'}>")
    terminal.enter("ROLLBACK;")
    terminal.until(f"{re.escape(name)}>")
    terminal.enter("\\q")
    assert terminal.wait() == 0


def test_statements_are_remembered_as_a_whole(start: Start, file_url: str, tmp_path: Path) -> None:
    terminal = start(file_url)
    terminal.until(">")
    terminal.enter("SELECT 40 + 2")
    terminal.until(r"\.\.>")
    terminal.enter("AS answer;")
    terminal.until("42")
    terminal.until(r"1 row, [0-9.]+ ms")
    terminal.until(">")
    terminal.enter("\\q")
    assert terminal.wait() == 0
    assert "+SELECT 40 + 2\n+AS answer;\n" in (tmp_path / "home/millpond/history").read_text()
    again = start(file_url)
    again.until(">")
    again.type(f"{UP}{UP}")  # behind \q
    again.until("AS answer;")
    again.type("\r")
    again.until(r"42 *\r\n")
    again.until(">")
    again.enter("\\q")
    assert again.wait() == 0


def test_the_history_is_private_and_keeps_no_passwords(
    start: Start, file_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "millpond"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "history").touch(mode=0o644)
    terminal = start(file_url)
    terminal.until(">")
    for text in ("CREATE USER ada\rIDENTIFIED\rBY\r'hunter2'\r;", "SELECT 'kept';"):
        terminal.enter(text)
        terminal.until("(?:error|row)")
        terminal.until("cli.db>")
    terminal.enter("ALTER ROLE ada PASSWORD 'hunter2';")
    terminal.until("error")
    terminal.until(">")
    terminal.enter("\\q")
    assert terminal.wait() == 0
    assert (folder.stat().st_mode & 0o777, (folder / "history").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    kept = (folder / "history").read_text()
    assert "+SELECT 'kept';" in kept
    assert "hunter2" not in kept


def test_names_and_keywords_are_completed(start: Start, url: str, table: str) -> None:
    terminal = start(url)
    terminal.until(">")
    for begun, whole in (
        ("SELECT nam", "name"),
        (f" FROM {table[:-2]}", table),
        (f" WHERE {table}.nam", f"{table}.name"),
        (" BETW", "BETWEEN"),
    ):
        terminal.type(begun + TAB)
        typed = re.split(r"[ .]", begun)[-1]  # it may be drawn again, or what is new alone
        terminal.until(f"(?s){typed}.*?{re.split(r'[ .]', whole)[-1].removeprefix(typed)}")
    terminal.enter(" 'a' AND 'z';")
    terminal.until(r"pike *\r\n")
    terminal.until(">")
    terminal.enter("\\q")
    assert terminal.wait() == 0


# ---- Results -----------------------------------------------------------------------------


def test_what_is_longer_than_the_screen_goes_through_the_pager(
    start: Start, url: str, kind: str, table: str, tmp_path: Path
) -> None:
    paged = tmp_path / "paged"
    terminal = start(url, MILLPOND_PAGER=f"tee {paged}")
    terminal.until(">")
    terminal.enter(f"SELECT id FROM {table};")
    terminal.until("1 row, ")
    terminal.until(">")
    assert not paged.exists()
    terminal.enter(f"SELECT '{'x' * 100}' AS wide FROM {table};")
    terminal.until("1 row, ")
    terminal.until(">")
    assert "x" * 100 in paged.read_text()
    terminal.enter("\\?")
    terminal.until("this help")
    terminal.until(">")
    terminal.enter("\\pager off")
    terminal.until("pager: off")
    terminal.enter("\\q")
    assert terminal.wait() == 0


def test_leaving_the_pager_ends_an_endless_result(start: Start, file_url: str) -> None:
    terminal = start(file_url, MILLPOND_PAGER="head -n 3")
    terminal.until(">")
    terminal.enter(f"{ENDLESS};")
    terminal.until(r"i *\r\n-+ *\r\n1 *\r\n")
    terminal.until("cli.db>")
    terminal.enter("SELECT 40 + 2 AS answer;")
    terminal.until("42 *\r\n")
    terminal.until(">")
    terminal.enter("\\q")
    assert terminal.wait() == 0


def test_fields_are_shown_one_below_the_other(start: Start, file_url: str) -> None:
    terminal = start(file_url)
    terminal.until(">")
    terminal.enter("\\x")
    terminal.until("expanded: on")
    terminal.enter("SELECT 1 AS one, 'two' AS other;")
    terminal.until(r"-- row 1 --\r\none    1\r\nother  two\r\n")
    terminal.enter("\\x auto")
    terminal.until("expanded: auto")
    terminal.enter("SELECT 1 AS one, 'two' AS other;")
    terminal.until(r"one  other *\r\n---  ----- *\r\n1    two *\r\n")
    terminal.enter(f"SELECT 1 AS one, '{'x' * 90}' AS other;")
    terminal.until(r"-- row 1 --\r\none    1\r\nother  x")
    terminal.enter("\\x sideways")
    terminal.until(r"error: \\x takes on, off or auto")
    terminal.enter("\\timing")
    terminal.until("timing: off")
    terminal.enter("SELECT 7 AS seven;")
    terminal.until(r"\(1 row\)")
    terminal.enter("\\q")
    assert terminal.wait() == 0


EVIL = "\x1b]0;owned\x07\x1b[31m\x9b1m\u202e\x7f"


def test_control_characters_never_reach_the_terminal(
    start: Start, url: str, kind: str, db: Any, table: str
) -> None:
    quote = "`" if kind == "mysql" else '"'
    with db.sync_connection() as conn:
        conn.execute(f"UPDATE {table} SET name = ?", (EVIL,))
        conn.execute(f"ALTER TABLE {table} ADD COLUMN {quote}e\x1b[31m\x9b{quote} integer")
    terminal = start(url)
    terminal.until(">")
    before = len(terminal.raw)
    terminal.enter(f"\\d {table}")
    terminal.until("(?i)integer|int")
    terminal.enter(f"SELECT * FROM {table}; SELECT * FROM {table}\\G")
    terminal.until("1 row, ")
    terminal.until("1 row, ")
    terminal.until(">")
    raw = terminal.raw[before:]
    assert "]0;owned" in raw
    assert "\x1b]0;owned" not in raw
    assert not re.search("[\x07\x7f\x9b\u202e]|\x1b\\[31m", raw)
    assert r"\x1b]0;owned\x07\x1b[31m\u009b1m\u202e\x7f" in raw
    terminal.enter("\\q")
    assert terminal.wait() == 0


# ---- The password ------------------------------------------------------------------------


@pytest.fixture
def bare(kind: str, databases: Any) -> tuple[str, str]:
    """A URL without its password, and the password."""
    password = databases.settings(kind).get("password", "")
    return url_of(kind, databases).replace(f":{password}@", "@"), password


@pytest.mark.servers
def test_a_password_is_asked_for(
    start: Start, kind: str, bare: tuple[str, str], table: str
) -> None:
    url, password = bare
    for arguments in ((), ("--password",)):
        terminal = start(url, *arguments)
        terminal.until("Password for millpond@127.0.0.1: ")
        terminal.enter(password)
        terminal.until(">")
        terminal.enter(f"SELECT name FROM {table};")
        terminal.until("pike")
        terminal.until(">")
        terminal.enter("\\q")
        assert terminal.wait() == 0
        assert password not in terminal.raw


@pytest.mark.servers
def test_the_end_of_input_answers_no_password(start: Start, bare: tuple[str, str]) -> None:
    terminal = start(bare[0])
    terminal.until("Password for millpond@127.0.0.1: ")
    terminal.type(CTRL_D)
    terminal.until("error: no terminal to ask for the password")
    assert terminal.wait() == 2
    assert "Traceback" not in terminal.raw


@pytest.mark.servers
def test_a_password_in_an_argument_is_warned_of(start: Start, url: str) -> None:
    terminal = start(url)
    terminal.until("other users of this machine can see the password")
    terminal.until(">")
    terminal.enter("\\q")
    assert terminal.wait() == 0


def test_a_file_of_sqlite_is_locked_no_longer_than_its_transaction(
    start: Start, file_url: str
) -> None:
    terminal = start(file_url)
    terminal.until(">")
    terminal.enter("CREATE TABLE a (b); SELECT * FROM a;")
    terminal.until("0 rows")
    terminal.until("0 rows")
    terminal.until(">")
    other = sqlite3.connect(file_url.removeprefix("sqlite:///"), timeout=0)
    other.execute("INSERT INTO a VALUES (1)")
    other.commit()
    other.close()
    terminal.enter("\\q")
    assert terminal.wait() == 0
