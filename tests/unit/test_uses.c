/* What requests need of a role: rows, and the property that a role which opens just that allows the
   request, for every request of tests/cases. */
#include "case_helper.h"

static struct case_policies loaded;
static struct policy *any;
static size_t learnt, lacking, wrong;

/* What a decision has read serves as well, whatever the decision was. */
static void check_handed_over(const struct request *request, const struct facts *facts,
                              enum verdict verdict, const struct uses *uses)
{
    static const char *const roles[] = {"all", "default", "read-only"};
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        static struct uses again;
        struct arena arena = {0};
        struct facts known = *facts;
        struct decision decision;
        policy_decide(policy_role(any, str_of(roles[i])), request, &known, &arena, &decision);
        known = *facts;
        assert_int_equal(request_uses(any, request, &known, decision.read, &arena, &again),
                         verdict);
        assert_int_equal(again.count, uses->count);
        for (size_t n = 0; n < uses->count; n++) {
            assert_string_equal(again.items[n].key, uses->items[n].key);
            assert_true(str_eq(again.items[n].value, uses->items[n].value));
            assert_int_equal(again.items[n].read_only, uses->items[n].read_only);
        }
        assert_string_equal(again.lack, uses->lack);
        arena_free(&arena);
    }
}

/* As the proxy does it, with what the daemon says. */
static enum verdict uses_known(const struct request *request, const struct case_row *row,
                               struct arena *arena, struct uses *uses)
{
    struct facts *facts = arena_alloc(arena, 1, sizeof *facts);
    assert_non_null(facts);
    facts->arena = arena;
    enum verdict verdict = request_uses(any, request, facts, NULL, arena, uses);
    for (int round = 0; verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
        facts_answer(request, facts, row->doc, json_get(row->doc, row->row, STR("facts")), arena);
        verdict = request_uses(any, request, facts, NULL, arena, uses);
    }
    check_handed_over(request, facts, verdict, uses);
    return verdict;
}

/* A policy whose one role allows the operation and opens the uses: "group.key" becomes a member of
   the group. */
static struct policy *policy_of(enum operation op, const struct uses *uses, struct arena *arena)
{
    enum { CAP = 256 << 10 };
    struct json_out out = {.p = arena_alloc(arena, CAP, 1), .cap = CAP};
    char text[8 << 10];
    struct json_out flat = {.p = text, .cap = sizeof text};
    struct json doc;
    struct err err = {0};
    struct err_list errors = {0};
    assert_true(uses_write(uses, &flat));
    if (!json_scan((struct str){text, flat.len}, arena, &doc, &err))
        fail_msg("%.*s: %s", (int)flat.len, text, err.text);
    json_out_raw(&out, STR("{\"version\":1,\"roles\":{\"default\":{\"allow\":[\""));
    json_out_raw(&out, str_of(operation_name(op)));
    json_out_raw(&out, STR("\"]"));
    static const char *const groups[] = {"containers", "exec",    "images",  "networks",
                                         "builds",     "secrets", "configs", "services",
                                         "plugins",    "nodes",   "swarm"};
    for (const struct json_node *n = json_child(&doc, doc.nodes); n; n = json_next(&doc, n)) {
        if (str_find(n->key, '.') < n->key.n)
            continue;
        json_out_raw(&out, STR(",\""));
        json_out_raw(&out, n->key);
        json_out_raw(&out, STR("\":"));
        json_out_raw(&out, json_raw(&doc, n));
    }
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        const char *between = "";
        json_out_raw(&out, STR(",\""));
        json_out_raw(&out, str_of(groups[i]));
        json_out_raw(&out, STR("\":{"));
        for (size_t k = 0; policy_key(k); k++) {
            struct str path = str_of(policy_key(k)), name = str_skip(path, str_find(path, '.') + 1);
            const struct json_node *n = json_get(&doc, doc.nodes, path);
            enum use_shape shape;
            if (!str_is(str_head(path, str_find(path, '.')), groups[i]) ||
                !policy_learns(path.p, &shape) || (!n && shape == USE_TRUE))
                continue;
            json_out_raw(&out, str_of(between));
            json_out_raw(&out, STR("\""));
            json_out_raw(&out, name);
            json_out_raw(&out, STR("\":"));
            json_out_raw(&out, n ? json_raw(&doc, n) : STR("[]"));
            between = ",";
        }
        json_out_raw(&out, STR("}"));
    }
    json_out_raw(&out, STR("}}}"));
    assert_true(out.len < CAP);
    struct policy *policy = policy_load((struct str){out.p, out.len}, &errors);
    for (size_t i = 0; !policy && i < errors.count; i++)
        print_error("%.*s\n%s\n", (int)out.len, out.p, errors.items[i].err.text);
    err_list_free(&errors);
    return policy;
}

