/* What a client may not see: judgements of single objects, and answers rewritten without it. */
#include "hide.h"
#include "pieces.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define OWN   "4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c"
#define OTHER "77aa1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c"
#define MINE  "{\"a\":null,\"com.example.owner\":\"ci\"}"
#define YOURS "{\"com.example.owner\":\"ci2\",\"x\":\"ci\"}"

static const struct hide own = {.own_container = {OWN, sizeof OWN - 1}};
static const struct hide owner = {
    .own_container = {OWN, sizeof OWN - 1}, .label = {"com.example.owner", 17}, .value = {"ci", 2}};
static const struct hide images = {
    .label = {"com.example.owner", 17}, .value = {"ci", 2}, .images = true};
static const struct hide none;

// clang-format off
static const struct object_row {
    const char *label;
    const struct hide *hide;
    enum hide_shape shape;
    const char *object;
    bool hidden;
} object_rows[] = {
    {"nothing to hide",       &none, HIDE_CONTAINER, "{\"Id\":\"" OWN "\"}", false},
    {"no object",             &none, HIDE_CONTAINER, "[]", true},
    {"null",                  &none, HIDE_VOLUME, "null", true},
    {"own container",         &own, HIDE_CONTAINER, "{\"Id\":\"" OWN "\",\"Labels\":" MINE "}", true},
    {"own, escaped",          &own, HIDE_CONTAINER, "{\"\\u0049d\":\"\\u0034e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c1d2a9f0b4e5c\"}", true},
    {"own and labelled",      &owner, HIDE_CONTAINER, "{\"Id\":\"" OWN "\",\"Labels\":" MINE "}", true},
    {"other container",       &own, HIDE_CONTAINER, "{\"Id\":\"" OTHER "\"}", false},
    {"ID a number",           &own, HIDE_CONTAINER, "{\"Id\":4}", false},
    {"mine",                  &owner, HIDE_CONTAINER, "{\"Id\":\"" OTHER "\",\"Labels\":" MINE "}", false},
    {"mine, inspected",       &owner, HIDE_CONTAINER, "{\"Id\":\"" OTHER "\",\"Config\":{\"Labels\":" MINE "}}", false},
    {"yours",                 &owner, HIDE_CONTAINER, "{\"Id\":\"" OTHER "\",\"Labels\":" YOURS "}", true},
    {"no labels",             &owner, HIDE_CONTAINER, "{\"Id\":\"" OTHER "\"}", true},
    {"labels null",           &owner, HIDE_CONTAINER, "{\"Id\":\"" OTHER "\",\"Labels\":null}", true},
    {"labels a list",         &owner, HIDE_CONTAINER, "{\"Labels\":[\"com.example.owner\",\"ci\"]}", true},
    {"label a list",          &owner, HIDE_CONTAINER, "{\"Labels\":{\"com.example.owner\":[\"ci\"]}}", true},
    {"label by another case", &owner, HIDE_CONTAINER, "{\"Labels\":{\"com.Example.owner\":\"ci\"}}", true},
    {"value by another case", &owner, HIDE_CONTAINER, "{\"Labels\":{\"com.example.owner\":\"CI\"}}", true},
    {"label elsewhere",       &owner, HIDE_CONTAINER, "{\"HostConfig\":{\"Labels\":" MINE "}}", true},
    {"volume",                &owner, HIDE_VOLUME, "{\"Labels\":" MINE "}", false},
    {"volume of others",      &owner, HIDE_VOLUME, "{\"Labels\":" YOURS "}", true},
    {"volume, options",       &owner, HIDE_VOLUME, "{\"Labels\":null,\"Options\":" MINE "}", true},
    {"volume, no owners",     &own, HIDE_VOLUME, "{\"Labels\":null}", false},
    {"network",               &owner, HIDE_NETWORK, "{\"Name\":\"x\",\"Labels\":" MINE "}", false},
    {"network of others",     &owner, HIDE_NETWORK, "{\"Name\":\"x\",\"Labels\":{}}", true},
    {"bridge",                &owner, HIDE_NETWORK, "{\"Name\":\"bridge\",\"Labels\":{}}", false},
    {"host",                  &owner, HIDE_NETWORK, "{\"Name\":\"host\",\"Labels\":{}}", false},
    {"none",                  &owner, HIDE_NETWORK, "{\"Name\":\"none\",\"Labels\":{}}", false},
    {"Bridge",                &owner, HIDE_NETWORK, "{\"Name\":\"Bridge\",\"Labels\":{}}", true},
    {"ingress",               &owner, HIDE_NETWORK, "{\"Name\":\"ingress\",\"Labels\":{}}", true},
    {"image",                 &owner, HIDE_IMAGE, "{\"Labels\":null}", false},
    {"image, owned only",     &images, HIDE_IMAGE, "{\"Labels\":null}", true},
    {"own image",             &images, HIDE_IMAGE, "{\"Labels\":" MINE "}", false},
    {"own image, inspected",  &images, HIDE_IMAGE, "{\"Config\":{\"Labels\":" MINE "}}", false},
    {"service",               &owner, HIDE_SERVICE, "{\"Spec\":{\"Labels\":" MINE "}}", false},
    {"service of others",     &owner, HIDE_SERVICE, "{\"Spec\":{\"Labels\":{},\"TaskTemplate\":{\"ContainerSpec\":{\"Labels\":" MINE "}}}}", true},
    {"task",                  &owner, HIDE_TASK, "{\"Labels\":{},\"Spec\":{\"ContainerSpec\":{\"Labels\":" MINE "}}}", false},
    {"task by its own label", &owner, HIDE_TASK, "{\"Labels\":" MINE "}", false},
    {"task of others",        &owner, HIDE_TASK, "{\"Labels\":{},\"Spec\":{\"ContainerSpec\":{\"Labels\":{}}}}", true},
    {"task of the own",       &own, HIDE_TASK, "{\"Status\":{\"ContainerStatus\":{\"ContainerID\":\"" OWN "\"}}}", true},
    {"task that has none",    &own, HIDE_TASK, "{\"Status\":{}}", false},
    {"event",                 &owner, HIDE_EVENT, "{\"Type\":\"container\",\"Actor\":{\"ID\":\"" OTHER "\",\"Attributes\":" MINE "}}", false},
    {"event of others",       &owner, HIDE_EVENT, "{\"Type\":\"container\",\"Actor\":{\"ID\":\"" OTHER "\",\"Attributes\":" YOURS "}}", true},
    {"event of the own",      &own, HIDE_EVENT, "{\"Type\":\"container\",\"Actor\":{\"ID\":\"" OWN "\",\"Attributes\":{}}}", true},
    {"old event of the own",  &own, HIDE_EVENT, "{\"status\":\"die\",\"id\":\"" OWN "\",\"from\":\"x\"}", true},
    {"old event",             &own, HIDE_EVENT, "{\"status\":\"die\",\"id\":\"" OTHER "\",\"from\":\"x\"}", false},
    {"old event, owners",     &owner, HIDE_EVENT, "{\"status\":\"die\",\"id\":\"" OTHER "\",\"from\":\"x\"}", true},
    {"network with the own",  &own, HIDE_EVENT, "{\"Type\":\"network\",\"Actor\":{\"ID\":\"n\",\"Attributes\":{\"container\":\"" OWN "\"}}}", true},
    {"volume with the own",   &own, HIDE_EVENT, "{\"Type\":\"volume\",\"Actor\":{\"ID\":\"v\",\"Attributes\":{\"container\":\"" OWN "\"}}}", true},
    {"network with another",  &own, HIDE_EVENT, "{\"Type\":\"network\",\"Actor\":{\"ID\":\"n\",\"Attributes\":{\"container\":\"" OTHER "\"}}}", false},
    {"a label named so",      &own, HIDE_EVENT, "{\"Type\":\"container\",\"Actor\":{\"ID\":\"" OTHER "\",\"Attributes\":{\"container\":\"" OWN "\"}}}", false},
    {"network event, owners", &owner, HIDE_EVENT, "{\"Type\":\"network\",\"Actor\":{\"ID\":\"n\",\"Attributes\":{\"container\":\"" OTHER "\"}}}", true},
    {"daemon event, owners",  &owner, HIDE_EVENT, "{\"Type\":\"daemon\",\"Action\":\"reload\",\"Actor\":{\"Attributes\":{\"labels\":\"[]\"}}}", true},
    {"daemon event",          &own, HIDE_EVENT, "{\"Type\":\"daemon\",\"Action\":\"reload\",\"Actor\":{}}", false},
};

