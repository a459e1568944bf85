/* How rows of the field tables are written, and the rows that several bodies share. */
#ifndef POLICY_FIELDS_H
#define POLICY_FIELDS_H

#include "checks.h"

/* Defines schema_NAME from the table of rows. */
#define SCHEMA(name, rows, op, root, optional, places, whole)                                 \
    const struct body_schema schema_##name = {OP_##op, rows, ARRAY_LEN(rows), root, optional, \
                                              places,  whole}

extern const struct body_schema schema_container_create, schema_container_update,
    schema_container_exec, schema_exec_start;
extern const struct body_schema schema_image_commit, schema_system_auth, schema_checkpoint_create;
extern const struct body_schema schema_volume_create, schema_network_create, schema_network_connect,
    schema_network_disconnect;

extern const struct body_schema schema_volume_update;
extern const struct body_schema schema_service_create, schema_service_update;
extern const struct body_schema schema_secret_create, schema_secret_update, schema_config_create,
    schema_config_update;
extern const struct body_schema schema_node_update, schema_swarm_init, schema_swarm_join,
    schema_swarm_update, schema_swarm_unlock;
extern const struct body_schema schema_plugin_pull, schema_plugin_upgrade, schema_plugin_set;

// clang-format off
#define HARM(depth, name, type, note)        {depth, name, type, HARMLESS, NULL, false, false, note}
#define RULE(depth, name, type, check, note) {depth, name, type, GOVERNED, check, false, false, note}
/* Judged also when empty. */
#define FULL(depth, name, type, check, note) {depth, name, type, GOVERNED, check, true, false, note}
#define OPEN(depth, name, type, note)        {depth, name, type, OPENED, NULL, false, false, note}
#define HOLD(depth, name, type, note)        {depth, name, type, STRUCTURE, NULL, false, false, note}
/* Opened, and never shown. */
#define SEAL(depth, name, type, note)        {depth, name, type, OPENED, NULL, false, true, note}
/* Harmless, and never shown: passwords and the like. */
#define HIDE(depth, name, type, note)        {depth, name, type, HARMLESS, NULL, false, true, note}

#define DEVICE_LIMIT_ROWS(d, name, value)                                                          \
    RULE(d, name, T_OBJECTS, check_blkio, "names devices of the host"),                            \
    RULE((d) + 1, "Path", T_STRING, check_by_parent, "a device of the host"),                      \
    HARM((d) + 1, value, T_INT, "its weight or limit")

#define ULIMIT_ROWS(d)                                                                             \
    RULE(d, "Ulimits", T_OBJECTS, check_ulimits, "limits of each process"),                        \
    RULE((d) + 1, "Name", T_STRING, check_by_parent, "which limit"),                               \
    HARM((d) + 1, "Hard", T_INT, "its value; the daemon has the capability to set any"),           \
    HARM((d) + 1, "Soft", T_INT, "its value, below the hard one")

