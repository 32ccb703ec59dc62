"""What every public function's comment must tell: who may call it, and how it fails."""

import re
from collections.abc import Iterator

import pytest
from headers import HEADERS

# Pairs of every handle, whose convention stands at the top of millpond.h.
COUNTING = re.compile(r"_(retain|release)$")


def functions(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, declaration and comment of each function: one comment may stand over several."""
    comment = ""
    for part in re.split(r"(/\*.*?\*/)", text, flags=re.S):
        if part.startswith("/*"):
            comment = re.sub(r"\s+(\*\s)?\s*", " ", part)
            continue
        for declaration in re.findall(r"^POND_API\b[^;{]*;", part, flags=re.M):
            found = re.search(r"(pond_\w+)\s*\(", declaration)
            assert found
            yield found.group(1), declaration, comment


def missing(text: str) -> list[str]:
    """What the comments of a header leave out."""
    left_out = []
    for name, declaration, comment in functions(text):
        if COUNTING.search(name):
            continue
        if "Thread:" not in comment:
            left_out.append(f"{name}: Thread")
        if "pond_error **err" in declaration and "Errors" not in comment:
            left_out.append(f"{name}: Errors")
    return left_out


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_every_function_says_its_thread_and_its_errors(header) -> None:
    assert missing(header.read_text()) == []


def test_the_functions_are_all_seen() -> None:
    assert sum(len(list(functions(header.read_text()))) for header in HEADERS) > 100


def test_a_comment_that_leaves_something_out_is_noticed() -> None:
    text = """
/* Do it. */
POND_API int pond_do(int number, pond_error **err);
/* Know it. Thread:
 * any. */
POND_API int pond_know(void);
"""
    assert missing(text) == ["pond_do: Thread", "pond_do: Errors"]
