/* Positions: how they are read and printed, which covers which, and their maximum. */
#include "topology_cases.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"

/* ---- Cases -------------------------------------------------------------------------------- */

static void a_position_is_read_and_printed_in_its_own_way(void **state)
{
    (void)state;
    json_t *cases = load_cases("positions");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "parse"), i, one)
    {
        const char *text = text_or(one, "text", "");
        const char *printed = text_or(one, "printed", NULL);
        pondi_position position;
        pond_error *error = NULL;
        int code = pondi_position_parse(kind_of(text_or(one, "kind", "")), text, strlen(text),
                                        &position, &error);
        if (printed) {
            if (code)
                fail_msg("\"%s\": %s", text, pond_error_message(error));
            check_printed(&position, printed);
        } else {
            if (code != POND_EINVAL)
                fail_msg("\"%s\" is read, or fails with %d", text, code);
            assert_int_equal(position.kind, PONDI_POSITION_NONE);
        }
        pond_error_free(error);
        pondi_position_free(&position);
    }
    json_decref(cases);
}

static void a_node_covers_what_it_has_all_of(void **state)
{
    (void)state;
    static const char *const words[] = {"no", "yes", "unknown"};
    json_t *cases = load_cases("positions");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "covers"), i, one)
    {
        pondi_position node = position_in(member(one, "node"));
        pondi_position wanted = position_in(member(one, "wanted"));
        int expected = word_index(text_or(one, "covers", ""), words, 3);
        int got = (int)pondi_position_covers(&node, &wanted);
        if (got != expected)
            fail_msg("case %zu of covers: %s", i, words[got]);
        pondi_position_free(&node);
        pondi_position_free(&wanted);
    }
    json_decref(cases);
}

static void check_merge(const json_t *left, const json_t *right, const json_t *both)
{
    pondi_position a = position_in(left);
    pondi_position b = position_in(right);
    pondi_position expected = position_in(both ? both : left);
    assert_int_equal(pondi_position_merge(&a, &b, NULL), both ? POND_OK : POND_EINVAL);
    assert_true(is_equal(&a, &expected));
    pondi_position_free(&a);
    pondi_position_free(&b);
    pondi_position_free(&expected);
}

static void both_together_name_what_either_named(void **state)
{
    (void)state;
    json_t *cases = load_cases("positions");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "merge"), i, one)
    {
        check_merge(member(one, "a"), member(one, "b"), json_object_get(one, "both"));
        check_merge(member(one, "b"), member(one, "a"), json_object_get(one, "both"));
    }
    json_decref(cases);
}

static void a_commits_position_is_whole_where_it_names_all_before_it(void **state)
{
    (void)state;
    json_t *cases = load_cases("positions");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "whole"), i, one)
    {
        pondi_position commit = position_in(member(one, "commit"));
        pondi_position primary = position_in(member(one, "primary"));
        assert_int_equal(pondi_position_is_whole(&commit, &primary), truth_or(one, "whole", -1));
        pondi_position_free(&commit);
        pondi_position_free(&primary);
    }
    json_decref(cases);
}

/* ---- Order -------------------------------------------------------------------------------- */

/* A universe so small that random positions often touch, cover and equal each other. */
enum { SOURCES = 2, NUMBERS = 12, WALKS = 1000 };

/* The transactions that a position has of MySQL: a bit for each. */
typedef struct model {
    uint32_t bits[SOURCES];
} model;

static void append_source(model of, int source, pondi_buffer *out)
{
    for (int number = 1; number <= NUMBERS; number++) {
        if (of.bits[source] >> number & 1)
            pondi_buffer_appendf(out, "%s3e11fa47-71ca-11e1-9e33-c80aa942956%d:%d",
                                 out->size ? "," : "", source, number);
    }
}

static pondi_position make_set(model of)
{
    pondi_buffer text;
    pondi_position position;
    pondi_buffer_init(&text);
    for (int source = 0; source < SOURCES; source++)
        append_source(of, source, &text);
    assert_int_equal(pondi_position_parse(PONDI_POSITION_GTID_SET, text.data ? text.data : "",
                                          text.size, &position, NULL),
                     POND_OK);
    pondi_buffer_free(&text);
    return position;
}

static model random_model(dice *from)
{
    model made = {{0}};
    for (int source = 0; source < SOURCES; source++) {
        uint64_t how = roll(from, 4); /* none, dense ones, sparse ones */
        for (int number = 1; number <= NUMBERS && how; number++)
            made.bits[source] |= (uint32_t)(roll(from, how) == 0) << number;
    }
    return made;
}

