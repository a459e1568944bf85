/* The start of the registry helper; see registry_spawn.h. It is a program of its own, so that
   libcurl and all that belongs to it is in no other process, and that it has nothing of this one's
   memory. */
#include "registry_spawn.h"

#include "json.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READY_MS = 10000, NOBODY = 65534 };

static const char program[] = "sockwarden-registry";

/* Beside this program, or where `make install` puts it. */
static bool find_program(char path[PATH_MAX], struct err *err)
{
    static const char *const places[] = {"", "../libexec/", "../lib/sockwarden/"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0)
        return err_set(err, 0, 0, "cannot find %s, since /proc is not there: %s", program,
                       strerror(errno));
    self[n] = '\0';
    *(strrchr(self, '/') + 1) = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (snprintf(path, PATH_MAX, "%s%s%s", self, places[i], program) < PATH_MAX &&
            access(path, X_OK) == 0)
            return true;
    return err_set(err, 0, 0,
                   "the policy wants a registry to be asked, and %s is not there: it was built "
                   "with REGISTRY=0, or not installed (%s, or libexec beside that folder); "
                   "\"source\": \"store\" needs none",
                   program, self);
}

/* ---- settings ------------------------------------------------------------------------------ */

static bool join(const char *option, const char *const *list, size_t count, char *out,
                 struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(list[i]);
        if (n + length + 2 > REGISTRY_LIST_MAX)
            return err_set(err, 0, 0, "--%s: all together are longer than %d bytes", option,
                           REGISTRY_LIST_MAX);
        if (n > 0)
            out[n++] = ' ';
        memcpy(out + n, list[i], length);
        n += length;
    }
    out[n] = '\0';
    return true;
}

/* As hosts stand in URLs that were read: without the usual port. */
static void drop_usual_port(char *list)
{
    static const char usual[] = ":443";
    size_t kept = 0;
    for (size_t i = 0; list[i]; i++) {
        bool ends = strncmp(list + i, usual, sizeof(usual) - 1) == 0 &&
                    (list[i + sizeof(usual) - 1] == ' ' || !list[i + sizeof(usual) - 1]);
        i += ends ? sizeof(usual) - 2 : 0;
        if (!ends)
            list[kept++] = list[i];
    }
    list[kept] = '\0';
}

/* Root does not ask registries: nobody does. */
static size_t write_setup(const struct config *config, size_t count, char *packet, struct err *err)
{
    static char lists[4][REGISTRY_LIST_MAX];
    bool root = geteuid() == 0;
    if (!join("registry-direct", config->registry_direct, config->registry_direct_count, lists[0],
              err) ||
        !join("registry-private", config->registry_private, config->registry_private_count,
              lists[1], err) ||
        !join("registry-plain-http", config->registry_plain, config->registry_plain_count, lists[2],
              err) ||
        !join("registry-token-host", config->registry_tokens, config->registry_tokens_count,
              lists[3], err))
        return 0;
    drop_usual_port(lists[0]);
    drop_usual_port(lists[1]);
    drop_usual_port(lists[3]);
    const struct registry_setup setup = {
        .lines = (uint32_t)count,
        .uid = NOBODY,
        .gid = NOBODY,
        .switches = root,
        .sandbox = config->sandbox,
        .seconds = config->registry_timeout,
        .ca = str_of(config->registry_ca ? config->registry_ca : ""),
        .proxy = str_of(config->registry_proxy ? config->registry_proxy : ""),
        .direct = str_of(lists[0]),
        .private_hosts = str_of(lists[1]),
        .plain_hosts = str_of(lists[2]),
        .token_hosts = str_of(lists[3]),
    };
    size_t n = registry_write_setup(&setup, packet);
    if (n == 0)
        err_set(err, 0, 0, "--registry-ca or --registry-proxy is longer than %d bytes",
                REGISTRY_LIST_MAX);
    return n;
}

/* ---- the process --------------------------------------------------------------------------- */

/* In the child: descriptors in their places, nothing else open, nothing of the environment. Only
   what may be called between fork and exec. */
