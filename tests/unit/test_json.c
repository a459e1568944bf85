/* The strict scan: what is accepted, what is refused and where, and what the nodes say. */
#include "json.h"
#include "bounds.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

/* The text in a block of its own size, so that a read past its end is seen by the sanitizer. */
static char *exact_copy(struct str text)
{
    char *copy = malloc(text.n ? text.n : 1);
    assert_non_null(copy);
    if (text.n)
        memcpy(copy, text.p, text.n);
    return copy;
}

#define ROW(text) (text), sizeof(text) - 1

// clang-format off
static const struct accept_row {
    const char *name;
    const char *text;
    size_t n;
    size_t values;
} accept_rows[] = {
    {"null",             ROW("null"), 1},
    {"true",             ROW("true"), 1},
    {"false",            ROW(" false "), 1},
    {"empty object",     ROW("{}"), 1},
    {"empty array",      ROW("[ ]"), 1},
    {"all spaces",       ROW("\t\r\n [ \t\r\n1 , 2\n]\n "), 3},
    {"numbers",          ROW("[0,-0,1,10,1.5,-0.25e+10,1E5,1e-7,123456789012345678901234567890]"), 10},
    {"nested",           ROW("{\"a\":{\"b\":[{},[],{\"c\":null}]},\"d\":\"\"}"), 8},
    {"utf-8",            ROW("\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\""), 1},
    {"last code point",  ROW("\"\xF4\x8F\xBF\xBF\""), 1},
    {"around surrogates",ROW("\"\xED\x9F\xBF\xEE\x80\x80\""), 1},
    {"escapes",          ROW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u001b\""), 1},
    {"pair",             ROW("\"\\ud83d\\ude00\""), 1},
    {"delete",           ROW("\"\x7F\""), 1},
    {"names by case",    ROW("{\"a\":1,\"A\":2}"), 3},
    {"empty name",       ROW("{\"\":1}"), 2},
    {"same name apart",  ROW("[{\"a\":{\"a\":1}},{\"a\":2}]"), 6},
    {"marks in strings", ROW("[\",[{,[{\",\"\\\"[,\"]"), 3},
};

