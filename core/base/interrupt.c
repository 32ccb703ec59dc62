#include "base/interrupt.h"

#include <stddef.h>

#include "base/clock.h"
#include "millpond/millpond.h"

enum { LOOK_MS = 50 };

static _Thread_local int (*ask)(void *data);
static _Thread_local void *host;
static _Thread_local int64_t due_ns;

void pond_thread_set_interrupt(int (*interrupted)(void *data), void *data)
{
    ask = interrupted;
    host = data;
}

int pondi_interrupt_is_due(void)
{
    return ask != NULL && pondi_now_ns() >= due_ns;
}

int pondi_interrupt_wait_ms(void)
{
    return ask ? LOOK_MS : -1;
}

int pondi_interrupt_ask(void)
{
    if (!ask)
        return 0;
    int answer = ask(host);
    due_ns = pondi_now_ns() + (int64_t)LOOK_MS * PONDI_NS_PER_MS;
    return answer;
}
