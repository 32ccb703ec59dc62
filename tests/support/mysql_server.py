#!/usr/bin/env python3
"""A MySQL 8 server of our own, in a temporary folder, for as long as a command runs.

    mysql_server.py COMMAND [ARGUMENT ...]

As mariadb_server.py, and found through the same variable, MILLPOND_TEST_MYSQL. The programs are
those that tests/support/servers.sh puts into build/servers/mysql.
"""

import contextlib
import os
import sys
from typing import Any

import mysqld
import running

PROGRAMS = os.path.abspath("build/servers/mysql")
COMMAND = [f"{PROGRAMS}/bin/mysqld", "--no-defaults", f"--basedir={PROGRAMS}"]


def must_be_there() -> None:
    if not os.path.exists(COMMAND[0]):
        sys.exit(f"{COMMAND[0]} is not there: run the tests through tests/run")


def initialise(folder: str) -> None:
    data = [*mysqld.folder_options(folder), f"--log-error={folder}/initialise.log"]
    mysqld.run([*COMMAND, *data, "--initialize-insecure", *mysqld.user_option()])


def server(
    tls: bool = False, durable: bool = False
) -> contextlib.AbstractContextManager[dict[str, Any]]:
    must_be_there()
    return mysqld.server("MySQL", initialise, [*COMMAND, "--mysqlx=0"], tls, durable)


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_MYSQL")
