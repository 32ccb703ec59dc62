"""A MariaDB or MySQL primary and two replicas by GTID, as replicas.py names them."""

import abc
import contextlib
import math
import os
import shutil
from collections.abc import Callable
from typing import Any

import ask
import mariadb_server
import mysql_server
import mysqld
from daemons import poll
from fault_proxy import FaultProxy
from replica_set import Node, ReplicaSet

WITHOUT_LOG = ("--skip-log-bin", "--innodb-buffer-pool-size=64M")
SETTINGS = [
    *(setting for setting in mysqld.SETTINGS if setting not in WITHOUT_LOG),
    "--innodb-buffer-pool-size=32M",
    "--sync-binlog=0",  # what was committed outlives the process, not the machine
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--relay-log=relay",
    "--relay-log-recovery=ON",
    "--log-slave-updates=ON",
    "--read-only=ON",  # but for the primary
]
# The user of replication, who is like others in the primary's log, and root, who is not.
USERS = """
CREATE DATABASE millpond;
CREATE USER millpond@'%' IDENTIFIED BY '{password}';
GRANT ALL ON millpond.* TO millpond@'%';
CREATE USER replica@'%' IDENTIFIED {native} '{password}';
GRANT REPLICATION SLAVE ON *.* TO replica@'%'
"""


class MysqlNode(Node):
    """
    Attributes:
        writable: it was made a primary, and is started as one again.
        follows: the primary that it was told to replicate from.
        upstream: the proxy by which it does.
    """

    def __init__(
        self, number: int, address: dict[str, Any], command: list[str], settings: list[str]
    ) -> None:
        folder = os.path.dirname(address["data"])
        address["socket"] = f"{folder}/mysqld.sock"
        place = [f"--socket={address['socket']}", f"--pid-file={folder}/pid"]
        options = [*mysqld.folder_options(folder), *place, *mysqld.user_option()]
        options += [f"--port={address['port']}", *settings, f"--server-id={number}"]
        super().__init__("mysql", number, address, f"{folder}/pid", [*command, *options])
        self._server_id = number
        self.writable = False
        self.follows: Node | None = None
        self.upstream: FaultProxy | None = None

    def close(self) -> None:
        self.go_direct()
        super().close()

    def go_direct(self) -> None:
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None

    def be_another(self) -> None:
        """At the next start: a replica passes over what it takes for its own."""
        self._server_id += 10
        self._command[-1] = f"--server-id={self._server_id}"

    def start(self, *options: str) -> None:
        super().start(*options)
        if self.writable:
            self.be_writable()

    def be_writable(self) -> None:
        self.ask_server("SET GLOBAL read_only = 0")
        self.writable = True

    def be_read_only(self) -> None:
        self.ask_server("SET GLOBAL read_only = 1")
        self.writable = False

    def copy(self, template: str) -> None:
        """Begin with this data, whatever was there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(template, self.folder)
        if os.geteuid() == 0:
            mysqld.run(["chown", "-R", "nobody", self.folder])

    @property
    def status(self) -> dict[str, str]:
        """What it says of its replication; empty if it does none."""
        nobody = {"user": None, "password": None, "database": None}
        names, rows = ask.ask_mysql_named({**self.address, **nobody}, "SHOW SLAVE STATUS")
        return {name: value or "" for row in rows for name, value in zip(names, row, strict=True)}

    def replicates(self) -> bool:
        """Both its threads do."""
        status = self.status
        threads = (status.get("Slave_IO_Running"), status.get("Slave_SQL_Running"))
        return threads == ("Yes", "Yes")

    def has_failed(self) -> bool:
        """It cannot replicate, however long it tries."""
        status = self.status
        return status["Slave_SQL_Running"] == "No" or status["Slave_IO_Running"] == "No"


def make_template(folder: str, initialise: Callable[[str], None]) -> None:
    """An empty server's data, which no server has used: each node has an identity of its own."""
    os.mkdir(folder)
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    initialise(folder)
    with contextlib.suppress(FileNotFoundError):
        os.remove(f"{folder}/data/auto.cnf")


