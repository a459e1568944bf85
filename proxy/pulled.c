/* What follows a pull; see pulled.h. The pull was sent on by digest, so that no tag moves before
   the image is known to be the one that was found signed: whatever ends this early (a client or a
   daemon that goes away, a stop) leaves an image without a tag. The daemon is asked over a
   connection of its own; names of images come from the policy, never from its answers. What may
   run is not decided here. */
#include "pulled.h"

#include "filter.h"
#include "lookup.h"
#include "sign_encoding.h"
#include "trust.h"
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MESSAGE_MAX = 256 << 10, /* bytes of one of the daemon's messages */
    REMOVE_S = 30,           /* seconds */
    TOLD_MAX = 1024
};

enum pulled_at { AT_ANSWER, AT_LOOK, AT_TAG, AT_REMOVAL };

struct pulled {
    struct arena arena; /* holds all texts */
    struct str name, digest, tag;
    struct str reference; /* NAME@DIGEST */
    struct str *ids;      /* that the daemon may know it by */
    size_t id_count;
    struct signed_note signature;
    bool any_id; /* the digest says all there is: the daemon has checked that */

    enum pulled_at at;
    struct filter filter;
    struct relay_sink sink; /* of what comes */
    bool failed;            /* the daemon has said so */
    bool unsent;            /* the client has gone */
    struct lookup *lookup;
    struct facts facts; /* one: the image */
    struct record_pull result;
    char why[TOLD_MAX];
};

/* ---- what is kept of the request ------------------------------------------------------------- */

static bool read_ids(struct pulled *pulled, const struct json *doc)
{
    const struct json_node *ids = json_get(doc, doc->nodes, STR("Ids"));
    if (!ids || ids->kind != JSON_ARRAY || ids->count == 0)
        return true;
    pulled->ids = arena_alloc(&pulled->arena, ids->count, sizeof(*pulled->ids));
    if (!pulled->ids)
        return false;
    for (const struct json_node *id = json_child(doc, ids); id; id = json_next(doc, id)) {
        struct str text = arena_copy(&pulled->arena, id->text);
        if (!text.p && id->text.n > 0)
            return false;
        pulled->ids[pulled->id_count++] = text;
    }
    return true;
}

/* What cannot be read names no ID, so that no image passes. */
static bool read_verdict(struct exchange *exchange, struct pulled *pulled, size_t index)
{
    const struct facts *facts = &exchange->inquiry->facts;
    struct arena *scratch = &exchange->context->scratch;
    struct json doc;
    struct err err = {0};
    pulled->any_id = index == FACTS_MAX;
    if (index >= facts->count || facts->items[index].state != FACT_FOUND ||
        facts->items[index].kind != FACT_SIGNATURE ||
        !json_scan(facts->items[index].text, scratch, &doc, &err) || doc.count == 0 ||
        doc.nodes->kind != JSON_OBJECT)
        return true;
    return read_ids(pulled, &doc);
}

static bool keep_names(struct pulled *pulled, const struct decision *decision)
{
    const struct pull *pull = &decision->pull;
    struct arena *arena = &pulled->arena;
    pulled->signature = decision->signature;
    pulled->name = arena_copy(arena, pull->name);
    pulled->digest = arena_copy(arena, pull->digest);
    pulled->tag = pull->tag.n > 0 ? arena_copy(arena, pull->tag) : STR("");
    if (!pulled->name.p || !pulled->digest.p || !pulled->tag.p)
        return false;
    const struct str parts[] = {pulled->name, STR("@"), pulled->digest};
    pulled->reference = arena_join(arena, parts, ARRAY_LEN(parts));
    return pulled->reference.p != NULL;
}

bool pulled_keep(struct exchange *exchange, const struct decision *decision)
{
    if (!decision->pull.name.p)
        return true;
    struct pulled *pulled = calloc(1, sizeof(*pulled));
    if (!pulled)
        return false;
    exchange->pulled = pulled;
    return keep_names(pulled, decision) && read_verdict(exchange, pulled, decision->pull.fact);
}

void pulled_drop(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    if (!pulled)
        return;
    lookup_free(pulled->lookup);
    filter_free(&pulled->filter);
    arena_free(&pulled->arena);
    free(pulled);
    exchange->pulled = NULL;
}

bool pulled_wants(const struct exchange *exchange, const struct http_response *http)
{
    return exchange->pulled && http->head.status == 200;
}

bool pulled_runs(const struct exchange *exchange)
{
    return exchange->pulled && exchange->has_head && exchange->pulled->filter.judge;
}

/* ---- as it comes ----------------------------------------------------------------------------- */

/* What has come of the body goes out as one chunk. */
static bool send_piece(void *arg, struct str bytes)
{
    struct exchange *exchange = arg;
    bool sent = exchange_send_chunk(exchange, bytes);
    exchange->pulled->unsent = !sent;
    return sent;
}

