"""What a pool counts, logs and makes up for when things go wrong."""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import millpond
import pytest
from conftest import ENDLESS, when
from observer import until

SERVERS = ("postgres", "mysql")


def metrics_of(db: Any) -> dict[str, Any]:
    return type(db).get_pool_metrics(db.hash())


# ---- Connections that could not be opened --------------------------------------------------


@pytest.mark.parametrize("kind", SERVERS)
async def test_only_what_was_created_is_destroyed(databases: Any, kind: str) -> None:
    db = databases.open(kind, host="127.0.0.1", port=1)
    with pytest.raises(millpond.ConnectFailedError):
        await db.get_async_connection()
    counts = metrics_of(db)
    assert (counts["created"], counts["destroyed"]) == (0, 0)
    assert counts["errors"] >= 1
    assert counts["closed_by_reason"] == {}


@pytest.mark.parametrize("kind", SERVERS)
async def test_the_breaker_around_connecting_counts_what_it_does(databases: Any, kind: str) -> None:
    db = databases.open(
        kind, host="127.0.0.1", port=1, pool_reconnect_delay=3600, pool_reconnect_max_delay=3600
    )
    for _ in range(3):
        with pytest.raises(millpond.ConnectFailedError):
            await db.get_async_connection()
    connect = metrics_of(db)["circuit_breakers"]["connect"]
    assert connect["opened"] == 1
    assert connect["state"] in ("open", "half_open")
    assert connect["refused"] + metrics_of(db)["errors"] >= 3


# ---- Idle connections that die -------------------------------------------------------------


async def sessions_of(kind: str, conn: Any) -> list[int]:
    """Of the pool under test: the one that the event loop watches first."""
    if kind == "postgres":
        sql = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'refilled' "
            "ORDER BY pid <> pg_backend_pid()"
        )
    else:
        sql = (
            "SELECT id FROM information_schema.processlist WHERE db = database() "
            "ORDER BY id <> connection_id()"
        )
    return [session for (session,) in await conn.execute(sql)]


async def end_sessions(kind: str, killer: Any, sessions: list[int]) -> None:
    """One after another."""
    async with killer.async_connection() as conn:
        for session in sessions:
            if kind == "postgres":
                await conn.execute("SELECT pg_terminate_backend(?)", (session,))
            else:
                await conn.execute(f"KILL {session}")


async def three_idle(databases: Any, kind: str) -> tuple[Any, list[int]]:
    """A pool with nothing to do of its own accord: no connection is ever pinged or too old."""
    settings = {"application_name": "refilled"} if kind == "postgres" else {}
    db = databases.open(kind, pool_min_size=3, pool_keepalive=0, **settings)
    async with db.async_connection() as conn:
        if "libmysqlclient" in (await conn.get_version_details())["db_driver"]:
            pytest.skip("it does not tell that an idle session has ended: the keepalive finds out")
        await when(db, "two others", lambda it: it["idle"] == 2)
        return db, await sessions_of(kind, conn)


async def see_three_others(db: Any) -> None:
    status = await when(
        db, "three others", lambda it: it["metrics"]["created"] >= 6 and it["idle"] == 3
    )
    assert status["metrics"]["destroyed"] == 3


@pytest.mark.parametrize("kind", SERVERS)
async def test_the_smallest_size_is_refilled_when_idle_connections_die(
    databases: Any, kind: str
) -> None:
    db, sessions = await three_idle(databases, kind)
    killer = databases.open(kind, alias="killer", pool_max_size=1)
    await end_sessions(kind, killer, sessions)
    await see_three_others(db)


@pytest.mark.parametrize("kind", ["postgres"])  # whose sessions tell when they were last asked
async def test_sessions_that_end_just_after_they_answered_are_found_too(
    databases: Any, kind: str
) -> None:
    """A server that shuts down ends its sessions one after another."""
    db, (watched, *others) = await three_idle(databases, kind)
    killer = databases.open(kind, alias="killer", pool_max_size=1)

    async def asked() -> dict[int, Any]:
        sql = "SELECT pid, state_change FROM pg_stat_activity WHERE pid = ANY (?)"
        async with killer.async_connection() as conn:
            return dict(await conn.execute(sql, (others,)))

    before = await asked()

    async def all_pinged() -> bool:
        now = await asked()
        return all(now[pid] > before[pid] for pid in others)

    await end_sessions(kind, killer, [watched])
    await until("the other two are pinged", all_pinged)
    await when(db, "one other", lambda it: it["metrics"]["created"] == 4 and it["idle"] == 3)
    await end_sessions(kind, killer, others)
    await see_three_others(db)


# ---- Timeouts ------------------------------------------------------------------------------


class OneConnection:
    """A relay to a server that takes one connection and refuses all others."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        self._listener.close()
        server = socket.create_connection(self._address)
        self._ends = [client, server]
        for one, other in ((client, server), (server, client)):
            self._threads.append(threading.Thread(target=self._carry, args=(one, other)))
            self._threads[-1].start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


@pytest.fixture
def relay(databases: Any, kind: str) -> Iterator[OneConnection]:
    settings = databases.settings(kind)
    made = OneConnection((settings["host"], settings["port"]))
    yield made
    made.close()


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_timeout_whose_cancels_fail_logs_one_line(
    databases: Any, kind: str, relay: OneConnection, caplog: Any
) -> None:
    db = databases.open(kind, host="127.0.0.1", port=relay.port, pool_max_size=1)
    with caplog.at_level(logging.WARNING, "millpond"):
        async with db.async_connection() as conn:
            with pytest.raises(millpond.DatabaseError, match="did not stop"):
                await conn.execute(ENDLESS[kind], timeout=0.2)
            with pytest.raises(millpond.ConnectionLostError, match="acquire another: .* stop a"):
                await conn.execute("SELECT 1")  # it says why the connection is gone
        lines = [it.getMessage() for it in caplog.records if "cancelled" in it.getMessage()]
    assert len(lines) == 1, lines
