/* What TLS connections share: certificate, key, CAs, revocations, sessions. Immutable once loaded,
   counted, and used by all loops. It knows nothing of sockets; stream_tls.c does. */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include "err.h"

#include <openssl/ssl.h>
#include <time.h>

/* PEM files as the options name them; NULL: not given. */
struct tls_files {
    const char *cert; /* of the server, then its chain */
    const char *key;
    const char *ca;  /* one or more, that sign the clients' certificates */
    const char *crl; /* one or more */
    bool verify;     /* a client without a certificate is refused */
};

struct tls_context;

/* Loads the files. NULL with err set: the sentence names option, file and remedy. What only needs
   attention is said in the log. */
struct tls_context *tls_context_new(const struct tls_files *files, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *context);
/* NULL is fine. */
void tls_context_unref(struct tls_context *context);
/* When the server's certificate ends. */
time_t tls_context_not_after(const struct tls_context *context);

/* A connection's server side, without transport; NULL when out of memory. Holds the SSL_CTX, but
   not the context: that must outlive it. */
SSL *tls_connection_new(struct tls_context *context);
/* False: the client was verified once, but that is no longer worth anything. After the handshake.
 */
bool tls_still_valid(const SSL *ssl);
/* Why a handshake failed, by class. */
enum tls_failure {
    TLS_FAILURE_OTHER,
    TLS_FAILURE_NO_CERTIFICATE, /* the client has none */
    TLS_FAILURE_CERTIFICATE,    /* it is no good for another reason than those below */
    TLS_FAILURE_EXPIRED,
    TLS_FAILURE_REVOKED,
    TLS_FAILURE_UNKNOWN_CA,
    TLS_FAILURE_REVOCATIONS, /* no list, or none that is valid, says that it is not revoked */
    TLS_FAILURE_PROTOCOL,    /* no version, cipher or protocol that both sides know */
    TLS_FAILURE_PLAIN_HTTP,
    TLS_FAILURE_NOT_TLS,
    TLS_FAILURE_DISTRUST, /* the client does not trust this server */
    TLS_FAILURE_LEFT,     /* the client has closed */
    TLS_FAILURE_LATE,
    TLS_FAILURES,
};
const char *tls_failure_name(enum tls_failure failure); /* "unknown_ca" */

/* Why a handshake failed, in words and by class; takes OpenSSL's error. ended: the client has
   closed. */
enum tls_failure tls_explain(const SSL *ssl, bool ended, char *dst, size_t cap);

#endif
