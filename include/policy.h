/* libpolicy: bytes in, decision out. Pure: no file, socket, clock, environment or global.
 *
 *     policy_load()      JSON text -> immutable policy, or every error with its place
 *     request_parse()    method and target -> operation, API version, name, parameters
 *     policy_precheck()  what can be said before the body is read
 *     policy_decide()    the whole decision; zero is deny. It may ask for facts and be taken again
 *     request_target()   the target that is sent on, rebuilt from what was understood
 */
#ifndef SOCKWARDEN_POLICY_H
#define SOCKWARDEN_POLICY_H

#include "arena.h"
#include "err.h"
#include "json.h"
#include "splice.h"
#include "bounds.h"

/* ---- operations ---------------------------------------------------------------------------- */

/* Classes partition the operations (POLICY classes, written "@ping" ... in a policy). */
// clang-format off
enum op_class {
    CLASS_PING, CLASS_READ, CLASS_CONTENT, CLASS_CONTROL, CLASS_EXEC, CLASS_CREATE, CLASS_BUILD,
    CLASS_DELETE, CLASS_REGISTRY, CLASS_SWARM, CLASS_ADMIN, CLASS_COUNT
};

/* Every operation of the Engine API by its operationId, with its class. Beside the published ones:
   Grpc, BuildCancel and Checkpoint*, which the daemon serves without documenting them. */
#define OPERATIONS(X)                                                                              \
    X(SystemPing, PING) X(SystemPingHead, PING) X(SystemVersion, PING)                             \
    X(ContainerList, READ) X(ContainerInspect, READ) X(ContainerTop, READ)                         \
    X(ContainerChanges, READ) X(ContainerStats, READ) X(ContainerWait, READ) X(ExecInspect, READ)  \
    X(ImageList, READ) X(ImageInspect, READ) X(ImageHistory, READ) X(ImageAttestations, READ)      \
    X(VolumeList, READ) X(VolumeInspect, READ) X(NetworkList, READ) X(NetworkInspect, READ)        \
    X(ServiceList, READ) X(ServiceInspect, READ) X(TaskList, READ) X(TaskInspect, READ)            \
    X(NodeList, READ) X(NodeInspect, READ) X(PluginList, READ) X(PluginInspect, READ)              \
    X(SystemInfo, READ) X(SystemEvents, READ) X(SystemDataUsage, READ)                             \
    X(ContainerLogs, CONTENT) X(ContainerArchive, CONTENT) X(ContainerArchiveInfo, CONTENT)        \
    X(ContainerExport, CONTENT) X(ImageGet, CONTENT) X(ImageGetAll, CONTENT)                       \
    X(ServiceLogs, CONTENT) X(TaskLogs, CONTENT) X(SecretList, CONTENT) X(SecretInspect, CONTENT)  \
    X(ConfigList, CONTENT) X(ConfigInspect, CONTENT)                                               \
    X(ContainerStart, CONTROL) X(ContainerStop, CONTROL) X(ContainerRestart, CONTROL)              \
    X(ContainerKill, CONTROL) X(ContainerPause, CONTROL) X(ContainerUnpause, CONTROL)              \
    X(ContainerRename, CONTROL) X(ContainerResize, CONTROL) X(ContainerUpdate, CONTROL)            \
    X(ExecResize, CONTROL) X(NetworkConnect, CONTROL) X(NetworkDisconnect, CONTROL)                \
    X(VolumeUpdate, CONTROL) X(ImageTag, CONTROL)                                                  \
    X(ContainerExec, EXEC) X(ExecStart, EXEC) X(ContainerAttach, EXEC)                             \
    X(ContainerAttachWebsocket, EXEC) X(PutContainerArchive, EXEC)                                 \
    X(ContainerCreate, CREATE) X(VolumeCreate, CREATE) X(NetworkCreate, CREATE)                    \
    X(ImageCreate, CREATE) X(ImageLoad, CREATE) X(ImageCommit, CREATE)                             \
    X(ImageBuild, BUILD) X(BuildCancel, BUILD)                                                     \
    X(ContainerDelete, DELETE) X(ImageDelete, DELETE) X(VolumeDelete, DELETE)                      \
    X(NetworkDelete, DELETE) X(ServiceDelete, DELETE) X(SecretDelete, DELETE)                      \
    X(ConfigDelete, DELETE) X(NodeDelete, DELETE) X(PluginDelete, DELETE)                          \
    X(ContainerPrune, DELETE) X(ImagePrune, DELETE) X(VolumePrune, DELETE)                         \
    X(NetworkPrune, DELETE) X(BuildPrune, DELETE)                                                  \
    X(ImagePush, REGISTRY) X(ImageSearch, REGISTRY) X(DistributionInspect, REGISTRY)               \
    X(GetPluginPrivileges, REGISTRY) X(SystemAuth, REGISTRY)                                       \
    X(ServiceCreate, SWARM) X(ServiceUpdate, SWARM) X(SecretCreate, SWARM) X(SecretUpdate, SWARM)  \
    X(ConfigCreate, SWARM) X(ConfigUpdate, SWARM) X(SwarmInit, SWARM) X(SwarmJoin, SWARM)          \
    X(SwarmLeave, SWARM) X(SwarmUpdate, SWARM) X(SwarmUnlock, SWARM) X(NodeUpdate, SWARM)          \
    X(PluginPull, ADMIN) X(PluginCreate, ADMIN) X(PluginEnable, ADMIN) X(PluginDisable, ADMIN)     \
    X(PluginUpgrade, ADMIN) X(PluginPush, ADMIN) X(PluginSet, ADMIN) X(SwarmInspect, ADMIN)        \
    X(SwarmUnlockkey, ADMIN) X(Session, ADMIN) X(Grpc, ADMIN) X(CheckpointList, ADMIN)             \
    X(CheckpointCreate, ADMIN) X(CheckpointDelete, ADMIN)
