/* Attacks, each beside the honest request that it looks like. */
#include "decide_helper.h"

#include <time.h>

#define YES VERDICT_ALLOW
#define NO  VERDICT_DENY

// clang-format off
#define R(members)   ROLE("\"containers\":{" members "}")
#define NETS(members) ROLE("\"networks\":{" members "}")
#define ALL_WITH(members) "{\"extends\":\"builtin:all\"," members "}"
#define H(role, members, verdict, rule) {role, CREATE, HOST(members), verdict, rule}
#define T(role, members, verdict, rule) {role, CREATE, "{\"Image\":\"img\"," members "}", verdict, rule}
#define UPDATE(role, members, verdict, rule) {role, "POST", "/v1.41/containers/x/update", "{" members "}", verdict, rule}
#define EXEC(role, members, verdict, rule) {role, "POST", "/v1.41/containers/x/exec", "{\"Cmd\":[\"a\"]" members "}", verdict, rule}
#define VOLUME(role, members, verdict, rule) {role, "POST", "/v1.41/volumes/create", "{\"Name\":\"v\",\"DriverOpts\":{" members "}}", verdict, rule}
#define NETWORK(role, members, verdict, rule) {role, "POST", "/v1.41/networks/create", "{" members "}", verdict, rule}
#define SEARCH(role, term, verdict) {role, "GET", "/v1.41/images/search?term=" term, "", verdict, "images.allow"}
#define TMPFS(role, at, options, verdict, rule) H(role, "\"Tmpfs\":{\"" at "\":\"" options "\"}", verdict, rule)
#define TMOUNT(role, at, options, verdict, rule) H(role, "\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"" at "\",\"TmpfsOptions\":{" options "}}]", verdict, rule)
#define SRV R("\"binds\":[\"/srv/ci/**\"]")
#define ALWAYS ",\"RestartPolicy\":{\"Name\":\"always\"}"

