/* Errors of `clients`: each with its place and what would be right. What loads is in
   test_client.c. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The first entry begins in column 25. */
#define CLIENTS(text)                   \
    "{\"version\":1,\"clients\":[" text \
    "],\n\"roles\":{\"default\":{},\"ci\":{\"allow\":[\"@ping\"]}}}"
/* The match begins in column 45, its first key in 46. */
#define MATCH(text) CLIENTS("{\"name\":\"a\",\"match\":" text ",\"role\":\"ci\"}")
#define HEX32       "0123456789abcdef0123456789ABCDEF"

static const struct {
    const char *name;
    const char *text;
    const char *expected;
} rows[] = {
    /* the list */
    {"none", "{\"version\":1,\"clients\":[],\"roles\":{\"default\":{}}}", ""},
    {"none, no default", "{\"version\":1,\"clients\":[],\"roles\":{}}",
     "W1:27: there is no role \"default\": every client is refused unless --role names another\n"},
    {"not a list", "{\"version\":1,\"clients\":{},\"roles\":{\"default\":{}}}",
     "1:24: clients expects a list of objects, got an object\n"},
    {"key misspelt", "{\"version\":1,\"client\":[],\"roles\":{\"default\":{}}}",
     "1:14: unknown key \"client\" in the policy; did you mean \"clients\"?\n"},
    {"no default is needed",
     "{\"version\":1,\"clients\":[{\"name\":\"a\",\"match\":{\"uid\":0},"
     "\"role\":\"builtin:read-only\"}]}",
     ""},

    /* an entry */
    {"good", MATCH("{\"uid\":0}"), ""},
    {"descriptions",
     CLIENTS("{\"description\":\"x\",\"name\":\"a\",\"match\":{\"uid\":1,\"description\":\"y\"},"
             "\"role\":\"ci\"}"),
     ""},
    {"description not text",
     CLIENTS("{\"description\":1,\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"ci\"}"),
     "1:40: description expects text, got a number\n"},
    {"entry not an object", CLIENTS("\"a\""),
     "1:25: an entry of clients expects an object, got text\n"},
    {"empty entry", CLIENTS("{}"),
     "1:25: an entry of clients lacks its \"name\"\n"
     "1:25: an entry of clients lacks its \"match\"\n"
     "1:25: an entry of clients lacks its \"role\"\n"},
    {"unknown key",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"roles\":\"ci\",\"role\":\"ci\"}"),
     "1:55: unknown key \"roles\" in an entry of clients; did you mean \"role\"?\n"},
    {"match key outside match",
     CLIENTS("{\"name\":\"a\",\"uid\":1,\"match\":{\"uid\":1},\"role\":\"ci\"}"),
     "1:37: unknown key \"uid\" in an entry of clients; it belongs into \"match\"\n"},

    /* name */
    {"name empty", CLIENTS("{\"name\":\"\",\"match\":{\"uid\":1},\"role\":\"ci\"}"),
     "1:33: a client needs a name\n"},
    {"name a number", CLIENTS("{\"name\":1,\"match\":{\"uid\":1},\"role\":\"ci\"}"),
     "1:33: the name of a client expects text, got a number\n"},
    {"name with a control character",
     CLIENTS("{\"name\":\"a\\u001b\",\"match\":{\"uid\":1},\"role\":\"ci\"}"),
     "1:33: the name of a client holds a control character\n"},
    {"name too long",
     CLIENTS("{\"name\":\"" HEX32 HEX32 HEX32 HEX32 "x\",\"match\":{\"uid\":1},\"role\":\"ci\"}"),
     "1:33: the name of this client is too long\n"},
    {"name longest",
     CLIENTS("{\"name\":\"" HEX32 HEX32 HEX32 HEX32 "\",\"match\":{\"uid\":1},\"role\":\"ci\"}"),
     ""},
    {"name twice",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"ci\"},\n"
             "{\"name\":\"b\",\"match\":{\"uid\":2},\"role\":\"ci\"},\n"
             "{\"name\":\"a\",\"match\":{\"uid\":3},\"role\":\"ci\"}"),
     "3:9: there is a client \"a\" already\n"},

    /* role */
    {"role unknown", CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"cj\"}"),
     "1:62: clients: unknown role \"cj\"; did you mean \"ci\"?\n"},
    {"role built in without its prefix",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"read-only\"}"),
     "1:62: clients: unknown role \"read-only\"; did you mean \"builtin:read-only\"?\n"},
    {"role built in misspelt",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"builtin:readonly\"}"),
     "1:62: clients: unknown role \"builtin:readonly\"; did you mean \"builtin:read-only\"?\n"},
    {"role built in without its prefix, of those that are read when named",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"traefik\"}"),
     "1:62: clients: unknown role \"traefik\"; did you mean \"builtin:traefik\"?\n"},
    {"such a one misspelt",
     CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":\"builtin:watchtowr\"}"),
     "1:62: clients: unknown role \"builtin:watchtowr\"; did you mean \"builtin:watchtower\"?\n"},
    {"role a list", CLIENTS("{\"name\":\"a\",\"match\":{\"uid\":1},\"role\":[\"ci\"]}"),
     "1:62: the role of a client expects the name of a role, got a list\n"},

    /* match */
    {"match empty", MATCH("{}"),
     "1:45: this match is empty: it would take everybody; who is matched by no entry gets the role "
     "\"default\"\n"},
    {"match with a description alone", MATCH("{\"description\":\"x\"}"),
     "1:45: this match is empty: it would take everybody; who is matched by no entry gets the role "
     "\"default\"\n"},
    {"match a list", MATCH("[]"),
     "1:45: match expects an object such as {\"uid\": [1000]}, got a list\n"},
    {"match key misspelt", MATCH("{\"cert_nc\":\"x\"}"),
     "1:46: unknown key \"cert_nc\" in the match of a client; did you mean \"cert_cn\"?\n"},
    {"match key by another spelling", MATCH("{\"cert-spki\":\"x\"}"),
     "1:46: unknown key \"cert-spki\" in the match of a client; did you mean \"cert_spki\"?\n"},
    {"keys of the container",
     MATCH(
         "{\"container_name\":\"x\",\"container_label\":[\"x\",\"y=z\"],\"container_image\":\"x\","
         "\"compose_project\":\"x\",\"compose_service\":[\"x\"]}"),
     ""},
    {"container", MATCH("{\"container\":\"x\"}"),
     "1:46: unknown key \"container\" in the match of a client; did you mean "
     "\"container_name\"?\n"},
    {"service", MATCH("{\"service\":\"x\"}"),
     "1:46: unknown key \"service\" in the match of a client; did you mean \"compose_service\"?\n"},
    {"label without its key", MATCH("{\"container_label\":[\"=x\"]}"),
     "1:65: container_label: \"=x\" names no label: write \"key\" or \"key=value\"\n"},
    {"label as an object", MATCH("{\"container_label\":{\"a\":\"b\"}}"),
     "1:64: container_label expects text or a list of texts, got an object\n"},
    {"name of a container with its slash", MATCH("{\"container_name\":\"/x\"}"),
     "1:63: container_name: \"/x\" can match nothing: names have no slash in front\n"},
    {"empty service", MATCH("{\"compose_service\":\"\"}"),
     "1:64: compose_service: \"\" matches nobody\n"},

    /* values */
    {"empty list", MATCH("{\"uid\":[]}"), "1:52: uid: the empty list matches nobody\n"},
    {"null", MATCH("{\"listener\":null}"),
     "1:57: listener expects text or a list of texts, got null\n"},
    {"list in a list", MATCH("{\"listener\":[\"a\",[\"b\"]]}"),
     "1:62: listener expects text or a list of texts, got a list\n"},
    {"empty text", MATCH("{\"cert_cn\":\"\"}"), "1:56: cert_cn: \"\" matches nobody\n"},
    {"number for text", MATCH("{\"cert_ou\":1}"),
     "1:56: cert_ou expects text or a list of texts, got a number\n"},
    {"uid as text", MATCH("{\"uid\":\"1000\"}"),
     "1:52: uid expects a number from 0 to 4294967294 or a list of them, got \"1000\"\n"},
    {"uid below 0", MATCH("{\"uid\":[0,-1]}"),
     "1:55: uid expects a number from 0 to 4294967294 or a list of them, got \"-1\"\n"},
    {"uid with a fraction", MATCH("{\"uid\":1.0}"),
     "1:52: uid expects a number from 0 to 4294967294 or a list of them, got \"1.0\"\n"},
    {"uid that means none", MATCH("{\"uid\":4294967295}"),
     "1:52: uid expects a number from 0 to 4294967294 or a list of them, got \"4294967295\"\n"},
    {"uid of more than 32 bits", MATCH("{\"uid\":4294967296}"),
     "1:52: uid expects a number from 0 to 4294967294 or a list of them, got \"4294967296\"\n"},
    {"highest uid", MATCH("{\"uid\":4294967294}"), ""},
    {"gid as true", MATCH("{\"gid\":true}"),
     "1:52: gid expects a number from 0 to 4294967294 or a list of them, got true\n"},
    {"address a name", MATCH("{\"address\":\"localhost\"}"),
     "1:56: address: \"localhost\" is neither an address nor a range such as \"10.1.0.0/16\"\n"},
    {"address of too many bits", MATCH("{\"address\":[\"10.0.0.0/33\"]}"),
     "1:57: address: \"10.0.0.0/33\" is neither an address nor a range such as \"10.1.0.0/16\"\n"},
    {"address with a port", MATCH("{\"address\":\"10.0.0.1:80\"}"),
     "1:56: address: \"10.0.0.1:80\" is neither an address nor a range such as \"10.1.0.0/16\"\n"},
    {"spki too short", MATCH("{\"cert_spki\":\"sha256:" HEX32 "\"}"),
     "1:58: cert_spki: \"sha256:" HEX32 "\" is not \"sha256:\" and 64 hex digits\n"},
    {"spki without its prefix", MATCH("{\"cert_spki\":\"" HEX32 HEX32 "\"}"),
     "1:58: cert_spki: \"" HEX32 HEX32 "\" is not \"sha256:\" and 64 hex digits\n"},
    {"spki as a glob", MATCH("{\"cert_spki\":\"sha256:*\"}"),
     "1:58: cert_spki: \"sha256:*\" is not \"sha256:\" and 64 hex digits\n"},
    {"spki", MATCH("{\"cert_spki\":\"sha256:" HEX32 HEX32 "\"}"), ""},
    {"SAN without its prefix", MATCH("{\"cert_san\":\"ci.example.com\"}"),
     "1:57: cert_san: \"ci.example.com\" begins with none of \"DNS:\", \"URI:\", \"IP:\" and "
     "\"email:\"\n"},
    {"SAN prefix in lower case", MATCH("{\"cert_san\":\"dns:ci.example.com\"}"),
     "1:57: cert_san: \"dns:ci.example.com\" begins with none of \"DNS:\", \"URI:\", \"IP:\" and "
     "\"email:\"\n"},
    {"SAN of nothing", MATCH("{\"cert_san\":\"DNS:\"}"),
     "1:57: cert_san: \"DNS:\" holds nothing behind its prefix\n"},
    {"SAN of no address", MATCH("{\"cert_san\":\"IP:10.*\"}"),
     "1:57: cert_san: \"IP:10.*\" is no address such as \"IP:10.1.0.7\", nor a range\n"},
    {"SANs", MATCH("{\"cert_san\":[\"DNS:*.x\",\"URI:a\",\"IP:fd00::1\",\"email:a@b\"]}"), ""},

    /* several */
    {"all at once",
     CLIENTS("{\"name\":\"\",\"match\":{\"uid\":\"x\",\"hosts\":1},\"role\":\"c\"},3"),
     "1:33: a client needs a name\n"
     "1:51: uid expects a number from 0 to 4294967294 or a list of them, got \"x\"\n"
     "1:55: unknown key \"hosts\" in the match of a client\n"
     "1:73: clients: unknown role \"c\"\n"
     "1:78: an entry of clients expects an object, got a number\n"},
};

