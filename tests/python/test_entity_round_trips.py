"""What entity calls cost on a slow network: round trips, counted by a relay before the server."""

from collections.abc import Iterator
from typing import Any

import pytest
from entities import entity_name
from round_trips import RoundTrips

# Round trips of each call, once its statements are prepared. docs/entities.md says why MySQL needs
# one more than the others for what has to be a transaction of several statements.
CHANGES = ("save", "save_many", "save_1000", "delete", "restore", "purge")
COSTS = {
    "postgres": (1, 1, 1, 1, 1, 1),
    "mariadb": (1, 1, 4, 1, 1, 1),
    "mysql": (2, 2, 2, 2, 2, 2),
    "libmysqlclient": (5, 4, 4, 4, 4, 5),
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
async def conn(kind: str, databases: Any, relay: RoundTrips) -> Any:
    db = databases.open(kind, host="127.0.0.1", port=relay.port, pool_max_size=1)
    async with db.async_connection() as conn:
        yield conn


async def test_calls_cost_a_known_number_of_round_trips(
    conn: Any, relay: RoundTrips, kind: str
) -> None:
    name = entity_name()
    details = await conn.get_version_details()
    if "libmysqlclient" in details["db_driver"]:
        kind = "libmysqlclient"
    elif "MariaDB" in details["db_server_version"]:
        kind = "mariadb"

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
        "save_1000": lambda: conn.save_entities(name, [{"a": i, "b": "t"} for i in range(1000)]),
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
    assert counted == {**reads, **dict(zip(CHANGES, COSTS[kind], strict=True))}


async def test_a_change_on_sqlite_is_one_job(databases: Any) -> None:
    """One statement of ours, so one turn of the worker, however many SQLite executes for it."""
    db = databases.open("sqlite")
    name = entity_name()

    def executed() -> int:
        metrics = type(db).get_pool_metrics(db.hash())
        return int(metrics["statement_hits"] + metrics["statement_misses"])

    async with db.async_connection() as conn:
        await conn.save_entity(name, {"id": "x", "a": 1})
        for call in (
            lambda: conn.save_entity(name, {"id": "x", "a": 2}),
            lambda: conn.save_entity(name, {"id": "x", "a": 3}, expected_version=2),
            lambda: conn.save_entity(name, {"id": "y", "a": 3}, expected_version=0),
            lambda: conn.delete_entity(name, "x"),
            lambda: conn.restore_entity(name, "x"),
            lambda: conn.delete_entity(name, "x", permanent=True),
        ):
            before = executed()
            assert await call()
            assert executed() - before == 1
