"""Subscripts of PostgreSQL's arrays, and names in brackets beside them."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a [i]", 20),
        ("a\n[i]", 20),
        ("a /* here */ [i]", 20),
        ("x.a [i + 1]", 30),
        ('"a" [i]', 20),
        ("[a] [i]", 20),
        ("[x].[a] [i]", 20),
        ("(a) [i]", 20),
        ("(array_append(a, 40)) [i + 2]", 40),
        ("a [i:i + 1]", [20, 30]),
        ("type [i]", 5),
        ("(?::int[]) [i]", 7),
    ],
)
async def test_a_subscript_may_have_a_space_before_it(
    databases: Any, expression: str, value: Any
) -> None:
    params = ([6, 7],) if "?" in expression else ()
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute(
            f"SELECT {expression} FROM (SELECT ARRAY[10, 20, 30] AS a, 2 AS i, "
            "ARRAY[4, 5] AS type) [x]",
            params,
        )
    assert rows == [(value,)]


async def test_two_subscripts_may_have_spaces_before_them(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute(
            "SELECT a [i] [j] FROM (SELECT ARRAY[[1, 2], [3, 4]] AS a, 2 AS i, 1 AS j) x"
        )
    assert rows == [(3,)]


async def test_what_has_no_subscript_has_a_name(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute(
            "SELECT 1 [a], count(*) [b], 'x'::text [c], NULL [d], CASE WHEN true THEN 1 END [e] "
            "FROM generate_series(1, 2) [g]"
        )
    assert list(rows.columns) == ["a", "b", "c", "d", "e"]
    assert rows == [(1, 2, "x", None, 1)]


async def test_a_subscripted_column_is_set(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS lists")
        await conn.execute("CREATE TABLE lists (id int, a int[], i int)")
        await conn.execute("INSERT INTO lists VALUES (1, ARRAY[1, 2], 2)")
        await conn.execute("UPDATE [lists] SET a [1] = a [i] + ? WHERE a [i] = ?", (5, 2))
        assert await conn.execute("SELECT a FROM lists") == [([7, 2],)]
