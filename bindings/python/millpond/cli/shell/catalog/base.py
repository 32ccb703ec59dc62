"""What the databases say of their tables, each in its own words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from ....exceptions import ArgumentError

# A name in one of the three ways to quote, or without quotes.
_PART = re.compile(r'"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[([^\]]*)\]|([^."`\[\]\s]+)')


@dataclasses.dataclass(frozen=True)
class Name:
    """A table's name as somebody typed it.

    Attributes:
        schema: "" if there was none.
        is_quoted: the table's name was.
    """

    text: str
    schema: str
    table: str
    is_quoted: bool

    @property
    def like(self) -> str:
        """A pattern of LIKE, with ``!`` before what stands for itself: ``*`` and ``?`` are wild."""
        escaped = re.sub(r"([!%_])", r"!\1", self.table)
        return escaped if self.is_quoted else escaped.replace("*", "%").replace("?", "_")


def name_of(text: str) -> Name:
    """Read a name such as ``fish``, ``shop.fish`` or ``"Fish"``."""
    parts = []
    at = 0
    quoted = False
    while found := _PART.match(text, at):
        double, back, bracket, bare = found.groups()
        quoted = bare is None
        part = next((part for part in (bare, bracket) if part is not None), None)
        if part is None:
            part = double.replace('""', '"') if double is not None else back.replace("``", "`")
        parts.append(part)
        at = found.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    if at != len(text) or not 1 <= len(parts) <= 2:
        raise ArgumentError(
            f'{text!r} is not the name of a table: write fish, shop.fish or "a fish"'
        )
    return Name(text, parts[0] if len(parts) == 2 else "", parts[-1], quoted)


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of what is said of a table: rows below a title, or lines without columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Catalog:
    """What one kind of database can be asked. Each list is ``(sql, params)``."""

    #: kinds for ``list``: letter -> kind in the database's words
    kinds: dict[str, str]
    #: all databases
    databases: str
    #: the current database's name, where a statement can change it
    current = ""
    #: (table, column) pairs for completion
    words: str

    def listing(self, kinds: str, name: Name | None) -> tuple[str, list[Any]]:
        """The tables, views and so on of these kinds (letters of ``dt``, ``dv``, ``di``)."""
        raise NotImplementedError

    def describe(self, conn: Any, name: Name) -> list[Section] | None:
        """The columns, indexes and keys of one table. None: there is none of this name."""
        raise NotImplementedError


def section(conn: Any, title: str, sql: str, params: Sequence[Any]) -> Section:
    """What a statement says."""
    rows = conn.execute(sql, tuple(params))
    return Section(title, rows.columns, rows)


__all__ = ["Catalog", "Name", "Section", "name_of", "section"]
