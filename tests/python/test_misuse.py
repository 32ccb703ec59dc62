"""Connections used where, when or by whom they must not be."""

import asyncio
import os
import threading
from typing import Any

import millpond
import pytest
from conftest import BACKENDS, at_rest
from forks import fork
from millpond import PoolManager


async def test_a_released_connection_is_stale(db: Any) -> None:
    conn = await db.get_async_connection()
    await db.release_async_connection(conn)
    with pytest.raises(millpond.StaleConnectionError, match="given back"):
        await conn.execute("SELECT 1")
    with pytest.raises(millpond.StaleConnectionError, match="given back"):
        await db.release_async_connection(conn)
    assert (await at_rest(db))["idle"] == 1


async def test_a_stale_connection_never_reaches_the_next_owner(db: Any) -> None:
    old = await db.get_async_connection()
    number = old.id
    await db.release_async_connection(old)
    async with db.async_connection() as conn:
        assert conn.id == number
        with pytest.raises(millpond.StaleConnectionError):
            await old.begin_transaction()
        assert await conn.in_transaction() is False


async def test_a_closed_connection_is_replaced(db: Any) -> None:
    async with db.async_connection() as conn:
        number = conn.id
        await conn.close()
        await conn.close()
        with pytest.raises(millpond.InterfaceError):
            await conn.execute("SELECT 1")
    async with db.async_connection() as conn:
        assert conn.id != number
    assert (await at_rest(db))["size"] == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "1", b"", object()])
async def test_a_timeout_that_is_none_says_what_one_is(conn: Any, timeout: Any) -> None:
    with pytest.raises(millpond.ArgumentError, match="positive number of seconds or None, not"):
        await conn.execute("SELECT 1", timeout=timeout)


async def test_transactions_begin_and_end_once(conn: Any) -> None:
    for verb in (conn.commit_transaction, conn.rollback_transaction):
        with pytest.raises(millpond.TransactionStateError, match="no open transaction"):
            await verb()
    await conn.begin_transaction()
    with pytest.raises(millpond.TransactionStateError, match="open already"):
        await conn.begin_transaction()
    await conn.rollback_transaction()


def in_thread(call: Any) -> BaseException | None:
    """What a call raises in another thread."""
    caught: list[BaseException | None] = [None]

    def run() -> None:
        try:
            call()
        except BaseException as error:
            caught[0] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0]


async def test_another_thread_is_refused(db: Any) -> None:
    async with db.async_connection() as conn:

        async def use() -> None:
            await conn.execute("SELECT 1")

        error = in_thread(lambda: asyncio.run(use()))
        assert isinstance(error, millpond.MisuseError)
        assert "belongs to another" in str(error)
        assert (await conn.execute("SELECT 1")) == [(1,)]


def test_a_sync_connection_is_for_one_thread(db: Any) -> None:
    with db.sync_connection() as conn:
        error = in_thread(lambda: conn.execute("SELECT 1"))
        assert isinstance(error, millpond.MisuseError)
        assert "another thread" in str(error)
        assert conn.execute("SELECT 1") == [(1,)]


def test_another_event_loop_of_the_same_thread_is_refused(db: Any) -> None:
    first = asyncio.new_event_loop()
    second = asyncio.new_event_loop()
    conn = first.run_until_complete(db.get_async_connection())

    async def use() -> Any:
        return await conn.execute("SELECT 1")

    with pytest.raises(millpond.MisuseError, match="another event loop"):
        second.run_until_complete(use())
    assert first.run_until_complete(use()) == [(1,)]
    first.run_until_complete(db.release_async_connection(conn))
    first.close()
    second.close()


def test_connections_are_refused_after_a_fork_and_new_ones_work(db: Any) -> None:
    with db.sync_connection() as conn:
        conn.execute("SELECT 1")
        child = fork()
        if child == 0:
            code = 1
            try:
                conn.execute("SELECT 1")
            except millpond.MisuseError as error:
                code = 0 if "fork" in str(error) else 2
            if code == 0:
                with db.sync_connection() as own:
                    code = 0 if own.execute("SELECT 1") == [(1,)] else 3
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert conn.execute("SELECT 1") == [(1,)]


def test_without_an_event_loop_there_is_no_async_connection(db: Any) -> None:
    assert millpond.is_environment_async() is False
    coroutine = db.get_async_connection()
    with pytest.raises(millpond.MisuseError, match="no event loop is running"):
        coroutine.send(None)


async def test_the_environment_is_async_inside_a_coroutine() -> None:
    assert millpond.is_environment_async() is True


