/* The owner's label: what a client makes gets it, what he lists and prunes is narrowed to it by the
   daemon's own label filter, and what cannot be narrowed is refused. What exists is judged in
   visible.c. */
#include "existing.h"

#include "checks.h"

/* ---- which operations make, and which list --------------------------------------------------- */

static const struct {
    const char *labels[2]; /* objects of the body that hold labels */
    const char *within;    /* of the second: only where this object is there */
    const char *filters;   /* parameter that narrows */
    bool images;           /* only when images have owners, too */
} makes[OP_COUNT] = {
#define TASKS   {"Labels", "TaskTemplate.ContainerSpec.Labels"}, "TaskTemplate.ContainerSpec"
#define FILTERS {NULL, NULL}, NULL, "filters"
    [OP_ContainerCreate] = {.labels = {"Labels"}},
    [OP_VolumeCreate] = {.labels = {"Labels"}},
    [OP_NetworkCreate] = {.labels = {"Labels"}},
    [OP_SecretCreate] = {.labels = {"Labels"}},
    [OP_SecretUpdate] = {.labels = {"Labels"}},
    [OP_ConfigCreate] = {.labels = {"Labels"}},
    [OP_ConfigUpdate] = {.labels = {"Labels"}},
    [OP_ServiceCreate] = {TASKS, NULL, false},
    [OP_ServiceUpdate] = {TASKS, NULL, false},
    [OP_ImageCommit] = {.labels = {"Labels"}},
    [OP_ContainerList] = {FILTERS, false},
    [OP_ContainerPrune] = {FILTERS, false},
    [OP_VolumeList] = {FILTERS, false},
    [OP_VolumePrune] = {FILTERS, false},
    [OP_NetworkList] = {FILTERS, false},
    [OP_NetworkPrune] = {FILTERS, false},
    [OP_ServiceList] = {FILTERS, false},
    [OP_SecretList] = {FILTERS, false},
    [OP_ConfigList] = {FILTERS, false},
    [OP_SystemEvents] = {FILTERS, false},
    [OP_ImagePrune] = {FILTERS, false},
    [OP_ImageList] = {FILTERS, true},
#undef TASKS
#undef FILTERS
};

static enum finding refuse_owner(struct check *check, struct str value, const char *why)
{
    return refuse_plain(check, value, "owner", NULL, "%s", why);
}

/* ---- labels ---------------------------------------------------------------------------------- */

