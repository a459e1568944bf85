/* Who gets which role: identities against `clients`. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEX64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UPPER64 "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"

/* One entry "a" with this match; who is not matched gets the role default. */
#define MATCH(text)                                                                    \
    "{\"version\":1,\"clients\":[{\"name\":\"a\",\"match\":" text ",\"role\":\"r\"}]," \
    "\"roles\":{\"default\":{},\"r\":{}}}"
#define ORDER                                                                                \
    "{\"version\":1,\"clients\":["                                                           \
    "{\"name\":\"root\",\"match\":{\"uid\":0,\"listener\":\"unix:///a\"},\"role\":\"one\"}," \
    "{\"name\":\"any\",\"match\":{\"listener\":\"unix:///a\"},\"role\":\"two\"},"            \
    "{\"name\":\"late\",\"match\":{\"uid\":0},\"role\":\"builtin:read-only\"}],"             \
    "\"roles\":{\"one\":{},\"two\":{}}}"

#define UNIX(u, g)  .unix_peer = true, .uid = (u), .gid = (g)
#define LISTENER(s) .listener = {s, sizeof(s) - 1}
#define ADDRESS(s)  .address = {s, sizeof(s) - 1}
#define CN(s)       .cert_cn = {s, sizeof(s) - 1}
#define OU(s)       .cert_ou = {s, sizeof(s) - 1}
#define SPKI(s)     .cert_spki = {s, sizeof(s) - 1}
#define NAME(s)     .container_name = {s, sizeof(s) - 1}
#define IMAGE(s)    .container_image = {s, sizeof(s) - 1}
#define IMAGE_ID(s) .container_image_id = {s, sizeof(s) - 1}
#define LABELS(...)                                                 \
    .container_labels = (const struct client_label[]){__VA_ARGS__}, \
    .container_label_count =                                        \
        sizeof((const struct client_label[]){__VA_ARGS__}) / sizeof(struct client_label)
#define L(key, value)     \
    {                     \
        S(key), S(value), \
    }
#define SANS(...)                                   \
    .cert_sans = (const struct str[]){__VA_ARGS__}, \
    .cert_san_count = sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str)
#define S(s)             \
    {                    \
        s, sizeof(s) - 1 \
    }

