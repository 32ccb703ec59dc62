"""What a program overrides in the native classes takes effect; what it leaves alone is native."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import millpond
import pyarrow
import pytest
from conftest import at_rest

pytestmark = pytest.mark.once

NATIVE = ("sqlite", "postgres", "mysql")
PLACEHOLDER = {"sqlite": "?", "postgres": "$1", "mysql": "?"}

DATABASES: dict[str, type[millpond.ConnectionManager]] = {
    "sqlite": millpond.SqliteDatabase,
    "postgres": millpond.PostgresDatabase,
    "mysql": millpond.MysqlDatabase,
}
GENERATORS: dict[str, Any] = {
    "sqlite": millpond.SqliteSqlGenerator,
    "postgres": millpond.PostgresSqlGenerator,
    "mysql": millpond.MysqlSqlGenerator,
}


@pytest.fixture(params=NATIVE)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tenant_database(kind: str) -> Any:
    """A database whose SQL says TABLE_OF_TENANT where a tenant's own table is meant."""
    seen: list[str] = []

    class Tenant(GENERATORS[kind]):
        def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
            seen.append(sql)
            return super().convert_query_to_native(
                sql.replace("TABLE_OF_TENANT", "ponds_7"), params
            )

    class TenantDatabase(DATABASES[kind]):
        sql_generator = Tenant()
        converted: ClassVar[list[str]] = seen

    return TenantDatabase


@pytest.fixture
async def tenants(kind: str, databases: Any) -> AsyncIterator[Any]:
    db = tenant_database(kind)(databases.config(kind))
    async with db.async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS ponds_7")
        await conn.execute(
            "CREATE TABLE TABLE_OF_TENANT (id integer PRIMARY KEY, name varchar(99))"
        )
        yield db
        await conn.execute("DROP TABLE TABLE_OF_TENANT")


INSERT = "INSERT INTO TABLE_OF_TENANT VALUES (?, ?)"
SELECT = "SELECT id, name FROM TABLE_OF_TENANT WHERE id > ? ORDER BY id"
ROWS = [(1, "north"), (2, "what?"), (3, "mill")]


async def test_every_call_goes_through_the_conversion(tenants: Any) -> None:
    async with tenants.async_connection() as conn:
        await conn.execute(INSERT, ROWS[0], tags={"operation": "add"})
        assert (await conn.executemany(INSERT, ROWS[1:])).rowcount == 2
        assert await conn.execute(SELECT, (0,)) == ROWS
        assert [row async for row in conn.stream(SELECT, (0,), batch=2)] == ROWS
        assert pyarrow.table(await conn.fetch_arrow(SELECT, (1,))).num_rows == 2
        async with conn.transaction():
            done: list[int] = []
            more = [(number, "x") for number in range(10, 1510)]
            await conn.executemany(INSERT, more, progress=done.append)
            assert sum(done) == 1500


async def test_the_same_without_asyncio(tenants: Any) -> None:
    with tenants.sync_connection() as conn:
        conn.execute(INSERT, ROWS[0])
        conn.executemany(INSERT, ROWS[1:])
        assert conn.execute(SELECT, (0,)) == ROWS
        assert list(conn.stream(SELECT, (0,), batch=2)) == ROWS
        assert pyarrow.table(conn.fetch_arrow(SELECT, (1,))).num_rows == 2


async def test_a_converted_statement_is_not_converted_again(kind: str, databases: Any) -> None:
    class Odd(GENERATORS[kind]):
        def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
            return f"SELECT 'a?b', '[c]', {PLACEHOLDER[kind]} + 0", params

    class OddDatabase(DATABASES[kind]):
        sql_generator = Odd()

    db = OddDatabase(databases.config(kind))
    for _ in range(2):  # the second time from the cache
        async with db.async_connection() as conn:
            assert await conn.execute("whatever ? is [here", (7,)) == [("a?b", "[c]", 7)]
    with db.sync_connection() as sync:
        assert sync.execute("ditto ??", (8,)) == [("a?b", "[c]", 8)]


