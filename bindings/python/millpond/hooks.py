"""What an application wants done when a connection is opened, acquired or released."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .liveness import Rests

Hook = TypeVar("Hook", bound=Callable[[Any], Any])


class Hooks:
    """The hooks of one pool. Those that are coroutine functions are for asynchronous connections,
    plain functions for synchronous ones."""

    __slots__ = ("acquire", "any", "connect", "release", "rests")

    def __init__(self) -> None:
        self.any = False
        self.rests = Rests()
        self.connect: list[Callable[[Any], Any]] = []
        self.acquire: list[Callable[[Any], Any]] = []
        self.release: list[Callable[[Any], Any]] = []

    def add(self, hooks: list[Callable[[Any], Any]], hook: Hook) -> Hook:
        if not callable(hook):
            raise TypeError(f"a hook must be callable, not {type(hook).__name__}")
        hooks.append(hook)
        self.any = True
        return hook

    async def welcome(self, connection: Any) -> None:
        """Run the hooks of an asynchronous connection that was acquired.

        If one fails the connection is closed: nobody knows how far its session was set up.
        """
        try:
            if self._sets_up(connection, True):
                await _run_async(self.connect, connection)
                connection._set_up()
            await _run_async(self.acquire, connection)
        except BaseException:
            await connection.close()
            await connection._release()
            raise

    async def farewell(self, connection: Any) -> None:
        """Run the hooks before an asynchronous connection goes back."""
        await _run_async(self.release, connection)

    def welcome_sync(self, connection: Any) -> None:
        """The same for a synchronous connection."""
        try:
            if self._sets_up(connection, False):
                _run_sync(self.connect, connection)
                connection._set_up()
            _run_sync(self.acquire, connection)
        except BaseException:
            connection.close()
            connection._release()
            raise

    def farewell_sync(self, connection: Any) -> None:
        """Run the hooks before a synchronous connection goes back."""
        _run_sync(self.release, connection)

    def _sets_up(self, connection: Any, asynchronous: bool) -> bool:
        """A session that is new, and that hooks of this kind are there to set up."""
        wanted = any(inspect.iscoroutinefunction(hook) == asynchronous for hook in self.connect)
        return wanted and connection._fresh


async def _run_async(hooks: list[Callable[[Any], Any]], connection: Any) -> None:
    for hook in hooks:
        if inspect.iscoroutinefunction(hook):
            await hook(connection)


def _run_sync(hooks: list[Callable[[Any], Any]], connection: Any) -> None:
    for hook in hooks:
        if not inspect.iscoroutinefunction(hook):
            hook(connection)
