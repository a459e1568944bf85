/* The request's side of an exchange: head, body, decision, audit, sending on. Its answer is
   respond.c's; see exchange.h. */
#include "exchange.h"

#include "deny.h"
#include "lookup.h"
#include "pulled.h"
#include "respond_filter.h"
#include "signature_facts.h"
#include "throttle.h"
#include "upstream.h"
#include "who.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INQUIRIES_KEPT = 32,         /* free inquiries a loop keeps */
    DROPPED_BODY_MAX = 64 << 10, /* bytes of a body where none belongs */
};

/* ---- inquiries ----------------------------------------------------------------------------- */

static struct inquiry *inquiry_take(struct context *context)
{
    struct inquiry *inquiry = context->inquiries;
    if (inquiry) {
        context->inquiries = inquiry->next;
        context->inquiry_count--;
    } else {
        inquiry = calloc(1, sizeof(*inquiry));
        if (!inquiry)
            return NULL;
    }
    inquiry->next = NULL;
    inquiry->sent_head = (struct str){NULL, 0};
    inquiry->facts.count = 0;
    inquiry->facts.arena = &inquiry->arena;
    inquiry->rounds = 0;
    inquiry->would_deny = false;
    inquiry->signatures = NULL;
    inquiry->asked_signatures = 0;
    inquiry->uses = NULL;
    inquiry->read = NULL;
    inquiry->image = (struct str){NULL, 0};
    inquiry->made = (struct str){NULL, 0};
    body_reset(&inquiry->body);
    return inquiry;
}

static void inquiry_free(struct inquiry *inquiry)
{
    arena_free(&inquiry->arena);
    body_free(&inquiry->body);
    free(inquiry);
}

void inquiry_release(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct context *context = exchange->context;
    if (!inquiry)
        return;
    signature_facts_cancel(exchange);
    exchange->inquiry = NULL;
    body_leave_peer(&inquiry->body);
    lookup_free(inquiry->lookup);
    inquiry->lookup = NULL;
    loop_buffer_give(&context->loop, inquiry->head);
    inquiry->head = NULL;
    if (context->inquiry_count >= INQUIRIES_KEPT) {
        inquiry_free(inquiry);
        loop_tidy_later(&context->loop);
        return;
    }
    arena_reset(&inquiry->arena);
    inquiry->next = context->inquiries;
    context->inquiries = inquiry;
    context->inquiry_count++;
}

void exchange_pool_free(struct context *context)
{
    while (context->inquiries) {
        struct inquiry *inquiry = context->inquiries;
        context->inquiries = inquiry->next;
        inquiry_free(inquiry);
    }
    context->inquiry_count = 0;
}

/* ---- our own answers ----------------------------------------------------------------------- */

/* After an answer of ours: may the client send another request on this connection? Only when what
   is left of this one's body is known to come, and to be small. */
static bool may_go_on(const struct exchange *exchange)
{
    const struct relay *up = &exchange->up;
    if (!exchange->keep_alive || exchange->context->draining)
        return false;
    if (up->done)
        return true;
    bool waits = exchange->inquiry && exchange->inquiry->http.expect_continue;
    bool opaque = exchange->route && exchange->route->body == BODY_OPAQUE;
    return !waits && !opaque &&
           (up->framing == FRAMING_CHUNKED || up->left <= exchange->context->config->max_body);
}

enum phase exchange_answer(struct exchange *exchange, int status, const char *message, bool close)
{
    bool keep = !close && may_go_on(exchange);
    struct deny_plan plan = {.status = status,
                             .message = message,
                             .http10 = exchange->http10,
                             .close = !keep,
                             .to_head = exchange->to_head};
    struct loop *loop = &exchange->context->loop;
    struct buffer *buffer = loop_buffer_take(loop);
    size_t length = buffer ? deny_write(&plan, buffer->data, buffer->cap) : 0;
    exchange->status = (uint16_t)status;
    if (exchange->allowed)
        metrics_observe_response(exchange->context->metrics, exchange->route->op,
                                 exchange->started_ns);
    inquiry_release(exchange);
    struct iovec piece = {.iov_base = buffer ? buffer->data : NULL, .iov_len = length};
    bool sent = length > 0 && stream_send(exchange->client, &piece, 1) != STREAM_BROKEN;
    loop_buffer_give(loop, buffer);
    if (!sent)
        return PHASE_CLOSED;
    if (!keep)
        return PHASE_LINGER;
    exchange->up.to = NULL;
    return exchange->up.done ? PHASE_HEAD : PHASE_DROP;
}

