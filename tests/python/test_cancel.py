"""Timeouts and cancelled tasks: the server's work stops, and nothing is leaked or crossed."""

import asyncio
import contextlib
import random
import threading
import uuid
from typing import Any

import millpond
import pytest
from conftest import at_rest, when
from observer import until


async def session_of(conn: Any) -> int:
    return int((await conn.execute("SELECT pg_backend_pid()"))[0][0])


async def state_of(session: int, databases: Any) -> str:
    """What a PostgreSQL server says that it does."""
    async with databases.open("postgres", alias="observer").async_connection() as conn:
        rows = await conn.execute("SELECT state FROM pg_stat_activity WHERE pid = ?", (session,))
    return str(rows[0][0])


async def test_a_timeout_stops_the_work_and_leaves_the_connection_usable(
    conn: Any, endless: str
) -> None:
    number = conn.id
    with pytest.raises(TimeoutError, match=r"timed out after 0\.1 s") as caught:
        await conn.execute(endless, timeout=0.1)
    assert isinstance(caught.value, millpond.QueryTimeoutError)
    assert conn.id == number
    assert (await conn.execute("SELECT 1")) == [(1,)]


def test_a_timeout_stops_synchronous_work_too(db: Any, endless: str) -> None:
    with db.sync_connection() as conn:
        with pytest.raises(millpond.QueryTimeoutError, match=r"0\.1 s"):
            conn.execute(endless, timeout=0.1)
        assert conn.execute("SELECT 1") == [(1,)]


async def test_the_default_timeout_comes_from_the_config(
    databases: Any, kind: str, endless: str
) -> None:
    db = databases.open(kind, query_execution_timeout=0.1)
    async with db.async_connection() as conn:
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute(endless)


async def test_a_timed_out_statement_no_longer_runs_on_the_server(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        session = await session_of(conn)
        with pytest.raises(TimeoutError):
            await conn.execute("SELECT pg_sleep(600)", timeout=0.1)
        assert await state_of(session, databases) == "idle"


async def test_a_transaction_can_be_rolled_back_after_a_timeout(
    items: str, conn: Any, endless: str
) -> None:
    await conn.begin_transaction()
    await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
    with pytest.raises(TimeoutError):
        await conn.execute(endless, timeout=0.1)
    assert await conn.in_transaction() is True
    await conn.rollback_transaction()
    assert (await conn.execute("SELECT count(*) FROM items")) == [(0,)]


async def test_a_statement_that_waits_for_another_times_out_unsent(
    items: str, conn: Any, endless: str
) -> None:
    first = asyncio.ensure_future(conn.execute(endless, timeout=0.5))
    second = asyncio.ensure_future(
        conn.execute("INSERT INTO items VALUES (1, 'one', 1)", timeout=0.1)
    )
    with pytest.raises(TimeoutError, match="not sent"):
        await second
    with pytest.raises(TimeoutError):
        await first
    assert (await conn.execute("SELECT count(*) FROM items")) == [(0,)]


async def test_wait_for_and_task_cancel_stop_the_work(
    conn: Any, endless: str, databases: Any, kind: str
) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(conn.execute(endless), 0.05)
    task = asyncio.create_task(conn.execute(endless))
    await asyncio.sleep(0)  # it begins to wait
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await conn.execute("SELECT 1")) == [(1,)]
    if kind == "postgres":
        assert await state_of(await session_of(conn), databases) == "idle"


async def test_a_cancelled_task_leaves_a_clean_connection(
    items: str, db: Any, endless: str
) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with db.async_connection() as conn:
            await conn.begin_transaction()
            await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
            began.set()
            await conn.execute(endless)

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with db.async_connection() as conn:
        assert await conn.in_transaction() is False
        assert (await conn.execute("SELECT count(*) FROM items")) == [(0,)]
    status = await at_rest(db)
    assert status["size"] == status["idle"]


async def test_a_cancelled_waiter_leaves_no_trace(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1)
    async with db.async_connection():
        task = asyncio.create_task(db.get_async_connection())
        await asyncio.sleep(0)
        assert db.get_pool_status()["waiting"] == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await at_rest(db))["idle"] == 1


async def test_a_waiter_cancelled_as_it_is_served_passes_the_connection_on(
    databases: Any, kind: str
) -> None:
    db = databases.open(kind, pool_max_size=1)
    for _ in range(50):
        conn = await db.get_async_connection()
        first = asyncio.create_task(db.get_async_connection())
        second = asyncio.create_task(db.get_async_connection())
        await asyncio.sleep(0)
        await db.release_async_connection(conn)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await db.release_async_connection(await first)
        await db.release_async_connection(await second)
    assert (await at_rest(db))["idle"] == 1


