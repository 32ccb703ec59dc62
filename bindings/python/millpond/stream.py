"""Rows one by one, in memory that stays flat however many there are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _native
from ._answers import check_names
from .rows import RowFactory

if TYPE_CHECKING:
    from typing import Self

Row = tuple[Any, ...]
Arguments = tuple[str, Any, float | None, dict[str, Any] | None]


def _is_open_after(error: BaseException) -> bool:
    """True if a batch came whose values Python cannot hold, and more would follow."""
    return getattr(error, "_stream_open", False)


class _Batches:
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


class AsyncStream(_Batches, AsyncIterator[Row]):
    """An asynchronous iterator of rows. Leaving the loop early, or ``async with``, ends it.

    Attributes:
        columns: tuple of str, the columns' names; empty before the first row.
    """

    __slots__ = ("_connection",)

    def __init__(
        self, connection: Any, size: int, arguments: Arguments, factory: RowFactory | None = None
    ) -> None:
        super().__init__(size, arguments, factory)
        self._connection = connection

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        for row in self._rows:
            return row
        if self._begun and not self._open:
            raise StopAsyncIteration
        self._take(await self._next_batch())
        for row in self._rows:
            return row
        raise StopAsyncIteration

    async def _next_batch(self) -> _native.Result:
        begun = self._begun
        batch: _native.Result
        self._begun = True
        self._open = False  # a batch that fails ends the stream
        try:
            if begun:
                batch = await self._connection._fetch(self._arguments[2])
            else:
                batch = await self._connection._stream(self._size, *self._arguments)
            return batch
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or _is_open_after(error):
                self._end()  # the batch may have come all the same
            raise

    def _end(self) -> None:
        """Before the next statement on this connection; nobody waits for it."""
        with contextlib.suppress(_native.Error):
            self._connection._end_stream()

    async def aclose(self) -> None:
        """End the stream; the rest of the rows is not read. Closing twice is no error."""
        if self._forget():
            await self._connection._end_stream()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._forget():
            self._end()


class SyncStream(_Batches, Iterator[Row]):
    """An iterator of rows. Leaving the loop early, or ``with``, ends it.

    Attributes:
        columns: tuple of str, the columns' names; empty before the first row.
    """

    __slots__ = ("_connection",)

    def __init__(
        self, connection: Any, size: int, arguments: Arguments, factory: RowFactory | None = None
    ) -> None:
        super().__init__(size, arguments, factory)
        self._connection = connection

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        for row in self._rows:
            return row
        if self._begun and not self._open:
            raise StopIteration
        self._take(self._next_batch())
        return next(self._rows)

    def _next_batch(self) -> _native.Result:
        begun = self._begun
        batch: _native.Result
        self._begun = True
        self._open = True  # until the answer is known: Ctrl-C may come right behind it
        try:
            if begun:
                batch = self._connection._fetch(self._arguments[2])
            else:
                batch = self._connection._stream(self._size, *self._arguments)
            return batch
        except BaseException as error:
            self._open = False  # a batch that fails ends the stream
            if not isinstance(error, _native.Error) or _is_open_after(error):
                with contextlib.suppress(_native.Error):
                    self._connection._end_stream()
            raise

    def close(self) -> None:
        """End the stream; the rest of the rows is not read. Closing twice is no error."""
        if self._forget():
            self._connection._end_stream()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(_native.Error):
            self.close()


__all__ = ["AsyncStream", "SyncStream"]
