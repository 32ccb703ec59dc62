/* May a call be made, and what is learnt from it: the bytes of its values, its duration, its error,
 * whether its circuit breaker should know, and whether it was so slow that the log should. */
#ifndef PONDI_CALL_ACCOUNT_H
#define PONDI_CALL_ACCOUNT_H

#include "call/call.h"

/* Ask the circuit breaker, right before the call is sent: POND_ECIRCUITOPEN. Inside a transaction
 * no breaker is asked. */
int pondi_call_admit(pondi_call *call, int in_transaction, pond_error **err);

/* It was admitted, and is not sent after all. */
void pondi_call_withdraw(pondi_call *call);

/* It is being sent. */
void pondi_call_sent(const pondi_call *call);

/* How a call ended. */
typedef struct pondi_call_end {
    int code;
    int started;   /* it was sent */
    int timed_out; /* it was stopped for that */
    int answers;   /* the connection is still of use */
    int64_t took_ns;
    uint64_t received; /* bytes of its result */
} pondi_call_end;

void pondi_call_ended(const pondi_call *call, const pondi_call_end *end);

/* Bytes that so many values count as, beside their texts. */
enum { PONDI_BYTES_A_VALUE = 8 };

#endif
