"""The catalog of MySQL and MariaDB."""

from __future__ import annotations

from typing import Any

from .base import Catalog, Name, Section, section

_HERE = "table_schema = coalesce(nullif(?, ''), database())"
_COLUMNS = f"""SELECT column_name AS `column`, column_type AS type,
    if(is_nullable = 'NO', 'not null', '') AS nullable,
    trim(concat(coalesce(column_default, ''), ' ', extra)) AS `default`
    FROM information_schema.columns WHERE {_HERE} AND table_name = ? ORDER BY ordinal_position"""

_PARTS = {
    "indexes": f"""SELECT concat(if(min(non_unique) = 0, 'UNIQUE ', ''), index_name, ' (',
        group_concat(column_name ORDER BY seq_in_index SEPARATOR ', '), ')')
        FROM information_schema.statistics WHERE {_HERE} AND table_name = ?
        GROUP BY index_name ORDER BY index_name <> 'PRIMARY', index_name""",
    "foreign keys": f"""SELECT concat(constraint_name, ' (',
        group_concat(column_name ORDER BY ordinal_position SEPARATOR ', '), ') REFERENCES ',
        referenced_table_name, ' (',
        group_concat(referenced_column_name ORDER BY ordinal_position SEPARATOR ', '), ')')
        FROM information_schema.key_column_usage WHERE {_HERE} AND table_name = ?
        AND referenced_table_name IS NOT NULL
        GROUP BY constraint_name, referenced_table_name ORDER BY constraint_name""",
    "triggers": """SELECT concat(trigger_name, ' ', action_timing, ' ', event_manipulation, ' ',
        action_statement) FROM information_schema.triggers
        WHERE event_object_schema = coalesce(nullif(?, ''), database())
        AND event_object_table = ? ORDER BY trigger_name""",
    "definition": f"SELECT view_definition FROM information_schema.views WHERE {_HERE} "
    "AND table_name = ?",
}


class MysqlCatalog(Catalog):
    """Tables of the current database, unless another is named."""

    kinds = {
        "t": "'BASE TABLE', 'SYSTEM VERSIONED'",
        "v": "'VIEW', 'SYSTEM VIEW'",
        "s": "'SEQUENCE'",
    }
    databases = "SHOW DATABASES"
    current = "SELECT database()"
    words = """SELECT table_schema, table_name, column_name FROM information_schema.columns
        WHERE table_schema = database() ORDER BY table_name, ordinal_position LIMIT 50000"""

    def listing(self, kinds: str, name: Name | None) -> tuple[str, list[Any]]:
        params = [name.schema if name else ""]
        pattern = ""
        if name is not None:
            pattern = " AND {} LIKE ? ESCAPE '!'"
            params.append(name.like)
        if kinds == "i":
            return (
                f"""SELECT DISTINCT table_schema AS `schema`, index_name AS name, table_name AS
                `table` FROM information_schema.statistics WHERE {_HERE}
                {pattern.format("index_name")} ORDER BY 3, 2""",
                params,
            )
        wanted = ", ".join(self.kinds[kind] for kind in kinds if kind in self.kinds)
        return (
            f"""SELECT table_schema AS `schema`, table_name AS name,
            lower(replace(table_type, 'BASE ', '')) AS kind FROM information_schema.tables
            WHERE table_type IN ({wanted}) AND {_HERE} {pattern.format("table_name")} ORDER BY 2""",
            params,
        )

    def describe(self, conn: Any, name: Name) -> list[Section] | None:
        where = (name.schema, name.table)
        columns = section(conn, name.text, _COLUMNS, where)
        if not columns.rows:
            return None
        sections = [columns]
        for title, sql in _PARTS.items():
            part = section(conn, title, sql, where)
            if part.rows:
                sections.append(Section(title, (), part.rows))
        return sections


__all__ = ["MysqlCatalog"]
