/* Who asks: what the kernel says of the peer of a connection, and what a certificate says that was
   verified. Nothing that the client says. */
#ifndef PROXY_IDENTITY_H
#define PROXY_IDENTITY_H

#include "certificate.h"
#include "policy.h"

#include <sys/socket.h>

struct identity {
    bool unix_peer;
    uint32_t uid, gid;               /* of a Unix peer, as of its connect() */
    int32_t pid;                     /* 0: not visible from here (another pid namespace) */
    char address[48];                /* of a TCP peer, "10.0.0.1" or "fd00::1"; else empty */
    const char *listener;            /* as given to --host; owned by the configuration */
    struct certificate *certificate; /* verified; NULL: none. Owned */
};

/* fd is connected; address as accept() gave it. */
void identity_read(int fd, const struct sockaddr_storage *address, const char *listener,
                   struct identity *out);
void identity_free(struct identity *identity);
/* The same as the policy asks for it; texts are borrowed from identity. */
struct client_identity identity_client(const struct identity *identity);
/* Appends the members of the audit line's "peer" object. */
void identity_write(const struct identity *identity, struct json_out *out);

#endif
