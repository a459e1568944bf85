/* sockwarden explain: decides one request as the proxy would, without sending it anywhere. */
#include "cmd.h"

#include "chunked.h"
#include "http_request.h"

#include <stdio.h>
#include <stdlib.h>

enum { QUESTION_MAX = 64 << 20, HEAD_MAX = 64 << 10, BODY_MAX = 1 << 20, DROPPED_MAX = 64 << 10 };

struct question {
    const char *policy_file; /* NULL: built in */
    const char *role;        /* NULL: `default` */
    const char *file;        /* "-": standard input */
};

/* What is known of the answer; the decision holds the rest. */
struct answer {
    struct decision decision;
    const struct request *request;
    const struct role *role;
};

/* Who asks. Policies of this version give every client the same role, so the answer holds for any
   identity. */
static bool is_identity(const char *argument)
{
    static const char *const names[] = {
        "--cert-cn", "--cert-ou", "--cert-san", "--cert-spki",
        "--uid",     "--gid",     "--address",  "--listener",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(argument, names[i]) == 0)
            return true;
    return false;
}

static int read_options(int argc, char **argv, struct question *out)
{
    *out = (struct question){.file = NULL};
    for (int i = 1; i < argc; i++) {
        bool policy = strcmp(argv[i], "--policy") == 0, role = strcmp(argv[i], "--role") == 0;
        bool identity = is_identity(argv[i]);
        if ((policy || role || identity) && i + 1 == argc)
            return cmd_fail(EXIT_USAGE, "%s wants a value", argv[i]);
        if (policy)
            out->policy_file = argv[++i];
        else if (role)
            out->role = argv[++i];
        else if (identity)
            i++;
        else if (argv[i][0] == '-' && argv[i][1])
            return cmd_fail(EXIT_USAGE, "explain has no option %s", argv[i]);
        else if (out->file)
            return cmd_fail(EXIT_USAGE, "explain takes one request, and %s is a second", argv[i]);
        else
            out->file = argv[i];
    }
    if (!out->file)
        out->file = "-";
    return EXIT_OK;
}

static bool malformed(struct answer *answer, int status, const char *why)
{
    answer->decision.verdict = VERDICT_DENY;
    answer->decision.status = status;
    answer->decision.close = true;
    snprintf(answer->decision.reason, sizeof(answer->decision.reason), "sockwarden: %s", why);
    return false;
}

/* The whole body of the request, unchunked in place; *used: bytes that it took with its framing. */
static bool take_body(char *bytes, size_t n, const struct http_request *http, struct answer *answer,
                      struct str *out, size_t *used)
{
    *out = (struct str){NULL, 0};
    *used = 0;
    if (http->framing == FRAMING_LENGTH) {
        if (http->length > n)
            return malformed(answer, 400, "the body is shorter than its Content-Length");
        *out = (struct str){bytes, (size_t)http->length};
        *used = out->n;
    }
    if (http->framing != FRAMING_CHUNKED)
        return true;
    struct chunked walk = {.state = 0};
    struct str rest = {bytes, n};
    size_t length = 0;
    enum chunked_status status = CHUNKED_MORE;
    while (rest.n && status != CHUNKED_DONE) {
        struct str data;
        size_t taken = 0;
        status = chunked_walk(&walk, rest, &taken, &data);
        if (status == CHUNKED_BAD)
            break;
        memmove(bytes + length, data.p ? data.p : bytes, data.n);
        length += data.n;
        rest = str_skip(rest, taken);
    }
    if (status != CHUNKED_DONE)
        return malformed(answer, 400, "the chunked body is not framed as HTTP wants it");
    *out = (struct str){bytes, length};
    *used = n - rest.n;
    return true;
}

static void decide(struct str body, struct request *request, struct arena *arena,
                   struct answer *answer)
{
    enum body_kind kind = request_body_kind(request);
    bool opaque = kind == BODY_OPAQUE;
    if (!opaque && body.n > (kind == BODY_JSON ? BODY_MAX : DROPPED_MAX)) {
        malformed(answer, 413, "the body is larger than the proxy inspects (--max-body)");
        return;
    }
    if (!opaque && body.n &&
        (request->route->body == BODY_JSON || request->route->op == OP_ContainerStart))
        request->body = body;
    if (request->route->op == OP_PutContainerArchive &&
        policy_precheck(answer->role, request, arena, &answer->decision) &&
        !request_check_archive(answer->role, request, str_head(body, ARCHIVE_MARK_MAX),
                               &answer->decision))
        return;
    policy_decide(answer->role, request, arena, &answer->decision);
}

/* Judges the first request in bytes, as the proxy does with what a connection brings. Returns where
   the next request begins, n when there can be none. */
