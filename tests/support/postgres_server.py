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
from typing import Any

import certificates
import running

SETTINGS = {
    "fsync": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "authentication_timeout": "300s",  # on a busy machine a client may take its time to log in
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


def run(command: list[str], **options: str) -> None:
    command = as_server_user(command)
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def make_folder() -> str:
    folder = tempfile.mkdtemp(prefix="millpond-postgres-")
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    return folder


def initialise(programs: str, data: str, *options: str) -> None:
    """A new, empty cluster; options are initdb's."""
    run(
        [
            f"{programs}/initdb",
            *("-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            *("--auth-host=scram-sha-256", "--auth-local=trust", *options),
        ]
    )


def psql() -> str:
    return shutil.which("psql") or sys.exit("psql is not there: install postgresql-client")


def create_user(folder: str, port: int, password: str) -> None:
    for statement in (
        f"CREATE ROLE millpond SUPERUSER LOGIN PASSWORD '{password}'",
        "CREATE DATABASE millpond OWNER millpond",
    ):
        address = ["-h", folder, "-p", str(port), "-U", "postgres"]
        run([psql(), "-q", *address, "-d", "postgres", "-c", statement])


# Not every package of PostgreSQL has pg_basebackup.
COPY = r"""
SELECT pg_backup_start('standby', true);
\! cp -a {source} {data}
SELECT labelfile FROM pg_backup_stop(wait_for_archive => false) \g {data}/backup_label
"""


def copy(data: str, primary: dict[str, Any]) -> None:
    """The cluster of a standby, which will follow the primary."""
    script = COPY.format(source=primary["data"], data=data)
    address = ["-h", primary["socket"], "-p", str(primary["port"]), "-U", "postgres"]
    run([psql(), "-qAt", *address, "-d", "postgres", "-f", "-"], input=script)
    os.remove(f"{data}/postmaster.pid")
    follow = f"host={primary['socket']} port={primary['port']} user=postgres"
    with open(f"{data}/postgresql.auto.conf", "a", encoding="utf-8") as settings:
        settings.write(f"primary_conninfo = '{follow}'\n")
    shutil.copy(f"{data}/PG_VERSION", f"{data}/standby.signal")


@contextlib.contextmanager
def started(control: list[str], folder: str, options: str) -> Iterator[None]:
    try:
        run([*control, "-l", f"{folder}/log", "-o", options, "start"])
        yield
    finally:
        stop = as_server_user([*control, "-m", "immediate", "stop"])
        subprocess.run(stop, check=False, capture_output=True)


def tls_settings(folder: str) -> dict[str, str]:
    paths = certificates.make(folder)
    return {"ssl": "on", "ssl_cert_file": paths["cert"], "ssl_key_file": paths["key"]}


@contextlib.contextmanager
def server(
    primary: dict[str, Any] | None = None, tls: bool = False, **settings_given: str
) -> Iterator[dict[str, Any]]:
    """Start a server; yields how to reach it. Settings of PostgreSQL may be given by name.

    With `primary`, the address of another server, it is its standby. With `tls`, it has a
    certificate for localhost; the authority's is `ca.pem` in the folder of the socket.
    """
    folder = make_folder()
    data = f"{folder}/data"
    address = {
        "host": "127.0.0.1",
        "port": running.free_port(),
        "user": "millpond",
        "password": primary["password"] if primary else secrets.token_hex(8),
        "database": "millpond",
        "socket": folder,
        "data": data,
    }
    try:
        programs = find_programs(folder)
        settings = {**SETTINGS, **(tls_settings(folder) if tls else {}), **settings_given}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        control = [f"{programs}/pg_ctl", "-D", data, "-s", "-w", "-t", "180"]
        if primary:
            copy(data, primary)
        else:
            initialise(programs, data)
        with started(control, folder, f"-k {folder} -p {address['port']} {options}"):
            if not primary:
                create_user(folder, address["port"], address["password"])
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_POSTGRES")
