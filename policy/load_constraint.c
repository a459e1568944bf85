/* A constraint of a role: which shapes its key takes, and what each means (struct constraint). */
#include "load.h"

#include <stdio.h>

/* What the key takes, for messages. */
static const char *wanted_shapes(enum key key, char *dst, size_t cap)
{
    static const struct {
        unsigned shape;
        const char *text;
    } words[] = {
        {SHAPE_LIST | SHAPE_BARE_LIST, "a list"},
        {SHAPE_ALLOW, "{\"allow\": [...]}"},
        {SHAPE_DENY, "{\"deny\": [...]}"},
        {SHAPE_REQUIRE_LIST, "{\"require\": [...]}"},
        {SHAPE_REQUIRE_MAP, "{\"require\": {\"name\": \"glob\"}}"},
        {SHAPE_MAX, "{\"max\": ...}"},
        {SHAPE_REQUIRE_TRUE, "{\"require\": true}"},
    };
    const struct key_row *row = &key_rows[key];
    const char *booleans = row->max == MAX_NONE ? "true or false" : "true";
    size_t at = (size_t)snprintf(dst, cap, "%s", row->shapes & SHAPE_BOOL ? booleans : "");
    for (size_t i = 0; i < ARRAY_LEN(words) && at < cap; i++)
        if (row->shapes & words[i].shape)
            at += (size_t)snprintf(dst + at, cap - at, "%s%s", at ? ", or " : "", words[i].text);
    return dst;
}

static void refuse_shape(struct loader *loader, enum key key, const struct json_node *node)
{
    char wanted[160];
    load_error(loader, node->offset, "%s expects %s, got %s", key_path(key),
               wanted_shapes(key, wanted, sizeof wanted), kind_name(node));
}

static struct entries load_entries(struct loader *loader, enum key key,
                                   const struct json_node *list)
{
    struct entry *items = arena_alloc(loader->arena, list->count ? list->count : 1, sizeof *items);
    if (!items)
        return load_no_memory(loader), (struct entries){0};
    size_t count = 0;
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n))
        count += load_entry(loader, key, n, &items[count]);
    struct entries entries = {items, count, NULL};
    enum entry_kind kind = key_rows[key].entries;
    if (kind == ENTRY_SIGNED)
        load_signed_list(loader, list, &entries); /* in order, so without an index */
    else if (kind != ENTRY_PORTS && kind != ENTRY_CIDR && !entries_index(&entries, loader->arena))
        load_no_memory(loader);
    return entries;
}

struct entries load_label_pairs(struct loader *loader, const struct json_node *map,
                                const char *what)
{
    size_t room = map->count ? (size_t)map->count * 2 : 1;
    struct entry *items = arena_alloc(loader->arena, room, sizeof *items);
    if (!items)
        return load_no_memory(loader), (struct entries){0};
    size_t count = 0;
    for (const struct json_node *m = json_child(loader->doc, map); m;
         m = json_next(loader->doc, m)) {
        if (!load_expect(loader, m, JSON_STRING, what, "a glob for its value"))
            continue;
        if (m->text.n > GLOB_MAX) {
            load_error(loader, m->offset, "the glob for %s is too long", what);
            continue;
        }
        struct entry *name = &items[count], *pattern = &items[count + 1];
        name->text = arena_copy(loader->arena, m->key);
        pattern->text = arena_copy(loader->arena, m->text);
        if (!name->text.p || !pattern->text.p)
            return load_no_memory(loader), (struct entries){0};
        name->literal = true;
        pattern->literal = str_find(pattern->text, '*') == pattern->text.n &&
                           str_find(pattern->text, '?') == pattern->text.n;
        count += 2;
    }
    return (struct entries){items, count, NULL};
}

static void load_require(struct loader *loader, enum key key, const struct json_node *node,
                         struct constraint *out)
{
    unsigned shapes = key_rows[key].shapes;
    char wanted[160];
    if ((shapes & SHAPE_REQUIRE_TRUE) && (node->kind == JSON_TRUE || node->kind == JSON_FALSE))
        out->required = node->kind == JSON_TRUE;
    else if ((shapes & SHAPE_REQUIRE_LIST) && node->kind == JSON_ARRAY)
        out->require = load_entries(loader, key, node);
    else if ((shapes & SHAPE_REQUIRE_MAP) && node->kind == JSON_OBJECT)
        out->require = load_label_pairs(loader, node, "a required label");
    else
        load_error(loader, node->offset, "%s expects %s; this require is %s", key_path(key),
                   wanted_shapes(key, wanted, sizeof wanted), kind_name(node));
}

