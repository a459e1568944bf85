/* images.signed as the loader reads it: each error with its words, warnings, and what the accessors
   give of what has loaded. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIGNED(entries) ROLE("{\"allow\":[\"*\"],\"images\":{\"signed\":[" entries "]}}")
#define D1              "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define KEYS            "\"keys\":[\"a.pub\"]"
#define TRUST           "\"trust_store\":\"ca.pem\",\"trusted_identities\":[\"*\"],\"identity\":\"any\""

/* clang-format off */
static const struct {
    const char *text;
    const char *words; /* of one of the sentences; "": there is none */
    bool error;
} rows[] = {
    {SIGNED(""), "", false},
    {SIGNED("{\"match\":\"ghcr.io/acme/*\"," KEYS "}"), "", false},
    {SIGNED("{\"match\":\"**\",\"digests\":[]}"), "", false},
    {SIGNED("{\"match\":\"**\",\"ids\":[\"" D1 "\"],\"description\":\"x\"}"), "", false},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"formats\":[\"cosign-simple\",\"sigstore-bundle\"],\"identity\":\"exact\",\"signed_repository\":\"ghcr.io/a/a\",\"source\":\"registry\",\"digests\":[\"" D1 "\"],\"ids\":[]}"), "", false},
    {SIGNED("{\"match\":\"a\"," TRUST ",\"formats\":[\"notation-jws\"]}"), "", false},
    {SIGNED("{\"match\":\"a\",\"trust_store\":\"signingAuthority:ca.pem\",\"trusted_identities\":[\"*\"],\"identity\":\"any\"}"), "", false},

    /* shapes */
    {ROLE("{\"images\":{\"signed\":true}}"), "images.signed expects a list, got true", true},
    {ROLE("{\"images\":{\"signed\":{\"allow\":[]}}}"), "images.signed expects a list, got an object", true},
    {SIGNED("\"ghcr.io/acme/*\""), "an entry of images.signed expects an object such as", true},
    {SIGNED("{\"match\":1," KEYS "}"), "match of images.signed expects text, got a number", true},
    {SIGNED("{\"match\":\"a\",\"keys\":\"a.pub\"}"), "keys of images.signed expects a list, got text", true},
    {SIGNED("{\"match\":\"a\",\"keys\":[1]}"), "keys of images.signed expects text, got a number", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"formats\":\"cosign-simple\"}"), "formats of images.signed expects a list, got text", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"identity\":true}"), "identity of images.signed expects text, got true", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"signed_repository\":1}"), "signed_repository of images.signed expects text, got a number", true},
    {SIGNED("{\"match\":\"a\",\"trust_store\":1}"), "trust_store of images.signed expects text, got a number", true},

    /* words */
    {SIGNED("{\"match\":\"a\",\"kyes\":[\"a.pub\"]}"), "unknown key \"kyes\" in an entry of images.signed; did you mean \"keys\"?", true},
    {SIGNED("{\"match\":\"a\",\"mode\":\"store\"}"), "did you mean \"source\"?", true},
    {SIGNED("{\"match\":\"a\",\"allow_ids\":[]}"), "did you mean \"ids\"?", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"formats\":[\"cosign\"]}"), "a format of images.signed is one of \"cosign-simple\", \"sigstore-bundle\", \"notation-jws\", not \"cosign\"", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"formats\":[]}"), "formats of images.signed is empty, so that no signature would count", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"identity\":\"Any\"}"), "identity of images.signed is one of \"repository\", \"exact\", \"any\", not \"Any\"; did you mean \"any\"?", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"source\":\"registry-then-store\"}"), "source of images.signed is one of \"store\", \"registry\", \"store-then-registry\", not", true},

    /* match */
    {SIGNED("{" KEYS "}"), "\"match\" is missing", true},
    {SIGNED("{\"match\":\"nginx:1.25\"," KEYS "}"), "images.signed: \"nginx:1.25\" names a tag", true},
    {SIGNED("{\"match\":\"*\"," KEYS "}"), "images.signed: \"*\" could mean two things", true},
    {SIGNED("{\"match\":\"ghcr.io\"," KEYS "}"), "images.signed: \"ghcr.io\" is a registry; write \"ghcr.io/**\"", true},
    {SIGNED("{\"match\":\"**\"," KEYS "},{\"match\":\"ghcr.io/a\"," KEYS "}"), "the entry for \"ghcr.io/a\" never matches, as the one for \"**\" stands before it", true},
    {SIGNED("{\"match\":\"ghcr.io/**\"," KEYS "},{\"match\":\"ghcr.io/a/*\"," KEYS "}"), "the entry for \"ghcr.io/a/*\" never matches", true},
    {SIGNED("{\"match\":\"a\"," KEYS "},{\"match\":\"docker.io/library/a\"," KEYS "}"), "the entry for \"docker.io/library/a\" never matches", true},
    {SIGNED("{\"match\":\"ghcr.io/*/b\"," KEYS "},{\"match\":\"ghcr.io/a/b\"," KEYS "}"), "the entry for \"ghcr.io/a/b\" never matches", true},
    {SIGNED("{\"match\":\"ghcr.io/a/*\"," KEYS "},{\"match\":\"ghcr.io/a/**\"," KEYS "}"), "", false},
    {SIGNED("{\"match\":\"ghcr.io/a/**\"," KEYS "},{\"match\":\"ghcr.io/**\"," KEYS "}"), "", false},

    /* keys and lists */
    {SIGNED("{\"match\":\"a\"}"), "it has none of \"keys\", \"trust_store\", \"digests\" and \"ids\"", true},
    {SIGNED("{\"match\":\"a\",\"keys\":[]}"), "keys of images.signed: a list of 1 to 8, this one has 0", true},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}"), "this one has 9", true},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"k/a.pub\"]}"), "keys of images.signed: \"k/a.pub\" is not the name of a file in the folder of keys", true},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"..\"]}"), "\"..\" is not the name of a file", true},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"\"]}"), "\"\" is not the name of a file", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[\"sha256:12\"]}"), "digests of images.signed: \"sha256:12\" is not \"sha256:\" and 64 hex digits in lower case", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[\"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]}"), "hex digits in lower case", true},
    {SIGNED("{\"match\":\"a\",\"ids\":[\"1111111111111111111111111111111111111111111111111111111111111111\"]}"), "ids of images.signed:", true},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"]}"), "is not the name of a file", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[\"sha25x:1111111111111111111111111111111111111111111111111111111111111111\"]}"), "hex digits in lower case", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[\"sha256:g111111111111111111111111111111111111111111111111111111111111111\"]}"), "hex digits in lower case", true},
    {SIGNED("{\"match\":\"a\",\"trust_store\":\"ca.pem\",\"identity\":\"any\",\"trusted_identities\":[\"\"]}"), "an entry is empty", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[],\"formats\":[\"cosign-simple\"]}"), "speak of signatures", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[],\"identity\":\"any\"}"), "speak of signatures", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[],\"signed_repository\":\"b\"}"), "speak of signatures", true},
    {SIGNED("{\"match\":\"a\",\"digests\":[],\"source\":\"store\"}"), "speak of signatures, and there is neither \"keys\" nor \"trust_store\"", true},

    /* what they say together */
    {SIGNED("{\"match\":\"a\"," KEYS ",\"formats\":[\"sigstore-bundle\"]}"), "signatures of these formats hold no repository; write \"identity\": \"any\"", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"formats\":[\"sigstore-bundle\"],\"identity\":\"any\"}"), "", false},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"formats\":[\"notation-jws\"]}"), "formats has \"notation-jws\", which needs \"trust_store\"", true},
    {SIGNED("{\"match\":\"a\"," TRUST ",\"formats\":[\"cosign-simple\"]}"), "formats has one that is verified with keys, and there is no \"keys\"", true},
    {SIGNED("{\"match\":\"a\"," KEYS "," TRUST ",\"formats\":[\"notation-jws\"]}"), "keys have no effect", true},
    {SIGNED("{\"match\":\"a\"," KEYS "," TRUST ",\"formats\":[\"cosign-simple\"]}"), "trust_store has no effect", true},
    {SIGNED("{\"match\":\"a\",\"trust_store\":\"ca.pem\",\"trusted_identities\":[\"*\"]}"), "hold no repository", true},
    {SIGNED("{\"match\":\"a\",\"trust_store\":\"ca.pem\"}"), "trust_store needs \"trusted_identities\"", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"trusted_identities\":[\"*\"]}"), "trusted_identities needs \"trust_store\"", true},
    {SIGNED("{\"match\":\"a\",\"trust_store\":\"x/ca.pem\",\"trusted_identities\":[\"*\"]}"), "trust_store of images.signed: \"x/ca.pem\" is not the name of a file", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"signed_repository\":\"b:1\"}"), "signed_repository of images.signed: \"b:1\" is not registry/repository", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"signed_repository\":\"b/*\"}"), "is not registry/repository", true},
    {SIGNED("{\"match\":\"a\"," KEYS ",\"signed_repository\":\"b\",\"identity\":\"any\"}"), "signed_repository has no effect where identity is \"any\"", true},
    {SIGNED("{\"match\":\"ghcr.io/**\"," KEYS ",\"signed_repository\":\"b\"}"), "so match names one, too", true},
    {SIGNED("{\"match\":\"**\"," KEYS ",\"source\":\"registry\"}"), "a registry is asked only where match begins with its name", true},
    {SIGNED("{\"match\":\"*.example.com/**\"," KEYS ",\"source\":\"store-then-registry\"}"), "a registry is asked only where match begins with its name", true},
    {SIGNED("{\"match\":\"**\"," KEYS ",\"source\":\"store\"}"), "", false},

    /* warnings */
    {SIGNED("{\"match\":\"a\"," KEYS ",\"identity\":\"any\"},{\"match\":\"b\"," KEYS "}"), "the key \"a.pub\" stands in several entries, and identity is \"any\"", false},
    {SIGNED("{\"match\":\"a\"," KEYS "},{\"match\":\"b\"," KEYS "}"), "", false},
    {SIGNED("{\"match\":\"a\"," KEYS "},{\"match\":\"b\"," KEYS ",\"identity\":\"any\"}"), "the key \"a.pub\" stands in several entries", false},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"b.pub\",\"a.pub\"]},{\"match\":\"b\"," KEYS ",\"identity\":\"any\"}"), "the key \"a.pub\" stands in several entries", false},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"b.pub\"]},{\"match\":\"b\"," KEYS ",\"identity\":\"any\"}"), "", false},
    {SIGNED("{\"match\":\"a\",\"keys\":[\"a.pub\",\"a.pub\"]}"), "\"a.pub\" stands in this list already", false},
};
/* clang-format on */

