"""What the public headers declare, and what the library exports."""

import re
import subprocess
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Function:
    """A public function as the header writes it; parameters are pairs of type and name."""

    name: str
    returns: str
    parameters: tuple[tuple[str, str], ...]


def parameter(text: str) -> tuple[str, str]:
    """The type and the name of one parameter: arrays are pointers."""
    callback = re.fullmatch(r"(.*)\(\*(\w+)\)(\(.*\))", text)
    if callback:
        return "function *", callback.group(2)
    kind, name, size = re.fullmatch(r"(.*?)(\w+)(\[\w+\])?", text).groups()  # type: ignore[union-attr]
    kind = " ".join((kind + ("*" if size else "")).split())
    return ("function *" if kind == "pond_url_setting" else kind), name


def functions() -> list[Function]:
    """All that is marked POND_API, in the order of the headers."""
    found: list[Function] = []
    for header in HEADERS:
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        pattern = r"^POND_API\b([^;{]*?)\b(pond_\w+)\s*\((.*?)\);"
        for returns, name, rest in re.findall(pattern, text, flags=re.M | re.S):
            parts = re.split(r",\s*(?![^()]*\))", " ".join(rest.split()))
            parameters = [] if parts == ["void"] else [parameter(part) for part in parts]
            found.append(Function(name, returns.strip(), tuple(parameters)))
    return found


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
