/* A connection of the load generator: what it sends, what it takes for an answer. It goes on in
   edges: each step does all that can be done. */
#include "load.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum conn_state { CONN_HANDSHAKE, CONN_SEND, CONN_HEAD, CONN_BODY, CONN_SAY, CONN_HEAR, CONN_IDLE };
struct conn {
    int fd;
    enum conn_state state;
    SSL *ssl;
    SSL_SESSION *session; /* the newest */
    uint64_t part;        /* of the request: 0 the head, 1 and on the blocks, then the tail */
    size_t sent;          /* bytes of the part, or of a message */
    size_t heard;         /* bytes of a message */
    struct wire_body body;
    uint64_t began; /* when what is asked was begun */
    bool was_answered;
    size_t kept;
    char *kept_head; /* bytes of a head that came in parts */
};

static char block[WIRE_BLOCK];

/* ---- bytes ------------------------------------------------------------------------------------
 */

enum { AGAIN = -1 };

/* AGAIN where nothing can be done now; fails at an end. */
static ssize_t settle(const struct conn *conn, ssize_t n)
{
    if (n > 0)
        return n;
    if (conn->ssl) {
        int why = SSL_get_error(conn->ssl, (int)n);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            return AGAIN;
        wire_fail("TLS: %s, after %s answer", ERR_reason_error_string(ERR_peek_last_error()),
                  conn->was_answered ? "an" : "no");
    }
    if (n < 0 && errno == EAGAIN)
        return AGAIN;
    wire_fail("the connection ended: %s, after %s answer", n < 0 ? strerror(errno) : "closed",
              conn->was_answered ? "an" : "no");
}

static ssize_t read_some(struct conn *conn)
{
    ERR_clear_error();
    return settle(conn, conn->ssl ? SSL_read(conn->ssl, block, sizeof(block))
                                  : recv(conn->fd, block, sizeof(block), 0));
}

static ssize_t write_some(struct conn *conn, struct str bytes)
{
    ERR_clear_error();
    return settle(conn, conn->ssl ? SSL_write(conn->ssl, bytes.p, (int)bytes.n)
                                  : send(conn->fd, bytes.p, bytes.n, MSG_NOSIGNAL));
}

/* ---- a connection's life ----------------------------------------------------------------------
 */

int conn_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct conn *conn = SSL_get_app_data(ssl);
    SSL_SESSION_free(conn->session);
    conn->session = session;
    return 1;
}

static void begin_tls(struct conn *conn)
{
    conn->ssl = SSL_new(load.tls);
    if (!conn->ssl || SSL_set_fd(conn->ssl, conn->fd) != 1 ||
        (load.resume && conn->session && SSL_set_session(conn->ssl, conn->session) != 1))
        wire_fail("no TLS");
    SSL_set_app_data(conn->ssl, conn);
    SSL_set_connect_state(conn->ssl);
    conn->state = CONN_HANDSHAKE;
}

static void begin_request(struct conn *conn)
{
    conn->state = CONN_SEND;
    conn->part = 0;
    conn->sent = conn->kept = 0;
}

static void begin(struct conn *conn)
{
    conn->began = wire_now();
    conn->fd = wire_connect(load.to);
    begin_request(conn);
    if (load.tls)
        begin_tls(conn);
    wire_register(load.epoll, conn->fd, conn);
}

void conn_open(void)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        wire_fail("out of memory");
    begin(conn);
}

static void end(struct conn *conn)
{
    if (conn->ssl) {
        SSL_shutdown(conn->ssl);
        SSL_free(conn->ssl);
        conn->ssl = NULL;
    }
    close(conn->fd);
}

/* ---- what was asked is answered ---------------------------------------------------------------
 */

static void note(struct conn *conn)
{
    uint64_t now = wire_now();
    load.all++;
    if (!conn->was_answered)
        load.ready++;
    conn->was_answered = true;
    if (load.counts) {
        if (load.requests < load.took_size)
            load.took[load.requests] = (uint32_t)((now - conn->began) / LOAD_TICK);
        load.requests++;
    }
    conn->began = now;
}

static void answered(struct conn *conn)
{
    note(conn);
    if (load.mode == LOAD_FRESH) {
        end(conn);
        begin(conn);
    } else {
        begin_request(conn);
    }
}

