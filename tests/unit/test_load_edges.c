/* Entries, maxima and settings of a policy at the edge of what the loader takes. Each row is the
   text of a role and part of an error or warning; without that it loads without an error. */
#include "bounds.h"
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LONG            "~LONG~" /* stands for LONG_BYTES times 'a' */
#define GROUP(members)  "{\"containers\":{" members "}}"
#define IMAGES(members) "{\"images\":{" members "}}"

enum { LONG_BYTES = 4200, TEXT_CAP = 16384 };

struct load_row {
    const char *role;
    const char *says; /* NULL: no error */
};

// clang-format off
static const struct load_row entry_rows[] = {
    {GROUP("\"binds\":[\"\"]"), "is not an absolute path"},
    {GROUP("\"binds\":[\"/\"]"), NULL},
    {GROUP("\"binds\":[\"/a/\"]"), "ends in '/'"},
    {GROUP("\"binds\":[\"/a//b\"]"), "holds '//'"},
    {GROUP("\"binds\":[\"/a/./b\"]"), "'.' or '..' part"},
    {GROUP("\"binds\":[\"/" LONG "\"]"), "is too long"},
    {GROUP("\"binds\":[{\"source\":5}]"), "an entry is text"},
    {GROUP("\"binds\":[{\"source\":\"/a\",\"read_only\":5}]"), "expects true or false"},
    {GROUP("\"binds\":[{\"source\":\"/a\",\"read_only\":false,\"description\":\"x\"}]"), NULL},
    {GROUP("\"binds\":[{\"source\":\"/a\",\"readonly\":true}]"), "unknown key \"readonly\""},
    {GROUP("\"binds\":[{\"read_only\":true}]"), "lacks its \"source\""},
    {GROUP("\"cap_add\":[\"CAP_\"]"), "not the name of a capability"},
    {GROUP("\"cap_add\":[\"a{b\"]"), "not the name of a capability"},
    {GROUP("\"cap_add\":[\"net-admin\"]"), "not the name of a capability"},
    {GROUP("\"cap_add\":[\"SYS_?IME\",\"net_*\"]"), NULL},
    {GROUP("\"ports\":[\"many\"]"), "ports"},
    {GROUP("\"ports\":[\"80-90/tcp\"]"), NULL},
    {"{\"networks\":{\"subnets\":[\"10.0.0.0/33\"]}}", "subnets"},
    {"{\"networks\":{\"subnets\":[\"10.0.0.0/8\"]}}", NULL},
    {GROUP("\"labels\":{\"require\":{\"team\":\"" LONG "\"}}"), "too long"},
    {GROUP("\"labels\":{\"require\":{}}"), NULL},
    {GROUP("\"labels\":{\"require\":{\"a\":\"b*\",\"c\":\"d?\",\"e\":\"f\"}}"), NULL},
    {GROUP("\"labels\":{\"require\":{\"a\":5}}"), "a required label"},
    {GROUP("\"labels\":{\"require\":true}"), "labels"},
    {GROUP("\"cap_drop\":{\"require\":[5]}"), "an entry is text"},
    {GROUP("\"cap_drop\":{\"require\":{}}"), "cap_drop"},
    {GROUP("\"user\":{\"deny\":[\"admin\"]}"), "root"},
    {GROUP("\"user\":{\"deny\":[5]}"), "user"},
    {GROUP("\"user\":{\"deny\":5}"), "user"},
    {GROUP("\"mem_limit\":false"), "mem_limit"},
    {GROUP("\"read_only\":{\"require\":5}"), "read_only"},
    {GROUP("\"env\":{\"deny\":[\"A\"],\"allow\":5}"), "env"},
    {GROUP("\"env\":{\"odd\":[]}"), "env"},
    {GROUP("\"privileged\":\"yes\""), "privileged"},
    {IMAGES("\"allow\":[\"a//b\"]"), "is not registry/repository"},
    {IMAGES("\"allow\":[\"reg.example.com/a//b\"]"), "is not registry/repository"},
    {IMAGES("\"allow\":[\"reg.example.com/\"]"), "is not registry/repository"},
    {IMAGES("\"allow\":[\"\"]"), "is not registry/repository"},
    {IMAGES("\"allow\":[\"a/\"]"), "is not registry/repository"},
    {IMAGES("\"allow\":[\"Reg.example.com:5000/a\"]"), NULL},
    {IMAGES("\"allow\":[\"[::1]:5000/a\"]"), NULL},
    {IMAGES("\"allow\":[\"reg.example.com/A\"]"), "in lower case"},
    {IMAGES("\"allow\":[\"reg!.example.com/a\"]"), "no image name has"},
    {IMAGES("\"allow\":[\"a{b\"]"), "no image name has"},
    {IMAGES("\"allow\":[\"a@sha256:0\"]"), "names a digest"},
    {IMAGES("\"allow\":[\"a:latest\"]"), "names a tag"},
    {IMAGES("\"allow\":[\"*\"]"), "could mean two things"},
    {IMAGES("\"allow\":[\"*/a\"]"), "could mean a registry"},
    {IMAGES("\"allow\":[\"**/a\"]"), NULL},
    {IMAGES("\"allow\":[\"te?m/a_b-c.d\"]"), "could mean a registry"},
    {IMAGES("\"allow\":[\"team/*_?-c.9\"]"), NULL},
};
static const struct load_row max_rows[] = {
    {GROUP("\"mem_limit\":{\"max\":\"2g\"}"), NULL},
    {GROUP("\"mem_limit\":{\"max\":\"2GiB\"}"), NULL},
    {GROUP("\"mem_limit\":{\"max\":\"2kb\"}"), NULL},
    {GROUP("\"mem_limit\":{\"max\":\"2B\"}"), NULL},
    {GROUP("\"mem_limit\":{\"max\":20}"), NULL},
    {GROUP("\"mem_limit\":{\"max\":\"\"}"), "whole number of bytes"},
    {GROUP("\"mem_limit\":{\"max\":\"g\"}"), "whole number of bytes"},
    {GROUP("\"mem_limit\":{\"max\":\"2x\"}"), "whole number of bytes"},
    {GROUP("\"mem_limit\":{\"max\":\"2gx\"}"), "whole number of bytes"},
    {GROUP("\"mem_limit\":{\"max\":\"999999999999999999t\"}"), "whole number of bytes"},
    {GROUP("\"mem_limit\":{\"max\":\"9999999999999999999\"}"), "whole number of bytes"},
    {GROUP("\"mem_limit\":{\"max\":-5}"), "whole number of bytes"},
    {GROUP("\"mem_limit\":{\"max\":true}"), "whole number of bytes"},
    {GROUP("\"cpus\":{\"max\":1.5}"), NULL},
    {GROUP("\"cpus\":{\"max\":\"2\"}"), NULL},
    {GROUP("\"cpus\":{\"max\":\"\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":-1}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"1.\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"1.-5\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"1.5x\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"1x\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"1.1234567890\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"99999999999\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"9223372036.999999999\"}"), "number of processors"},
    {GROUP("\"cpus\":{\"max\":\"9999999999999999999\"}"), "number of processors"},
    {GROUP("\"pids_limit\":{\"max\":-1}"), "whole number from 0"},
    {GROUP("\"pids_limit\":{\"max\":1.5}"), "whole number from 0"},
    {GROUP("\"pids_limit\":{\"max\":\"5\"}"), "whole number from 0"},
    {GROUP("\"pids_limit\":{\"max\":5,\"require\":true}"), NULL},
};
static const struct load_row role_rows[] = {
    {"{\"api\":5}", "an object such as"},
    {"{\"api\":{\"min\":5}}", "text such as"},
    {"{\"api\":{\"min\":\"2.0\"}}", "expects a version"},
    {"{\"api\":{\"min\":\"1.\"}}", "expects a version"},
    {"{\"api\":{\"min\":\"1.1234\"}}", "expects a version"},
    {"{\"api\":{\"min\":\"1.-4\"}}", "expects a version"},
    {"{\"api\":{\"min\":\"1.041\"}}", "expects a version"},
    {"{\"api\":{\"min\":\"1.4x\"}}", "expects a version"},
    {"{\"api\":{\"min\":\"1.0\"}}", "never below"},
    {"{\"api\":{\"min\":\"1.23\"}}", "never below"},
    {"{\"api\":{\"min\":\"1.24\",\"max\":\"1.99\",\"description\":\"x\"}}", NULL},
    {"{\"api\":{\"odd\":\"1.24\"}}", "unknown key \"odd\""},
    {"{\"unknown_fields\":\"deny\"}", NULL},
    {"{\"unknown_fields\":\"odd\"}", "expects \"deny\" or \"allow\""},
    {"{\"unknown_fields\":true}", "expects \"deny\" or \"allow\""},
    {"{\"archive\":false}", NULL},
    {"{\"archive\":5}", "archive expects"},
    {"{\"archive\":\"odd\"}", "archive expects"},
    {"{\"containers\":{\"commands\":[]}}", "exec.commands"},
    {"{\"containers\":{\"qqqqqqqqqqqq\":[]}}", "unknown key"},
    {"{\"containers\":{\"\":[]}}", "unknown key"},
    {"{\"containers\":[]}", "containers"},
    {"{\"exec\":5}", "exec"},
    {"{\"open\":[]}", NULL},
    {"{\"open\":[\"ContainerCreate:HostConfig.Cgroup\"]}", NULL},
    {"{\"open\":[\"ContainerCreate:Hostname\"]}", "this field is not refused"},
    {"{\"open\":[\"ContainerCreate:HostConfig\"]}", "name a field inside it"},
    {"{\"open\":[\"ContainerCreate:HostConfig.Privileged\"]}", "containers.privileged governs"},
    {"{\"open\":[\"ContainerCreate:\"]}", "open"},
    {"{\"open\":[\"ContainerCreate\"]}", "open"},
    {"{\"open\":[\"ContainerTop?\"]}", "open"},
    {"{\"open\":[\"ContainerTop?qq\"]}", "open"},
    {"{\"open\":[5]}", "open"},
    {"{\"extends\":5}", "extends"},
    {"{\"extends\":\"nobody\"}", "unknown role"},
    {"{\"extends\":\"default\"}", "circle"},
    {"{\"description\":5}", "description"},
};
/* Whole policies. */
static const struct load_row policy_rows[] = {
    {"{\"version\":1,\"roles\":{\"a\":{\"extends\":\"b\"},\"b\":{\"extends\":\"c\"},\"c\":{\"extends\":\"b\"},\"default\":{\"extends\":\"a\"}}}", "b -> c -> b"},
    {"{\"version\":1,\"roles\":{\"" LONG "\":{},\"default\":{}}}", "too long"},
    {"{\"version\":1,\"roles\":{\"\":{},\"default\":{}}}", "role"},
    {"{\"version\":1,\"roles\":{\"a\\u007f\":{},\"default\":{}}}", "role"},
    {"{\"version\":1,\"roles\":{\"a\\n\":{},\"default\":{}}}", "role"},
    {"{\"version\":1,\"roles\":{\"builtin:x\":{},\"default\":{}}}", "role"},
    {"{\"version\":1,\"roles\":{\"description\":\"text\",\"default\":{}}}", NULL},
    {"{\"version\":1,\"roles\":{\"description\":{},\"default\":{}}}", NULL},
    {"{\"version\":1,\"roles\":{\"default\":5}}", "role"},
};
// clang-format on

