/* Request targets: what is read, what is refused, and the target that is written again. */
#include "schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Parses, and keeps arena and decision together. */
struct parsed {
    struct arena arena;
    struct request request;
    struct decision decision;
    bool ok;
};

static void parse(struct parsed *parsed, struct str method, struct str target)
{
    memset(parsed, 0, sizeof(*parsed));
    parsed->ok = request_parse(method, target, &parsed->arena, &parsed->request, &parsed->decision);
}

/* A name or value may hold bytes that a C literal cannot end with, so rows are slices of text. */
#define NONE ""

// clang-format off
static const struct accept_row {
    const char *method, *target;
    enum operation op;
    const char *rebuilt; /* NULL: as sent */
    const char *name, *name2;
    int minor;           /* -1: no version */
} accept_rows[] = {
    {"GET", "/_ping", OP_SystemPing, NULL, NONE, NONE, -1},
    {"HEAD", "/_ping", OP_SystemPingHead, NULL, NONE, NONE, -1},
    {"GET", "/version", OP_SystemVersion, NULL, NONE, NONE, -1},
    {"GET", "/volumes", OP_VolumeList, NULL, NONE, NONE, -1},
    {"GET", "/v1.41/version", OP_SystemVersion, NULL, NONE, NONE, 41},
    {"GET", "/v1.24/info", OP_SystemInfo, NULL, NONE, NONE, 24},
    {"GET", "/v1.0/info", OP_SystemInfo, NULL, NONE, NONE, 0},
    {"GET", "/v1.999/info", OP_SystemInfo, NULL, NONE, NONE, 999},
    {"GET", "/v2.41/info", OP_SystemInfo, NULL, NONE, NONE, 41},
    {"GET", "/networks", OP_NetworkList, NULL, NONE, NONE, -1},
    {"GET", "/networks/", OP_NetworkList, NULL, NONE, NONE, -1},
    {"GET", "/networks/x", OP_NetworkInspect, NULL, "x", NONE, -1},
    {"GET", "/containers/json", OP_ContainerList, NULL, NONE, NONE, -1},
    {"GET", "/containers/json/json", OP_ContainerInspect, NULL, "json", NONE, -1},
    {"POST", "/containers/create", OP_ContainerCreate, NULL, NONE, NONE, -1},
    {"POST", "/containers/prune", OP_ContainerPrune, NULL, NONE, NONE, -1},
    {"POST", "/containers/prune/start", OP_ContainerStart, NULL, "prune", NONE, -1},
    {"DELETE", "/containers/create", OP_ContainerDelete, NULL, "create", NONE, -1},
    {"GET", "/containers/a/attach/ws", OP_ContainerAttachWebsocket, NULL, "a", NONE, -1},
    {"DELETE", "/containers/a/checkpoints/b", OP_CheckpointDelete, NULL, "a", "b", -1},
    {"GET", "/containers/v1.41/json", OP_ContainerInspect, NULL, "v1.41", NONE, -1},
    {"GET", "/v1.41/containers/...a/json", OP_ContainerInspect, NULL, "...a", NONE, 41},

    /* escapes in names: decoded, and written again in one way */
    {"GET", "/containers/%61b/json", OP_ContainerInspect, "/containers/ab/json", "ab", NONE, -1},
    {"GET", "/containers/a%3ab/json", OP_ContainerInspect, "/containers/a:b/json", "a:b", NONE, -1},
    {"GET", "/containers/a+b/json", OP_ContainerInspect, "/containers/a%2Bb/json", "a+b", NONE, -1},
    {"GET", "/containers/a%20b/json", OP_ContainerInspect, NULL, "a b", NONE, -1},
    {"GET", "/containers/a;b=c/json", OP_ContainerInspect, "/containers/a%3Bb%3Dc/json", "a;b=c", NONE, -1},
    {"GET", "/containers/%c3%a9/json", OP_ContainerInspect, "/containers/%C3%A9/json", "\xc3\xa9", NONE, -1},
    {"GET", "/containers/a%3Fx/json", OP_ContainerInspect, NULL, "a?x", NONE, -1},
    {"GET", "/containers/a%23x/json", OP_ContainerInspect, NULL, "a#x", NONE, -1},

    /* names with slashes, only where they belong */
    {"GET", "/images/library/nginx:1/json", OP_ImageInspect, NULL, "library/nginx:1", NONE, -1},
    {"GET", "/images/reg.example.com:5000/a/b/json", OP_ImageInspect, NULL, "reg.example.com:5000/a/b", NONE, -1},
    {"GET", "/images/a%2fb/json", OP_ImageInspect, "/images/a/b/json", "a/b", NONE, -1},
    {"GET", "/images/a/json/json", OP_ImageInspect, NULL, "a/json", NONE, -1},
    {"GET", "/images/a/history/json", OP_ImageInspect, NULL, "a/history", NONE, -1},
    {"GET", "/images/a/json/history", OP_ImageHistory, NULL, "a/json", NONE, -1},
    {"DELETE", "/images/a/json", OP_ImageDelete, NULL, "a/json", NONE, -1},
    {"DELETE", "/images/sha256:0a", OP_ImageDelete, NULL, "sha256:0a", NONE, -1},
    {"GET", "/images/a@sha256:0a/json", OP_ImageInspect, NULL, "a@sha256:0a", NONE, -1},
    {"POST", "/images/r.io/x/push", OP_ImagePush, NULL, "r.io/x", NONE, -1},
    {"GET", "/distribution/r.io/x/json", OP_DistributionInspect, NULL, "r.io/x", NONE, -1},
    {"POST", "/plugins/v/sshfs/enable", OP_PluginEnable, NULL, "v/sshfs", NONE, -1},
    {"GET", "/plugins/privileges", OP_GetPluginPrivileges, NULL, NONE, NONE, -1},

    /* queries: known parameters in their order, others left out */
    {"GET", "/containers/json?", OP_ContainerList, "/containers/json", NONE, NONE, -1},
    {"GET", "/containers/json?all=1", OP_ContainerList, NULL, NONE, NONE, -1},
    {"GET", "/containers/json?limit=1&all=1", OP_ContainerList, NULL, NONE, NONE, -1},
    {"GET", "/containers/json?all", OP_ContainerList, "/containers/json?all=", NONE, NONE, -1},
    {"GET", "/containers/json?&&all=1&", OP_ContainerList, "/containers/json?all=1", NONE, NONE, -1},
    {"GET", "/containers/json?nothing=1&all=1&x", OP_ContainerList, "/containers/json?all=1", NONE, NONE, -1},
    {"GET", "/containers/json?ALL=1", OP_ContainerList, "/containers/json", NONE, NONE, -1},
    {"GET", "/containers/json?%61ll=1", OP_ContainerList, "/containers/json?all=1", NONE, NONE, -1},
    {"GET", "/containers/json?all+=1", OP_ContainerList, "/containers/json", NONE, NONE, -1},
    {"GET", "/containers/json?=1", OP_ContainerList, "/containers/json", NONE, NONE, -1},
    {"GET", "/containers/json?since=a+b%2Bc", OP_ContainerList, "/containers/json?since=a%20b%2Bc", NONE, NONE, -1},
    {"GET", "/containers/json?since=a=b?c", OP_ContainerList, "/containers/json?since=a%3Db%3Fc", NONE, NONE, -1},
    {"GET", "/containers/json?since=%26%3b%25", OP_ContainerList, "/containers/json?since=%26%3B%25", NONE, NONE, -1},
    {"GET", "/containers/json?since=%0a%7f", OP_ContainerList, "/containers/json?since=%0A%7F", NONE, NONE, -1},
    {"GET", "/containers/json?since=%c3%a9", OP_ContainerList, "/containers/json?since=%C3%A9", NONE, NONE, -1},
    {"GET", "/containers/json?since=../a//b/./c", OP_ContainerList, NULL, NONE, NONE, -1},
    {"GET", "/containers/json?filters=%7B%22id%22%3A%5B%22a%22%5D%7D", OP_ContainerList,
     "/containers/json?filters=%7B%22id%22:%5B%22a%22%5D%7D", NONE, NONE, -1},
    {"POST", "/build?t=a&t=b&t=a", OP_ImageBuild, NULL, NONE, NONE, -1},
    {"GET", "/images/get?names=a&names=b", OP_ImageGetAll, NULL, NONE, NONE, -1},
    {"POST", "/images/create?fromImage=a&fromImages=b", OP_ImageCreate, "/images/create?fromImage=a", NONE, NONE, -1},
    {"DELETE", "/containers/a?v=1&force=1", OP_ContainerDelete, NULL, "a", NONE, -1},
};

