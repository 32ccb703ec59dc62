"""The test databases as programs get them: by URL."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest


def url_to(kind: str, file: str | Path) -> str:
    """Of the server that tests/run started; for SQLite of the file."""
    if kind == "sqlite":
        return f"sqlite:///{file}"
    address = json.loads(os.environ[f"MILLPOND_TEST_{kind.upper()}"])
    user = f"{quote(address['user'])}:{quote(address.get('password', ''), safe='')}"
    host = f"{quote(str(address['host']), safe='')}:{address['port']}"
    return f"{kind}://{user}@{host}/{address['database']}"


def url_of(kind: str, databases: Any) -> str:
    """Of the database that the test may use through the module, too."""
    return url_to(kind, databases.settings("sqlite")["database"])


@pytest.fixture
def url(kind: str, databases: Any) -> str:
    return url_of(kind, databases)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/cli.db"
