"""One application process of the capacity benchmark.

Reads one JSON object a line from standard input, first how to reach the database, then loads to
put on it; answers each load with one line of what happened.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from millpond import AcquireTimeoutError, DatabaseConfig, PostgresDatabase

SQL = "SELECT pg_sleep(?)"


class Application:
    """Requests arrive at an even rate, whether or not earlier ones are done; each takes a
    connection, runs one query and gives it back."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._query_seconds = settings.pop("query_seconds")
        self._db = PostgresDatabase(DatabaseConfig(**settings))
        self._tasks: set[asyncio.Task[None]] = set()
        self._begin = self._end = 0.0
        self._served = self._timeouts = 0
        self._waits: list[float] = []

    async def _request(self) -> None:
        arrived = time.monotonic()
        try:
            async with self._db.async_connection() as conn:
                waited = time.monotonic() - arrived
                await conn.execute(SQL, (self._query_seconds,), tags={"operation": "request"})
        except AcquireTimeoutError:
            if self._begin <= time.monotonic() < self._end:
                self._timeouts += 1
            return
        if self._begin <= time.monotonic() < self._end:
            self._served += 1
            self._waits.append(waited)

    def _arrive(self, count: int) -> None:
        for _ in range(count):
            task = asyncio.create_task(self._request())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def connect(self) -> None:
        """All connections of the pool, before anything is measured."""
        size = self._db.get_pool_status()["max_size"]
        connections = [await self._db.get_async_connection(timeout=30) for _ in range(size)]
        for connection in connections:
            await self._db.release_async_connection(connection)

    async def load(
        self, at: float, rate: float, backlog: int, lead: float, seconds: float
    ) -> dict[str, Any]:
        """Requests from the monotonic time `at` on, `rate` a second; `backlog` more at once. What
        ends in the `seconds` after the first `lead` seconds is counted."""
        await asyncio.sleep(max(0, at - time.monotonic()))
        self._begin, self._end = at + lead, at + lead + seconds
        self._served = self._timeouts = arrived = 0
        self._waits = []
        self._arrive(backlog)
        while (now := time.monotonic()) < self._end:
            due = int((now - at) * rate) + 1
            self._arrive(due - arrived)
            arrived = due
            await asyncio.sleep(max(0.0, at + arrived / rate - time.monotonic()))
        metrics = self._db.get_pool_metrics(self._db.hash())
        waits = sorted(self._waits)
        return {
            "served": self._served,
            "timeouts": self._timeouts,
            "wait_p95": waits[len(waits) * 95 // 100] if waits else 0.0,
            "signal": metrics["scaling_signal"],
            "query_p50": metrics["query_durations"]["request"]["p50"],
        }

    async def drain(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks)


async def main() -> None:
    loop = asyncio.get_running_loop()
    application = Application(json.loads(sys.stdin.readline()))
    await application.connect()
    print("{}", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        wanted = json.loads(line)
        drain = wanted.pop("drain")
        print(json.dumps(await application.load(**wanted)), flush=True)
        if drain:
            await application.drain()


if __name__ == "__main__":
    asyncio.run(main())
