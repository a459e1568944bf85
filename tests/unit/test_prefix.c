/* Long lists are found by what values begin with: the same answers as looking at every entry, and
   no work that grows with their number. */
#include "client.h"
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- keys ------------------------------------------------------------------------------------ */

static const char *const keys[] = {"",    "/srv",     "/srv/a", "/srv/a",   "/srv/a/b",
                                   "/sr", "/srv/a-b", "/x",     "\x80\xff", "/srv/b"};

static const struct find_row {
    const char *text;
    unsigned found; /* a bit for each key */
} find_rows[] = {
    {"", BIT(0)},
    {"/", BIT(0)},
    {"/srv", BIT(0) | BIT(1) | BIT(5)},
    {"/srv/a", BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(5)},
    {"/srv/a/bc", BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5)},
    {"/srv/a-c", BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(5)},
    {"/srv/a-b/x", BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(5) | BIT(6)},
    {"/srv/c", BIT(0) | BIT(1) | BIT(5)},
    {"/y", BIT(0)},
    {"\x80\xff", BIT(0) | BIT(8)},
    {"\xff", BIT(0)},
};

static void test_find(void **state)
{
    (void)state;
    struct prefix sorted[ARRAY_LEN(keys)];
    for (uint32_t i = 0; i < ARRAY_LEN(keys); i++)
        sorted[i] = (struct prefix){.key = str_of(keys[i]), .item = i};
    prefix_link(sorted, ARRAY_LEN(keys));
    struct prefixes prefixes = {sorted, ARRAY_LEN(keys)};
    for (size_t i = 0; i < ARRAY_LEN(find_rows); i++) {
        unsigned found = 0;
        for (uint32_t at = prefix_find(&prefixes, str_of(find_rows[i].text)); at != PREFIX_NONE;
             at = sorted[at].up)
            found |= BIT(sorted[at].item);
        if (found != find_rows[i].found)
            fail_msg("\"%s\": %x, not %x", find_rows[i].text, found, find_rows[i].found);
    }
    prefix_link(NULL, 0);
    assert_int_equal(prefix_find(&(struct prefixes){0}, STR("x")), PREFIX_NONE);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static const char *const patterns[] = {
    "/srv/ci/**",  "/srv/ci/*", "/srv/ci",  "/srv/*/x",  "/srv/c?",    "/srv/**",      "*",
    "**",          "**/x",      "/",        "/**",       "/*",         "a*",           "a?c",
    "abc",         "ab",        "/srv/ci/", "/srv/ci-*", "/srv/ci?**", "docker.io/**", "docker.io",
    "/srv/ci//**", "//**",      "?",        "ab**",
};
static const char *const values[] = {
    "",
    "/",
    "/srv",
    "/srv/",
    "/srv/ci",
    "/srv/ci/",
    "/srv/ci/a",
    "/srv/x/x",
    "/srv/ci/a/b",
    "/srv/ci-a",
    "/srv/c",
    "a",
    "ab",
    "abc",
    "abcd",
    "docker.io",
    "docker.io/library/x",
    "docker.iox",
    "x",
    "/x",
    "/y/x",
    "//",
    "//x",
    "/srv/ci//",
};

/* The list without pattern `left_out`, so that others come to the fore. */
static struct entries list_of(struct entry *items, size_t left_out, struct arena *arena)
{
    struct entries list = {.items = items};
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct str text = str_of(patterns[i]);
        size_t plain = strcspn(patterns[i], "*?");
        if (i != left_out)
            items[list.count++] =
                (struct entry){.text = text, .plain = plain, .literal = plain == text.n};
    }
    assert_true(entries_index(&list, arena));
    assert_non_null(list.index);
    return list;
}

static void check_alike(const struct entries *list, const struct entries *plain, const char *value)
{
    for (int wide = 0; wide < 2; wide++)
        if (entries_match(list, str_of(value), wide, NULL) !=
            entries_match(plain, str_of(value), wide, NULL))
            fail_msg("\"%s\" is matched otherwise by the index", value);
    if (entries_hold(list, str_of(value)) != entries_hold(plain, str_of(value)))
        fail_msg("\"%s\" is held otherwise by the index", value);
}

static void test_lists_alike(void **state)
{
    (void)state;
    for (size_t out = 0; out <= ARRAY_LEN(patterns); out++) {
        struct entry items[ARRAY_LEN(patterns)];
        struct arena arena = {0};
        struct entries list = list_of(items, out, &arena);
        struct entries plain = {.items = list.items, .count = list.count};
        for (size_t i = 0; i < ARRAY_LEN(values); i++)
            check_alike(&list, &plain, values[i]);
        for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
            check_alike(&list, &plain, patterns[i]);
        arena_free(&arena);
    }
}

