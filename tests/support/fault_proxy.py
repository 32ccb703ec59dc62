#!/usr/bin/env python3
"""A TCP proxy that does to connections what bad networks do, in a process of its own.

    fault_proxy.py HOST PORT

It prints the port that it listens on, then answers each line of JSON on its standard input, a
command, with one on its standard output; it ends with its input. Programs use the class FaultProxy.
"""

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
from typing import Any, Self

TO_SERVER = "to_server"
TO_CLIENT = "to_client"


class FaultProxy:
    """The program's side: starts the proxy, and tells it what to do.

    Args:
        host, port: the server behind it.
    """

    def __init__(self, host: str, port: int) -> None:
        command = [sys.executable, __file__, host, str(port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._read()["port"])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def _tell(self, command: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def cut(self, direction: str, after: int, how: str = "close") -> None:
        """End each connection once it has carried `after` more bytes in a direction.

        Args:
            direction: TO_SERVER or TO_CLIENT. What is beyond the cut does not arrive.
            how: "close" (an orderly end), "reset" (RST), "silence" (nothing passes any more, both
                ways), or "half" (the server is hung up on, the client hears nothing of it).
        """
        self._tell("cut", direction=direction, after=after, how=how)

    def delay(self, seconds: float) -> None:
        """Hold each piece of data back for so long, in both directions."""
        self._tell("delay", seconds=seconds)

    def blackhole(self) -> None:
        """Nothing passes any more, on old and new connections; nothing is closed either."""
        self._tell("blackhole")

    def refuse(self) -> None:
        """Reset all connections, and every new one."""
        self._tell("refuse")

    def reset(self) -> None:
        """Reset the connections that there are; new ones are served."""
        self._tell("reset")

    def heal(self) -> None:
        """Forget all faults; reset the connections that suffered one. New ones are served."""
        self._tell("heal")

    def counts(self) -> dict[str, int]:
        """Connections that are open, those of them that heal() would reset, those accepted so far,
        and bytes since the last cut() in each direction: open, suffering, accepted, to_server,
        to_client."""
        return self._tell("counts")

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Link:
    """One client's connection and ours to the server."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server: socket.socket | None = None
        self.carried = {TO_SERVER: 0, TO_CLIENT: 0}
        self.silent = False
        self.spoilt = False
        self.task: asyncio.Task[None] | None = None

    @property
    def suffers(self) -> bool:
        return self.spoilt or self.silent

    def hang_up(self, end: socket.socket | None, how: str) -> None:
        if end is None:
            return
        with contextlib.suppress(OSError):
            if how == "reset":
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                end.shutdown(socket.SHUT_RDWR)
        end.close()


class Proxy:
    """The proxy's own side."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.links: set[Link] = set()
        self.accepted = 0
        self.cuts: dict[str, tuple[int, str]] = {}
        self.seconds = 0.0
        self.silent = False
        self.refusing = False
        self.totals = {TO_SERVER: 0, TO_CLIENT: 0}

    # ---- Carrying --------------------------------------------------------------------------

    async def serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            link = Link(client)
            self.links.add(link)
            link.task = asyncio.create_task(self.carry(link))

    async def carry(self, link: Link) -> None:
        how = "close"
        try:
            if self.refusing:
                how = "reset"
                return
            await self.connect(link)
            assert link.server is not None
            async with asyncio.TaskGroup() as both:
                both.create_task(self.copy(link, link.client, link.server, TO_SERVER))
                both.create_task(self.copy(link, link.server, link.client, TO_CLIENT))
        except* CutOffError as cut_off:
            how = cut_off.exceptions[0].args[0]
        except* ConnectionError:
            how = "reset"
        except* asyncio.CancelledError:
            how = "reset"
        finally:
            self.links.discard(link)
            link.hang_up(link.client, how)
            link.hang_up(link.server, how)

    async def connect(self, link: Link) -> None:
        while self.silent:
            link.spoilt = True
            await asyncio.sleep(0.01)
        link.server = socket.socket()
        link.server.setblocking(False)
        link.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(link.server, self.address)

    async def copy(
        self, link: Link, source: socket.socket, target: socket.socket, direction: str
    ) -> None:
        loop = asyncio.get_running_loop()
        while data := await self.receive(link, source):
            if self.seconds:
                await asyncio.sleep(self.seconds)
            await self.hush(link)
            after, how = self.cuts.get(direction, (sys.maxsize, ""))
            passing = data[: max(0, after - link.carried[direction])]
            await loop.sock_sendall(target, passing)
            link.carried[direction] += len(passing)
            self.totals[direction] += len(passing)
            if link.carried[direction] >= after:
                await self.cut_off(link, how)
        raise CutOffError("close")

    async def receive(self, link: Link, source: socket.socket) -> bytes:
        """The next piece; an end is held back while nothing may pass."""
        try:
            data = await asyncio.get_running_loop().sock_recv(source, 1 << 16)
        except ConnectionError:
            await self.hush(link)
            raise
        if not data:
            await self.hush(link)
        return data

    async def hush(self, link: Link) -> None:
        while self.silent or link.silent:
            link.spoilt = True
            await asyncio.sleep(0.01)

    async def cut_off(self, link: Link, how: str) -> None:
        link.silent = how in ("half", "silence")
        if how == "half" and link.server is not None:
            link.server.shutdown(socket.SHUT_RDWR)
        await self.hush(link)
        raise CutOffError(how)

    # ---- Commands --------------------------------------------------------------------------

    def cut(self, direction: str, after: int, how: str) -> None:
        for link in self.links:
            link.carried[direction] = 0
        self.totals[direction] = 0
        self.cuts[direction] = (after, how)

    def delay(self, seconds: float) -> None:
        self.seconds = seconds

    def blackhole(self) -> None:
        self.silent = True

    def reset(self) -> None:
        for link in self.links:
            if link.task:
                link.task.cancel()

    def refuse(self) -> None:
        self.refusing = True
        self.reset()

    def heal(self) -> None:
        self.cuts = {}
        self.seconds = 0.0
        self.silent = False
        self.refusing = False
        for link in self.links:
            if link.task and link.suffers:
                link.task.cancel()

    def counts(self) -> dict[str, int]:
        suffering = sum(link.suffers for link in self.links)
        counts = {"open": len(self.links), "suffering": suffering, "accepted": self.accepted}
        return {**counts, **self.totals}

    async def obey(self) -> None:
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            answer = getattr(self, order.pop("command"))(**order)
            print(json.dumps(answer or {}), flush=True)


class CutOffError(Exception):
    """The end of a link; its argument is how."""


async def main(host: str, port: str) -> None:
    proxy = Proxy((host, int(port)))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        listener.setblocking(False)
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        serving = asyncio.create_task(proxy.serve(listener))
        await proxy.obey()
        serving.cancel()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
