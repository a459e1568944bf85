/* Connections to the real daemon; see upstream.h. */
#include "upstream.h"

#include "address.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void upstream_setup(struct context *context, const char *address)
{
    struct stat st;
    const struct group *group = NULL;
    context->upstream_name = address;
    context->upstream.sun_family = AF_UNIX;
    snprintf(context->upstream.sun_path, sizeof(context->upstream.sun_path), "%s",
             address_unix_path(address));
    if (stat(context->upstream.sun_path, &st) == 0) {
        context->upstream_gid = st.st_gid;
        group = getgrgid(st.st_gid);
    }
    snprintf(context->upstream_group, sizeof(context->upstream_group), "%s",
             group ? group->gr_name : "");
}

static void tell_return(struct context *context)
{
    atomic_uint *refused = &context->shared->refused;
    unsigned count = atomic_load_explicit(refused, memory_order_relaxed);
    if (count > 0 && (count = atomic_exchange(refused, 0)) > 0)
        log_info("the Docker daemon at %s is there again; %u requests were refused meanwhile",
                 context->upstream_name, count);
}

enum upstream_status upstream_open(struct context *context, struct stream *stream,
                                   void (*on_ready)(void *arg), void *arg)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return UPSTREAM_AWAY;
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&context->upstream;
    if (connect(fd, address, sizeof(context->upstream)) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return error == EAGAIN ? UPSTREAM_BUSY : UPSTREAM_AWAY;
    }
    tell_return(context);
    /* stream_open() closes the descriptor when it fails. */
    if (!stream_open(stream, &context->loop, fd, false, on_ready, arg)) {
        errno = ENOMEM;
        return UPSTREAM_AWAY;
    }
    return UPSTREAM_OPEN;
}

/* "group docker (gid 999)": who may open the socket. */
static void describe_group(const struct context *context, char *dst, size_t cap)
{
    struct stat st;
    if (stat(context->upstream.sun_path, &st) != 0) {
        snprintf(dst, cap,
                 "this user may not even enter the socket's folder; run it as root, or as "
                 "a user of the group that owns the folder");
        return;
    }
    if (st.st_gid == context->upstream_gid && context->upstream_group[0])
        snprintf(dst, cap, "run it with the group %s (gid %u) that owns the socket",
                 context->upstream_group, (unsigned)st.st_gid);
    else
        snprintf(dst, cap, "run it with gid %u, which owns the socket", (unsigned)st.st_gid);
}

/* It is not the daemon that fails. */
static bool we_lack(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

void upstream_explain(const struct context *context, int error, char *dst, size_t cap)
{
    char remedy[256];
    if (error == EACCES || error == EPERM)
        describe_group(context, remedy, sizeof(remedy));
    else if (error == ENOENT)
        snprintf(remedy, sizeof(remedy),
                 "is the Docker daemon running, and is --upstream the path of its socket?");
    else if (error == ECONNREFUSED)
        snprintf(remedy, sizeof(remedy), "nobody listens on it; is the Docker daemon running?");
    else if (error == EMFILE || error == ENFILE)
        snprintf(remedy, sizeof(remedy),
                 "raise the limit (LimitNOFILE=, ulimit -n), or lower --max-connections");
    else if (we_lack(error))
        snprintf(remedy, sizeof(remedy),
                 "sockwarden needs more memory, or fewer connections "
                 "(--max-connections)");
    else
        snprintf(remedy, sizeof(remedy), "is the Docker daemon running?");
    snprintf(dst, cap, "cannot reach the Docker daemon at %s: %s; %s", context->upstream_name,
             strerror(error), remedy);
}

int upstream_note_away(struct context *context, int error, char *why, size_t cap)
{
    struct shared *shared = context->shared;
    metrics_count_upstream_errno(context->metrics, error);
    upstream_explain(context, error, why, cap);
    log_seldom(we_lack(error) ? &shared->said_lacking : &shared->said_away, LOG_LEVEL_WARN, "%s",
               why);
    if (we_lack(error))
        return 503;
    atomic_fetch_add(&shared->refused, 1);
    return 502;
}
