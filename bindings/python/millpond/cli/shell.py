r"""``shell``: a small SQL prompt. Statements end with ``;``. ``\d`` lists tables, ``\q`` leaves."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..connection import AsyncConnection
from ..database import ConnectionManager
from ..exceptions import Error
from .output import Output
from .script import Script

Read = Callable[[str], str]

TABLES = {
    "PostgreSQL": "SELECT table_schema AS schema, table_name AS name FROM information_schema.tables"
    " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    "SQLite": "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
    "": "SELECT table_schema AS `schema`, table_name AS name FROM information_schema.tables"
    " WHERE table_schema = database() ORDER BY 2",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--command", dest="sql", help="execute this, and leave")


def _history() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    path = Path(state) / "millpond" / "history"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _reader() -> Read:
    """Asks for a line: with history and editing where prompt_toolkit is there."""
    if not sys.stdin.isatty():
        return lambda prompt: _line_of(sys.stdin.readline())
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory
    except ImportError:
        return input
    session: PromptSession[str] = PromptSession(history=FileHistory(str(_history())))
    return lambda prompt: session.prompt(prompt)


def _line_of(line: str) -> str:
    if not line:
        raise EOFError
    return line.rstrip("\n")


async def _execute(conn: AsyncConnection, sql: str, out: Output) -> bool:
    """True if the statement went well; otherwise the error is told."""
    started = time.perf_counter()
    try:
        rows = await conn.execute(sql)
    except Error as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return False
    if rows.columns:
        out.rows(rows.columns, rows)
    elif out.as_json:
        out.json({"rowcount": rows.rowcount})
    if not out.as_json:
        elapsed = (time.perf_counter() - started) * 1000
        count = max(rows.rowcount, 0)
        out.line(f"({count} row{'' if count == 1 else 's'}, {elapsed:.1f} ms)")
    return True


def _tables(server: str) -> str:
    return next(sql for name, sql in TABLES.items() if server.startswith(name))


async def _statement(read: Read, script: Script) -> str:
    """The next line or lines, without the last semicolon; or a command with a backslash."""
    lines: list[str] = []
    while True:
        try:
            line = await asyncio.to_thread(read, "....> " if lines else "sql> ")
        except EOFError:
            if not any(map(str.strip, lines)):
                raise
            return "\n".join(lines).strip()  # the last one needs no semicolon
        if not lines and line.strip().startswith("\\"):
            return line.strip()
        lines.append(line)
        if line.rstrip().endswith(";"):
            sql = "\n".join(lines).strip().rstrip(";")
            if script.ends(sql):
                return sql


def _is_closed(conn: AsyncConnection, sql: str) -> bool:
    """False where a literal or comment is still open."""
    try:
        conn.parameter_converter.convert_query_to_native(sql)
    except Error:
        return False
    return True


async def _shell(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> int:
    async with db.async_connection() as conn:
        if arguments.sql is not None:
            return 0 if await _execute(conn, arguments.sql, out) else 1
        return await _loop(conn, _reader(), out)


async def _loop(conn: Any, read: Read, out: Output) -> int:
    failed = False
    server = (await conn.get_version_details())["db_server_version"]
    script = Script(server, partial(_is_closed, conn))
    while True:
        try:
            sql = await _statement(read, script)
        except EOFError:
            return int(failed)
        except KeyboardInterrupt:
            continue  # the line is dropped
        if sql in ("\\q", "\\quit"):
            return 0
        if sql == "\\d":
            sql = _tables(server)
        if sql.startswith("\\"):
            print("error: \\d lists tables, \\q leaves", file=sys.stderr)
            continue
        for statement in script.split(sql):
            if not await _execute(conn, statement, out):
                failed = not sys.stdin.isatty()  # a script tells by its exit code


COMMANDS = (("shell", "A small SQL prompt, or SQL from standard input.", _arguments, _shell),)
