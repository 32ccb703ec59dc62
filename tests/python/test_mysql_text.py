"""MySQL and MariaDB: a value is the same whether its statement was prepared or sent as text."""

import datetime as dt
import decimal
from typing import Any

import millpond
import pyarrow as pa
import pytest

COLUMNS = (
    "a bit(1), b bit(13), c bit(64), d time(6), e time, f time, g bigint unsigned, "
    "h float, i double, j decimal(10, 3), k date, l datetime(6), m timestamp(6) null, "
    "n year, o varbinary(4), p varchar(4), q tinyint(1), r time, s float"
)
ROW = (
    1,
    4097,
    decimal.Decimal(2**64 - 1),
    dt.timedelta(seconds=-1, microseconds=-500_000),
    dt.timedelta(hours=838, minutes=59, seconds=59),
    dt.timedelta(days=1),
    7,
    0.1,
    0.1,
    decimal.Decimal("-1.500"),
    dt.date(1, 1, 1),
    dt.datetime(2026, 1, 2, 3, 4, 5, 6),
    dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
    2026,
    b"\x00\xff",
    "ä",
    True,
    dt.time(23, 59, 59),
    16777215.0,
)
FLOAT = 0.10000000149011612  # the FLOAT that is nearest to 0.1
WANTED = (*ROW[:7], FLOAT, *ROW[8:])


async def fill(conn: Any, table: str = "kept") -> None:
    """As rows of many, the second one empty."""
    await conn.execute(f"DROP TABLE IF EXISTS {table}")
    await conn.execute(f"CREATE TABLE {table} ({COLUMNS})")
    marks = ", ".join("?" * len(ROW))
    await conn.executemany(f"INSERT INTO {table} VALUES ({marks})", [ROW, (None,) * len(ROW)])


async def as_text(conn: Any, sql: str) -> Any:
    """What can be prepared by nobody is sent as text: a prepared statement's execution."""
    await conn.execute(f"PREPARE mine FROM {quoted(sql)}")
    return await conn.execute("EXECUTE mine")


def quoted(sql: str) -> str:
    return "'" + sql.replace("'", "''") + "'"


async def test_the_text_path_gives_the_values_of_the_prepared_one(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await fill(conn)
        # the server writes a FLOAT as text with six digits, which is its own affair
        select = "SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r FROM kept"
        prepared = await conn.execute(select)
        text = await as_text(conn, select)
        assert prepared == [WANTED[:-1], (None,) * (len(ROW) - 1)]
        assert text == prepared
        assert [[type(value) for value in row] for row in text] == [
            [type(value) for value in row] for row in prepared
        ]
        streamed = [row async for row in conn.stream(select)]
        assert streamed == prepared
        table = pa.table(await conn.fetch_arrow(select))
        assert table.num_rows == 2
        for name in ("a", "b", "d", "e", "f"):
            at = prepared.columns.index(name)
            assert table.column(name).to_pylist() == [row[at] for row in prepared]
        await conn.execute("DROP TABLE kept")


@pytest.mark.parametrize("way", ["HANDLER kept READ FIRST", "SET STATEMENT", "BEGIN NOT ATOMIC"])
async def test_mariadbs_other_ways_to_read_keep_every_digit(
    mariadb: object, databases: Any, way: str
) -> None:
    select = "SELECT * FROM kept LIMIT 1"
    sql = {
        "SET STATEMENT": f"SET STATEMENT max_statement_time = 60 FOR {select}",
        "BEGIN NOT ATOMIC": f"/* a block */ BEGIN NOT ATOMIC {select}; END",
    }.get(way, way)
    async with databases.open("mysql").async_connection() as conn:
        await fill(conn)
        if way.startswith("HANDLER"):
            await conn.execute("HANDLER kept OPEN")
        assert await conn.execute(sql) == [WANTED]
        if way.startswith("HANDLER"):
            await conn.execute("HANDLER kept CLOSE")
        await conn.execute("DROP TABLE kept")


@pytest.mark.parametrize(
    "value",
    ["CAST('0000-00-00' AS date)", "CAST('2026-00-10' AS date)", "CAST('0000-00-00' AS datetime)"],
)
async def test_a_date_of_zeros_is_the_same_error_on_every_path(databases: Any, value: str) -> None:
    async with databases.open("mysql", sql_mode="").async_connection() as conn:
        sql = f"SELECT 1 AS n, {value} AS born"
        if (await conn.execute(f"SELECT {value} IS NULL")) == [(True,)]:
            pytest.skip("this server makes no such value")
        match = 'column "born" of row 0 cannot be read'
        with pytest.raises(millpond.InvalidDataError, match=match):
            await conn.execute(sql)
        with pytest.raises(millpond.InvalidDataError, match=match):
            await as_text(conn, sql)
        with pytest.raises(millpond.InvalidDataError, match=match):
            pa.table(await conn.fetch_arrow(sql))
        with pytest.raises(millpond.InvalidDataError, match=match):
            async for _ in conn.stream(sql):
                pass
        assert (await conn.execute("SELECT 1")) == [(1,)]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1, decimal.Decimal(5), None, True], [1, 5, None, 1]),
        ([1, 6.0, 7], [1, 6, 7]),
        ([decimal.Decimal(53)], [53]),
    ],
)
async def test_numbers_of_several_types_stay_numbers_in_bulk(
    databases: Any, values: list[Any], kept: list[Any]
) -> None:
    """As digits they would be characters in a column of bits: 53 is not "5"."""
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE bits (at int, value bit(16))")
        await conn.executemany("INSERT INTO bits VALUES (?, ?)", list(enumerate(values)))
        assert await conn.execute("SELECT value FROM bits ORDER BY at") == [(n,) for n in kept]


async def test_mixed_numbers_keep_every_digit_in_bulk(databases: Any) -> None:
    mixed: list[tuple[Any, ...]] = [
        (2**53 + 1, 0.1, decimal.Decimal("0.1")),
        (decimal.Decimal("1e-30"), 3, 2**63 - 1),
        (-1, 10**15 + 1, 0.1),
    ]
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE sums (a decimal(65, 30), b text, c text)")
        await conn.executemany("INSERT INTO sums VALUES (?, ?, ?)", mixed)
        rows = await conn.execute("SELECT * FROM sums")
    assert [row[0] for row in rows] == [row[0] for row in mixed]
    assert [row[1] for row in rows] == ["0.1", "3", "1000000000000001"]
    assert [row[2] for row in rows] == ["0.1", "9223372036854775807", "0.1"]


@pytest.mark.parametrize(
    "value",
    ["1E-9", "-1.5E+3", "12E+2", "1E-30", "123456789E-5", "-1E-1", "0E-3", "9.99E+33", "1E+34"],
)
async def test_a_decimal_with_an_exponent_keeps_its_digits(databases: Any, value: str) -> None:
    async with databases.open("mysql").async_connection() as conn:
        given = decimal.Decimal(value)
        assert await conn.execute("SELECT CAST(? AS decimal(65, 30))", (given,)) == [(given,)]
