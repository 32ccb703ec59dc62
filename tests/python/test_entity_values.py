"""What entities hold comes back as it was saved, and plainly the same from every database."""

import datetime
import decimal
import enum
import uuid
from typing import Any

import millpond
import pytest
from entities import ENTITY_KINDS, entity_name

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)

UTC = datetime.UTC


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    BIG = 2


class Mixed(enum.Enum):
    NUMBER = 1
    TEXT = "one"


# field, value, and what a read without deserialize=True gives
VALUES: list[tuple[str, Any, Any]] = [
    ("yes", True, True),
    ("no", False, False),
    ("zero", 0, 0),
    ("biggest", 2**63 - 1, 2**63 - 1),
    ("smallest", -(2**63), -(2**63)),
    ("real", 1.5, 1.5),
    ("tiny", 5e-324, 5e-324),
    ("third", 1 / 3, 1 / 3),
    ("price", decimal.Decimal("12.50"), "12.5"),
    ("exact", decimal.Decimal("12345678901234567890.123456789012345"), None),
    ("hundred", decimal.Decimal("1E+2"), "100"),
    ("negative", decimal.Decimal("-0.0625"), "-0.0625"),
    ("text", "Grüße ' \" \\ ? ?? % 🦆", "Grüße ' \" \\ ? ?? % 🦆"),
    ("empty_text", "", ""),
    ("data", b"\x00\xff'", b"\x00\xff'"),
    ("empty_data", b"", b""),
    ("naive", datetime.datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02T03:04:05.000006"),
    ("whole", datetime.datetime(1969, 12, 31, 23, 59, 59), "1969-12-31T23:59:59"),
    ("aware", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
    ("day", datetime.date(2024, 2, 29), "2024-02-29"),
    ("clock", datetime.time(23, 59, 59, 999999), "23:59:59.999999"),
    ("key", uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    ("colour", Colour.RED, "red"),
    ("size", Size.BIG, 2),
    ("mixed", Mixed.TEXT, "TEXT"),
    ("listed", [1, "x", None, 2.5, True], '[1, "x", null, 2.5, true]'),
    ("mapped", {"b": 1, "a": {"c": [None]}}, '{"b": 1, "a": {"c": [null]}}'),
    ("pair", (1, 2), "[1, 2]"),
    ("few", {7}, "[7]"),
    ("frozen", frozenset({7}), "[7]"),
    ("empty_list", [], "[]"),
    ("empty_dict", {}, "{}"),
    ("empty_tuple", (), "[]"),
    ("empty_set", set(), "[]"),
]

COLLECTIONS = (dict, list, tuple, set, frozenset)

NESTED = {
    "tuple": (1, (2, [3, (4,)])),
    "set": {(1, 2), (3, 4)},
    "times": [datetime.datetime(2026, 1, 1, tzinfo=UTC), datetime.date(2026, 1, 1)],
    "clock": datetime.time(1, 2),
    "decimal": decimal.Decimal("1.10"),
    "bytes": b"\x00\xff",
    "uuid": uuid.UUID(int=1),
    "enum": [Colour.BLUE, Size.SMALL],
    "float": [float("inf"), 1e300],
    "long": 2**100,
    "keys": {1: "one", (1, 2): "pair", None: "none"},
    "tag": {"$type": "tuple", "$value": [1]},
    "empty": [{}, [], (), set(), frozenset()],
}


@pytest.mark.parametrize(("field", "value", "plain"), VALUES, ids=[v[0] for v in VALUES])
async def test_a_value_comes_back_as_it_was_saved(
    conn: Any, field: str, value: Any, plain: Any
) -> None:
    name = entity_name()
    saved = await conn.save_entity(name, {field: value}, deserialize=True)
    assert saved[field] == value
    assert type(saved[field]) is type(value)
    read = await conn.get_entity(name, saved["id"], deserialize=True)
    assert read == saved
    assert type(read[field]) is type(value)
    stored = (await conn.get_entity(name, saved["id"]))[field]
    expected = plain if plain is not None else str(value)
    assert stored == expected
    assert type(stored) is (millpond.StoredJson if type(value) in COLLECTIONS else type(expected))
    history = await conn.get_entity_history(name, saved["id"], deserialize=True)
    assert [row[field] for row in history] == [value]


async def test_nested_values_come_back_as_they_were_saved(conn: Any) -> None:
    name = entity_name()
    saved = await conn.save_entity(name, {"nested": NESTED}, deserialize=True)
    assert saved["nested"] == NESTED
    assert [type(item) for item in saved["nested"]["empty"]] == [dict, list, tuple, set, frozenset]
    assert type(saved["nested"]["tuple"][1][1][1]) is tuple
    assert type(saved["nested"]["enum"][1]) is Size


async def test_a_plain_read_can_be_saved_again(conn: Any) -> None:
    name = entity_name()
    entity = {field: value for field, value, _ in VALUES}
    saved = await conn.save_entity(name, entity, deserialize=True)
    plain = await conn.get_entity(name, saved["id"])
    again = await conn.save_entity(name, plain, deserialize=True)
    assert {field: again[field] for field in entity} == entity
    assert again["version"] == 2


async def test_collections_of_other_types_fit_a_field_and_keep_their_type(conn: Any) -> None:
    name = entity_name()
    for value in ((1, 2), [3], {"a": 1}, {5}):
        saved = await conn.save_entity(name, {"id": "x", "things": value}, deserialize=True)
        assert saved["things"] == value
        assert type(saved["things"]) is type(value)
    history = await conn.get_entity_history(name, "x", deserialize=True)
    assert [row["things"] for row in history] == [(1, 2), [3], {"a": 1}, {5}]


async def test_numbers_compare_as_numbers(conn: Any) -> None:
    name = entity_name()
    numbers = [("9", 9), ("10", 10), ("-1", -1), ("100.5", 100.5)]
    for text, number in numbers:
        await conn.save_entity(
            name, {"id": text, "d": decimal.Decimal(text), "f": float(number), "n": int(number)}
        )
    for field in ("d", "f", "n"):
        found = await conn.find_entities(name, f"[{field}] > ?", (9,), order_by=f"{field} DESC")
        assert [row["id"] for row in found] == ["100.5", "10"]
    found = await conn.find_entities(name, "[d] = ?", (decimal.Decimal("10.0"),))
    assert [row["id"] for row in found] == ["10"]


async def test_a_time_of_day_with_a_zone_is_refused(conn: Any) -> None:
    for zone in (UTC, datetime.timezone(datetime.timedelta(hours=1))):
        with pytest.raises(millpond.InvalidDataError, match="zone"):
            await conn.save_entity("clocks", {"at": datetime.time(1, 2, tzinfo=zone)})


async def test_times_compare_as_times(conn: Any) -> None:
    name = entity_name()
    start = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    for i, offset in enumerate((0, 1, 2)):
        await conn.save_entity(
            name, {"id": str(i), "at": start + datetime.timedelta(seconds=offset / 2)}
        )
    east = datetime.timezone(datetime.timedelta(hours=5))
    found = await conn.find_entities(name, "[at] > ?", (start.astimezone(east),))
    assert [row["id"] for row in found] == ["1", "2"]


MISFITS = [
    (1, "text"),
    (1, 1.5),
    ("text", 1),
    (True, 2),
    (1, True),
    (1.5, "x"),
    (b"x", "text"),
    (datetime.date(2026, 1, 1), "no date"),
    (datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 1, tzinfo=UTC)),
    (datetime.datetime(2026, 1, 1, tzinfo=UTC), datetime.datetime(2026, 1, 1)),
    (uuid.UUID(int=1), "no uuid"),
    (decimal.Decimal(1), "1,5"),
    (1.5, 2**60 + 1),
]


@pytest.mark.parametrize(("first", "second"), MISFITS)
async def test_a_value_that_does_not_fit_is_refused_before_anything_is_written(
    conn: Any, first: Any, second: Any
) -> None:
    name = entity_name()
    await conn.save_entity(name, {"id": "x", "field": first, "other": 1})
    with pytest.raises(millpond.InvalidDataError, match="field"):
        await conn.save_entity(name, {"id": "x", "other": 2, "field": second, "brand_new": 1})
    with pytest.raises(millpond.InvalidDataError, match="entity 1: .*field"):
        await conn.save_entities(name, [{"id": "y", "field": first}, {"field": second}])
    assert (await conn.get_entity(name, "x"))["other"] == 1
    assert "brand_new" not in await conn.get_entity(name, "x")
    assert len(await conn.get_entity_history(name, "x")) == 1
    assert await conn.count_entities(name) == 1


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), decimal.Decimal("NaN"), "a\0b", datetime.timedelta(1)],
)
async def test_what_not_all_databases_can_store_is_refused_on_all(conn: Any, value: Any) -> None:
    with pytest.raises(millpond.InvalidDataError, match="thing"):
        await conn.save_entity(entity_name(), {"thing": value})


