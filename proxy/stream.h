/* One byte stream over a socket, plain or TLS: edge-triggered, buffered only while something is
   pending, with half-close in both directions. Knows nothing of HTTP. All calls belong to the
   loop's thread. */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include "loop.h"

#include <event2/buffer.h>
#include <event2/event_struct.h>
#include <sys/uio.h>

enum stream_status {
    STREAM_OK,    /* something was read, or all is written */
    STREAM_AGAIN, /* nothing more now; on_ready is called when there is */
    STREAM_EOF,   /* the peer has ended its direction; what was pending is still there */
    STREAM_FULL,  /* the buffer is full: consume first */
    STREAM_BROKEN /* the socket is of no more use; error holds errno */
};

struct stream_tls; /* see stream_tls.h */
struct bypass;     /* see bypass.h */

struct stream {
    struct loop *loop;
    int fd;                      /* owned; -1 when closed */
    int error;                   /* errno of what broke it */
    struct event event;          /* the one registration; never modified while the peer keeps up */
    struct buffer *in;           /* read and not consumed; NULL when nothing is */
    struct evbuffer *out;        /* as it goes over the wire and not sent; NULL when nothing is */
    struct stream_tls *tls;      /* NULL: plain */
    struct bypass *bypass;       /* goes out before what is in out; NULL: no pipe */
    uint64_t bytes_in;           /* received from the peer, without what TLS adds */
    uint64_t bytes_out;          /* accepted for sending, without what TLS adds */
    void (*on_ready)(void *arg); /* something may go on: read, write, or both */
    void *arg;
    bool can_read : 1; /* a read may find something: an edge came and was not used up */
    bool dry : 1;      /* TLS: the socket has been read empty since the last edge */
    bool can_write : 1;
    bool
        closing_hint : 1; /* the kernel has said that the peer ended: a short read is not the end */
    bool watches_write : 1; /* the registration includes writing */
    bool eof : 1;           /* the peer's end has been read */
    bool more_soon : 1;     /* what is sent now may wait for what follows: 200 ms, says tcp(7) */
    bool end_wanted : 1;    /* our end is to follow what is queued */
    bool end_sent : 1;
    bool copies : 1;   /* there was no pipe for it */
    bool lost_in : 1;  /* reading has failed */
    bool lost_out : 1; /* writing has failed; what the peer sent before can still be read */
};

/* Takes over a connected, non-blocking socket and registers it. read_now: bytes may already be
   there (fresh from accept), so try reading before the first event. False: fd is closed. */
bool stream_open(struct stream *stream, struct loop *loop, int fd, bool read_now,
                 void (*on_ready)(void *arg), void *arg);
/* Closes at once; what is queued is lost. Safe on a closed stream. */
void stream_close(struct stream *stream);
static inline bool stream_is_open(const struct stream *stream)
{
    return stream->fd >= 0;
}

/* Reads once into the buffer, behind what is pending. */
enum stream_status stream_fill(struct stream *stream);
/* The same, with nothing pending and at most max bytes. Not with TLS. */
enum stream_status stream_fill_some(struct stream *stream, size_t max);
/* More is needed than has come: the next fill asks the kernel. A reset that came together with the
   last bytes brings no event of its own, and is seen by nothing else. */
void stream_look_again(struct stream *stream);
/* What was read and not consumed. Valid until the next fill, consume or close. */
struct str stream_pending(const struct stream *stream);
/* Drops the first n pending bytes; gives the buffer back when nothing is left. */
void stream_consume(struct stream *stream, size_t n);
/* Hands the buffer with the first n pending bytes to the caller, who gives it back with
   loop_buffer_give(); they stay where they are. What is behind them moves to a new buffer. NULL
   when out of memory: then nothing has changed. n is at least 1 and at most what is pending. */
struct buffer *stream_detach(struct stream *stream, size_t n);

/* Sends the pieces, directly as far as the socket takes them; queues the rest. STREAM_AGAIN: some
   is queued. STREAM_BROKEN: nothing more will be sent. Not after stream_end(). */
enum stream_status stream_send(struct stream *stream, const struct iovec *pieces, int count);
/* Bytes queued and not sent, with what TLS adds. */
size_t stream_queued(const struct stream *stream);
/* Sends what is queued, then the end if that is wanted. */
enum stream_status stream_flush(struct stream *stream);
/* Half-close: no more bytes from us once the queue is empty. Reading goes on. */
void stream_end(struct stream *stream);

/* For a peer that has ended its direction: has it closed the whole connection (it will never read
   what we send)? Only Unix sockets can tell before we write. */
bool stream_peer_gone(const struct stream *stream);

/* ---- shared by the sources of the stream, private to them ---------------------------------- */

/* stream_send() without encryption. */
enum stream_status stream_send_raw(struct stream *stream, const struct iovec *pieces, int count);
/* Mark a direction as broken; they return STREAM_BROKEN. */
enum stream_status stream_lose_in(struct stream *stream, int error);
enum stream_status stream_lose_out(struct stream *stream, int error);

#endif
