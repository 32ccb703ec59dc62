"""Servers that are killed, restarted, paused, full: what the caller is told, and how pools heal."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import daemons
import faults
import millpond
import observer
import pytest
from faults import SOON, Within

CREATE = {
    "postgres": "CREATE TABLE IF NOT EXISTS kept (id text, n int)",
    "mysql": "CREATE TABLE IF NOT EXISTS kept (id char(36), n int) ENGINE = InnoDB",
    "sqlite": "CREATE TABLE IF NOT EXISTS kept (id text, n int)",
}
INSERT = "INSERT INTO kept VALUES (?, 0)"
SLEEP = {"postgres": "SELECT pg_sleep(600)", "mysql": "SELECT sleep(600)"}
SESSION = {"postgres": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
KILL = {"postgres": "SELECT pg_terminate_backend({0})", "mysql": "KILL {0}"}


@pytest.fixture
async def at(site: Any, own: daemons.Daemon) -> AsyncIterator[faults.Site]:
    """A pool of at most two, the table, and a server that runs, before and after."""
    made = await site(pool_max_size=2)
    await made.look.execute(CREATE[made.kind])
    await made.look.execute("DELETE FROM kept")
    yield made
    own.ensure_running()


async def session_of(conn: Any, kind: str) -> int:
    return int((await conn.execute(SESSION[kind]))[0][0])


async def heals(at: faults.Site) -> None:
    async def both() -> bool:
        return await faults.works(at.direct) and await faults.works(at.db)

    await observer.until("the pool's recovery", both)
    await faults.adds_up(at.db, at.look)


async def count_of(at: faults.Site, mine: str) -> int:
    rows = await at.look.execute("SELECT count(*) FROM kept WHERE id = ?", (mine,))
    return int(rows[0][0])


async def sleeping(at: faults.Site) -> None:
    async def running() -> bool:
        return await at.look.executing() > 0

    await observer.until("the statement's start", running)


# ---- Killed ------------------------------------------------------------------------------


async def test_a_server_killed_in_a_query_is_a_lost_connection_and_is_used_when_it_is_back(
    at: faults.Site, own: daemons.Daemon
) -> None:
    async with at.db.async_connection() as conn:
        reading = asyncio.ensure_future(conn.execute(SLEEP[at.kind]))
        await sleeping(at)
        own.kill()
        with Within(SOON), pytest.raises(millpond.ConnectionLostError):
            await reading
    for _ in range(3):
        with Within(SOON), pytest.raises(millpond.OperationalError):
            await at.db.get_async_connection()
    own.start()
    await heals(at)


async def test_a_server_killed_in_a_write_says_unknown_and_does_not_repeat_it(
    at: faults.Site, own: daemons.Daemon
) -> None:
    mine = str(uuid.uuid4())
    slow = {
        "postgres": "INSERT INTO kept SELECT ?, 0 FROM pg_sleep(600)",
        "mysql": "INSERT INTO kept SELECT ?, sleep(600)",
    }
    async with at.db.async_connection() as conn:
        writing = asyncio.ensure_future(conn.execute(slow[at.kind], (mine,)))
        await sleeping(at)
        own.kill()
        with Within(SOON), pytest.raises(millpond.UnknownOutcomeError):
            await writing
    own.start()
    await heals(at)
    assert await count_of(at, mine) == 0


SLOW_COMMIT = """
CREATE OR REPLACE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$
"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON kept DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION slow_commit()
"""


@contextlib.asynccontextmanager
async def commits_that_hang(at: faults.Site) -> AsyncIterator[None]:
    """A commit on the table does not end as long as this lasts."""
    if at.kind == "postgres":
        await at.look.execute(SLOW_COMMIT)
        await at.look.execute(TRIGGER)
        try:
            yield
        finally:
            await observer.until("the server", lambda: faults.works(at.direct))
            await at.look.execute("DROP TRIGGER slow ON kept")
        return
    async with at.direct.async_connection() as holder:
        await holder.execute("FLUSH TABLES WITH READ LOCK")
        yield


async def test_a_server_killed_in_a_commit_is_an_unknown_outcome(
    at: faults.Site, own: daemons.Daemon
) -> None:
    mine = str(uuid.uuid4())
    async with at.db.async_connection() as conn:
        await conn.begin_transaction()
        await conn.execute("SELECT 1")
        if at.kind == "mysql":
            await conn.execute(INSERT, (mine,))
        async with commits_that_hang(at):
            if at.kind == "postgres":
                await conn.execute(INSERT, (mine,))
            committing = asyncio.ensure_future(conn.commit_transaction())

            async def hanging() -> bool:
                return not committing.done() and await at.look.committing() == 1

            await observer.until("the commit's start", hanging)
            own.kill()
            with Within(SOON), pytest.raises(millpond.UnknownOutcomeError) as caught:
                await committing
            assert caught.value.retryable is False
            own.start()
    await heals(at)
    assert await count_of(at, mine) == 0  # it never came to it


async def test_a_crashed_session_takes_the_others_along_and_the_pool_recovers(
    at: faults.Site,
) -> None:
    """PostgreSQL restarts itself when a process of its is killed; MySQL's are threads."""
    if at.kind != "postgres":
        pytest.skip("a session is a process in PostgreSQL only")
    async with at.db.async_connection() as one, at.db.async_connection() as two:
        os.kill(await session_of(one, at.kind), signal.SIGKILL)
        with Within(SOON), pytest.raises(millpond.ConnectionLostError):
            await two.execute("SELECT pg_sleep(600)")
        with Within(SOON), pytest.raises(millpond.ConnectionLostError):
            await one.execute("SELECT 1")
    await heals(at)


