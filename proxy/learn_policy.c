/* The policy that opens what was seen, and nothing else; see learn.h. Values stand as they were
   seen, but three or more bind sources side by side, which become their folder's. */
#include "learn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SIDE_BY_SIDE = 3, /* bind sources in one folder that stand for any in it */
    TOLD_MAX = 2000,  /* bytes of a description */
    NAME_MAX_BYTES = 64
};

/* What one role has used, in the order of keys and values. */
struct used {
    struct learned *learned;
    size_t role;
    struct learn_use **items;
    size_t count;
};

/* ---- descriptions ---------------------------------------------------------------------------- */

struct told {
    char p[TOLD_MAX + 64];
    size_t n;
};

static void tell(struct told *told, const char *format, ...) PRINTF_LIKE(2, 3);
static void tell(struct told *told, const char *format, ...)
{
    va_list args;
    if (told->n >= TOLD_MAX)
        return;
    va_start(args, format);
    int n = vsnprintf(told->p + told->n, sizeof(told->p) - told->n, format, args);
    va_end(args);
    told->n += n > 0 ? (size_t)n : 0;
    if (told->n >= TOLD_MAX)
        told->n = TOLD_MAX + (size_t)snprintf(told->p + TOLD_MAX, 8, " ...");
}

static void write_told(const struct told *told, struct json_out *out)
{
    json_out_member(out, "description", (struct str){told->p, told->n});
}

static const char *times(uint64_t count)
{
    return count == 1 ? "request" : "requests";
}

/* ---- what a role has used -------------------------------------------------------------------- */

static size_t key_place(const char *key)
{
    for (size_t i = 0; policy_key(i); i++)
        if (strcmp(policy_key(i), key) == 0)
            return i;
    return SIZE_MAX;
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
    for (size_t i = 0; i < LEARN_USES_MAX; i++)
        if (learned->uses[i].count > 0 && learned->uses[i].role == role)
            out->items[out->count++] = &learned->uses[i];
    qsort(out->items, out->count, sizeof(struct learn_use *), use_order);
    return true;
}

static bool is_key(const struct learn_use *use, const char *key)
{
    return strcmp(use->use.key, key) == 0;
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

static struct str folder_of(struct str path)
{
    size_t slash = str_rfind(path, '/');
    return slash == path.n ? (struct str){path.p, 0} : str_head(path, slash);
}

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
    bool writes;
};

static struct folder folder_count(const struct used *used, struct str folder)
{
    struct folder out = {.sources = 0};
    struct str last = {NULL, 0};
    for (size_t i = 0; i < used->count; i++) {
        const struct learn_use *use = used->items[i];
        if (!is_key(use, "containers.binds") || !str_eq(folder_of(use->use.value), folder))
            continue;
        out.sources += !str_eq(use->use.value, last);
        out.requests += use->count;
        out.writes |= !use->use.read_only;
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
    write_told(told, out);
    json_out_member(out, "source", (struct str){text, (size_t)n});
    if (read_only) {
        json_out_key(out, "read_only");
        json_out_raw(out, STR("true"));
    }
    json_out_close(out, '}');
}

/* The i-th use, a bind; with it all of its folder, or its own read-only twin. */
static void write_bind_of(const struct used *used, size_t i, struct json_out *out)
{
    struct str source = used->items[i]->use.value, folder = folder_of(source);
    struct folder all = folder_count(used, folder);
    const struct learn_use *next = i + 1 < used->count ? used->items[i + 1] : NULL;
    const struct learn_use *before = i > 0 ? used->items[i - 1] : NULL;
    struct told told = {.n = 0};
    if (all.sources >= SIDE_BY_SIDE && folder_may_stand(used, folder)) {
        for (size_t k = 0; k < i; k++)
            if (is_key(used->items[k], "containers.binds") &&
                str_eq(folder_of(used->items[k]->use.value), folder))
                return; /* it stands there already */
        tell(&told, "%zu sources, %llu %s", all.sources, (unsigned long long)all.requests,
             times(all.requests));
        write_bind(out, folder, STR("/*"), !all.writes, &told);
        return;
    }
    if (before && is_key(before, "containers.binds") && str_eq(before->use.value, source))
        return; /* what may be written may be read */
    uint64_t count = used->items[i]->count;
    if (next && is_key(next, "containers.binds") && str_eq(next->use.value, source))
        count += next->count;
    tell(&told, "%llu %s", (unsigned long long)count, times(count));
    write_bind(out, source, STR(""), used->items[i]->use.read_only, &told);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* All of a registry was asked for by a login alone: images of it say more. */
static bool registry_is_known(const struct used *used, struct str value)
{
    if (!str_ends(value, STR("/**")))
        return false;
    for (size_t i = 0; i < used->count; i++)
        if (is_key(used->items[i], "images.allow") && !str_eq(used->items[i]->use.value, value) &&
            str_starts(used->items[i]->use.value, str_head(value, value.n - 2)))
            return true;
    return false;
}

static void write_list(const struct used *used, const char *key, struct json_out *out)
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
        tell(told, "%s%s%s%s: %llu %s", told->n ? "; " : "", name, use->use.value.n ? " " : "",
             text_shorten(shown, sizeof(shown), use->use.value), (unsigned long long)use->count,
             times(use->count));
    }
}

