"""Writes and reads on a primary with replicas, and goes on when another becomes the primary.

python failover.py URL          postgres://user:password@host,host,host/name

It says "now the primary dies" when whoever runs it may stop the primary and promote a replica;
examples/replicas/run does both.
"""

import asyncio
import sys

import millpond
from millpond import ConnectionManager


async def make_table(db: ConnectionManager) -> None:
    async with db.async_connection() as conn:
        await conn.execute("CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, item text)")


async def add_order(db: ConnectionManager, number: int) -> int:
    """Returns the port of the server that took it."""
    async with db.async_connection() as conn, conn.transaction():
        await conn.execute("INSERT INTO orders VALUES (?, ?)", (number, f"item {number}"))
        return int((await conn.execute("SELECT inet_server_port()"))[0][0])


async def add_order_whatever_happens(db: ConnectionManager, number: int) -> int:
    """Try again until a primary takes it; the key makes sure that it is there only once."""
    while True:
        try:
            return await add_order(db, number)
        except millpond.UniqueViolationError:
            return 0  # an attempt whose answer was lost had succeeded
        except millpond.OperationalError as error:
            print(f"order {number} waits: {type(error).__name__}")
            await asyncio.sleep(0.2)


async def main(url: str) -> None:
    db = millpond.connect(url)
    await make_table(db)
    old = await add_order(db, 1)
    print(f"order 1 was taken by the server on port {old}")
    print("now the primary dies")
    number, new = 1, old
    while new in (0, old):
        number += 1
        new = await add_order_whatever_happens(db, number)
    print(f"order {number} was taken by the server on port {new}")
    async with db.async_connection() as conn:
        count = (await conn.execute("SELECT count(*) FROM orders"))[0][0]
    print(f"{count} orders of {number} are there")
    await db.close_pool()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
