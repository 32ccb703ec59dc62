"""How the server writes values as text is settled by the driver, not by settings elsewhere."""

import datetime as dt
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

VALUES = (dt.date(2026, 3, 2), dt.timedelta(days=1, seconds=5), 1 / 3)
COLUMNS = "DATE '2026-03-02', INTERVAL '1 day 5 seconds', 1.0::float8 / 3"
STYLES = {"DateStyle": "German", "IntervalStyle": "sql_standard", "extra_float_digits": "-5"}
OPTIONS = " ".join(f"-c {name}={value}" for name, value in STYLES.items())


@pytest.fixture(params=[{}, {"command_by_command": True}], ids=["", "one by one"])
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How the driver's settings reach the session."""
    return dict(request.param)


@pytest.fixture
async def role(databases: Any) -> AsyncIterator[str]:
    """One whose sessions begin with other settings."""
    name = f"stylish_{secrets.token_hex(4)}"
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'x'")
        for setting, value in STYLES.items():
            await conn.execute(f"ALTER ROLE {name} SET {setting} TO '{value}'")
        yield name
        await conn.execute(f"DROP OWNED BY {name}")  # temporary tables of idle connections
        await conn.execute(f"DROP ROLE {name}")


async def all_ways(conn: Any) -> dict[str, list[Any]]:
    """The values, each way that gets them as text from the server."""
    ways = {}
    async with conn.transaction():
        await conn.execute(f"DECLARE c CURSOR FOR SELECT {COLUMNS}, int4range(1, 5)")
        ways["cursor"] = (await conn.execute("FETCH ALL FROM c"))[0][:3]
    await conn.execute(f"PREPARE p AS SELECT {COLUMNS}")
    ways["execute"] = (await conn.execute("EXECUTE p"))[0]
    await conn.execute("DEALLOCATE p")
    await conn.execute(
        "CREATE TEMP TABLE IF NOT EXISTS t (d date, i interval, f float8, r int4range)"
    )
    insert = f"INSERT INTO t SELECT {COLUMNS}, '[1,5)' RETURNING d, i, f, r"
    ways["with"] = (await conn.execute(f"WITH n AS (SELECT 1) {insert}"))[0][:3]
    async with conn.transaction():
        await conn.execute("SELECT 1")
        ways["transaction"] = (await conn.execute(insert))[0][:3]
    return ways


async def check(conn: Any) -> None:
    assert await all_ways(conn) == dict.fromkeys(
        ("cursor", "execute", "with", "transaction"), VALUES
    )


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unnamed"])
async def test_a_roles_settings_change_no_value(databases: Any, role: str, prepared: bool) -> None:
    db = databases.open("postgres", user=role, password="x", prepared_statements=prepared)
    async with db.async_connection() as conn:
        await check(conn)


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unnamed"])
async def test_options_change_no_value(
    databases: Any, prepared: bool, settings: dict[str, Any]
) -> None:
    db = databases.open("postgres", options=OPTIONS, prepared_statements=prepared, **settings)
    async with db.async_connection() as conn:
        await check(conn)


@pytest.mark.parametrize("touch", ["SET extra_float_digits TO 0", "PREPARE mine AS SELECT 1"])
async def test_a_reset_session_is_as_a_new_one(
    databases: Any, touch: str, settings: dict[str, Any]
) -> None:
    db = databases.open(
        "postgres", options=OPTIONS, pool_max_size=1, pool_reset="always", **settings
    )
    async with db.async_connection() as conn:
        session = await conn.fetch_value("SELECT pg_backend_pid()")
        await conn.execute(touch)
    async with db.async_connection() as conn:
        assert await conn.fetch_value("SELECT pg_backend_pid()") == session
        assert (
            await conn.fetch_value("SELECT count(*) FROM pg_prepared_statements WHERE from_sql")
            == 0
        )
        await check(conn)


PROGRAM = """
import asyncio, json, os, sys
import millpond

async def main():
    import test_postgres_sessions as tests
    names = ("host", "port", "user", "password", "database")
    address = json.loads(os.environ["MILLPOND_TEST_POSTGRES"])
    config = millpond.DatabaseConfig(**{name: address[name] for name in names})
    db = millpond.DatabaseFactory.create_database("postgres", config)
    async with db.async_connection() as conn:
        await tests.check(conn)

asyncio.run(main())
"""


def test_the_environment_changes_no_value() -> None:
    environment = {
        **os.environ,
        "PGDATESTYLE": "SQL, DMY",
        "PGOPTIONS": OPTIONS,
        "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path]),
    }
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True)
