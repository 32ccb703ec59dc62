"""Entity reads of a database, each on a connection of its own."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from ._async.reading import read_async
from ._entity_calls import OnError
from ._nodes import Consistency, check_consistency
from ._sync.reading import read_sync


class EntityReads:
    """Part of :class:`ConnectionManager`: reads of entities without a connection of the caller's.

    Where an event loop runs each returns an awaitable, elsewhere it blocks and returns the answer::

        user = await db.get_entity("user", user_id)  # in a coroutine
        user = db.get_entity("user", user_id)  # elsewhere

    Arguments, answers and errors are those of the methods of the same names of
    :class:`AsyncConnection`. ``consistency`` says how fresh the answer is, None: as the database's
    config; see docs/replicas.md.
    """

    def _read(self, consistency: Consistency | None, method: str, *args: Any, **how: Any) -> Any:
        chosen = self.consistency if consistency is None else consistency  # type: ignore[attr-defined]
        wanted = check_consistency(chosen)
        read = read_async if asyncio._get_running_loop() is not None else read_sync
        return read(self, wanted, method, args, how)

    def get_entity(
        self,
        entity_name: str,
        entity_id: str,
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
        consistency: Consistency | None = None,
    ) -> Any:
        """One entity by its id, or None; as :meth:`AsyncConnection.get_entity`."""
        args = entity_name, entity_id, include_deleted, deserialize
        return self._read(consistency, "get_entity", *args, on_error=on_error)

    def get_entities(
        self,
        entity_name: str,
        entity_ids: Iterable[str],
        include_deleted: bool = False,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
        consistency: Consistency | None = None,
    ) -> Any:
        """Those that exist of many ids; as :meth:`AsyncConnection.get_entities`."""
        ids = entity_ids if isinstance(entity_ids, str) else list(entity_ids)  # asked twice, maybe
        args = entity_name, ids, include_deleted, deserialize
        return self._read(consistency, "get_entities", *args, on_error=on_error)

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
        consistency: Consistency | None = None,
    ) -> Any:
        """Entities that meet a condition; as :meth:`AsyncConnection.find_entities`."""
        args = entity_name, where_clause, params, order_by, limit, offset
        flags = include_deleted, deserialize
        return self._read(consistency, "find_entities", *args, *flags, on_error=on_error)

    def find_entities_arrow(
        self,
        entity_name: str,
        where_clause: str | None = None,
        params: Sequence[Any] | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        include_deleted: bool = False,
        *,
        consistency: Consistency | None = None,
    ) -> Any:
        """The same for dataframe libraries; as :meth:`AsyncConnection.find_entities_arrow`."""
        args = entity_name, where_clause, params, order_by, limit, offset, include_deleted
        return self._read(consistency, "find_entities_arrow", *args)

    def count_entities(
        self,
        entity_name: str,
        where_clause: str | None = None,
        params: Sequence[Any] | None = None,
        include_deleted: bool = False,
        *,
        consistency: Consistency | None = None,
    ) -> Any:
        """How many meet a condition; as :meth:`AsyncConnection.count_entities`."""
        args = entity_name, where_clause, params, include_deleted
        return self._read(consistency, "count_entities", *args)

    def get_entity_history(
        self,
        entity_name: str,
        entity_id: str,
        deserialize: bool = False,
        limit: int | None = None,
        offset: int | None = None,
        *,
        on_error: OnError = "raise",
        consistency: Consistency | None = None,
    ) -> Any:
        """All versions of an entity; as :meth:`AsyncConnection.get_entity_history`."""
        args = entity_name, entity_id, deserialize, limit, offset
        return self._read(consistency, "get_entity_history", *args, on_error=on_error)

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
        consistency: Consistency | None = None,
    ) -> Any:
        """What changed in a span of time; as :meth:`AsyncConnection.get_entity_history_between`."""
        args = entity_name, since, until, entity_id, deserialize, limit, offset
        return self._read(consistency, "get_entity_history_between", *args, on_error=on_error)

    def get_entity_by_version(
        self,
        entity_name: str,
        entity_id: str,
        version: int,
        deserialize: bool = False,
        *,
        on_error: OnError = "raise",
        consistency: Consistency | None = None,
    ) -> Any:
        """One version of an entity, or None; as :meth:`AsyncConnection.get_entity_by_version`."""
        args = entity_name, entity_id, version, deserialize
        return self._read(consistency, "get_entity_by_version", *args, on_error=on_error)

    def list_entities(self, *, consistency: Consistency | None = None) -> Any:
        """The names of the entities, in order; as :meth:`AsyncConnection.list_entities`."""
        return self._read(consistency, "list_entities")


__all__ = ["EntityReads"]
