/* One request that passes and one that does not, for each row of the field tables and each judged
   parameter; and a check that no row is without both. */
#include "decide_helper.h"

/* Both are decided under the same role. field and rule are those of the refusal. */
struct pair {
    const char *role;
    const char *method, *target;
    const char *good, *bad;
    const char *field, *rule;
};

#define H(role, good, bad, field, rule)                                \
    {                                                                  \
        role, CREATE, HOST(good), HOST(bad), "HostConfig." field, rule \
    }
#define T(role, good, bad, field, rule)                                                          \
    {                                                                                            \
        role, CREATE, "{\"Image\":\"img\"," good "}", "{\"Image\":\"img\"," bad "}", field, rule \
    }
#define U(role, good, bad, field, rule)                                                    \
    {                                                                                      \
        role, "POST", "/v1.41/containers/x/update", "{" good "}", "{" bad "}", field, rule \
    }
#define E(role, good, bad, field, rule)                                          \
    {                                                                            \
        role, "POST", "/v1.41/containers/x/exec", "{\"Cmd\":[\"ls\"]," good "}", \
            "{\"Cmd\":[\"ls\"]," bad "}", field, rule                            \
    }
#define V(role, good, bad, field, rule)                                               \
    {                                                                                 \
        role, "POST", "/v1.41/volumes/create", "{" good "}", "{" bad "}", field, rule \
    }
#define N(role, good, bad, field, rule)                                      \
    {                                                                        \
        role, "POST", "/v1.41/networks/create", "{\"Name\":\"n\"," good "}", \
            "{\"Name\":\"n\"," bad "}", field, rule                          \
    }
#define C(role, good, bad, field, rule)                                              \
    {                                                                                \
        role, "POST", "/v1.41/networks/n/connect", "{\"Container\":\"x\"," good "}", \
            "{\"Container\":\"x\"," bad "}", field, rule                             \
    }
#define R(members)     ROLE("\"containers\":{" members "}")
#define OPENS(what)    ROLE("\"open\":[\"" what "\"]")
#define NETS(members)  ROLE("\"networks\":{" members "}")
#define NET(members)   "\"NetworkingConfig\":{\"EndpointsConfig\":{\"net\":{" members "}}}"
#define MOUNT(members) "\"Mounts\":[{\"Target\":\"/t\"," members "}]"

