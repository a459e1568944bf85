/* The filter of response bodies: what passes, what is left out, what breaks it, wherever the input
   is split; and that the answers of the daemon are filtered as their operation asks. */
#include "filter.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

struct sunk {
    char p[64 << 10];
    size_t n;
    bool refuse;
};

static bool sink(void *arg, struct str bytes)
{
    struct sunk *sunk = arg;
    if (sunk->refuse || bytes.n > sizeof sunk->p - sunk->n)
        return false;
    memcpy(sunk->p + sunk->n, bytes.p, bytes.n);
    sunk->n += bytes.n;
    return true;
}

/* Judges by the member "v". */
static enum filter_verdict judge(void *arg, const struct json *object, struct arena *arena,
                                 struct str *changed)
{
    (void)arg;
    const struct json_node *v = json_get(object, object->nodes, STR("v"));
    struct str says = v ? v->text : STR("");
    if (str_is(says, "hide"))
        return FILTER_HIDE;
    if (str_is(says, "fail"))
        return FILTER_FAIL;
    *changed = arena_copy(arena, STR("{\"new\":1}"));
    return str_is(says, "change") ? FILTER_CHANGE : FILTER_KEEP;
}

/* Doubles the body, or fails on "bad". */
static bool rewrite(void *arg, struct str body, struct arena *arena, struct str *out)
{
    (void)arg;
    const struct str parts[] = {body, body};
    *out = arena_join(arena, parts, 2);
    return out->p && !str_is(body, "bad");
}

#define H "{\"v\":\"hide\"}"
#define C "{\"v\":\"change\"}"
#define F "{\"v\":\"fail\"}"
#define A "{\"v\":\"a}]\\\"\",\"n\":[1e400,{}]}"
#define B "{ \"v\" : 12345678901234567890 }"
#define N "{\"new\":1}"

