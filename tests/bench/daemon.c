/* A Docker daemon that answers at once: what the proxies of the benchmark stand in front of. One
   thread, answers made beforehand, no work. It takes what the benchmark's rows send, and no more:
   ping, creates, loads, archives, logs, events, an echo after an upgrade, and files as JSON. */
#include "wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIELDS                                                             \
    "Api-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\n" \
    "Server: Docker/20.10.24+dfsg1 (linux)\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What an answer is: a head, a block so many times, a tail. */
struct answer {
    struct str head;
    struct str block;
    uint64_t times;
    struct str tail;
};

enum route_kind { ROUTE_ANSWER, ROUTE_IDLE, ROUTE_ECHO };
struct route {
    const char *method;
    char path[128]; /* a '*' stands for one segment */
    enum route_kind kind;
    struct answer answer;
};

enum { ROUTES_MAX = 32, MIB = 1 << 20 };
static struct route routes[ROUTES_MAX];
static size_t route_count;

enum conn_state { CONN_HEAD, CONN_BODY, CONN_ANSWER, CONN_IDLE, CONN_ECHO };
struct conn {
    int fd; /* of a listener too, whose state is of no use */
    bool listens;
    enum conn_state state;
    const struct route *route;
    struct wire_body body;
    uint64_t part; /* of the answer: 0 the head, 1 and on the blocks, then the tail */
    size_t sent;   /* bytes of the part */
    size_t kept;   /* bytes in rest: of a head, or of an echo */
    char *rest;
};

static char block[WIRE_BLOCK];
static int epoll;

/* ---- routes -----------------------------------------------------------------------------------
 */

static struct str copy(const char *text, size_t n)
{
    char *p = malloc(n + 1);
    if (!p)
        wire_fail("out of memory");
    memcpy(p, text, n);
    p[n] = 0;
    return (struct str){p, n};
}

static struct route *add(const char *method, const char *path, const char *head)
{
    if (route_count == ROUTES_MAX)
        wire_fail("too many routes");
    struct route *route = &routes[route_count++];
    route->method = method;
    snprintf(route->path, sizeof(route->path), "%s", path);
    route->answer.head = str_of(head);
    return route;
}

/* A stream of so many MiB in chunks of this many bytes. */
static void add_stream(const char *path, size_t chunk, const char *type, uint64_t mebibytes)
{
    char text[512];
    snprintf(text, sizeof(text),
             "HTTP/1.1 200 OK\r\n" FIELDS "Content-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
             type);
    struct str head = copy(text, strlen(text));
    struct route *route = add("GET", path, head.p);
    size_t each = (size_t)snprintf(text, sizeof(text), "%zx\r\n", chunk) + chunk + 2;
    size_t chunks = WIRE_BLOCK / each;
    char *bytes = malloc(WIRE_BLOCK + sizeof(text)), *at = bytes;
    if (!bytes)
        wire_fail("out of memory");
    for (size_t i = 0; i < chunks; i++) {
        at += sprintf(at, "%zx\r\n", chunk);
        memset(at, 'a' + (int)(i % 26), chunk);
        at += chunk;
        at += sprintf(at, "\r\n");
    }
    route->answer.block = str_from(bytes, at);
    route->answer.times = mebibytes * MIB / (chunks * chunk);
    route->answer.tail = STR("0\r\n\r\n");
}

/* Large answers are chunked, small ones not, as Go's server does it. */
static void add_file(const char *path, const char *file)
{
    enum { CHUNKED_FROM = 2048 };
    static char text[4 * MIB], whole[4 * MIB + 512];
    FILE *input = fopen(file, "re");
    if (!input)
        wire_fail("cannot open %s: %s", file, strerror(errno));
    size_t n = fread(text, 1, sizeof(text), input);
    fclose(input);
    bool chunked = n > CHUNKED_FROM;
    char framing[64];
    snprintf(framing, sizeof(framing),
             chunked ? "Transfer-Encoding: chunked" : "Content-Length: %zu", n);
    int head = snprintf(whole, sizeof(whole),
                        "HTTP/1.1 200 OK\r\n" FIELDS "Content-Type: application/json\r\n%s\r\n\r\n",
                        framing);
    size_t at = (size_t)head;
    if (chunked)
        at += (size_t)sprintf(whole + at, "%zx\r\n", n);
    memcpy(whole + at, text, n);
    at += n;
    if (chunked)
        at += (size_t)sprintf(whole + at, "\r\n0\r\n\r\n");
    struct str name = copy(path, strlen(path));
    add("GET", name.p, "")->answer.head = copy(whole, at);
}

