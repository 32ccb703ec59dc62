"""The pytest plugin: what a project's own tests see of it."""

from pathlib import Path
from typing import Any

import millpond
import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest
from millpond import UniqueViolationError

pytestmark = [pytest.mark.slow, pytest.mark.once]

@pytest.mark.parametrize("turn", [1, 2])
async def test_async(millpond_conn, turn):
    conn = millpond_conn
    await conn.execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(UniqueViolationError):
        async with conn.transaction():
            await conn.execute("INSERT INTO kept VALUES (2)")
            await conn.execute("INSERT INTO kept VALUES (1)")
    assert await conn.fetch_all("SELECT id FROM kept") == [(1,)]

@pytest.mark.parametrize("turn", [1, 2])
def test_sync(millpond_sync_conn, turn):
    millpond_sync_conn.execute("INSERT INTO kept VALUES (1)")
    assert millpond_sync_conn.fetch_value("SELECT count(*) FROM kept") == 1
"""


def run(pytester: pytest.Pytester, *arguments: str) -> Any:
    pytester.makeini("[pytest]\nasyncio_mode = auto")
    pytester.makepyfile(TESTS)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def test_each_test_is_rolled_back(pytester: pytest.Pytester, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    with millpond.connect(url) as db, db.sync_connection() as conn:
        conn.execute("CREATE TABLE kept (id integer PRIMARY KEY)")
    run(pytester, "--millpond-url", url).assert_outcomes(passed=4)
    with millpond.connect(url) as db, db.sync_connection() as conn:
        assert conn.fetch_value("SELECT count(*) FROM kept") == 0


def test_without_a_url_the_fixture_says_what_to_do(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MILLPOND_URL", raising=False)
    result = run(pytester)
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["*override millpond_url, or give --millpond-url*"])