// clang-format off
static const struct filter_row {
    const char *label;
    enum filter_shape shape;
    const char *member;
    const char *input;
    const char *output; /* NULL: it breaks */
} rows[] = {
    {"empty list", FILTER_ARRAY, NULL, "[]\n", "[]\n"},
    {"blank list", FILTER_ARRAY, NULL, " [ \t] ", " [ \t] "},
    {"null", FILTER_ARRAY, NULL, " null", " null"},
    {"null and a blank", FILTER_ARRAY, NULL, "null\n", "null\n"},
    {"all kept", FILTER_ARRAY, NULL, "[ " A " ,\n " B ", " A " ]\n", "[ " A " ,\n " B ", " A " ]\n"},
    {"first hidden", FILTER_ARRAY, NULL, "[" H "," A "," B "]", "[" A "," B "]"},
    {"middle hidden", FILTER_ARRAY, NULL, "[" A "," H "," H "," B "]", "[" A "," B "]"},
    {"last hidden", FILTER_ARRAY, NULL, "[" A "," B "," H "]", "[" A "," B "]"},
    {"all hidden", FILTER_ARRAY, NULL, "[" H "," H "]", "[]"},
    {"hidden and blanks", FILTER_ARRAY, NULL, "[ " H " , " A " , " H " ]", "[ " A " ]"},
    {"changed", FILTER_ARRAY, NULL, "[" C "," H "," C "]", "[" N "," N "]"},
    {"only one changed", FILTER_ARRAY, NULL, "[" H ", " C "]", "[ " N "]"},
    {"cannot tell", FILTER_ARRAY, NULL, "[" A "," F "]", NULL},
    {"not a list", FILTER_ARRAY, NULL, "{}", NULL},
    {"not null", FILTER_ARRAY, NULL, "nul", NULL},
    {"a word", FILTER_ARRAY, NULL, "true", NULL},
    {"element no object", FILTER_ARRAY, NULL, "[1]", NULL},
    {"element null", FILTER_ARRAY, NULL, "[null]", NULL},
    {"element a list", FILTER_ARRAY, NULL, "[[]]", NULL},
    {"comma first", FILTER_ARRAY, NULL, "[," A "]", NULL},
    {"comma last", FILTER_ARRAY, NULL, "[" A ",]", NULL},
    {"two commas", FILTER_ARRAY, NULL, "[" A ",," A "]", NULL},
    {"no comma", FILTER_ARRAY, NULL, "[" A A "]", NULL},
    {"wrong bracket", FILTER_ARRAY, NULL, "[{]}", NULL},
    {"wrong end", FILTER_ARRAY, NULL, "[" A "}", NULL},
    {"behind the end", FILTER_ARRAY, NULL, "[]]", NULL},
    {"two lists", FILTER_ARRAY, NULL, "[][]", NULL},
    {"cut", FILTER_ARRAY, NULL, "[" A, NULL},
    {"cut in an element", FILTER_ARRAY, NULL, "[{\"v\":", NULL},
    {"nothing", FILTER_ARRAY, NULL, "", NULL},
    {"a name twice", FILTER_ARRAY, NULL, "[{\"v\":\"a\",\"v\":\"hide\"}]", "[]"},
    {"a NUL in one of three", FILTER_ARRAY, NULL, "[" A ",{\"v\":\"\\u0000\"}," A "]", "[" A "," A "]"},
    {"not UTF-8", FILTER_ARRAY, NULL, "[{\"v\":\"\xFF\"}]", "[]"},
    {"too deep", FILTER_ARRAY, NULL, "[{\"v\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}]", NULL},
    {"member", FILTER_ARRAY, "Vs", "{\"Vs\":[" A "," H "],\"W\":[\"x\", 1]}\n", "{\"Vs\":[" A "],\"W\":[\"x\", 1]}\n"},
    {"member last", FILTER_ARRAY, "Vs", " { \"W\" : -0.5e1 , \"Vs\" : [ " H " ] } ", " { \"W\" : -0.5e1 , \"Vs\" : [ ] } "},
    {"member of another case", FILTER_ARRAY, "Vs", "{\"vS\":[" H "]}", "{\"vS\":[]}"},
    {"member escaped", FILTER_ARRAY, "Vs", "{\"V\\u0073\":[" H "]}", "{\"V\\u0073\":[]}"},
    {"member twice", FILTER_ARRAY, "Vs", "{\"Vs\":[" A "," H "],\"Vs\":[" H "," B "]}", "{\"Vs\":[" A "],\"Vs\":[" B "]}"},
    {"member null", FILTER_ARRAY, "Vs", "{\"Vs\":null,\"W\":null}", "{\"Vs\":null,\"W\":null}"},
    {"member missing", FILTER_ARRAY, "Vs", "{\"W\":{\"Vs\":[" H "]}}", "{\"W\":{\"Vs\":[" H "]}}"},
    {"no members", FILTER_ARRAY, "Vs", "{ }", "{ }"},
    {"object null", FILTER_ARRAY, "Vs", "null", "null"},
    {"member a string", FILTER_ARRAY, "Vs", "{\"Vs\":\"x\"}", NULL},
    {"member an object", FILTER_ARRAY, "Vs", "{\"Vs\":{}}", NULL},
    {"member no value", FILTER_ARRAY, "Vs", "{\"Vs\":}", NULL},
    {"other no value", FILTER_ARRAY, "Vs", "{\"W\":,\"Vs\":[]}", NULL},
    {"other malformed", FILTER_ARRAY, "Vs", "{\"W\":[01],\"Vs\":[]}", NULL},
    {"no colon", FILTER_ARRAY, "Vs", "{\"Vs\"[]}", NULL},
    {"no name", FILTER_ARRAY, "Vs", "{[]}", NULL},
    {"bad name", FILTER_ARRAY, "Vs", "{\"\\x\":1}", NULL},
    {"object for a list", FILTER_ARRAY, "Vs", "[]", NULL},
    {"object not ended", FILTER_ARRAY, "Vs", "{\"Vs\":[]", NULL},
    {"comma last in object", FILTER_ARRAY, "Vs", "{\"Vs\":[],}", NULL},
    {"lines", FILTER_LINES, NULL, A "\n" H "\n" B "\n", A "\n" B "\n"},
    {"lines without line ends", FILTER_LINES, NULL, A H C H B, A N B},
    {"all lines hidden", FILTER_LINES, NULL, H "\r\n" H "\n", ""},
    {"no lines", FILTER_LINES, NULL, "", ""},
    {"blank lines", FILTER_LINES, NULL, "\n \n", "\n \n"},
    {"records", FILTER_LINES, "rs", "\x1e" A "\n\x1e" H "\n\x1e" B "\n", "\x1e" A "\n\x1e" B "\n"},
    {"records doubled", FILTER_LINES, "rs", "\x1e\x1e " H "\n\x1e " A "\x1e", "\x1e " A},
    {"records not asked for", FILTER_LINES, NULL, "\x1e" A "\n", NULL},
    {"line no object", FILTER_LINES, NULL, "[]", NULL},
    {"line a word", FILTER_LINES, NULL, A "null", NULL},
    {"line cut", FILTER_LINES, NULL, A "\n{\"v", NULL},
    {"line cannot tell", FILTER_LINES, NULL, A F A, NULL},
    {"line malformed", FILTER_LINES, NULL, "{\"v\":01}", ""},
    {"commas between lines", FILTER_LINES, NULL, A "," A, NULL},
    {"whole", FILTER_WHOLE, NULL, "any thing", "any thingany thing"},
    {"whole and empty", FILTER_WHOLE, NULL, "", ""},
    {"whole refused", FILTER_WHOLE, NULL, "bad", NULL},
};
// clang-format on

