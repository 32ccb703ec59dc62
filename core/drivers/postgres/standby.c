/* A standby that refuses writes: once one was met, and if there are several hosts, new connections
 * are made to one that accepts them. */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "drivers/postgres/postgres.h"

typedef struct pg_shared {
    atomic_int wants_writer;
} pg_shared;

int pondi_postgres_shared_open(pond_config *config, void **shared, pond_error **err)
{
    pg_shared *made = pondi_calloc(1, sizeof(*made));
    if (!made)
        return pondi_error_nomem(err);
    atomic_init(&made->wants_writer, 0);
    pondi_postgres_note_trust(config);
    *shared = made;
    return POND_OK;
}

/* The server reports both, from version 14 on. */
static int is_on(const pg_conn *conn, const char *name, int unknown)
{
    const char *value = PQparameterStatus(conn->pg, name);
    return value ? strcmp(value, "on") == 0 : unknown;
}

void pondi_postgres_note_standby(pg_conn *conn)
{
    pg_shared *shared = conn->base.shared;
    int by_itself = !conn->base.touched && is_on(conn, "default_transaction_read_only", 0);
    if (!is_on(conn, "in_hot_standby", 1) && !by_itself)
        return; /* a read-only transaction of the caller's own */
    conn->base.standby = 1;
    atomic_store(&shared->wants_writer, 1);
}

const char *pondi_postgres_wanted_role(const pg_conn *conn)
{
    pg_shared *shared = conn->base.shared;
    const char *role = pondi_config_get(conn->base.config, "target_session_attrs");
    const char *hosts = pondi_config_get(conn->base.config, "host");
    if (role || !hosts || !strchr(hosts, ',') || !atomic_load(&shared->wants_writer))
        return role;
    return "read-write";
}
