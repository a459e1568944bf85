/* --admin: health and metrics by plain HTTP on a listener of its own, for monitoring and container
   engines. It belongs to the main thread's loop, knows nothing of the Docker API, and has nothing
   to configure. */
#ifndef PROXY_ADMIN_H
#define PROXY_ADMIN_H

#include "listener.h"
#include "process.h"

enum {
    ADMIN_CONNECTIONS_MAX = 16, /* at a time; more wait in the listener's queue */
    ADMIN_HEAD_MAX = 8 << 10,   /* bytes of a request's head */
    ADMIN_DEADLINE_S = 10,      /* of a connection, from accept to end */
    ADMIN_PING_MS = 1000,       /* how long the daemon may take to answer */
};

struct admin_conn;

struct admin {
    struct server *server;
    struct process process;
    struct admin_conn *conns;
    size_t conn_count;
    struct event *resume;           /* timer: accept again after a shortage of descriptors */
    const struct metrics **metrics; /* of all workers */
};

/* Accepts on server->admin, which listeners_open() has opened; does nothing where there is none.
   Before the sandbox is entered. */
bool admin_start(struct admin *admin, struct server *server, struct err *err);
/* Closes connections and listener. Safe when it was not started. */
void admin_close(struct admin *admin);

#endif
