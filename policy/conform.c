/* A container that exists, judged as if it were created now: its inspect is put together as the
   body of a ContainerCreate and goes through the same tables. What the daemon fills in by itself is
   let pass by the checks, each where it judges. */
#include "checks.h"
#include "existing.h"

static const struct route as_create = {
    .op = OP_ContainerCreate, .method = "POST", .path = "/containers/create", .body = BODY_JSON};

/* ---- the body that would have created it ----------------------------------------------------- */

struct pieces {
    struct str *items;
    size_t count, cap;
    bool failed; /* more than were counted: then nothing is judged by a part */
};

static void put(struct pieces *pieces, struct str piece)
{
    if (pieces->count == pieces->cap)
        pieces->failed = true;
    else
        pieces->items[pieces->count++] = piece;
}

static size_t members_of(const struct json_node *object)
{
    return object ? object->count : 0;
}

/* A member is at most three pieces, and the objects around them are a few. */
static size_t count_pieces(const struct check *check, const struct found *found)
{
    enum { EACH = 3, AROUND = 8 };
    return AROUND +
           EACH * (members_of(fact_at(found, "Config")) + members_of(fact_at(found, "HostConfig")) +
                   members_of(fact_at(found, "NetworkSettings.Networks")) +
                   members_of(check->update ? check->update->nodes : NULL));
}

static struct str raw(const struct json *doc, uint32_t from, uint32_t to)
{
    return str_skip(str_head(doc->source, to), from);
}

/* A member as it is written, with its name. */
static void put_member(struct pieces *pieces, const struct json *doc,
                       const struct json_node *member)
{
    put(pieces, raw(doc, member->key_offset, member->end));
}

/* In an update 0 and "" mean unchanged, but for PidsLimit; so does a restart policy without name.
 */
static bool is_effective(const struct json *update, const struct json_node *member)
{
    if (str_is(member->key, "RestartPolicy")) {
        const struct json_node *name = json_get(update, member, STR("Name"));
        return name && !json_empty(name);
    }
    return member->kind != JSON_NULL && (!json_empty(member) || str_is(member->key, "PidsLimit"));
}

/* Does the update set this member of HostConfig anew? */
static bool is_updated(const struct check *check, struct str name)
{
    if (check->request->route->op != OP_ContainerUpdate || !check->update)
        return false;
    const struct json_node *member = json_get(check->update, check->update->nodes, name);
    return member && is_effective(check->update, member);
}

static void put_host_config(struct check *check, struct pieces *pieces, const struct found *found)
{
    const struct json_node *host = fact_at(found, "HostConfig");
    bool comma = false;
    put(pieces, STR("\"HostConfig\":{"));
    for (const struct json_node *n = host ? json_child(&found->doc, host) : NULL; n;
         n = json_next(&found->doc, n)) {
        if (is_updated(check, n->key))
            continue;
        put(pieces, comma ? STR(",") : STR(""));
        put_member(pieces, &found->doc, n);
        comma = true;
    }
    const struct json *update = check->update;
    for (const struct json_node *n = update ? json_child(update, update->nodes) : NULL; n;
         n = json_next(update, n)) {
        if (!is_updated(check, n->key))
            continue;
        put(pieces, comma ? STR(",") : STR(""));
        put_member(pieces, update, n);
        comma = true;
    }
    put(pieces, STR("}"));
}

/* Of what it is connected to only the names: addresses are the daemon's own choice. */
static void put_networks(struct pieces *pieces, const struct found *found)
{
    const struct json_node *networks = fact_at(found, "NetworkSettings.Networks");
    bool comma = false;
    put(pieces, STR(",\"NetworkingConfig\":{\"EndpointsConfig\":{"));
    for (const struct json_node *n = networks ? json_child(&found->doc, networks) : NULL; n;
         n = json_next(&found->doc, n)) {
        put(pieces, comma ? STR(",") : STR(""));
        put(pieces, raw(&found->doc, n->key_offset, n->offset));
        put(pieces, STR("{}"));
        comma = true;
    }
    put(pieces, STR("}}"));
}

