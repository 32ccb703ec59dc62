"""The Galera cluster itself: nodes that come and go."""

from typing import Any

import pytest
from ask import AskError
from daemons import is_alive, poll
from replica_set import Node, ReplicaSet

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def table(galera: ReplicaSet[Any]) -> None:
    galera.primary.ask("DROP TABLE IF EXISTS notes")
    galera.primary.ask("CREATE TABLE notes (text varchar(100) PRIMARY KEY)")


def notes(galera: ReplicaSet[Any], node: Node) -> list[str | None]:
    galera.caught_up(node)
    return [text for (text,) in node.ask("SELECT text FROM notes ORDER BY text")]


def test_what_any_node_commits_arrives_at_all(galera: ReplicaSet[Any]) -> None:
    for node in galera.nodes:
        galera.caught_up(node)
        node.ask(f"INSERT INTO notes VALUES ('{node.name}')")
    for node in galera.nodes:
        assert notes(galera, node) == ["node1", "node2", "node3"]


def test_a_killed_node_comes_back_with_what_it_missed(galera: ReplicaSet[Any]) -> None:
    gone, other = galera.replicas
    pid = gone.pid
    galera.kill(gone)
    assert not is_alive(pid)
    poll("a cluster without it", lambda: other.status_of("cluster_size") == "2")
    other.ask("INSERT INTO notes VALUES ('missed')")
    galera.start(gone)
    assert notes(galera, gone) == ["missed"]


def test_a_frozen_node_does_not_answer(galera: ReplicaSet[Any]) -> None:
    frozen = galera.replicas[0]
    galera.freeze(frozen)
    with pytest.raises(AskError):
        frozen.ask("SELECT 1", seconds=2)
    galera.thaw(frozen)
    galera.rejoin(frozen)
    assert notes(galera, frozen) == []


def test_a_node_that_is_cut_off_refuses_statements(galera: ReplicaSet[Any]) -> None:
    alone, other = galera.replicas
    galera.cut(alone)
    with pytest.raises(AskError, match="not yet prepared"):
        alone.ask("SELECT text FROM notes")
    other.ask("INSERT INTO notes VALUES ('missed')")
    galera.heal(alone)
    galera.rejoin(alone)
    assert notes(galera, alone) == ["missed"]


def test_a_paused_node_lags(galera: ReplicaSet[Any]) -> None:
    late, other = galera.replicas
    galera.caught_up(late)
    galera.pause_replay(late)
    galera.primary.ask("INSERT INTO notes VALUES ('one')")
    assert notes(galera, other) == ["one"]
    assert late.ask("SELECT text FROM notes") == []
    galera.resume_replay(late)
    assert notes(galera, late) == ["one"]


def test_a_cluster_whose_nodes_all_died_is_mended(galera: ReplicaSet[Any]) -> None:
    galera.primary.ask("INSERT INTO notes VALUES ('one')")
    for node in galera.nodes:
        galera.caught_up(node)
        galera.kill(node)
    galera.mend()
    for node in galera.nodes:
        assert notes(galera, node) == ["one"]
