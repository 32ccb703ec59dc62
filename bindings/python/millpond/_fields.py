"""Values of entity fields that no database has a type for: how they are stored.

Scalars of the standard types never come by here. What does:

- dict, list, tuple, set, frozenset: JSON text. What JSON has, stays plain; all else is an object
  ``{"$type": name, "$value": …}``, at any depth. No content can imitate one: a key ``$type`` of a
  dict is stored as ``$$type``, ``$$type`` as ``$$$type``, and a str is a JSON string.
- Enum members: their value, where all members' values are of one plain type, else their name.
- types with a serializer of their own (:func:`register_serializer`).
- dataclasses, pydantic models and their like (:mod:`millpond._models`): as a dict of their fields.
- JSON text that a read gave as it is stored (:class:`StoredJson`): as it is.

What is typed is decoded once before it is written. :mod:`millpond._decode` is the other way.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Callable
from typing import Any

from ._decode import TAG, VALUE, escape_key, field_decoder, reason_of
from ._foreign import plain
from ._models import fields_of
from ._serializers import PLAIN, encode_enum, serializer_of
from ._stored import StoredJson
from .exceptions import Error, InvalidDataError, ParameterError

#: (name of the type, value to store, what that is)
Encoded = tuple[str | None, Any, int]

_AS_IT_IS, _JSON, _STORED = range(3)


# ---- JSON --------------------------------------------------------------------------------


def _tagged(name: str, value: Any) -> dict[str, Any]:
    return {TAG: name, VALUE: value}


def _is_plain_dict(value: dict[Any, Any]) -> bool:
    return all(type(key) is str for key in value)


def _simplify_dict(value: dict[Any, Any]) -> Any:
    if _is_plain_dict(value):
        return {escape_key(key): _simplify(item) for key, item in value.items()}
    return _tagged("dict", [[_simplify(key), _simplify(item)] for key, item in value.items()])


_SCALARS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
    decimal.Decimal: ("decimal", str),
    datetime.datetime: ("datetime", datetime.datetime.isoformat),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.time: ("time", datetime.time.isoformat),
    uuid.UUID: ("uuid", str),
}


def _simplify_float(value: float) -> Any:
    return value if math.isfinite(value) else _tagged("float", repr(value))


def _simplify(value: Any) -> Any:
    """The same as what JSON has, and objects with tags."""
    cls = type(value)
    if value is None or cls in (str, int, bool):
        return value
    if cls is float:
        return _simplify_float(value)
    if cls is list:
        return [_simplify(item) for item in value]
    if cls is dict:
        return _simplify_dict(value)
    if cls in (tuple, set, frozenset):
        return _tagged(cls.__name__, [_simplify(item) for item in value])
    if cls in _SCALARS:
        name, encode = _SCALARS[cls]
        return _tagged(name, encode(value))
    return _simplify_other(value, cls)


def _simplify_other(value: Any, cls: type) -> Any:
    made = plain(value)
    if made is not value:
        return _simplify(made)
    if isinstance(value, enum.Enum):
        label, stored, _ = encode_enum(value)
        return _tagged(label, stored) if label else stored
    serializer = serializer_of(cls)
    if serializer:
        return _tagged(serializer[0], _simplify(serializer[1](value)))
    for scalar, (name, encode) in _SCALARS.items():
        if isinstance(value, scalar):
            return _tagged(name, encode(value))
    bases: tuple[Any, ...] = (str, int, float, list, dict, tuple, set, frozenset)
    fields = None if isinstance(value, dict) else fields_of(value)
    if fields is not None:
        return _simplify_dict(fields)
    for base in bases:
        if isinstance(value, base):
            return _simplify(base(value))
    raise _refuse(cls)


def _misfit(why: str) -> Exception:
    return InvalidDataError(f"parameter 0 {why}")


def _refuse(cls: type) -> Exception:
    return ParameterError(
        f"parameter 0 has the type {cls.__name__}, which entities cannot store: convert it, or "
        "register_serializer() for it"
    )


def _dump(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # all else was made fit for it
        raise _misfit("contains an int of too many digits: pass it as text") from None


# ---- What the native module calls --------------------------------------------------------


def _encode_collection(value: Any, cls: type) -> Encoded:
    made = _simplify_dict(value) if cls is dict else [_simplify(item) for item in value]
    text = _dump(made)
    if TAG in text or cls in (set, frozenset):
        field_decoder(cls.__name__)[1](text)
    return cls.__name__, text, _JSON


def encode_field(value: Any) -> Encoded:
    """What to store for a value.

    Raises:
        Error: it cannot be stored, or could not be read again.
    """
    try:
        return _encode(value)
    except Error:
        raise
    except RecursionError as error:
        raise _misfit("is nested too deep, or contains itself") from error
    except MemoryError:
        raise
    except Exception as error:
        raise _misfit(f"could not be stored and read again: {reason_of(error)}") from error


def _encode_custom(value: Any, label: str, to_db: Callable[[Any], Any]) -> Encoded:
    stored = to_db(value)
    decode, decode_document = field_decoder(label)
    if isinstance(stored, (dict, list, tuple, set, frozenset)):
        text = _encode_collection(stored, type(stored))[1]
        decode_document(text)
        return label, text, _JSON
    if decode:
        decode(stored)
    return label, stored, _AS_IT_IS


def _encode(value: Any) -> Encoded:
    cls = type(value)
    if cls in (dict, list, tuple, set, frozenset):
        return _encode_collection(value, cls)
    if cls is StoredJson:
        return None if value.kind == "json" else value.kind, value, _STORED
    if isinstance(value, enum.Enum):
        return encode_enum(value)
    serializer = serializer_of(cls)
    if serializer:
        return _encode_custom(value, *serializer)
    if isinstance(value, (*PLAIN, bytearray, memoryview)):
        return None, value, _AS_IT_IS
    fields = None if isinstance(value, dict) else fields_of(value)
    if fields is not None:
        return _encode_collection(fields, dict)
    for base in (dict, list, tuple, set, frozenset):
        if isinstance(value, base):
            return _encode_collection(base(value), base)
    made = plain(value)
    if made is not value or isinstance(value, datetime.timedelta):
        return None, made, _AS_IT_IS  # the library says why not
    raise _refuse(cls)
