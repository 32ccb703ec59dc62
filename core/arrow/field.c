#include "arrow/field.h"

#include "base/alloc.h"

enum { MAX_DIGITS_128 = 38, MAX_DIGITS_256 = 76 };

/* ---- Decimals ---------------------------------------------------------------------------- */

static const char *read_exponent(const char *at, const char *end, int32_t *out)
{
    int negative = at < end && *at == '-';
    int32_t exponent = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return NULL;
    for (; at < end && *at >= '0' && *at <= '9' && exponent < 10000; at++)
        exponent = exponent * 10 + (*at - '0');
    *out = negative ? -exponent : exponent;
    return at;
}

int pondi_arrow_decimal_read(const char *text, size_t size, pondi_arrow_decimal *out)
{
    const char *at = text;
    const char *end = text + size;
    int digits = 0;
    int point = 0;
    int32_t exponent = 0;
    *out = (pondi_arrow_decimal){.negative = size && *text == '-'};
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    while (at < end && *at == '0' && at + 1 < end && at[1] >= '0' && at[1] <= '9')
        at++;
    out->digits = at;
    for (; at < end && ((*at >= '0' && *at <= '9') || (*at == '.' && !point)); at++) {
        point |= *at == '.';
        digits |= *at != '.';
        out->scale += point && *at != '.';
        out->count += *at != '.';
    }
    out->size = (size_t)(at - out->digits);
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = read_exponent(at + 1, end, &exponent);
        out->scale -= exponent;
    }
    return digits && at == end;
}

static void multiply_and_add(uint64_t *number, int words, uint32_t factor, uint32_t digit)
{
    uint64_t carry = digit;
    for (int i = 0; i < words; i++) {
        uint64_t low = (number[i] & UINT32_MAX) * factor + carry;
        uint64_t high = (number[i] >> 32) * factor + (low >> 32);
        number[i] = high << 32 | (low & UINT32_MAX);
        carry = high >> 32;
    }
}

void pondi_arrow_decimal_write(const pondi_arrow_decimal *decimal, int32_t scale, uint64_t *out,
                               int words)
{
    for (int i = 0; i < words; i++)
        out[i] = 0;
    for (size_t i = 0; i < decimal->size; i++) {
        if (decimal->digits[i] != '.')
            multiply_and_add(out, words, 10, (uint32_t)(decimal->digits[i] - '0'));
    }
    for (int32_t zeros = scale - decimal->scale; zeros > 0; zeros--)
        multiply_and_add(out, words, 10, 0);
    if (!decimal->negative)
        return;
    uint64_t carry = 1;
    for (int i = 0; i < words; i++) {
        out[i] = ~out[i] + carry;
        carry = carry && out[i] == 0;
    }
}

int32_t pondi_arrow_precision(const pondi_arrow_field *field)
{
    return field->whole_digits + field->scale <= MAX_DIGITS_128 ? MAX_DIGITS_128 : MAX_DIGITS_256;
}

static int add_decimal(pondi_arrow_field *field, const char *text, size_t size,
                       const char **problem)
{
    pondi_arrow_decimal decimal;
    if (!pondi_arrow_decimal_read(text, size, &decimal)) {
        *problem = "has a decimal that is not finite: cast it to double precision";
        return POND_EDATA;
    }
    int32_t whole = decimal.count - decimal.scale;
    field->whole_digits = whole > field->whole_digits ? whole : field->whole_digits;
    field->scale = decimal.scale > field->scale ? decimal.scale : field->scale;
    if (field->whole_digits + field->scale <= MAX_DIGITS_256)
        return POND_OK;
    *problem = "needs more than 76 digits: cast it to text";
    return POND_EDATA;
}

/* ---- Types ------------------------------------------------------------------------------- */

size_t pondi_arrow_width(const pondi_arrow_field *field)
{
    switch (field->type) {
    case POND_TYPE_DATE:
        return 4;
    case POND_TYPE_UUID:
        return 16;
    case POND_TYPE_INTERVAL:
        return field->has_months ? 16 : 8;
    case POND_TYPE_DECIMAL:
        return pondi_arrow_precision(field) == MAX_DIGITS_128 ? 16 : 32;
    default:
        return 8;
    }
}

/* The type that holds values of both; POND_TYPE_NULL where none does. */
static pond_type common(pond_type a, pond_type b)
{
    static const struct {
        pond_type one;
        pond_type other;
        pond_type both;
    } pairs[] = {
        {POND_TYPE_BOOL, POND_TYPE_INT64, POND_TYPE_INT64},
        {POND_TYPE_BOOL, POND_TYPE_DOUBLE, POND_TYPE_DOUBLE},
        {POND_TYPE_INT64, POND_TYPE_DOUBLE, POND_TYPE_DOUBLE},
        {POND_TYPE_INT64, POND_TYPE_DECIMAL, POND_TYPE_DECIMAL},
        {POND_TYPE_TEXT, POND_TYPE_JSON, POND_TYPE_TEXT},
        {POND_TYPE_TIME, POND_TYPE_INTERVAL, POND_TYPE_INTERVAL},
    };
    if (a == b || b == POND_TYPE_NULL)
        return a;
    if (a == POND_TYPE_NULL)
        return b;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if ((pairs[i].one == a && pairs[i].other == b) ||
            (pairs[i].one == b && pairs[i].other == a))
            return pairs[i].both;
    }
    return POND_TYPE_NULL;
}

static int add_items(pondi_arrow_field *field, const pond_value *value, const char **problem)
{
    int code = POND_OK;
    if (!field->of && !(field->of = pondi_calloc(1, sizeof(*field->of))))
        return POND_ENOMEM;
    for (size_t i = 0; i < value->as.array.count && !code; i++)
        code = pondi_arrow_field_add(field->of, &value->as.array.items[i], problem);
    return code;
}

/* An integer among decimals, or the other way round: room for any 64-bit number. */
static int add_number(pondi_arrow_field *field, const pond_value *value, const char **problem)
{
    enum { INT64_DIGITS = 19 };
    if (field->type != POND_TYPE_DECIMAL)
        return POND_OK;
    if (value->type == POND_TYPE_DECIMAL)
        return add_decimal(field, value->as.text.data, value->as.text.size, problem);
    if (field->whole_digits < INT64_DIGITS)
        field->whole_digits = INT64_DIGITS;
    return POND_OK;
}

int pondi_arrow_field_add(pondi_arrow_field *field, const pond_value *value, const char **problem)
{
    if (value->type == POND_TYPE_NULL)
        return POND_OK;
    pond_type before = field->type;
    field->type = common(field->type, (pond_type)value->type);
    if (field->type == POND_TYPE_NULL) {
        *problem = "has values of different types: cast it to one of them in the statement";
        return POND_EDATA;
    }
    if (field->type == POND_TYPE_DECIMAL && before == POND_TYPE_INT64)
        field->whole_digits = 19;
    if (value->type == POND_TYPE_INTERVAL)
        field->has_months |= value->aux != 0;
    if (value->type == POND_TYPE_TIME && value->aux) {
        *problem = "has times with a time zone: cast it to time or text";
        return POND_EDATA;
    }
    if (value->type == POND_TYPE_ARRAY)
        return add_items(field, value, problem);
    return add_number(field, value, problem);
}

void pondi_arrow_field_clear(pondi_arrow_field *field)
{
    if (field->of)
        pondi_arrow_field_clear(field->of);
    pondi_free(field->of);
    field->of = NULL;
}
