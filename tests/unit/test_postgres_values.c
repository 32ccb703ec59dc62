/* Values that no server of PostgreSQL sends, but a hostile one may. */
#include "check.h"
#include "drivers/postgres/postgres.h"

/* An array of integers in binary, of so many dimensions, with so many bytes of elements. */
static int decode_dimensions(const unsigned char *sizes, int count, int rest)
{
    char data[256] = {0};
    pondi_arena arena;
    pond_value value = {0};
    data[3] = (char)count;
    data[11] = OID_INT4;
    for (int i = 0; i < count; i++)
        data[15 + 8 * i] = (char)sizes[i];
    pondi_arena_init(&arena);
    int code = pondi_postgres_decode_array(data, 12 + 8 * count + rest,
                                           pondi_postgres_binary_decoder(OID_INT4), &arena, &value);
    pondi_arena_free(&arena);
    return code;
}

/* Each level would multiply what an array of nothing takes, in memory and time. */
static void dimensions_multiply_no_more_than_was_sent(void **state)
{
    (void)state;
    static const unsigned char nothing[] = {0};
    static const unsigned char few[] = {2, 2, 2, 2, 2, 0};
    static const unsigned char many[] = {20, 20, 20, 20, 20, 0};
    assert_int_equal(decode_dimensions(nothing, 1, 0), POND_OK);
    assert_int_equal(decode_dimensions(few, 6, 8), POND_EDATA);
    assert_int_equal(decode_dimensions(many, 6, 80), POND_EDATA);
}

RUN_TESTS(cmocka_unit_test(dimensions_multiply_no_more_than_was_sent))
