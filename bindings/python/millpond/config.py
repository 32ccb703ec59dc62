"""Where a database is and how to use it."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from . import _native
from ._nodes import Consistency, Node, check_consistency, spread_nodes
from .exceptions import ArgumentError

_SECONDS = (
    "connection_acquisition_timeout",
    "connection_creation_timeout",
    "pool_creation_timeout",
    "query_execution_timeout",
)
_COUNTS = (
    *("pool_min_size", "pool_max_size", "sync_max_size"),
    *("statement_cache_size", "statement_cache_max_size"),
    *("entity_max_new_fields", "entity_max_fields"),
)


class Problems(list[ArgumentError]):
    """All that is wrong, so that the user can correct it at once."""

    def check(self, check: Callable[..., Any], *args: object) -> Any:
        """What ``check(*args)`` returns; None, and its complaint kept, if it raises."""
        try:
            return check(*args)
        except ArgumentError as error:
            self.append(error)
            return None

    def raise_any(self) -> None:
        if not self:
            return
        listed = "".join(f"\n  {number}. {error}" for number, error in enumerate(self, 1))
        several = f"{len(self)} settings of the database are wrong:{listed}"
        error = ArgumentError(str(self[0]) if len(self) == 1 else several)
        error.setting = next((each.setting for each in self if each.setting), "")
        raise error


def _check_database(database: object) -> str:
    if not isinstance(database, str) or not database:
        raise ArgumentError("database is missing: name the database, or the file for SQLite")
    return _check_characters("database", database)


def _check_characters(name: str, value: str) -> str:
    """No message may show the value: it may be a password."""
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ArgumentError(f"{name} contains a lone surrogate, which is not a character")
    return value


def _check_text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _check_characters(name, value)
    raise ArgumentError(f"{name} must be a str or None, not {type(value).__name__}")


def _check_option(name: str, value: object) -> None:
    _check_characters("the name of a setting", name)
    if isinstance(value, str):
        _check_characters(name, value)


def _short(value: object) -> str:
    """A wrong value as a message shows it."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _check_port(port: object) -> int | str | None:
    if port is None:
        return None
    if isinstance(port, str) and "," in port:
        for part in port.split(","):
            _check_port(int(part) if part.isdecimal() else part)
        return port
    if isinstance(port, bool) or not isinstance(port, int):
        raise ArgumentError(f"port must be an int from 1 to 65535, not {_short(port)}")
    if not 1 <= port <= 65535:
        raise ArgumentError(f"port must be from 1 to 65535, not {_short(port)}")
    return port


def _check_seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentError(f"{name} must be a number of seconds, not {_short(value)}")
    if not math.isfinite(value) or value < 0:
        raise ArgumentError(f"{name} must be a non-negative number of seconds, not {_short(value)}")
    return float(value)


def _check_count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ArgumentError(f"{name} must be a non-negative int, not {_short(value)}")
    return value


def _number(name: str, text: str) -> float | str:
    """A number in a URL; other text as it is, for the checks to refuse."""
    try:
        return float(text) if name in _SECONDS else int(text)
    except ValueError:
        return text


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _check_sizes(settings: dict[str, Any]) -> None:
    low, high = settings.get("pool_min_size"), settings.get("pool_max_size")
    if high == 0:
        raise ArgumentError("pool_max_size must be at least 1")
    if settings.get("sync_max_size") == 0:
        raise ArgumentError("sync_max_size must be at least 1")
    if high is not None and low is not None and low > high:
        raise ArgumentError(f"pool_min_size ({low}) is more than pool_max_size ({high})")


@dataclasses.dataclass(frozen=True, repr=False)
class Given:
    """The values of a configuration, which the databases that are made of it share."""

    database: str
    host: str | None
    port: int | str | None
    user: str | None
    password: str | None
    alias: str
    env: str
    settings: dict[str, Any]  #: timeouts and sizes
    options: dict[str, Any]
    url_driver: str | None = None  #: the kind of database that a URL names
    left_out: bool = False  #: the password, by a pickle


