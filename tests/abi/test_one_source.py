"""The blocking half of the Python package is made of the asynchronous one."""

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

from headers import ROOT

PACKAGE = ROOT / "bindings/python/millpond"
GENERATOR = ROOT / "bindings/python/async_to_sync.py"


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("async_to_sync", GENERATOR)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["async_to_sync"] = module
    spec.loader.exec_module(module)
    return module


def test_the_blocking_half_is_what_the_generator_makes() -> None:
    assert generator().stale(write=False) == []


def test_a_stale_file_is_found_and_made_anew(tmp_path: Path) -> None:
    for half in ("_async", "_sync"):
        shutil.copytree(PACKAGE / half, tmp_path / half)
    source = tmp_path / "_async/stream.py"
    text = source.read_text(encoding="utf-8").replace("isinstance(error, _native.Error)", "True")
    source.write_text(text, encoding="utf-8")
    (tmp_path / "_sync/pieces.py").unlink()
    (tmp_path / "_sync/gone.py").write_text("", encoding="utf-8")
    stale = generator().stale
    assert sorted(stale(write=False, package=tmp_path)) == ["gone.py", "pieces.py", "stream.py"]
    stale(write=True, package=tmp_path)
    assert stale(write=False, package=tmp_path) == []
    assert not (tmp_path / "_sync/gone.py").exists()


ASYNCHRONOUS = '''
class AsyncThing(AsyncIterator[int]):
    """An asynchronous thing, for ``async with``: see :meth:`AsyncConnection.execute`."""

    async def __aenter__(self) -> Awaitable[list[int]]:
        async with self.lock_async() as é, open("x") as two:  # a comment stays
            return [await one async for one in aiter_of(é) if await two]

    def go(self) -> Coroutine[Any, Any, dict[str, int]]:
        if self.x:  # async only
            return await nothing
        wait = gather  # sync: wait = run_all
        return run_async(wait(_native.Connection, asyncio.sleep(1)))
'''

BLOCKING = '''
class SyncThing(Iterator[int]):
    """A synchronous thing, for ``with``: see :meth:`SyncConnection.execute`."""

    def __enter__(self) -> list[int]:
        with self.lock_sync() as é, open("x") as two:  # a comment stays
            return [one for one in aiter_of(é) if two]

    def go(self) -> dict[str, int]:
        wait = run_all
        return run_sync(wait(_native.SyncConnection, time.sleep(1)))
'''


def test_asynchronous_source_becomes_blocking_source() -> None:
    made = generator().to_sync(
        ASYNCHRONOUS.replace("            return await nothing", "            pass")
    )
    assert made == BLOCKING
