/* Values at the edge of what a check takes: the shortest, the longest, the other spelling, the
   unreadable. Each row is a role, a request, and what the refusal says; without that it passes. */
#include "decide_helper.h"

#define GROUP(members)   ROLE("\"containers\":{" members "}")
#define ALL_BUT(members) "{\"extends\":\"builtin:all\"," members "}"
#define ALL              "builtin:all"
#define NETWORK          "POST", "/v1.41/networks/create"
#define VOLUME           "POST", "/v1.41/volumes/create"
#define UPDATE           "POST", "/v1.41/containers/abc/update"
#define A64              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256             A64 A64 A64 A64
#define ID63             "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcde"
#define ID64             ID63 "f"
#define LONG             "~LONG~" /* stands for LONG_BYTES times 'a' */

enum { LONG_BYTES = 4200, TEXT_CAP = 8192 };

struct edge_row {
    const char *role, *method, *target, *body;
    const char *refusal; /* part of the sentence; NULL: allowed */
};

// clang-format off
static const struct edge_row mode_rows[] = {
    {ALL, CREATE, HOST("\"PidMode\":\"host\""), NULL},
    {ALL, CREATE, HOST("\"PidMode\":\"container:web\""), NULL},
    {ALL_BUT("\"containers\":{\"pid_mode\":[\"host\"]}"), CREATE, HOST("\"PidMode\":\"container:web\""), "must be written out"},
    {ALL_BUT("\"containers\":{\"pid_mode\":[\"host\"]}"), CREATE, HOST("\"PidMode\":\"host\""), NULL},
    {GROUP("\"pid_mode\":[\"container:web\",\"container:ci-*\"]"), CREATE, HOST("\"PidMode\":\"container:ci-1\""), NULL},
    {GROUP("\"pid_mode\":[\"container:web\"]"), CREATE, HOST("\"PidMode\":\"container:db\""), "must be written out"},
    {GROUP("\"network_mode\":[\"bridge\"]"), CREATE, HOST("\"NetworkMode\":\"default\""), NULL},
    {GROUP("\"network_mode\":[\"\"]"), CREATE, HOST("\"NetworkMode\":\"bridge\""), NULL},
    {GROUP("\"network_mode\":[\"other\"]"), CREATE, HOST("\"NetworkMode\":\"bridge\""), "does not allow"},
    {GROUP("\"network_mode\":[]"), CREATE, HOST("\"NetworkMode\":\"bridge\""), NULL},
    {GROUP("\"network_mode\":true"), CREATE, HOST("\"NetworkMode\":\"bridge\""), NULL},
    {GROUP("\"network_mode\":[\"other\"]"), CREATE, HOST("\"NetworkMode\":\"host\""), "must be written out"},
    {GROUP("\"volumes_from\":true"), CREATE, HOST("\"VolumesFrom\":[\"a/b\"]"), "may be a link"},
};
static const struct edge_row log_rows[] = {
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Type\":\"local\",\"Config\":{\"max-size\":\"10m\",\"max-file\":\"3\",\"compress\":\"true\",\"mode\":\"x\"}}"), NULL},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"64kB\",\"max-buffer-size\":\"4MiB\"}}"), NULL},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"64000b\"}}"), NULL},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"64000\"}}"), NULL},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"63999\"}}"), "max-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"\"}}"), "max-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"m\"}}"), "max-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"64000ib\"}}"), "max-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"64000x\"}}"), "max-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"1gx\"}}"), "max-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-size\":\"999999999999999999g\"}}"), "max-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-file\":\"0\"}}"), "max-file"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-file\":\"101\"}}"), "max-file"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-file\":\"many\"}}"), "max-file"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-buffer-size\":\"1g\"}}"), "max-buffer-size"},
    {OPEN_ROLE, CREATE, HOST("\"LogConfig\":{\"Config\":{\"max-buffer-size\":\"much\"}}"), "max-buffer-size"},
    {GROUP("\"log_options\":[\"tag=a*\"]"), CREATE, HOST("\"LogConfig\":{\"Config\":{\"tag\":\"abc\"}}"), NULL},
    {GROUP("\"log_options\":[\"tag=\"]"), CREATE, HOST("\"LogConfig\":{\"Config\":{\"tag\":\"\"}}"), NULL},
    {GROUP("\"log_options\":[\"tag=a*\"]"), CREATE, HOST("\"LogConfig\":{\"Config\":{\"tag\":\"" A256 "\"}}"), "tag"},
};
static const struct edge_row container_rows[] = {
    {GROUP("\"sysctls\":[\"**\"]"), CREATE, HOST("\"Sysctls\":{\"\":\"1\"}"), "does not allow"},
    {GROUP("\"sysctls\":[\"**\"]"), CREATE, HOST("\"Sysctls\":{\"a" A256 "\":\"1\"}"), "does not allow"},
    {GROUP("\"sysctls\":[\"**\"]"), CREATE, HOST("\"Sysctls\":{\"net.core.somaxconn\":\"1\"}"), NULL},
    {GROUP("\"cgroup_parent\":[\"/ci/**\"]"), CREATE, HOST("\"CgroupParent\":\"/ci/a.b\""), NULL},
    {GROUP("\"cgroup_parent\":[\"/ci/**\"]"), CREATE, HOST("\"CgroupParent\":\"/ci/../b\""), "climbs out"},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"/ci/../b\""), NULL},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"/docker/" ID64 "\""), "names a container"},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"" ID64 "\""), "names a container"},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"/x/" ID64 "/y\""), "names a container"},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"/docker-" ID64 ".scope\""), "names a container"},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"/a" ID64 "\""), "names a container"},
    {GROUP("\"cgroup_parent\":[\"/docker/" ID64 "\"]"), CREATE, HOST("\"CgroupParent\":\"/docker/" ID64 "\""), "names a container"},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"/docker/" ID63 "\""), NULL},
    {GROUP("\"cgroup_parent\":true"), CREATE, HOST("\"CgroupParent\":\"/docker/" ID63 "/1\""), NULL},
    {"builtin:all", CREATE, HOST("\"CgroupParent\":\"/docker/" ID64 "\""), NULL},
    {OPEN_ROLE, CREATE, HOST("\"OomScoreAdj\":-1"), "oom"},
    {OPEN_ROLE, CREATE, HOST("\"OomScoreAdj\":500"), NULL},
    {GROUP("\"oom\":true"), CREATE, HOST("\"OomScoreAdj\":-1"), NULL},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"StopTimeout\":-1}", "StopTimeout"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"StopTimeout\":601}", "StopTimeout"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"StopTimeout\":600}", NULL},
    {OPEN_ROLE, "POST", "/v1.41/containers/a/stop?t=-1", NULL, "keeps the daemon from stopping"},
    {OPEN_ROLE, "POST", "/v1.41/containers/a/stop?t=601", NULL, "keeps the daemon from stopping"},
    {OPEN_ROLE, "POST", "/v1.41/containers/a/stop?t=9999999999999999999", NULL, "keeps the daemon from stopping"},
    {GROUP("\"labels\":{\"require\":{\"team\":\"*\"}}"), CREATE, "{\"Image\":\"img\"}", "lacks \"team\""},
    {GROUP("\"labels\":{\"require\":{\"team\":\"*\"}}"), CREATE, "{\"Image\":\"img\",\"Labels\":{\"team\":\"a\"}}", NULL},
    {GROUP("\"cap_add\":[\"*\"]"), CREATE, HOST("\"CapAdd\":[\"\"]"), "CapAdd"},
    {GROUP("\"cap_add\":[\"*\"]"), CREATE, HOST("\"CapAdd\":[\"CAP_\"]"), "CapAdd"},
    {GROUP("\"cap_add\":[\"*\"]"), CREATE, HOST("\"CapAdd\":[\"a-b\"]"), "CapAdd"},
    {GROUP("\"cap_add\":[\"*\"]"), CREATE, HOST("\"CapAdd\":[\"net_admin\",\"B2\",\"z{\"]"), "CapAdd"},
    {GROUP("\"cap_add\":[\"*\"]"), CREATE, HOST("\"CapAdd\":[\"a" A64 "\"]"), "CapAdd"},
    {GROUP("\"cap_drop\":{\"require\":[\"ALL\"]}"), CREATE, "{\"Image\":\"img\"}", "CapDrop"},
    {GROUP("\"cap_drop\":{\"require\":[\"MKNOD\"]}"), CREATE, HOST("\"CapDrop\":[\"-\",\"CHOWN\",\"mknod\"]"), NULL},
    {GROUP("\"cap_drop\":{\"require\":[\"MKNOD\"]}"), CREATE, HOST("\"CapDrop\":[\"-\",\"CHOWN\"]"), "CapDrop"},
    {GROUP("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), CREATE, HOST("\"SecurityOpt\":[\"label=user:a\",\"no-new-privileges=true\"]"), "SecurityOpt"},
    {GROUP("\"security_opt\":{\"require\":[\"no-new-privileges=true\"]}"), CREATE, HOST("\"SecurityOpt\":[\"no-new-privileges\"]"), NULL},
    {GROUP("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), CREATE, HOST("\"SecurityOpt\":[\"no-new-privileges:true\"]"), NULL},
    {GROUP("\"security_opt\":[\"seccomp=builtin\",\"apparmor=x\"]"), CREATE, HOST("\"SecurityOpt\":[\"seccomp=builtin\"]"), NULL},
    {GROUP("\"security_opt\":[\"seccomp=default\"]"), CREATE, HOST("\"SecurityOpt\":[\"seccomp:default\"]"), NULL},
    {GROUP("\"security_opt\":[\"*\"]"), CREATE, HOST("\"SecurityOpt\":[\"seccomp:" LONG "\"]"), "SecurityOpt"},
    {GROUP("\"security_opt\":[\"*\"]"), CREATE, HOST("\"SecurityOpt\":[\"label:type:x\"]"), "must be written out"},
    {GROUP("\"security_opt\":[\"*\"]"), CREATE, HOST("\"SecurityOpt\":[\"disable\"]"), "must be written out"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), CREATE, "{\"Image\":\"img\",\"User\":\"-5\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}}", "User"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), CREATE, "{\"Image\":\"img\",\"User\":\"2147483648\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}}", "User"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), CREATE, "{\"Image\":\"img\",\"User\":\"99999999999999999999\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}}", "User"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), CREATE, "{\"Image\":\"img\",\"User\":\"5x\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}}", "User"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), CREATE, "{\"Image\":\"img\",\"User\":\"5:0\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}}", NULL},
};
static const struct edge_row resource_rows[] = {
    {GROUP("\"mem_limit\":{\"require\":true}"), UPDATE, "{\"Memory\":-1}", "Memory"},
    {GROUP("\"mem_limit\":{\"require\":true}"), UPDATE, "{\"Memory\":100}", NULL},
    {GROUP("\"mem_limit\":{\"max\":\"1m\"}"), CREATE, HOST("\"Memory\":-1"), "Memory"},
    {GROUP("\"mem_limit\":{\"max\":\"1m\"}"), CREATE, HOST("\"Memory\":1048576"), NULL},
    {GROUP("\"mem_limit\":{\"max\":\"1m\"}"), CREATE, HOST("\"Memory\":1048577"), "Memory"},
    {GROUP("\"cpus\":{\"max\":2}"), CREATE, HOST("\"CpuQuota\":-1"), "CpuQuota"},
    {GROUP("\"cpus\":{\"max\":2}"), CREATE, HOST("\"CpuQuota\":200000"), NULL},
    {GROUP("\"cpus\":{\"max\":2}"), CREATE, HOST("\"CpuQuota\":200001"), "CpuQuota"},
    {GROUP("\"cpus\":{\"max\":2}"), CREATE, HOST("\"CpuQuota\":100,\"CpuPeriod\":-1"), "CpuQuota"},
    {GROUP("\"cpus\":{\"max\":2}"), CREATE, HOST("\"CpuQuota\":9223372036854775807"), "CpuQuota"},
    {GROUP("\"cpus\":{\"max\":2}"), CREATE, HOST("\"CpuQuota\":100,\"CpuPeriod\":9223372036854775807"), "CpuQuota"},
    {GROUP("\"cpus\":{\"require\":true}"), CREATE, HOST("\"CpuQuota\":100"), NULL},
    {GROUP("\"cpus\":{\"require\":true}"), CREATE, HOST("\"CpuQuota\":-1"), "requires it"},
    {GROUP("\"pids_limit\":{\"require\":true}"), CREATE, "{\"Image\":\"img\"}", "PidsLimit"},
    {GROUP("\"shm_size\":{\"require\":true}"), CREATE, "{\"Image\":\"img\"}", "ShmSize"},
    {GROUP("\"read_only\":{\"require\":true}"), CREATE, "{\"Image\":\"img\"}", "ReadonlyRootfs"},
    {GROUP("\"read_only\":{\"require\":true}"), CREATE, HOST("\"ReadonlyRootfs\":false"), "ReadonlyRootfs"},
    {GROUP("\"read_only\":{\"require\":true}"), CREATE, HOST("\"ReadonlyRootfs\":true"), NULL},
    {GROUP("\"pids_limit\":{\"max\":5}"), UPDATE, "{\"PidsLimit\":0}", "PidsLimit"},
    {GROUP("\"pids_limit\":{\"max\":5}"), UPDATE, "{\"PidsLimit\":5}", NULL},
    {GROUP("\"pids_limit\":{\"max\":5}"), UPDATE, "{\"PidsLimit\":-1}", "PidsLimit"},
    {GROUP("\"cpus\":{\"max\":2}"), UPDATE, "{\"CpuPeriod\":1000}", "CpuPeriod"},
    {GROUP("\"devices\":[\"/dev/fuse\"]"), CREATE, HOST("\"Devices\":[{}]"), "Devices"},
    {GROUP("\"devices\":[\"/dev/**\"]"), CREATE, HOST("\"Devices\":[{\"PathOnHost\":\"/dev/../x\"}]"), "Devices"},
    {ALL, CREATE, HOST("\"Devices\":[{\"PathOnHost\":\"/dev/../x\"}]"), NULL},
    {GROUP("\"shm_size\":{\"max\":\"1m\"}"), CREATE, HOST("\"Tmpfs\":{\"/dev/shm\":\"size=1m\"}"), NULL},
    {GROUP("\"shm_size\":{\"max\":\"1m\"}"), CREATE, HOST("\"Tmpfs\":{\"/dev/shm\":\"size=2m\"}"), "/dev/shm"},
    {GROUP("\"shm_size\":{\"max\":\"1m\"}"), CREATE, HOST("\"Tmpfs\":{\"/dev/shm\":\"size=99999999999999999t\"}"), "/dev/shm"},
    {GROUP("\"shm_size\":{\"max\":\"1m\"}"), CREATE, HOST("\"Tmpfs\":{\"/dev/shm\":\"size=,size=1m\"}"), "/dev/shm"},
    {GROUP("\"shm_size\":{\"require\":true}"), CREATE, HOST("\"ShmSize\":5,\"Tmpfs\":{\"/dev/shm\":\"size=9g\"}"), NULL},
    {GROUP("\"shm_size\":{\"max\":\"1m\"}"), CREATE, HOST("\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/dev/shm\",\"TmpfsOptions\":{\"SizeBytes\":null}}]"), "/dev/shm"},
    {OPEN_ROLE, CREATE, HOST("\"Tmpfs\":{\"/\":\"\"}"), NULL},
    {OPEN_ROLE, CREATE, HOST("\"Tmpfs\":{\"/a/\":\"\"}"), "not a plain absolute path"},
    {OPEN_ROLE, CREATE, HOST("\"Tmpfs\":{\"/proc/x\":\"\"}"), "at or below /proc"},
    {OPEN_ROLE, CREATE, HOST("\"Tmpfs\":{\"/a\":\"size=12345678901234567890\"}"), "none of a plain tmpfs"},
    {GROUP("\"tmpfs\":[\"/run\"]"), CREATE, HOST("\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/x\"}]"), "does not allow"},
};
static const struct edge_row mount_rows[] = {
    {GROUP("\"binds\":[\"/a\"]"), CREATE, HOST("\"Binds\":[\"/proc/x\"]"), "at or below /proc"},
    {GROUP("\"binds\":[\"/a\"]"), CREATE, HOST("\"Binds\":[\"/a:/proc/x\"]"), "at or below /proc"},
    {GROUP("\"binds\":[\"/a\"]"), CREATE, HOST("\"Binds\":[\"/a:/b/../proc/x\"]"), "at or below /proc"},
    {GROUP("\"binds\":[\"/a\"]"), CREATE, HOST("\"Binds\":[\"/a:./sys/.\"]"), "at or below /proc"},
    {GROUP("\"binds\":[\"/a\"]"), CREATE, HOST("\"Binds\":[\"/a:/b/./c/..\"]"), NULL},
    {GROUP("\"binds\":[\"/**\"]"), CREATE, HOST("\"Binds\":[\"/" LONG ":/b\"]"), "not a plain absolute path"},
    {GROUP("\"binds\":[\"/**\"]"), CREATE, HOST("\"Binds\":[\"/a/./b:/b\"]"), "not a plain absolute path"},
    {GROUP("\"binds\":[\"/**\"]"), CREATE, HOST("\"Binds\":[\"/a/.b/..c/:/b\"]"), NULL},
    {GROUP("\"binds\":true"), CREATE, HOST("\"Binds\":[\"/a:/b\"]"), NULL},
    {GROUP("\"binds\":true"), CREATE, HOST("\"Binds\":[\"/var:/b\"]"), "must be written out"},
    {ALL, CREATE, HOST("\"Binds\":[\"/a/..:/b:shared\"]"), NULL},
    {ALL_BUT("\"containers\":{\"binds\":[\"/a\"]}"), CREATE, HOST("\"Binds\":[\"/b:/b\"]"), "not in containers.binds"},
    {GROUP("\"binds\":[\"/a/**\"]"), CREATE, HOST("\"Binds\":[\"/a/b/c:/b\"],\"RestartPolicy\":{\"Name\":\"always\"}"), "restart policy"},
    {GROUP("\"binds\":[\"/a/**\"]"), CREATE, HOST("\"Binds\":[\"/a/b:/b\"],\"RestartPolicy\":{\"Name\":\"no\"}"), NULL},
    {ROLE("\"existing\":\"any\",\"containers\":{\"binds\":[\"/a\",\"/a/b\"]}"), CREATE, HOST("\"Binds\":[\"vol:/b\"],\"RestartPolicy\":{\"Name\":\"always\"}"), "could have bound"},
    {GROUP("\"binds\":[\"/a\",\"/b\"]"), CREATE, HOST("\"Binds\":[\"vol:/b\"],\"RestartPolicy\":{\"Name\":\"always\"}"), NULL},
    {GROUP("\"binds\":[\"/a\",{\"source\":\"/a/**\",\"read_only\":true}]"), CREATE, HOST("\"Binds\":[\"vol:/b\"],\"RestartPolicy\":{\"Name\":\"always\"}"), NULL},
    {ALL, CREATE, HOST("\"Mounts\":[{\"Type\":\"odd\",\"Target\":\"/x\"}]"), NULL},
    {OPEN_ROLE, CREATE, HOST("\"Mounts\":[{\"Type\":\"odd\",\"Target\":\"/x\"}]"), "no type of mount"},
    {OPEN_ROLE, CREATE, HOST("\"Mounts\":[{\"Target\":\"/x\"}]"), "no type of mount"},
    {GROUP("\"binds\":[\"/a\"]"), CREATE, HOST("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/x\",\"ReadOnly\":false,\"BindOptions\":{\"Propagation\":\"shared\"}}]"), "propagation"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Volumes\":{\"/proc/x\":{}}}", "at or below /proc"},
};
static const struct edge_row volume_rows[] = {
    {OPEN_ROLE, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=5\"}}", NULL},
    {OPEN_ROLE, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"x\":\"\"}}", "volume_options"},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"nfs\",\"o\":\"addr=10.0.0.1\",\"device\":\":/x\"}}", NULL},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"cifs\",\"device\":\"//srv/x\"}}", NULL},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"smb3\",\"device\":\"//srv/x\",\"o\":\"a=/etc\"}}", "names something of the host"},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"smb3\",\"device\":\"/srv/x\"}}", "names something of the host"},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"nfs\",\"o\":\"a,x:/etc\"}}", "names something of the host"},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"ext4\",\"device\":\"sda\"}}", "names something of the host"},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"Type\":\"nfs\",\"type\":\"nfs\"}}", "names something of the host"},
    {GROUP("\"volume_options\":true,\"volume_drivers\":true"), VOLUME, "{\"Name\":\"v\",\"Driver\":\"x\",\"DriverOpts\":{\"type\":\"ext4\",\"device\":\"sda\"}}", NULL},
    {GROUP("\"volume_options\":true"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"other\":\"x\"}}", NULL},
    {ALL, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"ext4\",\"device\":\"/dev/sda\"}}", NULL},
    {ALL, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"none\",\"device\":\"/a\",\"o\":\"bind,shared\"}}", NULL},
    {ALL_BUT("\"containers\":{\"volume_options\":false}"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"ext4\",\"device\":\"/dev/sda\"}}", "volume_options"},
    {GROUP("\"binds\":[\"/a\"]"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"none\",\"device\":\"/a\",\"o\":\"bind,shared\"}}", "reaches mounts of the host"},
    {GROUP("\"binds\":[\"/a\"]"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"none\",\"device\":\"/a\",\"o\":\"bind\"}}", NULL},
    {GROUP("\"binds\":[\"/a\"]"), VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{\"type\":\"none\",\"device\":\"/b\",\"o\":\"bind\"}}", "not in containers.binds"},
    {OPEN_ROLE, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":{}}", NULL},
    {OPEN_ROLE, VOLUME, "{\"Name\":\"v\",\"DriverOpts\":null}", NULL},
    {OPEN_ROLE, CREATE, HOST("\"Binds\":[\"-v:/a\"]"), "neither an absolute path nor a volume"},
    {OPEN_ROLE, CREATE, HOST("\"Binds\":[\"a_b.c-D9:/a\"]"), NULL},
    {OPEN_ROLE, CREATE, HOST("\"Binds\":[\"a/b:/a\"]"), "neither an absolute path nor a volume"},
};
static const struct edge_row network_rows[] = {
    {ROLE("\"networks\":{\"subnets\":true}"), NETWORK, "{\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"odd\"}]}}", NULL},
    {ROLE("\"networks\":{\"subnets\":[\"10.0.0.0/8\"]}"), NETWORK, "{\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"odd\"}]}}", "networks.subnets"},
    {ROLE("\"networks\":{\"subnets\":[\"10.0.0.0/8\"]}"), NETWORK, "{\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"::ffff:10.1.0.0/112\"}]}}", "networks.subnets"},
    {ROLE("\"networks\":{\"subnets\":[\"10.0.0.0/8\"]}"), NETWORK, "{\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.1.0.0/16\",\"AuxiliaryAddresses\":{\"a\":\"10.1.0.9\"}}]}}", NULL},
    {ROLE("\"networks\":{\"subnets\":[\"10.0.0.0/8\"]}"), NETWORK, "{\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"a\":\"11.1.0.9\"}}]}}", "networks.subnets"},
    {ROLE("\"networks\":{\"internal\":{\"require\":true}}"), NETWORK, "{\"Name\":\"n\"}", "Internal"},
    {ROLE("\"networks\":{\"internal\":{\"require\":true}}"), NETWORK, "{\"Name\":\"n\",\"Internal\":false}", "Internal"},
    {ROLE("\"networks\":{\"internal\":{\"require\":true}}"), NETWORK, "{\"Name\":\"n\",\"Internal\":true}", NULL},
    {GROUP("\"ports\":[\"80-90/tcp\"]"), CREATE, HOST("\"PortBindings\":{\"1\":[{\"HostPort\":\"80\"}]}"), NULL},
    {GROUP("\"ports\":[\"80-90/tcp\"]"), CREATE, HOST("\"PortBindings\":{\"1/UDP\":[{\"HostPort\":\"80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/sctp\":[{\"HostPort\":\"80-85\"}]}"), NULL},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/icmp\":[{\"HostPort\":\"80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"85-80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"80-\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"80-99999\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"-80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"8x\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"000080\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"80-90\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostIp\":\"nowhere\",\"HostPort\":\"80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"127.0.0.1:80\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"127.0.0.1:80\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostIp\":\"::\",\"HostPort\":\"80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"127.0.0.1:80\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostIp\":\"127.0.0.2\",\"HostPort\":\"80\"}]}"), "PortBindings"},
    {GROUP("\"ports\":[\"127.0.0.1:80\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"80\"}]}"), NULL},
    {GROUP("\"ports\":[\"[::]:80\"]"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"80\"}]}"), NULL},
    {GROUP("\"ports\":true"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"1\"}]}"), NULL},
    {GROUP("\"ports\":true"), CREATE, HOST("\"PortBindings\":{\"1/tcp\":[{\"HostPort\":\"\"}],\"2/tcp\":null}"), NULL},
};
static const struct edge_row image_rows[] = {
    {ROLE("\"images\":{\"allow\":[\"nginx\"]}"), "POST", "/v1.41/images/create?fromImage=nginx&tag=sha256:" A64, NULL, NULL},
    {ROLE("\"images\":{\"allow\":[\"nginx\"]}"), "POST", "/v1.41/images/create?fromImage=nginx@sha256:" A64 "&tag=1", NULL, NULL},
    {ROLE("\"images\":{\"allow\":[\"nginx\"]}"), "POST", "/v1.41/images/create?fromImage=localhost:5000/nginx:1&tag=2", NULL, "localhost:5000"},
    {ROLE("\"images\":{\"allow\":[\"nginx\"]}"), "POST", "/v1.41/images/create?fromImage=" LONG "&tag=1", NULL, "cannot be told"},
    {ROLE("\"images\":{\"allow\":[\"nginx\"]}"), "POST", "/v1.41/images/create?fromImage=nginx&tag=" LONG, NULL, "cannot be told"},
    {ROLE("\"images\":{\"import\":true}"), "POST", "/v1.41/images/create?fromSrc=-&repo=" LONG "&tag=1", NULL, "cannot be told"},
    {ROLE("\"images\":{\"import\":true}"), "POST", "/v1.41/images/nginx/tag?repo=" LONG "&tag=1", NULL, "cannot be told"},
    {ROLE("\"images\":{\"import\":true}"), "POST", "/v1.41/images/create?fromSrc=-", NULL, NULL},
    {ROLE("\"images\":{\"import\":true}"), "POST", "/v1.41/images/create?fromSrc=-&repo=a&tag=1", NULL, NULL},
    {ROLE("\"images\":{\"import\":true}"), "POST", "/v1.41/images/nginx/tag?repo=a&tag=%3A", NULL, "?repo"},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=localhost/x", NULL, "localhost"},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=a.b/x", NULL, NULL},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=a:5/x", NULL, "a:5"},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=docker.io/x", NULL, NULL},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=index.docker.io/x", NULL, NULL},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=team/x", NULL, NULL},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=-a.b/x", NULL, "no plain [REGISTRY/]TERM"},
    {OPEN_ROLE, "GET", "/v1.41/images/search?term=a%25b", NULL, "no plain [REGISTRY/]TERM"},
    {ALL, "GET", "/v1.41/images/search?term=a%25b", NULL, NULL},
    {ALL, "GET", "/v1.41/images/search?term=localhost/x", NULL, NULL},
    {ROLE("\"images\":{\"require_digest\":true}"), CREATE, "{\"Image\":\"nginx\"}", "digest"},
    {ROLE("\"images\":{\"require_digest\":true}"), CREATE, "{\"Image\":\"nginx@sha256:" A64 "\"}", NULL},
    {ROLE("\"images\":{\"deny_tags\":[\"latest\"]}"), CREATE, "{\"Image\":\"nginx\"}", "latest"},
    {ROLE("\"images\":{\"deny\":[\"**/nginx\"]}"), CREATE, "{\"Image\":\"nginx\"}", "images.deny"},
    {ROLE("\"containers\":{\"names\":[\"ci-*\"]}"), CREATE, "{\"Image\":\"img\"}", "is not given"},
    {ROLE("\"containers\":{\"names\":true}"), CREATE, "{\"Image\":\"img\"}", NULL},
};
static const struct edge_row body_rows[] = {
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Volumes\":{\"/a\":{\"b\":1}}}", "must be an object of empty objects"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Volumes\":{\"/a\":5}}", "must be an object of empty objects"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Volumes\":[]}", "must be"},
    {OPEN_ROLE, CREATE, "{\"Image\":5}", "must be text"},
    {OPEN_ROLE, CREATE, "{\"Image\":{}}", "must be text"},
    {OPEN_ROLE, CREATE, "{\"Image\":[]}", "must be text"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Cmd\":{}}", "must be a list of texts"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Cmd\":[5]}", "must be a list of texts"},
    {OPEN_ROLE, CREATE, HOST("\"PortBindings\":{\"80/tcp\":5}"), "must be an object of lists of objects"},
    {OPEN_ROLE, CREATE, HOST("\"PortBindings\":{\"80/tcp\":[5]}"), "must be an object of lists of objects"},
    {OPEN_ROLE, CREATE, HOST("\"DeviceRequests\":[{\"Capabilities\":[5]}]"), "must be a list of lists of texts"},
    {OPEN_ROLE, CREATE, HOST("\"DeviceRequests\":[{\"Capabilities\":[[5]]}]"), "must be a list of lists of texts"},
    {OPEN_ROLE, CREATE, HOST("\"ConsoleSize\":[1,\"2\"]"), "must be a list of integers"},
    {OPEN_ROLE, CREATE, HOST("\"Ulimits\":[5]"), "must be a list of objects"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"NetworkingConfig\":{\"EndpointsConfig\":{\"a\":5}}}", "must be an object of objects"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"\":5}", "does not know"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"\":null}", NULL},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Memory\":5}", "HostConfig"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"Memory\":0}", NULL},
    {OPEN_ROLE, CREATE, "5", "needs a JSON object"},
    {OPEN_ROLE, CREATE, " \t\r\n", "needs a JSON body"},
    {OPEN_ROLE, "POST", "/v1.41/containers/a/start", " {} ", NULL},
    {OPEN_ROLE, "POST", "/v1.41/containers/a/start", "null", NULL},
    {OPEN_ROLE, "POST", "/v1.41/containers/a/start", "{", "not strict JSON"},
    {OPEN_ROLE, "POST", "/v1.41/containers/a/start", "[]", "takes no body"},
    {OPEN_ROLE, "GET", "/v1.41/containers/json?limit=x", NULL, "must be an integer"},
    {OPEN_ROLE, "GET", "/v1.41/containers/json?limit=-", NULL, "must be an integer"},
    {OPEN_ROLE, "GET", "/v1.41/containers/json?limit=-1&all=none", NULL, NULL},
    {OPEN_ROLE, "DELETE", "/v1.41/containers/a?link=0", NULL, NULL},
    {OPEN_ROLE, "DELETE", "/v1.41/containers/a?odd=0", NULL, "not known to ContainerDelete"},
    {OPEN_ROLE, "GET", "/", NULL, "no operation"},
    {OPEN_ROLE, "", "/info", NULL, "no operation"},
    {OPEN_ROLE, "GETT", "/info", NULL, "no operation"},
    {OPEN_ROLE, "GET", "/v1.4x/info", NULL, "must be written like"},
    {OPEN_ROLE, "GET", "/v1.-4/info", NULL, "must be written like"},
    {OPEN_ROLE, "GET", "/v1.1234/info", NULL, "must be written like"},
    {OPEN_ROLE, "GET", "/v1.41", NULL, "must be written like"},
    {OPEN_ROLE, "GET", "/containers/a%zz/json", NULL, "broken percent escape"},
    {OPEN_ROLE, "GET", "/containers/a%4/json", NULL, "broken percent escape"},
    {OPEN_ROLE, "GET", "/containers/a%4z/json", NULL, "broken percent escape"},
    {OPEN_ROLE, "GET", "/containers/a+b/json", NULL, NULL},
    {OPEN_ROLE, "GET", "/containers/a%2fb/json", NULL, "byte that no name may hold"},
    {OPEN_ROLE, "GET", "/containers/%C3/json", NULL, "not UTF-8"},
    {OPEN_ROLE, "GET", "/images/a/%2Fb/json", NULL, "normal form"},
    {OPEN_ROLE, "GET", "/containers/json?a%zz=1", NULL, "broken percent escape"},
    {OPEN_ROLE, "GET", "/containers/json?all=%C3", NULL, "not UTF-8"},
    {OPEN_ROLE, "GET", "/containers/json?%C3=1", NULL, "not UTF-8"},
    {OPEN_ROLE, "GET", "/containers/json?%00=1", NULL, "not UTF-8"},
    {OPEN_ROLE, "GET", "/containers/json?all=%00", NULL, "not UTF-8"},
    {OPEN_ROLE, "GET", "/containers/json?&all=1&&", NULL, NULL},
    {OPEN_ROLE, "GET", "/containers/json?all=1&all=1", NULL, "given twice"},
    {OPEN_ROLE, "GET", "/containers/json?all=1;x", NULL, "a ; in the query"},
};
#define BUILD_ROLE(members) ROLE("\"builds\":{" members "}")
#define PLUGINS(members)    ROLE("\"plugins\":{" members "}")
#define BUILD(query)        "POST", "/v1.41/build?" query, NULL
#define COMMIT(query)       "POST", "/v1.41/commit?container=a&repo=b&" query, NULL
static const struct edge_row build_rows[] = {
    {OPEN_ROLE, BUILD("networkmode=bridge"), NULL},
    {BUILD_ROLE("\"network_mode\":[\"none\"]"), BUILD("networkmode=bridge"), "networkmode"},
    {BUILD_ROLE("\"network_mode\":[\"none\"]"), BUILD("networkmode=none"), NULL},
    {BUILD_ROLE("\"network_mode\":[\"none\"]"), BUILD("q=1"), "is not given"},
    {BUILD_ROLE("\"network_mode\":[\"default\"]"), BUILD("q=1"), NULL},
    {BUILD_ROLE("\"network_mode\":[\"bridge\"]"), BUILD("networkmode=default"), NULL},
    {BUILD_ROLE("\"network_mode\":true"), BUILD("networkmode=default"), NULL},
    {BUILD_ROLE("\"network_mode\":true"), BUILD("q=1"), NULL},
    {BUILD_ROLE("\"remote\":[\"https://a.b/**\"]"), BUILD("remote=https://a.b/c"), NULL},
    {BUILD_ROLE("\"remote\":[\"https://a.b/**\"]"), BUILD("remote=https://u:p@a.b/c%23main"), NULL},
    {BUILD_ROLE("\"remote\":[\"https://a.b/**\"]"), BUILD("remote=https://a.b"), NULL},
    {BUILD_ROLE("\"remote\":[\"https://a.b/**\"]"), BUILD("remote=https://c.d/"), "does not allow"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=ftp://a.b/"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https:a.b/"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https://"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https:///x"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https://a!b/x"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https://a.b/x%20y"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https://a.b/%C3%A9"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https://a.b/%5C"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https://a.b/%25"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=https://a.b/../c"), "no plain address"},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=git://a-b_c.d:9/x"), NULL},
    {BUILD_ROLE("\"remote\":[\"**\"]"), BUILD("remote=ssh://%5B::1%5D/x?a%23b"), NULL},
    {BUILD_ROLE("\"remote\":true"), BUILD("remote=odd"), NULL},
    {BUILD_ROLE("\"cgroup_parent\":[\"/ci/**\"]"), BUILD("cgroupparent=/ci/a.b"), NULL},
    {BUILD_ROLE("\"cgroup_parent\":[\"/ci/**\"]"), BUILD("cgroupparent=/ci/../b"), "climbs out"},
    {BUILD_ROLE("\"cgroup_parent\":true"), BUILD("cgroupparent=/ci/../b"), NULL},
    {BUILD_ROLE("\"cgroup_parent\":true"), BUILD("cgroupparent=/docker/" ID64), "names a container"},
    {BUILD_ROLE("\"cgroup_parent\":true"), BUILD("cgroupparent=/docker-" ID64 ".scope"), "names a container"},
    {BUILD_ROLE("\"cgroup_parent\":true"), BUILD("cgroupparent=/docker/" ID63), NULL},
    {OPEN_ROLE, BUILD("outputs=%5B%5D"), NULL},
    {OPEN_ROLE, BUILD("outputs=null"), NULL},
    {OPEN_ROLE, BUILD("outputs=%7B%7D"), "must be a JSON list"},
    {OPEN_ROLE, BUILD("outputs=%5B"), "must be a JSON list"},
    {OPEN_ROLE, BUILD("isolation=default"), NULL},
    {OPEN_ROLE, BUILD("isolation=hyperv"), "only Windows knows"},
    {OPEN_ROLE, "POST", "/v1.41/session", NULL, "buildkit"},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=CMD%20a"), NULL},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=CMD%20a%0D%0A%0AENV%09b"), NULL},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=COPY%20a"), "not one of the plain instructions"},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=CMD%20a%5C"), "not one of the plain instructions"},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=VOLUME%20/a.b_c-D9/x"), NULL},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=VOLUME%20/proc/x"), "/proc or /sys"},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=WORKDIR%20$x"), "/proc or /sys"},
    {ROLE("\"images\":{\"import\":true}"), COMMIT("changes=WORKDIR%20/a%5Cb"), "/proc or /sys"},
    {ROLE("\"images\":{\"import\":true},\"containers\":{\"env\":{\"deny\":[\"X\"]}}"), COMMIT("changes=ENV%20a=b"), "restricts that"},
    {ROLE("\"images\":{\"import\":true},\"containers\":{\"env\":[\"X\"]}"), COMMIT("changes=ENV%20a=b"), "restricts that"},
};
static const struct edge_row plugin_rows[] = {
    {PLUGINS("\"names\":true"), "POST", "/v1.41/plugins/a/enable", NULL, NULL},
    {PLUGINS("\"names\":[\"a\"]"), "POST", "/v1.41/plugins/a/enable", NULL, NULL},
    {PLUGINS("\"names\":[\"*\"]"), "POST", "/v1.41/plugins/a/enable", NULL, "may be the ID of any"},
    {PLUGINS("\"names\":[\"vol/*\"]"), "POST", "/v1.41/plugins/vol/x/enable", NULL, NULL},
    {PLUGINS("\"names\":[\"vol/x:latest\"]"), "POST", "/v1.41/plugins/vol/x/enable", NULL, NULL},
    {PLUGINS("\"names\":[\"vol/x:1\"]"), "POST", "/v1.41/plugins/vol/x:2/enable", NULL, "names the plugin"},
    {PLUGINS("\"names\":[\"reg.io/vol/*\"]"), "POST", "/v1.41/plugins/reg.io/vol/x/enable", NULL, NULL},
    {PLUGINS("\"names\":[\"zz\"]"), "POST", "/v1.41/plugins/library/zz/enable", NULL, NULL},
    {PLUGINS("\"names\":[\"**\"]"), "POST", "/v1.41/plugins/A--B/enable", NULL, "not the name of a plugin"},
};
static const struct edge_row service_rows[] = {
    {OPEN_ROLE, "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\",\"StopGracePeriod\":600000000000}}}", NULL},
    {OPEN_ROLE, "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\",\"StopGracePeriod\":600000000001}}}", "keeps the daemon from stopping"},
    {OPEN_ROLE, "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\",\"StopGracePeriod\":-1}}}", "keeps the daemon from stopping"},
    {OPEN_ROLE, "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"},\"RestartPolicy\":{\"Condition\":\"odd\"}}}", "none of"},
    {OPEN_ROLE, "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"},\"RestartPolicy\":{\"Condition\":\"on-failure\"}}}", NULL},
    {GROUP("\"restart\":[\"no\"]"), "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"},\"RestartPolicy\":{\"Condition\":\"none\"}}}", NULL},
    {GROUP("\"restart\":[\"no\"]"), "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\"},\"RestartPolicy\":{\"Condition\":\"any\"}}}", "restart"},
    {OPEN_ROLE, "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\",\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/{{.Node.ID}}\"}]}}}", "template"},
    {ALL, "POST", "/v1.41/services/create", "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"b\",\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/{{.Node.ID}}\"}]}}}", NULL},
};
/* Sentences that are longer than what holds them. */
#define PATH90 "/" A64 "bbbbbbbbbbbbbbbbbbbbbbbbb"
static const struct edge_row long_rows[] = {
    {GROUP("\"binds\":[\"" PATH90 "1\",\"" PATH90 "2\",\"" PATH90 "3\",\"" PATH90 "4\",\"" PATH90 "5\",\"" PATH90 "6\",\"" PATH90 "7\"]"), CREATE, HOST("\"Binds\":[\"/b:/b\"]"), "not in containers.binds"},
    {GROUP("\"binds\":[\"/1\",\"/2\",\"/3\",\"/4\",\"/5\",\"/6\",\"/7\",\"/8\",\"/9\"]"), CREATE, HOST("\"Binds\":[\"/b:/b\"]"), "..., "},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"NetworkingConfig\":{\"EndpointsConfig\":{\"" A256 "\":{\"IPAMConfig\":{\"" A256 "\":5}}}}}", "does not know"},
    {OPEN_ROLE, CREATE, "{\"Image\":\"img\",\"" LONG "\":5}", "does not know"},
    {OPEN_ROLE, CREATE, HOST("\"Privileged\":true,\"CapAdd\":[\"ALL\"]"), "Privileged"},
    {GROUP("\"env\":{\"deny\":[\"A\"]}"), CREATE, "{\"Image\":\"img\",\"Env\":[\"A=1\"]}", "env"},
    {ROLE("\"exec\":{\"env\":{\"deny\":[\"A\"]}}"), "POST", "/v1.41/containers/a/exec", "{\"Cmd\":[\"a\"],\"Env\":[\"A=1\"]}", "env"},
};
// clang-format on