static const struct refuse_row {
    const char *name;
    const char *text;
    size_t n;
    int line, column;
    const char *says; /* part of the sentence */
} refuse_rows[] = {
    {"empty",              ROW(""), 1, 1, "got an empty text"},
    {"spaces only",        ROW(" \n "), 2, 2, "expected a value, got the end"},
    {"byte order mark",    ROW("\xEF\xBB\xBF{}"), 1, 1, "byte order mark"},
    {"two values",         ROW("{}{}"), 1, 3, "nothing more after the value, got \"{\""},
    {"trailing NUL",       ROW("{}\0"), 1, 3, "got the byte 0x00"},
    {"trailing word",      ROW("1 x"), 1, 3, "got \"x\""},
    {"vertical tab",       ROW("\v{}"), 1, 1, "got the byte 0x0b"},
    {"form feed",          ROW("{}\f"), 1, 3, "got the byte 0x0c"},
    {"no-break space",     ROW("\xC2\xA0{}"), 1, 1, "got the byte 0xc2"},
    {"comment",            ROW("{/**/}"), 1, 2, "member's name in quotes, got \"/\""},
    {"trailing comma {}",  ROW("{\"a\":1,}"), 1, 8, "member's name in quotes, got \"}\""},
    {"trailing comma []",  ROW("[1,]"), 1, 4, "expected a value, got \"]\""},
    {"leading comma",      ROW("[,1]"), 1, 2, "expected a value, got \",\""},
    {"missing comma",      ROW("{\"a\":1 x"), 1, 8, "a \",\" or \"}\" after a member, got \"x\""},
    {"missing comma []",   ROW("[1 2]"), 1, 4, "a \",\" or \"]\" after an element"},
    {"string for comma",   ROW("[1 \"a\"]"), 1, 4, "got a string"},
    {"missing colon",      ROW("{\"a\" 1}"), 1, 6, "a \":\" after a member's name"},
    {"missing value",      ROW("{\"a\":}"), 1, 6, "expected a value, got \"}\""},
    {"name a number",      ROW("{1:1}"), 1, 2, "a member's name"},
    {"single quotes",      ROW("{'a':1}"), 1, 2, "a member's name"},
    {"wrong bracket",      ROW("[1}"), 1, 3, "after an element, got \"}\""},
    {"open object",        ROW("{"), 1, 2, "got the end of the text"},
    {"open array",         ROW("[1"), 1, 3, "got the end of the text"},
    {"closing alone",      ROW("]"), 1, 1, "expected a value"},
    {"NaN",                ROW("NaN"), 1, 1, "expected a value, got \"N\""},
    {"Infinity",           ROW("-Infinity"), 1, 2, "expected a digit, got \"I\""},
    {"half a word",        ROW("tru"), 1, 1, "expected a value"},
    {"word in capitals",   ROW("True"), 1, 1, "expected a value"},
    {"word that goes on",  ROW("nullx"), 1, 5, "nothing more"},
    {"leading zero",       ROW("[01]"), 1, 2, "begin with a zero"},
    {"leading plus",       ROW("+1"), 1, 1, "expected a value"},
    {"leading dot",        ROW(".5"), 1, 1, "expected a value"},
    {"trailing dot",       ROW("1."), 1, 3, "expected a digit"},
    {"empty exponent",     ROW("1e+"), 1, 4, "expected a digit"},
    {"hex number",         ROW("0x10"), 1, 2, "nothing more"},
    {"open string",        ROW("\"abc"), 1, 5, "ends inside a string"},
    {"only a quote",       ROW("\""), 1, 2, "ends inside a string"},
    {"open escape",        ROW("\"abc\\"), 1, 5, "ends inside a string"},
    {"raw newline",        ROW("[\n\"a\nb\"]"), 2, 3, "the control character 0x0a"},
    {"raw NUL",            ROW("\"a\0b\""), 1, 3, "the control character 0x00"},
    {"raw escape",         ROW("\"0123456789\x1b\""), 1, 12, "the control character 0x1b"},
    {"unknown escape",     ROW("\"\\x41\""), 1, 2, "a backslash must be followed"},
    {"escaped quote '",    ROW("\"\\'\""), 1, 2, "a backslash must be followed"},
    {"escaped NUL byte",   ROW("\"\\\0\""), 1, 2, "a backslash must be followed"},
    {"u0000",              ROW("\"\\u0000\""), 1, 2, "U+0000"},
    {"u0000 in a name",    ROW("{\"Binds\\u0000\":[]}"), 1, 8, "U+0000"},
    {"short u escape",     ROW("\"\\u12\""), 1, 2, "four hex digits"},
    {"u escape at end",    ROW("\"\\u123"), 1, 2, "four hex digits"},
    {"u with bad digit",   ROW("\"\\u12g4\""), 1, 2, "four hex digits"},
    {"lone high",          ROW("\"\\ud800\""), 1, 2, "surrogate"},
    {"lone low",           ROW("\"\\udc00\""), 1, 2, "surrogate"},
    {"high high",          ROW("\"\\ud800\\ud800\""), 1, 2, "surrogate"},
    {"high and letter",    ROW("\"\\ud800\\u0041\""), 1, 2, "surrogate"},
    {"high, raw",          ROW("\"\\ud800xxxxxxxx\""), 1, 2, "surrogate"},
    {"lone continuation",  ROW("\"\x80\""), 1, 2, "not valid UTF-8"},
    {"overlong 2",         ROW("\"\xC0\xAF\""), 1, 2, "not valid UTF-8"},
    {"overlong NUL",       ROW("\"\xC0\x80\""), 1, 2, "not valid UTF-8"},
    {"overlong 3",         ROW("\"\xE0\x9F\xBF\""), 1, 2, "not valid UTF-8"},
    {"overlong 4",         ROW("\"\xF0\x8F\xBF\xBF\""), 1, 2, "not valid UTF-8"},
    {"raw surrogate",      ROW("\"\xED\xA0\x80\""), 1, 2, "not valid UTF-8"},
    {"above the last",     ROW("\"\xF4\x90\x80\x80\""), 1, 2, "not valid UTF-8"},
    {"byte ff",            ROW("\"\xFF\""), 1, 2, "not valid UTF-8"},
    {"cut at the quote",   ROW("\"\xE2\x82\""), 1, 2, "not valid UTF-8"},
    {"cut at the end",     ROW("\"\xF0\x9F\x98"), 1, 2, "not valid UTF-8"},
    {"utf-8 in the 8th",   ROW("\"0123456\xFF\""), 1, 9, "not valid UTF-8"},
    {"twice",              ROW("{\"a\":1,\n \"b\":2,\"a\":3}"), 2, 8, "\"a\" stands twice"},
    {"twice by escape",    ROW("{\"Privileged\":1,\"\\u0050rivileged\":2}"), 1, 17, "\"Privileged\" stands twice"},
    {"twice, empty name",  ROW("{\"\":1,\"\":2}"), 1, 7, "stands twice"},
    {"twice, deeper",      ROW("[{\"x\":{\"k\":[],\"k\":{}}}]"), 1, 15, "\"k\" stands twice"},
    {"name is escaped",    ROW("{\"\\u001b\":1,\"\\u001b\":2}"), 1, 13, "\"\\x1b\" stands twice"},
};

