"""millpond beside its peers, in one run.

    run.py [NAME ...]     only workloads whose name contains one of these

Prints a table of ratios and writes build/bench/results.json and results.png. Needs
the servers' variables that tests/run --bench sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import glob
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cpu
import entities
import lua_peers
import memory
import peers
import peers_mysql
import uvloop
import waiting
from measure import ratio, side_by_side, sync_side_by_side
from peers import SELECT_ALL, SELECT_ONE

ASYNC_PEERS = {**peers.ASYNC_PEERS, "mysql": peers_mysql.ASYNC_PEERS}
SYNC_PEERS = {**peers.SYNC_PEERS, "mysql": peers_mysql.SYNC_PEERS}

OUT = Path("build/bench")
ROWS = 10_000
KEY = 4711

# (workload, peer) -> the least ratio that is good enough.
FLOORS = {
    ("postgres point select, pool, 10 tasks, asyncio", "asyncpg"): 3.0,
    ("postgres point select, pool, 10 tasks, asyncio", "pgbench"): 0.75,
    ("postgres point select, held, 1 task, asyncio", "asyncpg"): 1.2,
    ("postgres fetch 10,000 rows, 1 task, asyncio", "asyncpg"): 1.0,
    ("postgres executemany 10,000, 1 task, asyncio", "asyncpg"): 1.0,
    ("postgres with metrics, pool, 10 tasks, asyncio", "metrics=off"): 0.98,
    ("mysql point select, pool, 10 tasks, asyncio", "asyncmy"): 3.0,
    ("mysql point select, pool, 10 tasks, asyncio", "aiomysql"): 3.0,
    ("mysql point select, sync", "mysqlclient"): 1.0,
    ("mysql fetch 10,000 rows, 1 task, asyncio", "asyncmy"): 1.0,
    ("mysql fetch 10,000 rows, sync", "mysqlclient"): 1.0,
    ("mysql executemany 10,000, 1 task, asyncio", "asyncmy"): 1.0,
    ("mysql executemany 10,000, sync", "mysqlclient"): 1.0,
    ("postgres megabytes of 1,000,000 rows as tuples", "asyncpg"): 1.0,
    ("mysql megabytes of 1,000,000 rows as tuples", "asyncmy"): 1.0,
    ("sqlite megabytes of 1,000,000 rows as tuples", "sqlite3"): 1.0,
    ("sqlite point select, held, 1 task, asyncio", "aiosqlite"): 6.0,
    ("sqlite point select, pool, 10 tasks, asyncio", "aiosqlite"): 10.0,
    ("sqlite point select, sync", "sqlite3"): 0.9,
    ("postgres point select, Lua, 1 coroutine", "luasql"): 1.0,
    ("postgres point select, Lua, 10 coroutines", "luasql"): 3.0,
    ("sqlite point select, Lua, 1 coroutine", "luasql"): 1.0,
    ("sqlite point select, Lua, 10 coroutines", "luasql"): 3.0,
    ("pool contention, C, 8 threads, 4 connections", "fair queue"): 1.0,
    ("pool contention, C, 8 threads, 4 connections", "barging"): 1.0,
    **entities.FLOORS,
}
MOST_ACQUIRE_US = 2.0
MOST_ACQUIRE_C_US = 0.2


class Report:
    """What was measured so far."""

    def __init__(self, wanted: list[str]) -> None:
        self._wanted = wanted
        self.rows: list[dict[str, Any]] = []

    def wants(self, workload: str) -> bool:
        return not self._wanted or any(part.lower() in workload.lower() for part in self._wanted)

    def add(self, workload: str, rates: dict[str, list[float]]) -> None:
        for peer in rates:
            if peer == "millpond":
                continue
            value = ratio(rates, "millpond", peer)
            floor = FLOORS.get((workload, peer))
            self._row(workload, peer, value, floor, rates["millpond"], rates[peer])

    def _row(
        self,
        workload: str,
        peer: str,
        value: float,
        floor: float | None,
        mine: list[float],
        theirs: list[float],
    ) -> None:
        verdict = "" if floor is None else ("reached" if value >= floor else "MISSED")
        row = {
            "workload": workload,
            "peer": peer,
            "ratio": round(value, 2),
            "floor": floor,
            "verdict": verdict,
            "millpond_per_s": round(statistics.median(mine), 1),
            "peer_per_s": round(statistics.median(theirs), 1),
        }
        self.rows.append(row)
        wanted = "" if floor is None else f">= {floor}"
        print(
            f"{workload:52} {peer:10} {value:7.2f}x {wanted:8} {verdict:8}"
            f" {row['millpond_per_s']:>10,} {row['peer_per_s']:>10,}",
            flush=True,
        )

    def add_megabytes(self, workload: str, mine: float, peer: str, theirs: float) -> None:
        """Here less is better: so the ratio is the peer's to ours, too."""
        self._row(workload, peer, theirs / mine, FLOORS.get((workload, peer)), [mine], [theirs])

    def add_microseconds(self, workload: str, value: float, most: float) -> None:
        verdict = "reached" if value <= most else "MISSED"
        self.rows.append({"workload": workload, "us": round(value, 3), "floor": most})
        self.rows[-1]["verdict"] = verdict
        print(f"{workload:52} {'':10} {value:6.2f}us {f'<= {most}':8} {verdict}", flush=True)


