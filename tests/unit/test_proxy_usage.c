/* What each client uses: the table, the bucket, the lines of an audit log that are due. The time is
   the test's. */
#include "usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MS     UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

static struct usage_table *table;

static int open_table(void **state)
{
    (void)state;
    table = usage_table_new();
    return table ? 0 : -1;
}

static int close_table(void **state)
{
    (void)state;
    usage_table_free(table);
    return 0;
}

static struct usage *join(const char *key, uint64_t max, uint64_t now, enum usage_place *place)
{
    struct usage *usage = usage_join(table, str_of(key), max, now, place);
    assert_non_null(usage);
    return usage;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void test_places(void **state)
{
    (void)state;
    enum { MAX = 3, ALL = MAX + USAGE_CROWD_MAX + 2 };
    enum usage_place places[ALL], place;
    struct usage *usage = NULL;
    for (int i = 0; i < ALL; i++) {
        usage = join("a", MAX, SECOND, &places[i]);
        assert_int_equal(places[i], i < MAX                     ? USAGE_WELCOME
                                    : i < MAX + USAGE_CROWD_MAX ? USAGE_CROWDED
                                                                : USAGE_TURNED_AWAY);
    }
    struct usage *other = join("b", MAX, SECOND, &place);
    assert_ptr_not_equal(other, usage);
    assert_int_equal(place, USAGE_WELCOME);
    assert_int_equal(usage_table_count(table), 2);
    usage_leave(table, other, place, SECOND);
    assert_int_equal(usage_table_count(table), 1); /* nothing to remember */

    /* Who is one too many makes no room by leaving; one of the others does. */
    usage_leave(table, usage, places[ALL - 1], SECOND);
    usage_leave(table, usage, places[ALL - 2], SECOND);
    join("a", MAX, SECOND, &places[ALL - 2]);
    assert_int_equal(places[ALL - 2], USAGE_TURNED_AWAY);
    usage_leave(table, usage, places[0], SECOND);
    join("a", MAX, SECOND, &places[0]);
    assert_int_equal(places[0], USAGE_WELCOME);
    for (int i = 0; i < ALL - 1; i++)
        usage_leave(table, usage, places[i], SECOND);
    assert_int_equal(usage_table_count(table), 0);
}

/* Keys are compared whole, whatever is in them. */
static void test_keys(void **state)
{
    (void)state;
    static const struct str keys[] = {{"", 0},     {"\0", 1}, {"a", 1},      {"a\0b", 3},
                                      {"a\0c", 3}, {"ab", 2}, {"a\0b\0", 4}, {"\0a\0b", 4}};
    struct usage *usages[ARRAY_LEN(keys)];
    enum usage_place place;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        usages[i] = usage_join(table, keys[i], 1, SECOND, &place);
    assert_int_equal(usage_table_count(table), ARRAY_LEN(keys));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        usage_leave(table, usages[i], USAGE_WELCOME, SECOND);
    assert_int_equal(usage_table_count(table), 0);
}

/* A bucket outlives its connections until it is full again. */
static void test_memory_of_a_bucket(void **state)
{
    (void)state;
    enum usage_place place;
    struct usage *usage = join("a", 1, SECOND, &place);
    assert_true(usage_take_request(usage, 1, 2, SECOND));
    assert_true(usage_take_request(usage, 1, 2, SECOND));
    usage_leave(table, usage, place, SECOND);
    assert_int_equal(usage_table_count(table), 1);
    usage = join("a", 1, SECOND, &place);
    assert_false(usage_take_request(usage, 1, 2, SECOND));
    usage_leave(table, usage, place, SECOND);
    usage = join("b", 1, 3 * SECOND, &place); /* whoever comes cleans up */
    assert_int_equal(usage_table_count(table), 1);
    usage_leave(table, usage, place, 3 * SECOND);
    assert_int_equal(usage_table_count(table), 0);
}

static void test_bound(void **state)
{
    (void)state;
    char key[16];
    enum usage_place place;
    for (unsigned i = 0; i < USAGE_IDLE_MAX + 100; i++) {
        snprintf(key, sizeof(key), "%u", i);
        struct usage *usage = join(key, 1, SECOND, &place);
        assert_true(usage_take_request(usage, 1, 1, SECOND));
        usage_leave(table, usage, place, SECOND);
    }
    assert_int_equal(usage_table_count(table), USAGE_IDLE_MAX);
    /* The oldest have gone, the newest are there. */
    struct usage *newest = join(key, 1, SECOND, &place);
    assert_false(usage_take_request(newest, 1, 1, SECOND));
    usage_leave(table, newest, place, SECOND);
    struct usage *oldest = join("0", 1, SECOND, &place);
    assert_true(usage_take_request(oldest, 1, 1, SECOND));
    usage_leave(table, oldest, place, SECOND);
    struct usage *last = join("z", 1, 3 * SECOND, &place);
    assert_int_equal(usage_table_count(table), 1);
    usage_leave(table, last, place, 3 * SECOND);
    assert_int_equal(usage_table_count(table), 0);
}

/* ---- the bucket ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint64_t rate, burst;
    struct {
        uint64_t after_ms;           /* the row before */
        unsigned asked, let_through; /* how many, and how many of these pass */
    } steps[5];
} bucket_rows[] = {
    {"one at a time", 10, 1, {{0, 3, 1}, {99, 1, 0}, {1, 2, 1}, {100, 1, 1}, {1000, 5, 1}}},
    {"a burst, then the rate", 10, 5, {{0, 9, 5}, {100, 3, 1}, {250, 9, 2}, {50, 1, 1}, {0, 1, 0}}},
    {"no more than a burst is saved", 100, 4, {{0, 4, 4}, {60000, 9, 4}, {10, 9, 1}, {0, 0, 0}}},
    {"fast", 1000000, 1000, {{0, 2000, 1000}, {1, 2000, 1000}}},
    {"a burst without end", 1, 1000000, {{0, 100000, 100000}}},
};

