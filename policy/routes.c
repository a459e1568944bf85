/* THE route table: method and path pattern -> operation, body kind, what may come back. A request
   that matches no row is refused. Nothing is decided here. */
#include "policy.h"

// clang-format off
static const struct {
    const char *name;
    enum op_class op_class;
} operations[OP_COUNT] = {
#define X(name, class) [OP_##name] = {#name, CLASS_##class},
    OPERATIONS(X)
#undef X
};

static const char *const class_names[CLASS_COUNT] = {
    [CLASS_PING] = "@ping", [CLASS_READ] = "@read", [CLASS_CONTENT] = "@content",
    [CLASS_CONTROL] = "@control", [CLASS_EXEC] = "@exec", [CLASS_CREATE] = "@create",
    [CLASS_BUILD] = "@build", [CLASS_DELETE] = "@delete", [CLASS_REGISTRY] = "@registry",
    [CLASS_SWARM] = "@swarm", [CLASS_ADMIN] = "@admin",
};

/* R: no body, an ordinary response. J: JSON body. O: opaque body. Names: S where '/' belongs to
   them. More specific paths stand before less specific ones of the same method. */
#define R(op, method, path, gist)        {OP_##op, method, path, BODY_NONE, FOLLOW_RESPONSE, false, gist}
#define RS(op, method, path, gist)       {OP_##op, method, path, BODY_NONE, FOLLOW_RESPONSE, true, gist}
#define J(op, method, path, gist)        {OP_##op, method, path, BODY_JSON, FOLLOW_RESPONSE, false, gist}
#define JS(op, method, path, gist)       {OP_##op, method, path, BODY_JSON, FOLLOW_RESPONSE, true, gist}
#define O(op, method, path, gist)        {OP_##op, method, path, BODY_OPAQUE, FOLLOW_RESPONSE, false, gist}
#define H(op, method, path, body, follow, gist) {OP_##op, method, path, body, follow, false, gist}

