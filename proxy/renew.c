/* What a reload, or time, does to a connection that is open: its role, and the trust in its
   certificate. What has been let through keeps the role that it was judged by. */
#include "exchange.h"
#include "stream_tls.h"
#include "throttle.h"
#include "who.h"

void exchange_choose_role(struct exchange *exchange)
{
    struct snapshot *old = exchange->snapshot;
    struct snapshot *snapshot = snapshot_ref(exchange->context->snapshot);
    exchange->snapshot = snapshot;
    if (snapshot->role) {
        exchange->served = (struct client_role){.role = snapshot->role};
        exchange->nameless = false;
    } else {
        struct client_identity identity = identity_client(exchange->peer);
        exchange->nameless = who_is_open(exchange, &identity);
        exchange->peer->fresh = false;
        exchange->served = policy_client(snapshot->policy, &identity);
        if (exchange->nameless)
            exchange->served = (struct client_role){.role = NULL};
    }
    snapshot_unref(old);
    throttle_join(exchange);
}

const char *exchange_distrust(struct exchange *exchange)
{
    if (!exchange->peer->certificate)
        return NULL;
    struct tls_trust *trust = stream_tls_trust(exchange->client);
    const SSL *ssl = stream_ssl(exchange->client);
    const struct tls_context *tls = exchange->context->snapshot->tls;
    uint64_t serial = tls_context_serial(tls);
    if (trust->serial == serial && time(NULL) < trust->until)
        return NULL;
    return tls_verify_again(tls, ssl, trust);
}

/* Lost while nothing is let through: recorded, and ended with what was queued before. */
static enum phase end_idle(struct exchange *exchange, const char *why)
{
    exchange_begin(exchange, 0);
    record_refused(exchange, 0, why);
    return PHASE_LINGER;
}

enum phase exchange_renew(struct exchange *exchange, enum phase phase)
{
    if (phase == PHASE_TLS || phase == PHASE_CLOSED)
        return PHASE_WAIT;
    bool over = phase == PHASE_HEAD || phase == PHASE_LINGER;
    if (over && exchange->snapshot && exchange->snapshot != exchange->context->snapshot)
        exchange_choose_role(exchange);
    const char *why = phase == PHASE_LINGER ? NULL : exchange_distrust(exchange);
    if (!why)
        return PHASE_WAIT;
    if (phase == PHASE_HEAD)
        return end_idle(exchange, why);
    if (phase == PHASE_DROP) /* answered: only the rest of its body is left */
        return PHASE_LINGER;
    if (!exchange->allowed)
        return exchange_refuse(exchange, 403, why);
    exchange->keep_alive = false;
    /* What it makes, or has pulled, is judged first. */
    if ((exchange->inquiry && phase >= PHASE_RESPOND) || phase == PHASE_PULLED)
        return PHASE_WAIT;
    if (!policy_closes_revoked(exchange->context->snapshot->policy))
        return PHASE_WAIT;
    exchange->cut = why;
    exchange->record_end = true;
    return PHASE_CLOSED;
}
