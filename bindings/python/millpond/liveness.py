"""Tests of connections that an application has written: when to run them, and what follows."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from .exceptions import AcquireTimeoutError

if TYPE_CHECKING:
    from .database import ConnectionManager

_log = logging.getLogger("millpond.pool")

VALIDATE_AFTER = 30.0  # seconds, unless pool_validate_after says otherwise
MOST = 10_000  # connections whose rest is known


class Rests:
    """Since when the connections of a pool have been idle, by their ids."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def begin(self, number: int) -> None:
        """A connection is released, which was used until now. 0 is of none."""
        if not number:
            return
        if len(self._since) >= MOST:
            del self._since[next(iter(self._since))]
        self._since[number] = time.monotonic()

    def end(self, number: int, seconds: float) -> bool:
        """A connection is lent again: True if it has rested so long that it must be tested."""
        since = self._since.pop(number, None)
        return since is not None and time.monotonic() - since >= seconds


class _Patience:
    """What is left of the time for an acquire."""

    def __init__(self, manager: ConnectionManager, timeout: float | None) -> None:
        self._seconds = manager._acquisition_timeout(timeout)
        self._end = None if self._seconds is None else time.monotonic() + self._seconds

    def left(self) -> float | None:
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise AcquireTimeoutError(
                f"no connection passed its test within {self._seconds} s: see millpond's log"
            )
        return left


def _is_due(manager: ConnectionManager, connection: Any) -> bool:
    seconds = float(manager.option("pool_validate_after", VALIDATE_AFTER))
    return manager._hooks.rests.end(connection.id, seconds)


def _failed(error: BaseException) -> None:
    _log.warning("a connection failed its test, and is closed: %s", error)


async def _passes(manager: ConnectionManager, connection: Any) -> bool:
    """True if it works; else it is closed, and given back."""
    try:
        await manager._test_connection(connection)
    except BaseException as error:
        _failed(error)
        await connection.close()
        await connection._release()
        if not isinstance(error, Exception):
            raise
        return False
    return True


async def acquire_tested(manager: ConnectionManager, timeout: float | None) -> Any:
    """A connection that is new, was used lately, or passes the application's own test."""
    patience = _Patience(manager, timeout)
    while True:
        connection = await manager._pool().acquire(patience.left())
        if not _is_due(manager, connection) or await _passes(manager, connection):
            return connection


def passes_sync(manager: ConnectionManager, connection: Any) -> bool:
    """True if a thread's own connection works, or need not be tested yet."""
    if not _is_due(manager, connection):
        return True
    try:
        manager._test_sync_connection(connection)
    except Exception as error:
        _failed(error)
        return False
    return True


def acquire_tested_sync(manager: ConnectionManager, timeout: float | None) -> Any:
    """As acquire_tested(), for synchronous connections."""
    patience = _Patience(manager, timeout)
    while True:
        connection = manager._pool().acquire_sync(patience.left())
        try:
            if passes_sync(manager, connection):
                return connection
        except BaseException:
            connection._release()
            raise
        connection.close()
        connection._release()


async def check_health(manager: ConnectionManager, timeout: float | None) -> bool:
    """True if a connection of the pool passes the test. Nobody's is taken for it."""
    try:
        async with asyncio.timeout(manager._acquisition_timeout(timeout)):
            return await _check(manager)
    except Exception as error:
        _log.warning("a health check failed: %s", error)
        return False


async def _check(manager: ConnectionManager) -> bool:
    """A dead connection makes no dead server: each idle one has a try, and a new one the last."""
    status = manager._pool().status()
    if not status["idle"] and status["size"] >= status["max_size"]:
        return True
    for _ in range(status["idle"] + 1):
        connection = await manager._pool().acquire()
        if await _passes(manager, connection):
            await connection._release()
            return True
    return False


__all__ = ["Rests", "acquire_tested", "acquire_tested_sync", "check_health", "passes_sync"]
