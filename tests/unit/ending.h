/* A process that ends while something of the library is still in use, and the matrix of all such
 * processes. Each is a child that runs this program anew and must end with code 0 by itself. */
#ifndef PONDI_TEST_ENDING_H
#define PONDI_TEST_ENDING_H

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "millpond/millpond.h"

enum { TOO_LONG_S = 60, SLEEP_MS = 600000 };

#define ENDLESS \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

/* ---- What is in use ---------------------------------------------------------------------- */

static struct {
    pond_pool *pool;
    pond_connection *connection;
    pond_loop *loop;
    pond_op *op;
    pthread_t thread;
    sem_t begun;
    sem_t go;     /* the thread may end */
    int threaded; /* there is one */
    pid_t process;
    void (*let_go)(void);
    int let_go_first; /* in an exit handler that is registered after the first use */
} in_use;

/* Not cmocka's, which the children do without, and C++ as well. */
static inline void must(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "failed: %s\n", what);
    abort();
}

static inline pond_pool *pool_of(const char *driver, const char *key, const char *value)
{
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    must(pond_config_new(driver, &config, NULL) == POND_OK, "a configuration");
    pond_config_set(config, "database", ":memory:", NULL);
    if (key)
        must(pond_config_set(config, key, value, NULL) == POND_OK, "a setting");
    must(pond_pool_open(config, &pool, NULL) == POND_OK, "a pool");
    pond_config_release(config);
    return pool;
}

static inline pond_connection *lease_of(pond_pool *pool, pond_loop *loop)
{
    pond_connection *connection = NULL;
    int code = pond_pool_acquire_wait(pool, loop, POND_TIMEOUT_DEFAULT, &connection, NULL);
    return code ? NULL : connection;
}

static inline int do_statement(pond_connection *connection, const char *sql)
{
    pond_result *result = NULL;
    int code =
        pond_connection_execute_wait(connection, sql, strlen(sql), NULL, 0, NULL, &result, NULL);
    pond_result_release(result);
    return code;
}

static inline void use_pool(pond_pool *pool)
{
    pond_connection *connection = lease_of(pool, NULL);
    if (!connection)
        return;
    do_statement(connection, "SELECT 1");
    pond_connection_give_back(connection, NULL);
    pond_connection_release(connection);
}

static inline void let_go_once(void)
{
    void (*let_go)(void) = in_use.let_go;
    in_use.let_go = NULL;
    if (let_go)
        let_go();
}

/* ---- Threads that make blocking calls: each has a loop of its own, which ends with it ------ */

static inline void begin_thread(void *(*run)(void *))
{
    sem_init(&in_use.begun, 0, 0);
    sem_init(&in_use.go, 0, 0);
    must(pthread_create(&in_use.thread, NULL, run, NULL) == 0, "a thread");
    in_use.threaded = 1;
    while (sem_wait(&in_use.begun))
        ;
}

static inline void tell_and_wait(void)
{
    sem_post(&in_use.begun);
    while (sem_wait(&in_use.go))
        ;
}

/* The keeper drives its loop since the statement, and does until the thread has ended. */
static inline void *keep_a_lease(void *unused)
{
    in_use.connection = lease_of(in_use.pool, NULL);
    must(do_statement(in_use.connection, "SELECT 1") == POND_OK, "a statement");
    tell_and_wait();
    return unused;
}

static inline void *give_back_late(void *unused)
{
    keep_a_lease(NULL);
    pond_connection_give_back(in_use.connection, NULL);
    pond_connection_release(in_use.connection);
    in_use.connection = NULL;
    return unused;
}

static inline void *work_late(void *unused)
{
    keep_a_lease(NULL);
    must(do_statement(in_use.connection, "SELECT 2") == POND_OK, "a late statement");
    pond_connection_give_back(in_use.connection, NULL);
    pond_connection_release(in_use.connection);
    in_use.connection = NULL;
    use_pool(in_use.pool);
    pond_pool *another = pool_of("sqlite", "alias", "late");
    use_pool(another);
    pond_pool_release(another);
    return unused;
}

static inline void *be_done(void *unused)
{
    use_pool(in_use.pool);
    tell_and_wait();
    return unused;
}

static inline void *begin_late(void *unused)
{
    tell_and_wait();
    use_pool(in_use.pool);
    return unused;
}

/* A host's own destructors for what a thread has, which run before and after the library's. */
static pthread_key_t early_key;
static pthread_key_t late_key;

