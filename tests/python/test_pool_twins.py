"""Databases that differ in the password alone have one hash, and a pool each."""

import copy
import json
import pickle
from typing import Any

import millpond
import pytest
from millpond import PoolManager, metrics
from prometheus_client.parser import text_string_to_metric_families

KINDS = ("postgres", "mysql", "sqlite")


@pytest.fixture(params=KINDS)
def twins(databases: Any, request: pytest.FixtureRequest) -> Any:
    """Two databases: the second has a password that the server does not look at, or refuses."""
    one = databases.open(request.param)
    other = databases.open(request.param, password="another one")
    assert one.hash() == other.hash()
    assert one._seen_pool() is not other._seen_pool()
    return one, other


async def test_closing_one_leaves_the_other(twins: Any) -> None:
    one, other = twins
    async with one.async_connection() as conn:
        assert await conn.execute("SELECT 1") == [(1,)]
        other._pool()
        await PoolManager.close_pool(other.hash())
        assert await conn.execute("SELECT 1") == [(1,)]
    other._pool()
    async with other:
        pass
    with other:
        pass
    assert not one._pool().closed
    assert one._pool().status()["created"] == 1
    async with one.async_connection():
        pass


async def test_each_reports_its_own(twins: Any) -> None:
    one, other = twins
    async with one.async_connection() as conn:
        await conn.execute("SELECT 1")
    other._pool()
    assert PoolManager.get_pool_metrics(one.hash())["total_acquired"] == 1
    assert PoolManager.get_pool_metrics(other.hash())["total_acquired"] == 0
    found = PoolManager.get_pool_metrics()
    assert (found[one.hash()]["total_acquired"], found[other.hash()]["total_acquired"]) == (1, 0)
    assert {one.hash().key, other.hash().key} <= {*found}
    assert one.hash() in found
    health = await PoolManager.health_check_all_pools()
    assert health[one.hash()] is True
    assert len(found) == len(json.loads(json.dumps({name: 1 for name in found})))


async def test_an_exported_series_stays_with_its_pool(twins: Any) -> None:
    one, other = twins
    one._pool()
    other._pool()

    def labels() -> set[str]:
        families = text_string_to_metric_families(metrics.prometheus())
        samples = [sample for family in families for sample in family.samples]
        ours = (sample.labels for sample in samples if sample.labels.get("pool") == one.alias())
        return {labels["hash"] for labels in ours}

    both = labels()
    assert len(both) == 2
    await PoolManager.close_pool(one.hash())
    (left,) = labels()
    assert left == max(both, key=len)


async def test_a_mere_text_means_all_of_a_hash(twins: Any) -> None:
    one, other = twins
    one._pool()
    other._pool()
    text = str(one.hash())
    for copied in (pickle.loads(pickle.dumps(one.hash())), text):
        assert type(copied) is str
        assert copied == text
    assert copy.copy(one.hash()) == text
    await PoolManager.close_pool(text)
    assert PoolManager.get_pool_metrics(text) == {}


def test_no_password_is_kept(twins: Any) -> None:
    _, other = twins
    assert "another" not in f"{other.hash()!r} {other.hash().identity!r} {other.hash().key}"


def test_databases_of_two_kinds_are_told_apart() -> None:
    config = millpond.DatabaseConfig(database="d", host="h", user="u")
    one, other = millpond.PostgresDatabase(config), millpond.MysqlDatabase(config)
    one._pool()
    other._pool()
    with one:
        pass
    assert not other._pool().closed
    with other:
        pass
