/* libFuzzer target for the filter of response bodies, for what hides objects and what empties them.
   The first byte picks the operation and what is hidden, the second where the body behind it is
   split and what is emptied. However it is split the same must come out; what comes out must be
   strict JSON without a hidden object and with nothing left that is emptied, the same when it is
   filtered again, and where nothing is hidden or emptied, and all can be read, it must be what went
   in. */
#include "filter.h"
#include "fuzz_help.h"
#include "redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    enum operation op;
    const char *type;
} operations[] = {
    {OP_ContainerList, ""},
    {OP_VolumeList, ""},
    {OP_NetworkList, ""},
    {OP_TaskList, ""},
    {OP_SystemEvents, ""},
    {OP_SystemEvents, "application/json-seq"},
    {OP_ImageList, ""},
    {OP_SystemDataUsage, ""},
    {OP_NetworkInspect, ""},
    /* Only emptied, never hidden. */
    {OP_ContainerInspect, ""},
    {OP_ImageInspect, ""},
    {OP_ServiceList, ""},
    {OP_PluginList, ""},
    {OP_ContainerWait, ""},
    {OP_ImageHistory, ""},
    {OP_SystemInfo, ""},
};
enum { HIDING = 9 /* of them */ };

/* Some of the places, looked for in another way than the policy's. */
static const struct {
    enum operation op;
    unsigned kind;
    const char *path; /* from the whole answer, lists on the way do not count */
} emptied[] = {
    {OP_ContainerList, REDACT_LABELS, "Labels"},
    {OP_ContainerList, REDACT_BINDS, "Mounts.Source"},
    {OP_VolumeList, REDACT_BINDS, "Volumes.Mountpoint"},
    {OP_TaskList, REDACT_ENV, "Spec.ContainerSpec.Env"},
    {OP_SystemDataUsage, REDACT_LABELS, "ImageUsage.Items.Labels"},
    {OP_SystemDataUsage, REDACT_BINDS, "Volumes.Options"},
    {OP_NetworkInspect, REDACT_LABELS, "Labels"},
    {OP_ContainerInspect, REDACT_ENV, "Config.Env"},
    {OP_ContainerInspect, REDACT_BINDS, "HostConfig.Binds"},
    {OP_ImageInspect, REDACT_LABELS, "ContainerConfig.Cmd"},
    {OP_ServiceList, REDACT_ENV, "PreviousSpec.TaskTemplate.ContainerSpec.Env"},
    {OP_PluginList, REDACT_ENV, "Config.Env.Value"},
    {OP_ContainerWait, REDACT_BINDS, "Error.Message"},
    {OP_ImageHistory, REDACT_ENV, "CreatedBy"},
    {OP_SystemInfo, REDACT_BINDS, "DockerRootDir"},
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
static struct filter_redact asked_both;
static unsigned kinds;

static void open_filter(struct filter *filter, const struct hide *hide, size_t op)
{
    struct str type = str_of(operations[op].type);
    if (kinds == 0) {
        must(filter_hide_open(filter, &asked, hide, operations[op].op, type));
        return;
    }
    must(filter_redact_open(filter, &asked_both, op < HIDING ? hide : NULL, kinds,
                            operations[op].op, type));
    asked = asked_both.hide;
}

/* Runs the body through a filter, in pieces of that many bytes. */
static bool run(struct text *out, const struct hide *hide, size_t op, struct str body, size_t piece)
{
    struct filter filter;
    bool fine = true;
    open_filter(&filter, hide, op);
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
    must(json_scan(object, &arena, &doc, NULL));
    if (!hide->label.p || !(kinds & REDACT_LABELS)) /* by which it would be known */
        must(!object_hidden(hide, asked.shape, &doc));
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

/* Whatever stands at the path below the node is empty. */
static void check_empty(const struct json *doc, const struct json_node *node, struct str path)
{
    if (path.n == 0) {
        must(json_empty(node) || node->count == 0);
        return;
    }
    struct str part = str_head(path, str_find(path, '.'));
    for (const struct json_node *at = json_child(doc, node); at; at = json_next(doc, at)) {
        if (node->kind == JSON_ARRAY)
            check_empty(doc, at, path);
        else if (json_fold_eq(at->key, part))
            check_empty(doc, at, str_skip(path, part.n + 1));
    }
}

static void check_emptied(enum operation op, struct str text)
{
    struct arena arena = {0};
    struct json doc;
    if (json_scan(text, &arena, &doc, NULL))
        for (size_t i = 0; i < ARRAY_LEN(emptied); i++)
            if (emptied[i].op == op && (emptied[i].kind & kinds))
                check_empty(&doc, doc.nodes, str_of(emptied[i].path));
    arena_free(&arena);
}

/* Whether it has been scanned before makes no difference to what is well-formed. */
static void check_redact(enum operation op, struct str body)
{
    struct arena arena = {0};
    struct json doc;
    struct str once, scanned, twice;
    bool fine = redact_text(kinds, op, body, false, &arena, &once);
    if (fine)
        must(once.n <= body.n && redact_text(kinds, op, once, false, &arena, &twice) &&
             str_eq(once, twice));
    if (json_scan(body, &arena, &doc, NULL)) {
        must(redact_text(kinds, op, body, true, &arena, &scanned) == fine);
        must(!fine || str_eq(once, scanned));
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct hide *hide = &hides[data[0] & 3];
    size_t op = (data[0] >> 2) % ARRAY_LEN(operations);
    struct str body = {(const char *)data + 2, size - 2};
    kinds = (data[1] >> 4) & 7U;
    if (op >= HIDING)
        kinds |= kinds ? 0 : 7;
    if (kinds && redact_way(kinds, operations[op].op, NULL) == REDACT_NOTHING)
        kinds = 7;
    if (kinds)
        check_redact(operations[op].op, body);
    bool whole = run(&out_whole, hide, op, body, body.n);
    must(run(&out_split, hide, op, body, data[1] % 16 + 1) == whole);
    struct str out = text_str(&out_whole);
    if (whole) {
        must(str_eq(out, text_str(&out_split)));
        enum operation is = operations[op].op;
        /* A separator that nothing follows stays behind. */
        if (kinds)
            check_emptied(is, out);
        if (hide == &hides[0] && !kinds && is != OP_NetworkList && all_readable(body))
            must(str_starts(body, out) && (out.n == body.n || body.p[out.n] == 0x1E));
        if (op >= HIDING)
            return 0;
        if (is == OP_SystemEvents)
            check_lines(hide, out);
        else if (is == OP_SystemDataUsage || is == OP_NetworkInspect)
            check_whole(hide, is, out);
        else
            check_array(hide, out, is == OP_VolumeList ? "Volumes" : NULL);
    }
    return 0;
}
