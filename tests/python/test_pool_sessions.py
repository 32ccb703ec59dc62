"""What one user of a pooled connection does to its session is not seen by the next."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import at_rest
from millpond import AsyncConnection, ConnectionManager, SyncConnection


async def leave_behind(db: ConnectionManager, *statements: str) -> int:
    async with db.async_connection() as conn:
        for statement in statements:
            await conn.execute(statement)
        return conn.id


async def ask(db: ConnectionManager, sql: str) -> tuple[int, Any]:
    await at_rest(db)
    async with db.async_connection() as conn:
        rows = await conn.execute(sql)
        return conn.id, rows[0][0] if rows else None


POSTGRES = [
    ("SET search_path = pg_catalog", "SHOW search_path", '"$user", public'),
    ("SET ROLE pg_monitor", "SELECT current_user = session_user", True),
    ("SET statement_timeout = 12345", "SHOW statement_timeout", "0"),
    (
        "SELECT set_config('application_name', 'x', false)",
        "SHOW application_name",
        "millpond",
    ),
    ("CREATE TEMP TABLE left_over (id int)", "SELECT to_regclass('left_over')", None),
    (
        "SELECT pg_advisory_lock(4711)",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        0,
    ),
    ("LISTEN news", "SELECT count(*) FROM pg_listening_channels()", 0),
    ("PREPARE mine AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements", 1),
    ("DO $$ BEGIN SET work_mem = '1MB'; END $$", "SHOW work_mem", "4MB"),
]


@pytest.mark.parametrize("settings", [{}, {"command_by_command": True}], ids=["", "one by one"])
@pytest.mark.parametrize(("change", "question", "answer"), POSTGRES)
async def test_a_changed_postgres_session_is_as_new(
    databases: Any, change: str, question: str, answer: Any, settings: dict[str, Any]
) -> None:
    db = databases.open("postgres", pool_max_size=1, **settings)
    first = await leave_behind(db, change)
    # the question is itself a prepared statement of ours
    assert await ask(db, question) == (first, answer)
    assert await ask(db, question) == (first, answer)


BECOME = """CREATE OR REPLACE FUNCTION become(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('search_path', name, false), pg_advisory_lock(4712);
    RETURN name;
END $$"""
CALLS = [
    "SELECT become('pg_catalog')",
    "SELECT lower(public.become('pg_catalog'))",
    "SELECT * FROM become('pg_catalog') AS b (name)",
    "INSERT INTO becoming (name) SELECT \"become\"('pg_catalog')",
    "SELECT \"set_config\"('search_path', 'pg_catalog', false)",
    "SELECT pg_catalog.\"set_config\"('search_path', 'pg_catalog', false)",
]


@pytest.mark.parametrize("call", CALLS)
async def test_what_a_function_of_postgres_does_to_its_session_is_undone(
    databases: Any, call: str
) -> None:
    db = databases.open("postgres", pool_max_size=1)
    await leave_behind(db, BECOME, "CREATE TABLE IF NOT EXISTS becoming (name text)")
    first = await leave_behind(db, call)
    assert await ask(db, "SHOW search_path") == (first, '"$user", public')
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    assert await ask(db, locks) == (first, 0)


async def test_a_cursor_that_outlives_its_transaction_does_not_outlive_its_lease(
    databases: Any,
) -> None:
    db = databases.open("postgres", pool_max_size=1)
    async with db.async_connection() as conn:
        first = conn.id
        async with conn.transaction():
            await conn.execute("DECLARE mine CURSOR WITH HOLD FOR SELECT 1")
        assert await conn.fetch_value("SELECT count(*) FROM pg_cursors WHERE name = 'mine'") == 1
    assert await ask(db, "SELECT count(*) FROM pg_cursors WHERE name = 'mine'") == (first, 0)


PLAIN = [
    "SELECT 1",
    "SELECT count(*), max(id), now(), lower('A'), coalesce(NULL, 1) FROM plain",
    "INSERT INTO plain (id) VALUES (1)",
    'UPDATE "plain" SET id = (SELECT abs(2)) WHERE id IN (1, 2)',
    "WITH f (id) AS (SELECT id FROM plain) DELETE FROM plain WHERE id IN (SELECT id FROM f)",
]


@pytest.mark.parametrize("statement", [*PLAIN, "an entity"])
async def test_what_changes_nothing_is_followed_by_no_reset(databases: Any, statement: str) -> None:
    db = databases.open("postgres", pool_max_size=1)
    await leave_behind(db, "CREATE TABLE IF NOT EXISTS plain (id int)")
    async with db.async_connection() as conn:
        session = await conn.fetch_value("SELECT pg_backend_pid()")
        if statement == "an entity":
            saved = await conn.save_entity("plain_entity", {"id": "a", "name": "x"})
            assert (await conn.get_entity("plain_entity", saved["id"]))["name"] == "x"
            await conn.find_entities("plain_entity", where_clause="name = ?", params=("x",))
        else:
            await conn.execute(statement)
    await at_rest(db)
    async with databases.open("postgres", alias="observer").async_connection() as conn:
        last = "SELECT query FROM pg_stat_activity WHERE pid = ?"
        assert "CLOSE ALL" not in await conn.fetch_value(last, (session,))


async def test_what_a_function_of_mysql_does_to_its_session_is_undone(
    databases: Any, mysql: Any
) -> None:
    db = databases.open("mysql", pool_max_size=1)
    await leave_behind(
        db,
        "DROP FUNCTION IF EXISTS become",
        "CREATE FUNCTION become() RETURNS int NOT DETERMINISTIC NO SQL "
        "BEGIN SET @became = 7; SET SESSION lock_wait_timeout = 77; RETURN 1; END",
    )
    for call in ("SELECT become()", "SELECT `become` ()", "SELECT abs(become())"):
        first = await leave_behind(db, call)
        assert await ask(db, "SELECT @became") == (first, None)
        assert await ask(db, "SELECT @@lock_wait_timeout = 77") == (first, 0)


MYSQL = [
    ("SET sql_mode = ''", "SELECT @@sql_mode LIKE '%STRICT_ALL_TABLES%'", 1),
    ("SET time_zone = '+05:00'", "SELECT @@time_zone", "+00:00"),
    ("SET @mine = 7", "SELECT @mine", None),
    ("SET SESSION lock_wait_timeout = 77", "SELECT @@lock_wait_timeout = 77", 0),
    ("SET NAMES latin1", "SELECT @@character_set_client", "utf8mb4"),
    ("SELECT GET_LOCK('pool', 1)", "SELECT IS_USED_LOCK('pool')", None),
    ("USE information_schema", "SELECT DATABASE() <> 'information_schema'", 1),
]


@pytest.mark.parametrize(("change", "question", "answer"), MYSQL)
async def test_a_changed_mysql_session_is_as_new(
    databases: Any, mariadb: Any, change: str, question: str, answer: Any
) -> None:
    db = databases.open("mysql", pool_max_size=1)
    async with db.async_connection() as conn:
        await conn.execute("SELECT ? + 1", (1,))
    first = await leave_behind(db, change)
    await at_rest(db)
    async with db.async_connection() as conn:
        assert conn.id == first
        assert await conn.execute("SELECT ? + 1", (2,)) == [(3,)]  # prepared anew
        assert (await conn.execute(question))[0][0] == answer


async def test_a_temporary_mysql_table_is_gone(databases: Any) -> None:
    db = databases.open("mysql", pool_max_size=1)
    for _ in range(3):
        await leave_behind(db, "CREATE TEMPORARY TABLE left_over (id int)")
        await at_rest(db)


SQLITE = [
    ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys", 1),
    ("CREATE TEMP TABLE left_over (id)", "SELECT count(*) FROM sqlite_temp_schema", 0),
    ("PRAGMA cache_size = 17", "SELECT cache_size = 17 FROM pragma_cache_size", 0),
]


@pytest.mark.parametrize(("change", "question", "answer"), SQLITE)
async def test_a_changed_sqlite_session_is_replaced(
    databases: Any, change: str, question: str, answer: Any
) -> None:
    db = databases.open("sqlite", pool_max_size=1)
    first = await leave_behind(db, change)
    second, found = await ask(db, question)
    assert found == answer
    assert second != first


async def test_an_untouched_session_is_idle_at_once(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=1)
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
    for _ in range(5):
        async with db.async_connection() as conn:
            await conn.execute("SELECT 'SET x = 1'")
        assert db.get_pool_status()["idle"] == 1  # no round trip lies between
    async with db.async_connection() as conn:
        await conn.execute("SET statement_timeout = 12345")
    assert db.get_pool_status()["idle"] == 0
    assert (await at_rest(db))["idle"] == 1


async def test_a_reset_can_be_turned_off(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=1, pool_reset="never")
    await leave_behind(db, "SET statement_timeout = 12345")
    assert (await ask(db, "SHOW statement_timeout"))[1] == "12345ms"


async def test_statements_prepared_before_a_reset_stay_prepared(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=1)
    prepared = "SELECT count(*) FROM pg_prepared_statements"
    async with db.async_connection() as conn:
        await conn.execute("SELECT ?::int", (1,))
        await conn.execute("SET statement_timeout = 12345")
    assert (await ask(db, prepared))[1] == 2


# ---- Hooks -------------------------------------------------------------------------------


async def test_a_session_is_set_up_once_and_again_after_a_reset(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=1)
    calls = []

    @db.on_connect
    async def set_up(conn: AsyncConnection) -> None:
        calls.append(conn)
        await conn.execute("SET statement_timeout = 54321")

    for _ in range(3):
        async with db.async_connection() as conn:
            assert await conn.execute("SHOW statement_timeout") == [("54321ms",)]
    assert len(calls) == 1
    await leave_behind(db, "SET statement_timeout = 1000")
    assert (await ask(db, "SHOW statement_timeout"))[1] == "54321ms"
    assert len(calls) == 2


def test_a_plain_function_sets_up_synchronous_connections(databases: Any) -> None:
    db = databases.open("sqlite", pool_max_size=1)
    db.on_connect(lambda conn: conn.execute("PRAGMA cache_size = 17"))
    for _ in range(3):
        with db.sync_connection() as conn:
            assert conn.execute("PRAGMA cache_size") == [(17,)]
    assert db.get_pool_metrics(db.hash())["created"] == 1


async def test_a_hook_that_fails_fails_the_acquire_and_leaves_no_connection(
    databases: Any, kind: str
) -> None:
    db = databases.open(kind, pool_max_size=1)

    @db.on_connect
    async def fail(conn: AsyncConnection) -> None:
        await conn.execute("SELECT 1")
        raise LookupError("not today")

    for _ in range(3):
        with pytest.raises(LookupError):
            await db.get_async_connection()
    status = await at_rest(db)
    assert (status["size"], status["metrics"]["created"]) == (0, 3)


async def test_hooks_see_each_acquire_and_release(databases: Any) -> None:
    db = databases.open("sqlite")
    seen: list[tuple[str, int]] = []

    def note(name: str) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def hook(conn: AsyncConnection) -> None:
            seen.append((name, conn.id))  # type: ignore[attr-defined]

        return hook

    db.on_acquire(note("acquire"))
    db.on_release(note("release"))
    async with db.async_connection() as conn:
        first = conn.id
    conn = await db.get_async_connection()
    await db.release_async_connection(conn)
    assert seen == [("acquire", first), ("release", first)] * 2
    with pytest.raises(TypeError):
        db.on_acquire("not callable")


def test_plain_hooks_see_each_synchronous_acquire_and_release(db: ConnectionManager) -> None:
    seen: list[tuple[str, int]] = []
    db.on_acquire(lambda conn: seen.append(("acquire", conn.id)))
    db.on_release(lambda conn: seen.append(("release", conn.id)))
    for _ in range(2):
        with db.sync_connection() as conn:
            assert seen.pop() == ("acquire", conn.id)
            number = conn.id
        assert seen.pop() == ("release", number)
    assert seen == []


async def test_a_release_hook_that_fails_keeps_no_connection(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1)

    @db.on_release
    async def fail(conn: AsyncConnection) -> None:
        await conn.execute("SELECT 1")
        raise LookupError("not today")

    @db.on_release
    def fail_sync(conn: SyncConnection) -> None:
        conn.execute("SELECT 1")
        raise LookupError("not today")

    def use_it() -> None:
        with db.sync_connection() as conn:
            conn.execute("SELECT 1")

    for _ in range(3):
        with pytest.raises(LookupError):
            async with db.async_connection() as conn:
                await conn.execute("SELECT 1")
        with pytest.raises(LookupError):
            await asyncio.to_thread(use_it)
    status = await at_rest(db)
    assert (status["in_use"], status["metrics"]["current_active"]) == (0, 0)


async def test_a_task_cancelled_in_a_hook_leaves_no_connection(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=1)
    entered = asyncio.Event()

    @db.on_connect
    async def dawdle(conn: AsyncConnection) -> None:
        entered.set()
        await conn.execute("SELECT pg_sleep(600)")

    task = asyncio.create_task(db.get_async_connection())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await at_rest(db))["size"] == 0
