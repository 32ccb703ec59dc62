"""A relay in front of a database server that counts round trips."""

import select
import socket
import threading
from types import TracebackType
from typing import Self

PAUSE = 0.02  # seconds: who sends no more for so long waits for an answer


def _all_of(client: socket.socket) -> bytes:
    """What a client sends in several pieces, before the server can answer the first of them."""
    data = piece = client.recv(1 << 16)
    while piece and select.select([client], [], [], PAUSE)[0]:
        piece = client.recv(1 << 16)
        data += piece
    return data


class RoundTrips:
    """``with RoundTrips(host, port) as relay``: connect to relay.port instead.

    A round trip is each change from what the client sends to what the server answers, summed over
    all connections: what a call costs on a slow network.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.count = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        asked = False
        with client, socket.create_connection(self._server) as server:
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for source in readable:
                    if asked and source is server:
                        with self._lock:  # before the client can have the answer
                            self.count += 1
                    asked = source is client
                    try:
                        data = _all_of(source) if source is client else source.recv(1 << 16)
                        (server if source is client else client).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
