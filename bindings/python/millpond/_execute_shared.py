"""What the asynchronous and the blocking half of a backend in Python share: placeholders, the
statement cache, the lease, and the errors of a driver in millpond's terms."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import logging
import math
from collections.abc import (
    Coroutine,
    Iterator,
    Sequence,
)
from typing import Any, TypeVar

from . import _native
from ._answers import read_answer
from ._calls import Measured, _is_row, _measured, _prepared
from ._foreign import backend_parameter
from ._lease import Lease
from ._native import Result
from ._open_stream import OpenStream
from ._plans import entity_schema
from ._steps import Steps
from .exceptions import (
    ArgumentError,
    Error,
    MisuseError,
    ParameterError,
    QueryTimeoutError,
    SqlSyntaxError,
)
from .progress import joined
from .rows import RowFactory

Params = Sequence[Any] | None
Tags = dict[str, Any] | None
_Value = TypeVar("_Value")
_log = logging.getLogger("millpond.transaction")

#: True in the task that undoes what was cancelled, which others wait for.
_undoes = contextvars.ContextVar("_undoes", default=False)

#: The task whose turn it is, in what it calls.
_turn: contextvars.ContextVar[asyncio.Task[Any] | None] = contextvars.ContextVar(
    "_turn", default=None
)

#: A longer text is prepared each time: 256 of those that are kept take 8 MiB at most.
_MOST_KEPT = 32_768

#: What PostgreSQL would say, for drivers that have no SQLSTATE.
SQLSTATES = {
    "UniqueViolationError": "23505",
    "ForeignKeyViolationError": "23503",
    "NotNullViolationError": "23502",
    "CheckViolationError": "23514",
    "SqlSyntaxError": "42601",
    "UndefinedObjectError": "42P01",
    "DeadlockError": "40P01",
    "SerializationError": "40001",
    "ReadOnlyError": "25006",
}

INTERRUPT_EVERY = 0.02

#: What a backend defines, and is used as ``execute`` is: in turn, not after release, and with
#: errors of millpond.
TRANSACTION = ("begin_transaction", "commit_transaction", "rollback_transaction")


class _Backend:
    """What both kinds of connection share. Subclasses need not call ``__init__``: all is found when
    first asked for."""

    __slots__ = ()

    # ---- For a backend to override -------------------------------------------------------

    def _interrupt_statement(self) -> None:
        """Stop the running statement, which should then fail soon. Called from any thread. By
        default it does nothing: an asynchronous statement's task is cancelled instead, a
        synchronous one cannot be stopped."""

    def _translate_error(self, error: Exception) -> Exception:
        """The error of millpond that a driver's error amounts to; by default itself."""
        return error

    # ---- Shared ----------------------------------------------------------------------------

    def _can_interrupt(self) -> bool:
        own: Any = self._interrupt_statement
        return getattr(own, "__func__", own) is not _Backend._interrupt_statement

    def _seconds(self, timeout: float | None) -> float | None:
        """The call's timeout, or the configuration's; None for no limit."""
        if timeout is None:
            lease = self._lease_of()
            return (lease.owner._manager.query_execution_timeout or None) if lease else None
        if not isinstance(timeout, (int, float)) or math.isnan(timeout) or timeout <= 0:
            raise ArgumentError(
                f"timeout must be a positive number of seconds or None, not {timeout!r}"
            )
        return float(timeout) if math.isfinite(timeout) else None

    def _plan(self, *args: Any, **options: Any) -> _native.Plan:
        """What an entity call does; the schema's cache is that of the database."""
        lease = self._lease_of()
        if lease is not None:
            return lease.schema().plan(*args, **options)
        return entity_schema(self.parameter_converter).plan(*args, **options)  # type: ignore[attr-defined]

    def _native_statement(self, sql: str, params: Params, tags: Tags) -> tuple[str, Any]:
        if not isinstance(sql, str):
            raise ParameterError(f"sql must be a str, not {type(sql).__name__}")
        if not sql.strip():
            raise SqlSyntaxError("the statement is empty")
        if params is not None and not _is_row(params):
            kind = type(params).__name__
            remedy = (
                "write ? in the statement for each value, instead of :name or %(name)s, and pass "
                "the values in their order"
                if isinstance(params, dict)
                else "write (value,) for one"
            )
            raise ParameterError(f"params must be a tuple or list, not {kind}: {remedy}")
        if tags is not None and not isinstance(tags, dict):
            raise ParameterError(f"tags must be a dict, not {type(tags).__name__}")
        converter = self.parameter_converter  # type: ignore[attr-defined]
        given = tuple(map(backend_parameter, params or (), itertools.count(1)))
        native, native_params = converter.convert_query_to_native(sql, given)
        comment = converter.get_comment_sql(tags) if tags else None
        return (f"{native}\n{comment}" if comment else native), native_params

    def _translated(self, error: Exception, row: int | None) -> Exception:
        """A driver's error as one of millpond's, which names the failing row of several."""
        made = error if isinstance(error, Error) else self._translate_error(error)
        if isinstance(made, Error) and not made.sqlstate:
            made.sqlstate = SQLSTATES.get(type(made).__name__, "")
        if made is not error:
            made.__cause__ = error
        if row is not None and isinstance(made, Error):
            made.row = row
            made.args = (f"row {row}: {made}",)
        return made

    def _lease_of(self) -> Lease | None:
        """How the connection was acquired; None for one that was made by hand."""
        return getattr(self, "_lease", None)

    @property
    def _row_factory(self) -> RowFactory | None:
        """The database's, for the rows of statements."""
        lease = self._lease_of()
        return None if lease is None else lease.row_factory

    @_row_factory.setter
    def _row_factory(self, factory: RowFactory | None) -> None:
        lease = self._lease_of()
        if lease is not None:
            lease.row_factory = factory

    @property
    def id(self) -> int:
        """A number that no two open connections share; 0 once released."""
        lease = self._lease_of()
        return id(self) if lease is None else 0 if lease.ended else lease.native.id

    @property
    def _fresh(self) -> bool:
        """True for a session whose hooks are still to run."""
        lease = self._lease_of()
        return lease is not None and lease.native._fresh

    def _set_up(self) -> None:
        """The hooks have run."""
        lease = self._lease_of()
        if lease is not None:
            lease.native._set_up()

    def _note_transaction(self, verb: str) -> None:
        lease = self._lease_of()
        if lease is not None:
            lease.note_transaction(verb == TRANSACTION[0])

    def _check_lease(self) -> Lease | None:
        lease = self._lease_of()
        if lease is not None:
            lease.check()
            if lease.stream is not None and not lease.stream.over:
                raise MisuseError(
                    "a stream is open on this connection: read it to its end or close it, or use "
                    "another connection"
                )
        return lease

    def _open_stream(self) -> OpenStream:
        lease = self._lease_of()
        if lease is not None:
            lease.check()
        if lease is None or lease.stream is None or lease.stream.over:
            raise MisuseError("no stream is open on this connection")
        return lease.stream

    def _mark_broken(self) -> None:
        """A statement goes on though it was told to stop: nobody may use the connection again."""
        lease = self._lease_of()
        if lease is not None:
            lease.broken = True

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """No further row is begun inside."""
        lease = self._lease_of()
        if lease is not None:
            lease.stopping = True
        try:
            yield
        finally:
            if lease is not None:
                lease.stopping = False

    @contextlib.contextmanager
    def _being_late(self) -> Iterator[None]:
        """What ends inside was stopped because its time is over."""
        lease = self._lease_of()
        if lease is not None:
            lease.late = True
        try:
            yield
        finally:
            if lease is not None:
                lease.late = False

    def _check_stopping(self) -> None:
        lease = self._lease_of()
        if lease is not None and lease.stopping:
            raise QueryTimeoutError("stopped between two rows")

    def _timed(self, sql: str, tags: Tags) -> contextlib.AbstractContextManager[None]:
        """A statement runs inside: it is counted and timed."""
        lease = self._lease_of()
        return _measured(lease, sql, tags) if lease else contextlib.nullcontext()

    def _timed_async(self, sql: str, tags: Tags, work: Coroutine[Any, Any, _Value]) -> Any:
        """The same for the work of a statement, once it has its turn."""
        lease = self._lease_of()
        return Measured(lease, sql, tags, work) if lease else work

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """A statement runs inside: a pool that closes must know."""
        lease = self._lease_of()
        if lease is None:
            yield
            return
        lease.running += 1
        try:
            yield
        finally:
            lease.running -= 1

    def _prepare_steps(self, prepare: Any, native: str) -> Steps[Any]:
        """The statement of the connection's cache, or a new one."""
        lease = self._lease_of()
        if lease is None:
            return _prepared((yield prepare(native)), native)
        cache = lease.cache
        key = cache.hash(native)
        found = cache.get(key)
        if found is not None:
            return found[0]
        statement = _prepared((yield prepare(native)), native)
        if len(native) <= _MOST_KEPT:
            cache.put(key, statement, native)
        return statement

    def _one(
        self,
        prepare: Any,
        run: Any,
        run_limit: Any,
        sql: str,
        params: Params,
        limit: str | None,
        tags: Tags,
    ) -> Steps[Result]:
        native, native_params = self._native_statement(sql, params, tags)
        try:
            if limit:
                yield run_limit((yield from self._prepare_steps(prepare, limit)), [])
            statement = yield from self._prepare_steps(prepare, native)
            return (yield from read_answer((yield run(statement, native_params))))
        except Exception as error:
            raise self._translated(error, None) from error.__cause__

    def _each(
        self, prepare: Any, run: Any, sql: str, rows: Sequence[Params], tags: Tags, first_row: int
    ) -> Steps[Result]:
        answers = []
        for number, row in enumerate(rows, first_row):
            try:
                self._check_stopping()
                native, params = self._native_statement(sql, row, tags)
                statement = yield from self._prepare_steps(prepare, native)
                answers.append((yield from read_answer((yield run(statement, params)))))
            except Exception as error:
                raise self._translated(error, number) from error.__cause__
        return joined(answers)
