/* What the files of tests/signatures do not hold: keys, encodings, and payloads, bundles and
   manifests that are signed here, each spoiled in one way. */
#include "sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define HEX    "104920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define DIGEST "sha256:" HEX
#define NAME   "registry.example.com/team/app"

static struct str encode(struct str bytes, struct arena *arena)
{
    char *out = arena_alloc(arena, bytes.n / 3 * 4 + 5, 1);
    assert_non_null(out);
    int n = EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes.p, (int)bytes.n);
    return (struct str){out, (size_t)n};
}

static struct str pem_of(EVP_PKEY *pkey, struct arena *arena)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    long n = BIO_get_mem_data(bio, &text);
    struct str copy = arena_copy(arena, (struct str){text, (size_t)n});
    BIO_free(bio);
    return copy;
}

static struct str sign_with(EVP_PKEY *pkey, const char *digest, bool pss, struct str text,
                            struct arena *arena)
{
    unsigned char out[1200];
    size_t n = sizeof out;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *params = NULL;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &params, digest, NULL, NULL, pkey, NULL), 1);
    if (pss)
        EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING);
    assert_int_equal(EVP_DigestSign(ctx, out, &n, (const unsigned char *)text.p, text.n), 1);
    EVP_MD_CTX_free(ctx);
    return arena_copy(arena, (struct str){(const char *)out, n});
}

/* ---- keys ---------------------------------------------------------------------------------- */

static EVP_PKEY *new_key(const char *kind)
{
    if (strcmp(kind, "RSA") == 0)
        return EVP_RSA_gen(2048);
    if (strcmp(kind, "ED25519") == 0 || strcmp(kind, "ED448") == 0 || strcmp(kind, "X25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, kind);
    return EVP_EC_gen(kind);
}

static void keys_choose_their_algorithm(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *digest;
        bool pss, read, good;
    } table[] = {
        {"P-256", "SHA256", false, true, true},  {"P-256", "SHA384", false, true, false},
        {"P-384", "SHA384", false, true, true},  {"P-384", "SHA256", false, true, true},
        {"P-384", "SHA512", false, true, false}, {"P-521", "SHA512", false, true, true},
        {"P-521", "SHA256", false, true, true},  {"P-521", "SHA384", false, true, false},
        {"RSA", "SHA256", false, true, true},    {"RSA", "SHA512", false, true, false},
        {"RSA", "SHA256", true, true, false},    {"ED25519", NULL, false, true, true},
        {"P-224", NULL, false, false, false},    {"secp256k1", NULL, false, false, false},
        {"ED448", NULL, false, false, false},    {"X25519", NULL, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct err err = {0};
        EVP_PKEY *pkey = new_key(table[i].kind);
        assert_non_null(pkey);
        struct sign_key *key = sign_key_read(pem_of(pkey, &arena), NULL, &err);
        if ((key != NULL) != table[i].read)
            fail_msg("row %zu: %s: %s", i, table[i].kind, err.text);
        if (key) {
            struct str text = STR("text");
            struct str signature = sign_with(pkey, table[i].digest, table[i].pss, text, &arena);
            if (sign_key_verify(key, text, signature) != table[i].good)
                fail_msg("row %zu: %s with %s", i, table[i].kind, table[i].digest);
            assert_false(sign_key_verify(key, STR("texu"), signature));
            assert_int_equal(strlen(sign_key_fingerprint(key)), SIGN_FINGERPRINT_BYTES);
        } else
            assert_true(err.set);
        sign_key_free(key);
        EVP_PKEY_free(pkey);
        arena_free(&arena);
    }
}

static void key_files_hold_one_public_key(void **state)
{
    (void)state;
    struct arena arena = {0};
    EVP_PKEY *pkey = new_key("P-256");
    struct str pem = pem_of(pkey, &arena);
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
    long n = BIO_get_mem_data(bio, &text);
    const struct str twice[] = {pem, pem};
    const struct str bad[] = {STR(""),
                              STR("text"),
                              {text, (size_t)n},
                              str_head(pem, pem.n / 2),
                              arena_join(&arena, twice, 2)};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        if (sign_key_read(bad[i], NULL, &err))
            fail_msg("file %zu is taken", i);
        assert_true(err.set);
    }
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    arena_free(&arena);
}

static void base64_is_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain;
        bool url;
    } table[] = {
        {"", "", false},        {"YQ==", "a", false},       {"YWI=", "ab", false},
        {"YWJj", "abc", false}, {"Y\r\nQ==\n", "a", false}, {"YQ", NULL, false},
        {"YQ=", NULL, false},   {"YR==", NULL, false},      {"YWJ=", NULL, false},
        {"Y Q=", NULL, false},  {"YQ==YQ==", NULL, false},  {"====", NULL, false},
        {"-_8=", NULL, false},  {"YQ", "a", true},          {"YWI", "ab", true},
        {"YQ==", NULL, true},   {"YR", NULL, true},         {"Y", NULL, true},
        {"YQ\n", NULL, true},   {"+/8", NULL, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct str out;
        bool good = (table[i].url ? sign_base64url_decode
                                  : sign_base64_decode)(str_of(table[i].text), &arena, &out);
        if (good != (table[i].plain != NULL) || (good && !str_is(out, table[i].plain)))
            fail_msg("row %zu: '%s'", i, table[i].text);
        arena_free(&arena);
    }
}

