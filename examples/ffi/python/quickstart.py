"""In Python with ctypes, through the C interface alone: what any language with an FFI can do.

python3 quickstart.py DRIVER DATABASE [KEY=VALUE ...]
"""

import ctypes as c
import sys
from dataclasses import dataclass


class Text(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t)]


class Payload(c.Union):
    """The members of pond_value.as that this example uses; an array is as `text`."""

    _fields_ = [("integer", c.c_int64), ("real", c.c_double), ("text", Text)]


class Value(c.Structure):
    """struct pond_value"""

    _fields_ = [("type", c.c_uint32), ("aux", c.c_int32), ("payload", Payload)]


class Field(c.Structure):
    """struct pond_field"""

    _fields_ = [("name", c.c_char_p), ("type", c.c_char_p), ("value", Value)]


class Record(c.Structure):
    """struct pond_record"""

    _fields_ = [("fields", c.POINTER(Field)), ("field_count", c.c_uint64)]


class ExecuteOptions(c.Structure):
    """struct pond_execute_options"""

    _fields_ = [
        ("struct_size", c.c_uint32),
        ("flags", c.c_uint32),
        ("timeout_ms", c.c_int64),
        ("tags", c.c_void_p),
        ("tag_count", c.c_uint64),
    ]


NULL, BOOL, INT64, DOUBLE, DECIMAL, TEXT, BYTES = range(7)
DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, UUID, JSON, ARRAY = range(7, 15)
VALUE_TEXT = 96
ETIMEDOUT = -14
BEGIN, COMMIT = 1, 2
DEFAULT_TIMEOUT = -1
Handle = c.c_void_p


@dataclass(frozen=True)
class Typed:
    """A value as the text of a type: Typed(DATE, "2026-01-02")."""

    type: int
    text: str

    def __str__(self) -> str:
        return self.text


Scalar = bool | int | float | str | bytes | Typed | None
Cell = Scalar | list[Scalar]


def to_value(lib: "Library", of: Cell, keep: list[object]) -> Value:
    """A parameter; what it points into goes to `keep`, to live until the call is over."""
    if isinstance(of, bool | int):
        return Value(BOOL if isinstance(of, bool) else INT64, 0, Payload(integer=of))
    if isinstance(of, float):
        return Value(DOUBLE, 0, Payload(real=of))
    if isinstance(of, list):
        items = (Value * len(of))(*(to_value(lib, item, keep) for item in of))
        keep.append(items)
        return Value(ARRAY, 0, Payload(text=Text(c.addressof(items), len(of))))
    if of is None:
        return Value(NULL)
    kind = of.type if isinstance(of, Typed) else TEXT if isinstance(of, str) else BYTES
    data = of if isinstance(of, bytes) else str(of).encode()
    value = Value()
    if kind in (DATE, TIME, TIMESTAMP, TIMESTAMPTZ, UUID):
        lib.call("pond_value_parse", kind, data, c.c_size_t(len(data)), c.byref(value))
        return value
    memory = c.create_string_buffer(data)
    keep.append(memory)
    return Value(kind, 0, Payload(text=Text(c.addressof(memory), len(data))))


def from_value(lib: "Library", value: Value) -> Cell:
    """A cell, copied: it lives only as long as its result."""
    text = value.payload.text
    if value.type == NULL:
        return None
    if value.type == DOUBLE:
        return float(value.payload.real)
    if value.type in (BOOL, INT64):
        integer = int(value.payload.integer)
        return integer if value.type == INT64 else bool(integer)
    if value.type == ARRAY:
        items = c.cast(text.data, c.POINTER(Value))
        return [from_value(lib, items[i]) for i in range(text.size)]  # type: ignore[misc]
    if value.type in (DECIMAL, TEXT, BYTES, JSON):
        data = c.string_at(text.data, text.size) if text.size else b""
        if value.type == BYTES:
            return data
        return data.decode() if value.type == TEXT else Typed(value.type, data.decode())
    out = c.create_string_buffer(VALUE_TEXT)  # a date, time, interval or UUID
    lib.call("pond_value_format", c.byref(value), out)
    return Typed(value.type, out.value.decode())