/* Options of a tmpfs reach mount(2), and change what is mounted at the target. */
static const struct row tmpfs[] = {
    TMPFS(OPEN_ROLE, "/run", "", YES, NULL), TMPFS(OPEN_ROLE, "/run", "size=64m", YES, NULL), TMPFS(OPEN_ROLE, "/run", "rw,noexec,nosuid,nodev,size=65536k,mode=1777", YES, NULL),
    TMPFS(OPEN_ROLE, "/t", "ro,exec,suid,dev,noatime,relatime,uid=1000,gid=5,nr_inodes=10k,nr_blocks=100", YES, NULL), TMPFS(OPEN_ROLE, "/t", "size=50%", YES, NULL),
    TMPFS(OPEN_ROLE, "/s", "remount,rw", NO, "containers.tmpfs"), TMPFS(OPEN_ROLE, "/s", "rw,bind", NO, "containers.tmpfs"), TMPFS(OPEN_ROLE, "/s", "rbind", NO, NULL), TMPFS(OPEN_ROLE, "/s", "shared", NO, NULL),
    TMPFS(OPEN_ROLE, "/s", "sync", NO, NULL), TMPFS(OPEN_ROLE, "/s", "size", NO, NULL), TMPFS(OPEN_ROLE, "/s", "size=", NO, NULL), TMPFS(OPEN_ROLE, "/s", "size=1x", NO, NULL), TMPFS(OPEN_ROLE, "/s", "size=-1", NO, NULL),
    TMPFS(OPEN_ROLE, "/s", "rw=1", NO, NULL), TMPFS(OPEN_ROLE, "/s", "mpol=bind", NO, NULL), TMPFS(OPEN_ROLE, "/s", "RW", NO, NULL), TMPFS(OPEN_ROLE, "/s", " rw", NO, NULL), TMPFS(OPEN_ROLE, "/s", "rw,,ro", NO, NULL), TMPFS(OPEN_ROLE, "/s", ",remount", NO, NULL),
    TMPFS(OPEN_ROLE, "/h/", "rw", NO, "containers.tmpfs"), TMPFS(OPEN_ROLE, "/h/.", "rw", NO, NULL), TMPFS(OPEN_ROLE, "/a//b", "rw", NO, NULL), TMPFS(OPEN_ROLE, "h", "rw", NO, NULL), TMPFS(OPEN_ROLE, "/a/../h", "", NO, NULL),
    TMPFS("builtin:all", "/h/", "remount,rw", YES, NULL),
    TMOUNT(OPEN_ROLE, "/t", "\"Options\":[[\"exec\"],[\"noexec\"]],\"SizeBytes\":5,\"Mode\":511", YES, NULL), TMOUNT(OPEN_ROLE, "/t", "\"Options\":[[\"remount\"]]", NO, "containers.tmpfs"), TMOUNT(OPEN_ROLE, "/t", "\"Options\":[[\"exec\",\"x\"]]", NO, NULL),
    TMOUNT(OPEN_ROLE, "/t", "\"Options\":[[]]", NO, NULL), TMOUNT(OPEN_ROLE, "/t", "\"Options\":[]", YES, NULL), TMOUNT("builtin:all", "/t", "\"Options\":[[\"remount\"]]", YES, NULL),
    /* /dev/shm under another name of the same thing */
    TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "size=64m", YES, NULL), TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "size=65m", NO, "containers.shm_size"),
    TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "", NO, "containers.shm_size"), TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "size=0", NO, NULL), TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "size=50%", NO, NULL),
    TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "size=1m,nr_blocks=999999999", NO, NULL), TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "size=1m,size=1g", NO, NULL), TMPFS(R("\"shm_size\":{\"max\":\"64m\"}"), "/run", "size=1g", YES, NULL),
    TMPFS(OPEN_ROLE, "/dev/shm", "size=100g", YES, NULL),
    TMOUNT(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "\"SizeBytes\":67108864", YES, NULL), TMOUNT(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm", "\"SizeBytes\":67108865", NO, "containers.shm_size"), TMOUNT(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/shm/", "\"Mode\":5", NO, NULL),
    TMOUNT(R("\"shm_size\":{\"max\":\"64m\"}"), "/dev/x/../shm", "\"Mode\":5", NO, NULL), TMOUNT(R("\"shm_size\":{\"max\":\"64m\"}"), "/x", "\"Mode\":5", YES, NULL),
};

