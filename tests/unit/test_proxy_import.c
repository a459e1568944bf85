/* What other proxies' configurations come to: by operation, as the policy that is written lets it
   through. No operation may be opened that its source lets through in part only. */
#include "import.h"
#include "regexp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A source, read and written as a policy. */
struct read {
    struct import import;
    struct policy *policy; /* NULL: none came of it */
};

static bool import_text(struct import *import, enum import_kind kind, struct str text)
{
    struct import_settings settings;
    switch (kind) {
    case IMPORT_CETUSGUARD:
        return import_cetusguard(import, text, false);
    case IMPORT_SOCKGUARD:
        return import_sockguard(import, text);
    case IMPORT_WOLLOMATIC:
        return import_read_flags(import, text, &settings) && import_wollomatic(import, &settings);
    case IMPORT_ENVIRONMENT:
    case IMPORT_TECNATIVA:
    case IMPORT_LINUXSERVER:
        return import_read_settings(import, text, &settings) &&
               import_sections(import, &settings, kind);
    }
    return false;
}

static struct read *read_source(enum import_kind kind, const char *text)
{
    struct read *read = calloc(1, sizeof(*read));
    assert_non_null(read);
    import_open(&read->import);
    if (!import_text(&read->import, kind, str_of(text)))
        return read;
    struct err_list errors = {NULL, 0, 0};
    struct str json = import_write(&read->import);
    assert_non_null(json.p);
    read->policy = policy_load(json, &errors);
    for (size_t i = 0; i < errors.count; i++)
        if (!errors.items[i].warning)
            print_error("%s\n%.*s\n", errors.items[i].err.text, STR_ARG(json));
    assert_int_equal(errors.errors, 0);
    err_list_free(&errors);
    return read;
}

static void read_free(struct read *read)
{
    policy_free(read->policy);
    import_free(&read->import);
    free(read);
}

static bool lets_role(const struct read *read, const char *role, const char *method,
                      const char *target)
{
    struct arena arena = {.head = NULL};
    struct request request;
    struct decision decision;
    bool known = request_parse(str_of(method), str_of(target), &arena, &request, &decision);
    bool allowed = known && read->policy && policy_role(read->policy, str_of(role)) &&
                   role_allows(policy_role(read->policy, str_of(role)), request.route->op);
    arena_free(&arena);
    return allowed;
}

static bool lets(const struct read *read, const char *method, const char *target)
{
    return lets_role(read, "default", method, target);
}

static bool has_note(const struct read *read, enum import_gravity gravity, int line,
                     const char *part)
{
    for (const struct import_note *note = read->import.notes; note; note = note->next)
        if (note->gravity == gravity && (line < 0 || note->line == line) &&
            strstr(note->text, part))
            return true;
    return false;
}

static void expect(const struct read *read, const char *source, const char *method,
                   const char *target, bool expected)
{
    if (lets(read, method, target) != expected)
        fail_msg("%s: %s %s: expected %s", source, method, target, expected ? "let" : "refused");
}

/* ---- the variables ------------------------------------------------------------------------- */

