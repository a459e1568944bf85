/* What the checks share: ways to refuse and to read values, then what each file of checks gives to
   the tables and to the others, by file. Private to the tables, the walk and the checks.

     check_*   what the field table names: one value of the body
     param_*   what the parameter table names
     whole_*   what a body must fulfil as a whole, once all of it is read
     judge_*   parts of these that more than one of them needs */
#ifndef POLICY_CHECKS_H
#define POLICY_CHECKS_H

#include "schema.h"

// clang-format off
#define FIELD(name) enum finding name(struct check *check, const struct json_node *value)
#define PARAM(name) enum finding name(struct check *check, struct str value)
#define WHOLE(name) enum finding name(struct check *check)
// clang-format on

/* name: a printable form of s, for sentences. */
#define SHOWN(name, s)    \
    char name[VALUE_MAX]; \
    text_shorten(name, sizeof(name), s)

/* ---- refusing (refuse.c) -------------------------------------------------------------------- */

/* `is "VALUE", which KEY does not allow`, for keys without a list of denials. */
enum finding refuse_value(struct check *check, enum key key, struct str value);
/* The policy that would pass value: the key's present list with value added, or true. Always
   NUL-terminated; "" where nothing of the key would. */
void suggest_entry(const struct check *check, enum key key, struct str value, char *dst,
                   size_t cap);
/* As refuse(), where the change of policy that would allow it is not the plain one; NULL: none. */
enum finding refuse_with(struct check *check, enum key key, struct str value,
                         const char *allow_with, const char *why, ...) PRINTF_LIKE(5, 6);
/* For the body field being judged: passes when the role opens it, else refuses. */
enum finding refuse_unless_open(struct check *check, struct str value, const char *why, ...)
    PRINTF_LIKE(3, 4);
/* For the body value being judged: status 400, the sentence begins with its path. */
enum finding refuse_unclear(struct check *check, struct str value, const char *why, ...)
    PRINTF_LIKE(3, 4);

/* The path of a value in the body, as people write it: "HostConfig.Mounts[0].Source". */
void node_path(const struct json *doc, const struct json_node *node, char *dst, size_t cap);
/* The path of a row as `open` writes it: "HostConfig.Mounts[].Source". */
void row_path(const struct body_schema *schema, size_t row, char *dst, size_t cap);

/* ---- judging one value by one key (checks.c) ------------------------------------------------ */

/* Takes units of work; false: there are none left. */
static inline bool check_spend(const struct check *check, uint64_t units)
{
    return work_take(check->work, units);
}
/* Units of work to pass one member or text of a document by, in search of this one. */
static inline uint64_t member_cost(struct str text)
{
    return 8 + text.n / 8;
}
/* Does the key pass whatever there is? */
static inline bool key_passes_all(const struct check *check, enum key key)
{
    const struct constraint *constraint = check_key(check, key);
    return constraint->any && constraint->deny.count == 0;
}
/* Does the key's list pass the value? */
static inline bool key_passes(const struct check *check, enum key key, struct str value)
{
    return constraint_passes(check_key(check, key), value, check->work);
}
/* The value against the key's list. */
enum finding judge(struct check *check, enum key key, struct str value);
/* Each string of a list (or the one bare string) against the key's list. */
enum finding judge_each(struct check *check, enum key key, const struct json_node *list);
/* Each name of a map. */
enum finding judge_names(struct check *check, enum key key, const struct json_node *map);
/* A value that is absent: passes unless the key has a list without "". */
bool absent_passes(const struct check *check, enum key key);
/* Only an entry written out opens the value, but for unrestricted roles. */
bool written_out(const struct check *check, enum key key, struct str value);
/* "host", "container:x" and whatever else has a colon must be written out; the rest as judge(). */
enum finding judge_mode(struct check *check, enum key key, struct str value);
/* A container's name or ID that holds no '/': link aliases lead elsewhere. */
enum finding judge_container_name(struct check *check, struct str name);
/* The text at a path of the body; absent counts as "". */
enum finding judge_member(struct check *check, enum key key, const char *path);
/* Names of containers and networks that would shadow an ID. */
bool name_shadows_id(struct str name);

/* The texts of a list, or of a bare string that stands for a list of one. */
const struct json_node *item_first(const struct check *check, const struct json_node *list);
const struct json_node *item_next(const struct check *check, const struct json_node *list,
                                  const struct json_node *item);
