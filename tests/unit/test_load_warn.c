/* Warnings about what loads and is yet hardly meant so. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The first entry begins in column 25; roles stand in the second line. */
#define CLIENTS(clients, roles) "{\"version\":1,\"clients\":[" clients "],\n\"roles\":{" roles "}}"
#define CI                      "{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"ci\"}"
#define NO_EFFECT(group, op) \
    group " has no effect: the role allows no operation that it governs, such as " op "\n"
#define ALONE(group, value, op)                                                           \
    {                                                                                     \
        group " alone", ROLE("{\"" group "\":" value "}"), "W1:34: " NO_EFFECT(group, op) \
    }
#define LONELY(name) \
    "only --role gives the role \"" name "\" to anybody: the policy has no \"clients\"\n"
#define NOBODY(name)                                                 \
    "nobody gets the role \"" name                                   \
    "\": it is not \"default\", no client has it, and no role that " \
    "somebody gets extends it\n"
#define NEVER(name, first)                                                   \
    "the client \"" name "\" is never reached: whoever it matches, \"" first \
    "\" before it matches\n"
#define NETWORK \
    "address is as good as the network is: on plain TCP, who can take the address gets the role\n"
#define ANY_USER(key)                                                                              \
    key " also matches containers that have the socket and run as it, which is theirs to choose; " \
        "add \"listener\", and give containers another one\n"
#define DENIED(entry)                                                                            \
    "allow: \"" entry "\" has no effect: the role, or one that it extends, denies it, and deny " \
    "wins\n"
#define NOTHING(entry, what) \
    "deny: \"" entry "\" takes nothing away: the role does not allow " what "\n"

#define OWNER "\"owner\":{\"label\":\"a.b\",\"value\":\"${client}\"}"
#define UNNAMED                                                                                   \
    "owner.value names ${client}, and who gets the role \"default\" because no entry of clients " \
    "matches has no such name: he is refused everything\n"

