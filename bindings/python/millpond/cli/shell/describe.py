"""An error with the place where it is, and what to do about it."""

from __future__ import annotations

import re

from ...exceptions import Error
from ..visible import visible, width

_BEFORE, _BEHIND = 50, 25  # characters of the line that are shown around the place


def describe(error: Error, sql: str, position: int) -> str:
    """Lines for people.

    Args:
        error: what the statement raised.
        sql: as it was typed.
        position: of the error in it, from 1 on; 0: unknown.
    """
    lines = [f"error: {error}"]
    position = position or _place_of_name(sql, str(error))
    if 0 < position <= len(sql) + 1:
        lines += _place(sql, position - 1)
    more = (("detail", error.detail), ("hint", error.hint))
    lines += [f"{name}: {text}" for name, text in more if text]
    return "\n".join(lines)


def _place_of_name(sql: str, message: str) -> int:
    """MySQL names what it does not know, and not where: the place is clear if the name is there
    once."""
    named = re.search(r"\b(?:column|table) '(?:[^']*\.)?([^'.]+)'", message, re.I)
    found = list(re.finditer(rf"(?<!\w){re.escape(named[1])}(?!\w)", sql)) if named else []
    return found[0].start() + 1 if len(found) == 1 else 0


def _place(sql: str, at: int) -> list[str]:
    """The line of the place, and a caret below the place."""
    number = sql.count("\n", 0, at) + 1
    begin = sql.rfind("\n", 0, at) + 1
    end = sql.find("\n", at)
    end = len(sql) if end < 0 else end
    first = begin if at - begin <= _BEFORE else at - _BEFORE
    last = end if end - at <= _BEHIND else at + _BEHIND
    before = ("..." if first > begin else "") + visible(sql[first:at].expandtabs(1))
    behind = visible(sql[at:last].expandtabs(1)) + ("..." if last < end else "")
    label = f"line {number}: "
    return [f"{label}{before}{behind}", f"{' ' * (len(label) + width(before))}^"]


__all__ = ["describe"]
