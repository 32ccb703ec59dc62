"""The programs that newcomers run first do the same on every database."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from addresses import url_to

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "(MariaDB|MySQL)"}


def run(command: list[str | Path], **variables: str) -> str:
    env = {**os.environ, **variables}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(output: str, expected: list[str]) -> None:
    lines = iter(output.splitlines())
    for pattern in expected:
        assert any(re.fullmatch(pattern, line) for line in lines), f"{pattern!r} not in:\n{output}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_one_in_python(kind: str, tmp_path: Path) -> None:
    program = ROOT / "examples/python/quickstart.py"
    check(
        run([sys.executable, program, url_to(kind, tmp_path / "quickstart.db")]),
        [
            rf"connected to .*{KINDS[kind]}.*",
            "inserted 3 rows in one call",
            "found .*Grace.*",
            "committed",
            r"refused: .*",
            r"stopped: .*",
            "the connection still works: 3 users",
            r"30 tasks shared \d+ connections",
            "without asyncio: .*Grace.*",
            "pool closed",
        ],
    )


def test_the_one_in_python_takes_the_name_of_a_file(tmp_path: Path) -> None:
    run([sys.executable, ROOT / "examples/python/quickstart.py", tmp_path / "of a file?.db"])
    assert [path.name for path in tmp_path.iterdir()] == ["of a file?.db"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_one_in_lua(kind: str, tmp_path: Path) -> None:
    host = ROOT / "build/test/tests/lua/lua_host"  # the interpreter with the module inside
    scripts = ROOT / "bindings/lua"
    output = run(
        [host, ROOT / "examples/lua/quickstart.lua", url_to(kind, tmp_path / "quickstart.db")],
        LUA_PATH=f"{scripts}/?.lua;{scripts}/?/init.lua;;",
    )
    check(
        output,
        [
            rf"connected to\s.*{KINDS[kind]}.*",
            r"inserted\s3 rows in one call",
            r"committed, found\sGrace",
            r"refused:\s.*",
            r"stopped:\s.*(time|limit).*",
            r"the connection still works:\s+Ada",
            r"30 tasks shared\s\d+ connections",
            r"without coroutines:\sGrace",
            "pool closed",
        ],
    )
