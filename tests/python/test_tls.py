"""Encrypted connections: whom a client trusts, and whom it refuses."""

import contextlib
from collections.abc import Iterator
from typing import Any

import certificates
import mariadb_server
import millpond
import mysql_server
import postgres_server
import pytest

SHOWN = {"postgres": "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"}


@pytest.fixture(scope="module")
def servers(mysql: dict[str, Any]) -> Iterator[dict[str, dict[str, Any]]]:
    """One of each kind, with a certificate for localhost."""
    mine = {"MariaDB": mariadb_server, "MySQL": mysql_server}[mysql["server"]]
    with contextlib.ExitStack() as stack:
        yield {
            "postgres": stack.enter_context(postgres_server.server(tls=True)),
            "mysql": stack.enter_context(mine.server(tls=True)),
        }


def authority_of(server: dict[str, Any]) -> str:
    folder = server["socket"].removesuffix("/mysqld.sock")
    return f"{folder}/ca.pem"


@pytest.fixture(params=["postgres", "mysql"])
def place(request: Any, servers: Any, databases: Any) -> Any:
    """Opens a database of that server, by the name that its certificate has."""
    server = servers[request.param]

    def open_database(**settings: Any) -> Any:
        reached = {"host": "localhost", "port": server["port"], "password": server["password"]}
        return databases.open(request.param, **{**reached, **settings})

    open_database.kind = request.param  # type: ignore[attr-defined]
    open_database.ca = authority_of(server)  # type: ignore[attr-defined]
    return open_database


async def is_encrypted(kind: str, conn: Any) -> bool:
    if kind == "postgres":
        return (await conn.execute(SHOWN[kind])) == [(True,)]
    return (await conn.execute("SHOW STATUS LIKE 'Ssl_cipher'"))[0][1] != ""


@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_the_right_authority_is_trusted(place: Any, mode: str) -> None:
    async with place(sslmode=mode, sslrootcert=place.ca).async_connection() as conn:
        assert await is_encrypted(place.kind, conn)
        assert len(await conn.execute("SELECT ?", ("x" * 1_000_000,))) == 1


async def test_encryption_can_be_off(place: Any) -> None:
    # MySQL's accounts tell the password by the server's RSA key then
    key = {"get_server_public_key": True} if place.kind == "mysql" else {}
    async with place(sslmode="disable", **key).async_connection() as conn:
        assert not await is_encrypted(place.kind, conn)


@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_a_wrong_authority_is_refused(place: Any, mode: str, tmp_path: Any) -> None:
    other = certificates.make(str(tmp_path))["ca"]
    with pytest.raises(millpond.ConnectFailedError, match="(?i)certificate"):
        await place(sslmode=mode, sslrootcert=other).get_async_connection()


async def test_a_name_that_the_certificate_lacks_is_refused(place: Any) -> None:
    db = place(sslmode="verify-full", sslrootcert=place.ca, host="127.0.0.1")
    with pytest.raises(millpond.ConnectFailedError, match="(?i)certificate"):
        await db.get_async_connection()


async def test_a_missing_authority_file_is_named(place: Any) -> None:
    db = place(sslmode="verify-full", sslrootcert="/no/such/ca.pem")
    with pytest.raises(millpond.ConnectFailedError, match=r"/no/such/ca\.pem"):
        await db.get_async_connection()


async def test_a_server_without_tls_is_refused(
    databases: Any, postgres: dict[str, Any], mysql: dict[str, Any]
) -> None:
    kinds = ["postgres", "mysql"] if mysql["server"] == "MariaDB" else ["postgres"]
    for kind in kinds:
        with pytest.raises(millpond.ConnectFailedError, match="(?i)ssl"):
            await databases.open(kind, sslmode="require").get_async_connection()
