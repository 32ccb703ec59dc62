#!/usr/bin/env python3
"""A Vitess of our own, in temporary folders, for as long as a command runs.

    vitess_server.py COMMAND [ARGUMENT ...]

As mysql_server.py, and found through the same variable, MILLPOND_TEST_MYSQL: vtgate speaks MySQL's
protocol. One process, vtcombo, holds vtgate, a tablet for each shard and their topology; the rows
are in a MySQL 8 of its own. MILLPOND_VITESS_SHARDS says how many shards there are; more than one
makes a sharded keyspace, whose tables a VSchema describes. MILLPOND_VITESS_OPTIONS are more options
of vtcombo's, separated by spaces.
"""

import contextlib
import itertools
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import mysql_server
import mysqld
import running

PROGRAM = os.path.abspath("build/servers/vitess/vtcombo")
KEYSPACE = "millpond"
VERSION = "8.0.15-Vitess"

ROLES = ("app", "appdebug", "allprivs", "dba", "filtered", "repl")

OPTIONS = [
    "--bind-address=127.0.0.1",
    "--mysql-server-bind-address=127.0.0.1",
    f"--mysql-server-version={VERSION}",
    "--normalize-queries",
    "--tablet-types-to-wait=primary",  # there are no replicas to wait for
    "--tablet-refresh-interval=1s",
    "--mycnf-server-id=1",
    "--db-charset=utf8mb4",
    *(f"--db-{role}-user=root" for role in ROLES),
    "--vschema-ddl-authorized-users=%",
    "--logtostderr",
    # tests write from many connections at once, and what waits in them waits for minutes
    "--queryserver-config-pool-size=60",
    "--queryserver-config-stream-pool-size=60",
    "--queryserver-config-transaction-cap=60",
    "--queryserver-config-query-timeout=600s",
    "--queryserver-config-txpool-timeout=600s",
    "--queryserver-config-max-result-size=1000000",  # 10,000 rows are the most by default
    "--queryserver-config-transaction-timeout=600s",
]


def as_nobody(command: list[str]) -> list[str]:
    """Vitess refuses to run as root."""
    return ["runuser", "-u", "nobody", "--", *command] if os.geteuid() == 0 else command


def shard_names(count: int) -> list[str]:
    """Of ranges of equal width, as Vitess calls them: -80 and 80-."""
    if count == 1:
        return ["0"]
    bounds = ["", *(f"{256 * i // count:02x}" for i in range(1, count)), ""]
    return [f"{low}-{high}" for low, high in itertools.pairwise(bounds)]


def topology(shards: list[str]) -> str:
    keyspace = {"name": KEYSPACE, "shards": [{"name": name} for name in shards]}
    return json.dumps({"cells": ["test"], "keyspaces": [{**keyspace, "replicaCount": 1}]})


def schema(folder: str, sharded: bool) -> str:
    """The folder with the keyspace's first VSchema, which names the tables of the conformance
    suite."""
    by_id = {"column_vindexes": [{"column": "id", "name": "xxhash"}]}
    shards = {
        "sharded": True,
        "vindexes": {name: {"type": name} for name in ("xxhash", "null")},
        "tables": {table: by_id for table in ("kept", "items")},
    }
    os.makedirs(f"{folder}/schema/{KEYSPACE}")
    with open(f"{folder}/schema/{KEYSPACE}/vschema.json", "w", encoding="utf-8") as file:
        json.dump(shards if sharded else {}, file)
    return f"{folder}/schema"


def create_databases(server: dict[str, Any], shards: list[str]) -> None:
    client = mysqld.find_program("mariadb", "mariadb-client-core")
    create = "".join(
        f"CREATE DATABASE `vt_{KEYSPACE}_{name}` CHARACTER SET utf8mb4;" for name in shards
    )
    mysqld.run([client, "--no-defaults", f"--socket={server['socket']}", "-uroot"], input=create)


def answers(address: dict[str, Any]) -> bool:
    """Whether every shard takes statements."""
    client = mysqld.find_program("mariadb", "mariadb-client-core")
    user = [f"-u{address['user']}", f"-p{address['password']}"]
    where = [f"-h{address['host']}", f"-P{address['port']}"]
    asked = subprocess.run(
        [client, "--no-defaults", *where, *user, KEYSPACE, "-e", "SHOW TABLES"],
        capture_output=True,
        check=False,
    )
    return asked.returncode == 0


