/* What the keys mean at their edges: one row is a role, a request and its verdict. */
#include "decide_helper.h"

#define YES VERDICT_ALLOW
#define NO  VERDICT_DENY

#define H(role, members, verdict, rule)            \
    {                                              \
        role, CREATE, HOST(members), verdict, rule \
    }
#define T(role, members, verdict, rule)                                \
    {                                                                  \
        role, CREATE, "{\"Image\":\"img\"," members "}", verdict, rule \
    }
#define R(members)   ROLE("\"containers\":{" members "}")
#define IMG(members) ROLE("\"images\":{" members "}")
#define RUN(role, image, verdict, rule)                          \
    {                                                            \
        role, CREATE, "{\"Image\":\"" image "\"}", verdict, rule \
    }
#define POST(role, target, verdict, rule)                \
    {                                                    \
        role, "POST", "/v1.41" target, "", verdict, rule \
    }
#define BIND(role, text, verdict) H(role, "\"Binds\":[\"" text "\"]", verdict, NULL)
#define MOUNT(role, members, verdict) \
    H(role, "\"Mounts\":[{\"Target\":\"/t\"," members "}]", verdict, NULL)
#define VOLUME(role, members, verdict)                                        \
    {                                                                         \
        role, "POST", "/v1.41/volumes/create", "{" members "}", verdict, NULL \
    }
#define SRV  R("\"binds\":[\"/srv/ci/**\"]")
#define ALL  "builtin:all"
#define ID64 "101fc5856e5e95cc243f78fd2adcfd7f68df042943eff4eec22c7a9954b3e757"

// clang-format off
static const struct row host_paths[] = {
    BIND(SRV, "/srv/ci:/w", YES), BIND(SRV, "/srv/ci/:/w:ro", YES), BIND(SRV, "/srv/ci-evil:/w", NO),
    BIND(SRV, "/srv/ci/a/../../..:/w", NO), BIND(SRV, "/srv//ci:/w", NO), BIND(SRV, "/srv/./ci:/w", NO),
    BIND(SRV, "/srv/ci/a:/w:ro,z,rprivate", YES), BIND(SRV, "/srv/ci/a:/w:rshared", NO),
    BIND(SRV, "/srv/ci/a:/w:odd", NO), BIND(SRV, "/srv/ci/a:/w:ro:x", NO), BIND(SRV, ":/w", NO),
    BIND(SRV, "/srv/ci/a:", NO), BIND(SRV, "/srv/ci/a:/proc", NO), BIND(SRV, "/srv/ci/a:/x/../sys/y", NO),
    BIND(SRV, "/data", YES), BIND(SRV, "vol:/w", YES), BIND(SRV, "./x:/w", NO), BIND(SRV, "~/x:/w", NO), BIND(SRV, "C:\\\\x:/w", NO),
    BIND(R("\"binds\":true"), "/home/x:/w", YES), BIND(R("\"binds\":true"), "/:/w", NO),
    BIND(R("\"binds\":true"), "/var:/w", NO), BIND(R("\"binds\":true"), "/var/run/docker.sock:/d", NO),
    BIND(R("\"binds\":true"), "/run/x:/w", NO), BIND(R("\"binds\":true"), "/proc/self/root:/w", NO),
    BIND(R("\"binds\":true"), "/var/lib/dockerx:/w", YES), BIND(R("\"binds\":true"), "/srv:/w:rshared", YES),
    BIND(R("\"binds\":[\"/**\"]"), "/var/lib:/w", NO), BIND(R("\"binds\":[\"/**\"]"), "/etc:/w", NO), BIND(R("\"binds\":[\"/**\"]"), "/etc/ssl:/w", YES),
    BIND(R("\"binds\":[\"/\"]"), "/:/w", YES), BIND(R("\"binds\":[\"/var/run/docker.sock\"]"), "/var/run/docker.sock:/d", YES),
    BIND(R("\"binds\":[\"/var/run\"]"), "/var/run/docker.sock:/d", NO), BIND(ALL, "/:/w:rshared", YES),
    BIND(R("\"binds\":[{\"source\":\"/etc/localtime\",\"read_only\":true}]"), "/etc/localtime:/l:ro", YES),
    BIND(R("\"binds\":[{\"source\":\"/etc/localtime\",\"read_only\":true}]"), "/etc/localtime:/l", NO),
    BIND(R("\"binds\":[{\"source\":\"/etc/localtime\",\"read_only\":true}]"), "/etc/localtime:/l:ro,Z", NO),
    MOUNT(R("\"binds\":[{\"source\":\"/a\",\"read_only\":true}]"), "\"Type\":\"bind\",\"Source\":\"/a\",\"ReadOnly\":true", YES),
    MOUNT(R("\"binds\":[{\"source\":\"/a\",\"read_only\":true}]"), "\"Type\":\"bind\",\"Source\":\"/a\",\"ReadOnly\":true,\"BindOptions\":{\"NonRecursive\":true}", NO),
    MOUNT(R("\"binds\":[{\"source\":\"/a\",\"read_only\":true}]"), "\"Type\":\"bind\",\"Source\":\"/a\",\"ReadOnly\":true,\"BindOptions\":{\"ReadOnlyNonRecursive\":true}", NO),
    MOUNT(SRV, "\"Type\":\"bind\",\"Source\":\"/srv/ci\",\"BindOptions\":{\"Propagation\":\"rslave\"}", NO),
    MOUNT(SRV, "\"Type\":\"bind\"", NO), MOUNT(SRV, "\"Source\":\"/srv/ci\"", NO), MOUNT(SRV, "\"Type\":\"BIND\",\"Source\":\"/srv/ci\"", NO),
    MOUNT(ALL, "\"Type\":\"bind\",\"Source\":\"/\"", YES), MOUNT(SRV, "\"Type\":\"volume\",\"Source\":\"/srv/ci\"", NO),
    MOUNT(R("\"volumes\":[\"a\"]"), "\"Type\":\"volume\"", NO), MOUNT(R("\"volumes\":[\"\"]"), "\"Type\":\"volume\"", YES),
    MOUNT(IMG("\"allow\":[\"good/**\"]"), "\"Type\":\"image\",\"Source\":\"evil/x:1\"", NO),
    MOUNT(R("\"tmpfs\":false"), "\"Type\":\"tmpfs\"", NO), MOUNT(R("\"volume_drivers\":[\"local\"]"), "\"Type\":\"volume\"", NO),
    MOUNT(SRV, "\"Type\":\"volume\",\"VolumeOptions\":{\"DriverConfig\":{\"Options\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/ci/x\"}}}", YES),
    MOUNT(SRV, "\"Type\":\"volume\",\"VolumeOptions\":{\"DriverConfig\":{\"Options\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/\"}}}", NO),
    /* restart policies and what lies below a path that containers can write */
    H(SRV, "\"Binds\":[\"/srv/ci:/w\"],\"RestartPolicy\":{\"Name\":\"always\"}", YES, NULL),
    H(SRV, "\"Binds\":[\"/srv/ci/a:/w\"],\"RestartPolicy\":{\"Name\":\"always\"}", NO, "containers.binds"),
    H(SRV, "\"Binds\":[\"/srv/ci/a:/w\"],\"RestartPolicy\":{\"Name\":\"no\"}", YES, NULL),
    H(R("\"binds\":true"), "\"Binds\":[\"/srv/ci/a:/w\"],\"RestartPolicy\":{\"Name\":\"always\"}", YES, NULL),
    H(R("\"binds\":[\"/srv/*\"]"), "\"Binds\":[\"/srv/a:/w\"],\"RestartPolicy\":{\"Name\":\"always\"}", YES, NULL),
    H(R("\"binds\":[\"/a\",\"/a/b\"]"), "\"Binds\":[\"/a/b:/w\"],\"RestartPolicy\":{\"Name\":\"always\"}", NO, NULL),
    H(R("\"binds\":[{\"source\":\"/a\",\"read_only\":true},\"/a/b\"]"), "\"Binds\":[\"/a/b:/w\"],\"RestartPolicy\":{\"Name\":\"always\"}", YES, NULL),
    /* volumes */
    VOLUME(SRV, "\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/ci/x\"}", YES),
    VOLUME(SRV, "\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/ci/../..\"}", NO),
    VOLUME(SRV, "\"DriverOpts\":{\"type\":\"none\",\"o\":\"rbind\",\"device\":\"/srv/ci/x\"}", NO),
    VOLUME(SRV, "\"DriverOpts\":{\"type\":\"ext4\",\"device\":\"/dev/vda\"}", NO),
    VOLUME(R("\"volume_options\":true"), "\"DriverOpts\":{\"type\":\"nfs\",\"o\":\"addr=10.0.0.1\"}", YES),
    VOLUME(R("\"volume_options\":true"), "\"DriverOpts\":{\"type\":\"none\",\"o\":\"ro,bind\",\"device\":\"/\"}", NO),
    VOLUME(OPEN_ROLE, "\"DriverOpts\":{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=1m,exec\"}", NO),
    VOLUME(OPEN_ROLE, "\"DriverOpts\":{\"size\":\"1g\"}", NO), VOLUME(OPEN_ROLE, "\"Labels\":null", YES),
    VOLUME(R("\"volumes\":[\"a\"]"), "\"Name\":\"\"", NO), VOLUME(R("\"volume_drivers\":[\"local\"]"), "\"Name\":\"a\"", NO),
};