/* Text of the body's string at a path, or at a place; empty when absent. */
struct str text_at(const struct check *check, const char *path);
struct str place_text(const struct check *check, enum place place);
struct str member_text(const struct check *check, const struct json_node *object, const char *name);
bool member_true(const struct check *check, const struct json_node *object, const char *name);

/* ---- paths (path.c) ------------------------------------------------------------------------- */

/* Absolute, no empty, '.' or '..' component; one trailing '/' is taken. */
bool path_is_normal(struct str path);
/* Without one trailing '/', but for the root itself. */
struct str path_trim(struct str path);
/* path is root or below it; both normal and trimmed. */
bool path_is_within(struct str path, struct str root);
/* The parent of a normal, trimmed path; the root's is empty. */
struct str path_parent(struct str path);
/* Is or holds the daemon's sockets, state or settings, or leads there (/proc, /sys,
   /dev). */
bool path_is_vital(struct str path);
/* Is or holds a socket, the policy or an audit log of the proxy itself (own.c). */
bool path_is_own(const struct role *role, struct str path);
/* Does this volume hold a socket, the policy or an audit log of the proxy itself? Could one that
   begins like this template? */
bool volume_is_own(const struct role *role, struct str name);
bool volume_may_become_own(const struct role *role, struct str template);
/* Does the proxy itself listen on one of these TCP ports? */
bool port_is_own(const struct role *role, unsigned first, unsigned last);
/* At or below /proc or /sys once cleaned, as the daemon cleans it. */
bool path_is_kernel(struct str path);

/* A mount target or working directory. */
enum finding judge_target(struct check *check, struct str target);

// clang-format off
/* ---- containers (checks_container.c) --------------------------------------------------------- */

/* Judged by the check of the row that holds it. */
FIELD(check_by_parent);
FIELD(check_privileged); FIELD(check_env); FIELD(check_exec_env); FIELD(check_labels);
FIELD(check_runtime); FIELD(check_cgroup_parent); FIELD(check_links); FIELD(check_storage_opt);
FIELD(check_oom_kill); FIELD(check_oom_score); FIELD(check_restart); FIELD(check_dns);
FIELD(check_extra_hosts); FIELD(check_hosts); FIELD(check_group_add); FIELD(check_healthcheck);
FIELD(check_isolation); FIELD(check_health_test); FIELD(check_stop_timeout); FIELD(check_target);
FIELD(check_container_name); FIELD(check_annotations); FIELD(check_sysctls);
WHOLE(whole_container);
/* A parent cgroup by the key's list; one that holds '..' only where the key is true, one that names
   a container never. */
enum finding judge_cgroup_parent(struct check *check, enum key key, struct str text);

/* A restart policy in docker's words. */
enum finding judge_restart_words(struct check *check, struct str words);

/* ---- commands in containers (checks_exec.c) -------------------------------------------------- */

FIELD(check_exec_privileged);
WHOLE(whole_exec);

/* ---- confinement and users (checks_security.c) ----------------------------------------------- */

FIELD(check_cap_add); FIELD(check_security_opt); FIELD(check_masked_paths);
/* Part of whole_container. It also judges commands: a container's own user is not known here. */
WHOLE(whole_user);
WHOLE(whole_security); /* part of whole_container */
/* Does a command that names no user run as the container's, which must conform and so is no root?
 */
bool user_is_containers(const struct check *check, struct str user);
/* A user, "uid[:gid]" or a name, by containers.user. */
enum finding judge_user_text(struct check *check, struct str user);
/* One security option, "name=value", by the key's list. */
enum finding judge_security_option(struct check *check, enum key key, struct str text);

/* ---- namespaces and networks that are joined (checks_mode.c) --------------------------------- */

FIELD(check_network_mode); FIELD(check_endpoints); FIELD(check_pid_mode); FIELD(check_ipc_mode);
FIELD(check_uts_mode); FIELD(check_userns_mode); FIELD(check_cgroupns_mode);
FIELD(check_service_networks);
WHOLE(whole_connect);
// clang-format on
/* A network that is joined, by name or ID, a network mode included: which one it is and by which
   driver the daemon says. */
struct joined {
    struct str id; /* full; p NULL: it was not looked up */
    struct str
        name; /* as the daemon has it, or as asked where no look is needed; p NULL: not known */
};
enum finding judge_network(struct check *check, struct str name, struct joined *joined);
// clang-format off

