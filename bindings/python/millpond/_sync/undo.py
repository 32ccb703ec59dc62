# Made of ../_async/undo.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""What undoes a transaction that was left halfway: by an error of any kind, or by a cancel."""

from __future__ import annotations

import logging
from typing import Any

_log = logging.getLogger("millpond.transaction")


def undo(connection: Any, savepoint: str | None) -> None:
    """Roll back to the savepoint, or the whole if it is None. To its end, whatever cancels come:
    the core's operations end by themselves, a backend's coroutines would end with the cancel."""
    _undo(connection, savepoint)


def abandon(connection: Any, savepoint: str | None) -> None:
    """The same after the wait for a call was cancelled, and so would be the next: nobody knows how
    far it got. It is done before whatever comes next, and nobody waits for it; a connection where
    that takes longer than the grace is closed."""
    undo(connection, savepoint)


def undo_quietly(connection: Any, savepoint: str | None, error: BaseException) -> None:
    """The same after an error, which is what the caller must see whatever else fails. Where that
    fails nobody knows the connection's state, and nobody gets it again."""
    try:
        if isinstance(error, Exception):
            undo(connection, savepoint)
        else:
            abandon(connection, savepoint)
    except Exception as failure:
        connection._mark_broken()
        _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)


def _undo(connection: Any, savepoint: str | None) -> None:
    if not connection.in_transaction():
        return  # the database has rolled it back by itself
    if savepoint:
        connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")
        connection.execute(f"RELEASE SAVEPOINT {savepoint}")
    else:
        connection.rollback_transaction()
