"""The pools of this process: one for each config and driver."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import warnings
import weakref
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from . import _native
from ._async.connection import AsyncConnection
from ._pool_health import PoolHealth
from ._pool_key import ByPool, PoolHash
from ._samples import describe, scaling_signal
from .config import DatabaseConfig
from .hooks import Hooks

#: What a pool's status says of this moment; the rest of it are counts.
_SIZES = (
    *("min_size", "max_size", "sync_max_size", "size", "in_use", "sync_in_use", "idle"),
    *("opening", "waiting", "closed"),
)


class _Entry:
    """A pool and the config that it was opened with."""

    __slots__ = ("config", "driver", "hash", "name", "pool")

    def __init__(self, pool: Any, config: DatabaseConfig, driver: str, name: str) -> None:
        self.pool = pool
        self.config = config
        self.driver = driver
        self.name = name  # for metrics
        self.hash: PoolHash = config.hash()  # type: ignore[assignment]  # of a ConnectionManager

    def is_tested(self) -> bool:
        """True if the application has a test of its own for the connections."""
        return bool(getattr(self.config, "_tests_async", False))

    def test(self, timeout: float | None) -> bool:
        """Whether they pass it. Blocks; not for the thread of an event loop."""
        return asyncio.run(self.check(timeout))

    async def check(self, timeout: float | None) -> bool:
        """Whether the pool can serve."""
        manager: Any = self.config  # it has made the pool
        checked = manager if self.is_tested() else self.pool
        healthy: bool = await checked.health_check(timeout)
        return healthy


class PoolManager:
    """Keeps the pools: made when first used, shared by all with the same configuration.

    What concerns one pool is for the objects of a subclass that has one: a ConnectionManager.
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _entries: ClassVar[list[_Entry]] = []
    _made: ClassVar[weakref.WeakValueDictionary[int, PoolManager]] = weakref.WeakValueDictionary()
    _hooks_by_pool: ClassVar[dict[tuple[str, bytes], Hooks]] = {}
    _process: ClassVar[int] = os.getpid()

    @classmethod
    def _hooks_of(cls, config_hash: PoolHash) -> Hooks:
        """The hooks of a pool, also of the next one after it was closed."""
        key = str(config_hash), config_hash.identity
        with PoolManager._lock:
            return PoolManager._hooks_by_pool.setdefault(key, Hooks())

    @classmethod
    def _forget_parent(cls) -> None:
        """Forget the parent's pools in a forked child, which cannot use them."""
        if PoolManager._process != os.getpid():
            PoolManager._process = os.getpid()
            PoolManager._entries = []
            PoolManager._made = weakref.WeakValueDictionary()
            PoolManager._lock = threading.Lock()

    @classmethod
    def _find(cls, config_hash: str | None) -> list[_Entry]:
        """The pools that a hash means, or all, but those that were closed."""
        cls._forget_parent()
        with PoolManager._lock:
            PoolManager._entries = [e for e in PoolManager._entries if not e.pool.closed]
            return [entry for entry in PoolManager._entries if entry.hash.is_meant_by(config_hash)]

    def _note_made(self) -> None:
        """Let checks of all pools include this database, even before its first use."""
        self._forget_parent()
        with PoolManager._lock:
            PoolManager._made[id(self)] = self

    @classmethod
    def _take_unused(cls, config_hash: str | None = None) -> list[PoolManager]:
        """The databases that are still there and were not used yet: once each."""
        cls._forget_parent()
        with PoolManager._lock:
            found = [
                (key, made)
                for key, made in list(PoolManager._made.items())
                if made._pool_hash().is_meant_by(config_hash)
            ]
            for key, _ in found:
                del PoolManager._made[key]
        return [made for _, made in found if not made._was_used()]

    def _was_used(self) -> bool:
        return True

    @classmethod
    def _remember(cls, entry: _Entry) -> None:
        cls._forget_parent()
        with PoolManager._lock:
            PoolManager._entries.append(entry)

    @classmethod
    async def close_pool(cls, config_hash: str | None = None, timeout: float | None = 60) -> None:
        """Close the pool of one database. Without a hash: close all pools of the process.

        To close one database, ``await db.close()`` is shorter: see :meth:`ConnectionManager.close`.

        The pool lends no connection until it is closed: callers that ask for one, or wait for one
        already, get ClosedError. Connections that are in use may come back until ``timeout``
        seconds have passed. Then the pool takes the rest by force: it commits those idle in a
        healthy transaction (with the setting ``pool_close_transactions="rollback"`` it rolls them
        back), cancels running statements, and closes all. A later use makes a new pool. If the
        task that waits for a close is cancelled, the close goes on in the background.

        Args:
            config_hash: the database's ``hash()``: its own pool is closed. A mere str means all
                pools with this hash, which differ in the password alone. None: all pools.
            timeout: seconds, None for 60.

        Raises:
            ArgumentError: timeout is not positive.
        """
        await asyncio.gather(*cls._begin_close(config_hash, timeout))

    @classmethod
    def _begin_close(cls, config_hash: str | None, timeout: float | None) -> list[Awaitable[None]]:
        """Begin to close the pools; the awaitables tell when each is closed."""
        cls._take_unused(config_hash)
        return [entry.pool.close(timeout) for entry in cls._find(config_hash)]

    @classmethod
    def _close_pools_sync(cls, config_hash: str | None = None, timeout: float | None = 60) -> None:
        """As close_pool(), without an event loop."""
        cls._take_unused(config_hash)
        for entry in cls._find(config_hash):
            entry.pool.close_sync(timeout)

    @classmethod
    def health_check_all_pools(cls, timeout: float | None = 5) -> PoolHealth:
        """Find out whether the pools of this process can serve, all at the same time.

        The check pings an idle connection, or opens one if there is room. It takes no connection
        from its user: a fully leased pool is healthy.

        In coroutines ``await PoolManager.health_check_all_pools()`` does not block the event loop,
        and ``await db.health_check()`` checks one pool. Elsewhere the call blocks for at most about
        ``timeout`` seconds. So does a coroutine that reads the answer without awaiting it.

        Args:
            timeout: seconds, None for each pool's ``connection_acquisition_timeout``.

        Returns:
            A dict from the database's ``hash()`` to True or False.
        """
        for made in cls._take_unused():
            made._pool()
        entries = cls._find(None)

        async def ask_async() -> list[bool]:
            return await asyncio.gather(*(entry.check(timeout) for entry in entries))

        hashes = [entry.hash.key for entry in entries]
        return PoolHealth(hashes, lambda: _check(entries, timeout), ask_async)

    @staticmethod
    def capture_full_stacks(enabled: bool = True) -> None:
        """Let check_for_leaked_connections() show the whole stack of each acquire.

        Off by default: then the innermost four frames are kept, which costs next to nothing.
        """
        _native.capture_full_stacks(enabled)

    @classmethod
    def get_pool_metrics(cls, config_hash: str | None = None) -> dict[str, Any]:
        """Counts of one pool, or a dict of them by hash. Where pools differ in the password alone,
        a database's own ``hash()`` finds those of its pool; in the dict of all, the hashes of the
        second and later ones have "-2" and so on behind them.

        Keys: total_acquired, total_released, current_active, peak_active, errors, timeouts,
        created, destroyed, statement_hits, statement_misses, statement_evictions,
        statement_hit_ratio (0 to 1); and unless the config says metrics=False:

        acquire_wait, connect: dict of count, and mean, p50, p95, p99, max in seconds.
        query_durations: such a dict for each tag ``operation`` ("" without one; 64 names at most,
        the rest is "other"). queries, slow_queries, retries: int. lease_seconds: float.
        bytes_sent, bytes_received: int, of parameters and results: the length of texts and bytes,
        and 8 for each value; 0 for backends written in Python.
        errors_by_class (by code, such as "ETIMEDOUT"), closed_by_reason: dict of int.
        circuit_breakers: by name, dict of state, opened, refused.
        timeout_rate: share of acquires that timed out in the last ``scaling_window`` seconds.
        scaling_signal: dict of level (ScalingLevel), interpretation (str), action (ScalingAction),
        suggested_action (str), saturation (Saturation), cause (str), timeout_rate, attempts,
        timeouts, waiting, window_seconds, utilization (0 to 1), acquires_per_second,
        queries_per_second, mean_wait and mean_query (seconds).

        {} for an unknown hash.
        """
        found = cls._find(config_hash)
        if config_hash is None:
            return ByPool((entry.hash.key, _metrics(entry.pool)) for entry in found)
        return _metrics(found[0].pool) if found else {}

    # ---- The pool of one database --------------------------------------------------------

    def _pool(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no pool: use a ConnectionManager")

    def _seen_pool(self) -> Any:
        """The pool; asking for it does not list it."""
        return self._pool()

    def _pool_hash(self) -> PoolHash:
        raise NotImplementedError(f"{type(self).__name__} has no pool: use a ConnectionManager")

    def _config(self) -> DatabaseConfig:
        raise NotImplementedError(f"{type(self).__name__} has no pool: use a ConnectionManager")

    async def health_check(self, timeout: float | None = 5) -> bool:
        """True if the pool can serve: see health_check_all_pools().

        Args:
            timeout: seconds, None for ``connection_acquisition_timeout``.
        """
        healthy: bool = await self._pool().health_check(timeout)
        return healthy

    async def check_for_leaked_connections(
        self, threshold_seconds: float = 300
    ) -> list[tuple[AsyncConnection, float, str]]:
        """The connections of the pool that have been in use for longer than a threshold.

        The holders keep their connections.

        Args:
            threshold_seconds: seconds, from 0 on.

        Returns:
            A list of (connection, seconds, stack), the longest first. ``stack`` is text like a
            traceback's: where it was acquired (see capture_full_stacks()). Synchronous connections
            are listed, too; those that another language in this process has are not.

        Raises:
            ArgumentError: threshold_seconds is negative.
        """
        leases = self._seen_pool().leases(threshold_seconds)
        ours = (lease for lease in leases if lease[0] is not None)
        return sorted(ours, key=lambda lease: -lease[1])

    def get_pool_status(self) -> dict[str, Any]:
        """The pool's state: initialized, alias, hash, env, sizes, closed, and metrics.

        Sizes: min_size, max_size and sync_max_size as configured; size (all connections), in_use
        (lent; sync_in_use of them to synchronous callers), idle, opening; what is left of size is
        being reset, checked or closed between two uses; waiting (callers).

        nodes: a list of dicts, one for each node, in the order of the hosts: address, role
        ("primary", "replica" or "unknown"), region, is_primary, is_healthy (reads may go there),
        problem (why they do not; "" for nothing), position, weight, lag_seconds and lag_bytes (how
        far behind the primary it is at most; None if that is not known), latency_seconds,
        report_age_seconds (since it last answered), reads (read-only leases), fallbacks (those that
        the primary served for want of a replica), waits and missed (for a session's position),
        ejections, failures, and of its connections size, idle, in_use and waiting.

        A database that was not used yet has no pool, and gets none by being asked: all counts are
        0, initialized is False, and get_pool_metrics() does not list it.
        """
        config = self._config()
        pool = self._seen_pool()
        status = pool.status()
        return {
            "initialized": status["created"] > 0,
            "alias": config.alias(),
            "hash": config.hash(),
            "env": config.env(),
            **{name: status[name] for name in _SIZES},
            "nodes": pool.nodes(),
            "metrics": _metrics(pool),
        }


@atexit.register
def _warn_of_open_pools() -> None:
    """Their sessions end with the process, without a word to the servers."""
    for entry in PoolManager._find(None):
        name = entry.config.alias() or entry.driver
        message = f"a pool was not closed: {name}: use 'with' or close_pool()"
        warnings.warn(message, ResourceWarning, stacklevel=1)


def _check(entries: list[_Entry], timeout: float | None) -> list[bool]:
    """Whether the pools can serve, all asked at the same time. Blocks."""
    tested = [entry for entry in entries if entry.is_tested()]
    ours = [e for e in entries if e not in tested and isinstance(e.pool, _native.Pool)]
    others = [e for e in entries if e not in tested and e not in ours]
    with ThreadPoolExecutor(len(tested) or 1, "millpond health check") as threads:
        told = threads.map(lambda entry: entry.test(timeout), tested)
        healthy = _native.check_pools([entry.pool for entry in ours], timeout)
        answers = [(entry, entry.pool.health_check_sync()) for entry in others]
        answers += [*zip(ours, healthy, strict=True), *zip(tested, told, strict=True)]
    by_entry = dict(answers)
    return [by_entry[entry] for entry in entries]


def _metrics(pool: _native.Pool) -> dict[str, Any]:
    status = pool.status()
    counts = {name: value for name, value in status.items() if name not in _SIZES}
    counts["current_active"] = status["total_acquired"] - status["total_released"]
    signal = scaling_signal(pool)
    counts |= describe(pool.samples())
    counts["timeout_rate"] = signal["timeout_rate"]
    counts["scaling_signal"] = signal
    return counts
