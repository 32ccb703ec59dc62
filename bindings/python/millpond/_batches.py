"""The batches that a stream of rows is read in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _native
from ._answers import check_names
from .rows import Row, RowFactory

#: sql, params, timeout, tags
Arguments = tuple[str, Any, float | None, dict[str, Any] | None]


def is_open_after(error: BaseException) -> bool:
    """True if a batch came whose values Python cannot hold, and more would follow."""
    return getattr(error, "_stream_open", False)


class Batches:
    """What both kinds of stream know: the batch that is being read, and whether more follow."""

    __slots__ = ("_arguments", "_begun", "_factory", "_make", "_open", "_rows", "_size", "columns")

    def __init__(self, size: int, arguments: Arguments, factory: RowFactory | None) -> None:
        self._factory = factory
        self._make: Any = None  # of the factory, once the columns are known
        self._size = size
        self._arguments = arguments
        self._begun = False
        self._open = False
        self._rows: Iterator[Row] = iter(())
        self.columns: tuple[str, ...] = ()

    def _take(self, batch: _native.Result) -> None:
        self._open = batch._more
        self._rows = iter(batch)
        self.columns = batch.columns
        if self._factory is not None:
            check_names(batch, batch.columns)
            if self._make is None:
                self._make = self._factory(batch.columns)
            self._rows = map(self._make, batch)

    def _forget(self) -> bool:
        """True if the database must be told."""
        was_open = self._open
        self._begun = True
        self._open = False
        self._rows = iter(())
        return was_open
