"""Entities with many keys: bounded, quick to check, and made in a few statements."""

from typing import Any

import millpond
import pytest
from entities import ENTITY_KINDS, column_count, entity_name
from millpond import _native

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)

MANY = 60_000
OWN = 7  # columns of the library's own: id and others


@pytest.fixture
def name() -> str:
    return entity_name()


def numbered(count: int, value: Any, first: int = 0) -> dict[str, Any]:
    return {f"f{i}": value for i in range(first, first + count)}


async def test_more_new_fields_than_allowed_are_refused_before_any_change(
    conn: Any, name: str
) -> None:
    with pytest.raises(millpond.InvalidDataError, match="more than 500 new fields at once"):
        await conn.save_entity(name, numbered(MANY, 1))
    many = [numbered(2, 1, 2 * i) for i in range(300)]
    with pytest.raises(millpond.InvalidDataError, match="entity 250: .*more than 500 new fields"):
        await conn.save_entities(name, many)
    assert name not in await conn.list_entities()


async def test_fields_of_none_make_no_columns(conn: Any, kind: str, name: str) -> None:
    saved = await conn.save_entity(name, {"id": "x", **numbered(MANY, None)})
    assert saved["f0"] is None
    assert len(saved) == MANY + OWN
    assert await column_count(conn, kind, name) == OWN


async def test_the_limits_are_settings(databases: Any, kind: str, name: str) -> None:
    if kind == "duckdb":
        pytest.skip("a backend sets them in its generator")
    db = databases.open(kind, entity_max_new_fields=50, entity_max_fields=80)
    async with db.async_connection() as conn:
        with pytest.raises(millpond.InvalidDataError, match="more than 50 new .*max_new_fields"):
            await conn.save_entity(name, numbered(51, True))
        await conn.save_entity(name, {"id": "x", **numbered(50, True)})
        await conn.save_entity(name, {"id": "x", **numbered(30, True, 50)})
        with pytest.raises(millpond.InvalidDataError, match="more than 80 .*entity_max_fields"):
            await conn.save_entity(name, {"id": "x", "one_more": True})
        assert await column_count(conn, kind, name) == 80 + OWN
        saved = await conn.save_entity(name, {"id": "x", **numbered(80, False)})
        assert not any(saved[f"f{i}"] for i in range(80))
        history = await conn.get_entity_history(name, "x", deserialize=True)
        assert [row["f0"] for row in history] == [True, True, False]


@pytest.mark.parametrize("first", [0, 3], ids=["new table", "known table"])
async def test_all_new_columns_come_in_the_order_given(conn: Any, name: str, first: int) -> None:
    if first:
        await conn.save_entity(name, {"id": "x", **numbered(first, 1)})
    saved = await conn.save_entity(name, {"id": "x", **numbered(5, 1, first)})
    fields = [key for key in saved if key[0] == "f"]
    assert fields == [f"f{i}" for i in range(first + 5)]


async def test_rows_that_innodb_has_no_room_for_are_refused_before_any_change(
    conn: Any, kind: str, name: str
) -> None:
    fields = numbered(400, "text")
    if kind != "mysql":
        assert (await conn.save_entity(name, fields))["f399"] == "text"
        return
    with pytest.raises(millpond.InvalidDataError, match="InnoDB takes at most 8126: put several"):
        await conn.save_entity(name, fields)
    assert name not in await conn.list_entities()
    await conn.save_entity(name, {"id": "x", **numbered(150, "text")})
    with pytest.raises(millpond.InvalidDataError, match="InnoDB takes at most 8126"):
        await conn.save_entity(name, {"id": "x", **numbered(250, "text", 150)})
    assert await column_count(conn, kind, f"{name}_meta") == 2
    assert await conn.execute(f"SELECT count(*) FROM {name}_meta") == [(150,)]
    saved = await conn.save_entity(name, {"id": "x", **numbered(100, 7, 150)})
    assert saved["f249"] == 7


def test_a_few_statements_make_a_table_with_many_fields(kind: str, name: str) -> None:
    texts = first_changes(kind, name, numbered(200, 1))
    assert len([text for text in texts if text.startswith("CREATE")]) == 3
    assert not [text for text in texts if text.startswith("ALTER")]
    assert len([text for text in texts if text.startswith("INSERT")]) == 1


def first_changes(kind: str, name: str, entity: dict[str, Any]) -> list[str]:
    """The statements that make the tables of an entity, up to the next look at the catalog."""
    plan = _native.Schema({"postgres": 0, "mysql": 1}.get(kind, 2)).plan(0, name, entity)
    plan.start(False)
    texts: list[str] = []
    while (step := plan.next()) and not (step[1] in texts and step[1].startswith("CREATE")):
        texts.append(step[1])
        plan.feed_rows((), ())
    return texts
