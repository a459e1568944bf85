/* The decision of an exchange: taken, taken again with what the daemon says, pinned to the objects
   that were judged, recorded. See exchange.h. */
#include "exchange.h"

#include "exec_table.h"
#include "host_facts.h"
#include "lookup.h"
#include "respond_filter.h"
#include "throttle.h"
#include "upstream.h"
#include "who.h"

#include <errno.h>
#include <stdio.h>

enum phase exchange_deny(struct exchange *exchange)
{
    const struct decision *decision = &exchange->inquiry->decision;
    char reason[REASON_MAX + 192];
    int status = decision->status ? decision->status : 403;
    bool close = decision->close;
    who_tell(exchange, decision, reason, sizeof(reason));
    exchange->status = (uint16_t)status;
    record_request(exchange);
    arena_reset(&exchange->context->scratch);
    return exchange_answer(exchange, status, reason, close);
}

/* A refusal of ours, where nothing more can be known. */
static enum phase deny_as(struct exchange *exchange, int status, const char *why)
{
    struct decision *decision = &exchange->inquiry->decision;
    memset(decision, 0, sizeof(*decision));
    decision->status = status;
    snprintf(decision->reason, sizeof(decision->reason), "sockwarden: %s", why);
    return exchange_deny(exchange);
}

/* ---- what goes on ---------------------------------------------------------------------------- */

static void decide(struct exchange *exchange, const struct request *request,
                   struct decision *decision)
{
    struct inquiry *inquiry = exchange->inquiry;
    uint64_t began_ns = clock_now_ns();
    policy_decide(exchange->role, request, &inquiry->facts, &exchange->context->scratch, decision);
    metrics_observe_decision(exchange->context->metrics, began_ns);
}

/* IDs in place of names, labels that are added. What comes of it is decided once more: it must pass
   as it stands. */
static bool rewrite(struct exchange *exchange, struct request *sent)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct decision again;
    if (!request_rewrite(sent, &inquiry->decision, &inquiry->arena))
        return false;
    decide(exchange, sent, &again);
    return again.verdict == VERDICT_ALLOW && !decision_rewrites(&again, sent);
}

/* The line tells what was asked; what is sent on is told by its facts. */
static enum phase allow(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct request sent;
    bool rewrites = decision_rewrites(&inquiry->decision, &inquiry->request);
    if (rewrites) {
        sent = inquiry->request;
        if (!rewrite(exchange, &sent))
            return deny_as(exchange, 403,
                           "the request cannot be made to name what was judged in a way that "
                           "means the same to every reader");
    }
    if (!throttle_admits_stream(exchange)) {
        arena_reset(&exchange->context->scratch);
        return throttle_refuse(exchange, LIMIT_STREAMS, 429);
    }
    if (!respond_filter_keep(exchange, rewrites ? &sent : &inquiry->request))
        return deny_as(exchange, 503, "out of memory");
    exchange->allowed = true;
    exchange->batch = exchange->context->batch.number;
    record_request(exchange);
    arena_reset(&exchange->context->scratch);
    if (rewrites)
        inquiry->request = sent;
    return PHASE_HELD;
}

/* ---- looking up ------------------------------------------------------------------------------ */

bool exchange_answer_here(struct exchange *exchange)
{
    struct facts *facts = &exchange->inquiry->facts;
    bool others = false;
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->state == FACT_WANTED && fact->kind == FACT_HOST_PATH)
            host_fact_answer(exchange->context->shared->host_root, fact, facts->arena);
        others |= fact->state == FACT_WANTED;
    }
    return others;
}

static enum phase ask(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    const struct lookup_plan plan = {.context = exchange->context,
                                     .upstream = exchange->upstream,
                                     .role = role_name(exchange->role),
                                     .on_ready = exchange->client->on_ready,
                                     .arg = exchange->client->arg};
    arena_reset(&exchange->context->scratch);
    if (++inquiry->rounds > FACT_ROUNDS_MAX)
        return deny_as(exchange, 403,
                       "what this request names leads to other objects too many times to be "
                       "judged: containers that join containers, one upon the other");
    if (!exchange_answer_here(exchange))
        return exchange_decide(exchange);
    if (!inquiry->lookup)
        inquiry->lookup = lookup_new(&plan, &inquiry->facts);
    return inquiry->lookup ? PHASE_LOOKUP : deny_as(exchange, 503, "out of memory");
}

static struct str owner_of(struct exchange *exchange)
{
    if (!role_has_owner(exchange->role))
        return (struct str){NULL, 0};
    struct client_identity who = identity_client(exchange->peer);
    return policy_owner(exchange->role, exchange->served.client, &who, &exchange->inquiry->arena);
}

enum phase exchange_decide(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct request *request = &inquiry->request;
    bool inspected = request->route->body == BODY_JSON || request->route->op == OP_ContainerStart;
    if (inspected && inquiry->body.length > 0)
        request->body = (struct str){inquiry->body.p, inquiry->body.length};
    if (inquiry->rounds == 0)
        inquiry->facts.owner = owner_of(exchange);
    decide(exchange, request, &inquiry->decision);
    switch (inquiry->decision.verdict) {
    case VERDICT_ALLOW:
        return allow(exchange);
    case VERDICT_NEED:
        return ask(exchange);
    case VERDICT_DENY:
        break;
    }
    return exchange_deny(exchange);
}

static enum phase away(struct exchange *exchange, int error)
{
    char why[600];
    metrics_count_upstream_errno(exchange->context->metrics, error);
    upstream_explain(exchange->context, error, why, sizeof(why));
    log_warn("%s", why);
    return deny_as(exchange, 502, why);
}

enum phase exchange_look_up(struct exchange *exchange)
{
    if (exchange_client_gone(exchange))
        return PHASE_CLOSED;
    switch (lookup_step(exchange->inquiry->lookup)) {
    case LOOKUP_DONE:
        return exchange_decide(exchange);
    case LOOKUP_WAIT:
        return PHASE_WAIT;
    case LOOKUP_YIELD:
        return PHASE_YIELD;
    case LOOKUP_AWAY:
        break;
    }
    return away(exchange, errno);
}

enum phase exchange_look_up_late(struct exchange *exchange)
{
    return deny_as(exchange, 504,
                   "the Docker daemon did not say in time what it knows of the objects that this "
                   "request names, without which it cannot be judged");
}

/* ---- commands that were made ----------------------------------------------------------------- */

static void remember(struct exchange *exchange, struct str answer)
{
    struct context *context = exchange->context;
    struct json doc;
    struct err err = {0};
    const struct json_node *id = NULL;
    if (json_scan(answer, &context->scratch, &doc, &err) && doc.count > 0)
        id = json_get(&doc, doc.nodes, STR("Id"));
    if (id && id->kind == JSON_STRING)
        exec_table_add(context->shared->execs, id->text, role_name(exchange->role));
    arena_reset(&context->scratch);
}

bool exchange_note_exec(struct exchange *exchange, const struct http_response *http,
                        size_t head_length)
{
    char answer[EXEC_ANSWER_MAX];
    struct stream *upstream = exchange->upstream;
    struct str pending = str_skip(stream_pending(upstream), head_length);
    bool ended = false;
    bool large = http->framing == FRAMING_EOF || http->length > sizeof(answer);
    size_t n =
        large ? 0 : body_peek(pending, http->framing, http->length, answer, sizeof(answer), &ended);
    if (ended)
        remember(exchange, (struct str){answer, n});
    /* What is no such answer is passed on, and its command counts as made by others. */
    return ended || large || n == sizeof(answer);
}