static void write_key(const struct used *used, const char *key, struct json_out *out)
{
    enum use_shape shape;
    bool whole = is_whole(used, key);
    if (!policy_learns(key, &shape) ||
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

static void write_group(const struct used *used, size_t group, struct json_out *out)
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
        write_told(&told, out);
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

static void write_open(const struct used *used, struct json_out *out)
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

static void tell_who(const struct learn_who *who, struct told *told)
{
    static const char *const words[LEARN_TRAITS] = {
        [LEARN_CERT_CN] = "certificate ", [LEARN_COMPOSE] = "compose service ",
        [LEARN_CONTAINER] = "container ", [LEARN_UID] = "uid ",
        [LEARN_ADDRESS] = "address ",     [LEARN_LISTENER] = "anybody"};
    char value[128], listener[160];
    tell(told, "%s%s%s%s on %s: %llu %s", told->n ? "; " : "", words[who->trait],
         text_shorten(value, sizeof(value), who->value), who->more.n ? " of a project" : "",
         text_shorten(listener, sizeof(listener), who->listener), (unsigned long long)who->count,
         times(who->count));
}

static void write_role(struct learned *learned, size_t index, struct str name, struct json_out *out)
{
    const struct learn_role *role = &learned->roles[index];
    struct used used;
    struct told told = {.n = 0};
    if (!used_collect(learned, index, &used))
        return;
    char key[NAME_MAX_BYTES + 32];
    snprintf(key, sizeof(key), "%.*s", STR_ARG(name));
    json_out_key(out, key);
    json_out_open(out, '{');
    tell(&told, "Learnt from %llu %s, %.*s to %.*s", (unsigned long long)role->requests,
         times(role->requests), STR_ARG(role->first), STR_ARG(role->last));
    if (role->would_deny)
        tell(&told, "; the policy of that time would have refused %llu of them",
             (unsigned long long)role->would_deny);
    for (unsigned op = 0; op < OP_COUNT; op++)
        if (role->ops[op])
            tell(&told, "; %s: %llu", operation_name((enum operation)op),
                 (unsigned long long)role->ops[op]);
    write_told(&told, out);
    write_allow(role, out);
    write_open(&used, out);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        write_group(&used, i, out);
    json_out_close(out, '}');
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A name of plain letters for the role: its client's, or of how that is known. */
static struct str role_text(struct learned *learned, size_t index, const struct str *taken)
{
    static const char *const prefixes[LEARN_TRAITS] = {
        [LEARN_UID] = "uid-", [LEARN_LISTENER] = "listener-"};
    struct str from = learned->roles[index].name;
    const char *prefix = NULL;
    for (size_t i = 0; i < learned->who_count && !from.p; i++) {
        const struct learn_who *who = &learned->who[i];
        if (who->role != index)
            continue;
        prefix = prefixes[who->trait];
        from = who->trait == LEARN_LISTENER ? who->listener : who->value;
    }
    char text[NAME_MAX_BYTES + 32];
    int n = snprintf(text, sizeof(text), "%s%.*s", prefix ? prefix : "",
                     from.n < NAME_MAX_BYTES ? (int)from.n : NAME_MAX_BYTES, from.p ? from.p : "");
    for (int i = 0; i < n; i++)
        if (!ascii_alpha(text[i]) && !ascii_digit(text[i]) && !memchr("._-", text[i], 3))
            text[i] = '-';
    /* `default` would serve whoever is no client. */
    if (n == 0 || strcmp(text, "default") == 0)
        n = snprintf(text, sizeof(text), "client");
    size_t length = (size_t)n;
    for (size_t again = 2, i = 0; i < index; i++)
        if (str_eq(taken[i], (struct str){text, (size_t)n})) {
            n = (int)length + snprintf(text + length, sizeof(text) - length, "-%zu", again++);
            i = (size_t)-1; /* from the beginning */
        }
    return arena_copy(&learned->arena, (struct str){text, (size_t)n});
}

/* ---- clients --------------------------------------------------------------------------------- */

static bool several_listeners(const struct learned *learned)
{
    for (size_t i = 1; i < learned->who_count; i++)
        if (!str_eq(learned->who[i].listener, learned->who[0].listener))
            return true;
    return false;
}

/* Do they stand in one entry: the same role, known in the same way at the same place? */
static bool same_entry(const struct learn_who *a, const struct learn_who *b)
{
    return a->role == b->role && a->trait == b->trait && str_eq(a->more, b->more) &&
           str_eq(a->listener, b->listener);
}

/* The first one of its entry stands for all of them. */
static bool is_first(const struct learned *learned, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (same_entry(&learned->who[i], &learned->who[at]))
            return false;
    return true;
}

/* As a glob that matches it: what would be a wildcard stands for one byte. */
static void write_value(struct json_out *out, const struct learn_who *who, struct str text)
{
    char glob[512];
    size_t n = text.n < sizeof(glob) ? text.n : sizeof(glob);
    for (size_t i = 0; i < n; i++)
        glob[i] = text.p[i] == '*' ? '?' : text.p[i];
    if (who->trait == LEARN_UID) {
        int64_t uid = 0;
        str_to_int(text, &uid);
        json_out_int(out, uid);
    } else {
        json_out_str(out, (struct str){glob, n});
    }
}

static void write_values(const struct learned *learned, size_t first, struct json_out *out)
{
    const struct learn_who *who = &learned->who[first];
    size_t count = 0;
    for (size_t i = first; i < learned->who_count; i++)
        count += same_entry(&learned->who[i], who);
    if (count > 1)
        json_out_open(out, '[');
    for (size_t i = first; i < learned->who_count; i++)
        if (same_entry(&learned->who[i], who))
            write_value(out, who, learned->who[i].value);
    if (count > 1)
        json_out_close(out, ']');
}

static void write_match(const struct learned *learned, size_t first, struct json_out *out)
{
    static const char *const keys[LEARN_TRAITS] = {[LEARN_CERT_CN] = "cert_cn",
                                                   [LEARN_COMPOSE] = "compose_service",
                                                   [LEARN_CONTAINER] = "container_name",
                                                   [LEARN_UID] = "uid",
                                                   [LEARN_ADDRESS] = "address"};
    const struct learn_who *who = &learned->who[first];
    json_out_key(out, "match");
    json_out_open(out, '{');
    if (keys[who->trait]) {
        json_out_key(out, keys[who->trait]);
        write_values(learned, first, out);
    }
    if (who->trait == LEARN_COMPOSE) {
        json_out_key(out, "compose_project");
        write_value(out, who, who->more);
    }
    if (who->trait == LEARN_LISTENER || several_listeners(learned))
        json_out_member(out, "listener", who->listener);
    json_out_close(out, '}');
}

/* Names of entries differ; names of roles hold no '/'. */
static void write_entry_name(struct str role, unsigned number, struct json_out *out)
{
    char name[NAME_MAX_BYTES + 64];
    int n = snprintf(name, sizeof(name), number > 1 ? "%.*s/%u" : "%.*s", STR_ARG(role), number);
    json_out_member(out, "name", (struct str){name, (size_t)n});
}

static void write_entry(const struct learned *learned, size_t first, struct str role,
                        unsigned number, struct json_out *out)
{
    struct told told = {.n = 0};
    for (size_t i = first; i < learned->who_count; i++)
        if (same_entry(&learned->who[i], &learned->who[first]))
            tell_who(&learned->who[i], &told);
    json_out_open(out, '{');
    write_told(&told, out);
    write_entry_name(role, number, out);
    write_match(learned, first, out);
    json_out_member(out, "role", role);
    json_out_close(out, '}');
}

/* The surest trait first, since the first entry that matches wins. */
static void write_clients(const struct learned *learned, const struct str *names,
                          struct json_out *out)
{
    unsigned numbers[LEARN_ROLES_MAX] = {0};
    json_out_key(out, "clients");
    json_out_open(out, '[');
    for (unsigned trait = 0; trait < LEARN_TRAITS; trait++)
        for (size_t i = 0; i < learned->who_count; i++) {
            size_t role = learned->who[i].role;
            if (learned->who[i].trait == (enum learn_trait)trait && is_first(learned, i))
                write_entry(learned, i, names[role], ++numbers[role], out);
        }
    json_out_close(out, ']');
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
    write_clients(learned, names, out);
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
        names[i] = role_text(learned, i, names);
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
