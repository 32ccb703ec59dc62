#include "topology/session.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/given.h"
#include "base/hash.h"
#include "base/process.h"

/* ---- Create and destroy ------------------------------------------------------------------- */

static int make(pond_session **out, pond_error **err)
{
    pond_session *session = pondi_calloc(1, sizeof(*session));
    if (!session)
        return pondi_error_nomem(err);
    pondi_refcount_init(&session->refs);
    pthread_mutex_init(&session->lock, NULL);
    session->process = pondi_process_generation();
    *out = session;
    return POND_OK;
}

pond_session *pond_session_retain(pond_session *session)
{
    if (session)
        pondi_refcount_take(&session->refs);
    return session;
}

void pond_session_release(pond_session *session)
{
    if (!session || !pondi_refcount_drop(&session->refs))
        return;
    while (session->seen) {
        pondi_seen *seen = session->seen;
        session->seen = seen->next;
        pondi_position_free(&seen->position);
        pondi_free(seen);
    }
    pthread_mutex_destroy(&session->lock);
    pondi_free(session);
}

/* In a forked child nobody holds the lock, whatever its copy says. */
void pondi_session_lock(pond_session *session)
{
    uint32_t process = pondi_process_generation();
    if (session->process != process) {
        pthread_mutex_init(&session->lock, NULL);
        session->process = process;
    }
    pthread_mutex_lock(&session->lock);
}

void pondi_session_unlock(pond_session *session)
{
    pthread_mutex_unlock(&session->lock);
}

/* ---- What was seen of one cluster ---------------------------------------------------------- */

/* Something is pending at `node` since `at_ns`. Two nodes have only the primary above them. */
static void set_pending(pondi_seen *seen, const char *node, int64_t at_ns)
{
    size_t size = node ? strlen(node) : 0;
    if (size >= sizeof(seen->node) || (seen->pending && strcmp(seen->node, node ? node : "") != 0))
        size = 0;
    if (!seen->pending || at_ns > seen->pending_ns)
        seen->pending_ns = at_ns;
    if (!size)
        seen->node[0] = '\0';
    else if (!seen->pending)
        memcpy(seen->node, node, size + 1);
    seen->pending = 1;
}

/* Let `seen` be at `position` at least. If that cannot be remembered, it is pending at the primary
 * since `at_ns`. A position of another kind takes the place of the old one: the database is not
 * what it was. */
static void reach(pondi_seen *seen, const pondi_position *position, int64_t at_ns)
{
    int code = pondi_position_merge(&seen->position, position, NULL);
    if (!code)
        return;
    if (code == POND_EINVAL) {
        pondi_position_free(&seen->position);
        if (pondi_position_copy(position, &seen->position, NULL))
            seen->position = (pondi_position){0};
    }
    set_pending(seen, NULL, at_ns);
}

/* ---- The list ------------------------------------------------------------------------------ */

typedef struct cluster_key {
    char text[PONDI_SESSION_CLUSTER];
} cluster_key;

/* `cluster` itself, or what stands for a long one, in `room`. */
static const char *key_of(const char *cluster, cluster_key *room)
{
    size_t size = strlen(cluster);
    if (size < sizeof(room->text))
        return cluster;
    pondi_md5_hex(cluster, size, room->text);
    return room->text;
}

static pondi_seen *find(const pond_session *session, const char *key)
{
    pondi_seen *seen = session->seen;
    while (seen && strcmp(seen->cluster, key) != 0)
        seen = seen->next;
    return seen;
}

/* That of a cluster, old or new; NULL without memory, or where there are too many. Locked. */
static pondi_seen *find_or_add(pond_session *session, const char *cluster)
{
    cluster_key room;
    const char *key = key_of(cluster, &room);
    pondi_seen *seen = find(session, key);
    if (seen || session->count == PONDI_SESSION_MOST)
        return seen;
    seen = pondi_calloc(1, sizeof(*seen));
    if (!seen)
        return NULL;
    session->count++;
    memcpy(seen->cluster, key, strlen(key) + 1);
    if (session->others)
        set_pending(seen, NULL, session->others_ns);
    seen->next = session->seen;
    session->seen = seen;
    return seen;
}

/* Clusters that cannot be added to the list were used up to `at_ns`. Locked. */
static void note_others(pond_session *session, int64_t at_ns)
{
    if (!session->others || at_ns > session->others_ns)
        session->others_ns = at_ns;
    session->others = 1;
}

/* ---- Notes --------------------------------------------------------------------------------- */

