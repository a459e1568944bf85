/* One byte stream over a socket; see stream.h. */
#include "stream_tls.h"

#include "bypass.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct stream *stream = arg;
    if (what & (EV_READ | EV_CLOSED)) {
        stream->can_read = true;
        stream->dry = false;
    }
    if (what & EV_CLOSED)
        stream->closing_hint = true;
    if (what & EV_WRITE)
        stream->can_write = true;
    stream->on_ready(stream->arg);
}

static bool watch(struct stream *stream, short extra)
{
    short what = (short)(EV_READ | EV_CLOSED | EV_ET | EV_PERSIST | extra);
    return event_assign(&stream->event, stream->loop->base, stream->fd, what, on_event, stream) ==
               0 &&
           event_add(&stream->event, NULL) == 0;
}

bool stream_open(struct stream *stream, struct loop *loop, int fd, bool read_now,
                 void (*on_ready)(void *arg), void *arg)
{
    *stream = (struct stream){.loop = loop,
                              .fd = fd,
                              .on_ready = on_ready,
                              .arg = arg,
                              .can_read = read_now,
                              .dry = !read_now,
                              .can_write = true};
    if (watch(stream, 0))
        return true;
    close(fd);
    stream->fd = -1;
    return false;
}

void stream_close(struct stream *stream)
{
    if (stream->fd < 0)
        return;
    event_del(&stream->event);
    stream_tls_free(stream);
    bypass_free(stream);
    close(stream->fd);
    stream->fd = -1;
    loop_buffer_give(stream->loop, stream->in);
    stream->in = NULL;
    if (stream->out)
        evbuffer_free(stream->out);
    stream->out = NULL;
    stream->can_read = stream->can_write = false;
}

enum stream_status stream_lose_in(struct stream *stream, int error)
{
    stream->lost_in = true;
    stream->error = error;
    stream->can_read = false;
    return STREAM_BROKEN;
}

/* The peer may have answered before it stopped listening: reading is tried again. */
enum stream_status stream_lose_out(struct stream *stream, int error)
{
    stream->lost_out = true;
    stream->error = error;
    stream->can_write = false;
    stream->can_read = !stream->eof && !stream->lost_in;
    stream->dry = false;
    return STREAM_BROKEN;
}

/* Bytes at the buffer's front are moved down only when there is no room behind them. */
static bool make_room(struct buffer *buffer)
{
    if (buffer->end < buffer->cap)
        return true;
    if (buffer->off == 0)
        return false;
    memmove(buffer->data, buffer->data + buffer->off, buffer->end - buffer->off);
    buffer->end -= buffer->off;
    buffer->off = 0;
    return true;
}

static enum stream_status fill(struct stream *stream, size_t max)
{
    if (stream->fd < 0 || stream->lost_in)
        return STREAM_BROKEN;
    if (stream->eof)
        return STREAM_EOF;
    if (!stream->can_read)
        return STREAM_AGAIN;
    if (!stream->in && !(stream->in = loop_buffer_take(stream->loop)))
        return stream_lose_in(stream, ENOMEM);
    struct buffer *in = stream->in;
    if (!make_room(in))
        return STREAM_FULL;
    if (stream->tls)
        return stream_tls_fill(stream);
    size_t room = in->cap - in->end < max ? in->cap - in->end : max;
    ssize_t n;
    do
        n = recv(stream->fd, in->data + in->end, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        in->end += (size_t)n;
        stream->bytes_in += (uint64_t)n;
        /* A short read has emptied the socket, and the next bytes bring a new edge; but an end
           that came together with these bytes brings none. */
        if ((size_t)n < room && !stream->closing_hint)
            stream->can_read = false;
        return STREAM_OK;
    }
    int error = errno;
    stream_consume(stream, 0);
    if (n == 0) {
        stream->eof = true;
        stream->can_read = false;
        return STREAM_EOF;
    }
    if (error == EAGAIN || error == EWOULDBLOCK) {
        stream->can_read = false;
        return STREAM_AGAIN;
    }
    return stream_lose_in(stream, error);
}

enum stream_status stream_fill(struct stream *stream)
{
    return fill(stream, SIZE_MAX);
}

enum stream_status stream_fill_some(struct stream *stream, size_t max)
{
    return fill(stream, max);
}

void stream_look_again(struct stream *stream)
{
    stream->can_read = !stream->eof && !stream->lost_in;
    stream->dry = false;
}

struct str stream_pending(const struct stream *stream)
{
    const struct buffer *in = stream->in;
    return in ? (struct str){in->data + in->off, in->end - in->off} : (struct str){NULL, 0};
}

void stream_consume(struct stream *stream, size_t n)
{
    struct buffer *in = stream->in;
    if (!in)
        return;
    in->off += n;
    if (in->off == in->end) {
        loop_buffer_give(stream->loop, in);
        stream->in = NULL;
    }
}

