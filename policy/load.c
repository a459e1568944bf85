/* JSON text to policy: the document, and the questions that the outside asks a policy. All errors
   of one run are collected; any of them means that nothing is loaded. What a role holds is read in
   load_role.c, what it inherits in load_extends.c, the built-in roles in load_builtin.c, who gets
   it in load_client.c; load_warn.c looks at what has loaded. */
#include "load.h"
#include "builtin.h"

#include <stdlib.h>

/* ---- drafts ---------------------------------------------------------------------------------- */

bool load_add_draft(struct loader *loader, const struct json *doc, const struct json_node *node,
                    const char *builtin, struct str name)
{
    struct draft *draft = &loader->drafts[loader->draft_count];
    *draft = (struct draft){.doc = doc, .node = node, .builtin = builtin, .name = name};
    draft->merged = arena_alloc(loader->arena, 1, sizeof *draft->merged);
    if (!name.p || !draft->merged)
        return load_no_memory(loader), false;
    draft->merged->role.name = name.p;
    /* The mark is not a key: only this name carries it. */
    draft->own.role.unrestricted = builtin && strcmp(builtin, "all") == 0;
    loader->draft_count++;
    load_role(loader, draft);
    return true;
}

/* ---- the document ---------------------------------------------------------------------------- */

static const char *name_fault(struct str name)
{
    if (name.n == 0)
        return "a role needs a name";
    if (name.n > POLICY_NAME_MAX)
        return "the name of this role is too long";
    if (str_starts(name, STR("builtin:")))
        return "names that begin with \"builtin:\" are those of built-in roles; extend one under "
               "a name of your own";
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return "the name of a role holds a control character";
    return NULL;
}

static void load_roles(struct loader *loader, const struct json *doc, const struct json_node *roles)
{
    if (!load_expect(loader, roles, JSON_OBJECT, "roles", "an object"))
        return;
    for (const struct json_node *m = json_child(doc, roles); m; m = json_next(doc, m)) {
        loader->doc = doc;
        if (m->kind == JSON_STRING && load_description(loader, m))
            continue;
        const char *fault = name_fault(m->key);
        if (fault) {
            load_error(loader, m->key_offset, "%s", fault);
        } else if (loader->draft_count >= POLICY_ROLES_MAX) {
            load_error(loader, m->key_offset, "more than %d roles", POLICY_ROLES_MAX);
            return;
        } else if (!load_add_draft(loader, doc, m, NULL, arena_copy(loader->arena, m->key))) {
            return;
        }
    }
}

static void load_version(struct loader *loader, const struct json_node *root,
                         const struct json_node *version)
{
    int64_t value;
    if (!version)
        load_error(loader, root->offset, "\"version\" is missing: write \"version\": 1");
    else if (!json_int(version, &value) || value != 1)
        load_error(loader, version->offset, "\"version\" must be 1, the only format there is");
}

/* What becomes of what a client has under way when its certificate is worth nothing any more. */
static void load_revoked(struct loader *loader, const struct json_node *node, struct policy *policy)
{
    char shown[QUOTED_MAX];
    if (!load_expect(loader, node, JSON_STRING, "revoked", "\"finish\" or \"close\""))
        return;
    policy->closes_revoked = str_is(node->text, "close");
    if (!policy->closes_revoked && !str_is(node->text, "finish"))
        load_error(loader, node->offset, "revoked is \"finish\" or \"close\", not %s",
                   quoted(shown, node->text));
}

static void load_document_key(struct loader *loader, const struct json_node *member)
{
    static const char *const keys[] = {"version", "clients", "revoked", "roles"};
    char shown[QUOTED_MAX], hint[HINT_MAX];
    struct nearest nearest = nearest_to(member->key);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (str_is(member->key, keys[i]))
            return;
        nearest_offer(&nearest, str_of(keys[i]));
    }
    if (load_description(loader, member))
        return;
    nearest_offer(&nearest, STR("description"));
    load_error(loader, member->key_offset, "unknown key %s in the policy%s",
               quoted(shown, member->key), hint_of(hint, &nearest));
}

static void load_document(struct loader *loader, const struct json *doc, struct policy *policy)
{
    const struct json_node *root = &doc->nodes[0];
    loader->doc = doc;
    if (!load_expect(loader, root, JSON_OBJECT, "a policy", "an object"))
        return;
    if (json_get(doc, root, STR("cases")) && !json_get(doc, root, STR("version"))) {
        load_error(loader, root->offset,
                   "this looks like a file of cases: `sockwarden test` runs these");
        return;
    }
    for (const struct json_node *m = json_child(doc, root); m; m = json_next(doc, m))
        load_document_key(loader, m);
    load_version(loader, root, json_get(doc, root, STR("version")));
    const struct json_node *revoked = json_get(doc, root, STR("revoked"));
    if (revoked)
        load_revoked(loader, revoked, policy);
    const struct json_node *roles = json_get(doc, root, STR("roles"));
    if (roles)
        load_roles(loader, doc, roles);
    const struct json_node *clients = json_get(doc, root, STR("clients"));
    bool chosen = clients && clients->count > 0; /* then whom no entry matches is meant */
    if (!chosen &&
        (!roles || (roles->kind == JSON_OBJECT && !json_get(doc, roles, STR("default")))))
        load_warning(loader, roles ? roles->key_offset : root->offset,
                     "there is no role \"default\": every client is refused unless --role names "
                     "another");
}

