"""All awaitables of the module, in all that asyncio and anyio do with one, cancelled at each step.

A call waits behind a statement that does not end, or for a connection that somebody has. Then its
waiting is cancelled, or it is let through. Whatever comes first: the answer or the cancel reaches
whoever waits, nothing hangs, and no connection stays away from its pool.
"""

import asyncio
import contextlib
import functools
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import anyio
import millpond
import pytest
import uvloop
from conftest import ENDLESS, KINDS, at_rest
from millpond import PoolManager, circuit_breaker, retry_with_backoff, track_slow_method

pytestmark = pytest.mark.once

TABLE = "waited_things"
PATIENCE = 120  # seconds, after which something hangs
ONE = "SELECT 1"


class World:
    """A connection whose statement does not end, on a pool that has no other."""

    def __init__(self, db: Any, endless: str) -> None:
        self.db = db
        self._endless = endless

    async def __aenter__(self) -> "World":
        self.conn = await self.db.get_async_connection()
        self._blocker = asyncio.create_task(block(self.conn, self._endless))
        await asyncio.sleep(0)
        return self

    def let_through(self) -> None:
        """What waits for the connection gets its turn."""
        self._blocker.cancel()

    async def give_back(self) -> None:
        """What waits on the pool gets the connection."""
        self.let_through()
        if self.conn.id:
            await self.db.release_async_connection(self.conn)

    async def __aexit__(self, *error: object) -> None:
        await self.give_back()
        await until_at_rest(self.db)


async def block(conn: Any, endless: str) -> None:
    with contextlib.suppress(millpond.Error):
        await conn.execute(endless)


async def until_at_rest(db: Any) -> None:
    """As at_rest(), which takes longer."""
    for _ in range(1000):
        pool = db._pool()
        if pool.status()["in_use"] == 0 and pool.status()["waiting"] == 0:
            return
        await asyncio.sleep(0)
    await at_rest(db)


# ---- Calls -------------------------------------------------------------------------------


async def of_stream(world: World) -> Any:
    async with world.conn.stream(ONE) as rows:
        return [row async for row in rows]


async def of_transaction(world: World) -> Any:
    async with world.conn.transaction():
        return await world.conn.execute(ONE)


def of_stream_closed(world: World) -> Any:
    return world.conn.stream(ONE).aclose()


# On the connection: all wait for the statement that does not end.
STATEMENTS: dict[str, Callable[[World], Any]] = {
    "execute": lambda world: world.conn.execute(ONE),
    "executemany": lambda world: world.conn.executemany("SELECT 0 + ?", [(1,), (2,)]),
    "executemany, progress": lambda world: world.conn.executemany(
        "SELECT 0 + ?", [(1,), (2,)], progress=lambda rows: None
    ),
    "fetch_value": lambda world: world.conn.fetch_value(ONE),
    "fetch_arrow": lambda world: world.conn.fetch_arrow(ONE),
    "stream": of_stream,
    "stream, closed": of_stream_closed,
    "begin_transaction": lambda world: world.conn.begin_transaction(),
    "transaction": of_transaction,
    "get_version_details": lambda world: world.conn.get_version_details(),
    "in_transaction": lambda world: world.conn.in_transaction(),
    "save_entity": lambda world: world.conn.save_entity(TABLE, {"name": "x"}),
    "get_entity": lambda world: world.conn.get_entity(TABLE, "none"),
    "find_entities": lambda world: world.conn.find_entities(TABLE),
    "retried": lambda world: retry_with_backoff()(world.conn.execute)(ONE),
    "guarded": lambda world: circuit_breaker("test_waits")(world.conn.execute)(ONE),
    "timed": lambda world: track_slow_method()(world.conn.execute)(ONE),
}

# On the pool, which has no other connection.
OF_POOL: dict[str, Callable[[World], Any]] = {
    "get_async_connection": lambda world: take(world.db),
    "async_connection": lambda world: lend(world.db),
    "acquire": lambda world: use(world.db._pool().acquire()),
    "enter": lambda world: use(world.db.async_connection().__aenter__()),
    "health_check": lambda world: world.db.health_check(),
    "health_check_all_pools": lambda world: PoolManager.health_check_all_pools(),
    "leaked": lambda world: world.db.check_for_leaked_connections(),
    "close_pool": lambda world: world.db.close_pool(world.db.hash(), timeout=PATIENCE),
}


async def take(db: Any) -> Any:
    connection = await db.get_async_connection()
    await db.release_async_connection(connection)
    return "taken"


async def lend(db: Any) -> Any:
    async with db.async_connection():
        return "taken"


