"""Random interleavings against a model, and work repeated, leave nothing behind."""

import asyncio
import contextlib
import gc
import os
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import hypothesis.strategies as st
import millpond
import pytest
from conftest import when
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from millpond import PoolManager

pytestmark = pytest.mark.once

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
WAITER = 3
THREAD = st.integers(0, WAITER - 1)


class PoolMachine(RuleBasedStateMachine):
    """Whatever is done in whatever order: the pool knows what the model knows."""

    most = 4

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.db = millpond.connect(
            "sqlite:///:memory:",
            pool_max_size=self.most,
            sync_max_size=self.most,
            alias=f"machine {id(self)}",
        )
        self.held: dict[int, Any] = {}
        self.stale: list[Any] = []
        self.open: set[int] = set()
        self.next = 0

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def pick(self, choice: int) -> int:
        return sorted(self.held)[choice % len(self.held)]

    def lent(self) -> int:
        return len(self.held)

    def waiting(self) -> int:
        return 0

    def given_back(self) -> None:
        """A connection became free."""

    @precondition(lambda self: len(self.held) < self.most)
    @rule()
    def acquire(self) -> None:
        self.held[self.next] = self.run(self.db.get_async_connection())
        self.next += 1

    @precondition(lambda self: len(self.held) == self.most)
    @rule()
    def acquire_times_out(self) -> None:
        with pytest.raises(millpond.AcquireTimeoutError):
            self.run(self.db.get_async_connection(timeout=0.001))

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10), number=st.integers(-(2**63), 2**63 - 1))
    def execute(self, choice: int, number: int) -> None:
        async def ask() -> Any:
            return await self.held[self.pick(choice)].execute("SELECT ?", (number,))

        assert self.run(ask()) == [(number,)]

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10), first=st.booleans())
    def cancel(self, choice: int, first: bool) -> None:
        async def stop() -> None:
            task = asyncio.ensure_future(self.held[self.pick(choice)].execute(ENDLESS))
            if not first:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        self.run(stop())

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10))
    def time_out(self, choice: int) -> None:
        async def wait() -> None:
            with pytest.raises(millpond.QueryTimeoutError):
                await self.held[self.pick(choice)].execute(ENDLESS, timeout=0.002)

        self.run(wait())

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10))
    def fail(self, choice: int) -> None:
        async def wrong() -> None:
            with pytest.raises(millpond.SqlSyntaxError):
                await self.held[self.pick(choice)].execute("SELEC")

        self.run(wrong())

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10))
    def release(self, choice: int) -> None:
        conn = self.held.pop(self.pick(choice))
        self.run(self.db.release_async_connection(conn))
        self.stale.append(conn)
        self.given_back()

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10))
    def forget(self, choice: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del self.held[self.pick(choice)]
            gc.collect()
        self.given_back()

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10))
    def close(self, choice: int) -> None:
        conn = self.held.pop(self.pick(choice))
        self.run(conn.close())
        self.run(self.db.release_async_connection(conn))
        self.given_back()

    @precondition(lambda self: self.stale)
    @rule(choice=st.integers(0, 10))
    def use_stale(self, choice: int) -> None:
        async def use() -> None:
            with pytest.raises(millpond.StaleConnectionError):
                await self.stale[choice % len(self.stale)].execute("SELECT 1")

        self.run(use())

    @rule()
    def close_the_pool(self) -> None:
        self.run(PoolManager.close_pool(self.db.hash(), timeout=0.001))
        self.stale.extend(self.held.values())
        self.held.clear()

    @invariant()
    def the_pool_knows_what_the_model_knows(self) -> None:
        now = (self.lent(), self.waiting())
        status = self.run(
            when(self.db, f"{now} in use, waiting", lambda it: (it["in_use"], it["waiting"]) == now)
        )
        assert status["in_use"] + status["idle"] <= status["size"] <= 2 * self.most
        counts = status["metrics"]
        assert counts["total_acquired"] - counts["total_released"] == self.lent()

    def teardown(self) -> None:
        self.run(PoolManager.close_pool(self.db.hash(), timeout=0.001))
        self.held.clear()
        self.runner.close()


