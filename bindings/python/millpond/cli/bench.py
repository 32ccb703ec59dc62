"""``bench``: how many statements a second."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

from ..database import ConnectionManager
from .output import Output


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="duration in seconds (default 3)"
    )
    parser.add_argument(
        "--tasks", type=int, default=10, help="number of statements at once (default 10)"
    )
    parser.add_argument("--sql", default="SELECT 1", help="statement to execute (default SELECT 1)")


async def _work(db: ConnectionManager, sql: str, until: float, times: list[float]) -> None:
    while (started := time.perf_counter()) < until:
        async with db.async_connection() as conn:
            await conn.execute(sql)
        times.append(time.perf_counter() - started)


async def _show_progress(seconds: float) -> None:
    """A bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("running", total=seconds)
        for _ in range(int(seconds * 10)):
            await asyncio.sleep(0.1)
            progress.advance(bar, 0.1)


def _percentile(ordered: list[float], part: float) -> float:
    return round(ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000, 3)


async def _bench(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> None:
    async with db.async_connection() as conn:
        await conn.execute(arguments.sql)  # an error comes before the clock starts
    times: list[float] = []
    started = time.perf_counter()
    until = started + arguments.seconds
    tasks: list[Any] = [
        _work(db, arguments.sql, until, times) for _ in range(max(arguments.tasks, 1))
    ]
    await asyncio.gather(_show_progress(arguments.seconds), *tasks)
    elapsed = time.perf_counter() - started
    ordered = sorted(times) or [elapsed]
    out.facts(
        {
            "statements": len(times),
            "seconds": round(elapsed, 3),
            "per_second": round(len(times) / elapsed, 1),
            "mean_ms": round(statistics.fmean(ordered) * 1000, 3),
            "p50_ms": _percentile(ordered, 0.5),
            "p95_ms": _percentile(ordered, 0.95),
            "p99_ms": _percentile(ordered, 0.99),
        }
    )


COMMANDS = (
    ("bench", "Execute one statement repeatedly and measure its speed.", _arguments, _bench),
)
