"""Web applications whose users see on any replica what they wrote, by a cookie."""

import asyncio
import threading
import wsgiref.simple_server
from collections.abc import AsyncIterator, Iterator
from typing import Any

import fastapi
import httpx
import millpond
import millpond.asgi
import millpond.wsgi
import pytest
from reading import hold_back, open_database, reads_go_to_replicas
from replica_set import ReplicaSet

pytestmark = pytest.mark.once


@pytest.fixture
async def db(postgres_replicas: ReplicaSet[Any]) -> AsyncIterator[millpond.ConnectionManager]:
    """A database whose replicas have an old name for good."""
    made = open_database(postgres_replicas.url, consistency="session")
    async with made.async_connection() as conn:
        await conn.save_entity("user", {"id": "1", "name": "old"})
    await reads_go_to_replicas(made)
    hold_back(postgres_replicas)
    yield made
    await made.close(timeout=10)


def application(db: millpond.ConnectionManager) -> fastapi.FastAPI:
    app = fastapi.FastAPI()
    app.add_middleware(millpond.asgi.SessionMiddleware, cookie="seen")

    @app.put("/name/{name}")
    async def rename(name: str) -> None:
        async with db.async_connection() as conn:
            await conn.save_entity("user", {"id": "1", "name": name})

    @app.get("/name")
    async def show() -> str:
        return str((await db.get_entity("user", "1"))["name"])

    @app.get("/blocking")
    def show_blocking() -> str:
        return str(db.get_entity("user", "1")["name"])

    return app


async def test_a_user_of_fastapi_sees_what_they_wrote(db: millpond.ConnectionManager) -> None:
    transport = httpx.ASGITransport(app=application(db))
    client = httpx.AsyncClient(transport=transport, base_url="https://test")
    other = httpx.AsyncClient(transport=transport, base_url="https://test")
    async with client, other:
        for name in ("first", "second"):
            answer = await client.put(f"/name/{name}")
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("seen=")
            assert "; HttpOnly" in cookie and "; Secure" in cookie and "SameSite=Lax" in cookie
            for path in ("/name", "/blocking"):
                assert (await client.get(path)).json() == name
        assert (await other.get("/name")).json() in ("old", "second")
        client.cookies.set("seen", "broken; or somebody else's", domain="test")
        client.cookies.set("theirs", "xyz", domain="test")
        answer = await client.put("/name/third")
        assert answer.status_code == 200


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def wsgi_server(db: millpond.ConnectionManager) -> Iterator[str]:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        name = environ["PATH_INFO"].rpartition("/")[2]
        if environ["REQUEST_METHOD"] == "PUT":
            with db.sync_connection() as conn:
                conn.save_entity("user", {"id": "1", "name": name})
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"done"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (
            db.get_entity("user", "1")["name"].encode() for _ in range(2)
        )  # later, piece by piece

    made = millpond.wsgi.SessionMiddleware(app, secure=False)
    with wsgiref.simple_server.make_server("127.0.0.1", 0, made, handler_class=QuietHandler) as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{it.server_port}"
        it.shutdown()
        thread.join()


async def test_a_user_of_a_wsgi_server_sees_what_they_wrote(wsgi_server: str) -> None:
    def use() -> None:
        with httpx.Client(base_url=wsgi_server, timeout=120) as client:
            for name in ("first", "second"):
                answer = client.put(f"/name/{name}")
                assert answer.headers["set-cookie"].startswith("millpond_session=")
                assert client.get("/name").text == name * 2
            client.cookies.set("millpond_session", "broken", domain="127.0.0.1")
            assert client.get("/name").status_code == 200

    await asyncio.to_thread(use)
