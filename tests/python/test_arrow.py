"""Rows in Arrow's form: what pyarrow, polars, pandas and duckdb make of them."""

import datetime as dt
import decimal
import gc
import uuid
from typing import Any

import duckdb
import millpond
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The library's own drivers."""
    return str(request.param)


COLUMNS = {
    "sqlite": "n bigint, x double precision, t text, b blob, d date, s timestamp, z timestamptz, "
    "c time, p decimal_text(20, 4), f boolean, u uuid, j json",
    "postgres": "n bigint, x double precision, t text, b bytea, d date, s timestamp, "
    "z timestamptz, c time, p numeric(20, 4), f boolean, u uuid, j jsonb",
    "mysql": "n bigint, x double, t text, b blob, d date, s datetime(6), z datetime(6), "
    "c time(6), p decimal(20, 4), f boolean, u varchar(36), j json",
}
NAMES = ["n", "x", "t", "b", "d", "s", "z", "c", "p", "f", "u", "j"]
UUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")


@pytest.fixture
async def every(db: Any, conn: Any, kind: str) -> list[tuple[Any, ...]]:
    """A table `every` with a column of each type: a row of values and a row of NULLs."""
    zone = None if kind == "mysql" else dt.UTC
    moment = dt.datetime(2024, 2, 29, 12, 30, 15, 123456)
    row = (
        2**62,
        -0.5,
        "grün",
        b"\x00\xff",
        dt.date(1969, 12, 31),
        moment,
        moment.replace(tzinfo=zone),
        dt.time(23, 59, 59, 999999),
        decimal.Decimal("-1234567890123456.7890"),
        True,
        str(UUID) if kind == "mysql" else UUID,
        {"a": [1, None]},
    )
    await conn.execute("DROP TABLE IF EXISTS every")
    await conn.execute(f"CREATE TABLE every ({COLUMNS[kind]})")
    marks = ", ".join("?" * len(row))
    await conn.execute(f"INSERT INTO every VALUES ({marks})", row)
    await conn.execute(f"INSERT INTO every VALUES ({marks})", (None,) * len(row))
    return [row, (None,) * len(row)]


SELECT = "SELECT * FROM every ORDER BY n IS NULL"


async def test_pyarrow_has_each_type_and_value(every: Any, conn: Any, kind: str) -> None:
    result = await conn.fetch_arrow(SELECT)
    assert (result.columns, result.num_rows, len(result)) == (tuple(NAMES), 2, 2)
    table = pa.table(result)
    table.validate(full=True)
    zoned = pa.timestamp("us") if kind == "mysql" else pa.timestamp("us", "UTC")
    kept = {
        "n": pa.int64(),
        "x": pa.float64(),
        "t": pa.large_string(),
        "b": pa.large_binary(),
        "d": pa.date32(),
        "s": pa.timestamp("us"),
        "z": zoned,
        "c": pa.time64("us"),
        "p": pa.decimal128(38, 4),
        "f": pa.bool_(),
        "u": pa.large_string() if kind == "mysql" else pa.uuid(),
        "j": pa.json_(pa.large_utf8()),
    }
    assert {field.name: field.type for field in table.schema} == kept
    rows = [tuple(row.values()) for row in table.to_pylist()]
    assert rows[1] == every[1]
    assert rows[0][:-1] == every[0][:-1]
    assert rows[0][-1].replace(" ", "") == '{"a":[1,null]}'
    assert pa.schema(result) == table.schema


async def test_columns_without_values_have_the_types_of_the_database(
    every: Any, conn: Any, kind: str
) -> None:
    full = pa.table(await conn.fetch_arrow(SELECT)).schema
    for condition in ("n IS NULL", "1 = 0"):
        sql = f"SELECT * FROM every WHERE {condition}"
        empty = pa.table(await conn.fetch_arrow(sql)).schema
        same = [name for name in NAMES if name != "p"]  # a decimal's scale is that of its values
        assert [empty.field(n).type for n in same] == [full.field(n).type for n in same]
        assert pa.types.is_decimal(empty.field("p").type)


async def test_polars_pandas_and_duckdb_take_it(every: Any, conn: Any) -> None:
    names = "n, x, t, b, d, s, c, p, f"  # types that all of them have
    result = await conn.fetch_arrow(f"SELECT {names} FROM every ORDER BY n IS NULL")
    wanted = every[0][:6] + every[0][7:10]
    assert pl.DataFrame(result).row(0) == wanted
    frame = pa.table(result).to_pandas()
    assert frame["n"][0] == wanted[0]
    assert pd.DataFrame.from_arrow(result)["t"][0] == "grün"
    found = duckdb.sql("SELECT * FROM result ORDER BY n IS NULL").fetchall()
    assert found[0] == wanted
    assert set(found[1]) == {None}


