"""Statements that were prepared before the schema changed: same answers as if prepared now."""

import asyncio
import datetime as dt
import decimal
import uuid
from collections.abc import AsyncIterator
from typing import Any

import millpond
import pytest
from entities import entity_name
from fault_proxy import TO_CLIENT, FaultProxy

UTC = dt.UTC
AT = dt.datetime(2026, 7, 2, 3, 4, 5, tzinfo=UTC)
ZONE = "America/New_York"


@pytest.fixture
async def two(databases: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Two sessions, far from UTC: one uses a table, the other changes it."""
    db = databases.open("postgres", options=f"-c TimeZone={ZONE}")
    async with db.async_connection() as conn, db.async_connection() as other:
        yield conn, other


CHANGES = [
    # the column's type, a value for it; its type later, a value for that
    ("integer", 1, "bigint", 1 << 40),
    ("smallint", 1, "integer", 70_000),
    ("integer", 1, "numeric", decimal.Decimal("1.5")),
    ("integer", 1, "double precision", 1.5),
    ("integer", 1, "text", "007"),
    ("integer", 1, "text", "abc"),
    ("real", 0.5, "double precision", 0.1),
    ("double precision", 0.5, "numeric", decimal.Decimal("0.12345678901234567890")),
    ("double precision", 0.5, "bigint", (1 << 53) + 1),
    ("numeric", 1, "text", "1e5"),
    ("text", "a", "integer", 5),
    ("text", "a", "bytea", b"\x00\xff"),
    ("char(3)", "a", "text", "a  "),
    ("name", "a", "text", "a" * 100),
    ("boolean", True, "text", "yes"),
    ("uuid", uuid.UUID(int=1), "text", str(uuid.UUID(int=0xABC)).upper()),
    ("date", dt.date(2026, 1, 2), "timestamp", dt.datetime(2026, 1, 2, 3, 4)),
    ("date", dt.date(2026, 1, 2), "timestamptz", AT),
    ("time", dt.time(1, 2), "timestamptz", AT),
    ("timestamp", dt.datetime(2026, 1, 2), "timestamptz", AT),
    ("timestamp", AT, "timestamptz", AT),
    ("time", dt.time(1), "timetz", dt.time(1, tzinfo=UTC)),
    ("text", "a", "mood", "happy"),
    ("text[]", ["a"], "mood[]", ["happy", "sad"]),
    ("integer[]", [1], "bigint[]", [1 << 40]),
]


@pytest.mark.parametrize(("old", "before", "new", "after"), CHANGES)
@pytest.mark.parametrize("way", ["execute", "transaction", "begins", "many", "stream"])
async def test_a_changed_column_gets_what_a_new_statement_would_give_it(
    two: tuple[Any, Any], old: str, before: Any, new: str, after: Any, way: str
) -> None:
    conn, other = two
    insert = "INSERT INTO changes VALUES (?) RETURNING n"
    await other.execute("DROP TABLE IF EXISTS changes")
    await other.execute("DROP TYPE IF EXISTS mood")
    await other.execute("CREATE TYPE mood AS ENUM ('happy', 'sad')")
    await other.execute(f"CREATE TABLE changes (n {old})")
    for _ in range(2):
        await conn.execute(insert, (before,))
    await other.execute("DROP TABLE changes")
    await other.execute(f"CREATE TABLE changes (n {new})")
    expected = await other.execute("INSERT INTO changes VALUES (?) RETURNING n", (after,))
    await other.execute("DELETE FROM changes")

    async def run() -> Any:
        if way == "many":
            return await conn.executemany(insert, [(after,)])
        if way == "stream":
            return [tuple(row) async for row in conn.stream(insert, (after,))]
        return await conn.execute(insert, (after,))

    try:
        if way in ("transaction", "begins"):
            await conn.begin_transaction()
        if way == "transaction":
            await conn.execute("SELECT 1")
        rows = await run()
    except millpond.Error as error:
        # only the server can tell, and its error ends the transaction: the second try works
        assert way == "transaction", error
        assert error.retryable, error
        await conn.rollback_transaction()
        await conn.begin_transaction()
        await conn.execute("SELECT 1")
        rows = await run()
    if way in ("transaction", "begins"):
        await conn.commit_transaction()
    assert rows == expected
    assert await other.execute("SELECT n FROM changes") == expected


async def test_a_wider_column_takes_what_did_not_fit_even_in_a_transaction(
    two: tuple[Any, Any],
) -> None:
    """ALTER keeps the statement's result: nothing but its parameter has another type."""
    conn, other = two
    insert = "INSERT INTO changes VALUES (?)"
    await other.execute("DROP TABLE IF EXISTS changes")
    await other.execute("CREATE TABLE changes (n integer)")
    await conn.execute(insert, (1,))
    with pytest.raises(millpond.ValueRangeError, match="parameter 1 does not fit into an integer"):
        await conn.execute(insert, (1 << 40,))
    await other.execute("ALTER TABLE changes ALTER n TYPE bigint")
    await conn.begin_transaction()
    await conn.execute(insert, (2,))
    await conn.execute(insert, (1 << 40,))
    await conn.executemany(insert, [(3,), (1 << 41,)])
    await conn.commit_transaction()
    rows = await conn.execute("SELECT n FROM changes ORDER BY n")
    assert [row[0] for row in rows] == [1, 2, 3, 1 << 40, 1 << 41]


@pytest.mark.parametrize("value", [AT, AT.isoformat(), "2026-07-02 03:04:05"])
async def test_an_instant_is_the_same_after_a_timestamp_got_its_zone(
    two: tuple[Any, Any], value: Any
) -> None:
    conn, other = two
    insert = "INSERT INTO changes VALUES (?)"
    await other.execute("DROP TABLE IF EXISTS changes")
    await other.execute("CREATE TABLE changes (n timestamp)")
    await conn.execute(insert, (value,))
    await other.execute("ALTER TABLE changes ALTER n TYPE timestamptz")
    await other.execute("TRUNCATE changes")
    await conn.execute(insert, (value,))
    await conn.executemany(insert, [(value,), (value,)])
    await other.execute(insert, (value,))
    rows = await other.execute("SELECT DISTINCT n FROM changes")
    assert len(rows) == 1
    if value is AT:
        assert rows == [(AT,)]


async def test_an_enum_made_anew_is_taken(two: tuple[Any, Any]) -> None:
    conn, other = two
    await other.execute("DROP TABLE IF EXISTS moods")
    insert = "INSERT INTO moods VALUES (?)"
    select = "SELECT count(*) FROM moods WHERE m = ?"
    for label in ("happy", "sad"):
        await other.execute("DROP TABLE IF EXISTS moods")
        await other.execute("DROP TYPE IF EXISTS mood")
        await other.execute(f"CREATE TYPE mood AS ENUM ('{label}')")
        await other.execute("CREATE TABLE moods (m mood)")
        await conn.execute(insert, (label,))
        await conn.executemany(insert, [(label,), (label,)])
        assert await conn.execute(select, (label,)) == [(3,)]


async def test_each_search_path_has_its_own_statements(databases: Any) -> None:
    """Outside a transaction and inside one, set for good or until its end."""
    name = entity_name().lower()
    db = databases.open("postgres")
    schemas = [f"{name}_{i}" for i in range(2)]
    async with db.async_connection() as conn:
        for i, schema in enumerate(schemas):
            await conn.execute(f"CREATE SCHEMA {schema}")
            await conn.execute(f"CREATE TYPE {schema}.mood AS ENUM ('m{i}')")
            await conn.execute(
                f"CREATE TABLE {schema}.moods (n {['integer', 'text'][i]}, m {schema}.mood)"
            )
    async with db.async_connection() as conn:
        for _ in range(3):
            for i, schema in enumerate(schemas):
                value = (7, "seven")[i]
                insert = "INSERT INTO moods VALUES (?, ?) RETURNING n, m"
                await conn.execute(f"SET search_path TO {schema}")
                assert await conn.execute(insert, (value, f"m{i}")) == [(value, f"m{i}")]
                await conn.execute("SET search_path TO DEFAULT")
                for set_it in (
                    "SET LOCAL search_path TO " + schema,
                    f"SELECT set_config('search_path', '{schema}', true)",
                ):
                    await conn.begin_transaction()
                    await conn.execute(set_it)
                    assert await conn.execute(insert, (value, f"m{i}")) == [(value, f"m{i}")]
                    await conn.executemany(insert, [(value, f"m{i}")])
                    await conn.rollback_transaction()
        for schema in schemas:
            await conn.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.parametrize("error", ["result", "gone"])
async def test_a_stale_statement_in_a_transaction_may_be_tried_again(
    two: tuple[Any, Any], error: str
) -> None:
    conn, other = two
    await other.execute("DROP TABLE IF EXISTS changes")
    await other.execute("CREATE TABLE changes (n integer)")
    await conn.execute("SELECT * FROM changes")
    if error == "result":
        await other.execute("ALTER TABLE changes ADD COLUMN more text")
    else:
        await conn.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
    await conn.begin_transaction()
    await conn.execute("SELECT 'in it'")
    with pytest.raises(millpond.Error) as caught:
        await conn.execute("SELECT * FROM changes")
    assert caught.value.retryable
    await conn.rollback_transaction()
    await conn.begin_transaction()
    await conn.execute("SELECT 'in it'")
    assert await conn.execute("SELECT * FROM changes") == []
    await conn.rollback_transaction()


async def test_a_wrong_value_is_an_error_once_and_executed_once(two: tuple[Any, Any]) -> None:
    conn, other = two
    await conn.execute("DROP TABLE IF EXISTS changes")
    await conn.execute("DROP SEQUENCE IF EXISTS tries")
    await conn.execute("CREATE SEQUENCE tries")
    await conn.execute("CREATE TABLE changes (i inet, n bigint DEFAULT nextval('tries'))")
    insert = "INSERT INTO changes (i) VALUES (?) RETURNING nextval('tries')"
    await conn.execute(insert, ("10.0.0.1",))
    divide = "SELECT nextval('tries'), 2000000000::int + ?::int"
    await conn.execute(divide, (1,))
    before = (await other.execute("SELECT last_value FROM tries"))[0][0]
    with pytest.raises(millpond.ValueRangeError):
        await conn.execute(divide, (2_000_000_000,))
    after = (await other.execute("SELECT last_value FROM tries"))[0][0]
    assert after - before <= 1
    for _ in range(3):
        with pytest.raises(millpond.InvalidDataError):
            await conn.execute(insert, ("no address",))
    assert await conn.execute("SELECT count(*) FROM changes") == [(1,)]


@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "DISCARD ALL"])
async def test_evictions_after_a_users_deallocate_all_leave_the_transaction_alone(
    databases: Any, forget: str
) -> None:
    db = databases.open("postgres", statement_cache_size=2, statement_cache_max_size=2)
    async with db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS changes")
        await conn.execute("CREATE TABLE changes (n integer)")
        for sql in ("SELECT 1", "SELECT 2", "SELECT 3"):
            await conn.execute(sql)
        await conn.execute(forget)
        await conn.begin_transaction()
        await conn.execute("INSERT INTO changes VALUES (1)")
        for i in (3, 1, 2, 4, 5, 3):
            assert (await conn.execute(f"SELECT {i}")) == [(i,)]
        if forget == "DEALLOCATE ALL":
            await conn.execute(forget)
            assert (await conn.execute("SELECT 3")) == [(3,)]
            assert (await conn.executemany("INSERT INTO changes VALUES (?)", [(2,)])) == []
        await conn.commit_transaction()
        assert (await conn.execute("SELECT count(*) > 0 FROM changes")) == [(True,)]


