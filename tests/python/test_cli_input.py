"""`millpond` where no terminal is: addresses, scripts, hostile values, pipes."""

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from addresses import url_of
from conftest import KINDS
from terminal import MILLPOND
from test_cli import run, without_notices

pytestmark = pytest.mark.once

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
EVIL = "\x1b]0;owned\x07\x1b[31m\x9b1m\u202e\x7f"
SHOWN = r"\x1b]0;owned\x07\x1b[31m\u009b1m\u202e\x7f"
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def table(db: Any) -> Iterator[str]:
    name = f"fish_{uuid.uuid4().hex[:8]}"
    with db.sync_connection() as conn:
        conn.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, name varchar(60))")
        conn.execute(f"INSERT INTO {name} VALUES (1, ?)", (EVIL,))
    yield name
    with db.sync_connection() as conn:
        conn.execute(f"DROP TABLE {name}")


# ---- The address -------------------------------------------------------------------------


def test_the_url_may_come_from_standard_input(url: str) -> None:
    done = run("shell", "-", "--json", text=f"{url}\nSELECT 7 AS seven;\n")
    assert (done.stdout, done.stderr, done.returncode) == ('[{"seven": 7}]\n', "", 0)
    assert run("ping", "-", text=url).returncode == 0


def test_the_url_may_come_from_the_environment(url: str) -> None:
    assert run("ping", MILLPOND_URL=url).returncode == 0
    assert "entity" in run("entities", "list", MILLPOND_URL=url).stdout
    assert "entity" in run("entities", url, "list", MILLPOND_URL="nonsense").stdout
    done = run("shell", "--json", "-c", "SELECT 1 AS a", MILLPOND_URL=url)
    assert done.stdout == '[{"a": 1}]\n'
    done = run("ping")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no database was given: pass its URL, or set MILLPOND_URL" in done.stderr


def test_the_password_may_come_from_the_environment(kind: str, databases: Any) -> None:
    password = databases.settings(kind).get("password") or "none"
    bare = url_of(kind, databases).replace(f":{password}@", "@")
    done = run("ping", bare, MILLPOND_PASSWORD=password)
    assert done.returncode == 0, done.stderr
    if kind != "sqlite":
        done = run("ping", bare, MILLPOND_PASSWORD="wrong")
        assert done.returncode == 1
        assert "Password for" not in done.stderr  # nobody is there to answer


# ---- Scripts -----------------------------------------------------------------------------


def test_arguments_may_have_several_statements_and_commands(url: str, table: str) -> None:
    script = f"UPDATE {table} SET name = 'pike'; SELECT name FROM {table} -- ;\n; \\d {table}"
    done = run("shell", url, "-c", script, "-c", f"SELECT 'second;' AS b FROM {table}")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^name\n----\npike\n", done.stdout, re.M)
    assert re.search(r"^id +int", done.stdout, re.M | re.I)
    assert re.search(r"^second;$", done.stdout, re.M)


def test_an_error_in_an_argument_stops_what_follows(url: str, table: str, db: Any) -> None:
    done = run("shell", url, "-c", f"SELEC 1; DELETE FROM {table}", "-c", f"DELETE FROM {table}")
    assert done.returncode == 1
    with db.sync_connection() as conn:
        assert conn.fetch_value(f"SELECT count(*) FROM {table}") == 1


def test_a_script_that_ends_inside_a_statement_does_not_execute_it(
    url: str, table: str, db: Any
) -> None:
    done = run("shell", url, text=f"DELETE FROM {table} WHERE name <> 'cut off here")
    assert done.returncode == 1
    assert "error: the input ends inside a statement, which is not executed" in done.stderr
    with db.sync_connection() as conn:
        assert conn.fetch_value(f"SELECT count(*) FROM {table}") == 1


