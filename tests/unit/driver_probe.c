/* One connection of a driver, for tests in Python (tests/support/probe.py): each line of the input
 * is a request, each line of the output is what came of it, as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "driver/driver.h"
#include "driver/registry.h"
#include "loop/keeper.h"
#include "millpond/millpond.h"

enum { TIMEOUT_MS = 60000 };

typedef struct probe {
    pond_loop *loop;
    pond_config *config;
    void *shared;
    pondi_conn *conn;
    pondi_position first; /* awaited by the next statement */
    pondi_buffer notes;   /* what the driver said of commits during the last request, as JSON */
} probe;

/* ---- JSON -------------------------------------------------------------------------------- */

static void put_text(pondi_buffer *out, const char *text, size_t size)
{
    pondi_buffer_append_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\' || c < ' ')
            pondi_buffer_appendf(out, "\\u%04x", c);
        else
            pondi_buffer_append_char(out, (char)c);
    }
    pondi_buffer_append_char(out, '"');
}

static void put_position(pondi_buffer *out, const pondi_position *position)
{
    pondi_buffer text;
    if (!position || position->kind == PONDI_POSITION_NONE) {
        pondi_buffer_append_text(out, "null");
        return;
    }
    pondi_buffer_init(&text);
    pondi_position_print(position, &text);
    pondi_buffer_appendf(out, "[%d, ", (int)position->kind);
    put_text(out, text.data ? text.data : "", text.size);
    pondi_buffer_append_char(out, ']');
    pondi_buffer_free(&text);
}

/* Text, whole numbers and flags; null for all else. */
static void put_cell(pondi_buffer *out, pond_result *result, size_t row, size_t column)
{
    const char *text = NULL;
    size_t size = 0;
    int64_t number;
    if (!pond_result_text(result, row, column, &text, &size, NULL) && text)
        put_text(out, text, size);
    else if (!pond_result_int64(result, row, column, &number, NULL))
        pondi_buffer_appendf(out, "%lld", (long long)number);
    else
        pondi_buffer_append_text(out, "null");
}

static void put_rows(pondi_buffer *out, pond_result *result)
{
    size_t columns = result ? pond_result_column_count(result) : 0;
    size_t rows = columns ? pond_result_row_count(result) : 0;
    for (size_t row = 0; row < rows; row++) {
        pondi_buffer_append_text(out, row ? ", [" : "[");
        for (size_t i = 0; i < columns; i++) {
            if (i)
                pondi_buffer_append_text(out, ", ");
            put_cell(out, result, row, i);
        }
        pondi_buffer_append_char(out, ']');
    }
}

static void put_report(pondi_buffer *out, const pondi_server_report *report)
{
    pondi_buffer_appendf(out,
                         "\"role\": %d, \"ready\": %d, \"streaming\": %d, \"multi_writer\": %d, "
                         "\"identity\": \"%s\", \"node\": \"%s\", \"position\": ",
                         report->role, report->ready, report->streaming, report->multi_writer,
                         report->identity, report->node);
    put_position(out, &report->position);
    pondi_buffer_append_text(out, ", ");
}

/* ---- Requests ---------------------------------------------------------------------------- */

static void on_noted(void *owner, const pondi_use *use)
{
    probe *at = owner;
    pondi_buffer_append_text(&at->notes, at->notes.size ? ", [" : "[");
    pondi_buffer_appendf(&at->notes, "%s, ", use->commits ? "true" : "false");
    put_position(&at->notes, use->position);
    pondi_buffer_append_char(&at->notes, ']');
}

static void put_outcome(probe *at, pondi_buffer *out, int code, const pond_error *error,
                        pond_result *result)
{
    pondi_buffer_appendf(out, "\"code\": %d, \"message\": ", code);
    const char *message = error ? pond_error_message(error) : "";
    put_text(out, message, strlen(message));
    pondi_buffer_append_text(out, ", \"sqlstate\": ");
    const char *state = error ? pond_error_sqlstate(error) : "";
    put_text(out, state ? state : "", state ? strlen(state) : 0);
    pondi_buffer_append_text(out, ", \"rows\": [");
    put_rows(out, result);
    pondi_buffer_appendf(out, "], \"more\": %d, \"notes\": [%s], ", result ? result->more : 0,
                         at->notes.size ? at->notes.data : "");
    const pondi_conn *conn = at->conn;
    pondi_buffer_appendf(out,
                         "\"in_transaction\": %d, \"read_only\": %d, \"awaits\": %d, \"standby\": "
                         "%d, \"usable\": %d, \"server\": \"%s\"}",
                         conn->in_transaction, conn->read_only, conn->awaited_first != NULL,
                         conn->standby, conn->state == PONDI_CONN_READY, conn->server_version);
}

