"""Text that a terminal shows and does not obey."""

from __future__ import annotations

import re
import unicodedata

# Control characters of both sets, line separators, what turns the direction of writing, and halves
# of surrogate pairs, which no encoding has.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}")


def visible(text: str) -> str:
    """The text on one line, with ``\\x1b`` and the like in place of what controls a terminal."""
    return text if text.isascii() and text.isprintable() else _CONTROLS.sub(_escape, text)


def visible_lines(text: str) -> list[str]:
    """The same, line by line; tabs become spaces."""
    if text.isascii() and text.isprintable():
        return [text]
    return [visible(line.expandtabs(8)) for line in text.split("\n")]


def visible_text(text: str) -> str:
    """The same with its line breaks."""
    return "\n".join(visible_lines(text))


def visible_json(document: str) -> str:
    """A JSON document whose strings escape what JSON itself lets pass."""
    return document if document.isascii() and "\x7f" not in document else _hide(document)


def _hide(document: str) -> str:
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # drawn on what comes before
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


__all__ = ["visible", "visible_json", "visible_lines", "visible_text", "width"]
