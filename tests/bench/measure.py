"""Measuring side by side: peers take turns in short rounds, and medians are compared."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

ROUND_SECONDS = 0.5
ROUNDS = 7

Step = Callable[[], Awaitable[object]]


async def rate(step: Step, tasks: int) -> float:
    """Steps a second of so many concurrent tasks, for one round."""
    done = 0
    started = time.perf_counter()
    end = started + ROUND_SECONDS

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await step()
            done += 1

    await asyncio.gather(*(work() for _ in range(tasks)))
    return done / (time.perf_counter() - started)


def sync_rate(step: Callable[[], object]) -> float:
    """The same for a function that blocks."""
    done = 0
    started = time.perf_counter()
    end = started + ROUND_SECONDS
    while time.perf_counter() < end:
        step()
        done += 1
    return done / (time.perf_counter() - started)


async def side_by_side(
    steps: dict[str, Step], tasks: int, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """The rates of all, a round each in turn; the first round only warms up."""
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(rounds + 1):
        for name, step in steps.items():
            value = await rate(step, tasks)
            if round_number:
                rates[name].append(value)
    return rates


def sync_side_by_side(steps: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(ROUNDS + 1):
        for name, step in steps.items():
            value = sync_rate(step)
            if round_number:
                rates[name].append(value)
    return rates


def ratio(rates: dict[str, list[float]], of: str, to: str) -> float:
    """Median of the ratios of rounds that were run next to each other."""
    return statistics.median(a / b for a, b in zip(rates[of], rates[to], strict=True))
