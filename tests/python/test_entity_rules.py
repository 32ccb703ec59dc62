"""The rules of entities, the same on all databases."""

import asyncio
import datetime
from typing import Any

import millpond
import pytest
from entities import ENTITY_KINDS, entity_name

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)

SYSTEM = {"id", "created_at", "created_by", "updated_at", "updated_by", "deleted_at", "version"}


@pytest.fixture
def name() -> str:
    return entity_name()


async def versions(conn: Any, name: str, entity_id: str) -> list[int]:
    return [row["version"] for row in await conn.get_entity_history(name, entity_id)]


# ---- Saving ------------------------------------------------------------------------------


async def test_a_saved_entity_has_its_fields_and_the_system_fields(conn: Any, name: str) -> None:
    saved = await conn.save_entity(name, {"title": "one"}, user_id="ann", comment="first")
    assert set(saved) == SYSTEM | {"title"}
    assert saved["created_by"] == saved["updated_by"] == "ann"
    assert saved["created_at"] == saved["updated_at"]
    assert saved["deleted_at"] is None
    assert len(saved["id"]) == 36


async def test_an_update_changes_only_the_given_fields(conn: Any, name: str) -> None:
    first = await conn.save_entity(name, {"a": 1, "b": 2}, user_id="ann")
    second = await conn.save_entity(name, {"id": first["id"], "b": 3}, user_id="bob")
    assert (second["a"], second["b"]) == (1, 3)
    assert second["created_at"] == first["created_at"]
    assert second["created_by"] == "ann"
    assert second["updated_by"] == "bob"
    assert second["updated_at"] >= first["updated_at"]


async def test_created_fields_are_never_overwritten(conn: Any, name: str) -> None:
    first = await conn.save_entity(name, {"a": 1}, user_id="ann")
    changed = {**first, "created_by": "eve", "created_at": None, "version": 99, "a": 2}
    second = await conn.save_entity(name, changed, user_id="bob")
    assert (second["created_by"], second["created_at"]) == ("ann", first["created_at"])
    assert second["version"] == 2


async def test_a_version_of_the_callers_own_is_refused(conn: Any, name: str) -> None:
    with pytest.raises(millpond.ArgumentError, match="version"):
        await conn.save_entity(name, {"version": "1.2"})


async def test_a_field_gets_its_column_when_a_first_value_arrives(conn: Any, name: str) -> None:
    first = await conn.save_entity(name, {"a": 1, "late": None})
    assert first["late"] is None
    assert "late" not in await conn.get_entity(name, first["id"])
    second = await conn.save_entity(name, {"id": first["id"], "late": "now"})
    assert second["late"] == "now"
    third = await conn.save_entity(name, {"id": first["id"], "late": None})
    assert third["late"] is None
    history = await conn.get_entity_history(name, first["id"])
    assert [row["late"] for row in history] == [None, "now", None]


