#!/usr/bin/env python3
"""A pgpool-II of our own in front of a PostgreSQL primary and two replicas, for a command.

    pgpool_server.py COMMAND [ARGUMENT ...]

Found through MILLPOND_TEST_POSTGRES, as postgres_server.py. pgpool-II sends what it takes for reads
to any of the three, so commits wait until both replicas have applied them: else a test would not
see what it has just written. With MILLPOND_PGPOOL_BALANCE=off, all goes to the primary.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import postgres_server
import running
from daemons import poll
from patroni_cluster import Process, give_to_server
from postgres_replicas import PostgresReplicas

CONFIG = """
backend_clustering_mode = 'streaming_replication'
listen_addresses = '127.0.0.1'
port = {port}
pcp_port = {pcp_port}
socket_dir = '{folder}'
pcp_socket_dir = '{folder}'
pid_file_name = '{folder}/pid'
logdir = '{folder}'
work_dir = '{folder}'
pool_passwd = '{folder}/pool_passwd'
enable_pool_hba = on
num_init_children = 60
max_pool = 1
child_life_time = 0
connection_life_time = 0
load_balance_mode = {balance}
sr_check_period = 1
sr_check_user = '{user}'
sr_check_password = '{password}'
sr_check_database = 'postgres'
health_check_period = 1
health_check_user = '{user}'
health_check_password = '{password}'
health_check_max_retries = 3
failover_on_backend_error = off
log_min_messages = warning
{backends}
"""
BACKEND = """
backend_hostname{index} = '127.0.0.1'
backend_port{index} = {port}
backend_weight{index} = 1
backend_flag{index} = 'DISALLOW_TO_FAILOVER'
"""
HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def balance() -> bool:
    return os.environ.get("MILLPOND_PGPOOL_BALANCE") != "off"


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    give_to_server(path)


def answers(address: dict[str, Any]) -> bool:
    where = ["-h", address["host"], "-p", str(address["port"]), "-U", address["user"], "-w"]
    environment = {**os.environ, "PGPASSWORD": address["password"]}
    asked = [postgres_server.psql(), *where, "-Atc", "SELECT 1", address["database"]]
    return subprocess.run(asked, env=environment, capture_output=True, check=False).returncode == 0


def configure(folder: str, address: dict[str, Any], ports: list[int], balanced: bool) -> None:
    backends = "".join(BACKEND.format(index=at, port=port) for at, port in enumerate(ports))
    text = CONFIG.format(
        **{name: address[name] for name in ("port", "user", "password")},
        folder=folder,
        pcp_port=running.free_port(),
        balance="on" if balanced else "off",
        backends=backends,
    )
    write(f"{folder}/pgpool.conf", text)
    write(f"{folder}/pool_hba.conf", HBA)
    write(f"{folder}/pcp.conf", "")
    write(f"{folder}/pool_passwd", f"{address['user']}:TEXT{address['password']}\n")


@contextlib.contextmanager
def pgpool(replicas: PostgresReplicas, balanced: bool) -> Iterator[dict[str, Any]]:
    """Start it in front of a set; yields how to reach it."""
    program = shutil.which("pgpool", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    folder = tempfile.mkdtemp(prefix="millpond-pgpool-")
    give_to_server(folder)
    address = {**replicas.primary.address, "port": running.free_port(), "engine": "pgpool"}
    address["settings"] = {"command_by_command": balanced}
    try:
        configure(folder, address, [node.port for node in replicas.nodes], balanced)
        files = [f"-f{folder}/pgpool.conf", f"-a{folder}/pool_hba.conf", f"-F{folder}/pcp.conf"]
        command = [program or sys.exit("install the package pgpool2"), "-n", *files]
        started = Process(command, f"{folder}/log")
        try:
            poll("pgpool-II", lambda: answers(address))
            yield address
        finally:
            started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server() -> Iterator[dict[str, Any]]:
    with PostgresReplicas() as replicas:
        for node in replicas.nodes:
            node.configure(
                synchronous_standby_names="2 (*)" if node is replicas.primary else "",
                synchronous_commit="remote_apply",
            )
        count = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        poll("both replicas in step", lambda: replicas.primary.value(count) == "2")
        with pgpool(replicas, balance()) as address:
            yield address


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_POSTGRES")
