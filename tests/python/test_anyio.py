"""anyio on asyncio: it cancels again and again until a scope is left."""

import asyncio
import contextlib
import threading
from typing import Any

import anyio
import anyio.to_thread
import millpond
import pytest
from anyio.abc import SocketStream
from conftest import BACKENDS, KINDS, at_rest


async def count(conn: Any) -> int:
    return int(await conn.fetch_value("SELECT count(*) FROM items"))


async def is_at_rest(db: Any) -> None:
    status = await at_rest(db)
    assert status["size"] == status["idle"]
    assert status["metrics"]["total_acquired"] == status["metrics"]["total_released"]


# ---- Scopes ------------------------------------------------------------------------------


async def test_a_scope_stops_a_statement_and_knows_that_it_did(conn: Any, endless: str) -> None:
    number = conn.id
    with anyio.move_on_after(0.05) as scope:
        await conn.execute(endless)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.05):
            await conn.execute(endless)
    assert await conn.fetch_value("SELECT 1") == 1
    assert conn.id == number


@pytest.mark.parametrize("kind", BACKENDS)
async def test_a_scope_stops_a_statement_whose_interrupts_come_too_early(
    conn: Any, endless: str, lost_interrupts: list[Any]
) -> None:
    """Were it left running, it would fill the memory."""
    with anyio.move_on_after(0.05) as scope:
        await conn.execute(endless)
    assert scope.cancelled_caught
    assert len(lost_interrupts) == 3
    assert await conn.fetch_value("SELECT 1", timeout=10) == 1


async def test_a_scope_stops_a_wait_for_a_connection(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1)
    async with db.async_connection():
        with anyio.move_on_after(0.05) as scope:
            await db.get_async_connection()
        assert scope.cancelled_caught
        assert db.get_pool_status()["waiting"] == 0
    await is_at_rest(db)


async def test_a_scope_around_a_block_undoes_its_transaction(
    items: str, conn: Any, endless: str
) -> None:
    """Though each wait of the rollback is cancelled, too. The connection goes on."""
    for _ in range(5):
        with anyio.move_on_after(0.05) as scope:
            async with conn.transaction():
                await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
                await conn.execute(endless)
        assert scope.cancelled_caught
        assert await conn.in_transaction() is False
        async with conn.transaction():
            assert await count(conn) == 0


@pytest.mark.parametrize("kind", KINDS)  # DuckDB has no savepoints
async def test_a_scope_around_an_inner_block_undoes_it_alone(
    items: str, conn: Any, endless: str
) -> None:
    async with conn.transaction():
        await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
        with anyio.move_on_after(0.05) as scope:
            async with conn.transaction():
                await conn.execute("INSERT INTO items VALUES (2, 'two', 1)")
                await conn.execute(endless)
        assert scope.cancelled_caught
        assert await count(conn) == 1
        async with conn.transaction():
            await conn.execute("INSERT INTO items VALUES (3, 'three', 1)")
    assert await conn.execute("SELECT id FROM items ORDER BY id") == [(1,), (3,)]


