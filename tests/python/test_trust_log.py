"""The log says, once for each pool, where nobody checks who the server is."""

from typing import Any

import millpond
import pytest

FAR = "192.0.2.1"  # reserved: nobody answers there
WARNING = "the identity of the server at"


async def warnings(databases: Any, caplog: Any, kind: str, **settings: Any) -> list[str]:
    """What is logged of it while a pool tries twice to connect."""
    caplog.clear()
    db = databases.open(kind, connection_creation_timeout=0.05, retry_unsent=False, **settings)
    for _ in range(2):
        with pytest.raises(millpond.Error):
            await db.get_async_connection(timeout=0.5)
    await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=5)
    return [r.getMessage() for r in caplog.records if WARNING in r.getMessage()]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize(
    "settings",
    [
        {"host": FAR},
        {"host": FAR, "sslmode": "require"},
        {"host": f"/no/such/socket,{FAR}"},
    ],
    ids=["default", "require", "list"],
)
async def test_an_unverified_server_elsewhere_is_warned_of_once(
    databases: Any, caplog: Any, kind: str, settings: dict[str, str]
) -> None:
    (said,) = await warnings(databases, caplog, kind, **settings)
    assert FAR in said
    assert "sslmode=verify-full" in said


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize(
    "settings",
    [
        {"host": FAR, "sslmode": "verify-full"},
        {"host": "localhost", "port": 1},
        {"host": "127.0.0.1,::1", "port": 1},
        {"host": "/no/such/socket"},
    ],
    ids=["verified", "localhost", "loopback", "socket"],
)
async def test_others_are_not_warned_of(
    databases: Any, caplog: Any, kind: str, settings: dict[str, Any]
) -> None:
    assert await warnings(databases, caplog, kind, **settings) == []
