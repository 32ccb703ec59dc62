"""The package has every row of the API's tables, with its arguments, defaults and types."""

from __future__ import annotations
import __future__

import contextlib
import html
import inspect
import os
import re
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import millpond
import pytest

pytestmark = pytest.mark.once

NAME = "spec/database-abstraction-layer.md"
HERE = Path(__file__).resolve().parents[2]


class Row(NamedTuple):
    """One method or function, as its table's row describes it."""

    owner: str  # class, "" for a function
    name: str
    decorators: frozenset[str]
    args: tuple[tuple[str, str | None, str | None], ...]  # name, type, default
    returns: str | None

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name


# ---- Read the tables ---------------------------------------------------------------------


def find_spec() -> Path | None:
    given = os.environ.get("MILLPOND_SPEC")
    places = [Path(given)] if given else [HERE.parents[i] / "shared" / NAME for i in (0, 1)]
    return next((place for place in places if place.is_file()), None)


def plain(cell: str) -> str:
    """A cell without its HTML; back-ticks stay, since they separate arguments."""
    return html.unescape(re.sub(r"<[^>]*>", "`" if "`" not in cell else "", cell)).strip()


def code_in(cell: str) -> str:
    return re.sub(r"\s+", " ", plain(cell).replace("`", " ")).strip()


def split_args(text: str) -> list[str]:
    """Arguments are separated by commas or just by blanks: ``a:str b:int=None``."""
    depth = 0
    parts = [""]
    for char in re.sub(r"\s*([:=])\s*", r"\1", text):
        depth += (char in "[(") - (char in "])")
        if char in ", " and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part]


def read_arg(text: str) -> tuple[str, str | None, str | None]:
    match = re.fullmatch(r"(\w+)(?::([^=]+))?(?:=(.+))?", text)
    assert match, f"cannot read the argument {text!r}"
    return match[1], match[2], match[3]


def read_rows(text: str) -> list[Row]:
    owner = ""
    rows = []
    for line in text.splitlines():
        heading = re.match(r"### (?:class `(\w+)`|Functions)", line)
        if heading:
            owner = heading[1] or ""
        cells = line[1:].split("|")
        if not line.startswith("|") or len(cells) < 5 or not re.search(r"`\w+`", cells[1]):
            continue
        decorators = frozenset(re.findall(r"@(\w+)", cells[0]))
        returns = code_in(cells[3]) or None
        args = tuple(read_arg(arg) for arg in split_args(code_in(cells[2])))
        name = code_in(cells[1])
        if owner == "DatabaseConfig" and not returns:
            name, returns = name.split()[0], code_in(cells[2])  # a row with a bar too few
            args = ()
        rows.append(Row(owner, name, decorators, args, returns))
    return rows


def read_implementations(text: str) -> dict[str, list[str]]:
    """Classes listed under a table, by the class that the table describes."""
    found: dict[str, list[str]] = {}
    owner = ""
    for line in text.splitlines():
        heading = re.match(r"### class `(\w+)`", line)
        owner = heading[1] if heading else owner
        if line.startswith("#### Current implementations"):
            found[owner] = re.findall(r"`(\w+)`", line)
    return found


SPEC = find_spec()
TEXT = SPEC.read_text(encoding="utf-8") if SPEC else ""
ROWS = read_rows(TEXT)
IMPLEMENTATIONS = read_implementations(TEXT)

# Where the documented type is not all: a host or port that is not set is the database's own
# default, and several hosts may have ports of their own.
WIDER = {"DatabaseConfig.host": "Optional[str]", "DatabaseConfig.port": "Union[int, str, None]"}


# ---- Compare -----------------------------------------------------------------------------


def read_stub() -> dict[str, Any]:
    """The native module's classes as its stub has them; stubtest compares both."""
    text = (Path(millpond.__file__).parent / "_native.pyi").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "stub"}
    exec(compile(text, "_native.pyi", "exec", __future__.annotations.compiler_flag), names)
    return names


