/* Sockets and message ends, see wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void wire_fail(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "bench: %s: ", program_invocation_short_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

uint64_t wire_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void wire_raise_limits(void)
{
    struct rlimit limit = {WIRE_DESCRIPTORS, WIRE_DESCRIPTORS};
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- sockets ----------------------------------------------------------------------------------
 */

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
};

static socklen_t address_parse(const char *text, union address *address)
{
    memset(address, 0, sizeof(*address));
    if (str_starts(str_of(text), STR("unix:")) && strlen(text + 5) < sizeof(address->un.sun_path)) {
        address->un.sun_family = AF_UNIX;
        memcpy(address->un.sun_path, text + 5, strlen(text + 5));
        return sizeof(address->un);
    }
    if (!str_starts(str_of(text), STR("tcp:")))
        wire_fail("%s is neither unix:PATH nor tcp:PORT", text);
    address->in.sin_family = AF_INET;
    address->in.sin_port = htons((uint16_t)strtoul(text + 4, NULL, 10));
    address->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof(address->in);
}

static int stream_socket(sa_family_t family)
{
    const int one = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        wire_fail("no socket: %s", strerror(errno));
    if (family == AF_INET) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return fd;
}

int wire_listen(const char *address)
{
    enum { BACKLOG = 4096 };
    union address to;
    socklen_t size = address_parse(address, &to);
    int fd = stream_socket(to.any.sa_family);
    if (bind(fd, &to.any, size) != 0 || listen(fd, BACKLOG) != 0)
        wire_fail("cannot listen on %s: %s", address, strerror(errno));
    return fd;
}

int wire_accept(int listener)
{
    const int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void bind_source(int fd)
{
    enum { SOURCES = 200, FIRST = 0x7f000102 }; /* 127.0.1.2 and on */
    static uint32_t turn;
    const int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(FIRST + turn++ % SOURCES);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) != 0)
        wire_fail("cannot bind: %s", strerror(errno));
}

int wire_connect(const char *address)
{
    union address to;
    socklen_t size = address_parse(address, &to);
    int fd = stream_socket(to.any.sa_family);
    if (to.any.sa_family == AF_INET)
        bind_source(fd);
    if (connect(fd, &to.any, size) != 0 && errno != EINPROGRESS)
        wire_fail("cannot connect to %s: %s", address, strerror(errno));
    return fd;
}

void wire_register(int epoll, int fd, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = owner};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        wire_fail("epoll_ctl: %s", strerror(errno));
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static bool field_is(struct str line, const char *name)
{
    size_t n = strlen(name);
    return line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0;
}

static void parse_field(struct str line, struct wire_head *head)
{
    if (field_is(line, "content-length")) {
        head->body.framing = WIRE_LENGTH;
        head->body.left = strtoull(line.p + strlen("content-length:"), NULL, 10);
    } else if (field_is(line, "transfer-encoding")) {
        head->body = (struct wire_body){.framing = WIRE_CHUNKED, .in_size = true};
    } else if (field_is(line, "upgrade")) {
        head->upgrade = true;
    }
}

struct wire_head wire_parse(struct str text)
{
    struct wire_head head = {0};
    const char *end = memmem(text.p, text.n, "\r\n\r\n", 4);
    if (!end)
        return head;
    head.size = (size_t)(end - text.p) + 4;
    struct str rest = {text.p, head.size - 2};
    while (rest.n > 0) {
        struct str line = str_head(rest, str_find(rest, '\r'));
        if (!head.line.p)
            head.line = line;
        else
            parse_field(line, &head);
        rest = str_skip(rest, line.n + 2);
    }
    if (head.body.framing == WIRE_NONE || (head.body.framing == WIRE_LENGTH && !head.body.left))
        head.body.ended = true;
    return head;
}

/* A byte of the line that holds a chunk's size; the line's end begins the chunk. */
static void take_size(struct wire_body *body, char c)
{
    if (c == '\n') {
        body->last = body->left == 0;
        body->left += 2; /* the line end behind the data */
        body->in_size = false;
    } else if (c >= '0' && c <= '9') {
        body->left = body->left * 16 + (uint64_t)(c - '0');
    } else if ((c | ' ') >= 'a' && (c | ' ') <= 'f') {
        body->left = body->left * 16 + (uint64_t)((c | ' ') - 'a' + 10);
    }
}

static void end_part(struct wire_body *body)
{
    if (body->framing == WIRE_LENGTH || body->last)
        body->ended = true;
    else
        body->in_size = true;
}

size_t wire_take(struct wire_body *body, const char *bytes, size_t n)
{
    size_t at = 0;
    while (at < n && !body->ended) {
        if (body->in_size) {
            take_size(body, bytes[at++]);
            continue;
        }
        size_t part = n - at < body->left ? n - at : (size_t)body->left;
        at += part;
        body->left -= part;
        if (body->left == 0)
            end_part(body);
    }
    return at;
}
