/* What the proxy itself has on the host: bind sources that must be written out, and ports that
   nobody gets. */
#include "decide_helper.h"

#define R(members)      ROLE("\"containers\":{" members "}")
#define BIND(source)    HOST("\"Binds\":[\"" source ":/w\"]")
#define PORT(port)      HOST("\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"" port "\"}]}")
#define PORT_AT(key, m) HOST("\"PortBindings\":{\"" key "\":[{" m "}]}")
#define TRUE_BINDS      R("\"binds\":true")
#define TRUE_PORTS      R("\"ports\":true")
#define PUBLISHED(members)                                                      \
    "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"img\"}}," \
    "\"EndpointSpec\":{\"Ports\":[{\"TargetPort\":80," members "}]}}"
#define ID          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CREATE_FROM "/v1.41/containers/create", HOST("\"VolumesFrom\":[\"b\"]")
#define START       "/v1.41/containers/b/start", ""
#define ANY         "{\"allow\":[\"*\"],\"existing\":\"any\"}"
#define VOLUME(source) \
    HOST("\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"" source "\",\"Target\":\"/t\"}]")
#define TASK(source)                                                                       \
    "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"img\",\"Mounts\":[{" \
    "\"Type\":\"volume\",\"Source\":\"" source "\",\"Target\":\"/t\"}]}}}"
#define HOLDS "must be written out in containers.volumes"
#define YES   NULL
#define OWN   "of sockwarden itself"
#define AT    "sockwarden itself listens there"

