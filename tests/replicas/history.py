"""What sessions did to registers on replicated servers, and whether a promise was broken.

A register is a row with a version. A write adds one to it and learns the new version in the same
transaction; a read learns the version. Each process appends what it did to a file of its own, with
times of the machine's monotonic clock, which all processes share; check() reads all files.

    missed own write  a read in a session did not see what this session had written
    went back         a read in a session saw less than an earlier read of this session
    too stale         a read missed what was acknowledged longer ago than the bound that it asked
    lost write        an acknowledged write is not there at the end, or two became one
    applied twice     the register was counted up more often than there were writes

The first two are promised to reads at "session" and "strong", the third to "strong" (a bound of
0 s) and to a number of seconds. A write whose outcome is not known may be there or not.
"""

import bisect
import dataclasses
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

WRITE, READ, FINAL = "write", "read", "final"
DONE, UNKNOWN, FAILED = "done", "unknown", "failed"
STRONG, SESSION, EVENTUAL = "strong", "session", "eventual"

MISSED_OWN_WRITE = "missed own write"
WENT_BACK = "went back"
TOO_STALE = "too stale"
LOST_WRITE = "lost write"
APPLIED_TWICE = "applied twice"


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One write or read.

    Attributes:
        session: whose it is; empty for none.
        kind: WRITE, READ, or FINAL: a read of the primary when all else has ended.
        version: written or read; 0 if that is not known.
        node: which server it went to, as far as it is known.
        begun, ended: seconds of the monotonic clock.
        consistency: what a read asked for; seconds as text.
        outcome: DONE, UNKNOWN or FAILED. What FAILED has certainly had no effect.
    """

    session: str
    kind: str
    key: int
    version: int
    node: str
    begun: float
    ended: float
    consistency: str = ""
    outcome: str = DONE

    def line(self) -> str:
        return "\t".join(str(value) for value in dataclasses.astuple(self)) + "\n"

    @classmethod
    def of_line(cls, line: str) -> "Operation":
        session, kind, key, version, node, begun, ended, *rest = line.rstrip("\n").split("\t")
        times = float(begun), float(ended)
        return cls(session, kind, int(key), int(version), node, *times, *rest)


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """A broken promise: one of the five above, in which register, and how."""

    kind: str
    key: int
    text: str

    def __str__(self) -> str:
        return f"{self.kind} (register {self.key}): {self.text}"


# ---- Recording ---------------------------------------------------------------------------


class Recorder:
    """Appends what one process does to a file; what was recorded outlives the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def record(self, operation: Operation) -> None:
        os.write(self._file, operation.line().encode())


def now() -> float:
    return time.monotonic()


def read_all(folder: Path) -> Iterator[Operation]:
    """What all processes recorded in a folder."""
    for path in sorted(folder.glob("*.history")):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):  # or its process was killed over it
                    yield Operation.of_line(line)


# ---- Checking ----------------------------------------------------------------------------


def check(operations: Iterable[Operation]) -> list[Fault]:
    """All broken promises, in no particular order."""
    by_key: dict[int, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_key[operation.key].append(operation)
    return [fault for key in by_key for fault in _check_register(by_key[key])]


def count(faults: Iterable[Fault]) -> Counter[str]:
    return Counter(fault.kind for fault in faults)


def _check_register(operations: list[Operation]) -> Iterator[Fault]:
    operations.sort(key=lambda operation: operation.begun)
    by_session: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.session:
            by_session[operation.session].append(operation)
    for of_session in by_session.values():
        yield from _check_session(of_session)
    yield from _check_bounds(operations)
    yield from _check_writes(operations)


def _promises_session(operation: Operation) -> bool:
    return operation.kind == WRITE or operation.consistency in (SESSION, STRONG)


def _check_session(operations: list[Operation]) -> Iterator[Fault]:
    """What had ended when a read began is what the read must not fall behind."""
    by_end = sorted(
        (one for one in operations if one.outcome == DONE and _promises_session(one)),
        key=lambda operation: operation.ended,
    )
    ended = 0
    newest: Operation | None = None
    for operation in operations:
        while ended < len(by_end) and by_end[ended].ended <= operation.begun:
            one = by_end[ended]
            if newest is None or (one.version, one.kind) > (newest.version, newest.kind):
                newest = one  # of equal ones the write: "read" < "write"
            ended += 1
        is_read = operation.kind == READ and operation.outcome == DONE
        if not is_read or not _promises_session(operation) or newest is None:
            continue
        if operation.version < newest.version:
            kind = MISSED_OWN_WRITE if newest.kind == WRITE else WENT_BACK
            yield Fault(kind, operation.key, f"{operation} after {newest}")


def _bound(operation: Operation) -> float | None:
    """How stale the answer may be; None for however stale."""
    if operation.kind != READ or operation.outcome != DONE:
        return None
    if operation.consistency == STRONG:
        return 0.0
    return None if operation.consistency in (SESSION, EVENTUAL) else float(operation.consistency)


def _check_bounds(operations: list[Operation]) -> Iterator[Fault]:
    writes = sorted(
        (one for one in operations if one.kind == WRITE and one.outcome == DONE),
        key=lambda operation: operation.ended,
    )
    times = [write.ended for write in writes]
    newest: list[Operation] = []  # of those until each
    for write in writes:
        newest.append(max(write, newest[-1], key=lambda it: it.version) if newest else write)
    for operation in operations:
        bound = _bound(operation)
        if bound is None:
            continue
        visible = bisect.bisect_right(times, operation.begun - bound)
        if visible and operation.version < newest[visible - 1].version:
            yield Fault(TOO_STALE, operation.key, f"{operation} after {newest[visible - 1]}")


def _check_writes(operations: list[Operation]) -> Iterator[Fault]:
    """Against what is there at the end, if that was read."""
    key = operations[0].key
    done = [one for one in operations if one.kind == WRITE and one.outcome == DONE]
    unknown = sum(one.kind == WRITE and one.outcome == UNKNOWN for one in operations)
    for version, times in Counter(one.version for one in done).items():
        if times > 1:
            yield Fault(LOST_WRITE, key, f"{times} writes were told that theirs is {version}")
    finals = [one for one in operations if one.kind == FINAL]
    if not finals:
        return
    final = max(one.version for one in finals)
    for one in operations:
        if one.kind in (WRITE, READ) and one.outcome == DONE and one.version > final:
            yield Fault(LOST_WRITE, key, f"{one}, and at the end there is {final}")
    nobodys = set(range(1, final + 1)) - {one.version for one in done}
    if len(nobodys) > unknown:
        text = f"nobody wrote {sorted(nobodys)[:10]}, and {unknown} writes have no known outcome"
        yield Fault(APPLIED_TWICE, key, text)
