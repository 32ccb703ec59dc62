"""`with conn.transaction():` on all databases, asynchronous and synchronous."""

import asyncio
import logging
import warnings
from typing import Any

import millpond
import pytest
from conftest import at_rest

COUNT = "SELECT count(*) FROM items"


async def add(conn: Any, number: int) -> None:
    await conn.execute("INSERT INTO items (id, name) VALUES (?, ?)", (number, "x"))


async def test_a_block_commits(items: str, conn: Any) -> None:
    async with conn.transaction():
        assert await conn.in_transaction() is True
        await add(conn, 1)
    assert await conn.in_transaction() is False
    assert await conn.fetch_value(COUNT) == 1


async def test_an_exception_rolls_back_and_goes_on(items: str, conn: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with conn.transaction():
            await add(conn, 1)
            raise ZeroDivisionError
    assert await conn.in_transaction() is False
    assert await conn.fetch_value(COUNT) == 0


async def test_an_error_of_the_database_rolls_back_and_goes_on(items: str, conn: Any) -> None:
    with pytest.raises(millpond.UniqueViolationError):
        async with conn.transaction():
            await add(conn, 1)
            await add(conn, 1)
    assert await conn.fetch_value(COUNT) == 0


async def test_an_inner_block_is_undone_alone(items: str, conn: Any) -> None:
    async with conn.transaction():
        await add(conn, 1)
        with pytest.raises(millpond.UniqueViolationError):
            async with conn.transaction():
                await add(conn, 2)
                await add(conn, 1)
        async with conn.transaction():
            await add(conn, 3)
            with pytest.raises(ZeroDivisionError):
                async with conn.transaction():
                    await add(conn, 4)
                    raise ZeroDivisionError
        await add(conn, 5)
    assert await conn.execute("SELECT id FROM items ORDER BY id") == [(1,), (3,), (5,)]


async def test_a_block_inside_begin_transaction_is_a_savepoint(items: str, conn: Any) -> None:
    await conn.begin_transaction()
    async with conn.transaction():
        await add(conn, 1)
    await conn.rollback_transaction()
    assert await conn.fetch_value(COUNT) == 0


async def test_a_swallowed_error_does_not_make_the_block_half(items: str, conn: Any) -> None:
    async with conn.transaction():
        await add(conn, 1)
        try:
            async with conn.transaction():
                with pytest.raises(millpond.UniqueViolationError):
                    await add(conn, 1)
        except millpond.Error:
            pass  # PostgreSQL cannot go on inside the block
        await add(conn, 2)
    assert await conn.fetch_value(COUNT) == 2


async def test_a_cancelled_block_is_rolled_back(
    items: str, db: Any, conn: Any, endless: str
) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with db.async_connection() as own, own.transaction():
            await own.execute("INSERT INTO items (id, name) VALUES (9, 'x')")
            entered.set()
            await own.execute(endless)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await conn.fetch_value(COUNT) == 0


async def test_force_rollback_keeps_nothing(items: str, conn: Any) -> None:
    async with conn.transaction(force_rollback=True):
        await add(conn, 1)
        async with conn.transaction(force_rollback=True):
            await add(conn, 2)
        assert await conn.fetch_value(COUNT) == 1
    assert await conn.fetch_value(COUNT) == 0


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize(("level", "seen"), [("READ committed", 1), ("repeatable read", 0)])
async def test_the_isolation_level_is_the_one_asked_for(
    items: str, db: Any, conn: Any, level: str, seen: int
) -> None:
    async with db.async_connection() as other:
        async with conn.transaction(isolation=level):
            assert await conn.fetch_value(COUNT) == 0
            await add(other, 1)
            assert await conn.fetch_value(COUNT) == seen


async def test_serializable_holds_for_one_transaction(items: str, kind: str, conn: Any) -> None:
    async with conn.transaction(isolation="serializable"):
        await add(conn, 1)
        if kind == "postgres":
            assert await conn.fetch_value("SHOW transaction_isolation") == "serializable"
    async with conn.transaction():
        if kind == "postgres":
            assert await conn.fetch_value("SHOW transaction_isolation") == "read committed"
    assert await conn.fetch_value(COUNT) == 1


async def test_an_unknown_isolation_level_is_refused(conn: Any) -> None:
    with pytest.raises(ValueError, match="isolation must be one of"):
        conn.transaction(isolation="snapshot; DROP TABLE items")


async def test_read_only_refuses_writes_and_ends_with_the_block(items: str, conn: Any) -> None:
    for _ in range(2):
        with pytest.raises(millpond.ReadOnlyError):
            async with conn.transaction(read_only=True):
                assert await conn.fetch_value(COUNT) == 0
                await add(conn, 1)
    await add(conn, 1)
    assert await conn.fetch_value(COUNT) == 1


async def test_settings_belong_to_the_outermost(items: str, conn: Any) -> None:
    async with conn.transaction():
        with pytest.raises(millpond.MisuseError, match="outermost"):
            async with conn.transaction(read_only=True):
                pass
        await add(conn, 1)
    assert await conn.fetch_value(COUNT) == 1


async def test_a_lost_connection_does_not_hide_the_error(
    items: str, db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with db.async_connection() as conn:
        with pytest.raises(ZeroDivisionError):
            async with conn.transaction():
                await conn.close()
                raise ZeroDivisionError
    assert [record.levelno for record in caplog.records if "rolling back" in record.message] == [
        logging.WARNING
    ]


def test_the_same_works_without_asyncio(items: str, db: Any) -> None:
    insert = "INSERT INTO items (id, name) VALUES (?, 'x')"
    with db.sync_connection() as conn:
        with conn.transaction():
            conn.execute(insert, (1,))
            with pytest.raises(millpond.UniqueViolationError):
                with conn.transaction():
                    conn.execute(insert, (2,))
                    conn.execute(insert, (1,))
            with conn.transaction(force_rollback=True):
                conn.execute(insert, (3,))
        with pytest.raises(ZeroDivisionError):
            with conn.transaction(isolation="serializable"):
                conn.execute(insert, (4,))
                raise ZeroDivisionError
        with pytest.raises(millpond.ReadOnlyError):
            with conn.transaction(read_only=True):
                conn.execute(insert, (5,))
        assert conn.in_transaction() is False
        assert conn.execute("SELECT id FROM items") == [(1,)]


async def test_a_connection_left_open_is_warned_of(db: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        conn = await db.get_async_connection()
        del conn
        assert (await at_rest(db))["in_use"] == 0
    messages = [str(w.message) for w in caught if w.category is ResourceWarning]
    assert len(messages) == 1
    assert "a connection was not released: <millpond" in messages[0]


# ---- On a connection of its own ----------------------------------------------------------


async def test_a_database_lends_a_connection_for_a_transaction(items: str, db: Any) -> None:
    async with db.transaction() as conn:
        assert await conn.in_transaction() is True
        await add(conn, 1)
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as conn:
            await add(conn, 2)
            raise ZeroDivisionError
    async with db.transaction(force_rollback=True) as conn:
        await add(conn, 3)
    assert (await at_rest(db))["in_use"] == 0
    async with db.async_connection() as conn:
        assert await conn.execute("SELECT id FROM items") == [(1,)]


async def test_its_settings_are_those_of_a_transaction(items: str, kind: str, db: Any) -> None:
    if kind == "duckdb":
        pytest.skip("DuckDB's transactions have no settings")
    async with db.transaction(isolation="serializable") as conn:
        await add(conn, 1)
    with pytest.raises(millpond.ReadOnlyError):
        async with db.transaction(read_only=True) as conn:
            await add(conn, 2)
    assert (await at_rest(db))["in_use"] == 0


def test_so_does_it_without_asyncio(items: str, db: Any) -> None:
    insert = "INSERT INTO items (id, name) VALUES (?, 'x')"
    with db.transaction() as conn:
        conn.execute(insert, (1,))
    with pytest.raises(ZeroDivisionError), db.transaction() as conn:
        conn.execute(insert, (2,))
        raise ZeroDivisionError
    with db.sync_connection() as conn:
        assert conn.execute("SELECT id FROM items") == [(1,)]


async def test_a_transaction_that_cannot_begin_keeps_no_connection(db: Any) -> None:
    with pytest.raises(millpond.ArgumentError):
        async with db.transaction(isolation="none"):
            pass
    assert (await at_rest(db))["in_use"] == 0
    block = db.transaction()
    async with block:
        with pytest.raises(millpond.MisuseError, match="is open already"):
            async with block:
                pass
    async with block as conn:  # once it has ended it can be begun anew
        assert await conn.in_transaction() is True
    assert (await at_rest(db))["in_use"] == 0


async def test_a_commit_that_fails_leaves_no_transaction_open(db: Any, kind: str) -> None:
    """SQLite keeps it open then, and what was written later would be lost at release."""
    if kind not in ("sqlite", "postgres"):
        pytest.skip("no deferred constraints")
    async with db.async_connection() as conn:
        for table in ("children", "parents"):
            await conn.execute(f"DROP TABLE IF EXISTS {table}")
        await conn.execute("CREATE TABLE parents (id integer PRIMARY KEY)")
        await conn.execute(
            "CREATE TABLE children (parent integer REFERENCES parents (id) "
            "DEFERRABLE INITIALLY DEFERRED)"
        )
        if kind == "sqlite":
            await conn.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(millpond.ForeignKeyViolationError):
            async with conn.transaction():
                await conn.execute("INSERT INTO children VALUES (7)")
        assert await conn.in_transaction() is False
        await conn.execute("INSERT INTO parents VALUES (1)")
    async with db.async_connection() as conn:
        assert await conn.fetch_value("SELECT count(*) FROM parents") == 1
        await conn.execute("DROP TABLE children")
        await conn.execute("DROP TABLE parents")
