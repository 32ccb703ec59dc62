"""A server that takes connections and says nothing: none is in use, and none is missing."""

import asyncio
import pickle
import socket
from collections.abc import Iterator
from typing import Any

import millpond
import pytest
from conftest import when
from millpond import AcquireTimeoutError, ConnectFailedError, ConnectTimeoutError

SERVERS = ("postgres", "mysql")


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def silent(databases: Any, kind: str, port: int, **settings: Any) -> Any:
    return databases.open(kind, host="127.0.0.1", port=port, **settings)


@pytest.mark.parametrize("kind", SERVERS)
async def test_who_gives_up_is_told_that_it_still_connects(
    databases: Any, kind: str, port: int
) -> None:
    db = silent(databases, kind, port, pool_max_size=1)
    with pytest.raises(AcquireTimeoutError, match=f"still connecting to 127.0.0.1:{port}") as one:
        await db.get_async_connection(timeout=0.1)
    assert "pool_max_size" not in str(one.value)
    status = db.get_pool_status()
    assert (status["in_use"], status["opening"], status["idle"]) == (0, 1, 0)
    with pytest.raises(AcquireTimeoutError, match="still connecting"):  # for a place
        await db.get_async_connection(timeout=0.1)
    metrics = db.get_pool_status()["metrics"]
    assert metrics["timeouts"] == 2
    assert metrics["scaling_signal"]["timeouts"] == 0  # no sign of load


@pytest.mark.parametrize("kind", SERVERS)
async def test_opening_has_a_limit_of_its_own(databases: Any, kind: str, port: int) -> None:
    db = silent(
        databases, kind, port, connection_acquisition_timeout=0.05, connection_creation_timeout=0.4
    )
    with pytest.raises(ConnectFailedError, match=f"still connecting to 127.0.0.1:{port}") as one:
        await db.get_async_connection()
    assert type(one.value) is ConnectTimeoutError
    assert isinstance(one.value, TimeoutError) and isinstance(one.value, ConnectionError)
    assert one.value.code == "ECONNECT"
    again = pickle.loads(pickle.dumps(one.value))
    assert type(again) is ConnectTimeoutError and str(again) == str(one.value)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_thread_is_told_the_same(databases: Any, kind: str, port: int) -> None:
    db = silent(
        databases, kind, port, connection_acquisition_timeout=0.05, connection_creation_timeout=0.4
    )
    with pytest.raises(ConnectTimeoutError, match="still connecting"):
        db.get_sync_connection()


async def test_who_waits_for_a_place_that_is_in_use_is_told_so(databases: Any, kind: str) -> None:
    db = databases.open(kind, pool_max_size=1)
    async with db.async_connection():
        with pytest.raises(AcquireTimeoutError, match="1 of at most 1 are in use"):
            await db.get_async_connection(timeout=0.05)
    assert db.get_pool_status()["metrics"]["scaling_signal"]["timeouts"] == 1


async def test_a_refused_connection_is_no_timeout(databases: Any) -> None:
    db = silent(databases, "postgres", 1)
    with pytest.raises(millpond.ConnectFailedError) as one:
        await db.get_async_connection()
    assert not isinstance(one.value, TimeoutError)
    await when(db, "rest", lambda it: it["size"] == 0)
    assert not asyncio.all_tasks() - {asyncio.current_task()}
