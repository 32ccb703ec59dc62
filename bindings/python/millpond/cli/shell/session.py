"""One connection, what its user has set, and how statements run on it."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from typing import Any

from ...database import ConnectionManager
from ...exceptions import ConnectionLostError, Error, StaleConnectionError
from ..messages import say
from ..output import Output
from ..visible import visible, width
from .catalog import Catalog, catalog_of
from .describe import describe
from .interrupt import Interrupts
from .pager import Pager, default_command
from .raw import raw

_BATCH = 1000  # rows that are read, and shown, at a time

_COMMITS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:commit|end|prepare\s+transaction)\b", re.I | re.S
)

# After these, other names can be completed, and MySQL may use another database.
_DEFINES = re.compile(r"\s*(create|alter|drop|rename|attach|detach|use|set|rollback)\b", re.I)


class Session:
    """The shell's connection. One that is lost is replaced at the next statement.

    Attributes:
        timing, expanded ("on", "off" or "auto"), pager: what the user has set.
        database: the current one's name.
        is_stale: True after a statement that may have changed what ``words`` of the catalog says.
    """

    def __init__(
        self, db: ConnectionManager, out: Output, interrupts: Interrupts, is_interactive: bool
    ) -> None:
        self.db = db
        self.out = out
        self.interrupts = interrupts
        self.is_interactive = is_interactive
        self.timing = True
        self.expanded = "off"
        self.pager = default_command() if is_interactive else ""
        self.catalog: Catalog = catalog_of(db._driver)
        self.is_stale = True
        self._failed = False  # a statement of the open transaction
        self.conn: Any = db.get_sync_connection()
        self.server: str = self.conn.get_version_details()["db_server_version"]
        self.database = self._current_database()

    def _current_database(self) -> str:
        if self.catalog.current:
            with contextlib.suppress(Error):
                return str(self.conn.fetch_value(self.catalog.current) or "(none)")
        name = self.db.database()
        return name.rsplit("/", 1)[-1] if self.db._driver == "sqlite" else name

    @property
    def mark(self) -> str:
        """``*`` in a transaction, ``!`` in one that only a rollback ends."""
        if not self.in_transaction:
            return ""
        return "!" if self._failed else "*"

    @property
    def in_transaction(self) -> bool:
        try:
            return bool(self.conn.in_transaction())
        except Error:
            return False  # it went with its connection

    def close(self) -> None:
        """Roll back what is open, and say so; then let go of the connection."""
        if self.in_transaction:
            self._roll_back()
        with contextlib.suppress(Error):
            self.db.release_sync_connection()

    def _roll_back(self) -> None:
        try:
            self.conn.rollback_transaction()
        except Error as error:
            say(f"error: the open transaction is lost: {error}")
        else:
            say("the open transaction is rolled back: it was not committed")

    # ---- Statements ----------------------------------------------------------------------

    def execute(self, sql: str, expanded: bool = False) -> bool:
        """Execute a statement and show its rows. True if it went well; an error is told.

        Raises KeyboardInterrupt after Ctrl-C, when the statement has been stopped.
        """
        statement = raw(self.conn, sql)
        was_open = self.in_transaction
        try:
            self._show(statement.sql, expanded)
        except KeyboardInterrupt:
            if self.is_interactive:
                say("stopped")
            self._after_failure(was_open)
            raise
        except Error as error:
            say(describe(error, sql, statement.position(error.position)))
            self._after_failure(was_open, error)
            return False
        had_failed, self._failed = self._failed, False
        if had_failed and _COMMITS.match(sql):
            say(
                "error: nothing was committed: a statement of the transaction had failed, so the "
                "database has rolled it back"
            )
            return False
        if _DEFINES.match(sql):
            self.is_stale = True
            if self.catalog.current:
                self.database = self._current_database()
        return True

    def _after_failure(self, was_open: bool, error: Error | None = None) -> None:
        """Keep the user's place: the transaction, or another connection."""
        is_open = self.in_transaction
        # the server of PostgreSQL takes nothing but a rollback now
        has_answered = error is None or bool(error.sqlstate)
        self._failed = is_open and has_answered and self.db._driver == "postgres"
        if was_open and not is_open:
            say("the transaction is over: the database has rolled it back")
        if isinstance(error, (ConnectionLostError, StaleConnectionError)) or not self._is_usable():
            self._reconnect()

    def note_failure(self) -> None:
        """A statement of ours failed in the user's place."""
        self._after_failure(self.in_transaction)

    def _is_usable(self) -> bool:
        try:
            return bool(self.conn.id) and bool(self.conn._check())
        except Error:
            return False

    def _reconnect(self) -> None:
        try:
            self.conn = self.db.get_sync_connection()
        except Error as error:
            say(f"error: no new connection: {error}")
            return
        self.is_stale = True
        say("connected again: settings and temporary tables of the lost session are gone")

    def _show(self, sql: str, expanded: bool) -> None:
        started = time.perf_counter()
        with self.paged() as out, self.interrupts.allowed():
            columns, count = self._stream(sql, expanded, out)
            if not columns and out.as_json:
                out.json({"rowcount": count})
            if not out.as_json:
                out.line(self._summary(count, time.perf_counter() - started))

    def _stream(self, sql: str, expanded: bool, out: Output) -> tuple[tuple[str, ...], int]:
        """Show the rows as they come; their columns, and how many there were."""
        table = None
        count = 0
        with self.conn.stream(sql, batch=_BATCH) as stream:
            while True:
                batch = stream._next_batch()
                stream._take(batch)
                if table is None and not batch.columns:
                    return (), max(batch.rowcount, 0)
                if table is None:
                    table = out.begin(batch.columns, expanded or self._is_wide(batch))
                table.rows(batch)
                count += len(batch)
                if not batch._more:
                    table.end()
                    return batch.columns, count

    def _is_wide(self, batch: Any) -> bool:
        """True if the rows are shown one below the other."""
        if self.expanded != "auto":
            return self.expanded == "on"
        from ..output import text

        longest = [width(visible(column)) for column in batch.columns]
        for row in batch:
            sizes = (max(map(width, text(value).split("\n"))) for value in row)
            longest = list(map(max, longest, sizes))
        return sum(longest) + 2 * len(longest) > shutil.get_terminal_size().columns

    def _summary(self, count: int, seconds: float) -> str:
        told = f"{count} row{'' if count == 1 else 's'}"
        return f"({told}, {seconds * 1000:.1f} ms)" if self.timing else f"({told})"

    @contextlib.contextmanager
    def paged(self) -> Iterator[Output]:
        """Where a result goes: through the pager if it is long and people look."""
        if not self.pager:
            yield self.out
            return
        pager = Pager(self.pager)
        try:
            yield Output(self.out.as_json, pager)  # type: ignore[arg-type]
        except BrokenPipeError:
            if not pager.is_open:
                raise  # standard output itself
        finally:
            pager.finish()


__all__ = ["Session"]
