/* The table of commands that were made through the proxy. */
#include "exec_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct exec_table *table;

static int open_table(void **state)
{
    (void)state;
    table = exec_table_new();
    return table ? 0 : -1;
}

static int close_table(void **state)
{
    (void)state;
    exec_table_free(table);
    return 0;
}

static void test_roles(void **state)
{
    (void)state;
    assert_false(exec_table_has(table, STR("a1"), "ci"));
    exec_table_add(table, STR("a1"), "ci");
    assert_true(exec_table_has(table, STR("a1"), "ci"));
    static const struct {
        struct str id;
        const char *role;
    } others[] = {
        {{"a1", 2}, "c"},   {{"a1", 2}, "ci2"}, {{"a1", 2}, ""},   {{"a", 1}, "ci"},
        {{"a12", 3}, "ci"}, {{"", 0}, "ci"},    {{"a1c", 3}, "i"},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(exec_table_has(table, others[i].id, others[i].role));
}

static void test_ids_that_are_none(void **state)
{
    (void)state;
    static char longest[EXEC_ID_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    exec_table_add(table, (struct str){longest, EXEC_ID_MAX + 1}, "ci");
    assert_false(exec_table_has(table, (struct str){longest, EXEC_ID_MAX + 1}, "ci"));
    exec_table_add(table, (struct str){longest, EXEC_ID_MAX}, "ci");
    assert_true(exec_table_has(table, (struct str){longest, EXEC_ID_MAX}, "ci"));
    exec_table_add(table, STR(""), "ci");
    assert_false(exec_table_has(table, STR(""), "ci"));
}

static struct str number(char dst[24], unsigned i)
{
    return (struct str){dst, (size_t)snprintf(dst, 24, "%016x", i * 2654435761U)};
}

/* The oldest go first, and only as many as must. */
static void test_bound(void **state)
{
    (void)state;
    enum { MORE = 1000 };
    char text[24];
    for (unsigned i = 0; i < EXECS_MAX + MORE; i++)
        exec_table_add(table, number(text, i), "ci");
    for (unsigned i = 0; i < EXECS_MAX + MORE; i++)
        assert_int_equal(exec_table_has(table, number(text, i), "ci"), i >= MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_roles, open_table, close_table),
        cmocka_unit_test_setup_teardown(test_ids_that_are_none, open_table, close_table),
        cmocka_unit_test_setup_teardown(test_bound, open_table, close_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
