"""Files and functions stay small enough to be read at once."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from headers import ROOT

FILE_LIMIT = 800  # no file is longer
USUAL_FILE = 400  # and hardly any than this
FUNCTION_LIMIT = 80

# Functions that are longer for a reason: "path:name": "why".
LONGER: dict[str, str] = {
    "tests/lua/entity_spec.lua:tests": "a suite: the tests are the functions inside",
}

SOURCES = (".c", ".h", ".cpp", ".py", ".pyi", ".lua", ".sh", ".js", ".go", ".rs", ".md", ".txt")


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    frozen = "tests/abi/frozen/"  # copies of what was released
    return [
        ROOT / name
        for name in listed
        if name.endswith(SOURCES) and not name.startswith(frozen) and (ROOT / name).exists()
    ]


def c_functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of each function: clang-format puts its braces alone at the margin."""
    lines = text.splitlines()
    for begin, line in enumerate(lines):
        if line != "{":
            continue
        head = begin - 1
        while head > 0 and lines[head - 1] and not re.match(r"[}#/]|.*(;|\*/)$", lines[head - 1]):
            head -= 1
        name = re.search(r"(\w+)\(", " ".join(lines[head:begin]))
        end = lines.index("}", begin)
        if name:
            yield name.group(1), end - head + 1


def python_functions(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def lua_functions(text: str) -> Iterator[tuple[str, int]]:
    """By indentation: `end` stands below the line that began the function."""
    lines = text.splitlines()
    for begin, line in enumerate(lines):
        found = re.match(r"(\s*)(?:local )?(?:function ([\w.:]+)|([\w.]+) = function\()", line)
        if found and not re.search(r"\bend\b", line):
            closing = re.compile(rf"{found.group(1)}end\b")
            end = next(i for i in range(begin, len(lines)) if closing.match(lines[i]))
            yield found.group(2) or found.group(3), end - begin + 1


READERS = {
    ".c": c_functions,
    ".h": c_functions,
    ".py": python_functions,
    ".lua": lua_functions,
}


def functions() -> Iterator[tuple[str, int]]:
    """`path:name` and length of every function."""
    for path in files():
        if reader := READERS.get(path.suffix):
            for name, length in reader(path.read_text()):
                yield f"{path.relative_to(ROOT)}:{name}", length


def test_no_file_is_too_long_and_most_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): path.read_text().count("\n")
        for path in files()
        if path.suffix != ".txt"
    }
    assert len(lengths) > 200
    assert {name: length for name, length in lengths.items() if length > FILE_LIMIT} == {}
    longer = [name for name, length in lengths.items() if length > USUAL_FILE]
    assert len(longer) < len(lengths) / 10, longer


def test_no_function_is_too_long_without_a_reason() -> None:
    found = dict(functions())
    assert len(found) > 1000
    long = {name: length for name, length in found.items() if length > FUNCTION_LIMIT}
    assert {name: length for name, length in long.items() if name not in LONGER} == {}
    assert set(LONGER) <= set(long), "a reason that is no longer needed"


def test_the_measure_sees_a_long_function() -> None:
    body = "    call();\n" * 90
    c = f"/* A comment. */\nint long_one(int first,\n             int second)\n{{\n{body}}}\n"
    assert list(c_functions(c + "\nint b(void)\n{\n}\n")) == [("long_one", 94), ("b", 3)]
    assert list(python_functions("def long_one():\n" + body)) == [("long_one", 91)]
    lua = f"local function long_one()\n{body}end\n\nM.b = function()\nend\n"
    assert list(lua_functions(lua)) == [("long_one", 92), ("M.b", 2)]