# ---- Data --------------------------------------------------------------------------------


def make_tables(peer: Any) -> None:
    """Through millpond's own synchronous connection, for either database."""
    peer.query("DROP TABLE IF EXISTS bench")
    peer.query("DROP TABLE IF EXISTS bench_many")
    peer.query(
        "CREATE TABLE bench (id integer PRIMARY KEY, name text, size double precision, "
        "at timestamp, total bigint)"
    )
    peer.query("CREATE TABLE bench_many (id integer, name text)")
    start = datetime.datetime(2026, 1, 1)
    rows = [
        (i, f"name {i}", i * 1.5, start + datetime.timedelta(seconds=i), i * 1_000_003)
        for i in range(ROWS)
    ]
    peer.conn.executemany("INSERT INTO bench VALUES (?, ?, ?, ?, ?)", rows)


# ---- Asynchronous workloads --------------------------------------------------------------


@contextlib.asynccontextmanager
async def opened(kind: str, address: dict[str, Any], size: int) -> Any:
    """All peers with their pools; one that cannot be had is left out, and said."""
    made = []
    for peer_class in ASYNC_PEERS[kind]:
        peer = peer_class()
        try:
            await peer.open(address, size)
            made.append(peer)
        except Exception as error:
            print(f"{peer.name} is left out: {error!r}", flush=True)
    try:
        yield made
    finally:
        for peer in made:
            await peer.close()


def pooled_select(peer: Any) -> Callable[[], Any]:
    async def one() -> None:
        async with peer.connection() as conn:
            await peer.one(conn, KEY)

    return one


async def run_pooled(kind: str, address: dict[str, Any], tasks: int, loop: str, to: Report) -> None:
    workload = f"{kind} point select, pool, {tasks} task{'s' * (tasks > 1)}, {loop}"
    if not to.wants(workload):
        return

    name, limit = LIMITS.get(kind, ("", None))
    limits = [limit(address, tasks)] if limit else []
    async with opened(kind, address, 10) as made:
        rates = await side_by_side({peer.name: pooled_select(peer) for peer in made}, tasks)
    if limit:
        limits.append(limit(address, tasks))
        rates[name] = [limits[i % 2] for i in range(len(rates["millpond"]))]
    to.add(workload, rates)


async def run_cpu(kind: str, address: dict[str, Any], to: Report) -> None:
    workload = f"{kind} point selects per second of CPU, 10 tasks"
    if kind == "sqlite" or not to.wants(workload):
        return

    async with opened(kind, address, 10) as made:
        steps = {peer.name: pooled_select(peer) for peer in made}
        to.add(workload, await cpu.per_second(steps, 10, f"MILLPOND_TEST_{kind.upper()}"))


async def run_held(kind: str, address: dict[str, Any], loop: str, what: str, to: Report) -> None:
    workload = f"{kind} {what}, 1 task, {loop}"
    if not to.wants(workload):
        return
    rows = [(i, f"name {i}") for i in range(ROWS)]

    def step(peer: Any, conn: Any) -> Callable[[], Any]:
        if what.startswith("point"):
            return lambda: peer.one(conn, KEY)
        if what.startswith("fetch"):
            return lambda: peer.all(conn)

        async def many() -> None:
            await peer.many(conn, rows)
            await peer.clear(conn)

        return many

    async with opened(kind, address, 1) as made, contextlib.AsyncExitStack() as stack:
        steps = {}
        for peer in made:
            steps[peer.name] = step(peer, await stack.enter_async_context(peer.connection()))
        rates = await side_by_side(steps, 1)
    to.add(workload, rates)


