/* What loaded roles say: inheritance, merging, defaults, values, and the built-in roles. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- what a loaded role says ----------------------------------------------------------------- */

#define FAMILY                                                                                \
    "{\"version\":1,\"roles\":{"                                                              \
    "\"base\":{\"allow\":[\"@read\",\"ContainerCreate\"],\"deny\":[\"ContainerTop\"],"        \
    "\"open\":[\"ContainerTop?ps_args\"],\"archive\":true,\"api\":{\"min\":\"1.30\"},"        \
    "\"containers\":{\"binds\":[\"/base/"                                                     \
    "**\"],\"cap_add\":[\"chown\"],\"user\":{\"deny\":[\"root\"]}}},"                         \
    "\"other\":{\"allow\":[\"ContainerTop\",\"ContainerLogs\"],\"unknown_fields\":\"allow\"," \
    "\"open\":[\"ContainerTop?ps_args\"],"                                                    \
    "\"containers\":{\"binds\":[\"/other/**\"]}},"                                            \
    "\"default\":{\"extends\":[\"base\",\"other\"],\"allow\":[\"ContainerTop\"],"             \
    "\"deny\":[\"ContainerLogs\"],\"unknown_fields\":\"deny\",\"api\":{\"max\":\"1.45\"},"    \
    "\"containers\":{\"cap_add\":[]}},"                                                       \
    "\"root\":{\"extends\":\"builtin:all\",\"deny\":[\"Swarm*\"]},"                           \
    "\"heir\":{\"extends\":\"root\"}}}"
#define WITH(group, text) ROLE("{\"" group "\":{" text "}}")

