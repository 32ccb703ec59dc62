"""Pools: their sizes, health, leaks and end; for all databases alike unless they say so."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import millpond
import pytest
import uvloop
from conftest import KINDS, at_rest, when
from millpond import ConnectionManager, DatabaseConfig, PoolManager, SqliteDatabase
from observer import until

# ---- Sizes -------------------------------------------------------------------------------


def test_default_sizes_follow_the_number_of_cores(databases: Any) -> None:
    db = databases.open("sqlite", pool_min_size=None)
    cores = os.cpu_count() or 1
    status = db.get_pool_status()
    assert status["min_size"] == max(3, cores // 2)
    assert 3 <= status["max_size"] <= max(20, 4 * cores)
    assert db._calculate_pool_size() == (status["min_size"], status["max_size"])


def test_the_sizes_can_be_overridden_by_a_subclass(tmp_path: Any) -> None:
    class Small(SqliteDatabase):
        def _calculate_pool_size(self) -> tuple[int, int]:
            return 1, 2

    db = Small(DatabaseConfig(database=str(tmp_path / "a.db")))
    try:
        status = db.get_pool_status()
        assert (status["min_size"], status["max_size"]) == (1, 2)
    finally:
        asyncio.run(PoolManager.close_pool(db.hash()))


@pytest.mark.parametrize("kind", KINDS)  # a backend's own pool may open none ahead
async def test_the_smallest_size_is_reached_in_the_background(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_min_size=3)
    assert db.get_pool_status()["size"] == 0
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
    status = await when(db, "three idle ones", lambda it: it["idle"] == 3)
    assert status["size"] == 3


async def test_the_pool_tells_its_counts(databases: Any) -> None:
    db = databases.open("sqlite", pool_max_size=4)
    pool = db._pool()
    async with db.async_connection(), db.async_connection():
        assert (pool.min_size, pool.max_size) == (0, 4)
        assert (pool.size, pool.in_use, pool.idle) == (2, 2, 0)
    assert (pool.size, pool.in_use, pool.idle) == (2, 0, 2)


# ---- Lifetimes ---------------------------------------------------------------------------


async def sessions_of(databases: Any, name: str) -> Any:
    """Counts the sessions that a pool has on the PostgreSQL server."""
    watcher = databases.open("postgres", alias="watcher", pool_max_size=1)

    async def count() -> int:
        async with watcher.async_connection() as conn:
            rows = await conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = ?", (name,)
            )
        return rows[0][0]

    return count


async def test_unused_connections_are_closed_on_the_server_too(databases: Any) -> None:
    count = await sessions_of(databases, "unused")
    db = databases.open(
        "postgres", application_name="unused", pool_min_size=1, pool_idle_timeout=0.1
    )
    held = [await db.get_async_connection() for _ in range(4)]
    assert await count() == 4
    for conn in held:
        await db.release_async_connection(conn)
    await when(db, "one connection", lambda it: it["size"] == 1)

    async def agreed() -> bool:
        return bool(await count() == 1)

    await until("one session", agreed)
    assert db.get_pool_status()["size"] == 1


async def test_an_idle_session_that_the_server_ended_is_not_lent(
    databases: Any, postgres: Any
) -> None:
    db = databases.open("postgres", application_name="ended", pool_max_size=2)
    killer = databases.open("postgres", alias="killer")
    async with db.async_connection(), db.async_connection():
        pass
    count = await sessions_of(databases, "ended")
    async with killer.async_connection() as conn:
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'ended'"
        )
    await when(db, "a pool without connections", lambda it: it["size"] == 0)
    assert await count() == 0
    for _ in range(2):
        async with db.async_connection() as conn:
            assert await conn.execute("SELECT 1") == [(1,)]


# ---- Synchronous connections -------------------------------------------------------------


def test_each_thread_has_a_synchronous_connection_of_its_own(databases: Any, kind: str) -> None:
    db = databases.open(kind, sync_max_size=2)
    ids: list[int] = []

    def use() -> None:
        conn = db.get_sync_connection()
        assert db.get_sync_connection() is conn
        ids.append(conn.id)
        barrier.wait()
        db.release_sync_connection()

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 2


def test_a_cached_connection_that_was_lost_is_replaced(databases: Any) -> None:
    db = databases.open("postgres", sync_max_size=1)
    killer = databases.open("postgres", alias="killer")
    conn = db.get_sync_connection()
    pid = conn.execute("SELECT pg_backend_pid()")[0][0]
    with killer.sync_connection() as other:
        other.execute("SELECT pg_terminate_backend(?)", (pid,))
    deadline = time.monotonic() + 90
    while db.get_sync_connection() is conn:  # the server takes its time to hang up
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert db.get_sync_connection().execute("SELECT 1") == [(1,)]
    db.release_sync_connection()


INTERRUPTED = """
import os, signal, sys, threading
import millpond
signal.signal(signal.SIGINT, signal.default_int_handler)
db = millpond.SqliteDatabase(millpond.DatabaseConfig(
    database=sys.argv[1], sync_max_size=1, connection_acquisition_timeout=600))