/* What a line tells of the request must pass where the request does. */
static void opens_all(const struct policy *policy, const struct uses *uses)
{
    for (size_t i = 0; policy && i < uses->count; i++) {
        const struct use *use = &uses->items[i];
        assert_true(policy_use_valid(use));
        if (!role_opens_use(policy_default_role(policy), use))
            fail_msg("does not open %s of \"%.*s\"", use->key, STR_ARG(use->value));
        if (!role_opens_use(policy_role(policy, STR("builtin:all")), use))
            fail_msg("builtin:all does not open %s of \"%.*s\"", use->key, STR_ARG(use->value));
    }
}

static void learn_case(const char *file, const struct json *doc)
{
    static struct request request;
    static struct decision decision;
    static struct uses uses;
    struct arena arena = {0};
    struct case_row row;
    bool readable = case_read(&loaded, doc, &arena, &row);
    memset(&request, 0, sizeof request);
    if (readable && request_parse(row.method, row.target, &arena, &request, &decision) &&
        request_check_content(&request, row.type, row.body.n > 0, &decision)) {
        if (request.route->body != BODY_OPAQUE && row.body.n > 0)
            request.body = row.body;
        enum verdict verdict = uses_known(&request, &row, &arena, &uses);
        lacking += uses.lack[0] != '\0';
        if (verdict == VERDICT_ALLOW && !uses.lack[0]) {
            learnt++;
            struct policy *policy = policy_of(request.route->op, &uses, &arena);
            memset(&decision, 0, sizeof decision);
            if (policy)
                decide_known(policy_default_role(policy), &request, row.doc,
                             json_get(row.doc, row.row, STR("facts")), &arena, &decision);
            if (decision.verdict != VERDICT_ALLOW && ++wrong <= 40) {
                char text[8 << 10];
                struct json_out out = {.p = text, .cap = sizeof text};
                uses_write(&uses, &out);
                print_error("%s/%.*s: \"%s\" with %.*s\n", file, STR_ARG(case_text(&row, "name")),
                            decision.reason, (int)out.len, text);
            }
            opens_all(policy, &uses);
            policy_free(policy);
        }
    }
    arena_free(&arena);
}

static void replay_passes(void **state)
{
    size_t before = wrong;
    case_each(*state, learn_case);
    assert_int_equal(wrong, before);
}

// clang-format off
static const char *const files[] = {
    "create.jsonl", "exec.jsonl", "images.jsonl", "volumes.jsonl", "networks.jsonl", "json.jsonl",
    "operations.jsonl", "benign.jsonl", "archive.jsonl", "build.jsonl", "second.jsonl",
    "fields.jsonl", "toplevel.jsonl", "params.jsonl", "routes.jsonl", "swarm.jsonl",
    "plugins.jsonl", "stateful.jsonl",
};

#define CREATE "/containers/create"
#define BESIDE "\"containers.runtimes\":[\"\"],\"containers.network_mode\":[\"default\"]," \
               "\"containers.user\":[\"\"],\"containers.log_drivers\":[\"\"]}"
