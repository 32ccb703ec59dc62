"""What pools count and time, the scaling signal, and the exports."""

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import millpond
import pytest
from millpond import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.parser import text_string_to_metric_families

SLEEPS = {"postgres": "SELECT pg_sleep(0.05)", "mysql": "SELECT sleep(0.05)"}


def metrics_of(db: Any) -> dict[str, Any]:
    return type(db).get_pool_metrics(db.hash())


# ---- Counts --------------------------------------------------------------------------------


async def test_the_keys_of_the_spec_are_there(db: Any) -> None:
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
        told = metrics_of(db)
        assert (told["total_acquired"], told["total_released"]) == (1, 0)
        assert (told["current_active"], told["peak_active"]) == (1, 1)
        assert (told["errors"], told["timeouts"]) == (0, 0)
    status = db.get_pool_status()
    for key in ("initialized", "alias", "hash", "min_size", "max_size", "size", "in_use", "idle"):
        assert key in status
    assert status["metrics"]["total_released"] == 1


async def test_statements_are_timed_by_operation(db: Any, kind: str) -> None:
    async with db.async_connection() as conn:
        for number in range(3):
            await conn.execute("SELECT ?", (number,), tags={"operation": "load"})
        await conn.execute("SELECT 1")
        with pytest.raises(millpond.Error):
            await conn.execute("SELECT * FROM missing", tags={"operation": "fail"})
    told = metrics_of(db)
    load = told["query_durations"]["load"]
    assert load["count"] == 3
    assert 0 < load["p50"] <= load["p95"] <= load["p99"] <= load["max"]
    assert told["query_durations"][""]["count"] == 1
    assert told["query_durations"]["fail"]["count"] == 1
    assert told["queries"] == 5
    assert sum(told["errors_by_class"].values()) == 1
    assert told["acquire_wait"]["count"] == 1
    assert told["connect"]["count"] == told["created"]
    if kind != "duckdb":  # the process's are the library's own
        assert metrics.process_metrics()["query_durations"]["load"]["count"] >= 3


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
async def test_durations_are_those_of_the_server(kind: str, databases: Any) -> None:
    db = databases.open(kind)
    async with db.async_connection() as conn:
        for _ in range(5):
            await conn.execute(SLEEPS[kind], tags={"operation": "sleep"})
    told = metrics_of(db)["query_durations"]["sleep"]
    assert told["p50"] >= 0.05 * 31 / 32
    assert told["mean"] >= 0.05


async def test_the_bytes_of_values_are_counted(items: str, db: Any) -> None:
    """Eight for each value, and the length of texts and bytes; alike on every database."""
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
        before = metrics_of(db)
        await conn.execute("SELECT ?", ("x" * 1000,))
        many = [(1, "x" * 10, 1), (2, "y", 2)]
        await conn.executemany("INSERT INTO items VALUES (?, ?, ?)", many)
        rows = [row async for row in conn.stream("SELECT 'abc' UNION ALL SELECT 'abcde'", batch=1)]
        assert len(rows) == 2
        after = metrics_of(db)
    assert after["bytes_sent"] - before["bytes_sent"] == 1008 + 6 * 8 + 11
    assert after["bytes_received"] - before["bytes_received"] == 1008 + 11 + 13


async def test_entity_calls_are_counted_by_their_names(db: Any, kind: str) -> None:
    async with db.async_connection() as conn:
        saved = await conn.save_entity("counted", {"n": 1})
        await conn.get_entity("counted", saved["id"])
        before = metrics_of(db)
        await conn.save_entity("counted", {"n": 1})
        await conn.save_entities("counted", [{"n": 1}])
        await conn.delete_entity("counted", saved["id"])
        await conn.restore_entity("counted", saved["id"])
        await conn.get_entity("counted", saved["id"])
        await conn.get_entities("counted", [saved["id"]])
        await conn.find_entities("counted")
        await conn.count_entities("counted")
        await conn.get_entity_history("counted", saved["id"])
        await conn.get_entity_by_version("counted", saved["id"], 1)
        await conn.list_entities()
        with pytest.raises(millpond.DatabaseError):
            await conn.find_entities("counted", where_clause="no_such_column = 1")
    after = metrics_of(db)
    assert after["queries"] > before["queries"]
    assert {
        "save_entity",
        "save_entities",
        "delete_entity",
        "restore_entity",
        "get_entity",
        "get_entities",
        "find_entities",
        "count_entities",
        "get_entity_history",
        "get_entity_by_version",
        "list_entities",
    } <= set(after["query_durations"])
    assert sum(after["errors_by_class"].values()) > sum(before["errors_by_class"].values())
    assert after["bytes_sent"] > before["bytes_sent"] or kind == "duckdb"


