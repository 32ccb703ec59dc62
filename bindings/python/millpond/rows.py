"""Shapes of rows other than tuples, for ``row_factory=``."""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from ._answers import check_names

Row = tuple[Any, ...]

#: Takes the columns' names and returns what makes an object of each row.
RowFactory = Callable[[Sequence[str]], Callable[[Row], Any]]


def tuple_row(columns: Sequence[str]) -> Callable[[Row], Row]:
    """Rows as they are, where a database's ``row_factory`` says otherwise."""
    return lambda row: row


def dict_row(columns: Sequence[str]) -> Callable[[Row], dict[str, Any]]:
    """Rows as dicts by column name; of columns with one name the last counts."""
    names = tuple(columns)
    return lambda row: dict(zip(names, row, strict=True))


@functools.lru_cache(maxsize=256)
def _row_class(columns: tuple[str, ...]) -> Callable[[Row], Any]:
    names = (re.sub(r"\W", "_", name) for name in columns)
    made = collections.namedtuple("Row", names, rename=True)  # type: ignore[misc]
    return made._make


def namedtuple_row(columns: Sequence[str]) -> Callable[[Row], Any]:
    """Rows as named tuples. Characters that no attribute can have become ``_``; a name that is
    still none, or is there twice, becomes ``_N`` for the N-th column from 0."""
    return _row_class(tuple(columns))


def shape(rows: Sequence[Row], columns: Sequence[str], factory: RowFactory | None) -> Any:
    """The rows as the factory makes them; as they are without one."""
    if factory is None:
        return rows
    check_names(rows, columns)
    return [*map(factory(columns), rows)]


def reshape(rows: Any, factory: RowFactory | None) -> Any:
    """The same of a Result, in place: it stays one."""
    if factory is not None:
        rows[:] = shape(rows, rows.columns, factory)
    return rows


__all__ = ["Row", "RowFactory", "dict_row", "namedtuple_row", "tuple_row"]
