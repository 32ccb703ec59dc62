"""A complete backend written in Python: DuckDB, on the `duckdb` package, which only blocks.

The base classes add entities, placeholders, tags, timeouts, streams, the statement cache, metrics,
circuit breakers, leak reports and `close_pool`. After `import duckdb_backend`,
`millpond.connect("duckdb:///app.duckdb")` works like any other database.
"""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import millpond
from millpond import exceptions as errors

ERRORS: list[tuple[type[Exception], str, type[millpond.Error]]] = [  # the first that fits
    (duckdb.ConstraintException, "uplicate key", errors.UniqueViolationError),
    (duckdb.ConstraintException, "NOT NULL", errors.NotNullViolationError),
    (duckdb.ConstraintException, "CHECK", errors.CheckViolationError),
    (duckdb.ConstraintException, "foreign key", errors.ForeignKeyViolationError),
    (duckdb.CatalogException, "does not exist", errors.UndefinedObjectError),
    (duckdb.BinderException, "not found", errors.UndefinedObjectError),
    (duckdb.ParserException, "", errors.SqlSyntaxError),
    (duckdb.TransactionException, "onflict", errors.SerializationError),
    (duckdb.TransactionException, "", errors.TransactionStateError),
    (duckdb.InterruptException, "", errors.QueryCancelledError),
    (duckdb.ConnectionException, "", errors.ClosedError),
    (duckdb.DataError, "", errors.InvalidDataError),
    (duckdb.Error, "", errors.StatementError),
]


class DuckdbSqlGenerator(millpond.PostgresSqlGenerator):
    """DuckDB takes PostgreSQL's SQL, `$1` included."""

    def get_timeout_sql(self, timeout: float | None = None) -> str | None:
        return None  # statements are interrupted instead

    def get_transaction_sql(self, isolation: Any = None, read_only: bool = False) -> Any:
        checked = super().get_transaction_sql(isolation, read_only)
        if checked.begin:
            raise errors.UnsupportedError("DuckDB's transactions have no settings")
        return checked


class DuckdbBase:  # what both kinds of connection do with the driver's own
    def __init__(self, conn: duckdb.DuckDBPyConnection) -> None:
        self._conn = conn
        self._open = False  # a transaction
        self._generator = DuckdbSqlGenerator()

    @property
    def parameter_converter(self) -> millpond.SqlGenerator:
        return self._generator

    def _interrupt_statement(self) -> None:
        self._conn.interrupt()

    def _translate_error(self, error: Exception) -> Exception:
        for kind, words, translated in ERRORS:
            if isinstance(error, kind) and words in str(error):
                return translated(str(error))
        return error

    def _prepare(self, native_sql: str) -> Any:
        statements = self._conn.extract_statements(native_sql)
        if len(statements) != 1:
            found = f"this text has {len(statements)} statements"
            raise errors.SqlSyntaxError(f"{found}: one is wanted, and not an empty one")
        return statements[0]

    def _run(self, statement: Any, params: Any = None) -> millpond.Result:
        done = self._conn.execute(statement, params or None)
        names = [column[0] for column in done.description or ()]
        rows = done.fetchall()
        if names in (["Count"], ["Success"]):  # a statement without rows
            return millpond.Result(rowcount=rows[0][0] if rows and names == ["Count"] else 0)
        return millpond.Result(rows, names, rowcount=len(rows))

    def _transact(self, verb: str) -> None:
        if self._open == (verb == "BEGIN"):
            state = (
                "a transaction is open already" if self._open else "there is no open transaction"
            )
            raise errors.TransactionStateError(state)
        self._open = verb == "BEGIN"
        self._conn.execute(verb)

    def _close(self) -> None:
        self._open = False
        self._conn.close()

    def _versions(self) -> dict[str, str]:
        return dict.fromkeys(("db_server_version", "db_driver"), f"DuckDB {duckdb.__version__}")


class DuckdbSyncConnection(DuckdbBase, millpond.SyncConnection):
    _prepare_statement_sync = DuckdbBase._prepare
    _execute_statement_sync = DuckdbBase._run
    close = DuckdbBase._close
    get_version_details = DuckdbBase._versions

    def in_transaction(self) -> bool:
        return self._open

    def begin_transaction(self) -> None:
        self._transact("BEGIN")

    def commit_transaction(self) -> None:
        self._transact("COMMIT")

    def rollback_transaction(self) -> None:
        self._transact("ROLLBACK")


THREADS = ThreadPoolExecutor(64, "duckdb")  # they wait while DuckDB works in threads of its own


async def in_thread(function: Any, *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(THREADS, function, *args)


class DuckdbAsyncConnection(DuckdbBase, millpond.AsyncConnection):
    async def _prepare_statement_async(self, native_sql: str) -> Any:
        return self._prepare(native_sql)

    async def _execute_statement_async(self, statement: Any, params: Any = None) -> Any:
        return await in_thread(self._run, statement, params)

    async def in_transaction(self) -> bool:
        return self._open

    async def begin_transaction(self) -> None:
        await in_thread(self._transact, "BEGIN")

    async def commit_transaction(self) -> None:
        await in_thread(self._transact, "COMMIT")

    async def rollback_transaction(self) -> None:
        await in_thread(self._transact, "ROLLBACK")

    async def close(self) -> None:
        self._close()

    async def get_version_details(self) -> dict[str, str]:
        return self._versions()


class DuckdbPool(millpond.ConnectionPool):  # of what DuckDB calls cursors
    def __init__(self, database: duckdb.DuckDBPyConnection, low: int, high: int) -> None:
        self._database = database
        self._low, self._high = low, high
        self._free: list[Any] = []
        self._lent: set[Any] = set()
        self._room = asyncio.Semaphore(high)

    async def acquire(self, timeout: float | None = None) -> Any:
        await asyncio.wait_for(self._room.acquire(), timeout)
        connection = self._free.pop() if self._free else self._database.cursor()
        self._lent.add(connection)
        return connection

    async def release(self, connection: Any) -> None:
        self._lent.remove(connection)
        self._room.release()
        with contextlib.suppress(duckdb.Error):  # it was closed
            await self._test_connection(connection)
            self._free.append(connection)

    async def close(self, force: bool = False, timeout: float | None = None) -> None:
        for connection in [*self._free, *self._lent, self._database]:
            connection.close()

    async def _test_connection(self, connection: Any) -> None:
        connection.execute("SELECT 1").fetchall()

    min_size, max_size = property(lambda self: self._low), property(lambda self: self._high)
    size = property(lambda self: len(self._free) + len(self._lent))
    in_use = property(lambda self: len(self._lent))
    idle = property(lambda self: len(self._free))


class DuckdbDatabase(millpond.ConnectionManager):
    def _create_sync_connection(self, config: dict[str, Any]) -> Any:
        return duckdb.connect(config["database"])

    async def _create_pool(self, config: dict[str, Any]) -> millpond.ConnectionPool:
        database = await in_thread(duckdb.connect, config["database"])
        return DuckdbPool(database, *self._calculate_pool_size())

    def _wrap_async_connection(self, raw_conn: Any) -> millpond.AsyncConnection:
        return DuckdbAsyncConnection(raw_conn)

    def _wrap_sync_connection(self, raw_conn: Any) -> millpond.SyncConnection:
        return DuckdbSyncConnection(raw_conn)


millpond.DatabaseFactory.register("duckdb", DuckdbDatabase)