enum phase exchange_refuse(struct exchange *exchange, int status, const char *why)
{
    char message[512];
    snprintf(message, sizeof(message), "sockwarden: %s", why);
    record_refused(exchange, status, why);
    return exchange_answer(exchange, status, message, true);
}

/* ---- the head ------------------------------------------------------------------------------ */

void exchange_begin(struct exchange *exchange, size_t head_length)
{
    exchange->id = exchange->context->next_id++;
    if (!exchange->started_ns)
        exchange->started_ns = clock_now_ns();
    exchange->scan = (struct head_scan){0, 0, 0};
    if (exchange->snapshot && exchange->snapshot != exchange->context->snapshot)
        exchange_choose_role(exchange);
    exchange->role = exchange->served.role;
    exchange->client_out = exchange->client->bytes_out;
    /* What was read ahead belongs to this request as far as it reaches. */
    exchange->client_in =
        exchange->client->bytes_in - stream_pending(exchange->client).n - head_length;
}

/* An Origin says that a web page sends this; no Docker client is one. Libraries for WebSockets set
   it to the address that they connect to. */
static bool origin_passes(const struct inquiry *inquiry)
{
    return !inquiry->http.origin.p || (inquiry->request.route->follow == FOLLOW_WS &&
                                       http_request_same_origin(&inquiry->http));
}

/* The first bytes of an upload into a container are looked at before it is let through. */
static bool peeks_body(const struct inquiry *inquiry)
{
    return inquiry->request.route->op == OP_PutContainerArchive;
}

static bool collects_body(const struct inquiry *inquiry)
{
    return inquiry->http.framing != FRAMING_NONE &&
           request_body_kind(&inquiry->request) != BODY_OPAQUE;
}

static enum phase refuse_large(struct exchange *exchange)
{
    return exchange->inquiry->body.peer_bound
               ? throttle_refuse(exchange, LIMIT_BODY_BYTES, 413)
               : exchange_refuse(exchange, 413,
                                 "the body is larger than this proxy inspects (--max-body)");
}

/* The head is understood: refuse what can be refused without the body, else read that or decide. */
static enum phase judge_head(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    const struct http_request *http = &inquiry->http;
    struct request *request = &inquiry->request;
    bool has_body = http->framing != FRAMING_NONE;
    bool parsed = request_parse(http->head.method, http->head.target, &inquiry->arena, request,
                                &inquiry->decision);
    exchange->route = request->route;
    bool ping = parsed && operation_class(request->route->op) == CLASS_PING;
    if (!throttle_admits(exchange, ping))
        return throttle_refuse(exchange, LIMIT_REQUESTS_PER_SECOND, 429);
    if (!parsed ||
        !request_check_content(request, http->content_type, has_body, &inquiry->decision))
        return exchange_deny(exchange);
    if (!origin_passes(inquiry))
        return exchange_refuse(exchange, 403,
                               "a request with an Origin header comes from a web page, and "
                               "no Docker client is one");
    if (!collects_body(inquiry) && !peeks_body(inquiry))
        return exchange_decide(exchange);
    if (!policy_precheck(exchange->role, request, &exchange->context->scratch,
                         &inquiry->decision) &&
        !exchange_only_records(exchange))
        return exchange_deny(exchange);
    arena_reset(&exchange->context->scratch);
    if (peeks_body(inquiry))
        return PHASE_BODY;
    inquiry->body.held = &exchange->context->shared->body_bytes;
    inquiry->body.held_max = (size_t)exchange->context->config->max_body * BODIES_HELD_MAX;
    inquiry->body.framing = http->framing;
    inquiry->body.announced = http->length;
    inquiry->body.limit = request_body_kind(request) == BODY_JSON
                              ? (size_t)exchange->context->config->max_body
                              : DROPPED_BODY_MAX;
    throttle_body(exchange, &inquiry->body);
    if (http->framing == FRAMING_LENGTH && http->length > inquiry->body.limit)
        return refuse_large(exchange);
    return PHASE_BODY;
}

/* Who cannot be told may be one whom an entry of `clients` holds short. */
static enum phase refuse_nameless(struct exchange *exchange)
{
    const struct peer_container *container = exchange->peer->container;
    return container ? exchange_refuse(exchange, container->status, container->why)
                     : exchange_refuse(exchange, 503, "out of memory");
}