static const char *expanded(const char *text, char dst[TEXT_CAP])
{
    const char *at = text ? strstr(text, LONG) : NULL;
    if (!at)
        return text;
    size_t before = (size_t)(at - text);
    memcpy(dst, text, before);
    memset(dst + before, 'a', LONG_BYTES);
    snprintf(dst + before + LONG_BYTES, TEXT_CAP - before - LONG_BYTES, "%s", at + strlen(LONG));
    return dst;
}

static void run_rows(const struct edge_row *rows, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const struct edge_row *row = &rows[i];
        struct decision decision;
        char target[TEXT_CAP], body[TEXT_CAP];
        decide_text(row->role, row->method, expanded(row->target, target),
                    expanded(row->body, body), &decision);
        bool allowed = decision.verdict == VERDICT_ALLOW;
        bool right = row->refusal ? !allowed && strstr(decision.reason, row->refusal) : allowed;
        if (right && decision_sound(&decision))
            continue;
        wrong++;
        print_error("role %.100s, %.60s, %.150s: wanted %s, got \"%s\"\n", row->role, row->target,
                    row->body ? row->body : "", row->refusal ? row->refusal : "allowed",
                    decision.reason);
    }
    assert_int_equal(wrong, 0);
}

#define TEST(name)                        \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        run_rows(name, ARRAY_LEN(name));  \
    }
