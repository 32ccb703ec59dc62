"""Rows in other shapes, and progress of long work."""

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
    with pytest.raises(millpond.UniqueViolationError, match=r"^row 1500: "):
        await conn.executemany(INSERT, [*rows, (3, "again")], progress=lambda count: None)
    with pytest.raises(millpond.ParameterError, match=r"^row 1500 has 1 parameters"):
        await conn.executemany(INSERT, [*rows, (1500,)], progress=lambda count: None)


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
