#include "entity/dialect.h"

/* ---- Columns ----------------------------------------------------------------------------- */

/* relnatts counts columns, those that were dropped, too. Collations have been able to take texts
 * for the same since PostgreSQL 12. */
static const char postgres_columns[] =
    "SELECT CAST(c.relname AS text) AS of_table, CAST(a.attname AS text) AS of_column, "
    "format_type(a.atttypid, a.atttypmod) AS declared, CAST(a.attnotnull AND NOT a.atthasdef AND "
    "a.attidentity = '' AS int) AS required, CASE WHEN EXISTS (SELECT 1 FROM "
    "pg_catalog.pg_collation "
    "l WHERE l.oid = a.attcollation AND to_jsonb(l) ->> 'collisdeterministic' = 'false') OR EXISTS "
    "(SELECT 1 FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype "
    "WHERE t.oid = a.atttypid AND 'citext' IN (t.typname, b.typname)) THEN 2 ELSE 0 END AS keyed, "
    "CAST(c.relnatts AS int) AS guard FROM "
    "pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON "
    "a.attrelid = c.oid WHERE lower(c.relname) IN (?, ?, ?) AND "
    "pg_catalog.pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'p', 'v', 'f') AND a.attnum > 0 "
    "AND NOT a.attisdropped ORDER BY c.relname, a.attnum";

/* Rows without a table name the collations that the server has of those that tell every two texts
 * apart. */
static const char mysql_columns[] =
    "SELECT TABLE_NAME AS of_table, COLUMN_NAME AS of_column, IF(COLLATION_NAME IS NULL, "
    "COLUMN_TYPE, CONCAT(COLUMN_TYPE, ' CHARACTER SET ', CHARACTER_SET_NAME, ' COLLATE ', "
    "COLLATION_NAME)) AS declared, IS_NULLABLE = 'NO' AND COLUMN_DEFAULT IS NULL AND EXTRA NOT "
    "LIKE '%auto_increment%' AS required, COLUMN_KEY IN ('UNI', 'MUL') AS keyed, ORDINAL_POSITION "
    "AS place FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN "
    "(?, "
    "?, ?) UNION ALL SELECT '', '', COLLATION_NAME, 0, 0, 0 FROM information_schema.COLLATIONS "
    "WHERE COLLATION_NAME IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin') ORDER BY 1, 6";

/* The texts of a table and its indexes name their collations; pragma_index_xinfo() would say more,
 * but databases that only speak SQLite's dialect lack it. */
static const char sqlite_columns[] =
    "SELECT s.name AS of_table, c.name AS of_column, c.type AS declared, c.\"notnull\" AND "
    "c.dflt_value IS NULL AND NOT c.pk AS required, CASE WHEN lower(c.name) = 'id' AND EXISTS "
    "(SELECT "
    "1 FROM sqlite_schema x WHERE x.tbl_name = s.name AND replace(lower(x.sql), 'collate decimal', "
    "'') LIKE '%collate%') THEN 2 ELSE 0 END AS keyed, 0 AS guard FROM "
    "sqlite_schema s, pragma_table_info(s.name) c WHERE lower(s.name) IN (?, ?, ?) AND s.type IN "
    "('table', 'view') ORDER BY s.name, c.cid";

/* ---- Lists ------------------------------------------------------------------------------- */

static const char postgres_list[] =
    "SELECT CAST(m.relname AS text) AS name FROM pg_catalog.pg_class m, pg_catalog.pg_class h, "
    "pg_catalog.pg_class t WHERE m.relkind IN ('r', 'p') AND h.relname = m.relname || "
    "'_history' AND t.relname = m.relname || '_meta' AND pg_catalog.pg_table_is_visible(m.oid) "
    "AND h.relnamespace = m.relnamespace AND t.relnamespace = m.relnamespace ORDER BY "
    "m.relname COLLATE \"C\"";

static const char mysql_list[] =
    "SELECT m.TABLE_NAME AS name FROM information_schema.TABLES m JOIN "
    "information_schema.TABLES h ON h.TABLE_SCHEMA = m.TABLE_SCHEMA AND h.TABLE_NAME = "
    "CONCAT(m.TABLE_NAME, '_history') JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = "
    "m.TABLE_SCHEMA AND t.TABLE_NAME = CONCAT(m.TABLE_NAME, '_meta') WHERE m.TABLE_SCHEMA = "
    "DATABASE() ORDER BY BINARY m.TABLE_NAME";

static const char sqlite_list[] =
    "SELECT m.name FROM sqlite_schema m JOIN sqlite_schema h ON h.name = m.name || '_history' "
    "JOIN sqlite_schema t ON t.name = m.name || '_meta' WHERE m.type = 'table' ORDER BY "
    "m.name";

/* ---- Dialects ---------------------------------------------------------------------------- */

static const char *const no_columns[] = {NULL};
static const char *const postgres_system_columns[] = {"cmax", "cmin", "ctid", "tableoid",
                                                      "xmax", "xmin", NULL};

