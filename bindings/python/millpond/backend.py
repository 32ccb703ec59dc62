"""What a backend written in Python gets from its base class: pooling as the native ones have it.

A :class:`BackendPool` has the methods of ``_native.Pool``, and hands out what the manager's
``_create_pool``, ``_create_sync_connection`` and ``_wrap_…`` methods make.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from . import _native
from ._breakers import Breakers
from ._open_stream import OpenStream
from ._plans import entity_schema
from ._pool_key import PoolHash
from ._steps import to_its_end
from ._undo import GRACE
from .circuit import Guard
from .exceptions import (
    AcquireTimeoutError,
    ArgumentError,
    ClosedError,
    ConnectFailedError,
    Error,
    MisuseError,
    StaleConnectionError,
    UnsupportedError,
)
from .execute import INTERRUPT_EVERY
from .pool import ConnectionPool
from .resilience import StatementCache
from .rows import RowFactory
from .timings import Timings

if TYPE_CHECKING:
    from .database import ConnectionManager

SLOW = 1.0  # seconds, unless slow_query_threshold says otherwise

_log = logging.getLogger("millpond.pool")

SYNC_MAX_SIZE = 40  # as the native pools have it


class Lease:
    """One use of one connection: from acquire to release."""

    __slots__ = (
        "broken",
        "cache",
        "call",
        "cleaning",
        "connection",
        "current",
        "fresh",
        "home",
        "in_transaction",
        "owner",
        "process",
        "raw",
        "released",
        "row_factory",
        "running",
        "since",
        "stack",
        "stopping",
        "stream",
        "taken",
        "to",
        "turn",
        "undoing",
    )

    def __init__(
        self, owner: BackendPool, raw: Any, connection: Any, to: ConnectionPool | None
    ) -> None:
        self.owner = owner
        self.call = ""
        self.fresh = owner._is_fresh(raw)
        self.raw = raw
        self.connection: Callable[[], Any] = weakref.ref(connection, self._dropped)
        self.to = to  # None for a synchronous connection
        self.home: Any = asyncio.get_running_loop() if to else threading.get_ident()
        self.process = os.getpid()
        self.turn = asyncio.Lock()
        self.current: Any = None  # the task whose statement runs
        self.cache = owner._cache_of(raw)
        self.running = 0  # statements
        self.since = time.monotonic()
        self.stack = _caller()
        self.released = False
        self.cleaning = False  # the pool itself uses it
        self.broken = False
        self.stopping = False  # a statement of several rows
        self.in_transaction = False  # by begin_transaction()
        self.stream: OpenStream | None = None
        self.row_factory: RowFactory | None = None  # of the database that acquired it
        self.taken = False  # by force, and its holder has not released it yet
        self.undoing: asyncio.Future[None] | None = None  # what was cancelled

    def check(self) -> None:
        """Raises if the connection must not be used, or not here."""
        if self.released and not self.cleaning:
            raise StaleConnectionError("the connection was given back to its pool: acquire one")
        if self.process != os.getpid():
            raise MisuseError("this connection was made before a fork: acquire one in the child")
        if self.to is None:
            if self.home != threading.get_ident():
                raise MisuseError("this connection belongs to another thread: acquire one in each")
        elif asyncio._get_running_loop() is not self.home:
            raise MisuseError("this connection belongs to another event loop: acquire one in each")

    def schema(self) -> _native.Schema:
        """What is known of the database's entities, by all its connections."""
        if self.owner.schema is None:
            self.owner.schema = entity_schema(self.connection().parameter_converter)
        return self.owner.schema

    def _dropped(self, _: object) -> None:
        """The connection is gone, and nobody has released it: nobody knows its state either."""
        if self.released or self.process != os.getpid():
            return
        message = f"a connection was not released: acquired at {self.stack}"
        warnings.warn(message, ResourceWarning, stacklevel=2)
        _log.warning("a connection was dropped without being released: %s", self.stack)
        self.owner._take_back(self)


