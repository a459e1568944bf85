/* What the end of --stop-timeout does to a connection: where nothing is lost by it, an end that the
   client understands; where something is, one that it cannot take for a whole answer. */
#include "exchange.h"

#include "respond_filter.h"

static const char why[] = "the proxy is stopping";
#define NOT_SENT "the proxy is stopping, and nothing of this request was sent on"

/* The answer is under way. Only of what never ends by itself is any end a good one. */
static enum phase cut_answer(struct exchange *exchange)
{
    const struct relay *down = &exchange->down;
    if (respond_filter_ended(exchange)) /* all of it is on its way */
        return PHASE_LINGER;
    bool framed = down->framing == FRAMING_CHUNKED && !exchange->http10;
    bool between = exchange->filter || chunked_is_between(&down->chunked);
    exchange->cut = why;
    exchange->record_end = true;
    if (!exchange->streaming || down->framing == FRAMING_LENGTH || (framed && !between))
        return PHASE_CLOSED;
    if (framed && !exchange_send_chunk(exchange, STR("")))
        return PHASE_CLOSED;
    return PHASE_LINGER;
}

/* It has been sent on, and what comes of it nobody will tell. */
static enum phase cut_request(struct exchange *exchange)
{
    if (exchange->inquiry) /* a container is being made that must be looked at again */
        return PHASE_WAIT;
    exchange->cut = why;
    exchange->record_end = true;
    stream_close(exchange->upstream);
    return exchange_answer(
        exchange, 504,
        "sockwarden: the proxy is stopping, and the Docker daemon did not answer "
        "before (--stop-timeout)",
        true);
}

static enum phase refuse(struct exchange *exchange)
{
    return exchange_refuse(exchange, 503, NOT_SENT);
}

enum phase exchange_cut(struct exchange *exchange, enum phase phase)
{
    switch (phase) {
    case PHASE_TLS:
    case PHASE_WHO:
        return PHASE_CLOSED;
    case PHASE_HEAD:
        if (stream_pending(exchange->client).n == 0)
            return PHASE_LINGER;
        exchange_begin(exchange, 0);
        return refuse(exchange);
    case PHASE_BODY:
    case PHASE_LOOKUP:
        return refuse(exchange);
    case PHASE_CONNECT:
        exchange->cut = why;
        exchange->record_end = true;
        return exchange_answer(exchange, 503, "sockwarden: " NOT_SENT, true);
    case PHASE_RESPOND:
        return exchange->has_head ? cut_answer(exchange) : cut_request(exchange);
    case PHASE_TUNNEL:
        exchange->cut = why;
        return PHASE_LINGER;
    case PHASE_DROP:
        return PHASE_LINGER;
    default: /* ends within this turn, or its last bytes are on their way */
        return PHASE_WAIT;
    }
}