TEST(mode_rows)
TEST(log_rows)
TEST(container_rows)
TEST(resource_rows)
TEST(mount_rows)
TEST(volume_rows)
TEST(network_rows)
TEST(image_rows)
TEST(body_rows)
TEST(build_rows)
TEST(plugin_rows)
TEST(service_rows)
TEST(long_rows)

/* ---- uploads that the daemon would unpack by another program ----------------------------------
 */

static void test_archive(void **state)
{
    (void)state;
    static const struct {
        struct str first;
        bool passes;
    } rows[] = {
        {{NULL, 0}, true},
        {{"\x1f\x8b\x08", 3}, false},
        {{"\x1f\x8b", 2}, true},
        {{"BZh9", 4}, false},
        {{"BZ", 2}, true},
        {{"\xfd"
          "7zXZ",
          5},
         false},
        {{"\x28\xb5\x2f\xfd", 4}, false},
        {{"\x5f\x2a\x4d\x18", 4}, false},
        {{"\x50\x2a\x4d\x18", 4}, false},
        {{"\x50\x2a\x4d\x19", 4}, true},
        {{"\x60\x2a\x4d\x18", 4}, true},
        {{"\x50\x2a\x4d", 3}, true},
        {{"plain.txt\0\0\0\0\0\0\0", 16}, true},
    };
    const struct role *role = NULL;
    struct policy *policy = load_role_text(OPEN_ROLE, &role);
    struct arena arena = {0};
    struct request request;
    struct decision decision;
    assert_true(request_parse(STR("PUT"), STR("/v1.41/containers/a/archive?path=/"), &arena,
                              &request, &decision));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        memset(&decision, 0, sizeof decision);
        bool passes = request_check_archive(role, &request, rows[i].first, &decision);
        if (passes != rows[i].passes || (passes ? decision.status != 0 : decision.status != 403))
            fail_msg("row %zu: wanted %d", i, rows[i].passes);
    }
    arena_free(&arena);
    policy_free(policy);
}