class PondError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Library:
    """Calls functions of libmillpond; a negative answer becomes an exception."""

    def __init__(self) -> None:
        self._library = c.CDLL("libmillpond.so.0")

    def call(self, name: str, *arguments: object) -> None:
        """Call a function whose last parameter is a pond_error **."""
        error = Handle()
        code = self._library[name](*arguments, c.byref(error))
        if code < 0:
            message = self._text("pond_error_message", error) if error else ""
            self._library.pond_error_free(error)
            raise PondError(code, f"{name}: {message}")

    def _text(self, name: str, *arguments: object) -> str:
        function = self._library[name]
        function.restype = c.c_char_p
        return str(function(*arguments).decode())

    def version_of(self, connection: Handle) -> str:
        return self._text("pond_connection_server_version", connection)

    def column_name(self, result: Handle, column: int) -> str:
        return self._text("pond_result_column_name", result, c.c_size_t(column))

    def take_result(self, plan: Handle) -> Handle:
        function = self._library.pond_plan_take_result
        function.restype = c.c_void_p
        return Handle(function(plan))

    def release(self, noun: str, handle: Handle) -> None:
        self._library[f"pond_{noun}_release"](handle)

    def count(self, what: str, result: Handle) -> int:
        function = self._library[f"pond_result_{what}_count"]
        function.restype = c.c_size_t
        return int(function(result))


def rows_of(lib: Library, result: Handle) -> list[dict[str, Cell]]:
    """All rows of a result, by the names of their columns; the result is released."""
    names = [lib.column_name(result, i) for i in range(lib.count("column", result))]
    cells = (Value * len(names))()
    rows = []
    for row in range(lib.count("row", result)):
        lib.call("pond_result_row", result, c.c_size_t(row), cells)
        row_cells = [from_value(lib, cell) for cell in cells]
        rows.append(dict(zip(names, row_cells, strict=True)))
    lib.release("result", result)
    return rows


def execute(
    lib: Library,
    connection: Handle,
    sql: str,
    *params: Cell,
    timeout_ms: int = DEFAULT_TIMEOUT,
) -> list[Cell]:
    """Execute a statement, and return its first row."""
    result = Handle()
    text = sql.encode()
    keep: list[object] = []
    options = ExecuteOptions(c.sizeof(ExecuteOptions), 0, timeout_ms)
    values = (Value * len(params))(*(to_value(lib, param, keep) for param in params))
    lib.call(
        "pond_connection_execute_wait",
        connection,
        text,
        c.c_size_t(len(text)),
        values,
        c.c_size_t(len(params)),
        c.byref(options),
        c.byref(result),
    )
    rows = rows_of(lib, result)
    return list(rows[0].values()) if rows else []


# It would take hours, on any database.
ENDLESS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
    "SELECT count(*) FROM n a, n b, n c, n d"
)


def stop_in_time(lib: Library, connection: Handle) -> None:
    try:
        execute(lib, connection, ENDLESS, timeout_ms=100)
        raise AssertionError("an endless statement ended")
    except PondError as error:
        if error.code != ETIMEDOUT:
            raise
    print("stopped a statement after 100 ms")


def work(lib: Library, connection: Handle) -> None:
    print("connected to", lib.version_of(connection))
    execute(lib, connection, "DROP TABLE IF EXISTS quickstart_users")
    execute(lib, connection, "CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)")
    timeout = c.c_int64(DEFAULT_TIMEOUT)
    lib.call("pond_connection_transaction_wait", connection, BEGIN, timeout)
    for number, name in ((1, "Ada"), (2, "Grace")):
        execute(lib, connection, "INSERT INTO quickstart_users VALUES (?, ?)", number, name)
    lib.call("pond_connection_transaction_wait", connection, COMMIT, timeout)
    print("committed")
    stop_in_time(lib, connection)
    row = execute(lib, connection, "SELECT id, name FROM quickstart_users WHERE id = ?", 2)
    print("user", row[0], "is", row[1])


def show(cell: Cell) -> str:
    if cell is None or isinstance(cell, bool):
        return "NULL" if cell is None else str(cell).lower()
    if isinstance(cell, list):
        return f"[{', '.join(map(show, cell))}]"
    return cell.hex() if isinstance(cell, bytes) else str(cell)


