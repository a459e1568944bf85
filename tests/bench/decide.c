/* What one decision costs: request_parse, policy_precheck and policy_decide as the proxy calls
   them, arenas reset in between. Prints a Markdown table; exits 1 when the cheapest round of a case
   misses its target, times SLACK where that is given, for machines that are busy. The minimum is
   what a busy machine changes least. No sockets, no proxy. */
#include "policy.h"

#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS_DEFAULT = 1000,
    ROUNDS_MAX = 10000,
    BATCH_NS = 400000, /* decisions of one measurement take about so long */
    TEXT_CAP = 160 << 10
};

/* ---- bodies -----------------------------------------------------------------------------------
 */

struct text {
    char *p;
    size_t n;
};

static void PRINTF_LIKE(2, 3) add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->p + text->n, TEXT_CAP - text->n, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= TEXT_CAP - text->n)
        abort();
    text->n += (size_t)n;
}

/* The members before and behind the four that the shapes differ in, as docker CLI 28 sends them. */
static const char head[] =
    "{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,"
    "\"AttachStdout\":true,\"AttachStderr\":true,\"ExposedPorts\":{\"8080/tcp\":{}},\"Tty\":false,"
    "\"OpenStdin\":false,\"StdinOnce\":false,";
static const char middle[] =
    "\"Cmd\":[\"/usr/local/bin/server\",\"--listen\",\"0.0.0.0:8080\",\"--log-level\",\"info\"],"
    "\"Image\":\"registry.example.com/team/app:1.4.2\",\"Volumes\":{},\"WorkingDir\":\"\","
    "\"Entrypoint\":null,\"OnBuild\":null,";
static const char tail[] =
    "\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":{}},"
    "\"NetworkMode\":\"default\",\"PortBindings\":{\"8080/tcp\":[{\"HostIp\":\"\","
    "\"HostPort\":\"8080\"}]},\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},"
    "\"AutoRemove\":true,\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"ConsoleSize\":[0,0],"
    "\"CapAdd\":null,\"CapDrop\":null,\"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],"
    "\"DnsSearch\":[],\"ExtraHosts\":null,\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\","
    "\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"\",\"Privileged\":false,"
    "\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":null,\"UTSMode\":\"\","
    "\"UsernsMode\":\"\",\"ShmSize\":0,\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":536870912,"
    "\"NanoCpus\":0,\"CgroupParent\":\"\",\"BlkioWeight\":0,\"BlkioWeightDevice\":[],"
    "\"BlkioDeviceReadBps\":[],\"BlkioDeviceWriteBps\":[],\"BlkioDeviceReadIOps\":[],"
    "\"BlkioDeviceWriteIOps\":[],\"CpuPeriod\":0,\"CpuQuota\":0,\"CpuRealtimePeriod\":0,"
    "\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\",\"CpusetMems\":\"\",\"Devices\":[],"
    "\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemoryReservation\":0,"
    "\"MemorySwap\":0,\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"PidsLimit\":0,"
    "\"Ulimits\":[],\"CpuCount\":0,\"CpuPercent\":0,\"IOMaximumIOps\":0,"
    "\"IOMaximumBandwidth\":0,\"MaskedPaths\":null,\"ReadonlyPaths\":null},"
    "\"NetworkingConfig\":{\"EndpointsConfig\":{\"default\":{\"IPAMConfig\":null,\"Links\":null,"
    "\"Aliases\":null,\"MacAddress\":\"\",\"DriverOpts\":null,\"GwPriority\":0,\"NetworkID\":\"\","
    "\"EndpointID\":\"\",\"Gateway\":\"\",\"IPAddress\":\"\",\"IPPrefixLen\":0,"
    "\"IPv6Gateway\":\"\",\"GlobalIPv6Address\":\"\",\"GlobalIPv6PrefixLen\":0,"
    "\"DNSNames\":null}}}}\n";

/* A body of docker run with so many variables, labels and binds. */
static struct str body_make(int variables, int labels, int binds)
{
    struct text text = {malloc(TEXT_CAP), 0};
    if (!text.p)
        abort();
    add(&text, "%s\"Env\":[", head);
    for (int i = 0; i < variables; i++)
        add(&text, "%s\"APP_SETTING_%d=https://service-%d.example.com/path?key=%d\"", i ? "," : "",
            i, i % 50, i * 7919);
    add(&text, "],%s\"Labels\":{", middle);
    for (int i = 0; i < labels; i++)
        add(&text, "%s\"com.example.team.service-%d\":\"value of label %d\"", i ? "," : "", i, i);
    add(&text, "},\"HostConfig\":{\"Binds\":[");
    for (int i = 0; i < binds; i++)
        add(&text,
            "%s\"/srv/app/projects/team-%d/shared/assets/images:/usr/share/app/projects/team-%d/"
            "assets/images:ro\"",
            i ? "," : "", i, i);
    add(&text, "],%s", tail);
    return (struct str){text.p, text.n};
}

