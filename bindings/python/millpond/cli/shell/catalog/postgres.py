"""PostgreSQL's catalog."""

from __future__ import annotations

from typing import Any

from .base import Catalog, Name, Section, section

_KIND = """CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
    WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
    WHEN 'f' THEN 'foreign table' ELSE 'index' END"""

_COLUMNS = """
SELECT a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type,
    CASE WHEN a.attnotnull THEN 'not null' ELSE '' END AS nullable,
    CASE WHEN a.attidentity <> '' THEN 'identity'
         WHEN a.attgenerated <> '' THEN 'generated: ' || pg_get_expr(d.adbin, d.adrelid)
         ELSE coalesce(pg_get_expr(d.adbin, d.adrelid), '') END AS "default"
FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attrelid = ?::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

_PARTS = {
    "indexes": "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = ?::oid "
    "ORDER BY NOT indisprimary, indexrelid",
    "constraints": "SELECT quote_ident(conname) || ' ' || pg_get_constraintdef(oid) FROM "
    "pg_constraint WHERE conrelid = ?::oid AND contype IN ('p', 'u', 'c', 'f', 'x') "
    "ORDER BY contype, conname",
    "referenced by": "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM "
    "pg_constraint WHERE confrelid = ?::oid AND contype = 'f' ORDER BY 1",
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = ?::oid AND "
    "NOT tgisinternal ORDER BY tgname",
    "definition": "SELECT pg_get_viewdef(oid, true) FROM pg_class WHERE oid = ?::oid AND "
    "relkind IN ('v', 'm')",
}


class PostgresCatalog(Catalog):
    """Schemas of the system are left out unless they are named."""

    kinds = {"t": "rpf", "v": "vm", "i": "iI", "s": "S"}
    databases = """SELECT datname AS name, pg_get_userbyid(datdba) AS owner,
        pg_encoding_to_char(encoding) AS encoding, datcollate AS collation
        FROM pg_database WHERE datallowconn ORDER BY 1"""
    words = """SELECT n.nspname, c.relname, a.attname FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
        AND n.nspname NOT LIKE 'pg!_%' ESCAPE '!' ORDER BY c.relname, a.attnum LIMIT 50000"""

    def listing(self, kinds: str, name: Name | None) -> tuple[str, list[Any]]:
        wanted = [letter for kind in kinds for letter in self.kinds[kind]]
        sql = f"""SELECT n.nspname AS schema, c.relname AS name, {_KIND} AS kind,
            pg_get_userbyid(c.relowner) AS owner
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ({", ".join(f"'{letter}'" for letter in wanted)})"""
        params = []
        if name is not None:
            sql += " AND c.relname LIKE ? ESCAPE '!'"
            params.append(name.like if name.is_quoted else name.like.lower())
        if name is not None and name.schema:
            sql += " AND n.nspname = ?"
            params.append(name.schema)
        else:
            sql += """ AND n.nspname <> 'information_schema'
                AND n.nspname NOT LIKE 'pg!_%' ESCAPE '!'"""
        return f"{sql} ORDER BY 1, 2", params

    def describe(self, conn: Any, name: Name) -> list[Section] | None:
        found = conn.execute(
            "SELECT to_regclass(?)::oid::text, to_regclass(?)::text", (name.text, name.text)
        )
        table, shown = found[0]
        if table is None:
            return None
        oid = int(table)
        sections = [section(conn, shown, _COLUMNS, (oid,))]
        for title, sql in _PARTS.items():
            part = section(conn, title, sql, (oid,))
            if part.rows:
                sections.append(Section(title, (), part.rows))
        return sections


__all__ = ["PostgresCatalog"]
