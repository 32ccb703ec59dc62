"""The pieces of code in README and the guides, as a test runs them.

Each page is one program: its Python blocks run in order, in one namespace, with ``await`` allowed
everywhere. Comments that a reader does not see prepare what a block needs:

    <!-- python
    ...
    -->

Where a page says ``postgres://me:secret@localhost/shop`` or ``mysql://…`` likewise, a database of
its own on the test server takes that place. A line's ``# -> text`` says what the block prints
there: all that it prints must be said. A block that begins with ``# program`` runs as a program of
its own, and one that begins with ``# file NAME`` is kept under that name for later blocks. Of
blocks for the shell, those that begin with a command of COMMANDS are run as well; the others build
and test millpond itself. A block of text right below one of these is what it prints, but for the
numbers.
"""

import ast
import contextlib
import inspect
import io
import os
import re
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Languages whose blocks are run here, and those that are something else than code of ours.
RUN = {"python", "c", "lua"}
READ = {"sh", "text", "toml", "sql", "cmake", "nginx"}

#: What is installed beside this Python.
COMMANDS = ("millpond", "pytest")

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", flags=re.M | re.S)
_INCLUDE = re.compile(r'^--8<-- "(.*)"$', flags=re.M)
_OUTPUT = re.compile(r"\s*```text\n(.*?)^```$", flags=re.M | re.S)
_HIDDEN = re.compile(r"^<!-- python\n(.*?)^-->$", flags=re.M | re.S)


class Block:
    def __init__(self, page: Path, line: int, language: str, code: str, output: str = "") -> None:
        self.page, self.line, self.language, self.code = page, line, language, code
        self.output = output  # as the page shows it

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """In the page's order, those that are hidden too."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        code = re.sub(rf"^{match[1]}", "", match[3], flags=re.M)
        code = _INCLUDE.sub(lambda found: (ROOT / found[1]).read_text(), code)
        output = _OUTPUT.match(text, match.end()) if match[2] == "sh" else None
        found.append((match.start(), match[2], code, output[1] if output else ""))
    found += [(match.start(), "python", match[1], "") for match in _HIDDEN.finditer(text)]
    return [
        Block(page, text.count("\n", 0, start) + 1, language, code, output)
        for start, language, code, output in sorted(found)
    ]


def expected(code: str) -> list[str]:
    return re.findall(r"# -> (.*)$", code, flags=re.M)


def check_printed(block: Block, printed: str) -> None:
    assert printed.splitlines() == expected(block.code), f"{block.place} printed:\n{printed}"


def run_process(block: Block, command: list[str], folder: Path) -> str:
    """What it prints."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, f"{block.place} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def run_program(block: Block, code: str, folder: Path) -> None:
    check_printed(block, run_process(block, [sys.executable, "-X", "dev", "-c", code], folder))


def run_commands(block: Block, code: str, folder: Path) -> None:
    """Only where it is said what they print must they print just that."""
    printed = run_process(block, ["bash", "-euc", code], folder)
    if block.output:
        shown, real = without_numbers(block.output), without_numbers(printed)
        assert shown == real, f"{block.place} printed:\n{printed}"
    elif expected(code):
        check_printed(block, printed)


def without_numbers(text: str) -> list[list[str]]:
    """The words of each line, where a column is as wide as its numbers are."""
    return [re.sub(r"[\d.:+-]*\d", "#", line).split() for line in text.splitlines()]


async def run_piece(block: Block, code: str, names: dict[str, object]) -> None:
    """In the page's namespace; an error names the line of the page."""
    source = "\n" * block.line + code
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    made = compile(source, str(block.page), "exec", flags=flags, dont_inherit=True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = types.FunctionType(made, names)()
        if inspect.isawaitable(result):
            await result
    check_printed(block, printed.getvalue())


def placed(code: str, places: dict[str, str]) -> str:
    """The code with real addresses, however the shown ones are broken into lines."""
    for shown, real in places.items():
        pattern = r"\s+".join(map(re.escape, shown.split()))
        code = re.sub(pattern, lambda _, real=real: real, code)
    return code


async def run_page(page: Path, places: dict[str, str], folder: Path) -> int:
    """Run a page's Python in a folder that is current; returns how many blocks that were."""
    names: dict[str, object] = {"__name__": "snippet"}
    count = 0
    for block in blocks_of(page):
        code = placed(block.code, places)
        if block.language == "sh" and code.startswith(COMMANDS):
            run_commands(block, code, folder)
        if block.language != "python":
            continue
        first = code.partition("\n")[0]
        if first.startswith("# file "):
            (folder / first.removeprefix("# file ")).write_text(code)
        elif first.startswith("# program"):
            run_program(block, code, folder)
        else:
            await run_piece(block, code, names)
        count += 1
    return count