static enum phase take_head(struct exchange *exchange, size_t length)
{
    struct inquiry *inquiry = inquiry_take(exchange->context);
    if (!inquiry)
        return PHASE_CLOSED;
    exchange->inquiry = inquiry;
    inquiry->head = stream_detach(exchange->client, length);
    inquiry->head_length = length;
    exchange_begin(exchange, length);
    if (!inquiry->head)
        return PHASE_CLOSED;
    struct str bytes = {inquiry->head->data + inquiry->head->off, length};
    struct http_refusal refusal = {0, NULL};
    bool ok = http_request_read(bytes, &inquiry->http, &refusal);
    exchange->http10 = inquiry->http.head.minor == 0;
    if (!ok)
        return throttle_admits(exchange, false)
                   ? exchange_refuse(exchange, refusal.status, refusal.why)
                   : throttle_refuse(exchange, LIMIT_REQUESTS_PER_SECOND, 429);
    if (exchange->nameless)
        return exchange->place == USAGE_WELCOME ? refuse_nameless(exchange)
                                                : throttle_turn_away(exchange);
    exchange->keep_alive = inquiry->http.keep_alive && exchange->place == USAGE_WELCOME;
    exchange->to_head = str_is(inquiry->http.head.method, "HEAD");
    exchange->up = relay_new(exchange->client, NULL, inquiry->http.framing, inquiry->http.length);
    const char *distrust = exchange_distrust(exchange);
    return distrust ? exchange_refuse(exchange, 403, distrust) : judge_head(exchange);
}

/* The last answer may still be queued; and with TLS an end is said. */
static enum phase no_more_requests(const struct stream *client)
{
    bool wants = stream_queued(client) > 0 || client->tls;
    return wants && !client->lost_out && !client->lost_in ? PHASE_LINGER : PHASE_CLOSED;
}

enum phase exchange_read_head(struct exchange *exchange)
{
    struct stream *client = exchange->client;
    size_t max = (size_t)exchange->context->config->max_head;
    if (client->lost_out) /* what is left of the last answer cannot be sent, and no further one */
        return PHASE_CLOSED;
    /* Who does not read the answers gets no further ones. */
    if (stream_queued(client) >= RELAY_HIGH)
        return PHASE_WAIT;
    for (bool again = false;; again = true) {
        struct str pending = stream_pending(client);
        struct http_refusal refusal = {0, NULL};
        size_t length = 0;
        if (pending.n) {
            if (!exchange->started_ns)
                exchange->started_ns = clock_now_ns();
            enum head_status status =
                head_scan(&exchange->scan, pending, true, max, &length, &refusal);
            if (status == HEAD_DONE && exchange->snapshot != exchange->context->snapshot)
                exchange_choose_role(exchange);
            if (status == HEAD_DONE && exchange->place == USAGE_WELCOME && who_must_ask(exchange))
                return PHASE_WHO;
            if (status == HEAD_DONE)
                return take_head(exchange, length);
            if (status == HEAD_BAD) {
                exchange_begin(exchange, 0);
                return exchange_refuse(exchange, refusal.status, refusal.why);
            }
        }
        if (again)
            stream_look_again(client);
        enum stream_status status = stream_fill(client);
        if (status == STREAM_AGAIN && !(exchange->context->draining && pending.n == 0))
            return PHASE_WAIT;
        if (status != STREAM_OK)
            return no_more_requests(client);
    }
}

/* ---- a body that is read whole ------------------------------------------------------------- */

static bool send_continue(struct exchange *exchange)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec piece = {.iov_base = (void *)(uintptr_t)text, .iov_len = sizeof(text) - 1};
    exchange->inquiry->http.expect_continue = false;
    return stream_send(exchange->client, &piece, 1) != STREAM_BROKEN;
}

/* PHASE_BODY: more of the body has come. A client that leaves in its middle has had nothing sent
 * on. */
static enum phase await_body(struct exchange *exchange)
{
    if (exchange->inquiry->http.expect_continue && !send_continue(exchange))
        return PHASE_CLOSED;
    stream_look_again(exchange->client);
    enum stream_status status = stream_fill(exchange->client);
    if (status == STREAM_OK)
        return PHASE_BODY;
    if (status == STREAM_AGAIN)
        return PHASE_WAIT;
    record_refused(exchange, 400, "the client left in the middle of its body");
    return PHASE_CLOSED;
}

