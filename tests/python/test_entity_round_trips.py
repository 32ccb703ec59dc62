"""What entity calls cost on a slow network: round trips, counted by a relay before the server."""

from collections.abc import Iterator
from typing import Any

import pytest
from entities import entity_name
from round_trips import RoundTrips

# Round trips of each call, once its statements are prepared. docs/entities.md says why MySQL's
# protocol needs more than PostgreSQL's for what has to be a transaction of several statements.
COSTS = {
    "postgres": {"save": 1, "save_many": 1, "delete": 1, "restore": 1, "purge": 1},
    "mariadb": {"save": 1, "save_many": 4, "delete": 1, "restore": 1, "purge": 1},
    "mysql": {"save": 5, "save_many": 4, "delete": 4, "restore": 4, "purge": 5},
}


@pytest.fixture(params=["postgres", "mysql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def relay(kind: str, request: pytest.FixtureRequest) -> Iterator[RoundTrips]:
    server = request.getfixturevalue(kind)
    with RoundTrips(server["host"], server["port"]) as relay:
        yield relay


@pytest.fixture
def costs(kind: str, mysql: dict[str, Any]) -> dict[str, int]:
    return COSTS["mariadb" if kind == "mysql" and mysql["server"] == "MariaDB" else kind]


@pytest.fixture
async def conn(kind: str, databases: Any, relay: RoundTrips) -> Any:
    db = databases.open(kind, host="127.0.0.1", port=relay.port, pool_max_size=1)
    async with db.async_connection() as conn:
        yield conn


async def test_calls_cost_a_known_number_of_round_trips(
    conn: Any, relay: RoundTrips, costs: dict[str, int]
) -> None:
    name = entity_name()

    async def save() -> Any:
        return await conn.save_entity(name, {"id": "x", "a": 1, "b": "text"})

    async def rows() -> Any:
        return await conn.save_entities(name, [{"id": str(i), "a": i} for i in range(5)])

    calls = {
        "save": save,
        "save_many": rows,
        "get": lambda: conn.get_entity(name, "x"),
        "get_many": lambda: conn.get_entities(name, ["x", "1"]),
        "find": lambda: conn.find_entities(name, "a > ?", (0,), limit=10),
        "count": lambda: conn.count_entities(name),
        "history": lambda: conn.get_entity_history(name, "x"),
        "delete": lambda: conn.delete_entity(name, "x"),
        "restore": lambda: conn.restore_entity(name, "x"),
        "purge": lambda: conn.delete_entity(name, "x", permanent=True),
    }
    for call in calls.values():  # makes the tables, prepares the statements
        await call()
    await save()
    counted = {}
    for what, call in calls.items():
        before = relay.count
        assert await call()
        counted[what] = relay.count - before
    reads = {"get": 1, "get_many": 1, "find": 1, "count": 1, "history": 1}
    assert counted == {**reads, **costs}
