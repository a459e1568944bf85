/* What a request needs of a role, for the audit log and for `learn`. No second reading of requests:
   the decision itself is taken by a role that opens nothing, and each refusal names the key and the
   value that would have to be opened. These are noted, added to the role, and the decision is taken
   again, until it refuses nothing that a policy could open.

   Left out, since they give no power over the host: names of containers, environment, labels; and
   limits, which no request can break that a role does not set. Values of the environment, of
   labels and of driver options never come here: refusals name them by their names alone. */
#include "uses.h"

#include "checks.h"

#include <stdio.h>

enum {
    PASSES_MAX = 24,       /* each finds what the one before hid; honest requests need three */
    PASSES_LARGE_MAX = 6,  /* the same of a large body */
    LARGE_BODY = 64 << 10, /* bytes */
    OPENS_MAX = 32
};

/* Stands in each list, so that an absent value is asked for, too, where a list must hold "". No
   value of a request is it: names have no control characters. */
static const struct entry nothing = {
    .text = {"\001", 1}, .plain = 1, .literal = true, .ports = {.first = 1, .last = 0}};
static const struct entry no_range = {
    .text = {"\001", 1}, .plain = 1, .literal = true, .cidr = {.ip = {1}, .bits = 128}};

/* ---- the role -------------------------------------------------------------------------------- */

static bool is_left_open(enum key key)
{
    static const enum key open[] = {KEY_ENV, KEY_LABELS, KEY_NAMES, KEY_EXEC_ENV};
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        if (key == open[i])
            return true;
    return (key_rows[key].shapes & (SHAPE_MAX | SHAPE_REQUIRE_TRUE)) != 0;
}

bool policy_learns(const char *path, enum use_shape *shape)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        unsigned shapes = key_rows[i].shapes;
        if (strcmp(path, key_path((enum key)i)) != 0)
            continue;
        *shape = shapes & SHAPE_LIST ? USE_LIST : USE_TRUE;
        return !is_left_open((enum key)i) && (shapes & (SHAPE_LIST | SHAPE_BOOL)) != 0 &&
               i != KEY_IMAGES_REQUIRE_DIGEST;
    }
    return false;
}

/* Every operation, and nothing of what keys govern. */
static void close_role(struct role *role, const struct own *own)
{
    *role = (struct role){.name = "learn",
                          .own = own,
                          .archive = ARCHIVE_FIXED,
                          .existing = EXISTING_CONFORMING,
                          .api_min = API_MINOR_FLOOR,
                          .api_max = API_MINOR_ANY};
    memset(role->ops, OP_ALLOWED, sizeof(role->ops));
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct constraint *constraint = &role->keys[i];
        if (is_left_open((enum key)i))
            constraint->any = true;
        else if (key_rows[i].shapes & SHAPE_LIST)
            constraint->allow = (struct entries){
                .items = key_rows[i].entries == ENTRY_CIDR ? &no_range : &nothing, .count = 1};
        constraint->set = i == KEY_IMAGES_IMPORT || i == KEY_LOG_OPTIONS;
    }
}

/* ---- entries --------------------------------------------------------------------------------- */

/* The same rule of device numbers with '?' for '*': as an entry it matches that one, and those for
   one device of a digit, which are less. */
static struct str devices_entry(struct arena *arena, struct str value)
{
    struct str copy = arena_copy(arena, value);
    char *p = (char *)copy.p; /* our own copy */
    for (size_t i = 0; p && i < copy.n; i++)
        p[i] = p[i] == '*' ? '?' : p[i];
    return copy;
}

/* Entries have no escapes: one with a wildcard opens more than the value that was seen. */
static bool is_literal(struct str value)
{
    return str_find(value, '*') == value.n && str_find(value, '?') == value.n;
}

bool use_is_literal(enum key key, struct str value)
{
    struct str site = STR("/**");
    if (key == KEY_DEVICE_CGROUP_RULES)
        return str_find(value, '*') == value.n;
    if (key == KEY_BUILDS_REMOTE && str_ends(value, site))
        value = str_head(value, value.n - site.n);
    return is_literal(value);
}

/* Of a list, `true` opens all that entries could name, but images.import: a load names nothing. */
bool use_may_be_true(enum key key)
{
    unsigned shapes = key_rows[key].shapes;
    return (shapes & SHAPE_BOOL) && (!(shapes & SHAPE_LIST) || key == KEY_IMAGES_IMPORT);
}

/* Parses the entry's text as the loader would; false: no list could hold it. */
static bool entry_read(enum key key, struct entry *entry)
{
    struct str text = entry->text;
    entry->plain = str_find(text, '*');
    entry->plain = str_find(str_head(text, entry->plain), '?');
    entry->literal = entry->plain == text.n;
    switch (key_rows[key].entries) {
    case ENTRY_PATH:
        return path_is_normal(text); /* trimmed by whoever notes it */
    case ENTRY_CAPABILITY:
        for (size_t i = 0; i < text.n; i++)
            if (!(text.p[i] >= 'A' && text.p[i] <= 'Z') && text.p[i] != '_')
                return false;
        return text.n > 0;
    case ENTRY_PORTS:
        return ports_parse(text, &entry->ports);
    case ENTRY_CIDR:
        return cidr_parse(text, &entry->cidr);
    case ENTRY_IMAGE:
        return str_find(text, '/') < text.n;
    case ENTRY_SIGNED:
        return false;
    case ENTRY_GLOB:
        break;
    }
    return true;
}

