"""DatabaseConfig: what it takes, and how it says what is wrong."""

from typing import Any

import millpond
import pytest
from millpond import DatabaseConfig

pytestmark = pytest.mark.once


def test_the_timeouts_are_those_documented_unless_given() -> None:
    settings = DatabaseConfig(database="d")._native_settings()
    assert settings["connection_acquisition_timeout"] == "10.0"
    assert settings["pool_creation_timeout"] == "30.0"
    assert settings["query_execution_timeout"] == "60.0"
    assert settings["connection_creation_timeout"] == "15.0"
    given = DatabaseConfig(database="d", query_execution_timeout=2)._native_settings()
    assert given["query_execution_timeout"] == "2.0"


def test_every_problem_is_reported_at_once() -> None:
    wrong: dict[str, Any] = {
        "database": "",
        "host": 7,
        "port": 70000,
        "user": b"me",
        "env": 1,
        "connection_acquisition_timeout": -1,
        "connection_creation_timeout": "soon",
        "pool_creation_timeout": float("nan"),
        "query_execution_timeout": True,
        "pool_min_size": -1,
        "pool_max_size": 0,
        "statement_cache_size": 1.5,
    }
    with pytest.raises(ValueError) as caught:
        DatabaseConfig(**wrong)
    message = str(caught.value)
    assert message.startswith(f"{len(wrong)} settings of the database are wrong:")
    assert all(name in message for name in wrong)


def test_sizes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pool_min_size \(5\) is more than pool_max_size \(2\)"):
        DatabaseConfig(database="d", pool_min_size=5, pool_max_size=2)


def test_a_url_reports_all_its_problems() -> None:
    with pytest.raises(ValueError) as caught:
        DatabaseConfig.from_url("postgres://h/shop?pool_min_size=few&query_execution_timeout=long")
    assert "pool_min_size" in str(caught.value)
    assert "query_execution_timeout" in str(caught.value)


def test_a_database_reports_all_that_its_driver_does_not_know() -> None:
    config = DatabaseConfig(database="d", busy_timeout="often", read_only="perhaps")
    with pytest.raises(ValueError) as caught:
        millpond.DatabaseFactory.create_database("sqlite", config)
    assert "busy_timeout" in str(caught.value)
    assert "read_only" in str(caught.value)
    settings = {"pool_validate_after": -3, "nonsense": 1, "more_nonsense": 2, "busy_timeout": "x"}
    with pytest.raises(ValueError) as caught:
        millpond.SqliteDatabase(database="d", **settings)
    for name in settings:
        assert name in str(caught.value)
    assert caught.value.setting == "nonsense"  # type: ignore[attr-defined]


def test_an_unknown_kind_of_database_is_named_before_what_its_url_lacks() -> None:
    with pytest.raises(ValueError, match="unknown database type 'oracle'"):
        millpond.connect("oracle://x")


def test_an_async_use_needs_two_lines(tmp_path: Any) -> None:
    import asyncio

    async def main() -> Any:
        async with millpond.connect(f"sqlite:///{tmp_path}/app.db") as db:
            async with db.async_connection() as conn:
                return await conn.fetch_value("SELECT 40 + ?", (2,))

    assert asyncio.run(main()) == 42


def test_a_sync_use_needs_two_lines(tmp_path: Any) -> None:
    with millpond.connect(f"sqlite:///{tmp_path}/app.db", alias="mine") as db:
        with db.sync_connection() as conn:
            assert conn.fetch_value("SELECT 40 + ?", (2,)) == 42
    assert db.alias() == "mine"
    assert millpond.PoolManager.get_pool_metrics(db.hash()) == {}


def test_host_and_port_answer_with_the_defaults_of_the_database() -> None:
    for made, answer in (
        (millpond.PostgresDatabase(database="d"), ("localhost", 5432)),
        (millpond.MysqlDatabase(database="d"), ("localhost", 3306)),
        (millpond.SqliteDatabase(database=":memory:"), (None, None)),
        (DatabaseConfig.from_url("postgres:///d"), ("localhost", 5432)),
        (DatabaseConfig.from_url("mysql://h/d"), ("h", 3306)),
        (DatabaseConfig(database="d", port=7), (None, 7)),
    ):
        assert (made.host(), made.port()) == answer
    given = millpond.PostgresDatabase(database="d")
    assert given.hash() == DatabaseConfig(database="d").hash()  # the key is of what was given
    assert (given.config()["host"], given.config()["port"]) == (None, None)