/* Submit, wait, and print; `report` is what else the line says. */
static int ask(probe *at, const pondi_call_spec *given, const pondi_server_report *report)
{
    pondi_request *request = NULL;
    pond_error *error = NULL;
    pond_op *op = NULL;
    pondi_buffer out;
    pondi_call_spec spec = *given;
    if (!spec.timeout_ms)
        spec.timeout_ms = TIMEOUT_MS;
    pondi_buffer_free(&at->notes);
    if (pondi_request_new(&spec, &request, &error)) {
        fprintf(stderr, "%s\n", pond_error_message(error));
        exit(1);
    }
    if (pondi_loop_enter(at->loop, NULL))
        exit(1);
    pondi_request_bind(request, at->loop, NULL);
    op = &request->op;
    op->intercept = pondi_op_keep;
    pondi_conn_submit(at->conn, request);
    pondi_loop_leave(at->loop);
    pond_op_wait(op, -1, NULL);
    int code = pond_op_status(op);
    error = pond_op_take_error(op);
    pondi_buffer_init(&out);
    pondi_buffer_append_char(&out, '{');
    if (report && !code)
        put_report(&out, report);
    put_outcome(at, &out, code, error, op->result);
    puts(out.data);
    fflush(stdout);
    pondi_buffer_free(&out);
    pond_error_free(error);
    pond_op_release(op);
    return code;
}

/* "DRIVER key=value ..." */
static void open_conn(probe *at, char *line)
{
    char *rest = NULL;
    const char *name = strtok_r(line, " ", &rest);
    pond_error *error = NULL;
    int code = pond_config_new(name, &at->config, &error);
    for (char *word = strtok_r(NULL, " ", &rest); word && !code;
         word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        code = pond_config_set(at->config, word, value, &error);
    }
    const pondi_driver *driver = code ? NULL : pondi_config_driver(at->config);
    if (!code && driver->shared_open)
        code = driver->shared_open(at->config, &at->shared, &error);
    if (!code && !(code = pondi_loop_enter(at->loop, &error))) {
        code = pondi_conn_new(driver, at->config, at->shared, at->loop, &at->conn, &error);
        pondi_loop_leave(at->loop);
    }
    if (code) {
        fprintf(stderr, "%s\n", pond_error_message(error));
        exit(1);
    }
    at->conn->state = PONDI_CONN_CONNECTING;
    at->conn->owner = at;
    at->conn->noted_by = on_noted;
    const pondi_call_spec spec = {.kind = PONDI_REQUEST_CONNECT};
    if (!ask(at, &spec, NULL))
        at->conn->state = PONDI_CONN_READY;
}

static void report(probe *at)
{
    pondi_server_report report = {.role = 0};
    const pondi_call_spec spec = {.kind = PONDI_REQUEST_REPORT};
    at->conn->report = &report;
    ask(at, &spec, &report);
    at->conn->report = NULL;
    pondi_server_report_free(&report);
}

/* "KIND MILLISECONDS TEXT" */
static int64_t read_position(char *line, pondi_position *out)
{
    char *rest = NULL;
    long kind = strtol(line, &rest, 10);
    long ms = strtol(rest, &rest, 10);
    rest += strspn(rest, " ");
    if (pondi_position_parse((pondi_position_kind)kind, rest, strlen(rest), out, NULL))
        exit(1);
    return ms;
}

static void wait_for(probe *at, char *line)
{
    pondi_position position = {.kind = PONDI_POSITION_NONE};
    pondi_call_spec spec = {.kind = PONDI_REQUEST_WAIT_FOR};
    spec.timeout_ms = read_position(line, &position);
    at->conn->awaited = &position;
    ask(at, &spec, NULL);
    at->conn->awaited = NULL;
    pondi_position_free(&position);
}