static void add_routes(uint64_t mebibytes)
{
    enum { ARCHIVE_CHUNK = 32 << 10, LOG_CHUNK = 16 << 10 }; /* io.Copy's; a log line's most */
    static const char pong[] =
        "HTTP/1.1 200 OK\r\n" FIELDS "Cache-Control: no-cache, no-store, must-revalidate\r\n"
        "Pragma: no-cache\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\n";
    static const char pong_body[] = "OK";
    static char both[sizeof(pong) + sizeof(pong_body)];
    snprintf(both, sizeof(both), "%s%s", pong, pong_body);
    add("GET", "/_ping", both);
    add("HEAD", "/_ping", pong);
    add("POST", "/containers/create",
        "HTTP/1.1 201 Created\r\n" FIELDS "Content-Type: application/json\r\n"
        "Content-Length: 88\r\n\r\n{\"Id\":\"" ID "\",\"Warnings\":[]}\n");
    add("POST", "/images/load",
        "HTTP/1.1 200 OK\r\n" FIELDS
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    add("POST", "/containers/*/start", "HTTP/1.1 204 No Content\r\n" FIELDS "\r\n");
    add_stream("/containers/*/archive", ARCHIVE_CHUNK, "application/x-tar", mebibytes);
    add_stream("/containers/*/logs", LOG_CHUNK, "application/vnd.docker.multiplexed-stream",
               mebibytes);
    add("GET", "/events",
        "HTTP/1.1 200 OK\r\n" FIELDS "Content-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n")
        ->kind = ROUTE_IDLE;
    static const char upgraded[] =
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
        "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    add("POST", "/containers/*/attach", upgraded)->kind = ROUTE_ECHO;
    add("POST", "/exec/*/start", upgraded)->kind = ROUTE_ECHO;
}

static bool path_matches(struct str path, const char *pattern)
{
    size_t i = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            while (i < path.n && path.p[i] != '/')
                i++;
        } else if (i >= path.n || path.p[i++] != *pattern) {
            return false;
        }
    }
    return i == path.n;
}

static const struct route *find(struct str line)
{
    static const struct route unknown = {
        .answer.head = {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45}};
    struct str method = str_head(line, str_find(line, ' '));
    struct str target = str_skip(line, method.n + 1);
    target = str_head(target, str_find(target, ' '));
    if (str_starts(target, STR("/v")) && !str_starts(target, STR("/vo"))) /* volumes, version */
        target = str_skip(target, 1 + str_find(str_skip(target, 1), '/'));
    struct str path = str_head(target, str_find(target, '?'));
    for (size_t i = 0; i < route_count; i++) {
        bool with_query = strchr(routes[i].path, '?') != NULL;
        if (str_is(method, routes[i].method) &&
            path_matches(with_query ? target : path, routes[i].path))
            return &routes[i];
    }
    return &unknown;
}

/* ---- connections ------------------------------------------------------------------------------
 */

static void conn_open(int fd, bool listens)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        wire_fail("out of memory");
    conn->fd = fd;
    conn->listens = listens;
    wire_register(epoll, fd, conn);
}

static void conn_close(struct conn *conn)
{
    close(conn->fd);
    free(conn->rest);
    free(conn);
}

static void keep(struct conn *conn, const char *bytes, size_t n)
{
    if (conn->kept + n > WIRE_BLOCK)
        wire_fail("too much is waiting");
    if (!conn->rest && !(conn->rest = malloc(WIRE_BLOCK)))
        wire_fail("out of memory");
    memmove(conn->rest + conn->kept, bytes, n);
    conn->kept += n;
}

static struct str part_of(const struct conn *conn)
{
    const struct answer *answer = &conn->route->answer;
    if (conn->part == 0)
        return answer->head;
    return conn->part <= answer->times ? answer->block : answer->tail;
}

/* True when all of the answer has gone. */
static bool send_answer(struct conn *conn)
{
    while (conn->part <= conn->route->answer.times + 1) {
        struct str part = str_skip(part_of(conn), conn->sent);
        ssize_t n = part.n ? send(conn->fd, part.p, part.n, MSG_NOSIGNAL) : 0;
        if (n < 0)
            return false;
        conn->sent += (size_t)n;
        if ((size_t)n == part.n) {
            conn->part++;
            conn->sent = 0;
        }
    }
    return true;
}