#define NGINX  "{\"images.allow\":[\"docker.io/library/nginx\"],"
#define NGINX_ONLY "{\"images.allow\":[\"docker.io/library/nginx\"]}"
#define SERVICE(ports) "{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"nginx\"}}," \
                       "\"EndpointSpec\":{\"Ports\":[" ports "]}}"
#define SERVICE_BESIDE "\"services.names\":[\"\"],\"containers.restart\":[\"always\"]," \
                       "\"containers.runtimes\":[\"\"],\"containers.network_mode\":[\"default\"]," \
                       "\"containers.user\":[\"\"],\"containers.log_drivers\":[\"\"]}"
#define WITH(members) "{\"Image\":\"nginx\",\"HostConfig\":{" members "}}"

static const struct {
    const char *target, *body, *uses, *lack;
} rows[] = {
    {CREATE, "{\"Image\":\"nginx\"}", NGINX BESIDE, ""},
    {CREATE, WITH("\"Privileged\":true"), NGINX "\"containers.privileged\":true," BESIDE, ""},
    {CREATE, WITH("\"CapAdd\":[\"CAP_sys_time\",\"ALL\"]"),
     NGINX "\"containers.cap_add\":[\"SYS_TIME\",\"ALL\"]," BESIDE, ""},
    {CREATE, WITH("\"Binds\":[\"/srv/a/:/a\",\"/srv/b:/b:ro\",\"/srv/c:/c:ro,Z\"]"),
     NGINX "\"containers.binds\":[\"/srv/a\",{\"source\":\"/srv/b\",\"read_only\":true},\"/srv/c\"]," BESIDE, ""},
    {CREATE, WITH("\"Binds\":[\"/:/host:ro\"]"),
     NGINX "\"containers.binds\":[{\"source\":\"/\",\"read_only\":true}]," BESIDE, ""},
    {CREATE, WITH("\"CapAdd\":[\"NET-ADMIN\"]"), "*", "NET-ADMIN"},
    {CREATE, WITH("\"CapAdd\":[\"NET~ADMIN\"]"), "*", "NET~ADMIN"},
    {"/build?remote=https://a*b/x", NULL, "{}", "no plain address"},
    /* Entries have no escapes: what would be a wildcard is not learnt. */
    {CREATE, WITH("\"Binds\":[\"/srv/**:/a\"]"), "*", "'*' or '?'"},
    {CREATE, WITH("\"Binds\":[\"/srv/?:/a:ro\"]"), "*", "containers.binds with '*' or '?'"},
    {CREATE, WITH("\"Runtime\":\"n?\""), "*", "'*' or '?'"},
    /* Nor is `true` of what is a list: one mount, name or address would open all. */
    {CREATE, WITH("\"Binds\":[\"/srv/a:/a:ro,rslave\"]"), NGINX_ONLY, "propagation"},
    {CREATE, WITH("\"CgroupParent\":\"/a/../b\""), NGINX_ONLY, "climbs out"},
    {CREATE, WITH("\"Sysctls\":{\"net.ipv4.conf.a.b\":\"1,2\"}"), "*", "with a comma"},
    {"/build?remote=git@h:a.git", NULL, "{}", "no plain address"},
    {"/images/load", NULL, "{\"images.import\":true}", ""},
    {CREATE, WITH("\"DeviceCgroupRules\":[\"c 13:* rmw\"]"),
     NGINX "\"containers.device_cgroup_rules\":[\"c 13:? rmw\"]," BESIDE, ""},
    /* A registry that is asked opens none of its images. */
    {"/auth", "{\"serveraddress\":\"https://r.example.com/v1/\"}",
     "{\"images.allow\":[\"r.example.com/-asked-only\"]}", ""},
    {"/auth", "{\"serveraddress\":\"10.0.0.1:5000\"}",
     "{\"images.allow\":[\"10.0.0.1:5000/-asked-only\"]}", ""},
    {"/auth", "{}", "{\"images.allow\":[\"docker.io/-asked-only\"]}", ""},
    {"/build?remote=https://u:secret@h.example/a.git%3Ftoken=x%23main", NULL,
     "{\"builds.remote\":[\"https://h.example/**\"],\"builds.unconstrained\":true,"
     "\"builds.network_mode\":[\"default\"]}", ""},
    {CREATE, WITH("\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"::1\",\"HostPort\":\"80-81\"}]}"),
     NGINX "\"containers.ports\":[\"[::1]:80-81/tcp\"]," BESIDE, ""},
    {CREATE, WITH("\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"x\",\"HostPort\":\"22\"}]}"),
     NGINX_ONLY, "not a plain address"},
    {"/services/create", SERVICE("{\"PublishedPort\":53,\"Protocol\":\"udp\"}"),
     NGINX "\"containers.ports\":[\"53/udp\"]," SERVICE_BESIDE, ""},
    {"/services/create", SERVICE("{\"TargetPort\":80},{\"PublishedPort\":443,\"PublishMode\":\"host\"}"),
     NGINX "\"containers.ports\":[\"30000-32767/tcp\",\"443/tcp\"]," SERVICE_BESIDE, ""},
    {CREATE, WITH("\"Cgroup\":\"container:x\""),
     NGINX "\"open\":[\"ContainerCreate:HostConfig.Cgroup\"]," BESIDE, ""},
    {CREATE, "{\"Image\":\"nginx\",\"Unheard\":1}", "*", "unknown_fields"},
    {CREATE, WITH("\"Binds\":[\"../a:/a\"]"), "*", "neither an absolute path"},
    {"/images/create?fromImage=localhost:5000/a&tag=1", NULL, "{\"images.allow\":[\"localhost:5000/a\"]}", ""},
    {"/build?t=app", NULL, "*", ""},
    {"/build?t=a", NULL, "*", "the beginning of several IDs"},
    {"/containers/x/start", NULL, "{}", ""},
};
// clang-format on

