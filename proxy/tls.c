/* TLS contexts; see tls.h. Loading is tls_load.c's. */
#include "tls_load.h"

#include "tls_library.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SESSIONS_KEPT = 512,      /* some 6 KiB each: they hold the client's certificate */
    SESSION_S = 3600,         /* a session's life, if its certificates live as long */
    CLIENT_CHAIN_MAX = 48000, /* bytes of certificates that a client may send */
};

/* ---- sessions ------------------------------------------------------------------------------ */

/* A session is resumed without its certificates being looked at. So it lives no longer than they
   and the revocation lists do; a new context, with other files, has other sessions. */
static time_t valid_until(const STACK_OF(X509) * chain, const struct tls_context *context)
{
    time_t until = context->crl_until;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        time_t end = tls_time(X509_get0_notAfter(sk_X509_value(chain, i)));
        until = end < until ? end : until;
    }
    return until;
}

/* Where a session keeps that. The ready-made app_data does not do: without an index of somebody's
   own, OpenSSL 3.0 fails to copy it, and with it every session. */
static int until_index = -1;

static void make_index(void)
{
    until_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static time_t session_until(const SSL_SESSION *session)
{
    return (time_t)(intptr_t)SSL_SESSION_get_ex_data(session, until_index);
}

/* A ticket that a resumed session issues inherits the end of that. */
static time_t connection_until(const SSL *ssl, const SSL_SESSION *session)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return SSL_session_reused(ssl) ? session_until(session)
                                   : valid_until(SSL_get0_verified_chain(ssl), context);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    time_t until = connection_until(ssl, session);
    time_t left = until - time(NULL);
    /* Without memory for its table OpenSSL (3.0) leaves the session in its list, and drops the
       list's reference; put in again it has one. Of a session that is in the table nothing changes.
     */
    SSL_CTX_add_session(ctx, session);
    if (SSL_SESSION_set_ex_data(session, until_index, (void *)(intptr_t)until) != 1 || left <= 0)
        SSL_CTX_remove_session(ctx, session);
    else if (left < SESSION_S)
        SSL_SESSION_set_timeout(session, (long)left);
    return 0; /* we keep no reference */
}

bool tls_still_valid(const SSL *ssl)
{
    return !SSL_session_reused(ssl) || session_until(SSL_get_session(ssl)) > time(NULL);
}

/* ---- callbacks of the handshake ------------------------------------------------------------ */

/* Our streams speak HTTP/1.1 and nothing else. Who offers nothing gets that. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                           const unsigned char *in, unsigned in_length, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at < in_length; at += in[at] + 1u) {
        struct str name = {(const char *)in + at + 1, in[at]};
        if (at + 1 + name.n <= in_length && str_is(name, "http/1.1")) {
            *out = in + at + 1;
            *out_length = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* With a revocation list, each client's issuer must have one; an authority above that is looked up
   where there is one. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    if (ok || X509_STORE_CTX_get_error(store) != X509_V_ERR_UNABLE_TO_GET_CRL ||
        X509_STORE_CTX_get_error_depth(store) == 0)
        return ok;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* ---- verified once, and again ---------------------------------------------------------------- */

static const struct {
    int code;
    enum tls_failure failure;
    const char *text;
} verify_texts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, TLS_FAILURE_EXPIRED, "the client's certificate has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, TLS_FAILURE_CERTIFICATE,
     "the client's certificate is not yet valid"},
    {X509_V_ERR_CERT_REVOKED, TLS_FAILURE_REVOKED, "the client's certificate has been revoked"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_FAILURE_UNKNOWN_CA,
     "the client's certificate is of an unknown CA"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_FAILURE_UNKNOWN_CA,
     "the client's certificate is of an unknown CA"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_FAILURE_UNKNOWN_CA,
     "the client's certificate is of an unknown CA"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_FAILURE_UNKNOWN_CA,
     "the client's certificate is of an unknown CA"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_FAILURE_UNKNOWN_CA,
     "the client's certificate is of an unknown CA"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, TLS_FAILURE_UNKNOWN_CA,
     "the client's certificate is of an unknown CA: one of the same name, with another key"},
    {X509_V_ERR_INVALID_PURPOSE, TLS_FAILURE_CERTIFICATE,
     "the client's certificate is not for clients (no clientAuth)"},
    {X509_V_ERR_UNABLE_TO_GET_CRL, TLS_FAILURE_REVOCATIONS,
     "the CA of the client's certificate has no list in --tlscrl"},
    {X509_V_ERR_CRL_HAS_EXPIRED, TLS_FAILURE_REVOCATIONS,
     "the revocation list in --tlscrl has expired; fetch a new one"},
    {X509_V_ERR_CRL_NOT_YET_VALID, TLS_FAILURE_REVOCATIONS,
     "the revocation list in --tlscrl is not yet valid"},
};