static const struct {
    const char *variable, *method, *target;
} sections[] = {
    {"AUTH", "POST", "/auth"},
    {"BUILD", "POST", "/v1.41/build"},
    {"BUILD", "POST", "/build/prune"},
    {"BUILD", "POST", "/build/cancel"},
    {"COMMIT", "POST", "/commit"},
    {"CONFIGS", "GET", "/configs"},
    {"CONFIGS", "POST", "/configs/create"},
    {"CONTAINERS", "GET", "/v1.41/containers/json"},
    {"CONTAINERS", "GET", "/containers/web/logs"},
    {"CONTAINERS", "GET", "/containers/web/archive"},
    {"CONTAINERS", "HEAD", "/containers/web/archive"},
    {"CONTAINERS", "PUT", "/containers/web/archive"},
    {"CONTAINERS", "GET", "/containers/web/export"},
    {"CONTAINERS", "GET", "/containers/web/stats"},
    {"CONTAINERS", "POST", "/containers/create"},
    {"CONTAINERS", "POST", "/containers/web/exec"},
    {"CONTAINERS", "POST", "/containers/web/start"},
    {"CONTAINERS", "POST", "/containers/web/wait"},
    {"CONTAINERS", "DELETE", "/containers/web"},
    {"DISTRIBUTION", "GET", "/distribution/nginx/json"},
    {"EVENTS", "GET", "/v1.41/events"},
    {"EXEC", "GET", "/exec/abc/json"},
    {"EXEC", "POST", "/exec/abc/start"},
    {"GRPC", "POST", "/grpc"},
    {"IMAGES", "GET", "/images/json"},
    {"IMAGES", "POST", "/images/create"},
    {"IMAGES", "DELETE", "/images/nginx"},
    {"INFO", "GET", "/info"},
    {"NETWORKS", "GET", "/networks"},
    {"NETWORKS", "GET", "/networks/"},
    {"NETWORKS", "POST", "/networks/create"},
    {"NETWORKS", "DELETE", "/networks/foo"},
    {"NODES", "GET", "/nodes"},
    {"NODES", "POST", "/nodes/a/update"},
    {"PING", "GET", "/_ping"},
    {"PING", "HEAD", "/_ping"},
    {"PLUGINS", "GET", "/plugins"},
    {"PLUGINS", "POST", "/plugins/pull"},
    {"SECRETS", "GET", "/secrets"},
    {"SECRETS", "POST", "/secrets/create"},
    {"SERVICES", "GET", "/services"},
    {"SERVICES", "POST", "/services/create"},
    {"SESSION", "POST", "/session"},
    {"SWARM", "GET", "/swarm"},
    {"SWARM", "POST", "/swarm/init"},
    {"SYSTEM", "GET", "/system/df"},
    {"TASKS", "GET", "/tasks"},
    {"VERSION", "GET", "/version"},
    {"VOLUMES", "GET", "/volumes"},
    {"VOLUMES", "PUT", "/volumes/data"},
    {"VOLUMES", "POST", "/volumes/create"},
};

static bool is_default(const char *variable)
{
    return strcmp(variable, "EVENTS") == 0 || strcmp(variable, "PING") == 0 ||
           strcmp(variable, "VERSION") == 0;
}

