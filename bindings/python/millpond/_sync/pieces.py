# Made of ../_async/pieces.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""``executemany`` in pieces, so that a progress bar can move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._native import Result
from ..progress import PIECE, Deadline, Progress, joined, pieces


def executemany_in_pieces(
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
    with connection.transaction():
        for number, piece in enumerate(pieces(rows)):
            first = number * PIECE
            work = connection.executemany(sql, piece, deadline.left(), tags, first_row=first)
            answers.append(work)
            progress(len(piece))
    return joined(answers)
