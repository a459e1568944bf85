/* libFuzzer target for the filter of response bodies and for what hides objects. The first byte
   picks the operation and what is hidden, the second where the body behind it is split. However it
   is split the same must come out; what comes out must be strict JSON without a hidden object, and
   where nothing is hidden, and all can be read, it must be what went in. */
#include "filter.h"
#include "fuzz_help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    enum operation op;
    const char *type;
} operations[] = {
    {OP_ContainerList, ""}, {OP_VolumeList, ""},      {OP_NetworkList, ""},
    {OP_TaskList, ""},      {OP_SystemEvents, ""},    {OP_SystemEvents, "application/json-seq"},
    {OP_ImageList, ""},     {OP_SystemDataUsage, ""}, {OP_NetworkInspect, ""},
};

static const struct hide hides[] = {
    {{NULL, 0}, {NULL, 0}, {NULL, 0}, false},
    {{"o", 1}, {NULL, 0}, {NULL, 0}, false},
    {{"o", 1}, {"l", 1}, {"v", 1}, false},
    {{NULL, 0}, {"l", 1}, {"v", 1}, true},
};

static struct text out_whole;
static struct text out_split;

static bool sink(void *arg, struct str bytes)
{
    put_bytes(arg, bytes);
    return true;
}

static struct filter_hide asked;

/* Runs the body through a filter, in pieces of that many bytes. */
static bool run(struct text *out, const struct hide *hide, size_t op, struct str body, size_t piece)
{
    struct filter filter;
    bool fine =
        filter_hide_open(&filter, &asked, hide, operations[op].op, str_of(operations[op].type));
    must(fine);
    out->n = 0;
    filter.sink = sink;
    filter.sink_arg = out;
    for (; body.n > 0 && fine; body = str_skip(body, piece)) {
        fine = filter_feed(&filter, str_head(body, piece));
        must(fine == !filter.failed);
    }
    fine = fine && filter_end(&filter);
    must(!filter_feed(&filter, STR("{}")));
    filter_free(&filter);
    return fine;
}

static void check_seen(const struct hide *hide, struct str object)
{
    struct arena arena = {0};
    struct json doc;
    must(json_scan(object, &arena, &doc, NULL) && !object_hidden(hide, asked.shape, &doc));
    arena_free(&arena);
}

static void check_elements(const struct hide *hide, struct str list)
{
    struct json_pieces pieces = json_pieces_of(list);
    struct json_piece piece;
    while (json_pieces_next(&pieces, &piece))
        check_seen(hide, piece.value);
    must(!pieces.bad);
}

/* Strict, but for names that stand twice where the body was taken apart. */
static bool check_strict(struct str text, struct arena *arena, struct json *doc)
{
    struct err err = {0};
    bool scanned = json_scan(text, arena, doc, &err);
    must(scanned || strstr(err.text, "stands twice") || strstr(err.text, "more than"));
    return scanned;
}

static struct str raw(const struct json *doc, const struct json_node *node)
{
    return (struct str){doc->source.p + node->offset, node->end - node->offset};
}

static void check_array(const struct hide *hide, struct str text, const char *member)
{
    struct arena arena = {0};
    struct json doc;
    if (check_strict(text, &arena, &doc)) {
        const struct json_node *list = doc.nodes;
        for (const struct json_node *at = json_child(&doc, doc.nodes); member && at;
             at = json_next(&doc, at))
            if (json_fold_eq(at->key, str_of(member)) && at->kind == JSON_ARRAY)
                check_elements(hide, raw(&doc, at));
        must(member || list->kind == JSON_ARRAY || list->kind == JSON_NULL);
        if (!member && list->kind == JSON_ARRAY)
            check_elements(hide, raw(&doc, list));
    }
    arena_free(&arena);
}

static void check_lines(const struct hide *hide, struct str text)
{
    while (text.n > 0) {
        struct json_span span = {0};
        struct str object = text;
        if (!strchr(" \t\r\n\x1e", text.p[0])) {
            object = str_head(text, json_span_take(&span, text));
            check_seen(hide, object);
            text = str_skip(text, object.n);
        } else {
            text = str_skip(text, 1);
        }
    }
}

static void check_whole(const struct hide *hide, enum operation op, struct str text)
{
    struct arena arena = {0};
    struct json doc;
    if (check_strict(text, &arena, &doc)) {
        const struct json_node *list = json_get(&doc, doc.nodes, STR("Containers"));
        asked.shape = HIDE_CONTAINER;
        if (list && op == OP_SystemDataUsage && list->kind == JSON_ARRAY)
            check_elements(hide, raw(&doc, list));
        if (list && op == OP_NetworkInspect && hide->own_container.p)
            must(!json_get(&doc, list, hide->own_container));
    }
    arena_free(&arena);
}

/* Is each value strict JSON? One that is not is hidden from everybody. */
static bool all_readable(struct str text)
{
    struct arena arena = {0};
    struct json doc;
    bool fine = true;
    while (fine && text.n > 0) {
        struct json_span span = {0};
        size_t n = strchr(" \t\r\n\x1e", text.p[0]) ? 0 : json_span_take(&span, text);
        fine = n == 0 || json_scan(str_head(text, n), &arena, &doc, NULL);
        text = str_skip(text, n ? n : 1);
    }
    arena_free(&arena);
    return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct hide *hide = &hides[data[0] & 3];
    size_t op = (data[0] >> 2) % ARRAY_LEN(operations);
    struct str body = {(const char *)data + 2, size - 2};
    bool whole = run(&out_whole, hide, op, body, body.n);
    must(run(&out_split, hide, op, body, data[1] % 16 + 1) == whole);
    struct str out = text_str(&out_whole);
    if (whole) {
        must(str_eq(out, text_str(&out_split)));
        enum operation is = operations[op].op;
        /* A separator that nothing follows stays behind. */
        if (hide == &hides[0] && is != OP_NetworkList && all_readable(body))
            must(str_starts(body, out) && (out.n == body.n || body.p[out.n] == 0x1E));
        if (is == OP_SystemEvents)
            check_lines(hide, out);
        else if (is == OP_SystemDataUsage || is == OP_NetworkInspect)
            check_whole(hide, is, out);
        else
            check_array(hide, out, is == OP_VolumeList ? "Volumes" : NULL);
    }
    return 0;
}
