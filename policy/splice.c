/* Edits of a JSON document; see include/splice.h. What is added to objects is kept as a small tree
   until it is written, so that several additions to one object, there or not, make one edit. */
#include "splice.h"

#include "utf8.h"

#include <stdlib.h>

/* A member to add: a string, or an object of further ones. */
struct splice_member {
    struct str name;
    struct str value; /* p NULL: an object */
    struct splice_member *first;
    struct splice_member *next;
};

static bool fail(struct edits *edits)
{
    edits->failed = true;
    return false;
}

/* ---- texts --------------------------------------------------------------------------------- */

/* What is written and read back is the same: UTF-8 without NUL, which no reader here takes. */
static bool is_writable(struct str text)
{
    return text.n <= EDITS_ADDED_MAX && utf8_valid(text) && str_find(text, '\0') == text.n;
}

/* The text quoted, in the arena; p NULL when it cannot be written, or has no room. */
static struct str quote(struct edits *edits, struct str text)
{
    struct str none = {NULL, 0};
    if (!is_writable(text))
        return none;
    struct json_out measure = {.p = NULL};
    json_out_str(&measure, text);
    struct json_out out = {.p = arena_alloc(edits->arena, measure.len, 1), .cap = measure.len};
    if (!out.p)
        return none;
    json_out_str(&out, text);
    return (struct str){out.p, out.len};
}

/* ---- the list ------------------------------------------------------------------------------ */

static struct edit *add(struct edits *edits, struct edit edit)
{
    enum { FIRST_ROOM = 8 };
    if (edits->count == edits->cap) {
        size_t cap = edits->cap ? edits->cap * 2 : FIRST_ROOM;
        if (cap > EDITS_MAX)
            return NULL;
        struct edit *items = arena_alloc(edits->arena, cap, sizeof *items);
        if (!items)
            return NULL;
        if (edits->count)
            memcpy(items, edits->items, edits->count * sizeof *items);
        edits->items = items;
        edits->cap = cap;
    }
    edits->items[edits->count] = edit;
    return &edits->items[edits->count++];
}

/* The edit of exactly these bytes that a set has made, or NULL. */
static struct edit *find_set(const struct edits *edits, uint32_t offset, uint32_t end)
{
    for (size_t i = 0; i < edits->count; i++) {
        struct edit *edit = &edits->items[i];
        if (edit->set && edit->offset == offset && edit->end == end)
            return edit;
    }
    return NULL;
}

static bool replace(struct edits *edits, uint32_t offset, uint32_t end, struct str text)
{
    if (edits->failed || !text.p)
        return fail(edits);
    return add(edits, (struct edit){.offset = offset, .end = end, .text = text}) || fail(edits);
}

bool edits_replace_string(struct edits *edits, const struct json *doc, const struct json_node *node,
                          struct str text)
{
    (void)doc;
    if (!node || node->kind != JSON_STRING)
        return fail(edits);
    return replace(edits, node->offset, node->end, quote(edits, text));
}

/* ---- adding members ------------------------------------------------------------------------ */

/* The edit that adds members to a node that is null or an object, made if there is none. node NULL:
   the document does not exist. */
static struct edit *edit_adding(struct edits *edits, const struct json *doc,
                                const struct json_node *node)
{
    struct edit edit = {.set = true};
    if (node && node->kind == JSON_NULL) {
        edit.offset = node->offset;
        edit.end = node->end;
    } else if (node) {
        if (node->kind != JSON_OBJECT)
            return NULL;
        const struct json_node *last = NULL;
        for (const struct json_node *at = json_child(doc, node); at; at = json_next(doc, at))
            last = at;
        edit.offset = edit.end = last ? last->end : node->offset + 1;
        edit.inside = true;
        edit.comma = last != NULL;
    }
    struct edit *found = find_set(edits, edit.offset, edit.end);
    if (!found)
        return add(edits, edit);
    return found->text.p || found->inside != edit.inside ? NULL : found; /* set to a string */
}

/* The member of that name among those that are to be added, made if there is none. */
static struct splice_member *member_of(struct edits *edits, struct splice_member **first,
                                       struct str name, bool fold)
{
    struct splice_member **at = first;
    for (; *at; at = &(*at)->next)
        if (fold ? json_fold_eq((*at)->name, name) : str_eq((*at)->name, name))
            return *at;
    *at = arena_alloc(edits->arena, 1, sizeof **at);
    if (*at)
        (*at)->name = arena_copy(edits->arena, name);
    return *at && (*at)->name.p ? *at : NULL;
}

/* The part of a path before its next dot; rest is what follows. */
static struct str path_part(struct str *rest)
{
    struct str part = str_head(*rest, str_find(*rest, '.'));
    *rest = str_skip(*rest, part.n + 1);
    return part;
}

/* Adds objects for the parts of path, and the member in the innermost. */
static bool add_tree(struct edits *edits, struct splice_member **first, struct str path,
                     struct str name, struct str value)
{
    while (path.n > 0) {
        struct splice_member *member = member_of(edits, first, path_part(&path), true);
        if (!member || member->value.p)
            return fail(edits);
        first = &member->first;
    }
    struct splice_member *member = member_of(edits, first, name, false);
    if (!member || member->first)
        return fail(edits);
    member->value = value;
    return true;
}

/* The existing member becomes the value. */
static bool set_existing(struct edits *edits, const struct json_node *node, struct str value)
{
    struct edit *found = find_set(edits, node->offset, node->end);
    if (!found)
        return add(edits,
                   (struct edit){
                       .offset = node->offset, .end = node->end, .text = value, .set = true}) ||
               fail(edits);
    if (found->members)
        return fail(edits);
    found->text = value;
    return true;
}

