"""When to run the test of connections that an application has written."""

from __future__ import annotations

import time
from typing import Any

from .exceptions import AcquireTimeoutError

VALIDATE_AFTER = 30.0  # seconds, unless pool_validate_after says otherwise
MOST = 10_000  # connections whose rest is known


class Rests:
    """Since when the connections of a pool have been idle, by their ids."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def begin(self, number: int) -> None:
        """A connection is released, which was used until now. 0 is of none."""
        if not number:
            return
        if len(self._since) >= MOST:
            del self._since[next(iter(self._since))]
        self._since[number] = time.monotonic()

    def end(self, number: int, seconds: float) -> bool:
        """A connection is lent again: True if it has rested so long that it must be tested."""
        since = self._since.pop(number, None)
        return since is not None and time.monotonic() - since >= seconds


class Patience:
    """What is left of the time for an acquire."""

    def __init__(self, manager: Any, timeout: float | None) -> None:
        self._seconds: float | None = manager._acquisition_timeout(timeout)
        self._end: float | None = (
            None if self._seconds is None else time.monotonic() + self._seconds
        )

    def left(self) -> float | None:
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise AcquireTimeoutError(
                f"no connection passed its test within {self._seconds} s: see millpond's log"
            )
        return left


def is_due(manager: Any, connection: Any) -> bool:
    """True if the connection has rested so long that it must be tested."""
    seconds = float(manager.option("pool_validate_after", VALIDATE_AFTER))
    tested: bool = manager._hooks.rests.end(connection.id, seconds)
    return tested


__all__ = ["Patience", "Rests", "is_due"]
