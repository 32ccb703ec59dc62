"""The site builds without a warning, says all there is to say, and every snippet runs."""

import ast
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import engines
import millpond
import pytest
import snippets
import vitess_server

ROOT = snippets.ROOT
MKDOCS = ROOT / "build/docs-venv/bin/mkdocs"
ids = [str(page.relative_to(ROOT)) for page in snippets.PAGES]


# ---- The site ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [MKDOCS, "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


def inventory(site: Path) -> set[str]:
    """The names that the site documents, from the index that it offers to other sites."""
    data = (site / "objects.inv").read_bytes()
    lines = zlib.decompress(data.split(b"\n", 4)[4]).decode().splitlines()
    return {line.split(" ")[0] for line in lines}


def rows_of_errors() -> list[tuple[str, str]]:
    """The classes in the tables, and what is said of their bases."""
    text = (ROOT / "docs/reference/errors.md").read_text()
    return re.findall(r"^\| `([A-Z]\w+)` \| ([^|]*) \|", text, flags=re.M)


def test_the_reference_has_every_public_name(site: Path) -> None:
    names = {f"millpond.{name}" for name in millpond.__all__} - {"millpond.__version__"}
    names |= {f"millpond.metrics.{name}" for name in millpond.metrics.__all__}
    in_table = {name for name, _ in rows_of_errors()}
    assert "millpond.PostgresAsyncConnection.fetch_arrow" in inventory(site)
    documented = inventory(site) | {f"millpond.{name}" for name in in_table}
    assert names - documented == {"millpond.Mysqldatabase"}, "named in prose alone"
    assert in_table == set(millpond.exceptions.__all__)


def test_the_page_of_lua_is_what_its_annotations_say() -> None:
    command = [sys.executable, "-c", "import lua_api; print(lua_api.page(), end='')"]
    made = subprocess.run(command, cwd=ROOT / "docs", check=True, capture_output=True, text=True)
    page = (ROOT / "docs/reference/lua.md").read_text()
    assert page == made.stdout, "run docs/lua_api.py"
    files = ("connection.c", "millpond/entity.lua", "millpond/fetch.lua", "millpond/lend.lua")
    sources = "".join((ROOT / "bindings/lua" / name).read_text() for name in files)
    methods = re.findall(r'^function methods:(\w+)|\{"(\w+)", connection_', sources, flags=re.M)
    names = {name for pair in methods for name in pair if name and not name.startswith("_")}
    assert len(names) > 25
    assert {name for name in names if f":{name}(" not in page} == set()


def test_the_table_of_errors_tells_their_bases() -> None:
    for name, told in rows_of_errors():
        bases = [base.__name__ for base in getattr(millpond, name).__bases__]
        assert re.findall(r"`(\w+)`", told) == bases, name


