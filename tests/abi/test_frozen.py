"""Today's library keeps the promises of each release that tests/abi/frozen holds."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import stub
from freeze import FROZEN, version
from headers import INCLUDE, LIBRARY, exported_versions, structs

RELEASES = sorted(path.name for path in FROZEN.iterdir())


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> Path:
    return FROZEN / str(request.param)


def sized() -> list[str]:
    """The structs that begin with their size, and so may grow at the end."""
    return [name for name, members in structs().items() if members[0] == "struct_size"]


def moved(release: Path, include: Path, folder: Path) -> str:
    """What the compiler says of the layouts that were promised, with the headers of `include`."""
    text = (release / "layout.c").read_text()
    for name in sized():
        text = re.sub(
            rf"SIZE\({name}, (\d+)\)",
            rf'_Static_assert(sizeof({name}) >= \1, "size of {name} shrank")',
            text,
        )
    source = folder / "layout.c"
    source.write_text(text)
    command = ["gcc", "-std=c11", "-fsyntax-only", f"-I{include}", str(source)]
    return subprocess.run(command, capture_output=True, text=True).stderr


def differs(release: Path, library: Path, folder: Path) -> str:
    """What abidiff finds, additions aside; the layouts of growing structs are for moved()."""
    suppressions = folder / "suppressions"
    suppressions.write_text("".join(f"[suppress_type]\nname = {name}\n\n" for name in sized()))
    command = ["abidiff", "--no-added-syms", "--suppressions", str(suppressions)]
    command += [str(release / "libmillpond.abi"), str(library)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode & 3, done.stderr  # it could not compare
    return done.stdout if done.returncode else ""


def test_the_current_version_is_among_them() -> None:
    assert version() in RELEASES


@pytest.mark.slow
def test_its_symbols_are_there_in_its_version(release: Path) -> None:
    promised = dict(line.split() for line in (release / "symbols.txt").read_text().splitlines())
    assert len(promised) > 100
    assert promised.items() <= exported_versions(LIBRARY).items()


@pytest.mark.slow
def test_a_program_of_its_time_runs(release: Path, tmp_path: Path) -> None:
    """Compiled against its headers, linked against no more than they declare."""
    include = release / "include"
    stub.build(include, tmp_path)
    program = tmp_path / "consumer"
    command = ["cc", "-Wall", "-Werror", "-o", str(program), str(release / "consumer.c")]
    command += [f"-I{include}", f"-L{tmp_path}", "-lmillpond", "-lpthread"]
    subprocess.run(command, check=True)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARY.parent)}
    done = subprocess.run([program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_only_additions_were_made(release: Path, tmp_path: Path) -> None:
    found = differs(release, LIBRARY, tmp_path) + moved(release, INCLUDE, tmp_path)
    assert found == "", (
        f"{found}\nIf {release.name} is not released yet, run: python3 tests/abi/freeze.py"
    )


def change(header: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(include: Path) -> None:
        path = include / "millpond" / header
        text = path.read_text()
        assert text.count(old) == 1, old
        path.write_text(text.replace(old, new))

    return apply


GOOD = {
    "a new function": change(
        "millpond.h",
        "POND_API const char *pond_version(void);",
        "POND_API const char *pond_version(void);\nPOND_API int pond_new(int number);",
    ),
    "a new field at the end": change(
        "entity.h",
        "    uint64_t first_record;   /* how errors count the first of many records */\n}",
        "    uint64_t first_record;\n    uint64_t more;\n}",
    ),
    "a new constant": change(
        "millpond.h", "    POND_ROLLBACK = 3\n", "    POND_ROLLBACK = 3,\n    POND_SAVE = 4\n"
    ),
}

BAD = {
    "a function is gone": change(
        "millpond.h", "POND_API const char *pond_version(void);", "typedef int pond_dummy;"
    ),
    "another type of argument": change(
        "millpond.h",
        "pond_op *op, int64_t timeout_ms, pond_error **err",
        "pond_op *op, int32_t timeout_ms, pond_error **err",
    ),
    "a field in the middle": change(
        "millpond.h",
        "    int64_t timeout_ms;   /*",
        "    int64_t pause_ms;\n    int64_t timeout_ms;   /*",
    ),
    "another number": change("millpond.h", "    POND_ROLLBACK = 3\n", "    POND_ROLLBACK = 9\n"),
    "a struct without a size grew": change(
        "types.h", "    int32_t aux;   /*", "    int32_t more;\n    int32_t aux;   /*"
    ),
}


def after(apply: Callable[[Path], None], folder: Path) -> str:
    """What is found once the headers were changed."""
    include = folder / "include"
    shutil.copytree(INCLUDE, include)
    apply(include)
    library = stub.build(include, folder / "changed")
    release = FROZEN / version()
    return differs(release, library, folder) + moved(release, include, folder)


@pytest.mark.parametrize("what", GOOD)
def test_an_addition_is_allowed(what: str, tmp_path: Path) -> None:
    assert after(GOOD[what], tmp_path) == ""


@pytest.mark.parametrize("what", BAD)
def test_a_broken_promise_would_be_noticed(what: str, tmp_path: Path) -> None:
    assert after(BAD[what], tmp_path) != ""


def test_a_description_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    made = []
    for name in ("one", "another"):
        out = tmp_path / f"{name}.abi"
        stub.describe(stub.build(INCLUDE, tmp_path / name), out)
        made.append(out.read_text())
    assert made[0] == made[1]
