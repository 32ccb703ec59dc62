"""Keep what a release promises in tests/abi/frozen/MAJOR.MINOR: run it when the version is final.

Until the release, run it again when the interface changes; afterwards, never for that version.
"""

import re
import shutil
import tempfile
from pathlib import Path

import stub
from headers import INCLUDE, ROOT, exported_versions

FROZEN = ROOT / "tests" / "abi" / "frozen"
LAYOUT = ROOT / "abi" / "layout.c"
CONSUMER = ROOT / "tests" / "abi" / "consumer" / "consumer.c"


def version() -> str:
    text = (INCLUDE / "millpond" / "millpond.h").read_text()
    found = re.findall(r"#define POND_VERSION_(?:MAJOR|MINOR) (\d+)", text)
    return ".".join(found)


def freeze(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(INCLUDE, folder / "include")
    shutil.copy(CONSUMER, folder)
    shutil.copy(LAYOUT, folder)
    with tempfile.TemporaryDirectory() as scratch:
        library = stub.build(INCLUDE, Path(scratch))
        stub.describe(library, folder / "libmillpond.abi")
        symbols = exported_versions(library)
    lines = [f"{name} {node}" for name, node in sorted(symbols.items())]
    (folder / "symbols.txt").write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    freeze(FROZEN / version())
    print(f"kept {FROZEN / version()}")