static const struct refuse_row {
    const char *method, *target;
    int status;
    bool routed;      /* the operation was known */
    const char *says; /* part of the sentence */
} refuse_rows[] = {
    {"GET", "", 400, false, "must begin with /"},
    {"GET", "*", 400, false, "must begin with /"},
    {"GET", "_ping", 400, false, "must begin with /"},
    {"GET", "http://docker/_ping", 400, false, "must begin with /"},
    {"CONNECT", "docker:80", 400, false, "must begin with /"},
    {"GET", "/_ping#x", 400, false, "percent-encoded"},
    {"GET", "/_ping\\", 400, false, "percent-encoded"},
    {"GET", "/_ping x", 400, false, "percent-encoded"},
    {"GET", "/_ping\tx", 400, false, "percent-encoded"},
    {"GET", "/_ping\x7f", 400, false, "percent-encoded"},
    {"GET", "/containers/json?a b", 400, false, "percent-encoded"},
    {"GET", "/containers/\xc3\xa9/json", 400, false, "percent-encoded"},

    {"GET", "//_ping", 400, false, "normal form"},
    {"GET", "/./_ping", 400, false, "normal form"},
    {"GET", "/x/../_ping", 400, false, "normal form"},
    {"GET", "/v1.41//info", 400, false, "normal form"},
    {"GET", "/v1.41/../info", 400, false, "normal form"},
    {"GET", "/containers/../info", 400, false, "normal form"},
    {"GET", "/containers/./json", 400, false, "normal form"},
    {"GET", "/info/..", 400, false, "normal form"},
    {"GET", "/info/.", 400, false, "normal form"},
    {"GET", "/networks//", 400, false, "normal form"},
    {"GET", "/images//json", 400, false, "normal form"},

    {"GET", "/v1.41", 400, false, "/v1.41/"},
    {"GET", "/v1/info", 400, false, "/v1.41/"},
    {"GET", "/v1./info", 400, false, "/v1.41/"},
    {"GET", "/v.41/info", 400, false, "/v1.41/"},
    {"GET", "/v01.41/info", 400, false, "/v1.41/"},
    {"GET", "/v0.41/info", 400, false, "/v1.41/"},
    {"GET", "/v10.41/info", 400, false, "/v1.41/"},
    {"GET", "/v1.41.0/info", 400, false, "/v1.41/"},
    {"GET", "/v1.1000/info", 400, false, "/v1.41/"},
    {"GET", "/v1.-1/info", 400, false, "/v1.41/"},
    {"GET", "/v1.4a/info", 400, false, "/v1.41/"},
    {"GET", "/v1%2e41/info", 400, false, "/v1.41/"},
    {"GET", "/v1.41%2finfo", 400, false, "/v1.41/"},

    {"GET", "/", 403, false, "no operation"},
    {"GET", "/v1.41/", 403, false, "no operation"},
    {"GET", "/v1.41/v1.41/info", 403, false, "no operation"},
    {"GET", "/V1.41/info", 403, false, "no operation"},
    {"GET", "/info/", 403, false, "no operation"},
    {"GET", "/INFO", 403, false, "no operation"},
    {"GET", "/%69nfo", 403, false, "no operation"},
    {"GET", "/inf", 403, false, "no operation"},
    {"GET", "/infos", 403, false, "no operation"},
    {"POST", "/info", 403, false, "no operation"},
    {"HEAD", "/info", 403, false, "no operation"},
    {"get", "/info", 403, false, "no operation"},
    {"GET", "/containers/", 403, false, "no operation"},
    {"GET", "/containers/json/", 403, false, "no operation"},
    {"GET", "/containers%2Fjson", 403, false, "no operation"},
    {"POST", "/containers/a%2Fstart", 403, false, "no operation"},
    /* No object but an image has such a name: docker inspect goes on to those. */
    {"GET", "/v1.41/containers/a/b/json", 404, false, "no operation"},
    {"GET", "/containers/a/b/c/json?size=1", 404, false, "no operation"},
    {"GET", "/volumes/a/b", 404, false, "no operation"},
    {"GET", "/v1.41/services/a/b?insertDefaults=false", 404, false, "no operation"},
    {"GET", "/v1.41/configs/a/b", 404, false, "no operation"},
    {"GET", "/containers/a/b/logs", 403, false, "no operation"},
    {"POST", "/containers/a/b/json", 403, false, "no operation"},
    {"DELETE", "/volumes/a/b", 403, false, "no operation"},
    {"DELETE", "/containers/a/b", 403, false, "no operation"},
    {"DELETE", "/containers/a/checkpoints/", 403, false, "no operation"},
    {"DELETE", "/containers/a/checkpoints/b/c", 403, false, "no operation"},
    {"DELETE", "/containers/checkpoints/b", 403, false, "no operation"},
    {"GET", "/images/json%2fjson", 403, false, "no operation"},
    {"GET", "/debug/vars", 403, false, "no operation"},

    {"GET", "/containers/a%/json", 400, true, "broken percent escape"},
    {"GET", "/containers/a%4/json", 400, true, "broken percent escape"},
    {"GET", "/containers/a%zz/json", 400, true, "broken percent escape"},
    {"GET", "/containers/a%00/json", 400, true, "no name may hold"},
    {"GET", "/containers/a%0a/json", 400, true, "no name may hold"},
    {"GET", "/containers/a%7f/json", 400, true, "no name may hold"},
    {"GET", "/containers/a%2541/json", 400, true, "no name may hold"},
    {"GET", "/containers/a%2fb/json", 400, true, "no name may hold"},
    {"DELETE", "/containers/a%2Fjson", 400, true, "no name may hold"},
    {"GET", "/containers/%2e%2e/json", 400, true, "encoded dot"},
    {"GET", "/containers/a%2Eb/json", 400, true, "encoded dot"},
    {"GET", "/images/a%2f%2fb/json", 400, true, "normal form"},
    {"GET", "/images/a%2f../json", 400, true, "normal form"},
    {"GET", "/images/%2fa/json", 400, true, "normal form"},
    {"GET", "/images/a%2f/json", 400, true, "normal form"},
    {"DELETE", "/images/a/", 400, true, "normal form"},
    {"GET", "/containers/%ff/json", 400, true, "not UTF-8"},
    {"GET", "/containers/%c0%ae/json", 400, true, "not UTF-8"},
    {"GET", "/containers/%ed%a0%80/json", 400, true, "not UTF-8"},
    {"DELETE", "/containers/a/checkpoints/b%2fc", 400, true, "no name may hold"},

    {"GET", "/containers/json?all=1;limit=1", 400, true, "could separate"},
    {"GET", "/containers/json?all=%", 400, true, "broken percent escape"},
    {"GET", "/containers/json?%4=1", 400, true, "broken percent escape"},
    {"GET", "/containers/json?x=%zz", 400, true, "broken percent escape"},
    {"GET", "/containers/json?since=%ff", 400, true, "not UTF-8"},
    {"GET", "/containers/json?since=\xc3\xa9", 400, false, "percent-encoded"},
    {"GET", "/containers/json?since=%00", 400, true, "not UTF-8"},
    {"GET", "/containers/json?a%00=1", 400, true, "not UTF-8"},
    {"GET", "/containers/json?all=1&all=1", 400, true, "given twice"},
    {"GET", "/containers/json?all=1&%61ll=0", 400, true, "given twice"},
    {"POST", "/images/create?fromImage=a&tag=1&fromImage=b", 400, true, "given twice"},
    {"POST", "/build?t=a&q=1&q=1", 400, true, "given twice"},
    {"POST", "/containers/prune?filter=x", 403, true, "not known"},
    {"DELETE", "/containers/a?x", 403, true, "not known"},
    {"DELETE", "/containers/a?Force=1", 403, true, "not known"},
    {"POST", "/volumes/prune?=", 403, true, "not known"},
};

