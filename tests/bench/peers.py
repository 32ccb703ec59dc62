"""The libraries that are compared, each behind the same few functions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

SELECT_ONE = "SELECT id, name FROM bench WHERE id = {}"
SELECT_ALL = "SELECT id, name, size, at, total FROM bench"
INSERT = "INSERT INTO bench_many (id, name) VALUES ({}, {})"


class AsyncPeer:
    """A library with a pool of connections, or the nearest thing that it has."""

    name = ""

    async def open(self, address: dict[str, Any], size: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    def connection(self) -> Any:
        """An async context manager that gives a connection of the pool."""
        raise NotImplementedError

    async def one(self, conn: Any, key: int) -> Any:
        raise NotImplementedError

    async def all(self, conn: Any) -> Any:
        raise NotImplementedError

    async def many(self, conn: Any, rows: list[tuple[int, str]]) -> None:
        raise NotImplementedError

    async def clear(self, conn: Any) -> None:
        raise NotImplementedError


class Millpond(AsyncPeer):
    name = "millpond"
    kind = "postgres"

    async def open(self, address: dict[str, Any], size: int) -> None:
        import millpond

        self.config = millpond.DatabaseConfig(**address, pool_max_size=size)
        self.db = millpond.DatabaseFactory.create_database(self.kind, self.config)

    async def close(self) -> None:
        import millpond

        await millpond.PoolManager.close_pool(config_hash=self.config.hash(), timeout=5)

    def connection(self) -> Any:
        return self.db.async_connection()

    async def one(self, conn: Any, key: int) -> Any:
        return await conn.execute(SELECT_ONE.format("?"), (key,))

    async def all(self, conn: Any) -> Any:
        return await conn.execute(SELECT_ALL)

    async def many(self, conn: Any, rows: list[tuple[int, str]]) -> None:
        await conn.executemany(INSERT.format("?", "?"), rows)

    async def clear(self, conn: Any) -> None:
        await conn.execute("DELETE FROM bench_many")


class MillpondSqlite(Millpond):
    kind = "sqlite"


class Asyncpg(AsyncPeer):
    name = "asyncpg"

    async def open(self, address: dict[str, Any], size: int) -> None:
        import asyncpg

        self.pool = await asyncpg.create_pool(**address, min_size=size, max_size=size)

    async def close(self) -> None:
        await self.pool.close()

    def connection(self) -> Any:
        return self.pool.acquire()

    async def one(self, conn: Any, key: int) -> Any:
        return await conn.fetch(SELECT_ONE.format("$1"), key)

    async def all(self, conn: Any) -> Any:
        return await conn.fetch(SELECT_ALL)

    async def many(self, conn: Any, rows: list[tuple[int, str]]) -> None:
        await conn.executemany(INSERT.format("$1", "$2"), rows)

    async def clear(self, conn: Any) -> None:
        await conn.execute("DELETE FROM bench_many")


def conninfo(address: dict[str, Any]) -> str:
    names = {"database": "dbname"}
    return " ".join(f"{names.get(key, key)}={value}" for key, value in address.items())


class Psycopg(AsyncPeer):
    name = "psycopg"

    async def open(self, address: dict[str, Any], size: int) -> None:
        import psycopg_pool

        self.pool = psycopg_pool.AsyncConnectionPool(
            conninfo(address), min_size=size, max_size=size, open=False, kwargs={"autocommit": True}
        )
        await self.pool.open(wait=True)

    async def close(self) -> None:
        await self.pool.close()

    def connection(self) -> Any:
        return self.pool.connection()

    async def one(self, conn: Any, key: int) -> Any:
        return await (await conn.execute(SELECT_ONE.format("%s"), (key,))).fetchall()

    async def all(self, conn: Any) -> Any:
        return await (await conn.execute(SELECT_ALL)).fetchall()

    async def many(self, conn: Any, rows: list[tuple[int, str]]) -> None:
        async with conn.transaction(), conn.cursor() as cursor:
            await cursor.executemany(INSERT.format("%s", "%s"), rows)

    async def clear(self, conn: Any) -> None:
        await conn.execute("DELETE FROM bench_many")


class Aiosqlite(AsyncPeer):
    """It has no pool: one connection is shared by all tasks."""

    name = "aiosqlite"

    async def open(self, address: dict[str, Any], size: int) -> None:
        import aiosqlite

        self.conn = await aiosqlite.connect(address["database"], isolation_level=None)

    async def close(self) -> None:
        await self.conn.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        yield self.conn

    async def one(self, conn: Any, key: int) -> Any:
        async with conn.execute(SELECT_ONE.format("?"), (key,)) as cursor:
            return await cursor.fetchall()

    async def all(self, conn: Any) -> Any:
        async with conn.execute(SELECT_ALL) as cursor:
            return await cursor.fetchall()

    async def many(self, conn: Any, rows: list[tuple[int, str]]) -> None:
        await conn.execute("BEGIN")
        await conn.executemany(INSERT.format("?", "?"), rows)
        await conn.execute("COMMIT")

    async def clear(self, conn: Any) -> None:
        await conn.execute("DELETE FROM bench_many")


# ---- Synchronous -------------------------------------------------------------------------


class SyncPeer:
    """A library with one held connection."""

    name = ""
    mark = "?"

    def open(self, address: dict[str, Any]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def query(self, sql: str, params: tuple[Any, ...] = ()) -> Any:
        raise NotImplementedError

    def many(self, rows: list[tuple[int, str]]) -> None:
        raise NotImplementedError


class MillpondSync(SyncPeer):
    name = "millpond"
    kind = "postgres"

    def open(self, address: dict[str, Any]) -> None:
        import millpond

        config = millpond.DatabaseConfig(**address)
        self.db = millpond.DatabaseFactory.create_database(self.kind, config)
        self.conn: Any = self.db.get_sync_connection()
        self.query = self.conn.execute

    def close(self) -> None:
        self.db.release_sync_connection()

    def many(self, rows: list[tuple[int, str]]) -> None:
        self.conn.executemany(INSERT.format("?", "?"), rows)


class MillpondSqliteSync(MillpondSync):
    kind = "sqlite"


class PsycopgSync(SyncPeer):
    name = "psycopg"
    mark = "%s"

    def open(self, address: dict[str, Any]) -> None:
        import psycopg

        self.conn: Any = psycopg.connect(conninfo(address), autocommit=True)

    def close(self) -> None:
        self.conn.close()

    def query(self, sql: str, params: tuple[Any, ...] = ()) -> Any:
        cursor = self.conn.execute(sql, params)
        return cursor.fetchall() if cursor.description else []

    def many(self, rows: list[tuple[int, str]]) -> None:
        with self.conn.transaction(), self.conn.cursor() as cursor:
            cursor.executemany(INSERT.format("%s", "%s"), rows)


class Sqlite3(SyncPeer):
    name = "sqlite3"

    def open(self, address: dict[str, Any]) -> None:
        self.conn: Any = sqlite3.connect(address["database"], isolation_level=None)

    def close(self) -> None:
        self.conn.close()

    def query(self, sql: str, params: tuple[Any, ...] = ()) -> Any:
        return self.conn.execute(sql, params).fetchall()

    def many(self, rows: list[tuple[int, str]]) -> None:
        self.conn.execute("BEGIN")
        self.conn.executemany(INSERT.format("?", "?"), rows)
        self.conn.execute("COMMIT")


class Apsw(SyncPeer):
    """On a file of its own: it brings another SQLite, and two in a process drop each other's
    locks."""

    name = "apsw"

    def open(self, address: dict[str, Any]) -> None:
        import apsw

        own = Path(f"{address['database']}.apsw")
        if not own.exists():
            with contextlib.closing(sqlite3.connect(address["database"])) as conn:
                conn.execute("VACUUM INTO ?", (str(own),))
        self.conn: Any = apsw.Connection(str(own))
        self.conn.execute("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        self.conn.close()

    def query(self, sql: str, params: tuple[Any, ...] = ()) -> Any:
        return self.conn.execute(sql, params).fetchall()

    def many(self, rows: list[tuple[int, str]]) -> None:
        with self.conn:
            self.conn.executemany(INSERT.format("?", "?"), rows)


ASYNC_PEERS = {"postgres": (Millpond, Asyncpg, Psycopg), "sqlite": (MillpondSqlite, Aiosqlite)}
SYNC_PEERS = {
    "postgres": (MillpondSync, PsycopgSync),
    "sqlite": (MillpondSqliteSync, Sqlite3, Apsw),
}
