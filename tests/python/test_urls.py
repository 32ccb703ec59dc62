"""Connection URLs and what is taken from the environment."""

from typing import Any
from urllib.parse import quote

import millpond
import pytest
from millpond import DatabaseConfig, DatabaseFactory, PoolManager

CONFIGS = [
    (
        "postgres://me:secret@db.example:5433/shop?sslmode=require",
        {"host": "db.example", "port": 5433, "user": "me", "password": "secret"},
    ),
    ("postgresql:///shop", {}),
    ("postgres:///?dbname=shop&host=/run/pg", {"host": "/run/pg"}),
    ("mysql://me@%2Frun%2Fmysqld/shop", {"host": "/run/mysqld", "user": "me"}),
    ("mariadb://[::1]:3307/shop", {"host": "::1", "port": 3307}),
    ("mysql://a:1,b:1/shop", {"host": "a,b", "port": 1}),
    ("mysql://a:1,b/shop", {"host": "a,b", "port": "1,3306"}),
    ("postgres://[::1]:1,b:2,c/shop", {"host": "::1,b,c", "port": "1,2,5432"}),
    ("postgres://u%40x:p%3A%2F@@h/shop", {"host": "h", "user": "u@x", "password": "p:/@"}),
]


@pytest.mark.parametrize(("url", "expected"), CONFIGS)
def test_a_url_says_what_keywords_say(url: str, expected: dict[str, Any]) -> None:
    config = DatabaseConfig.from_url(url)
    nothing = dict.fromkeys(("host", "port", "user", "password"))
    assert config.config() == {"database": "shop", **nothing, **expected}


def test_the_hash_is_that_of_the_same_config_by_keywords() -> None:
    url = "postgres://me@h:5/shop?pool_max_size=7&query_execution_timeout=2.5&sslmode=require"
    config = DatabaseConfig.from_url(url, env="test", alias="other")
    assert config.hash() == (
        DatabaseConfig(
            database="shop",
            host="h",
            port=5,
            user="me",
            env="test",
            alias="other",
            pool_max_size=7,
            query_execution_timeout=2.5,
            sslmode="require",
        ).hash()
    )


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///app.db", "app.db"),
        ("sqlite:////var/a%20b.db", "/var/a b.db"),
        ("sqlite:///:memory:", ":memory:"),
        ("sqlite://", ":memory:"),
    ],
)
def test_a_file_is_what_follows_the_third_slash(url: str, path: str) -> None:
    assert DatabaseConfig.from_url(url).database() == path


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("shop", "must begin with the scheme"),
        ("://x", "must begin with the scheme"),
        ("postgresql+asyncpg://me:s3cret@h/shop", "write postgresql://$"),
        ("mysql+aiomysql://h/shop", "write mysql://$"),
        ("sqlite+aiosqlite:///app.db", "write sqlite://$"),
        ("postgres://me:s3cr#t@h/shop", "%23"),
        ("postgres://me:s3cr%zt@h/shop", "password has a %"),
        ("postgres://me:s3cr%0@h/shop", "password has a %"),
        ("postgres://me:s3cr%00t@h/shop", "password has a %"),
        ("postgres://s3cr:t/x@h/shop", "port must be a number"),
        ("postgres://me:12/s3cr@h:5432/shop", "%2F"),
        ("postgres://[::1]5/shop", "after its ]"),
        ("postgres://h:0/shop", "port must be from 1"),
        ("postgres://h:99999999999999999999/shop", "port must be from 1"),
        ("postgres://h/", "database is missing"),
        ("postgres://h/shop?pool_max_size=many", "pool_max_size must be a non-negative int"),
        ("sqlite://host/app.db", "no host"),
    ],
)
def test_a_url_that_cannot_be_right_is_refused(url: str, message: str) -> None:
    with pytest.raises(millpond.ArgumentError, match=message) as caught:
        DatabaseConfig.from_url(url)
    assert "s3cr" not in str(caught.value)


def test_the_scheme_must_be_that_of_the_database() -> None:
    config = DatabaseConfig.from_url("mysql://h/shop")
    with pytest.raises(millpond.ArgumentError, match="the URL is of mysql"):
        DatabaseFactory.create_database("postgres", config)
    with pytest.raises(millpond.ArgumentError, match="unknown database type 'oracle'"):
        DatabaseFactory.from_url("oracle://h/shop")
    with pytest.raises(millpond.ArgumentError, match='no setting "charset"'):
        DatabaseFactory.from_url("mysql://h/shop?charset=utf8")
    assert type(DatabaseFactory.from_url("mariadb://h/shop")) is millpond.MysqlDatabase
    assert type(millpond.MysqlDatabase.from_url("mariadb://h/shop")) is millpond.MysqlDatabase


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
async def test_urls_reach_the_servers(
    kind: str, postgres: dict[str, Any], mysql: dict[str, Any]
) -> None:
    server = {"postgres": postgres, "mysql": mysql}[kind]
    who = f"{server['user']}:{quote(server['password'])}"
    hosts = f"127.0.0.1:1,{server['host']}:{server['port']}"
    for rest in (
        f"{who}@{server['host']}:{server['port']}/{server['database']}",
        f"{who}@{hosts}/{server['database']}",
        f"{who}@{quote(server['socket'], safe='')}:{server['port']}/{server['database']}",
    ):
        db = DatabaseFactory.from_url(f"{kind}://{rest}")
        async with db.async_connection() as conn:
            assert (await conn.execute("SELECT 1")) == [(1,)]
        await PoolManager.close_pool(config_hash=db.hash(), timeout=5)


async def test_what_is_not_set_comes_from_the_environment(
    postgres: dict[str, Any], mysql: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "PGHOST": postgres["host"],
        "PGPORT": postgres["port"],
        "PGUSER": postgres["user"],
        "PGPASSWORD": postgres["password"],
        "MYSQL_HOST": mysql["host"],
        "MYSQL_TCP_PORT": mysql["port"],
        "USER": mysql["user"],
        "MYSQL_PWD": mysql["password"],
    }.items():
        monkeypatch.setenv(variable, str(value))
    for kind, server in (("postgres", postgres), ("mysql", mysql)):
        db = DatabaseFactory.from_url(f"{kind}:///{server['database']}")
        async with db.async_connection() as conn:
            assert (await conn.execute("SELECT 1")) == [(1,)]
        await PoolManager.close_pool(config_hash=db.hash(), timeout=5)
