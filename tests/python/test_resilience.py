"""Circuit breakers, retries, slow-call warnings and the statement cache, on any function."""

import asyncio
import functools
import gc
import itertools
import logging
import threading
import time
import weakref
from typing import Any

import millpond
import pytest
from millpond import (
    CircuitBreaker,
    CircuitState,
    StatementCache,
    circuit_breaker,
    overridable,
    retry_with_backoff,
    track_slow_method,
)

numbers = itertools.count()


def new_name() -> str:
    return f"test {next(numbers)}"


class Flaky:
    """Fails `failures` times, then returns its argument."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.left = failures
        self.calls = 0
        self.error = error or ConnectionError("down")

    def run(self, value: int) -> int:
        """The doc of run."""
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return value

    async def arun(self, value: int) -> int:
        await asyncio.sleep(0)
        return self.run(value)


async def finish(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value


# Each way to have a function: the decorated one gives a value, or an awaitable of it.
def shapes(flaky: Flaky) -> dict[str, Any]:
    return {
        "method": flaky.run,
        "async method": flaky.arun,
        "returns an awaitable": lambda value: asyncio.ensure_future(flaky.arun(value)),
        "partial": functools.partial(flaky.run),
        "returns a coroutine": lambda value: flaky.arun(value),
    }


SHAPES = list(shapes(Flaky(0)))


# ---- Circuit breaker -----------------------------------------------------------------------


def test_the_breaker_has_the_states_and_methods_of_the_api() -> None:
    breaker = CircuitBreaker.get_or_create(
        new_name(), failure_threshold=2, recovery_timeout=0.0, half_open_max_calls=1
    )
    assert breaker.state is CircuitState.CLOSED
    breaker.record_failure()
    assert breaker.allow_request() is True
    breaker.record_failure()
    assert breaker.state is CircuitState.HALF_OPEN  # no recovery time to wait for
    assert breaker.allow_request() is True
    breaker.record_success()
    assert breaker.state is CircuitState.CLOSED
    assert breaker.status()["opened"] == 1


def test_an_open_breaker_refuses_and_says_when_it_will_not() -> None:
    breaker = CircuitBreaker("shop", failure_threshold=1, recovery_timeout=600.0)
    breaker.record_failure()
    assert breaker.state is CircuitState.OPEN
    assert breaker.allow_request() is False
    with pytest.raises(millpond.CircuitOpenError, match=r'"shop" is open .* in (600|5\d\d) s'):
        breaker(lambda: 1)()
    assert 500 < breaker.status()["retry_after"] <= 600
    assert breaker.status()["refused"] == 2
    breaker.reset()
    assert breaker.state is CircuitState.CLOSED


def test_a_name_always_gives_the_same_breaker() -> None:
    name = new_name()
    first = CircuitBreaker.get_or_create(name, failure_threshold=1)
    assert CircuitBreaker.get_or_create(name, failure_threshold=99) is first
    assert CircuitBreaker(name) is not first
    first.record_failure()
    assert CircuitBreaker.get_or_create(name).state is CircuitState.OPEN
    assert CircuitBreaker(name).state is CircuitState.CLOSED


@pytest.mark.parametrize("shape", SHAPES)
async def test_failures_of_any_kind_of_function_open_its_breaker(shape: str) -> None:
    flaky = Flaky(2)
    name = new_name()
    call = circuit_breaker(name, failure_threshold=2)(shapes(flaky)[shape])
    for _ in range(2):
        with pytest.raises(ConnectionError, match="down"):
            await finish(call(1))
    with pytest.raises(millpond.CircuitOpenError):
        await finish(call(1))
    assert flaky.calls == 2
    CircuitBreaker.get_or_create(name).reset()
    assert await finish(call(7)) == 7


def test_a_circuit_open_error_is_a_connection_error() -> None:
    assert issubclass(millpond.CircuitOpenError, ConnectionError)
    assert issubclass(millpond.CircuitOpenError, millpond.OperationalError)


def test_decorators_keep_the_name_and_the_doc_and_work_on_every_kind_of_method() -> None:
    class Shop:
        @circuit_breaker()
        @retry_with_backoff()
        @track_slow_method()
        def load(self, key: int) -> tuple[str, int]:
            """The doc of load."""
            return ("load", key)

        @circuit_breaker()
        @staticmethod
        def static(key: int) -> int:
            return key

        @circuit_breaker()
        @classmethod
        def of_class(cls, key: int) -> tuple[type, int]:
            return (cls, key)

    assert Shop().load(key=1) == ("load", 1)
    assert Shop.load.__name__ == "load"
    assert Shop.load.__doc__ == "The doc of load."
    assert Shop.static(2) == Shop().static(2) == 2
    assert Shop.of_class(3) == (Shop, 3)


async def test_errors_that_show_that_the_database_is_there_do_not_count(databases: Any) -> None:
    db = databases.open("sqlite")
    name = new_name()

    @circuit_breaker(name, failure_threshold=2)
    async def run(sql: str) -> None:
        async with db.async_connection() as conn:
            await conn.execute(sql)

    for _ in range(10):
        with pytest.raises(millpond.ProgrammingError):
            await run("SELECT * FROM missing")
    assert CircuitBreaker.get_or_create(name).state is CircuitState.CLOSED
    for _ in range(2):
        with pytest.raises(millpond.QueryTimeoutError):
            async with db.async_connection() as conn:
                endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
                await circuit_breaker(name)(conn.execute)(
                    endless + "SELECT count(*) FROM n", timeout=0.01
                )
    assert CircuitBreaker.get_or_create(name).state is CircuitState.OPEN


def half_open() -> CircuitBreaker:
    """A breaker that lets one test call through. What nobody reports loses its place only after the
    recovery time, which is not over so soon again."""
    breaker = CircuitBreaker(
        "wedge", failure_threshold=1, recovery_timeout=1.0, half_open_max_calls=1
    )
    breaker.record_failure()
    while breaker.state is not CircuitState.HALF_OPEN:
        time.sleep(0.01)
    return breaker


async def wait(started: asyncio.Event, seconds: float) -> str:
    started.set()
    await asyncio.sleep(seconds)
    return "done"


def plain(started: asyncio.Event, seconds: float) -> Any:
    return wait(started, seconds)


@pytest.mark.parametrize("when", ["running", "not begun"])
@pytest.mark.parametrize("kind", ["coroutine function", "returns a coroutine"])
async def test_a_cancelled_test_call_does_not_wedge_a_half_open_breaker(
    when: str, kind: str
) -> None:
    breaker = half_open()
    started = asyncio.Event()
    call = breaker(wait if kind == "coroutine function" else plain)
    for _ in range(20):
        started.clear()
        task = asyncio.create_task(call(started, 600))
        if when == "running":
            await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        assert breaker.state is CircuitState.HALF_OPEN
        assert breaker.status()["probes"] == 0
    assert await call(started, 0) == "done"
    assert breaker.state is CircuitState.CLOSED


def test_an_interrupted_test_call_does_not_wedge_it_either() -> None:
    breaker = half_open()

    @breaker
    def work(interrupted: bool) -> str:
        if interrupted:
            raise KeyboardInterrupt
        return "done"

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            work(True)
        assert breaker.state is CircuitState.HALF_OPEN
        assert breaker.status()["probes"] == 0
    assert work(False) == "done"
    assert breaker.state is CircuitState.CLOSED


@pytest.mark.filterwarnings("ignore:coroutine .*(wait|_await_within). was never awaited")
async def test_a_test_call_that_nobody_awaits_is_given_up() -> None:
    breaker = half_open()
    breaker(plain)(asyncio.Event(), 0)
    assert breaker.status()["probes"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_threshold": 0},
        {"half_open_max_calls": 0},
        {"recovery_timeout": -1.0},
        {"window_size": 0.0},
        {"window_size": float("nan")},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(millpond.ArgumentError):
        CircuitBreaker("wrong", **wrong)


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb"])
def test_a_name_that_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(millpond.ArgumentError, match="name contains a NUL character or a lone"):
        CircuitBreaker(name)


def test_generators_are_refused_with_a_reason() -> None:
    def generate() -> Any:
        yield 1

    for decorator in (circuit_breaker(), retry_with_backoff(), track_slow_method()):
        with pytest.raises(millpond.ArgumentError, match="is a generator"):
            decorator(generate)


# ---- Retry ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
async def test_any_kind_of_function_is_tried_again(shape: str) -> None:
    flaky = Flaky(3)
    call = retry_with_backoff(max_retries=3, base_delay=0.0)(shapes(flaky)[shape])
    assert await finish(call(5)) == 5
    assert flaky.calls == 4


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_last_error_is_raised_when_no_retry_is_left(shape: str) -> None:
    flaky = Flaky(10)
    call = retry_with_backoff(max_retries=2, base_delay=0.0)(shapes(flaky)[shape])
    with pytest.raises(ConnectionError, match="down"):
        await finish(call(5))
    assert flaky.calls == 3


def test_only_the_exceptions_named_are_tried_again() -> None:
    flaky = Flaky(1, ValueError("no"))
    with pytest.raises(ValueError):
        retry_with_backoff(base_delay=0.0)(flaky.run)(1)
    assert flaky.calls == 1
    assert (
        retry_with_backoff(base_delay=0.0, exceptions=ValueError)(Flaky(1, ValueError()).run)(2)
        == 2
    )
    named = retry_with_backoff(base_delay=0.0, exceptions=(KeyError, ValueError))
    assert named(Flaky(1, ValueError()).run)(3) == 3


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(), False),
        (millpond.SqlSyntaxError("x"), False),
        (millpond.UniqueViolationError("x"), False),
        (millpond.UnknownOutcomeError("x"), False),
        (millpond.QueryTimeoutError("x"), False),
    ],
)
def test_without_exceptions_only_what_can_succeed_and_repeats_nothing(
    error: Exception, again: bool
) -> None:
    flaky = Flaky(1, error)
    call = retry_with_backoff(base_delay=0.0)(flaky.run)
    if again:
        assert call(1) == 1
    else:
        with pytest.raises(type(error)):
            call(1)
    assert flaky.calls == (2 if again else 1)


def test_errors_of_the_library_are_tried_again_if_they_say_that_they_can_be() -> None:
    error = millpond.DeadlockError("x")
    error.retryable = True
    assert retry_with_backoff(base_delay=0.0)(Flaky(1, error).run)(1) == 1


def test_an_unknown_outcome_is_tried_again_only_by_its_own_name() -> None:
    unknown = millpond.UnknownOutcomeError("x")
    broad = retry_with_backoff(base_delay=0.0, exceptions=(Exception,))
    with pytest.raises(millpond.UnknownOutcomeError):
        broad(Flaky(1, unknown).run)(1)
    exact = retry_with_backoff(base_delay=0.0, exceptions=(millpond.UnknownOutcomeError,))
    assert exact(Flaky(1, unknown).run)(1) == 1


def test_no_attempt_begins_after_the_total_timeout() -> None:
    flaky = Flaky(10**9)
    call = retry_with_backoff(
        max_retries=10**9, base_delay=0.001, max_delay=0.001, total_timeout=0.05
    )(flaky.run)
    with pytest.raises(ConnectionError):
        call(1)
    assert 1 < flaky.calls < 10**6


@pytest.mark.parametrize("plain", [False, True], ids=["coroutine function", "function"])
async def test_an_attempt_is_stopped_when_the_total_timeout_is_over(plain: bool) -> None:
    stopped: list[str] = []

    async def work() -> None:
        if not stopped:
            stopped.append("failed")
            raise ConnectionResetError("first")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("stopped")

    def begin() -> Any:
        return work()

    call = retry_with_backoff(base_delay=0.0, total_timeout=0.05)(begin if plain else work)
    with pytest.raises(TimeoutError, match=r"total_timeout of 0\.05 s") as caught:
        await call()
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert stopped == ["failed", "stopped"]


async def test_a_timeout_of_the_function_itself_is_its_own() -> None:
    mine = TimeoutError("mine")

    @retry_with_backoff(max_retries=2, base_delay=0.0)
    async def fail() -> None:
        raise mine

    with pytest.raises(TimeoutError) as caught:
        await fail()
    assert caught.value is mine


async def test_the_total_timeout_bounds_millponds_own_calls(
    databases: Any, kind: str, endless: str
) -> None:
    db = databases.open(kind)
    async with db.async_connection() as conn:
        with pytest.raises(TimeoutError, match="total_timeout"):
            await retry_with_backoff(total_timeout=0.05)(conn.execute)(endless)
        assert await conn.fetch_value("SELECT 1") == 1


@pytest.mark.parametrize("exceptions", [[KeyError, OSError], (KeyError, OSError), {KeyError: 1}])
def test_exceptions_are_given_as_any_collection(exceptions: Any) -> None:
    flaky = Flaky(1, KeyError("x"))
    assert retry_with_backoff(base_delay=0.0, exceptions=exceptions)(flaky.run)(1) == 1


@pytest.mark.parametrize("exceptions", [[KeyError, "OSError"], [1], int])
def test_what_is_no_exception_is_refused(exceptions: Any) -> None:
    with pytest.raises(millpond.ArgumentError, match="exceptions must be exception classes"):
        retry_with_backoff(exceptions=exceptions)


BARE: list[Any] = [
    retry_with_backoff,
    millpond.circuit_breaker,
    millpond.track_slow_method,
    millpond.overridable,
]


@pytest.mark.parametrize("decorator", BARE)
async def test_decorators_need_no_parentheses(decorator: Any) -> None:
    for decorate in (decorator, decorator()):

        @decorate
        def add(a: int, b: int) -> int:
            """Adds."""
            return a + b

        @decorate
        async def add_later(a: int, b: int) -> int:
            return a + b

        class Adder:
            @decorate
            @staticmethod
            def add(a: int, b: int) -> int:
                return a + b

            @decorate
            @classmethod
            def own(cls, a: int, b: int) -> int:
                return a + b

        assert add(1, b=2) == Adder.add(1, 2) == Adder.own(1, 2) == await add_later(1, 2) == 3
        assert (add.__name__, add.__doc__) == ("add", "Adds.")


async def test_a_cancelled_task_is_not_tried_again() -> None:
    calls = 0

    @retry_with_backoff(max_retries=10, base_delay=0.0, exceptions=(Exception,))
    async def wait() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(600)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == 1


async def test_a_wait_between_attempts_can_be_cancelled() -> None:
    flaky = Flaky(10)
    task = asyncio.create_task(
        retry_with_backoff(base_delay=600.0, max_delay=600.0, total_timeout=None)(flaky.arun)(1)
    )
    while not flaky.calls:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert flaky.calls == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"max_retries": True},
        {"base_delay": -0.1},
        {"max_delay": float("nan")},
        {"total_timeout": -1},
    ],
)
def test_retry_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(millpond.ArgumentError):
        retry_with_backoff(**wrong)


# ---- Slow methods, overridable -------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_slow_call_is_logged_and_a_quick_one_is_not(
    shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    quick = track_slow_method(threshold=600)(shapes(Flaky(0))[shape])
    assert await finish(quick(1)) == 1
    assert caplog.records == []
    slow = track_slow_method(threshold=0)(shapes(Flaky(0))[shape])
    assert await finish(slow(1)) == 1
    (record,) = [r for r in caplog.records if r.name == "millpond.slow"]
    assert record.levelname == "WARNING"
    assert "longer than 0 s" in record.getMessage()


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_slow_call_that_fails_is_logged_too(
    shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    slow = track_slow_method(threshold=0)(shapes(Flaky(1))[shape])
    with pytest.raises(ConnectionError):
        await finish(slow(1))
    assert [r.name for r in caplog.records] == ["millpond.slow"]


def test_overridable_marks_and_changes_nothing() -> None:
    class Base:
        @overridable
        def size(self) -> int:
            return 1

        @overridable
        @classmethod
        def kind(cls) -> str:
            return cls.__name__

    assert Base().size() == 1
    assert Base.kind() == "Base"
    assert getattr(Base.size, "__overridable__", False) is True
    assert getattr(Base.kind, "__overridable__", False) is True


# ---- Statement cache -----------------------------------------------------------------------


def test_the_statement_cache_takes_keywords() -> None:
    cache = StatementCache()
    key = StatementCache.hash(sql="SELECT 1")
    assert key == StatementCache.hash("SELECT 1")
    cache.put(sql_hash=key, statement=1, sql="SELECT 1")
    assert cache.get(sql_hash=key) == (1, "SELECT 1")
    for wrong in (cache.get, StatementCache.hash):
        with pytest.raises(TypeError):
            wrong(None)


def test_the_statement_cache_has_the_api_of_the_spec() -> None:
    cache = StatementCache()
    key = StatementCache.hash("SELECT 1")
    assert key == "b1698e52a0f16203489454196a0c6307"  # MD5
    assert cache.hit_ratio == 0.0
    assert cache.get(key) is None
    statement = object()
    cache.put(key, statement, "SELECT 1")
    assert cache.get(key) == (statement, "SELECT 1")
    assert cache.get(sql_hash := key) is not None and sql_hash == key
    assert cache.hit_ratio == pytest.approx(2 / 3)
    cache.put(sql_hash=key, statement=None, sql="other")
    assert cache.get(key) == (None, "other")
    assert len(cache) == 1


def test_the_statement_cache_drops_the_oldest_and_grows_when_it_is_missed() -> None:
    cache = StatementCache(size=2, max_size=8)
    for number in range(3):
        cache.put(str(number), number, "")
    assert cache.get("0") is None
    assert cache.get("2") == (2, "")
    for _ in range(20):
        for number in range(6):
            if cache.get(str(number)) is None:
                cache.put(str(number), number, "")
    assert cache.status()["size"] == 8
    assert all(cache.get(str(number)) == (number, "") for number in range(6))


def test_statements_that_are_dropped_are_freed_and_may_use_the_cache() -> None:
    cache = StatementCache(size=1, max_size=1)

    class Statement:
        def __del__(self) -> None:
            cache.get("2")

    for number in range(3):
        cache.put(str(number), Statement(), "")
    assert cache.status()["hits"] == 1  # of number 1 dropped, when 2 was in already
    cache.clear()
    assert len(cache) == 0


def test_a_cache_in_a_cycle_is_collected() -> None:
    class Owner:
        pass

    owner: Any = Owner()
    owner.cache = StatementCache()
    owner.cache.put("x", owner, "")
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_threads_share_a_statement_cache() -> None:
    cache = StatementCache(size=8, max_size=16)
    wrong: list[Any] = []

    def use() -> None:
        for number in range(5000):
            key = str(number * 7 % 23)
            found = cache.get(key)
            if found is None:
                cache.put(key, key, key)
            elif found != (key, key):
                wrong.append((key, found))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    status = cache.status()
    assert status["hits"] + status["misses"] == 20000


@pytest.mark.parametrize("sizes", [{"size": -1}, {"max_size": 0}, {"size": 5, "max_size": 4}])
def test_sizes_out_of_range_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(millpond.ArgumentError):
        StatementCache(**sizes)
