/* What rules over paths come to: by operation, as the policy that is written lets it through. No
   operation may be opened that its source lets through in part only. */
#include "import_helper.h"

/* ---- expressions --------------------------------------------------------------------------- */

static const struct {
    const char *pattern, *method, *target;
    bool expected;
} expressions[] = {
    {"/containers/json", "GET", "/containers/json", true},
    {"/containers/json", "GET", "/containers/web/json", false},
    {"/containers/.*", "GET", "/containers/web/json", true},
    {"/containers/.*", "GET", "/containers/json", true},
    {"/containers/[^/]+/json", "GET", "/containers/web/json", true},
    {"/containers/[a-zA-Z0-9_.-]+/json", "GET", "/containers/web/json", true},
    {"/containers/[[:alnum:]_.-]+/json", "GET", "/containers/web/json", true},
    {"/containers/[\\w.-]+/json", "GET", "/containers/web/json", true},
    {"/containers/(?:[a-zA-Z0-9][a-zA-Z0-9_.-]+)/json", "GET", "/containers/web/json", true},
    {"(/v1\\.[0-9]+)?/containers/json", "GET", "/containers/json", true},
    {"/v1\\..{1,2}/(version|containers/.*|events.*)", "GET", "/v1.41/events", true},
    {"/v1\\.[0-9]{2}/version", "GET", "/version", true},
    {"/images/.+/json", "GET", "/images/library/nginx/json", true},
    {"^/containers/json$", "GET", "/containers/json", true},
    {"/version|/info", "GET", "/info", true},
    {"(/version|/in(fo)?)", "GET", "/info", true},
    {"/ver.*?sion", "GET", "/version", true},
    {"/exec/[a-f0-9]{64}/json", "GET", "/exec/0123/json", true},
    {"/(?P<what>info)", "GET", "/info", true},
    {"/i(n)f\\x6f", "GET", "/info", false},
    {"/containers/([a-m].*|[^a-m].*)/json", "GET", "/containers/web/json", true},
    /* in part only */
    {"/containers/web/json", "GET", "/containers/web/json", false},
    {"/containers/web.*/json", "GET", "/containers/web/json", false},
    {"/containers/[a-z]+/json", "GET", "/containers/web/json", false},
    {"/containers/[a-f0-9]+/json", "GET", "/containers/abc/json", false},
    {"/containers/[a-f0-9]{64}/json", "GET", "/containers/abc/json", false},
    {"/containers/[a-zA-Z0-9_.]+/json", "GET", "/containers/web/json", false},
    {"/containers/[^s].*/json", "GET", "/containers/web/json", false},
    {"/containers/.{3,}/json", "GET", "/containers/web/json", false},
    {"/containers/.{1,128}/json", "GET", "/containers/web/json", false},
    {"/images/[^/]+/json", "GET", "/images/nginx/json", false},
    {"/images/[a-zA-Z0-9/]+/json", "GET", "/images/nginx/json", false},
    {"/containers/json\\?all=1", "GET", "/containers/json", false},
    {"/containers/jso", "GET", "/containers/json", false},
    {"containers/json", "GET", "/containers/json", false},
    {"/exec/[a-f0-9]{63}/json", "GET", "/exec/0123/json", false},
    {"/info$x", "GET", "/info", false},
    {"x^/info", "GET", "/info", false},
    {"/containers/[]a]+/json", "GET", "/containers/aa/json", false},
    /* not understood */
    {"(?i)/info", "GET", "/info", false},
    {"/in\\bfo", "GET", "/info", false},
    {"/info**", "GET", "/info", false},
    {"/info{2}{3}", "GET", "/info", false},
    {"*", "GET", "/info", false},
    {"(/info", "GET", "/info", false},
    {"/info)", "GET", "/info", false},
    {"[/info", "GET", "/info", false},
    {"/\\pL+", "GET", "/info", false},
    {"/info|/v\xc3\xa4", "GET", "/info", false},
    {"/[z-a]nfo", "GET", "/info", false},
    {"/((((.{1000}){1000}){1000}){1000})?info", "GET", "/info", false},
    {"/(((){1000}){1000}){1000}info", "GET", "/info", false},
    {"/inf(o){2,1}", "GET", "/info", false},
    {"/inf[[:foo:]]", "GET", "/info", false},
};

