/* Services and what is decided beside containers, at the edges that no case of the corpus names:
   values that only an unrestricted role passes, tasks without a container, older API versions. */
#include "decide_helper.h"

#define YES VERDICT_ALLOW
#define NO  VERDICT_DENY

// clang-format off
#define ALL            "builtin:all"
#define ALL_BUT(members) "{\"extends\":\"builtin:all\"," members "}"
#define GROUP(members) ROLE("\"containers\":{" members "}")
#define SERVICE        "POST", "/v1.45/services/create"
#define OLD_SERVICE    "POST", "/v1.40/services/create"
#define TASK(members)  "{\"Name\":\"s\",\"TaskTemplate\":{" members "}}"
#define SPEC(members)  TASK("\"ContainerSpec\":{\"Image\":\"img\"," members "}")
#define MOUNT(members) SPEC("\"Mounts\":[{" members "}]")
#define PRIVILEGES(members) SPEC("\"Privileges\":{" members "}")
#define LIMITS(limits, more) TASK("\"ContainerSpec\":{\"Image\":\"img\"},\"Resources\":{\"Limits\":{" limits "}," more "}")
#define PORT(number) "{\"Name\":\"s\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"img\"}},\"EndpointSpec\":{\"Ports\":[{\"TargetPort\":80,\"PublishedPort\":" number "}]}}"

static const struct row confinement[] = {
    {ALL, SERVICE, PRIVILEGES("\"Seccomp\":{\"Mode\":\"other\"}"), YES, NULL},
    {OPEN_ROLE, SERVICE, PRIVILEGES("\"Seccomp\":{\"Mode\":\"other\"}"), NO, NULL},
    {ALL, SERVICE, PRIVILEGES("\"AppArmor\":{\"Mode\":\"other\"}"), YES, NULL},
    {OPEN_ROLE, SERVICE, PRIVILEGES("\"SELinuxContext\":{\"Disable\":true,\"Type\":\"spc_t\"}"), NO, "containers.security_opt"},
    {ALL_BUT("\"containers\":{\"security_opt\":[\"label=disable\",\"label=type:spc_t\"]}"), SERVICE, PRIVILEGES("\"SELinuxContext\":{\"Disable\":true,\"Type\":\"spc_t\"}"), YES, NULL},
    {OPEN_ROLE, SERVICE, PRIVILEGES("\"SELinuxContext\":{\"Disable\":false}"), YES, NULL},
    {GROUP("\"security_opt\":{\"require\":[\"label=level:s0\"]}"), SERVICE, PRIVILEGES("\"SELinuxContext\":{\"Level\":\"s0\"}"), NO, "containers.security_opt"},
    {GROUP("\"security_opt\":{\"allow\":[\"label=level:s0\"],\"require\":[\"label=level:s0\"]}"), OLD_SERVICE, PRIVILEGES("\"SELinuxContext\":{\"Level\":\"s0\"}"), YES, NULL},
    {GROUP("\"security_opt\":{\"allow\":[\"**\"],\"require\":[\"no-new-privileges\"]}"), OLD_SERVICE, PRIVILEGES("\"NoNewPrivileges\":true"), NO, "containers.security_opt"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), OLD_SERVICE, SPEC("\"User\":\"5\",\"Privileges\":{\"NoNewPrivileges\":true}"), NO, "containers.user"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), SERVICE, SPEC("\"User\":\"5\""), NO, "containers.user"},
    {GROUP("\"user\":{\"deny\":[\"root\"]}"), SERVICE, SPEC("\"User\":\"5\",\"Privileges\":{\"NoNewPrivileges\":true}"), YES, NULL},
};

