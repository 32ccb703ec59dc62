"""What asyncio can do with a call's awaitable, on both kinds of event loop."""

import asyncio
import contextlib
import gc
import sys
from typing import Any

import millpond
import pytest
import uvloop
from millpond import MysqlSqlGenerator, PostgresSqlGenerator, SqliteSqlGenerator


async def every_way(db: Any) -> None:
    async with db.async_connection() as conn:
        sql = "SELECT 0 + ?"
        assert (await conn.execute(sql, (1,))) == [(1,)]
        assert (await asyncio.create_task(conn.execute(sql, (2,)))) == [(2,)]
        assert (await asyncio.gather(*(conn.execute(sql, (i,)) for i in range(5)))) == [
            [(i,)] for i in range(5)
        ]
        assert (await asyncio.shield(conn.execute(sql, (3,)))) == [(3,)]
        assert (await asyncio.wait_for(conn.execute(sql, (4,)), 10)) == [(4,)]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(conn.execute(sql, (5,)))
        assert task.result() == [(5,)]
        twice = conn.execute(sql, (6,))
        assert (await twice) == (await twice) == [(6,)]
        done, _ = await asyncio.wait([asyncio.create_task(conn.execute(sql, (7,)))])
        assert done.pop().result() == [(7,)]
        with pytest.raises(millpond.Error):
            await conn.execute("nonsense")


async def test_every_way_to_wait_works_on_asyncio(db: Any) -> None:
    await every_way(db)


def test_every_way_to_wait_works_on_uvloop(db: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(every_way(db))


async def test_a_task_that_only_reads_lets_others_run(databases: Any) -> None:
    db = databases.open("sqlite")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    async with db.async_connection() as conn:
        for _ in range(1000):
            await conn.execute("SELECT 1")
    counter.cancel()
    assert turns >= 1000 // 32


async def test_context_variables_are_those_of_the_task(db: Any) -> None:
    import contextvars

    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")

    async def ask(name: str) -> str:
        who.set(name)
        async with db.async_connection() as conn:
            await conn.execute("SELECT 1")
            await conn.execute("SELECT 2")
        return who.get()

    names = [f"task {i}" for i in range(10)]
    assert await asyncio.gather(*map(ask, names)) == names


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")  # a backend's
async def test_an_error_that_nobody_awaits_is_reported(db: Any) -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
    async with db.async_connection() as conn:
        conn.execute("SELECT ?", ())
        await conn.execute("SELECT 1")
    await asyncio.sleep(0)
    gc.collect()
    assert [type(report["exception"]) for report in reports] == [millpond.ParameterError]


async def test_references_do_not_leak(db: Any) -> None:
    async def work() -> None:
        async with db.async_connection() as conn:
            await conn.execute("SELECT ?", ("text",), tags={"a": "b"}, timeout=5)
            with contextlib.suppress(millpond.ParameterError):
                await conn.execute("SELECT ?", ())

    marker = object()
    for _ in range(50):
        await work()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        await work()
    gc.collect()
    assert len(gc.get_objects()) - before < 50
    assert sys.getrefcount(marker) < 5


async def test_a_pool_survives_its_event_loop(databases: Any, kind: str) -> None:
    db = databases.open(kind)

    async def ask() -> tuple[int, Any]:
        async with db.async_connection() as conn:
            return conn.id, await conn.execute("SELECT 1")

    def in_loop() -> tuple[int, Any]:
        return asyncio.run(ask())

    first = await asyncio.to_thread(in_loop)
    second = await asyncio.to_thread(in_loop)
    assert first == second == (first[0], [(1,)])


def leave_one_opening(db: Any) -> None:
    """An event loop that ends while a connection is leased and others are being opened."""

    async def work() -> None:
        conn = await db.get_async_connection()
        waiting = [asyncio.create_task(db.get_async_connection()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        del conn

    asyncio.run(work())


@pytest.mark.filterwarnings("ignore:a connection was not released:ResourceWarning")
def test_an_event_loop_that_ends_takes_no_connection_with_it(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=4)
    leave_one_opening(db)
    status = db.get_pool_status()
    assert status["in_use"] == 0
    with db.sync_connection() as one, db.sync_connection() as two:
        assert one.execute("SELECT 1") == two.execute("SELECT 1") == [(1,)]


def test_generators_convert_and_count() -> None:
    sql = "SELECT [order] FROM t WHERE a = ? AND b ??| ? -- ?"
    native, params = PostgresSqlGenerator().convert_query_to_native(sql, (1, 2))
    assert native == 'SELECT "order" FROM t WHERE a = $1 AND b ?| $2 -- ?'
    assert params == [1, 2]
    assert MysqlSqlGenerator().convert_query_to_native("SELECT [a]", None)[0] == "SELECT `a`"
    assert SqliteSqlGenerator().convert_query_to_native("SELECT ?", ("x",)) == ("SELECT ?", ["x"])
    with pytest.raises(millpond.ParameterError, match="has 1 placeholder and got 2 parameters"):
        SqliteSqlGenerator().convert_query_to_native("SELECT ?", (1, 2))


def test_generators_make_timeouts_and_comments() -> None:
    assert PostgresSqlGenerator().get_timeout_sql(1.5) == "SET LOCAL statement_timeout = 1500"
    assert "max_execution_time = 2000" in MysqlSqlGenerator().get_timeout_sql(2)
    assert SqliteSqlGenerator().get_timeout_sql(2) is None
    assert PostgresSqlGenerator().get_timeout_sql(None) is None
    assert PostgresSqlGenerator().get_comment_sql({"b": "x*/", "a": 1}) == "/*a='1',b='x%2A%2F'*/"
    assert SqliteSqlGenerator().get_comment_sql({}) is None


def test_the_hash_depends_on_all_but_the_password() -> None:
    def of(**changes: Any) -> str:
        return millpond.DatabaseConfig(
            **{"database": "a", "host": "h", "password": "p", **changes}
        ).hash()

    assert len(of()) == 32
    assert of() == of(password="other")
    changes = [
        {"database": "b"},
        {"host": "i"},
        {"port": 1},
        {"alias": "x"},
        {"sslmode": "require"},
    ]
    assert len({of(), *(of(**change) for change in changes)}) == 6


def test_two_passwords_never_share_a_pool(databases: Any) -> None:
    right = databases.open("postgres")
    with right.sync_connection() as conn:
        conn.execute("SELECT 1")
    wrong = databases.open("postgres", password="wrong")
    assert right.hash() == wrong.hash()
    with pytest.raises(millpond.AuthenticationError):
        wrong.get_sync_connection()


def test_no_password_in_a_repr() -> None:
    config = millpond.DatabaseConfig(database="d", password="hunter2")
    assert "hunter2" not in repr(config)
    assert config.config()["password"] == "hunter2"