#define DRIVER(members) "\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/h\"" members "}]"
#define CONFIG(device) ",\"VolumeOptions\":{\"DriverConfig\":{\"Options\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"" device "\"}}}"
#define OPTIONS R("\"volume_options\":true,\"binds\":[\"/srv/ci/**\"]")
/* Where volumes that exist are not looked at. */
#define UNSEEN(binds) ROLE("\"existing\":\"any\",\"containers\":{\"binds\":" binds "}")
static const struct row volumes[] = {
    /* a volume is a bind that the restart rule does not see */
    H(UNSEEN("[\"/srv/ci/**\"]"), "\"Binds\":[\"v1:/h\"]" ALWAYS, NO, "containers.binds"), H(SRV, "\"Binds\":[\"v1:/h\"]", YES, NULL), H(SRV, "\"Binds\":[\"/h\"]" ALWAYS, YES, NULL), H(OPEN_ROLE, "\"Binds\":[\"v1:/h\"]" ALWAYS, YES, NULL),
    H(R("\"binds\":[\"/srv/data\",{\"source\":\"/srv/**\",\"read_only\":true}]"), "\"Binds\":[\"v1:/h\"]" ALWAYS, YES, NULL), H(R("\"binds\":true"), "\"Binds\":[\"v1:/h\"]" ALWAYS, YES, NULL), H(UNSEEN("[\"/a\",\"/a/b\"]"), "\"Binds\":[\"v1:/h\"]" ALWAYS, NO, NULL),
    H("{\"allow\":[\"ContainerCreate\"],\"containers\":{\"binds\":[\"/srv/ci/**\"]}}", "\"Binds\":[\"v1:/h\"]" ALWAYS, YES, NULL), H(UNSEEN("[\"/srv/ci/**\"]"), DRIVER(",\"Source\":\"v1\"") ALWAYS, NO, "containers.binds"), H("builtin:all", DRIVER(",\"Source\":\"v1\"") ALWAYS, YES, NULL),
    H(SRV, DRIVER(",\"Source\":\"v1\"" CONFIG("/srv/ci/ws")), NO, "containers.binds"), H(SRV, DRIVER(",\"Source\":\"v1\"" CONFIG("/srv/ci")), YES, NULL), H(SRV, DRIVER(CONFIG("/srv/ci/ws")), YES, NULL), H(SRV, DRIVER(CONFIG("/srv/ci/ws")) ALWAYS, NO, NULL),
    VOLUME(SRV, "\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/ci/ws\"", YES, NULL), VOLUME(SRV, "\"type\":\"none\",\"o\":\"bind\",\"device\":\"/etc\"", NO, "containers.binds"),
    /* options open network file systems, not the host */
    VOLUME(OPTIONS, "\"type\":\"nfs\",\"o\":\"addr=10.0.0.1,rw\",\"device\":\":/export\"", YES, NULL), VOLUME(OPTIONS, "\"type\":\"cifs\",\"o\":\"username=a\",\"device\":\"//nas/share\"", YES, NULL), VOLUME(OPTIONS, "\"type\":\"tmpfs\",\"o\":\"size=1m,noexec\",\"device\":\"tmpfs\"", YES, NULL),
    VOLUME(OPTIONS, "\"size\":\"1g\"", YES, NULL), VOLUME(OPTIONS, "\"type\":\"ext4\",\"device\":\"/dev/vda\"", NO, "containers.volume_options"), VOLUME(OPTIONS, "\"type\":\"ext4\",\"device\":\"dev/vda\"", NO, NULL), VOLUME(OPTIONS, "\"type\":\"overlay\",\"o\":\"lowerdir=/etc:/root\",\"device\":\"overlay\"", NO, NULL),
    VOLUME(OPTIONS, "\"type\":\"overlay\",\"o\":\"lowerdir=etc:root\",\"device\":\"overlay\"", NO, NULL), VOLUME(OPTIONS, "\"type\":\"tmpfs\",\"o\":\"x=/etc\",\"device\":\"tmpfs\"", NO, NULL), VOLUME(OPTIONS, "\"type\":\"nfs\",\"o\":\"addr=1.1.1.1\",\"device\":\"/etc\"", NO, NULL), VOLUME(OPTIONS, "\"type\":\"ext4\",\"device\":\"//dev/vda\"", NO, NULL),
    VOLUME(OPTIONS, "\"type\":\"proc\",\"device\":\"proc\"", NO, NULL), VOLUME(OPTIONS, "\"TYPE\":\"ext4\",\"DEVICE\":\"/dev/vda\"", NO, NULL), VOLUME(OPTIONS, "\"type\":\"nfs\",\"device\":\":/x\",\"Device\":\"a:/\"", NO, NULL),
    VOLUME(OPTIONS, "\"type\":\"none\",\"o\":\"bind,ro\",\"device\":\"/srv/ci/x\"", YES, NULL), VOLUME(OPTIONS, "\"type\":\"none\",\"o\":\"bind,ro\",\"device\":\"/etc\"", NO, "containers.binds"), VOLUME(OPTIONS, "\"type\":\"none\",\"o\":\"bind,rshared\",\"device\":\"/srv/ci/x\"", NO, NULL), VOLUME("builtin:all", "\"type\":\"ext4\",\"device\":\"/dev/vda\"", YES, NULL),
    {R("\"volume_options\":true,\"volume_drivers\":[\"plug\"]"), "POST", "/v1.41/volumes/create", "{\"Driver\":\"plug\",\"DriverOpts\":{\"type\":\"gp2\"}}", YES, NULL}, {R("\"volume_options\":true,\"volume_drivers\":[\"plug\"]"), "POST", "/v1.41/volumes/create", "{\"Driver\":\"plug\",\"DriverOpts\":{\"device\":\"/etc\"}}", NO, "containers.volume_options"},
    /* paths that rule the host must be written out */
    H(R("\"binds\":true"), "\"Binds\":[\"/sys:/s\"]", NO, "containers.binds"), H(R("\"binds\":true"), "\"Binds\":[\"/dev/vda:/s\"]", NO, NULL), H(R("\"binds\":[\"/**\"]"), "\"Binds\":[\"/etc/docker:/s\"]", NO, NULL), H(R("\"binds\":[\"/dev/snd\"]"), "\"Binds\":[\"/dev/snd:/s\"]", YES, NULL), H(R("\"binds\":true"), "\"Binds\":[\"/boot:/s\"]", YES, NULL),
};

