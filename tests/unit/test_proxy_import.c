/* What the variables of a docker-socket-proxy come to: by operation, as the policy that is written
   lets it through. */
#include "import_helper.h"

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
    {IMPORT_ENVIRONMENT, "CONTAINERS=1\nPOST=0\nDELETE=1", "DELETE", "/containers/t", true},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nPOST=0\nDELETE=1", "DELETE", "/containers/t", false},
    {IMPORT_LINUXSERVER, "CONTAINERS=1\nPOST=1\nDELETE=1", "DELETE", "/containers/t", true},
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

/* Where the two differ, and it is not said which of them it was. */
static void test_told(void **state)
{
    (void)state;
    static const struct {
        enum import_kind kind;
        const char *text, *part;
        bool told;
    } rows[] = {
        {IMPORT_ENVIRONMENT, "ALLOW_START=1", "ALLOW_START=1 is let through without POST=1", true},
        {IMPORT_ENVIRONMENT, "ALLOW_START=1\nPOST=1", "without POST=1", false},
        {IMPORT_LINUXSERVER, "ALLOW_START=1", "without POST=1", false},
        {IMPORT_TECNATIVA, "ALLOW_START=1", "ALLOW_START=1 does nothing there", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct read *read = read_source(rows[i].kind, rows[i].text);
        assert_non_null(read->policy);
        assert_int_equal(has_note(read, IMPORT_TOLD, 1, rows[i].part), rows[i].told);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),       cmocka_unit_test(test_variables),
        cmocka_unit_test(test_told),           cmocka_unit_test(test_wrong_settings),
        cmocka_unit_test(test_wants_sections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