held = db.get_sync_connection()

def interrupt():
    while db.get_pool_status()["waiting"] == 0:
        pass
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    with db.sync_connection():
        print("got one")
except KeyboardInterrupt:
    print("interrupted", db.get_pool_status()["waiting"])
held.execute("SELECT 1")
db.release_sync_connection()
with db.sync_connection() as conn:
    print(conn.execute("SELECT 1"))
"""


def test_ctrl_c_ends_a_blocking_acquire(tmp_path: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "a.db")],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stdout == "interrupted 0\n[(1,)]\n", done.stderr


# ---- Many loops --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
def test_event_loops_and_threads_share_one_pool(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=3, sync_max_size=1)
    token = "SELECT CAST(? AS text)"
    most = []
    failures: list[BaseException] = []

    async def tasks(name: str) -> None:
        async def one(number: int) -> None:
            for i in range(20):
                async with db.async_connection(timeout=60) as conn:
                    mine = f"{name} {number} {i}"
                    assert await conn.execute(token, (mine,)) == [(mine,)]
                most.append(db.get_pool_status()["size"])

        await asyncio.gather(*(one(number) for number in range(10)))

    def blocking(name: str) -> None:
        for i in range(100):
            with db.sync_connection(timeout=60) as conn:
                assert conn.execute(token, (f"{name} {i}",)) == [(f"{name} {i}",)]

    def guarded(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(error)

    def run_uvloop(name: str) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(tasks(name))

    threads = [
        threading.Thread(target=guarded, args=(work, f"thread {i}"))
        for i, work in enumerate(
            [lambda name: asyncio.run(tasks(name)), run_uvloop, blocking, blocking]
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)
    assert max(most) <= 4
    metrics = db.get_pool_metrics(db.hash())
    assert metrics["total_acquired"] == metrics["total_released"] == 600


# ---- Leaks -------------------------------------------------------------------------------


async def test_a_leak_is_reported_with_its_stack_and_stays_with_its_holder(
    db: ConnectionManager,
) -> None:
    async def forget() -> Any:
        return await db.get_async_connection()

    leaked = await forget()
    assert await db.check_for_leaked_connections(threshold_seconds=300) == []
    [(connection, seconds, stack)] = await db.check_for_leaked_connections(threshold_seconds=0)
    assert connection is leaked
    assert 0 <= seconds < 60
    assert "test_pool.py" in stack and "in forget" in stack
    assert await leaked.execute("SELECT 1") == [(1,)]
    await db.release_async_connection(leaked)
    assert await db.check_for_leaked_connections(threshold_seconds=0) == []
    with pytest.raises(millpond.ArgumentError):
        await db.check_for_leaked_connections(threshold_seconds=-1)


def test_leaks_of_synchronous_connections_are_reported_too(db: ConnectionManager) -> None:
    with db.sync_connection() as held:
        [(connection, _, stack)] = asyncio.run(db.check_for_leaked_connections(0))
        assert connection is held
        assert "in test_leaks_of_synchronous" in stack


async def test_the_whole_stack_is_captured_where_that_is_wanted(databases: Any) -> None:
    db = databases.open("sqlite")

    async def deep(levels: int) -> Any:
        return await deep(levels - 1) if levels else await db.get_async_connection()

    PoolManager.capture_full_stacks()
    try:
        conn = await deep(20)
    finally:
        PoolManager.capture_full_stacks(False)
    [(_, _, stack)] = await db.check_for_leaked_connections(0)
    assert "in test_the_whole_stack" in stack
    assert "repeated 18 more times" in stack
    await db.release_async_connection(conn)


# ---- Health ------------------------------------------------------------------------------


async def test_a_health_check_uses_and_takes_nothing_of_anyone(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1)
    assert await db.health_check() is True  # opens the first connection
    async with db.async_connection() as conn:
        assert await db.health_check() is True  # all are in use
        assert await conn.execute("SELECT 1") == [(1,)]
    metrics = db.get_pool_metrics(db.hash())
    assert (metrics["created"], metrics["total_acquired"]) == (1, 1)


def unreachable(**settings: Any) -> DatabaseConfig:
    return DatabaseConfig(database="nowhere", host="127.0.0.1", port=1, user="u", **settings)


def test_all_pools_are_checked_without_an_event_loop(databases: Any, kind: str) -> None:
    well = databases.open(kind)
    ill = millpond.PostgresDatabase(unreachable())
    try:
        health = PoolManager.health_check_all_pools()
        assert (health[well.hash()], health[ill.hash()]) == (True, False)
    finally:
        asyncio.run(PoolManager.close_pool(ill.hash()))


async def test_all_pools_are_checked_in_a_coroutine(db: ConnectionManager) -> None:
    async with db.async_connection() as conn:
        assert PoolManager.health_check_all_pools()[db.hash()] is True
        assert (await PoolManager.health_check_all_pools())[db.hash()] is True
        assert await conn.execute("SELECT 1") == [(1,)]


async def test_a_server_that_is_down_is_told_at_once(databases: Any) -> None:
    db = millpond.PostgresDatabase(
        unreachable(pool_reconnect_delay=600, pool_reconnect_max_delay=600)
    )
    try:
        for _ in range(20):
            with pytest.raises(millpond.ConnectFailedError):
                await db.get_async_connection(timeout=30)
        assert await db.health_check() is False
        assert db.get_pool_metrics(db.hash())["errors"] == 1
    finally:
        await PoolManager.close_pool(db.hash())


# ---- Close -------------------------------------------------------------------------------


def open_files(path: str) -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(path):
            found.append(target)
    return found


async def test_a_closed_sqlite_pool_has_closed_its_files(databases: Any, tmp_path: Any) -> None:
    for _ in range(20):
        db = databases.open("sqlite")
        path = db.database()
        async with db.async_connection() as conn, db.async_connection() as other:
            await conn.execute("CREATE TABLE IF NOT EXISTS t (id)")
            await other.execute("INSERT INTO t VALUES (1)")
        assert open_files(path)
        await PoolManager.close_pool(db.hash())
        assert open_files(path) == []


@pytest.mark.parametrize(("end", "left"), [("commit", 1), ("rollback", 0)])
async def test_what_is_open_at_the_end_is_committed_or_rolled_back(
    databases: Any, kind: str, end: str, left: int
) -> None:
    db = databases.open(kind, pool_close_transactions=end)
    conn = await db.get_async_connection()
    await conn.execute("DROP TABLE IF EXISTS closing")
    await conn.execute("CREATE TABLE closing (id integer)")
    await conn.begin_transaction()
    await conn.execute("INSERT INTO closing VALUES (1)")
    await PoolManager.close_pool(db.hash(), timeout=0.1)
    with pytest.raises(millpond.StaleConnectionError):
        await conn.execute("SELECT 1")
    async with db.async_connection() as again:  # the pool is made anew
        assert await again.execute("SELECT count(*) FROM closing") == [(left,)]
        await again.execute("DROP TABLE closing")
    await at_rest(db)


@pytest.mark.slow
def test_a_connection_that_still_closes_on_a_loop_at_rest_gives_its_place_to_a_thread() -> None:
    """Its statement does not stop in time: one step of SQLite takes longer than the grace."""
    db = millpond.connect("sqlite:///:memory:", pool_max_size=1, alias="closes late")

    async def leave_it() -> None:
        async with db.async_connection() as conn:
            with pytest.raises(millpond.QueryTimeoutError):
                await conn.execute("SELECT length(hex(zeroblob(400000000)))", timeout=0.001)

    async def take_it() -> None:
        async with db.async_connection(timeout=60):
            pass

    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as thread:
        runner.run(leave_it())
        thread.submit(asyncio.run, take_it()).result()
        runner.run(PoolManager.close_pool(config_hash=db.hash()))


async def test_the_status_of_a_database_that_is_not_used_makes_no_pool(
    databases: Any, kind: str
) -> None:
    db = databases.open(kind, alias="unused here")
    status = db.get_pool_status()
    assert (status["initialized"], status["size"]) == (False, 0)
    assert status["metrics"]["total_acquired"] == 0
    assert await db.check_for_leaked_connections() == []
    assert type(db).get_pool_metrics(db.hash()) == {}
    assert db.hash() not in type(db).get_pool_metrics()
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
        assert db.get_pool_status()["in_use"] == 1
    assert db.get_pool_status()["initialized"]
    assert type(db).get_pool_metrics(db.hash())["total_acquired"] == 1
    await type(db).close_pool(db.hash())
    assert not db.get_pool_status()["initialized"]
    assert type(db).get_pool_metrics(db.hash()) == {}


async def test_databases_of_one_config_share_their_pool_whoever_uses_it_first(
    databases: Any, kind: str
) -> None:
    one, other = (databases.open(kind, alias="shared here") for _ in range(2))
    assert other.get_pool_status()["size"] == 0
    async with one.async_connection():
        assert other.get_pool_status()["in_use"] == 1
        async with other.async_connection():
            assert one.get_pool_status()["in_use"] == 2
    assert one._pool() is other._pool()