static void answered(struct conn *conn)
{
    static const enum conn_state next[] = {
        [ROUTE_ANSWER] = CONN_HEAD, [ROUTE_IDLE] = CONN_IDLE, [ROUTE_ECHO] = CONN_ECHO};
    conn->state = next[conn->route->kind];
}

static void begin_answer(struct conn *conn)
{
    conn->part = 0;
    conn->sent = 0;
    conn->state = CONN_ANSWER;
    if (send_answer(conn))
        answered(conn);
}

static void take(struct conn *conn, const char *bytes, size_t n);

static void take_head(struct conn *conn, const char *bytes, size_t n)
{
    struct str text = {bytes, n};
    if (conn->kept > 0) {
        keep(conn, bytes, n);
        text = (struct str){conn->rest, conn->kept};
    }
    struct wire_head head = wire_parse(text);
    if (head.size == 0) {
        if (conn->kept == 0)
            keep(conn, bytes, n);
        return;
    }
    conn->kept = 0;
    conn->route = find(head.line);
    conn->body = head.body;
    conn->state = CONN_BODY;
    size_t body = wire_take(&conn->body, text.p + head.size, text.n - head.size);
    struct str rest = str_skip(text, head.size + body);
    if (conn->body.ended)
        begin_answer(conn);
    if (rest.n > 0)
        take(conn, rest.p, rest.n);
}

static void take_body(struct conn *conn, const char *bytes, size_t n)
{
    size_t used = wire_take(&conn->body, bytes, n);
    if (conn->body.ended)
        begin_answer(conn);
    if (used < n)
        take(conn, bytes + used, n - used);
}

static void echo(struct conn *conn, const char *bytes, size_t n)
{
    ssize_t sent = conn->kept > 0 ? 0 : send(conn->fd, bytes, n, MSG_NOSIGNAL);
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done < n)
        keep(conn, bytes + done, n - done);
}

static void take(struct conn *conn, const char *bytes, size_t n)
{
    if (conn->state == CONN_HEAD)
        take_head(conn, bytes, n);
    else if (conn->state == CONN_BODY)
        take_body(conn, bytes, n);
    else if (conn->state == CONN_ECHO)
        echo(conn, bytes, n);
    else if (conn->state == CONN_ANSWER)
        keep(conn, bytes, n);
}

/* What could not be written before. */
static void go_on(struct conn *conn)
{
    if (conn->state == CONN_ANSWER && send_answer(conn)) {
        answered(conn);
        size_t kept = conn->kept;
        conn->kept = 0;
        if (kept > 0)
            take(conn, conn->rest, kept);
    } else if (conn->state == CONN_ECHO && conn->kept > 0) {
        ssize_t n = send(conn->fd, conn->rest, conn->kept, MSG_NOSIGNAL);
        if (n > 0) {
            conn->kept -= (size_t)n;
            memmove(conn->rest, conn->rest + n, conn->kept);
        }
    }
}

static void read_all(struct conn *conn)
{
    for (;;) {
        ssize_t n = recv(conn->fd, block, sizeof(block), 0);
        if (n > 0)
            take(conn, block, (size_t)n);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            conn_close(conn);
            return;
        }
        if (n < (ssize_t)sizeof(block)) /* what comes later is told again */
            return;
    }
}

static void on_event(struct conn *conn, uint32_t events)
{
    if (conn->listens) {
        for (int fd; (fd = wire_accept(conn->fd)) >= 0;)
            conn_open(fd, false);
        return;
    }
    if (events & EPOLLOUT)
        go_on(conn);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn_close(conn);
    else if (events & EPOLLIN)
        read_all(conn);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s MEBIBYTES ADDRESS... [PATH=FILE...]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    wire_raise_limits();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    add_routes(strtoull(argv[1], NULL, 10));
    for (int i = 2; i < argc; i++) {
        char *file = argv[i][0] == '/' ? strrchr(argv[i], '=') : NULL;
        if (!file) {
            conn_open(wire_listen(argv[i]), true);
            continue;
        }
        *file = 0;
        add_file(argv[i], file + 1);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[WIRE_EVENTS];
        int n = epoll_wait(epoll, events, WIRE_EVENTS, -1);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
}
