"""Entities: dicts in tables that grow with them, with a history of every change.

The classes here give connections their entity methods. docs/entities.md tells what the tables look
like.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal

from . import _native
from ._serializers import register_serializer
from ._steps import Steps, run_async, run_sync
from .progress import Progress, pieces, renumber

Entity = dict[str, Any]

_DELETED = 1
_PERMANENT = 2
_PLAIN = 4
_PREPARE = 8

(
    _SAVE,
    _SAVE_MANY,
    _GET,
    _GET_MANY,
    _DELETE,
    _RESTORE,
    _FIND,
    _COUNT,
    _HISTORY,
    _BETWEEN,
    _VERSION,
    _LIST,
    _FIND_ARROW,
) = range(13)


#: What to do with a stored value that cannot be read: raise InvalidDataError, put it as it is
#: stored in its place, or leave its row out.
OnError = Literal["raise", "plain", "skip"]

_ON_ERROR = {"raise": 0, "plain": 1 << 16, "skip": 1 << 17}
_NO_ON_ERROR = 1 << 18  # refused where the call is awaited


def _reading(include_deleted: bool, deserialize: bool, on_error: OnError = "raise") -> int:
    flags = (_DELETED if include_deleted else 0) | (0 if deserialize else _PLAIN)
    known = isinstance(on_error, str) and on_error in _ON_ERROR
    return flags | (_ON_ERROR[on_error] if known else _NO_ON_ERROR)


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def _instant(value: datetime.datetime, name: str) -> int:
    """Microseconds since 1970."""
    from .exceptions import ArgumentError

    if not isinstance(value, datetime.datetime) or value.utcoffset() is None:
        raise ArgumentError(f"{name} must be a datetime with a time zone, not {value!r}")
    return (value - _EPOCH) // _MICROSECOND


def _save_in_pieces(
    connection: Any,
    name: str,
    entities: Iterable[Entity | object],
    how: tuple[str | None, str | None],
    progress: Progress,
) -> Steps[list[str]]:
    """``save_entities``, all or nothing, with ``progress`` called after each piece."""
    rows = list(entities)
    yield connection._entity(_SAVE_MANY, name, rows, _PREPARE, *how)
    transaction = connection.transaction()
    ids: list[str] = []
    yield from transaction._enter()
    try:
        for piece in pieces(rows):
            with renumber(len(ids)):
                ids += yield connection._entity(_SAVE_MANY, name, piece, 0, *how)
            progress(len(piece))
    except BaseException as error:
        yield from transaction._exit(error)
        raise
    yield from transaction._exit(None)
    return ids


class AsyncEntityMethods:
    """What an asynchronous connection can do with entities.

    Each call is a transaction of its own, repeated by itself after a deadlock. Within a transaction
    that is open on the connection it is a part of that: if it fails, it alone is undone.

    Raises, all calls: ArgumentError for a name or id that is not allowed; and what the database
    answers.
    """

    __slots__ = ()

    # What runs a plan: natively, or step by step over a backend in Python.
    _entity: Callable[..., Awaitable[Any]]

    def get_entity(
        self,
        entity_name: str,
        entity_id: str,
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> Awaitable[Entity | None]:
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
            _GET, entity_name, entity_id, _reading(include_deleted, deserialize, on_error)
        )

    def get_entities(
        self,
        entity_name: str,
        entity_ids: Iterable[str],
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> Awaitable[list[Entity]]:
        """Those that exist of many ids, in no particular order; arguments as in get_entity()."""
        return self._entity(
            _GET_MANY, entity_name, entity_ids, _reading(include_deleted, deserialize, on_error)
        )

    def save_entity(
        self,
        entity_name: str,
        entity: Entity | object,
        user_id: str | None = None,
        comment: str | None = None,
        expected_version: int | None = None,
        deserialize: bool = False,
    ) -> Awaitable[Entity]:
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
        flags = _reading(False, deserialize, "plain")
        return self._entity(_SAVE, entity_name, entity, flags, user_id, comment, expected_version)

    def save_entities(
        self,
        entity_name: str,
        entities: Iterable[Entity | object],
        user_id: str | None = None,
        comment: str | None = None,
        *,
        progress: Progress | None = None,
    ) -> Awaitable[list[str]]:
        """Create or update many, each with whatever fields: all or none. Returns their ids, in
        order. Arguments and errors are those of save_entity(); an error names the entity, from 0.

        Args:
            progress: called with a number of entities whenever so many more are saved, such as the
                ``update`` of a tqdm bar. All are checked before the first call. An open transaction
                gets a savepoint then.
        """
        if progress is not None:
            how = (user_id, comment)
            return run_async(_save_in_pieces(self, entity_name, entities, how, progress))
        return self._entity(_SAVE_MANY, entity_name, entities, 0, user_id, comment)

    def delete_entity(
        self,
        entity_name: str,
        entity_id: str,
        user_id: str | None = None,
        permanent: bool = False,
        expected_version: int | None = None,
    ) -> Awaitable[bool]:
        """Mark an entity as deleted; True if there was one to mark.

        Args:
            permanent: delete the row itself. Its history stays.
            expected_version: int; as for save_entity().
        """
        flags = _PERMANENT if permanent else 0
        return self._entity(_DELETE, entity_name, entity_id, flags, user_id, None, expected_version)

    def restore_entity(
        self, entity_name: str, entity_id: str, user_id: str | None = None
    ) -> Awaitable[bool]:
        """Take the mark of delete_entity() away; True if there was one."""
        return self._entity(_RESTORE, entity_name, entity_id, 0, user_id)

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
    ) -> Awaitable[list[Entity]]:
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
        flags = _reading(include_deleted, deserialize, on_error)
        return self._entity(
            _FIND,
            entity_name,
            None,
            flags,
            None,
            None,
            None,
            where_clause,
            params,
            order_by,
            limit,
            offset,
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
    ) -> Awaitable[_native.ArrowResult]:
        """What find_entities() finds, for dataframe libraries: an object that polars, pyarrow,
        pandas and duckdb take through the Arrow PyCapsule interface. Columns have the types of the
        fields; collections, enums and types with a serializer are text as it is stored.

        Arguments and errors are those of find_entities().
        """
        return self._entity(
            _FIND_ARROW,
            entity_name,
            None,
            _reading(include_deleted, True),
            None,
            None,
            None,
            where_clause,
            params,
            order_by,
            limit,
            offset,
        )

    def count_entities(
        self,
        entity_name: str,
        where_clause: str | None = None,
        params: Sequence[Any] | None = None,
        include_deleted: bool = False,
    ) -> Awaitable[int]:
        """How many meet a condition; arguments as in find_entities()."""
        flags = _DELETED if include_deleted else 0
        return self._entity(
            _COUNT, entity_name, None, flags, None, None, None, where_clause, params
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
    ) -> Awaitable[list[Entity]]:
        """All versions of an entity, the first one first. Each has also ``version``,
        ``history_timestamp``, ``history_user_id`` and ``history_comment``."""
        return self._entity(
            _HISTORY,
            entity_name,
            entity_id,
            _reading(True, deserialize, on_error),
            None,
            None,
            None,
            None,
            None,
            None,
            limit,
            offset,
        )

    async def get_entity_history_between(
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
        found: list[Entity] = await self._entity(
            _BETWEEN,
            entity_name,
            entity_id,
            _reading(True, deserialize, on_error),
            None,
            None,
            None,
            None,
            None,
            None,
            limit,
            offset,
            _instant(since, "since"),
            _instant(until, "until"),
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
    ) -> Awaitable[Entity | None]:
        """One version of an entity, from its history; None if there is none."""
        return self._entity(
            _VERSION,
            entity_name,
            entity_id,
            _reading(True, deserialize, on_error),
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            version,
        )

    def list_entities(self) -> Awaitable[list[str]]:
        """The names of the database's entities, in order."""
        return self._entity(_LIST)


