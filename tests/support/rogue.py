"""Servers of our own making, which mean harm or break the protocol, and the messages they send."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

Script = Callable[[socket.socket], None]


class Rogue:
    """Runs a script for each client that connects.

    Attributes:
        port: where it listens.
        heard: all that clients sent after their first message.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.heard = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(120)
            self._script(client)
            while data := client.recv(65536):
                self.heard += data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def rogue() -> Iterator[Callable[[Script], Rogue]]:
    with contextlib.ExitStack() as stack:

        def start(script: Script) -> Rogue:
            made = Rogue(script)
            stack.callback(made.close)
            return made

        yield start


# ---- PostgreSQL ----------------------------------------------------------------------------------


def message(kind: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    return kind + struct.pack("!i", len(body) + 4 if size is None else size) + body


READY = message(b"Z", b"I")
HELLO = (
    message(b"R", struct.pack("!i", 0))
    + message(b"S", b"server_version\x0015.1\x00")
    + message(b"S", b"client_encoding\x00UTF8\x00")
    + message(b"S", b"standard_conforming_strings\x00on\x00")
    + message(b"K", struct.pack("!ii", 1, 2))
    + READY
)


SESSION = message(b"C", b"SET\x00") * 3 + READY  # the answer to what sets a session up


def take_postgres_message(client: socket.socket) -> None:
    """One without a type byte. The client may have gone: it tries again and again."""
    head = client.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        raise ConnectionResetError("the client hung up")
    client.recv(struct.unpack("!i", head)[0] - 4, socket.MSG_WAITALL)


def greet_postgres(client: socket.socket) -> None:
    """Refuse TLS, take the start-up message."""
    take_postgres_message(client)
    client.sendall(b"N")
    take_postgres_message(client)


def postgres_saying(*answers: bytes) -> Script:
    """After the greeting, one answer for each thing that the client sends."""

    def script(client: socket.socket) -> None:
        greet_postgres(client)
        for answer in answers:
            client.sendall(answer)
            client.recv(65536)
            if answer == HELLO:
                client.sendall(SESSION)
                client.recv(65536)

    return script


# ---- MySQL ---------------------------------------------------------------------------------------


def packet(number: int, body: bytes, size: int | None = None) -> bytes:
    return struct.pack("<I", len(body) if size is None else size)[:3] + bytes([number]) + body


# protocol 4.1, secure, transactions, methods to choose from; no TLS
CAPABILITIES = 0x008FA200 | 0x1 | 0x4 | 0x8
OFFERS_TLS = 0x800
NAMES_METHODS = 0x80000


def handshake(method: bytes = b"mysql_native_password", capabilities: int = CAPABILITIES) -> bytes:
    return packet(
        0,
        b"\x0a"
        + b"8.0.1-rogue\x00"
        + struct.pack("<I", 7)
        + b"12345678\x00"
        + struct.pack("<H", capabilities & 0xFFFF)
        + bytes([45])
        + struct.pack("<H", 2)
        + struct.pack("<H", capabilities >> 16)
        + bytes([21])
        + b"\x00" * 10
        + b"123456789012\x00"
        + method
        + b"\x00",
    )


def ok(number: int) -> bytes:
    return packet(number, b"\x00\x00\x00\x02\x00\x00\x00")
