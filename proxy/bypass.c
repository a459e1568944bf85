/* Uploads by splice(2); see bypass.h. It knows nothing of framings. */
#include "bypass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct bypass {
    int in, out; /* to write and to read the pipe */
    size_t held; /* bytes in it */
    bool ended;  /* goes when empty */
};

size_t bypass_held(const struct stream *stream)
{
    return stream->bypass ? stream->bypass->held : 0;
}

static struct bypass *bypass_new(void)
{
    int fds[2];
    struct bypass *bypass = malloc(sizeof(*bypass));
    if (!bypass)
        return NULL;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(bypass);
        return NULL;
    }
    *bypass = (struct bypass){.in = fds[1], .out = fds[0]};
    if (fcntl(bypass->in, F_SETPIPE_SZ, BYPASS_PIPE) >= BYPASS_PIPE)
        return bypass;
    close(fds[0]);
    close(fds[1]);
    free(bypass);
    return NULL;
}

void bypass_free(struct stream *stream)
{
    struct bypass *bypass = stream->bypass;
    if (!bypass)
        return;
    close(bypass->in);
    close(bypass->out);
    free(bypass);
    stream->bypass = NULL;
    stream->loop->pipes--;
}

/* Who was refused a pipe does not ask for each piece again. */
static bool get_pipe(struct stream *to)
{
    to->bypass = bypass_new();
    to->copies = !to->bypass;
    to->loop->pipes += to->bypass != NULL;
    return to->bypass != NULL;
}

bool bypass_ready(const struct stream *from, const struct stream *to)
{
    bool can = from->fd >= 0 && !from->tls && !from->in && !from->lost_in && !from->eof;
    can = can && to->fd >= 0 && !to->tls && !to->out && !to->end_wanted && !to->lost_out;
    return can && (to->bypass || (!to->copies && to->loop->pipes < BYPASS_PIPES_MAX));
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

enum stream_status bypass_flush(struct stream *stream)
{
    struct bypass *bypass = stream->bypass;
    while (bypass && bypass->held > 0) {
        ssize_t n = move(bypass->out, stream->fd, bypass->held);
        if (is_later(n))
            return STREAM_AGAIN;
        if (n <= 0)
            return errno = n == 0 ? EIO : errno, STREAM_BROKEN;
        bypass->held -= (size_t)n;
    }
    if (bypass && bypass->ended)
        bypass_free(stream);
    return STREAM_OK;
}

/* A kind of socket, or an outer sandbox, that knows no splice(2). */
static enum stream_status copy_instead(struct stream *from, struct stream *to)
{
    to->copies = true;
    bypass_free(to);
    return stream_fill(from);
}

enum stream_status bypass_move(struct stream *from, struct stream *to, uint64_t max, size_t *taken)
{
    *taken = 0;
    if (!from->can_read)
        return STREAM_AGAIN;
    if (!to->bypass && !get_pipe(to))
        return stream_fill(from);
    ssize_t n = move(from->fd, to->bypass->in, max < BYPASS_PIPE ? (size_t)max : BYPASS_PIPE);
    if (n < 0 && (errno == EINVAL || errno == ENOSYS || errno == EPERM))
        return copy_instead(from, to);
    if (n < 0 && !is_later(n))
        return stream_lose_in(from, errno);
    /* It tells of an end, and reads past an urgent byte, before which splice stops. */
    if (n <= 0)
        return stream_fill(from);
    *taken = (size_t)n;
    from->bytes_in += *taken;
    to->bytes_out += *taken;
    to->bypass->held += *taken;
    stream_flush(to);
    return STREAM_OK;
}

void bypass_end(struct stream *to)
{
    if (!to->bypass)
        return;
    to->bypass->ended = true;
    if (to->bypass->held == 0)
        bypass_free(to);
}