/* The text with LONG written out; the caller frees it. */
static char *expanded(const char *text)
{
    char *dst = malloc(TEXT_CAP);
    assert_non_null(dst);
    const char *at = strstr(text, LONG);
    size_t before = at ? (size_t)(at - text) : strlen(text);
    size_t middle = at ? LONG_BYTES : 0;
    memcpy(dst, text, before);
    memset(dst + before, 'a', middle);
    snprintf(dst + before + middle, TEXT_CAP - before - middle, "%s", at ? at + strlen(LONG) : "");
    return dst;
}

/* Loads and compares; true when it says what the row wants. */
static bool says(const char *text, const char *wanted)
{
    static char said[64 << 10];
    char *policy_text = expanded(text);
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(policy_text), &errors);
    print_errors(&errors, said, sizeof said);
    bool sound = (policy != NULL) == (errors.errors == 0);
    bool right = wanted ? strstr(said, wanted) != NULL : policy != NULL;
    if (!right || !sound)
        print_error("%.200s: wanted %s, got \"%s\"\n", text, wanted ? wanted : "no error", said);
    policy_free(policy);
    err_list_free(&errors);
    free(policy_text);
    return right && sound;
}

static void run_rows(const struct load_row *rows, size_t count, bool whole)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        char text[1024];
        snprintf(text, sizeof text, whole ? "%s" : "{\"version\":1,\"roles\":{\"default\":%s}}",
                 rows[i].role);
        wrong += !says(text, rows[i].says);
    }
    assert_int_equal(wrong, 0);
}