#define USER(list) R("\"user\":" list)
static const struct row confinement[] = {
    T(USER("[\"1000\"]"), "\"User\":\"1000\"", YES, NULL), T(USER("[\"1000\"]"), "\"User\":\"\"", NO, "containers.user"), T(USER("[\"1000\"]"), "\"Tty\":false", NO, "containers.user"), T(USER("[\"\",\"1000\"]"), "\"Tty\":false", YES, NULL), T(USER("[\"1000\"]"), "\"User\":\"0\"", NO, "containers.user"),
    T(USER("false"), "\"User\":\"1000\"", NO, "containers.user"), T(USER("false"), "\"User\":\"\"", YES, NULL), T(USER("[]"), "\"User\":\"1\"", NO, NULL), T(USER("true"), "\"User\":\"0\"", YES, NULL),
    EXEC(ROLE("\"existing\":\"any\",\"containers\":{\"user\":[\"1000\"]}"), ",\"User\":\"1000\"", YES, NULL), EXEC(USER("[\"1000\"]"), ",\"User\":\"0\"", NO, "containers.user"), EXEC(USER("[\"1000\"]"), "", NO, "containers.user"), EXEC(USER("false"), ",\"User\":\"0\"", NO, "containers.user"), EXEC(USER("false"), "", YES, NULL), EXEC(OPEN_ROLE, ",\"User\":\"0\"", YES, NULL),
    /* deny does not end at a slash */
    T(R("\"labels\":{\"deny\":[\"traefik.*\"]}"), "\"Labels\":{\"traefik.http.routers.a/b.rule\":\"x\"}", NO, "containers.labels"), T(R("\"labels\":{\"deny\":[\"traefik.*\"]}"), "\"Labels\":{\"com.example/traefik.x\":\"x\"}", YES, NULL), T(R("\"labels\":{\"allow\":[\"a.*\"]}"), "\"Labels\":{\"a.b/c\":\"x\"}", NO, NULL),
    T(R("\"env\":{\"deny\":[\"AWS_*\"]}"), "\"Env\":[\"AWS_/x=1\"]", NO, "containers.env"), T(R("\"env\":{\"deny\":[\"A?B\"]}"), "\"Env\":[\"A/B=1\"]", NO, NULL), T(R("\"env\":{\"deny\":[\"A?B\"]}"), "\"Env\":[\"A/C=1\"]", YES, NULL), EXEC(ROLE("\"exec\":{\"env\":{\"deny\":[\"LD_*\"]}}"), ",\"Env\":[\"LD_/x=1\"]", NO, "exec.env"),
    {ROLE("\"images\":{\"deny\":[\"evil.example/*\"]}"), CREATE, "{\"Image\":\"evil.example/a/b:1\"}", NO, "images.deny"}, {ROLE("\"images\":{\"deny\":[\"evil.example/*\"]}"), CREATE, "{\"Image\":\"good.example/a/b:1\"}", YES, NULL},
    /* profiles of the client's own */
    H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"seccomp={\\\"defaultAction\\\":\\\"SCMP_ACT_ALLOW\\\"}\"]", NO, "containers.security_opt"), H(R("\"security_opt\":[\"seccomp=**\"]"), "\"SecurityOpt\":[\"seccomp={}\"]", NO, NULL), H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"seccomp=builtin\"]", YES, NULL),
    H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"label=type:spc_t\"]", NO, NULL), H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"label:type:spc_t\"]", NO, NULL), H(R("\"security_opt\":[\"label=type:a_t\"]"), "\"SecurityOpt\":[\"label:type:a_t\"]", YES, NULL), H(R("\"security_opt\":true"), "\"SecurityOpt\":[\"systempaths=unconfined\"]", NO, NULL),
    H(R("\"security_opt\":[\"seccomp={}\"]"), "\"SecurityOpt\":[\"seccomp={}\"]", YES, NULL), H("builtin:all", "\"SecurityOpt\":[\"seccomp={}\"]", YES, NULL),
    /* the mark does not open what the role closes again */
    T(ALL_WITH("\"unknown_fields\":\"deny\""), "\"New\":1", NO, "unknown_fields"), T("builtin:all", "\"New\":1", YES, NULL),
};

