/* Sessions: what is pending and until when, tokens, and that nothing that was seen is lost. */
#include "topology_cases.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "topology/session.h"

/* ---- Cases -------------------------------------------------------------------------------- */

static pond_session *new_session(const char *token)
{
    pond_session *session = NULL;
    pond_error *error = NULL;
    if (pond_session_new(token, &session, &error))
        fail_msg("\"%s\": %s", token, pond_error_message(error));
    return session;
}

static const char *text_at(const json_t *array, size_t index)
{
    return json_string_value(json_array_get(array, index));
}

static int64_t number_at(const json_t *array, size_t index)
{
    return (int64_t)json_integer_value(json_array_get(array, index));
}

static void note_position(pond_session *session, const json_t *given)
{
    pondi_position position = position_in(json_array_get(given, 1));
    pondi_session_note_position(session, text_at(given, 0), &position,
                                json_is_true(json_array_get(given, 2)), number_at(given, 3),
                                number_at(given, 4));
    pondi_position_free(&position);
}

static void resolve(pond_session *session, const json_t *given, const json_t *step)
{
    pondi_position position = position_in(json_array_get(given, 3));
    assert_int_equal(pondi_session_resolve(session, text_at(given, 0), text_at(given, 1),
                                           number_at(given, 2), &position),
                     truth_or(step, "resolved", -1));
    pondi_position_free(&position);
}

static void check_needs(pond_session *session, const json_t *given, const json_t *step)
{
    pondi_session_wish needs;
    assert_int_equal(pondi_session_needs(session, text_at(given, 0), &needs, NULL), POND_OK);
    const json_t *pair = member(step, "position");
    pondi_position expected = position_in(json_is_null(pair) ? NULL : pair);
    assert_true(is_equal(&needs.position, &expected));
    assert_int_equal(needs.known, truth_or(step, "known", 1));
    const char *pending = text_or(step, "pending", NULL);
    assert_int_equal(needs.pending, pending != NULL);
    assert_string_equal(needs.node, pending ? pending : "");
    assert_int_equal(needs.pending_ns, number_or(step, "pending_ns", needs.pending_ns));
    assert_int_equal(needs.others, number_or(step, "others", needs.others));
    pondi_position_free(&needs.position);
    pondi_position_free(&expected);
}

static void do_step(pond_session *session, const json_t *step)
{
    const json_t *given = NULL;
    if ((given = json_object_get(step, "note_position")))
        note_position(session, given);
    else if ((given = json_object_get(step, "note_use")))
        pondi_session_note_use(session, text_at(given, 0), text_at(given, 1), number_at(given, 2));
    else if ((given = json_object_get(step, "resolve")))
        resolve(session, given, step);
    else if ((given = json_object_get(step, "merge")))
        assert_int_equal(pondi_session_merge(session, text_at(given, 0), strlen(text_at(given, 0)),
                                             number_at(given, 1), NULL),
                         POND_OK);
    else
        check_needs(session, member(step, "needs"), step);
}

static void a_session_remembers_what_was_seen(void **state)
{
    (void)state;
    json_t *cases = load_cases("sessions");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "steps"), i, one)
    {
        size_t at;
        json_t *step;
        print_message("  %s\n", text_or(one, "name", ""));
        pond_session *session = new_session(NULL);
        json_array_foreach(member(one, "steps"), at, step) do_step(session, step);
        pond_session_release(session);
    }
    json_decref(cases);
}

/* ---- Tokens ------------------------------------------------------------------------------- */

static char *token_of(pond_session *session)
{
    char *token = NULL;
    assert_int_equal(pond_session_token(session, &token, NULL), POND_OK);
    assert_true(strlen(token) <= POND_SESSION_TOKEN_MAX);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789._~-"),
                     strlen(token));
    return token;
}

/* The token of a session that was made of `token`. */
static char *token_again(const char *token)
{
    pond_session *session = new_session(token);
    char *again = token_of(session);
    pond_session_release(session);
    return again;
}

static void check_refused(const char *token)
{
    pond_session *session = NULL;
    pond_error *error = NULL;
    assert_int_equal(pondi_session_merge(NULL, token, strlen(token), 1, &error), POND_EINVAL);
    assert_non_null(strstr(pond_error_message(error), "this is no session token: "));
    pond_error_free(error);
    if (token[0]) {
        assert_int_equal(pond_session_new(token, &session, NULL), POND_EINVAL);
        assert_null(session);
    }
}

