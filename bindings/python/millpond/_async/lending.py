"""Acquire a connection, test it, run the hooks of the application, release it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

from ..hooks import Hooks, hooks_async
from ..liveness import Patience, is_due
from ..rows import RowFactory
from .connection import AsyncConnection

_log = logging.getLogger("millpond.pool")


async def _close(connection: AsyncConnection) -> None:
    """Close a connection and give it back, so that the pool drops it."""
    await connection.close()
    await connection._release()


# ---- Hooks -------------------------------------------------------------------------------


async def _run(hooks: list[Callable[[Any], Any]], connection: AsyncConnection) -> None:
    for hook in hooks:
        await hook(connection)


async def run_acquire_hooks(hooks: Hooks, connection: AsyncConnection) -> None:
    """Run the hooks of a connection that was acquired. If one fails, close the connection: its
    session is set up in part."""
    try:
        connect = hooks_async(hooks.connect)
        if connect and connection._fresh:
            await _run(connect, connection)
            connection._set_up()
        await _run(hooks_async(hooks.acquire), connection)
    except BaseException:
        await _close(connection)
        raise


async def run_release_hooks(hooks: Hooks, connection: AsyncConnection) -> None:
    """Run the hooks of a connection that is about to go back."""
    await _run(hooks_async(hooks.release), connection)


# ---- Tests -------------------------------------------------------------------------------


async def _works(manager: Any, connection: AsyncConnection) -> bool:
    """True if the connection passes the application's test."""
    try:
        await manager._test_connection(connection)
    except Exception as error:
        _log.warning("a connection failed its test, and is closed: %s", error)
        return False
    return True


async def passes(manager: Any, connection: AsyncConnection) -> bool:
    """True if the connection works, or need not be tested yet."""
    return not is_due(manager, connection) or await _works(manager, connection)


async def _acquire_tested(
    manager: Any, timeout: float | None, reading: dict[str, Any]
) -> AsyncConnection:
    """A connection that is new, was used lately, or passes the test."""
    patience = Patience(manager, timeout)
    while True:
        connection: AsyncConnection = await manager._pool().acquire(patience.left(), **reading)
        try:
            if await passes(manager, connection):
                return connection
        except BaseException:
            await _close(connection)
            raise
        await _close(connection)


async def check_health(manager: Any, timeout: float | None) -> bool:  # async only
    """True if a connection of the pool passes the test. The check uses no connection that is in
    use."""
    try:
        async with asyncio.timeout(manager._acquisition_timeout(timeout)):
            return await _check(manager)
    except Exception as error:
        _log.warning("a health check failed: %s", error)
        return False


async def _check(manager: Any) -> bool:  # async only
    """One dead connection does not mean a dead server: try each idle one, then a new one."""
    status = manager._pool().status()
    if not status["idle"] and status["size"] >= status["max_size"]:
        return True
    for _ in range(status["idle"] + 1):
        connection = await manager._pool().acquire()
        try:
            works = await _works(manager, connection)
        except BaseException:
            await _close(connection)
            raise
        if works:
            await connection._release()
            return True
        await _close(connection)
    return False


# ---- Lend --------------------------------------------------------------------------------


class AsyncLending:
    """Part of :class:`ConnectionManager`."""

    _tests_async: ClassVar[bool] = False  # the application has a test of its own
    _hooks: Hooks
    row_factory: RowFactory | None

    async def _acquire_async(self, timeout: float | None, **reading: Any) -> AsyncConnection:
        connection: AsyncConnection
        pool: Any = self._pool()  # type: ignore[attr-defined]
        if self._tests_async:
            connection = await _acquire_tested(self, timeout, reading)
        else:
            connection = await pool.acquire(timeout, **reading)
        if self._hooks.any:
            await run_acquire_hooks(self._hooks, connection)
        if self.row_factory is not None:
            connection._row_factory = self.row_factory
        return connection

    async def _release_async(self, connection: AsyncConnection) -> None:
        try:
            if self._hooks.any and connection.id:
                await run_release_hooks(self._hooks, connection)
        finally:
            if self._tests_async:
                self._hooks.rests.begin(connection.id)
            await connection._release()

    @contextlib.asynccontextmanager
    async def _lend_async(
        self, timeout: float | None, **reading: Any
    ) -> AsyncIterator[AsyncConnection]:
        connection = await self._acquire_async(timeout, **reading)
        try:
            yield connection
        except BaseException as error:
            try:
                await self._release_async(connection)
            except Exception as failure:  # the caller must see the error of its block
                _log.warning("a release after %s failed: %s", type(error).__name__, failure)
            raise
        await self._release_async(connection)
