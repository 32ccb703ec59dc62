"""Networks that cut, delay or fall silent: what the caller is told, how soon, and how pools heal.

Bounds are far from the next longer timeout, not close to the contract (the call's own timeout plus
one second): the machine may be busy.
"""

import asyncio
import contextlib
import uuid
from pathlib import Path
from typing import Any

import faults
import millpond
import observer
import pytest
from fault_proxy import TO_CLIENT, TO_SERVER, FaultProxy
from faults import SOON, Within

ENCRYPTED = [pytest.param("disable", id="plain"), pytest.param("require", id="tls")]
CREATE = {
    "postgres": "CREATE TABLE IF NOT EXISTS ledger (id text)",
    "mysql": "CREATE TABLE IF NOT EXISTS ledger (id char(36)) ENGINE = InnoDB",
}
INSERT = "INSERT INTO ledger VALUES (?)"
COUNT = "SELECT count(*) FROM ledger WHERE id = ?"
SLEEP = {"postgres": "SELECT pg_sleep(600)", "mysql": "SELECT sleep(600)"}


async def rows_of(at: Any, mine: str) -> int:
    async with at.direct.async_connection() as conn:
        return int((await conn.execute(COUNT, (mine,)))[0][0])


async def prepare(at: Any) -> None:
    async with at.direct.async_connection() as conn:
        await conn.execute(CREATE[at.kind])
        await conn.execute("DELETE FROM ledger")


async def heals(at: Any, proxy: FaultProxy) -> None:
    """By itself, soon after the network: callers are served, and the counts are right."""
    proxy.heal()
    await observer.until("the pool's recovery", lambda: faults.works(at.db), within=SOON)
    await faults.adds_up(at.db, at.look)


