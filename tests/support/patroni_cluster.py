#!/usr/bin/env python3
"""A PostgreSQL cluster of our own under Patroni, with etcd and HAProxy, as long as a command runs.

    patroni_cluster.py COMMAND [ARGUMENT ...]

Three nodes, of which one is a synchronous standby. The command finds HAProxy's port, which leads
to whoever is the primary, through MILLPOND_TEST_POSTGRES, as postgres_server.py has it.
"""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import ask
import postgres_server
import running
from daemons import poll
from postgres_server import as_server_user

SIZE = 3
TTL = 20  # seconds that the leader's lock lives without it: the least that Patroni takes

NODE = """
scope: millpond
name: {name}
restapi: {{listen: '127.0.0.1:{api}', connect_address: '127.0.0.1:{api}'}}
etcd3: {{hosts: '127.0.0.1:{etcd}'}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: 1
    retry_timeout: 5
    primary_start_timeout: 0  # a primary that crashed is replaced at once
    synchronous_mode: true
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 100, shared_buffers: 32MB, wal_keep_size: 512MB}}
  initdb: [{{encoding: UTF8}}, {{locale: C.UTF-8}}, {{auth-local: trust}}]
  pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 scram-sha-256',
           'host replication all 127.0.0.1/32 scram-sha-256']
postgresql:
  listen: '127.0.0.1:{port}'
  connect_address: '127.0.0.1:{port}'
  data_dir: {folder}/{name}/data
  bin_dir: {programs}
  use_unix_socket: true
  pgpass: {folder}/{name}/pgpass
  authentication:
    superuser: {{username: postgres, password: {password}}}
    replication: {{username: replicator, password: {password}}}
  parameters: {{unix_socket_directories: {folder}/{name}, wal_retrieve_retry_interval: 100ms}}
tags: {{nofailover: false, noloadbalance: false, clonefrom: false, nosync: false}}
"""

HAPROXY = """
global
  maxconn 1000
defaults
  mode tcp
  timeout connect 4s
  timeout client 1h
  timeout server 1h
  timeout check 10s  # on a busy machine Patroni may take its time to answer
  option tcp-smart-accept
{listeners}
"""
LISTENER = """
listen {name}
  bind 127.0.0.1:{port}
  option httpchk OPTIONS /{name}
  http-check expect status 200
  default-server inter 200ms fastinter 100ms fall 1 rise 1 on-marked-down shutdown-sessions
{servers}
"""


