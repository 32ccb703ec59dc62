"""The exported symbols, abi/exported.txt and the headers say the same."""

import re

import pytest
from headers import HEADERS, ROOT, declared, exported


def listed() -> set[str]:
    return set((ROOT / "abi" / "exported.txt").read_text().split())


def test_exported_txt_lists_what_the_headers_declare() -> None:
    assert declared() == listed()


@pytest.mark.slow
def test_the_library_exports_what_is_listed_and_nothing_else() -> None:
    assert exported() == listed()


def test_the_headers_declare_enough_to_be_worth_checking() -> None:
    assert len(declared()) > 60


def test_every_public_function_has_a_comment_that_names_its_thread() -> None:
    for header in HEADERS:
        text = header.read_text()
        for match in re.finditer(r"^POND_API [^;]*;", text, flags=re.M):
            before = text[: match.start()]
            comment = before[before.rfind("/*") :]
            function = re.search(r"\b(pond_\w+)\(", match.group())
            assert "Thread:" in comment or (function and trivial(function.group(1))), match.group()


def trivial(name: str) -> bool:
    """Pairs whose comment the conventions at the head of the header stand for."""
    return name.endswith(("_retain", "_release"))
