"""examples/replicas/run really runs."""

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.once
SCRIPT = Path(__file__).parents[2] / "examples" / "replicas" / "run"


def test_the_example_of_replicas_survives_its_primary() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    first, last = re.findall(r"order (\d+) was taken by the server on port \d+", done.stdout)
    assert first == "1"
    assert f"{last} orders of {last} are there" in done.stdout, done.stdout + done.stderr


def test_a_command_runs_beside_the_examples_servers() -> None:
    show = 'echo "$MILLPOND_URL"; test -d "$MILLPOND_FOLDER/node3"'
    done = subprocess.run([SCRIPT, "bash", "-c", show], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    url = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"postgres://app:\w+@(127\.0\.0\.1:\d+,){2}127\.0\.0\.1:\d+/shop", url)
