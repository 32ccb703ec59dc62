"""Entity calls over connections that are written in Python: the library says what to execute."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from . import _native
from ._answers import check_names
from ._steps import Steps
from ._undo import give_up, is_native, undo_quietly
from .exceptions import Error, UnsupportedError
from .sql import DIALECTS, SqlGenerator

_EXECUTE, _EXECUTE_MANY, _BEGIN, _COMMIT, _ROLLBACK, _APART, _PAUSE = range(1, 8)

#: Seconds that a change of tables may wait for the caller's own transaction.
APART = 5.0

Pause = Callable[[float], Any]


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


def _answer(plan: _native.Plan, result: Any) -> None:
    if isinstance(result, _native.Result):
        check_names(result, result.columns)
        plan.feed_rows(result.columns, result, result.rowcount)
    else:
        plan.feed_rows((), ())


def _execute_of(connection: Any) -> Any:
    """Its execute(), with JSON as text where it can be had so."""
    return getattr(connection, "_execute_raw", connection._execute_plain)


def _bindable(connection: Any, params: Any) -> Any:
    """Lists as JSON, which the library's statements of this dialect take apart, for a driver that
    can bind no list. Only PostgreSQL's has arrays."""
    if is_native(connection) or connection.parameter_converter.entity_dialect == "postgres":
        return params
    return [_as_json(param) if isinstance(param, list) else param for param in params]


def _as_json(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)


def _carry_out(connection: Any, step: tuple[int, str, Any, float], pause: Pause) -> Any:
    """Begin a step; what it returns is awaited on an asynchronous connection."""
    kind, sql, params, seconds = step
    if kind == _EXECUTE:
        return _execute_of(connection)(sql, _bindable(connection, params))
    if kind == _EXECUTE_MANY:
        return connection.executemany(sql, [_bindable(connection, row) for row in params])
    if kind == _BEGIN:
        return connection.begin_transaction()
    if kind == _COMMIT:
        return connection.commit_transaction()
    if kind == _ROLLBACK:
        return connection.rollback_transaction()
    return pause(seconds)


def _apart(connection: Any, step: tuple[int, str, Any, float]) -> Steps[Any]:
    """A step for another connection of the pool, while this one has a transaction open."""
    pool = getattr(connection, "_pool", None)
    if pool is None or pool.max_size == 1:
        raise UnsupportedError(
            "the pool has no other connection than the one of the open transaction: have it have "
            "2 or more (pool_max_size)"
        )
    acquire = pool.acquire_sync if isinstance(connection, _native.SyncConnection) else pool.acquire
    other = yield acquire(APART)
    try:
        return (yield _execute_of(other)(step[1], step[2], APART))
    finally:
        yield other._release()


#: Of an entity call inside the caller's transaction.
_SAVEPOINT = "millpond_entity"


class _Halfway:
    """What is to be undone if an entity call is left now."""

    __slots__ = ("_joined", "_saved", "_sql")

    def __init__(self, joined: bool) -> None:
        self._joined = joined  # the caller's transaction
        self._saved = False
        self._sql = ""

    def begins(self, step: tuple[int, str, Any, float]) -> None:
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


def run_plan(connection: Any, plan: _native.Plan, pause: Pause) -> Steps[Any]:
    """Do what the plan says, and tell it what came of it, until it has its answer. Whatever else is
    raised meanwhile, a cancel or a signal, nothing of it is left behind."""
    joined = yield connection.in_transaction()
    plan.start(joined)
    halfway = _Halfway(joined)
    try:
        return (yield from _run(connection, plan, pause, halfway))
    except GeneratorExit:
        if halfway.anything:
            give_up(connection, halfway.savepoint)
        raise
    except BaseException as error:
        if halfway.anything:
            yield from undo_quietly(connection, halfway.savepoint, error)
        raise


def _run(connection: Any, plan: _native.Plan, pause: Pause, halfway: _Halfway) -> Steps[Any]:
    failure: Exception | None = None
    while (step := plan.next()) is not None:
        halfway.begins(step)
        try:
            if step[0] == _APART:
                result = yield from _apart(connection, step)
            else:
                result = yield _carry_out(connection, step, pause)
            _answer(plan, result)
            halfway.did()
        except Exception as error:
            failure = error
            still_open = yield connection.in_transaction()
            plan.feed_error(*_told(error), still_open)
    return _outcome(plan, failure)


def _told(error: Exception) -> tuple[str, str, str]:
    """An error as a plan takes it; a driver's own tells it only that the step failed."""
    if isinstance(error, Error):
        return error.code, error.sqlstate, str(error)
    return "EOPERATIONAL", "", str(error)


def _outcome(plan: _native.Plan, failure: Exception | None) -> Any:
    """A driver's own error is raised as ``execute`` raises it."""
    try:
        return plan.answer()
    except Error as error:
        if failure is None or isinstance(failure, Error) or str(failure) not in str(error):
            raise
    raise failure


def pause_async(seconds: float) -> Any:
    return asyncio.sleep(seconds)


def pause_sync(seconds: float) -> None:
    time.sleep(seconds)