def points(total: int, most: int) -> list[int]:
    """So many byte counts from 0 to all, ends included."""
    step = max(1, total // most)
    return sorted({*range(0, total + 1, step), 1, max(0, total - 1), total})


async def insert_once(conn: Any, mine: str) -> str:
    try:
        await conn.execute(INSERT, (mine,))
    except millpond.UnknownOutcomeError:
        return "unknown"
    except millpond.ConnectionLostError:
        return "lost"
    return "done"


ALLOWED = {"done": (1,), "lost": (0,), "unknown": (0, 1)}


@pytest.mark.parametrize("sslmode", ENCRYPTED)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_write_cut_at_any_byte_is_told_as_it_is(
    site: Any, proxy: FaultProxy, sslmode: str, how: str, long_run: bool
) -> None:
    at = await site(pool_max_size=1, sslmode=sslmode)
    await prepare(at)
    for direction in (TO_SERVER, TO_CLIENT):
        total = await bytes_of_an_insert(at, proxy, direction)
        seen = set()
        for after in points(total, 1000 if long_run else 12):
            mine = str(uuid.uuid4())
            async with at.db.async_connection() as conn:
                await conn.execute(INSERT, (str(uuid.uuid4()),))  # prepares it
                proxy.cut(direction, after, how)
                outcome = await insert_once(conn, mine)
                await conn.close()  # the cut may still be under way
            proxy.heal()
            seen.add(outcome)
            assert await rows_of(at, mine) in ALLOWED[outcome], f"{outcome}, cut after {after}"
            if direction == TO_SERVER and after < total:
                assert outcome != "done"
        assert "unknown" in seen
    await heals(at, proxy)


async def bytes_of_an_insert(at: Any, proxy: FaultProxy, direction: str) -> int:
    async with at.db.async_connection() as conn:
        await conn.execute(INSERT, (str(uuid.uuid4()),))
        proxy.cut(direction, 1 << 40)
        await conn.execute(INSERT, (str(uuid.uuid4()),))
    total = proxy.counts()[direction]
    proxy.heal()
    assert total > 8
    return total


@pytest.mark.parametrize("sslmode", ENCRYPTED)
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
async def test_a_commit_whose_answer_is_lost_is_unknown_and_never_repeated(
    site: Any, proxy: FaultProxy, sslmode: str, how: str, direction: str
) -> None:
    at = await site(pool_max_size=1, sslmode=sslmode)
    await prepare(at)
    for after in (0, 1, 5, 9):
        mine = str(uuid.uuid4())
        async with at.db.async_connection() as conn:
            await conn.begin_transaction()
            await conn.execute(INSERT, (mine,))
            proxy.cut(direction, after, how)
            with pytest.raises(millpond.UnknownOutcomeError) as caught:
                await conn.commit_transaction()
            assert caught.value.retryable is False
            with pytest.raises(millpond.ConnectionLostError):  # nor begun anew in another session
                await conn.execute(INSERT, (mine,))
        proxy.heal()
        if direction == TO_CLIENT:

            async def committed(mine: str = mine) -> bool:
                return await rows_of(at, mine) == 1

            await observer.until("the commit", committed)
        else:
            assert await rows_of(at, mine) == 0
    await heals(at, proxy)


@pytest.mark.parametrize("verb", ["execute", "commit"])
async def test_a_write_that_falls_silent_is_unknown_within_its_timeout(
    site: Any, proxy: FaultProxy, verb: str
) -> None:
    at = await site(pool_max_size=1, query_execution_timeout=0.3)
    await prepare(at)
    mine = str(uuid.uuid4())
    async with at.db.async_connection() as conn:
        await conn.execute(INSERT, (str(uuid.uuid4()),), timeout=SOON)  # prepares it
        if verb == "commit":
            await conn.begin_transaction()
            await conn.execute(INSERT, (mine,), timeout=SOON)
        proxy.cut(TO_CLIENT, 0, "silence")
        with Within(SOON), pytest.raises(millpond.UnknownOutcomeError, match=r"0\.3 s") as caught:
            if verb == "commit":
                await conn.commit_transaction()
            else:
                await conn.execute(INSERT, (mine,))
        assert caught.value.retryable is False
    await heals(at, proxy)
    assert await rows_of(at, mine) == 1


@pytest.mark.parametrize("sslmode", ENCRYPTED)
async def test_a_blackhole_is_a_timeout_and_the_pool_heals(
    site: Any, proxy: FaultProxy, sslmode: str
) -> None:
    at = await site(pool_max_size=2, sslmode=sslmode)
    async with at.db.async_connection() as conn:
        await conn.execute("SELECT 1")
        proxy.blackhole()
        with Within(SOON), pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT 1", timeout=0.3)
        with Within(SOON), pytest.raises(TimeoutError):
            await at.db.get_async_connection(timeout=0.3)
        with Within(SOON), pytest.raises(TimeoutError):
            await asyncio.wait_for(at.db.get_async_connection(), 0.3)
    await heals(at, proxy)


async def test_what_is_cancelled_in_a_blackhole_frees_its_task_at_once(
    site: Any, proxy: FaultProxy
) -> None:
    at = await site(pool_max_size=1)
    async with at.db.async_connection() as conn:
        await conn.execute("SELECT 1")
        proxy.blackhole()
        task = asyncio.create_task(conn.execute("SELECT 2"))
        await asyncio.sleep(0)
        task.cancel()
        with Within(SOON), pytest.raises(asyncio.CancelledError):
            await task
    await heals(at, proxy)


@pytest.mark.parametrize("fault", ["silence", "half"])
async def test_a_half_open_connection_is_found_out_by_the_timeout(
    site: Any, proxy: FaultProxy, fault: str
) -> None:
    at = await site(pool_max_size=1)
    async with at.db.async_connection() as conn:
        first = conn.id
    proxy.cut(TO_SERVER, 0, fault)  # while it lies idle
    async with at.db.async_connection() as conn:
        with Within(SOON), pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT 1", timeout=0.3)
    proxy.heal()
    async with at.db.async_connection() as conn:
        assert conn.id != first
        assert (await conn.execute("SELECT 1")) == [(1,)]
    await heals(at, proxy)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_read_that_is_cut_is_a_lost_connection(
    site: Any, proxy: FaultProxy, how: str
) -> None:
    at = await site(pool_max_size=1)
    async with at.db.async_connection() as conn:
        await conn.execute("SELECT 1")
        reading = asyncio.ensure_future(conn.execute(SLEEP[at.kind]))

        async def running() -> bool:
            return await at.look.busy() == 1

        await observer.until("the statement's start", running)
        if how == "reset":
            proxy.reset()
        else:
            proxy.cut(TO_SERVER, 0, how)
            cancelled = asyncio.ensure_future(conn.execute("SELECT 2"))
            await asyncio.sleep(0)
            cancelled.cancel()
            proxy.reset()
        with Within(SOON), pytest.raises(millpond.ConnectionLostError):
            await reading
        with pytest.raises(millpond.ConnectionLostError, match="acquire another"):
            await conn.execute("SELECT 1")
    proxy.heal()
    async with at.db.async_connection() as conn:
        assert (await conn.execute("SELECT 1")) == [(1,)]


async def test_big_answers_are_cut_anywhere(site: Any, proxy: FaultProxy, long_run: bool) -> None:
    at = await site(pool_max_size=1)
    big = "SELECT repeat('x', 3000000)"
    for after in points(3_000_000, 200 if long_run else 8)[:-1]:
        async with at.db.async_connection() as conn:
            await conn.execute("SELECT 1")
            proxy.cut(TO_CLIENT, after)
            with pytest.raises(millpond.ConnectionLostError):
                await conn.execute(big)
        proxy.heal()
    await heals(at, proxy)


async def test_a_delay_costs_time_and_nothing_else(site: Any, proxy: FaultProxy) -> None:
    at = await site(pool_max_size=2)
    proxy.delay(0.02)
    tokens = [str(uuid.uuid4()) for _ in range(20)]
    sql = "SELECT CAST(? AS char(36))"

    async def ask(token: str) -> bool:
        async with at.db.async_connection() as conn:
            return bool((await conn.execute(sql, (token,))) == [(token,)])

    assert all(await asyncio.gather(*(ask(token) for token in tokens)))
    proxy.delay(2)
    async with at.db.async_connection() as conn:
        with Within(SOON), pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT 1", timeout=0.2)
    await heals(at, proxy)


# ---- Connecting --------------------------------------------------------------------------


@pytest.mark.parametrize("sslmode", ENCRYPTED)
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
async def test_a_connect_that_is_cut_at_any_byte_fails_clearly_and_leaks_nothing(
    site: Any, proxy: FaultProxy, sslmode: str, how: str, direction: str, long_run: bool
) -> None:
    at = await site(pool_max_size=1, sslmode=sslmode)
    async with at.db.async_connection() as conn:  # MySQL 8 asks for more the first time
        await conn.close()
    proxy.cut(direction, 1 << 40)
    async with at.db.async_connection() as conn:
        total = proxy.counts()[direction]
        await conn.close()
    for after in points(total - 8, 1000 if long_run else 8):
        proxy.cut(direction, after, how)
        db = at.another(f"cut after {after}")  # else it is told of the try before
        with (
            Within(SOON),
            pytest.raises((millpond.ConnectFailedError, millpond.ConnectionLostError)),
        ):
            async with db.async_connection() as conn:
                await conn.execute("SELECT 1")
        await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=5)
    await heals(at, proxy)


