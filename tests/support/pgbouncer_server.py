"""A pgbouncer of our own in front of a PostgreSQL server, in transaction mode."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import postgres_server
import running

CONFIG = """
[databases]
{database} = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


def wait_for(bouncer: subprocess.Popen[bytes], port: int) -> None:
    """It tells nobody that it is ready: look, for at most two minutes."""
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if bouncer.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit("pgbouncer did not start")


@contextlib.contextmanager
def bouncer(server: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Start it in front of `server`; yields the server's address with pgbouncer's port."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        sys.exit("pgbouncer is not there: install the package pgbouncer")
    port = running.free_port()
    with tempfile.TemporaryDirectory(prefix="millpond-pgbouncer-") as folder:
        os.chmod(folder, 0o755)
        path = f"{folder}/pgbouncer.ini"
        with open(path, "w", encoding="utf-8") as config:
            config.write(CONFIG.format(**server, listen_port=port))
        command = postgres_server.as_server_user([program, "-q", path])
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(process, port)
            yield {**server, "port": port}
        finally:
            process.terminate()
            process.wait()
