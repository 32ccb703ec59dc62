"""What transactions cost on a slow network: round trips, counted by a relay before the server."""

from collections.abc import Iterator
from typing import Any

import millpond
import pytest
from round_trips import RoundTrips

UPDATE = "UPDATE trips SET n = n + 1 WHERE id = ?"


@pytest.fixture
def relay(postgres: dict[str, Any]) -> Iterator[RoundTrips]:
    with RoundTrips(postgres["host"], postgres["port"]) as relay:
        yield relay


@pytest.fixture
def db(databases: Any, relay: RoundTrips) -> Any:
    return databases.open("postgres", host="127.0.0.1", port=relay.port, pool_max_size=1)


@pytest.fixture
async def conn(db: Any) -> Any:
    """A connection on which the statements have been prepared."""
    async with db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS trips")
        await conn.execute("CREATE TABLE trips (id int PRIMARY KEY, n int)")
        await conn.execute("INSERT INTO trips VALUES (1, 0)")
        await conn.execute(UPDATE, (1,))
        await conn.execute("SELECT n FROM trips")
        yield conn


async def test_begin_goes_with_the_first_statement(conn: Any, relay: RoundTrips) -> None:
    before = relay.count
    await conn.begin_transaction()
    assert await conn.in_transaction()
    assert relay.count == before
    await conn.execute(UPDATE, (1,))
    assert relay.count == before + 1
    await conn.execute(UPDATE, (1,))
    await conn.rollback_transaction()
    assert relay.count == before + 3
    assert not await conn.in_transaction()
    assert await conn.execute("SELECT n FROM trips") == [(1,)]


async def test_the_first_statement_may_be_one_that_is_not_prepared(conn: Any) -> None:
    for statement in ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT n + 1 FROM trips"):
        await conn.begin_transaction()
        await conn.execute(statement)
        assert await conn.in_transaction()
        await conn.rollback_transaction()
    await conn.begin_transaction()
    await conn.executemany("INSERT INTO trips VALUES (?, ?)", [(2, 0), (3, 0)])
    await conn.rollback_transaction()
    await conn.begin_transaction()
    assert [row async for row in conn.stream("SELECT id FROM trips")] == [(1,)]
    assert await conn.in_transaction()
    await conn.commit_transaction()


async def test_a_transaction_without_statements_costs_nothing(conn: Any, relay: RoundTrips) -> None:
    before = relay.count
    await conn.begin_transaction()
    await conn.commit_transaction()
    await conn.begin_transaction()
    await conn.rollback_transaction()
    assert not await conn.in_transaction()
    assert relay.count == before
    with pytest.raises(millpond.TransactionStateError):
        await conn.commit_transaction()


async def test_a_first_statement_that_fails_leaves_the_transaction_to_be_rolled_back(
    conn: Any,
) -> None:
    insert = "INSERT INTO trips VALUES (?, 0)"
    await conn.execute(insert, (7,))
    await conn.begin_transaction()
    with pytest.raises(millpond.UniqueViolationError):
        await conn.execute(insert, (7,))
    assert await conn.in_transaction()
    await conn.rollback_transaction()
    await conn.begin_transaction()
    with pytest.raises(millpond.ParameterError):
        await conn.execute(insert, ())  # nothing was sent: it has not begun yet
    await conn.execute(insert, (8,))
    await conn.rollback_transaction()
    assert await conn.execute("SELECT id FROM trips ORDER BY id") == [(1,), (7,)]


async def test_a_timeout_of_the_first_statement_stops_it(conn: Any) -> None:
    sleep = "SELECT pg_sleep(?)"
    await conn.execute(sleep, (0,))
    await conn.begin_transaction()
    with pytest.raises(millpond.QueryTimeoutError):
        await conn.execute(sleep, (600,), timeout=0.2)
    assert await conn.in_transaction()
    await conn.rollback_transaction()
    assert await conn.execute("SELECT n FROM trips") == [(1,)]


async def test_a_release_before_the_first_statement_is_a_clean_one(
    db: Any, relay: RoundTrips
) -> None:
    async with db.async_connection() as conn:
        await conn.begin_transaction()
        before = relay.count
    async with db.async_connection() as again:
        assert not await again.in_transaction()
    assert relay.count == before


async def test_a_stale_plan_is_not_noticed_in_a_transactions_first_statement(
    conn: Any, databases: Any
) -> None:
    select = "SELECT * FROM trips"
    assert await conn.execute(select) == [(1, 1)]
    async with databases.open("postgres").async_connection() as other:
        await other.execute("ALTER TABLE trips ADD COLUMN more text DEFAULT 'x'")
    await conn.begin_transaction()
    assert await conn.execute(select) == [(1, 1, "x")]
    assert await conn.in_transaction()
    await conn.rollback_transaction()
