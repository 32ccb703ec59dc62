r"""Commands with a backslash: ``\?`` lists them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...exceptions import Error
from ..messages import say
from .catalog import Section, name_of
from .session import Session

HELP = r"""\?                   this help
\q                   leave; so does Ctrl-D
\d                   tables, views and sequences
\d NAME              columns, indexes and keys of a table or view
\dt, \dv, \di [NAME] tables, views, indexes; * and ? in a name are wild
\l                   databases
\x [on|off|auto]     show the fields of a row one below the other; auto: if rows are too wide
\timing [on|off]     show how long statements take
\pager [on|off|COMMAND]
                     where long results go
\i FILE              execute the statements of a file
\conninfo            where this shell is connected to

A statement ends with ; or with \G to show its rows as \x does. Ctrl-C drops what is being typed,
or stops the statement that runs; an open transaction stays open. In the prompt * says that a
transaction is open, and ! that only ROLLBACK ends it."""

Run = Callable[[str], bool]


class Leave(Exception):
    """The user wants to go."""


class UnreadableError(Exception):
    """Statements cannot be read from where they are."""


def read_script(path: str) -> str:
    """The text of a file of statements. Raises UnreadableError, which says why not."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableError(f"the file {path} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 at byte {error.start + 1}"
        raise UnreadableError(f"the file {path} cannot be read: {reason}") from error
    except ValueError as error:
        raise UnreadableError(f"the file {path} cannot be read: {error}") from error


def check_text(text: str, what: str) -> str:
    """The text. Raises UnreadableError if bytes that are no characters have come through in it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnreadableError(f"{what} is not UTF-8") from error
    return text


class Commands:
    """What a session can do beside SQL.

    Args:
        session: what the commands look at and set.
        run_text: executes the statements of a text; True if all went well.
    """

    def __init__(self, session: Session, run_text: Run) -> None:
        self._session = session
        self._run_text = run_text
        self._known: dict[str, Callable[[str], bool]] = {
            "?": self._help,
            "h": self._help,
            "help": self._help,
            "q": self._leave,
            "quit": self._leave,
            "d": self._describe,
            "dt": lambda name: self._list("t", name),
            "dv": lambda name: self._list("v", name),
            "di": lambda name: self._list("i", name),
            "l": self._databases,
            "x": self._expand,
            "timing": self._timing,
            "pager": self._pager,
            "i": self._include,
            "conninfo": self._where,
        }

    def run(self, command: str) -> bool:
        """True if it went well; what went wrong is told. Raises Leave and KeyboardInterrupt."""
        name, _, argument = command[1:].rstrip("; ").partition(" ")
        known = self._known.get(name)
        if known is None:
            say(f"error: there is no command \\{name}: \\? lists all")
            return False
        try:
            return known(argument.strip())
        except Error as error:
            say(f"error: {error}")
            self._session.note_failure()
            return False

    # ---- Looking -------------------------------------------------------------------------

    def _help(self, argument: str) -> bool:
        with self._session.paged() as out:
            out.line(HELP)
        return True

    def _rows(self, sql: str, params: list[object]) -> bool:
        with self._session.interrupts.allowed():
            rows = self._session.conn.execute(sql, tuple(params))
        with self._session.paged() as out:
            out.rows(rows.columns, rows)
        return True

    def _list(self, kinds: str, argument: str) -> bool:
        name = name_of(argument) if argument else None
        return self._rows(*self._session.catalog.listing(kinds, name))

    def _databases(self, argument: str) -> bool:
        return self._rows(self._session.catalog.databases, [])

    def _describe(self, argument: str) -> bool:
        if not argument:
            return self._list("tvs", "")
        session = self._session
        name = name_of(argument)
        with session.interrupts.allowed():
            is_pattern = not name.is_quoted and not {"*", "?"}.isdisjoint(argument)
            sections = None if is_pattern else session.catalog.describe(session.conn, name)
        if is_pattern:
            return self._list("tvs", argument)
        if sections is None:
            say(f"error: there is no table or view {argument}: \\d lists all")
            return False
        if session.out.as_json:
            session.out.json({part.title: _as_json(part) for part in sections})
            return True
        with session.paged() as out:
            for number, part in enumerate(sections):
                if number:
                    out.line(f"\n{part.title}:")
                    for (line,) in part.rows:
                        out.text(str(line), "  ")
                else:
                    out.rows(part.columns, part.rows)
        return True

    def _where(self, argument: str) -> bool:
        session = self._session
        config = session.db.config()
        facts = {"server": session.server, "database": session.database}
        facts |= {name: config[name] for name in ("host", "port", "user") if config[name]}
        session.out.facts(facts)
        return True

    # ---- Setting -------------------------------------------------------------------------

    def _leave(self, argument: str) -> bool:
        raise Leave

    def _expand(self, argument: str) -> bool:
        wanted = argument or ("on" if self._session.expanded == "off" else "off")
        if wanted not in ("on", "off", "auto"):
            say(f"error: \\x takes on, off or auto, not {wanted}")
            return False
        self._session.expanded = wanted
        return self._tell(f"expanded: {wanted}")

    def _timing(self, argument: str) -> bool:
        wanted = argument or ("off" if self._session.timing else "on")
        if wanted not in ("on", "off"):
            say(f"error: \\timing takes on or off, not {wanted}")
            return False
        self._session.timing = wanted == "on"
        return self._tell(f"timing: {wanted}")

    def _pager(self, argument: str) -> bool:
        from .pager import default_command

        if argument == "off" or (not argument and self._session.pager):
            self._session.pager = ""
        elif argument in ("", "on"):
            self._session.pager = default_command()
        else:
            self._session.pager = argument
        return self._tell(f"pager: {self._session.pager or 'off'}")

    def _tell(self, line: str) -> bool:
        if not self._session.out.as_json:
            self._session.out.line(line)
        return True

    def _include(self, argument: str) -> bool:
        if not argument:
            say("error: \\i takes the name of a file")
            return False
        try:
            text = read_script(argument)
        except UnreadableError as error:
            say(f"error: {error}")
            return False
        return self._run_text(text)


def _as_json(part: Section) -> object:
    if part.columns:
        return [dict(zip(part.columns, row, strict=True)) for row in part.rows]
    return [line for (line,) in part.rows]


__all__ = ["HELP", "Commands", "Leave", "UnreadableError", "check_text", "read_script"]