#define REQUIRED(key) R("\"" key "\":{\"require\":true}")
static const struct row updates[] = {
    UPDATE(R("\"binds\":[\"/srv/ci/out\",{\"source\":\"/srv/ci/**\",\"read_only\":true}]"), "\"RestartPolicy\":{\"Name\":\"always\"}", NO, "containers.binds"),
    UPDATE(R("\"binds\":[\"/a/b\",{\"source\":\"/a\",\"read_only\":true}]"), "\"RestartPolicy\":{\"Name\":\"always\"}", YES, NULL), UPDATE(R("\"binds\":[\"/a\",{\"source\":\"/a/b\",\"read_only\":true}]"), "\"RestartPolicy\":{\"Name\":\"always\"}", NO, NULL),
    UPDATE(R("\"binds\":[{\"source\":\"/a/**\",\"read_only\":true}]"), "\"RestartPolicy\":{\"Name\":\"always\"}", YES, NULL), UPDATE(R("\"binds\":[\"/a\",\"/b\"]"), "\"RestartPolicy\":{\"Name\":\"always\"}", YES, NULL),
    UPDATE(REQUIRED("pids_limit"), "\"PidsLimit\":0", NO, "containers.pids_limit"), UPDATE(REQUIRED("pids_limit"), "\"PidsLimit\":-1", NO, "containers.pids_limit"), UPDATE(REQUIRED("pids_limit"), "\"PidsLimit\":5", YES, NULL), UPDATE(REQUIRED("pids_limit"), "\"PidsLimit\":null", YES, NULL), UPDATE(OPEN_ROLE, "\"PidsLimit\":-1", YES, NULL),
    UPDATE(REQUIRED("cpus"), "\"CpuQuota\":-1", NO, "containers.cpus"), UPDATE(REQUIRED("cpus"), "\"CpuQuota\":5000", YES, NULL), UPDATE(REQUIRED("cpus"), "\"CpuQuota\":0", YES, NULL),
    UPDATE(REQUIRED("mem_limit"), "\"MemorySwap\":-1", NO, "containers.mem_limit"), UPDATE(REQUIRED("mem_limit"), "\"Memory\":-1", NO, NULL), UPDATE(REQUIRED("mem_limit"), "\"Memory\":5000,\"MemorySwap\":5000", YES, NULL), UPDATE(OPEN_ROLE, "\"MemorySwap\":-1", YES, NULL),
};