/* ---- payloads and bundles ------------------------------------------------------------------ */

#define PAYLOAD(name, digest, type)                                              \
    "{\"critical\":{\"identity\":{\"docker-reference\":\"" name                  \
    "\"},\"image\":{\"docker-manifest-digest\":\"" digest "\"},\"type\":\"" type \
    "\"},\"optional\":"                                                          \
    "null}"
#define COSIGN "cosign container image signature"

struct row {
    const char *text;
    enum sign_identity identity;
    enum sign_reason reason;
};

// clang-format off
static const struct row payloads[] = {
    {PAYLOAD(NAME, DIGEST, COSIGN), SIGN_REPOSITORY, SIGN_OK},
    {PAYLOAD(NAME ":1.0", DIGEST, COSIGN), SIGN_EXACT, SIGN_OK},
    {PAYLOAD(NAME "@" DIGEST, DIGEST, COSIGN), SIGN_REPOSITORY, SIGN_OK},
    {PAYLOAD("x", DIGEST, COSIGN), SIGN_ANY, SIGN_OK},
    {PAYLOAD("x", DIGEST, COSIGN), SIGN_REPOSITORY, SIGN_IDENTITY_MISMATCH},
    {PAYLOAD("", DIGEST, COSIGN), SIGN_REPOSITORY, SIGN_IDENTITY_MISMATCH},
    {PAYLOAD(NAME ":2.0", DIGEST, COSIGN), SIGN_EXACT, SIGN_IDENTITY_MISMATCH},
    {PAYLOAD(NAME "/more", DIGEST, COSIGN), SIGN_REPOSITORY, SIGN_IDENTITY_MISMATCH},
    {PAYLOAD(NAME "@sha256:0000000000000000000000000000000000000000000000000000000000000000", DIGEST, COSIGN), SIGN_REPOSITORY, SIGN_IDENTITY_MISMATCH},
    {PAYLOAD(NAME, "sha256:1049", COSIGN), SIGN_REPOSITORY, SIGN_BAD_PAYLOAD},
    {PAYLOAD(NAME, "sha256:104920F738D344C3789B8499AD3C5FAC7B68BCA65DBEFE91DB6B5CEDF05BE7F0", COSIGN), SIGN_REPOSITORY, SIGN_BAD_PAYLOAD},
    {PAYLOAD(NAME, DIGEST, "atomic container signature"), SIGN_REPOSITORY, SIGN_BAD_PAYLOAD},
    {PAYLOAD(NAME, DIGEST, COSIGN) "{}", SIGN_REPOSITORY, SIGN_BAD_PAYLOAD},
    {PAYLOAD(NAME, DIGEST, COSIGN "\",\"Type\":\"" COSIGN), SIGN_REPOSITORY, SIGN_BAD_PAYLOAD},
    {PAYLOAD(NAME, DIGEST, COSIGN "\",\"more\":\""), SIGN_REPOSITORY, SIGN_BAD_PAYLOAD},
    {PAYLOAD(NAME "\",\"x\":\"", DIGEST, COSIGN), SIGN_ANY, SIGN_BAD_PAYLOAD},
    {"{\"critical\":null,\"optional\":null}", SIGN_ANY, SIGN_BAD_PAYLOAD},
    {"{\"optional\":null}", SIGN_ANY, SIGN_BAD_PAYLOAD},
    {"[]", SIGN_ANY, SIGN_BAD_PAYLOAD},
    {"null", SIGN_ANY, SIGN_BAD_PAYLOAD},
};

