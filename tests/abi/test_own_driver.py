"""The example of a driver that a program brings itself does what its comments say."""

import subprocess

from headers import ROOT

EXAMPLE = ROOT / "build" / "release" / "examples" / "c" / "own_driver"


def test_its_statements_transactions_and_timeouts_work() -> None:
    done = subprocess.run([EXAMPLE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    late, north, counts = done.stdout.splitlines()
    assert late.startswith("ETIMEDOUT: timed out after 0.1 s")
    assert north == "north = 1.5 hectares"
    assert counts == "2 connections were opened, 2 closed"