static bool reads(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Each section on, off and left out, with POST and without, and never another one. */
static void test_sections(void **state)
{
    (void)state;
    static const enum import_kind kinds[] = {IMPORT_ENVIRONMENT, IMPORT_TECNATIVA};
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        for (int way = 0; way < 12; way++) {
            char text[64];
            bool post = way % 2, on = way / 2 % 3 == 1, left_out = way / 2 % 3 == 2;
            snprintf(text, sizeof(text), "POST=%d\n%s%s=%d\n", post, left_out ? "#" : "",
                     sections[i].variable, on);
            struct read *read = read_source(kinds[way / 6], text);
            bool open = left_out ? is_default(sections[i].variable) : on;
            for (size_t at = 0; at < ARRAY_LEN(sections); at++) {
                bool same = strcmp(sections[at].variable, sections[i].variable) == 0;
                expect(read, text, sections[at].method, sections[at].target,
                       (same ? open : is_default(sections[at].variable)) &&
                           (post || reads(sections[at].method)));
            }
            read_free(read);
        }
}

static const struct variables_row {
    enum import_kind kind;
    const char *text, *method, *target;
    bool expected;
} variables_rows[] = {
    /* what the docker CLI asks in Tecnativa's own tests */
    {IMPORT_TECNATIVA, "", "GET", "/v1.27/version", true},
    {IMPORT_TECNATIVA, "", "POST", "/images/create?fromImage=alpine", false},
    {IMPORT_TECNATIVA, "", "GET", "/containers/t/json", false},
    {IMPORT_TECNATIVA, "", "POST", "/swarm/init", false},
    {IMPORT_TECNATIVA, "", "GET", "/info", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1", "GET", "/containers/t/logs", true},
    {IMPORT_TECNATIVA, "CONTAINERS=1", "POST", "/containers/t/wait", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1", "DELETE", "/containers/t", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1", "POST", "/containers/t/restart", false},
    {IMPORT_TECNATIVA, "POST=1", "DELETE", "/containers/t", false},
    {IMPORT_TECNATIVA, "POST=1", "POST", "/networks/create", false},
    {IMPORT_TECNATIVA, "POST=1\nNETWORKS=1", "POST", "/networks/create", true},
    {IMPORT_TECNATIVA, "POST=1\nNETWORKS=1", "DELETE", "/networks/foo", true},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nEXEC=1\nPOST=1", "POST", "/containers/t/exec", true},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nEXEC=1\nPOST=1", "POST", "/exec/t/start", true},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nEXEC=0\nPOST=1", "POST", "/exec/t/start", false},
    /* single operations: behind POST at one, before it at the other */
    {IMPORT_TECNATIVA, "ALLOW_START=1", "POST", "/containers/t/start", false},
    {IMPORT_TECNATIVA, "ALLOW_START=1\nPOST=1", "POST", "/containers/t/start", true},
    {IMPORT_LINUXSERVER, "ALLOW_START=1", "POST", "/containers/t/start", true},
    {IMPORT_ENVIRONMENT, "ALLOW_START=1\nPOST=0", "POST", "/v1.30/containers/t/start", true},
    {IMPORT_ENVIRONMENT, "ALLOW_START=1", "POST", "/containers/t/stop", false},
    {IMPORT_LINUXSERVER, "ALLOW_STOP=1", "POST", "/containers/t/stop", true},
    {IMPORT_LINUXSERVER, "ALLOW_STOP=1", "POST", "/containers/t/kill", false},
    {IMPORT_LINUXSERVER, "ALLOW_RESTARTS=1", "POST", "/containers/t/stop", true},
    {IMPORT_LINUXSERVER, "ALLOW_RESTARTS=1", "POST", "/containers/t/restart", true},
    {IMPORT_LINUXSERVER, "ALLOW_RESTARTS=1", "POST", "/containers/t/kill", true},
    {IMPORT_LINUXSERVER, "ALLOW_RESTARTS=1", "POST", "/containers/t/start", false},
    {IMPORT_LINUXSERVER, "ALLOW_PAUSE=1", "POST", "/containers/t/pause", true},
    {IMPORT_LINUXSERVER, "ALLOW_PAUSE=1", "POST", "/containers/t/unpause", false},
    {IMPORT_LINUXSERVER, "ALLOW_UNPAUSE=1", "POST", "/containers/t/unpause", true},
    {IMPORT_LINUXSERVER, "ALLOW_START=0\nPOST=1", "POST", "/containers/t/start", false},
    /* gates before an open section */
    {IMPORT_LINUXSERVER, "CONTAINERS=1", "GET", "/containers/t/logs", false},
    {IMPORT_LINUXSERVER, "CONTAINERS=1", "GET", "/containers/t/json", true},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nALLOW_LOGS=1", "GET", "/containers/t/logs", true},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nALLOW_LOGS=1", "GET", "/containers/t/top", false},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nALLOW_TOP=1", "GET", "/containers/t/top", true},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nALLOW_CHANGES=1", "GET", "/containers/t/changes", true},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nALLOW_EXPORT=1", "GET", "/containers/t/export", true},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nALLOW_ARCHIVE=1", "GET", "/containers/t/archive", true},
    {IMPORT_LINUXSERVER, "ALLOW_ARCHIVE=1", "PUT", "/containers/t/archive", false},
    {IMPORT_ENVIRONMENT, "CONTAINERS=1", "GET", "/containers/t/logs", true},
    {IMPORT_ENVIRONMENT, "CONTAINERS=1\nALLOW_LOGS=0", "GET", "/containers/t/logs", false},
    {IMPORT_ENVIRONMENT, "CONTAINERS=1\nALLOW_TOP=1", "GET", "/containers/t/logs", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=1\nALLOW_EXEC=0", "POST", "/containers/t/exec", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=1\nALLOW_EXEC=1", "POST", "/containers/t/exec", true},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=1\nALLOW_EXEC=1", "POST", "/containers/t/attach", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=1\nDELETE=0", "DELETE", "/containers/t", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=0\nDELETE=1", "DELETE", "/containers/t", true},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=0\nDELETE=1", "POST", "/containers/t/start", false},
    /* a GET that types */
    {IMPORT_TECNATIVA, "CONTAINERS=1", "GET", "/containers/t/attach/ws", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=1", "GET", "/containers/t/attach/ws", true},
    /* values are numbers, and forms of files */
    {IMPORT_TECNATIVA, "CONTAINERS=true", "GET", "/containers/json", false},
    {IMPORT_TECNATIVA, "CONTAINERS=2", "GET", "/containers/json", true},
    {IMPORT_TECNATIVA, "CONTAINERS=00", "GET", "/containers/json", false},
    {IMPORT_TECNATIVA, "CONTAINERS=", "GET", "/containers/json", false},
    {IMPORT_TECNATIVA, "VERSION=", "GET", "/version", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1x", "GET", "/containers/json", false},
    {IMPORT_TECNATIVA, "  - CONTAINERS=1 # optional\r\n", "GET", "/containers/json", true},
    {IMPORT_TECNATIVA, "- 'CONTAINERS=1'", "GET", "/containers/json", true},
    {IMPORT_TECNATIVA, "CONTAINERS: \"1\"", "GET", "/containers/json", true},
    {IMPORT_TECNATIVA, "export CONTAINERS='1'", "GET", "/containers/json", true},
    /* no route, so no verdict of theirs either */
    {IMPORT_TECNATIVA, "CONTAINERS=1", "HEAD", "/containers/json", false},
    {IMPORT_TECNATIVA, "CONTAINERS=1\nPOST=1", "OPTIONS", "/containers/json", false},
};

static void test_variables(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variables_rows); i++) {
        const struct variables_row *row = &variables_rows[i];
        struct read *read = read_source(row->kind, row->text);
        assert_non_null(read->policy);
        expect(read, row->text, row->method, row->target, row->expected);
        read_free(read);
    }
}

