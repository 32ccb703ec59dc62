"""Entity calls that are cancelled anywhere, on few entities that all want: history stays whole."""

import asyncio
import random
from collections import Counter
from typing import Any

import millpond
import pytest
from conftest import at_rest
from entities import entity_name
from faults import LONG

ROUNDS = 200 if LONG else 15
AT_ONCE = 20
IDS = ("a", "b", "c", "d")


class Storm:
    """Tasks that save, delete, restore and read; half of them are cancelled on the way."""

    def __init__(self, db: Any, name: str, rng: random.Random) -> None:
        self.db = db
        self.name = name
        self.rng = rng
        self.ends: Counter[str] = Counter()

    async def call(self, conn: Any, number: int) -> None:
        one = self.rng.choice(IDS)
        some = [{"id": each, "n": number} for each in self.rng.sample(IDS, 3)]
        field = f"field_{self.rng.randrange(6)}"  # new ones appear on the way
        match self.rng.randrange(8):
            case 0 | 1 | 2:
                await conn.save_entity(self.name, {"id": one, "n": number, field: "x"})
            case 3 | 4:
                await conn.save_entities(self.name, some)
            case 5:
                await conn.delete_entity(self.name, one, permanent=self.rng.random() < 0.3)
            case 6:
                await conn.restore_entity(self.name, one)
            case _:
                async with conn.transaction():
                    await conn.save_entity(self.name, some[0])
                    await conn.delete_entity(self.name, some[1]["id"])

    async def task(self, number: int) -> None:
        async with self.db.async_connection() as conn:
            await self.call(conn, number)

    async def attempt(self, number: int) -> None:
        running = asyncio.ensure_future(self.task(number))
        if self.rng.random() < 0.5:
            await asyncio.sleep(self.rng.random() * 0.02)
            running.cancel()
        try:
            await running
            self.ends["done"] += 1
        except asyncio.CancelledError:
            self.ends["cancelled"] += 1
        except (millpond.DeadlockError, millpond.SerializationError):
            self.ends["deadlock"] += 1  # of transactions of ours, which lock in any order


async def check_history(conn: Any, name: str, entity_id: str) -> None:
    history = await conn.get_entity_history(name, entity_id)
    assert sorted(row["version"] for row in history) == list(range(1, len(history) + 1))
    row = await conn.get_entity(name, entity_id, include_deleted=True)
    if row is not None:
        last = max(history, key=lambda each: each["version"])
        assert (row["version"], row["n"]) == (last["version"], last["n"])


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mysql"])
async def test_calls_cancelled_anywhere_leave_every_history_whole(
    databases: Any, kind: str, rng: random.Random
) -> None:
    name = entity_name()
    # a call in a transaction may need a second connection for what it learns of changed tables
    db = databases.open(kind, pool_max_size=2 * AT_ONCE)
    storm = Storm(db, name, rng)
    for first in range(0, ROUNDS * AT_ONCE, AT_ONCE):
        await asyncio.gather(*(storm.attempt(first + i) for i in range(AT_ONCE)))
    assert storm.ends["done"] and storm.ends["cancelled"]
    async with db.async_connection() as conn:
        for entity_id in IDS:
            await check_history(conn, name, entity_id)
    assert (await at_rest(db))["size"] <= 2 * AT_ONCE