static bool take_piece(void *arg, struct str bytes)
{
    struct exchange *exchange = arg;
    return filter_feed(&exchange->pulled->filter, bytes);
}

/* Everything passes; what a client would take for a failure is noted. Go matches names in any case:
   https://pkg.go.dev/github.com/docker/docker/pkg/jsonmessage#JSONMessage */
static enum filter_verdict note_failure(void *arg, const struct json *object, struct arena *arena,
                                        struct str *changed)
{
    struct pulled *pulled = arg;
    (void)arena;
    (void)changed;
    for (const struct json_node *node = json_child(object, object->nodes); node;
         node = json_next(object, node)) {
        bool detail = json_fold_eq(node->key, STR("errorDetail")) && node->kind != JSON_NULL;
        bool text = json_fold_eq(node->key, STR("error")) && !json_empty(node);
        pulled->failed |= detail || text;
    }
    return FILTER_KEEP;
}

enum phase pulled_begin(struct exchange *exchange, struct http_response *http, size_t length)
{
    struct pulled *pulled = exchange->pulled;
    struct relay *down = &exchange->down;
    pulled->filter = (struct filter){.shape = FILTER_LINES,
                                     .limit = MESSAGE_MAX,
                                     .judge = note_failure,
                                     .arg = pulled,
                                     .sink = send_piece,
                                     .sink_arg = exchange};
    exchange_plan_answer(exchange, http);
    down->decode = true;
    pulled->sink = (struct relay_sink){.take = take_piece, .arg = exchange};
    down->sink = &pulled->sink;
    http->framing = FRAMING_CHUNKED; /* towards the client: something may be added */
    if (!exchange_send_head(exchange, http, (struct str){NULL, 0}))
        return PHASE_CLOSED;
    exchange->has_head = true;
    metrics_observe_response(exchange->context->metrics, exchange->route->op, exchange->started_ns);
    metrics_open(exchange->context->metrics, &exchange->span, METRICS_STREAM);
    stream_consume(exchange->upstream, length);
    return PHASE_RESPOND;
}

/* It ends in its middle, so that the client sees that it is not whole. */
static enum phase break_off(struct exchange *exchange, const char *why)
{
    log_seldom(&exchange->context->shared->said_answer, LOG_LEVEL_WARN,
               "%s: the Docker daemon at %s %s; the image gets no tag",
               operation_name(exchange->route->op), exchange->context->upstream_name, why);
    metrics_count_upstream_error(exchange->context->metrics, METRICS_UPSTREAM_BROKEN);
    exchange->record_end = true;
    return PHASE_CLOSED;
}

static enum phase end_answer(struct exchange *exchange)
{
    return exchange_send_chunk(exchange, STR("")) ? exchange_end_answer(exchange) : PHASE_CLOSED;
}

static enum phase begin_look(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    const struct lookup_plan plan = {.context = exchange->context,
                                     .upstream = exchange->upstream,
                                     .role = exchange_role_name(exchange),
                                     .on_ready = exchange->client->on_ready,
                                     .arg = exchange->client->arg};
    pulled->facts = (struct facts){
        .items = {{.kind = FACT_IMAGE, .name = pulled->reference}},
        .count = 1,
        .arena = &pulled->arena,
    };
    pulled->at = AT_LOOK;
    pulled->lookup = lookup_new(&plan, &pulled->facts);
    if (!pulled->lookup)
        return break_off(exchange, "has pulled, and there is no memory to look at what");
    lookup_go_apart(pulled->lookup);
    return PHASE_PULLED;
}

static enum phase daemon_done(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    if (!filter_end(&pulled->filter))
        return pulled->unsent ? PHASE_CLOSED
                              : break_off(exchange, "ended its answer in the middle of a message");
    return pulled->failed ? end_answer(exchange) : begin_look(exchange);
}

