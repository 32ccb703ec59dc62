// Ends of processes of C++ hosts: static objects, objects of threads, std::thread.
#include <cstdlib>
#include <thread>

#include "ending.h"

namespace {

// ---- When the host lets go of what it has ------------------------------------------------

struct owner {
    bool owns = false;
    ~owner()
    {
        if (owns)
            let_go_once();
    }
};

owner global; // made before the library is first used: destroyed after the library's exit handler

void in_a_global()
{
    global.owns = true;
}

// Made after: destroyed before.
void in_a_late_static()
{
    in_use.let_go_first = 1;
}

// Of the thread that calls exit(): destroyed before all exit handlers.
void in_an_object_of_the_thread()
{
    static thread_local owner of_thread;
    of_thread.owns = true;
}

// Of a thread that a static object joins in its destructor.
struct joined {
    sem_t go;
    std::thread thread;
    ~joined()
    {
        if (!thread.joinable())
            return;
        sem_post(&go);
        thread.join();
    }
} at_the_end;

void use_and_wait()
{
    static thread_local owner of_thread;
    of_thread.owns = true;
    while (sem_wait(&at_the_end.go))
        ;
}

void in_an_object_of_a_joined_thread()
{
    sem_init(&at_the_end.go, 0, 0);
    at_the_end.thread = std::thread(use_and_wait);
}

const choice moments[] = {
    {"a_global", in_a_global},
    {"a_late_static", in_a_late_static},
    {"an_object_of_the_thread", in_an_object_of_the_thread},
    {"an_object_of_a_joined_thread", in_an_object_of_a_joined_thread},
};

// ---- How the process ends ---------------------------------------------------------------

void by_exit()
{
    static owner late;
    late.owns = in_use.let_go_first != 0;
    std::exit(0);
}

void by_exit_of_a_detached_thread()
{
    std::thread(by_exit).detach();
    for (;;)
        pause();
}

void by_quick_exit()
{
    std::quick_exit(0);
}

void by_exit_at_once()
{
    std::_Exit(0);
}

const choice ways[] = {
    {"exit", by_exit},
    {"exit_of_a_detached_thread", by_exit_of_a_detached_thread},
    {"quick_exit", by_quick_exit},
    {"_Exit", by_exit_at_once},
};

enum { MOMENTS = sizeof(moments) / sizeof(moments[0]), WAYS = sizeof(ways) / sizeof(ways[0]) };

} // namespace

int main(int count, char **arguments)
{
    if (count < 4)
        return try_all(moments, MOMENTS, ways, WAYS) ? 1 : 0;
    run_one(arguments, moments, MOMENTS, ways, WAYS);
    return 1;
}