static void rows_are_noted(void **state)
{
    (void)state;
    static struct request request;
    static struct decision decision;
    static struct uses uses;
    size_t right = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct facts facts = {.arena = &arena};
        char text[8 << 10];
        struct json_out out = {.p = text, .cap = sizeof text};
        assert_true(
            request_parse(STR("POST"), str_of(rows[i].target), &arena, &request, &decision));
        request.body = str_of(rows[i].body);
        request_uses(any, &request, &facts, NULL, &arena, &uses);
        assert_true(uses_write(&uses, &out));
        text[out.len] = '\0';
        bool lacks = rows[i].lack[0] ? strstr(uses.lack, rows[i].lack) != NULL : !uses.lack[0];
        if ((strcmp(rows[i].uses, "*") != 0 && strcmp(rows[i].uses, text) != 0) ||
            (strcmp(rows[i].lack, "*") != 0 && !lacks))
            print_error("%s %s:\n  %s\n  lacks \"%s\"\n", rows[i].target,
                        rows[i].body ? rows[i].body : "", text, uses.lack);
        else
            right++;
        arena_free(&arena);
    }
    assert_int_equal(right, ARRAY_LEN(rows));
}

// clang-format off
static const struct {
    const char *role, *key, *value; /* value NULL: true */
    bool read_only, opens;
} openings[] = {
    {"\"containers\":{\"binds\":[\"/srv/*\"]}", "containers.binds", "/srv/a", false, true},
    {"\"containers\":{\"binds\":[\"/srv/*\"]}", "containers.binds", "/srv/a/b", false, false},
    {"\"containers\":{\"binds\":[{\"source\":\"/srv/a\",\"read_only\":true}]}", "containers.binds", "/srv/a", true, true},
    {"\"containers\":{\"binds\":[{\"source\":\"/srv/a\",\"read_only\":true}]}", "containers.binds", "/srv/a", false, false},
    {"\"containers\":{\"binds\":true}", "containers.binds", "/srv/a", false, true},
    {"\"containers\":{\"binds\":true}", "containers.binds", "/var/run/docker.sock", false, false},
    {"\"containers\":{\"binds\":[\"/var/run/*\"]}", "containers.binds", "/var/run/docker.sock", false, false},
    {"\"containers\":{\"binds\":[\"/var/run/docker.sock\"]}", "containers.binds", "/var/run/docker.sock", false, true},
    {"\"containers\":{\"user\":{\"deny\":[\"root\"]}}", "containers.user", "root", false, false},
    {"\"containers\":{\"user\":{\"deny\":[\"root\"]}}", "containers.user", "www", false, true},
    {"\"containers\":{\"ports\":[\"80-90/tcp\"]}", "containers.ports", "80-81/tcp", false, true},
    {"\"containers\":{\"ports\":[\"80-90/tcp\"]}", "containers.ports", "90-91/tcp", false, false},
    {"\"containers\":{\"ports\":[\"127.0.0.1:80\"]}", "containers.ports", "80/tcp", false, false},
    {"\"containers\":{\"ports\":[\"0.0.0.0:80\"]}", "containers.ports", "127.0.0.1:80/tcp", false, true},
    {"\"containers\":{\"ports\":[\"127.0.0.1:80\"]}", "containers.ports", "127.0.0.2:80/tcp", false, false},
    {"\"containers\":{\"privileged\":true}", "containers.privileged", NULL, false, true},
    {"\"containers\":{\"privileged\":false}", "containers.privileged", NULL, false, false},
    {"\"containers\":{}", "containers.log_options", "max-size=10m", false, true},
    {"\"containers\":{}", "containers.log_options", "splunk-token", false, false},
    {"\"containers\":{\"log_options\":[\"max-size\"]}", "containers.log_options", "max-size=10m", false, true},
    {"\"containers\":{\"log_options\":[\"max-file\"]}", "containers.log_options", "max-size=10m", false, false},
    {"\"containers\":{}", "containers.unheard", "a", false, false},
    {"\"images\":{\"allow\":[\"**\"]}", "images.allow", "docker.io/library/a", false, true},
    {"\"images\":{\"allow\":[\"**\"]}", "images.allow", "10.0.0.1:5000/a", false, false},
    {"\"images\":{\"allow\":[\"10.0.0.1:5000/**\"]}", "images.allow", "10.0.0.1:5000/a", false, true},
    {"\"images\":{\"allow\":[\"**\"],\"deny\":[\"docker.io/**\"]}", "images.allow", "docker.io/library/a", false, false},
    {"\"images\":{\"allow\":[\"r.example.com/a\"]}", "images.allow", "r.example.com/-asked-only", false, true},
    {"\"images\":{\"allow\":[\"r.example.com/a\"]}", "images.allow", "q.example.com/-asked-only", false, false},
    {"\"images\":{\"allow\":[\"r.example.com/-asked-only\"]}", "images.allow", "r.example.com/a", false, false},
    {"\"networks\":{\"subnets\":[\"10.0.0.0/8\"]}", "networks.subnets", "10.1.0.0/16", false, true},
    {"\"networks\":{\"subnets\":[\"10.0.0.0/8\"]}", "networks.subnets", "11.1.0.0/16", false, false},
    {"\"archive\":true", "archive", NULL, false, true},
    {"\"archive\":false", "archive", NULL, false, false},
    {"\"open\":[\"ContainerCreate:HostConfig.Cgroup\"]", "open", "ContainerCreate:HostConfig.Cgroup", false, true},
    {"\"open\":[\"ContainerCreate:HostConfig.Cgroup\"]", "open", "ContainerCreate:HostConfig.X", false, false},
};
// clang-format on

