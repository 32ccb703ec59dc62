/* What the files of the MySQL driver share.
 *
 * A request is a chain of library calls: each step looks at how the last call ended and names the
 * next one, or none, which ends the request. Who makes the calls is the build's choice (run_loop.c
 * or run_thread.c).
 */
#ifndef PONDI_MYSQL_MYSQL_H
#define PONDI_MYSQL_MYSQL_H

#include <mysql.h>
#include <openssl/err.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "driver/driver.h"
#include "driver/row_set.h"
#include "loop/task.h"
#include "loop/watcher.h"

#ifdef MARIADB_PACKAGE_VERSION
typedef my_bool my_flag;
#else
typedef bool my_flag;
#endif

/* Calls that may wait for the server. */
typedef enum my_call {
    MY_NONE,
    MY_QUERY,      /* text, text_size -> failed */
    MY_SEND,       /* text, text_size -> failed: the first half of MY_QUERY */
    MY_READ,       /* -> failed: the second half */
    MY_ROWS,       /* -> rows; NULL is a failure if there are columns */
    MY_NEXT,       /* of a text query -> failed: 0 another result, -1 none */
    MY_PREPARE,    /* stmt, text, text_size -> failed */
    MY_EXECUTE,    /* stmt -> failed */
    MY_FETCH,      /* stmt -> failed: 0, 1, MYSQL_NO_DATA, MYSQL_DATA_TRUNCATED */
    MY_FREE_ROWS,  /* stmt: what the server still sends of a result is thrown away */
    MY_NEXT_STMT,  /* stmt -> failed, as MY_NEXT */
    MY_CLOSE_STMT, /* stmt */
    MY_RESET       /* the session is as new -> failed */
} my_call;

/* Where a connection is in the life of its request. */
typedef enum my_phase {
    MY_IDLE = 1,
    MY_CONNECTING, /* on a thread */
    MY_STARTING,   /* nothing was sent yet that changes anything */
    MY_WITHDRAWN,  /* the same, and the request is to be stopped */
    MY_BEGINNING,  /* a batch was sent, and its BEGIN has no answer: it must not be stopped alone */
    MY_RUNNING,    /* some of it may have been sent */
    MY_RERUNNING,  /* the same with its statement prepared anew, which is done once */
    MY_STOPPING,   /* no more statements of this request */
    MY_PARKED,     /* a stream waits to be asked for more: nothing is read */
    MY_HELD,       /* the outcome is known, and waits for the end of a cancel */
    MY_SETTLING,   /* the outcome is known; absorbs a cancel that came too late, or asks whether a
                      transaction is open */
    MY_LOST_UNSENT,  /* the connection is gone; before anything was sent */
    MY_LOST,         /* and what became of the request may be unknown */
    MY_LOST_SETTLED, /* and the outcome was known by then */
    MY_PHASES
} my_phase;

/* What leads from one to another. */
typedef enum my_event {
    MY_ON_CONNECT,
    MY_ON_START,
    MY_ON_SENT, /* from here on something may have happened on the server */
    MY_ON_BATCH,
    MY_ON_BEGUN,
    MY_ON_STALE, /* the schema has changed under the statement */
    MY_ON_STOP,
    MY_ON_PARK,
    MY_ON_HOLD,
    MY_ON_SETTLE,
    MY_ON_LOSS,
    MY_ON_END,
    MY_EVENTS
} my_event;

struct my_conn;
typedef struct my_run my_run;
typedef void (*my_step)(struct my_conn *conn);

/* How a column is read. */
typedef enum my_kind {
    MY_KIND_NULL,
    MY_KIND_BOOL, /* of TINYINT(1); other numbers than 0 and 1 stay numbers */
    MY_KIND_INT,
    MY_KIND_UINT,
    MY_KIND_FLOAT,
    MY_KIND_DOUBLE,
    MY_KIND_DECIMAL,
    MY_KIND_TEXT,
    MY_KIND_BYTES,
    MY_KIND_BIT,
    MY_KIND_DATE,
    MY_KIND_TIME,
    MY_KIND_DATETIME,
    MY_KIND_TIMESTAMP,
    MY_KIND_JSON,
    MY_KIND_UUID
} my_kind;

/* One column of a prepared statement: where the library puts the value of the current row. */
typedef struct my_column {
    my_kind kind;
    unsigned long size;
    my_flag is_null;
    my_flag truncated;
    union {
        int64_t integer;
        double real;
        float single;
        MYSQL_TIME time;
    } at;
} my_column;

