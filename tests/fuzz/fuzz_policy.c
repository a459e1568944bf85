/* Any bytes as a policy file: loading never fails badly, and whatever loads never breaks a
   decision. Beyond crashes: a refusal has its status and sentence, and what a role does not allow
   is refused. */
#include "fuzz_facts.h"
#include "role.h"

#include <stdio.h>
#include <stdlib.h>

/* Whoever asks gets a role of the policy, and a named client always one. */
static void choose(const struct policy *policy)
{
    static const struct str sans[] = {{"DNS:Ci.example.com", 18}, {"IP:10.1.0.7", 11}, {"x", 1}};
    const struct client_identity identities[] = {
        {.address = {NULL, 0}},
        {.unix_peer = true, .uid = 1000, .gid = 5, .listener = {"unix:///run/a.sock", 18}},
        {.address = {"10.1.0.7", 8},
         .cert_cn = {"ci-7", 4},
         .cert_sans = sans,
         .cert_san_count = 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(identities); i++) {
        struct client_role got = policy_client(policy, &identities[i]);
        if (got.client ? !got.role : got.role != policy_default_role(policy))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROLES_MAX = 8 }; /* decided with; the built-in ones are the same each time */

static const struct {
    const char *method;
    const char *target;
    const char *body;
    bool privileged; /* only containers.privileged lets it pass */
} requests[] = {
    {"GET", "/v1.41/_ping", NULL, false},
    {"GET", "/v1.99/containers/json?all=1&filters=%7B%7D", NULL, false},
    {"GET", "/containers/web/top?ps_args=axe", NULL, false},
    {"DELETE", "/v1.41/containers/web?force=1&link=1", NULL, false},
    {"GET", "/v1.41/containers/web/archive?path=/etc", NULL, false},
    {"POST", "/v1.41/images/create?fromImage=registry.example.com/ci/app&tag=1", NULL, false},
    {"POST", "/v1.41/images/create?fromSrc=-&repo=ci/app", NULL, false},
    {"POST", "/v1.41/containers/create?name=web",
     "{\"Image\":\"nginx:latest\",\"User\":\"root\",\"Env\":[\"A=1\"],\"Labels\":{\"team\":\"x\"},"
     "\"HostConfig\":{\"Privileged\":true}}",
     true},
    {"POST", "/v1.41/containers/create",
     "{\"Image\":\"registry.example.com/ci/app@sha256:"
     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"StopTimeout\":900,"
     "\"HostConfig\":{\"Binds\":[\"/srv/ci/ws:/w:ro\",\"/:/h\",\"vol:/v\"],\"CapAdd\":[\"ALL\","
     "\"chown\"],\"CapDrop\":[\"ALL\"],\"NetworkMode\":\"host\",\"PidMode\":\"container:web\","
     "\"SecurityOpt\":[\"seccomp:unconfined\",\"no-new-privileges\"],\"Sysctls\":"
     "{\"net/core/somaxconn\":\"1\"},\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"::1\","
     "\"HostPort\":\"80-90\"}]},\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"tag\":\"{{.ID}}"
     "\"}},"
     "\"Memory\":1073741824,\"NanoCpus\":2000000000,\"PidsLimit\":-1,\"ShmSize\":1,\"Cgroup\":"
     "\"x\","
     "\"MaskedPaths\":[],\"Devices\":[{\"PathOnHost\":\"/dev/"
     "fuse\"}],\"Mounts\":[{\"Type\":\"bind\","
     "\"Source\":\"/etc/localtime\",\"Target\":\"/l\",\"ReadOnly\":true}]},\"NetworkingConfig\":"
     "{\"EndpointsConfig\":{\"ci-net\":{\"MacAddress\":\"02:00:00:00:00:01\"}}}}",
     false},
    {"POST", "/v1.41/containers/web/update", "{\"Memory\":5,\"PidsLimit\":0,\"CpuQuota\":-1}",
     false},
    {"POST", "/v1.41/containers/web/exec",
     "{\"Cmd\":[\"/bin/sh\"],\"Privileged\":true,\"User\":\"0\",\"Env\":[\"LD_PRELOAD=x\"]}",
     false},
    {"POST", "/v1.41/volumes/create",
     "{\"Name\":\"v\",\"Driver\":\"local\",\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\","
     "\"device\":\"/srv/ci/x\"}}",
     false},
    {"POST", "/v1.41/networks/create",
     "{\"Name\":\"n\",\"Driver\":\"macvlan\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.1.0.0/16\"}]},"
     "\"Options\":{\"parent\":\"eth0\"}}",
     false},
    {"POST", "/v1.41/networks/n/connect", "{\"Container\":\"web\"}", false},
};

static void fail(const char *what, const struct role *role, size_t request)
{
    fprintf(stderr, "%s: role %s, %s %s\n", what, role_name(role), requests[request].method,
            requests[request].target);
    abort();
}

static void decide(const struct role *role, size_t i, struct arena *arena)
{
    struct request request = {0};
    struct decision decision = {0};
    arena_reset(arena);
    if (!request_parse(str_of(requests[i].method), str_of(requests[i].target), arena, &request,
                       &decision))
        fail("does not parse", role, i);
    if (requests[i].body)
        request.body = str_of(requests[i].body);
    fuzz_decide(role, &request, (struct str){NULL, 0}, arena, &decision);
    bool allowed = decision.verdict == VERDICT_ALLOW;
    if (allowed ? decision.status != 0 : decision.status < 400 || decision.reason[0] == '\0')
        fail("verdict and status differ", role, i);
    if (allowed && role->ops[request.route->op] != OP_ALLOWED)
        fail("allowed what the role does not allow", role, i);
    if (allowed && requests[i].privileged && !role->keys[KEY_PRIVILEGED].any)
        fail("privileged although it is closed", role, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_list errors = {0};
    struct policy *policy = policy_load((struct str){(const char *)data, size}, &errors);
    if ((policy == NULL) != (errors.errors > 0))
        abort();
    struct arena arena = {0};
    for (size_t r = 0; policy && r < policy_role_count(policy) && r < ROLES_MAX; r++)
        for (size_t i = 0; i < ARRAY_LEN(requests); i++)
            decide(policy_role_at(policy, r), i, &arena);
    if (policy)
        choose(policy);
    arena_free(&arena);
    policy_free(policy);
    err_list_free(&errors);
    return 0;
}