// clang-format off
static const struct pair pairs[] = {
    /* ContainerCreate, top level */
    T(R("\"env\":{\"deny\":[\"AWS_*\"]}"), "\"Env\":[\"A=1\"]", "\"Env\":[\"AWS_KEY=1\"]", "Env[0]", "containers.env"),
    T(R("\"healthcheck\":true"), "\"Healthcheck\":{\"Test\":[\"NONE\"]}", "\"Healthcheck\":{\"Test\":[1]}", "Healthcheck.Test[0]", NULL),
    T(ROLE("\"images\":{\"deny\":[\"evil\"]}"), "\"Cmd\":[\"x\"]", "\"Cmd\":\"y\",\"Tty\":1", "Tty", NULL),
    T(R("\"volumes\":[\"\"]"), "\"Volumes\":{\"/data\":{}}", "\"Volumes\":{\"/proc/x\":{}}", "Volumes", "open"),
    T(OPEN_ROLE, "\"WorkingDir\":\"/work\"", "\"WorkingDir\":\"/proc/self/fd/7\"", "WorkingDir", "open"),
    T(OPENS("ContainerCreate:MacAddress"), "\"MacAddress\":\"02:42:ac:11:00:02\"", "\"Cpuset\":\"0\"", "Cpuset", "open"),
    T(OPENS("ContainerCreate:Cpuset"), "\"Cpuset\":\"0\"", "\"MacAddress\":\"02:42:ac:11:00:02\"", "MacAddress", "open"),
    T(OPENS("ContainerCreate:PortSpecs"), "\"PortSpecs\":[\"80\"]", "\"Capabilities\":[\"ALL\"]", "Capabilities", "open"),
    T(OPENS("ContainerCreate:Capabilities"), "\"Capabilities\":[\"CHOWN\"]", "\"PortSpecs\":[\"80\"]", "PortSpecs", "open"),
    T(R("\"labels\":{\"deny\":[\"traefik.*\"]}"), "\"Labels\":{\"a\":\"b\"}", "\"Labels\":{\"traefik.enable\":\"1\"}", "Labels", "containers.labels"),
    T(OPEN_ROLE, "\"StopTimeout\":600", "\"StopTimeout\":-1", "StopTimeout", "open"),
    {ROLE("\"images\":{\"allow\":[\"good/**\"]}"), CREATE, "{\"Image\":\"good/x:1\"}", "{\"Image\":\"evil/x:1\"}", "Image", "images.allow"},
    T(R("\"healthcheck\":false"), "\"Healthcheck\":{}", "\"Healthcheck\":{\"Test\":[\"NONE\"]}", "Healthcheck", "containers.healthcheck"),
    /* HostConfig */
    H(R("\"binds\":[\"/srv/**\"]"), "\"Binds\":[\"/srv/a:/a\"]", "\"Binds\":[\"/etc:/a\"]", "Binds[0]", "containers.binds"),
    H(R("\"log_drivers\":[\"syslog\"]"), "\"LogConfig\":{\"Type\":\"syslog\"}", "\"LogConfig\":{\"Type\":\"fluentd\"}", "LogConfig.Type", "containers.log_drivers"),
    H(OPEN_ROLE, "\"LogConfig\":{\"Config\":{\"max-size\":\"1m\"}}", "\"LogConfig\":{\"Config\":{\"max-size\":\"1k\"}}", "LogConfig.Config", "containers.log_options"),
    H(OPEN_ROLE, "\"NetworkMode\":\"net\"", "\"NetworkMode\":\"host\"", "NetworkMode", "containers.network_mode"),
    H(OPEN_ROLE, "\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"8080\"}]}", "\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"80\"}]}", "PortBindings.80/tcp[0]", "containers.ports"),
    H(R("\"restart\":[\"on-failure\"]"), "\"RestartPolicy\":{\"Name\":\"on-failure\"}", "\"RestartPolicy\":{\"Name\":\"always\"}", "RestartPolicy.Name", "containers.restart"),
    H(OPEN_ROLE, "\"VolumeDriver\":\"local\"", "\"VolumeDriver\":\"evil\"", "VolumeDriver", "containers.volume_drivers"),
    H(R("\"volumes_from\":[\"ci-*\"]"), "\"VolumesFrom\":[\"ci-a:ro\"]", "\"VolumesFrom\":[\"other\"]", "VolumesFrom[0]", "containers.volumes_from"),
    H(R("\"annotations\":[\"a.*\"]"), "\"Annotations\":{\"a.b\":\"c\"}", "\"Annotations\":{\"run.oci.handler\":\"krun\"}", "Annotations", "containers.annotations"),
    H(R("\"cap_add\":[\"NET_ADMIN\"]"), "\"CapAdd\":[\"cap_net_admin\"]", "\"CapAdd\":[\"SYS_ADMIN\"]", "CapAdd[0]", "containers.cap_add"),
    H(R("\"cgroupns_mode\":[\"host\"]"), "\"CgroupnsMode\":\"host\"", "\"CgroupnsMode\":\"odd\"", "CgroupnsMode", "containers.cgroupns_mode"),
    H(R("\"dns\":[\"10.*\"]"), "\"Dns\":[\"10.0.0.1\"]", "\"Dns\":[\"8.8.8.8\"]", "Dns[0]", "containers.dns"),
    H(R("\"dns\":[\"ndots:*\"]"), "\"DnsOptions\":[\"ndots:1\"]", "\"DnsOptions\":[\"rotate\"]", "DnsOptions[0]", "containers.dns"),
    H(R("\"dns\":[\"example.com\"]"), "\"DnsSearch\":[\"example.com\"]", "\"DnsSearch\":[\"evil\"]", "DnsSearch[0]", "containers.dns"),
    H(R("\"extra_hosts\":[\"db:*\"]"), "\"ExtraHosts\":[\"db:10.0.0.1\"]", "\"ExtraHosts\":[\"h:host-gateway\"]", "ExtraHosts[0]", "containers.extra_hosts"),
    H(R("\"group_add\":[\"1000\"]"), "\"GroupAdd\":[\"1000\"]", "\"GroupAdd\":[\"docker\"]", "GroupAdd[0]", "containers.group_add"),
    H(R("\"ipc_mode\":[\"shareable\"]"), "\"IpcMode\":\"shareable\"", "\"IpcMode\":\"host\"", "IpcMode", "containers.ipc_mode"),
    H(OPENS("ContainerCreate:HostConfig.Cgroup"), "\"Cgroup\":\"x\"", "\"CpuRealtimePeriod\":5", "CpuRealtimePeriod", "open"),
    H(OPENS("ContainerCreate:HostConfig.CpuRealtimePeriod"), "\"CpuRealtimePeriod\":5", "\"CpuRealtimeRuntime\":5", "CpuRealtimeRuntime", "open"),
    H(OPENS("ContainerCreate:HostConfig.CpuRealtimeRuntime"), "\"CpuRealtimeRuntime\":5", "\"Cgroup\":\"x\"", "Cgroup", "open"),
    H(R("\"links\":[\"db:*\"]"), "\"Links\":[\"db:d\"]", "\"Links\":[\"priv:p\"]", "Links[0]", "containers.links"),
    H(OPEN_ROLE, "\"OomScoreAdj\":500", "\"OomScoreAdj\":-1", "OomScoreAdj", "containers.oom"),
    H(R("\"pid_mode\":[\"host\"]"), "\"PidMode\":\"host\"", "\"PidMode\":\"container:x\"", "PidMode", "containers.pid_mode"),
    H(R("\"privileged\":true"), "\"Privileged\":true", "\"Privileged\":\"true\"", "Privileged", NULL),
    H(OPEN_ROLE, "\"Privileged\":false", "\"Privileged\":true", "Privileged", "containers.privileged"),
    H(OPEN_ROLE, "\"PublishAllPorts\":true", "\"PublishAllPorts\":1", "PublishAllPorts", NULL),
    H(R("\"ports\":[\"8000-9000\"]"), "\"PublishAllPorts\":false", "\"PublishAllPorts\":true", "PublishAllPorts", "containers.ports"),
    H(OPEN_ROLE, "\"SecurityOpt\":[\"no-new-privileges\"]", "\"SecurityOpt\":[\"seccomp=unconfined\"]", "SecurityOpt[0]", "containers.security_opt"),
    H(R("\"storage_opt\":[\"size\"]"), "\"StorageOpt\":{\"size\":\"1g\"}", "\"StorageOpt\":{\"x\":\"1\"}", "StorageOpt", "containers.storage_opt"),
    H(R("\"tmpfs\":[\"/tmp\"]"), "\"Tmpfs\":{\"/tmp\":\"\"}", "\"Tmpfs\":{\"/x\":\"\"}", "Tmpfs", "containers.tmpfs"),
    H(R("\"uts_mode\":[\"host\"]"), "\"UTSMode\":\"host\"", "\"UTSMode\":\"odd\"", "UTSMode", "containers.uts_mode"),
    H(R("\"userns_mode\":[\"host\"]"), "\"UsernsMode\":\"host\"", "\"UsernsMode\":\"odd\"", "UsernsMode", "containers.userns_mode"),
    H(R("\"shm_size\":{\"max\":\"64m\"}"), "\"ShmSize\":67108864", "\"ShmSize\":67108865", "ShmSize", "containers.shm_size"),
    H(R("\"sysctls\":[\"net.core.somaxconn\"]"), "\"Sysctls\":{\"net/core/somaxconn\":\"1\"}", "\"Sysctls\":{\"net.ipv4.ip_forward\":\"1\"}", "Sysctls", "containers.sysctls"),
    H(OPEN_ROLE, "\"Runtime\":\"runc\"", "\"Runtime\":\"kata\"", "Runtime", "containers.runtimes"),
    H(OPEN_ROLE, "\"Isolation\":\"default\"", "\"Isolation\":\"hyperv\"", "Isolation", "open"),
    H(R("\"mem_limit\":{\"max\":\"1g\"}"), "\"Memory\":1073741824", "\"Memory\":1073741825", "Memory", "containers.mem_limit"),
    H(R("\"cpus\":{\"max\":1.5}"), "\"NanoCpus\":1500000000", "\"NanoCpus\":1500000001", "NanoCpus", "containers.cpus"),
    H(R("\"cgroup_parent\":[\"ci*\"]"), "\"CgroupParent\":\"ci\"", "\"CgroupParent\":\"/\"", "CgroupParent", "containers.cgroup_parent"),
    H(R("\"blkio\":true"), "\"BlkioWeight\":500", "\"BlkioWeight\":\"5\"", "BlkioWeight", NULL),
    H(R("\"blkio\":false"), "\"BlkioWeight\":0", "\"BlkioWeight\":500", "BlkioWeight", "containers.blkio"),
    H(R("\"blkio\":true"), "\"BlkioWeightDevice\":[{\"Path\":\"/dev/sda\",\"Weight\":5}]", "\"BlkioWeightDevice\":[null]", "BlkioWeightDevice[0]", NULL),
    H(R("\"blkio\":true"), "\"BlkioDeviceReadBps\":[{\"Path\":\"/dev/sda\",\"Rate\":5}]", "\"BlkioDeviceReadBps\":[1]", "BlkioDeviceReadBps[0]", NULL),
    H(R("\"blkio\":true"), "\"BlkioDeviceWriteBps\":[{\"Path\":\"/dev/sda\",\"Rate\":5}]", "\"BlkioDeviceWriteBps\":[1]", "BlkioDeviceWriteBps[0]", NULL),
    H(R("\"blkio\":true"), "\"BlkioDeviceReadIOps\":[{\"Path\":\"/dev/sda\",\"Rate\":5}]", "\"BlkioDeviceReadIOps\":[1]", "BlkioDeviceReadIOps[0]", NULL),
    H(R("\"blkio\":true"), "\"BlkioDeviceWriteIOps\":[{\"Path\":\"/dev/sda\",\"Rate\":5}]", "\"BlkioDeviceWriteIOps\":[1]", "BlkioDeviceWriteIOps[0]", NULL),
    H(OPEN_ROLE, "\"BlkioDeviceReadBps\":[]", "\"BlkioDeviceReadBps\":[{\"Path\":\"/dev/sda\"}]", "BlkioDeviceReadBps", "containers.blkio"),
    H(R("\"cpus\":{\"max\":0.5}"), "\"CpuQuota\":50000", "\"CpuQuota\":50001", "CpuQuota", "containers.cpus"),
    H(R("\"devices\":[\"/dev/fuse\"]"), "\"Devices\":[{\"PathOnHost\":\"/dev/fuse\",\"PathInContainer\":\"/dev/fuse\"}]", "\"Devices\":[{\"PathOnHost\":\"/dev/sda\"}]", "Devices[0].PathOnHost", "containers.devices"),
    H(R("\"devices\":true"), "\"Devices\":[{\"PathOnHost\":\"/dev/fuse\",\"PathInContainer\":\"/dev/fuse\"}]", "\"Devices\":[{\"PathOnHost\":\"/dev/x\",\"PathInContainer\":\"/proc/x\"}]", "Devices[0].PathInContainer", "open"),
    H(R("\"device_cgroup_rules\":[\"c 1:* r\"]"), "\"DeviceCgroupRules\":[\"c 1:3 r\"]", "\"DeviceCgroupRules\":[\"a *:* rwm\"]", "DeviceCgroupRules[0]", "containers.device_cgroup_rules"),
    H(R("\"device_requests\":[\"nvidia\"]"), "\"DeviceRequests\":[{\"Driver\":\"nvidia\"}]", "\"DeviceRequests\":[{\"Driver\":\"cdi\"}]", "DeviceRequests[0]", "containers.device_requests"),
    H(OPENS("ContainerCreate:HostConfig.KernelMemory"), "\"KernelMemory\":5", "\"KernelMemoryTCP\":5", "KernelMemoryTCP", "open"),
    H(OPENS("ContainerCreate:HostConfig.KernelMemoryTCP"), "\"KernelMemoryTCP\":5", "\"KernelMemory\":5", "KernelMemory", "open"),
    H(R("\"mem_limit\":{\"max\":\"1g\"}"), "\"MemorySwap\":1073741824", "\"MemorySwap\":-1", "MemorySwap", "containers.mem_limit"),
    H(R("\"oom\":true"), "\"OomKillDisable\":true", "\"OomKillDisable\":0", "OomKillDisable", NULL),
    H(OPEN_ROLE, "\"OomKillDisable\":false", "\"OomKillDisable\":true", "OomKillDisable", "containers.oom"),
    H(R("\"pids_limit\":{\"max\":100}"), "\"PidsLimit\":100", "\"PidsLimit\":-1", "PidsLimit", "containers.pids_limit"),
    H(R("\"ulimits\":[\"nofile\"]"), "\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1,\"Hard\":1}]", "\"Ulimits\":[{\"Name\":\"core\"}]", "Ulimits[0]", "containers.ulimits"),
    H(OPEN_ROLE, MOUNT("\"Type\":\"volume\",\"Source\":\"v\""), "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/\",\"Target\":\"/h\"}]", "Mounts[0]", "containers.binds"),
    H(OPENS("ContainerCreate:HostConfig.Mounts[].Type"), MOUNT("\"Type\":\"npipe\""), MOUNT("\"Type\":\"odd\""), "Mounts[0]", NULL),
    H(OPEN_ROLE, MOUNT("\"Type\":\"tmpfs\""), MOUNT("\"Type\":\"cluster\""), "Mounts[0].Type", "open"),
    H(OPEN_ROLE, MOUNT("\"Type\":\"tmpfs\""), "\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/sys/../proc\"}]", "Mounts[0].Target", "open"),
    H(OPEN_ROLE, MOUNT("\"Type\":\"tmpfs\",\"TmpfsOptions\":{\"Options\":[[\"noexec\"]]}"), MOUNT("\"Type\":\"tmpfs\",\"TmpfsOptions\":{\"Options\":[[\"remount\"]]}"), "Mounts[0].TmpfsOptions.Options[0]", "containers.tmpfs"),
    H(R("\"masked_paths\":true"), "\"MaskedPaths\":[\"/x\"]", "\"MaskedPaths\":[1]", "MaskedPaths[0]", NULL),
    H(OPEN_ROLE, "\"MaskedPaths\":null", "\"MaskedPaths\":[]", "MaskedPaths", "containers.masked_paths"),
    H(R("\"masked_paths\":true"), "\"ReadonlyPaths\":[\"/x\"]", "\"ReadonlyPaths\":[null]", "ReadonlyPaths[0]", NULL),
    H(OPEN_ROLE, "\"ReadonlyPaths\":null", "\"ReadonlyPaths\":[]", "ReadonlyPaths", "containers.masked_paths"),
    H(OPENS("ContainerCreate:HostConfig.Capabilities"), "\"Capabilities\":[\"CHOWN\"]", "\"DiskQuota\":1", "DiskQuota", "open"),
    H(OPENS("ContainerCreate:HostConfig.DiskQuota"), "\"DiskQuota\":1", "\"Capabilities\":[\"CHOWN\"]", "Capabilities", "open"),
    H(OPENS("ContainerCreate:HostConfig.InitPath"), "\"InitPath\":\"/x\"", "\"LxcConf\":[\"a\"]", "LxcConf", "open"),
    H(OPENS("ContainerCreate:HostConfig.LxcConf"), "\"LxcConf\":[\"a\"]", "\"InitPath\":\"/x\"", "InitPath", "open"),
    /* NetworkingConfig */
    T(R("\"network_mode\":[\"net\",\"default\"]"), NET("\"Aliases\":[\"a\"]"), "\"NetworkingConfig\":{\"EndpointsConfig\":{\"other\":{}}}", "NetworkingConfig.EndpointsConfig.other", "containers.network_mode"),
    T(R("\"links\":[\"a:*\"]"), NET("\"Links\":[\"a:b\"]"), NET("\"Links\":[\"c:d\"]"), "NetworkingConfig.EndpointsConfig.net.Links[0]", "containers.links"),
    T(OPENS("ContainerCreate:NetworkingConfig.EndpointsConfig.{}.MacAddress"), NET("\"MacAddress\":\"02:42:ac:11:00:02\""), NET("\"DriverOpts\":{\"a\":\"b\"}"), "NetworkingConfig.EndpointsConfig.net.DriverOpts", "open"),
    T(OPENS("ContainerCreate:NetworkingConfig.EndpointsConfig.{}.DriverOpts"), NET("\"DriverOpts\":{\"a\":\"b\"}"), NET("\"MacAddress\":\"x\""), "NetworkingConfig.EndpointsConfig.net.MacAddress", "open"),
    T(OPENS("ContainerCreate:NetworkingConfig.EndpointsConfig.{}.NetworkID"), NET("\"NetworkID\":\"x\""), NET("\"EndpointID\":\"x\""), "NetworkingConfig.EndpointsConfig.net.EndpointID", "open"),
    T(OPENS("ContainerCreate:NetworkingConfig.EndpointsConfig.{}.EndpointID"), NET("\"EndpointID\":\"x\""), NET("\"NetworkID\":\"x\""), "NetworkingConfig.EndpointsConfig.net.NetworkID", "open"),
    /* ContainerUpdate */
    U(R("\"mem_limit\":{\"max\":\"1g\"}"), "\"Memory\":1", "\"Memory\":2147483648", "Memory", "containers.mem_limit"),
    U(R("\"cpus\":{\"max\":1}"), "\"NanoCpus\":1", "\"NanoCpus\":2000000000", "NanoCpus", "containers.cpus"),
    U(R("\"cgroup_parent\":[\"ci\"]"), "\"CgroupParent\":\"ci\"", "\"CgroupParent\":\"/\"", "CgroupParent", "containers.cgroup_parent"),
    U(R("\"blkio\":true"), "\"BlkioWeight\":5", "\"BlkioWeight\":true", "BlkioWeight", NULL),
    U(R("\"blkio\":true"), "\"BlkioWeightDevice\":[{}]", "\"BlkioWeightDevice\":[null]", "BlkioWeightDevice[0]", NULL),
    U(R("\"blkio\":true"), "\"BlkioDeviceReadBps\":[{}]", "\"BlkioDeviceReadBps\":[null]", "BlkioDeviceReadBps[0]", NULL),
    U(R("\"blkio\":true"), "\"BlkioDeviceWriteBps\":[{}]", "\"BlkioDeviceWriteBps\":[null]", "BlkioDeviceWriteBps[0]", NULL),
    U(R("\"blkio\":true"), "\"BlkioDeviceReadIOps\":[{}]", "\"BlkioDeviceReadIOps\":[null]", "BlkioDeviceReadIOps[0]", NULL),
    U(R("\"blkio\":true"), "\"BlkioDeviceWriteIOps\":[{}]", "\"BlkioDeviceWriteIOps\":[null]", "BlkioDeviceWriteIOps[0]", NULL),
    U(R("\"cpus\":{\"max\":1}"), "\"CpuQuota\":1000,\"CpuPeriod\":1000", "\"CpuQuota\":1001,\"CpuPeriod\":1000", "CpuQuota", "containers.cpus"),
    U(OPENS("ContainerUpdate:CpuRealtimePeriod"), "\"CpuRealtimePeriod\":1", "\"CpuRealtimeRuntime\":1", "CpuRealtimeRuntime", "open"),
    U(OPENS("ContainerUpdate:CpuRealtimeRuntime"), "\"CpuRealtimeRuntime\":1", "\"CpuRealtimePeriod\":1", "CpuRealtimePeriod", "open"),
    U(R("\"devices\":true"), "\"Devices\":[{\"PathOnHost\":\"/dev/x\",\"PathInContainer\":\"/dev/x\"}]", "\"Devices\":[{\"PathInContainer\":\"/sys\"}]", "Devices[0].PathInContainer", "open"),
    U(OPEN_ROLE, "\"Devices\":[]", "\"Devices\":[{\"PathOnHost\":\"/dev/x\"}]", "Devices[0].PathOnHost", "containers.devices"),
    U(R("\"device_cgroup_rules\":true"), "\"DeviceCgroupRules\":[\"a\"]", "\"DeviceCgroupRules\":[1]", "DeviceCgroupRules[0]", NULL),
    U(R("\"device_requests\":true"), "\"DeviceRequests\":[{}]", "\"DeviceRequests\":[[]]", "DeviceRequests[0]", NULL),
    U(OPENS("ContainerUpdate:KernelMemory"), "\"KernelMemory\":1", "\"KernelMemoryTCP\":1", "KernelMemoryTCP", "open"),
    U(OPENS("ContainerUpdate:KernelMemoryTCP"), "\"KernelMemoryTCP\":1", "\"KernelMemory\":1", "KernelMemory", "open"),
    U(OPENS("ContainerUpdate:DiskQuota"), "\"DiskQuota\":1", "\"DiskQuota\":\"1\"", "DiskQuota", NULL),
    U(R("\"mem_limit\":{\"max\":\"1g\"}"), "\"MemorySwap\":1", "\"MemorySwap\":-1", "MemorySwap", "containers.mem_limit"),
    U(R("\"oom\":true"), "\"OomKillDisable\":true", "\"OomKillDisable\":\"\"", "OomKillDisable", NULL),
    U(R("\"pids_limit\":{\"max\":100}"), "\"PidsLimit\":5", "\"PidsLimit\":0", "PidsLimit", "containers.pids_limit"),
    U(R("\"ulimits\":[\"nofile\"]"), "\"Ulimits\":[{\"Name\":\"nofile\"}]", "\"Ulimits\":[null]", "Ulimits[0]", NULL),
    U(OPEN_ROLE, "\"RestartPolicy\":{\"Name\":\"always\"}", "\"RestartPolicy\":{\"Name\":1}", "RestartPolicy.Name", NULL),
    U(R("\"binds\":[\"/srv/**\"]"), "\"RestartPolicy\":{\"Name\":\"no\"}", "\"RestartPolicy\":{\"Name\":\"always\"}", "RestartPolicy.Name", "containers.binds"),
    /* ContainerExec, ExecStart */
    E(ROLE("\"exec\":{\"privileged\":true}"), "\"Privileged\":true", "\"Privileged\":\"1\"", "Privileged", NULL),
    E(OPEN_ROLE, "\"Privileged\":false", "\"Privileged\":true", "Privileged", "exec.privileged"),
    E(ROLE("\"exec\":{\"users\":[\"1000\"]}"), "\"User\":\"1000\"", "\"User\":\"0\"", "User", "exec.users"),
    E(ROLE("\"exec\":{\"env\":{\"deny\":[\"LD_*\"]}}"), "\"Env\":[\"A=1\"]", "\"Env\":[\"LD_PRELOAD=x\"]", "Env[0]", "exec.env"),
    E(OPEN_ROLE, "\"WorkingDir\":\"/w\"", "\"WorkingDir\":\"/proc/self/fd/8\"", "WorkingDir", "open"),
    {ROLE("\"exec\":{\"commands\":[\"ls\"]}"), "POST", "/v1.41/containers/x/exec", "{\"Cmd\":[\"ls\",\"-l\"]}", "{\"Cmd\":[\"sh\"]}", "Cmd[0]", "exec.commands"},
    {OPEN_ROLE, "POST", "/v1.41/exec/x/start", "{\"Detach\":false,\"Tty\":true}", "{\"Detach\":0}", "Detach", NULL},
    /* VolumeCreate */
    V(R("\"volumes\":[\"ci-*\"]"), "\"Name\":\"ci-a\"", "\"Name\":\"other\"", "Name", "containers.volumes"),
    V(OPEN_ROLE, "\"Driver\":\"local\"", "\"Driver\":\"evil/driver\"", "Driver", "containers.volume_drivers"),
    V(OPEN_ROLE, "\"DriverOpts\":{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=1m\"}", "\"DriverOpts\":{\"type\":\"proc\",\"device\":\"proc\"}", "DriverOpts", "containers.volume_options"),
    V(OPENS("VolumeCreate:ClusterVolumeSpec"), "\"ClusterVolumeSpec\":{\"Group\":\"g\"}", "\"ClusterVolumeSpec\":{\"Group\":1}", "ClusterVolumeSpec.Group", NULL),
    V(OPEN_ROLE, "\"ClusterVolumeSpec\":{}", "\"ClusterVolumeSpec\":{\"Group\":\"g\"}", "ClusterVolumeSpec", "open"),
    /* NetworkCreate */
    {NETS("\"names\":[\"ci-*\"]"), "POST", "/v1.41/networks/create", "{\"Name\":\"ci-a\"}", "{\"Name\":\"x\"}", "Name", "networks.names"},
    N(NETS("\"drivers\":[\"\",\"macvlan\"]"), "\"Driver\":\"macvlan\"", "\"Driver\":\"bridge\"", "Driver", "networks.drivers"),
    N(OPEN_ROLE, "\"Scope\":\"local\"", "\"Scope\":\"swarm\"", "Scope", "open"),
    N(OPEN_ROLE, "\"IPAM\":{\"Driver\":\"default\"}", "\"IPAM\":{\"Driver\":\"evil\"}", "IPAM.Driver", "open"),
    N(OPENS("NetworkCreate:IPAM.Options"), "\"IPAM\":{\"Options\":{\"a\":\"b\"}}", "\"Ingress\":true", "Ingress", "open"),
    N(OPENS("NetworkCreate:Ingress"), "\"Ingress\":true", "\"IPAM\":{\"Options\":{\"a\":\"b\"}}", "IPAM.Options", "open"),
    N(NETS("\"subnets\":[\"10.9.0.0/16\"]"), "\"IPAM\":{\"Config\":[{\"Subnet\":\"10.9.1.0/24\"}]}", "\"IPAM\":{\"Config\":[{\"Subnet\":\"169.254.169.248/29\"}]}", "IPAM.Config[0].Subnet", "networks.subnets"),
    N(NETS("\"subnets\":[\"10.9.0.0/16\"]"), "\"IPAM\":{\"Config\":[{\"IPRange\":\"10.9.1.0/24\"}]}", "\"IPAM\":{\"Config\":[{\"IPRange\":\"10.0.0.0/8\"}]}", "IPAM.Config[0].IPRange", "networks.subnets"),
    N(NETS("\"subnets\":[\"10.9.0.0/16\",\"fd00:9::/64\"]"), "\"IPAM\":{\"Config\":[{\"Gateway\":\"fd00:9::1\"}]}", "\"IPAM\":{\"Config\":[{\"Gateway\":\"8.8.8.8\"}]}", "IPAM.Config[0].Gateway", "networks.subnets"),
    N(NETS("\"subnets\":[\"10.9.0.0/16\"]"), "\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"a\":\"10.9.0.2\"}}]}", "\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"a\":\"1.1.1.1\"}}]}", "IPAM.Config[0].AuxiliaryAddresses.a", "networks.subnets"),
    N(OPENS("NetworkCreate:ConfigFrom.Network"), "\"ConfigFrom\":{\"Network\":\"x\"}", "\"ConfigFrom\":{\"Network\":1}", "ConfigFrom.Network", NULL),
    N(OPEN_ROLE, "\"ConfigFrom\":{\"Network\":\"\"}", "\"ConfigFrom\":{\"Network\":\"x\"}", "ConfigFrom.Network", "open"),
    N(NETS("\"options\":[\"com.docker.network.driver.mtu\"]"), "\"Options\":{\"com.docker.network.driver.mtu\":\"1400\"}", "\"Options\":{\"com.docker.network.bridge.name\":\"docker0\"}", "Options", "networks.options"),
    /* NetworkConnect, NetworkDisconnect */
    {OPEN_ROLE, "POST", "/v1.41/networks/n/connect", "{\"Container\":\"x\"}", "{\"Container\":\"x/y\"}", "Container", NULL},
    {OPEN_ROLE, "POST", "/v1.41/networks/n/disconnect", "{\"Container\":\"x\"}", "{\"Container\":\"x/y\"}", "Container", NULL},
    C(R("\"links\":true"), "\"EndpointConfig\":{\"Links\":[\"a:b\"]}", "\"EndpointConfig\":{\"Links\":[null]}", "EndpointConfig.Links[0]", NULL),
    C(OPENS("NetworkConnect:EndpointConfig.MacAddress"), "\"EndpointConfig\":{\"MacAddress\":\"x\"}", "\"EndpointConfig\":{\"DriverOpts\":{\"a\":\"b\"}}", "EndpointConfig.DriverOpts", "open"),
    C(OPENS("NetworkConnect:EndpointConfig.DriverOpts"), "\"EndpointConfig\":{\"DriverOpts\":{\"a\":\"b\"}}", "\"EndpointConfig\":{\"MacAddress\":\"x\"}", "EndpointConfig.MacAddress", "open"),
    C(OPENS("NetworkConnect:EndpointConfig.NetworkID"), "\"EndpointConfig\":{\"NetworkID\":\"x\"}", "\"EndpointConfig\":{\"EndpointID\":\"x\"}", "EndpointConfig.EndpointID", "open"),
    C(OPENS("NetworkConnect:EndpointConfig.EndpointID"), "\"EndpointConfig\":{\"EndpointID\":\"x\"}", "\"EndpointConfig\":{\"NetworkID\":\"x\"}", "EndpointConfig.NetworkID", "open"),
};
// clang-format on

