#include "base/interrupt.h"

#include <stddef.h>

#include "base/clock.h"
#include "millpond/millpond.h"

enum { LOOK_MS = 50 };

static _Thread_local struct {
    int (*ask)(void *data);
    void *data;
    int64_t due_ns;
} host;

void pond_thread_set_interrupt(int (*interrupted)(void *data), void *data)
{
    host.ask = interrupted;
    host.data = data;
}

int pondi_interrupt_is_due(void)
{
    return host.ask != NULL && pondi_now_ns() >= host.due_ns;
}

int pondi_interrupt_wait_ms(void)
{
    return host.ask ? LOOK_MS : -1;
}

int pondi_interrupt_ask(void)
{
    if (!host.ask)
        return 0;
    int answer = host.ask(host.data);
    host.due_ns = pondi_now_ns() + LOOK_MS * PONDI_NS_PER_MS;
    return answer;
}
