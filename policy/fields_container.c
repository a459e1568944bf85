/* Field table: bodies about containers and commands in them, as dockerd 20.10 to the newest reads
   them. Rows stand in the order in which Docker's own clients write the fields, so that the walk
   finds each at once. What is not here is refused. */
#include "fields.h"

/* A field of HostConfig at the top level. */
#define TOP(name)                                        \
    {                                                    \
        1, name, T_EMBEDDED, OPENED, NULL, false, false, \
            "daemons before 27 read it as HostConfig's"  \
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
    HEALTHCHECK_ROWS(2),
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
    MOUNT_ROWS(3, HARM(4, "Labels", T_MAP_STRING, "labels of the volume")),
    FULL(2, "MaskedPaths", T_STRINGS, check_masked_paths, "even an empty list unmasks /proc"),
    FULL(2, "ReadonlyPaths", T_STRINGS, check_masked_paths, "even an empty list makes /proc/sys writable"),
    HARM(2, "Init", T_BOOL, "the daemon's own init"),
    HARM(2, "Umask", T_INT, "permissions of files that its processes make, who may change them anyway"),
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
// clang-format on

static const char *const create_places[PLACE_COUNT] = {
    [PLACE_IMAGE] = "Image",
    [PLACE_USER] = "User",
    [PLACE_LABELS] = "Labels",
    [PLACE_CAP_DROP] = "HostConfig.CapDrop",
    [PLACE_SECURITY_OPT] = "HostConfig.SecurityOpt",
    [PLACE_READ_ONLY] = "HostConfig.ReadonlyRootfs",
    [PLACE_NETWORK_MODE] = "HostConfig.NetworkMode",
    [PLACE_RUNTIME] = "HostConfig.Runtime",
    [PLACE_LOG_TYPE] = "HostConfig.LogConfig.Type",
    [PLACE_VOLUME_DRIVER] = "HostConfig.VolumeDriver",
    [PLACE_RESTART] = "HostConfig.RestartPolicy.Name",
    [PLACE_MEMORY] = "HostConfig.Memory",
    [PLACE_CPUS] = "HostConfig.NanoCpus",
    [PLACE_CPU_QUOTA] = "HostConfig.CpuQuota",
    [PLACE_CPU_PERIOD] = "HostConfig.CpuPeriod",
    [PLACE_PIDS_LIMIT] = "HostConfig.PidsLimit",
    [PLACE_SHM_SIZE] = "HostConfig.ShmSize",
};

static const char *const update_places[PLACE_COUNT] = {
    [PLACE_RESTART] = "RestartPolicy.Name",
    [PLACE_MEMORY] = "Memory",
    [PLACE_CPUS] = "NanoCpus",
    [PLACE_CPU_QUOTA] = "CpuQuota",
    [PLACE_CPU_PERIOD] = "CpuPeriod",
    [PLACE_PIDS_LIMIT] = "PidsLimit",
};

static const char *const exec_places[PLACE_COUNT] = {[PLACE_USER] = "User"};

SCHEMA(container_create, container_create_fields, ContainerCreate, T_OBJECT, false, create_places,
       whole_container);
SCHEMA(container_update, container_update_fields, ContainerUpdate, T_OBJECT, false, update_places,
       whole_update);
SCHEMA(container_exec, container_exec_fields, ContainerExec, T_OBJECT, false, exec_places,
       whole_exec);
SCHEMA(exec_start, exec_start_fields, ExecStart, T_OBJECT, false, NULL, NULL);
