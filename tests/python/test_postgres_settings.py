"""A value is the same alone, in binary, and beside columns that can come in text alone."""

import datetime as dt
from typing import Any

import millpond
import pytest

SESSIONS = [
    "",
    "SET DateStyle TO 'SQL, DMY'",
    "SET DateStyle TO 'Postgres, MDY'",
    "SET DateStyle TO 'German'",
    "SET IntervalStyle TO 'iso_8601'",
    "SET IntervalStyle TO 'sql_standard'",
    "SET IntervalStyle TO 'postgres_verbose'",
    "SET bytea_output TO 'escape'",
    "SET extra_float_digits TO 0",
    "SET extra_float_digits TO -15",
    "SET TimeZone TO 'Europe/Amsterdam'",
    "SET TimeZone TO 'Asia/Kolkata'",
    "SET lc_monetary TO 'C'",
]

VALUES = [
    "0.1::real",
    "(1.0::real / 3)",
    "3e38::real",
    "'NaN'::real",
    "0.1::float8",
    "pi()",
    "1e-310::float8",
    "'-Infinity'::float8",
    "1.50::numeric",
    "'NaN'::numeric",
    "12345678901234567890.1234567890",
    "true",
    "'x'::\"char\"",
    "''::\"char\"",
    "'date'::name",
    "'a b '::char(5)",
    "'äö\"\\,{}()'::text",
    "''::text",
    "'{\"a\": [1, 2.50]}'::json",
    "'{\"a\": [1, 2.50]}'::jsonb",
    "'<a>b</a>'::xml",
    "gen_random_uuid() IS NOT NULL",
    "'00000000-0000-0000-0000-0000000000ff'::uuid",
    "'\\x00ff5c27'::bytea",
    "''::bytea",
    "'\\x5c78'::bytea",
    "'2026-01-02'::date",
    "'9999-12-31'::date",
    "'12026-01-02'::date",
    "'0044-03-15 BC'::date",
    "'infinity'::date",
    "'-infinity'::timestamp",
    "'2026-01-02 03:04:05.000006'::timestamp",
    "'12026-01-02 03:04:05'::timestamp",
    "'0044-03-15 03:04:05 BC'::timestamp",
    "'2026-07-02 03:04:05.5+02'::timestamptz",
    "'1890-01-02 03:04:05 UTC'::timestamptz",
    "'0044-03-15 03:04:05 UTC BC'::timestamptz",
    "'24:00'::time",
    "'01:02:03.000004'::time",
    "'24:00+05:30'::timetz",
    "'01:02:03+05:30:15'::timetz",
    "'01:02:03-15:59'::timetz",
    "'1 year -2 mons +3 days -04:05:06.7'::interval",
    "'-1 day +00:00:00.000001'::interval",
    "'1000000 hours'::interval",
    "'0'::interval",
    "7::oid",
    "9223372036854775807::int8",
    "ARRAY[0.1, NULL, 'NaN']::real[]",
    "ARRAY[1.0::float8 / 3]",
    "ARRAY['2026-01-02', 'infinity', '0001-01-01 BC']::date[]",
    "ARRAY['2026-07-02 03:04:05+02']::timestamptz[]",
    "ARRAY['24:00']::time[]",
    "ARRAY['1 mon', NULL]::interval[]",
    "ARRAY['\\x005c22'::bytea, NULL]",
    "ARRAY[ARRAY['a,\"b\\', ''], ARRAY[NULL, 'NULL']]",
    "'[0:1]={1,2}'::int[]",
    "'{}'::int[]",
    'ARRAY[\'{"a": "}{"}\']::jsonb[]',
    "'happy'::mood",
    "ARRAY['happy', 'sad', NULL]::mood[]",
    "'5'::positive",
    "ARRAY[1, 2]::positive[]",
    "ARRAY['10.0.0.1', NULL]::inet[]",
    "ARRAY['10.0.0.1']::cidr[]",
    "ARRAY['(1,2),(3,4)', '(5,6),(7,8)']::box[]",
    "ARRAY['[1,5)'::int4range]",
    "ARRAY['[2026-01-02,2026-01-03)'::daterange]",
    "ARRAY[ROW(1, 'a b')]",
    "ARRAY['pg_class'::regclass]",
    "ARRAY['$1.50'::money]",
    "ARRAY[B'101', B'']",
    "'10.0.0.1'::inet",
    "'[2026-01-02,2026-01-03)'::daterange",
    "ROW(1, NULL, 'a \"b\" \\ c')",
    "ROW(NULL, NULL)",
    "'(1.5,2)'::point",
    "'pg_class'::regclass",
    "'a b:1A'::tsvector",
    "histogram_bounds FROM (SELECT NULL::int4range AS histogram_bounds) AS nothing",
    "NULL::int4range",
    "NULL::real",
    "NULL::mood[]",
]

