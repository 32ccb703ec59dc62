"""Lists of nodes that cannot be right: what the library says, and what still works."""

import contextlib
from collections.abc import Callable
from typing import Any

import millpond
import pytest
from millpond import Session
from reading import node_read, nodes, open_database, reads_go_to_replicas, until
from replica_set import ReplicaSet

pytestmark = pytest.mark.once
Sets = Callable[[str], ReplicaSet[Any]]


async def test_a_list_without_a_primary_is_named_and_still_reads(
    postgres_replicas: ReplicaSet[Any],
) -> None:
    ports = [node.port for node in postgres_replicas.replicas]
    url = postgres_replicas.primary.url_at(*ports)
    db = open_database(url, connection_creation_timeout=20)
    try:
        with pytest.raises(millpond.ConnectFailedError) as caught:
            async with db.async_connection():
                pass
        for port in ports:
            assert str(port) in str(caught.value)

        async def reads() -> bool:
            with contextlib.suppress(millpond.ConnectFailedError):  # before the replicas are known
                return await node_read(db, "eventual") in (0, 1)
            return False

        await until("a read without a primary", reads)
        assert [node["is_primary"] for node in nodes(db)] == [False, False]
    finally:
        await db.close(timeout=10)


async def test_nodes_of_different_clusters_are_refused(replica_sets: Sets) -> None:
    first, second = replica_sets("postgres15"), replica_sets("postgres18")
    url = first.primary.url_at(first.primary.port, second.primary.port)
    second.primary.ask(f"ALTER ROLE millpond PASSWORD '{first.password}'")
    db = open_database(url)
    try:
        async with db.async_connection(read_only=True, consistency="eventual"):
            pass

        async def is_told() -> bool:
            return any("cluster" in node["problem"] for node in nodes(db))

        await until("a complaint", is_told)
    finally:
        second.primary.ask(f"ALTER ROLE millpond PASSWORD '{second.password}'")
        await db.close(timeout=10)


async def test_a_token_of_another_cluster_is_no_error(replica_sets: Sets) -> None:
    first, second = replica_sets("postgres15"), replica_sets("mariadb")
    theirs, ours = open_database(first.url), open_database(second.url)
    try:
        with Session() as session:
            async with theirs.async_connection() as conn:
                await conn.execute("CREATE TABLE IF NOT EXISTS foreign_token (n int)")
        with Session(session.token) as again:
            await reads_go_to_replicas(ours, "session")
            async with ours.async_connection() as conn:
                await conn.execute("CREATE TABLE IF NOT EXISTS foreign_token (n int)")
        assert len(again.token) > len(session.token)  # it has both
        with Session(again.token):
            for db in (theirs, ours):
                async with db.async_connection(read_only=True, consistency="session") as conn:
                    assert await conn.fetch_value("SELECT count(*) FROM foreign_token") == 0
    finally:
        for db in (theirs, ours):
            async with db.async_connection() as conn:
                await conn.execute("DROP TABLE IF EXISTS foreign_token")
            await db.close(timeout=10)