/* Networks, images and the data usage. */
static const struct body_row {
    const char *label;
    const struct hide *hide;
    const char *visible; /* networks: comma between; NULL: all may be seen; "-": usage; "i": image */
    const char *body;
    const char *result; /* NULL: refused */
} body_rows[] = {
    {"network without containers", &own, NULL, "{\"Name\":\"x\",\"Containers\":{}}", "{\"Name\":\"x\",\"Containers\":{}}"},
    {"network with blanks", &own, NULL, "\r\n\t { \t\r\n\"Containers\"\t: \r{ \n \"1\" : {\t} } \t} \r\n\t", "\r\n\t { \t\r\n\"Containers\"\t: \r{ \n \"1\" : {\t} } \t} \r\n\t"},
    {"network, nothing to hide", &none, NULL, "{\"Containers\":{\"1\":{}},\"a\":1e5 ,\"b\":true\t}", "{\"Containers\":{\"1\":{}},\"a\":1e5 ,\"b\":true\t}"},
    {"network null", &own, NULL, " {\"Name\":\"x\", \"Containers\": null }\n", " {\"Name\":\"x\", \"Containers\": null }\n"},
    {"own endpoint", &own, NULL, "{\"Containers\":{\"" OWN "\":{\"Name\":\"p\"} , \"" OTHER "\" : { \"Name\":\"q\"} },\"Labels\":{\"a\\\"\\u003c\":\"b\"}}",
     "{\"Containers\":{ \"" OTHER "\" : { \"Name\":\"q\"} },\"Labels\":{\"a\\\"\\u003c\":\"b\"}}"},
    {"own endpoint alone", &own, NULL, "{\"Containers\":{\"" OWN "\":{\"Name\":\"p\"}}}", "{\"Containers\":{}}"},
    {"own endpoint last", &own, NULL, "{\"Containers\":{\"1\":{},\"" OWN "\":{}}}", "{\"Containers\":{\"1\":{}}}"},
    {"visible ones", &owner, "1,3", "{\"Containers\":{\"1\":{},\"2\":{},\"3\":{},\"ep-4\":{}}}", "{\"Containers\":{\"1\":{},\"3\":{}}}"},
    {"none visible", &owner, "", "{\"Containers\":{\"1\":{},\"2\":{}}}", "{\"Containers\":{}}"},
    {"of one's own network all", &owner, NULL, "{\"Labels\":" MINE ",\"Containers\":{\"1\":{},\"" OWN "\":{}}}", "{\"Labels\":" MINE ",\"Containers\":{\"1\":{}}}"},
    {"of others' network none", &owner, NULL, "{\"Containers\":{\"1\":{}},\"Labels\":" YOURS "}", "{\"Containers\":{},\"Labels\":" YOURS "}"},
    {"of a network without labels none", &owner, NULL, "{\"Labels\":null,\"Containers\":{\"1\":{}}}", "{\"Labels\":null,\"Containers\":{}}"},
    {"own visible", &owner, OWN, "{\"Containers\":{\"" OWN "\":{}}}", "{\"Containers\":{}}"},
    {"escaped ID", &own, NULL, "{\"Containers\":{\"\\u0034\":{}}}", NULL},
    {"escaped member", &own, NULL, "{\"\\u0043ontainers\":{\"1\":{}}}", NULL},
    {"network no object", &own, NULL, "[]", NULL},
    {"network empty", &own, NULL, "", NULL},
    {"network cut", &own, NULL, "{\"Containers\":{\"1\":{}", NULL},
    {"network twice", &own, NULL, "{}{}", NULL},
    {"network with NUL", &own, NULL, "{}\x01", NULL},
    {"network malformed", &own, NULL, "{\"Containers\":{\"1\":{\"a\":01}}}", NULL},
    {"network malformed elsewhere", &own, NULL, "{\"IPAM\":{\"a\":[{\"b\":\"\xFF\"}]}}", NULL},
    {"network bad name", &own, NULL, "{\"IPAM\":{\"\xFF\":[]}}", NULL},
    {"network comma last", &own, NULL, "{\"Containers\":{\"1\":{},}}", NULL},
    {"network no comma", &own, NULL, "{\"Containers\":{} \"a\":1}", NULL},
    {"network no colon", &own, NULL, "{\"Containers\" {}}", NULL},

    {"image", &owner, "i", " {\"Id\":\"i\", \"Containers\": 2 ,\"Manifests\":[{\"ID\":\"m\",\"ImageData\":{\"Containers\":[\"1\", \"" OWN "\"],\"Size\":{\"a\":1}}},{\"Kind\":\"attestation\"} ,{\"ImageData\":{\"Containers\":null}}],\"z\":[1 ]}\n",
     " {\"Id\":\"i\", \"Containers\": -1 ,\"Manifests\":[{\"ID\":\"m\",\"ImageData\":{\"Containers\":[],\"Size\":{\"a\":1}}},{\"Kind\":\"attestation\"} ,{\"ImageData\":{\"Containers\":null}}],\"z\":[1 ]}\n"},
    {"image, own only", &own, "i", "{\"Containers\":2,\"Manifests\":[{\"ImageData\":{\"Containers\":[\"1\",\"" OWN "\" , \"2\"]}},{\"ImageData\":null},{\"ImageData\":{\"Containers\":[\"" OWN "\"]}}]}",
     "{\"Containers\":2,\"Manifests\":[{\"ImageData\":{\"Containers\":[\"1\",\"2\"]}},{\"ImageData\":null},{\"ImageData\":{\"Containers\":[]}}]}"},
    {"image without manifests", &images, "i", "{\"Id\":\"i\",\"Manifests\":null}", "{\"Id\":\"i\",\"Manifests\":null}"},
    {"image, users no list", &owner, "i", "{\"Manifests\":[{\"ImageData\":{\"Containers\":{\"1\":{}}}}]}", NULL},
    {"image, name escaped", &owner, "i", "{\"M\\u0061nifests\":[{\"Image\\u0044ata\":{\"Containers\":[\"1\"]}}]}", "{\"M\\u0061nifests\":[{\"Image\\u0044ata\":{\"Containers\":[]}}]}"},
    {"image a list", &owner, "i", "[]", NULL},
    {"usage, images' manifests", &owner, "-", "{\"ImageUsage\":{\"Items\":[{\"Containers\":1,\"Manifests\":[{\"ImageData\":{\"Containers\":[\"1\"]}}]}]}}",
     "{\"ImageUsage\":{\"Items\":[{\"Containers\":-1,\"Manifests\":[{\"ImageData\":{\"Containers\":[]}}]}]}}"},
    {"usage below 1.52", &owner, "-",
     "{\"LayersSize\":12345678901234567890,\"Images\":[{\"Id\":\"i\",\"Containers\":3,\"Labels\":null}],\"Containers\":[{\"Id\":\"" OWN "\",\"Labels\":" MINE "},"
     "{\"Id\":\"1\",\"Labels\":" MINE "},{\"Id\":\"2\",\"Labels\":{}}],\"Volumes\":[{\"Name\":\"v\",\"Labels\":null}],\"BuildCache\":[{\"ID\":\"b\"}],\"BuilderSize\":7}\n",
     "{\"LayersSize\":12345678901234567890,\"Images\":[{\"Id\":\"i\",\"Containers\":-1,\"Labels\":null}],\"Containers\":["
     "{\"Id\":\"1\",\"Labels\":" MINE "}],\"Volumes\":[],\"BuildCache\":[]}\n"},
    {"usage, owned images", &images, "-", "{\"LayersSize\":1,\"Images\":[{\"Id\":\"i\"},{\"Id\":\"j\",\"Labels\":" MINE "}],\"Containers\":null,\"BuildCache\":null}",
     "{\"Images\":[{\"Id\":\"j\",\"Labels\":" MINE "}],\"Containers\":null,\"BuildCache\":null}"},
    {"usage, own only", &own, "-", "{ \"LayersSize\" : 1e3,\"Images\":[{\"Containers\":3}],\"Containers\":[{\"Id\":\"" OWN "\"},{\"Id\":\"1\"}], \"Volumes\":[ ],\"New\":[1],\"BuildCache\":[{\"a\":{}}],\"BuilderSize\":7}",
     "{ \"LayersSize\" : 1e3,\"Images\":[{\"Containers\":3}],\"Containers\":[{\"Id\":\"1\"}], \"Volumes\":[ ],\"New\":[1],\"BuildCache\":[{\"a\":{}}],\"BuilderSize\":7}"},
    {"usage from 1.52", &owner, "-",
     "{\"ImageUsage\":{\"ActiveCount\":1,\"Items\":[{\"Containers\":2}],\"Reclaimable\":5,\"TotalCount\":1,\"TotalSize\":9},"
     "\"ContainerUsage\":{\"ActiveCount\":3,\"Items\":[{\"Id\":\"1\",\"Labels\":" MINE ",\"SizeRw\":10,\"State\":\"running\"},{\"Id\":\"2\",\"Labels\":" MINE ",\"SizeRw\":7,\"State\":\"exited\"},{\"Id\":\"3\",\"SizeRw\":1000}],"
     "\"Reclaimable\":1000,\"TotalCount\":3,\"TotalSize\":1017,\"New\":1},"
     "\"VolumeUsage\":{\"ActiveCount\":3,\"Items\":[{\"Labels\":" MINE ",\"UsageData\":{\"RefCount\":0,\"Size\":10}},{\"Labels\":" MINE ",\"UsageData\":{\"RefCount\":2,\"Size\":5}},{\"Labels\":" MINE ",\"UsageData\":{\"RefCount\":-1,\"Size\":-1}},{}],\"Reclaimable\":9,\"TotalCount\":9,\"TotalSize\":9},"
     "\"BuildCacheUsage\":{\"TotalCount\":9}}",
     "{\"ImageUsage\":{\"Items\":[{\"Containers\":-1}],\"TotalCount\":1,\"TotalSize\":9},"
     "\"ContainerUsage\":{\"ActiveCount\":1,\"Items\":[{\"Id\":\"1\",\"Labels\":" MINE ",\"SizeRw\":10,\"State\":\"running\"},{\"Id\":\"2\",\"Labels\":" MINE ",\"SizeRw\":7,\"State\":\"exited\"}],"
     "\"Reclaimable\":7,\"TotalCount\":2,\"TotalSize\":17},"
     "\"VolumeUsage\":{\"ActiveCount\":1,\"Items\":[{\"Labels\":" MINE ",\"UsageData\":{\"RefCount\":0,\"Size\":10}},{\"Labels\":" MINE ",\"UsageData\":{\"RefCount\":2,\"Size\":5}},{\"Labels\":" MINE ",\"UsageData\":{\"RefCount\":-1,\"Size\":-1}}],\"Reclaimable\":10,\"TotalCount\":3,\"TotalSize\":15},"
     "\"BuildCacheUsage\":{}}"},
    {"usage, both shapes", &owner, "-", "{\"ContainerUsage\":{\"TotalCount\":2,\"TotalSize\":9},\"Containers\":[{\"Labels\":" MINE ",\"SizeRw\":4},{}]}",
     "{\"ContainerUsage\":{\"TotalCount\":1,\"TotalSize\":4},\"Containers\":[{\"Labels\":" MINE ",\"SizeRw\":4}]}"},
    {"usage without items", &owner, "-", "{\"ContainerUsage\":{\"TotalCount\":2},\"VolumeUsage\":{\"Items\":null,\"TotalSize\":1},\"ImageUsage\":{\"TotalCount\":2,\"ActiveCount\":1}}",
     "{\"ContainerUsage\":{},\"VolumeUsage\":{\"Items\":null},\"ImageUsage\":{\"TotalCount\":2}}"},
    {"usage, owned images from 1.52", &images, "-", "{\"ImageUsage\":{\"TotalCount\":2,\"TotalSize\":8,\"ActiveCount\":1,\"Items\":[{},{\"Labels\":" MINE "}]}}",
     "{\"ImageUsage\":{\"TotalCount\":1,\"Items\":[{\"Labels\":" MINE "}]}}"},
    {"usage, owned images, no items", &images, "-", "{\"ImageUsage\":{\"TotalCount\":2,\"TotalSize\":8}}", "{\"ImageUsage\":{}}"},
    {"usage, own only, no items", &own, "-", "{\"ContainerUsage\":{\"ActiveCount\":0,\"TotalCount\":2,\"TotalSize\":9},\"VolumeUsage\":{\"TotalCount\":2}}",
     "{\"ContainerUsage\":{\"ActiveCount\":0,\"TotalCount\":1,\"TotalSize\":9},\"VolumeUsage\":{\"TotalCount\":2}}"},
    {"usage, own only, items", &own, "-", "{\"ContainerUsage\":{\"ActiveCount\":2,\"Items\":[{\"Id\":\"" OWN "\",\"SizeRw\":4,\"State\":\"running\"},{\"SizeRw\":5,\"State\":\"paused\"}],\"TotalSize\":9,\"New\":1}}",
     "{\"ContainerUsage\":{\"ActiveCount\":1,\"Items\":[{\"SizeRw\":5,\"State\":\"paused\"}],\"TotalSize\":5,\"New\":1}}"},
    {"usage, nothing hidden", &none, "-", "{\"ContainerUsage\":{\"TotalCount\":2},\"Containers\":[{\"Id\":\"1\"}]}", "{\"ContainerUsage\":{\"TotalCount\":2},\"Containers\":[{\"Id\":\"1\"}]}"},
    {"usage, sums too large", &owner, "-", "{\"ContainerUsage\":{\"TotalSize\":1,\"Reclaimable\":1,\"Items\":[{\"Labels\":" MINE ",\"SizeRw\":9223372036854775807},{\"Labels\":" MINE ",\"SizeRw\":9223372036854775807},{\"Labels\":" MINE ",\"SizeRw\":1e3}]}}",
     "{\"ContainerUsage\":{\"TotalSize\":9223372036854775807,\"Reclaimable\":9223372036854775807,\"Items\":[{\"Labels\":" MINE ",\"SizeRw\":9223372036854775807},{\"Labels\":" MINE ",\"SizeRw\":9223372036854775807},{\"Labels\":" MINE ",\"SizeRw\":1e3}]}}"},
    {"usage, list of strings", &owner, "-", "{\"Containers\":[\"x\"]}", "{\"Containers\":[]}"},
    {"usage, own only, count no number", &own, "-", "{\"ContainerUsage\":{\"ActiveCount\":\"x\",\"TotalCount\":1e3}}", "{\"ContainerUsage\":{\"ActiveCount\":0,\"TotalCount\":0}}"},
    {"usage, list no list", &owner, "-", "{\"Containers\":{}}", NULL},
    {"usage, totals no object", &owner, "-", "{\"ContainerUsage\":[]}", NULL},
    {"usage, list malformed", &owner, "-", "{\"Containers\":[{},]}", NULL},
    {"usage, element malformed", &owner, "-", "{\"Containers\":[{\"a\":}]}", "{\"Containers\":[]}"},
    {"usage, totals malformed", &owner, "-", "{\"ContainerUsage\":{\"TotalCount\":1,}}", NULL},
    {"usage, cache malformed", &own, "-", "{\"BuildCache\":[{]}", NULL},
    {"usage, name escaped", &owner, "-", "{\"Contain\\u0065rs\":[{}]}", NULL},
    {"usage a list", &owner, "-", "[]", NULL},
};
// clang-format on

