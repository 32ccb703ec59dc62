"""What the tests of reads on replicas share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import millpond
from replica_set import ReplicaSet

HOUR = 3600.0
SECONDS = 90  # a busy machine may take so long


async def until(what: str, holds: Callable[[], Awaitable[Any]]) -> Any:
    """What it answers, once that is something."""
    deadline = time.monotonic() + SECONDS
    while not (answer := await holds()):
        assert time.monotonic() < deadline, f"{what} never came to be"
        await asyncio.sleep(0.02)
    return answer


def open_database(url: str, **settings: Any) -> millpond.ConnectionManager:
    """A database whose limits a busy machine does not reach."""
    given: dict[str, Any] = {
        "pool_min_size": 0,
        "pool_max_size": 8,
        "connection_acquisition_timeout": 120,
        "connection_creation_timeout": 120,
        "query_execution_timeout": 120,
        "topology_refresh": 0.5,
    }
    return millpond.connect(url, **{**given, **settings})


def nodes(db: millpond.ConnectionManager) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = db.get_pool_status()["nodes"]
    return found


def primary_of(db: millpond.ConnectionManager) -> int | None:
    return next((i for i, node in enumerate(nodes(db)) if node["is_primary"]), None)


async def node_read(db: millpond.ConnectionManager, consistency: Any) -> int:
    """The number of the node that a read-only lease leads to."""
    async with db.async_connection(read_only=True, consistency=consistency) as conn:
        await conn.execute("SELECT 1")
        node = conn.node
    assert node is not None
    return node


async def reads_go_to_replicas(
    db: millpond.ConnectionManager, consistency: Any = "eventual"
) -> None:
    """Returns once one has gone there."""

    async def has_gone() -> bool:
        return await node_read(db, consistency) != primary_of(db)

    await until("a read on a replica", has_gone)


def hold_back(replicas: ReplicaSet[Any]) -> None:
    """From now on the replicas apply nothing."""
    for node in replicas.replicas:
        replicas.caught_up(node)
    for node in replicas.replicas:
        replicas.delay(node, HOUR)
