/* How the values of a column are read: built-in types, and what the server told of others. */
#include "drivers/postgres/postgres.h"

/* The server was asked for a form that nobody can read. */
static int decode_nothing(const char *data, int size, pondi_arena *arena, pond_value *out)
{
    (void)data;
    (void)size;
    (void)arena;
    (void)out;
    return POND_EDATA;
}

pg_codec pondi_postgres_codec(const pg_conn *conn, Oid type, int is_binary)
{
    pg_type known;
    pondi_postgres_find_type(conn, type, &known);
    pg_codec codec = {.is_array = known.element != 0,
                      .is_binary = is_binary,
                      .delimiter = known.delimiter,
                      .type = known.element ? POND_TYPE_ARRAY : pondi_postgres_type(known.like)};
    if (!is_binary)
        codec.decoder = pondi_postgres_text_decoder(known.like);
    else
        codec.decoder = known.like ? pondi_postgres_binary_decoder(known.like) : decode_nothing;
    return codec;
}

static int decode_wrapped(const pg_codec *codec, const char *data, int size, pondi_arena *arena,
                          pond_value *out)
{
    pg_codec inner = *codec;
    const char *text;
    int length;
    int code = pondi_postgres_unwrap(data, size, arena, &text, &length);
    inner.is_wrapped = 0;
    return code || !text ? code : pondi_postgres_decode(&inner, text, length, arena, out);
}

int pondi_postgres_decode(const pg_codec *codec, const char *data, int size, pondi_arena *arena,
                          pond_value *out)
{
    if (codec->is_wrapped)
        return decode_wrapped(codec, data, size, arena, out);
    if (!codec->is_array)
        return codec->decoder(data, size, arena, out);
    if (codec->is_binary)
        return pondi_postgres_decode_array(data, size, codec->decoder, arena, out);
    return pondi_postgres_decode_text_array(data, size, codec->decoder, codec->delimiter, arena,
                                            out);
}