class MysqlReplicas(ReplicaSet[MysqlNode]):
    """What both servers have in common."""

    kind = "mysql"
    native = ""  # how an old plugin for passwords is asked for
    position = ""  # the option of CHANGE MASTER that asks for GTIDs

    # ---- What differs ----------------------------------------------------------------------

    @abc.abstractmethod
    def command(self, number: int) -> list[str]:
        """The program, and the options of its own."""

    @abc.abstractmethod
    def initialise(self, folder: str) -> None:
        """Make an empty server's data in a folder."""

    @abc.abstractmethod
    def has_all_of(self, node: MysqlNode, primary: MysqlNode) -> bool:
        """A replica applied all that the primary has committed by now."""

    @abc.abstractmethod
    def has_all_received(self, node: MysqlNode) -> bool:
        """It applied all that it had got before its receiving thread was stopped."""

    @abc.abstractmethod
    def continue_from_own(self, node: MysqlNode) -> None:
        """Let an old primary ask for what comes after what it wrote itself."""

    @abc.abstractmethod
    def has_too_much(self, node: MysqlNode, primary: MysqlNode) -> bool:
        """The node committed what the primary has not."""

    def stop_confirming(self, node: MysqlNode) -> None:
        """An old primary waits for nobody any more."""

    # ---- Building --------------------------------------------------------------------------

    def make_node(self, number: int) -> MysqlNode:
        return MysqlNode(number, self.address(number), self.command(number), SETTINGS)

    @property
    def _template(self) -> str:
        """An empty server's data, of which all nodes' history begins."""
        return f"{self.folder}/template"

    def build(self) -> None:
        make_template(self._template, self.initialise)
        for node in self.nodes:
            node.copy(self._template)
            node.launch()
        self.each(self.nodes, MysqlNode.await_start)
        users = USERS.format(native=self.native, password=self.password)
        self.primary.ask_server(users)
        self.primary.be_writable()
        for node in self.replicas:
            self._point_to(node, self.primary)
        self.each(self.replicas, self.caught_up)

    # ---- Roles -----------------------------------------------------------------------------

    def _point_to(self, node: MysqlNode, primary: Node) -> None:
        node.go_direct()
        node.follows = primary
        self._change(node, MASTER_HOST="'127.0.0.1'", MASTER_PORT=str(primary.port))

    def _change(self, node: MysqlNode, **options: str) -> None:
        login = {
            "MASTER_USER": "'replica'",
            "MASTER_PASSWORD": f"'{self.password}'",
            "MASTER_CONNECT_RETRY": "1",
        }
        given = ", ".join(f"{name} = {value}" for name, value in (login | options).items())
        change = f"CHANGE MASTER TO {given}, {self.position}"
        node.ask_server(f"STOP SLAVE; {change}; START SLAVE")

    def promote(self, node: MysqlNode) -> None:
        others = [other for other in self.replicas if other is not node]
        if node.status:
            self.undo(node)
            node.ask_server("STOP SLAVE IO_THREAD")
            try:
                node.poll("applies what it received", lambda: self.has_all_received(node))
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{node.status}") from None
            node.ask_server("STOP SLAVE; RESET SLAVE ALL")
        node.go_direct()
        node.follows = None
        if self._is_synchronous:  # only now: a replica's own commits would wait, too
            node.ask_server("SET GLOBAL rpl_semi_sync_master_enabled = 1")
        node.be_writable()
        self.primary = node
        self.each([other for other in others if other.is_running], self._follow)

    def newest(self) -> MysqlNode:
        """What was received last stands in the log of the primary."""

        def place(node: MysqlNode) -> tuple[str, int]:
            status = node.status
            return status["Master_Log_File"], int(status["Read_Master_Log_Pos"])

        return max(self.replicas, key=place)

    def _follow(self, node: MysqlNode) -> None:
        self.follow(node, self.primary)

    def follow(self, node: MysqlNode, primary: MysqlNode) -> None:
        if self.has_too_much(node, primary):
            self._begin_anew(node, primary)
            return
        self._point_to(node, primary)
        node.poll("follows", lambda: node.replicates() or node.has_failed())
        if not node.replicates():
            self._begin_anew(node, primary)

    def rejoin(self, node: MysqlNode) -> None:
        if not node.is_running:
            node.writable = False
            node.launch()
            node.await_start()
        node.be_read_only()
        self.stop_confirming(node)
        if not node.status:
            self.continue_from_own(node)
        self.follow(node, self.primary)

    def _begin_anew(self, node: MysqlNode, primary: MysqlNode) -> None:
        """Empty, and with all that the primary's log has: it has all since the set began."""
        if node.is_running:
            node.kill()
        node.copy(self._template)
        node.be_another()
        node.writable = False
        node.launch()
        node.await_start()
        self._point_to(node, primary)
        node.poll(f"follows {primary.name}", node.replicates)

    def is_primary(self, node: MysqlNode) -> bool:
        with contextlib.suppress(ask.AskError):
            return node.value("SELECT @@global.read_only") == "0"
        return False

    def is_replica_of(self, node: MysqlNode, primary: MysqlNode) -> bool:
        with contextlib.suppress(ask.AskError):
            return (
                not self.is_primary(node)
                and node.follows is primary
                and bool(node.status)
                and not self.has_too_much(node, primary)
                and not node.has_failed()
            )
        return False

    # ---- Lag -------------------------------------------------------------------------------

    def delay(self, node: MysqlNode, seconds: float) -> None:
        """These servers count whole seconds: what is given is rounded up."""
        change = f"CHANGE MASTER TO MASTER_DELAY = {math.ceil(seconds)}"
        node.ask_server(f"STOP SLAVE; {change}; START SLAVE")

    def pause_replay(self, node: MysqlNode) -> None:
        node.ask_server("STOP SLAVE SQL_THREAD")

    def resume_replay(self, node: MysqlNode) -> None:
        node.ask_server("START SLAVE SQL_THREAD")

    def undo(self, node: MysqlNode) -> None:
        status = node.status
        if status["SQL_Delay"] != "0":
            self.delay(node, 0)
        if status["Slave_SQL_Running"] == "No":
            self.resume_replay(node)

    def caught_up(self, node: MysqlNode) -> None:
        node.poll("has what the primary has", lambda: self.has_all_of(node, self.primary))

    # ---- Networks --------------------------------------------------------------------------

    def _go_by_proxy(self, node: MysqlNode) -> FaultProxy:
        assert node.follows is not None
        if node.upstream is None:
            node.upstream = FaultProxy("127.0.0.1", node.follows.port)
            self._change(node, MASTER_HOST="'127.0.0.1'", MASTER_PORT=str(node.upstream.port))
            node.poll("by its proxy", node.replicates)
        return node.upstream

    def cut_replication(self, node: MysqlNode) -> None:
        for other in self.nodes:
            if other.is_running and other.follows and node in (other, other.follows):
                self._go_by_proxy(other).blackhole()

    def heal_replication(self, node: MysqlNode) -> None:
        for other in self.nodes:
            if other.upstream and node in (other, other.follows):
                other.upstream.heal()


