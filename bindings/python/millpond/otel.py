"""OpenTelemetry, through its API package: spans of statements, and metrics of pools.

Nothing here costs anything before enable_opentelemetry() is called; the package is only imported
then (``pip install millpond[otel]``).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from typing import Any

from ._async.connection import (
    MysqlAsyncConnection,
    PostgresAsyncConnection,
    SqliteAsyncConnection,
    _NativeAsyncConnection,
)
from ._mask import masked
from ._native import version
from ._sync.connection import (
    MysqlSyncConnection,
    PostgresSyncConnection,
    SqliteSyncConnection,
    _NativeSyncConnection,
)
from .exceptions import Error, MisuseError
from .execute import AsyncExecute, SyncExecute

_METHODS = ("execute", "executemany")
_SYSTEMS = {"postgres": "postgresql", "mysql": "mysql", "sqlite": "sqlite"}
_CLASSES = {
    (PostgresAsyncConnection, PostgresSyncConnection): "postgresql",
    (MysqlAsyncConnection, MysqlSyncConnection): "mysql",
    (SqliteAsyncConnection, SqliteSyncConnection): "sqlite",
}


def _system_of(connection: object) -> str:
    for classes, name in _CLASSES.items():
        if isinstance(connection, classes):
            return name
    lease = getattr(connection, "_lease", None)
    return system_name(lease.owner.kind) if lease else "other_sql"


def system_name(kind: str) -> str:
    """What OpenTelemetry calls a database, by its name in the factory."""
    return _SYSTEMS.get(kind, kind) or "other_sql"


def _tags_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The tags of a call with (sql,) params, timeout, tags."""
    return kwargs.get("tags") or (args[2] if len(args) > 2 else None) or {}


