"""The middlewares for web applications: cookies, and which code has the session."""

import asyncio
import logging
import wsgiref.util
from collections.abc import Iterator
from typing import Any

import fastapi
import httpx
import millpond.asgi
import millpond.wsgi
import pytest
from millpond import ArgumentError, Session

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def token() -> str:
    """Of a session that has seen something."""
    return SEEN


#: A token as core/topology makes them.
SEEN = "1~7123456789.l3_c16_lB374D848"


def asgi_client(app: Any, **attributes: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=millpond.asgi.SessionMiddleware(app, **attributes))
    return httpx.AsyncClient(transport=transport, base_url="https://test")


def application(seen: str) -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.get("/current")
    async def current() -> str | None:
        session = Session.current()
        return session and session.token

    @app.get("/blocking")
    def blocking() -> str | None:
        session = Session.current()
        return session and session.token

    @app.get("/write")
    async def write() -> None:
        session = Session.current()
        assert session is not None
        session.merge(seen)

    @app.websocket("/socket")
    async def socket(it: fastapi.WebSocket) -> None:
        await it.accept()
        assert Session.current() is not None
        await it.send_text("hello")
        await it.close()

    return app


async def test_each_request_has_a_session_of_its_own(token: str) -> None:
    async with asgi_client(application(token)) as client:
        nothing = Session().token
        answers = [await client.get(path) for path in ("/current", "/blocking") * 2]
        assert [answer.json() for answer in answers] == [nothing] * 4
        assert not any("set-cookie" in answer.headers for answer in answers)
    assert Session.current() is None


async def test_the_cookie_brings_the_session_back(token: str) -> None:
    async with asgi_client(application(token)) as client:
        answer = await client.get("/write")
        seen = client.cookies["millpond_session"]
        assert seen != Session().token
        attributes = answer.headers["set-cookie"].split("; ")[1:]
        assert set(attributes) == {"Path=/", "SameSite=Lax", "Secure", "HttpOnly"}
        again = await client.get("/current")
        assert again.json() == seen
        assert "set-cookie" not in again.headers  # the browser has it


async def test_a_cookie_that_is_broken_or_foreign_is_dropped(token: str) -> None:
    async with asgi_client(application(token)) as client:
        for header in (
            "millpond_session=nonsense",
            "millpond_session=",
            "millpond_session",
            'millpond_session="1"',
            "millpond_session=\xff\xfe; other=1",
            ";;;=;",
            "millpond_session=" + "9" * 100_000,
        ):
            sent = {"cookie": header.encode("latin-1")}
            answer = await client.get("/current", headers=sent)
            assert (answer.status_code, answer.json()) == (200, Session().token)
            assert (await client.get("/write", headers=sent)).headers["set-cookie"]


async def test_of_two_cookies_both_count(token: str) -> None:
    async with asgi_client(application(token)) as client:
        both = {"cookie": f"millpond_session=nonsense; millpond_session={token}"}
        seen = (await client.get("/current", headers=both)).json()
        merged = Session()
        merged.merge(token)
        assert seen == merged.token


async def test_the_cookie_can_be_changed(token: str) -> None:
    how: dict[str, Any] = {"cookie": "seen", "path": "/shop", "domain": "test", "max_age": 60}
    how |= {"secure": False, "httponly": False, "samesite": "strict"}
    async with asgi_client(application(token), **how) as client:
        header = (await client.get("/write")).headers["set-cookie"]
    name, *attributes = header.split("; ")
    assert name.startswith("seen=")
    assert set(attributes) == {"Path=/shop", "SameSite=Strict", "Domain=test", "Max-Age=60"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cookie": "a b"}, "cannot be the name of a cookie"),
        ({"cookie": ""}, "cannot be the name of a cookie"),
        ({"cookie": "a=b"}, "cannot be the name of a cookie"),
        ({"path": "/; HttpOnly"}, "path must be text that a cookie can have"),
        ({"domain": "a\r\nSet-Cookie: b"}, "domain must be text that a cookie can have"),
        ({"samesite": "loose"}, 'samesite must be "Lax", "Strict" or "None"'),
        ({"samesite": "none", "secure": False}, 'samesite="None" needs secure=True'),
        ({"max_age": "soon"}, "max_age must be a number of seconds"),
    ],
)
def test_attributes_that_no_cookie_can_have_are_refused(wrong: Any, message: str) -> None:
    for middleware in (millpond.asgi.SessionMiddleware, millpond.wsgi.SessionMiddleware):
        with pytest.raises(ArgumentError, match=message):
            middleware(lambda *_: None, **wrong)


async def test_a_token_too_long_for_a_cookie_is_told(
    token: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond._session_cookie.MOST", 20)
    async with asgi_client(application(token)) as client:
        with caplog.at_level(logging.WARNING, "millpond.session"):
            answer = await client.get("/write")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "too long for a cookie" in caplog.text


async def test_other_scopes_pass() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], Session.current()))

    async def nothing(*_: Any) -> Any:
        return {}

    await millpond.asgi.SessionMiddleware(app)({"type": "lifespan"}, nothing, nothing)
    assert seen == [("lifespan", None)]


async def test_a_websocket_gets_its_cookie_as_it_is_accepted(token: str) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        session = Session.current()
        assert session is not None
        session.merge(token)
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})

    scope = {"type": "websocket", "headers": []}
    await millpond.asgi.SessionMiddleware(app)(scope, receive, send)
    ((name, value),) = sent[0]["headers"]
    assert (name, value.split(b"=")[0]) == (b"set-cookie", b"millpond_session")
    assert sent[1] == {"type": "websocket.send", "text": "hello"}


# ---- WSGI --------------------------------------------------------------------------------


def call(app: Any, cookie: str = "") -> tuple[dict[str, str], bytes]:
    environ: dict[str, Any] = {"HTTP_COOKIE": cookie} if cookie else {}
    wsgiref.util.setup_testing_defaults(environ)
    found: list[Any] = []
    body = app(environ, lambda *answer: found.append(answer))
    data = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return dict(found[0][1]), data


def test_a_wsgi_application_has_the_session_while_it_runs(token: str) -> None:
    closed: list[Any] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield str(Session.current()).encode()

        def close(self) -> None:
            closed.append(Session.current())

    def app(environ: Any, start_response: Any) -> Any:
        session = Session.current()
        assert session is not None
        session.merge(token)
        start_response("200 OK", [("X-Mine", "1")])
        return Body()

    headers, data = call(millpond.wsgi.SessionMiddleware(app))
    assert headers["X-Mine"] == "1"
    value = headers["Set-Cookie"].partition(";")[0].removeprefix("millpond_session=")
    assert data.decode() == value
    assert str(closed[0]) == value
    again, _ = call(millpond.wsgi.SessionMiddleware(app), f"a=b; millpond_session={value}")
    assert "Set-Cookie" not in again
    assert Session.current() is None


def test_a_list_of_pieces_stays_a_list() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"a", b"b"]

    made = millpond.wsgi.SessionMiddleware(app)
    assert made({"HTTP_COOKIE": "millpond_session=broken"}, lambda *_: None) == [b"a", b"b"]


def test_a_failing_application_leaves_its_session() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        millpond.wsgi.SessionMiddleware(app)({}, lambda *_: None)
    assert Session.current() is None


async def test_requests_at_the_same_time_do_not_mix(token: str) -> None:
    async with asgi_client(application(token)) as client:

        async def one(path: str) -> Any:
            return await client.get(path)

        answers = await asyncio.gather(*(one(p) for p in ("/write", "/current") * 10))
    assert all(answer.status_code == 200 for answer in answers)
