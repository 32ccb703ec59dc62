/* What a column becomes in Arrow's form. */
#ifndef PONDI_ARROW_FIELD_H
#define PONDI_ARROW_FIELD_H

#include "driver/result.h"
#include "millpond/arrow.h"

typedef struct pondi_arrow_field {
    pond_type type;               /* POND_TYPE_NULL: nothing but NULLs so far */
    int has_months;               /* of intervals */
    int32_t whole_digits;         /* of decimals: the most before the point */
    int32_t scale;                /* and after it */
    struct pondi_arrow_field *of; /* of an array's elements; NULL otherwise */
} pondi_arrow_field;

/* A decimal's text: sign, digits without leading zeros, and how many of them are after the point
 * (negative: so many zeros follow). */
typedef struct pondi_arrow_decimal {
    int negative;
    const char *digits; /* with a point somewhere in between */
    size_t size;
    int32_t count; /* of digits */
    int32_t scale;
} pondi_arrow_decimal;

/* 0 if the text is no finite number. */
int pondi_arrow_decimal_read(const char *text, size_t size, pondi_arrow_decimal *out);

/* Write it with `scale` digits after the point as a little-endian number of `words` 64-bit words.
 * It must fit. */
void pondi_arrow_decimal_write(const pondi_arrow_decimal *decimal, int32_t scale, uint64_t *out,
                               int words);

/* Digits that a decimal column needs, and the width of its values in bytes. */
int32_t pondi_arrow_precision(const pondi_arrow_field *field);
size_t pondi_arrow_width(const pondi_arrow_field *field);

/* Make room for one more value. Returns POND_ENOMEM, or POND_EDATA with *problem set to what is
 * wrong (static memory). */
int pondi_arrow_field_add(pondi_arrow_field *field, const pond_value *value, const char **problem);
void pondi_arrow_field_clear(pondi_arrow_field *field);

/* Describe a column. Returns POND_OK or POND_ENOMEM; *out is then released. */
int pondi_arrow_schema(const pondi_arrow_field *field, const char *name, struct ArrowSchema *out);

/* Describe a batch: a struct of all columns. */
int pondi_arrow_batch_schema(const pondi_arrow_field *fields, const pond_result *result,
                             struct ArrowSchema *out);

#endif
