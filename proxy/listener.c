/* Listening sockets; see listener.h. */
#include "listener.h"

#include "address.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPTED_PER_TURN = 64, PAUSE_MS = 100, PAUSE_SAID_AGAIN_MS = 60000 };

/* ---- Unix sockets -------------------------------------------------------------------------- */

static bool set_address(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(out->sun_path))
        return false;
    memcpy(out->sun_path, path, length + 1);
    return true;
}

/* Does somebody listen on this socket file? */
static bool socket_is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* cannot tell: leave it alone */
    bool live =
        connect(fd, (const struct sockaddr *)(const void *)address, sizeof(*address)) == 0 ||
        (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return live;
}

/* A stale socket file is replaced; a live one, or anything else of that name, is not. */
static bool clear_path(const char *path, const struct sockaddr_un *address, const char *option,
                       struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return true; /* nothing there; bind() says what else is wrong */
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, 0, 0,
                       "%s exists and is not a socket; move it away, or choose another "
                       "%s",
                       path, option);
    if (socket_is_live(address))
        return err_set(err, 0, 0,
                       "%s is in use: another program listens on it; stop that one, or "
                       "choose another %s",
                       path, option);
    if (unlink(path) != 0)
        return err_set(err, 0, 0, "cannot replace the stale socket %s: %s", path, strerror(errno));
    return true;
}

/* The last folder of the path is made where it is missing, no other. */
static bool make_folder(const char *path)
{
    char folder[108];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return false;
    *slash = '\0';
    mode_t old = umask(022); /* the group of the socket gets through, whatever root's own mask is */
    bool made = mkdir(folder, 0755) == 0;
    umask(old);
    return made;
}

static bool find_owner(const struct config *config, uid_t *uid, gid_t *gid, struct err *err)
{
    *uid = (uid_t)-1;
    *gid = (gid_t)-1;
    int64_t number;
    if (config->socket_user) {
        const struct passwd *user = getpwnam(config->socket_user);
        if (user)
            *uid = user->pw_uid;
        else if (str_to_int(str_of(config->socket_user), &number) && number >= 0)
            *uid = (uid_t)number;
        else
            return err_set(err, 0, 0, "--socket-user: there is no user %s", config->socket_user);
    }
    if (config->socket_group) {
        const struct group *group = getgrnam(config->socket_group);
        if (group)
            *gid = group->gr_gid;
        else if (str_to_int(str_of(config->socket_group), &number) && number >= 0)
            *gid = (gid_t)number;
        else
            return err_set(err, 0, 0,
                           "--socket-group: there is no group %s; make it with "
                           "`groupadd %s`",
                           config->socket_group, config->socket_group);
    }
    return true;
}

/* Ends in the option that names another place. */
static const char *unix_remedy(int error)
{
    switch (error) {
    case ENOENT:
        return "; its folder is not there and cannot be made: run as root, or name a socket in a "
               "folder of yours with ";
    case EACCES:
        return "; the folder must be writable for this user: start as root, or name another with ";
    case EROFS:
        return "; nothing can be made there, as in a service or a container with a read-only file "
               "system: name another folder with ";
    default:
        return NULL;
    }
}

/* By the file, not by its name, which leads elsewhere as soon as somebody who may write in the
   folder puts a link in its place. */
static bool set_owner(struct listener *listener, const char *path, uid_t uid, gid_t gid)
{
    struct stat st = {.st_mode = 0};
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool own = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    bool ok = own && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0;
    int error = own ? errno : ESTALE;
    close(fd);
    if (own)
        listener->inode = (uint64_t)st.st_ino;
    errno = error;
    return ok;
}

