/* Which addresses a registry may have: a name is looked up by whoever answers for it, and what is
   connected to stands inside the network. Judged after the lookup, at each connection. */
#ifndef PROXY_REGISTRY_GUARD_H
#define PROXY_REGISTRY_GUARD_H

#include "base.h"

#include <sys/socket.h>

enum registry_reach {
    REGISTRY_NEVER,   /* nothing that a registry has: link-local, cloud metadata, multicast ... */
    REGISTRY_PRIVATE, /* this machine or a private network: for hosts of --registry-private */
    REGISTRY_PUBLIC,
};

/* Of an address that is about to be connected to. Unknown families are REGISTRY_NEVER. An IPv4
   address within an IPv6 one counts as itself. */
enum registry_reach registry_reach(const struct sockaddr *address, socklen_t length);

#endif
