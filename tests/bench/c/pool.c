/* The cost of acquiring and releasing, on the fake driver.
 *
 *     bench_pool alone              nanoseconds of acquire and release, one thread: the medians
 *                                   with metrics and without, and the difference
 *     bench_pool contend CYCLES     8 threads over 4 connections: cycles a second of the pool, of a
 *                                   fair queue and of a barging one of mutex and condition
 * variable, and the pool's ratio to either
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "millpond/millpond.h"

enum { THREADS = 8, CONNECTIONS = 4, BATCHES = 2001, BATCH = 1000, ROUNDS = 20 };
enum { FAIR_SHARE = 8 }; /* the fair queue is slow: it does only so small a part */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_pool: %s\n", what);
    exit(1);
}

static pond_pool *open_pool(const char *metrics)
{
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    char size[8];
    snprintf(size, sizeof(size), "%d", CONNECTIONS);
    check(!pond_config_new("fake", &config, NULL), "cannot make a config");
    pond_config_set(config, "database", "bench", NULL);
    pond_config_set(config, "metrics", metrics, NULL);
    pond_config_set(config, "pool_min_size", size, NULL);
    pond_config_set(config, "pool_max_size", size, NULL);
    check(!pond_pool_open(config, &pool, NULL), "cannot open the pool");
    pond_config_release(config);
    return pool;
}

static void give_back(pond_connection *connection)
{
    check(!pond_connection_give_back(connection, NULL), "cannot give back");
    pond_connection_release(connection);
}

/* ---- One thread -------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static pond_pool *open_with_one(pond_loop *loop, const char *metrics)
{
    pond_pool *pool = open_pool(metrics);
    pond_connection *connection = NULL;
    check(!pond_pool_acquire_wait(pool, loop, 5000, &connection, NULL), "cannot acquire");
    give_back(connection);
    return pool;
}

static int64_t time_batch(pond_pool *pool, pond_loop *loop)
{
    int64_t start = now_ns();
    for (int i = 0; i < BATCH; i++) {
        pond_connection *connection = NULL;
        check(!pond_pool_try_acquire(pool, loop, &connection, NULL), "none is idle");
        give_back(connection);
    }
    return now_ns() - start;
}

static double median_ns(int64_t *times)
{
    qsort(times, BATCHES, sizeof(times[0]), compare);
    return (double)times[BATCHES / 2] / BATCH;
}

/* With and without metrics in turns, so that both meet the same noise. */
static void alone(void)
{
    static int64_t with[BATCHES];
    static int64_t without[BATCHES];
    pond_loop *loop = NULL;
    check(!pond_loop_new(&loop, NULL), "cannot make a loop");
    pond_pool *measured = open_with_one(loop, "true");
    pond_pool *plain = open_with_one(loop, "false");
    for (int i = 0; i < BATCHES; i++) {
        with[i] = time_batch(measured, loop);
        without[i] = time_batch(plain, loop);
    }
    double with_ns = median_ns(with);
    double without_ns = median_ns(without);
    printf("{\"acquire_release_ns\": %.1f, \"without_metrics_ns\": %.1f, "
           "\"metrics_ns\": %.1f}\n",
           with_ns, without_ns, with_ns - without_ns);
    pond_pool_close_wait(measured, 1000, NULL);
    pond_pool_close_wait(plain, 1000, NULL);
    pond_pool_release(measured);
    pond_pool_release(plain);
    pond_loop_release(loop);
}

/* ---- Eight threads ----------------------------------------------------------------------- */

/* Holders let others run meanwhile, as those do who wait for a server: else the threads would take
 * turns of milliseconds, and never meet.
 *
 * The same thing in the simplest way: who finds nothing waits for the one condition variable. */
typedef struct simple_pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    int idle[CONNECTIONS];
    int count;
    int fair;
    uint64_t next_ticket;
    uint64_t now_serving;
} simple_pool;

