/* Filtered answers; see respond_filter.h. Lists and events are passed on as they come, unframed and
   framed anew; what must be known whole first is collected, bounded, and sent with its length. An
   answer that cannot be judged is broken off, so that nobody takes it for a whole one. */
#include "respond_filter.h"

#include "filter.h"
#include "lookup.h"
#include "redact.h"

#include <stdio.h>
#include <stdlib.h>

#define UNCLEAR "it cannot be told what in it the client may not see"
#define CROWDED "too many answers are being filtered for this client just now"

enum {
    FILLS_PER_STEP = 16,           /* reads of a body that is collected, in one turn */
    ANSWERS_HELD_MAX = 64 << 20,   /* bytes of answers that all connections together collect */
    ANSWERS_UNREAD_MAX = 64 << 20, /* bytes of them that clients have not taken yet */
    UNREAD_PEER_MAX = ANSWERS_UNREAD_MAX / 4, /* of these for one client */
    UNCOUNTED = 2 * RELAY_HIGH, /* bytes that any answer may hold of a slow reader's */
};

struct respond_filter {
    struct hide hide;
    bool hides;       /* there is something to hide */
    unsigned redacts; /* kinds that are emptied */
    struct filter_redact how;
    struct filter filter;
    struct relay_sink sink; /* of what comes */
    bool runs;              /* the answer's head has come */
    bool unsent;            /* the client has gone */
    bool crowded;           /* there is no room for what it holds */
    bool ended;             /* all is queued, and the client has yet to take the most of it */
    struct usage *usage;    /* whose bytes they are, while some are counted; may be NULL */
    size_t counted;         /* bytes */
    struct arena arena;     /* holds the head */
    struct str head;        /* of an answer that is collected */
    struct body body;
    char owner[]; /* what hide.value is a slice of */
};

/* ---- what is kept of the request ------------------------------------------------------------- */

bool respond_filter_keep(struct exchange *exchange, const struct request *request)
{
    struct hide hide;
    struct str owner = exchange->inquiry->facts.owner;
    enum operation op = request->route->op;
    unsigned redacts = role_redacts(exchange->role);
    bool hides = role_hides(exchange->role, owner, &hide) && filter_hide_needed(&hide, request);
    if (!hides && redact_way(redacts, op, NULL) == REDACT_NOTHING)
        return true;
    struct respond_filter *kept = calloc(1, sizeof(*kept) + owner.n);
    if (!kept)
        return false;
    if (owner.n > 0)
        memcpy(kept->owner, owner.p, owner.n);
    kept->hides = hides;
    kept->redacts = redact_way(redacts, op, NULL) == REDACT_NOTHING ? 0 : redacts;
    kept->hide = hide;
    kept->hide.value = (struct str){kept->owner, owner.n};
    exchange->filter = kept;
    return true;
}

static void add_counted(struct exchange *exchange, size_t bytes)
{
    struct respond_filter *kept = exchange->filter;
    atomic_fetch_add(&exchange->context->shared->unread_bytes, bytes);
    if (kept->usage)
        atomic_fetch_add(&kept->usage->unread_bytes, bytes);
    kept->counted += bytes;
}

static void take_counted(struct exchange *exchange, size_t bytes)
{
    struct respond_filter *kept = exchange->filter;
    atomic_fetch_sub(&exchange->context->shared->unread_bytes, bytes);
    if (kept->usage)
        atomic_fetch_sub(&kept->usage->unread_bytes, bytes);
    kept->counted -= bytes;
}

/* Counts what is half there and what the client has not taken yet, and further bytes: one large
   object is more than a relay queues, and who does not read may ask for it on all of his
   connections. False: it is more than there is room for. */
static bool count_held(struct exchange *exchange, size_t further)
{
    struct respond_filter *kept = exchange->filter;
    size_t held = kept->filter.held.cap + stream_queued(exchange->client) + further;
    held = held > UNCOUNTED ? held : 0;
    if (held <= kept->counted) {
        take_counted(exchange, kept->counted - held);
        return true;
    }
    if (kept->counted == 0)
        kept->usage = exchange->usage;
    add_counted(exchange, held - kept->counted);
    return atomic_load(&exchange->context->shared->unread_bytes) <= ANSWERS_UNREAD_MAX &&
           (!kept->usage || atomic_load(&kept->usage->unread_bytes) <= UNREAD_PEER_MAX);
}

