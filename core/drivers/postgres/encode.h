/* What the two files of parameters share: encode.c (in the form that the server wants) and
 * encode_text.c (as text for it to parse). */
#ifndef PONDI_POSTGRES_ENCODE_H
#define PONDI_POSTGRES_ENCODE_H

#include "drivers/postgres/postgres.h"

enum { PG_BIGGEST = 0x3fffffff }; /* PostgreSQL's own limit for one value: 1 GB */

/* One parameter on its way. */
typedef struct pg_encoder {
    pondi_buffer *out; /* the connection's scratch */
    const pond_value *value;
    size_t number; /* from 1 */
    Oid type;      /* 0: for the server to infer from text */
    int format;    /* 1: binary */
} pg_encoder;

int pondi_postgres_out_of_range(const pg_encoder *at, const char *wanted, pond_error **err);

/* Bytes as they are. */
int pondi_postgres_put_raw(pg_encoder *at, const char *data, size_t size, pond_error **err);

/* The value in the text form of its own type. */
int pondi_postgres_put_as_text(pg_encoder *at, pond_error **err);

#endif
