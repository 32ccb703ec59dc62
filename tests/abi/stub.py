"""A library with nothing but the interface that some headers declare.

Its description holds what was promised and none of the inside; and what is linked against it asks
for no more than those headers offer.
"""

import re
import subprocess
from pathlib import Path

from headers import ROOT

MAP = ROOT / "abi" / "millpond.map"


def source(include: Path) -> str:
    """Each declared function, with a body that is never run."""
    headers = sorted(include.glob("millpond/*.h"))
    lines = [f"#include <millpond/{header.name}>" for header in headers]
    for header in headers:
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for function in re.findall(r"^POND_API\b([^;{]*);", text, flags=re.M):
            lines.append(f"{function.strip()} {{ __builtin_trap(); }}")
    return "\n".join([*lines, ""])


def build(include: Path, folder: Path) -> Path:
    """libmillpond.so in a folder, from the headers below `include`."""
    folder.mkdir(parents=True, exist_ok=True)
    code, library = folder / "stub.c", folder / "libmillpond.so"
    code.write_text(source(include))
    command = ["gcc", "-g", "-w", "-shared", "-fPIC", f"-I{include}", "-DPOND_BUILDING"]
    command += [f"-fdebug-prefix-map={folder}/="]  # the same bytes wherever it is made
    command += ["-Wl,-soname,libmillpond.so.0", f"-Wl,--version-script={MAP}"]
    subprocess.run([*command, "-o", str(library), str(code)], check=True)
    return library


def describe(library: Path, out: Path) -> None:
    """Write what abidiff compares with later."""
    options = ["--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed"]
    subprocess.run(["abidw", *options, "--out-file", str(out), str(library)], check=True)
