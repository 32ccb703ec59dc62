"""Bad input: each has a clear exception of the documented tree, and loses nothing."""

from pathlib import Path
from typing import Any

import millpond
import pytest
from conftest import at_rest
from millpond import DatabaseConfig, DatabaseFactory


def test_an_unknown_database_type_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown database type 'oracle'.*postgres.*sqlite"):
        DatabaseFactory.create_database("oracle", DatabaseConfig(database="x"))


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_missing_database_name_is_refused(name: Any) -> None:
    with pytest.raises(millpond.ArgumentError, match="database is missing"):
        DatabaseConfig(database=name)


@pytest.mark.parametrize("port", ["5432", 5432.0, True, 0, 65536, -1])
def test_a_port_that_is_no_port_is_refused(port: Any) -> None:
    with pytest.raises(millpond.ArgumentError, match="port must be"):
        DatabaseConfig(database="x", port=port)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "10", None])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    with pytest.raises(millpond.ArgumentError, match="connection_acquisition_timeout"):
        DatabaseConfig(database="x", connection_acquisition_timeout=seconds)


def test_an_option_that_the_driver_does_not_know_is_refused(databases: Any) -> None:
    with pytest.raises(millpond.ArgumentError, match='no setting "sslmod"') as caught:
        databases.open("postgres", sslmod="require")
    assert (caught.value.setting, caught.value.row) == ("sslmod", None)


def test_an_error_names_the_first_setting_that_is_wrong() -> None:
    with pytest.raises(millpond.ArgumentError, match="sslmode must be .*; sql_mode must") as caught:
        millpond.connect("mysql://h/d?sslmode=perhaps&sql_mode=ANSI_QUOTES").hash()
    assert caught.value.setting == "sslmode"


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite"])
@pytest.mark.parametrize(
    ("rows", "row", "message"),
    [
        ([(1,), (1,)], 1001, "row 1001: "),
        ([(1,), (2, 3)], 1001, "row 1001 has 2 parameters, but row 1000 has 1"),
        ([(1,), 2], 1001, "row 1001 of param_list"),
        ([(1,), (object(),)], 1001, "row 1001: parameter 1"),
    ],
)
def test_rows_of_a_piece_are_counted_from_where_it_begins(
    databases: Any, kind: str, rows: Any, row: int, message: str
) -> None:
    with databases.open(kind).sync_connection() as conn:
        conn.execute("CREATE TEMPORARY TABLE pieces (id integer PRIMARY KEY)")
        with pytest.raises(millpond.Error, match=message) as caught:
            millpond._native.SyncConnection.executemany(
                conn, "INSERT INTO pieces VALUES (?)", rows, first_row=1000
            )
    assert caught.value.row == row


def test_a_pool_smaller_than_its_minimum_is_refused() -> None:
    with pytest.raises(millpond.ArgumentError, match="pool_min_size"):
        DatabaseConfig(database="x", pool_min_size=5, pool_max_size=2)


async def test_an_unreachable_host_says_where_it_tried(databases: Any) -> None:
    db = databases.open("postgres", port=1)
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1.*refused") as caught:
        await db.get_async_connection()
    assert isinstance(caught.value, millpond.ConnectFailedError)
    assert caught.value.retryable
    status = await at_rest(db)
    assert (status["size"], status["metrics"]["errors"]) == (0, 1)


async def test_a_name_that_does_not_resolve_says_so(databases: Any) -> None:
    db = databases.open("postgres", host="nowhere.invalid")
    with pytest.raises(millpond.ConnectFailedError, match=r"nowhere\.invalid"):
        await db.get_async_connection()


async def test_a_wrong_password_is_an_authentication_error_without_it(databases: Any) -> None:
    db = databases.open("postgres", password="not-the-password")
    with pytest.raises(millpond.AuthenticationError, match="password authentication failed") as e:
        await db.get_async_connection()
    assert isinstance(e.value, PermissionError)
    assert "not-the-password" not in f"{e.value!r} {e.value.detail} {e.value.hint} {db!r}"
    with pytest.raises(millpond.AuthenticationError):
        db.get_sync_connection()


async def test_a_missing_postgres_database_is_named(databases: Any) -> None:
    db = databases.open("postgres", database="no_such_database")
    with pytest.raises(millpond.ConnectFailedError, match='database "no_such_database" does not'):
        await db.get_async_connection()


