/* Calls that are made while no loop is locked: callbacks of hosts, which may take locks of their
 * own. */
#include "base/alloc.h"
#include "base/log.h"
#include "loop/internal.h"
#include "loop/worker.h"

void pondi_loop_call_outside(pond_loop *loop, pondi_outside *call)
{
    pondi_outside **tail = &loop->outside;
    while (*tail)
        tail = &(*tail)->next;
    call->next = NULL;
    *tail = call;
}

void pondi_outside_run(pondi_outside *calls, int nested)
{
    while (calls) {
        pondi_outside *call = calls;
        calls = call->next; /* the call may free itself */
        if (nested)
            pondi_call_elsewhere(call);
        else
            call->run(call);
    }
}

/* ---- Elsewhere --------------------------------------------------------------------------- */

typedef struct errand {
    pondi_job job; /* first */
    pondi_outside *call;
} errand;

static void run(pondi_job *job)
{
    pondi_outside *call = ((errand *)(void *)job)->call;
    pondi_free(job);
    call->run(call);
}

/* Without a thread it is made here: a callback that takes no lock of its own does no harm. */
void pondi_call_elsewhere(pondi_outside *call)
{
    errand *made = pondi_calloc(1, sizeof(*made));
    if (made) {
        made->job.run = run;
        made->call = call;
        if (!pondi_thread_run(&made->job, 0, NULL))
            return;
        pondi_free(made);
    }
    pondi_log(POND_LOG_WARNING, "driver",
              "cannot start a thread for a driver's callback, so it is called in this thread");
    call->run(call);
}