// clang-format on

enum operation {
#define X(name, class) OP_##name,
    OPERATIONS(X)
#undef X
        OP_COUNT
};

const char *operation_name(enum operation op); /* "ContainerCreate" */
enum op_class operation_class(enum operation op);
const char *class_name(enum op_class op_class); /* "@create" */

struct policy; /* immutable after loading; may be read by several threads */
struct role;

/* ---- routes -------------------------------------------------------------------------------- */

/* What a request of this route may carry. */
enum body_kind {
    BODY_NONE,   /* up to 64 KiB of nothing, JSON or text is read and dropped */
    BODY_JSON,   /* application/json; read whole, inspected, sent on as inspected */
    BODY_OPAQUE, /* tar and the like: decided on target and head, then streamed */
};

/* What may come back besides an ordinary framed response. */
enum follow {
    FOLLOW_RESPONSE,
    FOLLOW_HIJACK, /* 101 (Upgrade: tcp) or a raw stream without framing */
    FOLLOW_WS,     /* 101 for a WebSocket */
    FOLLOW_H2C,    /* 101 for HTTP/2, which is then not inspected */
};

struct route {
    enum operation op;
    const char *method;
    const char *path; /* fixed text with at most two {name} parts, without version */
    enum body_kind body;
    enum follow follow;
    bool name_slash;  /* may the first {name} hold '/' (image references, plugins) */
    const char *gist; /* one line: what it does or what an attacker would gain */
};

/* All routes; NetworkList has two. */
extern const struct route routes[];
extern const size_t routes_count;

/* ---- requests ------------------------------------------------------------------------------ */

struct param_row;

struct param {
    const struct param_row *row; /* never NULL: unknown ones are dropped or refused */
    struct str value;            /* decoded, UTF-8, without U+0000 */
};