async def test_a_slow_entity_call_is_logged(databases: Any, kind: str, caplog: Any) -> None:
    db = databases.open(kind, slow_query_threshold=1e-6)
    async with db.async_connection() as conn:
        await conn.save_entity("counted", {"secret": "of mine"})
    logged = [record for record in caplog.records if record.name == "millpond.slow_query"]
    assert any("counted" in record.getMessage() for record in logged)
    assert "of mine" not in caplog.text


async def test_a_sync_connection_is_counted_too(db: Any) -> None:
    with db.sync_connection() as conn:
        conn.execute("SELECT 1", tags={"operation": "sync"})
    told = metrics_of(db)
    assert told["query_durations"]["sync"]["count"] == 1
    assert told["total_acquired"] == told["total_released"] == 1


async def test_metrics_can_be_turned_off(databases: Any) -> None:
    db = databases.open("sqlite", metrics=False)
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
    told = metrics_of(db)
    assert told["total_acquired"] == 1
    assert "query_durations" not in told
    assert told["scaling_signal"]["attempts"] == 0


# ---- The signal ----------------------------------------------------------------------------


async def contend(db: Any, *, acquired: int, timeouts: int) -> dict[str, Any]:
    """So many acquires that succeed, and that time out while the one connection is held."""
    for _ in range(acquired - 1):
        async with db.async_connection():
            pass
    async with db.async_connection():
        for _ in range(timeouts):
            with pytest.raises(millpond.AcquireTimeoutError):
                await db.get_async_connection(timeout=0.001)
    signal: dict[str, Any] = metrics_of(db)["scaling_signal"]
    return signal


@pytest.mark.parametrize(
    ("acquired", "timeouts", "level", "action", "text"),
    [
        (10, 0, "NORMAL", "NONE", "no action needed"),
        (500, 1, "MILD", "REVIEW_QUERIES", "review slow queries"),
        (50, 1, "HIGH", "SCALE_UP", "scale vertically"),
        (10, 1, "CRITICAL", "SCALE_OUT", "scale horizontally"),
    ],
)
async def test_the_timeout_rate_says_what_to_do(
    databases: Any, acquired: int, timeouts: int, level: str, action: str, text: str
) -> None:
    db = databases.open("sqlite", pool_max_size=1)
    signal = await contend(db, acquired=acquired, timeouts=timeouts)
    assert (signal["attempts"], signal["timeouts"]) == (acquired + timeouts, timeouts)
    assert signal["timeout_rate"] == pytest.approx(timeouts / (acquired + timeouts))
    assert signal["level"] is metrics.ScalingLevel[level]
    assert signal["action"] is metrics.ScalingAction[action]
    assert text in signal["suggested_action"]


async def saturate(databases: Any, **settings: Any) -> dict[str, Any]:
    """One connection that runs an endless statement, while others wait for it."""
    db = databases.open("postgres", pool_max_size=1, scaling_window=0.5, **settings)
    async with db.async_connection() as conn:
        running = asyncio.create_task(conn.execute("SELECT pg_sleep(600)"))
        waiting = asyncio.create_task(db.get_async_connection())
        for _ in range(2000):
            signal: dict[str, Any] = metrics_of(db)["scaling_signal"]
            if signal["saturation"]:
                break
            await asyncio.sleep(0.01)
        running.cancel()
        waiting.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
    return signal


