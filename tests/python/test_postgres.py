"""What is PostgreSQL's own: notices, standbys, poolers between us and the server."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import millpond
import pgbouncer_server
import postgres_server
import pytest
from entities import entity_name


async def test_notices_go_to_the_log(databases: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with databases.open("postgres").async_connection() as conn:
        with caplog.at_level(logging.INFO, "millpond"):
            await conn.execute("DO $$ BEGIN RAISE NOTICE 'the kettle boils'; END $$")
            await conn.execute("DO $$ BEGIN RAISE WARNING 'it boils over'; END $$")
            assert (await conn.execute("SELECT 1")) == [(1,)]
    levels = {record.getMessage(): record.levelname for record in caplog.records}
    assert [level for text, level in levels.items() if "the kettle boils" in text] == ["INFO"]
    assert [level for text, level in levels.items() if "it boils over" in text] == ["WARNING"]


@pytest.fixture(scope="module")
def cluster(postgres: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The address of a primary and its standby, the standby first."""
    with (
        postgres_server.server() as primary,
        postgres_server.server(primary=primary) as standby,
    ):
        ports = f"{standby['port']},{primary['port']}"
        yield {**primary, "host": "127.0.0.1,127.0.0.1", "port": ports}


@pytest.mark.parametrize(
    ("wanted", "is_standby"),
    [("read-write", False), ("primary", False), ("standby", True), ("prefer-standby", True)],
)
async def test_the_host_is_the_one_with_the_wanted_role(
    cluster: dict[str, Any], databases: Any, wanted: str, is_standby: bool
) -> None:
    place = {name: cluster[name] for name in ("host", "port", "password")}
    db = databases.open("postgres", **place, target_session_attrs=wanted)
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT pg_is_in_recovery()")) == [(is_standby,)]
        if is_standby:
            with pytest.raises(millpond.ReadOnlyError):
                await conn.execute("CREATE TABLE never (n int)")


async def test_no_host_with_the_wanted_role_is_an_error(
    cluster: dict[str, Any], databases: Any
) -> None:
    standby = int(cluster["port"].split(",")[0])
    db = databases.open(
        "postgres",
        port=standby,
        password=cluster["password"],
        target_session_attrs="read-write",
    )
    with pytest.raises(millpond.ConnectFailedError, match="read-only"):
        await db.get_async_connection()


@pytest.fixture(scope="module")
def bouncer(postgres: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with pgbouncer_server.bouncer(postgres) as address:
        yield address


async def test_pgbouncer_in_transaction_mode_is_no_obstacle(
    bouncer: dict[str, Any], databases: Any
) -> None:
    """More tasks than pgbouncer has sessions, and each transaction on another one of them."""
    db = databases.open(
        "postgres", port=bouncer["port"], prepared_statements=False, pool_max_size=8
    )
    async with db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS bounced")
        await conn.execute("CREATE TABLE bounced (id integer PRIMARY KEY, name text)")

    async def work(number: int) -> None:
        async with db.async_connection() as conn:
            for turn in range(5):
                row = (number * 10 + turn, f"row {number}")
                await conn.begin_transaction()
                await conn.execute("INSERT INTO bounced VALUES (?, ?)", row)
                assert (await conn.execute("SELECT ?::int, ?::text", row)) == [row]
                await conn.commit_transaction()
            ids = [(-number * 10 - turn - 1, "many") for turn in range(5)]
            await conn.executemany("INSERT INTO bounced VALUES (?, ?)", ids)

    await asyncio.gather(*(work(number) for number in range(20)))
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT count(*) FROM bounced")) == [(200,)]
        rows = [row async for row in conn.stream("SELECT id FROM bounced ORDER BY id", batch=7)]
        assert len(rows) == 200
        with pytest.raises(TimeoutError):
            await conn.execute("SELECT pg_sleep(600)", timeout=0.1)
        assert (await conn.execute("SELECT 1")) == [(1,)]
        with pytest.raises(millpond.UniqueViolationError):
            await conn.execute("INSERT INTO bounced VALUES (?, ?)", rows[0] + ("again",))
        await conn.execute("DROP TABLE bounced")


async def test_saves_that_add_fields_do_not_deadlock(databases: Any) -> None:
    """One costs the server's deadlock_timeout, a second, before the call begins anew."""
    name = entity_name()
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    async with databases.open("postgres").async_connection() as conn:
        before = (await conn.execute(count))[0][0]
    db = databases.open("postgres", application_name=name, pool_max_size=20)

    async def save(number: int) -> None:
        async with db.async_connection() as conn:
            await conn.save_entity(name, {"id": str(number), f"field_{number}": number})

    await asyncio.gather(*map(save, range(20)))
    await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=5)
    async with databases.open("postgres").async_connection() as conn:
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = ?"
        while (await conn.execute(left, (name,)))[0][0]:  # each tells its count as it goes
            await asyncio.sleep(0.01)
        assert (await conn.execute(count))[0][0] == before


async def test_bulk_saves_of_the_same_ids_in_any_order_lock_in_one(databases: Any) -> None:
    """PostgreSQL looks for deadlocks only after a second; the saves would try again after it."""
    db = databases.open("postgres")
    name = entity_name()
    ids = [f"{i:03}" for i in range(100)]

    async def save(order: list[str]) -> None:
        async with db.async_connection() as conn:
            for n in range(30):
                await conn.save_entities(name, [{"id": each, "n": n} for each in order])

    await asyncio.gather(*(save(order) for order in (ids, ids[::-1], ids[50:] + ids[:50])))
    errors = type(db).get_pool_metrics(db.hash())["errors_by_class"]
    assert "EDEADLOCK" not in errors
