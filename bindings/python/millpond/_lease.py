"""One use of a connection of a backend in Python."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from . import _native
from ._open_stream import OpenStream
from ._plans import entity_schema
from .exceptions import MisuseError, StaleConnectionError
from .rows import RowFactory

_log = logging.getLogger("millpond.pool")


class Lease:
    """One use of one connection: from acquire to release."""

    __slots__ = (
        "__weakref__",
        "at_turn",
        "broken",
        "cache",
        "call",
        "cleaning",
        "connection",
        "ended",
        "held",
        "home",
        "host",
        "in_transaction",
        "late",
        "native",
        "owner",
        "process",
        "row_factory",
        "running",
        "stack",
        "stopping",
        "stream",
        "turn",
        "undoing",
    )

    def __init__(self, owner: Any, native: Any, connection: Any) -> None:
        self.owner = owner
        self.native = native
        self.host: Any = native._host
        self.cache = self.host.cache
        self.call = ""
        self.connection: Callable[[], Any] = weakref.ref(connection)
        asynchronous = self.host.to is not None
        self.home: Any = asyncio.get_running_loop() if asynchronous else threading.get_ident()
        self.process = os.getpid()
        self.turn = asyncio.Lock()
        self.at_turn: list[asyncio.Task[Any]] = []  # that have it, and what these call
        self.held: Any = None  # the core's request that stands for it
        self.late = False  # it is stopped because its time is over
        self.running = 0  # statements
        self.stack = _caller()
        self.ended = False  # its holder has released it
        self.cleaning = False  # the pool itself uses it
        self.broken = False
        self.stopping = False  # a statement of several rows
        self.in_transaction = False  # by begin_transaction()
        self.stream: OpenStream | None = None
        self.row_factory: RowFactory | None = None  # of the database that acquired it
        self.undoing: asyncio.Future[None] | None = None  # what was cancelled
        native.use = weakref.ref(self)
        self.host.lease = weakref.ref(self)

    @property
    def released(self) -> bool:
        """True once it was given back, or taken by a pool that closes."""
        return self.ended or not self.native.id

    def check(self) -> None:
        """Raises if the connection must not be used, or not here."""
        if self.process != os.getpid():
            raise MisuseError("this connection was made before a fork: acquire one in the child")
        if self.released and not self.cleaning:
            raise StaleConnectionError("the connection was given back to its pool: acquire one")
        if self.host.to is None:
            if self.home != threading.get_ident():
                raise MisuseError("this connection belongs to another thread: acquire one in each")
        elif asyncio._get_running_loop() is not self.home:
            raise MisuseError("this connection belongs to another event loop: acquire one in each")

    def note_transaction(self, is_open: bool) -> None:
        """The connection has begun, or ended, a transaction."""
        self.in_transaction = is_open
        self.native._tell_transaction(is_open)

    def schema(self) -> _native.Schema:
        """What is known of the database's entities, by all its connections."""
        if self.owner.schema is None:
            self.owner.schema = entity_schema(self.connection().parameter_converter)
        schema: _native.Schema = self.owner.schema
        return schema

    def give_back(self) -> None:
        """To the core, which closes it if it is broken."""
        self.host.broken |= self.broken
        self.note_transaction(False)
        if self.broken and self.native.id:
            self.native.close()
        self.native._release()

    def __del__(self) -> None:
        """The connection is gone. If nobody has released it, nobody knows its state either."""
        if getattr(self, "process", 0) != os.getpid() or self.ended or not self.native.id:
            return
        message = f"a connection was not released: acquired at {self.stack}"
        warnings.warn(message, ResourceWarning, stacklevel=2)
        _log.warning("a connection was dropped without being released: %s", self.stack)
        self.host.take_back(self.native)


def _caller() -> str:
    """Where outside of this package the connection was asked for."""
    frame = sys._getframe(1)
    here = __name__.partition(".")[0]
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in (
        here,
        "contextlib",
        "asyncio",
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
