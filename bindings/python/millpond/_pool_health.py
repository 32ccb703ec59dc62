"""Whether pools can serve: asked by a blocking call, or without blocking by who awaits it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ._pool_key import key_of

Ask = Callable[[], list[bool]]
AskAsync = Callable[[], Coroutine[Any, Any, list[bool]]]


class PoolHealth(dict[str, bool]):
    """Whether each pool is healthy, by hash; can also be awaited.

    In the thread of a running event loop the pools are asked when it is awaited, without blocking
    the loop. Whoever reads it there without awaiting it blocks until they have answered.
    """

    __slots__ = ("_ask", "_ask_async", "_hashes")

    def __init__(self, hashes: list[str], ask: Ask, ask_async: AskAsync) -> None:
        # Some of Python's own code, such as json's, looks at the size of a dict by itself.
        super().__init__(dict.fromkeys(hashes, False))
        self._hashes = hashes
        self._ask: Ask | None = ask
        self._ask_async = ask_async
        if asyncio._get_running_loop() is None:
            self._know()

    def __await__(self) -> Generator[Any, Any, PoolHealth]:
        if self._ask is not None:
            self._learn((yield from self._ask_async().__await__()))
        return self

    def __hash__(self) -> int:  # type: ignore[override]
        """By identity: gather() and others keep what they wait for in dicts."""
        return object.__hash__(self)

    def _know(self) -> None:
        if self._ask is not None:
            self._learn(self._ask())

    def _learn(self, answers: list[bool]) -> None:
        """Closed and made anew, a pool may be listed twice: both must be healthy."""
        self._ask = None
        for config_hash in self._hashes:
            dict.__setitem__(self, config_hash, True)
        for config_hash, healthy in zip(self._hashes, answers, strict=True):
            if not healthy:
                dict.__setitem__(self, config_hash, False)


def _known_first(name: str) -> Any:
    """The method of a dict, once the pools have been asked."""
    method = getattr(dict, name)

    def known(self: PoolHealth, *args: Any, **kwargs: Any) -> Any:
        self._know()
        return method(self, *map(key_of, args), **kwargs)

    return known


for _name in (
    *("__contains__", "__delitem__", "__eq__", "__ge__", "__getitem__", "__gt__", "__ior__"),
    *("__iter__", "__le__", "__len__", "__lt__", "__ne__", "__or__", "__reduce_ex__", "__repr__"),
    *("__reversed__", "__ror__", "__setitem__", "clear", "copy", "get", "items", "keys", "pop"),
    *("popitem", "setdefault", "update", "values"),
):
    setattr(PoolHealth, _name, _known_first(_name))


__all__ = ["PoolHealth"]