static inline void *work_in_destructors(void *unused)
{
    pthread_setspecific(early_key, in_use.pool);
    pthread_setspecific(late_key, in_use.pool);
    keep_a_lease(NULL);
    return unused;
}

static inline void *leave_half_open(void *unused)
{
    pond_connection *none = NULL;
    must(pond_pool_acquire_wait(in_use.pool, NULL, 1, &none, NULL) != POND_OK, "no connection");
    tell_and_wait();
    return unused;
}

static inline void let_go_of_thread(void)
{
    if (!in_use.threaded || getpid() != in_use.process)
        return; /* a child has no threads of its parent */
    in_use.threaded = 0;
    sem_post(&in_use.go);
    pthread_join(in_use.thread, NULL);
    pond_connection_release(in_use.connection);
    pond_pool_release(in_use.pool);
}

static inline void make_thread(void *(*run)(void *))
{
    in_use.pool = pool_of("sqlite", NULL, NULL);
    in_use.let_go = let_go_of_thread;
    begin_thread(run);
}

/* What the thread has left is its loop, which nothing but the keeper knows. */
static inline void make_thread_whose_pool_is_closed(void)
{
    make_thread(be_done);
    must(pond_pool_close_wait(in_use.pool, SLEEP_MS, NULL) == POND_OK, "a closed pool");
    pond_pool_release(in_use.pool);
    in_use.pool = NULL;
}

static inline void make_idle_thread(void)
{
    make_thread(keep_a_lease);
}

static inline void make_thread_that_gives_back(void)
{
    make_thread(give_back_late);
}

static inline void make_thread_that_works(void)
{
    make_thread(work_late);
}

static inline void use_in_destructor(void *pool)
{
    use_pool((pond_pool *)pool);
}

static inline void make_thread_with_destructors(void)
{
    must(pthread_key_create(&early_key, use_in_destructor) == 0, "a key");
    in_use.pool = pool_of("sqlite", NULL, NULL);
    use_pool(in_use.pool); /* the library has its key now */
    pond_pool_release(in_use.pool);
    must(pthread_key_create(&late_key, use_in_destructor) == 0, "a key");
    make_thread(work_in_destructors);
}

static inline void make_thread_that_begins(void)
{
    make_thread(begin_late);
}

static inline void make_half_open_connection(void)
{
    in_use.pool = pool_of("fake", "connect_delay", "600");
    in_use.let_go = let_go_of_thread;
    begin_thread(leave_half_open);
}

/* They go on for as long as there is a process. */
static inline void *work_on_and_on(void *pool)
{
    for (int i = 0;; i++) {
        use_pool((pond_pool *)pool);
        if (i == 10)
            sem_post(&in_use.begun);
    }
    return NULL;
}

static inline void *come_and_go(void *pool)
{
    pthread_t next;
    use_pool((pond_pool *)pool);
    sem_post(&in_use.begun);
    if (pthread_create(&next, NULL, come_and_go, pool) == 0)
        pthread_detach(next);
    return NULL;
}

static inline void let_go_of_nothing(void)
{
}

static inline void make_detached_threads(void)
{
    void *(*const runs[])(void *) = {work_on_and_on, come_and_go};
    in_use.pool = pool_of("sqlite", NULL, NULL);
    in_use.let_go = let_go_of_nothing;
    sem_init(&in_use.begun, 0, 0);
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        must(pthread_create(&thread, NULL, runs[i], in_use.pool) == 0, "a thread");
        pthread_detach(thread);
    }
    for (int i = 0; i < 20; i++)
        while (sem_wait(&in_use.begun))
            ;
}

/* ---- Loops and pools --------------------------------------------------------------------- */

static inline void submit_to_loop(const char *driver, const char *sql)
{
    in_use.pool = pool_of(driver, NULL, NULL);
    in_use.connection = lease_of(in_use.pool, in_use.loop);
    must(in_use.connection && pond_connection_execute(in_use.connection, sql, strlen(sql), NULL, 0,
                                                      NULL, NULL, &in_use.op, NULL) == POND_OK,
         "a statement under way");
}

static inline void let_go_of_loop(void)
{
    pond_op_release(in_use.op);
    pond_connection_release(in_use.connection);
    pond_loop_release(in_use.loop);
    pond_pool_release(in_use.pool);
    in_use.op = NULL;
    in_use.connection = NULL;
    in_use.loop = NULL;
    in_use.pool = NULL;
}

static inline void new_loop(void)
{
    must(pond_loop_new(&in_use.loop, NULL) == POND_OK, "a loop");
    in_use.let_go = let_go_of_loop;
}

