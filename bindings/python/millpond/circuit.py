"""Circuit breakers, for any function, on the library's own."""

from __future__ import annotations

import enum
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, ClassVar, ParamSpec, Self, TypeVar, overload

from . import _native
from ._decorate import decorate, is_function, name_of
from .exceptions import ArgumentError, Error

P = ParamSpec("P")
R = TypeVar("R")

_SUCCESS, _FAILURE, _CANCELLED = 1, 2, 3


class CircuitState(enum.Enum):
    """What a circuit breaker does with calls."""

    CLOSED = "closed"  #: lets all through
    OPEN = "open"  #: refuses all
    HALF_OPEN = "half_open"  #: lets a few through, to see


_STATES = (CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN)


def _outcome_of(error: BaseException) -> int:
    """What a breaker is told of an exception: errors that show that the database is there, such as
    a violated constraint, are not failures; cancellations do not count."""
    if isinstance(error, Error) and error.code:
        return _native.breaker_outcome(error.code)
    return _FAILURE if isinstance(error, Exception) else _CANCELLED


class Guard:
    """One call through a breaker, for `with`; begin() may come before. If it is dropped in between,
    as by a coroutine that nobody awaits, the call counts as cancelled."""

    __slots__ = ("_breaker", "_ticket")

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._ticket = 0

    def begin(self) -> None:
        if not self._ticket:
            self._ticket = self._breaker._check()

    def drop(self) -> None:
        if self._ticket:
            self._record(_CANCELLED)

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self._record(_SUCCESS if error is None else _outcome_of(error))

    def __del__(self) -> None:
        self.drop()

    def _record(self, outcome: int) -> None:
        ticket, self._ticket = self._ticket, 0
        self._breaker._record(ticket, outcome)


async def _await_within(guard: Guard, result: Awaitable[Any]) -> Any:
    with guard:
        return await result