class Process:
    """One program of the cluster, with its children."""

    def __init__(self, command: list[str], log: str) -> None:
        self._command = as_server_user(command)
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with open(self._log, "ab") as out:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=out)

    def signal(self, number: int) -> None:
        """To all of them."""
        assert self.process is not None
        for pid in family_of(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        assert self.process is not None
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let it tidy up, which takes pgpool-II's shared memory away."""
        assert self.process is not None
        self.signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.kill()


def family_of(pid: int) -> list[int]:
    children = [member for child in running.children_of(pid) for member in family_of(child)]
    return [pid, *children]


def request(port: int, path: str, method: str = "GET", body: Any = None) -> tuple[int, str]:
    """What Patroni's or etcd's interface answers; status 0 if nobody does."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Node:
    """One of Patroni's PostgreSQL servers."""

    def __init__(self, cluster: "Cluster", number: int) -> None:
        self.name = f"node{number}"
        self.port = running.free_port()
        self.api = running.free_port()
        self.folder = f"{cluster.folder}/{self.name}"
        os.mkdir(self.folder)
        give_to_server(self.folder)
        self.data = f"{self.folder}/data"
        self.address = {**cluster.login, "port": self.port, "socket": self.folder}
        config = f"{self.folder}/patroni.yml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                NODE.format(
                    name=self.name,
                    api=self.api,
                    etcd=cluster.etcd_port,
                    ttl=TTL,
                    port=self.port,
                    folder=cluster.folder,
                    programs=cluster.programs,
                    password=cluster.login["password"],
                )
            )
        self.patroni = Process(["patroni", config], f"{self.folder}/log")

    def plays(self, role: str) -> bool:
        """Whether Patroni says so: primary, replica, sync."""
        return request(self.api, role)[0] == 200

    def accepts_writes(self) -> bool:
        with contextlib.suppress(ask.AskError):
            rows = ask.ask_postgres(self.address, "SELECT pg_is_in_recovery()", 5)
            return rows == [("f",)]
        return False

    @property
    def server_pid(self) -> int:
        with open(f"{self.data}/postmaster.pid", encoding="ascii") as lines:
            return int(lines.readline())

    def kill_server(self) -> None:
        """PostgreSQL alone: Patroni notices."""
        for pid in family_of(self.server_pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """Patroni and PostgreSQL, as when the machine fails."""
        with contextlib.suppress(OSError, ValueError):
            pids = family_of(self.server_pid)
            self.patroni.kill()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.patroni.kill()

    def freeze(self) -> list[int]:
        """SIGSTOP to both, as when the machine stands still; returns who."""
        assert self.patroni.process is not None
        pids = [*family_of(self.patroni.process.pid), *family_of(self.server_pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids


def give_to_server(path: str) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, pwd.getpwnam("postgres").pw_uid)


class Cluster:
    """Attributes:
    nodes: three, whatever their roles.
    address: of HAProxy, for the primary.
    replicas_port: of HAProxy, for the replicas.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.programs = postgres_server.find_programs(folder)
        password = secrets.token_hex(8)
        self.login = {"host": "127.0.0.1", "user": "millpond", "password": password}
        self.login["database"] = "millpond"
        self._started: list[Process] = []
        self.nodes: list[Node] = []
        self.etcd_port = running.free_port()
        self.port = running.free_port()
        self.replicas_port = running.free_port()

    @property
    def address(self) -> dict[str, Any]:
        primary = self.primary()
        return {
            **self.login,
            "port": self.port,
            "engine": "patroni",
            "socket": primary.folder,
            "data": primary.data,
        }

    def start(self) -> None:
        self._start_etcd()
        self.nodes.append(Node(self, 1))  # the first one is to be the primary
        poll("a primary of Patroni's", lambda: self.nodes[0].plays("primary"))
        self.nodes.extend(Node(self, number) for number in range(2, SIZE + 1))
        self._create_user()
        self._start_haproxy()
        poll("Patroni's standbys", self.is_whole)
        poll("HAProxy", self._leads_to_primary)

    def _start_etcd(self) -> None:
        peer = f"http://127.0.0.1:{running.free_port()}"
        client = f"http://127.0.0.1:{self.etcd_port}"
        data = f"{self.folder}/etcd"
        os.mkdir(data, 0o700)
        give_to_server(data)
        urls = ["--listen-client-urls", client, "--advertise-client-urls", client]
        urls += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        urls += ["--initial-cluster", f"default={peer}", "--data-dir", data]
        self._start(["etcd", *urls, "--unsafe-no-fsync"], "etcd.log")
        poll("etcd", lambda: request(self.etcd_port, "health")[0] == 200)

    def _start(self, command: list[str], log: str) -> None:
        self._started.append(Process(command, f"{self.folder}/{log}"))

    def _create_user(self) -> None:
        nobody = {**self.nodes[0].address, "database": None}
        for statement in (
            f"CREATE ROLE millpond SUPERUSER LOGIN PASSWORD '{self.login['password']}'",
            "CREATE DATABASE millpond OWNER millpond",
        ):
            ask.ask_postgres(nobody, statement)

    def _start_haproxy(self) -> None:
        servers = "\n".join(
            f"  server {node.name} 127.0.0.1:{node.port} check port {node.api}"
            for node in self.nodes
        )
        ports = {"primary": self.port, "replica": self.replicas_port}
        listeners = "".join(
            LISTENER.format(name=name, port=port, servers=servers) for name, port in ports.items()
        )
        path = f"{self.folder}/haproxy.cfg"
        with open(path, "w", encoding="utf-8") as file:
            file.write(HAPROXY.format(listeners=listeners))
        haproxy = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        self._start([haproxy or sys.exit("install haproxy"), "-db", "-f", path], "haproxy.log")

    def _leads_to_primary(self) -> bool:
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.login["user"], "-w"]
        environment = {**os.environ, "PGPASSWORD": self.login["password"]}
        asked = [postgres_server.psql(), *address, "-Atc", "SELECT 1", self.login["database"]]
        done = subprocess.run(asked, env=environment, capture_output=True, check=False)
        return done.returncode == 0

    def primary(self) -> Node:
        """Whom Patroni names; waits while it names nobody."""
        poll("a primary", lambda: any(node.plays("primary") for node in self.nodes))
        found = [node for node in self.nodes if node.plays("primary")]
        return found[0] if found else self.primary()

    def is_whole(self) -> bool:
        """A primary, a synchronous standby, and another replica."""
        roles = [[node.plays(role) for node in self.nodes] for role in ("primary", "sync")]
        replicas = sum(node.plays("replica") for node in self.nodes)
        return [sum(role) for role in roles] == [1, 1] and replicas == SIZE - 1

    def switch_over(self) -> None:
        """Hand the primary's role to the synchronous standby, as `patronictl switchover` does."""
        old = self.primary()
        status, answer = request(old.api, "switchover", "POST", {"leader": old.name})
        if status != 200:
            raise RuntimeError(f"Patroni refused the switchover: {status} {answer}")
        poll("another primary", lambda: self.primary() is not old)

    def close(self) -> None:
        for node in self.nodes:
            node.kill()
        for started in reversed(self._started):
            started.kill()


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    folder = tempfile.mkdtemp(prefix="millpond-patroni-")
    give_to_server(folder)
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server() -> Iterator[dict[str, Any]]:
    with cluster() as made:
        yield made.address


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_POSTGRES")