async def test_slow_statements_are_told_from_many(databases: Any) -> None:
    slow = await saturate(databases, slow_query_threshold=0.001)
    assert slow["saturation"] is metrics.Saturation.SLOW
    assert "slow queries" in slow["cause"]
    many = await saturate(databases, slow_query_threshold=600)
    assert many["saturation"] is metrics.Saturation.MANY


async def test_connections_that_are_held_idle_are_told_from_busy_ones(databases: Any) -> None:
    db = databases.open("sqlite", pool_max_size=1, scaling_window=0.2)
    async with db.async_connection():
        waiting = asyncio.create_task(db.get_async_connection())
        for _ in range(2000):
            await asyncio.sleep(0.01)
            signal = metrics_of(db)["scaling_signal"]
            if signal["saturation"]:
                break
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert signal["saturation"] is metrics.Saturation.HELD
    assert signal["utilization"] > 0.8


# ---- Slow queries, breakers ----------------------------------------------------------------


async def test_a_slow_query_is_logged_once_and_without_its_parameters(
    db: Any, databases: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    slow = databases.open(kind, slow_query_threshold=1e-9)
    async with slow.async_connection() as conn:
        await conn.execute("SELECT ?", ("secret",), tags={"operation": "load", "user": 7})
    (record,) = [r for r in caplog.records if r.name == "millpond.slow_query"]
    assert record.levelno == logging.WARNING
    assert "operation='load',user='7'" in record.getMessage()
    assert "SELECT ?" in record.getMessage()
    assert "secret" not in record.getMessage()


async def test_parameters_of_slow_queries_are_logged_if_asked(
    databases: Any, caplog: pytest.LogCaptureFixture
) -> None:
    db = databases.open("sqlite", slow_query_threshold=1e-9, slow_query_log_parameters=True)
    async with db.async_connection() as conn:
        await conn.execute("SELECT ?, ?", ("visible", 42))
    (record,) = [r for r in caplog.records if r.name == "millpond.slow_query"]
    assert "parameters: 'visible', 42" in record.getMessage()


SECRETS = [
    "ALTER USER nobody_{n} PASSWORD 'hunter2' -- hunter2",
    "ALTER USER nobody_{n} IDENTIFIED BY 'hunter2''hunter2'",
    "SET PASSWORD FOR nobody_{n} = PASSWORD('hunter2')",
    "SELECT 1 FROM missing_{n} WHERE master_password = 'hunter2' /* hunter2 */",
    "PRAGMA missing_{n} = 'hunter2'",
    "UPDATE missing_{n} SET password = ?",
]


@pytest.mark.parametrize("sql", SECRETS)
async def test_no_password_is_in_the_log_of_slow_queries(
    databases: Any, kind: str, caplog: pytest.LogCaptureFixture, sql: str
) -> None:
    asked = {} if kind == "duckdb" else {"slow_query_log_parameters": True}
    db = databases.open(kind, slow_query_threshold=1e-9, **asked)
    async with db.async_connection() as conn:
        with contextlib.suppress(Exception):
            await conn.execute(sql.format(n="x"), ("hunter2",) if "?" in sql else ())
    logged = [r.getMessage() for r in caplog.records if r.name == "millpond.slow_query"]
    assert "hunter2" not in "".join(logged)
    assert logged
    assert all(sql[:10] in text for text in logged)


def test_a_blocking_call_that_fails_slowly_is_logged_and_raises(
    databases: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    db = databases.open(kind, slow_query_threshold=1e-9)
    with db.sync_connection() as conn:
        with pytest.raises(millpond.UndefinedObjectError):
            conn.execute("SELECT * FROM missing_table")
        with pytest.raises(millpond.TransactionStateError):
            conn.commit_transaction()
    assert "missing_table" in next(
        r.getMessage() for r in caplog.records if r.name == "millpond.slow_query"
    )


async def time_out_five_times(db: Any, endless: str, tags: dict[str, str]) -> None:
    for _ in range(5):  # a lease each: a server that stops late costs its connection
        async with db.async_connection() as conn:
            with pytest.raises(millpond.QueryTimeoutError):
                await conn.execute(endless, timeout=0.01, tags=tags)


async def test_an_operation_that_always_times_out_is_refused(
    databases: Any, kind: str, endless: str
) -> None:
    tags = {"operation": "report"}
    db = databases.open(kind, circuit_breaker_recovery_timeout=3600)
    await time_out_five_times(db, endless, tags)
    async with db.async_connection() as conn:
        with pytest.raises(millpond.CircuitOpenError, match="report"):
            await conn.execute("SELECT 1", tags=tags)
        assert (await conn.execute("SELECT 1", tags={"operation": "other"})) == [(1,)]
        breakers = metrics_of(db)["circuit_breakers"]
        assert breakers["report"] == {"state": "open", "opened": 1, "refused": 1}
        assert breakers["other"]["state"] == "closed"


async def test_an_operation_that_was_refused_may_prove_itself_after_a_while(
    db: Any, endless: str
) -> None:
    tags = {"operation": "report"}
    await time_out_five_times(db, endless, tags)
    async with db.async_connection() as conn:
        for _ in range(3):  # the recovery time is a second by default
            while True:
                try:
                    await conn.execute("SELECT 1", tags=tags)
                    break
                except millpond.CircuitOpenError:
                    await asyncio.sleep(0.01)
        report = metrics_of(db)["circuit_breakers"]["report"]
        assert (report["state"], report["opened"]) == ("closed", 1)


# ---- Prometheus ----------------------------------------------------------------------------


def families() -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(metrics.prometheus())}


async def test_prometheus_can_read_the_export(databases: Any) -> None:
    alias = 'a "quoted" \\ name\nin two lines'
    db = databases.open("postgres", alias=alias)
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1", tags={"operation": 'lo"ad'})
    breaker = millpond.CircuitBreaker.get_or_create("exported")
    breaker.record_failure()
    found = families()
    labels = {"pool": alias, "db_system_name": "postgres"}

    def value(family: str, sample: str, **more: str) -> float:
        (one,) = [
            s.value
            for s in found[family].samples
            if s.name == sample and (labels | more).items() <= s.labels.items()
        ]
        return float(one)

    assert value("millpond_connections_max", "millpond_connections_max") >= 20
    assert value("millpond_connections_acquired", "millpond_connections_acquired_total") == 1
    seconds = "db_client_operation_duration_seconds"
    assert value(seconds, f"{seconds}_count", db_operation_name='lo"ad') == 1
    assert value(seconds, f"{seconds}_bucket", db_operation_name='lo"ad', le="+Inf") == 1
    assert 0 < value(seconds, f"{seconds}_sum", db_operation_name='lo"ad') < 600
    states = found["millpond_circuit_breaker_state"].samples
    assert any(s.labels == {"breaker": "exported"} and s.value == 0 for s in states)


async def test_every_kind_of_pool_is_exported_under_the_same_names(db: Any, kind: str) -> None:
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1", tags={"operation": 'lo"ad'})
        with pytest.raises(millpond.Error):
            await conn.execute("SELECT * FROM missing")
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for family in text_string_to_metric_families(metrics.prometheus()):
            for sample in family.samples:
                if sample.labels.get("pool") == db.alias():
                    rest = {k: v for k, v in sample.labels.items() if k not in ("hash", "pool")}
                    assert rest.pop("db_system_name") == kind
                    found.setdefault(sample.name, {})[tuple(sorted(rest.items()))] = sample.value
    assert found["millpond_connections_acquired_total"] == {(): 1}
    assert found["millpond_connections_active"] == {(): 1}
    assert found["millpond_connections"] == {(): 1}
    count = found["db_client_operation_duration_seconds_count"]
    assert count == {
        (("db_operation_name", ""),): 1,
        (("db_operation_name", 'lo"ad'),): 1,
    }
    assert found["millpond_errors_total"][(("error", "EUNDEFINED"),)] == 1
    states = found["millpond_circuit_breaker_state"]
    assert states[(("breaker", 'lo"ad'),)] == 0
    assert found["millpond_scaling_level"] == {(): 0}
    assert found["millpond_connections_creation_seconds_count"] == {(): 1}
    assert found["millpond_connections_acquire_seconds_count"] == {(): 1}
    assert (("le", "+Inf"),) in found["millpond_connections_acquire_seconds_bucket"]


async def test_histograms_of_the_export_are_cumulative_and_complete(db: Any) -> None:
    async with db.async_connection() as conn:
        for _ in range(20):
            await conn.execute("SELECT 1", tags={"operation": "many"})
    text = metrics.prometheus()
    seen = 0
    for family in text_string_to_metric_families(text):
        if family.type != "histogram":
            continue
        series: dict[str, list[tuple[float, float]]] = {}
        counts: dict[str, float] = {}
        for sample in family.samples:
            rest = {k: v for k, v in sample.labels.items() if k != "le"}
            key = json.dumps(rest, sort_keys=True)
            if sample.name.endswith("_bucket"):
                series.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
            elif sample.name.endswith("_count"):
                counts[key] = sample.value
        for key, buckets in series.items():
            values = [value for _, value in sorted(buckets)]
            assert values == sorted(values)
            assert values[-1] == counts[key]
            seen += 1
    assert seen >= 3


async def test_no_series_is_exported_twice(databases: Any) -> None:
    one = databases.open("postgres", password=databases.config("postgres").config()["password"])
    other = databases.open("postgres", password="another, same hash")
    for db in (one, other):
        assert db.hash() == one.hash()
    keys = [
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in text_string_to_metric_families(metrics.prometheus())
        for sample in family.samples
    ]
    assert len(keys) == len(set(keys))


def test_the_password_is_in_no_export(databases: Any) -> None:
    databases.open("postgres", password="hunter2-and-more")
    assert "hunter2" not in metrics.prometheus()


# ---- OpenTelemetry -------------------------------------------------------------------------


class Telemetry:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.traces = TracerProvider()
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    metrics.enable_opentelemetry(made.traces, made.meters)
    yield made
    metrics.disable_opentelemetry()


NAMES = {"postgres": "postgresql", "mysql": "mysql", "sqlite": "sqlite", "duckdb": "duckdb"}


async def test_every_statement_is_a_span(db: Any, kind: str, telemetry: Telemetry) -> None:
    async with db.async_connection() as conn:
        rows = await conn.execute(
            "SELECT ?", (5,), tags={"operation": "load", "user": 7, "odd": [1]}
        )
        assert str(rows[0][0]) == "5"
        await conn.execute("SELECT 'a literal'")
    with db.sync_connection() as conn:
        conn.execute("SELECT 2", tags={"operation": "sync"})
    load, plain, sync = telemetry.exporter.get_finished_spans()
    assert (load.name, plain.name, sync.name) == ("load", "SELECT", "sync")
    assert load.kind is SpanKind.CLIENT
    attributes = dict(load.attributes or {})
    assert attributes == {
        "db.system.name": NAMES[kind],
        "db.system": NAMES[kind],
        "db.operation.name": "load",
        "db.query.text": "SELECT ?",
        "millpond.tag.operation": "load",
        "millpond.tag.user": 7,
        "millpond.tag.odd": "[1]",
    }
    assert "db.query.text" not in (plain.attributes or {})  # it has values


async def test_a_failed_statement_is_a_failed_span(db: Any, telemetry: Telemetry) -> None:
    async with db.async_connection() as conn:
        with pytest.raises(millpond.Error) as caught:
            await conn.execute("SELECT * FROM missing")
        with pytest.raises(millpond.Error):
            await conn.executemany("INSERT INTO missing VALUES (?)", param_list=[(1,)])
    span, other = telemetry.exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == type(caught.value).__name__
    if caught.value.sqlstate:
        assert (span.attributes or {})["db.response.status_code"] == caught.value.sqlstate
    assert other.name == "INSERT"
    for failed in (span, other):
        assert "missing" not in (failed.status.description or "")
    assert (span.status.description or "").startswith(type(caught.value).__name__)
    assert caught.value.sqlstate in (span.status.description or "")


async def test_messages_and_statements_in_spans_are_asked_for(db: Any) -> None:
    made = Telemetry()
    metrics.enable_opentelemetry(made.traces, made.meters, statements=True, error_messages=True)
    try:
        async with db.async_connection() as conn:
            with pytest.raises(millpond.Error):
                await conn.execute("SELECT password FROM missing WHERE password = 'hunter2'")
    finally:
        metrics.disable_opentelemetry()
    (span,) = made.exporter.get_finished_spans()
    assert "missing" in (span.status.description or "")
    text = (span.attributes or {})["db.query.text"]
    assert text == "SELECT password FROM missing WHERE password = '***'"


@pytest.mark.parametrize(
    "sql",
    [
        r"INSERT INTO users (name, password) VALUES ('dom\', 'hunter2')",
        "SELECT `it's`, password FROM t WHERE password = 'hunter2'",
        "# it's\nSET PASSWORD = 'hunter2'",
        "/* /* */ it's */ ALTER ROLE me PASSWORD 'hunter2'",
        "SELECT 1--'\n, 'hunter2' AS password",
        "SELECT a$b$ 'c$b$ hunter2' AS password",
    ],
)
def test_a_span_shows_no_password_whatever_the_database_takes_for_a_literal(sql: str) -> None:
    made = Telemetry()
    metrics.enable_opentelemetry(made.traces, made.meters, statements=True)
    try:
        db = millpond.connect("sqlite:///:memory:")
        with db, db.sync_connection() as conn, contextlib.suppress(millpond.Error):
            conn.execute(sql)
    finally:
        metrics.disable_opentelemetry()
    (span,) = made.exporter.get_finished_spans()
    text = str((span.attributes or {})["db.query.text"])
    assert "***" in text
    assert "hunter2" not in text


async def test_meters_read_the_pools(db: Any, kind: str, telemetry: Telemetry) -> None:
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1", tags={"operation": "load"})
        mine = [
            point
            for point in telemetry.points("db.client.connection.count")
            if point.attributes["millpond.pool.hash"] == db.hash()
        ]
        assert {p.attributes["db.client.connection.state"] for p in mine} == {"idle", "used"}
        assert sum(p.value for p in mine) >= 1
    (duration,) = telemetry.points("db.client.operation.duration")
    assert duration.count == 1
    assert dict(duration.attributes) == {
        "db.system.name": NAMES[kind],
        "db.operation.name": "load",
    }


async def test_spans_are_children_of_the_current_one(db: Any, telemetry: Telemetry) -> None:
    tracer = telemetry.traces.get_tracer("test")
    with tracer.start_as_current_span("request") as parent:
        async with db.async_connection() as conn:
            await conn.execute("SELECT 1")
    span = telemetry.exporter.get_finished_spans()[0]
    assert span.parent is not None
    assert span.parent.span_id == parent.get_span_context().span_id


async def test_a_cancelled_statement_ends_its_span(
    db: Any, endless: str, telemetry: Telemetry
) -> None:
    async with db.async_connection() as conn:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(conn.execute(endless), 0.05)
    (span,) = telemetry.exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "CancelledError"


async def test_disabling_puts_the_native_methods_back(db: Any) -> None:
    cls = millpond.PostgresAsyncConnection
    before = (cls.execute, cls.executemany)
    made = Telemetry()
    metrics.enable_opentelemetry(made.traces, made.meters)
    assert cls.execute is not before[0]
    metrics.enable_opentelemetry(made.traces, made.meters)  # twice is once
    metrics.disable_opentelemetry()
    metrics.disable_opentelemetry()
    assert (cls.execute, cls.executemany) == before
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
    assert made.exporter.get_finished_spans() == ()


def test_the_package_is_not_imported_unless_enabled() -> None:
    code = (
        "import millpond.metrics, sys; assert not any('opentelemetry' in m for m in sys.modules)\n"
        "sys.modules['opentelemetry'] = None\n"
        "try: millpond.metrics.enable_opentelemetry()\n"
        "except millpond.MisuseError as error: assert 'pip install' in str(error)\n"
        "else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
