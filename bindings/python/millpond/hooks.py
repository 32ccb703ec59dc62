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


def hooks_async(hooks: list[Callable[[Any], Any]]) -> list[Callable[[Any], Any]]:
    """Those for asynchronous connections."""
    return [hook for hook in hooks if inspect.iscoroutinefunction(hook)]


def hooks_sync(hooks: list[Callable[[Any], Any]]) -> list[Callable[[Any], Any]]:
    """Those for synchronous connections."""
    return [hook for hook in hooks if not inspect.iscoroutinefunction(hook)]
