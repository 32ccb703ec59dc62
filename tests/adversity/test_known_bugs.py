"""The bugs that other libraries are known for, each tried here.

After each, the counts add up in the pool and on the server, a cancelled task was cancelled, and no
lock is left.
"""

import asyncio
import contextlib
import random
import time
import uuid
from typing import Any

import daemons
import faults
import millpond
import observer
import pytest
from fault_proxy import FaultProxy
from faults import SOON, Within

SLEEP = {"postgres": "SELECT pg_sleep(600)", "mysql": "SELECT sleep(600)"}
TOKEN = {
    "postgres": "SELECT ?::text FROM generate_series(1, 20000)",
    "mysql": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
    "SELECT CAST(? AS char(36)) FROM n, (SELECT 1 UNION ALL SELECT 2) AS two",
}
ENCRYPTED = [pytest.param("disable", id="plain"), pytest.param("require", id="tls")]


@pytest.fixture
async def at(site: Any, own: daemons.Daemon) -> Any:
    """A site without the proxy on its way: these tests need no faults, but soon an answer."""
    return await site(pool_max_size=2, port=own.address["port"])


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def outcome_of(task: asyncio.Task[Any]) -> str:
    try:
        await task
    except asyncio.CancelledError:
        assert task.cancelled()
        return "cancelled"
    return "done"


# ---- A connection lost, or a cancel swallowed, in the instant of the hand-over -------------------


@pytest.mark.parametrize("way", ["acquire", "context"])
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("between", range(4))
async def test_psycopg_509_1275_1345_a_waiter_cancelled_at_the_hand_over(
    at: faults.Site, way: str, before: int, between: int
) -> None:
    db = at.another(f"hand-over {way}", pool_max_size=1)

    async def take() -> None:
        if way == "context":
            async with db.async_connection() as conn:
                await conn.execute("SELECT 1")
        else:
            await db.release_async_connection(await db.get_async_connection())

    for cancel_first in (False, True):
        held = await db.get_async_connection()
        waiter = asyncio.create_task(take())
        next_one = asyncio.create_task(take())
        await turns(before)
        if cancel_first:
            accepted = waiter.cancel()
            await turns(between)
            await db.release_async_connection(held)
        else:
            await db.release_async_connection(held)
            await turns(between)
            accepted = waiter.cancel()
        assert await outcome_of(waiter) == ("cancelled" if accepted else "done")
        with Within(SOON):
            await next_one
    await faults.adds_up(db)
    assert db.get_pool_status()["size"] == 1


# ---- Waiting that cannot be bounded --------------------------------------------------------------


@pytest.mark.parametrize("sslmode", ENCRYPTED)
async def test_psycopg_1401_an_acquire_is_bounded_while_connections_are_checked(
    site: Any, proxy: FaultProxy, sslmode: str
) -> None:
    at = await site(pool_max_size=3, pool_validate_after=0.001, sslmode=sslmode)
    held = [await at.db.get_async_connection() for _ in range(3)]
    for conn in held:
        await at.db.release_async_connection(conn)
    await asyncio.sleep(0.05)  # idle for long enough to be checked
    proxy.blackhole()
    for _ in range(3):
        with Within(SOON), pytest.raises(TimeoutError):
            await asyncio.wait_for(at.db.get_async_connection(), 0.2)
        task = asyncio.create_task(at.db.get_async_connection())
        await turns(3)
        assert task.cancel()
        with Within(SOON):
            assert await outcome_of(task) == "cancelled"
    proxy.heal()
    await observer.until("the pool's recovery", lambda: faults.works(at.db))
    await faults.adds_up(at.db, at.look)


# ---- Connections leaked by whoever did not wait for them -----------------------------------------


@pytest.mark.parametrize("sslmode", ENCRYPTED)
async def test_asyncpg_464_467_a_connect_that_is_not_waited_for_leaks_nothing(
    site: Any, proxy: FaultProxy, sslmode: str, rng: random.Random
) -> None:
    at = await site(pool_max_size=5, sslmode=sslmode)
    proxy.delay(0.01)  # so that connecting takes a while

    async def give_up_early() -> None:
        patience = rng.uniform(0, 0.1)
        if rng.random() < 0.5:
            with contextlib.suppress(TimeoutError):
                conn = await at.db.get_async_connection(timeout=patience)
                await conn.close()
        else:
            task = asyncio.create_task(at.db.get_async_connection())
            await asyncio.sleep(patience)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).close()

    for _ in range(10):
        await asyncio.gather(*(give_up_early() for _ in range(10)))
    proxy.delay(0)
    await faults.adds_up(at.db, at.look)

    async def agreed() -> bool:
        return proxy.counts()["open"] == at.db.get_pool_status()["size"]

    await observer.until("as many sockets as the pool says", agreed)


# ---- Sockets and locks left behind by a task group that was cancelled ----------------------------


@pytest.mark.parametrize("sslmode", ENCRYPTED)
async def test_sqlalchemy_6652_12077_12099_a_cancelled_group_leaves_no_session_and_no_lock(
    site: Any, sslmode: str
) -> None:
    at = await site(pool_max_size=10, sslmode=sslmode)
    await at.look.execute("DROP TABLE IF EXISTS locked")
    await at.look.execute("CREATE TABLE locked (id int PRIMARY KEY, n int)")
    for number in range(10):
        await at.look.execute("INSERT INTO locked VALUES (?, 0)", (number,))
    cancelled = 0

    async def hold(number: int) -> None:
        nonlocal cancelled
        try:
            async with at.db.async_connection() as conn:
                await conn.begin_transaction()
                await conn.execute("UPDATE locked SET n = 1 WHERE id = ?", (number,))
                await conn.execute(SLEEP[at.kind])
        except asyncio.CancelledError:
            cancelled += 1
            raise

    async def ten() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(hold(number))

    everyone = asyncio.create_task(ten())

    async def all_busy() -> bool:
        return await at.look.busy() == 10

    await observer.until("the locks", all_busy)
    everyone.cancel()
    with Within(SOON):
        assert await outcome_of(everyone) == "cancelled"
    assert cancelled == 10
    with Within(SOON):  # nobody holds what they locked
        await at.look.execute("UPDATE locked SET n = n + 10")
    assert (await at.look.execute("SELECT DISTINCT n FROM locked")) == [(10,)]
    await faults.adds_up(at.db, at.look)
    if at.kind == "postgres":  # ten sleep()s of MySQL's may be stopped too slowly to be kept
        assert at.db.get_pool_status()["size"] == 10


