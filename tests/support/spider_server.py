#!/usr/bin/env python3
"""MariaDB's Spider over two MariaDB servers of our own, as long as a command runs.

    spider_server.py COMMAND [ARGUMENT ...]

Found through MILLPOND_TEST_MYSQL, as mariadb_server.py: the server with the plugin, which keeps no
rows of Spider's tables itself. Its servers `shard1` and `shard2` are the others, whose addresses
are in `shards`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import ask
import mariadb_server
import mysqld
import running
from daemons import poll

SERVER = """
CREATE SERVER {name} FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1', PORT {port},
DATABASE '{database}', USER '{user}', PASSWORD '{password}')
"""


def partitions(table: str) -> str:
    """What makes a table Spider's, its rows on either shard by the hash of their key."""
    shards = ", ".join(
        f'PARTITION p{at} COMMENT = \'server "shard{at}", table "{table}"\'' for at in (1, 2)
    )
    return f"ENGINE=SPIDER COMMENT='wrapper \"mysql\"' PARTITION BY KEY (id) ({shards})"


@contextlib.contextmanager
def spider() -> Iterator[dict[str, Any]]:
    program = [mysqld.find_program("mariadbd", mariadb_server.PACKAGE), "--no-defaults"]
    # without it several upserts in one statement fail
    command = [*program, "--plugin-load-add=ha_spider", "--spider-direct-dup-insert=1"]
    with mysqld.server("MariaDB", mariadb_server.initialise, command) as address:
        yield {**address, "engine": "spider"}


def is_spider_ready(address: dict[str, Any]) -> bool:
    """The plugin makes its tables once the server runs."""
    with contextlib.suppress(ask.AskError):
        loaded = "SELECT support FROM information_schema.engines WHERE engine = 'SPIDER'"
        tables = "SELECT count(*) > 0 FROM information_schema.tables WHERE table_schema = 'mysql' "
        tables += "AND table_name = 'spider_tables'"
        return ask.ask_mysql(address, loaded) == [("YES",)] and ask.ask_mysql(address, tables) == [
            ("1",)
        ]
    return False


@contextlib.contextmanager
def server() -> Iterator[dict[str, Any]]:
    with mariadb_server.server() as one, mariadb_server.server() as two, spider() as address:
        poll("Spider", lambda: is_spider_ready(address))
        for name, shard in (("shard1", one), ("shard2", two)):
            ask.ask_mysql(address, SERVER.format(name=name, **shard))
        yield {**address, "shards": [one, two]}


if __name__ == "__main__":
    running.main(__doc__, server, "MILLPOND_TEST_MYSQL")
