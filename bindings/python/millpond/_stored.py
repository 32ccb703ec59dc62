"""JSON of entity fields as it is stored."""

from __future__ import annotations


class StoredJson(str):
    """The JSON text of a field as it is stored: what a read without ``deserialize=True`` gives for
    a collection. It is a ``str`` like any other, but a save knows it: it is written as it was read,
    where any other ``str`` is text, even if it looks like JSON.

    Reads make these. Do not make one of text that others gave you: its ``$type`` would count.

    Attributes:
        kind: the type of the field, such as ``"tuple"``.
    """

    __slots__ = ("kind",)
    kind: str

    def __new__(cls, text: str, kind: str = "json") -> StoredJson:
        made = super().__new__(cls, text)
        made.kind = kind
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.kind
