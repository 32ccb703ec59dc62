"""What a wheel must do where nothing but Python is: run by test_wheel.py in a clean root.

smoke.py '{"postgres": ADDRESS, "mysql": ADDRESS}'
"""

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import millpond

# Where each library must have come from when all is done.
BUNDLED = ("libcrypto", "libmariadb", "libmd", "libpq", "libsqlite3", "libssl", "libuv")


async def use(db: millpond.ConnectionManager) -> str:
    """A table, rows both ways, an error, a timeout that stops the server; returns its version."""
    async with db.async_connection() as conn:
        details = await conn.get_version_details()
        version = " through ".join(details.values())
        await conn.execute("DROP TABLE IF EXISTS smoke")
        await conn.execute("CREATE TABLE smoke (id integer PRIMARY KEY, name varchar(20))")
        rows = [(number, f"name {number}") for number in range(100)]
        await conn.executemany("INSERT INTO smoke VALUES (?, ?)", rows)
        assert await conn.execute("SELECT id, name FROM smoke ORDER BY id") == rows
        try:
            await conn.execute("INSERT INTO smoke VALUES (?, ?)", (1, "again"))
        except millpond.UniqueViolationError:
            pass
        else:
            raise AssertionError("a key was taken twice")
        try:
            await conn.execute(
                "SELECT sum(a.id) FROM smoke a, smoke b, smoke c, smoke d, smoke e, smoke f",
                timeout=0.2,
            )
        except millpond.QueryTimeoutError:
            pass
        else:
            raise AssertionError("a statement outlived its timeout")
    async with db.async_connection() as conn:  # on a busy machine the timeout may cost the other
        assert await conn.fetch_value("SELECT count(*) FROM smoke") == 100
        saved = await conn.save_entity("smoked", {"name": "eel", "kilos": 1.5})
        assert (await conn.get_entity("smoked", saved["id"], deserialize=True))["kilos"] == 1.5
    with db.sync_connection() as again:
        assert again.fetch_value("SELECT max(id) FROM smoke") == 99
    await millpond.PoolManager.close_pool(config_hash=db.hash(), timeout=10)
    return version


def mapped() -> dict[str, set[str]]:
    """The folders that the libraries of this process were loaded from."""
    found: dict[str, set[str]] = {}
    for path in re.findall(r"(/\S+\.so\S*)$", Path("/proc/self/maps").read_text(), flags=re.M):
        name = re.split(r"[-.]", Path(path).name)[0]
        found.setdefault(name, set()).add(str(Path(path).parent.name))
    return found


async def main(addresses: dict[str, dict[str, Any]]) -> dict[str, str]:
    names = ("host", "port", "user", "password", "database")
    used = {}
    for kind, address in addresses.items():
        config = millpond.DatabaseConfig(**{name: address[name] for name in names})
        used[kind] = await use(millpond.DatabaseFactory.create_database(kind, config))
    with tempfile.TemporaryDirectory() as folder:
        used["sqlite"] = await use(millpond.connect(f"sqlite:///{folder}/smoke.db"))
    libraries = mapped()
    for library in BUNDLED:
        assert libraries.get(library) == {"millpond.libs"}, (library, libraries.get(library))
    return used


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
