#include "resilience/breaker.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/process.h"
#include "base/versioned.h"

enum { STATE_BITS = 2, STATE_MASK = 3 };

static int64_t monotonic_ns(void)
{
    return pondi_now_ns();
}

/* ---- Create and destroy ------------------------------------------------------------------ */

int pondi_breaker_new(const char *name, const pondi_breaker_settings *settings,
                      int64_t (*now_ns)(void), pond_breaker **out, pond_error **err)
{
    size_t ring_size = settings->failure_threshold * sizeof(int64_t);
    pond_breaker *breaker = pondi_calloc(1, sizeof(*breaker) + ring_size);
    *out = NULL;
    if (!breaker)
        return pondi_error_nomem(err);
    breaker->name = pondi_strdup(name);
    if (!breaker->name) {
        pondi_free(breaker);
        return pondi_error_nomem(err);
    }
    pondi_refcount_init(&breaker->refs);
    pondi_list_init(&breaker->link);
    pthread_mutex_init(&breaker->lock, NULL);
    breaker->process = pondi_process_generation();
    breaker->settings = *settings;
    breaker->now_ns = now_ns ? now_ns : monotonic_ns;
    atomic_init(&breaker->word, 1u << STATE_BITS | POND_BREAKER_CLOSED);
    *out = breaker;
    return POND_OK;
}

pond_breaker *pond_breaker_retain(pond_breaker *breaker)
{
    if (breaker)
        pondi_refcount_take(&breaker->refs);
    return breaker;
}

void pond_breaker_release(pond_breaker *breaker)
{
    if (!breaker || !pondi_refcount_drop(&breaker->refs))
        return;
    pthread_mutex_destroy(&breaker->lock);
    pondi_free(breaker->name);
    pondi_free(breaker);
}

/* ---- Change of state --------------------------------------------------------------------- */

/* In a forked child nobody holds the lock, whatever its copy says. */
static void lock(pond_breaker *breaker)
{
    uint32_t process = pondi_process_generation();
    if (breaker->process != process) {
        pthread_mutex_init(&breaker->lock, NULL);
        breaker->process = process;
    }
    pthread_mutex_lock(&breaker->lock);
}

static void unlock(pond_breaker *breaker)
{
    pthread_mutex_unlock(&breaker->lock);
}

static uint64_t word_of(const pond_breaker *breaker)
{
    return atomic_load_explicit(&breaker->word, memory_order_acquire);
}

static pond_breaker_state state_in(uint64_t word)
{
    return (pond_breaker_state)(word & STATE_MASK);
}

/* The one place where the state changes; locked. */
static void set_state(pond_breaker *breaker, pond_breaker_state state, int64_t now_ns)
{
    uint64_t period = (word_of(breaker) >> STATE_BITS) + 1;
    atomic_store_explicit(&breaker->failures, 0, memory_order_relaxed);
    breaker->next = 0;
    breaker->probes = 0;
    breaker->passed = 0;
    breaker->changed_ns = now_ns;
    if (state == POND_BREAKER_OPEN)
        atomic_fetch_add_explicit(&breaker->total_opened, 1, memory_order_relaxed);
    atomic_store_explicit(&breaker->word, period << STATE_BITS | (uint64_t)state,
                          memory_order_release);
}

/* The state now: time alone makes an open breaker half-open. Locked. */
static pond_breaker_state refresh(pond_breaker *breaker, int64_t now_ns)
{
    pond_breaker_state state = state_in(word_of(breaker));
    if (state != POND_BREAKER_OPEN || now_ns - breaker->changed_ns < breaker->settings.recovery_ns)
        return state;
    set_state(breaker, POND_BREAKER_HALF_OPEN, now_ns);
    return POND_BREAKER_HALF_OPEN;
}

/* ---- Ask --------------------------------------------------------------------------------- */

/* A probe whose outcome nobody tells would keep its place for ever: after the recovery time
 * without any news the places of all are free again. Locked. */
static void give_up_lost_probes(pond_breaker *breaker, int64_t now_ns)
{
    if (breaker->probes && now_ns - breaker->probed_ns >= breaker->settings.recovery_ns)
        breaker->probes = 0;
}

static int let_probe_through(pond_breaker *breaker, int64_t now_ns)
{
    give_up_lost_probes(breaker, now_ns);
    if (breaker->probes + breaker->passed >= breaker->settings.half_open_max_calls)
        return 0;
    breaker->probes++;
    breaker->probed_ns = now_ns;
    return 1;
}

