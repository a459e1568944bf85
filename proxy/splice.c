/* Uploads by splice(2); see splice.h. It knows nothing of framings. */
#include "splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct splice {
    int in, out; /* to write and to read the pipe */
    size_t held; /* bytes in it */
    bool ended;  /* goes when empty */
};

size_t splice_held(const struct stream *stream)
{
    return stream->splice ? stream->splice->held : 0;
}

static struct splice *splice_new(void)
{
    int fds[2];
    struct splice *splice = malloc(sizeof(*splice));
    if (!splice)
        return NULL;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(splice);
        return NULL;
    }
    *splice = (struct splice){.in = fds[1], .out = fds[0]};
    if (fcntl(splice->in, F_SETPIPE_SZ, SPLICE_PIPE) >= SPLICE_PIPE)
        return splice;
    close(fds[0]);
    close(fds[1]);
    free(splice);
    return NULL;
}

void splice_free(struct stream *stream)
{
    struct splice *splice = stream->splice;
    if (!splice)
        return;
    close(splice->in);
    close(splice->out);
    free(splice);
    stream->splice = NULL;
    stream->loop->pipes--;
}

/* Who was refused a pipe does not ask for each piece again. */
static bool get_pipe(struct stream *to)
{
    if (to->copies || to->loop->pipes >= SPLICE_PIPES_MAX)
        return false;
    to->splice = splice_new();
    to->copies = !to->splice;
    to->loop->pipes += to->splice != NULL;
    return to->splice != NULL;
}

bool splice_ready(const struct stream *from, struct stream *to)
{
    bool can = from->fd >= 0 && !from->tls && !from->in && !from->lost_in && !from->eof;
    can = can && to->fd >= 0 && !to->tls && !to->out && !to->end_wanted && !to->lost_out;
    return can && (to->splice || get_pipe(to));
}

static ssize_t move(int from, int to, size_t max)
{
    ssize_t n;
    do
        n = splice(from, NULL, to, NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool is_later(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

enum stream_status splice_flush(struct stream *stream)
{
    struct splice *splice = stream->splice;
    while (splice && splice->held > 0) {
        ssize_t n = move(splice->out, stream->fd, splice->held);
        if (is_later(n))
            return STREAM_AGAIN;
        if (n <= 0)
            return errno = n == 0 ? EIO : errno, STREAM_BROKEN;
        splice->held -= (size_t)n;
    }
    if (splice && splice->ended)
        splice_free(stream);
    return STREAM_OK;
}

/* The pipe is empty, so "later" is the source's word. */
enum stream_status splice_move(struct stream *from, struct stream *to, uint64_t max, size_t *taken)
{
    *taken = 0;
    if (!from->can_read)
        return STREAM_AGAIN;
    ssize_t n = move(from->fd, to->splice->in, max < SPLICE_PIPE ? (size_t)max : SPLICE_PIPE);
    if (n < 0 && !is_later(n))
        return stream_lose_in(from, errno);
    if (n <= 0) {
        from->eof = n == 0;
        from->can_read = false;
        return from->eof ? STREAM_EOF : STREAM_AGAIN;
    }
    *taken = (size_t)n;
    from->bytes_in += *taken;
    to->bytes_out += *taken;
    to->splice->held += *taken;
    stream_flush(to);
    return STREAM_OK;
}

void splice_end(struct stream *to)
{
    if (!to->splice)
        return;
    to->splice->ended = true;
    if (to->splice->held == 0)
        splice_free(to);
}
