"""``execute`` for connections that are written in Python.

A backend says how to prepare and how to run a statement; this adds the rest: placeholders, tags,
the statement cache, timeouts that stop the work, and results that know their columns.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Awaitable, Coroutine, Generator, Iterator, Sequence
from typing import Any, TypeVar

from ._native import Result
from ._steps import Steps, run_async, run_sync
from .exceptions import (
    ArgumentError,
    Error,
    MisuseError,
    ParameterError,
    QueryTimeoutError,
    SqlSyntaxError,
    StaleConnectionError,
)
from .progress import Progress, executemany_in_pieces, joined

Params = Sequence[Any] | None
Tags = dict[str, Any] | None
_Value = TypeVar("_Value")

#: Seconds that a statement gets to end after it was told to.
GRACE = 0.7


def as_result(answer: Any) -> Result:
    """What a backend returned for a statement: a Result, rows, or None."""
    if isinstance(answer, Result):
        return answer
    return Result(() if answer is None else [tuple(row) for row in answer])


class _Nothing(Awaitable[None]):
    """Awaited, or not, it is None at once."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


def _is_row(value: object) -> bool:
    return isinstance(value, (tuple, list))


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
        return type(self)._interrupt_statement is not _Backend._interrupt_statement

    def _seconds(self, timeout: float | None) -> float | None:
        """The call's timeout, or the configuration's; None for no limit."""
        if timeout is None:
            manager = getattr(self, "_manager", None)
            return (manager.query_execution_timeout or None) if manager is not None else None
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
        if math.isnan(timeout) or timeout <= 0:
            raise ArgumentError(f"timeout must be a positive number of seconds, not {timeout!r}")
        return float(timeout) if math.isfinite(timeout) else None

    def _native_statement(self, sql: str, params: Params, tags: Tags) -> tuple[str, Any]:
        if not isinstance(sql, str):
            raise ParameterError(f"sql must be a str, not {type(sql).__name__}")
        if not sql.strip():
            raise SqlSyntaxError("the statement is empty")
        if params is not None and not _is_row(params):
            kind = type(params).__name__
            raise ParameterError(
                f"params must be a tuple or list, not {kind}: write (value,) for one"
            )
        if tags is not None and not isinstance(tags, dict):
            raise ParameterError(f"tags must be a dict, not {type(tags).__name__}")
        converter = self.parameter_converter  # type: ignore[attr-defined]
        native, native_params = converter.convert_query_to_native(sql, tuple(params or ()))
        comment = converter.get_comment_sql(tags) if tags else None
        return (f"{native}\n{comment}" if comment else native), native_params

    def _translated(self, error: Exception, row: int | None) -> Exception:
        """A driver's error as one of millpond's, which names the failing row of several."""
        made = error if isinstance(error, Error) else self._translate_error(error)
        if made is not error:
            made.__cause__ = error
        if row is not None and isinstance(made, Error):
            made.args = (f"row {row}: {made}",)
        return made

    def _check_lease(self) -> None:
        lease = getattr(self, "_lease", None)
        if lease is not None and lease.released:
            raise StaleConnectionError("the connection was given back to its pool: acquire one")

    def _mark_broken(self) -> None:
        """A statement goes on though it was told to stop: nobody may use the connection again."""
        lease = getattr(self, "_lease", None)
        if lease is not None:
            lease.broken = True

    def _prepare_steps(self, prepare: Any, native: str) -> Steps[Any]:
        """The statement of the connection's cache, or a new one."""
        cache = getattr(self, "_statement_cache", None)
        if cache is None:
            return (yield prepare(native))
        key = cache.hash(native)
        found = cache.get(key)
        if found is not None:
            return found[0]
        statement = yield prepare(native)
        cache.put(key, statement, native)
        return statement

    def _one(
        self, prepare: Any, run: Any, sql: str, params: Params, limit: str | None, tags: Tags
    ) -> Steps[Result]:
        native, native_params = self._native_statement(sql, params, tags)
        try:
            if limit:
                yield run((yield from self._prepare_steps(prepare, limit)), [])
            statement = yield from self._prepare_steps(prepare, native)
            return as_result((yield run(statement, native_params)))
        except Exception as error:
            raise self._translated(error, None) from error.__cause__

    def _each(
        self, prepare: Any, run: Any, sql: str, rows: Sequence[Params], tags: Tags
    ) -> Steps[Result]:
        answers = []
        for number, row in enumerate(rows):
            try:
                native, params = self._native_statement(sql, row, tags)
                statement = yield from self._prepare_steps(prepare, native)
                answers.append(as_result((yield run(statement, params))))
            except Exception as error:
                raise self._translated(error, number) from error.__cause__
        return joined(answers)


