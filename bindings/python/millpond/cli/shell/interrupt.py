"""Ctrl-C ends what the shell does for its user, and never what it cleans up."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupts:
    """While it is entered, SIGINT raises KeyboardInterrupt inside ``allowed()`` only. One that
    comes elsewhere is kept for the next such block."""

    def __init__(self) -> None:
        self._is_allowed = False
        self._came = False
        self._before: signal.Handlers | object = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_allowed:
            self._is_allowed = False  # once: what follows is cleaning up
            raise KeyboardInterrupt
        self._came = True

    def forget(self) -> None:
        """One that came meant what is over now."""
        self._came = False

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Here one raises KeyboardInterrupt."""
        self._is_allowed = True
        try:
            if self._came:
                self._came = False
                raise KeyboardInterrupt
            yield
        finally:
            self._is_allowed = False


__all__ = ["Interrupts"]
