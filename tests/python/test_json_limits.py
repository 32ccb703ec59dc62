"""JSON beyond Python's limits is an error of millpond's that says where it is."""

import json
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import millpond
import pytest

NUMBER = "9" * 5000
LIST = f"[{NUMBER}]"
DEEP = "[" * 5000 + "]" * 5000


@pytest.fixture
async def documents(kind: str, conn: Any) -> AsyncIterator[str]:
    """A table with a column of JSON."""
    name = f"documents_{uuid.uuid4().hex[:8]}"
    await conn.execute(f"CREATE TABLE {name} (id integer, doc json)")
    yield name
    await conn.execute(f"DROP TABLE {name}")


TEXTS = {"digits": LIST, "deeper": DEEP}


async def keep(conn: Any, name: str, text: str) -> None:
    await conn.execute(f"INSERT INTO {name} VALUES (?, ?)", (1, '{"a": 1}'))
    await conn.execute(f"INSERT INTO {name} VALUES (?, ?)", (2, text))


@pytest.mark.parametrize("what", ["digits", "deeper"])
async def test_json_beyond_a_limit_names_its_column_and_row(
    kind: str, conn: Any, documents: str, what: str
) -> None:
    if kind in ("duckdb", "mysql"):
        pytest.skip("its JSON is text, or has limits of its own")
    await keep(conn, documents, TEXTS[what])
    with pytest.raises(millpond.InvalidDataError, match=f'column "doc" of row 1: .*{what}'):
        await conn.execute(f"SELECT id, doc FROM {documents} ORDER BY id")
    with pytest.raises(millpond.InvalidDataError, match=what):
        async for _ in conn.stream(f"SELECT doc FROM {documents} ORDER BY id", batch=1):
            pass
    table = await conn.fetch_arrow(f"SELECT doc FROM {documents} ORDER BY id")
    assert table.num_rows == 2
    as_text = await conn.execute(f"SELECT CAST(doc AS text) FROM {documents} ORDER BY id")
    assert as_text == [('{"a": 1}',), (TEXTS[what],)]
    assert await conn.execute(f"SELECT doc FROM {documents} WHERE id = 1") == [({"a": 1},)]


async def test_a_program_that_raises_the_limit_gets_the_number(databases: Any) -> None:
    before = sys.get_int_max_str_digits()
    async with databases.open("postgres").async_connection() as conn:
        sys.set_int_max_str_digits(6000)
        try:
            assert await conn.execute("SELECT ?::json", (NUMBER,)) == [(int(NUMBER),)]
        finally:
            sys.set_int_max_str_digits(before)


async def test_text_that_is_no_json_stays_text_in_sqlite(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        await conn.execute("CREATE TABLE loose (doc json)")
        await conn.execute("INSERT INTO loose VALUES (?)", ("{no json",))
        assert await conn.execute("SELECT doc FROM loose") == [("{no json",)]


@pytest.mark.parametrize("text", [NUMBER, DEEP], ids=["digits", "levels"])
async def test_an_entity_beyond_a_limit_is_read_as_text(conn: Any, text: str) -> None:
    entity = f"paper_{uuid.uuid4().hex[:8]}"
    saved = await conn.save_entity(entity, {"doc": [1]})
    await conn.execute(f"UPDATE {entity} SET doc = ?", (f"[{text}]",))
    with pytest.raises(
        millpond.InvalidDataError, match='field "doc" of paper_.* cannot be read'
    ) as one:
        await conn.get_entity(entity, saved["id"], deserialize=True)
    assert (one.value.entity_name, one.value.entity_id) == (entity, saved["id"])
    read = await conn.get_entity(entity, saved["id"])
    assert read["doc"] == f"[{text}]"


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


async def test_a_parameter_that_is_nested_too_deeply_is_refused(kind: str, conn: Any) -> None:
    if kind == "duckdb":
        pytest.skip("its driver overflows the stack")
    for value in ({"a": nested(100_000)}, nested(100_000)):
        with pytest.raises(millpond.ParameterError, match="nested too deeply"):
            await conn.execute("SELECT ?", (value,))
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(millpond.ParameterError, match="nested too deeply"):
        await conn.execute("SELECT ?", (itself,))
    assert await conn.execute("SELECT 1") == [(1,)]


def test_the_texts_are_json() -> None:
    with pytest.raises(RecursionError):
        json.loads(DEEP)
    with pytest.raises(ValueError, match="digits"):
        json.loads(NUMBER)