class _Span:
    """One statement."""

    __slots__ = ("_attributes", "_begin", "_span", "_telemetry")

    def __init__(
        self,
        telemetry: _Telemetry,
        connection: object,
        sql: object,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        system = _system_of(connection)
        tags = _tags_of(args, kwargs)
        words = sql.split(None, 1) if isinstance(sql, str) else []
        operation = str(tags.get("operation") or (words[0].upper()[:32] if words else "execute"))
        self._attributes: dict[str, Any] = {
            "db.system.name": system,
            "db.operation.name": operation,
        }
        details: dict[str, Any] = {**self._attributes, "db.system": system}
        has_params = bool(args[0] if args else kwargs.get("params") or kwargs.get("param_list"))
        if isinstance(sql, str) and telemetry.wants_text(has_params):
            details["db.query.text"] = masked(sql)
        for key, value in tags.items():
            plain = isinstance(value, (str, bool, int, float))
            details[f"millpond.tag.{key}"] = value if plain else str(value)
        self._telemetry = telemetry
        self._begin = time.monotonic()
        self._span = telemetry.tracer.start_span(
            operation, kind=telemetry.client, attributes=details
        )

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        attributes = self._attributes
        if error is not None:
            attributes = {**attributes, "error.type": type(error).__qualname__}
            self._span.set_attribute("error.type", type(error).__qualname__)
            if isinstance(error, Error) and error.sqlstate:
                self._span.set_attribute("db.response.status_code", error.sqlstate)
            self._span.set_status(self._telemetry.error, self._telemetry.status_of(error))
        self._span.end()
        self._telemetry.durations.record(time.monotonic() - self._begin, attributes)


class _Telemetry:
    """What is made of the API package while telemetry is on."""

    def __init__(
        self,
        tracer_provider: Any,
        meter_provider: Any,
        statements: bool | None,
        error_messages: bool,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise MisuseError(
                "the package opentelemetry-api is not installed: pip install 'millpond[otel]'"
            ) from None
        self.tracer = trace.get_tracer("millpond", version, tracer_provider)
        self.client = trace.SpanKind.CLIENT
        self.error = trace.StatusCode.ERROR
        self._statements = statements
        self._error_messages = error_messages
        self._observation = metrics.Observation
        self._on = True
        meter = metrics.get_meter("millpond", version, meter_provider)
        self.durations = meter.create_histogram(
            "db.client.operation.duration", "s", "How long statements take"
        )
        self._add_instruments(meter)

    def wants_text(self, has_params: bool) -> bool:
        return has_params if self._statements is None else self._statements

    def status_of(self, error: BaseException) -> str:
        """What a span says of a failure: a server's message has values of the statement in it."""
        if self._error_messages:
            return str(error)
        name = type(error).__qualname__
        sqlstate = error.sqlstate if isinstance(error, Error) else ""
        return f"{name} ({sqlstate})" if sqlstate else name

    # ---- Pools ---------------------------------------------------------------------------

    def _add_instruments(self, meter: Any) -> None:
        gauge, counter = meter.create_observable_up_down_counter, meter.create_observable_counter
        plain = (
            (gauge, "db.client.connection.max", "max_size", "{connection}"),
            (gauge, "db.client.connection.idle.min", "min_size", "{connection}"),
            (gauge, "db.client.connection.pending_requests", "waiting", "{request}"),
            (counter, "db.client.connection.timeouts", "timeouts", "{timeout}"),
            (counter, "millpond.connection.acquired", "total_acquired", "{lease}"),
            (counter, "millpond.connection.created", "created", "{connection}"),
        )
        for make, name, key, unit in plain:
            make(name, [functools.partial(self._observe, key)], unit)
        gauge("db.client.connection.count", [self._observe_count], "{connection}")
        meter.create_observable_gauge("millpond.scaling.level", [self._observe_level])
        nodes = (
            ("primary", "is_primary", "1"),
            ("healthy", "is_healthy", "1"),
            ("lag", "lag_seconds", "s"),
            ("lag.size", "lag_bytes", "By"),
            ("latency", "latency_seconds", "s"),
        )
        for name, key, unit in nodes:
            observe = functools.partial(self._observe_nodes, key)
            meter.create_observable_gauge(f"millpond.node.{name}", [observe], unit)
        for key in ("reads", "fallbacks", "waits", "missed", "ejections", "failures"):
            name = "waits.missed" if key == "missed" else key
            counter(f"millpond.node.{name}", [functools.partial(self._observe_nodes, key)])

    def _pools(self) -> list[tuple[Any, dict[str, Any]]]:
        """The open pools, and what says which."""
        if not self._on:
            return []
        from .pool_manager import PoolManager

        return [
            (
                entry.pool,
                {
                    "db.client.connection.pool.name": entry.config.alias(),
                    "db.system.name": system_name(entry.name),
                    "millpond.pool.hash": entry.hash.key,
                },
            )
            for entry in PoolManager._find(None)
        ]

    def _observe(self, key: str, options: Any) -> Iterable[Any]:
        for pool, attributes in self._pools():
            yield self._observation(pool.status()[key], attributes)

    def _observe_count(self, options: Any) -> Iterable[Any]:
        for pool, attributes in self._pools():
            status = pool.status()
            for state, key in (("idle", "idle"), ("used", "in_use")):
                yield self._observation(
                    status[key], {**attributes, "db.client.connection.state": state}
                )

    def _observe_level(self, options: Any) -> Iterable[Any]:
        for pool, attributes in self._pools():
            yield self._observation(pool.scaling()["level"], attributes)

    def _observe_nodes(self, key: str, options: Any) -> Iterable[Any]:
        """One number of each node of the databases that have several."""
        for pool, attributes in self._pools():
            nodes = pool.nodes()
            for node in nodes if len(nodes) > 1 else ():
                if node[key] is None:  # not known
                    continue
                which = {
                    "millpond.node": node["address"],
                    "millpond.node.role": node["role"],
                    "millpond.node.region": node["region"],
                }
                yield self._observation(node[key] + 0, {**attributes, **which})

    def stop(self) -> None:
        """Instruments cannot be removed: they observe nothing from now on."""
        self._on = False


def _traced(telemetry: _Telemetry, native: Any) -> Any:
    @functools.wraps(native)
    def traced(connection: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
        with _Span(telemetry, connection, sql, args, kwargs):
            return native(connection, sql, *args, **kwargs)

    return traced


def _traced_async(telemetry: _Telemetry, native: Any) -> Any:
    @functools.wraps(native)
    async def traced(connection: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
        with _Span(telemetry, connection, sql, args, kwargs):
            return await native(connection, sql, *args, **kwargs)

    return traced


_enabled: _Telemetry | None = None
_originals: list[tuple[type, str, Any]] = []


def enable_opentelemetry(
    tracer_provider: Any = None,
    meter_provider: Any = None,
    statements: bool | None = None,
    error_messages: bool = False,
) -> None:
    """Make a span of every ``execute`` and ``executemany``, and let meters read the pools.

    A span has the name of the tag ``operation``, or of the statement's verb, and the attributes
    db.system.name, db.operation.name and millpond.tag.* for each tag; failed ones error.type and
    db.response.status_code. Durations go to the histogram db.client.operation.duration, pools to
    db.client.connection.*, the nodes of databases that have several to millpond.node.*. Parameters
    are never exported. Calling it again replaces the providers.

    Args:
        tracer_provider, meter_provider: of OpenTelemetry; None: the global ones.
        statements: whether spans have the statement's text. None: only that of statements with
            parameters, whose text has no values. The literals of a statement that may set a
            password are never in it.
        error_messages: whether the status of a failed span has the error's message, in which
            servers repeat values of the statement. Without it, it has the error's class and
            SQLSTATE only.

    Raises:
        MisuseError: the package opentelemetry-api is not installed.
    """
    global _enabled
    disable_opentelemetry()
    telemetry = _Telemetry(tracer_provider, meter_provider, statements, error_messages)
    wrappers: tuple[tuple[Any, Any], ...] = (
        (_NativeAsyncConnection, _traced_async),
        (_NativeSyncConnection, _traced),
        (AsyncExecute, _traced_async),
        (SyncExecute, _traced),
    )
    for cls, wrap in wrappers:
        for name in _METHODS:
            _originals.append((cls, name, vars(cls).get(name)))
            setattr(cls, name, wrap(telemetry, getattr(cls, name)))
    _enabled = telemetry


def disable_opentelemetry() -> None:
    """Undo enable_opentelemetry(); without it, this does nothing."""
    global _enabled
    while _originals:
        cls, name, original = _originals.pop()
        if original is None:
            delattr(cls, name)
        else:
            setattr(cls, name, original)
    if _enabled is not None:
        _enabled.stop()
    _enabled = None


__all__ = ["disable_opentelemetry", "enable_opentelemetry"]
