"""``ping`` and ``status``."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..database import ConnectionManager
from .output import Output


def _ping_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=3, help="number of round trips (default 3)")


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
    metrics, nodes = status.pop("metrics"), status.pop("nodes")
    if out.as_json:
        out.json({"server": versions, "pool": status, "nodes": nodes, "metrics": metrics})
        return
    out.facts({"server": versions["db_server_version"], "driver": versions["db_driver"]})
    out.line()
    out.facts(status)
    out.line()
    out.facts(_for_people(metrics))


def _times(timed: dict[str, Any]) -> str:
    """A summary of durations in a line."""
    shown = (f"{name} {timed[name] * 1000:.3g} ms" for name in ("mean", "p50", "p95", "p99", "max"))
    return ", ".join([f"{timed['count']} times", *(shown if timed["count"] else ())])


def _for_people(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics without dicts in dicts."""
    told = dict(metrics)
    signal = told.pop("scaling_signal")
    for name in ("acquire_wait", "connect"):
        if name in told:
            told[name] = _times(told[name])
    for name, timed in told.pop("query_durations", {}).items():
        told[f"query {name}".rstrip()] = _times(timed)
    for name, breaker in told.pop("circuit_breakers", {}).items():
        told[f"breaker {name}"] = breaker["state"]
    for kind in ("errors_by_class", "closed_by_reason"):
        for name, count in told.pop(kind, {}).items():
            told[f"{kind.partition('_')[0]} {name}"] = count
    told["scaling"] = f"{signal['interpretation']}: {signal['suggested_action']}"
    return told


def _nothing(parser: argparse.ArgumentParser) -> None:
    pass


COMMANDS = (
    ("ping", "Connect, and time a few round trips.", _ping_arguments, _ping),
    ("status", "Show the server and the state of a pool.", _nothing, _status),
)
