"""Interpreters that end, with a word on what is open, and those that are not the first."""

import textwrap
from pathlib import Path
from typing import Any

import millpond
import pytest
from conftest import ENDLESS, KINDS
from programs import Programs

pytestmark = pytest.mark.slow

# ---- Ends --------------------------------------------------------------------------------

ENDS = {
    "an open pool, and a connection that is lent": """
        db = open_db()
        kept = db.get_sync_connection()
        kept.execute("SELECT 1")
        """,
    "an event loop in the middle of a statement": """
        async def main():
            conn = await open_db().get_async_connection()
            running = asyncio.ensure_future(conn.execute(ENDLESS))
            await asyncio.sleep(0)
            say("ends")
        asyncio.run(main())
        """,
    "daemon threads in blocking statements": """
        db = open_db()
        begun = threading.Barrier(4)
        def work():
            with db.sync_connection() as conn:
                begun.wait()
                conn.execute(ENDLESS)
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        begun.wait()
        """,
    "a daemon thread that waits for a connection": """
        db = open_db(sync_max_size=1)
        kept = db.get_sync_connection()
        waiter = threading.Thread(target=db._acquire_sync, args=(None,), daemon=True)
        waiter.start()
        while not db.get_pool_status()["waiting"]:
            time.sleep(0.001)
        """,
    "a daemon thread with an event loop": """
        db = open_db()
        async def work():
            async with db.async_connection() as conn:
                await conn.execute(ENDLESS)
        threading.Thread(target=asyncio.run, args=(work(),), daemon=True).start()
        while not db.get_pool_status()["in_use"]:
            time.sleep(0.001)
        """,
    "a child that exits first": """
        kept = open_db().get_sync_connection()
        kept.execute("SELECT 1")
        child = os.fork()
        if not child:
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
    "a child whose threads are all gone, and that forks again": """
        db = open_db()
        db.get_sync_connection().execute("SELECT 1")
        child = os.fork()
        if not child:
            open_db().get_sync_connection().execute("SELECT 1")
            grandchild = os.fork()
            if not grandchild:
                os._exit(0)
            assert os.waitpid(grandchild, 0)[1] == 0
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
    "a thread that an exit handler lets go on": """
        import atexit
        db = open_db()
        begun, go = threading.Event(), threading.Event()
        def work():
            with db.sync_connection() as conn:
                conn.execute("SELECT 1")
            begun.set()
            go.wait()
            with db.sync_connection() as conn:
                conn.execute("SELECT 2")
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        begun.wait()
        atexit.register(lambda: (go.set(), thread.join()))
        """,
    "sys.exit() in a coroutine": """
        async def main():
            async with open_db().async_connection() as conn:
                await conn.execute("SELECT 1")
                sys.exit(0)
        asyncio.run(main())
        """,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ENDS.values(), ids=list(ENDS))
def test_the_interpreter_ends_cleanly_and_at_once(
    programs: Programs, databases: Any, kind: str, text: str
) -> None:
    program = f"ENDLESS = {ENDLESS[kind]!r}\n" + textwrap.dedent(text)
    code, _, errors = programs(program, kind, databases.settings(kind)).end()
    assert code == 0, errors
    for trouble in ("Traceback", "Fatal", "Exception ignored"):
        assert trouble not in errors, errors


# ---- What is open at the end -------------------------------------------------------------


def test_an_open_pool_is_warned_of(programs: Programs) -> None:
    _, _, errors = programs('open_db(alias="shop").get_sync_connection()').end()
    assert "ResourceWarning: a pool was not closed: shop" in errors
    _, _, errors = programs('open_db(alias="shop").get_sync_connection()', options=()).end()
    assert errors == ""


@pytest.mark.parametrize(
    "text",
    [
        """
        with open_db() as db, db.sync_connection() as conn:
            conn.execute("SELECT 1")
        """,
        """
        async def main():
            async with open_db() as db, db.async_connection() as conn:
                await conn.execute("SELECT 1")
        asyncio.run(main())
        """,
        """
        async def main():
            async with open_db().async_connection() as conn:
                await conn.execute("SELECT 1")
            await millpond.PoolManager.close_pool()
        asyncio.run(main())
        """,
    ],
)
def test_nothing_is_warned_of_where_all_was_closed(programs: Programs, text: str) -> None:
    assert programs(text).end() == (0, [], "")


# ---- What is kept until the end ----------------------------------------------------------

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"

KEPT = {
    "rows": 'conn.execute("SELECT 1")',
    "rows for dataframes": 'conn.find_entities_arrow("things")',
    "the connection": "conn",
    "rows whose type somebody remembers": (  # as polars does
        'remember_type(conn.find_entities_arrow("things"))'
    ),
    "the pool": "db._pool()",
    "what is known of entities": "millpond._native.Schema(millpond._native.POND_DIALECT_SQLITE)",
    "a breaker": "millpond.circuit.CircuitBreaker('b')",
}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("call", KEPT.values(), ids=list(KEPT))
def test_what_a_program_keeps_does_not_keep_other_modules(
    programs: Programs, databases: Any, kind: str, call: str
) -> None:
    """DuckDB's package tells what is left of it once the interpreter has ended."""
    program = f"""
        sys.path.insert(0, {str(EXAMPLES)!r})
        import duckdb_backend
        import ctypes
        def remember_type(rows):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(type(rows)))
        def function(of: duckdb_backend.duckdb.DuckDBPyConnection): pass
        millpond.Error.function = function  # leads from the module to that package
        with open_db() as db, db.sync_connection() as conn:
            conn.save_entity("things", {{"id": "one"}})
            kept = {call}
        """
    assert programs(program, kind, databases.settings(kind)).end() == (0, [], "")


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(millpond._native).values() if isinstance(kind, type)]
)
def test_the_garbage_collector_knows_each_type(kind: type) -> None:
    have_gc = 1 << 14  # Py_TPFLAGS_HAVE_GC
    assert kind.__flags__ & have_gc


# ---- Interpreters in the interpreter -----------------------------------------------------


def test_a_second_interpreter_refuses_or_works(programs: Programs) -> None:
    code, said, errors = programs(
        """
        import _xxsubinterpreters as interpreters
        import textwrap
        code = '''
        try:
            import millpond
            with millpond.connect("sqlite:///:memory:") as db, db.sync_connection() as conn:
                assert conn.fetch_value("SELECT 1") == 1
        except ImportError as error:
            assert "interpreter" in str(error), error
        '''
        other = interpreters.create()
        interpreters.run_string(other, textwrap.dedent(code))
        interpreters.destroy(other)
        say("fine")
        """
    ).end()
    assert (code, said) == (0, ["fine"]), errors
