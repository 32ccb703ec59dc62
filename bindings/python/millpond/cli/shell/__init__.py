r"""``shell``: a prompt for SQL, or SQL from arguments, a file or standard input."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

from ...database import ConnectionManager
from ...exceptions import Error
from ..messages import say
from ..output import Output
from .commands import Commands, Leave, UnreadableError, check_text, read_script
from .interrupt import Interrupts
from .items import Item, Items
from .read import reader_for
from .script import Script
from .session import Session

# Where the URL says nothing else: a person at a prompt has no hurry, and needs one connection.
DEFAULTS: dict[str, Any] = {
    "query_execution_timeout": 0,
    "pool_min_size": 0,
    "slow_query_threshold": 0,
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--command",
        dest="texts",
        action="append",
        metavar="SQL",
        help=r"execute this, which may be a command such as '\d fish', and exit; may be repeated",
    )
    parser.add_argument("-f", "--file", metavar="FILE", help="execute the statements of a file")
    parser.add_argument(
        "--stop-on-error", action="store_true", help="stop a script at its first error"
    )


def _is_closed(session: Session, sql: str) -> bool:
    """False where a literal or comment is still open."""
    try:
        session.conn.parameter_converter.convert_query_to_native(sql)
    except Error:
        return False
    return True


class Shell:
    """Reads, executes, shows.

    Args:
        session: where the statements go.
        stops: True: nothing is executed after an error.
    """

    def __init__(self, session: Session, stops: bool) -> None:
        self._session = session
        self._stops = stops
        self._script = Script(session.server, partial(_is_closed, session))
        self._commands = Commands(session, self.run_text)

    def run(self, item: Item) -> bool:
        """True if all of it went well. Raises Leave and KeyboardInterrupt."""
        if item.command:
            return self._commands.run(item.command)
        went_well = True
        for statement in item.statements:
            if not self._session.execute(statement, item.expanded):
                went_well = False
                if self._stops:
                    break
        return went_well

    def run_text(self, text: str) -> bool:
        """The same with all that a text has."""
        items = Items(self._script)
        went_well = True
        for item in items.add_text(text):
            went_well = self.run(item) and went_well
            if self._stops and not went_well:
                return False
        return self._run_rest(items) and went_well

    def run_input(self) -> bool:
        """Read until the end of the input. True if all went well."""
        items = Items(self._script)
        reader = reader_for(self._session, items)
        went_well = True
        while went_well or not self._stops or self._session.is_interactive:
            try:
                self._session.interrupts.forget()
                for item in reader.read():
                    went_well = self.run(item) and went_well
            except EOFError:
                break
            except KeyboardInterrupt:
                if not self._session.is_interactive:
                    raise
                items.drop()
        return self._end(items, went_well)

    def _end(self, items: Items, went_well: bool) -> bool:
        """A script's last statement may lack its semicolon; a person's is not finished."""
        if sys.stdin.isatty():
            if self._session.is_interactive:
                print()
            if items.text:
                say("an unfinished statement was dropped")
            return went_well or self._session.is_interactive
        if self._stops and not went_well:
            return False
        return self._run_rest(items) and went_well

    def _run_rest(self, items: Items) -> bool:
        """What has no semicolon behind it."""
        rest = items.rest()
        return _say_unfinished(items) if rest is None else self.run(rest)


def _say_unfinished(items: Items) -> bool:
    """True if nothing was left over."""
    if items.text:
        say(f"error: the input ends inside a statement, which is not executed: {items.text[:80]}")
    return not items.text


def _texts(arguments: argparse.Namespace) -> list[str] | None:
    """What the arguments say to execute."""
    texts: list[str] | None = arguments.texts
    for text in texts or ():
        check_text(text, "the argument of -c")
    if arguments.file is not None:
        texts = [*(texts or ()), read_script(arguments.file)]
    return texts


def _shell(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> int:
    try:
        return _run(arguments, db, out)
    except UnreadableError as error:
        say(f"millpond: error: {error}")
        return 1


def _run(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> int:
    texts = _texts(arguments)
    is_interactive = texts is None and sys.stdin.isatty() and sys.stdout.isatty()
    with Interrupts() as interrupts:
        session = Session(db, out, interrupts, is_interactive)
        shell = Shell(session, arguments.stop_on_error or bool(arguments.texts))
        try:
            if texts is None:
                return 0 if shell.run_input() else 1
            return 0 if all(map(shell.run_text, texts)) else 1
        except Leave:
            return 0
        finally:
            session.close()


COMMANDS = (("shell", "A prompt for SQL, or SQL from standard input.", _arguments, _shell),)
