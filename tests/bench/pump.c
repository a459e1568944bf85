/* The floor: what passing bytes between a client and the daemon costs, by a program that does
   nothing else. It accepts, connects, reads and writes, in one thread; where certificates are
   given, the client's side is mutual TLS. It never looks at what it passes. */
#include "wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT, DAEMON, ENDS };

struct end {
    struct pair *pair; /* NULL: a listener */
    int fd;
    SSL *ssl;
    char *pending; /* what is to be written here */
    size_t size, sent;
    bool ended;
};

struct pair {
    struct end ends[ENDS];
    bool gone;
};

static char block[64 * 1024];
static int epoll;
static const char *daemon_address;
static SSL_CTX *tls;

static ssize_t end_read(struct end *end)
{
    if (!end->ssl)
        return recv(end->fd, block, sizeof(block), 0);
    ERR_clear_error();
    int n = SSL_read(end->ssl, block, sizeof(block));
    if (n > 0)
        return n;
    errno = EAGAIN;
    int why = SSL_get_error(end->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static ssize_t end_write(struct end *end, const char *bytes, size_t n)
{
    if (!end->ssl)
        return send(end->fd, bytes, n, MSG_NOSIGNAL);
    size_t done = 0;
    ERR_clear_error();
    if (SSL_write_ex(end->ssl, bytes, n, &done) != 1)
        return SSL_get_error(end->ssl, 0) == SSL_ERROR_WANT_WRITE ||
                       SSL_get_error(end->ssl, 0) == SSL_ERROR_WANT_READ
                   ? 0
                   : -1;
    return (ssize_t)done;
}

static struct end *other(struct end *end)
{
    return &end->pair->ends[end == &end->pair->ends[CLIENT] ? DAEMON : CLIENT];
}

/* Writes what is pending; true when nothing is left. */
static bool end_flush(struct end *end)
{
    while (end->sent < end->size) {
        ssize_t n = end_write(end, end->pending + end->sent, end->size - end->sent);
        if (n <= 0)
            return false;
        end->sent += (size_t)n;
    }
    free(end->pending);
    end->pending = NULL;
    end->size = end->sent = 0;
    return true;
}

static void end_put(struct end *end, const char *bytes, size_t n)
{
    ssize_t done = end_write(end, bytes, n);
    size_t sent = done > 0 ? (size_t)done : 0;
    if (sent == n)
        return;
    end->pending = malloc(n - sent);
    if (!end->pending)
        wire_fail("out of memory");
    memcpy(end->pending, bytes + sent, n - sent);
    end->size = n - sent;
    end_flush(end); /* TLS writes a record at a time: more may go */
}

/* From this end to the other, until one of them has no more. */
static void pass(struct end *from)
{
    struct end *to = other(from);
    for (;;) {
        if (!end_flush(to))
            return;
        ssize_t n = end_read(from);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            from->ended = from->pair->gone = true;
            return;
        }
        if (n < 0)
            return;
        end_put(to, block, (size_t)n);
        if (!from->ssl && n < (ssize_t)sizeof(block))
            return;
    }
}

static void pair_close(struct pair *pair)
{
    for (int i = 0; i < ENDS; i++) {
        if (pair->ends[i].ssl)
            SSL_shutdown(pair->ends[i].ssl);
        SSL_free(pair->ends[i].ssl);
        close(pair->ends[i].fd);
        free(pair->ends[i].pending);
    }
    free(pair);
}

static void pair_open(int fd)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    if (!pair)
        wire_fail("out of memory");
    pair->ends[CLIENT] = (struct end){.pair = pair, .fd = fd};
    pair->ends[DAEMON] = (struct end){.pair = pair, .fd = wire_connect(daemon_address)};
    if (tls) {
        SSL *ssl = pair->ends[CLIENT].ssl = SSL_new(tls);
        if (!ssl || SSL_set_fd(ssl, fd) != 1)
            wire_fail("no TLS");
        SSL_set_accept_state(ssl);
    }
    for (int i = 0; i < ENDS; i++)
        wire_register(epoll, pair->ends[i].fd, &pair->ends[i]);
}

/* Only one event of a pair in a turn may close it: both have its memory. */
static void on_event(struct end *end, uint32_t events)
{
    struct pair *pair = end->pair;
    if (pair->gone)
        return;
    if (events & EPOLLIN)
        pass(end);
    if (!pair->gone && (events & EPOLLOUT) && end->pending)
        pass(other(end));
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        pair->gone = true;
}

static SSL_CTX *context(char **files)
{
    static const unsigned char id[] = "pump";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate_file(ctx, files[0], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, files[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_file(ctx, files[2]) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1)
        wire_fail("no TLS context");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(ctx, id, sizeof(id));
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_NO_AUTO_CHAIN);
    return ctx;
}

static void turn(struct end *listener)
{
    struct epoll_event events[WIRE_EVENTS];
    int n = epoll_wait(epoll, events, WIRE_EVENTS, -1);
    for (int i = 0; i < n; i++) {
        struct end *end = events[i].data.ptr;
        if (end != listener) {
            on_event(end, events[i].events);
            continue;
        }
        for (int fd; (fd = wire_accept(listener->fd)) >= 0;)
            pair_open(fd);
    }
    for (int i = 0; i < n; i++) {
        struct end *end = events[i].data.ptr;
        struct pair *pair = end == listener ? NULL : end->pair;
        if (!pair || !pair->gone)
            continue;
        for (int k = i + 1; k < n; k++) /* its other end may stand in the same turn */
            if (events[k].data.ptr == &pair->ends[CLIENT] ||
                events[k].data.ptr == &pair->ends[DAEMON])
                events[k].data.ptr = listener;
        pair_close(pair);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 6) {
        fprintf(stderr, "usage: %s ADDRESS DAEMON [CERT KEY CA]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    wire_raise_limits();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    daemon_address = argv[2];
    tls = argc == 6 ? context(argv + 3) : NULL;
    struct end listener = {.fd = wire_listen(argv[1])};
    wire_register(epoll, listener.fd, &listener);
    puts("ready");
    fflush(stdout);
    for (;;)
        turn(&listener);
}