class ThreadsMachine(PoolMachine):
    """The same beside threads with blocking calls: one step at a time but for what waits or runs
    in a thread, which a later step of another thread or of the event loop ends."""

    most = 2  # so that there are waits

    def __init__(self) -> None:
        super().__init__()
        self.threads = [ThreadPoolExecutor(1) for _ in range(WAITER + 1)]
        self.owners: Any = weakref.WeakKeyDictionary()  # connection -> thread
        self.sync: dict[int, Any] = {}
        self.stale_sync: list[Any] = []
        self.awaited: Future[Any] | None = None

    def lent(self) -> int:
        return len(self.held) + len(self.sync)

    def waiting(self) -> int:
        return int(self.awaited is not None)

    def given_back_by_thread(self) -> None:
        if self.awaited:
            self.sync[self.next] = self.awaited.result(60)
            self.owners[self.sync[self.next]] = WAITER
            self.next += 1
            self.awaited = None

    def begin(self, thread: int, function: Callable[..., Any], *args: Any) -> Future[Any]:
        return self.threads[thread].submit(function, *args)

    def begin_by_owner(self, conn: Any, function: Callable[..., Any], *args: Any) -> Future[Any]:
        return self.begin(self.owners[conn], function, *args)

    def pick_sync(self, choice: int) -> int:
        return self.usable()[choice % len(self.usable())]

    def usable(self) -> list[int]:
        """Those whose thread does not wait."""
        busy = WAITER if self.awaited else None
        return sorted(key for key, conn in self.sync.items() if self.owners[conn] != busy)

    @precondition(lambda self: len(self.sync) < self.most)
    @rule(thread=THREAD)
    def acquire_in_a_thread(self, thread: int) -> None:
        self.sync[self.next] = self.begin(thread, self.db._acquire_sync, None).result(60)
        self.owners[self.sync[self.next]] = thread
        self.next += 1

    @precondition(lambda self: len(self.sync) == self.most)
    @rule(thread=THREAD)
    def acquire_in_a_thread_times_out(self, thread: int) -> None:
        with pytest.raises(millpond.AcquireTimeoutError):
            self.begin(thread, self.db._acquire_sync, 0.001).result(60)

    @precondition(lambda self: len(self.sync) == self.most and not self.awaited)
    @rule()
    def wait_in_a_thread(self) -> None:
        self.awaited = self.begin(WAITER, self.db._acquire_sync, 600)

    @precondition(lambda self: self.usable())
    @rule(choice=st.integers(0, 10), number=st.integers(-(2**63), 2**63 - 1))
    def execute_in_a_thread(self, choice: int, number: int) -> None:
        conn = self.sync[self.pick_sync(choice)]
        assert self.begin_by_owner(conn, conn.execute, "SELECT ?", (number,)).result(60) == [
            (number,)
        ]

    @precondition(lambda self: self.usable())
    @rule(choice=st.integers(0, 10))
    def time_out_in_a_thread(self, choice: int) -> None:
        conn = self.sync[self.pick_sync(choice)]
        with pytest.raises(millpond.QueryTimeoutError):
            self.begin_by_owner(conn, lambda: conn.execute(ENDLESS, timeout=0.002)).result(60)

    @precondition(lambda self: self.usable() and self.held)
    @rule(choice=st.integers(0, 10))
    def cancel_beside_a_thread(self, choice: int) -> None:
        """Both statements run, or end, at the same time."""
        conn = self.sync[self.pick_sync(choice)]
        running = self.begin_by_owner(conn, lambda: conn.execute(ENDLESS, timeout=0.01))
        self.cancel(choice, False)
        with pytest.raises(millpond.QueryTimeoutError):
            running.result(60)

    @precondition(lambda self: self.usable())
    @rule(choice=st.integers(0, 10))
    def release_in_a_thread(self, choice: int) -> None:
        conn = self.sync.pop(self.pick_sync(choice))
        self.begin_by_owner(conn, conn._release).result(60)
        self.stale_sync.append(conn)
        self.given_back_by_thread()

    @precondition(lambda self: self.usable())
    @rule(thread=THREAD, choice=st.integers(0, 10))
    def forget_in_a_thread(self, thread: int, choice: int) -> None:
        def drop() -> None:
            del self.sync[self.pick_sync(choice)]
            gc.collect()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            self.begin(thread, drop).result(60)
        self.given_back_by_thread()

    @precondition(lambda self: self.stale_sync)
    @rule(thread=THREAD, choice=st.integers(0, 10))
    def use_stale_in_a_thread(self, thread: int, choice: int) -> None:
        conn = self.stale_sync[choice % len(self.stale_sync)]
        mine = self.owners[conn] == thread
        with pytest.raises(millpond.StaleConnectionError if mine else millpond.MisuseError):
            self.begin(thread, conn.execute, "SELECT 1").result(60)

    @rule(choice=st.integers(0, 10))
    def close_the_pool(self, choice: int = 0) -> None:
        """Whoever waits or runs in a thread is told."""
        ended = [self.awaited] if self.awaited else []
        if self.usable():
            conn = self.sync[self.pick_sync(choice)]
            ended.append(self.begin_by_owner(conn, conn.execute, ENDLESS))
        self.run(PoolManager.close_pool(self.db.hash(), timeout=0.001))
        for future in ended:
            assert isinstance(future.exception(60), millpond.Error)
        self.awaited = None
        self.stale.extend(self.held.values())
        self.stale_sync.extend(self.sync.values())
        self.held.clear()
        self.sync.clear()

    def teardown(self) -> None:
        self.close_the_pool()
        for thread in self.threads:
            thread.shutdown()
        super().teardown()


PoolMachine.TestCase.settings = settings(
    max_examples=1000 if os.environ.get("MILLPOND_LONG") else 40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
TestPoolMachine = pytest.mark.slow(PoolMachine.TestCase)
ThreadsMachine.TestCase.settings = PoolMachine.TestCase.settings
TestThreadsMachine = pytest.mark.slow(ThreadsMachine.TestCase)


# ---- References --------------------------------------------------------------------------


async def test_repeated_work_leaks_no_objects(db: Any, kind: str, endless: str) -> None:
    """Every kind of call and of failure, many times over."""
    if kind == "duckdb":
        pytest.skip("its package keeps objects of its own")

    async def work() -> None:
        async with db.async_connection() as conn:
            with contextlib.suppress(ZeroDivisionError):
                async with conn.transaction():
                    await conn.fetch_all("SELECT 1 AS a", row_factory=millpond.dict_row)
                    raise ZeroDivisionError
            async for _ in conn.stream("SELECT 1", batch=1):
                break
            await conn.fetch_arrow("SELECT 1 AS a")
            with contextlib.suppress(millpond.Error):
                await conn.execute("SELEC")
            task = asyncio.ensure_future(conn.execute(endless))
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with db.sync_connection() as sync, sync.transaction():
            sync.fetch_value("SELECT 1")

    for _ in range(10):
        await work()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(40):
        await work()
    gc.collect()
    assert len(gc.get_objects()) - before < 100