def _caller() -> str:
    """Where outside of this package the connection was asked for."""
    frame = sys._getframe(1)
    here = __name__.partition(".")[0]
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in (
        here,
        "contextlib",
        "asyncio",
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


class _Counts:
    """What a pool has done since it was made."""

    def __init__(self) -> None:
        self.acquired = self.released = self.peak = 0
        self.timeouts = self.errors = self.created = self.destroyed = 0
        self.waiting = 0


class BackendPool:
    """The connections of one configuration of a backend."""

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager
        self._key = (type(manager), manager.hash(), manager.config()["password"])
        self._lock = threading.Lock()
        self._pools: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, asyncio.Future[ConnectionPool]
        ] = weakref.WeakKeyDictionary()
        self._leases: set[Lease] = set()
        self._idle_sync: list[Any] = []
        self._sync_max_size: int = manager._given.settings.get("sync_max_size", SYNC_MAX_SIZE)
        self._sync_places = threading.BoundedSemaphore(self._sync_max_size)
        self._caches: dict[int, tuple[Any, StatementCache]] = {}
        self._counts = _Counts()
        self.breakers = Breakers(manager)
        self._breaker = self.breakers.connect
        self._set_up: set[int] = set()  # sessions whose hooks have run, by id
        self.schema: _native.Schema | None = None
        self.timings = Timings(float(manager.option("slow_query_threshold", SLOW)))
        self._closing: set[asyncio.Task[None]] = set()
        self._lends = True  # until it is asked to close
        self._limits: dict[asyncio.Timeout, asyncio.AbstractEventLoop] = {}  # of who waits
        self.closed = False  # once that is over

    @property
    def kind(self) -> str:
        """The backend's name in the factory, "" without one."""
        return self._manager._name()

    @property
    def alias(self) -> str:
        return self._manager.alias()

    @property
    def hash(self) -> PoolHash:
        return self._manager.hash()

    def same_as(self, other: object) -> bool:
        """True if both are of one backend, configuration and password."""
        return isinstance(other, BackendPool) and self._key == other._key

    # ---- Asynchronous --------------------------------------------------------------------

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
        manager = self._manager
        limit = manager.pool_creation_timeout or None
        with Guard(self._breaker):
            try:
                async with asyncio.timeout(limit):
                    return await manager._create_pool(manager.config())
            except TimeoutError as error:
                raise ConnectFailedError(f"making the pool took more than {limit} s") from error
            except Exception as error:
                self._counts.errors += 1
                raise _as_connect_error(error) from error

    async def acquire(self, timeout: float | None = None) -> Any:
        self._check_open()
        if asyncio._get_running_loop() is None:
            raise MisuseError(
                "no event loop is running here: use sync_connection(), or call this from a "
                "coroutine"
            )
        seconds = self._manager._acquisition_timeout(timeout)
        pool = await self._pool_here()
        started = time.monotonic()
        timed_out = False
        self._counts.waiting += 1
        try:
            raw = await self._acquire_raw(pool, seconds)
        except AcquireTimeoutError:
            timed_out = _is_full(pool)  # else no larger pool would have helped
            raise
        finally:
            self._counts.waiting -= 1
            self.timings.waited(time.monotonic() - started, timed_out)
        if not self._lends:
            await pool.release(raw)
            self._check_open()
        return self._lend(raw, self._manager._wrap_async_connection(raw), pool)

    async def _acquire_raw(self, pool: ConnectionPool, seconds: float | None) -> Any:
        with Guard(self._breaker):
            try:
                async with self._limit(seconds):
                    started = time.monotonic()
                    raw = await pool.acquire(seconds)
                    if not self._is_known(raw):
                        self.timings.connected(time.monotonic() - started)
                    return raw
            except TimeoutError as error:
                self._check_open()
                self._counts.timeouts += 1
                raise _not_served(pool, seconds) from error
            except Exception as error:
                self._counts.errors += 1
                raise _as_connect_error(error) from error

    @contextlib.asynccontextmanager
    async def _limit(self, seconds: float | None) -> AsyncIterator[None]:
        """At most so long, and not beyond the moment when the pool begins to close."""
        async with asyncio.timeout(seconds) as limit:
            self._limits[limit] = asyncio.get_running_loop()
            try:
                self._check_open()
                yield
            finally:
                del self._limits[limit]

    def _stop_lending(self) -> None:
        self._lends = False
        for limit, loop in list(self._limits.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._end_now, limit, loop)

    def _end_now(self, limit: asyncio.Timeout, loop: asyncio.AbstractEventLoop) -> None:
        if limit in self._limits and not limit.expired():
            limit.reschedule(loop.time())

    def async_connection(self, timeout: float | None = None) -> AsyncLoan:
        return AsyncLoan(self, timeout)

    async def release(self, connection: Any) -> None:
        """Give a connection back, clean. Left halfway, its place would be lost: a cancel waits."""
        if self._was_taken(connection):
            return
        lease = self._end(connection)
        lease.cleaning = True  # what is undone goes on
        await to_its_end(self._clean_up(lease, connection), GRACE)

    async def leave(self, connection: Any) -> None:
        """The same at the end of a block, where a task that was cancelled must not wait for what is
        undone: the connection comes back after that."""
        lease = getattr(connection, "_lease", None)
        if lease is None or lease.undoing is None or lease.undoing.done():
            await self.release(connection)
        elif not self._was_taken(connection):
            work = self._clean_up(self._end(connection), connection)
            lease.cleaning = True  # what is undone goes on
            self._keep_until_done(asyncio.ensure_future(to_its_end(work, GRACE)))

    def _keep_until_done(self, task: asyncio.Task[None]) -> None:
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _clean_up(self, lease: Lease, connection: Any) -> None:
        assert lease.to is not None
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
            if lease.broken:
                await _quietly(connection.close())
            lease.cleaning = False
            self._forget_cache(lease)
            await lease.to.release(lease.raw)

    # ---- Synchronous ---------------------------------------------------------------------

    def acquire_sync(self, timeout: float | None = None) -> Any:
        self._check_open()
        started = time.monotonic()
        self._take_sync_place(self._manager._acquisition_timeout(timeout))
        try:
            self._check_open()
            with self._lock:
                raw = self._idle_sync.pop() if self._idle_sync else None
            if raw is None:
                connecting = time.monotonic()
                raw = self._connect_sync(self._manager)
                self.timings.connected(time.monotonic() - connecting)
            self.timings.waited(time.monotonic() - started, False)
            return self._lend(raw, self._manager._wrap_sync_connection(raw), None)
        except BaseException:
            self._sync_places.release()
            raise

    def _take_sync_place(self, seconds: float | None) -> None:
        if self._sync_places.acquire(blocking=False):
            return
        started = time.monotonic()
        self._counts.waiting += 1
        try:
            served = self._sync_places.acquire(timeout=seconds)
        finally:
            self._counts.waiting -= 1
        if not served:
            self._counts.timeouts += 1
            self.timings.waited(time.monotonic() - started, True)
            raise AcquireTimeoutError(
                f"waited {seconds} s for a connection: {self._sync_max_size} of at most "
                f"{self._sync_max_size} are in use: release them sooner, or raise sync_max_size"
            )

    def _connect_sync(self, manager: ConnectionManager) -> Any:
        with Guard(self._breaker):
            try:
                raw = manager._create_sync_connection(manager.config())
            except Exception as error:
                self._counts.errors += 1
                raise _as_connect_error(error) from error
        return raw

    def release_sync(self, connection: Any) -> None:
        lease = self._end(connection)
        lease.cleaning = True
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
            self._keep_sync(lease)

    def _keep_sync(self, lease: Lease) -> None:
        try:
            self._keep_or_close_sync(lease)
        finally:
            self._sync_places.release()

    def _keep_or_close_sync(self, lease: Lease) -> None:
        with self._lock:
            keep = not lease.broken and self._lends
            if keep:
                self._idle_sync.append(lease.raw)
        if not keep:
            self._counts.destroyed += 1
            self._forget_cache(lease)
            try:
                self._manager._wrap_sync_connection(lease.raw).close()
            except Exception as error:
                _log.warning("closing a connection failed: %s", error)

    # ---- Leases --------------------------------------------------------------------------

    def _check_open(self) -> None:
        if not self._lends:
            raise ClosedError(
                "the pool is being closed: no connection is lent until that is over; after that "
                "the next use makes a new pool"
            )

    def _lend(self, raw: Any, connection: Any, to: ConnectionPool | None) -> Any:
        lease = Lease(self, raw, connection, to)
        connection._lease = lease
        with self._lock:
            self._leases.add(lease)
            self._counts.acquired += 1
            self._counts.peak = max(self._counts.peak, len(self._leases))
        return connection

    def _end(self, connection: Any) -> Lease:
        lease: Lease | None = getattr(connection, "_lease", None)
        if lease is None:
            raise MisuseError(f"{connection!r} was not acquired from this database")
        with self._lock:
            if lease.released:
                raise StaleConnectionError("the connection was given back to its pool before")
            lease.released = True
            self._leases.discard(lease)
            self._counts.released += 1
        self.timings.leased(time.monotonic() - lease.since)
        return lease

    def _was_taken(self, connection: Any) -> bool:
        """True once, if the pool took it by force: its holder may release it all the same."""
        lease: Lease | None = getattr(connection, "_lease", None)
        if lease is None or not (lease.released and lease.taken):
            return False
        lease.taken = False
        return True

    def _take_back(self, lease: Lease) -> None:
        """Close the connection of a lease whose owner has forgotten it. From any thread."""
        with self._lock:
            if lease.released:
                return
            lease.released = lease.broken = True
            self._leases.discard(lease)
            self._counts.released += 1
        if lease.to is None:
            self._keep_sync(lease)
        elif not lease.home.is_closed():
            lease.home.call_soon_threadsafe(self._close_soon, lease)

    def _close_soon(self, lease: Lease) -> None:
        self._keep_until_done(asyncio.ensure_future(self._close_raw(lease)))

    async def _close_raw(self, lease: Lease) -> None:
        assert lease.to is not None
        await _quietly(self._manager._wrap_async_connection(lease.raw).close())
        self._forget_cache(lease)
        await _quietly(lease.to.release(lease.raw))

    def _cache_of(self, raw: Any) -> StatementCache:
        """The statements that this physical connection has prepared."""
        with self._lock:
            kept = self._caches.get(id(raw))
            if kept is None or kept[0]() is not raw:
                kept = (_reference(raw), StatementCache(self._manager.statement_cache_size))
                self._caches[id(raw)] = kept
                self._counts.created += 1
                self._set_up.discard(id(raw))
            return kept[1]

    def _is_known(self, raw: Any) -> bool:
        kept = self._caches.get(id(raw))
        return kept is not None and kept[0]() is raw

    def _is_fresh(self, raw: Any) -> bool:
        """True until the hooks of new sessions have run."""
        return not self._is_known(raw) or id(raw) not in self._set_up

    def _forget_cache(self, lease: Lease) -> None:
        if lease.broken:
            with self._lock:
                self._caches.pop(id(lease.raw), None)

    def _forget_closed_loops(self) -> None:
        """What is lent on an event loop that was closed comes back no more."""
        with self._lock:
            lost = [it for it in self._leases if it.to is not None and it.home.is_closed()]
        for lease in lost:
            self._take_back(lease)

    def leases(self, threshold_seconds: float) -> list[tuple[Any, float, str]]:
        """What is lent for longer: connection, seconds, and where it was acquired."""
        if not threshold_seconds >= 0:
            raise ArgumentError(f"threshold_seconds must be from 0 on, not {threshold_seconds!r}")
        with self._lock:
            current = list(self._leases)
        now = time.monotonic()
        return [
            (lease.connection(), now - lease.since, lease.stack)
            for lease in current
            if now - lease.since >= threshold_seconds
        ]

    # ---- Close ---------------------------------------------------------------------------

    async def close(self, timeout: float | None = None) -> None:
        """No lending any more; wait; then take connections by force, committing idle ones.

        Whoever waits for it may give up: it goes on.
        """
        self._manager._acquisition_timeout(timeout)  # checks it
        self._stop_lending()
        task = asyncio.ensure_future(self._close(timeout))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        await asyncio.shield(task)

    async def _close(self, timeout: float | None) -> None:
        try:
            await self._close_all(timeout)
        finally:
            self.closed = True

    async def _close_all(self, timeout: float | None) -> None:
        self._forget_closed_loops()
        end = time.monotonic() + (60.0 if timeout is None else timeout)
        while self._leases and time.monotonic() < end:
            await asyncio.sleep(0.01)
        forced = bool(self._leases)
        for lease in list(self._leases):
            await self._take_by_force(lease)
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        here = [task for task in self._closing if task.get_loop() is loop and task is not me]
        if here:
            await asyncio.wait(here, timeout=2 * GRACE)
        found = self._pools.pop(asyncio.get_running_loop(), None)
        if found is not None:
            pool = await found
            await pool.close(force=forced, timeout=max(end - time.monotonic(), 1.0))
        self._close_idle()

    async def _take_by_force(self, lease: Lease) -> None:
        connection = lease.connection()
        if connection is None:
            return
        if lease.to is None:
            lease.broken = True
            await self._interrupt(lease, connection)
            return
        try:
            if lease.running:
                lease.broken = True
                await self._interrupt(lease, connection)
            elif await connection.in_transaction():
                if self._manager.option("pool_close_transactions") == "rollback":
                    await connection.rollback_transaction()
                else:
                    await connection.commit_transaction()
        except Exception as error:
            lease.broken = True
            _log.warning("committing on close failed: %s", error)
        await _quietly(self.release(connection))
        lease.taken = True

    async def _interrupt(self, lease: Lease, connection: Any) -> None:
        """Until it has stopped, or the grace is over: an interrupt before it begins is lost."""
        end = time.monotonic() + GRACE
        while lease.running and time.monotonic() < end:
            connection._interrupt_statement()
            await asyncio.sleep(INTERRUPT_EVERY)

    def _interrupt_sync(self, lease: Lease, connection: Any) -> None:
        end = time.monotonic() + GRACE
        while lease.running and time.monotonic() < end:
            connection._interrupt_statement()
            time.sleep(INTERRUPT_EVERY)

    def close_sync(self, timeout: float | None = None) -> None:
        self._manager._acquisition_timeout(timeout)  # checks it
        self._stop_lending()
        try:
            self._close_all_sync(timeout)
        finally:
            self.closed = True

    def _close_all_sync(self, timeout: float | None) -> None:
        self._forget_closed_loops()
        end = time.monotonic() + (60.0 if timeout is None else timeout)
        while self._leases and time.monotonic() < end:
            time.sleep(0.01)
        for lease in list(self._leases):
            lease.broken = True
            connection = lease.connection()
            if connection is not None:
                self._interrupt_sync(lease, connection)
        for loop, found in list(self._pools.items()):
            if not loop.is_closed() and not loop.is_running() and found.done():
                loop.run_until_complete(found.result().close(force=True, timeout=1.0))
        self._pools.clear()
        self._close_idle()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle_sync = self._idle_sync, []
            self._caches.clear()
        for raw in idle:
            self._counts.destroyed += 1
            self._manager._wrap_sync_connection(raw).close()

    # ---- Status --------------------------------------------------------------------------

    def _asynchronous(self) -> list[ConnectionPool]:
        return [
            found.result()
            for loop, found in list(self._pools.items())
            if _is_there(found) and not loop.is_closed()
        ]

    async def health_check(self, timeout: float | None = None) -> bool:
        try:
            self._check_open()
            async with asyncio.timeout(self._manager._acquisition_timeout(timeout)):
                pool = await self._pool_here()
                return await pool.health_check()
        except Exception as error:
            _log.warning("a health check failed: %s", error)
            return False

    def health_check_sync(self) -> bool:
        """By a synchronous connection, where the backend has them."""
        try:
            connection = self.acquire_sync()
            try:
                connection.execute("SELECT 1")
            finally:
                self.release_sync(connection)
        except UnsupportedError:
            return self._lends
        except Exception as error:
            _log.warning("a health check failed: %s", error)
            return False
        return True

    def status(self) -> dict[str, Any]:
        """The same keys as ``_native.Pool.status()``."""
        self._forget_closed_loops()
        pools = self._asynchronous()
        counts = self._counts
        with self._lock:
            sync = sum(1 for lease in self._leases if lease.to is None)
            caches = [cache for _, cache in self._caches.values()]
            idle = len(self._idle_sync)
        low, high = self._manager._calculate_pool_size()
        in_use = sum(pool.in_use for pool in pools) + sync
        free = sum(pool.idle for pool in pools) + idle
        cache_counts = [cache.status() for cache in caches]
        return {
            "min_size": max([low, *(pool.min_size for pool in pools)]) if pools else low,
            "max_size": max([pool.max_size for pool in pools], default=high),
            "size": in_use + free,
            "in_use": in_use,
            "idle": free,
            "opening": 0,
            "sync_max_size": self._sync_max_size,
            "sync_in_use": sync,
            "waiting": counts.waiting,
            "closed": not self._lends,
            "total_acquired": counts.acquired,
            "total_released": counts.released,
            "timeouts": counts.timeouts,
            "errors": counts.errors,
            "created": counts.created,
            "destroyed": counts.destroyed,
            "peak_active": counts.peak,
            "statement_hits": sum(count["hits"] for count in cache_counts),
            "statement_misses": sum(count["misses"] for count in cache_counts),
            "statement_evictions": sum(count["evictions"] for count in cache_counts),
        }

    def samples(self) -> list[tuple[str, str, Any]]:
        """The same as ``_native.Pool.samples()`` has."""
        status = self.status()
        hits = [(name, "", status[name]) for name in ("statement_hits", "statement_misses")]
        return [*self.timings.samples(), *hits, *self.breakers.samples()]

    def scaling(self) -> dict[str, Any]:
        """The same as ``_native.Pool.scaling()`` has."""
        status = self.status()
        return self.timings.scaling(status["waiting"], status["in_use"], status["max_size"])