struct request {
    const struct route *route;       /* NULL until the route is known */
    bool versioned;                  /* the target had a /vN.M prefix */
    int api_major, api_minor;        /* as asked; 0 when not versioned */
    struct str name;                 /* first {name}, decoded; empty when the route has none */
    struct str name2;                /* second {name} */
    struct param params[PARAMS_MAX]; /* known ones, in the order of the target */
    size_t param_count;
    struct str body; /* whole JSON body; p NULL: not read (yet) or none */
};

/* ---- facts --------------------------------------------------------------------------------- */

/* What a decision may need to know beside the request. The first ones are answers of the daemon to
   one GET each; the last three are told by whoever asks for the decision. */
enum fact_kind {
    FACT_CONTAINER, /* the object's own inspect, by name or ID */
    FACT_EXEC,
    FACT_VOLUME,
    FACT_VOLUME_MADE, /* the same of a volume that asking makes, if it is not there */
    FACT_NETWORK,
    FACT_IMAGE,
    FACT_SERVICE,
    FACT_TASK,
    FACT_SECRET,
    FACT_CONFIG,
    FACT_INFO,      /* GET /info; has no name */
    FACT_VERSION,   /* GET /version; has no name */
    FACT_HOST_PATH, /* what a path is on the daemon's file system: {"State": "exists", ...} */
    FACT_OWN_EXEC,  /* was this exec made through the proxy by the same role: {"Own": true} */
    FACT_SIGNATURE, /* is an image signed; see fact_signature() */
    FACT_KIND_COUNT
};

enum fact_state {
    FACT_WANTED = 0, /* asked for, not answered yet */
    FACT_FOUND,      /* text: JSON */
    FACT_MISSING,    /* there is no such object; text: the daemon's sentence */
    FACT_FAILED      /* it cannot be had; text: why */
};

/* One question and its answer. The answer's text belongs to whoever filled it in. */
struct fact {
    enum fact_kind kind;
    enum fact_state state;
    struct str name; /* as the request has it; in the arena of the facts */
    struct str text;
    struct str body; /* of a POST, in the arena of the facts; p NULL: a GET */
    struct str id;   /* full ID of what was found, a slice of text; by the decision */
};

/* What is known for one request. Zeroed but for the arena, nothing is known. */
struct facts {
    struct fact items[FACTS_MAX];
    size_t count;
    struct arena *arena; /* for the names that the decision asks by; outlives it */
    struct str owner;    /* of policy_owner(); p NULL: not known */
};

const char *fact_kind_name(enum fact_kind kind); /* "container" */
bool fact_kind_find(struct str name, enum fact_kind *out);
/* Appends the path to GET for it, without version: names are encoded. False: it does not fit, or
   the daemon is not who knows. */
bool fact_target(const struct fact *fact, char *dst, size_t cap, size_t *len);

/* ---- signed images ------------------------------------------------------------------------- */

enum signed_format {
    SIGNED_COSIGN_SIMPLE,   /* "cosign-simple" */
    SIGNED_SIGSTORE_BUNDLE, /* "sigstore-bundle" */
    SIGNED_NOTATION_JWS,    /* "notation-jws" */
    SIGNED_FORMATS
};

/* How the name in a signature binds: the repository, with its tag, or not at all. */
enum signed_identity { SIGNED_REPOSITORY, SIGNED_EXACT, SIGNED_ANY };

/* Where signatures are looked for. */
enum signed_source { SIGNED_STORE, SIGNED_REGISTRY, SIGNED_STORE_THEN_REGISTRY };

