"""Code of the program that runs in the middle of a call, and changes what the call is about."""

import asyncio
import datetime
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import millpond
import pytest
from conftest import ENDLESS

TABLE = "reentrant_things"


class Zone(datetime.tzinfo):
    """UTC, which does something when it is asked the first time."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.then = then

    def utcoffset(self, _: datetime.datetime | None) -> datetime.timedelta:
        then, self.then = self.then, lambda: None
        then()
        return datetime.timedelta(0)

    def dst(self, _: datetime.datetime | None) -> None:
        return None

    def tzname(self, _: datetime.datetime | None) -> str:
        return "Zone"


def moment(then: Callable[[], object]) -> datetime.datetime:
    return datetime.datetime(2020, 1, 1, tzinfo=Zone(then))


def texts() -> list[Any]:
    """Of no other object: they are freed with the list."""
    return [str(number) * 40 for number in range(1000, 1010)]


def emptying(what: Any) -> Callable[[], object]:
    """Empties it, and has the memory used for something else."""

    def empty() -> object:
        what.clear()
        return [str(number) * 40 for number in range(5000, 9000)]

    return empty


@pytest.fixture
def sqlite(databases: Any) -> Iterator[Any]:
    with databases.open("sqlite").sync_connection() as conn:
        yield conn


# ---- Parameters --------------------------------------------------------------------------


def test_a_list_that_is_emptied_while_it_is_read(sqlite: Any) -> None:
    params = texts()
    params.append(moment(emptying(params)))
    found = sqlite.execute("SELECT " + ", ".join("?" * 11), params)
    assert list(found[0][:10]) == texts()
    assert params == []


def test_a_list_that_grows_while_it_is_read(sqlite: Any) -> None:
    params: list[Any] = []
    params += [moment(lambda: params.extend(range(100_000))), 1]
    assert sqlite.execute("SELECT ? IS NOT NULL, ?", params) == [(1, 1)]


def test_rows_that_go_while_they_are_read(sqlite: Any) -> None:
    sqlite.execute("CREATE TABLE many (a, b)")
    rows: list[Any] = []
    empty = moment(emptying(rows))
    rows += [[text, empty] for text in texts()]
    sqlite.executemany("INSERT INTO many VALUES (?, ?)", rows)
    assert [a for (a,) in sqlite.execute("SELECT a FROM many ORDER BY a")] == texts()


def test_conditions_that_go_while_they_are_read(sqlite: Any) -> None:
    ident = sqlite.save_entity(TABLE, {"name": texts()[0]})["id"]
    params = texts()[:1]
    params.append(moment(emptying(params)))
    found = sqlite.find_entities(TABLE, "name = ? AND ? IS NOT NULL", params)
    assert [entity["id"] for entity in found] == [ident]


class Thing:
    def __init__(self, then: Callable[[], object]) -> None:
        self.then = then


def test_an_entity_that_is_emptied_by_its_own_value(sqlite: Any) -> None:
    millpond.register_serializer(Thing, lambda thing: str(bool(thing.then())), lambda _: None)
    entity: dict[str, Any] = {"".join(["na", "me"]): texts()[0]}
    entity["thing"] = Thing(emptying(entity))
    saved = sqlite.save_entity(TABLE, entity, deserialize=True)
    assert saved["name"] == texts()[0]


def test_months_beyond_what_is_kept_are_refused(sqlite: Any) -> None:
    for months in (2**32 + 1, 2**80):
        with pytest.raises(millpond.ValueRangeError, match="parameter 1 has more months"):
            sqlite.execute("SELECT ?", (millpond.Interval(months=months),))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_tag_that_is_no_text_is_refused(sqlite: Any, text: str) -> None:
    with pytest.raises(millpond.Error, match="a tag contains"):
        sqlite.execute("SELECT 1", tags={"operation": text})


# ---- Awaitables --------------------------------------------------------------------------


async def test_asyncio_waits_for_what_is_there_at_once(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        both = asyncio.gather(conn.in_transaction(), conn.get_version_details())
        assert (await asyncio.wait_for(both, 10))[0] is False
        waited = asyncio.as_completed([conn.in_transaction(), conn.in_transaction()], timeout=10)
        assert [await each for each in waited] == [False, False]


async def test_a_callback_that_completes_the_awaitable_as_it_is_compared(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        running = conn.execute(ENDLESS["sqlite"])

        class Callback:
            def __call__(self, _: Any) -> None: ...

            def __eq__(self, _: object) -> bool:
                running.cancel()
                return True

            __hash__ = None  # type: ignore[assignment]

        for _ in range(3):
            running.add_done_callback(Callback())
        running.remove_done_callback(Callback())
        with pytest.raises(asyncio.CancelledError):
            await running


def test_two_threads_find_the_same_closed_event_loop(databases: Any) -> None:
    db = databases.open("sqlite")

    async def use() -> Any:
        async with db.async_connection() as conn:
            return await conn.fetch_value("SELECT 1")

    class Loop(asyncio.SelectorEventLoop):
        then: Callable[[], object] = staticmethod(lambda: None)

        def is_closed(self) -> bool:
            then, self.then = self.then, lambda: None
            then()
            return super().is_closed()

    def in_a_thread() -> None:
        thread = threading.Thread(target=lambda: asyncio.run(use()))
        thread.start()
        thread.join()

    loop = Loop()
    loop.run_until_complete(use())
    loop.close()
    loop.then = in_a_thread
    assert asyncio.run(use()) == 1


# ---- Results -----------------------------------------------------------------------------


class Anything:
    rows: Any


def test_a_result_in_a_cycle_is_collected() -> None:
    anything = Anything()
    anything.rows = millpond.Result((), (), 0, anything)  # type: ignore[arg-type]
    gone = weakref.ref(anything)
    del anything
    gc.collect()
    assert gone() is None


# ---- Transactions ------------------------------------------------------------------------


def test_a_block_that_was_a_savepoint_can_be_the_outermost(sqlite: Any) -> None:
    sqlite.execute("CREATE TABLE blocks (id int)")
    block = sqlite.transaction()
    with sqlite.transaction(), block:
        sqlite.execute("INSERT INTO blocks VALUES (1)")
    with block:
        sqlite.execute("INSERT INTO blocks VALUES (2)")
    assert sqlite.in_transaction() is False
    assert sqlite.execute("SELECT count(*) FROM blocks") == [(2,)]


async def test_a_block_is_not_entered_inside_itself(items: str, conn: Any) -> None:
    block = conn.transaction()
    async with block:
        with pytest.raises(millpond.MisuseError, match=r"call transaction\(\) again"):
            async with block:
                raise AssertionError
        await conn.execute("INSERT INTO items (id, name) VALUES (1, 'x')")
    assert await conn.in_transaction() is False
    assert await conn.fetch_value("SELECT count(*) FROM items") == 1


# ---- Settings ----------------------------------------------------------------------------


def test_numbers_that_are_too_large_for_a_breaker_are_refused() -> None:
    for number in (2**32 + 1, 2**80):
        with pytest.raises(millpond.ArgumentError, match="failure_threshold must be from 1"):
            millpond.CircuitBreaker("large", failure_threshold=number)


def test_a_nul_beside_other_letters_is_not_cut_off() -> None:
    with pytest.raises(millpond.ArgumentError, match="NUL"):
        with millpond.SqliteDatabase(database="ä\0b").sync_connection():
            raise AssertionError


def test_a_url_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(millpond.ArgumentError, match="not UTF-8"):
        millpond.DatabaseConfig.from_url("mysql://host/%ff")
