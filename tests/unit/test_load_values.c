/* What the loader says of values: slips in JSON with their remedy, registries and tags that are
   none, words that people use, values that can match nothing, binds that give the host away. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A role that may all, so that no group is without effect. */
#define WITH(group, members) ROLE("{\"allow\":[\"*\"],\"" group "\":{" members "}}")
#define CLIENT(match)                                              \
    "{\"version\":1,\"clients\":[{\"name\":\"a\",\"match\":" match \
    ",\"role\":\"default\"}],\"roles\":{\"default\":{}}}"
#define BINDS(entries) WITH("containers", "\"binds\":[" entries "]")
#define AWAY           " for writing, which gives the host away"
#define UNKNOWN(what)  " is not the name of " what " that this version knows"
#define COMMENT        "JSON has no comments: write a \"description\", which any object may hold"
#define YAML           "this looks like YAML, and only JSON is read"
#define REGISTRY(t)    "\"" t "\" is a registry; write \"" t "/**\""
#define TAG(t, instead) \
    "\"" t "\" is no tag, and would deny nothing; write the tag alone, such as \"" instead "\""

#define HEARD(listener)                                                             \
    "{\"version\":1,\"clients\":[{\"name\":\"a\",\"match\":{\"listener\":" listener \
    "},\"role\":\"default\"}],"                                                     \
    "\"roles\":{\"default\":{\"allow\":[\"*\"],\"containers\":{\"binds\":[\"/run/"  \
    "docker.sock\"]}}}}"

