"""Rows in other shapes, and progress of long work."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import millpond
import pytest
from millpond import dict_row, namedtuple_row
from tqdm import tqdm

INSERT = "INSERT INTO items (id, name) VALUES (?, ?)"
ALL = "SELECT id, name FROM items ORDER BY id"


@pytest.fixture
async def three(items: str, conn: Any) -> None:
    await conn.executemany(INSERT, [(1, "one"), (2, "two"), (3, "three")])


async def test_rows_come_in_the_shape_asked_for(three: None, conn: Any) -> None:
    assert await conn.fetch_all(ALL) == [(1, "one"), (2, "two"), (3, "three")]
    dicts = await conn.fetch_all(ALL, row_factory=dict_row)
    assert dicts[1] == {"id": 2, "name": "two"}
    tuples = await conn.fetch_all(ALL, row_factory=namedtuple_row)
    assert (tuples[2].id, tuples[2].name) == (3, "three")
    assert tuples == [(1, "one"), (2, "two"), (3, "three")]
    made = await conn.fetch_all(ALL, row_factory=lambda columns: lambda row: (columns, row[0]))
    assert made[0] == (("id", "name"), 1)


async def test_one_row_and_one_value(three: None, conn: Any) -> None:
    by_id = "SELECT id, name FROM items WHERE id = ?"
    assert await conn.fetch_one(by_id, (2,)) == (2, "two")
    assert await conn.fetch_one(by_id, (2,), row_factory=dict_row) == {"id": 2, "name": "two"}
    assert await conn.fetch_one(by_id, (9,)) is None
    assert await conn.fetch_value("SELECT name FROM items WHERE id = ?", (3,)) == "three"
    assert await conn.fetch_value("SELECT name FROM items WHERE id = ?", (9,)) is None
    with pytest.raises(millpond.UndefinedObjectError):
        await conn.fetch_value("SELECT 1 FROM no_such_table", timeout=5, tags={"a": 1})


def test_the_same_works_without_asyncio(three: None, db: Any) -> None:
    with db.sync_connection() as conn:
        assert conn.fetch_one(ALL, row_factory=dict_row) == {"id": 1, "name": "one"}
        assert conn.fetch_all(ALL, row_factory=namedtuple_row)[1].name == "two"
        assert conn.fetch_value(ALL) == 1


def test_names_that_no_attribute_can_have_are_mended() -> None:
    row = namedtuple_row(["id", "count(*)", "class", "id", "9"])((1, 2, 3, 4, 5))
    assert row._fields == ("id", "count___", "_2", "_3", "_4")
    assert dict_row(["a", "a"])((1, 2)) == {"a": 2}


# ---- Shapes on execute and stream, and of a database ---------------------------------------


async def test_execute_and_stream_take_a_shape(three: None, conn: Any) -> None:
    rows = await conn.execute(ALL, row_factory=dict_row)
    assert rows[0] == {"id": 1, "name": "one"}
    assert (rows.columns, len(rows)) == (("id", "name"), 3)
    rows = await conn.execute("SELECT id FROM items WHERE id = ?", (2,), None, row_factory=dict_row)
    assert rows == [{"id": 2}]
    names = [row.name async for row in conn.stream(ALL, batch=2, row_factory=namedtuple_row)]
    assert names == ["one", "two", "three"]
    assert await conn.execute(ALL) == await conn.execute(ALL, row_factory=None)
    assert [row async for row in conn.stream(ALL)] == [(1, "one"), (2, "two"), (3, "three")]


async def test_a_database_has_a_shape(three: None, db: Any) -> None:
    db.row_factory = dict_row
    first = {"id": 1, "name": "one"}
    async with db.async_connection() as conn:
        assert (await conn.execute(ALL))[0] == first
        assert (await conn.fetch_all(ALL))[0] == first
        assert await conn.fetch_one(ALL) == first
        assert await conn.fetch_value(ALL) == 1
        assert await anext(conn.stream(ALL, batch=2)) == first
        tuples = await conn.fetch_all(ALL, row_factory=millpond.tuple_row)
        assert tuples == [(1, "one"), (2, "two"), (3, "three")]
        assert (await conn.execute(ALL, row_factory=namedtuple_row))[0].name == "one"
        await conn.executemany("UPDATE items SET name = ? WHERE id = ?", [("x", 3), ("y", 2)])
        await conn.save_entity("shaped", {"id": "a", "name": "b"})
        assert (await conn.get_entity("shaped", "a"))["name"] == "b"
        assert await conn.count_entities("shaped") == 1
        for table in ("shaped", "shaped_meta", "shaped_history"):
            await conn.execute(f"DROP TABLE {table}")
    async with db.transaction() as conn:
        assert await conn.fetch_one(ALL) == first
    assert await db.health_check() is True


def test_a_database_has_a_shape_without_asyncio(three: None, db: Any) -> None:
    db.row_factory = dict_row
    first = {"id": 1, "name": "one"}
    with db.sync_connection() as conn:
        assert conn.execute(ALL)[0] == first
        assert conn.fetch_one(ALL) == first
        assert conn.fetch_value(ALL) == 1
        assert next(conn.stream(ALL)) == first
        assert conn.execute(ALL, row_factory=millpond.tuple_row)[0] == (1, "one")
    assert db.get_sync_connection().fetch_one(ALL) == first
    db.release_sync_connection()


def test_a_shape_is_given_with_the_url() -> None:
    with millpond.connect("sqlite:///:memory:", row_factory=dict_row) as db:
        with db.sync_connection() as conn:
            assert conn.execute("SELECT 1 AS one") == [{"one": 1}]
    with millpond.SqliteDatabase(database=":memory:", row_factory=dict_row) as db:
        assert db.row_factory is dict_row


# ---- Rows that come ------------------------------------------------------------------------


class Source:
    """An asynchronous generator of rows that notes its end."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self._count, self._error, self.ended = count, error, False

    async def rows(self) -> AsyncIterator[tuple[int, str]]:
        try:
            for number in range(self._count):
                yield number, "x"
            if self._error:
                raise self._error
        finally:
            self.ended = True


