/* sockwarden healthcheck: is the proxy serving, and does the daemon answer? One request, for
   HEALTHCHECK in a container and for scripts. It speaks plain HTTP only, and reads no policy. */
#include "cmd.h"

#include "address.h"
#include "config.h"
#include "http_head.h"
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    WAIT_MS = 3000, /* for all of it */
    ANSWER_MAX = 16 << 10,
};

static const char default_host[] = "unix:///run/sockwarden/docker.sock";

struct check {
    const char *address; /* unix:///path or tcp://IP:PORT */
    const char *target;
    uint64_t deadline_ms;
    char answer[ANSWER_MAX];
    size_t length;
};

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* False: nothing came in time; errno says so. */
static bool wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        uint64_t now = clock_now_ms();
        int ready = poll(&poll_fd, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);
        if (ready > 0)
            return true;
        if (ready == 0)
            errno = ETIMEDOUT;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

/* A connected socket, or -1 with errno set. */
static int open_connection(const struct check *check)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    socklen_t length = sizeof(struct sockaddr_un);
    const char *path = address_unix_path(check->address);
    bool loopback;
    if (path)
        snprintf(((struct sockaddr_un *)(void *)&address)->sun_path,
                 sizeof(((struct sockaddr_un *)NULL)->sun_path), "%s", path);
    else if (!address_parse_tcp(check->address + strlen("tcp://"), &address, &length, &loopback))
        return errno = EINVAL, -1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int error = connect(fd, (struct sockaddr *)&address, length) == 0 ? 0 : errno;
    socklen_t size = sizeof(error);
    if (error == EINPROGRESS && (!wait_for(fd, POLLOUT, check->deadline_ms) ||
                                 getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0))
        error = errno;
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static bool exchange(int fd, struct check *check)
{
    char request[256];
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: sockwarden\r\nUser-Agent: sockwarden-healthcheck\r\n"
                     "Connection: close\r\n\r\n",
                     check->target);
    if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        return false;
    while (check->length < sizeof(check->answer)) {
        if (!wait_for(fd, POLLIN, check->deadline_ms))
            return false;
        ssize_t got =
            recv(fd, check->answer + check->length, sizeof(check->answer) - check->length, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        check->length += (size_t)got;
    }
    return true;
}

/* The status, or 0; body is what stands behind the head. */
static int read_answer(const struct check *check, struct str *body)
{
    struct head_scan scan = {0, 0, 0};
    struct http_refusal refusal = {0, NULL};
    struct http_head head;
    struct str bytes = {check->answer, check->length};
    size_t length = 0;
    if (head_scan(&scan, bytes, false, sizeof(check->answer), &length, &refusal) != HEAD_DONE ||
        !head_read(str_head(bytes, length), false, &head, &refusal))
        return 0;
    *body = str_skip(bytes, length);
    return head.status;
}

static int explain_unreached(const struct check *check, int error)
{
    const char *remedy =
        error == ETIMEDOUT || error == EAGAIN
            ? "it accepts, and does not answer within 3 seconds; the proxy's log may say why"
        : error == EACCES || error == EPERM
            ? "this user may not open the socket (--socket-mode, --socket-group)"
            : "is the proxy running, and is this its address?";
    return cmd_fail(EXIT_FAILED, "%s: %s; %s", check->address, strerror(error), remedy);
}

static int judge(const struct check *check, bool admin)
{
    struct str body = {NULL, 0};
    char said[400];
    int status = read_answer(check, &body);
    if (status == 200)
        return EXIT_OK;
    text_shorten(said, sizeof(said), str_head(body, str_find(body, '\n')));
    if (status == 0)
        return cmd_fail(EXIT_FAILED,
                        "%s does not answer as HTTP; a TLS address cannot be checked: "
                        "give the proxy --admin ADDRESS, and name that",
                        check->address);
    if (admin && status == 503)
        return cmd_fail(EXIT_FAILED, "%s is not ready: %s", check->address, said);
    if (admin)
        return cmd_fail(EXIT_FAILED,
                        "%s answers %d to %s: it is not the proxy's --admin address, which is what "
                        "healthcheck takes",
                        check->address, status, check->target);
    return cmd_fail(EXIT_FAILED, "%s answers %d to a ping: %s%s", check->address, status, said,
                    status == 403 ? "; let this client's role have \"@ping\", or give the proxy "
                                    "--admin ADDRESS and set SOCKWARDEN_ADMIN to it"
                                  : "");
}

/* Where serve would listen in the place of a docker-socket-proxy, by plain HTTP. */
static bool dropin_host(char *dst, size_t cap)
{
    static struct config config;
    char name[] = "serve", *argv[] = {name, NULL};
    bool dropin = config_read(1, argv, &config, NULL) && config.dropin && config.insecure_tcp;
    if (dropin)
        snprintf(dst, cap, "%s", config.hosts[0]);
    config_free(&config);
    return dropin;
}

/* The first of --host as the proxy's environment has it; NULL with a sentence printed when it
   cannot be pinged. */
static const char *first_host(char *dst, size_t cap)
{
    const char *hosts = getenv("SOCKWARDEN_HOST"), *insecure = getenv("SOCKWARDEN_INSECURE_TCP");
    if (dropin_host(dst, cap))
        return dst;
    struct str first = str_of(hosts && *hosts ? hosts : default_host);
    first = str_head(first, str_find(first, ','));
    snprintf(dst, cap, "%.*s", STR_ARG(first));
    bool plain = insecure && (strcmp(insecure, "1") == 0 || strcmp(insecure, "true") == 0);
    if (address_unix_path(dst) || (strncmp(dst, "tcp://", 6) == 0 && plain))
        return dst;
    cmd_fail(
        0,
        "the first --host, %s, %s; give the proxy --admin ADDRESS, such as "
        "unix:///run/sockwarden-admin/admin.sock, and set SOCKWARDEN_ADMIN to it or name it here",
        dst,
        strncmp(dst, "tcp://", 6) == 0 ? "speaks TLS, for which a health check has no certificate"
                                       : "is no address that can be connected to");
    return NULL;
}

int cmd_healthcheck(int argc, char **argv)
{
    static struct check check;
    static char host[512];
    if (argc > 2 || (argc == 2 && argv[1][0] == '-'))
        return cmd_fail(EXIT_USAGE,
                        "healthcheck takes one address at most: sockwarden healthcheck [ADDRESS]");
    const char *admin = argc > 1 ? argv[1] : getenv("SOCKWARDEN_ADMIN");
    check.address = admin && *admin ? admin : first_host(host, sizeof(host));
    if (!check.address)
        return EXIT_FAILED;
    bool is_admin = check.address == admin;
    struct sockaddr_storage address;
    socklen_t length;
    bool loopback;
    if (!(address_unix_path(check.address) && strlen(check.address) < 7 + 108) &&
        !(strncmp(check.address, "tcp://", 6) == 0 &&
          address_parse_tcp(check.address + 6, &address, &length, &loopback)))
        return cmd_fail(EXIT_USAGE,
                        "healthcheck: %s is no address; expected unix:///path or tcp://IP:PORT",
                        check.address);
    check.target = is_admin ? "/readyz" : "/_ping";
    check.deadline_ms = clock_now_ms() + WAIT_MS;
    AUTO(close_fd) int fd = open_connection(&check);
    if (fd < 0 || !exchange(fd, &check))
        return explain_unreached(&check, errno);
    return judge(&check, is_admin);
}
