"""A connection that the server closed before its lease was used is replaced, unnoticed."""

from pathlib import Path
from typing import Any

import millpond
import pytest
from observer import until

KILL = (
    "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'"
)


@pytest.fixture
def doomed(databases: Any) -> Any:
    return databases.open("postgres", application_name="doomed", pool_max_size=1)


async def kill(databases: Any) -> None:
    """End the sessions of the doomed pool, and wait until their processes are gone: the server
    forgets a session a little before it hangs up."""
    async with databases.open("postgres", alias="killer").async_connection() as conn:
        pids = [pid for pid, _ in await conn.execute(KILL)]
    assert pids

    async def gone() -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in pids)

    await until("the sessions' end", gone)


async def test_the_first_statement_of_a_lease_survives_the_death_of_its_connection(
    doomed: Any, databases: Any
) -> None:
    async with doomed.async_connection() as conn:
        before = conn.id
        await kill(databases)
        assert await conn.execute("SELECT 1") == [(1,)]
        assert conn.id != before
        metrics = type(doomed).get_pool_metrics(doomed.hash())
        assert metrics["retries"] == 1
        assert metrics["closed_by_reason"] == {"it was lost before it was used": 1}
        assert await conn.execute("SELECT 2") == [(2,)]
    assert doomed.get_pool_status()["size"] == 1


async def test_a_later_statement_does_not(doomed: Any, databases: Any) -> None:
    async with doomed.async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE mine (a integer)")
        await kill(databases)
        with pytest.raises(millpond.ConnectionLostError):
            await conn.execute("SELECT 1")
    async with doomed.async_connection() as conn:
        assert await conn.execute("SELECT 1") == [(1,)]


async def test_a_blocking_call_survives_too(doomed: Any, databases: Any) -> None:
    with doomed.sync_connection() as conn:
        await kill(databases)
        assert conn.execute("SELECT 1") == [(1,)]


async def test_the_first_entity_call_of_a_lease_survives_too(doomed: Any, databases: Any) -> None:
    async with doomed.async_connection() as conn:
        saved = await conn.save_entity("survivor", {"n": 1})
    async with doomed.async_connection() as conn:
        await kill(databases)
        assert (await conn.get_entity("survivor", saved["id"]))["n"] == 1
    async with doomed.async_connection() as conn:
        await kill(databases)
        assert (await conn.save_entity("survivor", {"id": saved["id"], "n": 2}))["version"] == 2
    with doomed.sync_connection() as sync:
        await kill(databases)
        assert sync.get_entity("survivor", saved["id"])["n"] == 2


async def test_a_statement_after_an_entity_call_does_not(doomed: Any, databases: Any) -> None:
    async with doomed.async_connection() as conn:
        await conn.save_entity("survivor", {"n": 1})
        await kill(databases)
        with pytest.raises(millpond.ConnectionLostError):
            await conn.execute("SELECT 1")
