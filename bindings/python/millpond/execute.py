"""``execute`` for connections that are written in Python.

A backend says how to prepare and how to run a statement; this adds the rest: placeholders, tags,
the statement cache, timeouts that stop the work, and results that know their columns.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import math
import threading
import types
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Coroutine,
    Iterator,
    Sequence,
)
from typing import TYPE_CHECKING, Any, TypeVar

from . import _native
from ._answers import read_answer
from ._calls import _called, _check_batch, _check_rows, _is_row, _measured, _Nothing, _prepared
from ._native import Result
from ._open_stream import OpenStream
from ._plans import entity_schema, pause_async, pause_sync, run_plan
from ._steps import Steps, run_async, run_sync, to_its_end
from ._undo import GRACE
from .exceptions import (
    ArgumentError,
    ConnectionLostError,
    Error,
    MisuseError,
    ParameterError,
    QueryTimeoutError,
    SqlSyntaxError,
    UnsupportedError,
)
from .progress import Progress, executemany_as_they_come, executemany_in_pieces, joined
from .rows import RowFactory, reshape

if TYPE_CHECKING:
    from .backend import Lease

Params = Sequence[Any] | None
Tags = dict[str, Any] | None
_Value = TypeVar("_Value")
_log = logging.getLogger("millpond.transaction")

#: True in the task that undoes what was cancelled, which others wait for.
_undoes = contextvars.ContextVar("_undoes", default=False)

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

    def _plan(self, *args: Any) -> _native.Plan:
        """What an entity call does; the schema's cache is that of the database."""
        lease = self._lease_of()
        if lease is not None:
            return lease.schema().plan(*args)
        return entity_schema(self.parameter_converter).plan(*args)  # type: ignore[attr-defined]

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
        native, native_params = converter.convert_query_to_native(sql, tuple(params or ()))
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
        return id(self) if lease is None else 0 if lease.released else id(lease.raw)

    @property
    def _fresh(self) -> bool:
        """True for a session whose hooks are still to run."""
        lease = self._lease_of()
        return lease is not None and lease.fresh

    def _set_up(self) -> None:
        """The hooks have run."""
        lease = self._lease_of()
        if lease is not None:
            lease.fresh = False
            lease.owner._set_up.add(id(lease.raw))

    def _note_transaction(self, verb: str) -> None:
        lease = self._lease_of()
        if lease is not None:
            lease.in_transaction = verb == TRANSACTION[0]

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

    def _check_stopping(self) -> None:
        lease = self._lease_of()
        if lease is not None and lease.stopping:
            raise QueryTimeoutError("stopped between two rows")

    def _timed(self, sql: str, tags: Tags) -> contextlib.AbstractContextManager[None]:
        """A statement runs inside: it is counted and timed."""
        lease = self._lease_of()
        return _measured(lease, sql, tags) if lease else contextlib.nullcontext()

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
        self, prepare: Any, run: Any, sql: str, rows: Sequence[Params], tags: Tags
    ) -> Steps[Result]:
        answers = []
        for number, row in enumerate(rows):
            try:
                self._check_stopping()
                native, params = self._native_statement(sql, row, tags)
                statement = yield from self._prepare_steps(prepare, native)
                answers.append((yield from read_answer((yield run(statement, params)))))
            except Exception as error:
                raise self._translated(error, number) from error.__cause__
        return joined(answers)


#: What a backend defines, and is used as ``execute`` is: in turn, not after release, and with
#: errors of millpond.
TRANSACTION = ("begin_transaction", "commit_transaction", "rollback_transaction")


def _guarded_async(method: Any) -> Any:
    @functools.wraps(method)
    async def guarded(self: AsyncExecute) -> None:
        async def run() -> None:
            await method(self)
            self._note_transaction(method.__name__)

        self._check_lease()
        try:
            await self._settled(run())
        except Exception as error:
            raise self._translated(error, None) from error.__cause__

    return guarded


def _after_undoing(in_transaction: Any) -> Any:
    @functools.wraps(in_transaction)
    async def asked(self: AsyncExecute) -> bool:
        await self._undone()
        return bool(await in_transaction(self))

    return asked


def _guarded_sync(method: Any) -> Any:
    @functools.wraps(method)
    def guarded(self: SyncExecute) -> None:
        self._check_lease()
        try:
            method(self)
            self._note_transaction(method.__name__)
        except Exception as error:
            raise self._translated(error, None) from error.__cause__

    return guarded


# ---- Asynchronous ----------------------------------------------------------------------------


