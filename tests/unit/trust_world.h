/* All of a proxy that verifies images, without the proxy: policy, keys, store, ledger and desk. */
#ifndef TRUST_WORLD_H
#define TRUST_WORLD_H

#include "trust_helper.h"

#define REPO   "registry.example.com/team/app"
#define DIGEST "sha256:104920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define CONFIG "sha256:101fc5856e5e95cc243f78fd2adcfd7f68df042943eff4eec22c7a9954b3e757"
#define OTHER  "sha256:204920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define POLICY(entry)                                                                          \
    "{\"version\":1,\"roles\":{\"default\":{\"images\":{\"allow\":[\"**\"],\"signed\":[" entry \
    "]}}}}"
#define ENTRY(source, more)                                                                       \
    "{\"match\":\"" REPO "\",\"formats\":[\"cosign-simple\"],\"keys\":[\"p256.pub\"],\"source\":" \
    "\"" source "\"" more "}"

struct world {
    char folder[64];
    char keys[96], store[96], cache[96];
    struct trust_options options;
    struct vector vector;
    struct registry registry;
    struct policy *policy;
    struct trust_rules *rules;
    struct trust *trust;
    struct loop loop;
    struct trust_desk *desk;
    struct arena arena;
    struct trust_question question;
};

static inline struct policy *policy_of(const char *text)
{
    struct err_list errors = {NULL, 0, 0};
    struct policy *policy = policy_load(str_of(text), &errors);
    if (!policy)
        fail_msg("%s", errors.items[0].err.text);
    err_list_free(&errors);
    return policy;
}

static inline void world_load(struct world *world, const char *policy)
{
    struct err_list errors = {NULL, 0, 0};
    trust_rules_free(world->rules);
    policy_free(world->policy);
    world->policy = policy_of(policy);
    if (!trust_rules_load(&world->options, world->policy, true, &world->rules, &errors))
        fail_msg("%s", errors.items[0].err.text);
    err_list_free(&errors);
    world->question.rules = world->rules;
    world->question.role = policy_default_role(world->policy);
}

static inline void world_start(struct world *world)
{
    struct err err = {.set = false};
    world->trust = trust_open(&world->options, &err);
    if (!world->trust)
        fail_msg("%s", err.text);
    assert_true(loop_open(&world->loop, 4096));
    world->desk = trust_desk_open(world->trust, &world->loop, &world->registry.source);
    assert_non_null(world->desk);
}

static inline void world_stop(struct world *world)
{
    trust_desk_close(world->desk);
    loop_close(&world->loop);
    trust_close(world->trust);
    arena_reset(&world->arena);
}

static inline void world_open(struct world *world, const char *name, const char *policy)
{
    *world = (struct world){.policy = NULL};
    folder_open(world->folder, sizeof world->folder);
    snprintf(world->keys, sizeof world->keys, "%s/keys", world->folder);
    snprintf(world->store, sizeof world->store, "%s/store", world->folder);
    snprintf(world->cache, sizeof world->cache, "%s/trust.jsonl", world->folder);
    assert_int_equal(mkdir(world->keys, 0755), 0);
    assert_int_equal(mkdir(world->store, 0755), 0);
    key_copy(world->keys, "p256.pub");
    key_copy(world->keys, "wrong.pub");
    world->options = (struct trust_options){
        .cache = world->cache, .store = world->store, .keys = world->keys, .uid = geteuid()};
    vector_open(&world->vector, name);
    registry_open(&world->registry, &world->vector);
    world_load(world, policy);
    world_start(world);
}

static inline void world_close(struct world *world)
{
    world_stop(world);
    trust_rules_free(world->rules);
    policy_free(world->policy);
    vector_close(&world->vector);
    arena_free(&world->arena);
    folder_remove(world->folder);
}

#endif
