"""A Galera cluster of three MariaDB nodes, as replicas.py names it: each takes writes."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from typing import Any

import ask
import mariadb_server
import mysqld
import running
from daemons import poll
from mysql_replicas import MysqlNode, make_template
from replica_set import ReplicaSet

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
# How a node gets what it lacks. Galera asks a script for a copy of everything in any case, and
# tells it whether the donor's log is enough. Here it has to be: only the position travels.
METHOD = "position"
TRANSFER = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    --role) role=$2 ;;
    --address) address=$2 ;;
    --datadir) datadir=$2 ;;
    --gtid) gtid=$2 ;;
    --parent) parent=$2 ;;
    --bypass) bypass=yes ;;
    esac
    shift
done
if [ "$role" = donor ]; then
    [ "$bypass" ] || { echo "the log does not reach back so far" >&2; exit 1; }
    echo "$gtid" >"/${address#*//}/position"
    echo "done $gtid"
else
    rm -f "$datadir/position"
    echo "ready 127.0.0.1:1/$datadir"
    while [ ! -s "$datadir/position" ]; do kill -0 "$parent" || exit 1; sleep 0.05; done
    cat "$datadir/position"
fi
"""
STATE = """# GALERA saved state
version: 2.1
uuid:    {uuid}
seqno:   {seqno}
safe_to_bootstrap: {first}
"""
USERS = """
CREATE DATABASE millpond;
CREATE USER millpond@'%' IDENTIFIED BY '{password}';
GRANT ALL ON millpond.* TO millpond@'%'
"""


SETTINGS = [
    *(setting for setting in mysqld.SETTINGS if setting != "--innodb-buffer-pool-size=64M"),
    "--innodb-buffer-pool-size=32M",
    "--innodb-autoinc-lock-mode=2",
    "--binlog-format=ROW",
    "--wsrep-on=ON",
    f"--wsrep-provider={PROVIDER}",
    f"--wsrep-sst-method={METHOD}",
    "--wsrep-node-address=127.0.0.1",
]
# A node that does not answer is put out of the cluster after 3 s, not 5.
WAITS = "evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S"


