"""What was typed before, in a file that nobody else can read."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

_MOST = 10_000  # entries that are read

# What is likely to hold a password is not kept.
_SECRET = re.compile(
    r"""passw | passphrase | \bpwd | \bpass\b | identified | secret | credential | token
      | api_?key | pragma\s+(hex)?(re)?key | _(en|de)crypt\w*\s*\( | ://[^\s/:@]*:[^\s/@]+@""",
    re.I | re.X,
)


def history_path() -> Path:
    """The file, below XDG_STATE_HOME."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "millpond" / "history"


def is_secret(text: str) -> bool:
    """True if a text may hold a password."""
    return bool(_SECRET.search(text))


class History:
    """Texts that were typed, in the format of prompt_toolkit. What it must not keep, or cannot
    write, is forgotten at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_kept = False
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.chmod(0o700)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
            path.chmod(0o600)  # older versions left it to the umask
            self._is_kept = True
        except OSError as error:
            print(f"millpond: cannot save the history: {error}", file=sys.stderr)

    def load(self) -> list[str]:
        """The texts, the oldest first."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return []
        return list(_texts(lines))[-_MOST:]

    def add(self, text: str) -> None:
        if not self._is_kept or not text.strip() or is_secret(text):
            return
        entry = "".join(f"+{line}\n" for line in text.split("\n"))
        when = datetime.datetime.now()
        with contextlib.suppress(OSError), open(self._path, "ab") as file:
            file.write(f"\n# {when}\n{entry}".encode("utf-8", "replace"))


def _texts(lines: Iterable[str]) -> Iterable[str]:
    found: list[str] = []
    for line in lines:
        if line.startswith("+"):
            found.append(line[1:])
        elif found:
            yield "\n".join(found)
            found = []
    if found:
        yield "\n".join(found)


__all__ = ["History", "history_path", "is_secret"]
