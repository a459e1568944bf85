/* Bytes that go from one plain stream to another without coming into the process: by splice(2)
   through a pipe, which belongs to the stream that they go to. What the peer does not take at once
   waits in the pipe, and counts as queued. Pipes are scarce: whoever gets none copies. The peer may
   change what it has sent until somebody copies it (sendfile, vmsplice): only bytes of which
   nothing is judged go this way. */
#ifndef PROXY_BYPASS_H
#define PROXY_BYPASS_H

#include "stream.h"

enum {
    BYPASS_PIPE = 1 << 20,   /* bytes of a pipe; unprivileged users have 64 of these by default */
    BYPASS_PIPES_MAX = 16,   /* of a loop */
    BYPASS_LEAST = 64 << 10, /* bytes for which it is worth its calls */
};

/* Both ends plain, nothing read ahead and nothing queued but in the pipe, and a pipe is there or
   may be had; else copy. */
bool bypass_ready(const struct stream *from, const struct stream *to);
/* Moves at most max bytes from the source into the empty pipe, and on as far as the sink takes
   them; without a pipe, or past an urgent byte, they come into the source's buffer. *taken: how
   many have left the source by the pipe. STREAM_OK, or what stopped the source; a sink that is lost
   says so itself (lost_out). Only after bypass_ready(), with nothing in the pipe. */
enum stream_status bypass_move(struct stream *from, struct stream *to, uint64_t max, size_t *taken);
/* Nothing more comes this way: the pipe goes once it is empty. */
void bypass_end(struct stream *to);

/* ---- for the stream that owns the pipe ------------------------------------------------------ */

/* Bytes in its pipe. */
size_t bypass_held(const struct stream *stream);
/* Sends what the pipe holds: STREAM_OK when it is empty, STREAM_AGAIN when the socket is full,
   STREAM_BROKEN with errno. */
enum stream_status bypass_flush(struct stream *stream);
/* Closes the pipe with what is in it. */
void bypass_free(struct stream *stream);

#endif