static bool open_unix(struct listener *listener, const char *path, const struct config *config,
                      struct err *err)
{
    struct sockaddr_un address;
    uid_t uid;
    gid_t gid;
    if (!set_address(path, &address))
        return err_set(err, 0, 0, "%s %s: the path of a Unix socket has 1 to 107 bytes",
                       listener->option, listener->name);
    listener->made_folder = make_folder(path);
    if (!find_owner(config, &uid, &gid, err) || !clear_path(path, &address, listener->option, err))
        return false;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return err_set(err, 0, 0, "cannot make a socket: %s", strerror(errno));
    /* The file is made with the mode of the socket, less the mask; nobody can connect before
       listen(). */
    mode_t old = umask(0777 & ~(mode_t)config->socket_mode);
    int bound = fchmod(listener->fd, config->socket_mode) == 0
                    ? bind(listener->fd, (struct sockaddr *)(void *)&address, sizeof(address))
                    : -1;
    int error = errno;
    umask(old);
    const char *remedy = unix_remedy(error);
    if (bound != 0)
        return err_set(err, 0, 0, "cannot listen on %s: %s%s%s", path, strerror(error),
                       remedy ? remedy : "", remedy ? listener->option : "");
    snprintf(listener->path, sizeof(listener->path), "%s", path);
    return set_owner(listener, path, uid, gid) ||
           err_set(err, 0, 0, "cannot set the owner of %s: %s", path,
                   errno == ESTALE ? "somebody who may write in its folder has exchanged it"
                                   : strerror(errno));
}

/* ---- TCP ----------------------------------------------------------------------------------- */

/* Linux hands these on to accepted sockets, so no connection pays for them. */
static void tune_tcp(int fd)
{
    int on = 1, idle = 60, interval = 15, count = 4;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* TCP means TLS; plain HTTP has to be asked for, and where others reach it, is warned about. */
static bool choose_tls(struct listener *listener, bool loopback, const struct config *config,
                       struct err *err)
{
    listener->tls = !config->insecure_tcp;
    if (listener->tls && !listener->server->tls)
        return err_set(err, 0, 0,
                       "--host %s: tcp means TLS, and there is no certificate for it: give "
                       "--tlscert, --tlskey and --tlscacert, or --insecure-tcp for plain HTTP",
                       listener->name);
    if (!listener->tls && !loopback)
        log_warn("%s serves plain HTTP to whoever reaches this address: no encryption, no proof "
                 "of who asks",
                 listener->name);
    return true;
}

static void warn_of_open_admin(const struct listener *listener, bool loopback)
{
    if (!loopback)
        log_warn("--admin %s: whoever reaches this address reads metrics, with the names of roles "
                 "and listeners, by plain HTTP; tcp://127.0.0.1:PORT and unix:///path are reached "
                 "from this host alone",
                 listener->name);
}

static const char *tcp_remedy(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "; another program has this port";
    case EADDRNOTAVAIL:
        return "; this machine, or the container, has no such address";
    case EACCES:
        return "; a port below 1024 wants root, or the capability NET_BIND_SERVICE";
    case EAFNOSUPPORT:
        return "; a service of systemd wants PrivateNetwork=no and RestrictAddressFamilies=AF_UNIX "
               "AF_INET AF_INET6 for it, else the kernel has no such addresses";
    default:
        return "";
    }
}

static bool cannot_listen(const struct listener *listener, int error, struct err *err)
{
    return err_set(err, 0, 0, "cannot listen on %s: %s%s", listener->name, strerror(error),
                   tcp_remedy(error));
}

static bool open_tcp(struct listener *listener, const char *text, const struct config *config,
                     struct err *err)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    bool loopback = false;
    if (!address_parse_tcp(text, &address, &length, &loopback))
        return err_set(err, 0, 0, "%s %s: not an address", listener->option, listener->name);
    if (listener == &listener->server->admin)
        warn_of_open_admin(listener, loopback);
    else if (!choose_tls(listener, loopback, config, err))
        return false;
    listener->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return cannot_listen(listener, errno, err);
    tune_tcp(listener->fd);
    if (bind(listener->fd, (struct sockaddr *)&address, length) != 0)
        return cannot_listen(listener, errno, err);
    return true;
}

/* ---- inherited ----------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return address->ss_family == AF_INET ? (ntohl(in->sin_addr.s_addr) >> 24) == 127
                                         : IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* The socket keeps the owner and mode that systemd gave it, and its file stays when we stop. */