static const struct {
    const char *name;
    const char *policy;
    struct client_identity identity;
    const char *client; /* "": none */
    const char *role;   /* "": none */
} rows[] = {
    /* uid and gid */
    {"uid", MATCH("{\"uid\":1000}"), {UNIX(1000, 5)}, "a", "r"},
    {"other uid", MATCH("{\"uid\":1000}"), {UNIX(1001, 1000)}, "", "default"},
    {"uid of a list", MATCH("{\"uid\":[1,2,3]}"), {UNIX(2, 0)}, "a", "r"},
    {"uid not of the list", MATCH("{\"uid\":[1,2,3]}"), {UNIX(4, 2)}, "", "default"},
    {"root", MATCH("{\"uid\":0}"), {UNIX(0, 0)}, "a", "r"},
    {"uid 0 of nobody", MATCH("{\"uid\":0}"), {ADDRESS("10.0.0.1")}, "", "default"},
    {"gid 0 of nobody", MATCH("{\"gid\":0}"), {LISTENER("unix:///a")}, "", "default"},
    {"gid", MATCH("{\"gid\":[7]}"), {UNIX(1, 7)}, "a", "r"},
    {"highest uid", MATCH("{\"uid\":4294967294}"), {UNIX(4294967294u, 7)}, "a", "r"},
    {"uid and gid", MATCH("{\"uid\":1,\"gid\":2}"), {UNIX(1, 2)}, "a", "r"},
    {"uid without the gid", MATCH("{\"uid\":1,\"gid\":2}"), {UNIX(1, 3)}, "", "default"},

    /* address */
    {"address", MATCH("{\"address\":\"10.1.2.3\"}"), {ADDRESS("10.1.2.3")}, "a", "r"},
    {"neighbour", MATCH("{\"address\":\"10.1.2.3\"}"), {ADDRESS("10.1.2.4")}, "", "default"},
    {"range", MATCH("{\"address\":[\"10.1.0.0/16\"]}"), {ADDRESS("10.1.255.255")}, "a", "r"},
    {"outside", MATCH("{\"address\":[\"10.1.0.0/16\"]}"), {ADDRESS("10.2.0.0")}, "", "default"},
    {"second range",
     MATCH("{\"address\":[\"10.1.0.0/16\",\"fd00::/8\"]}"),
     {ADDRESS("fd12::1")},
     "a",
     "r"},
    {"mapped peer", MATCH("{\"address\":\"10.1.0.0/16\"}"), {ADDRESS("::ffff:10.1.0.7")}, "a", "r"},
    {"mapped entry", MATCH("{\"address\":\"::ffff:10.1.0.7\"}"), {ADDRESS("10.1.0.7")}, "a", "r"},
    {"all of IPv6 is not IPv4",
     MATCH("{\"address\":\"::/0\"}"),
     {ADDRESS("10.1.0.7")},
     "",
     "default"},
    {"all of IPv4", MATCH("{\"address\":\"0.0.0.0/0\"}"), {ADDRESS("10.1.0.7")}, "a", "r"},
    {"no address on a Unix socket",
     MATCH("{\"address\":[\"0.0.0.0/0\",\"::/0\"]}"),
     {UNIX(0, 0)},
     "",
     "default"},
    {"address with a zone is unknown",
     MATCH("{\"address\":\"fe80::/10\"}"),
     {ADDRESS("fe80::1%eth0")},
     "",
     "default"},

    /* listener */
    {"listener",
     MATCH("{\"listener\":\"unix:///run/ci.sock\"}"),
     {UNIX(1, 1), LISTENER("unix:///run/ci.sock")},
     "a",
     "r"},
    {"listener by prefix is none",
     MATCH("{\"listener\":\"unix:///run/ci\"}"),
     {LISTENER("unix:///run/ci.sock")},
     "",
     "default"},
    {"listener by glob",
     MATCH("{\"listener\":\"unix:///run/ci-*.sock\"}"),
     {LISTENER("unix:///run/ci-7.sock")},
     "a",
     "r"},
    {"a star stops at a slash",
     MATCH("{\"listener\":\"unix://*\"}"),
     {LISTENER("unix:///run/ci.sock")},
     "",
     "default"},
    {"two stars do not",
     MATCH("{\"listener\":\"unix://**\"}"),
     {LISTENER("unix:///run/ci.sock")},
     "a",
     "r"},
    {"listener unknown", MATCH("{\"listener\":\"**\"}"), {UNIX(1, 1)}, "", "default"},

    /* certificate */
    {"cn", MATCH("{\"cert_cn\":\"ci-*\"}"), {CN("ci-7")}, "a", "r"},
    {"cn in another case", MATCH("{\"cert_cn\":\"ci-*\"}"), {CN("CI-7")}, "", "default"},
    {"cn is not ou", MATCH("{\"cert_cn\":\"ci\"}"), {OU("ci")}, "", "default"},
    {"ou", MATCH("{\"cert_ou\":[\"dev\",\"ops\"]}"), {OU("ops")}, "a", "r"},
    {"no certificate", MATCH("{\"cert_cn\":\"**\"}"), {UNIX(0, 0)}, "", "default"},
    {"cn with a NUL", MATCH("{\"cert_cn\":\"ci\"}"), {CN("ci\0.evil")}, "", "default"},
    {"dns",
     MATCH("{\"cert_san\":\"DNS:ci.example.com\"}"),
     {SANS(S("DNS:ci.example.com"))},
     "a",
     "r"},
    {"dns in another case",
     MATCH("{\"cert_san\":\"DNS:Ci.Example.com\"}"),
     {SANS(S("DNS:cI.eXample.COM"))},
     "a",
     "r"},
    {"dns by glob",
     MATCH("{\"cert_san\":\"DNS:*.example.com\"}"),
     {SANS(S("DNS:A.example.com"))},
     "a",
     "r"},
    {"dns of another domain",
     MATCH("{\"cert_san\":\"DNS:*.example.com\"}"),
     {SANS(S("DNS:example.com"), S("DNS:a.example.com.evil"))},
     "",
     "default"},
    {"IP SAN", MATCH("{\"cert_san\":\"IP:10.0.0.1\"}"), {SANS(S("IP:10.0.0.1"))}, "a", "r"},
    {"other IP", MATCH("{\"cert_san\":\"IP:10.0.0.1\"}"), {SANS(S("IP:10.0.0.2"))}, "", "default"},
    {"no IP", MATCH("{\"cert_san\":\"IP:10.0.0.1\"}"), {SANS(S("IP:host"))}, "", "default"},
    {"other digest",
     MATCH("{\"cert_spki\":\"sha256:" HEX64 "\"}"),
     {SPKI("sha256:" HEX64 "0")},
     "",
     "default"},
    {"second SAN", MATCH("{\"cert_san\":\"DNS:b\"}"), {SANS(S("DNS:a"), S("DNS:b"))}, "a", "r"},
    {"dns text as URI",
     MATCH("{\"cert_san\":\"DNS:a\"}"),
     {SANS(S("URI:a"), S("email:a"))},
     "",
     "default"},
    {"uri",
     MATCH("{\"cert_san\":\"URI:spiffe://x/ci/*\"}"),
     {SANS(S("URI:spiffe://x/ci/7"))},
     "a",
     "r"},
    {"uri in another case",
     MATCH("{\"cert_san\":\"URI:spiffe://x/ci\"}"),
     {SANS(S("URI:spiffe://x/CI"))},
     "",
     "default"},
    {"email in another case",
     MATCH("{\"cert_san\":\"email:Ci@Example.com\"}"),
     {SANS(S("email:ci@example.COM"))},
     "a",
     "r"},
    {"ip", MATCH("{\"cert_san\":\"IP:10.0.0.1\"}"), {SANS(S("IP:10.0.0.1"))}, "a", "r"},
    {"ip in another spelling",
     MATCH("{\"cert_san\":\"IP:fd00::1\"}"),
     {SANS(S("IP:fd00:0:0:0:0:0:0:1"))},
     "a",
     "r"},
    {"ip SAN is not the address",
     MATCH("{\"cert_san\":\"IP:10.0.0.1\"}"),
     {ADDRESS("10.0.0.1")},
     "",
     "default"},
    {"unknown kind of SAN",
     MATCH("{\"cert_san\":\"DNS:**\"}"),
     {SANS(S("DIR:a"), S(""))},
     "",
     "default"},
    {"spki", MATCH("{\"cert_spki\":\"sha256:" HEX64 "\"}"), {SPKI("sha256:" HEX64)}, "a", "r"},
    {"spki in capitals",
     MATCH("{\"cert_spki\":\"sha256:" UPPER64 "\"}"),
     {SPKI("sha256:" HEX64)},
     "a",
     "r"},
    {"spki of less",
     MATCH("{\"cert_spki\":\"sha256:" HEX64 "\"}"),
     {SPKI("sha256:")},
     "",
     "default"},

    /* the peer's container */
    {"container name", MATCH("{\"container_name\":\"ci-*\"}"), {NAME("ci-7")}, "a", "r"},
    {"another container", MATCH("{\"container_name\":\"ci-*\"}"), {NAME("xci-7")}, "", "default"},
    {"no container", MATCH("{\"container_name\":\"**\"}"), {UNIX(0, 0)}, "", "default"},
    {"image", MATCH("{\"container_image\":\"reg/ci:*\"}"), {IMAGE("reg/ci:1")}, "a", "r"},
    {"image by its ID",
     MATCH("{\"container_image\":[\"x\",\"sha256:" HEX64 "\"]}"),
     {IMAGE("reg/ci:1"), IMAGE_ID("sha256:" HEX64)},
     "a",
     "r"},
    {"another image", MATCH("{\"container_image\":\"ci\"}"), {IMAGE("reg/ci")}, "", "default"},
    {"no image", MATCH("{\"container_image\":\"**\"}"), {NAME("ci")}, "", "default"},
    {"label",
     MATCH("{\"container_label\":\"a.b=c*\"}"),
     {LABELS(L("x", "c"), L("a.b", "cd"))},
     "a",
     "r"},
    {"label with another value",
     MATCH("{\"container_label\":\"a.b=c\"}"),
     {LABELS(L("a.b", "cd"), L("x", "c"))},
     "",
     "default"},
    {"label that is there", MATCH("{\"container_label\":\"a\"}"), {LABELS(L("a", ""))}, "a", "r"},
    {"label that is not there",
     MATCH("{\"container_label\":\"a\"}"),
     {LABELS(L("ab", "a"))},
     "",
     "default"},
    {"label in another case",
     MATCH("{\"container_label\":\"a\"}"),
     {LABELS(L("A", ""))},
     "",
     "default"},
    {"label without a value",
     MATCH("{\"container_label\":\"a=\"}"),
     {LABELS(L("a", ""))},
     "a",
     "r"},
    {"label with a value",
     MATCH("{\"container_label\":\"a=\"}"),
     {LABELS(L("a", "b"))},
     "",
     "default"},
    {"label whose value has an equals sign",
     MATCH("{\"container_label\":\"a=b=c\"}"),
     {LABELS(L("a", "b=c"))},
     "a",
     "r"},
    {"no globs in the key of a label",
     MATCH("{\"container_label\":\"*=b\"}"),
     {LABELS(L("a", "b"))},
     "",
     "default"},
    {"no labels", MATCH("{\"container_label\":\"a=**\"}"), {NAME("ci")}, "", "default"},
    {"compose",
     MATCH("{\"compose_project\":\"p\",\"compose_service\":[\"x\",\"s*\"]}"),
     {LABELS(L("com.docker.compose.project", "p"), L("com.docker.compose.service", "s1"))},
     "a",
     "r"},
    {"compose service of another project",
     MATCH("{\"compose_project\":\"p\",\"compose_service\":\"s\"}"),
     {LABELS(L("com.docker.compose.project", "q"), L("com.docker.compose.service", "s"))},
     "",
     "default"},
    {"compose project is not the service",
     MATCH("{\"compose_service\":\"s\"}"),
     {LABELS(L("com.docker.compose.project", "s"))},
     "",
     "default"},
    {"uid and service",
     MATCH("{\"uid\":1,\"compose_service\":\"s\"}"),
     {UNIX(1, 1), LABELS(L("com.docker.compose.service", "s"))},
     "a",
     "r"},
    {"uid without the service",
     MATCH("{\"uid\":1,\"compose_service\":\"s\"}"),
     {UNIX(1, 1)},
     "",
     "default"},
    {"service with another uid",
     MATCH("{\"uid\":1,\"compose_service\":\"s\"}"),
     {UNIX(2, 1), LABELS(L("com.docker.compose.service", "s"))},
     "",
     "default"},

    /* several keys and entries */
    {"both keys", MATCH("{\"uid\":1,\"listener\":\"x\"}"), {UNIX(1, 1), LISTENER("x")}, "a", "r"},
    {"one of two keys",
     MATCH("{\"uid\":1,\"listener\":\"x\"}"),
     {UNIX(1, 1), LISTENER("y")},
     "",
     "default"},
    {"a key that does not apply",
     MATCH("{\"uid\":1,\"cert_cn\":\"**\"}"),
     {UNIX(1, 1)},
     "",
     "default"},
    {"first entry", ORDER, {UNIX(0, 0), LISTENER("unix:///a")}, "root", "one"},
    {"second entry", ORDER, {UNIX(1, 0), LISTENER("unix:///a")}, "any", "two"},
    {"last entry", ORDER, {UNIX(0, 0), LISTENER("unix:///b")}, "late", "builtin:read-only"},
    {"no entry, no default", ORDER, {UNIX(5, 5), LISTENER("unix:///b")}, "", ""},
    {"no clients", "{\"version\":1,\"roles\":{\"default\":{}}}", {UNIX(0, 0)}, "", "default"},
    {"nothing known", MATCH("{\"uid\":0}"), {.uid = 0}, "", "default"},
};

