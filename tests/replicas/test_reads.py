"""Reads on replicas: as fresh as they were asked for, and never a write."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import millpond
import pytest
from millpond import Session
from reading import (
    hold_back,
    node_read,
    nodes,
    open_database,
    primary_of,
    reads_go_to_replicas,
    until,
)
from replica_set import ReplicaSet

pytestmark = [
    pytest.mark.once,
    pytest.mark.parametrize("set_name", ["postgres15", "mariadb"]),
]


@pytest.fixture
async def db(replicas: ReplicaSet[Any]) -> AsyncIterator[millpond.ConnectionManager]:
    """A database with all nodes, and a table `shelf (id, name)` that has one row on each."""
    replicas.primary.ask("DROP TABLE IF EXISTS shelf")
    replicas.primary.ask("CREATE TABLE shelf (id int PRIMARY KEY, name varchar(100))")
    replicas.primary.ask("INSERT INTO shelf VALUES (1, 'old')")
    for node in replicas.replicas:
        replicas.caught_up(node)
    made = open_database(replicas.url)
    yield made
    await made.close(timeout=10)


async def rename(db: millpond.ConnectionManager, name: str) -> None:
    async with db.async_connection() as conn:
        await conn.execute("UPDATE shelf SET name = ? WHERE id = 1", (name,))


async def read(db: millpond.ConnectionManager, consistency: Any) -> str:
    async with db.async_connection(read_only=True, consistency=consistency) as conn:
        return str(await conn.fetch_value("SELECT name FROM shelf WHERE id = 1"))


# ---- How fresh ---------------------------------------------------------------------------


async def test_a_session_sees_what_it_wrote_and_eventual_reads_need_not(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    hold_back(replicas)
    with Session() as session:
        await rename(db, "new")
        assert await read(db, "session") == "new"
        assert await read(db, "strong") == "new"
    with Session(session.token):
        assert await read(db, "session") == "new"

    async def is_old() -> bool:
        return await read(db, "eventual") == "old"

    await until("an old answer", is_old)  # so the others could have been old, too


async def test_a_session_that_wrote_nothing_reads_on_replicas(
    db: millpond.ConnectionManager,
) -> None:
    with Session():
        await reads_go_to_replicas(db, "session")
        assert await read(db, "session") == "old"


async def test_a_session_reads_on_a_replica_that_has_caught_up(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    with Session():
        await rename(db, "new")
        for node in replicas.replicas:
            replicas.caught_up(node)
        await reads_go_to_replicas(db, "session")
        assert await read(db, "session") == "new"


async def test_a_token_is_good_in_another_process(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    hold_back(replicas)
    with Session() as session:
        await rename(db, "new")
    program = (
        "import sys, millpond\n"
        "with millpond.connect(sys.argv[1], consistency='session') as db:\n"
        "    with millpond.Session(sys.argv[2]) as session:\n"
        "        with db.sync_connection(read_only=True) as conn:\n"
        "            print(conn.fetch_value('SELECT name FROM shelf WHERE id = 1'))\n"
    )
    command = [sys.executable, "-X", "dev", "-c", program, replicas.url, session.token]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert done.stdout == "new\n", done.stderr
    assert "Traceback" not in done.stderr  # the log may say that a replica lags


async def test_tasks_and_threads_take_part_in_one_session(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    hold_back(replicas)

    def rename_in_a_thread() -> None:
        with db.sync_connection() as conn:
            conn.execute("UPDATE shelf SET name = 'new' WHERE id = 1")

    with Session():
        await asyncio.to_thread(rename_in_a_thread)
        answers = await asyncio.gather(*(read(db, "session") for _ in range(10)))
    assert set(answers) == {"new"}


async def test_two_sessions_know_nothing_of_each_other_until_they_are_merged(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    hold_back(replicas)
    writer, reader = Session(), Session()
    with writer:
        await rename(db, "new")
    reader.merge(writer)
    with reader:
        assert await read(db, "session") == "new"


async def test_what_a_transaction_wrote_counts_from_its_commit(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    hold_back(replicas)
    with Session():
        async with db.transaction() as conn:
            await conn.execute("UPDATE shelf SET name = 'new' WHERE id = 1")
        assert await read(db, "session") == "new"
    with Session():
        conn = await asyncio.to_thread(db.get_sync_connection)
        await asyncio.to_thread(lambda: conn.execute("UPDATE shelf SET name = 'newer'"))
        assert await read(db, "session") == "newer"
        await asyncio.to_thread(db.release_sync_connection)


async def test_a_bound_of_staleness_holds(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db, 60)
    hold_back(replicas)
    await rename(db, "new")

    async def is_new() -> bool:
        return await read(db, 0.5) == "new"

    await asyncio.sleep(0.6)  # only now must the answer be new
    for _ in range(20):
        assert await is_new()


async def test_eventual_reads_use_all_replicas(db: millpond.ConnectionManager) -> None:
    seen: set[int] = set()

    async def both() -> bool:
        found = await asyncio.gather(*(node_read(db, "eventual") for _ in range(8)))
        seen.update(node for node in found if node != primary_of(db))
        return len(seen) == 2

    await until("a read on each replica", both)


# ---- Never a write -----------------------------------------------------------------------


@pytest.mark.parametrize("level", ["strong", "session", "eventual", 60])
async def test_a_read_only_lease_refuses_writes_wherever_it_leads(
    db: millpond.ConnectionManager, level: Any
) -> None:
    if level in ("eventual", 60):
        await reads_go_to_replicas(db, level)
    for _ in range(4):
        async with db.async_connection(read_only=True, consistency=level) as conn:
            with pytest.raises(millpond.ReadOnlyError):
                await conn.execute("UPDATE shelf SET name = 'never'")
            with pytest.raises(millpond.ReadOnlyError):
                async with conn.transaction():
                    await conn.execute("UPDATE shelf SET name = 'never'")
    await rename(db, "written")  # the primary's pool is as it was
    assert await read(db, "strong") == "written"


async def test_a_read_that_falls_back_to_the_primary_refuses_writes_too(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    hold_back(replicas)
    with Session():
        await rename(db, "new")
        async with db.async_connection(read_only=True, consistency="session") as conn:
            assert conn.node == primary_of(db)
            with pytest.raises(millpond.ReadOnlyError):
                await conn.execute("UPDATE shelf SET name = 'never'")
        assert await read(db, "strong") == "new"


async def test_transactions_of_the_database_read_on_replicas(
    db: millpond.ConnectionManager,
) -> None:
    await reads_go_to_replicas(db)

    async def on_a_replica() -> bool:
        async with db.transaction(read_only=True, consistency="eventual") as conn:
            assert await conn.fetch_value("SELECT name FROM shelf") == "old"
            return conn.node != primary_of(db)

    await until("a transaction on a replica", on_a_replica)
    for how in ({"read_only": True}, {"isolation": "SERIALIZABLE", "read_only": True}, {}):
        async with db.transaction(**how) as conn:
            assert conn.node == primary_of(db)
    async with db.transaction("SERIALIZABLE", read_only=True, consistency="eventual") as conn:
        assert conn.node == primary_of(db)


# ---- Entities ----------------------------------------------------------------------------


async def test_entity_reads_are_as_fresh_as_the_database_says(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    async with db.async_connection() as conn:
        await conn.save_entity("fish", {"id": "1", "name": "pike"})
    await reads_go_to_replicas(db)
    hold_back(replicas)
    fresh = open_database(replicas.url, consistency="session")
    try:
        with Session():
            async with fresh.async_connection() as conn:
                await conn.save_entity("fish", {"id": "1", "name": "trout"})
            assert (await fresh.get_entity("fish", "1"))["name"] == "trout"
            assert await fresh.count_entities("fish", "[name] = ?", ("trout",)) == 1
            assert len(await fresh.get_entity_history("fish", "1")) == 2
            found = await asyncio.to_thread(fresh.find_entities, "fish", "[name] = ?", ("pike",))
            assert found == []
        assert (await db.get_entity("fish", "1"))["name"] == "trout"

        async def is_old() -> bool:
            found = await fresh.get_entity("fish", "1", consistency="eventual")
            return bool(found["name"] == "pike")

        await until("an old entity", is_old)
    finally:
        await fresh.close(timeout=10)


async def test_the_primary_answers_what_a_replica_has_no_column_for(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    async with db.async_connection() as conn:
        await conn.save_entity("fish", {"id": "1", "name": "pike"})
    await reads_go_to_replicas(db)
    for node in replicas.replicas:  # one that is only delayed has PostgreSQL's lock of the table
        replicas.caught_up(node)
        replicas.pause_replay(node)
    async with db.async_connection() as conn:
        await conn.save_entity("fish", {"id": "1", "weight": 7})
    for _ in range(5):
        how: dict[str, Any] = {"consistency": "eventual"}
        (found,) = await db.find_entities("fish", "[weight] = ?", (7,), **how)
        assert found["name"] == "pike"
        with pytest.raises(millpond.UndefinedObjectError):
            await db.find_entities("fish", "[scales] = ?", (7,), **how)
    async with db.async_connection() as conn:  # what the replica lacks is not made anew
        await conn.save_entity("fish", {"id": "2", "weight": 8})
        assert await conn.count_entities("fish") == 2


# ---- What is counted ---------------------------------------------------------------------


async def test_a_read_that_falls_back_is_counted(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    await reads_go_to_replicas(db)
    hold_back(replicas)
    number = primary_of(db)
    assert number is not None
    before = nodes(db)[number]
    with Session():
        await rename(db, "new")
        assert await node_read(db, "session") == number
    after = nodes(db)[number]
    assert after["fallbacks"] == before["fallbacks"] + 1
    assert after["reads"] == before["reads"] + 1
    text = millpond.metrics.prometheus()
    line = next(
        line
        for line in text.splitlines()
        if line.startswith("millpond_node_fallbacks_total") and after["address"] in line
    )
    assert float(line.rpartition(" ")[2]) == after["fallbacks"]


async def test_the_nodes_are_shown_by_the_command_line(
    db: millpond.ConnectionManager, replicas: ReplicaSet[Any]
) -> None:
    command = [sys.executable, "-m", "millpond", "nodes", replicas.url, "--json"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert [node["role"] for node in shown].count("primary") == 1
    assert [node["role"] for node in shown].count("replica") == 2
    assert {node["address"] for node in shown} == {
        f"127.0.0.1:{node.port}" for node in replicas.nodes
    }