static void test_objects(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(object_rows); i++) {
        const struct object_row *row = &object_rows[i];
        struct arena arena = {0};
        struct json doc;
        assert_true(json_scan(str_of(row->object), &arena, &doc, NULL));
        if (object_hidden(row->hide, row->shape, &doc) != row->hidden)
            fail_msg("%s: should %sbe hidden", row->label, row->hidden ? "" : "not ");
        arena_free(&arena);
    }
    assert_true(object_hidden(&none, HIDE_IMAGE, &(struct json){0}));
}

static bool rewrite(const struct body_row *row, struct str body, struct arena *arena,
                    struct str *out)
{
    struct str items[4];
    struct hide_ids visible = {items, 0};
    if (row->visible && str_is(str_of(row->visible), "-"))
        return hide_in_usage(row->hide, body, arena, out);
    if (row->visible && str_is(str_of(row->visible), "i"))
        return hide_in_image(row->hide, body, arena, out);
    for (struct str rest = str_of(row->visible); rest.n > 0;) {
        items[visible.count] = str_head(rest, str_find(rest, ','));
        rest = str_skip(rest, items[visible.count++].n + 1);
    }
    return hide_in_network(row->hide, row->visible ? &visible : NULL, body, arena, out);
}

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(body_rows); i++) {
        const struct body_row *row = &body_rows[i];
        struct arena arena = {0};
        struct str out = {NULL, 0};
        size_t n = strlen(row->body);
        char *exact = malloc(n ? n : 1); /* a read past the end is seen */
        assert_non_null(exact);
        memcpy(exact, row->body, n);
        bool done = rewrite(row, (struct str){exact, n}, &arena, &out);
        if (done != (row->result != NULL) || (done && !str_is(out, row->result)))
            fail_msg("%s: %s %.*s", row->label, done ? "got" : "refused", STR_ARG(out));
        /* Cut anywhere but in the blanks behind it, it is refused. */
        for (size_t cut = 0; done && cut < n; cut++)
            if (rewrite(row, (struct str){exact, cut}, &arena, &out) &&
                strspn(row->body + cut, " \t\r\n") < n - cut)
                fail_msg("%s: passed when cut at %zu", row->label, cut);
        arena_free(&arena);
        free(exact);
    }
    struct arena arena = {.limit = 16};
    struct str out;
    assert_false(hide_in_usage(&none, STR("{}"), &arena, &out));
    arena_free(&arena);
}

