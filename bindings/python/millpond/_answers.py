"""What a backend answers with for a statement, as a Result: drivers do it in many ways."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ._native import Result
from ._steps import Steps
from .exceptions import UnsupportedError

NO_NAMES = (
    "the backend's _execute_statement_async() or _execute_statement_sync() returned rows without "
    "the names of their columns: return the driver's cursor, rows that know their names (dicts, "
    "sqlite3.Row, records with keys()), or "
    "millpond.Result(rows, [column[0] for column in cursor.description])"
)


def check_names(rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Raises UnsupportedError if there are rows whose columns' names are needed and not known."""
    if rows and not columns and rows[0]:
        raise UnsupportedError(NO_NAMES)


def as_result(answer: Any) -> Result:
    """The answer as a Result, where nothing has to be read from the database for it.

    Raises:
        UnsupportedError: it is nothing that rows can be made of.
    """
    if isinstance(answer, Result):
        return answer
    if answer is None:
        return Result()
    if isinstance(answer, str):  # a command's tag: "INSERT 0 3"
        count = answer.rpartition(" ")[2]
        return Result(rowcount=int(count) if count.isdecimal() else -1)
    if isinstance(answer, int) and not isinstance(answer, bool):
        return Result(rowcount=answer)
    if isinstance(answer, (bytes, Mapping)) or not hasattr(answer, "__iter__"):
        raise _wrong(f"a {type(answer).__name__}")
    rows: Any = answer
    return _of_rows(list(rows))


def read_answer(answer: Any) -> Steps[Result]:
    """The same, with the rows of a cursor, or of an asynchronous iterable, read to the end."""
    if isinstance(answer, Result):
        return answer
    if hasattr(answer, "fetchall") and hasattr(answer, "description"):
        return (yield from _of_cursor(answer))
    if hasattr(answer, "__aiter__"):
        return _of_rows((yield _collected(answer)))
    return as_result(answer)


async def _collected(answer: Any) -> list[Any]:
    return [row async for row in answer]


def _of_cursor(cursor: Any) -> Steps[Result]:
    count = getattr(cursor, "rowcount", -1)
    count = count if isinstance(count, int) else -1
    last = getattr(cursor, "lastrowid", None)
    last = last if isinstance(last, int) and last else None
    if cursor.description is None:  # no rows
        return Result((), (), count, last)
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    if inspect.isawaitable(rows):
        rows = yield rows
    rows = [_values_of(number, row, names) for number, row in enumerate(rows)]
    return Result(rows, names, len(rows) if count < 0 else count, last)


def _of_rows(rows: list[Any]) -> Result:
    names = _names_of(rows[0]) if rows else []
    made = [_values_of(number, row, names) for number, row in enumerate(rows)]
    return Result(made, names, len(made) or -1)


def _names_of(row: Any) -> list[str]:
    """The names of the columns as a row knows them; none if it does not."""
    if callable(getattr(row, "keys", None)):  # a mapping, sqlite3.Row, records
        return list(row.keys())
    if hasattr(row, "_fields"):  # a named tuple
        return list(row._fields)
    if hasattr(row, "cursor_description"):  # of pyodbc
        return [column[0] for column in row.cursor_description]
    return []


def _values_of(number: int, row: Any, names: list[str]) -> tuple[Any, ...]:
    if isinstance(row, Mapping):
        values = _values_by_name(number, row, names)
    elif isinstance(row, (str, bytes)) or not hasattr(row, "__iter__"):
        kind = type(row).__name__
        raise _wrong(f"rows of which row {number} is {'an' if kind[0] in 'aeiou' else 'a'} {kind}")
    elif callable(getattr(row, "keys", None)) and callable(getattr(row, "values", None)):
        values = tuple(row.values())
    else:
        values = tuple(row)
    if names and len(values) != len(names):
        raise _wrong(f"rows of which row {number} has {len(values)} columns, but row 0 has "
                     f"{len(names)}")  # fmt: skip
    return values


def _values_by_name(number: int, row: Mapping[str, Any], names: list[str]) -> tuple[Any, ...]:
    if len(row) != len(names):  # told by the caller
        return tuple(row.values())
    for name in names:
        if name not in row:
            raise _wrong(f"rows of which row {number} has no column {name!r}, but row 0 has")
    return tuple(row[name] for name in names)


def _wrong(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"the backend's _execute_statement_async() or _execute_statement_sync() returned {what}: "
        "return a cursor, a list of rows (tuples, dicts, records), a millpond.Result, or None"
    )
