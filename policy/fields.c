/* THE body-field table: every field of the inspected bodies, as dockerd 20.10 to the newest reads
   them. Rows stand in the order in which Docker's own clients write the fields, so that the walk
   finds each at once. What is not here is refused. */
#include "fields.h"

/* A field of HostConfig at the top level. */
#define TOP(name)                                                                             \
    {                                                                                         \
        1, name, T_EMBEDDED, OPENED, NULL, false, "daemons before 27 read it as HostConfig's" \
    }

// clang-format off
static const struct field container_create_fields[] = {
    HARM(1, "Hostname", T_STRING, "a name inside the container"),
    HARM(1, "Domainname", T_STRING, "a name inside the container"),
    RULE(1, "User", T_STRING, check_by_parent, "root of the container, judged with the whole"),
    HARM(1, "AttachStdin", T_BOOL, "what the client intends"),
    HARM(1, "AttachStdout", T_BOOL, "what the client intends"),
    HARM(1, "AttachStderr", T_BOOL, "what the client intends"),
    HARM(1, "ExposedPorts", T_MAP_EMPTY, "opens nothing; publishing is PortBindings, PublishAllPorts"),
    HARM(1, "Tty", T_BOOL, "a terminal"),
    HARM(1, "OpenStdin", T_BOOL, "input; sending it is ContainerAttach"),
    HARM(1, "StdinOnce", T_BOOL, "input ends with the first client"),
    RULE(1, "Env", T_STRINGS, check_env, "settings of what runs inside"),
    HARM(1, "Cmd", T_STRSLICE, "runs inside the container, with what it is given"),
    RULE(1, "Healthcheck", T_OBJECT, check_healthcheck, "a command that the daemon repeats inside"),
    HARM(2, "Test", T_STRINGS, "runs inside the container"),
    HARM(2, "Interval", T_INT, "how often"),
    HARM(2, "Timeout", T_INT, "how long"),
    HARM(2, "StartPeriod", T_INT, "when first"),
    HARM(2, "StartInterval", T_INT, "how often at first"),
    HARM(2, "Retries", T_INT, "how often it may fail"),
    HARM(1, "ArgsEscaped", T_BOOL, "Windows only"),
    RULE(1, "Image", T_STRING, check_image, "whose code runs"),
    RULE(1, "Volumes", T_MAP_EMPTY, check_volume_targets, "anonymous volumes at these places"),
    RULE(1, "WorkingDir", T_STRING, check_target, "below /proc it has led out of containers"),
    HARM(1, "Entrypoint", T_STRSLICE, "runs inside the container, with what it is given"),
    HARM(1, "NetworkDisabled", T_BOOL, "less than without it"),
    OPEN(1, "MacAddress", T_STRING, "may take over another container's traffic"),
    HARM(1, "OnBuild", T_STRINGS, "kept in images made from it"),
    RULE(1, "Labels", T_MAP_STRING, check_labels, "other programs act by labels"),
    HARM(1, "StopSignal", T_STRING, "a signal to the container's own process"),
    RULE(1, "StopTimeout", T_INT, check_stop_timeout, "without an end the daemon cannot stop"),
    HARM(1, "Shell", T_STRINGS, "runs inside the container"),

    HOLD(1, "HostConfig", T_OBJECT, "what the container gets of the host"),
    RULE(2, "Binds", T_STRINGS, check_binds, "paths of the host, and volumes"),
    HARM(2, "ContainerIDFile", T_STRING, "the daemon never opens it"),
    HOLD(2, "LogConfig", T_OBJECT, "where output goes"),
    RULE(3, "Type", T_STRING, check_log_type, "some drivers make the daemon connect anywhere"),
    RULE(3, "Config", T_MAP_STRING, check_log_config, "options reach code of the daemon, and host files"),
    RULE(2, "NetworkMode", T_STRING, check_network_mode, "the host's network, or another container's"),
    RULE(2, "PortBindings", T_MAP_OBJECTS, check_ports, "takes ports of the host"),
    RULE(3, "HostIp", T_STRING, check_by_parent, "the address of the host"),
    RULE(3, "HostPort", T_STRING, check_by_parent, "the port of the host"),
    RESTART_ROWS(2),
    HARM(2, "AutoRemove", T_BOOL, "removes the container when it ends"),
    RULE(2, "VolumeDriver", T_STRING, check_volume_driver, "code of a plugin makes the volumes"),
    RULE(2, "VolumesFrom", T_STRINGS, check_volumes_from, "mounts of another container, host paths among them"),
    HARM(2, "ConsoleSize", T_INTS, "size of the terminal"),
    RULE(2, "Annotations", T_MAP_STRING, check_annotations, "some runtimes take orders from them"),
    RULE(2, "CapAdd", T_STRSLICE, check_cap_add, "powers of root over the host"),
    HARM(2, "CapDrop", T_STRSLICE, "less than without it; cap_drop may require it"),
    RULE(2, "CgroupnsMode", T_STRING, check_cgroupns_mode, "sees the host's cgroups"),
    RULE(2, "Dns", T_STRINGS, check_dns, "name servers inside"),
    RULE(2, "DnsOptions", T_STRINGS, check_dns, "resolver options inside"),
    RULE(2, "DnsSearch", T_STRINGS, check_dns, "search domains inside"),
    RULE(2, "ExtraHosts", T_STRINGS, check_extra_hosts, "names inside, also for the host itself"),
    RULE(2, "GroupAdd", T_STRINGS, check_group_add, "groups of the host, where its files are mounted"),
    RULE(2, "IpcMode", T_STRING, check_ipc_mode, "shared memory of the host or of another container"),
    OPEN(2, "Cgroup", T_STRING, "joins the cgroup of another container"),
    RULE(2, "Links", T_STRINGS, check_links, "names and environment of another container"),
    RULE(2, "OomScoreAdj", T_INT, check_oom_score, "the host's processes are killed first"),
    RULE(2, "PidMode", T_STRING, check_pid_mode, "sees and signals processes of the host"),
    RULE(2, "Privileged", T_BOOL, check_privileged, "the host itself"),
    RULE(2, "PublishAllPorts", T_BOOL, check_publish_all, "takes ports of the host"),
    HARM(2, "ReadonlyRootfs", T_BOOL, "less than without it; read_only may require it"),
    RULE(2, "SecurityOpt", T_STRINGS, check_security_opt, "switches confinement off"),
    RULE(2, "StorageOpt", T_MAP_STRING, check_storage_opt, "quota of the container's disk"),
    RULE(2, "Tmpfs", T_MAP_STRING, check_tmpfs, "memory file systems at these places"),
    RULE(2, "UTSMode", T_STRING, check_uts_mode, "renames the host"),
    RULE(2, "UsernsMode", T_STRING, check_userns_mode, "root of the container is root of the host"),
    RULE(2, "ShmSize", T_INT, check_shm_size, "takes the host's memory"),
    RULE(2, "Sysctls", T_MAP_STRING, check_sysctls, "kernel parameters, some of them not only the container's"),
    RULE(2, "Runtime", T_STRING, check_runtime, "another program runs it, as root of the host"),
    RULE(2, "Isolation", T_STRING, check_isolation, "Windows only"),
    RESOURCE_ROWS(2),
    RULE(2, "Mounts", T_OBJECTS, check_mounts, "paths of the host, volumes, and more"),
    RULE(3, "Type", T_STRING, check_mount_type, "what it is"),
    RULE(3, "Source", T_STRING, check_by_parent, "path, volume or image"),
    RULE(3, "Target", T_STRING, check_target, "below /proc it has led out of containers"),
    HARM(3, "ReadOnly", T_BOOL, "less than without it; judged with the source"),
    HARM(3, "Consistency", T_STRING, "a hint for Docker Desktop"),
    HOLD(3, "BindOptions", T_OBJECT, "of a bind"),
    RULE(4, "Propagation", T_STRING, check_by_parent, "mounts reach the host"),
    RULE(4, "NonRecursive", T_BOOL, check_by_parent, "mounts below stay out, and writable"),
    HARM(4, "CreateMountpoint", T_BOOL, "makes the source, as Binds always do"),
    RULE(4, "ReadOnlyNonRecursive", T_BOOL, check_by_parent, "mounts below stay writable"),
    HARM(4, "ReadOnlyForceRecursive", T_BOOL, "less than without it"),
    HOLD(3, "VolumeOptions", T_OBJECT, "of a volume"),
    HARM(4, "NoCopy", T_BOOL, "starts empty"),
    HARM(4, "Labels", T_MAP_STRING, "labels of the volume"),
    HARM(4, "Subpath", T_STRING, "a part of a volume that is judged whole"),
    HOLD(4, "DriverConfig", T_OBJECT, "how the volume is made"),
    RULE(5, "Name", T_STRING, check_by_parent, "the driver"),
    RULE(5, "Options", T_MAP_STRING, check_by_parent, "any mount, as root of the host"),
    HOLD(3, "ImageOptions", T_OBJECT, "of an image"),
    HARM(4, "Subpath", T_STRING, "a part of an image that is judged whole"),
    HOLD(3, "TmpfsOptions", T_OBJECT, "of a tmpfs"),
    HARM(4, "SizeBytes", T_INT, "less than without it"),
    HARM(4, "Mode", T_INT, "permissions of its root"),
    RULE(4, "Options", T_STRING_LISTS, check_tmpfs_options, "options of mount(2); some change what is mounted already"),
    HARM(3, "ClusterOptions", T_OBJECT, "none are defined; the type itself must be opened"),
    FULL(2, "MaskedPaths", T_STRINGS, check_masked_paths, "even an empty list unmasks /proc"),
    FULL(2, "ReadonlyPaths", T_STRINGS, check_masked_paths, "even an empty list makes /proc/sys writable"),
    HARM(2, "Init", T_BOOL, "the daemon's own init"),
    OPEN(2, "Capabilities", T_STRINGS, "the exact capabilities, for version 19.03 alone"),
    OPEN(2, "DiskQuota", T_INT, "an old quota of the container's disk"),
    OPEN(2, "InitPath", T_STRING, "a program of the host, in version 17.03"),
    OPEN(2, "LxcConf", T_STRINGS, "options of a driver that is long gone"),

    HOLD(1, "NetworkingConfig", T_OBJECT, "which networks it joins"),
    RULE(2, "EndpointsConfig", T_MAP_OBJECT, check_endpoints, "the host's network, or another container's"),
    ENDPOINT_ROWS(3),

    OPEN(1, "Cpuset", T_STRING, "old daemons read it as HostConfig.CpusetCpus"),
    OPEN(1, "PortSpecs", T_STRINGS, "ports, for daemons that are long gone"),
    OPEN(1, "Capabilities", T_STRINGS, "the exact capabilities, for version 19.03 alone"),
    TOP("Binds"), TOP("ContainerIDFile"), TOP("LogConfig"), TOP("NetworkMode"),
    TOP("PortBindings"), TOP("RestartPolicy"), TOP("AutoRemove"), TOP("VolumeDriver"),
    TOP("VolumesFrom"), TOP("ConsoleSize"), TOP("Annotations"), TOP("CapAdd"), TOP("CapDrop"),
    TOP("CgroupnsMode"), TOP("Dns"), TOP("DnsOptions"), TOP("DnsSearch"), TOP("ExtraHosts"),
    TOP("GroupAdd"), TOP("IpcMode"), TOP("Cgroup"), TOP("Links"), TOP("OomScoreAdj"),
    TOP("PidMode"), TOP("Privileged"), TOP("PublishAllPorts"), TOP("ReadonlyRootfs"),
    TOP("SecurityOpt"), TOP("StorageOpt"), TOP("Tmpfs"), TOP("UTSMode"), TOP("UsernsMode"),
    TOP("ShmSize"), TOP("Sysctls"), TOP("Runtime"), TOP("Isolation"), TOP("CpuShares"),
    TOP("Memory"), TOP("NanoCpus"), TOP("CgroupParent"), TOP("BlkioWeight"),
    TOP("BlkioWeightDevice"), TOP("BlkioDeviceReadBps"), TOP("BlkioDeviceWriteBps"),
    TOP("BlkioDeviceReadIOps"), TOP("BlkioDeviceWriteIOps"), TOP("CpuPeriod"), TOP("CpuQuota"),
    TOP("CpuRealtimePeriod"), TOP("CpuRealtimeRuntime"), TOP("CpusetCpus"), TOP("CpusetMems"),
    TOP("Devices"), TOP("DeviceCgroupRules"), TOP("DeviceRequests"), TOP("KernelMemory"),
    TOP("KernelMemoryTCP"), TOP("MemoryReservation"), TOP("MemorySwap"), TOP("MemorySwappiness"),
    TOP("OomKillDisable"), TOP("PidsLimit"), TOP("Ulimits"), TOP("CpuCount"), TOP("CpuPercent"),
    TOP("IOMaximumIOps"), TOP("IOMaximumBandwidth"), TOP("Mounts"), TOP("MaskedPaths"),
    TOP("ReadonlyPaths"), TOP("Init"), TOP("DiskQuota"), TOP("InitPath"), TOP("LxcConf"),
};

