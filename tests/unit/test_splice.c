/* Edits of JSON: what comes out, what is refused, and that nothing else changes by a byte. */
#include "splice.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

enum action { SET, PATH, STRING };
enum { STEPS_MAX = 4 };

/* One call: where names a node by member names with dots, for PATH it is the path. */
struct step {
    enum action action;
    const char *where, *name, *value;
};

// clang-format off
static const struct splice_row {
    const char *label;
    const char *source;          /* NULL: no body */
    struct step steps[STEPS_MAX]; /* up to one without value */
    const char *result;          /* NULL: refused */
} splice_rows[] = {
    {"no edits", " {\"a\":1e5} \n", {{0}}, " {\"a\":1e5} \n"},
    {"string", "{\"a\":\"x\",\"b\":123456789012345678901234567890}", {{STRING, "a", 0, "y\"\\\n\x7f\xC3\xA9"}},
     "{\"a\":\"y\\\"\\\\\\u000a\\u007f\xC3\xA9\",\"b\":123456789012345678901234567890}"},
    {"two strings", "{\"a\":\"x\", \"b\" : \"\\u0041\"}", {{STRING, "b", 0, "2"}, {STRING, "a", 0, "1"}},
     "{\"a\":\"1\", \"b\" : \"2\"}"},
    {"string at the root", "\"x\"", {{STRING, "", 0, ""}}, "\"\""},
    {"a number is no string", "{\"a\":1}", {{STRING, "a", 0, "y"}}, NULL},
    {"same string twice", "{\"a\":\"x\"}", {{STRING, "a", 0, "y"}, {STRING, "a", 0, "y"}}, NULL},
    {"not UTF-8", "{\"a\":\"x\"}", {{STRING, "a", 0, "\xFF"}}, NULL},
    {"string in what is set", "{\"k\":[\"x\"]}", {{SET, "", "k", "v"}, {STRING, "k.0", 0, "y"}}, NULL},
    {"set in an empty object", "{}", {{SET, "", "k", "v"}}, "{\"k\":\"v\"}"},
    {"set two in an empty object", "{ \n}", {{SET, "", "k", "v"}, {SET, "", "l", "w"}}, "{\"k\":\"v\",\"l\":\"w\" \n}"},
    {"set in an object", "{\"a\": 1.0 }", {{SET, "", "k", "v"}}, "{\"a\": 1.0,\"k\":\"v\" }"},
    {"set two in an object", "{\"a\":-0}", {{SET, "", "k", "v"}, {SET, "", "l", "w"}}, "{\"a\":-0,\"k\":\"v\",\"l\":\"w\"}"},
    {"set replaces", "{\"k\":{\"x\":[null]},\"a\":1}", {{SET, "", "k", "v"}}, "{\"k\":\"v\",\"a\":1}"},
    {"set replaces null", "{\"k\":null}", {{SET, "", "k", "v"}}, "{\"k\":\"v\"}"},
    {"set twice", "{\"k\":1}", {{SET, "", "k", "v"}, {SET, "", "k", "w"}}, "{\"k\":\"w\"}"},
    {"add twice", "{}", {{SET, "", "k", "v"}, {SET, "", "l", "x"}, {SET, "", "k", "w"}}, "{\"k\":\"w\",\"l\":\"x\"}"},
    {"set in null", "{\"o\": null }", {{SET, "o", "k", "v"}, {SET, "o", "l", "w"}}, "{\"o\": {\"k\":\"v\",\"l\":\"w\"} }"},
    {"set by another case", "{\"K\":1}", {{SET, "", "k", "v"}}, "{\"K\":1,\"k\":\"v\"}"},
    {"set by an escaped name", "{\"\\u006b\":1}", {{SET, "", "k", "v"}}, "{\"\\u006b\":\"v\"}"},
    {"set in a list", "[]", {{SET, "", "k", "v"}}, NULL},
    {"set in what was set", "{\"k\":null}", {{SET, "", "k", "v"}, {SET, "k", "l", "w"}}, NULL},
    {"set over what has members", "{\"k\":null}", {{SET, "k", "l", "w"}, {SET, "", "k", "v"}}, NULL},
    {"set a string that is replaced", "{\"k\":\"1\"}", {{STRING, "k", 0, "2"}, {SET, "", "k", "v"}}, NULL},
    {"add and replace the last", "{\"k\":\"1\"}", {{SET, "", "l", "v"}, {STRING, "k", 0, "2"}}, "{\"k\":\"2\",\"l\":\"v\"}"},
    {"names to escape", "{}", {{SET, "", "a\"b", "v"}}, "{\"a\\\"b\":\"v\"}"},
    {"name not UTF-8", "{}", {{SET, "", "\xC3", "v"}}, NULL},
    {"path", "{\"Labels\":{\"a\":\"b\"}}", {{PATH, "Labels", "k", "v"}}, "{\"Labels\":{\"a\":\"b\",\"k\":\"v\"}}"},
    {"path replaces", "{\"Labels\":{\"k\":\"b\"}}", {{PATH, "Labels", "k", "v"}}, "{\"Labels\":{\"k\":\"v\"}}"},
    {"path to null", "{\"Labels\":null,\"x\":1}", {{PATH, "Labels", "k", "v"}, {PATH, "Labels", "l", "w"}},
     "{\"Labels\":{\"k\":\"v\",\"l\":\"w\"},\"x\":1}"},
    {"path to nothing", "{\"x\":1}", {{PATH, "Labels", "k", "v"}, {PATH, "Labels", "l", "w"}},
     "{\"x\":1,\"Labels\":{\"k\":\"v\",\"l\":\"w\"}}"},
    {"deep path to nothing", "{}", {{PATH, "A.B.C", "k", "v"}, {PATH, "A.B", "l", "w"}, {PATH, "A.B.C", "m", "x"}},
     "{\"A\":{\"B\":{\"C\":{\"k\":\"v\",\"m\":\"x\"},\"l\":\"w\"}}}"},
    {"deep path to half", "{\"A\":{\"z\":0,\"B\":null}}", {{PATH, "A.B.C", "k", "v"}, {PATH, "A.D", "l", "w"}},
     "{\"A\":{\"z\":0,\"B\":{\"C\":{\"k\":\"v\"}},\"D\":{\"l\":\"w\"}}}"},
    {"path by Go's folding", "{\"labelS\":{}}", {{PATH, "Labels", "k", "v"}}, "{\"labelS\":{\"k\":\"v\"}}"},
    {"path by two names", "{\"labels\":{},\"Labels\":{}}", {{PATH, "Labels", "k", "v"}}, NULL},
    {"path to a string", "{\"Labels\":\"x\"}", {{PATH, "Labels", "k", "v"}}, NULL},
    {"path to a list", "{\"A\":[]}", {{PATH, "A.B", "k", "v"}}, NULL},
    {"path in a list", "[]", {{PATH, "Labels", "k", "v"}}, NULL},
    {"path over an added string", "{}", {{PATH, "", "A", "v"}, {PATH, "A", "k", "v"}}, NULL},
    {"string over an added path", "{}", {{PATH, "A", "k", "v"}, {PATH, "", "A", "v"}}, NULL},
    {"empty path", "{\"a\":1}", {{PATH, "", "k", "v"}}, "{\"a\":1,\"k\":\"v\"}"},
    {"null document", " null ", {{PATH, "Labels", "k", "v"}}, " {\"Labels\":{\"k\":\"v\"}} "},
    {"no body", NULL, {{PATH, "Labels", "k", "v"}, {PATH, "Labels", "l", "w"}, {PATH, "", "x", "y"}},
     "{\"Labels\":{\"k\":\"v\",\"l\":\"w\"},\"x\":\"y\"}"},
    {"no body, member", NULL, {{SET, "", "x", "y"}}, "{\"x\":\"y\"}"},
    {"no body, no edits", NULL, {{0}}, ""},
    {"after a failure", "{}", {{STRING, "", 0, "x"}, {SET, "", "k", "v"}}, NULL},
};
// clang-format on

