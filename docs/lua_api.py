#!/usr/bin/env python3
"""Makes docs/reference/lua.md of the annotations in bindings/lua/millpond: run it after a change of
these. tests/docs finds out whether it was run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "bindings/lua/millpond"
PAGE = ROOT / "docs/reference/lua.md"

HEAD = """# Lua

The functions of `require "millpond"`, and the methods of what they return; [the guide](../lua.md) shows them at work. A type with `?` may be `nil`. A function that returns `err` returns `nil` and an [error object](#errors) when it fails; mistakes of the program are raised. Inside a coroutine each call waits by yielding.
"""  # noqa: E501

# title, text, what calls begin with, (file, class in it) in order
SECTIONS: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Databases", "What `create_database` and `from_url` return.", "db:",
     (("database", "Database"), ("lend", "methods"))),
    ("Connections", "What `db:connection()` returns.",
     "conn:", (("meta", "Connection"), ("fetch", "methods"), ("connection", "methods"),
               ("stream", "methods"))),
    ("Sessions", "What `millpond.session()` returns.", "session:",
     (("meta", "Session"), ("session", "Session"))),
    ("Streams", "What `conn:stream()` returns: an iterator.", "stream:", (("stream", "Stream"),)),
    ("Entities", "Methods of connections. [The guide](../entities.md) tells what entities are.",
     "conn:", (("entity", "methods"),)),
    ("Tasks", "What `millpond.spawn()` returns.", "task:", (("task", "Task"),)),
    ("Breakers", "What `millpond.circuit_breaker()` returns.", "breaker:",
     (("meta", "Breaker"), ("resilience", "Breaker"))),
    ("Backends", "What `millpond.backend()` returns; see [the guide](../lua.md#backends-in-lua).",
     "backend:", (("backend", "Backend"),)),
    ("Errors", "What a call returns after `nil`, or raises. `tostring(err)` is one line: where the "
     "program made the call, class, message, SQLSTATE.", "err:", (("errors", "methods"),)),
)  # fmt: skip

# Tables of fields: the class's name in the annotations, the heading, and the section it belongs to.
CLASSES = (
    ("millpond.ExecuteOptions", "Options of a statement", "Connections"),
    ("millpond.ConnectionOptions", "Options of a connection", "Databases"),
    ("millpond.StreamOptions", "Options of a stream", "Connections"),
    ("millpond.Rows", "Rows", "Connections"),
    ("millpond.EntityOptions", "Options of an entity call", "Entities"),
    ("millpond.BreakerOptions", "Options of a breaker", "Breakers"),
    ("millpond.RetryOptions", "Options of a retry", "Breakers"),
    ("millpond.Backend", "Functions of a backend", "Backends"),
    ("millpond.Error", "Fields of an error", "Errors"),
    ("millpond.Value", "Values", "Values"),
)


@dataclasses.dataclass
class Block:
    """A comment of three dashes, and the function or class below it."""

    text: str
    params: list[tuple[str, str]]
    returns: list[str]
    owner: str = ""
    name: str = ""
    arguments: str = ""


@dataclasses.dataclass
class Class:
    """Fields of a table: (name, type, text)."""

    text: str
    fields: list[tuple[str, str, str]]


def _blocks(file: str) -> Iterator[tuple[list[str], str]]:
    """Comments, and the line below each."""
    comment: list[str] = []
    for line in (SOURCES / f"{file}.lua").read_text(encoding="utf-8").splitlines():
        if line.startswith("---") and not line.startswith("----"):
            comment.append(line[3:])
        else:
            if comment or line.startswith("function"):
                yield comment, line
            comment = []


def _text(comment: list[str]) -> str:
    return " ".join(line.strip() for line in comment if not line.startswith("@")).strip()


def functions(file: str) -> list[Block]:
    """All functions that have a name of their own."""
    found = []
    for comment, line in _blocks(file):
        match = re.match(r"function (\w+)[.:](\w+)\(([^)]*)\)", line)
        if match and not match[2].startswith("_"):
            params = [re.match(r"@param (\S+) (.*)", part) for part in comment]
            block = Block(
                _text(comment),
                [(part[1], part[2]) for part in params if part],
                [part.removeprefix("@return ") for part in comment if part.startswith("@return")],
                *match.groups(),
            )
            if "..." not in [name for name, _ in block.params]:
                block.arguments = block.arguments.removesuffix(", ...")
            if block.text or block.params or block.returns:
                found.append(block)
    return found


def classes() -> dict[str, Class]:
    """All classes with fields."""
    found: dict[str, Class] = {}
    for file in sorted(path.stem for path in SOURCES.glob("*.lua")):
        for comment, _ in _blocks(file):
            head = next((line for line in comment if line.startswith("@class ")), None)
            fields = [re.match(r"@field (\S+) (.*)", part) for part in comment]
            if head and any(fields):
                name, _, text = head.removeprefix("@class ").partition(" ")
                told = _text(comment) or re.sub(r"^: \S+", "", text).strip()
                listed = [(field[1], *_kind(field[2])) for field in fields if field]
                found[name.rstrip(":")] = Class(told, listed)
    return found


def exported() -> list[tuple[str, Block]]:
    """The functions of the module by their public names."""
    text = (SOURCES / "init.lua").read_text(encoding="utf-8")
    table = text.split("local millpond = {")[1].split("\n}")[0]
    by_module: dict[str, dict[str, Block]] = {}
    found = []
    for name, module, inner in re.findall(r"^  (\w+) = (\w+)\.(\w+),", table, re.M):
        file = "meta" if module == "core" else module
        known = by_module.setdefault(file, {f"{b.owner}.{b.name}": b for b in functions(file)})
        if block := known.get(f"{module}.{inner}"):
            found.append((name, block))
        elif name not in ("version", "null", "error_codes"):
            raise SystemExit(f"millpond.{name} ({module}.{inner}) has no annotations")
    return found + [(block.name, block) for block in functions("init")]


def _escape(text: str) -> str:
    """Words of a program in the text look like it."""
    return re.sub(r"(?<![`\w])(millpond\.\w+(?:\([^)]*\))?|true|false|nil)(?![`\w])", r"`\1`", text)


def _kind(told: str) -> tuple[str, str]:
    """A type, and what is said of it."""
    depth, at = 0, 0
    for at, letter in enumerate(told + " "):
        depth += (letter in "({<") - (letter in ")}>")
        if letter == " " and not depth and not told[:at].endswith((":", ",")):
            break
    return told[:at], told[at:].strip()


def _function(title: str, block: Block) -> list[str]:
    lines = ["", f"### `{title}({block.arguments})`"]
    if block.text:
        lines += [_escape(block.text), ""]
    for name, told in block.params:
        kind, text = _kind(told)
        optional = ", optional" if name.endswith("?") else ""
        said = f": {_escape(text)}" if text else ""
        lines.append(f"- `{name.rstrip('?')}` (`{kind}`{optional}){said}")
    returned = [told for told in block.returns if told != "millpond.Error? err"]
    for told in returned:
        kind, text = _kind(told)
        name, _, text = text.partition(" ")
        fails = ", or `nil, err`" if len(returned) < len(block.returns) else ""
        said = f": {_escape(text)}" if text else ""
        shown = f"`{name}` (`{kind}`)" if name else f"`{kind}`"
        lines.append(f"- returns {shown}{fails}{said}")
    return lines


def _class(title: str, made: Class) -> list[str]:
    lines = ["", f"### {title}", ""]
    if made.text:
        lines += [_escape(made.text[0].upper() + made.text[1:]).rstrip(".") + ".", ""]
    lines += ["| field | type | |", "|---|---|---|"]
    for name, kind, text in made.fields:
        shown = kind.replace("|", "\\|")
        lines.append(f"| `{name.rstrip('?')}` | `{shown}` | {_escape(text)} |")
    return lines


def page() -> str:
    """The whole page."""
    known = classes()
    lines = [HEAD.strip(), "", "## The module", ""]
    lines += ["`millpond.null` stands for NULL; `millpond.version` is text; `millpond.error_codes` "
              "has a text for each code of an error."]  # fmt: skip
    for name, block in exported():
        lines += _function(f"millpond.{name}", block)
    for title, text, before, sources in SECTIONS:
        lines += ["", f"## {title}", "", text]
        for file, owner in sources:
            for block in functions(file):
                if block.owner == owner:
                    lines += _function(before + block.name, block)
        for name, heading, section in CLASSES:
            if section == title:
                lines += _class(heading, known[name])
    value = known["millpond.Value"]
    lines += ["", "## Values", "", value.text]
    lines += _class("Fields of a value", Class("", value.fields))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
