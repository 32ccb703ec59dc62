#!/usr/bin/env python3
"""First inputs of fuzz_mysql_values: each type of column with values that servers send.

    seed_mysql_values.py FOLDER

An input is what fuzz_mysql_values.c reads: how (1: in text, 2: the columns change), the number of
columns less one, for each its place in the table of types, 1 if unsigned, bits (zerofill, two of
the character set, two of MariaDB's format, three of decimals) and length; then rows: which are
null, and the values.
"""

import struct
import sys
from pathlib import Path

TYPES = [
    "DECIMAL",
    "TINY",
    "SHORT",
    "LONG",
    "FLOAT",
    "DOUBLE",
    "NULL",
    "TIMESTAMP",
    "LONGLONG",
    "INT24",
    "DATE",
    "TIME",
    "DATETIME",
    "YEAR",
    "NEWDATE",
    "VARCHAR",
    "BIT",
    "JSON",
    "ENUM",
    "SET",
    "NEWDECIMAL",
    "TINY_BLOB",
    "BLOB",
    "LONG_BLOB",
    "MEDIUM_BLOB",
    "VAR_STRING",
    "STRING",
    "GEOMETRY",
]
UTF8, BINARY = 0, 2
AS_JSON, AS_UUID = 8, 16


def column(kind: str, unsigned: int = 0, bits: int = UTF8, length: int = 40) -> bytes:
    return bytes([TYPES.index(kind), unsigned, bits, length])


def text(value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return bytes([len(data)]) + data


def moment(*parts: int, micro: int | None = None) -> bytes:
    body = struct.pack(f"<H{len(parts) - 1}B", *parts)
    if micro is not None:
        body += struct.pack("<I", micro)
    return text(body)


def span(negative: int, days: int, *clock: int, micro: int | None = None) -> bytes:
    body = struct.pack("<BI3B", negative, days, *clock)
    if micro is not None:
        body += struct.pack("<I", micro)
    return text(body)


BINARY_VALUES = {
    "tiny": [(column("TINY", length=1), b"\1"), (column("TINY", 1), b"\xff")],
    "short": [(column("SHORT"), b"\0\x80"), (column("YEAR"), struct.pack("<H", 2026))],
    "long": [(column("LONG"), b"\xff\xff\xff\x7f"), (column("INT24"), b"\0\0\x80\xff")],
    "longlong": [(column("LONGLONG", u), b"\xff" * 8) for u in (0, 1)],
    "float": [
        (column("FLOAT"), struct.pack("<f", 1.5)),
        (column("DOUBLE"), struct.pack("<d", 0.1)),
    ],
    "date": [(column("DATE"), moment(9999, 12, 31)), (column("DATE"), text(b""))],
    "datetime": [
        (column("DATETIME"), moment(1, 1, 1, 23, 59, 59, micro=999999)),
        (column("TIMESTAMP"), moment(2026, 1, 2, 3, 4, 5)),
    ],
    "time": [
        (column("TIME"), span(1, 34, 22, 59, 59, micro=1)),
        (column("TIME"), span(0, 0, 23, 59, 59)),
        (column("TIME"), text(b"")),
    ],
    "bit": [(column("BIT", bits=BINARY), text(b"\xff" * 8)), (column("BIT"), text(b"\1"))],
    "decimal": [(column("NEWDECIMAL"), text("-12345678901234567890.5"))],
    "text": [(column("VAR_STRING"), text("text")), (column("BLOB", bits=BINARY), text(b"\0\xff"))],
    "json": [(column("JSON"), text("[1]")), (column("BLOB", bits=AS_JSON), text("{}"))],
    "uuid": [(column("STRING", bits=AS_UUID), text("123e4567-e89b-12d3-a456-426614174000"))],
    "null": [(column("NULL"), b""), (column("GEOMETRY"), text(b"\0" * 9))],
}
TEXT_VALUES = {
    "tiny": [(column("TINY", length=1), "1"), (column("TINY"), "-128")],
    "longlong": [
        (column("LONGLONG"), "-9223372036854775808"),
        (column("LONGLONG", 1), "18446744073709551615"),
        (column("LONGLONG"), "9223372036854775808"),
    ],
    "double": [(column("DOUBLE"), "1.5e300"), (column("FLOAT"), "-0.1")],
    "date": [(column("DATE"), "9999-12-31"), (column("DATE"), "0000-00-00")],
    "datetime": [
        (column("DATETIME"), "0001-01-01 23:59:59.999999"),
        (column("TIMESTAMP"), "2026-01-02 03:04:05"),
    ],
    "time": [(column("TIME"), "-838:59:59.000001"), (column("TIME"), "23:59:59.5")],
    "uuid": [(column("STRING", bits=AS_UUID), "123e4567-e89b-12d3-a456-426614174000")],
    "text": [(column("VAR_STRING"), "text"), (column("NEWDECIMAL"), "1.50")],
}


def message(how: int, cells: list[tuple[bytes, bytes]]) -> bytes:
    columns = b"".join(head for head, _ in cells)
    again = columns if how & 2 else b""
    row = b"\0" + b"".join(value for _, value in cells)
    nulls = bytes([2 ** len(cells) - 1])
    return bytes([how, len(cells) - 1]) + columns + again + row + row + nulls


def main() -> None:
    folder = Path(sys.argv[1])
    for name, cells in BINARY_VALUES.items():
        (folder / f"seed-binary-{name}").write_bytes(message(0, cells))
        (folder / f"seed-changed-{name}").write_bytes(message(2, cells))
    for name, rows in TEXT_VALUES.items():
        cells = [(head, text(value)) for head, value in rows]
        (folder / f"seed-text-{name}").write_bytes(message(1, cells))


if __name__ == "__main__":
    main()
