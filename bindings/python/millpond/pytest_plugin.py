"""A pytest plugin: tests that leave no trace in the database.

It is there as soon as millpond is installed. A project says which database its tests use, in its
``conftest.py`` or with ``--millpond-url``::

    @pytest.fixture(scope="session")
    def millpond_url() -> str:
        return "postgres://localhost/shop_test"

Fixtures:

``millpond_url``: the URL; the option ``--millpond-url``, else the variable ``MILLPOND_URL``.
``millpond_db``: its database, closed at the end of the session.
``millpond_conn``: an asynchronous connection in a transaction that is rolled back when the test
ends; ``conn.transaction()`` inside it is a savepoint. Needs pytest-asyncio or anyio.
``millpond_sync_conn``: the same without asyncio.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from ._async.connection import AsyncConnection
from ._sync.connection import SyncConnection
from .database import ConnectionManager, connect

async_fixture = pytest.fixture  # anyio's plugin runs plain ones
if not TYPE_CHECKING:
    with contextlib.suppress(ImportError):
        from pytest_asyncio import fixture as async_fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("millpond")
    group.addoption("--millpond-url", help="URL of the database for millpond's fixtures")


@pytest.fixture(scope="session")
def millpond_url(request: pytest.FixtureRequest) -> str:
    """The URL of the database to test on."""
    url: str | None = request.config.getoption("--millpond-url") or os.environ.get("MILLPOND_URL")
    if not url:
        pytest.fail("no database to test on: override millpond_url, or give --millpond-url")
    return url


@pytest.fixture(scope="session")
def millpond_db(millpond_url: str) -> Iterator[ConnectionManager]:
    """The database to test on."""
    with connect(millpond_url) as db:
        yield db


@async_fixture
async def millpond_conn(millpond_db: ConnectionManager) -> AsyncIterator[AsyncConnection]:
    """An asynchronous connection whose work is undone when the test ends."""
    async with millpond_db.async_connection() as conn, conn.transaction(force_rollback=True):
        yield conn


@pytest.fixture
def millpond_sync_conn(millpond_db: ConnectionManager) -> Iterator[SyncConnection]:
    """A synchronous connection whose work is undone when the test ends."""
    with millpond_db.sync_connection() as conn, conn.transaction(force_rollback=True):
        yield conn
