"""SQL of each database: placeholders, timeouts, comments."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from . import _native
from .exceptions import ArgumentError
from .slow import overridable

DIALECTS = {
    "postgres": _native.POND_DIALECT_POSTGRES,
    "mysql": _native.POND_DIALECT_MYSQL,
    "sqlite": _native.POND_DIALECT_SQLITE,
}

ISOLATION_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")


class TransactionSql(NamedTuple):
    """How a transaction with settings of its own is begun and left."""

    before: tuple[str, ...] = ()  # statements before it begins
    begin: str = ""  # instead of begin_transaction()
    inside: tuple[str, ...] = ()  # its first statements
    after: tuple[str, ...] = ()  # once it has ended, however it did


def _modes(isolation: str | None, read_only: bool) -> list[str]:
    """The settings as the SQL standard spells them."""
    if isolation is not None and str(isolation).lower() not in ISOLATION_LEVELS:
        raise ArgumentError(f"isolation must be one of {ISOLATION_LEVELS}, not {isolation!r}")
    modes = [f"ISOLATION LEVEL {isolation.upper()}"] if isolation else []
    return [*modes, "READ ONLY"] if read_only else modes


class SqlGenerator(abc.ABC):
    """Converts statements with ``?``, and makes SQL that databases spell differently.

    Attributes:
        entity_dialect: ``"postgres"``, ``"mysql"`` or ``"sqlite"``: whose SQL entity calls use.
        entity_capabilities: the sum of what else it has: 1, ``INSERT … RETURNING``; 2, that in a
            common table expression.
        entity_max_new_fields, entity_max_fields: how many fields one call may add to an entity,
            and how many its table may have; 0 for 500 and 1,000.
    """

    entity_dialect: ClassVar[str] = "sqlite"
    entity_capabilities: ClassVar[int] = 0
    entity_max_new_fields: ClassVar[int] = 0
    entity_max_fields: ClassVar[int] = 0

    @overridable
    @abc.abstractmethod
    def convert_query_to_native(
        self, sql: str, params: tuple[Any, ...] | None = None
    ) -> tuple[str, Any]:
        """The statement as the database takes it, and its parameters.

        A list that is by itself an item of ``IN (…)`` stands for its items: ``IN (?)`` becomes as
        many placeholders, in PostgreSQL ``= ANY ($1)``. So both can change with the lists.

        Raises:
            SqlSyntaxError: a literal, identifier or comment is not terminated.
            ParameterError: the number of parameters is not that of the placeholders, or a list
                stands where only one value can be meant.
        """

    @abc.abstractmethod
    def get_timeout_sql(self, timeout: float | None = None) -> str | None:
        """A statement that limits later ones to ``timeout`` seconds; None where there is none."""

    @overridable
    def get_comment_sql(self, tags: Mapping[str, Any] | None = None) -> str | None:
        """The tags as a comment (sqlcommenter's form: keys sorted, all URL-encoded), or None."""
        pairs = tuple((str(key), str(value)) for key, value in (tags or {}).items())
        return _native.comment_sql(pairs)

    def get_transaction_sql(
        self, isolation: str | None = None, read_only: bool = False
    ) -> TransactionSql:
        """What begins a transaction with these settings; the standard's ``SET TRANSACTION`` as its
        first statement unless overridden.

        Raises:
            ArgumentError: there is no such isolation level.
        """
        modes = ", ".join(_modes(isolation, read_only))
        return TransactionSql(inside=(f"SET TRANSACTION {modes}",) if modes else ())


class _NativeSqlGenerator(SqlGenerator):
    _dialect: ClassVar[int]

    def convert_query_to_native(
        self, sql: str, params: tuple[Any, ...] | None = None
    ) -> tuple[str, Any]:
        native, placeholders = _native.convert(self._dialect, sql)
        given = tuple(params or ())
        has_list = any(isinstance(value, (list, tuple)) for value in given)
        if params is not None and (has_list or len(given) != placeholders):
            return _native.convert_lists(self._dialect, sql, given)
        return native, list(given)

    def get_timeout_sql(self, timeout: float | None = None) -> str | None:
        if timeout is None:
            return None
        if timeout != timeout or timeout < 0:
            raise ArgumentError(
                f"timeout must be a non-negative number of seconds, not {timeout!r}"
            )
        ms = min(int(timeout * 1000), 2**31 - 1)
        return _native.timeout_sql(self._dialect, max(ms, 1) if timeout else 0)


def is_changed(generator: SqlGenerator) -> bool:
    """True if a generator converts or comments in a way of its own, not the library's."""
    own = type(generator)
    native = _NativeSqlGenerator
    return (
        own.convert_query_to_native is not native.convert_query_to_native
        or own.get_comment_sql is not native.get_comment_sql
    )


class PostgresSqlGenerator(_NativeSqlGenerator):
    """``$1``, and ``SET LOCAL statement_timeout``."""

    _dialect = _native.POND_DIALECT_POSTGRES
    entity_dialect = "postgres"
    entity_capabilities = 3

    def get_transaction_sql(
        self, isolation: str | None = None, read_only: bool = False
    ) -> TransactionSql:
        modes = ", ".join(_modes(isolation, read_only))
        return TransactionSql(begin=f"BEGIN {modes}" if modes else "")


class MysqlSqlGenerator(_NativeSqlGenerator):
    """``?``; MySQL's ``max_execution_time`` and MariaDB's ``max_statement_time`` in one."""

    _dialect = _native.POND_DIALECT_MYSQL
    entity_dialect = "mysql"

    def get_transaction_sql(
        self, isolation: str | None = None, read_only: bool = False
    ) -> TransactionSql:
        level = "".join(_modes(isolation, False))
        return TransactionSql(
            before=(f"SET TRANSACTION {level}",) if level else (),
            # Vitess passes over READ ONLY in SET TRANSACTION
            begin="START TRANSACTION READ ONLY" if read_only else "",
        )


class SqliteSqlGenerator(_NativeSqlGenerator):
    """``?``; timeouts are the library's own."""

    entity_capabilities = 1
    _dialect = _native.POND_DIALECT_SQLITE

    def get_transaction_sql(
        self, isolation: str | None = None, read_only: bool = False
    ) -> TransactionSql:
        _modes(isolation, read_only)  # always serializable
        if not read_only:
            return TransactionSql()
        return TransactionSql(
            begin="BEGIN",  # without taking the writers' turn
            inside=("PRAGMA query_only = ON",),
            after=("PRAGMA query_only = OFF",),
        )