async def test_native_and_plain_statements_share_a_cache(kind: str, databases: Any) -> None:
    """One text that means two things, on the connections of one pool."""
    config = databases.config(kind, pool_max_size=1)
    plain = DATABASES[kind](config)

    class Verbatim(GENERATORS[kind]):
        def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
            return sql, params

    class VerbatimDatabase(DATABASES[kind]):
        sql_generator = Verbatim()

    verbatim = VerbatimDatabase(config)
    text = "SELECT '?' AS x WHERE 1 = 1 /* ?? */ OR 2 = 2"
    async with plain.async_connection() as conn:
        assert await conn.execute(text) == [("?",)]
    async with verbatim.async_connection() as conn:
        assert await conn.execute(text) == [("?",)]
        with pytest.raises(millpond.Error):
            await conn.execute("SELECT [x] FROM [y]")  # not quoted in the database's own way
    status = plain.get_pool_status()["metrics"]
    assert status["created"] == 1  # of one pool, as the configuration says
    assert status["statement_misses"] >= 2


async def test_the_number_of_parameters_is_checked_all_the_same(tenants: Any) -> None:
    async with tenants.async_connection() as conn:
        for params in ((), (1,), (1, "a", 2)):
            with pytest.raises(millpond.ParameterError):
                await conn.execute(INSERT, params)
        with pytest.raises(millpond.SqlSyntaxError, match="one statement"):
            await conn.execute("SELECT 1; SELECT 2")
        with pytest.raises(millpond.SqlSyntaxError, match="empty"):
            await conn.execute("  ")
        with pytest.raises(millpond.ParameterError, match="sql must be a str"):
            await conn.execute(7)
        with pytest.raises(millpond.ParameterError, match="tuple or list"):
            await conn.execute(SELECT, {1})
        with pytest.raises(millpond.ParameterError, match="row 1"):
            await conn.executemany(INSERT, [(1, "a"), 2])
        with pytest.raises(TypeError, match="param_list"):
            await conn.executemany(INSERT)
        assert (await conn.executemany(INSERT, [])).rowcount == 0
        assert await conn.execute(SELECT, (0,)) == []


async def test_too_few_parameters_of_a_native_statement(kind: str, databases: Any) -> None:
    """Nobody has counted them but the database."""

    class Careless(GENERATORS[kind]):
        def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
            return f"SELECT {PLACEHOLDER[kind]} + 0", params

    class CarelessDatabase(DATABASES[kind]):
        sql_generator = Careless()

    async with CarelessDatabase(databases.config(kind)).async_connection() as conn:
        for params in ((), (1, 2)):
            with pytest.raises(millpond.ParameterError):
                await conn.execute("SELECT ? + 0", params)
        assert await conn.execute("SELECT ? + 0", (1,)) == [(1,)]


async def test_rows_that_become_different_statements_are_refused(kind: str, databases: Any) -> None:
    class Fickle(GENERATORS[kind]):
        def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
            native, given = super().convert_query_to_native(sql, params)
            return f"{native} -- {given[0]}", given

    class FickleDatabase(DATABASES[kind]):
        sql_generator = Fickle()

    async with FickleDatabase(databases.config(kind)).async_connection() as conn:
        with pytest.raises(millpond.ParameterError, match="a different statement for row 1"):
            await conn.executemany("SELECT ?", [(1,), (2,)])


async def test_what_a_conversion_raises_is_raised(kind: str, databases: Any) -> None:
    class Failing(GENERATORS[kind]):
        def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
            if "secret" in sql:
                raise PermissionError("not for you")
            if "wrong" in sql:
                return None  # type: ignore[return-value]
            return super().convert_query_to_native(sql, params)

    class FailingDatabase(DATABASES[kind]):
        sql_generator = Failing()

    db = FailingDatabase(databases.config(kind))
    async with db.async_connection() as conn:
        with pytest.raises(PermissionError, match="not for you"):
            await conn.execute("SELECT secret")
        with pytest.raises(TypeError):
            await conn.execute("SELECT wrong")
        assert await conn.execute("SELECT 1") == [(1,)]
    with db.sync_connection() as sync, pytest.raises(PermissionError):
        sync.execute("SELECT secret")