def _check_rows(rows: Any) -> None:
    if not _is_row(rows):
        raise ParameterError(f"param_list must be a list of tuples, not {type(rows).__name__}")
    width = len(rows[0]) if rows and _is_row(rows[0]) else 0
    for number, row in enumerate(rows):
        if not _is_row(row):
            kind = type(row).__name__
            raise ParameterError(f"row {number} of param_list must be a tuple or list, not {kind}")
        if len(row) != width:
            raise ParameterError(f"row {number} has {len(row)} parameters, but row 0 has {width}")


# ---- Asynchronous ----------------------------------------------------------------------------


class AsyncExecute(_Backend):
    """Part of :class:`AsyncConnection`."""

    __slots__ = ()

    async def _prepare_statement_async(self, native_sql: str) -> Any:
        """Make of SQL what ``_execute_statement_async`` takes; by default the SQL itself. The
        result is kept in the connection's statement cache."""
        return native_sql

    async def _execute_statement_async(self, statement: Any, params: Any = None) -> Any:
        """Run a prepared statement. Returns a :class:`Result`, an iterable of rows, or None."""
        raise NotImplementedError(
            f"{type(self).__name__} must define _execute_statement_async(statement, params)"
        )

    async def execute(
        self, sql: str, params: Params = None, timeout: float | None = None, tags: Tags = None
    ) -> Result:
        """Execute one statement.

        Args:
            sql: one statement with ``?`` placeholders.
            params: tuple or list, one value for each placeholder.
            timeout: seconds for the whole call, the database's work included. None: the config's.
            tags: dict, sent as a comment in the statement.

        Returns a list of tuples with the attributes ``columns`` (tuple of str), ``rowcount`` (int)
        and ``lastrowid`` (int or None).

        Raises:
            ParameterError, ValueRangeError: before anything is sent.
            QueryTimeoutError: after the database's work was stopped; the connection is usable.
            ConnectionLostError: before the statement could have had an effect.
            UnknownOutcomeError: the connection was lost when it might have had one.
            What the database answers.
        """
        self._check_lease()
        seconds = self._seconds(timeout)
        limit = self.parameter_converter.get_timeout_sql(seconds)  # type: ignore[attr-defined]
        steps = self._one(
            self._prepare_statement_async, self._execute_statement_async, sql, params, limit, tags
        )
        return await self._within(seconds, run_async(steps))

    async def _stream(
        self,
        batch: int,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
    ) -> Result:
        """The first batch of a stream. By default all rows at once: a backend whose driver reads
        rows piece by piece overrides this, ``_fetch`` and ``_end_stream``."""
        return await self.execute(sql, params, timeout, tags)

    async def _fetch(self, timeout: float | None) -> Result:
        """The next batch of the open stream."""
        raise MisuseError("no stream is open on this connection")

    def _end_stream(self) -> Awaitable[None]:
        """End the open stream, if any, even if nobody awaits what this returns."""
        return _Nothing()

    async def executemany(
        self,
        sql: str,
        param_list: Sequence[Sequence[Any]],
        timeout: float | None = None,
        tags: Tags = None,
        *,
        progress: Progress | None = None,
    ) -> Result:
        """The statement for each row of parameters: all or nothing, in a transaction of its own
        unless one is open.

        Args:
            sql, timeout, tags: as for ``execute``; the timeout is for the whole call.
            param_list: list of tuples or lists.
            progress: called with a number of rows whenever so many more are done, such as the
                ``update`` of a tqdm bar. An open transaction gets a savepoint then.

        Returns the rows of all executions, and the sum of their ``rowcount``. An error names the
        failing row, from 0 (of the piece of 1,000 rows that was under way, with ``progress``).
        Raises: what ``execute`` raises.
        """
        self._check_lease()
        _check_rows(param_list)
        if progress is not None:
            steps = executemany_in_pieces(self, sql, param_list, timeout, tags, progress)
            return await run_async(steps)
        seconds = self._seconds(timeout)
        steps = self._each(
            self._prepare_statement_async, self._execute_statement_async, sql, param_list, tags
        )
        if await self.in_transaction():  # type: ignore[attr-defined]
            return await self._within(seconds, run_async(steps))
        async with self.transaction():  # type: ignore[attr-defined]
            return await self._within(seconds, run_async(steps))

    async def _within(self, seconds: float | None, work: Coroutine[Any, Any, _Value]) -> _Value:
        """The work's outcome, if it ends in time; else it is stopped first."""
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            await self._stop(task)
            raise
        if not done:
            await self._stop(task)
            raise QueryTimeoutError(f"the statement took longer than its timeout of {seconds} s")
        return task.result()

    async def _stop(self, task: asyncio.Task[Any]) -> None:
        """End it, for as long as it takes but no longer than the grace."""
        if self._can_interrupt():
            self._interrupt_statement()
        else:
            task.cancel()
        done, _ = await asyncio.wait({task}, timeout=GRACE)
        if not done:
            task.cancel()
            self._mark_broken()
        elif not task.cancelled():
            task.exception()  # of no interest any more


