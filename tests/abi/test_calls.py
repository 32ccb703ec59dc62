"""Calls go downwards only: no object file needs a symbol that a higher folder defines."""

import re
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from headers import ROOT
from layers import ALLOWED, may_use

RELEASE = ROOT / "build" / "release"


def objects() -> dict[str, Path]:
    """The objects of the library by their sources: what older sources left behind is no part."""
    found = {}
    for path in RELEASE.rglob("CMakeFiles/millpond_*.dir/**/*.o"):
        target = re.search(r"(\w+)/CMakeFiles/millpond_\1\.dir/(.*)\.o$", str(path))
        if target and (ROOT / target[1] / target[2]).exists():
            found[f"{target[1]}/{target[2]}"] = path
    return found


def needs(found: dict[str, Path]) -> list[tuple[str, str, str]]:
    """(source, symbol, source that defines it) for each symbol that comes from elsewhere."""
    defined, wanted = {}, []
    for source, path in found.items():
        table = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
        for kind, symbol in re.findall(r"([A-Zvw]) (\w+)$", table, flags=re.M):
            if kind == "U":
                wanted.append((source, symbol))
            elif kind in "TDBRC":
                defined[symbol] = source
    return [(source, symbol, defined[symbol]) for source, symbol in wanted if symbol in defined]


def complaint(source: str, symbol: str, owner: str) -> str | None:
    """What is wrong with a source that needs a symbol of another; None if nothing is."""
    if source.startswith("abi/"):
        return None
    parts, others = source.split("/"), owner.split("/")
    wrong = f"{source} must not call {symbol}() of {owner}"
    if others[0] == "abi" or not may_use(parts[1], others[1]):
        return wrong
    between_drivers = parts[1] == others[1] == "drivers" and len(parts) == len(others) == 4
    return wrong if between_drivers and parts[2] != others[2] else None


def complaints(found: dict[str, Path]) -> list[str]:
    return [text for need in needs(found) if (text := complaint(*need))]


@pytest.mark.slow
def test_calls_go_downwards_only() -> None:
    found = objects()
    assert len(needs(found)) > 1000
    assert {s.split("/")[1] for s in found if s.startswith("core/")} == set(ALLOWED)
    assert complaints(found) == []


def test_a_wrong_call_is_found_in_object_files(tmp_path: Path) -> None:
    texts = {
        "core/loop/op.c": "void lease_release(void); void op_end(void) { lease_release(); }",
        "core/pool/lease.c": "void op_end(void); void lease_release(void) { op_end(); }",
    }
    found = {}
    for source, text in texts.items():
        made = tmp_path / source.replace("/", "_")
        made.write_text(text)
        found[source] = made.with_suffix(".o")
        subprocess.run(["cc", "-c", made, "-o", found[source]], check=True)
    wrong = "core/loop/op.c must not call lease_release() of core/pool/lease.c"
    assert complaints(found) == [wrong]


def test_the_check_knows_who_may_call_whom() -> None:
    wrong = [
        ("core/arrow/stream.c", "abi/result.c"),
        ("core/driver/conn.c", "core/drivers/fake/fake.c"),
        ("core/drivers/sqlite/open.c", "core/drivers/mysql/open.c"),
        ("core/sql/convert.c", "core/metrics/window.c"),
    ]
    assert all(complaint(source, "f", owner) for source, owner in wrong)
    right = [
        ("abi/connection.c", "core/pool/pool.c"),
        ("core/drivers/registry.c", "core/drivers/fake/fake.c"),
        ("core/drivers/sqlite/open.c", "core/drivers/sqlite/stop.c"),
        ("core/pool/pool.c", "core/base/list.c"),
    ]
    assert not any(complaint(source, "f", owner) for source, owner in right)


def test_the_layers_have_an_order() -> None:
    TopologicalSorter(ALLOWED).prepare()  # raises CycleError if they have none


def test_the_picture_shows_each_folder_above_what_it_uses() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    picture = text.split("```")[1]
    places = {name: picture.index(f" {name}/") for name in ALLOWED}
    beside = picture.index("beside loop/, on base/ alone")
    for folder, used in ALLOWED.items():
        on_base_alone = places[folder] > beside
        assert on_base_alone <= (not used)
        assert all(on_base_alone or places[folder] < places[o] for o in {*used, "base"} - {folder})
