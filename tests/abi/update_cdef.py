"""Write resty/millpond/cdef.lua of bindings/luajit anew: the headers, as LuaJIT reads them.

Without Arrow, whose structs other libraries declare, too, and without what only a compiler needs.
"""

import re
import subprocess
import textwrap
from pathlib import Path

from headers import INCLUDE, ROOT

CDEF = ROOT / "bindings" / "luajit" / "resty" / "millpond" / "cdef.lua"
HEAD = """\
-- What the public headers declare. Written by tests/abi/update_cdef.py.
local ffi = require("ffi")

if not pcall(ffi.typeof, "pond_value") then
    ffi.cdef([[
"""
TAIL = """\
]])
end

local constants = {
"""


def preprocessed(include: Path) -> str:
    """The declarations of the library's own headers alone: what they include ends at a mark."""
    command = ["cc", "-E", "-P", "-std=c11", "-DPOND_STATIC", f"-I{include}", "-xc", "-"]
    program = "#include <stdint.h>\n#include <stddef.h>\nint mark_of_update_cdef;\n"
    program += "#include <millpond/millpond.h>\n#include <millpond/driver.h>\n"
    done = subprocess.run(command, input=program, capture_output=True, text=True, check=True)
    return done.stdout.split("int mark_of_update_cdef;\n")[1]


def constants(include: Path) -> dict[str, str]:
    """The #defines that are numbers; those of enums are in the declarations."""
    found: dict[str, str] = {}
    for header in sorted(include.glob("millpond/*.h")):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for name, value in re.findall(r"^#define (POND_\w+) +(\S.*?)\s*$", text, flags=re.M):
            number = re.fullmatch(r"(?:\(\(int64_t\))?(-?\d+)u?\)?", value)
            if number and not name.startswith("POND_ERROR"):
                found[name] = number.group(1)
    return found


def tidy(text: str) -> str:
    """One declaration a paragraph, as wide as a line may be."""
    text = re.sub(r"\benum (\w+ )?\{(.*?)\}", enum_on_one_line, text, flags=re.S)
    text = re.sub(r"(?<![{};])\n\s*", " ", text)  # a declaration that goes on
    lines = []
    text = re.sub(r"= \((-\d+)\)", r"= \1", re.sub(r"^ (?! )", "", text, flags=re.M))
    for line in filter(str.strip, text.splitlines()):
        indent = re.match(r" *", line).group() + "    "  # type: ignore[union-attr]
        lines += textwrap.wrap(line, 100, subsequent_indent=indent, break_long_words=False)
    return "\n".join(lines) + "\n"


def enum_on_one_line(match: re.Match[str]) -> str:
    members = [" ".join(member.split()) for member in match.group(2).split(",") if member.strip()]
    return f"enum {match.group(1) or ''}{{ {', '.join(members)} }}"


def written(include: Path = INCLUDE) -> str:
    numbers = "".join(f"    {name} = {value},\n" for name, value in constants(include).items())
    return HEAD + tidy(preprocessed(include)) + TAIL + numbers + "}\n\nreturn constants\n"


if __name__ == "__main__":
    CDEF.parent.mkdir(parents=True, exist_ok=True)
    CDEF.write_text(written())
