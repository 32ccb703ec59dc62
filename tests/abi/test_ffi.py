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


def check(output: str, server: str) -> None:
    expected = [
        rf"connected to {server} \d+\.\d+.*",
        "committed",
        "stopped a statement after 100 ms",
        "user 2 is Grace",
        "version 1 is Ada Byron",
        "version 2 is Ada Lovelace",
        "pool closed",
    ]
    lines = iter(output.splitlines())
    for pattern in expected:
        assert any(re.fullmatch(pattern, line) for line in lines), f"{pattern!r} not in:\n{output}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_does_its_job_on_sqlite(language: str, tmp_path: Path) -> None:
    check(run(language, "sqlite", str(tmp_path / "quickstart.db")), "SQLite")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_does_its_job_on_postgresql(language: str) -> None:
    address = json.loads(os.environ["MILLPOND_TEST_POSTGRES"])
    settings = [f"{key}={address[key]}" for key in ("host", "port", "user", "password")]
    check(run(language, "postgres", address["database"], *settings), "PostgreSQL")


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


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_drives_the_loop_its_own_way(host: str, tmp_path: Path) -> None:
    program = ROOT / "build" / "release" / "examples" / "c" / f"host_{host}"
    done = subprocess.run(
        [program, "sqlite", tmp_path / "host.db"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "pool closed"
    assert sorted(lines[:-1]) == sorted(
        ["task 0 was stopped", "task 1 got 10", "task 2 got 20", "task 3 got 30", HOSTS[host]]
    )
