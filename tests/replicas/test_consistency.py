"""Recorded histories of sessions that wander between processes, on replicas that lag."""

import dataclasses
from pathlib import Path
from typing import Any

import history
import load
import pytest
from faults import LONG
from history import EVENTUAL, MISSED_OWN_WRITE, SESSION, STRONG
from replica_set import ReplicaSet

pytestmark = pytest.mark.once


@pytest.fixture(params=["postgres15", "mariadb"])
def replicas(request: pytest.FixtureRequest, replica_sets: Any) -> ReplicaSet[Any]:
    started: ReplicaSet[Any] = replica_sets(request.param)
    return started


def run(folder: Path, replicas: ReplicaSet[Any], settings: load.Settings) -> list[history.Fault]:
    load.prepare(replicas, settings)
    load.finish(folder, load.start(folder, settings), replicas)
    return history.check(history.read_all(folder))


def test_random_nodes_without_sessions_break_the_promises(
    replicas: ReplicaSet[Any], tmp_path: Path
) -> None:
    """What the checker is for: it finds the faults that there are."""
    replicas.delay(replicas.replicas[0], 2)
    direct = [node.url for node in replicas.nodes]
    settings = load.Settings(replicas.primary.url, replicas.kind, 600, direct=direct)
    faults = history.count(run(tmp_path, replicas, settings))
    assert faults[MISSED_OWN_WRITE] > 20, faults
    assert set(faults) <= {MISSED_OWN_WRITE, history.WENT_BACK}, faults


def test_the_primary_alone_keeps_them(replicas: ReplicaSet[Any], tmp_path: Path) -> None:
    replicas.delay(replicas.replicas[0], 2)
    direct = [replicas.primary.url]
    settings = load.Settings(direct[0], replicas.kind, 600, direct=direct, reads=[STRONG, EVENTUAL])
    faults = run(tmp_path, replicas, settings)
    assert not faults, faults[:3]
    operations = list(history.read_all(tmp_path))
    assert sum(one.kind == history.READ for one in operations) == 600
    assert len({one.session for one in operations}) > 40


def lagging(
    replicas: ReplicaSet[Any], reads: list[str], lags: tuple[float, float] = (0.5, 2)
) -> load.Settings:
    """Replicas behind by so many seconds, each kind of server as well as it can."""
    for node, seconds in zip(replicas.replicas, lags, strict=True):
        replicas.delay(node, seconds)
    return load.Settings(replicas.url, replicas.kind, 600, reads=reads)


def test_sessions_see_what_they_wrote_and_never_go_back(
    replicas: ReplicaSet[Any], tmp_path: Path
) -> None:
    settings = lagging(replicas, [SESSION, SESSION, STRONG, EVENTUAL, "1", "3"], lags=(0, 2))
    if LONG and replicas.kind == "postgres":
        settings.pairs = 1_000_000
    faults = run(tmp_path, replicas, settings)
    assert not faults, [str(fault) for fault in faults[:3]]
    reads = [one for one in history.read_all(tmp_path) if one.kind == history.READ]
    assert {one.outcome for one in reads} == {history.DONE}
    nodes = {one.node for one in reads if one.consistency == SESSION}
    assert len(nodes) > 1, "no replica served a session's read"


def test_what_is_read_at_eventual_may_miss_the_sessions_write(
    replicas: ReplicaSet[Any], tmp_path: Path
) -> None:
    """Told as if sessions had been asked for, so that the checker has something to find."""
    load.prepare(replicas, settings := lagging(replicas, [EVENTUAL]))
    load.finish(tmp_path, load.start(tmp_path, settings), replicas)
    told = (
        dataclasses.replace(one, consistency=SESSION if one.consistency else "")
        for one in history.read_all(tmp_path)
    )
    assert history.count(history.check(told))[MISSED_OWN_WRITE] > 0
