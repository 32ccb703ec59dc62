"""The specification's first program, as it is written there."""

import re
from typing import Any

import pytest
from millpond import DatabaseFactory, PoolManager

pytestmark = pytest.mark.once


async def test_the_getting_started_program_runs(kind: str, databases: Any) -> None:
    config = databases.config(kind, env="dev", connection_acquisition_timeout=10.0)
    db = DatabaseFactory.create_database(kind, config)
    async with db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS users")
        await conn.execute("CREATE TABLE users (id varchar(36) PRIMARY KEY, name text)")
        await conn.execute("INSERT INTO users VALUES (?, ?)", ("user_id", "Ada"))

    async with db.async_connection() as conn:
        await conn.begin_transaction()
        try:
            result = await conn.execute(
                "SELECT * FROM users WHERE id = ?",
                ("user_id",),
                timeout=5.0,
                tags={"operation": "get_user"},
            )
            await conn.commit_transaction()
        except Exception:
            await conn.rollback_transaction()
            raise
    await PoolManager.close_pool(config_hash=config.hash(), timeout=30)

    assert result == [("user_id", "Ada")]
    assert result.columns == ("id", "name")


async def test_the_same_works_without_asyncio(kind: str, databases: Any) -> None:
    db = databases.open(kind)
    with db.sync_connection() as conn:
        conn.execute("DROP TABLE IF EXISTS users")
        conn.execute("CREATE TABLE users (id varchar(36) PRIMARY KEY, name text)")
        conn.begin_transaction()
        conn.executemany("INSERT INTO users VALUES (?, ?)", [("a", "Ada"), ("g", "Grace")])
        assert conn.in_transaction() is True
        conn.commit_transaction()
        assert conn.in_transaction() is False
        rows = conn.execute("SELECT name FROM users ORDER BY id", timeout=5.0, tags={"a": 1})
    assert rows == [("Ada",), ("Grace",)]


async def test_a_tag_reaches_the_server_as_a_comment(databases: Any) -> None:
    db = databases.open("postgres")
    async with db.async_connection() as conn:
        rows = await conn.execute(
            "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()",
            tags={"route": "/a b", "a": "*/ DROP"},
        )
    assert rows[0][0].endswith("\n/*a='%2A%2F%20DROP',route='%2Fa%20b'*/")


@pytest.mark.parametrize("name", ["PostgresDatabase", "SqliteDatabase", "MysqlDatabase"])
def test_the_factory_makes_the_class_of_the_database(name: str, databases: Any) -> None:
    kind = name.removesuffix("Database").lower()
    assert type(databases.open(kind)).__name__ == name


async def test_versions_name_server_and_driver(kind: str, conn: Any) -> None:
    details = await conn.get_version_details()
    assert set(details) == {"db_server_version", "db_driver"}
    names = {
        "mysql": ("MariaDB", "MySQL"),
        "postgres": ("PostgreSQL",),
        "sqlite": ("SQLite",),
        "duckdb": ("DuckDB",),
    }
    assert re.match(rf"({'|'.join(names[kind])}) \d+\.\d+", details["db_server_version"])
    assert re.search(
        r"(libpq|Connector/C|libmysqlclient|sqlite3|DuckDB) \d+\.\d+", details["db_driver"]
    )