static const struct log_row {
    const char *method, *target, *shown;
} log_rows[] = {
    {"GET", "/v1.41/containers/json?all=1", "/v1.41/containers/json?all=1"},
    {"POST", "/build?buildargs=%7B%22TOKEN%22:%22s3cret%22%7D&t=a", "/build?t=a"},
    {"POST", "/build?t=a&buildargs=x&q=1&remote=https://u:p@h/", "/build?t=a&q=1"},
    {"POST", "/images/create?fromSrc=https://u:p@h/", "/images/create"},
    {"POST", "/images/create?changes=ENV%20A=b&repo=r&changes=x", "/images/create?repo=r"},
    {"POST", "/commit?changes=ENV%20A=b", "/commit"},
    {"GET", "/containers/json?token=s3cret", "/containers/json"},
};

static const struct content_row {
    const char *method, *target;
    const char *type; /* NULL: absent */
    bool body, ok;
    enum body_kind kind;
} content_rows[] = {
    {"POST", "/containers/create", "application/json", true, true, BODY_JSON},
    {"POST", "/containers/create", "Application/JSON; charset=utf-8", true, true, BODY_JSON},
    {"POST", "/containers/create", "  application/json\t;x", true, true, BODY_JSON},
    {"POST", "/containers/create", "application/jsonx", true, false, BODY_JSON},
    {"POST", "/containers/create", "application/json,text/plain", true, false, BODY_JSON},
    {"POST", "/containers/create", "text/plain", true, false, BODY_JSON},
    {"POST", "/containers/create", "", true, false, BODY_JSON},
    {"POST", "/containers/create", NULL, true, false, BODY_JSON},
    {"POST", "/containers/create", NULL, false, true, BODY_JSON},
    {"POST", "/containers/create", "application/x-www-form-urlencoded", false, true, BODY_JSON},
    {"POST", "/containers/create", "application/x-www-form-urlencoded", true, false, BODY_JSON},
    {"POST", "/containers/a/start", NULL, true, true, BODY_NONE},
    {"POST", "/containers/a/start", "text/plain", true, true, BODY_NONE},
    {"POST", "/containers/a/start", "application/json", true, true, BODY_NONE},
    {"POST", "/containers/a/start", "application/octet-stream", true, false, BODY_NONE},
    {"GET", "/_ping", "multipart/form-data; boundary=x", true, false, BODY_NONE},
    {"POST", "/build", "application/x-tar", true, true, BODY_OPAQUE},
    {"POST", "/build", NULL, true, true, BODY_OPAQUE},
    {"POST", "/build", "application/x-www-form-urlencoded", true, false, BODY_OPAQUE},
    {"POST", "/build", "APPLICATION/X-WWW-FORM-URLENCODED ; x", true, false, BODY_OPAQUE},
    {"POST", "/build", "Multipart/Mixed", true, false, BODY_OPAQUE},
    {"PUT", "/containers/a/archive?path=/", "application/x-tar", true, true, BODY_OPAQUE},
    {"POST", "/images/create?fromImage=a", "application/x-www-form-urlencoded", true, false, BODY_NONE},
    {"POST", "/images/create?fromImage=a", "application/x-tar", true, false, BODY_NONE},
    {"POST", "/images/create?fromImage=a", "text/plain", true, true, BODY_NONE},
    {"POST", "/images/create?fromSrc=-", "application/x-tar", true, true, BODY_OPAQUE},
    {"POST", "/images/create?fromSrc=", "application/x-tar", true, false, BODY_NONE},
    {"POST", "/images/create?fromSrc=-", "multipart/form-data", true, false, BODY_OPAQUE},
};
// clang-format on

