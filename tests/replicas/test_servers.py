"""The sets of servers themselves: their faults are real, and they end."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ask import AskError
from daemons import is_alive, poll
from replica_set import Node, ReplicaSet

pytestmark = pytest.mark.once
SUPPORT = Path(__file__).parents[1] / "support"
HOUR = 3600.0


@pytest.fixture(autouse=True)
def table(request: pytest.FixtureRequest) -> None:
    """An empty table `notes (text)` on all nodes."""
    if "replicas" in request.fixturenames:
        replicas = request.getfixturevalue("replicas")
        replicas.primary.ask("DROP TABLE IF EXISTS notes")
        replicas.primary.ask("CREATE TABLE notes (text varchar(100) PRIMARY KEY)")
        for node in replicas.replicas:
            replicas.caught_up(node)


def write(node: Node, text: str) -> None:
    node.ask(f"INSERT INTO notes VALUES ('{text}')")


def notes(node: Node) -> list[str | None]:
    return [text for (text,) in node.ask("SELECT text FROM notes ORDER BY text")]


def test_what_the_primary_commits_arrives(replicas: ReplicaSet[Any]) -> None:
    write(replicas.primary, "one")
    for node in replicas.replicas:
        replicas.caught_up(node)
        assert notes(node) == ["one"]


def test_replicas_refuse_writes(replicas: ReplicaSet[Any]) -> None:
    for node in replicas.replicas:
        with pytest.raises(AskError, match="read.only"):
            write(node, "never")


def test_the_first_node_need_not_be_the_primary(replicas: ReplicaSet[Any]) -> None:
    old = replicas.primary
    replicas.promote(replicas.replicas[1])
    assert replicas.is_primary(old)  # it is not fenced
    assert replicas.is_primary(replicas.primary)
    replicas.mend()
    assert [replicas.is_primary(node) for node in replicas.replicas] == [False, False]


def test_a_promoted_replica_takes_writes_and_the_other_follows(replicas: ReplicaSet[Any]) -> None:
    old = replicas.primary
    write(old, "before")
    new, other = replicas.replicas
    replicas.caught_up(new)
    replicas.kill(old)
    replicas.promote(new)
    write(new, "after")
    replicas.caught_up(other)
    assert notes(other) == ["after", "before"]
    replicas.rejoin(old)
    replicas.caught_up(old)
    assert notes(old) == ["after", "before"]


def test_an_old_primary_that_went_on_loses_what_only_it_has(replicas: ReplicaSet[Any]) -> None:
    old = replicas.primary
    new = replicas.replicas[0]
    replicas.promote(new)
    write(old, "lost")
    write(new, "kept")
    assert notes(old) == ["lost"]
    replicas.rejoin(old)
    replicas.caught_up(old)
    assert notes(old) == ["kept"]


def test_a_replica_that_has_more_than_the_new_primary_loses_it(replicas: ReplicaSet[Any]) -> None:
    new, other = replicas.replicas
    replicas.cut_replication(new)
    write(replicas.primary, "lost")
    replicas.caught_up(other)
    replicas.kill(replicas.primary)
    replicas.promote(new)
    write(new, "kept")
    replicas.caught_up(other)
    assert notes(other) == ["kept"]


def test_a_delayed_replica_lags(replicas: ReplicaSet[Any]) -> None:
    late, other = replicas.replicas
    replicas.delay(late, HOUR)
    write(replicas.primary, "one")
    replicas.caught_up(other)
    assert notes(other) == ["one"]
    assert notes(late) == []
    replicas.delay(late, 0)
    replicas.caught_up(late)
    assert notes(late) == ["one"]


def test_a_paused_replica_lags(replicas: ReplicaSet[Any]) -> None:
    late, other = replicas.replicas
    replicas.pause_replay(late)
    write(replicas.primary, "one")
    replicas.caught_up(other)
    assert notes(late) == []
    replicas.resume_replay(late)
    replicas.caught_up(late)
    assert notes(late) == ["one"]


def test_a_frozen_node_does_not_answer(replicas: ReplicaSet[Any]) -> None:
    def does_not_answer(node: Node) -> None:
        with pytest.raises(AskError, match="timeout|reading|[Ll]ost connection"):
            node.ask("SELECT 1", seconds=2)

    for node in replicas.nodes:
        replicas.freeze(node)
    replicas.each(replicas.nodes, does_not_answer)
    for node in replicas.nodes:
        replicas.thaw(node)
        assert node.answers()


def test_a_killed_node_is_gone_and_comes_back(replicas: ReplicaSet[Any]) -> None:
    write(replicas.primary, "one")
    for node in replicas.nodes:
        pid = node.pid
        replicas.kill(node)
        assert not is_alive(pid) and not node.is_running
        with pytest.raises(AskError):
            node.ask("SELECT 1")
        replicas.start(node)
        assert node.answers()
    for node in replicas.replicas:
        replicas.caught_up(node)
        assert notes(node) == ["one"]


def test_a_cut_replica_gets_nothing(replicas: ReplicaSet[Any]) -> None:
    cut, other = replicas.replicas
    replicas.cut(cut)
    write(replicas.primary, "one")
    replicas.caught_up(other)
    assert notes(cut) == []
    replicas.heal(cut)
    replicas.caught_up(cut)
    assert notes(cut) == ["one"]


def test_a_cut_primary_sends_nothing(replicas: ReplicaSet[Any]) -> None:
    replicas.cut(replicas.primary)
    write(replicas.primary, "one")
    for node in replicas.replicas:
        assert notes(node) == []
    replicas.heal(replicas.primary)
    for node in replicas.replicas:
        replicas.caught_up(node)


def test_a_synchronous_commit_waits_for_a_replica(replicas: ReplicaSet[Any]) -> None:
    if not replicas.can_be_synchronous:
        with pytest.raises(NotImplementedError):
            replicas.synchronous(True)
        return
    replicas.synchronous(True)
    write(replicas.primary, "one")
    for node in replicas.replicas:
        replicas.freeze(node)
    writer = threading.Thread(target=write, args=(replicas.primary, "two"))
    writer.start()
    try:
        poll("a commit that waits", lambda: replicas.commits_waiting() == 1)
        replicas.thaw(replicas.replicas[0])
    finally:
        for node in replicas.replicas:
            replicas.thaw(node)
        writer.join()
    replicas.synchronous(False)
    assert replicas.commits_waiting() == 0


def test_whatever_was_done_is_mended(replicas: ReplicaSet[Any]) -> None:
    first, second = replicas.replicas
    if replicas.can_be_synchronous:
        replicas.synchronous(True)
    replicas.cut(first)
    replicas.delay(second, HOUR)
    replicas.freeze(second)
    replicas.kill(replicas.primary)
    replicas.mend()
    write(replicas.primary, "one")
    for node in replicas.replicas:
        replicas.caught_up(node)
        assert notes(node) == ["one"]


def test_the_urls_lead_to_the_nodes(replicas: ReplicaSet[Any]) -> None:
    assert [f":{node.port}" in replicas.url for node in replicas.nodes] == [True] * 3
    assert replicas.primary.url.startswith(f"{replicas.kind}://millpond:")
    assert replicas.proxy_url.count(",") == 2
    assert f":{replicas.primary.proxy.port}/" in replicas.primary.proxy_url


# ---- The end -----------------------------------------------------------------------------

STARTS_AND_IS_KILLED = """
import os, signal, sys
import replicas
started = replicas.SETS[sys.argv[1]]()
print(started.folder, *(node.pid for node in started.nodes), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ("postgres15", "mariadb"))
def test_nothing_runs_on_after_a_killed_program(name: str) -> None:
    command = [sys.executable, SUPPORT / "running.py", sys.executable, "-c", STARTS_AND_IS_KILLED]
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    done = subprocess.run(
        [*command, name], env=environment, capture_output=True, text=True, check=False
    )
    folder, *pids = done.stdout.split()
    assert len(pids) == 3, done.stderr
    assert not any(is_alive(int(pid)) for pid in pids)
    assert os.path.basename(folder) not in subprocess.check_output(["ps", "ax"], text=True)
    shutil.rmtree(folder)


def test_a_command_runs_beside_a_set() -> None:
    show = 'for url in $MILLPOND_TEST_REPLICAS_POSTGRES; do psql -XAtc "$0" ${url/es:/esql:}; done'
    command = [sys.executable, SUPPORT / "replicas.py", "postgres15", "bash", "-c", show]
    done = subprocess.run(
        [*command, "SELECT pg_is_in_recovery()"], capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.returncode) == (["f", "t", "t"], 0), done.stderr


FAIL_OVER = """
set -e
tell() { python3 "$0" tell "$@"; }
tell kill node1
tell promote node2
tell rejoin node1
tell delay node3 0.5
tell urls
if tell promote node9; then exit 9; fi
"""


def test_a_command_may_have_things_done_to_the_nodes() -> None:
    script = SUPPORT / "replicas.py"
    command = [sys.executable, script, "postgres15", "bash", "-c", FAIL_OVER, script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    urls = done.stdout.split()
    assert len(set(urls)) == 3 and all(url.startswith("postgres://millpond:") for url in urls)
    assert "there is no node9" in done.stderr
