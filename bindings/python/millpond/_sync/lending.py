# Made of ../_async/lending.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""Acquire a connection, test it, run the hooks of the application, release it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from ..hooks import Hooks, hooks_sync
from ..liveness import Patience, is_due
from ..rows import RowFactory
from .connection import SyncConnection

_log = logging.getLogger("millpond.pool")


def _close(connection: SyncConnection) -> None:
    """Close a connection and give it back, so that the pool drops it."""
    connection.close()
    connection._release()


# ---- Hooks -------------------------------------------------------------------------------


def _run(hooks: list[Callable[[Any], Any]], connection: SyncConnection) -> None:
    for hook in hooks:
        hook(connection)


def run_acquire_hooks(hooks: Hooks, connection: SyncConnection) -> None:
    """Run the hooks of a connection that was acquired. If one fails, close the connection: its
    session is set up in part."""
    try:
        connect = hooks_sync(hooks.connect)
        if connect and connection._fresh:
            _run(connect, connection)
            connection._set_up()
        _run(hooks_sync(hooks.acquire), connection)
    except BaseException:
        _close(connection)
        raise


def run_release_hooks(hooks: Hooks, connection: SyncConnection) -> None:
    """Run the hooks of a connection that is about to go back."""
    _run(hooks_sync(hooks.release), connection)


# ---- Tests -------------------------------------------------------------------------------


def _works(manager: Any, connection: SyncConnection) -> bool:
    """True if the connection passes the application's test."""
    try:
        manager._test_sync_connection(connection)
    except Exception as error:
        _log.warning("a connection failed its test, and is closed: %s", error)
        return False
    return True


def passes(manager: Any, connection: SyncConnection) -> bool:
    """True if the connection works, or need not be tested yet."""
    return not is_due(manager, connection) or _works(manager, connection)


def _acquire_tested(manager: Any, timeout: float | None, reading: dict[str, Any]) -> SyncConnection:
    """A connection that is new, was used lately, or passes the test."""
    patience = Patience(manager, timeout)
    while True:
        connection: SyncConnection = manager._pool().acquire_sync(patience.left(), **reading)
        try:
            if passes(manager, connection):
                return connection
        except BaseException:
            _close(connection)
            raise
        _close(connection)


# ---- Lend --------------------------------------------------------------------------------


class SyncLending:
    """Part of :class:`ConnectionManager`."""

    _tests_sync: ClassVar[bool] = False  # the application has a test of its own
    _hooks: Hooks
    row_factory: RowFactory | None

    def _acquire_sync(self, timeout: float | None, **reading: Any) -> SyncConnection:
        connection: SyncConnection
        pool: Any = self._pool()  # type: ignore[attr-defined]
        if self._tests_sync:
            connection = _acquire_tested(self, timeout, reading)
        else:
            connection = pool.acquire_sync(timeout, **reading)
        if self._hooks.any:
            run_acquire_hooks(self._hooks, connection)
        if self.row_factory is not None:
            connection._row_factory = self.row_factory
        return connection

    def _release_sync(self, connection: SyncConnection) -> None:
        try:
            if self._hooks.any and connection.id:
                run_release_hooks(self._hooks, connection)
        finally:
            if self._tests_sync:
                self._hooks.rests.begin(connection.id)
            connection._release()

    @contextlib.contextmanager
    def _lend_sync(self, timeout: float | None, **reading: Any) -> Iterator[SyncConnection]:
        connection = self._acquire_sync(timeout, **reading)
        try:
            yield connection
        except BaseException as error:
            try:
                self._release_sync(connection)
            except Exception as failure:  # the caller must see the error of its block
                _log.warning("a release after %s failed: %s", type(error).__name__, failure)
            raise
        self._release_sync(connection)
