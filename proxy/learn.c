/* Counting what audit logs tell; see learn.h. Memory is bounded whatever the logs hold: what comes
   beyond the bounds is counted as left out. */
#include "learn.h"

#include <stdlib.h>

enum {
    USES_FULL = LEARN_USES_MAX / 4 * 3, /* the hash stays quick */
    USE_AROUND = 200                    /* bytes beside a value: quotes, its description */
};

struct learned *learned_new(bool by_role)
{
    struct learned *learned = calloc(1, sizeof(*learned));
    if (!learned)
        return NULL;
    learned->by_role = by_role;
    learned->uses = calloc(LEARN_USES_MAX, sizeof(*learned->uses));
    if (learned->uses)
        return learned;
    free(learned);
    return NULL;
}

void learned_free(struct learned *learned)
{
    if (!learned)
        return;
    free(learned->uses);
    arena_free(&learned->arena);
    free(learned);
}

/* False: no memory. */
static bool keep(struct learned *learned, struct str text, struct str *out)
{
    *out = text.p ? arena_copy(&learned->arena, text) : text;
    return !text.p || out->p;
}

/* ---- who ------------------------------------------------------------------------------------- */

/* Values of `match` are globs without escapes, and a long one is cut in the log: those of clients
   who choose them (labels) could stand for others. */
static bool is_telling(struct str value)
{
    enum { CUT = 256 };
    return value.n > 0 && value.n < CUT && str_find(value, '*') == value.n &&
           str_find(value, '?') == value.n;
}

static struct learn_who who_of(const struct audit_entry *entry, char digits[24])
{
    struct learn_who who = {.trait = LEARN_LISTENER, .listener = entry->listener};
    size_t at = 24;
    if (is_telling(entry->cert_cn)) {
        who.trait = LEARN_CERT_CN;
        who.value = entry->cert_cn;
    } else if (is_telling(entry->compose_service) && is_telling(entry->compose_project)) {
        who.trait = LEARN_COMPOSE;
        who.value = entry->compose_service;
        who.more = entry->compose_project;
    } else if (is_telling(entry->container_name) && entry->container_name.p[0] != '/') {
        who.trait = LEARN_CONTAINER;
        who.value = entry->container_name;
    } else if (entry->has_uid) {
        uint64_t uid = (uint64_t)entry->uid;
        do
            digits[--at] = (char)('0' + uid % 10);
        while ((uid /= 10) > 0);
        who.trait = LEARN_UID;
        who.value = (struct str){digits + at, 24 - at};
    } else if (policy_address_valid(entry->address)) {
        who.trait = LEARN_ADDRESS;
        who.value = entry->address;
    }
    return who;
}

static bool who_equal(const struct learn_who *a, const struct learn_who *b)
{
    return a->trait == b->trait && str_eq(a->value, b->value) && str_eq(a->more, b->more) &&
           str_eq(a->listener, b->listener);
}

/* The role of that name, or of the one who is known so; NULL: it is new. */
static struct learn_role *role_find(struct learned *learned, struct str name,
                                    const struct learn_who *who)
{
    for (size_t i = 0; name.p && i < learned->role_count; i++)
        if (str_eq(learned->roles[i].name, name))
            return &learned->roles[i];
    for (size_t i = 0; !name.p && i < learned->who_count; i++)
        if (!learned->roles[learned->who[i].role].name.p && who_equal(&learned->who[i], who))
            return &learned->roles[learned->who[i].role];
    return NULL;
}

static struct learn_role *role_add(struct learned *learned, struct str name)
{
    if (learned->role_count == LEARN_ROLES_MAX)
        return NULL;
    struct learn_role *role = &learned->roles[learned->role_count];
    if (!keep(learned, name, &role->name))
        return NULL;
    learned->role_count++;
    return role;
}

static bool who_add(struct learned *learned, size_t role, const struct learn_who *who)
{
    for (size_t i = 0; i < learned->who_count; i++)
        if (learned->who[i].role == role && who_equal(&learned->who[i], who)) {
            learned->who[i].count++;
            return true;
        }
    if (learned->who_count == LEARN_WHO_MAX)
        return false;
    struct learn_who *to = &learned->who[learned->who_count];
    *to = (struct learn_who){.role = role, .trait = who->trait, .count = 1};
    if (!keep(learned, who->value, &to->value) || !keep(learned, who->more, &to->more) ||
        !keep(learned, who->listener, &to->listener))
        return false;
    learned->who_count++;
    return true;
}

static struct learn_role *role_of(struct learned *learned, const struct audit_entry *entry)
{
    char digits[24];
    struct learn_who who = who_of(entry, digits);
    struct str name = learned->by_role ? entry->role : entry->client;
    if (learned->by_role && !name.p)
        name = STR("");
    struct learn_role *role = role_find(learned, name, &who);
    if (who.listener.n == 0)
        return NULL; /* nothing of ours has written that */
    if (!role)
        role = role_add(learned, name);
    return role && who_add(learned, (size_t)(role - learned->roles), &who) ? role : NULL;
}

/* ---- uses ------------------------------------------------------------------------------------ */

