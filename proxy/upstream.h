/* Connections to the real daemon. */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include "context.h"
#include "stream.h"

enum upstream_status {
    UPSTREAM_OPEN,
    UPSTREAM_BUSY, /* its backlog is full: try again soon */
    UPSTREAM_AWAY, /* errno says why */
};

/* Where the daemon is, as given to --upstream. Looks up names that messages need, since later no
   file can be opened for that. */
void upstream_setup(struct context *context, const char *address);
enum upstream_status upstream_open(struct context *context, struct stream *stream,
                                   void (*on_ready)(void *arg), void *arg);
/* A sentence for client and log, without our name before it: which socket, what is wrong, the
   remedy. error is an errno. */
void upstream_explain(const struct context *context, int error, char *dst, size_t cap);
/* A request does not get through: why, as above, counted, and now and then told to the operator.
   Returns the status of its answer: 503 when it is we who lack something, else 502. */
int upstream_note_away(struct context *context, int error, char *why, size_t cap);

#endif
