"""Scalars of numpy and pandas as Python's own values, without importing either.

Their missing values (``NaT``, ``NA``) are ``None``. What does not fit Python's own type without a
loss, as nanoseconds do not, is refused.
"""

from __future__ import annotations

import datetime
import enum
import operator
from typing import Any, cast

from ._serializers import enum_is_by_value
from .exceptions import ParameterError, ValueRangeError

_year_of = datetime.date.__dict__["year"].__get__
_days_of = datetime.timedelta.__dict__["days"].__get__

#: Units of numpy's that are longer than an hour.
_DAYS = ("Y", "M", "W", "D")


def _out_of_range(number: int, what: str) -> Exception:
    return ValueRangeError(f"parameter {number} {what}")


def _too_fine(number: int, remedy: str) -> Exception:
    return _out_of_range(
        number, f"has a fraction of a microsecond, which no database can store: {remedy}"
    )


# ---- Subclasses of datetime and timedelta ------------------------------------------------


def _checked_datetime(value: datetime.datetime, number: int) -> datetime.datetime | None:
    if value != value:  # NaT, which as a datetime is in the year 1
        return None
    if getattr(value, "nanosecond", 0):
        raise _too_fine(number, 'round it, as value.round("us") does')
    if value.year != _year_of(value):
        raise _out_of_range(number, "is a date or time outside the years 1 to 9999")
    return value


def _checked_timedelta(value: datetime.timedelta, number: int) -> datetime.timedelta | None:
    if value != value:
        return None
    if getattr(value, "nanoseconds", 0):
        raise _too_fine(number, 'round it, as value.round("us") does')
    if value.days != _days_of(value):
        raise _out_of_range(number, "is longer than a timedelta can be")
    return value


# ---- numpy -------------------------------------------------------------------------------


def _is_numpy(cls: type) -> bool:
    return any(base.__name__ == "generic" and base.__module__ == "numpy" for base in cls.__mro__)


def _from_numpy_time(value: Any, number: int) -> Any:
    """A datetime64 or timedelta64."""
    if value != value:
        return None
    kind = "datetime64" if value.dtype.kind == "M" else "timedelta64"
    if value.dtype.name == kind:
        raise _out_of_range(number, f"is a {kind} without a unit: give it one")
    whole = kind == "datetime64" and value.dtype.name.removeprefix("datetime64")[1:-1] in _DAYS
    plain = value.astype(f"{kind}[{'D' if whole else 'us'}]")
    made = plain.item()
    if plain.astype(value.dtype) != value:
        fine = value.dtype.name[len(kind) + 1 : -1] in ("ns", "ps", "fs", "as")
        if fine:
            raise _too_fine(number, f'round it, as value.astype("{kind}[us]") does')
        made = None
    if not isinstance(made, (datetime.date, datetime.timedelta)):
        raise _out_of_range(
            number,
            "is a date or time outside the years 1 to 9999"
            if kind == "datetime64"
            else "is longer than a timedelta can be",
        )
    return made


def _from_numpy(value: Any, number: int) -> Any:
    """The value itself for what Python has no type for."""
    kind = value.dtype.kind
    if kind in "Mm":
        return _from_numpy_time(value, number)
    if kind in "biu":
        return value.item()
    if kind == "f":
        plain = float(value)
        return plain if plain == value or value != value else value
    return value


# ---- Any ---------------------------------------------------------------------------------


def plain(value: Any, number: int = 0) -> Any:
    """Python's own value, or the value itself if it is of another kind; ``number`` is the
    parameter's, for errors.

    Raises:
        ValueRangeError: it has nanoseconds, or is outside what Python's type can hold.
    """
    if isinstance(value, datetime.datetime):
        return _checked_datetime(value, number)
    if isinstance(value, datetime.timedelta):
        return _checked_timedelta(value, number)
    cls = type(value)
    if cls.__name__ == "NAType" and cls.__module__.partition(".")[0] == "pandas":
        return None
    return _from_numpy(cast("Any", value), number) if _is_numpy(cls) else value


def parameter(value: Any, number: int = 0) -> Any:
    """The same for a parameter of a statement, where a member of an Enum stands for its value, if
    it does so in a field of an entity; the others are refused, as entities keep their names."""
    if isinstance(value, enum.Enum):
        return value.value if enum_is_by_value(type(value)) else value
    return plain(value, number)


def backend_parameter(value: Any, number: int) -> Any:
    """The same for a backend in Python, whose driver may take what no built-in driver does; lists
    item by item.

    Raises:
        ParameterError: a member of an Enum that does not stand for its value.
    """
    if isinstance(value, (list, tuple)):
        made = [backend_parameter(item, number) for item in value]
        return made if any(map(operator.is_not, made, value)) else value
    if not isinstance(value, enum.Enum):
        return value
    made = parameter(value, number)
    if made is value:
        raise ParameterError(
            f"parameter {number} has the type {type(value).__name__}, an Enum whose values are not "
            "all of one plain type: pass .value or .name"
        )
    return made