/* clang-format off */
static const struct {
    const char *text;
    const char *words; /* of the first sentence; "": there is none */
    bool error;
} rows[] = {
    /* JSON */
    {"{\"version\":1,}", "got \"}\"; remove the comma before it", true},
    {"{\"roles\":[1,\n ]}", "got \"]\"; remove the comma before it", true},
    {"{\"version\":1, // x\n}", COMMENT, true},
    {"{\"version\":1, /* x */\n}", COMMENT, true},
    {"# a policy\nversion: 1\n", COMMENT, true},
    {"{\n\"a\":1,\n# x\n\"b\":1}", COMMENT, true},
    {"version: 1\n", YAML, true},
    {"---\nversion: 1\n", YAML, true},
    {" \n name: x\n", YAML, true},
    {"{'version':1}", "write double quotes instead of single ones", true},
    {"{\"a\":'x'}", "write double quotes instead of single ones", true},
    {"{version:1}", "names and texts stand in double quotes", true},
    {"{\"a\":1,b:2}", "names and texts stand in double quotes", true},
    {"{\"a\":True}", "; write true in small letters", true},
    {"{\"a\": FALSE}", "; write false in small letters", true},
    {"{\"a\":[yes]}", "; write true", true},
    {"{\"a\":no}", "; write false", true},
    {"{\"a\":None}", "leave a key out that has no value", true},
    {"{\"a\":nginx}", "texts stand in double quotes", true},
    {"{\"a\":-}", "expected a digit", true},
    {"{\"a\":", "got the end of the text", true},
    {"", "got an empty text", true},
    {"[", "got the end of the text", true},
    {"{\"a\":1 b}", "after a member, got \"b\"", true},
    {"{\"policy\":\"p.json\",\"cases\":[]}", "looks like a file of cases: `sockwarden test` runs these", true},
    {"{\"version\":1,\"roles\":{\"default\":{}},\"cases\":[]}", "unknown key \"cases\" in the policy", true},

    /* registries and tags */
    {WITH("images", "\"deny\":[\"docker.io\"]"), "images.deny: " REGISTRY("docker.io"), true},
    {WITH("images", "\"allow\":[\"ghcr.io\"]"), "images.allow: " REGISTRY("ghcr.io"), true},
    {WITH("images", "\"allow\":[\"localhost\"]"), REGISTRY("localhost"), true},
    {WITH("images", "\"allow\":[\"localhost:80\"]"), REGISTRY("localhost:80"), true},
    {WITH("images", "\"allow\":[\"reg:5000\"]"), REGISTRY("reg:5000"), true},
    {WITH("images", "\"allow\":[\"r.example.com:443\"]"), REGISTRY("r.example.com:443"), true},
    {WITH("images", "\"allow\":[\"redis:7\"]"), "names a tag", true},
    {WITH("images", "\"allow\":[\"reg:latest\"]"), "names a tag", true},
    {WITH("images", "\"allow\":[\"reg:\"]"), "images.allow", true},
    {WITH("images", "\"allow\":[\"docker.io/**\",\"nginx\",\"**\",\"localhost/a\",\"**.io\"]"), "", false},
    {WITH("images", "\"deny_tags\":[\"nginx:latest\"]"), "images.deny_tags: " TAG("nginx:latest", "latest"), true},
    {WITH("images", "\"deny_tags\":[\"a.b/c:dev-*@sha256:00\"]"), TAG("a.b/c:dev-*@sha256:00", "dev-*"), true},
    {WITH("images", "\"deny_tags\":[\"lib/dev\"]"), TAG("lib/dev", "latest"), true},
    {WITH("images", "\"deny_tags\":[\":edge\"]"), TAG(":edge", "edge"), true},
    {WITH("images", "\"deny_tags\":[\"\"]"), TAG("", "latest"), true},
    {WITH("images", "\"deny_tags\":[\".x\"]"), TAG(".x", "latest"), true},
    {WITH("images", "\"deny_tags\":[\"-x\"]"), TAG("-x", "latest"), true},
    {WITH("images", "\"deny_tags\":[\"a b\"]"), TAG("a b", "latest"), true},
    {WITH("images", "\"deny_tags\":[\"latest\",\"dev*\",\"v?.1_x-Z\",\"**\"]"), "", false},

    /* words that people use */
    {WITH("containers", "\"memory\":\"1g\""), "unknown key \"memory\" in containers; did you mean \"mem_limit\"?", true},
    {WITH("containers", "\"Network\":true"), "did you mean \"network_mode\"?", true},
    {WITH("images", "\"memory\":\"1g\""), "unknown key \"memory\" in images", true},
    {CLIENT("{\"ip\":\"10.0.0.1\"}"), "did you mean \"address\"?", true},
    {CLIENT("{\"user\":1}"), "did you mean \"uid\"?", true},
    {BINDS("{\"source\":\"/a\",\"path\":\"/x\"}"), "did you mean \"source\"?", true},
    {ROLE("{\"allow\":[\"@write\"]}"), "unknown class \"@write\"; the classes are @ping, @read, @content, @control, @exec, @create, @build, @delete, @registry, @swarm, @admin", true},

    /* words that no list can match */
    {WITH("containers", "\"cap_add\":[\"NET_BIND_SERVCE\"]"), "containers.cap_add: \"NET_BIND_SERVCE\"" UNKNOWN("a capability") "; did you mean \"NET_BIND_SERVICE\"?", false},
    {WITH("containers", "\"cap_drop\":{\"require\":[\"EVERYTHING\"]}"), "containers.cap_drop: \"EVERYTHING\"" UNKNOWN("a capability"), false},
    {WITH("containers", "\"cap_add\":[\"cap_chown\",\"Net_Admin\",\"ALL\",\"SYS_*\",\"CHECKPOINT_RESTORE\"]"), "", false},
    {WITH("containers", "\"restart\":[\"allways\"]"), "containers.restart: \"allways\"" UNKNOWN("a restart policy") "; did you mean \"always\"?", false},
    {WITH("containers", "\"restart\":[\"on-failure:3\"]"), UNKNOWN("a restart policy"), false},
    {WITH("containers", "\"restart\":[\"\",\"no\",\"always\",\"on-failure\",\"unless-stopped\",\"un*\"]"), "", false},
    {WITH("nodes", "\"roles\":[\"Manager\"]"), "nodes.roles: \"Manager\"" UNKNOWN("a role of nodes") "; did you mean \"manager\"?", false},
    {WITH("nodes", "\"roles\":[\"manager\",\"worker\",\"\"]"), "", false},

    /* names */
    {WITH("containers", "\"names\":[\"/web\"]"), "containers.names: \"/web\" can match nothing: names are compared without a '/' in front", false},
    {WITH("networks", "\"names\":[\"/web\"]"), "networks.names: \"/web\" can match nothing", false},
    {WITH("containers", "\"names\":[\"ci-[a-z]*\"]"), "\"ci-[a-z]*\" stands for itself: only *, ** and ? are globs", false},
    {WITH("containers", "\"env\":{\"deny\":[\"AWS_{ID,KEY}\"]}"), "containers.env: \"AWS_{ID,KEY}\" stands for itself", false},
    {WITH("containers", "\"labels\":[\"/x\"]"), "", false},
    {WITH("containers", "\"names\":[\"web-*\",\"\"],\"labels\":{\"require\":{\"a[b\":\"*\"}}"), "", false},

    /* address ranges */
    {WITH("networks", "\"subnets\":[\"10.1.2.3/16\"]"), "networks.subnets: \"10.1.2.3/16\" is an address within its range", false},
    {WITH("networks", "\"subnets\":[\"fd00::1/8\"]"), "\"fd00::1/8\" is an address within its range", false},
    {WITH("networks", "\"subnets\":[\"10.1.0.0/16\",\"10.1.2.3\",\"fd00::/8\",\"0.0.0.0/0\",\"::/0\",\"10.0.0.1/32\"]"), "", false},
    {CLIENT("{\"address\":\"10.1.2.3/8\"}"), "address is as good as the network is", false},

    /* binds */
    {BINDS("\"/etc/**\""), "containers.binds: \"/etc/**\" opens /etc" AWAY, false},
    {BINDS("\"/etc/*\""), "opens /etc" AWAY, false},
    {BINDS("\"/etc\""), "opens /etc" AWAY, false},
    {BINDS("\"/\""), "\"/\" opens /etc, /root, /usr" AWAY, false},
    {BINDS("\"/**\""), "\"/**\" opens /etc, /root, /usr" AWAY, false},
    {WITH("containers", "\"binds\":true"), "containers.binds: true opens /etc, /root, /usr" AWAY, false},
    {BINDS("\"/var\""), "\"/var\" opens /var/spool/cron" AWAY, false},
    {BINDS("\"/var/**\""), "opens /var/spool/cron" AWAY, false},
    {BINDS("\"/home/**\""), "opens /home" AWAY, false},
    {BINDS("\"/boot\""), "opens /boot" AWAY, false},
    {BINDS("\"/bin\""), "opens /bin" AWAY, false},
    {BINDS("\"/sbin\""), "opens /sbin" AWAY, false},
    {BINDS("\"/lib\""), "opens /lib" AWAY, false},
    {BINDS("{\"source\":\"/root\"}"), "\"/root\" opens /root" AWAY, false},
    {BINDS("{\"source\":\"/root\",\"read_only\":false}"), "opens /root" AWAY, false},
    {BINDS("{\"source\":\"/etc\",\"read_only\":true}"), "", false},
    {BINDS("\"/srv/**\",\"/etc/localtime\",\"/home/ci/**\",\"/usr/share/zoneinfo\",\"/library\",\"/v\",\"/va\""), "", false},
    {WITH("containers", "\"binds\":false"), "", false},

    /* the daemon's socket, which only an entry opens that is written out */
    {BINDS("\"/run\""), "containers.binds: \"/run\" holds the daemon's socket: with it", false},
    {BINDS("\"/var/run\""), "\"/var/run\" holds the daemon's socket", false},
    {BINDS("{\"source\":\"/\",\"read_only\":true}"), "\"/\" holds the daemon's socket", false},
    {BINDS("\"/run/docker.sock\""), "\"/run/docker.sock\" is the daemon's socket, unless the proxy listens there", false},
    {BINDS("{\"source\":\"/var/run/docker.sock\",\"read_only\":true}"), "is the daemon's socket", false},
    {BINDS("\"/run/**\",\"/var/run/*\",\"/**/docker.sock\",\"/run/sockwarden/docker.sock\",\"/running\""), "", false},

    {HEARD("\"unix:///run/ci.sock\""), "is the daemon's socket, unless", false},
    {HEARD("\"unix:///**\""), "is the daemon's socket, unless", false},
    {HEARD("\"unix:///var/run/docker.sock\""), "", false},
    {HEARD("[\"unix:///run/ci.sock\",\"unix:///run/docker.sock\"]"), "", false},

    /* commands and their environment */
    {WITH("exec", "\"commands\":[\"ls\"]"), "exec.commands limits what runs, and exec.env allows LD_PRELOAD and PATH, by which", false},
    {WITH("exec", "\"commands\":[\"/bin/ls\"]"), "exec.env allows LD_PRELOAD, by which", false},
    {WITH("exec", "\"commands\":[\"ls\"],\"env\":{\"deny\":[\"LD_*\"]}"), "exec.env allows PATH, by which", false},
    {WITH("exec", "\"commands\":[\"*/ls\"],\"env\":[\"P*\"]"), "exec.env allows PATH, by which", false},
    {WITH("exec", "\"commands\":[\"/bin/ls\"],\"env\":{\"deny\":[\"LD_*\"]}"), "", false},
    {WITH("exec", "\"commands\":[\"ls\"],\"env\":{\"deny\":[\"LD_*\",\"PATH\"]}"), "", false},
    {WITH("exec", "\"commands\":[\"ls\"],\"env\":[\"APP_*\"]"), "", false},
    {WITH("exec", "\"commands\":[\"ls\"],\"env\":false"), "", false},
    {WITH("exec", "\"commands\":[]"), "", false},
    {WITH("exec", "\"commands\":[\"**\"]"), "", false},
    {WITH("exec", "\"commands\":true"), "", false},
    {WITH("exec", "\"env\":true"), "", false},
};
/* clang-format on */

