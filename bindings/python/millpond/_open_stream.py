"""The open stream of a connection that is written in Python."""

from __future__ import annotations

import logging
from typing import Any

from ._answers import as_result
from ._native import Result

_log = logging.getLogger("millpond.pool")


class OpenStream:
    """The generator of its batches, and whether more are to come."""

    __slots__ = ("_batch", "_batches", "_columns", "over")

    def __init__(self, batches: Any, batch: int) -> None:
        self._batches = batches
        self._batch = batch
        self._columns: tuple[str, ...] = ()
        self.over = False

    def _took(self, answer: Any) -> Result:
        """A batch that is not full is the last one."""
        result = as_result(answer)
        self._columns = result.columns or self._columns
        self.over = len(result) < self._batch
        result._more = not self.over
        return result

    def _ended(self) -> Result:
        self.over = True
        return Result((), self._columns)

    async def next(self) -> Result:
        """The next batch; after the last one an empty one."""
        try:
            result = self._took(await anext(self._batches))
        except StopAsyncIteration:
            return self._ended()
        except BaseException:
            self.over = True
            raise
        if self.over:
            await self._batches.aclose()
        return result

    def next_sync(self) -> Result:
        try:
            result = self._took(next(self._batches))
        except StopIteration:
            return self._ended()
        except BaseException:
            self.over = True
            raise
        if self.over:
            self._batches.close()
        return result

    async def close(self) -> None:
        """Read no more."""
        self.over = True
        try:
            await self._batches.aclose()
        except Exception as error:
            _log.warning("ending a stream failed: %s", error)

    def close_sync(self) -> None:
        self.over = True
        self._batches.close()