#define STATEMENT(type, predicate, subject) \
    "{\"_type\":\"" type "\",\"predicateType\":\"" predicate "\",\"subject\":" subject ",\"predicate\":{}}"
#define V1      "https://in-toto.io/Statement/v1"
#define SIGN_V1 "https://sigstore.dev/cosign/sign/v1"
#define SUBJECT "[{\"digest\":{\"sha256\":\"" HEX "\"}}]"

static const struct row statements[] = {
    {STATEMENT(V1, SIGN_V1, SUBJECT), SIGN_ANY, SIGN_OK},
    {STATEMENT(V1, SIGN_V1, "[{},1,{\"digest\":{\"sha256\":\"" HEX "\"}}]"), SIGN_ANY, SIGN_OK},
    {STATEMENT(V1, SIGN_V1, SUBJECT), SIGN_REPOSITORY, SIGN_IDENTITY_MISMATCH},
    {STATEMENT(V1, SIGN_V1, SUBJECT), SIGN_EXACT, SIGN_IDENTITY_MISMATCH},
    {STATEMENT(V1, SIGN_V1, "[]"), SIGN_ANY, SIGN_DIGEST_MISMATCH},
    {STATEMENT(V1, SIGN_V1, "[{\"digest\":{\"sha512\":\"" HEX "\"}}]"), SIGN_ANY, SIGN_DIGEST_MISMATCH},
    {STATEMENT(V1, SIGN_V1, "{}"), SIGN_ANY, SIGN_BAD_PAYLOAD},
    {STATEMENT("https://in-toto.io/Statement/v0.1", SIGN_V1, SUBJECT), SIGN_ANY, SIGN_BAD_PAYLOAD},
    {STATEMENT(V1, "https://spdx.dev/Document", SUBJECT), SIGN_ANY, SIGN_BAD_PAYLOAD},
    {"not JSON", SIGN_ANY, SIGN_BAD_PAYLOAD},
};

#define V03 "application/vnd.dev.sigstore.bundle.v0.3+json"
#define DSSE(type, signatures) "\"dsseEnvelope\":{\"payload\":\"%P\",\"payloadType\":\"" type "\",\"signatures\":[" signatures "]}"
#define ONE "{\"sig\":\"%S\"}"
#define IN_TOTO "application/vnd.in-toto+json"
#define BUNDLE(type, material, rest) "{\"mediaType\":\"" type "\",\"verificationMaterial\":{" material "}," rest "}"
#define KEY "\"publicKey\":{\"hint\":\"x\"}"