static void roles_open_uses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(openings); i++) {
        char text[512];
        struct err_list errors = {0};
        const struct use use = {.key = openings[i].key,
                                .value = openings[i].value ? str_of(openings[i].value)
                                                           : (struct str){NULL, 0},
                                .read_only = openings[i].read_only};
        int n =
            snprintf(text, sizeof text, "{\"version\":1,\"roles\":{\"default\":{\"allow\":[],%s}}}",
                     openings[i].role);
        struct policy *policy = policy_load((struct str){text, (size_t)n}, &errors);
        if (!policy)
            fail_msg("%s: %s", text, errors.count ? errors.items[0].err.text : "");
        if (role_opens_use(policy_default_role(policy), &use) != openings[i].opens)
            fail_msg("%s %s \"%s\"", text, use.key, use.value.p ? use.value.p : "true");
        err_list_free(&errors);
        policy_free(policy);
    }
}

/* What a log may claim, and no policy could hold, or would open more. */
static void forged_uses_are_invalid(void **state)
{
    (void)state;
    // clang-format off
    static const struct { const char *key, *value; bool valid; } forged[] = {
        {"containers.binds", "/srv/a", true}, {"containers.binds", "/**", false},
        {"containers.binds", "/srv/?", false}, {"images.allow", "docker.io/**", false},
        {"images.allow", "docker.io/library/a", true}, {"containers.cap_add", "*", false},
        {"builds.remote", "https://h/**", true}, {"builds.remote", "https://*/**", false},
        {"builds.remote", "**", false}, {"containers.device_cgroup_rules", "c 1:? rwm", true},
        {"containers.device_cgroup_rules", "**", false}, {"containers.names", "a", false},
        {"containers.binds", "srv", false}, {"networks.subnets", "none", false},
        {"containers.privileged", "a", false}, {"containers.privileged", NULL, true},
        {"containers.binds", NULL, false}, {"builds.remote", NULL, false}, {"images.import", NULL, true},
        {"containers.unheard", NULL, false}, {"archive", NULL, true}, {"archive", "a", false},
        {"open", NULL, false}, {"open", "ContainerCreate:HostConfig.*", false},
        {"open", "ContainerCreate:HostConfig.Cgroup", true},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
        struct use use = {.key = forged[i].key};
        if (forged[i].value)
            use.value = str_of(forged[i].value);
        if (policy_use_valid(&use) != forged[i].valid)
            fail_msg("%s \"%s\"", use.key, forged[i].value ? forged[i].value : "true");
    }
}