class AsyncLoan:
    """What ``async with db.async_connection():`` enters."""

    __slots__ = ("_connection", "_pool", "_timeout")

    def __init__(self, pool: BackendPool, timeout: float | None) -> None:
        pool._manager._acquisition_timeout(timeout)  # checks it
        self._pool = pool
        self._timeout = timeout
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        if self._connection is not None:
            raise MisuseError("this async_connection() was entered before: call it again")
        self._connection = await self._pool.acquire(self._timeout)
        return self._connection

    async def __aexit__(self, kind: object = None, *error: object) -> None:
        try:
            await self._pool.leave(self._connection)
        except Error as failure:
            if kind is None:
                raise
            _log.warning("a release after an error failed: %s", failure)


def _as_connect_error(error: Exception) -> Error:
    return error if isinstance(error, Error) else ConnectFailedError(f"cannot connect: {error}")


def _is_there(found: asyncio.Future[ConnectionPool]) -> bool:
    return found.done() and not found.cancelled() and found.exception() is None


def _reference(raw: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(raw)
    except TypeError:
        return lambda: raw


async def _quietly(work: Awaitable[Any]) -> None:
    try:
        await work
    except Exception as error:
        _log.warning("closing a connection failed: %s", error)


__all__ = ["AsyncLoan", "BackendPool", "Lease"]


def _is_full(pool: ConnectionPool) -> bool:
    return pool.in_use >= pool.max_size


def _not_served(pool: ConnectionPool, seconds: float | None) -> AcquireTimeoutError:
    used = f"{pool.in_use} of at most {pool.max_size} are in use"
    if not _is_full(pool):
        return AcquireTimeoutError(
            f"no connection within {seconds} s: still connecting, and {used}; see that the server "
            "can be reached"
        )
    return AcquireTimeoutError(
        f"waited {seconds} s for a connection: {used}: release them sooner, or raise pool_max_size"
    )
