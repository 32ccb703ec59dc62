"""Random interleavings against a model, and work repeated, leave nothing behind."""

import asyncio
import contextlib
import gc
import warnings
from typing import Any

import hypothesis.strategies as st
import millpond
import pytest
from conftest import when
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from millpond import PoolManager

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
MOST = 4


class PoolMachine(RuleBasedStateMachine):
    """Whatever is done in whatever order: the pool knows what the model knows."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.db = millpond.connect(
            "sqlite:///:memory:", pool_max_size=MOST, alias=f"machine {id(self)}"
        )
        self.held: dict[int, Any] = {}
        self.stale: list[Any] = []
        self.open: set[int] = set()
        self.next = 0

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def pick(self, choice: int) -> int:
        return sorted(self.held)[choice % len(self.held)]

    @precondition(lambda self: len(self.held) < MOST)
    @rule()
    def acquire(self) -> None:
        self.held[self.next] = self.run(self.db.get_async_connection())
        self.next += 1

    @precondition(lambda self: len(self.held) == MOST)
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

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10))
    def forget(self, choice: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del self.held[self.pick(choice)]
            gc.collect()

    @precondition(lambda self: self.held)
    @rule(choice=st.integers(0, 10))
    def close(self, choice: int) -> None:
        conn = self.held.pop(self.pick(choice))
        self.run(conn.close())
        self.run(self.db.release_async_connection(conn))

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
        held = len(self.held)
        status = self.run(when(self.db, f"{held} in use", lambda it: it["in_use"] == held))
        assert status["size"] == status["in_use"] + status["idle"] <= MOST
        counts = status["metrics"]
        assert counts["total_acquired"] - counts["total_released"] == len(self.held)

    def teardown(self) -> None:
        self.run(PoolManager.close_pool(self.db.hash(), timeout=0.001))
        self.held.clear()
        self.runner.close()


PoolMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
TestPoolMachine = PoolMachine.TestCase


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
