"""Values go in and come out as they were."""

import datetime as dt
import decimal
import math
import uuid
from typing import Any

import millpond
import pytest
from millpond import Interval

UTC = dt.UTC
SOME_UUID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")


@pytest.fixture
def has_returning(kind: str, mysql: dict[str, Any]) -> None:
    if kind == "mysql" and mysql["server"] == "MySQL":
        pytest.skip("MySQL has no RETURNING")


POSTGRES_VALUES = [
    ("bool", True),
    ("smallint", -(2**15)),
    ("integer", 2**31 - 1),
    ("bigint", 2**63 - 1),
    ("bigint", -(2**63)),
    ("real", 1.5),
    ("double precision", 1e308),
    ("double precision", math.inf),
    ("numeric", decimal.Decimal("12345678901234567890123456789012345678.000000000010")),
    ("numeric", decimal.Decimal("-0.0001")),
    ("numeric", decimal.Decimal("0")),
    ("numeric", decimal.Decimal("1E+20") + 0),
    ("text", ""),
    ("text", "héllo 😀"),
    ("text", "x" * 1_000_000),
    ("bytea", b""),
    ("bytea", bytes(range(256)) * 4096),
    ("date", dt.date(1, 1, 1)),
    ("date", dt.date(9999, 12, 31)),
    ("time", dt.time(23, 59, 59, 999999)),
    ("timestamp", dt.datetime(1, 1, 1)),
    ("timestamp", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamptz", dt.datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=UTC)),
    ("timestamptz", dt.datetime(1900, 2, 28, 23, 0, tzinfo=UTC)),
    ("interval", dt.timedelta(days=-3, microseconds=1)),
    ("interval", Interval(months=14, days=2, microseconds=7)),
    ("uuid", SOME_UUID),
    ("json", {"a": [1, 2.5, None, "ü"]}),
    ("jsonb", {"a": {"b": True}}),
    ("integer[]", [1, None, 3]),
    ("integer[]", [[1, 2], [3, 4]]),
    ("integer[]", []),
    ("text[]", ['a "b" \\ c', "", "{},", "NULL"]),
    ("uuid[]", [SOME_UUID]),
    ("numeric[]", [decimal.Decimal("1.10")]),
    ("timestamptz[]", [dt.datetime(2026, 1, 1, tzinfo=UTC)]),
    ("timetz", dt.time(1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30)))),
    ("timetz", dt.time(1, 2, tzinfo=UTC)),
    (
        "timetz[]",
        [dt.time(1, 2, tzinfo=UTC), dt.time(3, tzinfo=dt.timezone(dt.timedelta(hours=1)))],
    ),
    ("interval", Interval(months=-25, days=3, microseconds=-3_600_000_001)),
    ("interval", dt.timedelta(0)),
    ("interval", dt.timedelta(hours=1000, microseconds=-1)),
    ("interval[]", [dt.timedelta(days=1), None, Interval(months=-1)]),
    ("bytea[]", [b"\\\x00{}", b""]),
    ("boolean[]", [[True], [None]]),
    ("float8[]", [1.5, math.inf]),
    ("jsonb[]", [{"a": '"}{,'}]),
    ("text[]", [[["a"], ["b\n"]], [["c"], [" "]]]),
]


@pytest.mark.parametrize(("sql_type", "value"), POSTGRES_VALUES)
@pytest.mark.parametrize("prepared", [True, False], ids=["binary", "text"])
async def test_postgres_keeps_a_value(
    databases: Any, sql_type: str, value: Any, prepared: bool
) -> None:
    db = databases.open("postgres", prepared_statements=prepared)
    async with db.async_connection() as conn:
        for parameter in (value, None):
            rows = await conn.execute(f"SELECT ?::{sql_type}", (parameter,))
            assert rows == [(parameter,)]
            assert type(rows[0][0]) is type(parameter)


