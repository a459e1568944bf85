/* Private to tls.c and tls_load.c: the context, and how its files are read. */
#ifndef PROXY_TLS_LOAD_H
#define PROXY_TLS_LOAD_H

#include "tls.h"

#include <stdatomic.h>

struct tls_context {
    SSL_CTX *ctx;
    atomic_uint references;
    uint64_t serial;
    unsigned char digest[32]; /* SHA-256 over the files, each with the digest before it */
    time_t crl_until; /* when the first of the revocation lists ends; INT64_MAX without one */
};

/* Seconds of the epoch; 0, which is long ago, for what cannot be read. */
time_t tls_time(const ASN1_TIME *when);
/* OpenSSL's last error in its words. */
const char *tls_error(void);

bool tls_load_certificate(struct tls_context *context, const char *path, struct err *err);
bool tls_load_key(struct tls_context *context, const char *path, const char *cert, struct err *err);
bool tls_load_cas(struct tls_context *context, const char *path, struct err *err);
bool tls_load_crls(struct tls_context *context, const char *path, struct err *err);

#endif
