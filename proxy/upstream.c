/* Connections to the real daemon; see upstream.h. */
#include "upstream.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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
    /* stream_open() closes the descriptor when it fails. */
    if (!stream_open(stream, &context->loop, fd, false, on_ready, arg)) {
        errno = ENOMEM;
        return UPSTREAM_AWAY;
    }
    return UPSTREAM_OPEN;
}

/* "group docker (gid 999)": who may open the socket. */
static void describe_group(const char *path, char *dst, size_t cap)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        snprintf(dst, cap,
                 "this user may not even enter the socket's folder; run it as root, or as "
                 "a user of the group that owns the folder");
        return;
    }
    char memory[4096];
    struct group group, *found = NULL;
    if (getgrgid_r(st.st_gid, &group, memory, sizeof(memory), &found) == 0 && found)
        snprintf(dst, cap, "run it with the group %s (gid %u) that owns the socket", found->gr_name,
                 (unsigned)st.st_gid);
    else
        snprintf(dst, cap, "run it with gid %u, which owns the socket", (unsigned)st.st_gid);
}

void upstream_explain(const struct context *context, int error, char *dst, size_t cap)
{
    char remedy[256];
    const char *path = context->upstream.sun_path;
    if (error == EACCES || error == EPERM)
        describe_group(path, remedy, sizeof(remedy));
    else if (error == ENOENT)
        snprintf(remedy, sizeof(remedy),
                 "is the Docker daemon running, and is --upstream the path of its socket?");
    else if (error == ECONNREFUSED)
        snprintf(remedy, sizeof(remedy), "nobody listens on it; is the Docker daemon running?");
    else
        snprintf(remedy, sizeof(remedy), "is the Docker daemon running?");
    snprintf(dst, cap, "cannot reach the Docker daemon at %s: %s; %s", context->upstream_name,
             strerror(error), remedy);
}