enum phase pulled_pass(struct exchange *exchange)
{
    switch (relay_pump(&exchange->down)) {
    case RELAY_DONE:
        return daemon_done(exchange);
    case RELAY_WAIT:
        return PHASE_WAIT;
    case RELAY_YIELD:
        return PHASE_YIELD;
    case RELAY_FROM_LOST:
    case RELAY_BAD:
        return break_off(exchange, "broke off in the middle of its answer");
    case RELAY_TO_LOST:
        break;
    }
    return exchange->pulled->unsent ? PHASE_CLOSED
                                    : break_off(exchange, "answers what are no messages");
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The last message, as the daemon tells of a pull that has failed. */
static bool send_failure(struct exchange *exchange, const char *why)
{
    char text[16 * TOLD_MAX];
    struct json_out out = {.p = text, .cap = sizeof(text)};
    json_out_open(&out, '{');
    json_out_key(&out, "errorDetail");
    json_out_open(&out, '{');
    json_out_member(&out, "message", str_of(why));
    json_out_close(&out, '}');
    json_out_member(&out, "error", str_of(why));
    json_out_close(&out, '}');
    json_out_raw(&out, STR("\r\n"));
    return out.len <= out.cap && send_piece(exchange, (struct str){text, out.len});
}

static enum metrics_pull outcome(const struct pulled *pulled)
{
    if (!pulled->result.verified)
        return METRICS_PULL_REFUSED;
    return pulled->why[0] ? METRICS_PULL_UNTAGGED : METRICS_PULL_VERIFIED;
}

/* Writes the line, and lets the client know. */
static enum phase finish(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    bool good = !pulled->why[0];
    char told[TOLD_MAX + 16];
    pulled->result.reference = pulled->reference;
    pulled->result.tag = pulled->tag;
    pulled->result.key = str_of(pulled->signature.key);
    pulled->result.format = str_of(pulled->signature.format);
    pulled->result.why = pulled->why;
    record_pull(exchange, &pulled->result);
    metrics_count_pull(exchange->context->metrics, outcome(pulled));
    snprintf(told, sizeof(told), "sockwarden: %s", pulled->why);
    if (!good && !pulled->result.would_deny && !send_failure(exchange, told))
        return PHASE_CLOSED;
    return end_answer(exchange);
}

static enum phase not_tagged(struct exchange *exchange, const char *why)
{
    struct pulled *pulled = exchange->pulled;
    struct str reference = pulled->reference, tag = pulled->tag;
    pulled->result.would_deny = false;
    snprintf(pulled->why, sizeof(pulled->why),
             "%.*s has been pulled, and cannot be given its tag %.*s: %s", (int)reference.n,
             reference.p, (int)tag.n, tag.p, why);
    return finish(exchange);
}

static void add_why(struct pulled *pulled, const char *text, const char *why)
{
    size_t n = strlen(pulled->why);
    snprintf(pulled->why + n, sizeof(pulled->why) - n, "%s%s", text, why);
}

static enum phase not_removed(struct exchange *exchange, const char *why)
{
    struct pulled *pulled = exchange->pulled;
    add_why(pulled, "; it has no tag, and cannot be removed: ", why);
    log_error("%s: %s", operation_name(exchange->route->op), pulled->why);
    return finish(exchange);
}

/* ---- asking the daemon ----------------------------------------------------------------------- */

/* What may stand in a path and in a query as it is. */
static void put_name(struct head_out *out, struct str text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._/:@", c);
        head_put(out, plain && c ? str_head((struct str){text.p + i, 1}, 1)
                                 : (struct str){escaped, sizeof(escaped)});
    }
}

/* Sends METHOD /images/IMAGE, and behind it a tag. False: no memory. */
static bool send_errand(struct pulled *pulled, enum pulled_at at, struct str method,
                        struct str image)
{
    size_t cap = 3 * (image.n + pulled->name.n + pulled->tag.n) + 64;
    struct head_out out = {.p = arena_alloc(&pulled->arena, cap, 1), .cap = cap};
    if (!out.p)
        return false;
    head_put(&out, method);
    head_put(&out, STR(" /images/"));
    put_name(&out, image);
    if (at == AT_TAG) {
        head_put(&out, STR("/tag?repo="));
        put_name(&out, pulled->name);
        head_put(&out, STR("&tag="));
        put_name(&out, pulled->tag);
    }
    pulled->at = at;
    lookup_send(pulled->lookup, (struct str){out.p, out.n});
    return out.n <= cap;
}

/* What is there is not what was found signed, or nobody can tell. */
static enum phase remove_image(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    if (exchange->context->config->audit_mode)
        return not_removed(exchange, "nothing is with --mode audit");
    if (!send_errand(pulled, AT_REMOVAL, STR("DELETE"), pulled->reference))
        return not_removed(exchange, "out of memory");
    return PHASE_PULLED;
}

static enum phase give_tag(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    if (pulled->tag.n == 0)
        return finish(exchange);
    if (!send_errand(pulled, AT_TAG, STR("POST"), pulled->result.id))
        return not_tagged(exchange, "out of memory");
    return PHASE_PULLED;
}

/* ---- which image it is ----------------------------------------------------------------------- */

