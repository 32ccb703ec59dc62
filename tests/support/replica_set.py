"""What the sets of servers that replicate have in common: nodes, roles, faults, and an end.

A set lives in one temporary folder, on ports of its own that its nodes keep for its life.
tests/support/replicas.py names the sets that there are.
"""

import abc
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import ask
import running
from ask import SECONDS, Rows
from daemons import Daemon, is_alive, poll
from fault_proxy import FaultProxy

SIZE = 3
LAUNCHES = 100  # after so many in vain a server's start has failed


class Node(Daemon):
    """One server of a set.

    Attributes:
        name: node1, node2 or node3.
        number: 1, 2 or 3.
        address: how to reach it, as the scripts for single servers tell.
        folder: what it keeps is below; `log` is in it.
    """

    def __init__(
        self, kind: str, number: int, address: dict[str, Any], pid_file: str, command: list[str]
    ) -> None:
        super().__init__(kind, address, pid_file, command)
        self.number = number
        self.name = f"node{number}"
        self.folder = os.path.dirname(str(address["data"]))
        self.log = f"{self.folder}/log"
        self._launches = 0
        self._log_begins = 0
        self._proxy: FaultProxy | None = None

    # ---- Where it is -----------------------------------------------------------------------

    def url_at(self, *ports: int) -> str:
        """A URL of its database with these ports of this machine."""
        login = f"{quote(self.address['user'])}:{quote(self.address['password'], safe='')}"
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"{self.kind}://{login}@{hosts}/{self.address['database']}"

    @property
    def port(self) -> int:
        return int(self.address["port"])

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    @property
    def proxy(self) -> FaultProxy:
        """The network before it, for clients that go by `proxy_url`."""
        if self._proxy is None:
            self._proxy = FaultProxy("127.0.0.1", self.port)
        return self._proxy

    @property
    def proxy_url(self) -> str:
        return self.url_at(self.proxy.port)

    # ---- What it says ----------------------------------------------------------------------

    def ask(self, sql: str, seconds: int = SECONDS) -> Rows:
        """The rows of the last of these statements, as text, asked past the library and any proxy:
        in the tests' database, as the superuser or, on MySQL's family, as the tests' user."""
        put = ask.ask_postgres if self.kind == "postgres" else ask.ask_mysql
        return put(self.address, sql, seconds)

    def value(self, sql: str) -> str | None:
        """Of what ask_server() gives the first value of the first row; None also without a row."""
        rows = self.ask_server(sql)
        return rows[0][0] if rows else None

    def ask_server(self, sql: str) -> Rows:
        """The same in no database, as the one who may do anything."""
        put = ask.ask_postgres if self.kind == "postgres" else ask.ask_mysql
        nobody = {"user": None, "password": None, "database": None}
        return put({**self.address, **nobody}, sql)

    def answers(self) -> bool:
        with contextlib.suppress(ask.AskError):
            return self.ask_server("SELECT 1") == [("1",)]
        return False

    @property
    def is_running(self) -> bool:
        """Its process is there; it may be frozen."""
        return os.path.exists(self._pid_file) and is_alive(self.pid)

    # ---- Its life --------------------------------------------------------------------------

    def launch(self, *options: str) -> None:
        """Start it with these options, too, and do not wait."""
        self._launches = 0
        self._options = list(options)
        self._log_begins = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self._clean()
        self._launch()

    def await_start(self) -> None:
        """Returns when it answers statements."""
        self.poll("start", self._accepts)
        self.poll("answer", self.answers)

    def poll(self, what: str, done: Callable[[], bool]) -> None:
        """As daemons.poll(); if it was in vain, the end of the node's log is told."""
        try:
            poll(f"{self.name}: {what}", done)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.last_words()}") from None

    def start(self, *options: str) -> None:
        self._launches = 0
        super().start(*options)
        self.await_start()

    def _launch(self) -> None:
        self._launches += 1
        if self._launches > LAUNCHES:
            raise RuntimeError(f"{self.name} did not start:\n{self.last_words()}")
        with open(self.log, "ab") as log:
            self._start_process(log)

    def last_words(self) -> str:
        """What it logged since it was launched, without the middle of it."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(self._log_begins)
            lines = log.readlines()
        middle = [] if len(lines) <= 40 else ["...\n"]
        return "".join([*lines[:20], *middle, *lines[20:][-20:]])

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None
        if self.is_running:
            self.kill()


N = TypeVar("N", bound=Node)


class ReplicaSet(abc.ABC, Generic[N]):
    """One primary and two replicas; use it as a context manager, or call close().

    Attributes:
        kind: "postgres" or "mysql", as in the URLs.
        nodes: all three, in the order of their numbers.
        primary: the node that takes writes, as the set was told last.
        can_be_synchronous: synchronous() works.
    """

    kind: str
    can_be_synchronous = True
    primary: N

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="millpond-replicas-")
        os.chmod(self.folder, 0o755)
        self.password = secrets.token_hex(8)
        self.nodes: list[N] = []
        self._is_synchronous = False
        try:
            self.nodes = [self.make_node(number) for number in range(1, SIZE + 1)]
            self.primary = self.nodes[0]
            self.build()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End all that runs, and leave nothing behind."""
        for node in self.nodes:
            node.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def address(self, number: int) -> dict[str, Any]:
        folder = f"{self.folder}/node{number}"
        return {
            "host": "127.0.0.1",
            "port": running.free_port(),
            "user": "millpond",
            "password": self.password,
            "database": "millpond",
            "data": f"{folder}/data",
        }

    # ---- Where they are --------------------------------------------------------------------

    @property
    def replicas(self) -> list[N]:
        return [node for node in self.nodes if node is not self.primary]

    @property
    def url(self) -> str:
        """One URL with all nodes, the first node first, whatever its role is."""
        return self.nodes[0].url_at(*(node.port for node in self.nodes))

    @property
    def proxy_url(self) -> str:
        """The same through the nodes' proxies."""
        return self.nodes[0].url_at(*(node.proxy.port for node in self.nodes))

    def node(self, name: str) -> N:
        for node in self.nodes:
            if node.name == name:
                return node
        raise ValueError(f"there is no {name}")

    # ---- Faults of processes and networks --------------------------------------------------

    def kill(self, node: N) -> None:
        """SIGKILL to all its processes; returns when they are gone."""
        node.kill()

    def freeze(self, node: N) -> None:
        """SIGSTOP to all its processes: connections stay, and nobody answers."""
        node.pause()

    def thaw(self, node: N) -> None:
        node.resume()

    def start(self, node: N) -> None:
        """After kill(), in the role that it had; returns when it answers statements."""
        node.start()

    def cut(self, node: N) -> None:
        """Nothing reaches the node or comes from it any more, on old and new connections: neither
        those of clients that go by its proxy, nor replication."""
        self.cut_replication(node)
        node.proxy.blackhole()

    def heal(self, node: N) -> None:
        """Ends what cut() and the proxy did."""
        node.proxy.heal()
        self.heal_replication(node)

    # ---- For each kind of server -----------------------------------------------------------

    @abc.abstractmethod
    def make_node(self, number: int) -> N:
        """Its folder and address; nothing is started."""

    @abc.abstractmethod
    def build(self) -> None:
        """Start all, the first as the primary."""

    @abc.abstractmethod
    def promote(self, node: N) -> None:
        """Make it the primary, and let the replicas that run follow it. The old primary is left
        as it is: whoever wants it fenced kills, freezes or cuts it first, and has it rejoin()."""

    @abc.abstractmethod
    def newest(self) -> N:
        """The replica that has received most: of synchronous replicas it has all that was
        acknowledged, once the primary is gone."""

    @abc.abstractmethod
    def follow(self, node: N, primary: N) -> None:
        """Let a replica that runs follow another primary; returns when it does."""

    @abc.abstractmethod
    def rejoin(self, node: N) -> None:
        """Let a node follow the primary, whatever it was and holds; returns when it does. What it
        has that the primary has not is lost."""

    @abc.abstractmethod
    def delay(self, node: N, seconds: float) -> None:
        """Let a replica apply what it receives so long after the primary committed it."""

    @abc.abstractmethod
    def pause_replay(self, node: N) -> None:
        """A replica receives, and applies nothing any more."""

    @abc.abstractmethod
    def resume_replay(self, node: N) -> None:
        """Ends pause_replay()."""

    @abc.abstractmethod
    def caught_up(self, node: N) -> None:
        """Returns when a replica has applied all that was committed before this call."""

    @abc.abstractmethod
    def synchronous(self, on: bool) -> None:
        """With it, a commit waits until a replica has it as well."""

    @abc.abstractmethod
    def commits_waiting(self) -> int:
        """How many commits on the primary wait for a replica now."""

    @abc.abstractmethod
    def cut_replication(self, node: N) -> None:
        """The part of cut() between the nodes."""

    @abc.abstractmethod
    def heal_replication(self, node: N) -> None:
        """The part of heal() between the nodes."""

    @abc.abstractmethod
    def is_replica_of(self, node: N, primary: N) -> bool:
        """It answers, is read-only, and replicates from this primary without a fault."""

    @abc.abstractmethod
    def is_primary(self, node: N) -> bool:
        """It answers, and takes writes."""

    @abc.abstractmethod
    def undo(self, node: N) -> None:
        """End delay() and pause_replay() if they are in force."""

    # ---- Mending ---------------------------------------------------------------------------

    def mend(self) -> None:
        """After whatever a test did: all nodes run, two follow the primary, and nothing is in
        force that the functions above brought about. Cheap if nothing was done."""
        for node in self.nodes:
            if node._proxy is not None:
                node.proxy.heal()
            self.heal_replication(node)
            if node.is_running:
                node.resume()
        self._mend_primary()
        if self._is_synchronous:
            self.synchronous(False)
        self.each(self.replicas, self._mend_replica)

    def _mend_primary(self) -> None:
        if not self.primary.is_running:
            self.primary.start()
        if not self.is_primary(self.primary):
            self.promote(self.primary)

    def _mend_replica(self, node: N) -> None:
        if node.is_running and self.is_replica_of(node, self.primary):
            self.undo(node)
        else:
            self.rejoin(node)
            self.undo(node)
        self.caught_up(node)

    @staticmethod
    def each(nodes: Iterable[N], do: Callable[[N], None]) -> None:
        """The same for several nodes at once."""
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(do, node) for node in nodes]:
                done.result()