def use_values(lib: Library, connection: Handle, postgres: bool) -> None:
    """Send every type there and back."""
    execute(lib, connection, "DROP TABLE IF EXISTS quickstart_values")
    execute(
        lib,
        connection,
        "CREATE TABLE quickstart_values (flag boolean, big bigint, half double precision, "
        f"price decimal(10, 2), name text, data {'bytea' if postgres else 'blob'}, day date, "
        "moment timestamp NULL, missing text)",
    )
    date, timestamp = Typed(DATE, "2026-01-02"), Typed(TIMESTAMP, "2026-01-02 03:04:05")
    row = (True, 9007199254740993, 2.5, Typed(DECIMAL, "12.50"), "Ada \u2713", b"\0\1\xff", date)
    insert = "INSERT INTO quickstart_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    execute(lib, connection, insert, *row, timestamp, None)
    cells = execute(lib, connection, "SELECT * FROM quickstart_values")
    print("values:", " | ".join(map(show, cells)))
    if not postgres:
        return
    cells = execute(
        lib,
        connection,
        "SELECT CAST(? AS uuid), CAST(? AS json), interval '14 months 3 days 1.5 s', "
        "CAST(? AS integer[]), CAST(? AS time), CAST(? AS timestamptz)",
        Typed(UUID, "12345678-9abc-def0-1234-56789abcdef0"),
        Typed(JSON, '{"a":1}'),
        [1, None, 3],
        Typed(TIME, "23:59:59.5"),
        Typed(TIMESTAMPTZ, "2026-01-02 03:04:05Z"),
    )
    print("and:", " | ".join(map(show, cells)))


ENTITY = b"quickstart_person"


def run(lib: Library, connection: Handle, plan: Handle) -> list[dict[str, Cell]]:
    """Run a plan, and return the rows of its answer."""
    lib.call("pond_connection_run_wait", connection, plan, c.c_int64(DEFAULT_TIMEOUT))
    rows = rows_of(lib, lib.take_result(plan))
    lib.release("plan", plan)
    return rows


def save(lib: Library, connection: Handle, schema: Handle, **fields: str) -> dict[str, Cell]:
    """Create or update a person; returns the whole entity."""
    plan = Handle()
    keep: list[object] = []
    given = [Field(name.encode(), None, to_value(lib, text, keep)) for name, text in fields.items()]
    record = Record((Field * len(given))(*given), len(given))
    lib.call("pond_plan_save", schema, ENTITY, c.byref(record), None, c.byref(plan))
    return run(lib, connection, plan)[0]


def use_entity(lib: Library, pool: Handle, connection: Handle) -> None:
    schema, plan = Handle(), Handle()
    lib.call("pond_pool_schema", pool, c.byref(schema))
    key = str(save(lib, connection, schema, name="Ada Byron")["id"])
    save(lib, connection, schema, id=key, name="Ada Lovelace")
    lib.call("pond_plan_history", schema, ENTITY, key.encode(), None, c.byref(plan))
    for version in run(lib, connection, plan):
        print("version", version["version"], "is", version["name"])
    lib.release("schema", schema)


def main(driver: str, database: str, *settings: str) -> None:
    lib = Library()
    config, pool, connection = Handle(), Handle(), Handle()
    lib.call("pond_config_new", driver.encode(), c.byref(config))
    for setting in (f"database={database}", *settings):
        key, _, text = setting.partition("=")
        lib.call("pond_config_set", config, key.encode(), text.encode())
    lib.call("pond_pool_open", config, c.byref(pool))
    lib.call("pond_pool_acquire_wait", pool, None, c.c_int64(DEFAULT_TIMEOUT), c.byref(connection))
    work(lib, connection)
    use_values(lib, connection, driver.startswith("postgres"))
    use_entity(lib, pool, connection)
    lib.call("pond_connection_give_back", connection)
    lib.release("connection", connection)
    lib.call("pond_pool_close_wait", pool, c.c_int64(30_000))
    print("pool closed")
    lib.release("pool", pool)
    lib.release("config", config)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
