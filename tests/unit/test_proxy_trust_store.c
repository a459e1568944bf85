/* The signature store and the way through a source: every vector of tests/signatures by both, and
   what each adds of its own. */
#include "trust_helper.h"

#include <dirent.h>

/* Where a store has no such thing to refuse. */
static const struct {
    const char *name, *reason;
} store_differs[] = {
    {"x06-blob-not-its-digest", "bad_signature"}, /* nothing names the payload's digest */
    {"y11-referrer-of-other-subject", "ok"},      /* it has no referrers, only what they hold */
    {"x23-child-not-in-signed-index", "ok"},      /* the index is signed; see below */
};

static const char *store_reason(const char *name, const char *reason)
{
    for (size_t i = 0; i < ARRAY_LEN(store_differs); i++)
        if (strcmp(store_differs[i].name, name) == 0)
            return store_differs[i].reason;
    return reason;
}

static bool has_id(const struct trust_verdict *verdict, struct str id)
{
    for (size_t i = 0; i < verdict->id_count; i++)
        if (str_is(id, verdict->ids[i]))
            return true;
    return false;
}

static void judge_by_store(struct vector *vector, struct trust_verdict *out)
{
    char folder[64];
    struct trust_rule rule = {.sign = vector->rule};
    folder_open(folder, sizeof folder);
    store_make(vector, folder);
    struct trust_subject subject = subject_of(vector, &rule);
    trust_store_judge(folder, &subject, NULL, out);
    folder_remove(folder);
}

static void on_done(void *arg)
{
    *(bool *)arg = true;
}

/* mode: bit 0: answers come later; bit 1: the registry has a list of referrers; bit 2: by tag. */
static void judge_by_source(struct vector *vector, unsigned mode, struct trust_verdict *out)
{
    struct registry registry;
    struct trust_rule rule = {.sign = vector->rule};
    bool done = false, told = false, dead;
    registry_open(&registry, vector);
    registry.later = mode & 1;
    registry.api = mode & 2;
    struct trust_task task = {.subject = subject_of(vector, &rule),
                              .source = &registry.source,
                              .on_done = on_done,
                              .arg = &told};
    if (mode & 4)
        task.subject.image.digest = (struct str){NULL, 0};
    struct trust_drive *drive = trust_drive_start(&task, &done);
    assert_non_null(drive);
    assert_int_equal(done, !registry.later);
    while (!done && !told)
        assert_true(registry_turn(&registry));
    *out = *trust_drive_verdict(drive, &dead);
    assert_false(dead);
    trust_drive_free(drive);
}

static size_t check(const char *name, const char *by, const char *reason,
                    const struct trust_verdict *verdict)
{
    const char *got = trust_reason_name(verdict->reason);
    bool good = verdict->reason == SIGN_OK;
    bool holds = strcmp(got, reason) == 0 && good == (verdict->key[0] != 0) &&
                 good == (verdict->id_count > 0) && (good || verdict->text[0] != 0);
    if (!holds)
        print_error("%s by %s: %s (%s), not %s\n", name, by, got, verdict->text, reason);
    return !holds;
}

static size_t check_vector(const char *name)
{
    struct vector vector;
    struct trust_verdict verdict = {0};
    size_t wrong = 0;
    vector_open(&vector, name);
    char reason[64];
    snprintf(reason, sizeof reason, "%.*s", STR_ARG(vector_text(&vector, "reason")));
    if (!vector.weak_key) { /* that is refused before anything is asked */
        judge_by_store(&vector, &verdict);
        wrong += check(name, "the store", store_reason(name, reason), &verdict);
        for (unsigned mode = 0; mode < 8; mode++) {
            judge_by_source(&vector, mode, &verdict);
            const char *expected =
                strcmp(reason, "child_not_in_index") == 0 ? "ok" : reason; /* the index is */
            wrong += check(name, "a source", expected, &verdict);
        }
    }
    vector_close(&vector);
    return wrong;
}

