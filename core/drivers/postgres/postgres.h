/* What the files of the PostgreSQL driver share.
 *
 * A connection is in one phase at a time. Whatever the socket brings goes to that phase's step,
 * which ends in pondi_postgres_finish() or in the next phase.
 */
#ifndef PONDI_POSTGRES_POSTGRES_H
#define PONDI_POSTGRES_POSTGRES_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "driver/driver.h"
#include "drivers/postgres/oids.h"
#include "loop/task.h"
#include "loop/watcher.h"

typedef enum pg_phase {
    PG_IDLE,
    PG_RESOLVING, /* a thread looks up the host's addresses */
    PG_CONNECTING,
    PG_PREPARING,  /* prepare and describe, in one round trip */
    PG_BEGINNING,  /* BEGIN alone, for the statement that waits behind it */
    PG_BEGIN_WITH, /* BEGIN and its first statement in one pipeline */
    PG_EXECUTING,
    PG_MANY,
    PG_PARKED,  /* a stream waits to be asked for more: nothing is read */
    PG_COMMAND, /* a transaction verb, a rollback of ours, a ping */
    PG_SETTLING /* absorbs a cancel that came too late */
} pg_phase;

struct pg_conn;

/* Work for a thread of its own: a name lookup, or a cancel. */
typedef struct pg_task {
    pondi_task base; /* first */
    void (*work)(struct pg_task *task);
    void (*done)(struct pg_conn *conn, struct pg_task *task);
    PGcancel *cancel;
    char *host;
    char *port;
    pondi_buffer hosts; /* outcome: lists as libpq takes them */
    pondi_buffer addresses;
    pondi_buffer ports;
} pg_task;

/* A parameter's or column's codec is chosen once, when the statement is described. */
typedef struct pg_statement {
    char name[32];
    int param_count;
    Oid *param_types;
    int binary; /* results are asked for in binary */
} pg_statement;

typedef struct pg_many {
    size_t sent;
    size_t answered;
    int synced; /* the end of the pipeline was sent */
    int failed; /* with `error` of the connection */
    int undo;   /* the server does not know yet that it failed */
} pg_many;

typedef struct pg_conn {
    pondi_conn base; /* first */
    PGconn *pg;
    pondi_watcher *watcher;
    int fd;
    pg_phase phase;
    int sent;            /* some of it may have been */
    int stale;           /* the schema changed under the plan */
    int retried;         /* the statement was prepared anew once */
    int begin_pending;   /* BEGIN goes with the next statement */
    int began_with;      /* it went with the current one */
    int unnamed;         /* setting: no prepared statements */
    uint64_t statements; /* for names */
    pg_statement *preparing;
    pondi_buffer closing;     /* names of evicted statements, each with a NUL */
    int closing_failed;       /* one of them was gone: prepare again without */
    int results_left;         /* of the phase's pipeline, before the described one */
    struct pg_result *result; /* outcome so far */
    pond_error *error;
    pg_many many;
    pg_task *task;        /* resolving, or cancelling */
    int held;             /* the outcome waits for the end of a cancel */
    pondi_buffer scratch; /* parameters in the server's form */
    const char **values;
    int *lengths;
    int *formats;
    int capacity;
} pg_conn;

static inline pg_conn *pg_of(pondi_conn *base)
{
    return (pg_conn *)(void *)base;
}

/* ---- driver.c ---- */
/* End the current request with conn->result and conn->error; waits for a cancel that is under way.
 */
void pondi_postgres_finish(pg_conn *conn);
/* Send what libpq has buffered, and watch for what is needed to go on. */
void pondi_postgres_flush(pg_conn *conn);
/* Take what libpq has read already. */
void pondi_postgres_take_results(pg_conn *conn);
/* The connection is gone: tell what that means for the request. */
void pondi_postgres_lost(pg_conn *conn);
/* Run a command without parameters or rows, as the current request. */
void pondi_postgres_command(pg_conn *conn, const char *sql);
/* Remember the first error of a request. */
void pondi_postgres_fail(pg_conn *conn, pond_error *error);

/* The socket is ready. */
void pondi_postgres_on_ready(pg_conn *conn, int events);

/* ---- connect.c ---- */
void pondi_postgres_connect(pg_conn *conn);
void pondi_postgres_connect_step(pg_conn *conn);
int pondi_postgres_watch(pg_conn *conn, int events, pond_error **err);

