"""Scalars of numpy and pandas are parameters like Python's own, and nothing is lost on the way."""

import datetime as dt
import enum
import uuid
from typing import Any

import millpond
import numpy as np
import pandas as pd
import pytest
from entities import ENTITY_KINDS

pytestmark = pytest.mark.once

SCALARS = [
    (np.int64(-5), -5),
    (np.uint8(200), 200),
    (np.float64(0.1), 0.1),
    (np.float32(1.5), 1.5),
    (np.str_("ab"), "ab"),
    (np.bytes_(b"ab"), b"ab"),
]

TIMES = [
    (np.datetime64("2026-01-02"), dt.date(2026, 1, 2)),
    (np.datetime64("2026-01-02T03:04:05.000006"), dt.datetime(2026, 1, 2, 3, 4, 5, 6)),
    (np.datetime64("2026-01-02T03:04:05.000006000", "ns"), dt.datetime(2026, 1, 2, 3, 4, 5, 6)),
    (pd.Timestamp("2026-01-02 03:04:05.000006"), dt.datetime(2026, 1, 2, 3, 4, 5, 6)),
    (
        pd.Timestamp("2026-01-02 03:04:05", tz="Europe/Berlin"),
        dt.datetime(2026, 1, 2, 2, 4, 5, tzinfo=dt.UTC),
    ),
]

MISSING = [pd.NaT, pd.NA, np.datetime64("NaT"), np.timedelta64("NaT")]

TOO_FINE = [
    pd.Timestamp("2026-01-01 00:00:00.000000001"),
    pd.Timedelta(1, "ns"),
    np.datetime64("2026-01-01T00:00:00.000000001"),
    np.timedelta64(1, "ns"),
]

OUT_OF_RANGE = [
    np.datetime64("20000-01-01"),
    np.datetime64(10**17, "s"),
    np.timedelta64(10**17, "D"),
    np.timedelta64(3),
]

REFUSED = [np.longdouble(1) / 3, np.complex64(1), np.array([1, 2]), pd.Series([1]), {1, 2}]


@pytest.mark.parametrize(("given", "expected"), SCALARS, ids=lambda value: type(value).__name__)
async def test_a_scalar_is_what_python_calls_it(
    kind: str, conn: Any, given: Any, expected: Any
) -> None:
    if kind == "duckdb":
        pytest.skip("its driver takes them as they are")
    names = {int: "bigint", float: "double precision", str: "varchar(20)", bytes: "blob"}
    name = names[type(expected)]
    if name == "blob" and kind == "postgres":
        name = "bytea"
    await conn.execute("DROP TABLE IF EXISTS scalars")
    await conn.execute(f"CREATE TABLE scalars (v {name})")
    await conn.executemany("INSERT INTO scalars VALUES (?)", [(given,), (expected,)])
    found = await conn.execute("SELECT v FROM scalars")
    await conn.execute("DROP TABLE scalars")
    assert found == [(expected,), (expected,)]


async def test_a_bool_of_numpy_is_a_bool(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute("SELECT ?::bool, ?::bool[]", (np.True_, [np.False_, None]))
    assert rows == [(True, [False, None])]


@pytest.mark.parametrize(("given", "expected"), TIMES, ids=[str(i) for i in range(len(TIMES))])
async def test_a_time_is_pythons(kind: str, databases: Any, given: Any, expected: Any) -> None:
    if kind == "duckdb":
        pytest.skip("its driver takes them as they are")
    db = databases.open(kind)
    name = {dt.date: "date", dt.datetime: "timestamp"}[type(expected)]
    if kind == "mysql" and name == "timestamp":
        name = "datetime(6)"
    if getattr(expected, "tzinfo", None):
        name = {"postgres": "timestamptz", "sqlite": "timestamptz", "mysql": "timestamp(6)"}[kind]
    async with db.async_connection() as conn:
        await conn.execute(f"CREATE TABLE times (v {name})")
        await conn.executemany("INSERT INTO times VALUES (?)", [(given,), (pd.NaT,), (expected,)])
        found = await conn.execute("SELECT v FROM times")
        await conn.execute("DROP TABLE times")
    assert found == [(expected,), (None,), (expected,)]


@pytest.mark.parametrize("missing", MISSING, ids=["NaT", "NA", "datetime64", "timedelta64"])
async def test_what_is_missing_is_null(kind: str, databases: Any, missing: Any) -> None:
    if kind == "duckdb":
        pytest.skip("its driver takes them as they are")
    name = "datetime" if kind == "mysql" else "timestamp"
    async with databases.open(kind).async_connection() as conn:
        await conn.execute(f"CREATE TABLE missing (id integer, v {name}, n integer, j json)")
        await conn.execute(
            "INSERT INTO missing VALUES (?, ?, ?, ?)", (1, missing, missing, missing)
        )
        json = {"at": missing, "n": np.int64(3), "f": np.float32(0.5)}
        await conn.executemany(
            "INSERT INTO missing VALUES (?, ?, ?, ?)",
            [(2, missing, 1, [missing, 1]), (3, dt.datetime(2026, 1, 1), missing, json)],
        )
        found = await conn.execute("SELECT v, n, j FROM missing ORDER BY id")
        await conn.execute("DROP TABLE missing")
    assert found == [
        (None, None, None),
        (None, 1, [None, 1]),
        (dt.datetime(2026, 1, 1), None, {"at": None, "n": 3, "f": 0.5}),
    ]


async def test_a_connection_for_blocking_calls_takes_them_too(databases: Any) -> None:
    with databases.open("sqlite").sync_connection() as conn:
        assert conn.execute("SELECT ?, ?, ?", (pd.NaT, pd.NA, np.int32(4))) == [(None, None, 4)]


@pytest.mark.parametrize(
    "value", TOO_FINE, ids=["Timestamp", "Timedelta", "datetime64", "timedelta64"]
)
async def test_nanoseconds_are_refused(kind: str, databases: Any, value: Any) -> None:
    if kind == "duckdb":
        pytest.skip("its driver takes them as they are")
    async with databases.open(kind).async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="parameter 2 .*microsecond.*round"):
            await conn.execute("SELECT ?, ?", (1, value))
        with pytest.raises(millpond.ValueRangeError, match="row 1: parameter 1 .*microsecond"):
            await conn.executemany("SELECT ?", [(1,), (value,)])
        with pytest.raises(millpond.ValueRangeError, match='the value of "at" .*microsecond'):
            await conn.save_entity("fine", {"at": value})
        with pytest.raises(millpond.ValueRangeError, match='the value of "at" .*microsecond'):
            await conn.save_entity("fine", {"at": [value]})


