/* The schema cache of a pool: what hangs on it for this layer. */
#include "base/error.h"
#include "base/given.h"
#include "entity/schema.h"
#include "millpond/millpond.h"
#include "pool/pool.h"

static void drop(void *attachment)
{
    pond_schema_release(attachment);
}

int pond_pool_schema(pond_pool *pool, pond_schema **out, pond_error **err)
{
    pond_schema *made = NULL;
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, pool, out))
        return POND_EINVAL;
    int code = pondi_pool_check_process(pool, err);
    if (!code)
        code = pond_schema_new(pool->driver->dialect, 0, &made, err);
    if (code)
        return code;
    if (pool->settings.max_new_fields)
        made->max_new_fields = pool->settings.max_new_fields;
    if (pool->settings.max_fields)
        made->max_fields = pool->settings.max_fields;
    pthread_mutex_lock(&pool->lock);
    if (!pool->attachment) {
        pool->attachment = made;
        pool->attachment_free = drop;
        made = NULL;
    }
    *out = pond_schema_retain(pool->attachment);
    pthread_mutex_unlock(&pool->lock);
    pond_schema_release(made);
    return POND_OK;
}
