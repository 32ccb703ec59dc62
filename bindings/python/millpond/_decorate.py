"""What the decorators share: any kind of function goes through one call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from .exceptions import ArgumentError


def name_of(function: Any) -> str:
    function = getattr(function, "func", function)  # of a partial
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None) or 'unknown'}.{name}"


def is_function(thing: Any) -> bool:
    """True for what a decorator without parentheses is given in place of its first argument."""
    return callable(thing) or isinstance(thing, (staticmethod, classmethod))


def decorate(
    function: Any,
    call: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any],
    call_async: Callable[[Any, tuple[Any, ...], dict[str, Any]], Awaitable[Any]],
) -> Any:
    """A wrapper that goes through `call`, or for a coroutine function through `call_async`."""
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(decorate(function.__func__, call, call_async))
    if not callable(function):
        raise ArgumentError(f"this decorates functions, not a {type(function).__name__}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ArgumentError(
            f"{name_of(function)} is a generator: decorate the function that consumes it"
        )
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await call_async(function, args, kwargs)

        return wrapper

    @functools.wraps(function)
    def wrapper_sync(*args: Any, **kwargs: Any) -> Any:
        return call(function, args, kwargs)

    return wrapper_sync
