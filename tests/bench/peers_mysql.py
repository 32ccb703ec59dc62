"""Peers on MySQL and MariaDB."""

from __future__ import annotations

from typing import Any

from peers import INSERT, SELECT_ALL, SELECT_ONE, AsyncPeer, Millpond, MillpondSync, SyncPeer


class MillpondMysql(Millpond):
    kind = "mysql"


class MillpondMysqlSync(MillpondSync):
    kind = "mysql"


def arguments(address: dict[str, Any], **names: str) -> dict[str, Any]:
    """The address by the peer's own names."""
    host = names.pop("host", "unix_socket")
    renamed = {names.get(key, key): value for key, value in address.items() if key != "host"}
    return {**renamed, host: address["host"]}


class PooledMysql(AsyncPeer):
    """asyncmy and aiomysql have the same interface."""

    async def make_pool(self, **settings: Any) -> Any:
        raise NotImplementedError

    async def open(self, address: dict[str, Any], size: int) -> None:
        self.pool = await self.make_pool(
            **arguments(address, database="db"), minsize=size, maxsize=size, autocommit=True
        )

    async def close(self) -> None:
        self.pool.close()
        await self.pool.wait_closed()

    def connection(self) -> Any:
        return self.pool.acquire()

    async def one(self, conn: Any, key: int) -> Any:
        async with conn.cursor() as cursor:
            await cursor.execute(SELECT_ONE.format("%s"), (key,))
            return await cursor.fetchall()

    async def all(self, conn: Any) -> Any:
        async with conn.cursor() as cursor:
            await cursor.execute(SELECT_ALL)
            return await cursor.fetchall()

    async def many(self, conn: Any, rows: list[tuple[int, str]]) -> None:
        await conn.begin()
        async with conn.cursor() as cursor:
            await cursor.executemany(INSERT.format("%s", "%s"), rows)
        await conn.commit()

    async def clear(self, conn: Any) -> None:
        async with conn.cursor() as cursor:
            await cursor.execute("DELETE FROM bench_many")


class Asyncmy(PooledMysql):
    name = "asyncmy"

    async def make_pool(self, **settings: Any) -> Any:
        import asyncmy

        return await asyncmy.create_pool(**settings)


class Aiomysql(PooledMysql):
    name = "aiomysql"

    async def make_pool(self, **settings: Any) -> Any:
        import aiomysql

        return await aiomysql.create_pool(**settings)


class BlockingMysql(SyncPeer):
    """mysqlclient and PyMySQL are both DB-API."""

    mark = "%s"
    conn: Any

    def close(self) -> None:
        self.conn.close()

    def query(self, sql: str, params: tuple[Any, ...] = ()) -> Any:
        with self.conn.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()

    def many(self, rows: list[tuple[int, str]]) -> None:
        self.conn.begin()
        with self.conn.cursor() as cursor:
            cursor.executemany(INSERT.format("%s", "%s"), rows)
        self.conn.commit()


class Mysqlclient(BlockingMysql):
    name = "mysqlclient"

    def open(self, address: dict[str, Any]) -> None:
        import MySQLdb

        self.conn = MySQLdb.connect(**arguments(address), autocommit=True, charset="utf8mb4")


class Pymysql(BlockingMysql):
    name = "PyMySQL"

    def open(self, address: dict[str, Any]) -> None:
        import pymysql

        self.conn = pymysql.connect(**arguments(address), autocommit=True)


ASYNC_PEERS = (MillpondMysql, Asyncmy, Aiomysql)
SYNC_PEERS = (MillpondMysqlSync, Mysqlclient, Pymysql)
