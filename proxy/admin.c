/* The listener of --admin; see admin.h. Each connection gets one answer and is closed: nobody
   holds one. What is ready is asked of the daemon itself, and the loop never waits for it. */
#include "admin.h"

#include "deny.h"
#include "metrics_write.h"
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum state {
    READING,   /* the request's head */
    PINGING,   /* the daemon, for /readyz */
    LINGERING, /* answered; the client is to close */
    CLOSED,
};

struct admin_conn {
    struct admin_conn *prev, *next;
    struct admin *admin;
    enum state state;
    struct stream client, upstream;
    struct head_scan scan; /* of the request's head, then of the daemon's answer */
    struct event deadline; /* of the connection */
    struct event patience; /* with the daemon */
    struct task retry;     /* the daemon's socket may have room again */
    bool to_head;          /* a HEAD: no body */
};

static const char text_type[] = "text/plain; charset=utf-8";

static struct context *main_context(const struct admin *admin)
{
    return &admin->server->workers[0].context;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void answer(struct admin_conn *conn, int status, const char *type, struct str body)
{
    char head[512];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
                     status, deny_phrase(status), type, body.n,
                     status == 405 ? "Allow: GET, HEAD\r\n" : "");
    struct iovec pieces[2] = {{.iov_base = head, .iov_len = (size_t)n},
                              {.iov_base = (void *)(uintptr_t)body.p, .iov_len = body.n}};
    stream_close(&conn->upstream);
    event_del(&conn->patience);
    stream_send(&conn->client, pieces, conn->to_head || body.n == 0 ? 1 : 2);
    stream_end(&conn->client);
    conn->state = LINGERING;
}

/* One line. */
static void answer_text(struct admin_conn *conn, int status, const char *sentence)
{
    char line[800];
    int n = snprintf(line, sizeof(line), "%s\n", sentence);
    answer(conn, status, text_type,
           (struct str){line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1});
}

static void answer_metrics(struct admin_conn *conn)
{
    const struct admin *admin = conn->admin;
    const struct server *server = admin->server;
    const struct context *context = main_context(admin);
    char why[512];
    struct metrics_text text = {.p = NULL};
    struct metrics_view view = {
        .loops = admin->metrics,
        .loop_count = server->worker_count,
        .trust = server->shared->trust,
        .policy_hash = context->snapshot->hash,
        .audit_mode = server->config->audit_mode,
        .connections = atomic_load(&server->shared->connections),
        .connections_max = server->config->max_connections,
        .audit = audit_counts_read(context->sink),
        .audit_failing = !audit_can_write(context->sink, why, sizeof(why)),
        .not_after = server->tls ? (int64_t)tls_context_not_after(server->tls) : 0,
    };
    process_read(&admin->process, &view.process);
    metrics_write(&view, &text);
    if (text.failed)
        answer_text(conn, 503, "out of memory");
    else
        answer(conn, 200, METRICS_TEXT_TYPE, (struct str){text.p, text.len});
    free(text.p);
}

/* ---- is it ready? -------------------------------------------------------------------------- */

static void not_ready(struct admin_conn *conn, const char *why)
{
    char sentence[700];
    snprintf(sentence, sizeof(sentence), "the Docker daemon at %s %s",
             main_context(conn->admin)->upstream_name, why);
    answer_text(conn, 503, sentence);
}

static void take_answer(struct admin_conn *conn, size_t length)
{
    struct http_head head;
    struct http_refusal refusal = {0, NULL};
    char why[64];
    if (!head_read(str_head(stream_pending(&conn->upstream), length), false, &head, &refusal)) {
        not_ready(conn, "sends an answer that is not HTTP");
    } else if (head.status == 200) {
        answer_text(conn, 200, "ready");
    } else {
        snprintf(why, sizeof(why), "answers %d to a ping", head.status);
        not_ready(conn, why);
    }
}

static void await_ping(struct admin_conn *conn)
{
    struct stream *upstream = &conn->upstream;
    if (stream_queued(upstream) > 0) /* the kernel took half of the question */
        stream_flush(upstream);
    while (conn->state == PINGING && stream_is_open(upstream)) {
        struct http_refusal refusal = {0, NULL};
        struct str pending = stream_pending(upstream);
        size_t length = 0;
        enum head_status status = pending.n == 0 ? HEAD_MORE
                                                 : head_scan(&conn->scan, pending, false,
                                                             ADMIN_HEAD_MAX, &length, &refusal);
        if (status == HEAD_DONE) {
            take_answer(conn, length);
        } else if (status == HEAD_BAD) {
            not_ready(conn, "sends an answer that is not HTTP");
        } else {
            enum stream_status filled = stream_fill(upstream);
            if (filled == STREAM_AGAIN)
                return;
            if (filled != STREAM_OK)
                not_ready(conn, "closes the connection without an answer");
        }
    }
}

