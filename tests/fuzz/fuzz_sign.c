/* libFuzzer target for signatures of images: the first byte says what the rest is. Every signature
   counts as good, so that what stands behind it is read as well. */
#include "sign.h"

#include <stdlib.h>

#define DIGEST      "sha256:104920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define FINGERPRINT "SHA256:659a196df5f87c5c55544956ee935dc110e2d2dac50317224893d93a30771389"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
bool __wrap_sign_key_verify(const struct sign_key *key, struct str message, struct str signature);
const char *__wrap_sign_key_fingerprint(const struct sign_key *key);
struct sign_leaf *__wrap_sign_trust_chain(const struct sign_trust *trust,
                                          const struct str *certificates, size_t count, time_t now,
                                          struct err *err);
void __wrap_sign_leaf_free(struct sign_leaf *leaf);
const char *__wrap_sign_leaf_algorithm(const struct sign_leaf *leaf);
const char *__wrap_sign_leaf_fingerprint(const struct sign_leaf *leaf);
time_t __wrap_sign_leaf_until(const struct sign_leaf *leaf);
bool __wrap_sign_leaf_verify(const struct sign_leaf *leaf, struct str message,
                             struct str signature);
bool __wrap_sign_trust_is_authority(const struct sign_trust *trust);

static char stands_for_one; /* key, leaf or trust store: never looked into */

bool __wrap_sign_key_verify(const struct sign_key *key, struct str message, struct str signature)
{
    (void)key;
    (void)message;
    (void)signature;
    return true;
}

const char *__wrap_sign_key_fingerprint(const struct sign_key *key)
{
    (void)key;
    return FINGERPRINT;
}

struct sign_leaf *__wrap_sign_trust_chain(const struct sign_trust *trust,
                                          const struct str *certificates, size_t count, time_t now,
                                          struct err *err)
{
    size_t bytes = 0;
    (void)trust;
    (void)now;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < certificates[i].n; k++)
            bytes += certificates[i].p[k] != 0;
    if (bytes == 1)
        err_set(err, 0, 0, "refused");
    return bytes == 1 ? NULL : (struct sign_leaf *)(void *)&stands_for_one;
}

void __wrap_sign_leaf_free(struct sign_leaf *leaf)
{
    (void)leaf;
}

time_t __wrap_sign_leaf_until(const struct sign_leaf *leaf)
{
    (void)leaf;
    return 2000000000;
}

const char *__wrap_sign_leaf_algorithm(const struct sign_leaf *leaf)
{
    (void)leaf;
    return "ES256";
}

const char *__wrap_sign_leaf_fingerprint(const struct sign_leaf *leaf)
{
    (void)leaf;
    return FINGERPRINT;
}

bool __wrap_sign_leaf_verify(const struct sign_leaf *leaf, struct str message, struct str signature)
{
    (void)leaf;
    (void)message;
    (void)signature;
    return true;
}

bool __wrap_sign_trust_is_authority(const struct sign_trust *trust)
{
    (void)trust;
    return false;
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A yes has its reason, a no its sentence. */
static void check(bool good, const struct sign_verdict *verdict)
{
    must(good == (verdict->reason == SIGN_OK));
    must(good ? verdict->key[0] != 0 : verdict->text[0] != 0);
}

static void check_manifest(const struct sign_rule *rule, const struct sign_image *image,
                           struct str text, struct arena *arena)
{
    struct sign_verdict verdict = {0};
    struct sign_manifest manifest;
    struct sign_candidates found;
    struct sign_descriptor blob;
    enum sign_format format;
    char digest[SIGN_DIGEST_BYTES + 1];
    must(sign_digest_write(text, digest));
    struct sign_descriptor self = {.digest = str_of(digest), .size = text.n};
    if (sign_manifest_read(text, self.digest, arena, &manifest, &verdict))
        must(manifest.is_index ? manifest.config.n == 0 : sign_digest_valid(manifest.config));
    else
        must(verdict.text[0] != 0);
    verdict = (struct sign_verdict){0};
    if (!sign_cosign_list(text, arena, &found, &verdict))
        must(verdict.text[0] != 0);
    verdict = (struct sign_verdict){0};
    if (!sign_referrers_list(rule, text, arena, &found, &verdict))
        must(verdict.text[0] != 0);
    verdict = (struct sign_verdict){0};
    if (!sign_referrer_read(rule, image, &self, text, arena, &blob, &format, &verdict))
        must(verdict.text[0] != 0);
}

static void check_payload(const struct sign_rule *rule, const struct sign_image *image,
                          struct str text, struct arena *arena)
{
    struct sign_verdict verdict;
    char digest[SIGN_DIGEST_BYTES + 1];
    must(sign_digest_write(text, digest));
    struct sign_descriptor layer = {
        .digest = str_of(digest), .size = text.n, .signature = STR("YQ==")};
    bool good = sign_cosign_judge(rule, image, &layer, text, arena, &verdict);
    check(good, &verdict);
}

static void check_texts(struct str text, struct arena *arena)
{
    struct err err = {0};
    struct str out;
    struct sign_key *key = sign_key_read(text, NULL, &err);
    must(key || err.set);
    sign_key_free(key);
    err = (struct err){0};
    struct str identity = STR("x509.subject: C=US, ST=WA, O=ACME");
    struct sign_trust *trust = sign_trust_read(text, &identity, 1, false, &err);
    must(trust || err.set);
    sign_trust_free(trust);
    if (sign_base64_decode(text, arena, &out))
        must(out.n <= text.n / 4 * 3);
    if (sign_base64url_decode(text, arena, &out))
        must(out.n == text.n * 3 / 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct sign_verdict verdict = {0};
    const struct sign_key *keys[] = {(const struct sign_key *)(const void *)&stands_for_one};
    struct sign_rule rule = {.formats = BIT(SIGN_COSIGN_SIMPLE) | BIT(SIGN_SIGSTORE_BUNDLE) |
                                        BIT(SIGN_NOTATION_JWS),
                             .keys = keys,
                             .key_count = 1,
                             .identity = SIGN_ANY,
                             .trust = (const struct sign_trust *)(const void *)&stands_for_one};
    struct sign_image image = {.repository = STR("registry.example.com/team/app"),
                               .tag = STR("1.0"),
                               .digest = STR(DIGEST),
                               .media_type = STR("application/vnd.oci.image.manifest.v1+json"),
                               .size = 527,
                               .now = 1800000000};
    if (size == 0)
        return 0;
    struct str text = {(const char *)data + 1, size - 1};
    rule.identity = (enum sign_identity)(data[0] % 3);
    switch (data[0] / 3 % 5) {
    case 0:
        check_manifest(&rule, &image, text, &arena);
        break;
    case 1:
        check_payload(&rule, &image, text, &arena);
        break;
    case 2:
        check(sign_bundle_judge(&rule, &image, text, &arena, &verdict), &verdict);
        break;
    case 3:
        check(sign_notation_judge(&rule, &image, text, &arena, &verdict), &verdict);
        break;
    default:
        check_texts(text, &arena);
    }
    arena_free(&arena);
    return 0;
}
