/* One client connection: its two streams, its phase and its clock. */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "exchange.h"
#include "tls.h"

/* Takes over an accepted socket, which worker_give() has counted in shared->connections. False: it
   is closed again and no longer counted. tls NULL: plain. */
bool conn_open(struct context *context, int fd, const struct sockaddr_storage *address,
               const char *listener, struct tls_context *tls);
/* Takes over the reference: requests from now on are judged by this one, and all connections are
   looked at anew, a part of them in each turn. */
void conn_renew_all(struct context *context, struct snapshot *snapshot);
/* Stopping: connections without a request are closed, the others after their response. */
void conn_drain_all(struct context *context);
/* Stopping, and --stop-timeout is over: what follows something (events, logs -f, tunnels) is ended
   well, what waits for an answer gets one of ours, and what is in the middle of one is broken off.
 */
void conn_cut_all(struct context *context);
/* Closes whatever is left. */
void conn_close_all(struct context *context);

#endif