/* An entry of images.signed. All texts are borrowed of the policy. */
struct signed_entry {
    size_t index;           /* in its list */
    struct str match;       /* glob of repositories, "docker.io/library/..." filled in */
    unsigned formats;       /* BIT(SIGNED_COSIGN_SIMPLE) ...; 0: no signature counts */
    const struct str *keys; /* names of files in the folder of keys */
    size_t key_count;       /* at most SIGNED_KEYS_MAX */
    enum signed_identity identity;
    struct str signed_repository; /* "docker.io/acme/app", as signatures name it; p NULL: the
                                     image's own */
    struct str trust_store;       /* name of a file there, with root certificates; p NULL: none */
    bool authority;               /* it is a store for signing authorities, else for CAs */
    const struct str *trusted_identities;
    size_t identity_count;
    enum signed_source source;
    const struct str *digests; /* "sha256:..." of manifests and indexes that need no signature */
    size_t digest_count;
    const struct str *ids; /* the same of image IDs */
    size_t id_count;
    struct str text; /* JSON of the entry as it is written */
};

/* The entries of a role, see policy_role_at(), by index; false behind the last. A role that only
   others extend has its own, too. */
bool policy_signed_entry(const struct policy *policy, size_t role, size_t index,
                         struct signed_entry *out);
/* The first entry that covers the repository ("docker.io/acme/app"); false: none does, so that no
   signature is needed. */
bool role_signed_entry(const struct role *role, struct str repository, struct signed_entry *out);
/* Is there any? */
bool role_has_signed(const struct role *role);

/* What a FACT_SIGNATURE asks. Its name is one of
     docker.io/acme/app:1.2             is what the tag stands for signed, and what is it
     docker.io/acme/app@sha256:DIGEST   is this manifest or index signed
     docker.io/acme/app#sha256:ID       is this image ID known to be of a signed one
   under the role's entry for the repository. The answer is a JSON object:
     {"Verdict": "signed" or "refused", "Reason": "no_signature", "Text": "one sentence without
      trailing dot", "Digest": "sha256:...", "Ids": ["sha256:..."], "Key": "SHA256:...",
      "Format": "cosign-simple"}
   where refused ones have Reason and Text, signed ones Digest, Ids, Key and Format. Ids are what
   the daemon may call the image: digests of configs, manifests and the index. */
struct signature_question {
    struct str repository;
    struct str tag;    /* of the first form */
    struct str digest; /* of the second: "sha256:..." */
    struct str id;     /* of the third: "sha256:..." */
};
/* Slices of the fact's name. False: it is no such fact. */
bool fact_signature(const struct fact *fact, struct signature_question *out);

/* ---- decisions ----------------------------------------------------------------------------- */

/* What a signature said to a decision, for the audit line. */
struct signed_note {
    char digest[SIGNED_DIGEST_MAX + 1]; /* "sha256:..."; "": it is not known */
    char key[SIGNED_KEY_MAX + 1];       /* fingerprint of the key; "": none has signed */
    char format[SIGNED_WORD_MAX + 1];   /* "cosign-simple"; "digests" or "ids" by a list */
    char reason[SIGNED_WORD_MAX + 1];   /* "ok", or "no_signature"; "": no image was asked about */
};

/* NEED: facts have been added in state FACT_WANTED; fill them in and decide again. */
enum verdict { VERDICT_DENY = 0, VERDICT_ALLOW = 1, VERDICT_NEED = 2 };

/* What follows an ImageCreate that a signature has decided, and that is sent on by digest: when the
   daemon has pulled, and before the client learns of it, the ID of what is there must be one of
   the `Ids` of a fact; only then it gets the tag that the client asked for. The texts live where
   those of struct param_change do. */
struct pull {
    struct str name;   /* repository, normalised: "docker.io/acme/app"; p NULL: no pull follows */
    struct str digest; /* "sha256:..." of what is pulled */
    struct str tag;    /* as asked, without colon; empty: by digest, nothing is tagged */
    size_t fact;       /* index of that FACT_SIGNATURE among the facts; FACTS_MAX: none says
                          which IDs, and any that the daemon has by the digest will do */
};
struct readings;

