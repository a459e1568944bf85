/* libFuzzer target for a policy and a request together: the policy's text, a NUL, a line "METHOD
   TARGET", the body, and where a NUL follows, what the daemon says of objects that exist. Whatever
   loads decides without harm: the same twice, a refusal with status and sentence, and an ALLOW only
   where the role's allow holds the operation. */
#include "fuzz_help.h"
#include "role.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

enum { ROLES_MAX = 6 };

static void decide(const struct role *role, struct request *request, struct str said,
                   struct arena *arena)
{
    struct decision first, second;
    fuzz_decide(role, request, said, arena, &first);
    check_decision(&first);
    fuzz_decide(role, request, said, arena, &second);
    must(first.verdict == second.verdict && first.status == second.status &&
         strcmp(first.reason, second.reason) == 0);
    if (first.verdict == VERDICT_ALLOW)
        must(role_allows(role, request->route->op) && role->ops[request->route->op] == OP_ALLOWED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request request;
    struct err_list errors = {0};
    struct arena arena = {0};
    struct decision decision;
    struct str input = {(const char *)data, size};
    struct str text = str_head(input, str_find(input, '\0'));
    struct str rest = str_skip(input, text.n + 1);
    struct policy *policy = policy_load(text, &errors);
    must((policy == NULL) == (errors.errors > 0));
    struct str line = take_line(&rest);
    struct str method = str_head(line, str_find(line, ' '));
    if (policy &&
        request_parse(method, str_skip(line, method.n + 1), &arena, &request, &decision)) {
        request.body = str_head(rest, str_find(rest, '\0'));
        struct str said = str_skip(rest, request.body.n + 1);
        if (request.body.n == rest.n)
            said.p = NULL;
        for (size_t i = 0; i < policy_role_count(policy) && i < ROLES_MAX; i++)
            decide(policy_role_at(policy, i), &request, said, &arena);
        decide(policy_role(policy, STR("builtin:all")), &request, said, &arena);
    }
    arena_free(&arena);
    policy_free(policy);
    err_list_free(&errors);
    return 0;
}

/* Changes one side at a time, the request more often: most changes of a policy no longer load. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    const uint8_t *at = size ? memchr(data, '\0', size) : NULL;
    if (!at || size >= max)
        return LLVMFuzzerMutate(data, size, max);
    size_t left = (size_t)(at - data);
    size_t right = size - left - 1;
    if (seed % 4)
        return left + 1 + LLVMFuzzerMutate(data + left + 1, right, max - left - 1);
    uint8_t *copy = malloc(max);
    must(copy != NULL);
    memcpy(copy, data, left);
    size_t n = LLVMFuzzerMutate(copy, left, max - right - 1);
    memmove(data + n, data + left, right + 1);
    memcpy(data, copy, n);
    free(copy);
    return n + 1 + right;
}