const struct route routes[] = {
    /* system */
    R(SystemPing,        "GET",  "/_ping",   "liveness and the daemon's API version"),
    R(SystemPingHead,    "HEAD", "/_ping",   "the same without a body; clients negotiate with it"),
    R(SystemVersion,     "GET",  "/version", "versions of the daemon and its parts"),
    R(SystemInfo,        "GET",  "/info",    "facts of the host: proxies, runtimes, registries, swarm"),
    R(SystemEvents,      "GET",  "/events",  "endless stream of everybody's events, exec commands included"),
    R(SystemDataUsage,   "GET",  "/system/df", "disk usage; walks the disk"),
    J(SystemAuth,        "POST", "/auth",    "the daemon contacts a server that the client names, with credentials"),

    /* containers */
    R(ContainerList,     "GET",  "/containers/json", "all containers with labels, mounts and ports"),
    J(ContainerCreate,   "POST", "/containers/create", "everything a container may be: the main point of a policy"),
    R(ContainerPrune,    "POST", "/containers/prune", "deletes every stopped container"),
    R(ContainerInspect,  "GET",  "/containers/{id}/json", "one container with its environment and mounts"),
    R(ContainerTop,      "GET",  "/containers/{id}/top", "processes; runs ps on the host"),
    R(ContainerLogs,     "GET",  "/containers/{id}/logs", "output of a container, perhaps endless"),
    R(ContainerChanges,  "GET",  "/containers/{id}/changes", "changed paths; walks the disk"),
    R(ContainerExport,   "GET",  "/containers/{id}/export", "the whole file system as tar"),
    R(ContainerStats,    "GET",  "/containers/{id}/stats", "resource usage, endless unless stream=0"),
    R(ContainerResize,   "POST", "/containers/{id}/resize", "size of a terminal"),
    R(ContainerStart,    "POST", "/containers/{id}/start", "runs a container that exists"),
    R(ContainerStop,     "POST", "/containers/{id}/stop", "stops a container"),
    R(ContainerRestart,  "POST", "/containers/{id}/restart", "stops and starts; starts a stopped one too"),
    R(ContainerKill,     "POST", "/containers/{id}/kill", "sends a signal"),
    J(ContainerUpdate,   "POST", "/containers/{id}/update", "changes limits and the restart policy"),
    R(ContainerRename,   "POST", "/containers/{id}/rename", "another name; names may then deceive"),
    R(ContainerPause,    "POST", "/containers/{id}/pause", "freezes a container"),
    R(ContainerUnpause,  "POST", "/containers/{id}/unpause", "thaws a container"),
    R(ContainerWait,     "POST", "/containers/{id}/wait", "answers when the container ends"),
    H(ContainerAttach,   "POST", "/containers/{id}/attach", BODY_NONE, FOLLOW_HIJACK, "input and output of the main process"),
    H(ContainerAttachWebsocket, "GET", "/containers/{id}/attach/ws", BODY_NONE, FOLLOW_WS, "a GET that gives input"),
    R(ContainerArchiveInfo, "HEAD", "/containers/{id}/archive", "facts of a path in a container"),
    R(ContainerArchive,  "GET",  "/containers/{id}/archive", "reads any path of a container, its mounts included"),
    O(PutContainerArchive, "PUT", "/containers/{id}/archive", "writes any path of a container, as root"),
    J(ContainerExec,     "POST", "/containers/{id}/exec", "prepares a command in a container"),
    R(CheckpointList,    "GET",  "/containers/{id}/checkpoints", "experimental; dir is a host path"),
    J(CheckpointCreate,  "POST", "/containers/{id}/checkpoints", "experimental; writes memory to a host path"),
    R(CheckpointDelete,  "DELETE", "/containers/{id}/checkpoints/{checkpoint}", "experimental; dir is a host path"),
    R(ContainerDelete,   "DELETE", "/containers/{id}", "removes a container, with v its volumes"),

    /* exec */
    H(ExecStart,         "POST", "/exec/{id}/start", BODY_JSON, FOLLOW_HIJACK, "runs a prepared command, with its input and output"),
    R(ExecResize,        "POST", "/exec/{id}/resize", "size of a terminal"),
    R(ExecInspect,       "GET",  "/exec/{id}/json", "one exec: command and state"),

    /* images */
    R(ImageList,         "GET",  "/images/json", "all images"),
    O(ImageCreate,       "POST", "/images/create", "pulls from a registry that the client names, or imports"),
    R(ImageSearch,       "GET",  "/images/search", "the daemon contacts the host in the term"),
    R(ImageGetAll,       "GET",  "/images/get", "images as tar"),
    O(ImageLoad,         "POST", "/images/load", "images from a tar that chooses its own names"),
    R(ImagePrune,        "POST", "/images/prune", "deletes unused images"),
    O(ImageBuild,        "POST", "/build", "runs what a Dockerfile says, as root, with the network"),
    R(BuildCancel,       "POST", "/build/cancel", "ends a build"),
    R(BuildPrune,        "POST", "/build/prune", "deletes build cache"),
    J(ImageCommit,       "POST", "/commit", "makes an image of a container, under a name of choice"),
    RS(ImageAttestations, "GET", "/images/{name}/attestations", "attestations of an image"),
    RS(ImageGet,         "GET",  "/images/{name}/get", "an image as tar"),
    RS(ImageHistory,     "GET",  "/images/{name}/history", "layers with build arguments"),
    RS(ImageInspect,     "GET",  "/images/{name}/json", "one image with its environment"),
    RS(ImagePush,        "POST", "/images/{name}/push", "sends an image to any registry"),
    RS(ImageTag,         "POST", "/images/{name}/tag", "another name for an image"),
    RS(ImageDelete,      "DELETE", "/images/{name}", "removes an image or a name"),
    RS(DistributionInspect, "GET", "/distribution/{name}/json", "the daemon contacts a registry that the client names"),

    /* networks */
    R(NetworkList,       "GET",  "/networks", "all networks"),
    R(NetworkList,       "GET",  "/networks/", "all networks"),
    J(NetworkCreate,     "POST", "/networks/create", "a network; drivers and options reach host interfaces"),
    R(NetworkPrune,      "POST", "/networks/prune", "deletes unused networks"),
    J(NetworkConnect,    "POST", "/networks/{id}/connect", "joins a container to a network, under aliases"),
    J(NetworkDisconnect, "POST", "/networks/{id}/disconnect", "takes a container off a network"),
    R(NetworkInspect,    "GET",  "/networks/{id}", "one network"),
    R(NetworkDelete,     "DELETE", "/networks/{id}", "removes a network"),

    /* volumes */
    R(VolumeList,        "GET",  "/volumes", "all volumes with their driver options"),
    J(VolumeCreate,      "POST", "/volumes/create", "a volume; driver options can mount anything of the host"),
    R(VolumePrune,       "POST", "/volumes/prune", "deletes unused volumes and their data"),
    R(VolumeInspect,     "GET",  "/volumes/{name}", "one volume"),
    J(VolumeUpdate,      "PUT",  "/volumes/{name}", "changes a cluster volume"),
    R(VolumeDelete,      "DELETE", "/volumes/{name}", "removes a volume and its data"),

    /* swarm */
    R(SwarmInspect,      "GET",  "/swarm", "the join tokens of workers and managers"),
    J(SwarmInit,         "POST", "/swarm/init", "makes this daemon a manager"),
    J(SwarmJoin,         "POST", "/swarm/join", "a foreign manager may then run anything here"),
    R(SwarmLeave,        "POST", "/swarm/leave", "leaves the swarm"),
    J(SwarmUpdate,       "POST", "/swarm/update", "changes the swarm, its tokens and CA"),
    R(SwarmUnlockkey,    "GET",  "/swarm/unlockkey", "the unlock key in clear"),
    J(SwarmUnlock,       "POST", "/swarm/unlock", "unlocks a manager"),
    R(NodeList,          "GET",  "/nodes", "all nodes"),
    J(NodeUpdate,        "POST", "/nodes/{id}/update", "role and availability of a node"),
    R(NodeInspect,       "GET",  "/nodes/{id}", "one node"),
    R(NodeDelete,        "DELETE", "/nodes/{id}", "removes a node"),
    R(ServiceList,       "GET",  "/services", "all services"),
    J(ServiceCreate,     "POST", "/services/create", "containers by another way"),
    R(ServiceLogs,       "GET",  "/services/{id}/logs", "output of a service"),
    J(ServiceUpdate,     "POST", "/services/{id}/update", "containers by another way"),
    R(ServiceInspect,    "GET",  "/services/{id}", "one service with its environment"),
    R(ServiceDelete,     "DELETE", "/services/{id}", "removes a service"),
    R(TaskList,          "GET",  "/tasks", "all tasks"),
    R(TaskLogs,          "GET",  "/tasks/{id}/logs", "output of a task"),
    R(TaskInspect,       "GET",  "/tasks/{id}", "one task"),
    R(SecretList,        "GET",  "/secrets", "all secrets, without their data"),
    J(SecretCreate,      "POST", "/secrets/create", "a secret"),
    J(SecretUpdate,      "POST", "/secrets/{id}/update", "labels of a secret"),
    R(SecretInspect,     "GET",  "/secrets/{id}", "one secret, without its data"),
    R(SecretDelete,      "DELETE", "/secrets/{id}", "removes a secret"),
    R(ConfigList,        "GET",  "/configs", "all configs with their data"),
    J(ConfigCreate,      "POST", "/configs/create", "a config"),
    J(ConfigUpdate,      "POST", "/configs/{id}/update", "labels of a config"),
    R(ConfigInspect,     "GET",  "/configs/{id}", "one config with its data"),
    R(ConfigDelete,      "DELETE", "/configs/{id}", "removes a config"),

    /* plugins: code that runs as root of the host */
    R(PluginList,        "GET",  "/plugins", "all plugins"),
    R(GetPluginPrivileges, "GET", "/plugins/privileges", "the daemon contacts a registry that the client names"),
    J(PluginPull,        "POST", "/plugins/pull", "installs code that runs as root of the host"),
    O(PluginCreate,      "POST", "/plugins/create", "installs code that runs as root of the host"),
    RS(PluginInspect,    "GET",  "/plugins/{name}/json", "one plugin"),
    RS(PluginEnable,     "POST", "/plugins/{name}/enable", "runs a plugin as root of the host"),
    RS(PluginDisable,    "POST", "/plugins/{name}/disable", "may stop an authorization plugin"),
    JS(PluginUpgrade,    "POST", "/plugins/{name}/upgrade", "replaces code that runs as root of the host"),
    RS(PluginPush,       "POST", "/plugins/{name}/push", "sends a plugin to any registry"),
    JS(PluginSet,        "POST", "/plugins/{name}/set", "may set mounts, devices and environment of a plugin"),
    RS(PluginDelete,     "DELETE", "/plugins/{name}", "removes a plugin"),

    /* BuildKit */
    H(Session,           "POST", "/session", BODY_NONE, FOLLOW_H2C, "a tunnel that is not inspected: files, secrets, ssh of the client"),
    H(Grpc,              "POST", "/grpc", BODY_NONE, FOLLOW_H2C, "a tunnel that is not inspected: BuildKit's control interface"),
};
// clang-format on

const size_t routes_count = ARRAY_LEN(routes);

const char *operation_name(enum operation op)
{
    return (unsigned)op < OP_COUNT ? operations[op].name : "";
}

enum op_class operation_class(enum operation op)
{
    return operations[op].op_class;
}

const char *class_name(enum op_class op_class)
{
    return (unsigned)op_class < CLASS_COUNT ? class_names[op_class] : "";
}