static struct str member(const struct json *doc, struct str name)
{
    const struct json_node *node = json_get(doc, doc->nodes, name);
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

static bool id_is_verified(const struct pulled *pulled, struct str id)
{
    for (size_t i = 0; i < pulled->id_count; i++)
        if (str_eq(pulled->ids[i], id))
            return true;
    return pulled->any_id;
}

/* Fills in why when it does not pass. */
static void judge_image(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    struct arena *scratch = &exchange->context->scratch;
    struct str reference = pulled->reference;
    struct json doc;
    struct err err = {0};
    struct str id = {NULL, 0};
    bool read = json_scan(pulled->facts.items[0].text, scratch, &doc, &err) && doc.count > 0 &&
                doc.nodes->kind == JSON_OBJECT;
    if (read)
        id = member(&doc, STR("Id"));
    if (sign_digest_valid(id))
        pulled->result.id = arena_copy(&pulled->arena, id);
    if (!pulled->result.id.p)
        snprintf(pulled->why, sizeof(pulled->why),
                 "%.*s has been pulled, and the daemon's answer does not tell which image that is",
                 (int)reference.n, reference.p);
    else if (!id_is_verified(pulled, id))
        snprintf(pulled->why, sizeof(pulled->why),
                 "%.*s is signed, and the daemon has pulled another image as such: %.*s "
                 "(id_mismatch)",
                 (int)reference.n, reference.p, (int)id.n, id.p);
    arena_reset(scratch);
}

/* So that a container of it needs no registry. What cannot be recorded is asked for again. */
static void remember(struct exchange *exchange)
{
    const struct pulled *pulled = exchange->pulled;
    const struct trust_question question = {.rules = exchange->snapshot->trust,
                                            .role = exchange->role};
    struct trust *trust = exchange->context->shared->trust;
    if (trust && question.rules)
        trust_record(trust, &question, pulled->name, pulled->digest, pulled->result.id);
}

static enum phase look_done(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    const struct fact *fact = pulled->facts.items;
    char why[600];
    if (fact->state == FACT_FOUND) {
        judge_image(exchange);
    } else {
        text_shorten(why, sizeof(why), fact->text);
        snprintf(pulled->why, sizeof(pulled->why),
                 "%.*s has been pulled, and the daemon does not say which image that is: %s",
                 (int)pulled->reference.n, pulled->reference.p, why);
    }
    pulled->result.verified = !pulled->why[0];
    pulled->result.would_deny =
        !pulled->result.verified && pulled->result.id.p && exchange->context->config->audit_mode;
    if (pulled->result.verified)
        remember(exchange);
    return pulled->result.verified || pulled->result.would_deny ? give_tag(exchange)
                                                                : remove_image(exchange);
}

static enum phase tag_done(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    char why[600];
    struct str text;
    pulled->result.tagged = lookup_sent(pulled->lookup, &text);
    if (pulled->result.tagged)
        return finish(exchange);
    text_shorten(why, sizeof(why), text);
    return not_tagged(exchange, why);
}

static enum phase removal_done(struct exchange *exchange)
{
    struct pulled *pulled = exchange->pulled;
    char why[600];
    struct str text;
    pulled->result.removed = lookup_removed(pulled->lookup, &text);
    if (!pulled->result.removed)
        return not_removed(exchange, text_shorten(why, sizeof(why), text));
    add_why(pulled, "; it has been removed", "");
    return finish(exchange);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static enum phase step_done(struct exchange *exchange)
{
    switch (exchange->pulled->at) {
    case AT_LOOK:
        return look_done(exchange);
    case AT_TAG:
        return tag_done(exchange);
    default:
        return removal_done(exchange);
    }
}

/* This step cannot be done. */
static enum phase step_failed(struct exchange *exchange, const char *why)
{
    struct pulled *pulled = exchange->pulled;
    switch (pulled->at) {
    case AT_LOOK:
        snprintf(pulled->why, sizeof(pulled->why),
                 "%.*s has been pulled, and cannot be looked at: %s", (int)pulled->reference.n,
                 pulled->reference.p, why);
        return remove_image(exchange);
    case AT_TAG:
        return not_tagged(exchange, why);
    default:
        return not_removed(exchange, why);
    }
}

enum phase pulled_step(struct exchange *exchange)
{
    char why[600];
    switch (lookup_step(exchange->pulled->lookup)) {
    case LOOKUP_DONE:
        return step_done(exchange);
    case LOOKUP_WAIT:
        return PHASE_WAIT;
    case LOOKUP_YIELD:
        return PHASE_YIELD;
    case LOOKUP_AWAY:
        break;
    }
    upstream_explain(exchange->context, errno, why, sizeof(why));
    return step_failed(exchange, why);
}

enum phase pulled_late(struct exchange *exchange)
{
    return step_failed(exchange, "the Docker daemon did not do so in time");
}

unsigned pulled_seconds(const struct exchange *exchange)
{
    unsigned limit = exchange->context->config->upstream_timeout;
    unsigned seconds = exchange->pulled->at == AT_REMOVAL ? REMOVE_S : LOOKUP_S;
    return limit > 0 && limit < seconds ? limit : seconds;
}
