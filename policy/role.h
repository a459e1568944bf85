/* A role as the checks see it: everything inherited, defaults filled in, patterns parsed. Private
   to policy/. */
#ifndef POLICY_ROLE_H
#define POLICY_ROLE_H

#include "image.h"
#include "policy.h"
#include "prefix.h"

/* The keys of the constraint groups, in the order of the documentation. The table in keys.c gives
   each its group, name, accepted shapes, default (as JSON text) and one line for the manual. */
// clang-format off
enum key {
    KEY_PRIVILEGED, KEY_CAP_ADD, KEY_CAP_DROP, KEY_BINDS, KEY_VOLUMES, KEY_VOLUME_DRIVERS,
    KEY_VOLUME_OPTIONS, KEY_VOLUMES_FROM, KEY_TMPFS, KEY_NETWORK_MODE, KEY_PID_MODE, KEY_IPC_MODE,
    KEY_UTS_MODE, KEY_USERNS_MODE, KEY_CGROUPNS_MODE, KEY_DEVICES, KEY_DEVICE_REQUESTS,
    KEY_DEVICE_CGROUP_RULES, KEY_SECURITY_OPT, KEY_MASKED_PATHS, KEY_SYSCTLS, KEY_RUNTIMES,
    KEY_CGROUP_PARENT, KEY_LINKS, KEY_ANNOTATIONS, KEY_STORAGE_OPT, KEY_BLKIO, KEY_OOM, KEY_USER,
    KEY_READ_ONLY, KEY_MEM_LIMIT, KEY_CPUS, KEY_PIDS_LIMIT, KEY_SHM_SIZE, KEY_ULIMITS, KEY_RESTART,
    KEY_DNS, KEY_EXTRA_HOSTS, KEY_GROUP_ADD, KEY_HEALTHCHECK, KEY_PORTS, KEY_LOG_DRIVERS,
    KEY_LOG_OPTIONS, KEY_ENV, KEY_LABELS, KEY_NAMES,                       /* containers */
    KEY_EXEC_PRIVILEGED, KEY_EXEC_USERS, KEY_EXEC_COMMANDS, KEY_EXEC_ENV,  /* exec */
    KEY_IMAGES_ALLOW, KEY_IMAGES_DENY, KEY_IMAGES_REQUIRE_DIGEST, KEY_IMAGES_DENY_TAGS,
    KEY_IMAGES_IMPORT, KEY_IMAGES_SIGNED,                                  /* images */
    KEY_NETWORKS_NAMES, KEY_NETWORKS_DRIVERS, KEY_NETWORKS_OPTIONS, KEY_NETWORKS_SUBNETS,
    KEY_NETWORKS_INTERNAL,                                                 /* networks */
    KEY_BUILDS_UNCONSTRAINED, KEY_BUILDS_NETWORK_MODE, KEY_BUILDS_REMOTE, KEY_BUILDS_BUILDKIT,
    KEY_BUILDS_EXTRA_HOSTS, KEY_BUILDS_CGROUP_PARENT, KEY_BUILDS_SECURITY_OPT,
    KEY_BUILDS_OUTPUTS,                                                    /* builds */
    KEY_SERVICES_NAMES, KEY_SECRETS_NAMES, KEY_SECRETS_DRIVERS, KEY_CONFIGS_NAMES,
    KEY_PLUGINS_ALLOW, KEY_PLUGINS_NAMES, KEY_PLUGINS_PRIVILEGES, KEY_PLUGINS_SETTINGS,
    KEY_PLUGINS_UNCONSTRAINED, KEY_NODES_ROLES, KEY_SWARM_REMOTES,         /* swarm and plugins */
    KEY_COUNT
};
// clang-format on

/* One entry of a list: the text as written, and what was parsed of it at load. */
struct entry {
    struct str text;
    size_t plain;   /* bytes before the first '*' or '?' */
    bool literal;   /* holds no '*' and no '?' */
    bool read_only; /* binds: {"source": ..., "read_only": true} */
    union {
        struct port_range {
            bool any_ip;
            uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
            uint16_t first, last;
            char proto; /* 't', 'u', 's'; 0: any */
        } ports;
        struct cidr {
            uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
            uint8_t bits;   /* 0..128, counted in the 128 bits */
        } cidr;
        const struct signed_entry *signature; /* images.signed; text is its match */
    };
};

struct entries {
    const struct entry *items;
    size_t count;
    const struct prefix *index; /* so many, by what values begin with; NULL: there are few */
};