static void a_token_is_read_as_it_was_written_or_not_at_all(void **state)
{
    (void)state;
    json_t *cases = load_cases("sessions");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "tokens"), i, one)
    {
        const char *token = text_or(one, "token", "?");
        print_message("  %s\n", token);
        if (!json_object_get(one, "same")) {
            check_refused(token);
            continue;
        }
        char *again = token_again(token);
        char *third = token_again(again);
        assert_int_equal(strcmp(again, token) == 0, truth_or(one, "same", 0));
        assert_int_equal(strlen(third), strlen(token));
        pond_string_free(again);
        pond_string_free(third);
    }
    json_decref(cases);
}

static void an_empty_token_is_an_empty_session(void **state)
{
    (void)state;
    pond_session *session = new_session("");
    char *token = token_of(session);
    assert_string_equal(token, "1");
    assert_int_equal(pond_session_merge(session, "", NULL), POND_OK);
    assert_int_equal(pond_session_merge(session, "1~c.g7", NULL), POND_OK);
    assert_int_equal(pond_session_merge(session, "1~c.g8~c", NULL), POND_EINVAL);
    pond_string_free(token);
    token = token_of(session);
    assert_string_equal(token, "1~c.g7");
    pond_string_free(token);
    pond_session_release(session);
}

/* MySQL's position with gaps: each range takes some bytes of the token. */
static pondi_position make_long(int ranges)
{
    pondi_buffer text;
    pondi_position position;
    pondi_buffer_init(&text);
    pondi_buffer_append_text(&text, "3e11fa47-71ca-11e1-9e33-c80aa9429562");
    for (int i = 0; i < ranges; i++)
        pondi_buffer_appendf(&text, ":%d", 1000 + 2 * i);
    assert_int_equal(
        pondi_position_parse(PONDI_POSITION_GTID_SET, text.data, text.size, &position, NULL),
        POND_OK);
    pondi_buffer_free(&text);
    return position;
}

static void a_position_too_long_for_a_token_is_pending_instead(void **state)
{
    (void)state;
    pond_session *session = new_session(NULL);
    pondi_position position = make_long(2000);
    pondi_session_note_position(session, "long", &position, 1, 1, 2);
    pondi_session_note_use(session, "short", "n1", 2);
    char *token = token_of(session);
    assert_string_equal(token, "1~short.n.pn1~long.n.p");
    pond_string_free(token);
    pondi_position_free(&position);
    pond_session_release(session);
}

static void more_clusters_than_a_token_holds_are_all_pending(void **state)
{
    (void)state;
    char cluster[40];
    pondi_session_wish needs;
    pond_session *session = new_session(NULL);
    for (int i = 0; i < 2 * PONDI_SESSION_MOST; i++) {
        snprintf(cluster, sizeof(cluster), "cluster-with-a-long-name-%d", i);
        pondi_session_note_use(session, cluster, "n1", i);
    }
    char *token = token_of(session);
    assert_string_equal(token + strlen(token) - 2, "~o");
    pond_session *copy = new_session(token);
    for (int i = 0; i < 2 * PONDI_SESSION_MOST; i++) {
        snprintf(cluster, sizeof(cluster), "cluster-with-a-long-name-%d", i);
        assert_int_equal(pondi_session_needs(copy, cluster, &needs, NULL), POND_OK);
        assert_true(needs.known && needs.pending);
    }
    pond_string_free(token);
    pond_session_release(copy);
    pond_session_release(session);
}

static void long_keys_are_told_apart(void **state)
{
    (void)state;
    char a[300];
    char b[300];
    pondi_session_wish needs;
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    a[298] = 'a';
    a[299] = b[299] = '\0';
    pond_session *session = new_session(NULL);
    pondi_session_note_use(session, a, b, 5); /* so long a node's key is the primary's */
    assert_int_equal(pondi_session_needs(session, a, &needs, NULL), POND_OK);
    assert_true(needs.known && needs.pending && needs.node[0] == '\0');
    assert_int_equal(pondi_session_needs(session, b, &needs, NULL), POND_OK);
    assert_true(!needs.known && needs.others == 1);
    pond_session_release(session);
}

/* ---- Nothing is lost ---------------------------------------------------------------------- */

enum { REPLICAS = 3, STEPS = 20000, REPORTS = 8 };

/* A cluster, and a caller who has seen its transactions 1 to `seen`. */
typedef struct world {
    dice from;
    int64_t now_ns;
    uint64_t primary;
    uint64_t replicas[REPLICAS];
    uint64_t seen;
    struct {
        int node; /* REPLICAS: the primary */
        int64_t asked_ns;
        uint64_t number;
    } reports[REPORTS]; /* asked for, not yet told */
    pond_session *session;
} world;

static const char *const names[REPLICAS + 1] = {"n0", "n1", "n2", ""};

static uint64_t *node_at(world *in, uint64_t node)
{
    return node == REPLICAS ? &in->primary : &in->replicas[node];
}

