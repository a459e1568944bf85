/* Questions about signatures on their way to the desk of the loop; see signature_facts.h. Nothing
   is verified here. */
#include "signature_facts.h"

#include "trust.h"

/* The credentials that the client sends for a pull, as they came. */
static struct str registry_auth(const struct inquiry *inquiry)
{
    const struct http_head *head = &inquiry->http.head;
    for (size_t i = 0; i < head->field_count; i++)
        if (str_ieq(head->fields[i].name, STR("X-Registry-Auth")))
            return head->fields[i].value;
    return (struct str){NULL, 0};
}

static void fail(struct fact *fact, const char *why)
{
    fact->state = FACT_FAILED;
    fact->text = str_of(why);
}

static struct trust_question *question_of(const struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    if (inquiry->signatures)
        return inquiry->signatures;
    struct trust_question *question = arena_alloc(&inquiry->arena, 1, sizeof(*question));
    if (!question)
        return NULL;
    *question = (struct trust_question){
        .rules = exchange->snapshot->trust, .role = exchange->role, .auth = registry_auth(inquiry)};
    if (inquiry->request.route->op == OP_ImageCreate)
        question->platform = request_param(&inquiry->request, "platform");
    inquiry->signatures = question;
    return question;
}

_Static_assert(FACTS_MAX <= 32, "asked_signatures has a bit for each fact");

/* Facts that are made last may move in the list. */
static void forget_answered(struct inquiry *inquiry)
{
    const struct facts *facts = &inquiry->facts;
    for (size_t i = 0; i < FACTS_MAX; i++)
        if (i >= facts->count || facts->items[i].state != FACT_WANTED)
            inquiry->asked_signatures &= ~BIT(i);
}

void signature_facts_ask(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    struct facts *facts = &inquiry->facts;
    struct trust_desk *desk = exchange->context->desk;
    forget_answered(inquiry);
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        if (fact->kind != FACT_SIGNATURE || fact->state != FACT_WANTED ||
            (inquiry->asked_signatures & BIT(i)))
            continue;
        const struct trust_question *question = question_of(exchange);
        if (!desk || !exchange->snapshot->trust)
            fail(fact, "signatures are not verified here");
        else if (!question)
            fail(fact, "out of memory");
        else if (trust_ask(desk, question, fact, facts->arena, exchange->client->on_ready,
                           exchange->client->arg) == TRUST_WAIT)
            inquiry->asked_signatures |= BIT(i);
    }
}

bool signature_facts_wait(const struct exchange *exchange)
{
    const struct inquiry *inquiry = exchange->inquiry;
    const struct facts *facts = &inquiry->facts;
    for (size_t i = 0; inquiry->asked_signatures && i < facts->count; i++)
        if (facts->items[i].kind == FACT_SIGNATURE && facts->items[i].state == FACT_WANTED)
            return true;
    return false;
}

void signature_facts_cancel(struct exchange *exchange)
{
    struct inquiry *inquiry = exchange->inquiry;
    if (inquiry->asked_signatures)
        trust_cancel(exchange->context->desk, exchange->client->arg);
    inquiry->asked_signatures = 0;
}