/* Zeroed, it refuses. Texts are NUL-terminated, one line, escaped, without trailing dot. */
struct decision {
    char reason[REASON_MAX]; /* the sentence for the user: what, why, what would allow it */
    char field[FIELD_MAX];   /* "HostConfig.Privileged", "?ps_args", "Content-Type"; or "" */
    char value[VALUE_MAX];   /* shortened and escaped; or "" */
    char allow_with[ALLOW_WITH_MAX]; /* what in the policy would allow it; or "" */
    enum verdict verdict;            /* behind the texts: see decision_clear() */
    int status;       /* HTTP status of a refusal: 403, 400, 404 ...; 0 when allowed */
    bool close;       /* the connection must not be used again (400 class) */
    const char *rule; /* static: key of the policy that decided, or NULL */
    /* When allowed: what is sent on otherwise than it came. See request_rewrite(). */
    struct str pinned; /* full ID of the object that was judged, in place of the path's first
                          {name}, so that a name that moves changes nothing; p NULL: as asked */
    struct param_change {
        const char *name; /* of a parameter of the operation, given or not */
        struct str value;
    } changes[PARAM_CHANGES_MAX];
    size_t change_count;
    struct edits edits; /* of the body: IDs for names, labels that are added */
    struct pull pull;   /* what follows the answer; zero: nothing */
    /* Of a ContainerCreate that names its image by what may move: full ID of the image that was
       judged, of which alone the container may be made. It is empty where there was no such image,
       so that no container can be; p NULL: any will do. */
    struct str image;
    struct signed_note signature; /* also when it is refused */
    /* What was read for it; in the arena, as long as body and facts stay. */
    struct readings *read;
};

/* Reads method and target. On refusal fills decision (status 400, 403 or 404-like refusals of
   unknown routes as 403) and returns false; out->route may then be NULL or set. Decoded texts live
   in the arena; others are slices of target. API version bounds are not checked here. */
bool request_parse(struct str method, struct str target, struct arena *arena, struct request *out,
                   struct decision *decision);

/* The route's body kind for this very request: ImageCreate has an opaque body only with fromSrc. */
enum body_kind request_body_kind(const struct request *request);

/* Content-Type and presence of a body against the route's body kind, as dockerd would read it:
   form and multipart bodies are refused everywhere (they override the query). content_type.p NULL:
   header absent. Fills decision and returns false on refusal. */
bool request_check_content(const struct request *request, struct str content_type, bool has_body,
                           struct decision *decision);

/* A refusal without a word. Its texts, some 2 KiB that most decisions have no use for, are emptied,
   and all the rest is wiped. */
static inline void decision_clear(struct decision *decision)
{
    const size_t texts = offsetof(struct decision, verdict);
    decision->reason[0] = decision->field[0] = decision->value[0] = '\0';
    decision->allow_with[0] = '\0';
    memset((char *)decision + texts, 0, sizeof(*decision) - texts);
}

/* An upload to PutContainerArchive must not be compressed: daemons before 29.5.1 unpack that by a
   program of the container, as root of the host (CVE-2026-41567). first holds the body's first
   ARCHIVE_MARK_MAX bytes, or all of a shorter one. Fills decision and returns false on refusal. */
bool request_check_archive(const struct role *role, const struct request *request, struct str first,
                           struct decision *decision);

/* Appends the target that is sent on: version as asked, path with encoded name, known parameters.
   Returns false when it does not fit in cap. */
bool request_target(const struct request *request, char *dst, size_t cap, size_t *len);

/* The same for the audit log: only parameters whose row is marked safe to log. */
bool request_log_path(const struct request *request, char *dst, size_t cap, size_t *len);

/* The decoded value of a parameter of the request; p NULL when absent. */
struct str request_param(const struct request *request, const char *name);

/* ---- policies ------------------------------------------------------------------------------ */

/* NULL when there is any error; errors then hold them all. Warnings may stand in errors in either
   case. The policy owns its memory. Built-in roles that the text names, and default, read-only and
   all, are part of the policy. */
struct policy *policy_load(struct str text, struct err_list *errors);
/* The built-in roles alone, with `default` standing for builtin:default. */
struct policy *policy_builtin(void);
void policy_free(struct policy *policy);

