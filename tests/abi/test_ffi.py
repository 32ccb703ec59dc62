"""The programs of examples/ffi do their job, in every language."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from headers import ROOT

pytestmark = pytest.mark.slow

LANGUAGES = ["c", "cpp", "python", "luajit", "node", "go", "rust"]


def run(language: str, *arguments: str) -> str:
    """Run a program, as tests/support/ffi.sh built it."""
    script = '. tests/support/ffi.sh; run_ffi "$@"'
    done = subprocess.run(
        ["bash", "-eu", "-c", script, "run", language, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


SERVERS = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "(MariaDB|MySQL)"}
# SQLite's decimals are floats; MySQL's timestamps have a zone.
VALUES = (
    r"values: true \| 9007199254740993 \| 2\.5 \| 12\.50? \| Ada \u2713 \| 0001ff \| 2026-01-02 "
    r"\| 2026-01-02 03:04:05(\+00:00)? \| NULL"
)
OTHERS = (
    r'and: 12345678-9abc-def0-1234-56789abcdef0 \| \{"a":1\} \| P14M3DT1\.500000S '
    r"\| \[1, NULL, 3\] \| 23:59:59\.500000 \| 2026-01-02 03:04:05\+00:00"
)


def arguments_for(kind: str, folder: Path) -> list[str]:
    """DRIVER DATABASE [KEY=VALUE ...]"""
    if kind == "sqlite":
        return [kind, str(folder / "quickstart.db")]
    address = json.loads(os.environ[f"MILLPOND_TEST_{kind.upper()}"])
    settings = [f"{key}={address[key]}" for key in ("host", "port", "user", "password")]
    return [kind, address["database"], *settings]


def check(output: str, kind: str) -> None:
    expected = [
        rf"connected to {SERVERS[kind]} \d+\.\d+.*",
        "committed",
        "stopped a statement after 100 ms",
        "user 2 is Grace",
        VALUES,
        *([OTHERS] if kind == "postgres" else []),
        "version 1 is Ada Byron",
        "version 2 is Ada Lovelace",
        "pool closed",
    ]
    lines = iter(output.splitlines())
    for pattern in expected:
        assert any(re.fullmatch(pattern, line) for line in lines), f"{pattern!r} not in:\n{output}"


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_does_its_job(language: str, kind: str, tmp_path: Path) -> None:
    check(run(language, *arguments_for(kind, tmp_path)), kind)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_says_what_is_wrong(language: str, tmp_path: Path) -> None:
    script = '. tests/support/ffi.sh; run_ffi "$@"'
    done = subprocess.run(
        ["bash", "-eu", "-c", script, "run", language, "sqlite", str(tmp_path / "no" / "where.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "no/where.db" in done.stderr or "unable to open" in done.stderr


def test_every_folder_is_a_language_that_is_tested() -> None:
    folders = {path.name for path in (ROOT / "examples" / "ffi").iterdir() if path.is_dir()}
    assert folders == set(LANGUAGES)


HOSTS = {
    "poll": "poll() returned between the answers",
    "uv": "libuv's timer ran between the answers",
    "glib": "GLib's timer ran between the answers",
    "thread": "the program goes on",
}


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("host", HOSTS)
def test_a_host_drives_the_loop_its_own_way(host: str, kind: str, tmp_path: Path) -> None:
    program = ROOT / "build" / "release" / "examples" / "c" / f"host_{host}"
    command = [program, *arguments_for(kind, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "pool closed"
    assert sorted(lines[:-1]) == sorted(
        ["task 0 was stopped", "task 1 got 10", "task 2 got 20", "task 3 got 30", HOSTS[host]]
    )
