#!/usr/bin/env python3
"""A PostgreSQL server of our own, in a temporary folder, for as long as a command runs.

    postgres_server.py COMMAND [ARGUMENT ...]

The command finds the server through MILLPOND_TEST_POSTGRES, a JSON object with host, port, user,
password, database, socket (the folder of the Unix socket) and data (the server's folder).
Connections over TCP need the password; those over the socket do not. The server is stopped when
the command ends, however it ends.
"""

import contextlib
import glob
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import running

SETTINGS = {
    "fsync": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
}


def find_programs(folder: str) -> str:
    """The folder with PostgreSQL's programs: Debian's newest, or those that are in
    MILLPOND_POSTGRES, copied to where the server's user may read them."""
    given = os.environ.get("MILLPOND_POSTGRES")
    if given:
        shutil.copytree(given, f"{folder}/programs", symlinks=True)
        return f"{folder}/programs/bin"
    folders = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if not folders:
        sys.exit("PostgreSQL is not installed: install the package postgresql")
    return os.path.dirname(max(folders, key=lambda path: int(path.split("/")[4])))


def as_server_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["runuser", "-u", "postgres", "--", *command]


def run(command: list[str]) -> None:
    done = subprocess.run(as_server_user(command), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def make_folder() -> str:
    folder = tempfile.mkdtemp(prefix="millpond-postgres-")
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    return folder


def initialise(programs: str, data: str) -> None:
    run(
        [
            f"{programs}/initdb",
            *("-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            *("--auth-host=scram-sha-256", "--auth-local=trust"),
        ]
    )


def create_user(folder: str, port: int, password: str) -> None:
    psql = shutil.which("psql") or sys.exit("psql is not there: install postgresql-client")
    for statement in (
        f"CREATE ROLE millpond SUPERUSER LOGIN PASSWORD '{password}'",
        "CREATE DATABASE millpond OWNER millpond",
    ):
        address = ["-h", folder, "-p", str(port), "-U", "postgres"]
        run([psql, "-q", *address, "-d", "postgres", "-c", statement])


@contextlib.contextmanager
def server() -> Iterator[dict[str, object]]:
    """Start a server; yields how to reach it."""
    folder = make_folder()
    programs = find_programs(folder)
    data = f"{folder}/data"
    port = running.free_port()
    password = secrets.token_hex(8)
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    control = [f"{programs}/pg_ctl", "-D", data, "-s", "-w"]
    try:
        initialise(programs, data)
        run([*control, "-l", f"{folder}/log", "-o", f"-k {folder} -p {port} {options}", "start"])
        create_user(folder, port, password)
        yield {
            "host": "127.0.0.1",
            "port": port,
            "user": "millpond",
            "password": password,
            "database": "millpond",
            "socket": folder,
            "data": data,
        }
    finally:
        subprocess.run(
            as_server_user([*control, "-m", "immediate", "stop"]), check=False, capture_output=True
        )
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_POSTGRES")
