"""The checker finds each fault in histories that are made to contain it, and none in others."""

from pathlib import Path

import history
import pytest
from history import (
    APPLIED_TWICE,
    DONE,
    EVENTUAL,
    FAILED,
    FINAL,
    LOST_WRITE,
    MISSED_OWN_WRITE,
    READ,
    SESSION,
    STRONG,
    TOO_STALE,
    UNKNOWN,
    WENT_BACK,
    WRITE,
    Operation,
    Recorder,
)

pytestmark = pytest.mark.once


def write(version: int, at: float, session: str = "a", outcome: str = DONE) -> Operation:
    return Operation(session, WRITE, 1, version, "node1", at, at + 1, "", outcome)


def read(
    version: int, at: float, consistency: str = SESSION, session: str = "a", outcome: str = DONE
) -> Operation:
    return Operation(session, READ, 1, version, "node2", at, at + 1, consistency, outcome)


def final(version: int) -> Operation:
    return Operation("", FINAL, 1, version, "node1", 1000, 1001)


def faults(*operations: Operation) -> list[str]:
    return [fault.kind for fault in history.check(operations)]


# ---- Sessions ----------------------------------------------------------------------------


@pytest.mark.parametrize("consistency", [SESSION, STRONG])
def test_a_read_that_misses_the_sessions_write(consistency: str) -> None:
    told = faults(write(1, at=1), write(2, at=3), read(1, at=5, consistency=consistency))
    assert MISSED_OWN_WRITE in told


def test_a_read_that_sees_the_sessions_write() -> None:
    assert faults(write(1, at=1), read(1, at=2), final(1)) == []
    assert faults(write(1, at=1), read(7, at=2)) == []  # others write, too


def test_a_read_that_goes_back() -> None:
    assert faults(read(5, at=1), read(4, at=3)) == [WENT_BACK]
    assert faults(read(5, at=1), read(5, at=3)) == []


def test_a_strong_read_counts_as_seen() -> None:
    assert faults(read(5, at=1, consistency=STRONG), read(4, at=3)) == [WENT_BACK]


def test_other_sessions_are_promised_nothing() -> None:
    assert faults(write(1, at=1), write(2, at=3), read(1, at=5, session="b")) == []
    assert faults(read(5, at=1), read(4, at=3, session="b")) == []


def test_other_registers_are_not_compared() -> None:
    other = Operation("a", READ, 2, 1, "node2", 5, 6, SESSION)
    assert faults(write(1, at=1), write(2, at=3), other) == []


def test_reads_at_once_may_differ() -> None:
    """The second began before the first had ended."""
    assert faults(read(5, at=1), read(4, at=1.5)) == []


def test_a_slow_operation_does_not_hide_a_fault_after_it() -> None:
    slow = Operation("a", READ, 1, 1, "node2", 0, 100, SESSION)
    assert faults(slow, write(2, at=3), read(1, at=5)) == [MISSED_OWN_WRITE]


def test_the_order_of_the_records_does_not_matter() -> None:
    assert faults(read(1, at=5), write(2, at=3), write(1, at=1)) == [MISSED_OWN_WRITE]


@pytest.mark.parametrize("consistency", [EVENTUAL, "0.5"])
def test_what_no_session_was_asked_for_may_go_back(consistency: str) -> None:
    told = faults(read(5, at=1), read(4, at=3, consistency=consistency))
    assert told == []
    assert faults(read(5, at=1, consistency=consistency), read(4, at=3)) == []


def test_a_write_that_failed_need_not_be_seen() -> None:
    for outcome in (FAILED, UNKNOWN):
        assert faults(write(1, at=1), write(0, at=3, outcome=outcome), read(1, at=5)) == []


def test_a_read_that_failed_saw_nothing() -> None:
    assert faults(write(1, at=1), read(0, at=5, outcome=FAILED)) == []


# ---- Bounds ------------------------------------------------------------------------------


def test_an_answer_staler_than_its_bound() -> None:
    written = (write(1, at=0), write(2, at=9))  # acknowledged at 1 and 10
    assert faults(*written, read(1, at=12.1, consistency="2", session="b")) == [TOO_STALE]
    assert faults(*written, read(1, at=11.9, consistency="2", session="b")) == []
    assert faults(*written, read(2, at=12.1, consistency="2", session="b")) == []


def test_a_strong_read_sees_all_that_is_acknowledged() -> None:
    written = (write(1, at=0), write(2, at=9))
    assert faults(*written, read(1, at=10.1, consistency=STRONG, session="b")) == [TOO_STALE]
    assert faults(*written, read(1, at=9.5, consistency=STRONG, session="b")) == []
    assert faults(*written, read(1, at=10.1, consistency=EVENTUAL, session="b")) == []


def test_an_older_version_that_was_acknowledged_later_asks_for_no_less() -> None:
    slow = Operation("b", WRITE, 1, 1, "node1", 0, 20)
    told = faults(write(2, at=9), slow, read(1, at=30, consistency="2", session="c"))
    assert told == [TOO_STALE]


# ---- Writes ------------------------------------------------------------------------------


def test_a_write_that_was_lost() -> None:
    assert faults(write(1, at=1), write(2, at=3), final(1)) == [LOST_WRITE]


def test_two_writes_that_became_one() -> None:
    assert LOST_WRITE in faults(write(1, at=1), write(1, at=3, session="b"), final(1))


def test_what_was_read_and_is_gone() -> None:
    assert faults(write(1, at=1), read(2, at=3, session="b"), final(1)) == [LOST_WRITE]


def test_a_write_that_was_applied_twice() -> None:
    assert faults(write(2, at=1), final(2)) == [APPLIED_TWICE]
    assert faults(write(1, at=1), final(2)) == [APPLIED_TWICE]


def test_a_write_with_no_known_outcome_may_be_there_or_not() -> None:
    unknown = write(0, at=3, outcome=UNKNOWN)
    assert faults(write(1, at=1), unknown, final(1)) == []
    assert faults(write(1, at=1), unknown, final(2)) == []
    assert faults(write(1, at=1), unknown, final(3)) == [APPLIED_TWICE]


def test_a_write_that_failed_may_not_be_there() -> None:
    failed = write(0, at=3, outcome=FAILED)
    assert faults(write(1, at=1), failed, final(1)) == []
    assert faults(write(1, at=1), failed, final(2)) == [APPLIED_TWICE]


# ---- Files -------------------------------------------------------------------------------


def test_all_processes_records_are_read(tmp_path: Path) -> None:
    made = [write(1, at=1.25), read(1, at=2.5, consistency="0.5", session="s b"), final(1)]
    for number, operation in enumerate(made):
        with Recorder(tmp_path / f"{number}.history") as recorder:
            recorder.record(operation)
    assert list(history.read_all(tmp_path)) == made


def test_records_are_appended_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    for at in (1.0, 3.0):
        with Recorder(tmp_path / "1.history") as recorder:
            recorder.record(write(int(at), at=at))
    with open(tmp_path / "1.history", "a", encoding="utf-8") as lines:
        lines.write(write(9, at=9).line()[:-4])
    assert [one.version for one in history.read_all(tmp_path)] == [1, 3]


def test_a_fault_says_what_it_compared() -> None:
    (fault,) = history.check([write(1, at=1), write(2, at=3), read(1, at=5)])
    assert str(fault).startswith("missed own write (register 1): ")
    assert "node2" in str(fault) and "node1" in str(fault)
    assert history.count([fault]) == {MISSED_OWN_WRITE: 1}
