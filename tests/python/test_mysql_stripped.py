"""A MySQL server in the way that offers no TLS: what it gets of the password."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certificates
import millpond
import mysql_server
import pytest
from rogue import CAPABILITIES, NAMES_METHODS, handshake, ok, packet

PASSWORD = "not-for-thieves"
SALT = b"12345678123456789012"
ASK_IN_FULL = b"\x01\x04"
SERVER_KEY = b"\x02"


def openssl(*arguments: object, data: bytes = b"") -> bytes:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pair of RSA keys."""
    folder = tmp_path_factory.mktemp("keys")
    openssl("genrsa", "-out", folder / "private.pem", "2048")
    openssl("rsa", "-in", folder / "private.pem", "-pubout", "-out", folder / "public.pem")
    return folder


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    return certificates.make(str(tmp_path_factory.mktemp("authority")))["ca"]


class Thief:
    """Offers no TLS, wants the whole password, and hands out a key of its own.

    Attributes:
        said: all packets of clients, without their heads.
    """

    def __init__(self, keys: Path, greeting: bytes, method: bytes) -> None:
        self.said: list[bytes] = []
        self._keys = keys
        self._greeting = greeting
        self._method = method

    def _take(self, client: Any) -> bytes:
        head = client.recv(4, 0x100)  # MSG_WAITALL
        if len(head) < 4:
            raise ConnectionResetError
        body = (
            client.recv(int.from_bytes(head[:3], "little"), 0x100) if head[:3] != b"\0\0\0" else b""
        )
        self.said.append(body)
        self._next = head[3] + 1
        return body

    def _tell(self, client: Any, body: bytes) -> None:
        client.sendall(packet(self._next, body))

    def __call__(self, client: Any) -> None:
        client.sendall(self._greeting)
        first = self._take(client)
        if self._method not in first:
            self._tell(client, b"\xfe" + self._method + b"\x00" + SALT + b"\x00")
            self._take(client)
        if self._method == b"caching_sha2_password":
            self._tell(client, ASK_IN_FULL)
            self._take(client)
        self._tell(client, b"\x01" + (self._keys / "public.pem").read_bytes())
        self._take(client)
        client.sendall(ok(self._next))
        raise ConnectionResetError  # that is all it wanted

    def stolen(self) -> str | None:
        """The password, if a client has sent it."""
        for body in self.said:
            if PASSWORD.encode() in body:
                return PASSWORD
            if len(body) == 256:
                key = ("-inkey", self._keys / "private.pem")
                plain = openssl(
                    "pkeyutl", "-decrypt", *key, "-pkeyopt", "rsa_padding_mode:oaep", data=body
                )
                return bytes(c ^ SALT[i % 20] for i, c in enumerate(plain)).rstrip(b"\0").decode()
        return None


GREETINGS = {
    "caching_sha2": (handshake(b"caching_sha2_password"), b"caching_sha2_password"),
    "sha256": (handshake(b"sha256_password"), b"sha256_password"),
    "native": (handshake(), b"mysql_native_password"),
    "no methods": (handshake(b"", CAPABILITIES & ~NAMES_METHODS), b"mysql_native_password"),
    "switch": (handshake(), b"caching_sha2_password"),
}
KEPT = ("caching_sha2", "sha256", "switch")


@pytest.fixture
def meet(databases: Any, rogue: Any, keys: Path) -> Callable[..., Any]:
    """Connect to a thief; returns it, and the error."""

    async def connect(greeting: str, **settings: Any) -> tuple[Thief, millpond.Error]:
        thief = Thief(keys, *GREETINGS[greeting])
        server = rogue(thief)
        where = {"host": "127.0.0.1", "port": server.port, "password": PASSWORD}
        db = databases.open("mysql", **where, **{"connection_creation_timeout": 30, **settings})
        with pytest.raises(millpond.Error) as caught:
            await db.get_async_connection()
        return thief, caught.value

    return connect


@pytest.mark.parametrize("greeting", GREETINGS)
@pytest.mark.parametrize("mode", ["require", "verify-full", "prefer", None])
async def test_nothing_is_said_before_tls_stands_where_it_must(
    meet: Any, greeting: str, mode: str | None, authority: str
) -> None:
    """With sslrootcert alone, too."""
    settings = {} if mode is None else {"sslmode": mode}
    if mode != "require":
        settings["sslrootcert"] = authority
    thief, error = await meet(greeting, **settings)
    assert thief.said == []
    assert isinstance(error, millpond.ConnectFailedError)
    if greeting != "no methods":
        wish = f"sslmode is {mode}" if mode in ("require", "verify-full") else "sslrootcert is set"
        assert f"the server offers no SSL, but {wish}" in str(error) or "is required" in str(error)


