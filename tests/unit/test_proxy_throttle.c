/* Who counts as one client, and what a client may that its role does not limit. */
#include "throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define POLICY                                               \
    "{\"version\":1,\"roles\":{\"default\":{},\"other\":{}," \
    "\"limited\":{\"limits\":{\"connections\":2,\"streams\":0}}}}"

/* Of a world without connections: what throttle.c looks at. */
struct world {
    struct config config;
    struct shared shared;
    struct context context;
    struct policy *policy;
    struct snapshot snapshot;
};

static int open_world(void **state)
{
    static struct world world;
    struct err_list errors = {0};
    memset(&world, 0, sizeof(world));
    world.config.max_connections = 4096;
    world.config.max_body = 1000;
    world.shared.usages = usage_table_new();
    world.context.config = &world.config;
    world.context.shared = &world.shared;
    world.context.snapshot = &world.snapshot;
    world.policy = policy_load(str_of(POLICY), &errors);
    err_list_free(&errors);
    *state = &world;
    return world.policy && world.shared.usages ? 0 : -1;
}

static int close_world(void **state)
{
    struct world *world = *state;
    usage_table_free(world->shared.usages);
    audit_batch_free(&world->context.batch);
    policy_free(world->policy);
    return 0;
}

/* Who asks, as a row writes it; what is not given is not known. */
struct asker {
    const char *role;
    const char *address; /* NULL: on a Unix socket */
    uint32_t uid;
    const char *spki;
    const char *container; /* its first digit; all the others are 0 */
    enum peer_container_state state;
};

struct asking {
    struct identity peer;
    struct certificate certificate;
    struct peer_container container;
    struct stream client; /* plain and silent */
    struct exchange exchange;
};

static void ask(struct world *world, const struct asker *asker, struct asking *out)
{
    memset(out, 0, sizeof(*out));
    out->peer.unix_peer = asker->address == NULL;
    out->peer.uid = asker->uid;
    out->peer.listener = "unix:///l";
    out->peer.address = (char *)(uintptr_t)asker->address; /* never freed */
    out->certificate.spki = str_of(asker->spki);
    if (asker->spki)
        out->peer.certificate = &out->certificate;
    if (asker->container) {
        memset(out->container.id, '0', CONTAINER_ID_LENGTH);
        out->container.id[0] = asker->container[0];
        out->container.state = asker->state;
        out->peer.container = &out->container;
    }
    out->exchange.context = &world->context;
    out->exchange.snapshot = &world->snapshot;
    out->exchange.peer = &out->peer;
    out->exchange.client = &out->client;
    out->exchange.served.role =
        asker->role ? policy_role(world->policy, str_of(asker->role)) : NULL;
    throttle_join(&out->exchange);
}

#define KNOWN   PEER_CONTAINER_KNOWN
#define ASKED   PEER_CONTAINER_ASKED
#define UNCLEAR PEER_CONTAINER_UNCLEAR

