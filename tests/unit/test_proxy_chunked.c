/* The walk over chunked bodies: every split, what it decodes, and the forms that it refuses. */
#include "chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOM = 4096 };

struct walk {
    struct chunked chunked;
    enum chunked_status status;
    size_t taken; /* of all bytes */
    char data[ROOM];
    size_t length;
};

/* One piece of input, up to its end, or the body's. */
static void walk_piece(struct walk *walk, struct str piece)
{
    char *copy = malloc(piece.n ? piece.n : 1);
    assert_non_null(copy);
    if (piece.n)
        memcpy(copy, piece.p, piece.n);
    for (size_t at = 0; walk->status == CHUNKED_MORE && at < piece.n;) {
        size_t taken = 0;
        struct str data;
        walk->status =
            chunked_walk(&walk->chunked, (struct str){copy + at, piece.n - at}, &taken, &data);
        if (walk->status == CHUNKED_BAD)
            break;
        assert_true(taken > 0 && taken <= piece.n - at);
        assert_true((data.n > 0) == (walk->status == CHUNKED_DATA));
        if (data.n)
            memcpy(walk->data + walk->length, data.p, data.n);
        walk->length += data.n;
        at += taken;
        walk->taken += taken;
        if (walk->status == CHUNKED_DATA)
            walk->status = CHUNKED_MORE;
    }
    free(copy);
}

static void walk_split(struct walk *walk, struct str bytes, size_t at, size_t then, bool trailers)
{
    memset(walk, 0, sizeof(*walk));
    walk->status = CHUNKED_MORE;
    walk->chunked.trailers = trailers;
    struct str rest = bytes;
    for (size_t n = at; rest.n; n = then) {
        walk_piece(walk, str_head(rest, n));
        rest = str_skip(rest, n);
        if (walk->status != CHUNKED_MORE)
            return;
    }
}

