/* What stands around the verification of images: rules and their keys, and questions that are asked
   at once, again, or by many. */
#include "trust_world.h"

#include <fcntl.h>

/* ---- asking ---------------------------------------------------------------------------------- */

struct asker {
    struct fact fact;
    int told;
};

static void on_ready(void *arg)
{
    ((struct asker *)arg)->told++;
}

static enum trust_status ask(struct world *world, struct asker *asker, const char *name)
{
    *asker = (struct asker){.fact = {.kind = FACT_SIGNATURE, .name = str_of(name)}};
    return trust_ask(world->desk, &world->question, &asker->fact, &world->arena, on_ready, asker);
}

/* All turns of the loop that are due, and all answers of the registry. */
static void turn(struct world *world)
{
    while (registry_turn(&world->registry))
        ;
    event_base_loop(world->loop.base, EVLOOP_NONBLOCK);
    struct task_list list = world->loop.again;
    world->loop.again = (struct task_list){NULL, NULL};
    for (struct task *task = list.first, *next; task; task = next) {
        next = task->next;
        task->queued = false;
        task->next = NULL;
        task->run(task->arg);
    }
}

static void settle(struct world *world)
{
    for (int i = 0; i < 20; i++)
        turn(world);
}

/* The text of a member of the answer; "" when it is not there. */
static const char *told(struct world *world, const struct asker *asker, const char *member)
{
    struct json doc;
    struct err err = {.set = false};
    assert_int_equal(asker->fact.state, FACT_FOUND);
    if (!json_scan(asker->fact.text, &world->arena, &doc, &err))
        fail_msg("%.*s", STR_ARG(asker->fact.text));
    struct str text = sign_json_text(&doc, &doc.nodes[0], member);
    return text.n ? arena_copy(&world->arena, text).p : "";
}

static void assert_told(struct world *world, const char *name, const char *reason)
{
    struct asker asker;
    if (ask(world, &asker, name) == TRUST_WAIT) {
        settle(world);
        assert_int_equal(asker.told, 1);
    }
    assert_string_equal(told(world, &asker, "Reason"), reason);
    assert_string_equal(told(world, &asker, "Verdict"),
                        strcmp(reason, "ok") == 0 ? "signed" : "refused");
}

/* ---- the ways to an answer ------------------------------------------------------------------- */

static void store_answers(void **state)
{
    (void)state;
    struct world world;
    struct asker asker;
    world_open(&world, "s01-p256", POLICY(ENTRY("store", "")));
    assert_told(&world, REPO "#" CONFIG, "id_unknown");
    store_make(&world.vector, world.store);
    assert_told(&world, REPO "#" CONFIG, "id_unknown"); /* for a short while */
    assert_told(&world, REPO "@" DIGEST, "ok");
    assert_told(&world, REPO "#" CONFIG, "ok");           /* since that is known now */
    assert_told(&world, REPO "@" CONFIG, "no_signature"); /* which is no manifest's digest */
    assert_told(&world, REPO ":1.0", "tag_unresolved");
    assert_told(&world, REPO "@" OTHER, "no_signature");
    assert_int_equal(ask(&world, &asker, REPO "@" DIGEST), TRUST_DONE);
    assert_string_equal(told(&world, &asker, "Format"), "cosign-simple");
    assert_string_equal(told(&world, &asker, "Digest"), DIGEST);
    assert_int_equal(strlen(told(&world, &asker, "Key")), SIGN_FINGERPRINT_BYTES);
    assert_int_equal(world.registry.asked, 0);
    world_close(&world);
}

static void registry_answers(void **state)
{
    (void)state;
    static const bool later[] = {false, true};
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        struct world world;
        world_open(&world, "s01-p256", POLICY(ENTRY("registry", "")));
        store_make(&world.vector, world.store); /* is not looked at */
        world.registry.later = later[i];
        assert_told(&world, REPO "#" CONFIG, "id_unknown");
        assert_int_equal(world.registry.asked, 0);
        assert_told(&world, REPO ":1.0", "ok");
        assert_int_equal(world.registry.asked, 3);
        assert_told(&world, REPO ":1.0", "ok"); /* what the tag stands for is asked each time */
        assert_int_equal(world.registry.asked, 4);
        assert_told(&world, REPO "@" DIGEST, "ok");
        assert_told(&world, REPO "#" CONFIG, "ok");
        assert_int_equal(world.registry.asked, 4);
        assert_told(&world, REPO "@" CONFIG, "not_found"); /* no manifest has an ID's digest */
        assert_told(&world, REPO ":2.0", "not_found");
        world_close(&world);
    }
}