@pytest.mark.parametrize("where", ["idle", "statement", "transaction"])
async def test_a_killed_session_costs_its_own_caller_only(at: faults.Site, where: str) -> None:
    async with at.db.async_connection() as conn, at.db.async_connection() as other:
        number = await session_of(conn, at.kind)
        running = None
        if where == "transaction":
            await conn.begin_transaction()
            await conn.execute(INSERT, ("half",))
        elif where == "statement":
            running = asyncio.ensure_future(conn.execute(SLEEP[at.kind]))
            await sleeping(at)
        await at.look.execute(KILL[at.kind].format(number))
        with Within(SOON), pytest.raises(millpond.ConnectionLostError):
            await (running or conn.execute("SELECT 1"))
        # never the second statement of a dead transaction, in a session that knows nothing of it
        with pytest.raises(millpond.ConnectionLostError, match="acquire another"):
            await conn.execute(INSERT, ("other half",))
        assert (await other.execute("SELECT 7")) == [(7,)]
    await heals(at)
    assert await count_of(at, "half") + await count_of(at, "other half") == 0


# ---- Restarted ---------------------------------------------------------------------------


async def test_a_restart_under_load_loses_what_was_running_and_no_more(
    at: faults.Site, own: daemons.Daemon
) -> None:
    acknowledged: list[str] = []
    doubtful: list[str] = []
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            mine = str(uuid.uuid4())
            try:
                async with at.db.async_connection(timeout=2) as conn:
                    await conn.execute(INSERT, (mine,), timeout=5)
                acknowledged.append(mine)
            except millpond.UnknownOutcomeError:
                doubtful.append(mine)
            except millpond.OperationalError:
                await asyncio.sleep(0.01)

    async def progress(count: int) -> None:
        async def more() -> bool:
            return len(acknowledged) >= count

        await observer.until("progress", more)

    tasks = [asyncio.create_task(work()) for _ in range(6)]
    await progress(50)
    await asyncio.to_thread(own.kill)
    await asyncio.to_thread(own.start)
    await progress(len(acknowledged) + 50)
    stop.set()
    await asyncio.gather(*tasks)
    await heals(at)
    kept = [row[0] for row in await at.look.execute("SELECT id FROM kept")]
    assert len(kept) == len(set(kept))
    assert set(acknowledged) <= set(kept) <= set(acknowledged) | set(doubtful)


# ---- Paused ------------------------------------------------------------------------------


