"""A user's session in a cookie, for the middlewares."""

from __future__ import annotations

import logging
import re

from ._native import Session
from .exceptions import ArgumentError

_log = logging.getLogger("millpond.session")

#: What browsers keep of a cookie: name, value and attributes together.
MOST = 4096
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTRIBUTE = re.compile(r"[^\x00-\x20\x7f;,]*")
_SAME_SITE = ("Lax", "Strict", "None")


class SessionCookie:
    """The cookie's name and attributes; see :class:`asgi.SessionMiddleware`."""

    def __init__(
        self,
        cookie: str = "millpond_session",
        *,
        path: str = "/",
        domain: str | None = None,
        max_age: int | None = None,
        secure: bool = True,
        httponly: bool = True,
        samesite: str = "Lax",
    ) -> None:
        if not isinstance(cookie, str) or not _NAME.fullmatch(cookie):
            raise ArgumentError(f"{cookie!r} cannot be the name of a cookie")
        for name, text in (("path", path), ("domain", domain or "")):
            if not isinstance(text, str) or not _ATTRIBUTE.fullmatch(text):
                raise ArgumentError(f"{name} must be text that a cookie can have, not {text!r}")
        if not isinstance(samesite, str) or samesite.capitalize() not in _SAME_SITE:
            raise ArgumentError(f'samesite must be "Lax", "Strict" or "None", not {samesite!r}')
        if samesite.capitalize() == "None" and not secure:
            raise ArgumentError('samesite="None" needs secure=True: browsers drop it otherwise')
        if max_age is not None and (isinstance(max_age, bool) or not isinstance(max_age, int)):
            raise ArgumentError(f"max_age must be a number of seconds or None, not {max_age!r}")
        self._name = cookie
        attributes = [f"Path={path}", f"SameSite={samesite.capitalize()}"]
        attributes += [f"Domain={domain}"] if domain else []
        attributes += [f"Max-Age={max_age}"] if max_age is not None else []
        attributes += ["Secure"] if secure else []
        attributes += ["HttpOnly"] if httponly else []
        self._attributes = "; ".join(attributes)

    def session(self, header: str) -> tuple[Session, str]:
        """The session of a request by its Cookie header, and its token then. What is no token is
        dropped: the cookie may be another program's, or of a later version of this one."""
        session = Session()
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._name:
                try:
                    session.merge(value)
                except ArgumentError:
                    _log.debug("the cookie %s has no token, and is dropped", self._name)
        return session, session.token

    def header(self, session: Session, before: str) -> str | None:
        """The Set-Cookie header for a response; None if the browser has the token already."""
        token = session.token
        if token == before:
            return None
        text = f"{self._name}={token}; {self._attributes}"
        if len(text) <= MOST:
            return text
        _log.warning(
            "the token of a session is too long for a cookie (%d characters): the next request of "
            "its user may read what is older: keep session.token elsewhere",
            len(token),
        )
        return None


__all__ = ["SessionCookie"]