class _Rest(Coroutine[Any, Any, Any]):
    """The rest of a call whose function returned an awaitable. Cancelled before it begins, a
    coroutine runs no code of its own: this one ends the call even then."""

    __slots__ = ("__weakref__", "_guard", "_result", "_steps")

    def __init__(self, guard: Guard, result: Awaitable[Any]) -> None:
        self._guard = guard
        self._result = result
        self._steps = _await_within(guard, result)

    def send(self, value: Any) -> Any:
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        self._give_up()
        return self._steps.throw(*error)

    def close(self) -> None:
        self._give_up()
        self._steps.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._steps.__await__()

    def __getattr__(self, name: str) -> Any:
        """What inspect.getcoroutinestate(), and with it anyio, asks of a coroutine."""
        if name.startswith("cr_") or name in ("__name__", "__qualname__"):
            return getattr(self._steps, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _give_up(self) -> None:
        if inspect.getcoroutinestate(self._steps) != inspect.CORO_CREATED:
            return
        self._guard.drop()
        result: Any = self._result
        stop = getattr(result, "cancel", None) or getattr(result, "close", None)
        if stop:
            stop()


class CircuitBreaker(_native.Breaker):
    """Keeps calls away from what fails, so that it can recover and callers need not wait for it.

    ``failure_threshold`` failures within ``window_size`` seconds open it: calls are refused. After
    ``recovery_timeout`` seconds it is half-open and lets ``half_open_max_calls`` calls through as a
    test. If as many succeed it closes; if one fails it opens again. For any thread.

    As a decorator, ``@CircuitBreaker.get_or_create("shop")``, it counts exceptions as failures, but
    not those of millpond that show that the database is there, such as a violated constraint. A
    cancelled call says nothing. Refused calls raise CircuitOpenError.

    Args:
        name: str, for messages and metrics.
        failure_threshold: failures that open it; int from 1 on.
        recovery_timeout: seconds that it stays open.
        half_open_max_calls: test calls, and the successes that close it; int from 1 on.
        window_size: seconds in which failures count.

    Raises:
        ArgumentError: (a ValueError) an argument is out of range.
    """

    _shared: ClassVar[dict[str, CircuitBreaker]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __new__(
        cls,
        name: str,
        failure_threshold: int = 5,
        recovery_timeout: float = 30.0,
        half_open_max_calls: int = 3,
        window_size: float = 60.0,
    ) -> Self:
        return cls._make(
            name, failure_threshold, recovery_timeout, half_open_max_calls, window_size, False
        )

    @classmethod
    def _make(
        cls, name: str, threshold: int, recovery: float, calls: int, window: float, shared: bool
    ) -> Self:
        if threshold < 1 or calls < 1:
            raise ArgumentError("failure_threshold and half_open_max_calls must be at least 1")
        most = 0xFFFF_FFFF  # what the library reads, and refuses
        return super().__new__(
            cls, name, min(threshold, most), recovery, min(calls, most), window, shared
        )

    @classmethod
    def get_or_create(
        cls,
        name: str,
        failure_threshold: int = 5,
        recovery_timeout: float = 30.0,
        half_open_max_calls: int = 3,
        window_size: float = 60.0,
    ) -> CircuitBreaker:
        """The process's breaker of a name, whatever its parameters; or a new one with these.

        Arguments and errors are those of the class.
        """
        with CircuitBreaker._lock:
            found = CircuitBreaker._shared.get(name)
            if found is None:
                found = cls._make(
                    name,
                    failure_threshold,
                    recovery_timeout,
                    half_open_max_calls,
                    window_size,
                    True,
                )
                CircuitBreaker._shared[name] = found
            return found

    @property
    def state(self) -> CircuitState:
        """CLOSED, OPEN or HALF_OPEN, now: time alone makes an open breaker half-open."""
        return _STATES[self._status()["state"]]

    def allow_request(self) -> bool:
        """True if a call may be made now. Its end must be recorded, be it a success, a failure or a
        cancellation."""
        return self._allow() != 0

    def record_success(self) -> None:
        """A call that was allowed has succeeded."""
        self._record(0, _SUCCESS)

    def record_failure(self) -> None:
        """A call that was allowed has failed."""
        self._record(0, _FAILURE)

    def record_cancelled(self) -> None:
        """A call that was allowed was given up: if it was a test call, another may take its place.
        (A half-open breaker that hears nothing of its test calls for recovery_timeout seconds
        frees their places by itself.)"""
        self._record(0, _CANCELLED)

    def status(self) -> dict[str, Any]:
        """state (CircuitState), recent_failures, probes (test calls under way), retry_after
        (seconds until an open one is half-open), failures, refused, opened (since it was made)."""
        return {**self._status(), "state": self.state}

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function."""
        wrapper: Any = decorate(function, self._run, self._run_async)
        return wrapper  # type: ignore[no-any-return]

    def _run(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        guard = Guard(self)
        guard.begin()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            guard.__exit__(type(error), error, None)
            raise
        if inspect.isawaitable(result):
            return _Rest(guard, result)
        guard.__exit__(None, None, None)
        return result

    async def _run_async(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Guard(self):
            return await function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name!r} {self.state.value}>"


@overload
def circuit_breaker(name: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def circuit_breaker(
    name: str | None = None,
    failure_threshold: int = 5,
    recovery_timeout: float = 30.0,
    half_open_max_calls: int = 3,
    window_size: float = 60.0,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def circuit_breaker(
    name: Any = None,
    failure_threshold: int = 5,
    recovery_timeout: float = 30.0,
    half_open_max_calls: int = 3,
    window_size: float = 60.0,
) -> Callable[..., Any]:
    """Decorate a function with the circuit breaker of a name; see :class:`CircuitBreaker`.

    ``@circuit_breaker`` and ``@circuit_breaker()`` are the same.

    Args:
        name: functions with the same name share one breaker. None: the function's own name.
        failure_threshold, recovery_timeout, half_open_max_calls, window_size: of the breaker, if
            there is none of that name yet.

    Raises:
        ArgumentError: (a ValueError) an argument is out of range.
        CircuitOpenError: (a ConnectionError; by the decorated function) the breaker is open.
    """
    if is_function(name):
        return circuit_breaker()(name)

    def decorator(function: Callable[P, R]) -> Callable[P, R]:
        breaker = CircuitBreaker.get_or_create(
            name or name_of(getattr(function, "__func__", function)),
            failure_threshold,
            recovery_timeout,
            half_open_max_calls,
            window_size,
        )
        return breaker(function)

    return decorator


__all__ = ["CircuitBreaker", "CircuitState", "circuit_breaker"]
