"""What an entity call says to the library: verbs, flags, instants."""

from __future__ import annotations

import datetime
from typing import Any, Literal

from ._native import entity_verbs
from .exceptions import ArgumentError

Entity = dict[str, Any]

DELETED = 1
PERMANENT = 2
PLAIN = 4
PREPARE = 8

SAVE = entity_verbs["SAVE"]
SAVE_MANY = entity_verbs["SAVE_MANY"]
GET = entity_verbs["GET"]
GET_MANY = entity_verbs["GET_MANY"]
DELETE = entity_verbs["DELETE"]
RESTORE = entity_verbs["RESTORE"]
FIND = entity_verbs["FIND"]
COUNT = entity_verbs["COUNT"]
HISTORY = entity_verbs["HISTORY"]
BETWEEN = entity_verbs["BETWEEN"]
VERSION = entity_verbs["VERSION"]
LIST = entity_verbs["LIST"]
FIND_ARROW = entity_verbs["FIND_ARROW"]


#: What to do with a stored value that cannot be read: raise InvalidDataError, put it as it is
#: stored in its place, or leave its row out.
OnError = Literal["raise", "plain", "skip"]

_ON_ERROR = {"raise": 0, "plain": 1 << 16, "skip": 1 << 17}
_NO_ON_ERROR = 1 << 18  # refused where the call is awaited


def read_flags(include_deleted: bool, deserialize: bool, on_error: OnError = "raise") -> int:
    flags = (DELETED if include_deleted else 0) | (0 if deserialize else PLAIN)
    known = isinstance(on_error, str) and on_error in _ON_ERROR
    return flags | (_ON_ERROR[on_error] if known else _NO_ON_ERROR)


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def microseconds(value: datetime.datetime, name: str) -> int:
    """Microseconds since 1970."""
    if not isinstance(value, datetime.datetime) or value.utcoffset() is None:
        raise ArgumentError(f"{name} must be a datetime with a time zone, not {value!r}")
    return (value - _EPOCH) // _MICROSECOND
