/* Containers, commands and volumes that exist, judged by what the daemon says of them: each key of
   `containers` broken once by a container that is there, and what the daemon fills in by itself. */
#include "decide_helper.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NO   VERDICT_DENY
#define YES  VERDICT_ALLOW

/* A container "web", put together of fragments: members of its Config and HostConfig, elements of
   Mounts, members of Networks. */
struct being {
    const char *role; /* members */
    const char *config, *host, *mounts, *networks;
    const char *others; /* members of the facts beside the container */
    enum verdict verdict;
    const char *rule, *part; /* of a refusal, and of its reason; NULL: not compared */
};

static struct str facts_text(const struct being *being, struct arena *arena)
{
    enum { CAP = 64 << 10 };
    char *text = arena_alloc(arena, CAP, 1);
    assert_non_null(text);
    int n =
        snprintf(text, CAP,
                 "{\"container\":{\"web\":{\"Id\":\"" ID_A
                 "\",\"Name\":\"/web\",\"Image\":\"sha256:aa\",\"Config\":{\"Image\":\"img\"%s%s},"
                 "\"HostConfig\":{%s},\"Mounts\":[%s],\"NetworkSettings\":{\"Networks\":{%s}}}}"
                 "%s%s}",
                 being->config ? "," : "", being->config ? being->config : "",
                 being->host ? being->host : "", being->mounts ? being->mounts : "",
                 being->networks ? being->networks : "", being->others ? "," : "",
                 being->others ? being->others : "");
    assert_true(n > 0 && n < CAP);
    return (struct str){text, (size_t)n};
}

static void decide_being(const struct being *being, const char *method, const char *target,
                         const char *body, struct arena *arena, struct decision *decision)
{
    char role_text[4096];
    const struct role *role = NULL;
    struct json doc;
    struct err err = {0};
    struct request request;
    snprintf(role_text, sizeof role_text, "{\"allow\":[\"*\"],\"archive\":true%s%s}",
             being->role ? "," : "", being->role ? being->role : "");
    struct policy *policy = load_role_text(role_text, &role);
    struct str text = facts_text(being, arena);
    if (!json_scan(text, arena, &doc, &err))
        fail_msg("%s\n%d: %s", text.p, err.column, err.text);
    if (request_parse(str_of(method), str_of(target), arena, &request, decision)) {
        request.body = str_of(body);
        decide_known(role, &request, &doc, doc.nodes, arena, decision);
    }
    policy_free(policy);
}

/* Is the decision the one that the row names? */
static bool as_said(const struct being *being, const char *what, const struct decision *decision)
{
    bool right = decision_sound(decision) && decision->verdict == being->verdict &&
                 (!being->rule || (decision->rule && strcmp(being->rule, decision->rule) == 0)) &&
                 (!being->part || strstr(decision->reason, being->part));
    if (!right)
        print_error("%s: role {%s}\n  config {%s} host {%s} mounts [%s] networks {%s}\n  should be "
                    "%s by %s (%s)\n  -> %d, rule %s: %s\n",
                    what, being->role ? being->role : "", being->config ? being->config : "",
                    being->host ? being->host : "", being->mounts ? being->mounts : "",
                    being->networks ? being->networks : "",
                    being->verdict == NO ? "refused" : "allowed", being->rule ? being->rule : "-",
                    being->part ? being->part : "-", decision->status,
                    decision->rule ? decision->rule : "-", decision->reason);
    return right;
}

static size_t try_being(const struct being *being, const char *method, const char *target,
                        const char *body)
{
    struct arena arena = {0};
    struct decision decision;
    char what[256];
    decide_being(being, method, target, body, &arena, &decision);
    snprintf(what, sizeof what, "%s %s %s", method, target, body);
    bool right = as_said(being, what, &decision);
    if (right && being->verdict == YES && !str_is(decision.pinned, ID_A)) {
        print_error("%s: is not pinned\n", what);
        right = false;
    }
    arena_free(&arena);
    return !right;
}

#define C(members)     "\"containers\":{" members "}"
#define I(members)     "\"images\":{" members "}"
#define TASK           "\"Labels\":{\"com.docker.swarm.task.id\":\"x\",\"com.docker.swarm.service.id\":\"y\"}"
#define NO_SERVICES    "\"deny\":[\"ServiceCreate\"]"
#define INFO(members)  "\"info\":{\"*\":{" members "}}"
#define IMAGE(members) "\"image\":{\"sha256:aa\":{\"Id\":\"sha256:aa\",\"Config\":{" members "}}}"
#define VOLUME(name, driver, options)                                      \
    "\"volume\":{\"" name "\":{\"Name\":\"" name "\",\"Driver\":\"" driver \
    "\",\"Options\":" options "}}"
#define BIND(source, more) \
    "{\"Type\":\"bind\",\"Source\":\"" source "\",\"Destination\":\"/h\"" more "}"
#define NAMED(name)                         \
    "{\"Type\":\"volume\",\"Name\":\"" name \
    "\",\"Source\":\"/var/lib/docker/volumes/x/_data\",\"Driver\":\"local\",\"RW\":true}"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// clang-format off
