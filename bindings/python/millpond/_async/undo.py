"""What undoes a transaction that was left halfway: by an error of any kind, or by a cancel."""

from __future__ import annotations

import logging
from typing import Any

from .. import _native
from .._steps import to_its_end
from .._undo import GRACE

_log = logging.getLogger("millpond.transaction")


async def undo(connection: Any, savepoint: str | None) -> None:
    """Roll back to the savepoint, or the whole if it is None. To its end, whatever cancels come:
    the core's operations end by themselves, a backend's coroutines would end with the cancel."""
    if not isinstance(connection, _native.Connection):  # async only
        await to_its_end(_undo(connection, savepoint), GRACE)
        return
    await _undo(connection, savepoint)


async def abandon(connection: Any, savepoint: str | None) -> None:
    """The same after the wait for a call was cancelled, and so would be the next: nobody knows how
    far it got. It is done before whatever comes next, and nobody waits for it; a connection where
    that takes longer than the grace is closed."""
    if isinstance(connection, _native.Connection):  # async only
        _leave_to_the_core(connection, savepoint)
        return
    if connection._undo_soon(_undo(connection, savepoint)):  # async only
        return
    await undo(connection, savepoint)


async def undo_quietly(connection: Any, savepoint: str | None, error: BaseException) -> None:
    """The same after an error, which is what the caller must see whatever else fails. Where that
    fails nobody knows the connection's state, and nobody gets it again."""
    try:
        if isinstance(error, Exception):
            await undo(connection, savepoint)
        else:
            await abandon(connection, savepoint)
    except Exception as failure:
        connection._mark_broken()
        _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)


def give_up(connection: Any, savepoint: str | None) -> None:  # async only
    """A coroutine was closed in the middle of a transaction, and may wait for nothing any more."""
    connection._mark_broken()
    if isinstance(connection, _native.Connection):
        _leave_to_the_core(connection, savepoint)


def _leave_to_the_core(connection: Any, savepoint: str | None) -> None:  # async only
    try:
        if savepoint:
            connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}").cancel()
        else:
            connection.rollback_transaction().cancel()
    except Exception:  # the event loop has ended: nobody gets the connection in this state
        connection._mark_broken()


async def _undo(connection: Any, savepoint: str | None) -> None:
    if not await connection.in_transaction():
        return  # the database has rolled it back by itself
    if savepoint:
        await connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")
        await connection.execute(f"RELEASE SAVEPOINT {savepoint}")
    else:
        await connection.rollback_transaction()
