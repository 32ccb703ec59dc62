"""Connections: what they can do, for all databases alike."""

from __future__ import annotations

import abc
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _native
from .._plans import schema_of
from .._steps import run_async_made
from ..progress import AsyncRows, Progress
from ..sql import (
    MysqlSqlGenerator,
    PostgresSqlGenerator,
    SqlGenerator,
    SqliteSqlGenerator,
    is_changed,
)
from .entity import AsyncEntityMethods
from .fetch import AsyncFetch, Tags
from .pieces import executemany_as_they_come, executemany_in_pieces
from .plans import run_plan


class AsyncConnection(AsyncFetch, AsyncEntityMethods, abc.ABC):
    """An asynchronous connection. Statements on one connection run one after another."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def parameter_converter(self) -> SqlGenerator:
        """The generator of this database's SQL."""

    @property
    def node(self) -> int | None:
        """The number of its node in ``get_pool_status()["nodes"]``; None once released."""
        return 0  # a backend written in Python has one

    @abc.abstractmethod
    async def in_transaction(self) -> bool:
        """True while a transaction is open, as the server or library reports it."""

    @abc.abstractmethod
    async def begin_transaction(self) -> None:
        """Begin a transaction. Raises TransactionStateError if one is open."""

    @abc.abstractmethod
    async def commit_transaction(self) -> None:
        """Commit. Raises TransactionStateError if none is open, UnknownOutcomeError if the
        connection was lost, or the server fell silent, before the answer came."""

    @abc.abstractmethod
    async def rollback_transaction(self) -> None:
        """Roll back. Raises TransactionStateError if none is open."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the connection instead of giving it back to its pool. Closing twice is no error."""

    @abc.abstractmethod
    async def get_version_details(self) -> dict[str, str]:
        """``{"db_server_version": …, "db_driver": …}``."""


def _converts(cls: Any, base: Any) -> bool:
    """True if a class of native connections must convert statements with a generator of its own."""
    return cls.parameter_converter is not base.parameter_converter or is_changed(cls._generator)


class _NativeAsyncConnection(_native.Connection, AsyncConnection):
    """A pooled connection of the library. ``execute`` is a native method:

    execute(sql, params=None, timeout=None, tags=None) -> list of tuples
        Args:
            sql: one statement with ``?`` placeholders.
            params: tuple or list, one value for each placeholder.
            timeout: seconds for the whole call, the server's work included. None: the config's.
            tags: dict, sent as a comment in the statement.
        Returns a list of tuples with the attributes ``columns`` (tuple of str), ``rowcount`` (int)
        and ``lastrowid`` (int or None).
        Raises ParameterError and ValueRangeError before anything is sent, QueryTimeoutError after
        the server's work was stopped, ConnectionLostError, UnknownOutcomeError, and what the
        database answers.
    """

    __slots__ = ("_savepoints",)
    _generator: ClassVar[SqlGenerator]
    _converts: ClassVar[bool] = False  # read when a pool is made of the class

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls._converts = _converts(cls, _NativeAsyncConnection)
        if cls._converts:
            cls._entity = _entity_async  # type: ignore[method-assign]

    @property
    def parameter_converter(self) -> SqlGenerator:
        return self._generator

    _execute_plain = _native.Connection._execute_plain
    # The native methods return other types than the abstract class declares.
    if TYPE_CHECKING:

        async def executemany(
            self,
            sql: str,
            param_list: AsyncRows,
            timeout: float | None = None,
            tags: Tags = None,
            *,
            progress: Progress | None = None,
            first_row: int = 0,
        ) -> _native.Result:
            raise NotImplementedError

    else:
        node = _native.Connection.node
        in_transaction = _native.Connection.in_transaction
        begin_transaction = _native.Connection.begin_transaction
        commit_transaction = _native.Connection.commit_transaction
        rollback_transaction = _native.Connection.rollback_transaction
        close = _native.Connection.close
        get_version_details = _native.Connection.get_version_details

        def executemany(
            self,
            sql: str,
            param_list: AsyncRows,
            timeout: float | None = None,
            tags: Tags = None,
            *,
            progress: Progress | None = None,
            first_row: int = 0,
        ) -> Awaitable[_native.Result]:
            if hasattr(param_list, "__aiter__"):  # async only
                return executemany_as_they_come(self, sql, param_list, timeout, tags, progress)
            if progress is None:
                return _native.Connection.executemany(
                    self, sql, param_list, timeout, tags, first_row=first_row
                )
            return executemany_in_pieces(self, sql, param_list, timeout, tags, progress)


def _entity_async(self: Any, *args: Any, **options: Any) -> Awaitable[Any]:
    """An entity call whose statements go through the class's own generator."""
    return run_async_made(lambda: run_plan(self, schema_of(self).plan(*args, **options)))


class PostgresAsyncConnection(_NativeAsyncConnection):
    """A connection to PostgreSQL."""

    __slots__ = ()
    _generator = PostgresSqlGenerator()


class MysqlAsyncConnection(_NativeAsyncConnection):
    """A connection to MySQL or MariaDB."""

    __slots__ = ()
    _generator = MysqlSqlGenerator()


class SqliteAsyncConnection(_NativeAsyncConnection):
    """A connection to an SQLite database."""

    __slots__ = ()
    _generator = SqliteSqlGenerator()


__all__ = [
    "AsyncConnection",
    "MysqlAsyncConnection",
    "PostgresAsyncConnection",
    "SqliteAsyncConnection",
]
