"""The pools of backends that are written in Python."""

from __future__ import annotations

import abc
import logging
from typing import Any

_log = logging.getLogger("millpond.pool")

#: Seconds that a health check waits for a connection.
HEALTH_CHECK_TIMEOUT = 5.0


class ConnectionPool(abc.ABC):
    """A driver's pool, as :class:`ConnectionManager` needs it. What it lends are the driver's own
    connections, which the manager wraps."""

    @abc.abstractmethod
    async def acquire(self, timeout: float | None = None) -> Any:
        """Lend a connection.

        Args:
            timeout: seconds to wait for a free one. None: the pool's default.

        Raises:
            TimeoutError: none became free in time.
        """

    @abc.abstractmethod
    async def release(self, connection: Any) -> None:
        """Take a connection back. One that was closed is given back, too: the pool drops it."""

    @abc.abstractmethod
    async def close(self, force: bool = False, timeout: float | None = None) -> None:
        """Close the pool and its connections.

        Args:
            force: False: wait until all were released. True: end what they are doing.
            timeout: seconds to wait.
        """

    @abc.abstractmethod
    async def _test_connection(self, connection: Any) -> None:
        """Do something small with a connection; raises if it does not work."""

    async def health_check(self) -> bool:
        """True if a connection works. A pool whose connections are all in use is taken for
        healthy: the check takes no connection from its user."""
        if self.idle == 0 and self.size >= self.max_size:
            return True
        try:
            connection = await self.acquire(HEALTH_CHECK_TIMEOUT)
        except Exception as error:
            _log.warning("no connection for a health check: %s", error)
            return False
        try:
            await self._test_connection(connection)
        except Exception as error:
            _log.warning("a connection failed its health check: %s", error)
            return False
        finally:
            await self.release(connection)
        return True

    @property
    @abc.abstractmethod
    def min_size(self) -> int:
        """The fewest connections that the pool keeps."""

    @property
    @abc.abstractmethod
    def max_size(self) -> int:
        """The most connections that the pool makes."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Open connections, in use or idle."""

    @property
    @abc.abstractmethod
    def in_use(self) -> int:
        """Leased connections."""

    @property
    @abc.abstractmethod
    def idle(self) -> int:
        """Connections that could be lent at once."""


__all__ = ["ConnectionPool"]
