"""Which pool is meant by a hash, which names the password of none.

Databases that differ in the password alone, or in the kind of database, have one hash and a pool
each. ``ConnectionManager.hash()`` returns a text that also knows which; a mere ``str`` means all of
them. Where each pool needs a name of its own, the first one's is the hash, the others' have ``-2``,
``-3`` behind it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from typing import Any

_secret = os.urandom(32)  # of this process: what is kept of a password says nothing elsewhere
_lock = threading.Lock()
_known: dict[str, list[bytes]] = {}


def identity_of(kind: str, password: str | None) -> bytes:
    """What tells the pools of one hash apart."""
    text = f"{kind}\0{'' if password is None else '=' + password}"
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), key=_secret, digest_size=16
    ).digest()


class PoolHash(str):
    """The hash of a database's configuration, which knows its pool."""

    __slots__ = ("identity",)
    identity: bytes

    def __new__(cls, text: str, identity: bytes) -> PoolHash:
        made = super().__new__(cls, text)
        made.identity = identity
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)

    @property
    def key(self) -> str:
        """The name of the pool among all of the process; the same as long as that lives."""
        with _lock:
            identities = _known.setdefault(str(self), [])
            if self.identity not in identities:
                identities.append(self.identity)
            number = identities.index(self.identity) + 1
        return str(self) if number == 1 else f"{self}-{number}"

    def is_meant_by(self, other: str | None) -> bool:
        """Whether a hash or name, or None for all pools, means this one."""
        if other is None:
            return True
        if isinstance(other, PoolHash):
            return str(self) == str(other) and self.identity == other.identity
        return str(self) == other or self.key == other


def key_of(name: Any) -> Any:
    """The name of a pool, by that or by the hash of its database."""
    return name.key if isinstance(name, PoolHash) else name


class ByPool(dict[str, Any]):
    """A dict by the names of pools; a database's own ``hash()`` finds what is of its pool."""

    __slots__ = ()

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        super().__init__(pairs)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(key_of(name))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(key_of(name))

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(key_of(name), default)
