"""Programs that write while the primary dies and a synchronous replica takes its place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import history
import load
import pytest
from daemons import poll
from history import DONE, STRONG, WRITE
from replica_set import ReplicaSet

pytestmark = pytest.mark.once
PAIRS = 900


@pytest.fixture(params=["postgres15", "mariadb"])
def replicas(request: pytest.FixtureRequest, replica_sets: Any) -> ReplicaSet[Any]:
    started: ReplicaSet[Any] = replica_sets(request.param)
    return started


def operations(folder: Path) -> int:
    return sum(1 for _ in history.read_all(folder))


# After each of them the primary confirms nothing any more.
WAYS: dict[str, Callable[[ReplicaSet[Any]], None]] = {
    "killed": lambda replicas: replicas.kill(replicas.primary),
    "frozen": lambda replicas: replicas.freeze(replicas.primary),
    "cut off": lambda replicas: replicas.cut(replicas.primary),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_acknowledged_write_is_lost_and_none_is_applied_twice(
    way: str, replicas: ReplicaSet[Any], tmp_path: Path
) -> None:
    url = replicas.proxy_url if way == "cut off" else replicas.url
    settings = load.Settings(url, replicas.kind, PAIRS, plain=True, processes=2, reads=[STRONG])
    load.prepare(replicas, settings)
    replicas.synchronous(True)
    running = load.start(tmp_path, settings)
    try:
        poll("the load", lambda: operations(tmp_path) > PAIRS // 2)
        WAYS[way](replicas)
        replicas.promote(replicas.newest())
        promoted = history.now()
    except BaseException:
        for process in running:
            process.kill()
            process.wait()
        raise
    load.finish(tmp_path, running, replicas)
    faults = history.check(history.read_all(tmp_path))
    assert not faults, faults[:3]
    writes = [one for one in history.read_all(tmp_path) if one.kind == WRITE]
    after = [one for one in writes if one.outcome == DONE and one.begun > promoted]
    assert after, "no write began and ended after the promotion"
    first = min(one.ended for one in writes if one.outcome == DONE and one.ended > promoted)
    print(f"{way}: the first write ended {first - promoted:.2f} s after the promotion")