int pondi_breaker_allow(pond_breaker *breaker, uint64_t *ticket)
{
    *ticket = word_of(breaker);
    if (state_in(*ticket) == POND_BREAKER_CLOSED)
        return 1;
    lock(breaker);
    int64_t now_ns = breaker->now_ns();
    pond_breaker_state state = refresh(breaker, now_ns);
    int allowed = state == POND_BREAKER_CLOSED ||
                  (state == POND_BREAKER_HALF_OPEN && let_probe_through(breaker, now_ns));
    *ticket = word_of(breaker);
    unlock(breaker);
    if (!allowed)
        atomic_fetch_add_explicit(&breaker->total_refused, 1, memory_order_relaxed);
    return allowed;
}

static int64_t retry_after_ns(pond_breaker *breaker)
{
    int64_t now_ns = breaker->now_ns();
    if (refresh(breaker, now_ns) != POND_BREAKER_OPEN)
        return 0;
    return breaker->changed_ns + breaker->settings.recovery_ns - now_ns;
}

pond_error *pondi_breaker_error(pond_breaker *breaker)
{
    lock(breaker);
    int64_t left_ns = retry_after_ns(breaker);
    unlock(breaker);
    if (left_ns > 0)
        return pondi_error_new(POND_ECIRCUITOPEN,
                               "the circuit breaker \"%s\" is open after repeated failures: the "
                               "call was not made; the breaker allows calls again in %.3g s",
                               breaker->name, (double)left_ns / 1e9);
    return pondi_error_new(POND_ECIRCUITOPEN,
                           "the circuit breaker \"%s\" is half-open and its test calls are still "
                           "running: the call was not made; try again when they are done",
                           breaker->name);
}

/* ---- Tell -------------------------------------------------------------------------------- */

static void fail_closed(pond_breaker *breaker, int64_t now_ns)
{
    const pondi_breaker_settings *settings = &breaker->settings;
    uint32_t count = atomic_load_explicit(&breaker->failures, memory_order_relaxed);
    breaker->ring[breaker->next] = now_ns;
    breaker->next = (breaker->next + 1) % settings->failure_threshold;
    if (count < settings->failure_threshold)
        atomic_store_explicit(&breaker->failures, ++count, memory_order_relaxed);
    /* `next` is now the oldest of as many as open it */
    if (count == settings->failure_threshold &&
        now_ns - breaker->ring[breaker->next] <= settings->window_ns)
        set_state(breaker, POND_BREAKER_OPEN, now_ns);
}

static void record_probe(pond_breaker *breaker, pond_breaker_outcome outcome, int64_t now_ns)
{
    if (breaker->probes)
        breaker->probes--;
    if (outcome == POND_BREAKER_FAILURE)
        set_state(breaker, POND_BREAKER_OPEN, now_ns);
    else if (outcome == POND_BREAKER_SUCCESS &&
             ++breaker->passed >= breaker->settings.half_open_max_calls)
        set_state(breaker, POND_BREAKER_CLOSED, now_ns);
}

static void record_locked(pond_breaker *breaker, uint64_t ticket, pond_breaker_outcome outcome)
{
    int64_t now_ns = breaker->now_ns();
    pond_breaker_state state = refresh(breaker, now_ns);
    if (ticket && ticket != word_of(breaker))
        return;
    if (state == POND_BREAKER_HALF_OPEN) {
        record_probe(breaker, outcome, now_ns);
    } else if (state == POND_BREAKER_CLOSED && outcome == POND_BREAKER_FAILURE) {
        fail_closed(breaker, now_ns);
    } else if (state == POND_BREAKER_CLOSED && outcome == POND_BREAKER_SUCCESS) {
        breaker->next = 0;
        atomic_store_explicit(&breaker->failures, 0, memory_order_relaxed);
    }
}

/* True if there is nothing to change: a closed breaker hears of a success, or of nothing. */
static int is_no_news(const pond_breaker *breaker, pond_breaker_outcome outcome)
{
    if (outcome == POND_BREAKER_FAILURE || state_in(word_of(breaker)) != POND_BREAKER_CLOSED)
        return 0;
    return outcome == POND_BREAKER_CANCELLED || !breaker->settings.in_a_row ||
           atomic_load_explicit(&breaker->failures, memory_order_relaxed) == 0;
}