static void test_expressions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expressions); i++) {
        char text[256];
        /* The second rule only sees to it that there is a policy. */
        snprintf(text, sizeof(text), "%s %s\nGET /nodes\n", expressions[i].method,
                 expressions[i].pattern);
        struct read *read = read_source(IMPORT_CETUSGUARD, text);
        assert_non_null(read->policy);
        expect(read, text, expressions[i].method, expressions[i].target, expressions[i].expected);
        /* Whoever wrote it is told; the second row lets another operation through. */
        if (!expressions[i].expected && i != 1 && !has_note(read, IMPORT_LOST, 1, ""))
            fail_msg("%s: nothing is said", text);
        read_free(read);
    }
}

/* Rules that take all names only together. */
static void test_together(void **state)
{
    (void)state;
    struct read *read = read_source(IMPORT_CETUSGUARD, "GET /containers/[a-z].*/json\n"
                                                       "GET /containers/[^a-z].*/json\n"
                                                       "POST /containers/[a-z].*/stop\n");
    expect(read, "both", "GET", "/containers/web/json", true);
    expect(read, "one", "POST", "/containers/web/stop", false);
    read_free(read);
}

/* ---- wollomatic ---------------------------------------------------------------------------- */

static void test_wollomatic(void **state)
{
    (void)state;
    struct read *read =
        read_source(IMPORT_WOLLOMATIC, "- '-loglevel=info'\n"
                                       "- '-allowfrom=traefik,10.0.0.0/8'\n"
                                       "- '-allowGET=/v1\\.4[0-9]/containers/.*' # versions\n"
                                       "- \"-allowHEAD=/_ping\"\n"
                                       "--allowPOST=/.*/containers/create\n"
                                       "-allowDELETE=/v1\\..{1,2}/containers/web\n"
                                       "SP_ALLOW_GET=/version\n"
                                       "-allowbindmountfrom=/srv/ci/,/,/a/../b\n"
                                       "-proxycontainername=x\n");
    assert_non_null(read->policy);
    const char *role = "socket-proxy";
    assert_null(policy_default_role(read->policy));
    assert_true(lets_role(read, role, "GET", "/containers/web/logs"));
    assert_true(lets_role(read, role, "HEAD", "/_ping"));
    assert_true(lets_role(read, role, "POST", "/containers/create"));
    assert_false(lets_role(read, role, "GET", "/version"));
    assert_false(lets_role(read, role, "DELETE", "/containers/web"));
    const struct client_identity inside = {.address = STR("10.1.2.3")};
    const struct client_identity outside = {.address = STR("11.1.2.3")};
    assert_non_null(policy_client(read->policy, &inside).role);
    assert_null(policy_client(read->policy, &outside).role);
    assert_true(has_note(read, IMPORT_LOST, 2, "traefik is no IP address"));
    assert_true(has_note(read, IMPORT_LOST, 6, "ContainerDelete is let through for some names"));
    assert_true(has_note(read, IMPORT_TOLD, 7, "-allowGET is given"));
    assert_true(has_note(read, IMPORT_LOST, 8, "bind mounts from /:"));
    assert_true(has_note(read, IMPORT_LOST, 8, "bind mounts from /a/../b"));
    assert_true(has_note(read, IMPORT_LOST, 9, "labels of containers"));
    assert_true(has_note(read, IMPORT_STRICTER, -1, "1.40 to 1.49"));
    struct bind_tree tree;
    assert_true(policy_bind_tree(read->policy, 0, 0, &tree));
    assert_true(str_is(tree.entry, "/srv/ci/**"));
    assert_false(policy_bind_tree(read->policy, 0, 1, &tree));
    read_free(read);
    read = read_source(IMPORT_WOLLOMATIC, "SP_ALLOW_GET=/version\nSP_ALLOW_GET_2=/_ping\n"
                                          "SP_PROXYSOCKETENDPOINT=/run/x.sock\n");
    expect(read, "variables", "GET", "/version", true);
    expect(read, "variables", "GET", "/_ping", true);
    read_free(read);
    read = read_source(IMPORT_WOLLOMATIC, "-allowGET=/version -allowHEAD=/_ping\n");
    assert_null(read->policy);
    read_free(read);
    read = read_source(IMPORT_WOLLOMATIC, "-allowfrom=10.0.0.1\n");
    assert_null(read->policy);
    read_free(read);
    read = read_source(IMPORT_WOLLOMATIC, "-allowGET=/version\n-allowfrom=traefik\n");
    assert_true(has_note(read, IMPORT_STRICTER, -1, "nobody may connect"));
    assert_null(policy_client(read->policy, &inside).role);
    read_free(read);
}

