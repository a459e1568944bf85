/* The built-in roles: their texts, which the Makefile compiles in, and how they get into a policy.
   Three are part of every policy; any other is read when something names it, so that those that
   nobody uses cost nothing. */
#include "load.h"
#include "builtin.h"

#define PREFIX "builtin:"

/* ---- the texts ------------------------------------------------------------------------------- */

const char *builtin_role_name(size_t index)
{
    return index < builtin_role_count ? builtin_role_texts[index][0] + strlen(PREFIX) : NULL;
}

struct str builtin_role_json(size_t index)
{
    return index < builtin_role_count ? str_of(builtin_role_texts[index][1]) : (struct str){0};
}

struct str builtin_role_gist(size_t index)
{
    struct str key = STR("\"description\": \"");
    struct str text = builtin_role_json(index);
    while (text.n && !str_starts(text, key))
        text = str_skip(text, 1);
    text = str_skip(text, key.n);
    size_t end = 0;
    while (end < text.n && text.p[end] != '"' && !str_starts(str_skip(text, end), STR(". ")))
        end++;
    return str_head(text, end);
}

/* name: with the prefix or without. builtin_role_count when there is none. */
static size_t builtin_index(struct str name)
{
    for (size_t i = 0; i < builtin_role_count; i++) {
        struct str full = str_of(builtin_role_texts[i][0]);
        if (str_eq(name, full) || str_eq(name, str_skip(full, strlen(PREFIX))))
            return i;
    }
    return builtin_role_count;
}

void load_offer_builtins(struct nearest *nearest)
{
    size_t index = builtin_index(nearest->word);
    for (size_t i = 0; i < builtin_role_count; i++)
        nearest_offer(nearest, str_of(builtin_role_texts[i][0]));
    if (index < builtin_role_count)
        nearest->best = str_of(builtin_role_texts[index][0]);
}

/* ---- into a policy --------------------------------------------------------------------------- */

static void add_builtin(struct loader *loader, size_t index)
{
    struct err err = {0};
    struct json *doc = arena_alloc(&loader->scratch, 1, sizeof *doc);
    loader->doc = NULL;
    loader->builtin = NULL;
    if (!doc)
        load_no_memory(loader);
    else if (!json_scan(builtin_role_json(index), &loader->scratch, doc, &err))
        load_error(loader, 0, "built-in role %s, line %d, column %d: %s", builtin_role_name(index),
                   err.line, err.column, err.text);
    else
        load_add_draft(loader, doc, &doc->nodes[0], builtin_role_name(index),
                       str_of(builtin_role_texts[index][0]));
}

void load_usual_builtins(struct loader *loader)
{
    static const char *const usual[] = {"default", "read-only", "all"};
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        add_builtin(loader, builtin_index(str_of(usual[i])));
}

struct draft *load_want_draft(struct loader *loader, struct str name)
{
    struct draft *draft = load_find_draft(loader, name);
    size_t index = str_starts(name, STR(PREFIX)) ? builtin_index(name) : builtin_role_count;
    if (draft || index == builtin_role_count)
        return draft;
    const struct json *doc = loader->doc;
    const char *builtin = loader->builtin;
    add_builtin(loader, index);
    loader->doc = doc;
    loader->builtin = builtin;
    return load_find_draft(loader, name);
}

/* One more built-in role for a policy that is not in use yet. NULL: no memory. */
static const struct role *append_builtin(struct loader *loader, struct policy *policy, size_t index)
{
    struct role **roles = arena_alloc(loader->arena, policy->role_count + 1, sizeof(struct role *));
    loader->drafts = arena_alloc(&loader->scratch, builtin_role_count, sizeof *loader->drafts);
    if (!roles || !loader->drafts)
        return NULL;
    load_defaults(loader);
    add_builtin(loader, index);
    load_resolve_all(loader);
    if (loader->error_count > 0)
        return NULL;
    for (size_t i = 0; i < policy->role_count; i++)
        roles[i] = policy->roles[i];
    struct role *role = &loader->drafts[0].merged->role;
    role->own = &policy->own;
    roles[policy->role_count++] = role;
    policy->roles = roles;
    return role;
}

bool policy_is_file(const struct policy *policy)
{
    return policy->is_file;
}

/* Beside a file the prefix must be there: a role that the file does not have any more would else
   become the built-in one of its name, such as "ci". */
const struct role *policy_want_role(struct policy *policy, struct str name)
{
    const struct role *role = policy_role(policy, name);
    size_t index = builtin_index(name);
    if (role || index == builtin_role_count || (policy->is_file && !str_starts(name, STR(PREFIX))))
        return role;
    struct err_list errors = {0};
    struct loader loader = {.errors = &errors, .arena = &policy->arena};
    role = append_builtin(&loader, policy, index);
    arena_free(&loader.scratch);
    err_list_free(&errors);
    return role;
}