/* ---- what the daemon says ---------------------------------------------------------------------
 */

/* A container of docker 20.10 with so many variables and labels. */
static struct str inspect_make(int variables, int labels)
{
    struct text text = {malloc(TEXT_CAP), 0};
    if (!text.p)
        abort();
    add(&text,
        "{\"Id\":\"%s%s\",\"Name\":\"/app-1\",\"Image\":\"sha256:%s%s\",\"State\":{\"Status\":"
        "\"running\",\"Running\":true,\"Pid\":4242},\"Mounts\":[],",
        "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef");
    struct str created = body_make(variables, labels, 0);
    size_t host = 0, networks = 0;
    while (!str_starts(str_skip(created, host), STR(",\"HostConfig\"")))
        host++;
    networks = host;
    while (!str_starts(str_skip(created, networks), STR(",\"NetworkingConfig\"")))
        networks++;
    add(&text, "\"Config\":%.*s}%.*s,\"NetworkSettings\":{\"Networks\":{\"bridge\":{}}}}",
        (int)host, created.p, (int)(networks - host), created.p + host);
    free((void *)(uintptr_t)created.p);
    return (struct str){text.p, text.n};
}

/* ---- policies ---------------------------------------------------------------------------------
 */

static const char policy_default[] =
    "{\"version\":1,\"roles\":{\"default\":{\"extends\":\"builtin:default\"}}}";
/* Twenty globs, of which the long lists of the bodies meet four or eight each. */
static const char policy_globs[] =
    "{\"version\":1,\"roles\":{\"default\":{\"extends\":\"builtin:default\","
    "\"images\":{\"allow\":[\"mirror.example.com/**\",\"*.example.org/base/**\","
    "\"registry.example.com/base/*\",\"registry.example.com/team/*\"]},"
    "\"containers\":{\"binds\":[\"/srv/ci/**\",\"/srv/www/*\",\"/srv/mail/**\",\"/srv/db/*/dump\","
    "\"/opt/data/**\",\"/mnt/share-?/**\",\"/srv/log/**\","
    "{\"source\":\"/srv/app/**\",\"read_only\":true}],"
    "\"env\":{\"deny\":[\"LD_*\",\"*_PROXY\",\"*SECRET*\",\"AWS_*\"]},"
    "\"labels\":{\"deny\":[\"com.docker.*\",\"traefik.*\",\"io.kubernetes.*\",\"*.internal\"]}"
    "}}}}";

struct policy_case {
    const char *name;
    const char *text;
    struct policy *policy;
};

static struct policy_case policies[] = {
    {"builtin:default", policy_default, NULL},
    {"20 globs", policy_globs, NULL},
};
enum { DEFAULT, GLOBS };

/* ---- cases ------------------------------------------------------------------------------------
 */

enum { GET_NS = 1000, SMALL_NS = 10000, LARGE_NS = 150000 };
/* Asked, then decided: twice the work; the fact of a container is read, put together as a body, and
   read again. */
enum { FACT_NS = 25000, LARGE_FACT_NS = 500000 };

struct bench {
    const char *name;
    int policy;
    const char *method;
    const char *target;
    int variables, labels, binds; /* of the body; all 0: none */
    enum verdict verdict;         /* that must come out */
    int64_t target_ns;
    struct str body;
    struct str fact; /* what is known of the container that is named; empty: not asked */
    size_t batch;    /* decisions a measurement */
    int64_t *rounds;
    double instructions; /* a decision; 0: not known */
};

