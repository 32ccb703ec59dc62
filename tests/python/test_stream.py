"""Rows one by one."""

import asyncio
import contextlib
import os
from typing import Any

import millpond
import pytest
from conftest import at_rest

# So many numbers from 1 on.
NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) "
    "SELECT i, 'row ' || i FROM n",
    "postgres": "SELECT i, 'row ' || i FROM generate_series(1, {0}) AS n(i)",
    "duckdb": "SELECT i, 'row ' || i FROM generate_series(1, {0}) AS n(i)",
    "MariaDB": "WITH n(i) AS (SELECT seq FROM seq_1_to_{0}) SELECT i, concat('row ', i) FROM n",
    "MySQL": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) "
    "SELECT /*+ SET_VAR(cte_max_recursion_depth = {0}) */ i, concat('row ', i) FROM n",
}


@pytest.fixture
def numbers(kind: str, mysql: dict[str, Any]) -> str:
    return NUMBERS[mysql["server"] if kind == "mysql" else kind]


@pytest.mark.parametrize("batch", [1, 7, 999, 1000, 5000])
async def test_a_stream_gives_every_row_once(conn: Any, numbers: str, batch: int) -> None:
    stream = conn.stream(numbers.format(1000), batch=batch)
    assert [row async for row in stream] == [(i, f"row {i}") for i in range(1, 1001)]
    assert len(stream.columns) == 2
    with pytest.raises(StopAsyncIteration):
        await stream.__anext__()
    assert (await conn.execute("SELECT 1")) == [(1,)]


@pytest.mark.parametrize("batch", [1, 1000, 5000])
def test_a_synchronous_stream_does_too(db: Any, numbers: str, batch: int) -> None:
    with db.sync_connection() as conn:
        rows = list(conn.stream(numbers.format(1000), batch=batch))
        assert rows == [(i, f"row {i}") for i in range(1, 1001)]
        for row in conn.stream(numbers.format(1_000_000)):
            assert row == (1, "row 1")
            break
        assert conn.execute("SELECT 1") == [(1,)]


async def test_parameters_and_no_rows_are_fine(items: str, conn: Any) -> None:
    await conn.executemany("INSERT INTO items VALUES (?, ?, ?)", [(i, "x", 1) for i in range(10)])
    rows = [row async for row in conn.stream("SELECT id FROM items WHERE id > ?", (7,), batch=1)]
    assert rows == [(8,), (9,)]
    assert [row async for row in conn.stream("SELECT id FROM items WHERE id > ?", (70,))] == []
    assert [row async for row in conn.stream("DELETE FROM items WHERE id = 1")] == []
    assert (await conn.execute("SELECT count(*) FROM items")) == [(9,)]


async def test_parameters_live_as_long_as_the_stream(
    items: str, db: Any, conn: Any, casts: dict[str, str]
) -> None:
    await conn.executemany("INSERT INTO items VALUES (?, ?, ?)", [(i, "x", 1) for i in range(100)])
    sql = f"SELECT id, CAST(? AS {casts['text']}) FROM items ORDER BY id"
    async with db.async_connection() as other:
        async for row in conn.stream(sql, ("mine" * 10,), batch=5):
            assert row[1] == "mine" * 10
            for _ in range(3):  # takes the memory that the stream's first request had
                assert (await other.execute(sql, ("other" * 8,)))[0][1] == "other" * 8


async def test_leaving_the_loop_early_frees_the_connection(conn: Any, numbers: str) -> None:
    number = conn.id
    for _ in range(5):
        async for row in conn.stream(numbers.format(1_000_000), batch=10):
            if row[0] == 15:
                break
        assert (await conn.execute("SELECT 1")) == [(1,)]
    async with conn.stream(numbers.format(1_000_000)) as stream:
        assert await stream.__anext__() == (1, "row 1")
    assert (await conn.execute("SELECT 1")) == [(1,)]
    assert conn.id == number


async def test_a_stream_is_left_early_in_a_transaction(items: str, conn: Any, numbers: str) -> None:
    await conn.begin_transaction()
    await conn.execute("INSERT INTO items VALUES (1, 'mine', 1)")
    async for _row in conn.stream(numbers.format(20_000), batch=10):
        break
    assert await conn.in_transaction() is True
    await conn.execute("INSERT INTO items VALUES (2, 'mine', 1)")
    await conn.commit_transaction()
    assert (await conn.execute("SELECT count(*) FROM items")) == [(2,)]


