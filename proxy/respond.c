/* The response's side of an exchange: head, body, tunnel, and what goes wrong on the way. See
   exchange.h. */
#include "exchange.h"
#include "who.h"

#include "pulled.h"
#include "respond_filter.h"

#include <errno.h>
#include <stdio.h>

static enum phase bad_gateway(struct exchange *exchange, enum metrics_upstream kind,
                              const char *why)
{
    char message[400];
    snprintf(message, sizeof(message), "sockwarden: the Docker daemon at %s %s",
             exchange->context->upstream_name, why);
    log_seldom(&exchange->context->shared->said_answer, LOG_LEVEL_WARN,
               "%s: %s; its own log says more", operation_name(exchange->route->op),
               message + strlen("sockwarden: "));
    stream_close(exchange->upstream);
    metrics_count_upstream_error(exchange->context->metrics, kind);
    exchange->record_end = true;
    if (exchange->has_head)
        return PHASE_CLOSED;
    return exchange_answer(exchange, 502, message, false);
}

/* ---- the request's body, and the client while it waits ------------------------------------- */

static const char not_sent[] = "could not be sent the body";

/* Writing to the daemon has failed: because it reads no more, though it may have said why? Else
   the kernel had no room, and the daemon would wait for the rest. */
static bool stopped_listening(const struct stream *upstream)
{
    return upstream->error == EPIPE || upstream->error == ECONNRESET;
}

/* All that is left for the daemon is queued, and can never be sent, though it still listens. */
static bool rest_is_lost(const struct exchange *exchange)
{
    const struct stream *upstream = exchange->upstream;
    return exchange->up.done && upstream->lost_out && stream_queued(upstream) > 0 &&
           !stopped_listening(upstream);
}

static enum phase broken_body(struct exchange *exchange)
{
    stream_close(exchange->upstream);
    if (exchange->has_head)
        return PHASE_CLOSED;
    return exchange_answer(exchange, 400,
                           "sockwarden: the chunked body is not framed as HTTP wants it", true);
}

bool exchange_client_left(const struct exchange *exchange)
{
    const struct stream *client = exchange->client;
    return stream_queued(exchange->upstream) > 0 && (client->closing_hint || client->eof) &&
           stream_peer_gone(client);
}

/* Sends on what the client sends of its body. PHASE_WAIT, PHASE_YIELD, or how it ends. */
static enum phase send_body(struct exchange *exchange)
{
    for (;;) {
        switch (relay_pump(&exchange->up)) {
        case RELAY_DONE:
            return PHASE_WAIT;
        case RELAY_WAIT: /* a daemon that takes nothing must not hold who has left */
            return exchange_client_left(exchange) ? PHASE_CLOSED : PHASE_WAIT;
        case RELAY_YIELD:
            return PHASE_YIELD;
        case RELAY_FROM_LOST:
            return PHASE_CLOSED; /* the daemon sees an unfinished body and drops it */
        case RELAY_TO_LOST:
            if (!stopped_listening(exchange->upstream))
                return bad_gateway(exchange, METRICS_UPSTREAM_BROKEN, not_sent);
            /* Mostly after an early answer: that is still read, and the client must be able to
               finish sending before it reads. */
            exchange->up.to = NULL;
            exchange->reusable = false;
            break;
        case RELAY_BAD:
            return broken_body(exchange);
        }
    }
}

bool exchange_client_gone(struct exchange *exchange)
{
    struct stream *client = exchange->client;
    /* An end or an error that came with bytes brings no event of its own: read up to it. */
    enum stream_status status = STREAM_OK;
    client->closing_hint |= client->can_read;
    while (client->can_read && status == STREAM_OK)
        status = stream_fill(client);
    if (status == STREAM_BROKEN)
        return true;
    return (client->eof || status == STREAM_FULL) && stream_peer_gone(client);
}

/* The request is sent: notices a client that leaves, and passes its half-close on, as dockerd would
   see it without us. On a hijack the end is held until the tunnel stands. */
