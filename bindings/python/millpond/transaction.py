"""Transactions of a database, each on a connection of its own."""

from __future__ import annotations

import contextlib
from typing import Any

from .exceptions import MisuseError


class DatabaseTransaction:
    """What ``async with db.transaction():`` and ``with db.transaction():`` enter."""

    __slots__ = ("_database", "_settings", "_stack", "_timeout")

    def __init__(
        self, database: Any, settings: tuple[str | None, bool, bool], timeout: float | None
    ) -> None:
        self._database = database
        self._settings = settings
        self._timeout = timeout
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
            loan = self._database.async_connection(self._timeout)
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
            connection = stack.enter_context(self._database.sync_connection(self._timeout))
            stack.enter_context(self._on(connection))
            self._stack = stack.pop_all()
        return connection

    def __exit__(self, *error: Any) -> None:
        stack, self._stack = self._stack, None
        stack.__exit__(*error)


__all__ = ["DatabaseTransaction"]
