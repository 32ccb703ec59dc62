"""What it costs to wait for a connection of a pool that is all in use.

100,000 tasks line up for two connections that nobody gives back. Two numbers: how long it takes
until all are in line, and by how much the last one hears late that its time is over.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import millpond

TASKS = 100_000
MOST_QUEUE_US = 1e6 / TASKS  # all in a second
MOST_LATE_US = 500_000.0
TIMEOUT = 3.0
ROUNDS = 3


async def line_up(db: Any) -> tuple[float, float]:
    """Seconds until all were in line, and that the last one was late."""
    began: list[float] = []
    ended: list[float] = []

    async def wait() -> None:
        began.append(time.perf_counter())
        try:
            async with db.async_connection():
                raise AssertionError("it was lent")
        except millpond.AcquireTimeoutError:
            ended.append(time.perf_counter())

    tasks = [asyncio.create_task(wait()) for _ in range(TASKS)]
    started = time.perf_counter()
    await asyncio.sleep(0)
    queued = time.perf_counter() - started
    if db.get_pool_status()["waiting"] != TASKS:
        raise AssertionError("not all are in line")
    await asyncio.wait(tasks)
    late = max(end - start for start, end in zip(began, ended, strict=True)) - TIMEOUT
    return queued, late


async def measure() -> tuple[float, float]:
    """Microseconds to line up, each; and of lateness."""
    db = millpond.SqliteDatabase(
        database=":memory:",
        pool_min_size=0,
        pool_max_size=2,
        connection_acquisition_timeout=TIMEOUT,
    )
    async with db, db.async_connection(), db.async_connection():
        runs = [await line_up(db) for _ in range(ROUNDS)]
    queued, late = (statistics.median(column) for column in zip(*runs, strict=True))
    return queued / TASKS * 1e6, late * 1e6


def run(report: Any) -> None:
    queue, expire = f"{TASKS:,} tasks wait, to line up each", f"{TASKS:,} tasks wait, late by"
    if report.wants(queue) or report.wants(expire):
        queued, late = asyncio.run(measure())
        report.add_microseconds(queue, queued, MOST_QUEUE_US)
        report.add_microseconds(expire, late, MOST_LATE_US)
