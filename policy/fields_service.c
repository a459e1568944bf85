/* Field table: the body of a service, as dockerd 20.10 to the newest reads it. Its container part
   obeys the same keys as ContainerCreate, by the same checks. What is not here is refused. */
#include "fields.h"

// clang-format off
#define PLUGIN_SPEC_NOTE "reached only when PluginSpec is opened"
#define CREDENTIAL_NOTE  "reached only when CredentialSpec is opened"

#define PRIVILEGE_ROWS(d)                                                                          \
    OPEN(d, "CredentialSpec", T_OBJECT, "Windows only: an account of the domain"),                 \
    HARM((d) + 1, "Config", T_STRING, CREDENTIAL_NOTE),                                            \
    HARM((d) + 1, "File", T_STRING, CREDENTIAL_NOTE),                                              \
    HARM((d) + 1, "Registry", T_STRING, CREDENTIAL_NOTE),                                          \
    RULE(d, "SELinuxContext", T_OBJECT, check_selinux, "switches confinement off, or changes it"), \
    RULE((d) + 1, "Disable", T_BOOL, check_by_parent, "switches confinement off"),                 \
    RULE((d) + 1, "User", T_STRING, check_by_parent, "part of the label"),                         \
    RULE((d) + 1, "Role", T_STRING, check_by_parent, "part of the label"),                         \
    RULE((d) + 1, "Type", T_STRING, check_by_parent, "some types are not confined"),               \
    RULE((d) + 1, "Level", T_STRING, check_by_parent, "files of other containers"),                \
    HOLD(d, "Seccomp", T_OBJECT, "which system calls pass"),                                       \
    RULE((d) + 1, "Mode", T_STRING, check_seccomp_mode, "switches confinement off"),               \
    OPEN((d) + 1, "Profile", T_STRING, "a profile of the client's own can allow everything"),      \
    HOLD(d, "AppArmor", T_OBJECT, "the daemon's profile, or none"),                                \
    RULE((d) + 1, "Mode", T_STRING, check_apparmor_mode, "switches confinement off"),              \
    HARM(d, "NoNewPrivileges", T_BOOL, "less than without it; security_opt may require it")

/* A secret or config in a file of the container. */
#define FILE_ROWS(d, check)                                                                        \
    HOLD(d, "File", T_OBJECT, "where it appears"),                                                 \
    RULE((d) + 1, "Name", T_STRING, check, "below /proc it has led out of containers"),            \
    HARM((d) + 1, "UID", T_STRING, "owner of that file"),                                          \
    HARM((d) + 1, "GID", T_STRING, "group of that file"),                                          \
    HARM((d) + 1, "Mode", T_INT, "permissions of that file")