/* ---- CetusGuard ---------------------------------------------------------------------------- */

static void test_cetusguard(void **state)
{
    (void)state;
    struct read *read =
        read_source(IMPORT_CETUSGUARD, "! remark\n\n"
                                       "GET %API_PREFIX_CONTAINERS%/%CONTAINER_ID_OR_NAME%/json\r\n"
                                       "\tGET,POST  %API_PREFIX_IMAGES%(/.*)? \n"
                                       "GET %API_PREFIX_VOLUMES%/%VOLUME_ID%\n"
                                       "GET %NO_SUCH%/x\n"
                                       "GET %API_PREFIX_NETWORKS%/%NETWORK_ID_OR_NAME%\n"
                                       "GET %API_PREFIX_PLUGINS%/%PLUGIN_NAME%/json\n"
                                       "GET %API_PREFIX%/info\n"
                                       "GET,HEAD %API_PREFIX_PING%\n");
    assert_non_null(read->policy);
    static const struct {
        const char *method, *target;
        bool expected;
    } rows[] = {
        {"GET", "/containers/web/json", true},
        {"GET", "/images/json", true},
        {"POST", "/images/create", true},
        {"DELETE", "/images/nginx", false},
        {"GET", "/volumes/data", false},
        {"GET", "/networks/foo", true},
        {"GET", "/plugins/a/b/json", true},
        {"GET", "/info", true},
        {"HEAD", "/_ping", true},
        {"GET", "/version", false},
        {"GET", "/containers/json", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(read, "rules", rows[i].method, rows[i].target, rows[i].expected);
    assert_true(has_note(read, IMPORT_LOST, 5, "VolumeInspect is let through for some names"));
    assert_true(has_note(read, IMPORT_LOST, 6, "%NO_SUCH% is not known"));
    read_free(read);
    read = read_source(IMPORT_CETUSGUARD, "GET\n");
    assert_null(read->policy);
    read_free(read);
    read = read_source(IMPORT_CETUSGUARD, "get /info\n");
    assert_null(read->policy);
    read_free(read);
    struct import *import = calloc(1, sizeof(*import));
    assert_non_null(import);
    import_open(import);
    assert_true(import_cetusguard(import, STR(""), true));
    assert_true(import->roles[0].allow[OP_SystemPing] && import->roles[0].allow[OP_SystemPingHead]);
    assert_true(import->roles[0].allow[OP_SystemVersion] && import->roles[0].allow[OP_SystemInfo]);
    assert_false(import->roles[0].allow[OP_ContainerList]);
    import_free(import);
    free(import);
}

/* ---- Sockguard ----------------------------------------------------------------------------- */

#define ALLOW(method, path) \
    "  - match: {method: " method ", path: \"" path "\"}\n    action: allow\n"
#define DENY(method, path) "  - match: {method: " method ", path: \"" path "\"}\n    action: deny\n"

static const struct {
    const char *text, *method, *target;
    bool expected;
} sockguard_rows[] = {
    {"rules:\n" ALLOW("GET", "/containers/*/json"), "GET", "/containers/web/json", true},
    {"rules:\n" ALLOW("GET", "/containers/*/json"), "GET", "/containers/json", false},
    {"rules:\n" ALLOW("GET", "/containers/**"), "GET", "/v1.41/containers/web/json", true},
    {"rules:\n" ALLOW("get", "/images/**/json"), "GET", "/images/a/b/json", true},
    {"rules:\n" ALLOW("GET", "/images/*/json"), "GET", "/images/a/json", false},
    {"rules:\n" ALLOW("\"GET,HEAD\"", "/_ping"), "HEAD", "/_ping", true},
    {"rules:\n" ALLOW("\"*\"", "/_ping"), "HEAD", "/_ping", true},
    {"rules:\n" ALLOW("\"*\"", "/**") DENY("GET", "/info"), "GET", "/info", true},
    {"rules:\n" DENY("GET", "/info") ALLOW("\"*\"", "/**"), "GET", "/info", false},
    {"rules:\n" DENY("GET", "/containers/secret*/**") ALLOW("\"*\"", "/**"), "GET",
     "/containers/web/json", false},
    {"rules:\n" DENY("GET", "/containers/secret*/logs") ALLOW("\"*\"", "/**"), "GET",
     "/containers/web/json", true},
    {"rules:\n" DENY("GET", "/containers/**/json") ALLOW("\"*\"", "/**"), "GET", "/containers/json",
     false},
    {"rules:\n" ALLOW("GET", "/v1.41/info"), "GET", "/info", false},
    /* switches that no key can say */
    {"rules:\n" ALLOW("POST", "/containers/*/exec"), "POST", "/containers/a/exec", false},
    {"insecure_allow_body_blind_writes: true\nrequest_body: {exec: {allow_root_user: true}}\n"
     "rules:\n" ALLOW("POST", "/containers/*/exec"),
     "POST", "/containers/a/exec", true},
    {"insecure_allow_body_blind_writes: true\nrules:\n" ALLOW("POST", "/containers/*/exec"), "POST",
     "/containers/a/exec", false},
    {"insecure_allow_body_blind_writes: true\n"
     "request_body: {exec: {allow_root_user: true, allowed_commands: [[ls]]}}\n"
     "rules:\n" ALLOW("POST", "/containers/*/exec"),
     "POST", "/containers/a/exec", false},
    {"request_body: {container_update: {allow_resource_updates: true, allow_restart_policy: "
     "true}}\n"
     "rules:\n" ALLOW("POST", "/containers/*/update"),
     "POST", "/containers/a/update", true},
    {"request_body: {container_update: {allow_resource_updates: true, allow_restart_policy: true, "
     "require_pids_limit: true}}\nrules:\n" ALLOW("POST", "/containers/*/update"),
     "POST", "/containers/a/update", false},
    {"rules:\n" ALLOW("POST", "/build"), "POST", "/build", false},
    {"request_body: {build: {allow_run_instructions: true}}\nrules:\n" ALLOW("POST", "/build"),
     "POST", "/build", true},
    {"rules:\n" ALLOW("DELETE", "/containers/*"), "DELETE", "/containers/a", false},
    {"request_body: {container_remove: {allow_force: true, allow_remove_volumes: true}}\n"
     "rules:\n" ALLOW("DELETE", "/containers/*"),
     "DELETE", "/containers/a", true},
    {"rules:\n" ALLOW("POST", "/images/create"), "POST", "/images/create", false},
    {"request_body: {image_pull: {allow_all_registries: true}}\n"
     "rules:\n" ALLOW("POST", "/images/create"),
     "POST", "/images/create", true},
    {"rules:\n" ALLOW("POST", "/session"), "POST", "/session", false},
    {"insecure_accept_opaque_buildkit_tunnels: true\nrules:\n" ALLOW("POST", "/session"), "POST",
     "/session", true},
    {"rules:\n" ALLOW("POST", "/plugins/pull"), "POST", "/plugins/pull", false},
    {"request_body: {container_create: {allow_privileged: true}}\n"
     "rules:\n" ALLOW("POST", "/services/create"),
     "POST", "/services/create", false},
    {"rules:\n" ALLOW("POST", "/services/create"), "POST", "/services/create", false},
    {"request_body: {service: {allowed_registries: [ghcr.io]}}\n"
     "rules:\n" ALLOW("POST", "/services/*/update"),
     "POST", "/services/a/update", false},
    {"request_body: {service: {allow_all_registries: true}}\n"
     "rules:\n" ALLOW("POST", "/services/create"),
     "POST", "/services/create", true},
    {"policy_bundle: {enabled: false}\nrules:\n" ALLOW("GET", "/info"), "GET", "/info", true},
    {"clients: {default_profile: p, profiles: [{name: p, rules: [{match: {method: GET, path: "
     "/info}, action: allow}]}]}\nrules: []\n",
     "GET", "/info", true},
};

static void test_sockguard(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sockguard_rows) && import_has_yaml(); i++) {
        struct read *read = read_source(IMPORT_SOCKGUARD, sockguard_rows[i].text);
        assert_non_null(read->policy);
        expect(read, sockguard_rows[i].text, sockguard_rows[i].method, sockguard_rows[i].target,
               sockguard_rows[i].expected);
        read_free(read);
    }
}

