/* Notation's envelopes: certificates and signatures are made here, and each row spoils one thing.
 */
#include "sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define NOW     1800000000 /* 2027-01-15T08:00:00Z */
#define DIGEST  "sha256:104920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define OTHER   "sha256:204920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define TYPE    "application/vnd.oci.image.manifest.v1+json"
#define CONTENT "application/vnd.cncf.notary.payload.v1+json"
#define SCHEME  "\"io.cncf.notary.signingScheme\""
#define EXPIRY  "\"io.cncf.notary.expiry\""
#define HEAD(alg, crit, more)                                                  \
    "{\"alg\":\"" alg "\",\"cty\":\"" CONTENT "\",\"crit\":[" crit "]," SCHEME \
    ":\"notary.x509\"" more "}"
#define TARGET(digest, size, type)                                                                 \
    "{\"targetArtifact\":{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size "}" \
    "}"
#define GOOD TARGET(DIGEST, "527", TYPE)
#define US   "x509.subject: C=US, ST=WA, O=ACME"

struct row {
    const char *name;
    const char *key; /* "P-256" ... or "RSA" */
    const char *head, *payload, *identity;
    const char *purpose; /* extended key usage; NULL: none */
    const char *usage;   /* NULL: digitalSignature */
    int changes;         /* of this kind to the envelope */
    enum sign_reason reason;
};

enum {
    NOTHING,
    FLIP_SIGNATURE,
    FLIP_PAYLOAD,
    OTHER_ROOT,
    MORE_MEMBERS,
    DER_SIGNATURE,
    AUTHORITY,
    OWN_ROOT,
    SERVERS_ROOT, /* that may issue for those alone */
    CODE_ROOT
};

