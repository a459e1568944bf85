/* `objects` and `owner`: how they are read, who a client is to them, and what they hide. What they
   let an operation do: test_facts.c and test_owner.c. */
#include "decide_helper.h"

#include "hide.h"

#define OWNER(value) "\"owner\":{\"label\":\"com.example.o\",\"value\":\"" value "\"}"

/* ---- what cannot be read --------------------------------------------------------------------- */

static bool load_says(const char *role, const char *part)
{
    static char text[GLOB_MAX + 512];
    struct err_list errors = {0};
    bool said = false;
    snprintf(text, sizeof text, "{\"version\":1,\"roles\":{\"default\":{%s}}}", role);
    struct policy *policy = policy_load(str_of(text), &errors);
    for (size_t i = 0; i < errors.count; i++)
        said = said || (!errors.items[i].warning && strstr(errors.items[i].err.text, part));
    if (policy || !said)
        print_error("%s: loaded %d, should say %s; says %s\n", role, policy != NULL, part,
                    errors.count ? errors.items[0].err.text : "nothing");
    policy_free(policy);
    err_list_free(&errors);
    return !policy && said;
}

static void slips_are_told(void **state)
{
    (void)state;
    // clang-format off
    static const struct {
        const char *role, *part;
    } slips[] = {
        {"\"objects\":[]", "objects expects an object"},
        {"\"objects\":{\"container\":{}}", "\"container\" in objects"},
        {"\"objects\":{\"containers\":[]}", "objects.containers expects an object of names and labels"},
        {"\"objects\":{\"containers\":{\"name\":[]}}", "\"name\" in objects.containers"},
        {"\"objects\":{\"containers\":{\"names\":\"x\"}}", "objects.containers.names expects a list of globs"},
        {"\"objects\":{\"containers\":{\"names\":[1]}}", "objects.containers.names expects globs"},
        {"\"objects\":{\"volumes\":{\"labels\":[]}}", "objects.volumes.labels expects an object of labels"},
        {"\"objects\":{\"volumes\":{\"labels\":{\"a\":1}}}", "label"},
        {"\"owner\":\"x\"", "owner expects an object of label and value"},
        {"\"owner\":{}", "owner has no \"label\""},
        {"\"owner\":{\"label\":\"a.b\"}", "owner has no \"value\""},
        {"\"owner\":{\"label\":\"a.b\",\"value\":\"x\",\"name\":1}", "\"name\" in owner"},
        {"\"owner\":{\"label\":1,\"value\":\"x\"}", "owner.label expects text"},
        {"\"owner\":{\"label\":\"\",\"value\":\"x\"}", "owner.label expects 1 to 256 bytes"},
        {"\"owner\":{\"label\":\"a.b\",\"value\":[]}", "owner.value expects text"},
        {"\"owner\":{\"label\":\"a.b\",\"value\":\"x\",\"images\":1}", "owner.images expects true or false"},
        {"\"owner\":{\"label\":\"a.b=c\",\"value\":\"x\"}", "holds a '='"},
        {"\"owner\":{\"label\":\"ab\",\"value\":\"x\"}", "holds no '.'"},
        {OWNER("$client"), "holds a '$'"}, {OWNER("${client"), "holds a '$'"},
        {OWNER("${who}"), "holds a '$'"},  {OWNER("a-${client}-$"), "holds a '$'"},
    };
    // clang-format on
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(slips); i++)
        wrong += !load_says(slips[i].role, slips[i].part);
    char role[1024], glob[401];
    memset(glob, 'a', sizeof glob - 1);
    glob[sizeof glob - 1] = '\0';
    snprintf(role, sizeof role, OWNER("%s"), glob);
    wrong += !load_says(role, "owner.value expects 1 to 256 bytes");
    assert_int_equal(wrong, 0);
}

static void long_globs_are_told(void **state)
{
    (void)state;
    static char role[GLOB_MAX + 256], glob[GLOB_MAX + 2];
    memset(glob, 'a', sizeof glob - 1);
    glob[sizeof glob - 1] = '\0';
    snprintf(role, sizeof role, "\"objects\":{\"containers\":{\"names\":[\"%s\"]}}", glob);
    assert_true(load_says(role, "the glob is too long"));
}

static void descriptions_may_stand(void **state)
{
    (void)state;
    const struct role *role = NULL;
    struct policy *policy = load_role_text(
        ROLE("\"objects\":{\"description\":\"d\",\"containers\":{\"description\":\"d\",\"names\":["
             "\"a?c\",\"b*\",\"*?\"],\"labels\":{\"x\":\"*\"}},\"images\":{\"names\":[]}},"
             "\"owner\":{"
             "\"description\":\"d\",\"label\":\"a.b\",\"value\":\"x\",\"images\":false}"),
        &role);
    assert_true(role_has_owner(role));
    assert_false(role_has_owner(NULL));
    policy_free(policy);
}