struct buffer *stream_detach(struct stream *stream, size_t n)
{
    struct buffer *taken = stream->in;
    size_t rest = taken->end - taken->off - n;
    struct buffer *fresh = NULL;
    if (rest) {
        fresh = loop_buffer_take(stream->loop);
        if (!fresh)
            return NULL;
        memcpy(fresh->data, taken->data + taken->off + n, rest);
        fresh->end = rest;
        taken->end -= rest;
    }
    stream->in = fresh;
    return taken;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* The socket is full: from now on the registration includes writing. It is not taken back, so a
   stream that was slow once costs no further epoll_ctl(). */
static enum stream_status wait_for_room(struct stream *stream)
{
    stream->can_write = false;
    if (stream->watches_write)
        return STREAM_AGAIN;
    if (event_del(&stream->event) != 0 || !watch(stream, EV_WRITE))
        return stream_lose_out(stream, ENOMEM);
    stream->watches_write = true;
    return STREAM_AGAIN;
}

static ssize_t send_pieces(const struct stream *stream, const struct iovec *pieces, int count)
{
    int flags = MSG_NOSIGNAL | (stream->more_soon ? MSG_MORE : 0);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces,
                             .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = count == 1 ? send(stream->fd, pieces[0].iov_base, pieces[0].iov_len, flags)
                       : sendmsg(stream->fd, &message, flags);
    while (n < 0 && errno == EINTR);
    return n;
}

static enum stream_status queue_rest(struct stream *stream, const struct iovec *pieces, int count,
                                     size_t skip)
{
    if (!stream->out && !(stream->out = evbuffer_new()))
        return stream_lose_out(stream, ENOMEM);
    for (int i = 0; i < count; i++) {
        if (skip >= pieces[i].iov_len) {
            skip -= pieces[i].iov_len;
            continue;
        }
        const char *p = (const char *)pieces[i].iov_base + skip;
        if (evbuffer_add(stream->out, p, pieces[i].iov_len - skip) != 0)
            return stream_lose_out(stream, ENOMEM);
        skip = 0;
    }
    return STREAM_AGAIN;
}

static size_t total_of(const struct iovec *pieces, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += pieces[i].iov_len;
    return total;
}

enum stream_status stream_send_raw(struct stream *stream, const struct iovec *pieces, int count)
{
    size_t total = total_of(pieces, count);
    if (stream->out || bypass_held(stream) > 0 || !stream->can_write)
        return queue_rest(stream, pieces, count, 0);
    ssize_t n = send_pieces(stream, pieces, count);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return stream_lose_out(stream, errno);
        n = 0;
    }
    if ((size_t)n == total)
        return STREAM_OK;
    enum stream_status status = queue_rest(stream, pieces, count, (size_t)n);
    return status == STREAM_AGAIN ? wait_for_room(stream) : status;
}

enum stream_status stream_send(struct stream *stream, const struct iovec *pieces, int count)
{
    if (stream->fd < 0 || stream->lost_out)
        return STREAM_BROKEN;
    if (stream->end_wanted)
        return stream_lose_out(stream, EPIPE);
    size_t total = total_of(pieces, count);
    if (total == 0)
        return stream_queued(stream) > 0 ? STREAM_AGAIN : STREAM_OK;
    stream->bytes_out += total;
    return stream->tls ? stream_tls_send(stream, pieces, count)
                       : stream_send_raw(stream, pieces, count);
}

size_t stream_queued(const struct stream *stream)
{
    return (stream->out ? evbuffer_get_length(stream->out) : 0) + bypass_held(stream);
}

static enum stream_status send_end(struct stream *stream)
{
    if (!stream->end_wanted || stream->end_sent)
        return STREAM_OK;
    stream->end_sent = true;
    if (shutdown(stream->fd, SHUT_WR) != 0 && errno != ENOTCONN)
        return stream_lose_out(stream, errno);
    return STREAM_OK;
}

static enum stream_status flush_pipe(struct stream *stream)
{
    if (!stream->bypass)
        return STREAM_OK;
    if (bypass_held(stream) > 0 && !stream->can_write)
        return STREAM_AGAIN;
    enum stream_status status = bypass_flush(stream);
    if (status == STREAM_BROKEN)
        return stream_lose_out(stream, errno);
    return status == STREAM_AGAIN ? wait_for_room(stream) : status;
}

enum stream_status stream_flush(struct stream *stream)
{
    if (stream->fd < 0 || stream->lost_out)
        return STREAM_BROKEN;
    enum stream_status status = flush_pipe(stream);
    if (status != STREAM_OK)
        return status;
    while (stream->out) {
        if (!stream->can_write)
            return STREAM_AGAIN;
        struct iovec pieces[16];
        int count = evbuffer_peek(stream->out, -1, NULL, pieces, ARRAY_LEN(pieces));
        count = count > (int)ARRAY_LEN(pieces) ? (int)ARRAY_LEN(pieces) : count;
        size_t total = total_of(pieces, count);
        ssize_t n = total ? send_pieces(stream, pieces, count) : 0;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return stream_lose_out(stream, errno);
        if (n > 0)
            evbuffer_drain(stream->out, (size_t)n);
        if (evbuffer_get_length(stream->out) == 0) {
            evbuffer_free(stream->out);
            stream->out = NULL;
        } else if (n < 0 || (size_t)n < total) {
            return wait_for_room(stream);
        }
    }
    return send_end(stream);
}

void stream_end(struct stream *stream)
{
    if (stream->tls && !stream->end_wanted)
        stream_tls_end(stream);
    stream->end_wanted = true;
    if (stream->fd >= 0 && !stream->lost_out && stream_queued(stream) == 0)
        send_end(stream);
}

bool stream_peer_gone(const struct stream *stream)
{
    struct pollfd poll_fd = {.fd = stream->fd, .events = 0};
    if (stream->end_sent) /* both ends half-closed look the same, and bytes may still be on their
                             way */
        return stream->lost_out;
    return stream->lost_out ||
           (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0);
}
