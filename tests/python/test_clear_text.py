"""PostgreSQL's request for the password in clear text, however it comes."""

import json
import os
import socket
import struct
import subprocess
import sys
from typing import Any

import millpond
import pytest
from rogue import Script, greet_postgres, message

PASSWORD = "not-for-thieves"
REQUEST = message(b"R", struct.pack("!i", 3))
NOTHING = message(b"N", b"SNOTICE\x00C00000\x00Mhello\x00\x00")
#: libpq 15 of Debian cannot be told to refuse; the newer one of PostgreSQL 18 can.
NEWER = os.path.abspath("build/servers/postgres-18/lib")


def asking(*pieces: bytes) -> Script:
    def script(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greet_postgres(client)
        for piece in pieces:
            client.sendall(piece)

    return script


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sslmode": "require"},
        {"sslmode": "prefer", "host": "/tmp,db.example.org"},
        {"host": "db.example.org,/tmp"},
        {"host": ""},
    ],
)
def test_clear_text_needs_a_verified_server(databases: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cleartext_password needs sslmode=verify-full"):
        databases.open("postgres", cleartext_password=True, **settings)


@pytest.mark.parametrize(
    "settings", [{"sslmode": "verify-full"}, {"host": "/tmp"}, {"host": "/tmp,@there"}]
)
def test_clear_text_goes_to_a_verified_server_or_a_socket(
    databases: Any, settings: dict[str, Any]
) -> None:
    databases.open("postgres", cleartext_password=True, **settings)


@pytest.mark.parametrize("first", [b"", NOTHING])
async def test_a_request_is_refused_by_any_libpq(databases: Any, rogue: Any, first: bytes) -> None:
    server = rogue(asking(first + REQUEST))
    db = databases.open("postgres", host="127.0.0.1", port=server.port, password=PASSWORD)
    with pytest.raises((millpond.AuthenticationError, millpond.ConnectFailedError)):
        await db.get_async_connection()
    assert PASSWORD.encode() not in server.heard


async def test_a_list_is_exempt_only_if_every_host_is_a_socket(databases: Any, rogue: Any) -> None:
    server = rogue(asking(REQUEST))
    db = databases.open(
        "postgres", host="/no/such/folder,127.0.0.1", port=server.port, password=PASSWORD
    )
    with pytest.raises(millpond.AuthenticationError, match="clear"):
        await db.get_async_connection()
    assert PASSWORD.encode() not in server.heard


PROGRAM = """
import json, sys
import millpond

settings = json.loads(sys.argv[1])
db = millpond.DatabaseFactory.create_database("postgres", millpond.DatabaseConfig(**settings))
try:
    with db.sync_connection() as conn:
        print(conn.get_version_details())
except millpond.Error as error:
    print(type(error).__name__, error)
"""


def run(settings: dict[str, Any], **environment: str) -> str:
    """What a program of its own says that connects with the settings."""
    given = {"user": "me", "database": "d", "connection_creation_timeout": 30, **settings}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps({"pool_min_size": 0, **given})],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.mark.skipif(not os.path.exists(NEWER), reason="comes with the other PostgreSQL")
@pytest.mark.parametrize(
    "pieces",
    [
        [REQUEST],
        [REQUEST[:5], REQUEST[5:]],
        [REQUEST + REQUEST],
        [message(b"R", struct.pack("!i", 5) + b"salt") + REQUEST],
    ],
    ids=["whole", "split", "twice", "behind another"],
)
def test_a_newer_libpq_refuses_it_however_it_comes(rogue: Any, pieces: list[bytes]) -> None:
    server = rogue(asking(*pieces))
    settings = {"host": "127.0.0.1", "port": server.port, "password": PASSWORD}
    said = run(settings, LD_LIBRARY_PATH=NEWER)
    assert said.startswith("AuthenticationError")
    assert "authentication method requirement" in said
    assert PASSWORD.encode() not in server.heard


@pytest.mark.parametrize("host", ["socket", "127.0.0.1", "localhost", "list"])
def test_an_address_of_the_environment_does_not_replace_a_host(
    postgres: dict[str, Any], host: str
) -> None:
    """Nobody listens at that address."""
    settings = {name: postgres[name] for name in ("user", "password", "database", "port")}
    hosts = {"socket": postgres["socket"], "list": f"{postgres['socket']},127.0.0.1"}
    said = run({**settings, "host": hosts.get(host, host)}, PGHOSTADDR="127.0.0.2")
    assert "PostgreSQL" in said
