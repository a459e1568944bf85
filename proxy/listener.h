/* Listening sockets: Unix and TCP; accepting with backpressure. */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include "worker.h"

struct listener {
    const char *name; /* as given to --host */
    int fd;           /* -1: closed */
    bool tls;
    struct event *event;
    char path[108]; /* of a Unix socket that we made; "" else */
    uint64_t inode; /* of that socket, so that only our own is removed */
    struct server *server;
};

/* What accepting needs. Belongs to the main thread. */
struct server {
    const struct config *config;
    struct loop *loop; /* of the main thread */
    struct listener listeners[CONFIG_HOSTS_MAX];
    size_t count;
    struct worker *workers;
    size_t worker_count;
    struct shared *shared;
    struct tls_context *tls; /* of new connections; NULL when no listener needs one. Owned */
    struct event *resume;    /* timer: try accepting again */
    bool paused;
    uint64_t paused_ms; /* monotonic; when accepting last had to pause */
};

/* Makes and binds all listeners of the configuration. False: err names address and remedy. */
bool listeners_open(struct server *server, struct err *err);
/* Starts accepting. */
bool listeners_start(struct server *server, struct err *err);
/* Stops accepting and removes the socket files that were made. */
void listeners_close(struct server *server);

#endif
