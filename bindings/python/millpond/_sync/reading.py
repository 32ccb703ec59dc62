# Made of ../_async/reading.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""Entity reads of a database, which a replica may answer."""

from __future__ import annotations

from typing import Any

from .._nodes import Consistency
from ..exceptions import UndefinedObjectError


def _ask_sync(loan: Any, method: str, args: Any, how: dict[str, Any]) -> Any:
    with loan as connection:
        return getattr(connection, method)(*args, **how)


def read_sync(
    manager: Any, consistency: Consistency, method: str, args: Any, how: dict[str, Any]
) -> Any:
    """What a method of a connection for reads answers.

    A replica that lags may lack a table or a column that the primary has by now: the primary is
    asked then.
    """
    if consistency == "strong":
        return _ask_sync(manager.sync_connection(), method, args, how)
    loan = manager.sync_connection(read_only=True, consistency=consistency)
    try:
        return _ask_sync(loan, method, args, how)
    except UndefinedObjectError:
        if len(manager._pool().nodes()) == 1:
            raise
    return _ask_sync(manager.sync_connection(), method, args, how)


__all__ = ["read_sync"]
