"""Types of entity fields that the program itself declares: serializers and Enum classes.

Finding one evaluates nothing and imports nothing: an Enum class is looked for among the modules
that the program has imported.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import re
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

from .exceptions import ArgumentError

PLAIN = (str, int, float, bool, bytes, datetime.date, datetime.time, decimal.Decimal, uuid.UUID)

#: Bytes of a type's name in the meta table.
LONGEST_LABEL = 120
_CUSTOM = "custom:"
_ENUM = "enum:"

_NAME = re.compile(r"[^\W\d][\w.-]*")  # of a serializer
_PATH = re.compile(r"[\w.<>-]+")  # of an Enum: functions are "<locals>" in it


class _Serializers:
    """Those that the program registered; many threads may read while one registers."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_type: dict[type, tuple[str, Callable[[Any], Any]]] = {}
        self.by_name: dict[str, tuple[type, Callable[[Any], Any]]] = {}


_serializers = _Serializers()


def register_serializer(
    cls: type, to_db: Callable[[Any], Any], from_db: Callable[[Any], Any], name: str | None = None
) -> None:
    """Let entity fields hold values of a type of your own.

    Args:
        cls: the type; its subclasses are stored in the same way.
        to_db: makes a str, int, float, bool, bytes, Decimal, date, time, datetime, UUID, dict or
            list of a value. It decides the type of the column.
        from_db: makes a value of that again, for reads with ``deserialize=True``. Each save calls
            it once, too: what cannot be read back is not written.
        name: what the meta table calls the type; the class's own name unless given. Programs that
            share a database must agree on it. It begins with a letter or underscore, has letters,
            digits and ``_ . -``, and at most 113 bytes.

    Registering a type again replaces its functions.

    Raises:
        ArgumentError: a built-in type, a name that is not allowed or that another type has, or a
            function that cannot be called.
    """
    label = _CUSTOM + _checked_name(cls, to_db, from_db, name)
    with _serializers.lock:
        _check_is_free(label, cls)
        _serializers.by_type = {**_serializers.by_type, cls: (label, to_db)}
        _serializers.by_name = {**_serializers.by_name, label: (cls, from_db)}


def _checked_name(cls: Any, to_db: Any, from_db: Any, name: Any) -> str:
    if not isinstance(cls, type) or cls in (*PLAIN, dict, list, tuple, set, frozenset, type(None)):
        raise ArgumentError(f"{cls!r} cannot have a serializer: pass a class of your own")
    for function, what in ((to_db, "to_db"), (from_db, "from_db")):
        if not callable(function):
            raise ArgumentError(f"{what} must be a function, not {type(function).__name__}")
    chosen = cls.__name__ if name is None else name
    if not isinstance(chosen, str):
        raise ArgumentError(f"name must be a str, not {type(chosen).__name__}")
    longest = LONGEST_LABEL - len(_CUSTOM)
    if not _NAME.fullmatch(chosen) or len(chosen.encode("utf-8", "replace")) > longest:
        raise ArgumentError(
            f"{chosen[:150]!r} cannot be the name of a type: it must begin with a letter or '_', "
            f"have only letters, digits and '_', '.' and '-', and at most {longest} bytes"
        )
    return chosen


def _check_is_free(label: str, cls: type) -> None:
    other = _serializers.by_name.get(label, (cls, None))[0]
    path = f"{cls.__module__}.{cls.__qualname__}"
    if f"{other.__module__}.{other.__qualname__}" != path:  # a module may be loaded again
        raise ArgumentError(
            f"the name {label.removeprefix(_CUSTOM)!r} is that of {other.__module__}."
            f"{other.__qualname__}: pass another name for {path}"
        )


def serializer_of(cls: type) -> tuple[str, Callable[[Any], Any]] | None:
    """The label of a type and what makes a stored value of its values; None for neither."""
    known = _serializers.by_type
    return next((known[base] for base in cls.__mro__ if base in known), None)


# ---- Enums -------------------------------------------------------------------------------


def enum_is_by_value(cls: type[enum.Enum]) -> bool:
    """Whether members are stored as their values: these are all of one plain type."""
    kinds = {type(member.value) for member in cls}
    return len(kinds) == 1 and kinds <= {str, int}


_seen_enums: dict[str, type[enum.Enum]] = {}


def encode_enum(value: enum.Enum) -> tuple[str | None, Any, bool]:
    """As ``encode_field``; without the type if its path is too long for a label."""
    cls = type(value)
    label = f"{_ENUM}{cls.__module__}.{cls.__qualname__}"
    stored = value.value if enum_is_by_value(cls) else value.name
    if len(label.encode("utf-8", "replace")) > LONGEST_LABEL or not _PATH.fullmatch(label[5:]):
        return None, stored, False
    _seen_enums[label] = cls  # classes made within functions are in no module
    return label, stored, False


def _find_enum(label: str) -> type[enum.Enum] | None:
    """The class of ``package.module.Class``, if its module is imported."""
    parts = label.removeprefix(_ENUM).split(".")
    for split in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:split]))
        for part in parts[split:]:
            found = getattr(found, "__dict__", {}).get(part)
        if isinstance(found, type) and issubclass(found, enum.Enum):
            return found
    return _seen_enums.get(label)


def _enum_decoder(label: str) -> Callable[[Any], Any] | None:
    cls = _find_enum(label)
    if cls is None:
        return None
    known = cls

    def decode(stored: Any) -> Any:
        try:
            return known(stored) if enum_is_by_value(known) else known[stored]
        except (ValueError, KeyError):
            return stored  # a member that is gone

    return decode


def named_decoder(label: str) -> Callable[[Any], Any] | None:
    """What makes a value of a stored one, by the label of its type; None if it is not known."""
    if len(label) > LONGEST_LABEL:
        return None
    if label.startswith(_ENUM):
        return _enum_decoder(label)
    known = _serializers.by_name.get(label)
    return known[1] if known else None
