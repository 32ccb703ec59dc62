"""An entity and its history row both exist or neither, whenever the server dies."""

import asyncio
from typing import Any

import millpond
import pytest
from daemons import Daemon
from entities import entity_name
from faults import address_of, works
from millpond import _native
from observer import until

DIALECTS = {"postgres": _native.POND_DIALECT_POSTGRES, "mysql": _native.POND_DIALECT_MYSQL}
EXECUTE, BEGIN = 1, 3


async def restarted(own: Daemon, db: Any) -> None:
    own.start()
    await until("the server answers", lambda: works(db))


async def check_whole(conn: Any, name: str) -> int:
    """Every row's version is the last of its history, which has no gap; returns how many rows."""
    rows = await conn.find_entities(name, include_deleted=True)
    for row in rows:
        history = await conn.get_entity_history(name, row["id"])
        assert [r["version"] for r in history] == list(range(1, row["version"] + 1))
        assert history[-1]["n"] == row["n"]
    return len(rows)


async def test_a_server_that_dies_between_row_and_history_keeps_neither(
    own: Daemon, databases: Any
) -> None:
    name = entity_name()
    db = databases.open(own.kind, **address_of(own))
    async with db.async_connection() as conn:
        await conn.save_entity(name, {"id": "x", "n": 1})
        plan = _native.Schema(DIALECTS[own.kind]).plan(0, name, {"id": "x", "n": 2})
        plan.start(False)
        while (step := plan.next()) is not None:
            kind, sql, params, _ = step
            if sql.startswith("INSERT INTO") and f"{name}_history" in sql.split("(")[0]:
                break
            if kind == BEGIN:
                await conn.begin_transaction()
                plan.feed_rows((), ())
                continue
            assert kind == EXECUTE
            rows = await conn.execute(sql, params)
            plan.feed_rows(rows.columns, rows, rows.rowcount)
        assert await conn.in_transaction()
        assert await conn.execute(f"SELECT n FROM {name} WHERE id = 'x'") == [(2,)]
        own.kill()
        with pytest.raises(millpond.OperationalError):
            await conn.execute("SELECT 1")
    await restarted(own, db)
    async with db.async_connection() as conn:
        assert (await conn.get_entity(name, "x"))["n"] == 1
        assert await check_whole(conn, name) == 1


async def test_a_server_that_dies_while_many_save_keeps_wholes(own: Daemon, databases: Any) -> None:
    name = entity_name()
    db = databases.open(own.kind, **address_of(own))
    acknowledged: dict[str, int] = {}

    async def save(task: int) -> None:
        async with db.async_connection() as conn:
            for n in range(100_000):
                entity = {"id": f"{task}", "n": n}
                if task % 2:
                    saved = await conn.save_entity(name, entity)
                    acknowledged[saved["id"]] = saved["version"]
                else:
                    await conn.save_entities(name, [entity, {"n": n}])

    async with db.async_connection() as conn:
        await conn.save_entity(name, {"id": "first", "n": 0})
    tasks = [asyncio.create_task(save(task)) for task in range(4)]

    async def enough() -> bool:
        assert not any(task.done() for task in tasks)
        return sum(acknowledged.values()) >= 20

    await until("twenty answers", enough)
    own.kill()
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(failure, millpond.OperationalError) for failure in failures)
    await restarted(own, db)
    async with db.async_connection() as conn:
        assert await check_whole(conn, name) > 2
        for entity_id, version in acknowledged.items():
            assert (await conn.get_entity(name, entity_id))["version"] >= version
