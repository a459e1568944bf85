/* What of answers is emptied: every place, everything around it to the byte, and what cannot be
   told. */
#include "redact.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define E   REDACT_ENV
#define L   REDACT_LABELS
#define B   REDACT_BINDS
#define ALL (E | L | B)
#define M   "{\"a\":\"b\"}"

// clang-format off
/* What an answer holds is emptied by these kinds, and stays as it is under the others. */
static const struct place_case {
    enum operation op;
    unsigned kinds;
    const char *before, *value, *behind, *emptied;
} places[] = {
#define PLACE(op, kinds, before, value, behind, emptied) {OP_##op, kinds, before, value, behind, emptied},
#define CONTAINER(op, at, end) \
    PLACE(op, L, at "{\"Id\":\"1\",\"Labels\":", M, "}" end, "{}") \
    PLACE(op, B, at "{\"Mounts\":[{\"Type\":\"bind\",\"Source\":", "\"/srv\"", ",\"Destination\":\"/d\"}]}" end, "\"\"") \
    PLACE(op, L, at "{\"HostConfig\":{\"NetworkMode\":\"x\",\"Annotations\":", M, "}}" end, "{}") \
    PLACE(op, L, at "{\"ImageManifestDescriptor\":{\"annotations\":", M, "}}" end, "{}") \
    PLACE(op, E | L, at "{\"ImageManifestDescriptor\":{\"data\":", "\"e30=\"", "}}" end, "\"\"")
#define IMAGE(op, at, end) \
    PLACE(op, L, at "{\"Labels\":", M, "}" end, "{}") \
    PLACE(op, L, at "{\"Descriptor\":{\"size\":1,\"annotations\":", M, "}}" end, "{}") \
    PLACE(op, E | L, at "{\"Descriptor\":{\"size\":1,\"data\":", "\"e30=\"", "}}" end, "\"\"") \
    PLACE(op, L, at "{\"Manifests\":[{\"Descriptor\":{\"annotations\":", M, "}}]}" end, "{}") \
    PLACE(op, E | L, at "{\"Manifests\":[{},{\"Descriptor\":{\"data\":", "\"e30=\"", "}}]}" end, "\"\"")
#define VOLUME(op, at, end) \
    PLACE(op, L, at "{\"Name\":\"v\",\"Labels\":", M, "}" end, "{}") \
    PLACE(op, B, at "{\"Mountpoint\":", "\"/var/lib/docker/volumes/v/_data\"", "}" end, "\"\"") \
    PLACE(op, B, at "{\"Options\":", "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/srv\"}", "}" end, "{}") \
    PLACE(op, B, at "{\"Status\":", M, "}" end, "{}") \
    PLACE(op, B, at "{\"ClusterVolume\":{\"Info\":{\"VolumeContext\":", M, "}}}" end, "{}") \
    PLACE(op, B, at "{\"ClusterVolume\":{\"PublishStatus\":[{\"PublishContext\":", M, "}]}}" end, "{}")
#define CONFIG(op, at, end) \
    PLACE(op, E, at "{\"Env\":", "[\"A=b\",\"C\"]", ",\"User\":\"u\"}" end, "[]") \
    PLACE(op, L, at "{\"Labels\":", M, "}" end, "{}") \
    PLACE(op, E | L, at "{\"OnBuild\":", "[\"ENV A=b\"]", "}" end, "[]")
#define TASK_SPEC(op, at, end) \
    PLACE(op, E, at "{\"ContainerSpec\":{\"Env\":", "[\"A=b\"]", "}}" end, "[]") \
    PLACE(op, L, at "{\"ContainerSpec\":{\"Labels\":", M, "}}" end, "{}") \
    PLACE(op, B, at "{\"ContainerSpec\":{\"Mounts\":[{\"Source\":", "\"/srv\"", "}]}}" end, "\"\"") \
    PLACE(op, L, at "{\"ContainerSpec\":{\"Mounts\":[{\"VolumeOptions\":{\"Labels\":", M, "}}]}}" end, "{}") \
    PLACE(op, B, at "{\"ContainerSpec\":{\"Mounts\":[{\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"local\",\"Options\":", M, "}}}]}}" end, "{}") \
    PLACE(op, E, at "{\"PluginSpec\":{\"env\":", "[\"A=b\"]", "}}" end, "[]") \
    PLACE(op, B, at "{\"PluginSpec\":{\"privileges\":", "[{\"name\":\"mount\",\"value\":[\"/srv\"]}]", "}}" end, "[]")
#define SERVICE(op) \
    PLACE(op, L, "{\"Spec\":{\"Name\":\"s\",\"Labels\":", M, "}}", "{}") TASK_SPEC(op, "{\"Spec\":{\"TaskTemplate\":", "}}") \
    PLACE(op, L, "{\"PreviousSpec\":{\"Labels\":", M, "}}", "{}") TASK_SPEC(op, "{\"PreviousSpec\":{\"TaskTemplate\":", "}}")
#define TASK(op) \
    PLACE(op, L, "{\"Labels\":", M, "}", "{}") TASK_SPEC(op, "{\"Spec\":", "}") \
    PLACE(op, B, "{\"Status\":{\"State\":\"failed\",\"Err\":", "\"no /srv/x\"", "}}", "\"\"") \
    PLACE(op, L, "{\"NetworksAttachments\":[{\"Network\":{\"Spec\":{\"Labels\":", M, "}}}]}", "{}")
#define SPEC(op) PLACE(op, L, "{\"Spec\":{\"Name\":\"x\",\"Labels\":", M, "}}", "{}")
#define NODE(op) SPEC(op) PLACE(op, L, "{\"Description\":{\"Engine\":{\"Labels\":", M, "}}}", "{}")
#define PLUGIN(op) \
    PLACE(op, E, "{\"Config\":{\"Env\":[{\"Name\":\"A\",\"Value\":", "\"b\"", "}]}}", "\"\"") \
    PLACE(op, E, "{\"Settings\":{\"Env\":", "[\"A=b\"]", "}}", "[]") \
    PLACE(op, B, "{\"Config\":{\"Mounts\":[{\"Source\":", "\"/srv\"", "}]}}", "\"\"") \
    PLACE(op, B, "{\"Settings\":{\"Mounts\":[{\"Source\":", "\"/srv\"", "}]}}", "\"\"")

    CONTAINER(ContainerList, "", "")
    CONTAINER(ContainerInspect, "", "")
    CONFIG(ContainerInspect, "{\"Config\":", "}")
    PLACE(ContainerInspect, B, "{\"HostConfig\":{\"Binds\":", "[\"/srv:/d\"]", ",\"Memory\":9007199254740993}}\n", "[]")
    PLACE(ContainerInspect, B, "{\"HostConfig\":{\"Mounts\":[{\"Source\":", "\"/srv\"", "}]}}", "\"\"")
    PLACE(ContainerInspect, L, "{\"HostConfig\":{\"Mounts\":[{\"VolumeOptions\":{\"Labels\":", M, "}}]}}", "{}")
    PLACE(ContainerInspect, B, "{\"HostConfig\":{\"Mounts\":[{\"VolumeOptions\":{\"DriverConfig\":{\"Options\":", M, "}}}]}}", "{}")
    PLACE(ContainerInspect, B, "{\"HostConfig\":{\"ContainerIDFile\":", "\"/srv/id\"", "}}", "\"\"")
    PLACE(ContainerInspect, B, "{\"GraphDriver\":{\"Name\":\"overlay2\",\"Data\":", M, "}}", "{}")
    PLACE(ContainerInspect, B, "{\"ResolvConfPath\":", "\"/a\"", "}", "\"\"")
    PLACE(ContainerInspect, B, "{\"HostnamePath\":", "\"/a\"", "}", "\"\"")
    PLACE(ContainerInspect, B, "{\"HostsPath\":", "\"/a\"", "}", "\"\"")
    PLACE(ContainerInspect, B, "{\"State\":{\"Running\":false,\"Error\":", "\"no /srv/x\"", "}}", "\"\"")
    PLACE(ContainerWait, B, "{\"StatusCode\":127,\"Error\":{\"Message\":", "\"no /srv/x\"", "}}\n", "\"\"")
    PLACE(ContainerInspect, B, "{\"LogPath\":", "\"/a\"", "}", "\"\"")
    IMAGE(ImageList, "", "")
    IMAGE(ImageInspect, "", "")
    CONFIG(ImageInspect, "{\"Config\":", "}")
    CONFIG(ImageInspect, "{\"ContainerConfig\":", "}")
    PLACE(ImageInspect, E | L, "{\"ContainerConfig\":{\"Cmd\":", "[\"#(nop)\",\"ENV A=b\"]", "}}", "[]")
    PLACE(ImageInspect, B, "{\"GraphDriver\":{\"Data\":", M, "}}", "{}")
    PLACE(ImageHistory, E | L, "{\"Id\":\"x\",\"CreatedBy\":", "\"ENV A=b\"", "}", "\"\"")
    PLACE(DistributionInspect, L, "{\"Descriptor\":{\"annotations\":", M, "}}", "{}")
    PLACE(DistributionInspect, E | L, "{\"Descriptor\":{\"data\":", "\"e30=\"", "}}", "\"\"")
    VOLUME(VolumeList, "", "")
    VOLUME(VolumeInspect, "", "")
    VOLUME(VolumeCreate, "", "")
    PLACE(NetworkList, L, "{\"Name\":\"n\",\"Labels\":", M, ",\"Options\":{\"a\":\"b\"}}", "{}")
    PLACE(NetworkInspect, L, "{\"Containers\":{\"Labels\":{\"Name\":\"x\"}},\"Labels\":", M, "}", "{}")
    SERVICE(ServiceList) SERVICE(ServiceInspect) TASK(TaskList) TASK(TaskInspect)
    NODE(NodeList) NODE(NodeInspect) SPEC(SwarmInspect)
    SPEC(SecretList) SPEC(SecretInspect) SPEC(ConfigList) SPEC(ConfigInspect)
    PLUGIN(PluginList) PLUGIN(PluginInspect)
    PLACE(SystemInfo, L, "{\"Name\":\"h\",\"Labels\":", "[\"a=b\"]", "}", "[]")
    PLACE(SystemInfo, L, "{\"Swarm\":{\"Cluster\":{\"Spec\":{\"Labels\":", M, "}}}}", "{}")
    PLACE(SystemInfo, B, "{\"DockerRootDir\":", "\"/var/lib/docker\"", "}", "\"\"")
    CONTAINER(SystemDataUsage, "{\"Containers\":[", "]}") CONTAINER(SystemDataUsage, "{\"ContainerUsage\":{\"Items\":[", "]}}")
    IMAGE(SystemDataUsage, "{\"Images\":[", "]}") IMAGE(SystemDataUsage, "{\"ImageUsage\":{\"Items\":[", "]}}")
    VOLUME(SystemDataUsage, "{\"Volumes\":[", "]}") VOLUME(SystemDataUsage, "{\"VolumeUsage\":{\"Items\":[", "],\"TotalCount\":1}}")
    PLACE(SystemEvents, L, "{\"Type\":\"container\",\"Actor\":{\"Attributes\":", M, "}}", "{}")
};