static void test_rows(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err_list errors = {0};
        char *text = strdup(rows[i].policy); /* nothing of it may be needed later */
        struct policy *policy = policy_load(str_of(text), &errors);
        free(text);
        struct client_role got = {0};
        if (policy)
            got = policy_client(policy, &rows[i].identity);
        const char *client = got.client ? got.client : "";
        const char *role = got.role ? role_name(got.role) : "";
        if (!policy || strcmp(client, rows[i].client) != 0 || strcmp(role, rows[i].role) != 0) {
            print_error("%s: %s: client '%s', role '%s'; expected '%s', '%s'\n", rows[i].name,
                        policy ? "loaded" : "refused", client, role, rows[i].client, rows[i].role);
            failed++;
        }
        policy_free(policy);
        err_list_free(&errors);
    }
    assert_int_equal(failed, 0);
}

/* A name longer than any that is compared without regard to case matches nothing. */
static void test_long_name(void **state)
{
    (void)state;
    static char name[4096];
    memset(name, 'a', sizeof name);
    memcpy(name, "DNS:", 4);
    struct err_list errors = {0};
    struct policy *policy = policy_load(STR(MATCH("{\"cert_san\":\"DNS:**\"}")), &errors);
    assert_non_null(policy);
    struct str san = {name, 4 + 1024};
    struct client_identity identity = {.cert_sans = &san, .cert_san_count = 1};
    assert_non_null(policy_client(policy, &identity).client);
    san.n++;
    assert_null(policy_client(policy, &identity).client);
    policy_free(policy);
    err_list_free(&errors);
}