#define OLD ROLE("\"api\":{\"max\":\"1.41\"}")
static const struct row requests[] = {
    SEARCH(OPEN_ROLE, "nginx", YES), SEARCH(OPEN_ROLE, "My_image%20x", YES), SEARCH(OPEN_ROLE, "me/app-x.y", YES), SEARCH(OPEN_ROLE, "quay.io/app", YES), SEARCH(OPEN_ROLE, "127.0.0.1%2523.x/y", NO), SEARCH(OPEN_ROLE, "127.0.0.1%253F.x/y", NO), SEARCH(OPEN_ROLE, "127.0.0.1%23.x/y", NO),
    SEARCH(OPEN_ROLE, "a%40b.example/y", NO), SEARCH(OPEN_ROLE, "-a.example/y", NO), SEARCH(OPEN_ROLE, "a..example/y", NO), SEARCH(OPEN_ROLE, "EVIL.example/y", NO), SEARCH(OPEN_ROLE, "x%3Fy", NO), SEARCH("builtin:all", "a%3Fb", YES),
    {OLD, "GET", "/info", "", NO, "api"}, {OLD, "GET", "/_ping", "", YES, NULL}, {OLD, "GET", "/version", "", YES, NULL}, {OLD, "GET", "/v1.41/info", "", YES, NULL}, {OPEN_ROLE, "GET", "/info", "", YES, NULL}, {ROLE("\"api\":{\"min\":\"1.30\"}"), "GET", "/info", "", YES, NULL},
    NETWORK(OPEN_ROLE, "\"Name\":\"ci\"", YES, NULL), NETWORK(OPEN_ROLE, "\"Name\":\"deadbeefcafe\"", NO, "networks.names"), NETWORK(OPEN_ROLE, "\"Name\":\"container:x\"", NO, NULL), NETWORK(OPEN_ROLE, "\"Name\":\"host\"", NO, NULL), NETWORK(OPEN_ROLE, "\"Name\":\"none\"", NO, NULL), NETWORK(OPEN_ROLE, "\"Name\":\"default\"", NO, NULL),
    NETWORK(OPEN_ROLE, "\"Name\":\"bridge\"", NO, NULL), NETWORK(OPEN_ROLE, "\"Name\":\"bridge2\"", YES, NULL), NETWORK("builtin:all", "\"Name\":\"deadbeefcafe\"", YES, NULL),
    NETWORK(NETS("\"subnets\":[\"10.9.0.0/16\"]"), "\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.9.1.0/24\"}]}", YES, NULL), NETWORK(NETS("\"subnets\":[\"10.9.0.0/16\"]"), "\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"::ffff:10.9.1.0/120\"}]}", NO, "networks.subnets"),
    NETWORK(NETS("\"subnets\":[\"::/0\"]"), "\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"::ffff:10.9.1.0/90\"}]}", NO, NULL), NETWORK(NETS("\"subnets\":[\"::/0\"]"), "\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"fd00::/64\"}]}", YES, NULL),
};
// clang-format on

static void test_tmpfs(void **state)
{
    (void)state;
    check_rows(tmpfs, ARRAY_LEN(tmpfs));
}

static void test_volumes(void **state)
{
    (void)state;
    check_rows(volumes, ARRAY_LEN(volumes));
}

static void test_confinement(void **state)
{
    (void)state;
    check_rows(confinement, ARRAY_LEN(confinement));
}

static void test_updates(void **state)
{
    (void)state;
    check_rows(updates, ARRAY_LEN(updates));
}

static void test_requests(void **state)
{
    (void)state;
    check_rows(requests, ARRAY_LEN(requests));
}

/* ---- cost ------------------------------------------------------------------------------------ */

enum { BODY_MAX = 1 << 20, ROLE_MAX = 8000 };

/* Text that grows; what does not fit is a fault of the test. */
struct page {
    char *p;
    size_t n, cap;
};

