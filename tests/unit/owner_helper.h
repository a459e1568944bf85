/* A daemon that is a table, which tells of objects named "mine", "theirs" and "nobodys", and a
   decision before it as the proxy takes it. */
#ifndef OWNER_HELPER_H
#define OWNER_HELPER_H

#include "checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NONE   ""
#define LABEL  "com.example.owner"
#define MINE   "{\"" LABEL "\":\"me\"}"
#define THEIRS "{\"" LABEL "\":\"you\"}"
#define IMAGES "\"owner\":{\"label\":\"" LABEL "\",\"value\":\"me\",\"images\":true}"
#define OWNER  "\"owner\":{\"label\":\"" LABEL "\",\"value\":\"me\"}"

/* ---- the daemon ------------------------------------------------------------------------------ */

static inline const char *labels_of(struct str name)
{
    if (str_starts(name, STR("mine")))
        return MINE;
    if (str_starts(name, STR("theirs")))
        return THEIRS;
    bool there = str_starts(name, STR("nobodys")) || str_is(name, "bridge");
    return there ? "{}" : NULL;
}

/* 64 digits that stand for the object. */
static inline const char *id_of(struct str name)
{
    static char id[65];
    memset(id, name.p[0] == 'm' ? 'a' : name.p[0] == 't' ? 'b' : 'c', 64);
    return id;
}

static inline void answer(struct fact *fact, struct arena *arena)
{
    char text[1024];
    const char *labels = labels_of(fact->name), *id = labels ? id_of(fact->name) : "";
    int n = (int)fact->name.n;
    const char *name = fact->name.p;
    fact->state = FACT_FOUND;
    switch (fact->kind) {
    case FACT_CONTAINER:
        snprintf(text, sizeof(text),
                 "{\"Id\":\"%s\",\"Name\":\"/%.*s\",\"Config\":{\"Labels\":%s}}", id, n, name,
                 labels ? labels : "");
        break;
    case FACT_EXEC:
        snprintf(text, sizeof(text), "{\"ID\":\"%.*s\",\"ContainerID\":\"%.*s\"}", n, name, n,
                 name);
        break;
    case FACT_VOLUME_MADE:
        labels = MINE;
        snprintf(text, sizeof(text), "{\"Name\":\"%.*s\",\"Driver\":\"local\",\"Labels\":%s}", n,
                 name, labels);
        break;
    case FACT_VOLUME:
        snprintf(text, sizeof(text), "{\"Name\":\"%.*s\",\"Driver\":\"local\",\"Labels\":%s}", n,
                 name, labels ? labels : "");
        break;
    case FACT_NETWORK:
        snprintf(text, sizeof(text),
                 "{\"Id\":\"%s\",\"Name\":\"%.*s\",\"Driver\":\"bridge\",\"Labels\":%s}", id, n,
                 name, labels ? labels : "");
        break;
    case FACT_IMAGE:
        snprintf(text, sizeof(text),
                 "{\"Id\":\"sha256:%s\",\"RepoTags\":[\"%.*s:latest\"],\"Config\":{\"Labels\":%s}}",
                 id, n, name, labels ? labels : "");
        break;
    case FACT_TASK:
        snprintf(text, sizeof(text),
                 "{\"ID\":\"%.*s\",\"Spec\":{\"ContainerSpec\":{\"Labels\":%s}}}", n, name,
                 labels ? labels : "");
        break;
    case FACT_INFO:
    case FACT_VERSION:
        labels = snprintf(text, sizeof(text), "{\"Version\":\"99.0.0\"}") > 0 ? "" : NULL;
        break;
    default:
        snprintf(text, sizeof(text), "{\"ID\":\"%.*s\",\"Spec\":{\"Name\":\"%.*s\",\"Labels\":%s}}",
                 n, name, n, name, labels ? labels : "");
        break;
    }
    if (labels)
        fact->text = arena_copy(arena, str_of(text));
    else
        fact->state = FACT_MISSING;
}

/* ---- one decision ---------------------------------------------------------------------------- */

