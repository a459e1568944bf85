/* Paths as text: normal form and what lies at or below /proc and /sys, against plain second
   implementations, with odd parts at every place of shorter and longer paths. */
#include "checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Absolute, and no part but the last is empty, "." or "..", as the definition reads. */
static bool plain_normal(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const char *part = path + 1; *part;) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += n + (part[n] == '/');
    }
    return true;
}

/* What is left when "." and ".." have been followed begins with proc or sys. */
static bool plain_kernel(const char *path)
{
    char parts[32][64];
    size_t count = 0;
    while (*path) {
        size_t n = strcspn(path, "/");
        assert_true(count < ARRAY_LEN(parts) && n < sizeof parts[0]);
        snprintf(parts[count], sizeof parts[0], "%.*s", (int)n, path);
        path += n + (path[n] == '/');
        if (strcmp(parts[count], "..") == 0)
            count -= count > 0;
        else if (parts[count][0] && strcmp(parts[count], ".") != 0)
            count++;
    }
    return count > 0 && (strcmp(parts[0], "proc") == 0 || strcmp(parts[0], "sys") == 0);
}

static void compare(const char *path)
{
    if (path_is_normal(str_of(path)) != plain_normal(path))
        fail_msg("\"%s\": normal %d", path, plain_normal(path));
    if (path_is_kernel(str_of(path)) != plain_kernel(path))
        fail_msg("\"%s\": kernel %d", path, plain_kernel(path));
}

static void test_odd_parts(void **state)
{
    (void)state;
    static const char *const bases[] = {"/proc/aa/bbb/cccc/ddddd/eeeeee/fffffff/gggggggg",
                                        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v",
                                        "/srv/a.b/..c/.d/e../f./proc/sys/"};
    static const char *const odd[] = {
        "",  "/",     "//",   "/./",   "/../", "/.",    "/..",    "./",      "../",         "..",
        ".", "/.../", "/.x/", "/..x/", "x",    "/sys/", "/proc/", "/../sys", "/../../proc/"};
    for (size_t b = 0; b < ARRAY_LEN(bases); b++)
        for (size_t cut = 0; cut <= strlen(bases[b]); cut++)
            for (size_t o = 0; o < ARRAY_LEN(odd); o++)
                for (size_t rest = cut; rest <= strlen(bases[b]); rest++) {
                    char path[128];
                    snprintf(path, sizeof path, "%.*s%s%s", (int)cut, bases[b], odd[o],
                             bases[b] + rest);
                    compare(path);
                }
}

static const struct path_row {
    const char *path;
    bool vital;
} path_rows[] = {
    {"/", true},
    {"/var", true},
    {"/var/run", true},
    {"/var/run/docker.sock", true},
    {"/var/runner", false},
    {"/r", false},
    {"/run", true},
    {"/runs", false},
    {"/var/lib", true},
    {"/var/lib/docker/x", true},
    {"/var/lib/dockers", false},
    {"/var/lib/containerd", true},
    {"/var/snap/docker/common/var-lib-docker", true},
    {"/var/snap", true},
    {"/var/snap/lxd", false},
    {"/var/log", false},
    {"/etc", true},
    {"/etc/docker", true},
    {"/etc/hosts", false},
    {"/proc/1", true},
    {"/sys", true},
    {"/dev/null", true},
    {"/srv", false},
    {"/home", false},
};

static void test_vital(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(path_rows); i++)
        if (path_is_vital(str_of(path_rows[i].path)) != path_rows[i].vital)
            fail_msg("%s: vital %d", path_rows[i].path, path_rows[i].vital);
}

static void test_parents(void **state)
{
    (void)state;
    static const struct {
        const char *path, *parent;
    } rows[] = {{"/a/b", "/a"}, {"/a", "/"}, {"/", ""}, {"", ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(str_is(path_parent(str_of(rows[i].path)), rows[i].parent));
    assert_true(str_is(path_trim(STR("/a/")), "/a"));
    assert_true(str_is(path_trim(STR("/")), "/"));
    assert_true(path_is_within(STR("/a/b"), STR("/a")));
    assert_true(path_is_within(STR("/a"), STR("/")));
    assert_false(path_is_within(STR("/ab"), STR("/a")));
    assert_false(path_is_within(STR("/a"), STR("/a/b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_parts),
        cmocka_unit_test(test_vital),
        cmocka_unit_test(test_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
