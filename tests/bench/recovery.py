"""Seconds from a server's return to the first query that succeeds, with default settings.

    recovery.py [ROUNDS]

Each round kills a server of our own, waits in the outage until the pool tries at its longest
intervals, and starts the server again. It counts as back when a connection opened anew, beside
the pool, can run a statement.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import daemons
import millpond

OUTAGE_SECONDS = 3.0
PAUSE_SECONDS = 0.005
MOST_SECONDS = 1.0
CLASSES = {"postgres": millpond.PostgresDatabase, "mysql": millpond.MysqlDatabase}
KEYS = ("host", "port", "user", "password", "database")


def open_pool(server: daemons.Daemon, **settings: Any) -> Any:
    address = {key: server.address[key] for key in KEYS}
    return CLASSES[server.kind](millpond.DatabaseConfig(**address, **settings))


async def succeeds(db: Any) -> bool:
    try:
        async with db.async_connection() as conn:
            await conn.execute("SELECT 1")
    except millpond.DatabaseError:
        return False
    return True


async def first_success(db: Any) -> float:
    """When a caller who asks again and again gets an answer."""
    while not await succeeds(db):
        await asyncio.sleep(PAUSE_SECONDS)
    return time.monotonic()


async def first_connection(server: daemons.Daemon, name: str) -> float:
    """When the server lets somebody in."""
    attempt = 0
    while True:
        attempt += 1
        probe = open_pool(server, alias=f"{name} {attempt}", pool_min_size=0, pool_max_size=1)
        up = await succeeds(probe)
        at = time.monotonic()
        await millpond.PoolManager.close_pool(config_hash=probe.hash(), timeout=1)
        if up:
            return at
        await asyncio.sleep(PAUSE_SECONDS)


async def one_round(db: Any, server: daemons.Daemon, name: str) -> float:
    assert await succeeds(db)
    server.kill()
    end = time.monotonic() + OUTAGE_SECONDS
    while time.monotonic() < end:
        assert not await succeeds(db), "a server that is dead answered"
        await asyncio.sleep(PAUSE_SECONDS)
    starting = asyncio.get_running_loop().run_in_executor(None, server.start)
    up, served = await asyncio.gather(first_connection(server, name), first_success(db))
    await starting
    return max(0.0, served - up)


async def measure(kind: str, rounds: int) -> list[float]:
    with daemons.daemon(kind, "MariaDB") as server:
        db = open_pool(server, alias="recovering")
        seconds = [await one_round(db, server, f"probe {i}") for i in range(rounds)]
        await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=5)
    return seconds


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    missed = False
    for kind in CLASSES:
        seconds = asyncio.run(measure(kind, rounds))
        missed |= max(seconds) >= MOST_SECONDS
        print(
            f"{kind}: first success after {statistics.median(seconds):.3f} s (median of {rounds}), "
            f"{max(seconds):.3f} s at most; floor: under {MOST_SECONDS} s",
            flush=True,
        )
    if missed:
        sys.exit("a pool took too long to recover")


if __name__ == "__main__":
    main()