# On which shard a row is, the id of its entity says; the names of fields are on the first one.
VSCHEMA = """
ALTER VSCHEMA ON `{name}` ADD VINDEX `xxhash`(`id`) USING `xxhash`;
ALTER VSCHEMA ON `{name}_history` ADD VINDEX `xxhash`(`id`) USING `xxhash`;
ALTER VSCHEMA ON `{name}_meta` ADD VINDEX `null`(`name`) USING `null`;
"""


def describe(address: dict[str, Any], statements: str) -> None:
    """Have vtgate execute statements of ALTER VSCHEMA."""
    client = mysqld.find_program("mariadb", "mariadb-client-core")
    where = [f"-h{address['host']}", f"-P{address['port']}"]
    user = [f"-u{address['user']}", f"-p{address['password']}", address["database"]]
    mysqld.run([client, "--no-defaults", *where, *user], input=statements)


def wait_for(combo: subprocess.Popen[bytes], address: dict[str, Any], log: str) -> None:
    """It tells nobody that it is ready: look, for at most three minutes."""
    for _ in range(900):
        if answers(address):
            return
        if combo.poll() is not None:
            break
        time.sleep(0.2)
    with open(log, encoding="utf-8", errors="replace") as lines:
        sys.exit("Vitess did not start:\n" + "".join(lines.readlines()[-40:]))


def make_folder() -> str:
    folder = tempfile.mkdtemp(prefix="millpond-vitess-")
    if os.geteuid() == 0:
        shutil.chown(folder, pwd.getpwnam("nobody").pw_uid)
    return folder


def programs(folder: str) -> str:
    """vtcombo, where the server's user may read it."""
    if not os.path.exists(PROGRAM):
        sys.exit(f"{PROGRAM} is not there: run the tests through tests/run --long vitess")
    return str(shutil.copy(PROGRAM, f"{folder}/vtcombo"))


@contextlib.contextmanager
def started(command: list[str], address: dict[str, Any], folder: str) -> Iterator[None]:
    environment = {**os.environ, "VTDATAROOT": folder, "VT_MYSQL_ROOT": mysql_server.PROGRAMS}
    with open(f"{folder}/log", "wb") as out:
        combo = subprocess.Popen(as_nobody(command), stdout=out, stderr=out, env=environment)
    try:
        wait_for(combo, address, f"{folder}/log")
        yield
    finally:
        for pid in [*running.children_of(combo.pid), combo.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        combo.wait()


def with_kill(allowed: bool) -> list[str]:
    return ["--allow-kill-statement"] if allowed else []


@contextlib.contextmanager
def server(shards: int = 1, kill: bool = True, *options: str) -> Iterator[dict[str, Any]]:
    """Start a Vitess; yields how to reach it.

    With `kill`, vtgate takes KILL, which it refuses by default. `options` are vtcombo's.
    """
    folder = make_folder()
    names = shard_names(shards)
    try:
        with mysql_server.server() as backing:
            create_databases(backing, names)
            address = {
                **backing,
                "server": "MySQL",  # as it says itself
                "engine": "vitess" if shards == 1 else "vitess_sharded",
                "port": running.free_port(),
                "shards": shards,
                "data": folder,
            }
            command = [
                programs(folder),
                *OPTIONS,
                f"--port={running.free_port()}",
                f"--mysql-server-port={address['port']}",
                f"--db-socket={backing['socket']}",
                f"--json-topo={topology(names)}",
                f"--schema-dir={schema(folder, shards > 1)}",
                "--mysql-auth-server-impl=none",  # vtcombo has no other; vtgate does
                *with_kill(kill),
                *options,
            ]
            with started(command, address, folder):
                yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def server_of_environment() -> contextlib.AbstractContextManager[dict[str, Any]]:
    shards = int(os.environ.get("MILLPOND_VITESS_SHARDS", "1"))
    return server(shards, True, *os.environ.get("MILLPOND_VITESS_OPTIONS", "").split())


if __name__ == "__main__":
    running.main(__doc__, server_of_environment, "MILLPOND_TEST_MYSQL")
