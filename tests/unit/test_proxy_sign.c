/* Signatures of images: every vector of tests/signatures, and single-bit mutants of the good ones.
 */
#include "sign_helper.h"

#include <dirent.h>

static void vectors_are_judged_as_they_say(void **state)
{
    (void)state;
    DIR *folder = opendir(source_path("tests/signatures", "cases"));
    size_t count = 0, wrong = 0;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        struct vector vector;
        struct sign_verdict verdict;
        if (entry->d_name[0] == '.')
            continue;
        vector_open(&vector, entry->d_name);
        vector_judge(&vector, &verdict);
        const char *got = sign_reason_name(verdict.reason);
        bool allowed = verdict.reason == SIGN_OK;
        count++;
        if (!str_is(vector_text(&vector, "reason"), got) ||
            allowed != str_is(vector_text(&vector, "expect"), "allow") ||
            allowed != (verdict.key[0] != 0) || (!allowed && !verdict.text[0])) {
            print_error("%s: %s: %s\n", entry->d_name, got, verdict.text);
            wrong++;
        }
        vector_close(&vector);
    }
    closedir(folder);
    assert_int_equal(wrong, 0);
    assert_true(count >= 34);
}

/* ---- mutants ------------------------------------------------------------------------------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct str base64_encode(struct str bytes, struct arena *arena)
{
    char *out = arena_alloc(arena, bytes.n / 3 * 4 + 5, 1);
    assert_non_null(out);
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < bytes.n ? (unsigned char)bytes.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            out[n++] = i + k <= bytes.n ? base64_digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    return (struct str){out, n};
}

static struct str flip(struct str text, size_t bit, struct arena *arena)
{
    struct str copy = arena_copy(arena, text);
    char *at = (char *)(uintptr_t)copy.p + bit / 8;
    *at = (char)(*at ^ (char)(1 << bit % 8));
    return copy;
}

/* One bit of payload or signature is another one; size and digest are those of the mutant, so that
   only the signature stands in the way. */
static bool simple_mutant_refused(struct vector *vector, size_t bit)
{
    struct sign_candidates found;
    struct sign_verdict verdict;
    struct str signature;
    char digest[SIGN_DIGEST_BYTES + 1];
    struct arena *arena = &vector->arena;
    struct str manifest = source_file(vector->folder, "sig.json", arena);
    assert_true(sign_cosign_list(manifest, arena, &found, &verdict));
    struct sign_descriptor *layer = &found.items[0];
    struct str payload = vector_blob(vector, layer->digest);
    assert_true(sign_base64_decode(layer->signature, arena, &signature));
    bit %= (payload.n + signature.n) * 8;
    if (bit < payload.n * 8)
        payload = flip(payload, bit, arena);
    else
        signature = flip(signature, bit - payload.n * 8, arena);
    assert_true(sign_digest_write(payload, digest));
    layer->digest = str_of(digest);
    layer->signature = base64_encode(signature, arena);
    return !sign_cosign_judge(&vector->rule, &vector->image, layer, payload, arena, &verdict) &&
           verdict.reason == SIGN_BAD_SIGNATURE;
}

/* Any bit of what a store holds of a bundle's signed parts: the base64 texts themselves. */
static bool bundle_mutant_refused(struct vector *vector, struct str bundle, size_t bit)
{
    struct sign_verdict verdict;
    struct str mark = STR("\"dsseEnvelope\"");
    size_t from = 0;
    while (!str_starts(str_skip(bundle, from), mark))
        from++;
    bit = from * 8 + bit % ((bundle.n - from - 1) * 8);
    struct str mutant = flip(bundle, bit, &vector->arena);
    return !sign_bundle_judge(&vector->rule, &vector->image, mutant, &vector->arena, &verdict) &&
           verdict.reason != SIGN_OK;
}

enum { MUTANTS = 250, STEP = 97 /* coprime to the sizes: the bits are spread */ };

static void simple_mutants_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"s01-p256",    "s02-ed25519",      "s03-rsa2048",
                                        "s06-rsa3072", "s10-index-signed", "s11-hub-legacy-name"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t k = 0; k < MUTANTS; k++) {
            struct vector vector;
            vector_open(&vector, names[i]);
            if (!simple_mutant_refused(&vector, k * STEP))
                fail_msg("%s: mutant %zu is taken", names[i], k);
            vector_close(&vector);
        }
}

static void bundle_mutants_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *blob;
    } rows[] = {
        {"b01-p256", "sha256:4f41a19223d1ed6ec1082c325b36b80f1e9f3afd91e279a687090128307297ea"},
        {"b03-rsa2048", "sha256:227f4d870c7377d4601c4e9a291cc92e0058033b8fd1f52fc74270f77a90d0ba"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < 2 * MUTANTS; k++) {
            struct vector vector;
            struct sign_verdict verdict;
            vector_open(&vector, rows[i].name);
            struct str bundle = vector_blob(&vector, str_of(rows[i].blob));
            assert_true(
                sign_bundle_judge(&vector.rule, &vector.image, bundle, &vector.arena, &verdict));
            if (!bundle_mutant_refused(&vector, bundle, k * STEP))
                fail_msg("%s: mutant %zu is taken", rows[i].name, k);
            vector_close(&vector);
        }
    }
}

/* ---- documents that want to take long ------------------------------------------------------ */

/* Objects of as many names as there may be, which differ in their last letters only. */
static struct str alike_names(size_t objects, const char *last, struct arena *arena)
{
    enum { CAP = 4 << 20 };
    char *text = arena_alloc(arena, CAP, 1);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, CAP, "{\"schemaVersion\":2,\"manifests\":[],\"x\":[");
    for (size_t i = 0; i < objects; i++) {
        n += (size_t)snprintf(text + n, CAP - n, "%s{\"%048d%s\":1", i ? "," : "", 0, last);
        for (unsigned k = 1; k < SIGN_JSON_MEMBERS_MAX; k++)
            n += (size_t)snprintf(text + n, CAP - n, ",\"%048d%04x\":1", 0, k);
        n += (size_t)snprintf(text + n, CAP - n, "}");
    }
    n += (size_t)snprintf(text + n, CAP - n, "]}");
    return (struct str){text, n};
}

static void names_are_compared_in_time(void **state)
{
    (void)state;
    static const struct {
        size_t objects;
        const char *last;
        enum sign_reason reason;
    } rows[] = {
        {63, "0000", SIGN_OK},
        {63, "003Ff", SIGN_OK},
        {1, "03FE", SIGN_BAD_MANIFEST}, /* "03fe" stands there, too */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {.limit = 0};
        char digest[SIGN_DIGEST_BYTES + 1];
        struct sign_manifest manifest;
        struct sign_verdict verdict = {.reason = SIGN_OK};
        struct str bytes = alike_names(rows[i].objects, rows[i].last, &arena);
        assert_true(sign_digest_write(bytes, digest));
        clock_t began = clock();
        sign_manifest_read(bytes, str_of(digest), &arena, &manifest, &verdict);
        assert_int_equal(verdict.reason, rows[i].reason);
        assert_true(clock() - began < 3 * CLOCKS_PER_SEC); /* in pairs it would be ten times that */
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_judged_as_they_say),
        cmocka_unit_test(simple_mutants_are_refused),
        cmocka_unit_test(bundle_mutants_are_refused),
        cmocka_unit_test(names_are_compared_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
