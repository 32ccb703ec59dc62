"""Storms: thousands of tasks that time out, are cancelled, raise and forget. Everything adds up.

tests/run --long makes them longer. MILLPOND_SEED repeats one, as far as the kernel lets it.
"""

import asyncio
import contextlib
import gc
import random
import threading
import time
import uuid
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import faults
import millpond
import observer
import pytest
from conftest import CASTS, ENDLESS
from fault_proxy import TO_CLIENT, TO_SERVER, FaultProxy

SIZE = 20
SYNC = 5  # for threads, beside these
ALL = SIZE + SYNC
SOURCES = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
    "SELECT i, CAST(? AS text) FROM n",
    "postgres": "SELECT i, ?::text FROM generate_series(1, 500) AS n(i)",
    "mysql": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
    "SELECT i, CAST(? AS char(36)) FROM n",
}

# Not MySQL's sleep(), on whose one mutex many KILL QUERYs wait for each other; and no work, which
# leaves no processor to the KILLs: each has to log in first. So a lock that another session holds.
HOLD = "SELECT get_lock('millpond_storm', 0)"
SLOW = {**ENDLESS, "mysql": "SELECT get_lock('millpond_storm', 600)"}
CALM = {  # timeouts of statements are wanted, others are not
    "connection_acquisition_timeout": 600,
    "connection_creation_timeout": 120,
    "circuit_breaker": "off",
}


class MyError(Exception):
    """A program's own."""


class Storm:
    """Tasks that each do one thing of many; every answer must carry the asker's own token."""

    def __init__(self, kind: str, db: Any, rng: random.Random) -> None:
        self.kind = kind
        self.db = db
        self.rng = rng
        self.outcomes: Counter[str] = Counter()
        self.holding = 0  # tasks that have a connection for certain
        self.token_sql = f"SELECT CAST(? AS {CASTS[kind]['text']})"

    def token(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128)))

    async def ask(self, conn: Any) -> None:
        mine = self.token()
        assert (await conn.execute(self.token_sql, (mine,))) == [(mine,)]

    def check_holders(self) -> None:
        """No task acquires or releases meanwhile; threads only add to it."""
        pool = self.db._pool()
        assert 1 <= self.holding <= min(pool.in_use, pool.size)

    # ---- What a task may do --------------------------------------------------------------

    async def query(self) -> None:
        async with self.db.async_connection() as conn:
            self.holding += 1
            try:
                self.check_holders()
                await self.ask(conn)
                self.check_holders()
            finally:
                self.holding -= 1

    async def time_out(self) -> None:
        async with self.db.async_connection() as conn:
            with contextlib.suppress(millpond.QueryTimeoutError):
                await conn.execute(SLOW[self.kind], timeout=self.rng.uniform(0.001, 0.02))
            with contextlib.suppress(millpond.ConnectionLostError):  # it was not stopped in time
                await self.ask(conn)

    async def fail(self) -> None:
        async with self.db.async_connection() as conn:
            with pytest.raises(millpond.Error):
                await conn.execute("SELECT nothing FROM nowhere")
            await self.ask(conn)

    async def raise_mine(self) -> None:
        async with self.db.async_connection() as conn:
            await conn.begin_transaction()
            await self.ask(conn)
            raise MyError

    async def transact(self) -> None:
        async with self.db.async_connection() as conn:
            await conn.begin_transaction()
            await self.ask(conn)
            await (
                conn.commit_transaction if self.rng.random() < 0.5 else conn.rollback_transaction
            )()

    async def forget(self) -> None:
        conn = await self.db.get_async_connection()
        await self.ask(conn)
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            del conn  # never given back

    async def stream_a_little(self) -> None:
        mine = self.token()
        async with self.db.async_connection() as conn:
            async for row in conn.stream(SOURCES[self.kind], (mine,), batch=50):
                assert row[1] == mine
                if row[0] > self.rng.randrange(600):
                    break
            await self.ask(conn)

    async def be_impatient(self) -> None:
        with contextlib.suppress(millpond.AcquireTimeoutError):
            async with self.db.async_connection(timeout=0.001) as conn:
                await self.ask(conn)

    def one(self) -> Any:
        usual = [self.query] * 8
        odd = [self.time_out, self.fail, self.raise_mine, self.transact, self.forget]
        return self.rng.choice([*usual, *odd, self.stream_a_little, self.be_impatient])

    # ---- A task, and what becomes of it --------------------------------------------------

    async def interrupt(self, task: asyncio.Task[None]) -> None:
        """Cancel it at a moment of its own, many while it waits in line."""
        if self.rng.random() < 0.5:
            await asyncio.sleep(self.rng.uniform(0, 0.05))
        else:
            for _ in range(self.rng.randrange(8)):
                await asyncio.sleep(0)
        if task.cancel():
            self.outcomes["cancels"] += 1

    async def run(self, gate: asyncio.Semaphore, cancels: float) -> None:
        async with gate:
            task = asyncio.create_task(self.one()())
            if self.rng.random() < cancels:
                await self.interrupt(task)
            try:
                await task
                self.outcomes["done"] += 1
            except asyncio.CancelledError:
                self.outcomes["cancelled"] += 1
            except MyError:
                self.outcomes["raised"] += 1

    async def rage(self, count: int, width: int, cancels: float = 0.3) -> None:
        gate = asyncio.Semaphore(width)
        await asyncio.gather(*(self.run(gate, cancels) for _ in range(count)))
        assert sum(self.outcomes[end] for end in ("done", "cancelled", "raised")) == count
        # a cancel that was accepted always arrived
        assert self.outcomes["cancels"] == self.outcomes["cancelled"]


