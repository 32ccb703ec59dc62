"""Names of entities for one test each, and their tables."""

import json
import os
import uuid
from typing import Any

import vitess_server


def entity_name() -> str:
    """A name that no other test uses."""
    name = f"e_{uuid.uuid4().hex[:12]}"
    address = json.loads(os.environ.get("MILLPOND_TEST_MYSQL", "{}"))
    if address.get("engine") == "vitess_sharded":
        vitess_server.describe(address, vitess_server.VSCHEMA.format(name=name))
    return name


def quoted(kind: str, name: str) -> str:
    return f"`{name}`" if kind == "mysql" else f'"{name}"'


async def column_count(conn: Any, kind: str, table: str) -> int:
    """How many columns a table has."""
    result = await conn.execute(f"SELECT * FROM {quoted(kind, table)} WHERE 1 = 0")
    return len(result.columns)


# The databases whose tables the library knows how to make.
ENTITY_KINDS = ("sqlite", "postgres", "mysql", "duckdb")
