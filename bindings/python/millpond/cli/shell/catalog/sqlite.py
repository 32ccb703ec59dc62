"""SQLite's catalog."""

from __future__ import annotations

from typing import Any

from .base import Catalog, Name, Section, section

_COLUMNS = """SELECT name AS "column", type, CASE WHEN "notnull" THEN 'not null' ELSE '' END AS
    nullable, coalesce(dflt_value, '') AS "default", CASE WHEN pk THEN 'key ' || pk ELSE '' END AS
    "primary" FROM pragma_table_xinfo(?, ?) ORDER BY cid"""
_INDEXES = """SELECT CASE WHEN l."unique" THEN 'UNIQUE ' ELSE '' END || l.name || ' (' ||
    (SELECT group_concat(coalesce(i.name, 'an expression'), ', ')
     FROM pragma_index_info(l.name, ?) i) || ')'
    FROM pragma_index_list(?, ?) l ORDER BY l.seq"""
_KEYS = """SELECT '(' || group_concat("from", ', ') || ') REFERENCES ' || "table" || ' (' ||
    group_concat(coalesce("to", 'its key'), ', ') || ')' FROM pragma_foreign_key_list(?, ?)
    GROUP BY id, "table" ORDER BY id"""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class SqliteCatalog(Catalog):
    """Tables of the main database, unless another that is attached is named."""

    kinds = {"t": "table", "v": "view", "i": "index"}
    databases = "SELECT name, file FROM pragma_database_list ORDER BY seq"
    words = """SELECT 'main', m.name, c.name FROM sqlite_master m, pragma_table_xinfo(m.name) c
        WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'
        ORDER BY m.name, c.cid LIMIT 50000"""

    def listing(self, kinds: str, name: Name | None) -> tuple[str, list[Any]]:
        wanted = ", ".join(f"'{self.kinds[kind]}'" for kind in kinds if kind in self.kinds)
        schema = _quoted(name.schema) if name is not None and name.schema else "main"
        sql = f"""SELECT type AS kind, name{', tbl_name AS "table"' if kinds == "i" else ""}
            FROM {schema}.sqlite_master WHERE type IN ({wanted})
            AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"""
        params = []
        if name is not None:
            sql += " AND name LIKE ? ESCAPE '!'"
            params.append(name.like)
        return f"{sql} ORDER BY 2", params

    def describe(self, conn: Any, name: Name) -> list[Section] | None:
        schema = name.schema or self._schema_of(conn, name.table)
        if schema is None:
            return None
        where = (name.table, schema)
        columns = section(conn, name.text, _COLUMNS, where)
        if not columns.rows:
            return None
        sections = [columns]
        parts = (("indexes", _INDEXES, (schema, *where)), ("foreign keys", _KEYS, where))
        for title, sql, params in parts:
            part = section(conn, title, sql, params)
            if part.rows:
                sections.append(Section(title, (), part.rows))
        made = section(
            conn,
            "definition",
            f"SELECT sql FROM {_quoted(schema)}.sqlite_master WHERE tbl_name = ? COLLATE NOCASE "
            "AND type IN ('view', 'trigger') ORDER BY type DESC, name",
            (name.table,),
        )
        if made.rows:
            sections.append(Section("views and triggers", (), made.rows))
        return sections

    @staticmethod
    def _schema_of(conn: Any, table: str) -> str | None:
        """Where SQLite finds a name that stands alone."""
        for (schema,) in conn.execute(
            "SELECT name FROM pragma_database_list ORDER BY name <> 'temp', seq"
        ):
            if conn.execute("SELECT 1 FROM pragma_table_xinfo(?, ?) LIMIT 1", (table, schema)):
                return str(schema)
        return None


__all__ = ["SqliteCatalog"]
