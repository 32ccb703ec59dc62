"""Docstrings as the site shows them: their roles become links, and no line of them is lost."""

import re

import griffe

# Public names link to the place where the site documents them.
ROLE = re.compile(r":(?:meth|class|func|attr):`([\w.]+)`")
# In a list of errors, a line such as "What ``execute`` raises." names none.
UNNAMED = re.compile(r"^( +)(What|what) ", flags=re.M)


def rewritten(text: str) -> str:
    text = ROLE.sub(r"[`\1`][millpond.\1]", text)
    head, raises, errors = text.partition("\nRaises:\n")
    return head + raises + UNNAMED.sub(r"\1Error: what ", errors)


class Roles(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value)