static const pondi_entity_dialect postgres = {
    .columns = postgres_columns,
    .list = postgres_list,
    .guard_source = PONDI_GUARD_CATALOG,
    .guard_before = "(SELECT c.relnatts FROM pg_catalog.pg_class c WHERE c.oid = CAST('",
    .guard_after = "' AS regclass)) = ",
    .guard_suffix = "",
    .system_columns = postgres_system_columns,
    .meta_columns = "name text NOT NULL PRIMARY KEY, type text NOT NULL",
    .create_end = ")",
    .lock = "SELECT 1 FROM pg_advisory_xact_lock(hashtext(?))",
    .meta_insert = "INSERT INTO ",
    .meta_conflict = " ON CONFLICT (name) DO NOTHING",
    .adds_if_absent = PONDI_IF_ABSENT_ALWAYS,
    .ddl_in_transactions = 1,
    .pads_characters = 1,
    .text_param = "CAST(? AS text)",
    .instant_param = "CAST(? AS timestamptz)",
    .alias = " AS m",
    .update_alias = " AS m",
    .row = "m.",
    .upsert = " ON CONFLICT (id) DO UPDATE SET ",
    .new_before = "excluded.",
    .new_after = "",
    .same_id = "id = CASE WHEN CAST(m.id AS text) COLLATE \"C\" = CAST(excluded.id AS text) "
               "THEN CAST(m.id AS text) ELSE CAST(CAST('" PONDI_NO_ID
               " ' || CAST(m.id AS text) AS bigint) AS text) END, ",
    .byte_collation = "COLLATE \"C\"",
    .id_as_bytes = "CAST(id AS text) COLLATE \"C\"",
    .id_in = " = ANY (?)",
    .errors_abort = 1,
    .orders_nulls = 1,
    .all_rows = "ALL",
};

static const pondi_entity_dialect mysql = {
    .columns = mysql_columns,
    .list = mysql_list,
    .guard_source = PONDI_GUARD_META,
    .guard_before = "(SELECT count(*) FROM ",
    .guard_after = ") = ",
    .guard_suffix = "_meta",
    .catalog_in_snapshot = 1,
    .folds_table_names = 1,
    .names_collations = 1,
    .system_columns = no_columns,
    .meta_columns =
        "name varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, "
        "type varchar(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
    .create_end = ") ENGINE=InnoDB",
    .meta_insert = "INSERT IGNORE INTO ",
    .meta_conflict = "",
    .adds_if_absent = PONDI_IF_ABSENT_WITH_BLOCKS,
    .ddl_deadlocks = 1,
    .text_needs_collation = 1,
    .limits_rows = 1,
    .table_changed_error = 1412,
    .decimal_whole = 35,
    .decimal_fraction = 30,
    .timestamps_are_instants = 1,
    .text_param = "?",
    .instant_param = "?",
    .alias = "",
    .update_alias = "",
    .row = "",
    .upsert = " ON DUPLICATE KEY UPDATE ",
    .new_before = "VALUES(",
    .new_after = ")",
    .same_id_before = "IF(CAST(id AS BINARY) = CAST(VALUES(id) AS BINARY), ",
    .same_id_after = ", " PONDI_NO_ID " + (1 + CHAR_LENGTH(VALUES(id))))",
    .id_as_bytes = "CAST(CONVERT(id USING utf8mb4) AS BINARY)",
    .most_ids = 65000,
    .upserts_by_any_key = 1,
    .returns_inserts_only = 1,
    .locks_reads = 1,
    .locks_gaps = 1,
    .has_blocks = 1,
    .batch_goes_on = 1,
    .all_rows = "4611686018427387904", /* Vitess adds the offset to it */
};

static const pondi_entity_dialect sqlite = {
    .columns = sqlite_columns,
    .list = sqlite_list,
    .guard_source = PONDI_GUARD_COLUMNS,
    .guard_before = "(SELECT count(*) FROM pragma_table_info('",
    .guard_after = "')) = ",
    .system_columns = no_columns,
    .meta_columns = "name text NOT NULL PRIMARY KEY, type text NOT NULL",
    .create_end = ")",
    .meta_insert = "INSERT INTO ",
    .meta_conflict = " ON CONFLICT (name) DO NOTHING",
    .adds_one_column = 1,
    .ddl_in_transactions = 1,
    .decimals_as_text = 1, /* which keeps all digits */
    .text_param = "?",
    .instant_param = "?",
    .alias = " AS m",
    .update_alias = "",
    .row = "m.",
    .upsert = " ON CONFLICT (id) DO UPDATE SET ",
    .new_before = "excluded.",
    .new_after = "",
    /* the path is none */
    .same_id = "id = CASE WHEN m.id COLLATE BINARY = excluded.id THEN m.id ELSE "
               "json_extract('{}', '" PONDI_NO_ID " ' || m.id) END, ",
    .byte_collation = "COLLATE BINARY",
    .id_as_bytes = "id COLLATE BINARY",
    .id_in = " IN (SELECT value FROM json_each(?))",
    .batch_inserts_return = 1,
    .orders_nulls = 1,
    .all_rows = "9223372036854775807",
};

static const pondi_entity_dialect *const dialects[] = {
    [POND_DIALECT_POSTGRES] = &postgres,
    [POND_DIALECT_MYSQL] = &mysql,
    [POND_DIALECT_SQLITE] = &sqlite,
};

const pondi_entity_dialect *pondi_entity_dialect_of(pond_dialect id)
{
    return (size_t)id < sizeof(dialects) / sizeof(dialects[0]) ? dialects[id] : NULL;
}