typedef struct my_statement {
    MYSQL_STMT *stmt;
    pondi_list link; /* while it waits to be closed */
    unsigned int column_count;
    my_column *columns;
    MYSQL_BIND *binds;
    int is_stale;             /* its columns have other names than when it was prepared */
    MYSQL_FIELD *more_fields; /* in place of the library's, once there were more columns */
    MYSQL_BIND *more_binds;
} my_statement;

/* Parameters in the library's form. */
typedef union my_scratch {
    int64_t integer;
    double real;
    MYSQL_TIME time;
} my_scratch;

typedef struct my_params {
    size_t capacity;
    MYSQL_BIND *binds;
    my_scratch *scratch;
    unsigned long *sizes;
    pondi_buffer text; /* values that are formatted here */
} my_params;

/* Progress of executemany. */
typedef struct my_many {
    size_t row;    /* the next one */
    size_t ends;   /* of the rows in the bulk that is under way */
    int owns;      /* the transaction is ours */
    int bulk;      /* many rows in one call */
    int searching; /* a bulk failed: row by row, to learn which one */
    int64_t affected;
    int64_t last_insert_id;
} my_many;

/* Progress of a batch. */
enum { MY_BATCH_MOST = 8 };

typedef struct my_batch {
    size_t ends[MY_BATCH_MOST]; /* of the statements, in the connection's scratch text */
    size_t count;
    size_t sent;
    size_t read;
    int untouched; /* a statement wrote no row */
} my_batch;

typedef struct my_conn {
    pondi_conn base; /* first */
    MYSQL *mysql;
    int fd; /* a duplicate of the library's */
    uint64_t max_packet;
    int tls;
    int maria;             /* the server is MariaDB; else MySQL */
    unsigned int version;  /* of the server, as 101119 for 10.11.19 */
    int hides_replication; /* from this user: how a replica does */
    atomic_int phase;      /* a my_phase; only pondi_mysql_move() changes it */
    int is_read_only;      /* the session, as the server knows: it learns of base.read_only late */
    int tracking;          /* it tells of commits; -1: it cannot */
    int gtids_seen;        /* it did so */
    /* the call under way */
    my_call call;
    my_step then;
    int failed;
    const char *text;
    size_t text_size;
    MYSQL_STMT *stmt;
    MYSQL_RES *rows;
    /* the request under way */
    pondi_request *request;
    pondi_server_report report; /* of the request, whose asker may have gone meanwhile */
    my_step prepared;           /* follows the preparation */
    int no_memory;              /* the last call of the library ended in that */
    pondi_row_set *set;
    pond_error *error;
    my_many many;
    my_batch batch;
    my_params params;
    pondi_arena bulk;     /* parameters of many rows */
    pondi_list closing;   /* evicted statements: the server is told before the next prepare */
    struct my_task *task; /* connecting, or cancelling */
    my_run *run;          /* of the flavour built, see run_loop.c and run_thread.c */
} my_conn;

static inline my_conn *my_of(pondi_conn *base)
{
    return (my_conn *)(void *)base;
}

/* ---- phase.c ---- */
/* Go on to the phase that follows, if the event means anything now; returns it. */
my_phase pondi_mysql_move(my_conn *conn, my_event event);

static inline my_phase pondi_mysql_phase(const my_conn *conn)
{
    return (my_phase)atomic_load_explicit(&conn->phase, memory_order_acquire);
}

static inline int pondi_mysql_is_lost(const my_conn *conn)
{
    return pondi_mysql_phase(conn) >= MY_LOST_UNSENT;
}

static inline int pondi_mysql_is_stopping(const my_conn *conn)
{
    my_phase phase = pondi_mysql_phase(conn);
    return phase == MY_STOPPING || phase == MY_WITHDRAWN;
}

/* ---- run_loop.c or run_thread.c: who makes the calls ---- */
/* Name the next call; from a step. */
static inline void pondi_mysql_call(my_conn *conn, my_call call, my_step then)
{
    conn->call = call;
    conn->then = then;
}
static inline void pondi_mysql_query(my_conn *conn, const char *text, size_t size, my_step then)
{
    conn->text = text;
    conn->text_size = size;
    pondi_mysql_call(conn, MY_QUERY, then);
}

