"""Transactions as context managers, nested as savepoints."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from types import TracebackType
from typing import Any, Self

from . import _native
from ._native import Error
from ._steps import Steps, run_async, run_sync, to_its_end
from .exceptions import MisuseError
from .execute import GRACE, AsyncExecute

_log = logging.getLogger("millpond.transaction")


def _has_coroutines(connection: Any) -> bool:
    """Those of a backend end with the next cancel; the core's operations end by themselves."""
    return isinstance(connection, AsyncExecute) and not isinstance(connection, _native.Connection)


class _Transaction:
    """What both kinds do, as steps: see ``_steps``."""

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

    def _enter(self) -> Steps[None]:
        if self._open:
            raise MisuseError("this transaction() is open already: call it again for one inside")
        self._savepoint = None
        yield from self._begin()
        self._open = True

    def _begin(self) -> Steps[None]:
        connection = self._connection
        if (yield connection.in_transaction()):
            yield from self._enter_savepoint()
            return
        connection._savepoints = 0
        for statement in self._sql.before:
            yield connection.execute(statement)
        try:
            if self._sql.begin:
                yield connection.execute(self._sql.begin)
            else:
                yield connection.begin_transaction()
        except CancelledError:
            yield from self._abandon()
            raise
        try:
            for statement in self._sql.inside:
                yield connection.execute(statement)
        except BaseException:
            yield from self._undo()
            raise

    def _enter_savepoint(self) -> Steps[None]:
        if self._isolation or self._read_only:
            raise MisuseError(
                "a transaction is open already: isolation and read_only belong to the outermost"
            )
        connection = self._connection
        savepoint = f"millpond_{getattr(connection, '_savepoints', 0) + 1}"
        yield connection.execute(f"SAVEPOINT {savepoint}")
        self._savepoint = savepoint
        connection._savepoints = getattr(connection, "_savepoints", 0) + 1

    # ---- End -----------------------------------------------------------------------------

    def _exit(self, error: BaseException | None) -> Steps[None]:
        self._open = False
        if self._savepoint:
            self._connection._savepoints -= 1
        try:
            if error is None and not self._force_rollback:
                yield from self._keep()
            else:
                yield from self._undo_after(error)
        finally:
            yield from self._restore()

    def _keep(self) -> Steps[None]:
        try:
            if self._savepoint:
                yield self._connection.execute(f"RELEASE SAVEPOINT {self._savepoint}")
            else:
                yield self._connection.commit_transaction()
        except CancelledError:
            yield from self._abandon()
            raise
        except Error as failure:
            if self._savepoint:
                yield from self._undo_after(failure)
            raise

    def _abandon(self) -> Steps[None]:
        """The wait for a begin or an end was cancelled, and so would be the next: nobody knows how
        far it got. What is open is undone, by the core before whatever comes next."""
        connection = self._connection
        if _has_coroutines(connection):
            yield from self._undo()
        elif self._savepoint:
            connection.execute(f"ROLLBACK TO SAVEPOINT {self._savepoint}").cancel()
        else:
            connection.rollback_transaction().cancel()

    def _undo_after(self, error: BaseException | None) -> Steps[None]:
        """The error is what the caller must see, whatever else fails."""
        try:
            yield from self._undo()
        except Error as failure:
            if error is None:
                raise
            _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)

    def _undo(self) -> Steps[None]:
        if _has_coroutines(self._connection):
            yield to_its_end(run_async(self._undo_steps()), GRACE)
        else:
            yield from self._undo_steps()

    def _undo_steps(self) -> Steps[None]:
        connection = self._connection
        if not (yield connection.in_transaction()):
            return  # the database has rolled it back by itself
        if self._savepoint:
            yield connection.execute(f"ROLLBACK TO SAVEPOINT {self._savepoint}")
            yield connection.execute(f"RELEASE SAVEPOINT {self._savepoint}")
        else:
            yield connection.rollback_transaction()

    def _restore(self) -> Steps[None]:
        """Settings of the session that were made for this transaction must not outlive it."""
        if self._savepoint or not self._sql.after:
            return
        try:
            for statement in self._sql.after:
                yield self._connection.execute(statement)
        except BaseException:
            yield self._connection.close()
            raise


class AsyncTransaction(_Transaction):
    """What ``async with connection.transaction():`` enters."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        await run_async(self._enter())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await run_async(self._exit(error))


class SyncTransaction(_Transaction):
    """What ``with connection.transaction():`` enters."""

    __slots__ = ()

    def __enter__(self) -> Self:
        run_sync(self._enter())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run_sync(self._exit(error))


__all__ = ["AsyncTransaction", "SyncTransaction"]
