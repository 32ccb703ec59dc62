/* Where the servers are, as the config, libpq's environment and its service files say; and which
 * role one of them is in. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "drivers/postgres/postgres.h"

/* ---- Where ------------------------------------------------------------------------------- */

static const char *default_of(const PQconninfoOption *defaults, const char *key)
{
    for (; defaults->keyword; defaults++) {
        if (strcmp(defaults->keyword, key) == 0)
            return defaults->val;
    }
    return NULL;
}

static const char *setting(const pond_config *config, const PQconninfoOption *defaults,
                           const char *key)
{
    const char *value = pondi_config_get(config, key);
    return value ? value : default_of(defaults, key);
}

static int copy(const char *value, char **out, pond_error **err)
{
    *out = value && *value ? pondi_strdup(value) : NULL;
    return value && *value && !*out ? pondi_error_nomem(err) : POND_OK;
}

/* A host that is set is where the connection goes: an address from elsewhere does not replace it.
 */
static const char *addresses_of(const pond_config *config, const PQconninfoOption *defaults)
{
    if (pondi_config_get(config, "host"))
        return pondi_config_get(config, "hostaddr");
    return setting(config, defaults, "hostaddr");
}

/* libpq's own default asks for nothing. */
static const char *role_of(const pond_config *config, const PQconninfoOption *defaults)
{
    const char *given = pondi_config_get(config, "target_session_attrs");
    const char *other = default_of(defaults, "target_session_attrs");
    return given || !other || strcmp(other, "any") == 0 ? given : other;
}

int pondi_postgres_find_servers(const pond_config *config, pondi_servers *out, pond_error **err)
{
    PQconninfoOption *defaults = PQconndefaults();
    if (!defaults)
        return pondi_error_nomem(err);
    const char *order = setting(config, defaults, "load_balance_hosts");
    out->shuffled = order && strcmp(order, "random") == 0;
    int code = copy(setting(config, defaults, "host"), &out->hosts, err);
    if (!code)
        code = copy(addresses_of(config, defaults), &out->addresses, err);
    if (!code)
        code = copy(setting(config, defaults, "port"), &out->ports, err);
    if (!code)
        code = copy(role_of(config, defaults), &out->role, err);
    PQconninfoFree(defaults);
    if (!code)
        pondi_postgres_note_trust(config, out->addresses ? out->addresses : out->hosts);
    return code;
}

/* ---- Role -------------------------------------------------------------------------------- */

static int is_on(const pg_conn *conn, const char *name)
{
    const char *value = PQparameterStatus(conn->pg, name);
    return value && strcmp(value, "on") == 0;
}

/* From version 14 on the server reports it, and its changes. */
int pondi_postgres_role(const pg_conn *conn)
{
    if (!PQparameterStatus(conn->pg, "in_hot_standby"))
        return PONDI_SERVER_ANY;
    if (is_on(conn, "in_hot_standby"))
        return PONDI_SERVER_STANDBY | PONDI_SERVER_READ_ONLY;
    return PONDI_SERVER_PRIMARY |
           (is_on(conn, "default_transaction_read_only") ? PONDI_SERVER_READ_ONLY
                                                         : PONDI_SERVER_READ_WRITE);
}

void pondi_postgres_refused_write(pg_conn *conn)
{
    int role = pondi_postgres_role(conn);
    int by_itself = !conn->base.touched && (role & PONDI_SERVER_READ_ONLY);
    if (!role || role & PONDI_SERVER_STANDBY || by_itself)
        pondi_conn_refused_write(&conn->base); /* else a transaction of the caller's own refuses */
}