async def run_acquire(kind: str, address: dict[str, Any], loop: str, to: Report) -> None:
    """What a free pooled connection costs over an `async with` that does nothing."""
    workload = f"{kind} acquire and release, {loop}"
    if not to.wants(workload):
        return

    class Nothing:
        async def __aenter__(self) -> None:
            return None

        async def __aexit__(self, *args: object) -> None:
            return None

    async def empty() -> None:
        async with Nothing():
            pass

    async with opened(kind, address, 10) as made:
        mine = made[0]

        async def acquire() -> None:
            async with mine.connection():
                pass

        rates = await side_by_side({"millpond": acquire, "nothing": empty}, 1)
    costs = [1e6 / a - 1e6 / b for a, b in zip(*rates.values(), strict=True)]
    to.add_microseconds(workload, statistics.median(costs), MOST_ACQUIRE_US)


async def run_metrics(kind: str, address: dict[str, Any], loop: str, to: Report) -> None:
    """What counting and timing costs."""
    workload = f"{kind} with metrics, pool, 10 tasks, {loop}"
    if not to.wants(workload):
        return
    made = {"millpond": address, "metrics=off": {**address, "metrics": False}}
    tags = {"operation": "get_user"}
    steps = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, settings in made.items():
            peer = peers.Millpond()
            await peer.open(settings, 10)
            stack.push_async_callback(peer.close)

            async def one(peer: Any = peer) -> None:
                async with peer.connection() as conn:
                    await conn.execute(SELECT_ONE.format("?"), (KEY,), tags=tags)

            steps[name] = one
        to.add(workload, await side_by_side(steps, 10, rounds=40))


async def run_async(kind: str, address: dict[str, Any], loop: str, to: Report) -> None:
    for tasks in (1, 10):
        await run_pooled(kind, address, tasks, loop, to)
    for what in ("point select, held", f"fetch {ROWS:,} rows", f"executemany {ROWS:,}"):
        await run_held(kind, address, loop, what, to)
    await run_acquire(kind, address, loop, to)
    if kind == "postgres":
        await run_metrics(kind, address, loop, to)


# ---- Synchronous workloads ---------------------------------------------------------------


def run_sync(kind: str, address: dict[str, Any], to: Report) -> None:
    rows = [(i, f"name {i}") for i in range(ROWS)]

    def point(peer: Any) -> Callable[[], Any]:
        sql = SELECT_ONE.format(peer.mark)
        return lambda: peer.query(sql, (KEY,))

    def fetch(peer: Any) -> Callable[[], Any]:
        return lambda: peer.query(SELECT_ALL)

    def many(peer: Any) -> Callable[[], Any]:
        def run() -> None:
            peer.many(rows)
            peer.query("DELETE FROM bench_many")

        return run

    workloads = {
        f"{kind} point select, sync": point,
        f"{kind} fetch {ROWS:,} rows, sync": fetch,
        f"{kind} executemany {ROWS:,}, sync": many,
    }
    for workload, step in workloads.items():
        if not to.wants(workload):
            continue
        made = [peer_class() for peer_class in SYNC_PEERS[kind]]
        for peer in made:
            peer.open(address)
        to.add(workload, sync_side_by_side({peer.name: step(peer) for peer in made}))
        for peer in made:
            peer.close()


# ---- Memory ------------------------------------------------------------------------------


def run_memory(kind: str, address: dict[str, Any], to: Report) -> None:
    """Megabytes that a fetch of a million rows adds to the peak."""
    workload = f"{kind} megabytes of 1,000,000 rows as tuples"
    if not to.wants(workload):
        return
    mine = memory.measure(kind, "millpond", address)
    for name in memory.peers_of(kind):
        to.add_megabytes(workload, mine, name, memory.measure(kind, name, address))


# ---- Lua ---------------------------------------------------------------------------------


async def python_rates(kind: str, address: dict[str, Any], tasks: int) -> list[float]:
    """millpond in Python, on asyncio, at the same work."""
    peer = ASYNC_PEERS[kind][0]()
    await peer.open(address, 10)
    async with peer.connection() as held:

        async def pooled() -> None:
            async with peer.connection() as conn:
                await peer.one(conn, KEY)

        step = pooled if tasks > 1 else lambda: peer.one(held, KEY)
        rates = await side_by_side({peer.name: step}, tasks)
    await peer.close()
    return rates[peer.name]


def run_lua(kind: str, address: dict[str, Any], to: Report) -> None:
    prefix = f"{kind} point select, Lua, "
    if kind == "mysql" or not any(to.wants(prefix + name) for name in lua_peers.WORKLOADS):
        return
    measured = lua_peers.rates(kind, address)
    for name, tasks in (("1 coroutine", 1), ("10 coroutines", 10), ("blocking", 0)):
        rates = measured[name]
        if tasks:
            rates["python"] = asyncio.run(python_rates(kind, address, tasks))
        to.add(prefix + name, rates)
        by_cpu = f"{name}, per second of CPU"
        to.add(prefix + by_cpu, measured[by_cpu])


