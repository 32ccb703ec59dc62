/* Ends of processes, in each order that exit handlers, destructors and threads can come in. */
#include "check.h"
#include "ending.h"

/* ---- When the host lets go of what it has ------------------------------------------------ */

static int in_destructor;

/* Exit handlers run last in, first out: what is registered before the library is first used runs
 * after the library's own. */
static void after_the_librarys_handler(void)
{
    atexit(let_go_once);
}

static void before_the_librarys_handler(void)
{
    in_use.let_go_first = 1;
}

static void in_a_destructor(void)
{
    in_destructor = 1;
}

__attribute__((destructor)) static void at_the_very_end(void)
{
    if (in_destructor)
        let_go_once();
}

static void never(void)
{
}

static const choice moments[] = {
    {"before_the_librarys_handler", before_the_librarys_handler},
    {"after_the_librarys_handler", after_the_librarys_handler},
    {"in_a_destructor", in_a_destructor},
    {"never", never},
};

/* ---- How the process ends ---------------------------------------------------------------- */

static void by_exit(void)
{
    exit(0);
}

static void *exit_here(void *unused)
{
    exit(0);
    return unused;
}

static void by_exit_of_another_thread(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, exit_here, NULL) == 0, "a thread");
    pthread_exit(NULL);
}

static void by_quick_exit(void)
{
    quick_exit(0);
}

static void by_exit_at_once(void)
{
    _exit(0);
}

static void *stay(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void exit_in_callback(void *data, pond_op *op)
{
    (void)data;
    (void)op;
    exit(0);
}

/* On the thread that the library made for a loop. */
static void by_exit_in_a_callback(void)
{
    pond_loop *loop = NULL;
    pond_pool *pool = pool_of("fake", "alias", "callback");
    must(pond_loop_new(&loop, NULL) == POND_OK &&
             pond_loop_start_thread(loop, exit_in_callback, NULL, NULL) == POND_OK,
         "a loop's thread");
    must(pond_pool_acquire(pool, loop, SLEEP_MS, NULL, NULL, NULL) == POND_OK, "an acquire");
    stay(NULL);
}

static const choice ways[] = {
    {"exit", by_exit},
    {"exit_of_another_thread", by_exit_of_another_thread},
    {"exit_in_a_callback", by_exit_in_a_callback},
    {"quick_exit", by_quick_exit},
    {"exit_at_once", by_exit_at_once},
};

enum { MOMENTS = sizeof(moments) / sizeof(moments[0]), WAYS = sizeof(ways) / sizeof(ways[0]) };

/* ---- Run --------------------------------------------------------------------------------- */

static void a_process_ends_cleanly_whatever_the_order(void **state)
{
    (void)state;
    assert_int_equal(try_all(moments, MOMENTS, ways, WAYS), 0);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_process_ends_cleanly_whatever_the_order)};
    if (count < 4)
        return cmocka_run_group_tests(tests, NULL, NULL);
    run_one(arguments, moments, MOMENTS, ways, WAYS);
    return 1;
}
