/* Values to pass, and cells to read, without a look into pond_value: what every program would write
 * for itself. Included by millpond.h, whose conventions hold.
 *
 *     pond_value params[] = {pond_value_int64(7), pond_value_text("Ada")};
 *     pond_connection_execute_wait(conn, sql, strlen(sql), params, 2, NULL, &result, &err);
 *     pond_result_column(result, "name", &name, &err);
 *     pond_result_text(result, 0, name, &data, &size, &err);
 */
#ifndef MILLPOND_VALUES_H
#define MILLPOND_VALUES_H

#include "millpond/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Parameters -------------------------------------------------------------------------- */

/* Make a value. It points to the caller's text, which must live until the call that it is passed
 * to returns. pond_value_text() takes a text that ends with a NUL, and makes NULL of no text;
 * pond_value_sized() takes one with a size, as a pond_type says: TEXT, BYTES, DECIMAL or JSON (any
 * other: null). Dates, times and UUIDs come from pond_value_parse(). Thread: any. */
POND_API pond_value pond_value_null(void);
POND_API pond_value pond_value_bool(int value);
POND_API pond_value pond_value_int64(int64_t value);
POND_API pond_value pond_value_double(double value);
POND_API pond_value pond_value_text(const char *text);
POND_API pond_value pond_value_sized(pond_type type, const char *data, size_t size);

/* ---- Cells ------------------------------------------------------------------------------- */

/* Find a column by its name: *out is its number, from 0, and the first one's of two with that name.
 * Errors: POND_EUNDEFINED, naming the columns that there are. Thread: any. */
POND_API int pond_result_column(const pond_result *result, const char *name, size_t *out,
                                pond_error **err);

/* Decode one cell. It decodes its whole row: who reads all cells of a row is faster with
 * pond_result_row(). What it points to lives as long as the result. Errors: as pond_result_row().
 * Thread: any, one at a time. */
POND_API int pond_result_cell(pond_result *result, size_t row, size_t column, pond_value *out,
                              pond_error **err);

/* Read one cell as a number. An int64 may be a bool, an integer, a decimal or a double without a
 * fraction; a double may be any number, rounded if it must be. Errors: POND_EDATA for NULL and for
 * what is no such number, POND_ERANGE for one that does not fit; as pond_result_row(). Thread: any,
 * one at a time. */
POND_API int pond_result_int64(pond_result *result, size_t row, size_t column, int64_t *out,
                               pond_error **err);
POND_API int pond_result_double(pond_result *result, size_t row, size_t column, double *out,
                                pond_error **err);

/* Read one cell that is text, bytes, a decimal or JSON: *data is not NUL-terminated, and lives as
 * long as the result. NULL gives *data as NULL. Other types have no text of their own: see
 * pond_result_cell() and pond_value_format(). Errors: POND_EDATA for these; as pond_result_row().
 * Thread: any, one at a time. */
POND_API int pond_result_text(pond_result *result, size_t row, size_t column, const char **data,
                              size_t *size, pond_error **err);

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_VALUES_H */
