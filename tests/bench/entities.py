"""Entities beside ORMs that keep a history, and beside what one would write by hand."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import millpond
from measure import side_by_side
from peers_entities import FIELDS, Continuum, Django, Tortoise, row_of

ROWS = 10_000
TASKS = 10
MANY_ROUNDS = 5  # after one that warms up the server, which grows its files then
ENTITY = "bench_entity"
KINDS = ("postgres", "mysql", "sqlite")
WORK = ("save", "change")

FLOORS = {
    ("entities postgres save, one at a time", "continuum"): 3.0,
    **{(f"entities {kind} {what} 10,000", "continuum"): 15.0 for kind in KINDS for what in WORK},
    **{(f"entities {kind} {what} 10,000", "by hand"): 0.333 for kind in KINDS for what in WORK},
    ("entities postgres get, 10 tasks", "raw select"): 0.6,
    ("entities postgres find 10,000", "continuum"): 5.0,
}


def _address(kind: str) -> dict[str, Any]:
    address: dict[str, Any] = json.loads(os.environ[f"MILLPOND_TEST_{kind.upper()}"])
    return {key: address[key] for key in ("host", "port", "user", "password", "database")}


def _url(kind: str, path: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{path / 'peer.db'}"
    at = _address(kind)
    driver = {"postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}[kind]
    return f"{driver}://{at['user']}:{at['password']}@{at['host']}:{at['port']}/{at['database']}"


def _open(kind: str, path: Path) -> millpond.ConnectionManager:
    settings = {"database": str(path / "mine.db")} if kind == "sqlite" else _address(kind)
    config = millpond.DatabaseConfig(**settings)
    return millpond.DatabaseFactory.create_database(kind, config)


async def _timed(work: Callable[[], Any], rounds: int = 3) -> list[float]:
    """Runs a second, of the fastest of a few."""
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        done = work()
        if isinstance(done, Awaitable):
            await done
        best = min(best, time.perf_counter() - started)
    return [1 / best]


# ---- By hand -----------------------------------------------------------------------------

_SQL_TYPES = {
    "postgres": "text,text,text,text,bigint,bigint,double precision,boolean,date,timestamp,text",
    "mysql": "varchar(255),longtext,longtext,longtext,bigint,bigint,double,boolean,date,"
    "datetime(6),longtext",
    "sqlite": "text,text,text,text,bigint,bigint,double,boolean,date,timestamp,text",
}


class ByHand:
    """A bulk upsert and a bulk insert of history, as one would write them for one table."""

    def __init__(self, conn: Any, kind: str) -> None:
        self.conn, self.kind = conn, kind
        self.types = _SQL_TYPES[kind].split(",")

    async def make(self) -> None:
        names = ("id", *FIELDS)
        columns = ",".join(f"{n} {t}" for n, t in zip(names, self.types, strict=True))
        for table, key in (("bench_hand", "id"), ("bench_hand_history", "id, version")):
            await self.conn.execute(f"DROP TABLE IF EXISTS {table}")
            await self.conn.execute(
                f"CREATE TABLE {table} ({columns}, version bigint, PRIMARY KEY ({key}))"
            )

    async def save_many(self, rows: list[dict[str, Any]]) -> None:
        names = ("id", *FIELDS)
        await self.conn.begin_transaction()
        if self.kind == "postgres":
            arrays = ",".join(f"CAST(? AS {t}[])" for t in self.types)
            sets = ",".join(f"{n} = excluded.{n}" for n in FIELDS)
            await self.conn.execute(
                f"INSERT INTO bench_hand SELECT s.*, 1 FROM unnest({arrays}) s ON CONFLICT (id) "
                f"DO UPDATE SET {sets}, version = bench_hand.version + 1",
                [[row[n] for row in rows] for n in names],
            )
        else:
            mysql = self.kind == "mysql"
            new = "VALUES({0})" if mysql else "excluded.{0}"
            sets = ",".join(f"{n} = {new.format(n)}" for n in FIELDS)
            clause = "ON DUPLICATE KEY UPDATE" if mysql else "ON CONFLICT (id) DO UPDATE SET"
            await self.conn.executemany(
                f"INSERT INTO bench_hand VALUES ({'?,' * len(names)} 1) {clause} {sets}, "
                f"version = bench_hand.version + 1",
                [tuple(row[n] for n in names) for row in rows],
            )
        await self._note([row["id"] for row in rows])
        await self.conn.commit_transaction()

    async def _note(self, ids: list[str]) -> None:
        copy = "INSERT INTO bench_hand_history SELECT * FROM bench_hand WHERE id"
        if self.kind == "postgres":
            await self.conn.execute(f"{copy} = ANY (?)", (ids,))
        elif self.kind == "sqlite":
            await self.conn.execute(
                f"{copy} IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
            )
        else:
            for at in range(0, len(ids), 1000):
                part = ids[at : at + 1000]
                await self.conn.execute(f"{copy} IN ({','.join('?' * len(part))})", part)


# ---- Workloads ---------------------------------------------------------------------------


async def _many(report: Any, kind: str, path: Path, peer: Continuum) -> None:
    """10,000 new entities, in tables that are made anew each round; then all changed."""
    db = _open(kind, path)
    async with db.async_connection() as conn:
        hand = ByHand(conn, kind)
        new = [await _round(conn, hand, 0, fresh=True) for _ in range(MANY_ROUNDS + 1)]
        _add_many(report, kind, "save", new[1:], await _continuum(peer, 0))
        changed = [await _round(conn, hand, number + 1) for number in range(MANY_ROUNDS)]
        _add_many(report, kind, "change", changed, await _continuum(peer, MANY_ROUNDS))
    await db.close_pool(db.hash())


def _rows(number: int) -> list[dict[str, Any]]:
    return [{**row_of(i), "size": i + number, "code": f"{number}"} for i in range(ROWS)]


async def _round(conn: Any, hand: ByHand, number: int, fresh: bool = False) -> tuple[float, float]:
    """Rows a second of ours, and by hand."""
    if fresh:
        await hand.make()
        for table in (ENTITY, f"{ENTITY}_history", f"{ENTITY}_meta"):
            await conn.execute(f"DROP TABLE IF EXISTS {table}")
        await conn.save_entity(ENTITY, row_of(ROWS))  # makes the tables
        await conn.delete_entity(ENTITY, row_of(ROWS)["id"], permanent=True)
    rows = _rows(number)
    [ours] = await _timed(lambda: conn.save_entities(ENTITY, rows), 1)
    [theirs] = await _timed(lambda: hand.save_many(rows), 1)
    return ROWS * ours, ROWS * theirs


async def _continuum(peer: Continuum, number: int) -> float:
    """Once: a round of it takes as long as all of ours together."""
    rows = _rows(number)
    [runs] = await _timed(lambda: peer.save_many(rows), 1)
    return ROWS * runs


def _add_many(
    report: Any, kind: str, what: str, rounds: list[tuple[float, float]], continuum: float
) -> None:
    workload = f"entities {kind} {what} {ROWS:,}"
    ours, theirs = ([*rates] for rates in zip(*rounds, strict=True))
    report.add(workload, {"millpond": ours, "by hand": theirs})
    report.add(workload, {"millpond": [statistics.median(ours)], "continuum": [continuum]})


async def _one(report: Any, db: Any, peer: Continuum) -> None:
    workload = "entities postgres save, one at a time"
    django = await asyncio.to_thread(Django, _address("postgres"))
    number = 0

    def next_row() -> dict[str, Any]:
        nonlocal number
        number += 1
        return {**row_of(number % 500), "size": number}

    async with db.async_connection() as conn:
        rates = await side_by_side(
            {
                "millpond": lambda: conn.save_entity(ENTITY, next_row()),
                "continuum": lambda: asyncio.sleep(0, peer.save(next_row())),
                "django": lambda: asyncio.to_thread(django.save, next_row()),
            },
            1,
        )
    report.add(workload, rates)


async def _get(report: Any, db: Any) -> None:
    at = _address("postgres")
    tortoise = Tortoise(
        f"asyncpg://{at['user']}:{at['password']}@{at['host']}:{at['port']}/{at['database']}"
    )
    await tortoise.open([row_of(i) for i in range(500)])
    key = row_of(7)["id"]
    sql = f"SELECT * FROM {ENTITY} WHERE id = ?"

    async def entity() -> None:
        async with db.async_connection() as conn:
            await conn.get_entity(ENTITY, key)

    async def raw() -> None:
        async with db.async_connection() as conn:
            await conn.execute(sql, (key,))

    steps = {"millpond": entity, "raw select": raw, "tortoise": lambda: tortoise.get(key)}
    report.add("entities postgres get, 10 tasks", await side_by_side(steps, TASKS))
    await tortoise.close()


async def _find(report: Any, db: Any, peer: Continuum) -> None:
    async with db.async_connection() as conn:
        await conn.execute("VACUUM FULL")  # of what the saves above left behind, ours and theirs
        rates = {
            "millpond": await _timed(lambda: conn.find_entities(ENTITY, deserialize=True), 5),
            "continuum": await _timed(peer.find, 5),
        }
    report.add("entities postgres find 10,000", rates)


async def _run(report: Any, path: Path) -> None:
    for kind in KINDS:
        peer = Continuum(_url(kind, path))
        try:
            await _many(report, kind, path, peer)
            if kind == "postgres":
                db = _open(kind, path)
                await _one(report, db, peer)
                await _get(report, db)
                await _find(report, db, peer)
        finally:
            peer.close()
            await millpond.PoolManager.close_pool(timeout=10)


def run(report: Any) -> None:
    """All workloads of entities."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(report, Path(folder)))
