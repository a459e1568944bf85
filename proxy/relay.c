/* The pump; see relay.h. */
#include "relay.h"

#include "bypass.h"

struct relay relay_new(struct stream *from, struct stream *to, enum framing framing,
                       uint64_t length)
{
    /* Its end is all that ends it: an error that came together with bytes (the peer closed with
       ours unread) is reported as readable only, and by no further event. */
    if (framing == FRAMING_EOF && from)
        from->closing_hint = true;
    return (struct relay){.from = from,
                          .to = to,
                          .framing = framing,
                          .left = length,
                          .done = framing == FRAMING_NONE ||
                                  (framing == FRAMING_LENGTH && length == 0)};
}

/* Hands bytes to the sink. A broken sink is noticed, and the caller decides. */
static bool pass(struct relay *relay, struct str bytes)
{
    if (!relay->to || bytes.n == 0)
        return true;
    if (relay->sink)
        return relay->sink->take(relay->sink->arg, bytes);
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes.p, .iov_len = bytes.n};
    return stream_send(relay->to, &piece, 1) != STREAM_BROKEN;
}

/* Takes what the framing allows from the pending bytes. Returns the bytes taken; *bad: the framing
   is broken behind them. With decode only the data is passed, else all that was taken. */
static size_t take_chunked(struct relay *relay, struct str pending, bool *lost, bool *bad)
{
    size_t n = 0;
    while (n < pending.n && !relay->done && !*bad && !*lost) {
        size_t taken = 0;
        struct str data;
        enum chunked_status status =
            chunked_walk(&relay->chunked, str_skip(pending, n), &taken, &data);
        *bad = status == CHUNKED_BAD;
        relay->done = status == CHUNKED_DONE;
        relay->total += data.n;
        if (relay->decode)
            *lost = !pass(relay, data);
        n += taken;
    }
    if (!relay->decode && !*bad)
        *lost = !pass(relay, str_head(pending, n));
    return n;
}

static size_t take(struct relay *relay, struct str pending, bool *lost, bool *bad)
{
    if (relay->framing == FRAMING_CHUNKED)
        return take_chunked(relay, pending, lost, bad);
    if (relay->framing == FRAMING_LENGTH && relay->left < pending.n)
        pending = str_head(pending, (size_t)relay->left);
    relay->total += pending.n;
    if (relay->framing == FRAMING_LENGTH) {
        relay->left -= pending.n;
        relay->done = relay->left == 0;
    }
    *lost = !pass(relay, pending);
    return pending.n;
}

/* ---- past the process ------------------------------------------------------------------------ */

enum { AHEAD = 16 }; /* bytes: the end of a chunk and the size of the next, as most are */

/* What is known of the bytes to come: the first ones were looked at, and behind them there is no
   framing for a while. */
struct ahead {
    char seen[AHEAD];
    size_t n;
    uint64_t length; /* of both; 0: not known, or not worth a splice */
};

/* The framing's own bytes, of chunks whose data is not looked at. Returns the data's. */
static size_t walk_seen(struct chunked *chunked, struct str seen, bool *ended)
{
    size_t data_n = 0;
    *ended = false;
    while (seen.n > 0 && !*ended) {
        size_t taken = 0;
        struct str data;
        enum chunked_status status = chunked_walk(chunked, seen, &taken, &data);
        *ended = status == CHUNKED_DONE || status == CHUNKED_BAD;
        data_n += data.n;
        seen = str_skip(seen, taken);
    }
    return data_n;
}

