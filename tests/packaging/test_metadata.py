"""What the source package holds, and what the installed one says of itself."""

import ctypes
import json
import re
import subprocess
import sys
import tarfile
from importlib import metadata, resources
from pathlib import Path

import millpond
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-m", "build", "--sdist", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def sdist_files(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}


def tracked(*patterns: str) -> set[str]:
    command = ["git", "ls-files", "--", *patterns]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name for name in out.splitlines() if (ROOT / name).exists()}


def header_version() -> str:
    text = (ROOT / "abi/include/millpond/millpond.h").read_text()
    return ".".join(
        re.findall(r"^#define POND_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", text, flags=re.M)
    )


def test_the_source_package_holds_all_that_the_repository_does(sdist_files: set[str]) -> None:
    missing = tracked() - tracked(".ci/*") - sdist_files
    assert missing == set()


def test_the_source_package_holds_nothing_that_was_built(sdist_files: set[str]) -> None:
    made = [name for name in sdist_files if re.search(r"\.(so|o|a|pyc|whl)\b|^build/|^dist/", name)]
    assert made == []


def test_all_who_say_the_version_say_the_same(sdist: Path) -> None:
    version = header_version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert millpond.__version__ == version
    assert metadata.version("millpond") == version
    assert sdist.name == f"millpond-{version}.tar.gz"
    changelog = (ROOT / "cmake/debian/changelog").read_text()
    assert changelog.startswith(f"millpond ({version}-")
    library = ctypes.CDLL(str(ROOT / "build/release/abi/libmillpond.so.0"))
    library.pond_version.restype = ctypes.c_char_p
    assert library.pond_version().decode() == version
    cmake = (ROOT / "build/release/CMakeCache.txt").read_text()
    assert f"CMAKE_PROJECT_VERSION:STATIC={version}\n" in cmake


def says_version(text: str) -> bool:
    return bool(re.search(rf"version\W+{re.escape(header_version())}(?![\d.])", text, flags=re.I))


def test_the_version_is_written_in_one_place() -> None:
    patterns = ("*.toml", "*.txt", "*.cmake", "*.in", "*.py", "*.pyi", "*.lua", "*.rockspec")
    ours = tracked(*patterns) - tracked("examples/*")  # programs of their own
    assert [name for name in ours if says_version((ROOT / name).read_text())] == []
    assert says_version(f'version = "{header_version()}"')


def test_the_metadata_tell_a_person_what_it_is() -> None:
    about = metadata.metadata("millpond")
    assert about["Name"] == "millpond"
    assert about["License-Expression"] == "MIT"
    assert about["License-File"] == "LICENSE"
    assert about["Requires-Python"] == ">=3.11"
    assert about["Description-Content-Type"] == "text/markdown"
    assert (ROOT / "README.md").read_text().strip() in about.get_payload()
    urls = dict(line.split(", ") for line in about.get_all("Project-URL", []))
    assert set(urls) == {"Documentation", "Issues", "Source"}
    assert "Typing :: Typed" in about.get_all("Classifier", [])


def test_the_links_of_a_wheel_s_description_work_away_from_the_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "bindings/python")
    from readme_links import with_absolute_links

    plain = metadata.distribution("millpond").read_text("METADATA") or ""
    source = re.search(r"^Project-URL: Source, (\S+)$", plain, re.M)
    assert source
    made = with_absolute_links(plain)
    links = re.findall(r"\]\(([^)\s]+)\)", made)
    assert len(links) > 20
    headings = re.findall(r"^#+ (.+)$", made, re.M)
    anchors = {"#" + re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in headings}
    wrong = [link for link in links if link not in anchors and not link.startswith("https://")]
    assert wrong == []
    files = [link.removeprefix(f"{source[1]}/") for link in links if source[1] in link]
    assert len(files) > 20
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert made.partition("\n\n")[0] == plain.partition("\n\n")[0]


def test_nothing_is_required_but_by_an_extra() -> None:
    required = metadata.requires("millpond") or []
    assert {re.split(r"[ <>=!~;]", line)[0] for line in required} == {
        "opentelemetry-api",
        "prompt_toolkit",
        "rich",
    }
    assert all(re.search(r'extra == "(cli|otel)"$', line.replace("'", '"')) for line in required)


@pytest.mark.parametrize("name", ["py.typed", "_native.pyi"])
def test_the_installed_package_has_its_types(name: str) -> None:
    assert resources.files("millpond").joinpath(name).is_file()


def test_the_installed_package_is_the_one_in_this_tree() -> None:
    installed = json.loads(metadata.distribution("millpond").read_text("direct_url.json") or "{}")
    assert installed["url"] == ROOT.as_uri()