// clang-format off
static const struct row rows[] = {
    {"P-256", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, "codeSigning", NULL, NOTHING, SIGN_OK},
    {"P-384", "P-384", HEAD("ES384", SCHEME, ""), GOOD, US, NULL, NULL, NOTHING, SIGN_OK},
    {"its own root", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, OWN_ROOT, SIGN_OK},
    {"a root for code", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, "codeSigning", NULL, CODE_ROOT, SIGN_OK},
    {"a root for servers", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, "codeSigning", NULL, SERVERS_ROOT, SIGN_UNTRUSTED},
    {"a root for servers, a leaf for all", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, SERVERS_ROOT, SIGN_UNTRUSTED},
    {"P-521", "P-521", HEAD("ES512", SCHEME, ""), GOOD, "*", NULL, NULL, NOTHING, SIGN_OK},
    {"RSA", "RSA", HEAD("PS256", SCHEME, ""), GOOD, US ", CN=signer", NULL, NULL, NOTHING, SIGN_OK},
    {"not yet expired", "P-256", HEAD("ES256", SCHEME "," EXPIRY, "," EXPIRY ":\"2027-01-15T08:00:01Z\""), GOOD, US, NULL, NULL, NOTHING, SIGN_OK},
    {"expired", "P-256", HEAD("ES256", SCHEME "," EXPIRY, "," EXPIRY ":\"2027-01-15T08:00:00Z\""), GOOD, US, NULL, NULL, NOTHING, SIGN_EXPIRED},
    {"expired with a zone", "P-256", HEAD("ES256", SCHEME "," EXPIRY, "," EXPIRY ":\"2027-01-15T08:59:00.5+01:00\""), GOOD, US, NULL, NULL, NOTHING, SIGN_EXPIRED},
    {"no time", "P-256", HEAD("ES256", SCHEME "," EXPIRY, "," EXPIRY ":\"tomorrow\""), GOOD, US, NULL, NULL, NOTHING, SIGN_BAD_ENVELOPE},
    {"expiry not critical", "P-256", HEAD("ES256", SCHEME, "," EXPIRY ":\"2030-01-01T00:00:00Z\""), GOOD, US, NULL, NULL, NOTHING, SIGN_BAD_ENVELOPE},
    {"unknown critical", "P-256", HEAD("ES256", SCHEME ",\"io.cncf.notary.verificationPlugin\"", ",\"io.cncf.notary.verificationPlugin\":\"x\""), GOOD, US, NULL, NULL, NOTHING, SIGN_BAD_ENVELOPE},
    {"scheme not critical", "P-256", HEAD("ES256", "", ""), GOOD, US, NULL, NULL, NOTHING, SIGN_BAD_ENVELOPE},
    {"alg of another curve", "P-256", HEAD("ES384", SCHEME, ""), GOOD, US, NULL, NULL, NOTHING, SIGN_BAD_ENVELOPE},
    {"alg none", "P-256", HEAD("none", SCHEME, ""), GOOD, US, NULL, NULL, NOTHING, SIGN_BAD_ENVELOPE},
    {"other digest", "P-256", HEAD("ES256", SCHEME, ""), TARGET(OTHER, "527", TYPE), US, NULL, NULL, NOTHING, SIGN_DIGEST_MISMATCH},
    {"other size", "P-256", HEAD("ES256", SCHEME, ""), TARGET(DIGEST, "528", TYPE), US, NULL, NULL, NOTHING, SIGN_DIGEST_MISMATCH},
    {"other type", "P-256", HEAD("ES256", SCHEME, ""), TARGET(DIGEST, "527", "x/y"), US, NULL, NULL, NOTHING, SIGN_DIGEST_MISMATCH},
    {"no artifact", "P-256", HEAD("ES256", SCHEME, ""), "{}", US, NULL, NULL, NOTHING, SIGN_BAD_PAYLOAD},
    {"other identity", "P-256", HEAD("ES256", SCHEME, ""), GOOD, "x509.subject: C=US, ST=WA, O=ACM", NULL, NULL, NOTHING, SIGN_UNTRUSTED},
    {"identity of more", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US ", L=Here", NULL, NULL, NOTHING, SIGN_UNTRUSTED},
    {"for servers", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, "serverAuth,codeSigning", NULL, NOTHING, SIGN_UNTRUSTED},
    {"for no code", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, "1.2.3.4", NULL, NOTHING, SIGN_UNTRUSTED},
    {"no signing key", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, "keyAgreement", NOTHING, SIGN_UNTRUSTED},
    {"other root", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, OTHER_ROOT, SIGN_UNTRUSTED},
    {"other scheme", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, AUTHORITY, SIGN_UNTRUSTED},
    {"signature changed", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, FLIP_SIGNATURE, SIGN_BAD_SIGNATURE},
    {"signature of RSA changed", "RSA", HEAD("PS256", SCHEME, ""), GOOD, US, NULL, NULL, FLIP_SIGNATURE, SIGN_BAD_SIGNATURE},
    {"payload changed", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, FLIP_PAYLOAD, SIGN_BAD_SIGNATURE},
    {"signature in DER", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, DER_SIGNATURE, SIGN_BAD_SIGNATURE},
    {"unknown member", "P-256", HEAD("ES256", SCHEME, ""), GOOD, US, NULL, NULL, MORE_MEMBERS, SIGN_BAD_ENVELOPE},
};
// clang-format on

struct made {
    struct arena arena;
    EVP_PKEY *root_key, *key;
    X509 *root, *leaf;
};

static struct str encode(struct str bytes, bool url, struct arena *arena)
{
    char *out = arena_alloc(arena, bytes.n / 3 * 4 + 5, 1);
    assert_non_null(out);
    int n = EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes.p, (int)bytes.n);
    struct str text = {out, (size_t)n};
    for (size_t i = 0; url && i < text.n; i++)
        out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
    while (url && text.n && text.p[text.n - 1] == '=')
        text.n--;
    return text;
}

static EVP_PKEY *new_key(const char *kind)
{
    EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen(kind);
    assert_non_null(key);
    return key;
}

static void name_add(X509_NAME *name, const char *field, const char *value)
{
    assert_int_equal(X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC,
                                                (const unsigned char *)value, -1, -1, 0),
                     1);
}

static void add(X509 *to, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, to, NULL, NULL, 0);
    X509_EXTENSION *one = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(one);
    assert_int_equal(X509_add_ext(to, one, -1), 1);
    X509_EXTENSION_free(one);
}

