"""What the scripts for MariaDB and MySQL share: both are servers of one family."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import certificates
import running

SETTINGS = [
    "--bind-address=127.0.0.1",
    "--character-set-server=utf8mb4",
    "--innodb-flush-log-at-trx-commit=2",  # what was committed outlives the process
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--max-connections=200",
    "--connect-timeout=120",  # on a busy machine a client may take its time to log in,
    "--net-read-timeout=120",  # to send
    "--net-write-timeout=120",  # and to read
    "--skip-log-bin",
    "--skip-name-resolve",
    "--console",
]

DURABLE = ["--innodb-flush-log-at-trx-commit=2"]


def find_program(name: str, package: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not path:
        sys.exit(f"{name} is not there: install the package {package}")
    return path


def user_option() -> list[str]:
    """Started as root, the server changes to another user by itself."""
    return ["--user=nobody"] if os.geteuid() == 0 else []


def folder_options(folder: str) -> list[str]:
    """In /tmp, servers that start at once would take each other's temporary files."""
    return [f"--datadir={folder}/data", f"--tmpdir={folder}"]


def run(command: list[str], **options: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def create_user(path: str, password: str) -> None:
    client = find_program("mariadb", "mariadb-client-core")
    run(
        [client, "--no-defaults", f"--socket={path}", "-uroot"],
        input=f"CREATE DATABASE millpond; CREATE USER millpond@'%' IDENTIFIED BY '{password}';"
        "GRANT ALL ON *.* TO millpond@'%' WITH GRANT OPTION;",
    )


def accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def wait_for(server: subprocess.Popen[bytes], path: str, log: str) -> None:
    """The server tells nobody that it is ready: look, for at most three minutes."""
    for _ in range(1800):
        if os.path.exists(path) and accepts(path):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    with open(log, encoding="utf-8", errors="replace") as lines:
        sys.exit(f"the server did not start:\n{lines.read()}")


@contextlib.contextmanager
def started(command: list[str], folder: str, durable: bool) -> Iterator[str]:
    """Run a server on a folder that is initialised; yields the path of its socket."""
    path = f"{folder}/mysqld.sock"
    options = [*folder_options(folder), f"--socket={path}", f"--pid-file={folder}/pid"]
    with open(f"{folder}/log", "wb") as out:
        server = subprocess.Popen(
            [*command, *options, *user_option(), *SETTINGS, *(DURABLE if durable else [])],
            stdout=out,
            stderr=out,
        )
    try:
        wait_for(server, path, f"{folder}/log")
        yield path
    finally:
        server.kill()
        server.wait()


def tls_options(folder: str) -> list[str]:
    paths = certificates.make(folder)
    return [f"--ssl-{name}={paths[name]}" for name in ("ca", "cert", "key")]


@contextlib.contextmanager
def server(
    name: str,
    initialise: Callable[[str], None],
    command: list[str],
    tls: bool = False,
    durable: bool = False,
) -> Iterator[dict[str, Any]]:
    """A server of our own in a temporary folder; yields how to reach it.

    `name` is MariaDB or MySQL; `initialise` gets the folder and makes `data` in it; `command`
    starts the server. With `tls`, it has a certificate for localhost; `ca.pem` beside the
    socket is the authority's. With `durable`, what it committed outlives its process.
    """
    folder = tempfile.mkdtemp(prefix="millpond-mysql-")
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    os.chmod(folder, 0o755)
    port = running.free_port()
    password = secrets.token_hex(8)
    try:
        initialise(folder)
        options = [f"--port={port}", *(tls_options(folder) if tls else [])]
        with started([*command, *options], folder, durable) as path:
            create_user(path, password)
            yield {
                "server": name,
                "host": "127.0.0.1",
                "port": port,
                "user": "millpond",
                "password": password,
                "database": "millpond",
                "socket": path,
                "data": f"{folder}/data",
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