static bool check_one(const struct pair *pair, const char *body, bool good)
{
    struct decision decision;
    decide_text(pair->role, pair->method, pair->target, body, &decision);
    bool right = decision_sound(&decision) && (decision.verdict == VERDICT_ALLOW) == good;
    if (!good)
        right =
            right && strcmp(decision.field, pair->field) == 0 &&
            (decision.rule ? pair->rule && strcmp(decision.rule, pair->rule) == 0 : !pair->rule);
    if (!right)
        print_error("%s\n  %s: %s\n  -> %d, field \"%s\", rule %s\n  %s\n", body,
                    good ? "should pass" : "should be refused", pair->field, decision.status,
                    decision.field, decision.rule ? decision.rule : "-", decision.reason);
    return right;
}

static void test_pairs(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        wrong += !check_one(&pairs[i], pairs[i].good, true);
        wrong += !check_one(&pairs[i], pairs[i].bad, false);
    }
    assert_int_equal(wrong, 0);
}

/* ---- the tables themselves ------------------------------------------------------------------- */

/* The row's path as the pairs use it: first elements of lists, and "net" in maps of structs. */
static void sample_path(const struct body_schema *schema, size_t row, char *dst, size_t cap)
{
    char path[FIELD_MAX];
    row_path(schema, row, path, sizeof(path));
    size_t n = 0;
    for (const char *p = path; *p && n + 4 < cap; p++) {
        const char *as = strncmp(p, "[]", 2) == 0 ? "[0]" : strncmp(p, "{}", 2) == 0 ? "net" : NULL;
        if (as) {
            memcpy(dst + n, as, 3);
            n += 3;
            p++;
        } else {
            dst[n++] = *p;
        }
    }
    dst[n] = '\0';
}

