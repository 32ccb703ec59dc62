"""The CPU time of a statement, the client's and the server's: what is left to win, and for whom.

Rates tell little of this where client and server share few cores, and as little as what else runs
there leaves; CPU time tells it on a busy machine, too.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import measure
from measure import Step

TICKS = os.sysconf("SC_CLK_TCK")
PARENT, USER, SYSTEM = 1, 11, 12  # of /proc/PID/stat, after the name


def stat(pid: str) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def seconds_of_server(variable: str) -> float:
    """CPU seconds of a test server's living processes until now."""
    data = json.loads(os.environ[variable])["data"]
    mothers, children, seconds = set(), {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = stat(pid)
            started_so = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:  # it has ended
            continue
        program = started_so.partition("\0")[0]
        if data in started_so and Path(program).name in ("postgres", "mariadbd", "mysqld"):
            mothers.add(pid)
        children[pid] = fields[PARENT]
        seconds[pid] = (int(fields[USER]) + int(fields[SYSTEM])) / TICKS
    assert mothers, f"no server runs in {data}"
    return sum(seconds[pid] for pid in seconds if pid in mothers or children[pid] in mothers)


async def per_second(
    steps: dict[str, Step], tasks: int, variable: str, rounds: int = measure.ROUNDS
) -> dict[str, list[float]]:
    """Steps per second of each client's CPU time; under "server", per second of the server's while
    millpond was its client."""
    rates: dict[str, list[float]] = {name: [] for name in (*steps, "server")}
    for round_number in range(rounds + 1):
        for name, step in steps.items():
            server, client, started = (
                seconds_of_server(variable),
                time.process_time(),
                time.perf_counter(),
            )
            done = await measure.rate(step, tasks) * (time.perf_counter() - started)
            client = time.process_time() - client
            server = seconds_of_server(variable) - server
            if round_number:
                rates[name].append(done / client)
                if name == "millpond":
                    rates["server"].append(done / server)
    return rates
