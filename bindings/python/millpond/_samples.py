"""What the library counts of pools, by name: for dicts of metrics and for signals of scaling."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from . import _native

_Sample = tuple[str, str, Any]


class ScalingLevel(enum.IntEnum):
    """How many acquires of connections time out, and so how pressing more capacity is."""

    NORMAL = 0  #: less than 0.1 %
    MILD = 1  #: 0.1 to 1 %
    HIGH = 2  #: to 5 %
    CRITICAL = 3  #: more


class ScalingAction(enum.IntEnum):
    """What to do about it."""

    NONE = 0
    REVIEW_QUERIES = 1  #: look for slow ones
    SCALE_UP = 2  #: a bigger database or bigger application servers
    SCALE_OUT = 3  #: more application servers


class Saturation(enum.IntEnum):
    """Why connections do not suffice."""

    NONE = 0  #: they suffice
    SLOW = 1  #: most of the time goes to queries over ``slow_query_threshold``
    MANY = 2  #: queries are fast, but many
    HELD = 3  #: connections are held while no query runs


_STATES = ("closed", "open", "half_open")


def _by_label(samples: Iterable[_Sample], name: str) -> dict[str, Any]:
    return {label: value for found, label, value in samples if found == name}


def _counts(samples: Iterable[_Sample], name: str) -> dict[str, int]:
    return {label: int(value) for label, value in _by_label(samples, name).items()}


def describe(samples: list[_Sample]) -> dict[str, Any]:
    """The samples of one pool, or of the process, by name. Without metrics=off there are:

    acquire_wait, connect: dict of count, and mean, p50, p95, p99, max in seconds.
    query_durations: such a dict by the tag ``operation``.
    queries, slow_queries, retries: int. lease_seconds: float.
    bytes_sent, bytes_received: int, of parameters and results: the length of texts and bytes, and
        8 for each value; 0 for backends written in Python.
    errors_by_class, closed_by_reason: dict of int.
    circuit_breakers: by name, dict of state (str), opened, refused.
    statement_hit_ratio: float from 0 to 1.
    """
    plain = {name: value for name, label, value in samples if not label}
    looked = plain.get("statement_hits", 0) + plain.get("statement_misses", 0)
    told: dict[str, Any] = {
        "statement_hit_ratio": plain.get("statement_hits", 0) / looked if looked else 0.0
    }
    if "acquire_wait" not in plain:
        return told
    told |= {name: int(plain[name]) for name in ("queries", "slow_queries", "retries")}
    told |= {name: int(plain.get(name, 0)) for name in ("bytes_sent", "bytes_received")}
    told |= {name: plain[name] for name in ("acquire_wait", "connect", "lease_seconds")}
    told["query_durations"] = _by_label(samples, "query")
    told["errors_by_class"] = _counts(samples, "errors")
    told["closed_by_reason"] = _counts(samples, "closed")
    told["circuit_breakers"] = {
        name: {
            "state": _STATES[int(state)],
            "opened": _counts(samples, "breaker_opened").get(name, 0),
            "refused": _counts(samples, "breaker_refused").get(name, 0),
        }
        for name, state in _by_label(samples, "breaker_state").items()
    }
    return told


def scaling_signal(pool: _native.Pool) -> dict[str, Any]:
    """The signal of one pool; see :meth:`PoolManager.get_pool_metrics`."""
    signal = pool.scaling()
    signal["level"] = ScalingLevel(signal["level"])
    signal["action"] = ScalingAction(signal["action"])
    signal["saturation"] = Saturation(signal["saturation"])
    return signal