/* All is queued. What a slow reader leaves there stays counted until it is little. */
static enum phase drain(struct exchange *exchange)
{
    if (exchange->client->lost_out)
        return PHASE_CLOSED;
    count_held(exchange, 0); /* the room was there when it came */
    exchange->filter->ended = exchange->filter->counted > 0;
    return exchange->filter->ended ? PHASE_WAIT : exchange_end_answer(exchange);
}

void respond_filter_drop(struct exchange *exchange)
{
    struct respond_filter *kept = exchange->filter;
    if (!kept)
        return;
    take_counted(exchange, kept->counted);
    filter_free(&kept->filter);
    body_free(&kept->body);
    arena_free(&kept->arena);
    free(kept);
    exchange->filter = NULL;
}

bool respond_filter_wants(const struct exchange *exchange, const struct http_response *http)
{
    const struct respond_filter *kept = exchange->filter;
    int status = http->head.status;
    if (!kept)
        return false;
    return status == 200 || (kept->redacts && status < 400 && http->framing != FRAMING_NONE);
}

bool respond_filter_runs(const struct exchange *exchange)
{
    return exchange->filter && exchange->filter->runs;
}

bool respond_filter_ended(const struct exchange *exchange)
{
    return exchange->filter && exchange->filter->ended;
}

/* ---- as it comes ----------------------------------------------------------------------------- */

/* What is left of the body goes out as one chunk. */
static bool send_piece(void *arg, struct str bytes)
{
    struct exchange *exchange = arg;
    bool sent = exchange_send_chunk(exchange, bytes);
    exchange->filter->unsent = !sent;
    return sent;
}

static bool take_piece(void *arg, struct str bytes)
{
    struct exchange *exchange = arg;
    struct respond_filter *kept = exchange->filter;
    if (!filter_feed(&kept->filter, bytes))
        return false;
    kept->crowded = !count_held(exchange, 0);
    return !kept->crowded;
}

static enum phase begin_stream(struct exchange *exchange, struct http_response *http, size_t length)
{
    struct relay *down = &exchange->down;
    exchange_plan_answer(exchange, http);
    down->decode = true;
    exchange->filter->sink = (struct relay_sink){.take = take_piece, .arg = exchange};
    down->sink = &exchange->filter->sink;
    http->framing = FRAMING_CHUNKED; /* towards the client */
    if (!exchange_send_head(exchange, http, (struct str){NULL, 0}))
        return PHASE_CLOSED;
    exchange->has_head = true;
    stream_consume(exchange->upstream, length);
    return PHASE_RESPOND;
}

/* It ends in its middle, so that the client sees that it is not whole. */
static enum phase break_off(struct exchange *exchange, const char *why)
{
    log_seldom(&exchange->context->shared->said_answer, LOG_LEVEL_WARN,
               "%s: an answer of the Docker daemon at %s is broken off: %s",
               operation_name(exchange->route->op), exchange->context->upstream_name, why);
    exchange->record_end = true;
    return PHASE_CLOSED;
}

static enum phase end_stream(struct exchange *exchange)
{
    struct respond_filter *kept = exchange->filter;
    if (!filter_end(&kept->filter))
        return kept->unsent ? PHASE_CLOSED
                            : break_off(exchange, "it ends before what it holds does");
    return exchange_send_chunk(exchange, STR("")) ? drain(exchange) : PHASE_CLOSED;
}

static enum phase step_stream(struct exchange *exchange)
{
    switch (relay_pump(&exchange->down)) {
    case RELAY_DONE:
        return end_stream(exchange);
    case RELAY_WAIT:
        count_held(exchange, 0); /* the client may have taken some of it */
        return PHASE_WAIT;
    case RELAY_YIELD:
        return PHASE_YIELD;
    case RELAY_FROM_LOST:
    case RELAY_BAD:
        return break_off(exchange, "it came broken");
    case RELAY_TO_LOST:
        break;
    }
    if (exchange->filter->unsent)
        return PHASE_CLOSED;
    return break_off(exchange, exchange->filter->crowded ? CROWDED : UNCLEAR);
}

/* ---- collected ------------------------------------------------------------------------------- */

