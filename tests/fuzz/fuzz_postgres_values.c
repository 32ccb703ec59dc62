/* The decoders of PostgreSQL's values, binary and text, on any bytes: no crash, no read outside
 * the value, and what comes out can be walked. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "drivers/postgres/postgres.h"

static const Oid types[] = {16,   17,   18,   20,   21,   23,   25,   114,  700, 701, 1082,
                            1083, 1114, 1184, 1186, 1266, 1700, 2950, 3802, 603, 9999};

/* Read every byte that a value claims to have. */
static unsigned walk(const pond_value *value)
{
    unsigned sum = 0;
    switch (value->type) {
    case POND_TYPE_TEXT:
    case POND_TYPE_BYTES:
    case POND_TYPE_JSON:
    case POND_TYPE_DECIMAL:
        for (size_t i = 0; i < value->as.text.size; i++)
            sum += (unsigned char)value->as.text.data[i];
        break;
    case POND_TYPE_ARRAY:
        for (size_t i = 0; i < value->as.array.count; i++)
            sum += walk(&value->as.array.items[i]);
        break;
    default:
        break;
    }
    return sum;
}

static void decode(const pg_codec *codec, const char *data, size_t size)
{
    pondi_arena arena;
    pond_value value;
    volatile unsigned sink = 0;
    memset(&value, 0, sizeof(value));
    pondi_arena_init(&arena);
    if (pondi_postgres_decode(codec, data, (int)size, &arena, &value) == POND_OK)
        sink = walk(&value);
    (void)sink;
    pondi_arena_free(&arena);
}

/* A value of the type, or an array of such. */
static void decode_both(pg_decoder decoder, int is_binary, const char *data, size_t size)
{
    pg_codec codec = {.decoder = decoder, .is_binary = is_binary, .delimiter = ','};
    if (!decoder)
        return;
    decode(&codec, data, size);
    codec.is_array = 1;
    decode(&codec, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    Oid type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    char *text = malloc(size); /* as libpq has it: a NUL after the last byte */
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    decode_both(pondi_postgres_binary_decoder(type), 1, text, size - 1);
    if (!memchr(text, '\0', size - 1)) /* which text cannot have */
        decode_both(pondi_postgres_text_decoder(type), 0, text, size - 1);
    free(text);
    return 0;
}
