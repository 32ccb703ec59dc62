"""Event loops that run inside themselves, end in the middle of work, and go on meanwhile."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import millpond
import pytest
import uvloop
from conftest import KINDS, when
from millpond import PoolManager
from programs import Programs

pytestmark = pytest.mark.once

# ---- Inside themselves -------------------------------------------------------------------

# As notebooks and debuggers do it.
NESTED = """
    import nest_asyncio

    nest_asyncio.apply()
    SQL = "SELECT 0 + ?"

    def inside(work):
        return asyncio.get_running_loop().run_until_complete(work)
"""


def ends_well(programs: Programs, databases: Any, kind: str, program: str) -> list[str]:
    running = programs(NESTED + program, kind, databases.settings(kind))
    code, lines, errors = running.end(within=120)
    assert (code, errors) == (0, "")
    return lines


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_a_statement_woke_runs_its_event_loop_again(
    programs: Programs, databases: Any, kind: str
) -> None:
    program = """
    async def ask(depth, conn):
        answers = [await conn.fetch_value(SQL, (depth,)) for _ in range(30)]
        if depth:
            async with db.async_connection() as other:
                await other.execute(SQL, (1,))
                answers += inside(ask(depth - 1, other))
        return answers

    async def main():
        async with db.async_connection() as conn:
            say(json.dumps(await ask(3, conn), separators=(",", ":")))
        await db.close_pool(timeout=5)

    db = open_db()
    asyncio.run(main())
    """
    (answers,) = ends_well(programs, databases, kind, program)
    assert json.loads(answers) == [3] * 30 + [2] * 30 + [1] * 30 + [0] * 30


@pytest.mark.parametrize("kind", KINDS)
def test_what_completed_together_with_it_is_seen_inside(
    programs: Programs, databases: Any, kind: str
) -> None:
    """All answers are there when the first task runs the event loop until the others have theirs:
    nothing else will wake it."""
    program = """
    async def ask(number, conns, tasks):
        answer = await conns[number].fetch_value(SQL, (number,))
        if number == 0:
            inside(asyncio.wait(tasks[1:]))
            say(all(task.done() for task in tasks[1:]))
        return answer

    async def main():
        conns = [await db.get_async_connection() for _ in range(5)]
        tasks = []
        tasks += [asyncio.create_task(ask(number, conns, tasks)) for number in range(5)]
        await asyncio.sleep(0)
        time.sleep(0.2)  # the answers come meanwhile
        say(json.dumps(await asyncio.gather(*tasks), separators=(",", ":")))
        for conn in conns:
            await db.release_async_connection(conn)
        await db.close_pool(timeout=5)

    db = open_db(pool_max_size=5)
    asyncio.run(main())
    """
    assert ends_well(programs, databases, kind, program) == ["True", "[0,1,2,3,4]"]


def test_a_lease_that_is_given_back_inside_wakes_who_waits(
    programs: Programs, databases: Any
) -> None:
    program = """
    async def wait():
        async with db.async_connection() as conn:
            return await conn.fetch_value(SQL, (7,))

    async def main():
        conn = await db.get_async_connection()
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        for _ in range(40):  # some of these wake this task from inside the native callback
            await conn.execute(SQL, (1,))
        await db.release_async_connection(conn)
        say(inside(waiting))
        await db.close_pool(timeout=5)

    db = open_db(pool_max_size=1)
    asyncio.run(main())
    """
    assert ends_well(programs, databases, "sqlite", program) == ["7"]


# ---- Closed in the middle ----------------------------------------------------------------

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@contextlib.contextmanager
def left_alone(make: Callable[[], asyncio.AbstractEventLoop], *work: Any) -> Iterator[None]:
    """Tasks that run when their event loop is closed, which somebody still refers to."""
    loop = make()
    loop.set_exception_handler(lambda loop, context: None)  # "Task was destroyed but it is pending"
    tasks = [loop.create_task(each) for each in work]
    while not all(task.get_name() == "begun" for task in tasks):
        loop.call_later(0.001, loop.stop)
        loop.run_forever()
    loop.close()
    yield


async def hold(db: Any, sql: str, held: list[Any]) -> None:
    task = asyncio.current_task()
    assert task
    conn = await db.get_async_connection()
    held.append(conn)
    asyncio.get_running_loop().call_soon(task.set_name, "begun")
    await conn.execute(sql)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_event_loop_that_is_closed_at_work_gives_all_leases_back(
    databases: Any, kind: str, endless: str, loop: str
) -> None:
    db = databases.open(kind, pool_max_size=3)
    held: list[Any] = []
    with left_alone(LOOPS[loop], *(hold(db, endless, held) for _ in range(3))):
        assert [conn.id for conn in held] == [0, 0, 0]
        asyncio.run(when(db, "its place", lambda it: it["in_use"] == 0))
        counts = db.get_pool_status()["metrics"]
        assert counts["total_acquired"] == counts["total_released"] == 3
        assert counts["current_active"] == 0
        with db.sync_connection() as one, db.sync_connection() as two:
            assert one.fetch_value("SELECT 1") == two.fetch_value("SELECT 1") == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_blocks_that_are_left_by_the_end_of_their_event_loop_are_quiet(
    databases: Any, kind: str, endless: str, loop: str
) -> None:
    db = databases.open(kind, pool_max_size=1)
    held: list[Any] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task
        async with db.async_connection() as conn:
            held.append(conn)
            asyncio.get_running_loop().call_soon(task.set_name, "begun")
            await asyncio.sleep(3600)

    with left_alone(LOOPS[loop], work()):
        held.clear()
        asyncio.run(when(db, "its place", lambda it: it["in_use"] == 0))


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_transaction_that_begins_as_its_event_loop_ends_is_quiet(
    databases: Any, kind: str, loop: str
) -> None:
    db = databases.open(kind, pool_max_size=1)

    async def work() -> None:
        task = asyncio.current_task()
        assert task
        async with db.async_connection() as conn:
            task.set_name("begun")
            asyncio.get_running_loop().stop()
            async with conn.transaction():
                await asyncio.sleep(3600)

    with db.sync_connection() as other:
        other.execute("DROP TABLE IF EXISTS ponds")
        other.execute("CREATE TABLE ponds (name varchar(20))")
        with other.transaction():
            other.execute("INSERT INTO ponds VALUES ('mill')")  # SQLite: the other waits for this
            with left_alone(LOOPS[loop], work()):
                asyncio.run(when(db, "its place", lambda it: it["in_use"] == 1))
    asyncio.run(when(db, "its place", lambda it: it["in_use"] == 0))


# ---- Leaving after a forced close --------------------------------------------------------


async def test_a_block_whose_connection_was_taken_by_force_ends_quietly(db: Any) -> None:
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
        await db.close_pool(db.hash(), timeout=0.01)
        assert conn.id == 0


async def test_a_block_shows_its_own_error_after_a_forced_close(db: Any) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with db.async_connection():
            await db.close_pool(db.hash(), timeout=0.01)
            raise LookupError("mine")
    conn = await db.get_async_connection()
    await db.close_pool(db.hash(), timeout=0.01)
    await db.release_async_connection(conn)
    with pytest.raises(millpond.StaleConnectionError):
        await db.release_async_connection(conn)


@pytest.mark.parametrize("kind", KINDS)
async def test_synchronous_blocks_do_the_same(db: Any) -> None:
    with db.sync_connection():
        await db.close_pool(db.hash(), timeout=0.01)
    with pytest.raises(LookupError, match="mine"):
        with db.sync_connection():
            await db.close_pool(db.hash(), timeout=0.01)
            raise LookupError("mine")


async def test_a_block_shows_its_own_error_when_its_release_fails(db: Any) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with db.async_connection() as conn:
            await db.release_async_connection(conn)
            raise LookupError("mine")

    @db.on_release
    async def fail(_: Any) -> None:
        raise ValueError("the hook's")

    with pytest.raises(LookupError, match="mine"):
        async with db.async_connection():
            raise LookupError("mine")
    with pytest.raises(ValueError, match="the hook's"):
        async with db.async_connection():
            pass


# ---- Going on meanwhile ------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def turns_of(work: asyncio.Future[Any]) -> int:
    """How often the event loop came round meanwhile."""
    turns = 0
    while not work.done():
        await asyncio.sleep(0.001)
        turns += 1
    return turns


WAYS_TO_WAIT: dict[str, Callable[[Any], Any]] = {
    "health_check_all_pools": lambda db: PoolManager.health_check_all_pools(timeout=0.5),
    "health_check": lambda db: db.health_check(timeout=0.5),
    "get_async_connection": lambda db: db.get_async_connection(timeout=0.5),
}


@pytest.mark.parametrize("name", WAYS_TO_WAIT)
@pytest.mark.parametrize("kind", KINDS[1:])
async def test_a_silent_server_does_not_block_the_event_loop(
    databases: Any, kind: str, silent: int, name: str
) -> None:
    db = databases.open(kind, port=silent, host="127.0.0.1", connection_creation_timeout=0.5)

    async def ask() -> Any:
        return await WAYS_TO_WAIT[name](db)

    work = asyncio.ensure_future(ask())
    assert await turns_of(work) > 20
    if name == "health_check_all_pools":
        assert work.result()[db.hash()] is False
        assert json.loads(json.dumps(work.result())) == dict(work.result())
    elif name == "health_check":
        assert work.result() is False
    else:
        assert isinstance(work.exception(), millpond.Error)


async def test_health_is_a_dict_whether_it_is_awaited_or_not(databases: Any, kind: str) -> None:
    dbs = [databases.open(kind, alias=f"{kind}{number}") for number in range(2)]
    for db in dbs:
        async with db.async_connection() as conn:
            await conn.execute("SELECT 1")
    wanted = {db.hash(): True for db in dbs}
    asked = PoolManager.health_check_all_pools()
    assert await asked is asked
    for health in (asked, PoolManager.health_check_all_pools()):
        assert {name: well for name, well in health.items() if name in wanted} == wanted
    assert PoolManager.health_check_all_pools() == asked
    assert json.dumps(PoolManager.health_check_all_pools()) == json.dumps(dict(asked))
    assert dict(PoolManager.health_check_all_pools()) == asked
    assert repr(PoolManager.health_check_all_pools()) == repr(dict(asked))
    assert await asyncio.to_thread(PoolManager.health_check_all_pools) == asked
