/* Which objects are there for a client at all: `owner` (what others made does not exist) and
   `objects` (what may be touched). By what the daemon says of the object, never by how the request
   names it. */
#include "existing.h"

#include "checks.h"
#include "hide.h"
#include "load.h"

/* ---- the owner's label ----------------------------------------------------------------------- */

static struct str container_label(const struct client_identity *who, struct str key)
{
    for (size_t i = 0; i < who->container_label_count; i++)
        if (str_eq(who->container_labels[i].key, key))
            return who->container_labels[i].value;
    return (struct str){NULL, 0};
}

/* What a variable of owner.value stands for; p NULL: not known of this client. */
static struct str variable(struct str name, const char *client, const struct client_identity *who,
                           struct arena *arena)
{
    if (str_is(name, "client"))
        return client ? str_of(client) : (struct str){NULL, 0};
    if (str_is(name, "cert_cn"))
        return who->cert_cn;
    if (str_is(name, "address"))
        return who->address;
    if (str_is(name, "container_name"))
        return who->container_name;
    if (str_is(name, "compose_project"))
        return container_label(who, STR("com.docker.compose.project"));
    if (str_is(name, "compose_service"))
        return container_label(who, STR("com.docker.compose.service"));
    if (str_is(name, "uid") && who->unix_peer && who->uid != UINT32_MAX) {
        char digits[12];
        size_t at = sizeof(digits);
        uint32_t uid = who->uid;
        do
            digits[--at] = (char)('0' + uid % 10);
        while ((uid /= 10) > 0);
        return arena_copy(arena, (struct str){digits + at, sizeof(digits) - at});
    }
    return (struct str){NULL, 0};
}

bool owner_variable_known(struct str name)
{
    static const char *const known[] = {"client",         "cert_cn",        "uid",
                                        "address",        "container_name", "compose_project",
                                        "compose_service"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_is(name, known[i]))
            return true;
    return false;
}

bool role_has_owner(const struct role *role)
{
    return role && role->owner.label.p;
}

struct str policy_owner(const struct role *role, const char *client,
                        const struct client_identity *who, struct arena *arena)
{
    struct str rest = role ? role->owner.value : (struct str){NULL, 0};
    struct str out = STR("");
    while (rest.n > 0) {
        size_t at = str_find(rest, '$');
        struct str parts[] = {out, str_head(rest, at), STR("")};
        rest = str_skip(rest, at);
        if (rest.n > 0) {
            size_t end = str_find(rest, '}');
            parts[2] = variable(str_skip(str_head(rest, end), 2), client, who, arena);
            if (parts[2].n == 0)
                return (struct str){NULL, 0};
            rest = str_skip(rest, end + 1);
        }
        out = arena_join(arena, parts, ARRAY_LEN(parts));
        if (!out.p)
            return out;
    }
    return out.n > 0 ? out : (struct str){NULL, 0};
}

bool role_hides(const struct role *role, struct str owner, struct hide *out)
{
    *out = (struct hide){.images = false};
    if (!role)
        return false;
    if (role->own)
        out->own_container = role->own->container;
    if (role->owner.label.p) {
        out->label = role->owner.label;
        out->value = owner;
        out->images = role->owner.images;
    }
    return out->own_container.p || out->label.p;
}

unsigned role_redacts(const struct role *role)
{
    return role ? role->redacts : 0;
}

/* ---- what an object is ----------------------------------------------------------------------- */

static const struct {
    enum object object;
    const char *name;   /* where the answer holds its name; NULL: it has none */
    const char *labels; /* and its labels */
} shapes[FACT_KIND_COUNT] = {
    [FACT_CONTAINER] = {OBJECT_CONTAINERS, "Name", "Config.Labels"},
    [FACT_VOLUME] = {OBJECT_VOLUMES, "Name", "Labels"},
    [FACT_VOLUME_MADE] = {OBJECT_VOLUMES, "Name", "Labels"},
    [FACT_NETWORK] = {OBJECT_NETWORKS, "Name", "Labels"},
    [FACT_IMAGE] = {OBJECT_IMAGES, NULL, "Config.Labels"},
    [FACT_SERVICE] = {OBJECT_SERVICES, "Spec.Name", "Spec.Labels"},
    [FACT_TASK] = {OBJECT_SERVICES, NULL, "Spec.ContainerSpec.Labels"},
    [FACT_SECRET] = {OBJECT_SECRETS, "Spec.Name", "Spec.Labels"},
    [FACT_CONFIG] = {OBJECT_CONFIGS, "Spec.Name", "Spec.Labels"},
};

/* Names that the daemon itself gave, for all. */
static bool is_predefined(const struct found *found)
{
    struct str name = fact_text(found, "Name");
    return found->fact->kind == FACT_NETWORK &&
           (str_is(name, "bridge") || str_is(name, "host") || str_is(name, "none"));
}

static bool is_owned(const struct role *role, enum fact_kind kind)
{
    return role->owner.label.p && (kind != FACT_IMAGE || role->owner.images);
}

bool sees_all(const struct check *check, enum fact_kind kind)
{
    return !is_owned(check->role, kind) && !check->role->objects[shapes[kind].object].set;
}

