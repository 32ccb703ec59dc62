/* What the files of the SQLite driver share.
 *
 * One request at a time is worked on, either by the connection's worker thread or, for blocking
 * calls, by the caller's own. Only `stop` and the writer lock are touched by others meanwhile.
 */
#ifndef PONDI_SQLITE_SQLITE_H
#define PONDI_SQLITE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/refcount.h"
#include "driver/driver.h"
#include "driver/row_set.h"
#include "loop/worker.h"

/* ---- writer_lock.c: SQLite has one writer; ours wait their turn, first come first served ---- */

typedef struct pondi_sqlite_turn {
    pondi_list link;
    pthread_cond_t ready;
    int granted;
} pondi_sqlite_turn;

/* The writers of one file, whichever pool of this process they are of. */
typedef struct pondi_sqlite_writers {
    pthread_mutex_t lock;
    pondi_list turns;
    int busy;
    pondi_list link; /* this and the following are writers_of_file.c's */
    char *file;
    size_t pools;
    uint32_t process;
} pondi_sqlite_writers;

/* What the connections of one pool share. */
typedef struct pondi_sqlite_shared {
    pondi_refcount refs; /* the pool's, and each connection's: workers close when they get to it */
    pondi_sqlite_writers *writers;
    char *path; /* as given to SQLite */
    int flags;  /* for sqlite3_open_v2 */
    int memory; /* one database in memory, which lives as long as `anchor` */
    sqlite3 *anchor;
} pondi_sqlite_shared;

typedef struct pondi_sqlite_conn {
    pondi_conn base; /* first */
    pondi_sqlite_shared *shared;
    sqlite3 *db;
    int64_t busy_ms; /* how long to wait for other writers; -1: no limit */
    int64_t busy_until_ns;

    pondi_worker *worker; /* started by the first asynchronous request */
    pondi_job job;
    pondi_message message;
    pond_loop *job_loop;
    pondi_request *job_request; /* with a reference while the worker has it */
    pond_result *result;
    pond_error *error;
    int abandoned; /* destroyed meanwhile: the message frees it; loop locked */

    const pondi_request *running;
    int64_t token;             /* of the request that runs, never 0: when it was submitted */
    atomic_int_least64_t stop; /* token of a request that is to end early: no later one has it */
    int undisturbed;           /* cleaning up, which must not be stopped */
    int hurried;               /* on the loop's own thread: give up rather than take long */
    int64_t deadline_ns;       /* of an inline request: nobody else watches it */
    int read_only;             /* as opened: a URI may ask for it too */
    int attach;                /* ATTACH is allowed */
    int open;                  /* a transaction; the common part hears of it with the loop locked */
    int64_t last_rowid;        /* of the last insert before the write that runs */
    int holds_writers;
    pondi_sqlite_turn turn;
} pondi_sqlite_conn;

/* A prepared statement and what its columns are declared as. */
typedef struct pondi_sqlite_statement {
    sqlite3_stmt *stmt;
    struct pondi_sqlite_statement *next; /* of a batch */
    int quick;      /* it only reads, and took next to no time when it last ran */
    int reprepared; /* SQLite's count when `kinds` was read */
    int column_count;
    uint8_t *kinds; /* a pond_type for each column, POND_TYPE_NULL for "as stored" */
    uint8_t *usual; /* what is mostly stored; in the memory of `kinds` */
} pondi_sqlite_statement;

/* What tells a request from the others of its connection: they begin one after another. */
static inline int64_t pondi_sqlite_token(const pondi_request *request)
{
    return request->submitted_ns;
}

void pondi_sqlite_writers_init(pondi_sqlite_writers *writers);
void pondi_sqlite_writers_destroy(pondi_sqlite_writers *writers);
/* Those of the file of this path, however it is written; NULL when memory is out. Given back with
 * pondi_sqlite_writers_part(), NULL included. */
pondi_sqlite_writers *pondi_sqlite_writers_join(const char *path);
void pondi_sqlite_writers_part(pondi_sqlite_writers *writers);
/* Wait for the turn to write; SQLITE_OK, SQLITE_INTERRUPT or SQLITE_BUSY. */
int pondi_sqlite_writers_enter(pondi_sqlite_conn *conn);
void pondi_sqlite_writers_leave(pondi_sqlite_conn *conn);
/* Let a waiting connection look at its `stop`. */
void pondi_sqlite_writers_wake(pondi_sqlite_conn *conn);

/* ---- fork.c ---- */
/* Keep the library usable in forked children. Once for all connections; before any is open. */
void pondi_sqlite_watch_forks(void);

