/* systemd's two protocols; see systemd.h. */
#include "systemd.h"

#include "log.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A number of the environment, or -1. */
static int64_t env_number(const char *name)
{
    const char *value = getenv(name);
    int64_t number;
    return value && str_to_int(str_of(value), &number) && number >= 0 ? number : -1;
}

/* ---- inherited sockets --------------------------------------------------------------------- */

static void read_names(struct systemd_sockets *out)
{
    const char *names = getenv("LISTEN_FDNAMES");
    struct str rest = str_of(names ? names : "");
    for (size_t i = 0; i < out->count; i++) {
        size_t colon = str_find(rest, ':');
        struct str name = str_head(rest, colon);
        rest = str_skip(rest, colon < rest.n ? colon + 1 : rest.n);
        if (name.n > 0 && name.n < sizeof(out->sockets[i].name))
            memcpy(out->sockets[i].name, name.p, name.n);
        else
            snprintf(out->sockets[i].name, sizeof(out->sockets[i].name), "unknown");
    }
}

bool systemd_read_sockets(struct systemd_sockets *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    int64_t count = env_number("LISTEN_FDS");
    if (env_number("LISTEN_PID") != getpid() || count <= 0)
        return true;
    if (count > SYSTEMD_SOCKETS_MAX)
        return err_set(err, 0, 0, "%lld sockets are inherited, %d at most are served",
                       (long long)count, SYSTEMD_SOCKETS_MAX);
    out->count = (size_t)count;
    read_names(out);
    for (size_t i = 0; i < out->count; i++) {
        int fd = SYSTEMD_FIRST_FD + (int)i;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            return err_set(err, 0, 0, "LISTEN_FDS=%zu, but descriptor %d is not open", out->count,
                           fd);
    }
    return true;
}

static bool socket_has(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t length = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 && value == wanted;
}

bool systemd_check_socket(int fd, const char *name, struct err *err)
{
    if (!socket_has(fd, SO_TYPE, SOCK_STREAM))
        return err_set(err, 0, 0,
                       "fd://%s: descriptor %d is not a stream socket; use ListenStream=", name,
                       fd);
    if (!socket_has(fd, SO_ACCEPTCONN, 1))
        return err_set(err, 0, 0, "fd://%s: descriptor %d does not listen; use Accept=no", name,
                       fd);
    int family = 0;
    socklen_t length = sizeof(family);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) != 0 ||
        (family != AF_UNIX && family != AF_INET && family != AF_INET6))
        return err_set(err, 0, 0, "fd://%s: descriptor %d is neither a Unix nor a TCP socket", name,
                       fd);
    return true;
}

void systemd_close_rest(struct systemd_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->sockets[i].taken)
            continue;
        log_warn("the inherited socket \"%s\" is not served; --host fd://%s or fd:// would",
                 sockets->sockets[i].name, sockets->sockets[i].name);
        close(SYSTEMD_FIRST_FD + (int)i);
    }
    sockets->count = 0;
}

/* ---- notifications ------------------------------------------------------------------------- */

/* A leading @ stands for the abstract name space. */
static bool notify_address(const char *path, struct sockaddr_un *out, socklen_t *length)
{
    size_t n = strlen(path);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    errno = EINVAL;
    if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof(out->sun_path))
        return false;
    memcpy(out->sun_path, path, n);
    if (path[0] == '@')
        out->sun_path[0] = '\0';
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return true;
}

void systemd_open_notifier(struct systemd_notifier *out)
{
    struct sockaddr_un address;
    socklen_t length;
    const char *path = getenv("NOTIFY_SOCKET");
    *out = (struct systemd_notifier){.fd = -1};
    if (!path || !*path)
        return;
    /* A busy service manager is waited for, so that READY=1 is not lost, but not for ever. */
    struct timeval patience = {.tv_sec = 1, .tv_usec = 0};
    out->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (out->fd < 0 ||
        setsockopt(out->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
        !notify_address(path, &address, &length) ||
        connect(out->fd, (const struct sockaddr *)(const void *)&address, length) != 0) {
        log_warn("cannot reach NOTIFY_SOCKET, so systemd is not told that the service is ready: %s",
                 strerror(errno));
        systemd_close_notifier(out);
        return;
    }
    int64_t pid = env_number("WATCHDOG_PID"), usec = env_number("WATCHDOG_USEC");
    if (usec >= 1000 && (pid < 0 || pid == getpid()))
        out->watchdog_ms = (uint64_t)usec / 1000;
}

void systemd_notify(const struct systemd_notifier *notifier, const char *state)
{
    if (notifier->fd < 0)
        return;
    /* A message that is lost shows itself: systemd's own time limits restart the service. */
    ssize_t ignored = send(notifier->fd, state, strlen(state), MSG_NOSIGNAL);
    (void)ignored;
}

void systemd_notify_reloading(const struct systemd_notifier *notifier)
{
    char state[96];
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
             (unsigned long long)(clock_now_ns() / 1000));
    systemd_notify(notifier, state);
}

void systemd_close_notifier(struct systemd_notifier *notifier)
{
    if (notifier->fd >= 0)
        close(notifier->fd);
    notifier->fd = -1;
}