static void store_comes_before_registry(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "s01-p256", POLICY(ENTRY("store-then-registry", "")));
    store_make(&world.vector, world.store);
    assert_told(&world, REPO "@" DIGEST, "ok");
    assert_int_equal(world.registry.asked, 0);
    world_close(&world);
    world_open(&world, "s01-p256", POLICY(ENTRY("store-then-registry", "")));
    store_make(&world.vector, world.store);
    assert_told(&world, REPO ":1.0", "ok"); /* the tag is the registry's */
    assert_int_equal(world.registry.asked, 1);
    world_close(&world);
    world_open(&world, "s01-p256", POLICY(ENTRY("store-then-registry", "")));
    assert_told(&world, REPO "@" DIGEST, "ok");
    assert_int_equal(world.registry.asked, 3);
    world_close(&world);
}

/* A tag is part of the name there, and an image that was found signed under another is no help. */
static void exact_binds_the_tag(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "x14-name-only-but-exact",
               POLICY(ENTRY("registry", ",\"identity\":\"exact\"")));
    assert_told(&world, REPO ":1.0", "identity_mismatch");
    assert_told(&world, REPO "@" DIGEST, "identity_mismatch");
    world_close(&world);
}

static void odd_questions_fail(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "app",
                                        REPO,
                                        REPO "@sha256:12",
                                        REPO "#sha256:12",
                                        REPO ":a/b",
                                        REPO ":",
                                        "docker.io/library/other:1",
                                        "registry.example.com/team/app2@" DIGEST,
                                        "REGISTRY.example.com/team/app@" DIGEST,
                                        "registry.example.com/../app@" DIGEST,
                                        REPO ":1@" DIGEST};
    struct world world;
    world_open(&world, "s01-p256", POLICY(ENTRY("store", "")));
    store_make(&world.vector, world.store);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct asker asker;
        assert_int_equal(ask(&world, &asker, names[i]), TRUST_DONE);
        if (asker.fact.state != FACT_FAILED || asker.fact.text.n == 0)
            fail_msg("%s: %.*s", names[i], STR_ARG(asker.fact.text));
    }
    world.question.role = NULL;
    struct asker asker;
    assert_int_equal(ask(&world, &asker, REPO "@" DIGEST), TRUST_DONE);
    assert_int_equal(asker.fact.state, FACT_FAILED);
    world_close(&world);
}

/* ---- what is remembered ---------------------------------------------------------------------- */

static void refusals_are_remembered(void **state)
{
    (void)state;
    static const struct {
        const char *vector, *name, *reason;
        size_t again; /* questions when it is asked once more */
    } rows[] = {
        {"x02-wrong-key", REPO "@" DIGEST, "bad_signature", 0},
        {"x02-wrong-key", REPO ":1.0", "bad_signature", 1}, /* the tag may stand for another now */
        {"x01-missing", REPO "@" DIGEST, "no_signature", 0},
        {"x01-missing", REPO ":9", "not_found", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world world;
        world_open(&world, rows[i].vector, POLICY(ENTRY("registry", "")));
        assert_told(&world, rows[i].name, rows[i].reason);
        size_t asked = world.registry.asked;
        assert_told(&world, rows[i].name, rows[i].reason);
        assert_int_equal(world.registry.asked, asked + rows[i].again);
        world.question.auth = STR("e30="); /* somebody else asks */
        assert_told(&world, rows[i].name, rows[i].reason);
        assert_int_equal(world.registry.asked, 2 * asked + rows[i].again);
        world.question.auth = STR("");
        world_load(&world, POLICY(ENTRY("registry", ""))); /* a reload forgets */
        assert_told(&world, rows[i].name, rows[i].reason);
        assert_int_equal(world.registry.asked, 3 * asked + rows[i].again);
        world_close(&world);
    }
}

static void unreachable_is_no_verdict_on_what_is_known(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "s01-p256", POLICY(ENTRY("registry", "")));
    assert_told(&world, REPO "@" DIGEST, "ok");
    world.registry.as = TRUST_ERROR;
    world.registry.fail_at = world.registry.asked + 1;
    assert_told(&world, REPO ":1.0", "registry_error");
    assert_told(&world, REPO ":1.0", "registry_error"); /* remembered: nothing fails now */
    assert_told(&world, REPO "@" DIGEST, "ok");
    assert_told(&world, REPO "#" CONFIG, "ok");
    world_close(&world);
}

