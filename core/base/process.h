/* Which process this is: handles made before a fork must not be used after it. */
#ifndef PONDI_BASE_PROCESS_H
#define PONDI_BASE_PROCESS_H

#include <stdint.h>

/* Grows by one in every forked child; cheap to read. */
uint32_t pondi_process_generation(void);

#endif