/* %P: a good payload, %S: its signature. */
static const struct row bundles[] = {
    {BUNDLE(V03, KEY, DSSE(IN_TOTO, ONE)), SIGN_ANY, SIGN_OK},
    {BUNDLE("application/vnd.dev.sigstore.bundle+json;version=0.3", KEY, DSSE(IN_TOTO, ONE)), SIGN_ANY, SIGN_OK},
    {BUNDLE(V03, KEY ",\"certificate\":null", DSSE(IN_TOTO, ONE)), SIGN_ANY, SIGN_OK},
    {BUNDLE(V03, KEY ",\"certificate\":{}", DSSE(IN_TOTO, ONE)), SIGN_ANY, SIGN_KEYLESS_UNSUPPORTED},
    {BUNDLE(V03, "\"x509CertificateChain\":{}", DSSE(IN_TOTO, ONE)), SIGN_ANY, SIGN_KEYLESS_UNSUPPORTED},
    {BUNDLE(V03, "\"tlogEntries\":[]", DSSE(IN_TOTO, ONE)), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE("application/vnd.dev.sigstore.bundle.v0.4+json", KEY, DSSE(IN_TOTO, ONE)), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE(V03, KEY, DSSE("text/plain", ONE)), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE(V03, KEY, DSSE(IN_TOTO, "")), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE(V03, KEY, DSSE(IN_TOTO, ONE "," ONE)), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE(V03, KEY, "\"messageSignature\":{\"signature\":\"%S\"}"), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE(V03, KEY, DSSE(IN_TOTO, ONE) ",\"messageSignature\":{}"), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE(V03, KEY, DSSE(IN_TOTO, ONE) ",\"DSSEEnvelope\":{}"), SIGN_ANY, SIGN_BAD_BUNDLE},
    {BUNDLE(V03, KEY, DSSE(IN_TOTO, "{\"sig\":\"%S!\"}")), SIGN_ANY, SIGN_BAD_ENCODING},
    {BUNDLE(V03, KEY, DSSE(IN_TOTO, "{\"sig\":\"AAAA\"}")), SIGN_ANY, SIGN_BAD_SIGNATURE},
    {"{}", SIGN_ANY, SIGN_BAD_BUNDLE},
    {"", SIGN_ANY, SIGN_BAD_BUNDLE},
};
// clang-format on

struct signer {
    struct arena arena;
    EVP_PKEY *pkey;
    struct sign_key *key;
    const struct sign_key *keys[1];
    struct sign_rule rule;
    struct sign_image image;
};

static void open_signer(struct signer *signer)
{
    *signer = (struct signer){.pkey = new_key("P-256")};
    signer->key = sign_key_read(pem_of(signer->pkey, &signer->arena), NULL, NULL);
    assert_non_null(signer->key);
    signer->keys[0] = signer->key;
    signer->rule = (struct sign_rule){
        .formats = BIT(SIGN_COSIGN_SIMPLE) | BIT(SIGN_SIGSTORE_BUNDLE),
        .keys = signer->keys,
        .key_count = 1,
    };
    signer->image =
        (struct sign_image){.repository = STR(NAME), .tag = STR("1.0"), .digest = STR(DIGEST)};
}

static void close_signer(struct signer *signer)
{
    sign_key_free(signer->key);
    EVP_PKEY_free(signer->pkey);
    arena_free(&signer->arena);
}

static void expect(const struct row *row, bool good, const struct sign_verdict *verdict)
{
    if (verdict->reason != row->reason || good != (row->reason == SIGN_OK))
        fail_msg("%s: %s: %s", row->text, sign_reason_name(verdict->reason), verdict->text);
}

static void payloads_are_judged(void **state)
{
    (void)state;
    struct signer signer;
    open_signer(&signer);
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        char digest[SIGN_DIGEST_BYTES + 1];
        struct sign_verdict verdict;
        struct str text = str_of(payloads[i].text);
        struct str signature = sign_with(signer.pkey, "SHA256", false, text, &signer.arena);
        assert_true(sign_digest_write(text, digest));
        struct sign_descriptor layer = {.digest = str_of(digest),
                                        .size = text.n,
                                        .signature = encode(signature, &signer.arena)};
        signer.rule.identity = payloads[i].identity;
        bool good =
            sign_cosign_judge(&signer.rule, &signer.image, &layer, text, &signer.arena, &verdict);
        expect(&payloads[i], good, &verdict);
        signer.rule.formats = BIT(SIGN_SIGSTORE_BUNDLE);
        assert_false(
            sign_cosign_judge(&signer.rule, &signer.image, &layer, text, &signer.arena, &verdict));
        signer.rule.formats |= BIT(SIGN_COSIGN_SIMPLE);
        layer.size++;
        assert_false(
            sign_cosign_judge(&signer.rule, &signer.image, &layer, text, &signer.arena, &verdict));
    }
    close_signer(&signer);
}

