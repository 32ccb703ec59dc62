"""Call public functions as a language without types may: with NULL, or a count that was never set.

    nulls.py LIBRARY null|count|smaller|inside FIRST

Prints "FUNCTION PARAMETER" before each call, from the case number FIRST on, and JSON after it: what
came back, what the error says, and which outputs still hold what was in them. A crash ends the
program between the two.
"""

import ctypes
import json
import os
import sys
from typing import Any

from headers import Function, functions

POINTER = ctypes.sizeof(ctypes.c_void_p)
GARBAGE = 0x5A5A5A5A5A5A5A5A
# A count that was never set. A smaller one can be told where the statement or the tags set a limit.
COUNT = 2**63 + 7
SMALLER = 5_000_000
LIMITED = {"param_count", "tag_count"}

# What to call with where a parameter is not the one in question.
TEXTS = {
    "driver": b"sqlite",
    "url": b"sqlite:///:memory:",
    "sql": b"SELECT ?",
    "text": b"2026-01-02",
    "value": b"x",
    "token": b"1",
}
NUMBERS = {"verb": 1, "type": 7, "outcome": 1, "failures": 1, "timeout_ms": 50, "seconds": 1}
SIZES = {"sql_size": 8, "size": 10, "name_size": 4, "info_size": 32}
# A count, and whose it is.
COUNTS = {
    "sql_size": "sql",
    "name_size": "name",
    "size": "text",
    "param_count": "params",
    "tag_count": "tags",
    "id_count": "ids",
    "record_count": "records",
    "row_count": "params values",
    "column_count": "params values",
}
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda data: 0)


def buffer(*words: int) -> Any:
    """Zeros behind some words, which may be pointers."""
    return (ctypes.c_uint64 * 64)(*words)


SIZED = {"pond_pool_status *", "pond_metric *", "pond_step *", "pond_scaling_signal *"}
SIZED |= {"pond_breaker_status *", "pond_statement_cache_status *", "pond_node *"}
NUMBER = {"int *", "int64_t *", "size_t *", "uint32_t *", "uint64_t *"}


def is_output(kind: str, name: str) -> bool:
    return kind.endswith("**") or kind in NUMBER or name == "out"


class Value(ctypes.Structure):
    """A pond_value."""

    _fields_ = (("type", ctypes.c_uint32), ("aux", ctypes.c_int32), ("words", ctypes.c_int64 * 2))


def plain(got: Any) -> Any:
    """What JSON can say of a return value; of a pond_value its type."""
    if isinstance(got, Value):
        return got.type
    return got.decode() if isinstance(got, bytes) else got


