"""In Python with ctypes, through the C interface alone: what any language with an FFI can do.

python3 quickstart.py DRIVER DATABASE [KEY=VALUE ...]
"""

import ctypes as c
import sys


class Text(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t)]


class Payload(c.Union):
    """The members of pond_value.as that this example uses."""

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


INT64, TEXT = 2, 5
ETIMEDOUT = -14
BEGIN, COMMIT = 1, 2
DEFAULT_TIMEOUT = -1
Handle = c.c_void_p


def to_value(of: int | str, keep: list[object]) -> Value:
    """A parameter; what it points into goes to `keep`, to live until the call is over."""
    if isinstance(of, int):
        return Value(INT64, 0, Payload(integer=of))
    data = c.create_string_buffer(of.encode())
    keep.append(data)
    return Value(TEXT, 0, Payload(text=Text(c.addressof(data), len(data) - 1)))


def from_value(value: Value) -> int | str | None:
    """A cell, copied: it lives only as long as its result. None for what this program skips."""
    if value.type == INT64:
        return int(value.payload.integer)
    if value.type != TEXT:
        return None
    return c.string_at(value.payload.text.data, value.payload.text.size).decode()


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


def rows_of(lib: Library, result: Handle) -> list[dict[str, int | str | None]]:
    """All rows of a result, by the names of their columns; the result is released."""
    names = [lib.column_name(result, i) for i in range(lib.count("column", result))]
    cells = (Value * len(names))()
    rows = []
    for row in range(lib.count("row", result)):
        lib.call("pond_result_row", result, c.c_size_t(row), cells)
        rows.append(dict(zip(names, map(from_value, cells), strict=True)))
    lib.release("result", result)
    return rows


def execute(
    lib: Library,
    connection: Handle,
    sql: str,
    *params: int | str,
    timeout_ms: int = DEFAULT_TIMEOUT,
) -> list[int | str | None]:
    """Execute a statement, and return its first row."""
    result = Handle()
    text = sql.encode()
    keep: list[object] = []
    options = ExecuteOptions(c.sizeof(ExecuteOptions), 0, timeout_ms)
    values = (Value * len(params))(*(to_value(param, keep) for param in params))
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


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


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


ENTITY = b"quickstart_person"


def run(lib: Library, connection: Handle, plan: Handle) -> list[dict[str, int | str | None]]:
    """Run a plan, and return the rows of its answer."""
    lib.call("pond_connection_run_wait", connection, plan, c.c_int64(DEFAULT_TIMEOUT))
    rows = rows_of(lib, lib.take_result(plan))
    lib.release("plan", plan)
    return rows


def save(
    lib: Library, connection: Handle, schema: Handle, **fields: str
) -> dict[str, int | str | None]:
    """Create or update a person; returns the whole entity."""
    plan = Handle()
    keep: list[object] = []
    given = [Field(name.encode(), None, to_value(text, keep)) for name, text in fields.items()]
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
