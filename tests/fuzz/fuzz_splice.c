/* libFuzzer target for edits of JSON. Lines, up to an empty one, are edits: what, which value, a
   name or path, a text; behind them stands the document, or none. What comes out must be strict
   JSON in which each value that no edit named has the very bytes it had. */
#include "splice.h"
#include "fuzz_help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUES_MAX = 512 };

/* What has become of each value of the document, by its number. */
static struct fate {
    bool replaced;
    bool grown; /* members were added, maybe at once with an object */
    struct str text;
    bool is_string;
} fates[VALUES_MAX];

static void become(struct fate *fate, struct str text)
{
    fate->replaced = fate->is_string = true;
    fate->text = text;
}

static void edit(struct edits *edits, const struct json *doc, struct str line)
{
    static const char *const paths[] = {"", "Labels", "A.B.C", "a", "a.b"};
    if (line.n < 3)
        return;
    unsigned char which = (unsigned char)line.p[1];
    struct str name = {line.p + 2, 1};
    struct str text = str_skip(line, 3);
    uint32_t index = doc ? which % (uint32_t)doc->count : 0;
    const struct json_node *node = doc ? &doc->nodes[index] : NULL;
    struct fate *fate = &fates[index];
    switch (line.p[0] & 7) {
    case 0:
        if (edits_replace_string(edits, doc, node, text))
            become(fate, text);
        break;
    case 3:
        if (edits_set_member(edits, doc, node, name, text)) {
            const struct json_node *member = doc ? json_get(doc, node, name) : NULL;
            fate->grown = true;
            if (member)
                become(&fates[member - doc->nodes], text);
        }
        break;
    default: /* where that ends is for the unit test; here all on the way may grow */
        (void)edits_set_path(edits, doc, paths[which % ARRAY_LEN(paths)], name, text);
        for (size_t i = 0; i < VALUES_MAX; i++)
            fates[i].grown = true;
        break;
    }
}

static struct str raw(const struct json *doc, const struct json_node *node)
{
    return (struct str){doc->source.p + node->offset, node->end - node->offset};
}

static void compare(const struct json *a, const struct json_node *old, const struct json *b,
                    const struct json_node *new)
{
    const struct fate *fate = &fates[old - a->nodes];
    must(new != NULL);
    if (fate->is_string && fate->replaced && !fate->grown)
        must(new->kind == JSON_STRING &&str_eq(new->text, fate->text));
    if (fate->replaced || (fate->grown && new->kind == JSON_STRING) ||
        (fate->grown && old->kind == JSON_NULL))
        return;
    must(new->kind == old->kind);
    if (!json_child(a, old) && !fate->grown)
        must(str_eq(raw(a, old), raw(b, new)));
    const struct json_node *member = json_child(b, new);
    for (const struct json_node *at = json_child(a, old); at; at = json_next(a, at)) {
        const struct fate *next = &fates[at - a->nodes];
        must(member != NULL);
        must(!at->key.p || str_eq(member->key, at->key));
        compare(a, at, b, member);
        member = json_next(b, member);
    }
    must(!member || fate->grown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = {(const char *)data, size};
    struct str lines = input;
    for (struct str line = take_line(&input); line.n > 0;)
        line = take_line(&input);
    struct arena arena = {0};
    struct json doc = {.source = input};
    memset(fates, 0, sizeof fates);
    bool known = input.n == 0 || (json_scan(input, &arena, &doc, NULL) && doc.count <= VALUES_MAX);
    struct edits edits = {.arena = &arena};
    for (struct str line = take_line(&lines); known && line.n > 0; line = take_line(&lines))
        edit(&edits, doc.count ? &doc : NULL, line);
    struct str result = known ? edits_apply(&edits, input, &arena) : (struct str){NULL, 0};
    struct json after;
    if (result.p && result.n > 0) {
        must(!edits.failed && json_scan(result, &arena, &after, NULL));
        if (doc.count)
            compare(&doc, doc.nodes, &after, after.nodes);
    }
    arena_free(&arena);
    return 0;
}