# ---- The next borrower's answers -----------------------------------------------------------------


@pytest.mark.parametrize("sslmode", ENCRYPTED)
async def test_asyncmy_103_aiomysql_88_nobody_reads_the_rows_of_a_cancelled_query(
    at: faults.Site, sslmode: str, rng: random.Random
) -> None:
    db = at.another("rows", pool_max_size=1, sslmode=sslmode)
    sql = TOKEN[at.kind]
    finished = 0
    for _ in range(100):
        mine = str(uuid.uuid4())

        async def ask(mine: str = mine) -> set[tuple[str]]:
            async with db.async_connection() as conn:
                return set(await conn.execute(sql, (mine,)))

        task = asyncio.create_task(ask())
        await asyncio.sleep(rng.choice([0, 0, 0.001, 0.003, 0.01]))
        accepted = task.cancel()
        if accepted:
            assert await outcome_of(task) == "cancelled"
        else:
            assert await task == {(mine,)}
            finished += 1
        theirs = str(uuid.uuid4())
        async with db.async_connection() as conn:
            assert set(await conn.execute(sql, (theirs,))) == {(theirs,)}
    assert finished < 100
    await faults.adds_up(db)


async def test_aiomysql_371_a_result_can_be_read_after_its_connection_was_given_back(
    at: faults.Site,
) -> None:
    db = at.another("results", pool_max_size=1)
    results = {}
    for _ in range(5):
        mine = str(uuid.uuid4())
        async with db.async_connection() as conn:
            results[mine] = await conn.execute(TOKEN[at.kind], (mine,))
            stream = conn.stream(TOKEN[at.kind], (mine,), batch=10)
            assert await stream.__anext__() == (mine,)
        with pytest.raises(millpond.StaleConnectionError):  # what was not read is not to be had
            async for row in stream:
                assert row == (mine,)
    for mine, rows in results.items():
        assert set(rows) == {(mine,)}
    await faults.adds_up(db)


# ---- A pool that stalls under a storm of cancels -------------------------------------------------


async def test_stale_waiters_do_not_pile_up_in_a_storm_of_cancels(
    at: faults.Site, rng: random.Random
) -> None:
    db = at.another("waiters", pool_max_size=2)
    held = [await db.get_async_connection() for _ in range(2)]
    for _ in range(5):
        waiters = [asyncio.create_task(db.get_async_connection()) for _ in range(1000)]
        await turns(2)
        assert db.get_pool_status()["waiting"] == 1000
        rng.shuffle(waiters)
        for waiter in waiters:
            assert waiter.cancel()
        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert db.get_pool_status()["waiting"] == 0
    for conn in held:
        await db.release_async_connection(conn)
    began = time.monotonic()
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT 7")) == [(7,)]
    assert time.monotonic() - began < SOON
    await faults.adds_up(db)


# ---- "Another operation is in progress" ----------------------------------------------------------


@pytest.mark.parametrize("sslmode", ENCRYPTED)
@pytest.mark.parametrize("how", ["timeout", "wait_for", "cancel"])
@pytest.mark.parametrize("in_transaction", [False, True])
async def test_asyncpg_537_a_connection_is_usable_right_after_a_timeout(
    at: faults.Site, sslmode: str, how: str, in_transaction: bool
) -> None:
    db = at.another("right after", sslmode=sslmode)

    async def stop(conn: Any) -> None:
        if how == "timeout":
            await conn.execute(SLEEP[at.kind], timeout=0.05)
        elif how == "wait_for":
            await asyncio.wait_for(conn.execute(SLEEP[at.kind]), 0.05)
        else:
            task = asyncio.create_task(conn.execute(SLEEP[at.kind]))
            await asyncio.sleep(0.05)
            assert task.cancel()
            assert await outcome_of(task) == "cancelled"
            raise TimeoutError

    async with db.async_connection() as conn:
        for _ in range(5):
            if in_transaction:
                await conn.begin_transaction()
                await conn.execute("SELECT 1")
            with pytest.raises(TimeoutError):
                await stop(conn)
            if in_transaction:
                await conn.rollback_transaction()
            assert (await conn.execute("SELECT 7")) == [(7,)]
    await faults.adds_up(db, at.look)


# ---- Given back twice ----------------------------------------------------------------------------


async def test_a_connection_given_back_twice_is_refused_and_lent_to_one_only(
    at: faults.Site,
) -> None:
    db = at.another("twice", pool_max_size=1)
    conn = await db.get_async_connection()
    await db.release_async_connection(conn)
    with pytest.raises(millpond.StaleConnectionError):
        await db.release_async_connection(conn)
    async with db.async_connection() as other:
        with pytest.raises(millpond.StaleConnectionError):
            await conn.execute("SELECT 1")
        with pytest.raises(millpond.StaleConnectionError):
            await db.release_async_connection(conn)
        assert (await other.execute("SELECT 7")) == [(7,)]
    await faults.adds_up(db)
