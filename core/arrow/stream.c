/* A result's rows as a stream of batches. */
#include <errno.h>
#include <string.h>

#include "arrow/column.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"

enum { BATCH_ROWS = 65536 };

typedef struct arrow_stream {
    pond_result *result;
    size_t next; /* row */
    pond_error *error;
    pond_value *values; /* one row */
    pondi_arrow_column *columns;
    pondi_arrow_field fields[];
} arrow_stream;

static int fail(const arrow_stream *self, size_t column, int code, const char *problem,
                pond_error **err)
{
    if (code == POND_ENOMEM)
        return pondi_error_nomem(err);
    return pondi_error_set(err, code, "column \"%s\" %s",
                           self->result->class->column_name(self->result, column), problem);
}

/* ---- Read -------------------------------------------------------------------------------- */

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    const arrow_stream *self = stream->private_data;
    return pondi_arrow_batch_schema(self->fields, self->result, out) ? ENOMEM : 0;
}

static int add_row(arrow_stream *self, pond_error **err)
{
    pond_result *result = self->result;
    const char *problem = "";
    int code = result->class->row(result, self->next, self->values, err);
    for (size_t i = 0; i < result->column_count && !code; i++) {
        code = pondi_arrow_column_add(&self->columns[i], &self->values[i], &problem);
        if (code)
            fail(self, i, code, problem, err);
    }
    self->next++;
    return code;
}

static int read_batch(arrow_stream *self, struct ArrowArray *out, pond_error **err)
{
    size_t columns = self->result->column_count;
    size_t left = self->result->row_count - self->next;
    size_t rows = left < BATCH_ROWS ? left : BATCH_ROWS;
    size_t begun = 0;
    int code = POND_OK;
    for (; begun < columns && !code; begun++)
        code = pondi_arrow_column_begin(&self->columns[begun], &self->fields[begun], rows);
    if (code)
        pondi_error_nomem(err);
    for (size_t i = 0; i < rows && !code; i++)
        code = add_row(self, err);
    if (!code) {
        code = pondi_arrow_batch(self->columns, columns, (int64_t)rows, out);
        if (code)
            pondi_error_nomem(err);
    }
    for (size_t i = 0; i < begun; i++)
        pondi_arrow_column_free(&self->columns[i]);
    return code;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    arrow_stream *self = stream->private_data;
    memset(out, 0, sizeof(*out)); /* released: the end */
    if (self->next >= self->result->row_count)
        return 0;
    pond_error_free(self->error);
    self->error = NULL;
    int code = read_batch(self, out, &self->error);
    if (!code)
        return 0;
    memset(out, 0, sizeof(*out));
    return code == POND_ENOMEM ? ENOMEM : EINVAL;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    const arrow_stream *self = stream->private_data;
    return self->error ? pond_error_message(self->error) : NULL;
}

/* ---- Create and destroy ------------------------------------------------------------------ */

static void free_stream(arrow_stream *self)
{
    for (size_t i = 0; i < self->result->column_count; i++)
        pondi_arrow_field_clear(&self->fields[i]);
    pond_result_release(self->result);
    pond_error_free(self->error);
    pondi_free(self->values);
    pondi_free(self->columns);
    pondi_free(self);
}

static void release_stream(struct ArrowArrayStream *stream)
{
    free_stream(stream->private_data);
    stream->release = NULL;
    stream->private_data = NULL;
}

/* What the columns become, by what they hold. */
static int inspect_values(arrow_stream *self, pond_error **err)
{
    pond_result *result = self->result;
    const char *problem = "";
    int code = POND_OK;
    for (size_t row = 0; row < result->row_count && !code; row++) {
        code = result->class->row(result, row, self->values, err);
        for (size_t i = 0; i < result->column_count && !code; i++) {
            code = pondi_arrow_field_add(&self->fields[i], &self->values[i], &problem);
            if (code)
                fail(self, i, code, problem, err);
        }
    }
    for (size_t i = 0; i < result->column_count; i++) {
        if (self->fields[i].type == POND_TYPE_NULL) /* no row says more than the database */
            self->fields[i].type = result->class->column_type(result, i);
    }
    return code;
}

static arrow_stream *new_stream(pond_result *result)
{
    size_t columns = result->column_count;
    arrow_stream *self = pondi_calloc(1, sizeof(*self) + columns * sizeof(self->fields[0]));
    if (!self)
        return NULL;
    self->result = pond_result_retain(result);
    self->values = pondi_calloc(columns ? columns : 1, sizeof(*self->values));
    self->columns = pondi_calloc(columns ? columns : 1, sizeof(*self->columns));
    if (self->values && self->columns)
        return self;
    free_stream(self);
    return NULL;
}

int pond_result_export_arrow(pond_result *result, struct ArrowArrayStream *out, pond_error **err)
{
    if (out)
        memset(out, 0, sizeof(*out));
    if (PONDI_GIVEN(err, result, out))
        return POND_EINVAL;
    if (result->dropped)
        return pondi_error_set(err, POND_EMISUSE, "rows of this result were dropped already");
    arrow_stream *self = new_stream(result);
    if (!self)
        return pondi_error_nomem(err);
    int code = inspect_values(self, err);
    if (code) {
        free_stream(self);
        return code;
    }
    out->get_schema = get_schema;
    out->get_next = get_next;
    out->get_last_error = get_last_error;
    out->release = release_stream;
    out->private_data = self;
    return POND_OK;
}
