"""The command ``millpond``: look at a database, and at what millpond keeps in it.

Exit codes: 0, all went well; 1, the database refused or cannot be reached; 2, the command is wrong;
130, interrupted. Errors go to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from .. import __version__
from ..database import ConnectionManager, connect
from ..exceptions import ArgumentError, Error
from .output import Output

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def _parser() -> argparse.ArgumentParser:
    from . import bench, entities, look, shell

    parser = argparse.ArgumentParser(prog="millpond", description="Look at a database.")
    parser.add_argument("--version", action="version", version=f"millpond {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (look, shell, bench, entities):
        for name, about, add, run in module.COMMANDS:
            command = commands.add_parser(name, help=about, description=about)
            command.add_argument("url", metavar="URL", help="such as postgres://me@localhost/shop")
            command.add_argument("--json", action="store_true", help="print JSON")
            add(command)
            command.set_defaults(run=run)
    return parser


async def _run(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> int:
    try:
        code: int | None = await arguments.run(arguments, db, out)
        return code or OK
    finally:
        await db.close_pool(config_hash=db.hash(), timeout=5)


def _complain(message: object) -> None:
    print(f"millpond: error: {message}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code.

    Args:
        argv: the arguments after the command's name. None: those of the process.
    """
    try:
        arguments: Any = _parser().parse_args(argv)
    except SystemExit as error:  # argparse has said why
        return error.code if isinstance(error.code, int) else WRONG
    try:
        db = connect(arguments.url)
    except ArgumentError as error:
        _complain(error)
        return WRONG
    except Error as error:
        _complain(error)
        return FAILED
    try:
        return asyncio.run(_run(arguments, db, Output(arguments.json)))
    except (Error, OSError) as error:
        _complain(error)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


__all__ = ["main"]
