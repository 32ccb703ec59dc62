"""Roll back a transaction that an error or a cancel interrupted."""

from __future__ import annotations

import logging
from typing import Any

from .. import _native
from .._steps import to_its_end
from .._undo import GRACE

_log = logging.getLogger("millpond.transaction")


async def undo(connection: Any, savepoint: str | None) -> None:
    """Roll back to the savepoint, or all if it is None. Cancels do not stop it: the core finishes
    its operations by itself, and a backend's coroutines run to their end here."""
    if not isinstance(connection, _native.Connection):  # async only
        await to_its_end(_undo(connection, savepoint), GRACE)
        return
    await _undo(connection, savepoint)


async def abandon(connection: Any, savepoint: str | None) -> None:
    """Roll back after a call was cancelled, so that its effect is unknown. Do not wait: the next
    wait would be cancelled, too. The rollback runs before the connection's next statement. If it
    takes longer than the grace, the connection is closed."""
    if isinstance(connection, _native.Connection):  # async only
        _leave_to_the_core(connection, savepoint)
        return
    if connection._undo_soon(_undo(connection, savepoint)):  # async only
        return
    await undo(connection, savepoint)


async def undo_quietly(connection: Any, savepoint: str | None, error: BaseException) -> None:
    """Roll back after an error, which the caller must see even if rolling back fails. In that case
    the connection's state is unknown, and its pool closes it."""
    try:
        if isinstance(error, Exception):
            await undo(connection, savepoint)
        else:
            await abandon(connection, savepoint)
    except Exception as failure:
        connection._mark_broken()
        _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)


def give_up(connection: Any, savepoint: str | None) -> None:  # async only
    """Roll back for a coroutine that was closed in a transaction: it cannot wait any more."""
    connection._mark_broken()
    if isinstance(connection, _native.Connection):
        _leave_to_the_core(connection, savepoint)


def _leave_to_the_core(connection: Any, savepoint: str | None) -> None:  # async only
    try:
        if savepoint:
            connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}").cancel()
        else:
            connection.rollback_transaction().cancel()
    except Exception:  # the event loop has ended: the pool closes the connection
        connection._mark_broken()


async def _undo(connection: Any, savepoint: str | None) -> None:
    if not await connection.in_transaction():
        return  # the database has rolled it back by itself
    if savepoint:
        await connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")
        await connection.execute(f"RELEASE SAVEPOINT {savepoint}")
    else:
        await connection.rollback_transaction()
