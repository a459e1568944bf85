/* What loads and is yet hardly meant so: roles that nobody gets, entries and groups without effect,
   clients that never match. It changes nothing, and looks only at what the file itself writes. */
#include "load.h"
#include "client.h"

#include <stdlib.h>

/* What is known of a role beside what it says. Heirs: the roles that extend it, and theirs. */
struct view {
    bool asked[OP_COUNT];  /* some allow of the role or of its parents holds it */
    bool wanted[OP_COUNT]; /* asked for by the role or by one of its heirs */
    bool useful[OP_COUNT]; /* allowed to the role or to one of its heirs */
    bool used;             /* somebody gets it or one of its heirs */
    bool extended;         /* it has heirs */
};

struct warner {
    struct loader *loader;
    const struct policy *policy;
    struct view *views; /* one for each draft */
};

/* ---- entries of allow and deny --------------------------------------------------------------- */

/* Does a class, a glob or a name hold the operation? */
static bool entry_holds(const struct json_node *entry, enum operation op)
{
    if (entry->kind != JSON_STRING)
        return false;
    if (str_starts(entry->text, STR("@")))
        return str_is(entry->text, class_name(operation_class(op)));
    return glob_match(entry->text, str_of(operation_name(op)));
}

/* The first entry of a list of the role, by the list's name; NULL: none. */
static const struct json_node *list_first(const struct draft *draft, const char *name)
{
    const struct json_node *list = json_get(draft->doc, draft->node, str_of(name));
    return list && list->kind == JSON_ARRAY ? json_child(draft->doc, list) : NULL;
}

/* The entry stands for operations, and for none of these: then it does nothing. */
static bool entry_misses(const struct json_node *entry, const bool ops[OP_COUNT])
{
    bool holds_any = false;
    for (enum operation op = 0; op < OP_COUNT; op++)
        if (entry_holds(entry, op)) {
            holds_any = true;
            if (ops[op])
                return false;
        }
    return holds_any;
}

static void warn_of_denials(const struct warner *warner, const struct draft *draft,
                            const struct view *view)
{
    char shown[QUOTED_MAX];
    for (const struct json_node *n = list_first(draft, "deny"); n; n = json_next(draft->doc, n))
        if (entry_misses(n, view->wanted))
            load_warning(
                warner->loader, n->offset,
                "deny: %s takes nothing away: the role does not allow %s", quoted(shown, n->text),
                n->text.p[0] == '@' || str_find(n->text, '*') < n->text.n ? "any operation of it"
                                                                          : "it");
}

static void warn_of_denied(const struct warner *warner, const struct draft *draft)
{
    char shown[QUOTED_MAX];
    bool left[OP_COUNT];
    for (enum operation op = 0; op < OP_COUNT; op++)
        left[op] = draft->merged->role.ops[op] == OP_ALLOWED;
    for (const struct json_node *n = list_first(draft, "allow"); n; n = json_next(draft->doc, n))
        if (entry_misses(n, left))
            load_warning(
                warner->loader, n->offset,
                "allow: %s has no effect: the role, or one that it extends, denies it, and "
                "deny wins",
                quoted(shown, n->text));
}

/* ---- groups ---------------------------------------------------------------------------------- */

enum { GOVERNED_MAX = 16 };

/* Operations that have something to do with a group. One too many only means no warning. */
// clang-format off
static const struct {
    const char *group;
    enum operation ops[GOVERNED_MAX]; /* up to OP_COUNT */
} governed[] = {
    {"containers", {OP_ContainerCreate, OP_ContainerUpdate, OP_ContainerRename, OP_ContainerExec,
                    OP_VolumeCreate, OP_NetworkCreate, OP_NetworkConnect, OP_ServiceCreate,
                    OP_ServiceUpdate, OP_ImageBuild, OP_ImageCommit, OP_VolumeUpdate, OP_Session,
                    OP_Grpc, OP_COUNT}},
    {"exec", {OP_ContainerExec, OP_COUNT}},
    {"images", {OP_ContainerCreate, OP_ImageCreate, OP_ImageLoad, OP_ImageTag, OP_ImagePush,
                OP_ImageCommit, OP_ImageBuild, OP_ImageSearch, OP_DistributionInspect,
                OP_ServiceCreate, OP_ServiceUpdate, OP_PluginPull, OP_PluginUpgrade,
                OP_GetPluginPrivileges, OP_SystemAuth, OP_COUNT}},
    {"networks", {OP_NetworkCreate, OP_NetworkConnect, OP_COUNT}},
    {"builds", {OP_ImageBuild, OP_BuildCancel, OP_Session, OP_Grpc, OP_COUNT}},
    {"services", {OP_ServiceCreate, OP_ServiceUpdate, OP_ServiceDelete, OP_COUNT}},
    {"secrets", {OP_SecretCreate, OP_SecretUpdate, OP_SecretDelete, OP_ServiceCreate,
                 OP_ServiceUpdate, OP_COUNT}},
    {"configs", {OP_ConfigCreate, OP_ConfigUpdate, OP_ConfigDelete, OP_ServiceCreate,
                 OP_ServiceUpdate, OP_COUNT}},
    {"plugins", {OP_PluginPull, OP_PluginCreate, OP_PluginEnable, OP_PluginDisable,
                 OP_PluginUpgrade, OP_PluginPush, OP_PluginSet, OP_PluginDelete,
                 OP_GetPluginPrivileges, OP_ServiceCreate, OP_ServiceUpdate, OP_COUNT}},
    {"nodes", {OP_NodeUpdate, OP_NodeDelete, OP_COUNT}},
    {"swarm", {OP_SwarmInit, OP_SwarmJoin, OP_SwarmLeave, OP_SwarmUpdate, OP_SwarmUnlock,
               OP_COUNT}},
};
// clang-format on

