"""What is MySQL's and MariaDB's own."""

import asyncio
import datetime as dt
import decimal
import logging
import math
import uuid
from typing import Any

import millpond
import pytest
from conftest import when
from entities import entity_name
from millpond import Interval

UTC = dt.UTC
SOME_UUID = uuid.UUID("12345678-9abc-4ef0-9234-56789abcdef0")

VALUES = [
    ("boolean", True),
    ("tinyint", -128),
    ("tinyint(1)", 7),
    ("smallint", -(2**15)),
    ("mediumint", 2**23 - 1),
    ("int", -(2**31)),
    ("bigint", 2**63 - 1),
    ("bigint", -(2**63)),
    ("bigint unsigned", 2**63 - 1),
    ("bit(5)", 21),
    ("year", 2026),
    ("float", 1.5),
    ("double", 1e308),
    ("double", -5e-324),
    ("decimal(65, 20)", decimal.Decimal("12345678901234567890123456789012345678.00000000001")),
    ("decimal(10, 4)", decimal.Decimal("-0.0001")),
    ("char(3)", "abc"),
    ("varchar(100)", ""),
    ("text", "héllo 😀"),
    ("mediumtext", "x" * 1_000_000),
    ("enum('small', 'big')", "big"),
    ("set('a', 'b', 'c')", "a,c"),
    ("varbinary(10)", b""),
    ("mediumblob", bytes(range(256)) * 4096),
    ("date", dt.date(1, 1, 1)),
    ("date", dt.date(9999, 12, 31)),
    ("time(6)", dt.time(23, 59, 59, 999999)),
    ("time", dt.time(0)),
    ("time(6)", dt.timedelta(hours=-800, microseconds=-1)),
    ("datetime(6)", dt.datetime(1, 1, 1)),
    ("datetime(6)", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamp(6) null", dt.datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=UTC)),
    ("json", {"a": [1, 2.5, None, "ü"]}),
]


@pytest.mark.parametrize(("sql_type", "value"), VALUES)
async def test_a_column_keeps_its_value(databases: Any, sql_type: str, value: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute(f"CREATE TEMPORARY TABLE kept (id int, value {sql_type})")
        await conn.execute("INSERT INTO kept VALUES (?, ?)", (1, value))
        await conn.executemany("INSERT INTO kept VALUES (?, ?)", [(2, value), (3, None)])
        rows = await conn.execute("SELECT value FROM kept ORDER BY id")
        assert rows == [(value,), (value,), (None,)]
        assert type(rows[0][0]) is type(value)


async def test_a_uuid_is_one_where_the_server_has_the_type(mariadb: object, databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (text char(36), id uuid)")
        await conn.execute("INSERT INTO kept VALUES (?, ?)", (SOME_UUID, SOME_UUID))
        assert (await conn.execute("SELECT * FROM kept")) == [(str(SOME_UUID), SOME_UUID)]


async def test_an_aware_time_is_moved_to_utc(databases: Any) -> None:
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    moment = dt.datetime(2026, 1, 1, 3, 0, tzinfo=zone)
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (at timestamp, naive datetime)")
        await conn.execute("INSERT INTO kept VALUES (?, ?)", (moment, moment))
        rows = await conn.execute("SELECT * FROM kept")
    assert rows == [(moment, dt.datetime(2025, 12, 31, 21, 30))]
    assert rows[0][0].tzinfo == UTC


async def test_numbers_beyond_64_bits_stay_exact(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        rows = await conn.execute("SELECT 18446744073709551615, CAST(? AS unsigned)", (5,))
        assert rows == [(decimal.Decimal(2**64 - 1), 5)]


async def test_a_date_of_zeros_names_its_column_and_row(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (id int, day date)")
        await conn.execute("INSERT INTO kept VALUES (1, '2026-01-01'), (2, '0000-00-00')")
        with pytest.raises(millpond.InvalidDataError, match='column "day" of row 1 .*zeros'):
            await conn.execute("SELECT day FROM kept ORDER BY id")
        assert (await conn.execute("SELECT 1")) == [(1,)]


@pytest.mark.parametrize("value", [math.nan, math.inf, decimal.Decimal("NaN"), Interval(months=1)])
async def test_what_mysql_has_no_value_for_is_refused(databases: Any, value: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match="parameter 2 is "):
            await conn.execute("SELECT ?, ?", (1, value))
        with pytest.raises(millpond.ValueRangeError, match="row 1: parameter 2 is "):
            await conn.executemany("SELECT ?, ?", [(1, 1), (1, value)])


async def test_nothing_is_cut_to_fit(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (text varchar(3), n tinyint)")
        with pytest.raises(millpond.ValueRangeError, match="'text'"):
            await conn.execute("INSERT INTO kept VALUES (?, ?)", ("abcd", 1))
        with pytest.raises(millpond.ValueRangeError, match="'n'"):
            await conn.execute("INSERT INTO kept VALUES (?, ?)", ("abc", 128))
        with pytest.raises(millpond.InvalidDataError):
            await conn.execute("INSERT INTO kept VALUES (?, ?)", ("abc", "many"))


async def test_columns_of_mixed_types_go_in_bulk(databases: Any) -> None:
    rows = [(1, "a"), (2.5, 7), (None, dt.date(2026, 1, 2)), (True, SOME_UUID), ("4", None)]
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (n decimal(5, 1), text varchar(36))")
        assert (await conn.executemany("INSERT INTO kept VALUES (?, ?)", rows)).rowcount == 5
        kept = await conn.execute("SELECT * FROM kept")
    assert kept == [
        (decimal.Decimal("1.0"), "a"),
        (decimal.Decimal("2.5"), "7"),
        (None, "2026-01-02"),
        (decimal.Decimal("1.0"), str(SOME_UUID)),
        (decimal.Decimal("4.0"), None),
    ]


async def test_a_bulk_of_many_packets_keeps_every_row(databases: Any) -> None:
    rows = [(i, f"{i:06d}" * 150) for i in range(20_000)]
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (id int PRIMARY KEY, text text)")
        assert (await conn.executemany("INSERT INTO kept VALUES (?, ?)", rows)).rowcount == 20_000
        counted = "SELECT count(*), sum(id), count(DISTINCT text) FROM kept"
        assert (await conn.execute(counted)) == [(20_000, decimal.Decimal(199_990_000), 20_000)]
        changed = await conn.executemany(
            "UPDATE kept SET text = ? WHERE id < ?", [("a", 10), ("b", 5)]
        )
        assert changed.rowcount == 15


async def test_a_bulk_that_fails_late_names_the_row_and_leaves_nothing(databases: Any) -> None:
    rows = [(i, "x") for i in range(5000)] + [(77, "again")] + [(i, "y") for i in range(6000, 6100)]
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (id int PRIMARY KEY, text text)")
        with pytest.raises(millpond.UniqueViolationError, match="row 5000: .*'77'") as caught:
            await conn.executemany("INSERT INTO kept VALUES (?, ?)", rows)
        assert caught.value.constraint == "PRIMARY"
        assert (await conn.execute("SELECT count(*) FROM kept")) == [(0,)]
        await conn.begin_transaction()
        await conn.execute("INSERT INTO kept VALUES (1, 'mine')")
        with pytest.raises(millpond.UniqueViolationError, match="row 1: "):
            await conn.executemany("INSERT INTO kept VALUES (?, ?)", [(0, "x"), (1, "y")])
        await conn.commit_transaction()
        assert (await conn.execute("SELECT * FROM kept")) == [(1, "mine")]


async def test_the_last_id_comes_back(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (id int PRIMARY KEY AUTO_INCREMENT, n int)")
        assert (await conn.execute("INSERT INTO kept (n) VALUES (?)", (1,))).lastrowid == 1
        assert (await conn.execute("INSERT INTO kept (n) VALUES (?)", (1,))).lastrowid == 2


async def test_an_update_counts_the_rows_that_it_found(items: str, databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (n int)")
        await conn.execute("INSERT INTO kept VALUES (1), (1)")
        assert (await conn.execute("UPDATE kept SET n = 1")).rowcount == 2


async def test_ddl_in_a_transaction_is_reported(
    databases: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS defined")
        await conn.begin_transaction()
        assert await conn.in_transaction() is True
        with caplog.at_level(logging.WARNING, "millpond"):
            await conn.execute("CREATE TABLE defined (id int)")
            assert await conn.in_transaction() is False
            assert (await conn.execute("SELECT 1")) == [(1,)]
        assert "CREATE committed the open transaction" in caplog.text
        with pytest.raises(millpond.TransactionStateError):
            await conn.commit_transaction()
        await conn.execute("DROP TABLE defined")


async def test_a_deadlock_ends_the_transaction_of_its_victim(databases: Any) -> None:
    db = databases.open("mysql")
    async with db.async_connection() as one, db.async_connection() as two:
        await one.execute("DROP TABLE IF EXISTS locked")
        await one.execute("CREATE TABLE locked (id int PRIMARY KEY, n int)")
        await one.execute("INSERT INTO locked VALUES (1, 0), (2, 0)")
        update = "UPDATE locked SET n = n + 1 WHERE id = ?"
        for conn, first in ((one, 1), (two, 2)):
            await conn.begin_transaction()
            await conn.execute(update, (first,))
        outcomes = await asyncio.gather(
            one.execute(update, (2,)), two.execute(update, (1,)), return_exceptions=True
        )
        failed = [isinstance(outcome, millpond.DeadlockError) for outcome in outcomes]
        assert sorted(failed) == [False, True]
        victim, other = (one, two) if failed[0] else (two, one)
        assert await victim.in_transaction() is False
        await other.commit_transaction()
        assert (await victim.execute("SELECT sum(n) FROM locked")) == [(decimal.Decimal(2),)]


async def test_a_cancel_stops_the_work_on_the_server(databases: Any) -> None:
    db = databases.open("mysql")
    async with db.async_connection() as conn, db.async_connection() as watcher:
        number = (await conn.execute("SELECT connection_id()"))[0][0]
        running = "SELECT count(*) FROM information_schema.processlist WHERE id = ? AND info LIKE ?"
        task = asyncio.ensure_future(conn.execute("SELECT sleep(600)"))
        while (await watcher.execute(running, (number, "SELECT sleep%"))) == [(0,)]:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await conn.execute("SELECT connection_id()")) == [(number,)]  # waits for its end
        assert (await watcher.execute(running, (number, "SELECT sleep%"))) == [(0,)]


async def test_a_timeout_in_a_transaction_leaves_it_open(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (n int)")
        await conn.begin_transaction()
        await conn.execute("INSERT INTO kept VALUES (1)")
        with pytest.raises(TimeoutError):
            await conn.execute("SELECT sleep(600)", timeout=0.1)
        assert await conn.in_transaction() is True
        await conn.execute("INSERT INTO kept VALUES (2)")
        await conn.commit_transaction()
        assert (await conn.execute("SELECT count(*) FROM kept")) == [(2,)]


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_a_killed_session_is_lost_and_says_what_is_known(
    databases: Any, in_transaction: bool
) -> None:
    db = databases.open("mysql", pool_max_size=1)
    async with (
        databases.open("mysql", alias="killer").async_connection() as killer,
        db.async_connection() as conn,
    ):
        await conn.execute("DROP TABLE IF EXISTS slow")
        await conn.execute("CREATE TABLE slow (n int)")
        number = (await conn.execute("SELECT connection_id()"))[0][0]
        if in_transaction:
            await conn.begin_transaction()
        writing = asyncio.ensure_future(conn.execute("INSERT INTO slow SELECT sleep(600)"))
        state = "SELECT state FROM information_schema.processlist WHERE id = ?"
        while (await killer.execute(state, (number,))) != [("User sleep",)]:
            await asyncio.sleep(0.01)
        await killer.execute(f"KILL {number}")
        expected = millpond.ConnectionLostError if in_transaction else millpond.UnknownOutcomeError
        with pytest.raises(expected):
            await writing
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT connection_id()")) != [(number,)]
        await conn.execute("DROP TABLE slow")


async def test_an_idle_connection_that_the_server_closed_is_replaced(databases: Any) -> None:
    db = databases.open("mysql", pool_max_size=1)
    async with db.async_connection() as conn:
        number = (await conn.execute("SELECT connection_id()"))[0][0]
    async with databases.open("mysql", alias="killer").async_connection() as killer:
        await killer.execute(f"KILL {number}")
    await when(db, "a pool without connections", lambda it: it["size"] == 0)
    async with db.async_connection() as conn:
        assert (await conn.execute("SELECT 1")) == [(1,)]


@pytest.mark.parametrize(
    ("sql", "column"),
    [("SHOW TABLES LIKE 'no%'", "Tables"), ("CHECKSUM TABLE no_table", "Table"), ("HELP 'x'", "")],
)
async def test_statements_that_are_not_queries_give_their_rows(
    databases: Any, sql: str, column: str
) -> None:
    async with databases.open("mysql").async_connection() as conn:
        rows = await conn.execute(sql)
        assert column in "".join(rows.columns)


async def test_a_procedure_gives_its_first_rows(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("DROP PROCEDURE IF EXISTS two")
        await conn.execute(
            "CREATE PROCEDURE two(n int) BEGIN SELECT n AS a; SELECT n + 1 AS b, 2 AS c; END"
        )
        for _ in range(3):
            rows = await conn.execute("CALL two(?)", (5,))
            assert (rows, rows.columns) == ([(5,)], ("a",))
        assert (await conn.execute("SELECT 1")) == [(1,)]
        await conn.execute("DROP PROCEDURE two")


async def test_local_files_are_never_sent(databases: Any, tmp_path: Any) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret\n")
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE kept (line text)")
        with pytest.raises(millpond.Error):
            await conn.execute(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE kept")
    async with databases.open("mysql").async_connection() as conn:
        assert (await conn.execute("SELECT 1")) == [(1,)]


async def test_more_than_the_server_takes_at_once_is_refused_before_it_is_sent(
    databases: Any,
) -> None:
    async with databases.open("mysql").async_connection() as conn:
        limit = (await conn.execute("SELECT @@max_allowed_packet"))[0][0]
        with pytest.raises(millpond.ValueRangeError, match="max_allowed_packet"):
            await conn.execute("SELECT length(?)", ("x" * limit,))
        assert (await conn.execute("SELECT length(?)", ("x" * (limit // 2),))) == [(limit // 2,)]


async def test_a_row_of_many_that_is_too_big_is_refused_before_it_is_sent(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE big (a longtext)")
        limit = (await conn.execute("SELECT @@max_allowed_packet"))[0][0]
        with pytest.raises(millpond.ValueRangeError, match="row 1: .*max_allowed_packet"):
            await conn.executemany("INSERT INTO big VALUES (?)", [("x",), ("x" * limit,), ("x",)])
        assert (await conn.execute("SELECT count(*) FROM big")) == [(0,)]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["x" * 1000, pytest.param("\x01" * 1000, marks=pytest.mark.once)])
async def test_many_lists_go_in_as_many_calls_as_the_server_takes(
    databases: Any, text: str
) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE lists (a longtext)")
        limit = (await conn.execute("SELECT @@max_allowed_packet"))[0][0]
        count = limit // 100_000 + 10
        await conn.executemany("INSERT INTO lists VALUES (?)", [([text] * 100,)] * count)
        assert (await conn.execute("SELECT count(*) FROM lists")) == [(count,)]


async def test_evicted_statements_leave_the_server(databases: Any) -> None:
    async with databases.open("mysql", statement_cache_size=5).async_connection() as conn:
        for i in range(50):
            assert (await conn.execute(f"SELECT {i}")) == [(i,)]
        left = await conn.execute("SHOW SESSION STATUS LIKE 'Com_stmt_close'")
        assert int(left[0][1]) >= 45


async def test_a_wrong_password_is_an_authentication_error_without_it(databases: Any) -> None:
    db = databases.open("mysql", password="not-the-password")
    with pytest.raises(millpond.AuthenticationError, match="Access denied") as caught:
        await db.get_async_connection()
    assert "not-the-password" not in f"{caught.value!r} {db!r}"


async def test_an_unreachable_host_says_where_it_tried(databases: Any) -> None:
    db = databases.open("mysql", port=1)
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1"):
        await db.get_async_connection()


async def test_the_unix_socket_is_a_host_that_begins_with_a_slash(
    databases: Any, mysql: dict[str, Any]
) -> None:
    for host in (mysql["socket"], mysql["socket"].rpartition("/")[0]):
        async with databases.open("mysql", host=host, alias=host).async_connection() as conn:
            assert (await conn.execute("SELECT 1")) == [(1,)]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"sql_mode": "ANSI_QUOTES"}, "ANSI_QUOTES"),
        ({"sql_mode": "'; DROP"}, "names separated by commas"),
        ({"sslmode": "yes"}, "sslmode must be"),
        ({"transaction_isolation": "HIGH"}, "transaction_isolation must be"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused(
    databases: Any, setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        databases.open("mysql", **setting)


async def test_a_session_is_as_the_settings_say(databases: Any) -> None:
    db = databases.open(
        "mysql", transaction_isolation="READ COMMITTED", sql_mode="STRICT_ALL_TABLES"
    )
    async with db.async_connection() as conn:
        isolation = await conn.execute("SHOW VARIABLES LIKE 't%\\_isolation'")
        rows = await conn.execute("SELECT @@sql_mode, @@time_zone, @@autocommit")
    assert isolation[0][1] == "READ-COMMITTED"
    assert rows == [("STRICT_ALL_TABLES", "+00:00", 1)]


async def test_a_new_field_that_waits_for_a_transaction_lets_others_pass(databases: Any) -> None:
    """Servers let nobody past a change of tables that waits, for up to a day or a year."""
    db = databases.open("mysql")
    name = entity_name()
    async with db.async_connection() as conn:
        await conn.save_entity(name, {"id": "a", "n": 1})

    async def save(entity: dict[str, Any]) -> None:
        async with db.async_connection() as conn:
            await conn.save_entity(name, entity)

    async with db.async_connection() as reader, db.async_connection() as look:
        async with reader.transaction():
            await reader.get_entity_history(name, "a")  # the table is in use until the end
            adding = asyncio.ensure_future(save({"id": "b", "new": 1}))
            listed = "SELECT 1 FROM information_schema.processlist WHERE "
            like = (f"ALTER TABLE `{name}_history%", "Waiting%")
            while not await look.execute(listed + "info LIKE ? AND state LIKE ?", like):
                await asyncio.sleep(0.005)
            await save({"id": "a", "n": 2})
            assert not adding.done()
        await adding
    async with db.async_connection() as conn:
        assert (await conn.get_entity(name, "b"))["new"] == 1
        assert (await conn.get_entity(name, "a"))["n"] == 2


async def test_entities_in_a_transaction_with_a_pool_of_one_connection(databases: Any) -> None:
    """What needs another connection is refused at once, and what can do without does."""
    name = entity_name()
    other = databases.open("mysql", alias="another process")
    async with other.async_connection() as conn:
        await conn.save_entity(name, {"id": "x", "n": 1})
    async with databases.open("mysql", pool_max_size=1).async_connection() as conn:
        await conn.begin_transaction()
        assert (await conn.get_entity(name, "x"))["n"] == 1
        assert (await conn.save_entity(name, {"id": "x", "n": 2}))["version"] == 2
        for entity in (name, f"{name}_b"):
            with pytest.raises(millpond.UnsupportedError, match=f'"{entity}".*pool_max_size'):
                await conn.save_entity(entity, {"id": "x", "new": 1})
        assert await conn.in_transaction()
        await conn.commit_transaction()
        assert (await conn.save_entity(name, {"id": "x", "new": 1}))["n"] == 2


async def test_a_new_field_leaves_the_session_as_patient_as_it_was(databases: Any) -> None:
    """Whether the change of tables is made, or given up by its caller while it waits."""
    db = databases.open("mysql")
    name = entity_name()
    async with db.async_connection() as conn, db.async_connection() as reader:

        async def patience() -> Any:
            return (await conn.execute("SELECT @@SESSION.lock_wait_timeout"))[0][0]

        await conn.execute("SET SESSION lock_wait_timeout = 77")
        await conn.save_entity(name, {"id": "a", "n": 1})
        assert await patience() == 77
        async with reader.transaction():
            await reader.get_entity_history(name, "a")
            adding = asyncio.ensure_future(conn.save_entity(name, {"id": "b", "new": 1}))
            listed = "SELECT 1 FROM information_schema.processlist WHERE "
            like = (f"ALTER TABLE `{name}_history%", "Waiting%")
            while not await reader.execute(listed + "info LIKE ? AND state LIKE ?", like):
                await asyncio.sleep(0.005)
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
            assert await patience() == 77
        await conn.save_entity(name, {"id": "b", "new": 1})
        assert await patience() == 77
