"""The circuit breakers of a backend written in Python: one for each name of statements."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _native
from .circuit import _CANCELLED, _FAILURE, _SUCCESS, CircuitBreaker
from .exceptions import CircuitOpenError, Error, QueryTimeoutError

if TYPE_CHECKING:
    from .backend import Lease
    from .database import ConnectionManager

_OFF = ("0", "false", "no", "off")


class Breakers:
    """As the library's own, which know outages of the server, too."""

    def __init__(self, manager: ConnectionManager) -> None:
        def number(name: str, otherwise: float) -> Any:
            return type(otherwise)(manager.option(f"circuit_breaker_{name}", otherwise))

        self.on = str(manager.option("circuit_breaker", True)).lower() not in _OFF
        self._alias = manager.alias()
        self._settings = {
            "failure_threshold": number("failure_threshold", 5),
            "recovery_timeout": number("recovery_timeout", 1.0),
            "half_open_max_calls": number("half_open_max_calls", 3),
            "window_size": number("window_size", 60.0),
        }
        self._made: dict[str, CircuitBreaker] = {}
        self.connect = CircuitBreaker(f"{self._alias}: connect")

    def _get(self, name: str) -> CircuitBreaker:
        found = self._made.get(name)
        if found is None:
            made = CircuitBreaker(f"{self._alias}: {name or 'statements'}", **self._settings)
            found = self._made.setdefault(name, made)
        return found

    @contextlib.contextmanager
    def guard(self, lease: Lease, name: str) -> Iterator[None]:
        """One statement. In a transaction none is refused: what was begun may be ended."""
        if not self.on or lease.in_transaction:
            yield
            return
        breaker = self._get(name)
        try:
            ticket = breaker._check()
        except CircuitOpenError as error:
            lease.owner.timings.failed(error.code)
            raise
        outcome = _SUCCESS
        try:
            yield
        except BaseException as error:
            outcome = _outcome_of(error, lease, name)
            raise
        finally:
            breaker._record(ticket, outcome)

    def samples(self) -> list[tuple[str, str, Any]]:
        """As ``_native.Pool.samples()`` has them."""
        told: list[tuple[str, str, Any]] = []
        for name, breaker in [("connect", self.connect), *list(self._made.items())]:
            status = breaker._status()
            label = name or "statements"
            told.append(("breaker_state", label, status["state"]))
            told.append(("breaker_opened", label, status["opened"]))
            told.append(("breaker_refused", label, status["refused"]))
        return told


def _outcome_of(error: BaseException, lease: Lease, name: str) -> int:
    """A timeout speaks against statements of one name; against those without, which are of all
    kinds, only if the work did not even stop. Lost connections are for the pool to notice."""
    if not isinstance(error, Error) or not error.code:
        return _CANCELLED
    if isinstance(error, QueryTimeoutError):
        return _FAILURE if name or lease.broken else _SUCCESS
    outcome: int = _native.breaker_outcome(error.code)
    return _CANCELLED if outcome == _FAILURE else outcome
