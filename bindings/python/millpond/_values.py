"""Python's side of values that the native module makes and takes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import decimal
import json
import logging
import sys
import traceback
import uuid
import weakref
from collections.abc import AsyncIterator
from typing import Any

from ._foreign import plain


class Interval(datetime.timedelta):
    """A timedelta that also counts months, whose length in days nobody knows.

    PostgreSQL's ``interval`` has months, days and microseconds. One without months comes as a plain
    ``timedelta``. Comparing and adding treat an Interval as its days and microseconds alone;
    ``months`` (int) is for the program to apply.
    """

    months: int

    def __new__(cls, months: int = 0, days: int = 0, microseconds: int = 0) -> Interval:
        self = super().__new__(cls, days=days, microseconds=microseconds)
        self.months = months
        return self

    def __repr__(self) -> str:
        rest = datetime.timedelta.__repr__(
            datetime.timedelta(self.days, self.seconds, self.microseconds)
        )
        return f"Interval(months={self.months}, {rest})"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and getattr(other, "months", 0) == self.months

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.months))

    def __reduce__(self) -> tuple[Any, ...]:
        rest = self.seconds * 1_000_000 + self.microseconds
        return Interval, (self.months, self.days, rest)


def _to_json(value: object) -> object:
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat() if value == value else None  # NaT is not itself
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    made = plain(value)
    if made is not value:
        return made
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def dump_json(value: dict[Any, Any]) -> str:
    """JSON text of a parameter: times as ISO 8601, decimals and UUIDs as strings, NaT as null."""
    return json.dumps(value, default=_to_json, ensure_ascii=False, allow_nan=False)


#: Event loops that run for the last time: no task that begins there gets to its end.
ENDING: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


async def _until_shutdown(loop: Any) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(RuntimeError):  # the collector of garbage came by here
            ENDING.add(asyncio.get_running_loop())
        loop.close()


def watch_shutdown(loop: Any) -> AsyncIterator[None]:
    """Close a native loop when its event loop shuts down its asynchronous generators.

    ``asyncio.run()`` does that right before it closes the event loop, which nothing else tells of.
    The generator must be kept for as long.
    """
    generator = _until_shutdown(loop)
    with contextlib.suppress(StopIteration):
        generator.__anext__().send(None)  # type: ignore[attr-defined]
    return generator


def write_log(level: int, area: str, message: str) -> None:
    """Hand a record of the library to ``logging.getLogger("millpond.<area>")``."""
    logging.getLogger(f"millpond.{area}").log(level, "%s", message)


def format_stack() -> str:
    """The calling stack as text, for reports of leaks."""
    return "".join(traceback.format_stack(sys._getframe(1)))
