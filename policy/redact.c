/* Where answers of the daemon hold environments, labels and host paths, and how these are emptied;
   see include/redact.h. Answers are taken apart by pieces, so that they may hold any number of
   values. */
#include "redact.h"

#include "pieces.h"

enum {
    TRACKS_MAX = 64, /* rows of one operation */
    COPY_LEVELS = 3, /* of brackets above what is scanned as one document */
    LEVELS_MAX = 16, /* of brackets above and around a place; the deepest has 9 */
};

/* ---- the table ------------------------------------------------------------------------------- */

// clang-format off
/* The 2xx answers (api/swagger.yaml of moby). An operation without a row is refused. */
static const struct answer_row {
    enum redact_way way;
    unsigned refused;   /* kinds with which the whole operation is */
    const char *member; /* of REDACT_LIST */
} answers[OP_COUNT] = {
#define NOTHING(name)      [OP_##name] = {REDACT_NOTHING, 0, NULL},
#define WHOLE(name)        [OP_##name] = {REDACT_WHOLE, 0, NULL},
#define LIST(name, member) [OP_##name] = {REDACT_LIST, 0, member},
    LIST(ContainerList, NULL) WHOLE(ContainerInspect)
    LIST(ImageList, NULL) WHOLE(ImageInspect) LIST(ImageHistory, NULL) WHOLE(DistributionInspect)
    LIST(VolumeList, "Volumes") WHOLE(VolumeInspect) WHOLE(VolumeCreate)
    LIST(NetworkList, NULL) WHOLE(NetworkInspect)
    LIST(ServiceList, NULL) WHOLE(ServiceInspect) LIST(TaskList, NULL) WHOLE(TaskInspect)
    LIST(NodeList, NULL) WHOLE(NodeInspect) WHOLE(SwarmInspect)
    LIST(SecretList, NULL) WHOLE(SecretInspect) LIST(ConfigList, NULL) WHOLE(ConfigInspect)
    LIST(PluginList, NULL) WHOLE(PluginInspect)
    WHOLE(SystemInfo) WHOLE(SystemDataUsage)
    [OP_SystemEvents] = {REDACT_LINES, 0, NULL},
    /* Its head comes before the container has ended, and clients wait for that. */
    [OP_ContainerWait] = {REDACT_LINES, 0, NULL},
    /* Statements of any form: a provenance holds the build's arguments and labels. */
    [OP_ImageAttestations] = {REDACT_NOTHING, REDACT_ENV | REDACT_LABELS, NULL},

    NOTHING(SystemPing) NOTHING(SystemPingHead) NOTHING(SystemVersion) NOTHING(SystemAuth)
    NOTHING(ContainerTop) NOTHING(ContainerChanges) NOTHING(ContainerStats)
    NOTHING(ExecInspect) NOTHING(CheckpointList)
    /* IDs, names, warnings and progress. */
    NOTHING(ContainerCreate) NOTHING(NetworkCreate) NOTHING(ServiceCreate) NOTHING(SecretCreate)
    NOTHING(ConfigCreate) NOTHING(PluginCreate) NOTHING(CheckpointCreate) NOTHING(ContainerExec)
    NOTHING(ImageCreate) NOTHING(ImageLoad) NOTHING(ImageCommit) NOTHING(ImageBuild)
    NOTHING(ImagePush) NOTHING(ImageSearch) NOTHING(ImageTag) NOTHING(BuildCancel)
    NOTHING(PluginPull) NOTHING(PluginPush) NOTHING(PluginUpgrade) NOTHING(GetPluginPrivileges)
    NOTHING(ContainerUpdate) NOTHING(ServiceUpdate) NOTHING(SwarmInit) NOTHING(SwarmUnlockkey)
    NOTHING(ContainerPrune) NOTHING(ImagePrune) NOTHING(VolumePrune) NOTHING(NetworkPrune)
    NOTHING(BuildPrune) NOTHING(ImageDelete)
    /* Nothing at all. */
    NOTHING(ContainerStart) NOTHING(ContainerStop) NOTHING(ContainerRestart) NOTHING(ContainerKill)
    NOTHING(ContainerPause) NOTHING(ContainerUnpause) NOTHING(ContainerRename)
    NOTHING(ContainerResize) NOTHING(ExecResize) NOTHING(NetworkConnect)
    NOTHING(NetworkDisconnect) NOTHING(VolumeUpdate) NOTHING(ContainerDelete)
    NOTHING(VolumeDelete) NOTHING(NetworkDelete) NOTHING(ServiceDelete) NOTHING(SecretDelete)
    NOTHING(ConfigDelete) NOTHING(NodeDelete) NOTHING(PluginDelete) NOTHING(CheckpointDelete)
    NOTHING(SecretUpdate) NOTHING(ConfigUpdate) NOTHING(NodeUpdate) NOTHING(SwarmJoin)
    NOTHING(SwarmLeave) NOTHING(SwarmUpdate) NOTHING(SwarmUnlock) NOTHING(PluginEnable)
    NOTHING(PluginDisable) NOTHING(PluginSet)
    /* What containers, images and builds hold, which whoever is allowed these may read. */
    NOTHING(ContainerLogs) NOTHING(ContainerArchive) NOTHING(ContainerArchiveInfo)
    NOTHING(ContainerExport) NOTHING(ServiceLogs) NOTHING(TaskLogs) NOTHING(ImageGet)
    NOTHING(ImageGetAll) NOTHING(ExecStart) NOTHING(ContainerAttach)
    NOTHING(ContainerAttachWebsocket) NOTHING(PutContainerArchive) NOTHING(Session) NOTHING(Grpc)
#undef NOTHING
#undef WHOLE
#undef LIST
};