static void look_ahead(struct relay *relay, struct ahead *ahead)
{
    struct chunked chunked = relay->chunked;
    bool ended = false;
    ahead->n = 0;
    ahead->length = 0;
    if (relay->framing == FRAMING_LENGTH && relay->left >= BYPASS_LEAST)
        ahead->length = relay->left;
    if (relay->framing != FRAMING_CHUNKED)
        return;
    if (chunked_left(&chunked) == 0)
        ahead->n = stream_peek(relay->from, ahead->seen, sizeof(ahead->seen));
    walk_seen(&chunked, (struct str){ahead->seen, ahead->n}, &ended);
    /* Of a large one the rest, too, is worth it: behind it the next one's size can be looked at. */
    if (!ended && chunked.large && chunked_left(&chunked) > 0)
        ahead->length = ahead->n + chunked_left(&chunked);
}

static void count_spliced(struct relay *relay, const struct ahead *ahead, size_t taken)
{
    size_t seen = ahead->n < taken ? ahead->n : taken;
    bool ended;
    relay->total += taken - seen;
    if (relay->framing == FRAMING_LENGTH) {
        relay->left -= taken;
        relay->done = relay->left == 0;
        return;
    }
    relay->total += walk_seen(&relay->chunked, (struct str){ahead->seen, seen}, &ended);
    if (taken > seen)
        chunked_skip(&relay->chunked, taken - seen);
}

/* More from the source: into its buffer, or past the process. */
static enum stream_status fetch(struct relay *relay, size_t *taken)
{
    bool may = relay->splices && relay->to && !relay->sink && !relay->decode &&
               relay->total >= RELAY_LARGE && bypass_ready(relay->from, relay->to);
    struct ahead ahead;
    ahead.length = 0;
    if (may)
        look_ahead(relay, &ahead);
    if (ahead.length == 0)
        return stream_fill(relay->from);
    enum stream_status status = bypass_move(relay->from, relay->to, ahead.length, taken);
    count_spliced(relay, &ahead, *taken);
    return status;
}

static enum relay_status refill(struct relay *relay, size_t *taken)
{
    switch (fetch(relay, taken)) {
    case STREAM_OK:
    case STREAM_FULL:
        return RELAY_DONE;
    case STREAM_AGAIN:
        return RELAY_WAIT;
    case STREAM_EOF:
        if (relay->framing == FRAMING_EOF) {
            relay->done = true;
            return RELAY_DONE;
        }
        return RELAY_FROM_LOST;
    case STREAM_BROKEN:
        break;
    }
    return RELAY_FROM_LOST;
}

static enum relay_status pump(struct relay *relay)
{
    size_t moved = 0;
    while (!relay->done) {
        if (relay->to && stream_queued(relay->to) > 0) {
            enum stream_status status = stream_flush(relay->to);
            if (status == STREAM_BROKEN)
                return RELAY_TO_LOST;
            if (stream_queued(relay->to) >= RELAY_HIGH)
                return RELAY_WAIT;
        }
        if (moved >= RELAY_SHARE)
            return RELAY_YIELD;
        struct str pending = stream_pending(relay->from);
        if (pending.n == 0) {
            if (relay->to && bypass_held(relay->to) > 0)
                return RELAY_WAIT;
            size_t taken = 0;
            enum relay_status status = refill(relay, &taken);
            moved += taken;
            if (status != RELAY_DONE)
                return status;
            if (relay->to && taken > 0 && relay->to->lost_out)
                return RELAY_TO_LOST;
            continue;
        }
        bool lost = false, broken = false;
        size_t n = take(relay, pending, &lost, &broken);
        stream_consume(relay->from, n);
        moved += n;
        if (broken)
            return RELAY_BAD;
        if (lost)
            return RELAY_TO_LOST;
    }
    return RELAY_DONE;
}

enum relay_status relay_pump(struct relay *relay)
{
    enum relay_status status = pump(relay);
    if (relay->done && relay->to)
        bypass_end(relay->to);
    return status;
}

size_t relay_count(struct relay *relay, struct str pending, bool *bad)
{
    struct stream *to = relay->to;
    bool lost = false;
    *bad = false;
    relay->to = NULL;
    size_t n = relay->done ? 0 : take(relay, pending, &lost, bad);
    relay->to = to;
    return n;
}