/* Static; NULL: there is none of our own. */
static const char *verify_text(long code, enum tls_failure *failure)
{
    for (size_t i = 0; i < ARRAY_LEN(verify_texts); i++)
        if (verify_texts[i].code == code) {
            *failure = verify_texts[i].failure;
            return verify_texts[i].text;
        }
    return NULL;
}

struct tls_trust tls_trust_now(const SSL *ssl)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return (struct tls_trust){context->serial, connection_until(ssl, SSL_get_session(ssl))};
}

/* As OpenSSL prepares it in a handshake. */
static bool prepare(X509_STORE_CTX *store, const struct tls_context *context, const SSL *ssl)
{
    if (X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context->ctx),
                            SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl)) != 1)
        return false;
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    X509_VERIFY_PARAM_set_auth_level(param, SSL_CTX_get_security_level(context->ctx));
    X509_STORE_CTX_set_verify_cb(store, on_verify);
    return X509_STORE_CTX_set_default(store, "ssl_client") == 1 &&
           X509_VERIFY_PARAM_set1(param, SSL_CTX_get0_param(context->ctx)) == 1;
}

const char *tls_verify_again(const struct tls_context *context, const SSL *ssl,
                             struct tls_trust *trust)
{
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    const char *why = "the client's certificate cannot be verified again: out of memory";
    *trust = (struct tls_trust){0, 0};
    if (store && prepare(store, context, ssl)) {
        bool ok = X509_verify_cert(store) == 1;
        int code = X509_STORE_CTX_get_error(store);
        enum tls_failure ignored;
        why = ok ? NULL : verify_text(code, &ignored);
        if (!ok && !why)
            why = X509_verify_cert_error_string(code);
        time_t until = ok ? valid_until(X509_STORE_CTX_get0_chain(store), context) : 0;
        time_t soonest = time(NULL) + 1; /* some other authority's list may be over */
        if (ok)
            *trust = (struct tls_trust){context->serial, until > soonest ? until : soonest};
    }
    X509_STORE_CTX_free(store);
    ERR_clear_error();
    return why;
}

/* ---- contexts ------------------------------------------------------------------------------ */

static bool set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 /* stream_tls.c tells a cut from an end by itself; OpenSSL would
                                    forget the session as well */
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS |
                              /* the file holds the chain; else each handshake would look for it
                                 among the clients' CAs, which costs a verification */
                              SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aPSK") == 1 &&
           SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                         "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1;
}

static bool set_sessions(struct tls_context *context)
{
    SSL_CTX *ctx = context->ctx;
    unsigned char id[SSL_MAX_SID_CTX_LENGTH];
    SSL_CTX_set_app_data(ctx, context);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(ctx, SESSIONS_KEPT);
    SSL_CTX_set_timeout(ctx, SESSION_S);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_index);
    return until_index >= 0 && RAND_bytes(id, sizeof(id)) == 1 &&
           SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1;
}

