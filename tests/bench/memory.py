"""Peak memory of a fetch of a million rows, each peer in a process of its own.

memory.py KIND PEER ADDRESS     prints the megabytes that one fetch adds to the peak
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from typing import Any

import peers
import peers_mysql

ASYNC_PEERS = {**peers.ASYNC_PEERS, "mysql": peers_mysql.ASYNC_PEERS}
SYNC_PEERS = {**peers.SYNC_PEERS, "mysql": peers_mysql.SYNC_PEERS}
TIMES = 100  # the table's rows as often: a million


def many(sql: str) -> str:
    """The statement's rows TIMES as often, in one result."""
    digits = " UNION ALL ".join(f"SELECT {digit} AS n" for digit in range(10))
    columns, table = sql.split(" FROM ")
    return f"{columns} FROM {table} CROSS JOIN ({digits}) a CROSS JOIN ({digits}) b"


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def of_async(peer: Any, address: dict[str, Any]) -> float:
    await peer.open(address, 1)
    async with peer.connection() as conn:
        await peer.one(conn, 1)
        before = peak_mb()
        rows = await peer.all(conn)
        grown = peak_mb() - before
        assert len(rows) == 10_000 * TIMES
    await peer.close()
    return grown


def of_sync(peer: Any, address: dict[str, Any]) -> float:
    peer.open(address)
    peer.query(peers.SELECT_ONE.format(peer.mark), (1,))
    before = peak_mb()
    rows = peer.query(peers.SELECT_ALL)
    grown = peak_mb() - before
    assert len(rows) == 10_000 * TIMES
    peer.close()
    return grown


def peers_of(kind: str) -> list[str]:
    """All but millpond; a library of both kinds once."""
    names = [peer.name for peer in (*SYNC_PEERS[kind], *ASYNC_PEERS[kind])]
    return [name for name in dict.fromkeys(names) if name != "millpond"]


def measure(kind: str, peer: str, address: dict[str, Any]) -> float:
    """Megabytes, in a fresh process."""
    command = [sys.executable, __file__, kind, peer, json.dumps(address)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(kind: str, name: str, address: str) -> None:
    peers.SELECT_ALL = peers_mysql.SELECT_ALL = many(peers.SELECT_ALL)
    where = json.loads(address)
    for peer in SYNC_PEERS[kind]:
        if peer.name == name:
            print(of_sync(peer(), where))
            return
    found = {peer.name: peer for peer in ASYNC_PEERS[kind]}
    print(asyncio.run(of_async(found[name](), where)))


if __name__ == "__main__":
    main(*sys.argv[1:])
