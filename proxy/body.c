/* A body that is collected; see body.h. */
#include "body.h"

#include <stdlib.h>

enum { FIRST_ROOM = 4096, ROOM_KEPT_MAX = 64 << 10 };

void body_leave_peer(struct body *body)
{
    if (body->peer_held)
        atomic_fetch_sub(body->peer_held, body->peer_taken);
    body->peer_held = NULL;
    body->peer_taken = 0;
}

void body_free(struct body *body)
{
    body_leave_peer(body);
    if (body->held)
        atomic_fetch_sub(body->held, body->cap);
    free(body->p);
    body->p = NULL;
    body->length = body->cap = 0;
}

void body_reset(struct body *body)
{
    body_leave_peer(body);
    if (body->cap > ROOM_KEPT_MAX)
        body_free(body);
    body->peer_bound = false;
    body->length = 0;
    body->framing = FRAMING_NONE;
    body->announced = 0;
    body->chunked = (struct chunked){.state = 0};
}

/* Room for want bytes in all, by doubling: what was only announced holds no memory. */
static bool make_room(struct body *body, size_t want)
{
    if (want <= body->cap)
        return true;
    size_t cap = body->cap ? body->cap : FIRST_ROOM;
    while (cap < want)
        cap *= 2;
    size_t more = cap - body->cap;
    if (body->held && atomic_fetch_add(body->held, more) + more > body->held_max) {
        atomic_fetch_sub(body->held, more);
        return false;
    }
    char *p = realloc(body->p, cap);
    if (!p) {
        if (body->held)
            atomic_fetch_sub(body->held, more);
        return false;
    }
    body->p = p;
    body->cap = cap;
    return true;
}

/* By what has come, so that announcing takes nothing from the client's other bodies. */
static bool take_share(struct body *body, size_t more)
{
    if (!body->peer_held)
        return true;
    if (atomic_fetch_add(body->peer_held, more) + more > body->peer_max) {
        atomic_fetch_sub(body->peer_held, more);
        return false;
    }
    body->peer_taken += more;
    return true;
}

static enum body_status append(struct body *body, struct str bytes)
{
    if (!take_share(body, bytes.n))
        return BODY_CROWDED;
    if (!make_room(body, body->length + bytes.n))
        return BODY_NO_MEMORY;
    if (bytes.n)
        memcpy(body->p + body->length, bytes.p, bytes.n);
    body->length += bytes.n;
    return BODY_MORE;
}

static enum body_status take_length(struct body *body, struct stream *from)
{
    struct str pending = str_head(stream_pending(from), (size_t)body->announced - body->length);
    enum body_status status = append(body, pending);
    if (status != BODY_MORE)
        return status;
    stream_consume(from, pending.n);
    return body->length == body->announced ? BODY_DONE : BODY_MORE;
}

enum body_status body_take(struct body *body, struct stream *from)
{
    if (body->framing == FRAMING_LENGTH)
        return body->announced > body->limit ? BODY_LARGE : take_length(body, from);
    struct str pending = stream_pending(from);
    while (pending.n) {
        size_t taken = 0;
        struct str data;
        enum chunked_status status = chunked_walk(&body->chunked, pending, &taken, &data);
        if (status == CHUNKED_BAD)
            return BODY_BAD;
        if (data.n + chunked_left(&body->chunked) > body->limit - body->length)
            return BODY_LARGE; /* said when the chunk is announced, not when it has come */
        enum body_status room = append(body, data);
        if (room != BODY_MORE)
            return room;
        stream_consume(from, taken);
        pending = stream_pending(from);
        if (status == CHUNKED_DONE)
            return BODY_DONE;
    }
    return BODY_MORE;
}

size_t body_peek(struct str pending, enum framing framing, uint64_t announced, char *dst, size_t n,
                 bool *ended)
{
    size_t got = 0;
    *ended = framing == FRAMING_NONE;
    if (framing == FRAMING_LENGTH) {
        got = pending.n < announced ? pending.n : (size_t)announced;
        *ended = got == announced;
        got = got < n ? got : n;
        if (got)
            memcpy(dst, pending.p, got);
    }
    struct chunked walk = {.state = 0};
    while (framing == FRAMING_CHUNKED && pending.n && got < n) {
        size_t taken = 0;
        struct str data;
        enum chunked_status status = chunked_walk(&walk, pending, &taken, &data);
        data = str_head(data, n - got);
        if (data.n)
            memcpy(dst + got, data.p, data.n);
        got += data.n;
        *ended = status == CHUNKED_DONE || status == CHUNKED_BAD;
        if (*ended)
            break;
        pending = str_skip(pending, taken);
    }
    return got;
}
