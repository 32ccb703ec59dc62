"""Entity reads of a database, which a replica may answer."""

from __future__ import annotations

from typing import Any

from .._nodes import Consistency
from ..exceptions import UndefinedObjectError


async def _ask_async(loan: Any, method: str, args: Any, how: dict[str, Any]) -> Any:
    async with loan as connection:
        return await getattr(connection, method)(*args, **how)


async def read_async(
    manager: Any, consistency: Consistency, method: str, args: Any, how: dict[str, Any]
) -> Any:
    """What a method of a connection for reads answers.

    A replica that lags may lack a table or a column that the primary has by now: the primary is
    asked then.
    """
    if consistency == "strong":
        return await _ask_async(manager.async_connection(), method, args, how)
    loan = manager.async_connection(read_only=True, consistency=consistency)
    try:
        return await _ask_async(loan, method, args, how)
    except UndefinedObjectError:
        if len(manager._pool().nodes()) == 1:
            raise
    return await _ask_async(manager.async_connection(), method, args, how)


__all__ = ["read_async"]
