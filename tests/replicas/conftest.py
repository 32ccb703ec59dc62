"""Fixtures of tests/replicas: real servers that replicate. replicas.SETS and
CLUSTERS name the sets.

A set is started when the first test wants it, and shared by all; after each test it is mended:
all nodes run, two follow the primary, which need not be the first node.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from replica_set import ReplicaSet
from replicas import ALL, SETS

Sets = Callable[[str], ReplicaSet[Any]]


class Started:
    """The sets that run."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._sets: dict[str, ReplicaSet[Any]] = {}

    def get(self, name: str) -> ReplicaSet[Any]:
        if name not in self._sets:
            self._sets[name] = self._stack.enter_context(ALL[name]())
        return self._sets[name]

    def mend(self, name: str) -> None:
        """What cannot be mended is ended; the next test gets a new one."""
        if name not in self._sets:
            return  # it did not start
        try:
            self._sets[name].mend()
        except Exception as error:
            print(f"{name} is started anew, as mending it failed: {error!r}", file=sys.stderr)
            self._sets.pop(name).close()


@pytest.fixture(scope="session")
def started_sets() -> Iterator[Started]:
    with contextlib.ExitStack() as stack:
        yield Started(stack)


@pytest.fixture
def replica_sets(started_sets: Started) -> Iterator[Sets]:
    """replica_sets(name): for tests that want several."""
    used: set[str] = set()

    def get(name: str) -> ReplicaSet[Any]:
        used.add(name)
        return started_sets.get(name)

    yield get
    for name in used:
        started_sets.mend(name)


@pytest.fixture(params=SETS)
def set_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def replicas(set_name: str, replica_sets: Sets) -> ReplicaSet[Any]:
    """Each of the sets that have a primary and replicas."""
    return replica_sets(set_name)


@pytest.fixture
def postgres_replicas(replica_sets: Sets) -> ReplicaSet[Any]:
    return replica_sets("postgres15")


@pytest.fixture
def galera(replica_sets: Sets) -> ReplicaSet[Any]:
    return replica_sets("galera")
