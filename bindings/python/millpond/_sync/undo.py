# Made of ../_async/undo.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""Roll back a transaction that an error or a cancel interrupted."""

from __future__ import annotations

import logging
from typing import Any

_log = logging.getLogger("millpond.transaction")


def undo(connection: Any, savepoint: str | None) -> None:
    """Roll back to the savepoint, or all if it is None. Cancels do not stop it: the core finishes
    its operations by itself, and a backend's coroutines run to their end here."""
    _undo(connection, savepoint)


def abandon(connection: Any, savepoint: str | None) -> None:
    """Roll back after a call was cancelled, so that its effect is unknown. Do not wait: the next
    wait would be cancelled, too. The rollback runs before the connection's next statement. If it
    takes longer than the grace, the connection is closed."""
    undo(connection, savepoint)


def undo_quietly(connection: Any, savepoint: str | None, error: BaseException) -> None:
    """Roll back after an error, which the caller must see even if rolling back fails. In that case
    the connection's state is unknown, and its pool closes it."""
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
