"""The public headers compile alone in each language that they promise, and hold their layouts."""

import subprocess
from pathlib import Path

import pytest
from headers import HEADERS, INCLUDE, ROOT, structs

LAYOUT = ROOT / "abi" / "layout.c"
ANY = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pedantic-errors", "-Wshadow", "-Wconversion"]
GCC = [*ANY, "-Wsign-conversion", "-Wundef", "-Wcast-qual", "-Wredundant-decls", "-Wpadded"]
# All that clang knows, but for taste: what C99 cannot have, what is meant, what is of the past.
CLANG = [
    *ANY,
    "-Weverything",
    "-Wno-c++98-compat-pedantic",
    "-Wno-reserved-macro-identifier",
    "-Wno-documentation-unknown-command",
]
LANGUAGES = {
    "C99": ("gcc", "clang", "-std=c99", ".c"),
    "C11": ("gcc", "clang", "-std=c11", ".c"),
    "C++11": ("g++", "clang++", "-std=c++11", ".cpp"),
    "C++20": ("g++", "clang++", "-std=c++20", ".cpp"),
}


def compiles(command: list[str], source: str, folder: Path, suffix: str) -> tuple[bool, str]:
    path = folder / f"test{suffix}"
    path.write_text(source)
    done = subprocess.run(
        [*command, "-fsyntax-only", f"-I{INCLUDE}", str(path)], capture_output=True, text=True
    )
    return done.returncode == 0, done.stderr


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_header_compiles_alone(
    header: Path, language: str, compiler: str, tmp_path: Path
) -> None:
    gcc, clang, standard, suffix = LANGUAGES[language]
    command = [gcc, standard, *GCC] if compiler == "gcc" else [clang, standard, *CLANG]
    source = f"#include <millpond/{header.name}>\n" * 2 + "extern int used;\n"
    right, said = compiles(command, source, tmp_path, suffix)
    assert right, said


def test_structs_have_the_layouts_that_were_promised(tmp_path: Path) -> None:
    right, said = compiles(["gcc", "-std=c11"], LAYOUT.read_text(), tmp_path, ".c")
    assert right, said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIZE(pond_value, 24)", "SIZE(pond_value, 32)"),
        ("AT(pond_pool_status, errors, 56)", "AT(pond_pool_status, errors, 48)"),
        ("POND_EUNDEFINED == -34", "POND_EUNDEFINED == -35"),
    ],
)
def test_the_layout_check_would_notice_a_change(old: str, new: str, tmp_path: Path) -> None:
    layout = LAYOUT.read_text()
    assert old in layout
    right, said = compiles(["gcc", "-std=c11"], layout.replace(old, new), tmp_path, ".c")
    assert not right and "changed" in said


def test_the_layout_of_every_public_struct_is_checked() -> None:
    checked = LAYOUT.read_text()
    assert len(structs()) > 3
    for name, members in structs().items():
        assert f"SIZE({name}, " in checked, f"run tests/abi/update_layout.py for {name}"
        missing = [member for member in members if f"AT({name}, {member}, " not in checked]
        assert not missing, f"run tests/abi/update_layout.py for {name}"