static const struct decode_row {
    const char *text;
    size_t n;
    const char *value;
    size_t value_n;
} decode_rows[] = {
    {ROW("\"\""), ROW("")},
    {ROW("\"plain text of some length\""), ROW("plain text of some length")},
    {ROW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), ROW("\"\\/\b\f\n\r\t")},
    {ROW("\"a\\u0041b\\u00e9c\\u20acd\""), ROW("aAb\xC3\xA9" "c\xE2\x82\xAC" "d")},
    {ROW("\"\\ud83d\\ude00\\uDBFF\\uDFFF\""), ROW("\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF")},
    {ROW("\"\\u001b\\u007f\\u07ff\\u0800\\uffff\""), ROW("\x1b\x7f\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF")},
    {ROW("\"\xC3\xA9\\n\xE2\x82\xAC\""), ROW("\xC3\xA9\n\xE2\x82\xAC")},
    {ROW("\"\\\\u0041\""), ROW("\\u0041")},
};

static const struct empty_row {
    const char *text;
    bool empty;
} empty_rows[] = {
    {"null", true}, {"false", true}, {"true", false}, {"\"\"", true}, {"\" \"", false},
    {"0", true}, {"-0", true}, {"0.0", true}, {"0e5", true}, {"-0.00E+9", true}, {"0e0", true},
    {"1", false}, {"0.001", false}, {"1e-400", false}, {"-1", false}, {"10", false},
    {"[]", true}, {"{}", true}, {"[null]", false}, {"{\"a\":null}", false},
};

static const struct int_row {
    const char *text;
    bool ok;
    int64_t value;
} int_rows[] = {
    {"0", true, 0}, {"-0", true, 0}, {"7", true, 7}, {"-7", true, -7},
    {"9007199254740993", true, 9007199254740993},
    {"9223372036854775807", true, INT64_MAX}, {"9223372036854775808", false, 0},
    {"-9223372036854775808", true, INT64_MIN}, {"-9223372036854775809", false, 0},
    {"92233720368547758070", false, 0}, {"1.0", false, 0}, {"1e3", false, 0}, {"-0.0", false, 0},
    {"\"1\"", false, 0}, {"null", false, 0}, {"[1]", false, 0}, {"true", false, 0},
};

static const struct fold_row {
    const char *a, *b;
    bool equal;
} fold_rows[] = {
    {"", "", true}, {"Privileged", "pRIVILEGED", true}, {"Binds", "Bind\xC5\xBF", true},
    {"Ho\xC5\xBFtconfig", "HOSTCONFIG", true}, {"Mas\xE2\x84\xAA" "edPaths", "MaskedPaths", true},
    {"k", "\xE2\x84\xAA", true}, {"\xE2\x84\xAA\xC5\xBF", "KS", true},
    {"Binds", "Bind", false}, {"Bind", "Binds", false}, {"Binds ", "Binds", false},
    {"i", "\xC4\xB1", false}, {"I", "\xC4\xB0", false}, {"s", "\xC5", false}, {"k", "\xE2\x84", false},
    {"[", "{", false}, {"@", "`", false}, {"\xC3\xA9", "\xC3\x89", false}, {"", "s", false},
};
// clang-format on