static const struct {
    const char *text;
    const char *role;
    const char *probe;
    const char *expected;
} probe_rows[] = {
    /* inheritance */
    {FAMILY, "default", "op ContainerList", "allowed"},
    {FAMILY, "default", "op ContainerTop", "denied"},
    {FAMILY, "default", "op ContainerLogs", "denied"},
    {FAMILY, "other", "op ContainerLogs", "allowed"},
    {FAMILY, "default", "op ContainerCreate", "allowed"},
    {FAMILY, "default", "op ContainerStart", "not allowed"},
    {FAMILY, "default", "containers.binds", "set allow[/other/**]"},
    {FAMILY, "default", "containers.cap_add", "set"},
    {FAMILY, "base", "containers.cap_add", "set allow[CHOWN]"},
    {FAMILY, "default", "containers.user", "set any deny[root]"},
    {FAMILY, "default", "open", "ContainerTop?ps_args"},
    {FAMILY, "default", "archive", "true"},
    {FAMILY, "other", "archive", "fixed"},
    {FAMILY, "default", "unknown_fields", "deny"},
    {FAMILY, "other", "unknown_fields", "allow"},
    {FAMILY, "default", "api", "30-45"},
    {FAMILY, "other", "api", "24-99"},
    {FAMILY, "root", "unrestricted", "true"},
    {FAMILY, "heir", "unrestricted", "true"},
    {FAMILY, "default", "unrestricted", "false"},
    {FAMILY, "heir", "op SwarmInit", "denied"},
    {FAMILY, "heir", "op PluginPull", "allowed"},
    {FAMILY, "heir", "containers.privileged", "set any"},
    {ROLE("{\"allow\":[\"Container*\"],\"deny\":[\"@exec\"]}"), "default", "op ContainerExec",
     "denied"},
    {ROLE("{\"allow\":[\"Container*\"],\"deny\":[\"@exec\"]}"), "default", "op ContainerStart",
     "allowed"},
    {ROLE("{\"allow\":[\"?xecStart\"]}"), "default", "op ExecStart", "allowed"},

    /* defaults */
    {ROLE("{}"), "default", "containers.privileged", ""},
    {ROLE("{}"), "default", "containers.cap_drop", "any"},
    {ROLE("{}"), "default", "containers.volumes", "any"},
    {ROLE("{}"), "default", "containers.volume_drivers", "allow[,local]"},
    {ROLE("{}"), "default", "containers.security_opt",
     "allow[no-new-privileges,no-new-privileges=true]"},
    {ROLE("{}"), "default", "containers.ports", "allow[1024-65535]"},
    {ROLE("{}"), "default", "containers.log_options", ""},
    {ROLE("{}"), "default", "containers.mem_limit", "any"},
    {ROLE("{}"), "default", "containers.read_only", "any"},
    {ROLE("{}"), "default", "exec.privileged", ""},
    {ROLE("{}"), "default", "images.allow", "allow[**]"},
    {ROLE("{}"), "default", "images.import", "any"},
    {ROLE("{}"), "default", "networks.subnets", ""},
    {ROLE("{}"), "default", "op SystemPing", "not allowed"},

    /* shapes */
    {WITH("containers", "\"log_options\":[]"), "default", "containers.log_options", "set"},
    {WITH("containers", "\"security_opt\":{\"require\":[\"no-new-privileges:true\"]}"), "default",
     "containers.security_opt",
     "set allow[no-new-privileges,no-new-privileges=true] require[no-new-privileges=true]"},
    {WITH("containers", "\"security_opt\":[\"seccomp:unconfined\",\"label=a:b\"]"), "default",
     "containers.security_opt", "set allow[seccomp=unconfined,label=a:b]"},
    {WITH("containers", "\"sysctls\":[\"net/core/*\"]"), "default", "containers.sysctls",
     "set allow[net.core.*]"},
    {WITH("containers", "\"cap_add\":[\"cap_net_admin\",\"CAP_CHOWN\",\"all\",\"SYS_*\"]"),
     "default", "containers.cap_add", "set allow[NET_ADMIN,CHOWN,ALL,SYS_*]"},
    {WITH("containers", "\"cap_drop\":{\"require\":[\"all\"]}"), "default", "containers.cap_drop",
     "set any require[ALL]"},
    {WITH("containers", "\"binds\":[{\"source\":\"/a\",\"read_only\":true},\"/b\"]"), "default",
     "containers.binds", "set allow[/a(ro),/b]"},
    {WITH("containers", "\"labels\":{\"require\":{\"team\":\"*\"},\"deny\":[\"traefik.*\"]}"),
     "default", "containers.labels", "set any deny[traefik.*] require[team,*]"},
    {WITH("containers", "\"env\":{\"allow\":[\"A*\"],\"deny\":[\"AB\"]}"), "default",
     "containers.env", "set allow[A*] deny[AB]"},
    {WITH("containers", "\"read_only\":{\"require\":true}"), "default", "containers.read_only",
     "set any required"},
    {WITH("containers", "\"mem_limit\":{\"max\":\"2g\",\"require\":true}"), "default",
     "containers.mem_limit", "set any required max=2147483648"},
    {WITH("containers", "\"mem_limit\":{\"max\":\"3MiB\"}"), "default", "containers.mem_limit",
     "set any max=3145728"},
    {WITH("containers", "\"shm_size\":{\"max\":65536}"), "default", "containers.shm_size",
     "set any max=65536"},
    {WITH("containers", "\"shm_size\":{\"max\":\"64kb\"}"), "default", "containers.shm_size",
     "set any max=65536"},
    {WITH("containers", "\"cpus\":{\"max\":1.5}"), "default", "containers.cpus",
     "set any max=1500000000"},
    {WITH("containers", "\"cpus\":{\"max\":\"0.000000001\"}"), "default", "containers.cpus",
     "set any max=1"},
    {WITH("containers", "\"pids_limit\":{\"max\":100}"), "default", "containers.pids_limit",
     "set any max=100"},
    {WITH("containers", "\"network_mode\":false"), "default", "containers.network_mode", "set"},
    {WITH("networks", "\"internal\":{\"require\":true}"), "default", "networks.internal",
     "set any required"},

    /* images */
    {WITH("images", "\"allow\":[\"nginx\",\"me/app\",\"r.example.com/**\",\"localhost/a\","
                    "\"localhost:5000/**\",\"index.docker.io/nginx\",\"docker.io/me/*\",\"**/x\","
                    "\"ngi*\",\"docker.io/**\"]"),
     "default", "images.allow",
     "set allow[docker.io/library/nginx,docker.io/me/app,r.example.com/**,localhost/a,"
     "localhost:5000/**,docker.io/library/nginx,docker.io/me/*,**/x,docker.io/library/ngi*,"
     "docker.io/**]"},
    {WITH("images", "\"allow\":[\"**\"]"), "default", "images.import", "any"},
    {WITH("images", "\"allow\":true"), "default", "images.import", "any"},
    {WITH("images", "\"allow\":[\"nginx\"]"), "default", "images.import", ""},
    {WITH("images", "\"deny\":[\"nginx\"]"), "default", "images.import", ""},
    {WITH("images", "\"require_digest\":true"), "default", "images.import", ""},
    {WITH("images", "\"deny_tags\":[\"latest\"]"), "default", "images.import", ""},
    {WITH("images", "\"allow\":[\"nginx\"],\"import\":true"), "default", "images.import",
     "set any"},
    {"{\"version\":1,\"roles\":{\"a\":{\"images\":{\"allow\":[\"a\"]}},"
     "\"default\":{\"extends\":\"a\",\"images\":{\"allow\":[\"**\"]}}}}",
     "default", "images.import", "any"},
    {ROLE("{\"extends\":\"builtin:all\",\"images\":{\"allow\":[\"nginx\"]}}"), "default",
     "images.import", ""},

    /* finding roles */
    {ROLES("\"read-only\":{}"), "read-only", "name", "read-only"},
    {ROLES("\"read-only\":{}"), "builtin:read-only", "name", "builtin:read-only"},
    {ROLE("{}"), "read-only", "name", "builtin:read-only"},
    {ROLE("{}"), "default", "name", "default"},
    {ROLE("{}"), "nobody", "name", "(none)"},
    {ROLE("{}"), "", "name", "(none)"},

    /* built-in roles */
    {ROLE("{}"), "builtin:default", "op ContainerCreate", "allowed"},
    {ROLE("{}"), "builtin:default", "op ContainerUpdate", "allowed"},
    {ROLE("{}"), "builtin:default", "op ContainerArchive", "not allowed"},
    {ROLE("{}"), "builtin:default", "op PutContainerArchive", "not allowed"},
    {ROLE("{}"), "builtin:default", "op ImageBuild", "not allowed"},
    {ROLE("{}"), "builtin:default", "op ImageLoad", "not allowed"},
    {ROLE("{}"), "builtin:default", "op ImagePush", "not allowed"},
    {ROLE("{}"), "builtin:default", "op ContainerPrune", "not allowed"},
    {ROLE("{}"), "builtin:default", "op Session", "not allowed"},
    {ROLE("{}"), "builtin:default", "archive", "fixed"},
    {ROLE("{\"archive\":false}"), "default", "archive", "false"},
    {ROLE("{\"archive\":\"fixed\"}"), "default", "archive", "fixed"},
    {ROLE("{}"), "builtin:read-only", "op ContainerInspect", "allowed"},
    {ROLE("{}"), "builtin:read-only", "op ContainerLogs", "not allowed"},
    {ROLE("{}"), "builtin:read-only", "op ContainerStart", "not allowed"},
    {ROLE("{}"), "builtin:all", "op Grpc", "allowed"},
    {ROLE("{}"), "builtin:all", "archive", "true"},
    {ROLE("{}"), "builtin:all", "unknown_fields", "allow"},
    {ROLE("{}"), "builtin:all", "unrestricted", "true"},
};

