/* The decision of an exchange: taken, taken again with what the daemon says, pinned to the objects
   that were judged, recorded. See exchange.h. */
#include "exchange.h"

#include "exec_table.h"
#include "host_facts.h"
#include "lookup.h"
#include "pulled.h"
#include "respond_filter.h"
#include "signature_facts.h"
#include "throttle.h"
#include "upstream.h"
#include "who.h"

#include <errno.h>
#include <stdio.h>

/* What the decisions have left. */
static void clear_scratch(struct exchange *exchange)
{
    exchange->inquiry->uses = NULL;
    exchange->inquiry->read = NULL;
    arena_reset(&exchange->context->scratch);
}

enum phase exchange_deny(struct exchange *exchange)
{
    const struct decision *decision = &exchange->inquiry->decision;
    char reason[REASON_MAX + 192];
    int status = decision->status ? decision->status : 403;
    bool close = decision->close;
    who_tell(exchange, decision, reason, sizeof(reason));
    exchange->status = (uint16_t)status;
    record_request(exchange);
    clear_scratch(exchange);
    return exchange_answer(exchange, status, reason, close);
}

static void refuse_as(struct exchange *exchange, int status, const char *why)
{
    struct decision *decision = &exchange->inquiry->decision;
    decision_clear(decision);
    decision->status = status;
    snprintf(decision->reason, sizeof(decision->reason), "sockwarden: %s", why);
}

/* A refusal of ours, where nothing more can be known. */
static enum phase deny_as(struct exchange *exchange, int status, const char *why)
{
    refuse_as(exchange, status, why);
    return exchange_deny(exchange);
}

bool exchange_only_records(const struct exchange *exchange)
{
    const struct decision *decision = &exchange->inquiry->decision;
    return exchange->context->config->audit_mode && !decision->close &&
           (decision->status == 403 || decision->status == 404 ||
            (decision->status == 503 && decision->rule));
}

const char *exchange_role_name(const struct exchange *exchange)
{
    const struct role *role = exchange->judge ? exchange->judge : exchange->role;
    return role && !exchange->nobody ? role_name(role) : "";
}

/* ---- what goes on ---------------------------------------------------------------------------- */

static void decide(struct exchange *exchange, const struct role *role,
                   const struct request *request, struct decision *decision)
{
    struct inquiry *inquiry = exchange->inquiry;
    uint64_t began_ns = clock_now_ns();
    policy_decide_again(role, request, &inquiry->facts, inquiry->read, &exchange->context->scratch,
                        decision);
    inquiry->read = decision->read;
    metrics_observe_decision(exchange->context->metrics, began_ns);
}

/* IDs in place of names, labels that are added. What comes of it is decided once more: it must pass
   as it stands. */
static bool rewrite(struct exchange *exchange, const struct role *role,
                    const struct decision *decision, struct request *sent)
{
    struct decision again;
    if (!request_rewrite(sent, decision, &exchange->inquiry->arena))
        return false;
    decide(exchange, role, sent, &again);
    exchange->inquiry->image = again.image;
    return again.verdict == VERDICT_ALLOW && !decision_rewrites(&again, sent);
}

/* The line tells what was asked; what is sent on is told by its facts. */
static enum phase go_on(struct exchange *exchange, const struct role *role,
                        const struct decision *decision)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct request *sent = &inquiry->request;
    bool rewrites = decision_rewrites(decision, &inquiry->request);
    inquiry->image = decision->image;
    if (rewrites) {
        sent = &exchange->context->sent;
        *sent = inquiry->request;
        if (!rewrite(exchange, role, decision, sent))
            return deny_as(exchange, 403,
                           "the request cannot be made to name what was judged in a way that "
                           "means the same to every reader");
    }
    if (inquiry->image.p && inquiry->facts.count == FACTS_MAX) /* the container would be one more */
        return deny_as(exchange, 403,
                       "this request names too many objects for a look at the container that it "
                       "makes");
    if (!throttle_admits_stream(exchange)) {
        clear_scratch(exchange);
        return throttle_refuse(exchange, LIMIT_STREAMS, 429);
    }
    if (role != exchange->role) {
        exchange->judge = exchange->role;
        exchange->nobody = !exchange->role;
        exchange->role = role;
    }
    if (!respond_filter_keep(exchange, sent) || !pulled_keep(exchange, decision))
        return deny_as(exchange, 503, "out of memory");
    exchange->allowed = true;
    inquiry->would_deny = inquiry->decision.verdict != VERDICT_ALLOW;
    exchange->batch = exchange->context->batch.number;
    record_request(exchange);
    clear_scratch(exchange);
    if (rewrites)
        inquiry->request = *sent;
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
    }
    signature_facts_ask(exchange);
    for (size_t i = 0; i < facts->count; i++)
        others |= facts->items[i].state == FACT_WANTED;
    return others;
}

static enum phase let_through(struct exchange *exchange);

static enum phase ask(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct usage *usage = exchange->usage;
    const struct lookup_plan plan = {.context = exchange->context,
                                     .upstream = exchange->upstream,
                                     .role = exchange_role_name(exchange),
                                     .peer_held = usage ? &usage->fact_bytes : NULL,
                                     .on_ready = exchange->client->on_ready,
                                     .arg = exchange->client->arg};
    clear_scratch(exchange);
    if (++inquiry->rounds > FACT_ROUNDS_MAX) {
        refuse_as(exchange, 403,
                  "what this request names leads to other objects too many times to be judged: "
                  "containers that join containers, one upon the other");
        return exchange_only_records(exchange) ? let_through(exchange) : exchange_deny(exchange);
    }
    if (!exchange_answer_here(exchange))
        return exchange_decide(exchange);
    if (!inquiry->lookup)
        inquiry->lookup = lookup_new(&plan, &inquiry->facts);
    return inquiry->lookup ? PHASE_LOOKUP : deny_as(exchange, 503, "out of memory");
}

