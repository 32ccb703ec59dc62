"""The reference is made from the headers without a warning, and misses nothing."""

import shutil
import subprocess
from pathlib import Path

from headers import INCLUDE, ROOT, declared

SETTINGS = ROOT / "abi" / "reference" / "Doxyfile"


def make(headers: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    text = SETTINGS.read_text().replace("abi/include", str(headers))
    text += f"OUTPUT_DIRECTORY = {folder}\nGENERATE_HTML = NO\n"
    return subprocess.run(["doxygen", "-"], input=text, cwd=ROOT, capture_output=True, text=True)


def test_every_function_has_a_page_and_nothing_is_warned_of(tmp_path: Path) -> None:
    done = make(INCLUDE, tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    pages = {path.stem for path in (tmp_path / "man" / "man3").iterdir()}
    assert declared() - pages == set()
    assert {"POND_ETIMEDOUT", "POND_TYPE_UUID", "pond_value", "pond_op"} <= pages


def test_a_function_without_a_comment_is_warned_of(tmp_path: Path) -> None:
    headers = tmp_path / "include"
    shutil.copytree(INCLUDE, headers)
    header = headers / "millpond" / "millpond.h"
    text = header.read_text()
    before, mark, after = text.partition("/* Text made by the library.")
    assert mark
    header.write_text(before + "POND_API int pond_silent(int number);\n\n" + mark + after)
    done = make(headers, tmp_path / "out")
    assert done.returncode != 0
    assert "pond_silent" in done.stderr
