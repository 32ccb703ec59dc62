"""MariaDB's Spider: tables whose rows are on two other servers.

Spider makes no tables on those servers, and no columns, so the suites of the other engines cannot
run here as they are: these tests make the tables first. The values are the conformance suite's.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import millpond
import pytest
import spider_server

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from test_same_everywhere import CASES, VALUES

TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
OWN = (
    f"id varchar(255) {TEXT} NOT NULL, created_at datetime(6), created_by varchar(255) {TEXT}, "
    f"updated_at datetime(6), updated_by varchar(255) {TEXT}, deleted_at datetime(6), "
    f"version bigint NOT NULL, name longtext {TEXT}, age bigint"
)
HISTORY = (
    f"{OWN}, history_timestamp datetime(6) NOT NULL, history_user_id varchar(255) {TEXT}, "
    f"history_comment longtext {TEXT}, PRIMARY KEY (id, version)"
)
META = "name varchar(64) PRIMARY KEY, type varchar(190) NOT NULL"


def url_of(address: dict[str, Any]) -> str:
    login = f"{address['user']}:{quote(address['password'])}"
    return f"mysql://{login}@{address['host']}:{address['port']}/{address['database']}"


@pytest.fixture(scope="module")
def address() -> Iterator[dict[str, Any]]:
    with spider_server.server() as made:
        yield made


@pytest.fixture
def db(address: dict[str, Any]) -> Iterator[Any]:
    made = millpond.connect(url_of(address), query_execution_timeout=60)
    yield made
    made.close()


@pytest.fixture
def create(address: dict[str, Any], db: Any) -> Callable[[str, str], None]:
    """create(table, columns): on both shards, and as a table of Spider's over them."""

    def on(database: Any, statement: str) -> None:
        with database.sync_connection() as conn:
            conn.execute(statement)

    def make(table: str, columns: str) -> None:
        for shard in address["shards"]:
            database = millpond.connect(url_of(shard))
            on(database, f"DROP TABLE IF EXISTS {table}")
            on(database, f"CREATE TABLE {table} ({columns})")
            database.close()
        on(db, f"DROP TABLE IF EXISTS {table}")
        on(db, f"CREATE TABLE {table} ({columns}) {spider_server.partitions(table)}")

    return make


@pytest.fixture
def person(create: Callable[[str, str], None], db: Any) -> str:
    create("person", f"{OWN}, PRIMARY KEY (id)")
    create("person_history", HISTORY)
    with db.sync_connection() as conn:
        conn.execute("DROP TABLE IF EXISTS person_meta")
        conn.execute(f"CREATE TABLE person_meta ({META})")
        conn.execute("INSERT INTO person_meta VALUES ('name', 'text'), ('age', 'int')")
    return "person"


def rows_on_shards(address: dict[str, Any], table: str) -> list[int]:
    counts = []
    for shard in address["shards"]:
        database = millpond.connect(url_of(shard))
        with database.sync_connection() as conn:
            counts.append(conn.execute(f"SELECT count(*) FROM {table}")[0][0])
        database.close()
    return counts


@pytest.mark.parametrize("name", sorted({name for name, _ in VALUES}))
def test_values_come_back_as_they_were(
    create: Callable[[str, str], None], db: Any, name: str
) -> None:
    create("kept", f"id integer PRIMARY KEY, value {CASES['columns'][name]['mysql']}")
    values = [value for kind, value in VALUES if kind == name]
    with db.sync_connection() as conn:
        for at, value in enumerate(values):
            conn.execute("INSERT INTO kept VALUES (?, ?)", (at, value))
        conn.executemany(
            "INSERT INTO kept VALUES (?, ?)", [(100 + i, v) for i, v in enumerate(values)]
        )
        rows = conn.execute("SELECT id, value FROM kept ORDER BY id")
    assert [row[1] for row in rows] == values * 2


@pytest.mark.parametrize("case", CASES["errors"], ids=[case["sql"] for case in CASES["errors"]])
def test_errors_are_of_their_classes(
    create: Callable[[str, str], None], db: Any, case: dict[str, str]
) -> None:
    create("kept", "id integer PRIMARY KEY, value integer")
    with db.sync_connection() as conn:
        conn.execute("INSERT INTO kept VALUES (1, 1)")
        with pytest.raises(getattr(millpond, case["class"])):
            conn.execute(case["sql"])


