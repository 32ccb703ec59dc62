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
#include "drivers/postgres/cancel_request.h"
#include "drivers/postgres/oids.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "loop/watcher.h"

typedef enum pg_phase {
    PG_IDLE,
    PG_RESOLVING, /* a thread looks up the host's addresses */
    PG_CONNECTING,
    PG_PREPARING,    /* prepare and describe, in one round trip */
    PG_LOOKING_UP,   /* asks for types that the driver meets for the first time */
    PG_BEGINNING,    /* BEGIN alone, for the statement that waits behind it */
    PG_TOGETHER,     /* a statement in one pipeline with what belongs to it, see together.c */
    PG_ROLLING_BACK, /* what came before the statement in that pipeline, and failed */
    PG_LOOKING,      /* asks how far a replica is */
    PG_WAITING,      /* before it asks again */
    PG_EXECUTING,
    PG_MANY,
    PG_PARKED,          /* a stream waits to be asked for more: nothing is read */
    PG_COMMAND,         /* a transaction verb, a rollback of ours, a ping */
    PG_SETTING_UP,      /* the session, as the end of connecting */
    PG_ABSORBING_CANCEL /* absorbs a cancel that came too late */
} pg_phase;

struct pg_conn;

/* Work for a thread of its own: a name lookup, or a cancel. */
typedef struct pg_task {
    pondi_task base; /* first */
    void (*work)(struct pg_task *task);
    void (*done)(struct pg_conn *conn, struct pg_task *task);
    pg_cancel_request *cancel;
    int cancel_failed; /* the log says why only the first time */
    int cancel_told;
    char *host;
    pondi_buffer hosts; /* outcome: lists as libpq takes them */
    pondi_buffer addresses;
} pg_task;

/* What the server has sent so far of a login. */
typedef struct pg_login {
    size_t bytes;
    int notices;
} pg_login;

/* A statement as the server has it, described once. */
typedef struct pg_statement {
    char name[32];
    int described;
    int param_count;
    Oid *param_types;
    Oid *param_kinds; /* the built-in types whose values are encoded alike; 0: text */
    int column_count;
    Oid *column_types;
    pondi_buffer names; /* of the columns, each with a NUL, until all is known */
    int binary;         /* results are asked for in binary */
    int floats;         /* among the columns, or arrays of them */
    int styled;         /* dates, times, intervals */
    int unwrappable;
    char *wrapped;    /* the text that was prepared instead of the request's own, see wrap.c */
    size_t before;    /* characters of it before the request's own */
    Oid *inner_types; /* of the columns that are text for that reason; 0 for the others */
} pg_statement;

/* A type that is not built in. */
typedef struct pg_type {
    Oid oid;
    Oid element; /* of an array; else 0 */
    Oid like;    /* the built-in type that looks alike in binary: of the array's elements, or of the
                    type; 0 for none that the driver knows */
    char delimiter;
} pg_type;

typedef struct pg_types {
    pg_type *types;
    size_t count;
    size_t capacity;
} pg_types;

typedef struct pg_lookup {
    pondi_buffer sql;
    size_t count;
} pg_lookup;

/* What an error says of the statement that was prepared earlier. */
typedef enum pg_staleness {
    PG_SOUND,
    PG_SUSPECT, /* the types of its parameters may have changed; or the values were wrong */
    PG_STALE,   /* the schema has changed under it */
    PG_GONE     /* the server has it no more */
} pg_staleness;

/* Which names a statement's words mean depends on search_path and role: each has its own cached
 * statements. These are hashes; 0 for what the session began with. */
typedef struct pg_path {
    uint64_t before; /* the transaction that changed it */
    int changed;     /* in the open transaction */
    int local;       /* until its end */
    uint64_t marks;  /* for a path that nobody knows */
} pg_path;

/* The parts of a pipeline in their order: each but the last kind is answered by one result. */
typedef enum pg_part {
    PG_PART_FIRST, /* of the transaction that comes before the statement */
    PG_PART_LOOK,  /* in it: whether the replica is far enough */
    PG_PART_FIRST_END,
    PG_PART_BEGIN,
    PG_PART_STATEMENT,
    PG_PART_POSITION,
    PG_PART_END /* of a segment */
} pg_part;

