"""Prepared statements are kept with their connection, and the counts say so."""

from typing import Any

import pytest


async def run(db: Any, statements: range) -> None:
    """Each time in a lease of its own: the cache belongs to the physical connection."""
    for number in statements:
        async with db.async_connection() as conn:
            assert (await conn.execute(f"SELECT {number}")) == [(number,)]


def counts(db: Any) -> tuple[int, int, int]:
    metrics = type(db).get_pool_metrics(db.hash())
    return (
        metrics["statement_hits"],
        metrics["statement_misses"],
        metrics["statement_evictions"],
    )


async def test_statements_survive_the_release_of_their_connection(
    kind: str, databases: Any
) -> None:
    db = databases.open(kind, pool_max_size=1)
    for _ in range(10):
        await run(db, range(5))
    assert counts(db) == (45, 5, 0)


async def test_the_least_recently_used_statement_goes_first(kind: str, databases: Any) -> None:
    db = databases.open(kind, pool_max_size=1, statement_cache_size=3, statement_cache_max_size=3)
    await run(db, range(3))
    await run(db, range(1))  # 0 is used again, so 1 is the oldest
    await run(db, range(3, 4))
    assert counts(db) == (1, 4, 1)
    await run(db, range(1))
    assert counts(db) == (2, 4, 1)
    await run(db, range(1, 2))
    assert counts(db) == (2, 5, 2)


async def test_the_cache_grows_while_evicted_statements_come_back(
    kind: str, databases: Any
) -> None:
    db = databases.open(kind, pool_max_size=1, statement_cache_size=4)
    for _ in range(10):
        await run(db, range(15))
    hits, misses, evictions = counts(db)
    assert hits >= 75
    assert misses == 150 - hits
    before = evictions
    await run(db, range(15))
    assert counts(db) == (hits + 15, misses, before)


async def test_the_cache_does_not_grow_for_statements_that_never_return(
    kind: str, databases: Any
) -> None:
    db = databases.open(kind, pool_max_size=1, statement_cache_size=4)
    await run(db, range(50))
    assert counts(db) == (0, 50, 46)


@pytest.mark.parametrize("sql", ["SELECT * FROM grows", "SELECT * FROM grows WHERE a = ?"])
async def test_a_change_of_the_schema_is_not_noticed(kind: str, databases: Any, sql: str) -> None:
    params = (1,) if "?" in sql else ()
    db = databases.open(kind)
    async with db.async_connection() as conn, db.async_connection() as other:
        await conn.execute("DROP TABLE IF EXISTS grows")
        await conn.execute("CREATE TABLE grows (a integer)")
        await conn.execute("INSERT INTO grows VALUES (1)")
        for _ in range(3):
            assert (await conn.execute(sql, params)) == [(1,)]
        await other.execute("ALTER TABLE grows ADD COLUMN b varchar(20)")
        rows = await conn.execute(sql, params)
        assert (rows, rows.columns) == ([(1, None)], ("a", "b"))
        await other.execute("DROP TABLE grows")
        await other.execute("CREATE TABLE grows (b varchar(20), a integer)")
        await other.execute("INSERT INTO grows VALUES ('new', 1)")
        assert (await conn.execute(sql, params)) == [("new", 1)]
        await other.execute("DROP TABLE grows")


async def test_names_follow_a_table_whose_columns_changed_places(kind: str, databases: Any) -> None:
    """As many columns as before, of the same types: only the names tell."""
    db = databases.open(kind, pool_max_size=2)
    sql, params = "SELECT * FROM moves WHERE 1 = ?", (1,)
    async with db.async_connection() as conn, db.async_connection() as other:
        await other.execute("CREATE TABLE moves (a integer, b integer)")
        await other.execute("INSERT INTO moves VALUES (1, 2)")
        for _ in range(3):
            assert (await conn.execute(sql, params)).columns == ("a", "b")
        await other.execute("ALTER TABLE moves DROP COLUMN a")
        await other.execute("ALTER TABLE moves ADD COLUMN a integer")
        for _ in range(3):  # MariaDB tells the columns once
            rows = await conn.execute(sql, params)
            assert (rows, rows.columns) == ([(2, None)], ("b", "a"))
        async with conn.stream(sql, params) as stream:
            assert [row async for row in stream] == [(2, None)]
            assert stream.columns == ("b", "a")
        await other.execute("DROP TABLE moves")


@pytest.mark.parametrize("change", ["ADD COLUMN c integer, ADD COLUMN d text", "DROP COLUMN b"])
async def test_an_insert_returns_the_columns_that_a_table_has_now(
    mariadb: Any, databases: Any, change: str
) -> None:
    """The row is there whatever the client library thinks of its columns; and it comes back."""
    db = databases.open("mysql")
    async with db.async_connection() as conn, db.async_connection() as other:
        await other.execute("DROP TABLE IF EXISTS gains")
        await other.execute("CREATE TABLE gains (a integer, b integer)")
        sql = "INSERT INTO gains (a) VALUES (?) RETURNING *"
        assert await conn.execute(sql, (0,)) == [(0, None)]
        await other.execute(f"ALTER TABLE gains {change}")
        added = change.startswith("ADD")
        names = ("a", "b", "c", "d") if added else ("a",)
        for value in (1, 2):
            rows = await conn.execute(sql, (value,))
            assert (rows.columns, rows) == (names, [(value, *[None] * (len(names) - 1))])
        await other.execute("ALTER TABLE gains ADD COLUMN e integer DEFAULT 5")
        rows = await conn.executemany(sql, [(3,), (4,)])
        assert [(row[0], row[-1]) for row in rows] == [(3, 5), (4, 5)]
        async with conn.stream("SELECT * FROM gains ORDER BY a") as stream:
            assert [row[0] async for row in stream] == [0, 1, 2, 3, 4]
        await other.execute("DROP TABLE gains")


async def test_large_statements_are_bounded_in_bytes(kind: str, databases: Any) -> None:
    """300 texts of 1 MB and 300 of 100 kB: what is kept of them is counted, here and there."""
    db = databases.open(kind, pool_max_size=1)
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
        for size in (1_000_000, 100_000):
            for number in range(300):
                rows = await conn.execute(f"SELECT {number}, length('{'x' * size}')")
                assert rows == [(number, size)]
        if kind == "duckdb":  # a backend written in Python keeps no large ones at all
            assert len(conn._lease.cache) == 1
            return
        if kind == "postgres":
            left = await conn.execute("SELECT sum(length(statement)) FROM pg_prepared_statements")
            assert left[0][0] < 8 << 20
    _, misses, evictions = counts(db)
    assert misses >= 601
    assert misses - evictions < 90
