"""The command ``millpond``: look at a database, and at what millpond keeps in it.

Exit codes: 0, all went well; 1, the database refused or cannot be reached; 2, the command is wrong;
130, interrupted. Errors go to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from .. import __version__
from ..database import ConnectionManager
from ..exceptions import ArgumentError, AuthenticationError, Error
from .address import Address, add_arguments, with_url
from .messages import say, show_log
from .output import Output

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
_NO_ANSWER = "no terminal to ask for the password"


def _add_json(parser: argparse.ArgumentParser, default: Any) -> None:
    parser.add_argument("--json", action="store_true", default=default, help="print JSON")


def _parser() -> argparse.ArgumentParser:
    from . import bench, entities, look, nodes, shell

    parser = argparse.ArgumentParser(prog="millpond", description="Inspect a database.")
    parser.add_argument("--version", action="version", version=f"millpond {__version__}")
    _add_json(parser, False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (look, nodes, shell, bench, entities):
        for name, about, add, run in module.COMMANDS:
            command = commands.add_parser(name, help=about, description=about)
            add_arguments(command)
            _add_json(command, argparse.SUPPRESS)  # or one before the command would be forgotten
            add(command)
            command.set_defaults(run=run, defaults=getattr(module, "DEFAULTS", {}))
    return parser


async def _run(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> int:
    try:
        code: int | None = await arguments.run(arguments, db, out)
        return code or OK
    finally:
        await db.close_pool(config_hash=db.hash(), timeout=5)


def _run_with(arguments: argparse.Namespace, address: Address) -> int:
    out = Output(arguments.json)
    try:
        db = address.open()
        if inspect.iscoroutinefunction(arguments.run):
            return asyncio.run(_run(arguments, db, out))
        with db:
            return int(arguments.run(arguments, db, out))
    except AuthenticationError as error:
        if not address.may_ask(error):
            raise
    address.ask()
    return _run_with(arguments, address)


def _complain(message: object) -> None:
    say(f"millpond: error: {message}")


def _prepare_streams() -> None:
    """What the terminal's encoding lacks is escaped, and is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave_pipe() -> None:
    """Nobody reads any more, which Python must not find out as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code.

    Args:
        argv: the arguments after the command's name. None: those of the process.
    """
    _prepare_streams()
    try:
        words = with_url(sys.argv[1:] if argv is None else argv)
        arguments: Any = _parser().parse_args(words)
    except SystemExit as error:  # argparse has said why
        return error.code if isinstance(error.code, int) else WRONG
    show_log(with_notices=arguments.command == "shell")
    try:
        address = Address(arguments, arguments.defaults)
        address.open()
    except (ArgumentError, EOFError) as error:
        _complain(str(error) or _NO_ANSWER)
        return WRONG
    except Error as error:
        _complain(error)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        return _run_with(arguments, address)
    except BrokenPipeError:
        _leave_pipe()
        return FAILED
    except EOFError:
        _complain(_NO_ANSWER)
        return WRONG
    except (Error, OSError) as error:
        _complain(error)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


__all__ = ["main"]
