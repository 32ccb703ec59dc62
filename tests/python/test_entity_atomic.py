"""The row and its history are written both or not at all, whatever happens in between."""

import asyncio
from typing import Any

import millpond
import pytest
from entities import entity_name, quoted

pytestmark = pytest.mark.parametrize("kind", ["sqlite", "postgres", "mysql"])


@pytest.fixture
def name() -> str:
    return entity_name()


async def refuse(conn: Any, kind: str, table: str, event: str) -> None:
    """Have the database refuse each INSERT, UPDATE or DELETE on a table."""
    trigger = quoted(kind, f"no_{event.lower()}_{table}")
    head = f"CREATE TRIGGER {trigger} BEFORE {event} ON {quoted(kind, table)} FOR EACH ROW "
    if kind == "postgres":
        await conn.execute(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION ''refused''; END'"
        )
        await conn.execute(f"{head} EXECUTE FUNCTION refuse()")
    elif kind == "mysql":
        await conn.execute(f"{head} SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'")
    else:
        await conn.execute(f"{head} BEGIN SELECT RAISE(ABORT, 'refused'); END")


async def state(conn: Any, name: str) -> tuple[Any, list[int]]:
    """The version that is there, and those of the history."""
    row = await conn.get_entity(name, "x", include_deleted=True)
    history = await conn.get_entity_history(name, "x")
    return row and row["version"], [version["version"] for version in history]


async def test_without_its_history_nothing_is_written(conn: Any, kind: str, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    await refuse(conn, kind, f"{name}_history", "INSERT")
    for call in (
        lambda: conn.save_entity(name, {"id": "x", "a": 2}),
        lambda: conn.save_entity(name, {"id": "x", "a": 2}, expected_version=1),
        lambda: conn.save_entities(name, [{"id": "x", "a": 2}, {"id": "y", "a": 2}]),
        lambda: conn.delete_entity(name, "x"),
        lambda: conn.delete_entity(name, "x", permanent=True),
    ):
        with pytest.raises(millpond.DatabaseError, match="refused"):
            await call()
        assert await state(conn, name) == (1, [1])
        assert not await conn.in_transaction()
    assert (await conn.get_entity(name, "x"))["a"] == 1


async def test_without_its_row_no_history_is_written(conn: Any, kind: str, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    await refuse(conn, kind, name, "UPDATE")
    for call in (
        lambda: conn.save_entity(name, {"id": "x", "a": 2}),
        lambda: conn.save_entities(name, [{"id": "x", "a": 2}]),
        lambda: conn.delete_entity(name, "x"),
    ):
        with pytest.raises(millpond.DatabaseError, match="refused"):
            await call()
        assert await state(conn, name) == (1, [1])


async def test_a_row_that_cannot_be_deleted_has_no_history_of_it(
    conn: Any, kind: str, name: str
) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    await refuse(conn, kind, name, "DELETE")
    with pytest.raises(millpond.DatabaseError, match="refused"):
        await conn.delete_entity(name, "x", permanent=True)
    assert await state(conn, name) == (1, [1])
    assert await conn.delete_entity(name, "x")


async def test_a_save_that_is_cancelled_while_it_waits_leaves_nothing(db: Any, name: str) -> None:
    async with db.async_connection() as one, db.async_connection() as two:
        await one.save_entity(name, {"id": "x", "a": 1})
        await two.save_entity(name, {"id": "y", "a": 1})
        for call in (
            lambda: two.save_entity(name, {"id": "x", "a": 3}),
            lambda: two.delete_entity(name, "x"),
        ):
            await one.begin_transaction()
            await one.save_entity(name, {"id": "x", "a": 2})
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call(), 0.2)
            await two.execute("SELECT 1")  # its turn comes when the cancelled call has ended
            await one.rollback_transaction()
            assert await state(two, name) == (1, [1])
            assert not await two.in_transaction()
        assert (await two.save_entity(name, {"id": "x", "a": 3}))["version"] == 2


async def test_texts_are_saved_as_they_are(conn: Any, name: str) -> None:
    texts = [
        "",
        "it's",
        '"',
        "back\\slash",
        "\\'",
        "%_",
        "?; ??",
        "`",
        "-- no comment",
        "/* nor this */",
        "tab\tline\nend\r",
        "ünïcödé ☃ 🐘",
        "\x7f\x1b",
        "0x41",
        "a" * 70_000,
    ]
    for text in texts:
        saved = await conn.save_entity(name, {"id": text[:50] or "empty", "a": text}, text[:40])
        assert saved["a"] == text
        assert saved["updated_by"] == text[:40]
        found = await conn.find_entities(name, "a = ?", (text,))
        assert [row["a"] for row in found] == [text]
