/* The bump allocator: zeroed and aligned pieces, limits, sums that do not fit, reuse after a reset.
 */
#include "arena.h"

#include "bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

/* Pieces of every size are zero, also where an earlier use has written. */
static void test_zeroed(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (int round = 0; round < 4; round++) {
        for (size_t n = 0; n < 3000; n += 7) {
            unsigned char *p = arena_alloc(&arena, n, 1);
            assert_non_null(p);
            assert_true((uintptr_t)p % 16 == 0 || n < 16);
            assert_true(all_zero(p, n));
            memset(p, 0xFF, n);
        }
        arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    arena_free(&arena);
}

static void test_limit(void **state)
{
    (void)state;
    struct arena arena = {.limit = 64};
    assert_non_null(arena_alloc(&arena, 16, 1));
    assert_non_null(arena_alloc(&arena, 1, 48));
    assert_null(arena_alloc(&arena, 1, 1));
    assert_null(arena_copy(&arena, STR("text")).p);
    arena_reset(&arena);
    assert_non_null(arena_copy(&arena, STR("text")).p);
    arena_free(&arena);
}

static void test_sums(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_alloc(&arena, SIZE_MAX, 2));
    assert_null(arena_alloc(&arena, SIZE_MAX / 2, 2));
    assert_null(arena_alloc(&arena, 1, SIZE_MAX));
    assert_null(arena_copy(&arena, (struct str){"", SIZE_MAX}).p);
    arena.used = SIZE_MAX - 8;
    assert_null(arena_alloc(&arena, 1, 64));
    arena.used = 0;
    arena_reset(&arena); /* nothing to keep */
    assert_null(arena.head);
    arena_free(&arena);
}

static void test_copy(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct str copy = arena_copy(&arena, STR("a\0b"));
    assert_int_equal(copy.n, 3);
    assert_memory_equal(copy.p, "a\0b", 4); /* a NUL follows */
    copy = arena_copy(&arena, (struct str){NULL, 0});
    assert_non_null(copy.p);
    assert_int_equal(copy.n, 0);
    arena_free(&arena);
}

/* Chunks of many sizes, in both orders, are freed or kept; what is kept is used again. */
static void test_join(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct str parts[] = {STR("a"), {NULL, 0}, STR(""), STR("b\0c")};
    const struct str huge[] = {STR("a"), {"", SIZE_MAX - 1}};
    struct str whole = arena_join(&arena, parts, ARRAY_LEN(parts));
    assert_int_equal(whole.n, 4);
    assert_memory_equal(whole.p, "ab\0c", 5);
    whole = arena_join(&arena, parts, 0);
    assert_true(whole.p && whole.n == 0 && whole.p[0] == '\0');
    assert_null(arena_join(&arena, huge, ARRAY_LEN(huge)).p);
    arena.limit = arena.used;
    assert_null(arena_join(&arena, parts, ARRAY_LEN(parts)).p);
    arena_free(&arena);
}

static void test_reset(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        100, ARENA_CHUNK_BYTES, ARENA_KEEP_BYTES / 2, ARENA_KEEP_BYTES, ARENA_KEEP_BYTES * 2, 50};
    for (int backwards = 0; backwards < 2; backwards++) {
        struct arena arena = {0};
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                size_t n = sizes[backwards ? ARRAY_LEN(sizes) - 1 - i : i];
                unsigned char *p = arena_alloc(&arena, n, 1);
                assert_non_null(p);
                assert_true(all_zero(p, n));
                memset(p, 0xFF, n);
            }
            arena_reset(&arena);
        }
        arena_free(&arena);
        assert_null(arena.head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed), cmocka_unit_test(test_limit), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_copy),   cmocka_unit_test(test_join),  cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
