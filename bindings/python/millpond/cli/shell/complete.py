"""What may come next: keywords, and the names of tables and columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...exceptions import Error
from .session import Session

_KEYWORDS = """
ADD ALL ALTER ANALYZE AND AS ASC BEGIN BETWEEN BIGINT BOOLEAN BY CASCADE CASE CAST CHECK
COALESCE COLUMN COMMIT CONSTRAINT COUNT CREATE CROSS CURRENT_DATE CURRENT_TIMESTAMP DATABASE
DATE DEFAULT DELETE DESC DISTINCT DOUBLE DROP ELSE END EXCEPT EXISTS EXPLAIN FALSE FOREIGN FROM
FULL FUNCTION GRANT GROUP HAVING IN INDEX INNER INSERT INTEGER INTERSECT INTO IS JOIN KEY LEFT
LIKE LIMIT MAX MIN NATURAL NOT NULL NUMERIC OFFSET ON OR ORDER OUTER PRIMARY PROCEDURE
REFERENCES RENAME REPLACE RETURNING REVOKE RIGHT ROLLBACK SAVEPOINT SCHEMA SELECT SEQUENCE SET
SHOW SUM TABLE TEMPORARY TEXT THEN TIMESTAMP TO TRANSACTION TRIGGER TRUE TRUNCATE UNION UNIQUE
UPDATE USING VACUUM VALUES VARCHAR VIEW WHEN WHERE WITH
"""
KEYWORDS = tuple(_KEYWORDS.split())
_COMMANDS = r"\? \q \d \dt \dv \di \l \x \timing \pager \i \conninfo"
COMMANDS = tuple(_COMMANDS.split(" "))

_WORD = re.compile(r"[\w$]*\Z")
_DOTTED = re.compile(r'(?:"([^"]+)"|`([^`]+)`|([\w$]+))\.[\w$]*\Z')
_TABLE_NEXT = re.compile(r"\b(FROM|JOIN|INTO|UPDATE|TABLE|VIEW|TRUNCATE|DESCRIBE)\s+[\w$]*\Z", re.I)
_LIST_NEXT = re.compile(r"\b(FROM|JOIN)\s+[^()]*,\s*[\w$]*\Z", re.I)
_USED = re.compile(
    r'\b(?:FROM|JOIN|INTO|UPDATE|,)\s*(?:[\w$"`]+\.)?["`]?([\w$]+)["`]?(?:\s+(?:AS\s+)?(\w+))?',
    re.I,
)
_SIMPLE = re.compile(r"[a-z_][a-z0-9_$]*\Z")


class Completion:
    """The words that fit. The names are asked for when first wanted, and after what may change
    them, but not inside a transaction: a failure there would end it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tables: dict[str, list[str]] = {}
        self._schemas: dict[str, set[str]] = {}

    def words(self, before: str) -> list[tuple[str, int]]:
        """What may stand at the end of a text: (word, how much of the text it replaces)."""
        if before.startswith("\\"):
            return self._after_backslash(before)
        found = _WORD.search(before)
        begun = found[0] if found else ""
        self._refresh()
        names = list(dict.fromkeys(self._candidates(before)))
        return [(self._as_written(word), len(begun)) for word in names if _fits(word, begun)]

    def _after_backslash(self, before: str) -> list[tuple[str, int]]:
        command, space, name = before.rpartition(" ")
        if not space:
            return [(word, len(before)) for word in COMMANDS if word.startswith(before)]
        if not command.startswith("\\d"):
            return []
        self._refresh()
        return [(self._as_written(word), len(name)) for word in self._tables if _fits(word, name)]

    def _candidates(self, before: str) -> Iterator[str]:
        if dotted := _DOTTED.search(before):
            yield from self._members(next(filter(None, dotted.groups())), before)
            return
        if _TABLE_NEXT.search(before) or _LIST_NEXT.search(before):
            yield from self._tables
            yield from self._schemas
            return
        used = [table for table, _ in _used(before)]
        for name, columns in self._tables.items():
            if name.lower() in used or not used:
                yield from columns
        yield from KEYWORDS
        yield from self._tables

    def _members(self, owner: str, before: str) -> Iterator[str]:
        """Columns of a table or an alias; tables of a schema."""
        named = {alias: table for table, alias in _used(before) if alias}
        table = named.get(owner.lower(), owner.lower())
        for name, columns in self._tables.items():
            if name.lower() == table:
                yield from columns
        yield from sorted(self._schemas.get(owner, ()))

    def _as_written(self, word: str) -> str:
        """A name that needs quotes has them."""
        if word in KEYWORDS or _SIMPLE.match(word):
            return word
        if self._session.db._driver == "mysql":
            return word if re.fullmatch(r"[\w$]+", word) else f"`{word.replace('`', '``')}`"
        if self._session.db._driver == "sqlite" and re.fullmatch(r"[A-Za-z_]\w*", word):
            return word
        return '"' + word.replace('"', '""') + '"'

    def _refresh(self) -> None:
        session = self._session
        if not session.is_stale or session.in_transaction:
            return
        session.is_stale = False
        try:
            rows: Any = session.conn.execute(session.catalog.words, timeout=5)
        except Error:
            return  # then there is nothing to complete but keywords
        self._tables, self._schemas = {}, {}
        for schema, table, column in rows:
            self._tables.setdefault(table, []).append(column)
            self._schemas.setdefault(schema, set()).add(table)


def _used(text: str) -> list[tuple[str, str]]:
    """The tables that a statement names, and what it calls them."""
    found = _USED.findall(text)
    return [
        (table.lower(), "" if alias.upper() in KEYWORDS else alias.lower())
        for table, alias in found
    ]


def _fits(word: str, begun: str) -> bool:
    return word.lower().startswith(begun.lower())


__all__ = ["KEYWORDS", "Completion"]
