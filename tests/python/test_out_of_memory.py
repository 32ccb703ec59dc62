"""A process whose memory ends while a result arrives."""

from typing import Any

import pytest
from programs import Programs

#: Answers of 200 MB: in one value, and in many rows.
LARGE = {
    "postgres": (
        "SELECT repeat('x', 200000000)",
        "SELECT repeat('x', 1000) FROM generate_series(1, 200000)",
    ),
    "mysql": (
        "SELECT repeat('x', 15000000), repeat('x', 15000000) UNION ALL "
        "SELECT repeat('y', 15000000), repeat('y', 15000000) UNION ALL "
        "SELECT repeat('z', 15000000), repeat('z', 15000000) UNION ALL "
        "SELECT repeat('a', 15000000), repeat('a', 15000000)",
    ),
}
LIMITED = """
import resource

async def main():
    db = open_db(pool_max_size=1)
    async with db.async_connection() as conn:
        await conn.execute("SELECT 1")
        with open("/proc/self/statm") as statm:
            pages = int(statm.read().split()[0])
        most = pages * resource.getpagesize() + (16 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        try:
            await conn.execute(SQL)
        except millpond.Error as error:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            say(f"{type(error).__name__} {error.retryable} {error}")
    async with db.async_connection() as conn:
        say((await conn.execute("SELECT 1"))[0][0])

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_memory_that_ends_while_a_result_arrives_is_called_so(
    programs: Programs, databases: Any, kind: str
) -> None:
    for sql in LARGE[kind]:
        program = programs(f"SQL = {sql!r}\n" + LIMITED, kind, databases.settings(kind))
        said = program.line()
        assert said.startswith("OutOfMemoryError False"), (said, program.end()[2])
        assert program.line() == "1"
        assert program.end()[0] == 0
