"""Entity calls whose steps Python carries out: the library says what to execute."""

from __future__ import annotations

import asyncio  # sync: import time
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
from .undo import give_up, undo_quietly

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
    return asyncio.sleep(seconds)


async def _apart(connection: Any, step: Step) -> Any:
    """A step for another connection of the pool, while this one has a transaction open."""
    pool = getattr(connection, "_pool", None)
    if pool is None or pool.max_size == 1:
        raise UnsupportedError(
            "the pool has no other connection than the one of the open transaction: set "
            "pool_max_size to 2 or more"
        )
    other = await pool.acquire(PATIENCE)
    try:
        return await execute_of(other)(step[1], step[2], PATIENCE)
    finally:
        await other._release()


async def run_plan(connection: Any, plan: _native.Plan) -> Any:
    """Carry out the plan's steps and give it their results, until it has its answer. If a cancel or
    a signal interrupts that, roll back what was done."""
    joined = await connection.in_transaction()
    plan.start(joined)
    halfway = Halfway(joined)
    try:
        return await _run(connection, plan, halfway)
    except GeneratorExit:  # async only
        if halfway.anything:
            give_up(connection, halfway.savepoint)
        raise
    except BaseException as error:
        if halfway.anything:
            await undo_quietly(connection, halfway.savepoint, error)
        raise


async def _run(connection: Any, plan: _native.Plan, halfway: Halfway) -> Any:
    failure: Exception | None = None
    while (step := plan.next()) is not None:
        halfway.begins(step)
        try:
            feed(plan, await _carry_out(connection, step))
            halfway.did()
        except Exception as error:
            failure = error
            still_open = await connection.in_transaction()
            plan.feed_error(*told(error), still_open)
    return outcome(plan, failure)


async def run_counted(connection: Any, lease: Any, plan: _native.Plan) -> Any:
    """Run a plan on a backend's connection, and count its statements under the call's name."""
    if lease is None:
        return await run_plan(connection, plan)
    lease.call = plan.call
    try:
        return await run_plan(connection, plan)
    finally:
        lease.call = ""