async def storm(db: Any, text: str, seed: int, count: int) -> int:
    """Tasks that each select a value of their own, some cancelled at a random moment."""
    rng = random.Random(seed)
    answered = 0

    async def one() -> bool:
        mine = str(uuid.UUID(int=rng.getrandbits(128)))
        async with db.async_connection() as conn:
            if rng.random() < 0.3:
                await conn.begin_transaction()
            rows = await conn.execute(f"SELECT CAST(? AS {text})", (mine,))
            assert rows == [(mine,)]
            if await conn.in_transaction():
                await conn.commit_transaction()
        return True

    async def worker() -> int:
        done = 0
        for _ in range(count // 20):
            task = asyncio.create_task(one())
            if rng.random() < 0.3:
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                done += await task
        return done

    answered = sum(await asyncio.gather(*(worker() for _ in range(20))))
    return answered


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_storm_of_cancels_leaks_and_crosses_nothing(
    databases: Any, kind: str, casts: dict[str, str], seed: int
) -> None:
    db = databases.open(kind, pool_max_size=5)
    answered = await storm(db, casts["text"], seed, 1000)
    assert answered > 500
    status = await at_rest(db)
    assert status["size"] == status["idle"] <= 5
    metrics = status["metrics"]
    assert metrics["total_acquired"] == metrics["total_released"]
    async with db.async_connection() as conn:
        assert await conn.in_transaction() is False


async def test_a_killed_session_is_a_lost_connection_and_is_replaced(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=1)
    async with db.async_connection() as conn:
        pid = await session_of(conn)
        sleeping = asyncio.ensure_future(conn.execute("SELECT pg_sleep(600)"))
        async with databases.open("postgres", alias="killer").async_connection() as killer:
            await killer.execute("SELECT pg_terminate_backend(?)", (pid,))
        with pytest.raises(ConnectionError, match="lost"):
            await sleeping
        with pytest.raises(millpond.ConnectionLostError, match="acquire another"):
            await conn.execute("SELECT 1")
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT pg_backend_pid()"))[0][0] != pid


async def test_a_write_whose_answer_is_lost_has_an_unknown_outcome(
    databases: Any,
) -> None:
    db = databases.open("postgres")
    async with db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS slow")
        await conn.execute("CREATE TABLE slow (n int)")
        pid = await session_of(conn)
        writing = asyncio.ensure_future(
            conn.execute("INSERT INTO slow SELECT 1 FROM pg_sleep(600)")
        )
        async with databases.open("postgres", alias="killer").async_connection() as killer:

            async def sleeps() -> bool:
                sql = "SELECT 1 FROM pg_stat_activity WHERE pid = ? AND wait_event = 'PgSleep'"
                return bool(await killer.execute(sql, (pid,)))

            await until("the statement's start", sleeps)
            await killer.execute("SELECT pg_terminate_backend(?)", (pid,))
        with pytest.raises(millpond.UnknownOutcomeError) as caught:
            await writing
    assert caught.value.retryable is False


async def test_idle_connections_that_the_server_closed_are_not_lent(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=3)
    held = [await db.get_async_connection() for _ in range(3)]
    pids = [(await conn.execute("SELECT pg_backend_pid()"))[0][0] for conn in held]
    for conn in held:
        await db.release_async_connection(conn)
    async with databases.open("postgres", alias="killer").async_connection() as killer:
        await killer.execute("SELECT pg_terminate_backend(unnest(?::int[]))", (pids,))

        async def gone() -> bool:
            sql = "SELECT 1 FROM pg_stat_activity WHERE pid = ANY(?::int[])"
            return not await killer.execute(sql, (pids,))

        await until("the sessions' end", gone)
    await when(db, "a pool without connections", lambda it: it["size"] == 0)
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT 1")) == [(1,)]


# ---- A loop whose thread is blocked ------------------------------------------------------


async def leave_to_be_cleaned(db: Any, endless: str, count: int, after: float) -> None:
    """Connections that come back in mid-query: they are free once the server has stopped.

    The tasks are cancelled `after` seconds: before, while or after their statements are sent.
    """

    async def one() -> None:
        async with db.async_connection() as conn:
            await conn.execute(endless)

    tasks = [asyncio.ensure_future(one()) for _ in range(count)]
    while db.get_pool_status()["in_use"] < count:
        await asyncio.sleep(0.001)
    await asyncio.sleep(after)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_blocking_acquire_gets_what_its_own_loop_was_cleaning(
    databases: Any, kind: str, endless: str
) -> None:
    db = databases.open(kind, pool_max_size=2)
    for i in range(5):
        await leave_to_be_cleaned(db, endless, 2, after=i * 0.003)
        with db.sync_connection() as conn:
            assert conn.fetch_value("SELECT 1") == 1


async def test_another_thread_gets_what_a_blocked_loop_was_cleaning(
    databases: Any, kind: str, endless: str
) -> None:
    db = databases.open(kind, pool_max_size=2)
    answers: list[Any] = []

    def ask() -> None:
        with db.sync_connection() as conn:
            answers.append(conn.fetch_value("SELECT 1"))

    for i in range(5):
        await leave_to_be_cleaned(db, endless, 2, after=i * 0.003)
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()  # blocks the loop
    assert answers == [1] * 5