#define E REDACT_ENV
#define L REDACT_LABELS
#define B REDACT_BINDS

/* One place: names of members with dots between, as Go matches names; lists on the way do not
   count. attributes: an object that also holds what is no label. */
static const struct place_row {
    enum operation op;
    unsigned kinds;
    const char *path;
    bool attributes;
} places[] = {
#define AT(op, kinds, path) {OP_##op, kinds, path, false},
    /* "data" is the described document itself, in base64. */
#define DESCRIPTOR(op, at) AT(op, L, at "annotations") AT(op, E | L, at "data")
#define MOUNTS(op, at) \
    AT(op, B, at "Source") AT(op, L, at "VolumeOptions.Labels") \
    AT(op, B, at "VolumeOptions.DriverConfig.Options")
#define CONTAINER_CONFIG(op, at) AT(op, E, at "Env") AT(op, L, at "Labels") AT(op, E | L, at "OnBuild")
#define CONTAINER(op, at) \
    AT(op, L, at "Labels") AT(op, B, at "Mounts.Source") AT(op, L, at "HostConfig.Annotations") \
    DESCRIPTOR(op, at "ImageManifestDescriptor.")
    CONTAINER(ContainerList, "")

    CONTAINER_CONFIG(ContainerInspect, "Config.")
    CONTAINER(ContainerInspect, "")
    AT(ContainerInspect, B, "HostConfig.Binds")
    MOUNTS(ContainerInspect, "HostConfig.Mounts.")
    AT(ContainerInspect, B, "HostConfig.ContainerIDFile")
    AT(ContainerInspect, B, "GraphDriver.Data")
    AT(ContainerInspect, B, "ResolvConfPath")
    AT(ContainerInspect, B, "HostnamePath")
    AT(ContainerInspect, B, "HostsPath")
    AT(ContainerInspect, B, "LogPath")
    AT(ContainerInspect, B, "State.Error") /* "bind source path does not exist: /srv/x" */
    AT(ContainerWait, B, "Error.Message")  /* the same */

#define IMAGE(op, at) \
    AT(op, L, at "Labels") DESCRIPTOR(op, at "Descriptor.") DESCRIPTOR(op, at "Manifests.Descriptor.")
    IMAGE(ImageList, "")
    IMAGE(ImageInspect, "")
    CONTAINER_CONFIG(ImageInspect, "Config.")
    CONTAINER_CONFIG(ImageInspect, "ContainerConfig.") /* of the builder's last step */
    AT(ImageInspect, E | L, "ContainerConfig.Cmd")
    AT(ImageInspect, B, "GraphDriver.Data")
    AT(ImageHistory, E | L, "CreatedBy") /* "ENV A=b", "LABEL a=b" */
    DESCRIPTOR(DistributionInspect, "Descriptor.")

    /* The status is the driver's, in any form. */
#define VOLUME(op, at) \
    AT(op, L, at "Labels") AT(op, B, at "Mountpoint") AT(op, B, at "Options") AT(op, B, at "Status") \
    AT(op, B, at "ClusterVolume.Info.VolumeContext") \
    AT(op, B, at "ClusterVolume.PublishStatus.PublishContext")
    VOLUME(VolumeList, "")
    VOLUME(VolumeInspect, "")
    VOLUME(VolumeCreate, "")

    AT(NetworkList, L, "Labels")
    AT(NetworkInspect, L, "Labels")

    /* Of containers and of plugins. */
#define TASK_SPEC(op, at) \
    AT(op, E, at "ContainerSpec.Env") AT(op, L, at "ContainerSpec.Labels") \
    MOUNTS(op, at "ContainerSpec.Mounts.") \
    AT(op, E, at "PluginSpec.Env") AT(op, B, at "PluginSpec.Privileges")
#define SERVICE(op) \
    AT(op, L, "Spec.Labels") TASK_SPEC(op, "Spec.TaskTemplate.") \
    AT(op, L, "PreviousSpec.Labels") TASK_SPEC(op, "PreviousSpec.TaskTemplate.")
#define TASK(op) \
    AT(op, L, "Labels") TASK_SPEC(op, "Spec.") AT(op, B, "Status.Err") \
    AT(op, L, "NetworksAttachments.Network.Spec.Labels")
#define NODE(op) AT(op, L, "Spec.Labels") AT(op, L, "Description.Engine.Labels")
    SERVICE(ServiceList) SERVICE(ServiceInspect)
    TASK(TaskList) TASK(TaskInspect)
    NODE(NodeList) NODE(NodeInspect)
    AT(SecretList, L, "Spec.Labels") AT(SecretInspect, L, "Spec.Labels")
    AT(ConfigList, L, "Spec.Labels") AT(ConfigInspect, L, "Spec.Labels")
    AT(SwarmInspect, L, "Spec.Labels")

#define PLUGIN(op) \
    AT(op, E, "Config.Env.Value") AT(op, E, "Settings.Env") \
    AT(op, B, "Config.Mounts.Source") AT(op, B, "Settings.Mounts.Source")
    PLUGIN(PluginList) PLUGIN(PluginInspect)

    AT(SystemInfo, L, "Labels")
    AT(SystemInfo, L, "Swarm.Cluster.Spec.Labels")
    AT(SystemInfo, B, "DockerRootDir")
    /* Both shapes, see include/hide.h. */
    CONTAINER(SystemDataUsage, "Containers.") CONTAINER(SystemDataUsage, "ContainerUsage.Items.")
    IMAGE(SystemDataUsage, "Images.") IMAGE(SystemDataUsage, "ImageUsage.Items.")
    VOLUME(SystemDataUsage, "Volumes.") VOLUME(SystemDataUsage, "VolumeUsage.Items.")
    {OP_SystemEvents, L, "Actor.Attributes", true},
};

