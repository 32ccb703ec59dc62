"""What is counted and timed of connections that are written in Python, under the native names."""

from __future__ import annotations

import collections
import contextlib
import copy
import logging
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

from ._mask import masked
from .exceptions import Error

_slow_log = logging.getLogger("millpond.slow_query")

WINDOW = 60  # seconds that the scaling signal looks back
MOST_OPERATIONS = 64  # names of statements; the rest is "other"

_LEVELS = (
    (0.001, 0, "normal load", 0, "no action needed"),
    (0.01, 1, "mild contention", 1, "review slow queries"),
    (0.05, 2, "high load", 2, "scale vertically: bigger database or application servers"),
    (math.inf, 3, "critical pressure", 3, "scale horizontally: add application servers"),
)


class Durations:
    """A histogram: buckets that are 19 % apart, each fourth of which ends at a power of two of
    nanoseconds."""

    __slots__ = ("_buckets", "count", "most", "total")

    def __init__(self) -> None:
        self._buckets: collections.Counter[int] = collections.Counter()
        self.count = 0
        self.total = 0.0
        self.most = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[math.ceil(4 * math.log2(max(seconds * 1e9, 1.0)))] += 1
        self.count += 1
        self.total += seconds
        self.most = max(self.most, seconds)

    def _quantile(self, part: float) -> float:
        left = math.ceil(self.count * part)
        for bucket, count in sorted(self._buckets.items()):
            left -= count
            if left <= 0:
                return min(float(2 ** (bucket / 4) * 1e-9), self.most)
        return 0.0

    def below(self, power: int) -> int:
        """How many took at most 2 ** power nanoseconds."""
        return sum(count for bucket, count in self._buckets.items() if bucket <= 4 * power)

    def summary(self) -> dict[str, Any]:
        """count, and mean, p50, p95, p99 and max in seconds."""
        return {
            "count": self.count,
            "mean": self.total / self.count if self.count else 0.0,
            "p50": self._quantile(0.5),
            "p95": self._quantile(0.95),
            "p99": self._quantile(0.99),
            "max": self.most,
        }


class _Second:
    """What happened in one second."""

    __slots__ = ("acquired", "at", "queries", "query_seconds", "slow_seconds", "timeouts", "waited")

    def __init__(self, at: int) -> None:
        self.at = at
        self.acquired = self.timeouts = self.queries = 0
        self.waited = self.query_seconds = self.slow_seconds = 0.0


