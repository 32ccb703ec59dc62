"""One copy of SQLite in a process.

A wheel carries a copy. Python's own ``sqlite3`` module, and with it SQLAlchemy, uses another. Two
copies do not know of each other: when one closes a file, the system drops the locks that the other
has on it, and the database can be damaged (section 2.2.1 of SQLite's "How To Corrupt An SQLite
Database File"). So a wheel uses Python's copy wherever that is a shared library, new enough, and
made for threads; its own serves where Python has none.
"""

from __future__ import annotations

import re
from pathlib import Path

OLDEST = 3_038_000  # what cmake/dependencies.cmake asks for
CARRIED = Path(__file__).parent.parent / "millpond.libs"


def _of_python() -> str | None:
    """The path of the library that Python's module loaded; None if it loaded none."""
    try:
        import _sqlite3  # noqa: F401
    except ImportError:
        return None
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    found = re.findall(r"(/\S*/libsqlite3[-.]\S+)$", maps, flags=re.M)
    return next((path for path in found if Path(path).parent != CARRIED), None)


def share() -> None:
    """Have the symbols of Python's SQLite found before those of the wheel's, if there are both.
    To be called before the native module is loaded."""
    if not any(CARRIED.glob("libsqlite3*")):
        return  # then it is the system's for both
    path = _of_python()
    if path is None:
        return
    try:
        from ctypes import CDLL, RTLD_GLOBAL
    except ImportError:
        return
    library = CDLL(path)
    if library.sqlite3_libversion_number() >= OLDEST and library.sqlite3_threadsafe():
        CDLL(path, mode=RTLD_GLOBAL)
