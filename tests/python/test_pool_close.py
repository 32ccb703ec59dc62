"""While a pool closes it lends nothing, and nobody opens another beside it."""

import asyncio
import threading
from typing import Any

import pytest
from conftest import when
from millpond import ArgumentError, ClosedError, ConnectionManager, PoolManager
from observer import until


async def closing(db: ConnectionManager, timeout: float = 120) -> asyncio.Task[None]:
    """A close that waits for who holds a connection."""
    task = asyncio.ensure_future(PoolManager.close_pool(db.hash(), timeout=timeout))
    await when(db, "closing", lambda it: it["closed"])
    return task


async def until_closed(db: ConnectionManager) -> None:
    async def is_closed() -> bool:
        return not PoolManager.get_pool_metrics(db.hash())

    await until("the pool is closed", is_closed)


async def test_nobody_gets_a_connection_of_a_pool_that_closes(databases: Any, kind: str) -> None:
    db = databases.open(kind)
    held = await db.get_async_connection()
    task = await closing(db)
    again = databases.open(kind)  # the same configuration
    for one in (db, again):
        with pytest.raises(ClosedError):
            await one.get_async_connection()
        with pytest.raises(ClosedError):
            async with one.async_connection():
                pass
    for one in (db, again):
        with pytest.raises(ClosedError):
            await asyncio.to_thread(one.get_sync_connection)
    status = again.get_pool_status()
    assert (status["size"], status["metrics"]["created"]) == (1, 1)
    assert not await db.health_check()
    assert not task.done()
    await db.release_async_connection(held)
    await task
    assert PoolManager.get_pool_metrics(db.hash()) == {}
    async with again.async_connection() as conn, db.async_connection():
        assert await conn.execute("SELECT 1") == [(1,)]
    assert db.get_pool_status()["metrics"]["created"] == 2
    assert not db.get_pool_status()["closed"]


async def test_who_waits_is_told_that_the_pool_closes(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1)
    held = await db.get_async_connection()
    waiting = [asyncio.ensure_future(db.get_async_connection()) for _ in range(3)]
    await when(db, "three waiting", lambda it: it["waiting"] == 3)
    task = await closing(db)
    await db.release_async_connection(held)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ClosedError] * 3
    await task


async def test_a_close_that_is_cancelled_goes_on(databases: Any, kind: str) -> None:
    db = databases.open(kind)
    held = await db.get_async_connection()
    task = await closing(db)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ClosedError):
        await db.get_async_connection()
    await db.release_async_connection(held)
    await until_closed(db)
    async with db.async_connection() as conn:
        assert await conn.execute("SELECT 1") == [(1,)]


async def test_a_close_that_is_cancelled_still_takes_by_force_in_its_time(databases: Any) -> None:
    db = databases.open("sqlite")
    held = await db.get_async_connection()
    task = await closing(db, timeout=0.2)
    task.cancel()
    await asyncio.wait([task])
    await until_closed(db)
    assert not held.id


async def test_closing_again_waits_for_the_same_end(databases: Any, kind: str) -> None:
    db = databases.open(kind)
    held = await db.get_async_connection()
    tasks = [await closing(db), await closing(db)]
    assert not any(task.done() for task in tasks)
    await db.release_async_connection(held)
    await asyncio.gather(*tasks)


def test_a_thread_that_waits_is_told_too(databases: Any) -> None:
    db = databases.open("sqlite", sync_max_size=1)
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            with db.sync_connection():
                pass
        except ClosedError as error:
            outcome.append(error)

    with db.sync_connection():
        threads = [threading.Thread(target=wait)]
        threads[0].start()
        while db.get_pool_status()["waiting"] == 0:
            pass
        threads.append(threading.Thread(target=db._close_pools_sync, args=(db.hash(), 120)))
        threads[1].start()
        threads[0].join()
    threads[1].join()
    assert len(outcome) == 1


# ---- db.close() --------------------------------------------------------------------------


def is_open(db: ConnectionManager) -> bool:
    return PoolManager.get_pool_metrics(db.hash()) != {}


async def test_a_database_closes_its_own_pool_alone(databases: Any, kind: str) -> None:
    db, other = databases.open(kind), databases.open(kind, alias="other")
    for one in (db, other):
        async with one.async_connection() as conn:
            await conn.execute("SELECT 1")
    await db.close()
    assert not is_open(db)
    assert is_open(other)
    await db.close()  # twice is no error
    async with db.async_connection() as conn:
        assert await conn.execute("SELECT 1") == [(1,)]
    assert is_open(db)


def test_a_database_is_closed_where_no_event_loop_runs(databases: Any, kind: str) -> None:
    db, other = databases.open(kind), databases.open(kind, alias="other")
    for one in (db, other):
        with one.sync_connection() as conn:
            assert conn.execute("SELECT 1") == [(1,)]
    db.close()
    assert not is_open(db)
    assert is_open(other)
    db.close()
    with db.sync_connection() as conn:
        assert conn.execute("SELECT 1") == [(1,)]
    db.close()
    other.close()


def test_a_close_gives_back_the_threads_own_connection(databases: Any, kind: str) -> None:
    db = databases.open(kind)
    assert db.get_sync_connection().execute("SELECT 1") == [(1,)]
    db.close(timeout=10_000)
    assert not is_open(db)


def test_a_close_that_nobody_awaits_closes_all_the_same(databases: Any, kind: str) -> None:
    db = databases.open(kind)

    async def main() -> None:
        async with db.async_connection():
            db.close()
            with pytest.raises(ClosedError):
                await db.get_async_connection()

    asyncio.run(main())
    asyncio.run(until_closed(db))


async def test_a_close_takes_by_force_what_does_not_come_back(databases: Any, kind: str) -> None:
    db = databases.open(kind)
    held = await db.get_async_connection()
    await db.close(timeout=0.1)
    assert not held.id
    assert not is_open(db)


def test_a_close_refuses_a_timeout_that_is_none(databases: Any) -> None:
    db = databases.open("sqlite")
    for wrong in (0, -1, True):
        with pytest.raises(ArgumentError, match="timeout must be a positive number"):
            db.close(timeout=wrong)
