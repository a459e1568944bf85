/* `objects` and `owner` of a role: which objects are there for it. */
#include "load.h"

#include <stdio.h>

const char *const object_names[OBJECT_COUNT] = {
    [OBJECT_CONTAINERS] = "containers", [OBJECT_VOLUMES] = "volumes",
    [OBJECT_NETWORKS] = "networks",     [OBJECT_IMAGES] = "images",
    [OBJECT_SERVICES] = "services",     [OBJECT_SECRETS] = "secrets",
    [OBJECT_CONFIGS] = "configs",
};

static void unknown_key(struct loader *loader, const struct json_node *member, const char *where,
                        const char *const *known, size_t count)
{
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (size_t i = 0; i < count; i++)
        nearest_offer(&nearest, str_of(known[i]));
    load_error(loader, member->key_offset, "unknown key %s in %s%s", quoted(shown, member->key),
               where, hint_of(hint, &nearest));
}

/* ---- objects --------------------------------------------------------------------------------- */

static struct entries load_names(struct loader *loader, const struct json_node *list,
                                 const char *what)
{
    struct entries out = {0};
    if (!load_expect(loader, list, JSON_ARRAY, what, "a list of globs"))
        return out;
    struct entry *items = arena_alloc(loader->arena, list->count ? list->count : 1, sizeof *items);
    if (!items)
        return load_no_memory(loader), out;
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n)) {
        if (!load_expect(loader, n, JSON_STRING, what, "globs"))
            continue;
        struct entry *entry = &items[out.count];
        entry->text = arena_copy(loader->arena, n->text);
        if (!entry->text.p)
            return load_no_memory(loader), out;
        if (entry->text.n > GLOB_MAX) {
            load_error(loader, n->offset, "%s: the glob is too long", what);
            continue;
        }
        size_t star = str_find(entry->text, '*');
        size_t mark = str_find(entry->text, '?');
        entry->plain = star < mark ? star : mark;
        entry->literal = entry->plain == entry->text.n;
        out.count++;
    }
    out.items = items;
    if (!entries_index(&out, loader->arena))
        load_no_memory(loader);
    return out;
}

static void load_object_rule(struct loader *loader, const struct json_node *node,
                             struct object_rule *out)
{
    static const char *const known[] = {"description", "labels", "names"};
    char where[48], what[64];
    snprintf(where, sizeof where, "objects.%.*s", (int)(node->key.n < 24 ? node->key.n : 24),
             node->key.p);
    out->set = true;
    if (!load_expect(loader, node, JSON_OBJECT, where, "an object of names and labels"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        snprintf(what, sizeof what, "%s.%.*s", where, (int)(m->key.n < 12 ? m->key.n : 12),
                 m->key.p);
        if (load_description(loader, m))
            continue;
        if (str_is(m->key, "names")) {
            out->named = true;
            out->names = load_names(loader, m, what);
        } else if (str_is(m->key, "labels")) {
            if (load_expect(loader, m, JSON_OBJECT, what, "an object of labels and globs"))
                out->labels = load_label_pairs(loader, m, "the label of an object");
        } else {
            unknown_key(loader, m, where, known, ARRAY_LEN(known));
        }
    }
}

void load_objects(struct loader *loader, const struct json_node *node, struct role *role)
{
    if (!load_expect(loader, node, JSON_OBJECT, "objects", "an object"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        enum object object = 0;
        if (load_description(loader, m))
            continue;
        while (object < OBJECT_COUNT && !str_is(m->key, object_names[object]))
            object++;
        if (object < OBJECT_COUNT)
            load_object_rule(loader, m, &role->objects[object]);
        else
            unknown_key(loader, m, "objects", object_names, OBJECT_COUNT);
    }
}

/* ---- owner ----------------------------------------------------------------------------------- */

/* The texts in braces of "${client}-${uid}" are known, and nothing else stands behind a '$'. */
static void check_variables(struct loader *loader, const struct json_node *node)
{
    struct str rest = node->text;
    while (str_find(rest, '$') < rest.n) {
        rest = str_skip(rest, str_find(rest, '$'));
        size_t end = str_find(rest, '}');
        char shown[QUOTED_MAX];
        if (end == rest.n || !str_starts(rest, STR("${")) ||
            !owner_variable_known(str_skip(str_head(rest, end), 2))) {
            load_error(loader, node->offset,
                       "owner.value: %s holds a '$' that begins none of ${client}, ${cert_cn}, "
                       "${uid}, ${address}, ${container_name}, ${compose_project} and "
                       "${compose_service}",
                       quoted(shown, node->text));
            return;
        }
        rest = str_skip(rest, end + 1);
    }
}

static bool load_text(struct loader *loader, const struct json_node *node, const char *what,
                      struct str *out)
{
    enum { TEXT_MAX = 256 };
    if (!load_expect(loader, node, JSON_STRING, what, "text"))
        return false;
    if (node->text.n == 0 || node->text.n > TEXT_MAX) {
        load_error(loader, node->offset, "%s expects 1 to %d bytes", what, TEXT_MAX);
        return false;
    }
    *out = arena_copy(loader->arena, node->text);
    if (!out->p)
        load_no_memory(loader);
    return out->p != NULL;
}

static void load_owner_member(struct loader *loader, const struct json_node *member,
                              struct owner *out)
{
    static const char *const known[] = {"description", "label", "value", "images"};
    if (load_description(loader, member))
        return;
    if (str_is(member->key, "label")) {
        load_text(loader, member, "owner.label", &out->label);
    } else if (str_is(member->key, "value")) {
        if (load_text(loader, member, "owner.value", &out->value))
            check_variables(loader, member);
    } else if (str_is(member->key, "images")) {
        out->images = member->kind == JSON_TRUE;
        if (member->kind != JSON_TRUE && member->kind != JSON_FALSE)
            load_error(loader, member->offset, "owner.images expects true or false, got %s",
                       kind_name(member));
    } else {
        unknown_key(loader, member, "owner", known, ARRAY_LEN(known));
    }
}

void load_owner(struct loader *loader, const struct json_node *node, struct role *role)
{
    struct owner owner = {.images = false};
    if (!load_expect(loader, node, JSON_OBJECT, "owner", "an object of label and value"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m))
        load_owner_member(loader, m, &owner);
    if (!json_get(loader->doc, node, STR("label")))
        load_error(loader, node->offset, "owner has no \"label\", such as \"com.example.owner\"");
    if (!json_get(loader->doc, node, STR("value")))
        load_error(loader, node->offset, "owner has no \"value\", such as \"${client}\"");
    if (str_find(owner.label, '=') < owner.label.n)
        load_error(loader, node->offset, "owner.label holds a '=', which ends a label's name");
    if (owner.label.p && str_find(owner.label, '.') == owner.label.n)
        load_error(
            loader, node->offset,
            "owner.label holds no '.', as in \"com.example.owner\": names without one are the "
            "daemon's own in events");
    role->owner = owner;
}