/* How to mend a text that json_scan() has refused with err: a phrase to put behind the sentence,
   that begins with "; ", or "". */
const char *policy_syntax_remedy(struct str text, const struct err *err);

/* Before the policy is used: what the proxy itself has on this host. A path (socket, policy, audit
   log) must be written out as a bind source, it and each folder that holds it; a TCP port is never
   published; a volume, by its name, must be written out where a container mounts it; the container
   that the proxy runs in, by its full ID, does not exist for clients. False: the path is not in
   normal form, the volume has no name, or there is no memory. */
bool policy_own_path(struct policy *policy, struct str path);
bool policy_own_port(struct policy *policy, unsigned port);
bool policy_own_volume(struct policy *policy, struct str name);
bool policy_own_container(struct policy *policy, struct str id);

/* A role of the file by its name, else the built-in one ("read-only" or "builtin:read-only");
   NULL when there is none. */
const struct role *policy_role(const struct policy *policy, struct str name);
/* The same, and any built-in role that is not part of the policy yet becomes one: by its full name
   ("builtin:ci"), and by its short one where the policy is no file. Only before the policy is used
   by anybody else. NULL: no such role, or no memory. */
const struct role *policy_want_role(struct policy *policy, struct str name);
/* Of policy_load(), not of policy_builtin(). */
bool policy_is_file(const struct policy *policy);
/* The role `default`, or NULL when the file has none: then nobody is served. */
const struct role *policy_default_role(const struct policy *policy);
const char *role_name(const struct role *role); /* for messages and audit */
size_t policy_role_count(const struct policy *policy);
const struct role *policy_role_at(const struct policy *policy, size_t index);

/* An entry of containers.binds in a role of the file, or a built-in one that clients get by its
   name. All texts are borrowed. */
struct bind_tree {
    struct str entry;  /* as written */
    struct str folder; /* the path itself, of a glob the folder before its first wildcard */
    bool literal;      /* no glob */
    bool writable;     /* may be mounted read-write */
};
/* By the indices of role and entry; false behind the last entry. */
bool policy_bind_tree(const struct policy *policy, size_t role, size_t index,
                      struct bind_tree *out);
/* A label of a container, as the daemon tells it. */
struct client_label {
    struct str key, value; /* value.p is not NULL, also of an empty one */
};

/* Who asks, as the listener knows it. What is not known is empty (p NULL), and matches nothing. All
   texts are borrowed. */
struct client_identity {
    bool unix_peer;      /* uid and gid are known, */
    uint32_t uid, gid;   /* each for itself; UINT32_MAX: it is not */
    struct str address;  /* of a TCP peer: "10.0.0.1", "fd00::1" */
    struct str listener; /* as given to --host */
    struct str cert_cn;  /* of a verified certificate */
    struct str cert_ou;
    const struct str *cert_sans; /* "DNS:ci.example.com", "URI:spiffe://..." */
    size_t cert_san_count;
    struct str cert_spki;          /* "sha256:" and 64 hex digits */
    struct str container_name;     /* of the container that a Unix peer runs in, without slash */
    struct str container_image;    /* as it was named when the container was created */
    struct str container_image_id; /* "sha256:" and 64 hex digits */
    const struct client_label *container_labels; /* no two of one key */
    size_t container_label_count;
};

/* The kind of an alternative name by its prefix, with what stands behind that in *rest: 'D' "DNS:",
   'U' "URI:", 'I' "IP:", 'e' "email:"; 0: none of them. */
char client_san_kind(struct str san, struct str *rest);

/* What `clients` says of who asks. */
struct client_role {
    const char *client;      /* name of the entry that matched; NULL: none did */
    const struct role *role; /* its role, else `default`; NULL: nobody is served */
    /* Who that is, for an owner's label, where somebody keeps it as long as this; else NULL. */
    const struct client_identity *who;
};

