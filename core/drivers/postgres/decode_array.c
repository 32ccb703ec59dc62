/* Arrays in binary. A hostile server may send any bytes: every length is checked. */
#include <string.h>

#include "drivers/postgres/postgres.h"

static int32_t read_int32(const char *data)
{
    uint32_t bits;
    memcpy(&bits, data, 4);
    return (int32_t)__builtin_bswap32(bits);
}

enum { MOST_DIMENSIONS = 6 };

typedef struct array_reader {
    const char *at;
    const char *end;
    pondi_arena *arena;
    pg_decoder decoder;
    int dimensions;
    int sizes[MOST_DIMENSIONS];
} array_reader;

static int read_element(array_reader *in, pond_value *out)
{
    if (in->end - in->at < 4)
        return POND_EDATA;
    int size = read_int32(in->at);
    in->at += 4;
    memset(out, 0, sizeof(*out));
    if (size == -1)
        return POND_OK;
    if (size < 0 || in->end - in->at < size)
        return POND_EDATA;
    const char *data = in->at;
    in->at += size;
    return in->decoder(data, size, in->arena, out);
}

static int read_dimension(array_reader *in, int dimension, pond_value *out)
{
    int count = in->sizes[dimension];
    /* each element has at least a length: a count that promises more is a lie, and so are many
     * arrays of nothing */
    if (count < (dimension > 0) || count > (in->end - in->at) / 4)
        return POND_EDATA;
    pond_value *items = pondi_arena_alloc(in->arena, (size_t)count * sizeof(*items));
    if (!items)
        return POND_ENOMEM;
    for (int i = 0; i < count; i++) {
        int code = dimension + 1 < in->dimensions ? read_dimension(in, dimension + 1, &items[i])
                                                  : read_element(in, &items[i]);
        if (code)
            return code;
    }
    out->type = POND_TYPE_ARRAY;
    out->aux = 0;
    out->as.array.items = items;
    out->as.array.count = (size_t)count;
    return POND_OK;
}

int pondi_postgres_decode_array(const char *data, int size, pg_decoder element, pondi_arena *arena,
                                pond_value *out)
{
    enum { HEADER = 12, DIMENSION = 8 };
    if (size < HEADER)
        return POND_EDATA;
    array_reader in = {.at = data + HEADER, .end = data + size, .arena = arena, .decoder = element};
    in.dimensions = read_int32(data);
    if (in.dimensions < 0 || in.dimensions > MOST_DIMENSIONS ||
        size < HEADER + DIMENSION * in.dimensions)
        return POND_EDATA;
    for (int i = 0; i < in.dimensions; i++, in.at += DIMENSION)
        in.sizes[i] = read_int32(in.at);
    if (in.dimensions)
        return read_dimension(&in, 0, out);
    out->type = POND_TYPE_ARRAY;
    out->aux = 0;
    out->as.array.items = NULL;
    out->as.array.count = 0;
    return POND_OK;
}
