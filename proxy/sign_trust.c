/* The certificates of Notation: chains to the roots of a trust store, the purposes they must have,
   and the subjects that are trusted. No revocation lists, no time stamps of others.
   https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md */
#include "sign_trust.h"

#include "sign_encoding.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

/* What the leaf's key dictates. */
struct jws_algorithm {
    const char *name;
    const char *type;
    int bits;          /* of the RSA key, or the curve */
    const char *curve; /* NULL: RSA-PSS */
    const char *digest;
    size_t scalar; /* bytes of r and of s */
};

static const struct jws_algorithm jws_algorithms[] = {
    {"PS256", "RSA", 2048, NULL, "SHA256", 0},
    {"PS384", "RSA", 3072, NULL, "SHA384", 0},
    {"PS512", "RSA", 4096, NULL, "SHA512", 0},
    {"ES256", "EC", 256, "prime256v1", "SHA256", 32},
    {"ES384", "EC", 384, "secp384r1", "SHA384", 48},
    {"ES512", "EC", 521, "secp521r1", "SHA512", 66},
};

/* Attributes of a subject that an identity may name; the first three it must. */
static const struct {
    const char *name;
    int nid;
} attributes[] = {
    {"C", NID_countryName},        {"ST", NID_stateOrProvinceName},
    {"O", NID_organizationName},   {"CN", NID_commonName},
    {"L", NID_localityName},       {"OU", NID_organizationalUnitName},
    {"STREET", NID_streetAddress},
};

struct identity {
    bool any;
    struct str values[ARRAY_LEN(attributes)]; /* p NULL: not named */
};

struct sign_trust {
    struct arena arena; /* the identities' texts */
    X509_STORE *store;
    struct identity *identities;
    size_t count;
    bool authority;
};

struct sign_leaf {
    X509 *certificate;
    EVP_PKEY *pkey; /* borrowed of the certificate */
    const struct jws_algorithm *algorithm;
    char fingerprint[SIGN_FINGERPRINT_BYTES + 1];
    time_t until;
};

/* ---- the trust store ----------------------------------------------------------------------- */

static bool take_attribute(struct str text, struct identity *out)
{
    size_t equals = str_find(text, '=');
    struct str name = str_trim(str_head(text, equals));
    struct str value = str_trim(str_skip(text, equals + 1));
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        if (!str_is(name, attributes[i].name) || out->values[i].p || value.n == 0)
            continue;
        out->values[i] = value;
        return true;
    }
    return false;
}

/* Values with a comma, plus, quote or backslash have no spelling here. */
static bool read_identity(struct str text, struct identity *out)
{
    struct str prefix = STR("x509.subject:");
    *out = (struct identity){.any = str_is(text, "*")};
    if (out->any)
        return true;
    if (!str_starts(text, prefix))
        return false;
    text = str_skip(text, prefix.n);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\\' || text.p[i] == '+' || text.p[i] == '"' || text.p[i] == 0)
            return false;
    for (;;) {
        size_t comma = str_find(text, ',');
        if (!take_attribute(str_head(text, comma), out))
            return false;
        if (comma == text.n)
            return out->values[0].p && out->values[1].p && out->values[2].p;
        text = str_skip(text, comma + 1);
    }
}

static bool take_identities(struct sign_trust *trust, const struct str *texts, size_t count,
                            struct err *err)
{
    if (count == 0 || count > SIGN_IDENTITIES_MAX)
        return err_set(err, 0, 0, "trusted identities: 1 to %d are taken", SIGN_IDENTITIES_MAX);
    trust->identities = arena_alloc(&trust->arena, count, sizeof *trust->identities);
    if (!trust->identities)
        return err_set(err, 0, 0, "out of memory");
    for (; trust->count < count; trust->count++) {
        struct str text = arena_copy(&trust->arena, texts[trust->count]);
        if (!text.p || !read_identity(text, &trust->identities[trust->count]))
            return err_set(err, 0, 0,
                           "a trusted identity is '*' or 'x509.subject: C=..., ST=..., O=...', "
                           "with CN, L, OU and STREET besides, each once");
    }
    return true;
}