static void sets_of_mysql_are_sets(void **state)
{
    (void)state;
    dice from = {1};
    for (int walk = 0; walk < WALKS; walk++) {
        model a = random_model(&from);
        model b = random_model(&from);
        model both = {{a.bits[0] | b.bits[0], a.bits[1] | b.bits[1]}};
        pondi_position left = make_set(a);
        pondi_position right = make_set(b);
        pondi_position expected = make_set(both);
        int includes = both.bits[0] == a.bits[0] && both.bits[1] == a.bits[1];
        assert_int_equal(pondi_position_covers(&left, &right), includes);
        assert_int_equal(pondi_position_merge(&left, &right, NULL), POND_OK);
        assert_true(is_equal(&left, &expected));
        pondi_position_free(&left);
        pondi_position_free(&right);
        pondi_position_free(&expected);
    }
}

static pondi_position random_gtid(dice *from)
{
    char text[80];
    pondi_buffer all;
    pondi_position position;
    pondi_buffer_init(&all);
    for (int domain = 0; domain < 3; domain++) {
        snprintf(text, sizeof(text), "%s%d-%" PRIu64 "-%" PRIu64, all.size ? "," : "", domain,
                 roll(from, 2), roll(from, 4));
        if (roll(from, 3))
            pondi_buffer_append_text(&all, text);
    }
    assert_int_equal(pondi_position_parse(PONDI_POSITION_GTID, all.data ? all.data : "", all.size,
                                          &position, NULL),
                     POND_OK);
    pondi_buffer_free(&all);
    return position;
}

static pondi_position random_position(dice *from, pondi_position_kind kind)
{
    switch (kind) {
    case PONDI_POSITION_LSN:
        return pondi_position_of_lsn(1 + (uint32_t)roll(from, 3), roll(from, 6));
    case PONDI_POSITION_GTID:
        return random_gtid(from);
    case PONDI_POSITION_GTID_SET:
        return make_set(random_model(from));
    case PONDI_POSITION_GALERA:
        return pondi_position_of_galera(roll(from, 6));
    default:
        return (pondi_position){0};
    }
}

static pondi_position merged(const pondi_position *a, const pondi_position *b)
{
    pondi_position out;
    assert_int_equal(pondi_position_copy(a, &out, NULL), POND_OK);
    assert_int_equal(pondi_position_merge(&out, b, NULL), POND_OK);
    return out;
}

/* `a` merged with `b` and `c`, in this order or the other. */
static pondi_position merged_all(const pondi_position *a, const pondi_position *b,
                                 const pondi_position *c, int from_right)
{
    pondi_position two = from_right ? merged(b, c) : merged(a, b);
    pondi_position all = from_right ? merged(a, &two) : merged(&two, c);
    pondi_position_free(&two);
    return all;
}

static void check_maximum(const pondi_position of[3])
{
    pondi_position ab = merged(&of[0], &of[1]);
    pondi_position ba = merged(&of[1], &of[0]);
    pondi_position again = merged(&ab, &of[1]);
    pondi_position left = merged_all(&of[0], &of[1], &of[2], 0);
    pondi_position right = merged_all(&of[0], &of[1], &of[2], 1);
    assert_true(is_equal(&ab, &ba));
    assert_true(is_equal(&ab, &again));
    assert_true(is_equal(&left, &right));
    assert_int_not_equal(pondi_position_covers(&ab, &of[0]), PONDI_COVERS_NO);
    assert_int_not_equal(pondi_position_covers(&ab, &of[1]), PONDI_COVERS_NO);
    if (pondi_position_covers(&of[2], &of[0]) == PONDI_COVERS_YES &&
        pondi_position_covers(&of[2], &of[1]) == PONDI_COVERS_YES)
        assert_int_equal(pondi_position_covers(&of[2], &ab), PONDI_COVERS_YES);
    pondi_position_free(&ab);
    pondi_position_free(&ba);
    pondi_position_free(&again);
    pondi_position_free(&left);
    pondi_position_free(&right);
}

/* Equal in their order; servers of MariaDB's GTIDs do not count there. */
static void check_order(const pondi_position of[3])
{
    pondi_covers ab = pondi_position_covers(&of[0], &of[1]);
    pondi_covers ba = pondi_position_covers(&of[1], &of[0]);
    pondi_covers bc = pondi_position_covers(&of[1], &of[2]);
    assert_int_equal(pondi_position_covers(&of[0], &of[0]), PONDI_COVERS_YES);
    assert_int_equal(ab == PONDI_COVERS_UNKNOWN, ba == PONDI_COVERS_UNKNOWN);
    if (ab == PONDI_COVERS_YES && ba == PONDI_COVERS_YES && of[0].kind != PONDI_POSITION_GTID)
        assert_true(is_equal(&of[0], &of[1]));
    if (ab == PONDI_COVERS_YES && bc == PONDI_COVERS_YES)
        assert_int_equal(pondi_position_covers(&of[0], &of[2]), PONDI_COVERS_YES);
}

static void covers_is_a_partial_order_and_merge_its_maximum(void **state)
{
    (void)state;
    dice from = {2};
    for (int walk = 0; walk < 4 * WALKS; walk++) {
        pondi_position_kind kind = (pondi_position_kind)(1 + walk % (PONDI_POSITION_KINDS - 1));
        pondi_position of[3];
        for (int i = 0; i < 3; i++)
            of[i] = random_position(&from, kind);
        check_order(of);
        check_maximum(of);
        for (int i = 0; i < 3; i++)
            pondi_position_free(&of[i]);
    }
}

