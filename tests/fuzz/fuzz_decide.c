/* libFuzzer target for the decision: a byte that picks the role, a line "METHOD TARGET", the body,
   and where a NUL follows, what the daemon says of objects that exist. Whatever comes, the answer
   is ALLOW without a status or a refusal with a status and one line of text, and it is the same
   when asked again. */
#include "fuzz_facts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Roles that reach different code: bare, restrictive, open by key, unrestricted. */
static const char policy_text[] =
    "{\"version\":1,\"roles\":{"
    "\"default\":{\"extends\":\"builtin:default\"},"
    "\"a\":{\"allow\":[\"*\"],\"archive\":true,"
    "\"containers\":{\"binds\":[\"/srv/**\",{\"source\":\"/etc/localtime\",\"read_only\":true}],"
    "\"cap_add\":[\"NET_*\"],\"cap_drop\":{\"require\":[\"NET_RAW\"]},"
    "\"network_mode\":[\"ci-*\",\"container:ci-*\",\"default\"],\"sysctls\":[\"net.**\"],"
    "\"security_opt\":{\"allow\":[\"*\"],\"require\":[\"no-new-privileges\"]},"
    "\"user\":{\"deny\":[\"root\"]},\"mem_limit\":{\"max\":\"1g\",\"require\":true},"
    "\"cpus\":{\"max\":1.5},\"pids_limit\":{\"max\":100},\"ports\":[\"127.0.0.1:1-65535/tcp\"],"
    "\"labels\":{\"require\":{\"team\":\"*\"}},\"names\":[\"ci-*\"],\"volumes\":[\"ci-*\"]},"
    "\"exec\":{\"users\":[\"1*\"],\"commands\":[\"ls\"]},"
    "\"images\":{\"allow\":[\"good.example/**\",\"localhost:5000/**\"],\"deny_tags\":[\"latest\"],"
    "\"import\":[\"good.example/**\"]},"
    "\"networks\":{\"subnets\":[\"10.9.0.0/16\",\"fd00::/8\"],\"internal\":{\"require\":true}}},"
    "\"b\":{\"allow\":[\"*\"],\"unknown_fields\":\"allow\",\"containers\":{\"binds\":true,"
    "\"network_mode\":true,\"pid_mode\":true,\"security_opt\":true,\"sysctls\":true,"
    "\"volume_options\":true,\"devices\":true,\"log_options\":true,\"cgroup_parent\":true}},"
    "\"c\":{\"extends\":\"builtin:all\"}}}";

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool same(const struct decision *a, const struct decision *b)
{
    return a->verdict == b->verdict && a->status == b->status && a->close == b->close &&
           strcmp(a->reason, b->reason) == 0 && strcmp(a->field, b->field) == 0 &&
           strcmp(a->allow_with, b->allow_with) == 0 && a->rule == b->rule;
}

static void check_decision(const struct decision *decision)
{
    if (decision->verdict == VERDICT_ALLOW) {
        must(decision->status == 0 && decision->reason[0] == '\0');
        return;
    }
    must(decision->verdict == VERDICT_DENY && decision->status >= 400 && decision->reason[0]);
    must(!strpbrk(decision->reason, "\r\n\x1b") && !strpbrk(decision->field, "\r\n\x1b"));
    must(!strpbrk(decision->value, "\r\n\x1b") && !strpbrk(decision->allow_with, "\r\n\x1b"));
}

static void decide_twice(const struct role *role, struct request *request, struct str said,
                         struct arena *arena)
{
    struct decision first, second, early;
    bool goes_on = policy_precheck(role, request, arena, &early);
    fuzz_decide(role, request, said, arena, &first);
    fuzz_decide(role, request, said, arena, &second);
    check_decision(&first);
    must(same(&first, &second));
    must(goes_on ? early.status == 0 : same(&early, &first));
    struct str image = request_image(request, NULL, arena);
    must(image.n <= request->body.n + TARGET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy *policy; /* loaded once */
    struct err_list errors = {0};
    if (!policy)
        policy = policy_load((struct str){policy_text, sizeof(policy_text) - 1}, &errors);
    must(policy != NULL);
    err_list_free(&errors);
    if (size < 2)
        return 0;
    struct str rest = {(const char *)data + 1, size - 1};
    struct str line = str_head(rest, str_find(rest, '\n'));
    struct str method = str_head(line, str_find(line, ' '));
    struct str target = str_skip(line, method.n + 1);
    struct arena arena = {0};
    struct request request;
    struct decision decision;
    if (request_parse(method, target, &arena, &request, &decision)) {
        struct str tail = str_skip(rest, line.n + 1);
        request.body = str_head(tail, str_find(tail, '\0'));
        struct str said = str_skip(tail, request.body.n + 1);
        if (request.body.n == tail.n)
            said.p = NULL;
        decide_twice(policy_role_at(policy, data[0] % 4), &request, said, &arena);
    } else {
        check_decision(&decision);
    }
    arena_free(&arena);
    return 0;
}