static void test_builtin(void **state)
{
    (void)state;
    struct policy *policy = policy_builtin();
    struct client_identity identity = {UNIX(0, 0)};
    struct client_role got = policy_client(policy, &identity);
    assert_null(got.client);
    assert_string_equal(role_name(got.role), "builtin:default");
    assert_int_equal(policy_client_count(policy), 0);
    policy_free(policy);
}

/* Who has to be looked up: only those for whom the answer depends on it. */
static void test_needs_container(void **state)
{
    (void)state;
#define ENTRY(name, match) "{\"name\":\"" name "\",\"match\":" match ",\"role\":\"r\"}"
#define ENTRIES(text)      "{\"version\":1,\"clients\":[" text "],\"roles\":{\"default\":{},\"r\":{}}}"
#define ROOT               ENTRY("root", "{\"uid\":0}")
#define SERVICE            ENTRY("service", "{\"compose_service\":\"x\"}")
#define MIXED              ENTRY("mixed", "{\"container_label\":\"x\",\"uid\":0}")
    static const struct {
        const char *policy;
        bool somebody, root, other; /* needs it for anybody, for uid 0, for uid 1 */
    } needs[] = {
        {ENTRIES(""), false, false, false},
        {ENTRIES(ROOT), false, false, false},
        {ENTRIES(SERVICE), true, true, true},
        {ENTRIES(ROOT "," SERVICE), true, false, true},
        {ENTRIES(SERVICE "," ROOT), true, true, true},
        {ENTRIES(MIXED), true, true, false},
        {ENTRIES(MIXED "," ROOT), true, true, false},
        {ENTRIES(ROOT "," MIXED), true, false, false},
        {MATCH("{\"container_name\":\"x\"}"), true, true, true},
        {MATCH("{\"container_image\":\"x\"}"), true, true, true},
        {MATCH("{\"compose_project\":\"x\"}"), true, true, true},
    };
    static const struct client_identity root = {UNIX(0, 0)}, other = {UNIX(1, 0)};
    for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
        struct err_list errors = {0};
        struct policy *policy = policy_load(str_of(needs[i].policy), &errors);
        assert_non_null(policy);
        if (policy_needs_container(policy, NULL) != needs[i].somebody ||
            policy_needs_container(policy, &root) != needs[i].root ||
            policy_needs_container(policy, &other) != needs[i].other)
            fail_msg("%s", needs[i].policy);
        policy_free(policy);
        err_list_free(&errors);
    }
}