/* What Go calls container.Resources: part of HostConfig, and the body of an update. */
#define RESOURCE_ROWS(d)                                                                           \
    HARM(d, "CpuShares", T_INT, "a weight among containers"),                                      \
    RULE(d, "Memory", T_INT, check_memory, "takes the host's memory"),                             \
    RULE(d, "NanoCpus", T_INT, check_nano_cpus, "takes the host's processors"),                    \
    RULE(d, "CgroupParent", T_STRING, check_cgroup_parent,                                         \
         "leaves the daemon's cgroup and its limits"),                                             \
    RULE(d, "BlkioWeight", T_INT, check_blkio, "a weight among all block I/O"),                    \
    DEVICE_LIMIT_ROWS(d, "BlkioWeightDevice", "Weight"),                                           \
    DEVICE_LIMIT_ROWS(d, "BlkioDeviceReadBps", "Rate"),                                            \
    DEVICE_LIMIT_ROWS(d, "BlkioDeviceWriteBps", "Rate"),                                           \
    DEVICE_LIMIT_ROWS(d, "BlkioDeviceReadIOps", "Rate"),                                           \
    DEVICE_LIMIT_ROWS(d, "BlkioDeviceWriteIOps", "Rate"),                                          \
    HARM(d, "CpuPeriod", T_INT, "judged with CpuQuota"),                                           \
    RULE(d, "CpuQuota", T_INT, check_cpu_quota, "takes the host's processors"),                    \
    OPEN(d, "CpuRealtimePeriod", T_INT, "real-time scheduling goes before the host's processes"),  \
    OPEN(d, "CpuRealtimeRuntime", T_INT, "real-time scheduling goes before the host's processes"), \
    HARM(d, "CpusetCpus", T_STRING, "which processors, not how much of them"),                     \
    HARM(d, "CpusetMems", T_STRING, "which memory nodes"),                                         \
    RULE(d, "Devices", T_OBJECTS, check_devices, "devices of the host, disks among them"),         \
    RULE((d) + 1, "PathOnHost", T_STRING, check_by_parent, "the device"),                          \
    RULE((d) + 1, "PathInContainer", T_STRING, check_target, "where it appears"),                  \
    HARM((d) + 1, "CgroupPermissions", T_STRING, "what may be done with a device that is allowed"),\
    RULE(d, "DeviceCgroupRules", T_STRINGS, check_device_rules,                                    \
         "with mknod, any device of the host"),                                                    \
    RULE(d, "DeviceRequests", T_OBJECTS, check_device_requests,                                    \
         "programs of a device driver run as root of the host"),                                   \
    RULE((d) + 1, "Driver", T_STRING, check_by_parent, "the driver"),                              \
    HARM((d) + 1, "Count", T_INT, "how many of a driver that is allowed"),                         \
    HARM((d) + 1, "DeviceIDs", T_STRINGS, "which of a driver that is allowed"),                    \
    HARM((d) + 1, "Capabilities", T_STRING_LISTS, "what of a driver that is allowed"),             \
    HARM((d) + 1, "Options", T_MAP_STRING, "for a driver that is allowed"),                        \
    OPEN(d, "KernelMemory", T_INT, "crashes old kernels at its limit"),                            \
    OPEN(d, "KernelMemoryTCP", T_INT, "crashes old kernels at its limit"),                         \
    HARM(d, "MemoryReservation", T_INT, "a soft limit below Memory"),                              \
    RULE(d, "MemorySwap", T_INT, check_memory_swap, "takes the host's memory and swap"),           \
    HARM(d, "MemorySwappiness", T_INT, "swaps this container's pages sooner or later"),            \
    RULE(d, "OomKillDisable", T_BOOL, check_oom_kill, "starves the host of memory"),               \
    RULE(d, "PidsLimit", T_INT, check_pids_limit, "takes the host's processes"),                   \
    ULIMIT_ROWS(d),                                                                                \
    HARM(d, "CpuCount", T_INT, "Windows only"),                                                    \
    HARM(d, "CpuPercent", T_INT, "Windows only"),                                                  \
    HARM(d, "IOMaximumIOps", T_INT, "Windows only"),                                               \
    HARM(d, "IOMaximumBandwidth", T_INT, "Windows only")

#define HEALTHCHECK_ROWS(d)                                                                        \
    RULE(d, "Test", T_STRINGS, check_health_test, "runs inside; one form ends the daemon"),        \
    HARM(d, "Interval", T_INT, "how often"),                                                       \
    HARM(d, "Timeout", T_INT, "how long"),                                                         \
    HARM(d, "StartPeriod", T_INT, "when first"),                                                   \
    HARM(d, "StartInterval", T_INT, "how often at first"),                                         \
    HARM(d, "Retries", T_INT, "how often it may fail")