/* containers.user can deny one thing only: a name says nothing about the uid behind it. */
static void check_denied_users(struct loader *loader, const struct json_node *list)
{
    char shown[QUOTED_MAX];
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n))
        if (n->kind == JSON_STRING && !str_is(n->text, "root"))
            load_error(loader, n->offset,
                       "containers.user can deny only \"root\", which means every user but a "
                       "numeric uid other than 0; got %s",
                       quoted(shown, n->text));
}

static void load_deny(struct loader *loader, enum key key, const struct json_node *list,
                      struct constraint *out)
{
    if (key == KEY_USER)
        check_denied_users(loader, list);
    out->deny = load_entries(loader, key, list);
}

static void load_word(struct loader *loader, enum key key, const struct json_node *node,
                      struct constraint *out)
{
    char what[HINT_MAX];
    snprintf(what, sizeof what, "%.*s of %s", STR_ARG(node->key), key_path(key));
    if (str_is(node->key, "require"))
        load_require(loader, key, node, out);
    else if (str_is(node->key, "max"))
        out->has_max = load_max(loader, key, node, &out->max);
    else if (!load_expect(loader, node, JSON_ARRAY, what, "a list"))
        return;
    else if (str_is(node->key, "allow"))
        out->allow = load_entries(loader, key, node);
    else
        load_deny(loader, key, node, out);
}

/* The words that the object of this key may hold. */
static const struct {
    const char *name;
    unsigned shapes;
} constraint_words[] = {
    {"allow", SHAPE_ALLOW},
    {"deny", SHAPE_DENY},
    {"require", SHAPE_REQUIRE_LIST | SHAPE_REQUIRE_TRUE | SHAPE_REQUIRE_MAP},
    {"max", SHAPE_MAX},
};

static bool word_taken(enum key key, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(constraint_words); i++)
        if (str_is(name, constraint_words[i].name))
            return key_rows[key].shapes & constraint_words[i].shapes;
    return false;
}

static void refuse_word(struct loader *loader, enum key key, const struct json_node *member)
{
    char name[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (size_t i = 0; i < ARRAY_LEN(constraint_words); i++)
        if (key_rows[key].shapes & constraint_words[i].shapes)
            nearest_offer(&nearest, str_of(constraint_words[i].name));
    load_error(loader, member->key_offset, "unknown key %s in %s%s", quoted(name, member->key),
               key_path(key), hint_of(hint, &nearest));
}

/* What an object does not say stays at the key's default: {"deny": [...]} leaves "everything" of a
   key that is open, {"require": [...]} leaves what may be given. */
static void load_object(struct loader *loader, enum key key, const struct json_node *node,
                        struct constraint *out)
{
    out->any = loader->defaults[key].any;
    out->allow = loader->defaults[key].allow;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        if (load_description(loader, m))
            continue;
        if (!word_taken(key, m->key)) {
            refuse_word(loader, key, m);
            continue;
        }
        if (str_is(m->key, "allow"))
            out->any = false;
        load_word(loader, key, m, out);
    }
}

void load_constraint(struct loader *loader, enum key key, const struct json_node *node,
                     struct constraint *out)
{
    unsigned shapes = key_rows[key].shapes;
    *out = (struct constraint){.set = true};
    bool number = key_rows[key].max != MAX_NONE; /* false would mean: no limit may be given */
    if (node->kind == JSON_TRUE && (shapes & SHAPE_BOOL))
        out->any = true;
    else if (node->kind == JSON_FALSE && (shapes & SHAPE_BOOL) && !number)
        out->any = false;
    else if (node->kind == JSON_ARRAY && (shapes & (SHAPE_LIST | SHAPE_BARE_LIST)))
        out->allow = load_entries(loader, key, node);
    else if (node->kind == JSON_OBJECT &&
             (shapes & (SHAPE_ALLOW | SHAPE_DENY | SHAPE_MAX | SHAPE_REQUIRE_LIST |
                        SHAPE_REQUIRE_TRUE | SHAPE_REQUIRE_MAP)))
        load_object(loader, key, node, out);
    else
        refuse_shape(loader, key, node);
}

void load_defaults(struct loader *loader)
{
    const struct json *before = loader->doc;
    for (enum key key = 0; key < KEY_COUNT; key++) {
        struct json doc;
        struct err err = {0};
        /* Before its own default is read, an object opens all that it does not name. */
        loader->defaults[key] = (struct constraint){.any = true};
        if (!json_scan(str_of(key_rows[key].fallback), &loader->scratch, &doc, &err)) {
            load_error(loader, 0, "default of %s: %s", key_path(key), err.text);
            continue;
        }
        struct constraint value;
        loader->doc = &doc;
        load_constraint(loader, key, &doc.nodes[0], &value);
        value.set = false;
        loader->defaults[key] = value;
    }
    loader->doc = before;
}