async def test_a_paused_server_is_a_timeout_and_the_pool_heals_when_it_goes_on(
    at: faults.Site, own: daemons.Daemon
) -> None:
    async with at.db.async_connection() as conn:
        await conn.execute("SELECT 1")
        own.pause()
        with Within(SOON), pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT 1", timeout=0.3)
    for _ in range(3):
        with Within(SOON), pytest.raises(TimeoutError):
            await at.db.get_async_connection(timeout=0.3)
    own.resume()
    await heals(at)


async def test_a_paused_server_does_not_keep_others_from_their_work(
    at: faults.Site, own: daemons.Daemon, databases: Any
) -> None:
    """Cancels that get no answer must not use up what other databases need."""
    other = databases.open("mysql" if at.kind == "postgres" else "postgres", host="localhost")
    pool = [await at.db.get_async_connection() for _ in range(2)]
    for conn in pool:
        await at.db.release_async_connection(conn)
    many = databases.open(
        at.kind, **{**faults.address_of(own), "alias": "many", "pool_max_size": 70}
    )
    held = [await many.get_async_connection() for _ in range(70)]
    own.pause()

    async def hang(conn: Any) -> None:
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute(SLEEP[at.kind], timeout=0.2)

    with Within(SOON):
        await asyncio.gather(*(hang(conn) for conn in held))
    async with other.async_connection(timeout=SOON) as conn:
        assert (await conn.execute("SELECT 7")) == [(7,)]
    for conn in held:
        await many.release_async_connection(conn)
    own.resume()
    await heals(at)


# ---- Full --------------------------------------------------------------------------------


async def refused(db: Any, held: list[Any], reason: str) -> None:
    """Acquire until the server has no room, however long it takes to say so."""

    async def no_more() -> bool:
        try:
            held.append(await db.get_async_connection(timeout=0.5))
        except millpond.AcquireTimeoutError as error:
            return re.search(reason, str(error)) is not None
        return False

    await observer.until(f"the server says {reason}", no_more)


async def test_a_server_without_room_for_sessions_says_so_and_is_used_when_it_has_some(
    at: faults.Site, own: daemons.Daemon
) -> None:
    await asyncio.to_thread(own.kill)
    option = {"postgres": ["-c", "max_connections=20"], "mysql": ["--max-connections=20"]}
    await asyncio.to_thread(own.start, *option[at.kind])
    await observer.until("the server", lambda: faults.works(at.direct))
    greedy = at.another("greedy", pool_max_size=30)
    held: list[Any] = []
    try:
        await refused(greedy, held, "(?i)too many")
        assert 10 < len(held) <= 20
        with Within(SOON), pytest.raises(millpond.ResourceLimitError) as caught:  # it has no other
            await at.db.get_async_connection()
        assert caught.value.vendor_code == (1040 if at.kind == "mysql" else 0)
    finally:
        for conn in held:
            await conn.close()
    await millpond.PoolManager.close_pool(config_hash=greedy.hash(), timeout=10)
    await heals(at)
    await asyncio.to_thread(own.kill)
    await asyncio.to_thread(own.start)


async def test_a_user_without_room_for_sessions_is_told_so_too(at: faults.Site, site: Any) -> None:
    if at.kind == "postgres":
        await at.look.execute("DROP ROLE IF EXISTS limited")
        await at.look.execute("CREATE ROLE limited LOGIN PASSWORD 'x' CONNECTION LIMIT 1")
    else:
        await at.look.execute("DROP USER IF EXISTS limited@'%'")
        await at.look.execute(
            "CREATE USER limited@'%' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1"
        )
        await at.look.execute("GRANT SELECT ON *.* TO limited@'%'")
    db = at.another("limited", user="limited", password="x")
    other = at.another("other limited", user="limited", password="x")
    async with db.async_connection():
        await refused(db, [], "too many|max_user_connections")
        with pytest.raises(millpond.ResourceLimitError):
            await other.get_async_connection()
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT 7")) == [(7,)]
    await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=10)
    await observer.until("the other's turn", lambda: faults.works(other))
    await millpond.PoolManager.close_pool(config_hash=other.hash(), timeout=10)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes; only root can have one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


