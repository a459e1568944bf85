/* The folders that a policy lets containers bind, for whoever looks at them on a file system. They
   are read out of the entries as text. */
#include "checks.h"
#include "client.h"

/* A built-in role that others only extend gives nobody its folders. */
static bool is_given(const struct policy *policy, size_t role)
{
    for (size_t i = 0; i < policy->client_count; i++)
        if (policy->clients[i].role == policy->roles[role])
            return true;
    return role < policy->file_roles || role >= policy->wanted_from;
}

bool policy_bind_tree(const struct policy *policy, size_t role, size_t index, struct bind_tree *out)
{
    if (role >= policy->role_count || !is_given(policy, role))
        return false;
    const struct entries *allow = &policy->roles[role]->keys[KEY_BINDS].allow;
    if (index >= allow->count)
        return false;
    const struct entry *entry = &allow->items[index];
    struct str plain = str_head(entry->text, entry->plain);
    size_t slash = str_rfind(plain, '/');
    struct str folder =
        entry->literal ? path_trim(entry->text) : str_head(plain, slash ? slash : 1);
    *out = (struct bind_tree){.entry = entry->text,
                              .folder = folder,
                              .literal = entry->literal,
                              .writable = !entry->read_only};
    return true;
}