/* The node at a path of member names and indices with dots between. */
static const struct json_node *node_at(const struct json *doc, const char *path)
{
    const struct json_node *node = doc->count ? doc->nodes : NULL;
    struct str rest = str_of(path);
    while (node && rest.n) {
        struct str part = str_head(rest, str_find(rest, '.'));
        rest = str_skip(rest, part.n + 1);
        node = node->kind == JSON_ARRAY ? json_child(doc, node) : json_get(doc, node, part);
    }
    return node;
}

static void take_step(struct edits *edits, const struct json *doc, const struct step *step)
{
    struct str value = str_of(step->value);
    const struct json_node *node = doc && step->action != PATH ? node_at(doc, step->where) : NULL;
    bool before = edits->failed;
    bool done = false;
    switch (step->action) {
    case SET:
        done = edits_set_member(edits, doc, node, str_of(step->name), value);
        break;
    case PATH:
        done = edits_set_path(edits, doc, step->where, str_of(step->name), value);
        break;
    case STRING:
        done = edits_replace_string(edits, doc, node, value);
        break;
    }
    assert_int_equal(done, !edits->failed);
    assert_true(!before || !done);
}

static void check_row(const struct splice_row *row, struct arena *arena, struct arena *out)
{
    struct str source = str_of(row->source);
    struct json doc = {.source = source};
    if (row->source)
        assert_true(json_scan(source, arena, &doc, NULL));
    struct edits edits = {.arena = arena};
    for (size_t i = 0; i < STEPS_MAX && row->steps[i].value; i++)
        take_step(&edits, row->source ? &doc : NULL, &row->steps[i]);
    struct str result = edits_apply(&edits, source, out);
    bool right = row->result ? result.p && str_is(result, row->result) : !result.p;
    if (!right)
        fail_msg("%s: got %.*s", row->label, STR_ARG(result));
}

