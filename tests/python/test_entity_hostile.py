"""Arguments that nobody should give to entity calls: each is refused by name, or harmless."""

import decimal
from collections.abc import Callable
from typing import Any

import millpond
import pytest
from entities import ENTITY_KINDS, entity_name

pytestmark = pytest.mark.parametrize("kind", ENTITY_KINDS)


@pytest.fixture
def name() -> str:
    return entity_name()


# ---- Values ------------------------------------------------------------------------------


def nested(depth: int) -> list[Any]:
    outer: list[Any] = []
    for _ in range(depth):
        outer = [outer]
    return outer


def endless() -> list[Any]:
    holder: list[Any] = []
    holder.append({"again": holder})
    return holder


@pytest.mark.parametrize("make", [lambda: nested(100_000), endless], ids=["deep", "endless"])
async def test_what_is_nested_too_deep_is_refused_by_name(
    conn: Any, name: str, make: Callable[[], Any]
) -> None:
    with pytest.raises(millpond.InvalidDataError, match='"thing".*nested too deep'):
        await conn.save_entity(name, {"thing": make()})
    with pytest.raises(millpond.InvalidDataError, match='entity 1: .*"thing".*nested too deep'):
        await conn.save_entities(name, [{"a": 1}, {"thing": make()}])
    assert await conn.count_entities(name) == 0


async def test_nesting_of_a_hundred_levels_is_kept(conn: Any, name: str) -> None:
    saved = await conn.save_entity(name, {"thing": nested(100)}, deserialize=True)
    read = await conn.get_entity(name, saved["id"], deserialize=True)
    assert read["thing"] == nested(100)


async def test_a_nested_int_of_too_many_digits_is_refused_by_name(conn: Any, name: str) -> None:
    with pytest.raises(millpond.InvalidDataError, match='"thing".*digits'):
        await conn.save_entity(name, {"thing": [10**5000]})


async def test_zero_has_no_sign(conn: Any, name: str) -> None:
    """Not all databases keep it."""
    saved = await conn.save_entity(
        name, {"f": -0.0, "d": decimal.Decimal("-0.00")}, deserialize=True
    )
    plain = await conn.get_entity(name, saved["id"])
    assert (repr(saved["f"]), repr(plain["f"]), plain["d"]) == ("0.0", "0.0", "0")


async def test_small_decimals_are_plain_digits(conn: Any, name: str) -> None:
    small = decimal.Decimal("0.00000025")
    saved = await conn.save_entity(
        name, {"d": small, "e": decimal.Decimal("1E+3")}, deserialize=True
    )
    assert (saved["d"], saved["e"]) == (small, 1000)
    plain = await conn.get_entity(name, saved["id"])
    assert (plain["d"], plain["e"]) == ("0.00000025", "1000")


class Unknown:
    pass


@pytest.mark.parametrize("value", [Unknown(), 2**63, "\ud800", [Unknown()], "a\0b", 1j])
async def test_a_value_of_many_entities_is_refused_by_number_and_name(
    conn: Any, name: str, value: Any
) -> None:
    with pytest.raises(millpond.Error, match='^entity 2: .*"thing"'):
        await conn.save_entities(name, [{"a": 1}, {}, {"thing": value}])
    assert await conn.count_entities(name) == 0


@pytest.mark.parametrize("bad", [{"a b": 1}, {"id": ""}, {"id": 1.5}, {1: 1}, {"version": "x"}])
async def test_a_field_of_many_entities_is_refused_by_number(
    conn: Any, name: str, bad: dict[Any, Any]
) -> None:
    with pytest.raises(millpond.Error, match="^entity 1: "):
        await conn.save_entities(name, [{"a": 1}, bad])
    assert name not in await conn.list_entities()


# ---- Names -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["xmin", "ctid", "tableoid", "cmax"])
async def test_names_of_a_databases_own_columns_are_fields_or_refused_by_name(
    conn: Any, kind: str, name: str, field: str
) -> None:
    if kind != "postgres":
        assert (await conn.save_entity(name, {field: 1}))[field] == 1
        return
    with pytest.raises(millpond.ArgumentError, match=f'"{field}".*column of PostgreSQL'):
        await conn.save_entity(name, {"a": 1, field: 1})
    assert name not in await conn.list_entities()


# ---- Other arguments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, n: c.find_entities(n, limit=2**63), "limit"),
        (lambda c, n: c.find_entities(n, offset=2**64), "offset"),
        (lambda c, n: c.save_entity(n, {"id": "x"}, expected_version=2**63), "expected_version"),
        (lambda c, n: c.get_entity_by_version(n, "x", 2**63), "version"),
    ],
)
async def test_ints_beyond_64_bits_are_refused_by_name(
    conn: Any, name: str, call: Callable[[Any, str], Any], message: str
) -> None:
    with pytest.raises(millpond.ValueRangeError, match=f"^{message} does not fit into 64 bits"):
        await call(conn, name)


@pytest.mark.parametrize("version", [None, "1", 1.0, True])
async def test_a_version_is_an_int(conn: Any, name: str, version: Any) -> None:
    await conn.save_entity(name, {"id": "x"})
    with pytest.raises(millpond.ParameterError, match="^version must be an int, not"):
        await conn.get_entity_by_version(name, "x", version)


@pytest.mark.parametrize("ids", ["12", b"12", None, 5])
async def test_ids_are_a_list_of_them(conn: Any, name: str, ids: Any) -> None:
    await conn.save_entities(name, [{"id": "1"}, {"id": "2"}])
    with pytest.raises(millpond.ParameterError, match="^entity_ids must be a list"):
        await conn.get_entities(name, ids)


@pytest.mark.parametrize("entities", ["x", {"id": "x"}, {}, None, 5])
async def test_entities_are_a_list_of_dicts(conn: Any, name: str, entities: Any) -> None:
    with pytest.raises(millpond.ParameterError, match="^entities must be a list of dicts, not"):
        await conn.save_entities(name, entities)
    assert name not in await conn.list_entities()


async def test_a_user_has_at_most_255_bytes(conn: Any, name: str) -> None:
    longest = "u" * 255
    saved = await conn.save_entity(name, {"id": "x"}, user_id=longest)
    assert saved["created_by"] == longest
    for call in (
        lambda: conn.save_entity(name, {"id": "x"}, user_id="u" * 256),
        lambda: conn.save_entities(name, [{"id": "x"}], user_id="ü" * 128),
        lambda: conn.delete_entity(name, "x", user_id="u" * 256),
    ):
        with pytest.raises(millpond.ArgumentError, match="user_id has 256 bytes"):
            await call()
    assert len(await conn.get_entity_history(name, "x")) == 1


async def test_a_comment_may_be_long(conn: Any, name: str) -> None:
    await conn.save_entity(name, {"id": "x"}, comment="c" * 100_000)
    assert (await conn.get_entity_history(name, "x"))[0]["history_comment"] == "c" * 100_000


@pytest.mark.slow
async def test_many_ids_are_got_in_one_call(kind: str, conn: Any, name: str) -> None:
    count = 500 if kind == "duckdb" else 20_000  # which it takes five minutes for
    ids = [f"{i:06}" for i in range(count)]
    await conn.save_entities(name, [{"id": i} for i in ids])
    found = await conn.get_entities(name, [*ids, *ids, "none"])
    assert sorted(row["id"] for row in found) == ids
