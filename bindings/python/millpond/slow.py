"""Warnings about calls that take long."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, overload

from ._decorate import decorate, is_function, name_of
from .exceptions import ArgumentError

P = ParamSpec("P")
R = TypeVar("R")

_slow_log = logging.getLogger("millpond.slow")


class _Stopwatch:
    __slots__ = ("_begin", "_name", "_threshold")

    def __init__(self, function: Any, threshold: float) -> None:
        self._name = name_of(function)
        self._threshold = threshold
        self._begin = time.monotonic()

    def stop(self) -> None:
        seconds = time.monotonic() - self._begin
        if seconds > self._threshold:
            _slow_log.warning(
                "%s took %.3f s, longer than %.3g s", self._name, seconds, self._threshold
            )


@overload
def track_slow_method(threshold: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def track_slow_method(threshold: float = 2.0) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def track_slow_method(threshold: Any = 2.0) -> Callable[..., Any]:
    """Decorate a function to log a warning (logger ``millpond.slow``) when a call takes longer.

    ``@track_slow_method`` and ``@track_slow_method()`` are the same.

    Args:
        threshold: seconds. Waiting counts too, as does a call that fails or is cancelled. The
            arguments of the call are not logged.

    Raises:
        ArgumentError: (a ValueError) the threshold is negative.
    """
    if is_function(threshold):
        return track_slow_method()(threshold)
    if isinstance(threshold, bool) or not threshold >= 0:
        raise ArgumentError(
            f"threshold must be a non-negative number of seconds, not {threshold!r}"
        )

    async def finish(watch: _Stopwatch, result: Awaitable[Any]) -> Any:
        try:
            return await result
        finally:
            watch.stop()

    def call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        watch = _Stopwatch(function, threshold)
        result = None
        try:
            result = function(*args, **kwargs)
        finally:
            if not inspect.isawaitable(result):
                watch.stop()
        return finish(watch, result) if inspect.isawaitable(result) else result

    async def call_async(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return await finish(_Stopwatch(function, threshold), function(*args, **kwargs))

    def decorator(function: Callable[P, R]) -> Callable[P, R]:
        wrapper: Any = decorate(function, call, call_async)
        return wrapper  # type: ignore[no-any-return]

    return decorator


@overload
def overridable(method: None = None, /) -> Callable[[R], R]: ...


@overload
def overridable(method: R, /) -> R: ...


def overridable(method: Any = None, /) -> Callable[..., Any]:  # type: ignore[misc]
    """Mark a method as one that subclasses may override to change what the library does.

    It only sets ``__overridable__``, for documentation and for tools. ``@overridable`` and
    ``@overridable()`` are the same.
    """
    if method is None:
        return overridable
    target: Any = getattr(method, "__func__", method)
    target.__overridable__ = True
    marked: Callable[..., Any] = method
    return marked


__all__ = ["overridable", "track_slow_method"]
