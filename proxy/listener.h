/* Listening sockets: Unix, TCP, and those that systemd hands over; accepting with backpressure. */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include "systemd.h"
#include "worker.h"

enum { LISTENERS_MAX = CONFIG_HOSTS_MAX + SYSTEMD_SOCKETS_MAX };

struct listener {
    const char *name;   /* as given to --host; of an inherited socket its own */
    const char *option; /* that names it, for messages: "--host" or "--admin" */
    int fd;             /* -1: closed */
    bool tls;
    bool bound; /* by us, not inherited */
    struct event *event;
    char path[112];   /* of a Unix socket; "" else */
    uint64_t inode;   /* of that socket when we made it, so that only our own is removed; else 0 */
    bool made_folder; /* that holds it */
    struct server *server;
};

/* What accepting needs. Belongs to the main thread. */
struct server {
    const struct config *config;
    struct loop *loop; /* of the main thread */
    struct listener listeners[LISTENERS_MAX];
    size_t count;
    struct listener admin; /* of --admin; name NULL: there is none. admin.c accepts on it */
    struct worker *workers;
    size_t worker_count;
    struct shared *shared;
    struct tls_context *tls; /* of new connections; NULL when no listener needs one. Borrowed */
    struct event *resume;    /* timer: try accepting again */
    struct systemd_sockets inherited; /* read before anything else is opened */
    bool paused;
    uint64_t paused_ms; /* monotonic; when accepting last had to pause */
};

/* Makes, binds or adopts all listeners of the configuration. False: err names address and remedy.
 */
bool listeners_open(struct server *server, struct err *err);
/* Starts accepting. */
bool listeners_start(struct server *server, struct err *err);
/* Before a stop: takes what the kernel has accepted already, so that no request that has come is
   lost. What systemd listens on is left to who serves it next. */
void listeners_take_rest(struct server *server);
/* Stops accepting and removes the socket files that were made, all but that of --admin. */
void listeners_close(struct server *server);
/* The same for one; a listener that was never opened is fine. */
void listener_close(struct listener *listener);

#endif
