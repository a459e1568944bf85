/* What a policy demands is told in the words of docker: one row is a role, a request that lacks
   what is demanded, and what the refusal says. */
#include "decide_helper.h"

#define GROUP(members) ROLE("\"containers\":{" members "}")
#define BARE           "{\"Image\":\"img\"}"
#define NETWORK        "POST", "/v1.41/networks/create"
#define SERVICE        "POST", "/v1.44/services/create"
#define TASK           "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"img\"}}}"

struct remedy_row {
    const char *role, *method, *target, *body;
    const char *words; /* at the end of the sentence */
};

// clang-format off
static const struct remedy_row rows[] = {
    {GROUP("\"cap_drop\":{\"require\":[\"ALL\"]}"), CREATE, BARE, "containers.cap_drop requires; docker: --cap-drop ALL"},
    {GROUP("\"cap_drop\":{\"require\":[\"net_raw\"]}"), CREATE, BARE, "docker: --cap-drop NET_RAW"},
    {GROUP("\"cap_drop\":{\"require\":[\"ALL\"]}"), SERVICE, TASK, "docker: --cap-drop ALL"},
    {GROUP("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), CREATE, BARE, "requires; docker: --security-opt no-new-privileges"},
    {GROUP("\"security_opt\":{\"require\":[\"no-new-privileges\"]}"), SERVICE, TASK, "which containers.security_opt requires"},
    {GROUP("\"mem_limit\":{\"require\":true}"), CREATE, BARE, "containers.mem_limit requires it; docker: -m SIZE"},
    {GROUP("\"mem_limit\":{\"require\":true}"), SERVICE, TASK, "requires it; docker: --limit-memory SIZE"},
    {GROUP("\"cpus\":{\"require\":true}"), CREATE, BARE, "requires it; docker: --cpus N"},
    {GROUP("\"cpus\":{\"require\":true}"), SERVICE, TASK, "requires it; docker: --limit-cpu N"},
    {GROUP("\"pids_limit\":{\"require\":true}"), CREATE, BARE, "requires it; docker: --pids-limit N"},
    {GROUP("\"pids_limit\":{\"require\":true}"), SERVICE, TASK, "requires it; docker: --limit-pids N"},
    {GROUP("\"shm_size\":{\"require\":true}"), CREATE, BARE, "requires it; docker: --shm-size SIZE"},
    {GROUP("\"shm_size\":{\"require\":true}"), SERVICE, TASK, "so no service can be made"},
    {GROUP("\"read_only\":{\"require\":true}"), CREATE, BARE, "requires it; docker: --read-only"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), CREATE, "{\"Image\":\"img\",\"User\":\"app\"}", "shows that it is not; docker: --user UID"},
    {GROUP("\"labels\":{\"require\":{\"team\":\"*\"}}"), CREATE, BARE, "requires; docker: --label team=VALUE"},
    {GROUP("\"labels\":{\"require\":{\"team\":\"*\"}}"), SERVICE, TASK, "requires; docker: --container-label team=VALUE"},
    {ROLE("\"networks\":{\"internal\":{\"require\":true}}"), NETWORK, "{\"Name\":\"n\"}", "requires it; docker: --internal"},
    {ROLE("\"images\":{\"require_digest\":true}"), CREATE, BARE, "demands; name it as IMAGE@sha256:...; a policy with \"images\": {\"require_digest\": false} would allow it"},
};
// clang-format on

static bool ends_in(const char *text, const char *end)
{
    return str_ends(str_of(text), str_of(end));
}

static void test_rows(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decision got = {0};
        decide_text(rows[i].role, rows[i].method, rows[i].target, rows[i].body, &got);
        if (got.verdict == VERDICT_DENY && ends_in(got.reason, rows[i].words) &&
            decision_sound(&got))
            continue;
        print_error("%s\n    got %s\n    expected %s\n", rows[i].role,
                    got.reason[0] ? got.reason : "allow", rows[i].words);
        failed++;
    }
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