/* ---- resources and devices (checks_resource.c) ----------------------------------------------- */

FIELD(check_memory); FIELD(check_memory_swap); FIELD(check_nano_cpus); FIELD(check_cpu_quota);
FIELD(check_pids_limit); FIELD(check_shm_size); FIELD(check_blkio); FIELD(check_ulimits);
FIELD(check_devices); FIELD(check_device_requests); FIELD(check_device_rules);
WHOLE(whole_resources); /* part of whole_container */
WHOLE(whole_update);
/* Would the limit of this name give real-time scheduling, in any spelling that daemons take? */
bool ulimit_is_realtime(struct str name);

/* ---- logs (checks_log.c) --------------------------------------------------------------------- */

FIELD(check_log_type); FIELD(check_log_config);

/* ---- binds and mounts (checks_mount.c) ------------------------------------------------------- */

FIELD(check_binds); FIELD(check_mounts); FIELD(check_mount_type); FIELD(check_volume_targets);
FIELD(check_volumes_from);
// clang-format on
struct bind {
    struct str source;
    bool read_only;
    bool relabel;  /* z, Z: changes labels of the source on the host */
    bool shallow;  /* NonRecursive or ReadOnlyNonRecursive: mounts below stay writable */
    bool restarts; /* the daemon may start the container again, see container_restarts() */
};
enum finding judge_bind(struct check *check, const struct bind *bind);
enum finding judge_propagation(struct check *check, struct str propagation);
/* May the daemon start what is created here again? */
bool container_restarts(const struct check *check);
/* The part of a sentence that says which containers could have a source that others may swap. */
const char *restart_phrase(const struct check *check);
/* Does an entry open this source? written: only entries that are equal to it. *only_read_only: the
   entries that would match demand a read-only mount. */
bool bind_listed(const struct check *check, const struct bind *bind, struct str source,
                 bool written, bool *only_read_only);
/* Refuses a source below a path that the role may mount read-write: the daemon resolves it again at
   each restart. */
enum finding judge_bind_restart(struct check *check, struct str source);
/* A source that is allowed as text, by what it is on the daemon's file system (checks_host.c). */
enum finding judge_on_host(struct check *check, const struct bind *bind, struct str source);
/* May a source that the role allows lie below a path that it may mount read-write? read_only:
   sources that only read-only mounts may have count too. */
bool binds_may_nest(const struct check *check, bool read_only);

// clang-format off
/* ---- tmpfs (checks_tmpfs.c), volumes (checks_volume.c) --------------------------------------- */

FIELD(check_tmpfs); FIELD(check_tmpfs_options);
FIELD(check_volume_driver); FIELD(check_volume_options);
WHOLE(whole_volume);
// clang-format on
/* A mount of type tmpfs. */
enum finding mount_tmpfs(struct check *check, const struct json_node *mount);
struct named_volume;
/* A volume of the proxy itself must be written out in containers.volumes. */
enum finding judge_own_volume(struct check *check, struct str name);
enum finding judge_volume(struct check *check, const struct named_volume *volume,
                          bool inside_container);

// clang-format off
/* ---- networks and ports (checks_network.c) --------------------------------------------------- */

FIELD(check_network_name); FIELD(check_network_driver); FIELD(check_network_scope);
FIELD(check_network_options); FIELD(check_ipam_driver); FIELD(check_subnet);
FIELD(check_subnets); /* each of a list or map */
FIELD(check_ports); FIELD(check_service_ports); FIELD(check_publish_all);
WHOLE(whole_network);

/* ---- images and registries (checks_image.c) -------------------------------------------------- */

FIELD(check_image); FIELD(check_server_address);
WHOLE(whole_auth);
// clang-format on
enum image_use {
    IMAGE_RUN,  /* digest, tags and IDs matter */
    IMAGE_PULL, /* digest and tags, neither would fetch all tags, and an ID is a name, too */
    IMAGE_NAME, /* only the name matters, and an ID is one, too */
    IMAGE_HERE, /* only the name of what is here already, or its ID */
};
/* Does any rule of `images` but import restrict? */
bool images_restrict(const struct role *role);
/* The key of that rule, or KEY_COUNT. */
enum key images_restricted_by(const struct role *role);
/* A rule that holds for containers and that no build would obey, or KEY_COUNT. */
enum key builds_get_round(const struct role *role);
enum finding judge_image(struct check *check, struct str reference, enum image_use use);
/* Would the rules of names let an image pass under this one, "registry/repo:tag" or
   "registry/repo@sha256:..."? */