static void test_rows(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err_list errors = {0};
        struct policy *policy = policy_load(str_of(rows[i].text), &errors);
        const char *first = errors.count > 0 ? errors.items[0].err.text : "";
        bool said = rows[i].words[0] ? strstr(first, rows[i].words) != NULL : errors.count == 0;
        if (!said || (policy == NULL) != rows[i].error) {
            print_error("%s\n    got %s\n    expected %s\n", rows[i].text, first, rows[i].words);
            failed++;
        }
        policy_free(policy);
        err_list_free(&errors);
    }
    assert_int_equal(failed, 0);
}

/* A list of addresses has a warning for each that is none's first. */
static void test_addresses(void **state)
{
    (void)state;
    static char got[2048];
    struct err_list errors = {0};
    struct policy *policy = policy_load(
        STR(CLIENT("{\"address\":[\"10.1.2.3/8\",\"10.0.0.0/8\",\"::1/64\"]}")), &errors);
    print_errors(&errors, got, sizeof got);
    assert_non_null(policy);
    assert_non_null(strstr(got, "address: \"10.1.2.3/8\" is an address within its range"));
    assert_non_null(strstr(got, "address: \"::1/64\" is an address within its range"));
    assert_null(strstr(got, "\"10.0.0.0/8\" is"));
    policy_free(policy);
    err_list_free(&errors);
}

/* The built-in roles and their words are all known; each rule stands once. */
static void test_rules(void **state)
{
    (void)state;
    size_t count = 0;
    for (; policy_rule(count); count++)
        for (size_t i = 0; i < count; i++)
            assert_string_not_equal(policy_rule(i), policy_rule(count));
    assert_int_equal(count, KEY_COUNT + 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
