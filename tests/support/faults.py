"""Fixtures of tests/adversity: servers and networks that fail, and a look at what is left."""

import contextlib
import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import daemons
import millpond
import observer
import pytest
from fault_proxy import FaultProxy

LONG = bool(os.environ.get("MILLPOND_LONG"))
SOON = 40.0  # far below the 120 s that conftest gives to acquiring, connecting and a statement
SERVERS = ("postgres", "mysql")
ADDRESS = ("host", "port", "user", "password", "database")


class Within:
    """Fails if the block takes longer than a bound."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *error: object) -> None:
        took = time.monotonic() - self._begun
        assert took < self._seconds, f"took {took:.1f} s"


def address_of(server: daemons.Daemon) -> dict[str, Any]:
    """Its address as settings of a config."""
    return {key: server.address[key] for key in ADDRESS}


@pytest.fixture(scope="session")
def long_run() -> bool:
    """True under tests/run --long."""
    return LONG


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers; the seed is in the output of a test that fails."""
    seed = int(os.environ.get("MILLPOND_SEED", "0")) or secrets.randbits(32)
    print(f"repeat with MILLPOND_SEED={seed}", file=sys.stderr)
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture(params=SERVERS)
def server_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def daemon(mysql: dict[str, Any]) -> Iterator[Callable[[str], daemons.Daemon]]:
    """daemon(kind): a server of these tests' own, with TLS, started at the first call."""
    with contextlib.ExitStack() as stack:
        started: dict[str, daemons.Daemon] = {}

        def get(kind: str) -> daemons.Daemon:
            if kind not in started:
                started[kind] = stack.enter_context(daemons.daemon(kind, mysql["server"]))
            return started[kind]

        yield get


@pytest.fixture
def own(daemon: Callable[[str], daemons.Daemon], server_kind: str) -> daemons.Daemon:
    return daemon(server_kind)


@pytest.fixture
def proxy(own: daemons.Daemon) -> Iterator[FaultProxy]:
    """A network of this test's own before the server."""
    with FaultProxy(own.address["host"], own.address["port"]) as made:
        yield made


class Site:
    """A pool under test behind the proxy, and a direct way to the same server.

    Attributes:
        kind: the server's kind.
        db: the database under test, through the proxy.
        direct: a database past the proxy, with a pool of its own.
        look: what the server says of the sessions under test.
        another: another(alias, **settings) opens a database like `db`, with a pool of its own.
    """

    def __init__(
        self,
        kind: str,
        db: Any,
        direct: Any,
        look: observer.Observer,
        another: Callable[..., Any],
    ) -> None:
        self.kind = kind
        self.another = another
        self.db = db
        self.direct = direct
        self.look = look


SiteMaker = Callable[..., Any]


@pytest.fixture
def site(
    own: daemons.Daemon, proxy: FaultProxy, databases: Any, request: pytest.FixtureRequest
) -> SiteMaker:
    """await site(**settings): a Site with a pool of these settings."""
    name = f"w{abs(hash(request.node.nodeid)) % 10**12}"

    async def make(**settings: Any) -> Site:
        address = address_of(own)
        direct = databases.open(own.kind, **{**address, "alias": f"{name} direct"})
        watched = await observer.watched_settings(own.kind, direct, name, address["password"])
        given = {**address, "port": proxy.port, "pool_min_size": 0, **watched, **settings}

        def another(alias: str, **differing: Any) -> Any:
            return databases.open(own.kind, **{**given, "alias": alias, **differing})

        look = observer.Observer(own.kind, direct, name)
        return Site(own.kind, another(name), direct, look, another)

    return make


async def works(db: Any) -> bool:
    """True if a caller gets a connection and an answer now."""
    try:
        async with db.async_connection(timeout=20) as conn:
            return bool((await conn.execute("SELECT 7", timeout=20)) == [(7,)])
    except millpond.OperationalError:
        return False


async def adds_up(db: Any, look: observer.Observer | None = None) -> None:
    """Nothing is lent, nothing is lost, and the server sees what the pool says."""

    async def at_rest() -> bool:
        status = db.get_pool_status()
        return bool(status["size"] == status["idle"] and status["waiting"] == 0)

    await observer.until(f"the pool's rest: {db.get_pool_status()}", at_rest)
    status = db.get_pool_status()
    metrics = status["metrics"]
    assert status["size"] == status["idle"] <= status["max_size"] + status["sync_max_size"]
    assert metrics["total_acquired"] == metrics["total_released"]
    assert metrics["current_active"] == 0
    if look is None:
        return

    async def agreed() -> str:
        size = db.get_pool_status()["size"]
        sessions, busy = await look.sessions(), await look.busy()
        if sessions == size and not busy:
            return ""
        seen = f"{size} in the pool, on the server {sessions}, {busy} of them busy"
        return f"{seen}: {await look.describe()}"

    await observer.until_empty(agreed)
