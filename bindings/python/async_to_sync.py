#!/usr/bin/env python3
"""Makes the blocking half of the Python package of its asynchronous half.

    bindings/python/async_to_sync.py          write millpond/_sync anew
    bindings/python/async_to_sync.py --check  only say whether it is fresh

Each file of ``millpond/_async`` becomes the file of the same name in ``millpond/_sync``:

- ``async`` and ``await`` go. ``Awaitable[X]`` and ``Coroutine[..., X]`` become ``X``.
- Names change as the tables below say: ``AsyncStream`` becomes ``SyncStream``, ``run_async``
  becomes ``run_sync``, ``__aenter__`` becomes ``__enter__``. So does what docstrings say of them.
- A statement whose first line ends with ``# async only`` goes. One that ends with
  ``# sync: CODE`` becomes CODE.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent / "millpond"
CONFIG = PACKAGE.parents[2] / "pyproject.toml"
HEAD = """\
# Made of ../_async/{name} by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""

#: Whole words. What the patterns below would get wrong comes first.
WORDS = {
    "AbstractAsyncContextManager": "AbstractContextManager",
    "AsyncExitStack": "ExitStack",
    "AsyncIterable": "Iterable",
    "AsyncIterator": "Iterator",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "anext": "next",
    "asynccontextmanager": "contextmanager",
    "asynchronous": "synchronous",
    "Asynchronous": "Synchronous",
    "_test_connection": "_test_sync_connection",
    **{f"__a{name}__": f"__{name}__" for name in ("enter", "exit", "iter", "next")},
}

#: Parts of code and of docstrings, in this order.
PATTERNS = (
    (r"\b(\w*?)Async(\w+)\b", r"\1Sync\2"),
    (r"\b(\w+)_async(_\w+)?\b", r"\1_sync\2"),
    (r"\basync_(\w+)\b", r"sync_\1"),
    (r"\b_native\.Connection\b", "_native.SyncConnection"),
    (r"\b(_?pool(?:\(\))?)\.acquire\(", r"\1.acquire_sync("),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"``(?:async|await) ", "``"),
    (r"\ban (synchronous|Sync)", r"a \1"),
    (r"\bAn (synchronous|Sync)", r"A \1"),
)

Edit = tuple[int, int, str]  # from, to, what stands there instead


class Source:
    """A file of the asynchronous half, and where its nodes are."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def at(self, line: int, column: int) -> int:
        """The place of a line (from 1) and a column (in bytes, as ast counts)."""
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        it: ast.expr = node  # type: ignore[assignment]  # expressions and statements have these
        assert it.end_lineno is not None and it.end_col_offset is not None
        return self.at(it.lineno, it.col_offset), self.at(it.end_lineno, it.end_col_offset)

    def whole(self, node: ast.stmt | ast.excepthandler) -> tuple[int, int]:
        """A statement's lines, its decorators' and those of comments on them included."""
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(it.lineno for it in decorators)])
        assert node.end_lineno is not None
        return self.starts[first - 1], self.starts[node.end_lineno]

    def marked(self, node: ast.stmt | ast.excepthandler) -> Iterator[Edit]:
        """What a mark at the end of the statement's first line asks for."""
        mark = re.search(r"  # (?:(async only)|sync: (.*))$", self.lines[node.lineno - 1].rstrip())
        if mark:
            indent = " " * node.col_offset
            yield (*self.whole(node), f"{indent}{mark[2]}\n" if mark[2] else "")

    def changed(self, node: ast.AST) -> Iterator[Edit]:
        """Keywords and types that have no place in the blocking half."""
        if isinstance(node, (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)):
            start = self.span(node)[0]
            word = "await " if isinstance(node, ast.Await) else "async "
            assert self.text.startswith(word, start)
            yield start, start + len(word), ""
        elif isinstance(node, ast.comprehension) and node.is_async:
            start = self.text.rindex("async for", 0, self.span(node.target)[0])
            yield start, start + len("async "), ""
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            start, end = self.span(node)
            inner: ast.expr = node.slice
            if node.value.id == "Coroutine" and isinstance(inner, ast.Tuple):
                inner = inner.elts[-1]
            elif node.value.id != "Awaitable":
                return
            first, last = self.span(inner)
            yield start, first, ""
            yield last, end, ""

    def edits(self) -> list[Edit]:
        nodes = list(ast.walk(ast.parse(self.text)))
        may_be = [it for it in nodes if isinstance(it, (ast.stmt, ast.excepthandler))]
        marked = [edit for node in may_be for edit in self.marked(node)]
        inside = [e for node in nodes for e in self.changed(node)]
        return marked + [
            (a, b, new) for a, b, new in inside if not any(x <= a < y for x, y, _ in marked)
        ]


def renamed(text: str) -> str:
    text = re.sub(r"\b\w+\b", lambda found: WORDS.get(found[0], found[0]), text)
    for pattern, new in PATTERNS:
        text = re.sub(pattern, new, text)
    return text


def to_sync(text: str) -> str:
    """The blocking form of asynchronous source, not formatted yet."""
    source = Source(text)
    for start, end, new in sorted(source.edits(), reverse=True):
        text = text[:start] + new + text[end:]
    return renamed(text)


def ruff(*args: str, text: str, name: str) -> str:
    command = [sys.executable, "-m", "ruff", *args, "--config", str(CONFIG)]
    command += ["--stdin-filename", name, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def made_of(path: Path) -> str:
    """The file of the blocking half that belongs to one of the asynchronous half."""
    text = HEAD.format(name=path.name) + to_sync(path.read_text(encoding="utf-8"))
    name = str(path.parent.parent / "_sync" / path.name)
    text = ruff("check", "--fix-only", "--quiet", "--select", "F401,I,RUF022", text=text, name=name)
    return ruff("format", text=text, name=name)


def modules_of(folder: Path) -> dict[str, Path]:
    """Its files by name, but for the one that only says what the folder is."""
    return {path.name: path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"}


def stale(write: bool, package: Path = PACKAGE) -> list[str]:
    """The files of the blocking half that are not what they must be; written anew if asked."""
    wanted = {name: made_of(path) for name, path in modules_of(package / "_async").items()}
    there = modules_of(package / "_sync")
    found = [name for name in there if name not in wanted]
    for name in found if write else ():
        there[name].unlink()
    for name, text in wanted.items():
        if name not in there or there[name].read_text(encoding="utf-8") != text:
            found.append(name)
            if write:
                (package / "_sync" / name).write_text(text, encoding="utf-8")
    return found


def main() -> int:
    check = "--check" in sys.argv[1:]
    found = stale(write=not check)
    if check and found:
        print(f"millpond/_sync is stale ({', '.join(found)}): run bindings/python/async_to_sync.py")
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
