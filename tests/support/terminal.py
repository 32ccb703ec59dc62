"""The command `millpond` at a terminal of its own."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

from forks import fork_with_terminal

MILLPOND = [sys.executable, "-m", "millpond"]


class Terminal:
    """The command with a terminal as its standard input, output and error."""

    def __init__(self, *arguments: str, home: Path, **variables: str) -> None:
        state = {"XDG_STATE_HOME": str(home), "TERM": "xterm"}
        environment = {**os.environ, **state, **variables}
        pid, self._fd = fork_with_terminal()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.execvpe(MILLPOND[0], [*MILLPOND, *arguments], environment)
        self._pid = pid
        self._code: int | None = None
        self.shown = ""
        self.found = ""  # what the last until() found
        self.raw = ""  # all that came

    def until(self, wanted: str, insist: str = "") -> None:
        """Read until something matches in what has not matched before.

        Args:
            insist: what is typed again while nothing comes.
        """
        deadline = time.monotonic() + 120
        while not (found := re.search(wanted, self.shown)):
            assert time.monotonic() < deadline, f"{wanted!r} does not come: {self.shown!r}"
            ready, _, _ = select.select([self._fd], [], [], 1)
            if not ready and insist:
                self.type(insist)
            if ready:
                try:
                    raw = os.read(self._fd, 65536).decode(errors="replace")
                except OSError as error:  # it has ended
                    raise AssertionError(f"{wanted!r} does not come: {self.shown!r}") from error
                self._answer(raw)
                self.raw += raw
                self.shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)
        self.found = found[0]
        self.shown = self.shown[found.end() :]

    def _answer(self, raw: str) -> None:
        if "\x1b[6n" in raw:  # where is the cursor?
            self.type("\x1b[1;1R")

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def enter(self, text: str) -> None:
        """Type a line."""
        self.type(f"{text}\r")

    def send(self, number: int) -> None:
        os.kill(self._pid, number)

    def number(self) -> int:
        """The number that comes next."""
        self.until(r"\d+(?=\D)")
        return int(self.found)

    def end(self) -> None:
        """Kill it if it still runs."""
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            self.wait()

    def wait(self) -> int:
        with contextlib.suppress(AssertionError):
            self.until("(?!)")  # what it still says would block it
        self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        os.close(self._fd)
        return self._code
