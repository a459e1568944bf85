/* Deciding one request under a role that is written as JSON, for the tests of the decision. */
#ifndef TESTS_DECIDE_HELPER_H
#define TESTS_DECIDE_HELPER_H

#include "checks.h"
#include "fact_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CREATE        "POST", "/v1.41/containers/create"
#define HOST(members) "{\"Image\":\"img\",\"HostConfig\":{" members "}}"
#define ROLE(members) "{\"allow\":[\"*\"]," members "}"
#define OPEN_ROLE     "{\"allow\":[\"*\"]}"

/* role: "builtin:NAME", or the JSON of a role. Fails the test when it does not load. */
static inline struct policy *load_role_text(const char *role, const struct role **out)
{
    char text[8192];
    bool builtin = strncmp(role, "builtin:", 8) == 0;
    snprintf(text, sizeof(text), "{\"version\":1,\"roles\":{\"default\":%s%s%s}}",
             builtin ? "{\"extends\":\"" : "", role, builtin ? "\"}" : "");
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(text), &errors);
    for (size_t i = 0; !policy && i < errors.count; i++)
        print_error("%s\n    %s\n", text, errors.items[i].err.text);
    err_list_free(&errors);
    assert_non_null(policy);
    *out = policy_default_role(policy);
    assert_non_null(*out);
    return policy;
}

/* facts: members of such a file as facts.json, which come first. */
static inline void decide_facts(const struct role *role, const char *method, const char *target,
                                struct str body, const char *facts, struct arena *arena,
                                struct decision *decision)
{
    struct request request;
    struct json doc;
    struct err err = {0};
    const struct str parts[] = {STR("{"), str_of(facts), STR("}")};
    struct str text = arena_join(arena, parts, ARRAY_LEN(parts));
    if (!json_scan(text, arena, &doc, &err))
        fail_msg("%s\n%d: %s", text.p, err.column, err.text);
    if (!request_parse(str_of(method), str_of(target), arena, &request, decision))
        return;
    if (request.route->body == BODY_JSON || request.route->op == OP_ContainerStart)
        request.body = body;
    decide_known(role, &request, &doc, doc.nodes, arena, decision);
}

/* Commands in containers are the client's own. */
static inline void decide_with(const struct role *role, const char *method, const char *target,
                               struct str body, struct arena *arena, struct decision *decision)
{
    decide_facts(role, method, target, body, "\"own_exec\":{\"*\":{\"Own\":true}}", arena,
                 decision);
}

static inline void decide_text(const char *role, const char *method, const char *target,
                               const char *body, struct decision *decision)
{
    const struct role *parsed = NULL;
    struct policy *policy = load_role_text(role, &parsed);
    struct arena arena = {0};
    decide_with(parsed, method, target, str_of(body), &arena, decision);
    arena_free(&arena);
    policy_free(policy);
}

/* A refusal is one line with a status, an allowance has neither status nor sentence. */
static inline bool decision_sound(const struct decision *decision)
{
    if (decision->verdict == VERDICT_ALLOW)
        return decision->status == 0 && !decision->reason[0] && !decision->close;
    return decision->verdict == VERDICT_DENY && decision->status >= 400 && decision->reason[0] &&
           !strchr(decision->reason, '\n') &&
           decision->close == (decision->status == 400 && !decision->rule);
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct row {
    const char *role;
    const char *method, *target, *body;
    enum verdict verdict;
    const char *rule; /* of a refusal; NULL: not compared */
};

/* facts as for decide_facts(). */
static inline bool check_row_facts(const struct row *row, const char *facts)
{
    struct decision decision;
    const struct role *role = NULL;
    struct policy *policy = load_role_text(row->role, &role);
    struct arena arena = {0};
    decide_facts(role, row->method, row->target, str_of(row->body), facts, &arena, &decision);
    arena_free(&arena);
    policy_free(policy);
    bool refused = row->verdict == VERDICT_DENY;
    bool right = decision_sound(&decision) && decision.verdict == row->verdict;
    if (refused && row->rule)
        right = right && decision.rule && strcmp(decision.rule, row->rule) == 0;
    if (!right)
        print_error("%s\n  %s %s\n  %s\n  should be %s by %s\n  -> %d, rule %s: %s\n", row->role,
                    row->method, row->target, row->body, refused ? "refused" : "allowed",
                    row->rule ? row->rule : "-", decision.status,
                    decision.rule ? decision.rule : "-", decision.reason);
    return right;
}

static inline bool check_row(const struct row *row)
{
    return check_row_facts(row, "\"own_exec\":{\"*\":{\"Own\":true}}");
}

/* Fails the test, with a text for each row that is not decided as it says. */
static inline void check_rows_facts(const struct row *rows, size_t count, const char *facts)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += !check_row_facts(&rows[i], facts);
    assert_int_equal(wrong, 0);
}

static inline void check_rows(const struct row *rows, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += !check_row(&rows[i]);
    assert_int_equal(wrong, 0);
}

#endif