static const struct text_case {
    const char *label;
    enum operation op;
    unsigned kinds;
    const char *text;
    const char *out; /* NULL: refused */
} texts[] = {
    {"bytes around", OP_ContainerInspect, ALL, " \r\n{ \"Config\" :\t{ \"Env\" : [ \"A=\\u0062\" ] , \"n\" : 12345678901234567890.10e+1 } ,\"x\":[ 1, 2 ]}\n ",
     " \r\n{ \"Config\" :\t{ \"Env\" : [] , \"n\" : 12345678901234567890.10e+1 } ,\"x\":[ 1, 2 ]}\n "},
    {"null stays", OP_ContainerInspect, ALL, "{\"Config\":{\"Env\":null,\"Labels\":null},\"GraphDriver\":null,\"Mounts\":null}",
     "{\"Config\":{\"Env\":null,\"Labels\":null},\"GraphDriver\":null,\"Mounts\":null}"},
    {"empty stays", OP_ContainerInspect, ALL, "{\"Config\":{\"Env\":[],\"Labels\":{}},\"LogPath\":\"\"}", "{\"Config\":{\"Env\":[],\"Labels\":{}},\"LogPath\":\"\"}"},
    {"another kind of value", OP_ContainerInspect, ALL, "{\"Config\":{\"Env\":{\"A\":\"b\"},\"Labels\":[\"a\"]},\"LogPath\":-17,\"HostsPath\":true,\"HostnamePath\":false}",
     "{\"Config\":{\"Env\":{},\"Labels\":[]},\"LogPath\":0,\"HostsPath\":null,\"HostnamePath\":null}"},
    {"case", OP_ContainerInspect, E, "{\"CONFIG\":{\"eNV\":[\"A=b\"]}}", "{\"CONFIG\":{\"eNV\":[]}}"},
    {"Unicode case", OP_ContainerInspect, L, "{\"Config\":{\"label\xC5\xBF\":{\"a\":\"b\"}}}", "{\"Config\":{\"label\xC5\xBF\":{}}}"},
    {"escaped names", OP_ContainerInspect, E, "{\"C\\u006fnfig\":{\"\\u0045nv\":[\"A=b\"]}}", "{\"C\\u006fnfig\":{\"\\u0045nv\":[]}}"},
    {"names twice", OP_ContainerInspect, E, "{\"Config\":{\"Env\":[\"A=b\"],\"Env\":[\"C=d\"]},\"config\":{\"env\":[\"E=f\"]}}",
     "{\"Config\":{\"Env\":[],\"Env\":[]},\"config\":{\"env\":[]}}"},
    {"brackets in texts", OP_ContainerInspect, E, "{\"Config\":{\"Cmd\":[\"]}\\\"\"],\"Env\":[\"A=]}\\\"\\\\\"],\"User\":\"\"}}", "{\"Config\":{\"Cmd\":[\"]}\\\"\"],\"Env\":[],\"User\":\"\"}}"},
    {"elsewhere it stays", OP_ContainerInspect, ALL, "{\"Env\":[\"A=b\"],\"NetworkSettings\":{\"Networks\":{\"Labels\":{\"IPAddress\":\"1\"}}},\"Name\":\"/env\"}",
     "{\"Env\":[\"A=b\"],\"NetworkSettings\":{\"Networks\":{\"Labels\":{\"IPAddress\":\"1\"}}},\"Name\":\"/env\"}"},
    {"every one of a list", OP_ContainerInspect, B, "{\"Mounts\":[{\"Source\":\"/a\"},{},{\"Source\":\"/b\",\"RW\":true}]}", "{\"Mounts\":[{\"Source\":\"\"},{},{\"Source\":\"\",\"RW\":true}]}"},
    {"attributes", OP_SystemEvents, L,
     "{\"Action\":\"die\",\"Actor\":{\"ID\":\"1\",\"Attributes\":{\"a.b\":\"c\",\"exitCode\":\"0\", \"x\":\"y\",\"image\":\"i\" ,\"name\":\"n\",\"z\":\"\"}},\"time\":1,\"timeNano\":1700000000123456789}\n",
     "{\"Action\":\"die\",\"Actor\":{\"ID\":\"1\",\"Attributes\":{\"exitCode\":\"0\",\"image\":\"i\" ,\"name\":\"n\"}},\"time\":1,\"timeNano\":1700000000123456789}\n"},
    {"attributes, other kinds", OP_SystemEvents, E | B, "{\"Actor\":{\"Attributes\":{\"a.b\":\"c\"}}}", "{\"Actor\":{\"Attributes\":{\"a.b\":\"c\"}}}"},
    {"attributes, no object", OP_SystemEvents, L, "{\"Actor\":{\"Attributes\":[\"a\"]}}", "{\"Actor\":{\"Attributes\":[]}}"},
    {"attributes, case", OP_SystemEvents, L, "{\"Actor\":{\"Attributes\":{\"Name\":\"c\",\"n\\u0061me\":\"d\"}}}", "{\"Actor\":{\"Attributes\":{\"n\\u0061me\":\"d\"}}}"},
    {"attributes, malformed", OP_SystemEvents, L, "{\"Actor\":{\"Attributes\":{\"name\":01}}}", NULL},
    {"attributes, cut", OP_SystemEvents, L, "{\"Actor\":{\"Attributes\":{\"name\":\"x\",}}}", NULL},
    {"nothing of these kinds", OP_NetworkInspect, E | B, "{\"Labels\":{\"a\":\"b\"}}", "{\"Labels\":{\"a\":\"b\"}}"},
    {"a list for an object", OP_ContainerInspect, E, "{\"Config\":[{\"Env\":[\"A=b\"]}]}", "{\"Config\":[{\"Env\":[]}]}"},
    {"a list of answers", OP_ContainerInspect, E, "[{\"Config\":{\"Env\":[\"A=b\"]}}]", "[{\"Config\":{\"Env\":[]}}]"},
    {"a text for an object", OP_ContainerInspect, E, "{\"Config\":\"Env\"}", NULL},
    {"a text for a list", OP_ContainerInspect, B, "{\"Mounts\":[\"/srv\"]}", NULL},
    {"operation unknown to the table", OP_ImageAttestations, E, "[]", NULL},
    {"a text", OP_ContainerInspect, E, "\"x\"", NULL},
    {"nothing", OP_ContainerInspect, E, "", NULL},
    {"blanks", OP_ContainerInspect, E, " \n", NULL},
    {"two", OP_ContainerInspect, E, "{}{}", NULL},
    {"cut", OP_ContainerInspect, E, "{\"Config\":{\"Env\":[", NULL},
    {"comma last", OP_ContainerInspect, E, "{\"Config\":{\"Env\":[],}}", NULL},
    {"wrong bracket", OP_ContainerInspect, E, "{\"Config\":{\"Env\":[]]}", NULL},
    {"no colon", OP_ContainerInspect, E, "{\"Config\" {}}", NULL},
    {"a NUL in a name", OP_ContainerInspect, E, "{\"Config\\u0000\":{}}", NULL},
    {"a NUL elsewhere", OP_ContainerInspect, E, "{\"Name\":\"\\u0000\"}", NULL},
    {"not UTF-8", OP_ContainerInspect, E, "{\"Name\":\"\xFF\"}", NULL},
    {"malformed elsewhere", OP_ContainerInspect, E, "{\"a\":{\"b\":[{\"c\":01}]}}", NULL},
    {"too deep", OP_ContainerInspect, E, "{\"Config\":[[[[[[[[[[[[[[[[[[[[{\"Env\":[]}]]]]]]]]]]]]]]]]]]]]}", NULL},
};
// clang-format on

