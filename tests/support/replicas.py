#!/usr/bin/env python3
"""A primary and two replicas of our own, in a temporary folder, for as long as a command runs.

    replicas.py NAME COMMAND [ARGUMENT ...]

NAME is one of: {names}.

The command finds the nodes' URLs, the primary's first and with spaces between them, in a variable:
MILLPOND_TEST_REPLICAS_POSTGRES or MILLPOND_TEST_REPLICAS_MYSQL. For a try by hand, from the top
folder:

    python3 tests/support/replicas.py postgres15 bash
    psql $(echo $MILLPOND_TEST_REPLICAS_POSTGRES | cut -d" " -f1)

The command may have things done to the nodes, which are node1, node2 and node3, by the names of
ReplicaSet's functions, and waits until they are done:

    python3 tests/support/replicas.py tell kill node1
    python3 tests/support/replicas.py tell promote node2
    python3 tests/support/replicas.py tell delay node3 2.5
    python3 tests/support/replicas.py tell urls

All is stopped when the command ends, however it ends. Tests have the same sets as objects: see
ReplicaSet in replica_set.py, and the fixtures of tests/replicas/conftest.py.
"""

import contextlib
import json
import os
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import running
from galera_cluster import GaleraCluster
from mysql_replicas import MariadbReplicas, Mysql8Replicas
from postgres_replicas import Postgres18Replicas, PostgresReplicas
from replica_set import ReplicaSet

SETS: dict[str, Callable[[], ReplicaSet[Any]]] = {
    "postgres15": PostgresReplicas,
    "postgres18": Postgres18Replicas,
    "mariadb": MariadbReplicas,
    "mysql8": Mysql8Replicas,
}
# Those without roles: each node takes writes.
CLUSTERS: dict[str, Callable[[], ReplicaSet[Any]]] = {
    "galera": GaleraCluster,
}
ALL = SETS | CLUSTERS


CONTROL = "MILLPOND_TEST_REPLICAS_CONTROL"  # the path of a socket


def urls_of(started: ReplicaSet[Any]) -> str:
    return " ".join(node.url for node in (started.primary, *started.replicas))


# ---- What the command asks for -----------------------------------------------------------


def obey(started: ReplicaSet[Any], words: list[str]) -> str:
    """Do what the words say; the answer, which is empty for most."""
    what, *rest = words
    if what == "urls":
        return urls_of(started)
    if what == "mend":
        started.mend()
    elif what == "synchronous":
        started.synchronous(rest[0] == "on")
    elif what in DEEDS:
        getattr(started, what)(started.node(rest[0]), *(float(value) for value in rest[1:]))
    else:
        raise ValueError(f"{what} is none of: urls, mend, synchronous, {', '.join(DEEDS)}")
    return ""


DEEDS = ("kill", "start", "freeze", "thaw", "cut", "heal", "promote", "rejoin", "delay")
DEEDS += ("pause_replay", "resume_replay", "caught_up")


class Listener(socketserver.StreamRequestHandler):
    """One command: a line of words, and the answer in a line of JSON."""

    started: ReplicaSet[Any]

    def handle(self) -> None:
        words = self.rfile.readline().decode().split()
        try:
            answer = {"answer": obey(self.started, words)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


@contextlib.contextmanager
def listening(started: ReplicaSet[Any]) -> Iterator[str]:
    """Let commands come in by a socket; yields its path."""
    path = f"{started.folder}/control"
    handler = type("Handler", (Listener,), {"started": started})
    with socketserver.UnixStreamServer(path, handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield path
        finally:
            server.shutdown()


def tell(words: list[str]) -> None:
    """The command's side."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(os.environ[CONTROL])
        control.sendall(" ".join(words).encode() + b"\n")
        answer = json.loads(control.makefile().readline())
    if "error" in answer:
        sys.exit(answer["error"])
    if answer["answer"]:
        print(answer["answer"])


def main() -> None:
    usage = str(__doc__).format(names=", ".join(ALL))
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name == "tell" and len(sys.argv) > 1:
        return tell(sys.argv[1:])
    if name not in ALL:
        sys.exit(usage)

    @contextlib.contextmanager
    def urls() -> Iterator[str]:
        with ALL[name]() as started, listening(started) as os.environ[CONTROL]:
            yield urls_of(started)

    kind = "POSTGRES" if name.startswith("postgres") else "MYSQL"
    running.main(usage, urls, f"MILLPOND_TEST_REPLICAS_{kind}")


if __name__ == "__main__":
    main()