class DatabaseConfig:
    """Configuration of one database.

    Args:
        database: name of the database; for SQLite a path, or ``":memory:"``. Required.
        host: server's name, address, or folder of its socket; several separated by commas are
            the nodes of one database, see docs/replicas.md. Default: the database's own.
        port: int from 1 to 65535, or a str with as many as there are hosts, separated by commas.
            Default: the database's own.
        user, password: str. The password appears in no repr, log, error, metric, hash or pickle
            (see pickle_password).
        alias: a friendly name for the connection. Default: the database's name.
        env: environment, such as ``"prod"``, ``"dev"`` or ``"test"``. Default: ``"prod"``.
        connection_acquisition_timeout: seconds to wait for a pooled connection; 0: no limit.
        connection_creation_timeout: seconds that connecting may take.
        pool_creation_timeout: seconds that making a pool may take.
        query_execution_timeout: seconds for a call without ``timeout=``; 0: no limit.
        pool_min_size, pool_max_size: bounds of the pool; chosen from the number of cores if unset.
        sync_max_size: most connections that synchronous callers may have, beside pool_max_size of
            event loops. Default: 40, less if memory is short.
        statement_cache_size: prepared statements that each connection keeps; 8 MiB of texts at
            most, and none that needs over 2 MiB (a text of some 700 kB) longer than it is in use.
        statement_cache_max_size: to how many that may grow while statements that were evicted
            come back. Default: four times statement_cache_size.
        nodes: in place of host and port: a list of nodes, each a dict of host, port, region and
            weight, or a URL such as ``"db2:5432?region=eu&weight=2"``.
        region: where the program runs; reads prefer nodes of that region.
        consistency: how fresh read-only leases and entity reads of the database are:
            ``"strong"`` (default), ``"session"``, ``"eventual"``, or seconds.
        **options: other settings of the pool, such as ``pool_idle_timeout=60``: docs/pools.md and
            docs/metrics.md list them; and of the driver, such as ``sslmode="verify-full"``: see the
            driver's page.

    Raises:
        ArgumentError: (a ValueError) values are missing or out of range: all are named.
    """

    #: Set it to True on a config for pickles of it to hold the password.
    pickle_password = False

    def __init__(
        self,
        /,
        database: str,
        host: str | None = None,
        port: int | str | None = None,
        user: str | None = None,
        password: str | None = None,
        alias: str | None = None,
        env: str = "prod",
        connection_acquisition_timeout: float = 10.0,
        connection_creation_timeout: float = 15.0,
        pool_creation_timeout: float = 30.0,
        query_execution_timeout: float = 60.0,
        pool_min_size: int | None = None,
        pool_max_size: int | None = None,
        statement_cache_size: int = 256,
        statement_cache_max_size: int | None = None,
        sync_max_size: int | None = None,
        nodes: Iterable[Node | str] | None = None,
        region: str | None = None,
        consistency: Consistency | None = None,
        **options: Any,
    ) -> None:
        problems = Problems()
        if nodes is not None:
            options = {"nodes": nodes, "host": host, "port": port, **options}
            problems.check(spread_nodes, options, getattr(self, "_driver", ""))
            host, port = options.pop("host", None), options.pop("port", None)
        name = problems.check(_check_database, database) or ""
        given: dict[str, Any] = {
            "database": name,
            "host": problems.check(_check_text, "host", host),
            "port": problems.check(_check_port, port),
            "user": problems.check(_check_text, "user", user),
            "password": problems.check(_check_text, "password", password),
            "alias": problems.check(_check_text, "alias", alias) or name,
            "env": problems.check(_check_text, "env", env) or "prod",
        }
        seconds: dict[str, Any] = {
            "connection_acquisition_timeout": connection_acquisition_timeout,
            "connection_creation_timeout": connection_creation_timeout,
            "pool_creation_timeout": pool_creation_timeout,
            "query_execution_timeout": query_execution_timeout,
        }
        counts = {
            "pool_min_size": pool_min_size,
            "pool_max_size": pool_max_size,
            "statement_cache_size": statement_cache_size,
            "statement_cache_max_size": statement_cache_max_size,
            "sync_max_size": sync_max_size,
        }
        settings: dict[str, Any] = {
            name: problems.check(_check_seconds, name, value) for name, value in seconds.items()
        }
        for name, size in counts.items():
            if size is not None:
                settings[name] = problems.check(_check_count, name, size)
        options["region"] = problems.check(_check_text, "region", region)
        if consistency is not None:
            options["consistency"] = problems.check(check_consistency, consistency)
        for name, option in options.items():
            problems.check(_check_option, name, option)
        problems.check(_check_sizes, settings)
        problems.raise_any()
        kept = {name: option for name, option in options.items() if option is not None}
        self._given = Given(**given, settings=settings, options=kept)

    @classmethod
    def from_url(cls, url: str, **settings: Any) -> Self:
        """The configuration that a URL describes.

        ``postgres://user:password@host:5432/database?sslmode=require``,
        ``mysql://user@host1,host2/database``, ``postgres:///database?host=/var/run/postgresql``,
        ``sqlite:///app.db``, ``sqlite:////var/app.db``, ``sqlite:///:memory:``. In each part
        ``%XY`` stands for a byte, so an ``@`` in a password is written ``%40``.

        Args:
            url: str. After the ``?``: any arguments of this class, as text.
            **settings: arguments of this class; they win over the URL's.

        Raises:
            ArgumentError: (a ValueError) the URL cannot be read, names another kind of database
                than this class's, or a value is out of range. No message repeats the password.
        """
        if not isinstance(url, str):
            raise ArgumentError(f"url must be a str, not {type(url).__name__}")
        found: dict[str, Any] = dict(_native.parse_url(url))
        driver = found.pop("driver")
        for name in found.keys() & {"port", *_SECONDS, *_COUNTS}:
            if "," not in found[name]:
                found[name] = _number(name, found[name])
        given: dict[str, Any] = {"database": "", **found, **settings}
        if given.get("nodes") is not None:
            spread_nodes(given, driver)
        made = cls(**given)
        made._given = dataclasses.replace(made._given, url_driver=driver)
        return made

    def config(self) -> dict[str, Any]:
        """Host, port, database, user and password, by these names, as they were given."""
        return {
            "host": self._given.host,
            "port": self._given.port,
            "database": self._given.database,
            "user": self._given.user,
            "password": self._given.password,
        }

    def database(self) -> str:
        """Name of the database."""
        return self._given.database

    def alias(self) -> str:
        """Friendly name of the connection."""
        return self._given.alias

    def host(self) -> str | None:
        """The server's host: the database's default if none was given.

        None for SQLite, and for a config that does not say which database it is of.
        """
        if self._given.host is not None:
            return self._given.host
        return None if self._default_port() is None else "localhost"

    def port(self) -> int | str | None:
        """The server's port, or the list of ports where hosts differ in it.

        The database's default if none was given; None where host() is None.
        """
        if self._given.port is not None:
            return self._given.port
        return self._default_port()

    def _default_port(self) -> int | None:
        """Where servers of this kind listen; None for files, and if the kind is not known."""
        kind = getattr(self, "_driver", "") or self._given.url_driver or ""
        port = _native.driver_fact(kind, "port")
        return int(port) if port else None

    def env(self) -> str:
        """The environment, such as ``"prod"``."""
        return self._given.env

    @property
    def connection_acquisition_timeout(self) -> float:
        """Seconds to wait for a pooled connection; 0: no limit."""
        return float(self._given.settings["connection_acquisition_timeout"])

    @property
    def connection_creation_timeout(self) -> float:
        """Seconds that connecting may take; 0: no limit."""
        return float(self._given.settings["connection_creation_timeout"])

    @property
    def pool_creation_timeout(self) -> float:
        """Seconds that making a pool may take; 0: no limit."""
        return float(self._given.settings["pool_creation_timeout"])

    @property
    def query_execution_timeout(self) -> float:
        """Seconds for a call without ``timeout=``; 0: no limit."""
        return float(self._given.settings["query_execution_timeout"])

    @property
    def statement_cache_size(self) -> int:
        """Prepared statements that each connection keeps."""
        return int(self._given.settings["statement_cache_size"])

    @property
    def consistency(self) -> Consistency:
        """How fresh read-only leases and entity reads of the database are; see docs/replicas.md."""
        chosen: Consistency = self._given.options.get("consistency", "strong")
        return chosen

    def option(self, name: str, default: Any = None) -> Any:
        """A setting of the driver, as it was given."""
        return self._given.options.get(name, default)

    def hash(self) -> str:
        """MD5 (32 hexadecimal digits) of all parameters except the password: the pool's key."""
        key = {
            "database": self._given.database,
            "host": self._given.host,
            "port": self._given.port,
            "user": self._given.user,
            "alias": self._given.alias,
            "env": self._given.env,
            **self._given.settings,
            "options": {name: _as_text(value) for name, value in self._given.options.items()},
        }
        text = json.dumps(key, sort_keys=True)
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def _native_settings(self) -> dict[str, str]:
        """All that is set, as the library takes it."""
        settings: Mapping[str, Any] = {
            **self.config(),
            "alias": self._given.alias,
            "env": self._given.env,
            **self._given.settings,
            **self._given.options,
        }
        if self._given.left_out:
            raise ArgumentError(
                "the config was pickled without its password: set it again with with_password(), "
                "or set pickle_password = True before pickling"
            )
        return {name: _as_text(value) for name, value in settings.items() if value is not None}

    def with_password(self, password: str | None) -> Self:
        """A copy with another password, such as of a config that was pickled without.

        Raises:
            ArgumentError: (a ValueError) it is neither a str nor None.
        """
        made = copy.copy(self)
        checked = _check_text("password", password)
        made._given = dataclasses.replace(self._given, password=checked, left_out=False)
        return made

    def __copy__(self) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: not the password, unless pickle_password is True."""
        state = dict(self.__dict__)
        if self._given.password is not None and not self.pickle_password:
            state["_given"] = dataclasses.replace(self._given, password=None, left_out=True)
        return state

    def __repr__(self) -> str:
        given = self._given
        return (
            f"{type(self).__name__}(database={given.database!r}, host={given.host!r}, "
            f"port={given.port!r}, user={given.user!r}, alias={given.alias!r}, env={given.env!r})"
        )
