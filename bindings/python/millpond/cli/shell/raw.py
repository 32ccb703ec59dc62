"""A statement as its database has it: ``?`` is an operator of PostgreSQL here, no placeholder."""

from __future__ import annotations

import dataclasses
from typing import Any

from ...exceptions import Error


@dataclasses.dataclass(frozen=True)
class Raw:
    """A statement for ``execute``.

    Attributes:
        sql: with ``??`` where the database is to see ``?``.
        doubled: where, in the text that was typed.
    """

    sql: str
    doubled: tuple[int, ...] = ()

    def position(self, position: int) -> int:
        """Where in the typed text a position of an error is; both from 1 on, 0 for none."""
        before = sum(1 for number, at in enumerate(self.doubled) if at + number + 1 < position)
        return position - before


def raw(conn: Any, sql: str) -> Raw:
    """What ``conn.execute`` takes to execute the typed text."""
    if "?" not in sql or not conn.get_version_details()["db_server_version"].startswith("Postgre"):
        return Raw(sql)
    try:
        native, _ = conn.parameter_converter.convert_query_to_native(sql)
    except Error:
        return Raw(sql)  # the database has the better message
    doubled = tuple(_placeholders(sql, native))
    pieces, begin = [], 0
    for at in doubled:
        pieces.append(f"{sql[begin : at + 1]}?")
        begin = at + 1
    return Raw("".join(pieces) + sql[begin:], doubled)


def _placeholders(sql: str, native: str) -> list[int]:
    """Where the library has replaced a ``?`` with ``$1`` and so on."""
    found = []
    at = other = 0
    while at < len(sql):
        if sql[at] == "?" and native[other] == "$":
            found.append(at)
            other += len(f"${len(found)}")
        else:
            at += sql[at : at + 2] == "??" and native[other : other + 2] != "??"
            other += 1
        at += 1
    return found


__all__ = ["Raw", "raw"]