/* ---- open.c ---- */
void pondi_sqlite_check_config(const pond_config *config, pondi_problems *problems);
int pondi_sqlite_shared_open(pond_config *config, void **shared, pond_error **err);
void pondi_sqlite_shared_close(void *shared);
int pondi_sqlite_connect(pondi_sqlite_conn *conn, pond_error **err);
/* True if the current request must end: it was stopped, or its time is over. */
int pondi_sqlite_must_stop(const pondi_sqlite_conn *conn);
int pondi_sqlite_was_stopped(const pondi_sqlite_conn *conn);
/* In a blocking call: stop the current request if its host wants that. No lock may be held. */
void pondi_sqlite_ask_host(pondi_sqlite_conn *conn);

/* ---- prepare.c ---- */
/* Prepare what the request executes, unless it is. Errors: POND_ESYNTAX for a second statement
 * after the first, unless it is a batch; POND_EPARAMS; SQLite's own. */
int pondi_sqlite_prepare(pondi_sqlite_conn *conn, const pondi_request *request, pond_error **err);
/* Read what the columns are declared as; an SQLite code. */
int pondi_sqlite_read_kinds(pondi_sqlite_statement *statement);
/* True if SQLite prepared it anew since, for a changed schema. */
int pondi_sqlite_is_stale(const pondi_sqlite_statement *statement);
void pondi_sqlite_statement_free(pondi_sqlite_statement *statement);

/* ---- execute.c ---- */
#define PONDI_SQLITE_READ_ONLY "PRAGMA query_only = ON"
/* Do a request in this thread. */
void pondi_sqlite_perform(pondi_sqlite_conn *conn, pondi_request *request, pond_result **result,
                          pond_error **error);
void pondi_sqlite_rewind(pondi_sqlite_statement *statement);
pondi_row_set *pondi_sqlite_new_rows(const pondi_sqlite_statement *statement);
/* Bind, step to the end, and leave the statement ready for the next time. */
int pondi_sqlite_execute_one(pondi_sqlite_conn *conn, pondi_request *request,
                             pondi_sqlite_statement *statement, const pond_value *params,
                             size_t count, pondi_row_set **set, pond_error **err);
/* Begin a transaction that may write; an SQLite code. */
int pondi_sqlite_begin(pondi_sqlite_conn *conn);
/* Ours alone, whatever was asked to stop: cleaning up must not fail for that. */
void pondi_sqlite_run_undisturbed(pondi_sqlite_conn *conn, const char *sql);
/* Do it here on the loop's thread, if it is known to be quick; 0 if the worker must do it. */
int pondi_sqlite_perform_quickly(pondi_sqlite_conn *conn, pondi_request *request,
                                 pond_result **result, pond_error **error);

/* ---- rowid.c ---- */
/* Before and after each write: the rowid of the last row that it inserted, 0 for none. */
void pondi_sqlite_rowid_begin(pondi_sqlite_conn *conn);
int64_t pondi_sqlite_rowid_end(pondi_sqlite_conn *conn);
/* Make the SQL function that goes with it; an SQLite code. */
int pondi_sqlite_add_rowid(pondi_sqlite_conn *conn);

/* ---- batch.c ---- */
/* Statements of one request in a transaction of their own; they are prepared. */
int pondi_sqlite_execute_batch(pondi_sqlite_conn *conn, pondi_request *request,
                               pond_result **result, pond_error **err);

/* ---- numbers.c ---- */
/* What SQLite reads where the decimal's digits stand in a statement, if that is the same number:
 * SQLITE_INTEGER or SQLITE_FLOAT, else SQLITE_TEXT. */
int pondi_sqlite_decimal_number(const char *text, size_t size, int64_t *integer, double *real);
/* An interval without months in microseconds; 0 if they are too many. And back. */
int pondi_sqlite_interval_us(const pond_value *value, int64_t *us);
void pondi_sqlite_interval_of(int64_t us, pond_value *out);

/* ---- values.c ---- */
/* With `copy`, the value may go before the statement has ended. */
int pondi_sqlite_bind(sqlite3_stmt *stmt, int index, const pond_value *value, int copy,
                      pond_error **err);
int pondi_sqlite_read_row(pondi_sqlite_statement *statement, pondi_row_set *set);
uint8_t pondi_sqlite_declared_type(const char *declared);
/* What SQLite prefers to store in a column that is declared so; POND_TYPE_NULL for anything. */
uint8_t pondi_sqlite_affinity(const char *declared);

/* ---- errors.c ---- */
/* The error that the database reports now, for the request if there is one. */
pond_error *pondi_sqlite_error(pondi_sqlite_conn *conn, const pondi_request *request, int code);

/* ---- collate.c ---- */
/* Make the collation "decimal" known to a connection; an SQLite code. */
int pondi_sqlite_add_collation(sqlite3 *db);
/* Read the exponent of a number, behind its "e": 1, or 0 if that is no number or a huge one. */
int pondi_sqlite_read_exponent(const char *at, const char *end, long *out);

#endif