async def test_saving_nothing_but_an_id_still_makes_a_version(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x"})
    assert (await conn.save_entity(name, {"id": "x"}))["version"] == 2


async def test_whole_numbers_among_floats_of_one_batch_are_floats(conn: Any, name: str) -> None:
    await conn.save_entities(name, [{"n": 1}, {"n": 2.5}])
    found = await conn.find_entities(name, order_by="n", deserialize=True)
    assert [(row["n"], type(row["n"])) for row in found] == [(1.0, float), (2.5, float)]


# ---- Saving many -------------------------------------------------------------------------


async def test_many_take_any_mix_of_fields_and_give_ids_in_order(conn: Any, name: str) -> None:
    entities: list[dict[str, Any]] = [
        {"id": "b", "x": 1},
        {"x": 2, "y": "two"},
        {"id": "a"},
        {"id": "c", "y": None, "z": True},
    ]
    ids = await conn.save_entities(name, entities, user_id="ann", comment="bulk")
    assert [ids[0], ids[2], ids[3]] == ["b", "a", "c"]
    found = {row["id"]: row for row in await conn.get_entities(name, ids)}
    assert [found[i].get("x") for i in ids] == [1, 2, None, None]
    assert [found[i].get("y") for i in ids] == [None, "two", None, None]
    assert found["c"]["z"] is True
    assert {row["created_by"] for row in found.values()} == {"ann"}


async def test_many_leave_fields_alone_that_are_not_given(conn: Any, name: str) -> None:
    await conn.save_entities(name, [{"id": str(i), "x": i, "y": i} for i in range(4)])
    await conn.save_entities(name, [{"id": "0", "x": 10}, {"id": "1", "y": 11}, {"id": "2"}])
    await conn.save_entities(name, [{"id": "2", "x": 12}, {"id": "3", "x": 13}])
    found = await conn.find_entities(name)
    assert [(row["x"], row["y"]) for row in found] == [(10, 0), (1, 11), (12, 2), (13, 3)]
    assert [row["version"] for row in found] == [2, 2, 3, 2]


async def test_an_id_that_comes_twice_makes_two_versions(conn: Any, name: str) -> None:
    ids = await conn.save_entities(name, [{"id": "x", "n": n} for n in range(3)] + [{"id": "y"}])
    assert ids == ["x", "x", "x", "y"]
    history = await conn.get_entity_history(name, "x")
    assert [(row["version"], row["n"]) for row in history] == [(1, 0), (2, 1), (3, 2)]


async def test_many_are_saved_all_or_none(conn: Any, name: str) -> None:
    with pytest.raises(millpond.ArgumentError):
        await conn.save_entities(name, [{"id": "x"}, {"id": "y", "bad name": 1}])
    assert await conn.count_entities(name) == 0
    assert await conn.save_entities(name, []) == []


@pytest.mark.slow
async def test_more_than_a_chunk_is_saved_with_its_history(kind: str, conn: Any, name: str) -> None:
    if kind == "duckdb":
        pytest.skip("it takes a minute and a half; the chunks are those of SQLite")
    entities = [{"id": f"{i:05}", "n": i, "text": f"row {i}"} for i in range(6000)]
    assert await conn.save_entities(name, entities) == [row["id"] for row in entities]
    await conn.save_entities(name, [{**row, "n": 0} for row in entities[:1500]])
    assert await conn.count_entities(name) == 6000
    assert await conn.count_entities(name, "version = 2 AND n = 0") == 1500
    assert await versions(conn, name, "00000") == [1, 2]
    assert await versions(conn, name, "05999") == [1]


# ---- Deleting and restoring --------------------------------------------------------------


async def test_a_deleted_entity_is_hidden_and_can_be_restored(conn: Any, name: str) -> None:
    saved = await conn.save_entity(name, {"a": 1})
    entity_id = saved["id"]
    assert await conn.delete_entity(name, entity_id, user_id="bob") is True
    assert await conn.delete_entity(name, entity_id) is False
    assert await conn.get_entity(name, entity_id) is None
    assert await conn.get_entities(name, [entity_id]) == []
    assert await conn.find_entities(name) == []
    assert await conn.count_entities(name) == 0
    hidden = await conn.get_entity(name, entity_id, include_deleted=True)
    assert hidden["deleted_at"] is not None
    assert hidden["updated_by"] == "bob"
    assert await conn.count_entities(name, include_deleted=True) == 1
    assert await conn.restore_entity(name, entity_id) is True
    assert await conn.restore_entity(name, entity_id) is False
    assert (await conn.get_entity(name, entity_id))["deleted_at"] is None
    assert await versions(conn, name, entity_id) == [1, 2, 3]


async def test_a_permanent_delete_leaves_the_history(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    assert await conn.delete_entity(name, "x", user_id="bob", permanent=True) is True
    assert await conn.delete_entity(name, "x", permanent=True) is False
    assert await conn.get_entity(name, "x", include_deleted=True) is None
    last = (await conn.get_entity_history(name, "x"))[-1]
    assert (last["version"], last["a"], last["history_user_id"]) == (2, 1, "bob")
    assert last["deleted_at"] is not None


async def test_versions_go_on_after_a_permanent_delete(conn: Any, name: str) -> None:
    for _ in range(2):
        await conn.save_entity(name, {"id": "x", "a": 1})
        await conn.delete_entity(name, "x", permanent=True)
    assert await conn.save_entities(name, [{"id": "x", "a": 2}, {"id": "y"}]) == ["x", "y"]
    await conn.save_entity(name, {"id": "x", "a": 3})
    assert await versions(conn, name, "x") == [1, 2, 3, 4, 5, 6]


async def test_what_is_not_there_cannot_be_deleted_or_restored(conn: Any, name: str) -> None:
    assert await conn.delete_entity(name, "x") is False
    assert await conn.restore_entity(name, "x") is False
    await conn.save_entity(name, {"id": "y"})
    assert await conn.delete_entity(name, "x") is False
    assert await conn.delete_entity(name, "x", permanent=True) is False
    assert await conn.restore_entity(name, "y") is False


# ---- History -----------------------------------------------------------------------------


async def test_history_has_one_full_row_for_every_change(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1}, user_id="ann", comment="made")
    await conn.save_entity(name, {"id": "x", "b": 2}, user_id="bob", comment="changed")
    await conn.delete_entity(name, "x", user_id="eve")
    await conn.restore_entity(name, "x", user_id="dan")
    rows = await conn.get_entity_history(name, "x")
    assert [(r["version"], r["a"], r["b"]) for r in rows] == [
        (1, 1, None),
        (2, 1, 2),
        (3, 1, 2),
        (4, 1, 2),
    ]
    assert [r["history_user_id"] for r in rows] == ["ann", "bob", "eve", "dan"]
    assert [r["history_comment"] for r in rows] == ["made", "changed", None, None]
    assert [r["deleted_at"] is None for r in rows] == [True, True, False, True]
    assert [r["history_timestamp"] for r in rows] == [r["updated_at"] for r in rows]
    limited = await conn.get_entity_history(name, "x", limit=2, offset=1)
    assert [r["version"] for r in limited] == [2, 3]


async def test_a_version_can_be_read(conn: Any, name: str) -> None:
    for a in range(3):
        await conn.save_entity(name, {"id": "x", "a": a})
    assert (await conn.get_entity_by_version(name, "x", 2))["a"] == 1
    assert await conn.get_entity_by_version(name, "x", 4) is None
    assert await conn.get_entity_by_version(name, "y", 1) is None


async def test_history_between_two_instants(conn: Any, name: str) -> None:
    saved = [
        await conn.save_entity(name, {"id": i, "a": 1}, deserialize=True) for i in ("x", "y", "x")
    ]
    at = [row["updated_at"] for row in saved]
    one = datetime.timedelta(microseconds=1)
    rows = await conn.get_entity_history_between(name, at[0], at[2] + one)
    assert [(r["id"], r["version"]) for r in rows] == [("x", 1), ("y", 1), ("x", 2)]
    rows = await conn.get_entity_history_between(name, at[0] + one, at[2])
    assert [(r["id"], r["version"]) for r in rows] == [("y", 1)]
    rows = await conn.get_entity_history_between(name, at[0], at[2] + one, entity_id="x", limit=1)
    assert [(r["id"], r["version"]) for r in rows] == [("x", 1)]
    with pytest.raises(millpond.ArgumentError, match="time zone"):
        await conn.get_entity_history_between(name, datetime.datetime(2026, 1, 1), at[0])


# ---- Optimistic locking ------------------------------------------------------------------


async def test_an_expected_version_must_be_the_entitys(conn: Any, name: str) -> None:
    saved = await conn.save_entity(name, {"id": "x", "a": 1}, expected_version=0)
    with pytest.raises(millpond.VersionConflictError, match="exists"):
        await conn.save_entity(name, {"id": "x", "a": 2}, expected_version=0)
    await conn.save_entity(name, {"id": "x", "a": 3}, expected_version=saved["version"])
    with pytest.raises(millpond.VersionConflictError, match="version 2, where 1"):
        await conn.save_entity(name, {"id": "x", "a": 4}, expected_version=1)
    with pytest.raises(millpond.VersionConflictError, match="does not exist"):
        await conn.save_entity(name, {"id": "y", "a": 5}, expected_version=1)
    with pytest.raises(millpond.VersionConflictError):
        await conn.delete_entity(name, "x", expected_version=1)
    assert await conn.delete_entity(name, "x", expected_version=2) is True
    assert await versions(conn, name, "x") == [1, 2, 3]
    assert await versions(conn, name, "y") == []


async def test_of_many_who_expect_a_version_one_wins(db: Any, name: str) -> None:
    async with db.async_connection() as conn:
        await conn.save_entity(name, {"id": "x", "a": 0})

    async def change(a: int) -> bool:
        async with db.async_connection() as conn:
            try:
                await conn.save_entity(name, {"id": "x", "a": a}, expected_version=1)
            except millpond.VersionConflictError:
                return False
            return True

    assert sorted(await asyncio.gather(*map(change, range(8)))) == [False] * 7 + [True]


# ---- Finding -----------------------------------------------------------------------------


async def test_a_condition_with_or_does_not_show_what_is_deleted(conn: Any, name: str) -> None:
    await conn.save_entities(name, [{"id": "a", "n": 1}, {"id": "b", "n": 2}])
    await conn.delete_entity(name, "b")
    assert [r["id"] for r in await conn.find_entities(name, "n = ? OR n = ?", (1, 2))] == ["a"]
    assert await conn.count_entities(name, "n = 1 OR 1 = 1") == 1
    assert await conn.count_entities(name, "n = 1 OR 1 = 1 -- ") == 1
    assert await conn.count_entities(name, "n = 1 /* OR */ OR 1 = 1", include_deleted=True) == 2


async def test_limit_offset_and_order_on_all(conn: Any, name: str) -> None:
    await conn.save_entities(name, [{"id": str(i), "n": i // 2} for i in range(6)])
    await conn.save_entity(name, {"id": "none"})

    async def ids(**how: Any) -> list[str]:
        return [row["id"] for row in await conn.find_entities(name, **how)]

    assert await ids() == ["0", "1", "2", "3", "4", "5", "none"]
    assert await ids(order_by="n DESC, id DESC") == ["none", "5", "4", "3", "2", "1", "0"]
    assert await ids(order_by="n") == ["0", "1", "2", "3", "4", "5", "none"]
    assert await ids(order_by="[n] desc nulls last", limit=2) == ["4", "5"]
    assert await ids(order_by="n NULLS FIRST", limit=1) == ["none"]
    assert await ids(limit=2, offset=1) == ["1", "2"]
    assert await ids(offset=5) == ["5", "none"]
    assert await ids(limit=0) == []


@pytest.mark.parametrize(
    "order",
    ["n; DROP TABLE x", "n, (SELECT 1)", "1", "n DESC DESC", "n,", "", "n -- x\n, id;", "random()"],
)
async def test_an_order_is_columns_and_nothing_else(conn: Any, name: str, order: str) -> None:
    await conn.save_entity(name, {"id": "x", "n": 1})
    with pytest.raises(millpond.ProgrammingError):
        await conn.find_entities(name, order_by=order)
    assert await conn.count_entities(name) == 1


@pytest.mark.parametrize(
    "where", ["1 = 1) OR (1 = 1", "n = 1; DROP TABLE x", "(n = 1", "", "-- all", "n = 'x"]
)
async def test_a_condition_is_one_condition(conn: Any, name: str, where: str) -> None:
    await conn.save_entity(name, {"id": "x", "n": 1})
    with pytest.raises(millpond.ProgrammingError):
        await conn.find_entities(name, where)
    assert await conn.count_entities(name) == 1


async def test_placeholders_and_parameters_of_a_condition_are_counted(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "n": 1})
    with pytest.raises(millpond.ParameterError, match="1 placeholder and got 2"):
        await conn.find_entities(name, "n = ?", (1, 2))
    with pytest.raises(millpond.UndefinedObjectError):
        await conn.find_entities(name, "no_such_field = ?", (1,))
    assert await conn.count_entities(name) == 1


async def test_what_was_never_saved_is_empty(conn: Any, name: str) -> None:
    assert await conn.get_entity(name, "x") is None
    assert await conn.get_entities(name, ["x"]) == []
    assert await conn.find_entities(name, "n = ?", (1,)) == []
    assert await conn.count_entities(name) == 0
    assert await conn.get_entity_history(name, "x") == []
    assert await conn.get_entity_by_version(name, "x", 1) is None
    assert name not in await conn.list_entities()


async def test_entities_are_listed_by_name(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"a": 1})
    await conn.save_entity(f"{name}_b", {"a": 1})
    mine = [found for found in await conn.list_entities() if found.startswith(name)]
    assert mine == [name, f"{name}_b"]


# ---- Names and ids -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        'x"; DROP TABLE y',
        "x`y",
        "x y",
        "1x",
        "",
        "x" * 56,
        "x.y",
        "é",
        "x\0y",
        "x_history",
        "x_meta",
    ],
)
async def test_a_name_of_an_entity_is_letters_digits_and_underscores(conn: Any, bad: str) -> None:
    with pytest.raises(millpond.ArgumentError):
        await conn.save_entity(bad, {"a": 1})
    with pytest.raises(millpond.ArgumentError):
        await conn.find_entities(bad)