static const struct {
    const char *name;
    const char *text;
    const char *expected;
} rows[] = {
    /* roles that nobody gets */
    {"default alone", ROLE("{}"), ""},
    {"written back without labels",
     ROLE("{\"allow\":[\"NodeUpdate\",\"ServiceUpdate\"],\"responses\":{\"redact\":[\"labels\"]}}"),
     "W1:73: responses.redact and ServiceUpdate, NodeUpdate: a client that reads a specification "
     "and "
     "writes it back changed, as docker does, empties what it did not get to see\n"},
    {"written back without binds",
     ROLE("{\"allow\":[\"NodeUpdate\"],\"responses\":{\"redact\":[\"binds\"]}}"), ""},
    {"without clients", ROLES("\"ci\":{}"), "W1:36: " LONELY("ci")},
    /* owners */
    {"owner by client, without clients", ROLE("{" OWNER "}"),
     "W1:34: owner.value names ${client}, and the policy has no \"clients\": whoever gets the role "
     "is "
     "refused everything\n"},
    {"owner by client", CLIENTS(CI, "\"ci\":{" OWNER "}"), ""},
    {"owner by client in default", CLIENTS(CI, "\"ci\":{},\"default\":{" OWNER "}"),
     "W2:29: " UNNAMED},
    {"owner by client in default, inherited",
     CLIENTS(CI, "\"ci\":{" OWNER "},\"default\":{\"extends\":\"ci\"}"), "W2:61: " UNNAMED},
    {"owner of the uid", ROLE("{\"owner\":{\"label\":\"a.b\",\"value\":\"${uid}\"}}"), ""},
    {"owner and BuildKit",
     ROLE("{\"allow\":[\"@build\",\"Session\"],\"builds\":{\"buildkit\":true},"
          "\"owner\":{\"label\":\"a.b\",\"value\":\"a\"}}"),
     "W1:90: owner and builds.buildkit: what builds leave in the cache is shared by all, also what "
     "they mount from it\n"},

    {"without clients, extended",
     "{\"version\":1,\"roles\":{\"default\":{\"extends\":\"ci\"},\"ci\":{}}}", ""},
    {"without clients, a chain", ROLES("\"a\":{},\"b\":{\"extends\":\"a\"}"),
     "W1:43: " LONELY("b")},
    {"no default, no clients", "{\"version\":1,\"roles\":{\"a\":{},\"b\":{}}}",
     "W1:14: there is no role \"default\": every client is refused unless --role names another\n"},
    {"empty clients are none", CLIENTS("", "\"default\":{},\"ci\":{}"), "W2:23: " LONELY("ci")},
    {"named by a client", CLIENTS(CI, "\"default\":{},\"ci\":{}"), ""},
    {"named by none", CLIENTS(CI, "\"ci\":{},\"dev\":{}"), "W2:18: " NOBODY("dev")},
    {"extended by one that somebody gets",
     CLIENTS(CI, "\"base\":{},\"mid\":{\"extends\":[\"base\"]},\"ci\":{\"extends\":\"mid\"}"), ""},
    {"extended by default", CLIENTS(CI, "\"base\":{},\"ci\":{},\"default\":{\"extends\":\"base\"}"),
     ""},
    {"extended by one that nobody gets",
     CLIENTS(CI, "\"ci\":{},\"base\":{},\"dev\":{\"extends\":\"base\"}"),
     "W2:18: " NOBODY("base") "W2:28: " NOBODY("dev")},

    /* limits without effect */
    {"burst alone", ROLE("{\"limits\":{\"burst\":5}}"),
     "W1:34: limits.burst has no effect without limits.requests_per_second\n"},
    {"burst and rate", ROLE("{\"limits\":{\"burst\":5,\"requests_per_second\":1}}"), ""},
    {"burst on a parent's rate",
     ROLES("\"ci\":{\"extends\":\"a\",\"limits\":{\"burst\":5}},"
           "\"a\":{\"limits\":{\"requests_per_second\":1}}"),
     "W1:36: " LONELY("ci")},

    /* deny without effect */
    {"deny of an operation", ROLE("{\"allow\":[\"@read\"],\"deny\":[\"ContainerTop\"]}"), ""},
    {"deny of what is not allowed", ROLE("{\"allow\":[\"@read\"],\"deny\":[\"ContainerLogs\"]}"),
     "W1:60: " NOTHING("ContainerLogs", "it")},
    {"deny of a class in part",
     ROLE("{\"allow\":[\"ExecStart\",\"ContainerAttach\"],\"deny\":[\"Exec*\"]}"),
     "W1:43: " DENIED("ExecStart")},
    {"deny of a class", ROLE("{\"allow\":[\"@read\"],\"deny\":[\"@exec\"]}"),
     "W1:60: " NOTHING("@exec", "any operation of it")},
    {"deny of a glob", ROLE("{\"allow\":[\"@read\"],\"deny\":[\"Image*\",\"Secret*\"]}"),
     "W1:69: " NOTHING("Secret*", "any operation of it")},
    {"deny of a glob that matches nothing", ROLE("{\"deny\":[\"Kontainer*\"]}"),
     "W1:42: \"Kontainer*\" matches no operation\n"},
    {"deny of what a parent allows", ROLE("{\"extends\":\"builtin:default\",\"deny\":[\"@exec\"]}"),
     ""},
    {"deny of what a grandparent allows",
     "{\"version\":1,\"roles\":{\"p\":{\"extends\":\"builtin:read-only\"},"
     "\"default\":{\"extends\":\"p\",\"deny\":[\"ContainerTop\"]}}}",
     ""},
    {"deny again what a parent denies",
     "{\"version\":1,\"roles\":{\"p\":{\"allow\":[\"@read\"],\"deny\":[\"ContainerTop\"]},"
     "\"default\":{\"extends\":\"p\",\"deny\":[\"ContainerTop\"]}}}",
     ""},
    {"deny for heirs",
     "{\"version\":1,\"roles\":{\"no-exec\":{\"deny\":[\"@exec\"]},"
     "\"default\":{\"extends\":[\"builtin:default\",\"no-exec\"]}}}",
     ""},
    {"deny for heirs that do not ask",
     "{\"version\":1,\"roles\":{\"no-exec\":{\"deny\":[\"@exec\"]},\n"
     "\"default\":{\"extends\":[\"builtin:read-only\",\"no-exec\"]}}}",
     "W1:42: " NOTHING("@exec", "any operation of it")},

    /* allow without effect */
    {"allow and deny", ROLE("{\"allow\":[\"@ping\",\"ExecStart\"],\"deny\":[\"ExecStart\"]}"),
     "W1:51: " DENIED("ExecStart")},
    {"allow of a denied class", ROLE("{\"allow\":[\"@exec\"],\"deny\":[\"@exec\"]}"),
     "W1:43: " DENIED("@exec")},
    {"allow of a class, deny of a part", ROLE("{\"allow\":[\"@exec\"],\"deny\":[\"ExecStart\"]}"),
     ""},
    {"allow of what a parent denies",
     "{\"version\":1,\"roles\":{\"p\":{\"allow\":[\"@exec\"],\"deny\":[\"ExecStart\"]},\n"
     "\"default\":{\"extends\":\"p\",\"allow\":[\"ExecStart\"]}}}",
     "W2:35: " DENIED("ExecStart")},

    /* groups without effect */
    ALONE("containers", "{\"binds\":[\"/a\"]}", "ContainerCreate"),
    ALONE("exec", "{\"users\":[\"1\"]}", "ContainerExec"),
    ALONE("images", "{\"allow\":[\"a\"]}", "ContainerCreate"),
    ALONE("networks", "{\"names\":[\"a\"]}", "NetworkCreate"),
    {"empty group", ROLE("{\"containers\":{}}"), ""},
    {"containers for create",
     ROLE("{\"allow\":[\"ContainerCreate\"],\"containers\":{\"binds\":[\"/a\"]}}"), ""},
    {"containers for rename",
     ROLE("{\"allow\":[\"ContainerRename\"],\"containers\":{\"names\":[\"a\"]}}"), ""},
    {"containers for volumes",
     ROLE("{\"allow\":[\"VolumeCreate\"],\"containers\":{\"volumes\":[\"a\"]}}"), ""},
    {"containers for exec",
     ROLE("{\"allow\":[\"ContainerExec\"],\"containers\":{\"user\":[\"a\"]}}"), ""},
    {"containers for services",
     ROLE("{\"allow\":[\"@swarm\"],\"containers\":{\"binds\":[\"/a\"]}}"), ""},
    {"containers of a reader", ROLE("{\"allow\":[\"@read\"],\"containers\":{\"binds\":[\"/a\"]}}"),
     "W1:52: " NO_EFFECT("containers", "ContainerCreate")},
    {"exec of a class", ROLE("{\"allow\":[\"@exec\"],\"exec\":{\"users\":[\"1\"]}}"), ""},
    {"exec, and exec denied",
     ROLE("{\"allow\":[\"@exec\"],\"deny\":[\"ContainerExec\"],\"exec\":{\"users\":[\"1\"]}}"),
     "W1:77: " NO_EFFECT("exec", "ContainerExec")},
    {"images of a pull", ROLE("{\"allow\":[\"ImageCreate\"],\"images\":{\"allow\":[\"a\"]}}"), ""},
    {"networks of a connect",
     ROLE("{\"allow\":[\"NetworkConnect\"],\"networks\":{\"names\":[\"a\"]}}"), ""},
    {"group over a parent's operations",
     ROLE("{\"extends\":\"builtin:default\",\"containers\":{\"binds\":[\"/a\"]}}"), ""},
    {"group for heirs",
     "{\"version\":1,\"roles\":{\"small\":{\"containers\":{\"cpus\":{\"max\":1}}},"
     "\"default\":{\"extends\":[\"small\",\"builtin:default\"]}}}",
     ""},
    {"group for heirs without the operations",
     "{\"version\":1,\"roles\":{\"small\":{\"exec\":{\"users\":[\"1\"]}},"
     "\"default\":{\"extends\":[\"small\",\"builtin:read-only\"]}}}",
     "W1:32: " NO_EFFECT("exec", "ContainerExec")},

    /* entries twice */
    {"operation twice", ROLE("{\"allow\":[\"@read\",\"@ping\",\"@read\"]}"),
     "W1:59: \"@read\" stands in this list already\n"},
    {"three times", ROLE("{\"allow\":[\"@ping\",\"@ping\",\"@ping\"]}"),
     "W1:51: \"@ping\" stands in this list already\n"
     "W1:59: \"@ping\" stands in this list already\n"},
    {"bind twice", ROLE("{\"allow\":[\"@create\"],\"containers\":{\"binds\":[\"/a\",\"/a\"]}}"),
     "W1:82: \"/a\" stands in this list already\n"},
    {"in two lists",
     ROLE("{\"allow\":[\"@create\"],\"containers\":{\"volumes\":[\"a\"],\"names\":[\"a\"]}}"), ""},
    {"prefix and longer",
     ROLE("{\"allow\":[\"@create\"],\"containers\":{\"names\":[\"a\",\"ab\",\"\"]}}"), ""},
    {"parent twice", ROLE("{\"extends\":[\"builtin:default\",\"builtin:default\"]}"),
     "W1:63: \"builtin:default\" stands in this list already\n"},
    {"uid twice",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":[7,8,7]},\"role\":\"ci\"}", "\"ci\":{}"),
     "W1:57: \"7\" stands in this list already\n"},

    /* clients */
    {"address",
     CLIENTS("{\"name\":\"a\",\"match\":{\"address\":\"10.0.0.0/8\"},\"role\":\"ci\"}",
             "\"ci\":{}"),
     "W1:46: " NETWORK},
    {"uid is none", CLIENTS(CI, "\"ci\":{}"), ""},
    {"the same match",
     CLIENTS(CI ",\n{\"name\":\"b\",\"match\":{\"uid\":[1]},\"role\":\"default\"}",
             "\"ci\":{},\"default\":{}"),
     "W2:1: " NEVER("b", "a")},
    {"fewer conditions before",
     CLIENTS(CI ",\n{\"name\":\"b\",\"match\":{\"gid\":2,\"uid\":1},\"role\":\"ci\"}", "\"ci\":{}"),
     "W2:1: " NEVER("b", "a")},
    {"fewer conditions behind",
     CLIENTS("{\"name\":\"b\",\"match\":{\"gid\":2,\"uid\":1},\"role\":\"ci\"},\n" CI, "\"ci\":{}"),
     ""},
    {"more values before",
     CLIENTS("{\"name\":\"b\",\"match\":{\"uid\":[2,1]},\"role\":\"ci\"},\n" CI, "\"ci\":{}"),
     "W2:1: " NEVER("a", "b")},
    {"more values behind",
     CLIENTS(CI ",\n{\"name\":\"b\",\"match\":{\"uid\":[2,1]},\"role\":\"ci\"}", "\"ci\":{}"), ""},
    {"uid and gid of one number",
     CLIENTS(CI ",\n{\"name\":\"b\",\"match\":{\"gid\":1},\"role\":\"ci\"}", "\"ci\":{}"), ""},
    {"range within a range",
     CLIENTS("{\"name\":\"a\",\"match\":{\"address\":\"10.0.0.0/8\"},\"role\":\"ci\"},\n"
             "{\"name\":\"b\",\"match\":{\"address\":\"10.1.0.0/16\"},\"role\":\"ci\"}",
             "\"ci\":{}"),
     "W1:46: " NETWORK "W2:1: " NEVER("b", "a") "W2:22: " NETWORK},
    {"SANs of two kinds",
     CLIENTS("{\"name\":\"a\",\"match\":{\"cert_san\":\"DNS:a\"},\"role\":\"ci\"},\n"
             "{\"name\":\"b\",\"match\":{\"cert_san\":\"email:a\"},\"role\":\"ci\"}",
             "\"ci\":{}"),
     ""},

    {"a user beside containers",
     CLIENTS(CI ",\n{\"name\":\"b\",\"match\":{\"compose_service\":\"b\"},\"role\":\"ci\"},\n"
                "{\"name\":\"c\",\"match\":{\"gid\":1},\"role\":\"ci\"}",
             "\"ci\":{}"),
     "W1:46: " ANY_USER("uid") "W3:22: " ANY_USER("gid")},
    {"users told apart from containers",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1,\"listener\":\"x\"},\"role\":\"ci\"},\n"
             "{\"name\":\"b\",\"match\":{\"uid\":1,\"compose_service\":\"b\"},\"role\":\"ci\"}",
             "\"ci\":{}"),
     ""},
    {"labels of one key",
     CLIENTS("{\"name\":\"a\",\"match\":{\"container_label\":\"x=1\"},\"role\":\"ci\"},\n"
             "{\"name\":\"b\",\"match\":{\"container_label\":\"x\"},\"role\":\"ci\"},\n"
             "{\"name\":\"c\",\"match\":{\"container_label\":\"x=1\"},\"role\":\"ci\"}",
             "\"ci\":{}"),
     "W3:1: " NEVER("c", "a")},

    /* no warnings beside an error */
    {"error alone", ROLES("\"ci\":{\"extends\":\"x\",\"exec\":{\"users\":[\"1\",\"1\"]}}"),
     "1:52: extends: unknown role \"x\"\n"},
};

