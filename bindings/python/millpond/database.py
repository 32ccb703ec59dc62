"""Databases: what a program opens, and gets connections from."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any, ClassVar, Self

from . import _native
from ._async.connection import (
    AsyncConnection,
    MysqlAsyncConnection,
    PostgresAsyncConnection,
    SqliteAsyncConnection,
)
from ._async.lending import AsyncLending, check_health
from ._calls import Nothing
from ._nodes import Consistency
from ._pool_key import PoolHash, identity_of
from ._sync.connection import (
    MysqlSyncConnection,
    PostgresSyncConnection,
    SqliteSyncConnection,
    SyncConnection,
)
from ._sync.lending import SyncLending, passes
from .backend import BackendPool
from .config import DatabaseConfig, Problems
from .exceptions import ArgumentError, UnsupportedError
from .hooks import Hook
from .pool import ConnectionPool
from .pool_manager import PoolManager, _Entry
from .reading import EntityReads
from .rows import RowFactory
from .slow import overridable
from .sql import SqlGenerator
from .transaction import DatabaseTransaction

_log = logging.getLogger("millpond.pool")


def _with_generator(own: type[Any], generator: Any) -> type[Any]:
    """A class of connections that differs from another in its generator of SQL."""
    slots = {"__slots__": (), "__module__": own.__module__, "_generator": generator}
    return type(own.__name__, (own,), slots)


def _reading(read_only: bool, consistency: Consistency | None) -> dict[str, Any]:
    """The options of a lease for reads; none for another."""
    if not read_only and consistency is None:
        return {}
    return {"read_only": read_only, "consistency": consistency}


async def _ended(closing: list[Awaitable[None]]) -> None:
    await asyncio.gather(*closing)


class ConnectionManager(AsyncLending, SyncLending, EntityReads, DatabaseConfig, PoolManager):
    """Gives out connections of one database, pooled, asynchronous and synchronous.

    Args:
        config: the database's configuration; or the keyword arguments of DatabaseConfig.
        row_factory: the shape of rows; see the attribute.

    Raises:
        ArgumentError: the configuration is incomplete, or has what this database does not know.
        DriverNotBuiltError: this build of millpond lacks the database's driver.
    """

    _driver: ClassVar[str] = ""  # of the library; "" for a backend written in Python

    #: For a subclass of a native database that changes its SQL: the generator of its connections.
    sql_generator: ClassVar[SqlGenerator | None] = None
    #: For one that changes its connections: subclasses of that database's own.
    async_connection_class: ClassVar[type[AsyncConnection]]
    sync_connection_class: ClassVar[type[SyncConnection]]

    _has_sync: ClassVar[bool] = False  # a backend's synchronous connections

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls._tests_async = cls._test_connection is not ConnectionManager._test_connection
        cls._tests_sync = cls._test_sync_connection is not ConnectionManager._test_sync_connection
        makes_sync = cls._create_sync_connection
        cls._has_sync = makes_sync is not ConnectionManager._create_sync_connection
        for name in ("async_connection_class", "sync_connection_class"):
            own = cls.sql_generator and getattr(cls, name, None)
            if own and own._generator is not cls.sql_generator:
                setattr(cls, name, _with_generator(own, cls.sql_generator))

    #: The shape of rows, on all connections that this object acquires: as ``row_factory`` of
    #: :meth:`AsyncConnection.fetch_all`. None: tuples. Entities stay dicts.
    row_factory: RowFactory | None = None

    def __init__(
        self,
        config: DatabaseConfig | None = None,
        *,
        row_factory: RowFactory | None = None,
        **settings: Any,
    ) -> None:
        if row_factory is not None:
            self.row_factory = row_factory
        if config is None:
            super().__init__(**settings)
        elif not isinstance(config, DatabaseConfig):
            raise ArgumentError(f"config must be a DatabaseConfig, not {type(config).__name__}")
        elif settings:
            raise ArgumentError("give either a config or its settings, not both")
        else:
            self._check_kind(config._given.url_driver)
            self._given = config._given
        self._cached = threading.local()
        self._native_pool: _native.Pool | BackendPool | None = None
        self._unused_pool: _native.Pool | BackendPool | None = None
        self._hooks = self._hooks_of(self.hash())
        self._seen_pool()
        self._note_made()

    @classmethod
    def from_url(cls, url: str, *, row_factory: RowFactory | None = None, **settings: Any) -> Self:
        """The database of a URL, not yet connected: see :meth:`DatabaseConfig.from_url`."""
        return cls(DatabaseConfig.from_url(url, **settings), row_factory=row_factory)

    @classmethod
    def _check_kind(cls, url_driver: str | None) -> None:
        """A URL names its kind of database: it must be ours."""
        if not url_driver:
            return
        other = DatabaseFactory._class_of(url_driver)
        if not issubclass(cls, other) and (not cls._driver or other._driver != cls._driver):
            raise ArgumentError(
                f"the URL is of {url_driver}, but {cls.__name__} is of {cls._kind()}"
            )

    @classmethod
    def _kind(cls) -> str:
        """What a pool's connections are of: pools of different kinds are never shared."""
        return cls._driver or f"{cls.__module__}.{cls.__qualname__}"

    @classmethod
    def _name(cls) -> str:
        """What metrics call this kind of database: as the factory does."""
        known = DatabaseFactory._classes.items()
        return cls._driver or next((name for name, made in known if made is cls), "")

    def _config(self) -> DatabaseConfig:
        return self

    def hash(self) -> PoolHash:
        """MD5 (32 hexadecimal digits) of all parameters except the password: the pool's key. Given
        to close_pool() and get_pool_metrics(), it means the pool of this database alone, also where
        others differ in the password only."""
        return PoolHash(super().hash(), identity_of(self._kind(), self._given.password))

    def _pool_hash(self) -> PoolHash:
        return self.hash()

    def _pool(self) -> Any:
        """The open pool; a new one if it was closed."""
        pool = self._native_pool
        if pool is not None and not pool.closed:
            return pool
        pool = self._seen_pool()
        if pool is not self._native_pool:
            self._remember(_Entry(pool, self, self._kind(), self._name()))
            self._native_pool, self._unused_pool = pool, None
        return pool

    def _was_used(self) -> bool:
        return self._native_pool is not None

    def _seen_pool(self) -> Any:
        """The pool, or what would become it: one that is not in use is not listed anywhere."""
        pool = self._native_pool
        if pool is not None and not pool.closed:
            return pool
        unused = self._unused_pool
        if unused is None or unused.closed:
            unused = self._unused_pool = self._new_pool()
        for entry in self._find(self.hash()):
            if entry.driver == self._kind() and entry.pool.same_as(unused):
                self._native_pool, self._unused_pool = entry.pool, None
                return entry.pool
        return unused

    def _new_pool(self) -> Any:
        if not self._driver:
            return BackendPool(self)
        low, high = self._calculate_pool_size()
        settings = self._native_settings()
        settings.update(pool_min_size=str(low), pool_max_size=str(high))
        classes: Any = self.async_connection_class, self.sync_connection_class
        try:
            return _native.Pool(self._driver, settings, *classes)
        except ArgumentError:
            Problems(_native.config_problems(self._driver, settings)).raise_any()
            raise

    @overridable
    def _calculate_pool_size(self) -> tuple[int, int]:
        """How many connections the pool keeps, and how many it may open: (min, max).

        As configured, else by the number of cores and the memory that the process may use. Override
        it in a subclass to decide otherwise.
        """
        low, high = _native.default_pool_size()
        high = self._given.settings.get("pool_max_size", high)
        return self._given.settings.get("pool_min_size", min(low, high)), high

    @overridable
    async def _test_connection(self, connection: AsyncConnection) -> None:
        """Find out whether a connection works: raise if it does not.

        Health checks call an override. So does the pool before it lends a connection that was idle
        for ``pool_validate_after`` seconds; it closes one that fails. Without an override the
        library uses its own check, which costs less.
        """
        await connection.execute("SELECT 1")

    @overridable
    def _test_sync_connection(self, connection: SyncConnection) -> None:
        """As ``_test_connection``, for synchronous connections."""
        connection.execute("SELECT 1")

    # ---- For a backend to override -------------------------------------------------------

    async def _create_pool(self, config: dict[str, Any]) -> ConnectionPool:
        """Make the driver's pool for the running event loop. ``config`` is what ``config()``
        returns; ``_calculate_pool_size()`` and the timeouts are attributes of this object."""
        raise NotImplementedError(f"{type(self).__name__} must define _create_pool(config)")

    def _create_sync_connection(self, config: dict[str, Any]) -> Any:
        """Make a connection of the synchronous driver."""
        raise UnsupportedError(f"{type(self).__name__} has no synchronous connections")

    def _wrap_async_connection(self, raw_conn: Any) -> AsyncConnection:
        """The AsyncConnection around a connection that the pool lends."""
        raise NotImplementedError(f"{type(self).__name__} must define _wrap_async_connection()")

    def _wrap_sync_connection(self, raw_conn: Any) -> SyncConnection:
        """The SyncConnection around what ``_create_sync_connection`` made."""
        raise UnsupportedError(f"{type(self).__name__} has no synchronous connections")

    def _acquisition_timeout(self, timeout: float | None) -> float | None:
        """Seconds to wait for a connection; None for no limit."""
        if timeout is None:
            return self.connection_acquisition_timeout or None
        if isinstance(timeout, bool) or not timeout > 0:
            raise ArgumentError(f"timeout must be a positive number of seconds, not {timeout!r}")
        return timeout

    # ---- The whole -----------------------------------------------------------------------

    def close(self, timeout: float | None = 60) -> Awaitable[None]:
        """Close the pool of this database, and no other pool::

            await db.close()  # where an event loop runs
            db.close()  # elsewhere: it returns when the pool is closed

        Where an event loop runs, closing begins at once and goes on even if nobody awaits it. It
        follows the rules of :meth:`PoolManager.close_pool`. Databases with the same configuration
        share a pool. The calling thread's own connection (get_sync_connection()) goes back first,
        unless a transaction is open on it. Closing twice is no error; a later use makes a new pool.

        Args:
            timeout: seconds that connections in use get to come back. None: 60.

        Raises:
            ArgumentError: timeout is not positive.
        """
        self._acquisition_timeout(timeout)  # checks it
        if not self.is_environment_async():
            self._close_sync(timeout)
            return Nothing()
        self._return_cached()
        return asyncio.ensure_future(_ended(self._begin_close(self.hash(), timeout)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """``async with millpond.connect(url) as db:`` closes the pool at the end."""
        await self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """``with millpond.connect(url) as db:`` closes the pool at the end."""
        self._close_sync(60)

    def _close_sync(self, timeout: float | None) -> None:
        self._return_cached()
        self._close_pools_sync(self.hash(), timeout)

    def _return_cached(self) -> None:
        """Give back the calling thread's own connection, for which the pool would wait."""
        connection = getattr(self._cached, "connection", None)
        if connection is not None and connection.id and not connection.in_transaction():
            self.release_sync_connection()

    # ---- Asynchronous --------------------------------------------------------------------

    def get_async_connection(
        self,
        timeout: float | None = None,
        *,
        read_only: bool = False,
        consistency: Consistency | None = None,
    ) -> Coroutine[Any, Any, AsyncConnection]:
        """Acquire a connection of the pool; give it back with release_async_connection().

        Args:
            timeout: seconds to wait for a free one. None: ``connection_acquisition_timeout``.
            read_only: True for one that only reads, and which a replica may serve. The database
                refuses writes on it, wherever it leads.
            consistency: how fresh the answers of a read-only one are: ``"strong"``, ``"session"``,
                ``"eventual"``, or seconds that they may be old. None: as the database's config
                says. See docs/replicas.md.

        Raises:
            AcquireTimeoutError: (a TimeoutError) none became free in time.
            ConnectFailedError, AuthenticationError: the database cannot be reached or refuses.
            ClosedError: the pool is closing.
            ArgumentError: consistency is none of these, or given without read_only.
            UnsupportedError: read_only, on a backend written in Python.
        """
        return self._acquire_async(timeout, **_reading(read_only, consistency))

    async def release_async_connection(self, async_conn: AsyncConnection) -> None:
        """Give a connection back. An open transaction is rolled back, with a warning in the log.

        One that its pool took by force, as it closed, is given back like any other.

        Raises:
            StaleConnectionError: it was given back before.
        """
        if not isinstance(async_conn, AsyncConnection):
            raise ArgumentError(f"{type(async_conn).__name__} is not an asynchronous connection")
        await self._release_async(async_conn)

    def async_connection(
        self,
        timeout: float | None = None,
        *,
        read_only: bool = False,
        consistency: Consistency | None = None,
    ) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """``async with db.async_connection() as conn:`` acquires, and releases at the end.

        Arguments and errors are those of get_async_connection().
        """
        loan: contextlib.AbstractAsyncContextManager[AsyncConnection]
        if self._hooks.any or self._tests_async or self.row_factory is not None:
            return self._lend_async(timeout, **_reading(read_only, consistency))
        pool = self._pool()
        if read_only or consistency is not None:
            loan = pool.async_connection(timeout, read_only=read_only, consistency=consistency)
        else:
            loan = pool.async_connection() if timeout is None else pool.async_connection(timeout)
        return loan

    # ---- Synchronous ---------------------------------------------------------------------

    def get_sync_connection(self) -> SyncConnection:
        """The calling thread's connection, acquired from the pool at the first call and kept.

        Later calls check the connection and replace it if it was lost. After a long pause
        (``pool_validate_after``) the check takes a round trip.

        Raises:
            What :meth:`ConnectionManager.get_async_connection` raises.
        """
        connection = getattr(self._cached, "connection", None)
        if connection is not None and connection.id and self._is_of_other_session(connection):
            self._cached.connection = None
            self._release_sync(connection)
            connection = None
        if connection is not None and connection.id:
            if connection._check() and (not self._tests_sync or passes(self, connection)):
                self._hooks.rests.begin(connection.id)
                return connection  # type: ignore[no-any-return]
            connection.close()
            connection._release()
        self._cached.connection = None
        connection = self._acquire_sync(None)
        self._hooks.rests.begin(connection.id)
        self._cached.connection = connection
        self._cached.session = _native.Session.current()
        return connection

    def _is_of_other_session(self, connection: SyncConnection) -> bool:
        """True if another Session than the caller's would note what is done on the connection."""
        if self._cached.session is _native.Session.current():
            return False
        return not connection.in_transaction()

    def release_sync_connection(self) -> None:
        """Close the calling thread's connection; the next get_sync_connection() makes a new one."""
        connection = getattr(self._cached, "connection", None)
        self._cached.connection = None
        if connection is not None:
            connection.close()
            connection._release()

    def transaction(
        self,
        isolation: str | None = None,
        read_only: bool = False,
        *,
        force_rollback: bool = False,
        timeout: float | None = None,
        consistency: Consistency | None = None,
    ) -> DatabaseTransaction:
        """A connection with a transaction open on it, for one block::

            async with db.transaction() as conn: ...
            with db.transaction() as conn: ...

        It commits at the end, or rolls back if an exception leaves the block; then the connection
        is released.

        Args:
            isolation, read_only, force_rollback: as for :meth:`AsyncConnection.transaction`.
            timeout: seconds to wait for a free connection; as for get_async_connection().
            consistency: of a read-only one, which a replica may serve then; as for
                get_async_connection(). Serializable transactions run on the primary.

        Raises: on entering what ``get_async_connection`` and ``AsyncConnection.transaction`` raise.
        """
        settings = (isolation, read_only, force_rollback)
        return DatabaseTransaction(self, settings, timeout, consistency)

    def sync_connection(
        self,
        timeout: float | None = None,
        *,
        read_only: bool = False,
        consistency: Consistency | None = None,
    ) -> contextlib.AbstractContextManager[SyncConnection]:
        """``with db.sync_connection() as conn:`` acquires, and releases at the end.

        Arguments and errors are those of get_async_connection().
        """
        return self._lend_sync(timeout, **_reading(read_only, consistency))

    # ---- Hooks ---------------------------------------------------------------------------

    def on_connect(self, hook: Hook) -> Hook:
        """Have ``hook(connection)`` called for each new session, before its first user gets it.

        A coroutine function is called for asynchronous connections, a plain function for
        synchronous ones: a pool that is used both ways wants one of each. Both may run statements;
        what they set stays with the session. A session that was reset because its user changed it
        counts as new. If the hook fails the connection is closed, and the acquire raises. Can be
        used as a decorator. Hooks belong to the pool, whichever object they were given to, and to
        the pool that is opened after a close.

        Raises:
            TypeError: the hook cannot be called.
        """
        return self._hooks.add(self._hooks.connect, hook)

    def on_acquire(self, hook: Hook) -> Hook:
        """Have ``hook(connection)`` called each time a connection was acquired; as on_connect()."""
        return self._hooks.add(self._hooks.acquire, hook)

    def on_release(self, hook: Hook) -> Hook:
        """Have ``hook(connection)`` called before a connection is released by its user.

        As on_connect(), but if the hook fails the connection still goes back to the pool.
        """
        return self._hooks.add(self._hooks.release, hook)

    # ---- Diagnostics ---------------------------------------------------------------------

    async def health_check(self, timeout: float | None = 5) -> bool:
        """True if the pool can serve: see :meth:`PoolManager.health_check_all_pools`.

        Args:
            timeout: seconds, None for ``connection_acquisition_timeout``.
        """
        if self._tests_async:
            return await check_health(self, timeout)
        return await super().health_check(timeout)

    @staticmethod
    def is_environment_async() -> bool:
        """True where an event loop is running in the calling thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True


class PostgresDatabase(ConnectionManager):
    """A PostgreSQL database."""

    _driver = "postgres"
    async_connection_class = PostgresAsyncConnection
    sync_connection_class = PostgresSyncConnection


class MysqlDatabase(ConnectionManager):
    """A MySQL or MariaDB database."""

    _driver = "mysql"
    async_connection_class = MysqlAsyncConnection
    sync_connection_class = MysqlSyncConnection


Mysqldatabase = MysqlDatabase


class SqliteDatabase(ConnectionManager):
    """An SQLite database: a file, or ``":memory:"``."""

    _driver = "sqlite"
    async_connection_class = SqliteAsyncConnection
    sync_connection_class = SqliteSyncConnection


class DatabaseFactory:
    """Makes databases by name."""

    _classes: ClassVar[dict[str, type[ConnectionManager]]] = {
        "postgres": PostgresDatabase,
        "postgresql": PostgresDatabase,
        "mysql": MysqlDatabase,
        "mariadb": MysqlDatabase,
        "sqlite": SqliteDatabase,
    }

    @staticmethod
    def create_database(db_type: str, db_config: DatabaseConfig) -> ConnectionManager:
        """The database of a type, not yet connected.

        Args:
            db_type: ``"postgres"`` (or ``"postgresql"``), ``"mysql"`` (or ``"mariadb"``), or
                ``"sqlite"``.
            db_config: where it is.

        Raises:
            ArgumentError: (a ValueError) there is no such type, or the config does not fit it.
            DriverNotBuiltError: this build of millpond lacks the driver.
        """
        return DatabaseFactory._class_of(db_type)(db_config)

    @staticmethod
    def register(name: str, database: type[ConnectionManager]) -> None:
        """Make a database class known by a name, for ``create_database`` and as the scheme of URLs.

        Args:
            name: letters, digits, ``+``, ``-`` and ``.``, beginning with a letter; case is ignored.
            database: a subclass of ConnectionManager. An earlier class of that name is replaced.

        Raises:
            ArgumentError: (a ValueError) the name is not allowed, or the class is not a subclass.
        """
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", name):
            raise ArgumentError(f"{name!r} cannot be the name of a database type")
        if not isinstance(database, type) or not issubclass(database, ConnectionManager):
            raise ArgumentError(f"{database!r} is not a subclass of ConnectionManager")
        DatabaseFactory._classes[name.lower()] = database

    @staticmethod
    def from_url(
        url: str, *, row_factory: RowFactory | None = None, **settings: Any
    ) -> ConnectionManager:
        """The database of a URL, not yet connected.

        Args:
            url: see :meth:`DatabaseConfig.from_url`; its scheme is the database's type.
            row_factory: the shape of rows, see ``ConnectionManager.row_factory``.
            **settings: arguments of DatabaseConfig; they win over the URL's.

        Raises: as :meth:`DatabaseConfig.from_url` and :meth:`DatabaseFactory.create_database`.
        """
        if isinstance(url, str):  # an unknown kind of database is what is wrong first
            DatabaseFactory._class_of(_native.parse_url(url)["driver"])
        config = DatabaseConfig.from_url(url, **settings)
        made = DatabaseFactory._class_of(config._given.url_driver)(config)
        if row_factory is not None:
            made.row_factory = row_factory
        return made

    @staticmethod
    def _class_of(db_type: str | None) -> type[ConnectionManager]:
        known = DatabaseFactory._classes
        if not isinstance(db_type, str) or db_type.lower() not in known:
            raise ArgumentError(f"unknown database type {db_type!r}: use one of {', '.join(known)}")
        return known[db_type.lower()]


def connect(
    url: str, *, row_factory: RowFactory | None = None, **settings: Any
) -> ConnectionManager:
    """The database of a URL. It connects when the first connection is wanted::

        db = millpond.connect("postgres://me:secret@localhost/shop")
        async with db.async_connection() as conn: ...
        with db.sync_connection() as conn: ...

    ``async with millpond.connect(url) as db:``, or ``with``, closes its pool at the end.

    Args:
        url: see :meth:`DatabaseConfig.from_url`.
        row_factory: the shape of rows, see ``ConnectionManager.row_factory``.
        **settings: arguments of DatabaseConfig; they win over the URL's.

    Raises:
        ArgumentError: (a ValueError) the URL cannot be read, or settings are wrong.
        DriverNotBuiltError: this build of millpond lacks the driver.
    """
    return DatabaseFactory.from_url(url, row_factory=row_factory, **settings)


def is_environment_async() -> bool:
    """True where an event loop is running in the calling thread."""
    return ConnectionManager.is_environment_async()


__all__ = [
    "ConnectionManager",
    "DatabaseFactory",
    "MysqlDatabase",
    "Mysqldatabase",
    "PostgresDatabase",
    "SqliteDatabase",
    "connect",
    "is_environment_async",
]
