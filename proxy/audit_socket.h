/* Audit lines as datagrams: to syslog by RFC 5424, to the journal by its native protocol. One line
   is one datagram (a long one several, for syslog). Nothing here waits longer than a moment. */
#ifndef PROXY_AUDIT_SOCKET_H
#define PROXY_AUDIT_SOCKET_H

#include "arena.h"
#include "audit_chain.h"

#include <sys/un.h>

enum audit_protocol { AUDIT_SYSLOG, AUDIT_JOURNAL };

struct audit_socket {
    enum audit_protocol protocol;
    struct sockaddr_un address;
    char host[65];      /* of syslog's head */
    struct arena arena; /* of one line's fields */
    char *text;         /* a datagram being made; AUDIT_DATAGRAM_MAX bytes */
};

/* Is that target a socket? "syslog" and "journald", or one of them with another path behind a
   colon, as in "syslog:/run/host/log". path is set to it. */
bool audit_socket_named(const char *target, enum audit_protocol *protocol, const char **path);

/* A connected socket that does not block, or -1 with err set. The socket's room is freed by
   audit_socket_free(), the descriptor is the caller's. */
int audit_socket_open(struct audit_socket *socket, enum audit_protocol protocol, const char *path,
                      struct err *err);
void audit_socket_free(struct audit_socket *socket);

/* Connects again, to whoever listens at the path now. False: errno says why not. */
bool audit_socket_connect(const struct audit_socket *socket, int fd);

/* Sends whole lines, and waits patience_ms at most for room in all. done: bytes of those that were
   taken. False: errno says why not all were. */
bool audit_socket_send(struct audit_socket *socket, int fd, struct str lines, int patience_ms,
                       size_t *done);

#endif