static inline void make_loop(void)
{
    new_loop();
    submit_to_loop("fake", "SLEEP 600000");
}

static inline void make_loop_with_worker(void)
{
    new_loop();
    submit_to_loop("sqlite", ENDLESS);
}

static inline void make_loop_with_thread(void)
{
    new_loop();
    must(pond_loop_start_thread(in_use.loop, NULL, NULL, NULL) == POND_OK, "a loop's thread");
    submit_to_loop("sqlite", ENDLESS);
}

static inline void on_wake(void *data)
{
    (void)data;
}

static inline void make_loop_that_wakes(void)
{
    new_loop();
    submit_to_loop("fake", "SLEEP 600000");
    must(pond_loop_set_wake(in_use.loop, on_wake, NULL, NULL) == POND_OK, "a waker");
}

static inline void let_go_of_pool(void)
{
    pond_pool_close_wait(in_use.pool, SLEEP_MS, NULL);
    pond_pool_release(in_use.pool);
    in_use.pool = NULL;
}

static inline void use_for_the_first_time(void)
{
    pond_pool *pool = pool_of("sqlite", NULL, NULL);
    use_pool(pool);
    pond_pool_release(pool);
}

static inline void make_nothing(void)
{
    in_use.let_go = use_for_the_first_time;
}

static inline void make_pool(void)
{
    in_use.pool = pool_of("fake", "pool_min_size", "3");
    in_use.let_go = let_go_of_pool;
    pond_connection *connection = lease_of(in_use.pool, NULL);
    must(connection != NULL, "a connection");
    pond_connection_give_back(connection, NULL);
    pond_connection_release(connection);
}

/* ---- The matrix -------------------------------------------------------------------------- */

typedef struct choice {
    const char *name;
    void (*run)(void);
} choice;

static const choice things[] = {
    {"thread_whose_pool_is_closed", make_thread_whose_pool_is_closed},
    {"thread_with_a_lease", make_idle_thread},
    {"thread_that_gives_back", make_thread_that_gives_back},
    {"thread_that_works_on", make_thread_that_works},
    {"thread_that_begins_late", make_thread_that_begins},
    {"thread_with_destructors", make_thread_with_destructors},
    {"thread_with_a_half_open_connection", make_half_open_connection},
    {"detached_threads", make_detached_threads},
    {"loop", make_loop},
    {"loop_with_a_worker", make_loop_with_worker},
    {"loop_with_a_thread", make_loop_with_thread},
    {"loop_that_wakes_its_host", make_loop_that_wakes},
    {"pool", make_pool},
    {"nothing_yet", make_nothing},
};

static inline const choice *named(const choice *choices, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(choices[i].name, name) == 0)
            return &choices[i];
    }
    must(0, name);
    return NULL;
}

static inline void add_to(const char *variable, const char *option)
{
    char options[4096];
    const char *given = getenv(variable);
    snprintf(options, sizeof(options), "%s:%s", given ? given : "", option);
    setenv(variable, options, 1);
}

static inline int ends_well(const char *thing, const char *moment, const char *way)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        /* what is in use at the end is not lost memory */
        add_to("ASAN_OPTIONS", "detect_leaks=0");
        add_to("TSAN_OPTIONS", "report_thread_leaks=0");
        execl("/proc/self/exe", "ending", thing, moment, way, (char *)NULL);
        _exit(127);
    }
    must(child > 0 && waitpid(child, &status, 0) == child, "a child");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 1;
    fprintf(stderr, "%s, let go of %s, process ended by %s: status %#x\n", thing, moment, way,
            (unsigned)status);
    return 0;
}

/* The combinations that do not end well. */
static inline int try_all(const choice *moments, size_t moment_count, const choice *ways,
                          size_t way_count)
{
    int bad = 0;
    for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
        for (size_t j = 0; j < moment_count; j++) {
            for (size_t k = 0; k < way_count; k++)
                bad += !ends_well(things[i].name, moments[j].name, ways[k].name);
        }
    }
    return bad;
}

/* In the child. */
static inline void run_one(char **names, const choice *moments, size_t moment_count,
                           const choice *ways, size_t way_count)
{
    alarm(TOO_LONG_S);
    in_use.process = getpid();
    named(moments, moment_count, names[2])->run();
    named(things, sizeof(things) / sizeof(things[0]), names[1])->run();
    if (in_use.let_go_first)
        atexit(let_go_once);
    named(ways, way_count, names[3])->run();
}

#endif
