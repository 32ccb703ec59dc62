"""What each statement of a connection written in Python goes through, apart from the connection."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from .exceptions import ArgumentError, ParameterError

if TYPE_CHECKING:
    from .backend import Lease


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
    """A statement runs inside, if the circuit breaker of its name lets it."""
    timings = lease.owner.timings
    if lease.call:
        tags = {"operation": lease.call}
    name = timings.operation_of(tags)
    with lease.owner.breakers.guard(lease, name), timings.query(sql, tags):
        yield


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