/* clang-format off */
static const struct {
    const char *role;
    const char *path; /* NULL: ContainerCreate */
    const char *body;
    const char *words; /* of the refusal; NULL: it passes */
} rows[] = {
    /* bind sources */
    {TRUE_BINDS, NULL, BIND("/srv/pol/policy.json"), OWN},
    {TRUE_BINDS, NULL, BIND("/srv/pol/policy.json/"), OWN},
    {TRUE_BINDS, NULL, BIND("/srv/pol"), OWN},
    {TRUE_BINDS, NULL, BIND("/srv"), OWN},
    {TRUE_BINDS, NULL, BIND("/srv/pol/other"), YES},
    {TRUE_BINDS, NULL, BIND("/srv/po"), YES},
    {TRUE_BINDS, NULL, BIND("/srv/pol/policy.json2"), YES},
    {TRUE_BINDS, NULL, BIND("/"), "rules the host"},
    {TRUE_BINDS, NULL, BIND("/data/audit.jsonl"), OWN},
    {TRUE_BINDS, NULL, BIND("/data"), OWN},
    {TRUE_BINDS, NULL, BIND("/etc/sockwarden"), OWN},
    {TRUE_BINDS, NULL, BIND("/etc/sockwarden/policy.json"), OWN},
    {TRUE_BINDS, NULL, BIND("/etc/sockwardens"), YES},
    {TRUE_BINDS, NULL, BIND("/var/log/sockwarden"), OWN},
    {TRUE_BINDS, NULL, BIND("/var/log"), OWN},
    {TRUE_BINDS, NULL, BIND("/var/log/nginx"), YES},
    {R("\"binds\":[\"/srv/**\"]"), NULL, BIND("/srv/pol"), OWN},
    {R("\"binds\":[\"/srv/**\"]"), NULL, BIND("/srv/x"), YES},
    {R("\"binds\":[\"/srv/**\",\"/srv/pol\"]"), NULL, BIND("/srv/pol"), YES},
    {R("\"binds\":[\"/srv/pol\"]"), NULL, BIND("/srv/pol/policy.json"), OWN},
    {R("\"binds\":[{\"source\":\"/srv/pol/policy.json\",\"read_only\":true}]"), NULL, BIND("/srv/pol/policy.json"), "read-only"},
    {R("\"binds\":[\"/other\"]"), NULL, BIND("/srv/none"), "is not in containers.binds"},
    {TRUE_BINDS, NULL, HOST("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/srv/pol\",\"Target\":\"/t\"}]"), OWN},
    {TRUE_BINDS, "/volumes/create", "{\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/pol\"}}", OWN},
    {TRUE_BINDS, "/volumes/create", "{\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv/x\"}}", YES},
    {"builtin:all", NULL, BIND("/srv/pol"), YES},

    /* volumes */
    {ANY, NULL, BIND("sw_run"), HOLDS},
    {ANY, NULL, BIND("sw_run2"), YES},
    {ANY, NULL, BIND("sw_ru"), YES},
    {ANY, NULL, VOLUME("sw_run"), HOLDS},
    {ANY, NULL, VOLUME("other"), YES},
    {ANY, NULL, VOLUME(ID), HOLDS},
    {ANY, "/services/create", TASK("sw_run"), HOLDS},
    {ANY, "/services/create", TASK("other"), YES},
    {ANY, "/services/create", TASK("sw_{{.Task.Slot}}"), "template"},
    {ANY, "/services/create", TASK("{{.Service.Name}}"), "template"},
    {ANY, "/services/create", TASK("data-{{.Task.Slot}}"), YES},
    {ANY, "/volumes/create", "{\"Name\":\"sw_run\"}", YES},
    {"{\"allow\":[\"*\"],\"existing\":\"any\",\"containers\":{\"volumes\":[\"sw_*\"]}}", NULL, BIND("sw_run"), HOLDS},
    {"{\"allow\":[\"*\"],\"existing\":\"any\",\"containers\":{\"volumes\":[\"**\",\"sw_run\"]}}", NULL, BIND("sw_run"), YES},
    {"{\"allow\":[\"*\"],\"existing\":\"any\",\"containers\":{\"volumes\":[\"**\",\"sw_run\"]}}", NULL, VOLUME("sw_run"), YES},
    {"{\"extends\":\"builtin:all\",\"containers\":{\"volumes\":[\"**\"]}}", NULL, BIND("sw_run"), HOLDS},
    {"builtin:all", NULL, BIND("sw_run"), YES},
    {"builtin:all", "/services/create", TASK("{{.Service.Name}}"), YES},

    /* ports */
    {TRUE_PORTS, NULL, PORT("2375"), AT},
    {TRUE_PORTS, NULL, PORT("2376"), YES},
    {TRUE_PORTS, NULL, PORT("22375"), AT},
    {TRUE_PORTS, NULL, PORT("2000-3000"), AT},
    {TRUE_PORTS, NULL, PORT("2375-2380"), AT},
    {TRUE_PORTS, NULL, PORT("2370-2374"), YES},
    {TRUE_PORTS, NULL, PORT("0000002375"), AT},
    {TRUE_PORTS, NULL, PORT(""), YES},
    {TRUE_PORTS, NULL, PORT("0"), YES},
    {TRUE_PORTS, NULL, HOST("\"PublishAllPorts\":true"), YES},
    {TRUE_PORTS, NULL, PORT_AT("80/tcp", "\"HostIp\":\"127.0.0.2\",\"HostPort\":\"2375\""), AT},
    {TRUE_PORTS, NULL, PORT_AT("80", "\"HostPort\":\"2375\""), AT},
    {TRUE_PORTS, NULL, PORT_AT("80/udp", "\"HostPort\":\"2375\""), YES},
    {TRUE_PORTS, NULL, PORT_AT("80/sctp", "\"HostPort\":\"2375\""), YES},
    {TRUE_PORTS, NULL, PORT_AT("80/odd", "\"HostPort\":\"2375\""), AT},
    {R("\"ports\":[\"2375\"]"), NULL, PORT("2375"), AT},
    {R("\"ports\":[\"1-65535\"]"), NULL, PORT("8080"), YES},
    {OPEN_ROLE, NULL, PORT("22375"), AT},
    {"builtin:all", NULL, PORT("2375"), AT},
    {"builtin:all", NULL, PORT("80"), YES},
    {TRUE_PORTS, "/services/create", PUBLISHED("\"PublishedPort\":2375"), AT},
    {TRUE_PORTS, "/services/create", PUBLISHED("\"PublishedPort\":2375,\"Protocol\":\"udp\""), YES},
    {TRUE_PORTS, "/services/create", PUBLISHED("\"PublishedPort\":2375,\"PublishMode\":\"host\""), AT},
    {TRUE_PORTS, "/services/create", PUBLISHED("\"PublishedPort\":null"), YES},
    {TRUE_PORTS, "/services/create", PUBLISHED("\"PublishedPort\":0"), YES},
    {TRUE_PORTS, "/services/create", PUBLISHED("\"Protocol\":\"tcp\""), YES},
    {TRUE_PORTS, "/services/create", PUBLISHED("\"PublishedPort\":80"), YES},
};
/* clang-format on */

