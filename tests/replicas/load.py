#!/usr/bin/env python3
"""The load that makes histories: sessions that write and read registers, and wander between
processes by token.

    load.py FOLDER NUMBER SETTINGS

is one process of several; start() starts them. They hand sessions to each other through sockets in
the folder, which is also where each leaves its history. SETTINGS is a Settings as JSON.
"""

import asyncio
import contextlib
import dataclasses
import json
import random
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import millpond
from history import (
    DONE,
    EVENTUAL,
    FAILED,
    FINAL,
    READ,
    SESSION,
    STRONG,
    UNKNOWN,
    WRITE,
    Operation,
    Recorder,
    now,
)

if TYPE_CHECKING:
    from replica_set import ReplicaSet

PORT = {"postgres": "inet_server_port()", "mysql": "@@port"}
ADD = "UPDATE registers SET version = version + 1 WHERE id = ?"
LOOK = "SELECT version, {port} FROM registers WHERE id = ?"
# What a write may end with that has certainly had no effect.
WITHOUT_EFFECT = (
    millpond.AcquireTimeoutError,
    millpond.BusyError,
    millpond.CircuitOpenError,
    millpond.ConnectFailedError,
    millpond.ConnectTimeoutError,
    millpond.DeadlockError,
    millpond.ReadOnlyError,
    millpond.SerializationError,
)


@dataclasses.dataclass
class Settings:
    """What one run does.

    Attributes:
        url: of all nodes; or, for reads past the library's choice, see `direct`.
        direct: URLs of single nodes: a read goes to a random one, and no session is known. This
            is what the library is there to do better.
        plain: reads go where writes go, and no session is known.
        pairs: writes that were acknowledged, with a read after each, over all processes.
        processes, workers: how many, and how many tasks in each.
        sessions: how many at the same time, over all processes.
        registers: among which pairs choose.
        reads: the consistency that reads ask for, chosen at random; seconds as text.
        seed: of the random choices.
    """

    url: str
    kind: str
    pairs: int
    direct: list[str] = dataclasses.field(default_factory=list)
    plain: bool = False
    processes: int = 3
    workers: int = 8
    sessions: int = 48
    registers: int = 500
    reads: list[str] = dataclasses.field(default_factory=lambda: [SESSION])
    seed: int = 0


# ---- Sessions ----------------------------------------------------------------------------


class Exchange:
    """Sessions of this process, and the way to the others."""

    def __init__(self, folder: Path, number: int, settings: Settings, rng: random.Random) -> None:
        self._peers = [str(folder / f"{peer}.socket") for peer in range(settings.processes)]
        self._rng = rng
        self._number = number
        self._made = 0
        own = range(number, settings.sessions, settings.processes)
        self._here = deque((f"s{session}", "") for session in own)
        self._arrived = asyncio.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._peers[number])
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            name, token = json.loads(self._socket.recv(1 << 16))
            self._keep(name, token)

    def _keep(self, name: str, token: str) -> None:
        self._here.append((name, token))
        self._arrived.set()

    async def take(self) -> tuple[str, str]:
        """Name and token of a session that nobody uses."""
        while not self._here:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), 1)
            except TimeoutError:  # processes that have ended took theirs along
                self._made += 1
                return f"s{self._number}.{self._made}", ""
        return self._here.popleft()

    def give(self, name: str, token: str) -> None:
        """To a random process; to this one if that does not take it now."""
        try:
            self._socket.sendto(json.dumps([name, token]).encode(), self._rng.choice(self._peers))
        except OSError:  # its queue is full, or it has ended
            self._keep(name, token)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


# ---- One process -------------------------------------------------------------------------


