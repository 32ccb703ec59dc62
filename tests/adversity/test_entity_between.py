"""What stops a save between an entity's row and its history, and what is left: neither of the two.

A trigger holds the history's row up, so whatever way the library writes is stopped where it hurts:
PostgreSQL's one statement, MariaDB's block, MySQL's transaction. That it is there is seen from
outside, before anything is stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import millpond
import pytest
from daemons import Daemon
from entities import entity_name
from faults import address_of, works
from observer import until

STALL = {
    "postgres": (
        "CREATE FUNCTION {0}_stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_sleep(600); RETURN NEW; END $$",
        "CREATE TRIGGER {0}_stall BEFORE INSERT ON {0}_history FOR EACH ROW "
        "EXECUTE FUNCTION {0}_stall()",
    ),
    "mysql": (
        "CREATE TRIGGER {0}_stall BEFORE INSERT ON {0}_history FOR EACH ROW "
        "SET @millpond_stall = sleep(600)",
    ),
}
UNSTALL = {
    "postgres": "DROP TRIGGER {0}_stall ON {0}_history",
    "mysql": "DROP TRIGGER {0}_stall",
}


class Stalled:
    """One entity of version 1, and a second write of it that cannot go on.

    Attributes:
        name: the entity's.
        db: whose calls are stopped.
    """

    def __init__(self, own: Daemon, db: Any, direct: Any) -> None:
        self.name = entity_name()
        self.db = db
        self.own = own
        self._direct = direct

    async def prepare(self) -> None:
        async with self.db.async_connection() as conn:
            await conn.save_entity(self.name, {"id": "x", "n": 1})
            await conn.save_entity(self.name, {"id": "gone", "n": 1})
            await conn.delete_entity(self.name, "gone")
        for sql in STALL[self.own.kind]:
            await self.ask(sql.format(self.name))

    async def ask(self, sql: str) -> Any:
        """Past everything, and seeing what is not committed where the database allows it."""
        async with self._direct.async_connection() as conn:
            return await conn.execute(sql)

    async def _wrote(self, entity_id: str) -> bool:
        """The row is written and its history is not."""
        versions = f"SELECT count(*) FROM {self.name}_history WHERE id = '{entity_id}'"
        before = 2 if entity_id == "gone" else 1
        assert await self.ask(versions) == [(before,)]
        if self.own.kind == "mysql":  # read uncommitted
            version = f"SELECT version FROM {self.name} WHERE id = '{entity_id}'"
            return bool(await self.ask(version) == [(before + 1,)])
        sleeps = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
            f"AND query LIKE '%{self.name}%'"
        )
        if await self.ask(sleeps) != [(1,)]:
            return False
        locked = f"SELECT id FROM {self.name} WHERE id = '{entity_id}' FOR UPDATE SKIP LOCKED"
        return bool(await self.ask(locked) == [])

    async def reachable(self) -> None:
        """Again, for both pools."""

        async def both() -> bool:
            return await works(self.db) and await works(self._direct)

        await until("the server answers", both)

    async def between(self, entity_id: str) -> None:
        await until("the row without its history", lambda: self._wrote(entity_id))

    async def check(self) -> None:
        """As before the call, and the next one works."""
        await self.ask(UNSTALL[self.own.kind].format(self.name))
        async with self.db.async_connection(timeout=30) as conn:
            assert not await conn.in_transaction()
            found = {
                row["id"]: row for row in await conn.find_entities(self.name, include_deleted=True)
            }
            assert set(found) == {"x", "gone"}
            assert (found["x"]["n"], found["x"]["version"]) == (1, 1)
            assert found["x"]["deleted_at"] is None
            assert found["gone"]["version"] == 2
            assert found["gone"]["deleted_at"] is not None
            assert len(await conn.get_entity_history(self.name, "x")) == 1
            assert len(await conn.get_entity_history(self.name, "gone")) == 2
            saved = await conn.save_entity(self.name, {"id": "x", "n": 3})
            assert saved["version"] == 2
            history = await conn.get_entity_history(self.name, "x")
            assert [(row["version"], row["n"]) for row in history] == [(1, 1), (2, 3)]


@pytest.fixture
async def stalled(own: Daemon, databases: Any) -> AsyncIterator[Stalled]:
    own.ensure_running()
    uncommitted = {"transaction_isolation": "READ UNCOMMITTED"} if own.kind == "mysql" else {}
    direct = databases.open(own.kind, alias="direct", **address_of(own), **uncommitted)
    db = databases.open(own.kind, alias="stalled", pool_max_size=1, **address_of(own))
    made = Stalled(own, db, direct)
    await made.reachable()
    yield made
    own.ensure_running()


Write = Callable[[Any, str], Awaitable[Any]]
WRITES: dict[str, tuple[str, Write]] = {
    "save": ("x", lambda conn, name: conn.save_entity(name, {"id": "x", "n": 2})),
    "save many": (
        "x",
        lambda conn, name: conn.save_entities(name, [{"id": "x", "n": 2}, {"id": "y", "n": 2}]),
    ),
    "delete": ("x", lambda conn, name: conn.delete_entity(name, "x")),
    "delete for good": ("x", lambda conn, name: conn.delete_entity(name, "x", permanent=True)),
    "restore": ("gone", lambda conn, name: conn.restore_entity(name, "gone")),
}


@pytest.fixture(params=WRITES)
def write(request: pytest.FixtureRequest) -> tuple[str, Write]:
    return WRITES[request.param]


async def begin(stalled: Stalled, write: tuple[str, Write]) -> asyncio.Task[Any]:
    """The write, once it is between the two."""
    entity_id, call = write
    await stalled.prepare()

    async def run() -> None:
        async with stalled.db.async_connection() as conn:
            await call(conn, stalled.name)

    task = asyncio.create_task(run())
    await stalled.between(entity_id)
    assert not task.done()
    return task


async def test_a_server_killed_between_the_two_keeps_neither(
    stalled: Stalled, write: tuple[str, Write]
) -> None:
    task = await begin(stalled, write)
    stalled.own.kill()
    with pytest.raises(millpond.OperationalError):
        await task
    stalled.own.start()
    await stalled.reachable()
    await stalled.check()


async def test_a_session_killed_between_the_two_keeps_neither(
    stalled: Stalled, write: tuple[str, Write]
) -> None:
    task = await begin(stalled, write)
    if stalled.own.kind == "postgres":
        await stalled.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE wait_event = 'PgSleep' AND query LIKE '%{stalled.name}%'"
        )
    else:
        victims = await stalled.ask(
            "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx "
            "WHERE trx_rows_modified > 0"
        )
        assert len(victims) == 1
        await stalled.ask(f"KILL {victims[0][0]}")
    with pytest.raises(millpond.OperationalError):
        await task
    await stalled.check()


async def test_a_task_cancelled_between_the_two_keeps_neither(
    stalled: Stalled, write: tuple[str, Write]
) -> None:
    task = await begin(stalled, write)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await stalled.check()


async def test_a_timeout_between_the_two_keeps_neither(
    stalled: Stalled, write: tuple[str, Write], databases: Any
) -> None:
    hasty = databases.open(
        stalled.own.kind, alias="hasty", query_execution_timeout=3, **address_of(stalled.own)
    )
    patient, stalled.db = stalled.db, hasty
    task = await begin(stalled, write)
    with pytest.raises((millpond.QueryTimeoutError, millpond.UnknownOutcomeError)):
        await task
    stalled.db = patient
    await stalled.check()
    async with hasty.async_connection() as conn:
        assert not await conn.in_transaction()