class Timings:
    """The measurements of one pool.

    Args:
        slow: seconds from which on a statement is slow, and logged; 0 for none.
    """

    def __init__(self, slow: float) -> None:
        self._slow = slow
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._seconds: collections.deque[_Second] = collections.deque(maxlen=WINDOW)
        self._waits = Durations()
        self._connects = Durations()
        self._queries: dict[str, Durations] = {}
        self._errors: collections.Counter[str] = collections.Counter()
        self._slow_queries = 0
        self._lease_seconds = 0.0

    def _now(self) -> _Second:
        at = int(time.monotonic())
        if not self._seconds or self._seconds[-1].at != at:
            self._seconds.append(_Second(at))
        return self._seconds[-1]

    # ---- Record --------------------------------------------------------------------------

    def waited(self, seconds: float, timed_out: bool) -> None:
        """An acquire has ended."""
        with self._lock:
            now = self._now()
            now.waited += seconds
            if timed_out:
                now.timeouts += 1
            else:
                now.acquired += 1
                self._waits.add(seconds)

    def connected(self, seconds: float) -> None:
        with self._lock:
            self._connects.add(seconds)

    def leased(self, seconds: float) -> None:
        """A connection was in use for so long."""
        with self._lock:
            self._lease_seconds += seconds

    def failed(self, code: str) -> None:
        with self._lock:
            self._errors[code] += 1

    def operation_of(self, tags: Any) -> str:
        """The name under which a statement counts."""
        name = str(tags.get("operation", "")) if isinstance(tags, dict) else ""
        with self._lock:
            if name in self._queries or len(self._queries) < MOST_OPERATIONS:
                self._queries.setdefault(name, Durations())
                return name
        return "other" if name else name

    @contextlib.contextmanager
    def query(self, sql: str, tags: Any) -> Iterator[None]:
        """A statement runs inside."""
        tags = tags if isinstance(tags, dict) else {}
        started = time.monotonic()
        failure = ""
        try:
            yield
        except Error as error:
            failure = error.code or type(error).__name__
            raise
        finally:
            self._finished(sql, tags, time.monotonic() - started, failure)

    def _finished(self, sql: str, tags: dict[str, Any], seconds: float, failure: str) -> None:
        slow = bool(self._slow) and seconds >= self._slow
        name = self.operation_of(tags)
        with self._lock:
            now = self._now()
            now.queries += 1
            now.query_seconds += seconds
            self._queries.setdefault(name, Durations()).add(seconds)
            if failure:
                self._errors[failure] += 1
            if slow:
                now.slow_seconds += seconds
                self._slow_queries += 1
        if slow:
            shown = ",".join(f"{name}='{value}'" for name, value in sorted(tags.items()))
            text = masked(sql)[:1000]
            _slow_log.warning("%.3f s: %s%s", seconds, text, f" ({shown})" if shown else "")

    # ---- Tell ----------------------------------------------------------------------------

    def samples(self) -> list[tuple[str, str, Any]]:
        """As ``_native.Pool.samples()``."""
        with self._lock:
            used = {name: timed for name, timed in self._queries.items() if timed.count}
            queries = {name: timed.summary() for name, timed in used.items()}
            return [
                ("queries", "", sum(query["count"] for query in queries.values())),
                ("slow_queries", "", self._slow_queries),
                ("retries", "", 0),
                ("acquire_wait", "", self._waits.summary()),
                ("connect", "", self._connects.summary()),
                ("lease_seconds", "", self._lease_seconds),
                *(("query", name, summary) for name, summary in queries.items()),
                *(("errors", name, count) for name, count in self._errors.items()),
            ]

    def histograms(self) -> list[tuple[str, str, Durations]]:
        """The histograms among the samples: name, label, and a copy."""
        with self._lock:
            named = [("acquire_wait", "", self._waits), ("connect", "", self._connects)]
            named += [("query", name, timed) for name, timed in self._queries.items()]
            return copy.deepcopy([each for each in named if each[2].count])

    def scaling(self, waiting: int, in_use: int, most: int) -> dict[str, Any]:
        """As ``_native.Pool.scaling()``."""
        with self._lock:
            oldest = time.monotonic() - WINDOW
            recent = [second for second in self._seconds if second.at >= oldest]
            length = min(time.monotonic() - self._began, WINDOW) or 1.0
        acquired = sum(second.acquired for second in recent)
        timeouts = sum(second.timeouts for second in recent)
        queries = sum(second.queries for second in recent)
        query_seconds = sum(second.query_seconds for second in recent)
        slow = sum(second.slow_seconds for second in recent)
        attempts = acquired + timeouts
        rate = timeouts / attempts if attempts else 0.0
        _, level, meaning, action, advice = next(row for row in _LEVELS if rate < row[0])
        why = 0 if not level else 1 if slow > query_seconds / 2 else 2
        return {
            "level": level,
            "interpretation": meaning,
            "action": action,
            "suggested_action": advice,
            "saturation": why,
            "cause": ("connections suffice", "slow queries", "many queries")[why],
            "timeout_rate": rate,
            "attempts": attempts,
            "timeouts": timeouts,
            "waiting": waiting,
            "window_seconds": length,
            "utilization": in_use / most if most else 0.0,
            "acquires_per_second": acquired / length,
            "queries_per_second": queries / length,
            "mean_wait": sum(second.waited for second in recent) / attempts if attempts else 0.0,
            "mean_query": query_seconds / queries if queries else 0.0,
        }


__all__ = ["Timings"]