static bool adopt(struct listener *listener, const struct config *config, struct err *err)
{
    struct sockaddr_storage address;
    memset(&address, 0, sizeof(address));
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address;
    socklen_t length = sizeof(address);
    int flags = fcntl(listener->fd, F_GETFL);
    if (!systemd_check_socket(listener->fd, listener->name, err))
        return false;
    if (flags < 0 || fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&address, &length) != 0)
        return err_set(err, 0, 0, "fd://%s: %s", listener->name, strerror(errno));
    if (address.ss_family == AF_UNIX) {
        if (length > sizeof(sa_family_t) && un->sun_path[0] == '/')
            snprintf(listener->path, sizeof(listener->path), "%.*s", (int)sizeof(un->sun_path),
                     un->sun_path);
        return true;
    }
    tune_tcp(listener->fd);
    return choose_tls(listener, is_loopback(&address), config, err);
}

/* host is "fd://", which takes all that are left, or "fd://NAME". */
static bool open_inherited(struct server *server, const char *host, struct err *err)
{
    const char *wanted = host + 5;
    bool found = false;
    for (size_t i = 0; i < server->inherited.count; i++) {
        const char *name = server->inherited.sockets[i].name;
        if (server->inherited.sockets[i].taken || (*wanted && strcmp(wanted, name) != 0))
            continue;
        struct listener *listener = &server->listeners[server->count++];
        *listener = (struct listener){
            .name = name, .option = "--host", .fd = SYSTEMD_FIRST_FD + (int)i, .server = server};
        server->inherited.sockets[i].taken = found = true;
        if (!adopt(listener, server->config, err))
            return false;
    }
    if (found)
        return true;
    if (server->inherited.count == 0)
        return err_set(err, 0, 0,
                       "--host %s: no socket was inherited (LISTEN_FDS); start it by its systemd "
                       "socket unit, or name an address",
                       host);
    return err_set(err, 0, 0,
                   "--host %s: no inherited socket of this name is left; the first is \"%s\"", host,
                   server->inherited.sockets[0].name);
}

/* ---- accepting ----------------------------------------------------------------------------- */

static void pause_accepting(struct server *server, const char *why)
{
    struct timeval delay = {.tv_sec = 0, .tv_usec = PAUSE_MS * 1000L};
    if (server->paused)
        return;
    server->paused = true;
    /* Said once, not each time that accepting is tried again. */
    uint64_t now = clock_now_ms();
    if (server->paused_ms == 0 || now - server->paused_ms > PAUSE_SAID_AGAIN_MS)
        log_warn("new connections wait: %s", why);
    server->paused_ms = now;
    atomic_store(&server->shared->paused_ms, now);
    for (size_t i = 0; i < server->count; i++)
        if (server->listeners[i].event)
            event_del(server->listeners[i].event);
    event_add(server->resume, &delay);
}

static const char *short_of(int error)
{
    if (error != EMFILE && error != ENFILE)
        return "the kernel has no memory for them";
    return "too many open files; raise the limit (LimitNOFILE=, ulimit -n), or lower "
           "--max-connections";
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct server *server = arg;
    struct timeval delay = {.tv_sec = 0, .tv_usec = PAUSE_MS * 1000L};
    if (atomic_load(&server->shared->connections) >= server->config->max_connections) {
        event_add(server->resume, &delay);
        return;
    }
    for (size_t i = 0; i < server->count; i++)
        if (server->listeners[i].event && event_add(server->listeners[i].event, NULL) != 0) {
            event_add(server->resume, &delay); /* a listener that is not watched would be deaf */
            return;
        }
    server->paused = false;
    atomic_store(&server->shared->paused_ms, clock_now_ms());
}