static struct filter filter_of(const struct filter_row *row, struct sunk *sunk)
{
    sunk->n = 0;
    sunk->refuse = false;
    return (struct filter){
        .shape = row->shape,
        .member = row->shape == FILTER_ARRAY ? str_of(row->member) : str_of(NULL),
        .records = row->shape == FILTER_LINES && row->member,
        .judge = judge,
        .rewrite = rewrite,
        .sink = sink,
        .sink_arg = sunk,
    };
}

/* Feeds the piece from a block of its own size, so that a read past its end is seen. */
static bool feed(struct filter *filter, struct str piece)
{
    char *copy = malloc(piece.n ? piece.n : 1);
    assert_non_null(copy);
    if (piece.n)
        memcpy(copy, piece.p, piece.n);
    bool fine = filter_feed(filter, (struct str){copy, piece.n});
    free(copy);
    return fine;
}

static void check(const struct filter_row *row, const struct sunk *sunk, bool fine, size_t split)
{
    struct str got = {sunk->p, sunk->n};
    if (fine != (row->output != NULL) || (fine && !str_is(got, row->output)))
        fail_msg("%s, split at %zu: %s, got %.*s", row->label, split, fine ? "passed" : "broken",
                 STR_ARG(got));
    for (size_t i = 0; i + 4 <= got.n && !(row->output && strstr(row->output, "hide")); i++)
        assert_memory_not_equal(got.p + i, "hide", 4);
}

static void test_rows(void **state)
{
    (void)state;
    static struct sunk sunk;
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct str input = str_of(rows[r].input);
        for (size_t split = 0; split <= input.n; split++) {
            struct filter filter = filter_of(&rows[r], &sunk);
            bool fine = feed(&filter, str_head(input, split)) &&
                        feed(&filter, str_skip(input, split)) && filter_end(&filter);
            check(&rows[r], &sunk, fine, split);
            assert_false(filter_feed(&filter, STR("x")) || filter_end(&filter));
            filter_free(&filter);
        }
        struct filter filter = filter_of(&rows[r], &sunk);
        bool fine = true;
        for (size_t i = 0; i < input.n; i++)
            fine = feed(&filter, str_head(str_skip(input, i), 1));
        check(&rows[r], &sunk, filter_end(&filter) && fine, SIZE_MAX);
        filter_free(&filter);
    }
}

