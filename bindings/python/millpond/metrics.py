"""What pools count and time, and two ways to export it: Prometheus and OpenTelemetry."""

from __future__ import annotations

from typing import Any

from . import _native
from ._exposition import with_backends
from ._samples import Saturation, ScalingAction, ScalingLevel, describe
from .backend import BackendPool
from .otel import disable_opentelemetry, enable_opentelemetry
from .pool_manager import PoolManager


def process_metrics() -> dict[str, Any]:
    """The counts of all pools of this process together, closed ones included; but not those of
    backends written in Python.

    Keys: total_acquired, total_released, current_active, timeouts, errors, created, destroyed, and
    what :meth:`PoolManager.get_pool_metrics` has from statement_hit_ratio to circuit_breakers.
    """
    samples = _native.process_samples()
    plain = {name: value for name, label, value in samples if not label}
    names = {
        "acquired": "total_acquired",
        "released": "total_released",
        "active": "current_active",
        "timeouts": "timeouts",
        "connection_errors": "errors",
        "created": "created",
        "destroyed": "destroyed",
    }
    return {
        **{told: int(plain.get(name, 0)) for name, told in names.items()},
        **describe(samples),
    }


def prometheus() -> str:
    """All pools and circuit breakers in Prometheus' text format, to be served as
    ``text/plain; version=0.0.4``. No server and no package is needed for it."""
    backends = [e.pool for e in PoolManager._find(None) if isinstance(e.pool, BackendPool)]
    text = _native.prometheus()
    return with_backends(text, backends) if backends else text


__all__ = [
    "Saturation",
    "ScalingAction",
    "ScalingLevel",
    "disable_opentelemetry",
    "enable_opentelemetry",
    "process_metrics",
    "prometheus",
]