/* One block of the file; 1: taken, 0: the end, -1: refused. */
static int take_root(struct sign_trust *trust, BIO *bio, struct err *err)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    int result = 0;
    if (PEM_read_bio(bio, &name, &header, &der, &n) == 1) {
        const unsigned char *at = der;
        X509 *root = strcmp(name, "CERTIFICATE") == 0 ? d2i_X509(NULL, &at, n) : NULL;
        bool taken = root && at == der + n && X509_STORE_add_cert(trust->store, root) == 1;
        X509_free(root);
        result = taken ? 1 : -1;
        if (!taken)
            err_set(err, 0, 0, "a trust store with something else than certificates: '%.40s'",
                    name);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return result;
}

static bool take_roots(struct sign_trust *trust, struct str pem, struct err *err)
{
    int roots = 0, result = 1;
    trust->store = X509_STORE_new();
    BIO *bio =
        pem.n > 0 && pem.n <= SIGN_TRUST_FILE_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    while (trust->store && bio && (result = take_root(trust, bio, err)) == 1)
        roots++;
    BIO_free(bio);
    ERR_clear_error();
    if (result < 0)
        return false;
    return roots > 0 || err_set(err, 0, 0, "a trust store without a certificate in PEM");
}

struct sign_trust *sign_trust_read(struct str roots, const struct str *identities, size_t count,
                                   bool authority, struct err *err)
{
    struct sign_trust *trust = calloc(1, sizeof *trust);
    if (!trust) {
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    trust->authority = authority;
    if (take_roots(trust, roots, err) && take_identities(trust, identities, count, err))
        return trust;
    sign_trust_free(trust);
    return NULL;
}

void sign_trust_free(struct sign_trust *trust)
{
    if (!trust)
        return;
    X509_STORE_free(trust->store);
    arena_free(&trust->arena);
    free(trust);
}

bool sign_trust_is_authority(const struct sign_trust *trust)
{
    return trust->authority;
}

/* ---- the leaf ------------------------------------------------------------------------------ */

/* Has the subject this value, as its only one of that kind? */
static bool attribute_is(const X509_NAME *subject, int nid, struct str value)
{
    int at = X509_NAME_get_index_by_NID(subject, nid, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, nid, at) >= 0)
        return false;
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool same = n >= 0 && str_eq((struct str){(const char *)text, (size_t)n}, value);
    OPENSSL_free(text);
    return same;
}

static bool identity_holds(const struct identity *identity, const X509_NAME *subject)
{
    for (size_t i = 0; i < ARRAY_LEN(attributes) && !identity->any; i++)
        if (identity->values[i].p && !attribute_is(subject, attributes[i].nid, identity->values[i]))
            return false;
    return true;
}

static bool trusted_subject(const struct sign_trust *trust, X509 *leaf)
{
    for (size_t i = 0; i < trust->count; i++)
        if (identity_holds(&trust->identities[i], X509_get_subject_name(leaf)))
            return true;
    return false;
}

/* For signing code and for nothing that others would have it sign. */
static bool purpose_holds(X509 *leaf)
{
    const uint32_t others =
        XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_SMIME | XKU_TIMESTAMP | XKU_OCSP_SIGN | XKU_ANYEKU;
    uint32_t flags = X509_get_extension_flags(leaf);
    uint32_t extended = X509_get_extended_key_usage(leaf);
    if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL | EXFLAG_CA)) || !(flags & EXFLAG_KUSAGE) ||
        !(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) ||
        (X509_get_key_usage(leaf) & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)))
        return false;
    return !(flags & EXFLAG_XKUSAGE) || ((extended & XKU_CODE_SIGN) && !(extended & others));
}