/* ---- task.c ---- */
pg_task *pondi_postgres_task_new(pg_conn *conn);
int pondi_postgres_task_run(pg_task *task, pond_error **err);

/* ---- execute.c ---- */
void pondi_postgres_execute(pg_conn *conn);
void pondi_postgres_take_prepared(pg_conn *conn, PGresult *res);
void pondi_postgres_prepared(pg_conn *conn);
void pondi_postgres_take_result(pg_conn *conn, PGresult *res);
void pondi_postgres_executed(pg_conn *conn);
/* See whether an error tells that the prepared statement is of no use any more. */
void pondi_postgres_note_stale(pg_conn *conn, const PGresult *res);
void pondi_postgres_statement_free(pg_conn *conn, pg_statement *statement);

/* ---- begin.c: transactions that begin with their first statement ---- */
/* Begin, commit or roll back, as the current request says. */
void pondi_postgres_transaction(pg_conn *conn);
/* Send BEGIN and the statement that `send` sends in one pipeline. */
void pondi_postgres_begin_with(pg_conn *conn, int (*send)(pg_conn *conn));
void pondi_postgres_take_begin_with(pg_conn *conn, PGresult *res);
/* Send BEGIN alone, after which the request is executed; `failed`: for a transaction that failed
 * with its first statement, and so is begun anew. */
void pondi_postgres_begin_first(pg_conn *conn, int failed);
void pondi_postgres_take_begin(pg_conn *conn, PGresult *res);
void pondi_postgres_begun(pg_conn *conn);

/* ---- stream.c ---- */
/* True if the current request has the rows that it asked for: it is finished then. */
int pondi_postgres_stream_pause(pg_conn *conn);
void pondi_postgres_stream_fetch(pg_conn *conn);
void pondi_postgres_stream_end(pg_conn *conn);

/* ---- many.c ---- */
void pondi_postgres_many_start(pg_conn *conn);
void pondi_postgres_many_send(pg_conn *conn);
void pondi_postgres_many_take(pg_conn *conn, PGresult *res);
/* The pipeline of a statement was answered to its end. */
void pondi_postgres_pipeline_ended(pg_conn *conn);

/* ---- cancel.c ---- */
void pondi_postgres_cancel(pg_conn *conn);

/* ---- standby.c ---- */
int pondi_postgres_shared_open(pond_config *config, void **shared, pond_error **err);
/* The server refused a write: see whether it is a standby. */
void pondi_postgres_note_standby(pg_conn *conn);
/* What libpq is to ask of a server; NULL for nothing. */
const char *pondi_postgres_wanted_role(const pg_conn *conn);

/* ---- reset.c ---- */
void pondi_postgres_reset(pg_conn *conn);

/* ---- encode.c ---- */
/* Fill values, lengths and formats; `types` is NULL to let the server infer all from text. */
int pondi_postgres_encode(pg_conn *conn, const pond_value *params, size_t count, const Oid *types,
                          pond_error **err);

/* ---- result.c ---- */
typedef struct pg_result pg_result;
pg_result *pondi_postgres_result_new(void);
/* Add the rows of one execution; takes `res` over. */
int pondi_postgres_result_add(pg_result *result, PGresult *res);
void pondi_postgres_result_free(pg_result *result);
pond_result *pondi_postgres_result_base(pg_result *result);

/* ---- decode.c, decode_text.c ---- */
typedef int (*pg_decoder)(const char *data, int size, pondi_arena *arena, pond_value *out);
/* NULL if the type has no binary form that we know. */
pg_decoder pondi_postgres_binary_decoder(Oid type);
/* Never NULL. */
pg_decoder pondi_postgres_text_decoder(Oid type);
/* The type of an array's elements; 0 if it is no array that we know. */
/* An array in text, of what `element` decodes. */
int pondi_postgres_decode_text_array(const char *data, int size, pg_decoder element,
                                     pondi_arena *arena, pond_value *out);
Oid pondi_postgres_element_type(Oid array);
/* What values of the server's type become; POND_TYPE_TEXT for those that we do not know. */
pond_type pondi_postgres_type(Oid type);

/* ---- errors.c ---- */
pond_error *pondi_postgres_error(pg_conn *conn, const PGresult *res);
/* The text that libpq keeps, for failures without a result; and an error with it. */
void pondi_postgres_said(const pg_conn *conn, char *out, size_t room);
pond_error *pondi_postgres_connection_error(pg_conn *conn, int code, const char *what);
void pondi_postgres_notice(void *data, const PGresult *res);

#endif