/* One constraint with its meaning resolved:
   true -> any; false -> neither any nor entries; list -> allow;
   {"allow": [...]} -> allow; {"deny": [...]} without allow -> any and deny;
   {"require": true} -> required; {"require": [...]} -> require;
   {"require": {"team": "*"}} -> require with pairs: name, pattern, name, pattern;
   {"max": ...} -> has_max, max. */
struct constraint {
    bool any;
    bool required;
    bool has_max;
    bool set;    /* written by a role (not the default) */
    int64_t max; /* bytes, nano CPUs, or a count */
    struct entries allow;
    struct entries deny;
    struct entries require;
};

/* FIXED: only daemons that have the fixes, which this version cannot tell: it refuses. */
enum archive_mode { ARCHIVE_FIXED, ARCHIVE_NEVER, ARCHIVE_ALWAYS };

/* What a container must be for what reaches into it. */
enum existing_mode { EXISTING_CONFORMING, EXISTING_ANY };

enum op_state { OP_NOT_ALLOWED = 0, OP_ALLOWED = 1, OP_DENIED = 2 };

enum { API_MINOR_ANY = 99 }; /* api.max of this says nothing */

/* What the proxy itself has on this host, as policy_own_path() and policy_own_port() told. */
struct own_path {
    struct str path; /* normal and trimmed */
    const struct own_path *next;
};
struct own_port {
    unsigned port;
    const struct own_port *next;
};
struct own_volume {
    struct str name;
    const struct own_volume *next;
};
struct own {
    const struct own_path *paths;
    const struct own_port *ports;
    const struct own_volume *volumes;
    struct str container; /* full ID; p NULL: none that is known */
};

/* What `objects` speaks of. */
enum object {
    OBJECT_CONTAINERS,
    OBJECT_VOLUMES,
    OBJECT_NETWORKS,
    OBJECT_IMAGES,
    OBJECT_SERVICES,
    OBJECT_SECRETS,
    OBJECT_CONFIGS,
    OBJECT_COUNT
};
extern const char *const object_names[OBJECT_COUNT]; /* "containers" ... */

/* Which objects of a kind are there for the role at all. */
struct object_rule {
    bool set;
    bool named;            /* names is given: the empty list means none */
    struct entries names;  /* one of them must match */
    struct entries labels; /* name, pattern, name, pattern: each must match */
};

/* All that the client makes carries this label, and only what carries it is there for him. */
struct owner {
    struct str label; /* p NULL: there is no owner */
    struct str value; /* with ${client} and the like in it */
    bool images;      /* images must carry it, too */
};

/* One of `limits`; enum limit is in policy.h. */
struct limit_value {
    bool set; /* else the proxy's default */
    uint64_t value;
};

struct role {
    const char *name;      /* "ci", "builtin:default" */
    const struct own *own; /* of the policy, one for all roles */
    bool unrestricted;   /* builtin:all and its heirs: the written-out rule is lifted, and all that
                            `open` could name is open */
    bool unknown_fields; /* "allow" */
    enum archive_mode archive;
    enum existing_mode existing;
    int api_min, api_max;   /* minor versions of major 1; 24..API_MINOR_ANY by default */
    uint8_t ops[OP_COUNT];  /* enum op_state */
    const struct str *open; /* "ContainerTop?ps_args", "ContainerCreate:HostConfig.Cgroup" */
    size_t open_count;
    struct object_rule objects[OBJECT_COUNT];
    struct owner owner;
    unsigned redacts; /* of enum redact_kind */
    struct limit_value limits[LIMIT_COUNT];
    struct constraint keys[KEY_COUNT];
};

/* Accepted shapes of a key. */
enum shape {
    SHAPE_BOOL = 1,          /* true, false */
    SHAPE_LIST = 2,          /* list of globs */
    SHAPE_ALLOW = 4,         /* {"allow": [...]} */
    SHAPE_DENY = 8,          /* {"deny": [...]} */
    SHAPE_REQUIRE_LIST = 16, /* {"require": ["ALL"]} */
    SHAPE_REQUIRE_TRUE = 32, /* {"require": true} */
    SHAPE_REQUIRE_MAP = 64,  /* {"require": {"name": "glob"}} */
    SHAPE_MAX = 128,         /* {"max": 5} or "2g" */
    SHAPE_BARE_LIST = 256    /* images.deny: the list alone means what it says, no true/false */
};

/* What the entries of a list are, so that the loader can check and parse them. */
enum entry_kind {
    ENTRY_GLOB,
    ENTRY_PATH,
    ENTRY_CAPABILITY,
    ENTRY_PORTS,
    ENTRY_CIDR,
    ENTRY_IMAGE,
    ENTRY_SIGNED
};
/* What a max is. */
enum max_kind { MAX_NONE, MAX_BYTES, MAX_CPUS, MAX_COUNT };

