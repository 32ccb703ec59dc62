"""Read-only leases and reads of entities, on databases of one node: all as on many."""

import asyncio
from typing import Any

import millpond
import pytest
from millpond import ArgumentError, Session

# ---- Read-only leases --------------------------------------------------------------------

LEVELS = ("strong", "session", "eventual", 5, 0.25, None)


@pytest.fixture
def native(kind: str) -> str:
    if kind == "duckdb":
        pytest.skip("read-only leases are for the library's own databases")
    return kind


async def writes(conn: Any, items: str) -> None:
    await conn.execute(f"INSERT INTO {items} (id, name) VALUES (7, 'never')")


async def test_a_read_only_lease_reads_and_refuses_writes(native: str, items: str, db: Any) -> None:
    for level in LEVELS:
        async with db.async_connection(read_only=True, consistency=level) as conn:
            assert await conn.execute(f"SELECT * FROM {items}") == []
            assert conn.node == 0
            with pytest.raises(millpond.ReadOnlyError):
                await writes(conn, items)
        assert conn.node is None
        async with db.async_connection() as conn:  # the next lease may write
            async with conn.transaction(force_rollback=True):
                await writes(conn, items)


async def test_it_does_so_in_transactions_too(native: str, items: str, db: Any) -> None:
    async with db.async_connection(read_only=True) as conn:
        async with conn.transaction(read_only=True):
            assert await conn.execute(f"SELECT * FROM {items}") == []
        async with conn.transaction():
            assert await conn.execute(f"SELECT * FROM {items}") == []
        with pytest.raises(millpond.ReadOnlyError):
            async with conn.transaction():
                await writes(conn, items)
        with pytest.raises(millpond.ReadOnlyError):
            await writes(conn, items)


async def test_the_other_ways_to_acquire_take_it_too(native: str, items: str, db: Any) -> None:
    conn = await db.get_async_connection(read_only=True)
    with pytest.raises(millpond.ReadOnlyError):
        await writes(conn, items)
    await db.release_async_connection(conn)

    def blocking() -> None:
        with db.sync_connection(read_only=True, consistency="eventual") as sync:
            assert sync.execute(f"SELECT * FROM {items}") == []
            with pytest.raises(millpond.ReadOnlyError):
                sync.execute(f"INSERT INTO {items} (id, name) VALUES (7, 'never')")
        with db.transaction(read_only=True, consistency=3) as sync:
            assert sync.execute(f"SELECT * FROM {items}") == []

    await asyncio.to_thread(blocking)
    for level in LEVELS:
        for isolation in (None, "SERIALIZABLE"):
            how: dict[str, Any] = {"read_only": True, "consistency": level}
            async with db.transaction(isolation, **how) as conn:
                assert await conn.execute(f"SELECT * FROM {items}") == []
            with pytest.raises(millpond.ReadOnlyError):
                async with db.transaction(isolation, **how) as conn:
                    await writes(conn, items)


async def test_hooks_and_rows_of_the_database_are_as_ever(native: str, databases: Any) -> None:
    db = databases.open(native)
    db.row_factory = millpond.dict_row
    seen = []

    async def note(conn: Any) -> None:
        seen.append(conn.id)

    db.on_acquire(note)
    async with db.async_connection(read_only=True) as conn:
        assert await conn.execute("SELECT 1 AS one") == [{"one": 1}]
    assert seen


async def test_a_backend_in_python_says_that_it_has_none(databases: Any) -> None:
    db = databases.open("duckdb")
    with pytest.raises(millpond.UnsupportedError, match="read-only"):
        await db.get_async_connection(read_only=True)
    with pytest.raises(millpond.UnsupportedError, match="read-only"):
        async with db.async_connection(read_only=True, consistency="eventual"):
            pass
    with pytest.raises(millpond.UnsupportedError, match="read-only"):
        await asyncio.to_thread(lambda: db.sync_connection(read_only=True).__enter__())
    async with db.async_connection() as conn:
        assert conn.node == 0


@pytest.mark.parametrize("level", ["weak", "Strong", "", 0, -1, -0.5, float("nan"), True, b"x"])
async def test_a_consistency_that_is_none_is_refused(
    native: str, databases: Any, level: Any
) -> None:
    db = databases.open(native)
    message = 'consistency must be "strong", "session", "eventual" or a positive number of seconds'
    for use in (
        lambda: db.async_connection(read_only=True, consistency=level),
        lambda: db.transaction(read_only=True, consistency=level),
        lambda: db.sync_connection(read_only=True, consistency=level).__enter__(),
        lambda: db.get_entity("thing", "1", consistency=level),
    ):
        with pytest.raises(ArgumentError, match=message):
            use()
    with pytest.raises(ArgumentError, match=message):
        await db.get_async_connection(read_only=True, consistency=level)


async def test_consistency_without_read_only_is_refused(native: str, databases: Any) -> None:
    db = databases.open(native)
    for use in (
        lambda: db.async_connection(consistency="session"),
        lambda: db.sync_connection(consistency="session").__enter__(),
        lambda: db.transaction(consistency="session"),
    ):
        with pytest.raises(ArgumentError, match="pass read_only=True, too, or leave it out"):
            use()


# ---- Entities of a database --------------------------------------------------------------


async def test_a_database_reads_entities_without_a_connection(db: Any, kind: str) -> None:
    async with db.async_connection() as conn:
        saved = await conn.save_entity("thing", {"id": "1", "size": 3})
        await conn.save_entity("thing", {"id": "1", "size": 4})
        await conn.save_entity("thing", {"id": "2", "size": 5})
        begun = (await conn.get_entity("thing", "1", deserialize=True))["created_at"]
        until = begun.replace(year=begun.year + 1)

    def read(how: dict[str, Any]) -> tuple[Any, ...]:
        return (
            db.get_entity("thing", "1", **how),
            db.get_entities("thing", iter(["1", "2"]), **how),
            db.find_entities("thing", "[size] > ?", (4,), limit=5, **how),
            db.count_entities("thing", "[size] > ?", (1,), **how),
            db.get_entity_history("thing", "1", **how),
            db.get_entity_history_between("thing", begun, until, "2", **how),
            db.get_entity_by_version("thing", "1", 1, **how),
            db.list_entities(**how),
        )

    for level in ("strong",) if kind == "duckdb" else LEVELS:
        how: dict[str, Any] = {"consistency": level}
        for answers in (await asyncio.gather(*read(how)), await asyncio.to_thread(read, how)):
            one, both, found, count, history, between, version, names = answers
            assert one["size"] == 4
            assert sorted(each["id"] for each in both) == ["1", "2"]
            assert [each["size"] for each in found] == [5]
            assert count == 2
            assert [each["size"] for each in history] == [3, 4]
            assert [each["size"] for each in between] == [5]
            assert version["size"] == saved["size"] == 3
            assert "thing" in names
        with pytest.raises(millpond.UndefinedObjectError):
            await db.find_entities("thing", "[nothing] = ?", (1,), **how)
        assert await db.get_entity("thing", "9", **how) is None
        assert await db.get_entity("nothing", "9", **how) is None


async def test_the_config_says_how_fresh_reads_are(native: str, databases: Any) -> None:
    for level in ("session", "eventual", 2.5):
        db = databases.open(native, consistency=level)
        assert db.consistency == level
        async with db.async_connection() as conn:
            await conn.save_entity("thing", {"id": "1", "size": 3})
        with Session():
            assert (await db.get_entity("thing", "1"))["size"] == 3
        async with db.transaction(read_only=True) as conn:
            assert (await conn.get_entity("thing", "1"))["size"] == 3
    assert databases.open(native).consistency == "strong"
