"""Transactions of a database, each on a connection of its own."""

from __future__ import annotations

import contextlib
from typing import Any

from ._nodes import Consistency, check_consistency
from .exceptions import ArgumentError, MisuseError


def _reading(
    database: Any, settings: tuple[str | None, bool, bool], consistency: Consistency | None
) -> dict[str, Any]:
    """The options of the lease: none for one of the primary, where transactions are as ever."""
    isolation, read_only, _ = settings
    if consistency is not None and not read_only:
        raise ArgumentError("consistency is of reads: pass read_only=True, too, or leave it out")
    if not read_only:
        return {}
    wanted = check_consistency(database.consistency if consistency is None else consistency)
    serializable = isinstance(isolation, str) and isolation.upper() == "SERIALIZABLE"
    if wanted == "strong" or serializable:  # replicas of PostgreSQL refuse it
        return {}
    return {"read_only": True, "consistency": wanted}


class DatabaseTransaction:
    """What ``async with db.transaction():`` and ``with db.transaction():`` enter."""

    __slots__ = ("_database", "_reading", "_settings", "_stack", "_timeout")

    def __init__(
        self,
        database: Any,
        settings: tuple[str | None, bool, bool],
        timeout: float | None,
        consistency: Consistency | None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._timeout = timeout
        self._reading = _reading(database, settings, consistency)
        self._stack: Any = None

    def _on(self, connection: Any) -> Any:
        isolation, read_only, force_rollback = self._settings
        return connection.transaction(isolation, read_only, force_rollback=force_rollback)

    def _check(self) -> None:
        if self._stack is not None:
            raise MisuseError(
                "this transaction() is open already: call transaction() again for another one"
            )

    async def __aenter__(self) -> Any:
        self._check()
        async with contextlib.AsyncExitStack() as stack:
            loan = self._database.async_connection(self._timeout, **self._reading)
            connection = await stack.enter_async_context(loan)
            await stack.enter_async_context(self._on(connection))
            self._stack = stack.pop_all()
        return connection

    async def __aexit__(self, *error: Any) -> None:
        stack, self._stack = self._stack, None
        await stack.__aexit__(*error)

    def __enter__(self) -> Any:
        self._check()
        with contextlib.ExitStack() as stack:
            loan = self._database.sync_connection(self._timeout, **self._reading)
            connection = stack.enter_context(loan)
            stack.enter_context(self._on(connection))
            self._stack = stack.pop_all()
        return connection

    def __exit__(self, *error: Any) -> None:
        stack, self._stack = self._stack, None
        stack.__exit__(*error)


__all__ = ["DatabaseTransaction"]