static void test_splice(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(splice_rows); i++) {
        struct arena arena = {0};
        struct arena out = {0};
        check_row(&splice_rows[i], &arena, &out);
        arena_free(&arena);
        arena_free(&out);
    }
}

/* ---- nothing else changes ------------------------------------------------------------------ */

// clang-format off
static const char *const documents[] = {
    " {\t\"big\":123456789012345678901234567890 ,\"e\":-1.50E+0400,\"z\":[0,-0,0.0,1e-7]\n}\r\n",
    "{\"a\":\"\\u0041\\/\\ud83d\\ude00\",\"A\":\"\xF0\x9F\x98\x80\",\"\\u0061b\":{\"a\":{\"a\":null}},\"\":\"\"}",
    "[[],{},[[{\"x\":[true,false,null]}]], \"\\\\\", {\"y\\\"\":{ }} ]",
    "\"alone\"", "0", "null", "{\"Labels\":{\"k\":\"v\",\"K\":\"V\",\"k \":\"\"},\"labelz\":[\"k\"]}",
};
// clang-format on

/* The source with the bytes from offset up to end replaced. */
static struct str spliced(struct arena *arena, struct str source, size_t offset, size_t end,
                          const char *text)
{
    const struct str parts[] = {str_head(source, offset), str_of(text), str_skip(source, end)};
    return arena_join(arena, parts, 3);
}

static void check_same(struct arena *arena, const struct edits *edits, struct str source,
                       struct str expected)
{
    struct str result = edits_apply(edits, source, arena);
    if (!result.p || !str_eq(result, expected))
        fail_msg("got %.*s instead of %.*s", STR_ARG(result), STR_ARG(expected));
}

static void check_added(struct arena *arena, const struct json *doc, const struct json_node *node)
{
    struct edits edits = {.arena = arena};
    assert_true(edits_set_member(&edits, doc, node, STR("new"), STR("v")));
    assert_true(edits_set_member(&edits, doc, node, STR("newer"), STR("w")));
    bool null = node->kind == JSON_NULL;
    const struct json_node *last = json_child(doc, node);
    while (last && last->next)
        last = json_next(doc, last);
    size_t at = last ? last->end : node->offset + 1;
    struct str expected =
        null ? spliced(arena, doc->source, node->offset, node->end,
                       "{\"new\":\"v\",\"newer\":\"w\"}")
             : spliced(arena, doc->source, at, at,
                       last ? ",\"new\":\"v\",\"newer\":\"w\"" : "\"new\":\"v\",\"newer\":\"w\"");
    check_same(arena, &edits, doc->source, expected);
}

static void check_node(struct arena *arena, const struct json *doc, const struct json_node *node)
{
    struct edits edits = {.arena = arena};
    if (edits_replace_string(&edits, doc, node, STR("\"")))
        check_same(arena, &edits, doc->source,
                   spliced(arena, doc->source, node->offset, node->end, "\"\\\"\""));
    assert_int_equal(!edits.failed, node->kind == JSON_STRING);
    if (node->kind == JSON_OBJECT || node->kind == JSON_NULL)
        check_added(arena, doc, node);
}