struct world {
    struct policy *policy;
    const struct role *role;
    struct arena arena, scratch;
    struct facts facts;
    struct request request;
    struct decision decision;
    char sent[4096]; /* the filters, labels and body of what is sent on */
    bool changed;
    struct str made; /* body of the volume that was made */
};

static inline struct policy *load(const char *owner, const struct role **role)
{
    char text[512];
    struct err_list errors = {0};
    snprintf(text, sizeof(text),
             "{\"version\":1,\"roles\":{\"default\":{\"extends\":\"builtin:all\","
             "\"containers\":{\"network_mode\":[\"**\",\"container:**\"],\"links\":true},%s}}}",
             owner);
    struct policy *policy = policy_load(str_of(text), &errors);
    for (size_t i = 0; !policy && i < errors.count; i++)
        print_error("%s\n", errors.items[i].err.text);
    err_list_free(&errors);
    assert_non_null(policy);
    *role = policy_default_role(policy);
    return policy;
}

/* Decides as the proxy does: asks, decides again, rewrites, decides what comes of that. */
static inline void decide(struct world *world)
{
    for (int round = 0; round < FACT_ROUNDS_MAX; round++) {
        arena_reset(&world->scratch);
        policy_decide(world->role, &world->request, &world->facts, &world->scratch,
                      &world->decision);
        if (world->decision.verdict != VERDICT_NEED)
            return;
        bool asked = false, makes = false;
        for (size_t i = 0; i < world->facts.count; i++) {
            struct fact *fact = &world->facts.items[i];
            if (fact->state != FACT_WANTED)
                continue;
            asked = true;
            makes = makes || fact->kind == FACT_VOLUME_MADE;
            assert_true(!makes || fact->kind == FACT_VOLUME_MADE); /* and nothing else */
            if (fact->kind == FACT_VOLUME_MADE)
                world->made = fact->body;
            answer(fact, &world->arena);
        }
        assert_true(asked);
    }
    fail_msg("it asks without end");
}

static inline void fill(const char *text, const char *object, char *dst, size_t cap)
{
    size_t n = 0;
    for (; *text && n + 16 < cap; text++)
        if (*text == '@')
            n += (size_t)snprintf(dst + n, cap - n, "%s", object);
        else
            dst[n++] = *text;
    dst[n] = '\0';
}

static inline void world_decide(struct world *world, const char *owner, const char *method,
                                const char *target, const char *body, const char *object)
{
    char filled[1024], body_filled[2048];
    memset(world, 0, sizeof(*world));
    world->policy = load(owner, &world->role);
    world->facts.arena = &world->arena;
    world->facts.owner = STR("me");
    fill(target, object, filled, sizeof(filled));
    fill(body, object, body_filled, sizeof(body_filled));
    struct str copy = arena_copy(&world->arena, str_of(filled));
    if (!request_parse(str_of(method), copy, &world->arena, &world->request, &world->decision))
        fail_msg("%s %s: %s", method, filled, world->decision.reason);
    if (world->request.route->body == BODY_JSON)
        world->request.body = arena_copy(&world->arena, str_of(body_filled));
    decide(world);
    if (world->decision.verdict != VERDICT_ALLOW)
        return;
    world->changed = decision_rewrites(&world->decision, &world->request);
    assert_true(request_rewrite(&world->request, &world->decision, &world->arena));
    decide(world);
    assert_int_equal(world->decision.verdict, VERDICT_ALLOW);
    assert_false(decision_rewrites(&world->decision, &world->request));
    struct str filters = request_param(&world->request, "filters");
    struct str labels = request_param(&world->request, "labels");
    snprintf(world->sent, sizeof(world->sent), "%.*s %.*s %.*s", (int)filters.n,
             filters.p ? filters.p : "", (int)labels.n, labels.p ? labels.p : "",
             (int)world->request.body.n, world->request.body.p ? world->request.body.p : "");
}

static inline void world_end(struct world *world)
{
    arena_free(&world->arena);
    arena_free(&world->scratch);
    policy_free(world->policy);
}

#endif
