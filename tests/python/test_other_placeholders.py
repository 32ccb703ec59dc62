"""Placeholders of other libraries are answered with what to write instead."""

from typing import Any

import millpond
import pytest

STATEMENTS = [
    ("SELECT %s", "%s"),
    ("SELECT %(name)s", r"%\(name\)s"),
    ("SELECT $1", r"\$1"),
    ("SELECT :name", ":name"),
    ("SELECT ?1, 5 %s", r"\?1"),
]


@pytest.mark.parametrize(("sql", "found"), STATEMENTS)
async def test_a_placeholder_of_another_library_is_named(conn: Any, sql: str, found: str) -> None:
    with pytest.raises(millpond.ParameterError, match=rf"write \? for each value.*{found}$"):
        await conn.execute(sql, (1, 2))
    with pytest.raises(millpond.ParameterError, match=found):
        await conn.executemany(sql, [(1, 2)])


@pytest.mark.parametrize("sql", ["SELECT ?1", "SELECT ?1 + ?1"])
async def test_a_numbered_placeholder_is_refused(kind: str, conn: Any, sql: str) -> None:
    if kind == "duckdb":
        pytest.skip("a backend's own database says so")
    with pytest.raises(millpond.ParameterError, match=r"has \?1 in it: write \? for each value"):
        await conn.execute(sql, (1,) * sql.count("?"))


async def test_a_number_of_postgres_cannot_take_the_place_of_a_placeholder(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.ParameterError, match=r"has \$1 in it"):
            await conn.execute("SELECT 1 WHERE 1 = $1 AND 2 = ?", (2,))
        assert await conn.execute("SELECT '$1', $$ $1 $$, ?::int", (2,)) == [("$1", " $1 ", 2)]
        await conn.execute("PREPARE numbered AS SELECT $1 + 1")
        assert await conn.execute("EXECUTE numbered(1)") == [(2,)]


async def test_what_only_looks_like_a_placeholder_is_none(conn: Any, kind: str) -> None:
    assert await conn.execute("SELECT '%s :name', ?", ("a",)) == [("%s :name", "a")]
    with pytest.raises(millpond.ParameterError, match="0 placeholders and got 1 parameter$"):
        await conn.execute("SELECT '%s'", (1,))
    if kind in ("postgres", "duckdb"):
        with pytest.raises(millpond.ParameterError, match="1 placeholder and got 2 parameters$"):
            await conn.execute("SELECT ?::text", (1, 2))


async def test_a_dict_is_answered_with_what_to_write(conn: Any) -> None:
    with pytest.raises(millpond.ParameterError, match=r"not dict: write \? .* in their order"):
        await conn.execute("SELECT :name", {"name": 1})
    with pytest.raises(millpond.ParameterError, match="tuple or list, not dict"):
        await conn.executemany("SELECT :name", [{"name": 1}])
