"""Read-only sessions of SQLite, which has no replicas."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from probe import Probe

pytestmark = pytest.mark.once
WRITE = "INSERT INTO t VALUES (1)"
REFUSED = "25006"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data.db"
    with Probe("sqlite", database=path) as conn:
        conn.execute("CREATE TABLE t (n int)")
        yield path


def test_a_read_only_session_refuses_writes_until_it_is_as_before(path: Path) -> None:
    with Probe("sqlite", database=path) as conn:
        for _ in range(2):
            conn.do("read_only on")
            for line in (f"execute {WRITE}", "many 2 INSERT INTO t VALUES (?)"):
                assert conn.ask(line)["sqlstate"] == REFUSED
            assert conn.rows("SELECT count(*) FROM t WHERE n = 7") == [[0]]
            conn.do("read_only off")
            conn.execute(WRITE)


def test_a_session_may_be_read_only_from_the_start(path: Path) -> None:
    with Probe("sqlite", database=path, session_read_only="yes") as conn:
        conn.do("read_only off")
        assert conn.ask(f"execute {WRITE}")["sqlstate"] == REFUSED


def test_its_transactions_wait_for_no_writer(path: Path) -> None:
    with Probe("sqlite", database=path) as writer, Probe("sqlite", database=path) as reader:
        writer.do("begin")
        writer.execute(WRITE)
        reader.do("read_only on")
        reader.do("begin")
        assert reader.rows("SELECT count(*) FROM t") == [[0]]
        reader.do("commit")
        writer.do("commit")


def test_a_file_is_ready_and_has_no_position(path: Path) -> None:
    with Probe("sqlite", database=path) as conn:
        report = conn.report()
        assert report["ready"] and report["streaming"] and report["position"] is None
