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

/* Bytes to come that hold no framing; 0: not worth a splice. Framing itself always comes into the
   process: what a client has sent without copying it (sendfile, vmsplice) stays its own to change,
   until it is copied. */
static uint64_t unframed(const struct relay *relay)
{
    if (relay->framing == FRAMING_LENGTH)
        return relay->left >= BYPASS_LEAST ? relay->left : 0;
    bool large = relay->framing == FRAMING_CHUNKED && relay->chunked.large;
    return large ? chunked_left(&relay->chunked) : 0;
}

static void count_spliced(struct relay *relay, size_t taken)
{
    relay->total += taken;
    if (relay->framing == FRAMING_LENGTH) {
        relay->left -= taken;
        relay->done = relay->left == 0;
    } else if (taken > 0) {
        chunked_skip(&relay->chunked, taken);
    }
}

/* More from the source: into its buffer, or past the process. Behind a large chunk mostly comes
   another: no more than its size is copied. */
static enum stream_status fetch(struct relay *relay, size_t *taken)
{
    bool may = relay->splices && relay->to && !relay->sink && !relay->decode &&
               relay->total >= RELAY_LARGE && bypass_ready(relay->from, relay->to);
    uint64_t length = may ? unframed(relay) : 0;
    if (length == 0)
        return may && relay->chunked.large ? stream_fill_some(relay->from, AHEAD)
                                           : stream_fill(relay->from);
    enum stream_status status = bypass_move(relay->from, relay->to, length, taken);
    count_spliced(relay, *taken);
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
