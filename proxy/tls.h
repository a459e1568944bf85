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

/* How far a client's certificate has been verified. */
struct tls_trust {
    uint64_t serial; /* of the context that took it; 0: none does */
    time_t until;    /* when that has to be asked again */
};

/* Loads the files. NULL with err set: the sentence names option, file and remedy. What only needs
   attention is said in the log. */
struct tls_context *tls_context_new(const struct tls_files *files, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *context);
/* NULL is fine. */
void tls_context_unref(struct tls_context *context);
/* No other context of this process has the same. Never 0. */
uint64_t tls_context_serial(const struct tls_context *context);
/* Were both loaded from the same bytes? */
bool tls_context_same(const struct tls_context *a, const struct tls_context *b);
/* Nobody resumes a session of it any more. From any thread. */
void tls_context_forget_sessions(struct tls_context *context);
/* When the server's certificate ends. */
time_t tls_context_not_after(const struct tls_context *context);

/* A connection's server side, without transport; NULL when out of memory. Holds the SSL_CTX, but
   not the context: that must outlive it. */
SSL *tls_connection_new(struct tls_context *context);
/* False: the client was verified once, but that is no longer worth anything. After the handshake.
 */
bool tls_still_valid(const SSL *ssl);
/* What the handshake that has just succeeded says of the client's certificate. */
struct tls_trust tls_trust_now(const SSL *ssl);
/* Would the context take the certificate that the client of this connection has shown? NULL with
   trust set, or a static sentence. From any thread that owns the connection. */
const char *tls_verify_again(const struct tls_context *context, const SSL *ssl,
                             struct tls_trust *trust);
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