static void test_bucket(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bucket_rows); i++) {
        uint64_t now = 5 * SECOND;
        enum usage_place place;
        struct usage *usage = join(bucket_rows[i].name, 1, now, &place);
        for (size_t step = 0; step < ARRAY_LEN(bucket_rows[i].steps); step++) {
            unsigned through = 0;
            now += bucket_rows[i].steps[step].after_ms * MS;
            for (unsigned n = 0; n < bucket_rows[i].steps[step].asked; n++)
                through +=
                    usage_take_request(usage, bucket_rows[i].rate, bucket_rows[i].burst, now);
            if (through != bucket_rows[i].steps[step].let_through)
                fail_msg("%s, step %zu: %u pass", bucket_rows[i].name, step, through);
        }
        usage_leave(table, usage, place, now);
    }
}

/* One loop may have read its clock before another one did: nothing is gained or lost by it. */
static void test_clock_behind(void **state)
{
    (void)state;
    enum usage_place place;
    struct usage *usage = join("a", 1, SECOND, &place);
    assert_true(usage_take_request(usage, 100, 2, SECOND));
    assert_true(usage_take_request(usage, 100, 2, SECOND));
    assert_false(usage_take_request(usage, 100, 2, SECOND - 1 * MS));
    assert_false(usage_take_request(usage, 100, 2, SECOND));
    assert_true(usage_take_request(usage, 100, 2, SECOND + 10 * MS));
    usage_leave(table, usage, place, SECOND);
}

static void test_pings(void **state)
{
    (void)state;
    enum usage_place place;
    struct usage *usage = join("a", 1, SECOND, &place);
    unsigned pings = 0;
    while (usage_take_request(usage, 1, 5, SECOND))
        continue;
    for (int i = 0; i < 100; i++)
        pings += usage_take_ping(usage, SECOND);
    assert_int_equal(pings, USAGE_PING_BURST);
    assert_true(usage_take_ping(usage, SECOND + SECOND / USAGE_PINGS_PER_SECOND));
    assert_false(usage_take_ping(usage, SECOND + SECOND / USAGE_PINGS_PER_SECOND));
    usage_leave(table, usage, place, SECOND);
}

/* ---- sums and refusals ----------------------------------------------------------------------- */

static void test_streams(void **state)
{
    (void)state;
    enum usage_place place;
    struct usage *usage = join("a", 1, SECOND, &place);
    assert_false(usage_take_stream(usage, 0));
    assert_true(usage_take_stream(usage, 2));
    assert_true(usage_take_stream(usage, 2));
    assert_false(usage_take_stream(usage, 2));
    usage_give_stream(usage);
    assert_true(usage_take_stream(usage, 2));
    assert_int_equal(atomic_load(&usage->streams), 2);
    usage_leave(table, usage, place, SECOND);
}

static void test_lines(void **state)
{
    (void)state;
    enum usage_place place;
    struct usage *usage = join("a", 1, 0, &place);
    assert_int_equal(usage_refuse(usage, LIMIT_STREAMS, 0), 1); /* at once, even in second 0 */
    for (int i = 0; i < 41; i++)
        assert_int_equal(usage_refuse(usage, LIMIT_STREAMS, 0), 0);
    assert_int_equal(usage_refuse(usage, LIMIT_CONNECTIONS, 0), 1); /* each limit for itself */
    assert_int_equal(usage_untold(usage, LIMIT_STREAMS, 0), 0);
    assert_int_equal(usage_refuse(usage, LIMIT_STREAMS, 1), 42); /* with those before */
    assert_int_equal(usage_refuse(usage, LIMIT_STREAMS, 1), 0);
    assert_int_equal(usage_untold(usage, LIMIT_STREAMS, 2), 1);
    assert_int_equal(usage_untold(usage, LIMIT_STREAMS, 3), 0);
    assert_int_equal(usage_refuse(usage, LIMIT_STREAMS, 3), 1);
    assert_int_equal(usage_refuse(usage, LIMIT_STREAMS, 3), 0);
    usage_leave(table, usage, place, 4 * SECOND);
    assert_int_equal(usage_table_count(table), 1); /* something is still to be told */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)
    const struct CMUnitTest tests[] = {
        TEST(test_places), TEST(test_keys),    TEST(test_memory_of_a_bucket),
        TEST(test_bound),  TEST(test_bucket),  TEST(test_clock_behind),
        TEST(test_pings),  TEST(test_streams), TEST(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
