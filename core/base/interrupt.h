/* Whether the host of a blocking call wants it to end, see pond_thread_set_interrupt(). */
#ifndef PONDI_BASE_INTERRUPT_H
#define PONDI_BASE_INTERRUPT_H

/* True where the calling thread's host is to be asked, and was not within the last moments. Cheap.
 */
int pondi_interrupt_is_due(void);

/* How long a wait may take before the host is to be asked: milliseconds, -1 where it need not be.
 */
int pondi_interrupt_wait_ms(void);

/* Ask it. No lock may be held: the answer may wait for a lock of the host's own. */
int pondi_interrupt_ask(void);

#endif