static void nobody_to_ask_fails(void **state)
{
    (void)state;
    struct world world;
    struct asker asker;
    world_open(&world, "s01-p256", POLICY(ENTRY("registry", "")));
    world.registry.as = TRUST_DEAD;
    world.registry.fail_at = 1;
    assert_int_equal(ask(&world, &asker, REPO ":1.0"), TRUST_DONE);
    assert_int_equal(asker.fact.state, FACT_FAILED);
    assert_told(&world, REPO ":1.0", "ok"); /* and is not remembered */
    world_close(&world);
}

static void ledger_outlives_restarts(void **state)
{
    (void)state;
    struct world world;
    const char *policy = POLICY(ENTRY("registry", ""));
    world_open(&world, "s01-p256", policy);
    assert_told(&world, REPO "@" DIGEST, "ok");
    world_stop(&world);
    world.registry.as = TRUST_ERROR;
    world_start(&world);
    world_load(&world, policy);
    assert_told(&world, REPO "#" CONFIG, "ok");
    assert_told(&world, REPO "@" DIGEST, "ok");
    assert_int_equal(trust_known(world.trust), 2);
    /* Another rule, or another key in the same file, and nothing of it counts. */
    world_load(&world, POLICY(ENTRY("registry", ",\"identity\":\"any\"")));
    assert_told(&world, REPO "#" CONFIG, "id_unknown");
    world_load(&world, policy);
    assert_told(&world, REPO "#" CONFIG, "ok");
    struct str wrong = source_file("tests/signatures/keys", "wrong.pub", &world.arena);
    file_write(world.keys, "p256.pub", wrong);
    world_load(&world, policy);
    assert_told(&world, REPO "#" CONFIG, "id_unknown");
    world_close(&world);
}

static void pulls_are_recorded(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "s01-p256", POLICY(ENTRY("store", "")));
    store_make(&world.vector, world.store);
    char path[512], whole[640];
    store_path(&world.vector, "1.manifest.json", path, sizeof path);
    snprintf(whole, sizeof whole, "%s/%s", world.store, path);
    assert_int_equal(remove(whole), 0); /* the store does not know the ID */
    struct str repo = STR(REPO), digest = STR(DIGEST), id = STR(CONFIG);
    assert_false(trust_record(world.trust, &world.question, repo, digest, id));
    assert_told(&world, REPO "@" DIGEST, "ok");
    assert_told(&world, REPO "#" CONFIG, "id_unknown");
    assert_false(trust_record(world.trust, &world.question, repo, STR(OTHER), id));
    assert_false(trust_record(world.trust, &world.question, STR("docker.io/a/b"), digest, id));
    assert_false(trust_record(world.trust, &world.question, repo, digest, STR("sha256:12")));
    assert_true(trust_record(world.trust, &world.question, repo, digest, id));
    assert_told(&world, REPO "#" CONFIG, "ok");
    world_close(&world);
}

/* ---- many askers ----------------------------------------------------------------------------- */

static void equal_questions_are_one(void **state)
{
    (void)state;
    struct world world;
    struct asker askers[5], other;
    world_open(&world, "s01-p256", POLICY(ENTRY("registry", "")));
    world.registry.later = true;
    for (size_t i = 0; i < ARRAY_LEN(askers); i++)
        assert_int_equal(ask(&world, &askers[i], REPO ":1.0"), TRUST_WAIT);
    world.question.platform = STR("linux/arm64");
    assert_int_equal(ask(&world, &other, REPO ":1.0"), TRUST_WAIT);
    assert_int_equal(world.registry.asked, 2);
    trust_cancel(world.desk, &askers[1]);
    trust_cancel(world.desk, &other);
    assert_int_equal(world.registry.cancelled, 1);
    settle(&world);
    for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
        assert_int_equal(askers[i].told, i != 1);
        assert_int_equal(askers[i].fact.state, i != 1 ? FACT_FOUND : FACT_WANTED);
    }
    assert_int_equal(other.told, 0);
    world_close(&world);
}