async def fill(conn: Any) -> int:
    """Insert until the database refuses; returns how many rows went in."""
    done = 0
    await conn.execute("CREATE TABLE kept (text text)")
    with pytest.raises(millpond.ResourceLimitError):
        for _ in range(1000):
            await conn.execute("INSERT INTO kept VALUES (?)", ("x" * 50_000,))
            done += 1
    assert done > 5
    assert (await conn.execute("SELECT count(*) FROM kept")) == [(done,)]
    assert await conn.in_transaction() is False
    await conn.begin_transaction()
    with pytest.raises(millpond.ResourceLimitError):
        for _ in range(1000):
            await conn.execute("INSERT INTO kept VALUES (?)", ("x" * 50_000,))
    if await conn.in_transaction():  # SQLite may have rolled back by itself
        await conn.rollback_transaction()
    assert (await conn.execute("SELECT count(*) FROM kept")) == [(done,)]
    return done


async def test_a_full_disk_is_told_and_is_used_when_there_is_room(
    small_disk: Path, databases: Any
) -> None:
    db = databases.open("sqlite", database=str(small_disk / "full.db"), pool_max_size=2)
    async with db.async_connection() as conn:
        done = await fill(conn)
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    async with db.async_connection() as conn:
        await conn.execute("INSERT INTO kept VALUES (?)", ("x" * 50_000,))
        assert (await conn.execute("SELECT count(*) FROM kept")) == [(done + 1,)]
        assert (await conn.execute("PRAGMA integrity_check")) == [("ok",)]
    await faults.adds_up(db)
    await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=5)


async def test_a_full_database_file_is_told_like_a_full_disk(databases: Any) -> None:
    db = databases.open("sqlite", pool_max_size=1)
    async with db.async_connection() as conn:
        await conn.execute("PRAGMA max_page_count = 200")
        await fill(conn)
        await conn.execute("PRAGMA max_page_count = 20000")
        await conn.execute("INSERT INTO kept VALUES (?)", ("x" * 50_000,))
    await faults.adds_up(db)


# ---- Transactions that meet --------------------------------------------------------------


async def test_a_deadlock_has_one_victim_that_is_told_and_can_try_again(at: faults.Site) -> None:
    await at.look.execute("INSERT INTO kept VALUES ('a', 0), ('b', 0)")
    update = "UPDATE kept SET n = n + 1 WHERE id = ?"
    if at.kind == "mysql":
        with contextlib.suppress(millpond.Error):
            await at.look.execute("ALTER TABLE kept ADD INDEX by_id (id)")
    async with at.db.async_connection() as one, at.db.async_connection() as two:
        for conn, first in ((one, "a"), (two, "b")):
            await conn.begin_transaction()
            await conn.execute(update, (first,))
        with Within(SOON):
            outcomes = await asyncio.gather(
                one.execute(update, ("b",)), two.execute(update, ("a",)), return_exceptions=True
            )
        failed = [isinstance(outcome, millpond.DeadlockError) for outcome in outcomes]
        assert sorted(failed) == [False, True], outcomes
        victim, other = (one, two) if failed[0] else (two, one)
        if await victim.in_transaction():
            await victim.rollback_transaction()
        await other.commit_transaction()
        assert (await victim.execute("SELECT id, n FROM kept ORDER BY id")) == [("a", 1), ("b", 1)]
    await faults.adds_up(at.db, at.look)


async def test_a_serialization_failure_is_told_as_one_and_can_be_tried_again(
    at: faults.Site,
) -> None:
    if at.kind != "postgres":
        pytest.skip("MySQL's is a deadlock; SQLite's is tested with SQLite")
    await at.look.execute("INSERT INTO kept VALUES ('a', 0)")
    async with at.db.async_connection() as conn:
        await conn.begin_transaction()
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await conn.execute("SELECT * FROM kept")
        await at.look.execute("UPDATE kept SET n = 1")
        with pytest.raises(millpond.SerializationError) as caught:
            await conn.execute("UPDATE kept SET n = 2")
        assert caught.value.retryable is True
        assert caught.value.sqlstate == "40001"
        await conn.rollback_transaction()
        await conn.execute("UPDATE kept SET n = 3")
        assert (await conn.execute("SELECT n FROM kept")) == [(3,)]
    await faults.adds_up(at.db, at.look)
