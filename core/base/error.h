/* Details of a failure. Built where it is found, owned by whoever holds the pointer. */
#ifndef PONDI_BASE_ERROR_H
#define PONDI_BASE_ERROR_H

#include "millpond/types.h"

struct pond_error {
    int code;
    int32_t vendor_code;
    uint32_t position; /* 1-based character of the caller's SQL, 0 if unknown */
    int64_t row;       /* which of many rows or records failed, from 0; -1 for none */
    int retryable;
    int timed_out; /* of connecting; other timeouts have codes of their own */
    int unsent;    /* of a lost connection: the statement certainly never reached the server */
    char sqlstate[6];
    char *message; /* heap, or NULL: then the code's own text stands in */
    char *detail;
    char *hint;
    char *constraint;
    char *setting; /* of the configuration */
};

#if defined(__GNUC__)
#define PONDI_PRINTF(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))
#else
#define PONDI_PRINTF(format_index, first_index)
#endif

/* Store a new error in *err, if err is not NULL, and return `code`, so that a function can end with
 * `return pondi_error_set(err, POND_EINVAL, "...")`. An error already in *err is freed. */
int pondi_error_set(pond_error **err, int code, const char *format, ...) PONDI_PRINTF(3, 4);

/* The same for POND_ENOMEM: allocates nothing. */
int pondi_error_nomem(pond_error **err);

/* Make an error; never NULL: where memory is out, the shared out-of-memory error. */
pond_error *pondi_error_new(int code, const char *format, ...) PONDI_PRINTF(2, 3);

/* A copy of its own. */
pond_error *pondi_error_copy(const pond_error *error);

/* Set a text field (&error->detail and so on) to a copy of `text`; NULL and "" leave it empty.
 * Nothing is changed in the shared out-of-memory error. */
void pondi_error_set_text(pond_error *error, char **field, const char *text);
void pondi_error_set_sqlstate(pond_error *error, const char *sqlstate);

/* Put "prefix" before the message, as in "parameter 2: ...". */
void pondi_error_prefix(pond_error *error, const char *format, ...) PONDI_PRINTF(2, 3);

/* Say which of many rows (`what`: "row") or records failed: "row 17: ...". Once. */
void pondi_error_set_row(pond_error *error, const char *what, uint64_t row);

/* Hand `error` over to *err, or free it where err is NULL; returns its code. */
int pondi_error_move(pond_error **err, pond_error *error);

/* True for the one error object that is never allocated, freed or changed. */
int pondi_error_is_shared(const pond_error *error);

#endif
