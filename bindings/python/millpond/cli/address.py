"""Which database: a URL that need not stand on the command line, where other users see it.

The arguments of a process are public on its machine. So the URL may come from the first line of
standard input (``-``) or from MILLPOND_URL, and the password from MILLPOND_PASSWORD or a prompt.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from typing import Any

from .. import _native
from ..database import ConnectionManager, connect
from ..exceptions import ArgumentError, AuthenticationError

HELP = (
    "such as postgres://me@localhost/shop; - reads it from the first line of standard input. "
    "Without it: the environment's MILLPOND_URL. Other users of this machine can see the "
    "arguments of a command: leave the password out, to be asked for it or to give it in "
    "MILLPOND_PASSWORD"
)

# What a server says that wants a password and got none.
_WANTS_PASSWORD = ("no password supplied", "using password: NO")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", nargs="?", help=HELP)
    parser.add_argument(
        "-W", "--password", action="store_true", help="ask for the password before connecting"
    )


def with_url(argv: Sequence[str]) -> list[str]:
    """The arguments of ``entities`` with MILLPOND_URL before the action, if there is no URL."""
    arguments = list(argv)
    if "entities" in arguments and os.environ.get("MILLPOND_URL"):
        first = arguments.index("entities") + 1
        while first < len(arguments) and arguments[first].startswith("-") and arguments[first][1:]:
            first += 1
        if first < len(arguments) and arguments[first] in ("list", "show", "history"):
            arguments.insert(first, os.environ["MILLPOND_URL"])
    return arguments


def _url(given: str | None) -> str:
    url = given or os.environ.get("MILLPOND_URL") or ""
    if not url:
        raise ArgumentError("no database was given: pass its URL, or set MILLPOND_URL")
    if given == "-":
        url = getpass.getpass("URL: ") if sys.stdin.isatty() else sys.stdin.readline()
    return url.strip()


class Address:
    """A database as the command line names it.

    Args:
        arguments: ``url`` and ``password``, parsed.
        defaults: settings that hold where the URL does not set them.
    """

    def __init__(self, arguments: Any, defaults: dict[str, Any]) -> None:
        self._url = _url(arguments.url)
        found = dict(_native.parse_url(self._url))
        self._settings = {name: defaults[name] for name in defaults.keys() - found.keys()}
        self._who = f"{found['user']}@" if found.get("user") else ""
        self._who += found.get("host") or "localhost"
        self._is_given = bool(found.get("password"))
        if not self._is_given and os.environ.get("MILLPOND_PASSWORD"):
            self._settings["password"] = os.environ["MILLPOND_PASSWORD"]
        if arguments.password:
            self.ask()
        elif self._is_given and self._url in sys.argv:
            _warn()

    def open(self) -> ConnectionManager:
        return connect(self._url, **self._settings)

    def ask(self) -> None:
        """Ask for the password at the terminal, even where standard input is something else."""
        self._is_given = True
        self._settings["password"] = getpass.getpass(f"Password for {self._who}: ")

    def may_ask(self, error: AuthenticationError) -> bool:
        """True if the server wants a password, and there is somebody to ask."""
        if self._is_given or "password" in self._settings or not sys.stdin.isatty():
            return False
        return any(words in str(error) for words in _WANTS_PASSWORD)


def _warn() -> None:
    if sys.stderr.isatty():
        print(
            "millpond: warning: other users of this machine can see the password in the URL: "
            "leave it out to be asked for it, or set MILLPOND_URL",
            file=sys.stderr,
        )


__all__ = ["HELP", "Address", "add_arguments", "with_url"]