/* One pattern before many that nothing meets: no other can make up for it. */
static void test_each_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct entry items[PREFIX_FROM];
        struct arena arena = {0};
        struct entries list = {.items = items, .count = PREFIX_FROM};
        for (size_t k = 0; k < PREFIX_FROM; k++) {
            struct str text = str_of(k ? "nobody" : patterns[i]);
            size_t plain = strcspn(text.p, "*?");
            items[k] = (struct entry){.text = text, .plain = plain, .literal = plain == text.n};
        }
        struct entries few = list;
        assert_true(entries_index(&list, &arena));
        for (size_t k = 0; k < ARRAY_LEN(values); k++)
            check_alike(&list, &few, values[k]);
        arena_free(&arena);
    }
}

/* Units of work that a look takes, in a list of so many folders. */
static uint64_t work_of(size_t count, const char *value)
{
    enum { ROOM = 32 };
    struct arena arena = {0};
    struct entry *items = arena_alloc(&arena, count, sizeof(*items));
    assert_non_null(items);
    for (size_t i = 0; i < count; i++) {
        char *text = arena_alloc(&arena, 1, ROOM);
        assert_non_null(text);
        int n = snprintf(text, ROOM, "/srv/team-%zu/**", i);
        items[i] = (struct entry){.text = {text, (size_t)n}, .plain = (size_t)n - 2};
    }
    struct entries list = {.items = items, .count = count};
    assert_true(entries_index(&list, &arena));
    struct work work = {.left = WORK_MAX};
    assert_int_equal(entries_match(&list, str_of(value), false, &work), value[5] == 't');
    arena_free(&arena);
    return WORK_MAX - work.left;
}

static void test_work_does_not_grow(void **state)
{
    (void)state;
    assert_in_range(work_of(10000, "/srv/team-0/src"), 1, 2 * work_of(20, "/srv/team-0/src"));
    assert_in_range(work_of(10000, "/srv/none/src"), 1, 2 * work_of(20, "/srv/none/src"));
}

static void test_spent_work_finds_nothing(void **state)
{
    (void)state;
    struct entry items[ARRAY_LEN(patterns)];
    struct arena arena = {0};
    struct entries list = list_of(items, SIZE_MAX, &arena);
    struct work work = {.left = 1};
    assert_false(entries_match(&list, STR("/srv/ci"), false, &work));
    assert_true(work.spent);
    arena_free(&arena);
}

/* ---- clients --------------------------------------------------------------------------------- */

#define SPKI "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
/* Entries of every key, alone and together; fillers in between make them many. */
static const char *const matches[] = {
    "{\"cert_cn\":\"web-1\"}",
    "{\"cert_cn\":[\"web-*\",\"db-1\"]}",
    "{\"cert_cn\":\"*-admin\",\"cert_ou\":\"ops\"}",
    "{\"cert_ou\":\"ops*\"}",
    "{\"cert_san\":\"DNS:*.CI.example.com\"}",
    "{\"cert_san\":[\"URI:spiffe://a/Ns/*\",\"email:Me@example.com\"]}",
    "{\"cert_san\":[\"IP:10.0.0.0/8\",\"DNS:build.example.com\"]}",
    "{\"cert_spki\":\"" SPKI "\"}",
    "{\"uid\":1000}",
    "{\"uid\":[1001,1002],\"listener\":\"unix:///run/a.sock\"}",
    "{\"gid\":[1000,2000]}",
    "{\"address\":\"10.1.0.0/16\"}",
    "{\"address\":[\"10.1.2.3\",\"fd00::/9\"]}",
    "{\"address\":\"0.0.0.0/0\",\"listener\":\"tcp://*\"}",
    "{\"listener\":\"unix:///run/*.sock\"}",
    "{\"container_name\":\"runner-*\"}",
    "{\"container_label\":\"team=ci-*\"}",
    "{\"container_image\":\"registry.example.com/ci/*\"}",
    "{\"compose_project\":\"shop\",\"compose_service\":\"*\"}",
    "{\"compose_service\":\"w?b\"}",
};

/* A slice as a constant. */
#define T(text)                  \
    {                            \
        (text), sizeof(text) - 1 \
    }
static const struct client_label shop[] = {{T("com.docker.compose.project"), T("shop")},
                                           {T("com.docker.compose.service"), T("web")}};
static const struct client_label team[] = {{T("team"), T("ci-1")}};
static const struct str sans[] = {T("DNS:a.ci.EXAMPLE.com"),
                                  T("URI:spiffe://a/Ns/x"),
                                  T("URI:spiffe://a/ns/x"),
                                  T("email:me@EXAMPLE.com"),
                                  T("IP:10.2.3.4"),
                                  T("DNS:build.example.com"),
                                  T("other:x")};