static enum phase begin_whole(struct exchange *exchange, const struct http_response *http,
                              size_t length)
{
    struct respond_filter *kept = exchange->filter;
    kept->head = arena_copy(&kept->arena, str_head(stream_pending(exchange->upstream), length));
    if (!kept->head.p)
        return exchange_bad_answer(exchange, "there is no memory for it");
    kept->body = (struct body){.framing = http->framing,
                               .announced = http->length,
                               .limit = FILTER_HELD_MAX,
                               .held = &exchange->context->shared->fact_bytes,
                               .held_max = ANSWERS_HELD_MAX,
                               .peer_held = exchange->usage ? &exchange->usage->fact_bytes : NULL,
                               .peer_max = LOOKUP_PEER_MAX,
                               .chunked = {.trailers = true}};
    stream_consume(exchange->upstream, length);
    return PHASE_RESPOND;
}

static enum phase send_whole(struct exchange *exchange)
{
    struct respond_filter *kept = exchange->filter;
    struct arena *scratch = &exchange->context->scratch;
    struct http_response http;
    struct http_refusal refusal = {0, NULL};
    struct str out = {NULL, 0}, body = {kept->body.p, kept->body.length};
    enum phase next = PHASE_CLOSED;
    if (!kept->filter.rewrite(kept->filter.arg, body, scratch, &out) ||
        !http_response_read(kept->head, false, &http, &refusal)) {
        arena_reset(scratch);
        return exchange_bad_answer(exchange, UNCLEAR);
    }
    if (!count_held(exchange, out.n)) {
        arena_reset(scratch);
        return exchange_bad_answer(exchange, CROWDED);
    }
    exchange_plan_answer(exchange, &http);
    exchange->down.done = true;
    http.framing = FRAMING_LENGTH;
    http.length = out.n;
    if (exchange_send_head(exchange, &http, out)) {
        exchange->has_head = true;
        body_free(&kept->body); /* what of it is queued counts from here on */
        next = drain(exchange);
    }
    arena_reset(scratch);
    return next;
}

static enum phase step_whole(struct exchange *exchange)
{
    struct body *body = &exchange->filter->body;
    if (body->framing == FRAMING_NONE)
        return send_whole(exchange);
    for (int fills = 0;; fills++) {
        switch (body_take(body, exchange->upstream)) {
        case BODY_MORE:
            break;
        case BODY_DONE:
            return send_whole(exchange);
        case BODY_BAD:
            return exchange_bad_answer(exchange, "its chunks are broken");
        case BODY_LARGE:
            return exchange_bad_answer(exchange, "it is larger than this proxy filters");
        case BODY_CROWDED:
            return exchange_bad_answer(exchange, CROWDED);
        case BODY_NO_MEMORY:
            return exchange_bad_answer(exchange, "too many answers are being filtered just now");
        }
        if (fills == FILLS_PER_STEP)
            return PHASE_YIELD;
        enum stream_status status = stream_fill(exchange->upstream);
        if (status == STREAM_AGAIN)
            return PHASE_WAIT;
        if (status != STREAM_OK)
            return exchange_bad_answer(exchange, "it ends in its middle");
    }
}

/* ---- outside --------------------------------------------------------------------------------- */

static bool is_encoded(const struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (str_ieq(head->fields[i].name, STR("Content-Encoding")) &&
            !str_ieq(head->fields[i].value, STR("identity")))
            return true;
    return false;
}

static bool open_filter(struct respond_filter *kept, enum operation op, struct str content_type)
{
    const struct hide *hide = kept->hides ? &kept->hide : NULL;
    if (kept->redacts)
        return filter_redact_open(&kept->filter, &kept->how, hide, kept->redacts, op, content_type);
    return filter_hide_open(&kept->filter, &kept->how.hide, hide, op, content_type);
}

enum phase respond_filter_begin(struct exchange *exchange, struct http_response *http,
                                size_t length)
{
    struct respond_filter *kept = exchange->filter;
    if (is_encoded(&http->head))
        return exchange_bad_answer(exchange, "it is compressed, which nobody asked for");
    if (!open_filter(kept, exchange->route->op, http->content_type))
        return exchange_bad_answer(exchange, "no table says what in it the client may not see");
    kept->filter.sink = send_piece;
    kept->filter.sink_arg = exchange;
    kept->runs = true;
    return kept->filter.shape == FILTER_WHOLE ? begin_whole(exchange, http, length)
                                              : begin_stream(exchange, http, length);
}

enum phase respond_filter_step(struct exchange *exchange)
{
    if (exchange->filter->ended)
        return drain(exchange);
    return exchange->filter->filter.shape == FILTER_WHOLE ? step_whole(exchange)
                                                          : step_stream(exchange);
}
