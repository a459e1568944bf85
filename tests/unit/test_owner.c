/* Owners: for every operation, what becomes of it when the role has one. */
#include "owner_helper.h"

/* ---- what must happen ------------------------------------------------------------------------ */

enum must {
    SHARED,   /* allowed as it is, for everybody */
    THERE,    /* allowed for everybody, by its ID */
    TAKEN,    /* '@' is the client's own, or refused by "owner" */
    OWN,      /* '@' is the client's own, or does not exist for him */
    LABELLED, /* what is sent makes it his own */
    NARROWED, /* what is sent asks for his own only */
    REFUSED,  /* by "owner" */
    IMAGE,    /* shared without owner.images, OWN with them */
    IMPORT,   /* shared without owner.images, refused with them */
    NAMES,    /* takes a name '@', with owner.images only one that is free or his own */
    LISTED,   /* shared without owner.images, narrowed with them */
};

// clang-format off
static const struct row {
    enum operation op;
    enum must must;
    const char *method, *target, *body; /* '@': the object */
} rows[] = {
    {OP_SystemPing, SHARED, "GET", "/_ping", NONE},
    {OP_SystemPingHead, SHARED, "HEAD", "/_ping", NONE},
    {OP_SystemVersion, SHARED, "GET", "/version", NONE},
    {OP_ContainerList, NARROWED, "GET", "/containers/json", NONE},
    {OP_ContainerList, NARROWED, "GET", "/containers/json?filters=%7B%22volume%22%3A%5B%22@%22%5D%7D", NONE},
    {OP_ContainerList, NARROWED, "GET", "/containers/json?filters=%7B%22label%22%3A%7B%22a%22%3Atrue%7D%7D", NONE},
    {OP_ContainerList, NARROWED, "GET", "/containers/json?filters=%7B%22name%22%3A%7B%22@%22%3Atrue%7D%7D", NONE},
    {OP_ContainerList, REFUSED, "GET", "/containers/json?filters=%7B%22label%22%3A%5B%22com.example.owner%3Dyou%22%5D%7D", NONE},
    {OP_ContainerList, REFUSED, "GET", "/containers/json?filters=%7B%22label%22%3A%7B%22com.example.owner%22%3Atrue%7D%7D", NONE},
    {OP_ContainerList, OWN, "GET", "/containers/json?filters=%7B%22since%22%3A%5B%22mine%22%2C%22@%22%5D%7D", NONE},
    {OP_ContainerList, OWN, "GET", "/containers/json?filters=%7B%22before%22%3A%7B%22@%22%3Atrue%7D%7D", NONE},
    {OP_ContainerInspect, OWN, "GET", "/containers/@/json", NONE},
    {OP_ContainerTop, OWN, "GET", "/containers/@/top", NONE},
    {OP_ContainerChanges, OWN, "GET", "/containers/@/changes", NONE},
    {OP_ContainerStats, OWN, "GET", "/containers/@/stats", NONE},
    {OP_ContainerWait, OWN, "POST", "/containers/@/wait", NONE},
    {OP_ExecInspect, OWN, "GET", "/exec/@/json", NONE},
    {OP_ImageList, LISTED, "GET", "/images/json", NONE},
    {OP_ImageList, IMAGE, "GET", "/images/json?filters=%7B%22before%22%3A%5B%22@%22%5D%7D", NONE},
    {OP_ImageInspect, IMAGE, "GET", "/images/@/json", NONE},
    {OP_ImageHistory, IMAGE, "GET", "/images/@/history", NONE},
    {OP_ImageAttestations, IMAGE, "GET", "/v1.55/images/@/attestations", NONE},
    {OP_VolumeList, NARROWED, "GET", "/volumes", NONE},
    {OP_VolumeInspect, OWN, "GET", "/volumes/@", NONE},
    {OP_NetworkList, NARROWED, "GET", "/networks", NONE},
    {OP_NetworkInspect, OWN, "GET", "/networks/@", NONE},
    {OP_NetworkInspect, THERE, "GET", "/networks/bridge", NONE},
    {OP_ServiceList, NARROWED, "GET", "/services", NONE},
    {OP_ServiceInspect, OWN, "GET", "/services/@", NONE},
    {OP_TaskList, SHARED, "GET", "/tasks", NONE}, /* its answer is filtered */
    {OP_TaskInspect, OWN, "GET", "/tasks/@", NONE},
    {OP_NodeList, SHARED, "GET", "/nodes", NONE},
    {OP_NodeInspect, SHARED, "GET", "/nodes/n", NONE},
    {OP_PluginList, SHARED, "GET", "/plugins", NONE},
    {OP_PluginInspect, SHARED, "GET", "/plugins/p/json", NONE},
    {OP_SystemInfo, SHARED, "GET", "/info", NONE},
    {OP_SystemEvents, NARROWED, "GET", "/events?since=1", NONE},
    {OP_SystemDataUsage, SHARED, "GET", "/system/df", NONE}, /* its answer is filtered */
    {OP_ContainerLogs, OWN, "GET", "/containers/@/logs?stdout=1", NONE},
    {OP_ContainerArchive, OWN, "GET", "/containers/@/archive?path=/x", NONE},
    {OP_ContainerArchiveInfo, OWN, "HEAD", "/containers/@/archive?path=/x", NONE},
    {OP_ContainerExport, OWN, "GET", "/containers/@/export", NONE},
    {OP_ImageGet, IMAGE, "GET", "/images/@/get", NONE},
    {OP_ImageGetAll, IMAGE, "GET", "/images/get?names=mine&names=@", NONE},
    {OP_ServiceLogs, OWN, "GET", "/services/@/logs?stdout=1", NONE},
    {OP_TaskLogs, OWN, "GET", "/tasks/@/logs?stdout=1", NONE},
    {OP_SecretList, NARROWED, "GET", "/secrets", NONE},
    {OP_SecretInspect, OWN, "GET", "/secrets/@", NONE},
    {OP_ConfigList, NARROWED, "GET", "/configs", NONE},
    {OP_ConfigInspect, OWN, "GET", "/configs/@", NONE},
    {OP_ContainerStart, OWN, "POST", "/containers/@/start", NONE},
    {OP_ContainerStop, OWN, "POST", "/containers/@/stop", NONE},
    {OP_ContainerRestart, OWN, "POST", "/containers/@/restart", NONE},
    {OP_ContainerKill, OWN, "POST", "/containers/@/kill", NONE},
    {OP_ContainerPause, OWN, "POST", "/containers/@/pause", NONE},
    {OP_ContainerUnpause, OWN, "POST", "/containers/@/unpause", NONE},
    {OP_ContainerRename, OWN, "POST", "/containers/@/rename?name=b", NONE},
    {OP_ContainerResize, OWN, "POST", "/containers/@/resize?h=1&w=1", NONE},
    {OP_ContainerUpdate, OWN, "POST", "/containers/@/update", "{\"CpuShares\":5}"},
    {OP_ExecResize, OWN, "POST", "/exec/@/resize?h=1&w=1", NONE},
    {OP_NetworkConnect, OWN, "POST", "/networks/mine/connect", "{\"Container\":\"@\"}"},
    {OP_NetworkConnect, OWN, "POST", "/networks/@/connect", "{\"Container\":\"mine\"}"},
    {OP_NetworkConnect, OWN, "POST", "/networks/bridge/connect", "{\"Container\":\"@\"}"},
    {OP_NetworkDisconnect, OWN, "POST", "/networks/mine/disconnect", "{\"Container\":\"@\"}"},
    {OP_NetworkDisconnect, OWN, "POST", "/networks/@/disconnect", "{\"Container\":\"mine\"}"},
    {OP_VolumeUpdate, OWN, "PUT", "/v1.42/volumes/@?version=1", "{}"},
    {OP_ImageTag, IMAGE, "POST", "/images/@/tag?repo=free&tag=1", NONE},
    {OP_ImageTag, NAMES, "POST", "/images/mine/tag?repo=@&tag=1", NONE},
    {OP_ContainerExec, OWN, "POST", "/containers/@/exec", "{\"Cmd\":[\"a\"]}"},
    {OP_ExecStart, OWN, "POST", "/exec/@/start", "{}"},
    {OP_ContainerAttach, OWN, "POST", "/containers/@/attach?stream=1", NONE},
    {OP_ContainerAttachWebsocket, OWN, "GET", "/containers/@/attach/ws?stream=1", NONE},
    {OP_PutContainerArchive, OWN, "PUT", "/containers/@/archive?path=/x", NONE},
    {OP_ContainerCreate, LABELLED, "POST", "/containers/create", "{\"Image\":\"mine\"}"},
    {OP_ContainerCreate, LABELLED, "POST", "/containers/create", "{\"Image\":\"mine\",\"Labels\":" THEIRS "}"},
    {OP_ContainerCreate, LABELLED, "POST", "/containers/create", "{\"Image\":\"mine\",\"Labels\":null}"},
    {OP_ContainerCreate, IMAGE, "POST", "/containers/create", "{\"Image\":\"@\"}"},
    {OP_ContainerCreate, IMAGE, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"@\",\"Target\":\"/x\"}]}}"},
    {OP_ContainerCreate, TAKEN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"Binds\":[\"@:/x\"]}}"},
    {OP_ContainerCreate, TAKEN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"@\",\"Target\":\"/x\"}]}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"VolumesFrom\":[\"@:ro\"]}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"NetworkMode\":\"container:@\"}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"PidMode\":\"container:@\"}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"IpcMode\":\"container:@\"}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"NetworkMode\":\"@\"}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"Links\":[\"@:db\"]}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"Links\":[\"@\"]}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"NetworkingConfig\":{\"EndpointsConfig\":{\"@\":{}}}}"},
    {OP_ContainerCreate, OWN, "POST", "/containers/create", "{\"Image\":\"mine\",\"NetworkingConfig\":{\"EndpointsConfig\":{\"bridge\":{\"Links\":[\"@:x\"]}}}}"},
    {OP_ContainerCreate, REFUSED, "POST", "/containers/create",
     "{\"Image\":\"mine\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\",\"VolumeOptions\":{\"Labels\":" THEIRS "}}]}}"},
    {OP_VolumeCreate, LABELLED, "POST", "/volumes/create", "{\"Name\":\"mine\"}"},
    {OP_VolumeCreate, LABELLED, "POST", "/volumes/create", "{\"Name\":\"new\",\"Labels\":" THEIRS "}"},
    {OP_VolumeCreate, LABELLED, "POST", "/volumes/create", "{}"},
    {OP_VolumeCreate, REFUSED, "POST", "/volumes/create", "{\"Name\":\"theirs\"}"},
    {OP_VolumeCreate, REFUSED, "POST", "/volumes/create", "{\"Name\":\"nobodys\"}"},
    {OP_NetworkCreate, LABELLED, "POST", "/networks/create", "{\"Name\":\"new\",\"Labels\":" THEIRS "}"},
    {OP_ImageCreate, SHARED, "POST", "/images/create?fromImage=nobodys&tag=1", NONE},
    {OP_ImageCreate, IMPORT, "POST", "/images/create?fromSrc=-&repo=new", NONE},
    {OP_ImageLoad, IMPORT, "POST", "/images/load", NONE},
    {OP_ImageCommit, OWN, "POST", "/commit?container=@&repo=new", NONE},
    {OP_ImageCommit, LABELLED, "POST", "/commit?container=mine&repo=new", NONE},
    {OP_ImageCommit, LABELLED, "POST", "/commit?container=mine&repo=new", "{\"Labels\":" THEIRS "}"},
    {OP_ImageCommit, LABELLED, "POST", "/commit?container=mine&repo=new", " null\n"},
    {OP_ImageCommit, NAMES, "POST", "/commit?container=mine&repo=@", NONE},
    {OP_ImageCommit, IMPORT, "POST", "/commit?container=mine&changes=LABEL%20com.example.owner%3Dyou", NONE},
    {OP_ImageBuild, LABELLED, "POST", "/build?t=new", NONE},
    {OP_ImageBuild, LABELLED, "POST", "/build?labels=%7B%22com.example.owner%22%3A%22you%22%7D", NONE},
    {OP_ImageBuild, NAMES, "POST", "/build?t=@", NONE},
    {OP_ImageBuild, OWN, "POST", "/build?networkmode=container%3A@", NONE},
    {OP_ImageBuild, OWN, "POST", "/build?networkmode=@", NONE},
    {OP_BuildCancel, SHARED, "POST", "/build/cancel?id=x", NONE}, /* an ID that only its maker knows */
    {OP_ContainerDelete, OWN, "DELETE", "/containers/@?force=1&v=1", NONE},
    {OP_ImageDelete, IMAGE, "DELETE", "/images/@", NONE},
    {OP_VolumeDelete, OWN, "DELETE", "/volumes/@", NONE},
    {OP_NetworkDelete, OWN, "DELETE", "/networks/@", NONE},
    {OP_ServiceDelete, OWN, "DELETE", "/services/@", NONE},
    {OP_SecretDelete, OWN, "DELETE", "/secrets/@", NONE},
    {OP_ConfigDelete, OWN, "DELETE", "/configs/@", NONE},
    {OP_NodeDelete, REFUSED, "DELETE", "/nodes/n", NONE},
    {OP_PluginDelete, REFUSED, "DELETE", "/plugins/p", NONE},
    {OP_ContainerPrune, NARROWED, "POST", "/containers/prune", NONE},
    {OP_ImagePrune, NARROWED, "POST", "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D", NONE},
    {OP_VolumePrune, NARROWED, "POST", "/v1.41/volumes/prune", NONE},
    {OP_VolumePrune, NARROWED, "POST", "/v1.42/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D", NONE},
    {OP_NetworkPrune, NARROWED, "POST", "/networks/prune", NONE},
    {OP_BuildPrune, REFUSED, "POST", "/build/prune", NONE},
    {OP_ImagePush, IMAGE, "POST", "/images/@/push?tag=1", NONE},
    {OP_ImageSearch, SHARED, "GET", "/images/search?term=x", NONE},
    {OP_DistributionInspect, SHARED, "GET", "/distribution/x/json", NONE},
    {OP_GetPluginPrivileges, SHARED, "GET", "/plugins/privileges?remote=x", NONE},
    {OP_SystemAuth, SHARED, "POST", "/auth", "{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"https://registry.example.com/v1/\"}"},
    {OP_ServiceCreate, LABELLED, "POST", "/services/create", "{\"Name\":\"s\",\"Labels\":" THEIRS ",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"mine\",\"Labels\":" THEIRS "}}}"},
    {OP_ServiceCreate, OWN, "POST", "/services/create", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"mine\"},\"Networks\":[{\"Target\":\"@\"}]}}"},
    {OP_ServiceCreate, OWN, "POST", "/services/create", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"mine\",\"Secrets\":[{\"SecretID\":\"@\",\"SecretName\":\"x\",\"File\":{\"Name\":\"x\"}}]}}}"},
    {OP_ServiceCreate, OWN, "POST", "/services/create", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"mine\",\"Configs\":[{\"ConfigID\":\"@\",\"ConfigName\":\"x\",\"File\":{\"Name\":\"x\"}}]}}}"},
    {OP_ServiceCreate, REFUSED, "POST", "/services/create", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"mine\",\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"mine\",\"Target\":\"/x\"}]}}}"},
    {OP_ServiceCreate, LABELLED, "POST", "/services/create", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"mine\",\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\"}]}}}"},
    {OP_ServiceUpdate, OWN, "POST", "/services/@/update?version=1", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"mine\"}}}"},
    {OP_ServiceUpdate, LABELLED, "POST", "/services/mine/update?version=1", "{\"Name\":\"s\",\"Labels\":" THEIRS "}"},
    {OP_SecretCreate, LABELLED, "POST", "/secrets/create", "{\"Name\":\"s\",\"Labels\":" THEIRS "}"},
    {OP_SecretUpdate, OWN, "POST", "/secrets/@/update?version=1", "{\"Name\":\"s\"}"},
    {OP_SecretUpdate, LABELLED, "POST", "/secrets/mine/update?version=1", "{\"Name\":\"s\",\"Labels\":{}}"},
    {OP_ConfigCreate, LABELLED, "POST", "/configs/create", "{\"Name\":\"s\",\"Labels\":" THEIRS "}"},
    {OP_ConfigUpdate, OWN, "POST", "/configs/@/update?version=1", "{\"Name\":\"s\"}"},
    {OP_ConfigUpdate, LABELLED, "POST", "/configs/mine/update?version=1", "{\"Name\":\"s\",\"Labels\":{}}"},
    {OP_SwarmInit, REFUSED, "POST", "/swarm/init", "{}"},
    {OP_SwarmJoin, REFUSED, "POST", "/swarm/join", "{}"},
    {OP_SwarmLeave, REFUSED, "POST", "/swarm/leave", NONE},
    {OP_SwarmUpdate, REFUSED, "POST", "/swarm/update?version=1", "{}"},
    {OP_SwarmUnlock, REFUSED, "POST", "/swarm/unlock", "{}"},
    {OP_NodeUpdate, REFUSED, "POST", "/nodes/n/update?version=1", "{}"},
    {OP_PluginPull, REFUSED, "POST", "/plugins/pull?remote=x", "[]"},
    {OP_PluginCreate, REFUSED, "POST", "/plugins/create?name=x", NONE},
    {OP_PluginEnable, REFUSED, "POST", "/plugins/p/enable", NONE},
    {OP_PluginDisable, REFUSED, "POST", "/plugins/p/disable", NONE},
    {OP_PluginUpgrade, REFUSED, "POST", "/plugins/p/upgrade?remote=x", "[]"},
    {OP_PluginPush, REFUSED, "POST", "/plugins/p/push", NONE},
    {OP_PluginSet, REFUSED, "POST", "/plugins/p/set", "[]"},
    {OP_SwarmInspect, REFUSED, "GET", "/swarm", NONE},
    {OP_SwarmUnlockkey, REFUSED, "GET", "/swarm/unlockkey", NONE},
    {OP_Session, SHARED, "POST", "/session", NONE}, /* serves the client's files, asks for none */
    {OP_Grpc, REFUSED, "POST", "/grpc", NONE},
    {OP_CheckpointList, OWN, "GET", "/containers/@/checkpoints", NONE},
    {OP_CheckpointCreate, OWN, "POST", "/containers/@/checkpoints", "{\"CheckpointID\":\"c\"}"},
    {OP_CheckpointDelete, OWN, "DELETE", "/containers/@/checkpoints/c", NONE},
};
// clang-format on

/* ---- rows ------------------------------------------------------------------------------------ */

static bool refused_by_owner(const struct decision *decision)
{
    return decision->verdict == VERDICT_DENY && decision->status == 403 && decision->rule &&
           strcmp(decision->rule, "owner") == 0 && decision->reason[0];
}

/* 409: a network at a create, see refuse_missing(). */
static bool missing(const struct decision *decision)
{
    return decision->verdict == VERDICT_DENY && !decision->rule && decision->reason[0] &&
           (decision->status == 404 || decision->status == 409);
}

/* The filters are lists alone or maps alone, and the label stands in them. */
static bool filter_is_sound(const struct world *world)
{
    bool lists = strstr(world->sent, "[") != NULL, maps = strstr(world->sent, ":true") != NULL;
    return strstr(world->sent, "\"" LABEL "=me\"") && lists != maps;
}

static bool holds(const struct world *world, enum must must, bool images, const char *object)
{
    const struct decision *decision = &world->decision;
    bool allowed = decision->verdict == VERDICT_ALLOW;
    bool mine = strcmp(object, "mine") == 0;
    switch (must) {
    case SHARED:
        return allowed && !world->changed;
    case THERE:
        return allowed;
    case OWN:
        return mine ? allowed : missing(decision);
    case TAKEN:
        return mine ? allowed : refused_by_owner(decision);
    case LABELLED:
        return allowed && strstr(world->sent, "\"" LABEL "\":\"me\"") &&
               !strstr(world->sent, "\"you\"");
    case NARROWED:
        return allowed && filter_is_sound(world);
    case REFUSED:
        return refused_by_owner(decision);
    case IMAGE:
        return images ? holds(world, OWN, images, object) : allowed;
    case IMPORT:
        return images ? refused_by_owner(decision) : allowed;
    case NAMES:
        return images && !mine ? refused_by_owner(decision) : allowed;
    case LISTED:
        return holds(world, images ? NARROWED : SHARED, images, object);
    }
    return false;
}

static bool row_holds(const struct row *row, bool images)
{
    static const char *const objects[] = {"mine", "theirs", "nobodys"};
    static struct world world;
    bool right = true;
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        world_decide(&world, images ? IMAGES : OWNER, row->method, row->target, row->body,
                     objects[i]);
        bool this_one =
            world.request.route->op == row->op && holds(&world, row->must, images, objects[i]);
        if (!this_one)
            print_error("%s %s %s, \"%s\"%s: %d, rule %s: %s; sent: %s\n", operation_name(row->op),
                        row->target, row->body, objects[i], images ? " with images" : "",
                        world.decision.status, world.decision.rule ? world.decision.rule : "-",
                        world.decision.reason, world.sent);
        right = right && this_one;
        world_end(&world);
    }
    return right;
}