/* The first entry of `clients` whose every match key holds; without one the role `default`. */
struct client_role policy_client(const struct policy *policy,
                                 const struct client_identity *identity);
/* Does it depend on the peer's container which entry that is? Whatever identity holds of the
   container does not count. identity NULL: may it, of anybody. */
bool policy_needs_container(const struct policy *policy, const struct client_identity *identity);
/* Has what the role's clients make an owner? */
bool role_has_owner(const struct role *role);
/* The value of the owner's label for this client of the role; p NULL: the role has no owner, or
   what its value is made of is not known. client: name of the entry of `clients`, or NULL. */
struct str policy_owner(const struct role *role, const char *client,
                        const struct client_identity *who, struct arena *arena);
/* Does a client whose certificate is found to be worth nothing any more lose what it has under way,
   too (`revoked`)? */
bool policy_closes_revoked(const struct policy *policy);
/* How many entries `clients` has. */
size_t policy_client_count(const struct policy *policy);
/* Its names in order; NULL behind the last. */
const char *policy_client_name(const struct policy *policy, size_t index);
/* The name of that entry when its `listener` holds for none of these, so that it never matches;
   else NULL. */
const char *policy_client_unheard(const struct policy *policy, size_t index,
                                  const struct str *listeners, size_t count);

/* What may stand in struct decision as the rule, in order until NULL. */
const char *policy_rule(size_t index);

/* Does the role allow the operation as such? */
bool role_allows(const struct role *role, enum operation op);

struct hide; /* see hide.h */
/* What the role's clients may not see in the daemon's answers: objects without the owner's label,
   where it has one, and the proxy's own container, where that is known. owner: of policy_owner();
   borrowed, as is what *out gets of the role. False: nothing is hidden. */
bool role_hides(const struct role *role, struct str owner, struct hide *out);
/* What the role's clients get emptied in the daemon's answers (`responses.redact`), as a set of
   enum redact_kind, see redact.h; 0: nothing. */
unsigned role_redacts(const struct role *role);
/* `limits` of a role: what one client may use at a time. The last one belongs to the first. */
enum limit {
    LIMIT_REQUESTS_PER_SECOND,
    LIMIT_CONNECTIONS,
    LIMIT_STREAMS,
    LIMIT_BODY_BYTES,
    LIMIT_BURST,
    LIMIT_COUNT
};
const char *limit_name(enum limit limit); /* "connections" */
const char *limit_rule(enum limit limit); /* "limits.connections" */
/* False: the role, which may be NULL, does not say; *out is as before. */
bool role_limit(const struct role *role, enum limit limit, uint64_t *out);
/* Does the answer last until somebody ends it: events, followed logs and statistics, what becomes
   a tunnel? The route is known. */
bool request_streams(const struct request *request);

/* May the role build by BuildKit, whose tunnels are not inspected? */
bool role_buildkit(const struct role *role);

/* Built-in roles as JSON text: names in order until NULL. */
const char *builtin_role_name(size_t index); /* "agent", "all" */
struct str builtin_role_json(size_t index);
struct str builtin_role_gist(size_t index); /* the first sentence of its description */

/* What can be said before the body is known: API version, operation, parameters, names. True: go
   on (read the body, then policy_decide). False: decision holds the refusal. */
bool policy_precheck(const struct role *role, const struct request *request, struct arena *arena,
                     struct decision *decision);

/* The decision. Includes the precheck. decision is zeroed first; only one place sets ALLOW.
   role NULL refuses. Memory for the inspection comes from the arena. facts holds what is known and
   gets what is needed beside; NULL: nothing can be known, so whatever needs a fact ends in NEED. */
void policy_decide(const struct role *role, const struct request *request, struct facts *facts,
                   struct arena *arena, struct decision *decision);

/* The same, of a request that the arena holds a decision on already: what that one has read (NULL:
   nothing) is not read again, unless it is another body or another answer. */
void policy_decide_again(const struct role *role, const struct request *request,
                         struct facts *facts, struct readings *read, struct arena *arena,
                         struct decision *decision);