# ---- MariaDB -----------------------------------------------------------------------------


class MariadbReplicas(MysqlReplicas):
    position = "MASTER_USE_GTID = slave_pos"
    native = "BY"

    def command(self, number: int) -> list[str]:
        program = mysqld.find_program("mariadbd", mariadb_server.PACKAGE)
        return [program, "--no-defaults", "--gtid-strict-mode=ON"]

    def initialise(self, folder: str) -> None:
        mariadb_server.initialise(folder)

    def has_all_of(self, node: MysqlNode, primary: MysqlNode) -> bool:
        position = primary.value("SELECT @@gtid_binlog_pos")
        return node.value(f"SELECT master_gtid_wait('{position}', 0)") == "0"

    def has_all_received(self, node: MysqlNode) -> bool:
        """Not by positions: what was received of a transaction that was cut short counts in them,
        and is never applied."""
        return node.status["Slave_SQL_Running_State"].startswith("Slave has read all relay log")

    @staticmethod
    def _counts(position: str) -> int:
        """All is of one domain, so that the last number says how much."""
        return int(position.rpartition("-")[2] or 0)

    def continue_from_own(self, node: MysqlNode) -> None:
        node.ask_server("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")

    def has_too_much(self, node: MysqlNode, primary: MysqlNode) -> bool:
        """If so in small, the primary says it when the node asks it for what comes next."""
        ours = str(node.value("SELECT @@gtid_current_pos"))
        return self._counts(ours) > self._counts(str(primary.value("SELECT @@gtid_current_pos")))

    # ---- Commits that wait ----

    def stop_confirming(self, node: MysqlNode) -> None:
        node.ask_server("SET GLOBAL rpl_semi_sync_master_enabled = 0")

    def synchronous(self, on: bool) -> None:
        """By the semi-synchronous replication that MariaDB has built in; a commit waits as long
        as it takes."""
        self._is_synchronous = on
        for node in self.nodes:
            if node.is_running:
                node.ask_server(SEMI_SYNC.format(on=int(on)))
        for node in self.replicas:
            if node.is_running and node.status:  # not an old primary
                node.ask_server("STOP SLAVE IO_THREAD; START SLAVE IO_THREAD")
        clients = "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'"
        wanted = str(len(self.replicas) if on else 0)
        poll("replicas that confirm", lambda: self.primary.ask_server(clients)[0][1] == wanted)

    def commits_waiting(self) -> int:
        status = "SHOW STATUS LIKE 'Rpl_semi_sync_master_wait_sessions'"
        return int(self.primary.ask_server(status)[0][1] or 0)


