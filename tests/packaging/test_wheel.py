"""The wheel that carries its libraries works where none of them is; the source package builds."""

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
import wheel as wheels  # noqa: E402

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not os.environ.get("MILLPOND_LONG"), reason="takes minutes: --long"),
]

INTERPRETERS = wheels.interpreters()
NAMES = [".".join(map(str, version)) for version in INTERPRETERS]


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def root() -> Path:
    """A minimal Debian with Python, and nothing else."""
    if os.geteuid() != 0:
        pytest.skip("only root can make another root")
    folder = ROOT / "build/clean/bookworm"
    folder.parent.mkdir(parents=True, exist_ok=True)
    run(CLEAN, "make", "bookworm", folder)
    return folder


@pytest.fixture(scope="session", params=NAMES)
def python(request: pytest.FixtureRequest) -> Path:
    return INTERPRETERS[tuple(map(int, request.param.split(".")))]


@pytest.fixture(scope="session")
def wheel(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.make(python, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def environment(wheel: Path, python: Path, root: Path) -> tuple[Path, str]:
    """A virtual environment in the clean root with the wheel in it; no index is asked."""
    work = root / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copy(wheel, work)
    shutil.copy(SMOKE, work)
    run(CLEAN, "run", root, python, "-m", "venv", "/work/venv")
    pip = ("/work/venv/bin/pip", "install", "-q", "--no-index", f"/work/{wheel.name}")
    run(CLEAN, "run", root, *pip)
    return root, "/work/venv/bin/python"


def test_the_clean_root_has_no_library_of_ours(root: Path) -> None:
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
    assert mysql["server"] in used["mysql"]


def test_a_wheel_says_where_it_runs_and_whose_code_it_carries(wheel: Path) -> None:
    assert re.search(r"-cp3\d+-cp3\d+-manylinux_2_\d+_x86_64\.whl$", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    libraries = [name for name in names if name.startswith("millpond.libs/lib")]
    licences = {Path(name).stem for name in names if "/licenses/bundled/" in name}
    assert len(libraries) > 5
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