static void test_sockguard_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *part;
    } rows[] = {
        {"", 1, "no document"},
        {"- a\n", 1, "no configuration"},
        {"rules: [\n", -1, "no YAML"},
        {"rules: []\nrules: []\n", 2, "given twice"},
        {"a: &x 1\nb: *x\n", 1, "anchors"},
        {"rules: !!seq []\n", 1, "tags"},
        {"<<: {}\n", 1, "not understood"},
        {"---\nrules: []\n---\nrules: []\n", 3, "second document"},
        {"mutations: {labels: {a: b}}\n", 1, "of this name"},
        {"rules:\n  - match: {method: GET, path: /info}\n    action: perhaps\n", 2,
         "allow or deny"},
        {"rules:\n  - match: {method: GET, path: /info, host: a}\n    action: allow\n", 2,
         "host of a rule"},
        {"rules:\n  - match: {path: /info}\n    action: allow\n", 2, "method and path"},
        {"rules: {}\nresponse: {name_patterns: [a]}\n", 2, "more would be seen"},
        {"request_body: {container_create: {image_trust: {mode: enforce}}}\n", 1, "wider"},
        {"request_body: {container_create: {require_moon: true}}\n", 1, "wider"},
        {"request_body: {container_create: {allow_privileged: yes}}\n", 1, "true or false"},
        {"clients: {container_labels: {enabled: true}}\n", 1, "wider"},
        {"clients: {unix_peer_profiles: [{profile: p, uids: [1]}]}\n", 1, "no profile"},
        {"clients: {default_profile: p}\n", 1, "name of no profile"},
        {"clients: {profiles: [{name: p}], unix_peer_profiles: [{profile: p, uids: [a]}]}\n", 1,
         "wants numbers"},
        {"clients: {profiles: [{name: p}], unix_peer_profiles: [{profile: p, uids: [-1]}]}\n", 1,
         "wants numbers"},
        {"clients: {profiles: [{name: p, hours: day}]}\n", 1, "hours is not understood"},
        {"clients: {tokens: [a]}\n", 1, "tokens is not understood"},
        {"request_body: {network: {endpoint_config: {allow_aliases: false}}}\n", 1, "wider"},
        {"ownership: {owner: '${client}'}\n", 1, "would mean another"},
        {"clients: {profiles: [{name: p}], unix_peer_profiles: [{profile: p, pids: [1]}]}\n", 1,
         "as a selector"},
        {"clients: {profiles: [{name: p}], unix_peer_profiles: [{profile: p, uids: [1], gids: "
         "[1]}]}\n",
         1, "beside another"},
        {"rules:\n" DENY("GET", "/\xc3\xa4"), 2, "ASCII"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows) && import_has_yaml(); i++) {
        struct read *read = read_source(IMPORT_SOCKGUARD, rows[i].text);
        assert_null(read->policy);
        if (!has_note(read, IMPORT_WRONG, rows[i].line, rows[i].part))
            fail_msg("%s: %d %s", rows[i].text, read->import.notes ? read->import.notes->line : -1,
                     read->import.notes ? read->import.notes->text : "no note");
        read_free(read);
    }
}