/* An object passes with its last byte, and nothing is held then. */
static void test_at_once(void **state)
{
    (void)state;
    static struct sunk sunk;
    const struct filter_row row = {"", FILTER_LINES, NULL, "", ""};
    struct filter filter = filter_of(&row, &sunk);
    assert_true(feed(&filter, STR("{\"a\":1")));
    assert_int_equal(sunk.n, 0);
    assert_true(feed(&filter, STR("}")));
    assert_true(str_is((struct str){sunk.p, sunk.n}, "{\"a\":1}"));
    assert_true(!filter.held.p && !filter.out.p && !filter.arena.head);
    assert_true(feed(&filter, STR("\n" H)));
    assert_true(str_is((struct str){sunk.p, sunk.n}, "{\"a\":1}\n"));
    assert_true(!filter.held.p && !filter.out.p && !filter.arena.head);
    sunk.refuse = true;
    assert_false(feed(&filter, STR("\n{}")));
    filter_free(&filter);
}

/* An object, a whole body and blanks of exactly the limit pass, one byte more breaks. */
static void test_limit(void **state)
{
    (void)state;
    static struct sunk sunk;
    static const struct {
        enum filter_shape shape;
        const char *input;
        size_t need;
    } limits[] = {
        {FILTER_LINES, "{\"a\":\"1234567890\"}", 18},
        {FILTER_ARRAY, "[{\"a\":\"1234567890\"}]", 18},
        {FILTER_ARRAY, "[{},    {}]", 7},
        {FILTER_ARRAY, "[{}         ]", 9},
        {FILTER_WHOLE, "{\"a\":\"1234567890\"}", 18},
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        for (size_t short_by = 0; short_by < 2; short_by++) {
            const struct filter_row row = {"", limits[i].shape, NULL, "", ""};
            struct filter filter = filter_of(&row, &sunk);
            filter.limit = limits[i].need - short_by;
            bool fine = feed(&filter, str_of(limits[i].input)) && filter_end(&filter);
            assert_int_equal(fine, short_by == 0);
            filter_free(&filter);
        }
    const struct filter_row row = {"", FILTER_LINES, NULL, "", ""};
    struct filter filter = filter_of(&row, &sunk);
    char *large = calloc(1, FILTER_HELD_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', FILTER_HELD_MAX + 1);
    large[0] = '{';
    assert_true(filter_feed(&filter, (struct str){large, FILTER_HELD_MAX}));
    assert_false(filter_feed(&filter, STR("}")));
    assert_null(filter.held.p);
    free(large);
    filter_free(&filter);
}

/* ---- operations ---------------------------------------------------------------------------- */

#define OWN  "\"0123456789abcdef\""
#define MINE "{\"own\":\"me\"}"

// clang-format off
static const struct operation_row {
    enum operation op;
    const char *type, *input, *output;
} operation_rows[] = {
    {OP_ContainerList, "application/json", "[{\"Id\":" OWN ",\"Labels\":" MINE "},{\"Id\":\"1\",\"Labels\":" MINE "},{\"Id\":\"2\",\"Labels\":{}}]",
     "[{\"Id\":\"1\",\"Labels\":" MINE "}]"},
    {OP_VolumeList, "application/json", "{\"Volumes\":[{\"Name\":\"a\",\"Labels\":null},{\"Labels\":" MINE "}],\"Warnings\":null}",
     "{\"Volumes\":[{\"Labels\":" MINE "}],\"Warnings\":null}"},
    {OP_NetworkList, "application/json", "[{\"Name\":\"bridge\",\"Containers\":{" OWN ":{},\"1\":{}}},{\"Name\":\"x\"}]",
     "[{\"Name\":\"bridge\",\"Containers\":{}}]"},
    {OP_NetworkList, "application/json", "[{\"Name\":\"none\"}]", "[{\"Name\":\"none\"}]"},
    {OP_NetworkList, "application/json", "[{\"Name\":\"none\",\"Containers\":{\"\\u0061\":{}}}]", NULL},
    {OP_NetworkInspect, "application/json", "{\"Containers\":{" OWN ":{\"a\":1}},\"Id\":\"x\"}\n", "{\"Containers\":{},\"Id\":\"x\"}\n"},
    {OP_SystemDataUsage, "application/json", "{\"LayersSize\":5,\"Volumes\":[{}],\"Other\":1}\n", "{\"LayersSize\":5,\"Volumes\":[]}\n"},
    {OP_SystemEvents, "application/json", "{\"Type\":\"volume\"}\n{\"Type\":\"container\",\"Actor\":{\"Attributes\":" MINE "}}\n",
     "{\"Type\":\"container\",\"Actor\":{\"Attributes\":" MINE "}}\n"},
    {OP_SystemEvents, "Application/JSON-seq; charset=utf-8", "\x1e{}\n", ""},
    {OP_SystemEvents, "application/json", "\x1e{}\n", NULL},
    {OP_ImageList, "application/json", "[{\"Id\":\"x\"}]", "[{\"Id\":\"x\"}]"},
    {OP_ImageList, "application/json", "[{\"Id\":\"x\",\"Manifests\":[{\"ImageData\":{\"Containers\":[\"1\"]}}]},{}]",
     "[{\"Id\":\"x\",\"Manifests\":[{\"ImageData\":{\"Containers\":[]}}]},{}]"},
    {OP_ImageList, "application/json", "[{\"Manifests\":[{\"ImageData\":{\"Containers\":1}}]}]", NULL},
    {OP_ImageInspect, "application/json", "{\"Manifests\":[{\"ImageData\":{\"Containers\":[\"1\",\"2\"]}}]}\n",
     "{\"Manifests\":[{\"ImageData\":{\"Containers\":[]}}]}\n"},
    {OP_SecretList, "", "[{\"Spec\":{\"Labels\":" MINE "}},{\"Spec\":{}}]", "[{\"Spec\":{\"Labels\":" MINE "}}]"},
};
// clang-format on

static void test_operations(void **state)
{
    (void)state;
    static struct sunk sunk;
    const struct hide hide = {
        .own_container = STR("0123456789abcdef"), .label = STR("own"), .value = STR("me")};
    for (size_t i = 0; i < ARRAY_LEN(operation_rows); i++) {
        const struct operation_row *row = &operation_rows[i];
        struct filter filter;
        struct filter_hide arg;
        assert_true(filter_hide_open(&filter, &arg, &hide, row->op, str_of(row->type)));
        filter.sink = sink;
        filter.sink_arg = &sunk;
        sunk.n = 0;
        bool fine = feed(&filter, str_of(row->input)) && filter_end(&filter);
        const struct filter_row as = {row->input, FILTER_WHOLE, NULL, row->input, row->output};
        check(&as, &sunk, fine, i);
        filter_free(&filter);
    }
    struct filter filter;
    struct filter_hide arg;
    assert_false(filter_hide_open(&filter, &arg, &hide, OP_SystemPing, STR("")));
    arg = (struct filter_hide){.hide = &hide, .op = OP_SystemPing};
    struct str out;
    assert_false(filter_hide_rewrite(&arg, STR("{}"), NULL, &out));
}

/* What cannot be read ends it at once: no later bytes pass as if the ones in between were not. */
static void test_fails_at_once(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"\\x\":1", "{\"a\":nil,", "{\"Vs\":1,"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sunk sunk = {.n = 0};
        struct filter filter = {.shape = FILTER_ARRAY,
                                .member = STR("Vs"),
                                .judge = judge,
                                .sink = sink,
                                .sink_arg = &sunk};
        assert_false(filter_feed(&filter, str_of(bad[i])));
        assert_false(filter_feed(&filter, STR("\":1}")));
        assert_false(filter_end(&filter));
        filter_free(&filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_limit),         cmocka_unit_test(test_operations),
        cmocka_unit_test(test_fails_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
