"""What each statement of a connection written in Python goes through, apart from the connection."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Coroutine, Generator, Iterator
from typing import Any

from ._lease import Lease
from .exceptions import ArgumentError, Error, ParameterError


class Nothing(Awaitable[None]):
    """Awaited, or not, it is None at once."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


def _is_row(value: object) -> bool:
    return isinstance(value, (tuple, list))


def _prepared(statement: Any, native: str) -> Any:
    """What a driver that prepares nothing runs is the SQL itself."""
    return native if statement is None else statement


@contextlib.contextmanager
def _measured(lease: Lease, sql: str, tags: Any) -> Iterator[None]:
    """A statement runs inside: the core admits, times and counts it."""
    if lease.held is not None:  # a step of another one
        yield
        return
    if lease.call:
        tags = {"operation": lease.call}
    request = lease.held = lease.native._hold(sql, tags)
    code = ""
    try:
        yield
    except BaseException as error:
        code = _code_of(lease, error)
        raise
    finally:
        lease.held = None
        request.finish(code, "", broken=lease.broken)


def _code_of(lease: Lease, error: BaseException) -> str:
    if lease.late:
        return "ETIMEDOUT"
    if isinstance(error, Error):
        return error.code or "EOPERATIONAL"
    return "EOPERATIONAL" if isinstance(error, Exception) else "ECANCELLED"


class Measured(Awaitable[Any]):
    """The work of a statement, measured once it begins."""

    __slots__ = ("_call", "_work")

    def __init__(self, lease: Lease, sql: str, tags: Any, work: Coroutine[Any, Any, Any]) -> None:
        self._call = lease, sql, tags
        self._work = work

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            with _measured(*self._call):
                return (yield from self._work.__await__())
        finally:
            self._work.close()


def _check_batch(batch: int) -> None:
    if batch < 1:
        raise ArgumentError("batch must be a positive number of rows")


def _wrong_row(number: int, what: str) -> ParameterError:
    error = ParameterError(f"row {number} {what}")
    error.row = number
    return error


def _check_rows(rows: Any, first: int) -> None:
    if not _is_row(rows):
        raise ParameterError(f"param_list must be a list of tuples, not {type(rows).__name__}")
    width = len(rows[0]) if rows and _is_row(rows[0]) else 0
    for number, row in enumerate(rows, first):
        if not _is_row(row):
            kind = type(row).__name__
            raise _wrong_row(number, f"of param_list must be a tuple or list, not {kind}")
        if len(row) != width:
            raise _wrong_row(number, f"has {len(row)} parameters, but row {first} has {width}")
