"""What MySQL's driver says of Galera's nodes: each may be ahead of the others for a while."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from probe import GALERA, PRIMARY, READ_WRITE, Probe, noted
from replica_set import Node, ReplicaSet

pytestmark = pytest.mark.once
Open = Callable[[Node], Probe]

COMMITTED = "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'"
IDENTITY = "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_state_uuid'"
ETIMEDOUT = -14
ROWS = 100_000  # so many that the other nodes apply them for some time


@pytest.fixture(autouse=True)
def table(galera: ReplicaSet[Any]) -> None:
    galera.primary.ask("DROP TABLE IF EXISTS many")
    galera.primary.ask("CREATE TABLE many (n int PRIMARY KEY)")


@pytest.fixture
def probe() -> Iterator[Open]:
    """probe(node): a connection to it, as a user who may do anything with one database."""
    with ExitStack() as stack:

        def open_probe(node: Node) -> Probe:
            names = ("host", "port", "password", "database")
            where = {name: node.address[name] for name in names}
            opened = Probe("mysql", user="millpond", **where)
            assert opened.opened["code"] == 0, opened.opened
            return stack.enter_context(opened)

        yield open_probe


def status(node: Node, question: str) -> str:
    return node.ask_server(question)[0][1] or ""


def write_many(galera: ReplicaSet[Any], node: Node) -> int:
    """One big commit at a node; the number that it has in the cluster."""
    galera.caught_up(node)
    node.ask(f"INSERT INTO many SELECT seq FROM seq_1_to_{ROWS}")
    return int(status(node, COMMITTED))


def test_a_node_reports_what_it_is(galera: ReplicaSet[Any], probe: Open) -> None:
    report = probe(galera.replicas[0]).report()
    assert report["role"] == PRIMARY | READ_WRITE
    assert report["ready"] and report["streaming"] and report["multi_writer"]
    assert report["identity"] == status(galera.primary, IDENTITY)


def test_a_report_names_all_that_any_node_has_committed(
    galera: ReplicaSet[Any], probe: Open
) -> None:
    asked = probe(galera.primary)
    number = write_many(galera, galera.replicas[0])
    kind, position = asked.report()["position"]
    assert kind == GALERA
    assert int(position) >= number


def test_a_node_waits_for_what_another_has_committed(galera: ReplicaSet[Any], probe: Open) -> None:
    asked = probe(galera.primary)
    for _ in range(3):
        galera.primary.ask("TRUNCATE many")
        number = write_many(galera, galera.replicas[0])
        assert asked.wait_for((GALERA, str(number)), 60000)["code"] == 0
        assert asked.rows("SELECT count(*) FROM many") == [[ROWS]]
    outcome = asked.wait_for((GALERA, str(number + 1000)), 60000)
    assert outcome["code"] == ETIMEDOUT and outcome["usable"]


def test_the_number_of_a_commit_is_left_to_reports(galera: ReplicaSet[Any], probe: Open) -> None:
    """What a node's own binary log counts is no position of the cluster."""
    writer = probe(galera.primary)
    writer.track()
    for number in range(3):
        assert noted(writer.execute(f"INSERT INTO many VALUES ({number})")) is None
