"""Vitess: what vtgate does differently, and that the library copes with it."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import millpond
import pytest
import vitess_server

VSCHEMA = vitess_server.VSCHEMA


@pytest.fixture(scope="module")
def address() -> Iterator[dict[str, Any]]:
    """Two shards, and a vtgate that refuses KILL, as it does by default."""
    with vitess_server.server(2, False) as made:
        yield made


@pytest.fixture(scope="module")
def one_shard() -> Iterator[dict[str, Any]]:
    with vitess_server.server() as made:
        yield made


def open_at(address: dict[str, Any]) -> Any:
    login = f"{address['user']}:{quote(address['password'])}"
    where = f"{address['host']}:{address['port']}/{address['database']}"
    return millpond.connect(f"mysql://{login}@{where}", pool_max_size=2)


async def test_a_timeout_keeps_the_connection_where_kill_is_allowed(
    one_shard: dict[str, Any],
) -> None:
    async with open_at(one_shard) as db, db.async_connection() as conn:
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT sleep(600)", timeout=0.2)
        assert await conn.execute("SELECT 1") == [(1,)]


async def test_it_is_known_that_a_stopped_statement_has_ended_its_transaction(
    one_shard: dict[str, Any],
) -> None:
    """Or what comes next would be committed by itself."""
    async with open_at(one_shard) as db, db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS parts")
        await conn.execute("CREATE TABLE parts (id int PRIMARY KEY)")
        await conn.begin_transaction()
        await conn.execute("INSERT INTO parts (id) VALUES (1)")
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT sleep(600)", timeout=0.2)
        assert await conn.in_transaction() is False
        assert await conn.execute("SELECT count(*) FROM parts") == [(0,)]


async def test_a_timeout_costs_the_connection_where_kill_is_refused(
    address: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with open_at(address) as db:
        async with db.async_connection() as conn:
            with pytest.raises(millpond.DatabaseError):
                await conn.execute("SELECT sleep(600)", timeout=0.2)
            with pytest.raises(millpond.ConnectionLostError):
                await conn.execute("SELECT 1")
        async with db.async_connection() as conn:
            assert await conn.execute("SELECT 1") == [(1,)]
    assert "kill statement execution not permitted" in caplog.text


async def test_a_timeout_in_the_statement_keeps_the_connection_where_kill_is_refused(
    address: dict[str, Any],
) -> None:
    """vtgate ends it by itself, and before the library has to."""
    async with open_at(address) as db, db.async_connection() as conn:
        with pytest.raises(millpond.DatabaseError):
            await conn.execute("SELECT /*vt+ QUERY_TIMEOUT_MS=200 */ sleep(600)", timeout=60)
        assert await conn.execute("SELECT 1") == [(1,)]


async def test_a_read_only_transaction_refuses_writes(one_shard: dict[str, Any]) -> None:
    async with open_at(one_shard) as db, db.async_connection() as conn:
        await conn.execute("CREATE TABLE IF NOT EXISTS plain (id int PRIMARY KEY)")
        with pytest.raises(millpond.ReadOnlyError):
            async with conn.transaction(read_only=True):
                await conn.execute("INSERT INTO plain (id) VALUES (1)")


async def test_entities_are_on_both_shards(address: dict[str, Any]) -> None:
    await asyncio.to_thread(vitess_server.describe, address, VSCHEMA.format(name="person"))
    people = [{"id": f"p{n}", "name": f"Person {n}", "age": n} for n in range(40)]
    async with open_at(address) as db, db.async_connection() as conn:
        assert await conn.save_entities("person", people) == [each["id"] for each in people]
        assert (await conn.save_entity("person", {"id": "p1", "nick": "P"}))["version"] == 2
        found = await conn.find_entities("person", "age > ?", (5,), order_by="name", limit=3)
        assert [each["id"] for each in found] == ["p10", "p11", "p12"]
        assert len(await conn.find_entities("person", order_by="age", offset=30)) == 10
        counts = []
        for shard in ("-80", "80-"):
            await conn.execute(f"USE `millpond:{shard}`")
            counts += [row[0] for row in await conn.execute("SELECT count(*) FROM person")]
        await conn.execute("USE millpond")
        assert await conn.count_entities("person") == 40
    assert sum(counts) == 40
    assert min(counts) > 0


async def test_ids_that_differ_in_trailing_spaces_are_two(address: dict[str, Any]) -> None:
    """The shard is found by the bytes, so on two shards there may be both; on one there may not."""
    await asyncio.to_thread(vitess_server.describe, address, VSCHEMA.format(name="padded"))
    async with open_at(address) as db, db.async_connection() as conn:
        for n in range(20):
            await conn.save_entity("padded", {"id": f"x{n}", "n": 0})
            with contextlib.suppress(millpond.UniqueViolationError):
                await conn.save_entity("padded", {"id": f"x{n} ", "n": 1})
            assert (await conn.get_entity("padded", f"x{n}"))["n"] == 0


async def test_a_large_stream_needs_another_workload(one_shard: dict[str, Any]) -> None:
    every = "SELECT a.id, b.id FROM many a, many b"
    async with open_at(one_shard) as db, db.async_connection() as conn:
        await conn.execute("CREATE TABLE IF NOT EXISTS many (id int PRIMARY KEY)")
        await conn.execute("DELETE FROM many")
        await conn.executemany("INSERT INTO many (id) VALUES (?)", [(n,) for n in range(600)])
        await conn.execute("SET workload = 'olap'")
        async with conn.stream(every) as stream:
            assert sum([1 async for _ in stream]) == 360_000