static void test_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accept_rows); i++) {
        const struct accept_row *row = &accept_rows[i];
        struct arena arena = {0};
        struct err err = {0};
        struct json doc;
        char *text = exact_copy((struct str){row->text, row->n});
        if (!json_scan((struct str){text, row->n}, &arena, &doc, &err) || doc.count != row->values)
            fail_msg("%s: %zu values, wanted %zu: %s", row->name, doc.count, row->values, err.text);
        arena_free(&arena);
        free(text);
    }
}

static void test_refuse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refuse_rows); i++) {
        const struct refuse_row *row = &refuse_rows[i];
        struct arena arena = {0};
        struct err err = {0};
        struct json doc;
        char *text = exact_copy((struct str){row->text, row->n});
        bool ok = json_scan((struct str){text, row->n}, &arena, &doc, &err);
        if (ok || !err.set || doc.nodes || err.line != row->line || err.column != row->column ||
            !strstr(err.text, row->says))
            fail_msg("%s: wanted %d:%d \"%s\", got %s %d:%d \"%s\"", row->name, row->line,
                     row->column, row->says, ok ? "accepted" : "refused", err.line, err.column,
                     err.text);
        arena_free(&arena);
        free(text);
    }
}

/* A whole document, cut at every byte, is never accepted and never read past its end. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    struct str whole =
        STR("{\"a\\u0041\":[1.5e-3,\"\xE2\x82\xAC\\ud83d\\ude00\",true,null],\"b\":{}}");
    for (size_t n = 0; n <= whole.n; n++) {
        struct arena arena = {0};
        struct json doc;
        char *text = exact_copy(str_head(whole, n));
        bool ok = json_scan((struct str){text, n}, &arena, &doc, NULL);
        if (ok != (n == whole.n))
            fail_msg("cut at %zu: %d", n, ok);
        arena_free(&arena);
        free(text);
    }
}

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(decode_rows); i++) {
        const struct decode_row *row = &decode_rows[i];
        struct arena arena = {0};
        struct json doc;
        assert_true(json_scan((struct str){row->text, row->n}, &arena, &doc, NULL));
        assert_int_equal(doc.nodes[0].kind, JSON_STRING);
        if (!str_eq(doc.nodes[0].text, (struct str){row->value, row->value_n}))
            fail_msg("%s: got %.*s", row->text, STR_ARG(doc.nodes[0].text));
        arena_free(&arena);
    }
}

static void test_slices(void **state)
{
    (void)state;
    struct str text = STR("{\"plain\":\"value\"}");
    struct arena arena = {0};
    struct json doc;
    assert_true(json_scan(text, &arena, &doc, NULL));
    assert_ptr_equal(doc.nodes[1].key.p, text.p + 2);
    assert_ptr_equal(doc.nodes[1].text.p, text.p + 10);
    arena_free(&arena);
}

static void test_nodes(void **state)
{
    (void)state;
    struct str text = STR(" {\"a\" : [10, {\"b\":\"x\"}], \"c\":null}");
    struct arena arena = {0};
    struct json doc;
    assert_true(json_scan(text, &arena, &doc, NULL));
    assert_int_equal(doc.count, 6);
    const struct json_node *root = &doc.nodes[0];
    assert_int_equal(root->kind, JSON_OBJECT);
    assert_int_equal(root->count, 2);
    assert_int_equal(root->offset, 1);
    assert_int_equal(root->end, text.n);
    const struct json_node *a = json_get(&doc, root, STR("a"));
    assert_ptr_equal(a, json_child(&doc, root));
    assert_int_equal(a->key_offset, 2);
    assert_int_equal(a->count, 2);
    assert_int_equal(text.p[a->offset], '[');
    assert_int_equal(text.p[a->end - 1], ']');
    const struct json_node *inner = json_next(&doc, json_child(&doc, a));
    assert_null(json_next(&doc, inner));
    assert_null(inner->key.p);
    assert_int_equal(inner->parent, (uint32_t)(a - doc.nodes));
    assert_true(str_is(json_get(&doc, inner, STR("b"))->text, "x"));
    const struct json_node *c = json_next(&doc, a);
    assert_true(str_is(c->key, "c"));
    assert_int_equal(c->parent, 0);
    assert_null(json_next(&doc, c));
    assert_null(json_get(&doc, root, STR("A")));
    assert_null(json_get(&doc, root, STR("aa")));
    assert_null(json_get(&doc, a, STR("a")));
    assert_null(json_get(&doc, NULL, STR("a")));
    arena_free(&arena);
}

static void test_depth(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
            char text[8 * (JSON_DEPTH_MAX + 2)];
            size_t n = 0;
            for (size_t i = 0; i < depth; i++)
                n += (size_t)sprintf(text + n, kind ? "{\"a\":" : "[");
            text[n++] = '1';
            for (size_t i = 0; i < depth; i++)
                text[n++] = kind ? '}' : ']';
            struct arena arena = {0};
            struct json doc;
            struct err err = {0};
            bool ok = json_scan((struct str){text, n}, &arena, &doc, &err);
            assert_int_equal(ok, depth <= JSON_DEPTH_MAX);
            assert_true(ok || strstr(err.text, "more than 64 levels"));
            arena_free(&arena);
        }
    }
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Object of `count` members whose names stand between two texts; one of them again when twice. */
static struct str make_object(const char *const around[2], unsigned count, bool twice)
{
    char *text = malloc((size_t)(count + 2) * 64);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, "{");
    for (unsigned i = 0; i < count + twice; i++) {
        n += (size_t)sprintf(text + n, "%s\"%s%08x%s\":1", i ? "," : "", around[0],
                             i < count ? i : count / 2, around[1]);
    }
    text[n++] = '}';
    return (struct str){text, n};
}

