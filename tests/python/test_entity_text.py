"""Text is text: no content of a caller's becomes a typed value, and what is typed can be read."""

import copy
import enum
import json
import pickle
from typing import Any

import millpond
import pytest
from entities import ENTITY_KINDS, entity_name

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)


@pytest.fixture
def name() -> str:
    return entity_name()


class Colour(enum.Enum):
    RED = "red"


def typed(kind: str, value: str) -> str:
    """As the library writes a typed value."""
    return f'{{"$type": "{kind}", "$value": {value}}}'


COLLIDING = [i * (2**61 - 1) for i in range(2_000)]  # all have the hash 0

TEXTS = [
    "plain",
    "",
    "[1, 2]",
    "null",
    '"quoted"',
    'Grüße \\ " \n \x07 🦆',
    '{"$type": "tuple", "$value": [1]}',
    '{"$type": "set", "$value": [[[1]]]}',
    '{"$type": "bytes", "$value": "?"}',
    '{"$type": "decimal", "$value": "no number"}',
    '{"$type": "uuid", "$value": 5}',
    '{"$type": "dict", "$value": [1]}',
    '{"$type": "enum:test_entity_text.Colour", "$value": "red"}',
    typed(f"enum:{'.'.join('a' * 10_000)}", "1"),
    typed("set", json.dumps(COLLIDING)),
    "[" * 10_000,
]


@pytest.mark.parametrize("first", [[1], {"a": 1}, (1,), {7}], ids=["list", "dict", "tuple", "set"])
async def test_text_in_a_json_field_stays_that_text(conn: Any, name: str, first: Any) -> None:
    await conn.save_entity(name, {"id": "x", "things": first})
    for text in TEXTS:
        saved = await conn.save_entity(name, {"id": "x", "things": text}, deserialize=True)
        assert saved["things"] == text
        assert type(saved["things"]) is str
        plain = await conn.get_entity(name, "x")
        assert plain["things"] == text
        assert type(plain["things"]) is str
        await conn.save_entity(name, plain)
        (found,) = await conn.find_entities(name, deserialize=True)
        assert found["things"] == text
    ids = await conn.save_entities(name, [{"things": text} for text in TEXTS])
    found = {row["id"]: row["things"] for row in await conn.find_entities(name, deserialize=True)}
    assert [found[i] for i in ids] == TEXTS


async def test_text_in_a_field_of_a_type_of_ones_own_stays_text(conn: Any, name: str) -> None:
    millpond.register_serializer(Point, lambda point: {"x": point.x}, lambda stored: Point(stored))
    await conn.save_entity(name, {"id": "x", "at": Point(1)})
    for value in ("text", '{"x": 2}', [1], {"$type": "custom:Point", "$value": {"x": 1}}):
        saved = await conn.save_entity(name, {"id": "x", "at": value}, deserialize=True)
        assert saved["at"] == value


class Point:
    def __init__(self, x: Any) -> None:
        self.x = x["x"] if isinstance(x, dict) else x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x

    __hash__ = None  # type: ignore[assignment]


LIKE_TYPED = [
    {"$type": "tuple", "$value": [1]},
    {"$$type": "tuple", "$value": [1], "$$$type": 2},
    {"a": [{"$type": "enum:test_entity_text.Colour", "$value": "red"}]},
    {"$type": "app.bsky.feed.post", "text": "hello"},
    {1: {"$type": "set", "$value": [1]}},
    [{"$type": {"$type": 1}}],
]


@pytest.mark.parametrize("value", LIKE_TYPED)
async def test_content_cannot_imitate_a_typed_value(conn: Any, name: str, value: Any) -> None:
    saved = await conn.save_entity(name, {"things": value}, deserialize=True)
    assert saved["things"] == value
    plain = await conn.get_entity(name, saved["id"])
    again = await conn.save_entity(name, plain, deserialize=True)
    assert again["things"] == value


async def test_a_stored_collection_is_told_from_text_that_looks_like_it(
    conn: Any, kind: str, name: str
) -> None:
    await conn.save_entity(name, {"id": "x", "things": (1, 2), "note": "text"})
    stored = (await conn.get_entity(name, "x"))["things"]
    assert isinstance(stored, millpond.StoredJson)
    assert (stored, stored.kind, repr(stored)) == ("[1, 2]", "tuple", "'[1, 2]'")
    for copied in (stored, copy.deepcopy(stored), pickle.loads(pickle.dumps(stored))):
        saved = await conn.save_entity(name, {"id": "x", "things": copied}, deserialize=True)
        assert saved["things"] == (1, 2)
    saved = await conn.save_entity(
        name, {"id": "x", "things": str(stored), "note": stored, "other": stored}, deserialize=True
    )
    assert (saved["things"], saved["note"], saved["other"]) == ("[1, 2]", "[1, 2]", (1, 2))
    assert await conn.count_entities(name, "[note] = ?", (stored,)) == 1


# ---- What cannot be read -----------------------------------------------------------------


class Strict:
    def __init__(self, number: Any) -> None:
        self.number = number


