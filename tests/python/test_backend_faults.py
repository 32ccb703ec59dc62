"""Backends whose own methods fail in odd ways, or are built on others of their methods."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import millpond
import pytest
from plain_backend import SHAPES, PlainConnectionPool, PlainDatabase, plain_database

pytestmark = pytest.mark.once


@pytest.fixture
def db(tmp_path: Path) -> Iterator[PlainDatabase]:
    made = plain_database(tmp_path / "plain.db", SHAPES["dicts"])
    yield made
    made.close()


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


ODD: dict[str, tuple[Exception, str]] = {
    "NUL": (RuntimeError("a\0b"), r"cannot connect: a\\0b"),
    "surrogate": (OSError("no file b\udcc3"), r"cannot connect: no file b\\udcc3"),
    "speechless": (Speechless(), "cannot connect: Speechless"),
    "empty": (TimeoutError(), "cannot connect: TimeoutError"),
    "long": (RuntimeError("ü" * 100_000), "cannot connect: üüü"),
}


# ---- Texts that are none ------------------------------------------------------------------


@pytest.mark.parametrize(("error", "message"), ODD.values(), ids=list(ODD))
async def test_why_no_connection_could_be_made_is_told_at_once(
    db: PlainDatabase, error: Exception, message: str
) -> None:
    class Pool(PlainConnectionPool):
        async def acquire(self, timeout: float | None = None) -> Any:
            raise error

    async def create_pool(config: dict[str, Any]) -> millpond.ConnectionPool:
        return Pool([])

    db._create_pool = create_pool  # type: ignore[method-assign]
    with pytest.raises(millpond.ConnectFailedError, match=message):
        await db.get_async_connection(timeout=60)


@pytest.mark.parametrize(("error", "message"), ODD.values(), ids=list(ODD))
def test_the_same_without_asyncio(db: PlainDatabase, error: Exception, message: str) -> None:
    def connect(config: dict[str, Any]) -> Any:
        raise error

    db._create_sync_connection = connect  # type: ignore[method-assign]
    with pytest.raises(millpond.ConnectFailedError, match=message):
        db.get_sync_connection()


# ---- A wrapper that fails ------------------------------------------------------------------


async def test_what_could_not_be_wrapped_goes_back_to_its_pool(db: PlainDatabase) -> None:
    wrap = db._wrap_async_connection
    kept: list[Exception] = []

    def refuse(raw: Any) -> Any:
        raise ValueError("no such connection")

    db._wrap_async_connection = refuse  # type: ignore[method-assign]
    for _ in range(5):
        with pytest.raises(ValueError, match="no such") as raised:
            await db.get_async_connection(timeout=60)
        kept.append(raised.value)  # and the frames that it came through
    assert db.get_pool_status()["in_use"] == 0
    db._wrap_async_connection = wrap  # type: ignore[method-assign]
    async with db.async_connection() as conn:
        assert await conn.fetch_value("SELECT 1") == 1
    assert len(kept) == 5


def test_the_same_for_a_blocking_one(db: PlainDatabase) -> None:
    kept: list[Exception] = []

    def refuse(raw: Any) -> Any:
        raise ValueError("no such connection")

    db._wrap_sync_connection = refuse  # type: ignore[method-assign]
    for _ in range(5):
        with pytest.raises(ValueError, match="no such") as raised:
            db.get_sync_connection()
        kept.append(raised.value)
    assert db.get_pool_status()["in_use"] == 0
    del db._wrap_sync_connection  # type: ignore[method-assign]


# ---- Methods that call others --------------------------------------------------------------

Change = Callable[[type], type]


def with_super(base: Any) -> type:
    class Changed(base):  # type: ignore[misc]
        async def begin_transaction(self) -> None:
            await super().begin_transaction()

        async def commit_transaction(self) -> None:
            await super().commit_transaction()

        async def rollback_transaction(self) -> None:
            await super().rollback_transaction()

    return Changed


def with_execute(base: Any) -> type:
    class Changed(base):  # type: ignore[misc]
        async def begin_transaction(self) -> None:
            await self.execute("BEGIN")
            await asyncio.gather(self.execute("SELECT 1"), self.execute("SELECT 2"))

        async def commit_transaction(self) -> None:
            await self.execute("COMMIT")

        async def rollback_transaction(self) -> None:
            await self.execute("ROLLBACK")

    return Changed


@pytest.mark.parametrize("change", [with_super, with_execute])
async def test_transactions_are_made_of_the_backends_own_calls(
    db: PlainDatabase, change: Change
) -> None:
    db.async_class = change(db.async_class)
    async with db.async_connection() as conn:
        await conn.execute("CREATE TABLE t (n integer)")
        async with conn.transaction():
            await conn.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        with pytest.raises(ZeroDivisionError):
            async with conn.transaction():
                await conn.execute("DELETE FROM t")
                raise ZeroDivisionError
        assert not await conn.in_transaction()
        assert await conn.fetch_value("SELECT count(*) FROM t") == 2
        await conn.save_entity("pond", {"name": "mill"})


async def test_a_call_from_outside_waits_for_its_turn_all_the_same(db: PlainDatabase) -> None:
    order: list[str] = []
    inside = asyncio.Event()
    go = asyncio.Event()
    base: Any = db.async_class

    class Changed(base):  # type: ignore[misc]
        async def begin_transaction(self) -> None:
            await self.execute("BEGIN")
            inside.set()
            await go.wait()
            await self.execute("SELECT 'inner'")

    Changed.before = staticmethod(lambda statement: order.append(statement))
    db.async_class = Changed
    async with db.async_connection() as conn:
        begin = asyncio.ensure_future(conn.begin_transaction())
        await inside.wait()
        other = asyncio.ensure_future(conn.execute("SELECT 'outer'"))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(begin, other)
        await conn.rollback_transaction()
    assert order == ["BEGIN", "SELECT 'inner'", "SELECT 'outer'"]


async def test_a_statement_may_be_made_of_another(db: PlainDatabase) -> None:
    base: Any = db.async_class

    class Changed(base):  # type: ignore[misc]
        async def _execute_statement_async(self, statement: Any, params: Any = None) -> Any:
            if statement == "SELECT 'outer'":
                return await self.execute("SELECT 'inner'")
            return await super()._execute_statement_async(statement, params)

    db.async_class = Changed
    async with db.async_connection() as conn:
        assert await conn.fetch_value("SELECT 'outer'") == "inner"
        assert await conn.fetch_value("SELECT 1") == 1


# ---- Nothing is left over -------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
async def test_a_batch_whose_transaction_cannot_begin_leaves_nothing_behind(
    db: PlainDatabase,
) -> None:
    base: Any = db.async_class

    class Changed(base):  # type: ignore[misc]
        async def begin_transaction(self) -> None:
            raise sqlite3.OperationalError("no transactions today")

    db.async_class = Changed
    async with db.async_connection() as conn:
        with pytest.raises(sqlite3.OperationalError, match="today"):
            await conn.executemany("SELECT ?", [(1,)])