static void much_is_told(void **state)
{
    enum { BINDS = USES_MAX + 8, CAP = 64 << 10 };
    static struct request request;
    static struct decision decision;
    static struct uses uses;
    (void)state;
    struct arena arena = {0};
    struct facts facts = {.arena = &arena};
    char *text = arena_alloc(&arena, CAP, 1);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, CAP, "{\"Image\":\"nginx\",\"HostConfig\":{\"Binds\":[");
    for (int i = 0; i < BINDS; i++)
        n += (size_t)snprintf(text + n, CAP - n, "%s\"/srv/%d:/m%d\"", i ? "," : "", i, i);
    snprintf(text + n, CAP - n, "]}}");
    assert_true(request_parse(STR("POST"), STR(CREATE), &arena, &request, &decision));
    request.body = str_of(text);
    request_uses(any, &request, &facts, NULL, &arena, &uses);
    assert_int_equal(uses.count, USES_MAX);
    assert_non_null(strstr(uses.lack, "more, or longer, values of containers.binds"));
    arena_free(&arena);
}

static size_t used_of(const char *key, const char *entry, const struct use *uses, size_t count)
{
    struct arena arena = {0};
    struct json doc;
    struct err err = {0};
    assert_true(json_scan(str_of(entry), &arena, &doc, &err));
    size_t found = policy_entry_uses(key, &doc, doc.nodes, uses, count);
    arena_free(&arena);
    return found;
}