static const struct jws_algorithm *leaf_algorithm(EVP_PKEY *pkey)
{
    char group[64] = "";
    int bits = EVP_PKEY_get_bits(pkey);
    (void)EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                         NULL);
    ERR_clear_error();
    for (size_t i = 0; i < ARRAY_LEN(jws_algorithms); i++) {
        const struct jws_algorithm *one = &jws_algorithms[i];
        if (EVP_PKEY_is_a(pkey, one->type) == 1 && bits == one->bits &&
            (!one->curve || strcmp(group, one->curve) == 0))
            return one;
    }
    return NULL;
}

static bool take_leaf(const struct sign_trust *trust, struct sign_leaf *leaf, struct err *err)
{
    unsigned char *der = NULL;
    char digest[SIGN_DIGEST_BYTES + 1];
    if (!purpose_holds(leaf->certificate))
        return err_set(err, 0, 0, "the signing certificate is not one for signing code");
    if (!trusted_subject(trust, leaf->certificate))
        return err_set(err, 0, 0, "the signing certificate's subject is no trusted identity");
    leaf->pkey = X509_get0_pubkey(leaf->certificate);
    leaf->algorithm = leaf->pkey ? leaf_algorithm(leaf->pkey) : NULL;
    if (!leaf->algorithm)
        return err_set(err, 0, 0, "the signing certificate has a key that Notation does not take");
    int n = i2d_PUBKEY(leaf->pkey, &der);
    bool done = n > 0 && sign_digest_write((struct str){(const char *)der, (size_t)n}, digest);
    OPENSSL_free(der);
    if (!done)
        return err_set(err, 0, 0, "OpenSSL cannot name the key");
    snprintf(leaf->fingerprint, sizeof leaf->fingerprint, "SHA256:%s", digest + 7);
    return true;
}

/* ---- the chain ----------------------------------------------------------------------------- */

/* The earliest end of the chain that was built. False: one has none that can be read. */
static bool take_end(X509_STORE_CTX *ctx, time_t *until)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    bool any = false;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct tm tm = {.tm_year = 0};
        if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &tm) != 1)
            return false;
        time_t end = timegm(&tm);
        *until = any && *until < end ? *until : end;
        any = true;
    }
    return any && *until > 0;
}

/* A CA that may issue for other purposes only vouches for no signer: OpenSSL looks at that only for
   purposes that it knows, of which signing code is none in 3.0. */
static bool issuers_may_sign(X509_STORE_CTX *ctx)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 1; i < sk_X509_num(chain); i++) {
        X509 *issuer = sk_X509_value(chain, i);
        if ((X509_get_extension_flags(issuer) & EXFLAG_XKUSAGE) &&
            !(X509_get_extended_key_usage(issuer) & (XKU_CODE_SIGN | XKU_ANYEKU)))
            return false;
    }
    return true;
}

/* Security level 2: RSA from 2048 bits, and no SHA-1. */
static bool verify_chain(const struct sign_trust *trust, struct sign_leaf *leaf,
                         STACK_OF(X509) * others, time_t now, struct err *err)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool good = ctx && X509_STORE_CTX_init(ctx, trust->store, leaf->certificate, others) == 1;
    if (good) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_time(param, now);
        X509_VERIFY_PARAM_set_depth(param, SIGN_CHAIN_MAX);
        X509_VERIFY_PARAM_set_auth_level(param, 2);
        good = X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) == 1 &&
               X509_verify_cert(ctx) == 1;
        if (!good)
            err_set(err, 0, 0, "no chain to the trust store: %s",
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
        else if (!issuers_may_sign(ctx))
            good = err_set(err, 0, 0, "a CA of the chain may not issue for signing code");
        good = good && take_end(ctx, &leaf->until);
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return good || err_set(err, 0, 0, "OpenSSL cannot build the chain");
}