static void step(struct admin_conn *conn);

static void on_ready(void *arg)
{
    step(arg);
}

static void ping(struct admin_conn *conn)
{
    static const char request[] =
        "GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: sockwarden\r\n"
        "Connection: close\r\n\r\n";
    struct iovec piece = {.iov_base = (void *)(uintptr_t)request, .iov_len = sizeof(request) - 1};
    struct context *context = main_context(conn->admin);
    char why[600];
    switch (upstream_open(context, &conn->upstream, on_ready, conn)) {
    case UPSTREAM_OPEN:
        if (stream_send(&conn->upstream, &piece, 1) == STREAM_BROKEN)
            not_ready(conn, "takes no request");
        return;
    case UPSTREAM_BUSY:
        loop_soon(&context->loop, &conn->retry);
        return;
    case UPSTREAM_AWAY:
        upstream_explain(context, errno, why, sizeof(why));
        answer_text(conn, 503, why);
        return;
    }
}

static void answer_ready(struct admin_conn *conn)
{
    const struct context *context = main_context(conn->admin);
    struct timeval patience = {.tv_sec = ADMIN_PING_MS / 1000,
                               .tv_usec = ADMIN_PING_MS % 1000 * 1000L};
    char why[512], sentence[600];
    if (context->draining) {
        answer_text(conn, 503, "it stops: no new connections are taken");
        return;
    }
    if (!context->config->audit_continue && !audit_can_write(context->sink, why, sizeof(why))) {
        snprintf(sentence, sizeof(sentence), "the audit log cannot be written: %s", why);
        answer_text(conn, 503, sentence);
        return;
    }
    conn->state = PINGING;
    conn->scan = (struct head_scan){0, 0, 0};
    event_add(&conn->patience, &patience);
    ping(conn);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void answer_alive(struct admin_conn *conn)
{
    answer_text(conn, 200, "alive");
}

static const struct {
    const char *path;
    void (*answer)(struct admin_conn *conn);
} pages[] = {
    {"/healthz", answer_alive},
    {"/readyz", answer_ready},
    {"/metrics", answer_metrics},
};

static void take_request(struct admin_conn *conn, size_t length)
{
    struct http_request http;
    struct http_refusal refusal = {0, NULL};
    struct str bytes = str_head(stream_pending(&conn->client), length);
    if (!http_request_read(bytes, &http, &refusal)) {
        answer_text(conn, refusal.status, refusal.why);
        return;
    }
    conn->to_head = str_is(http.head.method, "HEAD");
    struct str path = str_head(http.head.target, str_find(http.head.target, '?'));
    if (http.origin.p) {
        answer_text(conn, 403, "web pages are not answered");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (!str_is(path, pages[i].path))
            continue;
        if (!conn->to_head && !str_is(http.head.method, "GET"))
            answer_text(conn, 405, "GET and HEAD are the methods of this address");
        else if (http.framing != FRAMING_NONE)
            answer_text(conn, 413, "no body is taken");
        else
            pages[i].answer(conn);
        return;
    }
    answer_text(conn, 404, "there are /metrics, /healthz and /readyz");
}

static void read_request(struct admin_conn *conn)
{
    while (conn->state == READING) {
        struct http_refusal refusal = {0, NULL};
        struct str pending = stream_pending(&conn->client);
        size_t length = 0;
        enum head_status status = pending.n == 0 ? HEAD_MORE
                                                 : head_scan(&conn->scan, pending, true,
                                                             ADMIN_HEAD_MAX, &length, &refusal);
        if (status == HEAD_DONE) {
            take_request(conn, length);
        } else if (status == HEAD_BAD) {
            answer_text(conn, refusal.status, refusal.why);
        } else {
            enum stream_status filled = stream_fill(&conn->client);
            if (filled == STREAM_AGAIN)
                return;
            if (filled != STREAM_OK)
                conn->state = CLOSED;
        }
    }
}

/* What still comes is dropped: unread bytes would turn our end into a reset that overtakes the
   answer. */
static void linger(struct admin_conn *conn)
{
    enum stream_status status = STREAM_OK;
    if (stream_flush(&conn->client) == STREAM_BROKEN)
        conn->state = CLOSED;
    for (int reads = 0; conn->state == LINGERING && status == STREAM_OK && reads < 4; reads++) {
        stream_consume(&conn->client, stream_pending(&conn->client).n);
        status = stream_fill(&conn->client);
    }
    if (status == STREAM_OK || status == STREAM_BROKEN || stream_pending(&conn->client).n > 0 ||
        (status == STREAM_EOF && stream_queued(&conn->client) == 0))
        conn->state = CLOSED;
}

/* ---- connections --------------------------------------------------------------------------- */

static const struct timeval pause_time = {.tv_sec = 0, .tv_usec = 100000};

static void watch(const struct admin *admin)
{
    if (admin->conn_count >= ADMIN_CONNECTIONS_MAX || evtimer_pending(admin->resume, NULL))
        event_del(admin->server->admin.event);
    else if (event_add(admin->server->admin.event, NULL) != 0)
        event_add(admin->resume, &pause_time); /* the kernel has no room for it just now */
}

static void drop(struct admin_conn *conn)
{
    struct admin *admin = conn->admin;
    loop_cancel(admin->server->loop, &conn->retry);
    stream_close(&conn->client);
    stream_close(&conn->upstream);
    event_del(&conn->deadline);
    event_del(&conn->patience);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        admin->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    admin->conn_count--;
    free(conn);
}

/* The one way on, and the one place where a connection ends. */
static void step(struct admin_conn *conn)
{
    struct admin *admin = conn->admin;
    if (conn->state == READING)
        read_request(conn);
    if (conn->state == PINGING) {
        await_ping(conn);
        if (stream_fill(&conn->client) == STREAM_BROKEN)
            conn->state = CLOSED; /* whoever asked has left */
    }
    if (conn->state == LINGERING)
        linger(conn);
    if (conn->state != CLOSED)
        return;
    drop(conn);
    watch(admin);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_conn *conn = arg;
    conn->state = CLOSED;
    step(conn);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_conn *conn = arg;
    if (conn->state == PINGING)
        not_ready(conn, "does not answer a ping within one second");
    step(conn);
}

static void on_retry(void *arg)
{
    struct admin_conn *conn = arg;
    if (conn->state == PINGING)
        ping(conn);
    step(conn);
}

static void take_connection(struct admin *admin, int fd)
{
    struct timeval deadline = {.tv_sec = ADMIN_DEADLINE_S, .tv_usec = 0};
    struct loop *loop = admin->server->loop;
    struct admin_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        close(fd);
        return;
    }
    conn->admin = admin;
    conn->upstream.fd = -1;
    conn->retry = (struct task){.run = on_retry, .arg = conn};
    evtimer_assign(&conn->deadline, loop->base, on_deadline, conn);
    evtimer_assign(&conn->patience, loop->base, on_patience, conn);
    if (!stream_open(&conn->client, loop, fd, true, on_ready, conn)) {
        free(conn);
        return;
    }
    event_add(&conn->deadline, &deadline);
    conn->next = admin->conns;
    if (conn->next)
        conn->next->prev = conn;
    admin->conns = conn;
    admin->conn_count++;
    step(conn);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct admin *admin = arg;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0)
        take_connection(admin, accepted);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        event_add(admin->resume, &pause_time);
    watch(admin);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    watch(arg);
}