/* ---- errors in the order of the file --------------------------------------------------------- */

static bool stands_after(const struct err *a, const struct err *b)
{
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* Those behind the first ones. Few, mostly in order already; equal places keep theirs. */
static void sort_errors(struct err_list *list, size_t first)
{
    for (size_t i = first + 1; i < list->count; i++) {
        struct err_item item = list->items[i];
        size_t at = i;
        for (; at > first && stands_after(&list->items[at - 1].err, &item.err); at--)
            list->items[at] = list->items[at - 1];
        list->items[at] = item;
    }
}

/* ---- the policy ------------------------------------------------------------------------------ */

/* Roles of the file, then the built-in ones. */
static bool fill_policy(struct loader *loader, struct policy *policy, size_t file_roles)
{
    policy->roles = arena_alloc(loader->arena, loader->draft_count, sizeof(struct role *));
    if (!policy->roles)
        return load_no_memory(loader), false;
    for (size_t i = 0; i < loader->draft_count; i++) {
        policy->roles[i] = &loader->drafts[i].merged->role;
        policy->roles[i]->own = &policy->own;
    }
    policy->role_count = loader->draft_count;
    policy->file_roles = file_roles;
    policy->wanted_from = policy->role_count;
    for (size_t i = 0; i < file_roles; i++)
        if (str_is(loader->drafts[i].name, "default"))
            policy->default_role = policy->roles[i];
    return true;
}

static void load_all(struct loader *loader, struct policy *policy, const struct json *doc)
{
    load_defaults(loader);
    policy->is_file = doc != NULL;
    if (doc)
        load_document(loader, doc, policy);
    size_t file_roles = loader->draft_count;
    load_usual_builtins(loader);
    load_resolve_all(loader);
    const struct json_node *clients = doc ? json_get(doc, &doc->nodes[0], STR("clients")) : NULL;
    if (clients)
        load_clients(loader, doc, clients, policy);
    load_resolve_all(loader); /* clients may have named more of the built-in ones */
    if (loader->error_count == 0 && fill_policy(loader, policy, file_roles) && doc)
        load_warn(loader, doc, policy);
}

/* doc NULL: the built-in roles alone. */
static struct policy *policy_make(struct loader *loader, const struct json *doc)
{
    struct policy *policy = calloc(1, sizeof *policy);
    size_t room = (doc ? POLICY_ROLES_MAX : 0) + builtin_role_count;
    loader->drafts = arena_alloc(&loader->scratch, room, sizeof *loader->drafts);
    if (!policy || !loader->drafts) {
        load_no_memory(loader);
        free(policy);
        return NULL;
    }
    loader->arena = &policy->arena;
    load_all(loader, policy, doc);
    if (loader->error_count > 0) {
        policy_free(policy);
        return NULL;
    }
    return policy;
}

struct policy *policy_load(struct str text, struct err_list *errors)
{
    struct loader loader = {.errors = errors};
    size_t first = errors->count; /* of this run */
    struct policy *policy = NULL;
    struct json doc;
    struct err err = {0};
    if (text.n > POLICY_FILE_MAX)
        load_error(&loader, 0, "the policy is larger than %d bytes", POLICY_FILE_MAX);
    else if (!json_scan(text, &loader.scratch, &doc, &err))
        err_list_add(errors, false, err.line, err.column, "%s%s", err.text,
                     policy_syntax_remedy(text, &err));
    else
        policy = policy_make(&loader, &doc);
    sort_errors(errors, first);
    arena_free(&loader.scratch);
    return policy;
}

struct policy *policy_builtin(void)
{
    struct err_list errors = {0};
    struct loader loader = {.errors = &errors};
    struct policy *policy = policy_make(&loader, NULL);
    if (policy)
        policy->default_role = policy_role(policy, STR("builtin:default"));
    arena_free(&loader.scratch);
    err_list_free(&errors);
    return policy;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    arena_free(&policy->arena);
    free(policy);
}

/* ---- questions ------------------------------------------------------------------------------- */

const struct role *policy_role(const struct policy *policy, struct str name)
{
    for (size_t i = 0; i < policy->role_count; i++)
        if (str_is(name, policy->roles[i]->name))
            return policy->roles[i];
    for (size_t i = policy->file_roles; i < policy->role_count; i++)
        if (str_is(name, policy->roles[i]->name + strlen("builtin:")))
            return policy->roles[i];
    return NULL;
}

bool policy_closes_revoked(const struct policy *policy)
{
    return policy->closes_revoked;
}

const struct role *policy_default_role(const struct policy *policy)
{
    return policy->default_role;
}

const char *role_name(const struct role *role)
{
    return role->name;
}

size_t policy_role_count(const struct policy *policy)
{
    return policy->role_count;
}

const struct role *policy_role_at(const struct policy *policy, size_t index)
{
    return index < policy->role_count ? policy->roles[index] : NULL;
}
