"""Who may include whom: downwards only, and each client library in one place."""

import re
from pathlib import Path

from headers import ROOT
from layers import ALLOWED, may_use

# Headers of others, and the one place that may include them.
OWNERS = {
    "uv.h": "core/loop",
    "libpq-fe.h": "core/drivers/postgres",
    "sqlite3.h": "core/drivers/sqlite",
    "mysql.h": "core/drivers/mysql",
    "md5.h": "core/base",
    "Python.h": "bindings/python",
}


def includes(text: str) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, flags=re.M)


def complaint(path: str, header: str) -> str | None:
    """What is wrong with a file (its path from the top) including a header; None if nothing is."""
    owner = OWNERS.get(header)
    if owner and not path.startswith(owner + "/"):
        return f"{path}: only {owner} may include {header}"
    folder = header.split("/")[0]
    if path.startswith("bindings/"):
        inside = folder in ALLOWED and "/" in header
        return f"{path}: bindings may include millpond/*.h only, not {header}" if inside else None
    if not path.startswith("core/") or "/" not in header or folder not in ALLOWED:
        return None
    mine = path.split("/")[1]
    if may_use(mine, folder):
        if mine == folder == "drivers" and header.split("/")[1] != path.split("/")[2]:
            return f"{path}: a driver must not include another's {header}"
        return None
    return f"{path}: core/{mine} must not include {header}"


def sources() -> list[Path]:
    folders = ("abi", "core", "bindings")
    return [p for f in folders for p in (ROOT / f).rglob("*.[ch]")]


def test_includes_go_downwards_only() -> None:
    found = [
        complaint(str(path.relative_to(ROOT)), header)
        for path in sources()
        for header in includes(path.read_text())
    ]
    assert len(found) > 200
    assert [text for text in found if text] == []


def test_the_check_knows_a_wrong_include() -> None:
    wrong = [
        ("core/base/list.c", "loop/loop.h"),
        ("core/loop/loop.c", "pool/pool.h"),
        ("core/driver/conn.c", "pool/pool.h"),
        ("core/sql/convert.c", "driver/conn.h"),
        ("core/pool/pool.c", "uv.h"),
        ("core/pool/pool.c", "drivers/sqlite/sqlite.h"),
        ("core/drivers/sqlite/open.c", "drivers/postgres/postgres.h"),
        ("core/driver/conn.c", "libpq-fe.h"),
        ("bindings/python/src/op.c", "base/error.h"),
        ("abi/connection.c", "uv.h"),
    ]
    for path, header in wrong:
        assert complaint(path, header), (path, header)
    right = [
        ("core/drivers/sqlite/open.c", "sqlite3.h"),
        ("core/pool/pool.c", "driver/driver.h"),
        ("bindings/python/src/op.c", "millpond/millpond.h"),
        ("abi/connection.c", "pool/pool.h"),
    ]
    for path, header in right:
        assert complaint(path, header) is None, (path, header)
