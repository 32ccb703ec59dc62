"""Links of the README that work where a wheel is shown."""

from __future__ import annotations

import re
import sys


def with_absolute_links(metadata: str) -> str:
    """Metadata whose description, which is the README, leads to the project's sources: where it is
    read there are no files beside it."""
    source = re.search(r"^Project-URL: Source, (\S+)$", metadata, re.M)
    if source is None:
        sys.exit("pyproject.toml names no Source in [project.urls]")
    head, _, text = metadata.partition("\n\n")
    link = r"(\]\()(?!#|[a-z]+:)([^)\s]+)(?=\))"
    absolute = re.sub(link, lambda found: f"{found[1]}{source[1]}/{found[2]}", text)
    return f"{head}\n\n{absolute}"