static void test_entries(void **state)
{
    (void)state;
    run_rows(entry_rows, ARRAY_LEN(entry_rows), false);
}

static void test_maxima(void **state)
{
    (void)state;
    run_rows(max_rows, ARRAY_LEN(max_rows), false);
}

static void test_roles(void **state)
{
    (void)state;
    run_rows(role_rows, ARRAY_LEN(role_rows), false);
}

static void test_policies(void **state)
{
    (void)state;
    run_rows(policy_rows, ARRAY_LEN(policy_rows), true);
}

/* head, then part so many times with a number in place of '#', then tail; the caller frees it.
 */
static char *repeated(const char *head, const char *part, int count, const char *tail)
{
    size_t cap = strlen(head) + strlen(tail) + (size_t)count * (strlen(part) + 8) + 1;
    char *text = malloc(cap);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, cap, "%s", head);
    for (int i = 0; i < count; i++) {
        size_t before = strcspn(part, "#");
        n += (size_t)snprintf(text + n, cap - n, "%.*s", (int)before, part);
        if (part[before])
            n += (size_t)snprintf(text + n, cap - n, "%d%s", i, part + before + 1);
    }
    snprintf(text + n, cap - n, "%s", tail);
    return text;
}

static void check_repeated(const char *head, const char *part, int count, const char *tail,
                           bool loads, size_t most_told)
{
    char *text = repeated(head, part, count, tail);
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(text), &errors);
    if ((policy != NULL) != loads || errors.count > most_told || errors.count == 0)
        fail_msg("%s...: loaded %d, %zu told", head, policy != NULL, errors.count);
    policy_free(policy);
    err_list_free(&errors);
    free(text);
}

/* More than is told or taken. */
static void test_too_many(void **state)
{
    (void)state;
    check_repeated("{\"version\":1,\"roles\":{", "\"r#\":{},", POLICY_ROLES_MAX, "\"default\":{}}}",
                   false, POLICY_ERRORS_MAX);
    check_repeated("{\"version\":1,\"roles\":{\"default\":{\"containers\":{", "\"x#\":5,", 300,
                   "\"y\":5}}}}", false, POLICY_ERRORS_MAX);
    check_repeated("{\"version\":1,\"roles\":{\"default\":{\"allow\":[", "\"Nothing#\",", 300,
                   "\"x\"]}}}", false, POLICY_ERRORS_MAX);
    check_repeated("{\"version\":1,\"roles\":{\"default\":{\"open\":[",
                   "\"ContainerCreate:Hostname\",", 300, "\"ContainerCreate:Domainname\"]}}}", true,
                   POLICY_ERRORS_MAX);
    check_repeated("{\"version\":1,\"roles\":{", "\"r#\":{\"extends\":\"nobody\"},", 300,
                   "\"default\":{}}}", false, POLICY_ERRORS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),  cmocka_unit_test(test_maxima),
        cmocka_unit_test(test_roles),    cmocka_unit_test(test_policies),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
