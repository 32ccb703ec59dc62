"""What a server says when the tests themselves ask it: through the client libraries, by ctypes.

Test servers are looked after by this, not by the library under test; and scripts that run without
the tests' virtual environment can use it. Each call opens a connection and closes it.
"""

import contextlib
import ctypes
import functools
from typing import Any

Rows = list[tuple[str | None, ...]]
SECONDS = 60  # to connect, on a busy machine


class AskError(Exception):
    """The server did not answer, or refused."""


# ---- PostgreSQL --------------------------------------------------------------------------

TUPLES_OK = (1, 2)  # PGRES_COMMAND_OK, PGRES_TUPLES_OK


@functools.cache
def libpq() -> Any:
    library = ctypes.CDLL("libpq.so.5")
    for name in ("PQconnectdb", "PQexec"):
        getattr(library, name).restype = ctypes.c_void_p
    for name in ("PQerrorMessage", "PQresultErrorMessage", "PQgetvalue"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


def postgres_rows(result: ctypes.c_void_p) -> Rows:
    pq = libpq()

    def value(row: int, column: int) -> str | None:
        return None if pq.PQgetisnull(result, row, column) else pq.PQgetvalue(result, row, column)

    width = range(pq.PQnfields(result))
    rows = range(pq.PQntuples(result))
    return [
        tuple(None if (text := value(row, column)) is None else text.decode() for column in width)
        for row in rows
    ]


def ask_postgres(address: dict[str, Any], sql: str, seconds: int = SECONDS) -> Rows:
    """The rows of the last of these statements, as text; asked as the superuser, by the socket."""
    pq = libpq()
    where = f"host={address['socket']} port={address['port']} user=postgres"
    database = f"dbname={address['database'] or 'postgres'}"
    text = f"{where} {database} connect_timeout={seconds} application_name=tests"
    connection = ctypes.c_void_p(pq.PQconnectdb(text.encode()))
    try:
        if pq.PQstatus(connection):
            raise AskError(pq.PQerrorMessage(connection).decode(errors="replace").strip())
        result = ctypes.c_void_p(pq.PQexec(connection, sql.encode()))
        try:
            if pq.PQresultStatus(result) not in TUPLES_OK:
                message = pq.PQerrorMessage(connection).decode(errors="replace").strip()
                raise AskError(f"{sql}: {message}")
            return postgres_rows(result)
        finally:
            pq.PQclear(result)
    finally:
        pq.PQfinish(connection)


# ---- MySQL and MariaDB -------------------------------------------------------------------

MYSQL_OPT_CONNECT_TIMEOUT = 0
MYSQL_OPT_READ_TIMEOUT = 11
CLIENT_MULTI_STATEMENTS = 1 << 16


@functools.cache
def libmariadb() -> Any:
    library = ctypes.CDLL("libmariadb.so.3")
    library.mysql_init.restype = ctypes.c_void_p
    library.mysql_error.restype = ctypes.c_char_p
    library.mysql_real_connect.restype = ctypes.c_void_p
    library.mysql_store_result.restype = ctypes.c_void_p
    library.mysql_fetch_field.restype = ctypes.POINTER(ctypes.c_char_p)
    library.mysql_fetch_row.restype = ctypes.POINTER(ctypes.c_void_p)
    library.mysql_fetch_lengths.restype = ctypes.POINTER(ctypes.c_ulong)
    return library


def fetch(result: ctypes.c_void_p) -> tuple[list[str], Rows]:
    """The names of the columns, and the rows."""
    my = libmariadb()
    names, rows = [], []
    while field := my.mysql_fetch_field(result):
        names.append(field[0].decode())  # the struct begins with it
    while row := my.mysql_fetch_row(result):
        lengths = my.mysql_fetch_lengths(result)
        values = (
            ctypes.string_at(row[i], lengths[i]) if row[i] else None for i in range(len(names))
        )
        rows.append(tuple(None if value is None else value.decode() for value in values))
    return names, rows


def last_result(connection: ctypes.c_void_p) -> tuple[list[str], Rows]:
    """Of the last statement; those of the others are passed over."""
    my = libmariadb()
    while True:
        answer: tuple[list[str], Rows] = ([], [])
        if result := my.mysql_store_result(connection):
            answer = fetch(ctypes.c_void_p(result))
            my.mysql_free_result(ctypes.c_void_p(result))
        after = my.mysql_next_result(connection)
        if after > 0:
            raise AskError(my.mysql_error(connection).decode(errors="replace"))
        if after:
            return answer


def ask_mysql(address: dict[str, Any], sql: str, seconds: int = SECONDS) -> Rows:
    """The rows of the last of these statements, as text; asked by the socket as the address's
    user, or as root if it has no user."""
    return ask_mysql_named(address, sql, seconds)[1]


def ask_mysql_named(
    address: dict[str, Any], sql: str, seconds: int = SECONDS
) -> tuple[list[str], Rows]:
    """The same with the names of the columns before the rows."""
    with contextlib.closing(MysqlSession(address, seconds)) as session:
        return session.ask(sql)


class MysqlSession:
    """A connection that stays, for what lasts as long as it."""

    def __init__(self, address: dict[str, Any], seconds: int = SECONDS) -> None:
        my = libmariadb()
        self._connection = ctypes.c_void_p(my.mysql_init(None))

        def text(name: str) -> bytes | None:
            return str(address[name]).encode() if address[name] else None

        limit = ctypes.byref(ctypes.c_uint(seconds))
        for option in (MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT):
            my.mysql_options(self._connection, option, limit)
        login = (text("user") or b"root", text("password"), text("database"))
        where = (None, *login, 0, text("socket"), ctypes.c_ulong(CLIENT_MULTI_STATEMENTS))
        if not my.mysql_real_connect(self._connection, *where):
            error = self._error()
            self.close()
            raise AskError(error)

    def _error(self) -> str:
        return str(libmariadb().mysql_error(self._connection).decode(errors="replace"))

    def ask(self, sql: str) -> tuple[list[str], Rows]:
        my = libmariadb()
        query = sql.encode()
        if my.mysql_real_query(self._connection, query, ctypes.c_ulong(len(query))):
            raise AskError(f"{sql}: {self._error()}")
        return last_result(self._connection)

    def close(self) -> None:
        libmariadb().mysql_close(self._connection)
