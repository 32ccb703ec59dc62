"""``executemany`` in pieces, so that a progress bar can move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any

from .._native import Result
from ..exceptions import Error, QueryTimeoutError
from ..progress import PIECE, Deadline, Progress, joined, pieces


async def executemany_in_pieces(
    connection: Any,
    sql: str,
    rows: Sequence[Sequence[Any]],
    timeout: float | None,
    tags: Any,
    progress: Progress,
) -> Result:
    """``executemany``, all or nothing, with ``progress`` called after each piece."""
    deadline = Deadline(timeout)
    answers: list[Result] = []
    async with connection.transaction():
        for number, piece in enumerate(pieces(rows)):
            first = number * PIECE
            work = connection.executemany(sql, piece, deadline.left(), tags, first_row=first)
            answers.append(await work)
            progress(len(piece))
    return joined(answers)


async def _pieces_of(rows: AsyncIterable[Any]) -> AsyncIterator[list[Any]]:  # async only
    """What an asynchronous iterable gives, in runs of at most PIECE rows."""
    piece: list[Any] = []
    async for row in rows:
        piece.append(row)
        if len(piece) == PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


async def _write_as_they_come(  # async only
    connection: Any,
    sql: str,
    rows: AsyncIterable[Sequence[Any]],
    deadline: Deadline,
    tags: Any,
    progress: Progress | None,
) -> Result:
    answers: list[Result] = []
    first = 0
    async with connection.transaction():
        async for piece in _pieces_of(rows):
            work = connection.executemany(sql, piece, deadline.left(), tags, first_row=first)
            answers.append(await work)
            first += len(piece)
            if progress is not None:
                progress(len(piece))
    return joined(answers)


async def executemany_as_they_come(  # async only
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
