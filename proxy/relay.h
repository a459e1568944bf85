/* A one-way pump from one stream to another, bounded in memory, that follows a framing. Two make a
   tunnel. It counts and stops where the framing ends; it never looks at what passes. */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "chunked.h"
#include "http_request.h"
#include "stream.h"

/* Who takes bytes that are not passed on as they are. False: nobody takes them any more. */
struct relay_sink {
    bool (*take)(void *arg, struct str bytes);
    void *arg;
};

struct relay {
    struct stream *from;
    struct stream *to; /* NULL: what comes is dropped */
    enum framing framing;
    bool decode;   /* chunked: pass the data only (to an HTTP/1.0 client, or to the sink) */
    bool splices;  /* a body that turns out to be large need not come into the process */
    bool done;     /* the framing has ended */
    uint64_t left; /* FRAMING_LENGTH: bytes to come */
    struct chunked chunked;
    uint64_t total; /* bytes of the body that have passed, without framing */
    /* Gets the bytes in place of `to`, which it fills itself; NULL: there is none. Borrowed. Where
       it takes no more: RELAY_TO_LOST. */
    const struct relay_sink *sink;
};

enum relay_status {
    RELAY_DONE,      /* all of it has been handed to `to` (some may be queued there) */
    RELAY_WAIT,      /* nothing to do until a stream is ready */
    RELAY_YIELD,     /* this turn's share is used up; go on in the next turn */
    RELAY_FROM_LOST, /* the source ended or broke before the framing did */
    RELAY_TO_LOST,   /* the sink broke */
    RELAY_BAD,       /* the source broke the framing */
};

enum {
    RELAY_HIGH = 64 << 10,   /* bytes queued at the sink above which nothing more is read */
    RELAY_LARGE = 256 << 10, /* bytes of a body behind which it is worth a pipe */
    RELAY_SHARE = 512 << 10  /* bytes a relay may move in one turn, so that others get theirs */
};

struct relay relay_new(struct stream *from, struct stream *to, enum framing framing,
                       uint64_t length);
enum relay_status relay_pump(struct relay *relay);

/* Counts the first bytes of a body that the caller sends himself (together with a head): how many
   of pending belong to it. Not for decode. *bad: the framing is broken. */
size_t relay_count(struct relay *relay, struct str pending, bool *bad);

#endif