@pytest.mark.parametrize("value", OUT_OF_RANGE, ids=["years", "seconds", "days", "unitless"])
async def test_what_python_cannot_hold_is_refused(databases: Any, value: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="parameter 1"):
            await conn.execute("SELECT ?", (value,))


@pytest.mark.parametrize("value", REFUSED, ids=["longdouble", "complex", "array", "Series", "set"])
async def test_what_is_no_scalar_is_refused(databases: Any, value: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        with pytest.raises(millpond.ParameterError, match="parameter 1 has the type"):
            await conn.execute("SELECT ?", (value,))


async def test_entities_take_them(db: Any) -> None:
    entity = f"sample_{uuid.uuid4().hex[:8]}"
    async with db.async_connection() as conn:
        at = pd.Timestamp("2026-01-02 03:04:05")
        saved = await conn.save_entity(
            entity,
            {"n": np.int64(5), "f": np.float32(0.5), "taken": at, "items": [np.int64(1), pd.NaT]},
        )
        ids = await conn.save_entities(
            entity, [{"n": 6, "taken": pd.NaT}, {"n": pd.NA, "taken": dt.datetime(2026, 1, 1)}]
        )
        read = await conn.get_entity(entity, saved["id"], deserialize=True)
        assert (read["n"], read["f"], read["taken"]) == (5, 0.5, dt.datetime(2026, 1, 2, 3, 4, 5))
        assert read["items"] == [1, None]
        others = {row["id"]: row for row in await conn.get_entities(entity, ids, deserialize=True)}
        assert [others[i]["taken"] for i in ids] == [None, dt.datetime(2026, 1, 1)]
        assert [others[i]["n"] for i in ids] == [6, None]
        found = await conn.find_entities(entity, "n = ? AND taken = ?", (np.int16(5), at))
        assert [row["id"] for row in found] == [saved["id"]]


class Odd(dt.datetime):
    """A datetime that answers with fields of its own."""

    @property
    def year(self) -> int:
        return 12026


async def test_a_datetime_that_is_not_what_it_says_is_refused(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="outside the years"):
            await conn.execute("SELECT ?", (Odd(2026, 1, 1),))


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Depth(enum.Enum):
    SHALLOW = 1
    DEEP = 5


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


@pytest.mark.parametrize("kind", ENTITY_KINDS)
async def test_a_member_of_an_enum_stands_for_its_value(databases: Any, kind: str) -> None:
    async with databases.open(kind).async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS paints")
        await conn.execute("CREATE TABLE paints (name varchar(20), n integer)")
        row = (Colour.RED, Depth.DEEP)
        await conn.execute("INSERT INTO paints VALUES (?, ?)", row)
        await conn.executemany("INSERT INTO paints VALUES (?, ?)", [row, (Colour.BLUE, None)])
        sql = "SELECT count(*) FROM paints WHERE"
        assert await conn.fetch_value(f"{sql} name = ? AND n = ?", ("red", 5)) == 2
        assert await conn.fetch_value(f"{sql} name = ? AND n = ?", row) == 2
        assert await conn.fetch_value(f"{sql} n IN (?)", ([Depth.DEEP, 6],)) == 2
        with pytest.raises(millpond.ParameterError, match="type Mixed"):
            await conn.execute(f"{sql} name = ?", (Mixed.TWO,))
        await conn.execute("DROP TABLE paints")


async def test_a_list_of_members_finds_entities(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        saved = await conn.save_entity("paint", {"name": Colour.RED, "mixed": Mixed.TWO})
        found = await conn.find_entities("paint", "name IN (?)", ([Colour.RED, Colour.BLUE],))
        assert [row["id"] for row in found] == [saved["id"]]
        with pytest.raises(millpond.ParameterError, match="type Mixed"):
            await conn.find_entities("paint", "mixed IN (?)", ([Mixed.TWO],))