async def test_entity_calls_go_through_the_conversion(kind: str, databases: Any) -> None:
    db = tenant_database(kind)(databases.config(kind))
    async with db.async_connection() as conn:
        for table in ("reeds", "reeds_meta", "reeds_history"):
            await conn.execute(f"DROP TABLE IF EXISTS {table}")
        db.converted.clear()
        saved = await conn.save_entity("reeds", {"height": 1.5, "name": "first"})
        assert any("reeds_history" in sql for sql in db.converted)
        await conn.save_entity("reeds", {"id": saved["id"], "height": 2.5})
        ids = await conn.save_entities("reeds", [{"height": n, "wet": True} for n in range(5)])
        async with conn.transaction():  # a new field inside: tables are changed apart
            await conn.save_entity("reeds", {"id": ids[0], "colour": "green"})
        found = await conn.find_entities("reeds", "[height] > ?", (2,), order_by="height")
        assert [entity["height"] for entity in found] == [2.5, 3, 4]
        assert len(await conn.get_entity_history("reeds", saved["id"])) == 2
        nested = {"names": ["a", "b"], "more": {"x": [1, {"y": None}]}, "empty": []}
        await conn.save_entity("reeds", {"id": ids[2], **nested})
        read = await conn.get_entity("reeds", ids[2], deserialize=True)
        assert {name: read[name] for name in nested} == nested
        assert await conn.delete_entity("reeds", ids[1]) is True
        assert await conn.count_entities("reeds") == 5
    with db.sync_connection() as sync:
        assert sync.get_entity("reeds", ids[0])["colour"] == "green"
        sync.save_entity("reeds", {"id": ids[0], "depth": 3})
        assert sync.get_entity("reeds", ids[0])["depth"] == 3
    plain = DATABASES[kind](databases.config(kind))
    async with plain.async_connection() as conn:  # sees the same, by the core's own plans
        assert (await conn.get_entity("reeds", ids[0]))["depth"] == 3
        for table in ("reeds", "reeds_meta", "reeds_history"):
            await conn.execute(f"DROP TABLE IF EXISTS {table}")


async def test_a_comment_of_its_own_replaces_the_tags(kind: str, databases: Any) -> None:
    class Signed(GENERATORS[kind]):
        def get_comment_sql(self, tags: Mapping[str, Any] | None = None) -> str | None:
            return f"/* by {tags['who']} */" if tags else None

    class SignedDatabase(DATABASES[kind]):
        sql_generator = Signed()

    db = SignedDatabase(databases.config(kind))
    async with db.async_connection() as conn:
        rows = await conn.execute("SELECT ? + 0", (3,), tags={"who": "me", "operation": "three"})
        assert rows == [(3,)]
        with pytest.raises(millpond.Error) as caught:
            await conn.execute("SELECT nonsense FROM nowhere", tags={"who": "*/ FROM", "x": 1})
        assert caught.value.code == "ESYNTAX"  # its own comment was sent, as it was
    operations = db.get_pool_status()["metrics"]["query_durations"]
    assert operations["three"]["count"] == 1


async def test_a_connection_class_of_its_own(kind: str, databases: Any) -> None:
    """A property of the class works as the spec has it, and methods can be added."""
    native = DATABASES[kind].async_connection_class

    class Shouting(GENERATORS[kind]):
        def convert_query_to_native(self, sql: str, params: Any = None) -> tuple[str, Any]:
            native_sql, given = super().convert_query_to_native(sql, params)
            return native_sql, [p.upper() if isinstance(p, str) else p for p in given]

    class LoudConnection(native):  # type: ignore[valid-type, misc]
        @property
        def parameter_converter(self) -> millpond.SqlGenerator:
            return Shouting()

        async def one(self) -> int:
            return await self.fetch_value("SELECT 1")

    class LoudDatabase(DATABASES[kind]):
        async_connection_class = LoudConnection

    db = LoudDatabase(databases.config(kind))
    async with db.async_connection() as conn:
        assert isinstance(conn, LoudConnection)
        assert await conn.one() == 1
        assert await conn.fetch_value("SELECT ?", ("quiet",)) == "QUIET"
    with db.sync_connection() as sync:
        assert sync.fetch_value("SELECT ?", ("quiet",)) == "quiet"


def test_nothing_overridden_is_native_through_and_through(kind: str, databases: Any) -> None:
    native = DATABASES[kind]

    class Plain(native):  # type: ignore[valid-type, misc]
        def _calculate_pool_size(self) -> tuple[int, int]:
            return 0, 2

    class Same(GENERATORS[kind]):
        pass

    class WithSame(native):  # type: ignore[valid-type, misc]
        sql_generator = Same()

    for database in (native, Plain, WithSame):
        assert not database._tests_async
        assert not database._tests_sync
        for cls in (database.async_connection_class, database.sync_connection_class):
            assert not cls._converts
            for name in ("execute", "fetch_arrow", "_stream", "_entity"):
                assert inspect.ismethoddescriptor(inspect.getattr_static(cls, name)) or not (
                    inspect.isfunction(getattr(cls, name))
                )
    db = Plain(databases.config(kind))
    assert db.get_pool_status()["max_size"] == 2


