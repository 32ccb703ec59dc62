"""Statements for logs and spans, without the secrets that stand in them."""

from __future__ import annotations

import re

_SECRETS = re.compile(
    "password|passwd|passphrase|identified|secret|pragma|credential|api_key", re.IGNORECASE
)

#: Literals of any database, the last one perhaps not closed; and comments.
_LITERALS = re.compile(
    r"""
    \$(?P<tag>[^\W\d]\w*)?\$ .*? (?: \$(?(tag)(?P=tag))\$ | \Z)
    | ' (?: [^'\\] | '' | \\. )* (?: ' | \\?\Z)
    | " (?: [^"\\] | "" | \\. )* (?: " | \\?\Z)
    | -- [^\n]* | /\* .*? (?: \*/ | \Z)
    """,
    re.DOTALL | re.VERBOSE,
)


def masked(sql: str) -> str:
    """The statement as it is; one that may set a password with ``'***'`` for its literals, quoted
    names and comments. Rather too many than one too few."""
    return _LITERALS.sub("'***'", sql) if _SECRETS.search(sql) else sql