/* The second kind of names has ends and lengths alike, as an attacker would choose them. */
static void test_many_members(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"", ""}, {"prefix00-", "-suffix00"}};
    static const unsigned counts[] = {2, 8, 9, 17, 128, 129, 300, 60000};
    for (size_t f = 0; f < ARRAY_LEN(names); f++) {
        for (size_t c = 0; c < 2 * ARRAY_LEN(counts); c++) {
            struct arena arena = {0};
            struct json doc;
            struct err err = {0};
            bool twice = c % 2;
            struct str text = make_object(names[f], counts[c / 2], twice);
            double start = seconds_now();
            bool ok = json_scan(text, &arena, &doc, &err);
            double took = seconds_now() - start;
            if (ok == twice || (twice && !strstr(err.text, "stands twice")) || took > 2)
                fail_msg("%u of %s twice %d: %d, %f s, %s", counts[c / 2], names[f][0], twice, ok,
                         took, err.text);
            arena_free(&arena);
            free((char *)(uintptr_t)text.p);
        }
    }
}

/* Commas in a string cost no nodes; limits and sizes that the arena refuses are errors. */
static void test_memory(void **state)
{
    (void)state;
    size_t n = 60000;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, ',', n);
    text[0] = text[n - 1] = '"';
    struct arena arena = {.limit = 4096};
    struct json doc;
    struct err err = {0};
    assert_true(json_scan((struct str){text, n}, &arena, &doc, &err));
    arena_free(&arena);
    text[0] = '[';
    for (size_t i = 1; i < n; i++)
        text[i] = i % 2 ? '1' : ',';
    text[n - 2] = ' ';
    text[n - 1] = ']';
    text[n - 3] = '1';
    assert_false(json_scan((struct str){text, n}, &arena, &doc, &err));
    assert_non_null(strstr(err.text, "not enough memory"));
    arena_free(&arena);
    arena.limit = 200;
    err = (struct err){0};
    assert_false(json_scan(STR("\"\\n0123456789012345678901234567890123456789012345678901234567890"
                               "123456789012345678901234567890123456789012345678901234567890123456"
                               "7890123456789012345678901234567890\""),
                           &arena, &doc, &err));
    assert_non_null(strstr(err.text, "not enough memory"));
    arena_free(&arena);
    free(text);
}

static void test_place(void **state)
{
    (void)state;
    struct json doc = {.source = STR("ab\n\ncd\n")};
    static const int places[][3] = {{0, 1, 1}, {2, 1, 3}, {3, 2, 1}, {4, 3, 1},
                                    {6, 3, 3}, {7, 4, 1}, {99, 4, 1}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        int line;
        int column;
        json_place(&doc, (uint32_t)places[i][0], &line, &column);
        if (line != places[i][1] || column != places[i][2])
            fail_msg("offset %d: %d:%d", places[i][0], line, column);
    }
}

