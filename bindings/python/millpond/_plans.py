"""Entity calls whose steps Python carries out: what both kinds of connections share."""

from __future__ import annotations

import json
from typing import Any

from . import _native
from ._answers import check_names
from .exceptions import Error
from .sql import DIALECTS, SqlGenerator

EXECUTE, EXECUTE_MANY, BEGIN, COMMIT, ROLLBACK, APART, PAUSE = range(1, 8)

#: A step of a plan: what to do, SQL, parameters, seconds.
Step = tuple[int, str, Any, float]


def entity_schema(generator: SqlGenerator) -> _native.Schema:
    """What will be known of the entities of a database."""
    return _native.Schema(
        DIALECTS[generator.entity_dialect],
        generator.entity_capabilities,
        generator.entity_max_new_fields,
        generator.entity_max_fields,
    )


def schema_of(connection: Any) -> _native.Schema:
    """What is known of the entities of the pool's database; not the core's own knowledge, since
    other steps fit this way of going through them."""
    pool = connection._pool
    if pool._schema is None:
        pool._schema = entity_schema(connection.parameter_converter)
    schema: _native.Schema = pool._schema
    return schema


def feed(plan: _native.Plan, result: Any) -> None:
    if isinstance(result, _native.Result):
        check_names(result, result.columns)
        plan.feed_rows(result.columns, result, result.rowcount)
    else:
        plan.feed_rows((), ())


def execute_of(connection: Any) -> Any:
    """Its execute(), with JSON as text where it can be had so."""
    return getattr(connection, "_execute_raw", connection._execute_plain)


def bindable(connection: Any, params: Any) -> Any:
    """Lists as JSON, which the library's statements of this dialect take apart, for a driver that
    can bind no list. Only PostgreSQL's has arrays."""
    native = isinstance(connection, (_native.Connection, _native.SyncConnection))
    if native or connection.parameter_converter.entity_dialect == "postgres":
        return params
    return [_as_json(param) if isinstance(param, list) else param for param in params]


def _as_json(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)


#: Of an entity call inside the caller's transaction.
_SAVEPOINT = "millpond_entity"


class Halfway:
    """What is to be undone if an entity call is left now."""

    __slots__ = ("_joined", "_saved", "_sql")

    def __init__(self, joined: bool) -> None:
        self._joined = joined  # the caller's transaction
        self._saved = False
        self._sql = ""

    def begins(self, step: Step) -> None:
        self._sql = step[1]

    def did(self) -> None:
        if self._sql == f"SAVEPOINT {_SAVEPOINT}":
            self._saved = True
        elif self._sql == f"RELEASE SAVEPOINT {_SAVEPOINT}":
            self._saved = False

    @property
    def anything(self) -> bool:
        return self._saved or not self._joined

    @property
    def savepoint(self) -> str | None:
        return _SAVEPOINT if self._joined else None


def told(error: Exception) -> tuple[str, str, str]:
    """An error as a plan takes it; a driver's own tells it only that the step failed."""
    if isinstance(error, Error):
        return error.code, error.sqlstate, str(error)
    return "EOPERATIONAL", "", str(error)


def outcome(plan: _native.Plan, failure: Exception | None) -> Any:
    """A driver's own error is raised as ``execute`` raises it."""
    try:
        return plan.answer()
    except Error as error:
        if failure is None or isinstance(failure, Error) or str(failure) not in str(error):
            raise
    raise failure
