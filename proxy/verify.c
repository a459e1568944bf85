/* After a ContainerCreate: the volumes that its decision looked at may have been exchanged before
   the container held them, and the name of its image may have gone to another one. So the daemon's
   answer is held while the volumes are looked at once more and the request is decided again, and
   the container is asked for its image; one that does not pass is removed before anybody learns of
   it. From then on nobody can exchange them: the daemon removes no volume that a container has, and
   its image stays.
   That is why starts and commands need none of this: their decision has seen the container with all
   that it has, and is pinned to its ID. What the daemon makes after it was given up, late or broken
   off in the middle, is not seen here; its start is judged as any. See exchange.h. */
#include "exchange.h"

#include "lookup.h"
#include "signature_facts.h"
#include "upstream.h"
#include "who.h"

#include <errno.h>
#include <stdio.h>

enum {
    CREATED_MAX = 16 << 10, /* bytes of the answer: an ID and warnings */
    ID_DIGITS = 64,
    TOLD_MAX = REASON_MAX + 192,
    MESSAGE_MAX = TOLD_MAX + 1024
};

bool exchange_needs_verify(const struct exchange *exchange)
{
    const struct inquiry *inquiry = exchange->inquiry;
    const struct facts *facts = &inquiry->facts;
    if (exchange->route->op != OP_ContainerCreate || !inquiry->lookup ||
        exchange->context->config->audit_mode) /* which refuses nothing of a policy's */
        return false;
    if (inquiry->image.p)
        return true;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].kind == FACT_VOLUME || facts->items[i].kind == FACT_VOLUME_MADE)
            return true;
    return false;
}

/* ---- the end of a container ------------------------------------------------------------------ */

static enum phase answer(struct exchange *exchange, int status, bool removed, const char *message)
{
    record_verify(exchange, status, removed);
    stream_close(exchange->upstream); /* with the answer that nobody gets */
    return exchange_answer(exchange, status, message, false);
}

/* A refusal that is no rule's: it has no status. */
static void refuse(struct exchange *exchange, const char *why)
{
    struct decision *decision = &exchange->inquiry->decision;
    decision_clear(decision);
    snprintf(decision->reason, sizeof(decision->reason),
             "sockwarden: the new container cannot be looked at again: %s", why);
}

static enum phase not_removed(struct exchange *exchange, const char *why)
{
    const struct inquiry *inquiry = exchange->inquiry;
    struct str id = inquiry->made;
    char message[MESSAGE_MAX], told[TOLD_MAX];
    who_tell(exchange, &inquiry->decision, told, sizeof(told));
    log_error("%s: the container %.*s has been made, is refused, and cannot be removed: %s",
              operation_name(exchange->route->op), (int)id.n, id.p, why);
    snprintf(message, sizeof(message),
             "%s; the container %.*s has been made and cannot be removed again: %s; remove it with "
             "\"docker rm -f -v\" on the daemon's own socket",
             told, (int)id.n, id.p, why);
    return answer(exchange, 502, false, message);
}

static enum phase begin_remove(struct exchange *exchange)
{
    lookup_remove(exchange->inquiry->lookup, exchange->inquiry->made);
    return PHASE_REMOVE;
}

enum phase exchange_remove(struct exchange *exchange)
{
    const struct inquiry *inquiry = exchange->inquiry;
    char why[600], message[MESSAGE_MAX], told[TOLD_MAX];
    struct str text;
    switch (lookup_step(inquiry->lookup)) {
    case LOOKUP_WAIT:
        return PHASE_WAIT;
    case LOOKUP_YIELD:
        return PHASE_YIELD;
    case LOOKUP_AWAY:
        upstream_explain(exchange->context, errno, why, sizeof(why));
        return not_removed(exchange, why);
    case LOOKUP_DONE:
        break;
    }
    if (!lookup_removed(inquiry->lookup, &text)) {
        text_shorten(why, sizeof(why), text);
        return not_removed(exchange, why);
    }
    bool judged = inquiry->decision.status != 0;
    who_tell(exchange, &inquiry->decision, told, sizeof(told));
    snprintf(message, sizeof(message), "%s%s; the container has been removed", told,
             judged ? "; a volume changed while the container was made" : "");
    return answer(exchange, 403, true, message);
}

enum phase exchange_remove_late(struct exchange *exchange)
{
    return not_removed(exchange, "the Docker daemon did not do so in time");
}

/* ---- looking again --------------------------------------------------------------------------- */

static const struct fact *fact_of_made(const struct inquiry *inquiry)
{
    const struct facts *facts = &inquiry->facts;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].kind == FACT_CONTAINER && str_eq(facts->items[i].name, inquiry->made))
            return &facts->items[i];
    return NULL;
}

/* Some daemons leave the algorithm out in one of the two places. */
static struct str without_algorithm(struct str id)
{
    return str_starts(id, STR("sha256:")) ? str_skip(id, STR("sha256:").n) : id;
}

/* What the container says of its image; NULL: it says nothing, and *why why not. */
static const struct json_node *image_of_made(struct exchange *exchange, struct json *doc,
                                             struct str *why)
{
    const struct fact *fact = fact_of_made(exchange->inquiry);
    struct err err = {0};
    const struct json_node *image = NULL;
    bool found = fact && fact->state == FACT_FOUND;
    *why = fact && !found && fact->text.n > 0 ? fact->text : STR("it does not tell its image");
    if (found && json_scan(fact->text, &exchange->context->scratch, doc, &err) && doc->count > 0 &&
        doc->nodes[0].kind == JSON_OBJECT)
        image = json_get(doc, doc->nodes, STR("Image"));
    return image && image->kind == JSON_STRING && image->text.n > 0 ? image : NULL;
}

