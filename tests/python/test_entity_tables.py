"""The tables of entities: shared with others, changed by others, and never ahead of a rollback."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from typing import Any

import millpond
import pytest
from entities import ENTITY_KINDS, column_count, entity_name, quoted

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)


@pytest.fixture
def name() -> str:
    return entity_name()


# ---- Changed by others -------------------------------------------------------------------


@pytest.fixture
def other(kind: str, databases: Any) -> Any:
    """The same database as another process sees it: with a pool and a cache of its own."""
    return databases.open(kind, alias="another process")


async def test_a_field_that_another_process_added_is_seen(conn: Any, other: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    async with other.async_connection() as theirs:
        await theirs.save_entity(name, {"id": "x", "b": (1, 2)})
    assert (await conn.get_entity(name, "x", deserialize=True))["b"] == (1, 2)
    assert (await conn.find_entities(name, "b IS NOT NULL"))[0]["id"] == "x"


async def test_history_is_whole_after_another_process_added_a_field(
    conn: Any, other: Any, name: str
) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    for step in range(3):
        async with other.async_connection() as theirs:
            await theirs.save_entity(name, {"id": "x", f"b{step}": "theirs"})
        if step == 0:
            await conn.save_entity(name, {"id": "x", "a": 2})
        elif step == 1:
            await conn.save_entities(name, [{"id": "x", "a": 2}, {"id": "y", "a": 2}])
        else:
            await conn.delete_entity(name, "x")
        last = (await conn.get_entity_history(name, "x"))[-1]
        assert [last[f"b{i}"] for i in range(step + 1)] == ["theirs"] * (step + 1)


async def test_a_table_that_was_dropped_is_made_again(conn: Any, kind: str, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    for table in (name, f"{name}_history", f"{name}_meta"):
        await conn.execute(f"DROP TABLE {quoted(kind, table)}")
    assert await conn.get_entity(name, "x") is None
    assert await conn.count_entities(name) == 0
    assert (await conn.save_entity(name, {"id": "x", "b": "new"}))["version"] == 1
    for table in (name, f"{name}_history", f"{name}_meta"):
        await conn.execute(f"DROP TABLE {quoted(kind, table)}")
    assert await conn.save_entities(name, [{"id": "x", "a": "text"}]) == ["x"]
    assert await conn.delete_entity(name, "x") is True


async def test_a_column_that_was_dropped_is_made_again(conn: Any, kind: str, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1, "b": 2})
    for table in (name, f"{name}_history"):
        await conn.execute(f"ALTER TABLE {quoted(kind, table)} DROP COLUMN b")
    assert "b" not in await conn.get_entity(name, "x")
    await conn.save_entity(name, {"id": "x", "a": 2})
    assert (await conn.save_entity(name, {"id": "x", "b": 3}))["b"] == 3
    assert (await conn.get_entity_history(name, "x"))[-1]["b"] == 3


async def test_a_column_that_only_the_history_has_still_is_made_again(
    conn: Any, name: str, kind: str
) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1, "b": 2, "c": 3})
    await conn.get_entity(name, "x")
    await conn.execute(f"ALTER TABLE {quoted(kind, name)} DROP COLUMN b")
    saved = await conn.save_entity(name, {"id": "x", "b": 7, "d": 4})
    assert (saved["a"], saved["b"], saved["c"], saved["d"]) == (1, 7, 3, 4)
    assert await conn.get_entity(name, "x") == saved
    assert [row["b"] for row in await conn.get_entity_history(name, "x")] == [2, 7]


# ---- Rollback ----------------------------------------------------------------------------


async def test_a_field_whose_save_was_rolled_back_can_be_saved(conn: Any, name: str) -> None:
    for attempt in range(3):
        await conn.begin_transaction()
        await conn.save_entity(name, {"id": "x", "a": 1, f"field{attempt}": attempt})
        assert (await conn.get_entity(name, "x"))[f"field{attempt}"] == attempt
        await conn.rollback_transaction()
        saved = await conn.save_entity(name, {"id": "y", f"field{attempt}": attempt})
        assert saved[f"field{attempt}"] == attempt
    assert await conn.get_entity(name, "x") is None


async def test_another_task_does_not_see_columns_before_they_are_committed(
    db: Any, kind: str, name: str
) -> None:
    if kind == "sqlite":
        pytest.skip("writers take turns: the other would wait for the first")
    async with db.async_connection() as one, db.async_connection() as two:
        await one.save_entity(name, {"id": "x", "a": 1})
        await one.begin_transaction()
        await one.save_entity(f"{name}_b", {"id": "x", "new": 1})
        await one.rollback_transaction()
        saved = await two.save_entity(
            f"{name}_b", {"id": "y", "new": "text" if kind != "mysql" else 2}
        )
        assert saved["new"]


async def test_new_fields_in_a_transaction_do_not_commit_it(
    conn: Any, kind: str, name: str
) -> None:
    """MySQL commits with every change of a table: those are made on another connection."""
    await conn.save_entity(name, {"id": "x", "a": 1})
    await conn.begin_transaction()
    await conn.save_entity(f"{name}_b", {"id": "y", "new": 1})
    await conn.save_entity(name, {"id": "x", "a": 2})
    assert await conn.in_transaction()
    await conn.rollback_transaction()
    assert (await conn.get_entity(name, "x"))["a"] == 1
    assert await conn.get_entity(f"{name}_b", "y") is None


async def test_a_new_field_of_an_entity_that_the_transaction_used(
    conn: Any, kind: str, name: str
) -> None:
    await conn.save_entity(name, {"id": "x", "a": 1})
    await conn.begin_transaction()
    await conn.save_entity(name, {"id": "x", "a": 2})
    if kind == "mysql":
        with pytest.raises(millpond.QueryTimeoutError, match="cannot be added while a transaction"):
            await conn.save_entity(name, {"id": "x", "b": 3})
        assert await conn.in_transaction()
    else:
        await conn.save_entity(name, {"id": "x", "b": 3})
    await conn.commit_transaction()
    assert (await conn.get_entity(name, "x"))["a"] == 2


# ---- Tables of others --------------------------------------------------------------------

ADOPTED = {
    "sqlite": "CREATE TABLE {t} (id integer PRIMARY KEY, name varchar(20) NOT NULL, size int)",
    "postgres": "CREATE TABLE {t} (id int PRIMARY KEY, name varchar(20) NOT NULL, size int)",
    "mysql": "CREATE TABLE {t} (id int PRIMARY KEY, name varchar(20) NOT NULL, size int)",
}


async def test_a_table_of_others_is_adopted(conn: Any, kind: str, name: str) -> None:
    table = quoted(kind, name)
    await conn.execute(ADOPTED[kind].format(t=table))
    await conn.execute(f"INSERT INTO {table} (id, name, size) VALUES (1, 'one', 10)")
    assert await conn.get_entity(name, "1") == {"id": 1, "name": "one", "size": 10}
    assert await conn.count_entities(name, "size > 5") == 1
    changed = await conn.save_entity(name, {"id": 1, "size": 11}, user_id="ann")
    assert (changed["name"], changed["size"], changed["version"]) == ("one", 11, 1)
    added = await conn.save_entity(name, {"id": 2, "name": "two", "colour": "red"})
    assert added["id"] == 2
    assert await conn.save_entities(name, [{"id": 1, "size": 12}, {"id": 3, "name": "three"}]) == [
        "1",
        "3",
    ]
    assert [row["version"] for row in await conn.get_entity_history(name, "1")] == [1, 2]
    assert await conn.delete_entity(name, "2") is True
    assert [row["id"] for row in await conn.find_entities(name)] == [1, 3]
    with pytest.raises(millpond.InvalidDataError, match="size"):
        await conn.save_entity(name, {"id": 1, "size": "big"})
    with pytest.raises(millpond.DatabaseError):
        await conn.save_entity(name, {"id": 4, "size": 1})  # no name
    assert await conn.count_entities(name) == 2


IDS = {
    "int": ("bigint", ["1", "20", "-3"], 4),
    "uuid": ("uuid", [str(uuid.UUID(int=n)) for n in (1, 20, 3)], uuid.UUID(int=4)),
}


@pytest.mark.parametrize("ids", IDS)
async def test_ids_of_other_types_can_be_used_by_all_calls(
    conn: Any, kind: str, name: str, ids: str
) -> None:
    declared, many, one = IDS[ids]
    if kind == "mysql" and ids == "uuid":
        declared = "char(36)"
    await conn.execute(f"CREATE TABLE {quoted(kind, name)} (id {declared} PRIMARY KEY, n int)")
    assert await conn.save_entities(name, [{"id": i, "n": 1} for i in many]) == many
    rows = [{"id": many[0], "n": 2}, {"id": many[1]}, {"id": many[0], "n": 3}]
    assert await conn.save_entities(name, rows) == [many[0], many[1], many[0]]
    assert (await conn.save_entity(name, {"id": one, "n": 1}))["version"] == 1
    assert await conn.delete_entity(name, str(one)) is True
    assert await conn.restore_entity(name, str(one)) is True
    found = await conn.get_entities(name, [*many, one])
    assert {str(row["id"]): (row["version"], row["n"]) for row in found} == {
        many[0]: (3, 3),
        many[1]: (2, 1),
        many[2]: (1, 1),
        str(one): (3, 1),
    }
    history = await conn.get_entity_history(name, many[0])
    assert [(row["version"], row["n"]) for row in history] == [(1, 1), (2, 2), (3, 3)]
    assert await conn.delete_entity(name, many[1], permanent=True) is True
    assert await conn.save_entities(name, [{"id": many[1], "n": 9}]) == [many[1]]
    assert (await conn.get_entity_by_version(name, many[1], 4))["n"] == 9


@pytest.mark.parametrize("bad", ["2; --", "2abc", "abc", "02", "2.0", "2e0", " 2", "+2", "9" * 30])
async def test_an_id_that_is_no_int_is_not_made_one(
    conn: Any, kind: str, name: str, bad: str
) -> None:
    """MySQL and SQLite would take what begins with the digits of an id for that id."""
    await conn.execute(f"CREATE TABLE {quoted(kind, name)} (id bigint PRIMARY KEY, n int)")
    await conn.save_entities(name, [{"id": 0, "n": 1}, {"id": 2, "n": 1}])
    for call in (
        lambda: conn.get_entity(name, bad),
        lambda: conn.get_entities(name, ["2", bad]),
        lambda: conn.save_entity(name, {"id": bad, "n": 2}),
        lambda: conn.save_entities(name, [{"id": 2, "n": 2}, {"id": bad, "n": 2}]),
        lambda: conn.delete_entity(name, bad, permanent=True),
        lambda: conn.restore_entity(name, bad),
        lambda: conn.get_entity_history(name, bad),
        lambda: conn.get_entity_by_version(name, bad, 1),
    ):
        with pytest.raises(millpond.InvalidDataError, match="is not an int, but the ids of"):
            await call()
    with pytest.raises(millpond.InvalidDataError, match="not an int.* give each entity an id"):
        await conn.save_entity(name, {"n": 2})
    assert [row["n"] for row in await conn.find_entities(name)] == [1, 1]


@pytest.mark.parametrize(
    ("column", "declared", "value"),
    [("version", "varchar(20)", "1.2.3"), ("deleted_at", "int", 0), ("updated_at", "int", 1700000)],
)
async def test_a_column_of_others_that_only_has_the_name_is_left_alone(
    conn: Any, kind: str, name: str, column: str, declared: str, value: Any
) -> None:
    """It would be overwritten with something else."""
    table = quoted(kind, name)
    await conn.execute(f"CREATE TABLE {table} (id varchar(40) PRIMARY KEY, {column} {declared})")
    await conn.execute(f"INSERT INTO {table} VALUES ('x', ?)", (value,))
    for call in (
        lambda: conn.save_entity(name, {"id": "x", "a": 1}),
        lambda: conn.save_entities(name, [{"id": "x", "a": 1}]),
        lambda: conn.delete_entity(name, "x"),
    ):
        with pytest.raises(millpond.ArgumentError, match=f'column "{column}".*rename it'):
            await call()
    assert await conn.execute(f"SELECT * FROM {table}") == [("x", value)]
    assert (await conn.get_entity(name, "x", include_deleted=True))["id"] == "x"


async def test_a_table_without_an_id_is_no_entity(conn: Any, kind: str, name: str) -> None:
    await conn.execute(f"CREATE TABLE {quoted(kind, name)} (a int)")
    with pytest.raises(millpond.ArgumentError, match='no column "id"'):
        await conn.save_entity(name, {"a": 1})


async def test_others_read_and_write_with_plain_sql(conn: Any, kind: str, name: str) -> None:
    table = quoted(kind, name)
    await conn.save_entity(name, {"id": "x", "a": 1, "b": "text"})
    assert await conn.execute(f"SELECT a, b FROM {table} WHERE id = ?", ("x",)) == [(1, "text")]
    await conn.execute(f"UPDATE {table} SET a = 5 WHERE id = ?", ("x",))
    saved = await conn.save_entity(name, {"id": "x", "b": "more"})
    assert (saved["a"], saved["version"]) == (5, 2)
    await conn.execute(f"INSERT INTO {table} (id, a, version) VALUES ('y', 7, 1)")
    assert (await conn.save_entity(name, {"id": "y", "b": "new"}))["version"] == 2


# ---- Many at once ------------------------------------------------------------------------


async def save_in(db: Any, name: str, entity: dict[str, Any]) -> None:
    async with db.async_connection(timeout=100) as conn:
        await conn.save_entity(name, entity)


async def test_50_writers_of_one_id_make_versions_without_a_gap(db: Any, name: str) -> None:
    await asyncio.gather(*(save_in(db, name, {"id": "x", "n": n}) for n in range(50)))
    async with db.async_connection() as conn:
        rows = await conn.get_entity_history(name, "x")
        assert [row["version"] for row in rows] == list(range(1, 51))
        assert sorted(row["n"] for row in rows) == list(range(50))
        assert (await conn.get_entity(name, "x"))["n"] == rows[-1]["n"]
        await conn.delete_entity(name, "x", permanent=True)
    await asyncio.gather(*(save_in(db, name, {"id": "x", "n": n}) for n in range(20)))
    async with db.async_connection() as conn:
        rows = await conn.get_entity_history(name, "x")
        assert [row["version"] for row in rows] == list(range(1, 72))


async def test_20_tasks_that_save_new_fields_at_once_lose_none(db: Any, name: str) -> None:
    fields = [f"field_{n}" for n in range(20)]
    await asyncio.gather(*(save_in(db, name, {"id": f, f: 1, "all": 2}) for f in fields))
    async with db.async_connection() as conn:
        found = {row["id"]: row for row in await conn.find_entities(name)}
        assert [found[f][f] for f in fields] == [1] * 20


async def test_bulk_saves_that_overlap_do_not_fail(db: Any, name: str) -> None:
    async def save(n: int) -> None:
        async with db.async_connection() as conn:
            ids = [str(i) for i in range(20)]
            await conn.save_entities(name, [{"id": i, "n": n} for i in (ids, ids[::-1])[n % 2]])

    await asyncio.gather(*map(save, range(6)))
    async with db.async_connection() as conn:
        assert await conn.count_entities(name, "version = 6") == 20


PROGRAM = """
import asyncio, json, sys
from millpond import DatabaseConfig, DatabaseFactory, PoolManager

kind, settings, name, field = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]

async def main():
    patience = {"connection_acquisition_timeout": 120, "connection_creation_timeout": 120}
    db = DatabaseFactory.create_database(kind, DatabaseConfig(**settings, **patience))
    async with db.async_connection() as conn:
        print("ready", flush=True)
        sys.stdin.readline()
        await conn.save_entity(name, {"id": field, field: 1, "shared": field})
    await PoolManager.close_pool(timeout=10)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_20_processes_that_save_new_fields_at_once_lose_none(
    db: Any, kind: str, name: str, databases: Any
) -> None:
    config = databases.config(kind).config()
    keys = ("database", "host", "port", "user", "password")
    settings = json.dumps({key: config[key] for key in keys if config.get(key) is not None})
    fields = [f"field_{n}" for n in range(20)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, kind, settings, name, field],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for field in fields
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    async with db.async_connection() as conn:
        found = {row["id"]: row for row in await conn.find_entities(name)}
        assert [found[f][f] for f in fields] == [1] * 20
        assert await column_count(conn, kind, name) == 7 + 21
        assert await column_count(conn, kind, f"{name}_history") == 7 + 21 + 3