#define CREATE  "POST", "/v1.48/containers/create?name=app-1"
#define RESTART .method = "POST", .target = "/v1.41/containers/app-1/restart?t=5"
// clang-format off
static struct bench benches[] = {
    {.name = "ping", .policy = DEFAULT, .method = "GET", .target = "/_ping", .verdict = VERDICT_ALLOW, .target_ns = GET_NS},
    {.name = "container list", .policy = DEFAULT, .method = "GET", .target = "/v1.41/containers/json?all=1", .verdict = VERDICT_ALLOW, .target_ns = GET_NS},
    {.name = "container inspect", .policy = DEFAULT, .method = "GET", .target = "/v1.41/containers/4c01db0b339c1f9c1b2a6f0d/json", .verdict = VERDICT_ALLOW, .target_ns = GET_NS},
    {.name = "network inspect", .policy = GLOBS, .method = "GET", .target = "/v1.41/networks/app_default?verbose=false", .verdict = VERDICT_ALLOW, .target_ns = GET_NS},
    {"docker run", DEFAULT, CREATE, 6, 4, 0, VERDICT_ALLOW, SMALL_NS, {0}, {0}, 0, NULL, 0},
    {"docker run", GLOBS, CREATE, 6, 4, 0, VERDICT_ALLOW, FACT_NS, {0}, {0}, 0, NULL, 0},
    {"docker run, binds", GLOBS, CREATE, 4, 4, 3, VERDICT_ALLOW, FACT_NS, {0}, {0}, 0, NULL, 0},
    {"many variables", DEFAULT, CREATE, 1520, 4, 0, VERDICT_ALLOW, LARGE_NS, {0}, {0}, 0, NULL, 0},
    {"many variables", GLOBS, CREATE, 1520, 4, 0, VERDICT_ALLOW, 2 * LARGE_NS, {0}, {0}, 0, NULL, 0},
    {"many labels", DEFAULT, CREATE, 4, 1800, 0, VERDICT_ALLOW, LARGE_NS, {0}, {0}, 0, NULL, 0},
    {"many labels", GLOBS, CREATE, 4, 1800, 0, VERDICT_ALLOW, 2 * LARGE_NS, {0}, {0}, 0, NULL, 0},
    {"many binds", DEFAULT, CREATE, 4, 4, 980, VERDICT_DENY, LARGE_NS, {0}, {0}, 0, NULL, 0},
    {"30 binds", GLOBS, CREATE, 4, 4, 30, VERDICT_ALLOW, LARGE_NS, {0}, {0}, 0, NULL, 0},
    {"many binds", GLOBS, CREATE, 4, 4, 980, VERDICT_DENY, LARGE_NS, {0}, {0}, 0, NULL, 0},
    {.name = "restart, one fact", .policy = DEFAULT, RESTART, .verdict = VERDICT_ALLOW, .target_ns = FACT_NS, .fact = {"", 6}},
    {.name = "restart, one fact", .policy = GLOBS, RESTART, .verdict = VERDICT_ALLOW, .target_ns = FACT_NS, .fact = {"", 6}},
    {.name = "restart, a large fact", .policy = GLOBS, RESTART, .verdict = VERDICT_ALLOW, .target_ns = LARGE_FACT_NS, .fact = {"", 1000}},
};
// clang-format on

/* ---- measuring --------------------------------------------------------------------------------
 */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A counter of this thread's instructions, or -1 where the kernel gives none. */