#define ONLY(member, text)                   \
    {                                        \
        .member = { text, sizeof(text) - 1 } \
    }
static const struct client_identity identities[] = {
    {0},
    ONLY(cert_cn, "web-1"),
    ONLY(cert_cn, "web-2"),
    ONLY(cert_cn, "db-1"),
    ONLY(cert_cn, "db-12"),
    {.cert_cn = T("x-admin"), .cert_ou = T("ops")},
    ONLY(cert_ou, "ops-2"),
    ONLY(cert_spki, SPKI),
    ONLY(cert_spki, "sha256:00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"),
    {.cert_sans = sans, .cert_san_count = 1},
    {.cert_sans = sans + 1, .cert_san_count = 1},
    {.cert_sans = sans + 2, .cert_san_count = 1},
    {.cert_sans = sans + 3, .cert_san_count = 1},
    {.cert_sans = sans + 4, .cert_san_count = 1},
    {.cert_sans = sans + 5, .cert_san_count = 2},
    {.cert_sans = sans + 6, .cert_san_count = 1},
    {.cert_sans = sans, .cert_san_count = ARRAY_LEN(sans)},
    {.unix_peer = true, .uid = 1000, .gid = 1000},
    {.unix_peer = true, .uid = 7, .gid = 2000},
    {.unix_peer = true, .uid = 1002, .gid = 9, .listener = T("unix:///run/a.sock")},
    {.unix_peer = true, .uid = 1002, .gid = 9, .listener = T("unix:///run/b")},
    {.uid = 1000, .gid = 1000},
    ONLY(address, "10.1.2.3"),
    ONLY(address, "10.1.9.9"),
    ONLY(address, "10.2.0.1"),
    ONLY(address, "fd7f::1"),
    ONLY(address, "fd80::1"),
    ONLY(address, "nonsense"),
    {.address = T("192.0.2.1"), .listener = T("tcp://0.0.0.0:2376")},
    ONLY(listener, "unix:///run/x.sock"),
    ONLY(container_name, "runner-7"),
    ONLY(container_image, "registry.example.com/ci/build"),
    {.container_labels = shop, .container_label_count = 2},
    {.container_labels = shop + 1, .container_label_count = 1},
    {.container_labels = team, .container_label_count = 1},
};

static void put_client(char *text, size_t cap, size_t *at, const char *match)
{
    static unsigned number;
    *at += (size_t)snprintf(text + *at, cap - *at,
                            "%s{\"name\":\"c%u\",\"match\":%s,\"role\":\"default\"}",
                            text[*at - 1] == '[' ? "" : ",", number++, match);
}

/* The entries from `first` on, around, with fillers before and behind. */
static struct policy *clients_from(size_t first)
{
    static char text[1 << 16];
    enum { FILLERS = 10 };
    char match[64];
    size_t at = (size_t)snprintf(text, sizeof(text), "{\"version\":1,\"clients\":[");
    for (int i = 0; i < 2 * FILLERS; i++) {
        snprintf(match, sizeof(match), "{\"cert_cn\":\"filler-%d\"}", i);
        put_client(text, sizeof(text), &at, match);
        for (size_t k = 0; i == FILLERS && k < ARRAY_LEN(matches); k++)
            put_client(text, sizeof(text), &at, matches[(first + k) % ARRAY_LEN(matches)]);
    }
    at += (size_t)snprintf(text + at, sizeof(text) - at, "],\"roles\":{\"default\":{}}}");
    assert_true(at < sizeof(text));
    struct err_list errors = {0};
    struct policy *policy = policy_load((struct str){text, at}, &errors);
    if (!policy)
        fail_msg("%s", errors.items[0].err.text);
    err_list_free(&errors);
    assert_non_null(policy->client_index);
    return policy;
}

static void test_clients_alike(void **state)
{
    (void)state;
    size_t met = 0;
    for (size_t first = 0; first < ARRAY_LEN(matches); first++) {
        struct policy *policy = clients_from(first);
        struct policy plain = *policy;
        plain.client_index = NULL;
        for (size_t i = 0; i < ARRAY_LEN(identities); i++) {
            const char *found = policy_client(policy, &identities[i]).client;
            const char *wanted = policy_client(&plain, &identities[i]).client;
            if (found != wanted)
                fail_msg("identity %zu, from %zu: %s, not %s", i, first, found, wanted);
            met += found != NULL;
        }
        policy_free(policy);
    }
    assert_in_range(met, ARRAY_LEN(matches) * 20, ARRAY_LEN(matches) * ARRAY_LEN(identities));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_lists_alike),
        cmocka_unit_test(test_each_alone),
        cmocka_unit_test(test_work_does_not_grow),
        cmocka_unit_test(test_spent_work_finds_nothing),
        cmocka_unit_test(test_clients_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