static void test_empty_and_int(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct json doc;
    for (size_t i = 0; i < ARRAY_LEN(empty_rows); i++) {
        assert_true(json_scan(str_of(empty_rows[i].text), &arena, &doc, NULL));
        if (json_empty(doc.nodes) != empty_rows[i].empty)
            fail_msg("empty: %s", empty_rows[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(int_rows); i++) {
        int64_t value = 0;
        assert_true(json_scan(str_of(int_rows[i].text), &arena, &doc, NULL));
        if (json_int(doc.nodes, &value) != int_rows[i].ok || value != int_rows[i].value)
            fail_msg("int: %s", int_rows[i].text);
    }
    arena_free(&arena);
}

static void test_fold(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fold_rows); i++) {
        const struct fold_row *row = &fold_rows[i];
        if (json_fold_eq(str_of(row->a), str_of(row->b)) != row->equal ||
            json_fold_eq(str_of(row->b), str_of(row->a)) != row->equal)
            fail_msg("fold: \"%s\" \"%s\"", row->a, row->b);
        char a[64], b[64];
        struct str left = {a, json_fold(str_of(row->a), a)};
        struct str right = {b, json_fold(str_of(row->b), b)};
        if (str_eq(left, right) != row->equal)
            fail_msg("folded: \"%s\" \"%s\"", row->a, row->b);
    }
}

static void test_arena(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(arena_alloc(&arena, 1, SIZE_MAX - 40));
    assert_int_equal(arena.used, 0);
    assert_non_null(arena_alloc(&arena, 0, 8));
    for (int round = 0; round < 3; round++) {
        unsigned char *last = NULL;
        for (size_t i = 0; i < 2000; i++) {
            size_t n = i % 200 == 199 ? 40000 : i % 50 + 1;
            unsigned char *piece = arena_alloc(&arena, n, 1);
            assert_non_null(piece);
            assert_int_equal((uintptr_t)piece % 16, 0);
            assert_ptr_not_equal(piece, last);
            for (size_t b = 0; b < n; b++)
                if (piece[b])
                    fail_msg("round %d: piece %zu is not zeroed", round, i);
            memset(piece, 0xA5, n);
            last = piece;
        }
        arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    struct str copy = arena_copy(&arena, STR("abc"));
    assert_true(str_is(copy, "abc"));
    assert_int_equal(copy.p[3], 0);
    assert_non_null(arena_copy(&arena, (struct str){NULL, 0}).p);
    arena_free(&arena);
    arena.limit = 64;
    assert_non_null(arena_alloc(&arena, 48, 1));
    assert_null(arena_alloc(&arena, 17, 1));
    assert_non_null(arena_alloc(&arena, 16, 1));
    arena_free(&arena);
}

static void test_err(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(err_set(&err, 3, 4, "first %d", 1));
    assert_false(err_set(&err, 5, 6, "second"));
    assert_false(err_set(NULL, 0, 0, "nobody listens"));
    assert_true(err.set && err.line == 3 && err.column == 4);
    assert_string_equal(err.text, "first 1");
    struct err_list list = {0};
    for (int i = 0; i < 3 * POLICY_ERRORS_MAX; i++)
        err_list_add(&list, i % 3 == 0, i, 1, "number %d", i);
    assert_int_equal(list.errors, 2 * POLICY_ERRORS_MAX);
    assert_int_equal(list.count, 2 * POLICY_ERRORS_MAX);
    assert_true(list.items[0].warning && !list.items[1].warning);
    assert_string_equal(list.items[1].err.text, "number 1");
    err_list_free(&list);
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_cut_anywhere),  cmocka_unit_test(test_decode),
        cmocka_unit_test(test_slices),        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_depth),         cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_memory),        cmocka_unit_test(test_place),
        cmocka_unit_test(test_empty_and_int), cmocka_unit_test(test_fold),
        cmocka_unit_test(test_arena),         cmocka_unit_test(test_err),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
