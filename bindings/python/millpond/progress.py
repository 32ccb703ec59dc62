"""Long work in pieces, so that a progress bar can move."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from typing import Any

from ._native import Result
from .exceptions import QueryTimeoutError

#: Called with the number of rows that were just done: ``tqdm(total=len(rows)).update`` fits.
Progress = Callable[[int], object]

#: The rows of parameters that ``executemany`` takes.
SyncRows = Sequence[Sequence[Any]]
AsyncRows = SyncRows | AsyncIterable[Sequence[Any]]

PIECE = 1000


def pieces(rows: Sequence[Any], size: int = PIECE) -> Iterator[Sequence[Any]]:
    """The rows in runs of at most ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


class Deadline:
    """What is left of a timeout that bounds several calls."""

    __slots__ = ("_end", "_timeout")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds, None for the configuration's default.

        Raises:
            QueryTimeoutError: none are left.
        """
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise QueryTimeoutError(f"the call took longer than its timeout of {self._timeout} s")
        return left


def joined(answers: list[Result]) -> Result:
    """The answers to one statement's executions as one."""
    counts = [answer.rowcount for answer in answers]
    return Result(
        [row for answer in answers for row in answer],
        answers[0].columns if answers else (),
        -1 if -1 in counts else sum(counts),
        answers[-1].lastrowid if answers else None,
    )


__all__ = ["Progress"]
