/* Objects that exist already: which of them an operation names, whether they are there for this
   client, and what they must be. The daemon's own word on them comes as facts; the request is
   pinned to the ID that was judged. */
#include "existing.h"

#include "checks.h"

enum { SHARED_DEPTH_MAX = 4 /* containers that join containers */ };

/* ---- what an operation names in its path ----------------------------------------------------- */

enum reach {
    REACH_NONE, /* names no object that exists, or one that is not judged */
    REACH_LOOK, /* reads of it, or ends it */
    REACH_INTO  /* acts with what the object has */
};

static const struct {
    enum fact_kind kind;
    enum reach reach;
} targets[OP_COUNT] = {
#define LOOK(op, kind) [OP_##op] = {FACT_##kind, REACH_LOOK}
#define INTO(op, kind) [OP_##op] = {FACT_##kind, REACH_INTO}
    LOOK(ContainerInspect, CONTAINER),
    LOOK(ContainerTop, CONTAINER),
    LOOK(ContainerChanges, CONTAINER),
    LOOK(ContainerStats, CONTAINER),
    LOOK(ContainerWait, CONTAINER),
    LOOK(ContainerLogs, CONTAINER),
    LOOK(ContainerStop, CONTAINER),
    LOOK(ContainerKill, CONTAINER),
    LOOK(ContainerPause, CONTAINER),
    LOOK(ContainerUnpause, CONTAINER),
    LOOK(ContainerResize, CONTAINER),
    LOOK(ContainerDelete, CONTAINER),
    INTO(ContainerArchive, CONTAINER),
    INTO(ContainerArchiveInfo, CONTAINER),
    INTO(ContainerExport, CONTAINER),
    INTO(ContainerStart, CONTAINER),
    INTO(ContainerRestart, CONTAINER),
    INTO(ContainerRename, CONTAINER),
    INTO(ContainerUpdate, CONTAINER),
    INTO(ContainerExec, CONTAINER),
    INTO(ContainerAttach, CONTAINER),
    INTO(ContainerAttachWebsocket, CONTAINER),
    INTO(PutContainerArchive, CONTAINER),
    INTO(CheckpointList, CONTAINER),
    INTO(CheckpointCreate, CONTAINER),
    INTO(CheckpointDelete, CONTAINER),
    LOOK(ExecInspect, EXEC),
    LOOK(ExecResize, EXEC),
    INTO(ExecStart, EXEC),
    LOOK(VolumeInspect, VOLUME),
    LOOK(VolumeUpdate, VOLUME),
    LOOK(VolumeDelete, VOLUME),
    LOOK(NetworkInspect, NETWORK),
    LOOK(NetworkDisconnect, NETWORK),
    LOOK(NetworkDelete, NETWORK),
    LOOK(ImageInspect, IMAGE),
    LOOK(ImageHistory, IMAGE),
    LOOK(ImageAttestations, IMAGE),
    LOOK(ImageTag, IMAGE),
    LOOK(ImagePush, IMAGE),
    LOOK(ImageDelete, IMAGE),
    LOOK(ImageGet, IMAGE),
    LOOK(ServiceInspect, SERVICE),
    LOOK(ServiceUpdate, SERVICE),
    LOOK(ServiceDelete, SERVICE),
    LOOK(ServiceLogs, SERVICE),
    LOOK(TaskInspect, TASK),
    LOOK(TaskLogs, TASK),
    LOOK(SecretInspect, SECRET),
    LOOK(SecretUpdate, SECRET),
    LOOK(SecretDelete, SECRET),
    LOOK(ConfigInspect, CONFIG),
    LOOK(ConfigUpdate, CONFIG),
    LOOK(ConfigDelete, CONFIG),
#undef LOOK
#undef INTO
};

/* ---- containers ------------------------------------------------------------------------------ */

bool id_is_full(struct str id)
{
    enum { ID_DIGITS = 64 };
    for (size_t i = 0; i < id.n; i++)
        if (!ascii_hex(id.p[i]))
            return false;
    return id.n == ID_DIGITS;
}

/* Does it matter which container is meant? */
static bool container_matters(const struct check *check, bool into)
{
    const struct role *role = check->role;
    return (into && role->existing == EXISTING_CONFORMING) || !sees_all(check, FACT_CONTAINER) ||
           (role->own && role->own->container.p);
}

