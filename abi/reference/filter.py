"""Shows Doxygen a public header as it wants to read it: `filter.py HEADER`.

The headers are for people first, so their comments are plain. Here each becomes one of Doxygen's: a
comment stands for all declarations right below it, one behind a member for that member, and a line
of dashes begins a section.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

SECTION = re.compile(r"/\* ---- (.+?) -+ \*/")
ERROR = re.compile(r'X\((\w+), (-\d+), (\w+), (\w+), (\w+),\s*\\?\s*"([^"]+)"\)')


def escape(text: str) -> str:
    """What is a command or a tag to Doxygen, taken for what it is; code stays as it is."""
    if text.startswith("    "):
        return text
    parts = re.split(r"(`[^`]*`)", text)
    plain = [re.sub(r"([\\@#%])", r"\\\1", p).replace("<", "&lt;") for p in parts[::2]]
    parts[::2] = plain
    return "".join(parts)


def words_of(comment: str) -> str:
    """The text of a comment, without its frame."""
    inside = comment.strip()[2:-2]
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in inside.split("\n")]
    return "\n".join(escape(line) for line in lines).strip("\n")


def errors(header: str) -> str:
    """The enumeration that the table of errors makes, written out."""
    rows = ERROR.findall(header)
    return "".join(
        f"    POND_E{code} = {number}, /**< {text} */\n" for code, number, *_, text in rows
    )


def reference(declaration: str) -> str:
    """What the conventions at the head of millpond.h say of these two kinds of function, or ""."""
    if re.search(r"\bpond_\w+_retain\(", declaration):
        return "Take one reference more; returns the handle. Thread: any."
    if re.search(r"\bpond_\w+_release\(", declaration):
        return "Drop a reference; with the last one it is freed. Thread: any."
    return ""


def blocks(header: str) -> Iterator[str]:
    """The header in pieces: comments that begin a line, and what is between them."""
    last = 0
    for found in re.finditer(r"^/\*.*?\*/\n", header, flags=re.S | re.M):
        yield header[last : found.start()]
        yield found.group()
        last = found.end()
    yield header[last:]


def alike(parts: list[str]) -> bool:
    """Whether a comment is about each of these declarations: functions, or macros."""
    text = [part.lstrip() for part in parts]
    functions = all("(" in part and not part.startswith(("#", "struct", "enum")) for part in text)
    return len(parts) > 1 and (functions or all(part.startswith("#define") for part in text))


def declarations(code: str, comment: str) -> str:
    """Code with its comment before each of the declarations up to the first empty line."""
    group, gap, rest = code.partition("\n\n")
    macros = re.findall(r"#define [^\n]*\n", group + "\n")
    parts = macros or re.findall(r"[^;]*?;[^\n]*\n", group + "\n")
    if "{" not in group and alike(parts) and "".join(parts) == group + "\n":
        words = [comment, *(reference(part) or comment for part in parts[1:])]
        group = "".join(f"/** {w} */\n{part}" for w, part in zip(words, parts, strict=True))
    else:
        group = f"/** {comment} */\n{group}"
    return group + gap + rest


def lone(code: str) -> str:
    """Give the functions that stand without a comment the one of the conventions."""

    def explain(found: re.Match[str]) -> str:
        return f"/** {reference(found.group())} */\n{found.group()}"

    returns = r"(?:POND_API )?(?:void |pond_\w+ \*)"
    declaration = rf"(?<!\*/\n)^{returns}pond_\w+_(?:retain|release)\([^;]*;"
    return re.sub(declaration, explain, code, flags=re.M)


def members(code: str) -> str:
    """Members without a comment say by their name what they are."""

    def explain(found: re.Match[str]) -> str:
        words = (found.group(1) or found.group(2)).replace("_", " ")
        return f"{found.group()} /**< {words} */"

    def inside(found: re.Match[str]) -> str:
        return re.sub(r"\(\*(\w+)\)\(.*;$|(\w+)(?:\[\w+\])?;$", explain, found.group(), flags=re.M)

    return re.sub(r"^typedef struct \w+ \{.*?^\}", inside, code, flags=re.S | re.M)


def convert(header: str) -> str:
    header = re.sub(r"#ifndef ARROW_.*?\n#endif\n", "", header, flags=re.S)  # Arrow's own
    header = re.sub(r"#define POND_X\(.*?#undef POND_X\n\s*", errors(header), header, flags=re.S)
    out = []
    comment = ""
    section = False
    for piece in blocks(header):
        if not piece.startswith("/*"):
            code = re.sub(r"(?<=\S)[ \n]+/\* (.*?) \*/", r" /**< \1 */", piece, flags=re.S)
            out.append(declarations(code, comment) if comment else code)
            comment = ""
        elif title := SECTION.match(piece):
            slug = re.sub(r"\W+", "_", title.group(1).lower())
            out.append("/** @} */\n" if section else "")
            out.append(f"/** @addtogroup {slug} {title.group(1)}\n@{{ */\n")
            section = True
        elif not any(out[1:]) and "#ifndef" not in "".join(out):
            out.append(f"/** @file\n{words_of(piece)} */\n")
        else:
            out.append(f"/** {comment} */\n" if comment else "")
            comment = words_of(piece)
    text = members(lone("".join(out)))
    return (
        re.sub(r"\n#ifdef __cplusplus\n\}", "\n/** @} */\n#ifdef __cplusplus\n}", text)
        if section
        else text
    )


if __name__ == "__main__":
    sys.stdout.write(convert(Path(sys.argv[1]).read_text()))
