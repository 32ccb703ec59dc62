#!/usr/bin/env python3
"""What the scripts that start test servers share.

    running.py COMMAND [ARGUMENT ...]

runs a command, and ends whatever it leaves running.
"""

import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

LEAST_PORT = 10_000  # below are many that have a meaning

Server = Callable[[], contextlib.AbstractContextManager[dict[str, object] | str]]


def free_port() -> int:
    """One that nobody listens on, and that the system gives to no client that connects: it stays
    free until a server takes it, and while that server is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as bounds:
        clients_from = int(bounds.read().split()[0])
    room = clients_from - LEAST_PORT
    for _ in range(100 if room > 0 else 0):
        port = LEAST_PORT + secrets.randbelow(room)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_on_signal(number: int, frame: object) -> None:
    sys.exit(128 + number)


# ---- Whoever is left ---------------------------------------------------------------------


PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on, what the command leaves running when it crashes becomes a child of ours."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for(child: int) -> int:
    """Its exit code; orphans that end before are reaped."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    return []


def end_orphans() -> None:
    """Servers that a test had started for itself."""
    while children := children_of(os.getpid()):
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def main(usage: str | None, server: Server, variable: str) -> None:
    """Run the command line's command beside a server that it finds through a variable."""
    if len(sys.argv) < 2:
        sys.exit(usage)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    # a shell's background job ignores Ctrl-C, and so would the command and the tests of it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    adopt_orphans()
    try:
        with server() as address:
            told = address if isinstance(address, str) else json.dumps(address)
            environment = {**os.environ, variable: told}
            child = subprocess.Popen(sys.argv[1:], env=environment)
            try:
                code = wait_for(child.pid)
            finally:
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(60)  # it may have servers to stop
    finally:
        end_orphans()
    sys.exit(code)


if __name__ == "__main__":
    main(__doc__, contextlib.nullcontext, "MILLPOND_TEST_NOTHING")
