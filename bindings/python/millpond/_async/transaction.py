"""Transactions as context managers, nested as savepoints."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from types import TracebackType
from typing import Any, Self

from ..exceptions import MisuseError
from .undo import abandon, undo, undo_quietly

_log = logging.getLogger("millpond.transaction")


class AsyncTransaction:
    """What ``async with connection.transaction():`` enters."""

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

    async def _enter(self) -> None:
        if self._open:
            raise MisuseError(
                "this transaction() is open already: call transaction() again for a nested one"
            )
        self._savepoint = None
        await self._begin()
        self._open = True

    async def _begin(self) -> None:
        connection = self._connection
        if await connection.in_transaction():
            await self._enter_savepoint()
            return
        connection._savepoints = 0
        for statement in self._sql.before:
            await connection.execute(statement)
        try:
            if self._sql.begin:
                await connection.execute(self._sql.begin)
            else:
                await connection.begin_transaction()
        except BaseException as error:
            await self._abandon_after(error)
            raise
        try:
            for statement in self._sql.inside:
                await connection.execute(statement)
        except CancelledError as error:
            await self._abandon_after(error)
            raise
        except BaseException:
            await self._undo()
            raise

    async def _enter_savepoint(self) -> None:
        if self._isolation or self._read_only:
            raise MisuseError(
                "a transaction is open already: isolation and read_only belong to the outermost"
            )
        connection = self._connection
        savepoint = f"millpond_{getattr(connection, '_savepoints', 0) + 1}"
        await connection.execute(f"SAVEPOINT {savepoint}")
        self._savepoint = savepoint
        connection._savepoints = getattr(connection, "_savepoints", 0) + 1

    # ---- End -----------------------------------------------------------------------------

    async def _exit(self, error: BaseException | None) -> None:
        self._open = False
        if self._savepoint:
            self._connection._savepoints -= 1
        try:
            if error is None and not self._force_rollback:
                await self._keep()
            elif isinstance(error, CancelledError):
                await self._abandon_after(error)
            else:
                await self._undo_after(error)
        finally:
            await self._restore()

    async def _keep(self) -> None:
        try:
            if self._savepoint:
                await self._connection.execute(f"RELEASE SAVEPOINT {self._savepoint}")
            else:
                await self._connection.commit_transaction()
        except BaseException as error:
            await self._abandon_after(error)
            raise

    async def _abandon_after(self, error: BaseException) -> None:
        """Beginning or ending it failed, or was cancelled: what is still open is undone."""
        if isinstance(error, Exception):
            await undo_quietly(self._connection, self._savepoint, error)
        else:
            await abandon(self._connection, self._savepoint)

    async def _undo_after(self, error: BaseException | None) -> None:
        """The error is what the caller must see, whatever else fails."""
        if error is None:
            await self._undo()
            return
        try:
            await self._undo()
        except Exception as failure:
            self._connection._mark_broken()
            _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)

    async def _undo(self) -> None:
        await undo(self._connection, self._savepoint)

    async def _restore(self) -> None:
        """Settings of the session that were made for this transaction must not outlive it."""
        if self._savepoint or not self._sql.after:
            return
        try:
            for statement in self._sql.after:
                await self._connection.execute(statement)
        except BaseException:
            await self._connection.close()
            raise

    # ---- As a context manager ---------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self._enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._exit(error)


__all__ = ["AsyncTransaction"]
