/* Inheritance: what a role says, over what its parents say, over the defaults. */
#include "load.h"

#include <stdio.h>

/* The roles being resolved, from the one asked for upwards. */
struct trail {
    struct draft *drafts[POLICY_EXTENDS_DEPTH_MAX];
    int count;
};

static bool role_opens_text(const struct role *role, struct str text)
{
    for (size_t i = 0; i < role->open_count; i++)
        if (str_eq(role->open[i], text))
            return true;
    return false;
}

static void merge_open(struct loader *loader, const struct role *from, struct role *to)
{
    if (from->open_count == 0)
        return;
    struct str *items =
        arena_alloc(loader->arena, to->open_count + from->open_count, sizeof *items);
    if (!items) {
        load_no_memory(loader);
        return;
    }
    for (size_t i = 0; i < to->open_count; i++)
        items[i] = to->open[i];
    to->open = items;
    for (size_t i = 0; i < from->open_count; i++)
        if (!role_opens_text(to, from->open[i]))
            items[to->open_count++] = from->open[i];
}

static void merge(struct loader *loader, const struct settings *from, struct settings *to)
{
    to->role.unrestricted |= from->role.unrestricted;
    for (enum operation op = 0; op < OP_COUNT; op++)
        if (to->role.ops[op] < from->role.ops[op]) /* denied over allowed over nothing */
            to->role.ops[op] = from->role.ops[op];
    for (enum key key = 0; key < KEY_COUNT; key++)
        if (from->role.keys[key].set)
            to->role.keys[key] = from->role.keys[key];
    for (enum object object = 0; object < OBJECT_COUNT; object++)
        if (from->role.objects[object].set)
            to->role.objects[object] = from->role.objects[object];
    to->role.redacts |= from->role.redacts; /* as with deny: nobody takes it back */
    if (from->role.owner.label.p)
        to->role.owner = from->role.owner;
    for (enum limit limit = 0; limit < LIMIT_COUNT; limit++)
        if (from->role.limits[limit].set)
            to->role.limits[limit] = from->role.limits[limit];
    merge_open(loader, &from->role, &to->role);
    if (from->has_unknown_fields)
        to->role.unknown_fields = from->role.unknown_fields;
    if (from->has_archive)
        to->role.archive = from->role.archive;
    if (from->has_existing)
        to->role.existing = from->role.existing;
    if (from->has_api_min)
        to->role.api_min = from->role.api_min;
    if (from->has_api_max)
        to->role.api_max = from->role.api_max;
    to->has_unknown_fields |= from->has_unknown_fields;
    to->has_archive |= from->has_archive;
    to->has_existing |= from->has_existing;
    to->has_api_min |= from->has_api_min;
    to->has_api_max |= from->has_api_max;
}

/* images.import stands open only while images restricts nothing. */
static void resolve_import(struct role *role)
{
    const struct constraint *allow = &role->keys[KEY_IMAGES_ALLOW];
    struct constraint *import = &role->keys[KEY_IMAGES_IMPORT];
    if (import->set)
        return;
    bool any_image =
        allow->any || (allow->allow.count == 1 && str_is(allow->allow.items[0].text, "**"));
    import->any = any_image && !role->keys[KEY_IMAGES_DENY].set &&
                  !role->keys[KEY_IMAGES_REQUIRE_DIGEST].set &&
                  !role->keys[KEY_IMAGES_DENY_TAGS].set;
}

static void start_with_defaults(struct loader *loader, struct settings *out)
{
    memcpy(out->role.keys, loader->defaults, sizeof out->role.keys);
    out->role.api_min = API_MINOR_FLOOR;
    out->role.api_max = API_MINOR_ANY;
}

struct draft *load_find_draft(struct loader *loader, struct str name)
{
    for (size_t i = 0; i < loader->draft_count; i++)
        if (str_eq(loader->drafts[i].name, name))
            return &loader->drafts[i];
    return NULL;
}