int pondi_mysql_run_new(my_conn *conn, pond_error **err);
/* Before the connection is made, which may take so many seconds; 0 for no limit. */
void pondi_mysql_run_options(MYSQL *mysql, unsigned int seconds);
/* Make the calls that the steps name; ends in pondi_mysql_ended() on the loop. */
void pondi_mysql_run(my_conn *conn);
void pondi_mysql_run_detach(my_conn *conn);
int pondi_mysql_run_attach(my_conn *conn, pond_error **err);
/* Free the connection with pondi_mysql_free(), once no call is under way. */
void pondi_mysql_run_destroy(my_conn *conn);

/* Before each call: what another TLS connection of this thread left in OpenSSL's queue of errors
 * would be taken for this one's. */
static inline void pondi_mysql_before_call(const my_conn *conn)
{
    if (conn->tls)
        ERR_clear_error();
}

/* ---- driver.c ---- */
/* Name the first call of the request. */
void pondi_mysql_start(my_conn *conn);
/* No call is left: the request has ended. On the loop. */
void pondi_mysql_ended(my_conn *conn);
void pondi_mysql_free(my_conn *conn);
/* Remember the first error of a request. */
void pondi_mysql_fail(my_conn *conn, pond_error *error);
/* The last call failed: remember why. `stmt` is NULL for a query's error. */
void pondi_mysql_call_failed(my_conn *conn, MYSQL_STMT *stmt);
/* Whether the server holds a transaction open, as it said last. */
int pondi_mysql_in_transaction(const my_conn *conn);

/* ---- servers.c ---- */
/* What a server says of itself. */
typedef struct my_server {
    uint64_t max_packet;
    int read_only;
} my_server;

int pondi_mysql_find_servers(const pond_config *config, pondi_servers *out, pond_error **err);
/* Set the client library up, once for the process. */
void pondi_mysql_init(void);
/* Connect to the config's server, and ask what it is. In this thread, which blocks. */
MYSQL *pondi_mysql_open(const pond_config *config, int64_t timeout_ms, my_server *server,
                        pond_error **err);

/* ---- connect.c ---- */
/* A setting, or what the environment says, as MySQL's own programs read it. */
const char *pondi_mysql_setting(const pond_config *config, const char *key, const char *variable);
/* Why connecting failed, as the library says; `where` names the host. */
pond_error *pondi_mysql_connect_error(const pond_config *config, MYSQL *mysql, const char *where);
/* Connect to the config's server, in this thread; `database` may be NULL for none. */
MYSQL *pondi_mysql_open_bare(const pond_config *config, const char *database, int64_t timeout_ms,
                             pond_error **err);

typedef struct my_task {
    pondi_task base; /* first */
    pond_config *config;
    int64_t timeout_ms;
    unsigned long victim; /* of a cancel: the session's id */
    int failed;           /* the cancel; the log says why only the first time */
    int told;
    my_server server; /* outcome */
    MYSQL *mysql;
    pond_error *error;
} my_task;

my_task *pondi_mysql_task_new(my_conn *conn);
void pondi_mysql_connect(my_conn *conn);
/* Tell Connector/C where its plugins are, if this build carries them. */
void pondi_mysql_set_plugins(MYSQL *mysql);
/* The statements that set up a new session; the second only (non-zero) where the config asks. */
void pondi_mysql_session(const pond_config *config, pondi_buffer *out);
int pondi_mysql_isolation(const pond_config *config, pondi_buffer *out);
void pondi_mysql_check_config(const pond_config *config, pondi_problems *problems);

/* End the socket both ways: nothing blocks on it any more. */
void pondi_mysql_hang_up(const my_conn *conn);

/* ---- cancel.c ---- */
void pondi_mysql_cancel(my_conn *conn);
void pondi_mysql_settle(my_conn *conn);

/* ---- execute.c ---- */
void pondi_mysql_execute(my_conn *conn);
/* Have the request's statement prepared, then take the step; on failure no step follows. */
void pondi_mysql_prepare(my_conn *conn, my_step then);
/* The statement of the request, once prepared. */
my_statement *pondi_mysql_prepared(const my_conn *conn);
/* The statement was executed: take its rows, then the step. */
void pondi_mysql_take_rows(my_conn *conn, my_step then);
void pondi_mysql_statement_close(my_conn *conn, my_statement *statement);
void pondi_mysql_statement_free(my_statement *statement);

/* ---- refit.c ---- */
/* Whether MY_EXECUTE failed; an answer with more or fewer columns than were prepared is none. */
int pondi_mysql_execute_failed(my_conn *conn);

