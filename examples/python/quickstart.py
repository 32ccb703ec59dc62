"""The main job in Python.

python quickstart.py            an SQLite database in memory
python quickstart.py URL        postgres://user:password@host/name, mysql://..., sqlite:///FILE
python quickstart.py FILE       an SQLite file
"""

import asyncio
import sys

import millpond
from millpond import ConnectionManager, QueryTimeoutError, UniqueViolationError

# It would take hours, on any database.
ENDLESS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
    "SELECT count(*) FROM n a, n b, n c, n d"
)


def open_database(where: str = ":memory:") -> ConnectionManager:
    if "://" in where:
        return millpond.connect(where)
    return millpond.connect("sqlite:///:memory:", database=where)


async def make_table(db: ConnectionManager) -> None:
    async with db.async_connection() as conn:
        versions = await conn.get_version_details()
        print("connected to", versions["db_server_version"])
        await conn.execute("DROP TABLE IF EXISTS quickstart_users")
        await conn.execute("CREATE TABLE quickstart_users (id varchar(20) PRIMARY KEY, name text)")
        rows = [("u1", "Ada"), ("u2", "Grace"), ("u3", "Edsger")]
        result = await conn.executemany("INSERT INTO quickstart_users VALUES (?, ?)", rows)
        print("inserted", result.rowcount, "rows in one call")


async def work_in_transaction(db: ConnectionManager) -> None:
    async with db.async_connection() as conn:
        await conn.begin_transaction()
        try:
            rows = await conn.execute(
                "SELECT id, name FROM quickstart_users WHERE id = ?",
                ("u2",),
                timeout=5.0,
                tags={"operation": "get_user"},
            )
            print("found", rows, "with the columns", rows.columns)
            await conn.commit_transaction()
            print("committed")
        except Exception:
            await conn.rollback_transaction()
            raise


async def fail_clearly(db: ConnectionManager) -> None:
    async with db.async_connection() as conn:
        try:
            await conn.execute("INSERT INTO quickstart_users VALUES (?, ?)", ("u1", "Alan"))
        except UniqueViolationError as error:
            print("refused:", error)
        try:
            await conn.execute(ENDLESS, timeout=0.2)
        except QueryTimeoutError as error:
            print("stopped:", error)
        rows = await conn.execute("SELECT count(*) FROM quickstart_users")
        print("the connection still works:", rows[0][0], "users")


async def many_at_once(db: ConnectionManager) -> None:
    async def one(key: str) -> str:
        async with db.async_connection() as conn:
            rows = await conn.execute("SELECT name FROM quickstart_users WHERE id = ?", (key,))
            return str(rows[0][0])

    names = await asyncio.gather(*(one(f"u{i % 3 + 1}") for i in range(30)))
    status = db.get_pool_status()
    print(len(names), "tasks shared", status["size"], "connections")


async def main() -> None:
    db = open_database(*sys.argv[1:])
    await make_table(db)
    await work_in_transaction(db)
    await fail_clearly(db)
    await many_at_once(db)
    with db.sync_connection() as conn:
        print("without asyncio:", conn.execute("SELECT max(name) FROM quickstart_users"))
    await db.close_pool(timeout=30)
    print("pool closed")


asyncio.run(main())
