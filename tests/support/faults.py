"""Fixtures of tests/adversity: servers and networks that fail, and a look at what is left."""

import contextlib
import os
import random
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import Any

import daemons
import observer
import pytest
from fault_proxy import FaultProxy

LONG = bool(os.environ.get("MILLPOND_LONG"))
SERVERS = ("postgres", "mysql")
ADDRESS = ("host", "port", "user", "password", "database")


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
    """

    def __init__(self, kind: str, db: Any, direct: Any, look: observer.Observer) -> None:
        self.kind = kind
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
        address = {key: own.address[key] for key in ADDRESS}
        direct = databases.open(own.kind, **{**address, "alias": f"{name} direct"})
        watched = await observer.watched_settings(own.kind, direct, name, address["password"])
        given = {**address, "port": proxy.port, "alias": name, **watched, **settings}
        db = databases.open(own.kind, **given)
        return Site(own.kind, db, direct, observer.Observer(own.kind, direct, name))

    return make


async def adds_up(db: Any, look: observer.Observer | None = None) -> None:
    """Nothing is lent, nothing is lost, and the server sees what the pool says."""

    async def at_rest() -> bool:
        status = db.get_pool_status()
        return bool(status["in_use"] == 0 and status["waiting"] == 0)

    await observer.until(f"the pool's rest: {db.get_pool_status()}", at_rest)
    status = db.get_pool_status()
    metrics = status["metrics"]
    assert status["size"] == status["idle"] <= status["max_size"]
    assert metrics["total_acquired"] == metrics["total_released"]
    assert metrics["current_active"] == 0
    if look is None:
        return

    async def agreed() -> bool:
        size = db.get_pool_status()["size"]
        return await look.sessions() == size and await look.busy() == 0

    await observer.until("as many sessions on the server as in the pool, all idle", agreed)