# ---- Tests of connections ------------------------------------------------------------------


def with_tests(kind: str) -> Any:
    class Tested(DATABASES[kind]):
        tested: ClassVar[list[int]] = []
        dead: ClassVar[set[int]] = set()

        async def _test_connection(self, connection: millpond.AsyncConnection) -> None:
            self.tested.append(connection.id)
            if connection.id in self.dead:
                raise RuntimeError("it fails the test")
            assert await connection.fetch_value("SELECT 5") == 5

        def _test_sync_connection(self, connection: millpond.SyncConnection) -> None:
            self.tested.append(connection.id)
            if connection.id in self.dead:
                raise RuntimeError("it fails the test")
            assert connection.fetch_value("SELECT 5") == 5

    return Tested


async def test_a_health_check_runs_the_test(kind: str, databases: Any) -> None:
    db = with_tests(kind)(databases.config(kind, pool_max_size=2))
    assert await db.health_check() is True
    assert len(db.tested) == 1
    async with db.async_connection() as first, db.async_connection() as second:
        db.tested.clear()
        assert await db.health_check() is True  # all are in use: nobody's is taken
        assert db.tested == []
        db.dead |= {first.id, second.id}
    assert await db.health_check() is True  # the dead ones go, a new one is made
    assert set(db.tested) == db.dead | {db.tested[-1]}
    assert (await at_rest(db))["size"] == 1
    assert (await millpond.PoolManager.health_check_all_pools())[db.hash()] is True


async def test_a_health_check_fails_if_no_connection_passes(kind: str, databases: Any) -> None:
    class Sick(DATABASES[kind]):
        async def _test_connection(self, connection: millpond.AsyncConnection) -> None:
            raise RuntimeError("never well")

    db = Sick(databases.config(kind))
    assert await db.health_check() is False
    assert millpond.PoolManager.health_check_all_pools()[db.hash()] is False
    await at_rest(db)


async def test_a_health_check_ends_in_time(kind: str, databases: Any) -> None:
    class Hanging(DATABASES[kind]):
        async def _test_connection(self, connection: millpond.AsyncConnection) -> None:
            await asyncio.Event().wait()

    db = Hanging(databases.config(kind))
    assert await db.health_check(timeout=0.1) is False
    await at_rest(db)


async def test_a_rested_connection_is_tested_before_it_is_lent(kind: str, databases: Any) -> None:
    db = with_tests(kind)(databases.config(kind, pool_validate_after=0))
    async with db.async_connection() as conn:
        number = conn.id
        assert db.tested == []  # it is new
    async with db.async_connection() as conn:
        assert db.tested == [conn.id] == [number]
    conn = await db.get_async_connection()
    await db.release_async_connection(conn)
    assert db.tested == [number] * 2
    db.dead.add(number)
    async with db.async_connection() as conn:
        assert conn.id != number  # another took its place
    assert db.get_pool_status()["metrics"]["created"] == 2


async def test_a_connection_in_steady_use_is_not_tested(kind: str, databases: Any) -> None:
    db = with_tests(kind)(databases.config(kind))
    for _ in range(10):
        async with db.async_connection() as conn:
            await conn.execute("SELECT 1")
        with db.sync_connection() as sync:
            sync.execute("SELECT 1")
    assert db.tested == []


async def test_a_cancelled_test_gives_the_connection_back(kind: str, databases: Any) -> None:
    begun = asyncio.Event()

    class Slow(DATABASES[kind]):
        async def _test_connection(self, connection: millpond.AsyncConnection) -> None:
            begun.set()
            await asyncio.Event().wait()

    db = Slow(databases.config(kind, pool_validate_after=0))
    async with db.async_connection():
        pass
    task = asyncio.ensure_future(db.get_async_connection())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await at_rest(db)


def test_synchronous_connections_are_tested_too(kind: str, databases: Any) -> None:
    db = with_tests(kind)(databases.config(kind, pool_validate_after=0))
    with db.sync_connection() as conn:
        number = conn.id
    with db.sync_connection() as conn:
        assert db.tested == [conn.id] == [number]
    kept = db.get_sync_connection()
    assert db.get_sync_connection() is kept
    db.dead.add(number)
    replaced = db.get_sync_connection()
    assert replaced.id not in (0, number)
    db.release_sync_connection()