async def test_many_rows_come_in_batches(conn: Any, kind: str, databases: Any) -> None:
    series = (
        "SELECT i AS n, 'row' AS t FROM generate_series(0, 199999) AS g(i)"
        if kind == "postgres"
        else "WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < 199999) "
        "SELECT i AS n, 'row' AS t FROM g"
    )
    if kind == "mysql":
        recursion = "max_recursive_iterations"
        if "MariaDB" not in (await conn.get_version_details())["db_server_version"]:
            recursion = "cte_max_recursion_depth"
        await conn.execute(f"SET SESSION {recursion} = 1000000")
    result = await conn.fetch_arrow(series)
    reader = pa.RecordBatchReader.from_stream(result)
    sizes = [batch.num_rows for batch in reader]
    assert sizes == [65536, 65536, 65536, 200000 - 3 * 65536]
    assert pa.table(result).column("n").to_pylist() == list(range(200000))
    await conn.close()  # and the session's setting with it


async def test_it_can_be_read_again_and_outlives_its_connection(db: Any) -> None:
    async with db.async_connection() as conn:
        result = await conn.fetch_arrow("SELECT 0 + ? AS a", (1,), timeout=5, tags={"x": 1})
    await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=5)
    first = pa.table(result)
    table = pa.table(result)
    stream = pa.RecordBatchReader.from_stream(result)
    del result
    gc.collect()
    assert first.column("a").to_pylist() == table.column("a").to_pylist() == [1]
    assert stream.read_all().column("a").to_pylist() == [1]


async def test_errors_are_those_of_execute(conn: Any, kind: str) -> None:
    with pytest.raises(millpond.UndefinedObjectError):
        await conn.fetch_arrow("SELECT * FROM no_such_table")
    with pytest.raises(millpond.ParameterError):
        await conn.fetch_arrow("SELECT ?", ())


def test_the_same_works_without_asyncio(db: Any, every: Any) -> None:
    with db.sync_connection() as conn:
        assert pa.table(conn.fetch_arrow(SELECT)).column("t").to_pylist() == ["grün", None]
        with pytest.raises(millpond.SqlSyntaxError):
            conn.fetch_arrow("SELECT FROM WHERE")


async def test_a_statement_without_rows_has_no_columns(items: str, conn: Any) -> None:
    result = await conn.fetch_arrow("INSERT INTO items (id, name) VALUES (1, 'x')")
    assert (result.columns, len(result)) == ((), 0)
    assert pa.table(result).num_columns == 0


async def test_arrays_intervals_and_wide_numbers_of_postgres(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        result = await conn.fetch_arrow(
            "SELECT ARRAY[1, NULL, 3] AS a, '{}'::text[] AS e, "
            "ARRAY[['x', 'y'], ['z', 'w']] AS n, interval '1 day 2 hours' AS i, "
            "interval '1 month 1 day' AS m, 1e60::numeric(70, 3) AS w"
        )
    table = pa.table(result)
    table.validate(full=True)
    row = table.to_pylist()[0]
    assert (row["a"], row["e"], row["n"]) == ([1, None, 3], [], [["x", "y"], ["z", "w"]])
    assert row["i"] == dt.timedelta(days=1, hours=2)
    assert tuple(row["m"]) == (1, 1, 0)
    assert row["w"] == decimal.Decimal(10) ** 60
    assert table.schema.field("w").type == pa.decimal256(76, 3)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("'infinity'::date", "infinite or too far away"),
        ("'-infinity'::timestamptz", "infinite timestamp"),
        ("'24:00'::time", "a time of 24:00"),
        ("ARRAY['24:00'::time]", "a time of 24:00"),
        ("'NaN'::numeric", "not finite"),
        ("'12:00+02'::timetz", "time zone"),
        ("(10::numeric ^ 80)", "more than 76 digits"),
    ],
)
async def test_what_arrow_cannot_hold_is_named(
    databases: Any, expression: str, message: str
) -> None:
    async with databases.open("postgres").async_connection() as conn:
        result = await conn.fetch_arrow(f"SELECT {expression} AS odd")
    with pytest.raises((millpond.InvalidDataError, pa.ArrowInvalid), match=message) as caught:
        pa.table(result)
    assert '"odd"' in str(caught.value)


async def test_the_storage_of_sqlite_decides_and_a_mixture_is_refused(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        numbers = await conn.fetch_arrow("SELECT 1 AS a UNION ALL SELECT 2.5 UNION ALL SELECT NULL")
        assert pa.table(numbers).column("a").to_pylist() == [1.0, 2.5, None]
        mixed = await conn.fetch_arrow("SELECT 1 AS a UNION ALL SELECT 'x'")
        with pytest.raises(millpond.InvalidDataError, match='"a" has values of different types'):
            pa.table(mixed)


async def test_exports_leak_no_memory(items: str, conn: Any) -> None:
    insert = "INSERT INTO items (id, name) VALUES (?, ?)"
    await conn.executemany(insert, [(i, "x" * 100) for i in range(1000)])
    result = await conn.fetch_arrow("SELECT * FROM items")

    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    def export() -> None:
        pa.table(result)
        result.__arrow_c_stream__()
        result.__arrow_c_schema__()

    for _ in range(100):
        export()
    before = resident()
    for _ in range(500):
        export()
    assert resident() - before < 16 * 1024 * 1024


async def test_a_day_as_time_of_mysql_stays_a_duration(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        table = pa.table(await conn.fetch_arrow("SELECT CAST('24:00:00' AS time) AS t"))
        assert table.column("t").to_pylist() == [dt.timedelta(days=1)]
