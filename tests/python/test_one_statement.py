"""One call executes one statement, all of it: the database tells where it ends."""

import asyncio
from typing import Any

import millpond
import pytest

# A first statement that could be taken for one with a body, and a second one.
SECONDS = (
    "CREATE INDEX {0}_a ON {0} (begin); CREATE INDEX {0}_b ON {0} (begin)",
    "INSERT INTO {0} VALUES (1); DROP TABLE {0}",
    "DROP TABLE {0};; -- and\n /* then */ SELECT 1",
    "CREATE TABLE {0}_a (function integer); DROP TABLE {0}",
    "DELETE FROM {0}; garbage",
    "DELETE FROM {0}; 'open",
)
# What may follow a statement.
ENDS = (";", ";;", " ; ; ", "; -- done", ";\n/* done */ ;", "-- done;\n;", ";--")


@pytest.fixture
async def event(conn: Any) -> str:
    """A table `event (begin)` with one row, and words in it that begin bodies."""
    await conn.execute("DROP TABLE IF EXISTS event")
    await conn.execute("DROP TABLE IF EXISTS event_a")
    await conn.execute("CREATE TABLE event (begin integer)")
    await conn.execute("INSERT INTO event VALUES (7)")
    return "event"


@pytest.mark.parametrize("sql", SECONDS)
async def test_nothing_runs_of_a_text_with_two_statements(
    kind: str, conn: Any, event: str, sql: str
) -> None:
    with pytest.raises(millpond.SqlSyntaxError):
        await conn.execute(sql.format(event))
    assert await conn.execute("SELECT * FROM event") == [(7,)]
    with pytest.raises(millpond.UndefinedObjectError):
        await conn.execute("SELECT * FROM event_a")
    for index in ("event_a", "event_b"):  # neither is there
        on = " ON event" if kind == "mysql" else ""
        with pytest.raises(millpond.Error):
            await conn.execute(f"DROP INDEX {index}{on}")


@pytest.mark.parametrize("params", [(), (1,)])
@pytest.mark.parametrize("many", [False, True])
async def test_what_is_wrong_is_said(kind: str, conn: Any, params: Any, many: bool) -> None:
    sql = f"SELECT {'CAST(? AS char(1))' if params else 1}; DELETE FROM nowhere"
    with pytest.raises(millpond.SqlSyntaxError, match="one statement") as caught:
        await (conn.executemany(sql, [params, params]) if many else conn.execute(sql, params))
    if kind in ("sqlite", "mysql"):
        assert caught.value.position == sql.index("DELETE") + 1
    if kind != "duckdb":
        assert caught.value.sqlstate in ("42601", "42000")


async def test_streams_and_arrow_execute_one_statement_too(kind: str, conn: Any) -> None:
    with pytest.raises(millpond.SqlSyntaxError, match="one statement"):
        async with conn.stream("SELECT 1; SELECT 2") as rows:
            async for _ in rows:
                pass
    if kind != "duckdb":
        with pytest.raises(millpond.SqlSyntaxError, match="one statement"):
            await conn.fetch_arrow("SELECT 1; SELECT 2")
    assert await conn.execute("SELECT 3") == [(3,)]


async def test_the_blocking_calls_execute_one_statement_too(kind: str, db: Any) -> None:
    def block() -> None:
        with db.sync_connection() as conn:
            for _ in range(2):
                with pytest.raises(millpond.SqlSyntaxError, match="one statement"):
                    conn.execute("SELECT 1; SELECT 2")

    await asyncio.to_thread(block)


@pytest.mark.parametrize("end", ENDS)
async def test_a_statement_may_end_in_semicolons_and_comments(
    conn: Any, event: str, end: str
) -> None:
    assert await conn.execute(f"SELECT 5{end}") == [(5,)]
    assert await conn.execute(f"SELECT * FROM event WHERE 7 = ?{end}", (7,)) == [(7,)]
    await conn.execute(f"DROP TABLE event{end}")


async def test_tags_go_after_a_semicolon(conn: Any) -> None:
    assert await conn.execute("SELECT 5;", tags={"route": "/"}) == [(5,)]


async def test_a_transaction_survives_a_second_statement_on_sqlite(databases: Any) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        await conn.execute("CREATE TABLE kept (n integer)")
        await conn.begin_transaction()
        await conn.execute("INSERT INTO kept VALUES (1)")
        with pytest.raises(millpond.SqlSyntaxError):
            await conn.execute("INSERT INTO kept VALUES (2); COMMIT")
        await conn.commit_transaction()
        assert await conn.execute("SELECT * FROM kept") == [(1,)]


@pytest.mark.parametrize("explain", ["", "EXPLAIN ", "explain query /* ; */ plan "])
async def test_a_pragma_is_not_executed_while_it_is_prepared(databases: Any, explain: str) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        with pytest.raises(millpond.SqlSyntaxError, match="one statement"):
            await conn.execute(f"{explain}PRAGMA foreign_keys = off; SELECT 1")
        assert await conn.execute("PRAGMA foreign_keys; -- on") == [(1,)]


SQLITE_BODIES = (
    "CREATE TRIGGER t AFTER INSERT ON event BEGIN "
    "UPDATE event SET begin = CASE WHEN 1 THEN 2 END; DELETE FROM event; END;",
    'CREATE TEMP TRIGGER t AFTER INSERT ON event WHEN 1 BEGIN SELECT ";" FROM '
    '(SELECT 1 AS ";"); END -- done',
)