static void test_operations(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        wrong += (size_t)!row_holds(&rows[i], false) + (size_t)!row_holds(&rows[i], true);
    assert_int_equal(wrong, 0);
}

/* What a new operation does to others is to be thought of, not to be forgotten. */
static void test_none_is_missing(void **state)
{
    (void)state;
    bool there[OP_COUNT] = {false};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        there[rows[i].op] = true;
    for (enum operation op = 0; op < OP_COUNT; op++)
        if (!there[op])
            fail_msg("no row says what becomes of %s under an owner", operation_name(op));
}

/* ---- volumes that a container brings into being ---------------------------------------------- */

static void test_made_volumes(void **state)
{
    (void)state;
    // clang-format off
    static const struct {
        const char *host, *made; /* NULL: none */
    } volumes[] = {
        {"\"Binds\":[\"new:/x\"]", "{\"Name\":\"new\",\"Driver\":\"local\",\"DriverOpts\":{},\"Labels\":{\"" LABEL "\":\"me\"}}"},
        {"\"Binds\":[\"new:/x\"],\"VolumeDriver\":\"nfs\"", "{\"Name\":\"new\",\"Driver\":\"nfs\",\"DriverOpts\":{},\"Labels\":{\"" LABEL "\":\"me\"}}"},
        {"\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"new\",\"Target\":\"/x\"}]", "{\"Name\":\"new\",\"Driver\":\"local\",\"DriverOpts\":{},\"Labels\":{\"" LABEL "\":\"me\"}}"},
        {"\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"new\",\"Target\":\"/x\",\"VolumeOptions\":{\"Labels\":{\"a\":\"1\",\"" LABEL "\":\"me\",\"b\":\"2\"},"
         "\"DriverConfig\":{\"Name\":\"d\",\"Options\":{\"type\" : \"tmpfs\",\"x\":\"\\u0041\"}}}}]",
         "{\"Name\":\"new\",\"Driver\":\"d\",\"DriverOpts\":{\"type\" : \"tmpfs\",\"x\":\"\\u0041\"},\"Labels\":{\"a\":\"1\",\"b\":\"2\",\"" LABEL "\":\"me\"}}"},
        {"\"Binds\":[\"mine:/x\"]", NULL},
        {"\"Binds\":[\"/host:/x\",\"/anonymous\"]", NULL},
        {"\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\"}]", NULL},
    };
    // clang-format on
    static struct world world;
    for (size_t i = 0; i < ARRAY_LEN(volumes); i++) {
        char body[1024];
        snprintf(body, sizeof(body), "{\"Image\":\"mine\",\"HostConfig\":{%s}}", volumes[i].host);
        world_decide(&world, OWNER, "POST", "/containers/create", body, "");
        if (world.decision.verdict != VERDICT_ALLOW)
            fail_msg("%s: %s", body, world.decision.reason);
        if (!str_is(world.made, volumes[i].made ? volumes[i].made : ""))
            fail_msg("%s: made %.*s", body, (int)world.made.n, world.made.p);
        world_end(&world);
    }
    world_decide(&world, OWNER, "POST", "/containers/create",
                 "{\"Image\":\"mine\",\"HostConfig\":{\"Binds\":[\"new:/x\",\"theirs:/y\"]}}", "");
    assert_true(refused_by_owner(&world.decision));
    assert_null(world.made.p); /* what is refused has made nothing */
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_none_is_missing),
        cmocka_unit_test(test_made_volumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
