# Made of ../_async/plans.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""Entity calls whose steps Python carries out: the library says what to execute."""

from __future__ import annotations

import time
from typing import Any

from .. import _native
from .._plans import (
    APART,
    BEGIN,
    COMMIT,
    EXECUTE,
    EXECUTE_MANY,
    ROLLBACK,
    Halfway,
    Step,
    bindable,
    execute_of,
    feed,
    outcome,
    told,
)
from ..exceptions import UnsupportedError
from .undo import undo_quietly

#: Seconds that a change of tables may wait for the caller's own transaction.
PATIENCE = 5.0


def _carry_out(connection: Any, step: Step) -> Any:
    """Begin a step."""
    kind, sql, params, seconds = step
    if kind == EXECUTE:
        return execute_of(connection)(sql, bindable(connection, params))
    if kind == EXECUTE_MANY:
        return connection.executemany(sql, [bindable(connection, row) for row in params])
    if kind == BEGIN:
        return connection.begin_transaction()
    if kind == COMMIT:
        return connection.commit_transaction()
    if kind == ROLLBACK:
        return connection.rollback_transaction()
    if kind == APART:
        return _apart(connection, step)
    return time.sleep(seconds)


def _apart(connection: Any, step: Step) -> Any:
    """A step for another connection of the pool, while this one has a transaction open."""
    pool = getattr(connection, "_pool", None)
    if pool is None or pool.max_size == 1:
        raise UnsupportedError(
            "the pool has no other connection than the one of the open transaction: set "
            "pool_max_size to 2 or more"
        )
    other = pool.acquire_sync(PATIENCE)
    try:
        return execute_of(other)(step[1], step[2], PATIENCE)
    finally:
        other._release()


def run_plan(connection: Any, plan: _native.Plan) -> Any:
    """Carry out the plan's steps and give it their results, until it has its answer. If a cancel or
    a signal interrupts that, roll back what was done."""
    joined = connection.in_transaction()
    plan.start(joined)
    halfway = Halfway(joined)
    try:
        return _run(connection, plan, halfway)
    except BaseException as error:
        if halfway.anything:
            undo_quietly(connection, halfway.savepoint, error)
        raise


def _run(connection: Any, plan: _native.Plan, halfway: Halfway) -> Any:
    failure: Exception | None = None
    while (step := plan.next()) is not None:
        halfway.begins(step)
        try:
            feed(plan, _carry_out(connection, step))
            halfway.did()
        except Exception as error:
            failure = error
            still_open = connection.in_transaction()
            plan.feed_error(*told(error), still_open)
    return outcome(plan, failure)


def run_counted(connection: Any, lease: Any, plan: _native.Plan) -> Any:
    """Run a plan on a backend's connection, and count its statements under the call's name."""
    if lease is None:
        return run_plan(connection, plan)
    lease.call = plan.call
    try:
        return run_plan(connection, plan)
    finally:
        lease.call = ""
