"""Write the assertions of abi/layout.c anew from the headers.

A new line is a promise. A changed line breaks one, unless the struct was never released or has only
grown at its end behind a struct_size.
"""

import re
import subprocess
import tempfile
from pathlib import Path

from headers import HEADERS, INCLUDE, ROOT, structs

LAYOUT = ROOT / "abi" / "layout.c"
BEGIN, END = '#member " changed")\n\n', "#endif /* 64-bit pointers */\n"
NESTED = {
    "pond_value": [
        "as.text.data",
        "as.text.size",
        "as.interval.microseconds",
        "as.interval.days",
        "as.array.items",
        "as.array.count",
    ]
}


def program(of: dict[str, list[str]]) -> str:
    """A C program that prints the assertions."""
    lines = ["#include <stdio.h>", "#include <stddef.h>"]
    lines += [f"#include <millpond/{header.name}>" for header in HEADERS]
    lines += ["int main(void)", "{"]
    for name, members in of.items():
        lines.append(f'printf("\\nSIZE({name}, %zu);\\n", sizeof({name}));')
        lines += [
            f'printf("AT({name}, {member}, %zu);\\n", offsetof({name}, {member}));'
            for member in members + NESTED.get(name, [])
        ]
    return "\n".join([*lines, "return 0;", "}", ""])


def assertions() -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "layout.c"), Path(folder, "layout")
        source.write_text(program(structs()))
        subprocess.run(["cc", f"-I{INCLUDE}", "-o", binary, source], check=True)
        return subprocess.run([binary], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    text = LAYOUT.read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    LAYOUT.write_text(before + re.sub(r"^\n", "", assertions()) + after)