static X509 *new_certificate(EVP_PKEY *key, X509 *issuer, const char *common, long serial)
{
    X509 *one = X509_new();
    X509_set_version(one, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(one), serial);
    ASN1_TIME_set(X509_getm_notBefore(one), NOW - 1000);
    ASN1_TIME_set(X509_getm_notAfter(one), NOW + 1000);
    X509_NAME *name = X509_get_subject_name(one);
    name_add(name, "C", "US");
    name_add(name, "ST", "WA");
    name_add(name, "O", "ACME");
    name_add(name, "CN", common);
    X509_set_issuer_name(one, X509_get_subject_name(issuer ? issuer : one));
    assert_int_equal(X509_set_pubkey(one, key), 1);
    add(one, issuer ? issuer : one, NID_subject_key_identifier, "hash");
    return one;
}

static void make_certificates(struct made *made, const struct row *row)
{
    char usage[64];
    made->root_key = new_key("P-256");
    made->key = new_key(row->key);
    made->root = new_certificate(made->root_key, NULL, "root", 1);
    add(made->root, made->root, NID_basic_constraints, "critical,CA:TRUE");
    add(made->root, made->root, NID_key_usage, "critical,keyCertSign");
    if (row->changes == SERVERS_ROOT || row->changes == CODE_ROOT)
        add(made->root, made->root, NID_ext_key_usage,
            row->changes == CODE_ROOT ? "serverAuth,codeSigning" : "serverAuth,clientAuth");
    assert_true(X509_sign(made->root, made->root_key, EVP_sha256()) > 0);
    bool own = row->changes == OWN_ROOT;
    made->leaf = new_certificate(made->key, own ? NULL : made->root, "signer", 2);
    if (!own)
        add(made->leaf, made->root, NID_authority_key_identifier, "keyid:always");
    snprintf(usage, sizeof usage, "critical,%s", row->usage ? row->usage : "digitalSignature");
    add(made->leaf, made->root, NID_key_usage, usage);
    if (row->purpose)
        add(made->leaf, made->root, NID_ext_key_usage, row->purpose);
    assert_true(X509_sign(made->leaf, own ? made->key : made->root_key, EVP_sha256()) > 0);
}

static void free_made(struct made *made)
{
    X509_free(made->leaf);
    X509_free(made->root);
    EVP_PKEY_free(made->key);
    EVP_PKEY_free(made->root_key);
    arena_free(&made->arena);
}

/* r and s of a DER signature, one behind the other. */
static struct str raw_of(const unsigned char *der, size_t n, int scalar, struct arena *arena)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)n);
    unsigned char *raw = arena_alloc(arena, 2 * (size_t)scalar, 1);
    assert_true(pair && raw);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, scalar), scalar);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + scalar, scalar), scalar);
    ECDSA_SIG_free(pair);
    return (struct str){(const char *)raw, 2 * (size_t)scalar};
}

static struct str sign_text(struct made *made, const struct row *row, struct str text)
{
    bool rsa = strcmp(row->key, "RSA") == 0;
    const char *digest = strcmp(row->key, "P-384") == 0   ? "SHA384"
                         : strcmp(row->key, "P-521") == 0 ? "SHA512"
                                                          : "SHA256";
    unsigned char out[1024];
    size_t n = sizeof out;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *params = NULL;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &params, digest, NULL, NULL, made->key, NULL), 1);
    if (rsa) {
        EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(params, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(ctx, out, &n, (const unsigned char *)text.p, text.n), 1);
    EVP_MD_CTX_free(ctx);
    if (rsa || row->changes == DER_SIGNATURE)
        return arena_copy(&made->arena, (struct str){(const char *)out, n});
    return raw_of(out, n, (EVP_PKEY_get_bits(made->key) + 7) / 8, &made->arena);
}

static struct str make_envelope(struct made *made, const struct row *row)
{
    struct arena *arena = &made->arena;
    unsigned char *der = NULL;
    struct str head = encode(str_of(row->head), true, arena);
    struct str payload = encode(str_of(row->payload), true, arena);
    const struct str signed_parts[] = {head, STR("."), payload};
    struct str signature = sign_text(made, row, arena_join(arena, signed_parts, 3));
    if (row->changes == FLIP_SIGNATURE)
        ((char *)(uintptr_t)signature.p)[signature.n / 2] ^= 1;
    if (row->changes == FLIP_PAYLOAD)
        payload = encode(STR(TARGET(DIGEST, "526", TYPE)), true, arena);
    int n = i2d_X509(made->leaf, &der);
    struct str leaf = encode((struct str){(const char *)der, (size_t)n}, false, arena);
    OPENSSL_free(der);
    const struct str parts[] = {STR("{\"payload\":\""),
                                payload,
                                STR("\",\"protected\":\""),
                                head,
                                STR("\",\"header\":{\"x5c\":[\""),
                                leaf,
                                STR("\"]},\"signature\":\""),
                                encode(signature, true, arena),
                                row->changes == MORE_MEMBERS ? STR("\",\"signatures\":[]}")
                                                             : STR("\"}")};
    return arena_join(arena, parts, ARRAY_LEN(parts));
}

