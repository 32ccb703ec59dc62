"""Where the statements of a script end: not at each ``;``, as bodies of routines have them, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

try:
    from sqlite3 import complete_statement
except ImportError:  # a Python without it: only triggers have a body

    def complete_statement(statement: str) -> bool:
        """True if the text ends with a statement's end."""
        return not re.match(r"\s*CREATE\s+(TEMP\w*\s+)?TRIGGER\b", statement, re.I) or bool(
            re.search(r"\bEND\s*;\s*$", statement, re.I)
        )


Whole = Callable[[str], bool]

# What hides words: literals, names in quotes, comments.
_HIDING = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
      | --[^\n]* | /\*.*?\*/ | \$(\w*)\$.*?\$\1\$""",
    re.S | re.X,
)
_ATOMIC = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b.*\bBEGIN\s+ATOMIC\b", re.S | re.I
)
_ROUTINE = re.compile(
    r"""\s*(?:BEGIN\s+NOT\s+ATOMIC
      | CREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER\s*=\s*\S+\s+)?(?:AGGREGATE\s+)?
        (?:TRIGGER|PROCEDURE|FUNCTION|EVENT))\b""",
    re.I | re.X,
)


def _ends_in_postgres(sql: str) -> bool:
    """As psql has it: outside parentheses, and outside BEGIN ATOMIC ... END."""
    seen = _HIDING.sub(" ", sql)
    if seen.count("(") > seen.count(")"):
        return False
    if not _ATOMIC.match(seen):
        return True
    words = [word.upper() for word in re.findall(r"\b(?:BEGIN|CASE|END)\b", seen, re.I)]
    return words.count("END") * 2 >= len(words)


def _ends_in_mysql(sql: str) -> bool:
    """A routine takes the rest of what was typed: its END cannot be told from the others."""
    return not _ROUTINE.match(_HIDING.sub(" ", sql))


class Script:
    """Statements of one server. ``is_closed`` is false where a literal or comment is open."""

    def __init__(self, server: str, is_closed: Whole) -> None:
        self._is_closed = is_closed
        self._ends: Whole = _ends_in_mysql
        self._mysql = not server.startswith(("SQLite", "PostgreSQL"))
        if server.startswith("SQLite"):
            self._ends = lambda sql: complete_statement(f"{sql};")
        elif not self._mysql:
            self._ends = _ends_in_postgres

    def _is_open(self, sql: str) -> bool:
        in_comment = self._is_closed(sql + "'")  # to the end of a line
        return in_comment or not self._is_closed(sql)

    def ends(self, sql: str) -> bool:
        """True if what was typed ends with its last ``;``, which is left out here."""
        return not self._is_open(sql) and (self._mysql or self._ends(sql))

    @property
    def has_delimiter(self) -> bool:
        """True where DELIMITER is a command of the usual client."""
        return self._mysql

    def is_whole(self, sql: str) -> bool:
        """True if the text may be the last of a script: nothing in it is still open."""
        return not self._is_open(sql) and self._ends(sql)

    def split(self, sql: str) -> Iterator[str]:
        """The statements of a text."""
        found = ""
        for piece in sql.split(";"):
            found += piece
            if self._is_open(found) or not self._ends(found):
                found += ";"
                continue
            if found.strip():
                yield found.strip()
            found = ""
        if found.strip(" \n\t;"):
            yield found.strip()
