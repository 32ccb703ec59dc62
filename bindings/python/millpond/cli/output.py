"""Tables for people, JSON for programs."""

from __future__ import annotations

import datetime
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TextIO

from .table import Expanded, Table, distinct
from .visible import visible, visible_json, visible_lines


def plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601, bytes in hexadecimal, NaN and infinity as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)


def text(value: Any) -> str:
    """A value for people."""
    if value is None:
        return "NULL"
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Rows(Protocol):
    """What takes the rows of a result, some at a time."""

    def rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write these."""

    def end(self) -> None:
        """All rows have come."""


class _Json:
    """A list of objects on one line. One that breaks off lacks its end, so no program takes it for
    the whole."""

    def __init__(self, columns: Sequence[str], stream: TextIO) -> None:
        self._columns = distinct(columns)
        self._stream = stream
        self._before = "["

    def rows(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            fields = dict(zip(self._columns, map(plain, row), strict=True))
            self._stream.write(self._before + _document(fields))
            self._before = ", "

    def end(self) -> None:
        self._stream.write("]\n" if self._before == ", " else "[]\n")
        self._stream.flush()


def _document(value: Any) -> str:
    return visible_json(json.dumps(plain(value), ensure_ascii=False))


class Output:
    """Where results go. No control character of a value reaches the stream.

    Args:
        as_json: one JSON document for each result, on a line of its own.
        stream: default: standard output.
    """

    def __init__(self, as_json: bool, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout

    def line(self, line: str = "") -> None:
        print(line, file=self._stream, flush=True)

    def text(self, text: str, before: str = "") -> None:
        """Lines for people.

        Args:
            before: stands at the beginning of each.
        """
        for line in visible_lines(text):
            self.line(before + line)

    def json(self, value: Any) -> None:
        self.line(_document(value))

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Names and values, one a line."""
        if self.as_json:
            self.json(facts)
            return
        shown = {visible(name): visible(text(value)) for name, value in facts.items()}
        size = max(map(len, shown), default=0)
        for name, value in shown.items():
            self.line(f"{name:<{size}}  {value}")

    def begin(self, columns: Sequence[str], expanded: bool = False) -> Rows:
        """What takes the rows of a result with these columns."""
        if self.as_json:
            return _Json(columns, self._stream)
        made = Expanded if expanded else Table
        return made(columns, lambda line: print(line, file=self._stream), text)

    def rows(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], expanded: bool = False
    ) -> None:
        """A whole table."""
        table = self.begin(columns, expanded)
        table.rows(rows)
        table.end()
        self._stream.flush()


__all__ = ["Output", "Rows", "plain", "text"]
