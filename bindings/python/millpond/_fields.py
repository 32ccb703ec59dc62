"""Values of entity fields that no database has a type for: how they are stored, and read again.

Scalars of the standard types never come by here. What does:

- dict, list, tuple, set, frozenset: JSON text. What JSON has, stays plain; all else is an object
  ``{"$type": name, "$value": …}``, at any depth.
- Enum members: their value, where all members' values are of one plain type, else their name.
- types with a serializer of their own (:func:`register_serializer`).
- dataclasses, pydantic models and their like (:mod:`millpond._models`): as a dict of their fields.

Reading evaluates nothing and imports nothing: an Enum class is found among the modules that the
program has imported, and where it is not, the stored value is returned.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import decimal
import enum
import json
import math
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

from ._foreign import plain
from ._models import fields_of

Encoded = tuple[str | None, Any, bool]

_PLAIN = (str, int, float, bool, bytes, datetime.date, datetime.time, decimal.Decimal, uuid.UUID)
_TAG = "$type"
_VALUE = "$value"


class _Serializers:
    """Those that the program registered; many threads may read while one registers."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_type: dict[type, tuple[str, Callable[[Any], Any]]] = {}
        self.by_name: dict[str, Callable[[Any], Any]] = {}


_serializers = _Serializers()


def register_serializer(
    cls: type, to_db: Callable[[Any], Any], from_db: Callable[[Any], Any], name: str | None = None
) -> None:
    """Let entity fields hold values of a type of your own.

    Args:
        cls: the type; its subclasses are stored in the same way.
        to_db: makes a str, int, float, bool, bytes, Decimal, date, time, datetime, UUID, dict or
            list of a value. It decides the type of the column.
        from_db: makes a value of that again, for reads with ``deserialize=True``.
        name: what the meta table calls the type; the class's own name unless given. Programs that
            share a database must agree on it.

    Registering a type again replaces its functions. Raises ArgumentError for a built-in type.
    """
    from .exceptions import ArgumentError

    if not isinstance(cls, type) or cls in (*_PLAIN, dict, list, tuple, set, frozenset, type(None)):
        raise ArgumentError(f"{cls!r} cannot have a serializer: it is no type of your own")
    label = f"custom:{name or cls.__name__}"
    with _serializers.lock:
        _serializers.by_type = {**_serializers.by_type, cls: (label, to_db)}
        _serializers.by_name = {**_serializers.by_name, label: from_db}


def _serializer_of(cls: type) -> tuple[str, Callable[[Any], Any]] | None:
    known = _serializers.by_type
    return next((known[base] for base in cls.__mro__ if base in known), None)


# ---- Enums -------------------------------------------------------------------------------


def _enum_is_by_value(cls: type[enum.Enum]) -> bool:
    kinds = {type(member.value) for member in cls}
    return len(kinds) == 1 and kinds <= {str, int}


def _enum_label(cls: type[enum.Enum]) -> str:
    return f"enum:{cls.__module__}.{cls.__qualname__}"


def _find_enum(path: str) -> type[enum.Enum] | None:
    """The class of ``package.module.Class``, if its module is imported."""
    parts = path.split(".")
    for split in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:split]))
        for part in parts[split:]:
            found = getattr(found, "__dict__", {}).get(part)
        if isinstance(found, type) and issubclass(found, enum.Enum):
            return found
    return None


_seen_enums: dict[str, type[enum.Enum]] = {}


def _encode_enum(value: enum.Enum) -> Encoded:
    cls = type(value)
    label = _enum_label(cls)
    _seen_enums[label] = cls  # classes made within functions are in no module
    if len(label) > 120:
        return None, value.value if _enum_is_by_value(cls) else value.name, False
    stored = value.value if _enum_is_by_value(cls) else value.name
    return label, stored, False


def _enum_decoder(label: str) -> Callable[[Any], Any] | None:
    cls = _find_enum(label.removeprefix("enum:")) or _seen_enums.get(label)
    if cls is None:
        return None
    known = cls

    def decode(stored: Any) -> Any:
        try:
            return known(stored) if _enum_is_by_value(known) else known[stored]
        except (ValueError, KeyError):
            return stored  # a member that is gone

    return decode


# ---- JSON --------------------------------------------------------------------------------


def _tagged(name: str, value: Any) -> dict[str, Any]:
    return {_TAG: name, _VALUE: value}


def _is_plain_dict(value: dict[Any, Any]) -> bool:
    return _TAG not in value and all(type(key) is str for key in value)


def _simplify_dict(value: dict[Any, Any]) -> Any:
    if _is_plain_dict(value):
        return {key: _simplify(item) for key, item in value.items()}
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
        label, stored, _ = _encode_enum(value)
        return _tagged(label, stored) if label else stored
    serializer = _serializer_of(cls)
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
    from .exceptions import InvalidDataError

    return InvalidDataError(f"parameter 0 {why}")