#define RESTART_ROWS(d)                                                                            \
    HOLD(d, "RestartPolicy", T_OBJECT, "when the daemon starts it again"),                         \
    RULE((d) + 1, "Name", T_STRING, check_restart, "outlives the client, and a boot"),             \
    HARM((d) + 1, "MaximumRetryCount", T_INT, "how often, with on-failure")

/* What Go calls network.EndpointSettings. */
#define ENDPOINT_ROWS(d)                                                                           \
    HOLD(d, "IPAMConfig", T_OBJECT, "addresses inside the network"),                               \
    HARM((d) + 1, "IPv4Address", T_STRING, "inside the network's own range"),                      \
    HARM((d) + 1, "IPv6Address", T_STRING, "inside the network's own range"),                      \
    HARM((d) + 1, "LinkLocalIPs", T_STRINGS, "seen by this network's bridge alone"),               \
    RULE(d, "Links", T_STRINGS, check_links, "names and environment of another container"),        \
    HARM(d, "Aliases", T_STRINGS, "names inside networks that the role may join"),                 \
    OPEN(d, "MacAddress", T_STRING, "may take over another container's traffic"),                  \
    OPEN(d, "DriverOpts", T_MAP_STRING, "kernel parameters and more, by driver"),                  \
    OPEN(d, "NetworkID", T_STRING, "the daemon fills it in; given, it may name another network"),  \
    OPEN(d, "EndpointID", T_STRING, "the daemon fills it in; given, it may name another one"),     \
    HARM(d, "Gateway", T_STRING, "the daemon fills it in and ignores it here"),                    \
    HARM(d, "IPAddress", T_STRING, "the daemon fills it in and ignores it here"),                  \
    HARM(d, "IPPrefixLen", T_INT, "the daemon fills it in and ignores it here"),                   \
    HARM(d, "IPv6Gateway", T_STRING, "the daemon fills it in and ignores it here"),                \
    HARM(d, "GlobalIPv6Address", T_STRING, "the daemon fills it in and ignores it here"),          \
    HARM(d, "GlobalIPv6PrefixLen", T_INT, "the daemon fills it in and ignores it here"),           \
    HARM(d, "DNSNames", T_STRINGS, "the daemon fills it in and ignores it here"),                  \
    HARM(d, "GwPriority", T_INT, "which of its networks is its way out")

/* What Go calls mount.Mount, in a list of them. labels: the row of a volume's labels. */
#define MOUNT_ROWS(d, labels)                                                                      \
    RULE(d, "Type", T_STRING, check_mount_type, "what it is"),                                     \
    RULE(d, "Source", T_STRING, check_by_parent, "path, volume or image"),                         \
    RULE(d, "Target", T_STRING, check_target, "below /proc it has led out of containers"),         \
    HARM(d, "ReadOnly", T_BOOL, "less than without it; judged with the source"),                   \
    HARM(d, "Consistency", T_STRING, "a hint for Docker Desktop"),                                 \
    HOLD(d, "BindOptions", T_OBJECT, "of a bind"),                                                 \
    RULE((d) + 1, "Propagation", T_STRING, check_by_parent, "mounts reach the host"),              \
    RULE((d) + 1, "NonRecursive", T_BOOL, check_by_parent,                                         \
         "mounts below stay out, and writable"),                                                   \
    HARM((d) + 1, "CreateMountpoint", T_BOOL, "makes the source, as Binds always do"),             \
    RULE((d) + 1, "ReadOnlyNonRecursive", T_BOOL, check_by_parent, "mounts below stay writable"),  \
    HARM((d) + 1, "ReadOnlyForceRecursive", T_BOOL, "less than without it"),                       \
    HOLD(d, "VolumeOptions", T_OBJECT, "of a volume"),                                             \
    HARM((d) + 1, "NoCopy", T_BOOL, "starts empty"),                                               \
    labels,                                                                                        \
    HARM((d) + 1, "Subpath", T_STRING, "a part of a volume that is judged whole"),                 \
    HOLD((d) + 1, "DriverConfig", T_OBJECT, "how the volume is made"),                             \
    RULE((d) + 2, "Name", T_STRING, check_by_parent, "the driver"),                                \
    RULE((d) + 2, "Options", T_MAP_STRING, check_by_parent, "any mount, as root of the host"),     \
    HOLD(d, "ImageOptions", T_OBJECT, "of an image"),                                              \
    HARM((d) + 1, "Subpath", T_STRING, "a part of an image that is judged whole"),                 \
    HOLD(d, "TmpfsOptions", T_OBJECT, "of a tmpfs"),                                               \
    HARM((d) + 1, "SizeBytes", T_INT, "less than without it"),                                     \
    HARM((d) + 1, "Mode", T_INT, "permissions of its root"),                                       \
    RULE((d) + 1, "Options", T_STRING_LISTS, check_tmpfs_options,                                  \
         "options of mount(2); some change what is mounted already"),                              \
    HARM(d, "ClusterOptions", T_OBJECT, "none are defined; the type itself must be opened")