struct text {
    char p[1024];
    size_t n;
};

static void put(struct text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    out->n += (size_t)vsnprintf(out->p + out->n, sizeof out->p - out->n, format, args);
    va_end(args);
    assert_true(out->n < sizeof out->p);
}

static void put_entries(struct text *out, const char *word, const struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *e = &entries->items[i];
        bool wild = memchr(e->text.p, '*', e->text.n) || memchr(e->text.p, '?', e->text.n);
        assert_int_equal(e->literal, !wild);
        put(out, "%s%.*s%s", i ? "," : "", STR_ARG(e->text), e->read_only ? "(ro)" : "");
        if (i == 0) { /* the word goes before the first */
            struct text rest = {0};
            put(&rest, "%.*s%s", STR_ARG(e->text), e->read_only ? "(ro)" : "");
            out->n -= rest.n;
            put(out, "%s%s[%s", out->n ? " " : "", word, rest.p);
        }
    }
    if (entries->count)
        put(out, "]");
}

static void put_constraint(struct text *out, const struct constraint *c)
{
    if (c->set)
        put(out, "set");
    if (c->any)
        put(out, "%sany", out->n ? " " : "");
    if (c->required)
        put(out, "%srequired", out->n ? " " : "");
    put_entries(out, "allow", &c->allow);
    put_entries(out, "deny", &c->deny);
    put_entries(out, "require", &c->require);
    if (c->has_max)
        put(out, "%smax=%lld", out->n ? " " : "", (long long)c->max);
}

static void put_op(struct text *out, const struct role *role, const char *name)
{
    static const char *const words[] = {"not allowed", "allowed", "denied"};
    for (enum operation op = 0; op < OP_COUNT; op++)
        if (strcmp(name, operation_name(op)) == 0)
            put(out, "%s", words[role->ops[op]]);
}