static void replicate(world *in)
{
    uint64_t *replica = &in->replicas[roll(&in->from, REPLICAS)];
    *replica += roll(&in->from, in->primary - *replica + 1);
}

/* A commit of the caller's, after which others commit, and then the answer comes. */
static void commit(world *in)
{
    int64_t asked_ns = in->now_ns++;
    in->primary++;
    pondi_position position = pondi_position_of_galera(in->primary);
    if (in->primary > in->seen)
        in->seen = in->primary;
    in->primary += roll(&in->from, 3);
    if (!roll(&in->from, 4)) {
        uint64_t node = roll(&in->from, REPLICAS + 1);
        in->seen = *node_at(in, node) > in->seen ? *node_at(in, node) : in->seen;
        pondi_session_note_use(in->session, "c", names[node], ++in->now_ns);
    }
    if (!roll(&in->from, 5))
        position = (pondi_position){0};
    pondi_session_note_position(in->session, "c", &position, 1, asked_ns, ++in->now_ns);
}

static void read_somewhere(world *in)
{
    uint64_t node = roll(&in->from, REPLICAS + 1);
    if (*node_at(in, node) > in->seen)
        in->seen = *node_at(in, node);
    pondi_session_note_use(in->session, "c", names[node], ++in->now_ns);
}

/* Ask a node, or hear an answer that was asked for long ago. */
static void report(world *in)
{
    uint64_t place = roll(&in->from, REPORTS);
    if (in->reports[place].asked_ns) {
        pondi_position position = pondi_position_of_galera(in->reports[place].number);
        pondi_session_resolve(in->session, "c", names[in->reports[place].node],
                              in->reports[place].asked_ns, &position);
        in->reports[place].asked_ns = 0;
    } else {
        in->reports[place].node = (int)roll(&in->from, REPLICAS + 1);
        in->reports[place].asked_ns = in->now_ns;
        in->reports[place].number = *node_at(in, (uint64_t)in->reports[place].node);
    }
}

/* To another process by a token, and back. */
static void pass_on(world *in)
{
    char *token = token_of(in->session);
    pond_session *other = NULL;
    assert_int_equal(pond_session_new(NULL, &other, NULL), POND_OK);
    assert_int_equal(pondi_session_merge(other, token, strlen(token), in->now_ns, NULL), POND_OK);
    pond_session_release(in->session);
    in->session = other;
    pond_string_free(token);
}

/* A node that may serve now has all that the caller has seen. */
static void check_nothing_is_lost(world *in)
{
    pondi_session_wish needs;
    assert_int_equal(pondi_session_needs(in->session, "c", &needs, NULL), POND_OK);
    for (uint64_t node = 0; node < REPLICAS; node++) {
        pondi_position at = pondi_position_of_galera(*node_at(in, node));
        int may_serve = pondi_position_covers(&at, &needs.position) == PONDI_COVERS_YES &&
                        (!needs.pending || strcmp(needs.node, names[node]) == 0);
        if (may_serve && *node_at(in, node) < in->seen)
            fail_msg("a read at n%d would miss what was seen", (int)node);
    }
}

static void walk(world *in)
{
    in->now_ns += (int64_t)roll(&in->from, 2);
    switch (roll(&in->from, 8)) {
    case 0:
        commit(in);
        break;
    case 1:
        read_somewhere(in);
        break;
    case 2:
    case 3:
        replicate(in);
        break;
    case 4:
        if (!roll(&in->from, 4))
            pass_on(in);
        break;
    default:
        report(in);
    }
}

static void a_session_never_loses_what_it_saw(void **state)
{
    (void)state;
    world in = {.from = {3}, .now_ns = 1, .session = new_session(NULL)};
    int quiet = 0;
    for (int step = 0; step < STEPS; step++) {
        pondi_session_wish needs;
        walk(&in);
        check_nothing_is_lost(&in);
        assert_int_equal(pondi_session_needs(in.session, "c", &needs, NULL), POND_OK);
        quiet += !needs.pending;
    }
    assert_true(quiet > STEPS / 10); /* it is not all pending for ever */
    pond_session_release(in.session);
}

static void nor_where_memory_is_out(void **state)
{
    (void)state;
    for (uint64_t failing = 1; failing < 200; failing++) {
        world in = {.from = {failing}, .now_ns = 1, .session = new_session(NULL)};
        for (int step = 0; step < 40; step++) {
            pondi_alloc_fail_after(1 + roll(&in.from, 2), roll(&in.from, 2) == 0);
            if (roll(&in.from, 2))
                commit(&in);
            else
                read_somewhere(&in);
            report(&in);
            pondi_alloc_fail_after(0, 0);
            replicate(&in);
            check_nothing_is_lost(&in);
        }
        pass_on(&in);
        check_nothing_is_lost(&in);
        pond_session_release(in.session);
    }
}

