/* The constraint keys of a role: what each governs, the shapes it takes, and its default. The
   loader, the JSON schema, the manual page and the messages all follow this table; a test compares
   them. It holds no judgement: that is in the checks. */
#include "role.h"

#define B              SHAPE_BOOL
#define L              SHAPE_LIST
#define A              SHAPE_ALLOW
#define D              SHAPE_DENY
#define RL             SHAPE_REQUIRE_LIST
#define RT             SHAPE_REQUIRE_TRUE
#define RM             SHAPE_REQUIRE_MAP
#define M              SHAPE_MAX
#define BL             SHAPE_BARE_LIST
#define OPTION_DEFAULT "{\"allow\":[\"no-new-privileges\",\"no-new-privileges=true\"]}"

// clang-format off
#define KEY_ROWS(X) \
    X(KEY_PRIVILEGED, "containers", "privileged", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "privileged containers: every device, every capability, no confinement") \
    X(KEY_CAP_ADD, "containers", "cap_add", B | L, ENTRY_CAPABILITY, MAX_NONE, \
      "[]", \
      "capabilities that may be added; ALL must be written out") \
    X(KEY_CAP_DROP, "containers", "cap_drop", RL, ENTRY_CAPABILITY, MAX_NONE, \
      "{\"require\":[]}", \
      "capabilities that every container must drop") \
    X(KEY_BINDS, "containers", "binds", B | L, ENTRY_PATH, MAX_NONE, \
      "[]", \
      "host paths that may be mounted") \
    X(KEY_VOLUMES, "containers", "volumes", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of volumes; \"\" stands for anonymous ones") \
    X(KEY_VOLUME_DRIVERS, "containers", "volume_drivers", B | L, ENTRY_GLOB, MAX_NONE, \
      "[\"\",\"local\"]", \
      "volume drivers") \
    X(KEY_VOLUME_OPTIONS, "containers", "volume_options", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "driver options for network file systems, beside a plain tmpfs and what binds allows") \
    X(KEY_VOLUMES_FROM, "containers", "volumes_from", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "containers whose volumes may be taken over") \
    X(KEY_TMPFS, "containers", "tmpfs", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "mount points of tmpfs, with plain options") \
    X(KEY_NETWORK_MODE, "containers", "network_mode", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "network modes and names of networks; host and container: must be written out") \
    X(KEY_PID_MODE, "containers", "pid_mode", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "process namespaces; host and container: must be written out") \
    X(KEY_IPC_MODE, "containers", "ipc_mode", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "IPC namespaces; none and private always pass") \
    X(KEY_UTS_MODE, "containers", "uts_mode", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "host name namespaces; host must be written out") \
    X(KEY_USERNS_MODE, "containers", "userns_mode", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "user namespaces; host must be written out") \
    X(KEY_CGROUPNS_MODE, "containers", "cgroupns_mode", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "cgroup namespaces; private always passes, host must be written out") \
    X(KEY_DEVICES, "containers", "devices", B | L, ENTRY_PATH, MAX_NONE, \
      "[]", \
      "host paths of devices") \
    X(KEY_DEVICE_REQUESTS, "containers", "device_requests", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "drivers of device requests (GPUs)") \
    X(KEY_DEVICE_CGROUP_RULES, "containers", "device_cgroup_rules", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "device cgroup rules") \
    X(KEY_SECURITY_OPT, "containers", "security_opt", B | L | A | RL, ENTRY_GLOB, MAX_NONE, \
      OPTION_DEFAULT, \
      "security options as name=value; unconfined values and profiles must be written out") \
    X(KEY_MASKED_PATHS, "containers", "masked_paths", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "may MaskedPaths and ReadonlyPaths be given at all") \
    X(KEY_SYSCTLS, "containers", "sysctls", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "names of kernel parameters of the container") \
    X(KEY_RUNTIMES, "containers", "runtimes", B | L, ENTRY_GLOB, MAX_NONE, \
      "[\"\",\"runc\"]", \
      "runtimes") \
    X(KEY_CGROUP_PARENT, "containers", "cgroup_parent", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "parent cgroups") \
    X(KEY_LINKS, "containers", "links", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "links to other containers") \
    X(KEY_ANNOTATIONS, "containers", "annotations", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "names of annotations for the runtime") \
    X(KEY_STORAGE_OPT, "containers", "storage_opt", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "storage driver options of the container") \
    X(KEY_BLKIO, "containers", "blkio", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "block I/O weights and limits by device") \
    X(KEY_OOM, "containers", "oom", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "OomKillDisable and OomScoreAdj below 0") \
    X(KEY_USER, "containers", "user", B | L | D, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "users, \"\" for none; {\"deny\": [\"root\"]} demands a numeric uid other than 0") \
    X(KEY_READ_ONLY, "containers", "read_only", RT, ENTRY_GLOB, MAX_NONE, \
      "{\"require\":false}", \
      "must the root file system be read-only") \
    X(KEY_MEM_LIMIT, "containers", "mem_limit", B | RT | M, ENTRY_GLOB, MAX_BYTES, \
      "true", \
      "most memory") \
    X(KEY_CPUS, "containers", "cpus", B | RT | M, ENTRY_GLOB, MAX_CPUS, \
      "true", \
      "most processor time, in processors") \
    X(KEY_PIDS_LIMIT, "containers", "pids_limit", B | RT | M, ENTRY_GLOB, MAX_COUNT, \
      "true", \
      "most processes") \
    X(KEY_SHM_SIZE, "containers", "shm_size", B | RT | M, ENTRY_GLOB, MAX_BYTES, \
      "true", \
      "largest /dev/shm") \
    X(KEY_ULIMITS, "containers", "ulimits", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of ulimits; rtprio must be written out") \
    X(KEY_RESTART, "containers", "restart", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "restart policies") \
    X(KEY_DNS, "containers", "dns", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "name servers, search domains and resolver options") \
    X(KEY_EXTRA_HOSTS, "containers", "extra_hosts", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "lines for /etc/hosts as name:address") \
    X(KEY_GROUP_ADD, "containers", "group_add", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "additional groups") \
    X(KEY_HEALTHCHECK, "containers", "healthcheck", B, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "may a health check be given") \
    X(KEY_PORTS, "containers", "ports", B | L, ENTRY_PORTS, MAX_NONE, \
      "[\"1024-65535\"]", \
      "host ports that may be published") \
    X(KEY_LOG_DRIVERS, "containers", "log_drivers", B | L, ENTRY_GLOB, MAX_NONE, \
      "[\"\",\"json-file\",\"local\",\"none\"]", \
      "log drivers") \
    X(KEY_LOG_OPTIONS, "containers", "log_options", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "log options by name or as name=value; without this key only the safe ones") \
    X(KEY_ENV, "containers", "env", B | L | A | D, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of environment variables") \
    X(KEY_LABELS, "containers", "labels", B | L | A | D | RM, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of labels, and labels that must be there") \
    X(KEY_NAMES, "containers", "names", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of containers; \"\" stands for no name") \
    X(KEY_EXEC_PRIVILEGED, "exec", "privileged", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "privileged commands in a container") \
    X(KEY_EXEC_USERS, "exec", "users", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "users that commands may run as") \
    X(KEY_EXEC_COMMANDS, "exec", "commands", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "first words of commands") \
    X(KEY_EXEC_ENV, "exec", "env", B | L | A | D, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of environment variables of commands") \
    X(KEY_IMAGES_ALLOW, "images", "allow", B | L, ENTRY_IMAGE, MAX_NONE, \
      "[\"**\"]", \
      "images that may be used, as registry/repository") \
    X(KEY_IMAGES_DENY, "images", "deny", BL, ENTRY_IMAGE, MAX_NONE, \
      "[]", \
      "images that may not; wins over allow") \
    X(KEY_IMAGES_REQUIRE_DIGEST, "images", "require_digest", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "must the reference end in @sha256:...") \
    X(KEY_IMAGES_DENY_TAGS, "images", "deny_tags", BL, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "tags that may not be used") \
    X(KEY_IMAGES_IMPORT, "images", "import", B | L, ENTRY_IMAGE, MAX_NONE, \
      "true", \
      "names under which other content may be put") \
    X(KEY_IMAGES_SIGNED, "images", "signed", BL, ENTRY_SIGNED, MAX_NONE, \
      "[]", \
      "images that run and are pulled only when one of these keys has signed them") \
    X(KEY_NETWORKS_NAMES, "networks", "names", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of networks that may be made") \
    X(KEY_NETWORKS_DRIVERS, "networks", "drivers", B | L, ENTRY_GLOB, MAX_NONE, \
      "[\"\",\"bridge\"]", \
      "network drivers") \
    X(KEY_NETWORKS_OPTIONS, "networks", "options", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "names of network driver options") \
    X(KEY_NETWORKS_SUBNETS, "networks", "subnets", B | L, ENTRY_CIDR, MAX_NONE, \
      "[]", \
      "address ranges that a network may ask for") \
    X(KEY_NETWORKS_INTERNAL, "networks", "internal", RT, ENTRY_GLOB, MAX_NONE, \
      "{\"require\":false}", \
      "must networks be internal") \
    X(KEY_BUILDS_UNCONSTRAINED, "builds", "unconstrained", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "may builds run although other keys constrain containers or images, which bind no build") \
    X(KEY_BUILDS_NETWORK_MODE, "builds", "network_mode", B | L, ENTRY_GLOB, MAX_NONE, \
      "[\"\",\"default\",\"none\",\"bridge\"]", \
      "network modes of builds; host and container: must be written out") \
    X(KEY_BUILDS_REMOTE, "builds", "remote", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "addresses that the daemon may fetch a build context from") \
    X(KEY_BUILDS_BUILDKIT, "builds", "buildkit", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "builds by BuildKit, whose session and control channel are not inspected") \
    X(KEY_BUILDS_EXTRA_HOSTS, "builds", "extra_hosts", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "lines for /etc/hosts during a build, as name:address") \
    X(KEY_BUILDS_CGROUP_PARENT, "builds", "cgroup_parent", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "parent cgroups of builds") \
    X(KEY_BUILDS_SECURITY_OPT, "builds", "security_opt", B | L, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "security options of builds as name=value; unconfined values and profiles must be written out") \
    X(KEY_BUILDS_OUTPUTS, "builds", "outputs", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "may a build name outputs other than an image") \
    X(KEY_SERVICES_NAMES, "services", "names", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of services") \
    X(KEY_SECRETS_NAMES, "secrets", "names", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of secrets that may be made, and given to services") \
    X(KEY_SECRETS_DRIVERS, "secrets", "drivers", B | L, ENTRY_GLOB, MAX_NONE, \
      "[\"\"]", \
      "drivers that fetch secrets; \"\" for the swarm's own store") \
    X(KEY_CONFIGS_NAMES, "configs", "names", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of configs that may be made, and given to services") \
    X(KEY_PLUGINS_ALLOW, "plugins", "allow", B | L, ENTRY_IMAGE, MAX_NONE, \
      "[]", \
      "plugins that may be installed, as registry/repository") \
    X(KEY_PLUGINS_NAMES, "plugins", "names", B | L, ENTRY_GLOB, MAX_NONE, \
      "true", \
      "names of plugins on this daemon") \
    X(KEY_PLUGINS_PRIVILEGES, "plugins", "privileges", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "privileges that may be granted to a plugin, as name=value") \
    X(KEY_PLUGINS_SETTINGS, "plugins", "settings", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "settings of plugins, by name or as name=value") \
    X(KEY_PLUGINS_UNCONSTRAINED, "plugins", "unconstrained", B, ENTRY_GLOB, MAX_NONE, \
      "false", \
      "may plugins be made from an archive, which is not inspected") \
    X(KEY_NODES_ROLES, "nodes", "roles", B | L, ENTRY_GLOB, MAX_NONE, \
      "[\"\",\"worker\"]", \
      "roles that a node may be given; a manager rules the swarm") \
    X(KEY_SWARM_REMOTES, "swarm", "remotes", B | L, ENTRY_GLOB, MAX_NONE, \
      "[]", \
      "addresses of managers that this daemon may join")

#define ROW(key, group, name, shapes, entries, max, fallback, gist) \
    [key] = {group, name, shapes, entries, max, fallback, gist},
#define PATH_OF(key, group, name, shapes, entries, max, fallback, gist) [key] = group "." name,
const struct key_row key_rows[KEY_COUNT] = {KEY_ROWS(ROW)};
static const char *const key_paths[KEY_COUNT] = {KEY_ROWS(PATH_OF)};
// clang-format on

const char *key_path(enum key key)
{
    return key < KEY_COUNT ? key_paths[key] : "";
}

const char *policy_key(size_t index)
{
    return index < KEY_COUNT ? key_paths[index] : NULL;
}

const char *policy_rule(size_t index)
{
    static const char *const others[] = {"allow",           "api",
                                         "archive",         "open",
                                         "unknown_fields",  "existing",
                                         "owner",           "objects.containers",
                                         "objects.volumes", "objects.networks",
                                         "objects.images",  "objects.services",
                                         "objects.secrets", "objects.configs",
                                         "responses.redact"};
    if (index < ARRAY_LEN(others))
        return others[index];
    index -= ARRAY_LEN(others);
    return index < KEY_COUNT ? key_paths[index] : NULL;
}