static void put_probe(struct text *out, const struct role *role, const char *probe)
{
    if (!role) {
        put(out, "(none)");
        return;
    }
    for (enum key key = 0; key < KEY_COUNT; key++)
        if (strcmp(probe, key_path(key)) == 0)
            put_constraint(out, &role->keys[key]);
    if (strncmp(probe, "op ", 3) == 0)
        put_op(out, role, probe + 3);
    else if (strcmp(probe, "name") == 0)
        put(out, "%s", role_name(role));
    else if (strcmp(probe, "api") == 0)
        put(out, "%d-%d", role->api_min, role->api_max);
    else if (strcmp(probe, "archive") == 0)
        put(out, "%s",
            role->archive == ARCHIVE_ALWAYS  ? "true"
            : role->archive == ARCHIVE_NEVER ? "false"
                                             : "fixed");
    else if (strcmp(probe, "unknown_fields") == 0)
        put(out, "%s", role->unknown_fields ? "allow" : "deny");
    else if (strcmp(probe, "unrestricted") == 0)
        put(out, "%s", role->unrestricted ? "true" : "false");
    else if (strcmp(probe, "open") == 0)
        for (size_t i = 0; i < role->open_count; i++)
            put(out, "%s%.*s", i ? "," : "", STR_ARG(role->open[i]));
}

static void test_probes(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(probe_rows); i++) {
        static char shown[4096];
        struct err_list errors = {0};
        struct text got = {0};
        struct policy *policy = policy_load(str_of(probe_rows[i].text), &errors);
        print_errors(&errors, shown, sizeof shown);
        if (policy)
            put_probe(&got, policy_role(policy, str_of(probe_rows[i].role)), probe_rows[i].probe);
        if (!policy || strcmp(got.p, probe_rows[i].expected) != 0) {
            print_error("%s\n  role %s, %s: got '%s', expected '%s' %s\n", probe_rows[i].text,
                        probe_rows[i].role, probe_rows[i].probe, got.p, probe_rows[i].expected,
                        shown);
            failed++;
        }
        policy_free(policy);
        err_list_free(&errors);
    }
    assert_int_equal(failed, 0);
}

/* ---- built-in roles and the questions -------------------------------------------------------- */

static void test_builtin(void **state)
{
    (void)state;
    struct policy *policy = policy_builtin();
    assert_non_null(policy);
    assert_int_equal(policy_role_count(policy), 3); /* the others cost nothing */
    assert_string_equal(role_name(policy_default_role(policy)), "builtin:default");
    size_t count = 0;
    for (; builtin_role_name(count); count++) {
        const char *name = builtin_role_name(count);
        struct str gist = builtin_role_gist(count);
        if (gist.n < 10 || gist.n > 120 || memchr(gist.p, '\\', gist.n))
            fail_msg("%s has no plain sentence of at most 120 bytes to begin with", name);
        const struct role *role = policy_want_role(policy, str_of(name));
        assert_non_null(role);
        assert_ptr_equal(policy_want_role(policy, str_of(role_name(role))), role);
        assert_ptr_equal(policy_role(policy, str_of(name)), role);
    }
    assert_int_equal(policy_role_count(policy), count);
    assert_null(policy_role_at(policy, count));
    assert_null(policy_want_role(policy, STR("builtin:")));
    assert_null(policy_want_role(policy, STR("")));
    policy_free(policy);

    struct err_list errors = {0};
    policy = policy_load(STR("{\"version\":1,\"roles\":{\"a\":{}}}"), &errors);
    assert_non_null(policy);
    assert_null(policy_default_role(policy));
    assert_string_equal(role_name(policy_role_at(policy, 0)), "a");
    policy_free(policy);
    err_list_free(&errors);
}