static size_t mix(size_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static struct learn_use *use_slot(struct learned *learned, size_t role, const struct use *use)
{
    size_t hash = mix(0xcbf29ce484222325u, use->key, strlen(use->key));
    hash = mix(hash, use->value.p ? use->value.p : "", use->value.n);
    hash = mix(hash, &role, sizeof(role)) + use->read_only;
    for (size_t i = hash % LEARN_USES_MAX;; i = (i + 1) % LEARN_USES_MAX) {
        struct learn_use *slot = &learned->uses[i];
        if (slot->count == 0 ||
            (slot->role == role && slot->use.read_only == use->read_only &&
             !slot->use.value.p == !use->value.p && strcmp(slot->use.key, use->key) == 0 &&
             str_eq(slot->use.value, use->value)))
            return slot;
    }
}

static bool use_count(struct learned *learned, size_t role, const struct use *use, bool restarts)
{
    struct learn_use *slot = use_slot(learned, role, use);
    if (slot->count == 0) {
        struct use kept = *use;
        size_t bytes = 2 * use->value.n + USE_AROUND; /* it stands in a description, too */
        if (learned->use_count >= USES_FULL || bytes > LEARN_TEXT_MAX - learned->use_bytes ||
            !policy_use_valid(use) || !keep(learned, use->value, &kept.value))
            return false;
        learned->use_count++;
        learned->use_bytes += bytes;
        *slot = (struct learn_use){.role = role, .use = kept};
    }
    slot->count++;
    slot->restarts |= restarts;
    return true;
}

/* May the daemon start again what the request makes? */
static bool restarts(const struct audit_entry *entry)
{
    struct audit_use_at at = {NULL, NULL};
    struct use use;
    bool again = entry->op == OP_ServiceCreate || entry->op == OP_ServiceUpdate;
    while (audit_entry_use(entry, &at, &use))
        again |= strcmp(use.key, "containers.restart") == 0 && use.value.n > 0 &&
                 !str_is(use.value, "no");
    return again;
}

static bool take_uses(struct learned *learned, size_t role, const struct audit_entry *entry)
{
    struct audit_use_at at = {NULL, NULL};
    struct use use;
    bool again = restarts(entry), fits = true;
    while (audit_entry_use(entry, &at, &use))
        fits &= use_count(learned, role, &use, again);
    return fits;
}

/* ---- refusals -------------------------------------------------------------------------------- */

static bool reason_count(struct learned *learned, enum learn_kind kind, size_t role,
                         const struct audit_entry *entry, struct str text)
{
    struct str rule = kind == LEARN_LACK ? text : entry->rule;
    for (size_t i = 0; i < learned->reason_count; i++) {
        struct learn_reason *reason = &learned->reasons[i];
        if (reason->kind == kind && reason->role == role && reason->op == entry->op &&
            str_eq(reason->rule, rule)) {
            reason->count++;
            return true;
        }
    }
    if (learned->reason_count == LEARN_REASONS_MAX)
        return false;
    struct learn_reason *reason = &learned->reasons[learned->reason_count];
    *reason = (struct learn_reason){.kind = kind, .role = role, .op = entry->op, .count = 1};
    if (!keep(learned, rule, &reason->rule) || !keep(learned, text, &reason->text))
        return false;
    learned->reason_count++;
    return true;
}

/* ---- a line ---------------------------------------------------------------------------------- */

static bool take_times(struct learned *learned, struct learn_role *role, struct str time)
{
    enum { TIME_MAX = 40 };
    if (!time.p || time.n > TIME_MAX)
        return true;
    if (!role->first.p)
        return keep(learned, time, &role->first) && keep(learned, time, &role->last);
    /* In place: every line has a time of this length. The parts of a log come in any order. */
    if (role->last.n == time.n && memcmp(time.p, role->last.p, time.n) > 0)
        memcpy((char *)(uintptr_t)role->last.p, time.p, time.n);
    if (role->first.n == time.n && memcmp(time.p, role->first.p, time.n) < 0)
        memcpy((char *)(uintptr_t)role->first.p, time.p, time.n);
    return true;
}

static bool take_allowed(struct learned *learned, struct learn_role *role,
                         const struct audit_entry *entry)
{
    size_t index = (size_t)(role - learned->roles);
    bool fits = take_times(learned, role, entry->time);
    learned->allowed++;
    role->requests++;
    role->ops[entry->op]++;
    fits &= take_uses(learned, index, entry);
    if (entry->uses_lack.n)
        fits &= reason_count(learned, LEARN_LACK, index, entry, entry->uses_lack);
    if (entry->would_deny) {
        role->would_deny++;
        fits &= reason_count(learned, LEARN_WOULD_DENY, index, entry, entry->reason);
    }
    return fits;
}

void learned_take(void *arg, const struct audit_entry *entry)
{
    struct learned *learned = arg;
    if (!entry->allow) {
        struct learn_role *role = learned->by_role ? role_of(learned, entry) : NULL;
        learned->denied++;
        if (role)
            reason_count(learned, LEARN_DENIED, (size_t)(role - learned->roles), entry,
                         entry->reason);
        return;
    }
    struct learn_role *role = entry->op < OP_COUNT ? role_of(learned, entry) : NULL;
    if (!role || !take_allowed(learned, role, entry))
        learned->left_out++;
}
