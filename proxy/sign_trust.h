/* Notation's trust policy: root certificates, and who may sign below them. */
#ifndef PROXY_SIGN_TRUST_H
#define PROXY_SIGN_TRUST_H

#include "err.h"
#include "sign_key.h"

#include <time.h>

enum {
    SIGN_CHAIN_MAX = 8,              /* certificates in an envelope; usual: 3 */
    SIGN_IDENTITIES_MAX = 16,        /* of one trust store */
    SIGN_TRUST_FILE_MAX = 256 << 10, /* bytes of its PEM file */
};

struct sign_trust;

/* roots: PEM with CERTIFICATE blocks alone. identities: "*", or "x509.subject: C=US, ST=WA, O=ACME"
   with C, ST and O at least. authority: the store is for the scheme
   "notary.x509.signingAuthority", else for "notary.x509". NULL with the reason in err. */
struct sign_trust *sign_trust_read(struct str roots, const struct str *identities, size_t count,
                                   bool authority, struct err *err);
void sign_trust_free(struct sign_trust *trust);
bool sign_trust_is_authority(const struct sign_trust *trust);

/* A leaf that the trust store vouches for. */
struct sign_leaf;

/* Builds the chain of these certificates (DER, leaf first) to the roots at that time, and compares
   the leaf's subject with the identities. NULL with the reason in err. */
struct sign_leaf *sign_trust_chain(const struct sign_trust *trust, const struct str *certificates,
                                   size_t count, time_t now, struct err *err);
void sign_leaf_free(struct sign_leaf *leaf);
/* "PS256", "ES384" ...: what the leaf's key dictates; NULL: a key that Notation does not know. */
const char *sign_leaf_algorithm(const struct sign_leaf *leaf);
/* "SHA256:" and the digest of the certificate's key in hex. */
const char *sign_leaf_fingerprint(const struct sign_leaf *leaf);
/* When the first certificate of its chain ends. */
time_t sign_leaf_until(const struct sign_leaf *leaf);
/* Has it signed exactly these bytes, in the form of JWS (raw r and s; RSA-PSS)? */
bool sign_leaf_verify(const struct sign_leaf *leaf, struct str message, struct str signature);

#endif
