"""A look at a server from outside the pool under test."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

# Sessions of one test's pool. MySQL has no name for them but the user; the sessions that the
# library opens for a moment to stop a statement use no database.
SESSIONS = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE application_name = ?",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE user = ? "
    "AND db IS NOT NULL AND id <> connection_id()",
}
BUSY = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE application_name = ? "
    "AND state <> 'idle'",
    "mysql": "SELECT count(*) FROM information_schema.processlist p "
    "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id "
    "WHERE p.user = ? AND p.id <> connection_id() "
    # MariaDB calls an idle session Killed after a KILL QUERY that came too late to stop anything
    "AND (p.command NOT IN ('Sleep', 'Killed') OR t.trx_id IS NOT NULL "
    "OR (p.command = 'Killed' AND coalesce(p.state, '') <> ''))",
}
# Past its preparation: what is stopped now may have had an effect.
EXECUTING = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE application_name = ? "
    "AND state = 'active' AND wait_event = 'PgSleep'",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE user = ? "
    "AND state = 'User sleep'",
}
COMMITTING = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE application_name = ? "
    "AND query = 'COMMIT' AND wait_event = 'PgSleep'",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE user = ? "
    "AND info = 'COMMIT'",
}
CREATE_USER = "CREATE USER IF NOT EXISTS {name}@'%' IDENTIFIED BY '{password}'"


async def until(what: str, done: Callable[[], Awaitable[bool]], within: float = 90.0) -> None:
    """Poll for something that comes by itself, with a generous deadline."""
    deadline = time.monotonic() + within
    while not await done():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within:g} s in vain: {what}")
        await asyncio.sleep(0.02)


async def until_empty(problem: Callable[[], Awaitable[str]], within: float = 90.0) -> None:
    """The same for what can say what is still wrong."""
    deadline = time.monotonic() + within
    while text := await problem():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within:g} s in vain: {text}")
        await asyncio.sleep(0.02)


class Observer:
    """Counts the sessions of one pool.

    Args:
        kind: the database's kind.
        db: a database whose pool is not the one under test.
        name: what the sessions under test are called, see watched_settings().
    """

    def __init__(self, kind: str, db: Any, name: str) -> None:
        self._kind = kind
        self._db = db
        self._name = name

    async def _count(self, statements: dict[str, str]) -> int:
        async with self._db.async_connection() as conn:
            return int((await conn.execute(statements[self._kind], (self._name,)))[0][0])

    async def sessions(self) -> int:
        return await self._count(SESSIONS)

    async def busy(self) -> int:
        """Sessions that execute something or have a transaction open."""
        return await self._count(BUSY)

    async def executing(self) -> int:
        """Sessions that sleep in a statement, not only prepare it."""
        return await self._count(EXECUTING)

    async def committing(self) -> int:
        """Sessions whose commit hangs."""
        return await self._count(COMMITTING)

    async def describe(self) -> str:
        """What the sessions do, for a message."""
        if self._kind == "postgres":
            sql = "SELECT state, query, xact_start FROM pg_stat_activity WHERE application_name = ?"
        else:
            sql = (
                "SELECT command, state, info, trx_id, trx_state, trx_query, time "
                "FROM information_schema.processlist p LEFT JOIN information_schema.innodb_trx t "
                "ON t.trx_mysql_thread_id = p.id WHERE user = ?"
            )
        return str(await self.execute(sql, (self._name,)))

    async def execute(self, sql: str, params: tuple[Any, ...] = ()) -> Any:
        async with self._db.async_connection() as conn:
            return await conn.execute(sql, params)


async def watched_settings(kind: str, db: Any, name: str, password: str) -> dict[str, Any]:
    """Settings under which sessions can be told apart; `db` may create users."""
    if kind == "postgres":
        return {"application_name": name}
    async with db.async_connection() as conn:
        await conn.execute(CREATE_USER.format(name=name, password=password))
        await conn.execute(f"GRANT ALL ON *.* TO {name}@'%'")
    return {"user": name, "password": password}