/* ---- --mode audit ---------------------------------------------------------------------------- */

static bool may_ask(const struct inquiry *inquiry)
{
    return inquiry->rounds < FACT_ROUNDS_MAX;
}

/* What the request needs of a role, for the audit line, which is written before the scratch goes.
   True, with --mode audit alone: more facts would tell more of it. */
static bool uses_want(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    const enum op_class class = operation_class(inquiry->request.route->op);
    const struct config *config = exchange->context->config;
    struct arena *scratch = &exchange->context->scratch;
    bool asks = config->audit_mode && may_ask(inquiry);
    if (class == CLASS_PING || class == CLASS_READ)
        return false;
    inquiry->uses = arena_alloc(scratch, 1, sizeof(*inquiry->uses));
    if (!inquiry->uses)
        return false;
    if (!config->audit_mode && !config->audit_uses) {
        snprintf(inquiry->uses->lack, sizeof(inquiry->uses->lack),
                 "it was not asked for (--audit-uses off)");
        return false;
    }
    struct facts known = inquiry->facts;
    enum verdict verdict =
        request_uses(exchange->snapshot->policy, &inquiry->request, asks ? &inquiry->facts : &known,
                     inquiry->read, scratch, inquiry->uses);
    if (verdict == VERDICT_NEED && !asks && !inquiry->uses->lack[0])
        snprintf(inquiry->uses->lack, sizeof(inquiry->uses->lack),
                 "not all was looked up that tells; --mode audit does");
    return verdict == VERDICT_NEED && asks;
}

/* Is it refused only since the daemon has no such object? It will say so itself. */
static bool is_missing(const struct inquiry *inquiry)
{
    const struct decision *decision = &inquiry->decision;
    for (size_t i = 0; i < inquiry->facts.count && decision->status == 404; i++) {
        const struct fact *fact = &inquiry->facts.items[i];
        char shown[VALUE_MAX];
        if (fact->state == FACT_MISSING &&
            strcmp(text_shorten(shown, sizeof(shown), fact->name), decision->value) == 0)
            return true;
    }
    return false;
}

/* The policy refuses it. What builtin:all refuses, too, nobody may do: what could be understood in
   two ways, and the container that the proxy runs in. */
static enum phase let_through(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct decision *floor = &inquiry->floor;
    const struct role *all = policy_role(exchange->snapshot->policy, STR("builtin:all"));
    decide(exchange, all, &inquiry->request, floor);
    if (floor->verdict == VERDICT_NEED && may_ask(inquiry))
        return ask(exchange);
    if (floor->verdict == VERDICT_NEED)
        return deny_as(exchange, 403,
                       "it cannot be told whether this request names sockwarden's own container");
    if (floor->verdict != VERDICT_ALLOW) {
        inquiry->decision = *floor;
        return exchange_deny(exchange);
    }
    if (uses_want(exchange))
        return ask(exchange);
    if (is_missing(inquiry))
        inquiry->decision = *floor;
    return go_on(exchange, all, floor);
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
    decide(exchange, exchange->role, request, &inquiry->decision);
    switch (inquiry->decision.verdict) {
    case VERDICT_ALLOW:
        return uses_want(exchange) ? ask(exchange)
                                   : go_on(exchange, exchange->role, &inquiry->decision);
    case VERDICT_NEED:
        return ask(exchange);
    case VERDICT_DENY:
        break;
    }
    return exchange_only_records(exchange) ? let_through(exchange) : exchange_deny(exchange);
}

static enum phase away(struct exchange *exchange, int error)
{
    char why[600];
    int status = upstream_note_away(exchange->context, error, why, sizeof(why));
    return deny_as(exchange, status, why);
}

enum phase exchange_look_up(struct exchange *exchange)
{
    if (exchange_client_gone(exchange))
        return PHASE_CLOSED;
    switch (lookup_step(exchange->inquiry->lookup)) {
    case LOOKUP_DONE:
        return signature_facts_wait(exchange) ? PHASE_WAIT : exchange_decide(exchange);
    case LOOKUP_WAIT:
        return PHASE_WAIT;
    case LOOKUP_YIELD:
        return PHASE_YIELD;
    case LOOKUP_AWAY:
        break;
    }
    return away(exchange, errno);
}

/* What was told stays known when the look-up, which holds the answers, has ended. */
static void keep_answers(struct facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->state == FACT_FOUND) {
            struct str text = arena_copy(facts->arena, fact->text);
            if (fact->id.p) /* a slice of it */
                fact->id.p = text.p ? text.p + (fact->id.p - fact->text.p) : NULL;
            fact->id.n = fact->id.p ? fact->id.n : 0;
            fact->text = text;
        }
        if (fact->state != FACT_WANTED && fact->text.p)
            continue;
        fact->state = FACT_FAILED;
        fact->text = STR("the Docker daemon did not say in time");
    }
}

/* --mode audit: what was not told in time is not known, and nothing further is asked for. */
static enum phase decide_without(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    signature_facts_cancel(exchange);
    keep_answers(&inquiry->facts);
    lookup_free(inquiry->lookup);
    inquiry->lookup = NULL;
    inquiry->rounds = FACT_ROUNDS_MAX;
    return exchange_decide(exchange);
}

enum phase exchange_look_up_late(struct exchange *exchange)
{
    if (exchange->context->config->audit_mode)
        return decide_without(exchange);
    if (signature_facts_wait(exchange))
        return deny_as(exchange, 504,
                       "it was not told in time whether the image is signed, without which this "
                       "request cannot be judged");
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
        exec_table_add(context->shared->execs, id->text, exchange_role_name(exchange));
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
