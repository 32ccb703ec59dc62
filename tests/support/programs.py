"""Python programs of a test, each in a process of its own."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# What all of them begin with. They talk line by line.
PREAMBLE = """
import asyncio, json, os, signal, sys, threading, time
import millpond

def open_db(**changes):
    kind, settings = json.loads(os.environ["MILLPOND_TEST_PROGRAM"])
    config = millpond.DatabaseConfig(**{**settings, **changes})
    return millpond.DatabaseFactory.create_database(kind, config)

def say(word):
    print(word, flush=True)

def say_when(word, condition):
    def look():
        while not condition():
            time.sleep(0.001)
        say(word)
    threading.Thread(target=look, daemon=True).start()

def attempt(call, *args, **keywords):
    try:
        call(*args, **keywords)
    except KeyboardInterrupt:
        say("interrupted")
    else:
        say("went on")

"""


class Program:
    """A program that runs; ``kind`` and ``settings`` are for its ``open_db()``.

    Its standard output is read with line(); end() waits for it.
    """

    def __init__(
        self,
        text: str,
        kind: str = "sqlite",
        settings: dict[str, Any] | None = None,
        options: tuple[str, ...] = ("-X", "dev"),
    ) -> None:
        given = json.dumps([kind, settings or {"database": ":memory:"}])
        self._process = subprocess.Popen(
            [sys.executable, *options, "-c", PREAMBLE + textwrap.dedent(text)],
            env={**os.environ, "MILLPOND_TEST_PROGRAM": given},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """What it says next; "" once it has ended."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin
        print(line, file=self._process.stdin, flush=True)

    def asleep(self) -> bool:
        """Its main thread waits for something."""
        state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2]
        return state.split()[0] == "S"

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, within: float = 60) -> tuple[int, list[str], str]:
        """Wait for it: its exit code, the lines that were left, and its standard error."""
        try:
            out, errors = self._process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, errors = self._process.communicate()
            raise AssertionError(f"it does not end: {errors}") from None
        return self._process.returncode, out.split(), errors

    def kill(self) -> None:
        """Whatever it does; for one that a test has left."""
        self._process.kill()
        self._process.communicate()


Programs = Callable[..., Program]


@pytest.fixture
def programs() -> Iterator[Programs]:
    """Makes programs, see Program, which end with the test."""
    made: list[Program] = []

    def make(*args: Any, **keywords: Any) -> Program:
        made.append(Program(*args, **keywords))
        return made[-1]

    yield make
    for program in made:
        program.kill()