@pytest.mark.parametrize("bad", ['a"; DROP TABLE y', "a b", "1a", "", "a" * 64, "a-b", "a\0b", "ä"])
async def test_a_name_of_a_field_is_letters_digits_and_underscores(
    conn: Any, name: str, bad: str
) -> None:
    with pytest.raises(millpond.ArgumentError):
        await conn.save_entity(name, {bad: 1})
    assert name not in await conn.list_entities()


async def test_reserved_words_and_the_longest_names_can_be_names(conn: Any, name: str) -> None:
    fields = {"select": 1, "order": 2, "GROUP": 3, "table": 4, "f" * 63: 5}
    for entity in (f"{name}_{'x' * 100}"[:55], "user", "order"):
        saved = await conn.save_entity(entity, fields)
        read = await conn.get_entity(entity, saved["id"])
        assert {field: read[field] for field in fields} == fields
        assert await conn.find_entities(entity, "[order] = ?", (2,), order_by="[select], group")
        for row in await conn.find_entities(entity, include_deleted=True):
            await conn.delete_entity(entity, row["id"], permanent=True)


async def test_names_that_differ_only_in_case_are_refused(conn: Any, name: str, kind: str) -> None:
    saved = await conn.save_entity(name, {"Total": 1})
    with pytest.raises(millpond.ArgumentError, match="case"):
        await conn.save_entity(name, {"id": saved["id"], "total": 2})
    with pytest.raises(millpond.ArgumentError, match="case"):
        await conn.save_entity(f"{name}_n", {"one": 1, "ONE": 2})
    if kind != "mysql":  # whose tables may have no case at all
        with pytest.raises(millpond.ArgumentError, match="case"):
            await conn.save_entity(name.upper(), {"Total": 1})