def _unreadable(why: str) -> Exception:
    from .exceptions import InvalidDataError

    return InvalidDataError(f"the value {why}: read it without deserialize=True")


def _refuse(cls: type) -> Exception:
    from .exceptions import ParameterError

    return ParameterError(
        f"parameter 0 has the type {cls.__name__}, which entities do not store: convert it, or "
        "register_serializer() for it"
    )


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "dict": lambda items: {_freeze(key): item for key, item in items},
    "list": list,
    "json": lambda value: value,
    "tuple": tuple,
    "set": lambda items: {_freeze(item) for item in items},
    "frozenset": lambda items: frozenset(_freeze(item) for item in items),
    "float": float,
    "bytes": lambda text: base64.b64decode(text),
    "decimal": decimal.Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "uuid": uuid.UUID,
}


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _restore(value: dict[str, Any]) -> Any:
    """What an object with a tag stands for; innermost ones come first."""
    if len(value) != 2 or _TAG not in value or _VALUE not in value:
        return value
    name = value[_TAG]
    if not isinstance(name, str):
        return value
    decode = _DECODERS.get(name) or _named_decoder(name)
    if name == "dict" and isinstance(value[_VALUE], dict):
        return value[_VALUE]  # a whole value whose field is of another type
    return decode(value[_VALUE]) if decode else value[_VALUE]


def _load(text: str) -> Any:
    try:
        return json.loads(text, object_hook=_restore) if _TAG in text else json.loads(text)
    except RecursionError:
        raise _unreadable("is JSON that is nested deeper than Python reads") from None
    except json.JSONDecodeError:
        raise _unreadable("is no JSON") from None
    except ValueError as error:  # of a number, or of what a tag stands for
        raise _unreadable(f"cannot be read: {error}") from None


def _dump(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # all else was made fit for it
        raise _misfit("contains an int of too many digits: pass it as text") from None


# ---- What the native module calls --------------------------------------------------------


def _encode_collection(value: Any, cls: type) -> Encoded:
    if cls is dict:
        if not _is_plain_dict(value):
            return "dict", _dump(_simplify_dict(value)), True
        return "dict", _dump(_simplify(value)), True
    return cls.__name__, _dump([_simplify(item) for item in value]), True


def encode_field(value: Any) -> Encoded:
    """``(name of the type, value to store, whether that is JSON text)``."""
    try:
        return _encode(value)
    except RecursionError:
        raise _misfit("is nested too deep, or contains itself") from None


def _encode(value: Any) -> Encoded:
    cls = type(value)
    if cls in (dict, list, tuple, set, frozenset):
        return _encode_collection(value, cls)
    if isinstance(value, enum.Enum):
        return _encode_enum(value)
    serializer = _serializer_of(cls)
    if serializer:
        stored = serializer[1](value)
        if isinstance(stored, (dict, list, tuple, set, frozenset)):
            return serializer[0], _encode_collection(stored, type(stored))[1], True
        return serializer[0], stored, False
    if isinstance(value, (*_PLAIN, bytearray, memoryview)):
        return None, value, False
    fields = None if isinstance(value, dict) else fields_of(value)
    if fields is not None:
        return _encode_collection(fields, dict)
    for base in (dict, list, tuple, set, frozenset):
        if isinstance(value, base):
            return _encode_collection(base(value), base)
    made = plain(value)
    if made is not value or isinstance(value, datetime.timedelta):
        return None, made, False  # the library says why not
    raise _refuse(cls)


def _named_decoder(name: str) -> Callable[[Any], Any] | None:
    if name.startswith("enum:"):
        return _enum_decoder(name)
    return _serializers.by_name.get(name)


_COLLECTIONS = {
    "list": _load,
    "dict": lambda text: _load_as(text, dict),
    "json": _load,
    "tuple": lambda text: _load_as(text, tuple),
    "set": lambda text: _load_as(text, set),
    "frozenset": lambda text: _load_as(text, frozenset),
}


def _load_as(text: str, cls: type) -> Any:
    value = _load(text)
    if cls is dict or not text.lstrip().startswith("["):
        return value  # of another type, which it says itself
    return tuple(value) if cls is tuple else cls(_freeze(item) for item in value)


def _custom_decoder(from_db: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decode(stored: Any) -> Any:
        if isinstance(stored, str) and stored[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                stored = _load(stored)
        return from_db(stored)

    return decode


def field_decoder(name: str) -> Callable[[Any], Any] | None:
    """What makes a Python value of a stored one, by the field's type; None: nothing."""
    known = _COLLECTIONS.get(name)
    if known:
        return known
    decode = _named_decoder(name)
    if decode and name.startswith("custom:"):
        return _custom_decoder(decode)
    return decode
