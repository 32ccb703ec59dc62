"""What only SQLite has: its last rowid, comments without an end, schemas of strangers."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import millpond
import pytest

INSERT = "INSERT INTO parents (name) VALUES (?)"


@pytest.fixture
async def conn(databases: Any) -> Any:
    async with databases.open("sqlite").async_connection() as connection:
        await connection.execute("CREATE TABLE parents (id integer PRIMARY KEY, name text)")
        await connection.execute("CREATE TABLE children (id integer PRIMARY KEY, parent integer)")
        await connection.execute("CREATE TABLE log (id integer PRIMARY KEY, what text)")
        yield connection


# ---- The last rowid ----------------------------------------------------------------------


async def last_of(conn: Any) -> int:
    return int((await conn.execute("SELECT last_insert_rowid()"))[0][0])


async def test_the_next_statement_knows_the_last_rowid(conn: Any) -> None:
    assert (await conn.execute("INSERT INTO parents VALUES (41, 'ann')")).lastrowid == 41
    child = "INSERT INTO children (parent) VALUES (last_insert_rowid())"
    assert (await conn.execute(child)).lastrowid == 1
    assert await conn.execute("SELECT * FROM children") == [(1, 41)]
    await conn.executemany(
        "INSERT INTO children SELECT last_insert_rowid() + ?, last_insert_rowid()",
        [(10,), (20,)],
    )
    assert await conn.execute("SELECT * FROM children WHERE id > 1") == [(11, 1), (31, 11)]
    assert await last_of(conn) == 31


WITHOUT_INSERT = (
    "UPDATE parents SET name = last_insert_rowid()",
    "DELETE FROM children",
    "CREATE TABLE more (n integer)",
    "INSERT INTO parents SELECT 1, 'x' WHERE false",
    "INSERT OR IGNORE INTO parents VALUES (41, 'again')",
    "INSERT INTO parents VALUES (41, 'again') ON CONFLICT (id) DO UPDATE SET name = 'bob'",
    "INSERT INTO parents VALUES (41, 'again') ON CONFLICT DO NOTHING",
    "INSERT INTO unlogged VALUES ('a')",
    "PRAGMA user_version = 5",
    "VACUUM",
)


@pytest.mark.parametrize("sql", WITHOUT_INSERT)
async def test_what_inserts_no_row_leaves_the_last_rowid(conn: Any, sql: str) -> None:
    """The result has none, and last_insert_rowid() has the one before."""
    await conn.execute("CREATE TABLE unlogged (k text PRIMARY KEY) WITHOUT ROWID")
    assert (await conn.execute("INSERT INTO parents VALUES (41, 'ann')")).lastrowid == 41
    assert not (await conn.execute(sql)).lastrowid
    assert await last_of(conn) == 41
    if sql.startswith("UPDATE"):
        assert await conn.execute("SELECT name FROM parents") == [("41",)]


async def test_an_insert_of_the_same_rowid_is_an_insert(conn: Any) -> None:
    assert (await conn.execute("INSERT INTO parents VALUES (7, 'a')")).lastrowid == 7
    assert (await conn.execute("INSERT INTO children VALUES (7, 1)")).lastrowid == 7
    assert (await conn.execute("REPLACE INTO parents VALUES (7, 'b')")).lastrowid == 7
    assert not (await conn.execute("INSERT INTO parents VALUES (0, 'c')")).lastrowid
    assert await last_of(conn) == 0
    assert (await conn.execute("INSERT INTO parents VALUES (-5, 'd')")).lastrowid == -5


async def test_a_failed_insert_leaves_the_last_rowid(conn: Any) -> None:
    await conn.execute("INSERT INTO parents VALUES (41, 'ann')")
    with pytest.raises(millpond.UniqueViolationError):
        await conn.execute("INSERT INTO parents VALUES (41, 'bob')")
    assert await last_of(conn) == 41
    with pytest.raises(millpond.UniqueViolationError):
        await conn.executemany("INSERT INTO parents VALUES (?, 'x')", [(50,), (41,)])
    assert await last_of(conn) == 50  # as SQLite has it


async def test_triggers_see_the_rowids_that_sqlite_shows_them(conn: Any) -> None:
    await conn.execute(
        "CREATE TRIGGER t AFTER INSERT ON parents BEGIN "
        "INSERT INTO log VALUES (900, last_insert_rowid()); "
        "UPDATE log SET what = what || ' ' || last_insert_rowid(); END"
    )
    assert (await conn.execute("INSERT INTO parents VALUES (5, 'ann')")).lastrowid == 5
    assert await conn.execute("SELECT * FROM log") == [(900, "5 900")]
    await conn.execute(
        "CREATE TRIGGER u AFTER UPDATE ON parents BEGIN "
        "INSERT INTO log VALUES (901, last_insert_rowid()); END"
    )
    assert not (await conn.execute("UPDATE parents SET name = 'b'")).lastrowid
    assert await conn.execute("SELECT what FROM log WHERE id = 901") == [("5",)]
    assert await last_of(conn) == 5


async def test_rows_that_come_back_do_not_hide_the_rowid(conn: Any) -> None:
    returned = await conn.execute("INSERT INTO parents VALUES (8, 'a'), (9, 'b') RETURNING id")
    assert (returned, returned.lastrowid) == ([(8,), (9,)], 9)
    async with conn.stream(
        "INSERT INTO parents VALUES (18, 'a'), (19, 'b'), (20, 'c') RETURNING id", batch=1
    ) as rows:
        async for row in rows:
            assert row[0] in (18, 19, 20)
            break
    assert await last_of(conn) == 20


def test_the_blocking_calls_know_the_last_rowid(databases: Any) -> None:
    with databases.open("sqlite").sync_connection() as conn:
        conn.execute("CREATE TABLE parents (id integer PRIMARY KEY, name text)")
        conn.execute("INSERT INTO parents VALUES (3, 'x')")
        conn.execute("UPDATE parents SET name = 'y'")
        assert conn.execute("SELECT last_insert_rowid()") == [(3,)]


# ---- Comments without an end -------------------------------------------------------------


@pytest.mark.parametrize("end", [" /* done", "; /* done", " /* ' [ ? ;", "/*/", " -- /* done"])
async def test_a_comment_may_end_with_the_text(conn: Any, end: str) -> None:
    assert await conn.execute(f"SELECT ?{end}", (1,)) == [(1,)]
    assert await conn.execute(f"SELECT ?{end}", (1,), tags={"route": "/"}) == [(1,)]
    with pytest.raises(millpond.SqlSyntaxError, match="empty"):
        await conn.execute("/* nothing else")
    with pytest.raises(millpond.SqlSyntaxError):
        await conn.execute("SELECT 1 /*")  # to SQLite no comment


async def test_a_comment_that_hides_the_statement_is_named(conn: Any) -> None:
    with pytest.raises(millpond.SqlSyntaxError, match="unterminated comment") as caught:
        await conn.execute("SELECT 'é', /* a FROM parents")
    assert caught.value.position == 13


# ---- Schemas of strangers ----------------------------------------------------------------

TABLES = {
    "fts5": "CREATE VIRTUAL TABLE found USING fts5(name, content='parents', content_rowid='id')",
    "fts4": "CREATE VIRTUAL TABLE found USING fts4(name)",
    "rtree": "CREATE VIRTUAL TABLE found USING rtree(id, low, high)",
}
TRIGGERS = {
    "fts5": "INSERT INTO found (rowid, name) VALUES (new.id, new.name)",
    "fts4": "INSERT INTO found (docid, name) VALUES (new.id, new.name)",
    "rtree": "INSERT INTO found VALUES (new.id, 1, 2)",
}


async def make_search(databases: Any, kind: str, **settings: Any) -> Any:
    db = databases.open("sqlite", **settings)
    async with db.async_connection() as conn:
        await conn.execute("CREATE TABLE parents (id integer PRIMARY KEY, name text)")
        await conn.execute(TABLES[kind])
        await conn.execute(
            f"CREATE TRIGGER keep AFTER INSERT ON parents BEGIN {TRIGGERS[kind]}; END"
        )
        await conn.execute("CREATE VIEW seen AS SELECT count(*) AS n FROM found")
    return db


@pytest.mark.parametrize("kind", TABLES)
async def test_a_trusted_schema_may_use_all(databases: Any, kind: str) -> None:
    db = await make_search(databases, kind, trusted_schema=True)
    async with db.async_connection() as conn:
        assert (await conn.execute(INSERT, ("ann",))).lastrowid == 1
        assert await conn.execute("SELECT n FROM seen") == [(1,)]
        if kind != "rtree":
            assert await conn.execute("SELECT rowid FROM found WHERE found MATCH 'ann'") == [(1,)]


@pytest.mark.parametrize("kind", TABLES)
async def test_a_schema_is_not_trusted_by_default(databases: Any, kind: str) -> None:
    db = await make_search(databases, kind)
    old = sqlite3.sqlite_version_info < (3, 44)
    async with db.async_connection() as conn:
        for sql, params in ((INSERT, ("ann",)), ("SELECT n FROM seen", ())):
            if not old:
                await conn.execute(sql, params)
                continue
            with pytest.raises(millpond.ProgrammingError, match="the setting trusted_schema"):
                await conn.execute(sql, params)


async def test_a_view_with_side_effects_is_refused_unless_trusted(
    databases: Any, tmp_path: Path
) -> None:
    """Whatever SQLite's version: this table of its own is not for schemas of strangers."""
    view = "CREATE VIEW pages AS SELECT count(*) AS n FROM sqlite_dbpage"
    async with databases.open("sqlite").async_connection() as conn:
        try:
            await conn.execute("SELECT count(*) FROM sqlite_dbpage")
        except millpond.Error:
            pytest.skip("this SQLite has no sqlite_dbpage")
        await conn.execute(view)
        with pytest.raises(millpond.ProgrammingError, match="unsafe use"):
            await conn.execute("SELECT n FROM pages")


