"""The command `millpond`, as a program and at a terminal."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import millpond
import pytest
from terminal import MILLPOND, Terminal

pytestmark = pytest.mark.once


def run(
    *arguments: str, text: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MILLPOND, *arguments],
        capture_output=True,
        text=True,
        input=text,
        timeout=180,
        env={**os.environ, **variables},
    )


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def without_notices(errors: str) -> str:
    """What PostgreSQL says of a DROP is no error."""
    return re.sub(r"^notice: .*\n", "", errors, flags=re.M)


# ---- Commands ----------------------------------------------------------------------------


def test_ping_times_a_round_trip(url: str) -> None:
    shown = run("ping", url)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^server +\S+", shown.stdout, re.M)
    facts = json.loads(run("ping", url, "--json", "--count", "5").stdout)
    assert facts["connect_ms"] >= 0
    assert 0 < facts["round_trip_ms"] <= facts["worst_ms"]


def test_status_shows_server_and_pool(url: str) -> None:
    facts = json.loads(run("status", url, "--json").stdout)
    assert facts["pool"]["size"] >= facts["pool"]["in_use"] + facts["pool"]["idle"]
    assert facts["metrics"]["total_acquired"] == 1
    shown = run("status", url).stdout
    assert re.search(r"^max_size +\d+$", shown, re.M)
    assert re.search(r"^connect +1 times, mean [\d.e+]+ ms, ", shown, re.M)
    assert re.search(r"^scaling +normal load: no action needed$", shown, re.M)
    assert "{" not in shown  # dicts are for --json


def test_a_script_may_have_several_statements_on_a_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/script.db"
    script = (
        "CREATE TABLE a (b text); INSERT INTO a VALUES ('x;y'); -- a; comment\n"
        "SELECT b FROM a; ;\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 1; DELETE FROM a; END;\n"
        "SELECT 'two\nlines;'\n;\n"
        "SELECT count(*) AS n FROM sqlite_schema"
    )
    done = run("shell", url, "--json", text=script)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[2:] == [
        [{"b": "x;y"}],
        {"rowcount": 0},
        [{"'two\nlines;'": "two\nlines;"}],
        [{"n": 2}],
    ]


SCRIPTS = {
    "sqlite": (
        "CREATE INDEX script_a ON script_event (begin); CREATE INDEX script_b ON "
        "script_event (begin);\n"
        "CREATE TRIGGER script_t AFTER INSERT ON script_event\nBEGIN\n"
        "  UPDATE script_event SET begin = 1;\n  SELECT CASE WHEN 1 THEN 2 END;\nEND;\n"
        "INSERT INTO script_event VALUES (5);\n"
    ),
    "postgres": (
        "CREATE INDEX script_a ON script_event (begin); CREATE INDEX script_b ON "
        "script_event (begin);\n"
        "CREATE FUNCTION script_f() RETURNS int BEGIN ATOMIC\n"
        "  SELECT 1;\n  SELECT CASE WHEN true THEN 1 END;\nEND;\n"
        "CREATE RULE script_r AS ON DELETE TO script_event DO ALSO (\n  SELECT ')';\n"
        "  SELECT script_f() -- ;\n);\n"
        "INSERT INTO script_event SELECT script_f(); DROP FUNCTION script_f CASCADE;\n"
    ),
    "mysql": (
        "CREATE INDEX script_a ON script_event (begin); CREATE INDEX script_b ON "
        "script_event (begin);\n"
        "CREATE TRIGGER script_t BEFORE INSERT ON script_event FOR EACH ROW "
        "IF 1 THEN SET NEW.`begin` = 0; SET NEW.`begin` = NEW.`begin` + 1; END IF;\n"
        "INSERT INTO script_event VALUES (5);\n"
    ),
}


def test_a_script_may_have_bodies_with_semicolons(kind: str, url: str) -> None:
    script = (
        "DROP TABLE IF EXISTS script_event; CREATE TABLE script_event (begin integer);\n"
        f"{SCRIPTS[kind]}SELECT * FROM script_event;\nDROP TABLE script_event"
    )
    done = run("shell", url, "--json", text=script)
    assert (done.returncode, without_notices(done.stderr)) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [{"begin": 1}] in answers


def test_json_may_stand_at_the_end(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.db"
    assert run("entities", url, "list", "--json").stdout == "[]\n"
    assert run("entities", "--json", url, "list").stdout == "[]\n"
    assert run("--json", "entities", url, "list").stdout == "[]\n"
    assert run("--json", "shell", url, "-c", "SELECT 1 AS a").stdout == '[{"a": 1}]\n'


async def save_and_delete(url: str) -> None:
    db = millpond.connect(url)
    async with db.async_connection() as conn:
        for table in ("cli_fish", "cli_fish_history", "cli_fish_meta"):
            await conn.execute(f"DROP TABLE IF EXISTS {table}")
        await conn.save_entity("cli_fish", {"id": "f1", "name": "pike"}, user_id="ada")
        await conn.save_entity("cli_fish", {"id": "f1", "name": "zander"}, comment="renamed")
        await conn.save_entity("cli_fish", {"id": "f2", "name": "carp"})
        await conn.delete_entity("cli_fish", "f2")
    await millpond.PoolManager.close_pool(config_hash=db.hash())


def test_entities_are_listed_and_shown_and_their_history_is_told_as_changes(url: str) -> None:
    asyncio.run(save_and_delete(url))
    assert {"entity": "cli_fish", "count": 1} in json.loads(
        run("entities", url, "list", "--json").stdout
    )
    one = json.loads(run("entities", url, "show", "cli_fish", "f1", "--json").stdout)
    assert (one["id"], one["name"], one["version"]) == ("f1", "zander", 2)
    assert re.search(r"^name +zander$", run("entities", url, "show", "cli_fish", "f1").stdout, re.M)
    shown = json.loads(run("entities", url, "show", "cli_fish", "--json").stdout)
    assert [entity["id"] for entity in shown] == ["f1"]
    shown = json.loads(run("entities", url, "show", "cli_fish", "--deleted", "--json").stdout)
    assert sorted(entity["id"] for entity in shown) == ["f1", "f2"]
    told = json.loads(run("entities", url, "history", "cli_fish", "f1", "--json").stdout)
    assert [version["version"] for version in told] == [1, 2]
    assert told[1]["changes"] == {"name": ["pike", "zander"]}
    lines = run("entities", url, "history", "cli_fish", "f1").stdout
    assert re.search(r"^version 1, .*, ada$", lines, re.M)
    assert re.search(r"^version 2, .*: renamed\n  - name: pike\n  \+ name: zander$", lines, re.M)


@pytest.mark.parametrize("action", ["show", "history"])
def test_an_entity_that_is_not_there_is_named(file_url: str, action: str) -> None:
    done = run("entities", file_url, action, "cli_none", "f9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "millpond: error: " in done.stderr
    assert "cli_none 'f9'" in done.stderr


def test_bench_counts_statements(url: str) -> None:
    arguments = ("bench", url, "--seconds", "0.5", "--tasks", "3", "--sql", "SELECT 2")
    facts = json.loads(run(*arguments, "--json").stdout)
    assert facts["statements"] > 0
    assert facts["p50_ms"] <= facts["p95_ms"] <= facts["p99_ms"]
    assert "per_second" in run(*arguments).stdout


def test_the_shell_executes_a_script(url: str) -> None:
    script = "DROP TABLE IF EXISTS cli_things;\nCREATE TABLE cli_things (id integer,\n n text);\n"
    script += "INSERT INTO cli_things VALUES (1, 'x'), (2, NULL);\n"
    script += "SELECT id, n FROM cli_things ORDER BY id;\n\\d\n\\q\n"
    shown = run("shell", url, text=script)
    assert (shown.returncode, without_notices(shown.stderr)) == (0, "")
    assert re.search(r"^id  n\n--  ----\n1   x\n2   NULL$", shown.stdout, re.M)
    assert "cli_things" in shown.stdout.split("2   NULL")[1]


def test_one_statement_as_json(file_url: str) -> None:
    shown = run("shell", file_url, "--json", "-c", "SELECT 1 AS a, x'00ff' AS b, NULL AS c")
    assert json.loads(shown.stdout) == [{"a": 1, "b": "00ff", "c": None}]


# ---- Exit codes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ping", "postgres://127.0.0.1:1/x"], 1, "millpond: error: .*refused"),
        (["ping", "nothing"], 2, "millpond: error: .*must begin with the scheme"),
        (["ping", "sqlite:///x?nonsense=1"], 2, 'millpond: error: .*no setting "nonsense"'),
        (["frob", "sqlite:///x"], 2, "invalid choice"),
        ([], 2, "required: COMMAND"),
        (["shell", "sqlite:///:memory:", "-c", "SELEC 1"], 1, "error: .*SELEC"),
    ],
)
def test_what_fails_says_so_on_standard_error(
    arguments: list[str], code: int, message: str
) -> None:
    shown = run(*arguments)
    assert (shown.returncode, shown.stdout) == (code, "")
    assert re.search(message, shown.stderr)
    assert "Traceback" not in shown.stderr


def test_a_failing_script_exits_with_1_and_goes_on(file_url: str) -> None:
    shown = run("shell", file_url, text="SELECT * FROM nowhere;\nSELECT 7 AS seven;\n")
    assert shown.returncode == 1
    assert "nowhere" in shown.stderr
    assert "seven" in shown.stdout


def test_the_version_is_the_package_s() -> None:
    assert run("--version").stdout.strip() == f"millpond {millpond.__version__}"


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).with_name("millpond")
    shown = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert shown.stdout.startswith("millpond ")


# ---- At a terminal -----------------------------------------------------------------------


def test_an_interrupt_ends_a_command(file_url: str, tmp_path: Path) -> None:
    terminal = Terminal("bench", file_url, "--seconds", "600", home=tmp_path)
    terminal.until("running")
    terminal.send(signal.SIGINT)
    assert terminal.wait() == 130


def test_nodes_shows_each_server(url: str) -> None:
    (node,) = json.loads(run("nodes", url, "--json").stdout)
    assert node["role"] == "primary"
    assert node["is_primary"] is True
    shown = run("nodes", url)
    assert shown.returncode == 0, shown.stderr
    heads, _, row = shown.stdout.splitlines()
    assert heads.split()[:3] == ["node", "role", "region"]
    assert " primary " in row
    assert json.loads(run("status", url, "--json").stdout)["nodes"][0]["role"] == "primary"


def test_nodes_can_be_watched(url: str) -> None:
    with subprocess.Popen(
        [*MILLPOND, "nodes", "--watch", "--every", "0.1", url], stdout=subprocess.PIPE, text=True
    ) as watched:
        assert watched.stdout is not None
        shown = [watched.stdout.readline() for _ in range(9)]
        watched.send_signal(signal.SIGINT)
        watched.stdout.read()
    assert watched.returncode == 130
    assert [line.split()[:1] for line in shown[::3]] == [["node"]] * 3
    assert run("nodes", "--every", "0", url).returncode == 2