async def test_an_int_beyond_64_bits_is_refused_by_name(conn: Any) -> None:
    with pytest.raises(millpond.ValueRangeError, match='"huge"'):
        await conn.save_entity(entity_name(), {"huge": 2**63})


async def test_an_object_of_an_unknown_type_is_refused(conn: Any) -> None:
    with pytest.raises(millpond.ParameterError, match="thing.*register_serializer"):
        await conn.save_entity(entity_name(), {"thing": object()})


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # type: ignore[assignment]


async def test_a_registered_type_comes_back_as_it_was_saved(conn: Any) -> None:
    millpond.register_serializer(Money, lambda money: money.cents, Money)
    name = entity_name()
    saved = await conn.save_entity(
        name, {"price": Money(250), "prices": [Money(1)]}, deserialize=True
    )
    assert saved["price"] == Money(250)
    assert saved["prices"] == [Money(1)]
    assert (await conn.get_entity(name, saved["id"]))["price"] == 250
    found = await conn.find_entities(name, "[price] = ?", (Money(250),), deserialize=True)
    assert found == [saved]


async def test_an_enum_can_be_looked_for(conn: Any) -> None:
    name = entity_name()
    await conn.save_entities(name, [{"colour": Colour.RED}, {"colour": Colour.BLUE}])
    assert await conn.count_entities(name, "[colour] = ?", (Colour.RED,)) == 1
