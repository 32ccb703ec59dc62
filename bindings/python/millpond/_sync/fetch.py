# Made of ../_async/fetch.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""What every connection can do on top of ``execute``: fetch in other shapes, transactions."""

from __future__ import annotations

from typing import Any

from ..execute import Params, SyncExecute, Tags
from ..rows import RowFactory, shape
from .stream import SyncStream
from .transaction import SyncTransaction


class SyncFetch(SyncExecute):
    """Part of :class:`SyncConnection`."""

    __slots__ = ()

    def fetch_all(
        self,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
        *,
        row_factory: RowFactory | None = None,
    ) -> list[Any]:
        """All rows of a statement.

        Args:
            sql, params, timeout (seconds), tags: as for ``execute``.
            row_factory: the shape of a row: ``millpond.dict_row``, ``millpond.namedtuple_row``, or
                a function that takes the columns' names and returns a function of a row's tuple.
                None: the database's ``row_factory``, or tuples.

        Raises: what ``execute`` raises.
        """
        factory = row_factory or self._row_factory
        if factory is None:
            rows = self.execute(sql, params, timeout, tags)
        else:
            rows = self._execute_plain(sql, params, timeout, tags)
        return shape(rows, rows.columns, factory)  # type: ignore[no-any-return]

    def fetch_one(
        self,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
        *,
        row_factory: RowFactory | None = None,
    ) -> Any:
        """The first row, or None where there is none. The others are read and dropped: write
        ``LIMIT 1`` where there may be many. Arguments and errors: as ``fetch_all``."""
        factory = row_factory or self._row_factory
        if factory is None:
            rows = self.execute(sql, params, timeout, tags)
        else:
            rows = self._execute_plain(sql, params, timeout, tags)
        return shape(rows[:1], rows.columns, factory)[0] if rows else None

    def fetch_value(
        self, sql: str, params: Params = None, timeout: float | None = None, tags: Tags = None
    ) -> Any:
        """The first column of the first row, or None where there is no row. Arguments and errors:
        as ``execute``."""
        if self._row_factory is None:
            rows = self.execute(sql, params, timeout, tags)
        else:
            rows = self._execute_plain(sql, params, timeout, tags)
        return rows[0][0] if rows else None

    def stream(
        self,
        sql: str,
        params: Params = None,
        batch: int = 1000,
        timeout: float | None = None,
        tags: Tags = None,
        *,
        row_factory: RowFactory | None = None,
    ) -> SyncStream:
        """The rows of a statement one by one: ``for row in conn.stream(sql): ...``.

        Args:
            sql, params, tags: as for ``execute``.
            row_factory: as for ``fetch_all``.
            batch: rows that are read from the database at a time.
            timeout: seconds for each batch. None: the config's.
        While the stream is open, other statements on this connection raise MisuseError. Leaving the
        loop early ends the stream before the next statement. Raises what ``execute`` raises, when
        the first or a later batch is read.
        """
        factory = row_factory or self._row_factory
        return SyncStream(self, batch, (sql, params, timeout, tags), factory)

    def transaction(
        self,
        isolation: str | None = None,
        read_only: bool = False,
        *,
        force_rollback: bool = False,
    ) -> SyncTransaction:
        """``with conn.transaction():`` commits at the end, or rolls back if an exception
        leaves the block. Inside an open transaction it makes a savepoint, and an exception undoes
        only what came after it.

        Args:
            isolation: ``"read uncommitted"``, ``"read committed"``, ``"repeatable read"`` or
                ``"serializable"``. None: the database's default. SQLite is always serializable.
            read_only: True: the database refuses writes inside.
            force_rollback: True: roll back in any case, for tests and trial runs.

        Raises:
            ArgumentError: there is no such isolation level.
            MisuseError: on entering, isolation or read_only inside an open transaction.
            What ``begin_transaction`` and ``commit_transaction`` raise. If rolling back fails after
                an exception, that exception is raised and the failure logged.
        """
        return SyncTransaction(self, isolation, read_only, force_rollback)


__all__ = ["Params", "SyncFetch", "Tags"]