@pytest.mark.parametrize("greeting", KEPT)
@pytest.mark.parametrize("mode", ["prefer", "disable"])
async def test_the_servers_own_key_is_not_asked_for(meet: Any, greeting: str, mode: str) -> None:
    thief, error = await meet(greeting, sslmode=mode)
    assert thief.stolen() is None
    assert SERVER_KEY not in thief.said
    assert isinstance(error, millpond.AuthenticationError)
    assert "get_server_public_key" in str(error)


@pytest.mark.parametrize("greeting", KEPT)
@pytest.mark.parametrize("mode", ["prefer", "disable"])
async def test_the_servers_key_is_asked_for_on_demand(meet: Any, greeting: str, mode: str) -> None:
    """Also proves that the thief above would know what to do with it."""
    thief, _ = await meet(greeting, sslmode=mode, get_server_public_key=True)
    assert thief.stolen() == PASSWORD


async def test_a_known_key_is_used(meet: Any, keys: Path, tmp_path: Path) -> None:
    openssl("genrsa", "-out", tmp_path / "private.pem", "2048")
    known = tmp_path / "known.pem"
    openssl("rsa", "-in", tmp_path / "private.pem", "-pubout", "-out", known)
    thief, _ = await meet("caching_sha2", sslmode="disable", server_public_key=str(known))
    assert SERVER_KEY not in thief.said
    (secret,) = [body for body in thief.said if len(body) == 256]
    key = ("-inkey", tmp_path / "private.pem", "-pkeyopt", "rsa_padding_mode:oaep")
    assert len(openssl("pkeyutl", "-decrypt", *key, data=secret)) == len(PASSWORD) + 1


@pytest.mark.parametrize("text", ["", "not a key\n", None])
async def test_a_file_without_a_key_is_named(meet: Any, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "key.pem"
    if text is not None:
        path.write_text(text)
    thief, error = await meet("caching_sha2", sslmode="disable", server_public_key=str(path))
    assert thief.said == []
    assert str(path) in str(error)


async def test_a_root_certificate_without_tls_is_a_contradiction(databases: Any) -> None:
    with pytest.raises(ValueError, match="sslrootcert"):
        await databases.open(
            "mysql", sslmode="disable", sslrootcert="/ca.pem"
        ).get_async_connection()


# ---- MySQL itself --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(mysql: dict[str, Any]) -> Any:
    if mysql["server"] != "MySQL":
        pytest.skip("MySQL's own method")
    with mysql_server.server() as server:
        yield server


def folder_of(server: dict[str, Any]) -> str:
    return str(server["socket"]).removesuffix("/mysqld.sock")


@pytest.mark.slow
async def test_full_authentication_by_the_servers_key(real: dict[str, Any], databases: Any) -> None:
    """Of an account that nobody has logged in to since the server began, or it would be quicker."""
    reached = {"host": "127.0.0.1", "port": real["port"], "password": "secret"}
    async with databases.open(
        "mysql", port=real["port"], password=real["password"]
    ).async_connection() as conn:
        for user in ("nobody1", "nobody2", "nobody3"):
            await conn.execute(
                f"CREATE USER {user}@'%' IDENTIFIED WITH caching_sha2_password BY 'secret'"
            )
            await conn.execute(f"GRANT ALL ON *.* TO {user}@'%'")

    def attempt(user: str, **settings: Any) -> Any:
        return databases.open("mysql", **reached, user=user, sslmode="disable", **settings)

    with pytest.raises(millpond.AuthenticationError, match="get_server_public_key"):
        await attempt("nobody1").get_async_connection()
    key = f"{folder_of(real)}/data/public_key.pem"
    async with attempt("nobody1", server_public_key=key).async_connection() as conn:
        assert await conn.fetch_value("SELECT 1") == 1
    async with attempt("nobody2", get_server_public_key=True).async_connection() as conn:
        assert await conn.fetch_value("SELECT 1") == 1
    async with databases.open(
        "mysql", **reached, user="nobody3", sslmode="require"
    ).async_connection() as conn:
        assert await conn.fetch_value("SELECT 1") == 1