/* Encryption is work enough to be spread evenly. */
static struct worker *least_loaded(struct server *server, bool tls)
{
    unsigned together = tls ? 1 : server->config->together;
    struct worker *best = &server->workers[0];
    for (size_t i = 1; i < server->worker_count; i++)
        if (atomic_load(&server->workers[i].load) / together < atomic_load(&best->load) / together)
            best = &server->workers[i];
    return best;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct listener *listener = arg;
    struct server *server = listener->server;
    for (int i = 0; i < ACCEPTED_PER_TURN && !server->paused; i++) {
        if (atomic_load(&server->shared->connections) >= server->config->max_connections) {
            pause_accepting(server,
                            "--max-connections is reached; raise it, or see by the audit log "
                            "who holds so many");
            return;
        }
        struct handoff handoff = {.listener = listener->name};
        socklen_t length = sizeof(handoff.address);
        handoff.fd =
            accept4(fd, (struct sockaddr *)&handoff.address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (handoff.fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(server, short_of(errno));
            return;
        }
        if (length < sizeof(sa_family_t))
            handoff.address.ss_family = AF_UNIX;
        handoff.tls = listener->tls ? tls_context_ref(server->tls) : NULL;
        worker_give(least_loaded(server, handoff.tls != NULL), &handoff);
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

static bool open_address(struct server *server, struct listener *listener, const char *option,
                         const char *address, struct err *err)
{
    *listener = (struct listener){.name = address, .option = option, .fd = -1, .server = server};
    bool tcp = str_starts(str_of(address), STR("tcp://"));
    bool ok = tcp ? open_tcp(listener, address + 6, server->config, err)
                  : open_unix(listener, address_unix_path(address), server->config, err);
    listener->bound = ok;
    if (ok && listen(listener->fd, BACKLOG) != 0)
        ok = err_set(err, 0, 0, "cannot listen on %s: %s", address, strerror(errno));
    return ok;
}

bool listeners_open(struct server *server, struct err *err)
{
    const struct config *config = server->config;
    server->count = 0;
    for (size_t i = 0; i < config->host_count; i++) {
        bool inherited = str_starts(str_of(config->hosts[i]), STR("fd://"));
        if (!(inherited ? open_inherited(server, config->hosts[i], err)
                        : open_address(server, &server->listeners[server->count++], "--host",
                                       config->hosts[i], err)))
            return false;
    }
    if (config->admin && !open_address(server, &server->admin, "--admin", config->admin, err))
        return false;
    systemd_close_rest(&server->inherited);
    return true;
}

bool listeners_start(struct server *server, struct err *err)
{
    server->resume = evtimer_new(server->loop->base, on_resume, server);
    if (!server->resume)
        return err_set(err, 0, 0, "out of memory");
    for (size_t i = 0; i < server->count; i++) {
        struct listener *listener = &server->listeners[i];
        listener->event =
            event_new(server->loop->base, listener->fd, EV_READ | EV_PERSIST, on_accept, listener);
        if (!listener->event || event_add(listener->event, NULL) != 0)
            return err_set(err, 0, 0, "cannot accept on %s", listener->name);
    }
    return true;
}

void listeners_take_rest(struct server *server)
{
    enum { TURNS = BACKLOG / ACCEPTED_PER_TURN + 1 };
    for (size_t i = 0; i < server->count; i++) {
        struct listener *listener = &server->listeners[i];
        for (int turn = 0; turn < TURNS && listener->bound && listener->event; turn++)
            on_accept(listener->fd, EV_READ, listener);
    }
}

static void remove_own_socket(const struct listener *listener)
{
    struct stat st;
    if (listener->inode && lstat(listener->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        (uint64_t)st.st_ino == listener->inode && unlink(listener->path) != 0)
        log_info("%s stays behind: %s; the next start replaces it", listener->path,
                 strerror(errno));
}

void listener_close(struct listener *listener)
{
    if (!listener->name)
        return;
    if (listener->event)
        event_free(listener->event);
    listener->event = NULL;
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    remove_own_socket(listener);
    listener->path[0] = '\0';
    listener->inode = 0;
}

void listeners_close(struct server *server)
{
    for (size_t i = 0; i < server->count; i++)
        listener_close(&server->listeners[i]);
    if (server->resume)
        event_free(server->resume);
    server->resume = NULL;
}
