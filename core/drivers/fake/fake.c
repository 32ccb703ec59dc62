/* A database without a database: the statement is the script. See README.md beside this file. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "driver/driver.h"
#include "driver/param.h"
#include "driver/row_set.h"

typedef struct fake_shared {
    atomic_llong connects_to_succeed; /* before these */
    atomic_llong connects_to_fail;
    atomic_llong pings;
} fake_shared;

typedef struct fake_conn {
    pondi_conn base; /* first */
    fake_shared *shared;
    pondi_timer *delay;
    int hangs;        /* deaf to cancel */
    uint64_t unheard; /* cancels, before one is heard */
    char setting[32]; /* of the session */
} fake_conn;

static const pondi_driver_option options[] = {
    {"cancels_lost", pondi_check_count},
    {"connect_delay", pondi_check_seconds},
    {"connect_failures", pondi_check_count},
    {"connect_successes", pondi_check_count},
    {"connect_error", NULL},
    {"fail_commit", pondi_check_flag},
    {"fail_pings", pondi_check_flag},
    {"ping_delay", pondi_check_seconds},
    {"target_session_attrs", NULL},
    {NULL, NULL},
};

/* ---- Create and destroy ------------------------------------------------------------------ */

static int shared_open(pond_config *config, void **out, pond_error **err)
{
    fake_shared *shared = pondi_calloc(1, sizeof(*shared));
    if (!shared)
        return pondi_error_nomem(err);
    atomic_init(&shared->pings, 0);
    atomic_init(&shared->connects_to_succeed,
                (long long)pondi_config_count(config, "connect_successes", 0));
    atomic_init(&shared->connects_to_fail,
                (long long)pondi_config_count(config, "connect_failures", 0));
    *out = shared;
    return POND_OK;
}

static int copy_of(const pond_config *config, const char *key, char **out, pond_error **err)
{
    const char *value = pondi_config_get(config, key);
    *out = value ? pondi_strdup(value) : NULL;
    return value && !*out ? pondi_error_nomem(err) : POND_OK;
}

static int find_servers(const pond_config *config, pondi_servers *out, pond_error **err)
{
    int code = copy_of(config, "host", &out->hosts, err);
    if (!code)
        code = copy_of(config, "port", &out->ports, err);
    if (!code)
        code = copy_of(config, "target_session_attrs", &out->role, err);
    return code;
}

/* The name of the host says how it behaves. */
static int is_host(const pondi_conn *base, const char *behaviour)
{
    const char *host = pondi_config_get(base->config, "host");
    return host && strncmp(host, behaviour, strlen(behaviour)) == 0;
}

static void after_delay(void *data);

static int open_conn(pond_config *config, void *shared, pondi_conn **out, pond_error **err)
{
    fake_conn *conn = pondi_calloc(1, sizeof(*conn));
    if (!conn)
        return pondi_error_nomem(err);
    conn->unheard = pondi_config_count(config, "cancels_lost", 0);
    conn->shared = shared;
    *out = &conn->base;
    return POND_OK;
}

static void detach(pondi_conn *base)
{
    fake_conn *conn = (fake_conn *)base;
    pondi_timer_free(conn->delay);
    conn->delay = NULL;
}

static int attach(pondi_conn *base, pond_error **err)
{
    (void)base;
    (void)err;
    return POND_OK;
}

static void destroy(pondi_conn *base)
{
    detach(base);
    pondi_gone gone = pondi_conn_dispose(base);
    pondi_free(base);
    pondi_conn_gone(gone);
}

static void statement_free(pondi_conn *base, void *prepared)
{
    (void)base;
    (void)prepared;
}

/* ---- Script ------------------------------------------------------------------------------ */

