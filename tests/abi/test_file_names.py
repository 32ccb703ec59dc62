"""Comments and documents name files: each of them exists."""

import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(
    r"(?<![\w/.%{<*$-])((?:[\w-]+/)*[\w-]+\.(?:c|h|pyi?|lua|md|sh|cmake))(?![\w(*/-])"
)
COMMENTS = {
    (".c", ".h"): re.compile(r"/\*.*?\*/", re.S),
    (".py", ".sh", ".cmake", ".txt"): re.compile(r"(?:^|\s)#\s.*"),
    (".lua",): re.compile(r"--.*"),
    (".md",): re.compile(r"`[^`\n]+`|\]\([^)\n]*\)"),
}
# Files of other projects, and of the programs in examples.
OTHERS = {"uv.h", "file.lua"}


def tracked() -> tuple[str, ...]:
    """All files of the project but the frozen headers of releases."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return tuple(name for name in listed if not name.startswith("tests/abi/frozen/"))


def named(text: str, suffix: str) -> Iterator[str]:
    """The names of files in the comments of a source text, or in the code spans of a document."""
    for suffixes, comment in COMMENTS.items():
        if suffix in suffixes:
            for part in comment.findall(text):
                yield from NAME.findall(part)


@functools.cache
def endings(files: tuple[str, ...]) -> set[str]:
    """The paths of the files, with and without their first folders."""
    return {"/".join(path.split("/")[at:]) for path in files for at in range(path.count("/") + 1)}


def unknown(text: str, suffix: str, files: tuple[str, ...]) -> list[str]:
    """The names in `text` that no file has: a name may leave out the first folders of its path."""
    known = endings(files) | OTHERS
    return [name for name in named(text, suffix) if name not in known]


def test_every_file_that_is_named_exists() -> None:
    files = tracked()
    wrong = [
        f"{file}: {name}"
        for file in files
        if (ROOT / file).is_file()
        for suffix in [Path(file).suffix]
        if any(suffix in suffixes for suffixes in COMMENTS)
        for name in unknown((ROOT / file).read_text(errors="replace"), suffix, files)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("/* See core/\n * gone.h and loop.c */", ".c"),
        ("# as in gone.h and loop.c", ".py"),
        ("-- gone.h, loop.c", ".lua"),
        ("`core/gone.h` and [this](core/loop/loop.c)", ".md"),
    ],
)
def test_a_file_that_does_not_exist_is_noticed(text: str, suffix: str) -> None:
    files = ("core/loop/loop.c",)
    assert [name.removeprefix("core/") for name in unknown(text, suffix, files)] == ["gone.h"]