static void check_text(const char *label, enum operation op, unsigned kinds, bool scanned,
                       const char *text, const char *expected)
{
    struct arena arena = {0};
    struct str out;
    bool done = redact_text(kinds, op, str_of(text), scanned, &arena, &out);
    if (done != (expected != NULL) || (done && !str_is(out, expected)))
        fail_msg("%s, %s, kinds %u: got %.*s", operation_name(op), label, kinds,
                 done ? (int)out.n : 7, done ? out.p : "refused");
    arena_free(&arena);
}

static void every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const struct place_case *c = &places[i];
        char text[512], emptied[512];
        snprintf(text, sizeof text, "%s%s%s", c->before, c->value, c->behind);
        snprintf(emptied, sizeof emptied, "%s%s%s", c->before, c->emptied, c->behind);
        for (unsigned kinds = 1; kinds <= ALL; kinds++) {
            check_text(text, c->op, kinds, false, text, kinds & c->kinds ? emptied : text);
            check_text(text, c->op, kinds, true, text, kinds & c->kinds ? emptied : text);
        }
        check_text("again", c->op, ALL, false, emptied, emptied);
    }
}

static void whole_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        check_text(texts[i].label, texts[i].op, texts[i].kinds, false, texts[i].text, texts[i].out);
}

/* Each place is among the cases above, and an operation without places bears nothing or is refused.
 */
