"""PostgreSQL under Patroni: a program that writes while its primary is handed over, or dies.

The program writes through HAProxy, and by the list of nodes. Nobody has what it cannot have: a
write whose answer came is there, none is there twice, and what was said not to have happened did
not. How soon the first write succeeds is printed, and not asserted.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import ask
import millpond
import patroni_cluster
import pytest
from daemons import poll
from patroni_cluster import Cluster, Node

WRITERS = 8
GENEROUS = {"connection_acquisition_timeout": 120, "query_execution_timeout": 30}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with patroni_cluster.cluster() as made:
        yield made


def url_of(cluster: Cluster, by: str) -> str:
    ports = [cluster.port] if by == "haproxy" else [node.port for node in cluster.nodes]
    login = f"millpond:{quote(cluster.login['password'])}"
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"postgres://{login}@{hosts}/millpond?target_session_attrs=read-write"


@dataclass
class History:
    """What writers were told of each value."""

    done: list[tuple[int, float]] = field(default_factory=list)  # and when
    unknown: list[int] = field(default_factory=list)
    not_done: list[int] = field(default_factory=list)
    errors: set[str] = field(default_factory=set)

    def since(self, then: float) -> int:
        return sum(at > then for _, at in self.done)


async def write(db: Any, history: History, first: int, stop: asyncio.Event) -> None:
    value = first
    while not stop.is_set():
        value += WRITERS
        try:
            async with db.async_connection() as conn:
                await conn.execute("INSERT INTO written (value) VALUES (?)", (value,))
            history.done.append((value, time.monotonic()))
        except millpond.UnknownOutcomeError:
            history.unknown.append(value)
        except millpond.DatabaseError as error:
            history.not_done.append(value)
            history.errors.add(type(error).__name__)
            await asyncio.sleep(0.01)  # a program would do something else meanwhile


@contextlib.asynccontextmanager
async def writers(db: Any) -> AsyncIterator[History]:
    async with db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS written")
        await conn.execute("CREATE TABLE written (value bigint NOT NULL)")  # a value may be twice
    history, stop = History(), asyncio.Event()
    tasks = [asyncio.create_task(write(db, history, first, stop)) for first in range(WRITERS)]
    try:
        await until(lambda: len(history.done) > 100)
        yield history
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def until(done: Callable[[], bool]) -> None:
    await asyncio.to_thread(poll, "writes", done)


async def first_acceptance(nodes: list[Node]) -> float:
    """When one of these first was a primary, as it says itself."""

    def one_accepts() -> bool:
        return any(node.accepts_writes() for node in nodes)

    await asyncio.to_thread(poll, "a new primary", one_accepts)
    return time.monotonic()


def check(cluster: Cluster, history: History) -> None:
    rows = ask.ask_postgres(cluster.primary().address, "SELECT value FROM written")
    found = [int(str(value)) for (value,) in rows]
    there = set(found)
    assert len(found) == len(there), "applied twice"
    assert {value for value, _ in history.done} <= there, "an acknowledged write is lost"
    assert not there.intersection(history.not_done), "it was said that nothing happened"


def switch_over(cluster: Cluster, old: Node) -> None:
    cluster.switch_over()


def kill_server(cluster: Cluster, old: Node) -> None:
    old.kill_server()


def kill_machine(cluster: Cluster, old: Node) -> None:
    old.kill()


EVENTS = {
    "switchover": switch_over,
    "postgres killed": kill_server,
    "machine killed": kill_machine,
}


@pytest.mark.parametrize("by", ["haproxy", "list"])
@pytest.mark.parametrize("event", EVENTS)
async def test_no_write_is_lost_or_applied_twice(cluster: Cluster, event: str, by: str) -> None:
    await asyncio.to_thread(poll, "a whole cluster", cluster.is_whole)
    old = cluster.primary()
    others = [node for node in cluster.nodes if node is not old]
    db = millpond.connect(url_of(cluster, by), pool_max_size=WRITERS, **GENEROUS)
    try:
        async with writers(db) as history:
            begun = asyncio.create_task(asyncio.to_thread(EVENTS[event], cluster, old))
            accepted = await first_acceptance(others)
            await until(lambda: history.since(accepted) > 200)
            await begun
        first = min(at for _, at in history.done if at > accepted)
        told = f"{len(history.done)} done, {len(history.unknown)} unknown, "
        told += f"{len(history.not_done)} not done: {sorted(history.errors)}"
        print(f"\n{event} by {by}: first write {first - accepted:.3f} s after; {told}")
        check(cluster, history)
    finally:
        await db.close()
        if event == "machine killed":
            old.patroni.start()