# ---- The server's own limit --------------------------------------------------------------


def pgbench(address: dict[str, Any], clients: int) -> float:
    """Transactions a second of pgbench with the same statement and concurrency."""
    program = max(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SELECT_ONE.format(KEY) + ";\n")
        script.flush()
        command = [
            *(program, "-n", "-M", "prepared", "-T", "2", "-f", script.name),
            *("-c", str(clients), "-j", "1"),
            *("-h", address["host"], "-p", str(address["port"]), "-U", address["user"]),
            address["database"],
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if not found:
        raise RuntimeError(f"pgbench did not say how fast it was: {done.stdout}")
    return float(found.group(1))


def mysql_in_c(address: dict[str, Any], clients: int) -> float:
    """The same of blocking clients in C."""
    program = OUT / "mysql_limit"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmariadb"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    source = Path(__file__).parent / "mysql_limit.c"
    subprocess.run(["cc", "-O2", "-o", program, source, *flags, "-lpthread"], check=True)
    where = (address["host"], address["user"], address["password"], address["database"])
    command = [program, *where, str(KEY), str(clients), "2"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


LIMITS = {"postgres": ("pgbench", pgbench), "mysql": ("C clients", mysql_in_c)}


# ---- In C --------------------------------------------------------------------------------

BENCH_POOL = Path("build/bench-c/tests/bench/c/bench_pool")
CYCLES = 400_000


def bench_pool(*arguments: str) -> dict[str, float]:
    command = [BENCH_POOL, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def run_c(report: Report) -> None:
    """The pool by itself, on the fake driver."""
    workload = "pool acquire and release, C, 1 thread"
    if report.wants(workload):
        costs = [bench_pool("alone")["acquire_release_ns"] for _ in range(3)]
        report.add_microseconds(workload, statistics.median(costs) / 1000, MOST_ACQUIRE_C_US)
    workload = "pool contention, C, 8 threads, 4 connections"
    if report.wants(workload):
        keys = {"millpond": "pool_per_s", "fair queue": "fair_per_s", "barging": "barging_per_s"}
        runs = [bench_pool("contend", str(CYCLES)) for _ in range(5)]
        report.add(workload, {name: [run[key] for run in runs] for name, key in keys.items()})


# ---- Output ------------------------------------------------------------------------------


def draw(rows: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [row for row in rows if "ratio" in row]
    labels = [f"{row['workload']}  vs {row['peer']}" for row in shown]
    figure, axes = plt.subplots(figsize=(11, 0.28 * len(shown) + 1.5))
    colours = ["#c0392b" if row["verdict"] == "MISSED" else "#2c7a7b" for row in shown]
    axes.barh(labels, [row["ratio"] for row in shown], color=colours)
    for index, row in enumerate(shown):
        if row["floor"]:
            axes.plot([row["floor"]] * 2, [index - 0.4, index + 0.4], color="black")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_xlabel("millpond's speed as a multiple of the peer's (black: the floor)")
    figure.tight_layout()
    figure.savefig(OUT / "results.png", dpi=110)


def address_of(variable: str, *keys: str) -> dict[str, Any]:
    """How to reach a test server through its Unix socket."""
    server = json.loads(os.environ[variable])
    return {"host": server["socket"], **{key: server[key] for key in keys}}


def main() -> None:
    postgres = address_of("MILLPOND_TEST_POSTGRES", "port", "user", "database")
    mysql = address_of("MILLPOND_TEST_MYSQL", "user", "password", "database")
    OUT.mkdir(parents=True, exist_ok=True)
    report = Report(sys.argv[1:])
    head = f"{'workload':52} {'peer':10} {'ratio':>8} {'floor':8} {'':8}"
    print(f"{head} {'millpond/s':>10} {'peer/s':>10}")
    with tempfile.TemporaryDirectory() as folder:
        sqlite = {"database": f"{folder}/bench.db"}
        databases = (("postgres", postgres), ("mysql", mysql), ("sqlite", sqlite))
        for kind, address in databases:
            first = SYNC_PEERS[kind][0]()
            first.open(address)
            make_tables(first)
            first.close()
            asyncio.run(run_async(kind, address, "asyncio", report))
            asyncio.run(run_cpu(kind, address, report))
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run_async(kind, address, "uvloop", report))
            run_sync(kind, address, report)
            run_memory(kind, address, report)
            run_lua(kind, address, report)
    run_c(report)
    waiting.run(report)
    if report.wants("entities"):
        entities.run(report)
    (OUT / "results.json").write_text(json.dumps(report.rows, indent=1))
    draw(report.rows)
    print(f"written: {OUT}/results.json and {OUT}/results.png")


if __name__ == "__main__":
    main()