static enum operation op_of(const struct pair *pair)
{
    struct arena arena = {0};
    struct request request;
    struct decision decision;
    assert_true(
        request_parse(str_of(pair->method), str_of(pair->target), &arena, &request, &decision));
    arena_free(&arena);
    return request.route->op;
}

static bool denied_at(enum operation op, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char after = '\0';
        if (strncmp(pairs[i].field, path, n) == 0)
            after = pairs[i].field[n];
        else
            continue;
        if ((after == '\0' || after == '[' || after == '.') && op_of(&pairs[i]) == op)
            return true;
    }
    return false;
}

/* The member's name stands with a value in a body that passes. */
static bool allowed_with(enum operation op, const char *name)
{
    char quoted[80];
    snprintf(quoted, sizeof(quoted), "\"%s\":", name);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *at = strstr(pairs[i].good, quoted);
        bool value = at && strncmp(at + strlen(quoted), "null", 4) != 0;
        if (value && op_of(&pairs[i]) == op)
            return true;
    }
    return false;
}

/* Other operations have their pairs in tests/cases. */
static bool pairs_know(enum operation op)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs) && schema_find(op); i++)
        if (op_of(&pairs[i]) == op)
            return true;
    return false;
}

static void test_every_row_has_a_pair(void **state)
{
    (void)state;
    size_t missing = 0;
    for (enum operation op = 0; op < OP_COUNT; op++)
        for (size_t row = 0; pairs_know(op) && row < schema_find(op)->count; row++) {
            const struct field *field = &schema_find(op)->fields[row];
            bool judged = field->mark == GOVERNED || field->mark == OPENED;
            char path[FIELD_MAX];
            sample_path(schema_find(op), row, path, sizeof(path));
            if (!judged || field->check == check_by_parent || field->type == T_EMBEDDED)
                continue;
            bool allow = allowed_with(op, field->name);
            bool deny = denied_at(op, path);
            if (!allow || !deny)
                print_error("%s %s has no %s case\n", operation_name(op), path,
                            allow ? "deny" : "allow");
            missing += !allow || !deny;
        }
    assert_int_equal(missing, 0);
}