static struct str create_body(struct check *check, const struct found *found)
{
    size_t cap = count_pieces(check, found);
    struct pieces pieces = {.items = arena_alloc(check->arena, cap, sizeof(struct str)),
                            .cap = cap};
    const struct json_node *config = fact_at(found, "Config");
    if (!pieces.items || !config || config->kind != JSON_OBJECT || !fact_at(found, "HostConfig"))
        return (struct str){NULL, 0};
    put(&pieces, STR("{"));
    for (const struct json_node *n = json_child(&found->doc, config); n;
         n = json_next(&found->doc, n)) {
        put_member(&pieces, &found->doc, n);
        put(&pieces, STR(","));
    }
    put_host_config(check, &pieces, found);
    put_networks(&pieces, found);
    put(&pieces, STR("}"));
    return pieces.failed ? (struct str){NULL, 0}
                         : arena_join(check->arena, pieces.items, pieces.count);
}

/* ---- what is mounted, from wherever it came -------------------------------------------------- */

static bool has_letter(struct str mode, char upper)
{
    for (size_t i = 0; i < mode.n; i++)
        if (ascii_lower(mode.p[i]) == ascii_lower(upper) && (i == 0 || mode.p[i - 1] == ',') &&
            (i + 1 == mode.n || mode.p[i + 1] == ','))
            return true;
    return false;
}

/* Volumes without a name get 64 hex digits; where they come from is judged. */
static enum finding judge_mounted_volume(struct check *check, struct str name, bool restarts)
{
    if (!id_is_full(name) && !key_passes(check, KEY_VOLUMES, name)) {
        SHOWN(shown, name);
        return refuse(check, KEY_VOLUMES, name,
                      "is the volume \"%s\", which containers.volumes does not allow", shown);
    }
    if (judge_own_volume(check, name) != FINDING_PASS)
        return FINDING_REFUSE;
    struct named_volume volume = {.name = name};
    return judge_stored_volume(check, &volume, restarts);
}