/* Is it made of the image that was judged? Otherwise the decision says so. */
static bool image_is_judged(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct decision *decision = &inquiry->decision;
    struct arena *scratch = &exchange->context->scratch;
    struct json doc;
    struct str why;
    char text[600];
    if (!inquiry->image.p)
        return true;
    const struct json_node *image = image_of_made(exchange, &doc, &why);
    bool same = image && str_eq(without_algorithm(image->text), without_algorithm(inquiry->image));
    if (!image) {
        text_shorten(text, sizeof(text), why);
        refuse(exchange, text);
    } else if (!same) {
        decision_clear(decision);
        snprintf(decision->reason, sizeof(decision->reason),
                 "sockwarden: the name of the image went to another one while the container was "
                 "made, and only the one before was judged; ask again");
    }
    arena_reset(scratch);
    return same;
}

static enum phase judge_again(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct decision *decision = &inquiry->decision;
    struct arena *scratch = &exchange->context->scratch;
    policy_decide(exchange->role, &inquiry->request, &inquiry->facts, scratch, decision);
    bool as_sent = !decision_rewrites(decision, &inquiry->request);
    arena_reset(scratch);
    if (decision->verdict == VERDICT_ALLOW && as_sent) {
        if (!image_is_judged(exchange))
            return begin_remove(exchange);
        inquiry_release(exchange);
        return PHASE_RESPOND;
    }
    if (decision->verdict == VERDICT_NEED && ++inquiry->rounds <= FACT_ROUNDS_MAX) {
        exchange_answer_here(exchange);
        return PHASE_VERIFY;
    }
    if (decision->verdict != VERDICT_DENY)
        refuse(exchange, "what they are leads to other objects than before");
    return begin_remove(exchange);
}

enum phase exchange_verify(struct exchange *exchange)
{
    char why[600];
    switch (lookup_step(exchange->inquiry->lookup)) {
    case LOOKUP_DONE:
        return signature_facts_wait(exchange) ? PHASE_WAIT : judge_again(exchange);
    case LOOKUP_WAIT:
        return PHASE_WAIT;
    case LOOKUP_YIELD:
        return PHASE_YIELD;
    case LOOKUP_AWAY:
        break;
    }
    upstream_explain(exchange->context, errno, why, sizeof(why));
    refuse(exchange, why);
    return begin_remove(exchange);
}

enum phase exchange_verify_late(struct exchange *exchange)
{
    refuse(exchange, "the Docker daemon did not answer in time");
    return begin_remove(exchange);
}

/* ---- the answer to the create ---------------------------------------------------------------- */

static bool id_is_full(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!ascii_hex(id.p[i]))
            return false;
    return id.n == ID_DIGITS;
}

static bool read_id(struct exchange *exchange, struct str text)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct arena *scratch = &exchange->context->scratch;
    struct json doc;
    struct err err = {0};
    const struct json_node *id = NULL;
    if (json_scan(text, scratch, &doc, &err) && doc.count > 0 && doc.nodes[0].kind == JSON_OBJECT)
        id = json_get(&doc, doc.nodes, STR("Id"));
    if (id && id->kind == JSON_STRING && id_is_full(id->text))
        inquiry->made = arena_copy(&inquiry->arena, id->text);
    arena_reset(scratch);
    return inquiry->made.p != NULL;
}

static enum phase unknown(struct exchange *exchange)
{
    static const char why[] =
        "the Docker daemon's answer does not tell which container it has made, so that it "
        "cannot be looked at again";
    char message[sizeof(why) + 16];
    log_error("%s: %s", operation_name(exchange->route->op), why);
    refuse(exchange, "the daemon does not tell which one it is");
    snprintf(message, sizeof(message), "sockwarden: %s", why);
    return answer(exchange, 502, false, message);
}

/* What was made for the request is not made again: it must be there. */
static void want_volumes(struct facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_VOLUME)
            *fact = (struct fact){.kind = FACT_VOLUME, .name = fact->name};
        if (fact->kind == FACT_VOLUME_MADE) {
            fact->state = FACT_FAILED;
            fact->text = STR("it was made for this request, and is gone");
            fact->id = (struct str){NULL, 0};
        }
    }
}

/* There is room for it: see go_on() of exchange_decide.c. */
static void want_container(struct inquiry *inquiry)
{
    struct facts *facts = &inquiry->facts;
    if (inquiry->image.p && facts->count < FACTS_MAX)
        facts->items[facts->count++] = (struct fact){.kind = FACT_CONTAINER, .name = inquiry->made};
}

enum phase exchange_begin_verify(struct exchange *exchange, const struct http_response *http,
                                 size_t head_length)
{
    char text[CREATED_MAX];
    struct inquiry *inquiry = exchange->inquiry;
    struct str pending = str_skip(stream_pending(exchange->upstream), head_length);
    bool ended = false;
    bool large = http->framing == FRAMING_EOF || http->length > sizeof(text);
    size_t n =
        large ? 0 : body_peek(pending, http->framing, http->length, text, sizeof(text), &ended);
    if (!ended && !large && n < sizeof(text))
        return PHASE_WAIT;
    if (!ended || !read_id(exchange, (struct str){text, n}))
        return unknown(exchange);
    inquiry->rounds = 0;
    want_volumes(&inquiry->facts);
    want_container(inquiry);
    return PHASE_VERIFY;
}