STUB = read_stub()


def attribute_of(row: Row, owner: type | None = None) -> Any:
    """The method, with its annotations: that of the stub if it is written in C."""
    if not row.owner:
        return getattr(millpond, row.name)
    cls = owner or getattr(millpond, row.owner)
    if cls.__module__ == "millpond._native":
        assert hasattr(cls, row.name)
        cls = STUB[cls.__name__]
    return inspect.getattr_static(cls, row.name)


def function_of(attribute: Any) -> Callable[..., Any]:
    if isinstance(attribute, (classmethod, staticmethod)):
        return attribute.__func__
    if isinstance(attribute, property):
        assert attribute.fget
        return attribute.fget
    return attribute


SPEC_NAMES = {**vars(typing), **vars(millpond)}


def documented_type(text: str) -> Any:
    return eval(text, dict(SPEC_NAMES))


def narrower(actual: Any, documented: Any) -> bool:
    """True if a value of the actual type is always one of the documented type."""
    if documented in (Any, None, inspect.Signature.empty) or actual == documented:
        return True
    if actual is Any:
        return False
    if isinstance(actual, typing.TypeVar):  # what is given comes back
        bound = actual.__bound__ or Callable
        return narrower(bound, documented)
    union = (typing.Union, types.UnionType)
    if typing.get_origin(actual) in union:
        return all(narrower(part, documented) for part in typing.get_args(actual))
    if typing.get_origin(documented) in union:
        return any(narrower(actual, part) for part in typing.get_args(documented))
    outer = typing.get_origin(actual) or actual
    wanted = typing.get_origin(documented) or documented
    if wanted is Callable or wanted is typing.get_origin(Callable[..., Any]):
        return callable(outer) or outer is wanted
    if not (isinstance(outer, type) and isinstance(wanted, type) and issubclass(outer, wanted)):
        return False
    inner = typing.get_args(actual)
    wanted_inner = typing.get_args(documented)
    return (
        not inner
        or not wanted_inner
        or len(inner) != len(wanted_inner)
        or all(narrower(a, b) for a, b in zip(inner, wanted_inner, strict=True))
    )


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    module = inspect.getmodule(function)
    stub = STUB if function.__module__ == "stub" else {}
    names = {**SPEC_NAMES, "Self": Any, **(vars(module) if module else stub)}
    return typing.get_type_hints(function, globalns=names)


def awaited(hint: Any) -> Any:
    """What awaiting gives: the manager's value for what is used with ``async with``."""
    origin = typing.get_origin(hint)
    if origin in (Coroutine, typing.get_origin(typing.Coroutine)):
        return typing.get_args(hint)[2]
    managed = (contextlib.AbstractAsyncContextManager, contextlib.AbstractContextManager, Awaitable)
    return typing.get_args(hint)[0] if origin in managed else hint


def check_kind(row: Row, attribute: Any) -> None:
    for kind, cls in {
        "property": property,
        "classmethod": classmethod,
        "staticmethod": staticmethod,
    }.items():
        if kind in row.decorators:
            assert isinstance(attribute, cls), f"{row} is no {kind}"
    if not row.decorators & {"property"}:
        assert not isinstance(attribute, property), f"{row} is a property"
    if "staticmethod" not in row.decorators and isinstance(attribute, staticmethod):
        assert not row.args  # it can be called on an instance all the same


def check_async(row: Row, function: Callable[..., Any]) -> None:
    """Asynchronous ones are coroutine functions, or say that they return an awaitable."""
    returns = hints_of(function).get("return")
    origin = typing.get_origin(returns)
    is_async = inspect.iscoroutinefunction(function) or origin in (
        Awaitable,
        Coroutine,
        contextlib.AbstractAsyncContextManager,
    )
    assert is_async == ("async" in row.decorators), f"{row}: asynchronous is {is_async}"


