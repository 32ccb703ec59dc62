"""Decimals and timedeltas on SQLite: numbers, so that they compare as numbers."""

import datetime as dt
from decimal import Decimal
from typing import Any

import millpond
import pyarrow as pa
import pytest


@pytest.fixture
async def conn(databases: Any) -> Any:
    async with databases.open("sqlite").async_connection() as connection:
        await connection.execute(
            "CREATE TABLE lines (id integer PRIMARY KEY, price decimal(10, 2), qty integer, "
            "exact decimal_text COLLATE decimal, plain decimal_text, anything)"
        )
        yield connection


async def fill(conn: Any) -> None:
    rows = [("19.99", 3), ("5.00", 10), ("100", 1), ("0.10", 3)]
    await conn.executemany(
        "INSERT INTO lines (price, qty, exact, plain, anything) VALUES (?, ?, ?, ?, ?)",
        [(Decimal(p), q, Decimal(p), Decimal(p), Decimal(p)) for p, q in rows],
    )


@pytest.mark.parametrize("column", ["price", "exact", "plain", "anything"])
async def test_a_decimal_compares_as_a_number(conn: Any, column: str) -> None:
    await fill(conn)
    for condition, param, found in (
        (f"{column} * qty > ?", "50.00", {1, 3}),
        (f"{column} * qty >= ?", "50", {1, 2, 3}),
        (f"{column} + 0 < ?", "19.99", {2, 4}),
        (f"{column} = ?", "19.99", {1}),
        (f"{column} = ?", "5.00", {2}),
        (f"{column} IN (?, 7)", "100", {3}),
        (f"? = {column}", "0.10", {4}),
    ):
        rows = await conn.execute(f"SELECT id FROM lines WHERE {condition}", (Decimal(param),))
        assert {row[0] for row in rows} == found, (condition, param)
    if column != "plain":  # which sorts as text, as SQLite does without the collation
        least = await conn.execute(
            f"SELECT id FROM lines WHERE {column} < ? ORDER BY {column}", (Decimal("19.995"),)
        )
        assert least == [(4,), (2,), (1,)]


async def test_a_decimal_is_what_its_digits_are(conn: Any) -> None:
    for sql, params, result in (
        ("SELECT 1.5 = ?", ("1.5",), 1),
        ("SELECT 100 = ?", ("1E+2",), 1),
        ("SELECT ? > 9", ("10",), 1),
        ("SELECT ? + ?", ("0.25", "0.50"), 0.75),
        ("SELECT 5 / ?", ("2.0",), 2.5),
        ("SELECT max(?, ?)", ("9", "10"), 10),
        ("SELECT typeof(?)", ("7",), "integer"),
        ("SELECT typeof(?)", ("7.25",), "real"),
        ("SELECT typeof(?)", ("12345678901234567890.5",), "text"),
    ):
        assert await conn.execute(sql, [Decimal(p) for p in params]) == [(result,)], sql


@pytest.mark.parametrize(
    "digits",
    ["1.50", "-7", "0.1", "0.0000001", "123456789012.345", "9223372036854775807", "1E+20"],
)
async def test_a_decimal_comes_back_as_one(conn: Any, digits: str) -> None:
    value = Decimal(digits)
    await conn.execute("INSERT INTO lines (price, exact, plain) VALUES (?, ?, ?)", (value,) * 3)
    rows = await conn.execute("SELECT price, exact, plain FROM lines")
    assert rows == [(value, value, value)]
    assert [type(cell) for cell in rows[0]] == [Decimal] * 3


@pytest.mark.parametrize("digits", ["12345678901234567890.123456789012345", "0.12345678901234567"])
async def test_a_long_decimal_keeps_all_its_digits(conn: Any, digits: str) -> None:
    value = Decimal(digits)
    await conn.execute("INSERT INTO lines (exact) VALUES (?)", (value,))
    assert await conn.execute("SELECT exact FROM lines WHERE exact = ?", (value,)) == [(value,)]
    assert await conn.execute("SELECT 1 FROM lines WHERE exact + 0 = CAST(? AS real)", (value,))


async def test_decimals_that_older_versions_wrote_as_text_are_found(conn: Any) -> None:
    await conn.executemany(
        "INSERT INTO lines (price, exact, plain) VALUES (?, ?, ?)",
        [("19.99",) * 3, ("5.00",) * 3, ("1E-7",) * 3],
    )
    rows = await conn.execute("SELECT price, exact, plain FROM lines ORDER BY id")
    assert rows == [(Decimal(d),) * 3 for d in ("19.99", "5", "1E-7")]
    for column in ("price", "exact"):
        for digits in ("19.99", "5", "5.0", "5.00", "0.0000001"):
            found = f"SELECT count(*) FROM lines WHERE {column} = ?"
            assert await conn.execute(found, (Decimal(digits),)) == [(1,)], (column, digits)


