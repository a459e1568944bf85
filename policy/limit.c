/* `limits` of a role, and which requests count as streams. Who counts is the proxy; nothing is
   counted here. */
#include "role.h"
#include "schema.h"

// clang-format off
static const char *const rules[LIMIT_COUNT] = {
    [LIMIT_REQUESTS_PER_SECOND] = "limits.requests_per_second",
    [LIMIT_CONNECTIONS] = "limits.connections",
    [LIMIT_STREAMS] = "limits.streams",
    [LIMIT_BODY_BYTES] = "limits.body_bytes",
    [LIMIT_BURST] = "limits.burst",
};
// clang-format on

const char *limit_rule(enum limit limit)
{
    return rules[limit];
}

const char *limit_name(enum limit limit)
{
    return rules[limit] + sizeof("limits.") - 1;
}

bool role_limit(const struct role *role, enum limit limit, uint64_t *out)
{
    if (!role || !role->limits[limit].set)
        return false;
    *out = role->limits[limit].value;
    return true;
}

bool request_streams(const struct request *request)
{
    struct str value;
    switch (request->route->op) {
    case OP_SystemEvents:
        return true;
    case OP_ContainerLogs:
    case OP_ServiceLogs:
    case OP_TaskLogs:
        value = request_param(request, "follow");
        return value.p && !param_false(value);
    case OP_ContainerStats: /* without the parameter it streams */
        value = request_param(request, "stream");
        return !value.p || !param_false(value);
    default:
        return request->route->follow != FOLLOW_RESPONSE;
    }
}
