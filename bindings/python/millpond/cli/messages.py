"""What the command says on standard error, with nothing in it that controls a terminal."""

from __future__ import annotations

import logging
import sys

from .visible import visible_text


def say(message: object) -> None:
    print(visible_text(str(message)), file=sys.stderr, flush=True)


class _Log(logging.Handler):
    """The library's warnings, and what the server says beside its answers."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = "notice" if record.levelno < logging.WARNING else record.levelname.lower()
        say(f"{kind}: {record.getMessage()}")


def show_log(with_notices: bool) -> None:
    """Say the library's warnings here.

    Args:
        with_notices: what a server says beside its answers, too.
    """
    log = logging.getLogger("millpond")
    if not any(isinstance(handler, _Log) for handler in log.handlers):
        log.addHandler(_Log())
        log.propagate = False
    for driver in ("postgres", "mysql"):
        level = logging.INFO if with_notices else logging.WARNING
        logging.getLogger(f"millpond.{driver}").setLevel(level)


__all__ = ["say", "show_log"]
