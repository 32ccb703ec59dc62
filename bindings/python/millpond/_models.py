"""Objects whose fields are declared by a class, such as dataclasses, read as dicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def fields_of(value: Any) -> dict[Any, Any] | None:
    """The fields of a mapping, dataclass, pydantic model, attrs class, msgspec struct or named
    tuple by name; None if it is none of these. Only the outermost object is taken apart, except
    that pydantic makes dicts of nested models itself."""
    cls = type(value)
    if isinstance(value, type):
        return None
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(cls):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(cls)}
    if hasattr(cls, "__pydantic_fields__") or hasattr(cls, "__pydantic_serializer__"):
        dumped: dict[Any, Any] = value.model_dump()
        return dumped
    for listing in ("__struct_fields__", "_fields"):  # msgspec.Struct, NamedTuple
        names = getattr(cls, listing, None)
        if isinstance(names, tuple) and all(isinstance(name, str) for name in names):
            return {name: getattr(value, name) for name in names}
    attributes = getattr(cls, "__attrs_attrs__", None)
    if attributes is not None:
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    return None