static const struct being beings[] = {
    {.verdict = YES},
    /* privileges */
    {.host = "\"Privileged\":true", .verdict = NO, .rule = "containers.privileged", .part = "the container \"web\" is not as this role would have made it: HostConfig.Privileged"},
    {.role = C("\"privileged\":true"), .host = "\"Privileged\":true,\"SecurityOpt\":[\"label=disable\"],\"MaskedPaths\":null", .verdict = YES},
    {.host = "\"SecurityOpt\":[\"label=disable\"]", .verdict = NO, .rule = "containers.security_opt"},
    {.host = "\"CapAdd\":[\"SYS_ADMIN\"]", .verdict = NO, .rule = "containers.cap_add"},
    {.role = C("\"cap_add\":[\"NET_ADMIN\"]"), .host = "\"CapAdd\":[\"CAP_NET_ADMIN\"]", .verdict = YES},
    {.role = C("\"cap_drop\":{\"require\":[\"ALL\"]}"), .verdict = NO, .rule = "containers.cap_drop"},
    {.role = C("\"cap_drop\":{\"require\":[\"ALL\"]}"), .host = "\"CapDrop\":[\"ALL\"]", .verdict = YES},
    {.host = "\"SecurityOpt\":[\"seccomp=unconfined\"]", .verdict = NO, .rule = "containers.security_opt"},
    {.host = "\"SecurityOpt\":[\"no-new-privileges\"]", .verdict = YES},
    {.role = C("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), .verdict = NO, .rule = "containers.security_opt"},
    {.host = "\"OomScoreAdj\":-500", .verdict = NO, .rule = "containers.oom"},
    {.host = "\"OomKillDisable\":true", .verdict = NO, .rule = "containers.oom"},
    {.host = "\"OomKillDisable\":false,\"OomScoreAdj\":0", .verdict = YES},
    {.role = C("\"group_add\":false"), .host = "\"GroupAdd\":[\"0\"]", .verdict = NO, .rule = "containers.group_add"},
    {.role = C("\"user\":{\"deny\":[\"root\"]}"), .verdict = NO, .rule = "containers.user"},
    {.role = C("\"user\":{\"deny\":[\"root\"]}"), .config = "\"User\":\"1000\"", .host = "\"SecurityOpt\":[\"no-new-privileges\"]", .verdict = YES},
    {.role = C("\"user\":{\"deny\":[\"root\"]}"), .config = "\"User\":\"1000\"", .verdict = NO, .rule = "containers.user", .part = "no-new-privileges"},
    {.role = C("\"user\":[\"1000\"]"), .config = "\"User\":\"0\"", .verdict = NO, .rule = "containers.user"},
    {.role = C("\"read_only\":{\"require\":true}"), .host = "\"ReadonlyRootfs\":false", .verdict = NO, .rule = "containers.read_only"},
    /* binds */
    {.host = "\"Binds\":[\"/:/h\"]", .verdict = NO, .rule = "containers.binds", .part = "HostConfig.Binds[0]"},
    {.role = C("\"binds\":[\"/srv/ci/**\"]"), .host = "\"Binds\":[\"/srv/ci/a:/h\"]", .mounts = BIND("/srv/ci/a", ",\"Mode\":\"\",\"RW\":true,\"Propagation\":\"rprivate\""), .verdict = YES},
    {.host = "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/etc\",\"Target\":\"/h\"}]", .verdict = NO, .rule = "containers.binds", .part = "HostConfig.Mounts[0]"},
    {.mounts = BIND("/etc", ",\"Mode\":\"\",\"RW\":false,\"Propagation\":\"rprivate\""), .verdict = NO, .rule = "containers.binds", .part = "Mounts[0]"},
    {.role = C("\"binds\":[{\"source\":\"/srv/ci\",\"read_only\":true}]"), .mounts = BIND("/srv/ci", ",\"Mode\":\"ro,z,nocopy\",\"RW\":false"), .verdict = NO, .rule = "containers.binds"},
    {.role = C("\"binds\":[{\"source\":\"/srv/ci\",\"read_only\":true}]"), .mounts = BIND("/srv/ci", ",\"Mode\":\"ro,zz,nz,z1\",\"RW\":false"), .verdict = YES},
    {.mounts = "{\"Type\":\"tmpfs\",\"Destination\":\"/t\"},{\"Type\":\"image\",\"Destination\":\"/i\"}", .verdict = YES},
    {.mounts = "{\"Type\":\"npipe\",\"Source\":\"/x\",\"Destination\":\"/t\"}", .verdict = NO, .part = "of a type that no key governs"},
    {.role = C("\"volumes_from\":true"), .host = "\"VolumesFrom\":[\"gone\"]", .mounts = BIND("/etc", ",\"RW\":true"), .verdict = NO, .rule = "containers.binds"},
    {.role = C("\"binds\":[{\"source\":\"/srv/ci\",\"read_only\":true}]"), .mounts = BIND("/srv/ci", ",\"Mode\":\"ro\",\"RW\":false,\"Propagation\":\"rprivate\""), .verdict = YES},
    {.role = C("\"binds\":[{\"source\":\"/srv/ci\",\"read_only\":true}]"), .mounts = BIND("/srv/ci", ",\"RW\":true,\"Propagation\":\"rprivate\""), .verdict = NO, .rule = "containers.binds"},
    {.role = C("\"binds\":[{\"source\":\"/srv/ci\",\"read_only\":true}]"), .mounts = BIND("/srv/ci", ",\"Mode\":\"ro,Z\",\"RW\":false"), .verdict = NO, .rule = "containers.binds"},
    {.role = C("\"binds\":[\"/srv/ci/**\"]"), .mounts = BIND("/srv/ci/a", ",\"RW\":true,\"Propagation\":\"rshared\""), .verdict = NO, .rule = "containers.binds"},
    {.role = C("\"binds\":[\"/srv/ci/**\"]"), .host = "\"RestartPolicy\":{\"Name\":\"always\"}", .mounts = BIND("/srv/ci/a", ",\"RW\":true"), .verdict = NO, .rule = "containers.binds"},
    {.mounts = "{\"Type\":\"npipe\",\"Source\":\"x\"}", .verdict = NO, .part = "of a type that no key governs"},
    {.mounts = "{\"Type\":\"tmpfs\",\"Source\":\"\"}", .verdict = YES},
    /* volumes */
    {.role = C("\"volumes_from\":true"), .host = "\"VolumesFrom\":[\"gone:ro\"]", .verdict = YES},
    {.host = "\"VolumesFrom\":[\"web2\"]", .verdict = NO, .rule = "containers.volumes_from"},
    {.mounts = NAMED("v"), .others = VOLUME("v", "local", "null"), .verdict = YES},
    {.mounts = NAMED("v"), .others = VOLUME("v", "local", "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/\"}"), .verdict = NO, .rule = "containers.binds", .part = "the volume \"v\" is not as this role would have made it"},
    {.mounts = NAMED("v"), .others = VOLUME("v", "local", "{\"type\":\"nfs\",\"o\":\"addr=10.0.0.1\",\"device\":\":/x\"}"), .verdict = NO, .rule = "containers.volume_options"},
    {.mounts = NAMED("v"), .others = VOLUME("v", "rexray", "null"), .verdict = NO, .rule = "containers.volume_drivers"},
    {.role = C("\"volumes\":[\"ci-*\"]"), .mounts = NAMED("other"), .verdict = NO, .rule = "containers.volumes"},
    {.role = C("\"volumes\":[\"ci-*\"]"), .host = "\"Binds\":[\"other:/d\"]", .verdict = NO, .rule = "containers.volumes"},
    {.role = C("\"volumes\":[\"ci-*\"]"), .config = "\"Volumes\":{\"/d\":{}}", .mounts = NAMED(HEX64), .others = IMAGE("\"Volumes\":{\"/d\":{}}"), .verdict = YES},
    {.role = C("\"volumes\":[\"ci-*\"]"), .config = "\"Volumes\":{\"/e\":{}}", .others = IMAGE("\"Volumes\":{\"/d\":{}}"), .verdict = NO, .rule = "containers.volumes"},
    {.host = "\"VolumeDriver\":\"rexray\"", .verdict = NO, .rule = "containers.volume_drivers"},
    {.role = C("\"tmpfs\":false"), .host = "\"Tmpfs\":{\"/t\":\"\"}", .verdict = NO, .rule = "containers.tmpfs"},
    /* namespaces */
    {.host = "\"NetworkMode\":\"host\"", .verdict = NO, .rule = "containers.network_mode"},
    {.networks = "\"host\":{\"NetworkID\":\"x\"}", .verdict = NO, .rule = "containers.network_mode"},
    {.role = C("\"network_mode\":[\"default\"]"), .host = "\"NetworkMode\":\"default\"", .networks = "\"bridge\":{\"IPAddress\":\"172.17.0.2\",\"MacAddress\":\"02:42:ac:11:00:02\"}", .verdict = YES},
    {.role = C("\"network_mode\":[\"ci-*\"]"), .host = "\"NetworkMode\":\"ci-net\"", .networks = "\"other\":{}", .verdict = NO, .rule = "containers.network_mode"},
    {.host = "\"PidMode\":\"host\"", .verdict = NO, .rule = "containers.pid_mode"},
    {.role = C("\"pid_mode\":[\"host\"]"), .host = "\"PidMode\":\"host\",\"SecurityOpt\":[\"label=disable\"]", .verdict = YES},
    {.host = "\"IpcMode\":\"host\"", .verdict = NO, .rule = "containers.ipc_mode"},
    {.host = "\"IpcMode\":\"private\"", .verdict = YES},
    {.host = "\"IpcMode\":\"shareable\"", .verdict = YES},
    {.host = "\"IpcMode\":\"container:db\"", .verdict = NO, .rule = "containers.ipc_mode"},
    {.host = "\"UTSMode\":\"host\"", .verdict = NO, .rule = "containers.uts_mode"},
    {.host = "\"UsernsMode\":\"host\"", .verdict = NO, .rule = "containers.userns_mode"},
    {.host = "\"CgroupnsMode\":\"private\"", .verdict = YES},
    {.host = "\"CgroupnsMode\":\"host\"", .others = INFO("\"CgroupVersion\":\"1\""), .verdict = YES},
    {.host = "\"CgroupnsMode\":\"host\"", .others = INFO("\"CgroupVersion\":\"2\""), .verdict = NO, .rule = "containers.cgroupns_mode"},
    {.host = "\"CgroupnsMode\":\"host\"", .others = INFO("\"Name\":\"x\""), .verdict = NO, .rule = "containers.cgroupns_mode"},
    {.role = C("\"cgroupns_mode\":[\"host\"]"), .host = "\"CgroupnsMode\":\"host\"", .others = INFO("\"CgroupVersion\":\"2\""), .verdict = YES},
    /* devices and the kernel */
    {.host = "\"Devices\":[{\"PathOnHost\":\"/dev/sda\",\"PathInContainer\":\"/dev/sda\",\"CgroupPermissions\":\"rwm\"}]", .verdict = NO, .rule = "containers.devices"},
    {.host = "\"DeviceRequests\":[{\"Driver\":\"nvidia\",\"Count\":-1}]", .verdict = NO, .rule = "containers.device_requests"},
    {.host = "\"DeviceCgroupRules\":[\"a *:* rwm\"]", .verdict = NO, .rule = "containers.device_cgroup_rules"},
    {.host = "\"Sysctls\":{\"kernel.msgmax\":\"1\"}", .verdict = NO, .rule = "containers.sysctls"},
    {.host = "\"CgroupParent\":\"/x\"", .verdict = NO, .rule = "containers.cgroup_parent"},
    {.host = "\"CgroupParent\":\"\"", .verdict = YES},
    {.host = "\"StorageOpt\":{\"size\":\"1g\"}", .verdict = NO, .rule = "containers.storage_opt"},
    {.host = "\"BlkioWeight\":100", .verdict = NO, .rule = "containers.blkio"},
    {.host = "\"Annotations\":{\"a\":\"b\"}", .verdict = NO, .rule = "containers.annotations"},
    {.host = "\"MaskedPaths\":[]", .verdict = NO, .rule = "containers.masked_paths"},
    {.host = "\"ReadonlyPaths\":[]", .verdict = NO, .rule = "containers.masked_paths"},
    {.host = "\"MaskedPaths\":[\"/proc/kcore\"]", .verdict = NO, .rule = "containers.masked_paths"},
    {.host = "\"ReadonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\"]", .verdict = NO, .rule = "containers.masked_paths"},
    {.host = "\"ReadonlyPaths\":[\"/x\",\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]", .verdict = YES},
    {.role = C("\"masked_paths\":true"), .host = "\"MaskedPaths\":[],\"ReadonlyPaths\":[]", .verdict = YES},
    /* what the daemon fills in */
    {.host = "\"Runtime\":\"runc\"", .verdict = YES},
    {.role = C("\"runtimes\":[\"\"]"), .host = "\"Runtime\":\"runsc\"", .others = INFO("\"DefaultRuntime\":\"runsc\""), .verdict = YES},
    {.host = "\"Runtime\":\"kata\"", .others = INFO("\"DefaultRuntime\":\"runc\""), .verdict = NO, .rule = "containers.runtimes"},
    {.host = "\"LogConfig\":{\"Type\":\"journald\",\"Config\":{\"env\":\"A\"}}", .others = INFO("\"LoggingDriver\":\"journald\""), .verdict = YES},
    {.host = "\"LogConfig\":{\"Type\":\"syslog\",\"Config\":{}}", .others = INFO("\"LoggingDriver\":\"json-file\""), .verdict = NO, .rule = "containers.log_drivers"},
    {.host = "\"LogConfig\":{\"Type\":\"local\",\"Config\":{\"max-file\":\"100000\"}}", .others = INFO("\"LoggingDriver\":\"json-file\""), .verdict = NO, .rule = "containers.log_options"},
    {.role = C("\"log_drivers\":[\"\"]"), .host = "\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{}}", .others = INFO("\"LoggingDriver\":\"json-file\""), .verdict = YES},
    {.role = C("\"shm_size\":{\"max\":\"16m\"}"), .host = "\"ShmSize\":67108864", .verdict = YES},
    {.role = C("\"shm_size\":{\"max\":\"16m\"}"), .host = "\"ShmSize\":67108865", .verdict = NO, .rule = "containers.shm_size"},
    {.role = C("\"mem_limit\":{\"max\":\"1g\"}"), .host = "\"Memory\":1073741824,\"MemorySwap\":2147483648", .verdict = YES},
    {.role = C("\"mem_limit\":{\"max\":\"1g\"}"), .host = "\"Memory\":1073741824,\"MemorySwap\":2147483649", .verdict = NO, .rule = "containers.mem_limit"},
    {.role = C("\"mem_limit\":{\"max\":\"1g\"}"), .host = "\"Memory\":1073741824,\"MemorySwap\":-1", .verdict = NO, .rule = "containers.mem_limit"},
    {.role = C("\"env\":{\"deny\":[\"AWS_*\"]}"), .config = "\"Env\":[\"AWS_SECRET=x\"]", .others = IMAGE("\"Env\":[\"AWS_SECRET=y\"]"), .verdict = NO, .rule = "containers.env"},
    {.role = C("\"env\":{\"deny\":[\"AWS_*\"]}"), .config = "\"Env\":[\"AWS_SECRET=x\"]", .others = IMAGE("\"Env\":[\"PATH=/\",\"AWS_SECRET=x\"]"), .verdict = YES},
    {.role = C("\"env\":{\"deny\":[\"AWS_*\"]}"), .config = "\"Env\":[\"AWS_SECRET=x\"]", .others = "\"image\":{\"sha256:aa\":\"No such image\"}", .verdict = NO, .rule = "containers.env"},
    {.role = C("\"healthcheck\":false"), .config = "\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]}", .others = IMAGE("\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]}"), .verdict = YES},
    {.role = C("\"healthcheck\":false"), .config = "\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]}", .others = IMAGE("\"Healthcheck\":{\"Test\":[\"CMD\",\"y\"]}"), .verdict = NO, .rule = "containers.healthcheck"},
    /* limits and the rest */
    {.role = C("\"mem_limit\":{\"max\":\"1g\"}"), .host = "\"Memory\":2147483648", .verdict = NO, .rule = "containers.mem_limit"},
    {.role = C("\"mem_limit\":{\"require\":true}"), .host = "\"Memory\":0", .verdict = NO, .rule = "containers.mem_limit"},
    {.role = C("\"cpus\":{\"max\":1}"), .host = "\"NanoCpus\":2000000000", .verdict = NO, .rule = "containers.cpus"},
    {.role = C("\"cpus\":{\"max\":1}"), .host = "\"CpuQuota\":200000,\"CpuPeriod\":100000", .verdict = NO, .rule = "containers.cpus"},
    {.role = C("\"pids_limit\":{\"max\":9,\"require\":true}"), .host = "\"PidsLimit\":10", .verdict = NO, .rule = "containers.pids_limit"},
    {.role = C("\"pids_limit\":{\"max\":9,\"require\":true}"), .host = "\"PidsLimit\":null", .verdict = NO, .rule = "containers.pids_limit"},
    {.role = C("\"pids_limit\":{\"max\":9,\"require\":true}"), .host = "\"PidsLimit\":9", .verdict = YES},
    {.role = C("\"ulimits\":false"), .host = "\"Ulimits\":[{\"Name\":\"nofile\",\"Hard\":5,\"Soft\":5}]", .verdict = NO, .rule = "containers.ulimits"},
    {.role = C("\"restart\":false"), .host = "\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":0}", .verdict = NO, .rule = "containers.restart"},
    {.role = C("\"restart\":false"), .host = "\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0}", .verdict = YES},
    {.role = C("\"dns\":false"), .host = "\"Dns\":[\"10.0.0.1\"]", .verdict = NO, .rule = "containers.dns"},
    {.role = C("\"extra_hosts\":false"), .host = "\"ExtraHosts\":[\"a:10.0.0.1\"]", .verdict = NO, .rule = "containers.extra_hosts"},
    {.host = "\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"80\"}]}", .verdict = NO, .rule = "containers.ports"},
    {.host = "\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]}", .verdict = YES},
    {.role = C("\"ports\":false"), .host = "\"PublishAllPorts\":true", .verdict = NO, .rule = "containers.ports"},
    {.role = C("\"labels\":{\"deny\":[\"traefik.*\"]}"), .config = "\"Labels\":{\"traefik.enable\":\"true\"}", .verdict = NO, .rule = "containers.labels"},
    {.role = C("\"labels\":{\"require\":{\"team\":\"*\"}}"), .config = "\"Labels\":{}", .verdict = NO, .rule = "containers.labels"},
    {.host = "\"Links\":[\"/db:/web/db\"]", .verdict = NO, .rule = "containers.links"},
    {.role = C("\"links\":[\"db:*\"]"), .host = "\"Links\":[\"/db:/web/db\"]", .verdict = YES},
    {.role = C("\"links\":[\"db:*\"]"), .host = "\"Links\":[\"/other:/web/db\"]", .verdict = NO, .rule = "containers.links"},
    {.role = I("\"allow\":[\"registry.example.com/**\"]"), .verdict = NO, .rule = "images.allow"},
    {.role = I("\"allow\":[\"img\"]"), .verdict = YES},
    {.role = I("\"require_digest\":true"), .verdict = NO, .rule = "images.require_digest"},
    {.role = I("\"deny_tags\":[\"latest\"]"), .verdict = NO, .rule = "images.deny_tags"},
    /* tasks of services */
    {.role = NO_SERVICES, .config = TASK, .verdict = NO, .rule = "existing", .part = "must allow ServiceCreate"},
    {.role = NO_SERVICES, .config = "\"Labels\":{\"com.docker.swarm.service.id\":\"x\"}", .verdict = NO, .rule = "existing", .part = "\"existing\": \"any\""},
    {.role = NO_SERVICES, .config = "\"Labels\":{\"com.docker.swarm.task.id\":null}", .verdict = NO, .rule = "existing"},
    {.role = NO_SERVICES, .config = "\"Labels\":{\"com.docker.swarm.node\":\"x\"}", .verdict = YES},
    {.role = "\"secrets\":{\"names\":[\"ci-*\"]}", .config = TASK, .verdict = NO, .rule = "existing", .part = "secrets.names"},
    {.role = "\"configs\":{\"names\":false}", .config = TASK, .verdict = NO, .rule = "existing", .part = "configs.names"},
    {.role = "\"objects\":{\"secrets\":{\"names\":[\"**\"]}}", .config = TASK, .verdict = NO, .rule = "existing"},
    {.role = "\"objects\":{\"configs\":{\"names\":[\"**\"]}}", .config = TASK, .verdict = NO, .rule = "existing"},
    {.config = TASK, .verdict = YES},
    /* what no table knows */
    {.host = "\"SomethingNew\":true", .verdict = NO, .rule = "unknown_fields"},
    {.host = "\"SomethingNew\":null,\"Another\":[],\"Third\":0,\"Fourth\":\"\"", .verdict = YES},
    {.config = "\"SomethingNew\":\"x\"", .verdict = NO, .rule = "unknown_fields"},
    {.role = "\"unknown_fields\":\"allow\"", .host = "\"SomethingNew\":true", .verdict = YES},
};
// clang-format on

static void test_each_key(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(beings); i++)
        wrong += try_being(&beings[i], "POST", "/v1.41/containers/web/start", "");
    assert_int_equal(wrong, 0);
}

/* ---- updates: the outcome -------------------------------------------------------------------- */

struct change {
    struct being being;
    const char *body;
};

// clang-format off
static const struct change changes[] = {
    {{.role = C("\"pids_limit\":{\"max\":9}"), .host = "\"PidsLimit\":20", .verdict = NO, .rule = "containers.pids_limit"}, "{\"Memory\":0}"},
    {{.role = C("\"pids_limit\":{\"max\":9}"), .host = "\"PidsLimit\":20", .verdict = YES}, "{\"PidsLimit\":9}"},
    {{.role = C("\"pids_limit\":{\"max\":9}"), .host = "\"PidsLimit\":5", .verdict = NO, .rule = "containers.pids_limit"}, "{\"PidsLimit\":0}"},
    {{.role = C("\"pids_limit\":{\"max\":9}"), .host = "\"PidsLimit\":5", .verdict = YES}, "{\"PidsLimit\":null}"},
    {{.role = C("\"mem_limit\":{\"max\":\"1g\"}"), .host = "\"Memory\":2147483648", .verdict = NO, .rule = "containers.mem_limit"}, "{\"Memory\":0,\"CpuShares\":5}"},
    {{.role = C("\"mem_limit\":{\"max\":\"1g\"}"), .host = "\"Memory\":2147483648,\"MemorySwap\":4294967296", .verdict = YES}, "{\"Memory\":1073741824,\"MemorySwap\":1073741824}"},
    {{.role = C("\"mem_limit\":{\"max\":\"1g\",\"require\":true}"), .host = "\"Memory\":0", .verdict = YES}, "{\"CpuShares\":5}"},
    {{.role = C("\"labels\":{\"require\":{\"team\":\"*\"}},\"cap_drop\":{\"require\":[\"ALL\"]},\"read_only\":{\"require\":true}"), .verdict = YES}, "{\"CpuShares\":5}"},
    {{.role = C("\"cpus\":{\"max\":1}"), .host = "\"CpuPeriod\":100000,\"CpuQuota\":200000", .verdict = NO, .rule = "containers.cpus"}, "{\"CpuShares\":5}"},
    {{.role = C("\"cpus\":{\"max\":1}"), .host = "\"CpuPeriod\":100000,\"CpuQuota\":200000", .verdict = YES}, "{\"CpuPeriod\":100000,\"CpuQuota\":100000}"},
    {{.host = "\"Privileged\":true", .verdict = NO, .rule = "containers.privileged"}, "{\"CpuShares\":5}"},
    {{.role = C("\"restart\":[\"no\"]"), .host = "\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":0}", .verdict = NO, .rule = "containers.restart"}, "{\"RestartPolicy\":{\"Name\":\"\",\"MaximumRetryCount\":0}}"},
    {{.role = C("\"restart\":[\"no\"]"), .host = "\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":0}", .verdict = YES}, "{\"RestartPolicy\":{\"Name\":\"no\"}}"},
    {{.role = C("\"binds\":[\"/srv/ci/**\"]"), .host = "\"RestartPolicy\":{\"Name\":\"no\"}", .mounts = BIND("/srv/ci/a", ",\"RW\":true"), .verdict = NO, .rule = "containers.binds"}, "{\"RestartPolicy\":{\"Name\":\"always\"}}"},
    {{.role = "\"open\":[\"ContainerUpdate:KernelMemory\"]", .host = "\"KernelMemory\":5", .verdict = YES}, "{\"KernelMemory\":1}"},
    {{.role = "\"open\":[\"ContainerUpdate:KernelMemory\"]", .host = "\"KernelMemoryTCP\":5", .verdict = NO, .rule = "open"}, "{\"KernelMemory\":1}"},
};
// clang-format on

static void test_updates(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        wrong +=
            try_being(&changes[i].being, "POST", "/v1.41/containers/web/update", changes[i].body);
    assert_int_equal(wrong, 0);
}

/* ---- containers that join containers --------------------------------------------------------- */

#define MODE "\"binds\":[\"/srv/ci\",\"/srv/ci/**\"],\"network_mode\":[\"container:*\",\"default\"]"
#define JOINS(id, target) \
    "{\"Id\":\"" id       \
    "\",\"Config\":{\"Image\":\"img\"},\"HostConfig\":{\"NetworkMode\":\"container:" target "\"}}"
#define STANDS(id, host) \
    "{\"Id\":\"" id "\",\"Config\":{\"Image\":\"img\"},\"HostConfig\":{" host "}}"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define ID_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

struct joining {
    const char *body, *containers;
    enum verdict verdict;
    int status; /* of a refusal */
    const char *rule, *part;
};

// clang-format off
static const struct joining joinings[] = {
    {"\"NetworkMode\":\"container:b\"", "\"b\":" STANDS(ID_B, ""), YES, 0, NULL, NULL},
    {"\"NetworkMode\":\"container:b\"", "\"b\":" STANDS(ID_B, "\"Privileged\":true"), NO, 403, "containers.privileged", "the container \"b\" is not as"},
    {"\"NetworkMode\":\"container:b\"", "\"b\":\"No such container: b\"", NO, 404, NULL, "No such container: b"},
    {"\"NetworkMode\":\"container:b\"", "\"b\":" JOINS(ID_B, ID_C) ",\"" ID_C "\":" STANDS(ID_C, ""), YES, 0, NULL, NULL},
    {"\"NetworkMode\":\"container:b\"", "\"b\":" JOINS(ID_B, ID_C) ",\"" ID_C "\":" STANDS(ID_C, "\"PidMode\":\"host\""), NO, 403, "containers.pid_mode", "the container \"" ID_C "\" is not as"},
    {"\"NetworkMode\":\"container:b\"", "\"b\":" JOINS(ID_B, ID_B), NO, 403, NULL, "too often"},
    {"\"NetworkMode\":\"container:b\"", "\"b\":" JOINS(ID_B, "c") ",\"c\":" JOINS(ID_C, "d") ",\"d\":" STANDS(ID_D, ""), YES, 0, NULL, NULL},
    {"\"NetworkMode\":\"container:b\"", "\"b\":" JOINS(ID_B, "c") ",\"c\":" JOINS(ID_C, "b"), NO, 403, NULL, "too often"},
    {"\"IpcMode\":\"container:b\"", "\"b\":" STANDS(ID_B, "\"IpcMode\":\"shareable\""), YES, 0, NULL, NULL},
    {"\"IpcMode\":\"container:b\"", "\"b\":" STANDS(ID_B, "\"IpcMode\":\"host\""), NO, 403, "containers.ipc_mode", NULL},
    {"\"VolumesFrom\":[\"b:ro\"]", "\"b\":" STANDS(ID_B, ""), YES, 0, NULL, NULL},
    {"\"VolumesFrom\":[\"b:ro\"]", "\"b\":" STANDS(ID_B, "\"Binds\":[\"/:/h\"]"), NO, 403, "containers.binds", NULL},
    {"\"VolumesFrom\":[\"b\"]", "\"b\":\"No such container: b\"", NO, 404, NULL, NULL},
    {"\"VolumesFrom\":[\"b\"]", "\"b\":" STANDS("bbbb", ""), NO, 403, NULL, "does not tell the full ID"},
    {"\"VolumesFrom\":[\"b\"]", "\"b\":{\"Id\":\"" ID_B "\",\"HostConfig\":{}}", NO, 403, NULL, "whose settings the daemon does not tell"},
    {"\"Binds\":[\"v:/h\"],\"RestartPolicy\":{\"Name\":\"always\"}", "}," VOLUME("v", "local", "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/ci/a\"}") ",\"task\":{", NO, 403, "containers.binds", "the volume \"v\" is not as"},
    {"\"Binds\":[\"v:/h\"]", "}," VOLUME("v", "local", "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/ci\"}") ",\"task\":{", YES, 0, NULL, NULL},
    {"\"Binds\":[\"v:/h\"]", "}," VOLUME("v", "local", "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/etc\"}") ",\"task\":{", NO, 403, "containers.binds", NULL},
    {"\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/h\"}]", "}," VOLUME("v", "rexray", "null") ",\"task\":{", NO, 403, "containers.volume_drivers", NULL},
    {"\"Binds\":[\"v:/h\"],\"RestartPolicy\":{\"Name\":\"always\"}", "}," VOLUME("v", "local", "null") ",\"task\":{", YES, 0, NULL, NULL},
    {"\"Binds\":[\"v:/h\"],\"RestartPolicy\":{\"Name\":\"always\"}", "},\"volume\":{\"v\":\"get v: no such volume\"},\"task\":{", YES, 0, NULL, NULL},
    {"\"VolumesFrom\":[\"b\"]", "\"b\":{\"Id\":\"\"}", NO, 403, NULL, "does not say which object"},
};
// clang-format on

static void decide_role(const char *role_text, const char *facts, const char *method,
                        const char *target, const char *body, struct arena *arena,
                        struct decision *decision)
{
    const struct role *role = NULL;
    struct policy *policy = load_role_text(role_text, &role);
    decide_facts(role, method, target, str_of(body), facts, arena, decision);
    policy_free(policy);
}

static bool refused_as(const struct decision *decision, enum verdict verdict, int status,
                       const char *rule, const char *part)
{
    return decision_sound(decision) && decision->verdict == verdict && decision->status == status &&
           (!rule || (decision->rule && strcmp(rule, decision->rule) == 0)) &&
           (!part || strstr(decision->reason, part));
}

static void test_joined(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(joinings); i++) {
        const struct joining *row = &joinings[i];
        char body[1024], facts[4096];
        struct arena arena = {0};
        struct decision decision;
        snprintf(body, sizeof body, "{\"Image\":\"img\",\"HostConfig\":{%s}}", row->body);
        snprintf(facts, sizeof facts, "\"container\":{%s}", row->containers);
        decide_role("{\"allow\":[\"*\"]," C(
                        MODE ",\"ipc_mode\":[\"container:*\"],\"volumes_from\":true") "}",
                    facts, CREATE, body, &arena, &decision);
        if (!refused_as(&decision, row->verdict, row->status, row->rule, row->part)) {
            print_error("%s\n  %s\n  -> %d, rule %s: %s\n", row->body, row->containers,
                        decision.status, decision.rule ? decision.rule : "-", decision.reason);
            wrong++;
        }
        arena_free(&arena);
    }
    assert_int_equal(wrong, 0);
}

/* ---- commands in containers ------------------------------------------------------------------ */

#define EXEC(process) \
    "\"exec\":{\"e\":{\"ID\":\"e\",\"ContainerID\":\"" ID_A "\",\"ProcessConfig\":{" process "}}}"
#define OWN   ",\"own_exec\":{\"e\":{\"Own\":true}}"
#define START "POST", "/v1.41/exec/e/start", "{\"Detach\":false}"
#define LOOKS "GET", "/v1.41/exec/e/json", ""

struct command {
    const char *role, *facts;
    const char *method, *target, *body;
    enum verdict verdict;
    int status;
    const char *rule, *part;
};

// clang-format off
static const struct command commands[] = {
    {"", EXEC("\"entrypoint\":\"sh\",\"privileged\":false") OWN, START, YES, 0, NULL, NULL},
    {"", EXEC("\"entrypoint\":\"sh\",\"privileged\":false") ",\"own_exec\":{\"e\":{\"Own\":false}}", START, NO, 403, "existing", "was not made through this role"},
    {"", EXEC("\"entrypoint\":\"sh\",\"privileged\":false") ",\"own_exec\":{\"e\":\"not known\"}", START, NO, 403, "existing", "was not made through this role"},
    {"", EXEC("\"entrypoint\":\"sh\",\"privileged\":true") OWN, START, NO, 403, "exec.privileged", "the command's record"},
    {",\"exec\":{\"privileged\":true}", EXEC("\"entrypoint\":\"sh\",\"privileged\":true") OWN, START, YES, 0, NULL, NULL},
    {",\"exec\":{\"users\":[\"1000\"]}", EXEC("\"entrypoint\":\"sh\",\"privileged\":false,\"user\":\"0\"") OWN, START, NO, 403, "exec.users", NULL},
    {",\"exec\":{\"users\":[\"1000\"]}", EXEC("\"entrypoint\":\"sh\",\"privileged\":false") OWN, START, NO, 403, "exec.users", NULL},
    {",\"exec\":{\"users\":[\"1000\"]}", EXEC("\"entrypoint\":\"sh\",\"privileged\":false,\"user\":\"1000\"") OWN, START, YES, 0, NULL, NULL},
    {",\"exec\":{\"commands\":[\"ls\"]}", EXEC("\"entrypoint\":\"sh\",\"privileged\":false") OWN, START, NO, 403, "exec.commands", NULL},
    {",\"exec\":{\"commands\":[\"ls\"]}", EXEC("\"entrypoint\":\"ls\",\"privileged\":false") OWN, START, YES, 0, NULL, NULL},
    {",\"containers\":{\"user\":{\"deny\":[\"root\"]}}", EXEC("\"entrypoint\":\"ls\",\"privileged\":false,\"user\":\"root\"") OWN, START, NO, 403, "containers.user", NULL},
    {"", "\"exec\":{\"e\":{\"ID\":\"e\",\"ContainerID\":\"" ID_A "\"}}" OWN, START, NO, 403, NULL, "does not tell"},
    {"", "\"exec\":{\"e\":\"No such exec instance: e\"}", START, NO, 404, NULL, "No such exec instance: e"},
    {"", EXEC("\"entrypoint\":\"sh\",\"privileged\":false"), LOOKS, YES, 0, NULL, NULL},
    {"", EXEC("\"entrypoint\":\"sh\",\"privileged\":true"), LOOKS, NO, 403, "exec.privileged", NULL},
    {"", EXEC("\"entrypoint\":\"sh\",\"privileged\":true"), "POST", "/exec/e/resize?h=1&w=1", "", NO, 403, "exec.privileged", NULL},
    {",\"existing\":\"any\"", EXEC("\"entrypoint\":\"sh\",\"privileged\":true"), START, YES, 0, NULL, NULL},
};
// clang-format on

static void run_commands(const struct command *rows, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const struct command *row = &rows[i];
        char role[1024];
        struct arena arena = {0};
        struct decision decision;
        snprintf(role, sizeof role, "{\"allow\":[\"*\"]%s}", row->role);
        decide_role(role, row->facts, row->method, row->target, row->body, &arena, &decision);
        if (!refused_as(&decision, row->verdict, row->status, row->rule, row->part)) {
            print_error("%s %s: %s\n  -> %d, rule %s: %s\n", row->role, row->target, row->facts,
                        decision.status, decision.rule ? decision.rule : "-", decision.reason);
            wrong++;
        }
        arena_free(&arena);
    }
    assert_int_equal(wrong, 0);
}

static void test_commands(void **state)
{
    (void)state;
    run_commands(commands, ARRAY_LEN(commands));
}

/* ---- digits that are an ID here and a name there --------------------------------------------- */

#define DIGITS "0123456789ab"
#define FULL   "sha256:" ID_A
#define SHOWN_AS(name) \
    "\"" name "\":{\"Id\":\"" FULL "\",\"RepoTags\":[\"r.example/a:1\"],\"Config\":{}}"
#define KNOWN "\"image\":{" SHOWN_AS(DIGITS) "," SHOWN_AS(FULL) "}"
#define NAMES                              \
    ",\"images\":{\"allow\":[\"r.example/" \
    "**\"],\"import\":true},\"builds\":{\"unconstrained\":true}"
#define ALLOWED YES, 0, NULL, NULL
#define AS_NAME NO, 403, "images.allow", "docker.io/library/" DIGITS
#define NO_NAME NO, 403, "images.allow", "is not the name of an image"
#define SERVICE(image)                                                            \
    "POST", "/v1.41/services/create",                                             \
        "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"" image \
        "\"},\"RestartPolicy\":{\"Condition\":\"none\"}}}"

// clang-format off
static const struct command digits[] = {
    {NAMES, KNOWN, CREATE, "{\"Image\":\"" DIGITS "\"}", ALLOWED},
    {NAMES, KNOWN, "POST", "/v1.41/build?cachefrom=%5B%22" DIGITS "%22%5D", "", ALLOWED},
    {NAMES, KNOWN, SERVICE(FULL), ALLOWED},
    {NAMES, KNOWN, SERVICE(DIGITS), AS_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/images/create?fromImage=" DIGITS, "", AS_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/images/create?fromImage=" DIGITS ":", "", AS_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/images/create?fromImage=" FULL, "", NO_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/images/create?fromSrc=-&repo=" DIGITS, "", AS_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/images/a/tag?repo=" DIGITS, "", AS_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/images/a/tag?repo=sha256&tag=" ID_A, "", NO_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/commit?container=" ID_A "&repo=" DIGITS, "{}", AS_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/build?t=" DIGITS, "", AS_NAME},
    {NAMES, KNOWN, "POST", "/v1.41/images/" DIGITS "/push", "", AS_NAME},
    {NAMES, KNOWN, "GET", "/v1.41/distribution/" DIGITS "/json", "", AS_NAME},
    {NAMES, KNOWN, "GET", "/v1.41/plugins/privileges?remote=" DIGITS, "", AS_NAME},
    {"", KNOWN, "POST", "/v1.41/images/create?fromImage=" DIGITS, "", ALLOWED},
};
// clang-format on

static void test_digits(void **state)
{
    (void)state;
    run_commands(digits, ARRAY_LEN(digits));
}

/* ---- every operation on a container ---------------------------------------------------------- */

struct reaching {
    const char *method, *target, *body;
    bool into; /* must conform */
};

static const struct reaching reachings[] = {
    {"GET", "/v1.41/containers/web/json", "", false},
    {"GET", "/v1.41/containers/web/top", "", false},
    {"GET", "/v1.41/containers/web/changes", "", false},
    {"GET", "/v1.41/containers/web/stats", "", false},
    {"GET", "/v1.41/containers/web/logs?stdout=1", "", false},
    {"POST", "/v1.41/containers/web/wait", "", false},
    {"POST", "/v1.41/containers/web/stop", "", false},
    {"POST", "/v1.41/containers/web/kill", "", false},
    {"POST", "/v1.41/containers/web/pause", "", false},
    {"POST", "/v1.41/containers/web/unpause", "", false},
    {"POST", "/v1.41/containers/web/resize?h=1&w=1", "", false},
    {"DELETE", "/v1.41/containers/web", "", false},
    {"GET", "/v1.41/containers/web/archive?path=/x", "", true},
    {"HEAD", "/v1.41/containers/web/archive?path=/x", "", true},
    {"PUT", "/v1.41/containers/web/archive?path=/x", "", true},
    {"GET", "/v1.41/containers/web/export", "", true},
    {"POST", "/v1.41/containers/web/start", "", true},
    {"POST", "/v1.41/containers/web/restart", "", true},
    {"POST", "/v1.41/containers/web/rename?name=x", "", true},
    {"POST", "/v1.41/containers/web/update", "{\"CpuShares\":5}", true},
    {"POST", "/v1.41/containers/web/exec", "{\"Cmd\":[\"sh\"]}", true},
    {"POST", "/v1.41/containers/web/attach?stdout=1", "", true},
    {"GET", "/v1.41/containers/web/attach/ws?stdout=1", "", true},
    {"POST", "/v1.41/commit?container=web&repo=x", "{}", true},
    {"POST", "/v1.41/networks/bridge/connect", "{\"Container\":\"web\"}", true},
    {"POST", "/v1.41/networks/n/disconnect", "{\"Container\":\"web\"}", true},
};

/* own: the proxy runs in that very container. */
static enum verdict reach(const struct reaching *row, const char *role_text, bool own,
                          bool with_facts, struct decision *decision)
{
    const struct role *role = NULL;
    struct being being = {.host = "\"Privileged\":true"};
    struct arena arena = {0};
    struct json doc;
    struct err err = {0};
    struct request request;
    struct policy *policy = load_role_text(role_text, &role);
    assert_true(!own || policy_own_container(policy, STR(ID_A)));
    assert_true(json_scan(facts_text(&being, &arena), &arena, &doc, &err));
    if (request_parse(str_of(row->method), str_of(row->target), &arena, &request, decision)) {
        request.body = str_of(row->body);
        if (with_facts)
            decide_known(role, &request, &doc, doc.nodes, &arena, decision);
        else
            policy_decide(role, &request, NULL, &arena, decision);
    }
    arena_free(&arena);
    policy_free(policy);
    return decision->verdict;
}

static void test_operations(void **state)
{
    (void)state;
    struct decision decision;
    for (size_t i = 0; i < ARRAY_LEN(reachings); i++) {
        const struct reaching *row = &reachings[i];
        const char *role = "{\"allow\":[\"*\"],\"archive\":true}";
        enum verdict bare = reach(row, role, false, false, &decision);
        if (bare != (row->into ? VERDICT_NEED : VERDICT_ALLOW))
            fail_msg("%s without facts: %d %s", row->target, (int)bare, decision.reason);
        enum verdict verdict = reach(row, role, false, true, &decision);
        if (verdict != (row->into ? NO : YES))
            fail_msg("%s: %d %s", row->target, (int)verdict, decision.reason);
        role = "{\"allow\":[\"*\"],\"archive\":true,\"existing\":\"any\"}";
        if (reach(row, role, false, false, &decision) != YES)
            fail_msg("%s, any: %d %s", row->target, (int)decision.verdict, decision.reason);
        if (reach(row, role, true, false, &decision) != VERDICT_NEED)
            fail_msg("%s, own: %d %s", row->target, (int)decision.verdict, decision.reason);
        if (reach(row, role, true, true, &decision) != NO || decision.status != 404 ||
            !strstr(decision.reason, "No such container: web"))
            fail_msg("%s, own: %d %s", row->target, decision.status, decision.reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key), cmocka_unit_test(test_updates),
        cmocka_unit_test(test_joined),   cmocka_unit_test(test_commands),
        cmocka_unit_test(test_digits),   cmocka_unit_test(test_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
