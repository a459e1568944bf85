/* What the load generator's two halves share: what is asked (load.c reads the options) and the
   connections that ask it (load_conn.c). */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "wire.h"

#include <openssl/ssl.h>

enum { LOAD_TICK = 100 }; /* nanoseconds; what is kept of each request is counted in them */

enum load_mode {
    LOAD_KEEP,  /* one request after another on each connection */
    LOAD_FRESH, /* a new connection for each */
    LOAD_ECHO,  /* after an upgrade, bytes to and fro */
    LOAD_HOLD,  /* the head of an endless answer, then nothing */
};

struct load {
    const char *to; /* an address as wire.h has them */
    enum load_mode mode;
    unsigned status;        /* that each answer must have */
    struct str head, block; /* of the request; the block so many times */
    uint64_t times;
    struct str tail;
    size_t echo;  /* bytes of a message */
    SSL_CTX *tls; /* NULL: plain */
    bool resume;  /* sessions, where there are any */
    int epoll;

    bool counts;                       /* what is done now is measured */
    uint64_t requests, bytes, resumed; /* measured; connections whose session was resumed */
    uint64_t all, ready; /* requests since the start; connections that were answered once */
    uint32_t *took;      /* ticks that each took */
    size_t took_size;
};

/* The one that asks. */
extern struct load load;

/* Opens a connection that begins to ask; the program ends where anything goes wrong with it. */
void conn_open(void);

/* What epoll has told of one. */
void conn_step(void *conn);

/* For a context: keeps each connection's newest session. */
int conn_on_session(SSL *ssl, SSL_SESSION *session);

#endif