/* ---- what stands beside decisions -------------------------------------------------------------
 */

static void test_image_named(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *body, *image;
    } rows[] = {
        {CREATE, "{\"Image\":\"a\"}", "a"},
        {CREATE, "{\"Image\" : \"a\\u0062\"}", "ab"},
        {CREATE, "{\"Image\":5}", ""},
        {CREATE, "{\"Image\"", ""},
        {CREATE, "{\"Image\":\"a", ""},
        {CREATE, "{\"Image\":\"\\x\"}", ""},
        {CREATE, "{\"x\":{\"Image\":\"a\"},\"y\":[\"Image\"],\"Cmd\":\"Image\"}", ""},
        {CREATE, "{}", ""},
        {"POST", "/services/create", "{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"a\"}}}",
         "a"},
        {"POST", "/services/x/update", "{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":5}}}", ""},
        {"POST", "/services/create", "{\"Image\":\"a\"}", ""},
        {"POST", "/services/create", "{\"TaskTemplate\"", ""},
        {"POST", "/images/create?fromImage=a", NULL, "a"},
        {"POST", "/images/create?fromImage=a&tag=1", NULL, "a:1"},
        {"POST", "/images/create?fromImage=a&tag=sha256:1", NULL, "a@sha256:1"},
        {"POST", "/images/create?tag=1", NULL, ""},
        {"GET", "/info", NULL, ""},
    };
    struct policy *builtin = policy_builtin();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct request request;
        struct decision decision;
        assert_true(request_parse(str_of(rows[i].method), str_of(rows[i].target), &arena, &request,
                                  &decision));
        request.body = str_of(rows[i].body);
        if (!str_is(request_image(&request, NULL, &arena), rows[i].image))
            fail_msg("row %zu: %.*s", i, STR_ARG(request_image(&request, NULL, &arena)));
        policy_decide(policy_role(builtin, STR("all")), &request, NULL, &arena, &decision);
        if (!str_is(request_image(&request, decision.read, &arena), rows[i].image))
            fail_msg("row %zu, after a decision", i);
        arena_free(&arena);
    }
    struct request none = {0};
    assert_int_equal(request_image(&none, NULL, NULL).n, 0);
    policy_free(builtin);
}