static void every_operation(void **state)
{
    (void)state;
    for (enum operation op = 0; op < OP_COUNT; op++) {
        for (unsigned kind = 1; kind <= ALL; kind *= 2) {
            bool known = false;
            enum redact_way way = redact_way(kind, op, NULL);
            for (size_t i = 0; i < ARRAY_LEN(places); i++)
                known |= places[i].op == op && (places[i].kinds & kind);
            if (op == OP_ImageAttestations && kind != B)
                assert_int_equal(way, REDACT_REFUSED);
            else if (known != (way != REDACT_NOTHING) || way == REDACT_REFUSED)
                fail_msg("%s: kind %u", operation_name(op), kind);
        }
        assert_int_equal(redact_way(0, op, NULL), REDACT_NOTHING);
    }
}

/* More values than one document may have, in a list that holds places and in one that does not. */
static void many_values(void **state)
{
    enum { COUNT = 40000 };
    (void)state;
    struct arena arena = {0};
    struct str out;
    size_t room = COUNT * 2 * 40;
    char *text = malloc(room);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, room, "{\"Volumes\":[");
    for (size_t i = 0; i < COUNT; i++)
        n += (size_t)snprintf(text + n, room - n, "%s{\"Mountpoint\":\"/secret\"}", i ? "," : "");
    n += (size_t)snprintf(text + n, room - n, "],\"BuildCache\":[");
    for (size_t i = 0; i < COUNT; i++)
        n += (size_t)snprintf(text + n, room - n, "%s{\"ID\":\"x\"}", i ? "," : "");
    n += (size_t)snprintf(text + n, room - n, "]}");
    assert_true(n < room);
    assert_true(redact_text(B, OP_SystemDataUsage, (struct str){text, n}, false, &arena, &out));
    assert_null(memmem(out.p, out.n, "secret", 6));
    assert_int_equal(out.n, n - COUNT * strlen("/secret"));
    arena_free(&arena);
    free(text);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static const struct refused_case {
    const char *target, *redact;
    const char *field; /* NULL: allowed */
} refused[] = {
    {"/v1.41/containers/c/top", "\"env\"", NULL},
    {"/v1.41/containers/c/top?ps_args=", "\"env\"", NULL},
    {"/v1.41/containers/c/top?ps_args=axe", "\"env\"", "?ps_args"},
    {"/v1.41/containers/c/top?ps_args=false", "\"env\"", "?ps_args"}, /* f, a, l, s and e */
    {"/v1.41/containers/c/top?ps_args=axe", "\"labels\",\"binds\"", NULL},
    {"/v1.41/containers/c/logs?stdout=1&details=0", "\"env\",\"labels\"", NULL},
    {"/v1.41/containers/c/logs?stdout=1&details=1", "\"env\"", "?details"},
    {"/v1.41/containers/c/logs?stdout=1&details=x", "\"labels\"", "?details"},
    {"/v1.41/containers/c/logs?stdout=1&details=1", "\"binds\"", NULL},
    {"/v1.41/services/s/logs?stdout=1&details=1", "\"labels\"", NULL}, /* docker always asks so */
    {"/v1.55/images/i/attestations", "\"env\"", ""},
    {"/v1.55/images/i/attestations", "\"labels\"", ""},
    {"/v1.55/images/i/attestations", "\"binds\"", NULL},
    {"/v1.41/containers/c/json", "\"env\",\"labels\",\"binds\"", NULL},
};