static int code_of(const char *name)
{
#define POND_X(code, number, cls, parent, builtin, text) \
    if (strcasecmp(name, "E" #code) == 0)                \
        return number;
    POND_ERROR_MAP(POND_X)
#undef POND_X
    return POND_EOPERATIONAL;
}

static void finish_with(pondi_conn *base, int code, const char *text)
{
    pondi_conn_finish(base, NULL, pondi_error_new(code, "%s", text));
}

/* Copies of the parameters; arrays are beyond a row set. */
static int fill_echo(pondi_row_set *set, const pondi_request *request)
{
    pond_value *cells = pondi_row_set_add(set);
    if (!cells)
        return POND_ENOMEM;
    for (size_t i = 0; i < request->column_count; i++) {
        const pond_value *from = &request->params[i];
        if (from->type == POND_TYPE_ARRAY)
            return POND_ENOTSUPPORTED;
        cells[i] = *from;
        if (pondi_value_has_text(from) &&
            pondi_row_set_text(set, &cells[i], (pond_type)from->type, from->as.text.data,
                               from->as.text.size))
            return POND_ENOMEM;
    }
    return POND_OK;
}

static void echo(pondi_conn *base, const pondi_request *request)
{
    pondi_row_set *set = pondi_row_set_new(request->column_count);
    int code = set ? POND_OK : POND_ENOMEM;
    if (set && request->column_count)
        code = fill_echo(set, request);
    if (!code) {
        pondi_conn_finish(base, &set->base, NULL);
        return;
    }
    if (set)
        pond_result_release(&set->base);
    finish_with(base, code, code == POND_ENOMEM ? "out of memory" : "ECHO knows no arrays");
}

static void rows(pondi_conn *base, unsigned long count, unsigned long columns)
{
    pondi_row_set *set = pondi_row_set_new(columns);
    int failed = !set;
    for (unsigned long row = 0; row < count && !failed; row++) {
        pond_value *cells = pondi_row_set_add(set);
        failed = !cells;
        for (unsigned long i = 0; i < columns && !failed; i++) {
            cells[i].type = POND_TYPE_INT64;
            cells[i].as.integer = (int64_t)(row * columns + i);
        }
    }
    if (!failed) {
        pondi_conn_finish(base, &set->base, NULL);
        return;
    }
    if (set)
        pond_result_release(&set->base);
    finish_with(base, POND_ENOMEM, "out of memory");
}

static void number(pondi_conn *base, int64_t value)
{
    pondi_row_set *set = pondi_row_set_new(1);
    pond_value *cell = set ? pondi_row_set_add(set) : NULL;
    if (!cell) {
        if (set)
            pond_result_release(&set->base);
        finish_with(base, POND_ENOMEM, "out of memory");
        return;
    }
    cell->type = POND_TYPE_INT64;
    cell->as.integer = value;
    pondi_conn_finish(base, &set->base, NULL);
}

static void text_row(pondi_conn *base, const char *text)
{
    pondi_row_set *set = pondi_row_set_new(1);
    pond_value *cell = set ? pondi_row_set_add(set) : NULL;
    if (cell && !pondi_row_set_text(set, cell, POND_TYPE_TEXT, text, strlen(text))) {
        pondi_conn_finish(base, &set->base, NULL);
        return;
    }
    if (set)
        pond_result_release(&set->base);
    finish_with(base, POND_ENOMEM, "out of memory");
}

static void fail(pondi_conn *base, const char *arguments)
{
    char name[32] = "";
    char sqlstate[6] = "";
    char text[200] = "failed as told";
    if (sscanf(arguments, "%31s %5s %199[^\n]", name, sqlstate, text) < 1) {
        finish_with(base, POND_ESYNTAX, "FAIL needs the name of an error");
        return;
    }
    pond_error *error = pondi_error_new(code_of(name), "%s", text);
    pondi_error_set_sqlstate(error, sqlstate);
    pondi_conn_finish(base, NULL, error);
}

static void write_something(pondi_conn *base)
{
    if (base->read_only) {
        finish_with(base, POND_EREADONLY, "the session is read-only");
        return;
    }
    if (!is_host(base, "standby") && !is_host(base, "secret")) {
        pondi_conn_finish(base, NULL, NULL);
        return;
    }
    pondi_conn_refused_write(base);
    finish_with(base, POND_EREADONLY, "a standby refuses writes");
}

static void wait_for(pondi_conn *base, int64_t ms)
{
    fake_conn *conn = (fake_conn *)base;
    pond_error *error = NULL;
    if (!conn->delay && pondi_timer_new(base->loop, after_delay, conn, &conn->delay, &error)) {
        pondi_conn_finish(base, NULL, error);
        return;
    }
    pondi_timer_start(conn->delay, pondi_deadline_ns(ms));
}

static void run_script(pondi_conn *base, pondi_request *request)
{
    fake_conn *conn = (fake_conn *)base;
    const char *script = request->statement->native;
    const char *verb = request->statement->info.verb;
    const char *arguments = script + strcspn(script, " ");
    unsigned int first = 0;
    unsigned int second = 0;
    int numbers = sscanf(arguments, "%u %u", &first, &second);
    if (strcmp(verb, "ECHO") == 0) {
        echo(base, request);
    } else if (strcmp(verb, "ROWS") == 0 && numbers == 2) {
        rows(base, first, second);
    } else if (strcmp(verb, "FAIL") == 0) {
        fail(base, arguments);
    } else if (strcmp(verb, "SLEEP") == 0 && numbers >= 1) {
        wait_for(base, (int64_t)first);
    } else if (strcmp(verb, "HANG") == 0) {
        conn->hangs = 1;
    } else if (strcmp(verb, "SET") == 0) {
        snprintf(conn->setting, sizeof(conn->setting), "%.*s", (int)sizeof(conn->setting) - 1,
                 arguments + strspn(arguments, " "));
        pondi_conn_finish(base, NULL, NULL);
    } else if (strcmp(verb, "SHOW") == 0) {
        text_row(base, conn->setting);
    } else if (strcmp(verb, "WHERE") == 0) {
        const char *host = pondi_config_get(base->config, "host");
        text_row(base, host ? host : "");
    } else if (strcmp(verb, "WRITE") == 0) {
        write_something(base);
    } else if (strcmp(verb, "PINGS") == 0) {
        number(base, (int64_t)atomic_load(&conn->shared->pings));
    } else if (strcmp(verb, "DROP") == 0) {
        pondi_conn_broken(base);
        finish_with(base, POND_EUNKNOWN, "the connection was dropped as told");
    } else {
        finish_with(base, POND_ESYNTAX,
                    "unknown command of the fake driver, or its number is missing");
    }
}

static void transact(pondi_conn *base, pond_transaction_verb verb)
{
    if (verb == POND_COMMIT && pondi_config_flag(base->config, "fail_commit", 0)) {
        base->in_transaction = 0;
        finish_with(base, POND_ESERIALIZATION, "the commit failed as told");
        return;
    }
    base->in_transaction = verb == POND_BEGIN;
    pondi_conn_finish(base, NULL, NULL);
}

/* ---- Requests ---------------------------------------------------------------------------- */

static void connected(pondi_conn *base)
{
    fake_conn *conn = (fake_conn *)base;
    if (is_host(base, "down")) {
        const char *host = pondi_config_get(base->config, "host");
        pondi_conn_finish(base, NULL, pondi_error_new(POND_ECONNECT, "%s is down, as told", host));
        return;
    }
    int succeeds = atomic_fetch_sub(&conn->shared->connects_to_succeed, 1) > 0;
    if (!succeeds && atomic_fetch_sub(&conn->shared->connects_to_fail, 1) > 0) {
        const char *name = pondi_config_get(base->config, "connect_error");
        finish_with(base, name ? code_of(name) : POND_ECONNECT, "cannot connect, as told");
        return;
    }
    snprintf(base->server_version, sizeof(base->server_version), "fake 1");
    snprintf(base->driver_version, sizeof(base->driver_version), "fake 1");
    base->role = is_host(base, "secret")    ? PONDI_SERVER_ANY /* a standby that does not say so */
                 : is_host(base, "standby") ? PONDI_SERVER_STANDBY | PONDI_SERVER_READ_ONLY
                                            : PONDI_SERVER_PRIMARY | PONDI_SERVER_READ_WRITE;
    pondi_conn_finish(base, NULL, NULL);
}

static void after_delay(void *data)
{
    fake_conn *conn = data;
    pondi_request *request = conn->base.current;
    if (!request)
        return;
    if (request->call->kind == PONDI_REQUEST_CONNECT)
        connected(&conn->base);
    else
        pondi_conn_finish(&conn->base, NULL, NULL);
}

static void ping(pondi_conn *base)
{
    fake_conn *conn = (fake_conn *)base;
    atomic_fetch_add(&conn->shared->pings, 1);
    int64_t delay_ms = pondi_config_ms(base->config, "ping_delay", 0);
    if (delay_ms > 0) {
        wait_for(base, delay_ms);
        return;
    }
    if (!pondi_config_flag(base->config, "fail_pings", 0)) {
        pondi_conn_finish(base, NULL, NULL);
        return;
    }
    pondi_conn_broken(base);
    finish_with(base, POND_ECONNLOST, "the connection is dead, as told");
}

static void start(pondi_conn *base, pondi_request *request)
{
    switch (request->call->kind) {
    case PONDI_REQUEST_CONNECT: {
        int64_t delay_ms = pondi_config_ms(base->config, "connect_delay", 0);
        if (!is_host(base, "silent"))
            wait_for(base, delay_ms > 0 ? delay_ms : 0);
        break;
    }
    case PONDI_REQUEST_EXECUTE:
    case PONDI_REQUEST_EXECUTE_MANY:
        run_script(base, request);
        break;
    case PONDI_REQUEST_STREAM:
    case PONDI_REQUEST_FETCH:
    case PONDI_REQUEST_END_STREAM:
        finish_with(base, POND_ENOTSUPPORTED, "the fake driver does not support streams");
        break;
    case PONDI_REQUEST_TRANSACTION:
        transact(base, request->call->verb);
        break;
    case PONDI_REQUEST_PING:
        ping(base);
        break;
    case PONDI_REQUEST_RESET:
        ((fake_conn *)base)->setting[0] = '\0';
        pondi_conn_finish(base, NULL, NULL);
        break;
    case PONDI_REQUEST_REPORT:
        pondi_server_report_init(base->report, base);
        pondi_conn_finish(base, NULL, NULL);
        break;
    case PONDI_REQUEST_WAIT_FOR:
        finish_with(base, POND_ENOTSUPPORTED, "the fake driver has no positions");
        break;
    case PONDI_REQUEST_READ_ONLY:
        pondi_conn_finish(base, NULL, NULL);
        break;
    }
}

static void cancel(pondi_conn *base, pondi_request *request)
{
    (void)request;
    fake_conn *conn = (fake_conn *)base;
    if (conn->hangs)
        return;
    if (conn->unheard) {
        conn->unheard--;
        return;
    }
    if (conn->delay)
        pondi_timer_stop(conn->delay);
    finish_with(base, POND_ECANCELLED, "stopped");
}

const pondi_driver pondi_fake_driver = {
    .name = "fake",
    .dialect = POND_DIALECT_SQLITE,
    .resets = 1,
    .options = options,
    .shared_open = shared_open,
    .shared_close = pondi_free,
    .find_servers = find_servers,
    .open = open_conn,
    .start = start,
    .cancel = cancel,
    .detach = detach,
    .attach = attach,
    .statement_free = statement_free,
    .destroy = destroy,
};
