/* How a refusal is written down, asked directly: which one stays, and what it says of where. */
#include "decide_helper.h"

/* A check with nothing but a role and a decision. */
struct bench {
    struct policy *policy;
    const struct role *role;
    struct arena arena;
    struct request request;
    struct decision decision;
    struct work work;
    struct check check;
};

static void bench_make(struct bench *bench, const char *role, const char *target)
{
    memset(bench, 0, sizeof *bench);
    bench->policy = load_role_text(role, &bench->role);
    assert_true(request_parse(STR("POST"), str_of(target), &bench->arena, &bench->request,
                              &bench->decision));
    bench->work.left = WORK_MAX;
    bench->check = (struct check){.role = bench->role,
                                  .request = &bench->request,
                                  .arena = &bench->arena,
                                  .decision = &bench->decision,
                                  .work = &bench->work};
}

static void bench_free(struct bench *bench)
{
    arena_free(&bench->arena);
    policy_free(bench->policy);
}

static void test_first_wins(void **state)
{
    (void)state;
    struct bench bench;
    bench_make(&bench, OPEN_ROLE, "/v1.41/containers/create");
    bench.check.field = "first";
    assert_int_equal(refuse_plain(&bench.check, STR("1"), "one", NULL, "is one"), FINDING_REFUSE);
    bench.check.field = "second";
    assert_int_equal(refuse_plain(&bench.check, STR("2"), "two", NULL, "is two"), FINDING_REFUSE);
    assert_false(refuse_malformed(&bench.decision, "third", STR("3"), "is three"));
    assert_string_equal(bench.decision.rule, "one");
    assert_string_equal(bench.decision.field, "first");
    assert_string_equal(bench.decision.value, "1");
    assert_int_equal(bench.decision.status, 403);
    assert_false(bench.decision.close);
    bench_free(&bench);
}

static void test_without_place(void **state)
{
    (void)state;
    struct bench bench;
    struct json_node node = {.kind = JSON_STRING};
    bench_make(&bench, OPEN_ROLE, "/v1.41/containers/create");
    bench.check.work = NULL;
    bench.check.at = &node; /* without the body that it is of */
    refuse_plain(&bench.check, STR(""), NULL, NULL, "it is so");
    assert_string_equal(bench.decision.field, "");
    assert_string_equal(bench.decision.reason,
                        "sockwarden: role \"default\" refuses ContainerCreate: it is so");
    memset(&bench.decision, 0, sizeof bench.decision);
    bench.check.role = NULL;
    refuse_plain(&bench.check, STR(""), NULL, NULL, "it is so");
    assert_string_equal(bench.decision.reason, "sockwarden: it is so");
    memset(&bench.decision, 0, sizeof bench.decision);
    assert_false(refuse_malformed(&bench.decision, NULL, STR("x"), "it is so"));
    assert_int_equal(bench.decision.status, 400);
    assert_string_equal(bench.decision.field, "");
    bench_free(&bench);
}

/* Where comparing costs too much, that is what is said, and nothing is open. */
static void test_spent(void **state)
{
    (void)state;
    static const char role[] = "{\"allow\":[\"*\"],\"open\":[\"ContainerTop?ps_args\"]}";
    struct bench bench;
    bench_make(&bench, role, "/v1.41/containers/create");
    bench.work = (struct work){.left = 1};
    bench.check.field = "?ps_args";
    assert_int_equal(refuse_unless_open(&bench.check, STR("x"), "is closed"), FINDING_REFUSE);
    assert_non_null(strstr(bench.decision.reason, "names too much"));
    assert_null(bench.decision.rule);
    bench_free(&bench);
}

static void test_role_opens(void **state)
{
    (void)state;
    static const struct {
        enum operation op;
        char separator;
        const char *path;
        bool opens;
    } rows[] = {
        {OP_ContainerTop, '?', "ps_args", true},
        {OP_ContainerTop, ':', "ps_args", false},
        {OP_ContainerTop, '?', "qs_args", false},
        {OP_ContainerTop, '?', "ps_arg", false},
        {OP_ContainerLogs, '?', "ps_arg", false},
        {OP_ContainerCreate, ':', "HostConfig.Cgroup", true},
        {OP_ContainerUpdate, ':', "HostConfig.Cgroup", false},
    };
    static const char role[] =
        "{\"allow\":[\"*\"],"
        "\"open\":[\"ContainerTop?ps_args\",\"ContainerCreate:HostConfig.Cgroup\"]}";
    struct bench bench;
    bench_make(&bench, role, "/v1.41/containers/create");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (role_opens(bench.role, rows[i].op, rows[i].separator, rows[i].path) != rows[i].opens)
            fail_msg("%s%c%s", operation_name(rows[i].op), rows[i].separator, rows[i].path);
    bench_free(&bench);
}

/* The policy that would allow it: the list as it is, and the value. */
static void test_suggest(void **state)
{
    (void)state;
    static const struct {
        const char *role;
        enum key key;
        const char *text;
    } rows[] = {
        {OPEN_ROLE, KEY_PRIVILEGED, "\"containers\": {\"privileged\": true}"},
        {OPEN_ROLE, KEY_PID_MODE, "\"containers\": {\"pid_mode\": [\"x\"]}"},
        {ROLE("\"containers\":{\"pid_mode\":[\"host\"]}"), KEY_PID_MODE,
         "\"containers\": {\"pid_mode\": [\"host\", \"x\"]}"},
        {ROLE("\"containers\":{\"binds\":[{\"source\":\"/a\",\"read_only\":true}]}"), KEY_BINDS,
         "\"containers\": {\"binds\": [{\"source\": \"/a\", \"read_only\": true}, \"x\"]}"},
        {ROLE("\"containers\":{\"binds\":true}"), KEY_BINDS,
         "\"containers\": {\"binds\": [\"/**\", \"x\"]}"},
        {OPEN_ROLE, KEY_READ_ONLY, ""}, /* only ever required */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench bench;
        char text[ALLOW_WITH_MAX];
        bench_make(&bench, rows[i].role, "/v1.41/containers/create");
        suggest_entry(&bench.check, rows[i].key, STR("x"), text, sizeof text);
        assert_string_equal(text, rows[i].text);
        bench_free(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_wins), cmocka_unit_test(test_without_place),
        cmocka_unit_test(test_spent),      cmocka_unit_test(test_role_opens),
        cmocka_unit_test(test_suggest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