class GaleraNode(MysqlNode):
    """
    Attributes:
        group_port: where the other nodes reach it.
    """

    def __init__(self, number: int, address: dict[str, Any], scripts: str) -> None:
        program = mysqld.find_program("mariadbd", mariadb_server.PACKAGE)
        path = f"PATH={scripts}:{os.environ.get('PATH', '')}"
        super().__init__(number, address, ["env", path, program, "--no-defaults"], SETTINGS)
        self.group_port = running.free_port()
        here = f"base_port={self.group_port};gmcast.listen_addr=tcp://127.0.0.1:{self.group_port}"
        there = f"ist.recv_addr=127.0.0.1:{running.free_port()};gcache.size=64M"
        self._command += [
            f"--wsrep-provider-options={here};{there};{WAITS}",
            f"--wsrep-node-name=node{number}",
        ]
        self._reader: ask.MysqlSession | None = None

    def know(self, nodes: list["GaleraNode"]) -> None:
        """Tell it where all nodes are."""
        everyone = ",".join(f"127.0.0.1:{node.group_port}" for node in nodes)
        self._command.append(f"--wsrep-cluster-address=gcomm://{everyone}")

    def close(self) -> None:
        self.resume_replay()
        super().close()

    # ---- Its place in the cluster ----------------------------------------------------------

    def write_state(self, uuid: str, seqno: int, first: bool = False) -> None:
        path = f"{self.address['data']}/grastate.dat"
        with open(path, "w", encoding="ascii") as lines:
            lines.write(STATE.format(uuid=uuid, seqno=seqno, first=int(first)))
        if os.geteuid() == 0:
            shutil.chown(path, "nobody")

    def recovered(self) -> tuple[str, int]:
        """Where a node was that was killed: the cluster's identity and a number."""
        log = f"{self.folder}/recovery.log"
        recover = [*self._command, "--wsrep-recover", f"--log-error={log}"]
        subprocess.run(recover, check=True, capture_output=True)
        with open(log, encoding="utf-8", errors="replace") as lines:
            found = re.findall(r"Recovered position: *(\S+):(-?\d+)", lines.read())
        return found[-1][0], int(found[-1][1])

    def join(self) -> None:
        """Start it, after its death; returns when it takes part."""
        self.write_state(*self.recovered())
        self.launch()
        self.await_start()

    def stop(self) -> None:
        """An orderly end, at which it writes down where it was."""
        os.kill(self.pid, signal.SIGTERM)
        assert self._started is not None
        self._started.wait()

    def await_start(self) -> None:
        super().await_start()
        self.poll("takes part", self.takes_part)

    def status_of(self, name: str) -> str:
        return str(self.ask_server(f"SHOW STATUS LIKE 'wsrep_{name}'")[0][1])

    def takes_part(self) -> bool:
        with contextlib.suppress(ask.AskError):
            return self.status_of("ready") == "ON" and self.status_of("local_state") == "4"
        return False

    # ---- Applying --------------------------------------------------------------------------

    def pause_replay(self) -> None:
        nobody = {"user": None, "password": None, "database": None}
        self._reader = ask.MysqlSession({**self.address, **nobody})
        self._reader.ask("FLUSH TABLES WITH READ LOCK")

    def resume_replay(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class GaleraCluster(ReplicaSet[GaleraNode]):
    """All nodes take writes. `primary` is the one that promote() named last, and no server knows
    of it; `replicas` are the others. There is no delay() and no synchronous(): a commit has
    reached all nodes, but they need not have applied it."""

    kind = "mysql"
    can_be_synchronous = False

    def make_node(self, number: int) -> GaleraNode:
        return GaleraNode(number, self.address(number), f"{self.folder}/scripts")

    @property
    def _template(self) -> str:
        return f"{self.folder}/template"

    def build(self) -> None:
        if not os.path.exists(PROVIDER):
            raise SystemExit("Galera is not installed: install the package galera-4")
        os.mkdir(f"{self.folder}/scripts")
        with open(f"{self.folder}/scripts/wsrep_sst_{METHOD}", "w", encoding="ascii") as script:
            script.write(TRANSFER)
            os.fchmod(script.fileno(), 0o755)
        make_template(self._template, mariadb_server.initialise)
        first, *others = self.nodes
        for node in self.nodes:
            node.know(self.nodes)
        first.copy(self._template)
        first.launch("--wsrep-new-cluster")
        first.await_start()
        first.stop()
        # All have a place in the same history now; what comes after is in the first node's log.
        for node in others:
            node.copy(first.folder)
            os.remove(f"{node.address['data']}/galera.cache")
        first.launch("--wsrep-new-cluster")
        first.await_start()
        for node in others:
            node.launch()
        first.ask_server(USERS.format(password=self.password))
        self.each(others, GaleraNode.await_start)

    # ---- Roles -----------------------------------------------------------------------------

    def promote(self, node: GaleraNode) -> None:
        self.primary = node

    def newest(self) -> GaleraNode:
        return next(node for node in self.replicas if node.is_running and node.takes_part())

    def follow(self, node: GaleraNode, primary: GaleraNode) -> None:
        """All nodes follow each other."""

    def start(self, node: GaleraNode) -> None:
        node.join()

    def rejoin(self, node: GaleraNode) -> None:
        if not node.is_running:
            node.join()
        node.poll("takes part", node.takes_part)

    def is_primary(self, node: GaleraNode) -> bool:
        return node.takes_part()

    def is_replica_of(self, node: GaleraNode, primary: GaleraNode) -> bool:
        return node.takes_part() and node.status_of("cluster_size") == str(len(self.nodes))

    # ---- Lag -------------------------------------------------------------------------------

    def delay(self, node: GaleraNode, seconds: float) -> None:
        raise NotImplementedError("Galera knows no delay")

    def pause_replay(self, node: GaleraNode) -> None:
        node.pause_replay()

    def resume_replay(self, node: GaleraNode) -> None:
        node.resume_replay()

    def undo(self, node: GaleraNode) -> None:
        node.resume_replay()

    def caught_up(self, node: GaleraNode) -> None:
        node.poll("has what the cluster has", lambda: self._has_everything(node))

    @staticmethod
    def _has_everything(node: GaleraNode) -> bool:
        """False while the cluster finds out who is left."""
        with contextlib.suppress(ask.AskError):
            return bool(node.ask_server("SET SESSION wsrep_sync_wait = 15; SELECT 1"))
        return False

    def synchronous(self, on: bool) -> None:
        raise NotImplementedError("Galera's commits always reach all nodes")

    def commits_waiting(self) -> int:
        return 0

    # ---- Networks --------------------------------------------------------------------------

    def cut_replication(self, node: GaleraNode) -> None:
        node.ask_server("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
        node.poll("is alone", lambda: node.status_of("ready") == "OFF")

    def heal_replication(self, node: GaleraNode) -> None:
        if node.is_running:
            with contextlib.suppress(ask.AskError):
                node.ask_server("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")

    # ---- Mending ---------------------------------------------------------------------------

    def _mend_primary(self) -> None:
        for node in self.nodes:
            node.resume_replay()
        if not any(node.is_running for node in self.nodes):
            self._begin_with_the_newest()
        poll("nodes with a quorum", self._have_quorum)
        if not self.primary.is_running:
            self.primary.join()
        self.primary.poll("takes part", self.primary.takes_part)

    def _have_quorum(self) -> bool:
        return any(node.is_running and node.takes_part() for node in self.nodes)

    def _begin_with_the_newest(self) -> None:
        places = {node: node.recovered() for node in self.nodes}
        newest = max(self.nodes, key=lambda node: places[node][1])
        newest.write_state(*places[newest], first=True)
        newest.launch("--wsrep-new-cluster")
        newest.await_start()
