"""PostgreSQL, MySQL/MariaDB and SQLite through one pooled API, asynchronous and synchronous."""

from . import _sqlite_library

_sqlite_library.share()  # before anything loads the native module

from . import _adopted, exceptions, metrics  # noqa: F401  (the native module needs the first)
from ._async.connection import (
    AsyncConnection,
    MysqlAsyncConnection,
    PostgresAsyncConnection,
    SqliteAsyncConnection,
)
from ._native import ArrowResult, Result, Session
from ._native import version as __version__
from ._serializers import register_serializer
from ._stored import StoredJson
from ._sync.connection import (
    MysqlSyncConnection,
    PostgresSyncConnection,
    SqliteSyncConnection,
    SyncConnection,
)
from ._values import Interval
from .config import DatabaseConfig
from .database import (
    ConnectionManager,
    DatabaseFactory,
    MysqlDatabase,
    Mysqldatabase,
    PostgresDatabase,
    SqliteDatabase,
    connect,
    is_environment_async,
)
from .exceptions import *  # noqa: F403
from .pool import ConnectionPool
from .pool_manager import PoolManager
from .resilience import (
    CircuitBreaker,
    CircuitState,
    StatementCache,
    circuit_breaker,
    overridable,
    retry_with_backoff,
    track_slow_method,
)
from .rows import dict_row, namedtuple_row, tuple_row
from .sql import MysqlSqlGenerator, PostgresSqlGenerator, SqlGenerator, SqliteSqlGenerator

__all__ = [
    "ArrowResult",
    "AsyncConnection",
    "CircuitBreaker",
    "CircuitState",
    "ConnectionManager",
    "ConnectionPool",
    "DatabaseConfig",
    "DatabaseFactory",
    "Interval",
    "MysqlAsyncConnection",
    "MysqlDatabase",
    "MysqlSqlGenerator",
    "MysqlSyncConnection",
    "Mysqldatabase",
    "PoolManager",
    "PostgresAsyncConnection",
    "PostgresDatabase",
    "PostgresSqlGenerator",
    "PostgresSyncConnection",
    "Result",
    "Session",
    "SqlGenerator",
    "SqliteAsyncConnection",
    "SqliteDatabase",
    "SqliteSqlGenerator",
    "SqliteSyncConnection",
    "StatementCache",
    "StoredJson",
    "SyncConnection",
    "__version__",
    "circuit_breaker",
    "connect",
    "dict_row",
    "is_environment_async",
    "namedtuple_row",
    "overridable",
    "register_serializer",
    "retry_with_backoff",
    "track_slow_method",
    "tuple_row",
]
__all__ += exceptions.__all__