SEMI_SYNC = """
SET GLOBAL rpl_semi_sync_master_timeout = 4294967295;
SET GLOBAL rpl_semi_sync_master_wait_point = 'AFTER_SYNC';
SET GLOBAL rpl_semi_sync_master_enabled = {on} AND @@read_only = 0;
SET GLOBAL rpl_semi_sync_slave_enabled = {on}
"""


# ---- MySQL -------------------------------------------------------------------------------


class Mysql8Replicas(MysqlReplicas):
    """Its package lacks the plugins, and so what makes commits wait for replicas."""

    can_be_synchronous = False
    position = "MASTER_AUTO_POSITION = 1"
    native = "WITH mysql_native_password BY"

    def command(self, number: int) -> list[str]:
        mysql_server.must_be_there()
        return [*mysql_server.COMMAND, "--mysqlx=0", *GTIDS]

    def initialise(self, folder: str) -> None:
        mysql_server.initialise(folder)

    def has_all_of(self, node: MysqlNode, primary: MysqlNode) -> bool:
        return self._is_subset(self._executed(primary), self._executed(node), node)

    def has_all_received(self, node: MysqlNode) -> bool:
        return self._is_subset(node.status["Retrieved_Gtid_Set"], self._executed(node), node)

    def continue_from_own(self, node: MysqlNode) -> None:
        """It does so by itself."""

    def has_too_much(self, node: MysqlNode, primary: MysqlNode) -> bool:
        return not self._is_subset(self._executed(node), self._executed(primary), node)

    @staticmethod
    def _executed(node: MysqlNode) -> str:
        return str(node.value("SELECT @@global.gtid_executed"))

    @staticmethod
    def _is_subset(small: str, large: str, node: MysqlNode) -> bool:
        return node.value(f"SELECT gtid_subset('{small}', '{large}')") == "1"

    def synchronous(self, on: bool) -> None:
        raise NotImplementedError("this MySQL has no plugins")

    def commits_waiting(self) -> int:
        return 0


GTIDS = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]