static const struct row tasks[] = {
    {ALL, SERVICE, TASK("\"RestartPolicy\":{\"Condition\":\"sometimes\"}"), YES, NULL},
    {OPEN_ROLE, SERVICE, TASK("\"RestartPolicy\":{\"Condition\":\"sometimes\"}"), NO, NULL},
    {GROUP("\"restart\":[\"on-failure\"]"), SERVICE, TASK("\"RestartPolicy\":{\"Condition\":\"\"}"), NO, "containers.restart"},
    {GROUP("\"restart\":[\"always\"]"), SERVICE, TASK("\"RestartPolicy\":{\"Condition\":\"any\"}"), YES, NULL},
    {OPEN_ROLE, SERVICE, SPEC("\"StopGracePeriod\":600000000000"), YES, NULL},
    {OPEN_ROLE, SERVICE, SPEC("\"StopGracePeriod\":600000000001"), NO, "open"},
    {OPEN_ROLE, SERVICE, SPEC("\"StopGracePeriod\":-1"), NO, "open"},
    {OPEN_ROLE, SERVICE, LIMITS("\"MemoryBytes\":5", "\"SwapBytes\":99999999"), YES, NULL},
    {GROUP("\"mem_limit\":{\"max\":100}"), SERVICE, LIMITS("\"MemoryBytes\":50", "\"SwapBytes\":50"), YES, NULL},
    {GROUP("\"mem_limit\":{\"max\":100}"), SERVICE, LIMITS("\"MemoryBytes\":50", "\"SwapBytes\":51"), NO, "containers.mem_limit"},
    {GROUP("\"mem_limit\":{\"max\":100}"), SERVICE, LIMITS("\"MemoryBytes\":50", "\"SwapBytes\":-1"), NO, "containers.mem_limit"},
    {GROUP("\"mem_limit\":{\"max\":100}"), SERVICE, LIMITS("\"MemoryBytes\":null", "\"SwapBytes\":9223372036854775807"), NO, "containers.mem_limit"},
    {GROUP("\"mem_limit\":{\"max\":100}"), SERVICE, LIMITS("\"MemoryBytes\":50", "\"SwapBytes\":9223372036854775807"), NO, "containers.mem_limit"},
    {OPEN_ROLE, SERVICE, SPEC("\"Hosts\":[\"10.0.0.1 db\"]"), YES, NULL},
    {GROUP("\"extra_hosts\":[\"db:10.*\"]"), SERVICE, SPEC("\"Hosts\":[\"10.0.0.1\\tdb\"]"), YES, NULL},
    {GROUP("\"extra_hosts\":[\"db:10.*\"]"), SERVICE, SPEC("\"Hosts\":[\"10.0.0.1\\ndb\"]"), NO, "containers.extra_hosts"},
    {OPEN_ROLE, SERVICE, PORT("80"), NO, "containers.ports"},
    {OPEN_ROLE, SERVICE, PORT("8080"), YES, NULL},
    {OPEN_ROLE, SERVICE, PORT("4294967376"), NO, "containers.ports"},
    {OPEN_ROLE, SERVICE, PORT("99999999999999999999"), NO, NULL},
    {GROUP("\"ports\":true"), SERVICE, PORT("80"), YES, NULL},
    {ALL, SERVICE, TASK("\"ContainerSpec\":{\"Image\":\"NOT A NAME\"}"), YES, NULL},
    /* tasks of a plugin have no container */
    {ROLE("\"open\":[\"ServiceCreate:TaskTemplate.Runtime\",\"ServiceCreate:TaskTemplate.PluginSpec\"],\"containers\":{\"cap_drop\":{\"require\":[\"ALL\"]}}"),
     SERVICE, TASK("\"Runtime\":\"plugin\",\"PluginSpec\":{\"name\":\"p\"}"), YES, NULL},
    {ROLE("\"open\":[\"ServiceCreate:TaskTemplate.Runtime\"],\"services\":{\"names\":[\"t\"]}"), SERVICE, TASK("\"Runtime\":\"plugin\""), NO, "services.names"},
    {GROUP("\"cap_drop\":{\"require\":[\"ALL\"]}"), SERVICE, TASK("\"Runtime\":\"container\""), NO, "containers.cap_drop"},
};

