/* Results in Apache Arrow's columnar form, through its C data and stream interfaces: dataframe
 * libraries take them as they are.
 *
 * The three structures are those of the Arrow specification, which fixes their layout and the guard
 * macros, so that any number of libraries may declare them.
 */
#ifndef MILLPOND_ARROW_H
#define MILLPOND_ARROW_H

#include "millpond/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *schema);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *array);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *stream, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *stream, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *stream);
    void (*release)(struct ArrowArrayStream *stream);
    void *private_data;
};

#endif

/* Make a stream of a result's rows, in batches of 65,536. The stream holds the result, and may be
 * read on any thread, by one at a time; no row of the result may be dropped meanwhile. The result
 * may be exported again. A column becomes, by its values:
 *   bool, int64, double (float64), date (date32), time, timestamp, timestamptz (time64 and
 * timestamp in microseconds, zone UTC), text and json (large_utf8), bytes (large_binary), uuid (16
 * bytes), decimal (decimal128 of 38 digits or decimal256 of 76), interval (duration in
 * microseconds, or month_day_nano if one of them counts months), array (large_list), and null if
 * all values are and the database does not say more. json and uuid carry the names of Arrow's
 * extension types. Errors: POND_EDATA for a column that mixes types, or a value that Arrow cannot
 * hold (an infinite date, NaN as a decimal, a time with a zone); the message names the column and
 * says what to do. POND_ENOMEM. Thread: any, one at a time for a result. */
POND_API int pond_result_export_arrow(pond_result *result, struct ArrowArrayStream *out,
                                      pond_error **err);

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_ARROW_H */
