"""Databases to test on: SQLite in a temporary folder, and the servers of tests/support."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from millpond import ConnectionManager, DatabaseConfig, DatabaseFactory, PoolManager

pytest_plugins = ["addresses", "faults", "programs", "rogue"]

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "python"))
import duckdb_backend  # noqa: E402  (a backend in Python, registered as "duckdb")
from engines import NOT_RUN, engine_of  # noqa: E402
from quirks import CONFLICT, quirk_of  # noqa: E402

KINDS = ("sqlite", "postgres", "mysql")
BACKENDS = ("duckdb",)  # written in Python; for the tests of the Python module


def address_of(variable: str) -> dict[str, Any]:
    """How to reach a test server; a missing one is a failure."""
    address = os.environ.get(variable)
    if not address:
        pytest.fail(f"{variable} is not set: run the tests through tests/run")
    return json.loads(address)


def kind_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    kind = callspec.params.get("kind") if callspec else None
    return kind if isinstance(kind, str) else None  # some tests call something else a kind


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a backend cannot do is expected to fail, and must."""
    theirs = Path(__file__).parent / "python"
    items[:] = [
        item for item in items if item.path.parent == theirs or kind_of(item) not in BACKENDS
    ]
    for item in items:
        test = f"{item.path.stem}::{item.name}"
        kind = kind_of(item)
        reason = quirk_of(kind, test) or quirk_of(engine_of(kind), test)
        if reason:
            # what is a race may end well now and then: that would be no news
            run = reason != CONFLICT and reason not in NOT_RUN
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True, run=run))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the versions that were under test."""
    names = ("host", "port", "user", "password", "database")
    for kind in ("postgres", "mysql"):
        if f"MILLPOND_TEST_{kind.upper()}" not in os.environ:
            continue  # then no test of it ran
        address = address_of(f"MILLPOND_TEST_{kind.upper()}")
        config = DatabaseConfig(**{name: address[name] for name in names})
        with DatabaseFactory.create_database(kind, config).sync_connection() as conn:
            versions = conn.get_version_details().values()
            terminalreporter.write_line(f"under test: {' through '.join(versions)}")
        asyncio.run(PoolManager.close_pool(config_hash=config.hash(), timeout=5))


@pytest.fixture(scope="session")
def postgres() -> dict[str, Any]:
    return address_of("MILLPOND_TEST_POSTGRES")


@pytest.fixture(scope="session")
def mysql() -> dict[str, Any]:
    """MariaDB, or a MySQL in its place: the driver is the same."""
    return address_of("MILLPOND_TEST_MYSQL")


@pytest.fixture
def mariadb(mysql: dict[str, Any]) -> dict[str, Any]:
    """For what MySQL does not have, whatever its version."""
    if mysql["server"] != "MariaDB":
        pytest.skip("MariaDB's own")
    return mysql


class Databases:
    """Makes databases for one test, and closes their pools at its end."""

    def __init__(self, servers: dict[str, dict[str, Any]], folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self._configs: list[DatabaseConfig] = []

    def settings(self, kind: str) -> dict[str, Any]:
        """How to reach it."""
        if kind in ("sqlite", "duckdb"):
            return {"database": str(self._folder / f"test.{kind}")}
        names = ("host", "port", "user", "password", "database")
        server = self._servers[kind]
        return {**{name: server[name] for name in names}, **server.get("settings", {})}

    def config(self, kind: str, **settings: Any) -> DatabaseConfig:
        # tests count connections: none is opened but by them; and the machine may be busy
        given = {
            **self.settings(kind),
            "alias": self._folder.name,
            "pool_min_size": 0,
            "connection_acquisition_timeout": 120,
            "connection_creation_timeout": 120,
            "query_execution_timeout": 120,
        }
        config = DatabaseConfig(**{**given, **settings})
        self._configs.append(config)
        return config

    def open(self, kind: str, **settings: Any) -> ConnectionManager:
        return DatabaseFactory.create_database(kind, self.config(kind, **settings))

    async def close(self) -> None:
        for config in self._configs:
            await PoolManager.close_pool(config_hash=config.hash(), timeout=5)


@pytest.fixture
def databases(
    postgres: dict[str, Any], mysql: dict[str, Any], tmp_path: Path
) -> Iterator[Databases]:
    made = Databases({"postgres": postgres, "mysql": mysql}, tmp_path)
    yield made
    asyncio.run(made.close())


@pytest.fixture(params=(*KINDS, *BACKENDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def db(kind: str, databases: Databases) -> ConnectionManager:
    return databases.open(kind)


@pytest.fixture
async def conn(db: ConnectionManager) -> AsyncIterator[Any]:
    async with db.async_connection() as connection:
        yield connection


@pytest.fixture
async def items(db: ConnectionManager) -> str:
    """A table `items (id, name)` with a key, a not-null column and a check."""
    async with db.async_connection() as connection:
        await connection.execute("DROP TABLE IF EXISTS items")
        await connection.execute(
            "CREATE TABLE items (id integer PRIMARY KEY, name text NOT NULL, "
            "size integer CHECK (size > 0))"
        )
    return "items"


# What CAST takes where others say text and bigint.
CASTS = {
    "sqlite": {"text": "text", "bigint": "bigint"},
    "postgres": {"text": "text", "bigint": "bigint"},
    "mysql": {"text": "char(100)", "bigint": "signed"},
    "duckdb": {"text": "text", "bigint": "bigint"},
}


@pytest.fixture
def casts(kind: str) -> dict[str, str]:
    return CASTS[kind]


ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) FROM n",
    "postgres": "SELECT pg_sleep(600)",
    "mysql": "SELECT sleep(600)",
    "duckdb": "SELECT count(*) FROM range(100000000000) a, range(100000000000) b",
}


@pytest.fixture
def endless(kind: str) -> str:
    """A statement that does not end by itself."""
    return ENDLESS[kind]


@pytest.fixture
def lost_interrupts(kind: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The first three interrupts of a backend, lost as drivers lose what comes before a statement
    has begun."""
    lost: list[Any] = []
    backend = duckdb_backend.DuckdbConnection
    interrupt = backend._interrupt_statement

    def lose_some(connection: Any) -> None:
        if len(lost) < 3:
            lost.append(connection)
        else:
            interrupt(connection)

    monkeypatch.setattr(backend, "_interrupt_statement", lose_some)
    return lost


async def when(
    db: ConnectionManager, what: str, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The pool's status once it is so, with a generous deadline."""
    deadline = time.monotonic() + 90
    while not holds(status := db.get_pool_status()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} never came to be: {status}")
        await asyncio.sleep(0.01)
    return status


async def at_rest(db: ConnectionManager) -> dict[str, Any]:
    """The pool's status once nothing is being opened or cleaned any more."""
    return await when(db, "rest", lambda it: it["size"] == it["idle"] and it["waiting"] == 0)