class Sampler:
    """Looks at pool and server all the time, the pool from a thread, too: between any two steps of
    those that change it."""

    def __init__(self, db: Any, look: observer.Observer | None) -> None:
        self._db = db
        self._look = look
        self.samples = 0
        self.samples_of_thread = 0

    def check_pool(self) -> None:
        status = self._db.get_pool_status()
        assert status["size"] >= status["in_use"] + status["idle"] + status["opening"], status
        assert 0 <= status["idle"] <= status["size"] <= ALL, status
        assert status["in_use"] - status["sync_in_use"] <= status["max_size"] == SIZE, status
        assert status["sync_in_use"] <= status["sync_max_size"] == SYNC, status
        metrics = status["metrics"]
        assert 0 <= metrics["current_active"] <= metrics["peak_active"] <= ALL, status
        self.check_properties()

    def check_properties(self) -> None:
        """Each is read at an instant of its own."""
        pool = self._db._pool()
        assert 0 <= pool.min_size <= pool.max_size == SIZE
        assert max(pool.size, pool.in_use, pool.idle) <= ALL

    def watch(self, stop: threading.Event, failures: list[BaseException]) -> None:
        try:
            while not stop.wait(0.001):
                self.check_pool()
                self.samples_of_thread += 1
        except BaseException as failure:
            failures.append(failure)

    async def few_sessions(self) -> bool:
        assert self._look
        return await self._look.sessions() <= ALL

    async def run(self) -> None:
        while True:
            self.check_pool()
            if self._look and await self._look.sessions() > ALL:  # some are about to end
                await observer.until("no more sessions than places", self.few_sessions)
            self.samples += 1
            await asyncio.sleep(0.01)


def ask_from_a_thread(storm: Storm, count: int, failures: list[BaseException]) -> None:
    """Blocking callers beside the tasks."""
    try:
        for number in range(count):
            with storm.db.sync_connection() as conn:
                mine = f"{threading.get_ident()} {number}"
                assert conn.execute(storm.token_sql, (mine,)) == [(mine,)]
    except BaseException as failure:
        failures.append(failure)