void pondi_session_note_position(pond_session *session, const char *cluster,
                                 const pondi_position *position, int whole, int64_t asked_ns,
                                 int64_t answered_ns)
{
    pondi_session_lock(session);
    pondi_seen *seen = find_or_add(session, cluster);
    if (!seen) {
        note_others(session, answered_ns);
    } else {
        int known = position->kind != PONDI_POSITION_NONE;
        if (known && whole && seen->pending && seen->pending_ns <= asked_ns)
            seen->pending = 0;
        reach(seen, position, answered_ns);
        if (!known || !whole)
            set_pending(seen, NULL, answered_ns);
    }
    pondi_session_unlock(session);
}

void pondi_session_note_use(pond_session *session, const char *cluster, const char *node,
                            int64_t answered_ns)
{
    pondi_session_lock(session);
    pondi_seen *seen = find_or_add(session, cluster);
    if (seen)
        set_pending(seen, node, answered_ns);
    else
        note_others(session, answered_ns);
    pondi_session_unlock(session);
}

/* Whether a report of `node`, asked for at `asked_ns`, is an upper bound of what is pending. */
static int is_bound(const pondi_seen *seen, const char *node, int64_t asked_ns,
                    const pondi_position *position)
{
    return seen->pending && seen->pending_ns <= asked_ns && position->kind != PONDI_POSITION_NONE &&
           (!node || !node[0] || strcmp(seen->node, node) == 0);
}

int pondi_session_resolve(pond_session *session, const char *cluster, const char *node,
                          int64_t asked_ns, const pondi_position *position)
{
    cluster_key room;
    const char *key = key_of(cluster, &room);
    pondi_session_lock(session);
    pondi_seen *seen = session->others ? find_or_add(session, cluster) : find(session, key);
    int resolved = seen && is_bound(seen, node, asked_ns, position);
    if (resolved) {
        seen->pending = 0;
        reach(seen, position, asked_ns);
        resolved = !seen->pending;
    }
    pondi_session_unlock(session);
    return resolved;
}

void pondi_session_add(pond_session *session, pondi_seen *from)
{
    pondi_seen *seen = find_or_add(session, from->cluster);
    if (!seen) {
        note_others(session, from->pending_ns);
        return;
    }
    if (seen->position.kind == PONDI_POSITION_NONE)
        pondi_position_move(&seen->position, &from->position);
    else
        reach(seen, &from->position, from->pending_ns);
    if (from->pending)
        set_pending(seen, from->node, from->pending_ns);
}

void pondi_session_add_others(pond_session *session, int64_t at_ns)
{
    for (pondi_seen *seen = session->seen; seen; seen = seen->next)
        set_pending(seen, NULL, at_ns);
    note_others(session, at_ns);
}

/* ---- Needs --------------------------------------------------------------------------------- */

static int read_needs(const pond_session *session, const char *key, pondi_session_wish *out,
                      pond_error **err)
{
    for (const pondi_seen *seen = session->seen; seen; seen = seen->next)
        out->others += strcmp(seen->cluster, key) != 0;
    const pondi_seen *seen = find(session, key);
    if (!seen) {
        out->known = out->pending = session->others;
        out->pending_ns = session->others_ns;
        return POND_OK;
    }
    out->known = 1;
    out->pending = seen->pending;
    out->pending_ns = seen->pending_ns;
    if (seen->pending)
        memcpy(out->node, seen->node, sizeof(out->node));
    return pondi_position_copy(&seen->position, &out->position, err);
}

int pondi_session_needs(pond_session *session, const char *cluster, pondi_session_wish *out,
                        pond_error **err)
{
    cluster_key room;
    const char *key = key_of(cluster, &room);
    *out = (pondi_session_wish){0};
    pondi_session_lock(session);
    int code = read_needs(session, key, out, err);
    pondi_session_unlock(session);
    return code;
}

/* ---- Public -------------------------------------------------------------------------------- */

int pond_session_new(const char *token, pond_session **out, pond_error **err)
{
    pond_session *session = NULL;
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    *out = NULL;
    int code = make(&session, err);
    if (!code && token && token[0])
        code = pondi_session_merge(session, token, strlen(token), pondi_now_ns(), err);
    if (code)
        pond_session_release(session);
    else
        *out = session;
    return code;
}

int pond_session_merge(pond_session *session, const char *token, pond_error **err)
{
    if (PONDI_GIVEN(err, session, token))
        return POND_EINVAL;
    if (!token[0])
        return POND_OK;
    return pondi_session_merge(session, token, strlen(token), pondi_now_ns(), err);
}
