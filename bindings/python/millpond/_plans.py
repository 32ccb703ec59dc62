"""Entity calls over connections that are written in Python: the library says what to execute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from . import _native
from ._steps import Steps
from .exceptions import Error, UnsupportedError
from .sql import DIALECTS, SqlGenerator

_EXECUTE, _EXECUTE_MANY, _BEGIN, _COMMIT, _ROLLBACK, _APART, _PAUSE = range(1, 8)

#: Seconds that a change of tables may wait for the caller's own transaction.
APART = 5.0

Pause = Callable[[float], Any]


def entity_schema(generator: SqlGenerator) -> _native.Schema:
    """What will be known of the entities of a database."""
    return _native.Schema(DIALECTS[generator.entity_dialect], generator.entity_capabilities)


def _answer(plan: _native.Plan, result: Any) -> None:
    if isinstance(result, _native.Result):
        plan.feed_rows(result.columns, result, result.rowcount)
    else:
        plan.feed_rows((), ())


def _execute_of(connection: Any) -> Any:
    """Its execute(), with JSON as text where it can be had so."""
    return getattr(connection, "_execute_raw", connection.execute)


def _carry_out(connection: Any, step: tuple[int, str, Any, float], pause: Pause) -> Any:
    """Begin a step; what it returns is awaited on an asynchronous connection."""
    kind, sql, params, seconds = step
    if kind == _EXECUTE:
        return _execute_of(connection)(sql, params)
    if kind == _EXECUTE_MANY:
        return connection.executemany(sql, params)
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


def run_plan(connection: Any, plan: _native.Plan, pause: Pause) -> Steps[Any]:
    """Do what the plan says, and tell it what came of it, until it has its answer."""
    plan.start((yield connection.in_transaction()))
    while (step := plan.next()) is not None:
        try:
            if step[0] == _APART:
                result = yield from _apart(connection, step)
            else:
                result = yield _carry_out(connection, step, pause)
        except Error as error:
            still_open = yield connection.in_transaction()
            plan.feed_error(error.code, error.sqlstate, str(error), still_open)
        else:
            _answer(plan, result)
    return plan.answer()


def pause_async(seconds: float) -> Any:
    return asyncio.sleep(seconds)


def pause_sync(seconds: float) -> None:
    time.sleep(seconds)
