"""What the SqlGenerator of each database makes is what the database takes."""

from typing import Any

import pytest
from millpond import (
    ArgumentError,
    MysqlSqlGenerator,
    PostgresSqlGenerator,
    QueryCancelledError,
    QueryTimeoutError,
    SqlGenerator,
    SqliteSqlGenerator,
    SqlSyntaxError,
)

GENERATORS: dict[str, SqlGenerator] = {
    "postgres": PostgresSqlGenerator(),
    "mysql": MysqlSqlGenerator(),
    "sqlite": SqliteSqlGenerator(),
}


@pytest.mark.parametrize("kind", GENERATORS)
async def test_the_timeout_statement_stops_later_ones_on_the_server(
    kind: str, databases: Any
) -> None:
    limit = GENERATORS[kind].get_timeout_sql(0.5)
    if kind == "sqlite":
        assert limit is None  # there the library itself stops a statement
        return
    slow = "SELECT sum(a.n + b.n) FROM numbers a, numbers b, numbers c"
    async with databases.open(kind).async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS numbers")
        await conn.execute("CREATE TABLE numbers (n integer)")
        await conn.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(1000)])
        await conn.begin_transaction()
        await conn.execute(limit)
        with pytest.raises((QueryTimeoutError, QueryCancelledError), match="time"):
            await conn.execute(slow, timeout=60)
        await conn.rollback_transaction()
        await conn.close()  # its session keeps the limit on MySQL


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_short_timeout_is_not_taken_for_none(kind: str) -> None:
    shortest = GENERATORS[kind].get_timeout_sql(0.0001)
    assert shortest is not None and "= 1" in shortest
    assert GENERATORS[kind].get_timeout_sql(0) is None


@pytest.mark.parametrize("kind", GENERATORS)
async def test_a_converted_statement_with_a_comment_runs(kind: str, conn: Any) -> None:
    generator = GENERATORS[kind]
    sql, params = generator.convert_query_to_native("SELECT '?', ? /* ? */ AS [a b] -- ?", ("x",))
    assert params == ["x"]
    comment = generator.get_comment_sql({"route": "/a*/ b", "by": "'me'"})
    assert comment == "/*by='%27me%27',route='%2Fa%2A%2F%20b'*/"
    rows = await conn.execute(f"SELECT '?', ? /* ? */ AS [a b] {comment}", params)
    assert rows == [("?", "x")] and rows.columns[1] == "a b"
    assert sql.count("$1") == (kind == "postgres") and sql.endswith("-- ?")


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("postgres", "SELECT $$ ? $$, $tag$ ? $$ ? $tag$, E'\\'?', U&'?', /* /* ? */ ? */ ?"),
        ("mysql", "SELECT '\\'?', \"?\", `?`, # ?\n -- ?\n ?"),
        ("sqlite", "SELECT '''?', \"?\", `?`, -- ?\n ?"),
    ],
)
def test_only_a_placeholder_is_converted(kind: str, sql: str) -> None:
    native, params = GENERATORS[kind].convert_query_to_native(sql, (1,))
    assert params == [1]
    assert native == (sql[:-1] + "$1" if kind == "postgres" else sql)


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        *((kind, "SELECT 'open") for kind in GENERATORS),
        ("postgres", "SELECT /* open"),
        ("mysql", "SELECT /* open"),
    ],
)
def test_what_is_not_terminated_is_refused(kind: str, sql: str) -> None:
    with pytest.raises(SqlSyntaxError, match="unterminated"):
        GENERATORS[kind].convert_query_to_native(sql)


def test_the_end_of_a_text_ends_a_comment_of_sqlite() -> None:
    assert GENERATORS["sqlite"].convert_query_to_native("SELECT 1 /* open")[0] == "SELECT 1 /* open"


@pytest.mark.parametrize("kind", GENERATORS)
def test_what_is_no_character_is_an_error_of_the_library(kind: str) -> None:
    generator = GENERATORS[kind]
    with pytest.raises(SqlSyntaxError, match="lone surrogate"):
        generator.convert_query_to_native("SELECT '\udcff'")
    with pytest.raises(SqlSyntaxError, match="lone surrogate"):
        generator.convert_query_to_native("SELECT '\udcff', ?", (1,))
    for wrong in ("\udcff", "\0"):
        with pytest.raises(ArgumentError, match="a tag contains"):
            generator.get_comment_sql({"route": wrong})