/* A policy has the built-in roles that something names, and their parents, each once. */
static void test_builtin_named(void **state)
{
    (void)state;
    struct err_list errors = {0};
    struct policy *policy = policy_load(
        STR("{\"version\":1,\"clients\":["
            "{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"builtin:dozzle-actions\"},"
            "{\"name\":\"b\",\"match\":{\"uid\":2},\"role\":\"builtin:dozzle\"}],"
            "\"roles\":{\"default\":{\"extends\":[\"builtin:cis\",\"builtin:traefik\"]}}}"),
        &errors);
    assert_non_null(policy);
    assert_int_equal(errors.count, 0);
    static const char *const expected[] = {
        "default",     "builtin:default", "builtin:read-only",      "builtin:all",
        "builtin:cis", "builtin:traefik", "builtin:dozzle-actions", "builtin:dozzle"};
    assert_int_equal(policy_role_count(policy), ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(role_name(policy_role_at(policy, i)), expected[i]);
    const struct role *dozzle = policy_role(policy, STR("builtin:dozzle-actions"));
    assert_int_equal(dozzle->ops[OP_ContainerLogs], OP_ALLOWED);
    assert_int_equal(dozzle->ops[OP_ContainerRestart], OP_ALLOWED);
    assert_int_equal(dozzle->ops[OP_ContainerExec], OP_NOT_ALLOWED);
    assert_null(policy_role(policy, STR("watchtower")));
    assert_null(policy_want_role(policy, STR("watchtower"))); /* a role that the file lacks */
    const struct role *watchtower = policy_want_role(policy, STR("builtin:watchtower"));
    assert_non_null(watchtower);
    assert_true(policy_is_file(policy));
    assert_ptr_equal(watchtower->own, dozzle->own);
    assert_string_equal(role_name(policy_want_role(policy, STR("default"))), "default");
    policy_free(policy);
    err_list_free(&errors);
}

/* Folders of built-in roles count where somebody gets the role, not where another extends it. */
static void test_builtin_trees(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted, *folder;
    } rows[] = {
        {"{\"version\":1,\"roles\":{\"default\":{\"extends\":\"builtin:agent\"}}}", NULL,
         "/srv/agent/project"},
        {"{\"version\":1,\"roles\":{\"default\":{\"extends\":\"builtin:agent\","
         "\"containers\":{\"binds\":[\"/a\"]}}}}",
         NULL, "/a"},
        {"{\"version\":1,\"clients\":[{\"name\":\"a\",\"match\":{\"uid\":1},"
         "\"role\":\"builtin:agent\"}]}",
         NULL, "/srv/agent/project"},
        {"{\"version\":1,\"roles\":{\"default\":{}}}", "builtin:agent", "/srv/agent/project"},
        {"{\"version\":1,\"roles\":{\"default\":{}}}", "builtin:jenkins", "/srv/jenkins/workspace"},
        {"{\"version\":1,\"roles\":{\"default\":{\"containers\":{\"binds\":[\"/*\"]}}}}", NULL,
         "/"},
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct err_list errors = {0};
        struct policy *policy = policy_load(str_of(rows[r].text), &errors);
        struct bind_tree tree, found = {.writable = false};
        size_t count = 0;
        assert_non_null(policy);
        if (rows[r].wanted)
            assert_non_null(policy_want_role(policy, str_of(rows[r].wanted)));
        for (size_t role = 0; role < policy_role_count(policy); role++)
            for (size_t i = 0; policy_bind_tree(policy, role, i, &tree); i++, count++)
                found = tree;
        assert_int_equal(count, 1);
        assert_true(str_is(found.folder, rows[r].folder));
        assert_false(policy_bind_tree(policy, policy_role_count(policy), 0, &tree));
        policy_free(policy);
        err_list_free(&errors);
    }
}

/* builtin:all leaves nothing restricted: a new key must be added to it. But for
   builds.unconstrained, which says nothing where nothing is constrained, and where an heir writes
   constraints it must not say that builds need not obey them. */
static void test_builtin_all_is_open(void **state)
{
    (void)state;
    struct policy *policy = policy_builtin();
    assert_non_null(policy);
    const struct role *all = policy_role(policy, STR("all"));
    for (enum key key = 0; key < KEY_COUNT; key++) {
        const struct constraint *c = &all->keys[key];
        bool is_rule = key == KEY_IMAGES_ALLOW || key == KEY_IMAGES_DENY ||
                       key == KEY_IMAGES_DENY_TAGS || key == KEY_IMAGES_REQUIRE_DIGEST ||
                       key == KEY_IMAGES_SIGNED;
        bool open = is_rule ? !c->set : c->any && !c->deny.count;
        if (key == KEY_BUILDS_UNCONSTRAINED)
            open = !c->set;
        if (!open || c->required || c->require.count || c->has_max)
            fail_msg("builtin:all restricts %s", key_path(key));
    }
    for (enum operation op = 0; op < OP_COUNT; op++)
        assert_int_equal(all->ops[op], OP_ALLOWED);
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_builtin_named),
        cmocka_unit_test(test_builtin_trees),
        cmocka_unit_test(test_builtin_all_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
