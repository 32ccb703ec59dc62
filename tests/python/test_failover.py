"""Several hosts: a standby that refuses writes is left, and a host that is gone is passed over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mariadb_server
import millpond
import postgres_server
import pytest
import running
from conftest import at_rest

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def postgres_pair() -> Iterator[dict[str, Any]]:
    """A primary and its standby, the standby first."""
    with (
        postgres_server.server() as primary,
        postgres_server.server(primary=primary) as standby,
    ):
        ports = f"{standby['port']},{primary['port']}"
        yield {"host": f"{HERE},{HERE}", "port": ports, "password": primary["password"]}


async def test_connections_go_to_the_primary_wherever_it_stands_in_the_list(
    postgres_pair: dict[str, Any], databases: Any
) -> None:
    db = databases.open("postgres", **postgres_pair)
    held = [await db.get_async_connection() for _ in range(3)]
    for conn in held:
        assert await conn.execute("SELECT pg_is_in_recovery()") == [(False,)]
        await db.release_async_connection(conn)


async def test_a_postgres_pool_moves_on_from_a_standby(
    postgres_pair: dict[str, Any], databases: Any
) -> None:
    db = databases.open("postgres", **postgres_pair, target_session_attrs="any")
    held = [await db.get_async_connection() for _ in range(3)]
    assert await held[0].execute("SELECT pg_is_in_recovery()") == [(True,)]
    with pytest.raises(millpond.ReadOnlyError):
        await held[0].execute("CREATE TABLE never (n int)")
    for conn in held:
        await db.release_async_connection(conn)
    await at_rest(db)
    for _ in range(3):
        async with db.async_connection() as conn:
            assert await conn.execute("SELECT pg_is_in_recovery()") == [(False,)]
            await conn.execute("CREATE TEMP TABLE now (n int)")
        await at_rest(db)


async def is_standby(db: Any) -> bool:
    async with db.async_connection() as conn:
        return bool((await conn.execute("SELECT pg_is_in_recovery()"))[0][0])


async def test_an_address_is_where_postgres_is_reached_whatever_the_host_is_called(
    postgres_pair: dict[str, Any], databases: Any
) -> None:
    place = {**postgres_pair, "host": "one.invalid,two.invalid", "hostaddr": f"{HERE},{HERE}"}
    anywhere = databases.open("postgres", **place, target_session_attrs="any", alias="any")
    assert await is_standby(anywhere)
    db = databases.open("postgres", **place, target_session_attrs="primary", alias="primary")
    assert not await is_standby(db)


async def test_each_host_has_its_address(postgres_pair: dict[str, Any], databases: Any) -> None:
    db = databases.open("postgres", **postgres_pair, hostaddr=HERE)
    with pytest.raises(ValueError, match="as many addresses as host has hosts: 2, not 1"):
        await db.get_async_connection()


async def test_balanced_connections_go_to_all_hosts(
    postgres_pair: dict[str, Any], databases: Any
) -> None:
    db = databases.open("postgres", **postgres_pair, load_balance_hosts="random", pool_max_size=1)
    seen = set()
    while len(seen) < 2:
        async with db.async_connection() as conn:
            seen.add((await conn.execute("SELECT pg_is_in_recovery()"))[0][0])
            with pytest.raises(millpond.ConnectionLostError):
                await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_hosts_and_their_role_come_from_the_environment_or_a_service_file(
    postgres_pair: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    login = {"user": "millpond", "password": postgres_pair["password"], "database": "millpond"}
    hosts, ports = postgres_pair["host"], postgres_pair["port"]
    services = tmp_path / "services"
    services.write_text(f"[pair]\nhost={hosts}\nport={ports}\ntarget_session_attrs=primary\n")
    environments: list[dict[str, str]] = [
        {"PGHOST": hosts, "PGPORT": ports, "PGTARGETSESSIONATTRS": "primary"},
        {"PGHOSTADDR": hosts, "PGPORT": ports, "PGTARGETSESSIONATTRS": "read-write"},
        {"PGSERVICEFILE": str(services), "PGSERVICE": "pair"},
    ]
    for number, environment in enumerate(environments):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            db = millpond.PostgresDatabase(**login, alias=f"environment {number}")
            try:
                assert not await is_standby(db)
            finally:
                await db.close()


async def test_the_error_says_what_each_postgres_host_said(databases: Any) -> None:
    ports = running.free_port(), running.free_port()
    address = {"host": f"{HERE},{HERE}", "port": f"{ports[0]},{ports[1]}"}
    with pytest.raises(millpond.ConnectFailedError) as caught:
        await databases.open("postgres", **address).get_async_connection()
    assert all(f"at {HERE}:{port}: " in str(caught.value) for port in ports)


async def test_a_read_only_transaction_makes_no_standby(databases: Any) -> None:
    db = databases.open("postgres", pool_max_size=1)
    async with db.async_connection() as conn:
        first = conn.id
        await conn.begin_transaction()
        await conn.execute("SET TRANSACTION READ ONLY")
        with pytest.raises(millpond.ReadOnlyError):
            await conn.execute("CREATE TABLE never (n int)")
        await conn.rollback_transaction()
    await at_rest(db)
    async with db.async_connection() as conn:
        assert conn.id == first


# ---- MySQL -------------------------------------------------------------------------------

MAKE_USER = (
    "CREATE OR REPLACE USER app@'%' IDENTIFIED BY 'app'",
    "GRANT SELECT, INSERT, CREATE, DROP, CREATE TEMPORARY TABLES ON millpond.* TO app@'%'",
)


@pytest.fixture(scope="module")
def mysql_pair() -> Iterator[dict[str, Any]]:
    """Two servers, of which the first refuses writes."""
    with mariadb_server.server() as standby, mariadb_server.server() as primary:
        for server in (standby, primary):
            names = ("host", "port", "user", "password", "database")
            address = {name: server[name] for name in names}
            with (
                millpond.MysqlDatabase(millpond.DatabaseConfig(**address)) as db,
                db.sync_connection() as conn,
            ):
                for statement in MAKE_USER:
                    conn.execute(statement)
                if server is standby:
                    conn.execute("SET GLOBAL read_only = 1")
        ports = f"{standby['port']},{primary['port']}"
        address = {"host": f"{HERE},{HERE}", "port": ports, "user": "app", "password": "app"}
        yield {**address, "primary": primary["port"]}


async def test_mysql_connections_go_to_the_primary(
    mysql_pair: dict[str, Any], databases: Any
) -> None:
    primary = mysql_pair.pop("primary")
    db = databases.open("mysql", **mysql_pair)
    mysql_pair["primary"] = primary
    async with db.async_connection() as conn:
        assert await conn.execute("SELECT @@port") == [(primary,)]
        await conn.execute("CREATE OR REPLACE TABLE now (n int)")
        # the cancel goes to the same host, though the first of the list is there as well
        with pytest.raises(millpond.QueryTimeoutError):
            await conn.execute("SELECT sleep(600)", timeout=0.2)
        assert await conn.execute("SELECT 1") == [(1,)]


async def test_a_mysql_host_that_is_gone_is_passed_over(mysql: Any, databases: Any) -> None:
    gone = running.free_port()
    address = {"host": f"{HERE},{HERE}", "port": f"{gone},{mysql['port']}"}
    db = databases.open("mysql", **address)
    async with db.async_connection(), db.async_connection() as conn:
        assert await conn.execute("SELECT @@port") == [(mysql["port"],)]


async def test_if_no_host_accepts_writes_the_error_says_so(
    mysql_pair: dict[str, Any], databases: Any
) -> None:
    standby = int(mysql_pair["port"].split(",")[0])
    login = {"user": "app", "password": "app"}
    db = databases.open("mysql", host=f"{HERE},{HERE}", port=f"{standby},{standby}", **login)
    with pytest.raises(millpond.ConnectFailedError, match="none of the hosts accepts writes"):
        await db.get_async_connection()
