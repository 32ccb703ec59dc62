"""Backends written as the specification's Extension snippet: whatever their drivers answer with is
understood, and whatever goes wrong in a transaction of the library's own is undone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import millpond
import pytest
from millpond import metrics
from plain_backend import SHAPES, TUPLES, PlainConnectionPool, PlainDatabase, plain_database

pytestmark = pytest.mark.once

Make = Callable[[Callable[[sqlite3.Cursor], Any]], PlainDatabase]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[PlainDatabase] = []

    def make_one(shape: Callable[[sqlite3.Cursor], Any]) -> PlainDatabase:
        made.append(plain_database(tmp_path / "plain.db", shape))
        return made[-1]

    yield make_one
    for db in made:
        db.close()


@pytest.fixture(params=list(SHAPES))
def db(request: Any, make: Make) -> PlainDatabase:
    return make(SHAPES[request.param])


@pytest.fixture
async def conn(db: PlainDatabase) -> AsyncIterator[Any]:
    async with db.async_connection() as conn:
        yield conn


# ---- What is understood ------------------------------------------------------------------


async def test_rows_know_their_columns(conn: Any) -> None:
    rows = await conn.execute("SELECT ? AS one, 'b' AS two", (1,))
    assert (rows, rows.columns) == ([(1, "b")], ("one", "two"))
    rows = await conn.fetch_all("SELECT 1 AS one, 2 AS two", row_factory=millpond.dict_row)
    assert rows == [{"one": 1, "two": 2}]
    row = await conn.fetch_one("SELECT 1 AS one", row_factory=millpond.namedtuple_row)
    assert row.one == 1
    assert await conn.fetch_value("SELECT 5") == 5
    assert [row async for row in conn.stream("SELECT 1 AS one")] == [(1,)]


async def test_entities_are_kept(conn: Any) -> None:
    saved = await conn.save_entity("pond", {"name": "mill", "depth": 2.5, "tags": ["a", "b"]})
    await conn.save_entity("pond", {"id": saved["id"], "name": "old mill"})
    got = await conn.get_entity("pond", saved["id"], deserialize=True)
    assert (got["name"], got["depth"], got["tags"]) == ("old mill", 2.5, ["a", "b"])
    ids = await conn.save_entities("pond", [{"name": f"pond {n}"} for n in range(3)])
    found = await conn.find_entities("pond", "name LIKE ?", ("pond %",), order_by="name")
    assert [row["id"] for row in found] == ids
    assert await conn.count_entities("pond") == 4
    assert len(await conn.get_entity_history("pond", saved["id"])) == 2
    assert not await conn.in_transaction()


def test_the_same_without_asyncio(db: PlainDatabase) -> None:
    with db.sync_connection() as conn:
        rows = conn.execute("SELECT ? AS one, 'b' AS two", (1,))
        assert (rows, rows.columns) == ([(1, "b")], ("one", "two"))
        assert conn.fetch_one("SELECT 1 AS a", row_factory=millpond.dict_row) == {"a": 1}
        assert list(conn.stream("SELECT 1 AS one")) == [(1,)]
        saved = conn.save_entity("pond", {"name": "mill"})
        conn.save_entities("pond", [{"id": saved["id"], "name": "old mill"}, {"name": "new"}])
        assert conn.get_entity("pond", saved["id"])["name"] == "old mill"
        assert conn.count_entities("pond") == 2


async def test_writes_count_their_rows(make: Make) -> None:
    db = make(SHAPES["a cursor"])
    async with db.async_connection() as conn:
        await conn.execute("CREATE TABLE t (n integer PRIMARY KEY)")
        rows = await conn.execute("INSERT INTO t VALUES (1), (2)")
        assert (rows.rowcount, rows.lastrowid, rows.columns) == (2, 2, ())


# ---- What cannot be known ----------------------------------------------------------------

WHAT_TO_RETURN = r"returned rows without the names of their columns: return .*millpond\.Result\("


async def test_rows_without_names_are_tuples_and_nothing_else(make: Make) -> None:
    db = make(TUPLES)
    async with db.async_connection() as conn:
        assert await conn.execute("SELECT 1, 2") == [(1, 2)]
        assert await conn.fetch_value("SELECT 1") == 1
        for work in (
            conn.fetch_all("SELECT 1", row_factory=millpond.dict_row),
            conn.fetch_one("SELECT 1", row_factory=millpond.namedtuple_row),
            conn.save_entity("pond", {"name": "mill"}),
        ):
            with pytest.raises(millpond.UnsupportedError, match=WHAT_TO_RETURN) as raised:
                await work
            assert "_execute_statement_async" in str(raised.value)
        assert not await conn.in_transaction()
        assert await conn.fetch_all("SELECT 1 WHERE 0", row_factory=millpond.dict_row) == []


def test_the_same_message_without_asyncio(make: Make) -> None:
    db = make(TUPLES)
    with db.sync_connection() as conn:
        with pytest.raises(millpond.UnsupportedError, match="_execute_statement_sync"):
            conn.save_entity("pond", {"name": "mill"})
        with pytest.raises(millpond.UnsupportedError, match=WHAT_TO_RETURN):
            conn.fetch_all("SELECT 1", row_factory=millpond.dict_row)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1, 2], "row 0 is an int"),
        (["ab"], "row 0 is a str"),
        ([{"a": 1}, {"b": 1}], "row 1 has no column 'a'"),
        ([{"a": 1}, {"a": 1, "b": 1}], "row 1 has 2 columns, but row 0 has 1"),
        (3.5, "a float"),
    ],
)
def test_answers_that_are_no_rows_are_told(make: Make, answer: Any, message: str) -> None:
    db = make(lambda cursor: answer)
    with (
        db.sync_connection() as conn,
        pytest.raises(millpond.UnsupportedError, match=message),
    ):
        conn.execute("SELECT 1")


# ---- What goes wrong in a transaction ----------------------------------------------------

STOPS = [sqlite3.OperationalError("disk I/O error"), KeyboardInterrupt(), asyncio.CancelledError()]
CALLS: dict[str, Callable[[Any], Any]] = {
    "save": lambda conn: conn.save_entity("pond", {"id": "one", "name": "changed"}),
    "save many": lambda conn: conn.save_entities("pond", [{"id": "one", "name": "changed"}]),
    "delete": lambda conn: conn.delete_entity("pond", "one", permanent=True),
    "executemany": lambda conn: conn.executemany("UPDATE pond SET name = ?", [("changed",)]),
}


class Stop:
    """Raises before the N-th statement from now on."""

    def __init__(self) -> None:
        self.left, self.error = 0, BaseException()

    def arm(self, left: int, error: BaseException) -> None:
        self.left, self.error = left, error

    def __call__(self, statement: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


@pytest.mark.parametrize("error", STOPS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_whatever_is_raised_without_asyncio_is_undone(
    make: Make, call: Callable[[Any], Any], error: BaseException
) -> None:
    db = make(SHAPES["dicts"])
    db.sync_class.before = stop = Stop()
    with db.sync_connection() as conn:
        conn.save_entity("pond", {"id": "one", "name": "mill"})
        step, stopped = 0, True
        while stopped:
            step += 1
            stop.arm(step, error)
            try:
                call(conn)
            except type(error) as raised:
                assert raised is error
            else:
                stopped = False
            stop.arm(0, error)
            assert not conn.in_transaction(), f"at step {step}"
            names = conn.fetch_all("SELECT name FROM pond")
            assert names == ([("mill",)] if stopped else conn.fetch_all("SELECT name FROM pond"))
            conn.execute("CREATE TABLE IF NOT EXISTS kept (step integer)")
            conn.execute("INSERT INTO kept VALUES (?)", (step,))
    assert step > 2
    with db.sync_connection() as conn:
        assert conn.fetch_value("SELECT count(*) FROM kept") == step


class Wait:
    """Has the N-th statement from now on wait, so that its caller can be cancelled there."""

    def __init__(self) -> None:
        self.left = 0
        self.reached = asyncio.Event()

    def arm(self, left: int) -> None:
        self.left = left
        self.reached = asyncio.Event()

    def __call__(self, statement: str) -> Any:
        if statement == "COMMIT":  # which is over at once here
            return None
        self.left -= 1
        if self.left == 0:
            self.reached.set()
            return asyncio.Event().wait()
        return None


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_a_call_that_is_cancelled_at_any_step_is_undone(
    make: Make, call: Callable[[Any], Any]
) -> None:
    db = make(SHAPES["dicts"])
    db.async_class.before = wait = Wait()
    async with db.async_connection() as conn:
        await conn.save_entity("pond", {"id": "one", "name": "mill"})
        await conn.execute("CREATE TABLE kept (step integer)")
        step = 0
        while True:
            step += 1
            wait.arm(step)
            task = asyncio.ensure_future(call(conn))
            reached = asyncio.ensure_future(wait.reached.wait())
            await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            if task.done():
                break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            wait.arm(0)
            assert not await conn.in_transaction(), f"at step {step}"
            assert await conn.fetch_all("SELECT name FROM pond") == [("mill",)]
            await conn.execute("INSERT INTO kept VALUES (?)", (step,))
        wait.arm(0)
        await task
    assert step > 1
    async with db.async_connection() as conn:
        assert await conn.fetch_value("SELECT count(*) FROM kept") == step - 1


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_the_drivers_own_error_at_any_step_is_raised_and_undone(
    make: Make, call: Callable[[Any], Any]
) -> None:
    db = make(SHAPES["a cursor"])
    db.async_class.before = stop = Stop()
    error = sqlite3.OperationalError("disk I/O error")
    async with db.async_connection() as conn:
        await conn.save_entity("pond", {"id": "one", "name": "mill"})
        step, stopped = 0, True
        while stopped:
            step += 1
            stop.arm(step, error)
            try:
                await call(conn)
            except sqlite3.OperationalError as raised:
                assert raised is error
            else:
                stopped = False
            stop.arm(0, error)
            assert not await conn.in_transaction(), f"at step {step}"
    assert step > 2


async def test_in_a_transaction_of_the_callers_only_the_call_is_undone(make: Make) -> None:
    db = make(SHAPES["dicts"])
    db.async_class.before = wait = Wait()
    async with db.async_connection() as conn:
        await conn.save_entity("pond", {"id": "one", "name": "mill"})
        await conn.begin_transaction()
        await conn.execute("UPDATE pond SET name = 'mine'")
        seen: set[str] = set()
        step = 0
        while True:
            step += 1
            wait.arm(step)
            task = asyncio.ensure_future(conn.save_entities("pond", [{"id": "one", "name": "no"}]))
            reached = asyncio.ensure_future(wait.reached.wait())
            await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            if task.done():
                break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            wait.arm(0)
            assert await conn.in_transaction()
            seen.add(await conn.fetch_value("SELECT name FROM pond"))
        assert seen == {"mine"}
        await conn.rollback_transaction()


async def test_a_coroutine_that_is_closed_leaves_a_connection_that_nobody_gets(make: Make) -> None:
    db = make(SHAPES["dicts"])
    db.async_class.before = wait = Wait()
    async with db.async_connection() as conn:
        await conn.save_entity("pond", {"id": "one", "name": "mill"})
        wait.arm(3)
        work = conn.save_entity("pond", {"id": "one", "name": "changed"})
        task = asyncio.ensure_future(work)
        await wait.reached.wait()
        work.close()
        task.cancel()
        with pytest.raises((RuntimeError, asyncio.CancelledError)):
            await task
        raw = conn._conn
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("SELECT 1")


@pytest.mark.parametrize("error", STOPS, ids=lambda error: type(error).__name__)
def test_a_commit_that_fails_leaves_nothing_open(make: Make, error: BaseException) -> None:
    db = make(SHAPES["dicts"])
    db.sync_class.before = stop = Stop()
    with db.sync_connection() as conn:
        conn.execute("CREATE TABLE kept (n integer)")
        with pytest.raises(type(error)), conn.transaction():
            conn.execute("INSERT INTO kept VALUES (1)")
            stop.arm(1, error)
        stop.arm(0, error)
        assert not conn.in_transaction()
        assert conn.fetch_value("SELECT count(*) FROM kept") == 0


class SilentPool(PlainConnectionPool):
    """Its server takes connections and says nothing."""

    async def acquire(self, timeout: float | None = None) -> Any:
        await asyncio.Event().wait()


async def test_who_gives_up_while_it_connects_is_told_so(make: Make) -> None:
    db = make(SHAPES["dicts"])
    free = [sqlite3.connect(":memory:")]

    async def create_pool(config: dict[str, Any]) -> millpond.ConnectionPool:
        return SilentPool(free)

    db._create_pool = create_pool  # type: ignore[method-assign]
    with pytest.raises(millpond.AcquireTimeoutError, match="still connecting") as one:
        await db.get_async_connection(timeout=0.05)
    assert "pool_max_size" not in str(one.value)
    metrics = db.get_pool_status()["metrics"]
    assert metrics["timeouts"] == 1
    assert metrics["scaling_signal"]["timeouts"] == 0  # no sign of load


# ---- Under the core's pools --------------------------------------------------------------


async def test_its_pool_counts_and_leaks_as_those_of_the_library_do(make: Make) -> None:
    db = make(SHAPES["dicts"])
    before = metrics.process_metrics()["total_acquired"]
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1", tags={"operation": "a look"})
        leaks = await db.check_for_leaked_connections(0)
        assert [leak[0] for leak in leaks] == [conn]
        assert "test_plain_backend.py" in leaks[0][2]
        told = db.get_pool_status()["metrics"]
    assert told["query_durations"]["a look"]["count"] == 1
    assert told["circuit_breakers"]["a look"]["state"] == "closed"
    assert metrics.process_metrics()["total_acquired"] == before + 1
    mine = f'pool="{db.alias()}",db_system_name="other_sql"'
    lines = metrics.prometheus().splitlines()
    assert any(mine in line and 'db_operation_name="a look"' in line for line in lines)


async def test_the_core_breaks_the_circuit_of_statements_that_are_late(make: Make) -> None:
    db = make(SHAPES["dicts"])
    db.async_class.before = wait = Wait()
    threshold = 5
    async with db.async_connection() as conn:
        for _ in range(threshold):
            wait.arm(1)
            with pytest.raises(millpond.QueryTimeoutError):
                await conn.execute("SELECT 1", timeout=0.01, tags={"operation": "late"})
        with pytest.raises(millpond.CircuitOpenError):
            await conn.execute("SELECT 1", tags={"operation": "late"})
        assert await conn.fetch_value("SELECT 2") == 2
    assert db.get_pool_status()["metrics"]["errors_by_class"]["ETIMEDOUT"] == threshold
