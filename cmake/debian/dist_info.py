#!/usr/bin/env python3
"""Writes what Python tools know of the Debian package: millpond-VERSION.dist-info.

    dist_info.py FOLDER      the folder that holds the package millpond

What it says stands in pyproject.toml and in the public header.
"""

import re
import sys
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]


def version() -> str:
    header = (TOP / "abi/include/millpond/millpond.h").read_text()
    return ".".join(re.findall(r"^#define POND_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.M))


def metadata() -> str:
    lines = ["Metadata-Version: 2.1", "Name: millpond", f"Version: {version()}"]
    lines += [f"Summary: {PROJECT['description']}", f"License: {PROJECT['license']}"]
    lines += [f"Requires-Python: {PROJECT['requires-python']}"]
    lines += [f"Project-URL: {name}, {url}" for name, url in PROJECT["urls"].items()]
    lines += [f"Classifier: {classifier}" for classifier in PROJECT["classifiers"]]
    for extra, wanted in PROJECT["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {name}; extra == "{extra}"' for name in wanted]
    return "\n".join(lines) + "\n"


def entry_points() -> str:
    groups = {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}
    return "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in groups.items()
    )


def main() -> None:
    folder = Path(sys.argv[1]) / f"millpond-{version()}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_text(metadata())
    (folder / "entry_points.txt").write_text(entry_points())
    (folder / "INSTALLER").write_text("debian\n")


if __name__ == "__main__":
    main()
