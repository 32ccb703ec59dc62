"""Results of many rows: freed while they are converted, with nothing lost on the way."""

import datetime
import decimal
from typing import Any

import millpond
import pytest

ROWS = 120_000

MANY = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
    "SELECT i, 'row ' || i, CASE WHEN i % 3 = 0 THEN NULL ELSE i * 0.5 END FROM n",
    "postgres": "SELECT i, 'row ' || i, CASE WHEN i % 3 = 0 THEN NULL ELSE i * 0.5::float8 END "
    "FROM generate_series(0, ?::int) i",
    "duckdb": "SELECT i, 'row ' || i, CASE WHEN i % 3 = 0 THEN NULL ELSE i * 0.5::double END "
    "FROM generate_series(0, ?::bigint) g(i)",
    "mysql": "SELECT seq, concat('row ', seq), CASE WHEN seq % 3 = 0 THEN NULL "
    "ELSE seq * 0.5e0 END FROM seq_0_to_1000000 WHERE seq <= ?",
}


async def test_many_rows_arrive_whole(kind: str, conn: Any, request: Any) -> None:
    if kind == "mysql":
        request.getfixturevalue("mariadb")  # it has tables of numbers
    rows = await conn.execute(MANY[kind], (ROWS - 1,))
    assert len(rows) == ROWS
    for i, row in enumerate(rows):
        assert row == (i, f"row {i}", None if i % 3 == 0 else i * 0.5)


@pytest.mark.slow
async def test_postgres_values_of_all_shapes_arrive_whole(databases: Any) -> None:
    sql = (
        "SELECT i::numeric / 8, ARRAY[i, NULL, i + 1], ARRAY['a' || i, '{'], "
        "ARRAY[[i::numeric / 8]], timestamp '2026-01-01' + i * interval '1 s', "
        "json_build_object('n', i), repeat('x', i % 50)::bytea, i % 2 = 0 "
        "FROM generate_series(0, ?::int) i"
    )
    start = datetime.datetime(2026, 1, 1)
    async with databases.open("postgres").async_connection() as conn:
        rows = await conn.execute(sql, (ROWS - 1,))
    assert len(rows) == ROWS
    for i, row in enumerate(rows):
        eighth = decimal.Decimal(i) / 8
        assert row == (
            *(eighth, [i, None, i + 1], [f"a{i}", "{"], [[eighth]]),
            start + datetime.timedelta(seconds=i),
            *({"n": i}, b"x" * (i % 50), i % 2 == 0),
        )


async def test_a_value_that_cannot_be_read_is_named_in_a_large_result_too(databases: Any) -> None:
    sql = (
        "SELECT i, repeat('x', 50), "
        "CASE WHEN i = 100000 THEN 'infinity' ELSE date '2026-01-01' END "
        "FROM generate_series(0, ?::int) i"
    )
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.InvalidDataError, match="row 100000"):
            await conn.execute(sql, (ROWS - 1,))
        assert await conn.execute("SELECT 1") == [(1,)]