/* What Go calls volume.ClusterVolumeSpec, behind an opened row. */
#define CLUSTER_NOTE "reached only when the volume of the swarm is opened"
#define TOPOLOGY_ROWS(d)                                                                           \
    HOLD(d, "AccessibilityRequirements", T_OBJECT, CLUSTER_NOTE),                                  \
    HOLD((d) + 1, "Requisite", T_OBJECTS, CLUSTER_NOTE),                                           \
    HARM((d) + 2, "Segments", T_MAP_STRING, CLUSTER_NOTE),                                         \
    HOLD((d) + 1, "Preferred", T_OBJECTS, CLUSTER_NOTE),                                           \
    HARM((d) + 2, "Segments", T_MAP_STRING, CLUSTER_NOTE),                                         \
    HOLD(d, "CapacityRange", T_OBJECT, CLUSTER_NOTE),                                              \
    HARM((d) + 1, "RequiredBytes", T_INT, CLUSTER_NOTE),                                           \
    HARM((d) + 1, "LimitBytes", T_INT, CLUSTER_NOTE),                                              \
    HOLD(d, "Secrets", T_OBJECTS, CLUSTER_NOTE),                                                   \
    HARM((d) + 1, "Key", T_STRING, CLUSTER_NOTE),                                                  \
    HARM((d) + 1, "Secret", T_STRING, CLUSTER_NOTE),                                               \
    HARM(d, "Availability", T_STRING, CLUSTER_NOTE)
#define CLUSTER_VOLUME_ROWS(d)                                                                     \
    HARM(d, "Group", T_STRING, CLUSTER_NOTE),                                                      \
    HOLD(d, "AccessMode", T_OBJECT, CLUSTER_NOTE),                                                 \
    HARM((d) + 1, "Scope", T_STRING, CLUSTER_NOTE),                                                \
    HARM((d) + 1, "Sharing", T_STRING, CLUSTER_NOTE),                                              \
    HOLD((d) + 1, "MountVolume", T_OBJECT, CLUSTER_NOTE),                                          \
    HARM((d) + 2, "FsType", T_STRING, CLUSTER_NOTE),                                               \
    HARM((d) + 2, "MountFlags", T_STRINGS, CLUSTER_NOTE),                                          \
    HARM((d) + 1, "BlockVolume", T_OBJECT, CLUSTER_NOTE),                                          \
    TOPOLOGY_ROWS((d) + 1),                                                                        \
    TOPOLOGY_ROWS(d)

#define LOG_DRIVER_ROWS(d)                                                                         \
    HOLD(d, "LogDriver", T_OBJECT, "where output goes"),                                           \
    RULE((d) + 1, "Name", T_STRING, check_log_type,                                                \
         "some drivers make the daemon connect anywhere"),                                         \
    RULE((d) + 1, "Options", T_MAP_STRING, check_log_config,                                       \
         "options reach code of the daemon, and host files")
// clang-format on

#endif