static void test_rows(void **state)
{
    (void)state;
    static char got[16 << 10];
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err_list errors = {0};
        char *text = strdup(rows[i].text);
        struct policy *policy = policy_load(str_of(text), &errors);
        free(text);
        print_errors(&errors, got, sizeof got);
        if (strcmp(got, rows[i].expected) != 0) {
            print_error("%s: %s\n  got      %s\n  expected %s\n", rows[i].name,
                        policy ? "loaded" : "refused", got, rows[i].expected);
            failed++;
        }
        policy_free(policy);
        err_list_free(&errors);
    }
    assert_int_equal(failed, 0);
}

/* What the program brings along says nothing, however it is extended. */
static void test_builtin_roles(void **state)
{
    (void)state;
    static char got[4096];
    char text[128];
    for (size_t i = 0; builtin_role_name(i); i++) {
        struct err_list errors = {0};
        snprintf(text, sizeof text, ROLE("{\"extends\":\"builtin:%s\"}"), builtin_role_name(i));
        policy_free(policy_load(str_of(text), &errors));
        print_errors(&errors, got, sizeof got);
        assert_string_equal(got, "");
        err_list_free(&errors);
    }
}

/* Roles in a chain that each extend two others once more: no work that doubles with each. */
static void test_diamonds(void **state)
{
    (void)state;
    static char text[8192];
    enum { DEPTH = POLICY_EXTENDS_DEPTH_MAX - 1 };
    size_t n = (size_t)snprintf(text, sizeof text, "{\"version\":1,\"roles\":{\"a0\":{},\"b0\":{}");
    for (int i = 1; i < DEPTH; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              ",\"a%d\":{\"extends\":[\"a%d\",\"b%d\"]},"
                              "\"b%d\":{\"extends\":[\"a%d\",\"b%d\"]}",
                              i, i - 1, i - 1, i, i - 1, i - 1);
    snprintf(text + n, sizeof text - n, ",\"default\":{\"extends\":[\"a%d\",\"b%d\"]}}}", DEPTH - 1,
             DEPTH - 1);
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(text), &errors);
    assert_non_null(policy);
    assert_int_equal(errors.count, 0);
    policy_free(policy);
    err_list_free(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_builtin_roles),
        cmocka_unit_test(test_diamonds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