static bool group_useful(size_t at, const struct view *view)
{
    for (const enum operation *op = governed[at].ops; *op < OP_COUNT; op++)
        if (view->useful[*op])
            return true;
    return false;
}

static void warn_of_groups(const struct warner *warner, const struct draft *draft,
                           const struct view *view)
{
    for (size_t i = 0; i < ARRAY_LEN(governed); i++) {
        const struct json_node *group =
            json_get(draft->doc, draft->node, str_of(governed[i].group));
        if (group && group->count > 0 && !group_useful(i, view))
            load_warning(warner->loader, group->key_offset,
                         "%s has no effect: the role allows no operation that it governs, such as "
                         "%s",
                         governed[i].group, operation_name(governed[i].ops[0]));
    }
}

/* ---- who gets a role ------------------------------------------------------------------------- */

static void warn_of_unused(const struct warner *warner, const struct draft *draft,
                           const struct view *view)
{
    char name[QUOTED_MAX];
    if (str_is(draft->name, "default"))
        return;
    if (warner->policy->client_count > 0 && !view->used)
        load_warning(warner->loader, draft->node->key_offset,
                     "nobody gets the role %s: it is not \"default\", no client has it, and no "
                     "role that somebody gets extends it",
                     quoted(name, draft->name));
    else if (warner->policy->client_count == 0 && warner->policy->default_role && !view->extended)
        load_warning(warner->loader, draft->node->key_offset,
                     "only --role gives the role %s to anybody: the policy has no \"clients\"",
                     quoted(name, draft->name));
}

/* ---- owners ---------------------------------------------------------------------------------- */

/* Does it name the entry of clients, which those who get the role as the default one have not? */
static bool owner_needs_client(const struct role *role)
{
    struct str rest = role->owner.value;
    for (; rest.n > 0; rest = str_skip(rest, 1))
        if (str_starts(rest, STR("${client}")))
            return true;
    return false;
}

static void warn_of_owner(const struct warner *warner, const struct draft *draft)
{
    const struct role *role = &draft->merged->role;
    const struct json_node *owner = json_get(draft->doc, draft->node, STR("owner"));
    uint32_t at = owner ? owner->key_offset : draft->node->key_offset;
    if (!role->owner.label.p)
        return;
    if (owner_needs_client(role) && warner->policy->client_count == 0)
        load_warning(warner->loader, at,
                     "owner.value names ${client}, and the policy has no \"clients\": whoever gets "
                     "the role is refused everything");
    else if (owner_needs_client(role) && role == warner->policy->default_role)
        load_warning(warner->loader, at,
                     "owner.value names ${client}, and who gets the role \"default\" because no "
                     "entry of clients matches has no such name: he is refused everything");
    if (role_buildkit(role))
        load_warning(warner->loader, at,
                     "owner and builds.buildkit: what builds leave in the cache is shared by all, "
                     "also what they mount from it");
}

static void warn_of_role(const struct warner *warner, size_t at)
{
    const struct draft *draft = &warner->loader->drafts[at];
    const struct view *view = &warner->views[at];
    if (draft->builtin)
        return;
    warn_of_unused(warner, draft, view);
    warn_of_denials(warner, draft, view);
    warn_of_denied(warner, draft);
    warn_of_groups(warner, draft, view);
    warn_of_owner(warner, draft);
    load_warn_values(warner->loader, draft);
    load_warn_responses(warner->loader, draft);
    load_warn_limits(warner->loader, draft);
    load_warn_signed(warner->loader, draft);
}

