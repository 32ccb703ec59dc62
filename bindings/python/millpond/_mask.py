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

#: What the databases read in different ways, so that a literal may begin or end elsewhere:
#: backslashes, MySQL's quoted names and comments, comments in comments, a $ in a name.
_AMBIGUOUS = re.compile(r"[\\`#] | --(?!\s|\Z) | /\*.*?/\* | \w\$", re.DOTALL | re.VERBOSE)


def masked(sql: str) -> str:
    """The statement as it is; one that may set a password with ``'***'`` for its literals, quoted
    names and comments. Rather too many than one too few: where it depends on the database what a
    literal is, all from the first one on."""
    if not _SECRETS.search(sql):
        return sql
    if _AMBIGUOUS.search(sql):
        return re.split(r"['\"`$#]|--|/\*", sql, maxsplit=1)[0] + "'***'"
    return _LITERALS.sub("'***'", sql)
