/* Patterns: what matches what, against a plain second implementation, and in bounded time. */
#include "bounds.h"
#include "role.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

// clang-format off
static const struct glob_row {
    const char *pattern, *text;
    bool matches;
} glob_rows[] = {
    {"", "", true}, {"", "a", false}, {"a", "", false}, {"abc", "abc", true}, {"abc", "abcd", false},
    {"abc", "ABC", false}, {"*", "", true}, {"*", "abc", true}, {"*", "a/b", false},
    {"**", "", true}, {"**", "/a/b/c", true}, {"***", "a/b", true}, {"?", "a", true}, {"?", "", false},
    {"?", "/", false}, {"?", "ab", false}, {"a?c", "abc", true}, {"a?c", "a/c", false},
    {"ci-*", "ci-1", true}, {"ci-*", "ci-", true}, {"ci-*", "xci-1", false}, {"ci-*", "ci-/x", false},
    {"*_TOKEN", "MY_TOKEN", true}, {"*_TOKEN", "MY_TOKENS", false}, {"AWS_*KEY*", "AWS_SECRET_KEY_ID", true},
    {"docker.io/library/*", "docker.io/library/nginx", true},
    {"docker.io/library/*", "docker.io/library/x/y", false},
    {"docker.io/**", "docker.io/library/nginx", true}, {"docker.io/**", "docker.io", true},
    {"docker.io/**", "docker.io.evil.com/x", false},
    {"/srv/ci/**", "/srv/ci", true}, {"/srv/ci/**", "/srv/ci/", true}, {"/srv/ci/**", "/srv/ci/a/b", true},
    {"/srv/ci/**", "/srv/ci-evil", false}, {"/srv/ci/**", "/srv/c", false}, {"/srv/ci/*", "/srv/ci", false},
    {"/srv/*/**", "/srv/a", true}, {"/srv/*/**", "/srv/a/b/c", true}, {"/srv/*/**", "/srv", false},
    {"/**", "/", true}, {"/**", "", false}, {"/**", "/x", true}, {"/**", "x", false},
    {"**/x", "x", false}, {"**/x", "/x", true}, {"**/x", "a/b/x", true}, {"**/x", "a/bx", false},
    {"/a/**/z", "/a/z", false}, {"/a/**/z", "/a/b/z", true}, {"/a/**/z", "/a/b/c/z", true},
    {"a*b*c", "aXbYc", true}, {"a*b*c", "abc", true}, {"a*b*c", "aXb/Yc", false}, {"a*b**c", "aXb/Yc", true},
    {"*a/b*c", "xa/bxc", true}, {"*a/b*c", "xa/b/c", false}, {"**a*/b", "x/a/a1/b", true},
    {"**ab*c", "ab/abc", true}, {"ab*ab", "ab", false}, {"ab*ab", "abab", true}, {"ab*ba", "aba", false},
    {"*.*", "a.b", true}, {"*?", "", false}, {"*?", "a", true}, {"?*?", "a", false}, {"?*?", "ab", true},
    {"[a]", "a", false}, {"[a]", "[a]", true}, {"\\*", "*", false}, {"\\*", "\\x", true}, {"{a,b}", "a", false},
    {"\xC3\xA9*", "\xC3\xA9t\xC3\xA9", true}, {"?", "\xC3\xA9", false}, {"??", "\xC3\xA9", true},
};
// clang-format on

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(glob_rows); i++)
        if (glob_match(str_of(glob_rows[i].pattern), str_of(glob_rows[i].text)) !=
            glob_rows[i].matches)
            fail_msg("\"%s\" and \"%s\": wanted %d", glob_rows[i].pattern, glob_rows[i].text,
                     glob_rows[i].matches);
}

/* The definition as it reads, in exponential time. */
static bool plain_match(const char *p, const char *t, bool wide)
{
    if (*p == '\0')
        return *t == '\0';
    if (p[0] == '*' && p[1] == '*')
        return plain_match(p + 2, t, wide) || (*t && plain_match(p, t + 1, wide));
    bool plain = *t && (wide || *t != '/');
    if (*p == '*')
        return plain_match(p + 1, t, wide) || (plain && plain_match(p, t + 1, wide));
    return *t && (*p == '?' ? plain : *p == *t) && plain_match(p + 1, t + 1, wide);
}

static bool plain_glob(const char *pattern, const char *text, bool wide)
{
    size_t n = strlen(pattern);
    if (plain_match(pattern, text, wide))
        return true;
    if (n <= 3 || strcmp(pattern + n - 3, "/**") != 0)
        return false;
    char shorter[16] = {0};
    memcpy(shorter, pattern, n - 3);
    return plain_match(shorter, text, wide);
}

/* Fills text with the number's digits in the alphabet. */
static void spell(char *text, unsigned number, const char *alphabet)
{
    size_t base = strlen(alphabet);
    size_t n = 0;
    for (; number; number /= (unsigned)base)
        text[n++] = alphabet[number-- % base];
    text[n] = '\0';
}

/* All patterns of up to 6 and all texts of up to 5 characters of small alphabets. "***" is left
   out: the plain one reads it as "**" and "*", which is the same. */
static void test_all_short(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 5461; p++) {
        char pattern[16];
        spell(pattern, p, "a/*?");
        for (unsigned t = 0; t < 364 * 2; t++) {
            char text[16];
            bool wide = t % 2;
            spell(text, t / 2, "a/b");
            bool wanted = plain_glob(pattern, text, wide);
            struct entry entry = {.text = str_of(pattern), .plain = strcspn(pattern, "*?")};
            entry.literal = entry.plain == entry.text.n;
            if (glob_find(entry.text, str_of(text), wide, NULL) != wanted ||
                entry_matches(&entry, str_of(text), wide, NULL) != wanted)
                fail_msg("\"%s\" and \"%s\", wide %d: wanted %d", pattern, text, wide, wanted);
        }
    }
}

static void test_bounded_time(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*a*a*a*a*a*b", "**a**a**a**a**a**b", "**a*a*a*a*b",
                                           "*?*?*?*?*?*b*c", "**a*a/b"};
    enum { TEXT = 10000 };
    char *text = malloc(TEXT);
    assert_non_null(text);
    memset(text, 'a', TEXT);
    for (int slash = 0; slash < 2; slash++) {
        text[TEXT / 2] = slash ? '/' : 'a';
        for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
            clock_t start = clock();
            assert_false(glob_match(str_of(patterns[i]), (struct str){text, TEXT}));
            if (clock() - start > CLOCKS_PER_SEC / 2)
                fail_msg("%s took too long", patterns[i]);
        }
    }
    free(text);
}

static void test_long_patterns(void **state)
{
    (void)state;
    char pattern[GLOB_MAX + 2];
    memset(pattern, 'a', sizeof pattern);
    struct str whole = {pattern, sizeof pattern};
    assert_true(glob_match(whole, whole));
    pattern[1] = pattern[GLOB_MAX] = '?';
    assert_true(glob_match(whole, whole));
    pattern[0] = pattern[GLOB_MAX + 1] = '?';
    assert_false(glob_match(whole, whole));
    assert_true(glob_match(str_head(whole, GLOB_MAX), str_head(whole, GLOB_MAX)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_all_short),
        cmocka_unit_test(test_bounded_time),
        cmocka_unit_test(test_long_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