/* ---- who a client is ------------------------------------------------------------------------- */

static void owners_have_names(void **state)
{
    (void)state;
    const struct client_label compose[] = {
        {STR("com.docker.compose.project"), STR("shop")},
        {STR("com.docker.compose.service"), STR("api")},
    };
    struct client_identity known = {.unix_peer = true,
                                    .uid = 1000,
                                    .address = STR("10.0.0.1"),
                                    .cert_cn = STR("ci"),
                                    .container_name = STR("web"),
                                    .container_labels = compose,
                                    .container_label_count = ARRAY_LEN(compose)};
    const struct client_identity nobody = {.unix_peer = false};
    const struct client_identity root = {.unix_peer = true, .uid = 0};
    const struct client_identity last = {.unix_peer = true, .uid = UINT32_MAX - 1};
    const struct client_identity vague = {.unix_peer = true, .uid = UINT32_MAX};
    const struct {
        const char *value, *client;
        const struct client_identity *who;
        const char *owner; /* NULL: not known */
    } owners[] = {
        {"fixed", NULL, &nobody, "fixed"},
        {"${client}", "job-1", &nobody, "job-1"},
        {"${client}", NULL, &known, NULL},
        {"${client}", "", &known, NULL},
        {"a-${client}-b", "x", &known, "a-x-b"},
        {"${client}${uid}", "x", &known, "x1000"},
        {"${uid}", NULL, &known, "1000"},
        {"${uid}", NULL, &root, "0"},
        {"${uid}", NULL, &last, "4294967294"},
        {"${uid}", NULL, &vague, NULL},
        {"${uid}", NULL, &nobody, NULL},
        {"${cert_cn}", NULL, &known, "ci"},
        {"${cert_cn}", NULL, &nobody, NULL},
        {"${address}", NULL, &known, "10.0.0.1"},
        {"${address}", NULL, &nobody, NULL},
        {"${container_name}", NULL, &known, "web"},
        {"${compose_project}/${compose_service}", NULL, &known, "shop/api"},
        {"${compose_project}", NULL, &nobody, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        char text[512];
        const struct role *role = NULL;
        struct arena arena = {0};
        snprintf(text, sizeof text, ROLE(OWNER("%s")), owners[i].value);
        struct policy *policy = load_role_text(text, &role);
        struct str owner = policy_owner(role, owners[i].client, owners[i].who, &arena);
        if (owners[i].owner ? !str_is(owner, owners[i].owner) : owner.p != NULL)
            fail_msg("%s: %.*s", owners[i].value, STR_ARG(owner));
        arena_free(&arena);
        policy_free(policy);
    }
    struct arena arena = {0};
    assert_null(policy_owner(NULL, "x", &known, &arena).p);
    arena_free(&arena);
}

static void who_is_not_known_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {ROLE(OWNER("${client}")), "GET", "/v1.41/containers/json", "", VERDICT_DENY, "owner"},
        {ROLE(OWNER("${client}")), "GET", "/v1.41/containers/web/json", "", VERDICT_DENY, "owner"},
        {ROLE(OWNER("fixed")), CREATE, HOST(""), VERDICT_DENY, "owner"},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

/* ---- what is hidden -------------------------------------------------------------------------- */

static void roles_hide(void **state)
{
    (void)state;
    const struct role *role = NULL;
    struct hide hide;
    assert_false(role_hides(NULL, STR("me"), &hide));
    struct policy *policy = load_role_text(OPEN_ROLE, &role);
    assert_false(role_hides(role, STR(""), &hide));
    assert_true(policy_own_container(policy, STR("0123456789abcdef0123456789abcdef0123456789abcdef"
                                                 "0123456789abcdef")));
    assert_true(role_hides(role, STR(""), &hide));
    assert_int_equal(hide.own_container.n, 64);
    assert_null(hide.label.p);
    policy_free(policy);
    policy = load_role_text(ROLE(OWNER("fixed")), &role);
    assert_true(role_hides(role, STR("fixed"), &hide));
    assert_true(str_is(hide.label, "com.example.o") && str_is(hide.value, "fixed"));
    assert_false(hide.images);
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_are_told),
        cmocka_unit_test(long_globs_are_told),
        cmocka_unit_test(descriptions_may_stand),
        cmocka_unit_test(owners_have_names),
        cmocka_unit_test(who_is_not_known_is_refused),
        cmocka_unit_test(roles_hide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