static struct str label_of(const struct check *check, const struct found *found, struct str name)
{
    const struct json_node *labels = fact_at(found, shapes[found->fact->kind].labels);
    bool afford = check_spend(check, labels ? labels->count * member_cost(name) : 0);
    const struct json_node *label = labels && afford ? json_get(&found->doc, labels, name) : NULL;
    return label && label->kind == JSON_STRING ? label->text : (struct str){NULL, 0};
}

/* ---- owner ----------------------------------------------------------------------------------- */

enum finding judge_owner_known(struct check *check)
{
    if (!check->role->owner.label.p || !check->facts || check->facts->owner.n > 0)
        return FINDING_PASS;
    SHOWN(shown, check->role->owner.value);
    return refuse_plain(check, (struct str){NULL, 0}, "owner", NULL,
                        "owner.value is \"%s\", and that is not known of this client; an entry of "
                        "\"clients\" that matches him gives him a name",
                        shown);
}

bool owner_has(const struct check *check, const struct found *found)
{
    const struct role *role = check->role;
    if (!is_owned(role, found->fact->kind) || is_predefined(found))
        return true;
    return check->facts->owner.n > 0 &&
           str_eq(label_of(check, found, role->owner.label), check->facts->owner);
}

bool owner_any(const struct check *check, const struct found *found)
{
    return check->role->owner.label.p && label_of(check, found, check->role->owner.label).p;
}

static enum finding judge_owner(struct check *check, const struct found *found, struct str name)
{
    if (owner_has(check, found))
        return FINDING_PASS;
    return refuse_missing(check, found->fact->kind, name);
}

/* ---- objects --------------------------------------------------------------------------------- */

/* An image has a list of names; each as it is, and without its tag. */
static bool image_named(struct check *check, const struct entries *names, const struct found *found)
{
    const struct json_node *list = fact_at(found, "RepoTags");
    for (const struct json_node *n = list ? json_child(&found->doc, list) : NULL; n;
         n = json_next(&found->doc, n)) {
        struct image_ref ref;
        if (entries_match(names, n->text, false, check->work) ||
            (image_parse(n->text, check->arena, &ref) &&
             entries_match(names, ref.name, false, check->work)))
            return true;
    }
    return false;
}

static bool is_named(struct check *check, const struct object_rule *rule, const struct found *found)
{
    const char *path = shapes[found->fact->kind].name;
    if (!rule->named)
        return true;
    if (found->fact->kind == FACT_IMAGE)
        return image_named(check, &rule->names, found);
    struct str name = path ? fact_text(found, path) : (struct str){NULL, 0};
    if (str_starts(name, STR("/")))
        name = str_skip(name, 1);
    return name.n > 0 && entries_match(&rule->names, name, false, check->work);
}

static bool is_labelled(struct check *check, const struct object_rule *rule,
                        const struct found *found)
{
    for (size_t i = 0; i + 1 < rule->labels.count; i += 2) {
        struct str value = label_of(check, found, rule->labels.items[i].text);
        if (!value.p || !glob_find(rule->labels.items[i + 1].text, value, false, check->work))
            return false;
    }
    return true;
}

static const char *const rules[OBJECT_COUNT] = {
    "objects.containers", "objects.volumes", "objects.networks", "objects.images",
    "objects.services",   "objects.secrets", "objects.configs"};

enum finding judge_new_object(struct check *check, enum fact_kind kind, struct str name)
{
    enum object object = shapes[kind].object;
    const struct object_rule *rule = &check->role->objects[object];
    bool named = !rule->named || entries_match(&rule->names, name, false, check->work);
    if (named && rule->labels.count == 0)
        return FINDING_PASS;
    SHOWN(shown, name);
    return refuse_plain(check, name, rules[object], NULL,
                        "would make the %s \"%s\", %s %s has them", fact_kind_name(kind), shown,
                        named ? "which would not bear the labels as" : "whose name is not as",
                        rules[object]);
}

static enum finding judge_object(struct check *check, const struct found *found, struct str name)
{
    enum object object = shapes[found->fact->kind].object;
    const struct object_rule *rule = &check->role->objects[object];
    if (!rule->set || is_predefined(found))
        return FINDING_PASS;
    bool named = is_named(check, rule, found);
    if (named && is_labelled(check, rule, found))
        return FINDING_PASS;
    SHOWN(shown, name);
    return refuse_plain(
        check, name, rules[object], NULL, "names the %s \"%s\", whose %s not as %s has them",
        fact_kind_name(found->fact->kind), shown, named ? "labels are" : "name is", rules[object]);
}

enum finding judge_visible(struct check *check, const struct found *found, struct str name)
{
    if (found->looked->visible)
        return FINDING_PASS;
    if (judge_owner(check, found, name) != FINDING_PASS ||
        judge_object(check, found, name) != FINDING_PASS)
        return FINDING_REFUSE;
    found->looked->visible = true;
    return FINDING_PASS;
}

enum finding judge_there(struct check *check, enum fact_kind kind, struct str name, struct str *id)
{
    struct found found;
    *id = (struct str){NULL, 0};
    if (sees_all(check, kind))
        return FINDING_PASS;
    switch (check_look(check, kind, name, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_MISSING:
        return refuse_missing(check, kind, name);
    case LOOK_FOUND:
        *id = found.fact->id;
        return judge_visible(check, &found, name);
    case LOOK_REFUSED:
        break;
    }
    return FINDING_REFUSE;
}