static void become_helper(const char *path, const int *theirs, size_t count, int null)
{
    static char name[] = "sockwarden-registry";
    static char *const environment[] = {NULL}, *const arguments[] = {name, NULL};
    int moved[REGISTRY_LINES_MAX + 1];
    int high = REGISTRY_SETUP_FD + (int)count;
    bool ok = true;
    /* First beyond all places, so that none is overwritten before it is moved. */
    for (size_t i = 0; i < count; i++)
        ok &= (moved[i] = fcntl(theirs[i], F_DUPFD, high)) >= 0;
    ok &= dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0;
    /* It has nothing to say but by its packets; what sanitizers find is to be seen. */
    ok &= !sandbox_is_built() || dup2(null, STDERR_FILENO) >= 0;
    for (size_t i = 0; i < count && ok; i++)
        ok = dup2(moved[i], REGISTRY_SETUP_FD + (int)i) >= 0;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (ok && close_range((unsigned)high, ~0U, 0) == 0)
        execve(path, arguments, environment);
    _exit(127);
}

/* What came of it, from the helper itself. */
static bool wait_ready(int fd, struct err *err)
{
    char packet[REGISTRY_PACKET_MAX + 1];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    struct str said = {NULL, 0};
    char shown[400];
    int polled;
    do
        polled = poll(&ready, 1, READY_MS);
    while (polled < 0 && errno == EINTR);
    ssize_t n = polled > 0 ? recv(fd, packet, sizeof(packet), MSG_DONTWAIT) : 0;
    if (n <= 0 || !registry_read_ready((struct str){packet, (size_t)n}, &said))
        return err_set(err, 0, 0, "%s did not start: it %s", program,
                       polled > 0 ? "ended at once" : "does not answer");
    return said.n == 0 || err_set(err, 0, 0, "%s", text_sentence(shown, sizeof(shown), said));
}

static bool open_pairs(int pairs[][2], size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs[i]) != 0)
            return err_set(err, 0, 0, "cannot make a socket for the registry helper: %s",
                           strerror(errno));
    return true;
}

static void close_side(int pairs[][2], size_t count, unsigned side)
{
    for (size_t i = 0; i < count; i++)
        if (pairs[i][side] >= 0)
            close(pairs[i][side]);
}

static bool start(const char *path, int pairs[][2], size_t count, struct err *err)
{
    int theirs[REGISTRY_LINES_MAX + 1];
    for (size_t i = 0; i < count; i++)
        theirs[i] = pairs[i][1];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t child = null < 0 ? -1 : fork();
    if (child == 0)
        become_helper(path, theirs, count, null);
    int error = errno;
    if (null >= 0)
        close(null);
    return child > 0 || err_set(err, 0, 0, "cannot start %s: %s", path, strerror(error));
}

/* pairs[0] is for the setup alone. */
static bool begin(const char *path, int pairs[][2], size_t count, struct str setup, struct err *err)
{
    bool started = start(path, pairs, count, err);
    close_side(pairs, count, 1);
    return started &&
           (send(pairs[0][0], setup.p, setup.n, MSG_NOSIGNAL) == (ssize_t)setup.n ||
            err_set(err, 0, 0, "%s did not start: %s", program, strerror(errno))) &&
           wait_ready(pairs[0][0], err);
}

bool registry_spawn(const struct config *config, size_t count, struct registry_lines *out,
                    struct err *err)
{
    static char packet[REGISTRY_PACKET_MAX];
    char path[PATH_MAX];
    int pairs[REGISTRY_LINES_MAX + 1][2];
    memset(pairs, -1, sizeof(pairs));
    *out = (struct registry_lines){.count = 0};
    if (count > REGISTRY_LINES_MAX || !find_program(path, err))
        return false;
    size_t n = write_setup(config, count, packet, err);
    bool ok = n > 0 && open_pairs(pairs, count + 1, err);
    if (ok)
        ok = begin(path, pairs, count + 1, (struct str){packet, n}, err);
    else
        close_side(pairs, count + 1, 1);
    if (!ok) {
        close_side(pairs, count + 1, 0);
        return false;
    }
    close(pairs[0][0]);
    for (size_t i = 0; i < count; i++) {
        out->fds[i] = pairs[i + 1][0];
        fcntl(out->fds[i], F_SETFL, O_NONBLOCK);
    }
    out->count = count;
    return true;
}

void registry_lines_close(struct registry_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        if (lines->fds[i] >= 0)
            close(lines->fds[i]);
    lines->count = 0;
}
