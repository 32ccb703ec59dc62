"""Backends written in Python, under the pools of the library's core.

The core lends, counts, times and closes; it asks here to open a connection, to test one, to end its
transaction. :class:`BackendPool` has the methods of ``_native.Pool``, and hands out what the
manager's ``_create_pool``, ``_create_sync_connection`` and ``_wrap_…`` methods make.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from . import _native
from ._lease import Lease
from ._pool_key import PoolHash
from ._steps import to_its_end
from ._undo import GRACE
from ._values import ENDING
from .exceptions import (
    ConnectFailedError,
    Error,
    MisuseError,
    StaleConnectionError,
    UnsupportedError,
)
from .pool import ConnectionPool
from .resilience import StatementCache
from .sql import DIALECTS

_log = logging.getLogger("millpond.pool")

# ---- Leases ----------------------------------------------------------------------------------


class _AsyncLease(_native.Connection):
    """What the core lends on an event loop."""

    use: Any = None  # weakly the Lease


class _SyncLease(_native.SyncConnection):
    """The same to a thread that blocks."""

    use: Any = None


# ---- What the core calls -----------------------------------------------------------------------


class Host:
    """A connection of the backend's driver, as the core knows it. Its methods are called by any
    thread."""

    __slots__ = ("broken", "cache", "lease", "loop", "owner", "raw", "to")

    def __init__(self, owner: BackendPool, raw: Any, to: ConnectionPool | None) -> None:
        self.owner = owner
        self.raw = raw
        self.to = to  # None for a synchronous connection
        self.loop = asyncio.get_running_loop() if to else None
        self.cache = StatementCache(owner._manager.statement_cache_size)
        self.lease: Callable[[], Lease | None] = lambda: None
        self.broken = False

    def request(self, _: int, request: Any) -> None:
        """Do what the core asks, and finish the request."""
        if self.loop is not None:
            work = self._finish(request)
            if not self.owner._run_on(self.loop, work):
                work.close()
                request.finish("ECONNLOST", "the event loop of the connection is closed")
            return
        try:
            self._do_sync(request.verb)
        except Exception as error:
            request.finish(*_as_told(error))
        else:
            request.finish()

    async def _finish(self, request: Any) -> None:
        try:
            await self._do(request.verb)
        except BaseException as error:
            request.finish(*_as_told(error))
            if not isinstance(error, Exception):
                raise
        else:
            request.finish()

    def _do_sync(self, verb: str) -> None:
        if verb == "ping":
            self.owner._manager._wrap_sync_connection(self.raw).execute("SELECT 1")
        elif verb != "reset":
            getattr(self._lent(), verb)()

    async def _do(self, verb: str) -> None:
        assert self.to is not None
        if verb == "ping":
            await self.to._test_connection(self.raw)
        elif verb == "reset":  # the driver's pool knows how
            await self.to.release(self.raw)
            self.raw = await self.to.acquire(self.owner._manager._acquisition_timeout(None))
            self.cache = StatementCache(self.owner._manager.statement_cache_size)
        else:
            await getattr(self._lent(), verb)()

    def _lent(self) -> Any:
        """The connection whose transaction a pool that closes has to end."""
        lease = self.lease()
        connection = lease and lease.connection()
        if lease is None or connection is None:
            raise StaleConnectionError("nobody has this connection any more")
        lease.cleaning = True
        return connection

    def interrupt(self) -> None:
        """Have the statement that runs end."""
        lease = self.lease()
        connection: Any = lease and lease.connection()
        if lease is not None and connection is not None and lease.running:
            lease.broken = True
            connection._interrupt_statement()

    def take_back(self, native: Any) -> None:
        """Close it, since its holder has forgotten it."""
        self.broken = True
        if self.loop is None or asyncio._get_running_loop() is self.loop:
            self._close_lease(native)
        else:
            with contextlib.suppress(RuntimeError):  # that loop is closed, and so is the connection
                self.loop.call_soon_threadsafe(self._close_lease, native)

    def _close_lease(self, native: Any) -> None:
        with contextlib.suppress(Error):  # its pool has closed it, or its own thread will
            if native.id:
                native.close()
            native._release()

    def close(self) -> None:
        """Give the connection back to its driver."""
        if self.loop is None:
            self.owner._close_sync_soon(self)
            return
        work = self._close()
        if not self.owner._run_on(self.loop, work):
            work.close()

    async def _close(self) -> None:
        assert self.to is not None
        lease = self.lease()
        if lease is not None and not lease.ended:
            await _quietly(self._end_transaction(lease))
        if self.broken:
            await _quietly(self.owner._manager._wrap_async_connection(self.raw).close())
        await _quietly(self.to.release(self.raw))

    async def _end_transaction(self, lease: Lease) -> None:
        """Of a connection that was taken by force, which the core does not know of."""
        connection = lease.connection()
        if connection is None or lease.broken:
            self.broken = True
            return
        lease.cleaning = True
        if await connection.in_transaction():
            keeps = self.owner._manager.option("pool_close_transactions") != "rollback"
            await (connection.commit_transaction() if keeps else connection.rollback_transaction())


class _Opener:
    """Opens connections for the core."""

    def __init__(self) -> None:
        self.pools: dict[int, BackendPool] = {}
        self._tasks: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = {}

    def request(self, number: int, request: Any) -> None:
        pool = self.pools.get(number)
        loop = request.event_loop
        if pool is None:
            request.finish("ECLOSED", "the pool is closed")
        elif loop is None:
            pool._open_sync(request)
        else:
            work = self._open(pool, request)
            if not pool._run_on(loop, work):
                work.close()
                request.finish("ECLOSED", "the event loop was closed")

    async def _open(self, pool: BackendPool, request: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[id(request)] = asyncio.get_running_loop(), task
        try:
            await pool._open(request)
        finally:
            del self._tasks[id(request)]

    def interrupt(self, request: Any) -> None:
        found = self._tasks.get(id(request))
        if found is not None and not found[0].is_closed():
            found[0].call_soon_threadsafe(found[1].cancel)


_opener = _Opener()
_lock = threading.Lock()
_drivers: set[str] = set()
_numbers: dict[tuple[Any, ...], int] = {}
_next_number = itertools.count(1)


def _driver_of(manager: Any) -> str:
    """The name of the backend's driver in the core."""
    name = manager._kind().replace(" ", "_")
    with _lock:
        if name not in _drivers:
            _native.register_backend(
                name, manager._name() or "other_sql", DIALECTS["sqlite"], _opener
            )
            _drivers.add(name)
    return name  # type: ignore[no-any-return]