def check_args(row: Row, function: Callable[..., Any], hints: dict[str, Any]) -> None:
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "cls")
    }
    names = [name for name, _, _ in row.args]
    assert list(parameters)[: len(names)] == names, f"{row} takes {list(parameters)}"
    for name, documented, default in row.args:
        parameter = parameters[name]
        if default is not None:
            assert parameter.default == documented_type(default), f"{row}: default of {name}"
        if documented is not None and hints:
            assert name in hints, f"{row}: {name} has no type"
            check_arg_type(row, name, hints[name], documented)
    for name in list(parameters)[len(names) :]:  # more than documented is optional
        parameter = parameters[name]
        optional = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        assert optional or parameter.default is not parameter.empty, f"{row} demands {name}"


def check_arg_type(row: Row, name: str, actual: Any, documented: str) -> None:
    """An argument may be of any documented type, and of more."""
    wanted = documented_type(documented)
    plain_wanted = tuple[Any, ...] if wanted in (tuple, typing.Tuple) else wanted  # noqa: UP006
    if typing.get_origin(actual) is Sequence or Sequence in map(
        typing.get_origin, typing.get_args(actual)
    ):
        kind = typing.get_origin(wanted) or wanted
        assert kind in (list, tuple), f"{row}: {name} takes lists and tuples, not {documented}"
        return
    assert narrower(plain_wanted, actual) or narrower(wanted, actual), (
        f"{row}: {name} is {actual}, not {documented}"
    )


def check_row(row: Row) -> None:
    attribute = attribute_of(row)
    check_kind(row, attribute)
    function = function_of(attribute)
    hints = hints_of(function)
    if "property" not in row.decorators:
        check_async(row, function)
        check_args(row, function, hints)
    if row.returns:
        actual = awaited(hints["return"])
        documented = documented_type(row.returns)
        if str(row) in WIDER:
            wider = documented_type(WIDER[str(row)])
            assert narrower(documented, wider), f"{row} returns {wider}, not {documented}"
            documented = wider
        assert narrower(actual, documented), f"{row} returns {actual}, not {documented}"
    elif "property" not in row.decorators:
        assert awaited(hints["return"]) is type(None), f"{row} returns {hints['return']}"


# ---- Tests -------------------------------------------------------------------------------


def test_the_spec_is_there_and_read_whole() -> None:
    if not SPEC and not os.environ.get("CI"):
        pytest.skip("the spec is not beside this clone: set MILLPOND_SPEC to its path")
    assert SPEC, "the spec is missing: set MILLPOND_SPEC"
    table_lines = [
        line for line in TEXT.split("Public API", 1)[1].splitlines() if re.match(r"\|.*`\w+`", line)
    ]
    assert len(ROWS) == len(table_lines) > 70
    assert {row.owner for row in ROWS} == {
        "AsyncConnection",
        "CircuitBreaker",
        "ConnectionManager",
        "ConnectionPool",
        "DatabaseConfig",
        "DatabaseFactory",
        "PoolManager",
        "SqlGenerator",
        "StatementCache",
        "SyncConnection",
        "",
    }


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_is_there_as_documented(row: Row) -> None:
    check_row(row)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(owner, name) for owner, names in IMPLEMENTATIONS.items() for name in names],
)
def test_an_implementation_has_all_of_its_class(owner: str, name: str) -> None:
    cls = getattr(millpond, name)
    assert issubclass(cls, getattr(millpond, owner))
    for row in ROWS:
        if row.owner == owner:
            attribute = attribute_of(row, cls)
            if "property" not in row.decorators:
                check_args(row, function_of(attribute), {})
    assert not inspect.isabstract(cls)


def test_mysql_has_both_spellings() -> None:
    assert millpond.Mysqldatabase is millpond.MysqlDatabase


def test_the_bases_are_those_documented() -> None:
    assert issubclass(millpond.ConnectionManager, millpond.DatabaseConfig)
    assert issubclass(millpond.ConnectionManager, millpond.PoolManager)