static bool same_request(const struct request *a, const struct request *b)
{
    bool same = a->route == b->route && a->versioned == b->versioned &&
                a->api_major == b->api_major && a->api_minor == b->api_minor &&
                str_eq(a->name, b->name) && str_eq(a->name2, b->name2) &&
                a->param_count == b->param_count;
    for (size_t i = 0; same && i < a->param_count; i++)
        same =
            a->params[i].row == b->params[i].row && str_eq(a->params[i].value, b->params[i].value);
    return same;
}

static void check_accepted(const struct accept_row *row)
{
    struct parsed first, second;
    parse(&first, str_of(row->method), str_of(row->target));
    if (!first.ok)
        fail_msg("%s %s: refused: %s", row->method, row->target, first.decision.reason);
    if (first.request.route->op != row->op)
        fail_msg("%s %s: is %s", row->method, row->target, operation_name(first.request.route->op));
    if (!str_is(first.request.name, row->name) || !str_is(first.request.name2, row->name2))
        fail_msg("%s: names \"%.*s\", \"%.*s\"", row->target, STR_ARG(first.request.name),
                 STR_ARG(first.request.name2));
    if (first.request.versioned != (row->minor >= 0) ||
        first.request.api_minor != (row->minor < 0 ? 0 : row->minor))
        fail_msg("%s: version %d.%d", row->target, first.request.api_major,
                 first.request.api_minor);
    char text[512];
    size_t length = 0;
    assert_true(request_target(&first.request, text, sizeof(text), &length));
    struct str rebuilt = {text, length};
    if (!str_is(rebuilt, row->rebuilt ? row->rebuilt : row->target))
        fail_msg("%s: rebuilt %.*s", row->target, STR_ARG(rebuilt));
    parse(&second, str_of(row->method), rebuilt);
    if (!second.ok || !same_request(&first.request, &second.request))
        fail_msg("%.*s: means something else when it is read again", STR_ARG(rebuilt));
    arena_free(&first.arena);
    arena_free(&second.arena);
}

