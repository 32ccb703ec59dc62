#!/usr/bin/env python3
"""A primary and two replicas of our own, in a temporary folder, for as long as a command runs.

    replicas.py NAME COMMAND [ARGUMENT ...]

NAME is one of: {names}.

The command finds the nodes' URLs, the primary's first and with spaces between them, in a variable:
MILLPOND_TEST_REPLICAS_POSTGRES or MILLPOND_TEST_REPLICAS_MYSQL. For a try by hand, from the top
folder:

    python3 tests/support/replicas.py postgres15 bash
    psql $(echo $MILLPOND_TEST_REPLICAS_POSTGRES | cut -d" " -f1)

All is stopped when the command ends, however it ends. Tests have the same sets as objects: see
ReplicaSet in replica_set.py, and the fixtures of tests/replicas/conftest.py.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import running
from galera_cluster import GaleraCluster
from mysql_replicas import MariadbReplicas, Mysql8Replicas
from postgres_replicas import Postgres18Replicas, PostgresReplicas
from replica_set import ReplicaSet

SETS: dict[str, Callable[[], ReplicaSet[Any]]] = {
    "postgres15": PostgresReplicas,
    "postgres18": Postgres18Replicas,
    "mariadb": MariadbReplicas,
    "mysql8": Mysql8Replicas,
}
# Those without roles: each node takes writes.
CLUSTERS: dict[str, Callable[[], ReplicaSet[Any]]] = {
    "galera": GaleraCluster,
}
ALL = SETS | CLUSTERS


def main() -> None:
    usage = str(__doc__).format(names=", ".join(ALL))
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in ALL:
        sys.exit(usage)

    @contextlib.contextmanager
    def urls() -> Iterator[str]:
        with ALL[name]() as started:
            yield " ".join(node.url for node in (started.primary, *started.replicas))

    kind = "POSTGRES" if name.startswith("postgres") else "MYSQL"
    running.main(usage, urls, f"MILLPOND_TEST_REPLICAS_{kind}")


if __name__ == "__main__":
    main()