/* Waits for the first bytes of an upload, which stay where they are, and judges those. */
static enum phase read_first_bytes(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct stream *client = exchange->client;
    for (;;) {
        char first[ARCHIVE_MARK_MAX];
        bool ended = false;
        size_t n = body_peek(stream_pending(client), inquiry->http.framing, inquiry->http.length,
                             first, sizeof(first), &ended);
        if (n == sizeof(first) || ended) {
            struct str bytes = {first, n};
            return request_check_archive(exchange->role, &inquiry->request, bytes,
                                         &inquiry->decision)
                       ? exchange_decide(exchange)
                       : exchange_deny(exchange);
        }
        enum phase next = await_body(exchange);
        if (next != PHASE_BODY)
            return next;
    }
}

enum phase exchange_read_body(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct stream *client = exchange->client;
    if (peeks_body(inquiry))
        return read_first_bytes(exchange);
    for (;;) {
        switch (body_take(&inquiry->body, client)) {
        case BODY_MORE:
            break;
        case BODY_DONE:
            exchange->up.done = true;
            inquiry->http.expect_continue = false;
            return exchange_decide(exchange);
        case BODY_BAD:
            return exchange_refuse(exchange, 400,
                                   "the chunked body is not framed as HTTP wants it");
        case BODY_LARGE:
            return refuse_large(exchange);
        case BODY_CROWDED:
            return throttle_refuse(exchange, LIMIT_BODY_BYTES, 429);
        case BODY_NO_MEMORY:
            return exchange_refuse(exchange, 503, "too many bodies are being read just now");
        }
        enum phase next = await_body(exchange);
        if (next != PHASE_BODY)
            return next;
    }
}

/* ---- sending on ---------------------------------------------------------------------------- */

static struct body_plan plan_body(const struct exchange *exchange)
{
    const struct inquiry *inquiry = exchange->inquiry;
    switch (request_body_kind(&inquiry->request)) {
    case BODY_OPAQUE:
        return (struct body_plan){inquiry->http.framing, inquiry->http.length,
                                  inquiry->http.framing == FRAMING_NONE ? NULL
                                                                        : "application/x-tar"};
    case BODY_JSON:
        if (inquiry->request.body.n > 0)
            return (struct body_plan){FRAMING_LENGTH, inquiry->request.body.n, "application/json"};
        break;
    case BODY_NONE:
        break;
    }
    return (struct body_plan){FRAMING_NONE, 0, NULL};
}

/* Sends head and inspected body in one call. False: the connection is of no use. */
static bool send_request(struct exchange *exchange, const struct body_plan *plan, struct str head)
{
    const struct inquiry *inquiry = exchange->inquiry;
    bool with_body = request_body_kind(&inquiry->request) == BODY_JSON && plan->length > 0;
    struct iovec pieces[2] = {
        {.iov_base = (void *)(uintptr_t)head.p, .iov_len = head.n},
        {.iov_base = (void *)(uintptr_t)inquiry->request.body.p,
         .iov_len = inquiry->request.body.n},
    };
    return stream_send(exchange->upstream, pieces, with_body ? 2 : 1) != STREAM_BROKEN;
}

static enum phase away(struct exchange *exchange, int error)
{
    char why[600], message[sizeof(why) + 16];
    int status = upstream_note_away(exchange->context, error, why, sizeof(why));
    exchange->record_end = true; /* the line said allow; it did not get there */
    snprintf(message, sizeof(message), "sockwarden: %s", why);
    return exchange_answer(exchange, status, message, false);
}

static bool build_head(struct exchange *exchange, const struct body_plan *plan, struct str *out)
{
    struct inquiry *inquiry = exchange->inquiry;
    if (inquiry->sent_head.p) { /* waits for room at the daemon's socket */
        *out = inquiry->sent_head;
        return true;
    }
    /* Every byte escaped, our own fields, and IDs in place of names. */
    size_t added = inquiry->request.name.n;
    for (size_t i = 0; i < inquiry->request.param_count; i++)
        added += inquiry->request.params[i].value.n;
    size_t cap = (inquiry->head_length + added) * 3 + 1024;
    char *p = arena_alloc(&inquiry->arena, cap, 1);
    size_t length = 0;
    if (!p || !http_request_write(&inquiry->http, &inquiry->request, plan, p, cap, &length))
        return false;
    *out = inquiry->sent_head = (struct str){p, length};
    return true;
}