def test_the_stubs_say_what_the_native_classes_say() -> None:
    """The site is made from the stubs, help() from the module."""
    tree = ast.parse((ROOT / "bindings/python/millpond/_native.pyi").read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    compared = 0
    for name in ("ArrowResult", "Result", "StatementCache"):
        native = getattr(millpond, name)
        assert ast.get_docstring(classes[name]) == native.__doc__
        for node in classes[name].body:
            if isinstance(node, ast.FunctionDef) and node.name.lstrip("_")[:4] != "init":
                told = ast.get_docstring(node)
                assert told is None or told == getattr(native, node.name).__doc__
                compared += told is not None
    assert compared >= 12


def test_no_text_of_the_site_is_unfinished(site: Path) -> None:
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(pages) >= 15
    for page in pages:
        text = page.read_text()
        assert not re.search(r"TODO|FIXME|:(meth|class|func):", text), page
        prose = re.sub(r"<code.*?</code>|<[^>]*>", "", text, flags=re.S)
        assert not re.search(r"\*\*\w", prose), f"{page}: not taken for Markdown"
        assert "--8" not in re.sub(r"<[^>]*>", "", text), page


def test_pages_show_what_they_include(site: Path) -> None:
    """Of a page's own text nothing tells that an include found nothing."""
    words = re.sub(r"<[^>]*>", "", (site / "backends/index.html").read_text())
    example = (ROOT / "examples/python/duckdb_backend.py").read_text()
    classes = re.findall(r"^class \w+", example, flags=re.M)
    assert len(classes) >= 4
    assert [one for one in classes if one not in words] == []
    landing = (site / "index.html").read_text()
    assert "<td>one placeholder for all databases</td>" in landing
    assert "<td>PostgreSQL point select, 10 tasks through the pool</td>" in landing


def test_the_search_finds_every_function_of_c(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text())
    titles = " ".join(
        one["title"] for one in index["docs"] if one["location"].startswith("reference/c/")
    )
    exported = (ROOT / "abi/exported.txt").read_text().split()
    assert len(exported) >= 187
    assert [name for name in exported if f"{name}()" not in titles] == []


def test_every_page_is_found_in_the_navigation() -> None:
    listed = set(re.findall(r"- ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.M))
    pages = {str(page.relative_to(ROOT / "docs")) for page in snippets.PAGES[1:]}
    headers = (ROOT / "abi/include/millpond").glob("*.h")
    assert listed == pages | {f"reference/c/{header.stem}.md" for header in headers}


def test_the_drawing_of_the_architecture_has_every_folder() -> None:
    drawing = (ROOT / "CONTRIBUTING.md").read_text().split("```")[1]
    drawn = [*(ROOT / "core").iterdir(), *(ROOT / "core/drivers").iterdir()]
    folders = {f"{folder.name}/" for folder in drawn if folder.is_dir()}
    folders |= {f"bindings/{file.parent.name}" for file in (ROOT / "bindings").glob("*/*.txt")}
    assert len(folders) >= 16
    assert [folder for folder in folders if folder not in drawing] == []


# ---- The snippets ------------------------------------------------------------------------------


@pytest.fixture
async def places(postgres: dict[str, Any], mysql: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
    """What stands for the addresses on the pages: databases that hold nothing."""
    made = {}
    databases = []
    for kind, address in (("postgres", postgres), ("mysql", mysql)):
        names = ("host", "port", "user", "password", "database")
        config = millpond.DatabaseConfig(**{name: address[name] for name in names}, pool_min_size=0)
        db = millpond.DatabaseFactory.create_database(kind, config)
        databases.append(db)
        async with db.async_connection() as conn:
            await conn.execute("DROP DATABASE IF EXISTS docs")
            await conn.execute("CREATE DATABASE docs")
        login = f"{address['user']}:{address['password']}@{address['host']}:{address['port']}"
        made[f"{kind}://me:secret@localhost/shop"] = f"{kind}://{login}/docs"
    shown = 'database="shop", host="localhost", port=5432, user="me", password="secret"'
    made[shown] = ", ".join(
        f"{name}={value!r}"
        for name, value in {**postgres, "database": "docs"}.items()
        if name in ("database", "host", "port", "user", "password")
    )
    yield made
    await millpond.PoolManager.close_pool(timeout=5)
    for db in databases:
        async with db.async_connection() as conn:
            await conn.execute("DROP DATABASE docs")
        await db.close_pool(config_hash=db.hash(), timeout=5)


@pytest.mark.parametrize("page", snippets.PAGES, ids=ids)
async def test_the_snippets_of_a_page_run(
    page: Path, places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    await snippets.run_page(page, places, tmp_path)


@pytest.mark.parametrize("page", snippets.PAGES, ids=ids)
def test_a_page_has_no_code_that_nobody_runs(page: Path) -> None:
    for block in snippets.blocks_of(page):
        assert block.language in snippets.RUN | snippets.READ, block.place


IN_COMMANDS = re.compile(r"^\s*((?:tests|examples|bindings)/\S+)", flags=re.M)
IN_PROSE = re.compile(r"`((?:abi|core|tests|examples|bindings)/[\w./-]+)`")


@pytest.mark.parametrize("page", snippets.PAGES, ids=ids)
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    commands = [block.code for block in snippets.blocks_of(page) if block.language == "sh"]
    named = IN_COMMANDS.findall("\n".join(commands)) + IN_PROSE.findall(page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_snippets_of_c_compile(tmp_path: Path) -> None:
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-xc"]
    for page in snippets.PAGES:
        for block in snippets.blocks_of(page):
            if block.language == "c":
                file = tmp_path / "snippet.c"
                file.write_text(block.code)
                command = ["cc", *flags, f"-I{ROOT}/abi/include", str(file)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{block.place}:\n{done.stderr}"


async def test_the_snippets_of_lua_run(places: dict[str, str], tmp_path: Path) -> None:
    host = ROOT / "build/test/tests/lua/lua_host"  # the interpreter with the module inside
    scripts = ROOT / "bindings/lua"
    env = {**os.environ, "LUA_PATH": f"{scripts}/?.lua;{scripts}/?/init.lua;;"}
    for page in snippets.PAGES:
        for block in snippets.blocks_of(page):
            if block.language == "lua":
                file = tmp_path / "snippet.lua"
                code = block.code
                for shown, place in places.items():
                    code = code.replace(shown, place)
                file.write_text(code)
                done = subprocess.run(
                    [host, file], env=env, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, f"{block.place}:\n{done.stderr}"
                told = re.findall(r"--> (.*)$", block.code, flags=re.M)
                assert done.stdout.splitlines() == told, block.place


async def test_a_snippet_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    def block(language: str, code: str) -> snippets.Block:
        return snippets.Block(ROOT / "docs/wrong.md", 1, language, code)

    with pytest.raises(AssertionError, match="printed"):
        snippets.run_program(block("python", "print(1)  # -> 2"), "print(1)", tmp_path)
    with pytest.raises(AssertionError, match="printed"):
        await snippets.run_piece(block("python", "print(1)  # -> 2"), "print(1)", {})
    with pytest.raises(AssertionError, match="printed"):
        await snippets.run_piece(block("python", "print(1)"), "print(1)", {})
    with pytest.raises(AssertionError, match="failed"):
        snippets.run_commands(block("sh", ""), "millpond ping nothing://", tmp_path)


# ---- Engines -----------------------------------------------------------------------------------


def test_the_differences_of_all_engines_are_told() -> None:
    page = (ROOT / "docs/engines.md").read_text()
    reasons = {reason for quirks in engines.QUIRKS.values() for reason in quirks.values()}
    assert {reason for reason in reasons if reason not in page} == set()


def test_the_vschema_of_entities_is_the_one_that_tests_use() -> None:
    page = (ROOT / "docs/engines.md").read_text()
    assert vitess_server.VSCHEMA.format(name="person").strip() in page
