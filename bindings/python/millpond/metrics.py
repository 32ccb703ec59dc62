"""What pools count and time, and two ways to export it: Prometheus and OpenTelemetry."""

from __future__ import annotations

from typing import Any

from . import _native
from ._samples import Saturation, ScalingAction, ScalingLevel, describe
from .otel import disable_opentelemetry, enable_opentelemetry


def process_metrics() -> dict[str, Any]:
    """The counts of all pools of this process together, closed ones included.

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
    return _native.prometheus()


__all__ = [
    "Saturation",
    "ScalingAction",
    "ScalingLevel",
    "disable_opentelemetry",
    "enable_opentelemetry",
    "process_metrics",
    "prometheus",
]
