"""``entities``: what is there, one of them, and how it came to be."""

from __future__ import annotations

import argparse
from typing import Any

from ..database import ConnectionManager
from ..exceptions import ArgumentError
from .output import Output, text
from .visible import visible

# What each version changes by itself.
_ALWAYS = {"version", "history_timestamp", "history_user_id", "history_comment"}
_ALWAYS |= {"updated_at", "updated_by"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    each = actions.add_parser("list", help="list the names of entities and the number of each")
    show = actions.add_parser("show", help="show one entity, or the first entities of a name")
    show.add_argument("name")
    show.add_argument("id", nargs="?")
    show.add_argument(
        "--limit", type=int, default=20, help="maximum number of entities (default 20)"
    )
    show.add_argument(
        "--deleted", action="store_true", help="include entities that are marked as deleted"
    )
    history = actions.add_parser(
        "history", help="show the changes between all versions of one entity"
    )
    history.add_argument("name")
    history.add_argument("id")
    for action in (each, show, history):  # it may stand at the end, too
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


async def _list(conn: Any, out: Output) -> None:
    names = await conn.list_entities()
    counts = [(name, await conn.count_entities(name)) for name in names]
    out.rows(("entity", "count"), counts)


async def _show(conn: Any, arguments: argparse.Namespace, out: Output) -> None:
    if arguments.id is not None:
        entity = await conn.get_entity(arguments.name, arguments.id, arguments.deleted)
        if entity is None:
            raise ArgumentError(f"there is no {arguments.name} {arguments.id!r}")
        out.facts(entity)
        return
    found = await conn.find_entities(
        arguments.name, limit=arguments.limit, include_deleted=arguments.deleted
    )
    columns = list(dict.fromkeys(key for entity in found for key in entity)) or ["id"]
    out.rows(columns, [[entity.get(column) for column in columns] for entity in found])


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What one version has otherwise than the one before it: field -> (old, new)."""
    names = [name for name in dict.fromkeys([*old, *new]) if name not in _ALWAYS]
    pairs = {name: (old.get(name), new.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


async def _history(conn: Any, arguments: argparse.Namespace, out: Output) -> None:
    versions = await conn.get_entity_history(arguments.name, arguments.id)
    if not versions:
        raise ArgumentError(f"there is no history of a {arguments.name} {arguments.id!r}")
    before: dict[str, Any] = {}
    told = []
    for version in versions:
        told.append({**version, "changes": changes(before, version)})
        before = version
    if out.as_json:
        out.json(told)
        return
    for version in told:
        who = version.get("history_user_id") or "somebody"
        why = f": {version['history_comment']}" if version.get("history_comment") else ""
        told_by = f"{version['history_timestamp']}, {who}{why}"
        out.line(visible(f"version {version['version']}, {told_by}"))
        for name, (old, new) in version["changes"].items():
            if old is not None:
                out.line(visible(f"  - {name}: {text(old)}"))
            if new is not None:
                out.line(visible(f"  + {name}: {text(new)}"))


async def _entities(arguments: argparse.Namespace, db: ConnectionManager, out: Output) -> None:
    async with db.async_connection() as conn:
        if arguments.action == "list":
            await _list(conn, out)
        elif arguments.action == "show":
            await _show(conn, arguments, out)
        else:
            await _history(conn, arguments, out)


COMMANDS = (("entities", "List entities, show one, or its history.", _arguments, _entities),)
