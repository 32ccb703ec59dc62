"""Servers that mean harm: what they send is refused or a clear error, never a crash or a hang."""

import socket
import struct
from typing import Any

import millpond
import pytest
from faults import SOON, Within
from rogue import HELLO, READY, Rogue, Script, handshake, message, ok, packet, postgres_saying

PATIENT = SOON - 10  # where a timeout is no answer


async def ask(
    databases: Any, kind: str, server: Rogue, sql: str = "SELECT 1", patience: float = 0.5
) -> Any:
    """One question on a connection to it; limits that are far below what a hang would take."""
    db = databases.open(
        kind,
        host="127.0.0.1",
        port=server.port,
        user="me",
        password="not-for-thieves",
        database="prey",
        connection_creation_timeout=patience,
        pool_min_size=0,
    )
    with Within(SOON):
        async with db.async_connection(timeout=PATIENT) as conn:
            return await conn.execute(sql, timeout=patience)


# ---- PostgreSQL ----------------------------------------------------------------------------------


def description(*oids: int) -> bytes:
    columns = b"".join(b"c\x00" + struct.pack("!ihihih", 0, 0, oid, -1, -1, 1) for oid in oids)
    return message(b"T", struct.pack("!h", len(oids)) + columns)


def prepared(*oids: int) -> bytes:
    parameters = message(b"t", struct.pack("!h", 0))
    return message(b"1") + parameters + description(*oids) + READY


def row(*values: bytes) -> bytes:
    cells = b"".join(struct.pack("!i", len(value)) + value for value in values)
    return message(b"D", struct.pack("!h", len(values)) + cells)


DONE = message(b"C", b"SELECT 1\x00") + READY
BOUND = message(b"2")


def failure(text: bytes) -> bytes:
    return message(b"E", b"SERROR\x00VERROR\x00C42601\x00M" + text + b"\x00\x00") + READY


ARRAY_OF_MANY = struct.pack("!iiiii", 1, 0, 23, 2**31 - 1, 1)
ARRAY_OF_DEPTH = struct.pack("!iii", 2**30, 0, 23)

POSTGRES_LOGINS = {
    "garbage": b"\xff" * 1000,
    "negative length": message(b"R", b"", -5),
    "huge length": message(b"R", b"", 2**31 - 1),
    "truncated": b"R\x00\x00",
    "unknown method": message(b"R", struct.pack("!i", 99)),
    "empty mechanisms": message(b"R", struct.pack("!i", 10) + b"\x00"),
    "md5 without salt": message(b"R", struct.pack("!i", 5)),
    "error without end": message(b"E", b"SFATAL\x00Mno end"),
    "error of a gigabyte": message(b"E", b"SFATAL", 2**30),
}
POSTGRES_ANSWERS = {
    "garbage": b"\xff" * 1000,
    "negative length": message(b"D", b"", -1),
    "huge length": message(b"D", b"", 2**31 - 1),
    "truncated": prepared(23)[:-7],
    "more columns than described": BOUND + description(23) + row(b"\0\0\0\1", b"\0\0\0\2") + DONE,
    "fewer columns than described": BOUND + description(23) + row() + DONE,
    "negative cell": BOUND + description(23) + message(b"D", struct.pack("!hi", 1, -2)) + DONE,
    "cell beyond its message": BOUND
    + description(23)
    + message(b"D", struct.pack("!hi", 1, 1000))
    + DONE,
    "int of three bytes": BOUND + description(23) + row(b"\0\0\1") + DONE,
    "row before description": row(b"x") + DONE,
    "endless result begins": BOUND + description(23) + row(b"\0\0\0\1") * 1000,
    "copy out": message(b"H", b"\0\0\0") + message(b"d", b"x" * 1000) * 10,
    "copy in": message(b"G", b"\0\0\0"),
    "unasked notification": message(b"A", struct.pack("!i", 1) + b"a\0b\0") + BOUND + DONE + READY,
}
POSTGRES_VALUES = {
    "numeric of many digits": (1700, struct.pack("!hhhh", 32767, 0, 0, 0)),
    "numeric of negative digits": (1700, struct.pack("!hhhh", -5, 0, 0, 0)),
    "array of many": (1007, ARRAY_OF_MANY),
    "array of depth": (1007, ARRAY_OF_DEPTH),
    "array cut off": (1007, struct.pack("!iiiii", 1, 0, 23, 1, 1)),
    "uuid of a byte": (2950, b"\1"),
    "timestamp of five bytes": (1184, b"12345"),
    "interval of nothing": (1186, b""),
    "bool of nothing": (16, b""),
    "jsonb without version": (3802, b""),
    "text that is not UTF-8": (25, b"\xff\xfe"),
}