enum { PG_PARTS = 12 };

typedef struct pg_together {
    unsigned char parts[PG_PARTS]; /* pg_part */
    int count;
    int at;
    int first_failed; /* so that the statement was skipped */
} pg_together;

/* Waiting for a replica, see wait.c. */
typedef struct pg_wait {
    const pondi_position *position; /* the asker's */
    int64_t until_ns;
    int64_t pause_ms;
    int reached;
    pondi_timer *timer;
} pg_wait;

typedef struct pg_many {
    size_t sent;
    size_t answered;
    uint64_t first_row;
    int synced; /* the end of the pipeline was sent */
    int failed; /* with `error` of the connection */
    int undo;   /* the server does not know yet that it failed */
    int asked;  /* where the commit is; 2: the answer is what comes next */
} pg_many;

typedef struct pg_conn {
    pondi_conn base; /* first */
    PGconn *pg;
    pondi_watcher *watcher;
    int fd;
    pg_phase phase;
    pg_login login;
    const char *const *commands; /* that follow the one under way; ended by NULL */
    int sent;                    /* some of it may have been */
    pg_staleness stale;          /* what the request's error says of its prepared statement */
    int retried;                 /* the statement was prepared anew once */
    int fresh;                   /* it was prepared for this very request */
    pg_statement *former;        /* as it was before it was prepared anew */
    pond_error *former_error;    /* which then is the request's, if nothing has changed */
    pg_path path;
    pg_types known;
    int begin_pending; /* BEGIN goes with the next statement */
    int began_with;    /* it went with the current one */
    int is_read_only;  /* as the server has it, which learns of base.read_only with a statement */
    int answered;      /* to its end: only a position is still to come */
    pg_together together;
    pg_wait wait;
    int unnamed;         /* setting: no prepared statements */
    uint32_t mark;       /* for names: this session's own */
    uint32_t statements; /* for names */
    pg_statement *preparing;
    pg_statement *described;  /* without a name: what the current request's parameters are */
    pg_statement *plain;      /* the same without the text around it that is being prepared */
    pondi_buffer closing;     /* names of evicted statements, each with a NUL */
    int closing_failed;       /* one of them was gone: prepare again without */
    int names_gone;           /* the server has none of the prepared statements any more */
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
    Oid *types;
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
/* The same for several, one after the other; the list lives as long as they run. */
void pondi_postgres_commands(pg_conn *conn, const char *const *commands, pg_phase phase);
/* Remember the first error of a request. */
void pondi_postgres_fail(pg_conn *conn, pond_error *error);

/* The socket is ready. */
void pondi_postgres_on_ready(pg_conn *conn, int events);

/* ---- connect.c ---- */
void pondi_postgres_connect(pg_conn *conn);
void pondi_postgres_connect_step(pg_conn *conn);
int pondi_postgres_watch(pg_conn *conn, int events, pond_error **err);

/* Connecting ends with what libpq says. */
void pondi_postgres_connect_failed(pg_conn *conn);

/* ---- login.c: what a server may do before it is known ---- */
enum { PG_REQUIRES_AUTH = 160000 }; /* versions of libpq from here on know require_auth */
/* True if the server must not get the password in clear text. */
int pondi_postgres_refuses_clear_text(const pond_config *config);
/* Before libpq reads: true, with the error, if the login ends here. */
int pondi_postgres_refuses_login(pg_conn *conn, pond_error **error);
void pondi_postgres_check_config(const pond_config *config, pondi_problems *problems);
/* Log, when a pool is opened, what its settings leave open to others. */
void pondi_postgres_note_trust(const pond_config *config, const char *hosts);

/* ---- session.c ---- */
/* What text of values depends on, as one command's beginning or end. */
#define PG_DATES "SET DateStyle TO ISO"
#define PG_INTERVALS "SET IntervalStyle TO postgres"
#define PG_FLOATS "SET extra_float_digits TO 3"
#define PG_SESSION PG_DATES "; " PG_INTERVALS "; " PG_FLOATS
/* Whether a proxy looks at the first command of a text alone. */
static inline int pondi_postgres_one_by_one(const pg_conn *conn)
{
    return pondi_config_flag(conn->base.config, "command_by_command", 0);
}
/* The last step of connecting. */
void pondi_postgres_set_up(pg_conn *conn);
void pondi_postgres_take_set_up(const pg_conn *conn, PGresult *res);

/* ---- task.c ---- */
pg_task *pondi_postgres_task_new(pg_conn *conn);
int pondi_postgres_task_run(pg_task *task, pond_error **err);

/* ---- prepare.c ---- */
/* Prepare the current request's statement, and then run it. */
void pondi_postgres_prepare(pg_conn *conn);
void pondi_postgres_take_prepared(pg_conn *conn, PGresult *res);
/* All types of the statement that is being prepared are known. */
void pondi_postgres_types_known(pg_conn *conn);
void pondi_postgres_statement_free(pg_conn *conn, pg_statement *statement);
/* Ask what the parameters of the current request's statement are, and then run it without a name.
 */
void pondi_postgres_describe(pg_conn *conn);
void pondi_postgres_forget_described(pg_conn *conn);
/* The server has dropped all prepared statements. */
void pondi_postgres_forget_names(pg_conn *conn);

/* ---- execute.c ---- */
void pondi_postgres_execute(pg_conn *conn);
/* Run the current request whole. */
void pondi_postgres_run_unnamed(pg_conn *conn);
/* Run the current request with its prepared statement. */
void pondi_postgres_run_prepared(pg_conn *conn);
void pondi_postgres_take_result(pg_conn *conn, PGresult *res);
void pondi_postgres_executed(pg_conn *conn);
/* All types of the result's columns are known. */
void pondi_postgres_columns_known(pg_conn *conn);

/* ---- wrap.c: statements inside others that make text of some columns ---- */
/* See which columns of a statement would suffer from coming in text. */
void pondi_postgres_note_styles(const pg_conn *conn, pg_statement *statement);
/* True if they do, and something can be done about it. */
int pondi_postgres_text_suffers(const pg_conn *conn, const pg_statement *statement);
/* Append the text around the current request's statement; 0 if there can be none, or memory is out.
 */
int pondi_postgres_wrap(const pg_conn *conn, const pg_statement *statement, pondi_buffer *out,
                        size_t *before);
/* The text inside; NULL for a NULL. */
int pondi_postgres_unwrap(const char *data, int size, pondi_arena *arena, const char **text,
                          int *length);

/* ---- stale.c: prepared statements that a change of the schema made useless ---- */
/* See what an error tells of the current prepared statement. */
void pondi_postgres_note_stale(pg_conn *conn, const PGresult *res);
/* True if the request runs again, with its statement prepared anew. */
int pondi_postgres_retry_stale(pg_conn *conn);
/* Before anything was sent: prepare the statement anew and run the request with that. The former
 * error is `error` (NULL for none), which it ends with if its parameters still have their types. */
void pondi_postgres_prepare_anew(pg_conn *conn, pond_error *error);
/* The statement was prepared: true if the request ends with its former error instead of running. */
int pondi_postgres_ends_as_before(pg_conn *conn);
void pondi_postgres_forget_former(pg_conn *conn);

/* ---- fit.c ---- */
/* True if a parameter of this type carries the value as it is: then it means the same if what it is
 * for has another type by now. `kind` is as in pg_statement. */
int pondi_postgres_fits(const pond_value *value, Oid kind);

/* ---- path.c ---- */
/* The current request ended well: see whether it changed what names mean. */
void pondi_postgres_note_path(pg_conn *conn);
/* The transaction ended. */
void pondi_postgres_end_path(pg_conn *conn, int rolled_back);

/* ---- lookup.c: types that are not built in ---- */
/* What is known of a type; an unknown one is text. */
void pondi_postgres_find_type(const pg_conn *conn, Oid oid, pg_type *out);
int pondi_postgres_knows_type(const pg_conn *conn, Oid oid);
/* The built-in type that a parameter of this type is encoded as; the type itself if there is none.
 */
Oid pondi_postgres_kind(const pg_conn *conn, Oid oid);
int pondi_postgres_has_binary(const pg_conn *conn, Oid oid);
/* Ask the server for types: init, add those that may be unknown, and send. Then comes
 * pondi_postgres_looked_up(). */
void pondi_postgres_lookup_init(pg_lookup *lookup);
void pondi_postgres_lookup_add(pg_lookup *lookup, const pg_conn *conn, Oid oid);
void pondi_postgres_lookup_send(pg_lookup *lookup, pg_conn *conn);
void pondi_postgres_take_lookup(pg_conn *conn, PGresult *res);
void pondi_postgres_looked_up(pg_conn *conn);
Oid pondi_postgres_read_oid(const PGresult *res, int row, int column);

/* ---- together.c: a statement and what belongs to it, in one pipeline ---- */
/* Send what `send_statement` sends with all that is due before and behind it. */
void pondi_postgres_together(pg_conn *conn, int (*send_statement)(pg_conn *conn));
void pondi_postgres_take_together(pg_conn *conn, PGresult *res);
/* Whether somebody wants to know where the commit of the current request is. */
int pondi_postgres_wants_position(const pg_conn *conn);
/* Ask for it in a segment of its own, in pipeline mode; and take the answer, PG_WRITTEN. */
int pondi_postgres_ask_position(pg_conn *conn);
void pondi_postgres_take_position(pg_conn *conn, const PGresult *res);

/* ---- wait.c: until a replica has applied a position ---- */
/* Carry out the current request. */
void pondi_postgres_wait_for(pg_conn *conn);
/* Wait for what is awaited first, and then execute the current request. */
void pondi_postgres_wait_first(pg_conn *conn);
void pondi_postgres_take_wait(pg_conn *conn, PGresult *res);
void pondi_postgres_waited(pg_conn *conn);
/* The request ends. */
void pondi_postgres_end_wait(pg_conn *conn);

/* ---- begin.c: transactions that begin with their first statement ---- */
/* Begin, commit or roll back, as the current request says. */
void pondi_postgres_transaction(pg_conn *conn);
/* Whether the server must be told that the session is read-only, or no longer; and the statement
 * that does. */
static inline int pondi_postgres_must_set(const pg_conn *conn)
{
    return conn->is_read_only != conn->base.read_only;
}
/* Not in a transaction. */
static inline int pondi_postgres_may_go_first(const pg_conn *conn)
{
    return PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
}
const char *pondi_postgres_setting(const pg_conn *conn);
/* Send that, and BEGIN if it is due, alone, after which the request is executed; `failed`: for a
 * transaction that failed with its first statement, and so is begun anew. */
void pondi_postgres_begin_first(pg_conn *conn, int failed);
void pondi_postgres_take_begin(pg_conn *conn, PGresult *res);
void pondi_postgres_begun(pg_conn *conn);
/* Roll back what came before the statement, and then end the request with its error, or wait for
 * the replica where there is none. */
void pondi_postgres_roll_back(pg_conn *conn);
void pondi_postgres_rolled_back(pg_conn *conn);

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

/* ---- servers.c ---- */
int pondi_postgres_find_servers(const pond_config *config, pondi_servers *out, pond_error **err);
/* Two of pondi_server_role, or PONDI_SERVER_ANY if the server does not say. */
int pondi_postgres_role(const pg_conn *conn);
/* The server refused a write: see whether it is a standby. */
void pondi_postgres_refused_write(pg_conn *conn);

/* ---- report.c ---- */
/* Fill the report of the current request. */
void pondi_postgres_report(pg_conn *conn);
void pondi_postgres_take_report(pg_conn *conn, const PGresult *res);
/* What a primary has written, as four columns of a result. */
#define PG_WAL_SIZES                                                             \
    "pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')), " \
    "pg_catalog.current_setting('wal_block_size')"
#define PG_WRITTEN                             \
    "pg_catalog.pg_current_wal_insert_lsn(), " \
    "pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), " PG_WAL_SIZES
pondi_position pondi_postgres_read_written(const PGresult *res, int column);
/* An LSN in the first row; 0 if there is none. */
uint64_t pondi_postgres_read_lsn(const PGresult *res, int column);

/* ---- reset.c ---- */
void pondi_postgres_reset(pg_conn *conn);

/* ---- encode.c ---- */
typedef enum pg_typing {
    PG_AS_PREPARED, /* as the prepared statement's parameters want it */
    PG_WHERE_FIT,   /* those that do not carry their values as they are: as text of any type */
    PG_UNTYPED      /* all as text of any type */
} pg_typing;
/* Fill values, lengths, formats and types. `statement` may be NULL for PG_UNTYPED alone. */
int pondi_postgres_encode(pg_conn *conn, const pond_value *params, size_t count,
                          const pg_statement *statement, pg_typing typing, pond_error **err);
/* True for bytes, and for arrays with bytes in them. */
int pondi_postgres_has_bytes(const pond_value *value);

/* ---- result.c ---- */
typedef struct pg_result pg_result;
pg_result *pondi_postgres_result_new(void);
/* Add the rows of one execution; takes `res` over. */
int pondi_postgres_result_add(pg_result *result, const pg_conn *conn, PGresult *res);
/* Add the types of the columns that the driver meets for the first time. */
void pondi_postgres_result_look_up(const pg_result *result, const pg_conn *conn, pg_lookup *lookup);
/* They are known now. */
void pondi_postgres_result_retype(pg_result *result, const pg_conn *conn);
void pondi_postgres_result_free(pg_result *result);
pond_result *pondi_postgres_result_base(pg_result *result);

/* ---- decode.c, decode_text.c: built-in types ---- */
typedef int (*pg_decoder)(const char *data, int size, pondi_arena *arena, pond_value *out);
/* NULL if the type has no binary form that we know. */
pg_decoder pondi_postgres_binary_decoder(Oid type);
/* Never NULL. */
pg_decoder pondi_postgres_text_decoder(Oid type);
/* The type of an array's elements; 0 if it is no built-in array. */
Oid pondi_postgres_element_type(Oid array);
/* What stands between the elements of this type in an array's text. */
char pondi_postgres_delimiter(Oid element);
/* True for an array of a type of the server's own. */
int pondi_postgres_is_array(Oid type);
/* What values of the server's type become; POND_TYPE_TEXT for those that we do not know. */
pond_type pondi_postgres_type(Oid type);
/* The type whose binary form a function of the server writes; 0 if it is not known. */
Oid pondi_postgres_type_of_sender(const char *sender);

/* ---- decode_text_time.c ---- */
int pondi_postgres_decode_text_date(const char *data, int size, pondi_arena *arena,
                                    pond_value *out);
int pondi_postgres_decode_text_time(const char *data, int size, pondi_arena *arena,
                                    pond_value *out);
int pondi_postgres_decode_text_timetz(const char *data, int size, pondi_arena *arena,
                                      pond_value *out);
int pondi_postgres_decode_text_timestamp(const char *data, int size, pondi_arena *arena,
                                         pond_value *out);
int pondi_postgres_decode_text_timestamptz(const char *data, int size, pondi_arena *arena,
                                           pond_value *out);

/* ---- decode_array.c, decode_text_array.c ---- */
/* An array of what `element` decodes. */
int pondi_postgres_decode_array(const char *data, int size, pg_decoder element, pondi_arena *arena,
                                pond_value *out);
int pondi_postgres_decode_text_array(const char *data, int size, pg_decoder element, char delimiter,
                                     pondi_arena *arena, pond_value *out);

/* ---- codec.c: any type ---- */
/* How a column's values are read. */
typedef struct pg_codec {
    pg_decoder decoder; /* of an array's elements, too */
    pond_type type;
    int is_array;
    int is_binary;
    int is_wrapped;
    char delimiter;
} pg_codec;
pg_codec pondi_postgres_codec(const pg_conn *conn, Oid type, int is_binary);
int pondi_postgres_decode(const pg_codec *codec, const char *data, int size, pondi_arena *arena,
                          pond_value *out);

/* ---- errors.c ---- */
pond_error *pondi_postgres_error(pg_conn *conn, const PGresult *res);
/* libpq has no code for that: its texts are the only trace. */
int pondi_postgres_ran_out_of_memory(const char *said);
/* The text that libpq keeps, for failures without a result; and an error with it. */
void pondi_postgres_said(const pg_conn *conn, char *out, size_t room);
pond_error *pondi_postgres_connection_error(pg_conn *conn, int code, const char *what);
void pondi_postgres_notice(void *data, const PGresult *res);

#endif
