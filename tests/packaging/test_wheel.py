"""The wheel that carries its libraries works where none of them is; the source package builds."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLEAN = ROOT / "tests/packaging/clean_root.sh"
SMOKE = ROOT / "tests/packaging/smoke.py"

sys.path.insert(0, str(ROOT / "bindings/python"))
import libpq  # noqa: E402
import wheel as wheels  # noqa: E402

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not os.environ.get("MILLPOND_LONG"), reason="takes minutes: --long"),
]

INTERPRETERS = wheels.interpreters()

# Where each wheel is tried: a release of Debian, and the Python there. This machine's pyenv is
# there too; the newer release brings a newer C library, and a Python of its own.
PLACES = [("bookworm", version, str(path)) for version, path in INTERPRETERS.items()]
PLACES += [("trixie", (3, 13), "python3")] if (3, 13) in INTERPRETERS else []
NAMES = [f"{suite}-{version[0]}.{version[1]}" for suite, version, _ in PLACES]


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@functools.cache
def root_of(suite: str) -> Path:
    """A minimal Debian with Python, and nothing else."""
    if os.geteuid() != 0:
        pytest.skip("only root can make another root")
    folder = ROOT / "build/clean" / suite
    folder.parent.mkdir(parents=True, exist_ok=True)
    run(CLEAN, "make", suite, folder)
    return folder


@functools.cache
def wheel_of(version: tuple[int, ...]) -> Path:
    folder = ROOT / "build/wheels" / "-".join(map(str, version))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return wheels.make(INTERPRETERS[version], folder)


@pytest.fixture(params=PLACES, ids=NAMES)
def environment(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A virtual environment in a clean root with the wheel in it; no index is asked."""
    suite, version, python = request.param
    root, wheel = root_of(suite), wheel_of(version)
    work = root / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copy(wheel, work)
    shutil.copy(SMOKE, work)
    run(CLEAN, "run", root, python, "-m", "venv", "/work/venv")
    pip = ("/work/venv/bin/pip", "install", "-q", "--no-index", f"/work/{wheel.name}")
    run(CLEAN, "run", root, *pip)
    return root, "/work/venv/bin/python"


@pytest.mark.parametrize("suite", sorted({suite for suite, _, _ in PLACES}))
def test_the_clean_root_has_no_library_of_ours(suite: str) -> None:
    root = root_of(suite)
    found = [
        path.name
        for path in (root / "usr").rglob("*.so*")
        if re.match(r"lib(pq|mariadb|mysqlclient|uv)\b", path.name)
    ]
    assert found == []
    assert not list((root / "usr/include").rglob("*.h"))


def test_a_wheel_alone_serves_all_databases(
    environment: tuple[Path, str], postgres: dict[str, Any], mysql: dict[str, Any]
) -> None:
    """With the servers that this run was started beside: MariaDB, or MySQL 8 in the second one."""
    root, interpreter = environment
    addresses = json.dumps({"postgres": postgres, "mysql": mysql})
    used = json.loads(run(CLEAN, "run-bare", root, interpreter, "/work/smoke.py", addresses))
    assert set(used) == {"postgres", "mysql", "sqlite"}
    assert "libpq 18" in used["postgres"]
    assert mysql["server"] in used["mysql"]


ONE_SQLITE = """
import sys
if sys.argv[1] == "first":
    import sqlite3
import millpond, sqlite3

python = sqlite3.connect(":memory:")
with millpond.connect("sqlite:///:memory:").sync_connection() as conn:
    # a limit of the whole process, as this copy of the library knows it
    python.execute("PRAGMA soft_heap_limit = 123456789")
    print(conn.fetch_value("PRAGMA soft_heap_limit"))
"""


@pytest.mark.parametrize("order", ["first", "later"])
@pytest.mark.parametrize("version", INTERPRETERS)
def test_a_wheel_shares_the_sqlite_of_python(
    version: tuple[int, ...], order: str, tmp_path: Path
) -> None:
    """Two copies in one process drop each other's locks on a file."""
    run(INTERPRETERS[version], "-m", "venv", tmp_path / "venv")
    interpreter = tmp_path / "venv/bin/python"
    run(interpreter, "-m", "pip", "install", "-q", "--no-index", wheel_of(version))
    assert run(interpreter, "-I", "-c", ONE_SQLITE, order) == "123456789\n"


@pytest.mark.parametrize("version", INTERPRETERS)
def test_a_wheel_says_where_it_runs_and_whose_code_it_carries(version: tuple[int, ...]) -> None:
    wheel = wheel_of(version)
    assert re.search(r"-cp3\d+-cp3\d+-manylinux_2_\d+_x86_64\.whl$", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    libraries = [name for name in names if name.startswith("millpond.libs/lib")]
    licences = {Path(name).stem for name in names if "/licenses/bundled/" in name}
    assert len(libraries) > 5
    assert f"libpq.so.5.{libpq.VERSION[0]}" in {
        re.sub(r"-[0-9a-f]{8}(?=\.)", "", Path(name).name) for name in libraries
    }
    assert {"libpq5", "libmariadb3", "libuv1", "libsqlite3-0", "libssl3", "libmd0"} <= licences
    assert {"millpond/py.typed", "millpond/_native.pyi"} <= set(names)
    assert "millpond/mysql_plugins/caching_sha2_password.so" in names
    assert [name for name in names if name.endswith((".c", ".h"))] == []


def test_the_source_package_builds_in_an_environment_of_its_own(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path, ROOT)
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    interpreter = tmp_path / "venv/bin/python"
    run(interpreter, "-m", "pip", "install", "-q", *tmp_path.glob("*.tar.gz"))
    program = "import millpond; print(millpond.connect('sqlite:///:memory:').sync_connection)"
    assert "sync_connection" in run(interpreter, "-I", "-c", program)
