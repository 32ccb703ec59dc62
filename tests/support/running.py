"""What the scripts that start test servers share."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

Server = Callable[[], contextlib.AbstractContextManager[dict[str, object]]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_on_signal(number: int, frame: object) -> None:
    sys.exit(128 + number)


def main(usage: str | None, server: Server, variable: str) -> None:
    """Run the command line's command beside a server that it finds through a variable."""
    if len(sys.argv) < 2:
        sys.exit(usage)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    with server() as address:
        child = subprocess.Popen(sys.argv[1:], env={**os.environ, variable: json.dumps(address)})
        try:
            code = child.wait()
        finally:
            child.terminate()
    sys.exit(code)