/* Entries whose listener nobody has. */
static void test_unheard(void **state)
{
    (void)state;
    static const struct {
        const char *match;
        bool heard;
    } unheard[] = {
        {MATCH("{\"listener\":\"unix:///run/ci/docker.sock\"}"), true},
        {MATCH("{\"listener\":\"tcp://127.0.0.1:2375\"}"), true},
        {MATCH("{\"listener\":\"unix://**/docker.sock\"}"), true},
        {MATCH("{\"listener\":[\"x\",\"tcp://*\"]}"), true},
        {MATCH("{\"uid\":0}"), true},
        {MATCH("{\"listener\":\"/run/ci/docker.sock\"}"), false},
        {MATCH("{\"listener\":\"docker.sock\"}"), false},
        {MATCH("{\"listener\":\"unix:///run/ci\"}"), false},
        {MATCH("{\"uid\":0,\"listener\":[\"ci\",\"dev\"]}"), false},
    };
    static const struct str hosts[] = {S("unix:///run/ci/docker.sock"), S("tcp://127.0.0.1:2375")};
    for (size_t i = 0; i < ARRAY_LEN(unheard); i++) {
        struct err_list errors = {0};
        struct policy *policy = policy_load(str_of(unheard[i].match), &errors);
        assert_non_null(policy);
        assert_string_equal(policy_client_name(policy, 0), "a");
        assert_null(policy_client_name(policy, 1));
        const char *name = policy_client_unheard(policy, 0, hosts, ARRAY_LEN(hosts));
        if (unheard[i].heard ? name != NULL : !name || strcmp(name, "a") != 0)
            fail_msg("%s: %s", unheard[i].match, name ? name : "heard");
        policy_free(policy);
        err_list_free(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_builtin), cmocka_unit_test(test_needs_container),
        cmocka_unit_test(test_unheard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
