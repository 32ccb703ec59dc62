"""Lists of nodes and their settings: what they become, and what is wrong with them."""

from typing import Any

import millpond
import pytest
from millpond import ArgumentError, DatabaseConfig

pytestmark = pytest.mark.once
URL = "postgres://app@/shop"


def given(config: DatabaseConfig) -> dict[str, Any]:
    names = ("node_regions", "node_weights", "region", "consistency")
    options = {name: config.option(name) for name in names}
    set_ones = {name: value for name, value in options.items() if value is not None}
    return {"host": config.config()["host"], "port": config.config()["port"], **set_ones}


@pytest.mark.parametrize(
    ("nodes", "settings"),
    [
        ([{"host": "a"}], {"host": "a", "port": None}),
        (({"host": "a"}, "b"), {"host": "a,b", "port": None}),
        (["a:1", "b:1"], {"host": "a,b", "port": 1}),
        (["a:1", {"host": "b", "port": 2}, "c"], {"host": "a,b,c", "port": "1,2,5432"}),
        (["[::1]:1", "b"], {"host": "::1,b", "port": "1,5432"}),
        (
            ["postgres://a?region=eu&weight=0.5", {"host": "b", "region": None, "weight": 2}],
            {"host": "a,b", "port": None, "node_regions": "eu,", "node_weights": "0.5,2"},
        ),
        (
            [{"host": "a", "region": "eu"}, "b?region=us"],
            {"host": "a,b", "port": None, "node_regions": "eu,us"},
        ),
    ],
)
def test_a_list_of_nodes_becomes_hosts_ports_regions_and_weights(
    nodes: Any, settings: dict[str, Any]
) -> None:
    assert given(DatabaseConfig.from_url(URL, nodes=nodes)) == settings
    assert given(millpond.PostgresDatabase(database="shop", nodes=nodes)) == settings


def test_a_url_with_hosts_says_the_same() -> None:
    url = "postgres://app@a:1,b:2/shop?node_regions=eu,us&region=eu&consistency=session"
    settings = {"host": "a,b", "port": "1,2", "node_regions": "eu,us", "region": "eu"}
    assert given(DatabaseConfig.from_url(url)) == {**settings, "consistency": "session"}
    nodes = [{"host": "a", "port": 1, "region": "eu"}, {"host": "b", "port": 2, "region": "us"}]
    listed = DatabaseConfig.from_url(URL, nodes=nodes, region="eu", consistency="session")
    assert listed.hash() == DatabaseConfig.from_url(url).hash()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ("db1,db2", "nodes must be a list of dicts or URLs"),
        ({"host": "a"}, "nodes must be a list of dicts or URLs"),
        (7, "nodes must be a list of dicts or URLs"),
        ([], "nodes is empty"),
        (["a", 7], r"nodes\[1\] must be a dict or a URL, not int"),
        ([{"hots": "a"}], r"nodes\[0\] has hots, but a node has only host, port, region and wei"),
        (["a/shop"], r"nodes\[0\] has database, but a node has only"),
        (["postgres://me:s3cret@a"], r"nodes\[0\] has user, password, but"),
        ([{"port": 1}], r"nodes\[0\]: host must be"),
        ([{"host": "a,b"}], r"nodes\[0\]: host must be"),
        (["a,b"], r"nodes\[0\]: host must be"),
        ([{"host": "a", "port": 0}], r"nodes\[0\]: port must be an int from 1 to 65535, not 0"),
        ([{"host": "a", "port": "x"}], r"nodes\[0\]: port must be an int"),
        ([{"host": "a", "port": True}], r"nodes\[0\]: port must be an int"),
        (["a:99999999"], r"nodes\[0\]: port must be an int"),
        (["a:b"], r"nodes\[0\]: the URL's port must be a number"),
        ([{"host": "a", "region": "eu,us"}], r"nodes\[0\]: region must be a name"),
        ([{"host": "a", "region": 1}], r"nodes\[0\]: region must be a name"),
        ([{"host": "a", "weight": 0}], r"nodes\[0\]: weight must be a positive number, not 0"),
        ([{"host": "a", "weight": -1}], r"nodes\[0\]: weight must be a positive number"),
        ([{"host": "a", "weight": float("inf")}], r"nodes\[0\]: weight must be a positive"),
        ([{"host": "a", "weight": True}], r"nodes\[0\]: weight must be a positive number"),
        (["a?weight=heavy"], r"nodes\[0\]: weight must be a positive number, not 'heavy'"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(nodes: Any, message: str) -> None:
    for made in (
        lambda: DatabaseConfig.from_url(URL, nodes=nodes),
        lambda: DatabaseConfig(database="shop", nodes=nodes),
    ):
        with pytest.raises(ArgumentError, match=message) as caught:
            made()
        assert "s3cret" not in str(caught.value)


def test_hosts_are_given_once() -> None:
    for url, name in ((f"{URL}?host=a", "host"), ("postgres://app@a:1/shop", "host, port")):
        with pytest.raises(ArgumentError, match=f"leave out {name}, in the URL, too"):
            DatabaseConfig.from_url(url, nodes=["b"])
    with pytest.raises(ArgumentError, match="leave out node_weights"):
        DatabaseConfig(database="shop", nodes=["b"], node_weights="2")


def test_ports_of_some_nodes_only_need_the_kind_of_database() -> None:
    with pytest.raises(ArgumentError, match="give each node its port, or none of them"):
        DatabaseConfig(database="shop", nodes=["a", "b:1"])


@pytest.mark.parametrize("level", ["weak", "-1", "0", "nan", "", -1, 0, True, [], float("inf")])
def test_a_consistency_that_is_none_is_refused(level: Any) -> None:
    with pytest.raises(ArgumentError, match="consistency must be"):
        DatabaseConfig(database="shop", consistency=level)
    with pytest.raises(ArgumentError, match="consistency must be"):
        DatabaseConfig.from_url("postgres://h/shop", consistency=level)


def test_a_number_of_seconds_may_stand_in_a_url() -> None:
    assert DatabaseConfig.from_url("postgres://h/shop?consistency=1.5").consistency == 1.5
    assert DatabaseConfig(database="shop").consistency == "strong"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"region": 7}, "region must be a str or None"),
        ({"replica_wait": -1}, "replica_wait"),
        ({"topology_refresh": 0}, "topology_refresh"),
        ({"fallback_share": 2}, "fallback_share"),
        ({"fallback_share": -0.5}, "fallback_share"),
        ({"node_weights": "1,-1"}, "node_weights"),
    ],
)
def test_other_settings_are_checked_when_the_database_is_made(
    setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        millpond.PostgresDatabase(database="shop", host="a,b", **setting)
