"""Synchronous callers and event loops share a pool, and take no places of each other."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import when
from millpond import AcquireTimeoutError, ArgumentError, DatabaseConfig

SIDES = {"pool_max_size": 1, "sync_max_size": 2}


async def test_a_cached_synchronous_connection_leaves_the_loop_its_place(
    databases: Any, kind: str
) -> None:
    db = databases.open(kind, **SIDES)
    with ThreadPoolExecutor(1) as thread:
        loop = asyncio.get_running_loop()
        cached = await loop.run_in_executor(thread, db.get_sync_connection)
        async with db.async_connection(timeout=60) as conn:
            assert await conn.execute("SELECT 1") == [(1,)]
            status = db.get_pool_status()
            assert (status["in_use"], status["sync_in_use"]) == (2, 1)
            assert (status["max_size"], status["sync_max_size"]) == (1, 2)
        assert await loop.run_in_executor(thread, db.get_sync_connection) is cached
        await loop.run_in_executor(thread, db.release_sync_connection)


def test_thirty_threads_have_a_connection_each_by_default(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1, connection_acquisition_timeout=60)
    together = threading.Barrier(30)

    def use() -> Any:
        db.get_sync_connection()
        together.wait(60)
        rows = db.get_sync_connection().execute("SELECT 1")
        db.release_sync_connection()
        return rows

    with ThreadPoolExecutor(30) as threads:
        outcomes = [threads.submit(use) for _ in range(30)]
        assert [outcome.result() for outcome in outcomes] == [[(1,)]] * 30
    assert db.get_pool_status()["sync_max_size"] == 40


async def test_each_side_is_bounded_by_its_own_setting(databases: Any, kind: str) -> None:
    db = databases.open(kind, **SIDES)
    with db.sync_connection(), db.sync_connection():
        async with db.async_connection():
            with pytest.raises(AcquireTimeoutError, match="pool_max_size"):
                await db.get_async_connection(timeout=0.05)

            def acquire() -> None:
                with db.sync_connection(timeout=0.05):
                    pass

            with pytest.raises(AcquireTimeoutError, match="2 of at most 2 are.*sync_max_size"):
                await asyncio.to_thread(acquire)
    status = await when(db, "rest", lambda it: it["in_use"] == 0)
    assert status["sync_in_use"] == 0


def test_the_sides_of_a_pool_in_memory_see_one_database(databases: Any) -> None:
    db = databases.open("sqlite", database=":memory:")

    async def read() -> Any:
        async with db.async_connection() as conn:
            return await conn.execute("SELECT id FROM t")

    with db.sync_connection() as conn:
        conn.execute("CREATE TABLE t (id integer)")
        conn.execute("INSERT INTO t VALUES (7)")
        assert asyncio.run(read()) == [(7,)]


def test_the_bound_of_synchronous_connections_is_checked() -> None:
    for wrong in (0, -1, "many", 1.5):
        with pytest.raises(ArgumentError, match="sync_max_size"):
            DatabaseConfig(database="x", sync_max_size=wrong)  # type: ignore[arg-type]
    url = "postgres://localhost/x?sync_max_size=7"
    assert DatabaseConfig.from_url(url)._given.settings["sync_max_size"] == 7