static enum phase watch_client(struct exchange *exchange)
{
    struct stream *client = exchange->client;
    if (exchange->inquiry) /* what is being made is looked at, whoever has left meanwhile */
        return PHASE_WAIT;
    if (exchange_client_gone(exchange))
        return PHASE_CLOSED;
    if (client->eof && stream_pending(client).n == 0 && !exchange->end_passed &&
        exchange->route->follow == FOLLOW_RESPONSE) {
        exchange->end_passed = true;
        stream_end(exchange->upstream);
    }
    return PHASE_WAIT;
}

/* ---- the response's head ------------------------------------------------------------------- */

enum phase exchange_bad_answer(struct exchange *exchange, const char *why)
{
    char text[200];
    snprintf(text, sizeof(text), "sent an answer that cannot be passed on: %s", why);
    return bad_gateway(exchange, METRICS_UPSTREAM_INVALID, text);
}

enum { COPIED_MAX = 512 }; /* bytes behind a head that are copied sooner than gathered */

/* Sends the rebuilt head, and with it what has already come of the body. */
static bool send_head(struct exchange *exchange, const struct http_response *http,
                      const struct response_plan *plan, struct str rest)
{
    struct loop *loop = &exchange->context->loop;
    struct buffer *buffer = loop_buffer_take(loop);
    size_t length = 0;
    bool ok = buffer && http_response_write(http, plan, buffer->data, buffer->cap, &length);
    if (ok && rest.n > 0 && rest.n <= COPIED_MAX && rest.n <= buffer->cap - length) {
        memcpy(buffer->data + length, rest.p, rest.n);
        length += rest.n;
        rest.n = 0;
    }
    struct iovec pieces[2] = {
        {.iov_base = buffer ? buffer->data : NULL, .iov_len = length},
        {.iov_base = (void *)(uintptr_t)rest.p, .iov_len = rest.n},
    };
    ok = ok && stream_send(exchange->client, pieces, rest.n ? 2 : 1) != STREAM_BROKEN;
    loop_buffer_give(loop, buffer);
    return ok;
}

static void head_sent(struct exchange *exchange)
{
    exchange->has_head = true;
    metrics_observe_response(exchange->context->metrics, exchange->route->op, exchange->started_ns);
}

/* An interim response: 100 was answered by us, others go on to who may understand them. */
static bool pass_interim(struct exchange *exchange, const struct http_response *http)
{
    struct response_plan plan = {.tunnel = true};
    return http->head.status == 100 || exchange->http10 ||
           send_head(exchange, http, &plan, (struct str){NULL, 0});
}

/* Raw bytes from here on. What the client sent early is still held and becomes the first bytes. */
static enum phase start_tunnel(struct exchange *exchange, const struct http_response *http,
                               size_t head_length)
{
    struct response_plan plan = {.http10 = exchange->http10, .tunnel = true};
    metrics_open(exchange->context->metrics, &exchange->span, METRICS_TUNNEL);
    if (!send_head(exchange, http, &plan, (struct str){NULL, 0}))
        return PHASE_CLOSED;
    stream_consume(exchange->upstream, head_length);
    head_sent(exchange);
    exchange->record_end = true;
    exchange->up = relay_new(exchange->client, exchange->upstream, FRAMING_EOF, 0);
    exchange->down = relay_new(exchange->upstream, exchange->client, FRAMING_EOF, 0);
    return PHASE_TUNNEL;
}

static bool wants_tunnel(const struct exchange *exchange, const struct http_response *http)
{
    enum follow follow = exchange->route->follow;
    if (http->head.status == 101)
        return exchange->upgrade && str_ieq(http->upgrade, http_tunnel_protocol(follow));
    return http->framing == FRAMING_EOF && http->head.status == 200 && follow == FOLLOW_HIJACK;
}

/* A client that may not use BuildKit is told that the classic builder is there, so that older ones
   fall back to it. */
static const char *builder_version(const struct exchange *exchange)
{
    bool ping = operation_class(exchange->route->op) == CLASS_PING;
    return ping && !role_buildkit(exchange->role) ? "1" : NULL;
}

