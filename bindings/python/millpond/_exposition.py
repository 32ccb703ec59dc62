"""Backends written in Python in the export for Prometheus, which the library makes of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import BackendPool

_STATUS = {
    "millpond_connections": "size",
    "millpond_connections_active": "in_use",
    "millpond_connections_idle": "idle",
    "millpond_connections_pending": "waiting",
    "millpond_connections_max": "max_size",
    "millpond_connections_sync_max": "sync_max_size",
    "millpond_connections_sync_active": "sync_in_use",
    "millpond_connections_opening": "opening",
    "millpond_connections_min": "min_size",
    "millpond_connections_active_peak": "peak_active",
    "millpond_connections_acquired_total": "total_acquired",
    "millpond_connections_released_total": "total_released",
    "millpond_connections_timeout_total": "timeouts",
    "millpond_connections_created_total": "created",
    "millpond_connections_closed_total": "destroyed",
    "millpond_connections_errors_total": "errors",
    "millpond_statement_cache_hits_total": "statement_hits",
    "millpond_statement_cache_misses_total": "statement_misses",
    "millpond_statement_cache_evictions_total": "statement_evictions",
}
_SCALING = {
    "millpond_timeout_ratio": "timeout_rate",
    "millpond_utilization_ratio": "utilization",
    "millpond_scaling_level": "level",
    "millpond_saturation": "saturation",
}
_SAMPLES = {  # of the pool's samples: the family, and what a label is called
    "slow_queries": ("millpond_slow_queries_total", ""),
    "retries": ("millpond_retries_total", ""),
    "lease_seconds": ("millpond_connections_usage_seconds_total", ""),
    "errors": ("millpond_errors_total", "error"),
    "breaker_state": ("millpond_circuit_breaker_state", "breaker"),
    "breaker_opened": ("millpond_circuit_breaker_opened_total", "breaker"),
    "breaker_refused": ("millpond_circuit_breaker_refused_total", "breaker"),
}
_HISTOGRAMS = {
    "acquire_wait": ("millpond_connections_acquire_seconds", ""),
    "connect": ("millpond_connections_creation_seconds", ""),
    "query": ("db_client_operation_duration_seconds", "db_operation_name"),
}
_POWERS = range(17, 37)  # of two, of nanoseconds: the bounds of the library's histograms

Line = tuple[str, str]  # the family, and the line


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    escaped = (
        (name, re.sub(r'[\\"]', r"\\\g<0>", value).replace("\n", "\\n")) for name, value in pairs
    )
    return ",".join(f'{name}="{value}"' for name, value in escaped)


def _lines_of(pool: BackendPool) -> Iterable[Line]:
    kind = pool.kind or "other_sql"
    own = [("pool", pool.alias), ("db_system_name", kind), ("hash", pool.hash.key)]
    status, scaling = pool.status(), pool.scaling()
    for names, told in ((_STATUS, status), (_SCALING, scaling)):
        for family, name in names.items():
            yield family, f"{family}{{{_labels(own)}}} {told[name]:.9g}"
    for name, label, value in pool.samples():
        if name in _SAMPLES:
            family, called = _SAMPLES[name]
            labels = [*own, (called, label)] if called else own
            yield family, f"{family}{{{_labels(labels)}}} {value:.9g}"
    for name, label, timed in pool.timings.histograms():
        family, called = _HISTOGRAMS[name]
        text = _labels([*own, (called, label)] if called else own)
        if called and not label:
            text = _labels([*own, (called, "")])
        yield from ((family, line) for line in _histogram(family, text, timed))


def _histogram(family: str, labels: str, timed: Any) -> Iterable[str]:
    for power in _POWERS:
        yield f'{family}_bucket{{{labels},le="{2**power * 1e-9:.9g}"}} {timed.below(power)}'
    yield f'{family}_bucket{{{labels},le="+Inf"}} {timed.count}'
    yield f"{family}_sum{{{labels}}} {timed.total:.9g}"
    yield f"{family}_count{{{labels}}} {timed.count}"


def with_backends(text: str, pools: Iterable[BackendPool]) -> str:
    """The library's export with the samples of other pools in their families."""
    more: dict[str, list[str]] = {}
    for pool in pools:
        for family, line in _lines_of(pool):
            more.setdefault(family, []).append(line)
    blocks = re.split(r"(?m)^(?=# HELP )", text)
    for index, block in enumerate(blocks):
        name = re.match(r"# HELP (\S+)", block)
        if name and name[1] in more:
            blocks[index] = "\n".join([block.rstrip("\n"), *more[name[1]], ""])
    return "".join(blocks)