async def test_another_statement_is_refused_while_a_stream_is_open(conn: Any, numbers: str) -> None:
    stream = conn.stream(numbers.format(100), batch=10)
    assert await stream.__anext__() == (1, "row 1")
    with pytest.raises(millpond.MisuseError, match="a stream is open"):
        await conn.execute("SELECT 1")
    with pytest.raises(millpond.MisuseError, match="a stream is open"):
        await conn.begin_transaction()
    assert len([row async for row in stream]) == 99
    assert (await conn.execute("SELECT 1")) == [(1,)]


async def test_a_connection_with_an_open_stream_is_cleaned_on_release(
    databases: Any, kind: str, numbers: str
) -> None:
    db = databases.open(kind, pool_max_size=1)
    streams = []
    for _ in range(3):
        async with db.async_connection() as conn:
            streams.append(conn.stream(numbers.format(100_000), batch=5))
            assert await streams[-1].__anext__() == (1, "row 1")
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT 1")) == [(1,)]
    rest = [row async for row in contextlib_ignoring(streams[0])]
    assert rest == [(i, f"row {i}") for i in range(2, 6)]
    assert (await at_rest(db))["size"] == 1


async def contextlib_ignoring(stream: Any) -> Any:
    """What was read already; the connection itself is gone."""
    with contextlib.suppress(millpond.StaleConnectionError):
        async for row in stream:
            yield row


async def test_an_error_ends_the_stream(conn: Any, kind: str, numbers: str) -> None:
    failing = {
        "sqlite": "CASE WHEN i > 50 THEN json('{') ELSE i END",
        "postgres": "1 / (51 - i)",
        "mysql": "(SELECT 1 UNION SELECT i FROM dual WHERE i > 50)",
        "duckdb": "CASE WHEN i > 50 THEN error('late') ELSE i END",
    }[kind]
    before, _, source = numbers.format(100).rpartition(" FROM ")
    late = f"{before}, {failing} FROM {source}"
    seen = 0
    with pytest.raises(millpond.Error):
        async for _row in conn.stream(late, batch=10):
            seen += 1
    assert seen in (0, 50)  # MySQL may find out before the first row
    assert (await conn.execute("SELECT 1")) == [(1,)]
    with pytest.raises(millpond.SqlSyntaxError):
        await conn.stream("SELECT FROM WHERE").__anext__()
    assert (await conn.execute("SELECT 1")) == [(1,)]


@pytest.mark.parametrize("batch", [0, -1])
async def test_a_batch_of_no_rows_is_refused(conn: Any, batch: int) -> None:
    with pytest.raises(ValueError, match="batch must be a positive number"):
        await conn.stream("SELECT 1", batch=batch).__anext__()


class Interrupted:
    """A connection whose batches Ctrl-C follows before anybody has them."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            answer = getattr(self.conn, name)(*args)
            if name in ("_stream", "_fetch"):
                raise KeyboardInterrupt
            return answer

        return call


@pytest.mark.parametrize("read_before", [False, True])
def test_an_interrupt_right_behind_a_batch_ends_the_stream(
    db: Any, numbers: str, read_before: bool
) -> None:
    with db.sync_connection() as conn:
        stream = conn.stream(numbers.format(1000), batch=10)
        if read_before:
            assert len([next(stream) for _ in range(10)]) == 10
        stream._connection = Interrupted(conn)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        assert conn.fetch_value("SELECT 5") == 5
        assert list(stream) == []


@pytest.mark.slow
async def test_a_cancelled_task_leaves_the_connection_usable(conn: Any, numbers: str) -> None:
    async def read() -> None:
        async for _row in conn.stream(numbers.format(10_000_000), batch=100):
            await asyncio.sleep(0)

    for turns in (1, 5, 50):
        task = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        assert (await conn.execute("SELECT 1")) == [(1,)]


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
async def test_memory_stays_flat_over_five_million_rows(conn: Any, numbers: str) -> None:
    stream = conn.stream(numbers.format(5_000_000))
    before = 0
    count = 0
    most = 0
    async for row in stream:
        count += 1
        if count == 10_000:
            before = resident_bytes()
        if count % 100_000 == 0:
            most = max(most, resident_bytes())
        assert row[0] == count
    assert count == 5_000_000
    assert most - before < 32 << 20