void exchange_plan_answer(struct exchange *exchange, const struct http_response *http)
{
    exchange->down = relay_new(exchange->upstream, exchange->client, http->framing, http->length);
    exchange->down.chunked.trailers = true;
    exchange->down.decode = exchange->http10 && http->framing == FRAMING_CHUNKED;
    exchange->keep_alive = exchange->keep_alive && exchange->up.done &&
                           !exchange->context->draining && http->framing != FRAMING_EOF;
    exchange->reusable = http->keep_alive && http->framing != FRAMING_EOF;
}

bool exchange_send_head(struct exchange *exchange, const struct http_response *http,
                        struct str rest)
{
    struct response_plan plan = {.http10 = exchange->http10,
                                 .close = !exchange->keep_alive,
                                 .to_head = exchange->to_head,
                                 .builder = builder_version(exchange)};
    return send_head(exchange, http, &plan, rest);
}

bool exchange_send_chunk(struct exchange *exchange, struct str bytes)
{
    char size[24];
    int n = snprintf(size, sizeof(size), "%zx\r\n", bytes.n);
    const struct iovec pieces[3] = {
        {.iov_base = size, .iov_len = (size_t)n},
        {.iov_base = (void *)(uintptr_t)bytes.p, .iov_len = bytes.n},
        {.iov_base = (void *)(uintptr_t) "\r\n", .iov_len = 2},
    };
    if (exchange->http10)
        return bytes.n == 0 || stream_send(exchange->client, pieces + 1, 1) != STREAM_BROKEN;
    return stream_send(exchange->client, pieces, 3) != STREAM_BROKEN;
}

static enum phase start_body(struct exchange *exchange, const struct http_response *http,
                             size_t head_length)
{
    struct stream *upstream = exchange->upstream;
    exchange_plan_answer(exchange, http);
    struct str rest = str_skip(stream_pending(upstream), head_length);
    bool bad = false;
    size_t n = exchange->down.decode ? 0 : relay_count(&exchange->down, rest, &bad);
    if (bad)
        return exchange_bad_answer(exchange, "its chunks are broken");
    /* Counted before the client sees it. */
    if (http->framing == FRAMING_CHUNKED || http->framing == FRAMING_EOF)
        metrics_open(exchange->context->metrics, &exchange->span, METRICS_STREAM);
    if (!exchange_send_head(exchange, http, str_head(rest, n)))
        return PHASE_CLOSED;
    head_sent(exchange);
    stream_consume(upstream, head_length + n);
    return PHASE_RESPOND;
}

/* PHASE_RESPOND: go on with what follows (an interim head, or the body). PHASE_WAIT: the body must
   come first. */
static enum phase take_response_head(struct exchange *exchange, size_t length)
{
    struct http_response *http = &exchange->context->answer;
    struct http_refusal refusal = {0, NULL};
    struct str bytes = str_head(stream_pending(exchange->upstream), length);
    exchange->scan = (struct head_scan){0, 0, 0};
    if (!http_response_read(bytes, exchange->to_head, http, &refusal))
        return exchange_bad_answer(exchange, refusal.why);
    int status = http->head.status;
    if (status >= 100 && status < 200 && status != 101) {
        bool ok = pass_interim(exchange, http);
        stream_consume(exchange->upstream, length);
        return ok ? PHASE_RESPOND : PHASE_CLOSED;
    }
    if (status == 201 && exchange->route->op == OP_ContainerExec &&
        !exchange_note_exec(exchange, http, length)) {
        exchange->held_head = length;
        return PHASE_WAIT;
    }
    if (exchange->inquiry && status == 201) {
        exchange->held_head = length;
        return exchange_begin_verify(exchange, http, length);
    }
    inquiry_release(exchange);
    exchange->status = (uint16_t)status;
    if (wants_tunnel(exchange, http))
        return start_tunnel(exchange, http, length);
    if (status == 101)
        return exchange_bad_answer(exchange, "a switch of protocols that was not asked for");
    if (http->framing == FRAMING_EOF && exchange->route->follow != FOLLOW_HIJACK)
        return exchange_bad_answer(exchange, "it has no length");
    if (respond_filter_wants(exchange, http))
        return respond_filter_begin(exchange, http, length);
    if (pulled_wants(exchange, http))
        return pulled_begin(exchange, http, length);
    return start_body(exchange, http, length);
}

