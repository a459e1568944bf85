/* What the proxy itself has on this host: its sockets, its policy, its audit logs, the volumes that
   these are in, the ports that it listens on. Whoever starts the proxy tells the policy; nothing is
   looked up. */
#include "checks.h"

/* Where packages put the policy and the audit log. */
static const struct str usual_paths[] = {
    {"/etc/sockwarden", sizeof("/etc/sockwarden") - 1},
    {"/var/log/sockwarden", sizeof("/var/log/sockwarden") - 1},
};

bool policy_own_path(struct policy *policy, struct str path)
{
    if (!path_is_normal(path) || path.n < 2)
        return false;
    path = path_trim(path);
    for (const struct own_path *own = policy->own.paths; own; own = own->next)
        if (str_eq(own->path, path))
            return true;
    struct own_path *own = arena_alloc(&policy->arena, 1, sizeof *own);
    struct str copy = arena_copy(&policy->arena, path);
    if (!own || !copy.p)
        return false;
    *own = (struct own_path){copy, policy->own.paths};
    policy->own.paths = own;
    return true;
}

bool policy_own_port(struct policy *policy, unsigned port)
{
    struct own_port *own = arena_alloc(&policy->arena, 1, sizeof *own);
    if (!own)
        return false;
    *own = (struct own_port){port, policy->own.ports};
    policy->own.ports = own;
    return true;
}

bool policy_own_volume(struct policy *policy, struct str name)
{
    if (name.n == 0)
        return false;
    for (const struct own_volume *own = policy->own.volumes; own; own = own->next)
        if (str_eq(own->name, name))
            return true;
    struct own_volume *own = arena_alloc(&policy->arena, 1, sizeof *own);
    struct str copy = arena_copy(&policy->arena, name);
    if (!own || !copy.p)
        return false;
    *own = (struct own_volume){copy, policy->own.volumes};
    policy->own.volumes = own;
    return true;
}

bool policy_own_container(struct policy *policy, struct str id)
{
    policy->own.container = arena_copy(&policy->arena, id);
    return policy->own.container.p != NULL;
}

static bool overlap(struct str a, struct str b)
{
    if (a.n > 1 && b.n > 1 && a.p[1] != b.p[1])
        return false; /* neither holds the other */
    return path_is_within(a, b) || path_is_within(b, a);
}

bool path_is_own(const struct role *role, struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(usual_paths); i++)
        if (overlap(path, usual_paths[i]))
            return true;
    for (const struct own_path *own = role->own ? role->own->paths : NULL; own; own = own->next)
        if (overlap(path, own->path))
            return true;
    return false;
}

bool volume_is_own(const struct role *role, struct str name)
{
    const struct own_volume *own = role->own ? role->own->volumes : NULL;
    while (own && !str_eq(own->name, name))
        own = own->next;
    return own != NULL;
}

bool volume_may_become_own(const struct role *role, struct str template)
{
    struct str head = str_head(template, str_find(template, '{'));
    const struct own_volume *own = role->own ? role->own->volumes : NULL;
    while (own && !str_starts(own->name, head))
        own = own->next;
    return own != NULL;
}

bool port_is_own(const struct role *role, unsigned first, unsigned last)
{
    for (const struct own_port *own = role->own ? role->own->ports : NULL; own; own = own->next)
        if (own->port >= first && own->port <= last)
            return true;
    return false;
}