async def test_a_dirty_release_is_rolled_back_and_warned_of(
    items: str, db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with db.async_connection() as conn:
        await conn.begin_transaction()
        await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
    async with db.async_connection() as conn:
        assert await conn.in_transaction() is False
        assert (await conn.execute("SELECT count(*) FROM items")) == [(0,)]
    await at_rest(db)
    assert "open transaction, which was rolled back" in caplog.text


@pytest.mark.filterwarnings("ignore:a connection was not released:ResourceWarning")
async def test_a_forgotten_connection_comes_back_with_a_warning(
    db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    conn = await db.get_async_connection()
    del conn
    assert (await at_rest(db))["idle"] == 1
    async with db.async_connection():
        pass
    assert "dropped without being released" in caplog.text


async def test_a_closed_pool_is_made_anew(db: Any) -> None:
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
    await PoolManager.close_pool(config_hash=db.hash(), timeout=5)
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT 1")) == [(1,)]


async def test_close_pool_takes_connections_by_force_and_commits(
    items: str, db: Any, databases: Any, endless: str
) -> None:
    idle = await db.get_async_connection()
    await idle.begin_transaction()
    await idle.execute("INSERT INTO items VALUES (1, 'kept', 1)")
    busy = await db.get_async_connection()
    running = asyncio.ensure_future(busy.execute(endless))
    await PoolManager.close_pool(config_hash=db.hash(), timeout=0.2)
    with pytest.raises(millpond.Error):
        await running
    with pytest.raises(millpond.StaleConnectionError):
        await idle.execute("SELECT 1")
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT name FROM items")) == [("kept",)]


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("way", ["async", "sync"])
def test_close_pool_stops_a_statement_whose_interrupts_come_too_early(
    db: Any, endless: str, way: str, lost_interrupts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    outcome: list[millpond.Error] = []

    def work() -> None:
        with db.sync_connection() as conn:
            run = conn._execute_statement_sync

            def running(self: Any, *args: Any) -> Any:
                begun.set()
                return run(*args)

            monkeypatch.setattr(type(conn), "_execute_statement_sync", running)
            try:
                conn.execute(endless)
            except millpond.Error as error:
                outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert begun.wait(30)
    if way == "async":
        asyncio.run(PoolManager.close_pool(config_hash=db.hash(), timeout=0.1))
    else:
        PoolManager._close_pools_sync(config_hash=db.hash(), timeout=0.1)
    thread.join(30)
    assert [type(error).__name__ for error in outcome] == ["StatementError"]
    assert len(lost_interrupts) == 3


async def test_an_acquire_times_out_and_says_why(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1, connection_acquisition_timeout=0.1)
    async with db.async_connection(timeout=120):
        with pytest.raises(TimeoutError, match="1 of at most 1 are in use"):
            await db.get_async_connection()
    status = await at_rest(db)
    assert status["metrics"]["timeouts"] == 1
    assert status["size"] == 1


async def test_waiters_are_served_in_their_order(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1)
    served: list[int] = []

    async def wait(number: int) -> None:
        async with db.async_connection():
            served.append(number)

    async with db.async_connection():
        tasks = [asyncio.create_task(wait(i)) for i in range(20)]
        await asyncio.sleep(0)
        assert db.get_pool_status()["waiting"] == 20
    await asyncio.gather(*tasks)
    assert served == list(range(20))


def test_many_threads_and_loops_share_one_pool(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=4, sync_max_size=2)

    async def work(number: int) -> list[int]:
        async def one(i: int) -> int:
            async with db.async_connection() as conn:
                return int((await conn.execute("SELECT 0 + ?", (i,)))[0][0])

        return list(await asyncio.gather(*(one(number * 100 + i) for i in range(50))))

    errors = []
    answers: dict[int, list[int]] = {}

    def run(number: int) -> None:
        try:
            if number % 2:
                answers[number] = asyncio.run(work(number))
            else:
                answers[number] = []
                for i in range(50):
                    with db.sync_connection() as conn:
                        rows = conn.execute("SELECT 0 + ?", (number * 100 + i,))
                        answers[number].append(int(rows[0][0]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert answers == {n: [n * 100 + i for i in range(50)] for n in range(6)}
    assert asyncio.run(at_rest(db))["size"] <= 6


# ---- Where errors come -------------------------------------------------------------------


WRONG_CALLS: dict[str, Any] = {
    "execute": lambda conn: conn.execute("SELECT 1", (1,)),
    "execute, of no text": lambda conn: conn.execute(7),
    "execute, timeout": lambda conn: conn.execute("SELECT 1", timeout=-1),
    "executemany": lambda conn: conn.executemany("SELECT ?", [(1, 2)]),
    "fetch_value": lambda conn: conn.fetch_value("SELECT 1", (1,)),
    "get_entity": lambda conn: conn.get_entity("no name", "1"),
    "save_entity": lambda conn: conn.save_entity("thing", 7),
    "save_entities": lambda conn: conn.save_entities("thing", [7]),
    "find_entities": lambda conn: conn.find_entities("thing", 7),
    "get_entity_history_between": lambda conn: conn.get_entity_history_between("thing", 1, 2),
}


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mysql", *BACKENDS])
@pytest.mark.parametrize("wrong", WRONG_CALLS.values(), ids=WRONG_CALLS.keys())
async def test_an_error_of_the_arguments_comes_at_the_await(conn: Any, wrong: Any) -> None:
    call = wrong(conn)
    with pytest.raises((millpond.ParameterError, millpond.ArgumentError)):
        await call
