"""What a primary and two replicas come to, beside the primary alone, and how fast writes move on.

    replicas.py [ROUNDS]

Scale: nodes that are bound by latency, as a node that computes proves nothing on a machine of two
cores: CONNECTIONS to each node, and statements that take STATEMENT_SECONDS. The same readers ask
the primary alone and all three nodes, in turn; the figure is the ratio of their reads a second.

Failover: seconds from the instant at which the new primary accepts writes to the first write that a
program's pool makes there.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import millpond
from replicas import SETS

CONNECTIONS = 4
STATEMENT_SECONDS = 0.02
READERS = 24
SECONDS = 3.0
PAUSE_SECONDS = 0.002
READ = f"SELECT pg_sleep({STATEMENT_SECONDS})"


# ---- Scale -----------------------------------------------------------------------------------


async def read_until(db: Any, end: float, **lease: Any) -> int:
    count = 0
    while time.monotonic() < end:
        async with db.async_connection(**lease) as conn:
            await conn.execute(READ)
        count += 1
    return count


async def reads_a_second(db: Any, **lease: Any) -> float:
    began = time.monotonic()
    readers = [read_until(db, began + SECONDS, **lease) for _ in range(READERS)]
    return sum(await asyncio.gather(*readers)) / (time.monotonic() - began)


def open_databases(nodes: Any) -> tuple[Any, Any]:
    sizes = {"pool_max_size": CONNECTIONS, "connection_acquisition_timeout": 60}
    alone = millpond.connect(nodes.primary.url, **sizes, alias="alone")
    whole = millpond.connect(
        nodes.url, **sizes, alias="whole", consistency="eventual", primary_reads=True
    )
    return alone, whole


async def scale(nodes: Any, rounds: int) -> list[float]:
    alone, whole = open_databases(nodes)
    ratios = []
    try:
        await reads_a_second(whole, read_only=True)  # its pools are filled
        for number in range(rounds):
            one = await reads_a_second(alone)
            three = await reads_a_second(whole, read_only=True)
            ratios.append(three / one)
            print(f"round {number + 1}: {one:.0f} reads/s alone, {three:.0f} with two replicas")
    finally:
        await alone.close()
        await whole.close()
    return ratios


# ---- Failover --------------------------------------------------------------------------------


async def writes(db: Any) -> bool:
    try:
        async with db.async_connection() as conn:
            await conn.execute("INSERT INTO bench_failover VALUES (1)")
    except millpond.DatabaseError:
        return False
    return True


async def first(ask: Any, *given: Any) -> float:
    while not await ask(*given):
        await asyncio.sleep(PAUSE_SECONDS)
    return time.monotonic()


async def accepts_writes(db: Any) -> bool:
    """Asked on a pool of its own, which leads to the one node."""
    try:
        async with db.async_connection() as conn:
            return (await conn.execute("SELECT pg_is_in_recovery()")) == [(False,)]
    except millpond.DatabaseError:
        return False


async def one_failover(nodes: Any, number: int) -> float:
    db = millpond.connect(nodes.url, alias=f"failover {number}")
    successor = nodes.replicas[0]
    probe = millpond.connect(successor.url, alias=f"successor {number}", pool_max_size=1)
    try:
        assert await writes(db)
        assert not await accepts_writes(probe)
        old = nodes.primary
        old.kill()
        promoting = asyncio.get_running_loop().run_in_executor(None, nodes.promote, successor)
        up, served = await asyncio.gather(first(accepts_writes, probe), first(writes, db))
        await promoting
        return max(0.0, served - up)
    finally:
        await db.close()
        await probe.close()
        nodes.mend()


async def failover(nodes: Any, rounds: int) -> list[float]:
    async with millpond.connect(nodes.primary.url, alias="table") as db:
        async with db.async_connection() as conn:
            await conn.execute("CREATE TABLE IF NOT EXISTS bench_failover (n int)")
    return [await one_failover(nodes, number) for number in range(rounds)]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with SETS["postgres15"]() as nodes:
        ratios = asyncio.run(scale(nodes, rounds))
        delays = asyncio.run(failover(nodes, rounds))
    print(
        f"reads with two replicas beside the primary alone: {statistics.median(ratios):.2f} times "
        f"(2.8 asked for)\n"
        f"first write after the new primary accepts writes: median {statistics.median(delays):.3f} "
        f"s, longest {max(delays):.3f} s (1 asked for)"
    )


if __name__ == "__main__":
    main()
