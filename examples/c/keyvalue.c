#include "keyvalue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The store --------------------------------------------------------------------------- */

enum { MOST = 100 };

typedef struct pair {
    char key[64];
    char text[192];
} pair;

typedef struct store {
    pair pairs[MOST];
    size_t count;
} store;

/* One for all connections, with what a transaction would go back to. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    store now;
    store before;
    const void *owner; /* the connection with a transaction; or NULL */
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

typedef struct session {
    int stop; /* with the lock: the running request is to end */
} session;

static pair *find(const char *key)
{
    for (size_t i = 0; i < shared.now.count; i++) {
        if (strcmp(shared.now.pairs[i].key, key) == 0)
            return &shared.now.pairs[i];
    }
    return NULL;
}

/* ---- Statements -------------------------------------------------------------------------- */

static void fail(pond_request *request, int code, const char *message)
{
    pond_request_finish(request, NULL, pond_error_make(code, NULL, message));
}

static int copy_text(const pond_value *value, char *out, size_t room)
{
    if (value->type != POND_TYPE_TEXT || value->as.text.size >= room)
        return 0;
    memcpy(out, value->as.text.data, value->as.text.size);
    out[value->as.text.size] = '\0';
    return 1;
}

static void put(pond_request *request, const pond_value *params)
{
    pair made;
    pond_result *result = NULL;
    if (!copy_text(&params[0], made.key, sizeof(made.key)) ||
        !copy_text(&params[1], made.text, sizeof(made.text))) {
        fail(request, POND_EDATA, "a key is a text of at most 63 bytes, a value one of 191");
        return;
    }
    pair *place = find(made.key);
    if (!place && shared.now.count == MOST) {
        fail(request, POND_ERESOURCES, "the store is full");
        return;
    }
    *(place ? place : &shared.now.pairs[shared.now.count++]) = made;
    pond_error *error = NULL;
    if (!pond_result_make(0, NULL, &result, &error))
        pond_result_set_counts(result, 1, 0);
    pond_request_finish(request, result, error);
}

/* Rows of one column: one pair's text, or all keys. */
static void list(pond_request *request, const char *column, const pair *only)
{
    pond_result *result = NULL;
    pond_error *error = NULL;
    int code = pond_result_make(1, &column, &result, &error);
    for (size_t i = 0; i < shared.now.count && !code; i++) {
        const pair *at = &shared.now.pairs[i];
        pond_value cell = pond_value_text(only ? at->text : at->key);
        if (!only || only == at)
            code = pond_result_add_row(result, &cell, &error);
    }
    if (code) {
        pond_result_release(result);
        result = NULL;
    }
    pond_request_finish(request, result, error);
}

static void get(pond_request *request, const pond_value *params)
{
    static const pair nothing;
    char key[64];
    const pair *found = copy_text(&params[0], key, sizeof(key)) ? find(key) : NULL;
    list(request, "text", found ? found : &nothing);
}

/* True with the lock, once no other connection has a transaction; else the request is finished. */
static int enter(const session *own, pond_request *request)
{
    pthread_mutex_lock(&shared.lock);
    while (shared.owner && shared.owner != own && !own->stop)
        pthread_cond_wait(&shared.changed, &shared.lock);
    if (!own->stop)
        return 1;
    pthread_mutex_unlock(&shared.lock);
    fail(request, POND_ECANCELLED, "stopped while another connection had a transaction");
    return 0;
}

static void begin_request(session *own)
{
    pthread_mutex_lock(&shared.lock);
    own->stop = 0;
    pthread_mutex_unlock(&shared.lock);
}

static void execute(void *connection, pond_request *request)
{
    session *own = connection;
    const char *sql = pond_request_sql(request, NULL);
    const pond_value *params = pond_request_params(request, NULL, NULL);
    begin_request(own);
    if (!enter(own, request))
        return;
    if (strncmp(sql, "PUT ?, ?", 8) == 0)
        put(request, params);
    else if (strncmp(sql, "GET ?", 5) == 0)
        get(request, params);
    else if (strncmp(sql, "KEYS", 4) == 0)
        list(request, "key", NULL);
    else
        fail(request, POND_ESYNTAX, "write PUT ?, ? or GET ? or KEYS");
    pthread_mutex_unlock(&shared.lock);
}

static void transaction(void *connection, pond_request *request)
{
    session *own = connection;
    begin_request(own);
    if (!enter(own, request))
        return;
    switch (pond_request_transaction(request)) {
    case POND_BEGIN:
        shared.before = shared.now;
        shared.owner = own;
        break;
    case POND_ROLLBACK:
        shared.now = shared.before;
        shared.owner = NULL;
        break;
    default:
        shared.owner = NULL;
    }
    pthread_cond_broadcast(&shared.changed);
    pthread_mutex_unlock(&shared.lock);
    pond_request_finish(request, NULL, NULL);
}

/* ---- Connections ------------------------------------------------------------------------- */

static void open_session(pond_request *request)
{
    session *made = calloc(1, sizeof(*made));
    if (!made) {
        fail(request, POND_ENOMEM, "out of memory");
        return;
    }
    pond_request_opened(request, made, "keyvalue 1", "keyvalue 1");
    pond_request_finish(request, NULL, NULL);
}

/* From any thread, and again until the request has ended: what comes too early does no harm. */
static void interrupt(void *connection, pond_request *request)
{
    (void)request;
    if (!connection)
        return;
    pthread_mutex_lock(&shared.lock);
    ((session *)connection)->stop = 1;
    pthread_cond_broadcast(&shared.changed);
    pthread_mutex_unlock(&shared.lock);
}

static void close_session(void *connection)
{
    pthread_mutex_lock(&shared.lock);
    if (shared.owner == connection) {
        shared.now = shared.before;
        shared.owner = NULL;
        pthread_cond_broadcast(&shared.changed);
    }
    pthread_mutex_unlock(&shared.lock);
    free(connection);
}

int keyvalue_register(pond_error **err)
{
    const pond_driver driver = {
        .struct_size = sizeof(driver),
        .name = "keyvalue",
        .dialect = POND_DIALECT_SQLITE,
        .open = open_session,
        .execute = execute,
        .transaction = transaction,
        .interrupt = interrupt,
        .close = close_session,
    };
    return pond_driver_register(&driver, err);
}