static void questions_are_bounded(void **state)
{
    (void)state;
    enum { ASKERS = TRUST_HOST_JOBS_MAX + TRUST_HOST_QUEUE_MAX };
    struct world world;
    static struct asker askers[ASKERS + 1];
    char name[64];
    world_open(&world, "s01-p256", POLICY(ENTRY("registry", "")));
    world.registry.later = true;
    for (size_t i = 0; i < ASKERS; i++) {
        snprintf(name, sizeof name, REPO ":%zu", i);
        assert_int_equal(ask(&world, &askers[i], arena_copy(&world.arena, str_of(name)).p),
                         TRUST_WAIT);
    }
    assert_int_equal(world.registry.asked, TRUST_HOST_JOBS_MAX);
    assert_int_equal(ask(&world, &askers[ASKERS], REPO ":1.0"), TRUST_DONE);
    assert_int_equal(askers[ASKERS].fact.state, FACT_FAILED);
    trust_cancel(world.desk, &askers[0]); /* makes room for one that waits */
    trust_cancel(world.desk, &askers[ASKERS - 1]);
    settle(&world);
    for (size_t i = 1; i + 1 < ASKERS; i++)
        assert_string_equal(told(&world, &askers[i], "Reason"), "not_found");
    assert_told(&world, REPO ":1.0", "ok");
    world_close(&world);
}

/* One that hangs keeps nobody from another one. */
static void registries_leave_each_other_room(void **state)
{
    (void)state;
    enum { ASKERS = TRUST_HOST_JOBS_MAX + TRUST_HOST_QUEUE_MAX };
    struct world world;
    static struct asker askers[ASKERS], others[2];
    char name[64];
    world_open(
        &world, "s01-p256",
        POLICY(ENTRY("registry", "") ",{\"match\":\"other.example.com/**\",\"keys\":[\"p256.pub\"],"
                                     "\"source\":\"registry\"}"));
    world.registry.later = true;
    for (size_t i = 0; i < ASKERS; i++) {
        snprintf(name, sizeof name, REPO ":%zu", i);
        assert_int_equal(ask(&world, &askers[i], arena_copy(&world.arena, str_of(name)).p),
                         TRUST_WAIT);
    }
    assert_int_equal(ask(&world, &others[0], REPO ":more"), TRUST_DONE);
    assert_int_equal(others[0].fact.state, FACT_FAILED);
    assert_int_equal(world.registry.asked, TRUST_HOST_JOBS_MAX);
    assert_int_equal(ask(&world, &others[1], "other.example.com/app:1"), TRUST_WAIT);
    assert_int_equal(world.registry.asked, TRUST_HOST_JOBS_MAX + 1);
    settle(&world);
    assert_int_equal(others[1].told, 1);
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(askers[i].told, 1);
    world_close(&world);
}

/* Whoever is told goes away, and takes another one with him. */
static struct world *leaving;
static struct asker leavers[3];

static void on_ready_leave(void *arg)
{
    struct asker *asker = arg;
    asker->told++;
    for (size_t i = 0; i < ARRAY_LEN(leavers); i++)
        trust_cancel(leaving->desk, &leavers[i]);
}

