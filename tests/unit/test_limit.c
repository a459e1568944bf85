/* `limits` of roles, what they inherit, and which requests are streams. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char family[] =
    "{\"version\":1,\"roles\":{"
    "\"base\":{\"limits\":{\"requests_per_second\":10,\"connections\":5,\"body_bytes\":\"2k\"}},"
    "\"other\":{\"limits\":{\"streams\":0,\"connections\":7}},"
    "\"default\":{\"extends\":[\"base\",\"other\"],\"limits\":{\"burst\":3,"
    "\"requests_per_second\":20}},"
    "\"plain\":{}}}";

static const struct {
    const char *role;
    enum limit limit;
    int expected; /* -1: the role does not say */
} limit_rows[] = {
    {"base", LIMIT_REQUESTS_PER_SECOND, 10},
    {"base", LIMIT_BODY_BYTES, 2048},
    {"base", LIMIT_STREAMS, -1},
    {"other", LIMIT_STREAMS, 0},
    {"default", LIMIT_REQUESTS_PER_SECOND, 20}, /* its own */
    {"default", LIMIT_BURST, 3},
    {"default", LIMIT_CONNECTIONS, 7}, /* of the later parent */
    {"default", LIMIT_STREAMS, 0},
    {"default", LIMIT_BODY_BYTES, 2048}, /* key by key */
    {"plain", LIMIT_CONNECTIONS, -1},
    {"builtin:default", LIMIT_CONNECTIONS, -1},
    {"builtin:all", LIMIT_REQUESTS_PER_SECOND, -1},
};

static void test_inheritance(void **state)
{
    (void)state;
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(family), &errors);
    assert_non_null(policy);
    for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++) {
        const struct role *role = policy_role(policy, str_of(limit_rows[i].role));
        uint64_t value = 0;
        assert_non_null(role);
        bool says = role_limit(role, limit_rows[i].limit, &value);
        if ((says ? (int)value : -1) != limit_rows[i].expected)
            fail_msg("%s, %s: %d", limit_rows[i].role, limit_rule(limit_rows[i].limit),
                     says ? (int)value : -1);
    }
    uint64_t value = 5;
    assert_false(role_limit(NULL, LIMIT_CONNECTIONS, &value));
    assert_int_equal(value, 5);
    err_list_free(&errors);
    policy_free(policy);
}

static const struct {
    const char *method, *target;
    bool streams;
} stream_rows[] = {
    {"GET", "/events", true},
    {"GET", "/containers/a/logs?stdout=1&follow=1", true},
    {"GET", "/containers/a/logs?stdout=1&follow=0", false},
    {"GET", "/containers/a/logs?stdout=1&follow", false},
    {"GET", "/containers/a/logs?stdout=1", false},
    {"GET", "/services/a/logs?follow=true", true},
    {"GET", "/tasks/a/logs?follow=true", true},
    {"GET", "/containers/a/stats", true},
    {"GET", "/containers/a/stats?stream=1", true},
    {"GET", "/containers/a/stats?stream=false", false},
    {"POST", "/containers/a/attach?stream=1", true},
    {"GET", "/containers/a/attach/ws", true},
    {"POST", "/exec/a/start", true},
    {"POST", "/session", true},
    {"POST", "/containers/a/wait", false},
    {"GET", "/_ping", false},
    {"POST", "/containers/create", false},
};

static void test_streams(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t i = 0; i < ARRAY_LEN(stream_rows); i++) {
        struct request request;
        struct decision decision;
        const char *target = stream_rows[i].target;
        if (!request_parse(str_of(stream_rows[i].method), str_of(target), &arena, &request,
                           &decision))
            fail_msg("%s: %s", target, decision.reason);
        if (request_streams(&request) != stream_rows[i].streams)
            fail_msg("%s streams: %d", target, !stream_rows[i].streams);
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inheritance),
        cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
