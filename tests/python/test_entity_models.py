"""Entities that are declared by classes: dataclasses, pydantic models and their like."""

import collections
import dataclasses
import datetime
import decimal
import enum
import types
import uuid
from typing import Any, NamedTuple

import attrs
import millpond
import msgspec
import pydantic
import pytest
from entities import ENTITY_KINDS, entity_name

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)


@pytest.fixture
def name() -> str:
    return entity_name()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Address:
    street: str
    floors: tuple[int, ...] = ()


@dataclasses.dataclass(slots=True)
class Person:
    id: str
    name: str
    colour: Colour
    pay: decimal.Decimal
    born: datetime.date
    home: Address | None = None


class Model(pydantic.BaseModel):
    id: str
    name: str
    colour: Colour
    pay: decimal.Decimal
    born: datetime.date
    home: Address | None = None


@attrs.define
class Attrs:
    id: str
    name: str
    colour: Colour
    pay: decimal.Decimal
    born: datetime.date
    home: Address | None = None


class Struct(msgspec.Struct):
    id: str
    name: str
    colour: Colour
    pay: decimal.Decimal
    born: datetime.date
    home: Address | None = None


class Named(NamedTuple):
    id: str
    name: str
    colour: Colour
    pay: decimal.Decimal
    born: datetime.date
    home: Address | None = None


def plain(**fields: Any) -> Any:
    return types.MappingProxyType(fields)


CLASSES = [Person, Model, Attrs, Struct, Named, plain, collections.UserDict]

FIELDS: dict[str, Any] = {
    "name": "Ann",
    "colour": Colour.BLUE,
    "pay": decimal.Decimal("12.5"),
    "born": datetime.date(1990, 5, 1),
}


@pytest.mark.parametrize("cls", CLASSES)
async def test_it_is_saved_as_the_dict_of_its_fields(conn: Any, name: str, cls: Any) -> None:
    made = cls(id="1", **FIELDS, home=Address("Mill Lane", (1, 2)))
    saved = await conn.save_entity(name, made, deserialize=True)
    expected = {"id": "1", **FIELDS, "home": {"street": "Mill Lane", "floors": (1, 2)}}
    assert {key: saved[key] for key in expected} == expected
    ids = await conn.save_entities(name, [made, cls(id="2", **FIELDS, home=None)])
    assert ids == ["1", "2"]
    assert (await conn.get_entity(name, "2", deserialize=True))["colour"] is Colour.BLUE


async def test_what_was_read_makes_the_model_again(conn: Any, name: str) -> None:
    model = Model(id="1", **FIELDS, home=Address("Mill Lane"))
    await conn.save_entity(name, model)
    found = await conn.get_entity(name, "1", deserialize=True)
    assert Model.model_validate(found) == model


async def test_a_model_without_an_id_is_a_new_one(conn: Any, name: str) -> None:
    class Note(pydantic.BaseModel):
        id: str | None = None
        text: str

    first = await conn.save_entity(name, Note(text="a"))
    second = await conn.save_entity(name, Note(text="b"))
    assert uuid.UUID(first["id"]) != uuid.UUID(second["id"])
    assert await conn.count_entities(name) == 2


async def test_an_extra_field_of_a_model_is_one_of_the_entity(conn: Any, name: str) -> None:
    class Open(pydantic.BaseModel, extra="allow"):
        id: str

    await conn.save_entity(name, Open.model_validate({"id": "1", "more": 7}))
    assert (await conn.get_entity(name, "1"))["more"] == 7


@pytest.mark.parametrize("wrong", [Person, 7, "text", [("id", "1")], ("id", "1"), None, object()])
async def test_anything_else_is_refused(conn: Any, name: str, wrong: Any) -> None:
    with pytest.raises(millpond.ParameterError, match="must be a dict, dataclass or pydantic"):
        await conn.save_entity(name, wrong)
    with pytest.raises(millpond.ParameterError, match="entity 1 must be a dict"):
        await conn.save_entities(name, [{"id": "1"}, wrong])


async def test_save_and_get_answer_alike(conn: Any, name: str) -> None:
    fields = {"id": "1", **FIELDS, "list": [1, {"a": datetime.time(1, 2)}], "uuid": uuid.uuid4()}
    saved = await conn.save_entity(name, fields)
    assert saved == await conn.get_entity(name, "1")
    assert isinstance(saved["born"], str) and isinstance(saved["created_at"], str)
    saved = await conn.save_entity(name, {"id": "1"}, deserialize=True)
    assert saved == await conn.get_entity(name, "1", deserialize=True)
    assert {key: saved[key] for key in fields} == fields


async def test_save_and_get_answer_alike_with_a_blocking_connection(db: Any, name: str) -> None:
    with db.sync_connection() as conn:
        saved = conn.save_entity(name, Person("1", **FIELDS))
        assert saved == conn.get_entity(name, "1")
        saved = conn.save_entity(name, {"id": "1"}, deserialize=True)
        assert saved == conn.get_entity(name, "1", deserialize=True)
        assert saved["colour"] is Colour.BLUE