@pytest.mark.parametrize("after", [0, 1, 30, 60])
async def test_a_connect_that_falls_silent_ends_with_its_timeout(
    site: Any, proxy: FaultProxy, after: int
) -> None:
    at = await site(pool_max_size=1, connection_creation_timeout=0.3)
    proxy.cut(TO_CLIENT, after, "silence")
    with Within(SOON), pytest.raises(millpond.ConnectFailedError, match=r"0\.3 s"):
        await at.db.get_async_connection()
    await heals(at, proxy)


async def test_a_network_that_was_silent_for_long_is_forgotten_when_it_is_back(
    site: Any, proxy: FaultProxy
) -> None:
    """More attempts than there are helper threads, all stuck."""
    at = await site(pool_max_size=4, connection_creation_timeout=0.5)
    held: list[Any] = []

    async def all_held() -> bool:
        with contextlib.suppress(millpond.ConnectFailedError):  # a busy machine needs longer
            held.append(await at.db.get_async_connection())
        return len(held) == 4

    await observer.until("four connections", all_held)
    proxy.blackhole()
    for conn in held:
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute(SLEEP[at.kind], timeout=0.1)
        await at.db.release_async_connection(conn)

    async def attempt() -> None:
        with pytest.raises(millpond.OperationalError):
            await at.db.get_async_connection(timeout=3)

    for _ in range(5):
        with Within(SOON):
            await asyncio.gather(*(attempt() for _ in range(20)))
    await heals(at, proxy)


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def sockets_to(port: int) -> int:
    """This process's sockets with that port at the other end."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/self/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[2].split(":")[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    count = 0
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(file.readlink()) in inodes
    return count


async def nothing_is_left(threads_before: int, port: int) -> None:
    async def problem() -> str:
        more, sockets = threads() - threads_before, sockets_to(port)
        return f"{more} threads and {sockets} sockets are left" if more > 0 or sockets else ""

    await observer.until_empty(problem, within=SOON)


async def test_statements_that_time_out_in_a_blackhole_leave_no_threads_and_no_sockets(
    site: Any, proxy: FaultProxy
) -> None:
    at = await site(pool_max_size=20)
    held = [await at.db.get_async_connection() for _ in range(20)]
    before = threads()
    assert sockets_to(proxy.port) >= 20
    proxy.blackhole()

    async def time_out(conn: Any) -> None:
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute(SLEEP[at.kind], timeout=0.1)

    with Within(SOON):
        await asyncio.gather(*(time_out(conn) for conn in held))
        await millpond.PoolManager.close_pool(config_hash=at.db.hash(), timeout=0.1)
    await nothing_is_left(before, proxy.port)


async def test_connects_that_time_out_in_a_blackhole_leave_no_threads_and_no_sockets(
    site: Any, proxy: FaultProxy
) -> None:
    at = await site(pool_max_size=20, connection_creation_timeout=0.3)
    before = threads()
    proxy.blackhole()

    async def time_out() -> None:
        with pytest.raises(millpond.OperationalError):
            await at.db.get_async_connection(timeout=1)

    with Within(SOON):
        await asyncio.gather(*(time_out() for _ in range(20)))
        await millpond.PoolManager.close_pool(config_hash=at.db.hash(), timeout=0.1)
    await nothing_is_left(before, proxy.port)


async def test_a_port_that_refuses_fails_at_once_and_is_used_again_when_it_is_back(
    site: Any, proxy: FaultProxy
) -> None:
    at = await site(pool_max_size=3)
    proxy.refuse()
    for _ in range(3):
        with Within(SOON), pytest.raises(millpond.ConnectFailedError):
            await at.db.get_async_connection()
    await heals(at, proxy)


# ---- Cancelled transactions --------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
async def test_a_task_that_is_cancelled_idle_in_a_transaction_waits_for_no_silent_server(
    site: Any, proxy: FaultProxy, nested: bool
) -> None:
    at = await site(pool_max_size=1)  # a statement may take 120 s
    await prepare(at)
    mine = str(uuid.uuid4())
    idle = asyncio.Event()

    async def work() -> int:
        async with at.db.async_connection() as conn:
            try:
                async with conn.transaction():
                    async with conn.transaction() if nested else contextlib.nullcontext():
                        await conn.execute(INSERT, (mine,))
                        idle.set()
                        await asyncio.Event().wait()
            finally:
                ends.append(at.db.get_pool_status()["in_use"])
        return 0

    ends: list[int] = []
    task = asyncio.create_task(work())
    await idle.wait()
    proxy.blackhole()
    task.cancel()
    with Within(SOON), pytest.raises(asyncio.CancelledError):
        await task
    assert ends == [1]  # it did not wait until the connection was closed

    async def closed() -> bool:
        return bool(at.db.get_pool_status()["size"] == 0)

    await observer.until("the connection's end", closed, within=SOON)
    await heals(at, proxy)
    assert await rows_of(at, mine) == 0


async def test_a_task_that_is_cancelled_idle_in_a_transaction_leaves_its_connection_usable(
    site: Any,
) -> None:
    at = await site(pool_max_size=1)
    await prepare(at)
    mine, kept = str(uuid.uuid4()), str(uuid.uuid4())
    async with at.db.async_connection() as conn:
        number = conn.id
        async with conn.transaction():
            await conn.execute(INSERT, (kept,))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01), conn.transaction():
                    await conn.execute(INSERT, (mine,), timeout=SOON)
                    await asyncio.Event().wait()
            assert await conn.fetch_value(COUNT, (mine,)) == 0
            assert await conn.fetch_value(COUNT, (kept,)) == 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01), conn.transaction():
                await conn.execute(INSERT, (mine,))
                await asyncio.Event().wait()
        assert await conn.in_transaction() is False
        assert conn.id == number
    assert await rows_of(at, mine) == 0
    assert await rows_of(at, kept) == 1