/* Errors, and the one warning that is about the list: test_load_warn.c has the others. */
static void keep_errors(char *text)
{
    char *to = text;
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n') + 1;
        size_t n = (size_t)(end - line);
        bool kept = *line != 'W' || strstr(line, "--role names another") != NULL;
        if (kept) {
            memmove(to, line, n);
            to += n;
        }
        line = end;
    }
    *to = '\0';
}

static void test_errors(void **state)
{
    (void)state;
    static char got[16 << 10];
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err_list errors = {0};
        char *text = strdup(rows[i].text); /* nothing of it may be needed later */
        struct policy *policy = policy_load(str_of(text), &errors);
        free(text);
        print_errors(&errors, got, sizeof got);
        keep_errors(got);
        if (strcmp(got, rows[i].expected) != 0 || (policy != NULL) != (errors.errors == 0)) {
            print_error("%s: %s\n  got      %s  expected %s\n", rows[i].name,
                        policy ? "loaded" : "refused", got, rows[i].expected);
            failed++;
        }
        policy_free(policy);
        err_list_free(&errors);
    }
    assert_int_equal(failed, 0);
}

/* As many as a file can hold, and quickly. */
static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    size_t cap = COUNT * 96, n = 0;
    char *text = malloc(cap);
    assert_non_null(text);
    n += (size_t)snprintf(text, cap, "{\"version\":1,\"clients\":[");
    for (int i = 0; i < COUNT; i++)
        n += (size_t)snprintf(text + n, cap - n,
                              "%s{\"name\":\"c%d\",\"match\":{\"uid\":%d},"
                              "\"role\":\"builtin:all\"}",
                              i ? "," : "", i, i);
    n += (size_t)snprintf(text + n, cap - n, "]}");
    struct err_list errors = {0};
    struct policy *policy = policy_load((struct str){text, n}, &errors);
    free(text);
    assert_non_null(policy);
    assert_int_equal(errors.count, 0);
    assert_int_equal(policy_client_count(policy), COUNT);
    struct client_identity last = {.unix_peer = true, .uid = COUNT - 1};
    assert_string_equal(policy_client(policy, &last).client, "c9999");
    policy_free(policy);
    err_list_free(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
