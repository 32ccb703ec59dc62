"""Rows as a table, or one below the other, written while they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .visible import visible, visible_lines, width

Write = Callable[[str], None]
Text = Callable[[Any], str]


def distinct(columns: Iterable[str]) -> list[str]:
    """Names of which none comes twice: a second ``a`` becomes ``a_2``."""
    names: list[str] = []
    seen: set[str] = set()
    for column in columns:
        name, number = column, 1
        while name in seen:
            number += 1
            name = f"{column}_{number}"
        seen.add(name)
        names.append(name)
    return names


class Table:
    """Columns side by side, as wide as what has come so far. A cell of several lines takes several
    lines of the table; ``+`` behind one says that it goes on below.

    Args:
        columns: their names.
        write: takes a line.
        text: of a value.
    """

    def __init__(self, columns: Sequence[str], write: Write, text: Text) -> None:
        self._columns = [visible(column) for column in columns]
        self._widths = [width(column) for column in self._columns]
        self._write = write
        self._text = text
        self._begun = False

    def rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write these rows, which are looked at together to find the columns' widths."""
        shown = [[visible_lines(self._text(value)) for value in row] for row in rows]
        for cells in shown:
            for number, lines in enumerate(cells):
                widest = max(map(width, lines))
                if widest > self._widths[number]:
                    self._widths[number] = widest
        if not self._begun:
            self._begun = True
            self._line(self._columns, [False] * len(self._columns))
            self._line(["-" * size for size in self._widths], [False] * len(self._columns))
        for cells in shown:
            self._row(cells)

    def _row(self, cells: list[list[str]]) -> None:
        for number in range(max(map(len, cells), default=1)):
            line = [lines[number] if number < len(lines) else "" for lines in cells]
            self._line(line, [number + 1 < len(lines) for lines in cells])

    def _line(self, cells: list[str], goes_on: list[bool]) -> None:
        padded = (
            cell + " " * (size - width(cell)) + ("+ " if more else "  ")
            for cell, size, more in zip(cells, self._widths, goes_on, strict=True)
        )
        self._write("".join(padded).rstrip())

    def end(self) -> None:
        if not self._begun:
            self.rows(())


class Expanded:
    """Each row as lines of name and value, for rows that are wider than the screen."""

    def __init__(self, columns: Sequence[str], write: Write, text: Text) -> None:
        self._columns = [visible(column) for column in columns]
        self._size = max(map(width, self._columns), default=0)
        self._write = write
        self._text = text
        self._count = 0

    def rows(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            self._count += 1
            self._write(f"-- row {self._count} --")
            for column, value in zip(self._columns, row, strict=True):
                self._field(column, visible_lines(self._text(value)))

    def _field(self, column: str, lines: list[str]) -> None:
        for number, line in enumerate(lines):
            name = column if number == 0 else ""
            self._write(f"{name}{' ' * (self._size - width(name))}  {line}".rstrip())

    def end(self) -> None:
        pass


__all__ = ["Expanded", "Table", "distinct"]
