/* The strict scan where documents are large or built to be slow: many values, names that collide,
   names of every length, strings that end in every place of a machine word. */
#include "bounds.h"
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TEXT_CAP = 4 << 20 };

struct text {
    char *p;
    size_t n;
};

static struct text text_new(void)
{
    struct text text = {malloc(TEXT_CAP), 0};
    assert_non_null(text.p);
    return text;
}

static void PRINTF_LIKE(2, 3) add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text->n += (size_t)vsnprintf(text->p + text->n, TEXT_CAP - text->n, format, args);
    va_end(args);
    assert_true(text->n < TEXT_CAP);
}

/* Scans and frees the text. says: part of the error; NULL: it is taken. Returns the values. */
static size_t scan(struct text text, const char *says)
{
    struct arena arena = {0};
    struct json doc;
    struct err err = {0};
    bool taken = json_scan((struct str){text.p, text.n}, &arena, &doc, &err);
    if (taken != (says == NULL) || (says && !strstr(err.text, says)))
        fail_msg("%.60s...: wanted \"%s\", got \"%s\"", text.p, says ? says : "", err.text);
    size_t count = taken ? doc.count : 0;
    arena_free(&arena);
    free(text.p);
    return count;
}

static void test_many_values(void **state)
{
    (void)state;
    struct text text = text_new();
    add(&text, "[0");
    for (int i = 2; i < JSON_VALUES_MAX; i++)
        add(&text, ",0");
    struct text more = text_new();
    add(&more, "%s,0]", text.p);
    add(&text, "]");
    assert_int_equal(scan(text, NULL), JSON_VALUES_MAX);
    scan(more, "holds more than");
}

/* Commas and brackets in strings are no values; the exact count knows escapes. */
static void test_marks_in_strings(void **state)
{
    (void)state;
    struct text text = text_new();
    add(&text, "[");
    for (int i = 0; i < JSON_VALUES_MAX / 8; i++)
        add(&text, "%s\",,[{,,[{\\\"[[[,\\\\\"", i ? "," : "");
    struct text open = text_new();
    add(&open, "%s,\"\\", text.p);
    add(&text, "]");
    assert_int_equal(scan(text, NULL), JSON_VALUES_MAX / 8 + 1);
    scan(open, "ends inside a string");
}

/* Two names of one object are told apart, and found equal, at every size of the object. */
static void test_names(void **state)
{
    (void)state;
    static const int counts[] = {2, 7, 8, 9, 100, 128, 129, 2000};
    for (size_t c = 0; c < ARRAY_LEN(counts); c++)
        for (int twice = 0; twice < 2; twice++) {
            struct text text = text_new();
            add(&text, "{\"\":0");
            for (int i = 1; i < counts[c]; i++)
                add(&text, ",\"%.*s%d\":0", i % 12, "abcdefghijkl", i);
            add(&text, "%s", twice ? ",\"\\u0061b3\":1,\"\":1}" : "}");
            scan(text, twice ? "stands twice" : NULL);
        }
}

/* Names that share both ends and the length fall into one slot; then they are sorted. */
static void test_colliding_names(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        struct text text = text_new();
        add(&text, "{\"x\":0");
        for (int i = 0; i < 1000; i++)
            add(&text, ",\"headhead%06dtailtail\":0", i);
        add(&text, "%s", twice ? ",\"headhead000500tailtail\":0}" : "}");
        scan(text, twice ? "stands twice" : NULL);
    }
}