/* The template with payload and its signature for %P and %S. */
static struct str fill(struct signer *signer, const char *template, const char *payload)
{
    struct arena *arena = &signer->arena;
    char pae[1024];
    int n = snprintf(pae, sizeof pae, "DSSEv1 28 " IN_TOTO " %zu %s", strlen(payload), payload);
    struct str message = {pae, (size_t)n};
    struct str texts[] = {encode(str_of(payload), arena),
                          encode(sign_with(signer->pkey, "SHA256", false, message, arena), arena)};
    struct str out = {NULL, 0};
    for (const char *at = template; *at; at++) {
        bool mark = at[0] == '%' && (at[1] == 'P' || at[1] == 'S');
        const struct str parts[] = {out, mark ? texts[at[1] == 'S'] : (struct str){at, 1}};
        out = arena_join(arena, parts, 2);
        at += mark;
    }
    return out;
}

static void bundles_are_judged(void **state)
{
    (void)state;
    struct signer signer;
    struct sign_verdict verdict;
    open_signer(&signer);
    for (size_t i = 0; i < ARRAY_LEN(statements) + ARRAY_LEN(bundles); i++) {
        bool whole = i >= ARRAY_LEN(statements);
        const struct row *row = whole ? &bundles[i - ARRAY_LEN(statements)] : &statements[i];
        struct str bundle = whole ? fill(&signer, row->text, statements[0].text)
                                  : fill(&signer, bundles[0].text, row->text);
        signer.rule.identity = row->identity;
        bool good = sign_bundle_judge(&signer.rule, &signer.image, bundle, &signer.arena, &verdict);
        expect(row, good, &verdict);
    }
    close_signer(&signer);
}

/* ---- manifests ----------------------------------------------------------------------------- */

#define OCI        "\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\""
#define DESCRIPTOR "{\"mediaType\":\"x\",\"size\":2,\"digest\":\"" DIGEST "\"}"

static void manifests_are_of_one_kind(void **state)
{
    (void)state;
    static const struct row table[] = {
        {"{" OCI ",\"config\":" DESCRIPTOR ",\"layers\":[]}", 0, SIGN_OK},
        {"{\"schemaVersion\":2,\"manifests\":[" DESCRIPTOR "]}", 0, SIGN_OK},
        {"{" OCI ",\"manifests\":[]}", 0, SIGN_BAD_MANIFEST},
        {"{" OCI ",\"config\":" DESCRIPTOR ",\"manifests\":[]}", 0, SIGN_BAD_MANIFEST},
        {"{" OCI ",\"layers\":[]}", 0, SIGN_BAD_MANIFEST},
        /* what another reader would take for something else */
        {"{" OCI ",\"config\":" DESCRIPTOR ",\"Manifests\":[]}", 0, SIGN_BAD_MANIFEST},
        {"{\"schemaVersion\":2,\"manifests\":[],\"Layers\":[]}", 0, SIGN_BAD_MANIFEST},
        {"{\"schemaVersion\":2,\"manifests\":[],\"MediaType\":\"x\"}", 0, SIGN_BAD_MANIFEST},
        {"{" OCI ",\"config\":" DESCRIPTOR ",\"rootfs\":{\"type\":\"layers\"}}", 0,
         SIGN_BAD_MANIFEST},
        {"{" OCI ",\"config\":" DESCRIPTOR ",\"RootFS\":{}}", 0, SIGN_BAD_MANIFEST},
        {"{\"schemaVersion\":1,\"config\":" DESCRIPTOR "}", 0, SIGN_BAD_MANIFEST},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x\",\"size\":-1,\"digest\":\"" DIGEST
         "\"}}",
         0, SIGN_BAD_MANIFEST},
        {"{\"schemaVersion\":2,\"mediaType\":3,\"config\":" DESCRIPTOR "}", 0, SIGN_BAD_MANIFEST},
        {"{\"schemaVersion\":2,\"manifests\":{}}", 0, SIGN_BAD_MANIFEST},
        {"{}", 0, SIGN_BAD_MANIFEST},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct sign_verdict verdict = {.reason = SIGN_OK};
        struct sign_manifest manifest;
        char digest[SIGN_DIGEST_BYTES + 1];
        struct str text = str_of(table[i].text);
        assert_true(sign_digest_write(text, digest));
        bool good = sign_manifest_read(text, str_of(digest), &arena, &manifest, &verdict);
        expect(&table[i], good, &verdict);
        assert_false(sign_manifest_read(text, STR(DIGEST), &arena, &manifest, &verdict));
        assert_int_equal(verdict.reason, SIGN_BLOB_DIGEST);
        arena_free(&arena);
    }
}