class use(Coroutine[Any, Any, Any]):  # noqa: N801  (a function, but for what it tells of itself)
    """A lease that was asked for, handed on as it is: given back by whoever gets it, or by nobody
    if it came too late."""

    def __init__(self, acquired: Any) -> None:
        self._acquired = acquired

    def send(self, value: Any) -> Any:
        try:
            return self._acquired.send(value)
        except StopIteration as stop:
            stop.value._release()
            raise

    def throw(self, *error: Any) -> Any:
        return self._acquired.throw(*error)

    def close(self) -> None:
        self._acquired.close()

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._acquired, name)


CALLS = STATEMENTS | OF_POOL


# ---- Ways to wait ------------------------------------------------------------------------

Make = Callable[[], Any]


async def _awaited(make: Make) -> Any:
    return await make()


async def _in_a_task(make: Make) -> Any:
    return await asyncio.create_task(_as_coroutine(make()))


async def _ensured(make: Make) -> Any:
    return await asyncio.ensure_future(make())


async def _gathered(make: Make) -> Any:
    return (await asyncio.gather(make()))[0]


async def _gathered_with_another(make: Make) -> Any:
    return (await asyncio.gather(make(), asyncio.sleep(0)))[0]


async def _gathered_with_exceptions(make: Make) -> Any:
    (answer,) = await asyncio.gather(make(), return_exceptions=True)
    if isinstance(answer, BaseException):
        raise answer
    return answer


async def _gathered_twice(make: Make) -> Any:
    return (await asyncio.gather(asyncio.gather(make())))[0][0]


async def _shielded(make: Make) -> Any:
    """The call itself goes on when the wait is cancelled; so that is done here."""
    inner = asyncio.ensure_future(make())
    try:
        return await asyncio.shield(inner)
    except asyncio.CancelledError:
        inner.cancel()
        await asyncio.wait({inner})
        raise


async def _shielded_as_it_is(make: Make) -> Any:
    try:
        return await asyncio.shield(made := make())
    except asyncio.CancelledError:
        del made
        raise


async def _waited_for(make: Make) -> Any:
    return await asyncio.wait_for(make(), PATIENCE)


async def _in_a_set(make: Make) -> Any:
    tasks = {asyncio.ensure_future(make())}
    try:
        done, _ = await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise
    return done.pop().result()


async def _as_completed(make: Make) -> Any:
    tasks = [asyncio.ensure_future(make())]
    try:
        for each in asyncio.as_completed(tasks):
            return await each
    finally:
        tasks[0].cancel()
        await asyncio.wait(tasks)


async def _in_a_group(make: Make) -> Any:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_as_coroutine(make()))
    return task.result()


async def _within_a_timeout(make: Make) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await make()


async def _gathered_within_a_timeout(make: Make) -> Any:
    async with asyncio.timeout(PATIENCE):
        return (await asyncio.gather(make()))[0]


async def _from_a_thread(make: Make) -> Any:
    """What run_coroutine_threadsafe() chains futures for, without the thread."""
    loop = asyncio.get_running_loop()
    return await asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(_as_coroutine(make()), loop), loop=loop
    )


async def _in_a_group_of_anyio(make: Make) -> Any:
    answers = []

    async def work() -> None:
        answers.append(await make())

    async with anyio.create_task_group() as group:
        group.start_soon(work)
    return answers[0]


async def _started_soon(make: Make) -> Any:
    """anyio looks into the coroutine of a task."""
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: _as_coroutine(make()))
    return ...


async def _in_a_scope(make: Make) -> Any:
    with anyio.fail_after(PATIENCE):
        return await make()


async def _eagerly(make: Make) -> Any:
    loop = asyncio.get_running_loop()
    return await asyncio.Task(_as_coroutine(make()), loop=loop, eager_start=True)  # type: ignore[call-overload]


def _as_coroutine(made: Any) -> Coroutine[Any, Any, Any]:
    """As it is, if it can be a task's; else as ensure_future() wraps it."""

    async def wrapped() -> Any:
        return await made

    return made if asyncio.iscoroutine(made) else wrapped()


WAYS: dict[str, Callable[[Make], Coroutine[Any, Any, Any]]] = {
    "await": _awaited,
    "create_task": _in_a_task,
    "ensure_future": _ensured,
    "gather": _gathered,
    "gather with another": _gathered_with_another,
    "gather, return_exceptions": _gathered_with_exceptions,
    "gather in gather": _gathered_twice,
    "shield of a task": _shielded,
    "shield": _shielded_as_it_is,
    "wait_for": _waited_for,
    "wait": _in_a_set,
    "as_completed": _as_completed,
    "TaskGroup": _in_a_group,
    "timeout": _within_a_timeout,
    "timeout, gather": _gathered_within_a_timeout,
    "run_coroutine_threadsafe": _from_a_thread,
    "anyio task": _in_a_group_of_anyio,
    "anyio start_soon": _started_soon,
    "anyio scope": _in_a_scope,
}
if sys.version_info >= (3, 12):
    WAYS["eager task"] = _eagerly


