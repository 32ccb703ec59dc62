"""One value, one type, one error on every database, whichever call it goes through."""

import asyncio
import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import millpond
import pytest

CASES = json.loads((Path(__file__).parents[1] / "conformance" / "values.json").read_text("utf-8"))

MAKERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "float": float,
    "decimal": decimal.Decimal,
    "text": str,
    "bytes": bytes.fromhex,
    "boolean": lambda text: text == "true",
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
    "zoned": dt.datetime.fromisoformat,
    "json": json.loads,
}


def value_of(case: dict[str, Any]) -> Any:
    text = case["hex"] if case["type"] == "bytes" else case["text"]
    value = MAKERS[case["type"]](text)
    return value * case["times"] if "times" in case else value


VALUES: list[tuple[str, Any]] = [(case["type"], value_of(case)) for case in CASES["values"]]


def column(kind: str, name: str) -> str:
    if kind == "duckdb":  # PostgreSQL's names, but for these
        other = {"bytes": "blob", "json": "json"}
        return other.get(name) or column("postgres", name)
    return str(CASES["columns"][name][kind])


@pytest.fixture
async def kept(kind: str, conn: Any) -> Any:
    """Makes the table `kept (id, value)`."""

    async def create(name: str) -> None:
        await conn.execute("DROP TABLE IF EXISTS kept")
        await conn.execute(
            f"CREATE TABLE kept (id integer PRIMARY KEY, value {column(kind, name)})"
        )

    yield create
    await conn.execute("DROP TABLE IF EXISTS kept")


@pytest.mark.parametrize(("name", "value"), VALUES)
async def test_a_value_comes_back_as_it_was(
    kept: Any, conn: Any, db: Any, name: str, value: Any
) -> None:
    await kept(name)
    insert, select = (
        "INSERT INTO kept (id, value) VALUES (?, ?)",
        "SELECT value FROM kept ORDER BY id",
    )
    await conn.execute(insert, (0, value))
    await conn.executemany(insert, [(1, value), (2, None), (3, value)])
    expected = [(value,), (value,), (None,), (value,)]
    assert (await conn.execute(select)) == expected
    assert [row async for row in conn.stream(select, batch=3)] == expected
    with db.sync_connection() as sync:
        rows = sync.execute(select)
        assert rows == expected
        assert list(sync.stream(select)) == expected
    assert {type(row[0]) for row in rows} == {type(value), type(None)}
    if isinstance(value, dt.datetime) and value.tzinfo:
        assert rows[0][0].utcoffset() == dt.timedelta(0)


async def test_a_uuid_and_text_meet(kind: str, conn: Any, kept: Any) -> None:
    """Where a database has no such type, a UUID is its text."""
    await kept("text")
    number = uuid.uuid4()
    await conn.execute("INSERT INTO kept (id, value) VALUES (1, ?)", (number,))
    assert (await conn.execute("SELECT value FROM kept")) == [(str(number),)]


ERRORS: list[tuple[str, type[millpond.Error], type[millpond.Error]]] = [
    (case["sql"], getattr(millpond, case["class"]), getattr(millpond, case["base"]))
    for case in CASES["errors"]
]


@pytest.mark.parametrize(("sql", "error", "base"), ERRORS)
async def test_an_error_is_the_same(
    kind: str,
    conn: Any,
    db: Any,
    sql: str,
    error: type[millpond.Error],
    base: type[millpond.Error],
) -> None:
    await conn.execute("DROP TABLE IF EXISTS kept")
    await conn.execute("CREATE TABLE kept (id varchar(9) PRIMARY KEY NOT NULL, value integer)")
    await conn.execute("INSERT INTO kept (id, value) VALUES ('1', 1)")
    with pytest.raises(error) as caught:
        await conn.execute(sql)
    assert isinstance(caught.value, base)
    assert len(caught.value.sqlstate or "") == 5
    with db.sync_connection() as sync, pytest.raises(error):
        sync.execute(sql)
    with pytest.raises(error):
        await conn.stream(sql).__anext__()
    assert (await conn.execute("SELECT count(*) FROM kept")) == [(1,)]
    await conn.execute("DROP TABLE kept")


async def test_executemany_names_the_failing_row(conn: Any, kept: Any) -> None:
    await kept("integer")
    rows = [(number, number) for number in range(500)]
    rows[321] = (7, 7)
    with pytest.raises(millpond.UniqueViolationError, match="row 321: ") as caught:
        await conn.executemany("INSERT INTO kept (id, value) VALUES (?, ?)", rows)
    assert caught.value.row == 321
    assert (await conn.execute("SELECT count(*) FROM kept")) == [(0,)]
    assert await conn.in_transaction() is False


async def test_counts_and_columns_are_the_same(conn: Any, kept: Any) -> None:
    await kept("integer")
    many = await conn.executemany(
        "INSERT INTO kept (id, value) VALUES (?, ?)", [(i, i) for i in range(10)]
    )
    assert many.rowcount == 10
    assert (await conn.execute("UPDATE kept SET value = value WHERE id < ?", (4,))).rowcount == 4
    assert (await conn.execute("DELETE FROM kept WHERE id = ?", (99,))).rowcount == 0
    rows = await conn.execute("SELECT id AS a, value AS b FROM kept WHERE id < ?", (3,))
    assert (rows.rowcount, rows.columns) == (3, ("a", "b"))
    empty = await conn.execute("SELECT id AS a FROM kept WHERE id = 99")
    assert (empty, empty.columns) == ([], ("a",))


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_work_stops_on_a_timeout_and_on_a_cancel(
    conn: Any, endless: str, in_transaction: bool
) -> None:
    if in_transaction:
        await conn.begin_transaction()
    with pytest.raises(millpond.QueryTimeoutError):
        await conn.execute(endless, timeout=0.1)
    task = asyncio.ensure_future(conn.execute(endless))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await conn.in_transaction() is in_transaction
    if in_transaction:
        await conn.rollback_transaction()
    assert (await conn.execute("SELECT 1")) == [(1,)]
