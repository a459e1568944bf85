/* What the checks share: ways to refuse, to read values, and the checks that the tables name.
   Private to the tables, the walk and the checks. */
#ifndef POLICY_CHECKS_H
#define POLICY_CHECKS_H

#include "schema.h"

/* name: a printable form of s, for sentences. */
#define SHOWN(name, s)    \
    char name[VALUE_MAX]; \
    text_shorten(name, sizeof(name), s)

/* ---- refusing (refuse.c) -------------------------------------------------------------------- */

/* `is "VALUE", which KEY does not allow`, or denies. */
enum finding refuse_value(struct check *check, enum key key, struct str value);
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

/* The value against the key's list. */
enum finding judge(struct check *check, enum key key, struct str value);
/* Each string of a list (or the one bare string) against the key's list. */
enum finding judge_each(struct check *check, enum key key, const struct json_node *list);
/* Each name of a map. */
enum finding judge_names(struct check *check, enum key key, const struct json_node *map);
/* A value that is absent: passes unless the key has a list without "". */
bool absent_passes(const struct constraint *constraint);
/* Only an entry written out opens the value, but for unrestricted roles. */
bool written_out(const struct check *check, enum key key, struct str value);
/* "host", "container:x" and whatever else has a colon must be written out; the rest as judge(). */
enum finding judge_mode(struct check *check, enum key key, struct str value);
/* A container's name or ID that holds no '/': link aliases lead elsewhere. */
enum finding judge_container_name(struct check *check, struct str name);
/* Names of containers that would shadow an ID. */
bool name_shadows_id(struct str name);

/* The texts of a list, or of a bare string that stands for a list of one. */
const struct json_node *item_first(const struct check *check, const struct json_node *list);
const struct json_node *item_next(const struct check *check, const struct json_node *list,
                                  const struct json_node *item);
/* Text of the body's string at a path; empty when absent. */
struct str text_at(const struct check *check, const char *path);
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
/* Is or holds the daemon's or the proxy's sockets and state, or leads there (/proc). */
bool path_is_vital(struct str path);
/* At or below /proc or /sys once cleaned, as the daemon cleans it. */
bool path_is_kernel(struct str path);

/* A mount target or working directory. */
enum finding judge_target(struct check *check, struct str target);

/* ---- binds and volumes (checks_mount.c) ------------------------------------------------------ */

struct bind {
    struct str source;
    bool read_only;
    bool relabel;  /* z, Z: changes labels of the source on the host */
    bool shallow;  /* NonRecursive or ReadOnlyNonRecursive: mounts below stay writable */
    bool restarts; /* the daemon may start the container again, see container_restarts() */
};
enum finding judge_bind(struct check *check, const struct bind *bind);
enum finding judge_propagation(struct check *check, struct str propagation);
/* driver: its name; options: a map of strings or NULL. */
enum finding judge_volume(struct check *check, struct str name, struct str driver,
                          const struct json_node *options, bool inside_container);

/* ---- images (checks_image.c) ----------------------------------------------------------------- */

enum image_use {
    IMAGE_RUN,  /* digest, tags and IDs matter */
    IMAGE_PULL, /* the same, and neither tag nor digest would fetch all tags */
    IMAGE_NAME, /* only the name matters */
};
/* Does any rule of `images` but import restrict? */
bool images_restrict(const struct role *role);
enum finding judge_image(struct check *check, struct str reference, enum image_use use);
/* Other content under a name. */
enum finding judge_import(struct check *check, struct str name);
/* A registry that the daemon would talk to. */
enum finding judge_registry(struct check *check, struct str registry);

/* ---- checks that the field tables name ------------------------------------------------------- */

#define FIELD_CHECKS(X)                                                                            \
    X(check_by_parent)                                                                             \
    X(check_privileged) X(check_cap_add) X(check_security_opt) X(check_masked_paths) X(            \
        check_sysctls) X(check_env) X(check_exec_env) X(check_labels) X(check_runtime)             \
        X(check_log_type) X(check_log_config) X(check_cgroup_parent) X(check_links) X(             \
            check_annotations) X(check_storage_opt) X(check_blkio) X(check_oom_kill)               \
            X(check_oom_score) X(check_ulimits) X(check_restart) X(check_dns) X(check_extra_hosts) \
                X(check_group_add) X(check_healthcheck) X(check_volumes_from) X(check_devices) X(  \
                    check_device_rules) X(check_device_requests) X(check_isolation)                \
                    X(check_stop_timeout) X(check_target) X(check_network_mode) X(check_endpoints) \
                        X(check_pid_mode) X(check_ipc_mode) X(check_uts_mode) X(check_userns_mode) \
                            X(check_cgroupns_mode) X(check_ports) X(check_publish_all)             \
                                X(check_memory) X(check_memory_swap) X(check_nano_cpus)            \
                                    X(check_cpu_quota) X(check_pids_limit) X(check_shm_size)       \
                                        X(check_binds) X(check_mounts) X(check_tmpfs)              \
                                            X(check_volume_targets) X(check_image)                 \
                                                X(check_exec_privileged) X(check_volume_driver) X( \
                                                    check_volume_options) X(check_network_name)    \
                                                    X(check_network_driver) X(check_network_scope) \
                                                        X(check_network_options) X(check_subnet)   \
                                                            X(check_aux_addresses)                 \
                                                                X(check_ipam_driver)               \
                                                                    X(check_container_name)        \
                                                                        X(check_mount_type)
#define X(name) enum finding name(struct check *check, const struct json_node *value);
FIELD_CHECKS(X)
#undef X

/* What is judged once the whole body is read. */
enum finding whole_container(struct check *check);
enum finding whole_update(struct check *check);
enum finding whole_exec(struct check *check);
enum finding whole_volume(struct check *check);
enum finding whole_network(struct check *check);
enum finding whole_connect(struct check *check);
/* Parts of whole_container. whole_user also judges commands: a container's own user is not known
   here. */
enum finding whole_user(struct check *check);
enum finding whole_security(struct check *check);
enum finding whole_resources(struct check *check);

/* ---- checks that the parameter table names (checks_param.c) ---------------------------------- */

#define PARAM_CHECKS(X)                                                           \
    X(param_container_name)                                                       \
    X(param_stop_timeout) X(param_from_image) X(param_from_src) X(param_tag_repo) \
        X(param_search_term) X(param_plugin_remote)
#define X(name) enum finding name(struct check *check, struct str value);
PARAM_CHECKS(X)
#undef X
/* What an operation demands of its name and parameters together, also of absent ones. */
enum finding judge_operation(struct check *check);

#endif
