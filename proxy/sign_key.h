/* Public keys that sign images: read from PEM, named by a fingerprint, asked for a yes or no. The
   key chooses the algorithm, never the message. */
#ifndef PROXY_SIGN_KEY_H
#define PROXY_SIGN_KEY_H

#include "base.h"
#include "err.h"

enum {
    SIGN_FINGERPRINT_BYTES = 7 + 64, /* "SHA256:" and 64 digits */
    SIGN_KEY_FILE_MAX = 16 << 10,    /* bytes of a PEM file; RSA-8192 has 1.5 KiB */
    SIGN_RSA_BITS_MIN = 2048,
    SIGN_RSA_BITS_MAX = 8192, /* larger ones cost more time than a verification may */
};

struct sign_key;

/* Reads one PEM block "PUBLIC KEY": ECDSA on P-256, P-384 or P-521, RSA of 2048 to 8192 bits with
   the exponent 65537, or Ed25519. NULL with the reason in err for anything else, several blocks
   included. weak says whether the key itself is too weak; may be NULL. */
struct sign_key *sign_key_read(struct str pem, bool *weak, struct err *err);
void sign_key_free(struct sign_key *key);

/* "SHA256:" and the digest of the key's SubjectPublicKeyInfo in lower-case hex, NUL-terminated. */
const char *sign_key_fingerprint(const struct sign_key *key);

/* Has the key signed exactly these bytes? ECDSA in DER, RSA by PKCS #1 v1.5. */
bool sign_key_verify(const struct sign_key *key, struct str message, struct str signature);

#endif