static void the_told_may_cancel(void **state)
{
    (void)state;
    struct world world;
    int count = 0;
    world_open(&world, "s01-p256", POLICY(ENTRY("registry", "")));
    world.registry.later = true;
    leaving = &world;
    for (size_t i = 0; i < ARRAY_LEN(leavers); i++) {
        leavers[i] = (struct asker){.fact = {.kind = FACT_SIGNATURE, .name = STR(REPO ":1.0")}};
        assert_int_equal(trust_ask(world.desk, &world.question, &leavers[i].fact, &world.arena,
                                   on_ready_leave, &leavers[i]),
                         TRUST_WAIT);
    }
    settle(&world);
    for (size_t i = 0; i < ARRAY_LEN(leavers); i++)
        count += leavers[i].told;
    assert_int_equal(count, 1);
    assert_int_equal(ask(&world, &leavers[0], REPO "@" OTHER), TRUST_WAIT);
    world_close(&world); /* with one that still waits */
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void bad_keys_refuse_the_policy(void **state)
{
    (void)state;
    static const struct {
        const char *name, *entry, *file, *text; /* text NULL: a key of that name */
        mode_t mode;
        bool store;
        const char *says;
    } rows[] = {
        {"fine", ENTRY("store", ""), "p256.pub", NULL, 0644, true, NULL},
        {"missing", ENTRY("store", ""), "other.pub", NULL, 0644, true, "No such file"},
        {"writable by all", ENTRY("store", ""), "p256.pub", NULL, 0666, true, "chmod go-w"},
        {"a folder", ENTRY("store", ""), "p256.pub/x", "", 0644, true, "is not a file"},
        {"empty", ENTRY("store", ""), "p256.pub", "", 0644, true, "/p256.pub: a key file is empty"},
        {"no key", ENTRY("store", ""), "p256.pub", "hello", 0644, true, "/p256.pub: no PEM block"},
        {"a private key", ENTRY("store", ""), "p256.pub",
         "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", 0644, true,
         "images.signed[0] (\"" REPO "\"): the key \"p256.pub\": /"},
        {"its remedy", ENTRY("store", ""), "p256.pub",
         "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0644, true,
         "take the private key away"},
        {"no store", ENTRY("store", ""), "p256.pub", NULL, 0644, false, "--signature-store"},
        {"no store needed", ENTRY("registry", ""), "p256.pub", NULL, 0644, false, NULL},
        {"no key needed", "{\"match\":\"**\",\"digests\":[\"" DIGEST "\"]}", "x", "", 0644, false,
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char folder[64], text[1024], path[128];
        struct err_list errors = {NULL, 0, 0};
        struct trust_rules *rules = NULL;
        folder_open(folder, sizeof folder);
        if (rows[i].text)
            file_write(folder, rows[i].file, str_of(rows[i].text));
        else if (access(source_path("tests/signatures/keys", rows[i].file), R_OK) == 0)
            key_copy(folder, rows[i].file);
        snprintf(path, sizeof path, "%s/%s", folder, rows[i].file);
        chmod(path, rows[i].mode);
        snprintf(text, sizeof text,
                 "{\"version\":1,\"roles\":{\"default\":{\"images\":{\"allow\":[\"**\"],"
                 "\"signed\":[%s]}}}}",
                 rows[i].entry);
        struct policy *policy = policy_of(text);
        const struct trust_options options = {
            .keys = folder, .store = rows[i].store ? folder : NULL, .uid = geteuid()};
        bool ok = trust_rules_load(&options, policy, true, &rules, &errors);
        assert_int_equal(ok, rules != NULL);
        if (ok != !rows[i].says || (!ok && !strstr(errors.items[0].err.text, rows[i].says)))
            fail_msg("%s: %s", rows[i].name, ok ? "taken" : errors.items[0].err.text);
        trust_rules_free(rules);
        err_list_free(&errors);
        policy_free(policy);
        folder_remove(folder);
    }
}

static void weak_keys_and_lacking_registries(void **state)
{
    (void)state;
    struct world world;
    struct trust_rules *rules = NULL;
    struct err_list errors = {NULL, 0, 0};
    world_open(&world, "s01-p256", POLICY(ENTRY("registry", "")));
    assert_true(trust_rules_want_registry(world.rules));
    assert_false(trust_rules_load(&world.options, world.policy, false, &rules, &errors));
    assert_null(rules);
    assert_non_null(strstr(errors.items[0].err.text, "registry"));
    struct str weak = source_file("tests/signatures/keys", "rsa1024.pub", &world.arena);
    file_write(world.keys, "p256.pub", weak);
    assert_false(trust_rules_load(&world.options, world.policy, true, &rules, &errors));
    assert_non_null(strstr(errors.items[1].err.text, "p256.pub"));
    err_list_free(&errors);
    world_close(&world);
}

static void no_rule_is_nothing(void **state)
{
    (void)state;
    struct trust_rules *rules = NULL;
    struct err_list errors = {NULL, 0, 0};
    const struct trust_options options = {.keys = "/nowhere"};
    struct policy *policy = policy_of("{\"version\":1,\"roles\":{\"default\":{}}}");
    assert_true(trust_rules_load(&options, policy, false, &rules, &errors));
    assert_null(rules);
    assert_false(trust_rules_want_registry(rules));
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_answers),
        cmocka_unit_test(registry_answers),
        cmocka_unit_test(store_comes_before_registry),
        cmocka_unit_test(exact_binds_the_tag),
        cmocka_unit_test(odd_questions_fail),
        cmocka_unit_test(refusals_are_remembered),
        cmocka_unit_test(unreachable_is_no_verdict_on_what_is_known),
        cmocka_unit_test(nobody_to_ask_fails),
        cmocka_unit_test(ledger_outlives_restarts),
        cmocka_unit_test(pulls_are_recorded),
        cmocka_unit_test(equal_questions_are_one),
        cmocka_unit_test(questions_are_bounded),
        cmocka_unit_test(registries_leave_each_other_room),
        cmocka_unit_test(the_told_may_cancel),
        cmocka_unit_test(bad_keys_refuse_the_policy),
        cmocka_unit_test(weak_keys_and_lacking_registries),
        cmocka_unit_test(no_rule_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