class SyncEntityMethods:
    """What a synchronous connection can do with entities: as :class:`AsyncEntityMethods`."""

    __slots__ = ()

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
        """As :meth:`AsyncEntityMethods.get_entity`."""
        answer: Entity | None = self._entity(
            _GET, entity_name, entity_id, _reading(include_deleted, deserialize, on_error)
        )
        return answer

    def get_entities(
        self,
        entity_name: str,
        entity_ids: Iterable[str],
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> list[Entity]:
        """As :meth:`AsyncEntityMethods.get_entities`."""
        answer: list[Entity] = self._entity(
            _GET_MANY, entity_name, entity_ids, _reading(include_deleted, deserialize, on_error)
        )
        return answer

    def save_entity(
        self,
        entity_name: str,
        entity: Entity | object,
        user_id: str | None = None,
        comment: str | None = None,
        expected_version: int | None = None,
        deserialize: bool = False,
    ) -> Entity:
        """As :meth:`AsyncEntityMethods.save_entity`."""
        flags = _reading(False, deserialize, "plain")
        answer: Entity = self._entity(
            _SAVE, entity_name, entity, flags, user_id, comment, expected_version
        )
        return answer

    def save_entities(
        self,
        entity_name: str,
        entities: Iterable[Entity | object],
        user_id: str | None = None,
        comment: str | None = None,
        *,
        progress: Progress | None = None,
    ) -> list[str]:
        """As :meth:`AsyncEntityMethods.save_entities`."""
        if progress is not None:
            how = (user_id, comment)
            return run_sync(_save_in_pieces(self, entity_name, entities, how, progress))
        answer: list[str] = self._entity(_SAVE_MANY, entity_name, entities, 0, user_id, comment)
        return answer

    def delete_entity(
        self,
        entity_name: str,
        entity_id: str,
        user_id: str | None = None,
        permanent: bool = False,
        expected_version: int | None = None,
    ) -> bool:
        """As :meth:`AsyncEntityMethods.delete_entity`."""
        flags = _PERMANENT if permanent else 0
        answer: bool = self._entity(
            _DELETE, entity_name, entity_id, flags, user_id, None, expected_version
        )
        return answer

    def restore_entity(self, entity_name: str, entity_id: str, user_id: str | None = None) -> bool:
        """As :meth:`AsyncEntityMethods.restore_entity`."""
        answer: bool = self._entity(_RESTORE, entity_name, entity_id, 0, user_id)
        return answer

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
        """As :meth:`AsyncEntityMethods.find_entities`."""
        flags = _reading(include_deleted, deserialize, on_error)
        answer: list[Entity] = self._entity(
            _FIND,
            entity_name,
            None,
            flags,
            None,
            None,
            None,
            where_clause,
            params,
            order_by,
            limit,
            offset,
        )
        return answer

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
        """As :meth:`AsyncEntityMethods.find_entities_arrow`."""
        answer: _native.ArrowResult = self._entity(
            _FIND_ARROW,
            entity_name,
            None,
            _reading(include_deleted, True),
            None,
            None,
            None,
            where_clause,
            params,
            order_by,
            limit,
            offset,
        )
        return answer

    def count_entities(
        self,
        entity_name: str,
        where_clause: str | None = None,
        params: Sequence[Any] | None = None,
        include_deleted: bool = False,
    ) -> int:
        """As :meth:`AsyncEntityMethods.count_entities`."""
        flags = _DELETED if include_deleted else 0
        answer: int = self._entity(
            _COUNT, entity_name, None, flags, None, None, None, where_clause, params
        )
        return answer

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
        """As :meth:`AsyncEntityMethods.get_entity_history`."""
        answer: list[Entity] = self._entity(
            _HISTORY,
            entity_name,
            entity_id,
            _reading(True, deserialize, on_error),
            None,
            None,
            None,
            None,
            None,
            None,
            limit,
            offset,
        )
        return answer

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
        """As :meth:`AsyncEntityMethods.get_entity_history_between`."""
        answer: list[Entity] = self._entity(
            _BETWEEN,
            entity_name,
            entity_id,
            _reading(True, deserialize, on_error),
            None,
            None,
            None,
            None,
            None,
            None,
            limit,
            offset,
            _instant(since, "since"),
            _instant(until, "until"),
        )
        return answer

    def get_entity_by_version(
        self,
        entity_name: str,
        entity_id: str,
        version: int,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
    ) -> Entity | None:
        """As :meth:`AsyncEntityMethods.get_entity_by_version`."""
        answer: Entity | None = self._entity(
            _VERSION,
            entity_name,
            entity_id,
            _reading(True, deserialize, on_error),
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            version,
        )
        return answer

    def list_entities(self) -> list[str]:
        """As :meth:`AsyncEntityMethods.list_entities`."""
        answer: list[str] = self._entity(_LIST)
        return answer


__all__ = ["AsyncEntityMethods", "Entity", "SyncEntityMethods", "register_serializer"]
