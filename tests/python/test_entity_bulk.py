"""Many entities at once for other libraries: dataframes, and progress bars."""

import datetime as dt
import decimal
import uuid
from typing import Any

import millpond
import polars as pl
import pyarrow as pa
import pytest
from entities import ENTITY_KINDS, entity_name
from tqdm import tqdm

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)


@pytest.fixture
def name() -> str:
    return entity_name()


# ---- Arrow -------------------------------------------------------------------------------

FIELDS = {
    "n": 2**62,
    "x": -0.5,
    "t": "grün",
    "b": b"\x00\xff",
    "d": dt.date(1969, 12, 31),
    "s": dt.datetime(2024, 2, 29, 12, 30, 15, 123456),
    "z": dt.datetime(2024, 2, 29, 12, 30, 15, tzinfo=dt.UTC),
    "c": dt.time(23, 59, 59, 999999),
    "p": decimal.Decimal("12.50"),
    "f": True,
}
OTHERS = {"u": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), "j": {"a": [1]}, "e": (1, 2)}


async def test_found_entities_are_a_table_of_arrows(conn: Any, name: str) -> None:
    await conn.save_entities(name, [{"id": "x", **FIELDS, **OTHERS}, {"id": "y"}, {"id": "z"}])
    await conn.delete_entity(name, "z")
    rows = await conn.find_entities_arrow(name, order_by="id")
    assert rows.num_rows == 2
    table = pa.table(rows)
    found = table.select([*FIELDS, "id", "version"]).to_pylist()
    assert found == [{**FIELDS, "id": "x", "version": 1}, {**dict.fromkeys(FIELDS), **ID_Y}]
    assert table["j"][0].as_py().replace(" ", "") == '{"a":[1]}'
    assert table.schema.field("created_at").type == pa.timestamp("us", "UTC")
    frame = pl.DataFrame(rows)
    assert frame["n"].to_list() == [2**62, None]
    assert frame["d"].to_list() == [FIELDS["d"], None]


ID_Y = {"id": "y", "version": 1}


async def test_a_condition_an_order_and_a_limit_hold_for_arrows(conn: Any, name: str) -> None:
    await conn.save_entities(name, [{"id": str(i), "n": i} for i in range(9)])
    await conn.delete_entity(name, "8")
    rows = await conn.find_entities_arrow(name, "n > ?", (3,), "n DESC", 2, 1)
    assert pa.table(rows)["n"].to_pylist() == [6, 5]
    rows = await conn.find_entities_arrow(name, "n > ?", (6,), "n", include_deleted=True)
    assert pa.table(rows)["n"].to_pylist() == [7, 8]
    assert (await conn.find_entities_arrow(name, limit=0)).num_rows == 0


async def test_what_was_never_saved_has_no_arrows(conn: Any, name: str) -> None:
    rows = await conn.find_entities_arrow(name)
    assert rows.num_rows == 0
    assert pa.table(rows).num_columns == 0


def test_arrows_without_asyncio(db: Any, name: str) -> None:
    with db.sync_connection() as conn:
        conn.save_entity(name, {"id": "x", "n": 1})
        assert pl.DataFrame(conn.find_entities_arrow(name, "n = ?", (1,)))["n"].to_list() == [1]


# ---- Progress ----------------------------------------------------------------------------


@pytest.mark.slow
async def test_progress_of_a_save_moves_a_bar(conn: Any, name: str) -> None:
    steps: list[int] = []
    rows = [{"id": str(i), "n": i} for i in range(1050)]
    ids = await conn.save_entities(name, iter(rows), "me", "why", progress=steps.append)
    assert ids == [row["id"] for row in rows]
    assert steps == [1000, 50]
    assert await conn.count_entities(name, "version = 1 AND updated_by = 'me'") == 1050
    assert (await conn.get_entity_history(name, "7"))[0]["history_comment"] == "why"
    with tqdm(total=2, disable=None) as bar:
        assert await conn.save_entities(name, rows[:2], progress=bar.update) == ["0", "1"]


async def test_progress_of_a_save_keeps_all_or_nothing(conn: Any, name: str) -> None:
    def fail(count: int) -> None:
        raise KeyError(count)

    with pytest.raises(KeyError):
        await conn.save_entities(name, [{"id": "x", "n": 1}], progress=fail)
    assert await conn.get_entity(name, "x") is None
    assert await conn.get_entity_history(name, "x") == []
    assert await conn.in_transaction() is False
    await conn.begin_transaction()
    await conn.save_entity(name, {"id": "y", "n": 1})
    with pytest.raises(KeyError):
        await conn.save_entities(name, [{"id": "x", "n": 1}], progress=fail)
    await conn.commit_transaction()
    assert [row["id"] for row in await conn.find_entities(name)] == ["y"]


async def test_entities_are_checked_before_progress_begins(conn: Any, name: str) -> None:
    """As without it: all values of a new field decide on its type, and errors count from 0."""
    steps: list[int] = []
    rows: list[Any] = [{"id": str(i), "n": i} for i in range(1001)]
    assert await conn.save_entities(name, [*rows, {"n": 0.5, "late": 1}], progress=steps.append)
    assert await conn.count_entities(name, "n = 0.5 AND late = 1") == 1
    steps.clear()
    with pytest.raises(millpond.InvalidDataError, match=r"^entity 1001: ") as caught:
        await conn.save_entities(name, [*rows, {"n": "no number"}], progress=steps.append)
    with pytest.raises(millpond.ParameterError, match=r"^entity 1001 must be a dict") as wrong:
        await conn.save_entities(name, [*rows, 7], progress=steps.append)
    assert (caught.value.row, wrong.value.row) == (1001, 1001)
    assert steps == []


def test_progress_of_a_save_without_asyncio(db: Any, name: str) -> None:
    steps: list[int] = []
    with db.sync_connection() as conn:
        assert conn.save_entities(name, [{"id": "x", "n": 1}], progress=steps.append) == ["x"]
        assert conn.get_entity(name, "x")["n"] == 1
    assert steps == [1]
