#!/usr/bin/env python3
"""A MariaDB server of our own, in a temporary folder, for as long as a command runs.

    mariadb_server.py COMMAND [ARGUMENT ...]

The command finds the server through MILLPOND_TEST_MARIADB, a JSON object with host, port, user,
password, database, socket (the path of the Unix socket) and data (the server's folder). The user
may do anything. The server is stopped when the command ends, however it ends.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import running

SETTINGS = [
    "--bind-address=127.0.0.1",
    "--character-set-server=utf8mb4",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--max-connections=200",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--console",
]


def find_program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not path:
        sys.exit("MariaDB is not installed: install the package mariadb-server-core")
    return path


def user_option() -> list[str]:
    """Started as root, the server changes to another user by itself."""
    return ["--user=nobody"] if os.geteuid() == 0 else []


def initialise(folder: str) -> None:
    command = [
        find_program("mariadb-install-db"),
        *("--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal"),
        *("--skip-test-db", "--skip-name-resolve", *user_option()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def sql(path: str, statements: str) -> None:
    command = [find_program("mariadb"), "--no-defaults", f"--socket={path}", "-uroot"]
    subprocess.run(command, input=statements, text=True, check=True)


def create_user(path: str, password: str) -> None:
    sql(
        path,
        f"CREATE DATABASE millpond; CREATE USER millpond@'%' IDENTIFIED BY '{password}';"
        "GRANT ALL ON *.* TO millpond@'%' WITH GRANT OPTION;",
    )


def accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def wait_for(server: subprocess.Popen[bytes], path: str, log: str) -> None:
    """The server tells nobody that it is ready: look, for at most a minute."""
    for _ in range(600):
        if os.path.exists(path) and accepts(path):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    with open(log, encoding="utf-8", errors="replace") as lines:
        sys.exit(f"the server did not start:\n{lines.read()}")


@contextlib.contextmanager
def started(program: str, folder: str, settings: list[str]) -> Iterator[str]:
    """Run a server on a folder that is initialised; yields the path of its socket."""
    path = f"{folder}/mysqld.sock"
    log = f"{folder}/log"
    command = [
        *(program, "--no-defaults", f"--datadir={folder}/data", f"--socket={path}"),
        *(f"--pid-file={folder}/pid", *user_option(), *settings),
    ]
    with open(log, "wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        wait_for(server, path, log)
        yield path
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def server() -> Iterator[dict[str, object]]:
    """Start a server; yields how to reach it."""
    folder = tempfile.mkdtemp(prefix="millpond-mariadb-")
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    os.chmod(folder, 0o755)
    port = running.free_port()
    password = secrets.token_hex(8)
    try:
        initialise(folder)
        settings = [*SETTINGS, f"--port={port}"]
        with started(find_program("mariadbd"), folder, settings) as path:
            create_user(path, password)
            yield {
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


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_MARIADB")
