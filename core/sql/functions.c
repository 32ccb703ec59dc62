/* One place for what is known of functions: add a name only if no version of any database lets it
 * change the session. The list is sorted, for the search. */
#include "sql/functions.h"

#include <string.h>
#include <strings.h>

/* Built-in functions of PostgreSQL, its usual extensions, MySQL and MariaDB; and the words and
 * types that stand before a bracket without being called. */
/* clang-format off */
static const char *const harmless[] = {
    "abs", "acos", "acosd", "acosh", "add_months", "adddate", "addtime", "aes_decrypt",
    "aes_encrypt", "against", "age", "akeys", "all", "analyze", "and", "any", "any_value", "area",
    "array", "array_agg", "array_append", "array_cat", "array_dims", "array_fill", "array_length",
    "array_lower", "array_ndims", "array_position", "array_positions", "array_prepend",
    "array_remove", "array_replace", "array_sample", "array_shuffle", "array_to_json",
    "array_to_string", "array_to_tsvector", "array_upper", "as", "ascii", "asin", "asind",
    "asinh", "asymmetric", "atan", "atan2", "atan2d", "atand", "atanh", "avals", "avg",
    "bernoulli", "between", "bigint", "bin", "bin_to_uuid", "binary", "binary_quantize", "bit",
    "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "blob", "bool", "bool_and",
    "bool_or", "boolean", "box", "bpchar", "broadcast", "btrim", "buffers", "by", "cardinality",
    "case", "cast", "cbrt", "ceil", "ceiling", "center", "char", "char_length", "character",
    "character_length", "charset", "check", "chr", "circle", "clock_timestamp", "coalesce",
    "coercibility", "col_description", "collate", "collation", "columns", "compress", "concat",
    "concat_ws", "concurrently", "conflict", "connection_id", "constraint", "conv", "convert",
    "convert_from", "convert_to", "convert_tz", "corr", "cos", "cosd", "cosh", "cosine_distance",
    "costs", "cot", "cotd", "count", "covar_pop", "covar_samp", "crc32", "crc32c", "cross",
    "crosstab", "crypt", "cube", "cube_distance", "cume_dist", "curdate", "current_catalog",
    "current_database", "current_date", "current_query", "current_role", "current_schema",
    "current_schemas", "current_setting", "current_time", "current_timestamp", "current_user",
    "currval", "curtime", "cycle", "daitch_mokotoff", "database", "date", "date_add", "date_bin",
    "date_format", "date_part", "date_sub", "date_subtract", "date_trunc", "datediff",
    "datemultirange", "daterange", "datetime", "day", "dayname", "dayofmonth", "dayofweek",
    "dayofyear", "dec", "decimal", "decode", "default", "deferrable", "defined", "degrees",
    "delete", "dense_rank", "diagonal", "diameter", "difference", "digest", "distinct", "div",
    "dmetaphone", "do", "double", "dow", "duplicate", "each", "earth_distance", "else", "elt",
    "encode", "end", "enum", "enum_first", "enum_last", "enum_range", "erf", "erfc", "every",
    "except", "exclude", "exist", "exists", "exp", "explain", "export_set", "extract",
    "extractvalue", "factorial", "family", "fetch", "field", "filter", "find_in_set",
    "first_value", "float", "float4", "float8", "floor", "following", "for", "force", "foreign",
    "format", "format_bytes", "format_pico_time", "format_type", "found_rows", "from",
    "from_base64", "from_days", "from_unixtime", "full", "fulltext", "gcd", "gen_random_bytes",
    "gen_random_uuid", "gen_salt", "generate_series", "generate_subscripts", "generated",
    "geography", "geometry", "geometrycollection", "geomfromtext", "get_bit", "get_byte",
    "get_current_ts_config", "get_format", "greatest", "group", "group_concat", "grouping",
    "groups", "halfvec", "has_any_column_privilege", "has_column_privilege",
    "has_database_privilege", "has_function_privilege", "has_schema_privilege",
    "has_sequence_privilege", "has_table_privilege", "hash", "hash_array", "hash_numeric",
    "hashchar", "hashint4", "hashint8", "hashoid", "hashtext", "hashtextextended", "having",
    "height", "hex", "hmac", "host", "hostmask", "hour", "hstore", "identity", "if", "ifnull",
    "ignore", "ilike", "in", "index", "inet6_aton", "inet6_ntoa", "inet_aton", "inet_client_addr",
    "inet_client_port", "inet_merge", "inet_ntoa", "inet_same_family", "inet_server_addr",
    "inet_server_port", "initcap", "inner", "inner_product", "insert", "instead", "instr", "int",
    "int2", "int4", "int4multirange", "int4range", "int8", "int8multirange", "int8range",
    "integer", "intersect", "interval", "into", "is", "is_free_lock", "is_ipv4", "is_ipv4_compat",
    "is_ipv4_mapped", "is_ipv6", "is_used_lock", "is_uuid", "isclosed", "isempty", "isfinite",
    "isnull", "isopen", "join", "json_agg", "json_agg_strict", "json_array", "json_array_append",
    "json_array_elements", "json_array_elements_text", "json_array_insert", "json_array_length",
    "json_arrayagg", "json_build_array", "json_build_object", "json_compact", "json_contains",
    "json_contains_path", "json_depth", "json_detailed", "json_each", "json_each_text",
    "json_equals", "json_exists", "json_extract", "json_extract_path", "json_extract_path_text",
    "json_insert", "json_keys", "json_length", "json_loose", "json_merge", "json_merge_patch",
    "json_merge_preserve", "json_normalize", "json_object", "json_object_agg",
    "json_object_agg_strict", "json_object_agg_unique", "json_object_agg_unique_strict",
    "json_object_keys", "json_objectagg", "json_overlaps", "json_populate_record",
    "json_populate_recordset", "json_pretty", "json_query", "json_quote", "json_remove",
    "json_replace", "json_scalar", "json_schema_valid", "json_schema_validation_report",
    "json_search", "json_serialize", "json_set", "json_storage_free", "json_storage_size",
    "json_strip_nulls", "json_table", "json_to_record", "json_to_recordset", "json_type",
    "json_typeof", "json_unquote", "json_valid", "json_value", "jsonb_agg",
    "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length",
    "jsonb_build_array", "jsonb_build_object", "jsonb_each", "jsonb_each_text",
    "jsonb_extract_path", "jsonb_extract_path_text", "jsonb_insert", "jsonb_object",
    "jsonb_object_agg", "jsonb_object_keys", "jsonb_path_exists", "jsonb_path_exists_tz",
    "jsonb_path_match", "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_first",
    "jsonb_populate_record", "jsonb_populate_recordset", "jsonb_pretty", "jsonb_set",
    "jsonb_set_lax", "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_recordset", "jsonb_typeof",
    "justify_days", "justify_hours", "justify_interval", "key", "keys", "l1_distance",
    "l2_distance", "l2_normalize", "lag", "last_day", "last_insert_id", "last_value", "lastval",
    "lateral", "lcase", "lcm", "lead", "least", "left", "length", "levenshtein", "like", "limit",
    "line", "linestring", "list", "ll_to_earth", "ln", "load_file", "localtime", "localtimestamp",
    "locate", "log", "log10", "log2", "lower", "lower_inc", "lower_inf", "lpad", "lseg", "ltrim",
    "make_date", "make_interval", "make_set", "make_time", "make_timestamp", "make_timestamptz",
    "makedate", "maketime", "masklen", "match", "matched", "materialized", "max", "md5", "median",
    "mediumint", "member", "metaphone", "microsecond", "mid", "min", "min_scale", "minute", "mod",
    "mode", "month", "monthname", "months_between", "multilinestring", "multipoint",
    "multipolygon", "multirange", "name_const", "natural", "natural_sort_key", "nchar", "nested",
    "netmask", "network", "new", "nextval", "normalize", "not", "notnull", "now", "npoints",
    "nth_value", "ntile", "null", "nullif", "nulls", "num_nonnulls", "num_nulls", "number",
    "numeric", "nummultirange", "numnode", "numrange", "nvl", "nvl2", "obj_description", "oct",
    "octet_length", "of", "offset", "oid", "old", "old_password", "on", "only", "or", "ord",
    "order", "ordinality", "ordinary", "outer", "over", "overlaps", "overlay", "overriding",
    "parse_ident", "partition", "partitions", "password", "path", "percent_rank",
    "percentile_cont", "percentile_disc", "period_add", "period_diff", "phraseto_tsquery", "pi",
    "plainto_tsquery", "plan", "point", "polygon", "position", "pow", "power", "preceding",
    "precision", "prepare", "primary", "quarter", "querytree", "quote", "quote_all",
    "quote_ident", "quote_literal", "quote_nullable", "radians", "radius", "rand", "random",
    "random_bytes", "random_normal", "range", "range_agg", "range_intersect_agg", "range_merge",
    "rank", "real", "recursive", "references", "regclass", "regexp", "regexp_count",
    "regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_position",
    "regexp_replace", "regexp_split_to_array", "regexp_split_to_table", "regexp_substr",
    "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx",
    "regr_sxy", "regr_syy", "rename", "repeat", "replace", "returning", "reverse", "right",
    "rlike", "rollback", "rollup", "round", "row", "row_count", "row_number", "row_to_json",
    "rowid", "rows", "rpad", "rtrim", "scale", "schema", "sec_to_time", "second", "select",
    "session_id", "session_user", "set", "set_bit", "set_byte", "set_masklen", "sets", "settings",
    "setval", "setweight", "sformat", "sha", "sha1", "sha2", "sha224", "sha256", "sha384",
    "sha512", "shobj_description", "sign", "signed", "similar", "similarity", "sin", "sind",
    "sinh", "skeys", "sleep", "slice", "slope", "smallint", "some", "soundex", "sounds", "space",
    "sparsevec", "spatial", "split_part", "sqrt", "st_area", "st_asbinary", "st_asgeojson",
    "st_astext", "st_aswkb", "st_aswkt", "st_buffer", "st_centroid", "st_contains",
    "st_coveredby", "st_covers", "st_crosses", "st_difference", "st_disjoint", "st_distance",
    "st_distance_sphere", "st_distancesphere", "st_dwithin", "st_envelope", "st_equals",
    "st_geogfromtext", "st_geomfromgeojson", "st_geomfromtext", "st_geomfromwkb",
    "st_intersection", "st_intersects", "st_length", "st_makeenvelope", "st_makepoint",
    "st_overlaps", "st_point", "st_pointfromtext", "st_setsrid", "st_simplify", "st_srid",
    "st_touches", "st_transform", "st_union", "st_within", "st_x", "st_y", "starts_with",
    "statement_timestamp", "std", "stddev", "stddev_pop", "stddev_samp", "str_to_date",
    "straight_join", "strcmp", "strict_word_similarity", "string_agg", "string_to_array",
    "string_to_table", "strip", "strpos", "subdate", "substr", "substring", "substring_index",
    "subtime", "subvector", "sum", "summary", "svals", "symmetric", "sys_guid", "sysdate",
    "system", "system_user", "table", "tablesample", "tan", "tand", "tanh", "text", "then",
    "ties", "time", "time_format", "time_to_sec", "timediff", "timeofday", "timestamp",
    "timestampadd", "timestampdiff", "timestamptz", "timetz", "timezone", "timing", "tinyint",
    "to", "to_ascii", "to_base64", "to_bin", "to_char", "to_date", "to_days", "to_hex", "to_json",
    "to_jsonb", "to_number", "to_oct", "to_regclass", "to_regtype", "to_seconds", "to_timestamp",
    "to_tsquery", "to_tsvector", "transaction_timestamp", "translate", "trim", "trim_array",
    "trim_scale", "trunc", "truncate", "ts_delete", "ts_filter", "ts_headline", "ts_rank",
    "ts_rank_cd", "ts_rewrite", "tsmultirange", "tsquery_phrase", "tsrange", "tstzmultirange",
    "tstzrange", "tsvector_to_array", "txid_current", "txid_current_if_assigned",
    "txid_current_snapshot", "ucase", "unaccent", "unbounded", "uncompress",
    "uncompressed_length", "unhex", "unicode_assigned", "union", "unique", "unistr",
    "unix_timestamp", "unnest", "unsigned", "update", "updatexml", "upper", "upper_inc",
    "upper_inf", "use", "user", "using", "utc_date", "utc_time", "utc_timestamp", "uuid",
    "uuid_extract_timestamp", "uuid_extract_version", "uuid_generate_v1", "uuid_generate_v1mc",
    "uuid_generate_v3", "uuid_generate_v4", "uuid_generate_v5", "uuid_short", "uuid_to_bin",
    "uuidv4", "uuidv7", "validate_password_strength", "value", "values", "var_pop", "var_samp",
    "varbinary", "varbit", "varchar", "variance", "varying", "vector", "vector_dims",
    "vector_norm", "verbose", "version", "wal", "websearch_to_tsquery", "week", "weekday",
    "weekofyear", "weight_string", "when", "where", "width", "width_bucket", "window", "with",
    "within", "without", "word_similarity", "xmlagg", "xmlattributes", "xmlcomment", "xmlconcat",
    "xmlelement", "xmlexists", "xmlforest", "xmlparse", "xmlpi", "xmlroot", "xmlserialize",
    "xmltable", "xor", "xpath", "xpath_exists", "year", "yearweek", "zone",
};
/* clang-format on */

enum { COUNT = sizeof(harmless) / sizeof(harmless[0]) };

static int compare(const char *name, size_t size, const char *known)
{
    int order = strncasecmp(name, known, size);
    return order ? order : -(known[size] != '\0');
}

static int is_listed(const char *name, size_t size)
{
    size_t low = 0;
    size_t high = COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, size, harmless[middle]);
        if (order == 0)
            return 1;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}

static int begins_with(const char *name, size_t size, const char *start)
{
    return size >= strlen(start) && strncasecmp(name, start, strlen(start)) == 0;
}

/* PostgreSQL keeps these names for itself; of its functions only the locks last with a session. */
static int is_harmless_system_function(const char *name, size_t size)
{
    return begins_with(name, size, "pg_") && !begins_with(name, size, "pg_advisory_lock") &&
           !begins_with(name, size, "pg_try_advisory_lock");
}

int pondi_function_is_harmless(const char *name, size_t size)
{
    return is_listed(name, size) || is_harmless_system_function(name, size);
}

size_t pondi_function_unsorted(void)
{
    for (size_t i = 1; i < COUNT; i++) {
        if (strcmp(harmless[i - 1], harmless[i]) >= 0)
            return i;
    }
    return 0;
}
