"""Sessions for web applications on ASGI, such as FastAPI and Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ._session_cookie import SessionCookie

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class SessionMiddleware:
    """Gives each request a :class:`Session`, which a cookie brings back with the next::

        app.add_middleware(millpond.asgi.SessionMiddleware)

    So each user sees what they wrote, whichever process and replica answers. The cookie has the
    session's token at the time when the response begins: what a background task writes later is not
    in it. A cookie that is broken or another program's is dropped.

    Args:
        app: the application.
        cookie: the cookie's name.
        path, domain: which URLs get it. Default: all of this host.
        max_age: seconds that browsers keep it. None: until they are closed.
        secure: only over HTTPS. Set it to False to try it over plain HTTP.
        httponly: not for scripts of the page.
        samesite: ``"Lax"``, ``"Strict"`` or ``"None"``.

    Raises:
        ArgumentError: (a ValueError) one of these cannot be part of a cookie.
    """

    def __init__(self, app: App, cookie: str = "millpond_session", **attributes: Any) -> None:
        self._app = app
        self._cookie = SessionCookie(cookie, **attributes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        found = (value for name, value in scope["headers"] if name == b"cookie")
        session, before = self._cookie.session(b";".join(found).decode("latin-1"))

        async def send_with_cookie(message: MutableMapping[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                header = self._cookie.header(session, before)
                if header is not None:
                    cookie = (b"set-cookie", header.encode())
                    message = {**message, "headers": [*message.get("headers", ()), cookie]}
            await send(message)

        with session:
            await self._app(scope, receive, send_with_cookie)


__all__ = ["SessionMiddleware"]
