#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "millpond/millpond.h"

#ifdef POND_FAULT_INJECTION

static atomic_uint_fast64_t fail_countdown;
static atomic_int fail_sticky;
static atomic_uint_fast64_t failures;

void pondi_alloc_fail_after(uint64_t countdown, int sticky)
{
    atomic_store(&fail_sticky, sticky);
    atomic_store(&failures, 0);
    atomic_store(&fail_countdown, countdown);
}

uint64_t pondi_alloc_failures(void)
{
    return atomic_load(&failures);
}

static int fail(void)
{
    atomic_fetch_add(&failures, 1);
    return 1;
}

static int must_fail(void)
{
    uint_fast64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0) {
        if (left == 1 && atomic_load(&fail_sticky))
            return fail();
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1 ? fail() : 0;
    }
    return 0;
}

#else

void pondi_alloc_fail_after(uint64_t countdown, int sticky)
{
    (void)countdown;
    (void)sticky;
}

uint64_t pondi_alloc_failures(void)
{
    return 0;
}

#define must_fail() 0

#endif

void *pondi_malloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *pondi_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *pondi_realloc(void *memory, size_t size)
{
    return must_fail() ? NULL : realloc(memory, size ? size : 1);
}

void pondi_free(void *memory)
{
    free(memory);
}

void pondi_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

char *pondi_memdup(const char *data, size_t size)
{
    char *copy = size < SIZE_MAX ? pondi_malloc(size + 1) : NULL;
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *pondi_strdup(const char *text)
{
    return pondi_memdup(text, strlen(text));
}

void pond_string_free(char *text)
{
    pondi_free(text);
}