/* ---- parents and heirs ----------------------------------------------------------------------- */

static void add_ops(bool to[OP_COUNT], const bool from[OP_COUNT])
{
    for (enum operation op = 0; op < OP_COUNT; op++)
        to[op] = to[op] || from[op];
}

static void take_from_parent(struct view *view, struct view *parent)
{
    add_ops(view->asked, parent->asked);
}

static void tell_parent(struct view *view, struct view *parent)
{
    parent->extended = true;
    parent->used = parent->used || view->used;
    add_ops(parent->wanted, view->wanted);
    add_ops(parent->useful, view->useful);
}

static void with_parents(const struct warner *warner, size_t at,
                         void (*meet)(struct view *view, struct view *parent))
{
    const struct draft *draft = &warner->loader->drafts[at];
    bool list = draft->extends && draft->extends->kind == JSON_ARRAY;
    const struct json_node *n = list ? json_child(draft->doc, draft->extends) : draft->extends;
    for (; n; n = list ? json_next(draft->doc, n) : NULL) {
        const struct draft *parent = load_find_draft(warner->loader, n->text);
        if (parent)
            meet(&warner->views[at], &warner->views[parent - warner->loader->drafts]);
    }
}

/* Those of one length of chain. A role's chain is longer than that of any of its parents. */
static void with_parents_of_chain(const struct warner *warner, int chain,
                                  void (*meet)(struct view *view, struct view *parent))
{
    for (size_t i = 0; i < warner->loader->draft_count; i++)
        if (warner->loader->drafts[i].chain == chain)
            with_parents(warner, i, meet);
}

static void view_role(const struct warner *warner, size_t at)
{
    const struct draft *draft = &warner->loader->drafts[at];
    struct view *view = &warner->views[at];
    view->used = &draft->merged->role == warner->policy->default_role;
    for (const struct json_node *n = list_first(draft, "allow"); n; n = json_next(draft->doc, n))
        for (enum operation op = 0; op < OP_COUNT; op++)
            view->asked[op] = view->asked[op] || entry_holds(n, op);
}

static void view_roles(const struct warner *warner)
{
    const struct loader *loader = warner->loader;
    for (size_t i = 0; i < loader->draft_count; i++)
        view_role(warner, i);
    for (int chain = 1; chain <= POLICY_EXTENDS_DEPTH_MAX; chain++)
        with_parents_of_chain(warner, chain, take_from_parent);
    for (size_t i = 0; i < loader->draft_count; i++) {
        struct view *view = &warner->views[i];
        add_ops(view->wanted, view->asked);
        for (enum operation op = 0; op < OP_COUNT; op++)
            view->useful[op] = loader->drafts[i].merged->role.ops[op] == OP_ALLOWED;
    }
    for (size_t i = 0; i < warner->policy->client_count; i++)
        for (size_t k = 0; k < loader->draft_count; k++)
            if (warner->policy->clients[i].role == &loader->drafts[k].merged->role)
                warner->views[k].used = true;
    for (int chain = POLICY_EXTENDS_DEPTH_MAX; chain > 0; chain--)
        with_parents_of_chain(warner, chain, tell_parent);
}

/* ---- clients --------------------------------------------------------------------------------- */

/* Beyond these, a warning may be missed: the work grows with the square. */
enum { SHADOWS_MAX = 1000, SHADOW_VALUES_MAX = 100 };

static bool value_covers(enum client_key key, const struct client_value *a,
                         const struct client_value *b)
{
    if (key == CLIENT_UID || key == CLIENT_GID)
        return a->id == b->id;
    if (key == CLIENT_ADDRESS)
        return cidr_holds(&a->cidr, &b->cidr);
    return a->san == b->san && str_eq(a->label, b->label) && !a->text.p == !b->text.p &&
           str_eq(a->text, b->text);
}

/* Does a hold whenever b does? True only where that is plain to see. */
static bool condition_covers(const struct client_condition *a, const struct client_condition *b)
{
    if (a->key != b->key || a->count > SHADOW_VALUES_MAX || b->count > SHADOW_VALUES_MAX)
        return false;
    for (size_t i = 0; i < b->count; i++) {
        size_t k = 0;
        while (k < a->count && !value_covers(a->key, &a->values[k], &b->values[i]))
            k++;
        if (k == a->count)
            return false;
    }
    return true;
}