@pytest.mark.parametrize("bulk", [False, True])
async def test_entities_compare_decimals_as_numbers(databases: Any, bulk: bool) -> None:
    things = [
        {"id": "a", "price": Decimal("19.99"), "qty": 3},
        {"id": "b", "price": Decimal("5.00"), "qty": 10},
        {"id": "c", "price": Decimal("100"), "qty": 1},
        {"id": "d", "price": Decimal("0.0000005"), "qty": 1},
        {"id": "e", "price": Decimal("12345678901234567890.5"), "qty": 0},
    ]
    async with databases.open("sqlite").async_connection() as conn:
        if bulk:
            await conn.save_entities("sale", things)
        else:
            for thing in things:
                await conn.save_entity("sale", thing)
        # stored in full, as text that the column's collation compares
        stored = await conn.execute("SELECT typeof(price), price || '' FROM sale ORDER BY id")
        assert stored == [
            ("text", text) for text in ("19.99", "5", "100", "0.0000005", "12345678901234567890.5")
        ]
        for where, param, found in (
            ("[price] * [qty] > ?", "50.00", "ac"),
            ("[price] * [qty] = ?", "50", "b"),
            ("[price] = ?", "5.000", "b"),
            ("[price] < ?", "19.99", "bd"),
            ("[price] = ?", "0.0000005", "d"),
            ("[price] = ?", "12345678901234567890.50", "e"),
            ("[price] > ?", "12345678901234567890.4", "e"),
            ("[price] + 0 BETWEEN ? AND 10", "1.5", "b"),
        ):
            rows = await conn.find_entities("sale", where, (Decimal(param),), order_by="id")
            assert "".join(row["id"] for row in rows) == found, (where, param)
        ordered = await conn.find_entities("sale", order_by="price", deserialize=True)
        assert [row["id"] for row in ordered] == ["d", "b", "a", "c", "e"]
        assert [row["price"] for row in ordered] == sorted(t["price"] for t in things)
        assert {type(row["price"]) for row in ordered} == {Decimal}
        plain = await conn.get_entity("sale", "d")
        assert plain["price"] == "0.0000005"
        await conn.save_entity("sale", {"id": "a", "price": Decimal("19.990")})
        history = await conn.get_entity_history("sale", "a", deserialize=True)
        assert {entry["price"] for entry in history} == {Decimal("19.99")}


# ---- Timedeltas --------------------------------------------------------------------------

SPANS = [
    dt.timedelta(days=-1, microseconds=1),
    dt.timedelta(0),
    dt.timedelta(seconds=9),
    dt.timedelta(minutes=2),
    dt.timedelta(hours=10, microseconds=-1),
    dt.timedelta(days=40),
    dt.timedelta(days=100_000_000),
]


async def test_timedeltas_sort_and_come_back(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        await conn.execute("CREATE TABLE laps (took interval, text text)")
        await conn.executemany(
            "INSERT INTO laps (took) VALUES (?)", [(span,) for span in reversed(SPANS)]
        )
        rows = await conn.execute("SELECT took FROM laps ORDER BY took")
        assert [row[0] for row in rows] == SPANS
        for i, span in enumerate(SPANS):
            less = await conn.execute("SELECT count(*) FROM laps WHERE took < ?", (span,))
            assert less == [(i,)]
            equal = await conn.execute("SELECT took FROM laps WHERE took + 0 = ?", (span,))
            assert equal == [(span,)]
        [(total,)] = await conn.execute("SELECT sum(took) FROM laps")
        assert dt.timedelta(microseconds=total) == sum(SPANS, dt.timedelta())
        result = await conn.fetch_arrow("SELECT took FROM laps ORDER BY took LIMIT 6")
        assert pa.table(result).column("took").to_pylist() == SPANS[:6]


async def test_timedeltas_that_older_versions_wrote_as_text_are_read(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        await conn.execute("CREATE TABLE laps (took interval)")
        await conn.execute("INSERT INTO laps VALUES ('P0M1DT7200.500000S'), ('P14M0DT0.000000S')")
        assert await conn.execute("SELECT took FROM laps") == [
            (dt.timedelta(days=1, hours=2, seconds=0.5),),
            (millpond.Interval(months=14),),
        ]


async def test_a_timedelta_that_is_too_long_is_refused(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="292,271 years"):
            await conn.execute("SELECT ?", (dt.timedelta.max,))