@pytest.mark.parametrize("name", POSTGRES_LOGINS)
async def test_a_hostile_postgres_login_is_an_error(rogue: Any, databases: Any, name: str) -> None:
    server = rogue(postgres_saying(POSTGRES_LOGINS[name]))
    with pytest.raises((millpond.ConnectFailedError, millpond.AuthenticationError)) as caught:
        await ask(databases, "postgres", server)
    assert len(str(caught.value)) < 2000
    assert b"not-for-thieves" not in server.heard


@pytest.mark.parametrize("name", POSTGRES_ANSWERS)
async def test_a_hostile_postgres_answer_is_an_error_or_refused(
    rogue: Any, databases: Any, name: str
) -> None:
    server = rogue(postgres_saying(HELLO, prepared(23), POSTGRES_ANSWERS[name]))
    try:
        rows = await ask(databases, "postgres", server)
    except millpond.Error as error:
        assert len(str(error)) < 2000
    else:
        # only an answer without rows can pass for one; any negative length is NULL to libpq
        assert rows == ([(None,)] if name == "negative cell" else [])


@pytest.mark.parametrize("name", POSTGRES_VALUES)
async def test_a_hostile_postgres_value_names_its_place(
    rogue: Any, databases: Any, name: str
) -> None:
    oid, value = POSTGRES_VALUES[name]
    server = rogue(
        postgres_saying(HELLO, prepared(oid), BOUND + description(oid) + row(value) + DONE)
    )
    with pytest.raises((millpond.InvalidDataError, UnicodeDecodeError), match="(?i)column|decode"):
        await ask(databases, "postgres", server, patience=PATIENT)


async def test_a_postgres_error_of_many_megabytes_is_bounded(rogue: Any, databases: Any) -> None:
    server = rogue(postgres_saying(HELLO, failure(b"x" * 20_000_000)))
    with pytest.raises(millpond.Error) as caught:
        await ask(databases, "postgres", server)
    assert len(str(caught.value)) < 20_000


async def test_a_postgres_server_that_wants_the_password_in_clear_text_does_not_get_it(
    rogue: Any, databases: Any
) -> None:
    server = rogue(postgres_saying(message(b"R", struct.pack("!i", 3))))
    with pytest.raises(millpond.AuthenticationError, match="clear text"):
        await ask(databases, "postgres", server, patience=PATIENT)
    assert b"not-for-thieves" not in server.heard


# ---- MySQL ---------------------------------------------------------------------------------------


def column(number: int, kind: int, name: bytes = b"c") -> bytes:
    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    fixed = struct.pack("<HIBHB", 45, 255, kind, 0, 0) + b"\x00\x00"
    names = text(b"def") + text(b"") + text(b"") + text(b"") + text(name) + text(name)
    return packet(number, names + b"\x0c" + fixed)


def end(number: int) -> bytes:
    return packet(number, b"\xfe\x00\x00\x02\x00")


MAX_PACKET = packet(1, b"\x01") + column(2, 8) + end(3) + packet(4, b"\x0816777216") + end(5)


def mysql_saying(*answers: bytes) -> Script:
    """The handshake, then one answer for each packet of the client's; the session is set up with
    success first."""

    def script(client: socket.socket) -> None:
        client.sendall(handshake())
        client.recv(65536)
        for answer in answers:
            client.sendall(answer)
            client.recv(65536)

    return script


