/* Growing byte buffer. The first failed allocation sticks in `failed`, so that a writer can check
 * once at the end. */
#ifndef PONDI_BASE_BUFFER_H
#define PONDI_BASE_BUFFER_H

#include <stddef.h>

#include "base/error.h"

typedef struct pondi_buffer {
    char *data; /* NULL, or NUL-terminated */
    size_t size;
    size_t capacity;
    int failed;
} pondi_buffer;

void pondi_buffer_init(pondi_buffer *buffer);
void pondi_buffer_free(pondi_buffer *buffer);
void pondi_buffer_reserve(pondi_buffer *buffer, size_t extra);
void pondi_buffer_append(pondi_buffer *buffer, const void *data, size_t size);
void pondi_buffer_append_text(pondi_buffer *buffer, const char *text);
void pondi_buffer_append_char(pondi_buffer *buffer, char c);
void pondi_buffer_appendf(pondi_buffer *buffer, const char *format, ...) PONDI_PRINTF(2, 3);
/* A finite number in the fewest digits that read back, with a point in any locale. */
void pondi_buffer_append_real(pondi_buffer *buffer, double value);

/* Hand the text over to the caller, who frees it; "" for an empty buffer, NULL if it failed. */
char *pondi_buffer_take(pondi_buffer *buffer);

#endif
