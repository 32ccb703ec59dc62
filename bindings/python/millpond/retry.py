"""Trying again, with the library's own backoff."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ParamSpec, TypeVar, overload

from . import _native
from ._decorate import decorate, is_function, name_of
from .exceptions import ArgumentError, Error, UnknownOutcomeError

P = ParamSpec("P")
R = TypeVar("R")

_retry_log = logging.getLogger("millpond.retry")


class _Retry:
    """The policy of one decorated function."""

    def __init__(
        self, policy: tuple[int, float, float, float], exceptions: tuple[type, ...] | None
    ) -> None:
        self._policy = policy
        self._exceptions = exceptions

    def _wanted(self, error: Exception) -> bool:
        """An unknown outcome is never tried again, unless somebody names just that."""
        if self._exceptions is not None:
            unknown = isinstance(error, UnknownOutcomeError)
            return isinstance(error, self._exceptions) and (
                not unknown or UnknownOutcomeError in self._exceptions
            )
        if isinstance(error, Error):
            return error.retryable
        return isinstance(error, (ConnectionError, TimeoutError))

    def _delay(self, function: Any, error: Exception, failures: int, begin: float) -> float:
        """Seconds to wait; raises the error if that was the last attempt."""
        delay = None
        if self._wanted(error):
            delay = _native.retry_delay(failures, time.monotonic() - begin, *self._policy)
        if delay is None:
            raise error
        _retry_log.info(
            "%s failed (%s): attempt %d in %.3g s",
            name_of(function),
            type(error).__name__,
            failures + 1,
            delay,
        )
        return delay

    def run(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        begin = time.monotonic()
        failures = 0
        while True:
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                failures += 1
                time.sleep(self._delay(function, error, failures, begin))
            else:
                if inspect.isawaitable(result):
                    return self._go_on(function, args, kwargs, result, failures, begin)
                return result

    async def run_async(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return await self._go_on(function, args, kwargs, None, 0, time.monotonic())

    async def _go_on(
        self,
        function: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        first: Awaitable[Any] | None,
        failures: int,
        begin: float,
    ) -> Any:
        last: Exception | None = None

        async def attempts() -> Any:
            nonlocal first, failures, last
            while True:
                try:
                    awaitable = function(*args, **kwargs) if first is None else first
                    first = None
                    return await awaitable
                except Exception as error:
                    last = error
                    failures += 1
                    delay = self._delay(function, error, failures, begin)
                await asyncio.sleep(delay)

        total = self._policy[3]
        if total < 0:
            return await attempts()
        limit = asyncio.timeout(begin + total - time.monotonic())
        try:
            async with limit:
                return await attempts()
        except TimeoutError as error:
            if not limit.expired() or error is last:
                raise
            raise TimeoutError(
                f"{name_of(function)} was stopped: its total_timeout of {total:.3g} s is over, "
                f"and {failures} attempts failed"
            ) from last


def _classes(
    exceptions: type[BaseException] | Iterable[type[BaseException]] | None,
) -> tuple[type[BaseException], ...] | None:
    if exceptions is None:
        return None
    given: tuple[Any, ...]
    given = (exceptions,) if isinstance(exceptions, type) else tuple(exceptions)
    for each in given:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            raise ArgumentError(f"exceptions must be exception classes, not {each!r}")
    return given


@overload
def retry_with_backoff(max_retries: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def retry_with_backoff(
    max_retries: int = 3,
    base_delay: float = 0.1,
    max_delay: float = 10.0,
    exceptions: type[BaseException] | Iterable[type[BaseException]] | None = None,
    total_timeout: float | None = 30.0,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def retry_with_backoff(
    max_retries: Any = 3,
    base_delay: float = 0.1,
    max_delay: float = 10.0,
    exceptions: type[BaseException] | Iterable[type[BaseException]] | None = None,
    total_timeout: float | None = 30.0,
) -> Callable[..., Any]:
    """Decorate a function to be tried again when it fails, with exponential backoff.

    ``@retry_with_backoff`` and ``@retry_with_backoff()`` are the same.

    Before retry ``n`` (from 1) it waits a random time of up to ``base_delay * 2 ** (n - 1)``
    seconds, but no more than ``max_delay`` (full jitter). The last exception is raised when no
    retry is left, or when the wait would end after ``total_timeout``. A cancelled task is not
    tried again.

    Args:
        max_retries: attempts after the first; int from 0 on.
        base_delay, max_delay: seconds.
        exceptions: class, or tuple or list of classes, to try again after. None: what can succeed
            when tried again and repeats no effect, which is errors of millpond that are
            ``retryable``, and other ConnectionErrors and TimeoutErrors. UnknownOutcomeError, after
            which a write may stand, is not tried again unless ``exceptions`` names that class
            itself.
        total_timeout: seconds for all attempts and waits. An asynchronous function is stopped when
            they are over, with TimeoutError, whose ``__cause__`` is the last attempt's error. A
            synchronous one cannot be: no other attempt begins. None: no limit.

    Raises:
        ArgumentError: (a ValueError) an argument is out of range.
    """
    if is_function(max_retries):
        return retry_with_backoff()(max_retries)
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise ArgumentError(f"max_retries must be a non-negative int, not {max_retries!r}")
    if total_timeout is not None and total_timeout < 0:
        raise ArgumentError(f"total_timeout must not be negative: it is {total_timeout!r}")
    total = -1.0 if total_timeout is None else float(total_timeout)
    policy = (min(max_retries, 2**32 - 1), float(base_delay), float(max_delay), total)
    _native.retry_delay(1, 0.0, *policy)  # names what is out of range
    retry = _Retry(policy, _classes(exceptions))

    def decorator(function: Callable[P, R]) -> Callable[P, R]:
        wrapper: Any = decorate(function, retry.run, retry.run_async)
        return wrapper  # type: ignore[no-any-return]

    return decorator


__all__ = ["retry_with_backoff"]
