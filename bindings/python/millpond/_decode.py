"""Stored values of entity fields as Python values.

JSON in its stored form: an object ``{"$type": name, "$value": …}`` is a typed value, and a key
``$type`` of a dict's own is ``$$type`` (see :mod:`millpond._fields`). Whatever goes wrong here is
raised as it comes: who calls makes an InvalidDataError of it, which names entity, id and field.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from ._serializers import named_decoder
from ._stored import StoredJson
from .exceptions import Error, InvalidDataError

Decoder = Callable[[Any], Any]

TAG = "$type"
VALUE = "$value"

#: Members of a set, or keys of a dict, that may have the same hash: more would take minutes.
_MOST_COLLISIONS = 100


# ---- Keys --------------------------------------------------------------------------------


def _is_dollars(text: str) -> bool:
    return not text.strip("$")


def escape_key(key: str) -> str:
    """A key of the program's own as it is stored: ``$type`` is ``$$type``, and so on."""
    return "$" + key if key.endswith(TAG) and _is_dollars(key[: -len(TAG)]) else key


def _unescape_key(key: str) -> str:
    return key[1:] if key.startswith("$$") and escape_key(key) != key else key


# ---- Typed values ------------------------------------------------------------------------


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _keys(items: Iterable[Any]) -> list[Any]:
    """What a set or dict can be made of without taking long.

    Raises:
        ValueError: too many have the same hash.
    """
    keys = [_frozen(item) for item in items]
    if len(keys) - len({hash(key) for key in keys}) > _MOST_COLLISIONS:
        raise ValueError("a set or dict has too many members with the same hash")
    return keys


def _pairs(items: Any) -> dict[Any, Any]:
    pairs = [(key, value) for key, value in items]
    keys = _keys(key for key, _ in pairs)
    return dict(zip(keys, (value for _, value in pairs), strict=True))


_COLLECTIONS: dict[str, Decoder] = {
    "dict": _pairs,
    "list": list,
    "tuple": tuple,
    "set": lambda items: set(_keys(items)),
    "frozenset": lambda items: frozenset(_keys(items)),
}

_SCALARS: dict[str, Decoder] = {
    "float": float,
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "decimal": decimal.Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "uuid": uuid.UUID,
}


def _is_tagged(value: Any) -> bool:
    return (
        type(value) is dict and len(value) == 2 and type(value.get(TAG)) is str and VALUE in value
    )


def _restore(value: Any) -> Any:
    cls = type(value)
    if cls is list:
        return [_restore(item) for item in value]
    if cls is not dict:
        return value
    if _is_tagged(value):
        return _untag(value[TAG], value[VALUE])
    return {_unescape_key(key): _restore(item) for key, item in value.items()}


def _untag(name: str, stored: Any) -> Any:
    """The value of a tagged object; of a type that the program does not know, what is in it."""
    if name in _SCALARS:
        return _SCALARS[name](stored)
    value = _restore(stored)
    if name in _COLLECTIONS:
        return _COLLECTIONS[name](value) if type(stored) is list else value
    decode = named_decoder(name)
    return decode(value) if decode else value


# ---- Documents ---------------------------------------------------------------------------


def _is_odd_dict(value: Any) -> bool:
    """A dict whose keys are not all str, in a field that need not be one of dicts."""
    return _is_tagged(value) and value[TAG] == "dict" and type(value[VALUE]) is list


def _collection_of(kind: str) -> Decoder:
    make = _COLLECTIONS.get(kind, list)

    def decode(text: str) -> Any:
        value = json.loads(text)
        restored = _restore(value) if TAG in text else value
        return make(restored) if type(value) is list and kind != "dict" else restored

    return decode


def _document_of(decode: Decoder, label: str) -> Decoder:
    """Of a type of the program's own whose stored values are JSON."""

    def decode_document(text: str) -> Any:
        value = json.loads(text)
        if isinstance(value, str):  # text that a caller gave
            return value
        if _is_tagged(value) and value[TAG] != label and not _is_odd_dict(value):
            return _untag(value[TAG], value[VALUE])
        inner = value[VALUE] if _is_tagged(value) and value[TAG] == label else value
        return decode(_restore(inner))

    return decode_document


def _as_stored(kind: str) -> Decoder:
    return lambda text: StoredJson(text, kind)


def field_decoder(kind: str) -> tuple[Decoder | None, Decoder]:
    """What makes Python values of a field's stored ones, by the field's type: of a plain value
    (None: it is as it is) and of a JSON text."""
    if kind == "json" or kind in _COLLECTIONS:
        return None, _collection_of(kind)
    decode = named_decoder(kind)
    if decode is None:
        return None, _as_stored(kind)
    return decode, _document_of(decode, kind)


# ---- Errors ------------------------------------------------------------------------------


def reason_of(error: BaseException) -> str:
    """Why a value cannot be decoded, in a few words."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    text = str(error)
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def unreadable(
    entity_name: str, entity_id: Any, field: str, error: BaseException, was_plain: bool
) -> Exception:
    """The InvalidDataError for a value that cannot be decoded."""
    why = str(error) if isinstance(error, Error) else reason_of(error)
    advice = "" if was_plain else ", or read without deserialize=True"
    made = InvalidDataError(
        f'the field "{field}" of {entity_name} "{entity_id}" cannot be read: {why}: pass '
        f'on_error="plain" or "skip"{advice}'
    )
    made.entity_name = entity_name
    made.entity_id = str(entity_id)
    made.field = field
    made.__cause__ = error
    return made