static const struct field container_update_fields[] = {
    RESOURCE_ROWS(1),
    RESTART_ROWS(1),
    HARM(1, "Init", T_BOOL, "not read by an update"),
    OPEN(1, "DiskQuota", T_INT, "an old quota of the container's disk"),
};
// clang-format on

// clang-format off
static const struct field container_exec_fields[] = {
    RULE(1, "User", T_STRING, check_by_parent, "root of the container, judged with the whole"),
    RULE(1, "Privileged", T_BOOL, check_exec_privileged, "the host itself"),
    HARM(1, "Tty", T_BOOL, "a terminal"),
    HARM(1, "ConsoleSize", T_INTS, "size of the terminal"),
    HARM(1, "AttachStdin", T_BOOL, "what the client intends"),
    HARM(1, "AttachStderr", T_BOOL, "what the client intends"),
    HARM(1, "AttachStdout", T_BOOL, "what the client intends"),
    HARM(1, "Detach", T_BOOL, "read at the start only"),
    HARM(1, "DetachKeys", T_STRING, "keys that end the connection"),
    RULE(1, "Env", T_STRINGS, check_exec_env, "settings of the command"),
    RULE(1, "WorkingDir", T_STRING, check_target, "below /proc it has led out of containers"),
    RULE(1, "Cmd", T_STRINGS, check_by_parent, "what runs, judged with the whole"),
    HARM(1, "Container", T_STRING, "the daemon takes the container of the path"),
    HARM(1, "detachKeys", T_STRING, "keys that end the connection; docker-py writes it so"),
};

