#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "millpond/millpond.h"

/* Handed out when there is no memory for a proper one; pond_error_free() leaves it alone. */
static pond_error out_of_memory = {.code = POND_ENOMEM, .row = -1};

const char *pond_error_name(int code)
{
    switch (code) {
#define POND_X(name, number, cls, parent, builtin, text) \
    case number:                                         \
        return "E" #name;
        POND_ERROR_MAP(POND_X)
#undef POND_X
    case POND_OK:
        return "OK";
    default:
        return "UNKNOWN";
    }
}

const char *pond_error_text(int code)
{
    switch (code) {
#define POND_X(name, number, cls, parent, builtin, text) \
    case number:                                         \
        return text;
        POND_ERROR_MAP(POND_X)
#undef POND_X
    case POND_OK:
        return "success";
    default:
        return "unknown error";
    }
}

int pondi_error_is_shared(const pond_error *error)
{
    return error == &out_of_memory;
}

/* Failures that left nothing behind and may not come again. A driver overrides it where it knows
 * better. */
static int usually_retryable(int code)
{
    switch (code) {
    case POND_ECONNECT:
    case POND_EACQUIRE:
    case POND_ECONNLOST:
    case POND_EDEADLOCK:
    case POND_ESERIALIZATION:
    case POND_ERESOURCES:
    case POND_EBUSY:
    case POND_ECIRCUITOPEN:
        return 1;
    default:
        return 0;
    }
}

/* A server may send gigabytes. */
enum { LONGEST_TEXT = 16384 };

/* Where to cut a text that is too long, so that no character is split. */
static size_t bounded_size(const char *text)
{
    size_t size = strnlen(text, LONGEST_TEXT + 1);
    if (size <= LONGEST_TEXT)
        return size;
    size = LONGEST_TEXT;
    while (size && (text[size] & 0xC0) == 0x80)
        size--;
    return size;
}

static pond_error *error_newv(int code, const char *format, va_list arguments)
{
    pond_error *error = pondi_calloc(1, sizeof(*error));
    if (!error)
        return &out_of_memory;
    error->code = code;
    error->row = -1;
    error->retryable = usually_retryable(code);
    va_list again;
    va_copy(again, arguments);
    int wanted = vsnprintf(NULL, 0, format, arguments);
    size_t room = wanted > LONGEST_TEXT ? LONGEST_TEXT + 2 : (size_t)wanted + 1;
    if (wanted >= 0 && (error->message = pondi_malloc(room))) {
        vsnprintf(error->message, room, format, again);
        error->message[bounded_size(error->message)] = '\0';
    }
    va_end(again);
    return error;
}

pond_error *pondi_error_new(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pond_error *error = error_newv(code, format, arguments);
    va_end(arguments);
    return error;
}

int pondi_error_set(pond_error **err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list arguments;
    va_start(arguments, format);
    pond_error *error = error_newv(code, format, arguments);
    va_end(arguments);
    pond_error_free(*err);
    *err = error;
    return code;
}

int pondi_error_nomem(pond_error **err)
{
    if (err) {
        pond_error_free(*err);
        *err = &out_of_memory;
    }
    return POND_ENOMEM;
}

static char *copy_text(const char *text)
{
    return text ? pondi_strdup(text) : NULL;
}

pond_error *pondi_error_copy(const pond_error *error)
{
    if (pondi_error_is_shared(error))
        return &out_of_memory;
    pond_error *copy = pondi_malloc(sizeof(*copy));
    if (!copy)
        return &out_of_memory;
    *copy = *error;
    copy->message = copy_text(error->message);
    copy->detail = copy_text(error->detail);
    copy->hint = copy_text(error->hint);
    copy->constraint = copy_text(error->constraint);
    copy->setting = copy_text(error->setting);
    return copy;
}

void pondi_error_set_text(pond_error *error, char **field, const char *text)
{
    if (pondi_error_is_shared(error))
        return;
    pondi_free(*field);
    *field = text && *text ? pondi_memdup(text, bounded_size(text)) : NULL;
}

void pondi_error_set_sqlstate(pond_error *error, const char *sqlstate)
{
    if (pondi_error_is_shared(error) || !sqlstate)
        return;
    snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", sqlstate);
}

void pondi_error_prefix(pond_error *error, const char *format, ...)
{
    if (pondi_error_is_shared(error))
        return;
    char prefix[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof(prefix), format, arguments);
    va_end(arguments);
    const char *message = pond_error_message(error);
    size_t size = strlen(prefix) + strlen(message) + 1;
    char *joined = pondi_malloc(size);
    if (!joined)
        return;
    snprintf(joined, size, "%s%s", prefix, message);
    pondi_free(error->message);
    error->message = joined;
}

void pondi_error_set_row(pond_error *error, const char *what, uint64_t row)
{
    if (pondi_error_is_shared(error))
        return;
    error->row = (int64_t)row;
    pondi_error_prefix(error, "%s %llu: ", what, (unsigned long long)row);
}

int pondi_error_move(pond_error **err, pond_error *error)
{
    int code = error->code;
    if (err) {
        pond_error_free(*err);
        *err = error;
    } else {
        pond_error_free(error);
    }
    return code;
}

void pond_error_free(pond_error *error)
{
    if (!error || pondi_error_is_shared(error))
        return;
    pondi_free(error->message);
    pondi_free(error->detail);
    pondi_free(error->hint);
    pondi_free(error->constraint);
    pondi_free(error->setting);
    pondi_free(error);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

int pond_error_code(const pond_error *error)
{
    return error ? error->code : POND_OK;
}

const char *pond_error_message(const pond_error *error)
{
    if (!error)
        return "";
    return error->message ? error->message : pond_error_text(error->code);
}

const char *pond_error_sqlstate(const pond_error *error)
{
    return error ? error->sqlstate : "";
}

const char *pond_error_detail(const pond_error *error)
{
    return error ? or_empty(error->detail) : "";
}

const char *pond_error_hint(const pond_error *error)
{
    return error ? or_empty(error->hint) : "";
}

const char *pond_error_constraint(const pond_error *error)
{
    return error ? or_empty(error->constraint) : "";
}

const char *pond_error_setting(const pond_error *error)
{
    return error ? or_empty(error->setting) : "";
}

int64_t pond_error_row(const pond_error *error)
{
    return error ? error->row : -1;
}

int32_t pond_error_vendor_code(const pond_error *error)
{
    return error ? error->vendor_code : 0;
}

uint32_t pond_error_position(const pond_error *error)
{
    return error ? error->position : 0;
}

int pond_error_is_timeout(const pond_error *error)
{
    return error &&
           (error->timed_out || error->code == POND_ETIMEDOUT || error->code == POND_EACQUIRE);
}

int pond_error_retryable(const pond_error *error)
{
    return error ? error->retryable : 0;
}
