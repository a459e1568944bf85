/* `objects`, which looks at names and labels as an owner does; filters that could be read in two
   ways; what an owner's value is made of. */
#include "owner_helper.h"

#define NAMED(kind)  "\"objects\":{\"" kind "\":{\"names\":[\"mine*\"]}}"
#define MARKED(kind) "\"objects\":{\"" kind "\":{\"labels\":{\"" LABEL "\":\"m*\"}}}"

/* What must not pass by `objects`, with '@' for "theirs", and passes with '@' for "mine". */
static void test_objects(void **state)
{
    (void)state;
    // clang-format off
    static const struct {
        const char *rule; /* NULL: whatever '@' is */
        const char *role, *method, *target, *body;
    } cases[] = {
        {"objects.containers", NAMED("containers"), "POST", "/containers/@/stop", NONE},
        {"objects.containers", MARKED("containers"), "GET", "/containers/@/json", NONE},
        {"objects.containers", MARKED("containers"), "POST", "/commit?container=@", NONE},
        {"objects.containers", MARKED("containers"), "POST", "/exec/@/start", "{}"},
        {"objects.containers", MARKED("containers"), "POST", "/containers/create", "{\"Image\":\"i\",\"HostConfig\":{\"Links\":[\"@:x\"]}}"},
        {"objects.containers", MARKED("containers"), "POST", "/containers/create", "{\"Image\":\"i\",\"HostConfig\":{\"VolumesFrom\":[\"@\"]}}"},
        {"objects.volumes", NAMED("volumes"), "DELETE", "/volumes/@", NONE},
        {"objects.volumes", NAMED("volumes"), "POST", "/containers/create", "{\"Image\":\"i\",\"HostConfig\":{\"Binds\":[\"@:/x\"]}}"},
        {"objects.volumes", MARKED("volumes"), "POST", "/containers/create", "{\"Image\":\"i\",\"HostConfig\":{\"Binds\":[\"@:/x\"]}}"},
        {"objects.networks", NAMED("networks"), "DELETE", "/networks/@", NONE},
        {"objects.networks", MARKED("networks"), "POST", "/containers/create", "{\"Image\":\"i\",\"HostConfig\":{\"NetworkMode\":\"@\"}}"},
        {"objects.networks", MARKED("networks"), "POST", "/build?networkmode=@", NONE},
        {"objects.images", MARKED("images"), "GET", "/images/get?names=mine&names=@", NONE},
        {"objects.images", NAMED("images"), "DELETE", "/images/@", NONE},
        {"objects.images", NAMED("images"), "POST", "/containers/create", "{\"Image\":\"@\"}"},
        {"objects.images", NAMED("images"), "POST", "/containers/create", "{\"Image\":\"mine\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"@\",\"Target\":\"/x\"}]}}"},
        {"objects.services", NAMED("services"), "DELETE", "/services/@", NONE},
        {"objects.secrets", MARKED("secrets"), "DELETE", "/secrets/@", NONE},
        {"objects.configs", NAMED("configs"), "DELETE", "/configs/@", NONE},
        {NULL, NAMED("containers"), "POST", "/containers/prune", NONE},
        {NULL, NAMED("volumes"), "POST", "/volumes/prune", NONE},
        {NULL, NAMED("networks"), "POST", "/networks/prune", NONE},
        {NULL, NAMED("images"), "POST", "/images/prune", NONE},
        {NULL, NAMED("volumes"), "POST", "/containers/create", "{\"Image\":\"i\",\"HostConfig\":{\"Binds\":[\"new:/x\"]}}"},
        {NULL, MARKED("volumes"), "POST", "/containers/create", "{\"Image\":\"i\",\"HostConfig\":{\"Binds\":[\"new:/x\"]}}"},
        {NULL, MARKED("volumes"), "POST", "/services/create", "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"i\",\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"mine\",\"Target\":\"/x\"}]}}}"},
    };
    // clang-format on
    static struct world world;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int mine = 0; mine < 2; mine++) {
            world_decide(&world, cases[i].role, cases[i].method, cases[i].target, cases[i].body,
                         mine ? "mine" : "theirs");
            const struct decision *decision = &world.decision;
            bool passes = mine && cases[i].rule;
            bool right = passes
                             ? decision->verdict == VERDICT_ALLOW
                             : decision->verdict == VERDICT_DENY && decision->status == 403 &&
                                   decision->rule && strncmp(decision->rule, "objects.", 8) == 0 &&
                                   (!cases[i].rule || strcmp(decision->rule, cases[i].rule) == 0);
            if (!right)
                print_error("%s %s %s (%d): %d, rule %s: %s\n", cases[i].role, cases[i].target,
                            cases[i].body, mine, decision->status,
                            decision->rule ? decision->rule : "-", decision->reason);
            wrong += !right;
            world_end(&world);
        }
    }
    assert_int_equal(wrong, 0);
}

