"""One connection of a driver, below pools and clusters: ``tests/unit/driver_probe.c`` in a process.

``Probe`` is for tests of what the core asks drivers and no program can: reports, positions of
commits, read-only sessions.
"""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

PROGRAM = Path(__file__).parents[2] / "build" / "test" / "tests" / "unit" / "driver_probe"

# As pondi_server_role and pondi_position_kind have them.
PRIMARY, STANDBY, READ_WRITE, READ_ONLY = 1, 2, 4, 8
LSN, GTID, GTID_SET, GALERA = 1, 2, 3, 4

Position = tuple[int, str]
Outcome = dict[str, Any]


class Probe:
    """``with Probe("postgres", **config)``: a connection, and what it answers."""

    def __init__(self, kind: str, **config: Any) -> None:
        self._process = subprocess.Popen(
            [PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        settings = " ".join(f"{key}={value}" for key, value in config.items())
        self.opened = self.ask(f"open {kind} {settings}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()
        assert kind or self._process.returncode == 0, "the sanitizer found something"

    def ask(self, line: str) -> Outcome:
        """What came of one line."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(" ".join(line.split()) + "\n")
        self._process.stdin.flush()
        return cast(Outcome, json.loads(self._process.stdout.readline()))

    def do(self, line: str) -> Outcome:
        """The same of what must end well."""
        outcome = self.ask(line)
        assert outcome["code"] == 0, outcome
        return outcome

    def execute(self, sql: str) -> Outcome:
        return self.do(f"execute {sql}")

    def rows(self, sql: str) -> list[list[Any]]:
        return cast(list[list[Any]], self.execute(sql)["rows"])

    def report(self) -> Outcome:
        return self.do("report")

    def track(self) -> None:
        self.ask("track on")

    def wait_for(self, position: Position, ms: int) -> Outcome:
        kind, text = position
        return self.ask(f"wait {kind} {ms} {text}")

    def await_first(self, position: Position, ms: int) -> None:
        """The next statement waits so long for it."""
        kind, text = position
        self.ask(f"await {kind} {ms} {text}")


def noted(outcome: Outcome) -> Position | None:
    """Where the one commit of a request is, as its driver said; None if it did not."""
    ((commits, position),) = outcome["notes"]
    assert commits
    return tuple(position) if position else None