static void entries_are_used(void **state)
{
    (void)state;
    const struct use uses[] = {
        {.key = "containers.binds", .value = STR("/srv/a")},
        {.key = "containers.binds", .value = STR("/srv/b"), .read_only = true},
        {.key = "containers.ports", .value = STR("80/tcp")},
        {.key = "networks.subnets", .value = STR("10.0.0.0/8")},
        {.key = "containers.privileged"},
        {.key = "containers.ports", .value = STR("none")},
        {.key = "networks.subnets", .value = STR("none")}};
    // clang-format off
    static const struct { const char *key, *entry; size_t found; } all[] = {
        {"containers.binds", "\"/srv/*\"", 2}, {"containers.binds", "\"/srv/a\"", 1},
        {"containers.binds", "{\"source\":\"/srv/*\",\"read_only\":true}", 1},
        {"containers.binds", "\"srv\"", 0}, {"containers.binds", "1", 0},
        {"containers.ports", "\"80-90\"", 1}, {"containers.ports", "\"81\"", 0},
        {"containers.ports", "\"80/udp\"", 0}, {"containers.ports", "\"1-79\"", 0},
        {"networks.subnets", "\"10.0.0.0/7\"", 1}, {"networks.subnets", "\"11.0.0.0/8\"", 0},
        {"containers.privileged", "\"a\"", 0}, {"containers.unheard", "\"a\"", 0},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (used_of(all[i].key, all[i].entry, uses, ARRAY_LEN(uses)) != all[i].found)
            fail_msg("%s %s", all[i].key, all[i].entry);
    assert_true(policy_key_closed("containers.binds"));
    assert_true(policy_key_closed("containers.privileged"));
    assert_false(policy_key_closed("images.allow"));
    assert_false(policy_key_closed("containers.unheard"));
    enum use_shape shape;
    assert_false(policy_learns("containers.unheard", &shape));
    assert_false(policy_learns("containers.mem_limit", &shape));
    assert_true(policy_learns("containers.privileged", &shape) && shape == USE_TRUE);
    assert_true(policy_learns("containers.binds", &shape) && shape == USE_LIST);
    assert_true(policy_names_path(STR("/var/run/docker.sock")));
    assert_false(policy_names_path(STR("/srv/a")));
    assert_true(policy_address_valid(STR("10.0.0.1")));
    assert_false(policy_address_valid(STR("host")));
    assert_true(policy_allow_holds(STR("@ping"), OP_SystemPing));
    assert_false(policy_allow_holds(STR("@read"), OP_SystemPing));
    assert_true(policy_allow_holds(STR("System*"), OP_SystemPing));
    assert_false(policy_allow_holds(STR("Image*"), OP_SystemPing));
}

static int begin(void **state)
{
    (void)state;
    any = policy_builtin();
    return any ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    policy_free(any);
    case_policies_free(&loaded);
    print_message("uses: %zu learnt, %zu that nothing opens, %zu wrong\n", learnt, lacking, wrong);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(files) + 5];
    memset(tests, 0, sizeof tests);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        tests[i] =
            (struct CMUnitTest){files[i], replay_passes, NULL, NULL, (void *)(uintptr_t)files[i]};
    tests[ARRAY_LEN(files)] = (struct CMUnitTest){"rows", rows_are_noted, NULL, NULL, NULL};
    tests[ARRAY_LEN(files) + 1] =
        (struct CMUnitTest){"openings", roles_open_uses, NULL, NULL, NULL};
    tests[ARRAY_LEN(files) + 2] =
        (struct CMUnitTest){"forged", forged_uses_are_invalid, NULL, NULL, NULL};
    tests[ARRAY_LEN(files) + 3] = (struct CMUnitTest){"much", much_is_told, NULL, NULL, NULL};
    tests[ARRAY_LEN(files) + 4] =
        (struct CMUnitTest){"entries", entries_are_used, NULL, NULL, NULL};
    return cmocka_run_group_tests(tests, begin, end);
}