static void vectors_by_store_and_source(void **state)
{
    (void)state;
    DIR *folder = opendir(source_path("tests/signatures", "cases"));
    size_t count = 0, wrong = 0;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        wrong += check_vector(entry->d_name);
        count++;
    }
    closedir(folder);
    assert_int_equal(wrong, 0);
    assert_true(count >= 34);
}

/* ---- indexes --------------------------------------------------------------------------------- */

static struct str child_digest(struct vector *vector)
{
    char digest[SIGN_DIGEST_BYTES + 1];
    sign_digest_write(source_file(vector->folder, "child.json", &vector->arena), digest);
    return arena_copy(&vector->arena, str_of(digest));
}

static struct str child_config(struct vector *vector)
{
    struct sign_manifest child;
    struct sign_verdict ignored;
    struct str bytes = source_file(vector->folder, "child.json", &vector->arena);
    assert_true(sign_manifest_read(bytes, child_digest(vector), &vector->arena, &child, &ignored));
    return child.config;
}

/* The manifests that a signed index lists are signed by it, and no others. */
static void store_knows_children(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool listed;
    } rows[] = {{"s10-index-signed", true}, {"x23-child-not-in-signed-index", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vector vector;
        struct trust_verdict verdict = {0};
        char folder[64];
        folder_open(folder, sizeof folder);
        vector_open(&vector, rows[i].name);
        struct trust_rule rule = {.sign = vector.rule};
        store_make(&vector, folder);
        struct trust_subject subject = subject_of(&vector, &rule);
        struct str config = child_config(&vector), child = child_digest(&vector);
        trust_store_judge(folder, &subject, NULL, &verdict);
        assert_int_equal(verdict.reason, SIGN_OK);
        assert_int_equal(verdict.mapped, rows[i].listed);
        assert_int_equal(has_id(&verdict, config), rows[i].listed);
        subject.image.digest = child;
        trust_store_judge(folder, &subject, NULL, &verdict);
        assert_int_equal(verdict.reason == SIGN_OK, rows[i].listed);
        trust_store_judge_id(folder, &subject, config, NULL, &verdict);
        assert_int_equal(verdict.reason == SIGN_OK, rows[i].listed);
        trust_store_judge_id(folder, &subject, vector.image.digest, NULL, &verdict);
        assert_int_equal(verdict.reason, SIGN_OK); /* the containerd store's ID */
        vector_close(&vector);
        folder_remove(folder);
    }
}

static void source_reads_children_of_a_platform(void **state)
{
    (void)state;
    static const struct {
        const char *platform;
        bool mapped;
    } rows[] = {{"linux/amd64", true}, {"linux/s390x", false}, {"amd64", true}};
    struct vector vector;
    vector_open(&vector, "s10-index-signed");
    struct trust_rule rule = {.sign = vector.rule};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct registry registry;
        bool done = false, dead;
        registry_open(&registry, &vector);
        struct trust_task task = {.subject = subject_of(&vector, &rule),
                                  .platform = str_of(rows[i].platform),
                                  .source = &registry.source,
                                  .on_done = on_done};
        struct trust_drive *drive = trust_drive_start(&task, &done);
        const struct trust_verdict *verdict = trust_drive_verdict(drive, &dead);
        assert_true(done);
        assert_int_equal(verdict->reason, SIGN_OK);
        assert_int_equal(verdict->mapped, rows[i].mapped);
        assert_int_equal(has_id(verdict, child_config(&vector)), rows[i].mapped);
        trust_drive_free(drive);
    }
    vector_close(&vector);
}

/* ---- registries that fail -------------------------------------------------------------------- */

