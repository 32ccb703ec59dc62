"""`IN (?)` takes a list: each of its items is compared, on every database and in every call."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import millpond
import pytest

ROWS = [(1, "a", 10), (2, "b", 20), (3, "c", None), (4, None, 40)]


@pytest.fixture
async def letters(conn: Any) -> AsyncIterator[str]:
    name = f"letters_{uuid.uuid4().hex[:8]}"
    await conn.execute(f"CREATE TABLE {name} (id integer, name varchar(20), n integer)")
    await conn.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", ROWS)
    yield name
    await conn.execute(f"DROP TABLE {name}")


async def ids(conn: Any, table: str, condition: str, *params: Any) -> list[int]:
    rows = await conn.execute(f"SELECT id FROM {table} WHERE {condition} ORDER BY id", params)
    return [row[0] for row in rows]


CONDITIONS: list[tuple[str, tuple[Any, ...], list[int]]] = [
    ("name IN (?)", (["a", "b"],), [1, 2]),
    ("name IN (?)", (("a", "c", "x"),), [1, 3]),
    ("name NOT IN (?)", (["a", "b"],), [3]),
    ("NOT name IN (?)", (["a", "b"],), [3]),
    ("name not  in( ? )", (["a"],), [2, 3]),
    ("name /* which */ NOT -- here\n IN (?)", (["a"],), [2, 3]),
    ("id IN (?)", ([1, 2, 3, 4, 5],), [1, 2, 3, 4]),
    ("id IN (?) AND name IN (?)", ([1, 2], ["b", "c"]), [2]),
    ("id > ? AND id IN (?) AND id < ?", (1, [1, 2, 3, 4], 4), [2, 3]),
    ("id IN (?)", ([],), []),
    ("id NOT IN (?)", ([],), [1, 2, 3, 4]),
    ("name IN (?)", ([],), []),
    ("name NOT IN (?)", ([],), [1, 2, 3, 4]),  # also where there is no name
    ("NOT (name IN (?))", ([],), [1, 2, 3, 4]),
    ("name IN (?)", (["a", None],), [1]),
    ("name NOT IN (?)", (["a", None],), []),  # as in SQL: who knows
    ("id IN (?, ?)", ([1, 2], 3), [1, 2, 3]),
    ("id IN (?, ?)", (4, [1]), [1, 4]),
    ("id IN (?, ?)", ([], 4), [4]),
    ("id IN (?, ?)", ([], []), []),
    ("id IN (4, ?)", ([1, 2],), [1, 2, 4]),
    ("id IN (?, 4)", ([],), [4]),
    ("id NOT IN (4, ?, 1 + ?)", ([], 1), [1, 3]),
    ("id IN ((?))", ([1, 2],), [1, 2]),
    ("(id IN (?))", ([1, 2],), [1, 2]),
    ("id IN (SELECT id FROM {table} WHERE name IN (?))", (["a", "b"],), [1, 2]),
    ("id IN (?, (SELECT max(id) FROM {table} WHERE n IN (?)))", ([1], [10, 40]), [1, 4]),
    ("lower(name) IN (?)", (["a"],), [1]),
    ("id + 1 IN (?)", ([2, 3],), [1, 2]),
    ("CASE WHEN id IN (?) THEN 1 ELSE 0 END = 1", ([2],), [2]),
    ("(id, name) IN (?)", ([(1, "a"), (2, "x")],), [1]),
    ("(id, name) NOT IN (?)", ([[1, "a"], [2, "b"]],), [3, 4]),
    ("(id, name) IN (?)", ([],), []),
    ("(id, name) NOT IN (?)", ([],), [1, 2, 3, 4]),
    ("(id, n) IN (?) AND id IN (?)", ([(1, 10), (2, 20), (4, 40)], [2, 4]), [2, 4]),
    ("id IN (?)", (list(range(2, 3000)),), [2, 3, 4]),
    ("'?' = '?' AND id IN (?) -- ?", ([1],), [1]),
]


@pytest.mark.parametrize(("condition", "params", "expected"), CONDITIONS)
async def test_a_list_stands_for_its_items(
    kind: str, conn: Any, letters: str, condition: str, params: Any, expected: list[int]
) -> None:
    if kind == "duckdb" and condition.startswith("(id, name)") and params == ([],):
        pytest.skip("DuckDB has no rows of unknown types")
    condition = condition.format(table=letters)
    for _ in range(2):  # prepared, and from the cache
        assert await ids(conn, letters, condition, *params) == expected


@pytest.mark.parametrize("prepared", [True, False], ids=["binary", "text"])
async def test_postgres_compares_as_in_does(databases: Any, prepared: bool) -> None:
    db = databases.open("postgres", prepared_statements=prepared)
    async with db.async_connection() as conn:
        for sql, params in [
            ("SELECT 1 IN (?) = true", ([1, 2],)),
            ("SELECT true = 3 NOT IN (?)", ([1, 2],)),
            ("SELECT 'a' || 'b' IN (?) IS TRUE", (["ab"],)),
            ("SELECT NOT 1 IN (?)", ([2],)),
            ("SELECT NULL::int NOT IN (?)", ([],)),
            ("SELECT (NULL::int IN (?)) IS FALSE", ([],)),
            ("SELECT 0.1::numeric IN (?)", ([0.1],)),
            ("SELECT ?::text IN (?)", ("a", ["a"])),
            ("SELECT '{a}'::text[] IN (?)", ([["a"], ["b", "c"]],)),
            ("SELECT 2 = ANY(?)", ([1, 2],)),
            ("SELECT 3 <> ALL (?)", ([1, 2],)),
        ]:
            assert await conn.execute(sql, params) == [(True,)], sql


async def test_any_type_can_be_in_a_list(conn: Any, kind: str) -> None:
    types = {
        "sqlite": ["decimal_text", "date", "timestamp", "blob", "real", "uuid"],
        "postgres": ["numeric", "date", "timestamp", "bytea", "float8", "uuid"],
        "mysql": ["decimal(10,2)", "date", "datetime(6)", "varbinary(20)", "double", "char(36)"],
        "duckdb": ["decimal(10,2)", "date", "timestamp", "blob", "double", "uuid"],
    }[kind]
    values = [
        (Decimal("1.50"), Decimal("2.25")),
        (dt.date(2026, 1, 2), dt.date(2026, 1, 3)),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 6), dt.datetime(2026, 1, 3)),
        (b"\x00\xff", b"'\""),
        (0.1, 2.5),
        (uuid.UUID(int=1), uuid.UUID(int=2)),
    ]
    for name, (first, second) in zip(types, values, strict=True):
        table = f"typed_{uuid.uuid4().hex[:8]}"
        await conn.execute(f"CREATE TABLE {table} (id integer, v {name})")
        await conn.executemany(f"INSERT INTO {table} VALUES (?, ?)", [(1, first), (2, second)])
        assert await ids(conn, table, "v IN (?)", [first, None]) == [1], name
        assert await ids(conn, table, "v NOT IN (?)", [first]) == [2], name
        await conn.execute(f"DROP TABLE {table}")


async def test_writes_streams_and_frames_take_lists(kind: str, conn: Any, letters: str) -> None:
    done = await conn.execute(f"UPDATE {letters} SET n = ? WHERE name IN (?)", (5, ["a", "b"]))
    assert done.rowcount == 2
    found = [
        row
        async for row in conn.stream(
            f"SELECT id FROM {letters} WHERE n IN (?) ORDER BY id", ([5, 40],), batch=1
        )
    ]
    assert found == [(1,), (2,), (4,)]
    if kind != "duckdb":
        frame = await conn.fetch_arrow(f"SELECT id FROM {letters} WHERE n IN (?)", ([5, 6],))
        assert frame.num_rows == 2
    done = await conn.execute(f"DELETE FROM {letters} WHERE name NOT IN (?)", (["a", "b"],))
    assert done.rowcount == 1
    assert await ids(conn, letters, "1 = 1") == [1, 2, 4]


def test_blocking_calls_take_lists(db: Any) -> None:
    with db.sync_connection() as conn:
        rows = conn.execute("SELECT CASE WHEN 3 IN (?) THEN 1 ELSE 0 END", ([1, 3],))
        assert rows == [(1,)]


async def test_each_row_of_many_has_a_list_of_its_own_length(conn: Any, letters: str) -> None:
    rows = [
        (1, ["a", "b", "x"]),
        (2, []),
        (3, ["c"]),
        (4, [f"x{i}" for i in range(40)]),
        (5, ["b"]),
        (6, []),
    ]
    sql = f"UPDATE {letters} SET n = ? WHERE name IN (?)"
    done = await conn.executemany(sql, rows)
    assert done.rowcount == 4
    found = await conn.execute(f"SELECT id, n FROM {letters} ORDER BY id")
    assert found == [(1, 1), (2, 5), (3, 3), (4, 40)]
    await conn.executemany(
        f"UPDATE {letters} SET n = id + ? WHERE id NOT IN (?)",
        [(100, [1, 2, 3]), (1, []), (7, [4])],
    )
    found = await conn.execute(f"SELECT id, n FROM {letters} ORDER BY id")
    assert found == [(1, 8), (2, 9), (3, 10), (4, 5)]


async def test_a_row_that_fails_undoes_those_with_other_lengths(
    kind: str, conn: Any, letters: str
) -> None:
    if kind == "duckdb":
        pytest.skip("a backend converts row by row")
    await conn.execute(f"CREATE UNIQUE INDEX {letters}_n ON {letters} (n)")
    rows = [(1, ["a"]), (2, ["b", "x", "y"]), (2, []), (2, ["c", "c", "c", "c", "c"])]
    with pytest.raises(millpond.UniqueViolationError, match="row 3"):
        await conn.executemany(f"UPDATE {letters} SET n = ? WHERE name IN (?)", rows)
    assert await conn.execute(f"SELECT id, n FROM {letters} ORDER BY id") == [
        (row[0], row[2]) for row in ROWS
    ]
    assert await ids(conn, letters, "id IN (?)", [1]) == [1]


async def test_entities_are_found_by_lists(db: Any) -> None:
    entity = f"letter_{uuid.uuid4().hex[:8]}"
    async with db.async_connection() as conn:
        await conn.save_entities(entity, [{"name": name, "n": n} for _, name, n in ROWS])
        for condition, params, expected in [
            ("name IN (?)", (["a", "b"],), 2),
            ("name NOT IN (?)", (["a", "b"],), 1),
            ("name NOT IN (?)", ([],), 4),
            ("n = ? OR name IN (?)", (40, ["a"]), 2),
            ("name IN (?) AND n IN (?, ?)", (("a", "b"), [20], 30), 1),
            ("name IN (?)", ({"a", "b"},), 2),
            ("name NOT IN (?)", (frozenset({"a", "b"}),), 1),
            ("name NOT IN (?)", (set(),), 4),
        ]:
            found = await conn.find_entities(entity, condition, params)
            assert len(found) == expected, condition
            assert await conn.count_entities(entity, condition, params) == expected


# ---- What is refused ---------------------------------------------------------------------


REFUSED = [
    "name = ?",
    "name <> ?",
    "? = name",
    "name = (?)",
    "name LIKE ?",
    "name BETWEEN ? AND 'x'",
    "name IN ('a', ? || 'b')",
    "(id, name) IN ((1, ?))",
    "NOT ? = name",
    "name IN (VALUES (?))",
    "name IN (upper(?))",
    "lower(?) = name",
]


@pytest.mark.parametrize("condition", REFUSED)
async def test_a_list_where_one_value_is_wanted_is_refused(
    kind: str, conn: Any, letters: str, condition: str
) -> None:
    if kind == "duckdb":
        pytest.skip("its own types say so")
    for verb in ("SELECT id", "DELETE"):
        with pytest.raises(millpond.ParameterError, match="parameter 1 is a list.*IN"):
            await conn.execute(f"{verb} FROM {letters} WHERE {condition}", (["a", "b"],))
    with pytest.raises(millpond.ParameterError, match="parameter 2 is a list"):
        await conn.executemany(
            f"UPDATE {letters} SET n = ? WHERE {condition}", [(1, "a"), (2, ["a"])]
        )
    assert len(await ids(conn, letters, "1 = 1")) == 4


async def test_a_list_of_lists_needs_a_row_on_the_left(kind: str, conn: Any, letters: str) -> None:
    if kind == "duckdb":
        pytest.skip("its own types say so")
    with pytest.raises(millpond.ParameterError, match="item 1 of parameter 1 must be a list of 2"):
        await ids(conn, letters, "(id, name) IN (?)", [(1, "a"), (2,)])
    if kind != "postgres":
        with pytest.raises(millpond.ParameterError, match="item 0 of parameter 1 is a list"):
            await ids(conn, letters, "id IN (?)", [[1, 2]])


async def test_bytes_in_a_list_are_no_text(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.ParameterError, match="contains bytes"):
            await conn.execute("SELECT 'a'::text IN (?)", ([b"a"],))


async def test_a_list_is_json_where_it_is_stored(kind: str, databases: Any) -> None:
    if kind not in ("sqlite", "mysql"):
        pytest.skip("PostgreSQL has arrays")
    async with databases.open(kind).async_connection() as conn:
        await conn.execute("CREATE TABLE kept_lists (id integer PRIMARY KEY, tags json)")
        await conn.execute("INSERT INTO kept_lists VALUES (?, ?), (?, ?)", (1, ["a"], 2, []))
        await conn.execute(
            "UPDATE kept_lists SET id = id, tags = ? WHERE id IN (?)", (["b", "c"], [1])
        )
        await conn.execute("UPDATE kept_lists SET tags = COALESCE(?, tags) WHERE id = ?", ([1], 2))
        assert await conn.execute("SELECT tags FROM kept_lists ORDER BY id") == [
            (["b", "c"],),
            ([1],),
        ]
        await conn.execute("DROP TABLE kept_lists")


# ---- The cache, and limits ---------------------------------------------------------------


async def test_lists_of_many_lengths_are_few_statements(kind: str, databases: Any) -> None:
    if kind == "duckdb":
        pytest.skip("its statements are its own")
    db = databases.open(kind)
    async with db.async_connection() as conn:
        for count in range(1, 200):
            sql = "SELECT CASE WHEN 1 IN (?) THEN 1 ELSE 0 END"
            assert await conn.execute(sql, (list(range(count)),)) == [(int(count > 1),)]
        status = type(db).get_pool_metrics(db.hash())
    assert status["statement_misses"] <= 10


async def test_too_many_items_are_a_clear_error(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        assert await conn.execute("SELECT 1 IN (?)", (list(range(65535)),)) == [(1,)]
        with pytest.raises(millpond.ParameterError, match="65536 parameters are too many"):
            await conn.execute("SELECT 1 IN (?)", (list(range(65536)),))
    async with databases.open("sqlite").async_connection() as conn:
        assert await conn.execute("SELECT 1 IN (?)", (list(range(32766)),)) == [(1,)]
        with pytest.raises(millpond.ParameterError, match="parameters are too many"):
            await conn.execute("SELECT 1 IN (?)", (list(range(1_000_000)),))
    async with databases.open("postgres").async_connection() as conn:
        assert await conn.execute("SELECT 1 IN (?)", (list(range(100_000)),)) == [(True,)]


async def test_an_errors_position_is_in_the_statement_as_it_was_written(databases: Any) -> None:
    sql = "SELECT 'ü' WHERE 1 IN (?) AND nothing = 1"
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.UndefinedObjectError) as caught:
            await conn.execute(sql, ([1, 2, 3],))
        assert caught.value.position == sql.index("nothing") + 1