/* What is let through here and not there is said, unless it is switched on there. */
static void test_sockguard_tells(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
        bool told;
    } rows[] = {
        {"rules:\n" ALLOW("POST", "/networks/*/connect"), "allow_endpoint_config, too: addresses",
         true},
        {"request_body: {network: {allow_endpoint_config: true}}\n"
         "rules:\n" ALLOW("POST", "/networks/*/connect"),
         "allow_endpoint_config, too: addresses", false},
        {"rules:\n" ALLOW("POST", "/networks/*/disconnect"), "disconnect_force, too: Force", true},
        {"request_body: {network: {allow_disconnect_force: true}}\n"
         "rules:\n" ALLOW("POST", "/networks/*/disconnect"),
         "Force", false},
        {"request_body: {network: {allow_attachable: true}}\n"
         "rules:\n" ALLOW("POST", "/networks/create"),
         "ttachable", false},
        {"rules:\n" ALLOW("POST", "/containers/create"), "suid of a tmpfs", true},
        {"rules:\n" ALLOW("POST", "/containers/create"), "NetworkConnect", false},
        {"rules:\n" ALLOW("POST", "/volumes/create"), "driver_opts, too: a plain tmpfs", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows) && import_has_yaml(); i++) {
        struct read *read = read_source(IMPORT_SOCKGUARD, rows[i].text);
        assert_non_null(read->policy);
        if (has_note(read, IMPORT_LOST, 0, rows[i].part) != rows[i].told)
            fail_msg("%s: %s", rows[i].text, rows[i].part);
        read_free(read);
    }
}