async def test_rows_may_come_from_an_asynchronous_generator(items: str, conn: Any) -> None:
    insert = "INSERT INTO items (id, name) VALUES (?, ?)"
    steps: list[int] = []
    result = await conn.executemany(insert, Source(2500).rows(), progress=steps.append)
    assert (sum(steps), len(steps), result.rowcount) == (2500, 3, 2500)
    assert await conn.fetch_value("SELECT count(*) FROM items") == 2500
    assert (await conn.executemany(insert, Source(0).rows())).rowcount == 0


async def test_all_or_nothing_of_what_comes(items: str, conn: Any) -> None:
    insert = "INSERT INTO items (id, name) VALUES (?, ?)"
    await conn.execute(insert, (2100, "there"))
    source = Source(2500)
    with pytest.raises(millpond.UniqueViolationError, match="^row 2100: "):
        await conn.executemany(insert, source.rows())
    assert source.ended
    source = Source(2000, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await conn.executemany(insert, source.rows())
    assert await conn.in_transaction() is False
    assert await conn.fetch_value("SELECT count(*) FROM items") == 1


async def test_a_source_that_never_ends_is_left_in_time(items: str, conn: Any) -> None:
    async def endless() -> AsyncIterator[tuple[int, str]]:
        yield 1, "x"
        await asyncio.Event().wait()

    insert = "INSERT INTO items (id, name) VALUES (?, ?)"
    with pytest.raises(millpond.QueryTimeoutError):
        await conn.executemany(insert, endless(), timeout=0.05)
    assert await conn.fetch_value("SELECT count(*) FROM items") == 0


@pytest.mark.slow
async def test_progress_moves_a_bar(items: str, conn: Any) -> None:
    rows = [(i, "x") for i in range(2500)]
    steps: list[int] = []
    done = await conn.executemany(INSERT, rows, progress=steps.append)
    assert done.rowcount == 2500
    assert steps == [1000, 1000, 500]
    with tqdm(total=2500, disable=None) as bar:
        await conn.executemany(
            "INSERT INTO items (id, name) VALUES (? + 5000, ?)", rows, progress=bar.update
        )
        assert bar.disable or bar.n == 2500


async def test_progress_keeps_all_or_nothing(items: str, conn: Any) -> None:
    rows = [(i, "x") for i in range(1500)] + [(3, "again")]
    with pytest.raises(millpond.UniqueViolationError):
        await conn.executemany(INSERT, rows, progress=lambda count: None)
    assert await conn.fetch_value("SELECT count(*) FROM items") == 0
    assert await conn.in_transaction() is False

    def fail(count: int) -> None:
        raise KeyError(count)

    with pytest.raises(KeyError):
        await conn.executemany(INSERT, rows[:10], progress=fail)
    assert await conn.fetch_value("SELECT count(*) FROM items") == 0


async def test_progress_names_the_row_among_all(items: str, conn: Any) -> None:
    rows: list[Any] = [(i, "x") for i in range(1500)]
    with pytest.raises(millpond.UniqueViolationError, match=r"^row 1500: ") as caught:
        await conn.executemany(INSERT, [*rows, (3, "again")], progress=lambda count: None)
    assert caught.value.row == 1500
    with pytest.raises(millpond.ParameterError, match=r"^row 1500 has 1 parameters") as wrong:
        await conn.executemany(INSERT, [*rows, (1500,)], progress=lambda count: None)
    assert wrong.value.row == 1500


async def test_progress_shares_one_timeout(items: str, conn: Any) -> None:
    with pytest.raises(TimeoutError):
        await conn.executemany(
            INSERT, [(i, "x") for i in range(200_000)], timeout=0.005, progress=lambda count: None
        )
    assert await conn.fetch_value("SELECT count(*) FROM items") == 0


def test_progress_without_asyncio(items: str, db: Any) -> None:
    steps: list[int] = []
    with db.sync_connection() as conn:
        conn.executemany(INSERT, [(i, "x") for i in range(1001)], progress=steps.append)
        assert conn.fetch_value("SELECT count(*) FROM items") == 1001
    assert steps == [1000, 1]


async def test_a_result_can_be_made_for_a_backend_of_ones_own() -> None:
    rows = millpond.Result([(1, "a")], ["id", "name"], rowcount=1, lastrowid=7)
    assert rows == [(1, "a")]
    assert (rows.columns, rows.rowcount, rows.lastrowid) == (("id", "name"), 1, 7)
    assert (millpond.Result().columns, millpond.Result().rowcount) == ((), -1)