static enum finding judge_mounted(struct check *check, const struct json_node *mount, bool restarts)
{
    struct str type = member_text(check, mount, "Type");
    struct bind bind = {.source = member_text(check, mount, "Source"),
                        .read_only = !member_true(check, mount, "RW"),
                        .relabel = has_letter(member_text(check, mount, "Mode"), 'z'),
                        .restarts = restarts};
    if (str_is(type, "tmpfs") || str_is(type, "image"))
        return FINDING_PASS;
    if (str_is(type, "volume"))
        return judge_mounted_volume(check, member_text(check, mount, "Name"), restarts);
    if (!str_is(type, "bind"))
        return check->role->unrestricted
                   ? FINDING_PASS
                   : refuse_plain(check, type, NULL, NULL, "is of a type that no key governs");
    if (judge_propagation(check, member_text(check, mount, "Propagation")) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_bind(check, &bind);
}

/* inner: the check of the body; its schema tells whether the daemon starts it again. */
static enum finding judge_mounts(struct check *inner, const struct found *found)
{
    bool restarts = container_restarts(inner);
    const struct json_node *mounts = fact_at(found, "Mounts");
    struct check check = *inner;
    check.body = &found->doc;
    check.schema = NULL;
    enum finding finding = FINDING_PASS;
    for (const struct json_node *n = mounts ? json_child(&found->doc, mounts) : NULL;
         n && finding == FINDING_PASS; n = json_next(&found->doc, n)) {
        check.at = n;
        finding = judge_mounted(&check, n, restarts);
    }
    inner->waits |= check.waits;
    return finding;
}

/* ---- what no inspect shows ---------------------------------------------------------------------
 */

/* The daemon writes these labels on the container of a task, over any of the same name. */
static bool is_task(const struct found *found)
{
    static const char *const names[] = {"com.docker.swarm.task.id", "com.docker.swarm.service.id"};
    const struct json_node *labels = fact_at(found, "Config.Labels");
    bool task = false;
    for (size_t i = 0; labels && i < ARRAY_LEN(names); i++)
        task = task || json_get(&found->doc, labels, str_of(names[i]));
    return task;
}

static bool unrestricted(const struct check *check, enum key key)
{
    const struct constraint *constraint = check_key(check, key);
    return constraint->any && constraint->deny.count == 0;
}

/* May the role give any secret and any config to a service of its own? */
static bool gives_all_secrets(const struct check *check)
{
    return role_allows(check->role, OP_ServiceCreate) && unrestricted(check, KEY_SECRETS_NAMES) &&
           unrestricted(check, KEY_CONFIGS_NAMES) && sees_all(check, FACT_SECRET) &&
           sees_all(check, FACT_CONFIG);
}

static enum finding judge_hidden(struct check *check, const struct found *found)
{
    if (!is_task(found) || gives_all_secrets(check))
        return FINDING_PASS;
    return refuse_plain(check, check->subject, "existing", NULL,
                        "is of a service of the swarm, and its inspect does not show the secrets "
                        "and configs that it holds: a role that reaches into it must allow "
                        "ServiceCreate, with true for secrets.names and configs.names and neither "
                        "owner nor objects for them");
}

/* ---- a role that requires nothing ------------------------------------------------------------ */

/* An update can neither add nor take away what containers must have, so it is not asked for: the
   outcome obeys what the role allows. NULL: out of memory. */
static const struct role *without_requirements(const struct check *check)
{
    struct role *role = arena_alloc(check->arena, 1, sizeof(*role));
    if (!role)
        return NULL;
    *role = *check->role;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        role->keys[i].required = false;
        role->keys[i].require.count = 0;
    }
    return role;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool read_body(struct check *check, const struct found *found, struct reading *reading)
{
    if (reading->doc.nodes)
        return check_scanned(check, &reading->doc);
    struct str text = create_body(check, found);
    return text.p && check_scan(check, text, &reading->doc);
}

/* What is read is kept but with an update, which makes it another body, and within another object,
   which may be the same container. */
enum finding judge_conforming(struct check *check, const struct found *found, struct str name)
{
    struct request request = {.route = &as_create};
    struct reading own = {.walked = false};
    bool kept = found->answer && !check->update && !check->outer;
    struct reading *reading = kept ? &found->answer->made : &own;
    if (passed_before(check, &found->looked->conforming))
        return FINDING_PASS;
    if (!read_body(check, found, reading))
        return refuse_plain(check, name, NULL, NULL,
                            "names a container whose settings the daemon does not tell");
    struct check inner = *check;
    inner.outer = check;
    inner.waits = false;
    inner.request = &request;
    inner.body = &reading->doc;
    inner.reading = reading;
    inner.update = NULL;
    inner.subject = name;
    inner.subject_kind = FACT_CONTAINER;
    inner.made_of = fact_text(found, "Image");
    inner.at = NULL;
    inner.field = NULL;
    if (check->update)
        inner.role = without_requirements(check);
    if (!inner.role)
        return refuse_plain(check, name, NULL, NULL, "cannot be judged: out of memory");
    const struct body_schema *schema = schema_find(OP_ContainerCreate);
    enum finding finding = judge_hidden(&inner, found);
    if (finding == FINDING_PASS)
        finding = body_walk(&inner, schema);
    if (finding == FINDING_PASS)
        finding = schema->whole(&inner);
    if (finding == FINDING_PASS)
        finding = judge_mounts(&inner, found);
    check->waits |= inner.waits;
    if (finding == FINDING_PASS)
        passed_note(check, inner.waits, &found->looked->conforming);
    return finding;
}

bool info_says(struct check *check, const char *path, struct str value)
{
    struct found found;
    enum look look = check_look(check, FACT_INFO, STR(""), &found);
    return look == LOOK_WAIT ||
           (look == LOOK_FOUND && value.n > 0 && str_eq(fact_text(&found, path), value));
}