@pytest.mark.parametrize("count", [7_498, 7_499, 20_000, 65_535])
async def test_65535_parameters_work(databases: Any, count: int) -> None:
    values = tuple(range(count))
    marks = ", ".join("?" * count)
    async with databases.open("postgres").async_connection() as conn:
        for _ in range(2):
            rows = await conn.execute(f"SELECT count(*) FROM unnest(ARRAY[{marks}]) n", values)
            assert rows == [(count,)]
        sql = f"SELECT x FROM generate_series(1, 5) x WHERE x IN ({marks})"
        assert len([row async for row in conn.stream(sql, values)]) == 5
        await conn.execute("CREATE TEMP TABLE many (n bigint, j json, b bytea)")
        rows_of_three = count // 3
        insert = "INSERT INTO many VALUES " + ", ".join(["(?, ?, ?)"] * rows_of_three)
        flat = [each for i in range(rows_of_three) for each in (i, [i], bytes([i % 256]))]
        await conn.execute(insert, flat)
        rows = await conn.execute("SELECT sum(n), count(DISTINCT j::text) FROM many")
        assert rows == [(rows_of_three * (rows_of_three - 1) // 2, rows_of_three)]
        async with asyncio.timeout(60):
            await conn.begin_transaction()
            await conn.execute(insert, flat)
            await conn.rollback_transaction()


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize("how", ["close", "reset", "silence"])
async def test_a_failure_while_preparing_is_never_an_unknown_outcome(
    databases: Any, postgres: dict[str, Any], mysql: dict[str, Any], kind: str, how: str
) -> None:
    server = {"postgres": postgres, "mysql": mysql}[kind]
    with FaultProxy(server["host"], server["port"]) as proxy:
        db = databases.open(kind, host="127.0.0.1", port=proxy.port, pool_max_size=1)
        async with db.async_connection() as conn:
            await conn.execute("DROP TABLE IF EXISTS prepared_once")
            await conn.execute("CREATE TABLE prepared_once (n int)")
            assert await conn.execute("SELECT 1") == [(1,)]
            proxy.cut(TO_CLIENT, 0, how)
            with pytest.raises((millpond.ConnectionLostError, TimeoutError)) as caught:
                await conn.execute("INSERT INTO prepared_once VALUES (?)", (1,), timeout=2)
            assert not isinstance(caught.value, millpond.UnknownOutcomeError)
            assert how == "silence" or "before the statement was sent" in str(caught.value)
            await conn.close()
    async with databases.open(kind).async_connection() as conn:
        assert await conn.execute("SELECT count(*) FROM prepared_once") == [(0,)]


async def test_too_many_parameters_are_refused(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.ParameterError, match="65536"):
            await conn.execute(f"SELECT {', '.join('?' * 65536)}", tuple(range(65536)))
        assert await conn.execute("SELECT 1") == [(1,)]