#define CONTAINER_SPEC_ROWS(d)                                                                     \
    RULE(d, "Image", T_STRING, check_image, "whose code runs"),                                    \
    RULE(d, "Labels", T_MAP_STRING, check_labels, "other programs act by labels"),                 \
    HARM(d, "Command", T_STRINGS, "runs inside the container, with what it is given"),             \
    HARM(d, "Args", T_STRINGS, "runs inside the container, with what it is given"),                \
    RULE(d, "Hostname", T_STRING, check_template, "a template runs in the daemon"),                \
    RULE(d, "Env", T_STRINGS, check_service_env, "settings of what runs inside; templates"),       \
    RULE(d, "Dir", T_STRING, check_target, "below /proc it has led out of containers"),            \
    RULE(d, "User", T_STRING, check_by_parent, "root of the container, judged with the whole"),    \
    RULE(d, "Groups", T_STRINGS, check_group_add,                                                  \
         "groups of the host, where its files are mounted"),                                       \
    HOLD(d, "Privileges", T_OBJECT, "its confinement"),                                            \
    PRIVILEGE_ROWS((d) + 1),                                                                       \
    HARM(d, "Init", T_BOOL, "the daemon's own init"),                                              \
    HARM(d, "StopSignal", T_STRING, "a signal to the container's own process"),                    \
    HARM(d, "TTY", T_BOOL, "a terminal"),                                                          \
    HARM(d, "OpenStdin", T_BOOL, "input, which nobody can send to a task"),                        \
    HARM(d, "ReadOnly", T_BOOL, "less than without it; read_only may require it"),                 \
    RULE(d, "Mounts", T_OBJECTS, check_mounts, "paths of the host, volumes, and more"),            \
    MOUNT_ROWS((d) + 1, RULE((d) + 2, "Labels", T_MAP_STRING, check_template,                      \
                             "a template runs in the daemon")),                                    \
    RULE(d, "StopGracePeriod", T_INT, check_stop_grace, "without an end the daemon cannot stop"),  \
    RULE(d, "Healthcheck", T_OBJECT, check_healthcheck, "a command that the daemon repeats inside"), \
    HEALTHCHECK_ROWS((d) + 1),                                                                     \
    RULE(d, "Hosts", T_STRINGS, check_hosts, "names inside, also for the host itself"),            \
    HOLD(d, "DNSConfig", T_OBJECT, "how it finds names"),                                          \
    RULE((d) + 1, "Nameservers", T_STRINGS, check_dns, "name servers inside"),                     \
    RULE((d) + 1, "Search", T_STRINGS, check_dns, "search domains inside"),                        \
    RULE((d) + 1, "Options", T_STRINGS, check_dns, "resolver options inside"),                     \
    RULE(d, "Secrets", T_OBJECTS, check_secret_refs, "secrets of others"),                         \
    FILE_ROWS((d) + 1, check_secret_file),                                                         \
    HARM((d) + 1, "SecretID", T_STRING,                                                            \
         "swarmkit refuses an ID that does not belong to SecretName (controlapi: checkSecretExistence)"), \
    RULE((d) + 1, "SecretName", T_STRING, check_by_parent, "which secret"),                        \
    RULE(d, "Configs", T_OBJECTS, check_config_refs, "configs of others"),                         \
    FILE_ROWS((d) + 1, check_config_file),                                                         \
    FULL((d) + 1, "Runtime", T_OBJECT, check_config_runtime,                                       \
         "read by the daemon itself, for a credential spec"),                                      \
    HARM((d) + 1, "ConfigID", T_STRING,                                                            \
         "swarmkit refuses an ID that does not belong to ConfigName (controlapi: checkConfigExistence)"), \
    RULE((d) + 1, "ConfigName", T_STRING, check_by_parent, "which config"),                        \
    RULE(d, "Isolation", T_STRING, check_isolation, "Windows only"),                               \
    RULE(d, "Sysctls", T_MAP_STRING, check_sysctls,                                                \
         "kernel parameters, some of them not only the container's"),                              \
    RULE(d, "CapabilityAdd", T_STRINGS, check_cap_add, "powers of root over the host"),            \
    HARM(d, "CapabilityDrop", T_STRINGS, "less than without it; cap_drop may require it"),         \
    ULIMIT_ROWS(d),                                                                                \
    RULE(d, "OomScoreAdj", T_INT, check_oom_score, "the host's processes are killed first")

#define GENERIC_NOTE "claims what nodes offer by that name; it is given as a variable alone"
#define SERVICE_RESOURCE_ROWS(d)                                                                   \
    HOLD(d, "Resources", T_OBJECT, "what it takes of a node"),                                     \
    HOLD((d) + 1, "Limits", T_OBJECT, "what it may take at most"),                                 \
    RULE((d) + 2, "NanoCPUs", T_INT, check_nano_cpus, "takes the host's processors"),              \
    RULE((d) + 2, "MemoryBytes", T_INT, check_memory, "takes the host's memory"),                  \
    RULE((d) + 2, "Pids", T_INT, check_pids_limit, "takes the host's processes"),                  \
    HOLD((d) + 1, "Reservations", T_OBJECT, "which nodes have room"),                              \
    HARM((d) + 2, "NanoCPUs", T_INT, "where a task is placed; nothing is set aside on the host"),  \
    HARM((d) + 2, "MemoryBytes", T_INT, "where a task is placed; nothing is set aside on the host"), \
    HOLD((d) + 2, "GenericResources", T_OBJECTS, "where a task is placed"),                        \
    HOLD((d) + 3, "NamedResourceSpec", T_OBJECT, "where a task is placed"),                        \
    HARM((d) + 4, "Kind", T_STRING, GENERIC_NOTE),                                                 \
    HARM((d) + 4, "Value", T_STRING, GENERIC_NOTE),                                                \
    HOLD((d) + 3, "DiscreteResourceSpec", T_OBJECT, "where a task is placed"),                     \
    HARM((d) + 4, "Kind", T_STRING, GENERIC_NOTE),                                                 \
    HARM((d) + 4, "Value", T_INT, GENERIC_NOTE),                                                   \
    RULE((d) + 1, "SwapBytes", T_INT, check_swap_bytes, "takes the host's swap"),                  \
    HARM((d) + 1, "MemorySwappiness", T_INT, "swaps this container's pages sooner or later")

