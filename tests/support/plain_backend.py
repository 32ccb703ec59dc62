"""The specification's Extension snippet, filled in as anybody would: on the standard library's
sqlite3, and on a pool of such connections whose methods are coroutines.

``shape`` says what a statement answers with: as drivers do, in one of their ways.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import millpond


class Record:
    """A row as asyncpg has it: its values in order, and its names."""

    def __init__(self, names: list[str], row: tuple[Any, ...]) -> None:
        self._names, self._row = names, row

    def keys(self) -> Iterator[str]:
        return iter(self._names)

    def values(self) -> Iterator[Any]:
        return iter(self._row)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)


def names_of(cursor: sqlite3.Cursor) -> list[str]:
    return [column[0] for column in cursor.description or ()]


def as_records(cursor: sqlite3.Cursor) -> list[Record]:
    names = names_of(cursor)
    return [Record(names, row) for row in cursor]


def as_sqlite_rows(cursor: sqlite3.Cursor) -> list[Any]:
    return [sqlite3.Row(cursor, row) for row in cursor.fetchall()]


SHAPES: dict[str, Callable[[sqlite3.Cursor], Any]] = {
    "a cursor": lambda cursor: cursor,
    "dicts": lambda cursor: [dict(zip(names_of(cursor), row, strict=True)) for row in cursor],
    "sqlite3.Row": as_sqlite_rows,
    "records": as_records,
    "a Result": lambda cursor: millpond.Result(
        cursor.fetchall(), names_of(cursor), cursor.rowcount
    ),
}
TUPLES = lambda cursor: cursor.fetchall()  # noqa: E731


class AsyncCursor:
    """As aiosqlite, psycopg and aiomysql have it."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.description, self.rowcount = cursor.description, cursor.rowcount
        self.lastrowid = cursor.lastrowid

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()


class PlainSqlGenerator(millpond.SqlGenerator):
    def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
        if not params:
            return sql, []
        return sql, params

    def get_timeout_sql(self, timeout: float | None = None) -> str | None:
        return None


class PlainConnectionPool(millpond.ConnectionPool):
    def __init__(self, free: list[Any], timeout: float = 10.0) -> None:
        self._free, self._lent = free, set[Any]()
        self._timeout = timeout

    async def acquire(self, timeout: float | None = None) -> Any:
        self._lent.add(connection := self._free.pop())
        return connection

    async def release(self, connection: Any) -> None:
        self._lent.discard(connection)
        self._free.append(connection)

    async def close(self, force: bool = False, timeout: float | None = None) -> None:
        for connection in [*self._free, *self._lent]:
            connection.close()

    async def _test_connection(self, connection: Any) -> Any:
        return connection.execute("SELECT 1")

    @property
    def min_size(self) -> int:
        return 1

    @property
    def max_size(self) -> int:
        return self.size

    @property
    def size(self) -> int:
        return len(self._free) + len(self._lent)

    @property
    def in_use(self) -> int:
        return len(self._lent)

    @property
    def idle(self) -> int:
        return len(self._free)


class PlainAsyncConnection(millpond.AsyncConnection):
    shape: Callable[[sqlite3.Cursor], Any]
    #: Called with each statement before it is run.
    before: Callable[[str], Any] = staticmethod(lambda statement: None)

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._param_converter = PlainSqlGenerator()

    @property
    def parameter_converter(self) -> millpond.SqlGenerator:
        return self._param_converter

    async def _prepare_statement_async(self, native_sql: str) -> Any:
        pass

    async def _execute_statement_async(self, statement: Any, params: Any = None) -> Any:
        waits = self.before(statement)
        if waits is not None:
            await waits
        answer = self.shape(self._conn.execute(statement, params))
        return AsyncCursor(answer) if isinstance(answer, sqlite3.Cursor) else answer

    async def in_transaction(self) -> bool:
        return self._conn.in_transaction

    async def begin_transaction(self) -> None:
        self._conn.execute("BEGIN")

    async def commit_transaction(self) -> None:
        self.before("COMMIT")
        self._conn.commit()

    async def rollback_transaction(self) -> None:
        await asyncio.sleep(0)  # as a driver that has to wait for its server
        self._conn.rollback()

    async def close(self) -> None:
        self._conn.close()

    async def get_version_details(self) -> dict[str, str]:
        return {"db_server_version": "to do", "db_driver": "to do"}


class PlainSyncConnection(millpond.SyncConnection):
    shape: Callable[[sqlite3.Cursor], Any]
    before: Callable[[str], Any] = staticmethod(lambda statement: None)

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._param_converter = PlainSqlGenerator()

    @property
    def parameter_converter(self) -> millpond.SqlGenerator:
        return self._param_converter

    def _prepare_statement_sync(self, native_sql: str) -> Any:
        pass

    def _execute_statement_sync(self, statement: Any, params: Any = None) -> Any:
        self.before(statement)
        return self.shape(self._conn.execute(statement, params))

    def in_transaction(self) -> bool:
        return self._conn.in_transaction

    def begin_transaction(self) -> None:
        self._conn.execute("BEGIN")

    def commit_transaction(self) -> None:
        self.before("COMMIT")
        self._conn.commit()

    def rollback_transaction(self) -> None:
        self._conn.rollback()

    def close(self) -> None:
        self._conn.close()

    def get_version_details(self) -> dict[str, str]:
        return {"db_server_version": "to do", "db_driver": "to do"}


class PlainDatabase(millpond.ConnectionManager):
    """``async_class`` and ``sync_class`` are those of :func:`plain_database`."""

    async_class: type[PlainAsyncConnection]
    sync_class: type[PlainSyncConnection]

    def _connect(self, config: dict[str, Any]) -> sqlite3.Connection:
        return sqlite3.connect(config["database"], isolation_level=None)

    def _create_sync_connection(self, config: dict[str, Any]) -> Any:
        return self._connect(config)

    async def _create_pool(self, config: dict[str, Any]) -> millpond.ConnectionPool:
        _, most = self._calculate_pool_size()
        raw_pool = [self._connect(config) for _ in range(most)]
        return PlainConnectionPool(raw_pool, timeout=self.connection_acquisition_timeout)

    def _wrap_async_connection(self, raw_conn: Any) -> Any:
        return self.async_class(raw_conn)

    def _wrap_sync_connection(self, raw_conn: Any) -> Any:
        return self.sync_class(raw_conn)


def plain_database(path: object, shape: Callable[[sqlite3.Cursor], Any]) -> PlainDatabase:
    """A database whose statements answer in that shape."""
    own = {"shape": staticmethod(shape)}
    classes = {
        "async_class": type("PlainAsyncConnection", (PlainAsyncConnection,), dict(own)),
        "sync_class": type("PlainSyncConnection", (PlainSyncConnection,), dict(own)),
    }
    made = type("PlainDatabase", (PlainDatabase,), classes)
    return made(database=str(path), pool_max_size=2)  # type: ignore[no-any-return]
