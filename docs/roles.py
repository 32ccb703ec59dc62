"""Docstrings as the site shows them: roles become links, no line is lost, ``#:`` counts."""

import re

import griffe

# Public names link to the place where the site documents them.
ROLE = re.compile(r":(?:meth|class|func|attr):`([\w.]+)`")
# Classes that only exist to be inherited are shown as part of the heirs.
PART = re.compile(r"(?<=`)(Async|Sync)(?:EntityMethods|Fetch|Execute)\b")
# In a list of errors, a line such as "What ``execute`` raises." names none.
UNNAMED = re.compile(r"^( +)(What|what) ", flags=re.M)
# Of an attribute, such as a member of an enum.
COMMENT = re.compile(r"#: (.*)$", flags=re.M)


def rewritten(text: str) -> str:
    text = PART.sub(r"\1Connection", text)
    text = ROLE.sub(r"[`\1`][millpond.\1]", text)
    text = text.replace("::\n\n", ":\n\n")  # before a block of code
    head, raises, errors = text.partition("\nRaises:\n")
    return head + raises + UNNAMED.sub(r"\1Error: what ", errors)


class Roles(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        comment = obj.is_attribute and not obj.docstring and COMMENT.search(obj.source)
        if comment:
            obj.docstring = griffe.Docstring(comment[1], parent=obj)
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value)