static bool role_add(struct learning *learning, enum key key, const struct entry *entry)
{
    struct constraint *constraint = &learning->role->keys[key];
    size_t count = constraint->allow.count;
    struct entry *items = arena_alloc(learning->arena, count + 1, sizeof(*items));
    if (!items)
        return false;
    memcpy(items, constraint->allow.items, count * sizeof(*items));
    items[count] = *entry;
    constraint->allow = (struct entries){.items = items, .count = count + 1};
    constraint->set = true;
    return true;
}

/* ---- notes ----------------------------------------------------------------------------------- */

enum noted { NOTED_NEW, NOTED_NOW, NOTED_BEFORE, NOTED_FULL };

/* Is it noted already? In this pass that may be, where a copy of the role judges; what an earlier
   one has opened and is refused all the same cannot be opened so. */
static enum noted find_use(const struct learning *learning, const struct use *use)
{
    const struct uses *uses = learning->uses;
    for (size_t i = 0; i < uses->count; i++) {
        const struct use *old = &uses->items[i];
        if (strcmp(old->key, use->key) == 0 && str_eq(old->value, use->value) &&
            !old->value.p == !use->value.p && old->read_only == use->read_only)
            return learning->passes[i] == learning->pass ? NOTED_NOW : NOTED_BEFORE;
    }
    return uses->count < USES_MAX && use->value.n <= USE_TEXT_MAX ? NOTED_NEW : NOTED_FULL;
}

/* Notes one that is new. Always true. */
static bool add_use(struct learning *learning, const struct use *use, bool known)
{
    if (known)
        return true;
    struct uses *uses = learning->uses;
    learning->passes[uses->count] = (unsigned char)learning->pass;
    uses->items[uses->count++] = *use;
    learning->more = true;
    return true;
}

/* Notes the use; opened by whoever calls. True: it is new, or was noted in this pass (*known). */
static bool take_use(struct learning *learning, const struct use *use, bool *known)
{
    enum noted noted = find_use(learning, use);
    *known = noted == NOTED_NOW;
    if (noted == NOTED_FULL)
        snprintf(learning->uses->lack, sizeof(learning->uses->lack),
                 "it names more, or longer, values of %s than are learnt", use->key);
    return noted == NOTED_NOW || noted == NOTED_NEW;
}

static bool note_true(struct learning *learning, enum key key)
{
    struct use use = {.key = key_path(key)};
    bool known;
    if (!use_may_be_true(key) || !take_use(learning, &use, &known))
        return false;
    learning->role->keys[key].any = true;
    learning->role->keys[key].set = true;
    return add_use(learning, &use, known);
}

/* text: as it stands in the list. */
static bool add_entry(struct learning *learning, enum key key, struct str text, bool read_only)
{
    struct entry entry = {.text = text, .read_only = read_only};
    struct use use = {.key = key_path(key), .value = text, .read_only = read_only};
    bool known;
    if (!text.p || !entry_read(key, &entry) || !take_use(learning, &use, &known))
        return false;
    return (known || role_add(learning, key, &entry)) && add_use(learning, &use, known);
}

static bool note_entry(struct learning *learning, enum key key, struct str value, bool read_only)
{
    if (key == KEY_DEVICE_CGROUP_RULES)
        return add_entry(learning, key, devices_entry(learning->arena, value), read_only);
    if (is_literal(value))
        return add_entry(learning, key, arena_copy(learning->arena, value), read_only);
    snprintf(learning->uses->lack, sizeof(learning->uses->lack),
             "it names a value of %s with '*' or '?', which an entry cannot write out",
             key_path(key));
    return false;
}

/* Both parts as one entry, of which the first is plain. */
static bool note_below(struct check *check, enum key key, struct str plain, struct str behind)
{
    struct learning *learning = check->learning;
    if (!learning || !is_literal(plain))
        return false;
    const struct str parts[] = {plain, behind};
    struct str text = arena_join(learning->arena, parts, ARRAY_LEN(parts));
    return add_entry(learning, key, text, false);
}

bool learning_registry(struct check *check, struct str registry)
{
    return note_below(check, KEY_IMAGES_ALLOW, registry, STR(USE_REGISTRY_ONLY));
}

bool learning_site(struct check *check, struct str site)
{
    return note_below(check, KEY_BUILDS_REMOTE, site, STR("/**"));
}

