r"""Lines of a terminal, a file or an argument become statements and commands with a backslash."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from .script import Script

# What ends a statement, and a comment behind it. \G shows the rows one below the other.
_END = re.compile(r"(;|\\gx?\b|\\G)\s*(?:--[^\n]*|/\*(?:(?!\*/).)*\*/)?\s*\Z", re.S)
_COMMAND = re.compile(r";\s*(\\(?!g\b|gx\b|G\b)\S.*?)\s*\Z")
_DELIMITER = re.compile(r"\s*DELIMITER\s+(\S+)\s*\Z", re.I)


@dataclasses.dataclass(frozen=True)
class Item:
    r"""What is executed as one.

    Attributes:
        text: as it was typed.
        statements: in order; none for a command.
        command: such as ``\d fish``; "" for statements.
        expanded: it ended with ``\G``.
    """

    text: str
    statements: tuple[str, ...] = ()
    command: str = ""
    expanded: bool = False


class Items:
    """Takes line after line."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lines: list[str] = []
        self._delimiter = ""

    @property
    def text(self) -> str:
        """What has not ended yet."""
        return "\n".join(self._lines).strip()

    def drop(self) -> None:
        """Forget what has not ended."""
        self._lines = []

    def add(self, line: str) -> list[Item]:
        """What the line completes."""
        first = line.strip()
        if not self._lines and (not first or first.startswith("--")):
            return []  # a comment of its own is none of a statement
        if not self._lines and first.startswith("\\"):
            return [Item(first, command=first)]
        if not self._lines and self._changes_delimiter(first):
            return []
        if found := self._before_command(line):
            return found
        self._lines.append(line)
        whole = self._found(self.text)
        if whole is None:
            return []
        self._lines = []
        return [whole]

    def _before_command(self, line: str) -> list[Item]:
        """Statements, and a command with a backslash on the same line."""
        for end in _COMMAND.finditer(line):
            before = "\n".join([*self._lines, line[: end.start(1)]]).strip()
            if whole := self._found(before):
                self._lines = []
                return [whole, Item(end[1], command=end[1])]
        return []

    def add_text(self, text: str) -> Iterator[Item]:
        """What the lines of a text complete."""
        for line in text.split("\n"):
            yield from self.add(line)

    def is_whole(self, text: str) -> bool:
        """True if nothing would be left over of a text that was typed at once."""
        trial = Items(self._script)
        trial._delimiter = self._delimiter
        for _ in trial.add_text(text):
            pass
        return not trial._lines

    def rest(self) -> Item | None:
        """At the end: the last statement needs no semicolon. None: there is none, or it is
        unfinished, and ``text`` has it."""
        text = self.text
        if not text or self._delimiter or not self._script.is_whole(text):
            return None
        self._lines = []
        return Item(text, tuple(self._script.split(text)))

    def _changes_delimiter(self, line: str) -> bool:
        """As the client of MySQL does, for routines with semicolons inside."""
        found = _DELIMITER.match(line) if self._script.has_delimiter else None
        if found:
            self._delimiter = "" if found[1] == ";" else found[1]
        return bool(found)

    def _found(self, text: str) -> Item | None:
        if self._delimiter:
            body = text.removesuffix(self._delimiter)
            return Item(text, (body.strip(),)) if body != text and body.strip() else None
        for end in _END.finditer(text):
            body = text[: end.start()]
            if self._script.ends(body):
                return Item(text, tuple(self._script.split(body)), expanded=end[1] in _BELOW)
        return None


_BELOW = ("\\G", "\\gx")

__all__ = ["Item", "Items"]
