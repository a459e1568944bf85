/* Public keys of image signatures, by OpenSSL's EVP. It reads no files and signs nothing. */
#include "sign_key.h"

#include "sign_encoding.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>

/* What a key verifies with: the digests are tried in this order; none is Ed25519's own. */
struct algorithm {
    const char *type;  /* of EVP_PKEY */
    const char *curve; /* NULL: not on one */
    const char *digests[2];
};

static const struct algorithm algorithms[] = {
    {"EC", "prime256v1", {"SHA256", NULL}},    {"EC", "secp384r1", {"SHA384", "SHA256"}},
    {"EC", "secp521r1", {"SHA512", "SHA256"}}, {"RSA", NULL, {"SHA256", NULL}},
    {"ED25519", NULL, {NULL, NULL}},
};

struct sign_key {
    EVP_PKEY *pkey;
    const struct algorithm *algorithm;
    char fingerprint[SIGN_FINGERPRINT_BYTES + 1];
};

/* ---- reading ------------------------------------------------------------------------------- */

/* The curve by its name: parameters spelled out could be those of another curve. */
static bool on_curve(EVP_PKEY *pkey, const char *curve)
{
    char text[64] = "";
    return EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING, text, sizeof text,
                                          NULL) == 1 &&
           strcmp(text, "named_curve") == 0 &&
           EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, text, sizeof text,
                                          NULL) == 1 &&
           strcmp(text, curve) == 0;
}

static const struct algorithm *find_algorithm(EVP_PKEY *pkey)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (EVP_PKEY_is_a(pkey, algorithms[i].type) == 1 &&
            (!algorithms[i].curve || on_curve(pkey, algorithms[i].curve)))
            return &algorithms[i];
    return NULL;
}

static bool rsa_strong(EVP_PKEY *pkey, struct err *err)
{
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits < SIGN_RSA_BITS_MIN || bits > SIGN_RSA_BITS_MAX)
        return err_set(err, 0, 0, "an RSA key of %d bits: %d to %d are taken", bits,
                       SIGN_RSA_BITS_MIN, SIGN_RSA_BITS_MAX);
    BIGNUM *exponent = NULL;
    bool usual = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
                 BN_is_word(exponent, RSA_F4) == 1;
    BN_free(exponent);
    return usual || err_set(err, 0, 0, "an RSA key with another exponent than 65537");
}

static bool point_valid(EVP_PKEY *pkey, struct err *err)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    bool valid = ctx && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return valid || err_set(err, 0, 0, "a public key that is none of its curve");
}

/* Of SubjectPublicKeyInfo as OpenSSL writes it: other spellings of one key have one fingerprint. */
static bool take_fingerprint(struct sign_key *key, struct err *err)
{
    unsigned char *der = NULL;
    char digest[SIGN_DIGEST_BYTES + 1];
    int n = i2d_PUBKEY(key->pkey, &der);
    bool done = n > 0 && sign_digest_write((struct str){(const char *)der, (size_t)n}, digest);
    OPENSSL_free(der);
    if (!done)
        return err_set(err, 0, 0, "OpenSSL cannot name the key");
    snprintf(key->fingerprint, sizeof key->fingerprint, "SHA256:%s", digest + 7);
    return true;
}

static bool take_key(struct sign_key *key, EVP_PKEY *pkey, bool *weak, struct err *err)
{
    key->pkey = pkey;
    key->algorithm = find_algorithm(pkey);
    if (!key->algorithm)
        return err_set(err, 0, 0,
                       "a key of another kind than ECDSA P-256, P-384, P-521, RSA or Ed25519");
    *weak = strcmp(key->algorithm->type, "RSA") == 0 && !rsa_strong(pkey, err);
    return !*weak && (!key->algorithm->curve || point_valid(pkey, err)) &&
           take_fingerprint(key, err);
}

/* The one block of a PEM text. A second one would be a key that nobody looks at. */
static EVP_PKEY *read_block(BIO *bio, struct err *err)
{
    char *name = NULL, *header = NULL, *name2 = NULL, *header2 = NULL;
    unsigned char *der = NULL, *der2 = NULL;
    long n = 0, n2 = 0;
    EVP_PKEY *pkey = NULL;
    if (PEM_read_bio(bio, &name, &header, &der, &n) != 1)
        err_set(err, 0, 0, "no PEM block; expected -----BEGIN PUBLIC KEY-----");
    else if (strcmp(name, "PUBLIC KEY") != 0 || *header)
        err_set(err, 0, 0, "a PEM block '%.40s'; expected 'PUBLIC KEY'%s", name,
                strstr(name, "PRIVATE KEY")
                    ? ": take the private key away, and put its public half there"
                    : "");
    else if (PEM_read_bio(bio, &name2, &header2, &der2, &n2) == 1)
        err_set(err, 0, 0, "several PEM blocks; one key a file");
    else {
        const unsigned char *at = der;
        pkey = d2i_PUBKEY(NULL, &at, n);
        if (!pkey || at != der + n) {
            EVP_PKEY_free(pkey);
            pkey = NULL;
            err_set(err, 0, 0, "a public key that OpenSSL cannot read");
        }
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    OPENSSL_free(name2);
    OPENSSL_free(header2);
    OPENSSL_free(der2);
    ERR_clear_error();
    return pkey;
}

struct sign_key *sign_key_read(struct str pem, bool *weak, struct err *err)
{
    bool ignored = false;
    weak = weak ? weak : &ignored;
    *weak = false;
    if (pem.n == 0 || pem.n > SIGN_KEY_FILE_MAX) {
        err_set(err, 0, 0, "a key file is empty, or larger than %d bytes", SIGN_KEY_FILE_MAX);
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *pkey = bio ? read_block(bio, err) : NULL;
    BIO_free(bio);
    struct sign_key *key = pkey ? calloc(1, sizeof *key) : NULL;
    if (!key) {
        EVP_PKEY_free(pkey);
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    bool taken = take_key(key, pkey, weak, err);
    ERR_clear_error();
    if (taken)
        return key;
    sign_key_free(key);
    return NULL;
}

void sign_key_free(struct sign_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

const char *sign_key_fingerprint(const struct sign_key *key)
{
    return key->fingerprint;
}

/* ---- verifying ----------------------------------------------------------------------------- */

static bool verify_with(const struct sign_key *key, const char *digest, struct str message,
                        struct str signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx &&
                EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, key->pkey, NULL) == 1 &&
                EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                                 (const unsigned char *)message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool sign_key_verify(const struct sign_key *key, struct str message, struct str signature)
{
    const char *const *digests = key->algorithm->digests;
    if (message.n == 0 || signature.n == 0)
        return false;
    return verify_with(key, digests[0], message, signature) ||
           (digests[1] && verify_with(key, digests[1], message, signature));
}