typedef struct contender {
    pond_pool *pool;
    simple_pool *simple;
    pthread_barrier_t *start;
    uint64_t cycles;
    uint64_t done;
} contender;

static int simple_acquire(simple_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    uint64_t ticket = pool->next_ticket++;
    while (!pool->count || (pool->fair && pool->now_serving != ticket))
        pthread_cond_wait(&pool->freed, &pool->lock);
    pool->now_serving++;
    int taken = pool->idle[--pool->count];
    if (pool->fair && pool->count) /* the next in line may have been woken too early */
        pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

static void simple_release(simple_pool *pool, int connection)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->count++] = connection;
    if (pool->fair)
        pthread_cond_broadcast(&pool->freed);
    else
        pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

static void *contend_simply(void *data)
{
    contender *at = data;
    pthread_barrier_wait(at->start);
    for (; at->done < at->cycles; at->done++) {
        int taken = simple_acquire(at->simple);
        sched_yield();
        simple_release(at->simple, taken);
    }
    return NULL;
}

static void *contend(void *data)
{
    contender *at = data;
    pthread_barrier_wait(at->start);
    for (; at->done < at->cycles; at->done++) {
        pond_connection *connection = NULL;
        check(!pond_pool_acquire_wait(at->pool, NULL, 60000, &connection, NULL),
              "an acquire failed: a wake-up was lost");
        sched_yield();
        give_back(connection);
    }
    return NULL;
}

/* Seconds that all threads take for their cycles. */
static double run(void *(*body)(void *), pond_pool *pool, simple_pool *simple, uint64_t cycles)
{
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    contender contenders[THREADS];
    pthread_barrier_init(&start, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        contenders[i] = (contender){
            .pool = pool, .simple = simple, .start = &start, .cycles = cycles / THREADS};
        pthread_create(&threads[i], NULL, body, &contenders[i]);
    }
    pthread_barrier_wait(&start);
    int64_t began = now_ns();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    return (double)(now_ns() - began) / 1e9;
}

static double run_simple(int fair, uint64_t cycles)
{
    simple_pool pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .freed = PTHREAD_COND_INITIALIZER,
                        .count = CONNECTIONS,
                        .fair = fair};
    return run(contend_simply, NULL, &pool, cycles);
}

/* They take turns, so that all of them meet the same noise of the machine. */
static void contend_all(uint64_t cycles)
{
    pond_pool *pool = open_pool("true");
    pond_pool_status status = {.struct_size = sizeof(status)};
    uint64_t each = cycles / ROUNDS / THREADS * THREADS;
    double seconds = 0;
    double fair = 0;
    double barging = 0;
    for (int i = 0; i < ROUNDS; i++) {
        seconds += run(contend, pool, NULL, each);
        fair += run_simple(1, each / FAIR_SHARE) * FAIR_SHARE;
        barging += run_simple(0, each);
    }
    pond_pool_get_status(pool, &status, NULL);
    check(status.acquired == each * ROUNDS, "an acquire is missing");
    check(status.timeouts == 0 && status.acquired == status.released, "the counts do not add up");
    check(status.size <= CONNECTIONS, "there are too many connections");
    pond_pool_close_wait(pool, 1000, NULL);
    pond_pool_release(pool);
    double all = (double)each * ROUNDS;
    printf("{\"cycles\": %.0f, \"pool_per_s\": %.0f, \"fair_per_s\": %.0f, "
           "\"barging_per_s\": %.0f, \"to_fair\": %.2f, \"to_barging\": %.2f}\n",
           all, all / seconds, all / fair, all / barging, fair / seconds, barging / seconds);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "alone") == 0) {
        alone();
    } else if (argc == 3 && strcmp(argv[1], "contend") == 0) {
        contend_all(strtoull(argv[2], NULL, 10));
    } else {
        fprintf(stderr, "usage: bench_pool alone | contend CYCLES\n");
        return 2;
    }
    return 0;
}
