"""Servers of our own that may be killed, paused and started again.

They are what the scripts beside this one start; only the program is under our thumb.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

import mariadb_server
import mysql_server
import postgres_server
from running import children_of


def is_alive(pid: int) -> bool:
    """A zombie is not."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


def poll(what: str, done: Callable[[], bool]) -> None:
    """Wait for something that nobody tells of; for at most three minutes."""
    deadline = time.monotonic() + 180
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain: {what}")
        time.sleep(0.02)


class Daemon:
    """A running server.

    Attributes:
        kind: "postgres" or "mysql".
        address: how to reach it, as the server's script tells.
    """

    def __init__(
        self,
        kind: str,
        address: dict[str, Any],
        pid_file: str,
        command: list[str] | None = None,
    ) -> None:
        """Without a command line, that of the server that runs now."""
        self.kind = kind
        self.address = address
        self._pid_file = pid_file
        self._options: list[str] = []
        self._started: subprocess.Popen[bytes] | None = None
        if command is None:
            with open(f"/proc/{self.pid}/cmdline", "rb") as line:
                command = [part.decode() for part in line.read().split(b"\0") if part]
        self._command = command
        if kind == "postgres":
            self._command = postgres_server.as_server_user(self._command)

    @property
    def pid(self) -> int:
        with open(self._pid_file, encoding="ascii") as lines:
            return int(lines.readline())

    def _everyone(self) -> list[int]:
        return [self.pid, *children_of(self.pid)]

    def kill(self) -> None:
        """SIGKILL to all its processes; returns when they are gone."""
        everyone = self._everyone()
        for pid in everyone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        poll("the server's end", lambda: not any(is_alive(pid) for pid in everyone))
        if self._started:
            for pid in self._launcher():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self._started.wait()

    def start(self, *options: str) -> None:
        """After kill(): the same server on the same port; returns when it accepts connections.

        Args:
            options: added to its command line, until the next start.
        """
        self._clean()
        self._options = list(options)
        self._launch()
        poll("the server's start", self._accepts)

    def _clean(self) -> None:
        socket_path = str(self.address["socket"])
        if self.kind == "postgres":
            socket_path += f"/.s.PGSQL.{self.address['port']}"
        # who does not reap the dead takes them for alive
        for path in (self._pid_file, f"{socket_path}.lock"):
            with contextlib.suppress(OSError):
                os.remove(path)

    def _launch(self) -> None:
        self._start_process(subprocess.DEVNULL)

    def _start_process(self, output: int | IO[bytes]) -> None:
        self._started = subprocess.Popen(
            [*self._command, *self._options], stdout=output, stderr=output
        )

    def _accepts(self) -> bool:
        if self._started and self._started.poll() is not None:
            self._launch()  # a process of the old server was still there
        with socket.socket() as probe:
            if probe.connect_ex((self.address["host"], self.address["port"])):
                return False
        return os.path.exists(self._pid_file)

    def pause(self) -> None:
        """SIGSTOP to all its processes."""
        for pid in self._everyone():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in [*self._everyone(), *self._launcher()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _launcher(self) -> list[int]:
        """runuser, which stops with its child."""
        return [self._started.pid] if self._started else []

    def ensure_running(self) -> None:
        """Whatever a test did to it, or did not come to undo."""
        if not os.path.exists(self._pid_file) or not is_alive(self.pid):
            self.start()
        self.resume()

    def close(self) -> None:
        """End what start() began; the rest is the script's."""
        with contextlib.suppress(FileNotFoundError):
            self.resume()
        if self._started and self._started.poll() is None:
            self.kill()


@contextlib.contextmanager
def daemon(kind: str, mysql_name: str) -> Iterator[Daemon]:
    """A new server with TLS: PostgreSQL, or the one of MySQL's family that has this name."""
    if kind == "postgres":
        starting = postgres_server.server(tls=True)
    else:
        family = {"MariaDB": mariadb_server, "MySQL": mysql_server}
        starting = family[mysql_name].server(tls=True, durable=True)
    with starting as address:
        pid_file = "postmaster.pid" if kind == "postgres" else "../pid"
        made = Daemon(kind, address, f"{address['data']}/{pid_file}")
        try:
            yield made
        finally:
            made.close()