void load_unknown_role(struct loader *loader, const struct json_node *node, const char *what)
{
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(node->text);
    for (size_t i = 0; i < loader->draft_count && load_errors_shown(loader); i++)
        nearest_offer(&nearest, loader->drafts[i].name);
    load_offer_builtins(&nearest);
    load_error(loader, node->offset, "%s: unknown role %s%s", what, quoted(shown, node->text),
               hint_of(hint, &nearest));
}

static void report_cycle(struct loader *loader, const struct json_node *node,
                         const struct trail *trail, const struct draft *again)
{
    char chain[320], name[QUOTED_MAX];
    size_t at = 0;
    int i = 0;
    while (i < trail->count && trail->drafts[i] != again)
        i++;
    for (; i < trail->count && at < sizeof chain; i++)
        at += (size_t)snprintf(chain + at, sizeof chain - at, "%s -> ",
                               text_shorten(name, sizeof name, trail->drafts[i]->name));
    load_error(loader, node->offset, "extends goes in a circle: %s%s", chain,
               text_shorten(name, sizeof name, again->name));
}

static void resolve(struct loader *loader, struct draft *draft, struct trail *trail);

/* The parent is ready to be merged; if not, an error says why. */
static bool parent_ready(struct loader *loader, struct draft *draft, struct draft *parent,
                         const struct json_node *node, struct trail *trail)
{
    if (parent->state == DRAFT_OPEN) {
        report_cycle(loader, node, trail, parent);
        return false;
    }
    if (parent->state == DRAFT_NEW && trail->count < POLICY_EXTENDS_DEPTH_MAX) {
        resolve(loader, parent, trail);
        loader->doc = draft->doc;
        loader->builtin = draft->builtin;
    }
    if (parent->state == DRAFT_NEW || parent->chain >= POLICY_EXTENDS_DEPTH_MAX) {
        load_error(loader, node->offset, "extends: more than %d roles in a chain",
                   POLICY_EXTENDS_DEPTH_MAX);
        return false;
    }
    if (draft->chain <= parent->chain)
        draft->chain = parent->chain + 1;
    return true;
}

static void inherit(struct loader *loader, struct draft *draft, const struct json_node *node,
                    struct trail *trail)
{
    if (!load_expect(loader, node, JSON_STRING, "extends", "the name of a role or a list of them"))
        return;
    struct draft *parent = load_want_draft(loader, node->text);
    if (!parent)
        load_unknown_role(loader, node, "extends");
    else if (parent_ready(loader, draft, parent, node, trail))
        merge(loader, parent->merged, draft->merged);
}

static void inherit_all(struct loader *loader, struct draft *draft, struct trail *trail)
{
    const struct json_node *extends = draft->extends;
    if (!extends)
        return;
    if (extends->kind != JSON_ARRAY) {
        inherit(loader, draft, extends, trail);
        return;
    }
    for (const struct json_node *n = json_child(draft->doc, extends); n;
         n = json_next(draft->doc, n))
        inherit(loader, draft, n, trail);
}

/* Fills draft->merged; the trail is shorter than its capacity. */
static void resolve(struct loader *loader, struct draft *draft, struct trail *trail)
{
    loader->doc = draft->doc;
    loader->builtin = draft->builtin;
    draft->state = DRAFT_OPEN;
    draft->chain = 1;
    trail->drafts[trail->count++] = draft;
    start_with_defaults(loader, draft->merged);
    inherit_all(loader, draft, trail);
    merge(loader, &draft->own, draft->merged);
    struct role *role = &draft->merged->role;
    if (role->api_min > role->api_max)
        load_error(loader, draft->node->offset, "api: min 1.%d is above max 1.%d in role %s",
                   role->api_min, role->api_max, role->name);
    resolve_import(role);
    trail->count--;
    draft->state = DRAFT_DONE;
}

void load_resolve_all(struct loader *loader)
{
    for (size_t i = 0; i < loader->draft_count; i++) {
        struct trail trail = {.count = 0};
        if (loader->drafts[i].state == DRAFT_NEW)
            resolve(loader, &loader->drafts[i], &trail);
    }
}