static enum finding judge_found(struct check *check, const struct found *found, struct str name,
                                bool into)
{
    const struct role *role = check->role;
    struct str id = found->fact->id;
    if (!id_is_full(id))
        return refuse_plain(check, name, NULL, NULL,
                            "names a container of which the daemon does not tell the full ID");
    if (role->own && role->own->container.p && str_eq(id, role->own->container))
        return refuse_missing(check, FACT_CONTAINER, name);
    if (judge_visible(check, found, name) != FINDING_PASS)
        return FINDING_REFUSE;
    if (!into || role->existing == EXISTING_ANY)
        return FINDING_PASS;
    if (check_depth(check) >= SHARED_DEPTH_MAX)
        return refuse_plain(check, name, NULL, NULL,
                            "joins a container that joins others, one upon the other, too often "
                            "to be judged");
    return judge_conforming(check, found, name);
}

enum finding judge_container(struct check *check, struct str name, bool into, struct str *id)
{
    struct found found;
    *id = (struct str){NULL, 0};
    if (!container_matters(check, into))
        return FINDING_PASS;
    switch (check_look(check, FACT_CONTAINER, name, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_MISSING:
        return refuse_missing(check, FACT_CONTAINER, name);
    case LOOK_FOUND:
        *id = found.fact->id;
        return judge_found(check, &found, name, into);
    case LOOK_REFUSED:
        break;
    }
    return FINDING_REFUSE;
}

/* ---- commands in containers ------------------------------------------------------------------ */

static enum finding judge_own_exec(struct check *check, struct str id)
{
    struct found found;
    switch (check_look(check, FACT_OWN_EXEC, id, &found)) {
    case LOOK_WAIT:
        return FINDING_PASS;
    case LOOK_FOUND: {
        const struct json_node *own = fact_at(&found, "Own");
        if (own && own->kind == JSON_TRUE)
            return FINDING_PASS;
        break;
    }
    default:
        break;
    }
    return refuse_plain(check, id, "existing", "\"existing\": \"any\"",
                        "starts a command that was not made through this role since the proxy "
                        "started");
}

/* The record of the command itself: whoever made it, it obeys `exec`. */
static enum finding judge_exec(struct check *check, bool start)
{
    struct found found;
    struct str id = check->request->name;
    struct str ignored;
    bool look = container_matters(check, false);
    if (check->role->existing == EXISTING_ANY && !look)
        return FINDING_PASS;
    switch (check_look(check, FACT_EXEC, id, &found)) {
    case LOOK_WAIT:
        break;
    case LOOK_MISSING:
        return refuse_missing(check, FACT_EXEC, id);
    case LOOK_FOUND:
        if (check->role->existing == EXISTING_CONFORMING &&
            judge_exec_record(check, &found) != FINDING_PASS)
            return FINDING_REFUSE;
        if (look && judge_container(check, fact_text(&found, "ContainerID"), false, &ignored) !=
                        FINDING_PASS)
            return FINDING_REFUSE;
        break;
    case LOOK_REFUSED:
        return FINDING_REFUSE;
    }
    if (!start || check->role->existing == EXISTING_ANY || (look && check->waits))
        return FINDING_PASS; /* of a command that is not there for the client nothing is told */
    return judge_own_exec(check, id);
}

/* ---- the operation --------------------------------------------------------------------------- */

/* Images stay named as they are: by ID a name could not be removed alone. */
static enum finding judge_path(struct check *check, enum operation op)
{
    bool into = targets[op].reach == REACH_INTO;
    struct str id;
    check->field = "the path";
    if (targets[op].reach == REACH_NONE)
        return FINDING_PASS;
    if (targets[op].kind == FACT_EXEC)
        return judge_exec(check, into);
    if (targets[op].kind == FACT_CONTAINER)
        return judge_container(check, check->request->name, into, &check->decision->pinned);
    if (judge_there(check, targets[op].kind, check->request->name, &id) != FINDING_PASS)
        return FINDING_REFUSE;
    if (targets[op].kind != FACT_IMAGE)
        check->decision->pinned = id;
    return FINDING_PASS;
}

bool existing_passes(struct check *check)
{
    check->at = NULL;
    check->field = "the path";
    return judge_owner_known(check) == FINDING_PASS && judge_shared(check) == FINDING_PASS &&
           judge_path(check, check->request->route->op) == FINDING_PASS &&
           judge_owned(check) == FINDING_PASS;
}