/* Without a role, or a route, nothing passes. */
static void test_nobody(void **state)
{
    (void)state;
    const struct role *role = NULL;
    struct policy *policy = load_role_text(OPEN_ROLE, &role);
    struct arena arena = {0};
    struct request request, none = {0};
    struct decision decision;
    assert_true(request_parse(STR("GET"), STR("/_ping"), &arena, &request, &decision));
    assert_true(policy_precheck(role, &request, &arena, &decision));
    assert_false(policy_precheck(NULL, &request, &arena, &decision));
    assert_true(decision_sound(&decision));
    policy_decide(NULL, &request, NULL, &arena, &decision);
    assert_true(decision.verdict == VERDICT_DENY && decision_sound(&decision));
    policy_decide(role, &none, NULL, &arena, &decision);
    assert_true(decision.verdict == VERDICT_DENY && decision_sound(&decision));
    assert_false(role_allows(NULL, OP_SystemPing));
    assert_false(role_allows(role, OP_COUNT));
    assert_true(role_allows(role, OP_SystemPing));
    arena_free(&arena);
    policy_free(policy);
}

/* Each name that no row knows is compared with all others: there is an end to it. */
static void test_unknown_fields(void **state)
{
    (void)state;
    static const char role[] = "{\"allow\":[\"*\"],\"unknown_fields\":\"allow\"}";
    for (int count = 60; count < 70; count++) {
        char body[4096];
        struct decision decision;
        size_t n = (size_t)snprintf(body, sizeof body, "{\"Image\":\"img\"");
        for (int i = 0; i < count; i++)
            n += (size_t)snprintf(body + n, sizeof body - n, ",\"new%d\":1", i);
        snprintf(body + n, sizeof body - n, "}");
        decide_text(role, CREATE, body, &decision);
        assert_true((decision.verdict == VERDICT_ALLOW) == (count <= 64));
        assert_true(decision_sound(&decision));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode_rows),      cmocka_unit_test(test_log_rows),
        cmocka_unit_test(test_container_rows), cmocka_unit_test(test_resource_rows),
        cmocka_unit_test(test_mount_rows),     cmocka_unit_test(test_volume_rows),
        cmocka_unit_test(test_network_rows),   cmocka_unit_test(test_image_rows),
        cmocka_unit_test(test_body_rows),      cmocka_unit_test(test_build_rows),
        cmocka_unit_test(test_plugin_rows),    cmocka_unit_test(test_service_rows),
        cmocka_unit_test(test_long_rows),      cmocka_unit_test(test_image_named),
        cmocka_unit_test(test_nobody),         cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