async def test_rows_are_on_both_shards_and_are_streamed(
    address: dict[str, Any], create: Callable[[str, str], None], db: Any
) -> None:
    await asyncio.to_thread(create, "numbers", "id integer PRIMARY KEY, square bigint")
    async with db.async_connection() as conn:
        rows = [(n, n * n) for n in range(5000)]
        assert (await conn.executemany("INSERT INTO numbers VALUES (?, ?)", rows)).rowcount == 5000
        async with conn.stream("SELECT id, square FROM numbers ORDER BY id") as stream:
            assert [row async for row in stream] == rows
    counts = await asyncio.to_thread(rows_on_shards, address, "numbers")
    assert sum(counts) == 5000
    assert min(counts) > 0


async def test_a_transaction_over_both_shards_is_rolled_back(
    create: Callable[[str, str], None], db: Any
) -> None:
    await asyncio.to_thread(create, "kept", "id integer PRIMARY KEY, value integer")
    async with db.async_connection() as conn:
        with pytest.raises(ZeroDivisionError):
            async with conn.transaction():
                await conn.executemany("INSERT INTO kept VALUES (?, 1)", [(n,) for n in range(50)])
                raise ZeroDivisionError
        assert await conn.execute("SELECT count(*) FROM kept") == [(0,)]


async def test_a_timeout_keeps_the_connection(create: Callable[[str, str], None], db: Any) -> None:
    await asyncio.to_thread(create, "kept", "id integer PRIMARY KEY, value integer")
    async with db.async_connection() as conn:
        await conn.execute("INSERT INTO kept VALUES (1, 1)")
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT sleep(600) FROM kept", timeout=0.2)
        assert await conn.execute("SELECT value FROM kept") == [(1,)]


def test_entities_live_on_both_shards(address: dict[str, Any], person: str, db: Any) -> None:
    people = [{"id": f"p{n}", "name": f"Person {n}", "age": n} for n in range(40)]
    with db.sync_connection() as conn:
        assert conn.save_entity(person, people[0])["version"] == 1
        assert conn.save_entity(person, people[0])["version"] == 2
        assert len(conn.save_entities(person, people)) == 40
        assert conn.get_entity(person, "p0")["version"] == 3
        found = conn.find_entities(person, "age >= ?", (5,), order_by="age DESC", limit=3)
        assert [each["id"] for each in found] == ["p39", "p38", "p37"]
        assert conn.count_entities(person) == 40
        assert conn.delete_entity(person, "p1") is True
        assert conn.get_entity(person, "p1") is None
        assert conn.restore_entity(person, "p1") is True
        history = conn.get_entity_history(person, "p1")
        assert [each["version"] for each in history] == [1, 2, 3]
        assert conn.delete_entity(person, "p2", permanent=True) is True
    assert min(rows_on_shards(address, "person")) > 0
    assert sum(rows_on_shards(address, "person")) == 39


def test_a_new_field_is_refused_as_the_shards_do_not_have_it(person: str, db: Any) -> None:
    """ALTER TABLE reaches Spider's own table alone: its shards come first."""
    with db.sync_connection() as conn:
        conn.save_entity(person, {"id": "x", "name": "old"})
        with pytest.raises(millpond.UndefinedObjectError, match="new"):
            conn.save_entity(person, {"id": "x", "new": 1})


def test_many_upserts_at_once_need_a_setting(person: str, db: Any) -> None:
    """Without spider_direct_dup_insert it sends a statement that its shards refuse."""
    people = [{"id": f"p{n}", "age": n} for n in range(3)]
    with db.sync_connection() as conn:
        conn.save_entities(person, people)
        conn.execute("SET spider_direct_dup_insert = 0")
        with pytest.raises(millpond.StatementError, match="Column count"):
            conn.save_entities(person, people)
        conn.execute("SET spider_direct_dup_insert = 1")
        assert conn.save_entities(person, people) == ["p0", "p1", "p2"]