#define SIGNATURE(type, notes)                                                                     \
    "{\"mediaType\":\"" type "\",\"size\":2,\"digest\":\"" DIGEST "\",\"annotations\":{" notes "}" \
    "}"
#define SIMPLE "application/vnd.dev.cosign.simplesigning.v1+json"
#define NOTE   "\"dev.cosignproject.cosign/signature\":\"YQ==\""
#define THIRTY "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
#define SIGNED SIGNATURE(SIMPLE, NOTE)

static void signature_manifests_are_listed(void **state)
{
    (void)state;
    static const struct {
        struct row row;
        size_t count;
    } table[] = {
        {{"{" OCI ",\"layers\":[" SIGNED "]}", 0, SIGN_OK}, 1},
        {{"{" OCI ",\"layers\":[" SIGNATURE("x", NOTE) "," SIGNED "]}", 0, SIGN_OK}, 1},
        {{"{" OCI ",\"layers\":[" SIGNED ",1," THIRTY "]}", 0, SIGN_OK}, 1},
        {{"{" OCI ",\"layers\":[" SIGNED ",1,2," THIRTY "]}", 0, SIGN_LIMIT}, 0},
        {{"{" OCI ",\"layers\":[]}", 0, SIGN_NO_SIGNATURE}, 0},
        {{"{" OCI ",\"layers\":[" SIGNATURE(SIMPLE, "") "],\"annotations\":{" NOTE "}}", 0,
          SIGN_NO_SIGNATURE},
         0},
        {{"{" OCI ",\"layers\":[{\"mediaType\":\"" SIMPLE "\",\"annotations\":{" NOTE "}}]}", 0,
          SIGN_BAD_MANIFEST},
         0},
        {{"{" OCI ",\"layers\":{}}", 0, SIGN_BAD_MANIFEST}, 0},
        {{"{\"schemaVersion\":2,\"layers\":[" SIGNED "],\"manifests\":[]}", 0, SIGN_BAD_MANIFEST},
         0},
        {{"{\"layers\":[" SIGNED "]}", 0, SIGN_BAD_MANIFEST}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct sign_verdict verdict = {.reason = SIGN_OK};
        struct sign_candidates found;
        bool good = sign_cosign_list(str_of(table[i].row.text), &arena, &found, &verdict);
        expect(&table[i].row, good, &verdict);
        if (good)
            assert_int_equal(found.count, table[i].count);
        arena_free(&arena);
    }
}

#define EMPTY "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define REFERRER(type, config, layer, subject)                                                    \
    "{" OCI ",\"artifactType\":\"" type                                                           \
    "\",\"config\":{\"mediaType\":\"x\",\"size\":2,\"digest\":\"" config "\"},\"layers\":[" layer \
    "],\"subject\":{\"mediaType\":\"x\",\"size\":2,\"digest\":\"" subject "\"}}"
#define NOTARY      "application/vnd.cncf.notary.signature"
#define LAYER(type) SIGNATURE(type, "")
#define JOSE        LAYER("application/jose+json")

static void referrers_hold_one_signature(void **state)
{
    (void)state;
    static const struct row table[] = {
        {REFERRER(V03, EMPTY, LAYER(V03), DIGEST), SIGN_ANY, SIGN_OK},
        {REFERRER(NOTARY, EMPTY, JOSE, DIGEST), SIGN_ANY, SIGN_OK},
        {REFERRER(NOTARY, EMPTY, LAYER("application/cose"), DIGEST), SIGN_ANY,
         SIGN_COSE_UNSUPPORTED},
        {REFERRER("x", EMPTY, JOSE, DIGEST), SIGN_ANY, SIGN_BAD_ENVELOPE},
        {REFERRER(NOTARY, EMPTY, JOSE, EMPTY), SIGN_ANY, SIGN_BAD_ENVELOPE},
        {REFERRER(V03, EMPTY, LAYER(V03), EMPTY), SIGN_ANY, SIGN_BAD_BUNDLE},
        {REFERRER(V03, DIGEST, LAYER(V03), DIGEST), SIGN_ANY, SIGN_BAD_BUNDLE},
        {REFERRER(V03, EMPTY, LAYER("application/vnd.dev.sigstore.bundle.v0.2+json"), DIGEST),
         SIGN_ANY, SIGN_BAD_BUNDLE},
        {REFERRER(V03, EMPTY, LAYER(V03) "," LAYER(V03), DIGEST), SIGN_ANY, SIGN_BAD_MANIFEST},
        {REFERRER(V03, EMPTY, "", DIGEST), SIGN_ANY, SIGN_BAD_MANIFEST},
        {REFERRER(V03, EMPTY, LAYER("text/plain"), DIGEST), SIGN_ANY, SIGN_NO_SIGNATURE},
    };
    struct sign_rule rule = {.formats = BIT(SIGN_SIGSTORE_BUNDLE) | BIT(SIGN_NOTATION_JWS)};
    struct sign_image image = {.digest = STR(DIGEST)};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct sign_verdict verdict = {.reason = SIGN_OK};
        struct sign_descriptor blob;
        enum sign_format format;
        char digest[SIGN_DIGEST_BYTES + 1];
        struct str text = str_of(table[i].text);
        assert_true(sign_digest_write(text, digest));
        struct sign_descriptor self = {.digest = str_of(digest), .size = text.n};
        bool good =
            sign_referrer_read(&rule, &image, &self, text, &arena, &blob, &format, &verdict);
        expect(&table[i], good, &verdict);
        self.size++;
        assert_false(
            sign_referrer_read(&rule, &image, &self, text, &arena, &blob, &format, &verdict));
        assert_int_equal(verdict.reason, SIGN_BLOB_DIGEST);
        arena_free(&arena);
    }
}

