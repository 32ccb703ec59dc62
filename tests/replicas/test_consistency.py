"""Recorded histories of sessions that wander between processes, on replicas that lag."""

from pathlib import Path
from typing import Any

import history
import load
import pytest
from history import EVENTUAL, MISSED_OWN_WRITE, STRONG
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
