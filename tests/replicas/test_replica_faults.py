"""Replicas that die: reads go elsewhere, and those that fall back leave room for writes."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

import millpond
import pytest
from reading import node_read, nodes, open_database, primary_of, reads_go_to_replicas, until
from replica_set import ReplicaSet

pytestmark = [
    pytest.mark.once,
    pytest.mark.parametrize("set_name", ["postgres15", "mariadb"]),
]

CONNECTIONS = 4
FALLBACK = 2  # of these, as fallback_share is a half


@pytest.fixture
async def db(replicas: ReplicaSet[Any]) -> AsyncIterator[millpond.ConnectionManager]:
    made = open_database(replicas.url, pool_max_size=CONNECTIONS)
    yield made
    await made.close(timeout=10)


def number_of(replicas: ReplicaSet[Any], node: Any) -> int:
    return list(replicas.nodes).index(node)


async def is_left_out(db: millpond.ConnectionManager, number: int) -> bool:
    with contextlib.suppress(millpond.ConnectionLostError):  # what runs on a node that falls silent
        await node_read(db, "eventual")  # so that the nodes are asked often
    node = nodes(db)[number]
    return not node["is_healthy"] and str(node["problem"]).startswith("does not answer")


async def serves_again(db: millpond.ConnectionManager, number: int) -> bool:
    return await node_read(db, "eventual") == number


@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_no_read_goes_to_a_replica_that_is_dead_and_it_serves_again_when_it_is_back(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any], fault: str
) -> None:
    await reads_go_to_replicas(db)
    gone, left = replicas.replicas
    number = number_of(replicas, gone)
    getattr(replicas, fault)(gone)
    await until("the end of its service", lambda: is_left_out(db, number))
    for _ in range(50):
        assert await node_read(db, "eventual") != number
    replicas.start(gone) if fault == "kill" else replicas.thaw(gone)
    await until("its return", lambda: serves_again(db, number))
    assert not nodes(db)[number_of(replicas, left)]["is_primary"]


async def test_reads_without_replicas_fall_back_and_leave_the_writers_their_connections(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    for node in replicas.replicas:
        replicas.kill(node)

    async def has_fallen_back() -> bool:
        return await node_read(db, "eventual") == primary_of(db)

    await until("a read at the primary", has_fallen_back)
    for node in replicas.replicas:
        await until("its end", functools.partial(is_left_out, db, number_of(replicas, node)))
    granted = []
    done = asyncio.Event()

    async def hold_one() -> None:
        async with db.async_connection(read_only=True, consistency="eventual") as conn:
            granted.append(conn.node)
            await done.wait()

    async with asyncio.TaskGroup() as readers:
        for _ in range(2 * CONNECTIONS):
            readers.create_task(hold_one())

        async def are_as_many_as_may_be() -> bool:
            return len(granted) == FALLBACK

        await until("the fallen-back reads", are_as_many_as_may_be)
        async with asyncio.TaskGroup() as writers:  # all connections of the pool are theirs
            held = [writers.create_task(db.get_async_connection()) for _ in range(CONNECTIONS)]
        for task in held:
            await db.release_async_connection(task.result())
        assert set(granted) == {primary_of(db)}
        assert len(granted) == FALLBACK
        done.set()
    assert nodes(db)[primary_of(db) or 0]["fallbacks"] >= 2 * CONNECTIONS