bool image_name_passes(struct check *check, struct str reference);
/* Other content under a name. */
enum finding judge_import(struct check *check, struct str name);
/* A registry that the daemon would talk to. */
enum finding judge_registry(struct check *check, struct str registry);
/* A registry and repository against a list of these; is it in the list? */
bool reference_listed(const struct check *check, enum key key, struct str reference);
enum finding judge_reference(struct check *check, enum key key, struct str reference);

/* ---- signed images (checks_signed.c) --------------------------------------------------------- */

/* What the request runs or mounts, by images.signed. The text being judged becomes the ID of what
   was judged, in services the digest. made_of: of an existing container, the ID of its image; p
   NULL: the reference alone tells which it is. */
enum finding judge_signed(struct check *check, struct str reference, struct str made_of);
/* What the request pulls; the parameters become its digest, and decision->pull says what follows.
 */
enum finding judge_signed_pull(struct check *check, struct str reference);
/* What a pull or a service names, in one spelling with registry and tag where an entry covers it,
   so that what is sent on with a digest in place of the tag is judged as what was asked. */
struct str signed_reference(struct check *check, struct str reference);

// clang-format off
/* ---- parameters (checks_param.c) ------------------------------------------------------------- */

PARAM(param_container_name); PARAM(param_stop_timeout); PARAM(param_from_image);
PARAM(param_from_src); PARAM(param_tag_repo); PARAM(param_image_names); PARAM(param_search_term);
/* What an operation demands of its name and parameters together, also of absent ones. */
WHOLE(judge_operation);

/* ---- builds (checks_build.c), commits and checkpoints (checks_commit.c) ---------------------- */

PARAM(param_build_tag); PARAM(param_build_hosts); PARAM(param_build_remote);
PARAM(param_build_cache); PARAM(param_build_network); PARAM(param_build_outputs);
PARAM(param_build_version); PARAM(param_build_session); PARAM(param_build_isolation);
PARAM(param_build_security); PARAM(param_build_cgroup); PARAM(param_build_ulimits);
PARAM(param_changes); PARAM(param_container);
FIELD(check_checkpoint);
/* Parts of judge_operation, for ImageBuild, for Session and Grpc, for ImageCommit. */
WHOLE(judge_build); WHOLE(judge_tunnel); WHOLE(judge_commit);

/* ---- services (checks_service.c) ------------------------------------------------------------- */

FIELD(check_selinux); FIELD(check_seccomp_mode); FIELD(check_apparmor_mode);
FIELD(check_service_runtime); FIELD(check_template); FIELD(check_service_env); FIELD(check_replicas); FIELD(check_parallelism);
FIELD(check_stop_grace); FIELD(check_restart_condition);
FIELD(check_swap_bytes);
WHOLE(whole_service);
// clang-format on
/* Does the body describe a service of a swarm? */
bool check_is_service(const struct check *check);
/* Would the swarm expand the text before a task starts? */
bool text_is_template(const struct check *check, struct str text);
/* The text as it could become, where its templates are plain ones; else p NULL. */
struct str template_filled(const struct check *check, struct str text);
/* Templates in a mount of a service. */
enum finding judge_mount_templates(struct check *check, const struct json_node *mount);
/* The security options that a service's Privileges can stand for, by index. Empty: this one is not
   given; p NULL: it cannot be told. */
size_t service_options_count(void);
struct str service_option(const struct check *check, size_t index);

// clang-format off
/* ---- secrets, configs, nodes, the swarm (checks_swarm.c) ------------------------------------- */

FIELD(check_secret_refs); FIELD(check_secret_file); FIELD(check_config_refs);
FIELD(check_config_file); FIELD(check_config_runtime); FIELD(check_remotes);
WHOLE(whole_secret); WHOLE(whole_config); WHOLE(whole_node);

/* ---- plugins (checks_plugin.c) --------------------------------------------------------------- */

FIELD(check_plugin_setting);
PARAM(param_plugin_name); PARAM(param_plugin_remote);
PARAM(param_plugin_asked); /* what the daemon would ask a registry about */
WHOLE(whole_grants);
/* Part of judge_operation. */
WHOLE(judge_plugin_operation);
// clang-format on

#undef FIELD
#undef PARAM
#undef WHOLE
#endif
