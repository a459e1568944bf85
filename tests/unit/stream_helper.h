/* A stream on one end of a socket pair and the test on the other, with a loop that is turned by
   hand. */
#ifndef TESTS_STREAM_HELPER_H
#define TESTS_STREAM_HELPER_H

#include "stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct end {
    struct stream stream;
    int peer;       /* the test's end, not blocking; -1 when closed */
    unsigned ready; /* how often the stream has called */
};

static inline void end_ready(void *arg)
{
    ((struct end *)arg)->ready++;
}

static inline void end_open(struct end *end, struct loop *loop)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    end->peer = fds[1];
    end->ready = 0;
    assert_true(stream_open(&end->stream, loop, fds[0], false, end_ready, end));
}

static inline void end_hang_up(struct end *end)
{
    if (end->peer >= 0)
        close(end->peer);
    end->peer = -1;
}

static inline void end_close(struct end *end)
{
    stream_close(&end->stream);
    end_hang_up(end);
}

/* Lets libevent say what it knows, without waiting. */
static inline void turn(struct loop *loop)
{
    assert_true(event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

static inline void peer_write(const struct end *end, const char *text)
{
    assert_int_equal(write(end->peer, text, strlen(text)), (ssize_t)strlen(text));
}

/* What has arrived at the peer by now, NUL-terminated; sets *ended at the end of the stream. */
static inline size_t peer_read(const struct end *end, char *dst, size_t cap, bool *ended)
{
    size_t n = 0;
    *ended = false;
    while (n + 1 < cap) {
        ssize_t got = read(end->peer, dst + n, cap - 1 - n);
        if (got <= 0) {
            *ended = got == 0 || errno == ECONNRESET;
            break;
        }
        n += (size_t)got;
    }
    dst[n] = '\0';
    return n;
}

static inline enum stream_status send_text(struct stream *stream, const char *text)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    return stream_send(stream, &piece, 1);
}

/* Fails the test with what is pending instead. */
static inline void expect_pending(const struct stream *stream, const char *text)
{
    if (!str_is(stream_pending(stream), text))
        fail_msg("pending is \"%.*s\", not \"%s\"", STR_ARG(stream_pending(stream)), text);
}

#endif