class AsyncExecute(_Backend):
    """Part of :class:`AsyncConnection`."""

    __slots__ = ()

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name in TRANSACTION:
            if isinstance(vars(cls).get(name), types.FunctionType):
                setattr(cls, name, _guarded_async(vars(cls)[name]))
        if isinstance(vars(cls).get("in_transaction"), types.FunctionType):
            setattr(cls, "in_transaction", _after_undoing(vars(cls)["in_transaction"]))  # noqa: B010

    async def _prepare_statement_async(self, native_sql: str) -> Any:
        """Make of SQL what ``_execute_statement_async`` takes; by default the SQL itself. The
        result is kept in the connection's statement cache."""
        return native_sql

    async def _execute_statement_async(self, statement: Any, params: Any = None) -> Any:
        """Run a prepared statement. Returns what the driver answers with.

        That may be a cursor with ``description`` and ``fetchall()``; an iterable, or asynchronous
        iterable, of rows that know their columns: dicts, ``sqlite3.Row``, named tuples, records
        with ``keys()``; a :class:`Result`; None, a number of rows or a command's tag for a
        statement without rows. Plain tuples do for ``execute`` alone: entity calls and
        ``row_factory`` need the columns' names, and raise UnsupportedError without them."""
        raise NotImplementedError(
            f"{type(self).__name__} must define _execute_statement_async(statement, params)"
        )

    async def execute(
        self,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
        *,
        row_factory: RowFactory | None = None,
    ) -> Result:
        """Execute one statement.

        Args:
            sql: one statement with ``?`` placeholders.
            params: tuple or list, one value for each placeholder.
            timeout: seconds for the whole call, the database's work included. None: the config's.
            tags: dict, sent as a comment in the statement.
            row_factory: the shape of a row; as for :meth:`fetch_all`.

        Returns a list of tuples with the attributes ``columns`` (tuple of str), ``rowcount`` (int)
        and ``lastrowid`` (int or None).

        Raises:
            ParameterError, ValueRangeError: before anything is sent.
            QueryTimeoutError: after the database's work was stopped; the connection is usable.
            ConnectionLostError: before the statement could have had an effect.
            UnknownOutcomeError: the connection was lost when it might have had one.
            What the database answers.
        """
        rows = await self._execute_plain(sql, params, timeout, tags)
        return reshape(rows, row_factory or self._row_factory)  # type: ignore[no-any-return]

    async def _execute_shaped(
        self, *args: Any, row_factory: RowFactory | None = None, **keywords: Any
    ) -> Result:
        """``execute`` of a native connection, where rows are to be no tuples."""
        rows = await self._execute_plain(*args, **keywords)
        return reshape(rows, row_factory or self._row_factory)  # type: ignore[no-any-return]

    async def _execute_plain(
        self, sql: str, params: Params = None, timeout: float | None = None, tags: Tags = None
    ) -> Result:
        """``execute`` with rows as tuples."""
        self._check_lease()
        seconds = self._seconds(timeout)
        limit = self.parameter_converter.get_timeout_sql(seconds)  # type: ignore[attr-defined]
        run = self._execute_statement_async
        steps = self._one(self._prepare_statement_async, run, run, sql, params, limit, tags)
        with self._timed(sql, tags):
            return await self._within(seconds, run_async(steps))

    async def fetch_arrow(
        self, sql: str, params: Params = None, timeout: float | None = None, tags: Tags = None
    ) -> Any:
        """The rows in Arrow's form: an object with ``__arrow_c_stream__``. The library's own
        connections have it; a backend whose driver can do it overrides this.

        Raises:
            UnsupportedError: it does not.
        """
        raise UnsupportedError(f"{type(self).__name__} has no fetch_arrow()")

    async def _stream_statement_async(
        self, statement: Any, params: Any = None, batch: int = 1000
    ) -> AsyncIterator[Result]:
        """Run a prepared statement and yield its rows, ``batch`` at a time: each a Result with the
        columns' names, and only the last with fewer rows. By default all rows come at once."""
        answer = await self._execute_statement_async(statement, params)
        yield await run_async(read_answer(answer))

    async def _stream(
        self,
        batch: int,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
    ) -> Result:
        """The first batch of a stream."""
        _check_batch(batch)
        lease = self._check_lease()
        if lease is None:
            return await self._execute_plain(sql, params, timeout, tags)
        seconds = self._seconds(timeout)
        limit = self.parameter_converter.get_timeout_sql(seconds)  # type: ignore[attr-defined]

        def run(statement: Any, native_params: Any) -> Awaitable[Result]:
            batches = self._stream_statement_async(statement, native_params, batch)
            lease.stream = OpenStream(batches, batch)
            return lease.stream.next()

        execute = self._execute_statement_async
        ways = (self._prepare_statement_async, run, execute)
        with self._timed(sql, tags):
            return await self._within(
                seconds, run_async(self._one(*ways, sql, params, limit, tags))
            )

    async def _fetch(self, timeout: float | None, /) -> Result:
        """The next batch of the open stream."""
        stream = self._open_stream()
        return await self._within(self._seconds(timeout), self._translating(stream.next()))

    async def _translating(self, work: Awaitable[_Value]) -> _Value:
        try:
            return await work
        except Exception as error:
            raise self._translated(error, None) from error.__cause__

    def _release(self) -> Awaitable[None]:
        """Give it back to its pool."""
        lease = self._lease_of()
        if lease is None:
            raise MisuseError("this connection was not acquired from a database: close it")
        return lease.owner.release(self)

    def _end_stream(self) -> Awaitable[None]:
        """End the open stream, if any, even if nobody awaits what this returns."""
        lease = self._lease_of()
        stream = lease.stream if lease else None
        if lease is None or stream is None:
            return _Nothing()
        lease.stream = None
        if asyncio._get_running_loop() is not lease.home:  # the collector of garbage came by here
            lease.broken = True
            return _Nothing()
        task = asyncio.ensure_future(self._in_turn(stream.close()))
        lease.owner._closing.add(task)
        task.add_done_callback(lease.owner._closing.discard)
        return task

    def _entity(self, *args: Any) -> Awaitable[Any]:
        plan = self._plan(*args)
        return run_async(_called(self._lease_of(), plan, run_plan(self, plan, pause_async)))

    async def executemany(
        self,
        sql: str,
        param_list: Sequence[Sequence[Any]] | AsyncIterable[Sequence[Any]],
        timeout: float | None = None,
        tags: Tags = None,
        *,
        progress: Progress | None = None,
    ) -> Result:
        """The statement for each row of parameters: all or nothing, in a transaction of its own
        unless one is open.

        Args:
            sql, timeout, tags: as for ``execute``; the timeout is for the whole call.
            param_list: list of tuples or lists, or an asynchronous iterable of them, of which no
                more than 1,000 are in memory. It is closed at the end.
            progress: called with a number of rows whenever so many more are done, such as the
                ``update`` of a tqdm bar. An open transaction gets a savepoint then.

        Returns the rows of all executions, and the sum of their ``rowcount``. An error names the
        failing row, from 0.
        Raises: what ``execute`` raises.
        """
        self._check_lease()
        if isinstance(param_list, AsyncIterable):
            return await executemany_as_they_come(self, sql, param_list, timeout, tags, progress)
        _check_rows(param_list)
        if progress is not None:
            steps = executemany_in_pieces(self, sql, param_list, timeout, tags, progress)
            return await run_async(steps)
        seconds = self._seconds(timeout)
        steps = self._each(
            self._prepare_statement_async, self._execute_statement_async, sql, param_list, tags
        )
        with self._timed(sql, tags):
            if await self.in_transaction():  # type: ignore[attr-defined]
                return await self._within(seconds, run_async(steps))
            async with self.transaction():  # type: ignore[attr-defined]
                return await self._within(seconds, run_async(steps))

    async def _within(self, seconds: float | None, work: Coroutine[Any, Any, _Value]) -> _Value:
        """The work's outcome, if it ends in time; else it is stopped first."""
        task = asyncio.ensure_future(self._in_turn(work))
        with self._at_work():
            try:
                done, _ = await asyncio.wait({task}, timeout=seconds)
            except asyncio.CancelledError:
                await self._stop(task)
                raise
            unsent = not done and self._waits(task)
            if not done:
                await self._stop(task)
        if not done:
            why = ": it was not sent, since another statement was running" if unsent else ""
            raise QueryTimeoutError(f"timed out after {seconds:g} s{why}")
        return task.result()

    async def _in_turn(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        """Statements on one connection run one after another."""
        lease = self._lease_of()
        if lease is None:
            return await work
        try:
            await self._undone()
            await lease.turn.acquire()
        except BaseException:
            work.close()
            raise
        try:
            lease.current = asyncio.current_task()
            return await work
        finally:
            lease.current = None
            lease.turn.release()

    def _undo_soon(self, work: Coroutine[Any, Any, None]) -> bool:
        """Have it done before whatever comes next, while nobody waits: who was cancelled goes on.
        False if that cannot be, since the connection was made by hand."""
        lease = self._lease_of()
        if lease is None:
            work.close()
            return False
        lease.undoing = asyncio.ensure_future(self._within_grace(work))
        return True

    async def _within_grace(self, work: Coroutine[Any, Any, None]) -> None:
        """If it does not come back soon, or fails, nobody may use the connection again."""
        _undoes.set(True)
        task = asyncio.ensure_future(work)
        done: set[asyncio.Task[None]] = set()
        try:
            done, _ = await asyncio.wait({task}, timeout=GRACE)
        finally:
            error = task.exception() if done and not task.cancelled() else None
            if not done or task.cancelled() or error is not None:
                task.cancel()
                self._mark_broken()
            if error is not None:
                _log.warning("rolling back what was cancelled failed: %s", error)

    async def _undone(self) -> None:
        """What was cancelled before is undone first."""
        lease = self._lease_of()
        if lease is None or lease.undoing is None or _undoes.get():
            return
        while not lease.undoing.done():
            await asyncio.wait({lease.undoing})
        if lease.broken and not lease.cleaning:
            raise ConnectionLostError(
                "this connection was lost, so release it and acquire another: what was cancelled "
                "could not be rolled back"
            )

    async def _stop(self, task: asyncio.Task[Any]) -> None:
        """End it, for as long as it takes but no longer than the grace. Left halfway, a statement
        whose interrupt was lost would go on with nobody there to stop it."""
        await to_its_end(self._stop_at_once(task))

    async def _stop_at_once(self, task: asyncio.Task[Any]) -> None:
        if self._waits(task) or not self._can_interrupt():
            task.cancel()
        else:
            with self._stopping():
                await self._interrupt_until_done(task)
        await self._settle(task)

    async def _settle(self, task: asyncio.Task[Any]) -> None:
        """Wait for it during the grace."""
        done, _ = await asyncio.wait({task}, timeout=GRACE)
        if not done:
            task.cancel()
            self._mark_broken()
        elif not task.cancelled():
            task.exception()  # of no interest any more

    async def _settled(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        """The work's outcome. If it has begun, a cancel waits for it: half a commit is no use."""
        task = asyncio.ensure_future(self._in_turn(work))
        with self._at_work():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                if self._waits(task):
                    task.cancel()
                await to_its_end(self._settle(task))
                raise
        return task.result()

    def _waits(self, task: asyncio.Task[Any]) -> bool:
        """True while another statement has its turn."""
        lease = self._lease_of()
        return lease is not None and lease.current is not task

    async def _interrupt_until_done(self, task: asyncio.Task[Any]) -> None:
        """An interrupt between two calls of the driver is lost: try again."""
        for _ in range(int(GRACE / INTERRUPT_EVERY)):
            self._interrupt_statement()
            done, _ = await asyncio.wait({task}, timeout=INTERRUPT_EVERY)
            if done:
                return


# ---- Synchronous -----------------------------------------------------------------------------


class SyncExecute(_Backend):
    """Part of :class:`SyncConnection`."""

    __slots__ = ()

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name in TRANSACTION:
            if isinstance(vars(cls).get(name), types.FunctionType):
                setattr(cls, name, _guarded_sync(vars(cls)[name]))

    def _prepare_statement_sync(self, native_sql: str) -> Any:
        """As :meth:`AsyncConnection._prepare_statement_async`."""
        return native_sql

    def _execute_statement_sync(self, statement: Any, params: Any = None) -> Any:
        """Run a prepared statement; as :meth:`AsyncConnection._execute_statement_async`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define _execute_statement_sync(statement, params)"
        )

    def execute(
        self,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
        *,
        row_factory: RowFactory | None = None,
    ) -> Result:
        """Execute one statement; as :meth:`AsyncConnection.execute`."""
        rows = self._execute_plain(sql, params, timeout, tags)
        return reshape(rows, row_factory or self._row_factory)  # type: ignore[no-any-return]

    def _execute_shaped(
        self, *args: Any, row_factory: RowFactory | None = None, **keywords: Any
    ) -> Result:
        """As :meth:`AsyncConnection._execute_shaped`."""
        rows = self._execute_plain(*args, **keywords)
        return reshape(rows, row_factory or self._row_factory)  # type: ignore[no-any-return]

    def _execute_plain(
        self, sql: str, params: Params = None, timeout: float | None = None, tags: Tags = None
    ) -> Result:
        """``execute`` with rows as tuples."""
        self._check_lease()
        seconds = self._seconds(timeout)
        limit = self.parameter_converter.get_timeout_sql(seconds)  # type: ignore[attr-defined]
        with self._timed(sql, tags), self._within(seconds):
            run = self._execute_statement_sync
            steps = self._one(self._prepare_statement_sync, run, run, sql, params, limit, tags)
            return run_sync(steps)

    def fetch_arrow(
        self, sql: str, params: Params = None, timeout: float | None = None, tags: Tags = None
    ) -> Any:
        """The rows in Arrow's form: an object with ``__arrow_c_stream__``. The library's own
        connections have it; a backend whose driver can do it overrides this.

        Raises:
            UnsupportedError: it does not.
        """
        raise UnsupportedError(f"{type(self).__name__} has no fetch_arrow()")

    def _stream_statement_sync(
        self, statement: Any, params: Any = None, batch: int = 1000
    ) -> Iterator[Result]:
        """As :meth:`AsyncConnection._stream_statement_async`."""
        yield run_sync(read_answer(self._execute_statement_sync(statement, params)))

    def _stream(
        self,
        batch: int,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
    ) -> Result:
        """As :meth:`AsyncConnection._stream`."""
        _check_batch(batch)
        lease = self._check_lease()
        if lease is None:
            return self._execute_plain(sql, params, timeout, tags)
        seconds = self._seconds(timeout)
        limit = self.parameter_converter.get_timeout_sql(seconds)  # type: ignore[attr-defined]

        def run(statement: Any, native_params: Any) -> Result:
            batches = self._stream_statement_sync(statement, native_params, batch)
            lease.stream = OpenStream(batches, batch)
            return lease.stream.next_sync()

        execute = self._execute_statement_sync
        ways = (self._prepare_statement_sync, run, execute)
        with self._timed(sql, tags), self._within(seconds):
            return run_sync(self._one(*ways, sql, params, limit, tags))

    def _fetch(self, timeout: float | None, /) -> Result:
        """The next batch of the open stream."""
        stream = self._open_stream()
        with self._within(self._seconds(timeout)):
            try:
                return stream.next_sync()
            except Exception as error:
                raise self._translated(error, None) from error.__cause__

    def _check(self) -> bool:
        """True if the connection can still be used."""
        lease = self._lease_of()
        return lease is None or not (lease.released or lease.broken)

    def _release(self) -> None:
        """Give it back to its pool."""
        lease = self._lease_of()
        if lease is None:
            raise MisuseError("this connection was not acquired from a database: close it")
        lease.owner.release_sync(self)

    def _end_stream(self) -> None:
        """End the open stream, if any."""
        lease = self._lease_of()
        if lease is not None and lease.stream is not None:
            stream, lease.stream = lease.stream, None
            stream.close_sync()

    def _entity(self, *args: Any) -> Any:
        plan = self._plan(*args)
        return run_sync(_called(self._lease_of(), plan, run_plan(self, plan, pause_sync)))

    def executemany(
        self,
        sql: str,
        param_list: Sequence[Sequence[Any]],
        timeout: float | None = None,
        tags: Tags = None,
        *,
        progress: Progress | None = None,
    ) -> Result:
        """The statement for each row of parameters; as :meth:`AsyncConnection.executemany`."""
        self._check_lease()
        _check_rows(param_list)
        if progress is not None:
            steps = executemany_in_pieces(self, sql, param_list, timeout, tags, progress)
            return run_sync(steps)
        seconds = self._seconds(timeout)
        steps = self._each(
            self._prepare_statement_sync, self._execute_statement_sync, sql, param_list, tags
        )
        with self._timed(sql, tags):
            if self.in_transaction():  # type: ignore[attr-defined]
                with self._within(seconds):
                    return run_sync(steps)
            with self.transaction(), self._within(seconds):  # type: ignore[attr-defined]
                return run_sync(steps)

    @contextlib.contextmanager
    def _within(self, seconds: float | None) -> Iterator[None]:
        """Stop what is run inside when the time is over."""
        with self._at_work(), self._limit(seconds):
            yield

    @contextlib.contextmanager
    def _limit(self, seconds: float | None) -> Iterator[None]:
        if seconds is None or not self._can_interrupt():
            yield
            return
        late = threading.Event()
        over = threading.Event()

        def stop() -> None:
            late.set()
            with self._stopping():
                while not over.wait(INTERRUPT_EVERY):
                    self._interrupt_statement()

        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if late.is_set():
                message = f"timed out after {seconds:g} s"
                raise QueryTimeoutError(message) from error
            raise
        finally:
            over.set()
            timer.cancel()
            timer.join()


__all__ = ["AsyncExecute", "Params", "SyncExecute", "Tags"]
