"""MySQL and MariaDB: comments that are executed from a version on, and the placeholders in them."""

from typing import Any

import millpond
import pytest

# what follows SELECT ?, the rows on MySQL 8.0 and on MariaDB 10.11 for the parameters 1, 2, 3, ...
COMMENTS: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
    ("/*! , ? */", (1, 2), (1, 2)),
    ("/*!50000 , ? */", (1, 2), (1, 2)),
    ("/*!50000, ?*/", (1, 2), (1, 2)),
    ("/*!50700 , ? */", (1, 2), (1,)),
    ("/*!80000 , ? */", (1, 2), (1,)),
    ("/*!99999 , ? */", (1,), (1,)),
    ("/*!999999 , ? */", (1,), (1,)),
    ("/*M! , ? */", (1,), (1, 2)),
    ("/*M!100000 , ? */", (1,), (1, 2)),
    ("/*M!80000 , ? */", (1,), (1, 2)),
    ("/*M!990000 , ? */", (1,), (1,)),
    ("/*!50000 , ? /* ? */ , ? */", (1, 2, 3), (1, 2, 3)),
    ("/*!50000 , ? /*!99999 , ? */ , ? */", (1, 2, 3), (1, 2, 3)),
    ("/*!99999 , ? /* ? */ , ? */ , ?", (1, 2), (1, 2)),
    ("/*!99999 , '? */ , ?", (1, 2), (1, 2)),
    ("/*!50000 , '? */ ' */ , ?", (1, "? */ ", 2), (1, "? */ ", 2)),  # type: ignore[list-item]
    ("/*!80000 , ? */ /*M!100000 , ? */", (1, 2), (1, 2)),
]


@pytest.mark.parametrize(("comment", "on_mysql", "on_mariadb"), COMMENTS)
async def test_placeholders_are_counted_as_the_server_counts_them(
    databases: Any,
    mysql: dict[str, Any],
    comment: str,
    on_mysql: tuple[Any, ...],
    on_mariadb: tuple[Any, ...],
) -> None:
    wanted = on_mariadb if mysql["server"] == "MariaDB" else on_mysql
    params = tuple(value for value in wanted if isinstance(value, int))
    sql = f"SELECT ? {comment}"
    db = databases.open("mysql")
    async with db.async_connection() as conn:
        assert await conn.execute(sql, params) == [wanted]
        assert [row async for row in conn.stream(sql, params)] == [wanted]
        with pytest.raises(millpond.ParameterError, match=f"{len(params)} placeholder"):
            await conn.execute(sql, (*params, 9))
        await conn.execute("CREATE TEMPORARY TABLE kept (a int, b varchar(9), c int)")
        columns = ", ".join("abc"[: len(wanted)])
        insert = f"INSERT INTO kept ({columns}) VALUES (? {comment})"
        await conn.executemany(insert, [params, params])
        assert await conn.execute("SELECT count(*) FROM kept") == [(2,)]
    with db.sync_connection() as conn:
        assert conn.execute(sql, params) == [wanted]


async def test_what_the_server_does_not_execute_touches_no_session(databases: Any) -> None:
    """A semicolon in it is none, and a comment that is left open is an error of ours."""
    async with databases.open("mysql").async_connection() as conn:
        assert await conn.execute("SELECT 1 /*!99999 ; SET @a = 1 */") == [(1,)]
        with pytest.raises(millpond.SqlSyntaxError, match="unterminated comment"):
            await conn.execute("SELECT 1 /*!99999 , ? ")
        with pytest.raises(millpond.SqlSyntaxError, match="unterminated comment"):
            await conn.execute("SELECT 1 /*!50000 , ? ", (1,))