/* Whatever fails of what is asked, no unsigned image passes, and no answer is "not required". */
static void failing_sources_refuse(void **state)
{
    (void)state;
    static const struct {
        enum trust_outcome as;
        unsigned reasons; /* beside registry_error that it may come to */
    } rows[] = {{TRUST_ERROR, 0}, {TRUST_DEAD, 0}, {TRUST_LARGE, 1}, {TRUST_ABSENT, 1}};
    struct vector vector;
    vector_open(&vector, "s01-p256");
    struct trust_rule rule = {.sign = vector.rule};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t at = 1; at <= 3; at++) { /* manifest, list, payload */
            struct registry registry;
            bool done = false, dead;
            registry_open(&registry, &vector);
            registry.as = rows[i].as;
            registry.fail_at = at;
            struct trust_task task = {.subject = subject_of(&vector, &rule),
                                      .source = &registry.source,
                                      .on_done = on_done};
            struct trust_drive *drive = trust_drive_start(&task, &done);
            const struct trust_verdict *verdict = trust_drive_verdict(drive, &dead);
            assert_true(done);
            assert_int_not_equal(verdict->reason, SIGN_OK);
            assert_int_equal(dead, rows[i].as == TRUST_DEAD);
            if (!rows[i].reasons)
                assert_int_equal(verdict->reason, TRUST_REGISTRY_ERROR);
            assert_int_equal(verdict->id_count, 0);
            trust_drive_free(drive);
        }
    vector_close(&vector);
}

static void lying_digest_is_refused(void **state)
{
    (void)state;
    struct vector vector;
    struct registry registry;
    bool done = false, dead;
    vector_open(&vector, "s01-p256");
    struct trust_rule rule = {.sign = vector.rule};
    registry_open(&registry, &vector);
    registry.other_digest = true;
    struct trust_task task = {
        .subject = subject_of(&vector, &rule), .source = &registry.source, .on_done = on_done};
    struct trust_drive *drive = trust_drive_start(&task, &done);
    assert_int_equal(trust_drive_verdict(drive, &dead)->reason, SIGN_BLOB_DIGEST);
    trust_drive_free(drive);
    vector_close(&vector);
}

/* At each step of the way. */
static void a_drive_can_be_dropped(void **state)
{
    (void)state;
    struct vector vector;
    vector_open(&vector, "s10-index-signed");
    struct trust_rule rule = {.sign = vector.rule};
    for (size_t turns = 0; turns < 4; turns++) {
        struct registry registry;
        bool done = false;
        registry_open(&registry, &vector);
        registry.later = true;
        struct trust_task task = {
            .subject = subject_of(&vector, &rule), .source = &registry.source, .on_done = on_done};
        struct trust_drive *drive = trust_drive_start(&task, &done);
        for (size_t i = 0; i < turns; i++)
            registry_turn(&registry);
        trust_drive_free(drive);
        assert_int_equal(registry.cancelled, 1);
        assert_int_equal(registry.pending_count, 0);
    }
    vector_close(&vector);
}

/* ---- stores with other things in them -------------------------------------------------------- */

