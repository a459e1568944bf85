/* One role as it is written: operations, what is opened, scalars and groups of constraints. What it
   inherits is added by load_extends.c. */
#include "load.h"

#include <stdio.h>

/* ---- operations ------------------------------------------------------------------------------ */

static void set_op(struct role *role, enum operation op, enum op_state state)
{
    if (role->ops[op] != OP_DENIED)
        role->ops[op] = (uint8_t)state;
}

static bool class_ops(struct str name, struct role *role, enum op_state state)
{
    bool found = false;
    for (enum operation op = 0; op < OP_COUNT; op++)
        if (str_is(name, class_name(operation_class(op)))) {
            set_op(role, op, state);
            found = true;
        }
    return found;
}

static void glob_ops(struct loader *loader, const struct json_node *node, struct role *role,
                     enum op_state state)
{
    bool found = false;
    char shown[QUOTED_MAX];
    for (enum operation op = 0; op < OP_COUNT; op++)
        if (glob_match(node->text, str_of(operation_name(op)))) {
            set_op(role, op, state);
            found = true;
        }
    if (!found)
        load_warning(loader, node->offset, "%s matches no operation", quoted(shown, node->text));
}

/* "; the classes are @ping, @read ..." in dst. */
static void list_classes(char dst[HINT_MAX])
{
    size_t at = (size_t)snprintf(dst, HINT_MAX, "; the classes are ");
    for (enum op_class c = 0; c < CLASS_COUNT && at < HINT_MAX; c++)
        at += (size_t)snprintf(dst + at, HINT_MAX - at, "%s%s", c > 0 ? ", " : "", class_name(c));
}

static void unknown_op(struct loader *loader, const struct json_node *node)
{
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(node->text);
    bool class = str_starts(node->text, STR("@"));
    if (load_errors_shown(loader) && class)
        for (enum op_class c = 0; c < CLASS_COUNT; c++)
            nearest_offer(&nearest, str_of(class_name(c)));
    else if (load_errors_shown(loader))
        operation_offer_all(&nearest);
    hint_of(hint, &nearest);
    if (class && !nearest.best.p)
        list_classes(hint);
    load_error(loader, node->offset, "unknown %s %s%s", class ? "class" : "operation",
               quoted(shown, node->text), hint);
}

static void load_ops(struct loader *loader, const struct json_node *list, struct role *role,
                     enum op_state state)
{
    const char *what = state == OP_ALLOWED ? "allow" : "deny";
    if (!load_expect(loader, list, JSON_ARRAY, what, "a list of operations and classes"))
        return;
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n)) {
        enum operation op;
        if (!load_expect(loader, n, JSON_STRING, "an operation or class", "text"))
            continue;
        if (str_starts(n->text, STR("@"))) {
            if (!class_ops(n->text, role, state))
                unknown_op(loader, n);
        } else if (str_find(n->text, '*') < n->text.n || str_find(n->text, '?') < n->text.n) {
            glob_ops(loader, n, role, state);
        } else if (operation_find(n->text, &op)) {
            set_op(role, op, state);
        } else {
            unknown_op(loader, n);
        }
    }
}

/* ---- open, api, scalars ---------------------------------------------------------------------- */

static void load_open(struct loader *loader, const struct json_node *list, struct role *role)
{
    if (!load_expect(loader, list, JSON_ARRAY, "open", "a list of parameters and fields"))
        return;
    struct str *items = arena_alloc(loader->arena, list->count ? list->count : 1, sizeof *items);
    if (!items) {
        load_no_memory(loader);
        return;
    }
    size_t count = 0;
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n)) {
        if (!load_open_entry(loader, n))
            continue;
        items[count] = arena_copy(loader->arena, n->text);
        if (!items[count].p) {
            load_no_memory(loader);
            return;
        }
        count++;
    }
    role->open = items;
    role->open_count = count;
}