@pytest.mark.parametrize("sql", SQLITE_BODIES)
async def test_a_trigger_of_sqlite_is_one_statement(databases: Any, sql: str) -> None:
    async with databases.open("sqlite").async_connection() as conn:
        await conn.execute("CREATE TABLE event (begin integer)")
        await conn.execute(sql)
        await conn.execute("DROP TRIGGER t")
        with pytest.raises(millpond.SqlSyntaxError, match="one statement"):
            await conn.execute(f"{sql}\n; DROP TABLE event")


POSTGRES_BODIES = (
    "CREATE RULE r AS ON INSERT TO event DO ALSO "
    "(DELETE FROM event WHERE begin = 1; DELETE FROM event WHERE begin = 2)",
    "CREATE RULE r AS ON UPDATE TO seen DO ALSO (NOTIFY a; DELETE FROM seen; NOTIFY b)",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
    "CREATE PROCEDURE p() BEGIN ATOMIC DELETE FROM event; DELETE FROM event; END;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; SELECT 2 $$",
    "DO $$ BEGIN PERFORM 1; PERFORM 2; END $$",
)


@pytest.mark.parametrize("sql", POSTGRES_BODIES)
async def test_a_body_of_postgres_is_one_statement(databases: Any, sql: str) -> None:
    async with databases.open("postgres").async_connection() as conn:
        for name in ("event", "seen"):
            await conn.execute(f"DROP TABLE IF EXISTS {name} CASCADE")
            await conn.execute(f"CREATE TABLE {name} (begin integer)")
        for transaction in (False, True):
            await conn.begin_transaction()
            if transaction:
                await conn.execute("SELECT 1")
            await conn.execute(sql)
            await conn.rollback_transaction()


MARIADB_BODIES = (
    "CREATE TRIGGER t BEFORE INSERT ON event FOR EACH ROW "
    "IF NEW.`begin` IS NULL THEN SET NEW.`begin` = 1; ELSE SET NEW.`begin` = 2; END IF",
    "CREATE TRIGGER t BEFORE INSERT ON event FOR EACH ROW SET NEW.`begin` = 3;",
    "CREATE PROCEDURE p(n int) WHILE n > 0 DO SET n = n - 1; SET n = n; END WHILE",
    "CREATE PROCEDURE p(n int) REPEAT SET n = n - 1; SET n = n; UNTIL n < 1 END REPEAT;",
    "CREATE PROCEDURE p() top: LOOP LEAVE top; LEAVE top; END LOOP",
    "CREATE PROCEDURE p() BEGIN IF 1 THEN SELECT 1; END IF; SELECT CASE 1 WHEN 1 THEN 2 END; END",
    "CREATE PROCEDURE p(n int) CASE n WHEN 1 THEN SELECT 1; ELSE BEGIN END; END CASE",
    "CREATE FUNCTION f(n int) RETURNS int DETERMINISTIC IF n THEN RETURN 1; ELSE RETURN 2; END IF",
)
MARIADBS_OWN_BODIES = (
    "CREATE PROCEDURE p() FOR i IN 1..3 DO SELECT i; SELECT i; END FOR",
    "BEGIN NOT ATOMIC DELETE FROM event; INSERT INTO event VALUES (4); END",
    "BEGIN NOT ATOMIC IF 1 THEN DELETE FROM event; DELETE FROM event; END IF; END;",
)


async def execute_body(databases: Any, sql: str) -> None:
    async with databases.open("mysql").async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS event")  # its trigger, too
        await conn.execute("DROP PROCEDURE IF EXISTS p")
        await conn.execute("DROP FUNCTION IF EXISTS f")
        await conn.execute("CREATE TABLE event (begin integer)")
        await conn.execute(sql)


@pytest.mark.parametrize("sql", MARIADB_BODIES)
async def test_a_body_of_mysql_is_one_statement(databases: Any, sql: str) -> None:
    await execute_body(databases, sql)


@pytest.mark.parametrize("sql", MARIADBS_OWN_BODIES)
async def test_a_body_of_mariadb_is_one_statement(
    mariadb: object, databases: Any, sql: str
) -> None:
    await execute_body(databases, sql)


async def test_a_block_of_mariadb_takes_parameters(mariadb: object, databases: Any) -> None:
    await execute_body(databases, "SELECT 1")
    async with databases.open("mysql").async_connection() as conn:
        block = "BEGIN NOT ATOMIC INSERT INTO event VALUES (?); INSERT INTO event VALUES (?); END"
        await conn.execute(block, (1, 2))
        assert await conn.execute("SELECT * FROM event ORDER BY 1") == [(1,), (2,)]


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mysql"])
@pytest.mark.parametrize(
    "where",
    [
        "[n] = ?; DELETE FROM kept_things",
        "[n] = ?) OR (1 = 1",
        "[n] = ? /*",
        "[n] = ? -- ",
        "[n] = ? /* OR 1 = 1",
        "[n] = ?; ",
        ";",
    ],
)
async def test_a_condition_of_entities_stays_one(kind: str, conn: Any, where: str) -> None:
    """Whatever it is, it neither ends its statement nor hides the rest of it."""
    await conn.execute("DROP TABLE IF EXISTS kept_things")
    await conn.execute("DROP TABLE IF EXISTS kept_things_meta")
    await conn.execute("DROP TABLE IF EXISTS kept_things_history")
    await conn.save_entity("kept_things", {"id": "a", "n": 1})
    await conn.save_entity("kept_things", {"id": "b", "n": 1})
    await conn.delete_entity("kept_things", "b")
    try:
        found = await conn.find_entities("kept_things", where, (1,), limit=5)
    except (millpond.SqlSyntaxError, millpond.ParameterError):
        found = await conn.find_entities("kept_things")
    assert [one["id"] for one in found] == ["a"]  # not the deleted one
    assert await conn.count_entities("kept_things") == 1