static bool client_covers(const struct client *a, const struct client *b)
{
    if (a->condition_count > b->condition_count)
        return false;
    for (size_t i = 0; i < a->condition_count; i++) {
        size_t k = 0;
        while (k < b->condition_count && !condition_covers(&a->conditions[i], &b->conditions[k]))
            k++;
        if (k == b->condition_count)
            return false;
    }
    return true;
}

/* Where some entries tell containers apart, containers have the socket; and root in one of them may
   take any uid and gid. A listener may be one that they do not have. */
static void warn_of_users(const struct warner *warner, const struct client *client,
                          const struct json_node *match)
{
    if (!warner->policy->asks_container)
        return;
    for (size_t i = 0; i < client->condition_count; i++)
        if (client->conditions[i].key == CLIENT_LISTENER ||
            client_key_asks_container(client->conditions[i].key))
            return;
    static const char *const keys[] = {"uid", "gid"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct json_node *node = json_get(warner->loader->doc, match, str_of(keys[i]));
        if (node)
            load_warning(warner->loader, node->key_offset,
                         "%s also matches containers that have the socket and run as it, which is "
                         "theirs to choose; add \"listener\", and give containers another one",
                         keys[i]);
    }
}

static void warn_of_ranges(struct loader *loader, const struct json_node *address)
{
    bool list = address->kind == JSON_ARRAY;
    const struct json_node *n = list ? json_child(loader->doc, address) : address;
    for (; n; n = list ? json_next(loader->doc, n) : NULL)
        load_warn_range(loader, n, "address");
}

static void warn_of_client(const struct warner *warner, size_t at, const struct json_node *node)
{
    const struct json *doc = warner->loader->doc;
    const struct client *clients = warner->policy->clients;
    const struct json_node *match = json_get(doc, node, STR("match"));
    const struct json_node *address = json_get(doc, match, STR("address"));
    char mine[QUOTED_MAX], other[QUOTED_MAX];
    if (address)
        load_warning(warner->loader, address->key_offset,
                     "address is as good as the network is: on plain TCP, who can take the address "
                     "gets the role");
    if (address)
        warn_of_ranges(warner->loader, address);
    warn_of_users(warner, &clients[at], match);
    for (size_t i = 0; i < at && i < SHADOWS_MAX; i++)
        if (client_covers(&clients[i], &clients[at])) {
            load_warning(warner->loader, node->offset,
                         "the client %s is never reached: whoever it matches, %s before it matches",
                         quoted(mine, str_of(clients[at].name)),
                         quoted(other, str_of(clients[i].name)));
            return;
        }
}

static void warn_of_clients(const struct warner *warner, const struct json_node *clients)
{
    const struct json *doc = warner->loader->doc;
    size_t at = 0;
    for (const struct json_node *n = clients ? json_child(doc, clients) : NULL; n;
         n = json_next(doc, n))
        warn_of_client(warner, at++, n);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void warn_of_repeated(struct loader *loader, const struct json_node *list)
{
    const struct json_node **items = arena_alloc(&loader->scratch, list->count, sizeof(void *));
    char shown[QUOTED_MAX];
    size_t count = 0;
    if (!items) {
        load_no_memory(loader);
        return;
    }
    for (const struct json_node *n = json_child(loader->doc, list); n;
         n = json_next(loader->doc, n))
        if (n->kind == JSON_STRING || n->kind == JSON_NUMBER)
            items[count++] = n;
    qsort(items, count, sizeof(void *), load_node_order);
    for (size_t i = 1; i < count; i++)
        if (items[i]->kind == items[i - 1]->kind && str_eq(items[i]->text, items[i - 1]->text))
            load_warning(loader, items[i]->offset, "%s stands in this list already",
                         quoted(shown, items[i]->text));
}

void load_warn(struct loader *loader, const struct json *doc, const struct policy *policy)
{
    struct warner warner = {.loader = loader, .policy = policy};
    warner.views = arena_alloc(&loader->scratch, loader->draft_count, sizeof *warner.views);
    if (!warner.views) {
        load_no_memory(loader);
        return;
    }
    loader->doc = doc;
    loader->builtin = NULL;
    view_roles(&warner);
    for (size_t i = 0; i < loader->draft_count; i++)
        warn_of_role(&warner, i);
    warn_of_clients(&warner, json_get(doc, &doc->nodes[0], STR("clients")));
    for (size_t i = 0; i < doc->count; i++)
        if (doc->nodes[i].kind == JSON_ARRAY && doc->nodes[i].count > 1)
            warn_of_repeated(loader, &doc->nodes[i]);
}