def fussy(stored: Any) -> Strict:
    if stored != 1:
        raise TypeError(f"{stored} is not 1")
    return Strict(stored)


UNREADABLE = [
    lambda: {1.5: set(COLLIDING)},
    lambda: set(COLLIDING),
    lambda: Strict(2),
    lambda: [Strict(2)],
    lambda: {"a": Strict(2)},
]


@pytest.mark.parametrize("make", UNREADABLE)
async def test_what_could_not_be_read_again_is_not_written(conn: Any, name: str, make: Any) -> None:
    millpond.register_serializer(Strict, lambda strict: strict.number, fussy)
    with pytest.raises(millpond.InvalidDataError, match='"thing" could not be stored and read'):
        await conn.save_entity(name, {"id": "x", "thing": make()})
    assert name not in await conn.list_entities()


POISON = [
    '{"$type": "set", "$value": [{}]}',
    '{"$type": "bytes", "$value": "?????"}',
    '{"$type": "decimal", "$value": "no number"}',
    '{"$type": "decimal", "$value": [1]}',
    '{"$type": "uuid", "$value": 5}',
    '{"$type": "dict", "$value": [1]}',
    '{"$type": "float", "$value": {}}',
    typed("set", json.dumps(COLLIDING)),
    typed("tuple", "[" + '{"a":' * 5000 + "1" + "}" * 5000 + "]"),
]


async def poisoned(conn: Any, name: str, poison: str) -> None:
    """Rows as an earlier version may have written them."""
    await conn.save_entities(name, [{"id": i, "things": [1]} for i in ("a", "bad", "c")])
    for table in (name, f"{name}_history"):
        await conn.execute(f"UPDATE {table} SET things = ? WHERE id = 'bad'", (poison,))


@pytest.mark.parametrize("poison", POISON, ids=range(len(POISON)))
async def test_a_row_that_cannot_be_read_is_named_and_leaves_the_others_readable(
    conn: Any, name: str, poison: str
) -> None:
    await poisoned(conn, name, poison)
    with pytest.raises(millpond.InvalidDataError, match=f'"things" of {name} "bad"') as caught:
        await conn.find_entities(name, deserialize=True)
    error = caught.value
    assert (error.entity_name, error.entity_id, error.field) == (name, "bad", "things")
    skipped = await conn.find_entities(name, deserialize=True, on_error="skip")
    assert [(row["id"], row["things"]) for row in skipped] == [("a", [1]), ("c", [1])]
    plain = await conn.find_entities(name, deserialize=True, on_error="plain")
    assert [row["things"] for row in plain] == [[1], poison, [1]]
    assert await conn.get_entity(name, "bad", deserialize=True, on_error="skip") is None
    assert len(await conn.get_entities(name, ["a", "bad"], deserialize=True, on_error="skip")) == 1
    history = await conn.get_entity_history(name, "bad", deserialize=True, on_error="plain")
    assert [row["things"] for row in history] == [poison]
    assert (
        await conn.get_entity_by_version(name, "bad", 1, deserialize=True, on_error="skip") is None
    )
    saved = await conn.save_entity(name, {"id": "bad", "new": 1}, deserialize=True)
    assert (saved["new"], saved["things"]) == (1, poison)


async def test_on_error_has_three_values(conn: Any, name: str) -> None:
    with pytest.raises(millpond.ArgumentError, match="on_error must be"):
        await conn.find_entities(name, on_error="ignore")


# ---- Rows of earlier versions ------------------------------------------------------------


async def test_rows_of_earlier_versions_keep_their_types(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x", "things": [1]})
    for stored, value in [
        ('{"$type": "tuple", "$value": [1, {"$type": "tuple", "$value": []}]}', (1, ())),
        ('{"$type": "dict", "$value": [["$type", "tuple"], [1, "one"]]}',
         {"$type": "tuple", 1: "one"}),
        ('{"$type": "dict", "$value": {"a": {"$type": "set", "$value": [1]}}}', {"a": {1}}),
        ('{"$type": "enum:test_entity_text.Colour", "$value": "red"}', Colour.RED),
        ('"text"', "text"),
    ]:  # fmt: skip
        await conn.execute(f"UPDATE {name} SET things = ? WHERE id = 'x'", (stored,))
        assert (await conn.get_entity(name, "x", deserialize=True))["things"] == value


# ---- Names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", ["", "a b", 'a"b', "a (json)", "1a", "a\n", "ä" * 100, "a\\b", 5, "\ud800"]
)
def test_names_of_serializers_are_checked(kind: str, bad: Any) -> None:
    with pytest.raises(millpond.ArgumentError):
        millpond.register_serializer(Point, lambda point: 1, Point, name=bad)


def test_a_serializers_name_belongs_to_one_type(kind: str) -> None:
    millpond.register_serializer(Point, lambda point: {"x": point.x}, Point, name="TakenPoint")
    with pytest.raises(millpond.ArgumentError, match="is that of .*Point"):
        millpond.register_serializer(Strict, lambda strict: 1, fussy, name="TakenPoint")
    millpond.register_serializer(Point, lambda point: {"x": point.x}, Point)
