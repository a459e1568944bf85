/* libFuzzer target for request targets. The input is a method, a blank, and the target. What is
   accepted is written again; that means the same, is stable, and holds plain bytes only. */
#include "schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = TARGET_MAX * 3 + 64 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

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

/* Writes the request's target into exactly the room that it takes; the caller frees it. */
static struct str rebuild(const struct request *request)
{
    char *wide = malloc(ROOM);
    size_t n = 0, again = 0;
    must(wide && request_target(request, wide, ROOM, &n) && n <= ROOM);
    char *p = malloc(n);
    must(p && request_target(request, p, n, &again) && again == n && memcmp(p, wide, n) == 0);
    must(!request_target(request, p, n - 1, &again) && again == n);
    for (size_t i = 0; i < n; i++)
        must((unsigned char)wide[i] > 0x20 && (unsigned char)wide[i] < 0x7f && wide[i] != '#' &&
             wide[i] != '\\');
    memcpy(p, wide, n);
    free(wide);
    return (struct str){p, n};
}

static void check_names(const struct request *request)
{
    const struct str names[] = {request->name, request->name2};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        must(memmem(names[i].p ? names[i].p : "", names[i].n, "/../", 4) == NULL);
        must(memmem(names[i].p ? names[i].p : "", names[i].n, "//", 2) == NULL);
        must(!str_is(names[i], "..") && !str_is(names[i], "."));
        must(str_find(names[i], '/') == names[i].n || (i == 0 && request->route->name_slash));
    }
    for (size_t i = 0; i < request->param_count; i++)
        must(request->params[i].row && request->params[i].row->op == request->route->op);
}

static void check_accepted(struct str method, const struct request *request)
{
    static struct request second;
    struct decision decision;
    struct arena arena = {0};
    check_names(request);
    struct str target = rebuild(request);
    if (request_parse(method, target, &arena, &second, &decision)) {
        must(same_request(request, &second));
        struct str again = rebuild(&second);
        must(str_eq(target, again));
        free((void *)(uintptr_t)again.p);
    } else {
        must(target.n > TARGET_MAX); /* escapes have made it longer */
    }
    size_t length = 0;
    char *log = malloc(target.n);
    must(log && request_log_path(request, log, target.n, &length) && length <= target.n);
    free(log);
    free((void *)(uintptr_t)target.p);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request request;
    struct str input = {(const char *)data, size};
    struct str method = str_head(input, str_find(input, ' '));
    struct str target = str_skip(input, method.n + 1);
    struct arena arena = {0};
    struct decision decision;
    if (request_parse(method, target, &arena, &request, &decision)) {
        must(request.route && decision.status == 0 && str_is(method, request.route->method));
        check_accepted(method, &request);
    } else {
        must(decision.verdict == VERDICT_DENY && decision.status >= 400 && decision.reason[0]);
        must(!strchr(decision.reason, '\n') && decision.close == (decision.status == 400));
    }
    arena_free(&arena);
    return 0;
}