/* More values than one document may have. */
static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 12000 };
    static const char element[] = "{\"Id\":\"1\",\"Labels\":" MINE ",\"Ports\":[{},{},{}]},";
    char *body = malloc(COUNT * sizeof element + 64);
    assert_non_null(body);
    size_t n = (size_t)sprintf(body, "{\"Containers\":[");
    for (size_t i = 0; i < COUNT; i++, n += sizeof element - 1)
        memcpy(body + n, element, sizeof element - 1);
    n += (size_t)sprintf(body + n - 1, "]}") - 1;
    struct arena arena = {0};
    struct str out;
    assert_true(hide_in_usage(&owner, (struct str){body, n}, &arena, &out));
    assert_true(str_eq(out, (struct str){body, n}));
    arena_free(&arena);
    free(body);
}

/* The ends of values, wherever the input is split. */
static void test_spans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t end; /* 0: not known within the text */
    } rows[] = {
        {"\"a\\\"]}\\\\\" ,", 9},
        {"{\"a\":[{}]}]", 10},
        {"[]", 2},
        {"12e5,", 4},
        {"null}", 4},
        {"true", 0},
        {"\"abc", 0},
        {"[\"]\"", 0},
        {"{\"0123456789\\\\\":\"\\\"\"}x", 21},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = str_of(rows[i].text);
        for (size_t split = 0; split <= text.n; split++) {
            struct json_span span = {0};
            size_t n = json_span_take(&span, str_head(text, split));
            if (!span.done)
                n += json_span_take(&span, str_skip(text, split));
            if (span.done != (rows[i].end > 0) || n != (span.done ? rows[i].end : text.n))
                fail_msg("%s split at %zu: ends at %zu", rows[i].text, split, n);
            if (span.done)
                assert_int_equal(json_span_take(&span, text), 0);
        }
    }
    struct json_pieces pieces = json_pieces_of(STR("1"));
    struct json_piece piece;
    assert_true(!json_pieces_next(&pieces, &piece) && pieces.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