/* ---- stream.c ---- */
/* The request has the rows that it asked for: if so, no call follows. */
int pondi_mysql_stream_pause(my_conn *conn);
void pondi_mysql_stream_fetch(my_conn *conn);
void pondi_mysql_stream_end(my_conn *conn);
void pondi_mysql_fetch_rows(my_conn *conn, my_step then);
void pondi_mysql_drop_rows(my_conn *conn, my_step then);

/* ---- reset.c ---- */
void pondi_mysql_reset(my_conn *conn);

/* ---- session.c ---- */
/* Whether the request needs the session as base.read_only and base.tracks want it. */
int pondi_mysql_must_set(const my_conn *conn);
/* Have the session so, and then start the request. */
void pondi_mysql_set_first(my_conn *conn);
/* Append what makes a session that was reset as it was, to a SET. */
void pondi_mysql_put_settings(my_conn *conn, pondi_buffer *out);
/* The request ends: tell where its commit is, if the server said so. On the loop. */
void pondi_mysql_note_commit(my_conn *conn);

/* ---- wait.c ---- */
void pondi_mysql_wait_for(my_conn *conn);

/* ---- report.c ---- */
void pondi_mysql_report(my_conn *conn);
/* A request ends: hand a report over. On the loop. */
void pondi_mysql_report_done(my_conn *conn);

/* ---- batch.c ---- */
void pondi_mysql_batch(my_conn *conn);

/* ---- many.c ---- */
void pondi_mysql_many_undo(my_conn *conn);
void pondi_mysql_many(my_conn *conn);

/* ---- bulk.c ---- */
/* Bind rows from conn->many.row on, as many as go into one call, and set many.ends. */
int pondi_mysql_bulk_bind(my_conn *conn, pond_error **err);
int pondi_mysql_can_bulk(const my_conn *conn);
void pondi_mysql_bulk_reset(my_conn *conn);

/* ---- params.c ---- */
int pondi_mysql_bind(my_conn *conn, const pond_value *params, size_t count, pond_error **err);
/* Text of any value; appended. */
int pondi_mysql_format(const pond_value *value, size_t number, pondi_buffer *out, pond_error **err);
/* A value that has a form of its own in the protocol; 0 if it travels as text. */
int pondi_mysql_native(const pond_value *value, my_scratch *to, enum enum_field_types *type);
int pondi_mysql_check_param(const pond_value *value, size_t number, pond_error **err);
int pondi_mysql_check_size(const my_conn *conn, uint64_t size, pond_error **err);
void pondi_mysql_params_free(my_params *params);

/* ---- columns.c ---- */
/* Have the library put the columns of the statement's result where we read them. */
int pondi_mysql_bind_columns(my_statement *statement, pond_error **err);
/* Add the row that was fetched. */
int pondi_mysql_read_row(my_statement *statement, pondi_row_set *set, pond_error **err);
/* Values that have the same form in both protocols. Numbers beyond int64 stay exact, as decimals.
 * Bits are a number, most significant byte first: POND_EDATA for more than 64. A TIME is a time of
 * day, or a span that is none. */
int pondi_mysql_read_unsigned(pondi_row_set *set, pond_value *cell, uint64_t value);
int pondi_mysql_read_bits(pondi_row_set *set, pond_value *cell, const char *bytes, size_t size);
void pondi_mysql_set_span(pond_value *cell, int negative, int64_t us);
/* The error for a cell of the last row that could not be read, by the code of the attempt. */
int pondi_mysql_unreadable(int code, const char *column, const pondi_row_set *set,
                           pond_error **err);

/* ---- text.c: results of statements that are not prepared ---- */
int pondi_mysql_read_text_rows(MYSQL_RES *rows, pondi_row_set **out, pond_error **err);
my_kind pondi_mysql_kind(const MYSQL_FIELD *field);
/* What a column's values usually are. */
pond_type pondi_mysql_column_type(const MYSQL_FIELD *field);

/* ---- errors.c ---- */
pond_error *pondi_mysql_error(const my_conn *conn, unsigned int number, const char *sqlstate,
                              const char *message);
/* True if the connection cannot be used after this error. */
int pondi_mysql_is_loss(const my_conn *conn, unsigned int number);
/* Keep the error that the server sent to an idle connection before it closed it. */
void pondi_mysql_keep_end_reason(my_conn *conn);

#endif