void pondi_breaker_record(pond_breaker *breaker, uint64_t ticket, pond_breaker_outcome outcome)
{
    if (outcome == POND_BREAKER_FAILURE)
        atomic_fetch_add_explicit(&breaker->total_failures, 1, memory_order_relaxed);
    if (is_no_news(breaker, outcome))
        return;
    lock(breaker);
    record_locked(breaker, ticket, outcome);
    unlock(breaker);
}

/* ---- Public ------------------------------------------------------------------------------ */

int pond_breaker_allow(pond_breaker *breaker, uint64_t *ticket, pond_error **err)
{
    uint64_t unwanted;
    if (ticket)
        *ticket = 0;
    if (PONDI_GIVEN(err, breaker))
        return POND_EINVAL;
    if (pondi_breaker_allow(breaker, ticket ? ticket : &unwanted))
        return POND_OK;
    if (!err)
        return POND_ECIRCUITOPEN;
    return pondi_error_move(err, pondi_breaker_error(breaker));
}

int pond_breaker_record(pond_breaker *breaker, uint64_t ticket, pond_breaker_outcome outcome,
                        pond_error **err)
{
    if (PONDI_GIVEN(err, breaker))
        return POND_EINVAL;
    if (outcome != POND_BREAKER_SUCCESS && outcome != POND_BREAKER_FAILURE &&
        outcome != POND_BREAKER_CANCELLED)
        return pondi_error_set(err, POND_EINVAL, "%d is no pond_breaker_outcome", (int)outcome);
    pondi_breaker_record(breaker, ticket, outcome);
    return POND_OK;
}

pond_breaker_outcome pond_breaker_outcome_of(int code)
{
    switch (code) {
    case POND_ECONNECT:
    case POND_ECONNLOST:
    case POND_EACQUIRE:
    case POND_ETIMEDOUT:
    case POND_EUNKNOWN:
    case POND_ERESOURCES:
        return POND_BREAKER_FAILURE;
    case POND_ECANCELLED:
    case POND_ECIRCUITOPEN:
    case POND_ENOMEM:
    case POND_EINVAL:
    case POND_EMISUSE:
    case POND_ESTALE:
    case POND_ECLOSED:
    case POND_EAGAIN:
    case POND_ENOTBUILT:
    case POND_EPARAMS:
    case POND_ERANGE:
    case POND_EBUSY:
    case POND_EINTERNAL:
        return POND_BREAKER_CANCELLED;
    default:
        return POND_BREAKER_SUCCESS;
    }
}

void pond_breaker_reset(pond_breaker *breaker)
{
    if (!breaker)
        return;
    lock(breaker);
    set_state(breaker, POND_BREAKER_CLOSED, breaker->now_ns());
    unlock(breaker);
}

const char *pond_breaker_name(const pond_breaker *breaker)
{
    return breaker ? breaker->name : "";
}

static uint32_t failures_in_window(const pond_breaker *breaker, int64_t now_ns)
{
    uint32_t kept = atomic_load_explicit(&breaker->failures, memory_order_relaxed);
    uint32_t count = 0;
    for (uint32_t i = 0; i < kept; i++)
        count += now_ns - breaker->ring[i] <= breaker->settings.window_ns;
    return count;
}

int pond_breaker_get_status(pond_breaker *breaker, pond_breaker_status *out, pond_error **err)
{
    if (PONDI_GIVEN(err, breaker, out) || pondi_check_struct_size(out, "pond_breaker_status", err))
        return POND_EINVAL;
    pond_breaker_status status = {0};
    lock(breaker);
    int64_t now_ns = breaker->now_ns();
    status.state = (uint32_t)refresh(breaker, now_ns);
    status.recent_failures = failures_in_window(breaker, now_ns);
    status.probes = breaker->probes;
    status.retry_after_us = (retry_after_ns(breaker) + 999) / 1000;
    unlock(breaker);
    status.failures = atomic_load_explicit(&breaker->total_failures, memory_order_relaxed);
    status.refused = atomic_load_explicit(&breaker->total_refused, memory_order_relaxed);
    status.opened = atomic_load_explicit(&breaker->total_opened, memory_order_relaxed);
    pondi_give_struct(out, &status, sizeof(status));
    return POND_OK;
}