static void put(struct page *page, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(struct page *page, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(page->p + page->n, page->cap - page->n, format, args);
    va_end(args);
    assert_true(n >= 0 && page->n + (size_t)n < page->cap);
    page->n += (size_t)n;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A list of count texts: format takes the index. */
typedef void (*item_writer)(struct page *page, int i);

struct flood {
    const char *name;
    const char *key; /* of containers, a list; or {"deny": list} */
    int entries;
    item_writer entry;
    const char *before, *after; /* of the list in the body */
    int items;
    item_writer item;
    bool deny;    /* entries stand in a deny */
    bool refused; /* for want of work */
};

static void deep_glob(struct page *page, int i)
{
    put(page, "\"/srv/**/ci-%.*s*/out*\"", i, "??????????");
}

static void deep_bind(struct page *page, int i)
{
    put(page, "\"/srv");
    for (int k = 0; k < 60; k++)
        put(page, "/%03d%.*s", i, 58,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    put(page, "/ci-x/out:/m%d\"", i);
}

static void star_glob(struct page *page, int i)
{
    put(page, "\"**a**a**a**a**a**a**a**a**b%d**\"", i);
}

static void star_item(struct page *page, int i)
{
    put(page, "\"");
    for (int k = 0; k < 100; k++)
        put(page, "aaaaaaaaaa");
    put(page, "c%d=\"", i % 10);
}

/* All begin alike, so that each must be tried. */
static void short_glob(struct page *page, int i)
{
    put(page, "\"/srv/?%d/**\"", i);
}

static void folder_glob(struct page *page, int i)
{
    put(page, "\"/srv/c%d/**\"", i);
}

static void short_bind(struct page *page, int i)
{
    put(page, "\"/srv/c499:/m%d\"", i);
}

static void label_glob(struct page *page, int i)
{
    put(page, "\"?%d.*\"", i);
}

static void label(struct page *page, int i)
{
    put(page, "\"k%06d\":\"\"", i);
}

static void port_range(struct page *page, int i)
{
    put(page, "\"%d\"", 1024 + i);
}

static void port(struct page *page, int i)
{
    (void)i;
    put(page, "{\"HostPort\":\"%d\"}", 1024 + 499);
}

static void drop(struct page *page, int i)
{
    (void)i;
    put(page, "\"a\"");
}

static void everyday_bind(struct page *page, int i)
{
    put(page, "\"/srv/c%d/home/src:/m%d\"", i, i);
}

static const struct flood floods[] = {
    {"deep binds", "binds", 10, deep_glob, "\"HostConfig\":{\"Binds\":", ALWAYS "}", 250, deep_bind,
     false, true},
    {"deep binds without restarts", "binds", 10, deep_glob, "\"HostConfig\":{\"Binds\":", "}", 250,
     deep_bind, false, true},
    {"short binds", "binds", 500, short_glob, "\"HostConfig\":{\"Binds\":", ALWAYS "}", 1000,
     short_bind, false, true},
    {"folders, each of its own name", "binds", 500, folder_glob,
     "\"HostConfig\":{\"Binds\":", ALWAYS "}", 1000, short_bind, false, false},
    {"many binds", "binds", 500, short_glob, "\"HostConfig\":{\"Binds\":", "}", 30000, short_bind,
     false, true},
    {"labels", "labels", 400, label_glob, "\"Labels\":", "", 60000, label, true, true},
    {"ports", "ports", 500, port_range, "\"HostConfig\":{\"PortBindings\":{\"80/tcp\":", "}}", 250,
     port, false, false},
    {"stars", "env", 10, star_glob, "\"Env\":", "", 900, star_item, true, true},
    {"everyday binds", "binds", 100, short_glob, "\"HostConfig\":{\"Binds\":", "}", FACTS_MAX,
     everyday_bind, false, false},
    {"more binds than are looked at", "binds", 100, short_glob, "\"HostConfig\":{\"Binds\":", "}",
     FACTS_MAX + 1, everyday_bind, false, true},
    {"everyday labels", "labels", 100, label_glob, "\"Labels\":", "", 500, label, true, false},
    {"drops", "cap_add", 10, label_glob, "\"HostConfig\":{\"CapDrop\":", "}", 60000, drop, false,
     false},
};

static void put_list(struct page *page, char open, int count, item_writer item)
{
    put(page, "%c", open);
    for (int i = 0; i < count; i++) {
        if (i)
            put(page, ",");
        item(page, i);
    }
    put(page, "%c", open == '[' ? ']' : '}');
}

static void capability(struct page *page, int i)
{
    put(page, "\"C%.*s\"", i, "XXXXXXXXXXXXXXXXXXXX");
}

static double run_flood(const struct flood *flood, struct decision *decision)
{
    static char role_text[ROLE_MAX];
    static char body_text[BODY_MAX + 4096];
    struct page role = {.p = role_text, .cap = sizeof(role_text)};
    struct page body = {.p = body_text, .cap = sizeof(body_text)};
    bool map = flood->item == label;
    put(&role, "{\"allow\":[\"*\"],\"existing\":\"any\",\"containers\":{\"%s\":%s", flood->key,
        flood->deny ? "{\"deny\":" : "");
    put_list(&role, '[', flood->entries, flood->item == drop ? capability : flood->entry);
    put(&role, "%s}}", flood->deny ? "}" : "");
    put(&body, "{\"Image\":\"img\",%s", flood->before);
    put_list(&body, map ? '{' : '[', flood->items, flood->item);
    put(&body, "%s}", flood->after);
    const struct role *parsed = NULL;
    struct policy *policy = load_role_text(role_text, &parsed);
    struct arena arena = {0};
    struct str text = {body.p, body.n};
    struct json doc;
    struct err err = {0};
    double start = now_ms();
    if (!json_scan(text, &arena, &doc, &err)) /* reading is not what is bounded here */
        fail_msg("%s: %s", flood->name, err.text);
    double reading = now_ms() - start;
    start = now_ms();
    decide_with(parsed, CREATE, text, &arena, decision);
    double spent = now_ms() - start - reading;
    arena_free(&arena);
    policy_free(policy);
    return spent;
}

/* However much a request names, deciding ends soon, and what cannot be compared is refused. */
static void test_work_is_bounded(void **state)
{
    (void)state;
    enum { SLOW_MS = 2000 /* 50 are meant; sanitizers and busy machines take their share */ };
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        struct decision decision;
        double spent = run_flood(&floods[i], &decision);
        print_message("%s: %.1f ms, status %d\n", floods[i].name, spent, decision.status);
        assert_true(decision_sound(&decision));
        assert_int_equal(decision.verdict, floods[i].refused ? NO : YES);
        if (floods[i].refused)
            assert_true(strstr(decision.reason, "too much to be compared") ||
                        strstr(decision.reason, "are compared with a policy") ||
                        strstr(decision.reason, "more objects than the 32"));
        assert_true(spent < SLOW_MS);
    }
}

/* A thousand mounts pass, one more does not. */
static void mount(struct page *page, int i)
{
    put(page, "\"v%d:/m%d\"", i, i);
}

static void test_mounts_are_counted(void **state)
{
    (void)state;
    static const struct flood all = {
        "mounts", "cap_add", 1,     label_glob, "\"HostConfig\":{\"Binds\":",
        "}",      1000,      mount, false,      false};
    struct flood one_more = all;
    struct decision decision;
    one_more.entry = capability;
    run_flood(&one_more, &decision);
    assert_int_equal(decision.verdict, YES);
    one_more.items++;
    run_flood(&one_more, &decision);
    assert_int_equal(decision.status, 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tmpfs),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_confinement),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_work_is_bounded),
        cmocka_unit_test(test_mounts_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