static size_t judge(char *bytes, size_t n, struct request *request, struct arena *arena,
                    struct answer *answer)
{
    struct head_scan scan = {0, 0, 0};
    struct http_refusal refusal = {400, "the request has no end: its head must close with an empty "
                                        "line (CR LF CR LF)"};
    struct http_request *http = arena_alloc(arena, 1, sizeof(*http));
    size_t length = 0, used = 0;
    struct str whole = {bytes, n}, body;
    if (!http || head_scan(&scan, whole, true, HEAD_MAX, &length, &refusal) != HEAD_DONE ||
        !http_request_read(str_head(whole, length), http, &refusal)) {
        malformed(answer, refusal.status, refusal.why);
        return n;
    }
    if (!request_parse(http->head.method, http->head.target, arena, request, &answer->decision)) {
        answer->request = request->route ? request : NULL;
        return n;
    }
    answer->request = request;
    if (!request_check_content(request, http->content_type, http->framing != FRAMING_NONE,
                               &answer->decision))
        return n;
    if (http->origin.p &&
        !(request->route->follow == FOLLOW_WS && http_request_same_origin(http))) {
        malformed(answer, 403,
                  "a request with an Origin header comes from a web page, and no "
                  "Docker client is one");
        return n;
    }
    if (!take_body(bytes + length, n - length, http, answer, &body, &used))
        return n;
    decide(body, request, arena, answer);
    bool last = !http->keep_alive || request->route->follow != FOLLOW_RESPONSE;
    return last ? n : length + used;
}

static void print_answer(const struct answer *answer)
{
    static char text[16 << 10];
    const struct decision *decision = &answer->decision;
    struct json_out out = {.p = text, .cap = sizeof(text)};
    bool allow = decision->verdict == VERDICT_ALLOW;
    json_out_open(&out, '{');
    json_out_member(&out, "decision", str_of(allow ? "allow" : "deny"));
    if (!allow) {
        json_out_key(&out, "status");
        json_out_int(&out, decision->status ? decision->status : 403);
    }
    if (answer->request)
        json_out_member(&out, "operation", str_of(operation_name(answer->request->route->op)));
    if (answer->role)
        json_out_member(&out, "role", str_of(role_name(answer->role)));
    if (decision->reason[0])
        json_out_member(&out, "reason", str_of(decision->reason));
    if (decision->field[0])
        json_out_member(&out, "field", str_of(decision->field));
    if (decision->value[0])
        json_out_member(&out, "value", str_of(decision->value));
    if (decision->rule)
        json_out_member(&out, "rule", str_of(decision->rule));
    if (decision->allow_with[0])
        json_out_member(&out, "allow_with", str_of(decision->allow_with));
    json_out_close(&out, '}');
    size_t length = 0;
    char *pretty =
        out.len <= out.cap ? json_print_pretty((struct str){text, out.len}, &length) : NULL;
    printf("%.*s\n", pretty ? (int)length : (int)(out.len <= out.cap ? out.len : out.cap),
           pretty ? pretty : text);
    free(pretty);
}

static int explain(const struct question *question, const struct policy *policy)
{
    struct err err = {.set = false};
    size_t n = 0;
    const struct role *role =
        question->role ? policy_role(policy, str_of(question->role)) : policy_default_role(policy);
    if (question->role && !role) {
        char why[256];
        role_missing(policy, question->role, why, sizeof(why));
        return cmd_fail(EXIT_FAILED, "%s", why);
    }
    char *bytes = file_read(question->file, QUESTION_MAX, &n, &err);
    if (!bytes)
        return cmd_fail(EXIT_FAILED, "%s", err.text);
    struct arena arena = {NULL, 0, 0};
    static struct request request;
    static struct answer answer;
    /* Requests that follow on one connection are judged in turn; the first refusal is the answer.
     */
    size_t at = 0;
    do {
        answer = (struct answer){.role = role};
        at += judge(bytes + at, n - at, &request, &arena, &answer);
    } while (at < n && answer.decision.verdict == VERDICT_ALLOW);
    print_answer(&answer);
    free(bytes);
    arena_free(&arena);
    return answer.decision.verdict == VERDICT_ALLOW ? EXIT_OK : EXIT_REFUSED;
}

int cmd_explain(int argc, char **argv)
{
    struct question question;
    int status = read_options(argc, argv, &question);
    if (status != EXIT_OK)
        return status;
    char hash[65];
    struct policy *policy =
        question.policy_file ? policy_read(question.policy_file, hash) : policy_builtin();
    if (!policy)
        return EXIT_FAILED;
    status = explain(&question, policy);
    policy_free(policy);
    return status;
}
