"""What is longer or wider than the screen goes through a pager."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
from typing import IO

from ..visible import width


def default_command() -> str:
    """MILLPOND_PAGER, PAGER, or less; "" for none."""
    for name in ("MILLPOND_PAGER", "PAGER"):
        if name in os.environ:
            return os.environ[name]
    return "less" if shutil.which("less") else ""


class Pager(io.TextIOBase):
    """Standard output for one result. Leaving the pager early raises BrokenPipeError in ``write``.

    Args:
        command: "" for none.
    """

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)
        self._columns, self._lines = shutil.get_terminal_size()
        self._kept: list[str] = []
        self._height = 0
        self._process: subprocess.Popen[str] | None = None
        self._out: IO[str] = sys.stdout
        self._is_through = not self._command

    @property
    def is_open(self) -> bool:
        """True if a pager was started."""
        return self._process is not None

    def write(self, text: str) -> int:
        if self._is_through:
            return self._out.write(text)
        self._kept.append(text)
        self._height += text.count("\n")
        if self._height >= self._lines - 1 or width(text.rstrip("\n")) > self._columns:
            self._start()
        return len(text)

    def flush(self) -> None:
        if self._is_through:
            self._out.flush()

    def _start(self) -> None:
        environment = {"LESS": "-FSX", **os.environ}
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, text=True, env=environment, errors="replace"
            )
        except OSError as error:
            print(f"millpond: cannot start the pager: {error}", file=sys.stderr)
        else:
            assert self._process.stdin
            self._out = self._process.stdin
        self._pass_on()

    def _pass_on(self) -> None:
        self._is_through = True
        for text in self._kept:
            self._out.write(text)
        self._kept = []

    def finish(self) -> None:
        """All has come: wait until the pager is left."""
        if not self._is_through:
            self._pass_on()
        if self._process is None:
            self._out.flush()
            return
        with contextlib.suppress(BrokenPipeError):  # it was left before the end
            self._out.close()
        self._process.wait()


__all__ = ["Pager", "default_command"]