/* ---- Limits ------------------------------------------------------------------------------- */

/* `count` ranges that do not touch, from `first` on. */
static char *make_long(int first, int count)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    pondi_buffer_append_text(&text, "3e11fa47-71ca-11e1-9e33-c80aa9429562");
    for (int i = 0; i < count; i++)
        pondi_buffer_appendf(&text, ":%d", first + 2 * i);
    return pondi_buffer_take(&text);
}

static void a_set_that_is_too_long_is_refused(void **state)
{
    (void)state;
    pondi_position most;
    pondi_position more;
    char *text = make_long(1, PONDI_GTID_MOST);
    char *longer = make_long(1, PONDI_GTID_MOST + 1);
    char *last = make_long(2 * PONDI_GTID_MOST + 1, 1);
    assert_int_equal(
        pondi_position_parse(PONDI_POSITION_GTID_SET, longer, strlen(longer), &more, NULL),
        POND_ERANGE);
    assert_int_equal(pondi_position_parse(PONDI_POSITION_GTID_SET, text, strlen(text), &most, NULL),
                     POND_OK);
    assert_int_equal(pondi_position_parse(PONDI_POSITION_GTID_SET, last, strlen(last), &more, NULL),
                     POND_OK);
    assert_int_equal(pondi_position_merge(&most, &more, NULL), POND_ERANGE);
    check_printed(&most, text);
    pondi_position_free(&most);
    pondi_position_free(&more);
    char *huge = pondi_calloc(1, PONDI_GTID_TEXT + 1);
    assert_int_equal(
        pondi_position_parse(PONDI_POSITION_GTID, huge, PONDI_GTID_TEXT + 1, &more, NULL),
        POND_ERANGE);
    pondi_free(huge);
    pondi_free(text);
    pondi_free(longer);
    pondi_free(last);
}

/* ---- Memory ------------------------------------------------------------------------------- */

static int copy_and_merge(const pondi_position *a, const pondi_position *b, pondi_position *out)
{
    int code = pondi_position_copy(a, out, NULL);
    return code ? code : pondi_position_merge(out, b, NULL);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:9:11:13,"
                               "3e11fa47-71ca-11e1-9e33-c80aa9429563:1-5";
    pondi_position other = position_of("gtid_set", "3e11fa47-71ca-11e1-9e33-c80aa9429561:4:7");
    int code = POND_ENOMEM;
    for (uint64_t failing = 1; code == POND_ENOMEM; failing++) {
        pondi_position read = {0};
        pondi_position both = {0};
        pondi_alloc_fail_after(failing, 0);
        code = pondi_position_parse(PONDI_POSITION_GTID_SET, text, strlen(text), &read, NULL);
        if (!code)
            code = copy_and_merge(&read, &other, &both);
        pondi_alloc_fail_after(0, 0);
        assert_true(code == POND_OK || code == POND_ENOMEM);
        if (both.kind != PONDI_POSITION_NONE)
            assert_int_equal(pondi_position_covers(&both, &read), PONDI_COVERS_YES);
        pondi_position_free(&read);
        pondi_position_free(&both);
    }
    pondi_position_free(&other);
}

static void one_more_commit_allocates_nothing(void **state)
{
    (void)state;
    static const char *const commits[][3] = {
        {"lsn", "1:0/5", "1:0/6"},
        {"galera", "5", "6"},
        {"gtid", "0-1-5,1-1-1", "0-2-6"},
        {"gtid_set", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:9",
         "3e11fa47-71ca-11e1-9e33-c80aa9429562:6"},
    };
    for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
        pondi_position position = position_of(commits[i][0], commits[i][1]);
        pondi_position commit = position_of(commits[i][0], commits[i][2]);
        pondi_alloc_fail_after(1, 1);
        assert_int_equal(pondi_position_merge(&position, &commit, NULL), POND_OK);
        pondi_alloc_fail_after(0, 0);
        assert_int_equal(pondi_position_covers(&position, &commit), PONDI_COVERS_YES);
        pondi_position_free(&position);
        pondi_position_free(&commit);
    }
}

RUN_TESTS(cmocka_unit_test(a_position_is_read_and_printed_in_its_own_way),
          cmocka_unit_test(a_node_covers_what_it_has_all_of),
          cmocka_unit_test(both_together_name_what_either_named),
          cmocka_unit_test(a_commits_position_is_whole_where_it_names_all_before_it),
          cmocka_unit_test(sets_of_mysql_are_sets),
          cmocka_unit_test(covers_is_a_partial_order_and_merge_its_maximum),
          cmocka_unit_test(a_set_that_is_too_long_is_refused),
          cmocka_unit_test(each_allocation_may_fail),
          cmocka_unit_test(one_more_commit_allocates_nothing))