static const struct {
    const char *name;
    bool same;
    struct asker a, b;
} who_rows[] = {
    {"one uid", true, {.role = "other", .uid = 5}, {.role = "other", .uid = 5}},
    {"two uids", false, {.role = "other", .uid = 5}, {.role = "other", .uid = 6}},
    {"two roles", false, {.role = "other", .uid = 5}, {.role = "default", .uid = 5}},
    {"no role and one", false, {.uid = 5}, {.role = "default", .uid = 5}},
    {"no role", true, {.uid = 5}, {.uid = 5}},
    {"one address", true, {.address = "10.0.0.1"}, {.address = "10.0.0.1"}},
    {"two addresses", false, {.address = "10.0.0.1"}, {.address = "10.0.0.2"}},
    {"the bytes of a uid", false, {.address = "5.0.0.0"}, {.uid = 5}},
    {"one /64", true, {.address = "fd00::1"}, {.address = "fd00::ffff:ffff:ffff:ffff"}},
    {"two /64", false, {.address = "fd00::1"}, {.address = "fd00:0:0:1::1"}},
    {"one key, two addresses",
     true,
     {.address = "10.0.0.1", .spki = "sha256:a"},
     {.address = "fd00::1", .spki = "sha256:a"}},
    {"two keys, one address",
     false,
     {.address = "10.0.0.1", .spki = "sha256:a"},
     {.address = "10.0.0.1", .spki = "sha256:b"}},
    {"with and without a key",
     false,
     {.address = "10.0.0.1", .spki = "sha256:a"},
     {.address = "10.0.0.1"}},
    {"one container, two uids",
     true,
     {.uid = 5, .container = "a", .state = KNOWN},
     {.uid = 6, .container = "a", .state = KNOWN}},
    {"two containers, one uid",
     false,
     {.uid = 5, .container = "a", .state = KNOWN},
     {.uid = 5, .container = "b", .state = KNOWN}},
    {"in a container and on the host",
     false,
     {.uid = 5, .container = "a", .state = KNOWN},
     {.uid = 5}},
    {"claims that are not proved",
     true,
     {.uid = 5, .container = "a", .state = ASKED},
     {.uid = 5, .container = "b", .state = UNCLEAR}},
};

static void test_who(void **state)
{
    struct world *world = *state;
    struct asking a, b;
    for (size_t i = 0; i < ARRAY_LEN(who_rows); i++) {
        ask(world, &who_rows[i].a, &a);
        ask(world, &who_rows[i].b, &b);
        if ((a.exchange.usage == b.exchange.usage) != who_rows[i].same)
            fail_msg("%s: %s", who_rows[i].name, who_rows[i].same ? "two" : "one");
        throttle_leave(&a.exchange);
        throttle_leave(&b.exchange);
        assert_int_equal(usage_table_count(world->shared.usages), 0);
    }
}

static const struct {
    unsigned max_connections;
    const char *role;
    unsigned welcome;
} share_rows[] = {
    {4096, "default", 1024}, {4096, NULL, 1024},  {400, "default", 100},
    {256, "default", 64},    {20, "default", 64}, {4096, "limited", 2},
};

/* How many the default lets in, which is bound by --max-connections before that. */
static void test_share(void **state)
{
    struct world *world = *state;
    static struct asking asking[1025];
    for (size_t i = 0; i < ARRAY_LEN(share_rows); i++) {
        const struct asker asker = {.role = share_rows[i].role, .uid = (uint32_t)i};
        unsigned count = share_rows[i].welcome;
        world->config.max_connections = share_rows[i].max_connections;
        for (unsigned n = 0; n <= count; n++) {
            ask(world, &asker, &asking[n]);
            assert_int_equal(asking[n].exchange.place, n < count ? USAGE_WELCOME : USAGE_CROWDED);
        }
        for (unsigned n = 0; n <= count; n++)
            throttle_leave(&asking[n].exchange);
    }
}

/* A reload gives a peer whose connections are open another role. */
static void test_other_role(void **state)
{
    struct world *world = *state;
    static struct asking asking[4];
    const struct asker asker = {.role = "other", .uid = 5};
    for (size_t n = 0; n < ARRAY_LEN(asking); n++)
        ask(world, &asker, &asking[n]);
    for (size_t n = 0; n < ARRAY_LEN(asking); n++) {
        asking[n].exchange.served.role = policy_role(world->policy, STR("limited"));
        throttle_join(&asking[n].exchange);
        assert_int_equal(asking[n].exchange.place, USAGE_WELCOME);
        assert_ptr_equal(asking[n].exchange.usage, asking[0].exchange.usage);
    }
    struct asking late;
    ask(world, &(const struct asker){.role = "limited", .uid = 5}, &late);
    assert_int_equal(late.exchange.place, USAGE_CROWDED);
    throttle_leave(&late.exchange);
    for (size_t n = 0; n < ARRAY_LEN(asking); n++)
        throttle_leave(&asking[n].exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_share, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_other_role, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