static void head_came(struct conn *conn, const struct wire_head *head)
{
    struct str status = str_head(str_skip(head->line, strlen("HTTP/1.1 ")), 3);
    if ((unsigned)strtoul(status.p, NULL, 10) != load.status)
        wire_fail("answered with %.*s, not %u", STR_ARG(head->line), load.status);
    conn->body = head->body;
    conn->state = CONN_BODY;
    if (load.mode == LOAD_ECHO || load.mode == LOAD_HOLD) {
        note(conn);
        conn->state = load.mode == LOAD_ECHO ? CONN_SAY : CONN_IDLE;
        conn->sent = conn->heard = 0;
    }
}

static void take_head(struct conn *conn, struct str text)
{
    if (conn->kept > 0) {
        if (conn->kept + text.n > WIRE_HEAD_MAX)
            wire_fail("the head is too long");
        memcpy(conn->kept_head + conn->kept, text.p, text.n);
        text = (struct str){conn->kept_head, conn->kept += text.n};
    }
    struct wire_head head = wire_parse(text);
    if (head.size == 0) {
        if (!conn->kept_head && !(conn->kept_head = malloc(WIRE_HEAD_MAX)))
            wire_fail("out of memory");
        if (text.n > WIRE_HEAD_MAX)
            wire_fail("the head is too long");
        if (conn->kept == 0)
            memcpy(conn->kept_head, text.p, conn->kept = text.n);
        return;
    }
    head_came(conn, &head);
    if (conn->state == CONN_BODY)
        wire_take(&conn->body, text.p + head.size, text.n - head.size);
}

/* ---- steps ------------------------------------------------------------------------------------
   Each is true when another may follow. */

static bool step_handshake(struct conn *conn)
{
    ERR_clear_error();
    int n = SSL_do_handshake(conn->ssl);
    if (n != 1)
        return settle(conn, n) != AGAIN;
    if (load.counts && SSL_session_reused(conn->ssl))
        load.resumed++;
    conn->state = CONN_SEND;
    return true;
}

static struct str part_of(const struct conn *conn)
{
    if (conn->part == 0)
        return load.head;
    return conn->part <= load.times ? load.block : load.tail;
}

static bool step_send(struct conn *conn)
{
    while (conn->part <= load.times + 1) {
        struct str part = str_skip(part_of(conn), conn->sent);
        ssize_t n = part.n ? write_some(conn, part) : 0;
        if (n == AGAIN)
            return false;
        conn->sent += (size_t)n;
        load.bytes += load.counts && conn->part > 0 ? (uint64_t)n : 0;
        if ((size_t)n == part.n) {
            conn->part++;
            conn->sent = 0;
        }
    }
    conn->state = CONN_HEAD;
    return true;
}

static bool step_read(struct conn *conn)
{
    ssize_t n = read_some(conn);
    if (n == AGAIN)
        return false;
    if (conn->state == CONN_HEAD) {
        take_head(conn, (struct str){block, (size_t)n});
    } else {
        load.bytes += load.counts ? (uint64_t)n : 0;
        wire_take(&conn->body, block, (size_t)n);
    }
    if (conn->state == CONN_BODY && conn->body.ended)
        answered(conn);
    return true;
}

static bool step_say(struct conn *conn)
{
    static const char message[WIRE_BLOCK];
    ssize_t n = write_some(conn, (struct str){message, load.echo - conn->sent});
    if (n == AGAIN)
        return false;
    conn->sent += (size_t)n;
    if (conn->sent == load.echo)
        conn->state = CONN_HEAR;
    return true;
}

static bool step_hear(struct conn *conn)
{
    ssize_t n = read_some(conn);
    if (n == AGAIN)
        return false;
    conn->heard += (size_t)n;
    if (conn->heard >= load.echo) {
        note(conn);
        conn->sent = conn->heard = 0;
        conn->state = CONN_SAY;
    }
    return true;
}

static bool step_idle(struct conn *conn)
{
    return read_some(conn) != AGAIN;
}

void conn_step(void *arg)
{
    static bool (*const steps[])(struct conn * conn) = {[CONN_HANDSHAKE] = step_handshake,
                                                        [CONN_SEND] = step_send,
                                                        [CONN_HEAD] = step_read,
                                                        [CONN_BODY] = step_read,
                                                        [CONN_SAY] = step_say,
                                                        [CONN_HEAR] = step_hear,
                                                        [CONN_IDLE] = step_idle};
    struct conn *conn = arg;
    while (steps[conn->state](conn))
        continue;
}