async def test_a_missing_folder_of_a_database_file_is_named(databases: Any) -> None:
    db = databases.open("sqlite", database="/no/such/folder/file.db")
    with pytest.raises(millpond.ConnectFailedError, match='folder "/no/such/folder" does not ex'):
        await db.get_async_connection()
    with pytest.raises(millpond.ConnectFailedError, match="folder"):
        db.get_sync_connection()


async def test_a_folder_or_another_file_is_no_database(databases: Any, tmp_path: Path) -> None:
    with pytest.raises(millpond.ConnectFailedError, match="is a folder"):
        await databases.open("sqlite", database=str(tmp_path)).get_async_connection()
    other = tmp_path / "letter.txt"
    other.write_text("Dear database, " * 200)
    with pytest.raises(millpond.ConnectFailedError, match="file is not a database"):
        await databases.open("sqlite", database=str(other)).get_async_connection()
    assert other.read_text() == "Dear database, " * 200


async def test_a_syntax_error_has_a_sqlstate_and_a_position(kind: str, conn: Any) -> None:
    with pytest.raises(millpond.SqlSyntaxError) as caught:
        await conn.execute("SELECT ?, * FORM items", (1,))
    assert caught.value.sqlstate == {"mysql": "42000"}.get(kind, "42601")
    assert caught.value.position == {"mysql": 11}.get(kind, 13)  # where its parser gave up
    assert (await conn.execute("SELECT 1")) == [(1,)]


async def test_an_unknown_table_is_a_lookup_error(kind: str, conn: Any) -> None:
    with pytest.raises(LookupError, match="no_such_table") as caught:
        await conn.execute("SELECT * FROM no_such_table")
    assert isinstance(caught.value, millpond.ProgrammingError)
    assert caught.value.sqlstate == {"mysql": "42S02"}.get(kind, "42P01")


@pytest.mark.parametrize("params", [None, (), (1,), (1, 2, 3)])
async def test_too_few_and_too_many_parameters_are_counted(conn: Any, params: Any) -> None:
    count = len(params or ())
    with pytest.raises(millpond.ParameterError, match=f"has 2 placeholders and got {count} param"):
        await conn.execute("SELECT ?, ?", params)


@pytest.mark.parametrize("params", ["ab", {1, 2}, {"a": 1}, 7, b"ab"])
async def test_parameters_must_be_a_tuple_or_list(conn: Any, params: Any) -> None:
    with pytest.raises(TypeError, match="params must be a tuple or list"):
        await conn.execute("SELECT ?, ?", params)


async def test_an_unsupported_type_names_the_parameter(conn: Any) -> None:
    with pytest.raises(millpond.ParameterError, match="parameter 2 has the type object"):
        await conn.execute("SELECT ?, ?", (1, object()))


async def test_an_integer_out_of_range_names_the_parameter(
    conn: Any, casts: dict[str, str]
) -> None:
    with pytest.raises(millpond.ValueRangeError, match="parameter 1 does not fit into 64 bits"):
        await conn.execute("SELECT ?", (2**63,))
    rows = await conn.execute(f"SELECT CAST(? AS {casts['bigint']})", (-(2**63),))
    assert rows == [(-(2**63),)]


