"""A PostgreSQL server that sends too much while a client logs in."""

import asyncio
import resource
import socket
import time
from typing import Any

import millpond
import pytest
from rogue import HELLO, greet_postgres, message

AUTHENTICATED = HELLO[: HELLO.index(b"S")]
NOTICE = message(b"N", b"SNOTICE\x00VNOTICE\x00C00000\x00Mhello\x00\x00")


def peak_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def flooding(client: socket.socket) -> None:
    greet_postgres(client)
    client.sendall(AUTHENTICATED)
    many = NOTICE * 1000
    while True:
        client.sendall(many)


def gigabyte(client: socket.socket) -> None:
    greet_postgres(client)
    client.sendall(AUTHENTICATED + message(b"N", b"SNOTICE\x00M", 2**30))
    piece = b"x" * (1 << 20)
    while True:
        client.sendall(piece)


async def fail(databases: Any, port: int) -> millpond.Error:
    db = databases.open("postgres", host="127.0.0.1", port=port, connection_creation_timeout=20)
    with pytest.raises(millpond.Error) as caught:
        await db.get_async_connection()
    return caught.value


async def test_a_flood_of_notices_ends_the_login(rogue: Any, databases: Any) -> None:
    server = rogue(flooding)
    turns = 0
    longest = 0.0

    async def tick() -> None:
        nonlocal turns, longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - before)
            turns += 1

    ticking = asyncio.create_task(tick())
    began = time.monotonic()
    error = await fail(databases, server.port)
    print(error, turns, longest, time.monotonic() - began)
    ticking.cancel()
    assert isinstance(error, millpond.ConnectFailedError)
    assert "notices" in str(error)


async def test_a_message_of_a_gigabyte_ends_the_login(rogue: Any, databases: Any) -> None:
    server = rogue(gigabyte)
    before = peak_kilobytes()
    error = await fail(databases, server.port)
    print(error, peak_kilobytes() - before)
    assert isinstance(error, millpond.ConnectFailedError)
    assert "more than" in str(error)
    assert peak_kilobytes() - before < 64 * 1024