BESIDE = ["int4range(1, 5)", "'10.0.0.1/8'::inet", "ROW(1, 'a', NULL)", "NULL::point"]


async def value_of(conn: Any, sql: str) -> Any:
    """The first column's, or the error that tells what Python cannot hold of it."""
    try:
        rows = await conn.execute(sql)
        return [(type(row[0]), repr(row[0])) for row in rows]
    except millpond.InvalidDataError as error:
        return str(error)


@pytest.fixture
async def types(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        for kind, name in (("TYPE", "mood"), ("DOMAIN", "positive")):
            await conn.execute(f"DROP {kind} IF EXISTS {name} CASCADE")
        await conn.execute("CREATE TYPE mood AS ENUM ('happy', 'sad')")
        await conn.execute("CREATE DOMAIN positive AS integer CHECK (value > 0)")


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("setting", SESSIONS)
async def test_a_value_is_the_same_beside_any_other(databases: Any, setting: str) -> None:
    db = databases.open("postgres", options="-c TimeZone=America/New_York", pool_max_size=1)
    async with db.async_connection() as conn:
        if setting:
            await conn.execute(setting)
        different = []
        for value in VALUES:
            name, _, rest = f"{value} ".partition(" FROM ")
            rest = f" FROM {rest}" if rest else ""
            alone = await value_of(conn, f"SELECT {name} AS v{rest}")
            for other in BESIDE:
                beside = await value_of(conn, f"SELECT {name} AS v, {other}{rest}; -- {other}")
                if beside != alone:
                    different.append((value, other, alone, beside))
        assert different == []


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("setting", SESSIONS)
async def test_what_a_write_returns_is_the_same(databases: Any, setting: str) -> None:
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute(
            "CREATE TEMP TABLE t (f real, d date, z timestamptz, i interval, b bytea, r int4range)"
        )
        if setting:
            await conn.execute(setting)
        values = (
            1 / 3,
            dt.date(2026, 3, 2),
            dt.datetime(2026, 7, 2, tzinfo=dt.UTC),
            dt.timedelta(days=1, seconds=5),
            b"\\\x00",
            "[1,5)",
        )
        columns = "f, d, z, i, b, r"
        insert = f"INSERT INTO t VALUES (?, ?, ?, ?, ?, ?) RETURNING {columns}"
        written = (await conn.execute(insert, values))[0]
        assert written[1:] == values[1:]
        alone = [
            (await conn.execute(f"SELECT {name} FROM t"))[0][0] for name in columns.split(", ")
        ]
        assert list(written) == alone
        updated = await conn.execute(f"UPDATE t SET r = '[2,6)' RETURNING {columns}")
        assert updated == [(*alone[:5], "[2,6)")]
        many = await conn.executemany(insert, [values, values])
        assert many == [tuple(alone), tuple(alone)]
        with_it = f"WITH w AS (SELECT * FROM t) SELECT {columns} FROM w LIMIT 1 FOR UPDATE"
        read = f"SELECT {columns} FROM t ORDER BY r LIMIT 1 FOR NO KEY UPDATE;;"
        for sql in (read, "TABLE t", with_it):
            rows = [row async for row in conn.stream(sql)]
            assert list(rows[0])[:5] == alone[:5]


async def test_a_setting_that_comes_later_changes_nothing(databases: Any) -> None:
    sql = 'SELECT \'2026-03-02\'::date AS "the ""day""", int4range(1, 5) AS r'
    async with databases.open("postgres").async_connection() as conn:
        for style in ("ISO", "German", "SQL, DMY", "ISO"):
            await conn.execute(f"SET DateStyle TO '{style}'")
            rows = await conn.execute(sql)
            assert rows.columns == ('the "day"', "r")
            assert rows == [(dt.date(2026, 3, 2), "[1,5)")]
            # what the statement makes of it itself is the session's
            text = await conn.fetch_value("SELECT '2026-03-02'::date::text")
            assert text == {"I": "2026-03-02", "G": "02.03.2026", "S": "02/03/2026"}[style[0]]


async def test_an_errors_position_is_in_the_callers_text(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        sql = "SELECT 1.5::real, int4range(1, 5), n::int FROM (VALUES (?::text)) AS v (n)"
        assert await conn.execute(sql, ("7",)) == [(1.5, "[1,5)", 7)]
        with pytest.raises(millpond.InvalidDataError):
            await conn.execute(sql, ("x",))
        assert await conn.execute(sql, ("8",)) == [(1.5, "[1,5)", 8)]


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unnamed"])
async def test_arrays_of_any_type_are_lists(databases: Any, prepared: bool) -> None:
    db = databases.open("postgres", prepared_statements=prepared)
    query = (
        "SELECT t.typname::text, format('%I.%I', n.nspname, t.typname) FROM pg_type t "
        "JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typcategory = 'A' AND t.typlen = -1 "
        "AND t.typtype = 'b' AND n.nspname IN ('pg_catalog', 'public')"
    )
    async with db.async_connection() as conn:
        for name, type_name in await conn.execute(query):
            if name in ("int2vector", "oidvector", "_record", "_cstring"):
                continue
            rows = await conn.execute(f"SELECT '{{NULL}}'::{type_name}")
            assert rows == [([None],)], name
        await conn.execute("BEGIN")
        await conn.execute("DECLARE c CURSOR FOR SELECT ARRAY['sad']::mood[]")
        assert await conn.execute("FETCH ALL FROM c") == [(["sad"],)]
        await conn.execute("ROLLBACK")


BYTES_REFUSED = ['"char"', "xml", "tsvector", "inet", "money", "mood", "text", "words", "text[]"]


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unnamed"])
@pytest.mark.parametrize("sql_type", BYTES_REFUSED)
async def test_bytes_are_never_stored_as_other_text(
    databases: Any, sql_type: str, prepared: bool
) -> None:
    value = [b"a"] if sql_type.endswith("[]") else b"a"
    db = databases.open("postgres", prepared_statements=prepared)
    async with db.async_connection() as conn:
        await conn.execute("DROP DOMAIN IF EXISTS words CASCADE")
        await conn.execute("CREATE DOMAIN words AS text")
        await conn.execute("DROP TABLE IF EXISTS takes")
        await conn.execute(f"CREATE TABLE takes (n {sql_type})")
        with pytest.raises(millpond.Error, match=r"bytes|bytea"):
            await conn.execute("INSERT INTO takes VALUES (?)", (value,))
        with pytest.raises(millpond.Error, match=r"bytes|bytea"):
            await conn.executemany("INSERT INTO takes VALUES (?)", [(value,)])
        assert await conn.execute("SELECT count(*) FROM takes") == [(0,)]
        await conn.execute("DROP TABLE takes")
        await conn.execute("DROP DOMAIN words CASCADE")


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unnamed"])
async def test_bytes_go_where_bytes_belong(databases: Any, prepared: bool) -> None:
    db = databases.open("postgres", prepared_statements=prepared)
    async with db.async_connection() as conn:
        await conn.execute("DROP DOMAIN IF EXISTS blob CASCADE")
        await conn.execute("CREATE DOMAIN blob AS bytea")
        await conn.execute("CREATE TEMP TABLE takes (a bytea, b blob, c bytea[])")
        row = (b"\x00\\", b"\xff", [b"\x00", None, b'"'])
        insert = "INSERT INTO takes VALUES (?, ?, ?) RETURNING a, b, c"
        assert await conn.execute(insert, row) == [row]
        assert await conn.executemany(insert, [row, row]) == [row, row]
        assert await conn.execute("SELECT ?::text::bytea = ?", ("\\x00", b"\x00")) == [(True,)]
        await conn.execute("DROP DOMAIN blob CASCADE")
