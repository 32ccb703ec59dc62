"""One implementation for asynchronous and synchronous connections.

Work is written as a generator that yields the outcome of each call on a connection. On an
asynchronous connection that is an awaitable, which ``run_async`` awaits; on a synchronous one it
is the value itself. Either way the generator is resumed with the value, or with the exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from .exceptions import Error

_Value = TypeVar("_Value")
Steps = Generator[Any, Any, _Value]


async def run_async(steps: Steps[_Value]) -> _Value:
    """Run the steps to their end, awaiting what each yields."""
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            awaitable = steps.send(value) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        try:
            value, error = await awaitable, None
        except BaseException as caught:
            value, error = None, caught


def run_async_made(make: Callable[[], Coroutine[Any, Any, _Value]]) -> Coroutine[Any, Any, _Value]:
    """The coroutine that ``make`` returns. It is called at once, so that what the caller changes
    later changes nothing; the library's error that it raises comes at the await."""
    try:
        return make()
    except Error as error:
        return _raise(error)


async def _raise(error: Error) -> Any:
    raise error


def run_sync(steps: Steps[_Value]) -> _Value:
    """Run the steps to their end; the calls in them have blocked and raised already."""
    value: Any = None
    while True:
        try:
            value = steps.send(value)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def run_sync_made(make: Callable[[], _Value]) -> _Value:
    """As run_async_made(), on a synchronous connection."""
    return make()


async def to_its_end(work: Coroutine[Any, Any, _Value], grace: float | None = None) -> _Value:
    """Await the work to its end, whatever cancels come (those of anyio come again and again), but
    for no more than ``grace`` seconds after the first of them: then it is cancelled itself. The
    last cancel is raised after that."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    cancelled = late = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            if grace is not None and late is None:
                late = loop.call_later(grace, task.cancel)
    if late is not None:
        late.cancel()
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # marks it as retrieved
    raise cancelled
