/* Allocation. One door for all memory of the core, so that tests can make call N fail. */
#ifndef PONDI_BASE_ALLOC_H
#define PONDI_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

void *pondi_malloc(size_t size);
void *pondi_calloc(size_t count, size_t size);
void *pondi_realloc(void *memory, size_t size);
void pondi_free(void *memory);
char *pondi_strdup(const char *text);
/* Copy `size` bytes and add a NUL. */
char *pondi_memdup(const char *data, size_t size);

/* Give freed memory back to the system, where the allocator by itself only does so at the end of
 * its heap. Takes milliseconds: for after many megabytes were freed. */
void pondi_trim(void);

/* Tests only: let the allocation `countdown` calls from now fail, and with `sticky` all after it;
 * 0 turns it off. Compiled to nothing unless POND_FAULT_INJECTION is defined. */
void pondi_alloc_fail_after(uint64_t countdown, int sticky);

/* Tests only: how many allocations have failed so since the last call of the above. */
uint64_t pondi_alloc_failures(void);

#endif
