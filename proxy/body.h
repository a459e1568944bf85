/* A request body that must be whole before the decision: collected up to a limit, unchunked. */
#ifndef PROXY_BODY_H
#define PROXY_BODY_H

#include "chunked.h"
#include "http_request.h"
#include "stream.h"

#include <stdatomic.h>

enum { BODIES_HELD_MAX = 256 }; /* largest bodies that may be held at a time, by all loops */

struct body {
    char *p;            /* owned; kept for the next request unless it has grown large */
    size_t length, cap; /* bytes that are there; bytes of room */
    enum framing framing;
    uint64_t announced;       /* FRAMING_LENGTH: bytes that will come */
    size_t limit;             /* bytes; more is refused */
    atomic_size_t *held;      /* room of all bodies together; NULL: not counted */
    size_t held_max;          /* bytes that all may hold */
    atomic_size_t *peer_held; /* bytes of the bodies of one client; NULL: not counted */
    size_t peer_max;          /* bytes that these may hold */
    size_t peer_taken;        /* bytes counted there for this one */
    bool peer_bound;          /* limit is the client's own */
    struct chunked chunked;   /* where the walk of a chunked body stands */
};

/* BODY_CROWDED: the client holds what it may. */
enum body_status { BODY_MORE, BODY_DONE, BODY_BAD, BODY_LARGE, BODY_CROWDED, BODY_NO_MEMORY };

/* Up to n of its first bytes that are pending on the stream, of a body of that framing that has not
   been taken yet; copied to dst. *ended: there are no more than these. */
size_t body_peek(struct str pending, enum framing framing, uint64_t announced, char *dst, size_t n,
                 bool *ended);

/* Counts no more as its client's, who may be gone from now on. */
void body_leave_peer(struct body *body);
/* Ready for the next request. */
void body_reset(struct body *body);
void body_free(struct body *body);
/* Moves what is pending on the stream into the body, up to its end. */
enum body_status body_take(struct body *body, struct stream *from);

#endif
