"""An installed copy is whole, can be moved, and is found by pkg-config and by CMake."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from headers import HEADERS, ROOT

pytestmark = pytest.mark.slow

BUILD = ROOT / "build" / "release"
CONSUMER = ROOT / "tests" / "abi" / "consumer"


def run(*command: object, **environment: str) -> str:
    """Run a program that must succeed, and return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(prefix: Path, **environment: str) -> None:
    for component in ("library", "development"):
        run(
            "cmake", "--install", BUILD, "--prefix", prefix, "--component", component, **environment
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("installed")
    install(prefix)
    return prefix


def library_folder(prefix: Path) -> Path:
    (pc,) = prefix.rglob("millpond.pc")
    return pc.parent.parent


def test_what_is_installed(installed: Path) -> None:
    library = library_folder(installed)
    names = {str(path.relative_to(library)) for path in library.rglob("*") if not path.is_dir()}
    version = run("pkg-config", "--modversion", library / "pkgconfig" / "millpond.pc").strip()
    assert {name for name in names if "targets-" not in name} == {
        "libmillpond.a",
        "libmillpond.so",
        "libmillpond.so.0",
        f"libmillpond.so.{version}",
        "pkgconfig/millpond.pc",
        "cmake/millpond/millpond-config.cmake",
        "cmake/millpond/millpond-config-version.cmake",
        "cmake/millpond/millpond-targets.cmake",
    }
    headers = {path.name for path in (installed / "include" / "millpond").iterdir()}
    assert headers == {path.name for path in HEADERS}


def test_the_library_has_its_soname_and_no_path_of_the_build(installed: Path) -> None:
    dynamic = run("readelf", "-d", library_folder(installed) / "libmillpond.so")
    assert "Library soname: [libmillpond.so.0]" in dynamic
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic
    assert "NODELETE" in dynamic  # its threads outlive a dlclose()


def test_destdir_goes_before_the_prefix(tmp_path: Path) -> None:
    install(Path("/opt/millpond"), DESTDIR=str(tmp_path))
    (pc,) = (tmp_path / "opt" / "millpond").rglob("millpond.pc")
    assert "prefix=/opt/millpond\n" in pc.read_text()
    assert str(tmp_path) not in pc.read_text()


def test_a_program_builds_with_pkg_config_and_runs(installed: Path, tmp_path: Path) -> None:
    library = library_folder(installed)
    flags = run(
        "pkg-config",
        "--cflags",
        "--libs",
        "millpond",
        PKG_CONFIG_PATH=str(library / "pkgconfig"),
    ).split()
    program = tmp_path / "consumer"
    run("cc", "-Wall", "-Werror", "-o", program, CONSUMER / "consumer.c", *flags)
    run(program, LD_LIBRARY_PATH=str(library))


def test_a_program_links_the_static_library_alone(installed: Path, tmp_path: Path) -> None:
    library = library_folder(installed)
    wanted = ("pkg-config", "--static", "--cflags", "--libs", "millpond")
    flags = run(*wanted, PKG_CONFIG_PATH=str(library / "pkgconfig")).split()
    shutil.copy(library / "libmillpond.a", tmp_path)
    flags = [flag.replace(f"-L{library}", f"-L{tmp_path}") for flag in flags]
    program = tmp_path / "consumer"
    run("cc", "-Wall", "-Werror", "-o", program, CONSUMER / "consumer.c", *flags)
    assert "libmillpond" not in run("readelf", "-d", program)
    run(program)


def test_a_project_builds_with_find_package_and_runs(installed: Path, tmp_path: Path) -> None:
    run("cmake", "-S", CONSUMER, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={installed}")
    run("cmake", "--build", tmp_path)
    run(tmp_path / "consumer", LD_LIBRARY_PATH=str(library_folder(installed)))


@pytest.mark.parametrize("wanted", ["1.0", "99"])
def test_find_package_refuses_another_major_version(
    installed: Path, tmp_path: Path, wanted: str
) -> None:
    text = (CONSUMER / "CMakeLists.txt").read_text()
    assert "millpond 0.1 REQUIRED" in text
    (tmp_path / "CMakeLists.txt").write_text(text.replace("millpond 0.1", f"millpond {wanted}"))
    (tmp_path / "consumer.c").write_text("int main(void) { return 0; }\n")
    done = subprocess.run(
        ["cmake", "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={installed}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "compatible with requested version" in done.stderr
