"""A float that becomes text has the fewest digits that read back, so that 0.1 stays 0.1."""

import random
import struct
from decimal import Decimal
from typing import Any

import pytest

#: With 1 to 17 digits; among them what has few digits only if rounded up, and the smallest of all.
FLOATS = [0.1, 1.1, 2 / 3, 1e-5, 0.0001, 1e22, 123456.789, 2.0**-44, 5e-324, 1.7976931348623157e308]


def digits(number: str) -> Decimal:
    return Decimal(number).normalize()


def any_floats(count: int) -> list[float]:
    made = random.Random(14)
    drawn = (struct.unpack("<d", made.randbytes(8))[0] for _ in range(2 * count))
    return [number for number in drawn if number == number and abs(number) < 1e308][:count]


@pytest.mark.parametrize("prepared", [True, False], ids=["binary", "text"])
async def test_postgres_gets_the_fewest_digits(databases: Any, prepared: bool) -> None:
    db = databases.open("postgres", prepared_statements=prepared)
    async with db.async_connection() as conn:
        for number in [*FLOATS, *any_floats(300)]:
            ((text,),) = await conn.execute("SELECT ?::text", (number,))
            whole = number.is_integer() and abs(number) < 2**63
            assert digits(text) == digits(str(int(number)) if whole else repr(number))
        ((same,),) = await conn.execute("SELECT 0.1::numeric = ?", (0.1,))
        assert same
        ((items,),) = await conn.execute("SELECT ?::numeric[]", ([0.1, 2.5],))
        assert items == [Decimal("0.1"), Decimal("2.5")]
        if not prepared:
            return  # without types a list is always an array
        ((json,),) = await conn.execute("SELECT ?::json::text", ([0.1, 2.0, 5e-324],))
        assert json == "[0.1,2.0,5e-324]"


async def test_a_whole_float_is_an_integer_with_all_its_digits(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        for number in (2.0, -3.0, -0.0, 2.0**56, -(2.0**63)):
            assert await conn.execute("SELECT ?::bigint", (number,)) == [(int(number),)]
        assert await conn.execute("SELECT ?::bigint[]", ([2.0**56],)) == [([2**56],)]


async def test_a_numeric_column_equals_its_float(kind: str, conn: Any, casts: Any) -> None:
    if kind == "duckdb":
        pytest.skip("its driver binds floats as they are")
    await conn.execute("DROP TABLE IF EXISTS prices")
    await conn.execute("CREATE TABLE prices (id integer, n numeric(20, 10), t varchar(40))")
    rows = [(i, n, str(n)) for i, n in enumerate((0.1, 1.1, 0.3, 123456.789))]
    await conn.executemany("INSERT INTO prices VALUES (?, ?, ?)", rows)
    for _, number, _ in rows:
        found = await conn.execute("SELECT id FROM prices WHERE n = ?", (number,))
        assert len(found) == 1, number
    await conn.execute("DROP TABLE prices")


async def test_mysql_gets_the_fewest_digits_where_a_columns_types_are_mixed(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute(
            "CREATE TABLE mixed (id integer, v varchar(40), n decimal(30, 20), b bigint)"
        )
        rows = [
            (0, 0.1, 0.1, 2.0**56),
            (1, "x", "1.5", 1),
            (2, 1.1, Decimal("2.5"), 3),
            (3, 7, 7, 2.0),
        ]
        await conn.executemany("INSERT INTO mixed VALUES (?, ?, ?, ?)", rows)
        found = await conn.execute("SELECT v, n, b FROM mixed ORDER BY id")
        await conn.execute("DROP TABLE mixed")
    assert [row[0] for row in found] == ["0.1", "x", "1.1", "7"]
    assert [row[1] for row in found] == [Decimal("0.1"), Decimal("1.5"), Decimal("2.5"), 7]
    assert [row[2] for row in found] == [2**56, 1, 3, 2]


async def test_a_list_as_json_keeps_its_floats(kind: str, databases: Any) -> None:
    if kind not in ("sqlite", "mysql"):
        pytest.skip("PostgreSQL is tested above")
    async with databases.open(kind).async_connection() as conn:
        await conn.execute("CREATE TABLE lists (items json)")
        await conn.execute("INSERT INTO lists VALUES (?)", ([0.1, 2.0, 3, 1e300],))
        ((items,),) = await conn.execute("SELECT items FROM lists")
        await conn.execute("DROP TABLE lists")
    assert items == [0.1, 2.0, 3, 1e300]
    assert [type(item) for item in items] == [float, float, int, float]


async def test_entities_and_their_history_keep_a_float(db: Any) -> None:
    entity = f"reading_{random.getrandbits(32):08x}"
    async with db.async_connection() as conn:
        for number in (0.1, 2 / 3, 1e-5, 123456.789, 2.0**-44):
            saved = await conn.save_entity(entity, {"v": number, "items": [number]})
            read = await conn.get_entity(entity, saved["id"], deserialize=True)
            assert read["v"] == number and read["items"] == [number]
            history = await conn.get_entity_history(entity, saved["id"], deserialize=True)
            assert history[0]["v"] == number
            found = await conn.find_entities(entity, "v = ?", (number,))
            assert [row["id"] for row in found] == [saved["id"]]