static void test_rows(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err_list errors = {0};
        struct policy *policy = policy_load(str_of(rows[i].text), &errors);
        const char *first = errors.count ? errors.items[0].err.text : "";
        bool quiet = !rows[i].words[0];
        for (size_t k = 1; k < errors.count && !strstr(first, rows[i].words); k++)
            first = errors.items[k].err.text;
        if (!policy != rows[i].error ||
            (quiet ? errors.count > 0 : !strstr(first, rows[i].words))) {
            print_error("%s\n  got      %s%s\n  expected %s\n", rows[i].text,
                        policy ? "" : "(refused) ", first, rows[i].words);
            wrong++;
        }
        policy_free(policy);
        err_list_free(&errors);
    }
    assert_int_equal(wrong, 0);
}

/* ---- accessors ------------------------------------------------------------------------------- */

#define FIRST                                                                              \
    "{\"match\":\"ghcr.io/acme/*\",\"keys\":[\"a.pub\",\"b.pub\"],\"identity\":\"exact\"," \
    "\"source\":\"store-then-registry\"}"
#define SECOND                                                                                  \
    "{\"match\":\"mirror.example/nginx\",\"keys\":[\"a.pub\"],\"signed_repository\":\"nginx\"," \
    "\"digests\":[\"" D1 "\"]}"
