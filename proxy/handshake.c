/* PHASE_TLS: the handshake, and who asks by the certificate that it verified. No HTTP here. */
#include "deny.h"
#include "exchange.h"
#include "stream_tls.h"
#include "throttle.h"

#include <stdio.h>

static void record(struct exchange *exchange, enum tls_failure failure, const char *why)
{
    char reason[300];
    snprintf(reason, sizeof(reason), "TLS: %s", why);
    exchange_begin(exchange, 0);
    metrics_count_handshake_failure(exchange->context->metrics, failure);
    record_refused(exchange, 0, reason);
    log_debug("%s: %s: %s", exchange->peer->listener, exchange->peer->address, reason);
}

/* Somebody speaks HTTP: he is told so in his language, as dockerd does. */
static void answer_plain(struct exchange *exchange)
{
    char answer[1024];
    struct deny_plan plan = {.status = 400,
                             .message = "sockwarden: this address speaks TLS; with docker, set "
                                        "DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH",
                             .close = true};
    struct iovec piece = {.iov_base = answer, .iov_len = 0};
    piece.iov_len = deny_write(&plan, answer, sizeof(answer));
    if (piece.iov_len)
        stream_send(exchange->client, &piece, 1);
}

/* The alert must reach the client: we end, and read away what he still sends, since bytes that
   nobody reads make the kernel answer with a reset that overtakes it. */
static enum phase give_up(struct exchange *exchange)
{
    struct stream *client = exchange->client;
    char why[256];
    if (stream_tls_silent(client))
        return PHASE_CLOSED; /* a probe of the port: it connected, and left */
    enum tls_failure failure = stream_tls_explain(client, why, sizeof(why));
    record(exchange, failure, why);
    stream_drop_tls(client);
    if (failure == TLS_FAILURE_PLAIN_HTTP)
        answer_plain(exchange);
    return PHASE_LINGER;
}

/* False: nobody can be told from the certificate, so it is refused. */
static bool identify(struct exchange *exchange)
{
    const X509 *cert = SSL_get0_peer_certificate(stream_ssl(exchange->client));
    const char *why = NULL;
    if (!cert)
        return true; /* the context demands one, or --tlsverify=false */
    exchange->peer->certificate = certificate_read(cert, &why);
    *stream_tls_trust(exchange->client) = tls_trust_now(stream_ssl(exchange->client));
    if (exchange->peer->certificate) /* the files may have been loaded anew meanwhile */
        why = exchange_distrust(exchange);
    if (!why)
        return true;
    record(exchange, TLS_FAILURE_CERTIFICATE, why);
    return false;
}

enum phase exchange_handshake(struct exchange *exchange)
{
    if (exchange->context->draining)
        return PHASE_CLOSED;
    switch (stream_handshake(exchange->client)) {
    case STREAM_OK:
        break;
    case STREAM_AGAIN:
        return PHASE_WAIT;
    default:
        return give_up(exchange);
    }
    if (!identify(exchange))
        return PHASE_LINGER;
    metrics_count_handshake(exchange->context->metrics,
                            SSL_session_reused(stream_ssl(exchange->client)) == 1);
    exchange_choose_role(exchange);
    return exchange->place == USAGE_TURNED_AWAY ? throttle_turn_away(exchange) : PHASE_HEAD;
}

enum phase exchange_handshake_late(struct exchange *exchange)
{
    record(exchange, TLS_FAILURE_LATE, "the handshake did not come in time");
    return PHASE_CLOSED;
}