static void odd_stores(void **state)
{
    (void)state;
    static const struct {
        const char *name, *file, *text;
        enum sign_reason reason;
    } rows[] = {
        {"a payload alone", "9.payload", "{}", SIGN_NO_SIGNATURE},
        {"a signature alone", "9.sig", "AAAA", SIGN_NO_SIGNATURE},
        {"an empty bundle", "9.bundle.json", "", SIGN_BAD_BUNDLE},
        {"an empty envelope", "9.jws", "", SIGN_FORMAT_NOT_ALLOWED},
        {"a hidden file", ".9.bundle.json", "{}", SIGN_NO_SIGNATURE},
        {"another file", "README", "{}", SIGN_NO_SIGNATURE},
        {"a manifest that is none", "9.manifest.json", "{", SIGN_NO_SIGNATURE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vector vector;
        struct trust_verdict verdict = {0};
        char folder[64];
        folder_open(folder, sizeof folder);
        vector_open(&vector, "s01-p256");
        struct trust_rule rule = {.sign = vector.rule};
        store_put(&vector, folder, rows[i].file, str_of(rows[i].text));
        struct trust_subject subject = subject_of(&vector, &rule);
        trust_store_judge(folder, &subject, NULL, &verdict);
        if (verdict.reason != rows[i].reason)
            fail_msg("%s: %s: %s", rows[i].name, trust_reason_name(verdict.reason), verdict.text);
        store_make(&vector, folder); /* and one good signature is enough */
        trust_store_judge(folder, &subject, NULL, &verdict);
        assert_int_equal(verdict.reason, SIGN_OK);
        vector_close(&vector);
        folder_remove(folder);
    }
}

static void names_do_not_lead_out(void **state)
{
    (void)state;
    static const char *const paths[] = {"../app", "team/..", "team//app", ".", "", "team/.app"};
    struct vector vector;
    struct trust_verdict verdict = {0};
    char folder[64], inner[128];
    folder_open(folder, sizeof folder);
    vector_open(&vector, "s01-p256");
    struct trust_rule rule = {.sign = vector.rule};
    store_make(&vector, folder);
    snprintf(inner, sizeof inner, "%s/registry.example.com", folder);
    struct trust_subject subject = subject_of(&vector, &rule);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        subject.path = str_of(paths[i]);
        trust_store_judge(inner, &subject, NULL, &verdict);
        assert_int_equal(verdict.reason, SIGN_BAD_MANIFEST);
        trust_store_judge_id(inner, &subject, vector.image.digest, NULL, &verdict);
        assert_int_equal(verdict.reason, TRUST_ID_UNKNOWN);
    }
    vector_close(&vector);
    folder_remove(folder);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    struct vector vector;
    struct trust_verdict verdict = {0};
    char folder[64], name[32];
    folder_open(folder, sizeof folder);
    vector_open(&vector, "s01-p256");
    struct trust_rule rule = {.sign = vector.rule};
    for (size_t i = 0; i <= SIGN_CANDIDATES_MAX; i++) {
        snprintf(name, sizeof name, "%02zu.bundle.json", i);
        store_put(&vector, folder, name, STR("{}"));
    }
    struct trust_subject subject = subject_of(&vector, &rule);
    trust_store_judge(folder, &subject, NULL, &verdict);
    assert_int_not_equal(verdict.reason, SIGN_OK);
    store_put(&vector, folder, "zz.payload", STR("{}"));
    store_put(&vector, folder, "zz.sig", STR("{}"));
    trust_store_judge(folder, &subject, NULL, &verdict);
    assert_int_not_equal(verdict.reason, SIGN_OK);
    vector_close(&vector);
    folder_remove(folder);
}

/* One bit of each file of a store is another one. */
static void mutants_are_refused(void **state)
{
    (void)state;
    enum { MUTANTS = 100, STEP = 97 };
    static const char *const names[] = {"s01-p256", "s02-ed25519"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t k = 0; k < MUTANTS; k++) {
            struct vector vector;
            struct sign_candidates found;
            struct trust_verdict verdict = {0};
            char folder[64];
            folder_open(folder, sizeof folder);
            vector_open(&vector, names[i]);
            struct trust_rule rule = {.sign = vector.rule};
            store_make(&vector, folder);
            struct str list = source_file(vector.folder, "sig.json", &vector.arena);
            struct sign_verdict ignored;
            assert_true(sign_cosign_list(list, &vector.arena, &found, &ignored));
            struct str payload = vector_blob(&vector, found.items[0].digest);
            struct str mutant = arena_copy(&vector.arena, payload);
            char *at = (char *)(uintptr_t)mutant.p + k * STEP % (mutant.n * 8) / 8;
            *at = (char)(*at ^ (char)(1 << k % 8));
            store_put(&vector, folder, "0.payload", mutant);
            struct trust_subject subject = subject_of(&vector, &rule);
            trust_store_judge(folder, &subject, NULL, &verdict);
            assert_int_equal(verdict.reason, SIGN_BAD_SIGNATURE);
            vector_close(&vector);
            folder_remove(folder);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_by_store_and_source),
        cmocka_unit_test(store_knows_children),
        cmocka_unit_test(source_reads_children_of_a_platform),
        cmocka_unit_test(failing_sources_refuse),
        cmocka_unit_test(lying_digest_is_refused),
        cmocka_unit_test(a_drive_can_be_dropped),
        cmocka_unit_test(odd_stores),
        cmocka_unit_test(names_do_not_lead_out),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(mutants_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