#define THIRD                                                                             \
    "{\"match\":\"**\",\"trust_store\":\"signingAuthority:ca.pem\",\"identity\":\"any\"," \
    "\"trusted_identities\":[\"*\"],\"ids\":[\"" D1 "\"]}"

static struct policy *load_three(void)
{
    struct err_list errors = {0};
    struct policy *policy = policy_load(
        STR("{\"version\":1,\"roles\":{\"default\":{\"extends\":\"a\",\"allow\":[\"*\"]},\"a\":"
            "{\"allow\":[\"*\"],\"images\":{\"signed\":[" FIRST "," SECOND "," THIRD "]}}}}"),
        &errors);
    assert_non_null(policy);
    assert_int_equal(errors.count, 0);
    err_list_free(&errors);
    return policy;
}

static void test_entries(void **state)
{
    (void)state;
    struct policy *policy = load_three();
    struct signed_entry entry;
    for (size_t role = 0; role < 2; role++) { /* what is inherited is the heir's, too */
        assert_true(policy_signed_entry(policy, role, 0, &entry));
        assert_true(str_is(entry.match, "ghcr.io/acme/*") && str_is(entry.text, FIRST));
        assert_int_equal(entry.index, 0);
        assert_int_equal(entry.formats, BIT(SIGNED_COSIGN_SIMPLE) | BIT(SIGNED_SIGSTORE_BUNDLE));
        assert_true(entry.key_count == 2 && str_is(entry.keys[1], "b.pub"));
        assert_true(entry.identity == SIGNED_EXACT && entry.source == SIGNED_STORE_THEN_REGISTRY);
        assert_true(!entry.signed_repository.p && !entry.trust_store.p && entry.digest_count == 0);
        assert_true(policy_signed_entry(policy, role, 2, &entry));
        assert_true(entry.authority && str_is(entry.trust_store, "ca.pem"));
        assert_int_equal(entry.formats, BIT(SIGNED_NOTATION_JWS));
        assert_true(entry.id_count == 1 && str_is(entry.ids[0], D1) && entry.index == 2);
        assert_true(entry.identity_count == 1 && entry.identity == SIGNED_ANY);
        assert_false(policy_signed_entry(policy, role, 3, &entry));
    }
    assert_false(policy_signed_entry(policy, policy_role_count(policy), 0, &entry));
    policy_free(policy);
}