#define ATTACHMENT_ROWS(d)                                                                         \
    RULE(d, "Networks", T_OBJECTS, check_service_networks, "the host's network, or another's"),    \
    RULE((d) + 1, "Target", T_STRING, check_by_parent, "which network, by name or ID"),            \
    RULE((d) + 1, "Aliases", T_STRINGS, check_template, "a template runs in the daemon"),          \
    OPEN((d) + 1, "DriverOpts", T_MAP_STRING, "kernel parameters and more, by driver")

#define TASK_ROWS(d)                                                                               \
    HOLD(d, "ContainerSpec", T_OBJECT, "the container of each task"),                              \
    CONTAINER_SPEC_ROWS((d) + 1),                                                                  \
    OPEN(d, "PluginSpec", T_OBJECT, "installs a plugin on every node, as root of the host"),       \
    HARM((d) + 1, "name", T_STRING, PLUGIN_SPEC_NOTE),                                             \
    HARM((d) + 1, "remote", T_STRING, PLUGIN_SPEC_NOTE),                                           \
    HOLD((d) + 1, "privileges", T_OBJECTS, PLUGIN_SPEC_NOTE),                                      \
    HARM((d) + 2, "name", T_STRING, PLUGIN_SPEC_NOTE),                                             \
    HARM((d) + 2, "description", T_STRING, PLUGIN_SPEC_NOTE),                                      \
    HARM((d) + 2, "value", T_STRINGS, PLUGIN_SPEC_NOTE),                                           \
    HARM((d) + 1, "disabled", T_BOOL, PLUGIN_SPEC_NOTE),                                           \
    HARM((d) + 1, "env", T_STRINGS, PLUGIN_SPEC_NOTE),                                             \
    OPEN(d, "NetworkAttachmentSpec", T_OBJECT, "what nodes ask of managers, not clients"),         \
    HARM((d) + 1, "ContainerID", T_STRING, "reached only when NetworkAttachmentSpec is opened"),   \
    SERVICE_RESOURCE_ROWS(d),                                                                      \
    HOLD(d, "RestartPolicy", T_OBJECT, "when the swarm starts a task again"),                      \
    RULE((d) + 1, "Condition", T_STRING, check_restart_condition, "outlives the client, and a boot"), \
    HARM((d) + 1, "Delay", T_INT, "how long it waits"),                                            \
    HARM((d) + 1, "MaxAttempts", T_INT, "how often"),                                              \
    HARM((d) + 1, "Window", T_INT, "over which time attempts are counted"),                        \
    HOLD(d, "Placement", T_OBJECT, "on which nodes"),                                              \
    HARM((d) + 1, "Constraints", T_STRINGS, "on fewer nodes than without it"),                     \
    HOLD((d) + 1, "Preferences", T_OBJECTS, "on which nodes first"),                               \
    HOLD((d) + 2, "Spread", T_OBJECT, "on which nodes first"),                                     \
    HARM((d) + 3, "SpreadDescriptor", T_STRING, "on which nodes first"),                           \
    HARM((d) + 1, "MaxReplicas", T_INT, "fewer on one node than without it"),                      \
    HOLD((d) + 1, "Platforms", T_OBJECTS, "on fewer nodes than without it"),                       \
    HARM((d) + 2, "Architecture", T_STRING, "on fewer nodes than without it"),                     \
    HARM((d) + 2, "OS", T_STRING, "on fewer nodes than without it"),                               \
    ATTACHMENT_ROWS(d),                                                                            \
    LOG_DRIVER_ROWS(d),                                                                            \
    HARM(d, "ForceUpdate", T_INT, "replaces tasks by the same ones"),                              \
    RULE(d, "Runtime", T_STRING, check_service_runtime, "a plugin runs as root of the host")

