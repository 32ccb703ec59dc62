"""The proxy does what it says: what the other tests stand on."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from daemons import poll
from fault_proxy import TO_CLIENT, TO_SERVER, FaultProxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends everything back."""

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(1000):
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", echo) as made:
        yield made


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as made:
        yield made


def exchange(client: socket.socket, text: bytes) -> bytes:
    """Send, and read what comes back until that much came, or the end."""
    client.sendall(text)
    back = b""
    while len(back) < len(text):
        data = client.recv(1000)
        if not data:
            break
        back += data
    return back


def test_without_a_fault_everything_passes(proxy: FaultProxy, client: socket.socket) -> None:
    assert exchange(client, b"x" * 100_000) == b"x" * 100_000
    carried = {TO_SERVER: 100_000, TO_CLIENT: 100_000}
    assert proxy.counts() == {"open": 1, "suffering": 0, "accepted": 1, **carried}


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
@pytest.mark.parametrize("after", [0, 1, 7])
def test_a_cut_lets_so_many_bytes_pass(
    proxy: FaultProxy, client: socket.socket, direction: str, after: int
) -> None:
    assert exchange(client, b"hello") == b"hello"
    proxy.cut(direction, after)
    back = exchange(client, b"0123456789")
    if direction == TO_CLIENT:
        assert back == b"0123456789"[:after]
    assert proxy.counts()[direction] == after
    proxy.heal()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as another:
        assert exchange(another, b"again") == b"again"


def test_a_reset_is_one(proxy: FaultProxy, client: socket.socket) -> None:
    assert exchange(client, b"hello") == b"hello"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    proxy.cut(TO_CLIENT, 0, "reset")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as another:
        with pytest.raises(ConnectionResetError):
            exchange(another, b"hello")


@pytest.mark.parametrize("fault", ["silence", "half", "blackhole"])
def test_silence_is_silent_until_it_heals(
    proxy: FaultProxy, client: socket.socket, fault: str
) -> None:
    assert exchange(client, b"hello") == b"hello"
    if fault == "blackhole":
        proxy.blackhole()
    else:
        proxy.cut(TO_SERVER, 0, fault)
    client.sendall(b"anyone?")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    poll("the proxy holds back what was sent", lambda: proxy.counts()["suffering"] == 1)
    proxy.heal()
    client.settimeout(30)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_refusing_proxy_resets_everyone(proxy: FaultProxy, client: socket.socket) -> None:
    assert exchange(client, b"hello") == b"hello"
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionResetError):  # it may come as early as that
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as another:
            another.recv(1)


def test_a_delay_keeps_what_passes_whole(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.delay(0.01)
    assert exchange(client, b"hello") == b"hello"
