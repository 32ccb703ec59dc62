"""A complete backend in Python, on the blocking `duckdb` package; then connect("duckdb:///FILE")."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import millpond

STATES = ("no open transaction", "a transaction is open already")
ERRORS: list[tuple[type[Exception], str, type[millpond.Error]]] = [  # the first that fits
    (duckdb.ConstraintException, "uplicate key", millpond.UniqueViolationError),
    (duckdb.ConstraintException, "NOT NULL", millpond.NotNullViolationError),
    (duckdb.ConstraintException, "CHECK", millpond.CheckViolationError),
    (duckdb.CatalogException, "does not exist", millpond.UndefinedObjectError),
    (duckdb.BinderException, "not found", millpond.UndefinedObjectError),
    (duckdb.ParserException, "", millpond.SqlSyntaxError),
    (duckdb.ConstraintException, "oreign key", millpond.ForeignKeyViolationError),
    (duckdb.TransactionException, "onflict", millpond.SerializationError),
    (duckdb.TransactionException, "", millpond.TransactionStateError),
    (duckdb.ConnectionException, "", millpond.ClosedError),
    (duckdb.Error, "", millpond.StatementError),
]
THREADS = ThreadPoolExecutor(64, "duckdb")  # they wait while DuckDB works in threads of its own


class DuckdbSqlGenerator(millpond.PostgresSqlGenerator):  # but entities are kept as on SQLite
    entity_dialect, entity_capabilities = "sqlite", 0
    OTHERWISE = {
        "sqlite_schema s, pragma_table_info(s.name) c": "sqlite_master s JOIN (SELECT table_name, "
        "column_name AS name, data_type AS type, NOT is_nullable AS notnull, FALSE AS pk, "
        "column_default AS dflt_value, column_index AS cid FROM duckdb_columns()) c "
        "ON c.table_name = s.name",
        "SELECT value FROM json_each(?)": "SELECT unnest(CAST(CAST(? AS json) AS text[]))",
        "decimal_text COLLATE decimal": "decimal(38, 9)",
        "sqlite_schema": "sqlite_master",
    }

    def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
        for theirs, ours in self.OTHERWISE.items():
            sql = sql.replace(theirs, ours)
        return super().convert_query_to_native(sql, params)

    def get_timeout_sql(self, timeout: float | None = None) -> None:
        pass  # statements are interrupted instead


class DuckdbConnection:
    def __init__(self, raw_conn: duckdb.DuckDBPyConnection) -> None:
        self._conn = raw_conn
        self._open = False  # a transaction

    def _interrupt_statement(self) -> None:
        self._conn.interrupt()

    def _translate_error(self, error: Exception) -> Exception:
        for kind, words, translated in ERRORS:
            if isinstance(error, kind) and words in str(error):
                return translated(str(error))
        return error

    def _prepare(self, native_sql: str) -> Any:
        statements = self._conn.extract_statements(native_sql)
        if not statements:
            raise millpond.SqlSyntaxError("the statement is empty")
        if len(statements) > 1:
            raise millpond.SqlSyntaxError(
                "the text has more than one statement: execute them one by one"
            )
        return statements[0]

    def _batches(self, statement: Any, params: Any, batch: int) -> Iterator[millpond.Result]:
        done = self._conn.execute(statement, params or None)
        names = [column[0] for column in done.description or ()]
        if names in (["Count"], ["Success"]):  # a statement without rows
            rows = done.fetchall()
            yield millpond.Result(rowcount=rows[0][0] if rows and names == ["Count"] else 0)
            return
        while rows := done.fetchmany(batch):
            yield millpond.Result(rows, names, rowcount=len(rows))
        yield millpond.Result((), names, rowcount=0)

    def _transact(self, verb: str) -> None:
        if self._open == (verb == "BEGIN"):
            raise millpond.TransactionStateError(STATES[self._open])
        self._open = verb == "BEGIN"
        self._conn.execute(verb)

    def _versions(self) -> dict[str, str]:
        return dict.fromkeys(("db_server_version", "db_driver"), f"DuckDB {duckdb.__version__}")


class DuckdbSyncConnection(DuckdbConnection, millpond.SyncConnection):
    parameter_converter: Any = DuckdbSqlGenerator()
    _prepare_statement_sync: Any = DuckdbConnection._prepare
    _stream_statement_sync: Any = DuckdbConnection._batches
    get_version_details: Any = DuckdbConnection._versions

    def _execute_statement_sync(self, statement: Any, params: Any = None) -> millpond.Result:
        return next(self._batches(statement, params, 1 << 62))

    def in_transaction(self) -> bool:
        return self._open

    def begin_transaction(self) -> None:
        self._transact("BEGIN")

    def commit_transaction(self) -> None:
        self._transact("COMMIT")

    def rollback_transaction(self) -> None:
        self._transact("ROLLBACK")

    def close(self) -> None:
        self._conn.close()


async def in_thread(function: Any, *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(THREADS, function, *args)


class DuckdbAsyncConnection(DuckdbConnection, millpond.AsyncConnection):
    parameter_converter: Any = DuckdbSqlGenerator()

    async def _prepare_statement_async(self, native_sql: str) -> Any:
        return self._prepare(native_sql)

    async def _execute_statement_async(self, statement: Any, params: Any = None) -> Any:
        return await in_thread(next, self._batches(statement, params, 1 << 62))

    async def _stream_statement_async(
        self, statement: Any, params: Any = None, batch: int = 1000
    ) -> AsyncIterator[millpond.Result]:
        batches = self._batches(statement, params, batch)
        while (rows := await in_thread(next, batches, None)) is not None:
            yield rows

    async def in_transaction(self) -> bool:
        return self._open

    async def begin_transaction(self) -> None:
        await in_thread(self._transact, "BEGIN")

    async def commit_transaction(self) -> None:
        await in_thread(self._transact, "COMMIT")

    async def rollback_transaction(self) -> None:
        await in_thread(self._transact, "ROLLBACK")

    async def close(self) -> None:
        self._conn.close()

    async def get_version_details(self) -> dict[str, str]:
        return self._versions()


class DuckdbPool(millpond.ConnectionPool):  # of what DuckDB calls cursors
    def __init__(self, database: duckdb.DuckDBPyConnection, low: int, high: int) -> None:
        self._database, self._low, self._high = database, low, high
        self._free: list[Any] = []
        self._lent: set[Any] = set()
        self._room = asyncio.Semaphore(high)

    async def acquire(self, timeout: float | None = None) -> Any:
        await asyncio.wait_for(self._room.acquire(), timeout)
        self._lent.add(connection := self._free.pop() if self._free else self._database.cursor())
        return connection

    async def release(self, connection: Any) -> None:
        self._lent.remove(connection)
        self._room.release()
        with contextlib.suppress(duckdb.Error):  # it was closed
            self._free.append(await self._test_connection(connection))

    async def close(self, force: bool = False, timeout: float | None = None) -> None:
        for connection in [*self._free, *self._lent, self._database]:
            connection.close()

    async def _test_connection(self, connection: Any) -> Any:
        return connection.execute("SELECT 1")

    min_size: Any = property(lambda self: self._low)
    max_size: Any = property(lambda self: self._high)
    in_use: Any = property(lambda self: len(self._lent))
    idle: Any = property(lambda self: len(self._free))
    size: Any = property(lambda self: self.in_use + self.idle)


class DuckdbDatabase(millpond.ConnectionManager):
    def _create_sync_connection(self, config: dict[str, Any]) -> Any:
        return duckdb.connect(config["database"])

    async def _create_pool(self, config: dict[str, Any]) -> millpond.ConnectionPool:
        database = await in_thread(duckdb.connect, config["database"])
        return DuckdbPool(database, *self._calculate_pool_size())

    _wrap_async_connection: Any = staticmethod(DuckdbAsyncConnection)
    _wrap_sync_connection: Any = staticmethod(DuckdbSyncConnection)


millpond.DatabaseFactory.register("duckdb", DuckdbDatabase)
