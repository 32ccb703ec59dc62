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


async def end_sessions(kind: str, killer: Any, user: dict[str, Any]) -> None:
    async with killer.async_connection() as conn:
        if kind == "postgres":
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'refilled'"
            )
            return
        own = (await conn.execute("SELECT connection_id()"))[0][0]
        sessions = await conn.execute(
            "SELECT id FROM information_schema.processlist WHERE db = ? AND id <> ?",
            (user["database"], own),
        )
        for (session,) in sessions:
            await conn.execute(f"KILL {session}")


@pytest.mark.parametrize("kind", SERVERS)
async def test_the_smallest_size_is_refilled_when_idle_connections_die(
    databases: Any, kind: str
) -> None:
    """The upkeep has nothing to do of its own accord: no connection is ever pinged or too old."""
    settings = {"application_name": "refilled"} if kind == "postgres" else {}
    db = databases.open(kind, pool_min_size=3, pool_keepalive=0, **settings)
    killer = databases.open(kind, alias="killer", pool_max_size=1)
    async with killer.async_connection() as conn:
        if "libmysqlclient" in (await conn.get_version_details())["db_driver"]:
            pytest.skip("it does not tell that an idle session has ended: the keepalive finds out")
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
    await when(db, "three idle ones", lambda it: it["idle"] == 3)
    await end_sessions(kind, killer, databases.settings(kind))
    status = await when(
        db, "three others", lambda it: it["metrics"]["created"] >= 6 and it["idle"] == 3
    )
    assert status["metrics"]["destroyed"] == 3


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
        lines = [it.getMessage() for it in caplog.records if "cancelled" in it.getMessage()]
    assert len(lines) == 1, lines