class Fixture:
    """One of everything, in a pool of its own."""

    def __init__(self, library: ctypes.CDLL, number: int) -> None:
        self.library = library
        self.kept: list[Any] = []
        self.config = self.make("pond_config_new", b"sqlite")
        for key, value in {b"database": b":memory:", b"alias": b"%d" % number}.items():
            assert not library.pond_config_set(self.config, key, value, None)
        self.pool = self.make("pond_pool_open", self.config)
        self.connection = self.make("pond_pool_acquire_wait", self.pool, None, 5000)
        sql = [b"SELECT 1", 8, None, 0, None]
        self.result = self.make("pond_connection_execute_wait", self.connection, *sql)
        self.schema = self.make("pond_pool_schema", self.pool)
        self.plan = self.make("pond_plan_get", self.schema, b"person", b"7", None)
        library.pond_plan_start(self.plan, 0, None)
        self.loop = self.make("pond_loop_new")
        self.cache = self.make("pond_statement_cache_new", None)
        self.breaker = self.make("pond_breaker_new", b"name", None)
        self.session = self.make("pond_session_new", None)
        self.metrics = self.make("pond_metrics_take", self.pool)
        self.nodes = self.make("pond_pool_nodes", self.pool)
        self.op = self.make("pond_pool_acquire", self.pool, None, 50, None)
        self.error = ctypes.c_void_p()
        library.pond_config_set(self.config, b"nothing", b"", ctypes.byref(self.error))
        self.record = library.pond_log_next()

    def make(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        out = ctypes.c_void_p()
        sized = [ctypes.c_int64(a) if isinstance(a, int) else a for a in arguments]
        code = getattr(self.library, name)(*sized, ctypes.byref(out), None)
        assert code == 0, (name, code)
        return out

    def keep(self, thing: Any) -> ctypes.c_void_p:
        self.kept.append(thing)
        return ctypes.cast(thing, ctypes.c_void_p)

    def text(self, name: str) -> ctypes.c_void_p:
        return self.keep(ctypes.c_char_p(TEXTS.get(name, b"name")))

    def given(self, kind: str, name: str) -> Any:
        """Something to pass for a parameter."""
        plain = kind.removeprefix("const ").removesuffix(" *")
        if kind == "function *":
            return self.keep(CALLBACK)
        if kind == "const char *":
            return self.text(name)
        if kind == "const char *const *":
            return self.keep(buffer(self.text("id").value or 0))
        if name == "params" or plain == "pond_value":
            return self.keep(buffer(2, 42))  # an integer
        if name == "tags":
            return self.keep(buffer(self.text("key").value or 0, self.text("tag").value or 0))
        if plain == "pond_record":
            field = self.keep(buffer(self.text("field").value or 0, 0, 2, 42))
            return self.keep(buffer(field.value or 0, 1))
        if name in ("options", "policy", "data", "user_data", "tag", "owner"):
            return None
        if name == "record" or (plain.startswith("pond_") and hasattr(self, name)):
            return getattr(self, name)
        return None


class Case:
    """One call, in which one parameter is not what it should be."""

    def __init__(self, function: Function, wrong: str, value: Any) -> None:
        self.function, self.wrong, self.value = function, wrong, value

    def arguments(self, at: Fixture) -> tuple[list[Any], dict[str, Any]]:
        arguments: list[Any] = []
        outputs: dict[str, Any] = {}
        for kind, name in self.function.parameters:
            if name == self.wrong:
                made = self.value
                if isinstance(made, int):
                    made = ctypes.c_uint64(made)
                elif made is not None:
                    made = at.keep(buffer(*made))
            elif kind == "pond_error **":
                made = at.keep(buffer())
                outputs[name] = at.kept[-1]
            elif kind.endswith("*") and is_output(kind, name):
                made = at.keep(buffer(4 if kind in SIZED else GARBAGE))
                outputs[name] = at.kept[-1]
            elif kind.endswith("*"):
                made = at.given(kind, name)
            elif kind == "double":
                made = ctypes.c_double(1)
            else:
                made = ctypes.c_int64(SIZES.get(name, NUMBERS.get(name, 1)))
            arguments.append(made)
        return arguments, outputs

    def call(self, at: Fixture) -> dict[str, Any]:
        function = getattr(at.library, self.function.name)
        function.restype = {
            "void": None,
            "const char *": ctypes.c_char_p,
            "int": ctypes.c_int,
            "int32_t": ctypes.c_int32,
            "uint32_t": ctypes.c_uint32,
            "int64_t": ctypes.c_int64,
            "uint64_t": ctypes.c_uint64,
            "size_t": ctypes.c_size_t,
            "pond_value": Value,
        }.get(self.function.returns, ctypes.c_void_p)
        arguments, outputs = self.arguments(at)
        got = function(*arguments)
        error = outputs.pop("err", [0])[0]
        message = at.library.pond_error_message(ctypes.c_void_p(error or None))
        return {
            "got": plain(got),
            "message": message.decode(),
            "left": [name for name, out in outputs.items() if out[0] == GARBAGE],
        }


TEXT, ARRAY = 5, 14
# Structs that point to nothing: (what is wrong, words of 8 bytes).
INSIDE: dict[str, list[tuple[int, ...]]] = {
    "params": [(TEXT, 0, 5), (ARRAY, 0, 5), (ARRAY, 0, COUNT), (99, 0, 0)],
    "values": [(TEXT, 0, 5), (ARRAY, 0, 5), (99, 0, 0)],
    "tags": [(0, 0)],
    "ids": [(0,)],
    "names": [(0,)],
    "record": [(0, 1), (0, COUNT)],
    "records": [(0, 1), (0, COUNT)],
    "pond_execute_options": [(40, 0, 0, 1), (40, 0, 0, COUNT), (40 | 8 << 32,)],
    "pond_entity_options": [(80, 0, 0, 0, 0, 0, 1), (80, 0, 0, 0, 0, 0, COUNT)],
}


def inside(function: Function) -> list[Case]:
    found = []
    for kind, name in function.parameters:
        if name in ("values", "record") and not kind.startswith("const pond_"):
            continue
        for words in INSIDE.get(name, INSIDE.get(kind.removeprefix("const ")[:-2], [])):
            if kind != "const pond_log *":
                found.append(Case(function, name, words))
    return found


def cases(which: str) -> list[Case]:
    if which == "inside":
        return [case for function in functions() for case in inside(function)]
    found = []
    for function in functions():
        names = {name for _, name in function.parameters}
        for kind, name in function.parameters:
            if which == "null" and kind.endswith("*"):
                found.append(Case(function, name, None))
            counted = names & set(COUNTS.get(name, "").split())
            if which == "count" and counted and not kind.endswith("*"):
                found.append(Case(function, name, COUNT))
            if which == "smaller" and name in LIMITED:
                found.append(Case(function, name, SMALLER))
    return found


def main(library_path: str, which: str, first: str) -> None:
    library = ctypes.CDLL(library_path)
    library.pond_error_message.restype = ctypes.c_char_p
    library.pond_log_next.restype = ctypes.c_void_p
    for number, case in enumerate(cases(which)):
        if number < int(first):
            continue
        value = "" if case.value is None else case.value
        print(case.function.name, case.wrong, value, flush=True)
        print(json.dumps(case.call(Fixture(library, number))), flush=True)
    os._exit(0)  # what was made is not taken down: that is no part of this


if __name__ == "__main__":
    main(*sys.argv[1:])