# ---- Synchronous -----------------------------------------------------------------------------


class SyncExecute(_Backend):
    """Part of :class:`SyncConnection`."""

    __slots__ = ()

    def _prepare_statement_sync(self, native_sql: str) -> Any:
        """As :meth:`AsyncConnection._prepare_statement_async`."""
        return native_sql

    def _execute_statement_sync(self, statement: Any, params: Any = None) -> Any:
        """Run a prepared statement. Returns a :class:`Result`, an iterable of rows, or None."""
        raise NotImplementedError(
            f"{type(self).__name__} must define _execute_statement_sync(statement, params)"
        )

    def execute(
        self, sql: str, params: Params = None, timeout: float | None = None, tags: Tags = None
    ) -> Result:
        """Execute one statement; as :meth:`AsyncConnection.execute`."""
        self._check_lease()
        seconds = self._seconds(timeout)
        limit = self.parameter_converter.get_timeout_sql(seconds)  # type: ignore[attr-defined]
        with self._within(seconds):
            return run_sync(
                self._one(
                    self._prepare_statement_sync,
                    self._execute_statement_sync,
                    sql,
                    params,
                    limit,
                    tags,
                )
            )

    def _stream(
        self,
        batch: int,
        sql: str,
        params: Params = None,
        timeout: float | None = None,
        tags: Tags = None,
    ) -> Result:
        """As :meth:`AsyncConnection._stream`."""
        return self.execute(sql, params, timeout, tags)

    def _fetch(self, timeout: float | None) -> Result:
        """The next batch of the open stream."""
        raise MisuseError("no stream is open on this connection")

    def _end_stream(self) -> None:
        """End the open stream, if any."""

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
        if self.in_transaction():  # type: ignore[attr-defined]
            with self._within(seconds):
                return run_sync(steps)
        with self.transaction(), self._within(seconds):  # type: ignore[attr-defined]
            return run_sync(steps)

    @contextlib.contextmanager
    def _within(self, seconds: float | None) -> Iterator[None]:
        """Stop what is run inside when the time is over."""
        if seconds is None or not self._can_interrupt():
            yield
            return
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._interrupt_statement()

        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if late.is_set():
                message = f"the statement took longer than its timeout of {seconds} s"
                raise QueryTimeoutError(message) from error
            raise
        finally:
            timer.cancel()


__all__ = ["AsyncExecute", "Params", "SyncExecute", "Tags"]