static struct sign_trust *make_trust(struct made *made, const struct row *row)
{
    struct err err = {0};
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    X509 *other = new_certificate(made->key, NULL, "root", 1);
    assert_true(X509_sign(other, made->key, EVP_sha256()) > 0);
    PEM_write_bio_X509(bio, row->changes == OTHER_ROOT ? other
                            : row->changes == OWN_ROOT ? made->leaf
                                                       : made->root);
    X509_free(other);
    long n = BIO_get_mem_data(bio, &text);
    struct str identity = str_of(row->identity);
    struct sign_trust *trust = sign_trust_read((struct str){text, (size_t)n}, &identity, 1,
                                               row->changes == AUTHORITY, &err);
    BIO_free(bio);
    if (!trust)
        fail_msg("%s: %s", row->name, err.text);
    return trust;
}

static void envelopes_are_judged(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct made made = {0};
        struct sign_verdict verdict;
        make_certificates(&made, &rows[i]);
        struct str envelope = make_envelope(&made, &rows[i]);
        struct sign_trust *trust = make_trust(&made, &rows[i]);
        struct sign_rule rule = {
            .formats = BIT(SIGN_NOTATION_JWS), .identity = SIGN_ANY, .trust = trust};
        struct sign_image image = {
            .digest = STR(DIGEST), .media_type = STR(TYPE), .size = 527, .now = NOW};
        bool good = sign_notation_judge(&rule, &image, envelope, &made.arena, &verdict);
        if (verdict.reason != rows[i].reason || good != (rows[i].reason == SIGN_OK)) {
            print_error("%s: %s: %s\n", rows[i].name, sign_reason_name(verdict.reason),
                        verdict.text);
            wrong++;
        }
        if (good) { /* it tells when it ends, and does then */
            assert_true(verdict.until > NOW && verdict.until <= NOW + 2000);
            assert_true(!strstr(rows[i].head, "08:00:01Z") || verdict.until == NOW + 1);
            image.now = verdict.until + 1;
            assert_false(sign_notation_judge(&rule, &image, envelope, &made.arena, &verdict));
            image.now = NOW;
        }
        rule.identity = SIGN_REPOSITORY;
        assert_false(sign_notation_judge(&rule, &image, envelope, &made.arena, &verdict));
        rule.identity = SIGN_ANY;
        image.now = NOW + 2000;
        assert_false(sign_notation_judge(&rule, &image, envelope, &made.arena, &verdict));
        sign_trust_free(trust);
        free_made(&made);
    }
    assert_int_equal(wrong, 0);
}

static void identities_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "**",
        "C=US",
        "x509.subject: C=US, ST=WA",
        "x509.subject: C=US, ST=WA, O=",
        "x509.subject: C=US, ST=WA, O=A, O=B",
        "x509.subject: C=US, ST=WA, O=A, DC=x",
        "x509.subject: C=US, ST=WA, O=A\\, B",
        "x509.subject: C=US, ST=WA, O=A,",
    };
    const struct row row = {.name = "identities", .key = "P-256", .identity = "*"};
    struct made made = {0};
    make_certificates(&made, &row);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    PEM_write_bio_X509(bio, made.root);
    long n = BIO_get_mem_data(bio, &text);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        struct str identity = str_of(bad[i]);
        if (sign_trust_read((struct str){text, (size_t)n}, &identity, 1, false, &err))
            fail_msg("'%s' is taken", bad[i]);
        assert_true(err.set);
    }
    struct str any = STR("*");
    assert_null(sign_trust_read(STR("no PEM"), &any, 1, false, NULL));
    BIO_free(bio);
    free_made(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes_are_judged),
        cmocka_unit_test(identities_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