static int counter_open(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t counter_read(int counter)
{
    uint64_t value = 0;
    return counter >= 0 && read(counter, &value, sizeof value) == sizeof value ? value : 0;
}

static struct decision decision;

/* What is known of the container that is named, of an image, of a path of the host; of the rest
   that it is not there. */
static void answer(const struct bench *bench, struct fact *fact)
{
    struct str known[FACT_KIND_COUNT] = {
        [FACT_CONTAINER] = bench->fact,
        [FACT_IMAGE] = STR("{\"Id\":\"sha256:0123\",\"Config\":{\"User\":\"\",\"Labels\":{"
                           "\"com.example.vendor\":\"x\"}}}"),
        [FACT_HOST_PATH] = STR("{\"State\":\"exists\"}"),
    };
    if (fact->state != FACT_WANTED)
        return;
    fact->text = known[fact->kind];
    fact->state = fact->text.n > 0 ? FACT_FOUND : FACT_MISSING;
}

/* As the proxy does it: the first decisions ask, the last is the answer. */
static void decide_known(const struct bench *bench, const struct role *role,
                         const struct request *request, struct arena *head_arena,
                         struct arena *scratch)
{
    static struct facts facts;
    facts.count = 0;
    facts.arena = head_arena;
    policy_decide(role, request, &facts, scratch, &decision);
    for (int round = 0; decision.verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
        for (size_t i = 0; i < facts.count; i++)
            answer(bench, &facts.items[i]);
        arena_reset(scratch);
        policy_decide(role, request, &facts, scratch, &decision);
    }
}

static enum verdict decide(const struct bench *bench, const struct role *role,
                           struct arena *head_arena, struct arena *scratch)
{
    static struct request request;
    bool going =
        request_parse(str_of(bench->method), str_of(bench->target), head_arena, &request,
                      &decision) &&
        request_check_content(&request, STR("application/json"), bench->body.n > 0, &decision);
    if (going && bench->body.n > 0) {
        going = policy_precheck(role, &request, scratch, &decision);
        arena_reset(scratch);
        request.body = bench->body;
    }
    if (going)
        decide_known(bench, role, &request, head_arena, scratch);
    arena_reset(scratch);
    arena_reset(head_arena);
    return decision.verdict;
}

/* Nanoseconds that a batch of decisions takes. Not inlined: callgrind counts within it. */
__attribute__((noinline)) static int64_t measure(struct bench *bench, size_t batch, int counter)
{
    const struct role *role = policy_default_role(policies[bench->policy].policy);
    static struct arena head_arena, scratch;
    size_t as_expected = 0;
    uint64_t instructions = counter_read(counter);
    int64_t started = now_ns();
    for (size_t i = 0; i < batch; i++)
        as_expected += decide(bench, role, &head_arena, &scratch) == bench->verdict;
    int64_t took = now_ns() - started;
    instructions = counter_read(counter) - instructions;
    if (as_expected != batch) {
        fprintf(stderr, "bench-decide: %s under %s: not as expected: %s\n", bench->name,
                policies[bench->policy].name, decision.reason);
        exit(1);
    }
    bench->instructions = (double)instructions / (double)batch;
    return took;
}

static void prepare(struct bench *bench, size_t rounds)
{
    if (bench->variables || bench->labels || bench->binds)
        bench->body = body_make(bench->variables, bench->labels, bench->binds);
    if (bench->fact.n)
        bench->fact = inspect_make((int)bench->fact.n, (int)bench->fact.n);
    bench->rounds = calloc(rounds, sizeof *bench->rounds);
    if (!bench->rounds)
        abort();
    measure(bench, 3, -1); /* warm */
    int64_t once = measure(bench, 3, -1) / 3;
    bench->batch = (size_t)(BATCH_NS / (once > 0 ? once : 1)) + 1;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Prints a row; true when the minimum is within the target. */
static bool report(struct bench *bench, size_t rounds, size_t slack)
{
    qsort(bench->rounds, rounds, sizeof *bench->rounds, compare);
    double batch = (double)bench->batch;
    double minimum = (double)bench->rounds[0] / batch;
    double median = (double)bench->rounds[rounds / 2] / batch;
    bool met = minimum <= (double)bench->target_ns * (double)slack;
    char instructions[32] = "?";
    if (bench->instructions >= 1)
        snprintf(instructions, sizeof instructions, "%.0f", bench->instructions);
    printf("| %s | %s | %zu | %s | %.0f | %.0f | %s | %lld | %s |\n", bench->name,
           policies[bench->policy].name, bench->body.n + bench->fact.n,
           bench->verdict == VERDICT_ALLOW ? "allowed" : "refused", minimum, median, instructions,
           (long long)bench->target_ns, met ? "yes" : "NO");
    return met;
}

static void policies_load(void)
{
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct err_list errors = {0};
        policies[i].policy = policy_load(str_of(policies[i].text), &errors);
        for (size_t k = 0; !policies[i].policy && k < errors.count; k++)
            fprintf(stderr, "%s: %s\n", policies[i].name, errors.items[k].err.text);
        err_list_free(&errors);
        if (!policies[i].policy)
            exit(1);
    }
}

/* For callgrind: names what is measured, then measures it once. */
static int run_once(size_t batch)
{
    for (size_t i = 0; i < ARRAY_LEN(benches); i++) {
        prepare(&benches[i], 1);
        measure(&benches[i], batch, -1);
        printf("%s\t%s\n", benches[i].name, policies[benches[i].policy].name);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "once") == 0) {
        policies_load();
        return run_once(strtoul(argv[2], NULL, 10));
    }
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    size_t slack = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    if (rounds < 1 || rounds > ROUNDS_MAX || slack < 1) {
        fprintf(stderr, "usage: %s [ROUNDS [SLACK]] | once BATCH\n", argv[0]);
        return 2;
    }
    policies_load();
    for (size_t i = 0; i < ARRAY_LEN(benches); i++)
        prepare(&benches[i], rounds);
    int counter = counter_open();
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < ARRAY_LEN(benches); i++)
            benches[i].rounds[round] = measure(&benches[i], benches[i].batch, counter);
    printf("| decision | policy | bytes | verdict | min ns | median ns | instructions | target "
           "ns | met |\n|---|---|---:|---|---:|---:|---:|---:|---|\n");
    bool met = true;
    for (size_t i = 0; i < ARRAY_LEN(benches); i++)
        met = report(&benches[i], rounds, slack) && met;
    return met ? 0 : 1;
}
