# Made of ../_async/entity.py by bindings/python/async_to_sync.py: change that file instead.
# mypy: disable-error-code="no-any-return, unused-ignore"
"""Entities: dicts in tables that grow with them, with a history of every change.

docs/entities.md tells what the tables look like.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import _native
from .._entity_calls import (
    BETWEEN,
    COUNT,
    DELETE,
    DELETED,
    FIND,
    FIND_ARROW,
    GET,
    GET_MANY,
    HISTORY,
    LIST,
    PERMANENT,
    PREPARE,
    RESTORE,
    SAVE,
    SAVE_MANY,
    VERSION,
    Entity,
    OnError,
    microseconds,
    read_flags,
)
from ..progress import Progress, pieces


def _save_in_pieces(
    connection: Any,
    name: str,
    entities: Iterable[Entity | object],
    how: dict[str, str | None],
    progress: Progress,
) -> list[str]:
    """``save_entities``, all or nothing, with ``progress`` called after each piece."""
    rows = list(entities)
    connection._entity(SAVE_MANY, name, rows, PREPARE, **how)
    ids: list[str] = []
    with connection.transaction():
        for piece in pieces(rows):
            ids += connection._entity(SAVE_MANY, name, piece, 0, **how, first_record=len(ids))
            progress(len(piece))
    return ids


class SyncEntityMethods:
    """What a synchronous connection can do with entities.

    Each call is a transaction of its own, repeated by itself after a deadlock. Within a transaction
    that is open on the connection it is a part of that: if it fails, it alone is undone.

    Raises, all calls: ArgumentError for a name or id that is not allowed; and what the database
    answers.
    """

    __slots__ = ()

    # What runs a plan: natively, or step by step over a backend in Python.
    _entity: Callable[..., Any]

    def get_entity(
        self,
        entity_name: str,
        entity_id: str,
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> Entity | None:
        """One entity by its id, or None.

        Args:
            entity_name: the entity's name, which is its table's.
            entity_id: str.
            include_deleted: also one that is marked as deleted.
            deserialize: True for the Python values that were saved. False for plain ones, the same
                on all databases: None, bool, int, float, str and bytes; dates and times as ISO 8601
                text, Decimal and UUID as text, collections as JSON text (StoredJson, a str that a
                save takes back as the collection).
            on_error: "raise" for an InvalidDataError, which names entity, id and field, for a
                stored value that cannot be read; "plain" for the value as it is stored in its
                place; "skip" to leave its row out.
        """
        return self._entity(
            GET, entity_name, entity_id, read_flags(include_deleted, deserialize, on_error)
        )

    def get_entities(
        self,
        entity_name: str,
        entity_ids: Iterable[str],
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> list[Entity]:
        """Those that exist of many ids, in no particular order; arguments as in get_entity()."""
        return self._entity(
            GET_MANY, entity_name, entity_ids, read_flags(include_deleted, deserialize, on_error)
        )

    def save_entity(
        self,
        entity_name: str,
        entity: Entity | object,
        user_id: str | None = None,
        comment: str | None = None,
        expected_version: int | None = None,
        deserialize: bool = False,
    ) -> Entity:
        """Create or update one entity; returns the whole of it, with its system fields: the same
        as get_entity() returns.

        Args:
            entity: fields by name: a dict, another mapping, a dataclass, a pydantic model, an attrs
                class, a msgspec struct or a named tuple. Only its fields change. Without an ``id``
                it is a new one, with a random UUID. System fields in it (``created_at`` and so on)
                are ignored.
            user_id: who does it, for ``created_by``, ``updated_by`` and the history.
            comment: for the history.
            expected_version: int; the version that the entity must have, 0 if it must be new.
            deserialize: as for get_entity(): True for Python values, False for plain ones. An old
                value of another field that cannot be read is as it is stored, since the entity is
                saved.

        Raises:
            VersionConflictError: it has another version than expected; nothing was written.
            InvalidDataError: a value does not fit its field; nothing was written.
        """
        flags = read_flags(False, deserialize, "plain")
        return self._entity(
            SAVE,
            entity_name,
            entity,
            flags,
            user_id=user_id,
            comment=comment,
            expected_version=expected_version,
        )

    def save_entities(
        self,
        entity_name: str,
        entities: Iterable[Entity | object],
        user_id: str | None = None,
        comment: str | None = None,
        *,
        progress: Progress | None = None,
    ) -> list[str]:
        """Create or update many, each with whatever fields: all or none. Returns their ids, in
        order. Arguments and errors are those of save_entity(); an error names the entity, from 0.

        Args:
            progress: called with a number of entities whenever so many more are saved, such as the
                ``update`` of a tqdm bar. All are checked before the first call. An open transaction
                gets a savepoint then.
        """
        if progress is not None:
            how = {"user_id": user_id, "comment": comment}
            return _save_in_pieces(self, entity_name, entities, how, progress)
        return self._entity(SAVE_MANY, entity_name, entities, 0, user_id=user_id, comment=comment)

    def delete_entity(
        self,
        entity_name: str,
        entity_id: str,
        user_id: str | None = None,
        permanent: bool = False,
        expected_version: int | None = None,
    ) -> bool:
        """Mark an entity as deleted; True if there was one to mark.

        Args:
            permanent: delete the row itself. Its history stays.
            expected_version: int; as for save_entity().
        """
        flags = PERMANENT if permanent else 0
        return self._entity(
            DELETE,
            entity_name,
            entity_id,
            flags,
            user_id=user_id,
            expected_version=expected_version,
        )

    def restore_entity(self, entity_name: str, entity_id: str, user_id: str | None = None) -> bool:
        """Take the mark of delete_entity() away; True if there was one."""
        return self._entity(RESTORE, entity_name, entity_id, user_id=user_id)

    def find_entities(
        self,
        entity_name: str,
        where_clause: str | None = None,
        params: Sequence[Any] | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> list[Entity]:
        """Entities that meet a condition.

        Args:
            where_clause: a condition in SQL on the fields, with ``?`` for values:
                ``"[age] > ? OR [name] = ?"``.
            params: tuple or list, one value for each ``?``.
            order_by: fields, each with ``ASC`` or ``DESC`` and ``NULLS FIRST`` or ``NULLS LAST``,
                separated by commas. Without it, by id. Rows without a value come last, or first
                with ``DESC``.
            limit, offset: at most so many, after so many.
            include_deleted, deserialize, on_error: as for get_entity().

        Raises:
            SqlSyntaxError: the condition or order is more than one, or none.
            UndefinedObjectError: it names a field that does not exist.
        """
        flags = read_flags(include_deleted, deserialize, on_error)
        return self._entity(
            FIND,
            entity_name,
            None,
            flags,
            where_clause=where_clause,
            params=params,
            order_by=order_by,
            limit=limit,
            offset=offset,
        )

    def find_entities_arrow(
        self,
        entity_name: str,
        where_clause: str | None = None,
        params: Sequence[Any] | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        include_deleted: bool = False,
    ) -> _native.ArrowResult:
        """What find_entities() finds, for dataframe libraries: an object that polars, pyarrow,
        pandas and duckdb take through the Arrow PyCapsule interface. Columns have the types of the
        fields; collections, enums and types with a serializer are text as it is stored.

        Arguments and errors are those of find_entities().
        """
        return self._entity(
            FIND_ARROW,
            entity_name,
            None,
            read_flags(include_deleted, True),
            where_clause=where_clause,
            params=params,
            order_by=order_by,
            limit=limit,
            offset=offset,
        )

    def count_entities(
        self,
        entity_name: str,
        where_clause: str | None = None,
        params: Sequence[Any] | None = None,
        include_deleted: bool = False,
    ) -> int:
        """How many meet a condition; arguments as in find_entities()."""
        flags = DELETED if include_deleted else 0
        return self._entity(
            COUNT, entity_name, None, flags, where_clause=where_clause, params=params
        )

    def get_entity_history(
        self,
        entity_name: str,
        entity_id: str,
        deserialize: bool = False,
        limit: int | None = None,
        offset: int | None = None,
        *,
        on_error: OnError = "raise",
    ) -> list[Entity]:
        """All versions of an entity, the first one first. Each has also ``version``,
        ``history_timestamp``, ``history_user_id`` and ``history_comment``."""
        return self._entity(
            HISTORY,
            entity_name,
            entity_id,
            read_flags(True, deserialize, on_error),
            limit=limit,
            offset=offset,
        )

    def get_entity_history_between(
        self,
        entity_name: str,
        since: datetime.datetime,
        until: datetime.datetime,
        entity_id: str | None = None,
        deserialize: bool = False,
        limit: int | None = None,
        offset: int | None = None,
        *,
        on_error: OnError = "raise",
    ) -> list[Entity]:
        """What changed from one instant to before another, in the order of time.

        Args:
            since, until: datetimes with a time zone.
            entity_id: of this entity only; None: of all with this name.
        """
        found: list[Entity] = self._entity(
            BETWEEN,
            entity_name,
            entity_id,
            read_flags(True, deserialize, on_error),
            limit=limit,
            offset=offset,
            since=microseconds(since, "since"),
            until=microseconds(until, "until"),
        )
        return found

    def get_entity_by_version(
        self,
        entity_name: str,
        entity_id: str,
        version: int,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> Entity | None:
        """One version of an entity, from its history; None if there is none."""
        return self._entity(
            VERSION,
            entity_name,
            entity_id,
            read_flags(True, deserialize, on_error),
            version=version,
        )

    def list_entities(self) -> list[str]:
        """The names of the database's entities, in order."""
        return self._entity(LIST)


__all__ = ["Entity", "SyncEntityMethods"]