static X509 *read_certificate(struct str der)
{
    const unsigned char *at = (const unsigned char *)der.p;
    X509 *one = der.n > 0 && der.n < INT32_MAX ? d2i_X509(NULL, &at, (long)der.n) : NULL;
    ERR_clear_error();
    if (one && at == (const unsigned char *)der.p + der.n)
        return one;
    X509_free(one);
    return NULL;
}

static bool read_others(const struct str *certificates, size_t count, STACK_OF(X509) * others)
{
    for (size_t i = 1; others && i < count; i++) {
        X509 *one = read_certificate(certificates[i]);
        if (!one || sk_X509_push(others, one) <= 0) {
            X509_free(one);
            return false;
        }
    }
    return others != NULL;
}

struct sign_leaf *sign_trust_chain(const struct sign_trust *trust, const struct str *certificates,
                                   size_t count, time_t now, struct err *err)
{
    if (count == 0 || count > SIGN_CHAIN_MAX) {
        err_set(err, 0, 0, "a chain of 1 to %d certificates is expected", SIGN_CHAIN_MAX);
        return NULL;
    }
    STACK_OF(X509) *others = sk_X509_new_null();
    struct sign_leaf *leaf = calloc(1, sizeof *leaf);
    bool good = false;
    if (leaf)
        leaf->certificate = read_certificate(certificates[0]);
    if (!leaf || !leaf->certificate || !read_others(certificates, count, others))
        err_set(err, 0, 0, "a certificate of the chain cannot be read");
    else
        good = verify_chain(trust, leaf, others, now, err) && take_leaf(trust, leaf, err);
    sk_X509_pop_free(others, X509_free);
    if (good)
        return leaf;
    sign_leaf_free(leaf);
    return NULL;
}

void sign_leaf_free(struct sign_leaf *leaf)
{
    if (!leaf)
        return;
    X509_free(leaf->certificate);
    free(leaf);
}

const char *sign_leaf_algorithm(const struct sign_leaf *leaf)
{
    return leaf->algorithm->name;
}

const char *sign_leaf_fingerprint(const struct sign_leaf *leaf)
{
    return leaf->fingerprint;
}

time_t sign_leaf_until(const struct sign_leaf *leaf)
{
    return leaf->until;
}

/* ---- its signatures ------------------------------------------------------------------------ */

/* RFC 7518, 3.4: r and s one behind the other. The caller frees the DER; 0: impossible. */
static int raw_to_der(struct str raw, size_t scalar, unsigned char **der)
{
    if (raw.n != 2 * scalar)
        return 0;
    const unsigned char *bytes = (const unsigned char *)raw.p;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, (int)scalar, NULL);
    BIGNUM *s = BN_bin2bn(bytes + scalar, (int)scalar, NULL);
    int n = 0;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1)
        n = i2d_ECDSA_SIG(pair, der);
    else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return n > 0 ? n : 0;
}

static bool set_padding(EVP_PKEY_CTX *ctx)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool sign_leaf_verify(const struct sign_leaf *leaf, struct str message, struct str signature)
{
    const struct jws_algorithm *algorithm = leaf->algorithm;
    const unsigned char *bytes = (const unsigned char *)signature.p;
    unsigned char *der = NULL;
    size_t n = signature.n;
    if (algorithm->curve) {
        n = (size_t)raw_to_der(signature, algorithm->scalar, &der);
        bytes = der;
    }
    EVP_MD_CTX *ctx = n ? EVP_MD_CTX_new() : NULL;
    EVP_PKEY_CTX *params = NULL; /* ctx's */
    bool good = ctx &&
                EVP_DigestVerifyInit_ex(ctx, &params, algorithm->digest, NULL, NULL, leaf->pkey,
                                        NULL) == 1 &&
                (algorithm->curve || set_padding(params)) &&
                EVP_DigestVerify(ctx, bytes, n, (const unsigned char *)message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error();
    return good;
}
