"""``ping`` and ``status``."""

from __future__ import annotations

import argparse
import time

from ..database import ConnectionManager
from .output import Output


def _ping_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=3, help="round trips (default 3)")


async def _ping(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> None:
    started = time.perf_counter()
    async with db.async_connection() as conn:
        connected = time.perf_counter() - started
        versions = await conn.get_version_details()
        trips = []
        for _ in range(max(arguments.count, 1)):
            started = time.perf_counter()
            await conn.execute("SELECT 1")
            trips.append(time.perf_counter() - started)
    out.facts(
        {
            "server": versions["db_server_version"],
            "driver": versions["db_driver"],
            "connect_ms": round(connected * 1000, 3),
            "round_trip_ms": round(min(trips) * 1000, 3),
            "worst_ms": round(max(trips) * 1000, 3),
        }
    )


async def _status(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> None:
    async with db.async_connection() as conn:
        versions = await conn.get_version_details()
        status = db.get_pool_status()
    metrics = status.pop("metrics")
    if out.as_json:
        out.json({"server": versions, "pool": status, "metrics": metrics})
        return
    out.facts({"server": versions["db_server_version"], "driver": versions["db_driver"]})
    out.line()
    out.facts(status)
    out.line()
    out.facts(metrics)


def _nothing(parser: argparse.ArgumentParser) -> None:
    pass


COMMANDS = (
    ("ping", "Connect, and time a few round trips.", _ping_arguments, _ping),
    ("status", "Show the server, and a pool of it at a glance.", _nothing, _status),
)