/* Writes, streams and tunnels get a second audit line when they are over. */
static bool ends_with_record(const struct route *route)
{
    switch (route->op) {
    case OP_SystemEvents:
    case OP_ContainerLogs:
    case OP_ServiceLogs:
    case OP_TaskLogs:
    case OP_ContainerStats:
    case OP_ContainerArchive:
    case OP_ContainerExport:
    case OP_ImageGet:
    case OP_ImageGetAll:
    case OP_ContainerAttachWebsocket:
        return true;
    default:
        return strcmp(route->method, "GET") != 0 && strcmp(route->method, "HEAD") != 0;
    }
}

/* What is left to do while the response is awaited. */
static enum phase sent(struct exchange *exchange, const struct body_plan *plan)
{
    struct inquiry *inquiry = exchange->inquiry;
    bool opaque = request_body_kind(&inquiry->request) == BODY_OPAQUE;
    exchange->upgrade = exchange->route->follow != FOLLOW_RESPONSE && inquiry->http.upgrade.p;
    exchange->record_end = ends_with_record(exchange->route);
    if (opaque) {
        if (inquiry->http.expect_continue && stream_pending(exchange->client).n == 0 &&
            !send_continue(exchange))
            return PHASE_CLOSED;
        exchange->up = relay_new(exchange->client, exchange->upstream, plan->framing, plan->length);
        exchange->up.splices = true;
        exchange->upstream->closing_hint = true; /* it may close with some of the body unread */
        exchange->client->closing_hint = true;   /* and the client with some of the answer */
    } else {
        exchange->up.done = true;
    }
    if (exchange_needs_verify(exchange))
        lookup_go_apart(inquiry->lookup);
    else
        inquiry_release(exchange);
    return PHASE_RESPOND;
}

enum phase exchange_forward(struct exchange *exchange)
{
    struct context *context = exchange->context;
    struct stream *upstream = exchange->upstream;
    /* Also where later lines could be written again: its own are lost. */
    if (context->batch.last_failed >= exchange->batch && !context->config->audit_continue &&
        operation_class(exchange->route->op) != CLASS_PING)
        return exchange_answer(exchange, 503,
                               "sockwarden: the audit log cannot be written, so "
                               "nothing is let through (--audit-failure)",
                               false);
    struct body_plan plan = plan_body(exchange);
    struct str head;
    if (!build_head(exchange, &plan, &head))
        return exchange_answer(exchange, 503, "sockwarden: out of memory", true);
    /* What an idle connection has to say is its end, or nothing that we asked for. */
    if (stream_is_open(upstream) && upstream->can_read && stream_fill(upstream) != STREAM_AGAIN)
        stream_close(upstream);
    exchange->reused = stream_is_open(upstream);
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!stream_is_open(upstream)) {
            enum upstream_status status =
                upstream_open(context, upstream, exchange->client->on_ready, exchange->client->arg);
            if (status == UPSTREAM_BUSY)
                return PHASE_CONNECT;
            if (status == UPSTREAM_AWAY)
                return away(exchange, errno);
        }
        if (send_request(exchange, &plan, head))
            return sent(exchange, &plan);
        /* An idle connection that the daemon has closed took nothing: a new one is tried. */
        stream_close(upstream);
        if (!exchange->reused)
            break;
        exchange->reused = false;
    }
    return away(exchange, EPIPE);
}

void exchange_finish(struct exchange *exchange)
{
    if (exchange->record_end && exchange->allowed)
        record_end(exchange);
    metrics_close(exchange->context->metrics, &exchange->span);
    inquiry_release(exchange);
    respond_filter_drop(exchange);
    pulled_drop(exchange);
    throttle_end_stream(exchange);
    exchange->route = NULL;
    exchange->role = exchange->judge = NULL;
    exchange->scan = (struct head_scan){0, 0, 0};
    exchange->status = 0;
    exchange->started_ns = 0;
    exchange->http10 = exchange->to_head = exchange->keep_alive = exchange->upgrade = false;
    exchange->has_head = exchange->reusable = exchange->allowed = exchange->end_passed = false;
    exchange->record_end = exchange->nobody = false;
    exchange->held_head = 0;
    exchange->cut = NULL;
    exchange->up = exchange->down = (struct relay){.done = true};
}