/* "1.41": the minor version. */
static bool api_version(struct loader *loader, const struct json_node *node, const char *what,
                        int *out)
{
    char label[16], shown[QUOTED_MAX];
    snprintf(label, sizeof label, "api.%s", what);
    if (!load_expect(loader, node, JSON_STRING, label, "text such as \"1.41\""))
        return false;
    struct str minor = str_skip(node->text, 2);
    int64_t value = -1;
    bool plain = str_starts(node->text, STR("1.")) && minor.n > 0 && minor.n <= 3 &&
                 minor.p[0] != '-' && (minor.p[0] != '0' || minor.n == 1) &&
                 str_to_int(minor, &value);
    if (!plain)
        load_error(loader, node->offset, "api.%s expects a version such as \"1.41\", got %s", what,
                   quoted(shown, node->text));
    else if (value < API_MINOR_FLOOR)
        load_error(loader, node->offset,
                   "api.%s is never below 1.%d: before it, starting a container takes its settings "
                   "again",
                   what, API_MINOR_FLOOR);
    else
        *out = (int)value;
    return plain && value >= API_MINOR_FLOOR;
}

static void load_api(struct loader *loader, const struct json_node *node, struct settings *own)
{
    if (!load_expect(loader, node, JSON_OBJECT, "api",
                     "an object such as {\"min\": \"1.24\", \"max\": \"1.99\"}"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        char shown[QUOTED_MAX];
        if (load_description(loader, m))
            continue;
        if (str_is(m->key, "min"))
            own->has_api_min = api_version(loader, m, "min", &own->role.api_min);
        else if (str_is(m->key, "max"))
            own->has_api_max = api_version(loader, m, "max", &own->role.api_max);
        else
            load_error(loader, m->key_offset,
                       "unknown key %s in api, which has \"min\" and \"max\"",
                       quoted(shown, m->key));
    }
}

static void load_unknown_fields(struct loader *loader, const struct json_node *node,
                                struct settings *own)
{
    own->has_unknown_fields = true;
    own->role.unknown_fields = str_is(node->text, "allow") && node->kind == JSON_STRING;
    if (!own->role.unknown_fields && !(node->kind == JSON_STRING && str_is(node->text, "deny")))
        load_error(loader, node->offset, "unknown_fields expects \"deny\" or \"allow\"");
}

static void load_archive(struct loader *loader, const struct json_node *node, struct settings *own)
{
    own->has_archive = true;
    own->role.archive = node->kind == JSON_TRUE    ? ARCHIVE_ALWAYS
                        : node->kind == JSON_FALSE ? ARCHIVE_NEVER
                                                   : ARCHIVE_FIXED;
    bool fixed = node->kind == JSON_STRING && str_is(node->text, "fixed");
    if (!fixed && node->kind != JSON_TRUE && node->kind != JSON_FALSE)
        load_error(loader, node->offset, "archive expects \"fixed\", true or false, got %s",
                   kind_name(node));
}

static void load_existing(struct loader *loader, const struct json_node *node, struct settings *own)
{
    bool text = node->kind == JSON_STRING;
    bool any = text && str_is(node->text, "any");
    own->has_existing = true;
    own->role.existing = any ? EXISTING_ANY : EXISTING_CONFORMING;
    if (!any && !(text && str_is(node->text, "conforming")))
        load_error(loader, node->offset, "existing expects \"conforming\" or \"any\", got %s",
                   kind_name(node));
}

/* ---- groups ---------------------------------------------------------------------------------- */

static bool is_group(struct str name)
{
    for (enum key key = 0; key < KEY_COUNT; key++)
        if (str_is(name, key_rows[key].group))
            return true;
    return false;
}

/* Rows of one group stand together. */
static void offer_groups(struct nearest *nearest)
{
    for (enum key key = 0; key < KEY_COUNT; key++)
        if (key == 0 || strcmp(key_rows[key].group, key_rows[key - 1].group) != 0)
            nearest_offer(nearest, str_of(key_rows[key].group));
}

/* What docker, compose or Kubernetes call what a key of containers governs. */
static const struct nearest_word container_words[] = {
    {"memory", "mem_limit"}, {"mem", "mem_limit"},        {"cpu", "cpus"},
    {"pids", "pids_limit"},  {"capabilities", "cap_add"}, {"caps", "cap_add"},
    {"mounts", "binds"},     {"network", "network_mode"}, {"networks", "network_mode"},
    {"environment", "env"},  {"publish", "ports"},        {"readonly", "read_only"},
};

static void unknown_key(struct loader *loader, const struct json_node *member, struct str group)
{
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    const char *elsewhere = NULL;
    for (enum key key = 0; key < KEY_COUNT && load_errors_shown(loader); key++) {
        if (str_is(group, key_rows[key].group))
            nearest_offer(&nearest, str_of(key_rows[key].name));
        else if (!elsewhere && str_ieq(member->key, str_of(key_rows[key].name)))
            elsewhere = key_path(key);
    }
    if (str_is(group, "containers"))
        nearest_offer_words(&nearest, container_words, ARRAY_LEN(container_words));
    hint_of(hint, &nearest);
    if (!nearest.best.p && elsewhere)
        snprintf(hint, sizeof hint, "; did you mean %s?", elsewhere);
    load_error(loader, member->key_offset, "unknown key %s in %.*s%s", quoted(shown, member->key),
               STR_ARG(group), hint);
}

static void load_group(struct loader *loader, const struct json_node *node, struct role *role)
{
    struct str group = node->key;
    char what[32];
    snprintf(what, sizeof what, "%.*s", STR_ARG(group));
    if (!load_expect(loader, node, JSON_OBJECT, what, "an object"))
        return;
    for (const struct json_node *m = json_child(loader->doc, node); m;
         m = json_next(loader->doc, m)) {
        if (load_description(loader, m))
            continue;
        enum key key = 0;
        while (key < KEY_COUNT &&
               !(str_is(group, key_rows[key].group) && str_is(m->key, key_rows[key].name)))
            key++;
        if (key < KEY_COUNT)
            load_constraint(loader, key, m, &role->keys[key]);
        else
            unknown_key(loader, m, group);
    }
}

/* ---- the role -------------------------------------------------------------------------------- */

/* The key of a group that stands outside of it, or NULL. */
static const char *key_without_group(struct str name)
{
    for (enum key key = 0; key < KEY_COUNT; key++)
        if (str_ieq(name, str_of(key_rows[key].name)))
            return key_path(key);
    return NULL;
}

static void unknown_role_key(struct loader *loader, const struct json_node *member)
{
    static const char *const known[] = {
        "description", "extends",  "allow",   "deny",  "open",      "unknown_fields", "api",
        "archive",     "existing", "objects", "owner", "responses", "limits"};
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        nearest_offer(&nearest, str_of(known[i]));
    offer_groups(&nearest);
    hint_of(hint, &nearest);
    const char *path = key_without_group(member->key);
    if (path && !(nearest.best.p && str_ieq(member->key, nearest.best)))
        snprintf(hint, sizeof hint, "; did you mean %s?", path);
    load_error(loader, member->key_offset, "unknown key %s in a role%s", quoted(shown, member->key),
               hint);
}

static void load_member(struct loader *loader, struct draft *draft, const struct json_node *member)
{
    struct settings *own = &draft->own;
    struct str key = member->key;
    if (load_description(loader, member))
        return;
    if (str_is(key, "extends"))
        draft->extends = member;
    else if (str_is(key, "allow"))
        load_ops(loader, member, &own->role, OP_ALLOWED);
    else if (str_is(key, "deny"))
        load_ops(loader, member, &own->role, OP_DENIED);
    else if (str_is(key, "open"))
        load_open(loader, member, &own->role);
    else if (str_is(key, "unknown_fields"))
        load_unknown_fields(loader, member, own);
    else if (str_is(key, "api"))
        load_api(loader, member, own);
    else if (str_is(key, "archive"))
        load_archive(loader, member, own);
    else if (str_is(key, "existing"))
        load_existing(loader, member, own);
    else if (str_is(key, "objects"))
        load_objects(loader, member, &own->role);
    else if (str_is(key, "owner"))
        load_owner(loader, member, &own->role);
    else if (str_is(key, "responses"))
        load_responses(loader, member, &own->role);
    else if (str_is(key, "limits"))
        load_limits(loader, member, &own->role);
    else if (is_group(key))
        load_group(loader, member, &own->role);
    else
        unknown_role_key(loader, member);
}

void load_role(struct loader *loader, struct draft *draft)
{
    loader->doc = draft->doc;
    loader->builtin = draft->builtin;
    if (!load_expect(loader, draft->node, JSON_OBJECT, "a role", "an object"))
        return;
    for (const struct json_node *m = json_child(draft->doc, draft->node); m;
         m = json_next(draft->doc, m))
        load_member(loader, draft, m);
}
