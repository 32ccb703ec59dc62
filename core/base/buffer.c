#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/real.h"

void pondi_buffer_init(pondi_buffer *buffer)
{
    memset(buffer, 0, sizeof(*buffer));
}

void pondi_buffer_free(pondi_buffer *buffer)
{
    pondi_free(buffer->data);
    pondi_buffer_init(buffer);
}

void pondi_buffer_reserve(pondi_buffer *buffer, size_t extra)
{
    if (buffer->failed)
        return;
    if (extra > SIZE_MAX / 2 - buffer->size - 1) {
        buffer->failed = 1;
        return;
    }
    size_t needed = buffer->size + extra + 1;
    if (needed <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity ? buffer->capacity * 2 : 64;
    if (capacity < needed)
        capacity = needed;
    char *data = pondi_realloc(buffer->data, capacity);
    if (!data) {
        buffer->failed = 1;
        return;
    }
    data[buffer->size] = '\0';
    buffer->data = data;
    buffer->capacity = capacity;
}

void pondi_buffer_append(pondi_buffer *buffer, const void *data, size_t size)
{
    pondi_buffer_reserve(buffer, size);
    if (buffer->failed)
        return;
    if (size)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
}

void pondi_buffer_append_text(pondi_buffer *buffer, const char *text)
{
    pondi_buffer_append(buffer, text, strlen(text));
}

void pondi_buffer_append_char(pondi_buffer *buffer, char c)
{
    pondi_buffer_append(buffer, &c, 1);
}

void pondi_buffer_appendf(pondi_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) {
        buffer->failed = 1;
    } else {
        pondi_buffer_reserve(buffer, (size_t)size);
        if (!buffer->failed) {
            vsnprintf(buffer->data + buffer->size, (size_t)size + 1, format, again);
            buffer->size += (size_t)size;
        }
    }
    va_end(again);
}

void pondi_buffer_append_real(pondi_buffer *buffer, double value)
{
    char text[PONDI_REAL_TEXT];
    pondi_buffer_append(buffer, text, pondi_format_real(value, text));
}

char *pondi_buffer_take(pondi_buffer *buffer)
{
    char *text = NULL;
    if (!buffer->failed) {
        pondi_buffer_append(buffer, "", 0);
        text = buffer->data;
        if (!buffer->failed)
            buffer->data = NULL;
        else
            text = NULL;
    }
    pondi_buffer_free(buffer);
    return text;
}
