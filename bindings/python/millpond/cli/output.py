"""Tables for people, JSON for programs."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO


def plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601, bytes in hexadecimal."""
    if value is None or isinstance(value, (bool, int, float, str, list, dict)):
        return value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)


def text(value: Any) -> str:
    if value is None:
        return "NULL"
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class Output:
    """Where results go.

    Args:
        as_json: one JSON document for each result, on a line of its own.
        stream: default: standard output.
    """

    def __init__(self, as_json: bool, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout

    def line(self, line: str = "") -> None:
        print(line, file=self._stream, flush=True)

    def json(self, value: Any) -> None:
        self.line(json.dumps(value, ensure_ascii=False, default=plain))

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Names and values, one a line."""
        if self.as_json:
            self.json(facts)
            return
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            self.line(f"{name:<{width}}  {text(value)}")

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A table."""
        if self.as_json:
            self.json([dict(zip(columns, map(plain, row), strict=True)) for row in rows])
            return
        cells = [[text(value) for value in row] for row in rows]
        if self._stream.isatty() and self._rich(columns, cells):
            return
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for line in (columns, ["-" * width for width in widths], *cells):
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.line("  ".join(padded).rstrip())

    def _rich(self, columns: Sequence[str], cells: list[list[str]]) -> bool:
        """True if the package rich is there and has drawn the table."""
        try:
            from rich import box
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text
        except ImportError:
            return False
        table = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(Text(column))
        for row in cells:
            table.add_row(*map(Text, row))
        Console(file=self._stream).print(table)
        return True


__all__ = ["Output", "plain", "text"]
