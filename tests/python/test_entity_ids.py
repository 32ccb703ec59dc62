"""Ids and texts of entities are told apart byte by byte, on every database."""

import re
from typing import Any

import millpond
import pytest
from conftest import KINDS
from entities import entity_name

IDS = ["ann", "ann ", "ann  ", "Ann", "änn", "a\u0308nn", "ann\t", " ann"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The library's own drivers."""
    return str(request.param)


@pytest.fixture
def name() -> str:
    return entity_name()


@pytest.fixture
async def exact(kind: str, conn: Any) -> None:
    """Where the server can: MySQL has a collation for it since 8.0.17, and refuses before."""
    wanted = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
    listed = "SELECT 1 FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN (?, ?)"
    if kind == "mysql" and not await conn.execute(listed, wanted):
        pytest.skip("this server has no collation that tells all texts apart")


async def test_ids_that_look_alike_are_entities_of_their_own(
    exact: None, conn: Any, name: str
) -> None:
    for number, id in enumerate(IDS):
        await conn.save_entity(name, {"id": id, "number": number})
    for number, id in enumerate(IDS):
        entity = await conn.get_entity(name, id)
        assert (entity["id"], entity["number"], entity["version"]) == (id, number, 1)
        assert [row["id"] for row in await conn.get_entity_history(name, id)] == [id]
        assert (await conn.get_entity_by_version(name, id, 1))["number"] == number
    assert await conn.count_entities(name) == len(IDS)
    assert {row["id"] for row in await conn.get_entities(name, IDS[:3])} == set(IDS[:3])
    await conn.delete_entity(name, "ann ")
    assert await conn.get_entity(name, "ann ") is None
    assert (await conn.get_entity(name, "ann"))["version"] == 1
    await conn.delete_entity(name, "ann ", permanent=True)
    assert await conn.count_entities(name, include_deleted=True) == len(IDS) - 1


async def test_many_ids_that_look_alike_are_saved_at_once(
    exact: None, conn: Any, name: str
) -> None:
    for version in (1, 2):
        await conn.save_entities(name, [{"id": id, "number": len(id)} for id in IDS])
        found = await conn.find_entities(name, order_by="id")
        assert sorted(row["id"] for row in found) == sorted(IDS)
        assert {row["version"] for row in found} == {version}


async def test_a_condition_sees_trailing_spaces(exact: None, conn: Any, name: str) -> None:
    for id in ("a", "b"):
        text = "x" if id == "a" else "x "
        await conn.save_entity(name, {"id": id, "text": text, "list": [text]})
    for text, id in (("x", "a"), ("x ", "b")):
        found = await conn.find_entities(name, "text = ?", (text,))
        assert [row["id"] for row in found] == [id]
        assert await conn.count_entities(name, "text <> ?", (text,)) == 1


# What tables were like before: their collation takes ids for the same that are not.
PADDED = "varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
FOLDED = "varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
PLAIN = "varchar(100) CHARACTER SET latin1 COLLATE latin1_swedish_ci"


async def make_older(conn: Any, name: str, column: str) -> None:
    await conn.execute(f"CREATE TABLE {name} (id {column} NOT NULL PRIMARY KEY, number bigint)")


@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize(
    ("column", "other"), [(PADDED, "ann "), (FOLDED, "Ann"), (FOLDED, "änn"), (PLAIN, "ANN")]
)
async def test_a_table_that_takes_two_ids_for_one_never_loses_the_first(
    databases: Any, name: str, column: str, other: str, in_transaction: bool
) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await make_older(conn, name, column)
        await conn.save_entity(name, {"id": "ann", "number": 1, "other": "text"})
        if in_transaction:
            await conn.begin_transaction()
        match = rf'another entity "{name}" has an id that differs only in '
        for save in (
            conn.save_entity(name, {"id": other, "number": 2}),
            conn.save_entity(name, {"id": other, "number": 2}, expected_version=0),
            conn.save_entities(name, [{"id": "x", "number": 1}, {"id": other, "number": 2}]),
            conn.save_entities(name, [{"id": "y", "number": 1}, {"id": other, "other": "z"}]),
        ):
            with pytest.raises(millpond.UniqueViolationError, match=match):
                await save
        assert await conn.get_entity(name, other) is None
        assert await conn.get_entities(name, [other]) == []
        assert await conn.get_entity_history(name, other) == []
        assert await conn.get_entity_by_version(name, other, 1) is None
        assert not await conn.delete_entity(name, other)
        assert not await conn.delete_entity(name, other, permanent=True)
        assert not await conn.restore_entity(name, other)
        with pytest.raises(millpond.VersionConflictError, match="does not exist"):
            await conn.save_entity(name, {"id": other, "number": 2}, expected_version=1)
        entity = await conn.get_entity(name, "ann")
        assert (entity["id"], entity["number"], entity["version"]) == ("ann", 1, 1)
        await conn.save_entity(name, {"id": "ann", "number": 3})
        await conn.save_entities(name, [{"id": "ann", "number": 4}, {"id": "bob", "number": 1}])
        await conn.save_entity(name, {"id": "ann", "number": 5}, expected_version=3)
        assert [row["id"] for row in await conn.get_entities(name, ["bob", "ann"])] != []
        assert len(await conn.get_entity_history(name, "ann")) == 4
        if in_transaction:
            await conn.commit_transaction()
        assert await conn.count_entities(name) == 2


async def test_a_table_is_told_what_to_do_and_then_takes_both(databases: Any, name: str) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await make_older(conn, name, PADDED)
        await conn.save_entity(name, {"id": "ann", "number": 1})
        with pytest.raises(millpond.UniqueViolationError) as caught:
            await conn.save_entity(name, {"id": "ann ", "number": 2})
        column = re.search("MODIFY (id .* NOT NULL)", str(caught.value))
        if not column:
            assert "MySQL 8.0.17" in str(caught.value)
            return
        for table in (name, f"{name}_history"):
            await conn.execute(f"ALTER TABLE {table} MODIFY {column[1]}")
        await conn.save_entity(name, {"id": "ann ", "number": 2})
        assert await conn.count_entities(name) == 2


async def test_a_history_has_the_ids_and_texts_of_its_table(databases: Any, name: str) -> None:
    """With the table's own character sets and collations, whatever the database's default is."""
    async with databases.open("mysql").async_connection() as conn:
        labels = ", ".join(f"'label {number:04d}'" for number in range(60))
        await conn.execute(
            f"CREATE TABLE {name} (id varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
            "PRIMARY KEY, a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, "
            f"b enum({labels}) CHARACTER SET utf8mb4, c char(3) CHARACTER SET ascii, "
            "d varbinary(9)) DEFAULT CHARACTER SET latin1"
        )
        values = {"a": "日本", "b": "label 0059", "c": "abc", "d": b"\x00\xff"}
        await conn.save_entity(name, {"id": "日", **values})
        history = await conn.get_entity_history(name, "日")
        assert {key: history[0][key] for key in values} == values
        declared = (
            "SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME FROM "
            "information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND "
            "COLUMN_NAME NOT LIKE 'history%' ORDER BY COLUMN_NAME"
        )
        main = await conn.execute(declared, (name,))
        assert await conn.execute(declared, (f"{name}_history",)) == main


# ---- Tables of others on PostgreSQL and SQLite ---------------------------------------------

NOCASE = 'text COLLATE "nocase_for_ids"'
ALIKE = [
    ("postgres", "citext", "ann", "Ann"),
    ("postgres", "label_for_ids", "ann", "ANN"),
    ("postgres", NOCASE, "ann", "änn"),
    ("sqlite", "text COLLATE NOCASE", "ann", "Ann"),
    ("sqlite", "text COLLATE RTRIM", "ann", "ann "),
    ("sqlite", "varchar(9) COLLATE NOCASE UNIQUE, ignored text", "ann", "ANN"),
]


@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize(("kind", "column", "one", "other"), ALIKE)
async def test_a_type_or_collation_that_takes_two_ids_for_one_never_loses_the_first(
    databases: Any, name: str, kind: str, column: str, one: str, other: str, in_transaction: bool
) -> None:
    async with databases.open(kind).async_connection() as conn:
        if kind == "postgres":
            await prepare_postgres(conn)
        key = column if "UNIQUE" in column else f"{column} PRIMARY KEY"
        await conn.execute(f"CREATE TABLE {name} (id {key}, number bigint)")
        await conn.save_entity(name, {"id": one, "number": 1, "text": "x"})
        if in_transaction:
            await conn.begin_transaction()
        for save in (
            conn.save_entity(name, {"id": other, "number": 2}),
            conn.save_entity(name, {"id": other, "number": 2}, expected_version=0),
            conn.save_entities(name, [{"id": "x", "number": 1}, {"id": other, "number": 2}]),
            conn.save_entities(name, [{"id": "y", "number": 1}, {"id": other, "text": "z"}]),
        ):
            with pytest.raises(millpond.UniqueViolationError, match="another entity .* use"):
                await save
        assert await conn.get_entity(name, other) is None
        assert await conn.get_entities(name, [other]) == []
        assert await conn.get_entity_history(name, other) == []
        assert await conn.get_entity_by_version(name, other, 1) is None
        assert not await conn.delete_entity(name, other)
        assert not await conn.delete_entity(name, other, permanent=True)
        assert not await conn.restore_entity(name, other)
        with pytest.raises(millpond.VersionConflictError, match="does not exist"):
            await conn.save_entity(name, {"id": other, "number": 2}, expected_version=1)
        entity = await conn.get_entity(name, one)
        assert (entity["id"], entity["number"], entity["version"]) == (one, 1, 1)
        await conn.save_entity(name, {"id": one, "number": 3})
        await conn.save_entities(name, [{"id": one, "number": 4}, {"id": "bob", "number": 1}])
        await conn.save_entities(name, [{"id": one, "number": 4}, {"id": "bob", "text": "b"}])
        await conn.save_entity(name, {"id": one, "number": 5}, expected_version=4)
        assert {row["id"] for row in await conn.get_entities(name, ["bob", one])} == {"bob", one}
        assert len(await conn.get_entity_history(name, one)) == 5
        if in_transaction:
            await conn.commit_transaction()
        assert await conn.count_entities(name) == 2
        assert await conn.delete_entity(name, one, permanent=True)
        assert await conn.count_entities(name) == 1


async def prepare_postgres(conn: Any) -> None:
    await conn.execute("CREATE EXTENSION IF NOT EXISTS citext")
    await conn.execute(
        "CREATE COLLATION IF NOT EXISTS nocase_for_ids "
        "(provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
    )
    await conn.execute(
        "DO $$ BEGIN CREATE DOMAIN label_for_ids AS citext; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )


@pytest.mark.parametrize("column", ["char(9)", "bpchar"])
async def test_a_column_that_does_not_keep_spaces_takes_no_id_that_ends_in_them(
    databases: Any, name: str, column: str
) -> None:
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute(f"CREATE TABLE {name} (id {column} PRIMARY KEY, number bigint)")
        saved = await conn.save_entity(name, {"id": "änn", "number": 1})
        for call in (
            conn.save_entity(name, {"id": "änn ", "number": 2}),
            conn.save_entities(name, [{"id": "x", "number": 1}, {"id": "änn ", "number": 2}]),
            conn.get_entity(name, "änn "),
            conn.delete_entity(name, "änn "),
        ):
            with pytest.raises(millpond.InvalidDataError, match="ends in spaces"):
                await call
        # as the column gave it back
        changed = await conn.save_entity(name, {"id": saved["id"], "number": 3})
        assert (changed["version"], changed["id"]) == (2, saved["id"])
        assert (await conn.get_entity(name, "änn"))["number"] == 3
