# Made of ../_async/transaction.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""Transactions as context managers, nested as savepoints."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from types import TracebackType
from typing import Any, Self

from ..exceptions import MisuseError
from .undo import abandon, undo, undo_quietly

_log = logging.getLogger("millpond.transaction")


class SyncTransaction:
    """What ``with connection.transaction():`` enters."""

    __slots__ = (
        "_connection",
        "_force_rollback",
        "_isolation",
        "_open",
        "_read_only",
        "_savepoint",
        "_sql",
    )

    def __init__(
        self, connection: Any, isolation: str | None, read_only: bool, force_rollback: bool
    ) -> None:
        self._connection = connection
        self._isolation = isolation
        self._read_only = read_only
        self._force_rollback = force_rollback
        self._savepoint: str | None = None
        self._open = False
        self._sql = connection.parameter_converter.get_transaction_sql(isolation, read_only)

    # ---- Begin ---------------------------------------------------------------------------

    def _enter(self) -> None:
        if self._open:
            raise MisuseError(
                "this transaction() is open already: call transaction() again for a nested one"
            )
        self._savepoint = None
        self._begin()
        self._open = True

    def _begin(self) -> None:
        connection = self._connection
        if connection.in_transaction():
            self._enter_savepoint()
            return
        connection._savepoints = 0
        for statement in self._sql.before:
            connection.execute(statement)
        try:
            if self._sql.begin:
                connection.execute(self._sql.begin)
            else:
                connection.begin_transaction()
        except BaseException as error:
            self._abandon_after(error)
            raise
        try:
            for statement in self._sql.inside:
                connection.execute(statement)
        except CancelledError as error:
            self._abandon_after(error)
            raise
        except BaseException:
            self._undo()
            raise

    def _enter_savepoint(self) -> None:
        if self._isolation or self._read_only:
            raise MisuseError(
                "a transaction is open already: isolation and read_only belong to the outermost"
            )
        connection = self._connection
        savepoint = f"millpond_{getattr(connection, '_savepoints', 0) + 1}"
        connection.execute(f"SAVEPOINT {savepoint}")
        self._savepoint = savepoint
        connection._savepoints = getattr(connection, "_savepoints", 0) + 1

    # ---- End -----------------------------------------------------------------------------

    def _exit(self, error: BaseException | None) -> None:
        self._open = False
        if self._savepoint:
            self._connection._savepoints -= 1
        try:
            if error is None and not self._force_rollback:
                self._keep()
            elif isinstance(error, CancelledError):
                self._abandon_after(error)
            else:
                self._undo_after(error)
        finally:
            self._restore()

    def _keep(self) -> None:
        try:
            if self._savepoint:
                self._connection.execute(f"RELEASE SAVEPOINT {self._savepoint}")
            else:
                self._connection.commit_transaction()
        except BaseException as error:
            self._abandon_after(error)
            raise

    def _abandon_after(self, error: BaseException) -> None:
        """Beginning or ending it failed, or was cancelled: what is still open is undone."""
        if isinstance(error, Exception):
            undo_quietly(self._connection, self._savepoint, error)
        else:
            abandon(self._connection, self._savepoint)

    def _undo_after(self, error: BaseException | None) -> None:
        """The error is what the caller must see, whatever else fails."""
        if error is None:
            self._undo()
            return
        try:
            self._undo()
        except Exception as failure:
            self._connection._mark_broken()
            _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)

    def _undo(self) -> None:
        undo(self._connection, self._savepoint)

    def _restore(self) -> None:
        """Settings of the session that were made for this transaction must not outlive it."""
        if self._savepoint or not self._sql.after:
            return
        try:
            for statement in self._sql.after:
                self._connection.execute(statement)
        except BaseException:
            self._connection.close()
            raise

    # ---- As a context manager ---------------------------------------------------------------

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit(error)


__all__ = ["SyncTransaction"]
