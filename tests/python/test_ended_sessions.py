"""Sessions that the server ends between two statements: the caller is told why, and what to do."""

from typing import Any

import millpond
import pytest
from observer import until

SERVERS = ("postgres", "mysql")
NUMBER = {"postgres": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
THERE = {
    "postgres": "SELECT 1 FROM pg_stat_activity WHERE pid = ?",
    "mysql": "SELECT 1 FROM information_schema.processlist WHERE id = ?",
}


async def gone(databases: Any, kind: str, number: int) -> None:
    """Until the server knows nothing of the session any more."""
    async with databases.open(kind, alias="observer").async_connection() as conn:

        async def is_gone() -> bool:
            return not await conn.execute(THERE[kind], (number,))

        await until("the session's end", is_gone)


async def kill(databases: Any, kind: str, number: int) -> None:
    async with databases.open(kind, alias="killer").async_connection() as conn:
        if kind == "postgres":
            await conn.execute("SELECT pg_terminate_backend(?)", (number,))
        else:
            await conn.execute(f"KILL {number}")
    await gone(databases, kind, number)


async def lost(conn: Any, sql: str = "SELECT 1") -> millpond.ConnectionLostError:
    """The error of a statement; what the server does before it hangs up may be seen late."""
    caught: list[millpond.ConnectionLostError] = []

    async def fails() -> bool:
        try:
            await conn.execute(sql)
        except millpond.ConnectionLostError as error:
            caught.append(error)
        return bool(caught)

    await until("the loss", fails)
    return caught[0]


def is_explained(error: millpond.Error, kind: str, sqlstate: str = "57P01") -> bool:
    if kind == "postgres":
        return error.sqlstate == sqlstate and "terminating connection" in f"{error} {error.detail}"
    return "acquire another" in str(error)  # MariaDB hangs up without a word


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("open_", [False, True], ids=["idle", "in a transaction"])
async def test_a_session_that_is_ended_between_two_statements_says_why(
    databases: Any, kind: str, open_: bool
) -> None:
    async with databases.open(kind).async_connection() as conn:
        number = await conn.fetch_value(NUMBER[kind])
        if open_:
            await conn.begin_transaction()
            await conn.execute("SELECT 1")
        await kill(databases, kind, number)
        error = await lost(conn)
        assert is_explained(error, kind)
        assert error.retryable is not open_
        again = await lost(conn)
        assert is_explained(again, kind)
        assert again.retryable is not open_


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_blocking_connection_says_why_too(databases: Any, kind: str) -> None:
    with databases.open(kind).sync_connection() as conn:
        conn.begin_transaction()
        number = conn.fetch_value(NUMBER[kind])
        await kill(databases, kind, number)
        for statement in ("SELECT 1", "SELECT 2"):
            with pytest.raises(millpond.ConnectionLostError) as caught:
                conn.execute(statement)
            assert is_explained(caught.value, kind)
            assert caught.value.retryable is False


async def test_a_transaction_that_was_idle_for_too_long_says_so(databases: Any) -> None:
    async with databases.open("postgres").async_connection() as conn:
        number = await conn.fetch_value(NUMBER["postgres"])
        await conn.begin_transaction()
        await conn.execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
        await gone(databases, "postgres", number)
        with pytest.raises(millpond.ConnectionLostError) as caught:
            await conn.commit_transaction()
        assert is_explained(caught.value, "postgres", "25P03")
        assert caught.value.retryable is False


async def test_a_session_of_mysql_that_waited_for_too_long_is_lost(databases: Any) -> None:
    async with databases.open("mysql").async_connection() as conn:
        number = await conn.fetch_value(NUMBER["mysql"])
        await conn.execute("SET SESSION wait_timeout = 1")
        await conn.begin_transaction()
        await gone(databases, "mysql", number)
        error = await lost(conn)
        assert is_explained(error, "mysql")
        assert error.retryable is False


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_transaction_that_is_lost_in_a_statement_can_be_tried_again(
    databases: Any, kind: str
) -> None:
    sleep = {"postgres": "SELECT pg_sleep(600)", "mysql": "SELECT sleep(600)"}[kind]
    async with databases.open(kind).async_connection() as conn:
        number = await conn.fetch_value(NUMBER[kind])
        await conn.begin_transaction()
        sleeping = conn.execute(sleep)
        async with databases.open(kind, alias="observer").async_connection() as observer:
            asks = {
                "postgres": "SELECT 1 FROM pg_stat_activity WHERE pid = ? "
                "AND wait_event = 'PgSleep'",
                "mysql": "SELECT 1 FROM information_schema.processlist WHERE id = ? "
                "AND state = 'User sleep'",
            }[kind]

            async def sleeps() -> bool:
                return bool(await observer.execute(asks, (number,)))

            await until("the statement's start", sleeps)
        await kill(databases, kind, number)
        with pytest.raises(millpond.ConnectionLostError, match="nothing of this") as caught:
            await sleeping
        assert caught.value.retryable is True
