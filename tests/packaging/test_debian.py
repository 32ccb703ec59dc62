"""The Debian packages install in a clean Debian, and each works there."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLEAN = ROOT / "tests/packaging/clean_root.sh"
PACKAGES = ["libmillpond0", "libmillpond-dev", "python3-millpond", "lua-millpond"]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not os.environ.get("MILLPOND_LONG"), reason="takes minutes: --long"),
]

LUA = """
local millpond = require("millpond")
local db = millpond.create_database("sqlite", { database = ":memory:" })
local conn <close> = db:connection()
print(conn:execute("SELECT 6 * ?", { 7 })[1][1])
"""

PYTHON = """
import millpond
config = millpond.DatabaseConfig(database=":memory:")
with millpond.DatabaseFactory.create_database("sqlite", config).sync_connection() as conn:
    print(conn.execute("SELECT 6 * ?", (7,))[0][0])
"""


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def packages() -> dict[str, Path]:
    """Built, and found clean by lintian."""
    run(ROOT / "cmake/debian/build")
    made = {path.name.split("_")[0]: path for path in (ROOT / "build/debian").glob("*.deb")}
    return {name: made[name] for name in PACKAGES}


@pytest.fixture(scope="module")
def system(packages: dict[str, Path]) -> Iterator[Path]:
    """A minimal Debian with the packages installed."""
    plain, folder = ROOT / "build/clean/bookworm", ROOT / "build/clean/packages"
    plain.parent.mkdir(parents=True, exist_ok=True)
    run(CLEAN, "make", "bookworm", plain)
    shutil.rmtree(folder, ignore_errors=True)
    run("cp", "-a", plain, folder)
    for path in packages.values():
        shutil.copy(path, folder / "tmp")
    names = [f"/tmp/{path.name}" for path in packages.values()]
    install = "apt-get update && apt-get install -y --no-install-recommends lua5.4 " + " ".join(
        names
    )
    run(CLEAN, "run", folder, "sh", "-c", install)
    yield folder
    shutil.rmtree(folder)


def test_a_program_built_with_the_development_package_runs(
    packages: dict[str, Path], system: Path, tmp_path: Path
) -> None:
    for name in ("libmillpond0", "libmillpond-dev"):
        run("dpkg-deb", "-x", packages[name], tmp_path)
    (pc,) = tmp_path.rglob("millpond.pc")
    found = f"--define-variable=prefix={tmp_path}/usr"
    flags = run("pkg-config", found, "--cflags", "--libs", pc).split()
    program = system / "tmp" / "consumer"
    run("cc", "-o", program, ROOT / "tests/abi/consumer/consumer.c", *flags)
    run(CLEAN, "run", system, "/tmp/consumer")


def test_a_program_links_the_static_library_of_the_development_package(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    run("dpkg-deb", "-x", packages["libmillpond-dev"], tmp_path)  # no shared one
    (pc,) = tmp_path.rglob("millpond.pc")
    found = f"--define-variable=prefix={tmp_path}/usr"
    flags = run("pkg-config", found, "--static", "--cflags", "--libs", pc).split()
    run("cc", "-o", tmp_path / "consumer", ROOT / "tests/abi/consumer/consumer.c", *flags)
    run(tmp_path / "consumer")


def test_the_development_package_has_what_a_programmer_reads(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    run("dpkg-deb", "-x", packages["libmillpond-dev"], tmp_path)
    doc = tmp_path / "usr/share/doc/libmillpond-dev"
    assert {path.name.split(".")[0] for path in doc.glob("drivers/*.md*")} >= {
        "mysql",
        "postgres",
        "sqlite",
    }
    assert list(doc.glob("STABILITY.md*"))
    for name in ("c/host_poll.c", "ffi/README.md"):
        assert list(doc.glob(f"examples/{name}*")), name
    pages = {path.name.split(".")[0] for path in tmp_path.glob("usr/share/man/man3/*.3.gz")}
    exported = (ROOT / "abi/exported.txt").read_text().split()
    assert len(exported) > 100
    assert sorted(set(exported) - pages) == []


def test_the_command_works(system: Path) -> None:
    version = (ROOT / "cmake/debian/changelog").read_text().split("(")[1].split("-")[0]
    assert run(CLEAN, "run", system, "millpond", "--version") == f"millpond {version}\n"
    ping = ("python3", "-m", "millpond", "ping", "sqlite:///:memory:")
    assert "round_trip_ms" in run(CLEAN, "run", system, *ping)
    shell = ("millpond", "shell", "--json", "sqlite:///:memory:", "-c", "SELECT 6 * 7 AS n; \\d")
    assert run(CLEAN, "run", system, *shell).splitlines() == ['[{"n": 42}]', "[]"]
    told = "from importlib.metadata import entry_points, version; print(version('millpond'), "
    told += "[e.value for e in entry_points(group='pytest11')])"
    shown = run(CLEAN, "run", system, "python3", "-c", told)
    assert shown == f"{version} ['millpond.pytest_plugin']\n"


def test_the_python_module_works(system: Path) -> None:
    assert run(CLEAN, "run", system, "python3", "-c", PYTHON) == "42\n"


def test_the_lua_module_works(system: Path) -> None:
    assert run(CLEAN, "run", system, "lua5.4", "-e", LUA) == "42\n"


def test_the_packages_can_be_removed(system: Path) -> None:
    run(CLEAN, "run", system, "dpkg", "--purge", *PACKAGES)
    assert not list((system / "usr").rglob("*millpond*"))