/* A string with each special byte at each place: what the scan skips at once must not hide it. */
static void test_every_place(void **state)
{
    (void)state;
    static const struct {
        struct str special;
        bool taken;
        size_t length; /* of what it means */
    } rows[] = {
        {{"\\n", 2}, true, 1},
        {{"\\\"", 2}, true, 1},
        {{"\\\\", 2}, true, 1},
        {{"\xC3\xA9", 2}, true, 2},
        {{"\xF0\x9F\x90\xB3", 4}, true, 4},
        {{"\\u00e9", 6}, true, 2},
        {{"\x7F", 1}, true, 1},
        {{"!", 1}, true, 1},
        {{"#", 1}, true, 1},
        {{" ", 1}, true, 1},
        {{"[", 1}, true, 1},
        {{"]", 1}, true, 1},
        {{"\0", 1}, false, 0},
        {{"\x1F", 1}, false, 0},
        {{"\n", 1}, false, 0},
        {{"\x80", 1}, false, 0},
        {{"\xFF", 1}, false, 0},
        {{"\xC3", 1}, false, 0},
        {{"\xC0\xA2", 2}, false, 0},
        {{"\xED\xA0\x80", 3}, false, 0},
        {{"\\x", 2}, false, 0},
        {{"\\u0000", 6}, false, 0},
        {{"\\ud800", 6}, false, 0},
        {{"\\udc00", 6}, false, 0},
        {{"\\ud800\\u0041", 12}, false, 0},
        {{"\\ud800\\ue000", 12}, false, 0},
        {{"\\ud83d\\udc33", 12}, true, 4},
        {{"\\ud83d\\udc3", 11}, false, 0},
        {{"\\ud83d\\n0000", 12}, false, 0},
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++)
        for (size_t before = 0; before < 20; before++)
            for (size_t after = 0; after < 20; after++) {
                char text[64];
                size_t n = 0;
                text[n++] = '"';
                memset(text + n, 'b', before);
                memcpy(text + n + before, rows[r].special.p, rows[r].special.n);
                n += before + rows[r].special.n;
                memset(text + n, 'z', after);
                n += after;
                text[n++] = '"';
                struct arena arena = {0};
                struct json doc;
                struct err err = {0};
                bool taken = json_scan((struct str){text, n}, &arena, &doc, &err);
                if (taken != rows[r].taken ||
                    (taken && doc.nodes[0].text.n != before + rows[r].length + after))
                    fail_msg("row %zu, %zu before, %zu after: %s", r, before, after, err.text);
                arena_free(&arena);
            }
}

/* With less memory than is needed nothing is taken; the text is freed. */
static void limit_memory(struct text text, size_t step)
{
    bool taken = false;
    for (size_t limit = 1; !taken && limit < TEXT_CAP; limit += step) {
        struct arena arena = {.limit = limit};
        struct json doc;
        struct err err = {0};
        taken = json_scan((struct str){text.p, text.n}, &arena, &doc, &err);
        assert_true(taken || strstr(err.text, "not enough memory"));
        assert_true(arena.used <= limit);
        arena_free(&arena);
    }
    assert_true(taken);
    free(text.p);
}

static void test_arena_limit(void **state)
{
    (void)state;
    struct text text = text_new();
    add(&text, "{\"a\\u0062\":[1,2,{\"c\":\"\\n\"}],\"d\":{}}");
    limit_memory(text, 1);
    text = text_new();
    add(&text, "{\"x\":0,\"headheadtailtail\":0");
    for (int i = 0; i < 300; i++)
        add(&text, ",\"headhead%03dtailtail\":0", i);
    add(&text, "}");
    limit_memory(text, 500);
}

/* What people must not be shown as it is. */
static void test_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"a\xE2\x80\x8B", "a\\xe2\\x80\\x8b"},
        {"\xE2\x80\x90", "\xE2\x80\x90"},
        {"\xE2\x80\xA8", "\\xe2\\x80\\xa8"},
        {"\xE2\x80\xAE", "\\xe2\\x80\\xae"},
        {"\xE2\x80\xAF", "\xE2\x80\xAF"},
        {"\xE2\x81\xA0", "\\xe2\\x81\\xa0"},
        {"\xE2\x81\xAF", "\\xe2\\x81\\xaf"},
        {"\xE2\x81\xB0", "\xE2\x81\xB0"},
        {"\xEF\xBB\xBF", "\\xef\\xbb\\xbf"},
        {"\xC2\xAD", "\\xc2\\xad"},
        {"\xD8\x9C", "\\xd8\\x9c"},
        {"\xF3\xA0\x80\x81", "\\xf3\\xa0\\x80\\x81"},
        {"\xF3\xB0\x80\x80", "\xF3\xB0\x80\x80"},
        {"\xF0\x9F\x90\xB3", "\xF0\x9F\x90\xB3"},
        {"\xC2\x85", "\\xc2\\x85"},
        {"\x7F", "\\x7f"},
        {"\"\\", "\\x22\\x5c"},
        {"\xFF", "\\xff"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char shown[64];
        text_shorten(shown, sizeof shown, str_of(rows[i].text));
        if (strcmp(shown, rows[i].shown) != 0)
            fail_msg("row %zu: \"%s\"", i, shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_values), cmocka_unit_test(test_marks_in_strings),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_colliding_names),
        cmocka_unit_test(test_every_place), cmocka_unit_test(test_arena_limit),
        cmocka_unit_test(test_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