#define ROOT(user, verdict, rule)                                                                  \
    T(R("\"user\":{\"deny\":[\"root\"]}"),                                                          \
      "\"User\":\"" user "\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}", verdict, rule)
static const struct row confinement[] = {
    H(R("\"cap_add\":true"), "\"CapAdd\":[\"SYS_ADMIN\"]", YES, NULL), H(R("\"cap_add\":true"), "\"CapAdd\":[\"all\"]", NO, "containers.cap_add"),
    H(R("\"cap_add\":[\"*\"]"), "\"CapAdd\":[\"CAP_ALL\"]", NO, NULL), H(R("\"cap_add\":[\"ALL\"]"), "\"CapAdd\":[\"ALL\"]", YES, NULL),
    H(R("\"cap_add\":[\"CAP_CHOWN\"]"), "\"CapAdd\":\"chown\"", YES, NULL), H(R("\"cap_add\":[\"SYS_ADMIN\"]"), "\"CapAdd\":[\"\\u017fys_admin\"]", NO, NULL),
    H(OPEN_ROLE, "\"CapAdd\":\"SYS_ADMIN\"", NO, NULL), H(ALL, "\"CapAdd\":[\"ALL\"]", YES, NULL),
    H(R("\"cap_drop\":{\"require\":[\"ALL\"]}"), "\"CapDrop\":[\"cap_all\"]", YES, NULL), H(R("\"cap_drop\":{\"require\":[\"ALL\"]}"), "\"CapDrop\":[\"CHOWN\"]", NO, "containers.cap_drop"),
    H(R("\"cap_drop\":{\"require\":[\"NET_RAW\"]}"), "\"CapDrop\":\"ALL\"", YES, NULL), H(R("\"cap_drop\":{\"require\":[\"NET_RAW\"]}"), "\"CapDrop\":null", NO, NULL),
    H(OPEN_ROLE, "\"SecurityOpt\":[\"no-new-privileges:true\"]", YES, NULL), H(OPEN_ROLE, "\"SecurityOpt\":[\"no-new-privileges=false\"]", NO, NULL),
    H(OPEN_ROLE, "\"SecurityOpt\":[\"disable\"]", NO, NULL), H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"label:disable\"]", NO, NULL),
    H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"apparmor=unconfined\"]", NO, NULL), H(R("\"security_opt\":[\"seccomp=*\"]"), "\"SecurityOpt\":[\"seccomp:unconfined\"]", NO, NULL),
    H(R("\"security_opt\":[\"seccomp:unconfined\"]"), "\"SecurityOpt\":[\"seccomp=unconfined\"]", YES, NULL), H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"apparmor=docker-default\"]", YES, NULL),
    H(R("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), "\"SecurityOpt\":[\"no-new-privileges:true\"]", YES, NULL),
    H(R("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), "\"SecurityOpt\":[]", NO, "containers.security_opt"),
    H(R("\"security_opt\":{\"allow\":[\"no-new-privileges*\"],\"require\":[\"no-new-privileges\"]}"), "\"SecurityOpt\":[\"no-new-privileges\",\"no-new-privileges=false\"]", NO, NULL),
    T(R("\"user\":{\"deny\":[\"root\"]}"), "\"User\":\"1000:1000\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}", YES, NULL),
    T(R("\"user\":{\"deny\":[\"root\"]}"), "\"User\":\"1000\"", NO, "containers.user"), ROOT("0", NO, "containers.user"), ROOT("0:1000", NO, NULL), ROOT("1000:x", YES, NULL), ROOT("2147483648", NO, NULL), ROOT("app", NO, "containers.user"),
    T(R("\"user\":{\"deny\":[\"root\"]}"), "\"User\":\"\"", NO, NULL), ROOT("00", NO, NULL),
    ROOT("4294967296", NO, NULL), ROOT("+1", NO, NULL),
    H(R("\"network_mode\":true"), "\"NetworkMode\":\"host\"", NO, NULL), H(R("\"network_mode\":[\"host\"]"), "\"NetworkMode\":\"host\"", YES, NULL),
    H(R("\"network_mode\":[\"h*\"]"), "\"NetworkMode\":\"host\"", NO, NULL), H(R("\"network_mode\":[\"ci\"]"), "\"NetworkMode\":\"\"", NO, NULL),
    H(R("\"network_mode\":[\"bridge\"]"), "\"NetworkMode\":\"default\"", YES, NULL), H(R("\"network_mode\":[]"), "\"NetworkMode\":\"default\"", YES, NULL),
    H(R("\"network_mode\":[]"), "\"NetworkMode\":\"x\"", NO, NULL), H(OPEN_ROLE, "\"NetworkMode\":\"container:x\"", NO, NULL),
    H(R("\"network_mode\":[\"container:ci-*\",\"default\"]"), "\"NetworkMode\":\"container:ci-a\"", YES, NULL), H(R("\"network_mode\":[\"**\"]"), "\"NetworkMode\":\"container:ci-a\"", NO, NULL),
    H(R("\"network_mode\":[\"container:**\"]"), "\"NetworkMode\":\"container:a/b\"", NO, NULL), H(OPEN_ROLE, "\"NetworkMode\":\"ns:/proc/1/ns/net\"", NO, NULL),
    T(OPEN_ROLE, "\"NetworkingConfig\":{\"EndpointsConfig\":{\"host\":{}}}", NO, NULL), T(OPEN_ROLE, "\"NetworkingConfig\":{\"EndpointsConfig\":{\"a\":null}}", NO, NULL),
    H(OPEN_ROLE, "\"IpcMode\":\"private\"", YES, NULL), H(OPEN_ROLE, "\"IpcMode\":\"shareable\"", NO, NULL), H(R("\"pid_mode\":true"), "\"PidMode\":\"host\"", NO, NULL),
    H(OPEN_ROLE, "\"CgroupnsMode\":\"private\"", YES, NULL), H(ALL, "\"PidMode\":\"host\",\"NetworkMode\":\"host\"", YES, NULL),
    H(R("\"runtimes\":[\"kata\"]"), "\"Runtime\":\"\"", NO, "containers.runtimes"), H(R("\"log_drivers\":[\"local\"]"), "\"Privileged\":false", NO, "containers.log_drivers"),
    H(R("\"cgroup_parent\":[\"/ci/**\"]"), "\"CgroupParent\":\"/ci/../x\"", NO, NULL), H(R("\"sysctls\":[\"net.**\"]"), "\"Sysctls\":{\"net/../kernel/core_pattern\":\"x\"}", NO, NULL),
    H(R("\"devices\":[\"/dev/fuse\"]"), "\"Devices\":[{\"PathOnHost\":\"/dev/../dev/fuse\"}]", NO, NULL),
    H(R("\"labels\":{\"require\":{\"team\":\"c*\"}}"), "\"Privileged\":false", NO, "containers.labels"), T(R("\"labels\":{\"require\":{\"team\":\"c*\"}}"), "\"Labels\":{\"team\":\"ci\"}", YES, NULL),
    T(R("\"labels\":{\"require\":{\"team\":\"c*\"}}"), "\"Labels\":{\"team\":\"x\"}", NO, NULL), T(OPEN_ROLE, "\"WorkingDir\":\"/sysx\"", YES, NULL), T(OPEN_ROLE, "\"WorkingDir\":\"/a/../proc\"", NO, "open"),
    H(OPEN_ROLE, "\"LogConfig\":{\"Config\":{\"max-size\":\"64k\",\"max-file\":\"3\",\"tag\":\"x-{{.ID}}\"}}", YES, NULL), H(OPEN_ROLE, "\"LogConfig\":{\"Config\":{\"tag\":\"{{pad .ID 9 0}}\"}}", NO, NULL),
    H(OPEN_ROLE, "\"LogConfig\":{\"Config\":{\"max-file\":\"0\"}}", NO, NULL), H(OPEN_ROLE, "\"LogConfig\":{\"Config\":{\"max-buffer-size\":\"65m\"}}", NO, NULL),
    H(OPEN_ROLE, "\"LogConfig\":{\"Config\":{\"syslog-address\":\"x\"}}", NO, NULL), H(R("\"log_options\":[\"env\"]"), "\"LogConfig\":{\"Config\":{\"env\":\"A\"}}", YES, NULL),
    H(R("\"log_options\":[\"env=A\"]"), "\"LogConfig\":{\"Config\":{\"env\":\"A\"}}", YES, NULL), H(R("\"log_options\":false"), "\"LogConfig\":{\"Config\":{\"max-size\":\"1m\"}}", NO, NULL),
};

#define PORTS(role, ip, port, verdict) H(role, "\"PortBindings\":{\"53/udp\":[{\"HostIp\":\"" ip "\",\"HostPort\":\"" port "\"}]}", verdict, NULL)
static const struct row resources[] = {
    PORTS(OPEN_ROLE, "", "1024", YES), PORTS(OPEN_ROLE, "", "1000-1024", NO), PORTS(OPEN_ROLE, "", "", YES), PORTS(OPEN_ROLE, "", "0", YES), PORTS(OPEN_ROLE, "", "70000", NO),
    PORTS(OPEN_ROLE, "x", "8080", NO), PORTS(OPEN_ROLE, "127.0.0.1", "8080", YES), PORTS(R("\"ports\":[\"127.0.0.1:8000-8100\"]"), "127.0.0.1", "8000", YES),
    PORTS(R("\"ports\":[\"127.0.0.1:8000-8100\"]"), "", "8000", NO), PORTS(R("\"ports\":[\"127.0.0.1:8000-8100\"]"), "0.0.0.0", "8000", NO), PORTS(R("\"ports\":[\"8000/tcp\"]"), "", "8000", NO),
    PORTS(R("\"ports\":[\"8000/udp\"]"), "", "8000", YES), PORTS(R("\"ports\":[\"8000-9000\"]"), "", "", NO), PORTS(R("\"ports\":true"), "", "22", YES), PORTS(R("\"ports\":[]"), "", "9000", NO),
    H(OPEN_ROLE, "\"PortBindings\":{\"80/tcp\":null}", YES, NULL), H(OPEN_ROLE, "\"PortBindings\":{\"80/tcp\":[null]}", NO, NULL),
    H(R("\"mem_limit\":{\"max\":\"1g\",\"require\":true}"), "\"Memory\":0", NO, "containers.mem_limit"), H(R("\"mem_limit\":{\"max\":\"1g\"}"), "\"Memory\":0", YES, NULL),
    H(R("\"mem_limit\":{\"max\":\"1g\",\"require\":true}"), "\"Memory\":5", YES, NULL), H(R("\"mem_limit\":{\"max\":\"1g\"}"), "\"Memory\":-1", NO, NULL),
    H(R("\"cpus\":{\"max\":1,\"require\":true}"), "\"CpuQuota\":100000", YES, NULL), H(R("\"cpus\":{\"max\":1,\"require\":true}"), "\"CpuShares\":5", NO, NULL),
    H(R("\"cpus\":{\"max\":1}"), "\"CpuQuota\":100000,\"CpuPeriod\":50000", NO, NULL), H(R("\"cpus\":{\"max\":1}"), "\"CpuQuota\":9223372036854775807", NO, NULL), H(R("\"cpus\":{\"max\":1}"), "\"CpuQuota\":-1", NO, NULL),
    H(R("\"pids_limit\":{\"max\":9,\"require\":true}"), "\"PidsLimit\":null", NO, NULL), H(R("\"read_only\":{\"require\":true}"), "\"ReadonlyRootfs\":true", YES, NULL),
    H(R("\"read_only\":{\"require\":true}"), "\"Privileged\":false", NO, "containers.read_only"), H(OPEN_ROLE, "\"Ulimits\":[null]", NO, NULL), H(OPEN_ROLE, "\"OomScoreAdj\":1.0", NO, NULL),
    {R("\"mem_limit\":{\"max\":\"1g\",\"require\":true}"), "POST", "/containers/x/update", "{\"Memory\":0,\"RestartPolicy\":{\"Name\":\"\"}}", YES, NULL},
    {R("\"pids_limit\":{\"max\":9}"), "POST", "/containers/x/update", "{\"PidsLimit\":null}", YES, NULL},
    {R("\"pids_limit\":{\"max\":9}"), "POST", "/containers/x/update", "{\"PidsLimit\":-1}", NO, "containers.pids_limit"},
    {R("\"cpus\":{\"max\":1}"), "POST", "/containers/x/update", "{\"CpuPeriod\":1000}", NO, "containers.cpus"},
    {R("\"cpus\":{\"max\":1}"), "POST", "/containers/x/update", "{\"CpuQuota\":1000}", NO, "containers.cpus"},
};

#define GOOD IMG("\"allow\":[\"good.example/**\"]")
#define DIGEST "sha256:" ID64
static const struct row images[] = {
    RUN(OPEN_ROLE, "nginx", YES, NULL), RUN(OPEN_ROLE, "localhost:5000/x", NO, "images.allow"), RUN(OPEN_ROLE, "10.0.0.1/x", NO, NULL), RUN(IMG("\"allow\":[\"localhost:5000/**\"]"), "localhost:5000/x", YES, NULL),
    RUN(OPEN_ROLE, "abc123", YES, NULL), RUN(GOOD, "abc123", NO, NULL), RUN(IMG("\"deny\":[\"nginx\"]"), "abc123", NO, NULL), RUN(IMG("\"deny\":[\"nginx\"]"), "sha256:1", NO, NULL), RUN(GOOD, DIGEST, NO, NULL), RUN(GOOD, "good.example/a:1", YES, NULL), RUN(GOOD, "good.example.evil/a:1", NO, NULL), RUN(GOOD, "", NO, NULL),
    RUN(ALL, "localhost:5000/x", YES, NULL), RUN(IMG("\"deny\":[\"nginx\"]"), "docker.io/library/nginx:1", NO, "images.deny"), RUN(IMG("\"deny\":[\"nginx\"]"), "redis", YES, NULL),
    RUN(IMG("\"require_digest\":true"), "nginx:1", NO, "images.require_digest"), RUN(IMG("\"require_digest\":true"), "nginx@" DIGEST, YES, NULL), RUN(IMG("\"deny_tags\":[\"latest\"]"), "nginx", NO, "images.deny_tags"),
    RUN(IMG("\"deny_tags\":[\"latest\"]"), "nginx:1", YES, NULL), RUN(OPEN_ROLE, "UPPER", NO, NULL),
    POST(GOOD, "/images/create?fromImage=good.example/a&tag=1", YES, NULL), POST(GOOD, "/images/create?fromImage=good.example/a:1", YES, NULL), POST(GOOD, "/images/create?fromImage=good.example/a", NO, NULL),
    POST(GOOD, "/images/create?fromImage=good.example/a&tag=" DIGEST, YES, NULL), POST(GOOD, "/images/create?fromImage=evil/a&tag=1", NO, "images.allow"), POST(GOOD, "/images/create?fromImage=abc&tag=1", NO, NULL),
    POST(IMG("\"deny_tags\":[\"latest\"]"), "/images/create?fromImage=nginx:1&tag=latest", NO, "images.deny_tags"), POST(IMG("\"require_digest\":true"), "/images/create?fromImage=nginx@" DIGEST "&tag=1", YES, NULL),
    POST(IMG("\"require_digest\":true"), "/images/create?fromImage=nginx&tag=" DIGEST, YES, NULL), POST(OPEN_ROLE, "/images/create?fromImage=nginx", YES, NULL), POST(OPEN_ROLE, "/images/create?fromImage=nginx:", YES, NULL),
    POST(OPEN_ROLE, "/images/create?fromSrc=-&repo=x", YES, NULL), POST(GOOD, "/images/create?fromSrc=-&repo=good.example/x&tag=1", NO, "images.import"), POST(IMG("\"import\":[\"mine/**\"]"), "/images/create?fromSrc=-&repo=mine/x&tag=1", YES, NULL),
    POST(IMG("\"import\":[\"mine/**\"]"), "/images/create?fromSrc=-&repo=other/x", NO, "images.import"), POST(IMG("\"import\":[\"mine/**\"]"), "/images/create?fromSrc=-", NO, NULL), POST(OPEN_ROLE, "/images/create?fromSrc=http://x/y.tar", NO, "open"),
    POST(ROLE("\"open\":[\"ImageCreate?fromSrc\"]"), "/images/create?fromSrc=http://x/y.tar", YES, NULL), POST(OPEN_ROLE, "/images/create?fromSrc=-&fromImage=x", NO, NULL), POST(OPEN_ROLE, "/images/create?tag=1", NO, NULL), POST(ALL, "/images/create?fromSrc=http://x/", YES, NULL),
    POST(OPEN_ROLE, "/images/x/tag?repo=y&tag=1", YES, NULL), POST(GOOD, "/images/x/tag?repo=good.example/y", NO, "images.import"), POST(IMG("\"allow\":[\"good/**\"],\"import\":true"), "/images/x/tag?repo=evil/y", NO, "images.allow"),
    POST(OPEN_ROLE, "/images/nginx/push", YES, NULL), POST(GOOD, "/images/evil/x/push?tag=1", NO, "images.allow"), POST(OPEN_ROLE, "/images/localhost:5000/x/push", NO, "images.allow"),
    POST(OPEN_ROLE, "/images/load", YES, NULL), POST(GOOD, "/images/load", NO, "images.import"),
    {OPEN_ROLE, "GET", "/images/search?term=nginx", "", YES, NULL}, {OPEN_ROLE, "GET", "/images/search?term=10.0.0.1/x", "", NO, "images.allow"}, {GOOD, "GET", "/images/search?term=nginx", "", NO, NULL}, {GOOD, "GET", "/images/search?term=good.example/x", "", YES, NULL},
    {OPEN_ROLE, "GET", "/distribution/nginx/json", "", YES, NULL}, {GOOD, "GET", "/distribution/evil.example/x/json", "", NO, NULL},
    {OPEN_ROLE, "GET", "/plugins/privileges?remote=x/y", "", YES, NULL}, {OPEN_ROLE, "GET", "/plugins/privileges?remote=localhost:1/y", "", NO, "images.allow"},
};

#define NAMES R("\"names\":[\"ci-*\"]")
static const struct row requests[] = {
    {NAMES, "POST", "/containers/create?name=x", "{\"Image\":\"x\"}", NO, "containers.names"},
    {NAMES, "POST", "/containers/create?name=ci-a", "{\"Image\":\"x\"}", YES, NULL}, {NAMES, "POST", "/containers/create?name=/ci-a", "{\"Image\":\"x\"}", YES, NULL}, {NAMES, "POST", "/containers/create", "{\"Image\":\"x\"}", NO, "containers.names"},
    {R("\"names\":[\"\",\"ci-*\"]"), "POST", "/containers/create?name=", "{\"Image\":\"x\"}", YES, NULL}, {NAMES, "POST", "/containers/x/rename?name=b", "", NO, "containers.names"},
    {OPEN_ROLE, "POST", "/containers/x/rename?name=deadbeefcafe", "", NO, "containers.names"}, {OPEN_ROLE, "POST", "/containers/x/rename?name=%2Fdeadbeefcafe0", "", NO, NULL}, {OPEN_ROLE, "POST", "/containers/x/rename?name=deadbeef", "", YES, NULL},
    {OPEN_ROLE, "POST", "/containers/x/rename?name=DEADBEEFCAFE", "", YES, NULL},
    {OPEN_ROLE, "GET", "/containers/x/top?ps_args=axe", "", NO, "open"}, {ROLE("\"open\":[\"ContainerTop?ps_args\"]"), "GET", "/containers/x/top?ps_args=axe", "", YES, NULL}, {OPEN_ROLE, "GET", "/containers/x/top?ps_args=", "", YES, NULL},
    {OPEN_ROLE, "DELETE", "/containers/x?link=1", "", NO, "open"}, {OPEN_ROLE, "DELETE", "/containers/x?link=False&v=1", "", YES, NULL}, {OPEN_ROLE, "POST", "/containers/x/start?checkpoint=a", "", NO, "open"}, {OPEN_ROLE, "POST", "/containers/x/start?checkpoint-dir=/", "", NO, "open"}, {ROLE("\"open\":[\"ContainerDelete?link\"]"), "DELETE", "/containers/x?link=1", "", YES, NULL},
    {ROLE("\"open\":[\"ContainerStart?checkpoint\",\"ContainerStart?checkpoint-dir\",\"ContainerDelete?link\"]"), "POST", "/containers/x/start?checkpoint=a&checkpoint-dir=/", "", YES, NULL},
    {OPEN_ROLE, "POST", "/containers/x/stop?t=600", "", YES, NULL}, {OPEN_ROLE, "POST", "/containers/x/stop?t=601", "", NO, "open"}, {OPEN_ROLE, "POST", "/containers/x/stop?t=x", "", NO, NULL},
    {OPEN_ROLE, "POST", "/containers/x/restart?t=-1", "", NO, "open"}, {OPEN_ROLE, "POST", "/containers/x/restart?t=1", "", YES, NULL}, {OPEN_ROLE, "POST", "/containers/x/resize?h=1.5", "", NO, NULL}, {ALL, "POST", "/containers/x/stop?t=-1", "", YES, NULL},
    {OPEN_ROLE, "POST", "/containers/x/start", "{}", YES, NULL}, {OPEN_ROLE, "POST", "/containers/x/start", " null ", YES, NULL}, {OPEN_ROLE, "POST", "/containers/x/start", "{\"Binds\":[]}", NO, NULL}, {ALL, "POST", "/containers/x/start", "{\"a\":1}", NO, NULL},
    {OPEN_ROLE, "GET", "/v1.23/info", "", NO, "api"}, {ROLE("\"api\":{\"max\":\"1.41\"}"), "GET", "/v1.42/info", "", NO, "api"}, {ROLE("\"api\":{\"max\":\"1.41\"}"), "GET", "/v1.41/info", "", YES, NULL}, {OPEN_ROLE, "GET", "/v2.0/info", "", NO, "api"},
    {"{\"allow\":[\"@ping\"]}", "GET", "/info", "", NO, "allow"}, {ROLE("\"deny\":[\"SystemInfo\"]"), "GET", "/info", "", NO, "deny"}, {"{}", "GET", "/_ping", "", NO, "allow"},
    {OPEN_ROLE, "GET", "/containers/x/archive?path=/", "", NO, "archive"}, {ROLE("\"archive\":true"), "GET", "/containers/x/archive?path=/", "", YES, NULL}, {OPEN_ROLE, "HEAD", "/containers/x/archive?path=/", "", NO, "archive"}, {OPEN_ROLE, "PUT", "/containers/x/archive?path=/", "", NO, "archive"},
    {OPEN_ROLE, "POST", "/build", "", YES, NULL}, {ROLE("\"builds\":{\"network_mode\":false}"), "POST", "/build", "", YES, NULL}, {ROLE("\"builds\":{\"network_mode\":false}"), "POST", "/build?networkmode=default", "", YES, NULL}, {ROLE("\"builds\":{\"network_mode\":[]}"), "POST", "/build?networkmode=none", "", NO, "builds.network_mode"}, {ROLE("\"builds\":{\"network_mode\":true}"), "POST", "/build?networkmode=prod", "", YES, NULL}, {ROLE("\"builds\":{\"cgroup_parent\":true}"), "POST", "/build?cgroupparent=/a/../b", "", YES, NULL}, {ROLE("\"builds\":{\"remote\":true}"), "POST", "/build?remote=git@a.b:c", "", YES, NULL}, {R("\"read_only\":{\"require\":true}"), "POST", "/build", "", NO, "builds.unconstrained"}, {R("\"cap_drop\":{\"require\":[\"ALL\"]}"), "POST", "/build", "", NO, "builds.unconstrained"}, {R("\"mem_limit\":{\"max\":\"1g\"}"), "POST", "/build", "", NO, "builds.unconstrained"}, {R("\"cpus\":{\"max\":1}"), "POST", "/build", "", NO, "builds.unconstrained"}, {R("\"pids_limit\":{\"require\":true}"), "POST", "/build", "", NO, "builds.unconstrained"}, {R("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), "POST", "/build", "", NO, "builds.unconstrained"}, {R("\"user\":[\"1000\"]"), "POST", "/build", "", NO, "builds.unconstrained"}, {R("\"user\":true,\"cpus\":true,\"binds\":[\"/srv\"]"), "POST", "/build", "", YES, NULL}, {ROLE("\"images\":{\"deny\":[\"nginx\"]}"), "POST", "/build", "", NO, "builds.unconstrained"}, {ROLE("\"images\":{\"deny_tags\":[\"latest\"]}"), "POST", "/build", "", NO, "builds.unconstrained"}, {ROLE("\"images\":{\"require_digest\":true}"), "POST", "/build", "", NO, "builds.unconstrained"}, {ROLE("\"images\":{\"import\":false}"), "POST", "/build", "", YES, NULL}, {ROLE("\"images\":{\"allow\":[\"a/b\"]},\"builds\":{\"unconstrained\":true}"), "POST", "/build", "", YES, NULL}, {"{\"extends\":\"builtin:all\",\"images\":{\"allow\":[\"a/b\"]}}", "POST", "/grpc", "", NO, "builds.unconstrained"}, {ALL, "POST", "/session", "", YES, NULL}, {ALL, "POST", "/build?networkmode=host", "", YES, NULL}, {OPEN_ROLE, "POST", "/session", "", NO, NULL}, {OPEN_ROLE, "POST", "/grpc", "", NO, NULL}, {OPEN_ROLE, "POST", "/commit", "{}", YES, NULL}, {ALL, "POST", "/commit", "", YES, NULL},
    {OPEN_ROLE, "POST", "/services/create", "{\"TaskTemplate\":{\"Runtime\":\"plugin\"}}", NO, "open"}, {ALL, "POST", "/services/create", "{\"Name\":\"x\"}", YES, NULL}, {ALL, "POST", "/services/create", "{\"Name\":", NO, NULL}, {OPEN_ROLE, "POST", "/plugins/create", "", NO, NULL}, {OPEN_ROLE, "GET", "/containers/x/checkpoints", "", YES, NULL},
    {OPEN_ROLE, CREATE, "", NO, NULL}, {OPEN_ROLE, CREATE, "[]", NO, NULL}, {OPEN_ROLE, CREATE, "null", NO, NULL}, {OPEN_ROLE, CREATE, "{\"Image\":\"x\"}{}", NO, NULL}, {OPEN_ROLE, "POST", "/exec/x/start", "", NO, NULL},
    T(OPEN_ROLE, "\"New\":1", NO, "unknown_fields"), T(OPEN_ROLE, "\"New\":null", YES, NULL), T(ROLE("\"unknown_fields\":\"allow\""), "\"New\":{\"a\":[1]}", YES, NULL), T(ROLE("\"unknown_fields\":\"allow\""), "\"image\":\"y\"", NO, NULL),
    T(ROLE("\"unknown_fields\":\"allow\""), "\"New\":1,\"NEW\":2", NO, NULL), T(ALL, "\"\\u017fhell\":[]", NO, NULL), T(OPEN_ROLE, "\"name\":\"x\",\"platform\":1,\"authconfig\":{}", YES, NULL), T(OPEN_ROLE, "\"Name\":\"x\"", NO, NULL),
    T(OPEN_ROLE, "\"hostconfig\":null", NO, NULL), T(OPEN_ROLE, "\"privileged\":null", NO, NULL), T(ROLE("\"open\":[\"ContainerCreate:Memory\"]"), "\"Memory\":5", YES, NULL), T(ROLE("\"open\":[\"ContainerCreate:Privileged\"]"), "\"Privileged\":true", NO, "containers.privileged"),
    {OPEN_ROLE, "POST", "/containers/x/exec", "{\"Cmd\":[\"a\"],\"detachKeys\":\"\",\"Container\":\"x\",\"Detach\":false}", YES, NULL}, {OPEN_ROLE, "POST", "/containers/x/exec", "{\"Cmd\":[\"a\"],\"detachKeys\":\"a\",\"DetachKeys\":\"b\"}", NO, NULL},
    {ROLE("\"exec\":{\"users\":[\"\"]}"), "POST", "/containers/x/exec", "{\"Cmd\":[\"a\"]}", YES, NULL}, {ROLE("\"exec\":{\"users\":[\"a\"]}"), "POST", "/containers/x/exec", "{\"Cmd\":[\"a\"]}", NO, "exec.users"}, {ROLE("\"exec\":{\"commands\":[\"a\"]}"), "POST", "/containers/x/exec", "{}", NO, "exec.commands"},
    {ROLE("\"existing\":\"any\",\"containers\":{\"user\":{\"deny\":[\"root\"]}}"), "POST", "/containers/x/exec", "{\"Cmd\":[\"a\"],\"User\":\"1000\"}", YES, NULL}, {R("\"user\":{\"deny\":[\"root\"]}"), "POST", "/containers/x/exec", "{\"Cmd\":[\"a\"]}", NO, "containers.user"},
    {OPEN_ROLE, "POST", "/exec/x/start", "{\"Detach\":false,\"Tty\":false,\"hijack\":true,\"stdin\":true}", YES, NULL},
    {OPEN_ROLE, "POST", "/networks/host/connect", "{\"Container\":\"x\"}", NO, "containers.network_mode"}, {ROLE("\"networks\":{\"names\":[\"ci\"]}"), "POST", "/networks/x/connect", "{\"Container\":\"x\"}", NO, "networks.names"},
    {ROLE("\"networks\":{\"internal\":{\"require\":true}}"), "POST", "/networks/create", "{\"Name\":\"x\"}", NO, "networks.internal"}, {ROLE("\"networks\":{\"internal\":{\"require\":true}}"), "POST", "/networks/create", "{\"Name\":\"x\",\"Internal\":true}", YES, NULL},
    {OPEN_ROLE, "POST", "/networks/create", "{\"Name\":\"x\",\"CheckDuplicate\":true,\"Driver\":\"bridge\",\"IPAM\":{\"Driver\":\"default\",\"Config\":[]},\"Options\":null}", YES, NULL}, {ROLE("\"networks\":{\"drivers\":[\"macvlan\"]}"), "POST", "/networks/create", "{\"Name\":\"x\"}", NO, "networks.drivers"},
};
// clang-format on

static void test_host_paths(void **state)
{
    (void)state;
    check_rows(host_paths, ARRAY_LEN(host_paths));
}

static void test_confinement(void **state)
{
    (void)state;
    check_rows(confinement, ARRAY_LEN(confinement));
}

static void test_resources(void **state)
{
    (void)state;
    check_rows(resources, ARRAY_LEN(resources));
}

static void test_images(void **state)
{
    (void)state;
    check_rows(images, ARRAY_LEN(images));
}

static void test_requests(void **state)
{
    (void)state;
    check_rows(requests, ARRAY_LEN(requests));
}

/* The sentence is what a user reads in the terminal. */
static void test_sentences(void **state)
{
    (void)state;
    struct decision decision;
    decide_text("builtin:default", CREATE, HOST("\"Privileged\":true"), &decision);
    assert_string_equal(decision.reason,
                        "sockwarden: role \"default\" refuses ContainerCreate: "
                        "HostConfig.Privileged is true, and containers.privileged is false; a "
                        "policy with \"containers\": {\"privileged\": true} would allow it");
    assert_string_equal(decision.allow_with, "\"containers\": {\"privileged\": true}");
    decide_text(OPEN_ROLE, "GET", "/v1.23/info", "", &decision);
    assert_string_equal(decision.reason,
                        "client version 1.23 is too old. Minimum supported API version is 1.24, "
                        "please upgrade your client to a newer version");
    assert_false(decision.close);
    decide_text(OPEN_ROLE, CREATE, HOST("\"Binds\":[\"/e\\nvil\\u001b:/h\"]"), &decision);
    assert_null(strpbrk(decision.reason, "\n\x1b"));
    decide_text(OPEN_ROLE, CREATE, HOST("\"a\\nb\":1"), &decision);
    assert_null(strpbrk(decision.reason, "\n"));
}

/* What pings say of the builder follows it. */
static void test_buildkit(void **state)
{
    (void)state;
    struct policy *policy = policy_builtin();
    assert_true(role_buildkit(policy_role(policy, STR("all"))));
    assert_false(role_buildkit(policy_role(policy, STR("default"))));
    assert_false(role_buildkit(NULL));
    policy_free(policy);
}

static void expect_image(const char *method, const char *target, const char *body,
                         const char *expected)
{
    struct arena arena = {0};
    struct request request;
    struct decision decision;
    assert_true(request_parse(str_of(method), str_of(target), &arena, &request, &decision));
    request.body = str_of(body);
    struct str image = request_image(&request, NULL, &arena);
    if (!str_is(image, expected))
        fail_msg("%s: %.*s", expected, STR_ARG(image));
    arena_free(&arena);
}

static void test_request_image(void **state)
{
    (void)state;
    expect_image(CREATE, "{\"Env\":[\"Image\"],\"Image\" : \"a/b:1\"}", "a/b:1");
    expect_image(CREATE, "{\"HostConfig\":{\"Image\":\"no\"},\"Image\":\"a\\/b\"}", "a/b");
    expect_image(CREATE, "{\"x\":\"Image\",\"Image\":5}", "");
    expect_image(CREATE, "{\"Image\":\"broken", "");
    expect_image(CREATE, "{\"Image\":\"broken\\", "");
    expect_image(CREATE, "", "");
    expect_image("POST", "/images/create?fromImage=a/b&tag=1", "", "a/b:1");
    expect_image("POST", "/images/create?fromImage=a&tag=sha256:00", "", "a@sha256:00");
}

/* Zero is deny: nothing that is missing can allow. */
static void test_nothing_is_deny(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct request request = {0};
    struct decision decision;
    policy_decide(NULL, &request, NULL, &arena, &decision);
    assert_int_equal(decision.verdict, VERDICT_DENY);
    assert_int_equal(decision.status, 403);
    const struct role empty = {.name = "empty", .api_min = 24, .api_max = 99};
    assert_true(request_parse(STR("GET"), STR("/_ping"), &arena, &request, &decision));
    policy_decide(&empty, &request, NULL, &arena, &decision);
    assert_int_equal(decision.verdict, VERDICT_DENY);
    arena_free(&arena);
}

/* ---- images that were looked at by a name ---------------------------------------------------- */

#define HEX      "1111111111111111111111111111111111111111111111111111111111111111"
#define IMAGE_ID "sha256:" HEX
#define SEEN \
    "{\"Id\":\"" IMAGE_ID "\",\"RepoTags\":[\"a:1\"],\"Config\":{\"Labels\":{\"team\":\"web\"}}}"
#define LABELLED ROLE("\"containers\":{\"labels\":{\"deny\":[\"traefik.*\"]}}")
#define OF_WEB   ROLE("\"objects\":{\"images\":{\"labels\":{\"team\":\"web\"}}}")
#define NAMED \
    ROLE("\"images\":{\"allow\":[\"docker.io/library/a\"],\"deny\":[\"docker.io/evil/**\"]}")
#define OF(image) "{\"Image\":\"" image "\"}"
#define MOUNT_A              \
    "{\"Image\":\"" IMAGE_ID \
    "\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"a:1\",\"Target\":\"/m\"}]}}"

/* clang-format off */
static const struct {
    const char *role, *body;
    bool missing;      /* the daemon has no such image */
    int status;        /* 0: allowed */
    const char *image; /* of which the container must be made; NULL: any */
    bool rewritten;
} image_rows[] = {
    {OPEN_ROLE, OF("a:1"), false, 0, NULL, false},
    {ROLE("\"containers\":{\"user\":[\"\"]}"), OF("a:1"), false, 0, NULL, false},
    {NAMED, OF("a:1"), false, 0, NULL, false},
    {NAMED, OF(IMAGE_ID), false, 0, NULL, false},
    {NAMED, OF(HEX), false, 0, NULL, false},
    {NAMED, OF("111111111111"), false, 0, IMAGE_ID, false},
    {LABELLED, OF("a:1"), false, 0, IMAGE_ID, false},
    {LABELLED, OF("a:1"), true, 0, "", false},
    {LABELLED, OF(IMAGE_ID), false, 0, NULL, false},
    {OF_WEB, OF("a:1"), false, 0, IMAGE_ID, false},
    {OF_WEB, OF("a:1"), true, 0, "", false},
    {OF_WEB, MOUNT_A, false, 0, NULL, true},
    {OF_WEB, MOUNT_A, true, 404, NULL, false},
};
/* clang-format on */

static void test_judged_image(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(image_rows); i++) {
        const struct role *role = NULL;
        struct policy *policy = load_role_text(image_rows[i].role, &role);
        const char *facts = image_rows[i].missing ? "\"image\":{\"*\":\"No such image\"}"
                                                  : "\"image\":{\"*\":" SEEN "}";
        struct arena arena = {0};
        struct decision decision;
        decide_facts(role, "POST", "/v1.48/containers/create", str_of(image_rows[i].body), facts,
                     &arena, &decision);
        const char *image = image_rows[i].image;
        bool right = decision.status == image_rows[i].status &&
                     (decision.status || ((decision.image.p != NULL) == (image != NULL) &&
                                          (!image || str_is(decision.image, image)) &&
                                          (decision.edits.count > 0) == image_rows[i].rewritten));
        if (!right) {
            print_error("%zu: %s\n  -> %d %s, image \"%.*s\", edits %zu\n", i, image_rows[i].body,
                        decision.status, decision.reason, STR_ARG(decision.image),
                        decision.edits.count);
            wrong++;
        }
        arena_free(&arena);
        policy_free(policy);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_paths),      cmocka_unit_test(test_confinement),
        cmocka_unit_test(test_resources),       cmocka_unit_test(test_images),
        cmocka_unit_test(test_requests),        cmocka_unit_test(test_buildkit),
        cmocka_unit_test(test_sentences),       cmocka_unit_test(test_request_image),
        cmocka_unit_test(test_nothing_is_deny), cmocka_unit_test(test_judged_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