static enum phase read_response_head(struct exchange *exchange)
{
    struct stream *upstream = exchange->upstream;
    for (;;) {
        struct str pending = stream_pending(upstream);
        struct http_refusal refusal = {0, NULL};
        size_t length = exchange->held_head;
        if (pending.n) {
            enum head_status status =
                length ? HEAD_DONE
                       : head_scan(&exchange->scan, pending, false,
                                   exchange->context->loop.buffer_size, &length, &refusal);
            if (status == HEAD_BAD)
                return exchange_bad_answer(exchange, refusal.why);
            if (status == HEAD_DONE) {
                enum phase next = take_response_head(exchange, length);
                if (next == PHASE_RESPOND && !exchange->has_head && !respond_filter_runs(exchange))
                    continue;
                if (next != PHASE_WAIT)
                    return next;
            }
        }
        enum stream_status status = stream_fill(upstream);
        if (status == STREAM_AGAIN)
            return PHASE_WAIT;
        if (status != STREAM_OK)
            return bad_gateway(exchange, METRICS_UPSTREAM_BROKEN,
                               pending.n ? "broke off in the middle of its answer"
                                         : "closed the connection before it answered");
    }
}

/* ---- the response's body ------------------------------------------------------------------- */

enum phase exchange_end_answer(struct exchange *exchange)
{
    struct stream *upstream = exchange->upstream;
    bool clean = exchange->reusable && exchange->up.done && !exchange->end_passed &&
                 !upstream->lost_out && !upstream->eof && stream_pending(upstream).n == 0 &&
                 stream_queued(upstream) == 0;
    if (!clean)
        stream_close(upstream);
    return exchange->keep_alive && exchange->up.done && !exchange->end_passed ? PHASE_HEAD
                                                                              : PHASE_LINGER;
}

static enum phase relay_body(struct exchange *exchange)
{
    switch (relay_pump(&exchange->down)) {
    case RELAY_DONE:
        return exchange_end_answer(exchange);
    case RELAY_WAIT:
        return PHASE_WAIT;
    case RELAY_YIELD:
        return PHASE_YIELD;
    case RELAY_FROM_LOST:
    case RELAY_BAD:
        log_seldom(&exchange->context->shared->said_answer, LOG_LEVEL_WARN,
                   "%s: the Docker daemon at %s broke off in the middle of its answer; its own log "
                   "says more",
                   operation_name(exchange->route->op), exchange->context->upstream_name);
        metrics_count_upstream_error(exchange->context->metrics, METRICS_UPSTREAM_BROKEN);
        return PHASE_CLOSED; /* not ended cleanly, so that the client sees it too */
    case RELAY_TO_LOST:
        break;
    }
    return PHASE_CLOSED;
}

static enum phase pass_body(struct exchange *exchange)
{
    if (pulled_runs(exchange))
        return pulled_pass(exchange);
    return respond_filter_runs(exchange) ? respond_filter_step(exchange) : relay_body(exchange);
}

enum phase exchange_respond(struct exchange *exchange)
{
    if (rest_is_lost(exchange))
        return bad_gateway(exchange, METRICS_UPSTREAM_BROKEN, not_sent);
    enum phase up = exchange->up.done ? watch_client(exchange) : send_body(exchange);
    if (up != PHASE_WAIT && up != PHASE_YIELD)
        return up;
    enum phase down = exchange->has_head || respond_filter_runs(exchange)
                          ? pass_body(exchange)
                          : read_response_head(exchange);
    if (down == PHASE_RESPOND)
        down = pass_body(exchange);
    if (down != PHASE_WAIT && down != PHASE_YIELD)
        return down;
    return up == PHASE_YIELD || down == PHASE_YIELD ? PHASE_YIELD : PHASE_WAIT;
}

/* ---- the tunnel ---------------------------------------------------------------------------- */