/* Filters and labels that are no plain JSON could be read in two ways. */
static void test_malformed(void **state)
{
    (void)state;
    static const char *const targets[][2] = {
        {"GET", "/containers/json?filters=%7B"},
        {"GET", "/containers/json?filters=%5B%5D"},
        {"GET", "/containers/json?filters=%7B%22label%22%3A1%7D"},
        {"GET",
         "/containers/"
         "json?filters=%7B%22label%22%3A%5B%22a%22%5D%2C%22name%22%3A%7B%22b%22%3Atrue%7D%7D"},
        {"GET", "/events?filters=x"},
        {"POST", "/volumes/prune?filters=1"},
        {"POST", "/build?labels=%7B"},
    };
    static struct world world;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        world_decide(&world, OWNER, targets[i][0], targets[i][1], NONE, "mine");
        if (world.decision.verdict != VERDICT_DENY || world.decision.status != 400)
            fail_msg("%s: %d %s", targets[i][1], world.decision.status, world.decision.reason);
        world_end(&world);
    }
    world_decide(&world, OWNER, "POST", "/build?labels=%5B%5D", NONE, "mine");
    assert_int_equal(world.decision.verdict, VERDICT_DENY);
    assert_string_equal(world.decision.rule, "owner");
    world_end(&world);
    world_decide(&world, OWNER, "GET",
                 "/containers/json?filters=%7B%22label%22%3A%5B%22com.example.owner%3Dme%22%5D%7D",
                 NONE, "mine");
    assert_int_equal(world.decision.verdict, VERDICT_ALLOW);
    world_end(&world);
    world_decide(&world, OWNER, "GET", "/containers/json?filters=%7B%7D", NONE, "mine");
    assert_int_equal(world.decision.verdict, VERDICT_ALLOW);
    world_end(&world);
    world_decide(&world, OWNER, "POST", "/build?labels=%7B%22com.example.owner%22%3A%22me%22%7D",
                 NONE, "mine");
    assert_int_equal(world.decision.verdict, VERDICT_ALLOW);
    world_end(&world);
}

/* What the variables of owner.value stand for; what is not known of a client makes no owner. */
static void test_variables(void **state)
{
    (void)state;
    static const struct client_label labels[] = {
        {{"com.docker.compose.project", 26}, {"shop", 4}},
        {{"com.docker.compose.service", 26}, {"web", 3}},
    };
    const struct client_identity all = {.unix_peer = true,
                                        .uid = 1007,
                                        .address = STR("10.0.0.1"),
                                        .cert_cn = STR("alice"),
                                        .container_name = STR("shop-web-1"),
                                        .container_labels = labels,
                                        .container_label_count = ARRAY_LEN(labels)};
    const struct client_identity none = {.unix_peer = false};
    static const struct {
        const char *value, *expected;
    } values[] = {
        {"${client}", "ci"},        {"${cert_cn}", "alice"},
        {"${uid}", "1007"},         {"${address}", "10.0.0.1"},
        {"a-${uid}-b", "a-1007-b"}, {"${container_name}", "shop-web-1"},
        {"fixed", "fixed"},         {"${compose_project}/${compose_service}", "shop/web"},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct role role = {.owner = {.label = STR("a.b"), .value = str_of(values[i].value)}};
        struct arena arena = {0};
        assert_true(role_has_owner(&role));
        struct str known = policy_owner(&role, "ci", &all, &arena);
        assert_true(str_is(known, values[i].expected));
        struct str unknown = policy_owner(&role, NULL, &none, &arena);
        assert_true(strchr(values[i].value, '$') ? unknown.p == NULL : str_is(unknown, "fixed"));
        arena_free(&arena);
    }
    struct role plain = {.name = "plain"};
    assert_false(role_has_owner(&plain) || role_has_owner(NULL));
    assert_null(policy_owner(&plain, "ci", &all, NULL).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