#define UPDATE_CONFIG_ROWS(d, name)                                                                \
    HOLD(d, name, T_OBJECT, "in which steps tasks are replaced"),                                  \
    RULE((d) + 1, "Parallelism", T_INT, check_parallelism, "fills the manager's memory"),          \
    HARM((d) + 1, "Delay", T_INT, "how long between"),                                             \
    HARM((d) + 1, "FailureAction", T_STRING, "may go back to the service that ran until then"),    \
    HARM((d) + 1, "Monitor", T_INT, "how long a task is watched"),                                 \
    HARM((d) + 1, "MaxFailureRatio", T_NUMBER, "how many may fail"),                               \
    HARM((d) + 1, "Order", T_STRING, "which goes first, the old task or the new")

static const struct field service_fields[] = {
    RULE(1, "Name", T_STRING, check_by_parent, "another's service, judged with the whole"),
    RULE(1, "Labels", T_MAP_STRING, check_labels, "other programs act by labels"),
    HOLD(1, "TaskTemplate", T_OBJECT, "what its tasks are"),
    TASK_ROWS(2),
    HOLD(1, "Mode", T_OBJECT, "how many tasks"),
    HOLD(2, "Replicated", T_OBJECT, "a number of tasks"),
    RULE(3, "Replicas", T_INT, check_replicas, "fills the manager's memory"),
    HARM(2, "Global", T_OBJECT, "one on each node"),
    HOLD(2, "ReplicatedJob", T_OBJECT, "tasks that end"),
    RULE(3, "MaxConcurrent", T_INT, check_replicas, "fills the manager's memory"),
    RULE(3, "TotalCompletions", T_INT, check_replicas, "fills the manager's memory"),
    HARM(2, "GlobalJob", T_OBJECT, "one on each node, that ends"),
    UPDATE_CONFIG_ROWS(1, "UpdateConfig"),
    UPDATE_CONFIG_ROWS(1, "RollbackConfig"),
    ATTACHMENT_ROWS(1),
    HOLD(1, "EndpointSpec", T_OBJECT, "how it is reached"),
    HARM(2, "Mode", T_STRING, "how its name is resolved inside networks"),
    RULE(2, "Ports", T_OBJECTS, check_service_ports, "takes a port of every node"),
    HARM(3, "Name", T_STRING, "a name for people"),
    RULE(3, "Protocol", T_STRING, check_by_parent, "TCP, UDP or SCTP"),
    HARM(3, "TargetPort", T_INT, "a port of the container"),
    RULE(3, "PublishedPort", T_INT, check_by_parent, "the port of the nodes"),
    RULE(3, "PublishMode", T_STRING, check_by_parent, "every node's port, or that of one"),
};

// clang-format on

static const char *const service_places[PLACE_COUNT] = {
    [PLACE_IMAGE] = "TaskTemplate.ContainerSpec.Image",
    [PLACE_USER] = "TaskTemplate.ContainerSpec.User",
    [PLACE_LABELS] = "TaskTemplate.ContainerSpec.Labels",
    [PLACE_CAP_DROP] = "TaskTemplate.ContainerSpec.CapabilityDrop",
    [PLACE_SECURITY_OPT] = "TaskTemplate.ContainerSpec.Privileges",
    [PLACE_READ_ONLY] = "TaskTemplate.ContainerSpec.ReadOnly",
    [PLACE_NETWORK_MODE] = "TaskTemplate.Networks",
    [PLACE_LOG_TYPE] = "TaskTemplate.LogDriver.Name",
    [PLACE_RESTART] = "TaskTemplate.RestartPolicy.Condition",
    [PLACE_MEMORY] = "TaskTemplate.Resources.Limits.MemoryBytes",
    [PLACE_CPUS] = "TaskTemplate.Resources.Limits.NanoCPUs",
    [PLACE_PIDS_LIMIT] = "TaskTemplate.Resources.Limits.Pids",
};

SCHEMA(service_create, service_fields, ServiceCreate, T_OBJECT, false, service_places,
       whole_service);
SCHEMA(service_update, service_fields, ServiceUpdate, T_OBJECT, false, service_places,
       whole_service);