static void other_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        char text[256];
        struct err_list errors = {0};
        struct arena arena = {0};
        struct request request;
        struct decision decision;
        snprintf(text, sizeof text,
                 "{\"version\":1,\"roles\":{\"default\":{\"extends\":\"builtin:all\","
                 "\"responses\":{\"redact\":[%s]}}}}",
                 refused[i].redact);
        struct policy *policy = policy_load(str_of(text), &errors);
        assert_non_null(policy);
        err_list_free(&errors);
        assert_true(
            request_parse(STR("GET"), str_of(refused[i].target), &arena, &request, &decision));
        bool passes = policy_precheck(policy_default_role(policy), &request, &arena, &decision);
        if (passes != (refused[i].field == NULL))
            fail_msg("%s under %s: %s", refused[i].target, refused[i].redact, decision.reason);
        if (!passes) {
            assert_string_equal(decision.rule, "responses.redact");
            assert_string_equal(decision.field, refused[i].field);
            assert_int_equal(decision.status, 403);
        }
        arena_free(&arena);
        policy_free(policy);
    }
}

/* What any role of a chain redacts, all below it do. */
static void inherited(void **state)
{
    (void)state;
    struct err_list errors = {0};
    struct policy *policy = policy_load(
        STR("{\"version\":1,\"roles\":{\"a\":{\"responses\":{\"redact\":[\"env\"]}},"
            "\"b\":{\"responses\":{\"redact\":[\"binds\"],\"description\":\"x\"}},"
            "\"c\":{\"extends\":[\"a\",\"b\"],\"responses\":{\"redact\":[]}},\"default\":{}}}"),
        &errors);
    assert_non_null(policy);
    err_list_free(&errors);
    assert_int_equal(role_redacts(policy_role(policy, STR("a"))), E);
    assert_int_equal(role_redacts(policy_role(policy, STR("c"))), E | B);
    assert_int_equal(role_redacts(policy_default_role(policy)), 0);
    assert_int_equal(role_redacts(NULL), 0);
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place),     cmocka_unit_test(whole_texts),
        cmocka_unit_test(every_operation), cmocka_unit_test(many_values),
        cmocka_unit_test(other_ways),      cmocka_unit_test(inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