static void test_first_that_covers(void **state)
{
    (void)state;
    static const struct {
        const char *repository;
        size_t index;
    } covered[] = {{"ghcr.io/acme/app", 0},      {"ghcr.io/acme/team/app", 2},
                   {"mirror.example/nginx", 1},  {"docker.io/library/nginx", 2},
                   {"ghcr.io:443/acme/app", 2},  {"GHCR.io/acme/app", 2},
                   {"mirror.example/nginx/x", 2}};
    struct policy *policy = load_three();
    const struct role *role = policy_default_role(policy);
    struct signed_entry entry;
    assert_true(role_has_signed(role));
    for (size_t i = 0; i < ARRAY_LEN(covered); i++) {
        assert_true(role_signed_entry(role, str_of(covered[i].repository), &entry));
        assert_int_equal(entry.index, covered[i].index);
    }
    assert_true(role_signed_entry(role, STR("mirror.example/nginx"), &entry));
    assert_true(str_is(entry.signed_repository, "docker.io/library/nginx"));
    assert_false(role_has_signed(policy_role(policy, STR("builtin:all"))));
    assert_false(role_signed_entry(policy_role(policy, STR("all")), STR("a/b"), &entry));
    policy_free(policy);
}

/* ---- questions ------------------------------------------------------------------------------- */

static void test_questions(void **state)
{
    (void)state;
    static const struct {
        const char *name, *repository, *tag, *digest, *id;
    } names[] = {
        {"docker.io/acme/app:1.2", "docker.io/acme/app", "1.2", "", ""},
        {"r.example:5000/a:1", "r.example:5000/a", "1", "", ""},
        {"r.example:5000/a@" D1, "r.example:5000/a", "", D1, ""},
        {"docker.io/library/a#" D1, "docker.io/library/a", "", "", D1},
        {"docker.io/library/a", NULL, NULL, NULL, NULL},
        {"r.example:5000/a", NULL, NULL, NULL, NULL},
        {"docker.io/library/a:", NULL, NULL, NULL, NULL},
        {"docker.io/library/a@", NULL, NULL, NULL, NULL},
        {"docker.io/@" D1, NULL, NULL, NULL, NULL},
        {"a:1", NULL, NULL, NULL, NULL},
        {"", NULL, NULL, NULL, NULL},
    };
    struct signature_question question;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct fact fact = {.kind = FACT_SIGNATURE, .name = str_of(names[i].name)};
        assert_int_equal(fact_signature(&fact, &question), names[i].repository != NULL);
        if (!names[i].repository)
            continue;
        assert_true(str_is(question.repository, names[i].repository));
        assert_true(str_is(question.tag, names[i].tag) && str_is(question.id, names[i].id));
        assert_true(str_is(question.digest, names[i].digest));
    }
    struct fact other = {.kind = FACT_IMAGE, .name = STR("docker.io/acme/app:1.2")};
    assert_false(fact_signature(&other, &question));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_first_that_covers),
        cmocka_unit_test(test_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