static enum finding label_body(struct check *check, enum operation op)
{
    const struct owner *owner = &check->role->owner;
    for (size_t i = 0; i < ARRAY_LEN(makes[op].labels); i++) {
        const char *path = makes[op].labels[i];
        if (!path || (i > 0 && (!check->body || !body_at(check, makes[op].within))))
            continue;
        if (set_in_body(check, path, owner->label, check->facts->owner) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* Labels of what is built: a JSON object in a parameter. */
static enum finding label_build(struct check *check)
{
    const struct owner *owner = &check->role->owner;
    struct str labels = request_param(check->request, "labels");
    struct edits edits = {.arena = check->arena};
    struct json doc;
    struct err err = {0};
    check->field = "?labels";
    if (labels.n > 0 && !json_scan(labels, check->arena, &doc, &err))
        return refuse_unclear(check, STR(""), "is not strict JSON");
    const struct json_node *root = labels.n > 0 ? doc.nodes : NULL;
    const struct json_node *given =
        root && root->kind == JSON_OBJECT ? json_get(&doc, root, owner->label) : NULL;
    if (given && given->kind == JSON_STRING && str_eq(given->text, check->facts->owner))
        return FINDING_PASS;
    struct str text = {NULL, 0};
    if (edits_set_member(&edits, root ? &doc : NULL, root, owner->label, check->facts->owner))
        text = edits_apply(&edits, labels, check->arena);
    return text.p ? pin_param(check, "labels", text)
                  : refuse_owner(check, STR(""),
                                 "is no JSON object that could get the owner's "
                                 "label");
}

/* ---- filters --------------------------------------------------------------------------------- */

/* Daemons read later ones of a label into the same map, so another value could take our place. */
static bool names_label(struct str filter, struct str label)
{
    return str_eq(str_head(filter, str_find(filter, '=')), label);
}

/* The elements of {"label": [...]} or, as older clients write it, {"label": {...: true}}. *mine: it
   narrows to the owner already. False: it speaks of the owner's label in another way. */
static bool read_label_filter(const struct json *doc, const struct json_node *list,
                              struct str label, struct str wanted, bool *mine)
{
    *mine = false;
    for (const struct json_node *n = json_child(doc, list); n; n = json_next(doc, n)) {
        struct str text = list->kind == JSON_OBJECT ? n->key : n->text;
        if (str_eq(text, wanted) && n->kind != JSON_FALSE)
            *mine = true;
        else if (names_label(text, label))
            return false;
    }
    return true;
}

static struct str quoted(struct check *check, struct str text)
{
    struct json_out measure = {.p = NULL};
    json_out_str(&measure, text);
    struct json_out out = {.p = arena_alloc(check->arena, measure.len, 1), .cap = measure.len};
    if (!out.p)
        return (struct str){NULL, 0};
    json_out_str(&out, text);
    return (struct str){out.p, out.len};
}

/* Older clients write maps, and daemons read filters as all maps or all lists. */
static bool writes_maps(const struct json *doc)
{
    for (const struct json_node *n = json_child(doc, doc->nodes); n; n = json_next(doc, n))
        if (n->kind == JSON_OBJECT)
            return true;
    return false;
}

/* The filters with one more label; p NULL: no memory. list: what "label" holds, or NULL. */
static struct str with_label(struct check *check, const struct json *doc,
                             const struct json_node *list, struct str wanted)
{
    struct str text = quoted(check, wanted);
    if (!text.p || !doc) {
        const struct str parts[] = {STR("{\"label\":["), text, STR("]}")};
        return text.p ? arena_join(check->arena, parts, ARRAY_LEN(parts)) : text;
    }
    struct str source = doc->source;
    bool map = writes_maps(doc);
    uint32_t end = list ? list->end - 1 : doc->nodes[0].end - 1;
    uint32_t count = list ? list->count : doc->nodes[0].count;
    const struct str parts[] = {str_head(source, end),
                                count ? STR(",") : STR(""),
                                list ? STR("") : STR("\"label\":"),
                                list ? STR("") : (map ? STR("{") : STR("[")),
                                text,
                                map ? STR(":true") : STR(""),
                                list ? STR("") : (map ? STR("}") : STR("]")),
                                str_skip(source, end)};
    return arena_join(check->arena, parts, ARRAY_LEN(parts));
}

/* Lists and maps in one are read by no daemon. */
static bool mixes_forms(const struct json *doc)
{
    bool maps = writes_maps(doc);
    for (const struct json_node *n = json_child(doc, doc->nodes); n; n = json_next(doc, n))
        if (maps && n->kind != JSON_OBJECT)
            return true;
    return false;
}

/* A list may begin or end at an object that its filters name, and fails where there is none (moby,
   daemon/list.go): what is not there for the client must not be told by that. */
static enum finding judge_marks(struct check *check, const struct json *doc)
{
    static const char *const names[] = {"before", "since"};
    bool images = check->request->route->op == OP_ImageList;
    struct str id;
    if (!images && check->request->route->op != OP_ContainerList)
        return FINDING_PASS;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json_node *list = json_get(doc, doc->nodes, str_of(names[i]));
        for (const struct json_node *n = list ? json_child(doc, list) : NULL; n;
             n = json_next(doc, n)) {
            struct str name = list->kind == JSON_OBJECT ? n->key : n->text;
            if ((images ? judge_there(check, FACT_IMAGE, name, &id)
                        : judge_container(check, name, false, &id)) != FINDING_PASS)
                return FINDING_REFUSE;
        }
    }
    return FINDING_PASS;
}

static enum finding narrow(struct check *check, const char *param)
{
    const struct owner *owner = &check->role->owner;
    const struct str pair[] = {owner->label, STR("="), check->facts->owner};
    struct str wanted = arena_join(check->arena, pair, ARRAY_LEN(pair));
    struct str filters = request_param(check->request, param);
    struct json doc;
    struct err err = {0};
    const struct json_node *list = NULL;
    bool mine = false;
    check->field = "?filters";
    if (filters.n > 0) {
        if (!json_scan(filters, check->arena, &doc, &err) || doc.nodes[0].kind != JSON_OBJECT)
            return refuse_unclear(check, STR(""), "is not a strict JSON object");
        if (mixes_forms(&doc))
            return refuse_unclear(check, STR(""), "holds lists and maps, and no daemon reads both");
        list = json_get(&doc, doc.nodes, STR("label"));
        if (list && list->kind != JSON_ARRAY && list->kind != JSON_OBJECT)
            return refuse_unclear(check, STR(""), "holds no list as \"label\"");
        if (list && !read_label_filter(&doc, list, owner->label, wanted, &mine))
            return refuse_owner(check, STR(""),
                                "asks for another value of the label that tells owners apart");
        if (judge_marks(check, &doc) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    if (mine)
        return FINDING_PASS;
    struct str text =
        wanted.p ? with_label(check, filters.n > 0 ? &doc : NULL, list, wanted) : wanted;
    return text.p ? pin_param(check, param, text)
                  : refuse_owner(check, STR(""), "cannot be narrowed: out of memory");
}

/* ---- volumes that a container brings into being ---------------------------------------------- */

enum { VOLUME_LABELS_MAX = 256 };

static struct str raw_of(const struct json *doc, uint32_t from, uint32_t to)
{
    return str_skip(str_head(doc->source, to), from);
}

/* The members of an object of labels, each with a comma behind it, but the owner's. p NULL: too
   many, or no memory. */
static struct str other_labels(struct check *check, const struct json_node *labels)
{
    struct str parts[2 * VOLUME_LABELS_MAX];
    size_t count = 0;
    for (const struct json_node *n = labels ? json_child(check->body, labels) : NULL; n;
         n = json_next(check->body, n)) {
        if (str_eq(n->key, check->role->owner.label))
            continue;
        if (count == ARRAY_LEN(parts))
            return (struct str){NULL, 0};
        parts[count++] = raw_of(check->body, n->key_offset, n->end);
        parts[count++] = STR(",");
    }
    return count ? arena_join(check->arena, parts, count) : STR("");
}

/* The body of the VolumeCreate that the daemon would do by itself, with the label. */
static struct str volume_body(struct check *check, const struct named_volume *volume)
{
    const struct json_node *options = volume->options;
    const struct str parts[] = {STR("{\"Name\":"),
                                quoted(check, volume->name),
                                STR(",\"Driver\":"),
                                quoted(check, volume->driver.n > 0 ? volume->driver : STR("local")),
                                STR(",\"DriverOpts\":"),
                                options && options->kind == JSON_OBJECT
                                    ? raw_of(check->body, options->offset, options->end)
                                    : STR("{}"),
                                STR(",\"Labels\":{"),
                                other_labels(check, volume->labels),
                                quoted(check, check->role->owner.label),
                                STR(":"),
                                quoted(check, check->facts->owner),
                                STR("}}")};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!parts[i].p)
            return (struct str){NULL, 0};
    return arena_join(check->facts->arena, parts, ARRAY_LEN(parts));
}

enum look look_missing_volume(struct check *check, const struct named_volume *volume,
                              struct found *found)
{
    if (!check->facts || check_is_existing(check) || check_is_service(check))
        return LOOK_MISSING;
    if (judge_new_object(check, FACT_VOLUME, volume->name) != FINDING_PASS)
        return LOOK_REFUSED;
    if (!check->role->owner.label.p)
        return LOOK_MISSING;
    struct str body = volume_body(check, volume);
    if (body.p)
        return check_make(check, FACT_VOLUME_MADE, volume->name, body, found);
    refuse_owner(check, volume->name, "cannot be made for its owner: out of memory");
    return LOOK_REFUSED;
}

/* A volume that exists is handed out again by its name: it must be the client's own. */
static enum finding judge_volume_name(struct check *check)
{
    struct found found;
    struct str name = check->body ? text_at(check, "Name") : STR("");
    enum look look = name.n > 0 ? check_look(check, FACT_VOLUME, name, &found) : LOOK_MISSING;
    if (look == LOOK_REFUSED)
        return FINDING_REFUSE;
    if (look != LOOK_FOUND || owner_has(check, &found))
        return FINDING_PASS;
    SHOWN(shown, name);
    check->field = "Name";
    return refuse_plain(check, name, "owner", NULL,
                        "is \"%s\", and a volume of this name exists already", shown);
}

/* ---- the operation --------------------------------------------------------------------------- */

enum finding judge_owned(struct check *check)
{
    enum operation op = check->request->route->op;
    const struct owner *owner = &check->role->owner;
    if (!owner->label.p)
        return FINDING_PASS;
    if (!check->facts) { /* then who owns is not known either */
        check->waits = true;
        return FINDING_PASS;
    }
    check->at = NULL;
    check->field = NULL;
    if (op == OP_ImageBuild)
        return label_build(check);
    if (op == OP_VolumeCreate && judge_volume_name(check) != FINDING_PASS)
        return FINDING_REFUSE;
    if (label_body(check, op) != FINDING_PASS)
        return FINDING_REFUSE;
    return makes[op].filters && (!makes[op].images || owner->images)
               ? narrow(check, makes[op].filters)
               : FINDING_PASS;
}