def test_a_setting_is_a_flag(databases: Any) -> None:
    with pytest.raises(ValueError, match="trusted_schema"):
        databases.open("sqlite", trusted_schema="perhaps")


# ---- Forks -------------------------------------------------------------------------------

FORKS = """
import os, sys, threading, warnings
import millpond
warnings.simplefilter("ignore")
folder, stop = sys.argv[1], threading.Event()

def connect(name):
    return millpond.connect(f"sqlite:///{folder}/{name}.db", connection_creation_timeout=10)

def work(name):
    n = 0
    while not stop.is_set():
        n += 1
        with connect(name) as db, db.sync_connection() as conn:
            conn.execute(f"SELECT zeroblob({n})")

threads = [threading.Thread(target=work, args=(f"parent{i}",)) for i in range(3)]
for thread in threads:
    thread.start()
for number in range(100):
    child = os.fork()
    if not child:
        try:
            with connect("child") as db, db.sync_connection() as conn:
                conn.execute("SELECT 1")
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        print("child", number, file=sys.stderr, flush=True)
        os._exit(1)
stop.set()
for thread in threads:
    thread.join()
"""


def test_children_are_forked_while_other_threads_are_in_the_library(tmp_path: Path) -> None:
    """None of SQLite's own locks is taken in the child for ever."""
    program = [sys.executable, "-c", FORKS, str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
