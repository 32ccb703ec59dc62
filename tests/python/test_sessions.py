"""Sessions: what they note, and which code has them."""

import asyncio
import contextvars
import copy
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from millpond import ArgumentError, Session

ELSEWHERE = contextvars.copy_context()


# ---- Sessions ----------------------------------------------------------------------------


@pytest.mark.once
def test_a_session_that_saw_nothing_has_a_token_too() -> None:
    session = Session()
    assert str(session) == session.token == Session("").token == Session(None).token
    assert Session(session.token).token == session.token
    size = len(session.token)
    assert repr(session) == f"<millpond.Session: a token of {size} characters>"


@pytest.mark.once
@pytest.mark.parametrize("text", ["x", "v1", "1.~", "é", "a\x00b", "\ud800", " ", "a" * 100_000])
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    for wrong in (lambda: Session(text), lambda: Session().merge(text)):
        with pytest.raises(ArgumentError, match="token") as caught:
            wrong()
        assert isinstance(caught.value, ValueError)


@pytest.mark.once
@pytest.mark.parametrize("token", [7, b"", object()])
def test_a_token_is_a_str(token: Any) -> None:
    with pytest.raises(ArgumentError, match="must be a str, not"):
        Session(token)


@pytest.mark.once
def test_sessions_nest_and_the_inner_one_counts() -> None:
    assert Session.current() is None
    with Session() as outer:
        assert Session.current() is outer
        with Session() as inner:
            assert Session.current() is inner
            with outer:
                assert Session.current() is outer
            assert Session.current() is inner
        assert Session.current() is outer
    assert Session.current() is None


@pytest.mark.once
def test_a_session_is_left_when_an_exception_leaves_its_block() -> None:
    with pytest.raises(KeyError), Session():
        raise KeyError
    assert Session.current() is None


@pytest.mark.once
async def test_a_task_has_the_session_of_the_code_that_made_it() -> None:
    async def current() -> Session | None:
        await asyncio.sleep(0)
        return Session.current()

    async def own() -> bool:
        with Session() as session:
            return await current() is session

    with Session() as session:
        task = asyncio.create_task(current())
        assert await asyncio.gather(own(), own(), own()) == [True] * 3
        assert await asyncio.to_thread(Session.current) is session
    assert await task is session  # also after the block
    assert Session.current() is None


@pytest.mark.once
def test_a_thread_begins_without_a_session() -> None:
    found: list[Session | None] = []
    with Session():
        thread = threading.Thread(target=lambda: found.append(Session.current()))
        thread.start()
        thread.join()
    assert found == [None]


@pytest.mark.once
def test_generators_may_leave_sessions_out_of_order() -> None:
    def block(session: Session) -> Iterator[None]:
        with session:
            yield

    first, second = Session(), Session()
    one, two = block(first), block(second)
    next(one)
    next(two)
    next(one, None)
    assert Session.current() is second
    next(two, None)
    assert Session.current() is None
    with first:
        assert ELSEWHERE.run(Session.current) is None
        ELSEWHERE.run(first.__exit__)  # where it was never entered
        assert Session.current() is first


@pytest.mark.once
def test_a_session_is_final() -> None:
    with pytest.raises(TypeError):
        type("Mine", (Session,), {})


async def test_what_is_written_in_a_session_can_be_read_in_it(items: str, db: Any) -> None:
    with Session() as session:
        async with db.async_connection() as conn:
            await conn.execute(f"INSERT INTO {items} (id, name) VALUES (1, 'a')")
        token = session.token
    with Session(token) as again:
        async with db.async_connection() as conn:
            assert await conn.fetch_value(f"SELECT name FROM {items}") == "a"
        assert again.token
        assert Session(again.token).token == again.token


def test_sync_leases_note_what_they_do_too(kind: str, databases: Any) -> None:
    if kind == "duckdb":
        pytest.skip("a backend in Python has no positions")
    db = databases.open(kind)
    with Session() as session:
        with db.sync_connection() as conn:
            conn.execute("CREATE TEMPORARY TABLE noted (id INTEGER)")
        first = session.token
        conn = db.get_sync_connection()
        conn.execute("SELECT 1")
        with Session() as other:
            db.get_sync_connection().execute("SELECT 1")
        assert other.token
        db.release_sync_connection()
    assert first


@pytest.mark.once
def test_a_session_can_be_copied_and_pickled_and_merged(databases: Any) -> None:
    db = databases.open("postgres")
    with Session() as session, db.sync_connection() as conn:
        conn.execute("SELECT 1")
    token = session.token
    assert token
    assert repr(session) == f"<millpond.Session: a token of {len(token)} characters>"
    for other in (pickle.loads(pickle.dumps(session)), copy.copy(session), Session(token)):
        assert other is not session
        assert other.token == token
    merged = Session()
    merged.merge(session)
    merged.merge(token)
    assert merged.token == token


# ---- Nodes -------------------------------------------------------------------------------


async def test_a_status_names_the_one_node(db: Any, kind: str) -> None:
    (before,) = db.get_pool_status()["nodes"]
    assert before["is_primary"] is True
    async with db.async_connection():
        (node,) = db.get_pool_status()["nodes"]
    assert node["role"] == "primary"
    assert node["in_use"] == 1
    assert (node["region"], node["weight"], node["problem"]) == ("", 1.0, "")
    assert node["lag_seconds"] in (0, None)
    if kind not in ("sqlite", "duckdb"):
        assert ":" in node["address"]