class Worker:
    """Does pairs until the process has done its part."""

    def __init__(
        self, settings: Settings, recorder: Recorder, exchange: Exchange, rng: random.Random
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._exchange = exchange
        self._rng = rng
        self._db = millpond.connect(settings.url)
        self._direct = [millpond.connect(url) for url in settings.direct]
        self._look = LOOK.format(port=PORT[settings.kind])
        self.left = settings.pairs // settings.processes

    async def run(self) -> None:
        while self.left > 0:
            self.left -= 1
            name, token = await self._exchange.take()
            if self._direct or self._settings.plain:
                await self._pair(name)
            else:
                with millpond.Session(token) if token else millpond.Session() as session:
                    await self._pair(name)
                token = str(session.token)
            self._exchange.give(name, token)

    async def _pair(self, session: str) -> None:
        key = self._rng.randrange(self._settings.registers)
        if not await self._write(session, key):
            self.left += 1
            await asyncio.sleep(0.05)
        await self._read(session, key, self._rng.choice(self._settings.reads))

    async def _write(self, session: str, key: int) -> bool:
        begun, version, node, outcome = now(), 0, "", UNKNOWN
        try:
            async with self._db.async_connection() as conn, conn.transaction():
                await conn.execute(ADD, (key,))
                version, node = (await conn.execute(self._look, (key,)))[0]
            outcome = DONE
        except WITHOUT_EFFECT:
            outcome = FAILED
        except millpond.Error:
            pass
        known = version if outcome == DONE else 0
        self._recorder.record(
            Operation(session, WRITE, key, known, str(node), begun, now(), "", outcome)
        )
        return outcome == DONE

    async def _read(self, session: str, key: int, consistency: str) -> None:
        begun, version, node, outcome = now(), 0, "", FAILED
        with contextlib.suppress(millpond.Error):
            async with self._reader(consistency) as conn:
                version, node = (await conn.execute(self._look, (key,)))[0]
            outcome = DONE
        self._recorder.record(
            Operation(session, READ, key, version, str(node), begun, now(), consistency, outcome)
        )

    @contextlib.asynccontextmanager
    async def _reader(self, consistency: str) -> AsyncIterator[Any]:
        if self._direct:
            async with self._rng.choice(self._direct).async_connection() as conn:
                yield conn
            return
        if self._settings.plain:
            async with self._db.async_connection() as conn:
                yield conn
            return
        named = consistency in (STRONG, SESSION, EVENTUAL)
        asked: Any = consistency if named else float(consistency)
        async with self._db.async_connection(read_only=True, consistency=asked) as conn:
            yield conn


async def run_process(folder: Path, number: int, settings: Settings) -> None:
    rng = random.Random(f"{settings.seed} {number}")
    exchange = Exchange(folder, number, settings, rng)
    with Recorder(folder / f"{number}.history") as recorder:
        worker = Worker(settings, recorder, exchange, rng)
        await asyncio.gather(*(worker.run() for _ in range(settings.workers)))
    exchange.close()


# ---- All of them -------------------------------------------------------------------------


def prepare(replicas: "ReplicaSet[Any]", settings: Settings) -> None:
    """The registers, all at 0, on all nodes."""
    rows = ",".join(f"({key}, 0)" for key in range(settings.registers))
    replicas.primary.ask("DROP TABLE IF EXISTS registers")
    replicas.primary.ask("CREATE TABLE registers (id int PRIMARY KEY, version bigint NOT NULL)")
    replicas.primary.ask(f"INSERT INTO registers VALUES {rows}")
    for node in replicas.replicas:
        replicas.caught_up(node)


def start(folder: Path, settings: Settings) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, __file__, str(folder)]
    given = json.dumps(dataclasses.asdict(settings))
    return [
        subprocess.Popen([*command, str(number), given]) for number in range(settings.processes)
    ]


def finish(
    folder: Path, running: list[subprocess.Popen[bytes]], replicas: "ReplicaSet[Any]"
) -> None:
    """Wait for the processes, and record what the primary has in the end."""
    codes = [process.wait() for process in running]
    assert not any(codes), f"a process failed: {codes}"
    begun = now()
    with Recorder(folder / "final.history") as recorder:
        for key, version in replicas.primary.ask("SELECT id, version FROM registers"):
            register = int(str(key)), int(str(version))
            recorder.record(Operation("", FINAL, *register, replicas.primary.name, begun, now()))


if __name__ == "__main__":
    asyncio.run(
        run_process(Path(sys.argv[1]), int(sys.argv[2]), Settings(**json.loads(sys.argv[3])))
    )