async def test_an_integer_that_the_column_cannot_hold_is_refused(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        with pytest.raises(millpond.ValueRangeError, match=r"parameter 1 .* integer \(4 bytes\)"):
            await conn.execute("SELECT ?::int4", (2**31,))


async def test_a_lone_surrogate_names_the_parameter(conn: Any) -> None:
    with pytest.raises(millpond.InvalidDataError, match="parameter 1 contains a lone surrogate"):
        await conn.execute("SELECT ?", ("a\ud800",))
    with pytest.raises(millpond.SqlSyntaxError, match="surrogate"):
        await conn.execute("SELECT '\ud800'")


async def test_a_nul_in_text_is_refused_never_cut(conn: Any, casts: dict[str, str]) -> None:
    with pytest.raises(millpond.InvalidDataError, match="parameter 1 has a NUL .*position 2"):
        await conn.execute(f"SELECT CAST(? AS {casts['text']})", ("a\0b",))
    with pytest.raises(millpond.SqlSyntaxError, match="NUL"):
        await conn.execute("SELECT 1 \0")


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE items --"])
async def test_several_statements_in_one_call_are_refused(conn: Any, sql: str) -> None:
    with pytest.raises(millpond.SqlSyntaxError, match="one statement"):
        await conn.execute(sql)


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", ";"])
async def test_an_empty_statement_is_refused(conn: Any, sql: str) -> None:
    with pytest.raises(millpond.SqlSyntaxError, match="empty"):
        await conn.execute(sql)


@pytest.mark.parametrize("sql", ["SELECT 'a", "SELECT /* a", 'SELECT "a'])
async def test_an_unterminated_literal_is_found_before_sending(conn: Any, sql: str) -> None:
    with pytest.raises(millpond.SqlSyntaxError, match="unterminated") as caught:
        await conn.execute(sql)
    assert caught.value.position == 8


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_a_timeout_that_is_not_positive_is_refused(conn: Any, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be a positive number"):
        await conn.execute("SELECT 1", timeout=timeout)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_an_acquire_checks_its_timeout_too(db: Any, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be a positive number"):
        db.async_connection(timeout=timeout)
    with pytest.raises(ValueError, match="timeout must be a positive number"):
        await db.get_async_connection(timeout=timeout)


async def test_arguments_are_checked_by_name(conn: Any) -> None:
    with pytest.raises(TypeError, match="unexpected argument 'time'"):
        await conn.execute("SELECT 1", time=1)
    with pytest.raises(TypeError, match="needs the argument sql"):
        await conn.execute()
    with pytest.raises(TypeError, match="sql must be a str"):
        await conn.execute(b"SELECT 1")
    with pytest.raises(TypeError, match="tags must be a dict"):
        await conn.execute("SELECT 1", tags="a")


CONSTRAINTS = [
    ("INSERT INTO items VALUES (1, 'again', 1)", millpond.UniqueViolationError, "23505"),
    ("INSERT INTO items VALUES (2, NULL, 1)", millpond.NotNullViolationError, "23502"),
    ("INSERT INTO items VALUES (3, 'small', 0)", millpond.CheckViolationError, "23514"),
]


@pytest.mark.parametrize(("sql", "error", "sqlstate"), CONSTRAINTS)
async def test_constraints_have_their_own_errors(
    kind: str, items: str, conn: Any, sql: str, error: type[millpond.Error], sqlstate: str
) -> None:
    version = (await conn.get_version_details())["db_server_version"]
    if error is millpond.CheckViolationError and version == "MySQL 8.0.15":
        pytest.skip("MySQL has checks from 8.0.16 on")
    await conn.execute("INSERT INTO items VALUES (1, 'one', 1)")
    with pytest.raises(error) as caught:
        await conn.execute(sql)
    assert isinstance(caught.value, millpond.IntegrityError)
    assert caught.value.sqlstate == ("23000" if kind == "mysql" else sqlstate)


async def test_a_foreign_key_is_checked_everywhere(items: str, conn: Any) -> None:
    await conn.execute("DROP TABLE IF EXISTS parts")
    await conn.execute(
        "CREATE TABLE parts (item integer, FOREIGN KEY (item) REFERENCES items (id))"
    )
    try:
        with pytest.raises(millpond.ForeignKeyViolationError):
            await conn.execute("INSERT INTO parts VALUES (?)", (99,))
    finally:
        await conn.execute("DROP TABLE parts")


async def test_copy_is_refused_and_leaves_the_connection_usable(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        await conn.execute("CREATE TEMPORARY TABLE stream (n int)")
        with pytest.raises(millpond.NotSupportedError, match="COPY"):
            await conn.execute("COPY stream FROM STDIN")
        assert (await conn.execute("SELECT count(*) FROM stream")) == [(0,)]


def test_the_tree_of_errors_is_pep_249s_with_builtins() -> None:
    assert issubclass(millpond.QueryTimeoutError, TimeoutError)
    assert issubclass(millpond.AcquireTimeoutError, TimeoutError)
    assert issubclass(millpond.ConnectionLostError, ConnectionError)
    for name in ("DataError", "IntegrityError", "OperationalError", "ProgrammingError"):
        assert issubclass(getattr(millpond, name), millpond.DatabaseError)
    for name in millpond.exceptions.__all__:
        assert issubclass(getattr(millpond, name), millpond.Error)