async def test_a_block_in_a_scope_that_is_cancelled_already_leaves_nothing(
    items: str, conn: Any
) -> None:
    """Its begin is cancelled, or its commit: of that nobody knows whether it came in time."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with conn.transaction():
            await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
    assert await conn.in_transaction() is False
    assert await count(conn) == 0
    with anyio.CancelScope() as scope:
        async with conn.transaction():
            await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
            scope.cancel()
    assert await conn.in_transaction() is False
    assert scope.cancelled_caught or await count(conn) == 1


@pytest.mark.parametrize("kind", KINDS)  # DuckDB has no savepoints
async def test_nested_blocks_in_a_scope_that_is_cancelled_leave_nothing_open(
    items: str, conn: Any
) -> None:
    for cancelled in ("inner", "outer"):
        with anyio.CancelScope() as scope:
            async with conn.transaction():
                async with conn.transaction():
                    await conn.execute("INSERT INTO items (id, name) VALUES (?, 'one')", (1,))
                    if cancelled == "inner":
                        scope.cancel()
                scope.cancel()
        assert await conn.in_transaction() is False
        assert scope.cancelled_caught or await count(conn) == 1
        await conn.execute("DELETE FROM items")


async def test_a_shielded_block_does_its_work(items: str, db: Any, endless: str) -> None:
    async with db.async_connection() as conn:
        with anyio.move_on_after(0.05):
            try:
                await conn.execute(endless)
            finally:
                with anyio.CancelScope(shield=True):
                    async with conn.transaction():
                        await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
        assert await count(conn) == 1
    await is_at_rest(db)


@pytest.mark.parametrize("kind", BACKENDS)
async def test_a_rollback_that_hangs_is_given_up_with_its_connection(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    async with db.async_connection() as conn:
        backend = type(conn).__mro__[1]
    transact = backend._transact

    def hang(self: Any, verb: str) -> None:
        if verb == "ROLLBACK":
            over.wait()
        transact(self, verb)

    monkeypatch.setattr(backend, "_transact", hang)
    close = type(conn).close

    async def close_slowly(self: Any) -> None:
        await asyncio.sleep(0.01)
        await close(self)

    monkeypatch.setattr(type(conn), "close", close_slowly)
    with anyio.move_on_after(0.05) as scope:
        async with db.async_connection() as conn, conn.transaction():
            first = conn.id
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    async with db.async_connection() as conn:
        assert conn.id != first
        assert await conn.fetch_value("SELECT 1") == 1
    over.set()
    await is_at_rest(db)


@pytest.mark.parametrize("kind", BACKENDS)
async def test_who_is_cancelled_idle_in_a_block_waits_for_no_rollback(
    items: str, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with db.async_connection() as conn:
        backend = type(conn).__mro__[1]
    transact = backend._transact
    may = threading.Event()
    idle = asyncio.Event()

    def wait(self: Any, verb: str) -> None:
        if verb == "ROLLBACK":
            assert may.wait(90)
        transact(self, verb)

    monkeypatch.setattr(backend, "_transact", wait)
    monkeypatch.setattr("millpond.execute.GRACE", 90.0)

    async def work() -> None:
        async with db.async_connection() as conn, conn.transaction():
            await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
            idle.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await idle.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task  # the rollback still waits
    async with db.async_connection() as conn:
        waits = asyncio.ensure_future(count(conn))
        may.set()
        assert await waits == 0
    await is_at_rest(db)


@pytest.mark.parametrize("kind", BACKENDS)
async def test_what_comes_after_a_cancelled_block_comes_after_its_rollback(
    items: str, conn: Any
) -> None:
    for _ in range(5):
        with anyio.move_on_after(0.01):
            async with conn.transaction():
                await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
                await anyio.sleep_forever()
        await conn.execute("INSERT INTO items VALUES (2, 'two', 1)")
        assert await conn.in_transaction() is False
        await conn.execute("DELETE FROM items WHERE id = 2")
        assert await count(conn) == 0


# ---- Task groups -------------------------------------------------------------------------


async def test_a_group_that_fails_stops_its_tasks_and_leaks_nothing(
    items: str, databases: Any, kind: str, endless: str
) -> None:
    db = databases.open(kind, pool_max_size=3)
    begun = anyio.Event()

    async def work(number: int) -> None:
        async with db.async_connection() as conn, conn.transaction():
            await conn.execute("SELECT ?", (number,))
            begun.set()
            await conn.execute(endless)

    async def fail() -> None:
        await begun.wait()
        raise LookupError("enough")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(work, number)
            group.start_soon(fail)
    assert [str(error) for error in caught.value.exceptions] == ["enough"]
    await is_at_rest(db)
    async with db.async_connection() as conn:
        assert await count(conn) == 0


async def test_calls_are_tasks_as_they_are(db: Any, conn: Any) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(conn.execute, "SELECT 1")
        group.start_soon(db.health_check)


async def test_a_stream_that_is_left_by_a_cancel_leaves_the_connection_usable(
    db: Any, kind: str
) -> None:
    if kind == "duckdb":
        pytest.skip("it reads all rows at once")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
    async with db.async_connection() as conn:
        for stop in range(0, 40, 10):
            with anyio.CancelScope() as scope:
                async for (number,) in conn.stream(f"{numbers} SELECT i FROM n", batch=7):
                    if number == stop:
                        scope.cancel()
            assert await conn.fetch_value("SELECT 1") == 1
    await is_at_rest(db)


async def test_threads_of_anyio_use_synchronous_connections(db: Any) -> None:
    def work(number: int) -> None:
        with db.sync_connection() as conn:
            assert conn.fetch_value("SELECT 7") == 7

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(anyio.to_thread.run_sync, work, number)


# ---- A server ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_a_server_survives_clients_that_hang_up_and_ends_cleanly(
    databases: Any, kind: str, casts: dict[str, str], endless: str, uvloop: bool
) -> None:
    """One handler a client; whoever hangs up cancels its own."""
    db = databases.open(kind, pool_max_size=3)
    answer = f"SELECT CAST(? AS {casts['text']})"

    async def until_hung_up(client: SocketStream, scope: anyio.CancelScope) -> None:
        with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await client.receive(1)
        scope.cancel()

    async def handle(client: SocketStream) -> None:
        async with client:
            text = (await client.receive()).decode()
            async with anyio.create_task_group() as group:
                group.start_soon(until_hung_up, client, group.cancel_scope)
                async with db.async_connection() as conn, conn.transaction():
                    if text == "endless":
                        await conn.execute(endless)
                    await client.send((await conn.fetch_value(answer, (text,))).encode())
                group.cancel_scope.cancel()

    async def ask(port: int, number: int) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as server:
            if number % 3 == 0:
                await server.send(b"endless")
                await anyio.sleep(0.01)  # whatever it does by then
                return
            await server.send(f"client {number}".encode())
            assert await server.receive() == f"client {number}".encode()

    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as serving:
            serving.start_soon(listener.serve, handle)
            async with anyio.create_task_group() as clients:
                for number in range(40):
                    clients.start_soon(ask, port, number)
            serving.cancel_scope.cancel()
        await is_at_rest(db)
        await db.close_pool(db.hash(), timeout=5)

    anyio.run(main, backend_options={"use_uvloop": uvloop})


async def test_the_library_raises_its_own_timeout_inside_a_scope(conn: Any, endless: str) -> None:
    with anyio.move_on_after(60) as scope:
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute(endless, timeout=0.05)
    assert not scope.cancelled_caught
