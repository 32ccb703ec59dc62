#!/usr/bin/env python3
"""A MariaDB server of our own, in a temporary folder, for as long as a command runs.

    mariadb_server.py COMMAND [ARGUMENT ...]

The command finds the server through MILLPOND_TEST_MYSQL, a JSON object with server (its name),
host, port, user, password, database, socket (the path of the Unix socket) and data (its folder).
The user may do anything. The server is stopped when the command ends, however it ends.
"""

import contextlib
from typing import Any

import mysqld
import running

PACKAGE = "mariadb-server-core"


def initialise(folder: str) -> None:
    mysqld.run(
        [
            mysqld.find_program("mariadb-install-db", PACKAGE),
            *("--no-defaults", *mysqld.folder_options(folder), "--skip-test-db"),
            *("--auth-root-authentication-method=normal", "--skip-name-resolve"),
            *mysqld.user_option(),
        ]
    )


def server(
    tls: bool = False, durable: bool = False
) -> contextlib.AbstractContextManager[dict[str, Any]]:
    program = mysqld.find_program("mariadbd", PACKAGE)
    return mysqld.server("MariaDB", initialise, [program, "--no-defaults"], tls, durable)


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_MYSQL")
