"""Sessions for web applications on WSGI, such as Flask and Django."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._native import Session
from ._session_cookie import SessionCookie


class _Body:
    """A response whose pieces are made one by one: each with the session."""

    def __init__(self, session: Session, body: Iterable[bytes]) -> None:
        self._session = session
        self._body = body
        self._pieces = iter(body)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._session:
            return next(self._pieces)

    def close(self) -> None:
        with self._session:
            getattr(self._body, "close", lambda: None)()


class SessionMiddleware:
    """Gives each request a :class:`Session`, which a cookie brings back with the next::

        app = millpond.wsgi.SessionMiddleware(app)

    Arguments, cookie and errors are those of :class:`asgi.SessionMiddleware`.
    """

    def __init__(
        self, app: Callable[..., Any], cookie: str = "millpond_session", **attributes: Any
    ) -> None:
        self._app = app
        self._cookie = SessionCookie(cookie, **attributes)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        session, before = self._cookie.session(environ.get("HTTP_COOKIE", ""))

        def start(status: str, headers: list[tuple[str, str]], *failure: Any) -> Any:
            header = self._cookie.header(session, before)
            cookie = [] if header is None else [("Set-Cookie", header)]
            return start_response(status, [*headers, *cookie], *failure)

        with session:
            body: Iterable[bytes] = self._app(environ, start)
        return body if isinstance(body, (list, tuple)) else _Body(session, body)


__all__ = ["SessionMiddleware"]
