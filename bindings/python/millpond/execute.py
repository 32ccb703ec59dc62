"""``execute`` for connections that are written in Python.

A backend says how to prepare and how to run a statement; this adds the rest: placeholders, tags,
the statement cache, timeouts that stop the work, and results that know their columns.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
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
from typing import Any

from ._answers import read_answer
from ._async import pieces as _async_pieces
from ._async import plans as _async_plans
from ._calls import Nothing, _check_batch, _check_rows
from ._execute_shared import (
    INTERRUPT_EVERY,
    TRANSACTION,
    Params,
    Tags,
    _Backend,
    _log,
    _turn,
    _undoes,
    _Value,
)
from ._lease import Lease
from ._native import Result
from ._open_stream import OpenStream
from ._steps import run_async, run_async_made, run_sync, to_its_end
from ._sync import pieces as _sync_pieces
from ._sync import plans as _sync_plans
from ._undo import GRACE
from .exceptions import (
    ConnectionLostError,
    MisuseError,
    QueryTimeoutError,
    UnsupportedError,
)
from .progress import Progress
from .rows import RowFactory, reshape

__all__ = ["INTERRUPT_EVERY", "AsyncExecute", "Params", "SyncExecute", "Tags"]


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


@contextlib.contextmanager
def _has_turn(lease: Lease) -> Iterator[None]:
    """The current task runs a statement inside, as may tasks that it makes."""
    task = asyncio.current_task()
    assert task is not None
    lease.at_turn.append(task)
    token = _turn.set(task)
    try:
        yield
    finally:
        lease.at_turn.remove(task)
        with contextlib.suppress(ValueError):  # it ends in another context, as at its collection
            _turn.reset(token)  # else the task's own context would hold it, in a cycle


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


def _marked_async(close: Any) -> Any:
    @functools.wraps(close)
    async def closed(self: AsyncExecute) -> None:
        self._mark_broken()  # its pool must not lend it any more
        await close(self)

    return closed


def _marked_sync(close: Any) -> Any:
    @functools.wraps(close)
    def closed(self: SyncExecute) -> None:
        self._mark_broken()
        close(self)

    return closed


# ---- Asynchronous ----------------------------------------------------------------------------


class AsyncExecute(_Backend):
    """Part of :class:`AsyncConnection`."""

    __slots__ = ()

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name in TRANSACTION:
            if isinstance(vars(cls).get(name), types.FunctionType):
                setattr(cls, name, _guarded_async(vars(cls)[name]))
        if isinstance(vars(cls).get("close"), types.FunctionType):
            cls.close = _marked_async(vars(cls)["close"])  # type: ignore[attr-defined]
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
            row_factory: the shape of a row; as for ``fetch_all``.

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
        return await self._within(seconds, self._timed_async(sql, tags, run_async(steps)))

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
        work = run_async(self._one(*ways, sql, params, limit, tags))
        return await self._within(seconds, self._timed_async(sql, tags, work))

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
        """Return the connection to its pool."""
        lease = self._lease_of()
        if lease is None:
            raise MisuseError("this connection was not acquired from a database: close it")
        return lease.owner.release(self)  # type: ignore[no-any-return]

    def _end_stream(self) -> Awaitable[None]:
        """End the open stream, if any, even if nobody awaits what this returns."""
        lease = self._lease_of()
        stream = lease.stream if lease else None
        if lease is None or stream is None:
            return Nothing()
        lease.stream = None
        if asyncio._get_running_loop() is not lease.home:  # the collector of garbage came by here
            lease.broken = True
            return Nothing()
        task = asyncio.ensure_future(self._in_turn(stream.close()))
        lease.owner._closing.add(task)
        task.add_done_callback(lease.owner._closing.discard)
        return task

    def _entity(self, *args: Any, **options: Any) -> Awaitable[Any]:
        return run_async_made(
            lambda: _async_plans.run_counted(self, self._lease_of(), self._plan(*args, **options))
        )

    async def executemany(
        self,
        sql: str,
        param_list: Sequence[Sequence[Any]] | AsyncIterable[Sequence[Any]],
        timeout: float | None = None,
        tags: Tags = None,
        *,
        progress: Progress | None = None,
        first_row: int = 0,
    ) -> Result:
        """The statement for each row of parameters: all or nothing, in a transaction of its own
        unless one is open.

        Args:
            sql, timeout, tags: as for ``execute``; the timeout is for the whole call.
            param_list: list of tuples or lists, or an asynchronous iterable of them, of which no
                more than 1,000 are in memory. It is closed at the end.
            progress: called with a number of rows whenever so many more are done, such as the
                ``update`` of a tqdm bar. An open transaction gets a savepoint then.
            first_row: the number that errors give the first row, for work done in pieces.

        Returns the rows of all executions, and the sum of their ``rowcount``. An error names the
        failing row, from 0.
        Raises: what ``execute`` raises.
        """
        self._check_lease()
        if isinstance(param_list, AsyncIterable):
            return await _async_pieces.executemany_as_they_come(
                self, sql, param_list, timeout, tags, progress
            )
        _check_rows(param_list, first_row)
        if progress is not None:
            return await _async_pieces.executemany_in_pieces(
                self, sql, param_list, timeout, tags, progress
            )
        seconds = self._seconds(timeout)
        steps = self._each(
            self._prepare_statement_async,
            self._execute_statement_async,
            sql,
            param_list,
            tags,
            first_row,
        )

        def work() -> Awaitable[Result]:
            return self._within(seconds, self._timed_async(sql, tags, run_async(steps)))

        if await self.in_transaction():  # type: ignore[attr-defined]
            return await work()
        async with self.transaction():  # type: ignore[attr-defined]
            return await work()

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
                with self._being_late():
                    await self._stop(task)
        if not done:
            why = ": it was not sent, since another statement was running" if unsent else ""
            raise QueryTimeoutError(f"timed out after {seconds:g} s{why}")
        return task.result()

    async def _in_turn(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        """Statements on one connection run one after another. One that a backend's own method makes
        of others, such as BEGIN and a setting, is not in the way of these."""
        lease = self._lease_of()
        if lease is None:
            return await work
        if _turn.get() in lease.at_turn:
            with _has_turn(lease):
                return await work
        try:
            await self._undone()
            await lease.turn.acquire()
        except BaseException:
            work.close()
            raise
        try:
            with _has_turn(lease):
                return await work
        finally:
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
                _log.warning("rolling back the cancelled work failed: %s", error)

    async def _undone(self) -> None:
        """What was cancelled before is undone first."""
        lease = self._lease_of()
        if lease is None or lease.undoing is None or _undoes.get():
            return
        while not lease.undoing.done():
            await asyncio.wait({lease.undoing})
        if lease.broken and not lease.cleaning:
            raise ConnectionLostError(
                "this connection was lost, so release it and acquire another: the "
                "cancelled work could not be rolled back"
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
        return lease is not None and task not in lease.at_turn

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
        if isinstance(vars(cls).get("close"), types.FunctionType):
            cls.close = _marked_sync(vars(cls)["close"])  # type: ignore[attr-defined]

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
        """Return the connection to its pool."""
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

    def _entity(self, *args: Any, **options: Any) -> Any:
        return _sync_plans.run_counted(self, self._lease_of(), self._plan(*args, **options))

    def executemany(
        self,
        sql: str,
        param_list: Sequence[Sequence[Any]],
        timeout: float | None = None,
        tags: Tags = None,
        *,
        progress: Progress | None = None,
        first_row: int = 0,
    ) -> Result:
        """The statement for each row of parameters; as :meth:`AsyncConnection.executemany`."""
        self._check_lease()
        _check_rows(param_list, first_row)
        if progress is not None:
            return _sync_pieces.executemany_in_pieces(
                self, sql, param_list, timeout, tags, progress
            )
        seconds = self._seconds(timeout)
        steps = self._each(
            self._prepare_statement_sync,
            self._execute_statement_sync,
            sql,
            param_list,
            tags,
            first_row,
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