/* Each edit that a document allows changes its own bytes and no other. */
static void test_splice_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        struct arena arena = {0};
        struct json doc;
        assert_true(json_scan(str_of(documents[i]), &arena, &doc, NULL));
        for (size_t n = 0; n < doc.count; n++)
            check_node(&arena, &doc, &doc.nodes[n]);
        arena_free(&arena);
    }
}

/* With arenas of any smaller size the answer is the same or none. */
static void test_splice_memory(void **state)
{
    (void)state;
    const struct str source = STR("{\"a\":null,\"b\":\"x\"}");
    for (size_t limit = 1; limit < 4000; limit += 8) {
        struct arena all = {0};
        struct arena arena = {.limit = limit};
        struct arena out = {.limit = limit};
        struct json doc;
        assert_true(json_scan(source, &all, &doc, NULL));
        struct edits edits = {.arena = &arena};
        edits_set_path(&edits, &doc, "a.b", STR("k"), STR("v"));
        edits_replace_string(&edits, &doc, node_at(&doc, "b"), STR("y"));
        edits.failed = edits.count != 2;
        struct str result = edits_apply(&edits, source, &out);
        if (result.p)
            assert_true(str_is(result, "{\"a\":{\"b\":{\"k\":\"v\"}},\"b\":\"y\"}"));
        else
            assert_true(limit < 3000);
        arena_free(&all);
        arena_free(&arena);
        arena_free(&out);
    }
}

/* The bounds: EDITS_MAX places, EDITS_ADDED_MAX bytes. */
static void test_splice_bounds(void **state)
{
    (void)state;
    static char text[EDITS_MAX * 3 + 4];
    static char large[EDITS_ADDED_MAX];
    memset(large, 'x', sizeof large);
    for (size_t count = EDITS_MAX; count <= EDITS_MAX + 1; count++) {
        struct arena arena = {0};
        struct json doc;
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s\"\"", i ? "," : "[");
        text[n++] = ']';
        assert_true(json_scan((struct str){text, n}, &arena, &doc, NULL));
        struct edits edits = {.arena = &arena};
        for (size_t i = 1; i < doc.count; i++)
            edits_replace_string(&edits, &doc, &doc.nodes[i], STR("1"));
        assert_int_equal(edits_apply(&edits, doc.source, &arena).p != NULL, count <= EDITS_MAX);
        edits = (struct edits){.arena = &arena};
        edits_replace_string(&edits, &doc, &doc.nodes[1], (struct str){large, sizeof large});
        if (count > EDITS_MAX)
            edits_replace_string(&edits, &doc, &doc.nodes[2], STR("1"));
        assert_int_equal(edits_apply(&edits, doc.source, &arena).p != NULL, count <= EDITS_MAX);
        arena_free(&arena);
    }
    struct arena arena = {0};
    struct edits edits = {.arena = &arena};
    edits_set_member(&edits, NULL, NULL, STR("k"), (struct str){large, sizeof large + 1});
    assert_true(edits.failed);
    edits = (struct edits){.arena = &arena}; /* a NUL would be written as another character */
    assert_false(edits_set_member(&edits, NULL, NULL, STR("k"), (struct str){"a\0b", 3}));
    assert_true(edits.failed);
    edits = (struct edits){.arena = &arena};
    assert_false(edits_set_member(&edits, NULL, NULL, (struct str){"k\0", 2}, STR("v")));
    edits = (struct edits){.arena = &arena};
    assert_false(edits_set_member(&edits, &(struct json){0}, NULL, STR("k"), STR("v")));
    edits =
        (struct edits){.arena = &arena, .items = &(struct edit){.offset = 1, .end = 4}, .count = 1};
    assert_null(edits_apply(&edits, STR("[1]"), &arena).p);
    edits.items = &(struct edit){.offset = 2, .end = 1};
    assert_null(edits_apply(&edits, STR("[1]"), &arena).p);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splice),
        cmocka_unit_test(test_splice_rest),
        cmocka_unit_test(test_splice_memory),
        cmocka_unit_test(test_splice_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