# ---- Steps at which the wait is cancelled ----------------------------------------------------


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _before(world: World, task: asyncio.Task[Any]) -> None:
    task.cancel("enough")


async def _while(world: World, task: asyncio.Task[Any], after: int) -> None:
    await turns(after)
    task.cancel("enough")


async def _twice(world: World, task: asyncio.Task[Any]) -> None:
    await turns(5)
    task.cancel("enough")
    await turns(1)
    task.cancel("enough")


async def _let_through(world: World, task: asyncio.Task[Any], turns_later: int) -> None:
    """Cancelled as it completes, or about then."""
    await turns(5)
    await world.give_back() if task.get_name() in OF_POOL else world.let_through()
    await turns(turns_later)
    task.cancel("enough")


async def _never(world: World, task: asyncio.Task[Any]) -> None:
    await turns(5)
    await world.give_back() if task.get_name() in OF_POOL else world.let_through()


ENDS = ("0 turns into its end", "2 turns into its end", "never")
STEPS: dict[str, Callable[[World, asyncio.Task[Any]], Coroutine[Any, Any, None]]] = {
    "before it begins": _before,
    **{f"after {n} turns": functools.partial(_while, after=n) for n in (1, 5)},
    "twice": _twice,
    **{end: functools.partial(_let_through, turns_later=int(end[0])) for end in ENDS[:2]},
    "never": _never,
}


FEW_STEPS = ("after 5 turns", "0 turns into its end", "never")
FEW_WAYS = ("await", "gather", "gather, return_exceptions")


# ---- The table ---------------------------------------------------------------------------

# Those that end by themselves, though the statement does not.
AT_ONCE = {
    "get_version_details",
    "in_transaction",
    "stream, closed",
    "health_check",
    "health_check_all_pools",
    "leaked",
}
WITHOUT_ANSWER = {"begin_transaction", "get_entity", "close_pool", "stream, closed"}


async def one(world: World, call: str, way: str, step: str) -> None:
    """One field of the table."""
    field = f"{call} by {way}, cancelled {step}"
    task = asyncio.create_task(WAYS[way](lambda: CALLS[call](world)), name=call)
    await STEPS[step](world, task)
    await asyncio.wait({task}, timeout=PATIENCE)
    assert task.done(), f"{field}, hangs"
    if task.cancelled():
        assert step != "never", field
    elif task.exception() is not None:
        raise AssertionError(field) from task.exception()
    else:
        assert task.result() is not None or call in WITHOUT_ANSWER, field
        assert step in ENDS or call in AT_ONCE, field


async def until_open(db: Any) -> None:
    """A close_pool() that was cancelled goes on, and refuses who comes before its end."""
    for _ in range(PATIENCE * 100):
        with contextlib.suppress(millpond.ClosedError):
            async with db.async_connection():
                return
        await asyncio.sleep(0.01)
    pytest.fail("the pool is still being closed")


async def column(db: Any, endless: str, way: str, step: str) -> None:
    await until_open(db)
    async with db.async_connection() as conn:
        await conn.save_entity(TABLE, {"name": "known"})
    for call in CALLS:
        async with World(db, endless) as world:
            await one(world, call, way, step)


async def table(databases: Any, kind: str, way: str, steps: Iterable[str]) -> None:
    """All of a way."""
    db = databases.open(kind, pool_max_size=1)
    for step in steps:
        await column(db, ENDLESS[kind], way, step)


@pytest.mark.parametrize("way", WAYS)
async def test_every_call_can_be_awaited_in_every_way_and_cancelled_at_each_step(
    databases: Any, way: str
) -> None:
    await table(databases, "sqlite", way, STEPS)


@pytest.mark.parametrize("way", [*FEW_WAYS, "wait_for", "anyio start_soon"])
def test_the_same_on_uvloop(databases: Any, way: str) -> None:
    with asyncio.Runner(debug=False, loop_factory=uvloop.new_event_loop) as runner:
        runner.run(table(databases, "sqlite", way, FEW_STEPS))


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("way", FEW_WAYS)
async def test_the_same_on_other_databases(databases: Any, kind: str, way: str) -> None:
    await table(databases, kind, way, FEW_STEPS)
