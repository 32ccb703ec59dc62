"""``nodes``: the servers of a database, and how far each one is."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from ..database import ConnectionManager
from ..exceptions import Error
from .output import Output

#: How often nodes are asked while somebody looks.
EVERY = 1.0
_PATIENCE = 20
_CLEAR = "\x1b[H\x1b[2J"
_COLUMNS = (
    *("node", "role", "region", "healthy", "lag", "behind", "latency", "answered"),
    *("reads", "fallbacks", "waits", "missed", "ejections", "failures", "problem"),
)


def _pause(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 86400:
        raise ValueError(text)
    return seconds


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watch", action="store_true", help="show the table again and again, until Ctrl-C"
    )
    parser.add_argument(
        "--every", type=_pause, default=EVERY, help="with --watch: seconds between (default 1)"
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def _bytes(value: int | None) -> str:
    if value is None:
        return "?"
    size = float(value)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"


def _row(node: dict[str, Any]) -> tuple[Any, ...]:
    age = node["report_age_seconds"]
    return (
        node["address"],
        node["role"],
        node["region"],
        "yes" if node["is_healthy"] else "no",
        _seconds(node["lag_seconds"]),
        _bytes(node["lag_bytes"]),
        _seconds(node["latency_seconds"]),
        "never" if age is None else f"{_seconds(age)} ago",
        *(node[name] for name in ("reads", "fallbacks", "waits", "missed", "ejections")),
        node["failures"],
        node["problem"],
    )


def _show(nodes: list[dict[str, Any]], out: Output) -> None:
    if out.as_json:
        out.json(nodes)
    else:
        out.rows(_COLUMNS, map(_row, nodes))


def _is_known(nodes: list[dict[str, Any]]) -> bool:
    """True once each node has answered, or is known not to."""
    return all(node["report_age_seconds"] is not None or node["problem"] for node in nodes)


async def _asked(db: ConnectionManager) -> list[dict[str, Any]]:
    """The nodes, once they were asked."""
    nodes: list[dict[str, Any]] = db.get_pool_status()["nodes"]
    for _ in range(_PATIENCE if len(nodes) > 1 else 0):
        if _is_known(nodes):
            break
        await asyncio.sleep(0.1)
        nodes = db.get_pool_status()["nodes"]
    return nodes


async def _nodes(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> int:
    """Fails if no node takes writes."""
    failure: Error | None = None
    try:
        async with db.async_connection():
            pass
    except Error as error:  # the table says more
        failure = error
    nodes = await _asked(db)
    _show(nodes, out)
    while arguments.watch:
        await asyncio.sleep(arguments.every)
        if sys.stdout.isatty() and not out.as_json:
            sys.stdout.write(_CLEAR)
        _show(db.get_pool_status()["nodes"], out)
    if failure is not None:
        raise failure
    return 0


COMMANDS = (("nodes", "Show the nodes of a database: primary and replicas.", _arguments, _nodes),)
