"""What the public headers declare, and what the library exports."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "abi" / "include"
HEADERS = sorted(INCLUDE.glob("millpond/*.h"))
LIBRARY = ROOT / "build" / "release" / "abi" / "libmillpond.so"


def declared() -> set[str]:
    """The functions that are marked POND_API."""
    names: set[str] = set()
    for header in HEADERS:
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        names.update(re.findall(r"^POND_API\b[^;{]*?\b(pond_\w+)\s*\(", text, flags=re.M))
    return names


def structs() -> dict[str, list[str]]:
    """The structs whose inside is public, and their members in order."""
    found: dict[str, list[str]] = {}
    for header in HEADERS:
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for name, body in re.findall(r"^typedef struct (\w+) \{(.*?)^\}", text, re.S | re.M):
            flat = re.sub(r"\{.*\}", "", body, flags=re.S)
            members = re.findall(r"\(\*(\w+)\)\(|(\w+)(?:\[\w+\])?;", flat)
            found[name] = [pointer or plain for pointer, plain in members]
    return found


def exported_versions(library: Path = LIBRARY) -> dict[str, str]:
    """The dynamic symbols that a library defines, each with its version node."""
    lines = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    symbols = [line.split()[-1].split("@") for line in lines if line.split()[-2] != "A"]
    return {parts[0]: parts[-1] for parts in symbols}


def exported(library: Path = LIBRARY) -> set[str]:
    """Their names."""
    return set(exported_versions(library))
