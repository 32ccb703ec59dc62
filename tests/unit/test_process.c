/* Locks of the process, and forks. */
#include <sys/wait.h>
#include <unistd.h>

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

RUN_TESTS(cmocka_unit_test(a_lock_keeps_others_out_from_its_first_use_on),
          cmocka_unit_test(a_lock_that_was_held_is_free_in_a_child_which_is_told_once),
          cmocka_unit_test(a_lock_that_the_parent_never_took_guards_nothing_of_it))
