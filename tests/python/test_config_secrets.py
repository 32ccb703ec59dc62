"""What a config tells: no password leaves it, and what is wrong with it is said briefly."""

import copy
import pickle
import subprocess
import sys
from typing import Any

import millpond
import pytest
from millpond import DatabaseConfig

pytestmark = pytest.mark.once

SECRET = "s3cret"


def test_a_pickle_holds_no_password() -> None:
    config = DatabaseConfig(database="d", host="h", user="me", password=SECRET, sslmode="require")
    pickled = pickle.dumps(config)
    assert SECRET.encode() not in pickled
    again = pickle.loads(pickled)
    assert again.config() == {**config.config(), "password": None}
    assert again.hash() == config.hash()
    with pytest.raises(millpond.ArgumentError, match="pickled without its password"):
        millpond.DatabaseFactory.create_database("postgres", again)
    assert again.with_password(SECRET).config() == config.config()
    millpond.DatabaseFactory.create_database("postgres", again.with_password(SECRET))


def test_a_pickle_holds_the_password_on_demand() -> None:
    config = DatabaseConfig(database="d", password=SECRET)
    config.pickle_password = True
    again = pickle.loads(pickle.dumps(config))
    assert again.config() == config.config()
    assert again.pickle_password


def test_a_config_without_password_is_pickled_whole() -> None:
    again = pickle.loads(pickle.dumps(DatabaseConfig(database="d")))
    millpond.DatabaseFactory.create_database("sqlite", again)


def test_a_copy_keeps_the_password() -> None:
    config = DatabaseConfig(database="d", password=SECRET, sslmode="require")
    for made in (copy.copy(config), copy.deepcopy(config)):
        assert made.config() == config.config()
        assert made._native_settings() == config._native_settings()


@pytest.mark.parametrize(
    "name", ["database", "host", "user", "password", "alias", "env", "sslmode", "application_name"]
)
def test_a_lone_surrogate_is_refused_without_showing_it(name: str) -> None:
    settings: dict[str, Any] = {"database": "d", name: f"{SECRET}\ud800"}
    with pytest.raises(millpond.ArgumentError, match=f"{name} contains a lone surrogate") as caught:
        DatabaseConfig(**settings)
    assert SECRET not in str(caught.value)


URLS = {
    f"postgres://me:{SECRET}\ud800@h/d": "the URL contains a lone surrogate",
    f"postgres://me:{SECRET}\0@h/d": "the URL contains a NUL character",
    f"postgres://me:{SECRET}%ff@h/d": "not UTF-8",
    f"postgres://me:{SECRET}%ed%a0%80@h/d": "not UTF-8",
    "postgres://[::1/d": r"a \[ without a \]",
    "postgres://me@[::1:5432,h/d": r"a \[ without a \]",
    f"postgres://me:12?{SECRET}=1@h/d": "an @ after its [?]",
    f"postgres://me:12?{SECRET}@h:5432/d": "an @ after its [?]",
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_cannot_be_right_shows_no_secret(url: str) -> None:
    with pytest.raises(millpond.ArgumentError, match=URLS[url]) as caught:
        millpond.connect(url)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", ["SECRET", "self", "x" * 1_000_000])
def test_a_setting_that_nobody_knows_is_named_briefly(name: str) -> None:
    with pytest.raises(millpond.ArgumentError, match="has no setting") as caught:
        millpond.connect(f"postgres://h/d?{name}=1")
    assert f'"{name[:60]}"' in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite"])
@pytest.mark.parametrize("name", ["host", "user", "database", "port"])
def test_a_setting_of_a_megabyte_is_refused_briefly(kind: str, name: str) -> None:
    settings: dict[str, Any] = {"database": "d", name: "x" * 1_000_000}
    with pytest.raises(millpond.ArgumentError, match=name) as caught:
        millpond.DatabaseFactory.create_database(kind, DatabaseConfig(**settings))
    assert len(str(caught.value)) < 250


GUESS = """
import millpond
with millpond.connect("sqlite:///:memory:").sync_connection() as conn:
    conn.execute("CREATE TABLE mine (n integer)")
    settings = {"database": "file:/millpond-1?vfs=memdb", "uri": True}
    with millpond.SqliteDatabase(**settings).sync_connection() as other:
        print(other.fetch_value("SELECT count(*) FROM sqlite_master"))
"""


def test_a_database_in_memory_is_not_reached_by_a_name() -> None:
    done = subprocess.run([sys.executable, "-c", GUESS], check=True, capture_output=True, text=True)
    assert done.stdout == "0\n"
