"""No modules of the Python package import each other, wherever the import stands."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from headers import ROOT

PACKAGE = ROOT / "bindings/python/millpond"
SOURCES = ROOT / "bindings/python/src"


def modules(package: Path) -> dict[str, Path]:
    """The modules of a package by their full names."""
    found = {}
    for path in sorted([*package.rglob("*.py"), *package.glob("*.pyi")]):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def targets(node: ast.AST, package: str) -> Iterator[tuple[str, list[str]]]:
    """What an import statement names: a module, and names that may be modules in it. ``package`` is
    where relative imports begin."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, []
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")
        base = base[: len(base) - node.level + 1] if node.level else []
        names = [alias.name for alias in node.names]
        yield ".".join([*base, *([node.module] if node.module else [])]), names


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules that a module imports anywhere: at its top, under TYPE_CHECKING, in functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for module, names in targets(node, package):
            inside = {f"{module}.{each}" for each in names} & known.keys()
            found |= inside
            if module in known and len(inside) < len(names or [module]):
                found.add(module)
    return found - {name}


def native_imports(folder: Path) -> set[str]:
    """The modules of the package whose names stand in the sources of the native module."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.c"))]
    return {name for text in texts for name in re.findall(r'"(millpond\.\w+)"', text)}


def circles(package: Path) -> list[list[str]]:
    """Modules that import each other, directly or by way of others."""
    known = modules(package)
    graph = {name: imports(name, path, known) for name, path in known.items()}
    for name, path in known.items():
        if path.suffix == ".pyi":  # it is written in C
            graph[name] = native_imports(SOURCES) & known.keys() - {name}
    reach: dict[str, set[str]] = {}
    for name in graph:
        seen: set[str] = set()
        left = list(graph[name])
        while left:
            each = left.pop()
            if each not in seen:
                seen.add(each)
                left += graph[each]
        reach[name] = seen
    groups = {
        tuple(sorted(other for other in graph if other in reach[name] and name in reach[other]))
        for name in graph
        if name in reach[name]
    }
    return [list(group) for group in sorted(groups)]


def test_no_modules_of_the_package_import_each_other() -> None:
    assert len(modules(PACKAGE)) > 40
    assert circles(PACKAGE) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from . import one",
        "from .one import thing",
        "import package.one",
        "from package import one",
        "from package.one import thing",
        "def lazy():\n    from .one import thing",
        "if TYPE_CHECKING:\n    from .one import thing",
    ],
)
def test_a_circle_is_found(statement: str, tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "one": "from .inner import two",
        "inner/__init__": "",
        "inner/two": "from ..three import other",
        "three": f"x = 1\n{statement}",
        "four": "from . import one, three",
    }.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    assert circles(package) == [["package.inner.two", "package.one", "package.three"]]
    (package / "three.py").write_text("import os\nfrom . import missing", encoding="utf-8")
    assert circles(package) == []