bool learning_note(struct check *check, enum key key, struct str value)
{
    struct learning *learning = check->learning;
    if (!learning)
        return false;
    if (!(key_rows[key].shapes & SHAPE_LIST))
        return note_true(learning, key);
    struct str text = value.p ? value : STR("");
    /* The least that opens a mount that is asked for read-only, else the plain path. */
    if (key == KEY_BINDS && check->mounts_read_only &&
        note_entry(learning, key, path_trim(text), true))
        return true;
    return note_entry(learning, key, key == KEY_BINDS ? path_trim(text) : text, false);
}

bool learning_open(struct check *check, enum operation op, char separator, const char *path)
{
    struct learning *learning = check->learning;
    char text[FIELD_MAX + 64];
    bool known;
    if (!learning || learning->role->open_count == OPENS_MAX)
        return false;
    snprintf(text, sizeof(text), "%s%c%s", operation_name(op), separator, path);
    struct use use = {.key = "open", .value = arena_copy(learning->arena, str_of(text))};
    if (!use.value.p || !take_use(learning, &use, &known))
        return false;
    size_t count = learning->role->open_count;
    struct str *open = arena_alloc(learning->arena, count + 1, sizeof(*open));
    if (!open)
        return false;
    if (count > 0)
        memcpy(open, learning->role->open, count * sizeof(*open));
    open[count] = use.value;
    learning->role->open = open;
    learning->role->open_count = count + 1;
    return add_use(learning, &use, known);
}

/* ---- what would allow it --------------------------------------------------------------------- */

static bool note_archive(struct learning *learning)
{
    struct use use = {.key = "archive"};
    bool known;
    if (!take_use(learning, &use, &known))
        return false;
    learning->role->archive = ARCHIVE_ALWAYS;
    return add_use(learning, &use, known);
}

/* One key of a group: true, or a list of texts. */
static bool apply_key(struct learning *learning, const struct json *doc, struct str group,
                      const struct json_node *node)
{
    bool any = false;
    for (size_t key = 0; key < KEY_COUNT; key++) {
        if (!str_is(group, key_rows[key].group) || !str_is(node->key, key_rows[key].name))
            continue;
        if (node->kind == JSON_TRUE)
            return note_true(learning, (enum key)key);
        for (const struct json_node *n = json_child(doc, node); n; n = json_next(doc, n))
            any |= note_entry(learning, (enum key)key, n->text, false);
    }
    return any;
}

bool learning_apply(struct check *check, const char *allow_with)
{
    struct learning *learning = check->learning;
    struct json doc;
    struct err err = {0};
    if (!learning || !allow_with)
        return false;
    const struct str parts[] = {STR("{"), str_of(allow_with), STR("}")};
    struct str text = arena_join(learning->arena, parts, ARRAY_LEN(parts));
    if (!text.p || !json_scan(text, learning->arena, &doc, &err) || doc.count == 0)
        return false;
    bool any = false;
    for (const struct json_node *group = json_child(&doc, doc.nodes); group;
         group = json_next(&doc, group)) {
        if (str_is(group->key, "archive"))
            any |= note_archive(learning);
        for (const struct json_node *n = group->kind == JSON_OBJECT ? json_child(&doc, group)
                                                                    : NULL;
             n; n = json_next(&doc, n))
            any |= apply_key(learning, &doc, group->key, n);
    }
    return any;
}

/* ---- the request ----------------------------------------------------------------------------- */

/* What no policy opens: the sentence goes along, without the name of a role that is nobody's. */
static void tell_lack(const struct decision *decision, struct uses *out)
{
    struct str reason = str_of(decision->reason);
    struct str begin = STR("sockwarden: role \"learn\" refuses ");
    if (str_starts(reason, begin))
        reason = str_skip(reason, begin.n);
    if (!out->lack[0])
        text_sentence(out->lack, sizeof(out->lack), reason);
}

enum verdict request_uses(const struct policy *policy, const struct request *request,
                          struct facts *facts, struct readings *read, struct arena *arena,
                          struct uses *out)
{
    struct decision decision = {.verdict = VERDICT_DENY};
    struct learning learning = {.role = arena_alloc(arena, 1, sizeof(struct role)),
                                .arena = arena,
                                .uses = out,
                                .more = true,
                                .read = read};
    out->count = 0;
    out->lack[0] = '\0';
    unsigned max = request->body.n > LARGE_BODY ? PASSES_LARGE_MAX : PASSES_MAX;
    size_t limit = decision_narrow(arena);
    if (!learning.role) {
        snprintf(out->lack, sizeof(out->lack), "out of memory");
        arena->limit = limit;
        return VERDICT_DENY;
    }
    close_role(learning.role, &policy->own);
    while (learning.more && learning.pass < max) {
        learning.pass++;
        learning.more = false;
        decide_learning(&learning, request, facts, arena, &decision);
    }
    arena->limit = limit;
    if (learning.more)
        snprintf(out->lack, sizeof(out->lack), "it asks for more than is learnt of one request");
    else if (decision.verdict == VERDICT_DENY && decision.status != 404)
        tell_lack(&decision, out);
    return decision.verdict;
}
