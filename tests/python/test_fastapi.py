"""The FastAPI example, served by uvicorn, under load from a real HTTP client, and shut down."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import running

pytestmark = [pytest.mark.slow, pytest.mark.once]

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"


class Server:
    """uvicorn with the example, in a process of its own."""

    def __init__(self, loop: str, url: str) -> None:
        self.address = f"http://127.0.0.1:{running.free_port()}"
        port = self.address.rpartition(":")[2]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-X", "dev", "-m", "uvicorn", "fastapi_app:app"),
                *("--port", port, "--loop", loop, "--log-level", "warning"),
            ],
            cwd=EXAMPLES,
            env={**os.environ, "DATABASE_URL": url},
            stderr=subprocess.PIPE,
            text=True,
        )

    async def ready(self, client: httpx.AsyncClient) -> None:
        for _ in range(1200):
            try:
                assert (await client.get(f"{self.address}/health")).json() == {"healthy": True}
                return
            except httpx.ConnectError:
                assert self.process.poll() is None, self.process.communicate()[1]
                await asyncio.sleep(0.1)
        pytest.fail("the server does not answer")

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, complaints = self.process.communicate(timeout=180)
        return self.process.returncode, complaints


@pytest.fixture(params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made = Server(request.param, f"sqlite:///{tmp_path}/app.db")
    yield made
    made.process.kill()
    made.process.wait()


async def add_and_read(client: httpx.AsyncClient, address: str, number: int) -> None:
    answer = await client.post(f"{address}/notes", json={"text": f"note {number}"})
    assert answer.status_code == 201, answer.text
    note: dict[str, Any] = answer.json()
    again = await client.get(f"{address}/notes/{note['id']}")
    assert again.json()["text"] == f"note {number}"


@pytest.mark.slow
async def test_it_serves_under_load_and_shuts_down_cleanly(server: Server) -> None:
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        await server.ready(client)
        await asyncio.gather(*(add_and_read(client, server.address, i) for i in range(200)))
        assert (await client.get(f"{server.address}/notes?limit=1000")).json()["count"] == 200
        assert (await client.get(f"{server.address}/notes/nobody")).status_code == 404
        metrics = (await client.get(f"{server.address}/metrics")).text
        assert "millpond" in metrics
    code, complaints = await asyncio.to_thread(server.stop)
    assert code in (0, -signal.SIGINT)
    assert "Traceback" not in complaints
    assert "ResourceWarning" not in complaints, complaints
    assert "was never" not in complaints
