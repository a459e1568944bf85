/* What has no owner and no name to judge by: under `owner` and `objects` it is refused, since it
   would reach what others have. What can be narrowed or labelled is so in owner.c. */
#include "existing.h"

#include "checks.h"

/* ---- operations ------------------------------------------------------------------------------ */

static const char swarm[] = "the swarm is everybody's: who changes it, or can join it, reaches "
                            "what others run in it";
static const char buildkit[] = "what BuildKit is asked this way is not inspected: it lists and "
                               "removes what the builds of others have left";
static const char plugin[] = "plugins are everybody's: what others have may depend on them";

static const char *const unowned[OP_COUNT] = {
    [OP_BuildPrune] = "the build cache has no owners, so nobody of this role may remove of it",
    [OP_Grpc] = buildkit,
    [OP_SwarmInit] = swarm,
    [OP_SwarmJoin] = swarm,
    [OP_SwarmLeave] = swarm,
    [OP_SwarmUpdate] = swarm,
    [OP_SwarmUnlock] = swarm,
    [OP_SwarmInspect] = swarm,
    [OP_SwarmUnlockkey] = swarm,
    [OP_NodeUpdate] = swarm,
    [OP_NodeDelete] = swarm,
    [OP_PluginPull] = plugin,
    [OP_PluginCreate] = plugin,
    [OP_PluginEnable] = plugin,
    [OP_PluginDisable] = plugin,
    [OP_PluginUpgrade] = plugin,
    [OP_PluginPush] = plugin,
    [OP_PluginSet] = plugin,
    [OP_PluginDelete] = plugin,
};

/* What a prune removes. */
static const struct {
    enum operation op;
    enum object object;
    const char *rule;
} prunes[] = {
    {OP_ContainerPrune, OBJECT_CONTAINERS, "objects.containers"},
    {OP_VolumePrune, OBJECT_VOLUMES, "objects.volumes"},
    {OP_NetworkPrune, OBJECT_NETWORKS, "objects.networks"},
    {OP_ImagePrune, OBJECT_IMAGES, "objects.images"},
};

static enum finding judge_prune(struct check *check, enum operation op)
{
    for (size_t i = 0; i < ARRAY_LEN(prunes); i++)
        if (prunes[i].op == op && check->role->objects[prunes[i].object].set)
            return refuse_plain(check, STR(""), prunes[i].rule, NULL,
                                "would remove whatever is unused, and not only what %s has; remove "
                                "objects one by one",
                                prunes[i].rule);
    return FINDING_PASS;
}

/* Labels that come with the content could say anything. */
static enum finding judge_import_label(struct check *check, enum operation op)
{
    bool imports = op == OP_ImageLoad ||
                   (op == OP_ImageCreate && request_param(check->request, "fromImage").n == 0);
    if (!imports || !check->role->owner.images)
        return FINDING_PASS;
    return refuse_plain(check, STR(""), "owner", NULL,
                        "what is imported brings its own labels, that of an owner among them, and "
                        "owner.images is true");
}

enum finding judge_shared(struct check *check)
{
    enum operation op = check->request->route->op;
    check->at = NULL;
    check->field = NULL;
    if (judge_prune(check, op) != FINDING_PASS)
        return FINDING_REFUSE;
    if (!check->role->owner.label.p)
        return FINDING_PASS;
    if (unowned[op])
        return refuse_plain(check, STR(""), "owner", NULL, "%s", unowned[op]);
    return judge_import_label(check, op);
}

/* ---- names of images ------------------------------------------------------------------------- */

enum finding judge_image_name_free(struct check *check, struct str reference, bool pulls)
{
    struct found found;
    if (!check->role->owner.images || !check->role->owner.label.p || reference.n == 0)
        return FINDING_PASS;
    enum look look = check_look(check, FACT_IMAGE, reference, &found);
    if (look == LOOK_REFUSED)
        return FINDING_REFUSE;
    if (look != LOOK_FOUND || owner_has(check, &found) || (pulls && !owner_any(check, &found)))
        return FINDING_PASS;
    SHOWN(shown, reference);
    return refuse_plain(check, reference, "owner", NULL,
                        "takes the name \"%s\" away from an image of somebody else", shown);
}

/* ---- volumes --------------------------------------------------------------------------------- */

enum finding judge_node_volume(struct check *check, struct str name)
{
    if (sees_all(check, FACT_VOLUME))
        return FINDING_PASS;
    bool owner = check->role->owner.label.p != NULL;
    SHOWN(shown, name);
    return refuse_plain(check, name, owner ? "owner" : "objects.volumes", NULL,
                        "uses the volume \"%s\", and it cannot be told what that is on the nodes "
                        "where tasks may start; only volumes without a name pass",
                        shown);
}

enum finding judge_volume_labels(struct check *check, const struct json_node *labels)
{
    const struct owner *owner = &check->role->owner;
    const struct json_node *label =
        labels && owner->label.p ? json_get(check->body, labels, owner->label) : NULL;
    if (!label || check_is_existing(check))
        return FINDING_PASS;
    if (!check->facts) {
        check->waits = true;
        return FINDING_PASS;
    }
    if (label->kind == JSON_STRING && str_eq(label->text, check->facts->owner))
        return FINDING_PASS;
    check->at = label;
    return refuse_plain(check, label->text, "owner", NULL,
                        "gives the label that tells owners apart another value");
}
