/* Locks of the process, and forks. */
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "check.h"

enum { ROUNDS = 200, THREADS = 4 };

/* ---- First use --------------------------------------------------------------------------- */

static pondi_process_lock locks[ROUNDS];
static pthread_barrier_t begin;
static int counts[ROUNDS];
static atomic_int told_of_a_fork;

static void *use_each_lock(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&begin);
        if (pondi_process_lock_take(&locks[i]))
            atomic_fetch_add(&told_of_a_fork, 1);
        counts[i]++;
        pondi_process_lock_give(&locks[i]);
    }
    return NULL;
}

static void a_lock_keeps_others_out_from_its_first_use_on(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < ROUNDS; i++)
        pthread_mutex_init(&locks[i].mutex, NULL);
    pthread_barrier_init(&begin, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_each_lock, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(counts[i], THREADS);
    assert_int_equal(told_of_a_fork, 0);
    pthread_barrier_destroy(&begin);
}

/* ---- Forks ------------------------------------------------------------------------------- */

static pondi_process_lock held = PONDI_PROCESS_LOCK;
static pondi_process_lock unused = PONDI_PROCESS_LOCK;

/* The exit code of a child that does this; a deadlock would end in SIGALRM. */
static int in_child(int (*run)(void))
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(run());
    }
    assert_true(child > 0);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int take_twice(void)
{
    int first = pondi_process_lock_take(&held);
    pondi_process_lock_give(&held);
    int second = pondi_process_lock_take(&held); /* and hold it, as a parent */
    return first * 10 + second;
}

static int take_twice_and_fork(void)
{
    return take_twice() == 10 ? in_child(take_twice) : 99;
}

static int take_unused(void)
{
    return pondi_process_lock_take(&unused);
}

static void a_lock_that_was_held_is_free_in_a_child_which_is_told_once(void **state)
{
    (void)state;
    uint32_t generation = pondi_process_generation();
    assert_int_equal(pondi_process_lock_take(&held), 0);
    assert_int_equal(in_child(take_twice), 10);
    assert_int_equal(in_child(take_twice_and_fork), 10);
    pondi_process_lock_give(&held);
    assert_int_equal(pondi_process_lock_take(&held), 0);
    pondi_process_lock_give(&held);
    assert_int_equal(pondi_process_generation(), generation);
}

static void a_lock_that_the_parent_never_took_guards_nothing_of_it(void **state)
{
    (void)state;
    assert_int_equal(in_child(take_unused), 0);
}

/* ---- The library's own ------------------------------------------------------------------- */

enum { FORKS = 60 };

static atomic_int over;
static atomic_int turns;

static void *log_on_and_on(void *nothing)
{
    while (!atomic_load(&over)) {
        pondi_log(POND_LOG_WARNING, "test", "a record");
        pond_log_free(pond_log_next());
        atomic_fetch_add(&turns, 1);
    }
    return nothing;
}

/* Allocates nothing: the sanitizer's own locks are not made for this. */
static int look_at_log(void)
{
    return pond_log_next() != NULL;
}

/* A child has the locks of threads that it does not have, but none of the parent's records. */
static void children_can_log(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_on_and_on, NULL), 0);
    while (atomic_load(&turns) < THREADS)
        usleep(1000);
    for (int i = 0; i < FORKS; i++)
        assert_int_equal(in_child(look_at_log), 0);
    atomic_store(&over, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    while (pond_log_pending())
        pond_log_free(pond_log_next());
}

static void a_child_does_not_say_again_what_its_parent_logged(void **state)
{
    (void)state;
    pondi_log(POND_LOG_WARNING, "test", "the parent's");
    assert_int_equal(in_child(look_at_log), 0);
    pond_log *record = pond_log_next();
    assert_string_equal(pond_log_message(record), "the parent's");
    pond_log_free(record);
}

RUN_TESTS(cmocka_unit_test(children_can_log),
          cmocka_unit_test(a_child_does_not_say_again_what_its_parent_logged),
          cmocka_unit_test(a_lock_keeps_others_out_from_its_first_use_on),
          cmocka_unit_test(a_lock_that_was_held_is_free_in_a_child_which_is_told_once),
          cmocka_unit_test(a_lock_that_the_parent_never_took_guards_nothing_of_it))
