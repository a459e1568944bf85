/* The root below which bind sources are looked up, and whether that is the daemon's; see
   host_root.h. What a path is there, host_path.c knows. */
#include "host_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- whose mounts are these? ----------------------------------------------------------------- */

enum space { SPACE_UNKNOWN, SPACE_SAME, SPACE_OTHER };

/* The process that listens on the socket; 0: not of this PID namespace, or not known. */
static pid_t listening_pid(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {.pid = 0};
    socklen_t length = sizeof(peer);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        peer.pid = 0;
    close(fd);
    return peer.pid;
}

/* Namespaces are compared by their names, "mnt:[4026531841]". Only root, or who runs as the daemon,
   may read that of the daemon. */
static enum space daemon_space(const char *upstream)
{
    char path[64], own[64] = "", others[64] = "";
    pid_t pid = upstream ? listening_pid(upstream) : 0;
    if (pid <= 0)
        return SPACE_UNKNOWN;
    snprintf(path, sizeof(path), "/proc/%ld/ns/mnt", (long)pid);
    if (readlink("/proc/self/ns/mnt", own, sizeof(own) - 1) <= 0 ||
        readlink(path, others, sizeof(others) - 1) <= 0)
        return SPACE_UNKNOWN;
    return strcmp(own, others) == 0 ? SPACE_SAME : SPACE_OTHER;
}

static void hide(struct host_root *root, const char *path)
{
    if (root->hidden_count < HOST_HIDDEN_MAX && strlen(path) < sizeof(root->hidden[0].path))
        snprintf(root->hidden[root->hidden_count++].path, sizeof(root->hidden[0].path), "%s", path);
}

/* Storage of the usual container engines, as it shows in the root's own line of mountinfo. */
static bool names_engine(const char *line)
{
    static const char *const words[] = {"/docker/", "/containerd/", "/containers/", "/crio/"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(line, words[i]))
            return true;
    return false;
}

/* Lines of mountinfo: ID, parent, device, root in the file system, mount point, and more; see
   proc(5). systemd gives services empty folders in place of /home, and a /tmp of their own, by
   mounts whose roots have these names. True: the root itself is a container engine's. */
static bool read_mounts(struct host_root *root)
{
    bool engine = false;
    char *line = NULL;
    size_t cap = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && getline(&line, &cap, file) > 0) {
        char from[256], at[256];
        if (sscanf(line, "%*s %*s %*s %255s %255s", from, at) != 2)
            continue;
        if (strstr(from, "systemd-private-") || strstr(from, "/systemd/inaccessible/"))
            hide(root, at);
        engine = engine || (strcmp(at, "/") == 0 && names_engine(line));
    }
    free(line);
    if (file)
        fclose(file);
    return engine;
}

static bool in_container(bool engine)
{
    return engine || access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 ||
           getenv("KUBERNETES_SERVICE_HOST") || getenv("container");
}

/* Only "/" can be mistaken for the daemon's: any other root has been chosen. */
static void doubt_root(struct host_root *root, const char *upstream)
{
    enum space space = daemon_space(upstream);
    if (space == SPACE_SAME)
        return;
    bool engine = read_mounts(root);
    root->foreign = in_container(engine);
    if (root->foreign) {
        /* Mounts of a container's own. */
        hide(root, "/proc");
        hide(root, "/sys");
        hide(root, "/dev");
        root->doubt = "sockwarden probably runs in a container, where / is not the daemon's";
    } else if (space == SPACE_OTHER) {
        root->doubt = "the daemon has mounts of its own, which are not all seen here";
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static void add_socket(struct host_root *root, int from, const char *path)
{
    if (!path[0] || root->socket_count == HOST_SOCKETS_MAX)
        return;
    struct host_socket *added = &root->sockets[root->socket_count++];
    added->from = from;
    snprintf(added->path, sizeof(added->path), "%s", path);
}

void host_root_add_listener(struct host_root *root, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t length = sizeof(address);
    char path[sizeof(address.sun_path) + 1] = "";
    if (root->by_name || getsockname(fd, (struct sockaddr *)(void *)&address, &length) != 0 ||
        address.sun_family != AF_UNIX)
        return;
    memcpy(path, address.sun_path, sizeof(address.sun_path));
    add_socket(root, AT_FDCWD, path);
}

static void add_sockets(struct host_root *root, const char *upstream)
{
    static const char *const known[] = {"run/docker.sock", "run/containerd/containerd.sock"};
    if (upstream)
        add_socket(root, AT_FDCWD, upstream);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        add_socket(root, root->fd, known[i]);
}

static bool open_root(struct host_root *root, const char *path, struct err *err)
{
    struct statx st;
    root->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0 || statx(root->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) != 0) {
        int error = errno;
        host_root_close(root);
        return err_set(err, 0, 0,
                       "--host-root %s: %s; give the folder where the daemon's file system is "
                       "seen, / on the host itself, or none to judge bind sources by name only",
                       path, strerror(error));
    }
    root->mount = st.stx_mnt_id;
    return true;
}

bool host_root_open(const char *path, const char *upstream, struct host_root *out, struct err *err)
{
    *out = (struct host_root){.fd = -1, .by_name = strcmp(path, "none") == 0};
    if (out->by_name)
        return true;
    if (path[0] != '/')
        return err_set(err, 0, 0, "--host-root takes an absolute path or none, not %.200s", path);
    if (!open_root(out, path, err))
        return false;
    if (path[strspn(path, "/")] == '\0')
        doubt_root(out, upstream);
    add_sockets(out, upstream);
    return true;
}

void host_root_close(struct host_root *root)
{
    if (root->fd >= 0)
        close(root->fd);
    root->fd = -1;
}

bool host_root_hides(const struct host_root *root, struct str path)
{
    for (size_t i = 0; i < root->hidden_count; i++) {
        struct str hidden = str_of(root->hidden[i].path);
        if (str_starts(path, hidden) && (path.n == hidden.n || path.p[hidden.n] == '/'))
            return true;
    }
    return false;
}