static void tell_all(struct policy *policy)
{
    static const char *const paths[] = {"/srv/pol/policy.json", "/data/audit.jsonl/",
                                        "/srv/pol/policy.json"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        assert_true(policy_own_path(policy, str_of(paths[i])));
    assert_true(policy_own_port(policy, 2375));
    assert_true(policy_own_port(policy, 22375));
    assert_false(policy_own_volume(policy, STR("")));
    assert_true(policy_own_volume(policy, STR("sw_run")));
    assert_true(policy_own_volume(policy, STR("sw_run")));
    assert_true(policy_own_volume(policy, STR(ID)));
}

static void test_rows(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char target[64];
        const struct role *role = NULL;
        struct decision got = {0};
        struct arena arena = {0};
        struct policy *policy = load_role_text(rows[i].role, &role);
        tell_all(policy);
        snprintf(target, sizeof target, "/v1.41%s",
                 rows[i].path ? rows[i].path : "/containers/create");
        decide_with(role, "POST", target, str_of(rows[i].body), &arena, &got);
        bool good = rows[i].words ? got.verdict == VERDICT_DENY && strstr(got.reason, rows[i].words)
                                  : got.verdict == VERDICT_ALLOW;
        if (!good || !decision_sound(&got))
            print_error("%s\n    %s\n    got %s\n", rows[i].role, rows[i].body,
                        got.reason[0] ? got.reason : "allow");
        failed += !good;
        arena_free(&arena);
        policy_free(policy);
    }
    assert_int_equal(failed, 0);
}

/* A container that has such a volume is none to start or to take volumes from. */
static void test_mounted(void **state)
{
    (void)state;
    static const char being[] =
        "\"container\":{\"b\":{\"Id\":\"" ID "\",\"Config\":{\"Image\":\"img\"},\"HostConfig\":{},"
        "\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"%s\",\"Driver\":\"local\",\"RW\":true}]}},"
        "\"volume\":{\"%s\":{\"Name\":\"%s\",\"Driver\":\"local\",\"Options\":null}}";
    static const struct {
        const char *volumes, *target, *body, *name;
        bool passes;
    } tries[] = {
        {"true", CREATE_FROM, "sw_run", false},
        {"true", CREATE_FROM, "other", true},
        {"true", CREATE_FROM, ID, false},
        {"[\"**\",\"sw_run\"]", CREATE_FROM, "sw_run", true},
        {"true", START, "sw_run", false},
        {"true", START, "other", true},
        {"[\"sw_run\"]", START, "sw_run", true},
        {"[]", START, ID, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        char role_text[256], facts[1024];
        const struct role *role = NULL;
        struct decision got = {0};
        struct arena arena = {0};
        snprintf(role_text, sizeof role_text,
                 "{\"allow\":[\"*\"],\"containers\":{\"volumes_from\":true,\"volumes\":%s}}",
                 tries[i].volumes);
        snprintf(facts, sizeof facts, being, tries[i].name, tries[i].name, tries[i].name);
        struct policy *policy = load_role_text(role_text, &role);
        tell_all(policy);
        decide_facts(role, "POST", tries[i].target, str_of(tries[i].body), facts, &arena, &got);
        if ((got.verdict == VERDICT_ALLOW) != tries[i].passes ||
            (!tries[i].passes && !strstr(got.reason, HOLDS)))
            fail_msg("%zu: %d %s", i, (int)got.verdict, got.reason);
        arena_free(&arena);
        policy_free(policy);
    }
}

/* Told nothing, a policy keeps only the usual places. */
static void test_untold(void **state)
{
    (void)state;
    struct decision got = {0};
    decide_text(TRUE_BINDS, CREATE, BIND("/srv/pol"), &got);
    assert_int_equal(got.verdict, VERDICT_ALLOW);
    decide_text(TRUE_PORTS, CREATE, PORT("2375"), &got);
    assert_int_equal(got.verdict, VERDICT_ALLOW);
    decide_text(TRUE_BINDS, CREATE, BIND("/etc/sockwarden"), &got);
    assert_int_equal(got.verdict, VERDICT_DENY);
}

static void test_wrong_paths(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "/", "policy.json", "./p", "/a/../b", "/a//b"};
    struct policy *policy = policy_builtin();
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (policy_own_path(policy, str_of(wrong[i])))
            fail_msg("\"%s\" is taken", wrong[i]);
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_mounted),
        cmocka_unit_test(test_untold),
        cmocka_unit_test(test_wrong_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
