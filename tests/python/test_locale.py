"""A program whose locale writes a comma where others write a point."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import KINDS
from programs import Programs

pytestmark = pytest.mark.once

PROGRAM = """
import locale
from decimal import Decimal

locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
assert locale.localeconv()["decimal_point"] == ","
number = {"postgres": "double precision", "mysql": "double", "sqlite": "double"}
exact = {"postgres": "numeric(9, 2)", "mysql": "decimal(9, 2)", "sqlite": "decimal"}
rows = [(1, 0.1, Decimal("2.50")), (2, -1.5e-7, Decimal("-3.25")), (3, 1.5e300, None)]

def work(conn, kind):
    conn.execute("DROP TABLE IF EXISTS commas")
    conn.execute(f"CREATE TABLE commas (id integer, a {number[kind]}, b {exact[kind]})")
    conn.executemany("INSERT INTO commas VALUES (?, ?, ?)", rows)
    assert conn.execute("SELECT id, a, b FROM commas ORDER BY id") == rows
    assert conn.execute("SELECT id FROM commas WHERE a = ?", (0.1,)) == [(1,)]
    assert conn.fetch_value("SELECT 2.5 * a FROM commas WHERE id = 1") == 0.25
    fields = {"weight": 0.25, "tags": [1.5, {"a": 0.1}]}
    entity = conn.save_entity("comma", fields, deserialize=True)
    conn.save_entities("comma", [{"weight": 0.125 * i} for i in range(1, 4)])
    found = conn.get_entity("comma", entity["id"], deserialize=True)
    assert (found["weight"], found["tags"]) == (0.25, [1.5, {"a": 0.1}])
    assert conn.count_entities("comma", "weight = ?", (0.375,)) == 1

for settings in ({}, {"prepared_statements": False}):
    kind = json.loads(os.environ["MILLPOND_TEST_PROGRAM"])[0]
    if kind != "postgres" and settings:
        continue
    with open_db(connection_acquisition_timeout=7.5, pool_idle_timeout=30.25, **settings) as db:
        with db.sync_connection() as conn:
            conn.execute("DROP TABLE IF EXISTS comma")
            conn.execute("DROP TABLE IF EXISTS comma_history")
            conn.execute("DROP TABLE IF EXISTS comma_meta")
            work(conn, kind)
say("done")
"""


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_written_with_a_point_all_the_same(
    databases: Any, kind: str, programs: Programs, locales: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCPATH", str(locales))
    assert programs(PROGRAM, kind, databases.settings(kind)).end() == (0, ["done"], "")