/* Answers hide what they hide there, unless that is switched off. */
static void test_sockguard_redacts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"rules: []\n", "[\"env\",\"binds\"]"},
        {"response: {redact_container_env: false}\n", "[\"binds\"]"},
        {"response: {redact_container_env: false, redact_mount_paths: false}\n", NULL},
        {"response: {redact_container_env: \"false\", redact_mount_paths: false}\n", "[\"env\"]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows) && import_has_yaml(); i++) {
        struct read *read = read_source(IMPORT_SOCKGUARD, rows[i].text);
        const struct import_role *role = &read->import.roles[0];
        assert_non_null(read->policy);
        assert_int_equal(role->key_count, rows[i].json ? 1 : 0);
        assert_true(!rows[i].json || str_is(role->keys[0].json, rows[i].json));
        read_free(read);
    }
}

/* Who is of a profile gets its role where it is admitted, and nothing elsewhere. */
static void test_sockguard_clients(void **state)
{
    (void)state;
    if (!import_has_yaml())
        return;
    struct read *read = read_source(
        IMPORT_SOCKGUARD,
        "listeners:\n"
        "  - {name: a, socket: /run/a.sock, allowed_profiles: [ci]}\n"
        "  - {name: b, socket: /run/b.sock, allowed_profiles: ['*']}\n"
        "clients:\n"
        "  profiles:\n"
        "    - {name: ci, rules: [{match: {method: GET, path: /info}, action: allow}]}\n"
        "    - {name: ops, rules: [{match: {method: GET, path: /version}, action: allow}]}\n"
        "  unix_peer_profiles:\n"
        "    - {profile: ci, uids: [1000]}\n"
        "    - {profile: ops, uids: [1001]}\n"
        "rules:\n" ALLOW("GET", "/_ping"));
    assert_non_null(read->policy);
    static const struct {
        unsigned uid;
        const char *listener, *role;
    } rows[] = {
        {1000, "unix:///run/a.sock", "ci"},      {1000, "unix:///run/b.sock", "ci"},
        {1001, "unix:///run/a.sock", "nothing"}, {1001, "unix:///run/b.sock", "ops"},
        {7, "unix:///run/a.sock", NULL},         {7, "unix:///run/b.sock", "others"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct client_identity who = {
            .unix_peer = true, .uid = rows[i].uid, .listener = str_of(rows[i].listener)};
        const struct role *role = policy_client(read->policy, &who).role;
        if (!rows[i].role)
            assert_null(role);
        else
            assert_string_equal(role_name(role), rows[i].role);
    }
    read_free(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions),       cmocka_unit_test(test_together),
        cmocka_unit_test(test_wollomatic),        cmocka_unit_test(test_cetusguard),
        cmocka_unit_test(test_sockguard),         cmocka_unit_test(test_sockguard_wrong),
        cmocka_unit_test(test_sockguard_tells),   cmocka_unit_test(test_sockguard_redacts),
        cmocka_unit_test(test_sockguard_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