/* The next statement waits for it. */
static void await_first(probe *at, char *line)
{
    pondi_position_free(&at->first);
    int64_t ms = read_position(line, &at->first);
    at->conn->awaited_first = &at->first;
    at->conn->awaited_until_ns = pondi_deadline_ns(ms);
    puts("{}");
    fflush(stdout);
}

/* "ROWS SQL": executed once for each number. */
static void many(probe *at, char *line)
{
    char *sql = NULL;
    size_t count = strtoul(line, &sql, 10);
    pond_value *params = pondi_calloc(count ? count : 1, sizeof(*params));
    for (size_t i = 0; i < count; i++) {
        params[i].type = POND_TYPE_INT64;
        params[i].as.integer = (int64_t)i;
    }
    sql += strspn(sql, " ");
    const pondi_call_spec spec = {.kind = PONDI_REQUEST_EXECUTE_MANY,
                                  .sql = sql,
                                  .sql_size = strlen(sql),
                                  .params = params,
                                  .row_count = count,
                                  .column_count = 1};
    ask(at, &spec, NULL);
    pondi_free(params);
}

static void run(probe *at, const char *word, char *rest)
{
    pondi_call_spec spec = {.sql = rest, .sql_size = strlen(rest)};
    if (strcmp(word, "execute") == 0) {
        spec.kind = PONDI_REQUEST_EXECUTE;
    } else if (strcmp(word, "stream") == 0) {
        spec.kind = PONDI_REQUEST_STREAM;
        spec.batch_rows = 1;
    } else {
        spec = (pondi_call_spec){.kind = PONDI_REQUEST_TRANSACTION};
        if (strcmp(word, "fetch") == 0)
            spec.kind = PONDI_REQUEST_FETCH;
        else if (strcmp(word, "end") == 0)
            spec.kind = PONDI_REQUEST_END_STREAM;
        else if (strcmp(word, "ping") == 0)
            spec.kind = PONDI_REQUEST_PING;
        else if (strcmp(word, "reset") == 0)
            spec.kind = PONDI_REQUEST_RESET;
        else if (strcmp(word, "read_only") == 0)
            spec.kind = PONDI_REQUEST_READ_ONLY;
        else
            spec.verb = strcmp(word, "begin") == 0    ? POND_BEGIN
                        : strcmp(word, "commit") == 0 ? POND_COMMIT
                                                      : POND_ROLLBACK;
        at->conn->wants_read_only = strcmp(rest, "on") == 0;
    }
    ask(at, &spec, NULL);
}

static void obey(probe *at, char *line)
{
    char *rest = line + strcspn(line, " ");
    if (*rest)
        *rest++ = '\0';
    if (strcmp(line, "open") == 0) {
        open_conn(at, rest);
    } else if (strcmp(line, "report") == 0) {
        report(at);
    } else if (strcmp(line, "wait") == 0) {
        wait_for(at, rest);
    } else if (strcmp(line, "await") == 0) {
        await_first(at, rest);
    } else if (strcmp(line, "many") == 0) {
        many(at, rest);
    } else if (strcmp(line, "track") == 0) {
        at->conn->tracks = strcmp(rest, "on") == 0;
        puts("{}");
        fflush(stdout);
    } else {
        run(at, line, rest);
    }
}

int main(void)
{
    probe at = {.loop = NULL};
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    pondi_buffer_init(&at.notes);
    if (pond_loop_new(&at.loop, NULL))
        return 1;
    while ((size = getline(&line, &room, stdin)) > 0) {
        line[size - 1] = '\0';
        obey(&at, line);
    }
    free(line);
    if (at.conn && !pondi_loop_enter(at.loop, NULL)) {
        pondi_conn_destroy(at.conn, POND_ECLOSED, "the probe ends");
        pondi_loop_leave(at.loop);
    }
    if (at.shared)
        pondi_config_driver(at.config)->shared_close(at.shared);
    pond_config_release(at.config);
    pond_loop_release(at.loop);
    pondi_position_free(&at.first);
    pondi_buffer_free(&at.notes);
    return 0;
}