async def test_postgres_text_results_are_the_same_where_one_column_needs_text(
    databases: Any,
) -> None:
    """A range has no binary form that the driver knows, so the whole result comes as text."""
    columns = [
        ("bool", True),
        ("bigint", -5),
        ("double precision", 2.5),
        ("numeric", decimal.Decimal("1.50")),
        ("text", "a'b"),
        ("bytea", b"\x00\xff"),
        ("date", dt.date(2026, 1, 2)),
        ("time", dt.time(1, 2, 3)),
        ("timestamp", dt.datetime(2026, 1, 2, 3, 4, 5, 6)),
        ("timestamptz", dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("uuid", SOME_UUID),
        ("jsonb", {"a": 1}),
    ]
    sql = ", ".join(f"?::{sql_type}" for sql_type, _ in columns)
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute(
            f"SELECT {sql}, int4range(1, 5)", tuple(value for _, value in columns)
        )
    assert rows == [(*(value for _, value in columns), "[1,5)")]


async def test_postgres_is_lenient_about_types(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute(
            "SELECT ?::text, ?::integer, ?::date, ?::numeric, ?::float8, ?::uuid, ?::bool",
            (7, "8", "2026-01-02", 9, 10, str(SOME_UUID), 1),
        )
    decoded = (
        "7",
        8,
        dt.date(2026, 1, 2),
        decimal.Decimal(9),
        10.0,
        SOME_UUID,
        True,
    )
    assert rows == [decoded]


async def test_postgres_without_prepared_statements_gives_the_same(databases: Any) -> None:
    db = databases.open("postgres", prepared_statements=False)
    async with db.async_connection() as conn:
        rows = await conn.execute(
            "SELECT ?::integer, ?::text, ?::bytea, ?::timestamptz",
            (1, "a", b"\x00", dt.datetime(2026, 1, 1, tzinfo=UTC)),
        )
        assert rows == [(1, "a", b"\x00", dt.datetime(2026, 1, 1, tzinfo=UTC))]
        await conn.execute("CREATE TEMPORARY TABLE many (n integer)")
        await conn.executemany("INSERT INTO many VALUES (?)", [(i,) for i in range(10)])
        assert (await conn.execute("SELECT sum(n) FROM many")) == [(45,)]
        assert (await conn.execute("SELECT count(*) FROM pg_prepared_statements")) == [(0,)]


@pytest.mark.parametrize("sql_type", ["integer", "bytea", "text", "uuid", "date"])
async def test_postgres_refuses_what_cannot_be_right(databases: Any, sql_type: str) -> None:
    wrong = "text" if sql_type == "bytea" else b"bytes"
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.ParameterError, match="parameter 1 is "):
            await conn.execute(f"SELECT ?::{sql_type}", (wrong,))


async def test_infinite_dates_are_a_clear_error(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.InvalidDataError, match='column "d" of row 0: .*infinity'):
            await conn.execute("SELECT 'infinity'::date AS d")
        assert (await conn.execute("SELECT 1")) == [(1,)]


async def test_midnight_as_24_oclock_is_a_clear_error(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.InvalidDataError, match='column "t" of row 0: .*24:00'):
            await conn.execute("SELECT '24:00'::time AS t")
        assert (await conn.execute("SELECT '23:59'::time")) == [(dt.time(23, 59),)]


async def test_a_time_in_utc_stays_there_whatever_the_sessions_zone(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute("SET TIME ZONE 'Europe/Berlin'")
        at = dt.time(1, 2, tzinfo=UTC)
        assert await conn.fetch_value("SELECT ?::timetz", (at,)) == at
        assert await conn.fetch_value("SELECT (?::timetz)::text", (at,)) == "01:02:00+00"


@pytest.mark.parametrize(
    "zone, text",
    [(UTC, "+00:00"), (dt.timezone(dt.timedelta(hours=5, minutes=30)), "+05:30"), (None, "")],
)
async def test_sqlite_writes_the_zone_of_a_time(databases: Any, zone: Any, text: str) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        at = dt.time(1, 2, tzinfo=zone)
        assert await conn.fetch_value("SELECT ?", (at,)) == "01:02:00" + text


async def test_mysql_refuses_a_time_with_any_zone(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="zone"):
            await conn.execute("SELECT ?", (dt.time(1, 2, tzinfo=UTC),))


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite"])
async def test_a_time_with_a_zone_of_fractions_is_refused(databases: Any, kind: str) -> None:
    zone = dt.timezone(dt.timedelta(microseconds=1))
    async with databases.open(kind).async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="fraction of a second"):
            await conn.execute("SELECT ?", (dt.time(1, 2, tzinfo=zone),))


async def test_nan_comes_back_as_nan(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute("SELECT ?::double precision, ?::numeric", (math.nan, math.nan))
    assert math.isnan(rows[0][0])
    assert rows[0][1].is_nan()


SQLITE_VALUES = [
    ("boolean", True),
    ("integer", 2**63 - 1),
    ("integer", -(2**63)),
    ("real", 1e308),
    ("real", -math.inf),
    ("text", ""),
    ("text", "héllo 😀"),
    ("text", "x" * 1_000_000),
    ("blob", b""),
    ("blob", bytes(range(256)) * 4096),
    ("date", dt.date(1, 1, 1)),
    ("date", dt.date(9999, 12, 31)),
    ("time", dt.time(23, 59, 59, 999999)),
    ("timestamp", dt.datetime(1, 1, 1)),
    ("datetime", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamptz", dt.datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=UTC)),
    ("uuid", SOME_UUID),
    ("json", {"a": [1, 2.5, None, "ü"]}),
    ("json", [1, [2, "x"], None]),
    ("decimal(10, 2)", decimal.Decimal("12.5")),
]


@pytest.mark.parametrize(("sql_type", "value"), SQLITE_VALUES)
async def test_sqlite_keeps_a_value_of_a_declared_type(
    databases: Any, sql_type: str, value: Any
) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        await conn.execute(f"CREATE TABLE kept (value {sql_type})")
        await conn.executemany("INSERT INTO kept VALUES (?)", [(value,), (None,)])
        for _ in range(3):  # on the worker, then on the loop's own thread
            rows = await conn.execute("SELECT value FROM kept ORDER BY rowid")
            assert rows == [(value,), (None,)]
            assert type(rows[0][0]) is type(value)


async def test_sqlite_returns_what_does_not_fit_its_declared_type_as_stored(
    databases: Any,
) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        await conn.execute("CREATE TABLE odd (d date, u uuid, b boolean, j json)")
        await conn.execute("INSERT INTO odd VALUES ('soon', 'none', 7, '{')")
        assert (await conn.execute("SELECT * FROM odd")) == [("soon", "none", 7, "{")]


async def test_sqlite_refuses_nan_instead_of_storing_null(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="parameter 1 is not a number"):
            await conn.execute("SELECT ?", (math.nan,))


async def test_rows_are_tuples_in_a_list_that_knows_more(items: str, conn: Any) -> None:
    inserted = await conn.execute("INSERT INTO items VALUES (?, ?, ?)", (5, "five", 1))
    assert (inserted, inserted.rowcount, inserted.columns) == ([], 1, ())
    rows = await conn.execute("SELECT id, name AS title FROM items")
    assert isinstance(rows, list)
    assert (rows, rows.columns, rows.rowcount) == ([(5, "five")], ("id", "title"), 1)
    updated = await conn.execute("UPDATE items SET size = 2 WHERE id > ?", (100,))
    assert updated.rowcount == 0
    rows.append((6, "six"))
    assert len(rows) == 2


@pytest.mark.usefixtures("has_returning")
async def test_returning_gives_rows(items: str, conn: Any) -> None:
    rows = await conn.execute("INSERT INTO items VALUES (?, ?, ?) RETURNING id", (5, "five", 1))
    assert (rows, rows.rowcount) == ([(5,)], 1)


async def test_executemany_is_all_or_nothing_and_names_the_row(items: str, conn: Any) -> None:
    rows = [(1, "a", 1), (2, "b", 1), (1, "again", 1), (4, "d", 1)]
    with pytest.raises(millpond.UniqueViolationError, match="row 2: "):
        await conn.executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
    assert (await conn.execute("SELECT count(*) FROM items")) == [(0,)]
    assert await conn.in_transaction() is False
    with pytest.raises(millpond.ParameterError, match="row 1 has 2 parameters, but row 0 has 3"):
        await conn.executemany("INSERT INTO items VALUES (?, ?, ?)", [(1, "a", 1), (2, "b")])
    with pytest.raises(millpond.ParameterError, match="row 1: parameter 3 has the type object"):
        await conn.executemany(
            "INSERT INTO items VALUES (?, ?, ?)", [(1, "a", 1), (2, "b", object())]
        )
    assert (await conn.execute("SELECT count(*) FROM items")) == [(0,)]


async def test_executemany_joins_an_open_transaction(items: str, conn: Any) -> None:
    await conn.begin_transaction()
    result = await conn.executemany(
        "INSERT INTO items VALUES (?, ?, ?)", [(i, "x", 1) for i in range(1, 2001)]
    )
    assert result.rowcount == 2000
    assert await conn.in_transaction() is True
    await conn.rollback_transaction()
    assert (await conn.execute("SELECT count(*) FROM items")) == [(0,)]


@pytest.mark.usefixtures("has_returning")
async def test_executemany_returns_the_rows_of_all(items: str, conn: Any) -> None:
    rows = await conn.executemany(
        "INSERT INTO items VALUES (?, ?, ?) RETURNING id", [(i, "x", 1) for i in range(300)]
    )
    assert rows == [(i,) for i in range(300)]


async def test_executemany_of_nothing_does_nothing(items: str, conn: Any) -> None:
    assert (await conn.executemany("INSERT INTO items VALUES (?, ?, ?)", [])) == []


async def test_executemany_that_cannot_be_encoded_midway_leaves_nothing(
    databases: Any,
) -> None:
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS small")
        await conn.execute("CREATE TABLE small (n smallint)")
        rows = [(i,) for i in range(1000)] + [(40000,)] + [(1,)] * 1000
        with pytest.raises(millpond.ValueRangeError, match="row 1000: parameter 1"):
            await conn.executemany("INSERT INTO small VALUES (?)", rows)
        assert (await conn.execute("SELECT count(*) FROM small")) == [(0,)]


async def test_a_changed_table_is_read_anew(kind: str, databases: Any) -> None:
    db = databases.open(kind)
    async with db.async_connection() as conn, db.async_connection() as other:
        await conn.execute("DROP TABLE IF EXISTS grows")
        await conn.execute("CREATE TABLE grows (a integer)")
        await conn.execute("INSERT INTO grows VALUES (1)")
        for _ in range(3):
            assert (await conn.execute("SELECT * FROM grows")) == [(1,)]
        await other.execute("ALTER TABLE grows ADD COLUMN b text")
        rows = await conn.execute("SELECT * FROM grows")
        assert (rows, rows.columns) == ([(1, None)], ("a", "b"))


async def test_evicted_statements_leave_the_server(databases: Any) -> None:
    db = databases.open("postgres", statement_cache_size=5)
    async with db.async_connection() as conn:
        for i in range(50):
            assert (await conn.execute(f"SELECT {i}")) == [(i,)]
        left = await conn.execute("SELECT count(*) FROM pg_prepared_statements")
    assert left[0][0] <= 7


async def test_deallocate_all_does_not_disturb_later_statements(databases: Any) -> None:
    db = databases.open("postgres", statement_cache_size=2)
    async with db.async_connection() as conn:
        for sql in ("SELECT 1", "SELECT 2", "SELECT 3"):
            await conn.execute(sql)
        await conn.execute("DEALLOCATE ALL")
        for i in (1, 2, 3, 1, 4, 5):
            assert (await conn.execute(f"SELECT {i}")) == [(i,)]


async def test_deallocate_all_does_not_disturb_later_statements_of_many_rows(
    databases: Any,
) -> None:
    insert = "INSERT INTO many VALUES (?) RETURNING n"
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute("CREATE TEMP TABLE many (n int)")
        await conn.executemany(insert, [(1,), (2,)])
        await conn.execute("DEALLOCATE ALL")
        assert (await conn.executemany(insert, [(3,), (4,)])) == [(3,), (4,)]
        await conn.execute("DEALLOCATE ALL")
        await conn.begin_transaction()
        await conn.execute("SELECT 1")
        assert (await conn.executemany(insert, [(5,)])) == [(5,)]
        await conn.execute("DEALLOCATE ALL")
        assert (await conn.executemany(insert, [(6,)])) == [(6,)]
        await conn.commit_transaction()
        assert (await conn.execute("SELECT max(n), count(*) FROM many")) == [(6, 6)]


async def test_a_memory_database_is_shared_by_the_pool(databases: Any) -> None:
    db = databases.open("sqlite", database=":memory:")
    async with db.async_connection() as one, db.async_connection() as two:
        await one.execute("CREATE TABLE shared (n integer)")
        await one.execute("INSERT INTO shared VALUES (1)")
        assert (await two.execute("SELECT n FROM shared")) == [(1,)]


async def test_writers_of_one_process_never_see_a_locked_database(databases: Any) -> None:
    import asyncio

    db = databases.open("sqlite")
    async with db.async_connection() as conn:
        await conn.execute("CREATE TABLE counter (n integer)")
        await conn.execute("INSERT INTO counter VALUES (0)")

    async def add(i: int) -> None:
        async with db.async_connection() as conn:
            if i % 2:
                await conn.begin_transaction()
                n = (await conn.execute("SELECT n FROM counter"))[0][0]
                await conn.execute("UPDATE counter SET n = ?", (n + 1,))
                await conn.commit_transaction()
            else:
                await conn.execute("UPDATE counter SET n = n + 1")

    await asyncio.gather(*(add(i) for i in range(100)))
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT n FROM counter")) == [(100,)]
