"""Transactions as context managers, nested as savepoints."""

from __future__ import annotations

import contextlib
import logging
from asyncio import CancelledError
from types import TracebackType
from typing import Any, Self

from ._steps import Steps, run_async, run_sync
from ._undo import abandon, undo, undo_quietly
from .exceptions import MisuseError

_log = logging.getLogger("millpond.transaction")


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
        except BaseException as error:
            yield from self._abandon_after(error)
            raise
        try:
            for statement in self._sql.inside:
                yield connection.execute(statement)
        except CancelledError as error:
            yield from self._abandon_after(error)
            raise
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
            elif isinstance(error, CancelledError):
                yield from self._abandon_after(error)
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
        except BaseException as error:
            yield from self._abandon_after(error)
            raise

    def _abandon_after(self, error: BaseException) -> Steps[None]:
        """Beginning or ending it failed, or was cancelled: what is still open is undone."""
        if isinstance(error, Exception):
            yield from undo_quietly(self._connection, self._savepoint, error)
        else:
            yield from abandon(self._connection, self._savepoint)

    def _undo_after(self, error: BaseException | None) -> Steps[None]:
        """The error is what the caller must see, whatever else fails."""
        if error is None:
            yield from self._undo()
            return
        try:
            yield from self._undo()
        except Exception as failure:
            self._connection._mark_broken()
            _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)

    def _undo(self) -> Steps[None]:
        yield from undo(self._connection, self._savepoint)

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


class DatabaseTransaction:
    """What ``async with db.transaction():`` and ``with db.transaction():`` enter."""

    __slots__ = ("_database", "_settings", "_stack", "_timeout")

    def __init__(
        self, database: Any, settings: tuple[str | None, bool, bool], timeout: float | None
    ) -> None:
        self._database = database
        self._settings = settings
        self._timeout = timeout
        self._stack: Any = None

    def _on(self, connection: Any) -> Any:
        isolation, read_only, force_rollback = self._settings
        return connection.transaction(isolation, read_only, force_rollback=force_rollback)

    def _check(self) -> None:
        if self._stack is not None:
            raise MisuseError("this transaction() is open already: call it again for another")

    async def __aenter__(self) -> Any:
        self._check()
        async with contextlib.AsyncExitStack() as stack:
            loan = self._database.async_connection(self._timeout)
            connection = await stack.enter_async_context(loan)
            await stack.enter_async_context(self._on(connection))
            self._stack = stack.pop_all()
        return connection

    async def __aexit__(self, *error: Any) -> None:
        stack, self._stack = self._stack, None
        await stack.__aexit__(*error)

    def __enter__(self) -> Any:
        self._check()
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(self._database.sync_connection(self._timeout))
            stack.enter_context(self._on(connection))
            self._stack = stack.pop_all()
        return connection

    def __exit__(self, *error: Any) -> None:
        stack, self._stack = self._stack, None
        stack.__exit__(*error)


__all__ = ["AsyncTransaction", "DatabaseTransaction", "SyncTransaction"]