/* What the daemon itself puts beside the labels (daemon/events.go and its callers in moby); a label
   of such a name stays. */
static const char *const event_attributes[] = {
    "name", "image", "container", "exitCode", "execDuration", "execID", "signal", "oldName",
    "comment", "imageID", "imageRef", "height", "width", "type", "driver", "destination",
    "propagation", "read/write", "reclaimed",
    "updatestate.old", "updatestate.new", "replicas.old", "replicas.new", "image.old", "image.new",
    "state.old", "state.new", "availability.old", "availability.new", "role.old", "role.new",
    "desiredrole.old", "desiredrole.new", "leader.old", "leader.new",
};

static const struct {
    enum redact_kind kind;
    const char *name;
} kind_names[REDACT_KINDS] = {{E, "env"}, {L, "labels"}, {B, "binds"}};
// clang-format on

#undef E
#undef L
#undef B

const char *redact_name(enum redact_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
        if (kind_names[i].kind == kind)
            return kind_names[i].name;
    return "";
}

enum redact_way redact_way(unsigned kinds, enum operation op, const char **member)
{
    const struct answer_row *answer = &answers[op];
    if (member)
        *member = answer->member;
    if (kinds == 0)
        return REDACT_NOTHING;
    if (answer->refused & kinds)
        return REDACT_REFUSED;
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (places[i].op == op && (places[i].kinds & kinds))
            return answer->way;
    return answer->way == REDACT_REFUSED ? REDACT_REFUSED : REDACT_NOTHING;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct redaction {
    bool scanned;
    bool failed;
    struct arena scratch;
    char *out; /* room for the text: it never grows */
    size_t cap, n;
};

/* Places below the value that is being written. */
struct tracks {
    struct track {
        const struct place_row *row;
        struct str rest; /* of its path */
    } items[TRACKS_MAX];
    size_t count;
};

static bool fail(struct redaction *r)
{
    r->failed = true;
    return false;
}

static void put(struct redaction *r, struct str text)
{
    if (text.n > r->cap - r->n) {
        fail(r);
        return;
    }
    if (text.n > 0)
        memcpy(r->out + r->n, text.p, text.n);
    r->n += text.n;
}

static bool scan(struct redaction *r, struct str value, struct json *doc)
{
    arena_reset(&r->scratch);
    return json_scan(value, &r->scratch, doc, NULL) || fail(r);
}

static void track(struct redaction *r, struct tracks *tracks, const struct place_row *row,
                  struct str rest)
{
    if (tracks->count < TRACKS_MAX)
        tracks->items[tracks->count++] = (struct track){row, rest};
    else
        fail(r);
}

/* The place that is the member of that name, or NULL; those below it go into *below. */
static const struct place_row *follow(struct redaction *r, const struct tracks *tracks,
                                      struct str name, struct tracks *below)
{
    const struct place_row *found = NULL;
    below->count = 0;
    for (size_t i = 0; i < tracks->count; i++) {
        const struct track *at = &tracks->items[i];
        struct str part = str_head(at->rest, str_find(at->rest, '.'));
        if (!json_fold_eq(part, name))
            continue;
        if (part.n == at->rest.n)
            found = at->row;
        else
            track(r, below, at->row, str_skip(at->rest, part.n + 1));
    }
    return found;
}

/* Empty of its own kind, and not longer. */
static void put_empty(struct redaction *r, struct str value)
{
    switch (value.p[0]) {
    case '{':
        put(r, STR("{}"));
        break;
    case '[':
        put(r, STR("[]"));
        break;
    case '"':
        put(r, STR("\"\""));
        break;
    case 'n':
    case 't':
    case 'f':
        put(r, STR("null"));
        break;
    default:
        put(r, STR("0"));
    }
}

static bool is_open(struct str value)
{
    return value.p[0] == '{' || value.p[0] == '[';
}

static bool is_event_attribute(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(event_attributes); i++)
        if (str_is(name, event_attributes[i]))
            return true;
    return false;
}