static void test_wrong_settings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *part;
    } rows[] = {
        {"services:\n", 1, "no NAME=value"},
        {"CONTAINERS=1\nCONTAINERS=0\n", 2, "given twice, first in line 1"},
        {"CONTAINERS\n", 1, "no NAME=value"},
        {"CONTAINERS=\"1\n", 1, "quoted"},
        {"CONTAINERS='1' POST=1\n", 1, "quoted"},
        {"=1\n", 1, "no NAME=value"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct read *read = read_source(IMPORT_TECNATIVA, rows[i].text);
        assert_null(read->policy);
        assert_true(has_note(read, IMPORT_WRONG, rows[i].line, rows[i].part));
        read_free(read);
    }
}

static void test_wants_sections(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool expected;
    } rows[] = {
        {"CONTAINERS=1", true},
        {"POST=0", true},
        {"ALLOW_START=1", true},
        {"ALLOW_LOGS=0", true},
        {"EVENTS=no", true},
        {"VERSION=1.2.3", false},
        {"BUILD=4711", false},
        {"SESSION=abc", false},
        {"LOG_LEVEL=info", false},
        {"SOCKET_PATH=/x", false},
        {"HOME=/root\nPATH=1", false},
        {"DISABLE_IPV6=1", false},
        {"COMMIT=", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct read *read = calloc(1, sizeof(*read));
        struct import_settings settings;
        assert_non_null(read);
        import_open(&read->import);
        assert_true(import_read_settings(&read->import, str_of(rows[i].text), &settings));
        assert_int_equal(import_wants_sections(&settings), rows[i].expected);
        read_free(read);
    }
}

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
    {"rules:\n" ALLOW("POST", "/services/create"), "POST", "/services/create", true},
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
        cmocka_unit_test(test_sections),          cmocka_unit_test(test_variables),
        cmocka_unit_test(test_wrong_settings),    cmocka_unit_test(test_wants_sections),
        cmocka_unit_test(test_expressions),       cmocka_unit_test(test_together),
        cmocka_unit_test(test_wollomatic),        cmocka_unit_test(test_cetusguard),
        cmocka_unit_test(test_sockguard),         cmocka_unit_test(test_sockguard_wrong),
        cmocka_unit_test(test_sockguard_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
