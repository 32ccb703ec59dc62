"""What undoes a transaction that was left halfway: by an error of any kind, or by a cancel."""

from __future__ import annotations

import logging
from typing import Any

from . import _native
from ._steps import Steps, run_async, to_its_end

#: Seconds that a statement gets to end after it was told to.
GRACE = 0.7

_log = logging.getLogger("millpond.transaction")


def is_native(connection: Any) -> bool:
    """True for a connection of the library's own drivers."""
    return isinstance(connection, (_native.Connection, _native.SyncConnection))


def has_coroutines(connection: Any) -> bool:
    """Those of a backend end with the next cancel; the core's operations end by themselves."""
    return hasattr(connection, "_execute_statement_async") and not is_native(connection)


def undo(connection: Any, savepoint: str | None) -> Steps[None]:
    """Roll back to the savepoint, or the whole if it is None. To its end, whatever cancels come."""
    if has_coroutines(connection):
        yield to_its_end(run_async(_undo(connection, savepoint)), GRACE)
    else:
        yield from _undo(connection, savepoint)


def abandon(connection: Any, savepoint: str | None) -> Steps[None]:
    """The same after the wait for a call was cancelled, and so would be the next: nobody knows how
    far it got. It is done before whatever comes next, and nobody waits for it; a connection where
    that takes longer than the grace is closed."""
    if has_coroutines(connection):
        if not connection._undo_soon(run_async(_undo(connection, savepoint))):
            yield from undo(connection, savepoint)
    elif not isinstance(connection, _native.Connection):
        yield from undo(connection, savepoint)
    else:
        _leave_to_the_core(connection, savepoint)


def undo_quietly(connection: Any, savepoint: str | None, error: BaseException) -> Steps[None]:
    """The same after an error, which is what the caller must see whatever else fails. Where that
    fails nobody knows the connection's state, and nobody gets it again."""
    try:
        if isinstance(error, Exception):
            yield from undo(connection, savepoint)
        else:
            yield from abandon(connection, savepoint)
    except Exception as failure:
        connection._mark_broken()
        _log.warning("rolling back after %s failed: %s", type(error).__name__, failure)


def give_up(connection: Any, savepoint: str | None) -> None:
    """A coroutine was closed in the middle of a transaction, and may wait for nothing any more."""
    connection._mark_broken()
    if isinstance(connection, _native.Connection):
        _leave_to_the_core(connection, savepoint)


def _leave_to_the_core(connection: Any, savepoint: str | None) -> None:
    try:
        if savepoint:
            connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}").cancel()
        else:
            connection.rollback_transaction().cancel()
    except Exception:  # the event loop has ended: nobody gets the connection in this state
        connection._mark_broken()


def _undo(connection: Any, savepoint: str | None) -> Steps[None]:
    if not (yield connection.in_transaction()):
        return  # the database has rolled it back by itself
    if savepoint:
        yield connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")
        yield connection.execute(f"RELEASE SAVEPOINT {savepoint}")
    else:
        yield connection.rollback_transaction()