// clang-format off
static const struct row {
    const char *bytes;
    enum chunked_status status;          /* without trailers */
    enum chunked_status with_trailers;
    const char *data;
    size_t behind; /* bytes that do not belong to the body any more */
} rows[] = {
    {"0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "", 0},
    {"000\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "", 0},
    {"5\r\nhello\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "hello", 0},
    {"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", CHUNKED_DONE, CHUNKED_DONE, "hello", 16},
    {"5\r\nhello\r\n0\r\n\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "hello", 5},
    {"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "abcdef", 0},
    {"0000005\r\nhello\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "hello", 0},
    {"00000000000000a\r\n0123456789\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "0123456789", 0},
    {"A\r\n0123456789\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "0123456789", 0},
    {"1e\r\n012345678901234567890123456789\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "012345678901234567890123456789", 0},
    {"4\r\n\r\n\r\n\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "\r\n\r\n", 0},
    {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", CHUNKED_DONE, CHUNKED_DONE, "0\r\n\r\n", 0},

    {"", CHUNKED_MORE, CHUNKED_MORE, "", 0},
    {"5", CHUNKED_MORE, CHUNKED_MORE, "", 0},
    {"5\r\nhel", CHUNKED_MORE, CHUNKED_MORE, "hel", 0},
    {"5\r\nhello\r\n0\r\n", CHUNKED_MORE, CHUNKED_MORE, "hello", 0},
    {"5\r\nhello\r\n0\r\n\r", CHUNKED_MORE, CHUNKED_MORE, "hello", 0},
    {"fffffffffffffff\r\nx", CHUNKED_MORE, CHUNKED_MORE, "x", 0},

    {"0\r\nA: b\r\n\r\n", CHUNKED_BAD, CHUNKED_DONE, "", 0},
    {"0\r\nA: b\r\nC: d\r\n\r\nrest", CHUNKED_BAD, CHUNKED_DONE, "", 4},
    {"1\r\nx\r\n0\r\nA: b\r\n", CHUNKED_BAD, CHUNKED_MORE, "x", 0},
    {"1\r\nx\r\nA: b\r\n0\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "x", 0},

    {"\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"\r\n5\r\nhello\r\n0\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"g\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"-5\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"+5\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"0x5\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5_0\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {" 5\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5 \r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5\t\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5;a=b\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5;\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5\rhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5\r\rhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"5\r\nhello\n0\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "hello", 0},
    {"5\r\nhello0\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "hello", 0},
    {"5\r\nhelloXX0\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "hello", 0},
    {"5\r\nhello\r0\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "hello", 0},
    {"5\r\nhello\r\n\r\n0\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "hello", 0},
    {"0\r\n\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"0\n\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"0\r\n\rX", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"0;\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"0000000000000000\r\n\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"1000000000000000\r\nx", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"10000000000000005\r\nhello\r\n", CHUNKED_BAD, CHUNKED_BAD, "", 0},
    {"ffffffffffffffff\r\nx", CHUNKED_BAD, CHUNKED_BAD, "", 0},
};
// clang-format on

static void check_walk(const struct row *row, const struct walk *walk, bool trailers, size_t split)
{
    enum chunked_status wanted = trailers ? row->with_trailers : row->status;
    size_t n = strlen(row->bytes);
    if (walk->status != wanted || (wanted == CHUNKED_DONE && walk->taken != n - row->behind) ||
        !str_eq((struct str){walk->data, walk->length}, str_of(row->data)))
        fail_msg("\"%s\" split at %zu, trailers %d: status %d after %zu, data \"%.*s\"", row->bytes,
                 split, trailers, walk->status, walk->taken, (int)walk->length, walk->data);
}

static void test_rows(void **state)
{
    (void)state;
    static struct walk walk;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str bytes = str_of(rows[i].bytes);
        for (int trailers = 0; trailers < 2; trailers++) {
            for (size_t at = 0; at <= bytes.n; at++) {
                walk_split(&walk, bytes, at, bytes.n, trailers);
                check_walk(&rows[i], &walk, trailers, at);
            }
            walk_split(&walk, bytes, 1, 1, trailers);
            check_walk(&rows[i], &walk, trailers, 1);
        }
    }
}

static void test_nul(void **state)
{
    (void)state;
    static struct walk walk;
    walk_split(&walk, STR("3\r\n\0\0\0\r\n0\r\n\r\n"), 99, 99, false);
    assert_int_equal(walk.status, CHUNKED_DONE);
    assert_true(str_eq((struct str){walk.data, walk.length}, STR("\0\0\0")));
    walk_split(&walk, STR("3\0\r\nabc\r\n"), 99, 99, false);
    assert_int_equal(walk.status, CHUNKED_BAD);
}

/* Where a last chunk may follow: behind each whole one, and nowhere else. */
static void test_between(void **state)
{
    (void)state;
    static const char bytes[] = "2\r\nab\r\nb\r\n01234567890\r\n0\r\n\r\n";
    static const char marks[] = "|------|---------------|----";
    struct chunked chunked = {0};
    for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
        size_t taken = 0;
        struct str data;
        if (chunked_is_between(&chunked) != (marks[i] == '|'))
            fail_msg("behind %zu bytes", i);
        chunked_walk(&chunked, (struct str){bytes + i, 1}, &taken, &data);
    }
    assert_false(chunked_is_between(&chunked));
}

/* Trailers have an end. */
static void test_trailers_bounded(void **state)
{
    (void)state;
    struct chunked chunked = {.trailers = true};
    size_t taken = 0;
    struct str data;
    assert_int_equal(chunked_walk(&chunked, STR("0\r\n"), &taken, &data), CHUNKED_MORE);
    size_t lines = 0;
    while (chunked_walk(&chunked, STR("Name: value\r\n"), &taken, &data) == CHUNKED_MORE)
        assert_true(++lines < 10000);
    assert_true(lines > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_between),
        cmocka_unit_test(test_trailers_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