/* Sets the member of the object that stands at path from node on, which may end on the way, to a
   JSON text. */
static bool set_below(struct edits *edits, const struct json *doc, const struct json_node *node,
                      struct str path, struct str name, struct str value)
{
    if (edits->failed || !value.p || !is_writable(name))
        return fail(edits);
    const struct json_node *existing =
        path.n == 0 && node && node->kind == JSON_OBJECT ? json_get(doc, node, name) : NULL;
    if (existing)
        return set_existing(edits, existing, value);
    struct edit *edit = edit_adding(edits, doc, node);
    return edit ? add_tree(edits, &edit->members, path, name, value) : fail(edits);
}

bool edits_set_member(struct edits *edits, const struct json *doc, const struct json_node *object,
                      struct str name, struct str value)
{
    if (doc && !object)
        return fail(edits);
    return set_below(edits, doc, object, STR(""), name, quote(edits, value));
}

bool edits_set_member_true(struct edits *edits, const struct json *doc,
                           const struct json_node *object, struct str name)
{
    if (doc && !object)
        return fail(edits);
    return set_below(edits, doc, object, STR(""), name, STR("true"));
}

/* The one member that Go reads into the field of that name. *twice: there are several. */
static const struct json_node *field_of(const struct json *doc, const struct json_node *object,
                                        struct str name, bool *twice)
{
    const struct json_node *found = NULL;
    for (const struct json_node *at = json_child(doc, object); at; at = json_next(doc, at)) {
        if (!json_fold_eq(at->key, name))
            continue;
        *twice = found != NULL;
        found = at;
        if (*twice)
            break;
    }
    return found;
}

bool edits_set_path(struct edits *edits, const struct json *doc, const char *path, struct str name,
                    struct str value)
{
    struct str rest = str_of(path);
    const struct json_node *node = doc ? doc->nodes : NULL;
    while (rest.n > 0 && node && node->kind == JSON_OBJECT) {
        struct str after = rest;
        bool twice = false;
        const struct json_node *next = field_of(doc, node, path_part(&after), &twice);
        if (twice)
            return fail(edits);
        if (!next)
            break;
        node = next;
        rest = after;
    }
    return set_below(edits, doc, node, rest, name, quote(edits, value));
}

/* ---- applying ------------------------------------------------------------------------------ */

static void write_raw(struct json_out *out, struct str text)
{
    json_out_raw(out, text);
    out->comma = false;
}

/* Trees are as deep as paths have parts; quoted names are written here, values are already. */
static void write_members(struct json_out *out, const struct splice_member *member, bool comma)
{
    for (; member; member = member->next) {
        if (comma)
            write_raw(out, STR(","));
        json_out_str(out, member->name);
        write_raw(out, STR(":"));
        if (member->value.p) {
            write_raw(out, member->value);
        } else {
            write_raw(out, STR("{"));
            write_members(out, member->first, false);
            write_raw(out, STR("}"));
        }
        comma = true;
    }
}

static void write_edit(struct json_out *out, const struct edit *edit)
{
    if (!edit->members)
        write_raw(out, edit->text);
    if (edit->members && !edit->inside)
        write_raw(out, STR("{"));
    write_members(out, edit->members, edit->comma);
    if (edit->members && !edit->inside)
        write_raw(out, STR("}"));
}

static int compare_edits(const void *left, const void *right)
{
    const struct edit *a = left;
    const struct edit *b = right;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

/* Two edits of the same bytes, of the same place, or one inside of another. */
static bool edits_overlap(const struct edit *sorted, size_t count, struct str source)
{
    for (size_t i = 0; i < count; i++) {
        if (sorted[i].end > source.n || sorted[i].offset > sorted[i].end)
            return true;
        bool same = i > 0 && sorted[i].offset == sorted[i - 1].offset;
        if (i > 0 && (same || sorted[i].offset < sorted[i - 1].end))
            return true;
    }
    return false;
}

static void write_all(struct json_out *out, const struct edit *sorted, size_t count,
                      struct str source)
{
    uint32_t from = 0;
    for (size_t i = 0; i < count; i++) {
        write_raw(out, str_from(source.p + from, source.p + sorted[i].offset));
        write_edit(out, &sorted[i]);
        from = sorted[i].end;
    }
    write_raw(out, str_skip(source, from));
}

struct str edits_apply(const struct edits *edits, struct str source, struct arena *arena)
{
    struct str none = {NULL, 0};
    if (edits->failed || edits->count > EDITS_MAX || source.n >= UINT32_MAX - EDITS_ADDED_MAX)
        return none;
    if (source.n == 0)
        source = STR("");
    if (edits->count == 0)
        return source;
    struct edit *sorted = arena_alloc(arena, edits->count, sizeof *sorted);
    if (!sorted)
        return none;
    memcpy(sorted, edits->items, edits->count * sizeof *sorted);
    qsort(sorted, edits->count, sizeof *sorted, compare_edits);
    if (edits_overlap(sorted, edits->count, source))
        return none;
    struct json_out measure = {.p = NULL};
    write_all(&measure, sorted, edits->count, source);
    if (measure.len > source.n + EDITS_ADDED_MAX)
        return none;
    struct json_out out = {.p = arena_alloc(arena, measure.len, 1), .cap = measure.len};
    struct json doc;
    if (!out.p)
        return none;
    write_all(&out, sorted, edits->count, source);
    struct str result = {out.p, out.len};
    return json_scan(result, arena, &doc, NULL) ? result : none;
}