def test_a_script_may_be_a_file_and_stop_at_its_first_error(file_url: str, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("SELECT 1 AS a;\nSELEC;\nSELECT 2 AS b")
    goes_on = run("shell", "--json", file_url, "-f", str(script))
    assert (goes_on.returncode, goes_on.stdout) == (1, '[{"a": 1}]\n[{"b": 2}]\n')
    stops = run("shell", "--json", file_url, "-f", str(script), "--stop-on-error")
    assert (stops.returncode, stops.stdout) == (1, '[{"a": 1}]\n')
    included = run("shell", "--json", file_url, text=f"\\i {script}\n")
    assert included.stdout == goes_on.stdout


def test_a_script_that_cannot_be_read_is_named(file_url: str, tmp_path: Path) -> None:
    (tmp_path / "bytes.sql").write_bytes(b"SELECT 1; \xff")
    for name, why in (("none.sql", "No such file"), ("bytes.sql", "it is not UTF-8 at byte 11")):
        path = str(tmp_path / name)
        for arguments in (("-f", path), ("-c", f"\\i {path}")):
            done = run("shell", file_url, *arguments)
            assert (done.returncode, done.stdout) == (1, "")
            assert f"error: the file {path} cannot be read: {why}" in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "ascii:surrogateescape"])
def test_bytes_that_are_no_characters_end_a_script(file_url: str, encoding: str) -> None:
    told = b"error: the input is not UTF-8\n"
    done = subprocess.run(
        [*MILLPOND, "shell", "--json", file_url],
        input=b"SELECT 1 AS a;\n\xff;\nSELECT 2 AS b;\n",
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout.replace(b'[{"a": 1}]\n', b"")) == (1, b"")
    assert done.stderr.endswith(told)
    assert b"Traceback" not in done.stderr
    done = subprocess.run(
        [*map(os.fsencode, MILLPOND), b"shell", file_url.encode(), b"-c", b"SELECT '\xff'"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"error: the argument of -c is not UTF-8" in done.stderr


def test_a_command_may_end_with_a_semicolon(file_url: str) -> None:
    done = run("shell", file_url, "-c", "\\x;", "-c", "\\timing off ;", "-c", "\\q;")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "expanded: on\ntiming: off\n"


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
@pytest.mark.parametrize("end", ["COMMIT", "end transaction", "/* done */ COMMIT"])
def test_a_commit_of_a_failed_transaction_is_no_success(url: str, db: Any, end: str) -> None:
    table = f"fish_{uuid.uuid4().hex[:8]}"
    done = run("shell", url, text=f"BEGIN; CREATE TABLE {table} (id int);\nSELEC 1;\n{end};\n")
    assert done.returncode == 1
    assert "error: nothing was committed: a statement of the transaction had failed" in done.stderr
    done = run("shell", url, text="BEGIN;\nSELEC 1;\nROLLBACK;\nBEGIN; COMMIT;\n")
    assert "nothing was committed" not in done.stderr


def test_a_routine_of_mysql_takes_a_delimiter(databases: Any) -> None:
    name = f"double_{uuid.uuid4().hex[:8]}"
    script = (
        f"DELIMITER //\nCREATE PROCEDURE {name}(n int)\nBEGIN\n  SELECT n;\n  SELECT n * 2;\n"
        f"END //\nDELIMITER ;\nDROP PROCEDURE {name}; SELECT 3 AS three;\n"
    )
    done = run("shell", "--json", url_of("mysql", databases), text=script)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout.splitlines()[-1]) == [{"three": 3}]


def test_a_question_mark_is_an_operator_in_postgresql(databases: Any) -> None:
    url = url_of("postgres", databases)
    sql = """SELECT '{"a?": 1}'::jsonb ? 'a?' AS has, 'why?' AS why, '[1]'::jsonb ?| '{1}' AS any"""
    done = run("shell", "--json", url, "-c", sql)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [{"has": True, "why": "why?", "any": False}]
    done = run("shell", url, "-c", """SELECT '{}'::jsonb ? 'a', nothing""")
    assert "line 1: SELECT '{}'::jsonb ? 'a', nothing\n" + " " * 34 + "^" in done.stderr


def test_an_error_shows_its_place_and_a_hint(url: str, kind: str, table: str) -> None:
    done = run("shell", url, "-c", f"SELECT id,\n  nama\nFROM {table}")
    assert re.search(r"^line 2:   nama\n {10}\^$", done.stderr, re.M)
    if kind == "postgres":
        assert re.search(r'^hint: Perhaps .*"?name', done.stderr, re.M)


def test_a_table_is_described(url: str, kind: str, table: str) -> None:
    script = f"CREATE INDEX {table}_i ON {table} (name);\n\\d {table}\n\\dt {table[:-1]}*\n\\l\n"
    done = run("shell", url, text=f"{script}\\di {table}_i\n\\d\n\\conninfo\n")
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout
    assert re.search(r"^name +(varchar\(60\)|character varying\(60\))", shown, re.M)
    assert re.search(rf"^indexes:\n(.*\n)*  .*{table}_i", shown, re.M)
    assert re.search(rf"{table} +table|table +{table}", shown)
    done = run("shell", url, "--json", "-c", f"\\d {table}")
    columns = next(iter(json.loads(done.stdout).values()))
    assert [column["column"] for column in columns] == ["id", "name"]
    done = run("shell", url, "-c", "\\d nowhere")
    assert done.returncode == 1
    assert "error: there is no table or view nowhere" in done.stderr


# ---- Values ------------------------------------------------------------------------------


def test_control_characters_are_shown_and_not_sent(url: str, table: str) -> None:
    shown = run("shell", url, "-c", f"SELECT name FROM {table}; SELECT name FROM {table}\\G")
    assert shown.stdout.count(SHOWN) == 2
    assert not CONTROLS.search(shown.stdout)
    listed = run("shell", url, "--json", "-c", f"SELECT name FROM {table}").stdout
    assert json.loads(listed) == [{"name": EVIL}]
    assert not CONTROLS.search(listed)


def test_control_characters_in_an_error_are_shown_and_not_sent(kind: str, url: str) -> None:
    quote = "`" if kind == "mysql" else '"'
    failed = run("shell", url, "-c", f"SELECT {quote}\x1b[31mno{quote} FROM nowhere_\x1b[31m")
    assert failed.returncode == 1
    assert not CONTROLS.search(failed.stderr)


async def test_control_characters_in_an_entity_are_shown_and_not_sent(url: str, db: Any) -> None:
    name = f"fish_{uuid.uuid4().hex[:8]}"
    async with db.async_connection() as conn:
        await conn.save_entity(name, {"id": "f1", "name": EVIL}, user_id=EVIL, comment=EVIL)
    for action in ("show", "history"):
        shown = run("entities", url, action, name, "f1").stdout
        assert SHOWN in shown
        assert not CONTROLS.search(shown)
        assert not CONTROLS.search(run("entities", url, action, name, "f1", "--json").stdout)


def test_lines_of_a_value_stay_in_its_column(file_url: str) -> None:
    done = run("shell", file_url, "-c", "SELECT 'a\tb\nsecond' AS x, '日本' AS y, NULL AS z;")
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "x          y     z",
        "---------  ----  ----",
        "a       b+ 日本  NULL",
        "second",
    ]