static void test_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accept_rows); i++)
        check_accepted(&accept_rows[i]);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refuse_rows); i++) {
        const struct refuse_row *row = &refuse_rows[i];
        struct parsed parsed;
        parse(&parsed, str_of(row->method), str_of(row->target));
        const struct decision *decision = &parsed.decision;
        if (parsed.ok || decision->verdict != VERDICT_DENY || decision->status != row->status ||
            decision->close != (row->status == 400) ||
            (parsed.request.route != NULL) != row->routed || !strstr(decision->reason, row->says))
            fail_msg("%s %s: ok %d status %d: %s", row->method, row->target, parsed.ok,
                     decision->status, decision->reason);
        arena_free(&parsed.arena);
    }
}

/* A NUL ends nothing: it is a byte like any other that may not stand there. */
static void test_nul(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, STR("GET"), STR("/_ping\0"));
    assert_false(parsed.ok);
    assert_int_equal(parsed.decision.status, 400);
    parse(&parsed, STR("GET\0"), STR("/_ping"));
    assert_false(parsed.ok);
    assert_int_equal(parsed.decision.status, 403);
    arena_free(&parsed.arena);
}

/* Every route, with and without a version, comes back as it was sent. */
static void test_every_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < routes_count; i++) {
        for (int versioned = 0; versioned < 2; versioned++) {
            char target[256], text[256];
            size_t n = (size_t)snprintf(target, sizeof(target), "%s", versioned ? "/v1.41" : "");
            for (const char *p = routes[i].path; *p; p++) {
                if (*p == '{') {
                    n += (size_t)snprintf(target + n, sizeof(target) - n, "some:thing");
                    p = strchr(p, '}');
                } else {
                    target[n++] = *p;
                }
            }
            struct parsed parsed;
            parse(&parsed, str_of(routes[i].method), (struct str){target, n});
            size_t length = 0;
            if (!parsed.ok || parsed.request.route != &routes[i] ||
                !request_target(&parsed.request, text, sizeof(text), &length) ||
                !str_eq((struct str){text, length}, (struct str){target, n}))
                fail_msg("%s %.*s: not its own route", routes[i].method, (int)n, target);
            arena_free(&parsed.arena);
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct parsed parsed;
    static char target[TARGET_MAX + 2];
    size_t start = (size_t)snprintf(target, sizeof(target), "/containers/json?since=");
    memset(target + start, 'a', sizeof(target) - start);
    parse(&parsed, STR("GET"), (struct str){target, TARGET_MAX});
    assert_true(parsed.ok);
    arena_free(&parsed.arena);
    parse(&parsed, STR("GET"), (struct str){target, TARGET_MAX + 1});
    assert_false(parsed.ok);
    assert_int_equal(parsed.decision.status, 400);
    arena_free(&parsed.arena);
    size_t n = (size_t)snprintf(target, sizeof(target), "/build?t=");
    for (size_t i = 1; i < PARAMS_MAX; i++)
        n += (size_t)snprintf(target + n, sizeof(target) - n, "&t=%zu", i);
    parse(&parsed, STR("POST"), (struct str){target, n});
    assert_true(parsed.ok);
    assert_int_equal(parsed.request.param_count, PARAMS_MAX);
    arena_free(&parsed.arena);
    n += (size_t)snprintf(target + n, sizeof(target) - n, "&t=x");
    parse(&parsed, STR("POST"), (struct str){target, n});
    assert_false(parsed.ok);
    assert_non_null(strstr(parsed.decision.reason, "too many"));
    arena_free(&parsed.arena);
}

/* Any room that is too small is said, and nothing is written behind it. */
static void test_room(void **state)
{
    (void)state;
    static const char wanted[] = "/v1.41/images/a/b%20c/json?platform=x%2By";
    struct parsed parsed;
    parse(&parsed, STR("GET"), str_of(wanted));
    assert_true(parsed.ok);
    for (size_t cap = 0; cap <= sizeof(wanted); cap++) {
        char *text = malloc(cap + 1);
        assert_non_null(text);
        text[cap] = '!';
        size_t length = 0;
        bool fits = request_target(&parsed.request, text, cap, &length);
        assert_int_equal(fits, cap >= sizeof(wanted) - 1);
        assert_int_equal(length, sizeof(wanted) - 1);
        assert_int_equal(text[cap], '!');
        if (fits)
            assert_memory_equal(text, wanted, length);
        free(text);
    }
    arena_free(&parsed.arena);
    struct request nothing = {.route = NULL};
    char text[8];
    size_t length;
    assert_false(request_target(&nothing, text, sizeof(text), &length));
    assert_false(request_log_path(&nothing, text, sizeof(text), &length));
}

static void test_log_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(log_rows); i++) {
        const struct log_row *row = &log_rows[i];
        struct parsed parsed;
        parse(&parsed, str_of(row->method), str_of(row->target));
        assert_true(parsed.ok);
        char text[256];
        size_t length = 0;
        if (!request_log_path(&parsed.request, text, sizeof(text), &length) ||
            !str_is((struct str){text, length}, row->shown))
            fail_msg("%s: logged as %.*s", row->target, (int)length, text);
        arena_free(&parsed.arena);
    }
}

