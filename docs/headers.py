"""The C headers as pages of the site, so that its search finds them: a hook of mkdocs.

Each page is one header. What a comment says of is shown below it, as it stands in the header.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FOLDER = Path(__file__).resolve().parents[1] / "abi/include/millpond"

SECTION = re.compile(r"/\* ---- (.*?) -+ \*/\n")
COMMENT = re.compile(r"/\*(.*?)\*/\n", flags=re.S)
#: Until a blank line outside braces.
CODE = re.compile(r"(?:[^\n]*\{\n(?:[^}\n][^\n]*\n|\n)*\}[^\n]*\n|[^\n]+\n)+")
#: What the compiler needs and a reader does not.
FRAME = re.compile(
    r"^#ifdef __cplusplus\n[^#]*^#endif\n|^#ifndef MILLPOND_\w+\n#define MILLPOND_\w+\n"
    r"|^#include [^\n]*\n|^#endif /\* MILLPOND_[^\n]*\n",
    flags=re.M,
)
#: The name of one of several rules, whose text is indented.
RULE = re.compile(r"^(\w+\.) +", flags=re.M)
CODED = re.compile(r"(`[^`\n]+`|\bpond_\w+(?:\(\))?|\bPOND_\w+\*?)")
NAMES = re.compile(
    r"^POND_API [^;{]*?\b(pond_\w+)\(|^typedef (?:struct|enum) (pond_\w+)(?: \w+;| \{)"
    r"|^typedef [^;{]*\(\*(pond_\w+)\)|^static inline [^;{]*?\b(pond_\w+)\(|^#define (POND_\w+)",
    flags=re.M,
)


def names_in(code: str) -> list[str]:
    """What it declares, functions with parentheses."""
    found = []
    for match in NAMES.finditer(code):
        name = next(filter(None, match.groups()))
        found.append(f"{name}()" if match[1] or match[4] else name)
    return list(dict.fromkeys(found))


def text_of(comment: str) -> str:
    """A comment's words, without the stars at its left."""
    return re.sub(r"\n \* ?", "\n", comment).strip()


def plain(text: str) -> str:
    """Words in Markdown that mean nothing to it."""
    return re.sub(r"([<>*_|\[\]])", r"\\\1", text)


def told(text: str) -> str:
    """A sentence of a comment: what it quotes and the library's names are code."""
    parts = CODED.split(re.sub(r"\n *", "\n", text))
    return "".join(
        plain(part) if i % 2 == 0 else f"`{part.strip('`')}`" for i, part in enumerate(parts)
    )


def shown(text: str) -> str:
    """A comment in Markdown: rules as paragraphs, what is indented otherwise as it stands."""
    parts = []
    for part in re.split(r"\n\s*\n", text):
        if RULE.match(part) and "\n          " in part:
            rules = RULE.split(part)[1:]
            for name, words in zip(rules[::2], rules[1::2], strict=True):
                parts.append(f"**{name}** {told(words)}")
        elif part.startswith("  "):
            parts.append(f"```text\n{part}\n```")
        else:
            parts.append(told(part))
    return "\n\n".join(parts)


def pieces(source: str) -> Iterator[str]:
    at = 0
    comment = ""
    while at < len(source):
        if section := SECTION.match(source, at):
            yield f"## {section[1]}\n"
            at = section.end()
        elif said := COMMENT.match(source, at):
            if comment:
                yield shown(comment) + "\n"
            comment = text_of(said[1])
            at = said.end()
        elif code := CODE.match(source, at):
            names = names_in(code[0])
            if names:
                yield "### " + ", ".join(map(plain, names)) + "\n"
            if comment:
                yield shown(comment) + "\n"
            yield f"```c\n{code[0]}```\n"
            comment = ""
            at = code.end()
        else:
            at += 1
            if comment:
                yield shown(comment) + "\n"
                comment = ""


def page_of(header: Path) -> str:
    source = FRAME.sub("", header.read_text())
    return f"# millpond/{header.name}\n\n" + "\n".join(pieces(source))


def on_files(files: Files, config: Any) -> Files:
    for header in sorted(FOLDER.glob("*.h")):
        uri = f"reference/c/{header.stem}.md"
        files.append(File.generated(config, uri, content=page_of(header)))
    return files
