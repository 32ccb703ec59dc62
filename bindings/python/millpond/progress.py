"""Long work in pieces, so that a progress bar can move."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from ._native import Result
from ._steps import Steps
from .exceptions import Error, QueryTimeoutError

#: Called with the number of rows that were just done: ``tqdm(total=len(rows)).update`` fits.
Progress = Callable[[int], object]

PIECE = 1000


def pieces(rows: Sequence[Any], size: int = PIECE) -> Iterator[Sequence[Any]]:
    """The rows in runs of at most ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


# "row 3: …", "row 3 has 2 parameters, but row 0 has 1", "entity 3: …"
_NUMBER = re.compile(r"(^(?:row|entity) |, but row )([0-9]+)")


@contextlib.contextmanager
def renumber(before: int) -> Iterator[None]:
    """Count the row that an error names among all, where so many came before its piece."""
    try:
        yield
    except Error as error:
        text = _NUMBER.sub(lambda found: f"{found[1]}{int(found[2]) + before}", str(error))
        error.args = (text, *error.args[1:])
        raise


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


def executemany_in_pieces(
    connection: Any,
    sql: str,
    rows: Sequence[Sequence[Any]],
    timeout: float | None,
    tags: Any,
    progress: Progress,
) -> Steps[Result]:
    """``executemany``, all or nothing, with ``progress`` called after each piece."""
    deadline = Deadline(timeout)
    transaction = connection.transaction()
    answers: list[Result] = []
    yield from transaction._enter()
    try:
        for number, piece in enumerate(pieces(rows)):
            with renumber(number * PIECE):
                answers.append((yield connection.executemany(sql, piece, deadline.left(), tags)))
            progress(len(piece))
    except BaseException as error:
        yield from transaction._exit(error)
        raise
    yield from transaction._exit(None)
    return joined(answers)


async def _pieces_of(rows: AsyncIterable[Sequence[Any]]) -> AsyncIterator[list[Sequence[Any]]]:
    """What an asynchronous iterable gives, in runs of at most PIECE rows."""
    piece: list[Sequence[Any]] = []
    async for row in rows:
        piece.append(row)
        if len(piece) == PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


async def _write_as_they_come(
    connection: Any,
    sql: str,
    rows: AsyncIterable[Sequence[Any]],
    deadline: Deadline,
    tags: Any,
    progress: Progress | None,
) -> Result:
    answers: list[Result] = []
    before = 0
    async with connection.transaction():
        async for piece in _pieces_of(rows):
            with renumber(before):
                answers.append(await connection.executemany(sql, piece, deadline.left(), tags))
            before += len(piece)
            if progress is not None:
                progress(len(piece))
    return joined(answers)


async def executemany_as_they_come(
    connection: Any,
    sql: str,
    rows: AsyncIterable[Sequence[Any]],
    timeout: float | None,
    tags: Any,
    progress: Progress | None,
) -> Result:
    """``executemany``, all or nothing, of rows that an asynchronous iterable gives: no more than
    PIECE of them are in memory. It is closed at the end, if it can be."""
    deadline = Deadline(timeout)
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            return await _write_as_they_come(connection, sql, rows, deadline, tags, progress)
    except TimeoutError as error:
        if not scope.expired() or isinstance(error, Error):
            raise
        raise QueryTimeoutError(f"the call took longer than its timeout of {timeout} s") from error
    finally:
        aclose: Any = getattr(rows, "aclose", None)
        if aclose is not None:
            await aclose()


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