/* Does what is sent on differ from what was asked? */
bool decision_rewrites(const struct decision *decision, const struct request *request);
/* Makes the request what the decision, an ALLOW, lets through: texts go into the arena, which must
   outlive the request. False: it cannot be made, so it must not be sent. What comes out is to be
   decided once more, which rewrites nothing further. */
bool request_rewrite(struct request *request, const struct decision *decision, struct arena *arena);

/* ---- what a request needs ------------------------------------------------------------------- */

enum {
    USES_MAX = 192,         /* of one request */
    USE_TEXT_MAX = 512,     /* bytes of one value */
    USE_LACK_MAX = 200,     /* bytes of a sentence */
    USES_TEXT_MAX = 6 << 10 /* bytes of all of them in an audit line */
};

/* Behind a registry in images.allow: an entry that no image's name matches, so that the registry
   may be asked (login, search) and nothing more. */
#define USE_REGISTRY_ONLY "/-asked-only"

/* One thing that a role must open for a request. */
struct use {
    const char *key;  /* static: "containers.cap_add", "open", "archive" */
    struct str value; /* an entry of the key's list, in its plain spelling; p NULL: true */
    bool read_only;   /* of a bind: an entry for read-only mounts is enough */
};
struct uses {
    struct use items[USES_MAX];
    size_t count;
    char lack[USE_LACK_MAX]; /* why a policy with all of them refuses it yet; or "" */
};
enum use_shape { USE_LIST, USE_TRUE };

/* What a role would have to open for the request beside its operation: the decision taken by one
   that opens nothing, over and over with what its refusals ask for. Values of the environment, of
   labels and of options are never among it. NEED: more facts would tell more. DENY: lack says why;
   without lack the daemon has no such object. read: of a decision on the same request in the same
   arena, or NULL. Texts live in the arena, or in the request.
 */
enum verdict request_uses(const struct policy *policy, const struct request *request,
                          struct facts *facts, struct readings *read, struct arena *arena,
                          struct uses *out);

/* Appends {"containers.cap_add": ["NET_ADMIN"], "containers.privileged": true, "containers.binds":
   [{"source": ..., "read_only": true}]} in at most USES_TEXT_MAX bytes. False: not all fits. */
bool uses_write(const struct uses *uses, struct json_out *out);

/* Is the key of that path ("containers.cap_add") one that request_uses() speaks of, and as what? */
bool policy_learns(const char *path, enum use_shape *shape);
/* Does the key open nothing where a policy does not write it? */
bool policy_key_closed(const char *path);
/* Must the path be written out as a bind source, since it is or holds what rules the host? */
bool policy_names_path(struct str path);
/* How many of these uses of the key an entry of its list opens, as the policy writes it; 0 also for
   what is no entry. */
size_t policy_entry_uses(const char *path, const struct json *doc, const struct json_node *entry,
                         const struct use *uses, size_t count);
/* Could a policy hold the use: is the key one of those above, and its value an entry of that, which
   opens nothing else? */
bool policy_use_valid(const struct use *use);
/* Does the role open the use? That is what its constraints say of the value; what a decision looks
   at beside (files of the host, other objects) is not known here. */
bool role_opens_use(const struct role *role, const struct use *use);
/* Is it an IP address, or a range of them? */
bool policy_address_valid(struct str text);
/* Does an entry of `allow` name the operation: by its name, a class, or a glob? */
bool policy_allow_holds(struct str entry, enum operation op);
/* Paths of the keys of constraints, in the order of the documentation, until NULL. */
const char *policy_key(size_t index);

/* The image that the request names (Image, fromImage[:tag]), for the audit line; empty if none.
   Only meaningful after an ALLOW or DENY of policy_decide on the same arena. read: by that
   decision, or NULL. */
struct str request_image(const struct request *request, const struct readings *read,
                         struct arena *arena);

#endif