@pytest.mark.parametrize("good", ["'; DROP TABLE x; --", '"', "%", "?", "ü 🦆", "x" * 255, " "])
async def test_an_id_may_be_any_text(conn: Any, name: str, good: str) -> None:
    await conn.save_entity(name, {"id": good, "a": 1})
    assert (await conn.get_entity(name, good))["id"] == good
    assert [row["id"] for row in await conn.get_entities(name, [good, "other"])] == [good]
    assert await versions(conn, name, good) == [1]
    assert await conn.count_entities(name) == 1


@pytest.mark.parametrize("bad", ["", "x" * 256, "a\0b"])
async def test_an_id_has_1_to_255_characters(conn: Any, name: str, bad: str) -> None:
    with pytest.raises(millpond.ArgumentError):
        await conn.save_entity(name, {"id": bad})
    with pytest.raises(millpond.ArgumentError):
        await conn.get_entity(name, bad)


async def test_ids_differ_in_case(conn: Any, name: str) -> None:
    await conn.save_entities(name, [{"id": "a"}, {"id": "A"}])
    assert await conn.count_entities(name) == 2


# ---- Transactions ------------------------------------------------------------------------


async def test_a_call_is_part_of_an_open_transaction(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    await conn.begin_transaction()
    await conn.save_entity(name, {"id": "x", "a": 2})
    await conn.save_entities(name, [{"id": "y", "a": 3}])
    await conn.delete_entity(name, "x")
    assert await conn.in_transaction()
    assert await conn.count_entities(name) == 1
    await conn.rollback_transaction()
    assert (await conn.get_entity(name, "x"))["a"] == 1
    assert await versions(conn, name, "x") == [1]
    assert await conn.count_entities(name) == 1


async def test_a_call_that_fails_leaves_the_open_transaction_usable(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    await conn.begin_transaction()
    await conn.save_entity(name, {"id": "x", "a": 2})
    with pytest.raises(millpond.VersionConflictError):
        await conn.save_entity(name, {"id": "x", "a": 3}, expected_version=1)
    with pytest.raises(millpond.UndefinedObjectError):
        await conn.find_entities(name, "no_such = 1")
    await conn.save_entity(name, {"id": "y", "a": 4})
    await conn.commit_transaction()
    assert [row["a"] for row in await conn.find_entities(name)] == [2, 4]


async def test_without_one_a_call_is_a_transaction_of_its_own(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    assert not await conn.in_transaction()
    await conn.find_entities(name)
    assert not await conn.in_transaction()


# ---- Synchronous -------------------------------------------------------------------------


def test_every_call_without_asyncio(db: Any, name: str) -> None:
    with db.sync_connection() as conn:
        saved = conn.save_entity(
            name, {"id": "x", "a": 1}, user_id="ann", comment="c", deserialize=True
        )
        assert conn.save_entities(name, [{"id": "y", "b": 2}, {"id": "z"}]) == ["y", "z"]
        assert conn.get_entity(name, "x", deserialize=True) == {**saved, "b": None}
        assert len(conn.get_entities(name, ["x", "y"])) == 2
        assert [row["id"] for row in conn.find_entities(name, "a = ?", (1,))] == ["x"]
        assert conn.count_entities(name) == 3
        assert conn.delete_entity(name, "x") is True
        assert conn.restore_entity(name, "x") is True
        assert [row["version"] for row in conn.get_entity_history(name, "x")] == [1, 2, 3]
        assert conn.get_entity_by_version(name, "x", 1)["history_comment"] == "c"
        since = saved["updated_at"]
        until = since + datetime.timedelta(days=1)
        assert len(conn.get_entity_history_between(name, since, until)) == 5
        assert name in conn.list_entities()
        with pytest.raises(millpond.VersionConflictError):
            conn.save_entity(name, {"id": "x"}, expected_version=9)