/* ---- life ---------------------------------------------------------------------------------- */

bool admin_start(struct admin *admin, struct server *server, struct err *err)
{
    enum { OTHER_FDS = 1024 }; /* policies, logs, listeners, loops: far fewer */
    struct listener *listener = &server->admin;
    *admin = (struct admin){.server = server, .process.statm_fd = -1};
    if (!listener->name)
        return true;
    process_open(&admin->process, server->config->max_connections * 2 + OTHER_FDS);
    admin->metrics = calloc(server->worker_count, sizeof(const struct metrics *));
    admin->resume = evtimer_new(server->loop->base, on_resume, admin);
    listener->event =
        event_new(server->loop->base, listener->fd, EV_READ | EV_PERSIST, on_accept, admin);
    if (!admin->metrics || !admin->resume || !listener->event ||
        event_add(listener->event, NULL) != 0)
        return err_set(err, 0, 0, "--admin %s: out of memory", listener->name);
    for (size_t i = 0; i < server->worker_count; i++)
        admin->metrics[i] = server->workers[i].context.metrics;
    return true;
}

void admin_close(struct admin *admin)
{
    if (!admin->server)
        return;
    for (struct admin_conn *conn = admin->conns, *next; conn; conn = next) {
        next = conn->next;
        drop(conn);
    }
    if (admin->resume)
        event_free(admin->resume);
    free(admin->metrics);
    process_close(&admin->process);
    listener_close(&admin->server->admin);
    *admin = (struct admin){.server = NULL};
}