async def under_watch(storm: Storm, look: observer.Observer | None, work: Any) -> None:
    sampler = Sampler(storm.db, look)
    watching = asyncio.create_task(sampler.run())
    failures: list[BaseException] = []
    stop = threading.Event()
    thread_watching = threading.Thread(target=sampler.watch, args=(stop, failures))
    thread_watching.start()
    threads = [
        threading.Thread(target=ask_from_a_thread, args=(storm, 200, failures)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    try:
        await work
    finally:
        for thread in threads:
            await asyncio.to_thread(thread.join)
        watching.cancel()
        stop.set()
        await asyncio.to_thread(thread_watching.join)
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    assert failures == []
    assert min(sampler.samples, sampler.samples_of_thread) > 3


async def all_answer(storm: Storm) -> None:
    """Every connection of the pool, all at once."""
    held = [await storm.db.get_async_connection() for _ in range(SIZE)]
    assert len({conn.id for conn in held}) == SIZE
    for conn in held:
        await storm.ask(conn)
        assert await conn.in_transaction() is False
        await storm.db.release_async_connection(conn)


@pytest.fixture
async def watched(
    databases: Any, kind: str, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Any, observer.Observer | None]]:
    """A pool of twenty, and an observer of its sessions where there is a server."""
    if kind == "sqlite":
        yield databases.open(kind, pool_max_size=SIZE, sync_max_size=SYNC, **CALM), None
        return
    name = f"s{abs(hash(request.node.nodeid)) % 10**12}"
    direct = databases.open(kind, alias=f"{name} direct")
    settings = await observer.watched_settings(kind, direct, name, "storm")
    if kind == "mysql":  # each cancel logs in: MySQL 8's TLS would be most of the storm
        settings["sslmode"] = "disable"
    db = databases.open(
        kind, pool_max_size=SIZE, sync_max_size=SYNC, alias=name, **settings, **CALM
    )
    async with direct.async_connection() as holder:
        if kind == "mysql":
            assert await holder.execute(HOLD) == [(1,)]
        yield db, observer.Observer(kind, direct, name)


@pytest.mark.filterwarnings("ignore:a connection was not released:ResourceWarning")
async def test_a_storm_of_five_thousand_tasks_leaves_nothing_behind(
    watched: Any, kind: str, rng: random.Random, long_run: bool
) -> None:
    db, look = watched
    storm = Storm(kind, db, rng)
    count = 50_000 if long_run else 5_000
    await under_watch(storm, look, storm.rage(count, width=5_000))
    gc.collect()
    await faults.adds_up(db, look)
    await all_answer(storm)
    await faults.adds_up(db, look)


async def test_no_answer_of_many_reaches_another_caller(
    watched: Any, kind: str, rng: random.Random, long_run: bool
) -> None:
    db, look = watched
    storm = Storm(kind, db, rng)
    storm.one = lambda: storm.query  # type: ignore[method-assign]
    await storm.rage(100_000 if long_run else 5_000, width=60)
    assert storm.outcomes["cancelled"] > 50
    await faults.adds_up(db, look)


# ---- Ledger and bank, on networks that break -----------------------------------------------

LEDGER = {
    "postgres": "CREATE TABLE IF NOT EXISTS storm_ledger (id text)",
    "mysql": "CREATE TABLE IF NOT EXISTS storm_ledger (id char(36)) ENGINE = InnoDB",
}


class Cuts:
    """How often the network was cut."""

    count = 0


async def break_things(
    at: Any, proxy: FaultProxy, rng: random.Random, stop: asyncio.Event, cuts: Cuts
) -> None:
    """Cut at random bytes until told to stop. Now and then someone is served first: on a busy
    machine a connection would never be made between two cuts."""
    while not stop.is_set():
        direction = rng.choice([TO_SERVER, TO_CLIENT])
        proxy.cut(direction, rng.randrange(400), rng.choice(["close", "reset"]))
        await asyncio.sleep(rng.uniform(0.005, 0.03))
        proxy.heal()
        await asyncio.sleep(rng.uniform(0.005, 0.05))
        if rng.random() < 0.3:
            await observer.until("an answer between two cuts", lambda: faults.works(at.db))
        cuts.count += 1


FULL = 120.0  # seconds that a long run goes on for: how much that is, is the machine's


def enough(long_run: bool, least: int, most: int, cuts: Cuts) -> Callable[[int], bool]:
    """Whether so many are enough: `least`, or in a long run, as long as there is time, `most`;
    and some cuts, which a quick machine would outrun."""
    end = time.monotonic() + FULL

    def is_enough(done: int) -> bool:
        wanted = most if long_run and time.monotonic() < end else least
        return done >= wanted and cuts.count > 2

    return is_enough


STUCK = 500.0  # seconds, far beyond what any of these takes: jobs try until they succeed


async def through_cuts(
    at: Any, proxy: FaultProxy, rng: random.Random, jobs: list[Any], cuts: Cuts
) -> None:
    stop = asyncio.Event()
    breaking = asyncio.create_task(break_things(at, proxy, rng, stop, cuts))
    try:
        async with asyncio.timeout(STUCK):
            await asyncio.gather(*jobs)
    finally:
        stop.set()
        await breaking
        proxy.heal()
    await observer.until("the pool's recovery", lambda: faults.works(at.db))
    await faults.adds_up(at.db, at.look)


@pytest.mark.parametrize("sslmode", ["disable", "require"])
async def test_a_ledger_shows_each_write_as_it_was_told(
    site: Any, proxy: FaultProxy, sslmode: str, rng: random.Random, long_run: bool
) -> None:
    at = await site(pool_max_size=5, sslmode=sslmode)
    await at.look.execute(LEDGER[at.kind])
    await at.look.execute("DELETE FROM storm_ledger")
    told: dict[str, str] = {}
    cuts = Cuts()
    is_enough = enough(long_run, 40, 1000, cuts)

    async def write(mine: str) -> None:
        async with at.db.async_connection(timeout=5) as conn:
            begins = rng.random() < 0.5
            if begins:
                await conn.begin_transaction()
            await conn.execute("INSERT INTO storm_ledger VALUES (?)", (mine,), timeout=5)
            if begins:  # not if in_transaction(): a connection that was lost since is in none
                await conn.commit_transaction()

    async def work() -> None:
        done = 0
        while not is_enough(done):
            mine = str(uuid.uuid4())
            try:
                await write(mine)
                told[mine] = "done"
                done += 1
            except millpond.UnknownOutcomeError:
                told[mine] = "unknown"
            except millpond.AuthenticationError:  # no network does that
                raise
            except millpond.OperationalError:
                told[mine] = "failed"
                await asyncio.sleep(0.01)

    await through_cuts(at, proxy, rng, [work() for _ in range(8)], cuts)
    kept = Counter(row[0] for row in await at.look.execute("SELECT id FROM storm_ledger"))
    assert set(kept) <= set(told)
    for mine, outcome in told.items():
        assert kept[mine] in {"done": (1,), "failed": (0,), "unknown": (0, 1)}[outcome], outcome


async def test_money_moved_on_a_breaking_network_is_neither_made_nor_lost(
    site: Any, proxy: FaultProxy, rng: random.Random, long_run: bool
) -> None:
    at = await site(pool_max_size=5)
    await at.look.execute("DROP TABLE IF EXISTS bank")
    await at.look.execute("CREATE TABLE bank (id int PRIMARY KEY, sum int NOT NULL)")
    for account in range(10):
        await at.look.execute("INSERT INTO bank VALUES (?, 1000)", (account,))
    cuts = Cuts()
    is_enough = enough(long_run, 100, 1000, cuts)
    move = "UPDATE bank SET sum = sum + ? WHERE id = ?"

    async def transfer() -> None:
        amount = rng.randrange(100)
        async with at.db.async_connection(timeout=5) as conn:
            await conn.begin_transaction()
            for account, change in zip(rng.sample(range(10), 2), (amount, -amount), strict=True):
                await conn.execute(move, (change, account), timeout=5)
            await conn.commit_transaction()

    async def work() -> None:
        done = 0
        while not is_enough(done):
            task = asyncio.create_task(transfer())
            if rng.random() < 0.2:
                await asyncio.sleep(rng.uniform(0, 0.01))
                task.cancel()
            try:
                await task
                done += 1
            except asyncio.CancelledError:
                pass
            except millpond.OperationalError:  # at once, while the pool knows of an outage
                await asyncio.sleep(0.01)

    await through_cuts(at, proxy, rng, [work() for _ in range(8)], cuts)
    assert int((await at.look.execute("SELECT sum(sum) FROM bank"))[0][0]) == 10_000