static void set_verify(const struct tls_context *context, const struct tls_files *files)
{
    int mode = files->verify ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
               : files->ca   ? SSL_VERIFY_PEER
                             : SSL_VERIFY_NONE;
    SSL_CTX_set_verify(context->ctx, mode, on_verify);
    SSL_CTX_set_purpose(context->ctx, X509_PURPOSE_SSL_CLIENT);
    if (files->crl)
        X509_STORE_set_flags(SSL_CTX_get_cert_store(context->ctx),
                             X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

static _Atomic uint64_t serials;

struct tls_context *tls_context_new(const struct tls_files *files, struct err *err)
{
    struct tls_context *context = calloc(1, sizeof(*context));
    SSL_CTX *ctx = context ? SSL_CTX_new_ex(tls_library(), NULL, TLS_server_method()) : NULL;
    if (!ctx) {
        free(context);
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    context->ctx = ctx;
    context->crl_until = INT64_MAX;
    context->serial = atomic_fetch_add(&serials, 1) + 1;
    atomic_init(&context->references, 1);
    ERR_clear_error();
    bool ok = set_rules(ctx) && set_sessions(context);
    if (!ok)
        err_set(err, 0, 0, "OpenSSL cannot do what TLS needs here: %s", tls_error());
    ok = ok && tls_load_certificate(context, files->cert, err) &&
         tls_load_key(context, files->key, files->cert, err) &&
         (!files->ca || tls_load_cas(context, files->ca, err)) &&
         (!files->crl || tls_load_crls(context, files->crl, err));
    if (ok && files->verify && !files->ca)
        ok = err_set(err, 0, 0, "--tlscacert is missing: client certificates need a CA");
    ERR_clear_error();
    if (ok) {
        set_verify(context, files);
        return context;
    }
    tls_context_unref(context);
    return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add(&context->references, 1);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (!context || atomic_fetch_sub(&context->references, 1) != 1)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}

uint64_t tls_context_serial(const struct tls_context *context)
{
    return context->serial;
}

bool tls_context_same(const struct tls_context *a, const struct tls_context *b)
{
    return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

void tls_context_forget_sessions(struct tls_context *context)
{
    SSL_CTX_flush_sessions(context->ctx, 0);
}

time_t tls_context_not_after(const struct tls_context *context)
{
    return tls_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context->ctx)));
}

SSL *tls_connection_new(struct tls_context *context)
{
    SSL *ssl = SSL_new(context->ctx);
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

/* ---- why a handshake failed ---------------------------------------------------------------- */

static const struct {
    int code;
    enum tls_failure failure;
    const char *text;
} reason_texts[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_FAILURE_NO_CERTIFICATE,
     "no certificate: the client sent none"},
    {SSL_R_UNSUPPORTED_PROTOCOL, TLS_FAILURE_PROTOCOL, "unsupported protocol: older than TLS 1.2"},
    {SSL_R_VERSION_TOO_LOW, TLS_FAILURE_PROTOCOL, "unsupported protocol: older than TLS 1.2"},
    {SSL_R_NO_SHARED_CIPHER, TLS_FAILURE_PROTOCOL, "no cipher that both sides know"},
    {SSL_R_NO_SUITABLE_KEY_SHARE, TLS_FAILURE_PROTOCOL, "no key exchange that both sides know"},
    {SSL_R_NO_APPLICATION_PROTOCOL, TLS_FAILURE_PROTOCOL,
     "no application protocol: the client does not speak http/1.1"},
    {SSL_R_HTTP_REQUEST, TLS_FAILURE_PLAIN_HTTP, "plain HTTP came in where TLS is spoken"},
    {SSL_R_HTTPS_PROXY_REQUEST, TLS_FAILURE_PLAIN_HTTP, "plain HTTP came in where TLS is spoken"},
    {SSL_R_WRONG_VERSION_NUMBER, TLS_FAILURE_NOT_TLS, "what came in is not TLS"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, TLS_FAILURE_NOT_TLS, "what came in is not TLS"},
    {SSL_R_BAD_LENGTH, TLS_FAILURE_NOT_TLS, "what came in is not TLS"},
    {SSL_R_UNEXPECTED_MESSAGE, TLS_FAILURE_NOT_TLS, "what came in is not a TLS handshake"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, TLS_FAILURE_DISTRUST,
     "the client does not trust this server: unknown CA"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, TLS_FAILURE_DISTRUST,
     "the client does not trust this server: bad certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, TLS_FAILURE_DISTRUST,
     "the client found this server's certificate expired"},
};

const char *tls_failure_name(enum tls_failure failure)
{
    static const char *const names[TLS_FAILURES] = {
        [TLS_FAILURE_OTHER] = "other",
        [TLS_FAILURE_NO_CERTIFICATE] = "no_certificate",
        [TLS_FAILURE_CERTIFICATE] = "bad_certificate",
        [TLS_FAILURE_EXPIRED] = "expired",
        [TLS_FAILURE_REVOKED] = "revoked",
        [TLS_FAILURE_UNKNOWN_CA] = "unknown_ca",
        [TLS_FAILURE_REVOCATIONS] = "revocation_list",
        [TLS_FAILURE_PROTOCOL] = "protocol",
        [TLS_FAILURE_PLAIN_HTTP] = "plain_http",
        [TLS_FAILURE_NOT_TLS] = "not_tls",
        [TLS_FAILURE_DISTRUST] = "client_distrusts",
        [TLS_FAILURE_LEFT] = "client_left",
        [TLS_FAILURE_LATE] = "timeout",
    };
    return names[failure];
}

static enum tls_failure explain_verify(long code, char *dst, size_t cap)
{
    enum tls_failure failure = TLS_FAILURE_CERTIFICATE;
    const char *text = verify_text(code, &failure);
    if (text)
        snprintf(dst, cap, "%s", text);
    else
        snprintf(dst, cap, "the client's certificate is refused: %s",
                 X509_verify_cert_error_string(code));
    return failure;
}

enum tls_failure tls_explain(const SSL *ssl, bool ended, char *dst, size_t cap)
{
    enum tls_failure failure = TLS_FAILURE_OTHER;
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    long verified = SSL_get_verify_result(ssl);
    const char *text = ERR_reason_error_string(error);
    ERR_clear_error();
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
        return explain_verify(verified, dst, cap);
    for (size_t i = 0; i < ARRAY_LEN(reason_texts); i++)
        if (reason_texts[i].code == reason && reason) {
            text = reason_texts[i].text;
            failure = reason_texts[i].failure;
        }
    if (ended && (reason == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
        text = "the client left in the middle of the handshake";
        failure = TLS_FAILURE_LEFT;
    }
    snprintf(dst, cap, "%s", text ? text : "the handshake failed");
    return failure;
}
