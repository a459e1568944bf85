/* The policy that opens what was seen, and nothing else; see learn.h. Values stand as they were
   seen, but three or more bind sources side by side, which become their folder's. */
#include "learn_write.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE_BY_SIDE = 3 /* bind sources in one folder that stand for any in it */ };

/* What one role has used, in the order of keys and values. */
struct used {
    struct learned *learned;
    size_t role;
    struct learn_use **items;
    size_t count;
    struct str standing; /* folder of bind sources that has just been written for all in it */
};

/* ---- what a role has used -------------------------------------------------------------------- */

static size_t key_place(const char *key)
{
    for (size_t i = 0; policy_key(i); i++)
        if (strcmp(policy_key(i), key) == 0)
            return i;
    return SIZE_MAX;
}

static struct str folder_of(struct str path)
{
    size_t slash = str_rfind(path, '/');
    return slash == path.n ? (struct str){path.p, 0} : str_head(path, slash);
}

static int text_order(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int use_order(const void *left, const void *right)
{
    const struct learn_use *a = *(struct learn_use *const *)left;
    const struct learn_use *b = *(struct learn_use *const *)right;
    size_t ka = key_place(a->use.key), kb = key_place(b->use.key);
    int order = (ka > kb) - (ka < kb);
    order = order ? order : text_order(a->use.value, b->use.value);
    return order ? order : (int)a->use.read_only - (int)b->use.read_only;
}

static bool used_collect(struct learned *learned, size_t role, struct used *out)
{
    *out = (struct used){.learned = learned, .role = role};
    out->items = arena_alloc(&learned->arena, learned->use_count + 1, sizeof(struct learn_use *));
    if (!out->items)
        return false;
    for (size_t i = 0; i < LEARN_USES_MAX; i++) {
        struct learn_use *use = &learned->uses[i];
        if (use->count == 0 || use->role != role)
            continue;
        use->folder = folder_of(use->use.value); /* once: each is compared with all others */
        out->items[out->count++] = use;
    }
    qsort(out->items, out->count, sizeof(struct learn_use *), use_order);
    return true;
}

static bool is_key(const struct learn_use *use, const char *key)
{
    return strcmp(use->use.key, key) == 0;
}

static bool is_used(const struct used *used, const char *key)
{
    for (size_t i = 0; i < used->count; i++)
        if (is_key(used->items[i], key))
            return true;
    return false;
}

/* Was `true` asked of the key? */
static bool is_whole(const struct used *used, const char *key)
{
    for (size_t i = 0; i < used->count; i++)
        if (is_key(used->items[i], key) && !used->items[i]->use.value.p)
            return true;
    return false;
}

/* ---- binds ----------------------------------------------------------------------------------- */

/* May this folder stand for what is in it: deep enough, nothing that must be written out, and
   nothing there that a container with a restart policy has? */
static bool folder_may_stand(const struct used *used, struct str folder)
{
    struct str above = folder_of(folder);
    if (folder.n == 0 || above.n == 0 || str_find(folder, '?') < folder.n)
        return false;
    for (size_t i = 0; i < used->count; i++) {
        const struct learn_use *use = used->items[i];
        struct str value = use->use.value;
        if (!is_key(use, "containers.binds") || !str_starts(value, folder))
            continue;
        if (use->restarts || policy_names_path(value))
            return false;
    }
    return true;
}

struct folder {
    size_t sources;
    uint64_t requests;
    bool writes, reads; /* some of them may be written; some may only be read */
};

static struct folder folder_count(const struct used *used, struct str folder)
{
    struct folder out = {.sources = 0};
    struct str last = {NULL, 0};
    for (size_t i = 0; i < used->count; i++) {
        const struct learn_use *use = used->items[i];
        if (!is_key(use, "containers.binds") || !str_eq(use->folder, folder))
            continue;
        bool again = str_eq(use->use.value, last); /* the read-only twin stands second */
        out.sources += !again;
        out.requests += use->count;
        out.writes |= !use->use.read_only;
        out.reads |= use->use.read_only && !again;
        last = use->use.value;
    }
    return out;
}

static void write_bind(struct json_out *out, struct str source, struct str behind, bool read_only,
                       const struct told *told)
{
    char text[USE_TEXT_MAX + 8];
    int n = snprintf(text, sizeof(text), "%.*s%.*s", STR_ARG(source), STR_ARG(behind));
    json_out_open(out, '{');
    learn_write_told(told, out);
    json_out_member(out, "source", (struct str){text, (size_t)n});
    if (read_only) {
        json_out_key(out, "read_only");
        json_out_raw(out, STR("true"));
    }
    json_out_close(out, '}');
}

/* The i-th use, a bind; with it all of its folder, or its own read-only twin. */
static void write_bind_of(struct used *used, size_t i, struct json_out *out)
{
    struct str source = used->items[i]->use.value, folder = used->items[i]->folder;
    if (used->standing.n > 0 && str_eq(folder, used->standing))
        return;
    struct folder all = folder_count(used, folder);
    const struct learn_use *next = i + 1 < used->count ? used->items[i + 1] : NULL;
    const struct learn_use *before = i > 0 ? used->items[i - 1] : NULL;
    struct told told = {.n = 0};
    bool alike = !all.writes || !all.reads; /* else what was only read could be written */
    if (all.sources >= SIDE_BY_SIDE && alike && folder_may_stand(used, folder)) {
        for (size_t k = 0; k < i; k++)
            if (is_key(used->items[k], "containers.binds") &&
                str_eq(used->items[k]->folder, folder))
                return; /* it stands there already, what is below it came between */
        used->standing = folder;
        learn_tell(&told, "%zu sources, %llu %s", all.sources, (unsigned long long)all.requests,
                   learn_times(all.requests));
        write_bind(out, folder, STR("/*"), !all.writes, &told);
        return;
    }
    if (before && is_key(before, "containers.binds") && str_eq(before->use.value, source))
        return; /* what may be written may be read */
    uint64_t count = used->items[i]->count;
    if (next && is_key(next, "containers.binds") && str_eq(next->use.value, source))
        count += next->count;
    learn_tell(&told, "%llu %s", (unsigned long long)count, learn_times(count));
    write_bind(out, source, STR(""), used->items[i]->use.read_only, &told);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* A registry was asked by a login or a search: images of it name it, too. */
static bool registry_is_known(const struct used *used, struct str value)
{
    struct str behind = STR(USE_REGISTRY_ONLY);
    if (!str_ends(value, behind))
        return false;
    for (size_t i = 0; i < used->count; i++)
        if (is_key(used->items[i], "images.allow") && !str_eq(used->items[i]->use.value, value) &&
            str_starts(used->items[i]->use.value, str_head(value, value.n - behind.n + 1)))
            return true;
    return false;
}

static void write_list(struct used *used, const char *key, struct json_out *out)
{
    json_out_open(out, '[');
    for (size_t i = 0; i < used->count; i++) {
        struct str value = used->items[i]->use.value;
        if (!is_key(used->items[i], key) || registry_is_known(used, value))
            continue;
        if (strcmp(key, "containers.binds") == 0)
            write_bind_of(used, i, out);
        else
            json_out_str(out, value);
    }
    json_out_close(out, ']');
}

/* Log options that pass without the key were noted with their values. */
static bool only_safe_options(const struct used *used)
{
    for (size_t i = 0; i < used->count; i++)
        if (is_key(used->items[i], "containers.log_options") &&
            str_find(used->items[i]->use.value, '=') == used->items[i]->use.value.n)
            return false;
    return true;
}

static void tell_key(const struct used *used, const char *key, struct told *told)
{
    const char *name = strchr(key, '.') + 1;
    for (size_t i = 0; i < used->count; i++) {
        const struct learn_use *use = used->items[i];
        char shown[100];
        if (!is_key(use, key) || strcmp(name, "binds") == 0)
            continue;
        learn_tell(told, "%s%s%s%s: %llu %s", told->n ? "; " : "", name,
                   use->use.value.p ? " " : "",
                   use->use.value.n   ? text_shorten(shown, sizeof(shown), use->use.value)
                   : use->use.value.p ? "unset"
                                      : "",
                   (unsigned long long)use->count, learn_times(use->count));
    }
}

static void write_key(struct used *used, const char *key, struct json_out *out)
{
    enum use_shape shape;
    bool whole = is_whole(used, key);
    if (!policy_learns(key, &shape) || (policy_key_closed(key) && !is_used(used, key)) ||
        (strcmp(key, "containers.log_options") == 0 && only_safe_options(used)))
        return;
    json_out_key(out, strchr(key, '.') + 1);
    if (whole || shape == USE_TRUE)
        json_out_raw(out, whole ? STR("true") : STR("false"));
    else
        write_list(used, key, out);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static const struct {
    const char *group;
    enum operation ops[8]; /* it governs these, up to the first zero */
} groups[] = {
    {"containers", {OP_ContainerCreate, OP_ContainerUpdate, OP_ServiceCreate, OP_ServiceUpdate}},
    {"exec", {OP_ContainerExec}},
    {"images",
     {OP_ContainerCreate, OP_ImageCreate, OP_ServiceCreate, OP_ServiceUpdate, OP_ImageTag,
      OP_ImagePush, OP_ImageLoad, OP_ImageBuild}},
    {"networks", {OP_NetworkCreate, OP_NetworkConnect}},
    {"builds", {OP_ImageBuild}},
    {"services", {OP_ServiceCreate, OP_ServiceUpdate}},
    {"secrets", {OP_SecretCreate, OP_ServiceCreate, OP_ServiceUpdate}},
    {"configs", {OP_ConfigCreate, OP_ServiceCreate, OP_ServiceUpdate}},
    {"plugins", {OP_PluginPull, OP_PluginUpgrade, OP_PluginCreate}},
    {"nodes", {OP_NodeUpdate}},
    {"swarm", {OP_SwarmJoin}},
};

static struct str group_of(const char *key)
{
    return str_head(str_of(key), str_find(str_of(key), '.'));
}

static bool group_matters(const struct used *used, size_t group)
{
    const struct learn_role *role = &used->learned->roles[used->role];
    for (size_t i = 0; i < ARRAY_LEN(groups[group].ops) && groups[group].ops[i]; i++)
        if (role->ops[groups[group].ops[i]] > 0)
            return true;
    for (size_t i = 0; i < used->count; i++)
        if (str_is(group_of(used->items[i]->use.key), groups[group].group))
            return true;
    return false;
}

static void write_group(struct used *used, size_t group, struct json_out *out)
{
    struct told told = {.n = 0};
    if (!group_matters(used, group))
        return;
    json_out_key(out, groups[group].group);
    json_out_open(out, '{');
    for (size_t i = 0; policy_key(i); i++)
        if (str_is(group_of(policy_key(i)), groups[group].group))
            tell_key(used, policy_key(i), &told);
    if (told.n)
        learn_write_told(&told, out);
    for (size_t i = 0; policy_key(i); i++)
        if (str_is(group_of(policy_key(i)), groups[group].group))
            write_key(used, policy_key(i), out);
    json_out_close(out, '}');
}

/* ---- roles ----------------------------------------------------------------------------------- */

static bool class_is_whole(const struct learn_role *role, enum op_class op_class)
{
    size_t members = 0;
    for (unsigned op = 0; op < OP_COUNT; op++) {
        if (operation_class((enum operation)op) != op_class)
            continue;
        members++;
        if (role->ops[op] == 0)
            return false;
    }
    return members > 1;
}

static void write_allow(const struct learn_role *role, struct json_out *out)
{
    bool whole[CLASS_COUNT];
    json_out_key(out, "allow");
    json_out_open(out, '[');
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        whole[i] = class_is_whole(role, (enum op_class)i);
        if (whole[i])
            json_out_str(out, str_of(class_name((enum op_class)i)));
    }
    for (unsigned op = 0; op < OP_COUNT; op++)
        if (role->ops[op] > 0 && !whole[operation_class((enum operation)op)])
            json_out_str(out, str_of(operation_name((enum operation)op)));
    json_out_close(out, ']');
}

static void write_open(struct used *used, struct json_out *out)
{
    bool any = false, archive = false;
    for (size_t i = 0; i < used->count; i++) {
        any |= is_key(used->items[i], "open");
        archive |= is_key(used->items[i], "archive");
    }
    if (any) {
        json_out_key(out, "open");
        write_list(used, "open", out);
    }
    if (archive) {
        json_out_key(out, "archive");
        json_out_raw(out, STR("true"));
    }
}

/* "2026-01-01T00:00" of a whole time. */
static struct str to_minute(struct str time)
{
    return str_head(time, sizeof("2026-01-01T00:00") - 1);
}

static void write_role(struct learned *learned, size_t index, struct str name, struct json_out *out)
{
    const struct learn_role *role = &learned->roles[index];
    struct used used;
    struct told told = {.n = 0};
    if (!used_collect(learned, index, &used))
        return;
    char key[LEARN_NAME_MAX + 32];
    snprintf(key, sizeof(key), "%.*s", STR_ARG(name));
    json_out_key(out, key);
    json_out_open(out, '{');
    learn_tell(&told, "Learnt from %llu %s, %.*s to %.*s", (unsigned long long)role->requests,
               learn_times(role->requests), STR_ARG(to_minute(role->first)),
               STR_ARG(to_minute(role->last)));
    if (role->would_deny)
        learn_tell(&told, "; the policy of that time would have refused %llu of them",
                   (unsigned long long)role->would_deny);
    for (unsigned op = 0; op < OP_COUNT; op++)
        if (role->ops[op])
            learn_tell(&told, "; %s: %llu", operation_name((enum operation)op),
                       (unsigned long long)role->ops[op]);
    learn_write_told(&told, out);
    write_allow(role, out);
    write_open(&used, out);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        write_group(&used, i, out);
    json_out_close(out, '}');
}

/* ---- the policy ------------------------------------------------------------------------------ */

static void write_policy(struct learned *learned, const struct str *names, struct json_out *out)
{
    json_out_open(out, '{');
    json_out_key(out, "version");
    json_out_uint(out, 1);
    json_out_member(out, "description",
                    STR("Written by sockwarden learn from what was seen. Read it before it "
                        "serves: whoever did what he should not may do it still. Whoever is none "
                        "of the clients is refused."));
    learn_write_clients(learned, names, out);
    json_out_key(out, "roles");
    json_out_open(out, '{');
    for (size_t i = 0; i < learned->role_count; i++)
        write_role(learned, i, names[i], out);
    json_out_close(out, '}');
    json_out_close(out, '}');
}

struct str learned_policy(struct learned *learned)
{
    struct str *names = arena_alloc(&learned->arena, learned->role_count + 1, sizeof(*names));
    struct json_out out = {.p = NULL};
    for (size_t i = 0; names && i < learned->role_count; i++) {
        names[i] = learn_role_name(learned, i, names);
        names = names[i].p ? names : NULL;
    }
    if (!names)
        return (struct str){NULL, 0};
    write_policy(learned, names, &out); /* how long it is */
    size_t cap = out.len;
    out = (struct json_out){.p = arena_alloc(&learned->arena, cap + 1, 1), .cap = cap};
    if (!out.p)
        return (struct str){NULL, 0};
    write_policy(learned, names, &out);
    return out.len <= cap ? (struct str){out.p, out.len} : (struct str){NULL, 0};
}