struct key_row {
    const char *group; /* "containers" */
    const char *name;  /* "cap_add" */
    unsigned shapes;   /* of enum shape */
    enum entry_kind entries;
    enum max_kind max;
    const char *fallback; /* JSON text of the default */
    const char *gist;     /* one line for manual and messages */
};

extern const struct key_row key_rows[KEY_COUNT];
/* "containers.cap_add"; static. */
const char *key_path(enum key key);

/* ---- matching ------------------------------------------------------------------------------ */

/* '*' any run without '/', '**' any run, '?' one byte that is not '/'; "/srv/ci/" followed by "**"
   also matches
   "/srv/ci" itself. Takes time of pattern times text at most; a pattern over GLOB_MAX bytes that
   holds wildcards matches nothing. */
bool glob_match(struct str pattern, struct str text);

/* What all that the pattern matches begins with. */
struct str glob_begins(struct str pattern);

/* What one decision may still spend on comparing, in units of about a nanosecond. Once it is spent
   nothing matches any more, and the decision refuses whatever the comparisons said. */
enum { WORK_MAX = 40000000 };
struct work {
    uint64_t left;
    bool spent;
};
/* False: there is not so much left. work may be NULL: no bound. */
static inline bool work_take(struct work *work, uint64_t units)
{
    if (!work)
        return true;
    if (work->spent || work->left < units) {
        work->spent = true;
        return false;
    }
    work->left -= units;
    return true;
}

/* glob_match() within a bound. wide: '*' and '?' also stand for '/'. */
bool glob_find(struct str pattern, struct str text, bool wide, struct work *work);
/* The entries of a list that may match a value, in no order: for (c = candidates_of(...); (entry =
   candidates_next(&c));). When work is spent there are none. */
struct candidates {
    const struct entries *entries;
    uint32_t next; /* position in the index, or in the list */
};
struct candidates candidates_of(const struct entries *entries, struct str value, struct work *work);
const struct entry *candidates_next(struct candidates *candidates);
/* Makes the index of a list that is long enough for one; false: out of memory. */
bool entries_index(struct entries *entries, struct arena *arena);
/* Is one of the entries written just so? */
bool entries_hold(const struct entries *entries, struct str text);
bool entry_matches(const struct entry *entry, struct str value, bool wide, struct work *work);
bool entries_match(const struct entries *entries, struct str value, bool wide, struct work *work);

/* Does the constraint pass this value? `any` passes all but deny; else an entry of allow must
   match. ASCII-exact. In deny '*' and '?' also stand for '/'. */
bool constraint_passes(const struct constraint *constraint, struct str value, struct work *work);
/* The same where only an entry written out passes: equal to it to the byte. */
bool constraint_names(const struct constraint *constraint, struct str value, struct work *work);

/* ---- addresses ----------------------------------------------------------------------------- */

/* "10.0.0.1", "fd00::1" into 16 bytes, IPv4 as ::ffff:a.b.c.d. Strict: no leading zeros, no zone.
 */
bool ip_parse(struct str text, uint8_t ip[16]);
/* 0.0.0.0, as ::ffff:0.0.0.0, or ::. */
bool ip_is_any(const uint8_t ip[16]);
/* "10.0.0.0/8", "fd00::/8", or a bare address (all bits). */
bool cidr_parse(struct str text, struct cidr *out);
bool cidr_holds(const struct cidr *outer, const struct cidr *inner);
/* "::ffff:10.0.0.1": an IPv4 address in the clothes of IPv6. */
bool cidr_is_mapped(struct str text, const struct cidr *parsed);
/* "[HOSTIP:]PORT[-PORT][/PROTO]"; IPv6 host in brackets. */
bool ports_parse(struct str text, struct port_range *out);

/* ---- loading ------------------------------------------------------------------------------- */

struct policy {
    struct arena arena;
    struct own own;
    struct role **roles; /* of the file, then the built-in ones */
    size_t role_count;
    size_t file_roles;               /* how many of them are the file's */
    size_t wanted_from;              /* the roles from here on were wanted after loading */
    bool is_file;                    /* else the built-in roles alone */
    const struct role *default_role; /* NULL: nobody is served */
    const struct client *clients;    /* in the order of the file; see client.h */
    size_t client_count;
    const struct client_index *client_index; /* NULL: there are few */
    bool asks_container;                     /* some entry has a key for the peer's container */
    bool closes_revoked;                     /* "revoked": "close" */
};

#endif