/* One direction. Its end is passed on as a half-close behind what is queued; the other goes on. */
static enum phase pump_direction(struct relay *relay, bool to_daemon)
{
    if (relay->done)
        return PHASE_WAIT;
    switch (relay_pump(relay)) {
    case RELAY_DONE:
        stream_end(relay->to);
        return PHASE_WAIT;
    case RELAY_YIELD:
        return PHASE_YIELD;
    case RELAY_WAIT:
    case RELAY_BAD:
        return PHASE_WAIT;
    case RELAY_FROM_LOST:
        if (to_daemon)
            return PHASE_CLOSED;
        relay->done = true; /* what it sent before it broke is still delivered */
        stream_end(relay->to);
        return PHASE_WAIT;
    case RELAY_TO_LOST:
        break;
    }
    /* A process that has closed its input still has output to deliver. */
    relay->done = true;
    return to_daemon && stopped_listening(relay->to) ? PHASE_WAIT : PHASE_CLOSED;
}

enum phase exchange_tunnel(struct exchange *exchange)
{
    struct relay *up = &exchange->up, *down = &exchange->down;
    enum phase first = pump_direction(up, true);
    enum phase second = pump_direction(down, false);
    if (first == PHASE_CLOSED || second == PHASE_CLOSED || rest_is_lost(exchange))
        return PHASE_CLOSED;
    bool delivered = up->done && stream_queued(exchange->upstream) == 0;
    if (down->done && (delivered || stream_peer_gone(exchange->upstream)))
        return PHASE_LINGER;
    if (delivered && exchange->client->eof && stream_peer_gone(exchange->client))
        return PHASE_CLOSED;
    return first == PHASE_YIELD || second == PHASE_YIELD ? PHASE_YIELD : PHASE_WAIT;
}

/* ---- after our own answer ------------------------------------------------------------------ */

enum phase exchange_drop(struct exchange *exchange)
{
    enum relay_status status = relay_pump(&exchange->up);
    switch (status) {
    case RELAY_DONE:
        return PHASE_HEAD;
    case RELAY_WAIT:
    case RELAY_YIELD:
        if (exchange->up.total > exchange->context->config->max_body)
            return PHASE_LINGER;
        return status == RELAY_YIELD ? PHASE_YIELD : PHASE_WAIT;
    default:
        return PHASE_LINGER; /* our answer may still be on its way */
    }
}

enum phase exchange_timeout(struct exchange *exchange, enum phase phase)
{
    bool begun = stream_pending(exchange->client).n > 0;
    switch (phase) {
    case PHASE_TLS:
        return exchange_handshake_late(exchange);
    case PHASE_HEAD:
        if (!begun) /* with TLS an end is said, so that nobody takes it for a break */
            return exchange->client->tls ? PHASE_LINGER : PHASE_CLOSED;
        exchange_begin(exchange, 0);
        return exchange_refuse(exchange, 408, "the request's head did not come in time");
    case PHASE_WHO:
        return exchange_who_late(exchange);
    case PHASE_BODY:
        return exchange_refuse(exchange, 408, "the request's body did not come in time");
    case PHASE_LOOKUP:
        return exchange_look_up_late(exchange);
    case PHASE_VERIFY:
        return exchange_verify_late(exchange);
    case PHASE_REMOVE:
        return exchange_remove_late(exchange);
    case PHASE_PULLED:
        return pulled_late(exchange);
    case PHASE_CONNECT:
        metrics_count_upstream_error(exchange->context->metrics, METRICS_UPSTREAM_BUSY);
        exchange->record_end = true;
        return exchange_answer(exchange, 503,
                               "sockwarden: the Docker daemon takes no more connections just now",
                               false);
    case PHASE_RESPOND:
        stream_close(exchange->upstream);
        exchange->record_end = true;
        if (exchange->has_head)
            return PHASE_CLOSED;
        if (!exchange->up.done)
            return exchange_answer(exchange, 408,
                                   "sockwarden: the request's body did not come in time", true);
        metrics_count_upstream_error(exchange->context->metrics, METRICS_UPSTREAM_TIMEOUT);
        return exchange_answer(exchange, 504,
                               "sockwarden: the Docker daemon did not answer in time "
                               "(--upstream-timeout)",
                               true);
    default:
        return PHASE_CLOSED;
    }
}