static void test_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(content_rows); i++) {
        const struct content_row *row = &content_rows[i];
        struct parsed parsed;
        parse(&parsed, str_of(row->method), str_of(row->target));
        assert_true(parsed.ok);
        bool ok =
            request_check_content(&parsed.request, str_of(row->type), row->body, &parsed.decision);
        if (ok != row->ok || request_body_kind(&parsed.request) != row->kind)
            fail_msg("%s %s, \"%s\": %d", row->method, row->target, row->type, ok);
        if (!ok && (parsed.decision.status != 400 || !parsed.decision.close ||
                    strcmp(parsed.decision.field, "Content-Type") != 0))
            fail_msg("%s %s: status %d of %s", row->method, row->target, parsed.decision.status,
                     parsed.decision.field);
        arena_free(&parsed.arena);
    }
}

static void test_params(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, STR("GET"), STR("/containers/json?all&since=a%20b"));
    assert_true(parsed.ok);
    assert_true(str_is(request_param(&parsed.request, "since"), "a b"));
    struct str all = request_param(&parsed.request, "all");
    assert_true(all.p != NULL && all.n == 0);
    assert_null(request_param(&parsed.request, "limit").p);
    arena_free(&parsed.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul),      cmocka_unit_test(test_every_route),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_room),
        cmocka_unit_test(test_log_path), cmocka_unit_test(test_content),
        cmocka_unit_test(test_params),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