/* The member's name as it is meant, in the scratch arena. */
static bool name_of(struct redaction *r, const struct json_piece *piece, struct str *out)
{
    struct json doc;
    if (!scan(r, (struct str){piece->name.p - 1, piece->name.n + 2}, &doc))
        return false;
    *out = doc.nodes[0].text;
    return true;
}

static void put_attributes(struct redaction *r, struct str value)
{
    struct json_pieces pieces = json_pieces_of(value);
    struct json_piece piece;
    struct str name;
    bool any = false;
    if (value.p[0] != '{') {
        put_empty(r, value);
        return;
    }
    put(r, STR("{"));
    while (!r->failed && json_pieces_next(&pieces, &piece)) {
        struct json doc;
        if (!name_of(r, &piece, &name) || !is_event_attribute(name) || !scan(r, piece.value, &doc))
            continue;
        put(r, any ? STR(",") : STR(""));
        put(r, piece.all);
        any = true;
    }
    put(r, pieces.tail);
    r->failed = r->failed || pieces.bad;
}

static void put_value(struct redaction *r, struct str value, const struct tracks *tracks,
                      int level);

/* A member of an object, or an element of a list, for which the list's places hold. */
static void put_piece(struct redaction *r, const struct json_piece *piece,
                      const struct tracks *tracks, int level)
{
    struct str name;
    struct tracks below;
    const struct place_row *place = NULL;
    if (piece->name.p) {
        if (!name_of(r, piece, &name))
            return;
        place = follow(r, tracks, name, &below);
    }
    put(r, str_from(piece->all.p, piece->value.p));
    if (place && place->attributes)
        put_attributes(r, piece->value);
    else if (place)
        put_empty(r, piece->value);
    else
        put_value(r, piece->value, piece->name.p ? &below : tracks, level + 1);
    put(r, str_from(piece->value.p + piece->value.n, piece->all.p + piece->all.n));
}

