"""Statements of native connections whose :class:`SqlGenerator` an application has changed.

Connections with the library's own generators never come here: the library converts by itself.
"""

from __future__ import annotations

from typing import Any

from .exceptions import ParameterError
from .sql import SqlGenerator


def convert_call(
    connection: Any, sql: Any, params: Any, tags: Any, many: bool
) -> tuple[Any, Any, bool]:
    """The statement and parameters of a call in the database's own words, and whether the statement
    has the tags in it. Anything that is not a statement, row or dict passes unchanged; the library
    refuses it later."""
    generator = connection.parameter_converter
    if not isinstance(sql, str) or not sql.strip():
        return sql, params, False
    if not _is_text(sql):
        return sql, params, False
    if many:
        native, params = _convert_rows(generator, sql, params)
    elif params is None or isinstance(params, (tuple, list)):
        native, params = generator.convert_query_to_native(sql, tuple(params or ()))
    else:
        return sql, params, False
    if not _comments(generator) or not isinstance(tags, dict) or not isinstance(native, str):
        return native, params, False
    comment = generator.get_comment_sql(tags) if tags else None
    return (f"{native}\n{comment}" if comment else native), params, True


def _is_text(sql: str) -> bool:
    """False for text with lone surrogates, which has no encoding."""
    try:
        sql.encode()
    except UnicodeEncodeError:
        return False
    return True


def _comments(generator: SqlGenerator) -> bool:
    """True if it has a form of its own for tags."""
    return type(generator).get_comment_sql is not SqlGenerator.get_comment_sql


def _convert_rows(generator: SqlGenerator, sql: str, rows: Any) -> tuple[Any, Any]:
    if not isinstance(rows, (tuple, list)) or not all(isinstance(r, (tuple, list)) for r in rows):
        return sql, rows
    if any(len(row) != len(rows[0]) for row in rows):
        return sql, rows
    if not rows:
        return generator.convert_query_to_native(sql)[0], rows
    made = [generator.convert_query_to_native(sql, tuple(row)) for row in rows]
    for number, (native, _) in enumerate(made):
        if native != made[0][0]:
            raise ParameterError(
                f"convert_query_to_native() made a different statement for row {number} "
                "than for row 0: executemany() executes one statement"
            )
    return made[0][0], [params for _, params in made]