def test_json_loses_no_column_and_no_number(file_url: str) -> None:
    done = run("shell", file_url, "--json", "-c", "SELECT 1 AS a, 2 AS a, 9e999 AS b")
    assert done.stdout == '[{"a": 1, "a_2": 2, "b": "inf"}]\n'


# ---- Pipes -------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["table", "json"])
def test_an_endless_result_is_shown_as_it_comes(file_url: str, more: tuple[str, ...]) -> None:
    command = [*MILLPOND, "shell", file_url, *more, "-c", ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as shell:
        assert shell.stdout and shell.stderr
        assert len(shell.stdout.read(20_000)) == 20_000
        shell.stdout.close()  # as head does
        assert shell.stderr.read() == b""
        assert shell.wait(180) == 1


def test_an_interrupt_ends_a_script_and_rolls_back(file_url: str) -> None:
    script = f"CREATE TABLE a (b);\nBEGIN;\nINSERT INTO a VALUES (1);\n{ENDLESS};\nCOMMIT;\n"
    command = [*MILLPOND, "shell", file_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as shell:
        assert shell.stdin and shell.stdout and shell.stderr
        shell.stdin.write(script)
        shell.stdin.flush()
        while shell.stdout.readline().strip() != "5000":
            assert shell.poll() is None
        shell.send_signal(signal.SIGINT)
        _, errors = shell.communicate(timeout=180)
    assert shell.returncode == 130
    assert "the open transaction is rolled back: it was not committed" in errors
    assert run("shell", file_url, "--json", "-c", "SELECT * FROM a").stdout == "[]\n"


def test_notices_of_the_server_are_told(databases: Any) -> None:
    url = url_of("postgres", databases)
    sql = "DO $$ BEGIN RAISE NOTICE 'half %', 'done'; END $$"
    assert run("shell", url, "-c", sql).stderr == "notice: half done\n"
    assert without_notices(run("ping", url).stderr) == ""