static void put_pieces(struct redaction *r, struct str value, const struct tracks *tracks,
                       int level)
{
    struct json_pieces pieces = json_pieces_of(value);
    struct json_piece piece;
    bool any = false;
    put(r, str_head(value, 1));
    while (!r->failed && json_pieces_next(&pieces, &piece)) {
        put(r, any ? STR(",") : STR(""));
        put_piece(r, &piece, tracks, level);
        any = true;
    }
    put(r, pieces.tail);
    r->failed = r->failed || pieces.bad;
}

/* What should hold a place and is neither object nor list has a form that is not known. */
static void put_value(struct redaction *r, struct str value, const struct tracks *tracks, int level)
{
    struct json doc;
    bool deep = tracks->count > 0 || (!r->scanned && level < COPY_LEVELS);
    if (deep && level >= LEVELS_MAX)
        fail(r);
    else if (is_open(value) && deep)
        put_pieces(r, value, tracks, level);
    else if (tracks->count > 0 && !str_is(value, "null"))
        fail(r);
    else if (r->scanned || scan(r, value, &doc))
        put(r, value);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static size_t blanks_of(struct str text)
{
    size_t n = 0;
    while (n < text.n && memchr(" \t\r\n", text.p[n], 4))
        n++;
    return n;
}

static bool put_answer(struct redaction *r, struct str text, const struct tracks *tracks)
{
    struct json_span span = {0};
    struct str before = str_head(text, blanks_of(text));
    struct str value = str_skip(text, before.n);
    value = str_head(value, json_span_take(&span, value));
    struct str behind = str_skip(text, before.n + value.n);
    if (!span.done || !is_open(value) || blanks_of(behind) < behind.n)
        return false;
    put(r, before);
    put_value(r, value, tracks, 0);
    put(r, behind);
    return !r->failed;
}

bool redact_text(unsigned kinds, enum operation op, struct str text, bool scanned,
                 struct arena *arena, struct str *out)
{
    struct redaction r = {.scanned = scanned, .cap = text.n};
    struct tracks tracks = {.count = 0};
    if (redact_way(kinds, op, NULL) == REDACT_REFUSED)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (places[i].op == op && (places[i].kinds & kinds))
            track(&r, &tracks, &places[i], str_of(places[i].path));
    r.out = arena_alloc(arena, text.n, 1);
    bool done = r.out && put_answer(&r, text, &tracks) && !r.failed;
    arena_free(&r.scratch);
    *out = (struct str){r.out, r.n};
    return done;
}