static void each_allocation_of_the_calls_may_fail(void **state)
{
    (void)state;
    static const char token[] = "1~c.s3e11fa47-71ca-11e1-9e33-c80aa9429562_c1-5_c8~d.g1.pn1";
    int code = POND_ENOMEM;
    for (uint64_t failing = 1; code == POND_ENOMEM; failing++) {
        pond_session *session = NULL;
        char *again = NULL;
        pond_error *error = NULL;
        pondi_session_wish needs = {0};
        pondi_alloc_fail_after(failing, 0);
        code = pond_session_new(token, &session, &error);
        if (!code)
            code = pond_session_token(session, &again, &error);
        if (!code)
            code = pondi_session_needs(session, "c", &needs, &error);
        pondi_alloc_fail_after(0, 0);
        assert_true(code == POND_OK || code == POND_ENOMEM);
        assert_int_equal(pond_error_code(error), code);
        pondi_position_free(&needs.position);
        pond_error_free(error);
        pond_string_free(again);
        pond_session_release(session);
    }
}

static void a_use_of_a_known_cluster_allocates_nothing(void **state)
{
    (void)state;
    pond_session *session = new_session("1~c.l1_c0_l1");
    pondi_position position = pondi_position_of_lsn(1, 7);
    pondi_alloc_fail_after(1, 1);
    pondi_session_note_use(session, "c", "n1", 1);
    pondi_session_note_use(session, "c", "n1", 2);
    pondi_session_note_position(session, "c", &position, 1, 2, 3);
    assert_int_equal(pondi_alloc_failures(), 0);
    pondi_alloc_fail_after(0, 0);
    char *token = token_of(session);
    assert_string_equal(token, "1~c.l1_c0_l7");
    pond_string_free(token);
    pond_session_release(session);
}

/* ---- Threads and processes ---------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 400 };

static void *use_it(void *argument)
{
    pond_session *session = argument;
    char cluster[16];
    for (int i = 0; i < ROUNDS; i++) {
        pondi_position position = pondi_position_of_lsn(1, (uint64_t)i);
        pondi_session_wish needs;
        snprintf(cluster, sizeof(cluster), "c%d", i % 5);
        pondi_session_note_use(session, cluster, "n1", i);
        pondi_session_note_position(session, cluster, &position, 1, i, i);
        assert_int_equal(pondi_session_needs(session, cluster, &needs, NULL), POND_OK);
        assert_true(needs.position.number >= (uint64_t)i);
        pondi_position_free(&needs.position);
        char *token = NULL;
        assert_int_equal(pond_session_token(session, &token, NULL), POND_OK);
        assert_int_equal(pond_session_merge(session, token, NULL), POND_OK);
        pond_string_free(token);
    }
    pond_session_release(session);
    return NULL;
}

static void threads_share_a_session(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    pond_session *session = new_session(NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_it, pond_session_retain(session)),
                         0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 5; i++) {
        pondi_session_wish needs;
        char cluster[16];
        snprintf(cluster, sizeof(cluster), "c%d", i);
        assert_int_equal(pondi_session_needs(session, cluster, &needs, NULL), POND_OK);
        assert_int_equal(needs.position.number, ROUNDS - 5 + i);
    }
    pond_session_release(session);
}

static void a_forked_child_uses_a_session_that_was_locked(void **state)
{
    (void)state;
    int status = 0;
    pond_session *session = new_session("1~c.l1_c0_l1");
    pondi_session_lock(session);
    pid_t child = fork();
    if (child == 0) {
        char *token = NULL;
        alarm(60);
        pondi_session_note_use(session, "c", "n1", 1);
        _exit(pond_session_token(session, &token, NULL) || strcmp(token, "1~c.l1_c0_l1.pn1") != 0);
    }
    pondi_session_unlock(session);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pond_session_release(session);
}

RUN_TESTS(cmocka_unit_test(a_session_remembers_what_was_seen),
          cmocka_unit_test(a_token_is_read_as_it_was_written_or_not_at_all),
          cmocka_unit_test(an_empty_token_is_an_empty_session),
          cmocka_unit_test(a_position_too_long_for_a_token_is_pending_instead),
          cmocka_unit_test(more_clusters_than_a_token_holds_are_all_pending),
          cmocka_unit_test(long_keys_are_told_apart),
          cmocka_unit_test(a_session_never_loses_what_it_saw),
          cmocka_unit_test(nor_where_memory_is_out),
          cmocka_unit_test(each_allocation_of_the_calls_may_fail),
          cmocka_unit_test(a_use_of_a_known_cluster_allocates_nothing),
          cmocka_unit_test(threads_share_a_session),
          cmocka_unit_test(a_forked_child_uses_a_session_that_was_locked))