def _as_told(error: BaseException) -> tuple[str, str]:
    code = error.code if isinstance(error, Error) else ""
    return code or ("EOPERATIONAL" if isinstance(error, Exception) else "ECANCELLED"), _text(error)


def _text(error: BaseException) -> str:
    """What it says, in what the core can keep; its class if it says nothing."""
    try:
        text = str(error).replace("\0", "\\0")
    except Exception:
        text = ""
    return text.encode("utf-8", "backslashreplace").decode() or type(error).__name__


# ---- The pool ----------------------------------------------------------------------------------


class BackendPool:
    """The connections of one configuration of a backend."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        key = (type(manager), str(manager.hash()), manager.config()["password"])
        with _lock:
            self._number = _numbers.setdefault(key, next(_next_number))
        low, high = manager._calculate_pool_size()
        settings = manager._native_settings()
        settings.update(pool_min_size=str(min(low, high)), pool_max_size=str(high))
        settings["backend"] = str(self._number)
        driver = _driver_of(manager)
        self._native = _native.Pool(driver, settings, _AsyncLease, _SyncLease, self._number)
        self._pools: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, asyncio.Future[ConnectionPool]
        ] = weakref.WeakKeyDictionary()
        self.schema: _native.Schema | None = None
        self._closing: set[asyncio.Task[Any]] = set()
        self._why: BaseException | None = None  # the last connection could not be opened
        self._closes_sync: list[Host] | None = None  # while the pool is closed by a blocking call
        self._process = os.getpid()
        self._closed = False
        self.status = self._native.status
        self.nodes = self._native.nodes
        self.samples = self._native.samples
        self.scaling = self._native.scaling

    @property
    def kind(self) -> str:
        """The backend's name in the factory, "" without one."""
        return self._manager._name()  # type: ignore[no-any-return]

    @property
    def alias(self) -> str:
        return self._manager.alias()  # type: ignore[no-any-return]

    @property
    def hash(self) -> PoolHash:
        return self._manager.hash()  # type: ignore[no-any-return]

    @property
    def closed(self) -> bool:
        """True once closing is over, or in a forked child: a new one is needed."""
        return self._closed or self._process != os.getpid()

    def same_as(self, other: object) -> bool:
        """True if both are of one backend, configuration and password."""
        return isinstance(other, BackendPool) and self._native.same_as(other._native)

    def leases(self, threshold_seconds: float) -> list[tuple[Any, float, str]]:
        """What is lent for longer: connection, seconds, and where it was acquired."""
        told = []
        for native, seconds, _ in self._native.leases(threshold_seconds):
            lease = native.use and native.use()
            if lease is not None:
                told.append((lease.connection(), seconds, lease.stack))
        return told

    # ---- Open ----------------------------------------------------------------------------

    def _run_on(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> bool:
        """Have a task of the loop do it; False if the loop is closed, or about to be."""
        if loop in ENDING:
            return False
        if asyncio._get_running_loop() is loop:
            self._keep_until_done(loop.create_task(work))
            return True
        try:
            loop.call_soon_threadsafe(lambda: self._keep_until_done(loop.create_task(work)))
        except RuntimeError:
            return False
        return True

    def _keep_until_done(self, task: asyncio.Task[Any]) -> None:
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _pool_here(self) -> ConnectionPool:
        """The running event loop's pool: what drivers make belongs to one loop."""
        loop = asyncio.get_running_loop()
        found = self._pools.get(loop)
        if found is None:
            found = asyncio.ensure_future(self._make())
            self._pools[loop] = found
        try:
            return await asyncio.shield(found)
        except BaseException:
            if found.done() and self._pools.get(loop) is found:
                del self._pools[loop]  # the next one tries again
            raise

    async def _make(self) -> ConnectionPool:
        limit = self._manager.pool_creation_timeout or None
        try:
            async with asyncio.timeout(limit):
                return await self._manager._create_pool(self._manager.config())  # type: ignore[no-any-return]
        except TimeoutError as error:
            raise ConnectFailedError(f"making the pool took more than {limit} s") from error

    async def _open(self, request: Any) -> None:
        try:
            pool = await self._pool_here()
            raw = await pool.acquire(self._manager._acquisition_timeout(None))
        except BaseException as error:
            self._failed(request, error)
            if not isinstance(error, Exception):
                raise
        else:
            request.opened(Host(self, raw, pool), "", "")

    def _open_sync(self, request: Any) -> None:
        try:
            raw = self._manager._create_sync_connection(self._manager.config())
        except BaseException as error:
            self._failed(request, error)
        else:
            request.opened(Host(self, raw, None), "", "")

    def _failed(self, request: Any, error: BaseException) -> None:
        self._why = error
        if isinstance(error, Error):
            request.finish(error.code or "ECONNECT", _text(error))
        elif isinstance(error, Exception):
            request.finish("ECONNECT", f"cannot connect: {_text(error)}")
        else:
            request.finish("ECANCELLED", "stopped while it connected")

    def _explained(self, error: Error) -> BaseException:
        """The core's error, with what the driver said as its cause."""
        why, self._why = self._why, None
        if why is None or _text(why) not in str(error):
            return why if why is not None and not isinstance(why, Exception) else error
        if isinstance(why, UnsupportedError):
            return why
        error.__cause__ = why.__cause__ if isinstance(why, Error) else why
        return error

    # ---- Asynchronous --------------------------------------------------------------------

    def _lend(self, native: Any, wrap: Callable[[Any], Any]) -> Any:
        try:
            connection = wrap(native._host.raw)
            connection._lease = Lease(self, native, connection)
        except BaseException:
            native._release()  # nobody has it
            raise
        return connection

    async def acquire(self, timeout: float | None = None, **reading: Any) -> Any:
        self._manager._acquisition_timeout(timeout)  # checks it
        _opener.pools[self._number] = self
        try:
            native = await self._native.acquire(timeout, **reading)
        except Error as error:
            explained = self._explained(error)
            raise explained from explained.__cause__
        return self._lend(native, self._manager._wrap_async_connection)

    def async_connection(self, timeout: float | None = None, **reading: Any) -> AsyncLoan:
        return AsyncLoan(self, timeout, reading)

    async def release(self, connection: Any) -> None:
        """Give a connection back, clean. Left halfway, its place would be lost: a cancel waits."""
        lease = self._end(connection)
        if lease is not None:
            await to_its_end(self._clean_up(lease, connection), GRACE)

    async def leave(self, connection: Any) -> None:
        """The same at the end of a block, where a task that was cancelled must not wait for what is
        undone: the connection comes back after that."""
        lease = getattr(connection, "_lease", None)
        if lease is None or lease.undoing is None or lease.undoing.done():
            await self.release(connection)
        elif self._end(connection) is not None:
            work = self._clean_up(lease, connection)
            self._keep_until_done(asyncio.ensure_future(to_its_end(work, GRACE)))

    async def _clean_up(self, lease: Lease, connection: Any) -> None:
        try:
            await connection._undone()
            await connection._end_stream()
            if not lease.broken and await connection.in_transaction():
                _log.warning(
                    "a connection was released with an open transaction, which was rolled back"
                )
                await connection.rollback_transaction()
        except BaseException as error:
            lease.broken = True
            if not isinstance(error, Exception):
                raise
        finally:
            lease.cleaning = False
            lease.give_back()

    # ---- Synchronous ---------------------------------------------------------------------

    def acquire_sync(self, timeout: float | None = None, **reading: Any) -> Any:
        self._manager._acquisition_timeout(timeout)  # checks it
        _opener.pools[self._number] = self
        try:
            native = self._native.acquire_sync(timeout, **reading)
        except Error as error:
            explained = self._explained(error)
            raise explained from explained.__cause__
        return self._lend(native, self._manager._wrap_sync_connection)

    def release_sync(self, connection: Any) -> None:
        lease = self._end(connection)
        if lease is None:
            return
        try:
            connection._end_stream()
            if not lease.broken and connection.in_transaction():
                _log.warning(
                    "a connection was released with an open transaction, which was rolled back"
                )
                connection.rollback_transaction()
        except BaseException as error:
            lease.broken = True
            if not isinstance(error, Exception):
                raise
        finally:
            lease.cleaning = False
            lease.give_back()

    def _end(self, connection: Any) -> Lease | None:
        """The lease, to be given back; None if the pool took it by force."""
        lease: Lease | None = getattr(connection, "_lease", None)
        if lease is None:
            raise MisuseError(f"{connection!r} was not acquired from this database")
        if lease.ended:
            raise StaleConnectionError("the connection was given back to its pool before")
        taken = not lease.native.id
        lease.ended = True
        lease.cleaning = not taken
        return None if taken else lease

    # ---- Close ---------------------------------------------------------------------------

    def _close_sync_soon(self, host: Host) -> None:
        """By the thread that closes the pool, if one does: drivers may insist on their thread."""
        if self._closes_sync is not None:
            self._closes_sync.append(host)
            return
        try:
            self._manager._wrap_sync_connection(host.raw).close()
        except Exception as error:
            _log.warning("closing a connection failed: %s", error)

    def close(self, timeout: float | None = None) -> Awaitable[None]:
        """No lending any more; wait; then take connections by force, committing idle ones.

        Whoever waits for it may give up: it goes on.
        """
        self._manager._acquisition_timeout(timeout)  # checks it
        self._closes_sync = []
        task = asyncio.ensure_future(self._finish_close(self._native.close(timeout)))
        self._keep_until_done(task)
        return asyncio.shield(task)

    async def _finish_close(self, closing: Awaitable[None]) -> None:
        try:
            await closing
            await self._close_here()
        finally:
            self._end_close()

    async def _close_here(self) -> None:
        """The driver's pool of this event loop, once it has all its connections."""
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        here = {task for task in self._closing if task.get_loop() is loop and task is not me}
        if here:
            await asyncio.wait(here, timeout=2 * GRACE)
        found = self._pools.pop(loop, None)
        if found is not None:
            pool = await found
            await pool.close(force=pool.in_use > 0, timeout=1.0)

    def close_sync(self, timeout: float | None = None) -> None:
        self._manager._acquisition_timeout(timeout)  # checks it
        self._closes_sync = []
        try:
            self._native.close_sync(timeout)
            for loop in list(self._pools):
                if not loop.is_closed() and not loop.is_running():
                    loop.run_until_complete(self._close_here())
        finally:
            self._end_close()

    def _end_close(self) -> None:
        waiting, self._closes_sync = self._closes_sync or [], None
        for host in waiting:
            self._close_sync_soon(host)
        self._closed = True
        if _opener.pools.get(self._number) is self:
            del _opener.pools[self._number]

    # ---- Health --------------------------------------------------------------------------

    async def health_check(self, timeout: float | None = None) -> bool:
        _opener.pools[self._number] = self
        return await self._native.health_check(timeout)

    def health_check_sync(self) -> bool:
        """By a synchronous connection, where the backend has them."""
        _opener.pools[self._number] = self
        if not self._manager._has_sync:
            return not self._native.closed
        return bool(_native.check_pools([self._native], None)[0])


class AsyncLoan:
    """What ``async with db.async_connection():`` enters."""

    __slots__ = ("_connection", "_pool", "_reading", "_timeout")

    def __init__(self, pool: BackendPool, timeout: float | None, reading: dict[str, Any]) -> None:
        pool._manager._acquisition_timeout(timeout)  # checks it
        self._pool = pool
        self._timeout = timeout
        self._reading = reading
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        if self._connection is not None:
            raise MisuseError(
                "this async_connection() was entered before: call async_connection() again"
            )
        self._connection = await self._pool.acquire(self._timeout, **self._reading)
        return self._connection

    async def __aexit__(self, kind: object = None, *error: object) -> None:
        try:
            await self._pool.leave(self._connection)
        except Error as failure:
            if kind is None:
                raise
            _log.warning("a release after an error failed: %s", failure)


async def _quietly(work: Awaitable[Any]) -> None:
    try:
        await work
    except Exception as error:
        _log.warning("closing a connection failed: %s", error)


__all__ = ["AsyncLoan", "BackendPool", "Lease"]