MYSQL_LOGINS = {
    "garbage": b"\xff" * 1000,
    "huge packet": packet(2, b"", 0xFFFFFF),
    "truncated": b"\x05\x00",
    "empty packet": packet(2, b""),
    "error without text": packet(2, b"\xff"),
    "error of sixteen megabytes": packet(2, b"\xff\x15\x04#28000" + b"x" * 8_000_000),
    "switch to nothing": packet(2, b"\xfe"),
    "switch to an unknown method": packet(2, b"\xfeno_such_method\x00data\x00"),
    "switch to a method by a path": packet(2, b"\xfe../../../tmp/evil\x00data\x00"),
}


@pytest.mark.parametrize("name", MYSQL_LOGINS)
async def test_a_hostile_mysql_login_is_an_error(rogue: Any, databases: Any, name: str) -> None:
    server = rogue(mysql_saying(MYSQL_LOGINS[name]))
    with pytest.raises((millpond.ConnectFailedError, millpond.AuthenticationError)) as caught:
        await ask(databases, "mysql", server)
    assert len(str(caught.value)) < 100_000
    assert b"not-for-thieves" not in server.heard


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"\x00",
        b"\x0a",
        b"\xff" * 100,
        packet(0, b""),
        packet(0, b"\x0a"),
        packet(0, b"\x09x\0"),
    ],
)
async def test_a_hostile_mysql_greeting_is_an_error(
    rogue: Any, databases: Any, greeting: bytes
) -> None:
    server = rogue(lambda client: client.sendall(greeting))
    with pytest.raises(millpond.ConnectFailedError):
        await ask(databases, "mysql", server)


async def test_a_mysql_server_that_wants_the_password_in_clear_text_does_not_get_it(
    rogue: Any, databases: Any
) -> None:
    server = rogue(mysql_saying(packet(2, b"\xfemysql_clear_password\x00")))
    with pytest.raises((millpond.AuthenticationError, millpond.ConnectFailedError)):
        await ask(databases, "mysql", server)
    assert b"not-for-thieves" not in server.heard


def mysql_serving(answer: bytes) -> Script:
    """Logs in, answers what sets up the session, and `answer` to what the program asks."""

    def script(client: socket.socket) -> None:
        client.sendall(handshake())
        client.recv(65536)
        client.sendall(ok(2))
        while len(data := client.recv(65536)) > 4:  # an empty packet is no command
            command, text = data[4], data[5:]
            if command == 3 and text.startswith(b"SELECT @@max_allowed_packet"):
                client.sendall(MAX_PACKET)
            elif command == 3 and text.startswith((b"SET", b"set")):
                client.sendall(ok(1))
            elif command == 1:
                return
            else:
                client.sendall(answer)

    return script


def stmt_ok(columns: int, parameters: int = 0) -> bytes:
    return packet(1, b"\x00" + struct.pack("<IHHBH", 1, columns, parameters, 0, 0))


MYSQL_ANSWERS = {
    "garbage": b"\xff" * 1000,
    "local file": packet(1, b"\xfb/etc/passwd"),
    "huge packet": packet(1, b"", 0xFFFFFF),
    "negative count": packet(1, b"\xfe" + b"\xff" * 8),
    "truncated": stmt_ok(1)[:5],
    "prepared with more columns than told": stmt_ok(60000) + column(2, 3) + end(3),
    "prepared with parameters nobody wrote": stmt_ok(0, 5) + column(2, 3) * 5 + end(7),
    "empty packet": packet(1, b""),
    "error without text": packet(1, b"\xff"),
    "error of eight megabytes": packet(1, b"\xff\x15\x04#42000" + b"x" * 8_000_000),
    "column cut off": stmt_ok(1) + packet(2, b"\x03def\xfc\xff\xff") + end(3),
    "column with names beyond its packet": stmt_ok(1) + packet(2, b"\xfd\xff\xff\xff") + end(3),
}


@pytest.mark.parametrize("name", MYSQL_ANSWERS)
@pytest.mark.parametrize("sql", ["SELECT 1", "SHOW TABLES"])
async def test_a_hostile_mysql_answer_is_an_error(
    rogue: Any, databases: Any, name: str, sql: str
) -> None:
    server = rogue(mysql_serving(MYSQL_ANSWERS[name]))
    try:
        rows = await ask(databases, "mysql", server, sql)
    except millpond.Error as error:
        assert len(str(error)) < 100_000
    else:
        assert rows == [], "only an answer without rows can pass for one"
    assert b"root:" not in server.heard
