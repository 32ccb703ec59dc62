"""MySQL's and MariaDB's error numbers: from 1900 and 3000 on they mean other things on the two."""

from typing import Any

import millpond
import pytest

LOST = millpond.ConnectionLostError
NOTHING_KNOWN = millpond.ServerError

# what each number means on MariaDB, and on MySQL
NUMBERS: list[tuple[int, type[millpond.Error], type[millpond.Error]]] = [
    (1062, millpond.UniqueViolationError, millpond.UniqueViolationError),
    (1205, millpond.BusyError, millpond.BusyError),
    (1927, LOST, NOTHING_KNOWN),
    (1969, millpond.QueryCancelledError, NOTHING_KNOWN),
    (3024, NOTHING_KNOWN, millpond.QueryCancelledError),
    (3101, NOTHING_KNOWN, millpond.SerializationError),
    (3140, NOTHING_KNOWN, millpond.InvalidDataError),
    (3169, NOTHING_KNOWN, LOST),
    (3572, NOTHING_KNOWN, millpond.BusyError),
    (3819, NOTHING_KNOWN, millpond.CheckViolationError),
    (3989, NOTHING_KNOWN, millpond.ReadOnlyError),
    (4025, millpond.CheckViolationError, NOTHING_KNOWN),
    (4031, millpond.UndefinedObjectError, LOST),
    (4084, millpond.ValueRangeError, NOTHING_KNOWN),
    (4091, millpond.UndefinedObjectError, NOTHING_KNOWN),
]


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(("number", "on_mariadb", "on_mysql"), NUMBERS)
async def test_a_number_means_what_it_means_on_its_server(
    databases: Any,
    mysql: dict[str, Any],
    number: int,
    on_mariadb: type[millpond.Error],
    on_mysql: type[millpond.Error],
    prepared: bool,
) -> None:
    wanted = on_mariadb if mysql["server"] == "MariaDB" else on_mysql
    signal = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'as asked for'"
    db = databases.open("mysql", pool_max_size=1)
    async with db.async_connection() as conn:
        if prepared:
            await conn.execute("DROP PROCEDURE IF EXISTS fails")
            await conn.execute(f"CREATE PROCEDURE fails() {signal}")
        await conn.begin_transaction()
        await conn.execute("SELECT 1")
        with pytest.raises(millpond.Error, match="as asked for") as caught:
            await conn.execute("CALL fails()" if prepared else signal)
        assert type(caught.value) is wanted
        assert (caught.value.vendor_code, caught.value.sqlstate) == (number, "HY000")
        if wanted is not LOST:  # then the session goes on
            assert (await conn.execute("SELECT 2")) == [(2,)]
            await conn.rollback_transaction()
    if prepared:
        async with db.async_connection() as conn:
            await conn.execute("DROP PROCEDURE fails")


async def test_a_trigger_that_is_not_there_costs_no_connection(databases: Any) -> None:
    """Its number on MariaDB is that of MySQL's session which was idle for too long."""
    async with databases.open("mysql", pool_max_size=1).async_connection() as conn:
        await conn.execute("DROP TABLE IF EXISTS watched")
        await conn.execute("CREATE TABLE watched (n int)")
        session = await conn.execute("SELECT connection_id()")
        with pytest.raises(millpond.UndefinedObjectError, match="no_such_trigger") as caught:
            await conn.execute(
                "CREATE TRIGGER second BEFORE INSERT ON watched FOR EACH ROW FOLLOWS "
                "no_such_trigger SET NEW.n = 1"
            )
        assert caught.value.vendor_code in (4031, 3011)
        assert (await conn.execute("SELECT connection_id()")) == session
        await conn.execute("DROP TABLE watched")