static void formats_have_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum sign_reason reason;
    } table[] = {
        {"cosign-simple", SIGN_OK},
        {"sigstore-bundle", SIGN_OK},
        {"notation-jws", SIGN_OK},
        {"cosign-keyless", SIGN_KEYLESS_UNSUPPORTED},
        {"notation-cose", SIGN_COSE_UNSUPPORTED},
        {"gpg", SIGN_GPG_UNSUPPORTED},
        {"content-trust", SIGN_DCT_UNSUPPORTED},
        {"", SIGN_FORMAT_NOT_ALLOWED},
        {"Cosign-Simple", SIGN_FORMAT_NOT_ALLOWED},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        enum sign_format format;
        struct sign_verdict verdict = {.reason = SIGN_OK};
        bool found = sign_format_find(str_of(table[i].name), &format, &verdict);
        assert_int_equal(verdict.reason, table[i].reason);
        assert_int_equal(found, table[i].reason == SIGN_OK);
        if (found)
            assert_string_equal(sign_format_name(format), table[i].name);
    }
    for (size_t i = 0; i < SIGN_REASONS; i++)
        assert_non_null(sign_reason_name((enum sign_reason)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_choose_their_algorithm),
        cmocka_unit_test(key_files_hold_one_public_key),
        cmocka_unit_test(base64_is_canonical),
        cmocka_unit_test(payloads_are_judged),
        cmocka_unit_test(bundles_are_judged),
        cmocka_unit_test(manifests_are_of_one_kind),
        cmocka_unit_test(signature_manifests_are_listed),
        cmocka_unit_test(referrers_hold_one_signature),
        cmocka_unit_test(formats_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
