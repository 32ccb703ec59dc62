"""Forked processes: each has pools of its own, and leaves its parent's sessions alone."""

import asyncio
import gc
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import millpond
import pytest
from conftest import KINDS

SUPPORT = Path(__file__).parents[1] / "support"
SESSION = {
    "postgres": "SELECT pg_backend_pid()",
    "mysql": "SELECT connection_id()",
    "sqlite": "SELECT 0",
}
pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def visits(db: Any) -> str:
    with db.sync_connection() as conn:
        conn.execute("DROP TABLE IF EXISTS visits")
        conn.execute("CREATE TABLE visits (n integer)")
    return "visits"


# ---- multiprocessing ---------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_garbage() -> None:
    """What other tests left. A child that frees a database of DuckDB crashes: it joins threads that
    only the parent has."""
    gc.collect()


def work(db: Any, kind: str, kept: Any, answers: Any) -> None:
    """In a child, with what its parent had open."""
    with db.sync_connection() as conn:
        conn.execute("INSERT INTO visits VALUES (1)")
        sync = conn.fetch_value(SESSION[kind])

    async def ask() -> Any:
        async with db.async_connection() as conn:
            await conn.execute("INSERT INTO visits VALUES (1)")
            return await conn.fetch_value(SESSION[kind])

    try:
        kept.execute("SELECT 1")
        refusal = ""
    except millpond.MisuseError as error:
        refusal = str(error)
    answers.put((sync, asyncio.run(ask()), refusal))


def test_children_of_multiprocessing_have_their_own(visits: str, db: Any, kind: str) -> None:
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    with db.sync_connection() as kept:
        if kind != "sqlite":  # its begin would keep the children from writing
            kept.begin_transaction()
        mine = kept.fetch_value(SESSION[kind])
        kept.fetch_value("SELECT count(*) FROM visits")
        children = [fork.Process(target=work, args=(db, kind, kept, answers)) for _ in range(3)]
        for child in children:
            child.start()
        heard = [answers.get(timeout=60) for _ in children]
        for child in children:
            child.join(60)
            assert child.exitcode == 0
        assert all("forked" in refusal for _, _, refusal in heard), heard
        if kind != "sqlite":
            sessions = {mine, *(session for sync, other, _ in heard for session in (sync, other))}
            assert len(sessions) >= 4
            assert all(mine not in (sync, other) for sync, other, _ in heard)
        # the parent's session and its transaction are as they were
        assert kept.fetch_value(SESSION[kind]) == mine
        if kind != "sqlite":
            assert kept.in_transaction() is True
            kept.rollback_transaction()
    with db.sync_connection() as conn:
        assert conn.fetch_value("SELECT count(*) FROM visits") == 6


# ---- gunicorn ----------------------------------------------------------------------------


class Gunicorn:
    """It with two workers, forked once the application had used its pool."""

    def __init__(self, kind: str, settings: dict[str, Any], folder: Path) -> None:
        self.path = folder / "socket"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-X", "dev", "-m", "gunicorn", "prefork_app:app"),
                *("--preload", "--workers", "2", "--bind", f"unix:{self.path}"),
                *("--log-level", "warning", "--no-control-socket"),
            ],
            env={
                **os.environ,
                "PYTHONPATH": str(SUPPORT),
                "MILLPOND_TEST_PROGRAM": json.dumps([kind, settings]),
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def client(self) -> httpx.Client:
        """A new connection for each request, so that both workers get some."""
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.HTTPTransport(uds=str(self.path), limits=limits)
        return httpx.Client(transport=transport, base_url="http://here", timeout=60)

    def ready(self, client: httpx.Client) -> None:
        deadline = time.monotonic() + 60
        while not self.listens():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        client.get("/")

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        _, complaints = self.process.communicate(timeout=60)
        return self.process.returncode, complaints


@pytest.fixture
def gunicorn(visits: str, databases: Any, kind: str, tmp_path: Path) -> Iterator[Gunicorn]:
    made = Gunicorn(kind, databases.settings(kind), tmp_path)
    yield made
    made.process.kill()
    made.process.communicate()


def test_workers_of_gunicorn_have_their_own(gunicorn: Gunicorn, db: Any, kind: str) -> None:
    seen: dict[int, set[int]] = {}
    with gunicorn.client() as client:
        gunicorn.ready(client)
        count = 1
        while len(seen) < 2 or count < 100:
            answer = client.get("/").json()
            seen.setdefault(answer["pid"], set()).add(answer["session"])
            assert "forked" in answer["refusal"]
            assert kind == "sqlite" or answer["session"] != answer["parents"]
            count += 1
            assert count < 5000, "only one worker serves"
    code, complaints = gunicorn.stop()
    assert code == 0
    assert "Traceback" not in complaints, complaints
    if kind != "sqlite":
        assert not set.intersection(*seen.values())
    with db.sync_connection() as conn:
        assert conn.fetch_value("SELECT count(*) FROM visits") == count