static size_t siblings(const struct body_schema *schema, size_t first)
{
    size_t count = 0;
    int depth = schema->fields[first].depth;
    for (size_t i = first; i < schema->count && schema->fields[i].depth >= depth; i++)
        count += schema->fields[i].depth == depth;
    return count;
}

static void check_field_row(const struct body_schema *schema, size_t row)
{
    const struct field *field = &schema->fields[row];
    int above = row ? schema->fields[row - 1].depth : 0;
    assert_true(field->depth >= 1 && field->depth <= above + 1);
    assert_true(field->mark >= HARMLESS && field->mark <= STRUCTURE);
    assert_true(field->note && strlen(field->note) > 5);
    assert_true((field->mark == GOVERNED) == (field->check != NULL));
    assert_true(siblings(schema, row) <= 128);
    for (size_t i = row + 1; i < schema->count && schema->fields[i].depth >= field->depth; i++) {
        const struct field *other = &schema->fields[i];
        bool known = strcmp(field->name, "DetachKeys") == 0; /* docker-py's spelling is a row too */
        if (other->depth == field->depth && !known &&
            json_fold_eq(str_of(field->name), str_of(other->name)))
            fail_msg("%s: %s stands twice", operation_name(schema->op), field->name);
    }
}

static void test_tables_are_complete(void **state)
{
    (void)state;
    for (enum operation op = 0; op < OP_COUNT; op++)
        for (size_t row = 0; schema_find(op) && row < schema_find(op)->count; row++)
            check_field_row(schema_find(op), row);
    for (size_t i = 0; i < param_rows_count; i++) {
        assert_true(param_rows[i].note && strlen(param_rows[i].note) > 5);
        assert_ptr_equal(param_find(param_rows[i].op, str_of(param_rows[i].name)), &param_rows[i]);
    }
}

/* Every field of HostConfig is refused at the top level, and only opening it lets it through. */
static void test_top_level_names(void **state)
{
    (void)state;
    const struct body_schema *schema = schema_find(OP_ContainerCreate);
    size_t seen = 0;
    for (size_t row = 0; row < schema->count; row++) {
        const char *name = schema->fields[row].name;
        if (schema->fields[row].type != T_EMBEDDED)
            continue;
        char body[256];
        struct decision decision;
        seen++;
        snprintf(body, sizeof(body), "{\"Image\":\"i\",\"%s\":[\"x\"]}", name);
        decide_text(OPEN_ROLE, CREATE, body, &decision);
        assert_string_equal(decision.field, name);
        assert_string_equal(decision.rule, "open");
        snprintf(body, sizeof(body), "{\"Image\":\"i\",\"%s\":null}", name);
        decide_text(OPEN_ROLE, CREATE, body, &decision);
        assert_int_equal(decision.verdict, VERDICT_ALLOW);
    }
    assert_true(seen > 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_every_row_has_a_pair),
        cmocka_unit_test(test_tables_are_complete),
        cmocka_unit_test(test_top_level_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
