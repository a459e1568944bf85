/* THE query-parameter table: every parameter that dockerd 20.10 to 28 reads, and what the newest
   API adds. What is not here is dropped, or refused where a lost filter would destroy more. */
#include "checks.h"

#define PLAIN(op, name, type, note)                   \
    {                                                 \
        OP_##op, name, type, NULL, false, false, note \
    }
#define JUDGED(op, name, type, check, note)            \
    {                                                  \
        OP_##op, name, type, check, false, false, note \
    }
#define SECRET(op, name, type, check, note)           \
    {                                                 \
        OP_##op, name, type, check, false, true, note \
    }
#define OPEN(op, name, type, note)                   \
    {                                                \
        OP_##op, name, type, NULL, true, false, note \
    }

// clang-format off
const struct param_row param_rows[] = {
    PLAIN(ContainerList, "all", PARAM_BOOL, "which containers are listed"),
    PLAIN(ContainerList, "limit", PARAM_INT, "how many are listed"),
    PLAIN(ContainerList, "size", PARAM_BOOL, "sizes too: walks disks, and is no more than inspect shows"),
    PLAIN(ContainerList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(ContainerList, "since", PARAM_TEXT, "narrows the list; older daemons"),
    PLAIN(ContainerList, "before", PARAM_TEXT, "narrows the list; older daemons"),
    JUDGED(ContainerCreate, "name", PARAM_TEXT, param_container_name,
           "a name can shadow the ID of another container"),
    PLAIN(ContainerCreate, "platform", PARAM_TEXT, "which variant of the image"),
    PLAIN(ContainerInspect, "size", PARAM_BOOL, "sizes too: walks one disk"),
    OPEN(ContainerTop, "ps_args", PARAM_TEXT,
         "runs ps on the host with these options: \"e\" shows environments"),
    PLAIN(ContainerLogs, "follow", PARAM_BOOL, "waits for more"),
    PLAIN(ContainerLogs, "stdout", PARAM_BOOL, "which stream"),
    PLAIN(ContainerLogs, "stderr", PARAM_BOOL, "which stream"),
    PLAIN(ContainerLogs, "since", PARAM_TEXT, "narrows the output"),
    PLAIN(ContainerLogs, "until", PARAM_TEXT, "narrows the output"),
    PLAIN(ContainerLogs, "timestamps", PARAM_BOOL, "form of the output"),
    PLAIN(ContainerLogs, "tail", PARAM_TEXT, "narrows the output"),
    PLAIN(ContainerLogs, "details", PARAM_BOOL, "attributes that the log driver was given"),
    PLAIN(ContainerStats, "stream", PARAM_BOOL, "once or for ever"),
    PLAIN(ContainerStats, "one-shot", PARAM_BOOL, "one sample"),
    PLAIN(ContainerResize, "h", PARAM_INT, "rows of a terminal"),
    PLAIN(ContainerResize, "w", PARAM_INT, "columns of a terminal"),
    PLAIN(ContainerStart, "detachKeys", PARAM_TEXT, "read by the client"),
    OPEN(ContainerStart, "checkpoint", PARAM_TEXT, "starts from saved memory"),
    OPEN(ContainerStart, "checkpoint-dir", PARAM_TEXT, "a host path that the daemon reads as root"),
    PLAIN(ContainerStop, "signal", PARAM_TEXT, "a signal to the container's own process"),
    JUDGED(ContainerStop, "t", PARAM_INT, param_stop_timeout,
           "seconds of grace; without an end the daemon cannot stop"),
    PLAIN(ContainerRestart, "signal", PARAM_TEXT, "a signal to the container's own process"),
    JUDGED(ContainerRestart, "t", PARAM_INT, param_stop_timeout,
           "seconds of grace; without an end the daemon cannot stop"),
    PLAIN(ContainerKill, "signal", PARAM_TEXT, "a signal to the container's own process"),
    JUDGED(ContainerRename, "name", PARAM_TEXT, param_container_name,
           "a name can shadow the ID of another container"),
    PLAIN(ContainerAttach, "detachKeys", PARAM_TEXT, "keys that end the connection"),
    PLAIN(ContainerAttach, "logs", PARAM_BOOL, "output so far"),
    PLAIN(ContainerAttach, "stream", PARAM_BOOL, "output to come"),
    PLAIN(ContainerAttach, "stdin", PARAM_BOOL, "input, which the operation itself is about"),
    PLAIN(ContainerAttach, "stdout", PARAM_BOOL, "which stream"),
    PLAIN(ContainerAttach, "stderr", PARAM_BOOL, "which stream"),
    PLAIN(ContainerAttachWebsocket, "detachKeys", PARAM_TEXT, "keys that end the connection"),
    PLAIN(ContainerAttachWebsocket, "logs", PARAM_BOOL, "output so far"),
    PLAIN(ContainerAttachWebsocket, "stream", PARAM_BOOL, "output to come"),
    PLAIN(ContainerAttachWebsocket, "stdin", PARAM_BOOL, "input, which the operation itself is about"),
    PLAIN(ContainerAttachWebsocket, "stdout", PARAM_BOOL, "which stream"),
    PLAIN(ContainerAttachWebsocket, "stderr", PARAM_BOOL, "which stream"),
    PLAIN(ContainerWait, "condition", PARAM_TEXT, "what is waited for"),
    PLAIN(ContainerDelete, "v", PARAM_BOOL, "anonymous volumes of the container too"),
    PLAIN(ContainerDelete, "force", PARAM_BOOL, "a running one too"),
    OPEN(ContainerDelete, "link", PARAM_BOOL,
         "removes a link, which is a name of another container"),
    PLAIN(ContainerArchiveInfo, "path", PARAM_TEXT, "a path inside the container"),
    PLAIN(ContainerArchive, "path", PARAM_TEXT, "a path inside the container"),
    PLAIN(PutContainerArchive, "path", PARAM_TEXT, "a path inside the container"),
    PLAIN(PutContainerArchive, "noOverwriteDirNonDir", PARAM_TEXT, "keeps a folder from becoming a file"),
    PLAIN(PutContainerArchive, "copyUIDGID", PARAM_TEXT, "owners as in the archive"),
    PLAIN(ContainerPrune, "filters", PARAM_TEXT, "narrows what is removed"),
    PLAIN(ContainerPrune, "stream", PARAM_BOOL, "form of the answer"),
    PLAIN(ImageList, "all", PARAM_BOOL, "intermediate images too"),
    PLAIN(ImageList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(ImageList, "filter", PARAM_TEXT, "narrows the list; older daemons"),
    PLAIN(ImageList, "shared-size", PARAM_BOOL, "sizes too"),
    PLAIN(ImageList, "digests", PARAM_BOOL, "digests too"),
    PLAIN(ImageList, "manifests", PARAM_BOOL, "manifests too"),
    PLAIN(ImageList, "identity", PARAM_BOOL, "where images come from"),
    PLAIN(ImageBuild, "dockerfile", PARAM_TEXT, "a path in the build context"),
    JUDGED(ImageBuild, "t", PARAM_LIST, param_build_tag,
           "puts other content under a name that others trust"),
    JUDGED(ImageBuild, "extrahosts", PARAM_LIST, param_build_hosts,
           "lines of /etc/hosts during the build, also for the host itself"),
    SECRET(ImageBuild, "remote", PARAM_TEXT, param_build_remote,
           "an address that the daemon fetches the context from; may hold credentials"),
    PLAIN(ImageBuild, "q", PARAM_BOOL, "form of the output"),
    PLAIN(ImageBuild, "nocache", PARAM_BOOL, "speed only"),
    JUDGED(ImageBuild, "cachefrom", PARAM_TEXT, param_build_cache,
           "images whose layers become part of the result"),
    PLAIN(ImageBuild, "pull", PARAM_TEXT, "asks the registries that the Dockerfile names anyway"),
    PLAIN(ImageBuild, "rm", PARAM_BOOL, "removes intermediate containers"),
    PLAIN(ImageBuild, "forcerm", PARAM_BOOL, "removes intermediate containers"),
    PLAIN(ImageBuild, "memory", PARAM_INT, "limits RUN, which has no limit without it"),
    PLAIN(ImageBuild, "memswap", PARAM_INT, "limits RUN, which has no limit without it"),
    PLAIN(ImageBuild, "cpushares", PARAM_INT, "a weight among containers"),
    PLAIN(ImageBuild, "cpusetcpus", PARAM_TEXT, "which processors, not how much of them"),
    PLAIN(ImageBuild, "cpusetmems", PARAM_TEXT, "which memory nodes"),
    PLAIN(ImageBuild, "cpuperiod", PARAM_INT, "limits RUN, which has no limit without it"),
    PLAIN(ImageBuild, "cpuquota", PARAM_INT, "limits RUN, which has no limit without it"),
    SECRET(ImageBuild, "buildargs", PARAM_TEXT, NULL,
           "values for the Dockerfile; often credentials"),
    PLAIN(ImageBuild, "shmsize", PARAM_INT, "size of /dev/shm: memory that RUN could take otherwise"),
    PLAIN(ImageBuild, "squash", PARAM_BOOL, "one layer of the same content"),
    PLAIN(ImageBuild, "labels", PARAM_TEXT, "labels of the result, as the Dockerfile can set them too"),
    JUDGED(ImageBuild, "networkmode", PARAM_TEXT, param_build_network,
           "the network of RUN: the host's, or another container's"),
    PLAIN(ImageBuild, "platform", PARAM_TEXT, "which variant"),
    PLAIN(ImageBuild, "target", PARAM_TEXT, "which stage"),
    JUDGED(ImageBuild, "outputs", PARAM_TEXT, param_build_outputs,
           "where the result goes, registries among others"),
    JUDGED(ImageBuild, "version", PARAM_TEXT, param_build_version,
           "2 is BuildKit, whose session is not inspected"),
    JUDGED(ImageBuild, "session", PARAM_TEXT, param_build_session,
           "the BuildKit session that brings the context"),
    PLAIN(ImageBuild, "buildid", PARAM_TEXT, "a name to cancel by"),
    JUDGED(ImageBuild, "isolation", PARAM_TEXT, param_build_isolation, "Windows only"),
    PLAIN(ImageBuild, "ulimits", PARAM_TEXT, "limits of each process of RUN, which runs as root"),
    JUDGED(ImageBuild, "securityopt", PARAM_LIST, param_build_security,
           "switches the confinement of RUN off"),
    JUDGED(ImageBuild, "cgroupparent", PARAM_TEXT, param_build_cgroup,
           "leaves the daemon's cgroup and its limits"),
    PLAIN(BuildCancel, "id", PARAM_TEXT, "the build that is cancelled"),
    PLAIN(BuildPrune, "keep-storage", PARAM_INT, "bytes that are kept"),
    PLAIN(BuildPrune, "reserved-space", PARAM_INT, "bytes that are kept"),
    PLAIN(BuildPrune, "max-used-space", PARAM_INT, "bytes that are kept"),
    PLAIN(BuildPrune, "min-free-space", PARAM_INT, "bytes that are freed"),
    PLAIN(BuildPrune, "all", PARAM_BOOL, "all of the cache"),
    PLAIN(BuildPrune, "filters", PARAM_TEXT, "narrows what is removed"),
    PLAIN(BuildPrune, "stream", PARAM_BOOL, "form of the answer"),
    JUDGED(ImageCreate, "fromImage", PARAM_TEXT, param_from_image,
           "the registry that the daemon fetches from, and the image it gets"),
    SECRET(ImageCreate, "fromSrc", PARAM_TEXT, param_from_src,
           "content of the client's choice, or an address that the daemon fetches"),
    PLAIN(ImageCreate, "repo", PARAM_TEXT, "name of an import, judged with fromSrc"),
    PLAIN(ImageCreate, "tag", PARAM_TEXT, "judged with fromImage, or with fromSrc"),
    PLAIN(ImageCreate, "message", PARAM_TEXT, "a comment"),
    SECRET(ImageCreate, "changes", PARAM_LIST, param_changes,
           "labels, environment and places that containers of an import get"),
    PLAIN(ImageCreate, "platform", PARAM_TEXT, "which variant"),
    PLAIN(ImageInspect, "manifests", PARAM_BOOL, "manifests too"),
    PLAIN(ImageInspect, "platform", PARAM_TEXT, "which variant"),
    PLAIN(ImageAttestations, "platform", PARAM_LIST, "which variant"),
    PLAIN(ImageAttestations, "type", PARAM_LIST, "narrows the list"),
    PLAIN(ImageAttestations, "statement", PARAM_BOOL, "the statements too"),
    PLAIN(ImageHistory, "platform", PARAM_TEXT, "which variant"),
    PLAIN(ImagePush, "tag", PARAM_TEXT, "which tag of the name in the path, which is judged"),
    PLAIN(ImagePush, "platform", PARAM_TEXT, "which variant"),
    JUDGED(ImageTag, "repo", PARAM_TEXT, param_tag_repo,
           "puts an image under a name that others trust"),
    PLAIN(ImageTag, "tag", PARAM_TEXT, "judged with repo"),
    PLAIN(ImageDelete, "force", PARAM_BOOL, "also one with several names"),
    PLAIN(ImageDelete, "noprune", PARAM_BOOL, "keeps parents"),
    PLAIN(ImageDelete, "platforms", PARAM_LIST, "which variants"),
    JUDGED(ImageSearch, "term", PARAM_TEXT, param_search_term,
           "its first part is a registry that the daemon talks to"),
    PLAIN(ImageSearch, "limit", PARAM_INT, "how many are listed"),
    PLAIN(ImageSearch, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(ImagePrune, "filters", PARAM_TEXT, "narrows what is removed"),
    PLAIN(ImagePrune, "stream", PARAM_BOOL, "form of the answer"),
    JUDGED(ImageCommit, "container", PARAM_TEXT, param_container,
           "the container that becomes an image; a link alias would name another"),
    JUDGED(ImageCommit, "repo", PARAM_TEXT, param_tag_repo,
           "puts other content under a name that others trust"),
    PLAIN(ImageCommit, "tag", PARAM_TEXT, "judged with repo"),
    PLAIN(ImageCommit, "comment", PARAM_TEXT, "a comment"),
    PLAIN(ImageCommit, "author", PARAM_TEXT, "a comment"),
    PLAIN(ImageCommit, "pause", PARAM_BOOL, "pauses the container meanwhile"),
    SECRET(ImageCommit, "changes", PARAM_LIST, param_changes,
           "labels, environment and places that containers of the image get"),
    PLAIN(SystemEvents, "since", PARAM_TEXT, "narrows the stream"),
    PLAIN(SystemEvents, "until", PARAM_TEXT, "ends the stream"),
    PLAIN(SystemEvents, "filters", PARAM_TEXT, "narrows the stream"),
    PLAIN(SystemDataUsage, "type", PARAM_LIST, "narrows the report"),
    PLAIN(SystemDataUsage, "verbose", PARAM_BOOL, "details"),
    PLAIN(ImageGet, "platform", PARAM_LIST, "which variant"),
    PLAIN(ImageGetAll, "names", PARAM_LIST, "which images"),
    PLAIN(ImageGetAll, "platform", PARAM_LIST, "which variant"),
    PLAIN(ImageLoad, "quiet", PARAM_BOOL, "form of the output"),
    PLAIN(ImageLoad, "platform", PARAM_LIST, "which variant"),
    PLAIN(ExecResize, "h", PARAM_INT, "rows of a terminal"),
    PLAIN(ExecResize, "w", PARAM_INT, "columns of a terminal"),
    PLAIN(VolumeList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(VolumeUpdate, "version", PARAM_INT, "the version that is changed"),
    PLAIN(VolumeDelete, "force", PARAM_BOOL, "also when the driver does not know it"),
    PLAIN(VolumePrune, "filters", PARAM_TEXT, "narrows what is removed"),
    PLAIN(VolumePrune, "stream", PARAM_BOOL, "form of the answer"),
    PLAIN(NetworkList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(NetworkInspect, "verbose", PARAM_BOOL, "details"),
    PLAIN(NetworkInspect, "scope", PARAM_TEXT, "narrows the search"),
    PLAIN(NetworkPrune, "filters", PARAM_TEXT, "narrows what is removed"),
    PLAIN(NetworkPrune, "stream", PARAM_BOOL, "form of the answer"),
    PLAIN(PluginList, "filters", PARAM_TEXT, "narrows the list"),
    JUDGED(GetPluginPrivileges, "remote", PARAM_TEXT, param_plugin_asked,
           "the registry that the daemon talks to"),
    JUDGED(PluginPull, "remote", PARAM_TEXT, param_plugin_remote,
           "the plugin that is installed, to run as root of the host"),
    JUDGED(PluginPull, "name", PARAM_TEXT, param_plugin_name, "its local name"),
    PLAIN(PluginDelete, "force", PARAM_BOOL, "also one in use"),
    PLAIN(PluginEnable, "timeout", PARAM_INT, "seconds to wait"),
    PLAIN(PluginDisable, "force", PARAM_BOOL, "also one in use"),
    JUDGED(PluginUpgrade, "remote", PARAM_TEXT, param_plugin_remote,
           "the plugin that is installed, to run as root of the host"),
    JUDGED(PluginCreate, "name", PARAM_TEXT, param_plugin_name, "its local name"),
    PLAIN(NodeList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(NodeDelete, "force", PARAM_BOOL, "also one that runs tasks"),
    PLAIN(NodeUpdate, "version", PARAM_INT, "the version that is changed"),
    PLAIN(SwarmLeave, "force", PARAM_BOOL, "also the last manager"),
    PLAIN(SwarmUpdate, "version", PARAM_INT, "the version that is changed"),
    PLAIN(SwarmUpdate, "rotateWorkerToken", PARAM_BOOL, "a new token"),
    PLAIN(SwarmUpdate, "rotateManagerToken", PARAM_BOOL, "a new token"),
    PLAIN(SwarmUpdate, "rotateManagerUnlockKey", PARAM_BOOL, "a new key"),
    PLAIN(ServiceList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(ServiceList, "status", PARAM_BOOL, "counts of tasks"),
    PLAIN(ServiceInspect, "insertDefaults", PARAM_BOOL, "default values too"),
    PLAIN(ServiceUpdate, "version", PARAM_INT, "the version that is changed"),
    PLAIN(ServiceUpdate, "registryAuthFrom", PARAM_TEXT, "which credentials are used"),
    OPEN(ServiceUpdate, "rollback", PARAM_BOOL, "goes back to a service that was not judged here"),
    PLAIN(ServiceLogs, "details", PARAM_BOOL, "attributes that the log driver was given"),
    PLAIN(ServiceLogs, "follow", PARAM_BOOL, "waits for more"),
    PLAIN(ServiceLogs, "stdout", PARAM_BOOL, "which stream"),
    PLAIN(ServiceLogs, "stderr", PARAM_BOOL, "which stream"),
    PLAIN(ServiceLogs, "since", PARAM_TEXT, "narrows the output"),
    PLAIN(ServiceLogs, "timestamps", PARAM_BOOL, "form of the output"),
    PLAIN(ServiceLogs, "tail", PARAM_TEXT, "narrows the output"),
    PLAIN(TaskList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(TaskLogs, "details", PARAM_BOOL, "attributes that the log driver was given"),
    PLAIN(TaskLogs, "follow", PARAM_BOOL, "waits for more"),
    PLAIN(TaskLogs, "stdout", PARAM_BOOL, "which stream"),
    PLAIN(TaskLogs, "stderr", PARAM_BOOL, "which stream"),
    PLAIN(TaskLogs, "since", PARAM_TEXT, "narrows the output"),
    PLAIN(TaskLogs, "timestamps", PARAM_BOOL, "form of the output"),
    PLAIN(TaskLogs, "tail", PARAM_TEXT, "narrows the output"),
    PLAIN(SecretList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(SecretUpdate, "version", PARAM_INT, "the version that is changed"),
    PLAIN(ConfigList, "filters", PARAM_TEXT, "narrows the list"),
    PLAIN(ConfigUpdate, "version", PARAM_INT, "the version that is changed"),
    OPEN(CheckpointList, "dir", PARAM_TEXT, "a host path that the daemon reads as root"),
    OPEN(CheckpointDelete, "dir", PARAM_TEXT, "a host path that the daemon removes from as root"),
};
// clang-format on

const size_t param_rows_count = ARRAY_LEN(param_rows);

const struct param_row *param_find(enum operation op, struct str name)
{
    for (size_t i = 0; i < param_rows_count; i++)
        if (param_rows[i].op == op && str_is(name, param_rows[i].name))
            return &param_rows[i];
    return NULL;
}

struct str request_param(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->param_count; i++)
        if (strcmp(request->params[i].row->name, name) == 0)
            return request->params[i].value.p ? request->params[i].value : STR("");
    return (struct str){NULL, 0};
}

bool param_false(struct str value)
{
    static const char *const words[] = {"", "0", "no", "false", "none"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_ieq(value, str_of(words[i])))
            return true;
    return false;
}

void request_set_param(struct request *request, const char *name, struct str value)
{
    for (size_t i = 0; i < request->param_count; i++)
        if (strcmp(request->params[i].row->name, name) == 0)
            request->params[i].value = value;
}
