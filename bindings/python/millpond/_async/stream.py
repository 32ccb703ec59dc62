"""Rows one by one, in memory that stays flat however many there are."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from .. import _native
from .._batches import Arguments, Batches, is_open_after
from ..rows import Row, RowFactory


class AsyncStream(Batches, AsyncIterator[Row]):
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
        self._begun = self._open = True  # until the answer is known: Ctrl-C may come behind it
        batch: _native.Result
        try:
            if begun:
                batch = await self._connection._fetch(self._arguments[2])
            else:
                batch = await self._connection._stream(self._size, *self._arguments)
            return batch
        except BaseException as error:
            self._open = False  # a batch that fails ends the stream
            if not isinstance(error, _native.Error) or is_open_after(error):
                self._end()  # the database may have sent the batch
            raise

    def _end(self) -> None:
        """End it on the connection, before its next statement, without waiting for that."""
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


__all__ = ["AsyncStream"]