static const struct row templates[] = {
    {OPEN_ROLE, SERVICE, MOUNT("\"Type\":\"volume\",\"Source\":\"v{{.Task.Slot}}\",\"Target\":\"/t\""), NO, "containers.volumes"},
    {OPEN_ROLE, SERVICE, MOUNT("\"Type\":\"volume\",\"Source\":\"tt-rootvol\",\"Target\":\"/t\""), NO, "containers.binds"},
    {OPEN_ROLE, SERVICE, MOUNT("\"Type\":\"volume\",\"Source\":\"tt-vol\",\"Target\":\"/t\""), YES, NULL},
    {OPEN_ROLE, SERVICE, MOUNT("\"Type\":\"volume\",\"Source\":\"v{{.Env}}\",\"Target\":\"/t\""), NO, NULL},
    {ALL, SERVICE, MOUNT("\"Type\":\"volume\",\"Source\":\"v{{.Env}}\",\"Target\":\"/t\""), YES, NULL},
    {OPEN_ROLE, SERVICE, MOUNT("\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/{{.Task.Slot}}\""), NO, NULL},
    {OPEN_ROLE, SERVICE, MOUNT("\"Type\":\"volume\",\"Source\":\"v{\""), NO, NULL},
    {OPEN_ROLE, SERVICE, MOUNT("\"Type\":\"tmpfs\",\"Target\":\"/t\""), YES, NULL},
};

/* What else must stand in the policy is said with what an operation needs, and nothing more. */
static const struct row operations[] = {
    {"{\"archive\":true}", "GET", "/v1.41/containers/a/archive?path=/", "", NO, "allow"},
    {"{}", "GET", "/v1.41/containers/a/archive?path=/", "", NO, "allow"},
    {ROLE("\"archive\":\"fixed\""), "GET", "/v1.41/containers/a/archive?path=/", "", NO, "archive"},
    {"{\"builds\":{\"buildkit\":true}}", "POST", "/v1.41/session", "", NO, "allow"},
    {"{\"plugins\":{\"unconstrained\":true}}", "POST", "/v1.41/plugins/create?name=p", "", NO, "allow"},
    {OPEN_ROLE, "POST", "/v1.41/commit?container=x&repo=y", "", YES, NULL},
    {ROLE("\"plugins\":{\"allow\":[\"vieux/sshfs\"]}"), "POST", "/v1.41/plugins/pull?remote=vieux/sshfs", "[null]", NO, NULL},
    {ROLE("\"plugins\":{\"settings\":[\"DEBUG\"]}"), "POST", "/v1.41/plugins/p/set", "[null]", NO, NULL},
    {ROLE("\"plugins\":{\"settings\":[\"DEBUG\"]}"), "POST", "/v1.41/plugins/p/set", "[\"DEBUG=1\"]", YES, NULL},
    {ROLE("\"plugins\":{\"allow\":[\"10.0.0.1:5000/p\"]}"), "POST", "/v1.41/plugins/pull?remote=10.0.0.1:5000/p", "[]", YES, NULL},
    {ROLE("\"plugins\":{\"allow\":[\"**\"]}"), "POST", "/v1.41/plugins/pull?remote=10.0.0.1:5000/p", "[]", NO, "plugins.allow"},
    {ROLE("\"plugins\":{\"allow\":[\"**\"]}"), "POST", "/v1.41/plugins/pull?remote=UPPER/p", "[]", NO, "plugins.allow"},
    {ALL, "POST", "/v1.41/plugins/pull?remote=UPPER/p", "[]", YES, NULL},
    {ALL_BUT("\"plugins\":{\"allow\":[\"a/b\"]}"), "POST", "/v1.41/plugins/pull?remote=c/d", "[]", NO, "plugins.allow"},
};
// clang-format on

static void test_confinement(void **state)
{
    (void)state;
    check_rows(confinement, ARRAY_LEN(confinement));
}

static void test_tasks(void **state)
{
    (void)state;
    check_rows(tasks, ARRAY_LEN(tasks));
}

static void test_templates(void **state)
{
    (void)state;
    check_rows(templates, ARRAY_LEN(templates));
}

static void test_operations(void **state)
{
    (void)state;
    check_rows(operations, ARRAY_LEN(operations));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confinement),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