static const struct field exec_start_fields[] = {
    HARM(1, "Detach", T_BOOL, "without its output"),
    HARM(1, "Tty", T_BOOL, "a terminal"),
    HARM(1, "ConsoleSize", T_INTS, "size of the terminal"),
    HARM(1, "hijack", T_BOOL, "an option of dockerode that it repeats"),
    HARM(1, "stdin", T_BOOL, "an option of dockerode that it repeats"),
};

static const struct field volume_create_fields[] = {
    RULE(1, "Name", T_STRING, check_by_parent, "another's volume, judged with the whole"),
    RULE(1, "Driver", T_STRING, check_volume_driver, "code of a plugin makes the volume"),
    RULE(1, "DriverOpts", T_MAP_STRING, check_volume_options, "any mount, as root of the host"),
    HARM(1, "Labels", T_MAP_STRING, "labels of the volume"),
    OPEN(1, "ClusterVolumeSpec", T_OBJECT, "a volume of the swarm, by a plugin"),
    HARM(2, "Group", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(2, "AccessMode", T_OBJECT, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "Scope", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "Sharing", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(3, "MountVolume", T_OBJECT, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "FsType", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "MountFlags", T_STRINGS, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "BlockVolume", T_OBJECT, "reached only when ClusterVolumeSpec is opened"),
    HOLD(3, "Secrets", T_OBJECTS, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "Key", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "Secret", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(3, "AccessibilityRequirements", T_OBJECT, "reached only when ClusterVolumeSpec is opened"),
    HOLD(4, "Requisite", T_OBJECTS, "reached only when ClusterVolumeSpec is opened"),
    HARM(5, "Segments", T_MAP_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(4, "Preferred", T_OBJECTS, "reached only when ClusterVolumeSpec is opened"),
    HARM(5, "Segments", T_MAP_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(3, "CapacityRange", T_OBJECT, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "RequiredBytes", T_INT, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "LimitBytes", T_INT, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "Availability", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(2, "AccessibilityRequirements", T_OBJECT, "reached only when ClusterVolumeSpec is opened"),
    HOLD(3, "Requisite", T_OBJECTS, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "Segments", T_MAP_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(3, "Preferred", T_OBJECTS, "reached only when ClusterVolumeSpec is opened"),
    HARM(4, "Segments", T_MAP_STRING, "reached only when ClusterVolumeSpec is opened"),
    HOLD(2, "CapacityRange", T_OBJECT, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "RequiredBytes", T_INT, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "LimitBytes", T_INT, "reached only when ClusterVolumeSpec is opened"),
    HOLD(2, "Secrets", T_OBJECTS, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "Key", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HARM(3, "Secret", T_STRING, "reached only when ClusterVolumeSpec is opened"),
    HARM(2, "Availability", T_STRING, "reached only when ClusterVolumeSpec is opened"),
};

static const struct field network_create_fields[] = {
    HARM(1, "CheckDuplicate", T_BOOL, "less than without it"),
    RULE(1, "Name", T_STRING, check_network_name, "may stand before another network"),
    RULE(1, "Driver", T_STRING, check_network_driver, "macvlan and others sit on host interfaces"),
    RULE(1, "Scope", T_STRING, check_network_scope, "swarm reaches other hosts"),
    HARM(1, "EnableIPv4", T_BOOL, "addresses of the daemon's own choice"),
    HARM(1, "EnableIPv6", T_BOOL, "addresses of the daemon's own choice"),
    HOLD(1, "IPAM", T_OBJECT, "addresses"),
    RULE(2, "Driver", T_STRING, check_ipam_driver, "another program hands out addresses"),
    OPEN(2, "Options", T_MAP_STRING, "options of the address driver"),
    HOLD(2, "Config", T_OBJECTS, "address ranges"),
    RULE(3, "Subnet", T_STRING, check_subnet, "captures the host's traffic to that range"),
    RULE(3, "IPRange", T_STRING, check_subnet, "addresses that containers get"),
    RULE(3, "Gateway", T_STRING, check_subnet, "an address of the host"),
    RULE(3, "AuxiliaryAddresses", T_MAP_STRING, check_aux_addresses, "addresses of the host"),
    HARM(1, "Internal", T_BOOL, "less than without it; internal may require it"),
    HARM(1, "Attachable", T_BOOL, "swarm networks, which the driver decides"),
    OPEN(1, "Ingress", T_BOOL, "replaces the swarm's own ingress network"),
    HARM(1, "ConfigOnly", T_BOOL, "only holds settings, which are judged here"),
    HOLD(1, "ConfigFrom", T_OBJECT, "settings of another network"),
    OPEN(2, "Network", T_STRING, "takes settings over that nobody judged"),
    RULE(1, "Options", T_MAP_STRING, check_network_options, "names host interfaces; one broke the default bridge"),
    HARM(1, "Labels", T_MAP_STRING, "labels of the network"),
};

static const struct field network_connect_fields[] = {
    RULE(1, "Container", T_STRING, check_container_name, "which container; an alias may lead elsewhere"),
    HOLD(1, "EndpointConfig", T_OBJECT, "how it joins"),
    ENDPOINT_ROWS(2),
};

static const struct field network_disconnect_fields[] = {
    RULE(1, "Container", T_STRING, check_container_name, "which container; an alias may lead elsewhere"),
    HARM(1, "Force", T_BOOL, "also when it does not run"),
};
// clang-format on

#define SCHEMA(op, fields, whole)                 \
    {                                             \
        OP_##op, fields, ARRAY_LEN(fields), whole \
    }

/* A body that is not here is refused, but for unrestricted roles. */
const struct body_schema schemas[] = {
    SCHEMA(ContainerCreate, container_create_fields, whole_container),
    SCHEMA(ContainerUpdate, container_update_fields, whole_update),
    SCHEMA(ContainerExec, container_exec_fields, whole_exec),
    SCHEMA(ExecStart, exec_start_fields, NULL),
    SCHEMA(VolumeCreate, volume_create_fields, whole_volume),
    SCHEMA(NetworkCreate, network_create_fields, whole_network),
    SCHEMA(NetworkConnect, network_connect_fields, whole_connect),
    SCHEMA(NetworkDisconnect, network_disconnect_fields, NULL),
};

const size_t schemas_count = ARRAY_LEN(schemas);

const struct body_schema *schema_find(enum operation op)
{
    for (size_t i = 0; i < schemas_count; i++)
        if (schemas[i].op == op)
            return &schemas[i];
    return NULL;
}
